//! The session of the document's examples: a shop's first day, one call of everything that answers something.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    openapi::operations,
    world::{Client, World},
};

/// What is another each time that the session runs.
const RANDOM: [&str; 4] = ["hash", "key", "prev_hash", "secret"];

/// A session, and what it showed: requests and answers by their examples' names, as they were sent and told.
struct Session {
    world: World,
    shown: BTreeMap<String, String>,
    calls: u32,
}

impl Session {
    fn jane(&self) -> Client<'_> {
        self.world.staff("jane")
    }

    /// Calls as staff, shows it, and tells what was answered.
    async fn show(&mut self, id: &str, parts: &[&str], body: Value) -> Value {
        let (told, text) = self.call(id, parts, &body, false).await;
        if !body.is_null() && body != json!({}) {
            self.shown.insert(format!("{id}.request"), body.to_string());
        }
        if !text.is_empty() {
            self.shown.insert(format!("{id}.answer"), text);
        }
        told
    }

    /// As [`Session::show`], without showing it; as alice, if that is said.
    async fn call(&mut self, id: &str, parts: &[&str], body: &Value, alice: bool) -> (Value, String) {
        self.world.pass(SignedDuration::from_mins(1));
        self.calls += 1;
        let operation = operations().find(|operation| operation.id() == id).unwrap();
        let mut path = operation.path.replace("{customer}", "alice");
        for part in parts {
            match part.strip_prefix('?') {
                Some(_) => path.push_str(part),
                None => {
                    let (before, rest) = path.split_once('{').unwrap();
                    path = format!("{before}{part}{}", rest.split_once('}').unwrap().1);
                }
            }
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let key = format!("{id}-{}", self.calls);
        let who = if alice { self.world.customer("alice") } else { self.jane() };
        let method = operation.method.to_uppercase();
        let answer = who.send(&method, &path, &[("idempotency-key", &key)], body).await;
        assert!(answer.status < 300, "{id}: {}", answer.text);
        (answer.json, answer.text)
    }
}

