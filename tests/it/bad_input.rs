//! What is wrong with a request is told by code and field, and nothing moves. Whatever comes in, nothing breaks.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use deliver::{deliver_mails, deliver_webhooks};
use edge::{Message, Messages, Reach, Webhooks};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::select,
    strategy::ValueTree,
    test_runner::TestRunner,
};
use serde_json::{Value, json};

use crate::support::world::{Answer, Client, World, check_ledger, fresh_key};

/// A world in which alice has credit, a lot that will expire, and a request that waits.
async fn alice_has_some() -> (World, String) {
    let world = World::start().await;
    world.granted("alice", "100", json!({"expires_on": "2027-12-31"})).await;
    world.granted("alice", "9", json!({"currency": "JPY"})).await;
    let asked = world.shop().request_topup("alice", "t", topup()).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap().to_owned();
    (world, id)
}

fn grant() -> Value {
    let payment = json!({"mode": "offline", "method": "cash", "reference": "R-17"});
    json!({
        "amount": "25.00", "currency": "USD", "category": "refund", "expires_on": "2026-12-31", "payment": payment,
        "reference": "order-1001", "note": "n", "internal_note": "i",
    })
}

fn redemption() -> Value {
    let lines = json!([{"code": "sub_total", "amount": "4.00", "sort_order": 1}, {"code": "tax", "amount": "-1", "sort_order": 2}]);
    json!({
        "order": {"id": "1", "currency": "USD", "lines": lines, "contains_credit_product": false}, "amount": "1.00",
    })
}

fn topup() -> Value {
    let payment = json!({"mode": "online", "method": "stripe", "reference": "pi_123"});
    json!({"amount": "50.00", "currency": "USD", "payment": payment, "reference": "cart-9"})
}

/// Every route that reads a body, with one that it takes.
fn routes(topup_id: &str) -> Vec<(&'static str, String, Value)> {
    let of = |what: &str| format!("/v1/customers/alice/{what}");
    vec![
        ("POST", of("grants"), grant()),
        ("POST", of("redemptions"), redemption()),
        ("POST", of("redemptions/quote"), redemption()),
        ("POST", of("topups"), topup()),
        ("POST", of(&format!("topups/{topup_id}/approve")), json!({"amount": "50.00"})),
        ("POST", of(&format!("topups/{topup_id}/reject")), json!({"reason": "no"})),
        ("POST", of(&format!("topups/{topup_id}/cancel")), json!({})),
        ("PUT", "/v1/settings".to_owned(), json!({"sort_order": 9})),
        ("POST", "/v1/settings/quote".to_owned(), with(&redemption(), "/credit", json!("5.00"))),
        ("PUT", "/v1/customers/alice".to_owned(), json!({"name": "Alice", "email": "a@example.com"})),
        ("POST", "/v1/api-keys".to_owned(), json!({"role": "store", "name": "till"})),
        ("PUT", "/v1/settings/mail".to_owned(), json!({"sender": "shop@example.com", "language": "de"})),
        ("PUT", "/v1/settings/webhooks/erp".to_owned(), json!({"url": "https://example.com/"})),
    ]
}

/// The other routes that read a body, each with one that they take or refuse by a rule.
fn more_routes() -> Vec<(&'static str, String, Value)> {
    let of = |what: &str| format!("/v1/customers/alice/{what}");
    let terms = json!({"amount": "5.00", "category": "promotional", "expires_on": "2027-12-31"});
    vec![
        ("POST", of("debits"), json!({"amount": "0.01", "currency": "USD", "reason": "r"})),
        ("POST", of("withdrawals"), json!({"amount": "0.01", "method": "bank", "reference": "r"})),
        ("PATCH", of("lots/USD-1"), json!({"expires_on": "2027-12-31"})),
        ("POST", of("lots/USD-1/void"), json!({"reason": "r"})),
        ("POST", of("redemptions/USD-2/capture"), json!({"amount": "0.01"})),
        ("POST", of("redemptions/USD-2/refund"), json!({"amount": "0.01", "reason": "r"})),
        ("POST", of("redemptions/USD-2/void"), json!({})),
        ("PUT", "/v1/groups/vip".to_owned(), json!({"policy": {"enabled": true}, "joining_grant": terms})),
        ("POST", "/v1/groups/vip/grants".to_owned(), terms),
    ]
}

/// All that could have moved.
async fn everything(world: &World) -> Value {
    let (settings, waiting) =
        (world.admin().get("/v1/settings").await, world.admin().get("/v1/topups").await);
    json!([world.all_of("alice").await, settings.json, waiting.json])
}

/// Sends this body with a key of its own.
async fn send(who: &Client<'_>, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
    who.send(method, path, &[("idempotency-key", &fresh_key())], body.into()).await
}

/// `base` with `value` at this JSON pointer, whose last part may be new.
fn with(base: &Value, pointer: &str, value: Value) -> Value {
    let mut body = base.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match body.pointer_mut(parent).unwrap() {
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
    body
}

/// `base` without what stands at this JSON pointer.
fn without(base: &Value, pointer: &str) -> Value {
    let mut body = base.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    body
}

/// A JSON pointer as an error names the field: `/order/lines/0/amount` is `order.lines[0].amount`.
fn field_of(pointer: &str) -> String {
    let mut field = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            field += &format!("[{part}]");
        } else {
            field += if field.is_empty() { "" } else { "." };
            field += part;
        }
    }
    field
}

/// What is wrong with this answer to a request whose fault is in `field`.
fn fault(answer: &Answer, status: u16, code: &str, field: &str) -> Option<String> {
    let told = (answer.status, answer.json["code"].as_str().unwrap_or(""));
    let named = answer.json["errors"][0]["field"].as_str().unwrap_or("");
    let says = answer.json["errors"][0]["message"].as_str().is_some_and(|message| !message.is_empty());
    let right = told == (status, code) && (code != "invalid_request" || (named == field && says));
    (!right).then(|| format!("expected {status} {code} {field}, got {told:?} {}", answer.json["errors"]))
}

