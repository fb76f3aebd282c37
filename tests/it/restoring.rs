//! The worst has happened, and the table is restored from what was cut between the items of transactions: the auditor names
//! each cut, the repair puts right what follows from the entries, and leaves the rest to a person. `tests/restore-drill` runs
//! it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use ledger::{Currency, CustomerId};
use scrip::{Options, Repairs, Source, Summary};
use serde_json::{Value, json};
use store::Connection;

use crate::{
    auditing::{Items, Raw, audited_export, audited_table, planted, rich},
    support::{
        dice::Dice,
        process::{Folder, binary},
        wire::Fault,
        world::{World, check_ledger, fresh_key, order},
    },
};

/// One call, or what runs behind calls, that can be made again as it was.
#[derive(Clone)]
enum Call {
    /// By the admin, with its key.
    Admin(&'static str, String, String, Value),
    /// By the shop, with its key.
    Shop(String, String, Value),
    /// The schedule.
    Schedule,
    /// A grant to a group, and the work behind it.
    GroupGrant(Value),
    /// A customer joins the group that has a joining grant, and the work behind it.
    Join(&'static str),
}

/// One transaction, and all that was stored before it and after.
struct Step {
    name: &'static str,
    customer: &'static str,
    call: Call,
    before: Vec<Value>,
    after: Vec<Value>,
    /// The customer's accounts after it, as the API tells them.
    accounts: Value,
    at: Timestamp,
}

/// A store that is filled transaction by transaction.
struct Story<'a> {
    world: &'a World,
    steps: Vec<Step>,
}

fn path_of(customer: &str, rest: &str) -> String {
    format!("/v1/customers/{customer}/{rest}")
}

/// Makes a call, again or for the first time, and tells how it was answered.
async fn make(world: &World, call: &Call) -> (u16, Value) {
    let answer = match call {
        Call::Admin(method, path, key, body) => {
            let headers = [("idempotency-key", key.as_str())];
            world.admin().send(method, path, &headers, body.to_string().into()).await
        }
        Call::Shop(path, key, body) => world.shop().post(path, key, body.clone()).await,
        Call::Schedule => {
            world.expire().await;
            return (200, Value::Null);
        }
        Call::GroupGrant(body) => {
            let answer = world.admin().post("/v1/groups/vip/grants", "group", body.clone()).await;
            world.catch_up().await;
            answer
        }
        Call::Join(customer) => {
            let path = format!("/v1/customers/{customer}");
            world.admin().put(&path, json!({})).await.expect(200, "");
            let answer = world.admin().put(&path, json!({"group": "vip"})).await;
            world.catch_up().await;
            answer
        }
    };
    (answer.status, answer.json)
}

impl Story<'_> {
    /// Makes a call that is one transaction of this customer's, and keeps what it changed.
    async fn step(&mut self, name: &'static str, customer: &'static str, call: Call) -> Value {
        let before = Raw::of(self.world).dump();
        let (status, answer) = make(self.world, &call).await;
        assert!(status < 300, "{name}: {status} {answer}");
        let after = Raw::of(self.world).dump();
        let accounts = accounts(self.world, customer).await;
        self.steps.push(Step { name, customer, call, before, after, accounts, at: self.world.now() });
        answer
    }

    async fn shop(&mut self, name: &'static str, customer: &'static str, path: &str, body: Value) -> Value {
        let call = Call::Shop(path_of(customer, path), name.replace(' ', "-"), body);
        self.step(name, customer, call).await
    }

    async fn admin(&mut self, name: &'static str, customer: &'static str, path: &str, body: Value) -> Value {
        let call = Call::Admin("POST", path_of(customer, path), name.replace(' ', "-"), body);
        self.step(name, customer, call).await
    }
}

fn entry_id(answer: &Value) -> String {
    answer["entry"]["id"].as_str().unwrap().to_owned()
}

fn topup_id(answer: &Value) -> String {
    answer["topup"]["id"].as_str().unwrap().to_owned()
}

