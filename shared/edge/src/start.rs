//! What every function's `main` does: connect once, then answer one event after the other.

use std::{convert::Infallible, env, fmt::Display, sync::Arc, time::Duration};

use aws_lambda_events::{
    dynamodb,
    eventbridge::EventBridgeEvent,
    sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage},
    streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse},
};
use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use lambda_http::{
    Body, Context, LambdaEvent, RequestExt, lambda_runtime,
    lambda_runtime::Diagnostic,
    service_fn,
    tracing::subscriber::{filter::LevelFilter, fmt},
};
use ledger::Hash;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use serde_dynamo::{AttributeValue, Item};
use serde_json::Value;
use store::{ChangedItem, Connection, News, Store};

use crate::{Gate, Oidc, Routes, Service, routes};

/// Why a function could not start, or had to stop.
pub type StartError = lambda_http::Error;

/// How long before its end a function stops taking up work.
const MARGIN: Duration = Duration::from_secs(5);

/// The `errorType` of an event that is none.
const INVALID: &str = "InvalidEvent";
/// The `errorType` of a run that did not do all that it had to.
const UNFINISHED: &str = "Unfinished";

/// What a path must not hold as it is; anything beyond ASCII is encoded anyway.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'\\')
    .add(b'^')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Logs as Lambda's controls say (`AWS_LAMBDA_LOG_LEVEL`, else `RUST_LOG`, else from INFO on; `AWS_LAMBDA_LOG_FORMAT`). The runtime
/// crate's own subscriber also takes filters by module, and compiles regular expressions for them at each start.
fn log() {
    let level = env::var("AWS_LAMBDA_LOG_LEVEL").or_else(|_| env::var("RUST_LOG")).ok();
    let level: LevelFilter = level.and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::INFO);
    let lines = fmt().with_target(false).without_time().with_max_level(level);
    if env::var("AWS_LAMBDA_LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("json")) {
        lines.json().init();
    } else {
        lines.init();
    }
}

/// Answers HTTP calls by these routes until Lambda ends the process.
///
/// # Errors
/// When the environment lacks something, or Lambda's own interface fails.
pub async fn http(routes: Routes) -> Result<(), StartError> {
    log();
    let store = Store::connect(Connection::from_environment()?);
    let gate = Gate::new(store.clone(), first_admin()?, oidc()?);
    let service = Service::new(routes, store, Arc::new(gate));
    lambda_http::run(service_fn(|request: lambda_http::Request| {
        let service = service.clone();
        async move {
            let request_id = request.lambda_context().request_id;
            let response = service.respond(plain(request), Timestamp::now(), &request_id).await;
            Ok::<Response<Body>, Infallible>(response.map(body))
        }
    }))
    .await
}

/// Answers whoever asks by what these routes publish, until Lambda ends the process. It has no store and opens no door: it takes no
/// credential, and nothing of the environment.
///
/// # Errors
/// When Lambda's own interface fails.
pub async fn site(routes: Routes) -> Result<(), StartError> {
    log();
    let routes = &routes;
    lambda_http::run(service_fn(move |request: lambda_http::Request| async move {
        let request_id = request.lambda_context().request_id;
        let response = routes::publish(routes, &plain(request), &request_id);
        Ok::<Response<Body>, Infallible>(response.map(body))
    }))
    .await
}

/// Handles scheduled events until Lambda ends the process. What fails is Lambda's to try again; it is told the `errorType`
/// `InvalidEvent` where the event was none, and `Unfinished` where the handler failed.
///
/// # Errors
/// When the environment lacks something, or Lambda's own interface fails.
pub async fn event<F, A, T, E>(handler: F) -> Result<(), StartError>
where
    F: Fn(Store, Event) -> A,
    A: Future<Output = Result<T, E>>,
    T: Serialize,
    E: Display,
{
    log();
    let store = Store::connect(Connection::from_environment()?);
    let (handler, store) = (&handler, &store);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<EventBridgeEvent<Value>>| async move {
        let event = Event::read(&event.payload, time_left(&event.context))
            .map_err(|error| failure(INVALID, error))?;
        handler(store.clone(), event).await.map_err(|error| failure(UNFINISHED, error))
    }))
    .await
}

