//! The rules in force for an account, as the merchant writes them in the settings.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, MapAccess, Visitor},
};

use crate::{
    Category, Currency, Label, Money,
    money::{Amount, Percent},
    text::{optional_object, words},
};

/// Longest life that `expiry_days` may give: a hundred years.
const MAX_EXPIRY_DAYS: u16 = 36_500;
/// Longest life of a hold: 7 days.
const MAX_HOLD_SECONDS: u32 = 604_800;

words! {
    /// Which lots spending takes first.
    pub enum ConsumptionOrder {
        /// Oldest first.
        Fifo = "fifo",
        /// Soonest expiry first, never-expiring last, then oldest.
        ExpiringFirst = "expiring_first",
    }
}

words! {
    /// What a usage limit is a part of.
    pub enum UsageBase {
        /// The order's lines before the store credit's own.
        PrecedingLines = "preceding_lines",
        /// The `sub_total` line alone.
        SubtotalOnly = "subtotal_only",
    }
}

/// The rules in force, every one of them with a default (contract, section 4, "Settings").
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The currency of calls that name none.
    pub currency: Currency,
    /// Where the store's days end.
    pub time_zone: Zone,
    /// Whether credit can be spent at all.
    pub enabled: bool,
    /// Which lots spending takes first.
    pub consumption_order: ConsumptionOrder,
    /// The most of an order's base that credit may pay; `None` is no cap.
    #[serde(deserialize_with = "optional_object")]
    pub usage_limit: Option<UsageLimit>,
    /// What the usage limit is a part of.
    pub usage_base: UsageBase,
    /// The store credit's own place among an order's lines.
    pub sort_order: i64,
    /// The base from which an order can use credit at all.
    #[serde(deserialize_with = "or_default")]
    pub activation_total: Limits,
    /// No credit from the shop or the customer may lift the balance above it.
    #[serde(deserialize_with = "or_default")]
    pub balance_limit: Limits,
    /// How far below zero the balance may go.
    #[serde(deserialize_with = "or_default")]
    pub overdraft_limit: Limits,
    /// The most that one redemption may take.
    #[serde(deserialize_with = "or_default")]
    pub transaction_limit: Limits,
    /// The least that one top-up may ask for.
    #[serde(deserialize_with = "or_default")]
    pub topup_min: Limits,
    /// The most that one top-up may ask for.
    #[serde(deserialize_with = "or_default")]
    pub topup_max: Limits,
    /// The most that balance, pending requests and one more may come to.
    #[serde(deserialize_with = "or_default")]
    pub topup_limit: Limits,
    /// The payment methods that top-ups may use; `None` is any.
    pub topup_methods: Option<Vec<Label>>,
    /// Whether customers may withdraw by themselves.
    pub withdrawal: bool,
    /// The categories that can be withdrawn.
    pub withdrawable: Vec<Category>,
    /// Days from the day of the credit after which it expires; `None` is never.
    pub expiry_days: Option<ExpiryDays>,
    /// Whether nothing expires, whatever date it has.
    pub expiry_exempt: bool,
    /// Days that a refund gives to credit that expired meanwhile, from the refund on.
    pub refund_grace_days: GraceDays,
    /// Seconds that a hold counts, unless it says so itself.
    pub hold_ttl_seconds: HoldSeconds,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            time_zone: Zone::utc(),
            enabled: true,
            consumption_order: ConsumptionOrder::Fifo,
            usage_limit: None,
            usage_base: UsageBase::PrecedingLines,
            sort_order: 9,
            activation_total: Limits::default(),
            balance_limit: Limits::default(),
            overdraft_limit: Limits::default(),
            transaction_limit: Limits::default(),
            topup_min: Limits::default(),
            topup_max: Limits::default(),
            topup_limit: Limits::default(),
            topup_methods: None,
            withdrawal: false,
            withdrawable: vec![Category::Paid, Category::Refund],
            expiry_days: None,
            expiry_exempt: false,
            refund_grace_days: GraceDays(30),
            hold_ttl_seconds: HoldSeconds(900),
        }
    }
}

impl Policy {
    /// When credit of this category that comes `at` this moment expires: at the end of a day, in the store's zone.
    pub fn expiry(&self, category: Category, at: Timestamp) -> Option<Timestamp> {
        let days = self.expiry_days.as_ref()?.of(category)?;
        let day = at.to_zoned(self.time_zone.zone.clone()).date();
        let last = day.checked_add(jiff::Span::new().days(i64::from(days))).ok()?;
        self.time_zone.end_of(last)
    }
}

/// The most of an order's base that credit may pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "maximum", rename_all = "snake_case", deny_unknown_fields)]
pub enum UsageLimit {
    /// A share of the base, rounded toward zero.
    Percent(Percent),
    /// An amount by currency; a currency without one has no cap.
    Fixed(Limits),
}

/// An amount by currency; a currency without one has no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(into = "Option<BTreeMap<Currency, Money>>")]
pub struct Limits(BTreeMap<Currency, Money>);

