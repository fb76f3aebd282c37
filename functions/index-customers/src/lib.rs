//! Keeps the lists of customers, by name and by balance, up with the table's stream.
//!
//! A balance in an index costs as much as half a redemption, so no caller waits for it or pays for it in its transaction.
//! Each item is read as it is now and listed over older revisions alone: records may come late, twice and in any order.

use std::collections::BTreeMap;

use edge::{Batch, StreamRecord};
use futures::{StreamExt, stream};
use store::{ChangedItem, Store};

/// Items that are listed at the same time.
const CONCURRENCY: usize = 16;

/// Brings the lists to what these records changed, and answers the records of which that failed.
pub async fn index_customers(store: Store, batch: Batch) -> Vec<StreamRecord> {
    // A busy account comes many times in one batch, and is listed once.
    let mut by_item: BTreeMap<ChangedItem, Vec<StreamRecord>> = BTreeMap::new();
    for record in batch.records {
        by_item.entry(record.changed.clone()).or_default().push(record);
    }
    let store = &store;
    let mut listed = stream::iter(by_item)
        .map(|(item, records)| async move { (store.relist(&item).await, item, records) })
        .buffer_unordered(CONCURRENCY);
    let mut failed = Vec::new();
    while let Some((outcome, item, records)) = listed.next().await {
        if let Err(error) = outcome {
            tracing::error!(%error, ?item, "could not be listed; its records come again");
            failed.extend(records);
        }
    }
    failed
}
