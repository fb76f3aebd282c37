//! What each operation costs the database: round trips and capacity units, exactly.

use std::collections::BTreeMap;

use ledger::EntryType;
use serde_json::json;
use store::{ChangedItem, EntriesFilter};

use crate::support::{
    bill::{Bill, Month, Units},
    curve::{LOTS, Measured, curve, read_and_written},
    wire::Trip,
    world::{World, order},
};

/// Trips as text, such as `BatchGetItem 4, TransactWriteItems 5`: requests with their units.
fn cost(trips: &[Trip]) -> String {
    let mut trips: Vec<_> =
        trips.iter().map(|trip| format!("{} {}", trip.operation, trip.units.normalize())).collect();
    // Those that go at the same time come in any order.
    trips.sort();
    trips.join(", ")
}

#[tokio::test]
async fn each_operation_takes_the_trips_and_units_that_the_readme_names() {
    let world = World::start().await;
    let (shop, admin) = (world.shop(), world.admin());
    let mut costs = Vec::new();
    let mut units = BTreeMap::new();
    let mut note = |what: &'static str| {
        let trips = world.wire.trips();
        costs.push(format!("{what}: {}", cost(&trips)));
        units.insert(what, read_and_written(&trips));
    };

    shop.post("/v1/customers/alice/grants", "g1", json!({"amount": "25", "category": "paid"}))
        .await
        .expect(201, "");
    note("grant, the first");
    shop.post("/v1/customers/alice/grants", "g2", json!({"amount": "25", "category": "paid"}))
        .await
        .expect(201, "");
    note("grant");
    let expiring = json!({"amount": "25", "category": "paid", "expires_on": "2026-12-31"});
    shop.post("/v1/customers/alice/grants", "g3", expiring).await.expect(201, "");
    note("grant that expires before all others");
    let noted =
        json!({"amount": "25", "category": "paid", "note": "for the late parcel", "reference": "order-1001"});
    shop.post("/v1/customers/alice/grants", "g4", noted).await.expect(201, "");
    note("grant with a note and a reference");
    let body = json!({"order": order("1", "60")});
    shop.post("/v1/customers/alice/redemptions", "r1", body.clone()).await.expect(201, "");
    note("redeem over three lots");
    assert!(
        shop.post("/v1/customers/alice/redemptions", "r1", body.clone()).await.expect(201, "").is_replayed()
    );
    note("replay");
    shop.post("/v1/customers/alice/redemptions/quote", "-", body).await.expect(200, "");
    note("quote");
    shop.get("/v1/customers/alice").await.expect(200, "");
    note("balance");
    shop.get("/v1/customers/alice/entries?currency=USD").await.expect(200, "");
    note("history of one currency");
    shop.get("/v1/customers/alice/entries").await.expect(200, "");
    note("history");
    let topup =
        json!({"amount": "50", "payment": {"mode": "online", "method": "stripe", "reference": "pi_123"}});
    let requested = shop.post("/v1/customers/alice/topups", "t1", topup).await.expect(201, "");
    note("request top-up");
    admin.get("/v1/topups").await.expect(200, "");
    note("pending top-ups");
    let path =
        format!("/v1/customers/alice/topups/{}/approve", requested.json["topup"]["id"].as_str().unwrap());
    admin.post(&path, "a1", json!({})).await.expect(200, "");
    note("approve");
    let hold = json!({"order": order("2", "10"), "hold": true});
    let held = shop.post("/v1/customers/alice/redemptions", "h1", hold).await.expect(201, "");
    note("hold");
    let path =
        format!("/v1/customers/alice/redemptions/{}/capture", held.json["entry"]["id"].as_str().unwrap());
    let captured = shop.post(&path, "c1", json!({"amount": "6"})).await.expect(201, "");
    note("capture");
    let path =
        format!("/v1/customers/alice/redemptions/{}/refund", captured.json["entry"]["id"].as_str().unwrap());
    shop.post(&path, "f1", json!({"amount": "2"})).await.expect(201, "");
    note("refund, the first");
    shop.post(&path, "f2", json!({"amount": "2"})).await.expect(201, "");
    note("refund");
    shop.post("/v1/customers/alice/withdrawals", "w1", json!({"amount": "1", "journal": "cash"}))
        .await
        .expect(201, "");
    note("withdraw");
    admin
        .post("/v1/customers/alice/debits", "d1", json!({"amount": "1", "reason": "counted twice"}))
        .await
        .expect(201, "");
    note("debit");
    let lot = json!({"reason": "by mistake"});
    admin.post("/v1/customers/alice/lots/USD-4/void", "v1", lot).await.expect(201, "");
    note("void of a lot");
    let hold = json!({"order": order("3", "10"), "hold": true});
    let held = shop.post("/v1/customers/alice/redemptions", "h2", hold).await.expect(201, "");
    world.wire.trips();
    let path = format!("/v1/customers/alice/redemptions/{}/void", held.json["entry"]["id"].as_str().unwrap());
    shop.post(&path, "v2", json!({})).await.expect(201, "");
    note("void of a hold");
    let first = json!({"amount": "25", "category": "paid", "expires_on": "2026-12-31"});
    shop.post("/v1/customers/bob/grants", "g1", first).await.expect(201, "");
    note("grant, the first, that expires");
    world.store.relist(&ChangedItem::of("C#bob", "A#USD", true, (None, None))).await.unwrap();
    note("listing a new account");
    shop.post("/v1/customers/bob/grants", "g2", json!({"amount": "25", "category": "paid"}))
        .await
        .expect(201, "");
    world.wire.trips();
    world.store.relist(&ChangedItem::of("C#bob", "A#USD", false, (None, None))).await.unwrap();
    note("listing a balance");
    admin.get("/v1/customers?sort=-balance").await.expect(200, "");
    note("list of one customer");
    let alice = "alice".parse().unwrap();
    let entries =
        world.store.entries(&alice, &EntriesFilter::default(), None, 50).await.unwrap().unwrap().data;
    world.wire.trips();
    let entry = |kind| entries.iter().find(|entry| entry.kind == kind).unwrap();
    world.store.book(entry(EntryType::Redeem)).await.unwrap();
    note("booking a redemption");
    world.store.book(entry(EntryType::Refund)).await.unwrap();
    note("booking a refund");
    world.store.book(entry(EntryType::Hold)).await.unwrap();
    note("booking a hold");
    for entry in &entries {
        world.store.book(entry).await.unwrap();
    }
    world.wire.trips();
    admin.get("/v1/journal?from=2026-11-01&to=2026-11-30&limit=200").await.expect(200, "");
    note("journal");

    // Of days that are closed, and of one on which nothing was booked yet.
    let report = async |day: &str| {
        admin.get(&format!("/v1/reports/liability?as_of={day}")).await.expect(200, "");
    };
    for (now, closes) in
        [("2026-11-23T01:00:00Z", "closing the first days"), ("2026-11-24T01:00:00Z", "closing a day")]
    {
        world.set_now(now);
        report("2026-11-22").await;
        world.wire.trips();
        world.close_books().await;
        if closes == "closing a day" {
            note(closes);
        }
    }
    world.wire.trips();
    report("2026-11-22").await;
    note("report of a closed day");
    report("2026-11-24").await;
    note("report of an open day");

    world.set_now("2027-01-01T00:00:00Z");
    world
        .store
        .expire(&"alice".parse().unwrap(), "USD".parse().unwrap(), world.now())
        .await
        .unwrap()
        .unwrap();
    note("expire");

    let expected = [
        // One unit is that of the index of all accounts, which no later entry writes.
        "grant, the first: BatchGetItem 4, TransactWriteItems 6",
        "grant: BatchGetItem 4, TransactWriteItems 5",
        "grant that expires before all others: BatchGetItem 4, TransactWriteItems 6",
        "grant with a note and a reference: BatchGetItem 4, TransactWriteItems 5",
        "redeem over three lots: BatchGetItem 4, TransactWriteItems 5",
        "replay: BatchGetItem 4",
        "quote: BatchGetItem 3",
        // At the same time: the customer and the settings.
        "balance: GetItem 1, Query 1",
        "history of one currency: Query 1",
        // At the same time: which accounts there are, and the newest entries.
        "history: Query 1, Query 1",
        "request top-up: BatchGetItem 4, TransactWriteItems 6",
        "pending top-ups: BatchGetItem 1, Query 0.5",
        "approve: BatchGetItem 5, TransactWriteItems 7",
        "hold: BatchGetItem 4, TransactWriteItems 5",
        "capture: BatchGetItem 5, Query 1, TransactWriteItems 5",
        "refund, the first: BatchGetItem 5, Query 1, TransactWriteItems 7",
        "refund: BatchGetItem 5, Query 1, TransactWriteItems 7",
        "withdraw: BatchGetItem 4, TransactWriteItems 5",
        "debit: BatchGetItem 4, TransactWriteItems 5",
        "void of a lot: BatchGetItem 5, Query 1, TransactWriteItems 5",
        "void of a hold: BatchGetItem 5, Query 1, TransactWriteItems 5",
        "grant, the first, that expires: BatchGetItem 4, TransactWriteItems 7",
        // Behind the call, once for each account and batch.
        "listing a new account: GetItem 1, PutItem 2, PutItem 2",
        "listing a balance: GetItem 1, GetItem 1, PutItem 3",
        // The settings; then the four parts of the list at the same time; then the customer.
        "list of one customer: BatchGetItem 2, GetItem 1, Query 0.5, Query 0.5, Query 0.5, Query 0.5",
        // An entry whose lots it tells of; one that gives back; one that moves nothing.
        "booking a redemption: PutItem 1",
        "booking a refund: PutItem 1, Query 1",
        "booking a hold: ",
        // The settings; then the four parts of the month at the same time.
        "journal: GetItem 1, Query 1, Query 1, Query 1, Query 1",
        "closing a day: GetItem 1, GetItem 1, Query 1, Query 1, Query 1, Query 1, Query 1, TransactWriteItems 2",
        "report of a closed day: GetItem 1, GetItem 1, Query 1",
        "report of an open day: GetItem 1, GetItem 1, Query 1, Query 1, Query 1, Query 1, Query 1",
        "expire: BatchGetItem 3, TransactWriteItems 6",
    ];
    assert_eq!(costs, expected);

    let bill = Bill::read();
    let memory = format!("MemorySize: {}", bill.memory());
    assert!(TEMPLATE.contains(&memory), "the template does not say {memory}");
    let mut calls = BTreeMap::new();
    for Row { call, trips, by, measured } in README_ROWS {
        for what in *measured {
            let (read, written) = units[what];
            let spent = Units { read, written, trips: *trips };
            let dollars =
                if *by == By::Schedule { bill.database(spent) } else { bill.call(spent) }.round_dp(2);
            shown(&format!("| {call} | {trips} | {read} | {written} | {dollars:.2} |"), what);
            calls.insert(*call, (spent, *by == By::CallThatEnters));
        }
    }

    let (redemption, listing) =
        (calls["grant, redeem, hold, withdraw, debit"].0, [calls[LISTING].0, calls[BOOKING].0]);
    let sums = [
        ("a million redemptions: API, function, database", bill.call(redemption)),
        ("behind them: lists, journal, and who is told", bill.behind(&listing)),
        ("their logs", bill.logs()),
    ];
    for (what, dollars) in sums.map(|(what, dollars)| (what, dollars.round_dp(2))) {
        shown(&format!("| {what} | {dollars:.2} |"), what);
    }
    let rows = README_ROWS.len().strict_add(sums.len());
    assert_eq!(rows_below("## What a call costs"), rows, "README.md has a row that is not measured");
    let alarms = TEMPLATE.matches("AWS::CloudWatch::Alarm").count().try_into().unwrap();
    let months = bill.months(&calls, &listing, alarms);
    for Month { shop, list, free } in &months {
        let (list, free) = (list.round_dp(2), free.round_dp(2));
        shown(&format!("| {shop} | {list:.2} | {free:.2} |"), shop);
    }
    assert_eq!(
        rows_below("### What a month costs"),
        months.len(),
        "README.md has a row that is not computed"
    );
}

