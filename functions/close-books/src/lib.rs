//! Closes the books of each day once it is over: adds up what was booked on it, so that reports read little.
//!
//! Each day is one transaction on condition that nothing came late meanwhile, so that a run may be stopped anywhere, and two may
//! come at once.

use edge::Event;
use serde::Serialize;
use store::{CLOSED_AFTER, Closed, Error, Store};

/// What one run did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Run {
    /// What it closed.
    #[serde(flatten)]
    pub closed: Closed,
    /// Whether the time ran out first; the next run goes on.
    pub interrupted: bool,
}

/// Closes the days that were over an hour before, for as long as there is time.
///
/// # Errors
/// When the database does not answer, or something cannot be read; the next run goes on.
pub async fn close_books(store: Store, event: Event) -> Result<Run, Error> {
    let zone = store.settings().await?.policy.time_zone;
    let mut run = Run::default();
    let over = event.at.checked_sub(CLOSED_AFTER).ok().and_then(|at| zone.day_of(at).yesterday().ok());
    let Some(last) = over else { return Ok(run) };
    let closing = store.close_books(&zone, last, &mut run.closed);
    match tokio::time::timeout(event.time_left, closing).await {
        Ok(closed) => closed?,
        Err(_) => run.interrupted = true,
    }
    let Closed { days, bookings, through } = &run.closed;
    tracing::info!(days, bookings, ?through, interrupted = run.interrupted, "closed the books");
    Ok(run)
}