/// Every kind of transaction that there is, one after another.
async fn story(world: &World) -> Vec<Step> {
    let overdraft = json!({"overdraft_limit": {"USD": "20.00"}, "withdrawal": true, "topup_pending_days": 10,
        "topup_approval": {"manual_above": {"EUR": "10.00"}}});
    world.settings(overdraft).await;
    let group = json!({"joining_grant": {"amount": "3", "category": "promotional"}});
    world.admin().put("/v1/groups/vip", group).await.expect(200, "");
    let mut story = Story { world, steps: Vec::new() };
    let spend = |amount: &str, id: &str| json!({"amount": amount, "order": order(id, "500")});
    let hold = |amount: &str, id: &str| json!({"amount": amount, "hold": true, "ttl_seconds": 900, "order": order(id, "500")});
    let grant = |amount: &str| json!({"amount": amount, "category": "goodwill"});
    let topup = |amount: &str, currency: &str| json!({"amount": amount, "currency": currency, "payment": {"mode": "online", "method": "card"}});

    story.admin("a first grant", "alice", "grants", grant("50")).await;
    let dated = json!({"amount": "20", "category": "promotional", "expires_at": "2026-12-01T00:00:00Z"});
    story.admin("a grant that expires", "alice", "grants", dated).await;
    let redeemed = story.shop("a redemption", "alice", "redemptions", spend("30", "1")).await;
    let (first, second) = (
        story.shop("a hold", "alice", "redemptions", hold("6", "2")).await,
        story.shop("another hold", "alice", "redemptions", hold("5", "3")).await,
    );
    let on = |answer: &Value, what: &str| format!("redemptions/{}/{what}", entry_id(answer));
    story.shop("a capture", "alice", &on(&first, "capture"), json!({"amount": "4"})).await;
    story.shop("a release", "alice", &on(&second, "void"), json!({})).await;
    story.shop("a first refund", "alice", &on(&redeemed, "refund"), json!({"amount": "12"})).await;
    story.shop("a second refund", "alice", &on(&redeemed, "refund"), json!({"amount": "3"})).await;
    let reason = json!({"amount": "1.50", "reason": "a mistake"});
    story.admin("a debit", "alice", "debits", reason).await;
    world.granted("alice", "7", json!({"category": "paid", "expires_on": "2027-06-30"})).await;
    story.shop("a withdrawal", "alice", "withdrawals", json!({"amount": "2.50", "journal": "cash"})).await;
    let lots = world.account("alice").await["lots"].as_array().unwrap().clone();
    let lot = lots.last().unwrap()["id"].as_str().unwrap().to_owned();
    let moved = Call::Admin(
        "PATCH",
        path_of("alice", &format!("lots/{lot}")),
        "moved".to_owned(),
        json!({"expires_on": "2027-01-31"}),
    );
    story.step("an expiry that moves", "alice", moved).await;
    story.admin("a voided lot", "alice", &format!("lots/{lot}/void"), json!({"reason": "void"})).await;

    // Debt, and what settles it.
    world.granted("dora", "10", json!({})).await;
    story.shop("a redemption with debt", "dora", "redemptions", spend("25", "9")).await;
    story.admin("a grant that settles", "dora", "grants", grant("20")).await;

    // Top-ups, of somebody who has no account before.
    story.shop("a first request", "bob", "topups", topup("40", "USD")).await;
    let mut asked = Vec::new();
    for name in ["a request", "another request", "a third request", "a fourth request"] {
        asked.push(topup_id(&story.shop(name, "bob", "topups", topup("10", "USD")).await));
    }
    let path = |at: usize, what: &str| format!("topups/{}/{what}", asked[at]);
    story.admin("an approval", "bob", &path(0, "approve"), json!({})).await;
    story.admin("an approval for less", "bob", &path(1, "approve"), json!({"amount": "8"})).await;
    story.admin("a rejection", "bob", &path(2, "reject"), json!({"reason": "no such payment"})).await;
    story.shop("a cancellation", "bob", &path(3, "cancel"), json!({})).await;
    story.shop("a first credit at once", "carol", "topups", topup("9", "EUR")).await;
    story.shop("a credit at once", "carol", "topups", topup("8", "EUR")).await;

    // Groups, and the work behind them.
    story.step("a joining grant", "erin", Call::Join("erin")).await;
    story.step("a grant to a group", "erin", Call::GroupGrant(grant("1"))).await;

    // What time alone decides: an expiry, a lapse, and then dates for what has none.
    world.set_now("2026-11-30T00:00:00Z");
    world.expire().await;
    world.set_now("2026-12-01T12:00:00Z");
    story.step("an expiry", "alice", Call::Schedule).await;
    world.set_now("2026-12-02T12:00:00Z");
    story.step("a lapse", "bob", Call::Schedule).await;
    world.granted("fred", "5", json!({"category": "import"})).await;
    let reach = json!({"overdraft_limit": {"USD": "20.00"}, "topup_approval": {"manual_above": {"EUR": "10.00"}},
        "expiry_days": {"import": 365}, "apply_to_existing": true});
    world.settings(reach).await;
    story.step("an expiry that reaches back", "fred", Call::Schedule).await;
    story.steps
}

