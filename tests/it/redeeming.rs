//! Spending credit: how much an order can use, out of which lots, and why no more.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::world::{Answer, World, each, fresh_key, order};

/// An order of these lines: code, amount, place.
fn order_of(lines: &[(&str, &str, i64)]) -> Value {
    let line = |(code, amount, sort_order): &(&str, &str, i64)| json!({"code": code, "amount": amount, "sort_order": sort_order});
    json!({"id": "1002", "lines": lines.iter().map(line).collect::<Vec<_>>()})
}

/// A redemption of this order with these fields besides.
fn redemption(order: &Value, fields: &Value) -> Value {
    let mut body = json!({"order": order});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// What of an answer tells how much was applied, and why.
fn terms(answer: &Value) -> [&str; 5] {
    ["applied", "remaining_due", "order_total", "base", "bound_by"]
        .map(|field| answer[field].as_str().unwrap())
}

/// The allocations of an entry, as `USD-1 10.00`.
fn allocations(entry: &Value) -> Vec<String> {
    let parts = entry["allocations"].as_array().unwrap();
    each(parts, "lot")
        .into_iter()
        .zip(each(parts, "amount"))
        .map(|(lot, amount)| format!("{lot} {amount}"))
        .collect()
}

/// One way to spend some credit.
struct Case<'a> {
    settings: Value,
    credit: &'a [(&'a str, &'a str)],
    order: Value,
    fields: Value,
}

impl Case<'_> {
    /// A shopper with all this credit, of its own.
    async fn shopper(&self, world: &World) -> String {
        let shopper = fresh_key();
        world.settings(self.settings.clone()).await;
        for (amount, currency) in self.credit {
            world.granted(&shopper, amount, json!({"currency": currency})).await;
        }
        shopper
    }

    /// What is told of somebody with all this credit by these settings, while others are in force.
    async fn quoted_by_settings(&self, world: &World) -> Option<Answer> {
        let Self { settings, credit, order, fields } = self;
        let named = [&order["currency"], &settings["currency"]].into_iter().find_map(Value::as_str);
        let credit = match credit {
            [] => "0",
            [(credit, currency)] if *currency == named.unwrap_or("USD") => credit,
            _ => return None,
        };
        let mut body = redemption(order, fields);
        body.as_object_mut()?
            .extend([("settings".to_owned(), settings.clone()), ("credit".to_owned(), json!(credit))]);
        let in_force = world.admin().get("/v1/settings").await.json;
        let answer = world.admin().post("/v1/settings/quote", "-", body).await;
        assert_eq!(world.admin().get("/v1/settings").await.json, in_force, "a quote wrote something");
        Some(answer)
    }

    /// Quotes and redeems: both say `expected`, and only the second moves anything. So do the settings before they are written.
    async fn applies(&self, world: &World, expected: [&str; 5]) {
        let Self { settings, order, fields, .. } = self;
        if let Some(quoted) = self.quoted_by_settings(world).await {
            let quoted = quoted.expect(200, "").json;
            assert_eq!(terms(&quoted), expected, "quote by {settings}");
            assert_eq!(quoted.as_object().unwrap().len(), expected.len(), "{quoted}");
        }
        let shopper = self.shopper(world).await;
        let body = redemption(order, fields);
        let before = world.all_of(&shopper).await;
        let quoted = world.shop().quote(&shopper, body.clone()).await.expect(200, "").json;
        assert_eq!(terms(&quoted), expected, "quote of {body} under {settings}");
        assert_eq!(world.all_of(&shopper).await, before, "a quote moved something");

        if expected[0].trim_matches(['0', '.']).is_empty() {
            return;
        }
        let redeemed = world.shop().redeem(&shopper, "r", body.clone()).await.expect(201, "").json;
        assert_eq!(terms(&redeemed), expected, "redemption of {body} under {settings}");
        assert_eq!(redeemed["entry"]["amount"], format!("-{}", expected[0]));
        let account = world.admin().get(&format!("/v1/customers/{shopper}")).await.json["accounts"].clone();
        let account = account
            .as_array()
            .unwrap()
            .iter()
            .find(|account| account["currency"] == redeemed["entry"]["currency"]);
        for field in ["currency", "balance", "held", "available"] {
            assert_eq!(account.unwrap()[field], redeemed["account"][field]);
        }
    }

    /// The redemption is refused like this, and so is a quote of an exact amount; nothing moves.
    async fn is_refused(&self, world: &World, code: &str, numbers: Value) {
        let Self { settings, order, fields, .. } = self;
        let by_settings = self.quoted_by_settings(world).await;
        let shopper = self.shopper(world).await;
        let body = redemption(order, fields);
        let before = world.all_of(&shopper).await;
        let refused = world.shop().redeem(&shopper, "r", body.clone()).await.expect(422, code);
        for (name, number) in numbers.as_object().unwrap() {
            assert_eq!(refused.json[name], *number, "{name} of {body} under {settings}");
        }
        if fields["amount"].is_string() {
            let quoted = world.shop().quote(&shopper, body).await.expect(422, code);
            assert_eq!(quoted.text, refused.text);
            if let Some(quoted) = by_settings {
                assert_eq!(quoted.expect(422, code).text, refused.text);
            }
        }
        assert_eq!(world.all_of(&shopper).await, before, "a refusal moved something");
    }
}

