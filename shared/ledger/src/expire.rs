//! Booking what has expired. Expiry itself needs no booking: a lot past its time is not usable.

use jiff::Timestamp;

use crate::{Account, Allocation, Change, EntryType, Line, Money, OutOfRange};

/// What the schedule finds in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Lots are due: one entry books them all.
    Due(Box<Change>),
    /// No lot is due; the account says when to look again.
    NotDue(Box<Account>),
}

/// Books every lot that has expired by `at` in one entry, and notes when the next one will.
///
/// # Errors
/// [`OutOfRange`] when a sum does not fit.
pub fn expire(account: &Account, at: Timestamp) -> Result<Sweep, OutOfRange> {
    let mut account = account.clone();
    let (open, due): (Vec<_>, Vec<_>) = account.lots.drain(..).partition(|lot| lot.is_usable(at));
    account.expiry_bound = open.iter().filter_map(|lot| lot.origin.expires_at).min();
    account.lots = open;
    if due.is_empty() {
        return Ok(Sweep::NotDue(Box::new(account)));
    }

    let expired = Money::sum(account.currency, due.iter().map(|lot| lot.remaining))?;
    account.lifetime.expired = account.lifetime.expired.plus(expired)?;
    let allocations =
        due.into_iter().map(|lot| Allocation { lot: lot.number, amount: lot.remaining, emptied: None }).collect();
    let line = Line { allocations, ..Line::new(EntryType::Expire, expired.negated()) };
    Ok(Sweep::Due(Box::new(Change { account, line })))
}
