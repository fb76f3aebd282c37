//! Names of things: each parses once and cannot then be wrong.

use std::{fmt, str::FromStr};

use jiff::{RoundMode, Timestamp, TimestampRound, Unit, civil::Date};

use crate::{Currency, money::CurrencyError};

/// Longest customer id, in characters (contract, section 1).
const MAX_CUSTOMER_ID: usize = 128;
/// Longest group id, in characters.
const MAX_GROUP_ID: usize = 64;
/// Longest language tag, in characters (BCP 47, section 4.4.1, recommends room for 35).
const MAX_LANGUAGE: usize = 35;
/// Longest idempotency key, in characters (contract, section 2).
const MAX_IDEMPOTENCY_KEY: usize = 255;
/// Longest label, in characters.
const MAX_LABEL: usize = 128;
/// Longest free text, in characters.
const MAX_NOTE: usize = 500;

/// The shop's own id of whoever holds credit: 1 to 128 of `A-Z a-z 0-9 . _ @ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CustomerId(String);

/// A group of customers, by the shop's own name: 1 to 64 of `A-Z a-z 0-9 . _ @ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(String);

/// A customer's language as a tag of BCP 47, such as `en` or `pt-BR`, as far as its form goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Language(String);

/// A client's `Idempotency-Key`: 1 to 255 printable ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

/// Names one top-up request, such as `USD-3q2-7wAAAAAAAAAAAAAAAA`: its currency, and 22 characters of base64url.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopupId {
    /// The currency that was asked for.
    pub currency: Currency,
    digest: String,
}

/// Characters of a [`TopupId`] after its currency: 128 bits in base64url.
const TOPUP_DIGEST: usize = 22;

/// A short text of one line: a reference, an order's id, a payment method. 1 to 128 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

/// A free text: 1 to 500 characters, lines and tabs included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Note(String);

/// A text is not such a name; the message says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(&'static str);

macro_rules! text_id {
    ($name:ident, $holds:expr, $otherwise:literal) => {
        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let holds: fn(&str) -> bool = $holds;
                if holds(text) { Ok(Self(text.to_owned())) } else { Err(InvalidId($otherwise)) }
            }
        }

        impl $name {
            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Whether a text is made of what ids are made of.
fn is_id(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b))
}

text_id!(
    CustomerId,
    |text| (1..=MAX_CUSTOMER_ID).contains(&text.len()) && is_id(text),
    "must be 1 to 128 of A-Z a-z 0-9 . _ @ -"
);
text_id!(
    GroupId,
    |text| (1..=MAX_GROUP_ID).contains(&text.len()) && is_id(text),
    "must be 1 to 64 of A-Z a-z 0-9 . _ @ -"
);

impl CustomerId {
    /// In place of anybody, where a rule is asked what it would say.
    pub(crate) fn anybody() -> Self {
        Self("-".to_owned())
    }
}

/// English, for those of whom nothing is known.
impl Default for Language {
    fn default() -> Self {
        Self("en".to_owned())
    }
}

text_id!(
    Language,
    |text| {
        let mut tags = text.split('-');
        text.len() <= MAX_LANGUAGE
            && tags.next().is_some_and(|tag| {
                (2..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphabetic())
            })
            && tags.all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric()))
    },
    "must be a language tag, such as \"en\" or \"pt-BR\""
);
text_id!(
    IdempotencyKey,
    |text| (1..=MAX_IDEMPOTENCY_KEY).contains(&text.len())
        && text.bytes().all(|b| (0x20..=0x7e).contains(&b)),
    "must be 1 to 255 printable ASCII characters"
);
text_id!(
    Label,
    |text| (1..=MAX_LABEL).contains(&text.chars().count()) && !text.chars().any(char::is_control),
    "must be 1 to 128 characters without control characters"
);
text_id!(
    Note,
    |text| {
        (1..=MAX_NOTE).contains(&text.chars().count())
            && !text.chars().any(|c| c.is_control() && c != '\n' && c != '\r' && c != '\t')
    },
    "must be 1 to 500 characters without control characters but line ends and tabs"
);

/// A text is no [`TopupId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the id that the top-up's request was answered with")]
pub struct InvalidTopupId;

impl TopupId {
    /// The request for this currency that was made under the key of this digest.
    ///
    /// # Errors
    /// [`InvalidTopupId`] when the digest is not 22 characters of base64url.
    pub fn new(currency: Currency, digest: &str) -> Result<Self, InvalidTopupId> {
        let admitted = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if digest.len() != TOPUP_DIGEST || !digest.bytes().all(admitted) {
            return Err(InvalidTopupId);
        }
        Ok(Self { currency, digest: digest.to_owned() })
    }