const RICH: &[(&str, &str)] = &[("1000", "USD")];

#[tokio::test]
async fn the_contracts_examples_1_to_4_come_out() {
    let quarter = json!({"usage_limit": {"type": "percent", "maximum": "25"}});
    let credit_last = [("sub_total", "134", 1), ("handling", "2", 2), ("tax", "5", 3), ("shipping", "7", 4)];
    let credit_between =
        [("sub_total", "134", 1), ("tax", "5", 2), ("handling", "2", 4), ("shipping", "7", 5)];
    let third = json!({"usage_limit": {"type": "percent", "maximum": "25"}, "sort_order": 3});
    let of_subtotal = json!({"usage_limit": {"type": "percent", "maximum": "25"}, "sort_order": 3, "usage_base": "subtotal_only"});
    let activated =
        json!({"usage_limit": {"type": "percent", "maximum": "50"}, "activation_total": {"USD": "130"}});
    let world = World::start().await;
    for (settings, order, expected) in [
        (&quarter, order("1", "140.00"), ["35.00", "105.00", "140.00", "140.00", "usage_limit"]),
        (&quarter, order_of(&credit_last), ["37.00", "111.00", "148.00", "148.00", "usage_limit"]),
        (&third, order_of(&credit_between), ["34.75", "113.25", "148.00", "139.00", "usage_limit"]),
        (&of_subtotal, order_of(&credit_between), ["33.50", "114.50", "148.00", "134.00", "usage_limit"]),
        (&activated, order("1", "129.99"), ["0.00", "129.99", "129.99", "129.99", "activation_total"]),
        (&activated, order("1", "130.00"), ["65.00", "65.00", "130.00", "130.00", "usage_limit"]),
    ] {
        let case = Case { settings: settings.clone(), credit: RICH, order, fields: json!({}) };
        case.applies(&world, expected).await;
    }
    let below = Case { settings: activated, credit: RICH, order: order("1", "129.99"), fields: json!({}) };
    let numbers = json!({"activation_total": "130.00", "base": "129.99"});
    below.is_refused(&world, "activation_total_not_reached", numbers).await;
}

