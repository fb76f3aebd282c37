//! Reading without writing: a customer, entries, top-ups, what is due. By key or index, never by scan.

use std::collections::{BTreeMap, VecDeque};

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};
use jiff::Timestamp;
use ledger::{
    Account, Currency, CustomerId, Entry, EntryId, EntryType, Label, LotNumber, Replay, Topup, TopupStatus,
};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Profile, Store,
    documents::decode_profile,
    items::{
        ACCOUNTS, BY_NUMBER, ENTRIES, Fields, Item, Key, PENDING, TOPUPS, WORK, account_of, decode_account,
        decode_entry, decode_topup, entry_number, expiry_partition, moment, partition,
    },
};

pub use crate::items::SHARDS;

/// Most things that one page of a list may hold.
pub const MAX_PAGE: usize = 200;
/// Entries that one page may look at to find those that a filter admits; the next page goes on from there.
const MAX_LOOKED_AT: usize = 2_000;
/// Longest place in a list of top-ups, in bytes: a time, a digest and a customer.
const MAX_PLACE: usize = 200;
/// Largest number of an entry that its place in the index can tell.
const MAX_NUMBER: u64 = 999_999_999_999;
/// Keys that one batch read may name.
const MAX_BATCH: usize = 100;

/// A part of a list, and where the next one goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The things themselves.
    pub data: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<C>,
}

impl<T, C> Default for Page<T, C> {
    fn default() -> Self {
        Self { data: Vec::new(), next: None }
    }
}

/// A customer as stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CustomerRecord {
    /// What the shop told, if it told anything.
    pub profile: Option<Profile>,
    /// The accounts, by currency.
    pub accounts: Vec<Account>,
}

/// Which entries a list shall hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntriesFilter {
    /// Of this currency alone.
    pub currency: Option<Currency>,
    /// Of this type alone.
    pub kind: Option<EntryType>,
    /// Not before this moment.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// Of this order alone.
    pub order: Option<Label>,
    /// What this lot of the currency came from, and what went into it, took of it or moved it.
    pub lot: Option<LotNumber>,
}

impl EntriesFilter {
    fn admits(&self, entry: &Entry) -> bool {
        let of_lot = |lot: LotNumber| {
            entry.number == lot.entry
                || entry.lot == Some(lot)
                || entry.allocations.iter().any(|part| part.lot == lot)
        };
        self.lot.is_none_or(of_lot)
            && self.kind.is_none_or(|kind| entry.kind == kind)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
            && self
                .order
                .as_ref()
                .is_none_or(|order| entry.order.as_ref().is_some_and(|used| used.id == *order))
    }
}

/// By currency, the number below which the next page's entries are. Entries made later do not shift it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntriesCursor(pub BTreeMap<Currency, u64>);

/// The place of the last top-up of the page before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TopupsCursor {
    topup: String,
}

/// A pending top-up request, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingTopup {
    /// Whose.
    pub customer: CustomerId,
    /// The request.
    pub topup: Topup,
}

/// An account in which something may have expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose credit.
    pub customer: CustomerId,
    /// In which currency.
    pub currency: Currency,
}

/// One account's entries on their way into a page, newest first.
struct Lane {
    currency: Currency,
    /// The next entry's number is below this.
    below: Option<u64>,
    read: VecDeque<Entry>,
    /// Nothing is left to read.
    drained: bool,
}

