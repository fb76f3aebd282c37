//! Whether what is stored follows from the entries: by the API, by the auditor, by the function that samples.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use ledger::Hash;
use scrip::{Options, Source, Summary};
use serde_json::{Value, json};
use store::Connection;
use tokio::{runtime::Handle, task::block_in_place};

use crate::support::{
    process::{Folder, scrip},
    world::{World, fresh_key, order},
};

/// The embedded database, spoken to in its own words: past every rule.
pub struct Raw<'a>(&'a World);

impl<'a> Raw<'a> {
    pub fn of(world: &'a World) -> Self {
        Self(world)
    }

    fn ask(&self, operation: &str, mut body: Value) -> Value {
        body["TableName"] = json!(self.0.table());
        block_in_place(|| Handle::current().block_on(self.0.ask(operation, body)))
    }

    /// All items, as an export has them.
    pub fn dump(&self) -> Vec<Value> {
        let mut items = Vec::new();
        let mut start = Value::Null;
        loop {
            let body = if start.is_null() { json!({}) } else { json!({"ExclusiveStartKey": start}) };
            let answer = self.ask("Scan", body);
            items.extend(answer["Items"].as_array().unwrap().iter().cloned());
            start = answer["LastEvaluatedKey"].clone();
            if start.is_null() {
                return items;
            }
        }
    }

    pub fn put(&self, item: &Value) {
        self.ask("PutItem", json!({"Item": item}));
    }

    pub fn delete(&self, item: &Value) {
        self.ask("DeleteItem", json!({"Key": {"pk": item["pk"], "sk": item["sk"]}}));
    }
}

/// An honest store with all that there can be in it.
pub async fn rich() -> World {
    let world = World::start().await;
    world
        .settings(json!({"overdraft_limit": {"USD": "20.00"}, "withdrawal": true, "refund_grace_days": 30,
            "topup_approval": {"manual_above": {"EUR": "10.00"}}, "topup_pending_days": 10}))
        .await;
    let (admin, shop) = (world.admin(), world.shop());
    admin
        .put("/v1/groups/vip", json!({"joining_grant": {"amount": "3", "category": "promotional"}}))
        .await
        .expect(200, "");
    for (customer, group) in [("alice", json!("vip")), ("bob", Value::Null), ("carol", json!("vip"))] {
        let document = json!({"name": format!("{customer} of Test"), "email": format!("{customer}@example.com"), "group": group});
        admin.put(&format!("/v1/customers/{customer}"), document).await.expect(200, "");
    }
    world.catch_up().await;
    // Lots of all kinds, spent, held, given back, taken.
    for (amount, more) in [
        ("50", json!({"category": "refund", "note": "a note", "internal_note": "between us"})),
        ("20", json!({"category": "promotional", "expires_at": "2026-12-01T00:00:00Z"})),
        ("30", json!({"category": "paid", "expires": "never"})),
        ("7", json!({"category": "import", "expires_on": "2027-06-30"})),
        ("40", json!({"currency": "EUR"})),
    ] {
        world.granted("alice", amount, more).await;
    }
    let redeemed =
        shop.redeem("alice", "r-1", json!({"amount": "60", "order": order("1", "60")})).await.expect(201, "");
    let redeemed = redeemed.json["entry"]["id"].as_str().unwrap().to_owned();
    let hold = |amount: &str, id: &str, ttl: u32| json!({"amount": amount, "hold": true, "ttl_seconds": ttl, "order": order(id, "500")});
    let mut holds = Vec::new();
    for (at, (amount, ttl)) in [("10", 900), ("5", 900), ("4", 30), ("2", 604_800)].into_iter().enumerate() {
        let answer = shop
            .redeem("alice", &format!("h-{at}"), hold(amount, &format!("h-{at}"), ttl))
            .await
            .expect(201, "");
        holds.push(answer.json["entry"]["id"].as_str().unwrap().to_owned());
    }
    let on = |of: &str, what: &str| format!("/v1/customers/alice/redemptions/{of}/{what}");
    shop.post(&on(&holds[0], "capture"), "c-1", json!({"amount": "6"})).await.expect(201, "");
    shop.post(&on(&holds[1], "void"), "v-1", json!({})).await.expect(201, "");
    shop.post(&on(&redeemed, "refund"), "f-1", json!({"amount": "12"})).await.expect(201, "");
    admin
        .post("/v1/customers/alice/debits", "d-1", json!({"amount": "1.50", "reason": "a mistake"}))
        .await
        .expect(201, "");
    shop.post("/v1/customers/alice/withdrawals", "w-1", json!({"amount": "2.50", "journal": "cash"}))
        .await
        .expect(201, "");
    let accounts = admin.get("/v1/customers/alice").await.json["accounts"].clone();
    let lots = accounts[1]["lots"].as_array().unwrap().clone();
    let lot = |category: &str| {
        lots.iter().rfind(|lot| lot["category"] == category).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let import = lot("import");
    let moved = json!({"expires_on": "2027-01-31"}).to_string();
    let headers = [("idempotency-key", "m-1")];
    admin
        .send("PATCH", &format!("/v1/customers/alice/lots/{import}"), &headers, moved.into())
        .await
        .expect(201, "");
    admin
        .post(&format!("/v1/customers/alice/lots/{import}/void"), "x-1", json!({"reason": "void"}))
        .await
        .expect(201, "");
    // Top-ups: approved at once, approved for less, rejected, cancelled, lapsed, waiting.
    let topup = |amount: &str, currency: &str| json!({"amount": amount, "currency": currency, "payment": {"mode": "online", "method": "card"}});
    shop.request_topup("bob", "t-0", topup("9", "EUR")).await.expect(201, "");
    let mut asked = Vec::new();
    for at in 1..=5 {
        let answer = shop
            .request_topup("bob", &format!("t-{at}"), topup(&format!("{at}0"), "USD"))
            .await
            .expect(201, "");
        asked.push(answer.json["topup"]["id"].as_str().unwrap().to_owned());
    }
    admin.approve("bob", &asked[0], "a-1", json!({"amount": "8"})).await.expect(200, "");
    admin.approve("bob", &asked[1], "a-2", json!({})).await.expect(200, "");
    admin.reject("bob", &asked[2], "no such payment").await.expect(200, "");
    shop.cancel("bob", &asked[3]).await.expect(200, "");
    // Time passes: something expires, a top-up lapses, and what comes back is a new lot.
    world.pass(SignedDuration::from_hours(24 * 11));
    world.expire().await;
    shop.post(&on(&redeemed, "refund"), "f-2", json!({})).await.expect(201, "");
    shop.request_topup("bob", "t-6", topup("35", "USD")).await.expect(201, "");
    shop.request_topup("carol", "t-7", topup("70", "USD")).await.expect(201, "");
    shop.redeem("alice", "h-9", hold("1", "h-9", 604_800)).await.expect(201, "");
    // Debt, and what settles it.
    world.granted("dora", "10", json!({"expires_on": "2027-03-31"})).await;
    shop.redeem("dora", "o-1", json!({"amount": "25", "order": order("9", "25")})).await.expect(201, "");
    world.granted("dora", "5", json!({})).await;
    let grants = json!({"amount": "1", "category": "goodwill"});
    admin.post("/v1/groups/vip/grants", "all", grants).await.expect(202, "");
    world.catch_up().await;
    admin.delete("/v1/customers/carol/personal-data").await.expect(204, "");
    let settings =
        json!({"expiry_days": 365, "apply_to_existing": true, "overdraft_limit": {"USD": "20.00"}});
    world.settings(settings).await;
    world.expire().await;
    world.catch_up().await;
    // What another system kept, in two files.
    for (id, amount) in [("1", 700), ("2", 900), ("3", -1_000)] {
        world.imported("alice", id, &format!("2026-01-0{id}T00:00:00Z"), amount).await;
    }
    world.catch_up().await;
    // An account that the lists do not know in its newest state yet.
    world.granted("erin", "2", json!({})).await;
    world.catch_up().await;
    world.granted("erin", "3", json!({})).await;
    world
}

async fn verified(world: &World, customer: &str) -> Value {
    world.admin().get(&format!("/v1/customers/{customer}/verification")).await.expect(200, "").json
}

/// The codes of what the API finds.
fn codes(answer: &Value) -> Vec<String> {
    let of = |findings: &Value| -> Vec<String> {
        findings.as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap().to_owned()).collect()
    };
    let accounts = answer["accounts"].as_array().unwrap().iter();
    let mut all: Vec<String> = accounts.flat_map(|account| of(&account["findings"])).collect();
    all.extend(of(&answer["findings"]));
    all
}

