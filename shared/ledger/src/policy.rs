//! The rules in force for an account, as the merchant writes them in the settings.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Unexpected, Visitor},
};

use crate::{
    Category, Chart, Currency, Label, Money, Object,
    money::{Amount, Percent},
    text::words,
};

/// Longest life that `expiry_days` may give: a hundred years.
const MAX_EXPIRY_DAYS: u16 = 36_500;
/// The longest before an expiry that somebody is reminded of it, in days.
const MAX_REMIND_DAYS: u16 = 365;
/// How often somebody is reminded of one expiry.
const MAX_REMINDERS: usize = 10;
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

/// The store's settings, and those of them that a group or a customer may have instead: one list, so that no setting can be
/// forgotten in the one or the other.
macro_rules! settings {
    (
        store alone { $($(#[$store_doc:meta])* $store:ident: $store_type:ty = $store_default:expr,)+ }
        every level { $($(#[$doc:meta])* $name:ident: $type:ty = $default:expr,)+ }
    ) => {
        /// The rules in force, every one of them with a default (contract, section 4, "Settings").
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Policy {
            $($(#[$store_doc])* pub $store: $store_type,)+
            $($(#[$doc])* pub $name: $type,)+
        }

        impl Default for Policy {
            fn default() -> Self {
                Self { $($store: $store_default,)+ $($name: $default,)+ }
            }
        }

        /// The settings that a group or a customer has instead of the store's; what is absent is as it is above.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Overrides {
            $(
                $(#[$doc])*
                #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "given")]
                pub $name: Option<$type>,
            )+
        }

        impl Overrides {
            /// These rules, with what is given here in their place.
            #[must_use]
            pub fn over(&self, mut policy: Policy) -> Policy {
                $(if let Some(value) = &self.$name {
                    policy.$name.clone_from(value);
                })+
                policy
            }

            /// Whether it gives the setting of this name.
            pub fn gives(&self, setting: &str) -> bool {
                match setting {
                    $(stringify!($name) => self.$name.is_some(),)+
                    _ => false,
                }
            }
        }
    };
}

settings! {
    store alone {
        /// The currency of calls that name none.
        currency: Currency = Currency::USD,
        /// Where the store's days end.
        time_zone: Zone = Zone::utc(),
        /// The store credit's own place among an order's lines.
        sort_order: i64 = 9,
        /// The names of the accounts that the journal books to; `None`, or a role without one, has the default's. Boxed,
        /// since every call reads the settings, and few ask for the journal.
        chart_of_accounts: Option<Box<Chart>> = None,
    }
    every level {
        /// Whether credit can be spent or withdrawn at all.
        enabled: bool = true,
        /// Which lots spending takes first.
        consumption_order: ConsumptionOrder = ConsumptionOrder::Fifo,
        /// The most of an order's base that credit may pay; `None` is no cap.
        usage_limit: Option<UsageLimit> = None,
        /// What the usage limit is a part of.
        usage_base: UsageBase = UsageBase::PrecedingLines,
        /// The base from which an order can use credit at all.
        activation_total: Limits = Limits::default(),
        /// No credit from the shop or the customer may lift the balance above it.
        balance_limit: Limits = Limits::default(),
        /// How far below zero the balance may go.
        overdraft_limit: Limits = Limits::default(),
        /// The most that one redemption may take.
        transaction_limit: Limits = Limits::default(),
        /// The least that one top-up may ask for.
        topup_min: Limits = Limits::default(),
        /// The most that one top-up may ask for.
        topup_max: Limits = Limits::default(),
        /// The most that balance, pending requests and one more may come to.
        topup_limit: Limits = Limits::default(),
        /// The payment methods that top-ups may use; `None` is any.
        topup_methods: Option<Vec<Label>> = None,
        /// Which top-ups wait for somebody's approval.
        topup_approval: TopupApproval = TopupApproval::Manual,
        /// Days after which a top-up that nobody decided on lapses.
        topup_pending_days: Days = Days(30),
        /// Whether customers may withdraw by themselves.
        withdrawal: bool = false,
        /// The categories that can be withdrawn.
        withdrawable: Vec<Category> = vec![Category::Paid, Category::Refund],
        /// Days from the day of the credit after which it expires; `None` is never.
        expiry_days: Option<ExpiryDays> = None,
        /// Whether credit of before `expiry_days` was set gets the date that it would have had.
        apply_to_existing: bool = false,
        /// Whether nothing expires, whatever date it has.
        expiry_exempt: bool = false,
        /// Days that a refund gives to credit that expired meanwhile, from the refund on.
        refund_grace_days: GraceDays = GraceDays(30),
        /// Seconds that a hold counts, unless it says so itself.
        hold_ttl_seconds: HoldSeconds = HoldSeconds(900),
        /// Days before the last day of some credit on which to remind of it; none is no reminder.
        remind_days: RemindDays = RemindDays(Vec::new()),
    }
}

/// A setting that is there, null where null is a value of its own: of a limit it says that there is none.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl Policy {
    /// When credit of this category that comes `at` this moment expires: at the end of a day, in the store's zone.
    pub fn expiry(&self, category: Category, at: Timestamp) -> Option<Timestamp> {
        let days = self.expiry_days.as_ref()?.of(category)?;
        let day = self.time_zone.day_of(at);
        let last = day.checked_add(jiff::Span::new().days(i64::from(days))).ok()?;
        self.time_zone.end_of(last)
    }
}

words! {
    /// Whose word a setting is.
    pub enum Level {
        /// The store's.
        Store = "store",
        /// The group's.
        Group = "group",
        /// The customer's own.
        Customer = "customer",
    }
}

/// The rules for one customer at their three levels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// The store's settings.
    pub store: Policy,
    /// What the customer's group has instead.
    pub group: Overrides,
    /// What the customer has instead of both.
    pub customer: Overrides,
    /// Whether the customer's credit is frozen: as switched off, whatever any level says.
    pub frozen: bool,
}

impl Levels {
    /// The rules in force.
    pub fn policy(&self) -> Policy {
        let policy = self.customer.over(self.group.over(self.store.clone()));
        Policy { enabled: policy.enabled && !self.frozen, ..policy }
    }

    /// Whose word the setting of this name is.
    pub fn level(&self, setting: &str) -> Level {
        if self.customer.gives(setting) || (self.frozen && setting == "enabled") {
            Level::Customer
        } else if self.group.gives(setting) {
            Level::Group
        } else {
            Level::Store
        }
    }
}

/// The most of an order's base that credit may pay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", content = "maximum", rename_all = "snake_case", from = "Object<GivenUsageLimit>")]
pub enum UsageLimit {
    /// A share of the base, rounded toward zero.
    Percent(Percent),
    /// An amount by currency; a currency without one has no cap.
    Fixed(Limits),
}

/// A [`UsageLimit`] as it is read: its maximum has to be there.
#[derive(Deserialize)]
#[serde(tag = "type", content = "maximum", rename_all = "snake_case", deny_unknown_fields)]
enum GivenUsageLimit {
    Percent(Percent),
    #[serde(deserialize_with = "some_limits")]
    Fixed(GivenLimits),
}

/// As [`some_limits`].
struct SomeLimits(Limits);

impl<'de> Deserialize<'de> for SomeLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        some_limits(deserializer).map(|GivenLimits(limits)| Self(limits))
    }
}

/// Limits of which there is at least one: none at all would be stored as null, and that is no limit's maximum.
fn some_limits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<GivenLimits, D::Error> {
    let GivenLimits(limits) = GivenLimits::deserialize(deserializer)?;
    if limits.0.is_empty() {
        return Err(D::Error::custom("must name at least one currency, as {\"USD\": \"50.00\"}"));
    }
    Ok(GivenLimits(limits))
}

impl From<Object<GivenUsageLimit>> for UsageLimit {
    fn from(Object(given): Object<GivenUsageLimit>) -> Self {
        match given {
            GivenUsageLimit::Percent(percent) => Self::Percent(percent),
            GivenUsageLimit::Fixed(GivenLimits(limits)) => Self::Fixed(limits),
        }
    }
}

/// An amount by currency; a currency without one has no limit, and null is no limit at all.
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
        let given = Option::<GivenLimits>::deserialize(deserializer)?;
        Ok(given.map(|GivenLimits(limits)| limits).unwrap_or_default())
    }
}

/// [`Limits`] that are there.
struct GivenLimits(Limits);

impl<'de> Deserialize<'de> for GivenLimits {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByCurrency;

        impl<'de> Visitor<'de> for ByCurrency {
            type Value = GivenLimits;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("amounts by currency, as {\"USD\": \"50.00\"}")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<GivenLimits, M::Error> {
                let mut limits = BTreeMap::new();
                while let Some(currency) = map.next_key::<Currency>()? {
                    let amount = map.next_value::<Amount>()?.of(currency).map_err(M::Error::custom)?;
                    if limits.insert(currency, amount).is_some() {
                        return Err(M::Error::custom(format!("{currency} must be given once")));
                    }
                }
                Ok(GivenLimits(Limits(limits)))
            }
        }

        deserializer.deserialize_map(ByCurrency)
    }
}

/// Which top-ups wait for somebody's approval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopupApproval {
    /// All of them.
    Manual,
    /// None: what is asked for is credited at once.
    Automatic,
    /// Those above this amount, and those in a currency that has none.
    ManualAbove(Limits),
}

impl TopupApproval {
    const MANUAL: &str = "manual";
    const AUTOMATIC: &str = "automatic";
    const MANUAL_ABOVE: &str = "manual_above";

    /// Whether a request for this amount has to wait.
    pub fn waits(&self, amount: Money) -> bool {
        match self {
            Self::Manual => true,
            Self::Automatic => false,
            Self::ManualAbove(limits) => limits.of(amount.currency()).is_none_or(|limit| amount > limit),
        }
    }
}

impl Serialize for TopupApproval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Manual => serializer.serialize_str(Self::MANUAL),
            Self::Automatic => serializer.serialize_str(Self::AUTOMATIC),
            Self::ManualAbove(limits) => serializer.collect_map([(Self::MANUAL_ABOVE, limits)]),
        }
    }
}