fn key_of(item: &Value) -> (String, String) {
    (item["pk"]["S"].as_str().unwrap().to_owned(), item["sk"]["S"].as_str().unwrap().to_owned())
}

fn by_key(items: &[Value]) -> BTreeMap<(String, String), Value> {
    items.iter().map(|item| (key_of(item), item.clone())).collect()
}

/// What a transaction of the ledger wrote. What was written besides, as a document by which a customer joins a group, is in
/// none, and taken not to have arrived.
fn written(before: &[Value], after: &[Value]) -> Vec<Value> {
    let before = by_key(before);
    let is_new = |item: &&Value| before.get(&key_of(item)) != Some(item);
    let of_ledger = |item: &&Value| ["account", "entry", "top-up", "refunds"].contains(&kind(item));
    after.iter().filter(of_ledger).filter(is_new).cloned().collect()
}

/// What kind of item it is.
fn kind(item: &Value) -> &'static str {
    let sk = item["sk"]["S"].as_str().unwrap();
    if !item["pk"]["S"].as_str().unwrap().starts_with("C#") {
        return "other";
    }
    match sk.split_once('#').map_or(sk, |(kind, _)| kind) {
        "K" if item.get("t").is_some() => "top-up",
        "K" => "entry",
        "A" if sk == "A" => "other",
        "A" => "account",
        "R" => "refunds",
        _ => "other",
    }
}

/// Makes the table hold these items and no others, but for the keys of whoever calls.
fn restore(world: &World, items: &[Value]) {
    let raw = Raw::of(world);
    let (held, wanted) = (by_key(&raw.dump()), by_key(items));
    for (key, item) in &held {
        if !wanted.contains_key(key) && !key.0.starts_with("KEY#") {
            raw.delete(item);
        }
    }
    for (key, item) in &wanted {
        if held.get(key) != Some(item) {
            raw.put(item);
        }
    }
}

/// What the repair says of a table: what was looked at, its repairs, and what is left.
async fn repaired(
    world: &World,
    write: bool,
    roll_back: &[(&str, &str)],
) -> (Summary, Vec<Value>, Vec<Value>) {
    let account = |(customer, currency): &(&str, &str)| -> (CustomerId, Currency) {
        (customer.parse().unwrap(), currency.parse().unwrap())
    };
    let repairs = Repairs { write, roll_back: roll_back.iter().map(account).collect() };
    let connection = Box::new(Connection::local(world.table(), world.database()));
    let folder = Folder::new();
    let options = Options { at: world.now(), scratch: folder.path().to_owned(), max_bucket: None };
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let source = Source::Table { connection, segments: 2 };
    let summary = scrip::repair(&source, &options, &repairs, &mut out, &mut progress).await.unwrap();
    let lines = String::from_utf8(out).unwrap();
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let (repairs, left): (Vec<Value>, Vec<Value>) = lines.partition(|line| line.get("write").is_some());
    assert!(repairs.iter().all(|line| line["written"] == write && line["why"].is_string()), "{repairs:#?}");
    assert!(left.iter().all(|line| line["why"].as_str().is_some_and(|why| !why.is_empty())), "{left:#?}");
    let number = |lines: &[Value]| u64::try_from(lines.len()).unwrap();
    assert_eq!((summary.repairs, summary.findings), (number(&repairs), number(&left)));
    (summary, repairs, left)
}

/// The accounts that are told to be ahead of their entries, or to have approvals without one.
fn to_roll_back(left: &[Value]) -> Vec<(String, String)> {
    let undecided = |line: &&Value| line["code"] == "account_number" || line["code"] == "topup_uncredited";
    let accounts: BTreeSet<(String, String)> = left
        .iter()
        .filter(undecided)
        .map(|line| {
            let text = |member: &str| line[member].as_str().unwrap().to_owned();
            (text("customer"), text("currency"))
        })
        .collect();
    accounts.into_iter().collect()
}

fn borrowed(accounts: &[(String, String)]) -> Vec<(&str, &str)> {
    accounts.iter().map(|(customer, currency)| (customer.as_str(), currency.as_str())).collect()
}

/// What the API tells of a customer's accounts.
async fn accounts(world: &World, customer: &str) -> Value {
    world.admin().get(&format!("/v1/customers/{customer}")).await.json["accounts"].clone()
}

/// All kinds of transactions, and the parts of them that arrived without the rest: all, those that the auditor names, those
/// of which all follows, and those of which somebody has to give something up.
const DRILLED: (usize, [usize; 4]) = (31, [117, 86, 53, 33]);

