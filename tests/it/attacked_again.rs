//! What a second attempt at breaking it found, and what holds since.

use std::time::Duration;

use edge::{Batch, StreamRecord};
use grant_group::grant_group;
use jiff::SignedDuration;
use serde_json::{Value, json};
use store::ChangedItem;

use crate::support::{
    dice::Dice,
    wire::Fault,
    world::{Answer, World, check_ledger, each, fresh_key, order},
};

// A. Expired credit that is not booked pays a debt that was made after it expired.

async fn overdraws_beside_expired_credit(swept: bool) -> (Value, u16) {
    let world = World::start().await;
    world.settings(json!({"overdraft_limit": {"USD": "10.00"}})).await;
    let soon = world.now().checked_add(SignedDuration::from_mins(1)).unwrap();
    world.granted("alice", "10.00", json!({"expires_at": soon.to_string()})).await;
    world.pass(SignedDuration::from_mins(2));
    if swept {
        world.expire().await;
    }
    let body = json!({"order": order("1", "10.00"), "amount": "10.00"});
    world.shop().redeem("alice", &fresh_key(), body.clone()).await.expect(201, "");
    let account = world.account("alice").await;
    let again = world.shop().redeem("alice", &fresh_key(), body).await;
    (account, again.status)
}

#[tokio::test]
async fn expired_credit_pays_no_debt_of_later() {
    let (early, early_again) = overdraws_beside_expired_credit(true).await;
    let (late, late_again) = overdraws_beside_expired_credit(false).await;
    assert_eq!(
        (early["available"].clone(), early_again),
        (late["available"].clone(), late_again),
        "{early} {late}"
    );
}

#[tokio::test]
async fn expired_credit_pays_no_debt_of_a_later_capture() {
    let world = World::start().await;
    world.settings(json!({"overdraft_limit": {"USD": "10.00"}})).await;
    let soon = world.now().checked_add(SignedDuration::from_mins(1)).unwrap();
    let shop = world.shop();
    let hold = json!({"order": order("1", "10"), "amount": "10.00", "hold": true});
    let held = shop.redeem("alice", &fresh_key(), hold).await.expect(201, "");
    world.granted("alice", "10.00", json!({"expires_at": soon.to_string()})).await;
    world.pass(SignedDuration::from_mins(2));
    let path =
        format!("/v1/customers/alice/redemptions/{}/capture", held.json["entry"]["id"].as_str().unwrap());
    shop.post(&path, &fresh_key(), json!({})).await.expect(201, "");
    let account = world.account("alice").await;
    assert_eq!(account["available"], "0.00", "{account}");
}

// B. Whether the schedule has run decides what a refund's lot expires at.

/// The date of what a refund brings back ten days later, whether or not the schedule has run before.
async fn date_of_what_comes_back(world: &World, spent: &Answer, swept: bool) -> Value {
    world.pass(SignedDuration::from_hours(24 * 10));
    if swept {
        assert_eq!(world.expire().await.booked, 1);
    }
    let path =
        format!("/v1/customers/alice/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
    world.shop().post(&path, &fresh_key(), json!({})).await.expect(201, "");
    world.expire().await;
    world.account("alice").await["lots"][0]["expires_at"].clone()
}

async fn refund_after_a_date_was_given(swept: bool) -> Value {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({})).await;
    let spent = json!({"order": order("1", "4")});
    let spent = world.shop().redeem("alice", &fresh_key(), spent).await.expect(201, "");
    world.settings(json!({"expiry_days": 1, "apply_to_existing": true})).await;
    assert_eq!(world.expire().await.dated, 1);
    date_of_what_comes_back(&world, &spent, swept).await
}

#[tokio::test]
async fn a_refund_of_dated_credit_does_not_depend_on_the_schedule() {
    assert_eq!(refund_after_a_date_was_given(true).await, refund_after_a_date_was_given(false).await);
}

async fn refund_after_a_date_was_moved(swept: bool) -> Value {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({"expires_on": "2026-12-31"})).await;
    let spent = json!({"order": order("1", "4")});
    let spent = world.shop().redeem("alice", &fresh_key(), spent).await.expect(201, "");
    let sooner = bytes::Bytes::from(json!({"expires_on": "2026-11-23"}).to_string());
    let key = fresh_key();
    let headers = [("idempotency-key", key.as_str())];
    world.admin().send("PATCH", "/v1/customers/alice/lots/USD-1", &headers, sooner).await.expect(201, "");
    date_of_what_comes_back(&world, &spent, swept).await
}

