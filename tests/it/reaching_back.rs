//! An expiry that is turned on can reach back to credit that came before it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use edge::Event;
use expire_on_schedule::expire_on_schedule;
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    simulating::{
        fates::{Answered, Call, Takes, answer, store_through},
        process::{Process, Request},
        table::Table,
    },
    support::{
        wire::Fault,
        world::{START, World, check_ledger, fresh_key, order},
    },
};

async fn job(world: &World) -> Value {
    world.admin().get("/v1/settings").await.expect(200, "").json["reach_back"].clone()
}

#[tokio::test]
async fn the_contracts_example_6_reaches_back_and_expires_what_is_left() {
    let world = World::start().await;
    world.set_now("2026-01-01T12:00:00Z");
    world.granted("alice", "25.00", json!({})).await;
    world.set_now("2026-02-01T12:00:00Z");
    let spent = json!({"order": order("1", "500"), "amount": "20.00"});
    world.shop().redeem("alice", &fresh_key(), spent).await.expect(201, "");
    assert_eq!(job(&world).await, Value::Null);

    world.set_now("2026-02-25T12:00:00Z");
    world.settings(json!({"expiry_days": 15, "apply_to_existing": true})).await;
    let running = job(&world).await;
    assert_eq!((&running["status"], &running["accounts"]), (&json!("running"), &json!(0)));
    let swept = world.expire().await;
    assert_eq!((swept.dated, swept.booked), (1, 1));

    let account = world.account("alice").await;
    assert_eq!((&account["balance"], &account["lifetime"]["expired"]), (&json!("0.00"), &json!("5.00")));
    let entries = world.entries("alice").await;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (entry["type"].as_str().unwrap(), entry["amount"].as_str().unwrap()))
        .collect();
    assert_eq!(
        told,
        [("grant", "25.00"), ("redeem", "-20.00"), ("expiry_change", "0.00"), ("expire", "-5.00")]
    );
    assert_eq!(entries[2]["allocations"][0]["expires_at"], "2026-01-17T00:00:00Z");
    assert_eq!(entries[2]["actor"], json!({"role": "system", "id": "apply_to_existing"}));
    check_ledger(&entries);

    let done = job(&world).await;
    assert_eq!(
        (&done["status"], &done["accounts"], &done["dated"], &done["finished_at"]),
        (&json!("done"), &json!(1), &json!(1), &json!("2026-02-25T12:00:00Z"))
    );
    // Again changes nothing.
    let before = world.all_of("alice").await;
    let swept = world.expire().await;
    assert_eq!((swept.dated, swept.booked), (0, 0));
    assert_eq!(world.all_of("alice").await, before);
}

#[tokio::test]
async fn an_expiry_reaches_back_only_where_it_is_said_to() {
    let world = World::start().await;
    let admin = world.admin();
    world.settings(json!({"expiry_days": null})).await;
    for (group, policy) in
        [("old", json!({"expiry_days": 10, "apply_to_existing": true})), ("vip", json!({"expiry_days": 10}))]
    {
        let put = json!({"policy": {}});
        admin.put(&format!("/v1/groups/{group}"), put).await.expect(200, "");
        let id = format!("in-{group}");
        admin.put(&format!("/v1/customers/{id}"), json!({"group": group})).await.expect(200, "");
        world.granted(&id, "10.00", json!({})).await;
        world.granted(&id, "5.00", json!({"expires": "never"})).await;
        world.granted(&id, "7.00", json!({"expires_on": "2030-12-31"})).await;
        admin.put(&format!("/v1/groups/{group}"), json!({"policy": policy})).await.expect(200, "");
    }
    world.granted("nobody", "10.00", json!({})).await;
    assert_eq!(world.expire().await.dated, 1);
    let dates = async |id: &str| {
        let lots = world.account(id).await["lots"].clone();
        lots.as_array().unwrap().iter().map(|lot| lot["expires_at"].clone()).collect::<Vec<_>>()
    };
    let own = json!("2031-01-01T00:00:00Z");
    assert_eq!(dates("in-old").await, [json!("2026-12-03T00:00:00Z"), Value::Null, own.clone()]);
    assert_eq!(dates("in-vip").await, [Value::Null, Value::Null, own]);
    assert_eq!(dates("nobody").await, [Value::Null]);

    // One customer's own word.
    let policy = json!({"policy": {"expiry_days": 1, "apply_to_existing": true}});
    admin.put("/v1/customers/nobody", policy).await.expect(200, "");
    // At once, and so does joining a group that says so.
    assert_eq!(dates("nobody").await, [json!("2026-11-24T00:00:00Z")]);
    world.granted("late", "10.00", json!({})).await;
    admin.put("/v1/customers/late", json!({"group": "old"})).await.expect(200, "");
    assert_eq!(dates("late").await, [json!("2026-12-03T00:00:00Z")]);
    assert_eq!(world.expire().await.dated, 0);
}