impl Limits {
    /// The limit in this currency, if there is one.
    pub fn of(&self, currency: Currency) -> Option<Money> {
        self.0.get(&currency).copied()
    }
}

impl From<Limits> for Option<BTreeMap<Currency, Money>> {
    fn from(Limits(limits): Limits) -> Self {
        (!limits.is_empty()).then_some(limits)
    }
}

impl<'de> Deserialize<'de> for Limits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByCurrency;

        impl<'de> Visitor<'de> for ByCurrency {
            type Value = Limits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("amounts by currency, as {\"USD\": \"50.00\"}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Limits, M::Error> {
                let mut limits = BTreeMap::new();
                while let Some(currency) = map.next_key::<Currency>()? {
                    let amount = map.next_value::<Amount>()?.of(currency).map_err(M::Error::custom)?;
                    if limits.insert(currency, amount).is_some() {
                        return Err(M::Error::custom(format!("{currency} must be given once")));
                    }
                }
                Ok(Limits(limits))
            }
        }

        deserializer.deserialize_map(ByCurrency)
    }
}

/// A setting where null says the same as leaving it out.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Days after which credit expires, for all of it or by category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ExpiryDays {
    /// One number for all credit.
    All(Days),
    /// A number by category; a category without one never expires.
    ByCategory(BTreeMap<Category, Days>),
}

impl<'de> Deserialize<'de> for ExpiryDays {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = ExpiryDays;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a number of days from 1 to 36500, or such a number by category, as {\"promotional\": 90}")
            }

            fn visit_u64<E: serde::de::Error>(self, days: u64) -> Result<ExpiryDays, E> {
                let days =
                    u16::try_from(days).map_err(|_| "must be 1 to 36500 days").and_then(Days::try_from);
                days.map(ExpiryDays::All).map_err(E::custom)
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<ExpiryDays, M::Error> {
                let mut by_category = BTreeMap::new();
                while let Some(category) = map.next_key::<Category>()? {
                    if by_category.insert(category, map.next_value::<Days>()?).is_some() {
                        return Err(M::Error::custom(format!("{category} must be given once")));
                    }
                }
                Ok(ExpiryDays::ByCategory(by_category))
            }
        }

        deserializer.deserialize_any(Either)
    }
}

impl ExpiryDays {
    fn of(&self, category: Category) -> Option<u16> {
        match self {
            Self::All(days) => Some(days.0),
            Self::ByCategory(by_category) => by_category.get(&category).map(|days| days.0),
        }
    }
}

/// A number of days from 1 to 36500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct Days(u16);

impl TryFrom<u16> for Days {
    type Error = &'static str;

    fn try_from(days: u16) -> Result<Self, Self::Error> {
        if (1..=MAX_EXPIRY_DAYS).contains(&days) { Ok(Self(days)) } else { Err("must be 1 to 36500 days") }
    }
}

/// A number of days from 0 to 36500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct GraceDays(u16);

impl TryFrom<u16> for GraceDays {
    type Error = &'static str;

    fn try_from(days: u16) -> Result<Self, Self::Error> {
        if days <= MAX_EXPIRY_DAYS { Ok(Self(days)) } else { Err("must be 0 to 36500 days") }
    }
}

impl GraceDays {
    /// So many days of 24 hours.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.0).saturating_mul(24))
    }
}

/// How long a hold counts: 1 second to 7 days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u32")]
pub struct HoldSeconds(u32);

impl TryFrom<u32> for HoldSeconds {
    type Error = &'static str;

    fn try_from(seconds: u32) -> Result<Self, Self::Error> {
        if (1..=MAX_HOLD_SECONDS).contains(&seconds) {
            Ok(Self(seconds))
        } else {
            Err("must be 1 to 604800 seconds")
        }
    }
}

impl HoldSeconds {
    /// So many seconds.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.0))
    }
}

/// A time zone of the IANA database, such as `Europe/Paris`.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    zone: TimeZone,
}

