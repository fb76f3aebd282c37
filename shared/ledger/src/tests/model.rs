//! What an account should do, written once more without the ledger: plain integers and plain loops. Amounts are cents,
//! moments are hours since the history began at midnight, categories and refusals are the contract's words.
#![expect(clippy::arithmetic_side_effects, reason = "what is counted here is far from what 64 bits hold")]

/// What somebody tries.
#[derive(Clone, Debug)]
pub(super) enum Attempt {
    Grant {
        cents: i64,
        category: &'static str,
        life: Life,
    },
    Redeem(Purchase),
    Hold {
        purchase: Purchase,
        hours: Option<i64>,
    },
    /// Of the holds so far, counted back from the last and round again.
    Capture {
        hold: usize,
        cents: Option<i64>,
    },
    Release {
        hold: usize,
    },
    /// Of the redemptions and captures so far, counted likewise.
    Refund {
        spending: usize,
        cents: Option<i64>,
    },
    Withdraw {
        cents: i64,
        by_customer: bool,
    },
    Debit {
        cents: i64,
    },
    /// Of the open lots, counted from the oldest and round again.
    Void {
        lot: usize,
    },
    /// So many hours from now, or never.
    ChangeExpiry {
        lot: usize,
        hours: Option<i64>,
    },
    Request {
        cents: i64,
    },
    /// Of the requests so far, counted back from the last and round again.
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
    /// From now on nothing expires, or everything does as it says.
    Exempt(bool),
}

/// The order's lines before the credit's own come to `before`, those after it to `after`.
#[derive(Clone, Debug)]
pub(super) struct Purchase {
    pub(super) before: i64,
    pub(super) after: i64,
    pub(super) exact: Option<i64>,
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
    pub(super) exempt: bool,
    pub(super) expiry_days: Option<i64>,
    pub(super) grace_days: i64,
    pub(super) hold_hours: i64,
    pub(super) usage_percent: Option<i64>,
    pub(super) transaction_limit: Option<i64>,
    pub(super) overdraft_limit: Option<i64>,
    pub(super) withdrawal: bool,
    pub(super) withdrawable: Vec<&'static str>,
    pub(super) balance_limit: Option<i64>,
    pub(super) topup_min: Option<i64>,
    pub(super) topup_max: Option<i64>,
    pub(super) topup_limit: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lot {
    pub(super) granted: i64,
    /// The entry that made it, and which of that entry's lots it is.
    pub(super) number: (u64, u8),
    pub(super) category: &'static str,
    pub(super) source: &'static str,
    pub(super) expires: Option<i64>,
    pub(super) remaining: i64,
}

pub(super) struct Request {
    cents: i64,
    pending: bool,
}

pub(super) struct Hold {
    deadline: i64,
    /// Of each lot so much.
    parts: Vec<((u64, u8), i64)>,
    overdraft: i64,
    resolved: bool,
}

/// What was spent by one redemption or capture.
struct Spending {
    /// The lots as they were then, and how much of each.
    parts: Vec<(Lot, i64)>,
    overdraft: i64,
    refunded: i64,
}

pub(super) struct Model {
    pub(super) rules: Rules,
    /// Oldest first.
    pub(super) lots: Vec<Lot>,
    pub(super) debt: i64,
    holds: Vec<Hold>,
    spendings: Vec<Spending>,
    requests: Vec<Request>,
    /// What each entry so far changed the balance by.
    pub(super) entries: Vec<i64>,
    pub(super) granted: i64,
    pub(super) topped_up: i64,
    pub(super) redeemed: i64,
    pub(super) refunded: i64,
    pub(super) withdrawn: i64,
    pub(super) expired: i64,
    pub(super) debited: i64,
}

/// By how much the balance changes, or the rule that refuses.
pub(super) type Answer = Result<i64, &'static str>;

impl Model {
    pub(super) fn new(rules: Rules) -> Self {
        Self {
            rules,
            lots: Vec::new(),
            debt: 0,
            holds: Vec::new(),
            spendings: Vec::new(),
            requests: Vec::new(),
            entries: Vec::new(),
            granted: 0,
            topped_up: 0,
            redeemed: 0,
            refunded: 0,
            withdrawn: 0,
            expired: 0,
            debited: 0,
        }
    }

