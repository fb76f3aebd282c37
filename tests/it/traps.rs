//! The traps of a ledger on DynamoDB, each sprung on purpose: lost requests, lost answers, cancellations, throttling.
//!
//! After each: exactly one effect or none, and an answer that says which.

use serde_json::json;

use crate::support::{
    wire::{Fault, Trip},
    world::{Answer, World, order},
};

const WRITE: &str = "TransactWriteItems";
const READ: &str = "BatchGetItem";
/// Tries that the SDK makes of one request.
const SDK_TRIES: usize = 4;
/// Writes that the store sends before it gives up on a database that does not answer.
const UNANSWERED_WRITES: usize = 3;

/// A world in which alice has 25.00, and the wire tells only what comes after.
async fn alice_has_25() -> World {
    let world = World::start().await;
    world.granted("alice", "25", json!({})).await;
    world.wire.trips();
    world
}

async fn redeem_all(world: &World, key: &str) -> Answer {
    world.shop().post("/v1/customers/alice/redemptions", key, json!({"order": order("1", "100")})).await
}

/// Alice's redemption under these faults, and the trips that it took.
async fn redeem_under(world: &World, faults: &[Fault]) -> (Answer, Vec<Trip>) {
    for fault in faults {
        world.wire.fault(WRITE, fault.clone());
    }
    let answer = redeem_all(world, "r1").await;
    assert!(world.wire.is_spent(), "a fault befell nothing");
    (answer, world.wire.trips())
}

fn count(trips: &[Trip], operation: &str) -> usize {
    trips.iter().filter(|trip| trip.operation == operation).count()
}

