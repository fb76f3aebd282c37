//! Who does the same work beside each other: the service, a store with an item for each lot, and the bare two calls.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem},
};
use bytes::Bytes;
use console::Site;
use edge::Gate;
use http::Request;
use jiff::Timestamp;
use ledger::{Hash, Role};
use local::{Bundle, Database};
use serde_json::{Value, json};
use store::Store;

use crate::control::{Control, Told, client, text, transact};

type Item = HashMap<String, AttributeValue>;

/// Longest that whoever met somebody else waits before it tries again, in milliseconds.
const PAUSE: u64 = 8;

/// What is asked of each: 10.00 given, the same spent, half of that given back, and spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// 10.00 given.
    Grant,
    /// 10.00 spent.
    Redeem,
    /// 5.00 of that given back.
    Refund,
    /// And spent.
    RedeemAgain,
}

impl Step {
    /// A round of them, after which a customer has what it had before.
    pub const ROUND: [Self; 4] = [Self::Grant, Self::Redeem, Self::Refund, Self::RedeemAgain];

    fn cents(self) -> i64 {
        match self {
            Self::Grant | Self::Redeem => 1_000,
            Self::Refund | Self::RedeemAgain => 500,
        }
    }
}

/// Somebody who does it.
#[derive(Clone)]
pub enum Subject {
    /// The service: all that a function does, but for HTTP and Lambda before it.
    Scrip(Arc<Service>),
    /// An item for each lot.
    Control(Control),
    /// One batch of four reads and one transaction of two writes, as many bytes as the service's, and nothing decided.
    Bare(Arc<Bare>),
}

impl Subject {
    /// As the table calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scrip(_) => "Scrip",
            Self::Control(_) => "an item for each lot",
            Self::Bare(_) => "the bare two calls",
        }
    }

    /// Gives a customer so many lots of 10.00 to begin with.
    pub async fn prepare(&self, customer: &str, lots: usize) {
        for _ in 0..lots {
            self.step(customer, Step::Grant, "").await;
        }
    }

    /// Does one step, however often it has to be tried; `redemption` is what the step before it told, which is also what this
    /// tells.
    pub async fn step(&self, customer: &str, step: Step, redemption: &str) -> String {
        let key = fresh_key();
        match self {
            Self::Scrip(service) => service.step(customer, step, &key, redemption).await,
            Self::Bare(bare) => {
                while !bare.call(customer, &key).await {
                    pause().await;
                }
                key
            }
            Self::Control(control) => {
                loop {
                    let told = match step {
                        Step::Grant => control.grant(customer, &key, step.cents()).await,
                        Step::Refund => control.refund(customer, &key, redemption, step.cents()).await,
                        Step::Redeem | Step::RedeemAgain => {
                            control.redeem(customer, &key, step.cents()).await
                        }
                    };
                    if told != Told::Conflict {
                        break;
                    }
                    pause().await;
                }
                key
            }
        }
    }

    /// Fails where a customer does not have the cents that it should.
    pub async fn check(&self, customer: &str, cents: i64) {
        let has = match self {
            Self::Scrip(service) => service.balance(customer).await,
            Self::Control(control) => control.balance(customer).await,
            Self::Bare(_) => return,
        };
        assert_eq!(has, cents, "what {customer} has of {}", self.name());
    }
}

async fn pause() {
    tokio::time::sleep(std::time::Duration::from_millis(fastrand::u64(0..=PAUSE))).await;
}

