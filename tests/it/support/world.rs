//! A store of its own for one test, and the people who call it. The clock stands still until the test moves it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use console::Site;
use edge::{Event, Gate, Oidc};
use expire_on_schedule::{Swept, expire_on_schedule};
use grant_group::grant_group;
use http::{HeaderMap, Request};
use index_customers::index_customers;
use jiff::{SignedDuration, Timestamp};
use ledger::{Hash, Role};
use local::{Bundle, Database, Issuer, Outside, Stream};
use notify::notify;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::{Connection, Store};

use crate::support::{
    openapi::{self, Exchange},
    wire::Wire,
};

/// When every test begins.
pub const START: &str = "2026-11-22T10:00:00Z";

pub struct World {
    pub store: Store,
    pub wire: Wire,
    pub issuer: Issuer,
    bundle: Bundle,
    admin_key: String,
    store_key: String,
    now: Mutex<Timestamp>,
    published: Arc<Mutex<Published>>,
    /// As each of the functions that follow it reads it, from when one first does: most tests never ask.
    streams: tokio::sync::Mutex<Vec<Stream>>,
    /// What other systems and people were told.
    pub outside: Outside,
    database: Database,
    _issuer: tokio::task::JoinHandle<()>,
}

/// What the issuer publishes, and how often it was asked for it.
struct Published {
    /// `None` while it is down.
    keys: Option<Value>,
    asked: u32,
}

/// What a call answered.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Value,
}

/// Somebody with a credential.
#[derive(Clone)]
pub struct Client<'a> {
    world: &'a World,
    authorization: Option<String>,
}

impl World {
    pub async fn start() -> Self {
        let database = database().await;
        let wire = Wire::to(database.endpoint()).await;
        let store = Store::connect(Connection::local(database.table(), &wire.endpoint));
        let now: Timestamp = START.parse().unwrap();

        let (admin_key, admin) = edge::new_api_key(Role::Admin, None, now).unwrap();
        let (store_key, shop) = edge::new_api_key(Role::Store, None, now).unwrap();
        store.put_api_key(&shop).await.unwrap();
        let (issuer, published, server) = issuer().await;
        let oidc = Oidc::new(issuer.url(), local::AUDIENCE).unwrap();
        let gate = Gate::new(store.clone(), Some(Hash(admin.hash.0)), Some(oidc));
        let bundle = Bundle::new(&store, gate, &Site::default()).unwrap();
        let world = Self {
            store,
            wire,
            issuer,
            bundle,
            admin_key,
            store_key,
            now: Mutex::new(now),
            published,
            streams: tokio::sync::Mutex::default(),
            outside: Outside::new(None).unwrap(),
            database,
            _issuer: server,
        };
        // So that no test counts the trip that finds its key.
        world.shop().get("/v1/customers/nobody").await;
        world.wire.trips();
        world
    }

