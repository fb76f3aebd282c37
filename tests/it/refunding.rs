//! Refunds of redemptions, overdraft, and what takes credit out by other ways than an order.

use serde_json::{Value, json};

use crate::support::world::{Answer, World, fresh, fresh_key, order};

const ALICE: &str = "/v1/customers/alice";

async fn spend(world: &World, amount: &str) -> Answer {
    let body = json!({"order": order("1002", "500"), "amount": amount});
    world
        .shop()
        .post(&format!("{ALICE}/redemptions"), &format!("spend-{}", fresh()), body)
        .await
        .expect(201, "")
}

async fn refund(world: &World, spent: &Answer, amount: &str) -> Answer {
    let path = format!("{ALICE}/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
    world.shop().post(&path, &format!("refund-{}", fresh()), json!({"amount": amount})).await
}

/// What is left of each lot, by its id.
async fn lots(world: &World) -> Vec<(String, String)> {
    let account = world.account("alice").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    account["lots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|lot| (text(&lot["id"]), text(&lot["remaining"])))
        .collect()
}

fn pairs(lots: &[(&str, &str)]) -> Vec<(String, String)> {
    lots.iter().map(|(id, remaining)| ((*id).to_owned(), (*remaining).to_owned())).collect()
}

#[tokio::test]
async fn worked_example_7_a_refund_in_time_expires_with_the_rest() {
    let world = World::start().await;
    world.granted("alice", "200", json!({"expires_on": "2026-11-30"})).await;
    let spent = spend(&world, "120").await;
    refund(&world, &spent, "20").await.expect(201, "");
    world.set_now("2026-12-01T00:00:00Z");
    world.expire().await;
    let entries = world.entries("alice").await;
    assert_eq!(entries.last().unwrap()["amount"], "-100.00");
    assert_eq!(world.account("alice").await["balance"], "0.00");
}

#[tokio::test]
async fn worked_example_8_a_refund_unwinds_in_reverse() {
    let world = World::start().await;
    world.granted("alice", "4", json!({"expires_on": "2026-11-30"})).await;
    world.granted("alice", "6", json!({"expires_on": "2026-12-05"})).await;
    let spent = spend(&world, "10").await;
    let refunded = refund(&world, &spent, "8").await.expect(201, "");
    assert_eq!(
        refunded.json["entry"]["allocations"],
        json!([{"lot": "USD-2", "amount": "6.00"}, {"lot": "USD-1", "amount": "2.00"}])
    );
    assert_eq!(lots(&world).await, pairs(&[("USD-1", "2.00"), ("USD-2", "6.00")]));
    world.set_now("2026-12-06T00:00:00Z");
    world.expire().await;
    assert_eq!(world.entries("alice").await.last().unwrap()["amount"], "-8.00");
}

#[tokio::test]
async fn refunds_add_up_to_the_redemption_and_not_a_cent_more() {
    let world = World::start().await;
    world.granted("alice", "50", json!({"category": "paid"})).await;
    let spent = spend(&world, "50").await;
    refund(&world, &spent, "20").await.expect(201, "");
    let more = refund(&world, &spent, "30.01").await.expect(422, "refund_exceeds_redemption");
    assert_eq!(more.json["refundable"], "30.00");
    refund(&world, &spent, "30").await.expect(201, "");
    refund(&world, &spent, "0.01").await.expect(422, "refund_exceeds_redemption");
    let account = world.account("alice").await;
    assert_eq!((&account["balance"], &account["lifetime"]["refunded"]), (&json!("50.00"), &json!("50.00")));
    assert_eq!(account["lots"][0]["category"], "paid", "a paid lot stays paid");
    // Of another customer's, a grant's, and nothing's.
    let id = spent.json["entry"]["id"].as_str().unwrap();
    let path = format!("/v1/customers/bob/redemptions/{id}/refund");
    world.shop().post(&path, "x", json!({})).await.expect(404, "redemption_not_found");
    for id in ["USD-1", "USD-99", "EUR-1"] {
        let path = format!("{ALICE}/redemptions/{id}/refund");
        world.shop().post(&path, "y", json!({})).await.expect(404, "redemption_not_found");
    }
}

#[tokio::test]
async fn refunds_of_two_orders_at_once_never_give_back_more_than_was_spent() {
    let world = World::start().await;
    world.granted("alice", "100", json!({})).await;
    let (first, second) = (spend(&world, "60").await, spend(&world, "40").await);
    let tries = (0..10).flat_map(|_| [refund(&world, &first, "20"), refund(&world, &second, "20")]);
    let answers = futures::future::join_all(tries).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.status == 201).count(),
        5,
        "{:#?}",
        answers.iter().map(|a| a.text.clone()).collect::<Vec<_>>()
    );
    assert_eq!(world.account("alice").await["balance"], "100.00");
}

