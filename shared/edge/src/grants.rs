//! How credit that is to be granted looks in JSON: to a customer, to a group, to whoever joins one.

use ledger::{Amount, Category, Currency, Day, Grant, Label, LotExpiry, Moment, Note, Object, Payment};
use serde::Deserialize;

use crate::{Call, Problem};

/// A grant as a body says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    amount: Amount,
    currency: Option<String>,
    category: Category,
    expires_on: Option<Day>,
    expires_at: Option<Moment>,
    expires: Option<String>,
    payment: Option<Object<Payment>>,
    reference: Option<Label>,
    note: Option<Note>,
    internal_note: Option<Note>,
}

impl GrantBody {
    /// The grant, and in which currency; `None` is the store's.
    ///
    /// # Errors
    /// `unsupported_currency`; a problem when it says more than once when the credit expires.
    pub fn read(self) -> Result<(Option<Currency>, Grant), Problem> {
        let currency = Call::currency("currency", self.currency.as_deref())?;
        let grant = Grant {
            amount: self.amount,
            category: self.category,
            expiry: lot_expiry(self.expires_on, self.expires_at, self.expires)?,
            payment: self.payment.map(|Object(payment)| payment),
            reference: self.reference,
            note: self.note,
            internal_note: self.internal_note,
        };
        Ok((currency, grant))
    }
}

/// The one way in which a body says when credit expires, if it does.
///
/// # Errors
/// A problem when it says it in more than one.
pub fn lot_expiry(
    expires_on: Option<Day>,
    expires_at: Option<Moment>,
    expires: Option<String>,
) -> Result<Option<LotExpiry>, Problem> {
    match (expires_on, expires_at, expires) {
        (None, None, None) => Ok(None),
        (Some(day), None, None) => Ok(Some(LotExpiry::EndOf(day.0))),
        (None, Some(moment), None) => Ok(Some(LotExpiry::At(moment.0))),
        (None, None, Some(word)) if word == "never" => Ok(Some(LotExpiry::Never)),
        (None, None, Some(_)) => Err(Problem::invalid("expires", "must be \"never\", or left out")),
        _ => Err(Problem::invalid(
            "expires_on",
            "cannot go together with expires_at or expires: give one of them",
        )),
    }
}
