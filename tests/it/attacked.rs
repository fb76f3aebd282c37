//! What somebody tried who was asked to break it, and what holds since.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::ChangedItem;

use crate::support::{
    dice::Dice,
    world::{START, World, check_ledger, fresh_key, order},
};

// ---------------------------------------------------------------------------------------------------------------------
// 1. A limit by currency that names no currency is stored as null, which no later read takes.

#[tokio::test]
async fn a_usage_limit_of_no_currency_is_refused_and_the_store_goes_on() {
    let world = World::start().await;
    let admin = world.admin();
    let put = admin.put("/v1/settings", json!({"usage_limit": {"type": "fixed", "maximum": {}}})).await;
    assert!(put.status == 200 || put.status == 400, "{}", put.text);
    // Nothing may be broken by a document that was taken.
    admin.get("/v1/settings").await.expect(200, "");
}

#[tokio::test]
async fn a_manual_above_of_no_currency_is_refused_and_the_store_goes_on() {
    let world = World::start().await;
    let admin = world.admin();
    let put = admin.put("/v1/settings", json!({"topup_approval": {"manual_above": {}}})).await;
    assert!(put.status == 200 || put.status == 400, "{}", put.text);
    // Not even a repaired document is taken any more.
    let repaired = admin.put("/v1/settings", json!({})).await;
    let granted = admin.grant("alice", "g", json!({"amount": "1", "category": "paid"})).await;
    assert_eq!((repaired.status, granted.status), (200, 201), "{} {}", repaired.text, granted.text);
}

#[tokio::test]
async fn no_document_of_one_customer_stops_lists_or_the_job_over_all_accounts() {
    let world = World::start().await;
    let admin = world.admin();
    for id in ["alice", "bob", "carol"] {
        world.granted(id, "10.00", json!({})).await;
    }
    let policy = json!({"policy": {"topup_approval": {"manual_above": {}}}});
    admin.put("/v1/customers/bob", policy).await;
    let list = admin.get("/v1/customers?sort=balance").await.status;
    let bob = admin.get("/v1/customers/bob").await.status;
    world.settings(json!({"expiry_days": 30, "apply_to_existing": true})).await;
    let event = edge::Event { at: world.now(), time_left: std::time::Duration::from_secs(60) };
    let swept = expire_on_schedule::expire_on_schedule(world.store.clone(), event).await;
    let job = admin.get("/v1/settings").await.json["reach_back"]["status"].clone();
    assert_eq!((list, bob, swept.is_ok(), job), (200, 200, true, json!("done")));
}

// ---------------------------------------------------------------------------------------------------------------------
// 2. A run of the schedule whose time is before the account's last entry.

#[tokio::test]
async fn a_late_run_books_as_of_the_accounts_last_entry() {
    let world = World::start().await;
    let due = world.now().checked_add(SignedDuration::from_mins(1)).unwrap();
    let run = world.now().checked_add(SignedDuration::from_mins(2)).unwrap();
    let later = world.now().checked_add(SignedDuration::from_mins(3)).unwrap();
    world.granted("alice", "10.00", json!({"expires_at": due.to_string()})).await;
    world.granted("alice", "10.00", json!({"expires_at": later.to_string()})).await;
    world.granted("alice", "10.00", json!({})).await;
    // The run's event is of 10:02, and reaches the account after a redemption of 10:04: a retry, or the queue's redrive.
    world.pass(SignedDuration::from_mins(4));
    world.granted("alice", "1.00", json!({})).await;
    assert_eq!(world.expire_at(run).await.booked, 1);
    check_ledger(&world.entries("alice").await);
    let path = format!("/v1/customers/alice?as_of={}", world.now());
    world.admin().get(&path).await.expect(200, "");
}

