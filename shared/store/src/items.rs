//! How things are stored: every key, every attribute, one encoder and one decoder each, with a format version.
//!
//! | item | pk | sk | indexed |
//! | --- | --- | --- | --- |
//! | customer's document | `C#customer` | `A` | `work`: `GROUP#group`, the customer |
//! | change of it | `C#customer` | `P#version` | |
//! | account | `C#customer` | `A#USD` | `work`: `EXPIRY#shard`, its expiry bound; `lists`: `ACCOUNT#shard`, the customer |
//! | entry | `C#customer` | `K#` digest of its idempotency key | `by_number`: `E#USD#number` |
//! | top-up | `C#customer` | `K#` digest of its idempotency key | `by_number`: `T#time#digest`; `work`: `TOPUP` while pending |
//! | reminder | `C#customer` | `M#2026-12-01#000` | |
//! | refunds of a redemption | `C#customer` | `R#USD-12` | |
//! | which rows of other systems were imported | `C#customer` | `I` | |
//! | settings, the groups' among them | `STORE` | `SETTINGS` | |
//! | change of them | `STORE` | `CHANGE#version` | |
//! | who is told of what: mails, webhooks | `STORE` | `MAIL`, `WEBHOOKS` | |
//! | change of it | `STORE` | `CHANGE-MAIL#version`, `CHANGE-WEBHOOKS#version` | |
//! | who was told of an event, or is just being | `TOLD#event` | who | |
//! | API key | `KEY#id` | `KEY` | `lists`: `KEY`, when it was made and its id |
//! | customer in the list by name | `LIST#customer` | `NAME` | `lists`: `NAME`, its name |
//! | customer in its group's list by name | `LIST#customer` | `GROUP` | `lists`: `GROUP#group`, its name |
//! | account in the list by balance | `LIST#customer` | `USD` | `lists`: `BALANCE#USD#shard`, its balance |
//! | what an entry moves in the books | `JOURNAL#2026-11#shard`: the month in UTC | moment, customer, currency, number | |
//! | what credit in a currency came to at the end of a day | `BOOKS#edition#USD` | the day | |
//! | how far the books are closed | `JOB#BOOKS` | `JOB` | |
//! | how far `apply_to_existing` is | `JOB#REACH_BACK` | `JOB` | |
//! | how far the daily audit is | `JOB#AUDIT` | `JOB` | |
//! | how far the reminders are | `JOB#REMINDERS` | `JOB` | |
//! | how early customers of their own are reminded | `JOB#REMINDERS` | `OWN` | |
//! | grant to a group | `GRANT#id` | `JOB` | |
//! | member that it could not credit | `GRANT#id` | `F#customer` | |
//!
//! What a list or the journal says follows from the customer's own items, and is written once those are: it may be behind, and
//! is not what anything is decided by.
//!
//! Amounts are stored as counts of smallest units, moments as milliseconds since 1970.

use std::{
    collections::{BTreeMap, HashMap},
    str::FromStr,
};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{Span, Timestamp, Unit, civil::Date, tz::TimeZone};
use ledger::{
    Account, AccountRole, Actor, Booking, BoundBy, Category, Currency, CustomerId, Entry, EntryId, EntryType,
    Flow, GroupId, Hash, Hold, IdempotencyKey, Label, LastDay, Leg, Lifetime, Lot, LotNumber, LotPart, Money,
    Note, OrderUse, Origin, Payment, Position, Resolution, Role, Standing, Texts, Topup, TopupId,
    TopupStatus, Written,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use crate::{CommandKey, Error, GroupGrantId, Notices};

/// The version of every item's format that is written, but for accounts'.
const FORMAT: u8 = 1;
/// The version of an account's. In version 1 a lot was packed by itself, in some 17 bytes instead of 13.
const ACCOUNT_FORMAT: u8 = 2;

/// Parts of the expiry index: an index partition takes 1,000 writes a second, and a hot one throttles the table.
pub const SHARDS: u8 = 16;

/// The index partition of top-up requests that wait.
pub(crate) const PENDING: &str = "TOPUP";
/// The index partition of a group's members, with the group.
pub(crate) const GROUP: &str = "GROUP";
/// The index of what is listed over all customers.
pub(crate) const LISTS: &str = "lists";
/// The index partition of customers by name, and the sort key of their items in it.
pub(crate) const NAMES: &str = "NAME";
/// The index partition of API keys, and their sort key.
pub(crate) const KEYS: &str = "KEY";
/// The prefix of the partitions of API keys.
pub(crate) const API_KEY: &str = "KEY#";
/// The prefix of the partitions of what is listed.
pub(crate) const LISTED: &str = "LIST#";
/// The sort key of a job.
pub(crate) const JOB: &str = "JOB";
/// The prefix of the partitions of grants to groups.
pub(crate) const GRANTS: &str = "GRANT#";
/// The prefix of the sort keys of members that could not be credited.
pub(crate) const FAILURES: &str = "F#";
/// Parts of each list by balance: it changes with every entry.
pub(crate) const BALANCE_SHARDS: u8 = 4;
/// The prefix of the partitions of the journal.
pub(crate) const JOURNAL: &str = "JOURNAL#";
/// The prefix of the partitions of what credit came to.
pub(crate) const BOOKS: &str = "BOOKS#";
/// Parts of the journal in each month: a partition takes 1,000 writes a second, and each entry that moves anything is one.
pub(crate) const JOURNAL_SHARDS: u8 = 4;
/// The index of work to do: what expires next, which top-ups wait.
pub(crate) const WORK: &str = "work";
/// The index of an account's entries by number and of a customer's top-ups by time.
pub(crate) const BY_NUMBER: &str = "by_number";
/// The sort key of the profile, and the prefix of those of the accounts.
pub(crate) const ACCOUNTS: &str = "A";
/// The prefix of top-ups in [`BY_NUMBER`].
pub(crate) const TOPUPS: &str = "T#";
/// The prefix of entries in [`BY_NUMBER`].
pub(crate) const ENTRIES: &str = "E#";

/// The sort key of what was imported.
pub(crate) const IMPORTS: &str = "I";

/// The prefix of the sort keys of what was changed in the settings.
pub(crate) const SETTINGS_CHANGES: &str = "CHANGE#";
/// The prefix of the sort keys of what was changed in a customer's document.
pub(crate) const PROFILE_CHANGES: &str = "P#";

/// The prefix of the sort keys of reminders.
pub(crate) const REMINDERS: &str = "M#";

/// A stored item, as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// Primary key of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) pk: String,
    pub(crate) sk: String,
}