#[tokio::test]
async fn what_an_order_would_use_is_told_by_settings_that_are_not_written() {
    let world = World::start().await;
    let admin = world.admin();
    let half = json!({"usage_limit": {"type": "percent", "maximum": "50"}});
    let quarter = json!({"usage_limit": {"type": "percent", "maximum": "25"}});
    let body = |settings: Value, credit: &str| json!({"settings": settings, "order": order("1", "140"), "credit": credit});
    let path = "/v1/settings/quote";
    world.settings(half).await;
    for (settings, credit, expected) in [
        (quarter.clone(), "100", ["35.00", "105.00", "140.00", "140.00", "usage_limit"]),
        (quarter, "10.5", ["10.50", "129.50", "140.00", "140.00", "available"]),
        (json!({}), "100", ["100.00", "40.00", "140.00", "140.00", "available"]),
        // Without any, by those that are in force.
        (json!(null), "100", ["70.00", "70.00", "140.00", "140.00", "usage_limit"]),
        (json!(null), "0", ["0.00", "140.00", "140.00", "140.00", "available"]),
        (json!({"currency": "JPY"}), "100", ["100", "40", "140", "140", "available"]),
    ] {
        let quoted = admin.post(path, "-", body(settings.clone(), credit)).await.expect(200, "").json;
        assert_eq!(terms(&quoted), expected, "{settings} {credit}");
    }
    // The credit is as precise as the order's currency.
    let refused = admin.post(path, "-", body(json!({"currency": "JPY"}), "0.5")).await;
    assert_eq!(refused.expect(400, "invalid_request").json["errors"][0]["field"], "credit");
    // An overdraft is for whoever asks for an exact amount, as it is for everybody.
    let mut deep = body(json!({"overdraft_limit": {"USD": "20"}}), "10");
    assert_eq!(admin.post(path, "-", deep.clone()).await.expect(200, "").json["applied"], "10.00");
    deep["amount"] = json!("30");
    assert_eq!(admin.post(path, "-", deep.clone()).await.expect(200, "").json["bound_by"], "requested");
    deep["amount"] = json!("30.01");
    let refused = admin.post(path, "-", deep).await.expect(422, "insufficient_credit");
    assert_eq!(refused.json["available"], "30.00");
    admin.post(path, "-", body(json!({"enabled": false}), "10")).await.expect(422, "credit_disabled");
    assert_eq!(admin.get("/v1/settings").await.json["version"], 1, "nothing was written");
}

#[tokio::test]
async fn the_contracts_example_5_takes_the_oldest_first_and_the_rest_expires() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"expires_on": "2026-12-01"})).await;
    world.granted("alice", "20", json!({"expires_on": "2026-12-01"})).await;
    let redeemed =
        world.shop().redeem("alice", "r", json!({"order": order("1", "18")})).await.expect(201, "").json;
    assert_eq!(allocations(&redeemed["entry"]), ["USD-1 10.00", "USD-2 8.00"]);
    world.set_now("2026-12-02T00:00:00Z");
    assert_eq!(world.expire().await.booked, 1);
    let entries = world.entries("alice").await;
    assert_eq!(entries[3]["amount"], "-12.00");
    assert_eq!(allocations(&entries[3]), ["USD-2 12.00"]);
    assert_eq!(world.account("alice").await["balance"], "0.00");
}

#[tokio::test]
async fn what_was_spent_in_time_does_not_expire_as_in_the_contracts_examples_6_and_7() {
    for (granted, spent, expired) in [("25", "20", "-5.00"), ("200", "120", "-80.00")] {
        let world = World::start().await;
        world.granted("alice", granted, json!({"expires_on": "2026-12-01"})).await;
        world.pass(SignedDuration::from_hours(24));
        world.shop().redeem("alice", "r", json!({"order": order("1", spent)})).await.expect(201, "");
        world.set_now("2026-12-02T00:00:00Z");
        assert_eq!(world.expire().await.booked, 1);
        assert_eq!(each(&world.entries("alice").await, "type"), ["grant", "redeem", "expire"]);
        assert_eq!(world.entries("alice").await[2]["amount"], expired);
        assert_eq!(world.account("alice").await["balance"], "0.00");
    }
}

#[tokio::test]
async fn a_redemption_answers_enough_to_print_a_receipt() {
    let world = World::start().await;
    world.settings(json!({"usage_limit": {"type": "percent", "maximum": "25"}})).await;
    world.granted("alice", "25", json!({"category": "refund"})).await;
    world.granted("alice", "50", json!({"category": "paid"})).await;
    let lines =
        [("sub_total", "134.00", 1), ("handling", "2.00", 2), ("tax", "5.00", 3), ("shipping", "7.00", 4)];
    let body = json!({"order": order_of(&lines)});
    let answer = world.shop().redeem("alice", "r", body).await.expect(201, "");
    let entry = &answer.json["entry"];
    let expected = json!({
        "applied": "37.00", "remaining_due": "111.00", "order_total": "148.00", "base": "148.00", "bound_by": "usage_limit",
        "entry": {
            "id": "USD-3", "type": "redeem", "amount": "-37.00", "currency": "USD", "balance_after": "38.00",
            "allocations": [{"lot": "USD-1", "amount": "25.00"}, {"lot": "USD-2", "amount": "12.00"}],
            "order": "1002", "actor": {"role": "store", "id": entry["actor"]["id"]}, "at": entry["at"],
            "policy_version": 1, "hash": entry["hash"], "prev_hash": entry["prev_hash"],
        },
        "account": {"currency": "USD", "balance": "38.00", "held": "0.00", "available": "38.00"},
    });
    assert_eq!(answer.json, expected);
}

