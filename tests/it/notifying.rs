//! What other systems are told: one event for each entry and for what becomes of each top-up, in its committed form.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use aws_lambda_events::dynamodb;
use edge::Batch;
use jiff::SignedDuration;
use notify::{Event, notify};
use serde_json::{Value, json};

use crate::support::world::{World, each, fresh_key, order};

/// The events' committed form.
const SCHEMA: &str = include_str!("../../docs/events.schema.json");

/// Every event so far, each held against the schema of its own type.
async fn told(world: &World) -> Vec<Value> {
    world.catch_up().await;
    let events = world.outside.events.latest();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    for event in &events {
        let kind = event["type"].as_str().unwrap();
        let of_kind = json!({"$ref": format!("#/$defs/{kind}"), "$defs": schema["$defs"]});
        let validator = jsonschema::validator_for(&of_kind).unwrap();
        let faults: Vec<String> = validator.iter_errors(event).map(|error| error.to_string()).collect();
        assert!(faults.is_empty(), "{event:#}\n{faults:#?}");
    }
    events
}

/// Does one of everything to alice.
async fn one_of_everything(world: &World) {
    let (admin, shop) = (world.admin(), world.shop());
    let alice = "/v1/customers/alice";
    world.settings(json!({"overdraft_limit": {"USD": "50.00"}})).await;
    let grant = json!({"amount": "30.00", "category": "goodwill", "expires_on": "2026-11-23", "note": "secret", "internal_note": "secret",
        "payment": {"mode": "offline", "method": "cash", "reference": "R-1"}});
    shop.grant("alice", "g-1", grant).await.expect(201, "");
    shop.redeem("alice", "r-1", json!({"order": order("1", "5.00")})).await.expect(201, "");
    shop.post(&format!("{alice}/redemptions/USD-2/refund"), "f-1", json!({"amount": "2.00"}))
        .await
        .expect(201, "");
    for (key, end) in [("h-1", "capture"), ("h-2", "void")] {
        let held = shop
            .redeem("alice", key, json!({"order": order(key, "3.00"), "hold": true}))
            .await
            .expect(201, "");
        let path = format!("{alice}/redemptions/{}/{end}", held.json["entry"]["id"].as_str().unwrap());
        shop.post(&path, &fresh_key(), json!({})).await.expect(201, "");
    }
    let topup =
        json!({"amount": "10.00", "payment": {"mode": "online", "method": "stripe"}, "reference": "pi_1"});
    let mut ids = Vec::new();
    for _ in 0..4 {
        let asked =
            world.customer("alice").request_topup("alice", &fresh_key(), topup.clone()).await.expect(201, "");
        ids.push(asked.json["topup"]["id"].as_str().unwrap().to_owned());
    }
    admin.approve("alice", &ids[0], &fresh_key(), json!({"amount": "9.00"})).await.expect(200, "");
    admin.reject("alice", &ids[1], "secret reason").await.expect(200, "");
    world.customer("alice").cancel("alice", &ids[2]).await.expect(200, "");
    shop.post(&format!("{alice}/withdrawals"), "w-1", json!({"amount": "1.00", "journal": "bank"}))
        .await
        .expect(201, "");
    admin
        .post(&format!("{alice}/debits"), "d-1", json!({"amount": "1.00", "reason": "secret"}))
        .await
        .expect(201, "");
    let void = json!({"reason": "secret"});
    admin.post(&format!("{alice}/lots/USD-8/void"), "v-1", void).await.expect(201, "");
    let moved = bytes::Bytes::from(json!({"expires_on": "2026-11-24", "reason": "secret"}).to_string());
    let path = format!("{alice}/lots/USD-1");
    admin.send("PATCH", &path, &[("idempotency-key", "p-1")], moved).await.expect(201, "");
    world.imported("alice", "1", "2026-01-01T00:00:00Z", 500).await;
    world.pass(SignedDuration::from_hours(24 * 40));
    world.expire().await;
    world.settings(json!({"remind_days": [7]})).await;
    world.granted("alice", "1.00", json!({"expires_on": "2027-01-20"})).await;
    world.pass(SignedDuration::from_hours(24 * 12));
    world.expire().await;
}

#[tokio::test]
async fn every_entry_and_every_end_of_a_top_up_is_told_once_in_its_committed_form() {
    let world = World::start().await;
    one_of_everything(&world).await;
    let events = told(&world).await;

    let kinds: BTreeSet<&str> = each(&events, "type").into_iter().collect();
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let known = schema["oneOf"].as_array().unwrap().iter();
    let known: BTreeSet<&str> =
        known.map(|of| of["$ref"].as_str().unwrap().strip_prefix("#/$defs/").unwrap()).collect();
    assert_eq!(kinds, known, "every type of the schema, and no other");

    // One for each entry, in the account's order; the entry as the API shows it.
    let entries = world.entries("alice").await;
    let of_entries: Vec<&Value> = events.iter().filter(|event| event.get("entry").is_some()).collect();
    let numbers: Vec<u64> = of_entries.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=u64::try_from(entries.len()).unwrap()).collect::<Vec<_>>());
    for (event, entry) in of_entries.iter().zip(&entries) {
        let mut shown = entry.clone();
        for text in ["note", "internal_note", "reason"] {
            shown.as_object_mut().unwrap().remove(text);
        }
        assert_eq!(
            (&event["entry"], &event["at"], &event["customer"]),
            (&shown, &entry["at"], &json!("alice"))
        );
        assert_eq!(event["account"]["balance"], entry["balance_after"]);
    }
    let ids: BTreeSet<&str> = each(&events, "id").into_iter().collect();
    assert_eq!(ids.len(), events.len());
    assert!(!json!(events).to_string().contains("secret"), "free texts are told to nobody");
}

