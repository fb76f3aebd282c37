//! What an account should do, written once more without the ledger: plain integers and plain loops. Amounts are cents,
//! moments are hours since the history began at midnight.
#![expect(clippy::arithmetic_side_effects, reason = "what is counted here is far from what 64 bits hold")]

/// What somebody tries.
#[derive(Clone, Debug)]
pub(super) enum Attempt {
    Grant {
        cents: i64,
        life: Life,
    },
    /// The order's lines before the credit's own come to `before`, those after it to `after`.
    Redeem {
        before: i64,
        after: i64,
        exact: Option<i64>,
    },
    Request {
        cents: i64,
    },
    /// Of the requests so far, counted back from the last.
    Approve {
        request: usize,
        paid: Option<i64>,
    },
    Reject {
        request: usize,
    },
    Cancel {
        request: usize,
    },
    Expire,
}

/// How long a grant says that it lasts.
#[derive(Clone, Debug)]
pub(super) enum Life {
    Unsaid,
    Forever,
    Hours(i64),
}

#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub(super) expiring_first: bool,
    pub(super) expiry_days: Option<i64>,
    pub(super) usage_percent: Option<i64>,
    pub(super) transaction_limit: Option<i64>,
    pub(super) balance_limit: Option<i64>,
    pub(super) topup_min: Option<i64>,
    pub(super) topup_max: Option<i64>,
    pub(super) topup_limit: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lot {
    pub(super) granted: i64,
    pub(super) number: u64,
    pub(super) expires: Option<i64>,
    pub(super) remaining: i64,
}

pub(super) struct Request {
    cents: i64,
    pending: bool,
}

#[derive(Default)]
pub(super) struct Model {
    /// Oldest first.
    pub(super) lots: Vec<Lot>,
    pub(super) requests: Vec<Request>,
    /// What each entry so far changed the balance by.
    pub(super) entries: Vec<i64>,
    pub(super) granted: i64,
    pub(super) topped_up: i64,
    pub(super) redeemed: i64,
    pub(super) expired: i64,
}

impl Model {
    /// By how much the balance changes; `None` where the rules refuse.
    pub(super) fn attempt(&mut self, rules: &Rules, attempt: &Attempt, now: i64) -> Option<i64> {
        match attempt {
            Attempt::Grant { cents, life } => self.grant(rules, *cents, life, now),
            Attempt::Redeem { before, after, exact } => self.redeem(rules, *before, *after, *exact, now),
            Attempt::Request { cents } => self.request(rules, *cents, now),
            Attempt::Approve { request, paid } => self.approve(rules, *request, *paid, now),
            Attempt::Reject { request } | Attempt::Cancel { request } => {
                self.waiting(*request)?.pending = false;
                Some(0)
            }
            Attempt::Expire => Some(self.expire(now)),
        }
    }

    pub(super) fn balance(&self) -> i64 {
        self.entries.iter().sum()
    }

    pub(super) fn pending(&self) -> i64 {
        let mut pending = 0;
        for request in &self.requests {
            if request.pending {
                pending += request.cents;
            }
        }
        pending
    }

    fn waiting(&mut self, request: usize) -> Option<&mut Request> {
        self.requests.iter_mut().rev().nth(request).filter(|request| request.pending)
    }

    fn grant(&mut self, rules: &Rules, cents: i64, life: &Life, now: i64) -> Option<i64> {
        let expires = match life {
            Life::Unsaid => end_of_life(rules, now),
            Life::Forever => None,
            Life::Hours(hours) => Some(now + hours),
        };
        let expired_already = expires.is_some_and(|expires| expires <= now);
        if cents == 0 || expired_already || is_above(self.available(now) + cents, rules.balance_limit) {
            return None;
        }
        self.granted += cents;
        Some(self.credit(cents, expires, now))
    }

    fn request(&mut self, rules: &Rules, cents: i64, now: i64) -> Option<i64> {
        if cents == 0 || !self.admits(rules, cents, cents, self.pending(), now) {
            return None;
        }
        self.requests.push(Request { cents, pending: true });
        Some(0)
    }

    fn approve(&mut self, rules: &Rules, request: usize, paid: Option<i64>, now: i64) -> Option<i64> {
        let asked = self.waiting(request)?.cents;
        let cents = paid.unwrap_or(asked);
        if cents == 0 || cents > asked || !self.admits(rules, asked, cents, self.pending() - asked, now) {
            return None;
        }
        self.waiting(request)?.pending = false;
        self.topped_up += cents;
        Some(self.credit(cents, end_of_life(rules, now), now))
    }

    /// Whether a top-up that asked for `asked` may bring in `cents` while others come to `pending`.
    fn admits(&self, rules: &Rules, asked: i64, cents: i64, pending: i64, now: i64) -> bool {
        let too_small = rules.topup_min.is_some_and(|minimum| asked < minimum);
        let too_much = is_above(asked, rules.topup_max)
            || is_above(self.available(now) + pending + cents, rules.topup_limit)
            || is_above(self.available(now) + cents, rules.balance_limit);
        !too_small && !too_much
    }

    fn credit(&mut self, cents: i64, expires: Option<i64>, now: i64) -> i64 {
        self.entries.push(cents);
        let number = self.entries.len().try_into().unwrap();
        self.lots.push(Lot { granted: now, number, expires, remaining: cents });
        cents
    }

    fn redeem(
        &mut self,
        rules: &Rules,
        before: i64,
        after: i64,
        exact: Option<i64>,
        now: i64,
    ) -> Option<i64> {
        let mut most = before + after;
        if let Some(percent) = rules.usage_percent {
            most = most.min(before.max(0) * percent / 100);
        }
        if let Some(limit) = rules.transaction_limit {
            most = most.min(limit);
        }
        most = most.min(self.available(now));
        let cents = exact.unwrap_or(most);
        if cents <= 0 || cents > most {
            return None;
        }

        for _ in 0..cents {
            let mut first: Option<&mut Lot> = None;
            for lot in &mut self.lots {
                let sooner = first.as_ref().is_none_or(|first| {
                    rules.expiring_first
                        && lot.expires.unwrap_or(i64::MAX) < first.expires.unwrap_or(i64::MAX)
                });
                if lot.remaining > 0 && is_usable(lot, now) && sooner {
                    first = Some(lot);
                }
            }
            first?.remaining -= 1;
        }
        self.lots.retain(|lot| lot.remaining > 0);
        self.redeemed += cents;
        self.entries.push(-cents);
        Some(-cents)
    }

    pub(super) fn available(&self, now: i64) -> i64 {
        let mut available = 0;
        for lot in &self.lots {
            if is_usable(lot, now) {
                available += lot.remaining;
            }
        }
        available
    }

    fn expire(&mut self, now: i64) -> i64 {
        let expired = self.balance() - self.available(now);
        self.lots.retain(|lot| is_usable(lot, now));
        if expired > 0 {
            self.expired += expired;
            self.entries.push(-expired);
        }
        -expired
    }
}

fn is_usable(lot: &Lot, now: i64) -> bool {
    lot.expires.is_none_or(|expires| now < expires)
}

fn is_above(cents: i64, limit: Option<i64>) -> bool {
    limit.is_some_and(|limit| cents > limit)
}

/// The end of the last day on which credit that comes now can be used.
fn end_of_life(rules: &Rules, now: i64) -> Option<i64> {
    rules.expiry_days.map(|days| (now / 24 + days + 1) * 24)
}
