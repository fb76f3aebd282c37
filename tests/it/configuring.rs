//! The store's settings, API keys, and what the shop tells about a customer.

use jiff::SignedDuration;
use serde_json::{Value, json};

use bytes::Bytes;

use crate::support::world::{Answer, World, each, fresh_key, order};

const SETTINGS: &str = "/v1/settings";

/// Every setting as it is before anybody has written any.
fn defaults() -> Value {
    json!({
        "currency": "USD", "time_zone": "UTC", "enabled": true, "consumption_order": "fifo", "usage_limit": null,
        "usage_base": "preceding_lines", "sort_order": 9, "activation_total": null, "balance_limit": null,
        "transaction_limit": null, "topup_min": null, "topup_max": null, "topup_limit": null, "topup_methods": null,
        "topup_approval": "manual", "topup_pending_days": 30, "overdraft_limit": null, "withdrawal": false, "withdrawable": ["paid", "refund"], "expiry_exempt": false,
        "refund_grace_days": 30, "hold_ttl_seconds": 900,
        "expiry_days": null, "apply_to_existing": false, "remind_days": [], "chart_of_accounts": null,
    })
}

/// The defaults with these settings instead.
fn defaults_but(settings: &Value) -> Value {
    let mut all = defaults();
    all.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
    all
}

/// Writes the settings on condition that they are still at this version.
async fn put_if(world: &World, version: &str, settings: Value) -> Answer {
    let body = Bytes::from(settings.to_string());
    world.admin().send("PUT", SETTINGS, &[("if-match", version)], body).await
}

#[tokio::test]
async fn before_anything_is_written_the_defaults_hold() {
    let world = World::start().await;
    let answer = world.admin().get(SETTINGS).await.expect(200, "");
    assert_eq!(answer.json, json!({"settings": defaults(), "version": 0}));
    let entry = world.granted("alice", "5", json!({})).await.json["entry"].clone();
    assert_eq!([&entry["policy_version"], &entry["expires_at"]], [&json!(0), &json!(null)]);
}

#[tokio::test]
async fn settings_are_written_whole_and_read_back_in_their_one_form() {
    let world = World::start().await;
    let all = json!({
        "currency": "EUR", "time_zone": "Europe/Paris", "enabled": false, "consumption_order": "expiring_first",
        "usage_limit": {"type": "fixed", "maximum": {"USD": "50.00", "JPY": "5000"}}, "usage_base": "subtotal_only",
        "sort_order": -3, "activation_total": {"USD": "130.00"}, "balance_limit": {"EUR": "0.00"},
        "transaction_limit": {"BHD": "1.500"}, "topup_min": {"USD": "1.00"}, "topup_max": {"USD": "100.00"},
        "topup_limit": {"USD": "999999999999.99"}, "topup_methods": ["stripe", "cash"],
        "topup_approval": {"manual_above": {"USD": "100.00"}}, "topup_pending_days": 7,
        "expiry_days": {"goodwill": 90, "promotional": 36_500}, "overdraft_limit": {"USD": "50.00"}, "withdrawal": true,
        "withdrawable": ["paid"], "apply_to_existing": false, "expiry_exempt": true, "refund_grace_days": 0, "hold_ttl_seconds": 604_800,
        "remind_days": [], "chart_of_accounts": {"payments": "Assets:Bank:{method}", "sales": "Assets:1200:StoreCredit"},
    });
    for (at, (written, read)) in [
        (json!({}), defaults()),
        (all.clone(), all.clone()),
        // What is left out is the default again.
        (json!({"sort_order": 3}), defaults_but(&json!({"sort_order": 3}))),
        (all.clone(), all),
        (defaults(), defaults()),
        (
            json!({"activation_total": {"USD": "130", "JPY": "1"}}),
            defaults_but(&json!({"activation_total": {"USD": "130.00", "JPY": "1"}})),
        ),
        (json!({"activation_total": {}}), defaults()),
        (
            json!({"usage_limit": {"type": "percent", "maximum": "25.50"}}),
            defaults_but(&json!({"usage_limit": {"type": "percent", "maximum": "25.5"}})),
        ),
        (json!({"expiry_days": 365}), defaults_but(&json!({"expiry_days": 365}))),
        (json!({"topup_approval": "automatic"}), defaults_but(&json!({"topup_approval": "automatic"}))),
        (json!({"time_zone": "europe/paris"}), defaults_but(&json!({"time_zone": "Europe/Paris"}))),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = world.admin().put(SETTINGS, written.clone()).await.expect(200, "");
        let expected = json!({"settings": read, "version": at + 1});
        assert_eq!(answer.json, expected, "{written}");
        assert_eq!(world.staff("jane").get(SETTINGS).await.expect(200, "").json, expected);
        // What was read can be written as it is.
        assert_eq!(put_if(&world, "999", read).await.expect(409, "conflict").json["version"], at + 1);
    }
}