#[tokio::test]
async fn a_refund_of_moved_credit_does_not_depend_on_the_schedule() {
    assert_eq!(refund_after_a_date_was_moved(true).await, refund_after_a_date_was_moved(false).await);
}

// C. Group grants.

async fn group_of(world: &World, members: usize) -> Vec<String> {
    world.admin().put("/v1/groups/vip", json!({})).await.expect(200, "");
    let ids: Vec<String> = (0..members).map(|at| format!("c{at:03}")).collect();
    for id in &ids {
        join(world, id).await;
    }
    ids
}

async fn join(world: &World, id: &str) {
    world.admin().put(&format!("/v1/customers/{id}"), json!({"group": "vip"})).await.expect(200, "");
}

async fn ask(world: &World, key: &str) -> (String, StreamRecord) {
    let body = json!({"amount": "5.00", "category": "goodwill"});
    let asked = world.admin().post("/v1/groups/vip/grants", key, body).await.expect(202, "");
    let id = asked.json["job"]["id"].as_str().unwrap().to_owned();
    let changed = ChangedItem::GroupGrant(id.parse().unwrap());
    (id, StreamRecord::about(changed, "1"))
}

/// One refused joining grant keeps the stream from what comes later than the next 100 records.
#[tokio::test]
async fn a_refused_joining_grant_stops_no_group_grant() {
    let world = World::start().await;
    let admin = world.admin();
    world.settings(json!({"balance_limit": {"USD": "5.00"}})).await;
    let grant = json!({"joining_grant": {"amount": "10.00", "category": "goodwill"}});
    admin.put("/v1/groups/full", grant).await.expect(200, "");
    admin.put("/v1/customers/refused", json!({"group": "full"})).await.expect(200, "");
    // A hundred documents, and then a grant to another group.
    for at in 0..110 {
        admin.put(&format!("/v1/customers/x{at}"), json!({"name": "x"})).await.expect(200, "");
    }
    group_of(&world, 1).await;
    let (id, _) = ask(&world, "g").await;
    for _ in 0..15 {
        world.catch_up().await;
    }
    let job = admin.get(&format!("/v1/group-grants/{id}")).await.json["job"].clone();
    assert_eq!(job["status"], "done", "{job}");
}

/// The database refuses one request for a passing reason that is not in the short list: the member is given up for good.
#[tokio::test]
async fn what_the_database_refuses_in_passing_is_tried_again() {
    let world = World::start().await;
    group_of(&world, 1).await;
    let (id, record) = ask(&world, "g").await;
    world.wire.fault("TransactWriteItems", Fault::error("AccessDeniedException", 400));
    let batch = Batch { records: vec![record], at: world.now(), time_left: Duration::from_secs(20) };
    for _ in 0..3 {
        grant_group(world.store.clone(), batch.clone()).await;
    }
    let answer = world.admin().get(&format!("/v1/group-grants/{id}")).await;
    assert_eq!(answer.json["job"]["credited"], 1, "{}", answer.text);
}

/// A job whose records were given up (10 retries: some minutes of an outage) is carried on by nothing.
#[tokio::test]
async fn asking_again_carries_a_job_on_that_was_given_up() {
    let world = World::start().await;
    group_of(&world, 1).await;
    ask(&world, "g").await;
    world.wire.trips();
    ask(&world, "g").await;
    let wrote = world.wire.trips().iter().any(|trip| !trip.operation.ends_with("GetItem"));
    assert!(wrote, "nothing wakes it");
}