    /// The digest of the key under which it was asked for.
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl FromStr for TopupId {
    type Err = InvalidTopupId;

    fn from_str(text: &str) -> Result<Self, InvalidTopupId> {
        let (currency, digest) = text.split_once('-').ok_or(InvalidTopupId)?;
        Self::new(currency.parse().map_err(|_| InvalidTopupId)?, digest)
    }
}

impl fmt::Display for TopupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.currency, self.digest)
    }
}

/// One line of an account's ledger, such as `USD-12`; a lot has the id of the entry that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The account's currency.
    pub currency: Currency,
    /// The line: 1, 2, 3 … without gaps.
    pub number: u64,
}

/// A text is no [`EntryId`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntryId {
    /// Not of the form `USD-12`.
    #[error("must be a currency and a number from 1, such as \"USD-12\"")]
    Malformed,
    /// The currency is none.
    #[error(transparent)]
    Currency(#[from] CurrencyError),
}

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let (currency, digits) = text.split_once('-').ok_or(InvalidEntryId::Malformed)?;
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidEntryId::Malformed);
        }
        let number = digits.parse().map_err(|_| InvalidEntryId::Malformed)?;
        Ok(Self { currency: currency.parse()?, number })
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.currency, self.number)
    }
}

/// A day of the calendar, written `2026-12-31` and in no other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub Date);

/// A text is no [`Day`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a day such as \"2026-12-31\"")]
pub struct InvalidDay;

impl FromStr for Day {
    type Err = InvalidDay;

    fn from_str(text: &str) -> Result<Self, InvalidDay> {
        // The calendar's own parser would also take a time behind the day, and drop it.
        match text.parse::<Date>() {
            Ok(day) if day.to_string() == text => Ok(Self(day)),
            _ => Err(InvalidDay),
        }
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment, written `2026-12-31T10:00:00Z`. What is finer than a millisecond is cut, since the ledger counts in these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

/// A text is no [`Moment`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a moment such as \"2026-12-31T10:00:00Z\" (in a query, a \"+\" is written %2B)")]
pub struct InvalidMoment;

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        // The calendar's own parser would also take other forms than RFC 3339's.
        if !is_rfc_3339(text) {
            return Err(InvalidMoment);
        }
        let moment: Timestamp = text.parse().map_err(|_| InvalidMoment)?;
        let cut = TimestampRound::new().smallest(Unit::Millisecond).mode(RoundMode::Floor);
        moment.round(cut).map(Self).map_err(|_| InvalidMoment)
    }
}

/// Whether a text has the form `2026-12-31T10:00:00.000Z`, with `+01:00` or `-01:00` for `Z` and any fraction or none.
fn is_rfc_3339(text: &str) -> bool {
    let digits = |part: &str, pattern: &str| {
        part.len() == pattern.len()
            && part.bytes().zip(pattern.bytes()).all(|(byte, form)| match form {
                b'0' => byte.is_ascii_digit(),
                form => byte.eq_ignore_ascii_case(&form),
            })
    };
    let Some((moment, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let (fraction, zone) = rest.split_at(rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len()));
    let is_fraction = fraction.is_empty()
        || fraction
            .strip_prefix('.')
            .is_some_and(|fraction| !fraction.is_empty() && fraction.bytes().all(|b| b.is_ascii_digit()));
    let is_zone = digits(zone, "Z")
        || zone.strip_prefix(['+', '-']).is_some_and(|offset| digits(offset, "00:00") && offset < "24");
    digits(moment, "0000-00-00T00:00:00") && is_fraction && is_zone
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A lot within its account: the number of the entry that made it, and which of its lots where it made several.
///
/// Printed as `9`, or `9.1` for the second that entry 9 made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LotNumber {
    /// The number of the entry.
    pub entry: u64,
    /// Which of the entry's lots, from 0.
    pub part: u8,
}

/// A lot as clients name it, such as `USD-9`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LotId {
    /// The account's currency.
    pub currency: Currency,
    /// The lot within its account.
    pub lot: LotNumber,
}

impl From<u64> for LotNumber {
    fn from(entry: u64) -> Self {
        Self { entry, part: 0 }
    }
}

impl FromStr for LotNumber {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let (entry, part) = text.split_once('.').map_or((text, None), |(entry, part)| (entry, Some(part)));
        let number = |digits: &str| {
            let plain =
                !digits.is_empty() && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit());
            if plain { Ok(digits.to_owned()) } else { Err(InvalidEntryId::Malformed) }
        };
        let entry = number(entry)?.parse().map_err(|_| InvalidEntryId::Malformed)?;
        let part = part.map_or(Ok(0), |part| number(part)?.parse().map_err(|_| InvalidEntryId::Malformed))?;
        Ok(Self { entry, part })
    }
}

