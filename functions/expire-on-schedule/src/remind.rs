//! Reminds customers of credit that expires soon: once for each of the store's days, from its morning on.

use futures::{StreamExt, stream};
use jiff::{SignedDuration, Span, Timestamp, civil::Date};
use store::{Error, Reminders, Settings, Store};

use crate::{BATCH, CONCURRENCY, Swept, failed};

/// The hour of the store's day from which on its reminders are made: nobody is to be woken by one.
const MORNING: SignedDuration = SignedDuration::from_hours(8);
/// Days that were missed, and are made up. What is older is left alone, as when reminders were switched off meanwhile.
const MADE_UP: i64 = 7;

/// Goes through the pass of today, and before that through one that was stopped.
pub(crate) async fn remind(store: &Store, at: Timestamp, swept: &mut Swept, failures: &mut Vec<Error>) {
    if let Err(error) = pass_after_pass(store, at, swept, failures).await {
        failed(error, "reminders could not be made yet", failures);
    }
}

async fn pass_after_pass(
    store: &Store,
    at: Timestamp,
    swept: &mut Swept,
    failures: &mut Vec<Error>,
) -> Result<(), Error> {
    let settings = store.settings().await?;
    let Some(longest) = store.longest_reminder(&settings).await? else {
        return Ok(());
    };
    let today = settings.policy.time_zone.day_of(at.checked_sub(MORNING).unwrap_or(at));
    let mut next = pass_of(store, store.reminders().await?, today).await?;
    while let Some(pass) = next {
        let after = go_through(store, &settings, longest, pass, at, swept, failures).await?;
        next = match after {
            // One of an earlier day was finished first.
            Some(pass) => pass_of(store, Some(pass), today).await?,
            None => None,
        };
    }
    Ok(())
}

/// The pass that has to be gone through, begun if it was not; `None` once it was, and when somebody else begins it.
async fn pass_of(store: &Store, last: Option<Reminders>, today: Date) -> Result<Option<Reminders>, Error> {
    let oldest = today.checked_sub(Span::new().days(MADE_UP)).unwrap_or(today);
    let after = match &last {
        Some(last) if !last.done && last.today >= oldest => return Ok(Some(last.clone())),
        Some(last) if last.done && last.today >= today => return Ok(None),
        Some(last) if !last.done => last.after.max(oldest),
        Some(last) => last.today.max(oldest),
        None => today.yesterday().unwrap_or(today),
    };
    store.begin_reminders(last.as_ref(), after, today).await
}

/// Reminds everybody of this pass, page by page; answers it once it is done, `None` when somebody else carries it on.
async fn go_through(
    store: &Store,
    settings: &Settings,
    longest: u16,
    mut pass: Reminders,
    at: Timestamp,
    swept: &mut Swept,
    failures: &mut Vec<Error>,
) -> Result<Option<Reminders>, Error> {
    let last_day = pass.today.checked_add(Span::new().days(i64::from(longest))).unwrap_or(Date::MAX);
    let until = settings.policy.time_zone.end_of(last_day).unwrap_or(Timestamp::MAX);
    while !pass.done {
        let page = store.expiring_soon(&pass, until, BATCH).await?;
        let (of, customers) = (&pass, page.customers.clone());
        let mut reminded = stream::iter(customers)
            .map(|customer| async move { store.remind(&customer, settings, of, at).await })
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
        drop(reminded);
        match store.carry_on_reminders(&pass, &page).await? {
            Some(next) => pass = next,
            None => return Ok(None),
        }
    }
    Ok(Some(pass))
}