#[tokio::test]
async fn what_expired_meanwhile_comes_back_for_some_days_and_expires_again() {
    let world = World::start().await;
    world.settings(json!({"refund_grace_days": 10})).await;
    world.granted("alice", "30", json!({"expires_on": "2026-11-30", "category": "promotional"})).await;
    let spent = spend(&world, "30").await;
    world.set_now("2026-12-10T00:00:00Z");
    let refunded = refund(&world, &spent, "30").await.expect(201, "");
    assert_eq!(lots(&world).await, pairs(&[(refunded.json["entry"]["id"].as_str().unwrap(), "30.00")]));
    let lot = world.account("alice").await["lots"][0].clone();
    assert_eq!(
        (&lot["category"], &lot["expires_at"]),
        (&json!("promotional"), &json!("2026-12-20T00:00:00Z"))
    );
    // Spent, expired and given back a second time.
    let spent = spend(&world, "30").await;
    world.set_now("2027-01-01T00:00:00Z");
    refund(&world, &spent, "30").await.expect(201, "");
    world.set_now("2027-01-11T00:00:00Z");
    assert_eq!(world.expire().await.booked, 1);
    assert_eq!(world.account("alice").await["balance"], "0.00");
}

#[tokio::test]
async fn worked_example_10_the_next_credit_settles_the_debt_first() {
    let world = World::start().await;
    world.settings(json!({"overdraft_limit": {"USD": "50"}})).await;
    world.granted("alice", "20", json!({})).await;
    let most = json!({"order": order("1", "500")});
    let most = world.shop().post(&format!("{ALICE}/redemptions/quote"), "-", most).await.expect(200, "");
    assert_eq!(most.json["applied"], "20.00", "nobody goes into debt unasked");
    spend(&world, "60").await;
    let account = world.account("alice").await;
    assert_eq!((&account["balance"], &account["available"]), (&json!("-40.00"), &json!("10.00")));
    let body = json!({"order": order("1", "500"), "amount": "10.01"});
    let more = world.shop().post(&format!("{ALICE}/redemptions"), "more", body).await;
    assert_eq!(more.expect(422, "insufficient_credit").json["available"], "10.00");
    world.granted("alice", "100", json!({})).await;
    assert_eq!(world.account("alice").await["balance"], "60.00");
    assert_eq!(lots(&world).await, pairs(&[("USD-3", "60.00")]));
}

#[tokio::test]
async fn a_refund_lowers_the_debt_first() {
    let world = World::start().await;
    world.settings(json!({"overdraft_limit": {"USD": "50"}})).await;
    world.granted("alice", "20", json!({})).await;
    let spent = spend(&world, "60").await;
    refund(&world, &spent, "50").await.expect(201, "");
    assert_eq!(world.account("alice").await["balance"], "10.00");
    assert_eq!(lots(&world).await, pairs(&[("USD-1", "10.00")]));
}

#[tokio::test]
async fn withdrawals_take_what_may_be_withdrawn_from_whoever_may_withdraw() {
    let world = World::start().await;
    world.granted("alice", "30", json!({"category": "paid"})).await;
    world.granted("alice", "20", json!({"category": "promotional"})).await;
    let path = format!("{ALICE}/withdrawals");
    let body = |amount: &str| json!({"amount": amount, "journal": "bank"});
    world.customer("alice").post(&path, "c", body("5")).await.expect(403, "forbidden");
    let more = world.shop().post(&path, "a", body("30.01")).await.expect(422, "not_withdrawable");
    assert_eq!(more.json["withdrawable"], "30.00");
    world.shop().post(&path, "b", body("50.01")).await.expect(422, "insufficient_credit");
    let paid = world.shop().post(&path, "d", body("25")).await.expect(201, "");
    assert_eq!(
        (&paid.json["entry"]["type"], &paid.json["entry"]["journal"]),
        (&json!("withdraw"), &json!("bank"))
    );
    world.settings(json!({"withdrawal": true})).await;
    world.customer("alice").post(&path, "e", body("5")).await.expect(201, "");
    world.settings(json!({"enabled": false})).await;
    world.shop().post(&path, "f", body("1")).await.expect(422, "credit_disabled");
    assert_eq!(world.account("alice").await["lifetime"]["withdrawn"], "30.00");
}

