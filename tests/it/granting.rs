//! Giving credit: what a grant answers, when it expires, and what its key stands for.

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::world::{Answer, START, World, ZERO_HASH, check_ledger, each, fresh_key, order};

const GRANTS: &str = "/v1/customers/alice/grants";

/// A grant of 25.00 with these fields besides, or instead.
fn grant_of(fields: Value) -> Value {
    let mut body = json!({"amount": "25", "category": "goodwill"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

#[tokio::test]
async fn a_grant_answers_what_the_contract_shows() {
    let world = World::start().await;
    let body = json!({
        "amount": "25.00", "currency": "USD", "category": "refund", "expires_on": "2026-12-31",
        "payment": {"mode": "offline", "method": "cash", "reference": "R-17"}, "reference": "order-1001",
        "note": "for the late parcel", "internal_note": "third time this year",
    });
    let answer = world.admin().grant("alice", "refund-1001", body).await.expect(201, "");
    let expected = json!({
        "entry": {
            "id": "USD-1", "type": "grant", "amount": "25.00", "currency": "USD", "category": "refund",
            "source": "admin", "balance_after": "25.00", "allocations": [{"lot": "USD-1", "amount": "25.00"}],
            "expires_at": "2027-01-01T00:00:00Z", "payment": {"mode": "offline", "method": "cash", "reference": "R-17"},
            "reference": "order-1001", "note": "for the late parcel", "internal_note": "third time this year",
            "actor": {"role": "admin", "id": answer.json["entry"]["actor"]["id"]}, "at": START, "policy_version": 0,
            "hash": answer.json["entry"]["hash"], "prev_hash": ZERO_HASH,
        },
        "account": {"currency": "USD", "balance": "25.00", "held": "0.00", "available": "25.00"},
    });
    assert_eq!(answer.json, expected);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(answer.json["entry"]["actor"]["id"].as_str().unwrap().starts_with("key_"), "{}", answer.text);
    check_ledger(&world.entries("alice").await);
}

#[tokio::test]
async fn a_grant_expires_when_it_says_or_when_the_policy_says() {
    let days = |days: Value, zone: &str| json!({"expiry_days": days, "time_zone": zone});
    let cases = [
        // Without a policy: what the grant says.
        (json!({}), json!({}), json!(null)),
        (json!({}), json!({"expires": "never"}), json!(null)),
        (json!({}), json!({"expires_on": "2026-12-31"}), json!("2027-01-01T00:00:00Z")),
        (json!({}), json!({"expires_on": "2026-11-22"}), json!("2026-11-23T00:00:00Z")),
        (json!({}), json!({"expires_at": "2026-12-01T12:34:56.789Z"}), json!("2026-12-01T12:34:56.789Z")),
        (json!({}), json!({"expires_at": "2026-12-01T12:00:00+02:00"}), json!("2026-12-01T10:00:00Z")),
        (json!({}), json!({"expires_at": "2026-11-22T10:00:00.001Z"}), json!("2026-11-22T10:00:00.001Z")),
        // A day ends where the store is.
        (
            json!({"time_zone": "Europe/Paris"}),
            json!({"expires_on": "2026-12-31"}),
            json!("2026-12-31T23:00:00Z"),
        ),
        (
            json!({"time_zone": "Europe/Paris"}),
            json!({"expires_on": "2027-03-28"}),
            json!("2027-03-28T22:00:00Z"),
        ),
        (
            json!({"time_zone": "Pacific/Kiritimati"}),
            json!({"expires_on": "2026-12-31"}),
            json!("2026-12-31T10:00:00Z"),
        ),
        (
            json!({"time_zone": "America/New_York"}),
            json!({"expires_on": "2026-12-31"}),
            json!("2027-01-01T05:00:00Z"),
        ),
        // It is 22 November in New York, so that the day has not ended; in Kiritimati it is 23 November at midnight.
        (
            json!({"time_zone": "America/New_York"}),
            json!({"expires_on": "2026-11-22"}),
            json!("2026-11-23T05:00:00Z"),
        ),
        // The policy counts from the day of the credit.
        (days(json!(365), "UTC"), json!({}), json!("2027-11-23T00:00:00Z")),
        (days(json!(1), "UTC"), json!({}), json!("2026-11-24T00:00:00Z")),
        (days(json!(1), "Pacific/Kiritimati"), json!({}), json!("2026-11-24T10:00:00Z")),
        (days(json!({"goodwill": 90}), "UTC"), json!({}), json!("2027-02-21T00:00:00Z")),
        (days(json!({"promotional": 90}), "UTC"), json!({}), json!(null)),
        (
            days(json!({"promotional": 90}), "UTC"),
            json!({"category": "promotional"}),
            json!("2027-02-21T00:00:00Z"),
        ),
        // And the grant's own word comes before the policy's.
        (days(json!(365), "UTC"), json!({"expires": "never"}), json!(null)),
        (days(json!(365), "UTC"), json!({"expires_on": "2026-12-31"}), json!("2027-01-01T00:00:00Z")),
        (days(json!(1), "UTC"), json!({"expires_at": "2028-01-01T00:00:00Z"}), json!("2028-01-01T00:00:00Z")),
    ];
    let world = World::start().await;
    for (at, (settings, fields, expected)) in cases.into_iter().enumerate() {
        world.settings(settings.clone()).await;
        let customer = format!("customer-{at}");
        let answer = world.shop().grant(&customer, "k", grant_of(fields.clone())).await.expect(201, "");
        assert_eq!(answer.json["entry"]["expires_at"], expected, "{settings} {fields}");
        let lot = &world.account(&customer).await["lots"][0];
        assert_eq!(lot["expires_at"], expected, "{settings} {fields}");
    }
}

#[tokio::test]
async fn credit_that_would_come_expired_is_refused() {
    let world = World::start().await;
    for (zone, fields) in [
        ("UTC", json!({"expires_on": "2026-11-21"})),
        ("UTC", json!({"expires_on": "1970-01-01"})),
        ("UTC", json!({"expires_at": "2026-11-22T10:00:00Z"})),
        ("UTC", json!({"expires_at": "2026-11-22T09:59:59.999Z"})),
        ("UTC", json!({"expires_at": "0001-01-01T00:00:00Z"})),
        // It has been 23 November there for no time at all.
        ("Pacific/Kiritimati", json!({"expires_on": "2026-11-22"})),
    ] {
        world.settings(json!({"time_zone": zone})).await;
        world.shop().grant("alice", &fresh_key(), grant_of(fields)).await.expect(422, "expiry_in_past");
    }
    world.admin().get("/v1/customers/alice").await.expect(404, "customer_not_found");
}

#[tokio::test]
async fn every_category_is_kept_with_who_brought_it() {
    let world = World::start().await;
    let categories = ["paid", "promotional", "refund", "goodwill", "import"];
    for category in categories {
        let (admin, body) = (world.admin(), grant_of(json!({"category": category})));
        admin.grant("alice", &fresh_key(), body.clone()).await.expect(201, "");
        world.shop().grant("bob", &fresh_key(), body).await.expect(201, "");
    }
    for (customer, source) in [("alice", "admin"), ("bob", "store")] {
        let account = world.account(customer).await;
        let (entries, lots) = (world.entries(customer).await, account["lots"].as_array().unwrap());
        assert_eq!(each(&entries, "category"), categories);
        assert_eq!(each(lots, "category"), categories);
        assert_eq!(each(lots, "source"), [source; 5]);
        assert_eq!(each(&entries, "source"), [source; 5]);
        assert!(entries.iter().all(|entry| entry["actor"]["role"] == source));
    }
}

#[tokio::test]
async fn the_currency_is_the_stores_unless_the_grant_names_one() {
    let world = World::start().await;
    let cases = [
        ("USD", json!({}), "USD-1", "25.00"),
        ("USD", json!({"currency": null}), "USD-1", "25.00"),
        ("EUR", json!({}), "EUR-1", "25.00"),
        ("EUR", json!({"currency": "USD"}), "USD-1", "25.00"),
        ("JPY", json!({"amount": "1500"}), "JPY-1", "1500"),
        ("BHD", json!({"amount": "1.5"}), "BHD-1", "1.500"),
        ("USD", json!({"amount": "0.001", "currency": "BHD"}), "BHD-1", "0.001"),
        ("USD", json!({"amount": "0.0001", "currency": "CLF"}), "CLF-1", "0.0001"),
        ("USD", json!({"amount": "999999999999.99"}), "USD-1", "999999999999.99"),
        ("USD", json!({"amount": "0.01"}), "USD-1", "0.01"),
    ];
    for (at, (store, fields, id, amount)) in cases.into_iter().enumerate() {
        world.settings(json!({"currency": store})).await;
        let customer = format!("customer-{at}");
        let granted = world.shop().grant(&customer, "k", grant_of(fields.clone())).await.expect(201, "").json;
        let currency = &id[..3];
        assert_eq!(
            [&granted["entry"]["id"], &granted["entry"]["amount"], &granted["account"]["balance"]],
            [id, amount, amount],
            "{store} {fields}"
        );
        assert_eq!([&granted["entry"]["currency"], &granted["account"]["currency"]], [currency; 2]);
        assert_eq!(world.account(&customer).await["balance"], amount);
    }
}

#[tokio::test]
async fn accounts_of_two_currencies_know_nothing_of_each_other() {
    let world = World::start().await;
    for currency in ["USD", "EUR", "USD", "JPY", "EUR"] {
        world.granted("alice", "10", json!({"currency": currency})).await;
    }
    let answer = world.shop().get("/v1/customers/alice").await.expect(200, "");
    let accounts = answer.json["accounts"].as_array().unwrap();
    assert_eq!(each(accounts, "currency"), ["EUR", "JPY", "USD"]);
    assert_eq!(each(accounts, "balance"), ["20.00", "10", "20.00"]);
    check_ledger(&world.entries("alice").await);
}

#[tokio::test]
async fn amounts_beyond_twelve_digits_add_up_and_are_read_back() {
    let world = World::start().await;
    let body = grant_of(json!({"amount": "999999999999.99"}));
    let answers = [
        world.shop().grant("alice", "k1", body.clone()).await.expect(201, ""),
        world.shop().grant("alice", "k2", body.clone()).await.expect(201, ""),
    ];
    assert_eq!(answers[1].json["account"]["balance"], "1999999999999.98");
    let again = world.shop().grant("alice", "k2", body).await.expect(201, "");
    assert!(again.is_replayed());
    assert_eq!(again.text, answers[1].text);
    assert_eq!(world.account("alice").await["lifetime"]["granted"], "1999999999999.98");
    check_ledger(&world.entries("alice").await);
}

#[tokio::test]
async fn a_note_is_for_the_customer_and_an_internal_note_is_not() {
    let world = World::start().await;
    let note = "zeile 1\nzeile\t2: \u{201e}für Sie\u{201c} \u{1f381}";
    let body = grant_of(json!({"note": note, "internal_note": "a hard case"}));
    let granted = world.shop().grant("alice", "k", body).await.expect(201, "");
    assert_eq!(
        [&granted.json["entry"]["note"], &granted.json["entry"]["internal_note"]],
        [note, "a hard case"]
    );
    for (who, internal) in [
        (world.admin(), json!("a hard case")),
        (world.shop(), json!("a hard case")),
        (world.staff("jane"), json!("a hard case")),
        (world.customer("alice"), json!(null)),
    ] {
        let answer = who.get("/v1/customers/alice/entries").await.expect(200, "");
        assert_eq!(answer.json["data"][0]["note"], note);
        assert_eq!(answer.json["data"][0]["internal_note"], internal);
        assert_eq!(answer.text.contains("hard case"), !internal.is_null());
    }
}

#[tokio::test]
async fn the_same_key_and_body_answer_the_same_bytes_for_ever() {
    let world = World::start().await;
    let body =
        grant_of(json!({"expires_on": "2026-12-31", "note": "n", "internal_note": "i", "reference": "r"}));
    let first = world.shop().grant("alice", "k", body.clone()).await.expect(201, "");
    assert!(!first.is_replayed());
    assert!(first.headers.get("idempotent-replayed").is_none());

    let replays = async |what: &str| {
        let before = world.all_of("alice").await;
        // Whoever of the staff sends it.
        for who in [world.shop(), world.admin(), world.staff("jane")] {
            let again = who.grant("alice", "k", body.clone()).await.expect(201, "");
            assert!(again.is_replayed(), "{what}");
            assert_eq!(again.text, first.text, "{what}");
        }
        assert_eq!(world.all_of("alice").await, before, "{what}");
    };
    replays("at once").await;
    world.granted("alice", "5", json!({})).await;
    world.shop().redeem("alice", "r", json!({"order": order("1", "8")})).await.expect(201, "");
    replays("after other entries").await;
    let settings = json!({"currency": "EUR", "time_zone": "Asia/Tokyo", "expiry_days": 1, "balance_limit": {"USD": "1"}});
    world.settings(settings).await;
    replays("after the settings changed").await;
    world.set_now("2031-01-01T00:00:00Z");
    world.expire().await;
    replays("after it expired").await;
    assert_eq!(world.entries("alice").await.len(), 4);
}

/// Sends these bytes as a grant under one key.
async fn send(world: &World, body: &str) -> Answer {
    let body = Bytes::from(body.to_owned());
    world.shop().send("POST", GRANTS, &[("idempotency-key", "k")], body).await
}

#[tokio::test]
async fn the_same_body_is_the_same_however_its_json_is_written() {
    let world = World::start().await;
    let payment = r#"{"mode":"online","method":"stripe"}"#;
    let first = format!(r#"{{"amount":"25","category":"paid","payment":{payment},"note":"é"}}"#);
    let first = send(&world, &first).await.expect(201, "");
    for body in [
        r#"{"note":"é","payment":{"method":"stripe","mode":"online"},"category":"paid","amount":"25"}"#,
        "\n{ \"amount\" : \"25\",\r\n\t\"category\":\"paid\", \"payment\" : {\"mode\":\"online\",\"method\":\"stripe\"}, \"note\":\"é\" } \n",
        r#"{"amount":"\u0032\u0035","category":"paid","payment":{"mode":"online","method":"stripe"},"note":"\u00e9"}"#,
    ] {
        let again = send(&world, body).await.expect(201, "");
        assert!(again.is_replayed(), "{body}");
        assert_eq!(again.text, first.text);
    }
    assert_eq!(world.entries("alice").await.len(), 1);
}

#[tokio::test]
async fn the_same_key_with_another_request_is_a_mismatch_and_moves_nothing() {
    let world = World::start().await;
    world.shop().grant("alice", "k", grant_of(json!({"note": "n"}))).await.expect(201, "");
    let before = world.all_of("alice").await;
    for body in [
        grant_of(json!({"note": "n", "amount": "25.01"})),
        grant_of(json!({"note": "n", "amount": "25.00"})),
        grant_of(json!({"note": "n", "category": "paid"})),
        grant_of(json!({"note": "n", "currency": "USD"})),
        grant_of(json!({"note": "n", "currency": "EUR"})),
        grant_of(json!({"note": "N"})),
        grant_of(json!({"note": "n", "internal_note": "n"})),
        grant_of(json!({})),
    ] {
        world.shop().grant("alice", "k", body).await.expect(422, "idempotency_mismatch");
    }
    let topup = json!({"amount": "25", "payment": {"mode": "online", "method": "stripe"}});
    world
        .shop()
        .redeem("alice", "k", json!({"order": order("1", "10")}))
        .await
        .expect(422, "idempotency_mismatch");
    world.shop().request_topup("alice", "k", topup).await.expect(422, "idempotency_mismatch");
    assert_eq!(world.all_of("alice").await, before);
}

#[tokio::test]
async fn a_key_is_the_customers_own() {
    let world = World::start().await;
    for (customer, amount) in [("alice", "25.00"), ("bob", "30.00"), ("Alice", "35.00")] {
        let answer =
            world.shop().grant(customer, "k", grant_of(json!({"amount": amount}))).await.expect(201, "");
        assert!(!answer.is_replayed());
        assert_eq!(answer.json["entry"]["id"], "USD-1");
    }
    // Every printable character counts; spaces at the ends are no part of a header.
    for key in ["K", "k k", "k  k", "~!@#$%^&*()", &"k".repeat(255)] {
        let answer = world.shop().grant("alice", key, grant_of(json!({}))).await.expect(201, "");
        assert!(!answer.is_replayed(), "{key:?}");
    }
    assert_eq!(world.entries("alice").await.len(), 6);
}

#[tokio::test]
async fn a_refusal_stores_nothing_under_its_key() {
    let world = World::start().await;
    world.settings(json!({"balance_limit": {"USD": "10"}})).await;
    let refused =
        world.shop().grant("alice", "k", grant_of(json!({}))).await.expect(422, "balance_limit_exceeded");
    assert_eq!(refused.json["maximum"], "10.00");
    world.admin().get("/v1/customers/alice").await.expect(404, "customer_not_found");
    // The same key then serves another body, or the same one once the rules let it.
    let other = world.shop().grant("alice", "k", grant_of(json!({"amount": "9"}))).await.expect(201, "");
    assert!(!other.is_replayed());
    world.shop().grant("alice", "k2", grant_of(json!({}))).await.expect(422, "balance_limit_exceeded");
    world.settings(json!({})).await;
    let granted = world.shop().grant("alice", "k2", grant_of(json!({}))).await.expect(201, "");
    assert!(!granted.is_replayed());
    assert_eq!(granted.json["account"]["balance"], "34.00");
}

#[tokio::test]
async fn the_balance_limit_holds_by_currency_and_admits_what_equals_it() {
    let world = World::start().await;
    world.settings(json!({"balance_limit": {"USD": "50", "JPY": "1000"}})).await;
    for (currency, amount, status) in [
        ("USD", "50.01", 422),
        ("USD", "20", 201),
        ("USD", "30.01", 422),
        ("USD", "30", 201),
        ("USD", "0.01", 422),
        ("JPY", "1001", 422),
        ("JPY", "1000", 201),
        ("EUR", "999999999999.99", 201),
    ] {
        let body = grant_of(json!({"currency": currency, "amount": amount}));
        let answer = world.shop().grant("alice", &fresh_key(), body).await;
        let code = if status == 201 { "" } else { "balance_limit_exceeded" };
        answer.expect(status, code);
    }
    // What is spent makes room again.
    world.shop().redeem("alice", "r", json!({"order": order("1", "10")})).await.expect(201, "");
    let room = grant_of(json!({"amount": "10"}));
    world.shop().grant("alice", "k", room).await.expect(201, "");
}

#[tokio::test]
async fn every_kind_of_entry_is_a_link_in_its_accounts_chain() {
    let world = World::start().await;
    let shop = world.shop();
    for currency in ["USD", "JPY"] {
        for at in 0..3_u8 {
            world.granted("alice", "100", json!({"currency": currency, "expires_on": "2026-12-31"})).await;
            let order =
                json!({"id": format!("{at}"), "currency": currency, "lines": order("", "70")["lines"]});
            shop.redeem("alice", &fresh_key(), json!({"order": order})).await.expect(201, "");
            let topup =
                json!({"amount": "5", "currency": currency, "payment": {"mode": "online", "method": "card"}});
            let topup = shop.request_topup("alice", &fresh_key(), topup).await.expect(201, "");
            let id = topup.json["topup"]["id"].as_str().unwrap();
            world.admin().approve("alice", id, &fresh_key(), json!({})).await.expect(200, "");
            world.pass(SignedDuration::from_hours(1));
        }
    }
    world.set_now("2027-01-01T00:00:00Z");
    assert_eq!(world.expire().await.booked, 2);
    let entries = world.entries("alice").await;
    check_ledger(&entries);
    let kinds = ["grant", "redeem", "topup"].repeat(6);
    assert_eq!(each(&entries, "type"), [kinds.as_slice(), &["expire", "expire"]].concat());
    let mut hashes = each(&entries, "hash");
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 20);
}

#[tokio::test]
async fn a_writer_whose_clock_is_late_does_not_turn_the_accounts_time_back() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    world.set_now("2026-11-22T09:59:00Z");
    let late = world.granted("alice", "10", json!({})).await;
    assert_eq!(late.json["entry"]["at"], START);
    world.set_now("2026-11-22T10:00:01Z");
    world.granted("alice", "10", json!({})).await;
    assert_eq!(each(&world.entries("alice").await, "at"), [START, START, "2026-11-22T10:00:01Z"]);
}

#[tokio::test]
async fn an_account_stays_readable_whatever_moment_was_given_as_expiry() {
    let world = World::start().await;
    for moment in ["9999-12-30T22:00:00Z", "9999-12-30T22:00:00.001Z", "9999-12-30T22:00:00.999999999Z"] {
        let customer = fresh_key();
        let granted = world.shop().grant(&customer, "k", grant_of(json!({"expires_at": moment}))).await;
        let seen = world.shop().get(&format!("/v1/customers/{customer}")).await;
        match granted.status {
            201 => assert_eq!(seen.status, 200, "{moment}: {}", seen.text),
            _ => assert_eq!((granted.status, seen.status), (400, 404), "{moment}: {}", granted.text),
        }
    }
}

#[tokio::test]
async fn a_day_is_a_day_and_nothing_more() {
    let world = World::start().await;
    for day in [
        "2026-12-31T10:00",
        "2026-12-31 10:00",
        "2026-12-31T10:00:00+02:00",
        "2026-12-31T10:00:00[Europe/Paris]",
        "20261231",
        "+002026-12-31",
    ] {
        let answer = world.shop().grant("alice", &fresh_key(), grant_of(json!({"expires_on": day}))).await;
        assert_eq!(
            (answer.status, &answer.json["errors"][0]["field"]),
            (400, &json!("expires_on")),
            "{day}: {}",
            answer.text
        );
    }
}

#[tokio::test]
async fn a_word_that_is_no_text_is_told_by_its_field() {
    let world = World::start().await;
    let mut faults = Vec::new();
    let odd = |word: &str| [json!(25), json!(true), json!([]), json!({}), json!({word: null}), json!([word])];
    for (at, word) in [("category", "paid"), ("expires", "never")] {
        for value in odd(word) {
            let answer = world.shop().grant("alice", &fresh_key(), grant_of(json!({at: value}))).await;
            if (answer.status, &answer.json["errors"][0]["field"]) != (400, &json!(at)) {
                faults.push(format!("{at} {value}: {} {}", answer.status, answer.json["errors"]));
            }
        }
    }
    for value in odd("online") {
        let payment = json!({"mode": value, "method": "card"});
        let answer = world.shop().grant("alice", &fresh_key(), grant_of(json!({"payment": payment}))).await;
        if (answer.status, &answer.json["errors"][0]["field"]) != (400, &json!("payment.mode")) {
            faults.push(format!("payment.mode {value}: {} {}", answer.status, answer.json["errors"]));
        }
    }
    for (at, word) in [("consumption_order", "fifo"), ("usage_base", "preceding_lines")] {
        for value in odd(word) {
            let answer = world.admin().put("/v1/settings", json!({at: value})).await;
            if (answer.status, &answer.json["errors"][0]["field"]) != (400, &json!(at)) {
                faults.push(format!("{at} {value}: {} {}", answer.status, answer.json["errors"]));
            }
        }
    }
    for value in odd("store") {
        let answer = world.admin().post("/v1/api-keys", "-", json!({"role": value})).await;
        if (answer.status, &answer.json["errors"][0]["field"]) != (400, &json!("role")) {
            faults.push(format!("role {value}: {} {}", answer.status, answer.json["errors"]));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