impl Key {
    pub(crate) fn account(customer: &CustomerId, currency: Currency) -> Self {
        Self { pk: partition(customer), sk: format!("{ACCOUNTS}#{currency}") }
    }

    pub(crate) fn profile(customer: &CustomerId) -> Self {
        Self { pk: partition(customer), sk: ACCOUNTS.to_owned() }
    }

    pub(crate) fn recorded(customer: &CustomerId, digest: &KeyDigest) -> Self {
        Self { pk: partition(customer), sk: format!("K#{}", digest.0) }
    }

    pub(crate) fn topup(customer: &CustomerId, id: &TopupId) -> Self {
        Self { pk: partition(customer), sk: format!("K#{}", id.digest()) }
    }

    pub(crate) fn refunds(customer: &CustomerId, redemption: EntryId) -> Self {
        Self { pk: partition(customer), sk: format!("R#{redemption}") }
    }

    pub(crate) fn imports(customer: &CustomerId) -> Self {
        Self { pk: partition(customer), sk: IMPORTS.to_owned() }
    }

    pub(crate) fn settings() -> Self {
        Self { pk: "STORE".to_owned(), sk: "SETTINGS".to_owned() }
    }

    pub(crate) fn settings_change(version: u64) -> Self {
        Self { pk: "STORE".to_owned(), sk: format!("{SETTINGS_CHANGES}{version:020}") }
    }

    pub(crate) fn notices(which: Notices) -> Self {
        Self { pk: "STORE".to_owned(), sk: notices_word(which).to_owned() }
    }

    pub(crate) fn notices_change(which: Notices, version: u64) -> Self {
        Self { pk: "STORE".to_owned(), sk: format!("CHANGE-{}#{version:020}", notices_word(which)) }
    }

    /// Of somebody who was told of an event.
    pub(crate) fn told(event: &str, who: &str) -> Self {
        Self { pk: format!("TOLD#{event}"), sk: who.to_owned() }
    }

    pub(crate) fn profile_change(customer: &CustomerId, version: u64) -> Self {
        Self { pk: partition(customer), sk: format!("{PROFILE_CHANGES}{version:020}") }
    }

    /// Of a customer in the list by name.
    pub(crate) fn listed_name(customer: &CustomerId) -> Self {
        Self { pk: format!("{LISTED}{customer}"), sk: NAMES.to_owned() }
    }

    /// Of a customer in its group's list by name.
    pub(crate) fn listed_group(customer: &CustomerId) -> Self {
        Self { pk: format!("{LISTED}{customer}"), sk: GROUP.to_owned() }
    }

    /// Of an account in the list by balance.
    pub(crate) fn listed_balance(customer: &CustomerId, currency: Currency) -> Self {
        Self { pk: format!("{LISTED}{customer}"), sk: currency.to_string() }
    }

    /// Of an entry in the journal.
    fn booking(booking: &Booking) -> Self {
        let Booking { customer, number, at, currency, .. } = booking;
        let month = at.to_zoned(TimeZone::UTC).date();
        let shard = shard(customer, JOURNAL_SHARDS);
        let sk = format!("{}#{customer}#{currency}#{number:012}", moment(*at));
        Self { pk: journal_partition(month, shard), sk }
    }

    pub(crate) fn reach_back() -> Self {
        Self { pk: "JOB#REACH_BACK".to_owned(), sk: JOB.to_owned() }
    }

    pub(crate) fn audit() -> Self {
        Self { pk: "JOB#AUDIT".to_owned(), sk: JOB.to_owned() }
    }

    pub(crate) fn books() -> Self {
        Self { pk: "JOB#BOOKS".to_owned(), sk: JOB.to_owned() }
    }

    /// Of what credit in a currency came to at the end of a day.
    pub(crate) fn standing(edition: u64, currency: Currency, day: Date) -> Self {
        Self { pk: standing_partition(edition, currency), sk: day.to_string() }
    }

    pub(crate) fn reminders() -> Self {
        Self { pk: "JOB#REMINDERS".to_owned(), sk: JOB.to_owned() }
    }

    pub(crate) fn own_reminders() -> Self {
        Self { pk: "JOB#REMINDERS".to_owned(), sk: "OWN".to_owned() }
    }

    pub(crate) fn reminder(customer: &CustomerId, day: Date, number: usize) -> Self {
        Self { pk: partition(customer), sk: format!("{REMINDERS}{day}#{number:03}") }
    }

    pub(crate) fn group_grant(id: &GroupGrantId) -> Self {
        Self { pk: format!("{GRANTS}{id}"), sk: JOB.to_owned() }
    }

    /// Of a member that a grant to its group could not credit.
    pub(crate) fn grant_failure(id: &GroupGrantId, customer: &CustomerId) -> Self {
        Self { pk: format!("{GRANTS}{id}"), sk: format!("{FAILURES}{customer}") }
    }

    pub(crate) fn api_key(id: &str) -> Self {
        Self { pk: format!("{API_KEY}{id}"), sk: KEYS.to_owned() }
    }

    pub(crate) fn of(item: &Item) -> Result<Self, Error> {
        let fields = Fields(item);
        Ok(Self { pk: fields.text("pk")?.to_owned(), sk: fields.text("sk")?.to_owned() })
    }

    /// Whose it is, if it is a customer's.
    pub(crate) fn customer(&self) -> Option<CustomerId> {
        self.pk.strip_prefix("C#").and_then(|id| id.parse().ok())
    }

    pub(crate) fn to_item(&self) -> Item {
        Item::from([text("pk", &self.pk), text("sk", &self.sk)])
    }
}

fn notices_word(which: Notices) -> &'static str {
    match which {
        Notices::Mail => "MAIL",
        Notices::Webhooks => "WEBHOOKS",
    }
}

/// The partition of everything that is one customer's.
pub(crate) fn partition(customer: &CustomerId) -> String {
    format!("C#{customer}")
}

/// The digest of an idempotency key, under which what it did is recorded: 128 bits in base64url.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyDigest(String);

impl KeyDigest {
    /// Of a client's key.
    pub(crate) fn of(key: &IdempotencyKey) -> Self {
        Self::domain("key", key.as_str())
    }

    /// Of whatever names a command.
    pub(crate) fn of_command(key: &CommandKey<'_>) -> Self {
        match key {
            CommandKey::Client(key) => Self::of(key),
            CommandKey::GroupGrant(id) => Self::domain("group_grant", id.as_str()),
            CommandKey::Joining(group) => Self::domain("joining_grant", group.as_str()),
        }
    }

    /// Of a grant to a group, by its client's key.
    pub(crate) fn of_group_grant(group: &GroupId, key: &IdempotencyKey) -> Self {
        Self::domain("group", &format!("{group}\n{key}"))
    }

