//! Rules at three levels: what a group or a customer has instead of the store's, what comes of it, and who changed it.

use std::collections::BTreeSet;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::world::{Answer, Client, START, World, check_ledger, each, fresh_key, order};

const GROUP: &str = "/v1/groups/vip";
const SETTINGS: &str = "/v1/settings";

/// What somebody does, to see which rules are in force.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Spends what it can of 50.00 on an order of 140.00.
    Redeem,
    /// Spends 60.00, having 50.00.
    Overspend,
    /// Spends 50.00 of two lots, of which the second expires.
    TakeOneOfTwo,
    /// Spends, and has it given back after it has expired.
    RefundLate,
    /// Reserves.
    Hold,
    /// Gets 1.00 more.
    Grant,
    /// Looks at its credit after that has expired.
    Outlive,
    /// Asks for 5.00.
    Topup,
    /// Withdraws by itself.
    Withdraw,
    /// The shop pays out goodwill.
    PayOut,
}

impl Deed {
    /// What comes of it for this customer, who has nothing yet, in a word or two.
    async fn outcome(self, world: &World, customer: &str) -> String {
        let shop = world.shop();
        let spend = async |total: &str, more: Value| {
            let lines = json!([
                {"code": "sub_total", "amount": total, "sort_order": 1}, {"code": "tax", "amount": "40", "sort_order": 2},
            ]);
            let mut body = json!({"order": {"id": "1", "lines": lines}});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            shop.redeem(customer, &fresh_key(), body).await
        };
        let soon = world.now().checked_add(SignedDuration::from_millis(1)).unwrap().to_string();
        match self {
            Self::Redeem => {
                world.granted(customer, "50", json!({})).await;
                told(&spend("100", json!({})).await, &["/applied", "/bound_by", "/base"])
            }
            Self::Overspend => {
                world.granted(customer, "50", json!({})).await;
                told(&spend("100", json!({"amount": "60"})).await, &["/account/balance"])
            }
            Self::TakeOneOfTwo => {
                world.granted(customer, "50", json!({"expires": "never"})).await;
                world.granted(customer, "50", json!({"expires_on": "2030-01-01"})).await;
                told(&spend("100", json!({"amount": "50"})).await, &["/entry/allocations/0/lot"])
            }
            Self::RefundLate => {
                world.granted(customer, "50", json!({"expires_at": soon})).await;
                let spent = spend("100", json!({"amount": "50"})).await.expect(201, "");
                world.pass(SignedDuration::from_millis(1));
                let id = spent.json["entry"]["id"].as_str().unwrap();
                let path = format!("/v1/customers/{customer}/redemptions/{id}/refund");
                told(&shop.post(&path, &fresh_key(), json!({})).await, &["/account/available"])
            }
            Self::Hold => {
                world.granted(customer, "50", json!({})).await;
                let held = spend("100", json!({"hold": true})).await.expect(201, "").json["entry"].clone();
                between(&held["at"], &held["hold_expires_at"])
            }
            Self::Grant => {
                world.granted(customer, "50", json!({"expires": "never"})).await;
                let body = json!({"amount": "1", "category": "goodwill"});
                told(&world.shop().grant(customer, &fresh_key(), body).await, &["/entry/expires_at"])
            }
            Self::Outlive => {
                world.granted(customer, "50", json!({"expires_at": soon})).await;
                world.pass(SignedDuration::from_millis(1));
                world.account(customer).await["available"].as_str().unwrap().to_owned()
            }
            Self::Topup => {
                world.granted(customer, "50", json!({})).await;
                let body = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
                let asked = world.customer(customer).request_topup(customer, &fresh_key(), body).await;
                let time = between(&asked.json["topup"]["requested_at"], &asked.json["topup"]["lapses_at"]);
                format!("{}{time}", told(&asked, &["/topup/status"]))
            }
            Self::Withdraw | Self::PayOut => {
                let category = if matches!(self, Self::PayOut) { "goodwill" } else { "paid" };
                world.granted(customer, "50", json!({"category": category})).await;
                let who = if matches!(self, Self::PayOut) { world.shop() } else { world.customer(customer) };
                let body = json!({"amount": "1", "journal": "cash"});
                let path = format!("/v1/customers/{customer}/withdrawals");
                told(&who.post(&path, &fresh_key(), body).await, &["/account/balance"])
            }
        }
    }
}