#[tokio::test]
async fn a_job_that_is_stopped_anywhere_is_finished_by_the_next_run_and_dates_each_account_once() {
    let world = World::start().await;
    let ids: Vec<String> = (0..40).map(|at| format!("c{at}")).collect();
    for id in &ids {
        world.granted(id, "10.00", json!({})).await;
        world.granted(id, "1.00", json!({"currency": "EUR"})).await;
    }
    world.settings(json!({"expiry_days": 30, "apply_to_existing": true})).await;
    let store = &world.store;
    // Runs that are killed: after having dated some of a page, and after having noted it.
    for noted in [false, true, false, true, true] {
        let job = store.reach_back_job().await.unwrap().unwrap();
        let page = store.reach_back_next(&job, 3).await.unwrap();
        for due in page.iter().take(2) {
            store.reach_back(&due.customer, due.currency, world.now()).await.unwrap();
        }
        if noted {
            for due in &page {
                store.reach_back(&due.customer, due.currency, world.now()).await.unwrap();
            }
            assert!(store.reach_back_done(&job, &page, 0, world.now()).await.unwrap().is_some());
            // Another run that read the job before is told that it was carried on.
            assert_eq!(store.reach_back_done(&job, &page, 0, world.now()).await.unwrap(), None);
        }
    }
    world.expire().await;
    let job = job(&world).await;
    assert_eq!((&job["status"], &job["accounts"]), (&json!("done"), &json!(80)));
    for id in &ids {
        let entries = world.entries(id).await;
        check_ledger(&entries);
        let dated = entries.iter().filter(|entry| entry["type"] == "expiry_change");
        assert_eq!(dated.count(), 2, "{id}");
    }
}

#[tokio::test]
async fn what_the_database_refuses_passes_nobody_over() {
    let world = World::start().await;
    for customer in ["alice", "bob", "carol"] {
        world.granted(customer, "10.00", json!({})).await;
    }
    world.settings(json!({"expiry_days": 30, "apply_to_existing": true})).await;
    world.wire.fault("TransactWriteItems", Fault::error("AccessDeniedException", 400));
    let event = Event { at: world.now(), time_left: Duration::from_secs(60) };
    expire_on_schedule(world.store.clone(), event).await.unwrap_err();
    assert!(world.wire.is_spent());
    let running = job(&world).await;
    assert_eq!((&running["status"], &running["accounts"]), (&json!("running"), &json!(0)));

    world.expire().await;
    let done = job(&world).await;
    assert_eq!((&done["status"], &done["accounts"]), (&json!("done"), &json!(3)));
    for customer in ["alice", "bob", "carol"] {
        let lots = world.account(customer).await["lots"].clone();
        assert_eq!(lots[0]["expires_at"], "2026-12-23T00:00:00Z", "{customer}");
    }
}

/// A table that takes a tenth of a second for each answer, as a clock that stands goes.
struct Slow(Arc<Mutex<Table>>);

impl Takes for Slow {
    fn take(&self, call: Call, _: String, to: Answered) {
        let table = Arc::clone(&self.0);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let mut table = table.lock().unwrap();
            table.follow(usize::MAX);
            answer(to, Some(table.answer(call.operation, &call.body)));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn however_often_the_time_is_over_all_that_is_dated_is_counted() {
    let store = store_through(Slow(Arc::default()));
    let process = &Process::start(&store);
    let at: Timestamp = START.parse().unwrap();
    let ask = async |function, method, path: &str, key, body| {
        let asked = Request { function, method, path, key, body: &body, admin: true };
        let answer = process.answer(asked, at).await;
        assert!(answer.is_success(), "{}", answer.text);
        answer.json
    };
    // Each sixteenth of them is a page, of more than are dated at the same time.
    let granted = (0..480).map(|number| async move {
        let body = json!({"amount": "10.00", "category": "paid"});
        ask("grant", "POST", &format!("/v1/customers/c{number}/grants"), Some("once"), body).await
    });
    join_all(granted).await;
    ask("settings", "PUT", "/v1/settings", None, json!({"expiry_days": 30, "apply_to_existing": true})).await;

    let (mut runs, mut dated) = (0, 0);
    let job = loop {
        // Half of it is over while a page is under way.
        let event = Event { at, time_left: Duration::from_millis(700 + runs % 5 * 100) };
        let swept = expire_on_schedule(store.clone(), event).await.unwrap();
        (runs, dated) = (runs + 1, dated + swept.dated);
        let job = store.reach_back_job().await.unwrap().unwrap();
        assert_eq!(job.dated, dated, "run {runs} dated more than is noted, or less");
        if job.finished_at.is_some() {
            break job;
        }
        assert!(swept.interrupted && runs < 480, "run {runs} neither ended nor was stopped: {swept:?}");
    };
    assert_eq!((job.accounts, job.dated), (480, 480));
    assert!(runs > 16, "{runs} runs stopped too rarely to tell");
}

#[tokio::test]
async fn asking_anew_begins_anew() {
    let world = World::start().await;
    world.granted("alice", "10.00", json!({})).await;
    world.settings(json!({"expiry_days": 30, "apply_to_existing": true})).await;
    let store = &world.store;
    let old = store.reach_back_job().await.unwrap().unwrap();
    world.settings(json!({"expiry_days": {"paid": 30}, "apply_to_existing": true})).await;
    assert_eq!(store.reach_back_done(&old, &[], 0, world.now()).await.unwrap(), None);
    assert_eq!(world.expire().await.dated, 0);
    assert_eq!(job(&world).await["status"], "done");
    // Settings without the word start no job, and stop none.
    world.settings(json!({"expiry_days": 30})).await;
    assert_eq!(world.expire().await.dated, 0);
    assert_eq!(world.account("alice").await["lots"][0]["expires_at"], Value::Null);
}