    /// Of the entry that books an expiry. It goes by the entry's number and not by its lots, since a lot that a refund
    /// reopens can expire again.
    pub(crate) fn of_expiry(entry: EntryId) -> Self {
        Self::domain("expire", &entry.to_string())
    }

    /// Of the entry that dates lots of before an expiry was set.
    pub(crate) fn of_reaching_back(entry: EntryId) -> Self {
        Self::domain("reach_back", &entry.to_string())
    }

    /// Of an entry that imports what another system kept.
    pub(crate) fn of_import(entry: EntryId) -> Self {
        Self::domain("import", &entry.to_string())
    }

    /// Of the entry that credits a top-up at once, where the request stands under the client's key.
    pub(crate) fn of_automatic(topup: &TopupId) -> Self {
        Self::domain("topup", &topup.to_string())
    }

    fn domain(domain: &str, name: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain);
        hasher.update([0]);
        hasher.update(name);
        let digest: [u8; 32] = hasher.finalize().into();
        let (half, _) = digest.split_at(16);
        Self(URL_SAFE_NO_PAD.encode(half))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// An account with the number of times that it was written, which is the condition of the next write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) account: Account,
    pub(crate) revision: u64,
}

/// One lot as it is packed: entry, part, category and source, granted at, expires at, remaining. Entry and moments are how
/// much later than those of the lot before it: small numbers take few bytes, and an account is paid for by its bytes.
pub(crate) type PackedLot = (i64, u8, (u8, u8), i64, PackedExpiry, i64);

/// The same by itself, in accounts of version 1.
pub(crate) type WholeLot = (u64, u8, (u8, u8), i64, Option<i64>, i64);

/// How much later a lot expires than the one before it that expires at all.
#[derive(Serialize, Deserialize)]
pub(crate) enum PackedExpiry {
    Never,
    /// In quarters of an hour: every time zone's midnight is one.
    Quarters(i64),
    Milliseconds(i64),
}

/// A quarter of an hour, in milliseconds.
const QUARTER: i64 = 900_000;

/// What the lots so far came to, beside which the next one is packed.
#[derive(Default)]
pub(crate) struct Packing {
    entry: u64,
    granted_at: i64,
    expires_at: i64,
}

impl Packing {
    pub(crate) fn pack(
        &mut self,
        (entry, part, kind, granted_at, expires_at, remaining): WholeLot,
    ) -> PackedLot {
        let later = entry.wrapping_sub(self.entry).cast_signed();
        let granted_later = granted_at.wrapping_sub(self.granted_at);
        let expiry = match expires_at.map(|at| at.wrapping_sub(self.expires_at)) {
            None => PackedExpiry::Never,
            Some(later) if later % QUARTER == 0 => PackedExpiry::Quarters(later / QUARTER),
            Some(later) => PackedExpiry::Milliseconds(later),
        };
        *self = Self { entry, granted_at, expires_at: expires_at.unwrap_or(self.expires_at) };
        (later, part, kind, granted_later, expiry, remaining)
    }

    pub(crate) fn unpack(
        &mut self,
        (later, part, kind, granted_later, expiry, remaining): PackedLot,
    ) -> WholeLot {
        self.entry = self.entry.wrapping_add_signed(later);
        self.granted_at = self.granted_at.wrapping_add(granted_later);
        let expires_later = match expiry {
            PackedExpiry::Never => None,
            PackedExpiry::Quarters(later) => Some(later.wrapping_mul(QUARTER)),
            PackedExpiry::Milliseconds(later) => Some(later),
        };
        let expires_at = expires_later.map(|later| self.expires_at.wrapping_add(later));
        self.expires_at = expires_at.unwrap_or(self.expires_at);
        (self.entry, part, kind, self.granted_at, expires_at, remaining)
    }
}

/// One hold as it is packed: entry, deadline, parts by lot, overdraft, and the order's id, base, total and bound.
type PackedHold = (u64, i64, Vec<(u64, u8, i64)>, i64, (String, i64, i64, String));

/// One top-up request that waits, as it is packed: when it lapses, and its amount.
type PackedLapse = (i64, i64);

pub(crate) fn encode_account(account: &Account, revision: u64) -> Result<Item, Error> {
    let key = Key::account(&account.customer, account.currency);
    let corrupt = |reason: &str| corrupt(&key, reason);
    let minor = |money: Money| money.minor().map_err(|_| corrupt("an amount is out of range"));
    let mut packing = Packing::default();
    let packed: Vec<PackedLot> = account
        .lots
        .iter()
        .map(|lot| {
            let origin = &lot.origin;
            Ok(packing.pack((
                lot.number.entry,
                lot.number.part,
                (category_code(origin.category), role_code(origin.source)),
                origin.granted_at.as_millisecond(),
                origin.expires_at.map(Timestamp::as_millisecond),
                minor(lot.remaining)?,
            )))
        })
        .collect::<Result<_, Error>>()?;
    let packed = postcard::to_allocvec(&packed).map_err(|error| corrupt(&error.to_string()))?;
    let hold = |hold: &Hold| -> Result<PackedHold, Error> {
        let part = |(lot, amount): &(LotNumber, Money)| Ok((lot.entry, lot.part, minor(*amount)?));
        let parts = hold.parts.iter().map(part).collect::<Result<_, Error>>()?;
        let order = &hold.order;
        let order =
            (order.id.to_string(), minor(order.base)?, minor(order.total)?, order.bound_by.word().to_owned());
        Ok((hold.number, hold.deadline.as_millisecond(), parts, minor(hold.overdraft)?, order))
    };
    let holds = account.holds.iter().map(hold).collect::<Result<Vec<_>, Error>>()?;
    let lifetime = [
        account.lifetime.granted,
        account.lifetime.topped_up,
        account.lifetime.redeemed,
        account.lifetime.refunded,
        account.lifetime.withdrawn,
        account.lifetime.expired,
        account.lifetime.debited,
        account.lifetime.by_admin,
        account.lifetime.by_customer,
    ];
    let lifetime = lifetime.into_iter().map(|total| Ok(AttributeValue::N(minor(total)?.to_string())));

    let mut item = key.to_item();
    item.extend([
        number("v", ACCOUNT_FORMAT),
        number("rev", revision),
        number("num", account.number),
        bytes("h", account.hash.0.to_vec()),
        number("at", account.at.as_millisecond()),
        bytes("lots", packed),
        number("pend", minor(account.pending)?),
        ("life".to_owned(), AttributeValue::L(lifetime.collect::<Result<_, Error>>()?)),
        // Both stay as they are for ever, so that the index costs nothing but at the first entry.
        text("lq", &account_partition(shard(&account.customer, SHARDS))),
        text("lk", account.customer.as_str()),
    ]);
    // Most accounts have none of these, and pay for each byte at every change.
    if !holds.is_empty() {
        let packed = postcard::to_allocvec(&holds).map_err(|error| corrupt(&error.to_string()))?;
        item.extend([bytes("holds", packed)]);
    }
    if !account.lapses.is_empty() {
        let lapse = |(at, amount): &(Timestamp, Money)| Ok((at.as_millisecond(), minor(*amount)?));
        let lapses: Vec<PackedLapse> = account.lapses.iter().map(lapse).collect::<Result<_, Error>>()?;
        let packed = postcard::to_allocvec(&lapses).map_err(|error| corrupt(&error.to_string()))?;
        item.extend([bytes("lapses", packed)]);
    }
    if !account.debt.is_zero() {
        item.extend([number("debt", minor(account.debt)?)]);
    }
    if let Some(bound) = account.expiry_bound {
        item.extend([
            text("wq", &expiry_partition(shard(&account.customer, SHARDS))),
            text("wk", &moment(bound)),
        ]);
    }
    Ok(item)
}

