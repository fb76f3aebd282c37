//! Reminders of credit that expires soon: one pass over the index of expiries for each of the store's days.
//!
//! A reminder is an item of the customer's own, named by its day and its number of that day; that it was made is told by the
//! table's stream. Before one is made, those of the days before are read: what was said is not said again. How far a pass is
//! stands in one item, written after each page on condition that nobody else carried it on.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};
use jiff::{Span, Timestamp, civil::Date};
use ledger::{Currency, CustomerId, Due, Expiring, Money};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Settings, Store,
    documents::{decode_document, encode_document},
    items::{Fields, Item, Key, REMINDERS, SHARDS, WORK, account_of, expiry_partition, moment, text},
};

/// How far the pass of one day is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminders {
    /// The day of this pass.
    pub today: Date,
    /// Whether it is done.
    pub done: bool,
    /// How often it was carried on.
    step: u64,
    /// Which part of the index is next, and after which account of it.
    shard: u8,
    place: Option<(String, CustomerId, Currency)>,
}

/// Accounts in which something may expire soon, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiringSoon {
    /// Whose they are, each once.
    pub customers: Vec<CustomerId>,
    place: Option<(String, CustomerId, Currency)>,
}

/// What somebody was reminded of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reminder {
    /// When.
    pub at: Timestamp,
    /// On which day of the store's.
    pub day: Date,
    /// Of what; what expires soonest comes first.
    pub expiring: Vec<Due>,
}

/// Days that are read back for what was said: one more than a reminder is due for.
const SAID: i64 = 8;

/// A [`Reminder`] as it is stored: amounts as counts of smallest units.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    at: Timestamp,
    day: Date,
    expiring: Vec<(Currency, i64, Timestamp, Date, u16, u16)>,
}

/// The most days before an expiry that some customer of their own is reminded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OwnDays {
    longest: u16,
}