#[tokio::test]
async fn without_an_amount_the_tightest_rule_decides_and_is_named() {
    let percent = |maximum: &str| json!({"usage_limit": {"type": "percent", "maximum": maximum}});
    let fixed = json!({"usage_limit": {"type": "fixed", "maximum": {"USD": "5", "EUR": "7"}}});
    let with_currency = |mut order: Value, currency: &str| {
        order["currency"] = json!(currency);
        order
    };
    let coupon = order_of(&[("sub_total", "100", 1), ("coupon", "-20", 2), ("shipping", "10", 12)]);
    let given_away = order_of(&[("sub_total", "100", 1), ("coupon", "-120", 2)]);
    let free = order_of(&[("sub_total", "0", 1)]);
    let credit_product = {
        let mut order = order("1", "50");
        order["contains_credit_product"] = json!(true);
        order
    };
    let world = World::start().await;
    for (settings, credit, order, expected) in [
        (
            json!({}),
            &[("10", "USD")][..],
            order("1", "50"),
            ["10.00", "40.00", "50.00", "50.00", "available"],
        ),
        (json!({}), &[][..], order("1", "50"), ["0.00", "50.00", "50.00", "50.00", "available"]),
        (json!({}), RICH, order("1", "50"), ["50.00", "0.00", "50.00", "50.00", "order_total"]),
        (percent("100"), RICH, order("1", "50"), ["50.00", "0.00", "50.00", "50.00", "order_total"]),
        (
            percent("25"),
            &[("10", "USD")][..],
            order("1", "50"),
            ["10.00", "40.00", "50.00", "50.00", "available"],
        ),
        (percent("25"), RICH, order("1", "50"), ["12.50", "37.50", "50.00", "50.00", "usage_limit"]),
        // A share rounds toward zero.
        (percent("33.3333"), RICH, order("1", "0.10"), ["0.03", "0.07", "0.10", "0.10", "usage_limit"]),
        (percent("25"), RICH, order("1", "0.03"), ["0.00", "0.03", "0.03", "0.03", "usage_limit"]),
        (fixed.clone(), RICH, order("1", "50"), ["5.00", "45.00", "50.00", "50.00", "usage_limit"]),
        (fixed.clone(), RICH, order("1", "4.99"), ["4.99", "0.00", "4.99", "4.99", "order_total"]),
        // A currency that the limit does not name has none.
        (
            fixed,
            &[("9000", "JPY")][..],
            with_currency(order("1", "8000"), "JPY"),
            ["8000", "0", "8000", "8000", "order_total"],
        ),
        (
            percent("33"),
            &[("9000", "JPY")][..],
            with_currency(order("1", "100"), "JPY"),
            ["33", "67", "100", "100", "usage_limit"],
        ),
        (
            percent("12.5"),
            &[("9", "BHD")][..],
            with_currency(order("1", "1.001"), "BHD"),
            ["0.125", "0.876", "1.001", "1.001", "usage_limit"],
        ),
        (
            json!({"transaction_limit": {"USD": "20"}}),
            RICH,
            order("1", "50"),
            ["20.00", "30.00", "50.00", "50.00", "transaction_limit"],
        ),
        // Coupons count in the base; what stands behind the credit's own place does not, but is part of the total.
        (percent("50"), RICH, coupon.clone(), ["40.00", "50.00", "90.00", "80.00", "usage_limit"]),
        (json!({}), RICH, coupon, ["90.00", "0.00", "90.00", "80.00", "order_total"]),
        (json!({}), RICH, given_away.clone(), ["0.00", "-20.00", "-20.00", "-20.00", "order_total"]),
        (percent("50"), RICH, given_away, ["0.00", "-20.00", "-20.00", "-20.00", "order_total"]),
        (json!({}), RICH, free, ["0.00", "0.00", "0.00", "0.00", "order_total"]),
        (json!({}), RICH, credit_product, ["0.00", "50.00", "50.00", "50.00", "credit_product"]),
        (
            json!({"activation_total": {"USD": "50.01"}}),
            RICH,
            order("1", "50"),
            ["0.00", "50.00", "50.00", "50.00", "activation_total"],
        ),
        (
            json!({"activation_total": {"USD": "50", "EUR": "60"}}),
            RICH,
            order("1", "50"),
            ["50.00", "0.00", "50.00", "50.00", "order_total"],
        ),
    ] {
        Case { settings, credit, order, fields: json!({}) }.applies(&world, expected).await;
    }
}