#[tokio::test]
async fn group_grants_of_every_form_answer_the_same_bytes() {
    let world = World::start().await;
    group_of(&world, 1).await;
    let admin = world.admin();
    let mut bad = Vec::new();
    for (at, body) in [
        json!({"amount": "5", "category": "paid", "expires": "never"}),
        json!({"amount": "0.5", "category": "import", "expires_on": "2030-02-28", "currency": "EUR"}),
        json!({"amount": "5.00", "category": "paid", "expires_at": "2030-01-01T00:00:00.123456789+02:00"}),
        json!({"amount": "5.00", "category": "paid", "expires_at": "2030-01-01T00:00:00Z", "payment": {"mode": "offline", "method": "m", "reference": "r"}, "reference": "x", "note": "n", "internal_note": "i\n\"é"}),
        json!({"amount": "500", "category": "paid", "currency": "JPY", "note": null, "expires": null}),
    ]
    .into_iter()
    .enumerate()
    {
        let key = format!("k{at}");
        let first = admin.post("/v1/groups/vip/grants", &key, body.clone()).await;
        world.catch_up().await;
        let again = admin.post("/v1/groups/vip/grants", &key, body.clone()).await;
        if first.status != 202 || first.text != again.text || !again.is_replayed() {
            bad.push((body.clone(), first.text.clone(), again.text.clone()));
        }
        let put = admin.put("/v1/groups/other", json!({"joining_grant": body})).await.expect(200, "");
        let got = admin.get("/v1/groups/other").await.expect(200, "");
        assert_eq!(put.text, got.text);
        let id = first.json["job"]["id"].as_str().unwrap();
        let job = admin.get(&format!("/v1/group-grants/{id}")).await.expect(200, "").json;
        assert_eq!((&job["job"]["credited"], &job["failures"]), (&json!(1), &json!([])), "{job}");
        admin.put("/v1/customers/c000", json!({"group": "vip"})).await.expect(200, "");
        admin.put(&format!("/v1/customers/j{at}"), json!({"group": "other"})).await.expect(200, "");
        world.catch_up().await;
        assert_eq!(world.entries(&format!("j{at}")).await.len(), 1);
    }
    assert!(bad.is_empty(), "{bad:#?}");
}

#[tokio::test]
async fn members_erased_renamed_and_regrouped_are_credited_once() {
    let world = World::start().await;
    let ids = group_of(&world, 120).await;
    let admin = world.admin();
    admin.put("/v1/groups/b", json!({})).await.expect(200, "");
    let body = json!({"amount": "5.00", "category": "goodwill", "note": "n", "internal_note": "secret"});
    let (one, two, three) = tokio::join!(
        admin.post("/v1/groups/vip/grants", "k", body.clone()),
        admin.post("/v1/groups/vip/grants", "k", body.clone()),
        admin.post("/v1/groups/vip/grants", "k", body.clone()),
    );
    assert_eq!((one.status, &one.text, &one.text), (202, &two.text, &three.text));
    let id = one.json["job"]["id"].as_str().unwrap().to_owned();
    let record = |seq: &str| StreamRecord::about(ChangedItem::GroupGrant(id.parse().unwrap()), seq);
    for round in 0..40_u64 {
        let batch = Batch {
            records: vec![record("1")],
            at: world.now(),
            time_left: Duration::from_millis(round * 2),
        };
        let other = batch.clone();
        let (a, b) =
            (&ids[usize::try_from(round).unwrap() * 2], &ids[usize::try_from(round).unwrap() * 2 + 1]);
        let erase = format!("/v1/customers/{a}/personal-data");
        let path = format!("/v1/customers/{b}");
        let _ = tokio::join!(
            grant_group(world.store.clone(), batch),
            grant_group(world.store.clone(), other),
            admin.delete(&erase),
            admin.put(&path, json!({"name": "New", "group": "vip"})),
        );
    }
    world.catch_up().await;
    let job = admin.get(&format!("/v1/group-grants/{id}")).await.json["job"].clone();
    assert_eq!(
        (&job["status"], &job["credited"], &job["failed"]),
        (&json!("done"), &json!(120), &json!(0)),
        "{job}"
    );
    for id in &ids {
        let entries = world.entries(id).await;
        assert_eq!(each(&entries, "amount"), ["5.00"], "{id}");
        check_ledger(&entries);
    }
}

/// Who was credited is not told as failed, and the other way round, when two workers come to one page.
#[tokio::test]
async fn a_lost_answer_of_noting_credits_nobody_twice() {
    let world = World::start().await;
    let ids = group_of(&world, 2).await;
    let (id, record) = ask(&world, "g").await;
    let batch = Batch { records: vec![record], at: world.now(), time_left: Duration::from_secs(20) };
    // Members first.
    for _ in 0..40 {
        world.wire.fault("TransactWriteItems", Fault::LoseAnswer);
    }
    for _ in 0..15 {
        if grant_group(world.store.clone(), batch.clone()).await.is_empty() {
            break;
        }
    }
    world.catch_up().await;
    let answer = world.admin().get(&format!("/v1/group-grants/{id}")).await;
    assert_eq!(answer.json["job"]["credited"], 2, "{}", answer.text);
    for id in &ids {
        assert_eq!(world.entries(id).await.len(), 1);
    }
}

// D. Refusals, parsing.