/// A text names no time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a time zone of the IANA database, such as \"Europe/Paris\" or \"UTC\"")]
pub struct UnknownZone;

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), zone: TimeZone::UTC }
    }

    /// The moment at which this day ends here and the next begins; `None` beyond the calendar.
    pub fn end_of(&self, day: Date) -> Option<Timestamp> {
        Some(day.tomorrow().ok()?.to_zoned(self.zone.clone()).ok()?.timestamp())
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;

    fn from_str(name: &str) -> Result<Self, UnknownZone> {
        // The database spells its names its own way: "utc" is answered as "UTC".
        let zone = TimeZone::get(name).map_err(|_| UnknownZone)?;
        let name = zone.iana_name().ok_or(UnknownZone)?.to_owned();
        Ok(Self { name, zone })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(document: &str, expected: Result<(), &str>) {
        let read = serde_json::from_str::<Policy>(document).map(|_| ()).map_err(|error| error.to_string());
        match (read, expected) {
            (Ok(()), Ok(())) => {}
            (Err(error), Err(part)) => assert!(error.contains(part), "{document}: {error}"),
            (read, _) => panic!("{document}: {read:?}"),
        }
    }

    #[test]
    fn a_policy_says_only_what_the_contract_knows() {
        check("{}", Ok(()));
        check(r#"{"usage_limit": {"type": "percent", "maximum": "25"}}"#, Ok(()));
        check(r#"{"usage_limit": {"type": "fixed", "maximum": {"USD": "50.00", "JPY": "5000"}}}"#, Ok(()));
        check(r#"{"usage_limit": null, "activation_total": null, "expiry_days": null}"#, Ok(()));
        check(r#"{"expiry_days": 365}"#, Ok(()));
        check(r#"{"expiry_days": {"promotional": 90, "goodwill": 90}}"#, Ok(()));
        check(r#"{"usage": null}"#, Err("unknown field"));
        check(r#"{"usage_limit": {"type": "percent", "maximum": 25}}"#, Err("a string"));
        check(r#"{"usage_limit": {"type": "fixed"}}"#, Err("missing field `maximum`"));
        check(r#"{"usage_limit": {"type": "fixed", "maximum": null}}"#, Err("amounts by currency"));
        check(r#"{"usage_limit": ["percent", "25"]}"#, Err("an object"));
        check(r#"{"topup_max": {"USD": "1", "USD": "2"}}"#, Err("USD must be given once"));
        check(r#"{"usage_limit": {"type": "percent", "maximum": "101"}}"#, Err("at most \"100\""));
        check(r#"{"activation_total": {"USD": "0.001"}}"#, Err("at most 2 decimals"));
        check(r#"{"activation_total": {"XXY": "1"}}"#, Err("not a currency"));
        check(r#"{"expiry_days": 0}"#, Err("1 to 36500 days"));
        check(r#"{"expiry_days": -1}"#, Err("null, a number of days"));
        check(r#"{"expiry_days": {"paid": 1, "paid": 2}}"#, Err("paid must be given once"));
        check(r#"{"time_zone": "Mars/Olympus"}"#, Err("IANA"));
        check(r#"{"currency": "usd"}"#, Err("three capital letters"));
    }

    #[test]
    fn a_policy_reads_back_as_it_was_written() {
        let document = r#"{"currency":"EUR","time_zone":"Europe/Paris","enabled":true,"consumption_order":"expiring_first",
            "usage_limit":{"type":"fixed","maximum":{"EUR":"5"}},"activation_total":{"JPY":"100"},"expiry_days":{"paid":3}}"#;
        let policy: Policy = serde_json::from_str(document).unwrap();
        let written = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&written).unwrap(), policy);
        assert!(written.contains(r#""EUR":"5.00""#), "{written}");
        assert!(written.contains(r#""balance_limit":null"#), "{written}");
    }

    #[test]
    fn days_end_where_the_store_is() {
        let end = |zone: &str, day: &str| {
            zone.parse::<Zone>().unwrap().end_of(day.parse().unwrap()).unwrap().to_string()
        };
        assert_eq!(end("UTC", "2026-12-31"), "2027-01-01T00:00:00Z");
        assert_eq!(end("Pacific/Kiritimati", "2026-12-31"), "2026-12-31T10:00:00Z");
        assert_eq!(end("America/New_York", "2026-12-31"), "2027-01-01T05:00:00Z");
        // The clocks go forward on 29 March 2026 in Paris: that day has 23 hours.
        assert_eq!(end("Europe/Paris", "2026-03-28"), "2026-03-28T23:00:00Z");
        assert_eq!(end("Europe/Paris", "2026-03-29"), "2026-03-29T22:00:00Z");
        // In Beirut they go forward at midnight: 29 March 2026 begins at one o'clock.
        assert_eq!(end("Asia/Beirut", "2026-03-28"), "2026-03-28T22:00:00Z");
    }

    #[test]
    fn expiry_counts_from_the_day_of_the_credit() {
        let policy = |days: &str, zone: &str| -> Policy {
            serde_json::from_str(&format!(r#"{{"expiry_days": {days}, "time_zone": "{zone}"}}"#)).unwrap()
        };
        let expiry = |policy: Policy, category, at: &str| {
            policy.expiry(category, at.parse().unwrap()).map(|at| at.to_string())
        };
        let at = "2026-01-01T12:00:00Z";
        assert_eq!(expiry(policy("15", "UTC"), Category::Paid, at).as_deref(), Some("2026-01-17T00:00:00Z"));
        // In Auckland it is 2 January by then.
        assert_eq!(
            expiry(policy("15", "Pacific/Auckland"), Category::Paid, at).as_deref(),
            Some("2026-01-17T11:00:00Z")
        );
        let by_category = policy(r#"{"promotional": 1}"#, "UTC");
        assert_eq!(
            expiry(by_category.clone(), Category::Promotional, at).as_deref(),
            Some("2026-01-03T00:00:00Z")
        );
        assert_eq!(expiry(by_category, Category::Paid, at), None);
        assert_eq!(expiry(policy("null", "UTC"), Category::Paid, at), None);
    }
}
