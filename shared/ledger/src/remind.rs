//! Which credit its owner is to be reminded of: once for each of the settings' `remind_days` and each last day of some credit.

use jiff::{Span, Timestamp, civil::Date};
use serde::Serialize;

use crate::{Account, Currency, Money, OutOfRange, Policy};

/// Credit that expires soon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expiring {
    /// In which currency.
    pub currency: Currency,
    /// How much, all lots of that date together.
    pub amount: Money,
    /// When.
    pub expires_at: Timestamp,
    /// The last day on which it can be used, in the store's zone.
    pub last_day: Date,
    /// Days from the reminder's day to that one.
    pub days: u16,
}

/// What is to be said on the day `today` of this account's credit, to somebody who was last reminded on the day `after`: what
/// became due on a day since then. What expires soonest comes first.
///
/// Of two numbers of days that became due for the same credit in between, the smaller counts: two would say the same. Credit
/// that came on the day of its reminder or later is left to the next one; whoever gave it has said so.
///
/// # Errors
/// [`OutOfRange`] when a sum does not fit.
pub fn expiring_soon(
    account: &Account,
    policy: &Policy,
    (after, today): (Date, Date),
    at: Timestamp,
) -> Result<Vec<Expiring>, OutOfRange> {
    let zone = &policy.time_zone;
    let mut expiring = Vec::new();
    for (expires_at, amount) in account.expiring(policy, at)? {
        let last_day = zone.last_day_before(expires_at);
        let due = policy.remind_days.iter().filter_map(|days| {
            let due = last_day.checked_sub(Span::new().days(i64::from(days))).ok()?;
            (after < due && due <= today).then_some(due)
        });
        let Some(due) = due.max() else { continue };
        let mut lots = account.lots.iter().filter(|lot| lot.origin.expiry() == Some(expires_at));
        let was_there = lots.any(|lot| zone.day_of(lot.origin.granted_at) < due);
        let days = today.until(last_day).map_or(-1, |span| span.get_days());
        if let (true, Ok(days)) = (was_there, u16::try_from(days)) {
            expiring.push(Expiring { currency: account.currency, amount, expires_at, last_day, days });
        }
    }
    Ok(expiring)
}