#[tokio::test]
async fn a_refusal_books_nothing() {
    let world = World::start().await;
    world.settings(json!({"overdraft_limit": {"USD": "10.00"}})).await;
    let shop = world.shop();
    let hold = json!({"order": order("1", "10"), "amount": "10.00", "hold": true});
    let held = shop.redeem("alice", &fresh_key(), hold).await.expect(201, "");
    world.granted("alice", "15.00", json!({"expires_on": "2026-11-23"})).await;
    let path =
        format!("/v1/customers/alice/redemptions/{}/capture", held.json["entry"]["id"].as_str().unwrap());
    shop.post(&path, &fresh_key(), json!({})).await.expect(201, "");
    world.pass(SignedDuration::from_hours(48));
    let before = world.all_of("alice").await;
    let much = json!({"order": order("1", "1000"), "amount": "1000.00"});
    shop.redeem("alice", &fresh_key(), much).await.expect(422, "insufficient_credit");
    assert_eq!(before, world.all_of("alice").await);
}

#[tokio::test]
async fn own_policy_goes_into_put() {
    let world = World::start().await;
    let admin = world.admin();
    for policy in [
        json!({"expiry_days": null, "usage_limit": null, "balance_limit": {}, "topup_methods": []}),
        json!({"expiry_days": {}, "topup_approval": {"manual_above": {"USD": "1"}}, "withdrawable": [], "remind_days": []}),
        json!({"usage_limit": {"type": "percent", "maximum": "25.50"}, "refund_grace_days": 0, "withdrawable": ["paid", "paid"]}),
        json!({"usage_limit": {"type": "percent", "maximum": "100.0000"}, "expiry_days": {"paid": 1, "import": 36500}}),
    ] {
        let put = admin.put("/v1/customers/alice", json!({"policy": policy})).await.expect(200, "");
        let got = admin.get("/v1/customers/alice").await.expect(200, "");
        let own = got.json["own_policy"].clone();
        let again = admin.put("/v1/customers/alice", json!({"policy": own})).await.expect(200, "");
        assert_eq!(put.json["policy"], again.json["policy"], "{}", got.text);
        admin.put("/v1/groups/g", json!({"policy": again.json["policy"]})).await.expect(200, "");
    }
}

#[tokio::test]
async fn leaving_a_group_leaves_its_list() {
    let world = World::start().await;
    let admin = world.admin();
    for group in ["a", "b"] {
        admin.put(&format!("/v1/groups/{group}"), json!({})).await.expect(200, "");
    }
    let names = ["n", "Zoë", "ǅ", "İstanbul", "ﬀ", "\u{1f600}", "ß", "ΐ", "a\u{10ffff}"];
    for (at, name) in names.iter().enumerate() {
        let put = admin.put(&format!("/v1/customers/c{at}"), json!({"name": name, "group": "a"})).await;
        assert!(put.status == 200 || put.status == 400, "{}", put.text);
    }
    world.catch_up().await;
    for (at, name) in names.iter().enumerate() {
        let mut path = form_urlencoded(name);
        path.insert_str(0, "/v1/customers?group=a&name=");
        let list = admin.get(&path).await.expect(200, "").json["data"].clone();
        assert!(
            list.as_array().unwrap().iter().any(|row| row["customer"] == format!("c{at}")),
            "{name:?} {list}"
        );
        let all = admin.get("/v1/customers?group=a").await.expect(200, "").json["data"].clone();
        assert!(
            all.as_array().unwrap().iter().any(|row| row["customer"] == format!("c{at}")),
            "{name:?} in all"
        );
    }
    admin.put("/v1/customers/c1", json!({"name": "Zoë"})).await.expect(200, "");
    admin.put("/v1/customers/c2", json!({"name": "Zoë", "group": "b"})).await.expect(200, "");
    admin.delete("/v1/customers/c3/personal-data").await.expect(204, "");
    world.catch_up().await;
    let a = admin.get("/v1/customers?group=a").await.expect(200, "").json["data"].clone();
    let a = each(a.as_array().unwrap(), "customer").join(" ");
    assert!(!a.contains("c1") && !a.contains("c2") && a.contains("c3"), "{a}");
    let b = admin.get("/v1/customers?group=b").await.expect(200, "").json["data"].clone();
    assert_eq!(each(b.as_array().unwrap(), "customer"), ["c2"]);
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|b| format!("%{b:02X}")).collect()
}

// ---------------------------------------------------------------------------------------------------------------------
// Random deeds.

