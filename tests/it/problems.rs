//! Every problem of the README's table, provoked; and which one is told where there are two.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    wire::Fault,
    world::{Answer, Client, World, check_ledger, fresh_key, order},
};

const README: &str = include_str!("../../README.md");
const READ: &str = "BatchGetItem";
const WRITE: &str = "TransactWriteItems";
/// Tries that the SDK makes of one request.
const SDK_TRIES: usize = 4;
/// Tries that the store makes of one change: against others, and against a database that does not answer.
const TRIES: usize = 18;
const UNANSWERED_WRITES: usize = 3;
/// What the rules of the ledger allow an account to hold.
const MAX_OPEN_LOTS: usize = 500;
const MAX_HOLDS: usize = 50;
const MAX_WAITING_TOPUPS: usize = 50;

/// The largest amount, in the currency with the most decimals.
const LARGEST: &str = "999999999999.9999";
const HUGE: &str = "CLF";

/// A problem as a row of the README documents it.
struct Documented {
    status: u16,
    code: String,
    /// The members that it may have besides those that every problem has, `Retry-After` among them.
    members: BTreeSet<String>,
}

/// The README's table of problems.
fn documented() -> Vec<Documented> {
    let (_, table) = README.split_once("\n## Problems\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let names =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let mut problems = Vec::new();
    for row in table.lines() {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, status, codes, members, _] = cells[..] else { continue };
        let Ok(status) = status.parse() else { continue };
        // `errors: [{field, message}]` tells what is in it, too.
        let member = |name: &String| name.split(':').next().unwrap().to_owned();
        let members: BTreeSet<String> = names(members).iter().map(member).collect();
        let problem = |code| Documented { status, code, members: members.clone() };
        problems.extend(names(codes).into_iter().map(problem));
    }
    problems
}

/// A call that is refused.
struct Refused<'a> {
    who: Client<'a>,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Value,
    /// What befalls the database meanwhile.
    faults: (&'static str, Vec<Fault>),
    /// What the problem has besides what every problem has.
    members: Value,
}

fn call<'a>(who: Client<'a>, method: &'static str, path: impl Into<String>, body: Value) -> Refused<'a> {
    let headers = vec![("idempotency-key", fresh_key())];
    Refused { who, method, path: path.into(), headers, body, faults: (WRITE, Vec::new()), members: json!({}) }
}

fn post<'a>(who: Client<'a>, path: impl Into<String>, body: Value) -> Refused<'a> {
    call(who, "POST", path, body)
}

fn get<'a>(who: Client<'a>, path: impl Into<String>) -> Refused<'a> {
    call(who, "GET", path, json!(null))
}

impl<'a> Refused<'a> {
    fn with(self, members: Value) -> Self {
        Self { members, ..self }
    }

    fn under(self, operation: &'static str, fault: Fault, times: usize) -> Self {
        Self { faults: (operation, vec![fault; times]), ..self }
    }

    /// Sends it.
    async fn send(&self, world: &World) -> Answer {
        let (operation, faults) = &self.faults;
        for fault in faults {
            world.wire.fault(operation, fault.clone());
        }
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let body = if self.body.is_null() { Bytes::new() } else { Bytes::from(self.body.to_string()) };
        let answer = self.who.send(self.method, &self.path, &headers, body).await;
        assert!(world.wire.is_spent(), "a fault befell nothing");
        answer
    }
}

/// What can be done to one customer.
struct Customer<'a> {
    world: &'a World,
    id: String,
}