#[tokio::test]
async fn an_exact_amount_is_applied_exactly() {
    let world = World::start().await;
    for (amount, expected) in [
        ("0.01", ["0.01", "49.99", "50.00", "50.00", "requested"]),
        ("7", ["7.00", "43.00", "50.00", "50.00", "requested"]),
        ("50.00", ["50.00", "0.00", "50.00", "50.00", "requested"]),
    ] {
        let fields = json!({"amount": amount});
        Case { settings: json!({}), credit: RICH, order: order("1", "50"), fields }
            .applies(&world, expected)
            .await;
    }
}

#[tokio::test]
async fn what_the_rules_do_not_allow_is_refused_with_the_numbers_that_would_be() {
    let percent = json!({"usage_limit": {"type": "percent", "maximum": "25"}});
    let fixed = json!({"usage_limit": {"type": "fixed", "maximum": {"USD": "5"}}});
    let transaction = json!({"transaction_limit": {"USD": "20"}});
    let activation = json!({"activation_total": {"USD": "130"}});
    let off = json!({"enabled": false});
    let two_caps =
        json!({"transaction_limit": {"USD": "5"}, "usage_limit": {"type": "percent", "maximum": "25"}});
    let credit_product = {
        let mut order = order("1", "50");
        order["contains_credit_product"] = json!(true);
        order
    };
    let given_away = order_of(&[("sub_total", "100", 1), ("coupon", "-120", 2)]);
    let ten = &[("10", "USD")][..];
    let world = World::start().await;
    for (settings, credit, order, amount, code, numbers) in [
        // An exact amount above what a rule allows.
        (json!({}), ten, order("1", "50"), "10.01", "insufficient_credit", json!({"available": "10.00"})),
        (json!({}), RICH, order("1", "50"), "50.01", "exceeds_order_total", json!({"order_total": "50.00"})),
        (
            percent.clone(),
            RICH,
            order("1", "50"),
            "12.51",
            "usage_limit_exceeded",
            json!({"maximum": "12.50"}),
        ),
        (fixed, RICH, order("1", "50"), "5.01", "usage_limit_exceeded", json!({"maximum": "5.00"})),
        (
            transaction,
            RICH,
            order("1", "50"),
            "20.01",
            "transaction_limit_exceeded",
            json!({"maximum": "20.00"}),
        ),
        (
            activation.clone(),
            RICH,
            order("1", "129.99"),
            "1",
            "activation_total_not_reached",
            json!({"activation_total": "130.00", "base": "129.99"}),
        ),
        (json!({}), RICH, credit_product.clone(), "1", "credit_product_not_payable", json!({})),
        (off.clone(), RICH, order("1", "50"), "1", "credit_disabled", json!({})),
        // No amount, and the rules allow nothing.
        (json!({}), &[][..], order("1", "50"), "", "insufficient_credit", json!({"available": "0.00"})),
        (json!({}), RICH, given_away, "", "exceeds_order_total", json!({"order_total": "-20.00"})),
        (percent.clone(), RICH, order("1", "0.03"), "", "usage_limit_exceeded", json!({"maximum": "0.00"})),
        (json!({}), RICH, credit_product.clone(), "", "credit_product_not_payable", json!({})),
        (off, RICH, order("1", "50"), "", "credit_disabled", json!({})),
        // Two faults: always the same one is told, an order's own before the account's.
        (percent, &[][..], order("1", "50"), "51", "exceeds_order_total", json!({"order_total": "50.00"})),
        (two_caps, RICH, order("1", "50"), "13", "usage_limit_exceeded", json!({"maximum": "12.50"})),
        (activation, &[][..], credit_product, "51", "credit_product_not_payable", json!({})),
    ] {
        let fields = if amount.is_empty() { json!({}) } else { json!({"amount": amount}) };
        Case { settings, credit, order, fields }.is_refused(&world, code, numbers).await;
    }
}