/// The same deeds for two customers: for one the schedule has run before each of them, for the other it has not.
async fn twins(seed: u64, deeds: usize, known: bool) -> Result<(), String> {
    let world = World::start().await;
    let admin = world.admin();
    let mut dice = Dice::of_seed(seed);
    let who = ["early", "late"];
    let usd = "USD".parse().unwrap();
    let (mut holds, mut spent, mut lots, mut topups) = (
        Vec::<[String; 2]>::new(),
        Vec::<[String; 2]>::new(),
        Vec::<[String; 2]>::new(),
        Vec::<[String; 2]>::new(),
    );
    let mut log = Vec::new();
    for _ in 0..deeds {
        let later = |dice: &mut Dice, most: u32| {
            json!(
                world
                    .now()
                    .checked_add(SignedDuration::from_secs(i64::from(dice.roll(most)) + 1))
                    .unwrap()
                    .to_string()
            )
        };
        let mut call: Option<(&str, [String; 2], Value)> = None;
        let same = |path: &str| [path.to_owned(), path.to_owned()];
        let about = |ids: &[String; 2], before: &str, after: &str| {
            [format!("{before}{}{after}", ids[0]), format!("{before}{}{after}", ids[1])]
        };
        match dice.roll(15) {
            0..=2 => {
                let mut body =
                    json!({"amount": dice.cents(2000), "category": dice.of(&["paid", "goodwill", "refund"])});
                match dice.roll(5) {
                    0 => body["expires"] = json!("never"),
                    1 => {}
                    _ => body["expires_at"] = later(&mut dice, 3000),
                }
                call = Some(("POST", same("/grants"), body));
            }
            3..=6 => {
                let mut body = json!({"order": order("o", &dice.cents(3000))});
                if dice.roll(3) != 0 {
                    body["amount"] = json!(dice.cents(2500));
                }
                if dice.roll(2) == 0 {
                    body["hold"] = json!(true);
                    body["ttl_seconds"] = json!(dice.roll(1500) + 1);
                }
                call = Some(("POST", same("/redemptions"), body));
            }
            7 => {
                if let Some(hold) = dice.of(&holds).cloned() {
                    let body =
                        if dice.roll(2) == 0 { json!({}) } else { json!({"amount": dice.cents(1000)}) };
                    call = Some(("POST", about(&hold, "/redemptions/", "/capture"), body));
                }
            }
            8 => {
                if let Some(hold) = dice.of(&holds).cloned() {
                    call = Some(("POST", about(&hold, "/redemptions/", "/void"), json!({})));
                }
            }
            9 | 10 => {
                if let Some(of) = dice.of(&spent).cloned() {
                    let body = if dice.roll(3) == 0 { json!({}) } else { json!({"amount": dice.cents(800)}) };
                    call = Some(("POST", about(&of, "/redemptions/", "/refund"), body));
                }
            }
            11 => {
                call = Some((
                    "POST",
                    same("/withdrawals"),
                    json!({"amount": dice.cents(800), "journal": "cash"}),
                ))
            }
            12 => {
                if let Some(lot) = dice.of(&lots).cloned() {
                    call = Some(("POST", about(&lot, "/lots/", "/void"), json!({"reason": "r"})));
                }
            }
            13 => {
                if let Some(lot) = dice.of(&lots).cloned().filter(|_| known) {
                    let body = json!({"expires_at": later(&mut dice, 3000)});
                    call = Some(("PATCH", about(&lot, "/lots/", ""), body));
                } else if dice.roll(2) == 0 {
                    let body =
                        json!({"amount": dice.cents(900), "payment": {"mode": "online", "method": "x"}});
                    call = Some(("POST", same("/topups"), body));
                } else if let Some(topup) = dice.of(&topups).cloned() {
                    call = Some(("POST", about(&topup, "/topups/", "/approve"), json!({})));
                }
            }
            _ => {
                let settings = json!({
                    "overdraft_limit": if dice.roll(3) != 0 { json!({"USD": "10.00"}) } else { Value::Null },
                    "balance_limit": if dice.roll(3) == 0 { json!({"USD": "40.00"}) } else { Value::Null },
                    "refund_grace_days": dice.roll(2), "consumption_order": dice.of(&["fifo", "expiring_first"]),
                    "topup_approval": dice.of(&["manual", "automatic"]),
                });
                log.push(settings.to_string());
                world.settings(settings).await;
            }
        }
        if let Some((method, paths, body)) = call {
            let early = who[0].parse().unwrap();
            world.store.expire(&early, usd, world.now()).await.unwrap();
            let overdraws = paths[0].ends_with("/redemptions") || paths[0].ends_with("/capture");
            if !known && overdraws {
                world.store.expire(&who[1].parse().unwrap(), usd, world.now()).await.unwrap();
            }
            let mut ids: Vec<String> = Vec::new();
            let mut told = Vec::new();
            let mut kind = String::new();
            let mut asked = Vec::new();
            for (at, id) in who.iter().enumerate() {
                let key = fresh_key();
                let sent = bytes::Bytes::from(body.to_string());
                let path = format!("/v1/customers/{id}{}", paths[at]);
                let shop = world.shop();
                let client = if path.ends_with("topups") { &shop } else { &admin };
                let answer = client.send(method, &path, &[("idempotency-key", &key)], sent).await;
                told.push(
                    json!([
                        answer.status,
                        answer.json["code"],
                        answer.json["applied"],
                        answer.json["account"]["available"],
                        answer.json["available"]
                    ])
                    .to_string(),
                );
                ids.push(answer.json["entry"]["id"].as_str().unwrap_or_default().to_owned());
                kind = answer.json["entry"]["type"].as_str().unwrap_or_default().to_owned();
                asked.push(answer.json["topup"]["id"].as_str().unwrap_or_default().to_owned());
            }
            log.push(format!("{} {method} {} {body} -> {told:?}", world.now(), paths[1]));
            if told[0] != told[1] {
                return Err(format!("{log:#?}"));
            }
            if !ids[0].is_empty() {
                let pair = [ids[0].clone(), ids[1].clone()];
                match kind.as_str() {
                    "hold" => holds.push(pair),
                    "redeem" | "capture" => spent.push(pair),
                    "grant" | "topup" => lots.push(pair),
                    _ => {}
                }
            }
            if !asked[0].is_empty() {
                topups.push([asked[0].clone(), asked[1].clone()]);
            }
        }
        let most = if dice.roll(12) == 0 { 90_000 } else { 400 };
        world.pass(SignedDuration::from_secs(dice.roll(most).into()));
        let mut seen = Vec::new();
        for id in who {
            let answer = admin.get(&format!("/v1/customers/{id}")).await;
            let mut account = answer.json["accounts"][0].clone();
            account = json!([account["available"], account["held"], account["expiring"]]);
            seen.push(account.to_string());
        }
        if seen[0] != seen[1] {
            return Err(format!("{log:#?} {} {seen:?}", world.now()));
        }
    }
    for id in who {
        check_ledger(&world.entries(id).await);
    }
    Ok(())
}

