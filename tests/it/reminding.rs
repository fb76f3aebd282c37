//! Reminders of credit that expires soon: each date once for each number of days, all of a customer's in one mail.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    wire::Fault,
    world::{World, each},
};

/// The reminders so far: customer, and each amount with its last day and its days.
async fn reminders(world: &World) -> Vec<(String, Vec<String>)> {
    world.catch_up().await;
    let events = world.outside.events.latest();
    let of = events.iter().filter(|event| event["type"] == "credit.expiring_soon");
    of.map(|event| {
        let said = |soon: &Value| {
            let text = |name: &str| soon[name].as_str().unwrap().to_owned();
            format!("{} {} {} {}", text("currency"), text("amount"), text("last_day"), soon["days"])
        };
        let said = event["expiring"].as_array().unwrap().iter().map(said).collect();
        (event["customer"].as_str().unwrap().to_owned(), said)
    })
    .collect()
}

fn said(customer: &str, said: &[&str]) -> (String, Vec<String>) {
    (customer.to_owned(), said.iter().map(|said| (*said).to_owned()).collect())
}

/// Runs the schedule some times in each of so many days.
async fn days(world: &World, days: u32) {
    for _ in 0..days * 3 {
        world.pass(SignedDuration::from_hours(8));
        world.expire().await;
        world.catch_up().await;
    }
}

#[tokio::test]
async fn each_date_is_reminded_of_once_for_each_number_of_days_and_all_of_a_customers_in_one_mail() {
    let world = World::start().await;
    world.settings(json!({"remind_days": [7, 1]})).await;
    let admin = world.admin();
    admin.put("/v1/settings/mail", json!({"sender": "shop@example.com"})).await.expect(200, "");
    admin.put("/v1/customers/alice", json!({"email": "alice@example.com"})).await.expect(200, "");
    world.granted("alice", "10.00", json!({"expires_on": "2026-12-05"})).await;
    world.granted("alice", "5.00", json!({"expires_on": "2026-12-05"})).await;
    world.granted("alice", "3.00", json!({"expires_on": "2026-12-11"})).await;
    world.granted("alice", "7.00", json!({"expires_on": "2026-12-05", "currency": "EUR"})).await;
    world.granted("bob", "1.00", json!({"expires_on": "2026-12-31"})).await;
    world.granted("carol", "1.00", json!({})).await;
    days(&world, 25).await;
    assert_eq!(
        reminders(&world).await,
        [
            said("alice", &["EUR 7.00 2026-12-05 7", "USD 15.00 2026-12-05 7"]),
            said("alice", &["EUR 7.00 2026-12-05 1", "USD 15.00 2026-12-05 1", "USD 3.00 2026-12-11 7"]),
            said("alice", &["USD 3.00 2026-12-11 1"]),
        ]
    );
    let mails = world.mails().await;
    let mails: Vec<_> =
        mails.iter().filter(|mail| mail["text"].as_str().unwrap().contains("December 5")).collect();
    let both: Vec<_> = mails.iter().filter(|mail| mail["text"].as_str().unwrap().contains("€7.00")).collect();
    assert!(both.iter().any(|mail| mail["text"].as_str().unwrap().contains("$15.00")), "{mails:#?}");
}

#[tokio::test]
async fn groups_and_customers_have_reminders_of_their_own() {
    let world = World::start().await;
    let admin = world.admin();
    admin.put("/v1/groups/vip", json!({"policy": {"remind_days": [3]}})).await.expect(200, "");
    admin.put("/v1/customers/alice", json!({"group": "vip"})).await.expect(200, "");
    // Earlier than anybody else's: the pass has to look further ahead for this one alone.
    admin.put("/v1/customers/bob", json!({"policy": {"remind_days": [20]}})).await.expect(200, "");
    admin
        .put("/v1/customers/dora", json!({"group": "vip", "policy": {"remind_days": []}}))
        .await
        .expect(200, "");
    for id in ["alice", "bob", "carol", "dora"] {
        world.granted(id, "10.00", json!({"expires_on": "2026-12-20"})).await;
    }
    days(&world, 30).await;
    assert_eq!(
        reminders(&world).await,
        [said("bob", &["USD 10.00 2026-12-20 20"]), said("alice", &["USD 10.00 2026-12-20 3"])]
    );
}

#[tokio::test]
async fn what_was_spent_or_exempted_is_nobodys_reminder_and_nobody_is_woken() {
    let world = World::start().await;
    world.settings(json!({"remind_days": [2], "time_zone": "Asia/Tokyo"})).await;
    let admin = world.admin();
    admin.put("/v1/customers/exempt", json!({"policy": {"expiry_exempt": true}})).await.expect(200, "");
    for id in ["alice", "exempt", "spent"] {
        world.granted(id, "10.00", json!({"expires_on": "2026-11-29"})).await;
    }
    let order = crate::support::world::order("1", "10.00");
    world.shop().redeem("spent", "r-1", json!({"order": order})).await.expect(201, "");
    world.expire().await;
    // Two days before in Tokyo, at seven in the morning, and at eight.
    world.set_now("2026-11-26T22:00:00Z");
    world.expire().await;
    assert_eq!(reminders(&world).await, []);
    world.set_now("2026-11-26T23:00:00Z");
    world.expire().await;
    assert_eq!(reminders(&world).await, [said("alice", &["USD 10.00 2026-11-29 2"])]);
}

#[tokio::test]
async fn a_run_that_is_stopped_anywhere_reminds_everybody_once() {
    let world = World::start().await;
    world.settings(json!({"remind_days": [2]})).await;
    world.expire().await;
    for number in 0..40 {
        world.granted(&format!("c{number:02}"), "10.00", json!({"expires_on": "2026-11-29"})).await;
    }
    world.set_now("2026-11-27T09:00:00Z");
    let at: Timestamp = world.now();
    for run in 0_u32..60 {
        // Each run is stopped after other calls to the database.
        for _ in 0..run % 7 {
            world.wire.fault("TransactWriteItems", Fault::LoseAnswer);
        }
        let event = edge::Event { at, time_left: std::time::Duration::from_millis(u64::from(run) * 3 + 5) };
        drop(expire_on_schedule::expire_on_schedule(world.store.clone(), event).await);
    }
    world.wire.heal();
    world.expire().await;
    assert_eq!(world.expire().await.reminded, 0);
    let told = reminders(&world).await;
    let mut customers: Vec<&str> = told.iter().map(|(customer, _)| customer.as_str()).collect();
    customers.sort_unstable();
    let all: Vec<String> = (0..40).map(|number| format!("c{number:02}")).collect();
    assert_eq!(customers, all);
}

#[tokio::test]
async fn switched_on_late_it_makes_up_a_week_and_no_more() {
    let world = World::start().await;
    world.granted("early", "10.00", json!({"expires_on": "2026-12-31"})).await;
    world.granted("late", "10.00", json!({"expires_on": "2027-01-10"})).await;
    world.settings(json!({"remind_days": [30]})).await;
    world.expire().await;
    // The schedule stood still from then on until long after.
    world.set_now("2026-12-15T12:00:00Z");
    let swept = world.expire().await;
    assert_eq!(swept.reminded, 1);
    assert_eq!(reminders(&world).await, [said("late", &["USD 10.00 2027-01-10 26"])]);
    assert_eq!(world.expire().await.reminded, 0);
    let events = world.outside.events.latest();
    assert_eq!(each(&events, "type").iter().filter(|kind| **kind == "credit.expiring_soon").count(), 1);
}
