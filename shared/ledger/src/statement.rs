//! What a customer is shown of a period: what there was, what moved it, and what there is.

use std::fmt::Write;

use jiff::civil::Date;

use crate::{Category, Entry, EntryId, EntryType, Label, Money, OutOfRange, books::cell, policy::Zone};

/// One account over a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The balance before the period.
    pub opening: Money,
    /// The balance after its last entry.
    pub closing: Money,
    /// What came in.
    pub came_in: Money,
    /// What went out, but for what expired: not less than zero.
    pub went_out: Money,
    /// What expired: not less than zero.
    pub expired: Money,
    /// What moved the balance, the oldest first. A hold, its release and a moved date do not.
    pub lines: Vec<Entry>,
}

/// Entries are no statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unstated {
    /// A balance is not the one before it and the amount.
    #[error("the balance of entry {0} does not follow from the one before")]
    Balance(EntryId),
    /// A sum does not fit.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Statement {
    /// Of all entries of a period, in their order, and the balance before them.
    ///
    /// # Errors
    /// [`Unstated`] when the lines do not lead from the balance before to the one after.
    pub fn new(opening: Money, entries: Vec<Entry>) -> Result<Self, Unstated> {
        let nothing = Money::zero(opening.currency());
        let (mut came_in, mut went_out, mut expired, mut closing) = (nothing, nothing, nothing, opening);
        for entry in &entries {
            closing = closing.plus(entry.amount)?;
            if closing != entry.balance_after {
                return Err(Unstated::Balance(entry.id()));
            }
            let sum = match entry.kind {
                _ if entry.amount.is_positive() => &mut came_in,
                EntryType::Expire => &mut expired,
                _ => &mut went_out,
            };
            *sum =
                sum.plus(if entry.amount.is_positive() { entry.amount } else { entry.amount.negated() })?;
        }
        let lines = entries.into_iter().filter(|entry| !entry.amount.is_zero()).collect();
        Ok(Self { opening, closing, came_in, went_out, expired, lines })
    }

    /// RFC 4180: a row for the balance before, one for each line, one for the balance after.
    pub fn csv(&self, (from, to): (Date, Date), zone: &Zone) -> String {
        let mut text =
            "date,at,entry,type,description,order,reference,note,amount,balance_after,currency\r\n"
                .to_owned();
        let Self { opening, closing, lines, .. } = self;
        let currency = opening.currency();
        // Into a text that never fails.
        let _ = write!(text, "{from},,,opening_balance,Balance before,,,,,{opening},{currency}\r\n");
        for entry in lines {
            let (day, at, id, kind, what) =
                (zone.day_of(entry.at), entry.at, entry.id(), entry.kind, entry.description());
            let [order, reference, note] = [entry.order_id(), entry.any_reference(), entry.shown_note()]
                .map(|text| cell(text.unwrap_or("")));
            let what = cell(what);
            let (amount, balance) = (entry.amount, entry.balance_after);
            let _ = write!(
                text,
                "{day},{at},{id},{kind},{what},{order},{reference},{note},{amount},{balance},{currency}\r\n"
            );
        }
        let _ = write!(text, "{to},,,closing_balance,Balance after,,,,,{closing},{currency}\r\n");
        text
    }
}

impl Entry {
    /// What it is, in a few words for the customer.
    pub fn description(&self) -> &'static str {
        match self.kind {
            EntryType::Grant => match self.category {
                Some(Category::Paid) => "Credit bought",
                Some(Category::Promotional) => "Promotional credit",
                Some(Category::Refund) => "Credit for a return",
                Some(Category::Import) => "Credit carried over",
                Some(Category::Goodwill) | None => "Credit",
            },
            EntryType::Topup => "Top-up",
            EntryType::Redeem => "Used for an order",
            EntryType::Capture => "Used for an order, reserved before",
            EntryType::Refund => "Returned from an order",
            EntryType::Withdraw => "Paid out",
            EntryType::Debit => "Deducted",
            EntryType::Void => "Cancelled",
            EntryType::Expire => "Expired",
            EntryType::Hold => "Reserved for an order",
            EntryType::Release => "Reserved no more",
            EntryType::ExpiryChange => "Another last day",
            EntryType::Import if self.amount.is_positive() => "Credit carried over",
            EntryType::Import => "Used where it came from",
        }
    }

    /// The order that credit was used for, or came back from.
    pub fn order_id(&self) -> Option<&str> {
        self.order.as_ref().map(|order| order.id.as_str())
    }

    /// Its own reference, or else its payment's.
    pub fn any_reference(&self) -> Option<&str> {
        let of_payment = || self.payment.as_ref()?.reference.as_ref();
        self.reference.as_ref().or_else(of_payment).map(Label::as_str)
    }

    /// The note for the customer, or else why the merchant did it; never what is for the merchant alone.
    pub fn shown_note(&self) -> Option<&str> {
        let note = self.note.as_ref().and_then(|note| note.text());
        note.or_else(|| self.reason.as_ref()?.text())
    }
}
