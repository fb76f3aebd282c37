//! Forgetting who a customer is: the profile's personal fields and the free texts of entries and top-ups. Numbers, amounts,
//! dates and the chain of hashes stay as they are, since a text stands in its entry's hash by a salted digest alone.

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use ledger::CustomerId;

use crate::{
    Error, Profile, Store,
    documents::{DocumentChange, Edit, encode_profile},
    items::{
        BY_NUMBER, Fields, Filed, Item, Key, TOPUPS, bytes, decode_topup, encode_listed_group,
        encode_listed_name, encode_topup, partition,
    },
    transaction::transact,
};

/// Items that one transaction rewrites; DynamoDB takes 100 of 4 MB together.
const BATCH: usize = 50;
/// The attributes of an entry that hold free texts.
const TEXTS: [&str; 3] = ["note", "internal_note", "reason"];

impl Store {
    /// Erases a customer's personal data; `false` if there is no such customer.
    ///
    /// It goes batch by batch and may be stopped anywhere: asked again, it erases what is left.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn erase(&self, customer: &CustomerId, edit: Edit<'_>) -> Result<bool, Error> {
        if self.customer(customer).await?.is_none() {
            return Ok(false);
        }
        self.erase_profile(customer, edit).await?;
        self.erase_texts(customer).await?;
        Ok(true)
    }

    async fn erase_profile(&self, customer: &CustomerId, edit: Edit<'_>) -> Result<(), Error> {
        /// Tries against others who write the same document.
        const MAX_TRIES: u32 = 8;
        for _ in 0..MAX_TRIES {
            let Some(before) = self.profile(customer).await? else {
                return edit.check(0);
            };
            edit.check(before.version)?;
            let erased = Profile { name: None, email: None, language: None, ..before.clone() };
            if erased == before {
                return Ok(());
            }
            let version = before.version.saturating_add(1);
            let erased = Profile { version, ..erased };
            let change = DocumentChange::erasure(version, edit);
            // The lists by name follow by themselves, but this shall be gone at once.
            let listed = [
                encode_listed_name(customer, None, version),
                encode_listed_group(customer, None, erased.group.as_ref(), version),
            ];
            let put = |item| transact(Put::builder().table_name(&self.table).set_item(Some(item)));
            let listed = listed.into_iter().map(put).collect::<Result<_, _>>()?;
            let key = Key::profile_change(customer, version);
            let item = encode_profile(customer, &erased)?;
            if self.write_edit(item, before.version, key, &change, listed).await? {
                return Ok(());
            }
        }
        Err(Error::Conflict)
    }

    async fn erase_texts(&self, customer: &CustomerId) -> Result<(), Error> {
        let mut start = None;
        loop {
            let query = self
                .query("pk = :pk")
                .index_name(BY_NUMBER)
                .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let answer = query.send().await.map_err(Error::from_sdk)?;
            let mut topups = Vec::new();
            let mut entries = Vec::new();
            for item in answer.items.unwrap_or_default() {
                if Fields(&item).text("n")?.starts_with(TOPUPS) {
                    topups.push(Key::of(&item)?);
                } else if TEXTS.iter().any(|name| item.contains_key(*name)) {
                    let erased = without_texts(&item)?;
                    entries.push((item, "h", erased));
                }
            }
            for batch in entries.chunks(BATCH) {
                self.rewrite(batch.iter().cloned()).await?;
            }
            let mut rewritten = Vec::new();
            for topup in self.get_all(topups).await? {
                if let Some(erased) = without_reason(customer, &topup)? {
                    rewritten.push((topup, "t", erased));
                }
            }
            for batch in rewritten.chunks(BATCH) {
                self.rewrite(batch.iter().cloned()).await?;
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }

    /// Puts items in the place of those that have the same value of this attribute.
    async fn rewrite(&self, items: impl Iterator<Item = (Item, &'static str, Item)>) -> Result<(), Error> {
        let put = |(before, guard, after): (Item, &str, Item)| {
            let value =
                before.get(guard).cloned().ok_or_else(|| Fields(&before).corrupt("it lacks its guard"))?;
            let put = Put::builder().table_name(&self.table).set_item(Some(after));
            transact(
                put.condition_expression("#guard = :guard")
                    .expression_attribute_names("#guard", guard)
                    .expression_attribute_values(":guard", value),
            )
        };
        match self.write_documents(items.map(put).collect::<Result<_, Error>>()?).await? {
            true => Ok(()),
            // A top-up was resolved meanwhile: asked again, it is read as it is then.
            false => Err(Error::Conflict),
        }
    }
}

/// The entry without its free texts, and without the digest of the words that held them.
fn without_texts(entry: &Item) -> Result<Item, Error> {
    let mut erased = entry.clone();
    for name in TEXTS {
        erased.remove(name);
    }
    erased.extend([bytes("f", Fields(entry).fingerprint()?.erased().to_bytes())]);
    Ok(erased)
}

/// The top-up without the reason of its rejection, if it has one.
fn without_reason(customer: &CustomerId, item: &Item) -> Result<Option<Item>, Error> {
    let mut topup = decode_topup(item)?;
    let Some(resolution) = topup.resolution.as_mut().filter(|resolution| resolution.reason.is_some()) else {
        return Ok(None);
    };
    resolution.reason = None;
    encode_topup(customer, &topup, Fields(item).fingerprint()?, Filed::WhilePending).map(Some)
}