impl Customer<'_> {
    fn path(&self, rest: &str) -> String {
        format!("/v1/customers/{}{rest}", self.id)
    }

    /// Gives credit, and answers its lot.
    async fn granted(&self, amount: &str, more: Value) -> String {
        let granted = self.world.granted(&self.id, amount, more).await;
        granted.json["entry"]["id"].as_str().unwrap().to_owned()
    }

    /// Gives as much as an account holds, in as many lots: half of what can be counted.
    async fn fill(&self) {
        let seen = self.world.admin().get(&self.path("")).await.json;
        let open = seen["accounts"][0]["lots"].as_array().map_or(0, Vec::len);
        for _ in open..MAX_OPEN_LOTS {
            self.granted(LARGEST, json!({"currency": HUGE})).await;
        }
    }

    /// Spends or holds, and answers the entry.
    async fn spent(&self, amount: &str, more: Value) -> String {
        let body = merged(redemption(amount), more);
        let spent = self.world.shop().redeem(&self.id, &fresh_key(), body).await.expect(201, "");
        spent.json["entry"]["id"].as_str().unwrap().to_owned()
    }

    /// The shop asks for a top-up; answers its path.
    async fn asked(&self, amount: &str) -> String {
        let asked =
            self.world.shop().request_topup(&self.id, &fresh_key(), topup(amount)).await.expect(201, "");
        self.path(&format!("/topups/{}", asked.json["topup"]["id"].as_str().unwrap()))
    }
}

fn redemption(amount: &str) -> Value {
    json!({"order": order("1", "100"), "amount": amount})
}

fn topup(amount: &str) -> Value {
    json!({"amount": amount, "payment": {"mode": "online", "method": "card"}})
}

/// One object with what another has besides, or instead, at every depth.
fn merged(mut base: Value, more: Value) -> Value {
    match (base.as_object_mut(), more) {
        (Some(object), Value::Object(more)) => {
            for (name, value) in more {
                let before = object.remove(&name).unwrap_or_default();
                object.insert(name, merged(before, value));
            }
            base
        }
        (_, more) => more,
    }
}