#[tokio::test]
async fn a_late_run_sees_a_hold_that_lapsed_meanwhile() {
    let world = World::start().await;
    let minute = |n| Timestamp::checked_add(START.parse().unwrap(), SignedDuration::from_mins(n)).unwrap();
    world.granted("alice", "10.00", json!({"expires_at": minute(5).to_string()})).await;
    let hold = json!({"order": order("1", "4"), "hold": true, "ttl_seconds": 660});
    world.shop().redeem("alice", &fresh_key(), hold).await.expect(201, "");
    world.pass(SignedDuration::from_mins(12));
    world.granted("alice", "1.00", json!({})).await;
    // 10:10, reached at 10:12.
    assert_eq!(world.expire_at(minute(10)).await.booked, 1);
    let path = format!("/v1/customers/alice?as_of={}", world.now());
    world.admin().get(&path).await.expect(200, "");
}

// ---------------------------------------------------------------------------------------------------------------------
// 3. A key whose entry was erased answers for every call, not only for every body.

async fn erased_grant(world: &World) {
    let body = json!({"amount": "25.00", "category": "goodwill", "note": "secret"});
    world.admin().grant("alice", "k", body).await.expect(201, "");
    world.admin().delete("/v1/customers/alice/personal-data").await.expect(204, "");
}

#[tokio::test]
async fn an_erased_grants_key_is_no_redemptions() {
    let world = World::start().await;
    erased_grant(&world).await;
    let spent = world.shop().redeem("alice", "k", json!({"order": order("1", "5")})).await;
    spent.expect(422, "idempotency_mismatch");
}

#[tokio::test]
async fn an_erased_grants_key_approves_withdraws_and_debits_nothing() {
    let world = World::start().await;
    erased_grant(&world).await;
    let topup = json!({"amount": "50", "payment": {"mode": "online", "method": "stripe"}});
    let asked = world.customer("alice").request_topup("alice", "t", topup).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    let approved = world.admin().approve("alice", id, "k", json!({})).await;
    let paid = json!({"amount": "5.00", "journal": "cash"});
    let paid = world.shop().post("/v1/customers/alice/withdrawals", "k", paid).await;
    let debited = json!({"amount": "5.00", "reason": "r"});
    let debited = world.admin().post("/v1/customers/alice/debits", "k", debited).await;
    assert_eq!((approved.status, paid.status, debited.status), (422, 422, 422));
}

// ---------------------------------------------------------------------------------------------------------------------
// 4. What is owed is settled out of expired credit only once the schedule has run.

async fn owing_beside_a_lot_that_expires(world: &World, customer: &str) {
    let shop = world.shop();
    let hold = json!({"order": order("1", "10"), "amount": "10.00", "hold": true});
    let held = shop.redeem(customer, &fresh_key(), hold).await.expect(201, "");
    world.granted(customer, "10.00", json!({"expires_on": "2026-11-23"})).await;
    let path = format!(
        "/v1/customers/{customer}/redemptions/{}/capture",
        held.json["entry"]["id"].as_str().unwrap()
    );
    shop.post(&path, &fresh_key(), json!({})).await.expect(201, "");
}

#[tokio::test]
async fn whether_the_schedule_has_run_decides_nothing() {
    let world = World::start().await;
    world.settings(json!({"overdraft_limit": {"USD": "10.00"}})).await;
    for id in ["early", "late"] {
        owing_beside_a_lot_that_expires(&world, id).await;
    }
    world.pass(SignedDuration::from_hours(48));
    let unbooked = world.account("late").await["available"].clone();
    // The same deeds at the same moments; for one the schedule runs before, for the other after.
    world.store.expire(&"early".parse().unwrap(), "USD".parse().unwrap(), world.now()).await.unwrap();
    let booked = world.account("early").await["available"].clone();
    for id in ["early", "late"] {
        world.granted(id, "10.00", json!({"expires": "never"})).await;
    }
    world.expire().await;
    let (early, late) = (world.account("early").await, world.account("late").await);
    assert_eq!((&early["balance"], &booked), (&late["balance"], &unbooked));
}

// ---------------------------------------------------------------------------------------------------------------------
// 5. A refund brings a lot back with the date that it had when it was spent.

