//! The journal of the books: what each entry moves, page by page and in every form, and that it comes to what the ledger says.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use jiff::{SignedDuration, ToSpan};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::{Due, SHARDS, Store};

use crate::support::{
    dice::Dice,
    world::{World, fresh_key, order},
};

/// Sums by account of the books and currency.
type Sums = BTreeMap<(String, String), Decimal>;

/// Texts that one form or another could stumble over.
const TEXTS: [&str; 8] = [
    "order-1001",
    "=1+1",
    "a \"b\" \\ c, d; e",
    "[2026-13-45] date:2026-13-45",
    "現金 🎉 é",
    "#tag ^link | {cost} @ price",
    "' * ! ; ,,",
    "+1234567890 -x",
];

fn decimal(text: &Value) -> Decimal {
    text.as_str().unwrap().parse().unwrap()
}

/// All bookings of these days, over pages of this size.
pub async fn booked(world: &World, days: &str, limit: usize) -> Vec<Value> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/journal?{days}&limit={limit}{cursor}");
        let answer = world.admin().get(&path).await.expect(200, "");
        let data = answer.json["data"].as_array().unwrap();
        assert!(data.len() <= limit, "{path}");
        all.extend(data.iter().cloned());
        match answer.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// The same as one text, by following the links.
async fn book(world: &World, days: &str, format: &str, limit: usize) -> String {
    let kind = if format == "csv" { "text/csv; charset=utf-8" } else { "text/plain; charset=utf-8" };
    let mut text = String::new();
    let mut path = format!("/v1/journal?{days}&format={format}&limit={limit}");
    loop {
        let answer = world.admin().get(&path).await;
        assert_eq!((answer.status, &answer.headers["content-type"]), (200, &kind.parse().unwrap()));
        text.push_str(&answer.text);
        let Some(link) = answer.headers.get("link") else { return text };
        let link = link.to_str().unwrap().strip_prefix('<').unwrap();
        link.strip_suffix(">; rel=\"next\"").unwrap().clone_into(&mut path);
    }
}

