//! What the schedule does: books what has expired, once, however often and whenever it runs.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use edge::Event;
use expire_on_schedule::{Swept, expire_on_schedule};
use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};
use store::SHARDS;

use crate::support::{
    wire::Fault,
    world::{World, check_ledger, each, fresh_key, order},
};

const NOTHING: Swept = Swept { booked: 0, refiled: 0, topups: 0, dated: 0, reminded: 0, interrupted: false };

fn booked(accounts: u64) -> Swept {
    Swept { booked: accounts, ..NOTHING }
}

fn refiled(accounts: u64) -> Swept {
    Swept { refiled: accounts, ..NOTHING }
}

/// The amounts of the customer's expiries, oldest first.
async fn expiries(world: &World, customer: &str) -> Vec<String> {
    let entries = world.entries(customer).await;
    check_ledger(&entries);
    let expiries: Vec<Value> = entries.into_iter().filter(|entry| entry["type"] == "expire").collect();
    each(&expiries, "amount").into_iter().map(str::to_owned).collect()
}

async fn spend(world: &World, customer: &str, amount: &str) {
    let body = json!({"order": order("1", amount), "amount": amount});
    world.shop().redeem(customer, &fresh_key(), body).await.expect(201, "");
}

#[tokio::test]
async fn what_has_expired_is_booked_once_in_one_entry() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"expires_at": "2026-12-01T00:00:00Z"})).await;
    world.granted("alice", "20", json!({"expires_at": "2026-12-02T00:00:00Z"})).await;
    world.granted("alice", "40", json!({"expires_at": "2026-12-03T00:00:00Z"})).await;
    world.granted("alice", "80", json!({})).await;
    spend(&world, "alice", "5").await;
    world.set_now("2026-12-02T00:00:00Z");
    assert_eq!(world.expire().await, booked(1));
    let entries = world.entries("alice").await;
    let entry = &entries[5];
    let expected = json!({
        "id": "USD-6", "type": "expire", "amount": "-25.00", "currency": "USD", "balance_after": "120.00",
        "allocations": [{"lot": "USD-1", "amount": "5.00"}, {"lot": "USD-2", "amount": "20.00"}],
        "actor": {"role": "system", "id": "expire-on-schedule"}, "at": "2026-12-02T00:00:00Z", "policy_version": 0,
        "hash": entry["hash"], "prev_hash": entries[4]["hash"],
    });
    assert_eq!(*entry, expected);
    for _ in 0..3_u8 {
        assert_eq!(world.expire().await, NOTHING);
    }
    assert_eq!(world.entries("alice").await, entries);
    let account = world.account("alice").await;
    assert_eq!(
        [&account["balance"], &account["available"], &account["lifetime"]["expired"]],
        ["120.00", "120.00", "25.00"]
    );
    assert_eq!(each(account["lots"].as_array().unwrap(), "id"), ["USD-3", "USD-4"]);
}

#[tokio::test]
async fn it_books_from_the_very_millisecond_on() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"expires_at": "2026-12-01T12:00:00.500Z"})).await;
    for (now, expected) in [
        ("2026-11-22T10:00:00Z", NOTHING),
        ("2026-12-01T12:00:00.499Z", NOTHING),
        ("2026-12-01T12:00:00.500Z", booked(1)),
        ("2026-12-01T12:00:00.501Z", NOTHING),
    ] {
        world.set_now(now);
        assert_eq!(world.expire().await, expected, "{now}");
    }
}

#[tokio::test]
async fn two_runs_at_once_book_once() {
    let world = World::start().await;
    for at in 0..10_u8 {
        world.granted(&format!("customer-{at}"), "10", json!({"expires_on": "2026-12-01"})).await;
    }
    world.set_now("2026-12-05T00:00:00Z");
    let (one, two, three) = tokio::join!(world.expire(), world.expire(), world.expire());
    // Who finds that another was first counts nothing as booked.
    let books = [one, two, three].iter().map(|swept| swept.booked).collect::<Vec<_>>();
    assert!(books.iter().sum::<u64>() >= 10, "{books:?}");
    for at in 0..10_u8 {
        assert_eq!(expiries(&world, &format!("customer-{at}")).await, ["-10.00"]);
    }
    assert_eq!(world.expire().await, NOTHING);
}