/// Calls that this code refuses, for a customer of their own; the settings are the defaults.
async fn provocations<'a>(world: &'a World, code: &str, customer: &Customer<'a>) -> Vec<Refused<'a>> {
    let (shop, admin) = (world.shop(), world.admin());
    let (grants, redemptions, topups) =
        (customer.path("/grants"), customer.path("/redemptions"), customer.path("/topups"));
    let grant = json!({"amount": "10", "category": "goodwill"});
    let over = |entry: &str, how: &str| customer.path(&format!("/redemptions/{entry}/{how}"));
    let usd = |setting: &str, amount: &str| json!({setting: {"USD": amount}});
    let pay_out = |amount: &str| json!({"amount": amount, "journal": "cash"});
    let one = match code {
        "invalid_request" => {
            let body = json!({"amount": "x", "category": "goodwill"});
            post(shop, grants, body).with(json!({"errors": [{"field": "amount"}]}))
        }
        "idempotency_key_required" => Refused { headers: Vec::new(), ..post(shop, grants, grant) },
        "invalid_cursor" => get(admin, "/v1/topups?cursor=x"),
        "unauthenticated" => get(world.nobody(), customer.path("")),
        "forbidden" => {
            customer.granted("10", json!({"category": "paid"})).await;
            let own = world.customer(&customer.id);
            return vec![get(shop, "/v1/settings"), post(own, customer.path("/withdrawals"), pay_out("1"))];
        }
        "self_approval" => {
            let asked = world.admin().request_topup(&customer.id, "t", topup("5")).await.expect(201, "");
            let id = asked.json["topup"]["id"].as_str().unwrap();
            post(admin, format!("{topups}/{id}/approve"), json!({}))
        }
        "customer_not_found" => {
            customer.granted("10", json!({})).await;
            return vec![get(shop, "/v1/customers/nobody"), get(world.customer("eve"), customer.path(""))];
        }
        "group_grant_not_found" => get(world.admin(), "/v1/group-grants/AAAAAAAAAAAAAAAAAAAAAA"),
        "group_not_found" => {
            let joins = call(world.admin(), "PUT", customer.path(""), json!({"group": "nobody"}));
            return vec![get(admin, "/v1/groups/nobody"), joins];
        }
        "topup_not_found" => {
            let other = Customer { world, id: fresh_key() };
            let others = other.asked("5").await.replace(&other.id, &customer.id);
            post(admin, format!("{others}/approve"), json!({}))
        }
        "redemption_not_found" => {
            let lot = customer.granted("10", json!({})).await;
            return vec![
                post(world.shop(), over("USD-9", "refund"), json!({})),
                post(shop, over(&lot, "capture"), json!({})),
            ];
        }
        "lot_not_found" => post(admin, customer.path("/lots/USD-9/void"), json!({"reason": "r"})),
        "api_key_not_found" => call(admin, "DELETE", "/v1/api-keys/key_0", json!(null)),
        "webhook_not_found" => call(admin, "DELETE", "/v1/settings/webhooks/erp", json!(null)),
        "route_not_found" => post(admin, customer.path("/gifts"), json!({})),
        "conflict" => {
            let busy = Fault::cancelled(&["TransactionConflict", "None"]);
            let mut stale = call(admin, "PUT", "/v1/settings", json!({}));
            stale.headers.push(("if-match", "0".to_owned()));
            let version = world.admin().get("/v1/settings").await.json["version"].clone();
            return vec![
                post(shop, grants, grant).under(WRITE, busy, TRIES),
                stale.with(json!({"version": version})),
            ];
        }
        "topup_not_pending" => {
            let asked = customer.asked("5").await;
            world.admin().post(&format!("{asked}/cancel"), "-", json!({})).await.expect(200, "");
            post(admin, format!("{asked}/approve"), json!({})).with(json!({"status_now": "cancelled"}))
        }
        "hold_resolved" => {
            customer.granted("10", json!({})).await;
            let hold = customer.spent("5", json!({"hold": true})).await;
            world.shop().post(&over(&hold, "void"), "v", json!({})).await.expect(201, "");
            post(shop, over(&hold, "capture"), json!({}))
        }
        "hold_expired" => {
            customer.granted("10", json!({})).await;
            let hold = customer.spent("5", json!({"hold": true, "ttl_seconds": 1})).await;
            world.pass(SignedDuration::from_secs(1));
            post(world.shop(), over(&hold, "capture"), json!({}))
        }
        "lot_not_voidable" => {
            let lot = customer.granted("10", json!({})).await;
            customer.spent("5", json!({"hold": true})).await;
            post(admin, customer.path(&format!("/lots/{lot}/void")), json!({"reason": "r"}))
        }
        "idempotency_mismatch" => {
            world.shop().grant(&customer.id, "g", grant.clone()).await.expect(201, "");
            let other = post(shop, grants, merged(grant, json!({"amount": "11"})));
            Refused { headers: vec![("idempotency-key", "g".to_owned())], ..other }
        }
        "unsupported_currency" => post(shop, grants, merged(grant, json!({"currency": "ZZZ"}))),
        "expiry_in_past" => post(shop, grants, merged(grant, json!({"expires_on": "2026-11-21"}))),
        "credit_disabled" => {
            customer.granted("10", json!({})).await;
            world.settings(json!({"enabled": false})).await;
            post(shop, redemptions, redemption("5"))
        }
        "settings_too_large" => {
            let methods: Vec<String> = (0..400).map(|at| format!("{at:0>100}")).collect();
            let large = json!({"policy": {"topup_methods": methods}});
            world.admin().put("/v1/groups/large", large.clone()).await.expect(200, "");
            call(admin, "PUT", "/v1/groups/larger", large)
        }
        "credit_product_not_payable" => {
            customer.granted("10", json!({})).await;
            let gift_card = json!({"order": {"contains_credit_product": true}});
            post(shop, redemptions, merged(redemption("5"), gift_card))
        }
        "payment_method_not_allowed" => {
            world.settings(json!({"topup_methods": ["cash"]})).await;
            post(shop, topups, topup("5"))
        }
        "too_many_lots" => {
            customer.fill().await;
            post(shop, grants, merged(grant, json!({"currency": HUGE})))
        }
        "too_many_topups" => {
            for _ in 0..MAX_WAITING_TOPUPS {
                shop.post(&topups, &fresh_key(), topup("1")).await.expect(201, "");
            }
            post(shop, topups, topup("1"))
        }
        "too_many_holds" => {
            customer.granted("10", json!({})).await;
            for _ in 0..MAX_HOLDS {
                customer.spent("0.01", json!({"hold": true})).await;
            }
            post(shop, redemptions, merged(redemption("5"), json!({"hold": true})))
        }
        "amount_out_of_range" => {
            customer.fill().await;
            // All of it spent, given back, and spent again is more than 2^63 of the smallest unit.
            let line = json!({"code": "sub_total", "amount": LARGEST, "sort_order": 1});
            let all = json!({"order": {"id": "1", "currency": HUGE, "lines": vec![line; MAX_OPEN_LOTS]}});
            let spent = world.shop().redeem(&customer.id, &fresh_key(), all.clone()).await.expect(201, "");
            let entry = spent.json["entry"]["id"].as_str().unwrap();
            world.shop().post(&over(entry, "refund"), &fresh_key(), json!({})).await.expect(201, "");
            post(shop, redemptions, all)
        }
        "insufficient_credit" => {
            customer.granted("10", json!({})).await;
            post(shop, redemptions, redemption("10.01")).with(json!({"available": "10.00"}))
        }
        "exceeds_hold" => {
            customer.granted("10", json!({})).await;
            let hold = customer.spent("5", json!({"hold": true})).await;
            post(shop, over(&hold, "capture"), json!({"amount": "5.01"})).with(json!({"held": "5.00"}))
        }
        "refund_exceeds_redemption" => {
            customer.granted("10", json!({})).await;
            let spent = customer.spent("5", json!({})).await;
            post(shop, over(&spent, "refund"), json!({"amount": "5.01"})).with(json!({"refundable": "5.00"}))
        }
        "not_withdrawable" => {
            customer.granted("10", json!({})).await;
            customer.granted("3", json!({"category": "paid"})).await;
            post(shop, customer.path("/withdrawals"), pay_out("3.01")).with(json!({"withdrawable": "3.00"}))
        }
        "activation_total_not_reached" => {
            customer.granted("10", json!({})).await;
            world.settings(usd("activation_total", "100.01")).await;
            let members = json!({"activation_total": "100.01", "base": "100.00"});
            post(shop, redemptions, redemption("5")).with(members)
        }
        "exceeds_order_total" => {
            customer.granted("200", json!({})).await;
            post(shop, redemptions, redemption("100.01")).with(json!({"order_total": "100.00"}))
        }
        "usage_limit_exceeded" => {
            customer.granted("50", json!({})).await;
            world.settings(json!({"usage_limit": {"type": "percent", "maximum": "25"}})).await;
            post(shop, redemptions, redemption("25.01")).with(json!({"maximum": "25.00"}))
        }
        "transaction_limit_exceeded" => {
            customer.granted("50", json!({})).await;
            world.settings(usd("transaction_limit", "20")).await;
            post(shop, redemptions, redemption("20.01")).with(json!({"maximum": "20.00"}))
        }
        "balance_limit_exceeded" => {
            customer.granted("50", json!({})).await;
            world.settings(usd("balance_limit", "59.99")).await;
            return vec![
                post(world.shop(), grants, grant).with(json!({"maximum": "59.99"})),
                post(shop, topups, topup("10")).with(json!({"maximum": "59.99"})),
            ];
        }
        "topup_limit_exceeded" => {
            customer.granted("50", json!({})).await;
            customer.asked("20").await;
            let settings =
                json!({"topup_min": {"USD": "5"}, "topup_max": {"USD": "40"}, "topup_limit": {"USD": "100"}});
            world.settings(settings).await;
            return vec![
                post(world.shop(), topups.clone(), topup("4.99")).with(json!({"minimum": "5.00"})),
                post(world.shop(), topups.clone(), topup("40.01")).with(json!({"maximum": "40.00"})),
                post(shop, topups, topup("30.01")).with(json!({"maximum": "100.00"})),
            ];
        }
        "throttled" => {
            let slower = Fault::error("ProvisionedThroughputExceededException", 400);
            post(shop, grants, grant).under(READ, slower, SDK_TRIES)
        }
        "internal" => {
            post(shop, grants, grant).under(WRITE, Fault::cancelled(&["None", "ValidationError"]), 1)
        }
        "unavailable" => {
            post(shop, grants, grant).under(WRITE, Fault::LoseRequest, SDK_TRIES * UNANSWERED_WRITES)
        }
        _ => panic!("nobody provokes {code}"),
    };
    vec![one]
}