/// What the lines of these bookings come to, each of which comes to zero.
fn sums(bookings: &[Value]) -> Sums {
    let mut sums = Sums::new();
    for booking in bookings {
        let lines = booking["lines"].as_array().unwrap();
        assert_eq!(
            lines.iter().map(|line| decimal(&line["amount"])).sum::<Decimal>(),
            Decimal::ZERO,
            "{booking}"
        );
        for line in lines {
            let account = line["account"].as_str().unwrap().to_owned();
            let currency = booking["currency"].as_str().unwrap().to_owned();
            *sums.entry((account, currency)).or_default() += decimal(&line["amount"]);
        }
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

/// What the API says that the books have to come to: by lots, balances and entries.
async fn expected(world: &World, customers: &[String]) -> Sums {
    let mut sums = Sums::new();
    let mut add = |account: &str, currency: &Value, amount: Decimal| {
        *sums.entry((account.to_owned(), currency.as_str().unwrap().to_owned())).or_default() += amount;
    };
    for customer in customers {
        let accounts = world.admin().get(&format!("/v1/customers/{customer}")).await.json["accounts"].clone();
        for account in accounts.as_array().into_iter().flatten() {
            let (currency, mut lots) = (&account["currency"], Decimal::ZERO);
            for lot in account["lots"].as_array().unwrap() {
                let remaining = decimal(&lot["remaining"]);
                lots += remaining;
                let category = lot["category"].as_str().unwrap();
                let (first, rest) = category.split_at(1);
                let name = format!("Liabilities:StoreCredit:{}{rest}", first.to_uppercase());
                add(&name, currency, -remaining);
            }
            add("Assets:Receivable:StoreCredit", currency, lots - decimal(&account["balance"]));
        }
        for entry in world.entries(customer).await {
            let (currency, amount) = (&entry["currency"], decimal(&entry["amount"]));
            match entry["type"].as_str().unwrap() {
                "redeem" | "capture" | "refund" => add("Assets:SalesClearing", currency, amount),
                "debit" | "void" => add("Income:Adjustments", currency, amount),
                _ => {}
            }
        }
    }
    sums.retain(|_, sum| !sum.is_zero());
    sums
}

/// Those accounts of the books that the ledger tells of.
fn told(sums: &Sums) -> Sums {
    let of_ledger = |account: &str| {
        account.starts_with("Liabilities:")
            || ["Assets:Receivable:StoreCredit", "Assets:SalesClearing", "Income:Adjustments"]
                .contains(&account)
    };
    sums.iter().filter(|((account, _), _)| of_ledger(account)).map(|(at, sum)| (at.clone(), *sum)).collect()
}

/// So many smallest units at most, at random, as text.
fn amount(dice: &mut Dice, decimals: u32, most: u32) -> String {
    Decimal::new(i64::from(dice.roll(most) + 1), decimals).to_string()
}

/// Some weeks of all that can happen to credit, in currencies of 0, 2 and 3 decimals.
pub async fn business(world: &World, seed: u64, steps: u32) -> Vec<String> {
    world
        .settings(json!({
            "time_zone": "America/New_York", "overdraft_limit": {"USD": "20.00", "JPY": "2000", "BHD": "2.000"},
            "expiry_days": {"promotional": 4, "goodwill": 9}, "refund_grace_days": 2, "topup_approval": "automatic",
            "consumption_order": "expiring_first",
        }))
        .await;
    let mut dice = Dice::of_seed(seed);
    let customers: Vec<String> =
        ["alice", "bob@example.com", "-3", "@d", "e.e_e"].map(str::to_owned).to_vec();
    let (mut holds, mut spent) = (Vec::new(), Vec::new());
    for _ in 0..steps {
        world.pass(SignedDuration::from_mins(i64::from(dice.roll(600)) + 1));
        let customer = dice.of(&customers).unwrap().clone();
        let (currency, decimals) = *dice.of(&[("USD", 2), ("JPY", 0), ("BHD", 3)]).unwrap();
        let path = format!("/v1/customers/{customer}");
        let reference = *dice.of(&TEXTS).unwrap();
        let payment = json!({"mode": "offline", "method": dice.of(&TEXTS).unwrap(), "reference": reference});
        match dice.roll(12) {
            0..=2 => {
                let category = dice.of(&["paid", "promotional", "refund", "goodwill", "import"]).unwrap();
                let mut body = json!({"amount": amount(&mut dice, decimals, 4_000), "currency": currency, "category": category});
                if dice.roll(2) == 0 {
                    body["payment"] = payment;
                } else {
                    body["reference"] = json!(reference);
                }
                world.shop().post(&format!("{path}/grants"), &fresh_key(), body).await.expect(201, "");
            }
            3 => {
                let body = json!({"amount": amount(&mut dice, decimals, 2_000), "currency": currency, "payment": payment});
                world.shop().post(&format!("{path}/topups"), &fresh_key(), body).await.expect(201, "");
            }
            kind @ 4..=6 => {
                let total = amount(&mut dice, decimals, 4_000);
                let mut body = json!({"order": order(reference, &total)});
                body["order"]["currency"] = json!(currency);
                if dice.roll(3) > 0 {
                    body["amount"] = json!(total);
                }
                if kind == 6 {
                    body["hold"] = json!(true);
                    body["ttl_seconds"] = json!(604_800);
                }
                let answer = world.shop().post(&format!("{path}/redemptions"), &fresh_key(), body).await;
                if answer.status == 201 {
                    let entry =
                        format!("{path}/redemptions/{}", answer.json["entry"]["id"].as_str().unwrap());
                    if kind == 6 {
                        holds.push((entry, path, decimals))
                    } else {
                        spent.push((entry, decimals))
                    }
                }
            }
            7 => {
                if let Some((hold, path, decimals)) = dice.of(&holds).cloned() {
                    let (what, body) = match dice.roll(3) {
                        0 => ("void", json!({})),
                        1 => ("capture", json!({})),
                        _ => ("capture", json!({"amount": amount(&mut dice, decimals, 500)})),
                    };
                    let answer = world.shop().post(&format!("{hold}/{what}"), &fresh_key(), body).await;
                    if answer.status == 201 && what == "capture" {
                        let entry = answer.json["entry"]["id"].as_str().unwrap();
                        spent.push((format!("{path}/redemptions/{entry}"), decimals));
                    }
                }
            }
            8 => {
                if let Some((spending, decimals)) = dice.of(&spent).cloned() {
                    let whole = dice.roll(2) == 0;
                    let body =
                        if whole { json!({}) } else { json!({"amount": amount(&mut dice, decimals, 900)}) };
                    world.shop().post(&format!("{spending}/refund"), &fresh_key(), body).await;
                }
            }
            9 => {
                let journal = dice.of(&TEXTS).unwrap();
                let body = json!({"amount": amount(&mut dice, decimals, 800), "currency": currency, "journal": journal});
                world.shop().post(&format!("{path}/withdrawals"), &fresh_key(), body).await;
            }
            10 => {
                let accounts = world.admin().get(&path).await.json["accounts"].clone();
                let lots: Vec<Value> = accounts
                    .as_array()
                    .into_iter()
                    .flatten()
                    .flat_map(|account| account["lots"].as_array().unwrap().clone())
                    .collect();
                let reason = json!({"reason": reference});
                if let (Some(lot), 0) = (dice.of(&lots), dice.roll(3)) {
                    let days = i64::from(dice.roll(60)) + 1;
                    let day =
                        world.now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_add(days.days());
                    let path = format!("{path}/lots/{}", lot["id"].as_str().unwrap());
                    let body =
                        if days > 50 { json!({"expires": "never"}) } else { json!({"expires_on": day}) };
                    let headers = [("idempotency-key", &*fresh_key())];
                    world.admin().send("PATCH", &path, &headers, body.to_string().into()).await;
                }
                if let (Some(lot), 0) = (dice.of(&lots), dice.roll(2)) {
                    let path = format!("{path}/lots/{}/void", lot["id"].as_str().unwrap());
                    world.admin().post(&path, &fresh_key(), reason).await;
                } else {
                    let body = json!({"amount": amount(&mut dice, decimals, 500), "currency": currency, "reason": reference});
                    world.admin().post(&format!("{path}/debits"), &fresh_key(), body).await;
                }
            }
            _ => {
                world.expire().await;
            }
        }
    }
    // Somebody who owes at the end.
    world.granted("owing", "1", json!({})).await;
    let spent = json!({"order": order("o-1", "4"), "amount": "4"});
    world.shop().redeem("owing", &fresh_key(), spent).await.expect(201, "");
    // So that all that is due is booked, and what holds kept from expiring.
    world.pass(SignedDuration::from_hours(24 * 8));
    world.expire().await;
    world.catch_up().await;
    customers.into_iter().chain(["owing".to_owned()]).collect()
}

const ALWAYS: &str = "from=2026-11-01&to=2027-12-31";

#[tokio::test]
async fn a_month_of_business_comes_to_what_the_ledger_says_in_every_form() {
    let world = World::start().await;
    let customers = business(&world, 7, 260).await;
    let bookings = booked(&world, ALWAYS, 200).await;
    let sums = sums(&bookings);
    assert_eq!(told(&sums), expected(&world, &customers).await);
    let kinds: BTreeSet<&str> = bookings.iter().map(|booking| booking["type"].as_str().unwrap()).collect();
    let all = ["grant", "topup", "redeem", "capture", "refund", "withdraw", "debit", "void", "expire"];
    assert_eq!(kinds, BTreeSet::from(all));
    let currencies: BTreeSet<&str> = sums.keys().map(|(_, currency)| currency.as_str()).collect();
    assert_eq!(currencies, BTreeSet::from(["BHD", "JPY", "USD"]));
    assert!(sums.keys().any(|(account, _)| account == "Assets:Receivable:StoreCredit"), "nobody owes");

    // In time order, each entry that moves anything once.
    let places: Vec<_> = bookings.iter().map(|booking| booking["at"].as_str().unwrap()).collect();
    assert!(places.is_sorted());
    let mut moving = 0;
    for customer in &customers {
        let entries = world.entries(customer).await;
        moving += entries
            .iter()
            .filter(|entry| !["hold", "release", "expiry_change"].contains(&entry["type"].as_str().unwrap()))
            .count();
    }
    assert_eq!(bookings.len(), moving);
    // Whatever the size of the pages, they are the same.
    for limit in [1, 7, 100] {
        assert_eq!(booked(&world, ALWAYS, limit).await, bookings, "{limit}");
    }
    let csv = book(&world, ALWAYS, "csv", 40).await;
    assert_eq!(csv, book(&world, ALWAYS, "csv", 200).await);
    let lines: usize = bookings.iter().map(|booking| booking["lines"].as_array().unwrap().len()).sum();
    assert_eq!(csv.matches("\r\n").count(), lines + 1);

    // What has to be so of the table, is.
    let (summary, findings) = crate::auditing::audited_table(&world).await;
    assert_eq!((summary.findings, findings), (0, vec![]));
    assert_eq!(journaled(&world, false).await, (vec![], vec![]));

    // For the tools themselves, whom `tests/books` asks.
    let Some(folder) = std::env::var_os("SCRIP_BOOKS") else { return };
    let write = |name: &str, text: &str| fs::write(Path::new(&folder).join(name), text).unwrap();
    write("books.csv", &csv);
    write("books.journal", &book(&world, ALWAYS, "hledger", 40).await);
    write("books.beancount", &book(&world, ALWAYS, "beancount", 40).await);
    let rows = sums.iter().map(|((account, currency), sum)| format!("{account}\t{currency}\t{sum}\n"));
    write("books.tsv", &rows.collect::<String>());
    // And what the reports say, once while every day is open, and once the days before are closed.
    let mut reports = Vec::new();
    for _ in 0..2 {
        let told = world.admin().get("/v1/reports/liability").await.expect(200, "").json["data"].clone();
        reports.push(told);
        world.close_books().await;
    }
    assert_eq!(reports[0], reports[1]);
    write("reports.json", &reports[1].to_string());
}

#[tokio::test]
async fn days_are_those_of_the_stores_zone_and_both_ends_are_in_a_period() {
    let world = World::start().await;
    world.settings(json!({"time_zone": "Pacific/Auckland"})).await;
    // In Auckland, in November, days begin at 11:00 UTC.
    for at in [
        "2026-11-29T10:59:59.999Z",
        "2026-11-29T11:00:00Z",
        "2026-11-30T10:59:59.999Z",
        "2026-11-30T11:00:00Z",
    ] {
        world.set_now(at);
        world.granted("alice", "1", json!({})).await;
    }
    world.catch_up().await;
    let days = async |days: &str| -> Vec<(String, String)> {
        let text = |booking: &Value, member: &str| booking[member].as_str().unwrap().to_owned();
        let bookings = booked(&world, days, 50).await;
        bookings.iter().map(|booking| (text(booking, "entry"), text(booking, "date"))).collect()
    };
    let expect = |entries: &[(&str, &str)]| -> Vec<(String, String)> {
        entries.iter().map(|(entry, date)| ((*entry).to_owned(), (*date).to_owned())).collect()
    };
    let two = [("USD-2", "2026-11-30"), ("USD-3", "2026-11-30")];
    assert_eq!(days("from=2026-11-30&to=2026-11-30").await, expect(&two));
    // Over the end of a month, here and in UTC.
    let four = [("USD-1", "2026-11-29"), two[0], two[1], ("USD-4", "2026-12-01")];
    assert_eq!(days("from=2026-11-01&to=2026-12-31").await, expect(&four));
    assert_eq!(days("from=2026-12-02&to=2027-12-31").await, vec![]);
    assert_eq!(days("from=2020-01-01&to=2026-11-29").await, expect(&four[..1]));
    // Before anything could be booked.
    assert_eq!(days("from=1900-01-01&to=1901-01-01").await, vec![]);
    assert_eq!(days("from=1965-01-01&to=1971-01-01").await, vec![]);
}

#[tokio::test]
async fn what_is_no_period_no_format_or_no_cursor_is_refused_by_name() {
    let world = World::start().await;
    world.granted("alice", "1", json!({})).await;
    world.granted("alice", "1", json!({})).await;
    world.catch_up().await;
    for (query, field) in [
        ("", "from"),
        ("from=2026-11-01", "to"),
        ("to=2026-11-01", "from"),
        ("from=2026-11-02&to=2026-11-01", "to"),
        ("from=2016-11-02&to=2026-11-02", "to"),
        ("from=9999-01-01&to=9999-12-31", "to"),
        ("from=2026-11&to=2026-11-01", "from"),
        ("from=2026-11-01T00:00:00Z&to=2026-11-01", "from"),
        ("from=2026-11-01&to=2026-02-30", "to"),
        ("from=2026-11-01&to=2026-11-30&format=ledger", "format"),
        ("from=2026-11-01&to=2026-11-30&limit=201", "limit"),
        ("from=2026-11-01&to=2026-11-30&currency=USD", "currency"),
    ] {
        let answer = world.admin().get(&format!("/v1/journal?{query}")).await.expect(400, "invalid_request");
        assert_eq!(answer.json["errors"][0]["field"], field, "{query}: {}", answer.text);
    }
    // Ten years less a day, on any calendar.
    world.admin().get("/v1/journal?from=2016-11-02&to=2026-11-01").await.expect(200, "");
    let first = world.admin().get("/v1/journal?from=2026-11-01&to=2026-11-30&limit=1").await.expect(200, "");
    let cursor = first.json["next_cursor"].as_str().unwrap();
    // A cursor is of its own period.
    for days in ["from=2026-11-23&to=2026-11-30", "from=2026-10-01&to=2026-11-21"] {
        world.admin().get(&format!("/v1/journal?{days}&cursor={cursor}")).await.expect(400, "invalid_cursor");
    }
    for place in [json!({"after": ""}), json!({"after": "x"}), json!({"after": 1}), json!({}), json!([])] {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        let cursor = URL_SAFE_NO_PAD.encode(place.to_string());
        let path = format!("/v1/journal?from=2026-11-01&to=2026-11-30&cursor={cursor}");
        world.admin().get(&path).await.expect(400, "invalid_cursor");
    }
}

#[tokio::test]
async fn the_books_have_the_names_that_the_shop_gives_them() {
    let world = World::start().await;
    world.granted("alice", "5", json!({"payment": {"mode": "offline", "method": "bank transfer"}})).await;
    world.granted("alice", "3", json!({"reference": "case-1"})).await;
    world.catch_up().await;
    let first = booked(&world, ALWAYS, 50).await;
    assert_eq!(
        first[1],
        json!({"date": "2026-11-22", "at": "2026-11-22T10:00:00Z", "customer": "alice", "entry": "USD-2", "type": "grant",
            "reference": "case-1", "currency": "USD", "lines": [
                {"account": "Liabilities:StoreCredit:Goodwill", "amount": "-3.00"},
                {"account": "Expenses:Goodwill", "amount": "3.00"}]})
    );
    world
        .settings(json!({"chart_of_accounts": {"payments": "Assets:{method}:Cleared", "liability_goodwill": "Liabilities:1700"}}))
        .await;
    let named = booked(&world, ALWAYS, 50).await;
    assert_eq!(
        named[0]["lines"],
        json!([{"account": "Liabilities:1700", "amount": "-5.00"}, {"account": "Assets:Bank-transfer:Cleared", "amount": "5.00"}])
    );
    assert_eq!(named[1]["lines"][1], first[1]["lines"][1]);
}

/// What `scrip journal` says: what was amiss, and whether it wrote it.
pub async fn journaled(world: &World, write: bool) -> (Vec<String>, Vec<bool>) {
    let store = Store::connect(store::Connection::local(world.table(), world.database()));
    let mut out = Vec::new();
    let journaled = scrip::journal(&store, write, &mut out, &mut Vec::new()).await.unwrap();
    let lines = String::from_utf8(out).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(journaled.amiss, u64::try_from(lines.len()).unwrap());
    let name =
        |line: &Value| format!("{} {}", line["customer"].as_str().unwrap(), line["entry"].as_str().unwrap());
    (lines.iter().map(name).collect(), lines.iter().map(|line| line["written"].as_bool().unwrap()).collect())
}

#[tokio::test]
async fn the_journal_is_made_anew_from_the_entries() {
    let world = World::start().await;
    let customers = business(&world, 11, 120).await;
    let bookings = booked(&world, ALWAYS, 200).await;
    // As of a store that had entries before, some are missing; and one says something else.
    let scanned = world.ask("Scan", json!({"TableName": world.table()})).await;
    let of_journal = |item: &&Value| item["pk"]["S"].as_str().unwrap().starts_with("JOURNAL#");
    let items: Vec<Value> = scanned["Items"].as_array().unwrap().iter().filter(of_journal).cloned().collect();
    // What moved an expiry alone is there as well.
    assert!(items.len() > bookings.len());
    for item in items.iter().step_by(2) {
        let key = json!({"pk": item["pk"], "sk": item["sk"]});
        world.ask("DeleteItem", json!({"TableName": world.table(), "Key": key})).await;
    }
    let mut other = items[1].clone();
    other["b"] = items[3]["b"].clone();
    world.ask("PutItem", json!({"TableName": world.table(), "Item": other})).await;

    let missing = items.len().div_ceil(2) + usize::from(items[1]["b"] != items[3]["b"]);
    for write in [false, true] {
        let (amiss, written) = journaled(&world, write).await;
        assert_eq!(amiss.len(), missing);
        assert!(written.iter().all(|written| *written == write));
    }
    assert_eq!(journaled(&world, true).await, (vec![], vec![]));
    assert_eq!(booked(&world, ALWAYS, 200).await, bookings);
    assert_eq!(told(&sums(&bookings)), expected(&world, &customers).await);
}

#[tokio::test]
async fn records_may_come_late_twice_and_in_any_order() {
    let world = World::start().await;
    world.settings(json!({"overdraft_limit": {"USD": "20.00"}})).await;
    for (at, amount) in [("2026-11-22T10:00:00Z", "5.00"), ("2026-11-23T10:00:00Z", "7.00")] {
        world.set_now(at);
        world.granted("alice", amount, json!({"expires_on": "2026-11-25"})).await;
    }
    let spent = world.shop().redeem("alice", "r", json!({"order": order("1", "8")})).await.expect(201, "");
    let path =
        format!("/v1/customers/alice/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
    world.shop().post(&path, "f", json!({"amount": "4"})).await.expect(201, "");
    world.set_now("2026-11-26T10:00:00Z");
    world.expire().await;
    let alice = "alice".parse().unwrap();
    let entries =
        world.store.entries(&alice, &store::EntriesFilter::default(), None, 50).await.unwrap().unwrap().data;
    // The newest first, and all of them twice.
    for entry in entries.iter().chain(&entries) {
        world.store.book(entry).await.unwrap();
    }
    let backwards = booked(&world, ALWAYS, 50).await;
    assert_eq!(backwards.len(), 5);
    world.catch_up().await;
    assert_eq!(booked(&world, ALWAYS, 50).await, backwards);
    assert_eq!(told(&sums(&backwards)), expected(&world, &["alice".to_owned()]).await);
    // Nor does `rebook` find anything, which reads otherwise.
    for shard in 0..SHARDS {
        for account in world.store.accounts(shard, None, 10).await.unwrap() {
            let Due { customer, .. } = &account;
            let rebooked = world.store.rebook(&account, false).await.unwrap();
            assert_eq!((customer.as_str(), rebooked.entries, rebooked.amiss), ("alice", 5, vec![]));
        }
    }
}