#[tokio::test]
async fn a_refused_redemption_may_succeed_later_under_the_same_key() {
    let world = World::start().await;
    let body = json!({"order": order("1", "50"), "amount": "50"});
    world.shop().redeem("alice", "r", body.clone()).await.expect(422, "insufficient_credit");
    world.granted("alice", "50", json!({})).await;
    assert!(!world.shop().redeem("alice", "r", body).await.expect(201, "").is_replayed());
}

#[tokio::test]
async fn a_redemption_that_drained_the_account_replays_instead_of_being_refused() {
    let world = World::start().await;
    world.granted("alice", "25", json!({})).await;
    let body = json!({"order": order("1", "40")});
    let first = world.shop().redeem("alice", "r", body.clone()).await.expect(201, "");
    assert_eq!(first.json["account"]["balance"], "0.00");
    for settings in [json!({}), json!({"enabled": false}), json!({"activation_total": {"USD": "1000"}})] {
        world.settings(settings).await;
        let again = world.admin().redeem("alice", "r", body.clone()).await.expect(201, "");
        assert!(again.is_replayed());
        assert_eq!(again.text, first.text);
    }
    // Another key means another purchase, and another order another request.
    world.settings(json!({})).await;
    world.shop().redeem("alice", "r2", body).await.expect(422, "insufficient_credit");
    let other = json!({"order": order("2", "40")});
    world.shop().redeem("alice", "r", other).await.expect(422, "idempotency_mismatch");
    assert_eq!(world.entries("alice").await.len(), 2);
}

#[tokio::test]
async fn a_lot_stops_being_spendable_at_the_very_millisecond_of_its_expiry() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"expires_at": "2026-12-01T12:00:00.500Z"})).await;
    world.granted("alice", "5", json!({"expires_at": "2026-12-01T12:00:00.501Z"})).await;
    let body = json!({"order": order("1", "100"), "amount": "10.01"});
    for (now, spendable) in [
        ("2026-12-01T12:00:00.499Z", "15.00"),
        ("2026-12-01T12:00:00.499999Z", "15.00"),
        ("2026-12-01T12:00:00.500Z", "5.00"),
        ("2026-12-01T12:00:00.501Z", "0.00"),
    ] {
        world.set_now(now);
        let quoted =
            world.shop().quote("alice", json!({"order": order("1", "100")})).await.expect(200, "").json;
        assert_eq!(quoted["applied"], spendable, "{now}");
        assert_eq!(quoted["account"]["available"], spendable, "{now}");
        // Expired or not, it is on the balance until the schedule has booked it.
        assert_eq!(quoted["account"]["balance"], "15.00", "{now}");
        if spendable != "15.00" {
            let refused =
                world.shop().redeem("alice", "r", body.clone()).await.expect(422, "insufficient_credit");
            assert_eq!(refused.json["available"], spendable, "{now}");
        }
    }
    world.set_now("2026-12-01T12:00:00.499Z");
    let redeemed = world.shop().redeem("alice", "r", body).await.expect(201, "").json;
    assert_eq!(allocations(&redeemed["entry"]), ["USD-1 10.00", "USD-2 0.01"]);
}

#[tokio::test]
async fn lots_are_taken_in_the_policys_order() {
    // Lot, amount, expiry; then what each of two redemptions takes.
    let lots = [
        ("10", json!({})),
        ("10", json!({"expires_on": "2026-12-20"})),
        ("10", json!({"expires_on": "2026-12-10"})),
        ("10", json!({"expires_on": "2026-12-10"})),
        ("10", json!({"expires_on": "2027-01-10"})),
    ];
    for (order_of_lots, expected) in [
        (
            "fifo",
            [
                vec!["USD-1 10.00", "USD-2 5.00"],
                vec!["USD-2 5.00", "USD-3 10.00", "USD-4 10.00", "USD-5 3.00"],
            ],
        ),
        (
            "expiring_first",
            [
                vec!["USD-3 10.00", "USD-4 5.00"],
                vec!["USD-4 5.00", "USD-2 10.00", "USD-5 10.00", "USD-1 3.00"],
            ],
        ),
    ] {
        let world = World::start().await;
        world.settings(json!({"consumption_order": order_of_lots})).await;
        for (amount, expiry) in &lots {
            world.granted("alice", amount, expiry.clone()).await;
        }
        for (amount, expected) in ["15", "28"].into_iter().zip(expected) {
            let body = json!({"order": order("1", amount)});
            let redeemed = world.shop().redeem("alice", &fresh_key(), body).await.expect(201, "").json;
            assert_eq!(allocations(&redeemed["entry"]), expected, "{order_of_lots}");
        }
    }
}

