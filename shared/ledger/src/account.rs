//! One customer's credit in one currency: open lots, live holds, what is owed, and totals since the beginning.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{
    Currency, CustomerId, EntryId, Hash, LotId, LotNumber, Money, OutOfRange, Refusal,
    entry::{Allocation, Change, Line, Origin},
    policy::{ConsumptionOrder, Policy},
    redeem::OrderUse,
    text::words,
    topup::Topup,
};

/// Open lots that an account may hold: the account is one stored item whose size is paid for at every change.
pub const MAX_OPEN_LOTS: usize = 500;
/// Live holds that an account may have at once.
pub const MAX_HOLDS: usize = 50;
/// Top-up requests that may wait in an account at once.
pub const MAX_WAITING_TOPUPS: usize = 50;

words! {
    /// What kind of credit a lot is.
    pub enum Category {
        /// Money came in: top-ups, offline or online payments.
        Paid = "paid",
        /// Given to promote sales.
        Promotional = "promotional",
        /// Given back for a return.
        Refund = "refund",
        /// Given to make up for something.
        Goodwill = "goodwill",
        /// Brought over from another system.
        Import = "import",
    }
}

words! {
    /// In which capacity somebody acts.
    pub enum Role {
        /// The merchant.
        Admin = "admin",
        /// The shop's software.
        Store = "store",
        /// Whoever holds the credit.
        Customer = "customer",
        /// Scrip itself, as when the schedule books an expiry.
        System = "system",
    }
}

/// What one grant brought in and has not been used yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// The entry that made it.
    pub number: LotNumber,
    /// Where it comes from and until when it counts.
    pub origin: Origin,
    /// What is left of it, more than zero; live holds may have reserved a part.
    pub remaining: Money,
}

/// A part of the credit that is reserved for one order until it is captured, voided or too late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The entry that made it.
    pub number: u64,
    /// It counts while `now < deadline`.
    pub deadline: Timestamp,
    /// What it reserves of which lots, in the order in which they will be taken.
    pub parts: Vec<(LotNumber, Money)>,
    /// What it reserves of the overdraft.
    pub overdraft: Money,
    /// The order that it is for.
    pub order: OrderUse,
}

impl Hold {
    /// Whether it still counts.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now < self.deadline
    }

    /// What it reserves of lots and overdraft together.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn amount(&self) -> Result<Money, OutOfRange> {
        self.parts.iter().try_fold(self.overdraft, |sum, (_, amount)| sum.plus(*amount))
    }

    /// Where the first `amount` of it is taken from, the overdraft last.
    pub(crate) fn first(&self, amount: Money) -> Result<Found, OutOfRange> {
        let mut due = amount;
        let mut parts = Vec::new();
        for (lot, reserved) in &self.parts {
            let taken = if *reserved < due { *reserved } else { due };
            if taken.is_positive() {
                due = due.minus(taken)?;
                parts.push((*lot, taken));
            }
        }
        Ok(Found { parts, overdraft: due })
    }
}

/// Totals of an account since its first entry, none of them negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Granted by admin or store, or imported.
    pub granted: Money,
    /// Topped up and approved.
    pub topped_up: Money,
    /// Spent on orders, captures included.
    pub redeemed: Money,
    /// Given back from redemptions.
    pub refunded: Money,
    /// Withdrawn as money.
    pub withdrawn: Money,
    /// Expired and booked, but for what settled a debt.
    pub expired: Money,
    /// Taken back by the merchant: debits, and voided lots but for what settled a debt; and what a later import took.
    pub debited: Money,
    /// Of what was granted and topped up, what the merchant brought.
    pub by_admin: Money,
    /// Of what was granted and topped up, what customers brought; the rest the shop's software did.
    pub by_customer: Money,
}