/// What the README has to say.
#[track_caller]
fn shown(row: &str, of: &str) {
    assert!(README.lines().any(|line| line == row), "README.md lacks the row, of {of}:\n{row}");
}

/// Rows of the tables below a heading, without their heads.
fn rows_below(heading: &str) -> usize {
    let below = README.split(heading).nth(1).unwrap().split("\n#").next().unwrap();
    let rows = |start: &str| below.lines().filter(|line| line.starts_with(start)).count();
    rows("| ").strict_sub(rows("| ---").strict_mul(2))
}

const TEMPLATE: &str = include_str!("../../infra/template.yaml");
const README: &str = include_str!("../../README.md");

/// One row of the README's table, and what it was measured of.
struct Row {
    call: &'static str,
    /// One after the other: what goes at the same time is one.
    trips: u32,
    by: By,
    measured: &'static [&'static str],
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// A call that makes an entry, which the lists and those who are told follow.
    CallThatEnters,
    Call,
    /// A function that nobody calls.
    Schedule,
}

/// The row of what follows each entry.
const LISTING: &str = "list a changed balance, behind the call";

/// And the other.
const BOOKING: &str = "book an entry, behind the call";

const README_ROWS: &[Row] = &[
    Row {
        call: "grant, redeem, hold, withdraw, debit",
        trips: 2,
        by: By::CallThatEnters,
        measured: &[
            "grant",
            "grant with a note and a reference",
            "redeem over three lots",
            "hold",
            "withdraw",
            "debit",
        ],
    },
    Row {
        call: "grant that is an account's first, or expires before all others",
        trips: 2,
        by: By::CallThatEnters,
        measured: &["grant, the first", "grant that expires before all others"],
    },
    Row {
        call: "capture, void of a hold or a lot",
        trips: 2,
        by: By::CallThatEnters,
        measured: &["capture", "void of a hold", "void of a lot"],
    },
    Row { call: "refund", trips: 2, by: By::CallThatEnters, measured: &["refund", "refund, the first"] },
    Row { call: "the same again", trips: 1, by: By::Call, measured: &["replay"] },
    Row { call: "quote", trips: 1, by: By::Call, measured: &["quote"] },
    Row { call: "balance", trips: 1, by: By::Call, measured: &["balance"] },
    Row {
        call: "history of one currency, a page",
        trips: 1,
        by: By::Call,
        measured: &["history of one currency"],
    },
    Row { call: "history, a page", trips: 1, by: By::Call, measured: &["history"] },
    Row { call: "request a top-up", trips: 2, by: By::Call, measured: &["request top-up"] },
    Row { call: "approve", trips: 2, by: By::CallThatEnters, measured: &["approve"] },
    Row { call: "expire, an account", trips: 2, by: By::Schedule, measured: &["expire"] },
    Row { call: LISTING, trips: 3, by: By::Schedule, measured: &["listing a balance"] },
    Row { call: BOOKING, trips: 1, by: By::Schedule, measured: &["booking a redemption"] },
    Row { call: "list of customers, of one", trips: 3, by: By::Call, measured: &["list of one customer"] },
    Row { call: "journal of a month, a page", trips: 2, by: By::Call, measured: &["journal"] },
    Row {
        call: "report as of a day that is closed, of one currency",
        trips: 3,
        by: By::Call,
        measured: &["report of a closed day"],
    },
    Row {
        call: "report as of today, where nothing was booked yet",
        trips: 4,
        by: By::Call,
        measured: &["report of an open day"],
    },
    Row { call: "close a day", trips: 5, by: By::Schedule, measured: &["closing a day"] },
];

