//! An event, as other systems see it. Its form is `docs/events.schema.json`.

use edge::{AccountView, EntryView, Problem, TopupView};
use jiff::Timestamp;
use ledger::{Currency, CustomerId, Entry, EntryType, Expiring, Hash, Role, Topup, TopupStatus};
use serde::Serialize;
use serde_json::Value;
use store::{News, Reminder};

/// The version of the events' form.
const VERSION: u8 = 1;
/// Characters of an event's id: 128 bits in hexadecimal.
const ID: usize = 32;

/// Something that happened. It holds no free text: whoever may read one asks for it, and what is erased stays so.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    version: u8,
    /// The same for each time that this is told.
    pub id: String,
    /// What happened, such as `credit.granted`.
    #[serde(rename = "type")]
    pub kind: &'static str,
    at: Timestamp,
    customer: CustomerId,
    /// In which currency, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<Currency>,
    /// The entry's number: within an account, what happened later has a higher one.
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topup: Option<Value>,
    /// What expires soon.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiring: Option<Value>,
}

impl Event {
    /// Of what the stream told.
    ///
    /// # Errors
    /// When it is not JSON, which nothing of ours is.
    pub fn new(news: News) -> Result<Self, Problem> {
        match news {
            News::Entry(entry) => Self::of_entry(*entry),
            News::Topup { customer, topup } => Self::of_topup(customer, *topup),
            News::Reminder { customer, reminder } => Self::of_reminder(customer, &reminder),
        }
    }

    fn of_entry(entry: Entry) -> Result<Self, Problem> {
        let entry = Entry { note: None, internal_note: None, reason: None, ..entry };
        let told = Self::about(entry_kind(entry.kind), &entry.customer, &entry.id().to_string(), entry.at);
        Ok(Self {
            currency: Some(entry.currency()),
            number: Some(entry.number),
            entry: Some(json(&EntryView::new(&entry, Role::Store))?),
            account: Some(json(&AccountView::from(&entry))?),
            ..told
        })
    }

    fn of_topup(customer: CustomerId, mut topup: Topup) -> Result<Self, Problem> {
        if let Some(resolution) = topup.resolution.as_mut() {
            resolution.reason = None;
        }
        let at = topup.resolution.as_ref().map_or(topup.requested_at, |resolution| resolution.at);
        let told = Self::about(topup_kind(topup.status), &customer, &topup.id.to_string(), at);
        Ok(Self { currency: Some(topup.id.currency), topup: Some(json(&TopupView::new(&topup))?), ..told })
    }

    fn of_reminder(customer: CustomerId, reminder: &Reminder) -> Result<Self, Problem> {
        let told = Self::about("credit.expiring_soon", &customer, &reminder.day.to_string(), reminder.at);
        let expiring: Vec<&Expiring> = reminder.expiring.iter().map(|due| &due.soon).collect();
        Ok(Self { expiring: Some(json(&expiring)?), ..told })
    }

    /// What every event says: its kind, and what of the customer's it is about.
    fn about(kind: &'static str, customer: &CustomerId, what: &str, at: Timestamp) -> Self {
        Self {
            version: VERSION,
            // The moment tells apart what has the same name in two ledgers.
            id: id(&[customer.as_str(), what, kind, &at.to_string()]),
            kind,
            at,
            customer: customer.clone(),
            currency: None,
            number: None,
            entry: None,
            account: None,
            topup: None,
            expiring: None,
        }
    }
}

fn entry_kind(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Grant => "credit.granted",
        EntryType::Topup => "credit.topped_up",
        EntryType::Redeem => "credit.redeemed",
        EntryType::Hold => "hold.placed",
        EntryType::Capture => "hold.captured",
        EntryType::Release => "hold.released",
        EntryType::Refund => "credit.refunded",
        EntryType::Withdraw => "credit.withdrawn",
        EntryType::Debit => "credit.debited",
        EntryType::Void => "credit.voided",
        EntryType::Expire => "credit.expired",
        EntryType::ExpiryChange => "credit.expiry_changed",
        EntryType::Import => "credit.imported",
    }
}

fn topup_kind(status: TopupStatus) -> &'static str {
    match status {
        TopupStatus::Pending => "topup.requested",
        TopupStatus::Approved => "topup.approved",
        TopupStatus::Rejected => "topup.rejected",
        TopupStatus::Cancelled => "topup.cancelled",
        TopupStatus::Lapsed => "topup.lapsed",
    }
}

/// An id that follows from what it names, and tells nothing of it.
fn id(parts: &[&str]) -> String {
    let mut digest = Hash::of(parts.join("\n").as_bytes()).to_string();
    digest.truncate(ID);
    digest
}

fn json(view: &impl Serialize) -> Result<Value, Problem> {
    serde_json::to_value(view).map_err(|error| Problem::internal(error.to_string()))
}
