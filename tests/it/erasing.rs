//! Erasing a customer's personal data leaves the ledger whole.

use serde_json::{Value, json};

use crate::support::world::{World, check_ledger, fresh_key, order};

const ERASE: &str = "/v1/customers/alice/personal-data";

#[tokio::test]
async fn who_the_customer_is_and_what_was_written_is_gone_and_the_chain_stays_whole() {
    let world = World::start().await;
    let admin = world.admin();
    let profile = json!({"name": "Alice Secret", "email": "secret@example.com", "language": "en"});
    admin.put("/v1/customers/alice", profile).await.expect(200, "");
    let body = json!({"amount": "25.00", "category": "goodwill", "reference": "order-1001",
        "note": "secret to read", "internal_note": "secret among us"});
    let granted = admin.grant("alice", "g-1", body.clone()).await.expect(201, "");
    let debited = json!({"amount": "5.00", "reason": "secret reason"});
    admin.post("/v1/customers/alice/debits", "d-1", debited).await.expect(201, "");
    let topup = json!({"amount": "50.00", "payment": {"mode": "online", "method": "stripe"}});
    let asked = world.shop().request_topup("alice", "t-1", topup).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    admin.reject("alice", id, "secret refusal").await.expect(200, "");
    world.catch_up().await;
    let before = world.entries("alice").await;
    let changes = admin.get("/v1/customers/alice/changes").await.expect(200, "");
    assert!(!changes.text.contains("ecret"), "{}", changes.text);

    admin.delete(ERASE).await.expect(204, "");

    // At once, whatever the lists' function does.
    let list = admin.get("/v1/customers").await.expect(200, "");
    assert_eq!(list.json["data"].as_array().unwrap().len(), 1);
    let all = world.all_of("alice").await.to_string() + &list.text;
    assert!(!all.contains("ecret"), "{all}");
    let after = world.entries("alice").await;
    check_ledger(&after);
    let kept = |entries: &[Value]| -> Vec<Value> {
        let mut entries = entries.to_vec();
        for entry in &mut entries {
            for text in ["note", "internal_note", "reason"] {
                entry.as_object_mut().unwrap().remove(text);
            }
        }
        entries
    };
    assert_eq!(kept(&after), kept(&before));
    let as_of = format!("/v1/customers/alice?as_of={}", world.now());
    assert_eq!(admin.get(&as_of).await.expect(200, "").json["accounts"][0]["balance"], "20.00");
    let changes = admin.get("/v1/customers/alice/changes").await.expect(200, "");
    assert_eq!(changes.json["data"][0]["changes"]["personal_data"]["new"], "erased");
    assert_eq!(changes.json["data"][0]["actor"]["role"], "admin");

    // The key still stands for what it did, though nobody knows any more with which words.
    let again = admin.grant("alice", "g-1", body).await.expect(201, "");
    assert!(again.is_replayed());
    assert_eq!(again.json["entry"]["hash"], granted.json["entry"]["hash"]);
    let spent = json!({"order": order("1", "500")});
    world.shop().redeem("alice", &fresh_key(), spent).await.expect(201, "");
    check_ledger(&world.entries("alice").await);
}

#[tokio::test]
async fn erasing_again_or_where_there_is_little_changes_nothing() {
    let world = World::start().await;
    let admin = world.admin();
    admin.delete(ERASE).await.expect(404, "customer_not_found");
    world.granted("alice", "25.00", json!({"note": "secret"})).await;
    admin.delete(ERASE).await.expect(204, "");
    let once = world.all_of("alice").await;
    admin.delete(ERASE).await.expect(204, "");
    assert_eq!(world.all_of("alice").await, once);
    assert!(!once.to_string().contains("secret"));
    // Others keep theirs.
    world.granted("bob", "25.00", json!({"note": "for Bob"})).await;
    admin.delete(ERASE).await.expect(204, "");
    assert_eq!(world.entries("bob").await[0]["note"], "for Bob");

    world.shop().delete(ERASE).await.expect(403, "forbidden");
    world.customer("alice").delete(ERASE).await.expect(403, "forbidden");
}

#[tokio::test]
async fn a_long_history_is_erased_to_its_end() {
    let world = World::start().await;
    for at in 0..130 {
        let body = json!({"amount": "1.00", "category": "goodwill", "note": format!("secret {at}")});
        world.admin().grant("alice", &fresh_key(), body).await.expect(201, "");
    }
    world.admin().delete(ERASE).await.expect(204, "");
    let entries = world.entries("alice").await;
    assert_eq!(entries.len(), 130);
    assert!(entries.iter().all(|entry| entry.get("note").is_none()));
    check_ledger(&entries);
}

#[tokio::test]
async fn a_key_whose_entry_was_erased_stands_for_what_it_did_and_for_nothing_else() {
    let world = World::start().await;
    let (admin, shop) = (world.admin(), world.shop());
    let grant = json!({"amount": "25.00", "category": "goodwill", "note": "secret"});
    shop.grant("alice", "k", grant).await.expect(201, "");
    let topup = json!({"amount": "50.00", "payment": {"mode": "online", "method": "stripe"}});
    let asked = shop.request_topup("alice", "t", topup.clone()).await.expect(201, "");
    let topup_id = asked.json["topup"]["id"].as_str().unwrap();
    admin.delete(ERASE).await.expect(204, "");
    let before = world.all_of("alice").await;
    let order = json!({"order": order("1", "4.00")});
    for (path, body) in [
        ("redemptions", order.clone()),
        ("redemptions/USD-1/refund", json!({})),
        ("redemptions/USD-1/capture", json!({})),
        ("withdrawals", json!({"amount": "4.00", "journal": "cash"})),
        ("debits", json!({"amount": "4.00", "reason": "why"})),
        ("lots/USD-1/void", json!({"reason": "why"})),
        ("topups", topup),
        (&format!("topups/{topup_id}/approve"), json!({})),
    ] {
        let path = format!("/v1/customers/alice/{path}");
        admin.post(&path, "k", body).await.expect(422, "idempotency_mismatch");
    }
    assert_eq!(world.all_of("alice").await, before);
}