/// The page of figures, of which this test holds the part that is counted.
const PAGE: &str = include_str!("../../docs/performance.md");

#[tokio::test]
async fn over_so_many_open_lots_a_call_takes_the_units_that_the_page_names() {
    let world = World::start().await;
    let mut rows: BTreeMap<(usize, &str, bool), BTreeMap<usize, String>> = BTreeMap::new();
    let mut order = Vec::new();
    for lots in LOTS {
        for Measured { operation, touched, read, written, .. } in curve(&world, lots).await {
            let moves_all = touched > 1 && touched == lots;
            if !order.contains(&operation) {
                order.push(operation);
            }
            let at = order.iter().position(|known| *known == operation).unwrap();
            rows.entry((at, operation, moves_all)).or_default().insert(lots, format!("{read} + {written}"));
        }
    }
    let mut table = format!(
        "| call, read + write units | {} open lots |\n",
        LOTS.map(|lots| lots.to_string()).join(" | ")
    );
    table.push_str(&format!("|{}\n", " --- |".repeat(LOTS.len().strict_add(1))));
    for ((_, operation, moves_all), by_lots) in &rows {
        let name = if *moves_all { format!("{operation}, of all lots") } else { (*operation).to_owned() };
        let cells = LOTS.map(|lots| by_lots.get(&lots).map_or("–", String::as_str));
        table.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    let (before, rest) = PAGE.split_once("<!-- units -->\n").unwrap();
    let (told, after) = rest.split_once("<!-- end -->").unwrap();
    if std::env::var_os("SCRIP_WRITE").is_some() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
        std::fs::write(page, format!("{before}<!-- units -->\n{table}<!-- end -->{after}")).unwrap();
        return;
    }
    assert_eq!(told, table, "docs/performance.md is not what was counted; SCRIP_WRITE=1 writes it");
}