#[tokio::test]
async fn a_missed_day_is_replayed_by_its_own_time() {
    let world = World::start().await;
    for day in ["2026-12-01", "2026-12-02", "2026-12-03"] {
        world.granted("alice", "10", json!({"expires_on": day})).await;
    }
    // The schedule was out for a week; its events come late, and not in their order.
    world.set_now("2026-12-09T00:00:00Z");
    for (event, expected, expected_expiries) in [
        ("2026-12-01T23:00:00Z", NOTHING, &[][..]),
        ("2026-12-03T00:00:00Z", booked(1), &["-20.00"]),
        ("2026-12-02T00:00:00Z", NOTHING, &["-20.00"]),
        ("2026-12-09T00:00:00Z", booked(1), &["-20.00", "-10.00"]),
        ("2026-12-09T00:00:00Z", NOTHING, &["-20.00", "-10.00"]),
    ] {
        assert_eq!(world.expire_at(event.parse().unwrap()).await, expected, "{event}");
        assert_eq!(expiries(&world, "alice").await, expected_expiries, "{event}");
    }
    // An entry says the time of the event that booked it.
    assert_eq!(
        each(&world.entries("alice").await[3..], "at"),
        ["2026-12-03T00:00:00Z", "2026-12-09T00:00:00Z"]
    );
}

#[tokio::test]
async fn a_late_event_does_not_turn_the_accounts_time_back() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"expires_on": "2026-12-01"})).await;
    world.set_now("2026-12-09T00:00:00Z");
    world.granted("alice", "20", json!({})).await;
    assert_eq!(world.expire_at("2026-12-02T00:00:00Z".parse().unwrap()).await, booked(1));
    assert_eq!(each(&world.entries("alice").await[1..], "at"), ["2026-12-09T00:00:00Z"; 2]);
}

#[tokio::test]
async fn sixty_customers_over_all_parts_of_the_index_are_booked_in_one_run() {
    let world = World::start().await;
    let customers: Vec<String> = (0..60_u8).map(|at| format!("customer-{at}")).collect();
    for (at, customer) in customers.iter().enumerate() {
        // Half of them have lots in two currencies, and one in five has none that is due.
        let due = if at % 5 == 0 { "2027-12-01" } else { "2026-12-01" };
        world.granted(customer, "10", json!({"expires_on": due})).await;
        if at % 2 == 0 {
            world.granted(customer, "500", json!({"currency": "JPY", "expires_on": due})).await;
        }
    }
    world.set_now("2026-12-05T00:00:00Z");
    assert_eq!(world.expire().await, booked(48 + 24));
    for (at, customer) in customers.iter().enumerate() {
        let mut found = expiries(&world, customer).await;
        found.sort_unstable();
        let expected: &[&str] = match (at % 5, at % 2) {
            (0, _) => &[],
            (_, 0) => &["-10.00", "-500"],
            _ => &["-10.00"],
        };
        assert_eq!(found, expected, "{customer}");
    }
    assert_eq!(world.expire().await, NOTHING);
}

#[tokio::test]
async fn all_parts_of_the_index_are_booked_by_turns() {
    let world = World::start().await;
    for at in 0..160_u8 {
        world.granted(&format!("customer-{at}"), "10", json!({"expires_on": "2026-12-01"})).await;
    }
    world.set_now("2026-12-05T00:00:00Z");
    let mut shards = HashMap::new();
    for shard in 0..SHARDS {
        let page = world.store.due(shard, world.now(), None, 160).await.unwrap();
        shards.extend(page.data.into_iter().map(|due| (format!("C#{}", due.customer), shard)));
    }
    world.wire.trips();
    assert_eq!(world.expire().await, booked(160));
    let trips = world.wire.trips();
    let booked: Vec<u8> = trips.iter().filter_map(|trip| Some(shards[trip.partition.as_ref()?])).collect();
    assert_eq!(booked.len(), 160);
    // Halfway each of them has been begun, and none of them takes all the writes meanwhile.
    let all: BTreeSet<&u8> = shards.values().collect();
    assert_eq!(booked[..80].iter().collect::<BTreeSet<_>>(), all);
}

#[tokio::test]
async fn spending_leaves_the_account_filed_and_the_run_files_it_anew_without_an_entry() {
    let world = World::start().await;
    world.granted("alice", "10", json!({"expires_at": "2026-12-01T00:00:00Z"})).await;
    world.granted("alice", "20", json!({"expires_at": "2026-12-11T00:00:00Z"})).await;
    world.granted("bob", "10", json!({"expires_at": "2026-12-01T00:00:00Z"})).await;
    spend(&world, "alice", "15").await;
    spend(&world, "bob", "10").await;
    let before = [world.all_of("alice").await, world.all_of("bob").await];
    world.set_now("2026-12-01T00:00:00Z");
    assert_eq!(world.expire().await, refiled(2));
    assert_eq!(world.expire().await, NOTHING);
    assert_eq!([world.all_of("alice").await, world.all_of("bob").await], before);
    world.set_now("2026-12-11T00:00:00Z");
    assert_eq!(world.expire().await, booked(1));
    assert_eq!(expiries(&world, "alice").await, ["-15.00"]);
    assert!(expiries(&world, "bob").await.is_empty());
}

