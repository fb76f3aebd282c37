//! The journal: what each entry moves in the books of the shop, by time over all accounts.
//!
//! It follows the ledger by the table's stream, as the lists do: an entry's item in it is written once the entry is, and is
//! the same each time that it is written. It stands in no index, so that an entry costs no more than before.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use ledger::{Booking, Entry, EntryId, EntryType, LotNumber, Lots};
use serde::{Deserialize, Serialize};

use crate::{
    Due, Error, Page, Store,
    items::{
        BY_NUMBER, Item, JOURNAL_SHARDS, Key, decode_booking, decode_entry, encode_booking, entry_number,
        journal_partition, moment, partition,
    },
};

/// Months that one page looks at to find entries; the next page goes on from there.
const MAX_MONTHS: u32 = 24;
/// Longest place in the journal, in bytes: a moment, a customer, a currency and a number.
const MAX_PLACE: usize = 200;
/// Digits of a moment in a place.
const MOMENT: usize = 15;
/// Entries that are looked up at the same time.
const CONCURRENCY: usize = 16;
/// Entries that are held against the journal at once: a batch read may name so many.
const BATCH: usize = 100;
/// Largest number of an entry that its place in the index can tell.
const MAX_NUMBER: u64 = 999_999_999_999;

/// The place where the page before ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalCursor {
    after: String,
}

/// What an account's entries are in the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rebooked {
    /// How many entries there are.
    pub entries: u64,
    /// Those that were not in the journal, or not as they should be.
    pub amiss: Vec<EntryId>,
}

impl Store {
    /// What was booked from one moment until before another, oldest first; within a moment by customer, currency and number.
    ///
    /// Entries that only moved an expiry are left out, so that a page may hold fewer than asked for. Strongly consistent. A page asks each shard of a month at the same time, so that 200 entries take some 50 read units, and
    /// a month without any 4.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`]; when the database does not answer or an item cannot be read.
    pub async fn journal(
        &self,
        (from, to): (Timestamp, Timestamp),
        cursor: Option<JournalCursor>,
        limit: usize,
    ) -> Result<Page<Booking, JournalCursor>, Error> {
        // Nothing was booked before it.
        let from = from.max(Timestamp::UNIX_EPOCH);
        let (start, end) = (moment(from), moment(to));
        let (mut after, mut month) = match cursor {
            None => (start, month_of(from)),
            Some(JournalCursor { after }) => {
                let month = moment_of(&after).map(month_of);
                let month = month.filter(|_| after >= start && after < end && after.len() <= MAX_PLACE);
                (after, month.ok_or(Error::InvalidCursor)?)
            }
        };
        let mut data = Vec::new();
        for _ in 0..MAX_MONTHS {
            if after >= end {
                return Ok(Page { data, next: None });
            }
            let due = limit.saturating_sub(data.len());
            let mut found = self.booked_in(month, &after, &end, due.saturating_add(1)).await?;
            let more = found.len() > due;
            found.truncate(due);
            for (place, item) in found {
                let booking = decode_booking(&item)?;
                // What moves an expiry alone is for reports.
                data.extend(Some(booking).filter(|booking| !booking.legs.is_empty()));
                after = place;
            }
            if more {
                return Ok(Page { data, next: Some(JournalCursor { after }) });
            }
            month = month.checked_add(1.month()).map_err(|_| Error::InvalidCursor)?;
            let begins = month.to_zoned(TimeZone::UTC).map_err(|_| Error::InvalidCursor)?;
            after = moment(begins.timestamp());
        }
        Ok(Page { data, next: (after < end).then_some(JournalCursor { after }) })
    }

