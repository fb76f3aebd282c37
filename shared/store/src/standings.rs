//! What the store's credit came to at the end of each day: sums over the journal, made once a day is closed, so that no report
//! reads more than what was booked since.
//!
//! A day is closed once nothing of it should come any more. What comes all the same opens the books again from its day on, and
//! they are closed anew: what they come to follows from the journal alone, as the journal does from the entries. What stands
//! beyond the last closed day counts for nothing until it is written again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use futures::future::try_join_all;
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use ledger::{Booking, Currency, OutOfRange, Standing, Zone};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Store,
    documents::{MAX_TRIES, decode_document},
    items::{
        Fields, Item, JOURNAL_SHARDS, Key, decode_booking, decode_standing, encode_standing,
        journal_partition, moment, standing_partition,
    },
    journal::month_of,
    transaction::{pause, transact},
};

/// How long after its end a day is closed: what was booked until then is in its sums.
pub const CLOSED_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// How old an entry is for which the books may have been closed when it is booked: half as old as to be in a closed day at all.
pub const LATE: SignedDuration = SignedDuration::from_mins(30);

/// The day from which the books begin: no store is older.
const BEGIN: Date = jiff::civil::date(2020, 1, 1);
/// Bookings that one read of a shard answers.
const BATCH: i32 = 1_000;
/// Sums that one transaction writes: each has some kilobytes, at most 400, and all of a transaction at most four megabytes.
const TOGETHER: usize = 9;
/// Days that are read at the same time.
const CONCURRENCY: usize = 16;

/// How far the books are closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Closing {
    /// How often it was written: whoever read it before closes nothing any more.
    step: u64,
    /// How often the books were begun anew, each time in partitions of their own.
    edition: u64,
    /// The zone whose days these are.
    zone: Option<String>,
    /// The last day that is closed, with all before it.
    through: Option<Date>,
    /// In which currencies anything was booked until then.
    currencies: BTreeSet<Currency>,
}

/// What was closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// Days on which something was booked.
    pub days: u64,
    /// What was booked on them.
    pub bookings: u64,
    /// The last day that is closed now.
    pub through: Option<Date>,
}

/// What credit came to at the end of a day, by currency.
pub type Standings = BTreeMap<Currency, Standing>;

impl Store {
    /// What credit came to at the end of each of these days of this zone, which are in order.
    ///
    /// Of a day that is closed, a read for each currency: a unit, and one for each 4 KiB of sums beyond. Of open days, what was
    /// booked since the last closed one: some 16 bookings a unit.
    ///
    /// # Errors
    /// [`Error::NotClosed`] when more than `most` were booked since; when the database does not answer or an item cannot be read.
    pub async fn standings(&self, zone: &Zone, days: &[Date], most: usize) -> Result<Vec<Standings>, Error> {
        let closing = self.closing().await?.of(zone);
        let open = days.partition_point(|day| Some(*day) <= closing.through);
        let (closed, open) = days.split_at_checked(open).unwrap_or((days, &[]));
        let mut standings: Vec<Standings> = Vec::with_capacity(days.len());
        for some in closed.chunks(CONCURRENCY) {
            standings.extend(try_join_all(some.iter().map(|day| self.closed(&closing, *day))).await?);
        }
        let Some(last) = open.last() else { return Ok(standings) };

        let mut now = match closing.through {
            Some(through) => self.closed(&closing, through).await?,
            None => Standings::new(),
        };
        let mut bookings = self.bookings(&closing, zone, *last)?;
        let (mut open, mut booked) = (open.iter().copied().peekable(), 0_usize);
        while let Some(booking) = bookings.next().await? {
            booked = booked.saturating_add(1);
            if booked > most {
                return Err(Error::NotClosed);
            }
            let day = zone.day_of(booking.at);
            while open.next_if(|asked| *asked < day).is_some() {
                standings.push(now.clone());
            }
            add(&mut now, &booking, zone)?;
        }
        standings.extend(open.map(|_| now.clone()));
        Ok(standings)
    }