    pub fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }

    /// Moves the clock to this moment.
    pub fn set_now(&self, moment: &str) {
        *self.now.lock().unwrap() = moment.parse().unwrap();
    }

    /// Moves the clock on.
    pub fn pass(&self, time: SignedDuration) {
        let mut now = self.now.lock().unwrap();
        *now = now.checked_add(time).unwrap();
    }

    /// Lets the issuer publish these keys from now on, or be down.
    pub fn publish(&self, keys: Option<Value>) {
        self.published.lock().unwrap().keys = keys;
    }

    /// How often the issuer's keys were asked for.
    pub fn issuer_was_asked(&self) -> u32 {
        self.published.lock().unwrap().asked
    }

    pub fn admin(&self) -> Client<'_> {
        self.with_credential(&self.admin_key)
    }

    pub fn shop(&self) -> Client<'_> {
        self.with_credential(&self.store_key)
    }

    pub fn customer(&self, id: &str) -> Client<'_> {
        let token = self.issuer.token(id, None, self.now(), SignedDuration::from_hours(1)).unwrap();
        self.with_credential(&token)
    }

    pub fn staff(&self, id: &str) -> Client<'_> {
        let token =
            self.issuer.token(id, Some("scrip:admin"), self.now(), SignedDuration::from_hours(1)).unwrap();
        self.with_credential(&token)
    }

    pub fn nobody(&self) -> Client<'_> {
        Client { world: self, authorization: None }
    }

    pub fn with_credential(&self, credential: &str) -> Client<'_> {
        Client { world: self, authorization: Some(format!("Bearer {credential}")) }
    }

    /// Puts settings that differ from the defaults in these.
    pub async fn settings(&self, settings: Value) {
        let answer = self.admin().put("/v1/settings", settings).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
    }

    /// Brings over a row of OpenCart's, of a moment and so many cents.
    pub async fn imported(&self, customer: &str, id: &str, at: &str, cents: i64) {
        let amount = ledger::Money::from_minor(cents, ledger::Currency::USD);
        let row = ledger::Movement { id: id.to_owned(), at: at.parse().unwrap(), amount, expiry: None };
        let rows = store::Rows {
            customer: &customer.parse().unwrap(),
            currency: ledger::Currency::USD,
            system: &"opencart".parse().unwrap(),
            movements: &[row],
            at: self.now(),
            known: true,
            write: true,
        };
        self.store.import(&rows).await.unwrap();
    }

    /// Grants credit and expects it to be granted.
    pub async fn granted(&self, customer: &str, amount: &str, more: Value) -> Answer {
        let mut body = json!({"amount": amount, "category": "goodwill"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let key = format!("granted-{customer}-{}", fresh());
        let answer = self.admin().post(&format!("/v1/customers/{customer}/grants"), &key, body).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer
    }

    /// Runs the schedule for now.
    pub async fn expire(&self) -> Swept {
        self.expire_at(self.now()).await
    }

    /// Runs the schedule for another moment.
    pub async fn expire_at(&self, at: Timestamp) -> Swept {
        let event = Event { at, time_left: std::time::Duration::from_secs(60) };
        expire_on_schedule(self.store.clone(), event).await.unwrap()
    }

    /// Closes the books of the days that are over by now.
    pub async fn close_books(&self) -> close_books::Run {
        let event = Event { at: self.now(), time_left: std::time::Duration::from_secs(60) };
        close_books::close_books(self.store.clone(), event).await.unwrap()
    }

    /// Lets the table's stream run dry, so that all that follows from the ledger is done.
    pub async fn catch_up(&self) {
        // Beside the wire, whose trips are those of calls.
        let store = Store::connect(self.database.connection());
        let mut streams = self.streams().await;
        let [lists, grants, news] = &mut streams[..] else { unreachable!("there are three") };
        let tell = |_, batch| notify(batch, |events| self.outside.clone().take(events, self.now()));
        loop {
            let granted = grants.deliver(&store, self.now(), grant_group).await.unwrap();
            let told = news.deliver(&store, self.now(), tell).await.unwrap();
            let listed = lists.deliver(&store, self.now(), index_customers).await.unwrap();
            let [mails, webhooks] = &self.outside.deliveries;
            let mailed = mails.deliver(&store, self.now()).await;
            let hooked = webhooks.deliver(&store, self.now()).await;
            if !(listed || granted || told || mailed || hooked) {
                break;
            }
        }
    }

    /// Lets nobody hear of what the table's stream has told so far: that of a restored table begins empty.
    pub async fn skip_stream(&self) {
        for stream in &mut *self.streams().await {
            while stream.deliver(&self.store, self.now(), |_, _| async { Vec::new() }).await.unwrap() {}
        }
    }

    /// The table's stream, three times, each from the beginning on.
    async fn streams(&self) -> tokio::sync::MutexGuard<'_, Vec<Stream>> {
        let mut streams = self.streams.lock().await;
        while streams.len() < 3 {
            streams.push(self.database.stream(None).await.unwrap());
        }
        streams
    }

    /// The mails so far, the last one last.
    pub async fn mails(&self) -> Vec<Value> {
        self.catch_up().await;
        self.outside.mailbox.latest()
    }

    /// Asks the database for what the store has no call for, beside the wire.
    pub async fn ask(&self, operation: &str, body: Value) -> Value {
        self.database.call(&format!("DynamoDB_20120810.{operation}"), body).await.unwrap()
    }

    /// Where the database answers, beside the wire.
    pub fn database(&self) -> &str {
        self.database.endpoint()
    }

    /// The table's name there.
    pub fn table(&self) -> &str {
        self.database.table()
    }

    /// The customer's one account, as the API shows it.
    pub async fn account(&self, customer: &str) -> Value {
        let answer = self.admin().get(&format!("/v1/customers/{customer}")).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json["accounts"][0].clone()
    }

    /// All of the customer's entries, oldest first.
    pub async fn entries(&self, customer: &str) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer =
                self.admin().get(&format!("/v1/customers/{customer}/entries?limit=200{cursor}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            entries.extend(answer.json["data"].as_array().unwrap().clone());
            match answer.json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        entries.reverse();
        entries
    }

    /// Holds what was just told of a customer against the same as of now, which is replayed, and against its verification.
    pub async fn agrees(&self, customer: &str, live: &Answer) -> Result<(), String> {
        let admin = self.admin();
        let path = format!("/v1/customers/{customer}");
        let then = admin.get(&format!("{path}?as_of={}", self.now())).await;
        if live.status != 200 || then.status != 200 {
            return Err(format!("{} {}", live.text, then.text));
        }
        let proof = admin.get(&format!("{path}/verification")).await;
        if proof.json["sound"] != true {
            return Err(proof.text);
        }
        let (mut live, then) = (live.json["accounts"][0].clone(), then.json["accounts"][0].clone());
        if then.is_null() {
            return Ok(());
        }
        live.as_object_mut().unwrap().remove("pending_topups");
        if live == then { Ok(()) } else { Err(format!("{live} {then}")) }
    }

    /// All that the API tells of a customer, to see that nothing moved.
    pub async fn all_of(&self, customer: &str) -> Value {
        let admin = self.admin();
        let path = format!("/v1/customers/{customer}");
        let (entries, topups) = (format!("{path}/entries?limit=200"), format!("{path}/topups?limit=200"));
        json!([admin.get(&path).await.json, admin.get(&entries).await.json, admin.get(&topups).await.json])
    }
}

impl Client<'_> {
    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Bytes::new()).await
    }

    pub async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.send("POST", path, &[("idempotency-key", key)], Bytes::from(body.to_string())).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, &[], Bytes::from(body.to_string())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], Bytes::new()).await
    }

    pub async fn grant(&self, customer: &str, key: &str, body: Value) -> Answer {
        self.post(&format!("/v1/customers/{customer}/grants"), key, body).await
    }

    pub async fn redeem(&self, customer: &str, key: &str, body: Value) -> Answer {
        self.post(&format!("/v1/customers/{customer}/redemptions"), key, body).await
    }

    pub async fn quote(&self, customer: &str, body: Value) -> Answer {
        let body = Bytes::from(body.to_string());
        self.send("POST", &format!("/v1/customers/{customer}/redemptions/quote"), &[], body).await
    }

    pub async fn request_topup(&self, customer: &str, key: &str, body: Value) -> Answer {
        self.post(&format!("/v1/customers/{customer}/topups"), key, body).await
    }

    pub async fn approve(&self, customer: &str, topup: &str, key: &str, body: Value) -> Answer {
        self.post(&format!("/v1/customers/{customer}/topups/{topup}/approve"), key, body).await
    }

    pub async fn reject(&self, customer: &str, topup: &str, reason: &str) -> Answer {
        let body = Bytes::from(json!({"reason": reason}).to_string());
        self.send("POST", &format!("/v1/customers/{customer}/topups/{topup}/reject"), &[], body).await
    }

    pub async fn cancel(&self, customer: &str, topup: &str) -> Answer {
        self.send("POST", &format!("/v1/customers/{customer}/topups/{topup}/cancel"), &[], Bytes::new()).await
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Bytes) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body.clone()).unwrap();
        let response = self.world.bundle.respond(request, self.world.now(), "test").await;
        let (parts, answered) = response.into_parts();
        let text = String::from_utf8(answered.to_vec()).unwrap();
        openapi::hold(&Exchange {
            method,
            path,
            headers,
            body: &body,
            status: parts.status.as_u16(),
            answered: &parts.headers,
            text: &text,
        });
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status.as_u16(), headers: parts.headers, text, json }
    }
}

