//! What each operation costs the database: round trips and capacity units, exactly.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::json;
use store::ChangedItem;

use crate::support::{
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
        "expire: BatchGetItem 3, TransactWriteItems 6",
    ];
    assert_eq!(costs, expected);

    for Row { call, trips, measured } in README_ROWS {
        for what in *measured {
            let (read, written) = units[what];
            let row = format!("| {call} | {trips} | {read} | {written} |");
            assert!(
                README.lines().any(|line| line == row),
                "README.md lacks the row, measured of {what}:\n{row}"
            );
        }
    }
    let rows = README.split("## What a call costs").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = rows.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).count();
    assert_eq!(rows, README_ROWS.len() + 1, "README.md has a row that is not measured");
}

const README: &str = include_str!("../../README.md");

/// One row of the README's table, and what it was measured of.
struct Row {
    call: &'static str,
    /// One after the other: what goes at the same time is one.
    trips: u8,
    measured: &'static [&'static str],
}

const README_ROWS: &[Row] = &[
    Row {
        call: "grant, redeem, hold, withdraw, debit",
        trips: 2,
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
        measured: &["grant, the first", "grant that expires before all others"],
    },
    Row {
        call: "capture, void of a hold or a lot",
        trips: 2,
        measured: &["capture", "void of a hold", "void of a lot"],
    },
    Row { call: "refund", trips: 2, measured: &["refund", "refund, the first"] },
    Row { call: "the same again", trips: 1, measured: &["replay"] },
    Row { call: "quote", trips: 1, measured: &["quote"] },
    Row { call: "balance", trips: 1, measured: &["balance"] },
    Row { call: "history of one currency, a page", trips: 1, measured: &["history of one currency"] },
    Row { call: "history, a page", trips: 1, measured: &["history"] },
    Row { call: "request a top-up", trips: 2, measured: &["request top-up"] },
    Row { call: "approve", trips: 2, measured: &["approve"] },
    Row { call: "expire, an account", trips: 2, measured: &["expire"] },
    Row { call: "list a changed balance, behind the call", trips: 3, measured: &["listing a balance"] },
    Row { call: "list of customers, of one", trips: 3, measured: &["list of one customer"] },
];

/// Units of what was read, and of what was written.
fn read_and_written(trips: &[Trip]) -> (Decimal, Decimal) {
    let (written, read): (Vec<_>, Vec<_>) =
        trips.iter().partition(|trip| ["TransactWriteItems", "PutItem"].contains(&trip.operation.as_str()));
    let sum = |trips: Vec<&Trip>| trips.into_iter().map(|trip| trip.units).sum::<Decimal>().normalize();
    (sum(read), sum(written))
}