fn seeds(default: u64) -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(default)
}

#[tokio::test]
async fn two_alike_of_whom_one_is_swept_all_the_time_stay_alike() {
    for seed in 1..=seeds(3) {
        if let Err(log) = twins(seed, 100, true).await {
            panic!("seed {seed}: {log}");
        }
    }
}

// F. Reaching back.

/// Partial refunds into an open lot that the job has not come to yet each make a lot of their own.
#[tokio::test]
async fn refunds_before_the_job_has_come_go_back_to_their_lot() {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({})).await;
    let spent =
        world.shop().redeem("alice", &fresh_key(), json!({"order": order("1", "9")})).await.expect(201, "");
    world.settings(json!({"expiry_days": 10, "apply_to_existing": true})).await;
    let path =
        format!("/v1/customers/alice/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
    for _ in 0..3 {
        world.shop().post(&path, &fresh_key(), json!({"amount": "1.00"})).await.expect(201, "");
    }
    world.expire().await;
    let account = world.account("alice").await;
    assert_eq!(account["lots"].as_array().unwrap().len(), 1, "{account}");
}

/// Random deeds of everything that is new, and what was is what `as_of` says.
async fn histories(seed: u64, deeds: usize) -> Result<(), String> {
    let world = World::start().await;
    let (admin, shop) = (world.admin(), world.shop());
    let mut dice = Dice::of_seed(seed);
    admin.put("/v1/groups/vip", json!({})).await.expect(200, "");
    admin
        .put(
            "/v1/groups/new",
            json!({"joining_grant": {"amount": "3.00", "category": "goodwill", "note": "hello"}}),
        )
        .await
        .expect(200, "");
    admin.put("/v1/customers/alice", json!({"name": "Alice", "group": "vip"})).await.expect(200, "");
    let (mut holds, mut spent, mut lots, mut topups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut done: Vec<(String, String, String, Value, Value)> = Vec::new();
    let mut log = Vec::new();
    let base = "/v1/customers/alice".to_owned();
    let mut name = 0;
    for _ in 0..deeds {
        let key = fresh_key();
        let later = |dice: &mut Dice, most: u32| {
            json!(
                world
                    .now()
                    .checked_add(SignedDuration::from_secs(i64::from(dice.roll(most)) + 1))
                    .unwrap()
                    .to_string()
            )
        };
        let mut call: Option<(&str, String, Value)> = None;
        match dice.roll(23) {
            0..=2 => {
                let mut body = json!({"amount": dice.cents(1500), "category": dice.of(&["paid", "goodwill", "refund"]), "note": "secret"});
                match dice.roll(4) {
                    0 => {}
                    1 => body["expires"] = json!("never"),
                    _ => body["expires_at"] = later(&mut dice, 3000),
                }
                call = Some(("POST", format!("{base}/grants"), body));
            }
            3..=6 => {
                let mut body = json!({"order": order("o", &dice.cents(3000))});
                if dice.roll(3) != 0 {
                    body["amount"] = json!(dice.cents(2500));
                }
                if dice.roll(2) == 0 {
                    body["hold"] = json!(true);
                    body["ttl_seconds"] = json!(dice.roll(1500) + 1);
                }
                call = Some(("POST", format!("{base}/redemptions"), body));
            }
            7 | 8 => {
                if let Some(hold) = dice.of(&holds).cloned() {
                    let body =
                        if dice.roll(2) == 0 { json!({}) } else { json!({"amount": dice.cents(1000)}) };
                    let what = if dice.roll(3) == 0 { "void" } else { "capture" };
                    let body = if what == "void" { json!({}) } else { body };
                    call = Some(("POST", format!("{base}/redemptions/{hold}/{what}"), body));
                }
            }
            9 | 10 => {
                if let Some(of) = dice.of(&spent).cloned() {
                    let body = if dice.roll(3) == 0 { json!({}) } else { json!({"amount": dice.cents(800)}) };
                    call = Some(("POST", format!("{base}/redemptions/{of}/refund"), body));
                }
            }
            11 => {
                call = Some((
                    "POST",
                    format!("{base}/withdrawals"),
                    json!({"amount": dice.cents(800), "journal": "cash", "note": "secret"}),
                ))
            }
            12 => {
                if let Some(lot) = dice.of(&lots).cloned() {
                    call = Some(("POST", format!("{base}/lots/{lot}/void"), json!({"reason": "secret"})));
                }
            }
            13 => {
                if let Some(lot) = dice.of(&lots).cloned() {
                    let body = if dice.roll(4) == 0 {
                        json!({"expires": "never"})
                    } else {
                        json!({"expires_at": later(&mut dice, 3000)})
                    };
                    call = Some(("PATCH", format!("{base}/lots/{lot}"), body));
                }
            }
            14 => {
                call = Some((
                    "POST",
                    format!("{base}/topups"),
                    json!({"amount": dice.cents(900), "payment": {"mode": "online", "method": "x"}}),
                ))
            }
            15 => {
                if let Some(topup) = dice.of(&topups).cloned() {
                    call = Some(("POST", format!("{base}/topups/{topup}/approve"), json!({})));
                }
            }
            16 => {
                call = Some((
                    "POST",
                    format!("{base}/debits"),
                    json!({"amount": dice.cents(300), "reason": "secret"}),
                ))
            }
            17 => {
                let settings = json!({
                    "overdraft_limit": if dice.roll(4) != 0 { json!({"USD": "10.00"}) } else { Value::Null },
                    "expiry_exempt": dice.roll(3) == 0, "refund_grace_days": dice.roll(2),
                    "expiry_days": if dice.roll(2) == 0 { json!(1) } else { Value::Null }, "apply_to_existing": dice.roll(2) == 0,
                    "consumption_order": dice.of(&["fifo", "expiring_first"]),
                    "topup_approval": dice.of(&["manual", "automatic"]),
                });
                log.push(settings.to_string());
                world.settings(settings).await;
            }
            18 => {
                let amount = dice.cents(500);
                let mut body = json!({"amount": amount, "category": "promotional", "note": "spring"});
                if dice.roll(2) == 0 {
                    body["expires_at"] = later(&mut dice, 3000);
                }
                let group = dice.of(&["vip", "new"]).unwrap();
                let asked = admin.post(&format!("/v1/groups/{group}/grants"), &key, body).await;
                log.push(format!("{} group grant {group} {amount} {}", world.now(), asked.status));
                if dice.roll(2) == 0 {
                    world.catch_up().await;
                }
            }
            19 => {
                name += 1;
                let group = dice.of(&["vip", "new"]).unwrap();
                let policy =
                    if dice.roll(2) == 0 { json!({}) } else { json!({"expiry_exempt": dice.roll(2) == 0}) };
                let body = json!({"name": format!("Alice {name}"), "group": group, "policy": policy});
                log.push(format!("{} document {body}", world.now()));
                admin.put("/v1/customers/alice", body).await.expect(200, "");
            }
            20 => {
                log.push(format!("{} erase", world.now()));
                admin.delete("/v1/customers/alice/personal-data").await.expect(204, "");
                for (_, _, _, _, answer) in &mut done {
                    if let Some(entry) = answer.get_mut("entry").and_then(Value::as_object_mut) {
                        for text in ["note", "internal_note", "reason"] {
                            entry.remove(text);
                        }
                    }
                }
            }
            21 => {
                let back = SignedDuration::from_secs(dice.roll(20_000).into());
                let at = world.now().checked_sub(back).unwrap();
                log.push(format!("{} late run of {at}", world.now()));
                world.expire_at(at).await;
            }
            _ => {
                world.expire().await;
                log.push(format!("{} expire", world.now()));
            }
        }
        if let Some((method, path, body)) = call {
            for _ in 0..(if dice.roll(6) == 0 { dice.roll(9) } else { 0 }) {
                let fault = if dice.roll(2) == 0 { Fault::LoseAnswer } else { Fault::LoseRequest };
                world.wire.fault("TransactWriteItems", fault);
            }
            let sent = bytes::Bytes::from(body.to_string());
            let client = if path.ends_with("topups") { &shop } else { &admin };
            let mut answer = client.send(method, &path, &[("idempotency-key", &key)], sent.clone()).await;
            while !world.wire.is_spent() || answer.status == 503 {
                answer = client.send(method, &path, &[("idempotency-key", &key)], sent.clone()).await;
                if world.wire.is_spent() || answer.status < 500 {
                    break;
                }
            }
            log.push(format!(
                "{} {method} {path} {body} -> {} {}",
                world.now(),
                answer.status,
                answer.json["code"]
            ));
            if answer.status >= 500 && world.wire.is_spent() {
                return Err(format!("{log:#?}"));
            }
            if answer.status < 300 {
                let id = answer.json["entry"]["id"].as_str().unwrap_or_default().to_owned();
                match answer.json["entry"]["type"].as_str() {
                    Some("hold") => holds.push(id),
                    Some("redeem" | "capture") => spent.push(id),
                    Some("grant" | "topup" | "refund") => lots.push(id),
                    _ => {}
                }
                if let Some(topup) = answer.json["topup"]["id"].as_str() {
                    topups.push(topup.to_owned());
                }
                done.push((method.to_owned(), path, key, body, answer.json));
            }
        }
        // Whatever faults are left befall what matters to nobody.
        while !world.wire.is_spent() {
            admin.put("/v1/groups/waste", json!({})).await;
        }
        let most = if dice.roll(8) == 0 { 90_000 } else { 400 };
        world.pass(SignedDuration::from_secs(dice.roll(most).into()));
        let live = admin.get("/v1/customers/alice").await;
        world.agrees("alice", &live).await.map_err(|cause| format!("{log:#?} {cause}"))?;
    }
    world.catch_up().await;
    check_ledger(&world.entries("alice").await);
    for (method, path, key, body, expected) in done {
        let sent = bytes::Bytes::from(body.to_string());
        let client = if path.ends_with("topups") { &shop } else { &admin };
        let again = client.send(&method, &path, &[("idempotency-key", &key)], sent).await;
        if again.json != expected || !again.is_replayed() {
            return Err(format!("{path} {key} {expected} {}", again.text));
        }
    }
    // One welcome at most.
    let entries = world.entries("alice").await;
    let welcomes = entries.iter().filter(|entry| entry["actor"]["id"] == "joining_grant").count();
    if welcomes > 1 { Err(format!("{welcomes} welcomes")) } else { Ok(()) }
}

#[tokio::test]
async fn histories_are_what_as_of_says() {
    for seed in 1..=seeds(3) {
        if let Err(log) = histories(seed, 120).await {
            panic!("seed {seed}: {log}");
        }
    }
}

// G. What had expired before an exemption comes back by it, unless the schedule has run.
