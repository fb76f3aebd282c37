//! Which credit its owner is to be reminded of: once for each of the settings' `remind_days` and each last day of some credit.

use jiff::{Span, Timestamp, civil::Date};
use serde::Serialize;

use crate::{Account, Currency, Money, OutOfRange, Policy};

/// Days on which what was missed is made up. What is older is left alone, as when reminders were switched off meanwhile.
const MADE_UP: i64 = 7;

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

/// Credit of which its owner is due to be reminded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// What is to be said.
    pub soon: Expiring,
    /// For which of the settings' numbers of days. Once it was said for this one or a smaller, it was said.
    pub remind_days: u16,
}

/// What is due to be said of this account's credit on the day `today`, unless it was said. What expires soonest comes first.
///
/// What became due in the last seven days is still due: so a day that was missed is made up. Of two numbers of days that are due
/// for the same credit the smaller counts: two would say the same. Credit that came on the day of its reminder or later is left to
/// the next one; whoever gave it has said so.
///
/// # Errors
/// [`OutOfRange`] when a sum does not fit.
pub fn expiring_soon(
    account: &Account,
    policy: &Policy,
    today: Date,
    at: Timestamp,
) -> Result<Vec<Due>, OutOfRange> {
    let zone = &policy.time_zone;
    let oldest = today.checked_sub(Span::new().days(MADE_UP)).unwrap_or(today);
    let mut due = Vec::new();
    for (expires_at, amount) in account.expiring(policy, at)? {
        let last_day = zone.last_day_before(expires_at);
        let since = |days: u16| last_day.checked_sub(Span::new().days(i64::from(days))).ok();
        let reached = policy.remind_days.iter().filter_map(|days| Some((since(days)?, days)));
        let Some((since, remind_days)) = reached.filter(|(day, _)| oldest < *day && *day <= today).max()
        else {
            continue;
        };
        let mut lots = account.lots.iter().filter(|lot| lot.origin.expiry() == Some(expires_at));
        let was_there = lots.any(|lot| zone.day_of(lot.origin.granted_at) < since);
        let days = today.until(last_day).map_or(-1, |span| span.get_days());
        if let (true, Ok(days)) = (was_there, u16::try_from(days)) {
            let soon = Expiring { currency: account.currency, amount, expires_at, last_day, days };
            due.push(Due { soon, remind_days });
        }
    }
    Ok(due)
}