#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_each_transaction_is_restored_and_repaired() {
    let world = World::start().await;
    let steps = Box::pin(story(&world)).await;
    let mut counts = [0; 4];
    for step in &steps {
        let transaction = written(&step.before, &step.after);
        for part in 0..(1_usize << transaction.len()) - 1 {
            let arrived: Vec<&Value> = (0..transaction.len())
                .filter(|at| part & (1 << at) != 0)
                .map(|at| &transaction[at])
                .collect();
            let restored = World::start().await;
            let decided = Box::pin(drill(&restored, step, &transaction, &arrived)).await;
            let is = [true, !arrived.is_empty(), !arrived.is_empty() && !decided, decided];
            counts.iter_mut().zip(is).for_each(|(count, is)| *count += usize::from(is));
        }
    }
    let [cuts, named, mended, decided] = counts;
    eprintln!(
        "{} transactions, {cuts} parts of them that arrived without the rest; of these the auditor names {named}, and the \
         repair mends {mended} and gives {decided} up where somebody decides so; of the others nothing had arrived",
        steps.len()
    );
    assert_eq!((steps.len(), counts), DRILLED);
}

/// Restores what arrived of a transaction, has it named, repaired and used. Tells whether somebody had to decide.
async fn drill(world: &World, step: &Step, transaction: &[Value], arrived: &[&Value]) -> bool {
    world.set_now(&step.at.to_string());
    let kinds: Vec<&str> = arrived.iter().map(|item| kind(item)).collect();
    let what = format!("{}: {kinds:?} of {:?}", step.name, transaction.iter().map(kind).collect::<Vec<_>>());
    let mut items = by_key(&step.before);
    items.extend(arrived.iter().map(|item| (key_of(item), (*item).clone())));
    let items: Vec<Value> = items.into_values().collect();

    // The auditor names the cut, by the export and by the table that is made of it.
    let (_, by_export) = audited_export(world, &items, None).await;
    restore(world, &items);
    let (_, by_table) = audited_table(world).await;
    for found in [by_export, by_table] {
        assert_eq!(found.is_empty(), arrived.is_empty(), "{what}: {found:#?}");
    }

    // Told alone, nothing is written.
    let stored = by_key(&Raw::of(world).dump());
    let (_, told, told_left) = repaired(world, false, &[]).await;
    assert_eq!(by_key(&Raw::of(world).dump()), stored, "{what}");

    // What follows is written, as was told; what somebody has to decide is left as it is.
    let (_, repairs, left) = repaired(world, true, &[]).await;
    let writes = |lines: &[Value]| lines.iter().map(|line| line["write"].clone()).collect::<Vec<_>>();
    assert_eq!((writes(&told), &told_left), (writes(&repairs), &left), "{what}");
    let has_entry = |kinds: &[&str]| kinds.contains(&"entry");
    let all: Vec<&str> = transaction.iter().map(kind).collect();
    let undecided = has_entry(&all)
        && !has_entry(&kinds)
        && kinds.iter().any(|kind| ["account", "top-up"].contains(kind));
    assert_eq!(left.is_empty(), !undecided, "{what}: {left:#?}");
    let (_, found) = audited_table(world).await;
    assert_eq!(found.is_empty(), left.is_empty(), "{what}: {found:#?}");
    if undecided {
        let accounts = to_roll_back(&left);
        let (_, repairs, left) = repaired(world, true, &borrowed(&accounts)).await;
        assert!(left.is_empty(), "{what}: {left:#?}");
        let given_up = |line: &Value| line["why"].as_str().unwrap().contains("Given up");
        assert!(repairs.iter().any(given_up), "{what}: {repairs:#?}");
    }
    let (_, found) = audited_table(world).await;
    assert_eq!(found, Vec::<Value>::new(), "{what}");
    let (_, repairs, left) = repaired(world, true, &[]).await;
    assert_eq!((repairs, left), (vec![], vec![]), "{what}: once is enough");

    // Whoever has no answer asks again: it was done, or is done now, and once.
    world.skip_stream().await;
    let (status, answer) = make(world, &step.call).await;
    assert!(status < 300 || answer["code"] == "topup_not_pending", "{what}: {status} {answer}");
    if undecided && step.name.ends_with("at once") && answer["topup"]["status"] == "pending" {
        // What the settings approved and was given up waits for somebody.
        let (admin, id) = (world.admin(), topup_id(&answer));
        admin.approve(step.customer, &id, &fresh_key(), json!({})).await.expect(200, "");
    }
    assert_eq!(accounts(world, step.customer).await, step.accounts, "{what}");
    check_ledger(&world.entries(step.customer).await);

    // It is served, and spent from.
    world.granted(step.customer, "30", json!({})).await;
    let spend = json!({"amount": "1", "order": order("after", "500")});
    world.shop().redeem(step.customer, &fresh_key(), spend).await.expect(201, "");
    let proof = world.admin().get(&path_of(step.customer, "verification")).await;
    assert_eq!(proof.json["sound"], true, "{what}: {}", proof.text);
    undecided
}