impl<'de> Deserialize<'de> for TopupApproval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = TopupApproval;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"manual\", \"automatic\" or {\"manual_above\": {\"USD\": \"100.00\"}}")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<TopupApproval, E> {
                match word {
                    TopupApproval::MANUAL => Ok(TopupApproval::Manual),
                    TopupApproval::AUTOMATIC => Ok(TopupApproval::Automatic),
                    _ => Err(E::invalid_value(Unexpected::Str(word), &self)),
                }
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<TopupApproval, M::Error> {
                let mut above = None;
                while let Some(name) = map.next_key::<String>()? {
                    if name != TopupApproval::MANUAL_ABOVE {
                        return Err(M::Error::unknown_field(&name, &[TopupApproval::MANUAL_ABOVE]));
                    }
                    let SomeLimits(limits) = map.next_value()?;
                    if above.replace(limits).is_some() {
                        return Err(M::Error::duplicate_field(TopupApproval::MANUAL_ABOVE));
                    }
                }
                above
                    .map(TopupApproval::ManualAbove)
                    .ok_or_else(|| M::Error::missing_field(TopupApproval::MANUAL_ABOVE))
            }
        }

        deserializer.deserialize_any(Either)
    }
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

impl Days {
    /// So many days of 24 hours.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_hours(i64::from(self.0).saturating_mul(24))
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

/// Days before the last day of some credit on which to remind of it: up to 10 different ones, from 1 to 365 each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u16>")]
pub struct RemindDays(Vec<u16>);

impl TryFrom<Vec<u16>> for RemindDays {
    type Error = &'static str;