#[tokio::test]
async fn what_moves_nothing_is_not_told() {
    let world = World::start().await;
    let granted = world.granted("alice", "5.00", json!({"note": "secret"})).await;
    let before = told(&world).await.len();
    assert_eq!(before, 1);
    let admin = world.admin();
    // A replay, a refusal, a document, an erasure, a run with nothing to do.
    let key = fresh_key();
    let body = json!({"order": order("1", "1.00")});
    world.shop().redeem("alice", &key, body.clone()).await.expect(201, "");
    world.shop().redeem("alice", &key, body).await.expect(201, "");
    let too_much = json!({"order": order("2", "100.00"), "amount": "99.00"});
    world.shop().redeem("alice", &fresh_key(), too_much).await.expect(422, "insufficient_credit");
    admin.put("/v1/customers/alice", json!({"name": "Alice"})).await.expect(200, "");
    admin.delete("/v1/customers/alice/personal-data").await.expect(204, "");
    world.expire().await;
    let events = told(&world).await;
    assert_eq!(each(&events, "type"), ["credit.granted", "credit.redeemed"]);
    assert_eq!(events[0]["entry"]["hash"], granted.json["entry"]["hash"]);
}

#[tokio::test]
async fn an_automatic_top_up_is_told_as_approved_and_as_credited() {
    let world = World::start().await;
    world.settings(json!({"topup_approval": "automatic"})).await;
    let topup = json!({"amount": "10.00", "payment": {"mode": "online", "method": "stripe"}});
    world.customer("alice").request_topup("alice", "t-1", topup).await.expect(201, "");
    let events = told(&world).await;
    let mut kinds = each(&events, "type");
    kinds.sort_unstable();
    assert_eq!(kinds, ["credit.topped_up", "topup.approved"]);
}

/// Records as the stream has them for Lambda: entries that were made, each by its number.
fn records(world_entry: &Value, count: usize, poison: &[usize]) -> Batch {
    let records: Vec<Value> = (0..count)
        .map(|at| {
            let mut record = world_entry.clone();
            record["dynamodb"]["SequenceNumber"] = json!(format!("{at:021}"));
            record["dynamodb"]["Keys"]["sk"]["S"] = json!(format!("K#{at}"));
            if poison.contains(&at) {
                record["dynamodb"]["NewImage"]["c"]["S"] = json!("{not an entry");
            }
            record
        })
        .collect();
    let event: dynamodb::Event = serde_json::from_value(json!({"Records": records})).unwrap();
    Batch::read(&event, jiff::Timestamp::UNIX_EPOCH, Duration::from_secs(10)).unwrap()
}

#[tokio::test]
async fn of_a_hundred_records_three_poisonous_ones_are_reported_and_the_others_told_once() {
    let event: Value = serde_json::from_str(include_str!("events/notify.json")).unwrap();
    let batch = records(&event["Records"][0], 100, &[7, 50, 99]);
    let taken: Arc<Mutex<Vec<Event>>> = Arc::default();
    let tell = |events: Vec<Event>| {
        let taken = Arc::clone(&taken);
        async move {
            let answer = vec![true; events.len()];
            taken.lock().unwrap().extend(events);
            answer
        }
    };
    let failed = notify(batch.clone(), tell).await;
    let places: Vec<&str> = failed.iter().map(|record| record.sequence_number.as_str()).collect();
    assert_eq!(places, [7, 50, 99].map(|at| format!("{at:021}")));
    assert_eq!(taken.lock().unwrap().len(), 97);

    // What a bus refuses is reported, and only that; what it says nothing of is not taken for told.
    for (answered, expected) in [(97, 3 + 32), (90, 3 + 30 + 7), (0, 100)] {
        let failed =
            notify(batch.clone(), |_| async move { (0..answered).map(|at| at % 3 != 1).collect() }).await;
        assert_eq!(failed.len(), expected, "{answered}");
    }
}

#[tokio::test]
async fn a_record_that_comes_again_makes_the_same_event() {
    let event: Value = serde_json::from_str(include_str!("events/notify.json")).unwrap();
    let batch = records(&event["Records"][0], 1, &[]);
    let told = Mutex::new(Vec::new());
    for _ in 0..2 {
        let tell = |events: Vec<Event>| {
            told.lock().unwrap().extend(events.iter().map(|event| serde_json::to_string(event).unwrap()));
            async move { vec![true; events.len()] }
        };
        assert!(notify(batch.clone(), tell).await.is_empty());
    }
    let told = told.into_inner().unwrap();
    assert_eq!(told[0], told[1]);
}