/// What this problem has besides what every problem has; of its errors only where they are.
fn members(problem: &Value) -> Value {
    let mut members = problem.as_object().unwrap().clone();
    for name in ["type", "title", "status", "code", "detail"] {
        assert!(members.remove(name).is_some(), "{problem} has no {name}");
    }
    if let Some(errors) = members.get_mut("errors").and_then(Value::as_array_mut) {
        for error in errors {
            assert!(
                error.as_object_mut().unwrap().remove("message").is_some_and(|message| message.is_string())
            );
        }
    }
    Value::Object(members)
}

#[tokio::test]
async fn every_problem_of_the_readme_can_be_provoked_and_tells_what_it_promises() {
    let problems = documented();
    assert!(problems.len() > 35, "{} problems are documented", problems.len());
    let world = World::start().await;
    for Documented { status, code, members: promised } in problems {
        world.settings(json!({})).await;
        // It takes long to give as much as an account holds: one customer is enough who has it.
        let id = if ["too_many_lots", "amount_out_of_range"].contains(&code.as_str()) {
            "rich".to_owned()
        } else {
            fresh_key()
        };
        let customer = Customer { world: &world, id };
        let mut seen = BTreeSet::new();
        for refused in provocations(&world, &code, &customer).await {
            let before = world.all_of(&customer.id).await;
            let answer = refused.send(&world).await.expect(status, &code);
            assert_eq!(world.all_of(&customer.id).await, before, "{code}: something moved");

            let problem = &answer.json;
            let kind =
                [json!(format!("urn:scrip:problem:{code}")), json!(code.replace('_', " ")), json!(status)];
            assert_eq!(kind, [&problem["type"], &problem["title"], &problem["status"]].map(Clone::clone));
            assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{code}");
            assert_eq!(members(problem), refused.members, "{code}");
            seen.extend(refused.members.as_object().unwrap().keys().cloned());
            if answer.headers.contains_key("retry-after") {
                assert!(!seen.contains("version"), "who wrote over another version reads again first");
                seen.insert("Retry-After".to_owned());
            }
        }
        assert_eq!(seen, promised, "{code}");
        if world.admin().get(&customer.path("")).await.status == 200 {
            check_ledger(&world.entries(&customer.id).await);
        }
    }
}