pub(crate) fn decode_account(item: &Item) -> Result<Stored, Error> {
    let fields = Fields(item);
    let (customer, currency) = account_of(&Key::of(item)?)?;
    let money = |minor: i64| Money::from_minor(minor, currency);
    let lots: Vec<WholeLot> = match fields.number("v")? {
        FORMAT => fields.unpack("lots")?,
        ACCOUNT_FORMAT => {
            let mut packing = Packing::default();
            let packed: Vec<PackedLot> = fields.unpack("lots")?;
            packed.into_iter().map(|lot| packing.unpack(lot)).collect()
        }
        newer => return Err(fields.unknown_format(newer, ACCOUNT_FORMAT)),
    };
    let lot = |(entry, part, (category, source), granted_at, expires_at, remaining): WholeLot| {
        Ok(Lot {
            number: LotNumber { entry, part },
            origin: Origin {
                category: category_of(category)
                    .ok_or_else(|| fields.corrupt("a lot's category is not known"))?,
                source: role_of(source).ok_or_else(|| fields.corrupt("a lot's source is not known"))?,
                granted_at: fields.moment(granted_at)?,
                expires_at: expires_at.map(|at| fields.moment(at)).transpose()?,
            },
            remaining: money(remaining),
        })
    };
    let packed_holds: Vec<PackedHold> = match item.contains_key("holds") {
        true => fields.unpack("holds")?,
        false => Vec::new(),
    };
    let hold = |(number, deadline, parts, overdraft, (id, base, total, bound_by)): PackedHold| {
        let part = |(entry, part, amount)| (LotNumber { entry, part }, money(amount));
        let known = BoundBy::ALL.iter().copied().find(|known| known.word() == bound_by);
        Ok(Hold {
            number,
            deadline: fields.moment(deadline)?,
            parts: parts.into_iter().map(part).collect(),
            overdraft: money(overdraft),
            order: OrderUse {
                id: id.parse().map_err(|_| fields.corrupt("a hold's order is no label"))?,
                base: money(base),
                total: money(total),
                bound_by: known.ok_or_else(|| fields.corrupt("a hold's bound is not known"))?,
            },
        })
    };
    let packed_lapses: Vec<PackedLapse> = match item.contains_key("lapses") {
        true => fields.unpack("lapses")?,
        false => Vec::new(),
    };
    let lapse = |(at, amount): PackedLapse| Ok((fields.moment(at)?, money(amount)));
    let lifetime = match item.get("life") {
        Some(AttributeValue::L(totals)) => totals.as_slice(),
        _ => return Err(fields.corrupt("life is missing")),
    };
    let total = |at: usize| match lifetime.get(at) {
        Some(AttributeValue::N(minor)) => {
            minor.parse().map(money).map_err(|_| fields.corrupt("life is no number"))
        }
        _ => Err(fields.corrupt("life is too short")),
    };
    // Not counted before, and so zero where nobody did.
    let counted = |at: usize| if lifetime.len() > at { total(at) } else { Ok(Money::zero(currency)) };
    let account = Account {
        number: fields.number("num")?,
        hash: fields.hash("h")?,
        at: fields.moment(fields.number("at")?)?,
        lots: lots.into_iter().map(lot).collect::<Result<_, Error>>()?,
        holds: packed_holds.into_iter().map(hold).collect::<Result<_, Error>>()?,
        debt: if item.contains_key("debt") { money(fields.number("debt")?) } else { Money::zero(currency) },
        pending: money(fields.number("pend")?),
        lapses: packed_lapses.into_iter().map(lapse).collect::<Result<_, Error>>()?,
        lifetime: Lifetime {
            granted: total(0)?,
            topped_up: total(1)?,
            redeemed: total(2)?,
            refunded: total(3)?,
            withdrawn: total(4)?,
            expired: total(5)?,
            debited: total(6)?,
            by_admin: counted(7)?,
            by_customer: counted(8)?,
        },
        expiry_bound: match item.get("wk") {
            None => None,
            Some(_) => Some(fields.moment(fields.parse("wk")?)?),
        },
        customer,
        currency,
    };
    Ok(Stored { account, revision: fields.number("rev")? })
}

/// The customer and currency that an account's key names.
pub(crate) fn account_of(key: &Key) -> Result<(CustomerId, Currency), Error> {
    let customer = key.customer();
    let currency =
        key.sk.strip_prefix(ACCOUNTS).and_then(|sk| sk.strip_prefix('#')).and_then(|code| code.parse().ok());
    customer.zip(currency).ok_or_else(|| corrupt(key, "this is no account's key"))
}

/// How much of a redemption was given back so far.
pub(crate) fn encode_refunds(
    customer: &CustomerId,
    redemption: EntryId,
    refunded: Money,
) -> Result<Item, Error> {
    let key = Key::refunds(customer, redemption);
    let mut item = key.to_item();
    let minor = refunded.minor().map_err(|_| corrupt(&key, "an amount is out of range"))?;
    item.extend([number("v", FORMAT), number("refunded", minor)]);
    Ok(item)
}

pub(crate) fn decode_refunds(item: &Item, currency: Currency) -> Result<Money, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    Ok(Money::from_minor(fields.number("refunded")?, currency))
}

/// Which rows of other systems a customer was credited for, or charged: no row counts twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imports {
    /// How often it was written.
    pub(crate) revision: u64,
    /// Digests of the rows' ids, each with a digest of what its row said.
    pub(crate) rows: BTreeMap<RowId, RowContent>,
    /// How many entries they came to, by currency.
    pub(crate) entries: BTreeMap<Currency, u64>,
}

