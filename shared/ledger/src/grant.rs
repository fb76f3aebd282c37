//! Giving credit: every grant makes a lot.

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use crate::{
    Account, Amount, Category, Change, Currency, EntryType, Label, Line, Money, NEVER, Note, Origin, Payment,
    Policy, Refusal, Role, account::Incoming,
};

/// What a grant asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// How much, in the account's currency.
    pub amount: Amount,
    /// What kind of credit.
    pub category: Category,
    /// When it expires; `None` leaves it to the policy.
    #[serde(flatten)]
    pub expiry: Option<LotExpiry>,
    /// How money came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment: Option<Payment>,
    /// The caller's own reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Label>,
    /// For the customer to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// For the merchant alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub internal_note: Option<Note>,
}

/// When a lot expires, where the caller says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LotExpiry {
    /// With the end of this day in the store's zone.
    #[serde(rename = "expires_on")]
    EndOf(Date),
    /// At this moment.
    #[serde(rename = "expires_at")]
    At(Timestamp),
    /// Not at all.
    #[serde(rename = "expires", with = "never")]
    Never,
}

/// `"never"`, as whoever grants says it.
mod never {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("never")
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "never" => Ok(()),
            _ => Err(D::Error::custom("must be \"never\"")),
        }
    }
}

/// Gives credit.
///
/// # Errors
/// [`Refusal::Invalid`] for an amount that is zero or too precise; then [`Refusal::ExpiryInPast`],
/// [`Refusal::BalanceLimitExceeded`], [`Refusal::TooManyLots`].
pub fn grant(
    account: &Account,
    policy: &Policy,
    grant: &Grant,
    by: Role,
    at: Timestamp,
) -> Result<Change, Refusal> {
    let (amount, expires_at) = check_grant(grant, policy, account.currency, at)?;

    let mut account = account.clone();
    account.lifetime.granted = account.lifetime.granted.plus(amount)?;
    let line = Line {
        payment: grant.payment.clone(),
        reference: grant.reference.clone(),
        note: grant.note.clone(),
        internal_note: grant.internal_note.clone(),
        ..Line::new(EntryType::Grant, amount)
    };
    let origin = Origin { category: grant.category, source: by, granted_at: at, expires_at };
    account.credit(policy, line, Incoming { origin, limited: true }, at)
}

/// What of a grant can be told without an account: how much, and when it expires.
///
/// # Errors
/// [`Refusal::Invalid`] for an amount that is zero or too precise; [`Refusal::ExpiryInPast`].
pub fn check_grant(
    grant: &Grant,
    policy: &Policy,
    currency: Currency,
    at: Timestamp,
) -> Result<(Money, Option<Timestamp>), Refusal> {
    let amount = grant.amount.positive(currency).map_err(Refusal::amount("amount"))?;
    let expires_at = match grant.expiry {
        None => policy.expiry(grant.category, at),
        Some(expiry) => expiry.moment(policy, at)?,
    };
    Ok((amount, expires_at))
}

impl LotExpiry {
    /// The moment itself; [`NEVER`] where that was said.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a day that the calendar does not end, [`Refusal::ExpiryInPast`].
    pub(crate) fn moment(self, policy: &Policy, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        match self.named(policy)? {
            Some(moment) if moment <= now => Err(Refusal::ExpiryInPast),
            moment => Ok(moment),
        }
    }

    /// As [`LotExpiry::moment`], past or to come.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] for a day that the calendar does not end.
    pub(crate) fn named(self, policy: &Policy) -> Result<Option<Timestamp>, Refusal> {
        Ok(Some(match self {
            Self::Never => NEVER,
            // The ledger counts in milliseconds.
            Self::At(moment) => {
                Timestamp::from_millisecond(moment.as_millisecond()).map_err(|_| Refusal::Invalid {
                    field: "expires_at".to_owned(),
                    message: "must be a moment before the calendar ends, in the year 9999".to_owned(),
                })?
            }
            Self::EndOf(day) => policy.time_zone.end_of(day).ok_or(Refusal::Invalid {
                field: "expires_on".to_owned(),
                message: "must be a day whose end the calendar has".to_owned(),
            })?,
        }))
    }
}
