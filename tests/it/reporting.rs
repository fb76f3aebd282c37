//! Reports: on every day they say what the accounts' lots were at its end, what the journal says, and the same whether its books
//! are closed or not.

use std::{collections::BTreeMap, time::Duration};

use edge::Event;
use jiff::{SignedDuration, Timestamp, ToSpan, Unit, civil::Date, tz::TimeZone};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::{Connection, Error, Store};

use crate::{
    booking::{booked, business, journaled},
    support::world::World,
};

/// Amounts by currency, by what the report calls them, and by category.
type Amounts = BTreeMap<(String, String, String), Decimal>;

const CATEGORIES: [&str; 5] = ["paid", "promotional", "refund", "goodwill", "import"];

fn decimal(text: &Value) -> Decimal {
    text.as_str().unwrap_or_else(|| panic!("{text} is no amount")).parse().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn add(amounts: &mut Amounts, key: (&str, &str, &str), amount: Decimal) {
    let (currency, what, category) = key;
    *amounts.entry((currency.to_owned(), what.to_owned(), category.to_owned())).or_default() += amount;
}

/// Without what is nothing.
fn told(mut amounts: Amounts) -> Amounts {
    amounts.retain(|_, amount| !amount.is_zero());
    amounts
}

/// What three reports say as of this day.
async fn reported(world: &World, day: Date) -> Amounts {
    let mut amounts = Amounts::new();
    let report = async |name: &str| -> Vec<Value> {
        let path = format!("/v1/reports/{name}?as_of={day}");
        let answer = world.admin().get(&path).await.expect(200, "");
        assert_eq!(answer.json["as_of"], json!(day));
        answer.json["data"].as_array().unwrap().clone()
    };
    for row in report("liability").await {
        let currency = text(&row["currency"]);
        let mut sum = Decimal::ZERO;
        for category in CATEGORIES {
            let amount = decimal(&row["categories"][category]);
            sum += amount;
            add(&mut amounts, (&currency, "liability", category), amount);
        }
        assert_eq!(sum, decimal(&row["liability"]), "{row}");
        assert_eq!(sum - decimal(&row["receivable"]), decimal(&row["net"]), "{row}");
        add(&mut amounts, (&currency, "receivable", ""), decimal(&row["receivable"]));
    }
    for (name, rows, what) in [("ageing", "ages", "days"), ("expiring", "expiring", "expires")] {
        for row in report(name).await {
            let currency = text(&row["currency"]);
            let mut sum = Decimal::ZERO;
            for bucket in row[rows].as_array().unwrap() {
                let bucket_name = text(&bucket[what]);
                for category in CATEGORIES {
                    let amount = decimal(&bucket["categories"][category]);
                    add(&mut amounts, (&currency, &bucket_name, category), amount);
                }
                let of_categories: Decimal =
                    CATEGORIES.iter().map(|category| decimal(&bucket["categories"][category])).sum();
                assert_eq!(of_categories, decimal(&bucket["total"]), "{bucket}");
                // What is within 30 days is within 60 and 90 also.
                if !["within_30", "within_60"].contains(&&*bucket_name) {
                    sum += of_categories;
                }
            }
            assert_eq!(sum, decimal(&row["total"]), "{row}");
        }
    }
    told(amounts)
}

/// The moment at which a day ends there.
fn end_of(day: Date, zone: &str) -> Timestamp {
    day.tomorrow().unwrap().to_zoned(TimeZone::get(zone).unwrap()).unwrap().timestamp()
}

fn day_of(at: Timestamp, zone: &str) -> Date {
    at.to_zoned(TimeZone::get(zone).unwrap()).date()
}

fn days(from: Date, to: Date) -> i32 {
    from.until((Unit::Day, to)).unwrap().get_days()
}

/// What the accounts say that the reports have to, as they were at the end of this day.
async fn expected(world: &World, customers: &[String], day: Date, zone: &str) -> Amounts {
    let mut amounts = Amounts::new();
    let end = end_of(day, zone).checked_sub(SignedDuration::from_millis(1)).unwrap().min(world.now());
    for customer in customers {
        let answer = world.admin().get(&format!("/v1/customers/{customer}?as_of={end}")).await;
        for account in answer.json["accounts"].as_array().into_iter().flatten() {
            let (currency, mut lots) = (text(&account["currency"]), Decimal::ZERO);
            for lot in account["lots"].as_array().unwrap() {
                let (category, remaining) = (text(&lot["category"]), decimal(&lot["remaining"]));
                lots += remaining;
                add(&mut amounts, (&currency, "liability", &category), remaining);
                let granted_at: Timestamp = text(&lot["granted_at"]).parse().unwrap();
                let age = match days(day_of(granted_at, zone), day) {
                    ..31 => "0-30",
                    31..61 => "31-60",
                    61..91 => "61-90",
                    91..181 => "91-180",
                    181..366 => "181-365",
                    _ => "over_365",
                };
                add(&mut amounts, (&currency, age, &category), remaining);
                let left = lot["expires_at"].as_str().map(|expires_at| {
                    let expires_at: Timestamp = expires_at.parse().unwrap();
                    days(day, day_of(expires_at.checked_sub(SignedDuration::from_millis(1)).unwrap(), zone))
                });
                for (name, is) in [
                    ("over", left.is_some_and(|left| left <= 0)),
                    ("within_30", left.is_some_and(|left| left > 0 && left <= 30)),
                    ("within_60", left.is_some_and(|left| left > 0 && left <= 60)),
                    ("within_90", left.is_some_and(|left| left > 0 && left <= 90)),
                    ("later", left.is_some_and(|left| left > 90)),
                    ("never", left.is_none()),
                ] {
                    if is {
                        add(&mut amounts, (&currency, name, &category), remaining);
                    }
                }
            }
            add(&mut amounts, (&currency, "receivable", ""), lots - decimal(&account["balance"]));
        }
    }
    told(amounts)
}

/// By month, currency, flow and category what the journal moved; what is owed has the category `owed`.
async fn journal_moved(world: &World) -> BTreeMap<(String, String, String, String), Decimal> {
    let mut moved = BTreeMap::new();
    for booking in booked(world, "from=2026-11-01&to=2028-12-31", 200).await {
        let flow = match booking["type"].as_str().unwrap() {
            "grant" | "topup" => "issued",
            "redeem" | "capture" => "used",
            "refund" => "refunded",
            "expire" => "expired",
            "withdraw" => "withdrawn",
            "debit" | "void" => "adjusted",
            other => panic!("{other}"),
        };
        let month = booking["date"].as_str().unwrap()[..7].to_owned();
        for line in booking["lines"].as_array().unwrap() {
            let account = line["account"].as_str().unwrap();
            let amount = decimal(&line["amount"]);
            let (name, amount) = match account.strip_prefix("Liabilities:StoreCredit:") {
                Some(category) => (category.to_lowercase(), -amount),
                None if account == "Assets:Receivable:StoreCredit" => ("owed".to_owned(), amount),
                None => continue,
            };
            let key = (month.clone(), text(&booking["currency"]), flow.to_owned(), name);
            *moved.entry(key).or_insert(Decimal::ZERO) += amount;
        }
    }
    moved.retain(|_, amount| !amount.is_zero());
    moved
}

/// The same as the report has it, whose rows add up.
async fn report_moved(world: &World, months: &str) -> BTreeMap<(String, String, String, String), Decimal> {
    let answer = world.admin().get(&format!("/v1/reports/movements?{months}")).await.expect(200, "");
    let mut moved = BTreeMap::new();
    let mut closing: BTreeMap<String, Value> = BTreeMap::new();
    for row in answer.json["data"].as_array().unwrap() {
        let (month, currency) = (text(&row["month"]), text(&row["currency"]));
        let flows = ["issued", "used", "refunded", "expired", "withdrawn", "adjusted"];
        let of = |what: &str, name: &str| match name {
            "owed" | "net" => decimal(&row[what][name]),
            category => decimal(&row[what]["categories"][category]),
        };
        for name in CATEGORIES.iter().copied().chain(["owed", "net"]) {
            let changes: Decimal = flows.iter().map(|flow| of(flow, name)).sum();
            assert_eq!(of("opening", name) + changes, of("closing", name), "{name} of {row}");
        }
        if let Some(before) = closing.insert(currency.clone(), row["closing"].clone()) {
            assert_eq!(before, row["opening"], "{row}");
        }
        for flow in flows {
            for name in CATEGORIES.iter().copied().chain(["owed"]) {
                let key = (month.clone(), currency.clone(), flow.to_owned(), name.to_owned());
                moved.insert(key, of(flow, name));
            }
        }
        let rate = |expired: Decimal, issued: Decimal| {
            let rate = (issued > Decimal::ZERO).then(|| {
                (expired / issued)
                    .round_dp_with_strategy(4, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
            });
            rate.map(|rate| format!("{rate:.4}"))
        };
        assert_eq!(row["breakage_rate"], json!(rate(-of("expired", "net"), of("issued", "net"))), "{row}");
    }
    moved.retain(|_, amount| !amount.is_zero());
    moved
}

#[tokio::test]
async fn on_every_day_reports_are_what_lots_and_journal_say() {
    let world = World::start().await;
    let zone = "America/New_York";
    let customers = business(&world, 7, 170).await;
    let (first, today) = (day_of("2026-11-22T10:00:00Z".parse().unwrap(), zone), day_of(world.now(), zone));
    let mut expectations = Vec::new();
    let mut day = first.yesterday().unwrap();
    while day <= today {
        expectations.push((day, expected(&world, &customers, day, zone).await));
        day = day.tomorrow().unwrap();
    }
    assert!(expectations.len() > 30 && expectations[0].1.is_empty());
    let whole = &expectations.last().unwrap().1;
    for bucket in ["31-60", "0-30", "never", "receivable"] {
        assert!(whole.keys().any(|(_, what, _)| what == bucket), "nothing is {bucket}: {whole:?}");
    }
    let months = format!("from=2026-10&to={:04}-{:02}", today.year(), today.month());

    // Nothing is closed yet.
    for (day, expected) in expectations.iter().step_by(13).chain(expectations.last()) {
        assert_eq!(&reported(&world, *day).await, expected, "{day}, open");
    }
    let moved = journal_moved(&world).await;
    assert_eq!(report_moved(&world, &months).await, moved);

    // All but the last days are.
    let now = world.now();
    let before = end_of(today.checked_sub(9.days()).unwrap(), zone);
    world.set_now(&before.checked_add(SignedDuration::from_mins(61)).unwrap().to_string());
    let run = world.close_books().await;
    assert_eq!(run.closed.through, Some(today.checked_sub(9.days()).unwrap()));
    assert!(run.closed.days > 20 && run.closed.bookings > 80 && !run.interrupted, "{run:?}");
    assert_eq!(world.close_books().await.closed.days, 0);
    world.set_now(&now.to_string());
    for (day, expected) in &expectations {
        assert_eq!(&reported(&world, *day).await, expected, "{day}, closed in part");
    }
    assert_eq!(report_moved(&world, &months).await, moved);

    // All are, and by two at once.
    let (one, other) = tokio::join!(world.close_books(), world.close_books());
    assert!([&one, &other].iter().any(|run| run.closed.through == Some(today.yesterday().unwrap())));
    for (day, expected) in expectations.iter().rev().take(14) {
        assert_eq!(&reported(&world, *day).await, expected, "{day}, closed");
    }
    assert_eq!(report_moved(&world, &months).await, moved);
    // What was booked from a part of the entries is what all of them say.
    assert_eq!(journaled(&world, false).await, (vec![], vec![]));
    let (summary, findings) = crate::auditing::audited_table(&world).await;
    assert_eq!((summary.findings, findings), (0, vec![]));

    // Long after, when ages and expiries are others, and nothing was booked meanwhile.
    world.pass(SignedDuration::from_hours(24 * 400));
    let later = day_of(world.now(), zone);
    let expected = expected(&world, &customers, later, zone).await;
    assert!(expected.keys().any(|(_, what, _)| what == "over_365"));
    for closed in [false, true] {
        if closed {
            world.close_books().await;
        }
        assert_eq!(reported(&world, later).await, expected);
    }

    // Another zone has other days: the books begin anew.
    let zone = "Pacific/Auckland";
    world.settings(json!({"time_zone": zone, "overdraft_limit": {"USD": "20.00"}})).await;
    for closed in [false, true] {
        if closed {
            assert!(world.close_books().await.closed.days > 20);
        }
        for (day, _) in expectations.iter().step_by(11) {
            let expected = self::expected(&world, &customers, *day, zone).await;
            assert_eq!(reported(&world, *day).await, expected, "{day} in {zone}, closed: {closed}");
        }
    }
}

#[tokio::test]
async fn what_comes_late_opens_the_books_again() {
    let world = World::start().await;
    let customers = ["alice".to_owned()];
    for day in 22..27 {
        world.set_now(&format!("2026-11-{day}T10:00:00Z"));
        world.granted("alice", &format!("{day}"), json!({"expires_on": "2027-03-01"})).await;
        if day < 25 {
            world.catch_up().await;
        }
    }
    // The stream is behind by two days, and nobody knows.
    world.set_now("2026-11-28T01:00:00Z");
    let run = world.close_books().await;
    assert_eq!((run.closed.days, run.closed.through), (3, Some("2026-11-27".parse().unwrap())));
    let report = async |day: &str| reported(&world, day.parse().unwrap()).await;
    let expect = async |day: &str| expected(&world, &customers, day.parse().unwrap(), "UTC").await;
    assert_ne!(report("2026-11-26").await, expect("2026-11-26").await);
    world.catch_up().await;
    let days = ["2026-11-22", "2026-11-24", "2026-11-25", "2026-11-26", "2026-11-27"];
    for closed in [false, true] {
        if closed {
            assert_eq!(world.close_books().await.closed.days, 2);
        }
        for day in days {
            assert_eq!(report(day).await, expect(day).await, "{day}, closed: {closed}");
        }
    }

    // What the journal had lost comes late as well, and is known once it is written again.
    let scanned = world.ask("Scan", json!({"TableName": world.table()})).await;
    let journal = scanned["Items"].as_array().unwrap().iter();
    let mut journal = journal.filter(|item| item["pk"]["S"].as_str().unwrap().starts_with("JOURNAL#"));
    let lost = journal.find(|item| item["sk"]["S"].as_str().unwrap().ends_with("2")).unwrap();
    let key = json!({"pk": lost["pk"], "sk": lost["sk"]});
    world.ask("DeleteItem", json!({"TableName": world.table(), "Key": key})).await;
    let store = Store::connect(Connection::local(world.table(), world.database()));
    store.close_books_anew().await.unwrap();
    assert_eq!(world.close_books().await.closed.days, 4);
    assert_ne!(report("2026-11-27").await, expect("2026-11-27").await);
    assert_eq!(journaled(&world, true).await.0, ["alice USD-2"]);
    for closed in [false, true] {
        if closed {
            assert_eq!(world.close_books().await.closed.days, 4);
        }
        for day in days {
            assert_eq!(report(day).await, expect(day).await, "{day}, mended, closed: {closed}");
        }
    }
}

#[tokio::test]
async fn a_day_is_closed_an_hour_after_its_end_and_a_run_that_is_stopped_is_gone_on_with() {
    let world = World::start().await;
    world.settings(json!({"time_zone": "America/New_York"})).await;
    world.granted("alice", "5", json!({})).await;
    world.catch_up().await;
    // There, days end at 05:00 UTC.
    let through = |run: close_books::Run| run.closed.through.map(|day| day.to_string());
    for (at, closed) in [
        ("2026-11-23T05:59:59.999Z", "2026-11-21"),
        ("2026-11-23T06:00:00Z", "2026-11-22"),
        ("2026-11-23T05:00:00Z", "2026-11-22"),
    ] {
        world.set_now(at);
        assert_eq!(through(world.close_books().await).as_deref(), Some(closed), "{at}");
    }
    for day in 23..26 {
        world.set_now(&format!("2026-11-{day}T12:00:00Z"));
        world.granted("alice", "1", json!({})).await;
        world.catch_up().await;
    }
    world.set_now("2026-11-27T12:00:00Z");
    let event = Event { at: world.now(), time_left: Duration::ZERO };
    let run = close_books::close_books(world.store.clone(), event).await.unwrap();
    assert!(run.interrupted && run.closed.days < 3, "{run:?}");
    // Something that comes while they are closed stops whoever closes them, or is in what they close.
    let late = "2026-11-24T12:00:00Z".parse().unwrap();
    let (_, reopened) = tokio::join!(world.close_books(), world.store.reopen_books(late));
    reopened.unwrap();
    assert_eq!(through(world.close_books().await).as_deref(), Some("2026-11-26"));
    let customers = ["alice".to_owned()];
    for day in ["2026-11-23", "2026-11-24", "2026-11-26"] {
        let day = day.parse().unwrap();
        let expected = expected(&world, &customers, day, "America/New_York").await;
        assert_eq!(reported(&world, day).await, expected);
    }
}

#[tokio::test]
async fn more_than_is_added_up_at_once_waits_for_the_books() {
    let world = World::start().await;
    for _ in 0..4 {
        world.granted("alice", "5", json!({})).await;
    }
    world.catch_up().await;
    let (zone, day) = (ledger::Zone::utc(), "2026-11-22".parse().unwrap());
    let sum = async |most: usize| world.store.standings(&zone, &[day], most).await;
    assert!(matches!(sum(3).await, Err(Error::NotClosed)));
    let problem = edge::Problem::from(Error::NotClosed);
    assert_eq!((problem.status().as_u16(), problem.code()), (503, "unavailable"));
    assert_eq!(sum(4).await.unwrap().len(), 1);
    world.set_now("2026-11-23T01:00:00Z");
    world.close_books().await;
    let closed = sum(0).await.unwrap();
    assert_eq!(closed[0].values().next().unwrap().position().unwrap().net().unwrap().to_string(), "20.00");
}

#[tokio::test]
async fn what_is_no_day_no_month_or_no_currency_is_refused_by_name() {
    let world = World::start().await;
    for (query, field) in [
        ("liability?as_of=2026-11-23", "as_of"),
        ("ageing?as_of=2026-11", "as_of"),
        ("expiring?as_of=2026-02-30", "as_of"),
        ("liability?as_of=2026-11-22T00:00:00Z", "as_of"),
        ("liability?on=2026-11-22", "on"),
        ("movements?from=2026-11", "to"),
        ("movements?to=2026-11", "from"),
        ("movements?from=2026-11&to=2026-12", "to"),
        ("movements?from=2026-11&to=2026-10", "to"),
        ("movements?from=2023-11&to=2026-11", "to"),
        ("movements?from=2026-11-01&to=2026-11", "from"),
        ("movements?from=2026-1&to=2026-11", "from"),
        ("movements?from=2026-13&to=2026-11", "from"),
    ] {
        let answer = world.admin().get(&format!("/v1/reports/{query}")).await.expect(400, "invalid_request");
        assert_eq!(answer.json["errors"][0]["field"], field, "{query}: {}", answer.text);
    }
    for query in ["liability", "liability?as_of=1900-01-01", "movements?from=2023-12&to=2026-11&currency=EUR"]
    {
        let answer = world.admin().get(&format!("/v1/reports/{query}")).await.expect(200, "");
        assert_eq!(answer.json["data"], json!([]), "{query}");
    }
}