/// One way in which a call goes wrong: the settings, and what its body says besides.
struct Wrong {
    code: &'static str,
    /// The problem's members that tell it from others of this code.
    members: Value,
    settings: Value,
    body: Value,
}

fn wrong(code: &'static str, members: Value, settings: Value, body: Value) -> Wrong {
    Wrong { code, members, settings, body }
}

/// Each of these ways, in the order in which they are told; of every two, the first is told.
async fn told_in_order(world: &World, ways: &[Wrong], send: impl AsyncFn(&[&Wrong], Value) -> Answer) {
    for (at, first) in ways.iter().enumerate() {
        let pairs = ways[at + 1..].iter().map(|second| vec![first, second]);
        for faults in std::iter::once(vec![first]).chain(pairs) {
            let all = |part: fn(&Wrong) -> &Value| {
                faults.iter().fold(json!({}), |all, fault| merged(all, part(fault).clone()))
            };
            world.settings(all(|fault| &fault.settings)).await;
            let answer = send(&faults, all(|fault| &fault.body)).await;
            let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
            assert_eq!(answer.json["code"], first.code, "{codes:?}: {}", answer.text);
            for (name, value) in first.members.as_object().unwrap() {
                assert_eq!(answer.json[name], *value, "{codes:?}: {}", answer.text);
            }
        }
    }
}

/// Whether one of these faults has this code.
fn one_is(faults: &[&Wrong], code: &str) -> bool {
    faults.iter().any(|fault| fault.code == code)
}