impl Lifetime {
    /// Each with its name.
    pub fn totals(&self) -> [(&'static str, Money); 9] {
        [
            ("granted", self.granted),
            ("topped_up", self.topped_up),
            ("redeemed", self.redeemed),
            ("refunded", self.refunded),
            ("withdrawn", self.withdrawn),
            ("expired", self.expired),
            ("debited", self.debited),
            ("by_admin", self.by_admin),
            ("by_customer", self.by_customer),
        ]
    }
}

/// One customer's credit in one currency, as of its last change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Whose credit.
    pub customer: CustomerId,
    /// In which currency.
    pub currency: Currency,
    /// The last entry's number; 0 before the first.
    pub number: u64,
    /// The last entry's hash; all zeros before the first.
    pub hash: Hash,
    /// The last entry's time. Whoever seals the next one gives no earlier time, whatever its own clock says.
    pub at: Timestamp,
    /// Open lots, oldest first; the entry number breaks ties.
    pub lots: Vec<Lot>,
    /// Holds that were live at the last change.
    pub holds: Vec<Hold>,
    /// What the customer owes by overdraft, not negative.
    pub debt: Money,
    /// Sum of the top-up requests that wait, and of those whose lapse is not booked yet.
    pub pending: Money,
    /// When which of these lapse.
    pub lapses: Vec<(Timestamp, Money)>,
    /// Totals since the first entry.
    pub lifetime: Lifetime,
    /// Nothing is to be booked before this moment: when the schedule has to look next. A lower bound, so that spending
    /// never has to move it; only an earlier expiry and the schedule do.
    pub expiry_bound: Option<Timestamp>,
}

/// Credit on its way in: what a grant, a top-up or a refund brings.
pub(crate) struct Incoming {
    pub(crate) origin: Origin,
    /// Whether the balance's limit holds for it.
    pub(crate) limited: bool,
}

impl Account {
    /// The account before its first entry.
    pub fn new(customer: CustomerId, currency: Currency) -> Self {
        let zero = Money::zero(currency);
        Self {
            customer,
            currency,
            number: 0,
            hash: Hash::ZERO,
            at: Timestamp::MIN,
            lots: Vec::new(),
            holds: Vec::new(),
            debt: zero,
            pending: zero,
            lapses: Vec::new(),
            lifetime: Lifetime {
                granted: zero,
                topped_up: zero,
                redeemed: zero,
                refunded: zero,
                withdrawn: zero,
                expired: zero,
                debited: zero,
                by_admin: zero,
                by_customer: zero,
            },
            expiry_bound: None,
        }
    }

    /// That of anybody who has so much credit, all of it money that came in now, and nothing else: what a rule would say of it.
    pub fn of_credit(credit: Money, now: Timestamp) -> Self {
        let (category, source) = (Category::Paid, Role::Admin);
        let origin = Origin { category, source, granted_at: now, expires_at: None };
        let lot = Lot { number: LotNumber::from(1), origin, remaining: credit };
        let lots = Some(lot).filter(|lot| lot.remaining.is_positive()).into_iter().collect();
        Self { lots, ..Self::new(CustomerId::anybody(), credit.currency()) }
    }

