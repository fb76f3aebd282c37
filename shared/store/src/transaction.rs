//! How DynamoDB is asked: transactions that take effect once, batches of reads, and pauses between tries.

use std::time::Duration;

use aws_sdk_dynamodb::types::{KeysAndAttributes, TransactWriteItem, builders::PutBuilder};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::{
    Error, Store,
    items::{Item, Key},
};

/// Tries of one write against other writers; with the pauses between them, 50 writers at once get through. All of them take 6 s at
/// most, less than whoever calls waits: it is told of the conflict.
pub(crate) const MAX_TRIES: u32 = 18;
/// The first pause between tries is at most this: a read and a write take some 15 ms, and whoever comes back within that meets the
/// same writer again (docs/decisions.md, 40, has what was tried). Each next is at most three times as long …
const FIRST_PAUSE: Duration = Duration::from_millis(64);
/// … up to this.
const MAX_PAUSE: Duration = Duration::from_millis(300);
/// Longest transaction token that DynamoDB takes, in characters.
const TOKEN: usize = 36;

/// One transaction, and the token under which it takes effect once, however often it is sent.
pub(crate) struct Write {
    pub(crate) items: Vec<TransactWriteItem>,
    pub(crate) token: String,
}

/// How a transaction ended.
pub(crate) enum Outcome {
    Written,
    /// A condition did not hold: somebody was here since we read.
    Superseded,
    /// Somebody was here at the same moment, or the table was throttled: the same may be sent again.
    Busy,
}

impl Store {
    /// Sends one transaction and tells what became of it.
    pub(crate) async fn write(&self, write: &Write) -> Result<Outcome, Error> {
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(write.items.clone()))
            // A token is one of the whole account's: two ledgers in it may come to write the same at the same moment.
            .client_request_token(token(&[self.table.as_bytes(), write.token.as_bytes()]))
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(Outcome::Written);
        };
        let Some(cancelled) = error.as_service_error() else {
            return Err(Error::from_sdk(error));
        };
        if cancelled.is_transaction_in_progress_exception() {
            return Ok(Outcome::Busy);
        }
        let aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::TransactionCanceledException(
            cancelled,
        ) = cancelled
        else {
            return Err(Error::from_sdk(error));
        };
        // One reason an item, in their order. A condition that does not hold outweighs the rest: sending the same
        // again could never succeed.
        let reasons: Vec<_> = cancelled
            .cancellation_reasons()
            .iter()
            .map(|reason| reason.code().unwrap_or("None").to_owned())
            .collect();
        let passing = ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        if reasons.iter().any(|code| code == "ConditionalCheckFailed") {
            Ok(Outcome::Superseded)
        } else if reasons.iter().any(|code| passing.contains(&code.as_str())) {
            Ok(Outcome::Busy)
        } else {
            Err(Error::Refused(format!("the transaction was cancelled: {}", reasons.join(", "))))
        }
    }

    /// Writes items that are no part of the ledger, all or none; false when a condition does not hold.
    pub(crate) async fn write_documents(&self, items: Vec<TransactWriteItem>) -> Result<bool, Error> {
        let write = Write { items, token: token(&[&fastrand::u128(..).to_be_bytes()]) };
        for tries in 0..MAX_TRIES {
            if tries > 0 {
                pause(tries).await;
            }
            match self.write(&write).await? {
                Outcome::Written => return Ok(true),
                Outcome::Superseded => return Ok(false),
                Outcome::Busy => {}
            }
        }
        Err(Error::Conflict)
    }

    /// Reads these items, strongly consistent, in one trip unless the database hands some of them back.
    pub(crate) async fn batch_get(&self, keys: Vec<Key>) -> Result<Vec<(Key, Item)>, Error> {
        let mut due: Vec<Item> = keys.iter().map(Key::to_item).collect();
        let mut found = Vec::with_capacity(due.len());
        for tries in 0..MAX_TRIES {
            if tries > 0 {
                pause(tries).await;
            }
            let request = KeysAndAttributes::builder().set_keys(Some(due)).consistent_read(true).build();
            let request = request.map_err(|error| Error::Refused(error.to_string()))?;
            let answer = self.client.batch_get_item().request_items(&self.table, request).send().await;
            let answer = answer.map_err(Error::from_sdk)?;
            for item in answer.responses.unwrap_or_default().into_values().flatten() {
                found.push((Key::of(&item)?, item));
            }
            due = answer
                .unprocessed_keys
                .unwrap_or_default()
                .into_values()
                .flat_map(|keys| keys.keys)
                .collect();
            if due.is_empty() {
                return Ok(found);
            }
        }
        Err(Error::Throttled("keys stayed unprocessed".to_owned()))
    }
}

pub(crate) fn transact(put: PutBuilder) -> Result<TransactWriteItem, Error> {
    let put = put.build().map_err(|error| Error::Refused(error.to_string()))?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// A token for exactly this content: DynamoDB refuses the same token with another body.
pub(crate) fn token(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let mut token = URL_SAFE_NO_PAD.encode(hasher.finalize());
    token.truncate(TOKEN);
    token
}

/// Waits a random time, of between half and the whole of what triples with each try: writers who met once do not meet again, and
/// none is back at once.
pub(crate) async fn pause(tries: u32) {
    let longest = FIRST_PAUSE.saturating_mul(3_u32.saturating_pow(tries.saturating_sub(1))).min(MAX_PAUSE);
    let micros = u64::try_from(longest.as_micros()).unwrap_or(0);
    tokio::time::sleep(Duration::from_micros(fastrand::u64(micros / 2..=micros))).await;
}
