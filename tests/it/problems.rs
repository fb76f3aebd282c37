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
const TRIES: usize = 24;
const UNANSWERED_WRITES: usize = 3;
/// What the rules of the ledger allow an account to hold.
const MAX_OPEN_LOTS: usize = 500;
const MAX_HOLDS: usize = 50;

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
            for _ in 0..MAX_OPEN_LOTS {
                customer.granted("0.01", json!({})).await;
            }
            post(shop, grants, grant)
        }
        "too_many_holds" => {
            customer.granted("10", json!({})).await;
            for _ in 0..MAX_HOLDS {
                customer.spent("0.01", json!({"hold": true})).await;
            }
            post(shop, redemptions, merged(redemption("5"), json!({"hold": true})))
        }
        "amount_out_of_range" => {
            // With four decimals, 922 of the largest amounts come near 2^63 of the smallest unit.
            let largest = merged(topup("999999999999.9999"), json!({"currency": "CLF"}));
            for _ in 0..922 {
                world.shop().request_topup(&customer.id, &fresh_key(), largest.clone()).await.expect(201, "");
            }
            post(shop, topups, largest)
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
        let customer = Customer { world: &world, id: fresh_key() };
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
        let entries = world.admin().get(&customer.path("/entries?limit=200")).await.json;
        let mut entries = entries["data"].as_array().cloned().unwrap_or_default();
        entries.reverse();
        if entries.first().is_some_and(|first| first["id"] == "USD-1") {
            check_ledger(&entries);
        }
    }
}