/// The digest of a row's id and of the system that it is from. Of 30,000 rows two have the same once in 40 billion customers.
pub(crate) type RowId = [u8; 8];
/// The digest of what a row says: enough to see that it says something else, when it comes again.
pub(crate) type RowContent = [u8; 4];

pub(crate) fn encode_imports(customer: &CustomerId, imports: &Imports) -> Item {
    let rows = imports.rows.iter().flat_map(|(id, content)| id.iter().chain(content)).copied().collect();
    let entries = imports.entries.iter();
    let entries = entries.map(|(currency, count)| number(currency.code(), *count)).collect();
    let mut item = Key::imports(customer).to_item();
    item.extend([
        number("v", FORMAT),
        number("rev", imports.revision),
        bytes("rows", rows),
        ("entries".to_owned(), AttributeValue::M(entries)),
    ]);
    item
}

pub(crate) fn decode_imports(item: &Item) -> Result<Imports, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let mut rest = fields.bytes("rows")?;
    let mut rows = BTreeMap::new();
    while let Some((id, after)) = rest.split_first_chunk() {
        let (content, after) = after.split_first_chunk().ok_or_else(|| fields.corrupt("rows are cut off"))?;
        if rows.last_key_value().is_some_and(|(last, _)| last >= id) {
            return Err(fields.corrupt("rows are not in order"));
        }
        rows.insert(*id, *content);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(fields.corrupt("rows are cut off"));
    }
    let Some(AttributeValue::M(counts)) = item.get("entries") else {
        return Err(fields.corrupt("entries are missing"));
    };
    let mut entries = BTreeMap::new();
    for code in counts.keys() {
        let currency = code.parse().map_err(|_| fields.corrupt("entries are of no currency"))?;
        entries.insert(currency, Fields(counts).number(code)?);
    }
    Ok(Imports { revision: fields.number("rev")?, rows, entries })
}

/// What a key stands for: a digest of what is done in its first half, one of the words with which it was asked for in its
/// second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(Hash);

/// The second half of a fingerprint whose entry's free texts were erased: whoever guesses them must not be told.
const ERASED: [u8; 16] = [0xff; 16];

impl Fingerprint {
    /// Of what no client asked for.
    pub const NONE: Self = Self(Hash::ZERO);

    /// Of the digests of what is done, and of the words.
    pub fn of(deed: Hash, words: Hash) -> Self {
        let Hash(mut digest) = deed;
        digest.iter_mut().skip(ERASED.len()).zip(words.0).for_each(|(to, from)| *to = from);
        Self(Hash(digest))
    }

    /// Whether this request is the one that is recorded with `recorded`; of one that was erased the deed alone is known.
    pub(crate) fn repeats(self, recorded: Self) -> bool {
        let (Hash(asked), Hash(recorded)) = (self.0, recorded.0);
        let (deed, words) = recorded.split_at(ERASED.len());
        asked == recorded || (words == ERASED && asked.starts_with(deed))
    }

    /// The same deed, its words forgotten.
    pub(crate) fn erased(self) -> Self {
        Self::of(self.0, Hash([0xff; 32]))
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.0.0.to_vec()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0.0
    }
}

/// What stands under an idempotency key.
#[derive(Clone, Debug)]
pub(crate) enum Recorded {
    Entry(Box<Entry>, Fingerprint),
    Topup(Box<Topup>, Fingerprint),
}

pub(crate) fn encode_entry(
    entry: &Entry,
    content: String,
    digest: &KeyDigest,
    fingerprint: Fingerprint,
) -> Item {
    let mut item = Key::recorded(&entry.customer, digest).to_item();
    item.extend(encode_entry_place(entry));
    item.extend([
        number("v", FORMAT),
        text("c", &content),
        bytes("h", entry.hash.0.to_vec()),
        bytes("f", fingerprint.to_bytes()),
    ]);
    let notes = [("note", &entry.note), ("internal_note", &entry.internal_note), ("reason", &entry.reason)];
    for (name, note) in notes {
        if let Some(written) = note.as_ref().and_then(|note| note.written.as_ref()) {
            item.extend([text(name, &format!("{}{}", URL_SAFE_NO_PAD.encode(written.salt), written.text))]);
        }
    }
    item
}

/// Where an entry stands in [`BY_NUMBER`], which is the one index that it is in.
pub(crate) fn encode_entry_place(entry: &Entry) -> Item {
    Item::from([text("n", &entry_number(entry.currency(), entry.number))])
}

pub(crate) fn decode_entry(item: &Item) -> Result<Entry, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let texts = Texts {
        note: fields.written("note")?,
        internal_note: fields.written("internal_note")?,
        reason: fields.written("reason")?,
    };
    Entry::read(fields.text("c")?, fields.hash("h")?, texts)
        .map_err(|error| fields.corrupt(&error.to_string()))
}

/// The form of a stored top-up.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TopupDocument {
    id: TopupId,
    amount: String,
    payment: Payment,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<Label>,
    status: TopupStatus,
    requested_by: Actor,
    requested_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lapses_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolution: Option<ResolutionDocument>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ResolutionDocument {
    by: Actor,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credited: Option<(String, EntryId)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Note>,
}

/// Whether an approval leaves a request in the list of those that wait: taking it out would cost one more unit, and the
/// schedule does it for many at leisure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filed {
    /// It is where it was.
    Still,
    /// It is in the list while it waits.
    WhilePending,
}

pub(crate) fn encode_topup(
    customer: &CustomerId,
    topup: &Topup,
    fingerprint: Fingerprint,
    filed: Filed,
) -> Result<Item, Error> {
    let key = Key::topup(customer, &topup.id);
    let resolution = topup.resolution.as_ref().map(|resolution| ResolutionDocument {
        by: resolution.by.clone(),
        at: resolution.at,
        credited: resolution.credited.map(|(amount, entry)| (amount.to_string(), entry)),
        reason: resolution.reason.clone(),
    });
    let document = TopupDocument {
        id: topup.id.clone(),
        amount: topup.amount.to_string(),
        payment: topup.payment.clone(),
        reference: topup.reference.clone(),
        status: topup.status,
        requested_by: topup.requested_by.clone(),
        requested_at: topup.requested_at,
        lapses_at: topup.lapses_at,
        resolution,
    };
    let document = serde_json::to_string(&document).map_err(|error| corrupt(&key, &error.to_string()))?;

    let mut item = key.to_item();
    let place = topup_place(topup);
    item.extend([
        number("v", FORMAT),
        text("n", &format!("{TOPUPS}{place}")),
        text("t", &document),
        bytes("f", fingerprint.to_bytes()),
    ]);
    if topup.status == TopupStatus::Pending || filed == Filed::Still {
        item.extend([text("wq", PENDING), text("wk", &format!("{place}#{customer}"))]);
    }
    Ok(item)
}