fn fresh_key() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("order-{:08}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The service, with a till's key.
pub struct Service {
    bundle: Bundle,
    key: String,
}

impl Service {
    /// One before this database.
    pub async fn new(database: &Database) -> Self {
        let store = Store::connect(database.connection());
        let (key, shop) = edge::new_api_key(Role::Store, None, Timestamp::now()).unwrap();
        store.put_api_key(&shop).await.unwrap();
        let gate = Gate::new(store.clone(), None::<Hash>, None);
        Self { bundle: Bundle::new(&store, gate, &Site::default()).unwrap(), key: format!("Bearer {key}") }
    }

    async fn step(&self, customer: &str, step: Step, key: &str, redemption: &str) -> String {
        let path = format!("/v1/customers/{customer}");
        let order = json!({"id": key, "lines": [{"code": "sub_total", "amount": "20.00", "sort_order": 1}]});
        let (path, body) = match step {
            Step::Grant => (
                format!("{path}/grants"),
                json!({"amount": "10.00", "category": "refund", "expires_on": "2099-12-31"}),
            ),
            Step::Redeem => (format!("{path}/redemptions"), json!({"amount": "10.00", "order": order})),
            Step::RedeemAgain => (format!("{path}/redemptions"), json!({"amount": "5.00", "order": order})),
            Step::Refund => (format!("{path}/redemptions/{redemption}/refund"), json!({"amount": "5.00"})),
        };
        let answer = self.call("POST", &path, key, body.to_string()).await;
        answer["entry"]["id"].as_str().unwrap().to_owned()
    }

    async fn balance(&self, customer: &str) -> i64 {
        let answer = self.call("GET", &format!("/v1/customers/{customer}"), "", String::new()).await;
        answer["accounts"][0]["balance"].as_str().unwrap().replace('.', "").parse().unwrap()
    }

    async fn call(&self, method: &str, path: &str, key: &str, body: String) -> Value {
        loop {
            let request = Request::builder().method(method).uri(path).header("authorization", &self.key);
            let request = request.header("idempotency-key", key).body(Bytes::from(body.clone())).unwrap();
            let answer = self.bundle.respond(request, Timestamp::now(), "bench").await;
            // What a client does that meets too many others.
            if [409, 429, 503].contains(&answer.status().as_u16()) {
                pause().await;
                continue;
            }
            let told = String::from_utf8_lossy(answer.body());
            assert!(answer.status().is_success(), "{told}");
            return serde_json::from_str(&told).unwrap();
        }
    }
}

/// The bare two calls.
pub struct Bare {
    client: Client,
    table: String,
    /// An account and an entry of the service's, which are written over and over.
    account: Item,
    entry: Item,
}

impl Bare {
    /// With the items of a customer whom the service has just served.
    pub async fn like(database: &Database, customer: &str) -> Self {
        let client = client(database.endpoint());
        let query = client.query().table_name(database.table()).key_condition_expression("pk = :pk");
        let query = query.expression_attribute_values(":pk", AttributeValue::S(format!("C#{customer}")));
        let items = query.send().await.unwrap().items.unwrap_or_default();
        // Of the entries the last by number, which is a redemption.
        let last = |with: &str, by: &str| {
            let has = items.iter().filter(|item| item.contains_key(with));
            has.max_by_key(|item| format!("{:?}", item[by])).unwrap().clone()
        };
        Self {
            account: last("lots", "sk"),
            entry: last("c", "n"),
            client,
            table: database.table().to_owned(),
        }
    }

    /// Whether nobody else was there between the two calls.
    async fn call(&self, customer: &str, key: &str) -> bool {
        let place = |sk: String| Item::from([text("pk", &format!("B#{customer}")), text("sk", &sk)]);
        let keys = [
            place("A#USD".to_owned()),
            place(format!("K#{key}")),
            place("A".to_owned()),
            Item::from([text("pk", "STORE"), text("sk", "SETTINGS")]),
        ];
        let request = KeysAndAttributes::builder().set_keys(Some(keys.into())).consistent_read(true).build();
        let batch = self.client.batch_get_item().request_items(&self.table, request.unwrap()).send().await;
        let found = batch.unwrap().responses.unwrap_or_default();
        let revision = found.values().flatten().find_map(|item| match item.get("rev")? {
            AttributeValue::N(revision) => revision.parse::<u64>().ok(),
            _ => None,
        });
        let written = |mut item: Item, sk: String| {
            item.extend(place(sk));
            Put::builder().table_name(&self.table).set_item(Some(item))
        };
        let mut account = self.account.clone();
        account.insert("rev".to_owned(), AttributeValue::N((revision.unwrap_or(0) + 1).to_string()));
        let account = written(account, "A#USD".to_owned());
        let account = match revision {
            None => account.condition_expression("attribute_not_exists(pk)"),
            Some(was) => account
                .condition_expression("rev = :was")
                .expression_attribute_values(":was", AttributeValue::N(was.to_string())),
        };
        let mut entry = self.entry.clone();
        entry.insert("n".to_owned(), AttributeValue::S(format!("E#USD#{:012}", revision.unwrap_or(0) + 1)));
        let entry = written(entry, format!("K#{key}")).condition_expression("attribute_not_exists(pk)");
        let items =
            [account, entry].map(|put| TransactWriteItem::builder().put(put.build().unwrap()).build());
        transact(&self.client, items.into()).await
    }
}