impl Answer {
    /// Expects this status and, for a problem, its code.
    #[track_caller]
    pub fn expect(self, status: u16, code: &str) -> Self {
        assert_eq!((self.status, self.json["code"].as_str().unwrap_or("")), (status, code), "{}", self.text);
        if status >= 400 {
            assert_eq!(self.headers["content-type"], "application/problem+json");
        }
        self
    }

    pub fn is_replayed(&self) -> bool {
        self.headers.get("idempotent-replayed").is_some_and(|value| value == "true")
    }
}

/// An idempotency key that no other call in this process gets.
pub fn fresh_key() -> String {
    format!("fresh-{}", fresh())
}

/// A number that no other call in this process gets.
pub fn fresh() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// One field of each, as text.
pub fn each<'a>(things: &'a [Value], field: &str) -> Vec<&'a str> {
    things.iter().map(|thing| thing[field].as_str().unwrap()).collect()
}

/// A customer's entries, oldest first, are whole: numbers without gaps, linked hashes, balances that add up.
#[track_caller]
pub fn check_ledger(entries: &[Value]) {
    let mut last: BTreeMap<&str, (u64, &str, Decimal)> = BTreeMap::new();
    for entry in entries {
        let (currency, number) = entry["id"].as_str().unwrap().split_once('-').unwrap();
        let (before, hash, balance) = last.get(currency).copied().unwrap_or((0, ZERO_HASH, Decimal::ZERO));
        let number_in = |member: &str| entry[member].as_str().unwrap_or("0").parse::<Decimal>().unwrap();
        let amount = number_in("amount");
        // A hold moves nothing, and tells what it reserves.
        let moved = if entry["type"] == "hold" { number_in("held") } else { amount.abs() };
        let parts = entry["allocations"].as_array().unwrap();
        let allocated: Decimal =
            each(parts, "amount").iter().map(|part| part.parse::<Decimal>().unwrap()).sum();
        assert_eq!(number.parse::<u64>().unwrap(), before.strict_add(1), "{entry}");
        assert_eq!(entry["prev_hash"], hash, "{entry}");
        assert_eq!(entry["balance_after"], (balance + amount).to_string(), "{entry}");
        // What expires or is voided beside a debt settles that first; everything else comes out of the overdraft too.
        let leaves = entry["type"] == "expire" || entry["type"] == "void";
        let (lots, all) = if leaves { (moved, allocated) } else { (allocated, moved) };
        assert_eq!(lots + number_in("overdraft"), all, "{entry}");
        let hash = entry["hash"].as_str().unwrap();
        assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit()), "{entry}");
        last.insert(currency, (before.strict_add(1), hash, balance + amount));
    }
}

