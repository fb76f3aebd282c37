//! Giving back what was spent: to the lots that it came from, in reverse, each with its own expiry and category.

use jiff::Timestamp;

use crate::{
    Account, Allocation, Amount, Category, Change, Entry, EntryType, Line, Lot, LotNumber, Money, Origin,
    OutOfRange, Policy, Refusal, Role,
};

/// Gives back `amount` of a redemption or capture of which `refunded` was given back before; without it, all that is left.
///
/// Every cent lowers the debt first, if there is one. The rest goes back to the lots that were spent, the last first; a
/// lot that has expired meanwhile comes back as a new one that lasts [`Policy::refund_grace_days`] from now.
///
/// # Errors
/// [`Refusal::RedemptionNotFound`] where nothing was spent; [`Refusal::Invalid`] for an amount that is zero or too
/// precise; [`Refusal::RefundExceedsRedemption`]; [`Refusal::TooManyLots`].
pub fn refund(
    account: &Account,
    policy: &Policy,
    redemption: &Entry,
    refunded: Money,
    amount: Option<Amount>,
    at: Timestamp,
) -> Result<Change, Refusal> {
    if !matches!(redemption.kind, EntryType::Redeem | EntryType::Capture) {
        return Err(Refusal::RedemptionNotFound);
    }
    let refundable = redemption.amount.negated().minus(refunded)?;
    let amount = match amount {
        None => refundable,
        Some(amount) => amount.positive(account.currency).map_err(Refusal::amount("amount"))?,
    };
    if amount > refundable || !amount.is_positive() {
        return Err(Refusal::RefundExceedsRedemption { refundable });
    }

    let mut account = account.clone();
    account.drop_lapsed_holds(at);
    let open = account.lots.len();
    let mut restoring =
        Restoring { policy, at, open, settled: Money::zero(account.currency), allocations: Vec::new() };
    for (amount, from) in unwound(redemption, refunded, amount)? {
        restoring.restore(&mut account, amount, from)?;
    }
    // Sorted once: many that come back, each put in its place, would move all others as often.
    account.lots.sort_by_key(Lot::age);
    account.lifetime.refunded = account.lifetime.refunded.plus(amount)?;
    let line = Line {
        allocations: restoring.allocations,
        overdraft: Some(restoring.settled).filter(|settled| settled.is_positive()),
        order: redemption.order.clone(),
        redemption: Some(redemption.number),
        ..Line::new(EntryType::Refund, amount)
    };
    Ok(Change { account, line })
}

/// The parts that `amount` gives back, after those of what was given back before: the last that was spent comes first,
/// the overdraft before all lots. `None` is what came out of the overdraft.
fn unwound(
    redemption: &Entry,
    refunded: Money,
    amount: Money,
) -> Result<Vec<(Money, Option<&Allocation>)>, OutOfRange> {
    let overdraft = redemption.overdraft.into_iter().map(|overdraft| (overdraft, None));
    let lots = redemption.allocations.iter().rev().map(|part| (part.amount, Some(part)));
    let (mut past, mut due) = (refunded, amount);
    let mut parts = Vec::new();
    for (spent, from) in overdraft.chain(lots) {
        let before = if spent < past { spent } else { past };
        past = past.minus(before)?;
        let left = spent.minus(before)?;
        let part = if left < due { left } else { due };
        if part.is_positive() {
            due = due.minus(part)?;
            parts.push((part, from));
        }
    }
    // What was recorded as spent is what the parts come to.
    if due.is_zero() { Ok(parts) } else { Err(OutOfRange) }
}

/// Where refunded credit went so far.
struct Restoring<'a> {
    policy: &'a Policy,
    at: Timestamp,
    /// So many lots were open before. Those that come back stand behind them until all are sorted.
    open: usize,
    settled: Money,
    allocations: Vec<Allocation>,
}

impl Restoring<'_> {
    fn restore(
        &mut self,
        account: &mut Account,
        amount: Money,
        from: Option<&Allocation>,
    ) -> Result<(), Refusal> {
        let settled = account.settle(amount)?;
        self.settled = self.settled.plus(settled)?;
        let amount = amount.minus(settled)?;
        if !amount.is_positive() {
            return Ok(());
        }
        match from.and_then(|part| part.origin.as_ref().map(|origin| (part.lot, origin))) {
            Some((number, origin)) => {
                let were_open = account.lots.get_mut(..self.open).unwrap_or_default();
                let place = were_open.binary_search_by_key(&(origin.granted_at, number), Lot::age).ok();
                let open = place.and_then(|place| were_open.get_mut(place));
                let lot = Lot { number, origin: self.dated(origin), remaining: amount };
                match open {
                    Some(open) if open.is_usable(self.policy, self.at) => {
                        open.remaining = open.remaining.plus(amount)?;
                    }
                    _ if !lot.is_usable(self.policy, self.at) => {
                        return self.reopen(account, amount, &lot.origin);
                    }
                    // It was spent before the others were dated, or moved, and comes back with a date of its own.
                    open if open.is_some() || lot.origin != *origin => {
                        return self.open(account, amount, Origin { granted_at: self.at, ..lot.origin });
                    }
                    _ => push(account, lot)?,
                }
                self.allocations.push(Allocation { lot: number, amount, origin: None });
                Ok(())
            }
            // A debt that other credit settled meanwhile: nothing of it says whose category it has.
            None => {
                let category = Category::Refund;
                let expires_at = self.policy.expiry(category, self.at);
                self.open(
                    account,
                    amount,
                    Origin { category, source: Role::System, granted_at: self.at, expires_at },
                )
            }
        }
    }

    /// Where a lot came from, with the date that it would have by now where the expiry reaches back.
    fn dated(&self, origin: &Origin) -> Origin {
        let undated = self.policy.apply_to_existing && origin.expires_at.is_none();
        let date = undated.then(|| self.policy.expiry(origin.category, origin.granted_at)).flatten();
        Origin { expires_at: origin.expires_at.or(date), ..origin.clone() }
    }

    /// Brings back credit that has expired meanwhile, as a new lot of its own category.
    fn reopen(&mut self, account: &mut Account, amount: Money, origin: &Origin) -> Result<(), Refusal> {
        let grace = self.at.checked_add(self.policy.refund_grace_days.duration()).map_err(|_| OutOfRange)?;
        let expires_at = origin.expires_at.map(|old| old.max(grace));
        self.open(account, amount, Origin { granted_at: self.at, expires_at, ..origin.clone() })
    }

    /// A new lot of this refund, or more of one that it made already.
    fn open(&mut self, account: &mut Account, amount: Money, origin: Origin) -> Result<(), Refusal> {
        let entry = account.next_number()?;
        let same = account.lots.iter_mut().find(|lot| lot.number.entry == entry && lot.origin == origin);
        if let Some(lot) = same {
            lot.remaining = lot.remaining.plus(amount)?;
            let made = self.allocations.iter_mut().find(|part| part.lot == lot.number).ok_or(OutOfRange)?;
            made.amount = made.amount.plus(amount)?;
            return Ok(());
        }
        let made = account.lots.iter().filter(|lot| lot.number.entry == entry).count();
        let number = LotNumber { entry, part: u8::try_from(made).map_err(|_| OutOfRange)? };
        // Nothing else in the entry tells where a lot that it made comes from, and until when it counts.
        self.allocations.push(Allocation { lot: number, amount, origin: Some(origin.clone()) });
        push(account, Lot { number, origin, remaining: amount })
    }
}

fn push(account: &mut Account, lot: Lot) -> Result<(), Refusal> {
    account.admit(&lot)?;
    account.lots.push(lot);
    Ok(())
}