#[tokio::test]
async fn a_refund_keeps_the_date_that_reaching_back_gave() {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({})).await;
    let spent = json!({"order": order("1", "4")});
    let spent = world.shop().redeem("alice", &fresh_key(), spent).await.expect(201, "");
    world.settings(json!({"expiry_days": 1, "apply_to_existing": true})).await;
    assert_eq!(world.expire().await.dated, 1);
    world.pass(SignedDuration::from_hours(24 * 10));
    // The lot's date is over, and the rest of it is booked.
    assert_eq!(world.expire().await.booked, 1);
    let path =
        format!("/v1/customers/alice/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
    world.shop().post(&path, &fresh_key(), json!({})).await.expect(201, "");
    let account = world.account("alice").await;
    // 30 days of grace, as for any lot that has expired meanwhile.
    assert_eq!(account["lots"][0]["expires_at"], "2027-01-01T10:00:00Z", "{account}");
}

#[tokio::test]
async fn what_was_wholly_spent_before_the_job_comes_back_with_a_date() {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({})).await;
    let spent =
        world.shop().redeem("alice", &fresh_key(), json!({"order": order("1", "10")})).await.expect(201, "");
    world.settings(json!({"expiry_days": 1, "apply_to_existing": true})).await;
    world.expire().await;
    let path =
        format!("/v1/customers/alice/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
    world.shop().post(&path, &fresh_key(), json!({})).await.expect(201, "");
    for _ in 0..3 {
        world.pass(SignedDuration::from_hours(24));
        world.expire().await;
    }
    let account = world.account("alice").await;
    assert_eq!(account["available"], "0.00", "{account}");
}

// ---------------------------------------------------------------------------------------------------------------------
// 6. apply_to_existing at one level and the expiry at another; or whoever comes under it by a group.

#[tokio::test]
async fn an_expiry_set_below_where_it_reaches_back_reaches_back() {
    let world = World::start().await;
    world.settings(json!({"apply_to_existing": true})).await;
    world.expire().await;
    world.granted("alice", "10.00", json!({})).await;
    let policy = json!({"policy": {"expiry_days": 1}});
    let put = world.admin().put("/v1/customers/alice", policy).await.expect(200, "");
    drop(put);
    world.expire().await;
    let effective = world.admin().get("/v1/customers/alice").await.json["policy"].clone();
    assert_eq!(effective["apply_to_existing"]["value"], true);
    assert_eq!(effective["expiry_days"]["value"], 1);
    let account = world.account("alice").await;
    assert_eq!(account["lots"][0]["expires_at"], "2026-11-24T00:00:00Z", "{account}");
}

#[tokio::test]
async fn who_joins_a_group_that_reaches_back_is_reached() {
    let world = World::start().await;
    let group = json!({"policy": {"expiry_days": 1, "apply_to_existing": true}});
    world.admin().put("/v1/groups/short", group).await.expect(200, "");
    world.expire().await;
    world.granted("alice", "10.00", json!({})).await;
    world.admin().put("/v1/customers/alice", json!({"group": "short"})).await.expect(200, "");
    world.expire().await;
    let account = world.account("alice").await;
    assert_eq!(account["lots"][0]["expires_at"], "2026-11-24T00:00:00Z", "{account}");
}

// ---------------------------------------------------------------------------------------------------------------------
// 7. One customer's document sets the whole store's job back to its beginning.

#[tokio::test]
async fn documents_of_customers_do_not_keep_the_job_from_its_end() {
    let world = World::start().await;
    for at in 0..40 {
        world.granted(&format!("c{at}"), "10.00", json!({})).await;
    }
    world.settings(json!({"expiry_days": 30, "apply_to_existing": true})).await;
    let store = &world.store;
    // Each run gets through 10 pages of what has more; between two runs the shop writes one customer's document.
    for _ in 0..20 {
        for _ in 0..10 {
            let Some(job) = store.reach_back_job().await.unwrap().filter(|job| job.finished_at.is_none())
            else {
                break;
            };
            let page = store.reach_back_next(&job, 3).await.unwrap();
            for due in &page {
                store.reach_back(&due.customer, due.currency, world.now()).await.unwrap();
            }
            store.reach_back_done(&job, &page, 0, world.now()).await.unwrap();
        }
        let policy = json!({"policy": {"expiry_days": 10, "apply_to_existing": true}});
        world.admin().put("/v1/customers/vip", policy).await.expect(200, "");
    }
    let mut undated = Vec::new();
    for at in 0..40 {
        let account = world.account(&format!("c{at}")).await;
        if account["lots"][0]["expires_at"].is_null() {
            undated.push(at);
        }
    }
    assert!(undated.is_empty(), "after 200 pages of some 30: {undated:?}");
}

