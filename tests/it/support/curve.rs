//! What each operation costs the database on an account of so many open lots.

use jiff::{SignedDuration, civil::date};
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::support::{
    wire::Trip,
    world::{START, World, order},
};

/// How many open lots: up to as many as an account takes.
pub const LOTS: [usize; 5] = [1, 10, 40, 100, ledger::MAX_OPEN_LOTS];

/// What one operation cost.
pub struct Measured {
    pub operation: &'static str,
    /// Lots that it moved.
    pub touched: usize,
    pub read: Decimal,
    pub written: Decimal,
}

/// An account as a shop has it after some time: lots of uneven amounts, given at uneven moments, each of which is over at
/// the end of some day a year later.
async fn fill(world: &World, customer: &str, lots: usize) {
    world.set_now(START);
    for at in 0..lots {
        world.pass(SignedDuration::from_millis(3_723_457));
        let cents = at.strict_mul(731) % 9_000;
        let amount = format!("{}.{:02}", cents.strict_div(100).strict_add(5), cents % 100);
        let category = ["paid", "promotional", "refund", "goodwill"][at % 4];
        let day = date(2027, 11, 22)
            .saturating_add(SignedDuration::from_hours(24 * i64::try_from(at / 20).unwrap()));
        let body = json!({"amount": amount, "category": category, "expires_on": day.to_string()});
        world.shop().grant(customer, &format!("g{at}"), body).await.expect(201, "");
    }
}

/// Each operation, once, on accounts of `lots` open lots.
pub async fn curve(world: &World, lots: usize) -> Vec<Measured> {
    let customer = format!("c{lots}");
    let path = format!("/v1/customers/{customer}");
    fill(world, &customer, lots.strict_sub(1)).await;
    let (shop, admin) = (world.shop(), world.admin());
    let mut measured = Vec::new();
    let mut note = |operation: &'static str, touched: usize| {
        let (read, written) = read_and_written(&world.wire.trips());
        measured.push(Measured { operation, touched, read, written });
    };
    let id = |entry: &Value| entry["entry"]["id"].as_str().unwrap().to_owned();
    world.wire.trips();

    world.pass(SignedDuration::from_secs(1));
    let last = json!({"amount": "50", "category": "paid", "expires_on": "2029-12-31"});
    shop.grant(&customer, "last", last).await.expect(201, "");
    note("grant", 1);
    let redeemed = shop.redeem(&customer, "r1", json!({"order": order("1", "1")})).await.expect(201, "").json;
    note("redeem", 1);
    shop.redeem(&customer, "r1", json!({"order": order("1", "1")})).await.expect(201, "");
    note("the same again", 0);
    shop.quote(&customer, json!({"order": order("1", "1")})).await.expect(200, "");
    note("quote", 0);
    shop.get(&path).await.expect(200, "");
    note("balance", 0);
    let refund = format!("{path}/redemptions/{}/refund", id(&redeemed));
    shop.post(&refund, "f1", json!({})).await.expect(201, "");
    note("refund", 1);
    let hold = json!({"order": order("2", "2"), "hold": true});
    let held = shop.redeem(&customer, "h", hold).await.expect(201, "").json;
    note("hold", 1);
    shop.post(&format!("{path}/redemptions/{}/capture", id(&held)), "c", json!({"amount": "1"}))
        .await
        .expect(201, "");
    note("capture", 1);
    shop.post(&format!("{path}/withdrawals"), "w", json!({"amount": "1", "journal": "cash"}))
        .await
        .expect(201, "");
    note("withdraw", 1);
    admin
        .post(&format!("{path}/debits"), "d", json!({"amount": "1", "reason": "twice"}))
        .await
        .expect(201, "");
    note("debit", 1);
    if lots > 1 {
        let all = json!({"order": order("3", "100000")});
        let redeemed = shop.redeem(&customer, "all", all).await.expect(201, "").json;
        note("redeem", lots);
        shop.post(&format!("{path}/redemptions/{}/refund", id(&redeemed)), "f2", json!({}))
            .await
            .expect(201, "");
        note("refund", lots);
    }
    let account = world.account(&customer).await;
    assert_eq!(account["lots"].as_array().unwrap().len(), lots);
    world.wire.trips();
    world.set_now("2030-01-01T00:00:00Z");
    world
        .store
        .expire(&customer.parse().unwrap(), "USD".parse().unwrap(), world.now())
        .await
        .unwrap()
        .unwrap();
    note("expire", lots);
    measured
}

/// Units of what was read, and of what was written.
pub fn read_and_written(trips: &[Trip]) -> (Decimal, Decimal) {
    let (written, read): (Vec<_>, Vec<_>) =
        trips.iter().partition(|trip| ["TransactWriteItems", "PutItem"].contains(&trip.operation.as_str()));
    let sum = |trips: Vec<&Trip>| trips.into_iter().map(|trip| trip.units).sum::<Decimal>().normalize();
    (sum(read), sum(written))
}