#[tokio::test]
async fn of_two_faults_of_a_redemption_the_first_of_the_rules_is_told() {
    let world = World::start().await;
    // Four customers: with 500.00 or 5.00, holding as often as an account can, or not at all.
    for (credit, held) in [("500", false), ("500", true), ("5", false), ("5", true)] {
        let customer = Customer { world: &world, id: format!("{credit}-{held}") };
        customer.granted(credit, json!({})).await;
        for _ in 0..if held { MAX_HOLDS } else { 0 } {
            customer.spent("0.01", json!({"hold": true, "ttl_seconds": 604_800})).await;
        }
    }
    let none = json!({});
    let usd = |setting: &str, amount: &str| json!({setting: {"USD": amount}});
    let five = json!({"maximum": "5.00"});
    let gift_card = json!({"order": {"contains_credit_product": true}});
    let fixed = json!({"usage_limit": {"type": "fixed", "maximum": {"USD": "5"}}});
    let ways = [
        wrong(
            "invalid_request",
            none.clone(),
            none.clone(),
            json!({"order": {"lines": [{"code": "sub_total", "amount": "100.001", "sort_order": 1}]}}),
        ),
        wrong("credit_disabled", none.clone(), json!({"enabled": false}), none.clone()),
        wrong("credit_product_not_payable", none.clone(), none.clone(), gift_card),
        wrong("activation_total_not_reached", none.clone(), usd("activation_total", "101"), none.clone()),
        wrong("exceeds_order_total", none.clone(), none.clone(), json!({"amount": "101"})),
        wrong("usage_limit_exceeded", five.clone(), fixed, none.clone()),
        wrong("transaction_limit_exceeded", five, usd("transaction_limit", "5"), none.clone()),
        wrong("insufficient_credit", none.clone(), none.clone(), none.clone()),
        wrong("too_many_holds", none.clone(), none, json!({"hold": true})),
    ];
    told_in_order(&world, &ways, async |faults, body| {
        let credit = if one_is(faults, "insufficient_credit") { "5" } else { "500" };
        let customer = format!("{credit}-{}", one_is(faults, "too_many_holds"));
        world.shop().redeem(&customer, &fresh_key(), merged(redemption("10"), body)).await
    })
    .await;
}

#[tokio::test]
async fn of_two_faults_of_a_grant_a_withdrawal_or_a_topup_the_first_of_the_rules_is_told() {
    let world = World::start().await;
    let none = json!({});
    let usd = |setting: &str, amount: &str| json!({setting: {"USD": amount}});
    let too_precise = || wrong("invalid_request", json!({}), json!({}), json!({"amount": "10.001"}));
    for (customer, category) in [("alice", "paid"), ("bob", "goodwill")] {
        world.granted(customer, "50", json!({"category": category})).await;
    }

    let grant = json!({"amount": "10", "category": "goodwill"});
    let yesterday = json!({"expires_on": "2026-11-21"});
    let ways = [
        too_precise(),
        wrong("expiry_in_past", none.clone(), none.clone(), yesterday),
        wrong("balance_limit_exceeded", none.clone(), usd("balance_limit", "59.99"), none.clone()),
    ];
    told_in_order(&world, &ways, async |_, body| {
        world.shop().grant("alice", &fresh_key(), merged(grant.clone(), body)).await
    })
    .await;

    let ways = [
        wrong("forbidden", none.clone(), json!({"withdrawal": false}), none.clone()),
        too_precise(),
        wrong("credit_disabled", none.clone(), json!({"enabled": false}), none.clone()),
        wrong("insufficient_credit", none.clone(), none.clone(), json!({"amount": "50.01"})),
        wrong("not_withdrawable", none.clone(), none.clone(), none.clone()),
    ];
    told_in_order(&world, &ways, async |faults, body| {
        // Too precise and too much at once.
        let both = one_is(faults, "invalid_request") && one_is(faults, "insufficient_credit");
        let body = if both { json!({"amount": "50.011"}) } else { body };
        let customer = if one_is(faults, "not_withdrawable") { "bob" } else { "alice" };
        let who = if one_is(faults, "forbidden") { world.customer(customer) } else { world.shop() };
        let withdrawal = merged(json!({"amount": "10", "journal": "cash"}), body);
        who.post(&format!("/v1/customers/{customer}/withdrawals"), &fresh_key(), withdrawal).await
    })
    .await;

    let limit = "topup_limit_exceeded";
    let ways = [
        too_precise(),
        wrong("payment_method_not_allowed", none.clone(), json!({"topup_methods": ["cash"]}), none.clone()),
        wrong(limit, json!({"minimum": "11.00"}), usd("topup_min", "11"), none.clone()),
        wrong(limit, json!({"maximum": "9.00"}), usd("topup_max", "9"), none.clone()),
        wrong(limit, json!({"maximum": "59.99"}), usd("topup_limit", "59.99"), none.clone()),
        wrong(
            "balance_limit_exceeded",
            json!({"maximum": "59.98"}),
            usd("balance_limit", "59.98"),
            none.clone(),
        ),
    ];
    told_in_order(&world, &ways, async |_, body| {
        world.shop().request_topup("alice", &fresh_key(), merged(topup("10"), body)).await
    })
    .await;
    for customer in ["alice", "bob"] {
        let entries = world.entries(customer).await;
        check_ledger(&entries);
        assert_eq!(entries.len(), 1);
    }
}

