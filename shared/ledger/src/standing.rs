//! What a store's credit in one currency came to at the end of a day, as sums over its bookings: what reports tell.

use std::collections::BTreeMap;

use jiff::{Span, Unit, civil::Date};
use rust_decimal::{Decimal, RoundingStrategy};

use crate::{
    AccountRole, Booking, Category, Currency, EntryType, LotPart, Money, OutOfRange, Zone, text::words,
};

/// Days after which credit is of no certain age any more, only over a year old.
const AGED: i64 = 366;
/// Decimals of a rate.
const RATE: u32 = 4;

words! {
    /// How credit comes and goes.
    pub enum Flow {
        /// Granted, or topped up.
        Issued = "issued",
        /// Spent on orders.
        Used = "used",
        /// Given back from orders.
        Refunded = "refunded",
        /// Expired.
        Expired = "expired",
        /// Paid out.
        Withdrawn = "withdrawn",
        /// Taken back by the merchant: debits and voided lots.
        Adjusted = "adjusted",
    }
}

words! {
    /// How many days ago credit came.
    pub enum Age {
        /// At most 30.
        Days30 = "0-30",
        /// At most 60.
        Days60 = "31-60",
        /// At most 90.
        Days90 = "61-90",
        /// At most 180.
        Days180 = "91-180",
        /// At most 365.
        Days365 = "181-365",
        /// More.
        Older = "over_365",
    }
}

words! {
    /// Within how many days credit expires.
    pub enum Within {
        /// It is over, and not booked yet: until the schedule runs, or while a hold has it.
        Over = "over",
        /// At most 30.
        Days30 = "within_30",
        /// At most 60, those of within 30 among them.
        Days60 = "within_60",
        /// At most 90, those of within 60 among them.
        Days90 = "within_90",
        /// Later.
        Later = "later",
        /// Not at all.
        Never = "never",
    }
}

/// What customers hold, by category, and what they owe; or by how much both changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// What their lots hold; nothing where a category is not there.
    pub categories: BTreeMap<Category, Money>,
    /// What they owe by overdraft.
    pub owed: Money,
}

/// The last day on which credit can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LastDay {
    /// One that is over.
    Over,
    /// This one.
    On(Date),
    /// There is none.
    Never,
}

/// Sums over all bookings of one currency since the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// In which currency.
    pub currency: Currency,
    /// What came and went.
    pub flows: BTreeMap<Flow, Position>,
    /// What lots hold by the day that it came; `None` is more than a year ago.
    pub came: BTreeMap<(Category, Option<Date>), Money>,
    /// The same by the last day.
    pub lasts: BTreeMap<(Category, LastDay), Money>,
}

impl Flow {
    /// Of this type of entry, if it moves anything.
    fn of(kind: EntryType) -> Option<Self> {
        match kind {
            EntryType::Grant | EntryType::Topup | EntryType::Import => Some(Self::Issued),
            EntryType::Redeem | EntryType::Capture => Some(Self::Used),
            EntryType::Refund => Some(Self::Refunded),
            EntryType::Expire => Some(Self::Expired),
            EntryType::Withdraw => Some(Self::Withdrawn),
            EntryType::Debit | EntryType::Void => Some(Self::Adjusted),
            EntryType::Hold | EntryType::Release | EntryType::ExpiryChange => None,
        }
    }
}

impl Age {
    fn of(days: i64) -> Self {
        match days {
            ..=30 => Self::Days30,
            31..=60 => Self::Days60,
            61..=90 => Self::Days90,
            91..=180 => Self::Days180,
            181..=365 => Self::Days365,
            _ => Self::Older,
        }
    }
}

impl Within {
    /// Every window that what lasts for so many days is in.
    fn of(days: i64) -> &'static [Self] {
        match days {
            ..=0 => &[Self::Over],
            1..=30 => &[Self::Days30, Self::Days60, Self::Days90],
            31..=60 => &[Self::Days60, Self::Days90],
            61..=90 => &[Self::Days90],
            _ => &[Self::Later],
        }
    }
}

impl Position {
    /// Nothing.
    pub fn zero(currency: Currency) -> Self {
        Self { categories: BTreeMap::new(), owed: Money::zero(currency) }
    }

    /// What they hold of this category.
    pub fn of(&self, category: Category) -> Money {
        self.categories.get(&category).copied().unwrap_or(Money::zero(self.owed.currency()))
    }

    /// What they hold.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn held(&self) -> Result<Money, OutOfRange> {
        Money::sum(self.owed.currency(), self.categories.values().copied())
    }

    /// What they hold but for what they owe: the sum of all balances, or by how much it changed.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn net(&self) -> Result<Money, OutOfRange> {
        self.held()?.minus(self.owed)
    }

    /// The sum, category by category.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn plus(&self, other: &Self) -> Result<Self, OutOfRange> {
        let mut sum = self.clone();
        for (category, amount) in &other.categories {
            add(&mut sum.categories, *category, *amount)?;
        }
        sum.owed = sum.owed.plus(other.owed)?;
        Ok(sum)
    }

    /// The difference, category by category.
    ///
    /// # Errors
    /// [`OutOfRange`] when a difference does not fit.
    pub fn minus(&self, other: &Self) -> Result<Self, OutOfRange> {
        let categories = other.categories.iter().map(|(category, amount)| (*category, amount.negated()));
        self.plus(&Self { categories: categories.collect(), owed: other.owed.negated() })
    }
}