    /// The next items of a month after this place and before the end, with their places; so many, unless there are no more.
    async fn booked_in(
        &self,
        month: Date,
        after: &str,
        end: &str,
        limit: usize,
    ) -> Result<Vec<(String, Item)>, Error> {
        let shards = (0..JOURNAL_SHARDS).map(|shard| {
            let query = self
                .query("pk = :month AND sk BETWEEN :after AND :end")
                .expression_attribute_values(":month", AttributeValue::S(journal_partition(month, shard)))
                .expression_attribute_values(":after", AttributeValue::S(after.to_owned()))
                .expression_attribute_values(":end", AttributeValue::S(end.to_owned()))
                .consistent_read(true);
            // One for the last place itself, which BETWEEN includes.
            self.read_page(query, limit.saturating_add(1))
        });
        let mut found = Vec::new();
        for (items, _) in try_join_all(shards).await? {
            for item in items {
                let place = Key::of(&item)?.sk;
                if place != after {
                    found.push((place, item));
                }
            }
        }
        found.sort_by(|(one, _), (other, _)| one.cmp(other));
        found.truncate(limit);
        Ok(found)
    }

    /// Puts what this entry moves into the journal, where it may stand already. Records may come late, twice and in any order:
    /// after one of an entry that is older than [`crate::LATE`], the books are to be opened again by [`Store::reopen_books`].
    ///
    /// One write unit, two where it took of more than some 50 lots; an entry that moves nothing takes none. An expiry reads what
    /// made its lots; a refund the account's entries since what it gives back, a void and a new expiry those since their lot was
    /// made.
    ///
    /// # Errors
    /// When the database does not answer, or what the entry moves cannot be told.
    pub async fn book(&self, entry: &Entry) -> Result<(), Error> {
        // Boxed, since few entries need any: whoever books many holds as many of these at once.
        let lots = Box::pin(self.lots_before(entry)).await?;
        match booked(entry, &lots)? {
            Some(item) => self.put_booked(item).await,
            None => Ok(()),
        }
    }

    /// What those lots were before the entry of which it does not tell itself.
    async fn lots_before(&self, entry: &Entry) -> Result<Lots, Error> {
        let untold = entry.untold_lots();
        let Some(first) = untold.iter().map(|lot| lot.entry).min() else {
            return Ok(Lots::default());
        };
        if entry.kind == EntryType::Expire {
            return self.makers_of(entry, &untold).await;
        }
        // What is given back is as it was when it was spent, unless its lot got another expiry or came back since.
        if let Some(spent) = entry.redemption {
            let altered = |other: &Entry| untold.iter().any(|lot| other.alters(*lot, spent));
            if let Some(lots) = self.lots_since(entry, spent, altered).await? {
                return Ok(lots);
            }
        }
        Ok(self.lots_since(entry, first, |_| false).await?.unwrap_or_default())
    }

    /// What lots were when they were made.
    async fn makers_of(&self, of: &Entry, lots: &[LotNumber]) -> Result<Lots, Error> {
        let currency = of.currency();
        let makers: BTreeSet<u64> = lots.iter().map(|lot| lot.entry).collect();
        let makers: Vec<u64> = makers.into_iter().collect();
        let mut lots = Lots::default();
        for some in makers.chunks(CONCURRENCY) {
            let read =
                some.iter().map(|number| self.entry(&of.customer, EntryId { currency, number: *number }));
            for entry in try_join_all(read).await?.into_iter().flatten() {
                follow(&mut lots, &entry)?;
            }
        }
        Ok(lots)
    }

    /// Follows lots from this number of the same account up to the entry; `None` if there is one that says that this is not enough.
    async fn lots_since(
        &self,
        of: &Entry,
        first: u64,
        too_little: impl Fn(&Entry) -> bool,
    ) -> Result<Option<Lots>, Error> {
        let account = Due { customer: of.customer.clone(), currency: of.currency() };
        let mut lots = Lots::default();
        let mut first = first;
        while first < of.number {
            let entries = self.entries_between(&account, first, of.number.saturating_sub(1)).await?;
            for entry in &entries {
                if too_little(entry) {
                    return Ok(None);
                }
                follow(&mut lots, entry)?;
            }
            let Some(last) = entries.last() else { break };
            first = last.number.saturating_add(1);
        }
        Ok(Some(lots))
    }