impl fmt::Display for LotNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            0 => write!(f, "{}", self.entry),
            part => write!(f, "{}.{part}", self.entry),
        }
    }
}

impl FromStr for LotId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let (currency, lot) = text.split_once('-').ok_or(InvalidEntryId::Malformed)?;
        Ok(Self { lot: lot.parse()?, currency: currency.parse()? })
    }
}

impl fmt::Display for LotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.currency, self.lot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_cut_to_milliseconds_before_1970_too() {
        for (text, expected) in [
            ("2026-12-31T10:00:00.1239Z", "2026-12-31T10:00:00.123Z"),
            ("0033-05-20T08:09:47.1595Z", "0033-05-20T08:09:47.159Z"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999Z"),
            ("9999-12-30T22:00:00.999999999Z", "9999-12-30T22:00:00.999Z"),
            ("2026-12-31t11:00:00.5+01:00", "2026-12-31T10:00:00.5Z"),
        ] {
            assert_eq!(text.parse::<Moment>().map(|moment| moment.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn a_moment_is_written_as_it_is_read() {
        for text in ["2026-12-31T10:00:00Z", "2026-12-31T10:00:00.001Z"] {
            assert_eq!(text.parse::<Moment>().unwrap().to_string(), text);
        }
        assert!("2026-12-31T10:00:00+23:59".parse::<Moment>().is_ok());
        assert!("2026-12-31T10:00:00+24:00".parse::<Moment>().is_err());
    }

    #[test]
    fn ids_admit_what_the_contract_names_and_nothing_else() {
        for good in ["a", "alice@example.com", "A.b_c-9", &"x".repeat(128)] {
            assert_eq!(good.parse::<CustomerId>().unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "a/b", "a#b", "é", "a\0", &"x".repeat(129)] {
            assert!(bad.parse::<CustomerId>().is_err(), "{bad:?}");
        }
        for good in ["1", "order 17: refund", &"k".repeat(255)] {
            assert!(good.parse::<IdempotencyKey>().is_ok(), "{good:?}");
        }
        for bad in ["", "a\tb", "é", &"k".repeat(256)] {
            assert!(bad.parse::<IdempotencyKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn days_are_written_in_one_way() {
        for text in ["2026-12-31", "2024-02-29", "0001-01-01"] {
            assert_eq!(text.parse::<Day>().map(|day| day.to_string()), Ok(text.to_owned()));
        }
        for text in
            ["", "2026-12", "20261231", "2026-12-31T10:00:00", "+002026-12-31", "2026-02-29", " 2026-12-31"]
        {
            assert_eq!(text.parse::<Day>(), Err(InvalidDay), "{text:?}");
        }
    }

    #[test]
    fn moments_are_of_rfc_3339s_form_alone() {
        for good in ["2026-12-31T10:00:00Z", "2026-12-31T10:00:00.123456789z", "2026-12-31t10:00:00+05:30"] {
            assert!(good.parse::<Moment>().is_ok(), "{good:?}");
        }
        for bad in [
            "",
            "2026-12-31",
            "2026-12-31T10Z",
            "20261231T100000Z",
            "2026-12-31T10:00:00",
            "2026-12-31T10:00:00+01",
            "2026-12-31T10:00:00,5Z",
            "2026-12-31T10:00:00.Z",
            "2026-12-31T10:00:00Z[Europe/Paris]",
            "2026-12-31 10:00:00Z",
            "2026-12-31T10:00:00+25:59",
            "+002026-12-31T10:00:00Z",
            "2026-02-30T10:00:00Z",
            "2026-12-31T10:00:00é",
        ] {
            assert!(bad.parse::<Moment>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn lot_ids_are_a_currency_an_entry_and_perhaps_a_part() {
        for good in ["USD-12", "JPY-1.1", "BHD-7.255"] {
            assert_eq!(good.parse::<LotId>().unwrap().to_string(), good);
        }
        for bad in
            ["", "USD", "USD-", "USD-0", "USD-1.0", "USD-1.", "USD-1.256", "USD-.1", "USD-1.1.1", "USD-+1"]
        {
            assert!(bad.parse::<LotId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn entry_ids_are_a_currency_and_a_number() {
        assert_eq!("USD-12".parse::<EntryId>().unwrap().to_string(), "USD-12");
        for bad in [
            "",
            "USD",
            "USD-",
            "USD-0",
            "USD-01",
            "USD-x",
            "usd-1",
            "-1",
            "USD-1-2",
            "USD-99999999999999999999",
        ] {
            assert!(bad.parse::<EntryId>().is_err(), "{bad:?}");
        }
    }
}
