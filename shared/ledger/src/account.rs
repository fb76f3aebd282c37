//! One customer's credit in one currency: open lots, what is promised, and totals since the beginning.

use jiff::Timestamp;

use crate::{
    Currency, CustomerId, EntryId, Hash, Money, OutOfRange, Refusal,
    entry::{Allocation, Change, Line, Origin},
    policy::{ConsumptionOrder, Policy},
    text::words,
};

/// Open lots that an account may hold: the account is one stored item whose size is paid for at every change.
pub const MAX_OPEN_LOTS: usize = 500;

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
    /// The number of the entry that made it.
    pub number: u64,
    /// Where it comes from and until when it counts.
    pub origin: Origin,
    /// What is left of it, more than zero.
    pub remaining: Money,
}

impl Lot {
    /// Usable while `now < expires_at` (contract, section 1), booked as expired or not.
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.origin.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// Totals of an account since its first entry, none of them negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Granted by admin or store.
    pub granted: Money,
    /// Topped up and approved.
    pub topped_up: Money,
    /// Spent on orders.
    pub redeemed: Money,
    /// Given back from redemptions.
    pub refunded: Money,
    /// Withdrawn as money.
    pub withdrawn: Money,
    /// Expired and booked.
    pub expired: Money,
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
    /// Sum of the top-up requests that wait.
    pub pending: Money,
    /// Totals since the first entry.
    pub lifetime: Lifetime,
    /// No lot expires before this moment: when the schedule has to look next. A lower bound, so that spending never
    /// has to move it; only an earlier expiry and the schedule do.
    pub expiry_bound: Option<Timestamp>,
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
            pending: zero,
            lifetime: Lifetime {
                granted: zero,
                topped_up: zero,
                redeemed: zero,
                refunded: zero,
                withdrawn: zero,
                expired: zero,
            },
            expiry_bound: None,
        }
    }

    /// The lots' sum, whether usable or expired and not yet booked.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn balance(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.currency, self.lots.iter().map(|lot| lot.remaining))
    }

    /// The part of the lots that live holds have reserved.
    pub fn held(&self) -> Money {
        Money::zero(self.currency)
    }

    /// What can be spent now: usable lots less what is held.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn available(&self, now: Timestamp) -> Result<Money, OutOfRange> {
        self.usable(now)?.minus(self.held())
    }

    /// The balance as limits look at it: without what has expired, so that a late schedule refuses nobody.
    pub(crate) fn usable(&self, now: Timestamp) -> Result<Money, OutOfRange> {
        Money::sum(self.currency, self.lots.iter().filter(|lot| lot.is_usable(now)).map(|lot| lot.remaining))
    }

    /// What expires when: the usable lots' sums by moment, soonest first.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn expiring(&self, now: Timestamp) -> Result<Vec<(Timestamp, Money)>, OutOfRange> {
        let mut by_moment = std::collections::BTreeMap::new();
        for lot in self.lots.iter().filter(|lot| lot.is_usable(now)) {
            if let Some(at) = lot.origin.expires_at {
                let sum = by_moment.entry(at).or_insert(Money::zero(self.currency));
                *sum = sum.plus(lot.remaining)?;
            }
        }
        Ok(by_moment.into_iter().collect())
    }

    /// The id of this account's entry or lot of that number.
    pub fn id(&self, number: u64) -> EntryId {
        EntryId { currency: self.currency, number }
    }

    /// Adds what `line` credits as a new lot, named by the entry that the line will become.
    ///
    /// # Errors
    /// [`Refusal::BalanceLimitExceeded`], [`Refusal::TooManyLots`], [`Refusal::OutOfRange`].
    pub(crate) fn credit(
        mut self,
        policy: &Policy,
        mut line: Line,
        origin: Origin,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let balance = self.usable(now)?.plus(line.amount)?;
        if let Some(limit) = policy.balance_limit.of(self.currency).filter(|limit| balance > *limit) {
            return Err(Refusal::BalanceLimitExceeded { limit });
        }
        if self.lots.len() >= MAX_OPEN_LOTS {
            return Err(Refusal::TooManyLots);
        }
        let number = self.number.checked_add(1).ok_or(OutOfRange)?;
        if let Some(expires_at) = origin.expires_at {
            self.expiry_bound = Some(self.expiry_bound.map_or(expires_at, |bound| bound.min(expires_at)));
        }
        let place = self.lots.partition_point(|lot| (lot.origin.granted_at, lot.number) < (origin.granted_at, number));
        line.category = Some(origin.category);
        line.source = Some(origin.source);
        line.expires_at = origin.expires_at;
        line.allocations = vec![Allocation { lot: number, amount: line.amount, emptied: None }];
        self.lots.insert(place, Lot { number, origin, remaining: line.amount });
        Ok(Change { account: self, line })
    }

    /// Takes `amount` out of the lots that are usable at `now`, in the policy's order.
    ///
    /// # Errors
    /// [`Refusal::InsufficientCredit`] when the usable lots hold less.
    pub(crate) fn take(
        &mut self,
        amount: Money,
        order: ConsumptionOrder,
        now: Timestamp,
    ) -> Result<Vec<Allocation>, Refusal> {
        let available = self.available(now)?;
        let mut usable: Vec<&mut Lot> = self.lots.iter_mut().filter(|lot| lot.is_usable(now)).collect();
        if order == ConsumptionOrder::ExpiringFirst {
            // Stable, and the lots are oldest first: so ties go to the oldest.
            usable.sort_by_key(|lot| lot.origin.expires_at.unwrap_or(Timestamp::MAX));
        }

        let mut due = amount;
        let mut allocations = Vec::new();
        for lot in usable {
            if !due.is_positive() {
                break;
            }
            let taken = if lot.remaining <= due { lot.remaining } else { due };
            lot.remaining = lot.remaining.minus(taken)?;
            due = due.minus(taken)?;
            let emptied = lot.remaining.is_zero().then(|| lot.origin.clone());
            allocations.push(Allocation { lot: lot.number, amount: taken, emptied });
        }
        if due.is_positive() {
            return Err(Refusal::InsufficientCredit { available });
        }
        self.lots.retain(|lot| lot.remaining.is_positive());
        Ok(allocations)
    }
}