/// Handles batches of the table's stream until Lambda ends the process. The handler answers those records that failed:
/// Lambda sends them, and what follows them, again. A batch that cannot be read has the `errorType` `InvalidEvent`.
///
/// # Errors
/// When the environment lacks something, or Lambda's own interface fails.
pub async fn stream<F, A>(handler: F) -> Result<(), StartError>
where
    F: Fn(Store, Batch) -> A,
    A: Future<Output = Vec<StreamRecord>>,
{
    log();
    let store = Store::connect(Connection::from_environment()?);
    let (handler, store) = (&handler, &store);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<dynamodb::Event>| async move {
        let batch = Batch::read(&event.payload, Timestamp::now(), time_left(&event.context))
            .map_err(|error| failure(INVALID, error))?;
        let failed = handler(store.clone(), batch).await;
        let mut response = DynamoDbEventResponse::default();
        response.batch_item_failures.extend(failed.into_iter().map(|record| {
            let mut failure = DynamoDbBatchItemFailure::default();
            failure.item_identifier = Some(record.sequence_number);
            failure
        }));
        Ok::<_, Diagnostic>(response)
    }))
    .await
}

/// Handles messages of a queue until Lambda ends the process. The handler answers the ids of those that failed: they stay in
/// the queue, and come again.
///
/// # Errors
/// When the environment lacks something, or Lambda's own interface fails.
pub async fn queue<F, A>(handler: F) -> Result<(), StartError>
where
    F: Fn(Store, Messages) -> A,
    A: Future<Output = Vec<String>>,
{
    log();
    let store = Store::connect(Connection::from_environment()?);
    let (handler, store) = (&handler, &store);
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SqsEvent>| async move {
        let messages = Messages::read(event.payload, Timestamp::now(), time_left(&event.context))
            .map_err(|error| failure(INVALID, error))?;
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures.extend(handler(store.clone(), messages).await.into_iter().map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        }));
        Ok::<_, Diagnostic>(response)
    }))
    .await
}

/// A failure as Lambda is told of it. Left to itself, it would be told the name of a Rust type.
fn failure(error_type: &str, error: impl Display) -> Diagnostic {
    Diagnostic { error_type: error_type.to_owned(), error_message: error.to_string() }
}

/// How long a function may still work before Lambda ends it.
fn time_left(context: &Context) -> Duration {
    let deadline = context.deadline().duration_since(std::time::SystemTime::now());
    deadline.unwrap_or_default().saturating_sub(MARGIN)
}

/// Records of the table's stream, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The records.
    pub records: Vec<StreamRecord>,
    /// When they were delivered.
    pub at: Timestamp,
    /// How long they may take.
    pub time_left: Duration,
}

impl Batch {
    /// As DynamoDB sends it.
    ///
    /// # Errors
    /// When a record has no key or no place.
    pub fn read(event: &dynamodb::Event, at: Timestamp, time_left: Duration) -> Result<Self, StartError> {
        let records = event.records.iter().map(StreamRecord::read).collect::<Result<_, _>>()?;
        // The ledger counts in milliseconds.
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        Ok(Self { records, at, time_left })
    }
}

/// One change of the table, as its stream tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// What it is about.
    pub changed: ChangedItem,
    /// Its place in the stream.
    pub sequence_number: String,
    /// The item before and after.
    images: (Item, Item),
}

impl StreamRecord {
    /// A record without images, for those who read the item itself.
    pub fn about(changed: ChangedItem, sequence_number: &str) -> Self {
        Self {
            changed,
            sequence_number: sequence_number.to_owned(),
            images: (Item::default(), Item::default()),
        }
    }

