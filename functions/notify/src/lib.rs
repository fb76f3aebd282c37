//! Tells other systems of every entry, and of what becomes of top-ups: one event for each, on an EventBridge bus.
//!
//! The entry is the outbox: what the table's stream tells was committed, so no event is lost with a caller and none is sent
//! for what did not happen. A record that comes again makes the same event with the same id.

mod bus;
mod event;

use std::{pin::Pin, sync::Arc};

use edge::{Batch, StreamRecord};
use store::Store;

pub use bus::Bus;
pub use event::Event;

/// Tells of these records by `tell`, which answers which of its events were taken; answers the records that failed.
pub async fn notify<F, A>(batch: Batch, tell: F) -> Vec<StreamRecord>
where
    F: Fn(Vec<Event>) -> A,
    A: Future<Output = Vec<bool>>,
{
    let (mut events, mut told, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for record in batch.records {
        match record.news().map_err(Into::into).and_then(|news| news.map(Event::new).transpose()) {
            Ok(None) => {}
            Ok(Some(event)) => {
                events.push(event);
                told.push(record);
            }
            Err(problem) => {
                tracing::error!(cause = problem.cause(), place = record.sequence_number, "cannot be told");
                failed.push(record);
            }
        }
    }
    if !events.is_empty() {
        let mut taken = tell(events).await.into_iter();
        // An answer that is missing is none that says so.
        failed.extend(told.into_iter().filter(|_| !taken.next().unwrap_or(false)));
    }
    failed
}

/// [`notify`] over this bus, as Lambda calls it.
pub fn through(bus: Bus) -> impl Fn(Store, Batch) -> Pin<Box<dyn Future<Output = Vec<StreamRecord>>>> {
    let bus = Arc::new(bus);
    move |_, batch| {
        let bus = Arc::clone(&bus);
        Box::pin(async move { notify(batch, |events| bus.put(events)).await })
    }
}
