//! What each operation costs the database: round trips and capacity units, exactly.

use serde_json::json;

use crate::support::{
    wire::Trip,
    world::{World, order},
};

/// Trips as text, such as `BatchGetItem 4, TransactWriteItems 5`: requests with their units.
fn cost(trips: &[Trip]) -> String {
    trips
        .iter()
        .map(|trip| format!("{} {}", trip.operation, trip.units.normalize()))
        .collect::<Vec<_>>()
        .join(", ")
}

#[tokio::test]
async fn each_operation_takes_the_trips_and_units_that_the_readme_names() {
    let world = World::start().await;
    let (shop, admin) = (world.shop(), world.admin());
    let mut costs = Vec::new();
    let mut note = |what: &str| costs.push(format!("{what}: {}", cost(&world.wire.trips())));

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
    world.set_now("2027-01-01T00:00:00Z");
    world
        .store
        .expire(&"alice".parse().unwrap(), "USD".parse().unwrap(), world.now())
        .await
        .unwrap()
        .unwrap();
    note("expire");

    let expected = [
        "grant, the first: BatchGetItem 3, TransactWriteItems 5",
        "grant: BatchGetItem 3, TransactWriteItems 5",
        "grant that expires before all others: BatchGetItem 3, TransactWriteItems 6",
        "grant with a note and a reference: BatchGetItem 3, TransactWriteItems 5",
        "redeem over three lots: BatchGetItem 3, TransactWriteItems 5",
        "replay: BatchGetItem 3",
        "quote: BatchGetItem 2",
        "balance: Query 1",
        "history of one currency: Query 1",
        // At the same time: which accounts there are, and the newest entries.
        "history: Query 1, Query 1",
        "request top-up: BatchGetItem 3, TransactWriteItems 6",
        "pending top-ups: Query 0.5, BatchGetItem 1",
        "approve: BatchGetItem 4, TransactWriteItems 8",
        "expire: BatchGetItem 2, TransactWriteItems 6",
    ];
    assert_eq!(costs, expected);
}
