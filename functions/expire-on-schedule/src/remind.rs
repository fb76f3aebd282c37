//! Reminds customers of credit that expires soon: by one pass for each of the store's days, from its morning on.

use futures::{StreamExt, stream};
use jiff::{Span, Timestamp, civil::Date};
use store::{Error, Reminders, Settings, Store};

use crate::{BATCH, CONCURRENCY, Swept, failed};

/// The hour of the store's day from which on its reminders are made: nobody is to be woken by one.
const MORNING: i8 = 8;

/// Goes through the pass of today, if it is not done.
pub(crate) async fn remind(store: &Store, at: Timestamp, swept: &mut Swept, failures: &mut Vec<Error>) {
    if let Err(error) = pass_of_today(store, at, swept, failures).await {
        failed(error, "reminders could not be made yet", failures);
    }
}

async fn pass_of_today(
    store: &Store,
    at: Timestamp,
    swept: &mut Swept,
    failures: &mut Vec<Error>,
) -> Result<(), Error> {
    let settings = store.settings().await?;
    let Some(longest) = store.longest_reminder(&settings).await? else {
        return Ok(());
    };
    let today = settings.policy.time_zone.day_from(MORNING, at);
    let last = store.reminders().await?;
    let pass = match last {
        Some(last) if last.today == today && last.done => None,
        Some(last) if last.today == today => Some(last),
        // One of another day that was stopped is begun anew: what it said is not said again.
        last => store.begin_reminders(last.as_ref(), today).await?,
    };
    match pass {
        Some(pass) => go_through(store, &settings, longest, pass, at, swept, failures).await,
        None => Ok(()),
    }
}

/// Reminds everybody of this pass, page by page, until it is done or somebody else carries it on.
async fn go_through(
    store: &Store,
    settings: &Settings,
    longest: u16,
    mut pass: Reminders,
    at: Timestamp,
    swept: &mut Swept,
    failures: &mut Vec<Error>,
) -> Result<(), Error> {
    let last_day = pass.today.checked_add(Span::new().days(i64::from(longest))).unwrap_or(Date::MAX);
    let until = settings.policy.time_zone.end_of(last_day).unwrap_or(Timestamp::MAX);
    while !pass.done {
        let page = store.expiring_soon(&pass, until, BATCH).await?;
        let today = pass.today;
        let mut reminded = stream::iter(page.customers.clone())
            .map(|customer| async move { store.remind(&customer, settings, today, at).await })
            .buffer_unordered(CONCURRENCY);
        while let Some(outcome) = reminded.next().await {
            match outcome {
                Ok(said) => swept.reminded = swept.reminded.saturating_add(u64::from(said)),
                // It cannot be read, and must not keep the others from theirs.
                Err(error @ Error::Corrupt { .. }) => {
                    failed(error, "a customer could not be reminded, and is passed over", failures);
                }
                // The page is tried again by the next run.
                Err(error) => return Err(error),
            }
        }
        match store.carry_on_reminders(&pass, &page).await? {
            Some(next) => pass = next,
            None => return Ok(()),
        }
    }
    Ok(())
}