const CUSTOMERS: [&str; 5] = ["alice", "bob", "carol", "dora", "erin"];

#[tokio::test(flavor = "multi_thread")]
async fn an_honest_store_is_sound() {
    let world = rich().await;
    let mut kinds = std::collections::BTreeSet::new();
    let (mut accounts, mut all) = (0, 0);
    for customer in CUSTOMERS {
        let answer = verified(&world, customer).await;
        assert_eq!(answer["sound"], true, "{answer:#}");
        accounts += answer["accounts"].as_array().unwrap().len();
        let entries = world.entries(customer).await;
        all += entries.len();
        kinds.extend(entries.iter().map(|entry| entry["type"].as_str().unwrap().to_owned()));
        for account in answer["accounts"].as_array().unwrap() {
            let currency = account["currency"].as_str().unwrap();
            let own: Vec<&Value> = entries.iter().filter(|entry| entry["currency"] == currency).collect();
            assert_eq!(account["entries"].as_u64().unwrap(), u64::try_from(own.len()).unwrap());
            assert_eq!(own.last().map(|entry| &entry["hash"]), Some(&account["hash"]));
        }
    }
    assert_eq!(kinds.len(), ledger::EntryType::ALL.len(), "{kinds:?}");
    let items = Raw::of(&world).dump();
    // Files of a kilobyte have to be sorted again and again, and one customer's is larger still.
    for (summary, lines) in [
        audited_table(&world).await,
        audited_export(&world, &items, None).await,
        audited_export(&world, &items, Some(1_024)).await,
    ] {
        let number = |of: usize| u64::try_from(of).unwrap();
        assert_eq!(lines, Vec::<Value>::new());
        let seen = (summary.items, summary.customers, summary.accounts, summary.entries, summary.findings);
        assert_eq!(seen, (number(items.len()), 5, number(accounts), number(all), 0));
    }
    world.admin().get("/v1/customers/nobody/verification").await.expect(404, "customer_not_found");
}

