//! The wire between the store and the database: counts trips and capacity units, and breaks where it is told to.
//!
//! What the embedded database does not do by itself comes from here, with DynamoDB's own error shapes.

use std::{
    collections::VecDeque,
    io,
    net::Ipv4Addr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    response::Response,
    serve::{IncomingStream, Listener},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, client::legacy::connect::HttpConnector, rt::TokioExecutor};
use local::TABLE;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// One request that went to the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    pub operation: String,
    pub units: Decimal,
    /// The transaction's token, if it is one.
    pub token: Option<String>,
    /// The partition of the first item that it puts, if it does.
    pub partition: Option<String>,
}

/// What happens to a request instead of being answered.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It never arrives, and the connection ends.
    LoseRequest,
    /// It takes effect, and the connection ends before the answer.
    LoseAnswer,
    /// It never arrives, and nobody says so.
    Hang,
    /// It takes effect, and nobody says so.
    HangAnswer,
    /// It never arrives, and the connection is reset.
    ResetRequest,
    /// It takes effect, and the connection is reset before the answer.
    ResetAnswer,
    /// A batch is read but for the items of this sort key, which are handed back.
    HandBack(String),
    /// It waits until it is told to go on.
    Wait(Arc<tokio::sync::Notify>),
    /// The database refuses it with this error.
    Refuse(u16, Value),
}

impl Fault {
    /// A transaction cancelled for these reasons, one an item.
    pub fn cancelled(reasons: &[&str]) -> Self {
        let reasons: Vec<Value> = reasons.iter().map(|code| json!({"Code": code, "Message": code})).collect();
        Self::Refuse(
            400,
            json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
                "CancellationReasons": reasons,
            }),
        )
    }

    /// Any other error of DynamoDB's.
    pub fn error(name: &str, status: u16) -> Self {
        let kind = format!("com.amazonaws.dynamodb.v20120810#{name}");
        Self::Refuse(status, json!({"__type": kind, "message": "on purpose"}))
    }
}

#[derive(Default)]
struct Script {
    trips: Vec<Trip>,
    faults: VecDeque<(String, Fault)>,
}

/// A connection, which is reset instead of answering once it is doomed.
struct Connection {
    stream: TcpStream,
    doom: Doom,
}

/// Whether a connection is doomed.
type Doom = Arc<AtomicBool>;

/// Where connections come in.
struct Entrance(TcpListener);

#[derive(Clone)]
struct Line {
    upstream: String,
    client: Client<HttpConnector, Full<Bytes>>,
    script: Arc<Mutex<Script>>,
}

pub struct Wire {
    pub endpoint: String,
    script: Arc<Mutex<Script>>,
    server: JoinHandle<()>,
}

impl Wire {
    pub async fn to(upstream: &str) -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let line = Line { upstream: upstream.to_owned(), client, script: Arc::clone(&script) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(carry).with_state(line);
        let service = router.into_make_service_with_connect_info::<Doomed>();
        let server = tokio::spawn(async move { axum::serve(Entrance(listener), service).await.unwrap() });
        Self { endpoint, script, server }
    }

    /// Lets this fault befall the next request of this operation; several befall one after the other.
    pub fn fault(&self, operation: &str, fault: Fault) {
        self.script.lock().unwrap().faults.push_back((operation.to_owned(), fault));
    }

    /// Lets no more faults befall.
    pub fn heal(&self) {
        self.script.lock().unwrap().faults.clear();
    }

    /// Whether every fault has befallen something.
    pub fn is_spent(&self) -> bool {
        self.script.lock().unwrap().faults.is_empty()
    }