pub(crate) fn decode_topup(item: &Item) -> Result<Topup, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let document: TopupDocument =
        serde_json::from_str(fields.text("t")?).map_err(|error| fields.corrupt(&error.to_string()))?;
    let currency = document.id.currency;
    let money =
        |text: &str| Money::from_text(text, currency).map_err(|error| fields.corrupt(&error.to_string()));
    let resolution = document
        .resolution
        .map(|resolution| {
            let credited = match resolution.credited {
                None => None,
                Some((amount, entry)) => Some((money(&amount)?, entry)),
            };
            Ok(Resolution { by: resolution.by, at: resolution.at, credited, reason: resolution.reason })
        })
        .transpose()?;
    Ok(Topup {
        amount: money(&document.amount)?,
        id: document.id,
        payment: document.payment,
        reference: document.reference,
        status: document.status,
        requested_by: document.requested_by,
        requested_at: document.requested_at,
        lapses_at: document.lapses_at,
        resolution,
    })
}

pub(crate) fn decode_recorded(item: &Item) -> Result<Recorded, Error> {
    let fingerprint = Fields(item).fingerprint()?;
    if item.contains_key("t") {
        Ok(Recorded::Topup(Box::new(decode_topup(item)?), fingerprint))
    } else {
        Ok(Recorded::Entry(Box::new(decode_entry(item)?), fingerprint))
    }
}

/// An entry's place in [`BY_NUMBER`], so that text order is the order of numbers.
pub(crate) fn entry_number(currency: Currency, number: u64) -> String {
    format!("{ENTRIES}{currency}#{number:012}")
}

/// A top-up's place among others, so that text order is the order of requests.
fn topup_place(topup: &Topup) -> String {
    format!("{}#{}", moment(topup.requested_at), topup.id.digest())
}

/// A moment as text whose order is that of time.
pub(crate) fn moment(at: Timestamp) -> String {
    format!("{:015}", at.as_millisecond().max(0))
}

/// The part of an index of so many parts that this customer's items are in.
fn shard(customer: &CustomerId, shards: u8) -> u8 {
    let digest: [u8; 32] = Sha256::digest(customer.as_str()).into();
    let [first, ..] = digest;
    first.checked_rem(shards).unwrap_or(0)
}

/// The index partition of one part of the expiry index.
pub(crate) fn expiry_partition(shard: u8) -> String {
    format!("EXPIRY#{shard:02}")
}

/// The index partition of one part of all accounts.
pub(crate) fn account_partition(shard: u8) -> String {
    format!("ACCOUNT#{shard:02}")
}

/// The index partition of one part of a currency's list by balance.
pub(crate) fn balance_partition(currency: Currency, shard: u8) -> String {
    format!("BALANCE#{currency}#{shard:02}")
}

/// The index partition of a group: of its members in `work`, by id, and of its list in `lists`, by name.
pub(crate) fn group_partition(group: &GroupId) -> String {
    format!("{GROUP}#{group}")
}

/// A customer's item in the list of its group; out of every list where there is none.
pub(crate) fn encode_listed_group(
    customer: &CustomerId,
    name: Option<&str>,
    group: Option<&GroupId>,
    revision: u64,
) -> Item {
    let mut item = Key::listed_group(customer).to_item();
    item.extend([number("v", FORMAT), number("rev", revision)]);
    if let Some(group) = group {
        item.extend([text("lq", &group_partition(group)), text("lk", &name_place(customer, name))]);
    }
    item
}

/// A customer's item in the list by name.
pub(crate) fn encode_listed_name(customer: &CustomerId, name: Option<&str>, revision: u64) -> Item {
    let mut item = Key::listed_name(customer).to_item();
    let place = name_place(customer, name);
    item.extend([number("v", FORMAT), number("rev", revision), text("lq", NAMES), text("lk", &place)]);
    item
}