/// Items of which each is as it was at some moment of a while: an export that takes that long and cuts where it likes.
fn cut(states: &[BTreeMap<(String, String), Value>], dice: &mut Dice) -> Vec<Value> {
    let mut items = Vec::new();
    let keys: BTreeSet<&(String, String)> = states.iter().flat_map(BTreeMap::keys).collect();
    // All others are the same in each run, and so are the cuts.
    for key in keys.into_iter().filter(|(pk, _)| !pk.starts_with("KEY#")) {
        items.extend(dice.of(states).unwrap().get(key).cloned());
    }
    items
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_an_export_cuts_what_is_left_is_named_and_all_else_is_sound() {
    const TRIALS: u32 = 60;
    let world = World::start().await;
    let steps = Box::pin(story(&world)).await;
    let states: Vec<_> = steps
        .iter()
        .map(|step| by_key(&step.before))
        .chain(steps.last().map(|step| by_key(&step.after)))
        .collect();
    let restored = World::start().await;
    let mut dice = Dice::of_seed(33);
    let (mut whole, mut gaps) = (0, 0);
    for trial in 0..TRIALS {
        let length = usize::try_from(2 + dice.roll(4)).unwrap();
        let first = usize::try_from(dice.roll(u32::try_from(states.len() - length).unwrap())).unwrap();
        restored.set_now(&steps[(first + length).min(steps.len()) - 1].at.to_string());
        let items = cut(&states[first..first + length], &mut dice);
        restore(&restored, &items);
        let entries = |items: &[Value]| -> Vec<Value> {
            let mut entries: Vec<Value> =
                items.iter().filter(|item| kind(item) == "entry").cloned().collect();
            entries.sort_by_key(key_of);
            entries
        };
        let (_, _, left) = repaired(&restored, true, &[]).await;
        let (_, _, left) = repaired(&restored, true, &borrowed(&to_roll_back(&left))).await;
        let (_, again, left_again) = repaired(&restored, true, &[]).await;
        assert_eq!((again, &left_again), (vec![], &left), "{trial}");
        let (_, found) = audited_export(&restored, &Raw::of(&restored).dump(), None).await;
        let codes = |lines: &[Value]| -> BTreeSet<String> {
            let of_account = |line: &&Value| line["code"] != "totals_differ";
            lines
                .iter()
                .filter(of_account)
                .map(|line| format!("{} {}", line["customer"], line["code"]))
                .collect()
        };
        assert_eq!(codes(&found), codes(&left), "{trial}");
        // No entry was made up, changed or lost; and a gap between entries is all that keeps an account from being sound.
        assert_eq!(entries(&Raw::of(&restored).dump()), entries(&items), "{trial}");
        let broken: Vec<&Value> = left
            .iter()
            .filter(|line| line["code"] == "entry_missing")
            .map(|line| &line["customer"])
            .collect();
        let others = left.iter().filter(|line| !broken.contains(&&line["customer"]));
        assert_eq!(others.collect::<Vec<_>>(), Vec::<&Value>::new(), "{trial}");
        whole += u32::from(left.is_empty());
        gaps += u32::from(!left.is_empty());
    }
    eprintln!(
        "{TRIALS} cuts at random: {whole} repaired whole, {gaps} with gaps between entries that are named"
    );
    assert!(whole > TRIALS / 3 && gaps > 2, "{whole} {gaps}");
}

/// What was planted and stays, since nothing tells what was there before; all else is repaired.
const STAYS: [&str; 18] = [
    "a changed amount",
    "a deleted entry",
    "a duplicate key",
    "a forged amount with its tail and the account's hash",
    "a forged entry with its tail",
    "a note that was rewritten",
    "a top-up that is gone",
    "a top-up under another key",
    "an entry of somebody else",
    "an expiry under another key",
    "an import that its rows say nothing of",
    "an item of a version to come",
    "an item of no kind",
    "an orphan top-up",
    "swapped entries",
    "swapped numbers",
    "the last entry deleted",
    "what was imported forgotten",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_was_planted_is_repaired_or_left_as_it_is_with_the_reason() {
    let world = rich().await;
    let raw = Raw::of(&world);
    // The lists are brought up first.
    repaired(&world, true, &[]).await;
    let items = Items(raw.dump());
    let mut stays = Vec::new();
    for planted in planted(&items) {
        planted.apply(&raw);
        let spoiled = by_key(&raw.dump());
        let (_, repairs, left) = repaired(&world, true, &[]).await;
        let (_, found) = audited_table(&world).await;
        let what = planted.what;
        assert_eq!(found.is_empty(), left.is_empty(), "{what}: {left:#?} {found:#?}");
        assert!(repairs.len() + left.len() > 0, "{what}");
        // Nobody else is touched, and no entry's content.
        for (key, item) in by_key(&raw.dump()) {
            let before = spoiled.get(&key);
            let of_customer = key.0.ends_with(&format!("#{}", planted.customer));
            assert!(of_customer || before == Some(&item), "{what}: {key:?}");
            assert!(before.is_none_or(|before| before.get("c") == item.get("c")), "{what}: {key:?}");
        }
        if !left.is_empty() {
            stays.push(what);
        }
        restore(&world, &items.0);
    }
    stays.sort_unstable();
    assert_eq!(stays, STAYS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_takes_nothing_from_those_who_write_meanwhile() {
    let world = rich().await;
    let shop = world.shop();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let write = async {
        let mut granted = 0;
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let begun = std::time::Instant::now();
            // An account holds so many lots.
            if granted < 100 {
                world.granted("alice", "1", json!({})).await;
                granted += 1;
            }
            let topup = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
            let asked = shop.request_topup("alice", &fresh_key(), topup).await.expect(201, "");
            shop.cancel("alice", &topup_id(&asked.json)).await.expect(200, "");
            // However slow the machine is, there is time to read all of it in between.
            tokio::time::sleep(4 * begun.elapsed()).await;
        }
        granted
    };
    let mend = async {
        let raw = Raw::of(&world);
        for at in 0..6 {
            // Something is wrong each time: what was refunded is forgotten.
            if at % 2 == 0 {
                raw.dump().iter().filter(|item| kind(item) == "refunds").for_each(|item| raw.delete(item));
            }
            let (_, _, left) = repaired(&world, true, &[]).await;
            assert_eq!(left, Vec::<Value>::new());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    let before = world.entries("alice").await.len();
    let (granted, ()) = tokio::join!(write, mend);
    assert_eq!(world.entries("alice").await.len(), before + granted);
    check_ledger(&world.entries("alice").await);
    let (_, found) = audited_table(&world).await;
    assert_eq!(found, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_is_stopped_anywhere_is_done_by_the_next() {
    let world = rich().await;
    repaired(&world, true, &[]).await;
    let raw = Raw::of(&world);
    let whole = raw.dump();
    // Each customer's accounts are gone, and what was refunded: several transactions, one after another.
    let cut: Vec<Value> =
        whole.iter().filter(|item| !["account", "refunds"].contains(&kind(item))).cloned().collect();
    let folder = Folder::new();
    let options = Options { at: world.now(), scratch: folder.path().to_owned(), max_bucket: None };
    let repairs = Repairs { write: true, ..Repairs::default() };
    let mut stopped = 0;
    for written in 0.. {
        restore(&world, &cut);
        // So many transactions arrive, and the next is refused.
        for _ in 0..written {
            let passes = Arc::new(tokio::sync::Notify::new());
            passes.notify_one();
            world.wire.fault("TransactWriteItems", Fault::Wait(passes));
        }
        world.wire.fault("TransactWriteItems", Fault::error("AccessDeniedException", 400));
        let connection = Box::new(Connection::local(world.table(), &world.wire.endpoint));
        let source = Source::Table { connection, segments: 1 };
        let mut out = Vec::new();
        let done = scrip::repair(&source, &options, &repairs, &mut out, &mut Vec::new()).await;
        let ended = !world.wire.is_spent();
        world.wire.heal();
        assert_eq!(done.is_ok(), ended, "{written}: {done:?}");
        let (_, _, left) = repaired(&world, true, &[]).await;
        assert_eq!((left, audited_table(&world).await.1), (vec![], vec![]), "{written}");
        for customer in ["alice", "bob", "dora"] {
            check_ledger(&world.entries(customer).await);
        }
        if ended {
            break;
        }
        stopped += 1;
    }
    assert!(stopped > 5, "{stopped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_that_were_cut_are_read_and_can_be_written_again() {
    let world = World::start().await;
    let (admin, raw) = (world.admin(), Raw::of(&world));
    world.settings(json!({"withdrawal": true})).await;
    admin.put("/v1/customers/alice", json!({"name": "Alice"})).await.expect(200, "");
    let mail = json!({"sender": "shop@example.com"});
    let hook = json!({"url": "https://erp.example.com/scrip"});
    world.granted("alice", "5", json!({"note": "a note", "expires": "never"})).await;
    let documents = [
        ("PUT", "/v1/settings", json!({"withdrawal": true, "expiry_days": 30, "apply_to_existing": true})),
        ("PUT", "/v1/groups/vip", json!({})),
        ("PUT", "/v1/customers/alice", json!({"name": "Alice", "policy": {"remind_days": [30]}})),
        ("PUT", "/v1/settings/mail", mail),
        ("PUT", "/v1/settings/webhooks/erp", hook),
        ("DELETE", "/v1/customers/alice/personal-data", Value::Null),
    ];
    let mut cuts = 0;
    for (method, path, body) in documents {
        let before = by_key(&raw.dump());
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let written = admin.send(method, path, &[], body.clone().into()).await;
        assert!(written.status < 300, "{}", written.text);
        let after = by_key(&raw.dump());
        let new: Vec<_> = after.iter().filter(|(key, item)| before.get(*key) != Some(*item)).collect();
        assert!(new.len() > 1, "{path}: {new:?}");
        for part in 0..(1_usize << new.len()) - 1 {
            let mut items = before.clone();
            let arrived = (0..new.len()).filter(|at| part & (1 << at) != 0).map(|at| new[at]);
            items.extend(arrived.map(|(key, item)| (key.clone(), item.clone())));
            restore(&world, &items.into_values().collect::<Vec<_>>());
            let (_, _, left) = repaired(&world, true, &[]).await;
            let (_, found) = audited_table(&world).await;
            assert_eq!((left, found), (vec![], vec![]), "{path}");
            let again = admin.send(method, path, &[], body.clone().into()).await;
            assert!(again.status < 300, "{path}: {}", again.text);
            let is_erased = !raw.dump().iter().any(|item| item.to_string().contains("a note"));
            assert_eq!(is_erased, method == "DELETE", "{path}");
            cuts += 1;
        }
        restore(&world, &after.into_values().collect::<Vec<_>>());
    }
    eprintln!("{cuts} parts of what documents and erasures write that arrived without the rest");
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_are_gone_are_told_of_and_their_versions_never_come_again() {
    let world = World::start().await;
    let (admin, raw) = (world.admin(), Raw::of(&world));
    for days in [30, 60, 90] {
        world.settings(json!({"expiry_days": days})).await;
        admin.put("/v1/customers/alice", json!({"policy": {"expiry_days": days}})).await.expect(200, "");
    }
    world.granted("alice", "5", json!({})).await;
    let is_rules = |item: &&Value| {
        let (pk, sk) = key_of(item);
        let (doc, last) = (["SETTINGS", "A"].contains(&&*sk), sk.ends_with("#00000000000000000002"));
        ["STORE", "C#alice"].contains(&&*pk) && (doc || last)
    };
    let gone: Vec<Value> = raw.dump().iter().filter(is_rules).cloned().collect();
    assert_eq!(gone.len(), 4, "{gone:?}");
    gone.iter().for_each(|item| raw.delete(item));

    let (_, found) = audited_table(&world).await;
    let of = |lines: &[Value]| -> Vec<String> {
        let mut told: Vec<String> =
            lines.iter().map(|line| format!("{} {}", line["code"], line["customer"])).collect();
        told.sort();
        told
    };
    let (alice, store) = (r#""rules_missing" "alice""#, r#""rules_missing" null"#);
    assert_eq!(of(&found), [alice, alice, store, store], "{found:#?}");
    let (_, repairs, left) = repaired(&world, true, &[]).await;
    assert_eq!(left, Vec::<Value>::new());
    let items: BTreeSet<&str> = repairs.iter().map(|line| line["item"].as_str().unwrap()).collect();
    for item in
        ["STORE SETTINGS", "STORE CHANGE#00000000000000000002", "C#alice A", "C#alice P#00000000000000000002"]
    {
        assert!(items.contains(item), "{item}: {items:?}");
    }
    assert_eq!(audited_table(&world).await.1, Vec::<Value>::new());
    assert_eq!(repaired(&world, true, &[]).await.1, Vec::<Value>::new(), "once is enough");

    // The next versions are none that an entry names, and what is told of the others is the truth.
    for path in ["/v1/settings", "/v1/customers/alice"] {
        let body = if path == "/v1/settings" { json!({"expiry_days": 7}) } else { json!({"name": "Alice"}) };
        let written = admin.put(path, body).await.expect(200, "");
        assert_eq!(written.json["version"], 5, "{}", written.text);
        let changes = admin.get(&format!("{path}/changes")).await.expect(200, "").json["data"].clone();
        let lines: Vec<(u64, String)> = changes
            .as_array()
            .unwrap()
            .iter()
            .map(|line| (line["version"].as_u64().unwrap(), line["changes"].to_string()))
            .collect();
        assert_eq!(lines.iter().map(|(version, _)| *version).collect::<Vec<_>>(), [5, 4, 3, 2, 1]);
        assert_eq!(lines[1].1, r#"{"document":{"new":"restored"}}"#);
        assert!(lines[2].1.contains("90"), "{}", lines[2].1);
        assert_eq!(lines[3].1, r#"{"document":{"new":"lost"}}"#);
    }
    assert_eq!(audited_table(&world).await.1, Vec::<Value>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_restores_what_an_export_holds() {
    let world = World::start().await;
    world.granted("alice", "50", json!({})).await;
    let at = Raw::of(&world).dump();
    let spend = |amount: &str| json!({"amount": amount, "order": order("1", "500")});
    world.shop().redeem("alice", "r-1", spend("20")).await.expect(201, "");
    world.granted("bob", "10", json!({})).await;
    let after = Raw::of(&world).dump();

    // Of alice's redemption only the account, of bob's grant only the entry.
    let mut items = by_key(&at);
    for item in written(&at, &after) {
        let (pk, kind) = (item["pk"]["S"].clone(), kind(&item));
        if (pk == "C#alice" && kind == "account") || (pk == "C#bob" && kind == "entry") {
            items.insert(key_of(&item), item);
        }
    }
    let folder = Folder::new();
    let export = folder.path().join("export.json");
    let lines: Vec<String> = items.values().map(|item| json!({"Item": item}).to_string()).collect();
    std::fs::write(&export, lines.join("\n")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(binary("scrip"));
        command
            .env_clear()
            .env("TMPDIR", folder.path())
            .args(arguments)
            .args(["--at", &world.now().to_string()]);
        let credentials =
            [("AWS_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")];
        let output = tokio::task::block_in_place(|| command.envs(credentials).output().unwrap());
        let lines = String::from_utf8(output.stdout).unwrap();
        let lines =
            lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
        (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
    };
    let path = export.to_str().unwrap();
    assert_eq!(run(&["audit", "--export", path]).0, 1);

    let restored = World::start().await;
    let exported = std::fs::read_to_string(&export).unwrap();
    let exported = exported.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["Item"].clone());
    restore(&restored, &exported.collect::<Vec<_>>());
    let table = ["--table", restored.table(), "--endpoint", restored.database()];
    let repair = |more: &[&str]| run(&[&["repair"], &table[..], more].concat());

    let (code, told, errors) = repair(&[]);
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("to be repaired, by --write") && errors.contains("1 things left"), "{errors}");
    let (code, written, errors) = repair(&["--write"]);
    assert_eq!(code, 1, "{errors}");
    assert_eq!(told.len(), written.len());
    let left: Vec<&Value> = written.iter().filter(|line| line.get("code").is_some()).collect();
    let [left] = left[..] else { panic!("{left:?}") };
    assert_eq!((&left["customer"], &left["code"]), (&json!("alice"), &json!("account_number")));
    let why = left["why"].as_str().unwrap();
    for told in ["entry 2 is missing", "balance is 30.00, without 50.00", "redeemed 20.00, not 0.00"] {
        assert!(why.contains(told), "{why}");
    }
    assert_eq!(accounts(&restored, "bob").await[0]["balance"], "10.00");
    assert_eq!(accounts(&restored, "alice").await[0]["balance"], "30.00");

    let (code, lines, errors) = repair(&["--write", "--roll-back", "alice:USD", "--roll-back", "bob:USD"]);
    assert_eq!(code, 0, "{lines:?} {errors}");
    assert!(errors.contains("bob:USD has nothing that could be given up"), "{errors}");
    assert!(lines.iter().any(|line| line["why"].as_str().unwrap().contains("Given up")), "{lines:?}");
    assert_eq!(accounts(&restored, "alice").await[0]["balance"], "50.00");
    assert_eq!(run(&[&["audit"], &table[..]].concat()).0, 0);
    assert_eq!(repair(&[]).0, 0);
    restored.shop().redeem("alice", "r-1", spend("20")).await.expect(201, "");

    for wrong in [
        &["repair", "--table", "nowhere", "--endpoint", restored.database()][..],
        &["repair", "--export", path],
        &[&["repair"], &table[..], &["--roll-back", "alice"]].concat(),
    ] {
        let (code, lines, errors) = run(wrong);
        assert_eq!((code, lines.len()), (2, 0), "{errors}");
    }
}