/// These values of an answer, or the code of a problem.
fn told(answer: &Answer, pointers: &[&str]) -> String {
    if let Some(code) = answer.json["code"].as_str() {
        return code.to_owned();
    }
    let text = |pointer: &&str| answer.json.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
    pointers.iter().map(text).collect::<Vec<_>>().join(" ")
}

/// The time between two moments, in seconds; nothing where one is missing.
fn between(from: &Value, to: &Value) -> String {
    let moment = |value: &Value| value.as_str().map(|text| text.parse::<Timestamp>().unwrap());
    match (moment(from), moment(to)) {
        (Some(from), Some(to)) => format!(" {}s", to.duration_since(from).as_secs()),
        _ => String::new(),
    }
}

/// A setting at two values, and what each makes of a deed.
struct Case {
    setting: &'static str,
    deed: Deed,
    values: [(Value, &'static str); 2],
}

fn case(setting: &'static str, deed: Deed, one: (Value, &'static str), other: (Value, &'static str)) -> Case {
    Case { setting, deed, values: [one, other] }
}

/// Every setting that a group or a customer may have of its own.
fn cases() -> Vec<Case> {
    use Deed::{Grant, Hold, Outlive, Overspend, PayOut, Redeem, RefundLate, TakeOneOfTwo, Topup, Withdraw};
    let none = json!(null);
    let usd = |amount: &str| json!({"USD": amount});
    let (all, pending) = ("50.00 available 140.00", "pending 2592000s");
    let (disabled, too_much) = ("credit_disabled", "topup_limit_exceeded");
    let percent = json!({"type": "percent", "maximum": "25"});
    let fixed = json!({"type": "fixed", "maximum": {"USD": "7.00"}});
    vec![
        case("enabled", Redeem, (json!(true), all), (json!(false), disabled)),
        case("enabled", PayOut, (json!(true), "not_withdrawable"), (json!(false), disabled)),
        case("consumption_order", TakeOneOfTwo, (json!("fifo"), "USD-1"), (json!("expiring_first"), "USD-2")),
        case("usage_limit", Redeem, (none.clone(), all), (percent, "35.00 usage_limit 140.00")),
        case("usage_limit", Redeem, (fixed, "7.00 usage_limit 140.00"), (none.clone(), all)),
        case(
            "usage_base",
            Redeem,
            (json!("preceding_lines"), all),
            (json!("subtotal_only"), "50.00 available 100.00"),
        ),
        case(
            "activation_total",
            Redeem,
            (none.clone(), all),
            (usd("140.01"), "activation_total_not_reached"),
        ),
        case("balance_limit", Grant, (none.clone(), "-"), (usd("50.00"), "balance_limit_exceeded")),
        case("overdraft_limit", Overspend, (none.clone(), "insufficient_credit"), (usd("10.00"), "-10.00")),
        case(
            "transaction_limit",
            Redeem,
            (none.clone(), all),
            (usd("20.00"), "20.00 transaction_limit 140.00"),
        ),
        case("topup_min", Topup, (none.clone(), pending), (usd("5.01"), too_much)),
        case("topup_max", Topup, (none.clone(), pending), (usd("4.99"), too_much)),
        case("topup_limit", Topup, (none.clone(), pending), (usd("54.99"), too_much)),
        case(
            "topup_methods",
            Topup,
            (none.clone(), pending),
            (json!(["cash"]), "payment_method_not_allowed"),
        ),
        case("topup_approval", Topup, (json!("manual"), pending), (json!("automatic"), "approved 2592000s")),
        case("topup_pending_days", Topup, (json!(30), pending), (json!(2), "pending 172800s")),
        case("withdrawal", Withdraw, (json!(true), "49.00"), (json!(false), "forbidden")),
        case("withdrawable", PayOut, (json!(["goodwill"]), "49.00"), (json!(["paid"]), "not_withdrawable")),
        case("expiry_days", Grant, (none.clone(), "-"), (json!(9), "2026-12-02T00:00:00Z")),
        case("expiry_days", Grant, (json!({"goodwill": 8}), "2026-12-01T00:00:00Z"), (none, "-")),
        case("expiry_exempt", Outlive, (json!(false), "0.00"), (json!(true), "50.00")),
        case("refund_grace_days", RefundLate, (json!(30), "50.00"), (json!(0), "0.00")),
        case("hold_ttl_seconds", Hold, (json!(900), " 900s"), (json!(60), " 60s")),
    ]
}

/// Writes a group's settings.
async fn put_group(world: &World, policy: Value) -> Answer {
    world.admin().put(GROUP, json!({"policy": policy})).await.expect(200, "")
}

/// Writes a customer's document.
async fn put_customer(world: &World, customer: &str, document: Value) -> Answer {
    world.admin().put(&format!("/v1/customers/{customer}"), document).await.expect(200, "")
}

/// Writes over this version.
async fn put_over(world: &World, path: &str, version: &str, document: Value) -> Answer {
    world.admin().send("PUT", path, &[("if-match", version)], Bytes::from(document.to_string())).await
}

/// Every page of a list.
async fn pages(who: &Client<'_>, path: &str, limit: usize) -> Vec<Vec<Value>> {
    let (mut pages, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = who.get(&format!("{path}?limit={limit}{cursor}")).await.expect(200, "").json;
        pages.push(answer["data"].as_array().unwrap().clone());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return pages,
        }
        assert!(pages.len() < 100, "{path} never ends");
    }
}

#[tokio::test]
async fn every_setting_takes_effect_from_the_store_the_group_and_the_customer_and_null_is_none() {
    let world = World::start().await;
    for Case { setting, deed, values: [(here, as_here), (there, as_there)] } in cases() {
        // Which value the store, the group and the customer give; whose word it is then.
        let one = (here.clone(), as_here);
        let other = (there.clone(), as_there);
        for (store, group, customer, from) in [
            (&one, None, None, "store"),
            (&one, Some(&other), None, "group"),
            (&other, Some(&one), None, "group"),
            (&one, None, Some(&other), "customer"),
            (&other, Some(&other), Some(&one), "customer"),
            (&one, Some(&other), Some(&one), "customer"),
        ] {
            let give =
                |level: Option<&(Value, &str)>| level.map_or(json!({}), |(value, _)| json!({setting: value}));
            let (value, expected) = customer.or(group).unwrap_or(store);
            let shopper = fresh_key();
            world.settings(give(Some(store))).await;
            put_group(&world, give(group)).await;
            put_customer(&world, &shopper, json!({"group": "vip", "policy": give(customer)})).await;

            let context = format!("{setting}: {} / {} / {}", store.0, give(group), give(customer));
            assert_eq!(deed.outcome(&world, &shopper).await, *expected, "{deed:?} under {context}");
            let seen = world.shop().get(&format!("/v1/customers/{shopper}")).await.expect(200, "").json;
            assert_eq!(seen["policy"][setting], json!({"value": value, "from": from}), "{context}");
            let group_has = group.unwrap_or(store);
            let from = if group.is_some() { "group" } else { "store" };
            let seen = world.admin().get(GROUP).await.expect(200, "").json;
            assert_eq!(seen["effective"][setting], json!({"value": group_has.0, "from": from}), "{context}");
            check_ledger(&world.entries(&shopper).await);
        }
    }
}

#[tokio::test]
async fn no_setting_is_forgotten_above() {
    let world = World::start().await;
    let settings = world.admin().get(SETTINGS).await.json["settings"].clone();
    let alone = ["currency", "time_zone", "sort_order", "chart_of_accounts"];
    let every: BTreeSet<String> = settings.as_object().unwrap().keys().cloned().collect();
    let tried = cases().into_iter().map(|case| case.setting.to_owned());
    // What starts a job has scenarios of its own in `reaching_back`; of reminders there is only one value.
    let tried = tried.chain(["apply_to_existing", "remind_days"].map(str::to_owned));
    assert_eq!(tried.chain(alone.map(str::to_owned)).collect::<BTreeSet<_>>(), every);
    // What the store has alone, nobody has instead.
    for setting in alone {
        for path in [GROUP, "/v1/customers/alice"] {
            let body = json!({"policy": {setting: settings[setting]}});
            let refused = world.admin().put(path, body).await.expect(400, "invalid_request");
            assert_eq!(refused.json["errors"][0]["field"], format!("policy.{setting}"), "{path}");
        }
    }
}

#[tokio::test]
async fn whose_word_a_setting_is_stands_beside_it_for_staff_alone() {
    let world = World::start().await;
    world.settings(json!({"transaction_limit": {"USD": "5"}, "balance_limit": {"USD": "100"}})).await;
    put_group(&world, json!({"balance_limit": null, "expiry_days": 30})).await;
    let group = world.admin().get(GROUP).await.expect(200, "").json;
    assert_eq!([&group["group"], &group["version"]], [&json!("vip"), &json!(2)]);
    assert_eq!(group["policy"], json!({"balance_limit": null, "expiry_days": 30}));
    put_customer(&world, "alice", json!({"group": "vip", "policy": {"expiry_days": null}})).await;
    for who in [world.admin(), world.shop(), world.staff("jane")] {
        let policy = who.get("/v1/customers/alice").await.expect(200, "").json["policy"].clone();
        for (setting, value, from) in [
            ("transaction_limit", json!({"USD": "5.00"}), "store"),
            ("currency", json!("USD"), "store"),
            ("balance_limit", json!(null), "group"),
            ("expiry_days", json!(null), "customer"),
            ("enabled", json!(true), "store"),
        ] {
            assert_eq!(policy[setting], json!({"value": value, "from": from}), "{setting}");
        }
    }
    let own = world.customer("alice").get("/v1/customers/alice").await.expect(200, "").json;
    assert_eq!([own.get("policy"), own.get("version")], [None, None]);
    assert_eq!([&own["group"], &own["frozen"]], [&json!("vip"), &json!(false)]);
    // Frozen, it is switched off by its own document, whatever that says.
    let frozen = json!({"policy": {"enabled": true}, "frozen": true});
    put_customer(&world, "alice", frozen).await;
    let policy = world.shop().get("/v1/customers/alice").await.json["policy"].clone();
    assert_eq!(policy["enabled"], json!({"value": false, "from": "customer"}));
    // Out of its group, it has the store's again.
    assert_eq!(policy["balance_limit"], json!({"value": {"USD": "100.00"}, "from": "store"}));
}

#[tokio::test]
async fn a_group_changes_for_its_members_at_once_and_for_nobody_else() {
    let world = World::start().await;
    for customer in ["alice", "bob", "carol"] {
        world.granted(customer, "10", json!({})).await;
    }
    put_group(&world, json!({})).await;
    world.admin().put("/v1/groups/staff", json!({"policy": {"transaction_limit": {"USD": "3"}}})).await;
    put_customer(&world, "alice", json!({"group": "vip"})).await;
    put_customer(&world, "bob", json!({"group": "staff"})).await;
    let applied = async |customer: &str| {
        let quoted = world.shop().quote(customer, json!({"order": order("1", "20")})).await.expect(200, "");
        quoted.json["applied"].as_str().unwrap().to_owned()
    };
    for (policy, expected) in [
        (json!({"transaction_limit": {"USD": "2"}}), "2.00"),
        (json!({"transaction_limit": {"EUR": "2"}}), "10.00"),
        (json!({}), "10.00"),
    ] {
        put_group(&world, policy.clone()).await;
        let seen = [applied("alice").await, applied("bob").await, applied("carol").await];
        assert_eq!(seen, [expected, "3.00", "10.00"], "{policy}");
    }
}

#[tokio::test]
async fn a_group_that_is_not_there_is_not_found_and_nobody_joins_it() {
    let world = World::start().await;
    put_group(&world, json!({})).await;
    put_customer(&world, "alice", json!({"group": "vip", "name": "Alice"})).await;
    let before = world.all_of("alice").await;
    for group in ["nobody", "VIP", "vi", "vip2"] {
        world.admin().get(&format!("/v1/groups/{group}")).await.expect(404, "group_not_found");
        let body = json!({"group": group});
        world.admin().put("/v1/customers/alice", body.clone()).await.expect(404, "group_not_found");
        world.admin().put("/v1/customers/bob", body).await.expect(404, "group_not_found");
    }
    assert_eq!(world.all_of("alice").await, before);
    world.admin().get("/v1/customers/bob").await.expect(404, "customer_not_found");
}

#[tokio::test]
async fn groups_are_listed_by_their_ids_page_by_page() {
    let world = World::start().await;
    let mut ids: Vec<String> = ["b", "a", "B", "c.d", "a-1", "z_9", "10", "9"].map(str::to_owned).to_vec();
    for id in &ids {
        let body = json!({"policy": {"enabled": id != "9"}});
        world.admin().put(&format!("/v1/groups/{id}"), body).await.expect(200, "");
    }
    ids.sort();
    for limit in 1..=9 {
        let pages = pages(&world.admin(), "/v1/groups", limit).await;
        assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
        assert_eq!(each(&pages.concat(), "group"), ids, "{limit}");
    }
    let nine = world.admin().get("/v1/groups").await.json["data"][1].clone();
    assert_eq!(nine, json!({"group": "9", "policy": {"enabled": false}, "joining_grant": null}));
}

#[tokio::test]
async fn settings_and_groups_have_one_version_and_customers_one_each() {
    let world = World::start().await;
    let alice = "/v1/customers/alice";
    for (path, stale, version) in [
        (SETTINGS, "1", 1),
        (GROUP, "0", 2),
        ("/v1/groups/other", "1", 3),
        (alice, "1", 1),
        ("/v1/customers/bob", "2", 1),
    ] {
        let before = world.admin().get(SETTINGS).await.json;
        let refused = put_over(&world, path, stale, json!({})).await.expect(409, "conflict");
        assert_eq!(refused.json["version"], version - 1, "{path}");
        assert_eq!(refused.headers.get("retry-after"), None, "{path}: what was read has to be read again");
        assert_eq!(world.admin().get(SETTINGS).await.json, before, "{path}");
        let written = put_over(&world, path, &(version - 1).to_string(), json!({})).await.expect(200, "");
        assert_eq!(written.json["version"], version, "{path}");
    }
    // The groups' writes are the settings', too.
    put_over(&world, SETTINGS, "1", json!({})).await.expect(409, "conflict");
    put_over(&world, SETTINGS, "3", json!({})).await.expect(200, "");
    // Of two who read the same version of a customer, one is told so.
    for version in 1..5_u8 {
        let read = version.to_string();
        let (one, two) = tokio::join!(
            put_over(&world, alice, &read, json!({"frozen": true})),
            put_over(&world, alice, &read, json!({"frozen": false}))
        );
        let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
        assert_eq!(won.expect(200, "").json["version"], version + 1);
        assert_eq!(lost.expect(409, "conflict").json["version"], version + 1);
    }
}

#[tokio::test]
async fn what_was_changed_in_the_settings_is_told_with_who_and_when() {
    let world = World::start().await;
    let path = "/v1/settings/changes";
    let empty = world.admin().get(path).await.expect(200, "").json;
    assert_eq!(empty, json!({"data": [], "next_cursor": null}));

    let (jane, joe) = (|| world.staff("jane"), || world.staff("joe"));
    jane().put(SETTINGS, json!({"enabled": false, "topup_max": {"USD": "5"}})).await.expect(200, "");
    world.pass(SignedDuration::from_hours(1));
    joe().put(GROUP, json!({"policy": {"topup_max": null}})).await.expect(200, "");
    joe().put(GROUP, json!({"policy": {"expiry_days": {"paid": 9}}})).await.expect(200, "");
    world.pass(SignedDuration::from_hours(1));
    jane().put(SETTINGS, json!({"topup_max": {"USD": "6"}})).await.expect(200, "");
    joe().put(SETTINGS, json!({"topup_max": {"USD": "6.00"}})).await.expect(200, "");

    let by = |id: &str| json!({"role": "admin", "id": id});
    let (eleven, twelve) = ("2026-11-22T11:00:00Z", "2026-11-22T12:00:00Z");
    let expected = [
        json!({"version": 5, "at": twelve, "actor": by("joe"), "changes": {}}),
        json!({"version": 4, "at": twelve, "actor": by("jane"), "changes": {
            "enabled": {"old": false, "new": true}, "topup_max": {"old": {"USD": "5.00"}, "new": {"USD": "6.00"}},
        }}),
        // Null where it was said that there is none; nothing where the group said nothing.
        json!({"version": 3, "at": eleven, "actor": by("joe"), "group": "vip", "changes": {
            "topup_max": {"old": null}, "expiry_days": {"new": {"paid": 9}},
        }}),
        json!({"version": 2, "at": eleven, "actor": by("joe"), "group": "vip", "changes": {"topup_max": {"new": null}}}),
        json!({"version": 1, "at": START, "actor": by("jane"), "changes": {
            "enabled": {"old": true, "new": false}, "topup_max": {"old": null, "new": {"USD": "5.00"}},
        }}),
    ];
    for limit in 1..=6 {
        let pages = pages(&world.admin(), path, limit).await;
        assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
        assert_eq!(pages.concat(), expected, "{limit}");
    }
    // What was refused is not among them, and no call tells anybody else.
    put_over(&world, SETTINGS, "1", json!({})).await.expect(409, "conflict");
    world.admin().put(GROUP, json!({"policy": {"currency": "EUR"}})).await.expect(400, "invalid_request");
    assert_eq!(world.admin().get(path).await.json["data"], json!(expected));
    world.shop().get(path).await.expect(403, "forbidden");
}

#[tokio::test]
async fn a_cursor_through_the_changes_is_not_moved_by_what_comes_after() {
    let world = World::start().await;
    for at in 0..4_u8 {
        world.settings(json!({"sort_order": at})).await;
    }
    let path = "/v1/settings/changes?limit=2";
    let first = world.admin().get(path).await.expect(200, "").json;
    world.settings(json!({"sort_order": 99})).await;
    let next = format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap());
    let second = world.admin().get(&next).await.expect(200, "").json;
    let versions = |page: &Value| -> Vec<u64> {
        page["data"].as_array().unwrap().iter().map(|change| change["version"].as_u64().unwrap()).collect()
    };
    assert_eq!([versions(&first), versions(&second)], [[4, 3], [2, 1]]);
    assert_eq!(second["next_cursor"], json!(null));
}