/// A name as lists order it and prefixes find it: without case, letter by letter, so that what begins alike stays so.
pub(crate) fn folded(name: &str) -> String {
    name.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// A customer's place among names. Who has none stands under the id. No name holds a line end, which is before all else.
pub(crate) fn name_place(customer: &CustomerId, name: Option<&str>) -> String {
    format!("{}\n{customer}", folded(name.unwrap_or(customer.as_str())))
}

/// An account's item in the list by balance.
pub(crate) fn encode_listed_balance(stored: &Stored) -> Result<Item, Error> {
    let Stored { account, revision } = stored;
    let Account { customer, currency, .. } = account;
    let key = Key::listed_balance(customer, *currency);
    let balance = account.balance().and_then(Money::minor);
    let balance = balance.map_err(|_| corrupt(&key, "an amount is out of range"))?;
    let mut item = key.to_item();
    let place = format!("{}\n{customer}", balance_place(balance));
    let partition = balance_partition(*currency, shard(customer, BALANCE_SHARDS));
    item.extend([number("v", FORMAT), number("rev", revision), text("lq", &partition), text("lk", &place)]);
    Ok(item)
}

/// The item in the list by balance of an account that is not there: out of the list, and older than any account.
pub(crate) fn encode_unlisted_balance(customer: &CustomerId, currency: Currency) -> Item {
    let mut item = Key::listed_balance(customer, currency).to_item();
    item.extend([number("v", FORMAT), number("rev", 0_u64)]);
    item
}

/// The partition of one part of the journal in the month of this day.
pub(crate) fn journal_partition(month: Date, shard: u8) -> String {
    format!("{JOURNAL}{:04}-{:02}#{shard}", month.year(), month.month())
}

/// What an entry moves as it is packed: its type, order and reference; its legs: role, method or journal, amount; and of lots:
/// category, how long before they came, when they expire, amount.
type PackedBooking = (
    String,
    Option<String>,
    Option<String>,
    Vec<(String, Option<String>, i64)>,
    Vec<(u8, i64, PackedExpiry, i64)>,
);

pub(crate) fn encode_booking(booking: &Booking) -> Result<Item, Error> {
    let key = Key::booking(booking);
    let text = |label: &Option<Label>| label.as_ref().map(Label::to_string);
    let minor = |money: Money| money.minor().map_err(|_| corrupt(&key, "an amount is out of range"));
    let leg = |leg: &Leg| Ok((leg.role.word().to_owned(), text(&leg.of), minor(leg.amount)?));
    let legs = booking.legs.iter().map(leg).collect::<Result<_, Error>>()?;
    let at = booking.at.as_millisecond();
    let lot = |lot: &LotPart| {
        let expiry = match lot.expires_at.map(Timestamp::as_millisecond) {
            None => PackedExpiry::Never,
            Some(moment) if moment % QUARTER == 0 => PackedExpiry::Quarters(moment / QUARTER),
            Some(moment) => PackedExpiry::Milliseconds(moment),
        };
        let before = at.wrapping_sub(lot.granted_at.as_millisecond());
        Ok((category_code(lot.category), before, expiry, minor(lot.amount)?))
    };
    let lots = booking.lots.iter().map(lot).collect::<Result<_, Error>>()?;
    let packed: PackedBooking =
        (booking.kind.word().to_owned(), text(&booking.order), text(&booking.reference), legs, lots);
    let packed = postcard::to_allocvec(&packed).map_err(|error| corrupt(&key, &error.to_string()))?;
    let mut item = key.to_item();
    item.extend([number("v", FORMAT), bytes("b", packed)]);
    Ok(item)
}

pub(crate) fn decode_booking(item: &Item) -> Result<Booking, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let mut place = fields.text("sk")?.split('#');
    let mut part = || place.next().ok_or_else(|| fields.corrupt("its place does not parse"));
    let damaged = |what: &str| fields.corrupt(&format!("{what} does not parse"));
    let at = fields.moment(part()?.parse().map_err(|_| damaged("its moment"))?)?;
    let customer = part()?.parse().map_err(|_| damaged("its customer"))?;
    let currency: Currency = part()?.parse().map_err(|_| damaged("its currency"))?;
    let number = part()?.parse().map_err(|_| damaged("its number"))?;
    let (kind, order, reference, legs, lots): PackedBooking = fields.unpack("b")?;
    let label = |text: Option<String>| -> Result<Option<Label>, Error> {
        text.map(|text| text.parse().map_err(|_| damaged("a text"))).transpose()
    };
    let leg = |(role, of, minor): (String, Option<String>, i64)| {
        let role = AccountRole::ALL.iter().copied().find(|known| known.word() == role);
        let role = role.ok_or_else(|| damaged("a role"))?;
        Ok(Leg { role, of: label(of)?, amount: Money::from_minor(minor, currency) })
    };
    let lot = |(category, before, expiry, minor): (u8, i64, PackedExpiry, i64)| {
        let expires_at = match expiry {
            PackedExpiry::Never => None,
            PackedExpiry::Quarters(quarters) => Some(quarters.wrapping_mul(QUARTER)),
            PackedExpiry::Milliseconds(moment) => Some(moment),
        };
        Ok(LotPart {
            category: category_of(category).ok_or_else(|| damaged("a category"))?,
            granted_at: fields.moment(at.as_millisecond().wrapping_sub(before))?,
            expires_at: expires_at.map(|moment| fields.moment(moment)).transpose()?,
            amount: Money::from_minor(minor, currency),
        })
    };
    let kind = EntryType::ALL.iter().copied().find(|known| known.word() == kind);
    Ok(Booking {
        customer,
        number,
        kind: kind.ok_or_else(|| damaged("its type"))?,
        at,
        order: label(order)?,
        reference: label(reference)?,
        legs: legs.into_iter().map(leg).collect::<Result<_, Error>>()?,
        lots: lots.into_iter().map(lot).collect::<Result<_, Error>>()?,
        currency,
    })
}

/// The partition of what credit in a currency came to, day by day.
pub(crate) fn standing_partition(edition: u64, currency: Currency) -> String {
    format!("{BOOKS}{edition}#{currency}")
}

/// Sums as they are packed. Flows: which, categories with amounts, what is owed. By category: what came more than a year ago, and
/// on which days since 1970 the rest; what is over, what lasts for ever, and until which days the rest does.
type PackedStanding = (Vec<(u8, Vec<(u8, i64)>, i64)>, Vec<(u8, PackedDays)>, Vec<(u8, i64, PackedDays)>);
/// An amount without a day, and amounts by day.
type PackedDays = (i64, Vec<(i32, i64)>);

pub(crate) fn encode_standing(edition: u64, day: Date, standing: &Standing) -> Result<Item, Error> {
    let key = Key::standing(edition, standing.currency, day);
    let minor = |money: &Money| money.minor().map_err(|_| corrupt(&key, "an amount is out of range"));
    let flow = |(flow, position): (&Flow, &Position)| {
        let categories = position
            .categories
            .iter()
            .map(|(category, amount)| Ok((category_code(*category), minor(amount)?)));
        Ok((flow_code(*flow), categories.collect::<Result<_, Error>>()?, minor(&position.owed)?))
    };
    let flows = standing.flows.iter().map(flow).collect::<Result<_, Error>>()?;
    let (mut came, mut lasts) = (Vec::new(), Vec::new());
    for category in Category::ALL {
        let mut days: PackedDays = (0, Vec::new());
        for ((_, came), amount) in standing.came.iter().filter(|((of, _), _)| of == category) {
            match came {
                None => days.0 = minor(amount)?,
                Some(day) => days.1.push((days_since_1970(*day), minor(amount)?)),
            }
        }
        came.push((category_code(*category), days));
        let (mut never, mut days): (i64, PackedDays) = (0, (0, Vec::new()));
        for ((_, last), amount) in standing.lasts.iter().filter(|((of, _), _)| of == category) {
            match last {
                LastDay::Over => days.0 = minor(amount)?,
                LastDay::Never => never = minor(amount)?,
                LastDay::On(day) => days.1.push((days_since_1970(*day), minor(amount)?)),
            }
        }
        lasts.push((category_code(*category), never, days));
    }
    let packed: PackedStanding = (flows, came, lasts);
    let packed = postcard::to_allocvec(&packed).map_err(|error| corrupt(&key, &error.to_string()))?;
    let mut item = key.to_item();
    item.extend([number("v", FORMAT), bytes("b", packed)]);
    Ok(item)
}