#[tokio::test]
async fn of_two_faults_about_what_was_done_before_the_first_of_the_rules_is_told() {
    let world = World::start().await;
    let customer = Customer { world: &world, id: "alice".to_owned() };
    let (shop, admin) = (world.shop(), world.admin());
    let over = |entry: &str, how: &str| customer.path(&format!("/redemptions/{entry}/{how}"));
    let lot = customer.granted("100", json!({})).await;
    let used = customer.granted("1", json!({"expires_on": "2026-11-22"})).await;
    world.set_now("2026-11-23T00:00:00Z");
    let hold = customer.spent("10", json!({"hold": true, "ttl_seconds": 60})).await;
    let voided = customer.spent("10", json!({"hold": true, "ttl_seconds": 60})).await;
    world.shop().post(&over(&voided, "void"), "v", json!({})).await.expect(201, "");
    let spent = customer.spent("10", json!({})).await;
    let asked = admin.request_topup("alice", "t", topup("10")).await.expect(201, "");
    let asked = customer.path(&format!("/topups/{}/approve", asked.json["topup"]["id"].as_str().unwrap()));
    let done = customer.asked("10").await;
    admin.post(&format!("{done}/approve"), "a", json!({})).await.expect(200, "");
    let done = format!("{done}/approve");
    let other = format!("{}/approve", customer.asked("10").await);
    world.settings(json!({"topup_methods": ["cash"]})).await;

    let (much, precise) = (json!({"amount": "10.01"}), json!({"amount": "0.001"}));
    let expiry = |lot: &str| customer.path(&format!("/lots/{lot}"));
    let yesterday = json!({"expires_on": "2026-11-22"});
    for (status, code, who, method, path, body) in [
        (409, "topup_not_pending", &admin, "POST", &done, &much),
        (409, "topup_not_pending", &admin, "POST", &done, &precise),
        (403, "self_approval", &admin, "POST", &asked, &much),
        (403, "self_approval", &admin, "POST", &asked, &json!({})),
        (400, "invalid_request", &admin, "POST", &other, &much),
        (422, "payment_method_not_allowed", &admin, "POST", &other, &json!({})),
        (404, "redemption_not_found", &shop, "POST", &over(&lot, "capture"), &precise),
        (404, "redemption_not_found", &shop, "POST", &over(&lot, "refund"), &precise),
        (409, "hold_resolved", &shop, "POST", &over(&voided, "capture"), &much),
        (409, "hold_resolved", &shop, "POST", &over(&voided, "capture"), &precise),
        (400, "invalid_request", &shop, "POST", &over(&hold, "capture"), &json!({"amount": "10.001"})),
        (422, "exceeds_hold", &shop, "POST", &over(&hold, "capture"), &much),
        (400, "invalid_request", &shop, "POST", &over(&spent, "refund"), &json!({"amount": "10.001"})),
        (404, "lot_not_found", &admin, "PATCH", &expiry("USD-99"), &yesterday),
        (409, "lot_not_voidable", &admin, "PATCH", &expiry(&used), &yesterday),
        (422, "expiry_in_past", &admin, "PATCH", &expiry(&lot), &yesterday),
    ] {
        call(who.clone(), method, path.as_str(), body.clone()).send(&world).await.expect(status, code);
    }
    // Resolved in time or not, a hold whose time is over is told to be over.
    world.pass(SignedDuration::from_secs(60));
    for hold in [&hold, &voided] {
        for body in [&much, &precise] {
            let late = post(world.shop(), over(hold, "capture"), body.clone());
            late.send(&world).await.expect(409, "hold_expired");
        }
    }
    check_ledger(&world.entries("alice").await);
}
