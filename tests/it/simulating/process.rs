//! One process of the service over a simulated table: its functions, how it is asked, and what the table's stream hands it.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use aws_lambda_events::dynamodb::{self, EventRecord};
use bytes::Bytes;
use console::Site;
use edge::{Batch, Gate, Service};
use jiff::Timestamp;
use ledger::{Hash, Role};
use serde_json::{Value, json};
use store::{ApiKey, Store};

use super::table::{Change, Table, whole};
use crate::support::world::START;

/// All functions over one store, as one process has them.
pub struct Process(BTreeMap<&'static str, Service>);

/// What a client asks for.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub function: &'static str,
    pub method: &'static str,
    pub path: &'a str,
    pub key: Option<&'a str>,
    pub body: &'a Value,
    /// Whether by the first admin's key; else by a shop's.
    pub admin: bool,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub replayed: bool,
    /// Whether it says when to try again.
    pub retry_after: bool,
    pub text: String,
    pub json: Value,
}

/// The keys of an admin and of a shop, made once: what is random in them must not differ between runs.
pub fn keys() -> &'static [(String, ApiKey); 2] {
    static KEYS: OnceLock<[(String, ApiKey); 2]> = OnceLock::new();
    let start: Timestamp = START.parse().unwrap();
    KEYS.get_or_init(|| [Role::Admin, Role::Store].map(|role| edge::new_api_key(role, None, start).unwrap()))
}

impl Process {
    pub fn start(store: &Store) -> Self {
        let [(_, admin), _] = keys();
        let gate = Arc::new(Gate::new(store.clone(), Some(Hash(admin.hash.0)), None));
        let services = local::functions(&Site::default()).unwrap().into_iter();
        Self(
            services
                .map(|(name, routes)| (name, Service::new(routes, store.clone(), Arc::clone(&gate))))
                .collect(),
        )
    }

    /// Answers a request that came in `at` this moment.
    pub async fn answer(&self, asked: Request<'_>, at: Timestamp) -> Answer {
        let Request { function, method, path, key, body, admin } = asked;
        let [(admin_key, _), (store_key, _)] = keys();
        let mut request = http::Request::builder().method(method).uri(path);
        request =
            request.header("authorization", format!("Bearer {}", if admin { admin_key } else { store_key }));
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let response = self.0[function].respond(request.body(body).unwrap(), at, "simulated").await;
        let replayed = response.headers().contains_key("idempotent-replayed");
        let retry_after = response.headers().contains_key("retry-after");
        let status = response.status().as_u16();
        let text = String::from_utf8(response.into_body().to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, replayed, retry_after, text, json }
    }
}

impl Answer {
    /// Whether it is settled by this, and the caller has no reason to ask again.
    pub fn is_final(&self) -> bool {
        self.status < 500 && self.status != 429
    }

    pub fn is_success(&self) -> bool {
        self.status < 300
    }
}

/// So many of the table's changes from this place on, as the stream tells them.
pub fn records(table: &Table, place: usize, most: usize) -> Vec<EventRecord> {
    let changes = table.changes().iter().enumerate().skip(place).take(most);
    changes.map(|(at, change)| change.record.get_or_init(|| record(at, change)).clone()).collect()
}

/// The change at this place of the stream, read as a function reads what Lambda hands it.
fn record(at: usize, change: &Change) -> EventRecord {
    let mut told = json!({
        "eventID": at.to_string(), "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1", "eventSourceARN": "arn",
        "eventName": if change.old.is_some() { "MODIFY" } else { "INSERT" },
        "dynamodb": {
            "ApproximateCreationDateTime": 1_700_000_000,
            "Keys": {"pk": {"S": change.key.0}, "sk": {"S": change.key.1}},
            "OldImage": {},
            "SequenceNumber": format!("{at:021}"), "SizeBytes": 1,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
    });
    if let Some(old) = &change.old {
        told["dynamodb"]["OldImage"] = whole(old);
    }
    told["dynamodb"]["NewImage"] = whole(&change.new);
    serde_json::from_value(told).unwrap()
}

/// These records as a function is handed them.
pub fn batch(records: Vec<EventRecord>, at: Timestamp, patience: Duration) -> Batch {
    let mut event = dynamodb::Event::default();
    event.records = records;
    Batch::read(&event, at, patience).unwrap()
}
