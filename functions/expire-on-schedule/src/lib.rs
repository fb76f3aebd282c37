//! Books what has expired, account by account, from the index that says where to look; and top-ups that have lapsed. Before
//! that, it dates credit of before an expiry was set, where the settings say so. At last it reminds of what expires soon.
//!
//! The index is its own queue: an account leaves it or moves back in the same transaction that books, so that a run
//! that is stopped anywhere, or comes twice, leaves the rest to the next and changes nothing twice.

mod remind;

use std::{pin::pin, time::Duration};

use edge::Event;
use futures::{FutureExt, StreamExt, future::join_all, stream};
use jiff::Timestamp;
use ledger::TopupStatus;
use serde::Serialize;
use store::{Due, Error, PendingTopup, SHARDS, Store};

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
    /// Accounts whose lots were given a date that they would have had.
    pub dated: u64,
    /// Top-ups that lapsed, or were still listed as waiting after their approval.
    pub topups: u64,
    /// Customers who were reminded of what expires soon.
    pub reminded: u64,
    /// Whether the time ran out first; the next run goes on.
    pub interrupted: bool,
}

/// Some accounts or top-ups could not be booked. They stay in the index, and the run is tried again.
#[derive(Debug, thiserror::Error)]
#[error("{failed} accounts or top-ups could not be booked, {booked} were; the first failure: {first}")]
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
    let work = async {
        // At most half of the time, so that what has expired never waits for it.
        let half = event.time_left.checked_div(2).unwrap_or_default();
        Box::pin(reach_back(&store, event.at, half, &mut swept, &mut failures)).await;
        // Boxed, since together their types are deeper than the compiler follows.
        sweep(&store, event.at, &mut swept, &mut failures).boxed().await;
        sweep_topups(&store, event.at, &mut swept, &mut failures).boxed().await;
        Box::pin(remind::remind(&store, event.at, &mut swept, &mut failures)).await;
    };
    let in_time = tokio::time::timeout(event.time_left, work).await;
    swept.interrupted |= in_time.is_err();
    tracing::info!(at = %event.at, booked = swept.booked, refiled = swept.refiled, dated = swept.dated, topups = swept.topups, reminded = swept.reminded, interrupted = swept.interrupted, "swept");
    match failures.len() {
        0 => Ok(swept),
        failed => Err(Unfinished {
            failed: u64::try_from(failed).unwrap_or(u64::MAX),
            booked: swept.booked,
            first: failures.swap_remove(0),
        }),
    }
}

/// Carries on the job that dates what had no date, page by page, until it is done, somebody else does, or the time is over.
/// Then no other account is begun; those that were are done, and noted, so that what was dated is counted.
async fn reach_back(
    store: &Store,
    at: Timestamp,
    time: Duration,
    swept: &mut Swept,
    failures: &mut Vec<Error>,
) {
    let mut over = pin!(tokio::time::sleep(time));
    let mut job = match store.reach_back_job().await {
        Ok(job) => job,
        Err(error) => return failed(error, "the job that dates credit could not be read", failures),
    };
    while let Some(now) = job.take().filter(|job| job.finished_at.is_none()) {
        let mut page = match store.reach_back_next(&now, BATCH).await {
            Ok(page) => page,
            Err(error) => return failed(error, "the accounts could not be read", failures),
        };
        let (mut begun, mut dated) = (0_usize, 0_u64);
        let mut reached = stream::iter(page.clone())
            .take_until(over.as_mut())
            .inspect(|_| begun = begun.saturating_add(1))
            .map(|Due { customer, currency }| async move { store.reach_back(&customer, currency, at).await })
            .buffer_unordered(CONCURRENCY);
        while let Some(outcome) = reached.next().await {
            match outcome {
                Ok(done) => dated = dated.saturating_add(u64::from(done)),
                // The page is tried again by the next run, and this one does not go past it.
                Err(error) if error.is_passing() => {
                    return failed(error, "an account's credit could not be dated yet", failures);
                }
                // It never will be as it is, and must not keep the others from it.
                Err(error) => {
                    failed(error, "an account's credit could not be dated, and is passed over", failures)
                }
            }
        }
        drop(reached);
        swept.dated = swept.dated.saturating_add(dated);
        swept.interrupted = begun < page.len();
        page.truncate(begun);
        // Noted as a page without accounts, it would end this part of them.
        if swept.interrupted && page.is_empty() {
            return;
        }
        job = match store.reach_back_done(&now, &page, dated, at).await {
            Ok(next) => next.filter(|_| !swept.interrupted),
            Err(error) => return failed(error, "how far the dating is could not be noted", failures),
        };
    }
}

fn failed(error: Error, what: &'static str, failures: &mut Vec<Error>) {
    tracing::error!(%error, "{what}");
    failures.push(error);
}

/// Books what is due, from all parts of the index by turns: if a run went through one after the other, all that it writes would go
/// to one partition of the index at a time, and could throttle the table.
async fn sweep(store: &Store, at: Timestamp, swept: &mut Swept, failures: &mut Vec<Error>) {
    let mut parts: Vec<_> = (0..SHARDS).map(|shard| (shard, None)).collect();
    while !parts.is_empty() {
        let pages = parts.drain(..).map(|(shard, after)| async move {
            let page = store.due(shard, at, after, BATCH).await;
            (shard, page)
        });
        let mut turns = Vec::new();
        for (shard, page) in join_all(pages).await {
            match page {
                Ok(page) => {
                    turns.extend(page.data.into_iter().enumerate());
                    parts.extend(page.next.map(|next| (shard, Some(next))));
                }
                Err(error) => {
                    tracing::error!(%error, shard, "the expiry index could not be read");
                    failures.push(error);
                }
            }
        }
        turns.sort_by_key(|(turn, _)| *turn);
        let mut booked = stream::iter(turns)
            .map(|(_, Due { customer, currency })| async move {
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
    }
}

async fn sweep_topups(store: &Store, at: Timestamp, swept: &mut Swept, failures: &mut Vec<Error>) {
    let mut after = None;
    loop {
        let page = match store.filed_topups(after, BATCH).await {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "the list of top-ups that wait could not be read");
                failures.push(error);
                return;
            }
        };
        let over = page.data.into_iter().filter(|filed| filed.topup.at(at).status != TopupStatus::Pending);
        let mut settled = stream::iter(over)
            .map(|PendingTopup { customer, topup }| async move {
                let settled = store.settle_topup(&customer, &topup.id, at).await;
                (customer, topup.id, settled)
            })
            .buffer_unordered(CONCURRENCY);
        while let Some((customer, topup, outcome)) = settled.next().await {
            match outcome {
                Ok(settled) => swept.topups = swept.topups.saturating_add(u64::from(settled)),
                Err(error) => {
                    tracing::error!(%error, %customer, %topup, "a top-up could not be settled");
                    failures.push(error);
                }
            }
        }
        after = page.next;
        if after.is_none() {
            return;
        }
    }
}