/// The session's requests and answers, by the names of their examples.
pub async fn told() -> BTreeMap<String, String> {
    let mut session = Session { world: World::start().await, shown: BTreeMap::new(), calls: 0 };
    let order = |id: &str| {
        json!({"id": id, "lines": [
            {"code": "sub_total", "amount": "134.00", "sort_order": 1},
            {"code": "handling", "amount": "2.00", "sort_order": 2},
            {"code": "tax", "amount": "5.00", "sort_order": 3},
            {"code": "shipping", "amount": "7.00", "sort_order": 4},
        ]})
    };

    let limit = json!({"type": "percent", "maximum": "25"});
    let settings = json!({"usage_limit": limit, "withdrawal": true, "expiry_days": {"promotional": 90}, "remind_days": [30, 7]});
    session.show("writeSettings", &[], settings).await;
    session.show("readSettings", &[], json!(null)).await;
    let limit = json!({"type": "percent", "maximum": "50"});
    let asked = json!({"settings": {"usage_limit": limit}, "order": order("1002"), "credit": "50.00"});
    session.show("quoteBySettings", &[], asked).await;
    let group = json!({"policy": {"topup_methods": ["stripe", "cash"]}, "joining_grant": {"amount": "5.00", "category": "promotional"}});
    session.show("writeGroup", &["vip"], group).await;
    session.show("readGroup", &["vip"], json!(null)).await;
    session.show("listGroups", &[], json!(null)).await;
    session.show("listSettingsChanges", &["?limit=1"], json!(null)).await;

    let grant = json!({"amount": "50.00", "category": "refund", "expires_on": "2030-12-31",
        "payment": {"mode": "offline", "method": "cash", "reference": "R-17"}, "reference": "order-1001"});
    session.show("grant", &[], grant).await;
    session.show("quote", &[], json!({"order": order("1002")})).await;
    session.show("redeem", &[], json!({"order": order("1002")})).await;
    session.show("refund", &["USD-2"], json!({"amount": "7.00"})).await;
    for (id, hold, amount) in
        [("capture", "USD-4", json!({"amount": "2.00"})), ("voidHold", "USD-6", json!({}))]
    {
        let held = json!({"order": order("1003"), "amount": "9.00", "hold": true});
        session.call("redeem", &[], &held, false).await;
        session.show(id, &[hold], amount).await;
    }
    session.show("withdraw", &[], json!({"amount": "1.00", "journal": "bank"})).await;
    session.show("changeLotExpiry", &["USD-1"], json!({"expires": "never"})).await;

    let asked =
        json!({"amount": "50.00", "payment": {"mode": "online", "method": "stripe", "reference": "pi_123"}});
    let mut topups = Vec::new();
    for _ in 0..2 {
        let (told, _) = session.call("requestTopup", &[], &asked, true).await;
        topups.push(told["topup"]["id"].as_str().unwrap().to_owned());
    }
    let last = session.show("requestTopup", &[], asked).await;
    topups.push(last["topup"]["id"].as_str().unwrap().to_owned());
    session.show("listPendingTopups", &["?limit=1"], json!(null)).await;
    session.show("approveTopup", &[&topups[0]], json!({"amount": "40.00"})).await;
    session.show("rejectTopup", &[&topups[1]], json!({"reason": "no money came"})).await;
    session.show("cancelTopup", &[&topups[2]], json!({})).await;
    session.show("listTopups", &["?limit=2"], json!(null)).await;

    let alice = json!({"name": "Alice", "email": "alice@example.com", "language": "en", "group": "vip"});
    session.show("writeCustomer", &[], alice).await;
    let spring = json!({"amount": "5.00", "category": "promotional"});
    let job = session.show("grantToGroup", &["vip"], spring).await;
    session.world.catch_up().await;
    session.show("readGroupGrant", &[job["job"]["id"].as_str().unwrap()], json!(null)).await;
    // It counts for that call, and for none after.
    let held = json!({"order": order("1004"), "amount": "8.00", "hold": true, "ttl_seconds": 90});
    session.call("redeem", &[], &held, false).await;
    session.show("readCustomer", &[], json!(null)).await;
    session.show("listCustomers", &["?sort=-balance"], json!(null)).await;
    session.show("listCustomerChanges", &[], json!(null)).await;
    session.show("listEntries", &["?type=redeem"], json!(null)).await;
    session.show("readStatement", &["?from=2026-11-22&to=2026-11-22"], json!(null)).await;
    session.show("listJournal", &["?from=2026-11-22&to=2026-11-22&limit=3"], json!(null)).await;
    session.show("reportLiability", &["?as_of=2026-11-22"], json!(null)).await;
    session.show("reportAgeing", &["?as_of=2026-11-22"], json!(null)).await;
    session.show("reportExpiring", &["?as_of=2026-11-22"], json!(null)).await;
    session.show("reportMovements", &["?from=2026-11&to=2026-11"], json!(null)).await;
    session.show("verify", &[], json!(null)).await;
    session.show("debit", &[], json!({"amount": "1.00", "reason": "counted twice"})).await;
    session.show("voidLot", &["USD-1"], json!({"reason": "by mistake"})).await;

    let words = json!({"subject": "{{ amount }} for you", "text": "You have {{ balance }} now."});
    let mail = json!({"sender": "credit@shop.example", "shop": "The Corner Shop", "admins": ["desk@shop.example"],
        "templates": {"credit.granted": {"en": words}}});
    session.show("writeMail", &[], mail).await;
    session.show("readMail", &[], json!(null)).await;
    let webhook =
        json!({"url": "https://erp.example.com/scrip", "events": ["credit.redeemed", "credit.refunded"]});
    session.show("writeWebhook", &["erp"], webhook).await;
    session.show("renewWebhookSecret", &["erp"], json!({})).await;
    session.show("listWebhooks", &[], json!(null)).await;
    session.show("createApiKey", &[], json!({"role": "store", "name": "till 1"})).await;
    session.show("listApiKeys", &[], json!(null)).await;
    session.shown
}

/// An example without what is another each time.
pub fn masked(example: &Value) -> Value {
    match example {
        Value::Object(members) => {
            let kept = members.iter().filter(|(name, value)| {
                let is_key = value.as_str().is_some_and(|text| text.starts_with("key_"));
                !RANDOM.contains(&name.as_str()) && !is_key
            });
            Value::Object(kept.map(|(name, value)| (name.clone(), masked(value))).collect())
        }
        Value::Array(items) => items.iter().map(masked).collect(),
        value => value.clone(),
    }
}
