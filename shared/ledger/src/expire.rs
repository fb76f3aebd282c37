//! Booking what has expired. Expiry itself needs no booking: a lot past its time is not usable.

use jiff::{SignedDuration, Timestamp};

use crate::{Account, Allocation, Change, EntryType, Line, Money, OutOfRange, Policy};

/// How long an account whose credit would have expired, but for an exemption, waits for another look.
const EXEMPT_WAIT: SignedDuration = SignedDuration::from_hours(24);

/// What the schedule finds in an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// Lots are due: one entry books them all.
    Due(Box<Change>),
    /// No lot is due: the account as it was, but for when to look again. No entry says that time went on, so what lapsed
    /// since still counts for whoever's clock is behind.
    NotDue(Box<Account>),
}

/// Books every lot that has expired by `at` in one entry, but for what live holds reserve, and notes when to look again.
///
/// What is owed is settled first, out of what leaves the lots, and only the rest expires: so the balance never goes below
/// zero by it, nor deeper below zero. The entry's allocations name all that left; its amount may be zero.
///
/// # Errors
/// [`OutOfRange`] when a sum does not fit.
pub fn expire(before: &Account, policy: &Policy, at: Timestamp) -> Result<Sweep, OutOfRange> {
    let mut account = before.clone();
    account.drop_lapsed_holds(at);
    let mut allocations = Vec::new();
    let reserved = account.reservations(at)?;
    let mut lots = Vec::new();
    for mut lot in std::mem::take(&mut account.lots) {
        if !lot.is_usable(policy, at) {
            let kept = reserved.of(lot.number);
            let amount = lot.remaining.minus(kept)?;
            if amount.is_positive() {
                allocations.push(Allocation { lot: lot.number, amount, origin: None });
            }
            lot.remaining = kept;
        }
        if lot.remaining.is_positive() {
            lots.push(lot);
        }
    }
    account.lots = lots;
    account.expiry_bound = next_look(&account, policy, at);
    if allocations.is_empty() {
        let looked = Account { expiry_bound: account.expiry_bound, ..before.clone() };
        return Ok(Sweep::NotDue(Box::new(looked)));
    }

    let due = Money::sum(account.currency, allocations.iter().map(|part| part.amount))?;
    let settled = account.settle(due)?;
    let expired = due.minus(settled)?;
    account.lifetime.expired = account.lifetime.expired.plus(expired)?;
    let line = Line {
        allocations,
        overdraft: Some(settled).filter(|settled| settled.is_positive()),
        ..Line::new(EntryType::Expire, expired.negated())
    };
    Ok(Sweep::Due(Box::new(Change { account, line })))
}

/// The soonest expiry to come; for what has expired and is held, when its hold lapses; for what an exemption keeps, a day
/// from now.
fn next_look(account: &Account, policy: &Policy, at: Timestamp) -> Option<Timestamp> {
    let look = |expires_at: Timestamp, lot| {
        if at < expires_at {
            return expires_at;
        }
        let wait = at.checked_add(EXEMPT_WAIT).unwrap_or(Timestamp::MAX);
        if policy.expiry_exempt {
            return wait;
        }
        let holds = account.holds.iter().filter(|hold| hold.parts.iter().any(|(number, _)| *number == lot));
        holds.map(|hold| hold.deadline).min().unwrap_or(wait)
    };
    account
        .lots
        .iter()
        .filter_map(|lot| lot.origin.expiry().map(|expires_at| look(expires_at, lot.number)))
        .min()
}
