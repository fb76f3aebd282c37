//! Holds: credit reserved for an order, then captured, voided, or too late.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::world::{Answer, World, fresh, order};

const REDEMPTIONS: &str = "/v1/customers/alice/redemptions";

async fn hold(world: &World, amount: &str, more: Value) -> Answer {
    let mut body = json!({"order": order("1002", "500"), "amount": amount, "hold": true});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.shop().post(REDEMPTIONS, &format!("hold-{}", fresh()), body).await.expect(201, "")
}

async fn resolve(world: &World, hold: &Answer, how: &str, body: Value) -> Answer {
    let path = format!("{REDEMPTIONS}/{}/{how}", hold.json["entry"]["id"].as_str().unwrap());
    world.shop().post(&path, &format!("resolve-{}", fresh()), body).await
}

/// Balance, held and available of alice's account.
async fn balances(world: &World) -> [String; 3] {
    let account = world.account("alice").await;
    ["balance", "held", "available"].map(|name| account[name].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn worked_example_9_a_hold_of_100_of_which_60_are_captured() {
    let world = World::start().await;
    world.granted("alice", "100", json!({})).await;
    let held = hold(&world, "100", json!({})).await;
    assert_eq!((&held.json["applied"], &held.json["remaining_due"]), (&json!("100.00"), &json!("400.00")));
    assert_eq!(
        (&held.json["entry"]["type"], &held.json["entry"]["amount"]),
        (&json!("hold"), &json!("0.00"))
    );
    assert_eq!(held.json["entry"]["hold_expires_at"], "2026-11-22T10:15:00Z");
    assert_eq!(balances(&world).await, ["100.00", "100.00", "0.00"]);

    let captured = resolve(&world, &held, "capture", json!({"amount": "60"})).await.expect(201, "");
    assert_eq!(captured.json["entry"]["amount"], "-60.00");
    assert_eq!(balances(&world).await, ["40.00", "0.00", "40.00"]);
    resolve(&world, &held, "capture", json!({})).await.expect(409, "hold_resolved");
    resolve(&world, &held, "void", json!({})).await.expect(409, "hold_resolved");

    // Three identical refunds under one key: one refund and two replays.
    let refund = format!("{REDEMPTIONS}/{}/refund", captured.json["entry"]["id"].as_str().unwrap());
    let mut answers = Vec::new();
    for _ in 0..3 {
        answers.push(world.shop().post(&refund, "one-key", json!({"amount": "60"})).await.expect(201, ""));
    }
    assert_eq!(answers.iter().map(Answer::is_replayed).collect::<Vec<_>>(), [false, true, true]);
    assert!(answers.iter().all(|answer| answer.text == answers[0].text));
    assert_eq!(balances(&world).await, ["100.00", "0.00", "100.00"]);
    let again = world.shop().post(&refund, "another-key", json!({"amount": "0.01"})).await;
    assert_eq!(again.expect(422, "refund_exceeds_redemption").json["refundable"], "0.00");
}

#[tokio::test]
async fn a_void_sets_free_once_and_a_replay_of_it_answers_the_same() {
    let world = World::start().await;
    world.granted("alice", "50", json!({})).await;
    let held = hold(&world, "20", json!({})).await;
    let path = format!("{REDEMPTIONS}/{}/void", held.json["entry"]["id"].as_str().unwrap());
    let voided = world.shop().post(&path, "v", json!({})).await.expect(201, "");
    assert_eq!(voided.json["entry"]["held"], "20.00");
    let again = world.shop().post(&path, "v", json!({})).await.expect(201, "");
    assert!(again.is_replayed());
    assert_eq!(again.text, voided.text);
    world.shop().post(&path, "w", json!({})).await.expect(409, "hold_resolved");
    assert_eq!(balances(&world).await, ["50.00", "0.00", "50.00"]);
}

#[tokio::test]
async fn a_hold_past_its_time_counts_for_nothing_and_nobody_has_to_sweep() {
    let world = World::start().await;
    world.granted("alice", "50", json!({})).await;
    let held = hold(&world, "50", json!({"ttl_seconds": 60})).await;
    world.pass(SignedDuration::from_millis(59_999));
    assert_eq!(balances(&world).await, ["50.00", "50.00", "0.00"]);
    world.pass(SignedDuration::from_millis(1));
    assert_eq!(balances(&world).await, ["50.00", "0.00", "50.00"]);
    resolve(&world, &held, "capture", json!({})).await.expect(409, "hold_expired");
    resolve(&world, &held, "void", json!({})).await.expect(409, "hold_expired");
    world.shop().post(REDEMPTIONS, "r", json!({"order": order("1", "50")})).await.expect(201, "");
}

#[tokio::test]
async fn what_expires_while_held_can_be_captured_and_expires_at_once_when_released() {
    for (how, left) in [("capture", "0.00"), ("void", "30.00")] {
        let world = World::start().await;
        world.granted("alice", "30", json!({"expires_at": "2026-11-22T11:00:00Z"})).await;
        let held = hold(&world, "30", json!({"ttl_seconds": 86_400})).await;
        world.set_now("2026-11-22T12:00:00Z");
        assert_eq!(world.expire().await.booked, 0, "it is held");
        assert_eq!(balances(&world).await, ["30.00", "30.00", "0.00"]);
        resolve(&world, &held, how, json!({})).await.expect(201, "");
        assert_eq!(balances(&world).await, [left, "0.00", "0.00"], "after {how}");
        world.expire().await;
        assert_eq!(balances(&world).await, ["0.00", "0.00", "0.00"], "after {how} and the schedule");
    }
}

#[tokio::test]
async fn several_holds_share_the_credit_and_more_than_a_hold_is_not_captured() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    world.granted("alice", "20", json!({})).await;
    let first = hold(&world, "15", json!({})).await;
    let second = hold(&world, "15", json!({})).await;
    let third = json!({"order": order("3", "500"), "amount": "0.01", "hold": true});
    let third = world.shop().post(REDEMPTIONS, "third", third).await.expect(422, "insufficient_credit");
    assert_eq!(third.json["available"], "0.00");
    let more =
        resolve(&world, &second, "capture", json!({"amount": "15.01"})).await.expect(422, "exceeds_hold");
    assert_eq!(more.json["held"], "15.00");
    let captured = resolve(&world, &second, "capture", json!({})).await.expect(201, "");
    assert_eq!(captured.json["entry"]["allocations"], json!([{"lot": "USD-2", "amount": "15.00"}]));
    let captured = resolve(&world, &first, "capture", json!({})).await.expect(201, "");
    assert_eq!(
        captured.json["entry"]["allocations"],
        json!([{"lot": "USD-1", "amount": "10.00"}, {"lot": "USD-2", "amount": "5.00"}])
    );
    assert_eq!(balances(&world).await, ["0.00", "0.00", "0.00"]);
}

#[tokio::test]
async fn what_is_held_now_is_shown_with_its_order_and_its_end() {
    let world = World::start().await;
    world.admin().put("/v1/settings", json!({"overdraft_limit": {"USD": "50"}})).await.expect(200, "");
    world.granted("alice", "30", json!({})).await;
    let later = hold(&world, "10", json!({"ttl_seconds": 600})).await;
    let soon = hold(&world, "15", json!({"ttl_seconds": 60, "order": order("1003", "500")})).await;
    // More than there is, out of the overdraft: that is no part of what is held of her credit.
    let deep = hold(&world, "12", json!({"ttl_seconds": 300})).await;
    let id = |hold: &Answer| hold.json["entry"]["id"].clone();
    let (first, second, third) = (
        json!({"id": id(&soon), "amount": "15.00", "expires_at": "2026-11-22T10:01:00Z", "order": "1003"}),
        json!({"id": id(&deep), "amount": "12.00", "overdraft": "7.00", "expires_at": "2026-11-22T10:05:00Z", "order": "1002"}),
        json!({"id": id(&later), "amount": "10.00", "expires_at": "2026-11-22T10:10:00Z", "order": "1002"}),
    );
    let account = world.account("alice").await;
    assert_eq!(account["holds"], json!([first, second, third]));
    assert_eq!(account["held"], "30.00");
    let own = world.customer("alice").get("/v1/customers/alice").await.expect(200, "").json;
    assert_eq!(own["accounts"][0]["holds"], account["holds"]);

    world.pass(SignedDuration::from_secs(60));
    assert_eq!(world.account("alice").await["holds"], json!([second, third]));
    resolve(&world, &deep, "capture", json!({"amount": "1"})).await.expect(201, "");
    assert_eq!(world.account("alice").await["holds"], json!([third]));
    resolve(&world, &later, "void", json!({})).await.expect(201, "");
    assert_eq!(world.account("alice").await["holds"], json!([]));
    // As of before, all three were held.
    let then = world.shop().get("/v1/customers/alice?as_of=2026-11-22T10:00:59Z").await.expect(200, "").json;
    assert_eq!(then["accounts"][0]["holds"], json!([first, second, third]));
}

#[tokio::test]
async fn only_holds_are_captured_and_their_time_has_bounds() {
    let world = World::start().await;
    let granted = world.granted("alice", "50", json!({})).await;
    resolve(&world, &granted, "capture", json!({})).await.expect(404, "redemption_not_found");
    world
        .shop()
        .post(&format!("{REDEMPTIONS}/USD-99/void"), "v", json!({}))
        .await
        .expect(404, "redemption_not_found");
    for ttl in [json!(0), json!(604_801), json!(-1), json!("60"), json!(1.5)] {
        let body = json!({"order": order("1", "5"), "hold": true, "ttl_seconds": ttl});
        let refused = world.shop().post(REDEMPTIONS, "h", body).await.expect(400, "invalid_request");
        assert_eq!(refused.json["errors"][0]["field"], "ttl_seconds");
    }
    let body = json!({"order": order("1", "5"), "ttl_seconds": 60});
    world.shop().post(REDEMPTIONS, "h", body).await.expect(400, "invalid_request");
}

#[tokio::test]
async fn fifty_captures_and_voids_of_one_hold_at_once_have_one_effect() {
    let world = World::start().await;
    world.granted("alice", "50", json!({})).await;
    let held = hold(&world, "50", json!({})).await;
    let tries =
        (0..20).map(|at| resolve(&world, &held, if at % 2 == 0 { "capture" } else { "void" }, json!({})));
    let answers = futures::future::join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    assert!(
        answers
            .iter()
            .filter(|answer| answer.status != 201)
            .all(|answer| answer.json["code"] == "hold_resolved")
    );
}
