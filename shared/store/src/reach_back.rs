//! How far `apply_to_existing` is: one job over all accounts, which the schedule carries on until it is done.
//!
//! Where it stands is written after every page, on condition that it is the same job and nobody else carried it on; a run
//! that is stopped anywhere leaves the rest to the next, and an account that was dated has nothing left to date.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use jiff::Timestamp;
use ledger::{Currency, CustomerId};
use serde::{Deserialize, Serialize};

use crate::{
    Due, Error, Store,
    documents::{decode_document, encode_document},
    items::{Item, Key, LISTS, SHARDS, account_of, account_partition, text},
    transaction::transact,
};

/// Where the job is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReachBack {
    /// Which change of the settings, of a group or of a customer asked for it.
    id: (String, String),
    /// How often it was carried on.
    step: u64,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
    /// Accounts that it has looked at.
    pub accounts: u64,
    /// Those of them whose lots it gave a date.
    pub dated: u64,
    /// Which part of all accounts is next, and after which account of it.
    shard: u8,
    after: Option<(CustomerId, Currency)>,
}

impl Store {
    /// The job that was asked for last, if any was.
    ///
    /// # Errors
    /// When the database does not answer or the job cannot be read.
    pub async fn reach_back_job(&self) -> Result<Option<ReachBack>, Error> {
        self.get(Key::reach_back()).await?.map(|item| decode_document(&item)).transpose()
    }

    /// What starts the job in the transaction that asks for it, in the place of one that may be under way.
    pub(crate) fn reach_back_from(
        &self,
        change: &Key,
        at: Timestamp,
        wanted: bool,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        if !wanted {
            return Ok(Vec::new());
        }
        let job = ReachBack {
            id: (change.pk.clone(), change.sk.clone()),
            step: 0,
            requested_at: at,
            finished_at: None,
            accounts: 0,
            dated: 0,
            shard: 0,
            after: None,
        };
        let put =
            Put::builder().table_name(&self.table).set_item(Some(encode_document(&Key::reach_back(), &job)?));
        Ok(vec![transact(put)?])
    }

    /// The next accounts that the job has to look at; none once it is done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reach_back_next(&self, job: &ReachBack, limit: usize) -> Result<Vec<Due>, Error> {
        if job.finished_at.is_some() {
            return Ok(Vec::new());
        }
        self.accounts_of(job.shard, job.after.as_ref(), limit).await
    }

    /// The next of one part of all accounts, after this one.
    pub(crate) async fn accounts_of(
        &self,
        shard: u8,
        after: Option<&(CustomerId, Currency)>,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let partition = account_partition(shard);
        let start = after.map(|(customer, currency)| {
            let mut start = Key::account(customer, *currency).to_item();
            start.extend([text("lq", &partition), text("lk", customer.as_str())]);
            start
        });
        let query = self
            .query("lq = :shard")
            .index_name(LISTS)
            .expression_attribute_values(":shard", AttributeValue::S(partition))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        let answer = query.send().await.map_err(Error::from_sdk)?;
        let due = |item: Item| {
            let (customer, currency) = account_of(&Key::of(&item)?)?;
            Ok(Due { customer, currency })
        };
        answer.items.unwrap_or_default().into_iter().map(due).collect()
    }

    /// Notes that the job has looked at these accounts, the next ones of it, and given some a date. Answers where it is
    /// then; `None` when somebody else carries it on, or it was asked for anew.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reach_back_done(
        &self,
        job: &ReachBack,
        looked_at: &[Due],
        dated: u64,
        at: Timestamp,
    ) -> Result<Option<ReachBack>, Error> {
        let mut next = job.clone();
        next.step = next.step.saturating_add(1);
        next.accounts = next.accounts.saturating_add(u64::try_from(looked_at.len()).unwrap_or(u64::MAX));
        next.dated = next.dated.saturating_add(dated);
        match looked_at.last() {
            Some(Due { customer, currency }) => next.after = Some((customer.clone(), *currency)),
            None => {
                next.after = None;
                next.shard = next.shard.saturating_add(1);
                next.finished_at = (next.shard >= SHARDS).then_some(at);
            }
        }
        let put = self.replace_document(&Key::reach_back(), &next, Some(job))?;
        Ok(self.write_documents(vec![put]).await?.then_some(next))
    }
}