/// What was planted: in words, whose, the code that it has to be found by, and what to put and delete.
pub struct Planted {
    pub what: &'static str,
    pub customer: &'static str,
    code: &'static str,
    /// Whether it concerns the customer's accounts, so that the API finds it.
    by_api: bool,
    put: Vec<Value>,
    delete: Vec<Value>,
}

/// The items of an honest store, to be spoiled.
pub struct Items(pub Vec<Value>);

impl Items {
    fn of(&self, pk: &str, sk: &str) -> Value {
        let found = self.0.iter().find(|item| item["pk"]["S"] == pk && item["sk"]["S"] == sk);
        found.unwrap_or_else(|| panic!("{pk} {sk}")).clone()
    }

    fn entry(&self, customer: &str, number: u64) -> Value {
        let n = format!("E#USD#{number:012}");
        let pk = format!("C#{customer}");
        self.0.iter().find(|item| item["pk"]["S"] == pk && item["n"]["S"] == n).unwrap().clone()
    }

    fn entries(&self, customer: &str) -> Vec<Value> {
        let mut found = BTreeMap::new();
        for item in self.0.iter().filter(|item| item["pk"]["S"] == format!("C#{customer}")) {
            let n = item["n"]["S"].as_str().unwrap_or("");
            if n.starts_with("E#USD#") {
                found.insert(n.to_owned(), item.clone());
            }
        }
        found.into_values().collect()
    }

    fn topup(&self, customer: &str, status: &str) -> Value {
        let pk = format!("C#{customer}");
        let said = format!("\"status\":\"{status}\"");
        let of = |item: &&Value| {
            item["pk"]["S"] == pk && item["t"]["S"].as_str().is_some_and(|t| t.contains(&said))
        };
        self.0.iter().find(of).unwrap().clone()
    }
}

/// The entry with this in its content instead, and the hash of that.
fn rewritten(entry: &Value, change: impl Fn(&mut Value)) -> Value {
    let mut content: Value = serde_json::from_str(entry["c"]["S"].as_str().unwrap()).unwrap();
    change(&mut content);
    // The keys stay in their order, since there are no others.
    let content = content.to_string();
    let mut entry = entry.clone();
    entry["h"]["B"] = json!(STANDARD.encode(Hash::of(content.as_bytes()).0));
    entry["c"]["S"] = json!(content);
    entry
}

fn hash_of(entry: &Value) -> String {
    Hash(STANDARD.decode(entry["h"]["B"].as_str().unwrap()).unwrap().try_into().unwrap()).to_string()
}

fn with(item: &Value, name: &str, value: Value) -> Value {
    let mut item = item.clone();
    item[name] = value;
    item
}