    /// What there is to tell of it, if there is.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn news(&self) -> Result<Option<News>, store::Error> {
        let (old, new) = self.images.clone();
        News::of(old, new)
    }

    /// As DynamoDB sends it.
    ///
    /// # Errors
    /// When the record has no key or no place.
    fn read(record: &dynamodb::EventRecord) -> Result<Self, StartError> {
        let change = &record.change;
        let text = |item: &Item, name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => Some(text.clone()),
            _ => None,
        };
        let key = |name| text(&change.keys, name).ok_or("the record has no key");
        let group = (text(&change.old_image, "group"), text(&change.new_image, "group"));
        let is_new = record.event_name == "INSERT";
        let changed =
            ChangedItem::of(&key("pk")?, &key("sk")?, is_new, (group.0.as_deref(), group.1.as_deref()));
        let sequence_number = change.sequence_number.clone().ok_or("the record has no place")?;
        let images = (change.old_image.clone(), change.new_image.clone());
        Ok(Self { changed, sequence_number, images })
    }
}

/// Messages of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The messages.
    pub messages: Vec<Message>,
    /// When they were delivered.
    pub at: Timestamp,
    /// How long they may take.
    pub time_left: Duration,
}

/// One message of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is called.
    pub id: String,
    /// What this delivery of it is called.
    pub receipt: String,
    /// How often it was delivered, this time among them.
    pub deliveries: u32,
    /// What it says.
    pub body: String,
}

impl Messages {
    /// As SQS sends them.
    ///
    /// # Errors
    /// When a message has no id.
    pub fn read(event: SqsEvent, at: Timestamp, time_left: Duration) -> Result<Self, StartError> {
        let messages = event.records.into_iter().map(Message::read).collect::<Result<_, _>>()?;
        Ok(Self { messages, at, time_left })
    }
}

impl Message {
    fn read(message: SqsMessage) -> Result<Self, StartError> {
        let deliveries = message.attributes.get("ApproximateReceiveCount");
        Ok(Self {
            id: message.message_id.ok_or("the message has no id")?,
            receipt: message.receipt_handle.unwrap_or_default(),
            deliveries: deliveries.and_then(|count| count.parse().ok()).unwrap_or(1),
            body: message.body.unwrap_or_default(),
        })
    }
}

/// A scheduled event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// The moment that it is for: the event's own time, so that a missed one can be sent again.
    pub at: Timestamp,
    /// How long it may take.
    pub time_left: Duration,
}

impl Event {
    /// As EventBridge sends it.
    ///
    /// # Errors
    /// When the event has no time.
    pub fn read(event: &EventBridgeEvent<Value>, time_left: Duration) -> Result<Self, StartError> {
        let time = event.time.ok_or("the event has no time")?;
        let at = Timestamp::from_millisecond(time.timestamp_millis())?;
        Ok(Self { at, time_left })
    }
}

/// A variable of the function's environment.
///
/// # Errors
/// That it is not set.
pub fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set"))
}

/// The hash of the first admin key, if the stack names one.
fn first_admin() -> Result<Option<Hash>, StartError> {
    match variable("SCRIP_ADMIN_KEY_SHA256") {
        Ok(digits) if !digits.is_empty() => Ok(Some(digits.parse()?)),
        _ => Ok(None),
    }
}

/// The issuer of customers' tokens, if the stack names one.
fn oidc() -> Result<Option<Oidc>, StartError> {
    match variable("SCRIP_OIDC_ISSUER") {
        Ok(issuer) if !issuer.is_empty() => {
            let audience = variable("SCRIP_OIDC_AUDIENCE").unwrap_or_default();
            Ok(Some(Oidc::new(&issuer, &audience)?))
        }
        _ => Ok(None),
    }
}

fn plain(request: lambda_http::Request) -> Request<Bytes> {
    // The path as the client sent it; `lambda_http` puts the stage's name in front of it. What no address may hold is
    // written as one may, so that the part that it stands in is refused by name.
    let path = utf8_percent_encode(request.raw_http_path(), NOT_IN_PATHS).to_string();
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    parts.uri = format!("{path}{query}").parse().unwrap_or_default();
    let body = match body {
        Body::Empty => Bytes::new(),
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        _ => Bytes::new(),
    };
    Request::from_parts(parts, body)
}

/// Text as it is, and what is no text in UTF-8, as gzip is none, in base64.
fn body(body: Bytes) -> Body {
    String::from_utf8(body.into()).map_or_else(|error| Body::Binary(error.into_bytes()), Body::Text)
}

#[cfg(test)]
mod tests;