// ---------------------------------------------------------------------------------------------------------------------
// 8. and 9. Lists.

#[tokio::test]
async fn a_name_is_found_by_how_it_begins_in_greek_capitals() {
    let world = World::start().await;
    world.admin().put("/v1/customers/o", json!({"name": "ΟΔΥΣΣΕΥΣ"})).await.expect(200, "");
    world.catch_up().await;
    for (begins, percent) in [("ΟΔΥ", "%CE%9F%CE%94%CE%A5"), ("ΟΔΥΣ", "%CE%9F%CE%94%CE%A5%CE%A3")] {
        let list = world.admin().get(&format!("/v1/customers?name={percent}")).await.expect(200, "");
        assert_eq!(list.json["data"].as_array().unwrap().len(), 1, "{begins}");
    }
}

#[tokio::test]
async fn an_account_whose_first_record_was_given_up_is_listed_by_the_next() {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({})).await;
    // Its INSERT went to the queue of failures. "Any later change of the same account lists it again."
    let usd = "USD".parse().unwrap();
    world.granted("alice", "10.00", json!({})).await;
    world.store.relist(&ChangedItem::Account("alice".parse().unwrap(), usd, false)).await.unwrap();
    let by_balance = world.admin().get("/v1/customers?sort=balance").await.expect(200, "");
    assert_eq!(by_balance.json["data"].as_array().unwrap().len(), 1);
    let by_name = world.admin().get("/v1/customers").await.expect(200, "");
    assert_eq!(by_name.json["data"].as_array().unwrap().len(), 1, "{}", by_name.text);
}

// ---------------------------------------------------------------------------------------------------------------------
// Random deeds: as_of says what is, keys answer the same bytes, nothing answers 5xx.

