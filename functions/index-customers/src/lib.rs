//! Keeps the lists of customers, by name and by balance, and the journal of the books up with the table's stream.
//!
//! A balance in an index costs as much as half a redemption, so no caller waits for it or pays for it in its transaction; nor
//! for the journal. Each item is read as it is now and listed over older revisions alone, and an entry is booked the same each
//! time: records may come late, twice and in any order.

use std::collections::BTreeMap;

use edge::{Batch, StreamRecord};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use ledger::Entry;
use store::{ChangedItem, Error, LATE, News, Store};

/// Items that are listed at the same time.
const CONCURRENCY: usize = 16;

/// What follows from a record.
enum Task {
    /// The item is listed as it is now.
    List(ChangedItem),
    /// What the entry moves is booked.
    Book(Box<Entry>),
}

/// Brings lists and journal to what these records changed, and answers the records of which that failed.
pub async fn index_customers(store: Store, batch: Batch) -> Vec<StreamRecord> {
    // A busy account comes many times in one batch, and is listed once.
    let mut by_item: BTreeMap<ChangedItem, Vec<StreamRecord>> = BTreeMap::new();
    let mut tasks = Vec::new();
    let mut failed = Vec::new();
    // Entries so old that the books of their days may be closed: the first moment, and their records.
    let mut late = None;
    let mut late_records = Vec::new();
    for record in batch.records {
        if record.changed != ChangedItem::Other {
            by_item.entry(record.changed.clone()).or_default().push(record);
            continue;
        }
        match record.news() {
            Ok(Some(News::Entry(entry))) => {
                if batch.at.duration_since(entry.at) > LATE {
                    late = Some(late.map_or(entry.at, |first: Timestamp| first.min(entry.at)));
                    late_records.push(record.clone());
                }
                tasks.push((Task::Book(entry), vec![record]));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, place = record.sequence_number, "could not be read; its record comes again");
                failed.push(record);
            }
        }
    }
    tasks.extend(by_item.into_iter().map(|(item, records)| (Task::List(item), records)));
    let store = &store;
    let mut done = stream::iter(tasks)
        .map(|(task, records)| async move { (task.run(store).await, records) })
        .buffer_unordered(CONCURRENCY);
    while let Some((outcome, records)) = done.next().await {
        if let Err((what, error)) = outcome {
            tracing::error!(%error, what, "could not be listed or booked; its records come again");
            failed.extend(records);
        }
    }
    // Once they stand in the journal: whoever adds it up meanwhile begins again.
    if let Some(at) = late
        && let Err(error) = Box::pin(store.reopen_books(at)).await
    {
        tracing::error!(%error, %at, "the books could not be opened again; the records come again");
        failed.retain(|record| !late_records.contains(record));
        failed.extend(late_records);
    }
    failed
}

impl Task {
    /// Does it, or tells what it was and why not.
    async fn run(self, store: &Store) -> Result<(), (String, Error)> {
        match self {
            Self::List(item) => store.relist(&item).await.map_err(|error| (format!("{item:?}"), error)),
            Self::Book(entry) => {
                let booked = store.book(&entry).await;
                booked.map_err(|error| (format!("{} {}", entry.customer, entry.id()), error))
            }
        }
    }
}