    /// Closes the days of this zone up to this one that are not closed yet, and tells of each in `closed`. It can be stopped
    /// anywhere, and then goes on from the last day that it closed; also when an entry came late meanwhile.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn close_books(&self, zone: &Zone, last: Date, closed: &mut Closed) -> Result<(), Error> {
        let stored = self.closing().await?;
        let mut closing = stored.clone().of(zone);
        closed.through = closing.through;
        if closing.through >= Some(last) {
            return Ok(());
        }
        let mut before = Some(stored).filter(|stored| *stored != Closing::default());
        let mut standings = match closing.through {
            Some(through) => self.closed(&closing, through).await?,
            None => Standings::new(),
        };
        let mut bookings = self.bookings(&closing, zone, last)?;
        // The day that is being added up, and the currencies of which something was booked on it.
        let mut day = None;
        let mut moved = BTreeSet::new();
        let mut booked = 0_u64;
        loop {
            let booking = bookings.next().await?;
            let on = booking.as_ref().map(|booking| zone.day_of(booking.at));
            if on.is_none() || (day.is_some() && on != day) {
                let through = if on.is_none() { last } else { day.unwrap_or(last) };
                let closing_day = day.unwrap_or(last);
                let moved = std::mem::take(&mut moved);
                for currency in &moved {
                    if let Some(standing) = standings.get_mut(currency) {
                        standing
                            .close(closing_day)
                            .map_err(|error| unsummed(*currency, closing_day, error))?;
                    }
                }
                let written =
                    self.close(&mut closing, &mut before, (closing_day, through), &standings, moved);
                if !written.await? {
                    return Ok(());
                }
                closed.days = closed.days.saturating_add(u64::from(day.is_some()));
                closed.bookings = closed.bookings.saturating_add(std::mem::take(&mut booked));
                closed.through = closing.through;
            }
            let Some(booking) = booking else { return Ok(()) };
            day = on;
            moved.insert(booking.currency);
            booked = booked.saturating_add(1);
            add(&mut standings, &booking, zone)?;
        }
    }

    /// Opens the books again from the day of this moment on, since something of it was booked. Whoever closes them meanwhile
    /// begins again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reopen_books(&self, at: Timestamp) -> Result<(), Error> {
        self.change_closing(|closing| {
            let zone: Zone =
                closing.zone.as_deref().and_then(|zone| zone.parse().ok()).unwrap_or(Zone::utc());
            let before = zone.day_of(at).yesterday().ok();
            closing.through = closing.through.and_then(|through| before.map(|before| through.min(before)));
        })
        .await
    }

    /// Lets all days be closed anew.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn close_books_anew(&self) -> Result<(), Error> {
        self.change_closing(|closing| *closing = closing.clone().anew(None)).await
    }

    async fn change_closing(&self, change: impl Fn(&mut Closing)) -> Result<(), Error> {
        for tries in 0..MAX_TRIES {
            if tries > 0 {
                pause(tries).await;
            }
            let before = self.closing().await?;
            let mut next = before.clone();
            change(&mut next);
            next.step = before.step.saturating_add(1);
            let before = Some(before).filter(|before| *before != Closing::default());
            let put = self.replace_document(&Key::books(), &next, before.as_ref())?;
            if self.write_documents(vec![put]).await? {
                return Ok(());
            }
        }
        Err(Error::Conflict)
    }

    async fn closing(&self) -> Result<Closing, Error> {
        let item = self.get(Key::books()).await?;
        Ok(item.map(|item| decode_document(&item)).transpose()?.unwrap_or_default())
    }

    /// What credit came to at the end of a day that is closed.
    async fn closed(&self, closing: &Closing, day: Date) -> Result<Standings, Error> {
        let read = closing.currencies.iter().map(|currency| async move {
            let query = self
                .query("pk = :books AND sk <= :day")
                .expression_attribute_values(
                    ":books",
                    AttributeValue::S(standing_partition(closing.edition, *currency)),
                )
                .expression_attribute_values(":day", AttributeValue::S(day.to_string()))
                .consistent_read(true)
                .scan_index_forward(false)
                .limit(1);
            let answer = query.send().await.map_err(Error::from_sdk)?;
            let item = answer.items.unwrap_or_default().into_iter().next();
            item.map(|item| Ok((*currency, decode_standing(*currency, &item)?))).transpose()
        });
        Ok(try_join_all(read).await?.into_iter().flatten().collect())
    }

    /// Writes what these currencies came to on a day, and that all is closed through another; false when something was booked
    /// meanwhile that is late, or somebody else closed the same.
    async fn close(
        &self,
        closing: &mut Closing,
        before: &mut Option<Closing>,
        (day, through): (Date, Date),
        standings: &Standings,
        moved: BTreeSet<Currency>,
    ) -> Result<bool, Error> {
        let standings: Vec<&Standing> = moved.iter().filter_map(|currency| standings.get(currency)).collect();
        closing.currencies.extend(moved);
        let mut parts: Vec<&[&Standing]> = standings.chunks(TOGETHER).collect();
        if parts.is_empty() {
            parts.push(&[]);
        }
        let last = parts.len().saturating_sub(1);
        for (number, part) in parts.into_iter().enumerate() {
            closing.step = closing.step.saturating_add(1);
            if number == last {
                closing.through = Some(through);
            }
            let put = |standing: &&Standing| {
                let item = encode_standing(closing.edition, day, standing)?;
                transact(Put::builder().table_name(&self.table).set_item(Some(item)))
            };
            let mut items = part.iter().map(put).collect::<Result<Vec<TransactWriteItem>, _>>()?;
            items.push(self.replace_document(&Key::books(), closing, before.as_ref())?);
            if !self.write_documents(items).await? {
                return Ok(false);
            }
            *before = Some(closing.clone());
        }
        Ok(true)
    }

    /// What was booked after the last closed day, up to the end of this one.
    fn bookings(&self, closing: &Closing, zone: &Zone, last: Date) -> Result<Bookings<'_>, Error> {
        let beyond = || Error::Refused(format!("{last} is beyond the calendar"));
        let first = closing.through.map_or(Ok(BEGIN), Date::tomorrow).map_err(|_| beyond())?;
        let (from, to) = (zone.start_of(first).ok_or_else(beyond)?, zone.end_of(last).ok_or_else(beyond)?);
        let from = from.max(Timestamp::UNIX_EPOCH);
        Ok(Bookings { store: self, month: month_of(from), from: moment(from), to, shards: Vec::new() })
    }
}

