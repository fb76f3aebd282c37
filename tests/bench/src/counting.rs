//! A wire to the database that counts what goes over it, and changes nothing.

use std::{
    collections::BTreeMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
    time::Instant,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    response::Response,
};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rust_decimal::Decimal;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

/// What went over a wire, by operation.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Requests and capacity units of each.
    pub operations: BTreeMap<String, (u64, Decimal)>,
    /// When which partitions were written, by transactions that were told to be done.
    pub writes: Vec<(Instant, String)>,
}

impl Counts {
    /// How many requests of this operation there were.
    pub fn requests(&self, operation: &str) -> u64 {
        self.operations.get(operation).map_or(0, |(requests, _)| *requests)
    }

    /// The units that were read, and those that were written.
    pub fn units(&self) -> (Decimal, Decimal) {
        let of = |written: bool| {
            let units =
                self.operations.iter().filter(|(operation, _)| operation.contains("Write") == written);
            units.map(|(_, (_, units))| *units).sum()
        };
        (of(false), of(true))
    }

    /// As text, such as `16 Query`.
    pub fn trips(&self) -> String {
        let trips =
            self.operations.iter().map(|(operation, (requests, _))| format!("{requests} {operation}"));
        trips.collect::<Vec<_>>().join(", ")
    }
}

/// A wire. It ends when this is dropped.
pub struct Wire {
    endpoint: String,
    counts: Arc<Mutex<Counts>>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Line {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    counts: Arc<Mutex<Counts>>,
}

impl Wire {
    /// One to this database.
    pub async fn to(upstream: &str) -> Self {
        let counts = Arc::new(Mutex::new(Counts::default()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let line = Line { upstream: upstream.to_owned(), client, counts: Arc::clone(&counts) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(carry).with_state(line);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { endpoint, counts, server }
    }

    /// Where it begins.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// How many transactions were done so far.
    pub fn transactions(&self) -> usize {
        self.counts.lock().unwrap().writes.len()
    }

    /// What went over it since this was last asked.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut self.counts.lock().unwrap())
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Goes on when whoever asked was killed: what it asked for may have been done.
async fn carry(State(line): State<Line>, request: Request) -> Response {
    tokio::spawn(carry_whole(line, request)).await.unwrap()
}

async fn carry_whole(line: Line, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").unwrap().to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let asked = body.collect().await.unwrap().to_bytes();
    let partition = operation.contains("Write").then(|| written(&asked)).flatten();

    // One member more, in front of those that are there.
    let rest = asked.strip_prefix(b"{").unwrap();
    let asked = [br#"{"ReturnConsumedCapacity":"TOTAL","#.as_slice(), rest].concat();
    parts.uri = line.upstream.parse().unwrap();
    parts.headers.remove("content-length");
    parts.headers.remove("host");
    let request = Request::from_parts(parts, Full::new(Bytes::from(asked)));
    let (parts, body) = line.client.request(request).await.unwrap().into_parts();
    let answer = body.collect().await.unwrap().to_bytes();

    let answered: Value = serde_json::from_slice(&answer).unwrap();
    let mut counts = line.counts.lock().unwrap();
    let (requests, sum) = counts.operations.entry(operation).or_default();
    *requests += 1;
    *sum += units(&answered["ConsumedCapacity"]);
    if parts.status.is_success() {
        counts.writes.extend(partition.map(|partition| (Instant::now(), partition)));
    }
    drop(counts);
    Response::from_parts(parts, Body::from(answer))
}

/// The partition of the first item that a transaction puts.
fn written(asked: &[u8]) -> Option<String> {
    let asked: Value = serde_json::from_slice(asked).unwrap();
    asked.pointer("/TransactItems/0/Put/Item/pk/S").and_then(Value::as_str).map(str::to_owned)
}

fn units(consumed: &Value) -> Decimal {
    match consumed {
        Value::Array(tables) => tables.iter().map(units).sum(),
        Value::Object(table) => table["CapacityUnits"].to_string().parse().unwrap(),
        _ => Decimal::ZERO,
    }
}