impl Store {
    /// A customer's profile and accounts in one read; `None` if there is neither.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn customer(&self, customer: &CustomerId) -> Result<Option<CustomerRecord>, Error> {
        let mut record = CustomerRecord::default();
        let mut start = None;
        loop {
            let query = self
                .query("pk = :pk AND begins_with(sk, :accounts)")
                .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
                .expression_attribute_values(":accounts", AttributeValue::S(ACCOUNTS.to_owned()))
                .consistent_read(true)
                .set_exclusive_start_key(start);
            let answer = query.send().await.map_err(Error::from_sdk)?;
            for item in answer.items.unwrap_or_default() {
                if Fields(&item).text("sk")? == ACCOUNTS {
                    record.profile = Some(decode_profile(&item)?);
                } else {
                    record.accounts.push(decode_account(&item)?.account);
                }
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        Ok((record.profile.is_some() || !record.accounts.is_empty()).then_some(record))
    }

    /// A customer's entries, newest first; `None` if there is no such customer.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn entries(
        &self,
        customer: &CustomerId,
        filter: &EntriesFilter,
        cursor: Option<EntriesCursor>,
        limit: usize,
    ) -> Result<Option<Page<Entry, EntriesCursor>>, Error> {
        let mut lanes: Vec<Lane> = match (cursor, filter.currency) {
            (Some(EntriesCursor(below)), currency) => {
                if currency.is_some_and(|currency| below.keys().any(|of| *of != currency)) {
                    return Err(Error::InvalidCursor);
                }
                below.into_iter().map(|(currency, below)| Lane::new(currency, Some(below))).collect()
            }
            (None, Some(currency)) => vec![Lane::new(currency, None)],
            (None, None) => {
                // Most customers have one account, whose newest entries are then in the second answer already.
                let newest = self.newest_entries(customer, limit.saturating_add(1));
                let (record, (newest, drained)) = tokio::try_join!(self.customer(customer), newest)?;
                let Some(record) = record else {
                    return Ok(None);
                };
                let mut lanes: Vec<Lane> =
                    record.accounts.iter().map(|account| Lane::new(account.currency, None)).collect();
                if let [lane] = lanes.as_mut_slice() {
                    lane.read = newest.into();
                    lane.drained = drained;
                }
                lanes
            }
        };

        let mut data = Vec::new();
        let mut looked_at = 0_usize;
        while data.len() < limit && looked_at < MAX_LOOKED_AT {
            for lane in lanes.iter_mut().filter(|lane| lane.read.is_empty() && !lane.drained) {
                let (entries, drained) =
                    self.entries_below(customer, lane.currency, lane.below, limit.saturating_add(1)).await?;
                lane.read = entries.into();
                lane.drained = drained;
            }
            let newest = lanes
                .iter_mut()
                .filter(|lane| !lane.read.is_empty())
                .max_by_key(|lane| lane.read.front().map(|entry| (entry.at, entry.currency(), entry.number)));
            let Some(lane) = newest else {
                break;
            };
            let Some(entry) = lane.read.pop_front() else {
                break;
            };
            lane.below = Some(entry.number);
            looked_at = looked_at.saturating_add(1);
            let too_old = filter.from.is_some_and(|from| entry.at < from)
                || filter.lot.is_some_and(|lot| entry.number < lot.entry);
            if too_old {
                // Times and numbers never go back within an account: all that follow are older still.
                lane.read.clear();
                lane.drained = true;
            } else if filter.admits(&entry) {
                data.push(entry);
            }
        }

        if data.is_empty() && looked_at == 0 && self.customer(customer).await?.is_none() {
            return Ok(None);
        }
        let open = lanes.iter().filter(|lane| !lane.read.is_empty() || !lane.drained);
        // A lane that nothing was taken from yet goes on from its top, which is above every number.
        let next: BTreeMap<_, _> = open.map(|lane| (lane.currency, lane.below.unwrap_or(u64::MAX))).collect();
        Ok(Some(Page { data, next: (!next.is_empty()).then_some(EntriesCursor(next)) }))
    }

    /// A customer's accounts as they were at this moment: rebuilt from their entries, each of which is held against those
    /// before it. What waited as top-ups then is not told by entries, and so zero.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when an entry does not follow from those before it.
    pub async fn accounts_as_of(&self, accounts: &[Account], at: Timestamp) -> Result<Vec<Account>, Error> {
        let mut then = Vec::new();
        for account in accounts {
            let account = self.replayed(account, at).await?;
            if account.number > 0 {
                then.push(account);
            }
        }
        Ok(then)
    }