async fn random_deeds(seed: u64, deeds: usize) -> Result<(), String> {
    let world = World::start().await;
    let (admin, shop) = (world.admin(), world.shop());
    let mut dice = Dice::of_seed(seed);
    let (mut holds, mut spent, mut lots, mut topups) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut done: Vec<(String, String, String, Value, String)> = Vec::new();
    let mut log = Vec::new();
    for _ in 0..deeds {
        let key = fresh_key();
        let base = "/v1/customers/alice".to_owned();
        let mut call: Option<(&str, String, Value)> = None;
        match dice.roll(17) {
            0..=2 => {
                let mut body =
                    json!({"amount": dice.cents(2000), "category": dice.of(&["paid", "goodwill", "refund"])});
                match dice.roll(4) {
                    0 => {}
                    1 => {
                        body["expires"] = json!("never");
                    }
                    _ => {
                        let at = world
                            .now()
                            .checked_add(SignedDuration::from_secs(i64::from(dice.roll(3000)) + 1))
                            .unwrap();
                        body["expires_at"] = json!(at.to_string());
                    }
                }
                call = Some(("POST", format!("{base}/grants"), body));
            }
            3..=5 => {
                let mut body = json!({"order": order("o", &dice.cents(3000))});
                if dice.roll(2) == 0 {
                    body["amount"] = json!(dice.cents(2500));
                }
                if dice.roll(2) == 0 {
                    body["hold"] = json!(true);
                    body["ttl_seconds"] = json!(dice.roll(1500) + 1);
                }
                call = Some(("POST", format!("{base}/redemptions"), body));
            }
            6 => {
                if let Some(hold) = dice.of(&holds).cloned() {
                    let body =
                        if dice.roll(2) == 0 { json!({}) } else { json!({"amount": dice.cents(1000)}) };
                    call = Some(("POST", format!("{base}/redemptions/{hold}/capture"), body));
                }
            }
            7 => {
                if let Some(hold) = dice.of(&holds).cloned() {
                    call = Some(("POST", format!("{base}/redemptions/{hold}/void"), json!({})));
                }
            }
            8 | 9 => {
                if let Some(of) = dice.of(&spent).cloned() {
                    let body = if dice.roll(3) == 0 { json!({}) } else { json!({"amount": dice.cents(800)}) };
                    call = Some(("POST", format!("{base}/redemptions/{of}/refund"), body));
                }
            }
            10 => {
                call = Some((
                    "POST",
                    format!("{base}/withdrawals"),
                    json!({"amount": dice.cents(800), "journal": "cash"}),
                ))
            }
            11 => {
                if let Some(lot) = dice.of(&lots).cloned() {
                    call = Some(("POST", format!("{base}/lots/{lot}/void"), json!({"reason": "r"})));
                }
            }
            12 => {
                if let Some(lot) = dice.of(&lots).cloned() {
                    let at = world
                        .now()
                        .checked_add(SignedDuration::from_secs(i64::from(dice.roll(3000)) + 1))
                        .unwrap();
                    call =
                        Some(("PATCH", format!("{base}/lots/{lot}"), json!({"expires_at": at.to_string()})));
                }
            }
            13 => {
                call = Some((
                    "POST",
                    format!("{base}/topups"),
                    json!({"amount": dice.cents(900), "payment": {"mode": "online", "method": "x"}}),
                ))
            }
            14 => {
                if let Some(topup) = dice.of(&topups).cloned() {
                    call = Some(("POST", format!("{base}/topups/{topup}/approve"), json!({})));
                }
            }
            15 => {
                let settings = json!({
                    "overdraft_limit": if dice.roll(2) == 0 { json!({"USD": "10.00"}) } else { Value::Null },
                    "expiry_exempt": dice.roll(3) == 0, "refund_grace_days": dice.roll(2),
                    "expiry_days": if dice.roll(2) == 0 { json!(1) } else { Value::Null }, "apply_to_existing": dice.roll(2) == 0,
                    "consumption_order": dice.of(&["fifo", "expiring_first"]),
                    "topup_approval": dice.of(&["manual", "automatic"]),
                });
                log.push(settings.to_string());
                world.settings(settings).await;
            }
            _ => {
                world.expire().await;
                log.push("expire".to_owned());
            }
        }
        if let Some((method, path, body)) = call {
            let sent = bytes::Bytes::from(body.to_string());
            let client = if path.ends_with("topups") { &shop } else { &admin };
            let answer = client.send(method, &path, &[("idempotency-key", &key)], sent).await;
            log.push(format!(
                "{} {method} {path} {body} -> {} {}",
                world.now(),
                answer.status,
                answer.json["code"]
            ));
            if answer.status >= 500 {
                return Err(format!("{log:#?}"));
            }
            if answer.status < 300 {
                let id = answer.json["entry"]["id"].as_str().unwrap_or_default().to_owned();
                match answer.json["entry"]["type"].as_str() {
                    Some("hold") => holds.push(id),
                    Some("redeem" | "capture") => spent.push(id),
                    Some("grant" | "topup") => lots.push(id),
                    _ => {}
                }
                if let Some(topup) = answer.json["topup"]["id"].as_str() {
                    topups.push(topup.to_owned());
                }
                done.push((method.to_owned(), path, key, body, answer.text));
            }
        }
        let most = if dice.roll(8) == 0 { 90_000 } else { 400 };
        world.pass(SignedDuration::from_secs(dice.roll(most).into()));
        let live = admin.get("/v1/customers/alice").await;
        if live.status == 404 {
            continue;
        }
        world.agrees("alice", &live).await.map_err(|cause| format!("{log:#?} {cause}"))?;
    }
    let entries = world.entries("alice").await;
    check_ledger(&entries);
    for (method, path, key, body, text) in done {
        let sent = bytes::Bytes::from(body.to_string());
        let client = if path.ends_with("topups") { &shop } else { &admin };
        let again = client.send(&method, &path, &[("idempotency-key", &key)], sent).await;
        if again.text != text || !again.is_replayed() {
            return Err(format!("{path} {key} {text} {}", again.text));
        }
    }
    Ok(())
}