/// Alice's credit was spent once, by an entry that replays as it was answered.
async fn spent_once(world: &World, answer: &Answer) {
    assert_eq!((answer.status, answer.json["applied"].as_str()), (201, Some("25.00")), "{}", answer.text);
    assert!(!answer.is_replayed(), "the call itself did it");
    assert_eq!(world.account("alice").await["balance"], "0.00");
    assert_eq!(world.entries("alice").await.len(), 2);
    let again = redeem_all(world, "r1").await;
    assert!(again.is_replayed());
    assert_eq!(again.text, answer.text);
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_transactions_token() {
    let world = alice_has_25().await;
    let (answer, trips) = redeem_under(&world, &[Fault::LoseAnswer]).await;
    let tokens: Vec<_> =
        trips.iter().filter(|trip| trip.operation == WRITE).map(|trip| trip.token.clone()).collect();
    assert_eq!(tokens.len(), 2);
    assert!(tokens[0].is_some() && tokens[0] == tokens[1], "{tokens:?}");
    spent_once(&world, &answer).await;
}

#[tokio::test]
async fn an_answer_lost_for_good_is_found_under_its_key_although_the_account_is_drained() {
    let world = alice_has_25().await;
    let (answer, trips) = redeem_under(&world, &vec![Fault::LoseAnswer; SDK_TRIES]).await;
    assert_eq!(count(&trips, READ), 2, "it reads again what became of it");
    spent_once(&world, &answer).await;
}

#[tokio::test]
async fn a_lost_request_is_sent_again() {
    for lost in [1, SDK_TRIES] {
        let world = alice_has_25().await;
        let (answer, _) = redeem_under(&world, &vec![Fault::LoseRequest; lost]).await;
        spent_once(&world, &answer).await;
    }
}

#[tokio::test]
async fn a_database_that_never_answers_is_unavailable_and_the_same_key_tells_later() {
    let world = alice_has_25().await;
    let (answer, trips) =
        redeem_under(&world, &vec![Fault::LoseRequest; SDK_TRIES * UNANSWERED_WRITES]).await;
    let answer = answer.expect(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(count(&trips, WRITE), SDK_TRIES * UNANSWERED_WRITES);
    assert_eq!(world.account("alice").await["balance"], "25.00");
    let later = redeem_all(&world, "r1").await;
    spent_once(&world, &later).await;
}

#[tokio::test]
async fn conflict_and_throttling_send_the_same_again_under_the_same_token() {
    for fault in [
        Fault::cancelled(&["None", "TransactionConflict"]),
        Fault::cancelled(&["TransactionConflict", "None"]),
        Fault::cancelled(&["ThrottlingError", "None"]),
        Fault::cancelled(&["None", "ProvisionedThroughputExceeded"]),
        Fault::error("TransactionInProgressException", 400),
        Fault::error("ThrottlingException", 400),
        Fault::error("InternalServerError", 500),
    ] {
        let world = alice_has_25().await;
        let (answer, trips) = redeem_under(&world, std::slice::from_ref(&fault)).await;
        let tokens: Vec<_> = trips.iter().filter_map(|trip| trip.token.clone()).collect();
        assert_eq!(tokens.len(), 2, "{fault:?}");
        assert_eq!(tokens[0], tokens[1], "{fault:?}");
        spent_once(&world, &answer).await;
    }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_makes_it_read_and_decide_again() {
    for reasons in [
        ["ConditionalCheckFailed", "None"],
        ["None", "ConditionalCheckFailed"],
        ["ConditionalCheckFailed", "TransactionConflict"],
        ["ThrottlingError", "ConditionalCheckFailed"],
    ] {
        let world = alice_has_25().await;
        let (answer, trips) = redeem_under(&world, &[Fault::cancelled(&reasons)]).await;
        assert_eq!((count(&trips, READ), count(&trips, WRITE)), (2, 2), "{reasons:?}");
        spent_once(&world, &answer).await;
    }
}

#[tokio::test]
async fn a_cancellation_for_any_other_reason_is_our_fault_and_tells_the_client_nothing_of_it() {
    let world = alice_has_25().await;
    let (answer, trips) = redeem_under(&world, &[Fault::cancelled(&["None", "ValidationError"])]).await;
    let answer = answer.expect(500, "internal");
    assert!(!answer.text.contains("Validation"), "{}", answer.text);
    assert_eq!(count(&trips, WRITE), 1);
    assert_eq!(world.account("alice").await["balance"], "25.00");
}

#[tokio::test]
async fn contention_without_end_is_a_conflict_after_a_bounded_number_of_tries() {
    let world = alice_has_25().await;
    let tries = 18;
    let (answer, trips) =
        redeem_under(&world, &vec![Fault::cancelled(&["TransactionConflict", "None"]); tries]).await;
    let answer = answer.expect(409, "conflict");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(count(&trips, WRITE), tries);
    assert_eq!(world.account("alice").await["balance"], "25.00");
    let later = redeem_all(&world, "r1").await;
    spent_once(&world, &later).await;
}

#[tokio::test]
async fn reads_that_are_throttled_for_too_long_say_so_and_nothing_moves() {
    let world = alice_has_25().await;
    for _ in 0..SDK_TRIES {
        world.wire.fault(READ, Fault::error("ProvisionedThroughputExceededException", 400));
    }
    let answer = redeem_all(&world, "r1").await.expect(429, "throttled");
    assert_eq!(answer.headers["retry-after"], "1");
    let later = redeem_all(&world, "r1").await;
    spent_once(&world, &later).await;
}

#[tokio::test]
async fn a_database_that_hangs_is_given_up_on_and_asked_again() {
    let world = alice_has_25().await;
    let (answer, trips) = redeem_under(&world, &[Fault::Hang]).await;
    assert_eq!(count(&trips, WRITE), 2);
    spent_once(&world, &answer).await;
}

#[tokio::test]
async fn every_transaction_has_a_token_of_its_own_content() {
    let world = World::start().await;
    let mut tokens = Vec::new();
    for (customer, key, amount) in
        [("alice", "k", "1"), ("bob", "k", "1"), ("alice", "l", "1"), ("carol", "k", "2")]
    {
        let path = format!("/v1/customers/{customer}/grants");
        world.shop().post(&path, key, json!({"amount": amount, "category": "paid"})).await.expect(201, "");
        tokens.extend(world.wire.trips().into_iter().filter_map(|trip| trip.token));
    }
    assert_eq!(tokens.len(), 4);
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
}

#[tokio::test]
async fn two_calls_that_come_to_the_same_entry_at_the_same_moment_have_two_tokens() {
    let world = World::start().await;
    let (shop, body) = (world.shop(), json!({"amount": "1", "category": "paid"}));
    let (one, other) = tokio::join!(
        shop.post("/v1/customers/alice/grants", "one", body.clone()),
        shop.post("/v1/customers/alice/grants", "other", body.clone()),
    );
    one.expect(201, "");
    other.expect(201, "");
    let mut tokens: Vec<_> = world.wire.trips().into_iter().filter_map(|trip| trip.token).collect();
    let sent = tokens.len();
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), sent);
    assert_eq!(world.account("alice").await["balance"], "2.00");
}

#[tokio::test]
async fn the_same_faults_leave_a_grant_a_request_an_approval_and_an_expiry_with_one_effect() {
    for faults in [
        vec![Fault::LoseAnswer],
        vec![Fault::LoseAnswer; SDK_TRIES],
        vec![Fault::LoseRequest; SDK_TRIES],
        vec![Fault::cancelled(&["TransactionConflict", "None"])],
        vec![Fault::cancelled(&["ConditionalCheckFailed", "None"])],
    ] {
        let world = World::start().await;
        let under = || faults.iter().for_each(|fault| world.wire.fault(WRITE, fault.clone()));

        under();
        let body = json!({"amount": "10", "category": "paid", "expires_on": "2026-12-31"});
        let granted = world.shop().post("/v1/customers/alice/grants", "g", body).await.expect(201, "");
        assert!(!granted.is_replayed());

        under();
        let body = json!({"amount": "5", "payment": {"mode": "offline", "method": "cash"}});
        let requested =
            world.customer("alice").post("/v1/customers/alice/topups", "t", body).await.expect(201, "");
        assert!(!requested.is_replayed());
        assert_eq!(world.account("alice").await["pending_topups"], "5.00");

        under();
        let topup = format!("/v1/customers/alice/topups/{}", requested.json["topup"]["id"].as_str().unwrap());
        let approved = world.admin().post(&format!("{topup}/approve"), "a", json!({})).await.expect(200, "");
        assert!(!approved.is_replayed());

        let body = json!({"amount": "7", "payment": {"mode": "offline", "method": "cash"}});
        let requested =
            world.customer("alice").post("/v1/customers/alice/topups", "u", body).await.expect(201, "");
        under();
        let topup = format!("/v1/customers/alice/topups/{}", requested.json["topup"]["id"].as_str().unwrap());
        world.customer("alice").post(&format!("{topup}/cancel"), "-", json!({})).await.expect(200, "");

        world.set_now("2027-01-01T00:00:00Z");
        under();
        assert_eq!(world.expire().await.booked, 1);
        assert!(world.wire.is_spent());

        let account = world.account("alice").await;
        assert_eq!(
            (&account["balance"], &account["pending_topups"]),
            (&json!("5.00"), &json!("0.00")),
            "{faults:?}"
        );
        let entries: Vec<_> =
            world.entries("alice").await.iter().map(|entry| entry["amount"].clone()).collect();
        assert_eq!(entries, ["10.00", "5.00", "-10.00"], "{faults:?}");
    }
}

#[tokio::test]
async fn the_largest_amounts_come_back_digit_by_digit() {
    let world = World::start().await;
    for (currency, amount) in
        [("USD", "999999999999.99"), ("JPY", "999999999999"), ("BHD", "999999999999.999")]
    {
        world.granted("alice", amount, json!({"currency": currency})).await;
        world.granted("alice", amount, json!({"currency": currency})).await;
    }
    let customer = world.admin().get("/v1/customers/alice").await;
    let balances: Vec<_> = customer.json["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|account| account["balance"].clone())
        .collect();
    assert_eq!(balances, ["1999999999999.998", "1999999999998", "1999999999999.98"]);
    let entries = world.entries("alice").await;
    assert_eq!(entries.len(), 6);
    assert!(entries.iter().any(|entry| entry["balance_after"] == "1999999999999.98"));
}