    /// Outside a transaction: half its price, and whatever becomes of its answer, the same is only written again.
    async fn put_booked(&self, item: Item) -> Result<(), Error> {
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(Error::from_sdk)
    }

    /// The next accounts of one part of all of them, after this one; none at its end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts(&self, shard: u8, after: Option<&Due>, limit: usize) -> Result<Vec<Due>, Error> {
        let after = after.map(|Due { customer, currency }| (customer.clone(), *currency));
        self.accounts_of(shard, after.as_ref(), limit).await
    }

    /// Holds all entries of an account against the journal, and puts right what is missing there or is otherwise, if told to; the
    /// books are open again from the first of these on.
    ///
    /// Others may write meanwhile: an entry that the stream has not told of yet counts as missing, and is the same twice.
    ///
    /// # Errors
    /// When the database does not answer, or something cannot be read.
    pub async fn rebook(&self, account: &Due, write: bool) -> Result<Rebooked, Error> {
        let mut rebooked = Rebooked::default();
        let mut lots = Lots::default();
        let mut earliest: Option<Timestamp> = None;
        loop {
            let entries =
                self.entries_between(account, rebooked.entries.saturating_add(1), MAX_NUMBER).await?;
            if entries.is_empty() {
                if let Some(at) = earliest {
                    self.reopen_books(at).await?;
                }
                return Ok(rebooked);
            }
            let mut due = Vec::new();
            for entry in &entries {
                if let Some(item) = booked(entry, &lots)? {
                    due.push((entry, item));
                }
                follow(&mut lots, entry)?;
            }
            let keys = due.iter().map(|(_, item)| Key::of(item)).collect::<Result<Vec<_>, _>>()?;
            let found = if keys.is_empty() { Vec::new() } else { self.batch_get(keys).await? };
            for (entry, item) in due {
                if found.iter().any(|(_, found)| *found == item) {
                    continue;
                }
                rebooked.amiss.push(entry.id());
                if write {
                    self.put_booked(item).await?;
                    earliest = earliest.or(Some(entry.at));
                }
            }
            rebooked.entries = entries.last().map_or(rebooked.entries, |entry| entry.number);
        }
    }

    /// The next entries of an account from this number up to another, oldest first.
    async fn entries_between(&self, account: &Due, first: u64, last: u64) -> Result<Vec<Entry>, Error> {
        let Due { customer, currency } = account;
        let query = self
            .query("pk = :pk AND n BETWEEN :first AND :last")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":first", AttributeValue::S(entry_number(*currency, first)))
            .expression_attribute_values(":last", AttributeValue::S(entry_number(*currency, last)))
            .consistent_read(true);
        let (items, _) = self.read_page(query, BATCH).await?;
        items.iter().map(decode_entry).collect()
    }
}

/// An entry's item in the journal; `None` if it moves nothing.
fn booked(entry: &Entry, lots: &Lots) -> Result<Option<Item>, Error> {
    let booking = Booking::of(entry, lots).map_err(|error| unbooked(entry, &error))?;
    booking.as_ref().map(encode_booking).transpose()
}

fn follow(lots: &mut Lots, entry: &Entry) -> Result<(), Error> {
    lots.follow(entry).map_err(|error| unbooked(entry, &error))
}

fn unbooked(entry: &Entry, reason: &dyn std::fmt::Display) -> Error {
    Error::Corrupt {
        item: format!("{} {}", entry.customer, entry.id()),
        reason: format!("it cannot be booked: {reason}"),
    }
}

/// The first day of the month, in UTC, that this moment is in.
pub(crate) fn month_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date().first_of_month()
}

/// The moment that a place begins with.
fn moment_of(place: &str) -> Option<Timestamp> {
    let (digits, _) = place.split_at_checked(MOMENT)?;
    Timestamp::from_millisecond(digits.parse().ok().filter(|at: &i64| *at >= 0)?).ok()
}