    fn try_from(days: Vec<u16>) -> Result<Self, Self::Error> {
        let different: BTreeSet<u16> = days.iter().copied().collect();
        let possible = days.iter().all(|days| (1..=MAX_REMIND_DAYS).contains(days));
        if possible && different.len() == days.len() && days.len() <= MAX_REMINDERS {
            Ok(Self(days))
        } else {
            Err("must be at most 10 different numbers of days, from 1 to 365 each")
        }
    }
}

impl RemindDays {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.iter().copied()
    }

    /// The most of them; `None` if nobody is reminded.
    pub fn longest(&self) -> Option<u16> {
        self.iter().max()
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

    /// The day that it is here at this moment.
    pub fn day_of(&self, at: Timestamp) -> Date {
        at.to_zoned(self.zone.clone()).date()
    }

    /// The moment that a clock here shows so. Of two the first; of none, as when clocks are put forward, the one that it would be
    /// without. `None` beyond the calendar.
    pub fn moment_of(&self, clock: DateTime) -> Option<Timestamp> {
        Some(clock.to_zoned(self.zone.clone()).ok()?.timestamp())
    }

    /// The day that it is here at this moment, where each begins at this hour.
    pub fn day_from(&self, hour: i8, at: Timestamp) -> Date {
        let here = at.to_zoned(self.zone.clone());
        let early = here.hour() < hour;
        if early { here.date().yesterday().unwrap_or(here.date()) } else { here.date() }
    }

    /// The last day here on which credit can be used that expires at this moment.
    pub fn last_day_before(&self, expires_at: Timestamp) -> Date {
        self.day_of(expires_at.checked_sub(SignedDuration::from_millis(1)).unwrap_or(expires_at))
    }

    /// The moment at which this day begins here; `None` beyond the calendar.
    pub fn start_of(&self, day: Date) -> Option<Timestamp> {
        self.end_of(day.yesterday().ok()?)
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

    #[test]
    fn that_a_frozen_customer_spends_nothing_is_the_customers_own_level_and_nothing_else_is() {
        let frozen = Levels { frozen: true, ..Levels::default() };
        assert!(!frozen.policy().enabled);
        assert_eq!(["enabled", "withdrawal"].map(|name| frozen.level(name)), [Level::Customer, Level::Store]);
        assert_eq!(Levels::default().level("enabled"), Level::Store);
    }

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
        check(r#"{"topup_approval": "automatic"}"#, Ok(()));
        check(r#"{"topup_approval": {"manual_above": {"USD": "100.00"}}}"#, Ok(()));
        check(r#"{"topup_approval": {"manual_above": null}}"#, Err("amounts by currency"));
        check(r#"{"topup_approval": {"manual_above": {}}}"#, Err("at least one currency"));
        check(r#"{"usage_limit": {"type": "fixed", "maximum": {}}}"#, Err("at least one currency"));
        check(r#"{"topup_max": {}}"#, Ok(()));
        check(r#"{"topup_approval": {}}"#, Err("missing field `manual_above`"));
        check(r#"{"topup_approval": {"above": {}}}"#, Err("unknown field `above`"));
        check(r#"{"topup_approval": "never"}"#, Err("manual"));
        check(r#"{"remind_days": []}"#, Ok(()));
        check(r#"{"remind_days": [30, 7]}"#, Ok(()));
        check(r#"{"remind_days": [30, 30]}"#, Err("at most 10 different numbers of days"));
        check(r#"{"topup_pending_days": 0}"#, Err("1 to 36500"));
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
        check(r#"{"chart_of_accounts": null}"#, Ok(()));
        check(r#"{"chart_of_accounts": {"sales": "Assets:1200-Sales"}}"#, Ok(()));
        check(r#"{"chart_of_accounts": {"sales": "Sales"}}"#, Err("must be an account such as"));
        check(r#"{"chart_of_accounts": {"sails": "Assets:Sales"}}"#, Err("unknown variant `sails`"));
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
    fn a_group_or_a_customer_may_have_its_own_of_every_setting_but_the_stores() {
        let given = |text: &str| serde_json::from_str::<Overrides>(text);
        let store: Policy =
            serde_json::from_str(r#"{"expiry_days": 365, "balance_limit": {"USD": "50"}, "usage_limit": {"type": "percent", "maximum": "25"}}"#)
                .unwrap();
        let group = given(r#"{"expiry_days": {"paid": 30}, "usage_limit": null}"#).unwrap();
        let customer = given(r#"{"balance_limit": null, "expiry_days": null}"#).unwrap();

        // What is absent is as it is above; null is a value, and says that there is none.
        let of_group = group.over(store.clone());
        assert_eq!(
            (of_group.usage_limit.clone(), of_group.balance_limit.clone()),
            (None, store.balance_limit.clone())
        );
        let of_both = customer.over(of_group.clone());
        assert_eq!((of_both.expiry_days.clone(), of_both.balance_limit.clone()), (None, Limits::default()));
        assert_eq!(Overrides::default().over(of_both.clone()), of_both);
        assert!(
            customer.gives("balance_limit") && !customer.gives("usage_limit") && !customer.gives("currency")
        );
        // What was given is written, null too, and reads the same.
        let written = serde_json::to_string(&customer).unwrap();
        assert_eq!(written, r#"{"balance_limit":null,"expiry_days":null}"#);
        assert_eq!(given(&written).unwrap(), customer);

        for name in ["currency", "time_zone", "sort_order", "chart_of_accounts", "usage"] {
            let refused = given(&format!(r#"{{"{name}": null}}"#)).unwrap_err().to_string();
            assert!(refused.contains("unknown field"), "{refused}");
        }
        // Every other setting, as it stands in a policy.
        let serde_json::Value::Object(all) = serde_json::to_value(Policy::default()).unwrap() else {
            panic!("a policy is an object")
        };
        for (name, value) in all {
            let alone = given(&serde_json::json!({name.clone(): value}).to_string());
            assert_eq!(
                alone.is_ok(),
                !["currency", "time_zone", "sort_order", "chart_of_accounts"].contains(&name.as_str()),
                "{name}"
            );
            assert!(alone.is_err() || alone.unwrap().gives(&name), "{name}");
        }
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
        let start =
            |zone: &str, day: &str| zone.parse::<Zone>().unwrap().start_of(day.parse().unwrap()).unwrap();
        assert_eq!(start("Europe/Paris", "2026-03-29").to_string(), end("Europe/Paris", "2026-03-28"));
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