#[tokio::test]
async fn settings_are_written_only_at_the_version_that_was_read_if_that_is_asked_for() {
    let world = World::start().await;
    for (at, version) in ["0", "\"1\"", "2"].into_iter().enumerate() {
        let answer = put_if(&world, version, json!({"sort_order": at})).await.expect(200, "");
        assert_eq!(answer.json["version"], at + 1);
    }
    let before = world.admin().get(SETTINGS).await.json;
    for stale in ["0", "2", "4", "\"2\"", "18446744073709551615"] {
        let answer = put_if(&world, stale, json!({"sort_order": 99})).await.expect(409, "conflict");
        assert_eq!(answer.json["version"], 3, "{stale}");
    }
    for wrong in ["", "x", "-1", "1.0", "*", "W/\"3\"", "\"3\", \"4\"", "18446744073709551616"] {
        let answer = put_if(&world, wrong, json!({"sort_order": 99})).await.expect(400, "invalid_request");
        assert_eq!(answer.json["errors"][0]["field"], "If-Match", "{wrong}");
    }
    assert_eq!(world.admin().get(SETTINGS).await.json, before);
    // Without it, the last writer wins.
    assert_eq!(world.admin().put(SETTINGS, json!({})).await.expect(200, "").json["version"], 4);
}

#[tokio::test]
async fn of_two_who_write_the_version_they_read_one_is_told_so() {
    let world = World::start().await;
    for version in 0..4_u8 {
        let read = version.to_string();
        let (one, two) = tokio::join!(
            put_if(&world, &read, json!({"sort_order": 1})),
            put_if(&world, &read, json!({"sort_order": 2}))
        );
        let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!(won.expect(200, "").json["version"], version + 1);
        assert_eq!(lost.expect(409, "conflict").json["version"], version + 1);
    }
    // And of many who do not ask, each gets a version of its own.
    let puts =
        (0..8_u8).map(|at| {
            let admin = world.admin();
            async move {
                admin.put(SETTINGS, json!({"sort_order": at})).await.expect(200, "").json["version"].clone()
            }
        });
    let mut versions = futures::future::join_all(puts).await;
    versions.sort_by_key(Value::as_u64);
    assert_eq!(versions, (5..13_u8).map(Value::from).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_entry_tells_the_version_of_the_settings_that_it_was_decided_under() {
    let world = World::start().await;
    let payment = json!({"mode": "online", "method": "card"});
    let asked = world
        .shop()
        .request_topup("alice", "t", json!({"amount": "5", "payment": payment}))
        .await
        .expect(201, "");
    world.granted("alice", "5", json!({"expires_on": "2026-12-01"})).await;
    world.settings(json!({"enabled": true})).await;
    world.shop().redeem("alice", "r", json!({"order": order("1", "2")})).await.expect(201, "");
    world.settings(json!({"enabled": true})).await;
    let id = asked.json["topup"]["id"].as_str().unwrap();
    world.admin().approve("alice", id, "a", json!({})).await.expect(200, "");
    world.settings(json!({"enabled": false})).await;
    world.set_now("2026-12-05T00:00:00Z");
    world.expire().await;
    let versions: Vec<Value> =
        world.entries("alice").await.iter().map(|entry| entry["policy_version"].clone()).collect();
    assert_eq!(versions, [0, 1, 2, 3]);
}

#[tokio::test]
async fn settings_hold_from_the_next_call_on() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    let body = json!({"order": order("1", "4")});
    world.settings(json!({"enabled": false})).await;
    world.shop().redeem("alice", "r", body.clone()).await.expect(422, "credit_disabled");
    world.shop().quote("alice", body.clone()).await.expect(422, "credit_disabled");
    // Switched off, credit is still given, shown and expires.
    world.granted("alice", "10", json!({})).await;
    world.settings(json!({"usage_limit": {"type": "percent", "maximum": "50"}})).await;
    let redeemed = world.shop().redeem("alice", "r", body).await.expect(201, "");
    assert_eq!(redeemed.json["applied"], "2.00");
}

#[tokio::test]
async fn an_api_key_lets_in_as_its_role_until_it_is_revoked() {
    let world = World::start().await;
    for (role, name) in [("store", json!("till 3")), ("admin", json!(null))] {
        let made = world
            .admin()
            .post("/v1/api-keys", "-", json!({"role": role, "name": name}))
            .await
            .expect(201, "");
        let (id, key) = (made.json["id"].as_str().unwrap(), made.json["key"].as_str().unwrap());
        assert_eq!(made.json, json!({"id": id, "key": key, "role": role, "name": name}));
        assert!(id.starts_with("key_") && key.starts_with("sk_") && key.len() == 67, "{}", made.text);
        assert!(!key.contains(id.strip_prefix("key_").unwrap()), "its name tells a part of it");

        let holder = world.with_credential(key);
        let granted = holder
            .grant("alice", &fresh_key(), json!({"amount": "5", "category": "paid"}))
            .await
            .expect(201, "");
        assert_eq!(granted.json["entry"]["actor"], json!({"role": role, "id": id}));
        let (status, code) = if role == "admin" { (200, "") } else { (403, "forbidden") };
        holder.get(SETTINGS).await.expect(status, code);

        let revoked = world.admin().delete(&format!("/v1/api-keys/{id}")).await.expect(204, "");
        assert_eq!(revoked.text, "");
        world.pass(SignedDuration::from_secs(30));
        holder.get("/v1/customers/alice").await.expect(401, "unauthenticated");
        // Revoked once is revoked for ever.
        world.admin().delete(&format!("/v1/api-keys/{id}")).await.expect(204, "");
        world.pass(SignedDuration::from_hours(24));
        holder.get("/v1/customers/alice").await.expect(401, "unauthenticated");
    }
}

#[tokio::test]
async fn the_keys_that_there_are_are_listed_newest_first_and_never_shown() {
    let world = World::start().await;
    let admin = world.admin();
    let old = admin.get("/v1/api-keys").await.expect(200, "").json["data"].clone();
    // The shop's; the first admin's is the stack's own, and no item.
    assert_eq!(each(old.as_array().unwrap(), "role"), ["store"]);
    let mut made = Vec::new();
    for (role, name) in [("store", json!("till 1")), ("admin", json!(null)), ("store", json!("till 1"))] {
        world.pass(SignedDuration::from_mins(1));
        let key = admin.post("/v1/api-keys", "-", json!({"role": role, "name": name})).await.expect(201, "");
        let (id, at) = (key.json["id"].clone(), world.now().to_string());
        made.push(json!({"id": id, "role": role, "name": name, "created_at": at, "revoked_at": null}));
    }
    world.pass(SignedDuration::from_mins(1));
    let id = made[1]["id"].as_str().unwrap().to_owned();
    for _ in 0..2_u8 {
        admin.delete(&format!("/v1/api-keys/{id}")).await.expect(204, "");
        made[1]["revoked_at"] = made[1]["revoked_at"].as_str().map_or(json!(world.now()), |at| json!(at));
        world.pass(SignedDuration::from_mins(1));
    }
    made.reverse();
    made.extend(old.as_array().unwrap().clone());
    for limit in 1..=5 {
        let (mut told, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = admin.get(&format!("/v1/api-keys?limit={limit}{cursor}")).await.expect(200, "").json;
            told.extend(page["data"].as_array().unwrap().clone());
            pages += 1;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!((told, pages), (made.clone(), 4_usize.div_ceil(limit)), "{limit}");
    }
    for cursor in ["x", "e30", "eyJrZXkiOiIifQ"] {
        admin.get(&format!("/v1/api-keys?cursor={cursor}")).await.expect(400, "invalid_cursor");
    }
    admin.get("/v1/api-keys?role=store").await.expect(400, "invalid_request");
}

#[tokio::test]
async fn a_key_of_before_there_was_a_list_is_in_it_once_it_is_revoked() {
    let world = World::start().await;
    let admin = world.admin();
    let made = admin.post("/v1/api-keys", "-", json!({"role": "store"})).await.expect(201, "").json;
    let id = made["id"].as_str().unwrap();
    let key = json!({"pk": {"S": format!("KEY#{id}")}, "sk": {"S": "KEY"}});
    let stored = world.ask("GetItem", json!({"TableName": world.table(), "Key": key})).await;
    let mut item = stored["Item"].clone();
    for index in ["lq", "lk"] {
        item.as_object_mut().unwrap().remove(index).unwrap();
    }
    world.ask("PutItem", json!({"TableName": world.table(), "Item": item})).await;

    let listed = async || {
        let listed = admin.get("/v1/api-keys").await.expect(200, "").json["data"].clone();
        listed.as_array().unwrap().iter().any(|key| key["id"] == id)
    };
    assert!(!listed().await);
    let holder = world.with_credential(made["key"].as_str().unwrap());
    world.granted("alice", "5", json!({})).await;
    holder.get("/v1/customers/alice").await.expect(200, "");
    admin.delete(&format!("/v1/api-keys/{id}")).await.expect(204, "");
    assert!(listed().await);
}

#[tokio::test]
async fn a_revoked_key_that_nobody_used_lets_nobody_in_at_once() {
    let world = World::start().await;
    let made = world.admin().post("/v1/api-keys", "-", json!({"role": "store"})).await.expect(201, "").json;
    world.admin().delete(&format!("/v1/api-keys/{}", made["id"].as_str().unwrap())).await.expect(204, "");
    let holder = world.with_credential(made["key"].as_str().unwrap());
    holder.get("/v1/customers/alice").await.expect(401, "unauthenticated");
}

#[tokio::test]
async fn every_api_key_is_another() {
    let world = World::start().await;
    let mut keys = Vec::new();
    for _ in 0..20_u8 {
        let made = world
            .admin()
            .post("/v1/api-keys", "-", json!({"role": "store", "name": "till"}))
            .await
            .expect(201, "");
        keys.push(made.json["key"].as_str().unwrap().to_owned());
    }
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 20);
}

#[tokio::test]
async fn a_key_that_is_not_there_is_not_found() {
    let world = World::start().await;
    for id in [
        "key_000000000000000000000000",
        "key_",
        "x",
        "%20",
        "..",
        "SETTINGS",
        "%00",
        "%FF",
        &"k".repeat(1_000),
    ] {
        world.admin().delete(&format!("/v1/api-keys/{id}")).await.expect(404, "api_key_not_found");
    }
}

#[tokio::test]
async fn a_customers_profile_is_written_whole_and_shown() {
    let world = World::start().await;
    let (long, address) = ("n".repeat(128), format!("{}@example.com", "n".repeat(64)));
    let mut version = 0;
    for (written, name, email) in [
        (
            json!({"name": "Alice A.", "email": "alice@example.com"}),
            json!("Alice A."),
            json!("alice@example.com"),
        ),
        (json!({"name": "Älice \u{1f600}"}), json!("Älice \u{1f600}"), json!(null)),
        (json!({"email": "a@example.com"}), json!(null), json!("a@example.com")),
        (json!({"name": long, "email": address}), json!(long), json!(address)),
        (json!({"name": null}), json!(null), json!(null)),
        (json!({}), json!(null), json!(null)),
    ] {
        version += 1;
        let answer = world.admin().put("/v1/customers/alice", written.clone()).await.expect(200, "");
        let expected = json!({
            "customer": "alice", "name": name, "email": email, "language": null, "group": null, "policy": {},
            "frozen": false, "version": version,
        });
        assert_eq!(answer.json, expected, "{written}");
        let expected = json!({
            "customer": "alice", "name": name, "email": email, "language": null, "group": null, "frozen": false,
            "accounts": [],
        });
        let mut seen = world.customer("alice").get("/v1/customers/alice").await.expect(200, "").json;
        assert!(seen.as_object_mut().unwrap().remove("terms").unwrap().is_object(), "{written}");
        assert_eq!(seen, expected, "{written}");
        // Staff sees besides which rules are in force, and the version to write over.
        for who in [world.admin(), world.shop()] {
            let mut seen = who.get("/v1/customers/alice").await.expect(200, "").json;
            let seen = seen.as_object_mut().unwrap();
            assert_eq!(seen.remove("version"), Some(json!(version)), "{written}");
            assert!(seen.remove("policy").unwrap().is_object(), "{written}");
            assert_eq!(seen.remove("own_policy"), Some(json!({})), "{written}");
            assert_eq!(json!(seen), expected, "{written}");
        }
    }
    // It changes no account, and no account changes it.
    world.granted("alice", "5", json!({})).await;
    world.admin().put("/v1/customers/alice", json!({"name": "Alice"})).await.expect(200, "");
    let seen = world.shop().get("/v1/customers/alice").await.json;
    assert_eq!([&seen["name"], &seen["accounts"][0]["balance"]], ["Alice", "5.00"]);
    assert_eq!(world.entries("alice").await.len(), 1);
}

#[tokio::test]
async fn an_api_keys_id_of_any_length_is_not_found() {
    let world = World::start().await;
    for length in [2_000, 2_044, 2_045, 3_000, 8_000] {
        let answer = world.admin().delete(&format!("/v1/api-keys/{}", "k".repeat(length))).await;
        answer.expect(404, "api_key_not_found");
    }
}

#[tokio::test]
async fn a_parameter_that_a_call_does_not_know_is_refused() {
    let world = World::start().await;
    for (method, path) in [
        ("GET", "/v1/settings?x=1"),
        ("PUT", "/v1/settings?x=1"),
        ("PUT", "/v1/customers/alice?x=1"),
        ("POST", "/v1/api-keys?x=1"),
    ] {
        let body = if method == "POST" { json!({"role": "store"}) } else { json!({}) };
        let body = if method == "GET" { Bytes::new() } else { Bytes::from(body.to_string()) };
        let refused = world.admin().send(method, path, &[], body).await.expect(400, "invalid_request");
        assert_eq!(refused.json["errors"][0]["field"], "x", "{method} {path}");
    }
    assert_eq!(world.admin().get(SETTINGS).await.json["version"], 0);
}

#[tokio::test]
async fn a_document_that_is_not_there_resets_nothing() {
    let world = World::start().await;
    let admin = world.admin();
    world.settings(json!({"enabled": false})).await;
    admin.put("/v1/groups/vip", json!({"policy": {"enabled": false}})).await.expect(200, "");
    admin.put("/v1/customers/alice", json!({"name": "Alice", "frozen": true})).await.expect(200, "");
    for path in [SETTINGS, "/v1/groups/vip", "/v1/customers/alice"] {
        let before = admin.get(path).await.expect(200, "").json;
        let empty = admin.send("PUT", path, &[], Bytes::new()).await.expect(400, "invalid_request");
        assert_eq!(empty.json["errors"][0]["field"], "body");
        assert_eq!(admin.get(path).await.expect(200, "").json, before, "{path}");
    }
}

#[tokio::test]
async fn what_is_the_customers_own_is_told_as_it_was_written() {
    let world = World::start().await;
    let own = json!({"enabled": true, "usage_limit": null});
    let body = json!({"policy": own, "frozen": true});
    world.admin().put("/v1/customers/alice", body).await.expect(200, "");
    let seen = world.admin().get("/v1/customers/alice").await.expect(200, "").json;
    assert_eq!((&seen["own_policy"], &seen["policy"]["enabled"]["value"]), (&own, &json!(false)));
}

#[tokio::test]
async fn the_contracts_settings_are_taken_as_they_stand() {
    let world = World::start().await;
    let document = json!({
        "currency": "USD", "time_zone": "Europe/Paris", "enabled": true, "consumption_order": "fifo",
        "usage_limit": {"type": "percent", "maximum": "25"}, "usage_base": "preceding_lines", "sort_order": 9,
        "activation_total": {"USD": "130.00"}, "overdraft_limit": null, "balance_limit": null,
        "transaction_limit": null, "topup_min": null, "topup_max": null, "topup_limit": null,
        "topup_methods": null, "topup_approval": "manual", "topup_pending_days": 30, "withdrawal": false,
        "withdrawable": ["paid", "refund"], "expiry_days": null, "expiry_exempt": false, "refund_grace_days": 30,
        "hold_ttl_seconds": 900, "remind_days": [],
    });
    let answer = world.admin().put(SETTINGS, document.clone()).await.expect(200, "");
    for (name, value) in document.as_object().unwrap() {
        assert_eq!(answer.json["settings"][name], *value, "{name}");
    }
}