impl Closing {
    /// As it is for days of this zone: those of another are none of it.
    fn of(self, zone: &Zone) -> Self {
        let zone = zone.to_string();
        if self.zone.as_ref() == Some(&zone) { self } else { self.anew(Some(zone)) }
    }

    /// With nothing closed, in partitions that were not written to.
    fn anew(self, zone: Option<String>) -> Self {
        let edition = self.edition.saturating_add(1);
        Self { step: self.step, edition, zone, through: None, currencies: BTreeSet::new() }
    }
}

/// Bookings of a time by moment, read shard by shard and each once.
struct Bookings<'a> {
    store: &'a Store,
    /// The month whose shards are read next, by its first day.
    month: Date,
    /// The place before all of them.
    from: String,
    /// The moment before which they are.
    to: Timestamp,
    /// What was read of each shard of the month before, and is not answered yet.
    shards: Vec<Shard>,
}

struct Shard {
    partition: String,
    read: VecDeque<(String, Item)>,
    /// The key after which it goes on; `None` when it is read to its end.
    next: Option<Item>,
}

impl Bookings<'_> {
    async fn next(&mut self) -> Result<Option<Booking>, Error> {
        loop {
            self.fill().await?;
            let first = self.shards.iter_mut().filter(|shard| !shard.read.is_empty());
            let first = first.min_by(|one, other| {
                let place = |shard: &Shard| shard.read.front().map(|(place, _)| place.clone());
                place(one).cmp(&place(other))
            });
            if let Some((_, item)) = first.and_then(|shard| shard.read.pop_front()) {
                return decode_booking(&item).map(Some);
            }
            let begins = self.month.to_zoned(TimeZone::UTC).map_err(|_| Error::InvalidCursor)?;
            if begins.timestamp() >= self.to {
                return Ok(None);
            }
            let month = self.month;
            self.month = month.checked_add(1.month()).map_err(|_| Error::InvalidCursor)?;
            let (store, time) = (self.store, (self.from.as_str(), self.to));
            let shards = (0..JOURNAL_SHARDS)
                .map(|shard| Shard::read(store, journal_partition(month, shard), time, None));
            self.shards = try_join_all(shards).await?;
        }
    }

    /// Reads on where all that was read is answered.
    async fn fill(&mut self) -> Result<(), Error> {
        let due = self.shards.iter_mut().filter(|shard| shard.read.is_empty() && shard.next.is_some());
        let (store, from, to) = (self.store, &self.from, self.to);
        let read = due.map(|shard| async move {
            let (partition, next) = (shard.partition.clone(), shard.next.take());
            *shard = Shard::read(store, partition, (from, to), next).await?;
            Ok::<_, Error>(())
        });
        try_join_all(read).await.map(drop)
    }
}

impl Shard {
    async fn read(
        store: &Store,
        partition: String,
        (from, to): (&str, Timestamp),
        start: Option<Item>,
    ) -> Result<Self, Error> {
        let query = store
            .query("pk = :month AND sk BETWEEN :from AND :to")
            .expression_attribute_values(":month", AttributeValue::S(partition.clone()))
            .expression_attribute_values(":from", AttributeValue::S(from.to_owned()))
            // No place is as short as a moment alone, so that those of this one are not among them.
            .expression_attribute_values(":to", AttributeValue::S(moment(to)))
            .consistent_read(true)
            .limit(BATCH)
            .set_exclusive_start_key(start);
        let answer = query.send().await.map_err(Error::from_sdk)?;
        let place = |item: Item| Ok((Fields(&item).text("sk")?.to_owned(), item));
        let read = answer.items.unwrap_or_default().into_iter().map(place).collect::<Result<_, Error>>()?;
        Ok(Self { partition, read, next: answer.last_evaluated_key })
    }
}

fn add(standings: &mut Standings, booking: &Booking, zone: &Zone) -> Result<(), Error> {
    let currency = booking.currency;
    let standing = standings.entry(currency).or_insert_with(|| Standing::new(currency));
    standing.book(booking, zone).map_err(|error| unsummed(currency, zone.day_of(booking.at), error))
}

fn unsummed(currency: Currency, day: Date, reason: OutOfRange) -> Error {
    Error::Corrupt { item: format!("the books of {day} in {currency}"), reason: reason.to_string() }
}
