//! `GET /v1/reports/…`: what the store's credit came to, by currency, as of today or any day before.
//!
//! All of it are sums over the journal, those of closed days made before. What is summed up here is what was booked since.

use std::collections::BTreeMap;

use edge::{Call, Problem, Reply};
use jiff::{ToSpan, civil::Date};
use ledger::{
    Age, Category, Currency, Day, Flow, Money, OutOfRange, Position, Standing, Within, Zone, breakage_rate,
};
use serde::{Deserialize, Serialize};
use store::{Standings, Store};

/// Bookings of days that are not closed yet which one report adds up, in some seconds: 3,000 read units.
const MAX_OPEN: usize = 50_000;
/// Months that one report may have.
const MAX_MONTHS: usize = 36;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AsOf {
    as_of: Option<Day>,
    currency: Option<Currency>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Months {
    from: Month,
    to: Month,
    currency: Option<Currency>,
}

/// The first day of a month, as a client names the month.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
struct Month(Date);

/// A text is no [`Month`].
#[derive(Debug, thiserror::Error)]
#[error("must be a month such as \"2026-12\"")]
struct InvalidMonth;

impl TryFrom<String> for Month {
    type Error = InvalidMonth;

    fn try_from(text: String) -> Result<Self, InvalidMonth> {
        match format!("{text}-01").parse::<Date>() {
            Ok(day) if month(day) == text => Ok(Self(day)),
            _ => Err(InvalidMonth),
        }
    }
}

/// A report as of the end of a day.
#[derive(Serialize)]
struct Report<T> {
    as_of: Date,
    time_zone: String,
    data: Vec<T>,
}

#[derive(Serialize)]
struct LiabilityView {
    currency: Currency,
    categories: BTreeMap<Category, Money>,
    liability: Money,
    receivable: Money,
    net: Money,
}

#[derive(Serialize)]
struct AgeingView {
    currency: Currency,
    ages: Vec<AgeView>,
    total: Money,
}

#[derive(Serialize)]
struct AgeView {
    days: Age,
    categories: BTreeMap<Category, Money>,
    total: Money,
}

#[derive(Serialize)]
struct ExpiringView {
    currency: Currency,
    expiring: Vec<WithinView>,
    total: Money,
}

#[derive(Serialize)]
struct WithinView {
    expires: Within,
    categories: BTreeMap<Category, Money>,
    total: Money,
}

#[derive(Serialize)]
struct MovementsReport {
    from: String,
    to: String,
    time_zone: String,
    data: Vec<MovementsView>,
}

#[derive(Serialize)]
struct MovementsView {
    month: String,
    currency: Currency,
    opening: PositionView,
    #[serde(flatten)]
    flows: BTreeMap<Flow, PositionView>,
    closing: PositionView,
    breakage_rate: Option<String>,
    breakage_rate_to_date: Option<String>,
}

#[derive(Serialize)]
struct PositionView {
    categories: BTreeMap<Category, Money>,
    owed: Money,
    net: Money,
}

impl PositionView {
    fn new(position: &Position) -> Result<Self, OutOfRange> {
        let categories = all(&position.categories, position.owed.currency());
        Ok(Self { categories, owed: position.owed, net: position.net()? })
    }
}

impl LiabilityView {
    fn new(standing: &Standing, _: Date) -> Result<Self, OutOfRange> {
        let position = standing.position()?;
        Ok(Self {
            currency: standing.currency,
            categories: all(&position.categories, standing.currency),
            liability: position.held()?,
            receivable: position.owed,
            net: position.net()?,
        })
    }
}

impl AgeingView {
    fn new(standing: &Standing, day: Date) -> Result<Self, OutOfRange> {
        let currency = standing.currency;
        let ageing = standing.ageing(day)?;
        let age = |days: &Age| {
            let categories = all(ageing.get(days).unwrap_or(&BTreeMap::new()), currency);
            Ok(AgeView { days: *days, total: total(&categories, currency)?, categories })
        };
        let ages = Age::ALL.iter().map(age).collect::<Result<_, OutOfRange>>()?;
        Ok(Self { currency, ages, total: standing.position()?.held()? })
    }
}

impl ExpiringView {
    fn new(standing: &Standing, day: Date) -> Result<Self, OutOfRange> {
        let currency = standing.currency;
        let expiring = standing.expiring(day)?;
        let window = |expires: &Within| {
            let categories = all(expiring.get(expires).unwrap_or(&BTreeMap::new()), currency);
            Ok(WithinView { expires: *expires, total: total(&categories, currency)?, categories })
        };
        let expiring = Within::ALL.iter().map(window).collect::<Result<_, OutOfRange>>()?;
        Ok(Self { currency, expiring, total: standing.position()?.held()? })
    }
}

impl MovementsView {
    fn new(month: String, before: &Standing, after: &Standing) -> Result<Self, OutOfRange> {
        let change = |flow: Flow| after.flow(flow).minus(&before.flow(flow));
        let flows = Flow::ALL.iter().map(|flow| Ok((*flow, PositionView::new(&change(*flow)?)?)));
        let rate = |expired: Position, issued: Position| {
            let rate = breakage_rate(expired.net()?.negated(), issued.net()?)?;
            Ok(rate.map(|rate| rate.to_string()))
        };
        Ok(Self {
            month,
            currency: after.currency,
            opening: PositionView::new(&before.position()?)?,
            flows: flows.collect::<Result<_, OutOfRange>>()?,
            closing: PositionView::new(&after.position()?)?,
            breakage_rate: rate(change(Flow::Expired)?, change(Flow::Issued)?)?,
            breakage_rate_to_date: rate(after.flow(Flow::Expired), after.flow(Flow::Issued))?,
        })
    }
}

/// What customers hold by category, and what they owe.
pub(crate) async fn liability(store: Store, call: Call) -> Result<Reply, Problem> {
    report(&store, &call, LiabilityView::new).await
}

/// What customers hold by how long ago it came.
pub(crate) async fn ageing(store: Store, call: Call) -> Result<Reply, Problem> {
    report(&store, &call, AgeingView::new).await
}

/// What customers hold by when it expires.
pub(crate) async fn expiring(store: Store, call: Call) -> Result<Reply, Problem> {
    report(&store, &call, ExpiringView::new).await
}

/// What came and went, month by month.
pub(crate) async fn movements(store: Store, call: Call) -> Result<Reply, Problem> {
    let Months { from: Month(from), to: Month(to), currency } = call.query()?;
    let zone = store.settings().await?.policy.time_zone;
    let today = zone.day_of(call.at);
    if to < from {
        return Err(Problem::invalid("to", "must not be before \"from\""));
    }
    if to > today {
        return Err(Problem::invalid("to", "must not be after this month"));
    }
    let opening = from.yesterday().map_err(|_| Problem::invalid("from", "must have a month before it"))?;
    let months = std::iter::successors(Some(from), |month| month.checked_add(1.month()).ok());
    let months: Vec<Date> =
        months.take_while(|month| *month <= to).take(MAX_MONTHS.saturating_add(1)).collect();
    if months.len() > MAX_MONTHS {
        return Err(Problem::invalid("to", format!("must be less than {MAX_MONTHS} months after \"from\"")));
    }
    let ends = months.iter().map(|month| month.last_of_month().min(today));
    let days: Vec<Date> = std::iter::once(opening).chain(ends).collect();

    let standings = store.standings(&zone, &days, MAX_OPEN).await?;
    let mut data = Vec::new();
    for (of, pair) in months.iter().zip(standings.windows(2)) {
        let [before, after] = pair else { continue };
        for standing in of_currency(after, currency) {
            let nothing = Standing::new(standing.currency);
            let before = before.get(&standing.currency).unwrap_or(&nothing);
            data.push(MovementsView::new(month(*of), before, standing).map_err(out_of_range)?);
        }
    }
    Reply::ok(&MovementsReport { from: month(from), to: month(to), time_zone: zone.to_string(), data })
}

/// A report of each currency as of a day.
async fn report<T: Serialize>(
    store: &Store,
    call: &Call,
    view: impl Fn(&Standing, Date) -> Result<T, OutOfRange>,
) -> Result<Reply, Problem> {
    let AsOf { as_of, currency } = call.query()?;
    let zone = store.settings().await?.policy.time_zone;
    let as_of = as_of_day(as_of, &zone, call)?;

    let standings = store.standings(&zone, &[as_of], MAX_OPEN).await?;
    let data = standings.iter().flat_map(|standings| of_currency(standings, currency));
    let data = data.map(|standing| view(standing, as_of)).collect::<Result<_, _>>().map_err(out_of_range)?;
    Reply::ok(&Report { as_of, time_zone: zone.to_string(), data })
}

/// The day at whose end it is asked for; today, unless it says.
fn as_of_day(as_of: Option<Day>, zone: &Zone, call: &Call) -> Result<Date, Problem> {
    let today = zone.day_of(call.at);
    match as_of {
        None => Ok(today),
        Some(Day(day)) if day <= today => Ok(day),
        Some(_) => Err(Problem::invalid("as_of", "must not be after today")),
    }
}

/// Those of one currency, or of all.
fn of_currency(standings: &Standings, currency: Option<Currency>) -> impl Iterator<Item = &Standing> {
    standings.values().filter(move |standing| currency.is_none_or(|asked| standing.currency == asked))
}

/// Every category, those too of which there is nothing.
fn all(categories: &BTreeMap<Category, Money>, currency: Currency) -> BTreeMap<Category, Money> {
    let amount = |category| categories.get(category).copied().unwrap_or(Money::zero(currency));
    Category::ALL.iter().map(|category| (*category, amount(category))).collect()
}

fn total(categories: &BTreeMap<Category, Money>, currency: Currency) -> Result<Money, OutOfRange> {
    Money::sum(currency, categories.values().copied())
}

/// A month as clients name it.
fn month(day: Date) -> String {
    format!("{:04}-{:02}", day.year(), day.month())
}

fn out_of_range(error: OutOfRange) -> Problem {
    Problem::internal(error.to_string())
}