    pub(super) fn attempt(&mut self, attempt: &Attempt, now: i64) -> Answer {
        match attempt {
            Attempt::Grant { cents, category, life } => self.grant(*cents, category, life, now),
            Attempt::Redeem(purchase) => self.redeem(purchase, now),
            Attempt::Hold { purchase, hours } => self.hold(purchase, *hours, now),
            Attempt::Capture { hold, cents } => self.capture(*hold, *cents, now),
            Attempt::Release { hold } => self.release(*hold, now),
            Attempt::Refund { spending, cents } => self.refund(*spending, *cents, now),
            Attempt::Withdraw { cents, by_customer } => self.withdraw(*cents, *by_customer, now),
            Attempt::Debit { cents } => self.debit(*cents, now),
            Attempt::Void { lot } => self.void(*lot, now),
            Attempt::ChangeExpiry { lot, hours } => self.change_expiry(*lot, *hours, now),
            Attempt::Request { cents } => self.request(*cents, now),
            Attempt::Approve { request, paid } => self.approve(*request, *paid, now),
            Attempt::Reject { request } | Attempt::Cancel { request } => {
                self.waiting(*request)?.pending = false;
                Ok(0)
            }
            Attempt::Expire => Ok(self.expire(now)),
            Attempt::Exempt(exempt) => {
                self.rules.exempt = *exempt;
                Ok(0)
            }
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

    pub(super) fn held(&self, now: i64) -> i64 {
        let mut held = 0;
        for lot in &self.lots {
            held += self.held_of(lot.number, now);
        }
        held
    }

    /// What can be spent of the customer's own.
    pub(super) fn own(&self, now: i64) -> i64 {
        (self.free_of(&self.lots, now) - self.owed(now)).max(0)
    }

    /// What is left to owe once what is due has settled what it can.
    fn owed(&self, now: i64) -> i64 {
        (self.debt - self.due(now)).max(0)
    }

    /// What can be spent, down to the overdraft's limit; live holds have been promised their part of it.
    pub(super) fn available(&self, now: i64) -> i64 {
        let mut promised = 0;
        for hold in &self.holds {
            if !hold.resolved && now < hold.deadline {
                promised += hold.overdraft;
            }
        }
        let limit = self.rules.overdraft_limit.unwrap_or(0);
        self.own(now).max(self.free_of(&self.lots, now) - self.owed(now) - promised + limit)
    }

    /// How much a sweep at this moment books.
    pub(super) fn due(&self, moment: i64) -> i64 {
        let mut due = 0;
        for lot in &self.lots {
            if !self.is_usable(lot, moment) {
                due += lot.remaining - self.held_of(lot.number, moment);
            }
        }
        due
    }

    /// Every moment after now at which something expires or a hold lapses.
    pub(super) fn moments(&self, now: i64) -> Vec<i64> {
        let mut moments: Vec<i64> = self.lots.iter().filter_map(|lot| lot.expires).collect();
        moments.extend(self.holds.iter().filter(|hold| !hold.resolved).map(|hold| hold.deadline));
        moments.retain(|moment| *moment > now);
        moments.sort_unstable();
        moments
    }

    fn held_of(&self, number: (u64, u8), now: i64) -> i64 {
        let mut held = 0;
        for hold in &self.holds {
            for (of, cents) in &hold.parts {
                if !hold.resolved && now < hold.deadline && *of == number {
                    held += cents;
                }
            }
        }
        held
    }

    fn free_of(&self, lots: &[Lot], now: i64) -> i64 {
        let mut free = 0;
        for lot in lots {
            if self.is_usable(lot, now) {
                free += lot.remaining - self.held_of(lot.number, now);
            }
        }
        free
    }

    fn is_usable(&self, lot: &Lot, now: i64) -> bool {
        self.rules.exempt || lot.expires.is_none_or(|expires| now < expires)
    }

    /// What the balance's limits look at.
    fn counted(&self, now: i64) -> i64 {
        let mut counted = -self.owed(now);
        for lot in &self.lots {
            if self.is_usable(lot, now) {
                counted += lot.remaining;
            }
        }
        counted
    }

    fn next(&self) -> u64 {
        u64::try_from(self.entries.len()).unwrap() + 1
    }

    /// The end of the last day on which credit that comes now can be used.
    fn end_of_life(&self, now: i64) -> Option<i64> {
        self.rules.expiry_days.map(|days| (now / 24 + days + 1) * 24)
    }

    fn grant(&mut self, cents: i64, category: &'static str, life: &Life, now: i64) -> Answer {
        let expires = match life {
            Life::Unsaid => self.end_of_life(now),
            Life::Forever => None,
            Life::Hours(hours) => Some(now + hours),
        };
        if cents == 0 {
            return Err("invalid_request");
        }
        if expires.is_some_and(|expires| expires <= now) {
            return Err("expiry_in_past");
        }
        if is_above(self.counted(now) + cents, self.rules.balance_limit) {
            return Err("balance_limit_exceeded");
        }
        self.granted += cents;
        Ok(self.credit(cents, category, "store", expires, now))
    }

    fn request(&mut self, cents: i64, now: i64) -> Answer {
        if cents == 0 {
            return Err("invalid_request");
        }
        self.admit(cents, cents, self.pending(), now)?;
        self.requests.push(Request { cents, pending: true });
        Ok(0)
    }

    fn approve(&mut self, request: usize, paid: Option<i64>, now: i64) -> Answer {
        let asked = self.waiting(request)?.cents;
        let cents = paid.unwrap_or(asked);
        if cents == 0 || cents > asked {
            return Err("invalid_request");
        }
        self.admit(asked, cents, self.pending() - asked, now)?;
        self.waiting(request)?.pending = false;
        self.topped_up += cents;
        Ok(self.credit(cents, "paid", "customer", self.end_of_life(now), now))
    }

    fn waiting(&mut self, request: usize) -> Result<&mut Request, &'static str> {
        let request = back(&mut self.requests, request)?;
        if request.pending { Ok(request) } else { Err("topup_not_pending") }
    }

    /// Whether a top-up that asked for `asked` may bring in `cents` while others come to `pending`.
    fn admit(&self, asked: i64, cents: i64, pending: i64, now: i64) -> Result<(), &'static str> {
        if self.rules.topup_min.is_some_and(|minimum| asked < minimum) {
            return Err("topup_below_minimum");
        }
        if is_above(asked, self.rules.topup_max) {
            return Err("topup_above_maximum");
        }
        if is_above(self.counted(now) + pending + cents, self.rules.topup_limit) {
            return Err("topup_limit_exceeded");
        }
        if is_above(self.counted(now) + cents, self.rules.balance_limit) {
            return Err("balance_limit_exceeded");
        }
        Ok(())
    }