/// Checks a table of wrong bodies, and that none of them moved anything.
async fn check(
    method: &str,
    path: impl Fn(&str) -> String,
    base: Value,
    cases: &[(&str, Vec<Value>)],
    required: &[&str],
) {
    let (world, topup_id) = alice_has_some().await;
    let path = path(&topup_id);
    let before = everything(&world).await;
    let mut faults = Vec::new();
    for (pointer, values) in cases {
        for value in values {
            let body = with(&base, pointer, value.clone());
            let answer = send(&world.admin(), method, &path, body.to_string()).await;
            // An unknown field is named as it was written.
            let fault = fault(&answer, 400, "invalid_request", &field_of(pointer));
            faults.extend(fault.map(|fault| format!("{pointer} = {value}: {fault}")));
        }
    }
    for pointer in required {
        let body = without(&base, pointer);
        let answer = send(&world.admin(), method, &path, body.to_string()).await;
        let fault = fault(&answer, 400, "invalid_request", &field_of(pointer));
        faults.extend(fault.map(|fault| format!("no {pointer}: {fault}")));
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(everything(&world).await, before);
    // The base itself is right.
    assert!(send(&world.admin(), method, &path, base.to_string()).await.status < 300);
}

fn not_text() -> Vec<Value> {
    vec![json!(25), json!(0.5), json!(true), json!([]), json!(["25"]), json!({}), json!({"25": null})]
}

/// The bad texts, and whatever is no text at all.
fn texts(bad: &[&str]) -> Vec<Value> {
    [bad.iter().map(|text| json!(text)).collect(), not_text()].concat()
}

fn and_null(mut values: Vec<Value>) -> Vec<Value> {
    values.push(json!(null));
    values
}

fn amounts() -> Vec<Value> {
    let nines = "9".repeat(4_000);
    let precise = format!("0.{}1", "0".repeat(4_000));
    texts(&[
        "",
        " ",
        "25 ",
        " 25",
        "-1",
        "-0",
        "+1",
        "1e3",
        "1E3",
        "1,00",
        "1_000",
        "0x10",
        "NaN",
        "Infinity",
        "01",
        "00",
        "1.",
        ".5",
        ".",
        "1.2.3",
        "\u{663}",
        "1\u{0}",
        "USD 1",
        "$1",
        "0",
        "0.00",
        "0.001",
        "1000000000000",
        &nines,
        &precise,
    ])
}

fn labels() -> Vec<Value> {
    texts(&["", &"x".repeat(129), &"é".repeat(129), "a\nb", "a\tb", "\u{0}", "\u{7f}", "\u{85}", "\u{1b}[2J"])
}

fn notes() -> Vec<Value> {
    texts(&["", &"x".repeat(501), &"\u{1f381}".repeat(501), "\u{0}", "\u{1b}[2J", "\u{85}"])
}

fn words(bad: &[&str]) -> Vec<Value> {
    [&["", " ", "null"], bad].concat().into_iter().map(Value::from).collect()
}

fn currencies() -> Vec<Value> {
    texts(&["", "usd", "US", "USDD", "U$D", " USD", "USD ", "ＵＳＤ", "840", &"U".repeat(4_000)])
}

fn objects() -> Vec<Value> {
    vec![json!("x"), json!(1), json!(true), json!([]), json!(["online", "cash", null])]
}

#[tokio::test]
async fn every_field_of_a_grant_is_checked() {
    let cases = [
        ("/amount", and_null(amounts())),
        ("/currency", currencies()),
        ("/category", words(&["gift", "PAID", "paid ", "expire"])),
        (
            "/expires_on",
            texts(&[
                "",
                "2026-13-01",
                "2026-02-30",
                "31.12.2026",
                "12/31/2026",
                "tomorrow",
                "2026-12",
                "9999-12-31",
                "never",
            ]),
        ),
        ("/payment", objects()),
        ("/payment/mode", words(&["cash", "ONLINE"])),
        ("/payment/method", and_null(labels())),
        ("/payment/reference", labels()),
        ("/payment/amount", vec![json!("1")]),
        ("/reference", labels()),
        ("/note", notes()),
        ("/internal_note", notes()),
        ("/amout", vec![json!("1"), json!(null)]),
        ("/expires_in", vec![json!(5)]),
        ("/customer", vec![json!("bob")]),
    ];
    let required = ["/amount", "/category", "/payment/mode", "/payment/method"];
    check("POST", |_| "/v1/customers/alice/grants".to_owned(), grant(), &cases, &required).await;
}

#[tokio::test]
async fn a_grant_says_in_one_way_when_it_expires() {
    let grant = without(&grant(), "/expires_on");
    let cases = [
        (
            "/expires_at",
            texts(&[
                "",
                "2026-12-31",
                "2026-12-31T10:00:00",
                "2026-12-31T25:00:00Z",
                "now",
                "10000-01-01T00:00:00Z",
                "1793520000",
                "+010000-01-01T00:00:00Z",
                "-000001-01-01T00:00:00 Z",
                "9999-12-31T23:59:59Z",
            ]),
        ),
        ("/expires", words(&["NEVER", "no", "2026-12-31"])),
    ];
    check("POST", |_| "/v1/customers/alice/grants".to_owned(), grant.clone(), &cases, &[]).await;

    let (world, _) = alice_has_some().await;
    let before = everything(&world).await;
    let (day, moment, never) = (json!("2026-12-31"), json!("2026-12-31T00:00:00Z"), json!("never"));
    for fields in [
        json!({"expires_on": day, "expires_at": moment}),
        json!({"expires_on": day, "expires": never}),
        json!({"expires_at": moment, "expires": never}),
        json!({"expires_on": day, "expires_at": moment, "expires": never}),
    ] {
        let mut body = grant.clone();
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let answer = world.admin().grant("alice", &fresh_key(), body).await.expect(400, "invalid_request");
        assert_eq!(answer.json["errors"][0]["field"], "expires_on");
    }
    assert_eq!(everything(&world).await, before);
}

/// What may be wrong with an order.
fn order_cases() -> Vec<(&'static str, Vec<Value>)> {
    let line = json!({"code": "line", "amount": "0.01", "sort_order": 1});
    let places = || {
        [
            not_text()[1..].to_vec(),
            vec![json!("1"), json!(null), json!(1e30), json!(9_223_372_036_854_775_808_u64)],
        ]
        .concat()
    };
    vec![
        ("/order", and_null(objects())),
        ("/order/id", labels()),
        ("/order/currency", currencies()),
        ("/order/contains_credit_product", and_null(vec![json!("true"), json!(1), json!([])])),
        ("/order/lines", and_null(vec![json!([]), json!({}), json!("x"), json!(vec![line; 501])])),
        ("/order/lines/1", and_null(vec![json!("x"), json!(1), json!([]), json!(["tax", "1", 1])])),
        ("/order/lines/0/code", and_null(labels())),
        (
            "/order/lines/0/amount",
            and_null(texts(&[
                "",
                "--1",
                "+1",
                "- 1",
                "1e3",
                "0.001",
                "-0.001",
                "1000000000000",
                "-1000000000000",
                ".5",
                "-.5",
                "-",
            ])),
        ),
        ("/order/lines/1/sort_order", places()),
        ("/order/lines/1/quantity", vec![json!(1)]),
        ("/order/total", vec![json!("4")]),
        ("/amount", amounts()),
        ("/hold_it", vec![json!(true)]),
    ]
}

#[tokio::test]
async fn every_field_of_a_redemption_is_checked() {
    let required = [
        "/order",
        "/order/id",
        "/order/lines",
        "/order/lines/0/code",
        "/order/lines/1/amount",
        "/order/lines/1/sort_order",
    ];
    check("POST", |_| "/v1/customers/alice/redemptions".to_owned(), redemption(), &order_cases(), &required)
        .await;
}

#[tokio::test]
async fn every_field_of_a_quote_is_checked() {
    let required = [
        "/order",
        "/order/lines",
        "/order/lines/0/code",
        "/order/lines/1/amount",
        "/order/lines/1/sort_order",
    ];
    check(
        "POST",
        |_| "/v1/customers/alice/redemptions/quote".to_owned(),
        redemption(),
        &order_cases(),
        &required,
    )
    .await;
}

#[tokio::test]
async fn every_field_of_a_topup_is_checked() {
    let cases = [
        ("/amount", and_null(amounts())),
        ("/currency", currencies()),
        ("/payment", and_null(objects())),
        ("/payment/mode", words(&["cash"])),
        ("/payment/method", and_null(labels())),
        ("/payment/reference", labels()),
        ("/payment/card_number", vec![json!("4242")]),
        ("/reference", labels()),
        ("/note", vec![json!("n")]),
    ];
    let required = ["/amount", "/payment", "/payment/mode", "/payment/method"];
    check("POST", |_| "/v1/customers/alice/topups".to_owned(), topup(), &cases, &required).await;
}

#[tokio::test]
async fn every_field_of_an_approval_a_rejection_and_a_cancellation_is_checked() {
    let of = |what: &'static str| move |id: &str| format!("/v1/customers/alice/topups/{id}/{what}");
    let too_much = json!("50.01");
    let cases = [("/amount", [amounts(), vec![too_much]].concat()), ("/currency", vec![json!("USD")])];
    check("POST", of("approve"), json!({"amount": "50.00"}), &cases, &[]).await;
    let cases = [("/reason", and_null(notes())), ("/amount", vec![json!("1")])];
    check("POST", of("reject"), json!({"reason": "no"}), &cases, &["/reason"]).await;
    check("POST", of("cancel"), json!({}), &[("/reason", vec![json!("no")])], &[]).await;
}

#[tokio::test]
async fn every_setting_is_checked() {
    let limits = || vec![json!("5"), json!(5), json!([]), json!(true)];
    let cases = [
        ("/currency", and_null(currencies())),
        ("/currency", vec![json!("ZZZ"), json!("XAU")]),
        (
            "/time_zone",
            and_null(texts(&["", "Mars/Olympus", "+02:00", "Europe", "../etc/passwd", &"x".repeat(4_000)])),
        ),
        ("/enabled", and_null(vec![json!("true"), json!(1), json!([])])),
        ("/consumption_order", words(&["lifo", "FIFO"])),
        ("/usage_limit", vec![json!("25"), json!(25), json!([]), json!(["percent", "25"])]),
        ("/usage_base", words(&["all"])),
        ("/sort_order", and_null(vec![json!("9"), json!(1.5), json!(1e30), json!([])])),
        ("/activation_total", limits()),
        ("/balance_limit", limits()),
        ("/transaction_limit", limits()),
        ("/topup_min", limits()),
        ("/topup_max", limits()),
        ("/topup_limit", limits()),
        ("/topup_methods", vec![json!("cash"), json!({}), json!(1)]),
        ("/topup_methods/0", and_null(labels())),
        (
            "/topup_approval",
            and_null(vec![json!("never"), json!("Manual"), json!(""), json!(true), json!([])]),
        ),
        ("/topup_approval/manual_above", and_null(limits())),
        (
            "/topup_pending_days",
            and_null(vec![json!(0), json!(-1), json!(36_501), json!(1.5), json!("30"), json!({})]),
        ),
        (
            "/expiry_days",
            vec![
                json!(0),
                json!(-1),
                json!(1.5),
                json!(36_501),
                json!(65_536),
                json!(1e30),
                json!("365"),
                json!([]),
                json!(true),
            ],
        ),
        ("/expiry_days/paid", vec![json!(0), json!("1"), json!(null), json!({})]),
        ("/chart_of_accounts", vec![json!("Assets:Sales"), json!([]), json!(1)]),
        ("/chart_of_accounts/sails", vec![json!("Assets:Sales")]),
        (
            "/chart_of_accounts/sales",
            and_null(texts(&[
                "",
                "Assets",
                "Sales",
                "assets:Sales",
                "Assets:sales",
                "Assets:A B",
                "Assets:{method}",
            ])),
        ),
        ("/expiry_days/gift", vec![json!(1)]),
        ("/expiry_day", vec![json!(1)]),
        ("/version", vec![json!(1)]),
        ("/settings", vec![json!({})]),
    ];
    let base = json!({
        "topup_methods": ["cash"], "topup_max": {"USD": "1"}, "expiry_days": {"paid": 1},
        "topup_approval": {"manual_above": {"USD": "1"}}, "chart_of_accounts": {"sales": "Assets:Sales"},
    });
    // And as settings that are not written, which a quote is asked for by.
    let quote = json!({"settings": base, "order": redemption()["order"], "credit": "5.00", "amount": "1.00"});
    let unwritten: Vec<_> =
        cases.iter().map(|(pointer, values)| (format!("/settings{pointer}"), values.clone())).collect();
    let mut quoted: Vec<_> =
        unwritten.iter().map(|(pointer, values)| (pointer.as_str(), values.clone())).collect();
    quoted.push(("/settings", vec![json!("none"), json!([]), json!(1), json!(true)]));
    check("POST", |_| "/v1/settings/quote".to_owned(), quote, &quoted, &[]).await;
    check("PUT", |_| "/v1/settings".to_owned(), base, &cases, &[]).await;
}

#[tokio::test]
async fn every_field_of_a_quote_by_settings_is_checked() {
    let no_credit = |amount: &Value| *amount == json!("0") || *amount == json!("0.00");
    let credit = amounts().into_iter().filter(|amount| !no_credit(amount)).collect();
    let mut cases = order_cases();
    cases.extend([
        ("/credit", and_null(credit)),
        ("/customer", vec![json!("alice")]),
        ("/currency", vec![json!("USD")]),
        ("/hold", vec![json!(true)]),
    ]);
    let mut base = redemption();
    base["credit"] = json!("5.00");
    let required = ["/order", "/order/lines", "/order/lines/0/code", "/credit"];
    check("POST", |_| "/v1/settings/quote".to_owned(), base, &cases, &required).await;
}

#[tokio::test]
async fn what_stands_inside_a_setting_is_checked() {
    let (world, _) = alice_has_some().await;
    let before = everything(&world).await;
    let mut faults = Vec::new();
    for (setting, value) in [
        ("usage_limit", json!({})),
        ("usage_limit", json!({"type": "percent"})),
        ("usage_limit", json!({"maximum": "25"})),
        ("usage_limit", json!({"type": "share", "maximum": "25"})),
        ("usage_limit", json!({"type": "percent", "maximum": 25})),
        ("usage_limit", json!({"type": "percent", "maximum": "0"})),
        ("usage_limit", json!({"type": "percent", "maximum": "-1"})),
        ("usage_limit", json!({"type": "percent", "maximum": "100.0001"})),
        ("usage_limit", json!({"type": "percent", "maximum": "25%"})),
        ("usage_limit", json!({"type": "percent", "maximum": "0.00001"})),
        ("usage_limit", json!({"type": "percent", "maximum": {"USD": "5"}})),
        ("usage_limit", json!({"type": "percent", "maximum": null})),
        ("usage_limit", json!({"type": "fixed", "maximum": "5"})),
        ("usage_limit", json!({"type": "fixed", "maximum": {"USD": 5}})),
        ("usage_limit", json!({"type": "fixed", "maximum": {"USD": "0.001"}})),
        ("usage_limit", json!({"type": "fixed", "maximum": {"usd": "5"}})),
        ("usage_limit", json!({"type": "percent", "maximum": "25", "minimum": "1"})),
        ("topup_approval", json!({})),
        ("topup_approval", json!({"manual": {}})),
        ("topup_approval", json!({"manual_above": {"USD": "1"}, "manual": {}})),
        ("topup_approval", json!({"manual_above": {"USD": "0.001"}})),
        ("activation_total", json!({"USD": "0.001"})),
        ("activation_total", json!({"USD": "-1"})),
        ("activation_total", json!({"USD": 130})),
        ("activation_total", json!({"USD": null})),
        ("activation_total", json!({"usd": "1"})),
        ("activation_total", json!({"ZZZ": "1"})),
        ("activation_total", json!({"": "1"})),
        ("topup_max", json!({"JPY": "0.5"})),
        ("balance_limit", json!({"USD": "1000000000000"})),
    ] {
        let mut body = json!({});
        body[setting] = value.clone();
        let answer = world.admin().put("/v1/settings", body).await;
        let named = answer.json["errors"][0]["field"].as_str().unwrap_or("");
        let within = named == setting || named.starts_with(&format!("{setting}."));
        if answer.json["code"] != "invalid_request" || !within {
            faults.push(format!("{setting} = {value}: {}", answer.text));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn every_field_of_a_profile_a_group_and_an_api_key_is_checked() {
    let cases = [
        ("/name", labels()),
        ("/email", labels()),
        ("/language", texts(&["", "e", "english language", "en_GB", "en-", "é", &"x".repeat(36)])),
        ("/group", texts(&["", "v i p", "vip/", "é", "\u{0}", &"x".repeat(65)])),
        ("/frozen", and_null(vec![json!("true"), json!(1), json!([])])),
        ("/policy", vec![json!("none"), json!([]), json!(1), json!(true)]),
        ("/policy/enabled", and_null(vec![json!("true"), json!(1)])),
        ("/policy/balance_limit", vec![json!("5"), json!(5), json!([])]),
        ("/policy/usage_limit", vec![json!("25"), json!([])]),
        ("/policy/currency", vec![json!("EUR")]),
        ("/policy/frozen", vec![json!(true)]),
        ("/version", vec![json!(1)]),
        ("/phone", vec![json!("1")]),
        ("/customer", vec![json!("bob")]),
    ];
    let base = json!({"name": "Alice", "email": "a@example.com", "policy": {}});
    check("PUT", |_| "/v1/customers/alice".to_owned(), base, &cases, &[]).await;
    let cases = [
        ("/policy", vec![json!("none"), json!([]), json!(1), json!(true)]),
        ("/policy/hold_ttl_seconds", and_null(vec![json!(0), json!("900"), json!(604_801)])),
        ("/policy/withdrawable/0", words(&["gift", "Paid"])),
        ("/policy/time_zone", vec![json!("UTC")]),
        ("/policy/sort_order", vec![json!(9)]),
        ("/group", vec![json!("vip")]),
        ("/name", vec![json!("Very important")]),
    ];
    let base = json!({"policy": {"withdrawable": ["paid"]}});
    check("PUT", |_| "/v1/groups/vip".to_owned(), base, &cases, &[]).await;
    let cases = [
        ("/role", words(&["customer", "system", "Admin", "owner"])),
        ("/name", labels()),
        ("/key", vec![json!("sk_1")]),
    ];
    check(
        "POST",
        |_| "/v1/api-keys".to_owned(),
        json!({"role": "store", "name": "till"}),
        &cases,
        &["/role"],
    )
    .await;
}

#[tokio::test]
async fn a_currency_that_is_none_is_told_from_one_that_is_misspelt() {
    let (world, _) = alice_has_some().await;
    let before = everything(&world).await;
    for currency in ["ZZZ", "XAU", "XXX", "XTS", "XDR", "AAA"] {
        for (path, body) in [
            ("/v1/customers/alice/grants", with(&grant(), "/currency", json!(currency))),
            ("/v1/customers/alice/redemptions", with(&redemption(), "/order/currency", json!(currency))),
            (
                "/v1/customers/alice/redemptions/quote",
                with(&redemption(), "/order/currency", json!(currency)),
            ),
            (
                "/v1/settings/quote",
                with(&with(&redemption(), "/order/currency", json!(currency)), "/credit", json!("5")),
            ),
            ("/v1/customers/alice/topups", with(&topup(), "/currency", json!(currency))),
        ] {
            send(&world.admin(), "POST", path, body.to_string()).await.expect(422, "unsupported_currency");
        }
        let path = format!("/v1/customers/alice/entries?currency={currency}");
        world.admin().get(&path).await.expect(422, "unsupported_currency");
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn an_amount_is_as_precise_as_its_currency() {
    let (world, _) = alice_has_some().await;
    for (currency, good, bad) in [
        // Zeros at the end count too.
        (
            "USD",
            vec!["0.01", "1.50", "1.5", "1"],
            vec!["0.001", "1.501", "1.500", "0.0000000000000000000000000001"],
        ),
        ("JPY", vec!["1"], vec!["0.1", "1.5", "1.0", "1.000"]),
        ("BHD", vec!["0.001", "1.1"], vec!["0.0001"]),
        ("CLF", vec!["0.0001"], vec!["0.00001"]),
    ] {
        for (amounts, status) in [(good, 201), (bad, 400)] {
            for amount in amounts {
                let body = json!({"amount": amount, "currency": currency, "category": "paid"});
                let answer = world.admin().grant("bob", &fresh_key(), body).await;
                assert_eq!(answer.status, status, "{amount} {currency}: {}", answer.text);
                let payment = json!({"mode": "online", "method": "card"});
                let body = json!({"amount": amount, "currency": currency, "payment": payment});
                let answer = world.admin().request_topup("bob", &fresh_key(), body).await;
                assert_eq!(answer.status, status, "{amount} {currency}: {}", answer.text);
                let lines = json!([{"code": "sub_total", "amount": amount, "sort_order": 1}]);
                let answer = world
                    .admin()
                    .quote("bob", json!({"order": {"currency": currency, "lines": lines}}))
                    .await;
                assert_eq!(
                    answer.status,
                    if status == 201 { 200 } else { 400 },
                    "{amount} {currency}: {}",
                    answer.text
                );
            }
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_by_every_route() {
    let (world, topup_id) = alice_has_some().await;
    let before = everything(&world).await;
    let deep = |open: &str, close: &str| [open.repeat(30_000), close.repeat(30_000)].concat().into_bytes();
    let utf16: Vec<u8> = "{}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut faults = Vec::new();
    for (method, path, valid) in routes(&topup_id) {
        let valid = valid.to_string();
        let inside =
            |text: &str| valid.replacen('{', &format!("{{{text},"), 1).replace(",}", "}").into_bytes();
        for body in [
            b"null".to_vec(),
            b"[]".to_vec(),
            format!("[{valid}]").into_bytes(),
            b"\"x\"".to_vec(),
            b"1".to_vec(),
            b"true".to_vec(),
            b"{".to_vec(),
            b"}".to_vec(),
            b" ".to_vec(),
            format!("{valid}{valid}").into_bytes(),
            format!("{valid} x").into_bytes(),
            format!("\u{feff}{valid}").into_bytes(),
            valid.replace('"', "'").replacen('{', "{x", 1).into_bytes(),
            inside("\"x\":"),
            inside("\"x\":NaN"),
            inside("\"x\":\"\\ud800\""),
            inside("\"x\":\"\\x\""),
            inside("\"x\":\"\n\""),
            inside("\"x\":1e999999"),
            inside("\"x\":1,\"x\":2"),
            inside(&format!("\"x\":{}{}", "[".repeat(10_000), "]".repeat(10_000))),
            b"\xff\xfe".to_vec(),
            [b"{\"x\":\"\xc3\x28\"}".as_slice(), b""].concat(),
            utf16.clone(),
            b"a=1&b=2".to_vec(),
            b"<xml/>".to_vec(),
            deep("[", "]"),
            deep("{\"a\":", "}"),
            vec![b' '; 1_000_000],
            vec![b'x'; 1_000_000],
            format!("{{\"x\":\"{}\"}}", "x".repeat(1_000_000)).into_bytes(),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let answer = send(&world.admin(), method, &path, body).await;
            let named = answer.json["errors"][0]["field"].as_str().unwrap_or("");
            if answer.status != 400 || answer.json["code"] != "invalid_request" || named.is_empty() {
                faults.push(format!("{method} {path} {shown}: {}", answer.text));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_field_that_is_given_twice_is_refused() {
    let (world, _) = alice_has_some().await;
    let before = everything(&world).await;
    let mut faults = Vec::new();
    for (method, path, body, field) in [
        ("POST", "/v1/customers/alice/grants", r#"{"amount":"1","amount":"2","category":"paid"}"#, "amount"),
        (
            "POST",
            "/v1/customers/alice/grants",
            r#"{"amount":"1","category":"paid","category":"paid"}"#,
            "category",
        ),
        (
            "POST",
            "/v1/customers/alice/grants",
            r#"{"amount":"1","category":"paid","payment":{"mode":"online","mode":"offline","method":"x"}}"#,
            "payment.mode",
        ),
        ("PUT", "/v1/settings", r#"{"sort_order":1,"sort_order":2}"#, "sort_order"),
        ("PUT", "/v1/settings", r#"{"topup_max":{"USD":"1","USD":"2"}}"#, "topup_max"),
        ("PUT", "/v1/settings", r#"{"expiry_days":{"paid":1,"paid":2}}"#, "expiry_days"),
        (
            "PUT",
            "/v1/settings",
            r#"{"usage_limit":{"type":"percent","maximum":"1","maximum":"2"}}"#,
            "usage_limit",
        ),
        ("PUT", "/v1/customers/alice", r#"{"name":"a","name":"b"}"#, "name"),
    ] {
        let answer = send(&world.admin(), method, path, body.to_owned()).await;
        let named = answer.json["errors"][0]["field"].as_str().unwrap_or("");
        if answer.status != 400 || !(named == field || named.starts_with(&format!("{field}."))) {
            faults.push(format!("{body}: {} {}", answer.status, answer.json["errors"]));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_key_is_one_to_255_printable_characters_given_once() {
    let (world, topup_id) = alice_has_some().await;
    let before = everything(&world).await;
    let admin = world.admin();
    let long = "k".repeat(256);
    for (method, path, body) in routes(&topup_id) {
        let moves = ["grants", "redemptions", "topups", "approve"].iter().any(|end| path.ends_with(end));
        if !moves {
            continue;
        }
        let call = async |headers: &[(&str, &str)]| {
            admin.send(method, &path, headers, Bytes::from(body.to_string())).await
        };
        call(&[]).await.expect(400, "idempotency_key_required");
        call(&[("idempotency-key", "")]).await.expect(400, "idempotency_key_required");
        call(&[("x-idempotency-key", "k")]).await.expect(400, "idempotency_key_required");
        for bad in [long.as_str(), "a\tb", "schlüssel", "\u{1f511}", "k\u{80}"] {
            let answer = call(&[("idempotency-key", bad)]).await.expect(400, "invalid_request");
            assert_eq!(answer.json["errors"][0]["field"], "Idempotency-Key", "{bad:?}");
        }
        let answer =
            call(&[("idempotency-key", "a"), ("Idempotency-Key", "a")]).await.expect(400, "invalid_request");
        assert_eq!(answer.json["errors"][0]["field"], "Idempotency-Key");
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_customer_that_is_none_is_refused_before_anything_is_read() {
    let (world, topup_id) = alice_has_some().await;
    world.wire.trips();
    let long = "x".repeat(129);
    let huge = "x".repeat(8_000);
    let reads = [("GET", ""), ("GET", "/entries"), ("GET", "/topups")]
        .map(|(method, path)| (method, path.to_owned(), json!({})));
    let writes = routes(&topup_id).into_iter().filter_map(|(method, path, body)| {
        path.strip_prefix("/v1/customers/alice").map(|path| (method, path.to_owned(), body.clone()))
    });
    for (method, path, body) in reads.into_iter().chain(writes) {
        for customer in [
            "", "%20", "%00", "a%20b", "a%2Fb", "a%0Ab", "%C3%A9", "%FF", "a%23", "a+b", "a:b", "a,b", "%",
            "%2", "*", &long, &huge,
        ] {
            for who in [world.admin(), world.nobody()] {
                let path = format!("/v1/customers/{customer}{path}");
                let answer = send(&who, method, &path, body.to_string()).await;
                if let Some(fault) = fault(&answer, 400, "invalid_request", "customer") {
                    panic!("{method} {path}: {fault}");
                }
            }
        }
    }
    assert_eq!(world.wire.trips(), []);
}

#[tokio::test]
async fn a_topup_id_that_is_none_is_refused() {
    let (world, topup_id) = alice_has_some().await;
    let before = everything(&world).await;
    let long = format!("{topup_id}{}", "A".repeat(3_000));
    for id in [
        "x",
        "USD",
        "USD-",
        "USD-1",
        "-AAAAAAAAAAAAAAAAAAAAAA",
        "ZZZ-AAAAAAAAAAAAAAAAAAAAAA",
        "usd-AAAAAAAAAAAAAAAAAAAAAA",
        "USD-AAAAAAAAAAAAAAAAAAAA%2FA",
        "USD-AAAAAAAAAAAAAAAAAAAAA%00",
        "%20",
        "%FF",
        &long,
        &format!("{topup_id}A"),
        &format!("%20{topup_id}"),
    ] {
        for (what, body) in
            [("approve", json!({})), ("reject", json!({"reason": "no"})), ("cancel", json!({}))]
        {
            let path = format!("/v1/customers/alice/topups/{id}/{what}");
            let answer = send(&world.admin(), "POST", &path, body.to_string()).await;
            if let Some(fault) = fault(&answer, 400, "invalid_request", "topup") {
                panic!("{path}: {fault}");
            }
        }
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn every_parameter_of_a_query_is_checked() {
    let (world, _) = alice_has_some().await;
    let entries = [
        ("currency", vec!["", "usd", "US", "USD,EUR", "%00"]),
        ("type", vec!["", "Grant", "grants", "%FF", "1"]),
        (
            "from",
            vec![
                "",
                "yesterday",
                "2026-11-22",
                "2026-11-22T10:00:00",
                "2026-11-22T10:00:00+02:00",
                "0",
                "-1",
            ],
        ),
        ("to", vec!["", "2026-13-01T00:00:00Z", "99999-01-01T00:00:00Z"]),
        ("order", vec!["", "%00", "a%0Ab"]),
        (
            "limit",
            vec![
                "",
                "0",
                "-1",
                "+1",
                "201",
                "1.5",
                "1e2",
                "ten",
                "99999999999999999999",
                "%201",
                "0x1",
                "%D9%A3",
            ],
        ),
        ("as_of", vec!["2026-11-22T10:00:00Z"]),
        ("Limit", vec!["1"]),
    ];
    let limit = vec!["", "0", "201", "ten", "-1"];
    let topups = [("limit", limit.clone()), ("status", vec!["pending"]), ("currency", vec!["USD"])];
    let waiting =
        [("limit", limit), ("status", vec!["", "approved", "Pending"]), ("customer", vec!["alice"])];
    let long = "x".repeat(129);
    let mut faults = Vec::new();
    let mut check = async |path: &str, name: &str, query: String| {
        let answer = world.admin().get(&format!("{path}?{query}")).await;
        faults.extend(
            fault(&answer, 400, "invalid_request", name).map(|fault| format!("{path}?{query}: {fault}")),
        );
    };
    for (path, parameters) in [
        ("/v1/customers/alice/entries", entries.as_slice()),
        ("/v1/customers/alice/topups", topups.as_slice()),
        ("/v1/topups", waiting.as_slice()),
    ] {
        for (name, values) in parameters {
            for value in values {
                check(path, name, format!("{name}={value}")).await;
            }
        }
        check(path, "limit", "limit=1&limit=1".to_owned()).await;
        check(path, "limit", "limit=1&limit=2".to_owned()).await;
        check(path, "limit", "limit".to_owned()).await;
        check(path, "cursor", "cursor=x&cursor=x".to_owned()).await;
    }
    check("/v1/customers/alice/entries", "order", format!("order={long}")).await;
    check("/v1/customers/alice", "as_if", "as_if=1".to_owned()).await;
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test]
async fn a_cursor_is_one_that_the_list_gave() {
    let (world, _) = alice_has_some().await;
    let made_up = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let long = format!("\"{}\"", "T".repeat(2_900));
    let mut faults = Vec::new();
    for path in ["/v1/customers/alice/entries", "/v1/customers/alice/topups", "/v1/topups"] {
        for cursor in [
            "".to_owned(),
            "x".to_owned(),
            "%00".to_owned(),
            "====".to_owned(),
            "x".repeat(5_000),
            made_up(""),
            made_up("null"),
            made_up("1"),
            made_up("[]"),
            made_up("[\"T#\"]"),
            made_up("{\"usd\":1}"),
            made_up("{\"USD\":-1}"),
            made_up("{\"USD\":\"1\"}"),
            made_up("{\"ZZZ\":1}"),
            made_up("\u{0}"),
            made_up("{"),
        ] {
            let answer = world.admin().get(&format!("{path}?cursor={cursor}")).await;
            if (answer.status, &answer.json["code"]) != (400, &json!("invalid_cursor")) {
                faults.push(format!("{path}?cursor={cursor}: {} {}", answer.status, answer.text));
            }
        }
        // What was made up well enough to be read gives no more than the list itself, and breaks nothing.
        for cursor in [
            "\"\"",
            "\"A\"",
            "\"T\"",
            "\"T#\"",
            "\"T$\"",
            "\"Z\"",
            "\"\\u0000\"",
            "\"E#USD#000000000001\"",
            &long,
            "{}",
            "{\"USD\":0}",
            "{\"USD\":1}",
            "{\"USD\":18446744073709551615}",
            "{\"USD\":18446744073709551616}",
            "{\"EUR\":5}",
            "{\"USD\":1,\"JPY\":1}",
        ] {
            let answer = world.admin().get(&format!("{path}?cursor={}", made_up(cursor))).await;
            if answer.status != 200 && answer.json["code"] != "invalid_cursor" {
                faults.push(format!("{path}?cursor={cursor}: {} {}", answer.status, answer.text));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Things that somebody could write where another thing belongs.
fn any_json() -> impl Strategy<Value = Value> {
    let telling = [
        "",
        "0",
        "-0",
        "1",
        "4.00",
        "0.001",
        "-1",
        "999999999999.99",
        "1e9",
        "USD",
        "JPY",
        "ZZZ",
        "never",
        "paid",
        "online",
        "fifo",
        "2026-12-31",
        "2026-12-31T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "0000-01-01",
        "Europe/Paris",
        "sub_total",
        "\u{0}",
        "\u{1f381}",
    ];
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2..600_i64).prop_map(Value::from)
    ];
    let text =
        prop_oneof![select(telling.to_vec()).prop_map(Value::from), any::<String>().prop_map(Value::from)];
    let leaf = prop_oneof![Just(Value::Null), any::<bool>().prop_map(Value::from), number, text];
    let name = prop_oneof![
        select(vec!["USD", "amount", "type", "maximum", "paid", "id", "lines", "code"])
            .prop_map(str::to_owned),
        any::<String>()
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        let list = vec(inner.clone(), 0..4).prop_map(Value::from);
        let object = btree_map(name.clone(), inner, 0..4)
            .prop_map(|members| Value::Object(members.into_iter().collect()));
        prop_oneof![list, object]
    })
}

/// JSON pointers to every node of a document.
fn nodes(document: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match document {
        Value::Object(members) => members.iter().for_each(|(name, node)| {
            nodes(node, &format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), found)
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, node)| nodes(node, &format!("{at}/{index}"), found))
        }
        _ => {}
    }
}

/// What is wrong with an answer to nonsense, if anything: it may succeed, or be refused by code and field.
fn breakage(answer: &Answer) -> Option<String> {
    let (code, field) = (answer.json["code"].as_str(), answer.json["errors"][0]["field"].as_str());
    let right = match answer.status {
        200..300 => true,
        400..500 => {
            code.is_some_and(|code| code != "invalid_request" || field.is_some_and(|field| !field.is_empty()))
        }
        _ => false,
    };
    (!right).then(|| format!("{} {}", answer.status, answer.text))
}

/// One value that this strategy makes.
fn pick<T: std::fmt::Debug>(runner: &mut TestRunner, strategy: &impl Strategy<Value = T>) -> T {
    strategy.new_tree(runner).unwrap().current()
}

#[tokio::test]
async fn a_body_with_anything_anywhere_breaks_nothing() {
    let (world, topup_id) = alice_has_some().await;
    let routes = [routes(&topup_id), more_routes()].concat();
    let mut runner = TestRunner::deterministic();
    let (json, mut made) = (any_json(), 0_usize);
    for at in 0..4_000_u32 {
        if at % 100 == 0 {
            // What was taken as settings may refuse all that comes after.
            world.settings(json!({})).await;
        }
        let (method, path, valid) = &routes[pick(&mut runner, &(0..routes.len()))];
        let mut body = valid.clone();
        for _ in 0..pick(&mut runner, &(0..4_u8)) {
            let mut places = Vec::new();
            nodes(&body, "", &mut places);
            let place = &places[pick(&mut runner, &(0..places.len()))];
            let value = pick(&mut runner, &json);
            match (pick(&mut runner, &(0..4_u8)), body.pointer_mut(place).unwrap()) {
                (0, Value::Object(members)) => {
                    drop(members.insert(pick(&mut runner, &any::<String>()), value))
                }
                (1, Value::Object(members)) => members.retain(|_, _| pick(&mut runner, &any::<bool>())),
                (0, Value::Array(list)) => list.push(value),
                (1, Value::Array(list)) => drop(list.pop()),
                (_, node) => *node = value,
            }
        }
        let answer = send(&world.admin(), method, path, body.to_string()).await;
        assert_eq!(breakage(&answer), None, "{method} {path} {body}");
        made = made.strict_add(usize::from(answer.status < 300 && answer.json["entry"].is_object()));
    }
    // What was taken stands in the ledger, and nothing else does.
    world.settings(json!({})).await;
    let entries = world.entries("alice").await;
    check_ledger(&entries);
    assert_eq!(entries.len(), made.strict_add(2));
    assert!(made > 50, "nearly everything was refused: {made}");
}

#[tokio::test]
async fn a_body_of_any_bytes_breaks_nothing() {
    let (world, topup_id) = alice_has_some().await;
    let routes = [routes(&topup_id), more_routes()].concat();
    let (mut runner, mut made) = (TestRunner::deterministic(), 0_usize);
    for _ in 0..1_500_u32 {
        let (method, path, valid) = &routes[pick(&mut runner, &(0..routes.len()))];
        let mut body = valid.to_string().into_bytes();
        let (at, byte) = (pick(&mut runner, &(0..body.len())), pick(&mut runner, &any::<u8>()));
        match pick(&mut runner, &(0..4_u8)) {
            0 => body = pick(&mut runner, &vec(any::<u8>(), 1..200)),
            1 => body.truncate(at.max(1)),
            2 => body[at] = byte,
            _ => body.insert(at, byte),
        }
        let answer = send(&world.admin(), method, path, body.clone()).await;
        assert_eq!(breakage(&answer), None, "{method} {path} {}", String::from_utf8_lossy(&body));
        made = made.strict_add(usize::from(answer.status < 300 && answer.json["entry"].is_object()));
    }
    world.settings(json!({})).await;
    let entries = world.entries("alice").await;
    check_ledger(&entries);
    assert_eq!(entries.len(), made.strict_add(2));
}

#[tokio::test]
async fn a_path_or_query_of_anything_breaks_nothing() {
    let (world, topup_id) = alice_has_some().await;
    let before = everything(&world).await;
    let mut runner = TestRunner::deterministic();
    let part = prop_oneof![
        select(vec![
            "alice",
            "v1",
            "customers",
            "entries",
            "topups",
            "settings",
            "api-keys",
            "approve",
            "bob",
            ".."
        ])
        .prop_map(str::to_owned),
        Just(topup_id),
        "[!-~]{0,20}"
            .prop_map(|text: String| text
                .replace(['?', '#', '/', '<', '>', '"', '\\', '^', '`', '{', '}', '|'], "%")),
    ];
    let name = select(vec!["limit", "cursor", "type", "currency", "from", "to", "order", "status", "x", ""]);
    let parameter = (name, "[!-~]{0,12}").prop_map(|(name, value)| {
        format!("{name}={}", value.replace(['#', '<', '>', '"', '\\', '^', '`', '{', '}', '|'], "%"))
    });
    let paths = (vec(part, 0..6), vec(parameter, 0..4))
        .prop_map(|(parts, query)| format!("/{}?{}", parts.join("/"), query.join("&")));
    for _ in 0..1_000_u32 {
        let path = pick(&mut runner, &paths);
        let path =
            if pick(&mut runner, &any::<bool>()) { path } else { format!("/v1/customers/alice{path}") };
        for who in [world.admin(), world.nobody()] {
            assert_eq!(breakage(&who.get(&path).await), None, "{path}");
        }
    }
    assert_eq!(everything(&world).await, before);
}

#[tokio::test]
async fn a_cursor_of_anything_breaks_nothing() {
    let (world, _) = alice_has_some().await;
    let mut runner = TestRunner::deterministic();
    let (json, bytes) = (any_json(), vec(any::<u8>(), 0..60));
    for _ in 0..500_u32 {
        let made_up = pick(&mut runner, &json);
        let cursors = [
            URL_SAFE_NO_PAD.encode(pick(&mut runner, &bytes)),
            URL_SAFE_NO_PAD.encode(made_up.to_string()),
            URL_SAFE_NO_PAD.encode(json!({"USD": made_up}).to_string()),
        ];
        for path in ["/v1/customers/alice/entries", "/v1/customers/alice/topups", "/v1/topups"] {
            // Of top-ups, no text is made up here: it would be a place in the list.
            for cursor in cursors.iter().filter(|_| !(path.ends_with("alice/topups") && made_up.is_string()))
            {
                let answer = world.shop().get(&format!("{path}?cursor={cursor}")).await;
                assert_eq!(breakage(&answer), None, "{path} {made_up}");
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_of_the_right_form_and_any_content_breaks_nothing() {
    let (world, _) = alice_has_some().await;
    world.admin().put("/v1/groups/vip", json!({})).await.expect(200, "");
    let job = json!({"amount": "5.00", "category": "promotional"});
    let job = world.admin().post("/v1/groups/vip/grants", "g", job).await;
    let job = format!("/v1/group-grants/{}", job.json["job"]["id"].as_str().unwrap());
    let mut runner = TestRunner::deterministic();
    let json = any_json();
    for _ in 0..300_u32 {
        let (made_up, other) = (pick(&mut runner, &json), pick(&mut runner, &json));
        let cursors = [
            json!({"version": made_up}),
            json!({"topup": made_up}),
            json!({"failed": made_up}),
            json!({"by": "Name", "place": made_up}),
            json!({"by": "Balance", "place": made_up}),
            json!({"by": made_up, "place": other}),
            json!({"USD": made_up, "JPY": other}),
        ];
        for path in [
            "/v1/customers",
            "/v1/customers/alice/changes",
            "/v1/customers/alice/entries",
            "/v1/customers/alice/topups",
            "/v1/settings/changes",
            "/v1/topups",
            &job,
        ] {
            for cursor in &cursors {
                let query = URL_SAFE_NO_PAD.encode(cursor.to_string());
                let answer = world.admin().get(&format!("{path}?cursor={query}")).await;
                assert_eq!(breakage(&answer), None, "{path} {cursor}");
            }
        }
    }
}

#[tokio::test]
async fn a_message_of_anything_ends_no_delivery() {
    let (world, _) = alice_has_some().await;
    let mail = json!({"sender": "shop@example.com", "admins": ["desk@example.com"]});
    world.admin().put("/v1/settings/mail", mail).await.expect(200, "");
    world.admin().put("/v1/customers/alice", json!({"email": "alice@example.com"})).await.expect(200, "");
    world.catch_up().await;
    let events: Vec<Value> = world.outside.events.latest();
    assert!(events.len() >= 3, "{events:?}");
    let webhooks = Webhooks::new(Reach::Public);
    let mut runner = TestRunner::deterministic();
    let json = any_json();
    for _ in 0..600_u32 {
        let mut event = json!({"detail": events[pick(&mut runner, &(0..events.len()))]});
        for _ in 0..pick(&mut runner, &(1..4_u8)) {
            let mut places = Vec::new();
            nodes(&event, "", &mut places);
            let place = &places[pick(&mut runner, &(0..places.len()))];
            *event.pointer_mut(place).unwrap() = pick(&mut runner, &json);
        }
        let mut body = event.to_string();
        if pick(&mut runner, &(0..4_u8)) == 0 {
            body = body.chars().take(pick(&mut runner, &(0..body.len()))).collect();
        }
        let deliveries = pick(&mut runner, &any::<u32>());
        let batch = || {
            let (id, receipt) = ("m".to_owned(), "r".to_owned());
            let message = Message { id, receipt, deliveries, body: body.clone() };
            Messages { messages: vec![message], at: world.now(), time_left: Duration::from_secs(20) }
        };
        // It is done, or comes again: one message alone is never more than one.
        assert!(deliver_mails(&world.store, batch(), async |_| Ok(())).await.len() <= 1, "{body}");
        assert!(deliver_webhooks(&world.store, batch(), &webhooks).await.len() <= 1, "{body}");
    }
    check_ledger(&world.entries("alice").await);
}