#[tokio::test]
async fn a_later_grant_that_expires_sooner_is_booked_in_time() {
    let world = World::start().await;
    for (amount, due) in [("10", "2026-12-20"), ("20", "2026-12-01"), ("40", "2026-12-10")] {
        world.granted("alice", amount, json!({"expires_on": due})).await;
    }
    for (now, expected) in [
        ("2026-12-02T00:00:00Z", &["-20.00"][..]),
        ("2026-12-11T00:00:00Z", &["-20.00", "-40.00"]),
        ("2026-12-21T00:00:00Z", &["-20.00", "-40.00", "-10.00"]),
    ] {
        world.set_now(now);
        assert_eq!(world.expire().await, booked(1), "{now}");
        assert_eq!(expiries(&world, "alice").await, expected, "{now}");
    }
    // And what comes after the account was drained is filed again.
    world.granted("alice", "5", json!({"expires_on": "2026-12-24"})).await;
    world.set_now("2026-12-25T00:00:00Z");
    assert_eq!(world.expire().await, booked(1));
}

#[tokio::test]
async fn a_run_without_time_stops_and_the_next_goes_on() {
    let world = World::start().await;
    let customers: Vec<String> = (0..20_u8).map(|at| format!("customer-{at}")).collect();
    for customer in &customers {
        world.granted(customer, "10", json!({"expires_on": "2026-12-01"})).await;
    }
    world.set_now("2026-12-05T00:00:00Z");
    let run = async |milliseconds| {
        let event = Event { at: world.now(), time_left: Duration::from_millis(milliseconds) };
        expire_on_schedule(world.store.clone(), event).await.unwrap()
    };
    for _ in 0..2_u8 {
        assert_eq!(run(0).await, Swept { interrupted: true, ..NOTHING });
    }
    // Time enough for some of them, wherever that stops; what was on its way then may be booked and not counted.
    run(20).await;
    run(40).await;
    assert!(!run(60_000).await.interrupted);
    for customer in &customers {
        assert_eq!(expiries(&world, customer).await, ["-10.00"], "{customer}");
    }
    assert_eq!(world.expire().await, NOTHING);
}

#[tokio::test]
async fn an_account_that_cannot_be_booked_keeps_no_other_from_it_and_is_tried_again() {
    let world = World::start().await;
    for customer in ["alice", "bob", "carol"] {
        world.granted(customer, "10", json!({"expires_on": "2026-12-01"})).await;
    }
    world.set_now("2026-12-05T00:00:00Z");
    world.wire.fault("TransactWriteItems", Fault::error("ValidationException", 400));
    let event = Event { at: world.now(), time_left: Duration::from_secs(60) };
    let unfinished = expire_on_schedule(world.store.clone(), event).await.unwrap_err();
    assert!(
        unfinished.to_string().starts_with("1 accounts or top-ups could not be booked, 2 were"),
        "{unfinished}"
    );
    assert_eq!(world.expire().await, booked(1));
    for customer in ["alice", "bob", "carol"] {
        assert_eq!(expiries(&world, customer).await, ["-10.00"], "{customer}");
    }
}

#[tokio::test]
async fn spending_and_booking_at_once_lose_nothing() {
    let world = World::start().await;
    let customers: Vec<String> = (0..8_u8).map(|at| format!("customer-{at}")).collect();
    for customer in &customers {
        world.granted(customer, "10", json!({"expires_at": "2026-12-01T00:00:00Z"})).await;
        world.granted(customer, "20", json!({})).await;
    }
    world.set_now("2026-12-01T00:00:00Z");
    let shop = world.shop();
    let redemptions = join_all(
        customers.iter().map(|customer| shop.redeem(customer, "r", json!({"order": order("1", "100")}))),
    );
    let (swept, redeemed) = tokio::join!(world.expire(), redemptions);
    assert_eq!(swept.booked, 8);
    for (customer, redeemed) in customers.iter().zip(redeemed) {
        assert_eq!(redeemed.expect(201, "").json["applied"], "20.00");
        assert_eq!(expiries(&world, customer).await, ["-10.00"]);
        assert_eq!(world.account(customer).await["balance"], "0.00");
    }
}

#[tokio::test]
async fn credit_expires_by_the_days_of_the_store() {
    let world = World::start().await;
    world.settings(json!({"time_zone": "America/New_York", "expiry_days": 1})).await;
    world.granted("alice", "10", json!({})).await;
    let payment = json!({"mode": "online", "method": "card"});
    let asked = world
        .shop()
        .request_topup("alice", "t", json!({"amount": "5", "payment": payment}))
        .await
        .expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    world.pass(SignedDuration::from_hours(24));
    world.admin().approve("alice", id, "a", json!({})).await.expect(200, "");
    for (now, expected) in [
        ("2026-11-24T04:59:59Z", &[][..]),
        ("2026-11-24T05:00:00Z", &["-10.00"]),
        ("2026-11-25T04:59:59Z", &["-10.00"]),
        ("2026-11-25T05:00:00Z", &["-10.00", "-5.00"]),
    ] {
        world.set_now(now);
        world.expire().await;
        assert_eq!(expiries(&world, "alice").await, expected, "{now}");
    }
}