    fn credit(
        &mut self,
        cents: i64,
        category: &'static str,
        source: &'static str,
        expires: Option<i64>,
        now: i64,
    ) -> i64 {
        let number = (self.next(), 0);
        let rest = self.settle(cents);
        if rest > 0 {
            self.lots.push(Lot { granted: now, number, category, source, expires, remaining: rest });
        }
        self.entries.push(cents);
        cents
    }

    /// Pays what is owed, and tells what is left.
    fn settle(&mut self, cents: i64) -> i64 {
        let settled = cents.min(self.debt);
        self.debt -= settled;
        cents - settled
    }

    /// How many cents the rules let the purchase use.
    fn decide(&self, purchase: &Purchase, now: i64) -> Answer {
        let mut bounds = vec![("exceeds_order_total", (purchase.before + purchase.after).max(0))];
        if let Some(percent) = self.rules.usage_percent {
            bounds.push(("usage_limit_exceeded", purchase.before.max(0) * percent / 100));
        }
        if let Some(limit) = self.rules.transaction_limit {
            bounds.push(("transaction_limit_exceeded", limit));
        }
        match purchase.exact {
            Some(0) => Err("invalid_request"),
            Some(cents) => {
                bounds.push(("insufficient_credit", self.available(now)));
                match bounds.iter().find(|(_, most)| cents > *most) {
                    Some((rule, _)) => Err(rule),
                    None => Ok(cents),
                }
            }
            None => {
                bounds.push(("insufficient_credit", self.own(now)));
                let (mut rule, mut cents) = bounds[0];
                for (other, most) in bounds {
                    if most < cents {
                        (rule, cents) = (other, most);
                    }
                }
                if cents == 0 { Err(rule) } else { Ok(cents) }
            }
        }
    }

    /// So many cents of the free parts of the lots of these categories, in the order in which they are spent.
    fn pick(&self, cents: i64, categories: Option<&[&str]>, now: i64) -> Vec<((u64, u8), i64)> {
        let mut lots: Vec<&Lot> = Vec::new();
        for lot in &self.lots {
            if self.is_usable(lot, now)
                && categories.is_none_or(|categories| categories.contains(&lot.category))
            {
                lots.push(lot);
            }
        }
        let mut parts = Vec::new();
        let mut due = cents;
        while due > 0 && !lots.is_empty() {
            let mut first = 0;
            for (place, lot) in lots.iter().enumerate() {
                let sooner = lot.expires.unwrap_or(i64::MAX) < lots[first].expires.unwrap_or(i64::MAX);
                if self.rules.expiring_first && sooner {
                    first = place;
                }
            }
            let lot = lots.remove(first);
            let taken = due.min(lot.remaining - self.held_of(lot.number, now));
            if taken > 0 {
                parts.push((lot.number, taken));
                due -= taken;
            }
        }
        parts
    }