#[tokio::test]
async fn a_customers_changes_tell_its_rules_and_neither_its_name_nor_its_address() {
    let world = World::start().await;
    put_group(&world, json!({})).await;
    let path = "/v1/customers/alice";
    let named = json!({"name": "Alice Archer", "email": "alice@example.com", "language": "en"});
    for more in [
        json!({}),
        json!({"group": "vip", "policy": {"overdraft_limit": {"USD": "5"}}}),
        json!({"group": "vip", "frozen": true}),
        json!({}),
    ] {
        let mut body = named.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.staff("jane").put(path, body).await.expect(200, "");
        world.pass(SignedDuration::from_hours(1));
    }
    world.admin().put("/v1/customers/bob", json!({"frozen": true})).await.expect(200, "");

    let line = |version: u8, hour: u8, changes: Value| {
        let at = format!("2026-11-22T{hour}:00:00Z");
        json!({"version": version, "at": at, "actor": {"role": "admin", "id": "jane"}, "changes": changes})
    };
    let expected = [
        line(4, 13, json!({"group": {"old": "vip"}, "frozen": {"old": true, "new": false}})),
        line(
            3,
            12,
            json!({"overdraft_limit": {"old": {"USD": "5.00"}}, "frozen": {"old": false, "new": true}}),
        ),
        line(2, 11, json!({"group": {"new": "vip"}, "overdraft_limit": {"new": {"USD": "5.00"}}})),
        line(1, 10, json!({})),
    ];
    let changes = format!("{path}/changes");
    for limit in 1..=5 {
        assert_eq!(pages(&world.admin(), &changes, limit).await.concat(), expected, "{limit}");
    }
    let text = world.admin().get(&changes).await.text;
    assert!(!text.contains("Archer") && !text.contains("example.com"), "{text}");
    for who in [world.shop(), world.customer("alice")] {
        who.get(&changes).await.expect(403, "forbidden");
    }
}

