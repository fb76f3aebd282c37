//! Books what has expired, account by account, from the index that says where to look.
//!
//! The index is its own queue: an account leaves it or moves back in the same transaction that books, so that a run
//! that is stopped anywhere, or comes twice, leaves the rest to the next and changes nothing twice.

use edge::Event;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde::Serialize;
use store::{Due, Error, SHARDS, Store};

/// Accounts that are booked at the same time.
const CONCURRENCY: usize = 16;
/// Accounts that one read of the index answers.
const BATCH: usize = 200;

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Swept {
    /// Accounts in which something had expired.
    pub booked: u64,
    /// Accounts that were only filed under their next expiry.
    pub refiled: u64,
    /// Whether the time ran out first; the next run goes on.
    pub interrupted: bool,
}

/// Some accounts could not be booked. They stay in the index, and the run is tried again.
#[derive(Debug, thiserror::Error)]
#[error("{failed} accounts could not be booked, {booked} were; the first failure: {first}")]
pub struct Unfinished {
    failed: u64,
    booked: u64,
    first: Error,
}

/// Books everything that has expired by the event's own time.
///
/// # Errors
/// [`Unfinished`] once every account was tried, if any of them failed.
pub async fn expire_on_schedule(store: Store, event: Event) -> Result<Swept, Unfinished> {
    let mut swept = Swept::default();
    let mut failures = Vec::new();
    let work = sweep(&store, event.at, &mut swept, &mut failures);
    swept.interrupted = tokio::time::timeout(event.time_left, work).await.is_err();
    tracing::info!(at = %event.at, booked = swept.booked, refiled = swept.refiled, interrupted = swept.interrupted, "swept");
    match failures.len() {
        0 => Ok(swept),
        failed => Err(Unfinished {
            failed: u64::try_from(failed).unwrap_or(u64::MAX),
            booked: swept.booked,
            first: failures.swap_remove(0),
        }),
    }
}

async fn sweep(store: &Store, at: Timestamp, swept: &mut Swept, failures: &mut Vec<Error>) {
    for shard in 0..SHARDS {
        let mut after = None;
        loop {
            let page = match store.due(shard, at, after, BATCH).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, shard, "the expiry index could not be read");
                    failures.push(error);
                    break;
                }
            };
            let mut booked = stream::iter(page.data)
                .map(|Due { customer, currency }| async move {
                    let entry = store.expire(&customer, currency, at).await;
                    (customer, currency, entry)
                })
                .buffer_unordered(CONCURRENCY);
            while let Some((customer, currency, entry)) = booked.next().await {
                match entry {
                    Ok(Some(_)) => swept.booked = swept.booked.saturating_add(1),
                    Ok(None) => swept.refiled = swept.refiled.saturating_add(1),
                    Err(error) => {
                        tracing::error!(%error, %customer, %currency, "an expiry could not be booked");
                        failures.push(error);
                    }
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
}