impl Store {
    /// How far the last pass is, if there was any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reminders(&self) -> Result<Option<Reminders>, Error> {
        self.get(Key::reminders()).await?.map(|item| decode_document(&item)).transpose()
    }

    /// Begins the pass of this day; `None` when somebody else did.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn begin_reminders(
        &self,
        before: Option<&Reminders>,
        today: Date,
    ) -> Result<Option<Reminders>, Error> {
        let next = Reminders { today, done: false, step: 0, shard: 0, place: None };
        let put = self.replace_document(&Key::reminders(), &next, before)?;
        Ok(self.write_documents(vec![put]).await?.then_some(next))
    }

    /// The next accounts of the pass: those whose next expiry may come by this moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn expiring_soon(
        &self,
        pass: &Reminders,
        until: Timestamp,
        limit: usize,
    ) -> Result<ExpiringSoon, Error> {
        let partition = expiry_partition(pass.shard);
        let start = pass.place.as_ref().map(|(bound, customer, currency)| {
            let mut start = Key::account(customer, *currency).to_item();
            start.extend([text("wq", &partition), text("wk", bound)]);
            start
        });
        let query = self
            .query("wq = :shard AND wk <= :until")
            .index_name(WORK)
            .expression_attribute_values(":shard", AttributeValue::S(partition))
            .expression_attribute_values(":until", AttributeValue::S(moment(until)))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .set_exclusive_start_key(start);
        let answer = query.send().await.map_err(Error::from_sdk)?;
        let place = |item: &Item| {
            let (customer, currency) = account_of(&Key::of(item)?)?;
            Ok((Fields(item).text("wk")?.to_owned(), customer, currency))
        };
        let found: Vec<_> =
            answer.items.unwrap_or_default().iter().map(place).collect::<Result<_, Error>>()?;
        let mut customers: Vec<CustomerId> = found.iter().map(|(_, customer, _)| customer.clone()).collect();
        customers.sort_unstable();
        customers.dedup();
        Ok(ExpiringSoon { customers, place: found.into_iter().last() })
    }

    /// Notes that these accounts, the next ones of the pass, were looked at. Answers where it is then; `None` when somebody
    /// else carries it on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn carry_on_reminders(
        &self,
        pass: &Reminders,
        looked_at: &ExpiringSoon,
    ) -> Result<Option<Reminders>, Error> {
        let mut next = Reminders { place: looked_at.place.clone(), ..pass.clone() };
        next.step = next.step.saturating_add(1);
        if next.place.is_none() {
            next.shard = next.shard.saturating_add(1);
            next.done = next.shard >= SHARDS;
        }
        let put = self.replace_document(&Key::reminders(), &next, Some(pass))?;
        Ok(self.write_documents(vec![put]).await?.then_some(next))
    }

    /// Reminds a customer of all that is due on this day and was not said, in all currencies; tells whether there was anything.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn remind(
        &self,
        customer: &CustomerId,
        settings: &Settings,
        today: Date,
        at: Timestamp,
    ) -> Result<bool, Error> {
        let record = self.customer(customer).await?.unwrap_or_default();
        let policy = settings.levels(record.profile.as_ref())?.policy();
        let mut expiring = Vec::new();
        for account in &record.accounts {
            let due = ledger::expiring_soon(account, &policy, today, at);
            expiring.extend(due.map_err(|error| Error::Corrupt {
                item: format!("{customer} {}", account.currency),
                reason: error.to_string(),
            })?);
        }
        if expiring.is_empty() {
            return Ok(false);
        }
        let before = self.said(customer, today).await?;
        let mut said: HashMap<(Currency, Timestamp), u16> = HashMap::new();
        for Due { soon, remind_days } in before.iter().flat_map(|reminder| &reminder.expiring) {
            let nearest = said.entry((soon.currency, soon.expires_at)).or_insert(*remind_days);
            *nearest = (*nearest).min(*remind_days);
        }
        expiring.retain(|Due { soon, remind_days }| {
            said.get(&(soon.currency, soon.expires_at)).is_none_or(|nearest| remind_days < nearest)
        });
        if expiring.is_empty() {
            return Ok(false);
        }
        expiring.sort_by_key(|Due { soon, .. }| (soon.expires_at, soon.currency));
        // Two runs that read the same say the same, and one of them is the first.
        let number = before.iter().filter(|reminder| reminder.day == today).count();
        let reminder = Reminder { at, day: today, expiring };
        let item = encode_reminder(&Key::reminder(customer, today, number), &reminder)?;
        self.write_documents(vec![self.put_new(item)?]).await
    }

    /// The customer's reminders of the last days.
    async fn said(&self, customer: &CustomerId, today: Date) -> Result<Vec<Reminder>, Error> {
        let oldest = today.checked_sub(Span::new().days(SAID)).unwrap_or(today);
        let first = Key::reminder(customer, oldest, 0);
        let query = self
            .query("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(first.pk))
            .expression_attribute_values(":first", AttributeValue::S(first.sk))
            .expression_attribute_values(":last", AttributeValue::S(format!("{REMINDERS}~")))
            .consistent_read(true);
        let (items, _) = self.read_page(query, usize::MAX).await?;
        items.iter().map(decode_reminder).collect()
    }

    /// The most days before an expiry that anybody can have to be reminded; `None` if nobody is.
    ///
    /// # Errors
    /// When the database does not answer or a document cannot be read.
    pub async fn longest_reminder(&self, settings: &Settings) -> Result<Option<u16>, Error> {
        let groups = settings.groups()?;
        let groups = groups.iter().filter_map(|(_, group)| group.policy.remind_days.as_ref()?.longest());
        Ok(groups.chain(settings.policy.remind_days.longest()).chain(self.own_reminder().await?).max())
    }

    async fn own_reminder(&self) -> Result<Option<u16>, Error> {
        let own = self.get(Key::own_reminders()).await?;
        Ok(own.map(|item| decode_document::<OwnDays>(&item)).transpose()?.map(|own| own.longest))
    }

    /// What notes, in the transaction that writes a customer's own rules, how early they may have to be reminded.
    pub(crate) async fn own_reminders(&self, longest: Option<u16>) -> Result<Vec<TransactWriteItem>, Error> {
        let Some(longest) = longest else {
            return Ok(Vec::new());
        };
        let known = self.own_reminder().await?;
        if known.is_some_and(|known| known >= longest) {
            return Ok(Vec::new());
        }
        let before = known.map(|longest| OwnDays { longest });
        Ok(vec![self.replace_document(&Key::own_reminders(), &OwnDays { longest }, before.as_ref())?])
    }
}

fn encode_reminder(key: &Key, reminder: &Reminder) -> Result<Item, Error> {
    let part = |Due { soon, remind_days }: &Due| {
        let minor = soon.amount.minor().map_err(|error| Error::Refused(error.to_string()))?;
        Ok((soon.currency, minor, soon.expires_at, soon.last_day, soon.days, *remind_days))
    };
    let expiring = reminder.expiring.iter().map(part).collect::<Result<_, Error>>()?;
    encode_document(key, &Stored { at: reminder.at, day: reminder.day, expiring })
}

pub(crate) fn decode_reminder(item: &Item) -> Result<Reminder, Error> {
    let Stored { at, day, expiring } = decode_document(item)?;
    let part = |(currency, minor, expires_at, last_day, days, remind_days)| {
        let amount = Money::from_minor(minor, currency);
        Due { soon: Expiring { currency, amount, expires_at, last_day, days }, remind_days }
    };
    Ok(Reminder { at, day, expiring: expiring.into_iter().map(part).collect() })
}