#[tokio::test]
async fn an_entry_tells_the_versions_of_the_rules_that_it_was_decided_under() {
    let world = World::start().await;
    let versions = async |world: &World| {
        let entries = world.entries("alice").await;
        check_ledger(&entries);
        let last = entries.last().unwrap();
        (last["policy_version"].clone(), last.get("customer_version").cloned())
    };
    world.granted("alice", "1", json!({})).await;
    assert_eq!(versions(&world).await, (json!(0), None));
    world.settings(json!({})).await;
    world.granted("alice", "1", json!({})).await;
    assert_eq!(versions(&world).await, (json!(1), None));
    put_group(&world, json!({"transaction_limit": {"USD": "1"}})).await;
    put_customer(&world, "alice", json!({"group": "vip"})).await;
    world.granted("alice", "1", json!({})).await;
    assert_eq!(versions(&world).await, (json!(2), Some(json!(1))));
    put_customer(&world, "alice", json!({"frozen": false})).await;
    world.shop().redeem("alice", "r", json!({"order": order("1", "1")})).await.expect(201, "");
    assert_eq!(versions(&world).await, (json!(2), Some(json!(2))));
}

/// Alice has spent 20.00 of 50.00 that are paid and holds 5.00; 10.00 more expire on 1 December. Answers the ids of the
/// redemption and of the hold.
async fn alice_has_some(world: &World) -> [String; 2] {
    world.granted("alice", "50", json!({"category": "paid"})).await;
    world.granted("alice", "10", json!({"expires_on": "2026-11-30"})).await;
    let mut ids = [String::new(), String::new()];
    for (at, more) in [json!({"amount": "20"}), json!({"amount": "5", "hold": true, "ttl_seconds": 604_800})]
        .into_iter()
        .enumerate()
    {
        let mut body = json!({"order": order("1", "100")});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let spent = world.shop().redeem("alice", &fresh_key(), body).await.expect(201, "");
        spent.json["entry"]["id"].as_str().unwrap().clone_into(&mut ids[at]);
    }
    ids
}