pub(crate) fn decode_standing(currency: Currency, item: &Item) -> Result<Standing, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let (flows, came, lasts): PackedStanding = fields.unpack("b")?;
    let damaged = |what: &str| fields.corrupt(&format!("{what} does not parse"));
    let category = |code: u8| category_of(code).ok_or_else(|| damaged("a category"));
    let day = |days: i32| day_since_1970(days).ok_or_else(|| damaged("a day"));
    let money = |minor: i64| Money::from_minor(minor, currency);
    let mut standing = Standing::new(currency);
    for (flow, categories, owed) in flows {
        let flow = Flow::ALL.iter().copied().find(|known| flow_code(*known) == flow);
        let categories = categories.into_iter().map(|(code, minor)| Ok((category(code)?, money(minor))));
        let categories = categories.collect::<Result<_, Error>>()?;
        let position = Position { categories, owed: money(owed) };
        standing.flows.insert(flow.ok_or_else(|| damaged("a flow"))?, position);
    }
    for (code, (aged, days)) in came {
        standing.came.insert((category(code)?, None), money(aged));
        for (number, minor) in days {
            standing.came.insert((category(code)?, Some(day(number)?)), money(minor));
        }
    }
    for (code, never, (over, days)) in lasts {
        standing.lasts.insert((category(code)?, LastDay::Never), money(never));
        standing.lasts.insert((category(code)?, LastDay::Over), money(over));
        for (number, minor) in days {
            standing.lasts.insert((category(code)?, LastDay::On(day(number)?)), money(minor));
        }
    }
    standing.came.retain(|_, amount| !amount.is_zero());
    standing.lasts.retain(|_, amount| !amount.is_zero());
    Ok(standing)
}

/// The day that the count of days begins with.
const FIRST_DAY: Date = jiff::civil::date(1970, 1, 1);

fn days_since_1970(day: Date) -> i32 {
    FIRST_DAY.until((Unit::Day, day)).map_or(0, |span| span.get_days())
}

fn day_since_1970(days: i32) -> Option<Date> {
    FIRST_DAY.checked_add(Span::new().try_days(days).ok()?).ok()
}

fn flow_code(flow: Flow) -> u8 {
    match flow {
        Flow::Issued => b'i',
        Flow::Used => b'u',
        Flow::Refunded => b'r',
        Flow::Expired => b'e',
        Flow::Withdrawn => b'w',
        Flow::Adjusted => b'a',
    }
}

/// A balance in smallest units as text whose order is that of balances, below zero too.
pub(crate) fn balance_place(minor: i64) -> String {
    format!("{:020}", minor.cast_unsigned() ^ (1 << 63))
}

fn category_code(category: Category) -> u8 {
    match category {
        Category::Paid => b'p',
        Category::Promotional => b'm',
        Category::Refund => b'r',
        Category::Goodwill => b'g',
        Category::Import => b'i',
    }
}

fn category_of(code: u8) -> Option<Category> {
    Category::ALL.iter().copied().find(|category| category_code(*category) == code)
}

fn role_code(role: Role) -> u8 {
    match role {
        Role::Admin => b'a',
        Role::Store => b's',
        Role::Customer => b'c',
        Role::System => b'y',
    }
}

fn role_of(code: u8) -> Option<Role> {
    Role::ALL.iter().copied().find(|role| role_code(*role) == code)
}

pub(crate) fn text(name: &str, value: &str) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::S(value.to_owned()))
}

pub(crate) fn number(name: &str, value: impl ToString) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::N(value.to_string()))
}

pub(crate) fn bytes(name: &str, value: Vec<u8>) -> (String, AttributeValue) {
    (name.to_owned(), AttributeValue::B(Blob::new(value)))
}

fn corrupt(key: &Key, reason: &str) -> Error {
    Error::Corrupt { item: format!("{} {}", key.pk, key.sk), reason: reason.to_owned() }
}

/// An item's attributes, each read as what it has to be.
pub(crate) struct Fields<'a>(pub(crate) &'a Item);

impl<'a> Fields<'a> {
    /// Refuses an item that a newer version wrote, before anything of it is believed.
    pub(crate) fn expect_format(&self) -> Result<(), Error> {
        match self.number::<u8>("v")? {
            FORMAT => Ok(()),
            newer => Err(self.unknown_format(newer, FORMAT)),
        }
    }

    fn unknown_format(&self, newer: u8, known: u8) -> Error {
        self.corrupt(&format!("format {newer} is not known, only up to {known}"))
    }

    pub(crate) fn text(&self, name: &str) -> Result<&'a str, Error> {
        match self.0.get(name) {
            Some(AttributeValue::S(text)) => Ok(text),
            _ => Err(self.corrupt(&format!("{name} is no text"))),
        }
    }

    pub(crate) fn parse<T: FromStr>(&self, name: &str) -> Result<T, Error> {
        self.text(name)?.parse().map_err(|_| self.corrupt(&format!("{name} does not parse")))
    }

    /// A text that may be absent.
    pub(crate) fn optional<T: FromStr>(&self, name: &str) -> Result<Option<T>, Error> {
        self.0.contains_key(name).then(|| self.parse(name)).transpose()
    }

    pub(crate) fn number<T: FromStr>(&self, name: &str) -> Result<T, Error> {
        match self.0.get(name) {
            Some(AttributeValue::N(digits)) => {
                digits.parse().map_err(|_| self.corrupt(&format!("{name} is out of range")))
            }
            _ => Err(self.corrupt(&format!("{name} is no number"))),
        }
    }

    pub(crate) fn bytes(&self, name: &str) -> Result<&'a [u8], Error> {
        match self.0.get(name) {
            Some(AttributeValue::B(blob)) => Ok(blob.as_ref()),
            _ => Err(self.corrupt(&format!("{name} is no bytes"))),
        }
    }

    /// What was packed into bytes.
    fn unpack<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        postcard::from_bytes(self.bytes(name)?).map_err(|error| self.corrupt(&error.to_string()))
    }

    pub(crate) fn fingerprint(&self) -> Result<Fingerprint, Error> {
        self.hash("f").map(Fingerprint)
    }

    pub(crate) fn hash(&self, name: &str) -> Result<Hash, Error> {
        self.bytes(name)?.try_into().map(Hash).map_err(|_| self.corrupt(&format!("{name} is no hash")))
    }

    fn moment(&self, milliseconds: i64) -> Result<Timestamp, Error> {
        Timestamp::from_millisecond(milliseconds).map_err(|_| self.corrupt("a moment is out of range"))
    }

    fn written(&self, name: &str) -> Result<Option<Written>, Error> {
        /// Characters of a salt in base64url.
        const ENCODED_SALT: usize = 22;
        if !self.0.contains_key(name) {
            return Ok(None);
        }
        let damaged = || self.corrupt(&format!("{name} is no salted text"));
        let (salt, text) = self.text(name)?.split_at_checked(ENCODED_SALT).ok_or_else(damaged)?;
        let salt =
            URL_SAFE_NO_PAD.decode(salt).ok().and_then(|salt| salt.try_into().ok()).ok_or_else(damaged)?;
        Ok(Some(Written { salt, text: text.parse().map_err(|_| damaged())? }))
    }

    pub(crate) fn corrupt(&self, reason: &str) -> Error {
        let part = |name| match self.0.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => "?".to_owned(),
        };
        corrupt(&Key { pk: part("pk"), sk: part("sk") }, reason)
    }
}