    /// Takes these parts out of the lots, and tells what the lots were.
    fn take(&mut self, parts: &[((u64, u8), i64)]) -> Vec<(Lot, i64)> {
        let mut taken = Vec::new();
        for (number, cents) in parts {
            let lot = self.lots.iter_mut().find(|lot| lot.number == *number).unwrap();
            taken.push((lot.clone(), *cents));
            lot.remaining -= cents;
        }
        self.lots.retain(|lot| lot.remaining > 0);
        taken
    }

    fn spend(&mut self, cents: i64, parts: &[((u64, u8), i64)]) -> i64 {
        let overdraft = cents - parts.iter().map(|(_, cents)| cents).sum::<i64>();
        let parts = self.take(parts);
        self.debt += overdraft;
        self.redeemed += cents;
        self.entries.push(-cents);
        self.spendings.push(Spending { parts, overdraft, refunded: 0 });
        -cents
    }

    fn redeem(&mut self, purchase: &Purchase, now: i64) -> Answer {
        let cents = self.decide(purchase, now)?;
        let parts = self.pick(cents, None, now);
        Ok(self.spend(cents, &parts))
    }

    fn hold(&mut self, purchase: &Purchase, hours: Option<i64>, now: i64) -> Answer {
        let cents = self.decide(purchase, now)?;
        let parts = self.pick(cents, None, now);
        let overdraft = cents - parts.iter().map(|(_, cents)| cents).sum::<i64>();
        let deadline = now + hours.unwrap_or(self.rules.hold_hours);
        self.holds.push(Hold { deadline, parts, overdraft, resolved: false });
        self.entries.push(0);
        Ok(0)
    }

    fn live(&mut self, hold: usize, now: i64) -> Result<&mut Hold, &'static str> {
        let hold = back(&mut self.holds, hold)?;
        if now >= hold.deadline {
            return Err("hold_expired");
        }
        if hold.resolved { Err("hold_resolved") } else { Ok(hold) }
    }

    fn capture(&mut self, hold: usize, cents: Option<i64>, now: i64) -> Answer {
        let hold = self.live(hold, now)?;
        let held = hold.overdraft + hold.parts.iter().map(|(_, cents)| cents).sum::<i64>();
        let cents = cents.unwrap_or(held);
        if cents == 0 {
            return Err("invalid_request");
        }
        if cents > held {
            return Err("exceeds_hold");
        }
        hold.resolved = true;
        let mut parts = Vec::new();
        let mut due = cents;
        for (number, reserved) in hold.parts.clone() {
            if due > 0 {
                parts.push((number, due.min(reserved)));
                due -= due.min(reserved);
            }
        }
        Ok(self.spend(cents, &parts))
    }

    fn release(&mut self, hold: usize, now: i64) -> Answer {
        self.live(hold, now)?.resolved = true;
        self.entries.push(0);
        Ok(0)
    }

    fn refund(&mut self, spending: usize, cents: Option<i64>, now: i64) -> Answer {
        let spending = back(&mut self.spendings, spending)?;
        let spent = spending.overdraft + spending.parts.iter().map(|(_, cents)| cents).sum::<i64>();
        if cents == Some(0) {
            return Err("invalid_request");
        }
        let cents = cents.unwrap_or(spent - spending.refunded);
        if cents == 0 || spending.refunded + cents > spent {
            return Err("refund_exceeds_redemption");
        }

        // Cent by cent: the overdraft comes first, then the last lot.
        let mut sources: Vec<(Option<Lot>, i64)> = vec![(None, spending.overdraft)];
        for (lot, cents) in spending.parts.iter().rev() {
            sources.push((Some(lot.clone()), *cents));
        }
        let (from, to) = (spending.refunded, spending.refunded + cents);
        spending.refunded = to;
        let mut begin = 0;
        for (lot, length) in sources {
            let end = begin + length;
            let back = end.min(to) - begin.max(from);
            begin = end;
            if back > 0 {
                let rest = self.settle(back);
                if rest > 0 {
                    self.restore(lot, rest, now);
                }
            }
        }
        self.refunded += cents;
        self.entries.push(cents);
        Ok(cents)
    }