    /// The trips since this was last asked.
    pub fn trips(&self) -> Vec<Trip> {
        std::mem::take(&mut self.script.lock().unwrap().trips)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Listener for Entrance {
    type Io = Connection;
    type Addr = Doom;

    async fn accept(&mut self) -> (Connection, Doom) {
        let (stream, _) = self.0.accept().await.unwrap();
        let doom = Doom::default();
        (Connection { stream, doom: Arc::clone(&doom) }, doom)
    }

    fn local_addr(&self) -> io::Result<Doom> {
        Ok(Doom::default())
    }
}

/// The doom of the connection by which a request came.
#[derive(Clone)]
struct Doomed(Doom);

impl Connected<IncomingStream<'_, Entrance>> for Doomed {
    fn connect_info(stream: IncomingStream<'_, Entrance>) -> Self {
        Self(Arc::clone(stream.remote_addr()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, to)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        if connection.doom.load(Ordering::Relaxed) {
            // Whoever closes without lingering resets.
            connection.stream.set_zero_linger()?;
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut connection.stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

async fn carry(
    State(line): State<Line>,
    ConnectInfo(Doomed(doom)): ConnectInfo<Doomed>,
    request: Request,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let target = parts.headers.get("x-amz-target").unwrap().to_str().unwrap();
    let operation = target.rsplit('.').next().unwrap().to_owned();
    let mut body: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
    body["ReturnConsumedCapacity"] = json!("TOTAL");
    let token = body["ClientRequestToken"].as_str().map(str::to_owned);
    let partition = body["TransactItems"][0]["Put"]["Item"]["pk"]["S"].as_str().map(str::to_owned);

    let fault = {
        let faults = &mut line.script.lock().unwrap().faults;
        let due = faults.front().is_some_and(|(of, _)| *of == operation);
        if due { faults.pop_front().map(|(_, fault)| fault) } else { None }
    };
    if let Some(Fault::Refuse(status, error)) = &fault {
        line.note(Trip { operation, units: Decimal::ZERO, token, partition });
        let body = Body::from(error.to_string());
        return Response::builder()
            .status(*status)
            .header("content-type", "application/x-amz-json-1.0")
            .body(body)
            .unwrap();
    }
    if let Some(Fault::LoseRequest | Fault::Hang | Fault::ResetRequest) = &fault {
        line.note(Trip { operation, units: Decimal::ZERO, token, partition });
        if let Some(Fault::Hang) = fault {
            std::future::pending::<()>().await;
        }
        doom.store(matches!(fault, Some(Fault::ResetRequest)), Ordering::Relaxed);
        return torn();
    }

    if let Some(Fault::Wait(until)) = &fault {
        until.notified().await;
    }
    let mut handed_back = Vec::new();
    if let Some(Fault::HandBack(sk)) = &fault {
        let keys = body["RequestItems"][TABLE]["Keys"].as_array_mut().unwrap();
        handed_back = keys.extract_if(.., |key| key["sk"]["S"] == **sk).collect();
        assert!(!handed_back.is_empty(), "{sk} is not asked for");
    }

    let body = Bytes::from(body.to_string());
    parts.uri = line.upstream.parse().unwrap();
    parts.headers.remove("content-length");
    parts.headers.remove("host");
    let answer = line.client.request(Request::from_parts(parts, Full::new(body))).await.unwrap();
    let (mut parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut answered: Value = serde_json::from_slice(&body).unwrap();
    line.note(Trip { operation, units: units(&answered["ConsumedCapacity"]), token, partition });
    if let Some(Fault::LoseAnswer | Fault::HangAnswer | Fault::ResetAnswer) = fault {
        if let Some(Fault::HangAnswer) = fault {
            std::future::pending::<()>().await;
        }
        doom.store(matches!(fault, Some(Fault::ResetAnswer)), Ordering::Relaxed);
        return torn();
    }
    // The checksum is of the body, which is as it came; only its length has to be told anew.
    parts.headers.remove("content-length");
    if !handed_back.is_empty() {
        parts.headers.remove("x-amz-crc32");
        answered["UnprocessedKeys"] = json!({TABLE: {"Keys": handed_back, "ConsistentRead": true}});
        return Response::from_parts(parts, Body::from(answered.to_string()));
    }
    Response::from_parts(parts, Body::from(body))
}

impl Line {
    fn note(&self, trip: Trip) {
        self.script.lock().unwrap().trips.push(trip);
    }
}

/// An answer that breaks off before it has begun.
fn torn() -> Response {
    let broken = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("torn")) });
    Response::builder().header("content-length", "100").body(Body::from_stream(broken)).unwrap()
}

fn units(consumed: &Value) -> Decimal {
    match consumed {
        Value::Array(tables) => tables.iter().map(units).sum(),
        Value::Object(table) => table["CapacityUnits"].to_string().parse().unwrap(),
        _ => Decimal::ZERO,
    }
}
