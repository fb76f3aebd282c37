//! What is read of an event: its committed form, as any other subscriber reads it.

use jiff::{Timestamp, civil::Date};
use ledger::{Currency, CustomerId, Label, Money, SignedAmount};
use serde::Deserialize;
use serde_json::Value;

/// A message of the bus.
#[derive(Deserialize)]
pub(crate) struct Envelope {
    /// The event.
    pub(crate) detail: Value,
}

/// An event, as far as it is looked at here.
#[derive(Debug, Deserialize)]
pub(crate) struct Event {
    pub(crate) id: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) at: Timestamp,
    pub(crate) customer: CustomerId,
    currency: Option<Currency>,
    pub(crate) entry: Option<Entry>,
    account: Option<Account>,
    pub(crate) topup: Option<Topup>,
    #[serde(default)]
    pub(crate) expiring: Vec<Expiring>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Entry {
    amount: SignedAmount,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) order: Option<Label>,
    pub(crate) journal: Option<Label>,
}

#[derive(Debug, Deserialize)]
struct Account {
    balance: SignedAmount,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Topup {
    amount: SignedAmount,
    pub(crate) payment: Payment,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Payment {
    pub(crate) method: Label,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Expiring {
    currency: Currency,
    amount: SignedAmount,
    last_day: Date,
}

impl Event {
    /// Of a message's JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(detail: &Value) -> Result<Self, String> {
        Self::deserialize(detail).map_err(|error| format!("this is no event: {error}"))
    }

    /// By how much the balance changed, or what was asked for; `None` where no money is told of.
    pub(crate) fn amount(&self) -> Option<Money> {
        let amount = self.entry.as_ref().map(|entry| entry.amount);
        self.money(amount.or(self.topup.as_ref().map(|topup| topup.amount)))
    }

    /// The balance after it.
    pub(crate) fn balance(&self) -> Option<Money> {
        self.money(self.account.as_ref().map(|account| account.balance))
    }

    fn money(&self, amount: Option<SignedAmount>) -> Option<Money> {
        amount?.of(self.currency?).ok()
    }
}

impl Expiring {
    /// As it is to be said on this day; `None` once it is over.
    pub(crate) fn on(&self, today: Date) -> Option<mail::Expiring> {
        let days = u16::try_from(today.until(self.last_day).ok()?.get_days()).ok()?;
        Some(mail::Expiring { amount: self.amount.of(self.currency).ok()?, last_day: self.last_day, days })
    }
}
