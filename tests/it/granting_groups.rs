//! Credit for whole groups, and for whoever joins one: each member once, whatever is repeated or stops on the way.

use std::time::Duration;

use edge::Batch;
use futures::{StreamExt, TryStreamExt, stream};
use grant_group::grant_group;
use ledger::{Actor, CustomerId, Role};
use serde_json::{Value, json};
use store::{ChangedItem, Command, CommandKey, Connection, Fingerprint, GroupGrantId, Store};

use crate::support::{
    lambda::{Function, Told},
    wire::Fault,
    world::{Answer, World, check_ledger, each, fresh_key, order},
};

/// As many members as this, in a group of their own: one written by the API, and the others like it.
async fn crowd(world: &World, members: usize) -> Vec<CustomerId> {
    let ids: Vec<String> = (0..members).map(|at| format!("c{at:06}")).collect();
    world.admin().put("/v1/groups/vip", json!({})).await.expect(200, "");
    join(world, "vip", &ids[0]).await;
    let found = world.ask("Scan", json!({"TableName": world.table()})).await;
    let documents = found["Items"].as_array().unwrap().iter().filter(|item| item["wk"]["S"] == ids[0]);
    let [document] = documents.map(Value::to_string).collect::<Vec<_>>().try_into().unwrap();
    for ids in ids.chunks(25) {
        let like = |id| serde_json::from_str::<Value>(&document.replace("c000000", id)).unwrap();
        let puts: Vec<Value> = ids.iter().map(|id| json!({"PutRequest": {"Item": like(id)}})).collect();
        world.ask("BatchWriteItem", json!({"RequestItems": {world.table(): puts}})).await;
    }
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// The record of a step of this grant, as the stream has it for Lambda.
fn record_of(id: &GroupGrantId) -> String {
    let event: Value = serde_json::from_str(include_str!("events/grant-group.json")).unwrap();
    let mut record = event["Records"][1].clone();
    record["dynamodb"]["Keys"]["pk"]["S"] = json!(format!("GRANT#{id}"));
    json!({"Records": [record]}).to_string()
}

/// Has a grant to the crowd carried out by the real binary, which is killed so many times on the way.
async fn granted_by_a_mortal(world: &World, members: usize, kills: usize) -> u64 {
    let asked = ask(world, "g-1", json!({"amount": "5.00", "category": "goodwill"})).await.expect(202, "");
    let id: GroupGrantId = asked.json["job"]["id"].as_str().unwrap().parse().unwrap();
    let (mut memory, begun) = (0, std::time::Instant::now());
    for kill in 1..=kills {
        let function =
            Function::start("grant-group", world.database(), &[("SCRIP_TABLE", world.table())]).await;
        function.hand(record_of(&id));
        let enough = u64::try_from(members * kill / (kills + 1)).unwrap();
        let mut steps = 0;
        while world.store.group_grant(&id).await.unwrap().unwrap().credited < enough {
            // It may be told that its time is up; what it noted last starts it again.
            steps += 1;
            if steps % 400 == 0 {
                function.hand(record_of(&id));
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        memory = memory.max(function.peak_memory());
        function.end();
        eprintln!("kill {kill}: {enough} are done, {memory} KiB at most, {} s", begun.elapsed().as_secs());
    }
    let mut function =
        Function::start("grant-group", world.database(), &[("SCRIP_TABLE", world.table())]).await;
    while world.store.group_grant(&id).await.unwrap().unwrap().finished_at.is_none() {
        let told = function.invoke(record_of(&id)).await;
        assert_eq!(told, Told::Response(json!({"batchItemFailures": []})));
    }
    memory = memory.max(function.peak_memory());
    function.end();
    let done = world.store.group_grant(&id).await.unwrap().unwrap();
    assert_eq!((done.credited, done.failed), (u64::try_from(members).unwrap(), 0));
    memory
}

/// Every one of them has one entry, and nothing else.
async fn check_crowd(world: &World, ids: &[CustomerId]) {
    let store = Store::connect(Connection::local(world.table(), world.database()));
    let store = &store;
    stream::iter(ids)
        .for_each_concurrent(16, async |id| {
            let record = store.customer(id).await.unwrap().unwrap();
            let account = &record.accounts[0];
            assert_eq!(
                (account.number, account.balance().unwrap().to_string()),
                (1, "5.00".to_owned()),
                "{id}"
            );
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_members_are_credited_once_by_a_worker_that_is_killed_in_the_middle() {
    let world = World::start().await;
    let ids = crowd(&world, 1_000).await;
    granted_by_a_mortal(&world, 1_000, 3).await;
    check_crowd(&world, &ids).await;
}

/// `cargo test --release -p tests -- --ignored --nocapture figures_of_a_hundred`; `MEMBERS` for another number.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure, which takes minutes: 100,000 members, ten kills"]
async fn figures_of_a_hundred_thousand_members_and_ten_kills() {
    let members = std::env::var("MEMBERS").map_or(100_000, |members| members.parse().unwrap());
    let world = World::start().await;
    // The embedded database looks through all records of a stream at each write of an item; nobody follows this one.
    let without = json!({"TableName": world.table(), "StreamSpecification": {"StreamEnabled": false}});
    world.ask("UpdateTable", without).await;
    let begun = std::time::Instant::now();
    let ids = crowd(&world, members).await;
    eprintln!("{members} members are there after {} s", begun.elapsed().as_secs());
    let begun = std::time::Instant::now();
    let memory = granted_by_a_mortal(&world, members, 10).await;
    let seconds = begun.elapsed().as_secs().max(1);
    let rate = u64::try_from(members).unwrap() / seconds;
    eprintln!("{members} members, killed ten times: {seconds} s, {rate} a second, {memory} KiB at most");
    let begun = std::time::Instant::now();
    check_crowd(&world, &ids).await;
    eprintln!("each has it once: looked up in {} s", begun.elapsed().as_secs());
    assert!(memory <= 64 * 1024, "{memory} KiB");
}

/// The time that a grant to a group takes beside that of 16 clients who grant as often one by one, each in a store of its
/// own. `cargo test -p tests -- --ignored --nocapture figures_of_a_group`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a figure: the rate beside that of 16 clients"]
async fn figures_of_a_group_beside_single_grants() {
    const MEMBERS: usize = 500;
    let mut ratios = Vec::new();
    for round in 0..15 {
        let (single, group) = (singly(MEMBERS).await, as_a_group(MEMBERS).await);
        eprintln!("round {round}: {MEMBERS} grants by 16 clients {single} ms, to a group {group} ms");
        ratios.push(single * 100 / group);
    }
    ratios.sort_unstable();
    eprintln!("a group's rate is {} % of theirs (median of {})", ratios[ratios.len() / 2], ratios.len());
}

/// Milliseconds in which 16 clients grant to each of so many customers.
async fn singly(members: usize) -> u128 {
    let world = World::start().await;
    let ids = crowd(&world, members).await;
    let store = Store::connect(Connection::local(world.table(), world.database()));
    let actor = Actor { role: Role::Admin, id: "admin".to_owned() };
    let key: ledger::IdempotencyKey = "single".parse().unwrap();
    let grant: ledger::Grant =
        serde_json::from_value(json!({"amount": "5.00", "category": "goodwill"})).unwrap();
    let (store, actor, key, grant) = (&store, &actor, &key, &grant);
    let begun = std::time::Instant::now();
    stream::iter(&ids)
        .for_each_concurrent(16, async |id| {
            let command = Command {
                customer: id,
                currency: None,
                key: CommandKey::Client(key),
                fingerprint: Fingerprint::NONE,
                actor,
                at: world.now(),
            };
            let rule = |account: &_, policy: &_, at| ledger::grant(account, policy, grant, Role::Admin, at);
            store.commit::<edge::Problem>(&command, rule).await.unwrap();
        })
        .await;
    begun.elapsed().as_millis()
}

/// Milliseconds in which a grant to a group of so many is done.
async fn as_a_group(members: usize) -> u128 {
    let world = World::start().await;
    crowd(&world, members).await;
    let store = Store::connect(Connection::local(world.table(), world.database()));
    let asked = ask(&world, "group", json!({"amount": "5.00", "category": "goodwill"})).await.expect(202, "");
    let id: GroupGrantId = asked.json["job"]["id"].as_str().unwrap().parse().unwrap();
    let record = edge::StreamRecord::about(ChangedItem::GroupGrant(id), "1");
    let batch = Batch { records: vec![record], at: world.now(), time_left: Duration::from_secs(600) };
    let begun = std::time::Instant::now();
    assert!(grant_group(store, batch).await.is_empty());
    begun.elapsed().as_millis()
}

async fn join(world: &World, group: &str, customer: &str) {
    let path = format!("/v1/customers/{customer}");
    world.admin().put(&path, json!({"group": group})).await.expect(200, "");
}

/// A group of so many members, `c000` and so on.
async fn group_of(world: &World, members: usize) -> Vec<String> {
    world.admin().put("/v1/groups/vip", json!({})).await.expect(200, "");
    let ids: Vec<String> = (0..members).map(|at| format!("c{at:03}")).collect();
    for id in &ids {
        join(world, "vip", id).await;
    }
    ids
}

async fn ask(world: &World, key: &str, body: Value) -> Answer {
    world.admin().post("/v1/groups/vip/grants", key, body).await
}

async fn progress(world: &World, asked: &Answer) -> Value {
    let id = asked.json["job"]["id"].as_str().unwrap();
    world.admin().get(&format!("/v1/group-grants/{id}")).await.expect(200, "").json
}

#[tokio::test]
async fn every_member_is_credited_once_and_the_job_says_so() {
    let world = World::start().await;
    let ids = group_of(&world, 7).await;
    world.granted("outsider", "1.00", json!({})).await;
    let body = json!({"amount": "5.00", "category": "promotional", "expires_on": "2026-12-31", "reference": "spring",
        "note": "happy spring", "internal_note": "campaign 7"});
    let asked = ask(&world, "spring", body.clone()).await.expect(202, "");
    let job = &asked.json["job"];
    assert_eq!(
        (&job["status"], &job["credited"], &job["failed"], &job["finished_at"], &job["group"]),
        (&json!("running"), &json!(0), &json!(0), &Value::Null, &json!("vip"))
    );
    assert_eq!(
        job["grant"],
        json!({"currency": "USD", "amount": "5.00", "category": "promotional", "expires_on": "2026-12-31",
            "reference": "spring", "note": "happy spring", "internal_note": "campaign 7"})
    );
    world.catch_up().await;

    let done = progress(&world, &asked).await;
    assert_eq!(
        (&done["job"]["status"], &done["job"]["credited"], &done["job"]["failed"], &done["failures"]),
        (&json!("done"), &json!(7), &json!(0), &json!([]))
    );
    assert_eq!(done["job"]["finished_at"], world.now().to_string());
    for id in &ids {
        let entries = world.entries(id).await;
        assert_eq!(each(&entries, "amount"), ["5.00"], "{id}");
        let entry = &entries[0];
        assert_eq!(
            (&entry["type"], &entry["category"], &entry["source"], &entry["reference"], &entry["note"]),
            (
                &json!("grant"),
                &json!("promotional"),
                &json!("admin"),
                &json!("spring"),
                &json!("happy spring")
            )
        );
        assert_eq!(entry["expires_at"], "2027-01-01T00:00:00Z");
        assert_eq!(entry["actor"]["role"], "admin");
    }
    assert_eq!(world.account("outsider").await["balance"], "1.00");

    // The same again answers the same, and credits nobody.
    let again = ask(&world, "spring", body).await.expect(202, "");
    assert!(again.is_replayed());
    assert_eq!(again.text, asked.text);
    world.catch_up().await;
    assert_eq!(world.entries(&ids[0]).await.len(), 1);
    ask(&world, "spring", json!({"amount": "6.00", "category": "promotional"}))
        .await
        .expect(422, "idempotency_mismatch");
    // Another key is another grant; and a key counts within its group alone.
    ask(&world, "summer", json!({"amount": "1.00", "category": "promotional"})).await.expect(202, "");
    world.admin().put("/v1/groups/other", json!({})).await.expect(200, "");
    let other = json!({"amount": "9.00", "category": "promotional"});
    world.admin().post("/v1/groups/other/grants", "spring", other).await.expect(202, "");
    world.catch_up().await;
    assert_eq!(world.account(&ids[3]).await["balance"], "6.00");
}

#[tokio::test]
async fn a_job_that_is_killed_anywhere_is_finished_with_each_member_credited_once() {
    let world = World::start().await;
    let ids = group_of(&world, 230).await;
    let asked = ask(&world, "g-1", json!({"amount": "5.00", "category": "goodwill"})).await.expect(202, "");
    let id: GroupGrantId = asked.json["job"]["id"].as_str().unwrap().parse().unwrap();
    let store = &world.store;
    // Killed in the middle of a page; having credited a page without noting it; having noted one.
    let job = store.group_grant(&id).await.unwrap().unwrap();
    let first: Vec<CustomerId> = store.group_grant_members(&job).take(99).try_collect().await.unwrap();
    assert_eq!(first.len(), 99);
    let record = |id: &GroupGrantId| {
        edge::StreamRecord::about(ChangedItem::GroupGrant(id.clone()), "111000000000000000000001")
    };
    for micros in [0, 1, 700, 5_000, 20_000, 60_000, 90_000] {
        let batch =
            Batch { records: vec![record(&id)], at: world.now(), time_left: Duration::from_micros(micros) };
        grant_group(store.clone(), batch).await;
    }
    world.catch_up().await;
    // Whoever read the job before is told that somebody else carried it on.
    assert_eq!(store.group_grant_done(&job, &first, &[], None).await.unwrap(), None);
    let done = progress(&world, &asked).await;
    assert_eq!((&done["job"]["status"], &done["job"]["credited"]), (&json!("done"), &json!(ids.len())));
    for id in &ids {
        assert_eq!(each(&world.entries(id).await, "amount"), ["5.00"], "{id}");
    }
}

#[tokio::test]
async fn who_cannot_be_credited_is_named_with_the_reason_and_the_others_are() {
    let world = World::start().await;
    let ids = group_of(&world, 5).await;
    world.settings(json!({"balance_limit": {"USD": "10.00"}})).await;
    for id in [&ids[1], &ids[4]] {
        world.granted(id, "8.00", json!({})).await;
    }
    let asked = ask(&world, "g-1", json!({"amount": "5.00", "category": "goodwill"})).await.expect(202, "");
    world.catch_up().await;
    let done = progress(&world, &asked).await;
    assert_eq!((&done["job"]["credited"], &done["job"]["failed"]), (&json!(3), &json!(2)));
    assert_eq!(
        done["failures"],
        json!([
            {"customer": "c001", "code": "balance_limit_exceeded", "detail": "the balance can be at most 10.00"},
            {"customer": "c004", "code": "balance_limit_exceeded", "detail": "the balance can be at most 10.00"},
        ])
    );
    // Page by page.
    let id = asked.json["job"]["id"].as_str().unwrap();
    let first = world.admin().get(&format!("/v1/group-grants/{id}?limit=1")).await.expect(200, "").json;
    assert_eq!(each(first["failures"].as_array().unwrap(), "customer"), ["c001"]);
    let cursor = first["next_cursor"].as_str().unwrap();
    let path = format!("/v1/group-grants/{id}?limit=1&cursor={cursor}");
    let second = world.admin().get(&path).await.expect(200, "").json;
    assert_eq!(each(second["failures"].as_array().unwrap(), "customer"), ["c004"]);
    assert_eq!(second["next_cursor"], Value::Null);
    assert_eq!(world.account("c001").await["balance"], "8.00");
}

#[tokio::test]
async fn a_database_that_fails_for_a_while_delays_a_grant_and_loses_nobody() {
    let world = World::start().await;
    let ids = group_of(&world, 5).await;
    let asked = ask(&world, "g-1", json!({"amount": "5.00", "category": "goodwill"})).await.expect(202, "");
    let id: GroupGrantId = asked.json["job"]["id"].as_str().unwrap().parse().unwrap();
    let record = edge::StreamRecord::about(ChangedItem::GroupGrant(id), "1");
    let batch = Batch { records: vec![record.clone()], at: world.now(), time_left: Duration::from_secs(20) };
    // The answer to a member's write is lost, and lost again.
    for _ in 0..8 {
        world.wire.fault("TransactWriteItems", Fault::LoseAnswer);
    }
    for _ in 0..5 {
        if grant_group(world.store.clone(), batch.clone()).await.is_empty() {
            break;
        }
    }
    world.catch_up().await;
    let done = progress(&world, &asked).await;
    assert_eq!((&done["job"]["status"], &done["job"]["credited"]), (&json!("done"), &json!(5)));
    for id in &ids {
        let entries = world.entries(id).await;
        assert_eq!(each(&entries, "amount"), ["5.00"], "{id}");
        check_ledger(&entries);
    }
}

#[tokio::test]
async fn what_could_credit_nobody_is_refused_at_once() {
    let world = World::start().await;
    group_of(&world, 1).await;
    let admin = world.admin();
    for (body, field) in [
        (json!({"category": "goodwill"}), "amount"),
        (json!({"amount": "0.00", "category": "goodwill"}), "amount"),
        (json!({"amount": "1.001", "category": "goodwill"}), "amount"),
        (json!({"amount": "1.00"}), "category"),
        (json!({"amount": "1.00", "category": "goodwill", "expires": "soon"}), "expires"),
        (json!({"amount": "1.00", "category": "goodwill", "members": 3}), "members"),
    ] {
        let refused = ask(&world, &fresh_key(), body).await.expect(400, "invalid_request");
        assert_eq!(refused.json["errors"][0]["field"], field);
    }
    let past = json!({"amount": "1.00", "category": "goodwill", "expires_on": "2026-01-01"});
    ask(&world, "g-1", past).await.expect(422, "expiry_in_past");
    let good = json!({"amount": "1.00", "category": "goodwill"});
    admin.post("/v1/groups/nobody/grants", "g-1", good.clone()).await.expect(404, "group_not_found");
    let keyless = bytes::Bytes::from(good.to_string());
    admin.send("POST", "/v1/groups/vip/grants", &[], keyless).await.expect(400, "idempotency_key_required");
    // A refusal stores nothing: the same key may succeed later.
    ask(&world, "g-1", good.clone()).await.expect(202, "");
    for id in ["x", "AAAAAAAAAAAAAAAAAAAAAA"] {
        admin.get(&format!("/v1/group-grants/{id}")).await.expect(404, "group_grant_not_found");
    }
    // A group without members is done at once.
    admin.put("/v1/groups/empty", json!({})).await.expect(200, "");
    let asked = admin.post("/v1/groups/empty/grants", "g-1", good).await.expect(202, "");
    world.catch_up().await;
    let done = progress(&world, &asked).await;
    assert_eq!((&done["job"]["status"], &done["job"]["credited"]), (&json!("done"), &json!(0)));
}

#[tokio::test]
async fn whoever_joins_a_group_with_a_joining_grant_is_credited_once() {
    let world = World::start().await;
    let admin = world.admin();
    admin.put("/v1/groups/vip", json!({})).await.expect(200, "");
    join(&world, "vip", "early").await;
    world.catch_up().await;
    let terms =
        json!({"amount": "10.00", "category": "goodwill", "expires_on": "2026-12-31", "note": "welcome"});
    let put = admin.put("/v1/groups/vip", json!({"joining_grant": terms})).await.expect(200, "");
    assert_eq!(
        put.json["joining_grant"],
        json!({"currency": "USD", "amount": "10.00", "category": "goodwill", "expires_on": "2026-12-31", "note": "welcome"})
    );
    assert_eq!(admin.get("/v1/groups/vip").await.json["joining_grant"], put.json["joining_grant"]);
    let changes = admin.get("/v1/settings/changes").await.expect(200, "").json;
    assert_eq!(changes["data"][0]["changes"]["joining_grant"]["new"]["amount"], "10.00");

    join(&world, "vip", "alice").await;
    world.catch_up().await;
    let entries = world.entries("alice").await;
    assert_eq!(each(&entries, "amount"), ["10.00"]);
    assert_eq!(
        (&entries[0]["actor"], &entries[0]["source"], &entries[0]["note"]),
        (&json!({"role": "system", "id": "joining_grant"}), &json!("admin"), &json!("welcome"))
    );
    // Being written again is not joining; nor is what was joined before; and coming back is not coming.
    admin.put("/v1/customers/alice", json!({"group": "vip", "name": "Alice"})).await.expect(200, "");
    admin.put("/v1/customers/early", json!({"group": "vip", "name": "Early"})).await.expect(200, "");
    admin.put("/v1/customers/alice", json!({})).await.expect(200, "");
    join(&world, "vip", "alice").await;
    world.catch_up().await;
    assert_eq!(world.entries("alice").await.len(), 1);
    assert!(world.entries("early").await.is_empty());
    // Another group is another welcome.
    let sum = json!({"amount": "3.00", "category": "goodwill", "currency": "EUR", "expires": "never"});
    admin.put("/v1/groups/gold", json!({"joining_grant": sum})).await.expect(200, "");
    join(&world, "gold", "alice").await;
    world.catch_up().await;
    let accounts = admin.get("/v1/customers/alice").await.expect(200, "").json["accounts"].clone();
    assert_eq!(each(accounts.as_array().unwrap(), "balance"), ["3.00", "10.00"]);
    let spent = json!({"order": order("1", "4.00")});
    world.shop().redeem("alice", &fresh_key(), spent).await.expect(201, "");
    check_ledger(&world.entries("alice").await);

    // Without one again, nobody is.
    admin.put("/v1/groups/vip", json!({"joining_grant": null})).await.expect(200, "");
    join(&world, "vip", "late").await;
    world.catch_up().await;
    assert!(world.entries("late").await.is_empty());
    let wrong = json!({"joining_grant": {"amount": "1.001", "category": "goodwill"}});
    admin.put("/v1/groups/vip", wrong).await.expect(400, "invalid_request");
}