    async fn replayed(&self, account: &Account, at: Timestamp) -> Result<Account, Error> {
        let Account { customer, currency, .. } = account;
        let query = self
            .query("pk = :pk AND n BETWEEN :first AND :last")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":first", AttributeValue::S(entry_number(*currency, 1)))
            .expression_attribute_values(":last", AttributeValue::S(entry_number(*currency, MAX_NUMBER)))
            .consistent_read(true);
        let mut replay = Replay::new(customer.clone(), *currency);
        let mut start = None;
        loop {
            let answer =
                query.clone().set_exclusive_start_key(start).send().await.map_err(Error::from_sdk)?;
            for item in answer.items.unwrap_or_default() {
                let entry = decode_entry(&item)?;
                if entry.at > at {
                    return Ok(replay.into_account());
                }
                replay.apply(&entry).map_err(|drift| Fields(&item).corrupt(&drift.to_string()))?;
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(replay.into_account());
            }
        }
    }

    /// The newest of an account's entries before this moment, found by halving: entries never go back in time, and their numbers
    /// have no gaps. `None` before its first.
    ///
    /// # Errors
    /// When the database does not answer or an entry is not there.
    pub async fn last_before(&self, account: &Account, moment: Timestamp) -> Result<Option<Entry>, Error> {
        let Account { customer, currency, number, .. } = account;
        // What is sought is `first` or above it, and below `end`.
        let (mut found, mut first, mut end) = (None, 0_u64, number.saturating_add(1));
        // Most periods end with the newest entry: it is asked for first.
        let mut next = *number;
        while next > first {
            let id = EntryId { currency: *currency, number: next };
            let entry = self.entry(customer, id).await?.ok_or_else(|| Error::Corrupt {
                item: format!("{} {id}", partition(customer)),
                reason: "it is not there".to_owned(),
            })?;
            if entry.at < moment {
                (first, found) = (next, Some(entry));
            } else {
                end = next;
            }
            next = first.midpoint(end);
        }
        Ok(found)
    }

    /// An account's entries from this number on, so many of them, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn entries_from(
        &self,
        account: &Account,
        first: u64,
        count: usize,
    ) -> Result<Vec<Entry>, Error> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let Account { customer, currency, .. } = account;
        let query = self
            .query("pk = :pk AND n BETWEEN :first AND :last")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":first", AttributeValue::S(entry_number(*currency, first)))
            .expression_attribute_values(":last", AttributeValue::S(entry_number(*currency, MAX_NUMBER)))
            .consistent_read(true);
        let (items, _) = self.read_page(query, count).await?;
        items.iter().map(decode_entry).collect()
    }

    /// One entry by its number.
    pub(crate) async fn entry(&self, customer: &CustomerId, id: EntryId) -> Result<Option<Entry>, Error> {
        let query = self
            .query("pk = :pk AND n = :number")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":number", AttributeValue::S(entry_number(id.currency, id.number)));
        Ok(self.read_entries(query, 1).await?.0.pop())
    }

    /// A customer's top-up requests, newest first; `None` if there is no such customer.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn topups(
        &self,
        customer: &CustomerId,
        cursor: Option<TopupsCursor>,
        limit: usize,
    ) -> Result<Option<Page<Topup, TopupsCursor>>, Error> {
        let first = cursor.is_none();
        let below = match cursor {
            None => "T$".to_owned(),
            Some(TopupsCursor { topup: place }) if place.starts_with(TOPUPS) && place.len() <= MAX_PLACE => {
                place
            }
            Some(_) => return Err(Error::InvalidCursor),
        };
        let query = self
            .query("pk = :pk AND n BETWEEN :from AND :below")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":from", AttributeValue::S(TOPUPS.to_owned()))
            .expression_attribute_values(":below", AttributeValue::S(below.clone()));
        // One for the cursor itself, which BETWEEN includes, and one to know whether there are more.
        let (found, _) = self.read_page(query.scan_index_forward(false), limit.saturating_add(2)).await?;
        let mut places = Vec::new();
        for item in &found {
            let place = Fields(item).text("n")?;
            if place != below {
                places.push((place.to_owned(), Key::of(item)?));
            }
        }
        if places.is_empty() && first && self.customer(customer).await?.is_none() {
            return Ok(None);
        }
        let more = places.len() > limit;
        places.truncate(limit);
        let next =
            if more { places.last().map(|(place, _)| TopupsCursor { topup: place.clone() }) } else { None };
        let items = self.get_all(places.into_iter().map(|(_, key)| key).collect()).await?;
        let data = items.iter().map(decode_topup).collect::<Result<_, _>>()?;
        Ok(Some(Page { data, next }))
    }

    /// Every customer's top-up requests that wait at this moment, oldest first.
    ///
    /// The index follows the table by moments; a request that was resolved meanwhile, or has lapsed, is left out.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn pending_topups(
        &self,
        at: Timestamp,
        cursor: Option<TopupsCursor>,
        limit: usize,
    ) -> Result<Page<PendingTopup, TopupsCursor>, Error> {
        let mut page = self.filed_topups(cursor, limit).await?;
        page.data.retain(|filed| filed.topup.at(at).status == TopupStatus::Pending);
        Ok(page)
    }

    /// As [`Store::pending_topups`], with those that wait no more and are still in the index: the schedule takes them out.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn filed_topups(
        &self,
        cursor: Option<TopupsCursor>,
        limit: usize,
    ) -> Result<Page<PendingTopup, TopupsCursor>, Error> {
        let above = match cursor {
            // Below every place, and not empty, which DynamoDB would refuse.
            None => "0".to_owned(),
            Some(TopupsCursor { topup: place }) if (1..=MAX_PLACE).contains(&place.len()) => place,
            Some(_) => return Err(Error::InvalidCursor),
        };
        let query = self
            .query("wq = :pending AND wk > :above")
            .index_name(WORK)
            .expression_attribute_values(":pending", AttributeValue::S(PENDING.to_owned()))
            .expression_attribute_values(":above", AttributeValue::S(above));
        let (found, drained) = self.read_page(query, limit).await?;
        let next = match (drained, found.last()) {
            (false, Some(item)) => Some(TopupsCursor { topup: Fields(item).text("wk")?.to_owned() }),
            _ => None,
        };
        let keys = found.iter().map(Key::of).collect::<Result<_, _>>()?;
        let mut data = Vec::new();
        for item in self.get_all(keys).await? {
            let key = Key::of(&item)?;
            let customer = key.customer().ok_or_else(|| Fields(&item).corrupt("this is no top-up's key"))?;
            data.push(PendingTopup { customer, topup: decode_topup(&item)? });
        }
        Ok(Page { data, next })
    }

    /// Accounts of one shard of the expiry index in which something may have expired by `at`, soonest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due(
        &self,
        shard: u8,
        at: Timestamp,
        after: Option<DuePlace>,
        limit: usize,
    ) -> Result<Page<Due, DuePlace>, Error> {
        let query = self
            .query("wq = :shard AND wk <= :at")
            .index_name(WORK)
            .expression_attribute_values(":shard", AttributeValue::S(expiry_partition(shard)))
            .expression_attribute_values(":at", AttributeValue::S(moment(at)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(after.map(|DuePlace(key)| key));
        let answer = query.send().await.map_err(Error::from_sdk)?;
        let due = |item: Item| {
            let (customer, currency) = account_of(&Key::of(&item)?)?;
            Ok(Due { customer, currency })
        };
        let data = answer.items.unwrap_or_default().into_iter().map(due).collect::<Result<_, Error>>()?;
        Ok(Page { data, next: answer.last_evaluated_key.map(DuePlace) })
    }

    /// The newest entries of all accounts, and whether there are no more.
    async fn newest_entries(&self, customer: &CustomerId, limit: usize) -> Result<(Vec<Entry>, bool), Error> {
        let query = self
            .query("pk = :pk AND begins_with(n, :entries)")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":entries", AttributeValue::S(ENTRIES.to_owned()));
        self.read_entries(query, limit).await
    }

    /// The newest entries of one account below this number, and whether there are no more.
    async fn entries_below(
        &self,
        customer: &CustomerId,
        currency: Currency,
        below: Option<u64>,
        limit: usize,
    ) -> Result<(Vec<Entry>, bool), Error> {
        let last = below.unwrap_or(u64::MAX).saturating_sub(1).min(MAX_NUMBER);
        if last == 0 {
            return Ok((Vec::new(), true));
        }
        let query = self
            .query("pk = :pk AND n BETWEEN :first AND :last")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":first", AttributeValue::S(entry_number(currency, 1)))
            .expression_attribute_values(":last", AttributeValue::S(entry_number(currency, last)));
        self.read_entries(query, limit).await
    }

    async fn read_entries(
        &self,
        query: QueryFluentBuilder,
        limit: usize,
    ) -> Result<(Vec<Entry>, bool), Error> {
        let (items, drained) =
            self.read_page(query.consistent_read(true).scan_index_forward(false), limit).await?;
        Ok((items.iter().map(decode_entry).collect::<Result<_, _>>()?, drained))
    }

    /// Up to `limit` items of a query, over as many answers as it takes, and whether there are no more.
    pub(crate) async fn read_page(
        &self,
        query: QueryFluentBuilder,
        limit: usize,
    ) -> Result<(Vec<Item>, bool), Error> {
        let mut items = Vec::new();
        let mut start = None;
        loop {
            let due = i32::try_from(limit.saturating_sub(items.len())).unwrap_or(i32::MAX);
            let query = query.clone().limit(due).set_exclusive_start_key(start);
            let answer = query.send().await.map_err(Error::from_sdk)?;
            items.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key;
            if start.is_none() || items.len() >= limit {
                return Ok((items, start.is_none()));
            }
        }
    }

    /// These items in this order; those that are gone are left out.
    pub(crate) async fn get_all(&self, keys: Vec<Key>) -> Result<Vec<Item>, Error> {
        let mut found = Vec::with_capacity(keys.len());
        for batch in keys.chunks(MAX_BATCH) {
            found.extend(self.batch_get(batch.to_vec()).await?);
        }
        let mut ordered = Vec::with_capacity(found.len());
        for key in &keys {
            if let Some(at) = found.iter().position(|(of, _)| of == key) {
                ordered.push(found.swap_remove(at).1);
            }
        }
        Ok(ordered)
    }

    pub(crate) fn query(&self, condition: &str) -> QueryFluentBuilder {
        self.client.query().table_name(&self.table).key_condition_expression(condition)
    }
}

/// Where the next page of [`Store::due`] begins.
#[derive(Clone, Debug, PartialEq)]
pub struct DuePlace(Item);

impl Lane {
    fn new(currency: Currency, below: Option<u64>) -> Self {
        Self { currency, below, read: VecDeque::new(), drained: false }
    }
}