/// Everything that somebody who can write to the table might do to it.
pub fn planted(items: &Items) -> Vec<Planted> {
    let mut all = Vec::new();
    let mut plant = |what, customer, code, by_api, put: Vec<Value>, delete: Vec<Value>| {
        all.push(Planted { what, customer, code, by_api, put, delete });
    };
    let account = items.of("C#alice", "A#USD");
    let entries = items.entries("alice");
    let (third, fourth) = (items.entry("alice", 3), items.entry("alice", 4));

    let raised = third["c"]["S"].as_str().unwrap().replace(r#""amount":"20.00""#, r#""amount":"90.00""#);
    assert_ne!(third["c"]["S"], raised);
    plant(
        "a changed amount",
        "alice",
        "hash_mismatch",
        true,
        vec![with(&third, "c", json!({"S": raised}))],
        vec![],
    );
    plant("a deleted entry", "alice", "entry_missing", true, vec![], vec![fourth.clone()]);
    plant(
        "the last entry deleted",
        "alice",
        "account_number",
        true,
        vec![],
        vec![entries.last().unwrap().clone()],
    );
    let swap = |from: &Value, to: &Value| with(&with(to, "c", from["c"].clone()), "h", from["h"].clone());
    plant(
        "swapped entries",
        "alice",
        "index_drift",
        true,
        vec![swap(&third, &fourth), swap(&fourth, &third)],
        vec![],
    );
    plant(
        "swapped numbers",
        "alice",
        "entry_missing",
        true,
        vec![with(&third, "n", fourth["n"].clone()), with(&fourth, "n", third["n"].clone())],
        vec![],
    );

    // From one entry on everything is written anew, hash by hash: all that it does not reach is the account.
    let mut forged = Vec::new();
    let mut prev = None;
    for entry in entries.iter().skip(2) {
        let next = rewritten(entry, |content| {
            if let Some(prev) = &prev {
                content["prev"] = json!(prev);
            } else {
                content["reference"] = json!("forged");
            }
        });
        prev = Some(hash_of(&next));
        forged.push(next);
    }
    plant("a forged entry with its tail", "alice", "account_hash", true, forged.clone(), vec![]);
    // Even with the account: what an amount changes does not add up.
    let mut richer = Vec::new();
    let mut prev = None;
    for (at, entry) in entries.iter().enumerate().skip(2) {
        let next = rewritten(entry, |content| {
            if let Some(prev) = &prev {
                content["prev"] = json!(prev);
            }
            if at == 2 {
                content["amount"] = json!("90.00");
            }
        });
        prev = Some(hash_of(&next));
        richer.push(next);
    }
    let head = richer.last().unwrap()["h"].clone();
    richer.push(with(&account, "h", head));
    plant(
        "a forged amount with its tail and the account's hash",
        "alice",
        "entry_amount",
        true,
        richer,
        vec![],
    );

    let mut lots = STANDARD.decode(account["lots"]["B"].as_str().unwrap()).unwrap();
    // What is left of the last lot is the last number: its lowest bits are in its first byte, where it has two or more.
    let end = lots.len();
    let low = (0..end).rev().skip(1).find(|at| lots[*at] & 0x80 != 0 && lots[*at + 1] & 0x80 == 0);
    lots[low.unwrap()] ^= 0x02;
    plant(
        "lot drift",
        "alice",
        "account_lots",
        true,
        vec![with(&account, "lots", json!({"B": STANDARD.encode(&lots)}))],
        vec![],
    );
    plant(
        "a debt that is not owed",
        "alice",
        "account_debt",
        true,
        vec![with(&account, "debt", json!({"N": "100"}))],
        vec![],
    );
    let mut life = account["life"].clone();
    life["L"][2]["N"] = json!("1");
    plant("totals that drifted", "alice", "account_totals", true, vec![with(&account, "life", life)], vec![]);
    plant(
        "a hold that is gone",
        "alice",
        "account_holds",
        true,
        vec![{
            let mut account = account.clone();
            account.as_object_mut().unwrap().remove("holds");
            account
        }],
        vec![],
    );
    plant(
        "an account that went back",
        "alice",
        "account_number",
        true,
        vec![with(&account, "num", json!({"N": (entries.len() - 1).to_string()}))],
        vec![],
    );
    plant("an account that is gone", "alice", "account_missing", true, vec![], vec![account.clone()]);
    plant(
        "a duplicate key",
        "alice",
        "entry_repeated",
        true,
        vec![with(&third, "sk", json!({"S": "K#AAAAAAAAAAAAAAAAAAAAAA"}))],
        vec![],
    );
    plant(
        "an entry of somebody else",
        "dora",
        "entry_account",
        true,
        vec![with(&third, "pk", json!({"S": "C#dora"}))],
        vec![],
    );
    plant(
        "a note that was rewritten",
        "alice",
        "text_altered",
        true,
        {
            let first = entries.iter().find(|entry| entry.get("note").is_some()).unwrap();
            let note = first["note"]["S"].as_str().unwrap().replace("a note", "a vote");
            vec![with(first, "note", json!({"S": note}))]
        },
        vec![],
    );

    plant(
        "index drift of an account",
        "alice",
        "index_drift",
        true,
        vec![with(&account, "lk", json!({"S": "alicia"}))],
        vec![],
    );
    plant(
        "an expiry that is looked at too late",
        "erin",
        "account_expiry",
        true,
        vec![with(&items.of("C#erin", "A#USD"), "wk", json!({"S": "004102444800000"}))],
        vec![],
    );
    let expired = entries
        .iter()
        .find(|entry| entry["c"]["S"].as_str().unwrap().contains(r#""type":"expire","#))
        .unwrap();
    plant(
        "an expiry under another key",
        "alice",
        "key_drift",
        true,
        vec![with(expired, "sk", json!({"S": "K#BBBBBBBBBBBBBBBBBBBBBB"}))],
        vec![expired.clone()],
    );

    let approved = items.topup("bob", "approved");
    let of_usd = |item: &&Value| {
        item["pk"]["S"] == "C#bob"
            && item["t"]["S"]
                .as_str()
                .is_some_and(|t| t.contains(r#""status":"approved""#) && t.contains("USD-"))
    };
    let credited = items.0.iter().find(of_usd).unwrap().clone();
    plant("a top-up that is gone", "bob", "topup_missing", true, vec![], vec![credited.clone()]);
    let pending = items.topup("bob", "pending");
    let text = pending["t"]["S"].as_str().unwrap();
    let orphan = text.replace(r#""status":"pending""#, r#""status":"approved""#);
    plant(
        "an orphan top-up",
        "bob",
        "topup_uncredited",
        true,
        vec![with(&pending, "t", json!({"S": orphan}))],
        vec![],
    );
    let less = credited["t"]["S"].as_str().unwrap().replace(r#""credited":["8.00""#, r#""credited":["7.00""#);
    let less = less.replace(r#""credited":["20.00""#, r#""credited":["19.00""#);
    plant(
        "a top-up that says another amount",
        "bob",
        "topup_differs",
        true,
        vec![with(&credited, "t", json!({"S": less}))],
        vec![],
    );
    plant(
        "a top-up that waits unlisted",
        "bob",
        "index_drift",
        true,
        vec![{
            let mut pending = pending.clone();
            pending.as_object_mut().unwrap().remove("wq");
            pending.as_object_mut().unwrap().remove("wk");
            pending
        }],
        vec![],
    );
    plant(
        "a pending sum that drifted",
        "bob",
        "account_pending",
        true,
        vec![with(&items.of("C#bob", "A#USD"), "pend", json!({"N": "1"}))],
        vec![],
    );
    plant(
        "a top-up under another key",
        "bob",
        "key_drift",
        true,
        vec![with(&approved, "sk", json!({"S": "K#CCCCCCCCCCCCCCCCCCCCCC"}))],
        vec![approved.clone()],
    );

    let refunds = items
        .0
        .iter()
        .find(|item| item["pk"]["S"] == "C#alice" && item["sk"]["S"].as_str().unwrap().starts_with("R#"));
    let refunds = refunds.unwrap();
    plant(
        "a refund that can be had again",
        "alice",
        "refunds_differ",
        true,
        vec![with(refunds, "refunded", json!({"N": "100"}))],
        vec![],
    );
    let imports = items.of("C#alice", "I");
    plant("what was imported forgotten", "alice", "imports_differ", true, vec![], vec![imports.clone()]);
    let mut fewer = imports.clone();
    fewer["entries"]["M"]["USD"]["N"] = json!("2");
    plant("an import that its rows say nothing of", "alice", "imports_differ", true, vec![fewer], vec![]);
    let document = items.of("C#alice", "A");
    plant("a document that is gone", "alice", "rules_missing", true, vec![], vec![document.clone()]);
    plant(
        "a document of before",
        "alice",
        "rules_missing",
        true,
        vec![with(&document, "version", json!({"N": "0"}))],
        vec![],
    );
    let change = items.of("C#alice", "P#00000000000000000001");
    plant("a document's change forgotten", "alice", "rules_missing", false, vec![], vec![change]);
    plant("what was refunded forgotten", "alice", "refunds_differ", true, vec![], vec![refunds.clone()]);
    let listed = items.of("LIST#dora", "USD");
    plant(
        "list drift",
        "dora",
        "list_drift",
        true,
        vec![with(&listed, "lk", json!({"S": "99999999999999999999\ndora"}))],
        vec![],
    );
    plant(
        "an item of a version to come",
        "alice",
        "unreadable",
        true,
        vec![with(&third, "v", json!({"N": "2"}))],
        vec![],
    );
    plant(
        "an item of no kind",
        "alice",
        "unknown_item",
        false,
        vec![json!({"pk": {"S": "C#alice"}, "sk": {"S": "Z#1"}})],
        vec![],
    );
    plant(
        "an entry out of its index",
        "alice",
        "index_drift",
        false,
        vec![{
            let mut entry = third.clone();
            entry.as_object_mut().unwrap().remove("n");
            entry
        }],
        vec![],
    );
    plant(
        "an entry in a list of work",
        "alice",
        "index_drift",
        false,
        vec![with(&with(&third, "wq", json!({"S": "EXPIRY#00"})), "wk", json!({"S": "000000000000000"}))],
        vec![],
    );
    plant(
        "a redemption's refunds in a list",
        "alice",
        "index_drift",
        true,
        vec![with(&with(refunds, "lq", json!({"S": "NAME"})), "lk", json!({"S": "a"}))],
        vec![],
    );
    all
}

/// Everything that the auditor says of this.
async fn audited(world: &World, source: Source, max_bucket: Option<u64>) -> (Summary, Vec<Value>) {
    let folder = Folder::new();
    let options = Options { at: world.now(), scratch: folder.path().to_owned(), max_bucket };
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let summary = scrip::audit(&source, &options, &mut out, &mut progress).await.unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "what it wrote is gone");
    let lines: Vec<Value> =
        String::from_utf8(out).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(summary.findings, u64::try_from(lines.len()).unwrap());
    (summary, lines)
}

pub async fn audited_table(world: &World) -> (Summary, Vec<Value>) {
    let connection = Box::new(Connection::local(world.table(), world.database()));
    audited(world, Source::Table { connection, segments: 3 }, None).await
}

/// As an export of two files has it, which part no customer's items from each other in any order.
pub async fn audited_export(
    world: &World,
    items: &[Value],
    max_bucket: Option<u64>,
) -> (Summary, Vec<Value>) {
    let folder = Folder::new();
    let mut lines: Vec<String> = items.iter().map(|item| json!({"Item": item}).to_string()).collect();
    lines.sort_by_key(|line| Hash::of(line.as_bytes()).to_string());
    let (one, other) = lines.split_at(lines.len() / 2);
    let files = [("one", one), ("other", other)].map(|(name, lines)| {
        let file = folder.path().join(name);
        std::fs::write(&file, lines.join("\n")).unwrap();
        file
    });
    audited(world, Source::Export(files.to_vec()), max_bucket).await
}

/// How many of [`planted`] there are, and of them those that the API tells of.
const PLANTED: (usize, usize) = (38, 34);

impl Planted {
    pub fn apply(&self, raw: &Raw<'_>) {
        self.delete.iter().for_each(|item| raw.delete(item));
        self.put.iter().for_each(|item| raw.put(item));
    }

    fn undo(&self, raw: &Raw<'_>, items: &Items) {
        self.put.iter().for_each(|item| raw.delete(item));
        for item in self.put.iter().chain(&self.delete) {
            let before =
                items.0.iter().find(|before| before["pk"] == item["pk"] && before["sk"] == item["sk"]);
            if let Some(before) = before {
                raw.put(before);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_finds_each_of_what_was_planted() {
    let world = rich().await;
    let raw = Raw::of(&world);
    let items = Items(raw.dump());
    let all = planted(&items);
    let mut found = 0;
    for planted in all.iter().filter(|planted| planted.by_api) {
        planted.apply(&raw);
        let answer = verified(&world, planted.customer).await;
        let codes = codes(&answer);
        assert!(codes.iter().any(|code| code == planted.code), "{}: {answer:#}", planted.what);
        assert_eq!(answer["sound"], false);
        planted.undo(&raw, &items);
        let after = verified(&world, planted.customer).await;
        assert_eq!(after["sound"], true, "{} is undone: {after:#}", planted.what);
        found += 1;
    }
    assert_eq!((all.len(), found), PLANTED);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auditor_finds_each_of_what_was_planted() {
    let world = rich().await;
    let raw = Raw::of(&world);
    let items = Items(raw.dump());
    let all = planted(&items);
    let (mut by_table, mut by_export) = (0, 0);
    for planted in &all {
        planted.apply(&raw);
        let spoiled = raw.dump();
        for (how, (_, lines)) in
            [("table", audited_table(&world).await), ("export", audited_export(&world, &spoiled, None).await)]
        {
            let told =
                lines.iter().any(|line| line["code"] == planted.code && line["customer"] == planted.customer);
            assert!(told, "{} by {how}: {lines:#?}", planted.what);
            // Nobody else is accused.
            let others = lines
                .iter()
                .filter(|line| line["customer"] != planted.customer && !line["customer"].is_null());
            assert_eq!(others.collect::<Vec<_>>(), Vec::<&Value>::new(), "{} by {how}", planted.what);
            *(if how == "table" { &mut by_table } else { &mut by_export }) += 1;
        }
        planted.undo(&raw, &items);
    }
    assert_eq!((by_table, by_export), (PLANTED.0, PLANTED.0));
    let (summary, lines) = audited_table(&world).await;
    assert_eq!(summary.findings, 0, "{lines:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_auditor_finds_what_no_one_account_shows() {
    let world = rich().await;
    let raw = Raw::of(&world);
    let items = raw.dump();
    let codes = |lines: &[Value]| -> Vec<String> {
        lines.iter().map(|line| line["code"].as_str().unwrap().to_owned()).collect()
    };
    // The same item twice, as two exports that were mixed have it.
    let mut twice = items.clone();
    let settings =
        items.iter().find(|item| item["pk"]["S"] == "C#alice" && item["sk"]["S"] == "A#USD").unwrap();
    twice.push(settings.clone());
    assert!(codes(&audited_export(&world, &twice, None).await.1).contains(&"item_repeated".to_owned()));
    // A partition of nobody.
    let mut more = items.clone();
    more.push(json!({"pk": {"S": "SHOP#1"}, "sk": {"S": "A"}, "v": {"N": "1"}}));
    assert_eq!(codes(&audited_export(&world, &more, None).await.1), ["unknown_item"]);
    // The store's rules, and what was changed in them.
    let without = |sks: &[&str]| -> Vec<Value> {
        let is_out =
            |item: &&Value| item["pk"]["S"] == "STORE" && sks.contains(&item["sk"]["S"].as_str().unwrap());
        items.iter().filter(|item| !is_out(item)).cloned().collect()
    };
    let changes: Vec<&str> = items
        .iter()
        .filter_map(|item| item["sk"]["S"].as_str().filter(|sk| sk.starts_with("CHANGE#")))
        .collect();
    assert_eq!(changes.len(), 3, "the settings, a group, the settings again");
    let rules = async |sks: &[&str]| -> Vec<String> {
        let (_, lines) = audited_export(&world, &without(sks), None).await;
        let missing = |line: &Value| line["code"] == "rules_missing" && line["customer"].is_null();
        assert!(lines.iter().all(missing), "{lines:#?}");
        lines.iter().map(|line| line["detail"].as_str().unwrap().to_owned()).collect()
    };
    let at_none = "version 0 of the settings is there, and entries were decided by version 3";
    assert_eq!(rules(&["SETTINGS"]).await, [at_none]);
    let untold =
        |first, last| format!("nothing tells what versions {first} to {last} of the settings changed");
    let sk = |version: u64| format!("CHANGE#{version:020}");
    assert_eq!(rules(&[&sk(2)]).await, [untold(2, 2)]);
    assert_eq!(rules(&[&sk(1), &sk(3)]).await, [untold(1, 1), untold(3, 3)]);
    assert_eq!(rules(&["SETTINGS", &sk(1), &sk(2), &sk(3)]).await, [at_none.to_owned(), untold(1, 3)]);
    // Of a table they are read once more, so that what is written meanwhile is no finding.
    let line = items.iter().find(|item| item["sk"]["S"] == sk(2)).unwrap();
    raw.delete(line);
    let (_, lines) = audited_table(&world).await;
    assert_eq!(lines.iter().map(|line| &line["detail"]).collect::<Vec<_>>(), [&json!(untold(2, 2))]);
    raw.put(line);
    assert_eq!(audited_table(&world).await.1, Vec::<Value>::new());
    // A balance that came from nowhere shows in the totals as well.
    let mut richer = items.clone();
    let account =
        richer.iter_mut().find(|item| item["pk"]["S"] == "C#dora" && item["sk"]["S"] == "A#USD").unwrap();
    account["debt"]["N"] = json!("1");
    let found = codes(&audited_export(&world, &richer, None).await.1);
    assert!(
        found.contains(&"totals_differ".to_owned()) && found.contains(&"account_balance".to_owned()),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_while_the_auditor_reads_is_no_finding() {
    let world = rich().await;
    let shop = world.shop();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let mut dice = crate::support::dice::Dice::of_seed(30);
    let write = async {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            for customer in ["alice", "erin", "fred"] {
                world.granted(customer, "1", json!({})).await;
                let topup = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
                let asked = shop.request_topup(customer, &fresh_key(), topup).await.expect(201, "");
                let id = asked.json["topup"]["id"].as_str().unwrap().to_owned();
                shop.cancel(customer, &id).await.expect(200, "");
                // Decided by newer rules each time.
                let name = json!({"name": fresh_key()});
                world.admin().put(&format!("/v1/customers/{customer}"), name).await.expect(200, "");
                world.settings(json!({"remind_days": [dice.roll(99) + 1]})).await;
            }
        }
    };
    let audit = async {
        for _ in 0..20 {
            let (_, lines) = audited_table(&world).await;
            assert_eq!(lines, Vec::<Value>::new());
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    };
    tokio::join!(write, audit);
}

/// One run of the function that samples.
async fn sampled(world: &World) -> audit::Audited {
    let time_left = std::time::Duration::from_secs(60);
    audit::audit(world.store.clone(), edge::Event { at: world.now(), time_left }).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_audit_comes_to_all_and_goes_on_where_it_stopped() {
    let world = rich().await;
    let raw = Raw::of(&world);
    let items = Items(raw.dump());
    let job = |items: Vec<Value>| items.into_iter().find(|item| item["pk"]["S"] == "JOB#AUDIT");
    assert_eq!(job(raw.dump()), None);
    let first = sampled(&world).await;
    assert_eq!(
        (first.customers, first.findings, first.finished_round, first.interrupted),
        (5, 0, true, false)
    );
    let spoiled = items.entry("alice", 3);
    raw.put(&with(
        &spoiled,
        "c",
        json!({"S": spoiled["c"]["S"].as_str().unwrap().replace("20.00", "90.00")}),
    ));
    let second = sampled(&world).await;
    assert_eq!((second.customers, second.finished_round), (5, true));
    assert!(second.findings >= 1, "{second:?}");

    // A number that is too large for one run is believed only where its entry is there.
    let account = items.of("C#dora", "A#USD");
    raw.put(&with(&account, "num", json!({"N": "900000000"})));
    let third = sampled(&world).await;
    assert_eq!((third.customers, third.passed_over), (5, 0));
    assert!(third.findings > second.findings, "{third:?}");
    raw.put(&account);

    // No time: nothing is looked at, and nothing is noted.
    let before = job(raw.dump());
    let event = edge::Event { at: world.now(), time_left: std::time::Duration::ZERO };
    let hasty = audit::audit(world.store.clone(), event).await.unwrap();
    assert_eq!((hasty.interrupted, hasty.finished_round), (true, false));
    assert_eq!(job(raw.dump()), before);

    // A run that stopped in the middle: the next goes on from there, to the end of the round.
    let round = world.store.audit_round().await.unwrap();
    let mut at = round.clone();
    let mut seen = 0;
    while seen < 3 {
        let page = world.store.audit_next(&at, 1).await.unwrap();
        seen += page.len();
        at = world.store.audit_done(&at, page.first()).await.unwrap().unwrap();
    }
    assert_eq!(world.store.audit_done(&round, None).await.unwrap(), None, "somebody else carries it on");
    let rest = sampled(&world).await;
    assert!(rest.customers < 5 && rest.customers >= 1 && rest.finished_round, "{rest:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_ends_as_it_says() {
    let world = rich().await;
    let raw = Raw::of(&world);
    let folder = Folder::new();
    let export = folder.path().join("export.json");
    let write = |items: &[Value]| {
        let lines: Vec<String> = items.iter().map(|item| json!({"Item": item}).to_string()).collect();
        std::fs::write(&export, lines.join("\n")).unwrap();
    };
    let run = |arguments: &[&str]| scrip(folder.path(), &[&["audit"], arguments].concat());
    let items = raw.dump();
    write(&items);
    let (path, at) = (export.to_str().unwrap(), world.now().to_string());
    let (code, out, errors) = run(&["--export", path, "--at", &at]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{errors}");
    assert!(errors.contains("5 customers") && errors.contains("; 0 findings"), "{errors}");
    let table = ["--table", world.table(), "--endpoint", world.database(), "--at", &at];
    let (code, out, errors) = run(&table);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{errors}");
    assert!(errors.contains("USD: ") && errors.contains(" is there"), "{errors}");

    let spoiled = planted(&Items(items)).swap_remove(0);
    spoiled.apply(&raw);
    write(&raw.dump());
    for arguments in [&["--export", path, "--at", &at][..], &table] {
        let (code, out, errors) = run(arguments);
        assert_eq!(code, Some(1), "{errors}");
        let line: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
        assert_eq!(
            (&line["customer"], &line["entry"], &line["code"]),
            (&json!("alice"), &json!("USD-3"), &json!("hash_mismatch"))
        );
    }
    std::fs::write(&export, "{\"Item\": {").unwrap();
    let nowhere = folder.path().join("nowhere");
    for arguments in [
        &["--export", path][..],
        &["--export", nowhere.to_str().unwrap()],
        &["--table", "nowhere", "--endpoint", world.database()],
        &[],
        &["--export", path, "--table", world.table()],
    ] {
        let (code, out, errors) = run(arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {errors}");
        assert!(errors.contains("error") && !errors.contains("panicked"), "{errors}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_meanwhile_is_no_finding() {
    let world = rich().await;
    let (admin, shop) = (world.admin(), world.shop());
    let redeemed =
        shop.redeem("erin", "r", json!({"amount": "4", "order": order("1", "4")})).await.expect(201, "");
    let refund =
        format!("/v1/customers/erin/redemptions/{}/refund", redeemed.json["entry"]["id"].as_str().unwrap());
    let write = async {
        for at in 0..60 {
            world.granted("erin", "1", json!({})).await;
            let topup = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
            let asked = shop.request_topup("erin", &fresh_key(), topup).await.expect(201, "");
            let id = asked.json["topup"]["id"].as_str().unwrap().to_owned();
            if at % 2 == 0 {
                admin.approve("erin", &id, &fresh_key(), json!({})).await.expect(200, "");
            } else {
                shop.cancel("erin", &id).await.expect(200, "");
            }
            if at < 30 {
                shop.post(&refund, &fresh_key(), json!({"amount": "0.10"})).await.expect(201, "");
            }
        }
    };
    let verify = async {
        let (mut sound, mut busy) = (0, 0);
        for _ in 0..60 {
            let answer = admin.get("/v1/customers/erin/verification").await;
            match answer.status {
                409 => busy += 1,
                _ => {
                    assert_eq!(answer.json["sound"], true, "{}", answer.text);
                    sound += 1;
                }
            }
        }
        (sound, busy)
    };
    let ((), (sound, busy)) = tokio::join!(write, verify);
    assert!(sound > 30, "{sound} sound, {busy} busy");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_garbled_byte_is_more_than_a_finding() {
    let world = rich().await;
    let raw = Raw::of(&world);
    let (items, others): (Vec<Value>, Vec<Value>) = raw
        .dump()
        .into_iter()
        .filter(|item| item["pk"]["S"] == "C#alice" || item["pk"]["S"] == "STORE")
        .partition(|item| item["pk"]["S"] == "C#alice");
    let mut dice = crate::support::dice::Dice::of_seed(29);
    let (mut unsound, mut exported) = (0, 0);
    for _ in 0..150 {
        let item = dice.of(&items).unwrap();
        let names: Vec<&String> =
            item.as_object().unwrap().keys().filter(|name| *name != "pk" && *name != "sk").collect();
        let name = (*dice.of(&names).unwrap()).clone();
        let spoiled = spoil(&item[&name], &mut dice);
        raw.put(&with(item, &name, spoiled.clone()));
        let answer = world.admin().get("/v1/customers/alice/verification").await;
        assert_eq!(answer.status, 200, "{} {name} {spoiled}: {}", item["sk"], answer.text);
        unsound += u32::from(answer.json["sound"] == false);
        let all: Vec<Value> = items
            .iter()
            .map(|other| if other == item { with(item, &name, spoiled.clone()) } else { other.clone() })
            .chain(others.clone())
            .collect();
        let (summary, _) = audited_export(&world, &all, None).await;
        exported += u32::from(summary.findings > 0);
        raw.put(item);
    }
    // Some attributes nobody is told by, such as a request's digest.
    assert!(unsound > 100 && exported > 100, "{unsound} and {exported} of 150");
    assert_eq!(verified(&world, "alice").await["sound"], true);
}

/// The value with one byte changed.
fn spoil(value: &Value, dice: &mut crate::support::dice::Dice) -> Value {
    let mut at = |length: usize| usize::try_from(dice.roll(u32::try_from(length.max(1)).unwrap())).unwrap();
    if let Some(bytes) = value["B"].as_str() {
        let mut bytes = STANDARD.decode(bytes).unwrap();
        let place = at(bytes.len());
        bytes[place] ^= 1 << at(8);
        return json!({"B": STANDARD.encode(bytes)});
    }
    if let Some(text) = value["S"].as_str() {
        let mut text: Vec<char> = text.chars().collect();
        let place = at(text.len());
        text[place] = ['0', 'a', '#', '"', '\u{e9}'][at(5)];
        return json!({"S": text.into_iter().collect::<String>()});
    }
    if let Some(number) = value["N"].as_str() {
        return json!({"N": format!("{}{number}", 1 + at(9)).chars().take(18).collect::<String>()});
    }
    json!({"L": []})
}