#[tokio::test]
async fn the_merchant_debits_voids_and_moves_expiries_with_a_reason() {
    let world = World::start().await;
    world.granted("alice", "30", json!({})).await;
    world.granted("alice", "20", json!({"expires_on": "2026-12-31"})).await;
    let admin = world.admin();
    let debit = format!("{ALICE}/debits");
    world.shop().post(&debit, "s", json!({"amount": "1", "reason": "r"})).await.expect(403, "forbidden");
    let missing = admin.post(&debit, "s", json!({"amount": "1"})).await.expect(400, "invalid_request");
    assert_eq!(missing.json["errors"][0]["field"], "reason");
    admin
        .post(&debit, "s", json!({"amount": "50.01", "reason": "r"}))
        .await
        .expect(422, "insufficient_credit");
    let debited =
        admin.post(&debit, "s", json!({"amount": "10", "reason": "counted twice"})).await.expect(201, "");
    assert_eq!(
        (&debited.json["entry"]["type"], &debited.json["entry"]["reason"]),
        (&json!("debit"), &json!("counted twice"))
    );

    let void = |lot: &str| format!("{ALICE}/lots/{lot}/void");
    let voided =
        admin.post(&void("USD-1"), "v", json!({"reason": "granted by mistake"})).await.expect(201, "");
    assert_eq!(
        (&voided.json["entry"]["type"], &voided.json["entry"]["amount"]),
        (&json!("void"), &json!("-20.00"))
    );
    admin.post(&void("USD-1"), "w", json!({"reason": "again"})).await.expect(409, "lot_not_voidable");
    admin.post(&void("USD-99"), "w", json!({"reason": "again"})).await.expect(404, "lot_not_found");
    let held = json!({"order": order("1", "5"), "hold": true});
    world.shop().post(&format!("{ALICE}/redemptions"), "h", held).await.expect(201, "");
    admin.post(&void("USD-2"), "w", json!({"reason": "held"})).await.expect(409, "lot_not_voidable");

    let patch = |key: &'static str, body: Value| {
        let text = bytes::Bytes::from(body.to_string());
        let world = &world;
        async move {
            world
                .admin()
                .send("PATCH", &format!("{ALICE}/lots/USD-2"), &[("idempotency-key", key)], text)
                .await
        }
    };
    let moved =
        patch("p1", json!({"expires_on": "2027-06-30", "reason": "they asked"})).await.expect(201, "");
    assert_eq!(
        (&moved.json["entry"]["lot"], &moved.json["entry"]["expires_at"]),
        (&json!("USD-2"), &json!("2027-07-01T00:00:00Z"))
    );
    patch("p2", json!({"expires_on": "2026-01-01"})).await.expect(422, "expiry_in_past");
    patch("p2", json!({})).await.expect(400, "invalid_request");
    patch("p2", json!({"expires": "never"})).await.expect(201, "");
    assert_eq!(world.account("alice").await["lots"][0]["expires_at"], Value::Null);
}

#[tokio::test]
async fn whoever_is_exempt_keeps_what_would_expire_until_the_exemption_is_lifted() {
    let world = World::start().await;
    world.granted("alice", "30", json!({"expires_on": "2026-11-30"})).await;
    world.settings(json!({"expiry_exempt": true})).await;
    world.set_now("2026-12-02T00:00:00Z");
    assert_eq!(world.expire().await.booked, 0);
    assert_eq!(world.account("alice").await["available"], "30.00");
    world.settings(json!({"expiry_exempt": false})).await;
    assert_eq!(world.account("alice").await["available"], "0.00");
    world.set_now("2026-12-03T00:00:00Z");
    assert_eq!(world.expire().await.booked, 1);
}

#[tokio::test]
async fn a_refund_tells_until_when_the_lot_counts_that_it_makes() {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({"category": "paid", "expires_on": "2026-11-22"})).await;
    let spent =
        world.shop().redeem("alice", "r-1", json!({"order": order("1", "6.00")})).await.expect(201, "");
    let path =
        format!("/v1/customers/alice/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
    let open = world.shop().post(&path, "f-1", json!({"amount": "1.00"})).await.expect(201, "");
    assert_eq!(open.json["entry"]["allocations"], json!([{"lot": "USD-1", "amount": "1.00"}]));
    world.set_now("2026-11-25T10:00:00Z");
    let reopened = world.shop().post(&path, "f-2", json!({"amount": "2.00"})).await.expect(201, "");
    assert_eq!(
        reopened.json["entry"]["allocations"],
        json!([{"lot": "USD-4", "amount": "2.00", "category": "paid", "expires_at": "2026-12-25T10:00:00Z"}])
    );
}

#[tokio::test]
async fn a_lot_that_never_was_is_not_found() {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({})).await;
    world.shop().redeem("alice", "r-1", json!({"order": order("1", "10.00")})).await.expect(201, "");
    for (lot, code) in [("USD-1", 409), ("USD-2", 404), ("USD-1.1", 404), ("USD-9", 404), ("EUR-1", 404)] {
        let path = format!("/v1/customers/alice/lots/{lot}");
        let void = world.admin().post(&format!("{path}/void"), &fresh_key(), json!({"reason": "why"})).await;
        let moved = bytes::Bytes::from(json!({"expires": "never"}).to_string());
        let moved = world.admin().send("PATCH", &path, &[("idempotency-key", &fresh_key())], moved).await;
        assert_eq!([void.status, moved.status], [code, code], "{lot}");
    }
}