    /// The lots' sum, whether usable or expired and not yet booked, less what is owed.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn balance(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.currency, self.lots.iter().map(|lot| lot.remaining))?.minus(self.debt)
    }

    /// Sum of the top-up requests that wait now: what has lapsed counts no more, booked or not.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn waiting(&self, now: Timestamp) -> Result<Money, OutOfRange> {
        let lapsed = self.lapses.iter().filter(|(lapses_at, _)| now >= *lapses_at);
        self.pending.minus(Money::sum(self.currency, lapsed.map(|(_, amount)| *amount))?)
    }

    /// Counts one more request that waits.
    ///
    /// # Errors
    /// [`Refusal::TooManyTopups`].
    pub(crate) fn await_topup(&mut self, topup: &Topup) -> Result<(), Refusal> {
        let waiting = self.lapses.iter().filter(|(lapses_at, _)| topup.requested_at < *lapses_at);
        if waiting.count() >= MAX_WAITING_TOPUPS {
            return Err(Refusal::TooManyTopups);
        }
        self.pending = self.pending.plus(topup.amount)?;
        self.lapses.extend(topup.lapses_at.map(|lapses_at| (lapses_at, topup.amount)));
        Ok(())
    }

    /// Counts this request no more.
    pub(crate) fn forget_topup(&mut self, topup: &Topup) -> Result<(), OutOfRange> {
        self.pending = self.pending.minus(topup.amount)?;
        // Of two alike it does not matter which.
        let place =
            self.lapses.iter().position(|lapse| topup.lapses_at == Some(lapse.0) && lapse.1 == topup.amount);
        if let Some(place) = place {
            self.lapses.remove(place);
        }
        Ok(())
    }

    /// The part of the lots that live holds have reserved.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn held(&self, now: Timestamp) -> Result<Money, OutOfRange> {
        let live = self.holds.iter().filter(|hold| hold.is_live(now));
        Money::sum(self.currency, live.flat_map(|hold| hold.parts.iter().map(|(_, amount)| *amount)))
    }

    /// What is held now: the holds that still count, soonest end first.
    pub fn live_holds(&self, now: Timestamp) -> Vec<&Hold> {
        let mut live: Vec<&Hold> = self.holds.iter().filter(|hold| hold.is_live(now)).collect();
        live.sort_by_key(|hold| (hold.deadline, hold.number));
        live
    }

    /// What can be spent now: the customer's own credit, and the overdraft as far as neither debt nor live holds use it.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn available(&self, policy: &Policy, now: Timestamp) -> Result<Money, OutOfRange> {
        let (usable, owed) = (self.usable(policy, now, |_| true)?, self.owed(policy, now)?);
        let own = usable.minus(owed)?.or_zero();
        let Some(limit) = policy.overdraft_limit.of(self.currency) else {
            return Ok(own);
        };
        let live = self.holds.iter().filter(|hold| hold.is_live(now));
        let promised = Money::sum(self.currency, live.map(|hold| hold.overdraft))?;
        let down_to_limit = usable.plus(limit)?.minus(owed)?.minus(promised)?;
        Ok(if down_to_limit > own { down_to_limit } else { own })
    }

    /// What can be spent now without owing more: usable lots less what live holds have reserved, and less what is owed.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn own(&self, policy: &Policy, now: Timestamp) -> Result<Money, OutOfRange> {
        self.own_of(policy, now, |_| true)
    }

    /// As [`Account::own`], out of these lots alone.
    pub(crate) fn own_of(
        &self,
        policy: &Policy,
        now: Timestamp,
        from: impl Fn(&Lot) -> bool,
    ) -> Result<Money, OutOfRange> {
        Ok(self.usable(policy, now, from)?.minus(self.owed(policy, now)?)?.or_zero())
    }

    /// What of these lots can be spent now.
    fn usable(
        &self,
        policy: &Policy,
        now: Timestamp,
        from: impl Fn(&Lot) -> bool,
    ) -> Result<Money, OutOfRange> {
        let reserved = self.reservations(now)?;
        let mut usable = Money::zero(self.currency);
        for lot in self.lots.iter().filter(|lot| lot.is_usable(policy, now) && from(lot)) {
            usable = usable.plus(reserved.free(lot)?)?;
        }
        Ok(usable)
    }

    /// What is owed once all that is due has settled what it can, booked or not.
    fn owed(&self, policy: &Policy, now: Timestamp) -> Result<Money, OutOfRange> {
        let mut owed = self.debt;
        if owed.is_zero() {
            return Ok(owed);
        }
        let reserved = self.reservations(now)?;
        for lot in self.lots.iter().filter(|lot| !lot.is_usable(policy, now)) {
            owed = owed.minus(reserved.free(lot)?)?;
        }
        Ok(owed.or_zero())
    }

    /// What live holds have reserved of this lot.
    pub(crate) fn reserved(&self, lot: LotNumber, now: Timestamp) -> Result<Money, OutOfRange> {
        let live = self.holds.iter().filter(|hold| hold.is_live(now));
        let parts = live.flat_map(|hold| hold.parts.iter()).filter(|(of, _)| *of == lot);
        Money::sum(self.currency, parts.map(|(_, amount)| *amount))
    }

    /// What live holds have reserved of every lot: for whoever asks for many, so that each hold is looked at once.
    pub(crate) fn reservations(&self, now: Timestamp) -> Result<Reservations, OutOfRange> {
        let none = Money::zero(self.currency);
        let mut by_lot = BTreeMap::new();
        for hold in self.holds.iter().filter(|hold| hold.is_live(now)) {
            for (lot, amount) in &hold.parts {
                let sum = by_lot.entry(*lot).or_insert(none);
                *sum = sum.plus(*amount)?;
            }
        }
        Ok(Reservations { by_lot, none })
    }

    /// The balance as limits look at it: without what has expired, so that a late schedule refuses nobody.
    pub(crate) fn counted(&self, policy: &Policy, now: Timestamp) -> Result<Money, OutOfRange> {
        let usable = self.lots.iter().filter(|lot| lot.is_usable(policy, now)).map(|lot| lot.remaining);
        Money::sum(self.currency, usable)?.minus(self.owed(policy, now)?)
    }

    /// What expires when: the usable lots' sums by moment, soonest first.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn expiring(&self, policy: &Policy, now: Timestamp) -> Result<Vec<(Timestamp, Money)>, OutOfRange> {
        let mut by_moment = BTreeMap::new();
        if policy.expiry_exempt {
            return Ok(Vec::new());
        }
        for lot in self.lots.iter().filter(|lot| lot.is_usable(policy, now)) {
            if let Some(at) = lot.origin.expiry() {
                let sum = by_moment.entry(at).or_insert(Money::zero(self.currency));
                *sum = sum.plus(lot.remaining)?;
            }
        }
        Ok(by_moment.into_iter().collect())
    }

    /// The id of this account's entry of that number.
    pub fn entry_id(&self, number: u64) -> EntryId {
        EntryId { currency: self.currency, number }
    }

    /// The id of this account's lot of that number.
    pub fn lot_id(&self, lot: LotNumber) -> LotId {
        LotId { currency: self.currency, lot }
    }

    /// The number of the entry that will be made next.
    pub(crate) fn next_number(&self) -> Result<u64, OutOfRange> {
        self.number.checked_add(1).ok_or(OutOfRange)
    }

    /// Brings in what `line` credits: it settles the debt first, and what is left becomes a lot, named by the entry that
    /// the line will become.
    ///
    /// # Errors
    /// [`Refusal::BalanceLimitExceeded`], [`Refusal::TooManyLots`], [`Refusal::OutOfRange`].
    pub(crate) fn credit(
        mut self,
        policy: &Policy,
        mut line: Line,
        incoming: Incoming,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let Incoming { origin, limited } = incoming;
        let counted = self.counted(policy, now)?.plus(line.amount)?;
        let limit = policy.balance_limit.of(self.currency).filter(|limit| limited && counted > *limit);
        if let Some(limit) = limit {
            return Err(Refusal::BalanceLimitExceeded { limit });
        }
        let brought = match origin.source {
            Role::Admin => Some(&mut self.lifetime.by_admin),
            Role::Customer => Some(&mut self.lifetime.by_customer),
            Role::Store | Role::System => None,
        };
        if let Some(brought) = brought {
            *brought = brought.plus(line.amount)?;
        }
        line.category = Some(origin.category);
        line.source = Some(origin.source);
        line.expires_at = origin.expires_at;
        let settled = self.settle(line.amount)?;
        let rest = line.amount.minus(settled)?;
        line.overdraft = settled.is_positive().then_some(settled);
        if rest.is_positive() {
            let number = LotNumber::from(self.next_number()?);
            line.allocations = vec![Allocation { lot: number, amount: rest, origin: None }];
            self.add(Lot { number, origin, remaining: rest })?;
        }
        Ok(Change { account: self, line })
    }

    /// Lowers the debt by as much of `amount` as there is debt, and tells by how much.
    pub(crate) fn settle(&mut self, amount: Money) -> Result<Money, OutOfRange> {
        let settled = if amount < self.debt { amount } else { self.debt };
        self.debt = self.debt.minus(settled)?;
        Ok(settled)
    }

    /// Puts a lot in its place, if there is room, and makes the schedule look when it expires.
    ///
    /// # Errors
    /// [`Refusal::TooManyLots`].
    fn add(&mut self, lot: Lot) -> Result<(), Refusal> {
        self.admit(&lot)?;
        self.put(lot);
        Ok(())
    }

    /// Whether there is room for one more lot; and makes the schedule look when it expires.
    ///
    /// # Errors
    /// [`Refusal::TooManyLots`].
    pub(crate) fn admit(&mut self, lot: &Lot) -> Result<(), Refusal> {
        if self.lots.len() >= MAX_OPEN_LOTS {
            return Err(Refusal::TooManyLots);
        }
        if let Some(expires_at) = lot.origin.expiry() {
            self.look_at(expires_at);
        }
        Ok(())
    }

    /// Puts a lot where its age says, whatever room there is.
    pub(crate) fn put(&mut self, lot: Lot) {
        let place = self.lots.partition_point(|other| other.age() < lot.age());
        self.lots.insert(place, lot);
    }

    /// Makes the schedule look at this account at this moment, if it would not look sooner.
    pub(crate) fn look_at(&mut self, moment: Timestamp) {
        self.expiry_bound = Some(self.expiry_bound.map_or(moment, |bound| bound.min(moment)));
    }

    /// Finds `amount`, which can be spent, in what is usable at `now` of these lots, in the policy's order, the overdraft
    /// last; takes nothing yet.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub(crate) fn find(
        &self,
        amount: Money,
        policy: &Policy,
        now: Timestamp,
        from: impl Fn(&Lot) -> bool,
    ) -> Result<Found, OutOfRange> {
        let reserved = self.reservations(now)?;
        let usable = self.lots.iter().filter(|lot| lot.is_usable(policy, now) && from(lot));
        let mut lots: Vec<&Lot> = usable.collect();
        if policy.consumption_order == ConsumptionOrder::ExpiringFirst {
            // Stable, and the lots are oldest first: so ties go to the oldest.
            lots.sort_by_key(|lot| lot.origin.expiry().unwrap_or(Timestamp::MAX));
        }
        let mut due = amount;
        let mut parts = Vec::new();
        for lot in lots {
            if due.is_zero() {
                break;
            }
            let free = reserved.free(lot)?;
            let taken = if free < due { free } else { due };
            if taken.is_positive() {
                due = due.minus(taken)?;
                parts.push((lot.number, taken));
            }
        }
        Ok(Found { parts, overdraft: due })
    }

    /// Takes these parts of lots, and goes into debt by `overdraft`.
    pub(crate) fn take(&mut self, found: &Found) -> Result<Vec<Allocation>, OutOfRange> {
        let mut allocations = Vec::with_capacity(found.parts.len());
        let mut next = 0;
        for (number, amount) in &found.parts {
            // Most parts come in the lots' order: the next is looked for where the last one was, then from the beginning.
            let ahead = self.lots.iter().skip(next).position(|lot| lot.number == *number);
            let place = match ahead {
                Some(ahead) => next.checked_add(ahead),
                None => self.lots.iter().position(|lot| lot.number == *number),
            };
            next = place.ok_or(OutOfRange)?;
            let lot = self.lots.get_mut(next).ok_or(OutOfRange)?;
            lot.remaining = lot.remaining.minus(*amount)?;
            allocations.push(Allocation { lot: *number, amount: *amount, origin: Some(lot.origin.clone()) });
        }
        self.lots.retain(|lot| lot.remaining.is_positive());
        self.debt = self.debt.plus(found.overdraft)?;
        Ok(allocations)
    }

    /// Forgets the holds that count for nothing any more. What they kept from expiring is the schedule's to book.
    pub(crate) fn drop_lapsed_holds(&mut self, now: Timestamp) {
        self.holds.retain(|hold| hold.is_live(now));
    }
}

/// What live holds have reserved of which lots.
pub(crate) struct Reservations {
    by_lot: BTreeMap<LotNumber, Money>,
    none: Money,
}

impl Reservations {
    /// What they have reserved of this one.
    pub(crate) fn of(&self, lot: LotNumber) -> Money {
        self.by_lot.get(&lot).copied().unwrap_or(self.none)
    }

    /// What they leave of it.
    pub(crate) fn free(&self, lot: &Lot) -> Result<Money, OutOfRange> {
        Ok(lot.remaining.minus(self.of(lot.number))?.or_zero())
    }
}

/// Where an amount can be taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Parts of lots, in the order in which they are taken.
    pub(crate) parts: Vec<(LotNumber, Money)>,
    /// What is left for the overdraft.
    pub(crate) overdraft: Money,
}

impl Lot {
    /// What the lots of an account are in order of: oldest first, the entry number breaks ties.
    pub(crate) fn age(&self) -> (Timestamp, LotNumber) {
        (self.origin.granted_at, self.number)
    }

    /// Usable while `now < expires_at` (contract, section 1), booked as expired or not; and always for whoever is exempt.
    pub fn is_usable(&self, policy: &Policy, now: Timestamp) -> bool {
        policy.expiry_exempt || self.origin.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}