    /// Gives back cents that came out of a lot that was like this, or out of the overdraft.
    fn restore(&mut self, was: Option<Lot>, cents: i64, now: i64) {
        let Some(was) = was else {
            let expires = self.end_of_life(now);
            return self.make(cents, "refund", "system", expires, now);
        };
        let open = self.lots.iter().position(|lot| lot.number == was.number);
        if let Some(place) = open.filter(|place| self.is_usable(&self.lots[*place], now)) {
            self.lots[place].remaining += cents;
        } else if open.is_none() && self.is_usable(&was, now) {
            self.lots.push(Lot { remaining: cents, ..was });
            self.lots.sort_by_key(|lot| (lot.granted, lot.number));
        } else if self.is_usable(&was, now) {
            // It was moved since, and is over; what was spent before is not.
            self.make(cents, was.category, was.source, was.expires, now);
        } else {
            let expires = was.expires.map(|expires| expires.max(now + self.rules.grace_days * 24));
            self.make(cents, was.category, was.source, expires, now);
        }
    }

    /// Makes a lot of the refund that is under way, or adds to one that it made.
    fn make(
        &mut self,
        cents: i64,
        category: &'static str,
        source: &'static str,
        expires: Option<i64>,
        now: i64,
    ) {
        let entry = self.next();
        let mut part = 0;
        for lot in &mut self.lots {
            if lot.number.0 == entry {
                if (lot.category, lot.source, lot.expires) == (category, source, expires) {
                    lot.remaining += cents;
                    return;
                }
                part += 1;
            }
        }
        let number = (entry, part);
        self.lots.push(Lot { granted: now, number, category, source, expires, remaining: cents });
    }

    fn withdraw(&mut self, cents: i64, by_customer: bool, now: i64) -> Answer {
        if by_customer && !self.rules.withdrawal {
            return Err("forbidden");
        }
        if cents == 0 {
            return Err("invalid_request");
        }
        if cents > self.own(now) {
            return Err("insufficient_credit");
        }
        let categories = self.rules.withdrawable.clone();
        let mut lots = self.lots.clone();
        lots.retain(|lot| categories.contains(&lot.category));
        if cents > self.free_of(&lots, now) - self.owed(now) {
            return Err("not_withdrawable");
        }
        let parts = self.pick(cents, Some(&categories), now);
        self.take(&parts);
        self.withdrawn += cents;
        self.entries.push(-cents);
        Ok(-cents)
    }

    fn debit(&mut self, cents: i64, now: i64) -> Answer {
        if cents == 0 {
            return Err("invalid_request");
        }
        if cents > self.own(now) {
            return Err("insufficient_credit");
        }
        let parts = self.pick(cents, None, now);
        self.take(&parts);
        self.debited += cents;
        self.entries.push(-cents);
        Ok(-cents)
    }

    fn void(&mut self, lot: usize, now: i64) -> Answer {
        let lot = &self.lots[round(&self.lots, lot)?];
        let (number, cents) = (lot.number, lot.remaining);
        if !self.is_usable(lot, now) || self.held_of(number, now) > 0 {
            return Err("lot_not_voidable");
        }
        self.lots.retain(|lot| lot.number != number);
        let rest = self.settle(cents);
        self.debited += rest;
        self.entries.push(-rest);
        Ok(-rest)
    }

    fn change_expiry(&mut self, lot: usize, hours: Option<i64>, now: i64) -> Answer {
        let lot = round(&self.lots, lot)?;
        if !self.is_usable(&self.lots[lot], now) {
            return Err("lot_not_voidable");
        }
        if hours.is_some_and(|hours| hours <= 0) {
            return Err("expiry_in_past");
        }
        self.lots[lot].expires = hours.map(|hours| now + hours);
        self.entries.push(0);
        Ok(0)
    }

    fn expire(&mut self, now: i64) -> i64 {
        let due = self.due(now);
        let mut lots = Vec::new();
        for mut lot in self.lots.clone() {
            if !self.is_usable(&lot, now) {
                lot.remaining = self.held_of(lot.number, now);
            }
            if lot.remaining > 0 {
                lots.push(lot);
            }
        }
        self.lots = lots;
        let expired = self.settle(due);
        if due > 0 {
            self.expired += expired;
            self.entries.push(-expired);
        }
        -expired
    }
}

/// The one that comes at this place, where counting goes round; there may be none.
pub(super) fn round<T>(all: &[T], place: usize) -> Result<usize, &'static str> {
    place.checked_rem(all.len()).ok_or("nothing")
}

/// The same, counted back from the last.
pub(super) fn back<T>(all: &mut [T], place: usize) -> Result<&mut T, &'static str> {
    let back = round(all, place)?;
    let place = all.len() - 1 - back;
    Ok(&mut all[place])
}

fn is_above(cents: i64, limit: Option<i64>) -> bool {
    limit.is_some_and(|limit| cents > limit)
}