#[tokio::test]
async fn expired_lots_are_passed_over() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"expires_on": "2026-12-01"})).await;
    world.granted("alice", "10", json!({})).await;
    world.set_now("2026-12-02T00:00:00Z");
    let redeemed =
        world.shop().redeem("alice", "r", json!({"order": order("1", "100")})).await.expect(201, "").json;
    assert_eq!(terms(&redeemed), ["10.00", "90.00", "100.00", "100.00", "available"]);
    assert_eq!(allocations(&redeemed["entry"]), ["USD-2 10.00"]);
    assert_eq!(
        redeemed["account"],
        json!({"currency": "USD", "balance": "10.00", "held": "0.00", "available": "0.00"})
    );
}

#[tokio::test]
async fn an_order_draws_on_the_account_of_its_own_currency() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"currency": "EUR"})).await;
    let in_currency = |currency: Value| json!({"order": {"id": "1", "currency": currency, "lines": order("1", "4")["lines"]}});
    let shop = world.shop();
    shop.redeem("alice", "r1", in_currency(json!("USD"))).await.expect(422, "insufficient_credit");
    shop.redeem("alice", "r1", in_currency(json!(null))).await.expect(422, "insufficient_credit");
    let redeemed = shop.redeem("alice", "r1", in_currency(json!("EUR"))).await.expect(201, "");
    assert_eq!(redeemed.json["entry"]["id"], "EUR-2");
    world.settings(json!({"currency": "EUR"})).await;
    let redeemed = shop.redeem("alice", "r2", in_currency(json!(null))).await.expect(201, "");
    assert_eq!(redeemed.json["entry"]["id"], "EUR-3");
}

#[tokio::test]
async fn a_quote_needs_no_order_id_and_a_redemption_does() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    let body = json!({"order": {"lines": order("1", "4")["lines"]}});
    world.shop().quote("alice", body.clone()).await.expect(200, "");
    let refused = world.shop().redeem("alice", "r", body).await.expect(400, "invalid_request");
    assert_eq!(refused.json["errors"][0]["field"], "order.id");
}

#[tokio::test]
async fn a_customer_quotes_for_itself_and_redeems_for_nobody() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    let (alice, body) = (world.customer("alice"), json!({"order": order("1", "4")}));
    let quoted = alice.quote("alice", body.clone()).await.expect(200, "");
    assert_eq!(quoted.text, world.shop().quote("alice", body.clone()).await.text);
    alice.quote("bob", body.clone()).await.expect(404, "customer_not_found");
    alice.redeem("alice", "r", body.clone()).await.expect(403, "forbidden");
    // Who has no credit yet can still be told so.
    let quoted = world.customer("bob").quote("bob", body).await.expect(200, "");
    assert_eq!(terms(&quoted.json), ["0.00", "4.00", "4.00", "4.00", "available"]);
}

#[tokio::test]
async fn an_order_of_500_lines_is_taken() {
    let world = World::start().await;
    world.granted("alice", "1000", json!({})).await;
    let lines: Vec<_> = (0..500_i64).map(|at| ("line", "0.10", at)).collect();
    let redeemed =
        world.shop().redeem("alice", "r", json!({"order": order_of(&lines)})).await.expect(201, "").json;
    assert_eq!(terms(&redeemed), ["50.00", "0.00", "50.00", "0.90", "order_total"]);
}

#[tokio::test]
async fn an_order_beyond_all_trade_is_booked_and_read_back() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    let lines: Vec<_> = (0..500_i64).map(|at| ("line", "999999999999.99", at)).collect();
    let body = json!({"order": order_of(&lines)});
    let first = world.shop().redeem("alice", "r", body.clone()).await.expect(201, "");
    assert_eq!(first.json["order_total"], "499999999999995.00");
    let again = world.shop().redeem("alice", "r", body).await.expect(201, "");
    assert_eq!((again.is_replayed(), &again.text), (true, &first.text));
    assert_eq!(world.entries("alice").await.len(), 2);
}