#[tokio::test]
async fn whose_credit_is_frozen_or_switched_off_spends_and_withdraws_nothing_but_keeps_all_rights() {
    for (name, document) in [
        ("frozen", json!({"frozen": true})),
        ("frozen and switched on", json!({"frozen": true, "policy": {"enabled": true}})),
        ("switched off", json!({"policy": {"enabled": false}})),
        ("of a group that is switched off", json!({"group": "vip"})),
    ] {
        let world = World::start().await;
        let [spent, held] = alice_has_some(&world).await;
        world.granted("bob", "50", json!({"category": "paid"})).await;
        put_group(&world, json!({"enabled": false})).await;
        put_customer(&world, "alice", document).await;

        let order = json!({"order": order("2", "10")});
        let withdrawal = json!({"amount": "1", "journal": "cash"});
        for (shop, customer, status) in
            [(world.shop(), "alice", 422), (world.admin(), "alice", 422), (world.shop(), "bob", 201)]
        {
            let code = if status == 422 { "credit_disabled" } else { "" };
            let mut hold = order.clone();
            hold["hold"] = json!(true);
            shop.redeem(customer, &fresh_key(), order.clone()).await.expect(status, code);
            shop.redeem(customer, &fresh_key(), hold).await.expect(status, code);
            shop.quote(customer, order.clone()).await.expect(if status == 422 { 422 } else { 200 }, code);
            let path = format!("/v1/customers/{customer}/withdrawals");
            shop.post(&path, &fresh_key(), withdrawal.clone()).await.expect(status, code);
        }
        assert_eq!(world.entries("alice").await.len(), 4, "{name}");

        // What was promised is kept, what was spent comes back, credit comes in and expires, staff debits.
        let path = |id: &str, how: &str| format!("/v1/customers/alice/redemptions/{id}/{how}");
        world.shop().post(&path(&spent, "refund"), "f", json!({"amount": "7"})).await.expect(201, "");
        world.shop().post(&path(&held, "capture"), "c", json!({})).await.expect(201, "");
        world.granted("alice", "1", json!({})).await;
        let debit = json!({"amount": "2", "reason": "counted twice"});
        world.admin().post("/v1/customers/alice/debits", "d", debit).await.expect(201, "");
        world.set_now("2026-12-01T00:00:00Z");
        assert_eq!(world.expire().await.booked, 1, "{name}");
        let entries = world.entries("alice").await;
        check_ledger(&entries);
        let amounts = each(&entries[4..], "amount").join(" ");
        assert_eq!(amounts, "7.00 -5.00 1.00 -2.00 -10.00", "{name}");

        // Let go, it spends again.
        put_customer(&world, "alice", json!({})).await;
        let redeemed = world.shop().redeem("alice", "late", order).await.expect(201, "").json;
        assert_eq!(redeemed["applied"], "10.00", "{name}");
    }
}

#[tokio::test]
async fn an_exempt_groups_credit_does_not_expire_until_the_exemption_ends() {
    let world = World::start().await;
    put_group(&world, json!({"expiry_exempt": true})).await;
    for customer in ["alice", "bob"] {
        world.granted(customer, "10", json!({"expires_on": "2026-11-30"})).await;
    }
    put_customer(&world, "alice", json!({"group": "vip"})).await;
    world.set_now("2026-12-01T00:00:00Z");
    assert_eq!(world.expire().await.booked, 1);
    assert_eq!(world.account("bob").await["balance"], "0.00");
    let spend = json!({"order": order("1", "4")});
    world.shop().redeem("alice", "r", spend.clone()).await.expect(201, "");

    put_customer(&world, "alice", json!({})).await;
    world.shop().redeem("alice", "s", spend).await.expect(422, "insufficient_credit");
    world.pass(SignedDuration::from_hours(24));
    assert_eq!(world.expire().await.booked, 1);
    let entries = world.entries("alice").await;
    check_ledger(&entries);
    assert_eq!(each(&entries, "amount"), ["10.00", "-4.00", "-6.00"]);
}