/// A database for one test: an embedded one, or a new table of the one that `SCRIP_TEST_DYNAMODB` names; where it names several, of
/// one after the other.
async fn database() -> Database {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    match std::env::var("SCRIP_TEST_DYNAMODB") {
        Ok(endpoints) => {
            let endpoints: Vec<&str> = endpoints.split(' ').collect();
            let endpoint = endpoints[NEXT.fetch_add(1, Ordering::Relaxed) % endpoints.len()];
            let table = format!("ledger-{}-{}", std::process::id(), fresh());
            Database::elsewhere(endpoint, &table).await.unwrap()
        }
        Err(_) => Database::start(None, 0).await.unwrap(),
    }
}

/// What precedes an account's first entry.
pub const ZERO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// An order with one line, its sub-total.
pub fn order(id: &str, amount: &str) -> Value {
    json!({"id": id, "lines": [{"code": "sub_total", "amount": amount, "sort_order": 1}]})
}

/// An issuer of tokens at an address of its own.
async fn issuer() -> (Issuer, Arc<Mutex<Published>>, tokio::task::JoinHandle<()>) {
    use axum::{Json, Router, http::StatusCode, routing::get};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = Issuer::new(url, &Issuer::new_key().unwrap());
    let discovery = issuer.discovery();
    let published = Arc::new(Mutex::new(Published { keys: Some(issuer.keys().unwrap()), asked: 0 }));
    let keys = Arc::clone(&published);
    let keys = move || async move {
        let mut published = keys.lock().unwrap();
        published.asked = published.asked.strict_add(1);
        published.keys.clone().map(Json).ok_or(StatusCode::SERVICE_UNAVAILABLE)
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(|| async { Json(discovery) }))
        .route("/jwks", get(keys));
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (issuer, published, server)
}