#[tokio::test]
async fn random_deeds_are_what_as_of_says() {
    let seeds = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3_u64);
    for seed in 1..=seeds {
        if let Err(log) = random_deeds(seed, 120).await {
            panic!("seed {seed}: {log}");
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// 10. An erased text can still be guessed from what the API tells, by whoever knows the key.

#[tokio::test]
async fn an_erased_note_cannot_be_guessed_from_entry_and_key() {
    use ledger::Hash;
    let world = World::start().await;
    let body = json!({"amount": "25.00", "category": "goodwill", "note": "late parcel"});
    world.admin().grant("alice", "refund-1001", body).await.expect(201, "");
    world.admin().delete("/v1/customers/alice/personal-data").await.expect(204, "");
    // All that is left: the answer under the key.
    let left = world
        .admin()
        .grant("alice", "refund-1001", json!({"amount": "1", "category": "paid"}))
        .await
        .expect(201, "");
    let (entry, account) = (&left.json["entry"], &left.json["account"]);
    let hash = |parts: &[&[u8]]| Hash::of(&parts.concat()).0;
    let guessed: Vec<&str> = ["a broken cup", "late parcel", "wrong size"]
        .into_iter()
        .filter(|guess| {
            let said = format!(
                r#"["/v1/customers/{{customer}}/grants",[["customer","alice"]],{{"amount":"25.00","category":"goodwill","note":"{guess}"}}]"#
            );
            let salt = hash(&[b"salt", &hash(&[said.as_bytes()]), b"refund-1001"]);
            let salt = hash(&[&salt[..16], b"note"]);
            let digest = Hash(hash(&[&salt[..16], guess.as_bytes()]));
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let content = format!(
                r#"{{"actor":["admin","{}"],"allocations":"AAKIJw","amount":"25.00","at":"{}","available":"{}","balance":"{}","category":"goodwill","currency":"USD","customer":"alice","held":"{}","note":"{digest}","number":1,"policy":0,"prev":"{}","source":"admin","type":"grant","v":2}}"#,
                text(&entry["actor"]["id"]), text(&entry["at"]), text(&account["available"]), text(&account["balance"]),
                text(&account["held"]), text(&entry["prev_hash"]),
            );
            Hash::of(content.as_bytes()).to_string() == entry["hash"]
        })
        .collect();
    assert_eq!(guessed, Vec::<&str>::new());
}

// ---------------------------------------------------------------------------------------------------------------------
// 11. Requests that wait are bounded by nothing, and every run of the schedule reads all of them.

// ---------------------------------------------------------------------------------------------------------------------
// 12. A page may be more than Lambda lets a function answer.

#[tokio::test]
async fn no_page_of_entries_is_more_than_lambda_takes() {
    let world = World::start().await;
    let big = "999999999999.99";
    for _ in 0..500 {
        world.granted("alice", big, json!({})).await;
    }
    let lines: Vec<Value> = (0..500).map(|_| json!({"code": "s", "amount": big, "sort_order": 1})).collect();
    for _ in 0..100 {
        let body = json!({"order": {"id": "1", "lines": lines}});
        let spent = world.shop().redeem("alice", &fresh_key(), body).await.expect(201, "");
        let path =
            format!("/v1/customers/alice/redemptions/{}/refund", spent.json["entry"]["id"].as_str().unwrap());
        world.shop().post(&path, &fresh_key(), json!({})).await.expect(201, "");
    }
    let page = world.admin().get("/v1/customers/alice/entries?limit=200").await.expect(200, "");
    // As Lambda carries it: a string within JSON.
    let carried = Value::String(page.text).to_string().len();
    assert!(carried < 6 * 1024 * 1024, "{carried}");
}

#[tokio::test]
async fn no_page_of_changes_is_more_than_lambda_takes() {
    let world = World::start().await;
    let methods = |round: usize| -> Vec<String> {
        (0..450).map(|at| format!("{round:02}-{at:04}-{}", "x".repeat(110))).collect()
    };
    for round in 0..60 {
        world.settings(json!({"topup_methods": methods(round)})).await;
    }
    let page = world.admin().get("/v1/settings/changes?limit=200").await.expect(200, "");
    let carried = Value::String(page.text).to_string().len();
    assert!(carried < 6 * 1024 * 1024, "{carried}");
}

// ---------------------------------------------------------------------------------------------------------------------
// 13. One customer's unreadable document, and who is shown beside it.

#[tokio::test]
async fn a_page_of_customers_does_not_fail_for_one_document() {
    let world = World::start().await;
    for id in ["alice", "bob", "carol"] {
        world.granted(id, "10.00", json!({})).await;
    }
    world.catch_up().await;
    let policy = json!({"policy": {"usage_limit": {"type": "fixed", "maximum": {}}}});
    world.admin().put("/v1/customers/bob", policy).await;
    world.admin().get("/v1/customers").await.expect(200, "");
}

#[tokio::test]
async fn every_document_can_be_written_over_and_erased() {
    let world = World::start().await;
    let policy = json!({"policy": {"usage_limit": {"type": "fixed", "maximum": {}}}});
    world.admin().put("/v1/customers/bob", policy).await;
    let again = world.admin().put("/v1/customers/bob", json!({})).await.status;
    let erased = world.admin().delete("/v1/customers/bob/personal-data").await.status;
    assert_eq!((again, erased), (200, 204));
}

#[tokio::test]
async fn zones_read_back() {
    let world = World::start().await;
    for zone in [
        "utc",
        "Etc/Unknown",
        "posixrules",
        "localtime",
        "Factory",
        "GMT0",
        "EST5EDT",
        "Asia/Calcutta",
        "US/Pacific",
        "etc/gmt+12",
        "Pacific/Kiritimati",
        "",
        "UTC ",
        "Etc/UTC\u{0}",
        "+05:00",
        "../etc/passwd",
        "EST5EDT,M3.2.0,M11.1.0",
    ] {
        let put = world.admin().put("/v1/settings", json!({"time_zone": zone})).await;
        let got = world.admin().get("/v1/settings").await;
        assert_eq!(got.status, 200);
        if put.status == 200 {
            let body = json!({"amount": "1", "category": "paid", "expires_on": "2030-01-01"});
            world.admin().grant("z", &fresh_key(), body).await.expect(201, "");
        }
    }
}

#[tokio::test]
async fn the_local_stream_waits_on_one_bad_item() {
    let world = World::start().await;
    let policy = json!({"policy": {"usage_limit": {"type": "fixed", "maximum": {}}}});
    world.admin().put("/v1/customers/bob", policy).await;
    world.granted("alice", "1.00", json!({})).await;
    let ran_dry = tokio::time::timeout(std::time::Duration::from_secs(2), world.catch_up()).await;
    assert!(ran_dry.is_ok(), "it delivers the same batch again and again, without a pause");
}

// ---------------------------------------------------------------------------------------------------------------------
// 14. A total beyond 63 bits makes every run of the schedule fail, for ever.

// ---------------------------------------------------------------------------------------------------------------------
// 15. Cursors of other lists.

#[tokio::test]
async fn a_cursor_of_customers_leads_into_no_other_list() {
    let world = World::start().await;
    for id in ["15", "16"] {
        world.granted(id, "10.00", json!({})).await;
        let topup = json!({"amount": "1", "payment": {"mode": "online", "method": "x"}});
        world.customer(id).request_topup(id, "t", topup).await.expect(201, "");
    }
    world.catch_up().await;
    let admin = world.admin();
    let page = admin.get("/v1/customers?limit=1").await.expect(200, "");
    let cursor = page.json["next_cursor"].as_str().unwrap();
    let by_balance = admin.get(&format!("/v1/customers?sort=balance&cursor={cursor}")).await;
    let topups = admin.get(&format!("/v1/topups?cursor={cursor}")).await;
    let groups = admin.get(&format!("/v1/groups?cursor={cursor}")).await;
    assert_eq!((by_balance.status, topups.status, groups.status), (400, 400, 400));
}

// ---------------------------------------------------------------------------------------------------------------------
// 16. If-Match that is read and not looked at.

#[tokio::test]
async fn nothing_is_erased_over_a_stale_version() {
    let world = World::start().await;
    world.admin().put("/v1/customers/alice", json!({"name": "Alice"})).await.expect(200, "");
    let stale = [("if-match", "7")];
    let erased =
        world.admin().send("DELETE", "/v1/customers/alice/personal-data", &stale, bytes::Bytes::new()).await;
    erased.expect(409, "conflict");
}

// ---------------------------------------------------------------------------------------------------------------------
// 17. What one row of a list costs, and what a look at the past costs.

#[tokio::test]
async fn a_list_of_one_does_not_read_fifty_customers() {
    let world = World::start().await;
    for at in 0..60 {
        world.granted(&format!("c{at:02}"), "1.00", json!({})).await;
    }
    world.catch_up().await;
    world.wire.trips();
    world.admin().get("/v1/customers?limit=1").await.expect(200, "");
    let units: rust_decimal::Decimal = world.wire.trips().iter().map(|trip| trip.units).sum();
    assert!(units < rust_decimal::Decimal::from(20), "{units}");
}

// ---------------------------------------------------------------------------------------------------------------------
// Races around one top-up and one document.

#[tokio::test]
async fn races_of_erase_put_approve_reject_cancel_and_the_schedule() {
    let world = World::start().await;
    for round in 0..15 {
        let id = format!("r{round}");
        let admin = world.admin();
        admin.put(&format!("/v1/customers/{id}"), json!({"name": "Alice Secret"})).await.expect(200, "");
        let at = world.now().checked_add(SignedDuration::from_secs(1)).unwrap().to_string();
        world.granted(&id, "5.00", json!({"note": "secret", "expires_at": at})).await;
        let topup = json!({"amount": "7.00", "payment": {"mode": "online", "method": "x"}});
        let asked = world.customer(&id).request_topup(&id, "t", topup).await.expect(201, "");
        let topup = asked.json["topup"]["id"].as_str().unwrap().to_owned();
        world.pass(SignedDuration::from_secs(2));
        let erase = format!("/v1/customers/{id}/personal-data");
        let customer = world.customer(&id);
        let (approved, again, rejected, cancelled, erased, swept, listed) = tokio::join!(
            admin.approve(&id, &topup, "a", json!({})),
            admin.approve(&id, &topup, "a", json!({})),
            admin.reject(&id, &topup, "secret"),
            customer.cancel(&id, &topup),
            admin.delete(&erase),
            world.expire(),
            world.catch_up(),
        );
        let statuses = [approved.status, again.status, rejected.status, cancelled.status, erased.status];
        assert!(statuses.iter().all(|status| [200, 204, 409].contains(status)), "{statuses:?}");
        let _ = (swept, listed);
        if erased.status == 409 {
            admin.delete(&erase).await.expect(204, "");
        }
        let account = world.account(&id).await;
        let credited = approved.status == 200 || again.status == 200;
        assert_eq!(account["balance"], if credited { "7.00" } else { "0.00" }, "{statuses:?} {account}");
        assert_eq!(account["pending_topups"], "0.00");
        assert_eq!(
            u16::from(credited) + u16::from(rejected.status == 200) + u16::from(cancelled.status == 200),
            1,
            "{statuses:?}"
        );
        check_ledger(&world.entries(&id).await);
        if rejected.status != 200 {
            let all = world.all_of(&id).await.to_string();
            assert!(!all.contains("ecret"), "{all}");
        }
        world.expire().await;
        assert_eq!(admin.get("/v1/topups").await.json["data"], json!([]));
    }
}

#[tokio::test]
async fn no_document_of_a_group_makes_its_members_or_lists_fail() {
    let world = World::start().await;
    let admin = world.admin();
    admin.put("/v1/groups/vip", json!({"policy": {}})).await.expect(200, "");
    admin.put("/v1/customers/alice", json!({"group": "vip"})).await.expect(200, "");
    let put = admin
        .put("/v1/groups/vip", json!({"policy": {"usage_limit": {"type": "fixed", "maximum": {}}}}))
        .await;
    let granted = admin.grant("alice", "g", json!({"amount": "1", "category": "paid"})).await;
    let groups = admin.get("/v1/groups").await;
    world.catch_up().await;
    let customers = admin.get("/v1/customers").await;
    let repaired = admin.put("/v1/groups/vip", json!({"policy": {}})).await;
    let statuses = [granted.status, groups.status, customers.status, repaired.status];
    assert_eq!(statuses, [201, 200, 200, 200], "after {}", put.status);
}