impl Standing {
    /// Before anything was booked.
    pub fn new(currency: Currency) -> Self {
        Self { currency, flows: BTreeMap::new(), came: BTreeMap::new(), lasts: BTreeMap::new() }
    }

    /// Adds what is booked, in whichever order; days are those of this zone.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit, or it is of another currency.
    pub fn book(&mut self, booking: &Booking, zone: &Zone) -> Result<(), OutOfRange> {
        for LotPart { category, granted_at, expires_at, amount } in &booking.lots {
            let last = expires_at.map_or(LastDay::Never, |at| LastDay::On(zone.last_day_before(at)));
            add(&mut self.came, (*category, Some(zone.day_of(*granted_at))), *amount)?;
            add(&mut self.lasts, (*category, last), *amount)?;
        }
        let Some(flow) = Flow::of(booking.kind) else { return Ok(()) };
        let position = self.flows.entry(flow).or_insert_with(|| Position::zero(self.currency));
        for LotPart { category, amount, .. } in &booking.lots {
            add(&mut position.categories, *category, *amount)?;
        }
        for leg in booking.legs.iter().filter(|leg| leg.role == AccountRole::Receivable) {
            position.owed = position.owed.plus(leg.amount)?;
        }
        Ok(())
    }

    /// Forgets, at the end of this day, what no later day asks for: how much over a year old something is, and which past day
    /// was its last.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn close(&mut self, day: Date) -> Result<(), OutOfRange> {
        let aged = day.checked_sub(Span::new().days(AGED)).unwrap_or(Date::MIN);
        for ((category, came), amount) in std::mem::take(&mut self.came) {
            add(&mut self.came, (category, came.filter(|came| *came >= aged)), amount)?;
        }
        for ((category, last), amount) in std::mem::take(&mut self.lasts) {
            let last = if matches!(last, LastDay::On(last) if last <= day) { LastDay::Over } else { last };
            add(&mut self.lasts, (category, last), amount)?;
        }
        self.came.retain(|_, amount| !amount.is_zero());
        self.lasts.retain(|_, amount| !amount.is_zero());
        Ok(())
    }

    /// What came and went this way.
    pub fn flow(&self, flow: Flow) -> Position {
        self.flows.get(&flow).cloned().unwrap_or(Position::zero(self.currency))
    }

    /// What customers hold and owe.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn position(&self) -> Result<Position, OutOfRange> {
        self.flows.values().try_fold(Position::zero(self.currency), |sum, flow| sum.plus(flow))
    }

    /// What they hold at the end of this day, by how long ago it came.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn ageing(&self, day: Date) -> Result<BTreeMap<Age, BTreeMap<Category, Money>>, OutOfRange> {
        let mut ages: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((category, came), amount) in &self.came {
            let age = came.map_or(Age::Older, |came| Age::of(days(came, day)));
            add(ages.entry(age).or_default(), *category, *amount)?;
        }
        Ok(ages)
    }

    /// What they hold at the end of this day, by within how many days it expires.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn expiring(&self, day: Date) -> Result<BTreeMap<Within, BTreeMap<Category, Money>>, OutOfRange> {
        let mut windows: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
        for ((category, last), amount) in &self.lasts {
            let within = match last {
                LastDay::Over => &[Within::Over],
                LastDay::Never => &[Within::Never],
                LastDay::On(last) => Within::of(days(day, *last)),
            };
            for window in within {
                add(windows.entry(*window).or_default(), *category, *amount)?;
            }
        }
        Ok(windows)
    }
}

/// How much of what was issued expired, as a part of one with four decimals; `None` where nothing was issued.
///
/// # Errors
/// [`OutOfRange`] when an amount is.
pub fn breakage_rate(expired: Money, issued: Money) -> Result<Option<Decimal>, OutOfRange> {
    if !issued.is_positive() {
        return Ok(None);
    }
    let (expired, issued) = (Decimal::from(expired.minor()?), Decimal::from(issued.minor()?));
    let rate = expired.checked_div(issued).ok_or(OutOfRange)?;
    let mut rate = rate.round_dp_with_strategy(RATE, RoundingStrategy::MidpointAwayFromZero);
    rate.rescale(RATE);
    Ok(Some(rate))
}

fn add<K: Ord>(sums: &mut BTreeMap<K, Money>, key: K, amount: Money) -> Result<(), OutOfRange> {
    let sum = sums.entry(key).or_insert(Money::zero(amount.currency()));
    *sum = sum.plus(amount)?;
    Ok(())
}

/// Days from one to another.
fn days(from: Date, to: Date) -> i64 {
    from.until((Unit::Day, to)).map_or(0, |span| i64::from(span.get_days()))
}
