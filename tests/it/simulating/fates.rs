//! What can become of a call to the database, and what its caller is then told.

use std::{
    cell::RefCell,
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use fastrand::Rng;
use local::TABLE;
use serde_json::{Value, json};
use store::{Connection, Store};
use tokio::sync::oneshot;

use super::table::{Refused, cancelled, key, refused};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Success,
    /// It never arrives, and the connection ends.
    LostRequest,
    /// It takes effect, and the connection ends before the answer.
    LostAnswer,
    /// The connection ends, and it takes effect some time later.
    Late,
    /// It arrives, or not, and nobody ever says so.
    Hang,
    /// It arrives twice; the second answer is the one that is heard.
    Twice,
    /// Somebody else holds the item at that moment.
    Conflict,
    /// An earlier sending of the same transaction is not done yet.
    InProgress,
    Throttled,
    /// The database fails, before or after it took effect.
    Failed,
    /// The items of a batch are read at moments of their own: each is as it is then, together they never were.
    Torn,
    /// A part of a batch is handed back.
    Unprocessed,
    /// An index that follows by moments is read before it followed.
    Stale,
    /// Whoever called dies, before or after it took effect.
    Death,
}

/// What the store asks the database for; nothing else is simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    GetItem,
    BatchGetItem,
    Query,
    PutItem,
    TransactWriteItems,
}

/// One call to the database.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub operation: Operation,
    pub body: Value,
}

/// What the caller is told: an answer, an error, or nothing where the connection breaks.
pub type Told = Option<Result<Value, Refused>>;

/// Who waits for an answer: its status and body, or nothing where the connection breaks.
pub type Answered = oneshot::Sender<Option<(u16, String)>>;

/// Decides what a fate leaves open: by a seed, or by going through all that there is.
pub trait Choices {
    fn yes(&self) -> bool;
    /// One of so many, counted from zero.
    fn one_of(&self, count: usize) -> usize;
    /// Whether it arrived before it was lost.
    fn arrives(&self, call: &Call) -> bool;
    /// One of so many items, which one it is on account of.
    fn item(&self, count: usize) -> usize;
    /// Whether of a batch one more item is handed back, after some were.
    fn another(&self) -> bool;
}

impl Choices for RefCell<Rng> {
    fn yes(&self) -> bool {
        self.borrow_mut().bool()
    }

    fn one_of(&self, count: usize) -> usize {
        self.borrow_mut().usize(..count)
    }

    fn arrives(&self, _: &Call) -> bool {
        self.yes()
    }

    fn item(&self, count: usize) -> usize {
        self.one_of(count)
    }

    fn another(&self) -> bool {
        self.yes()
    }
}

impl Operation {
    pub const ALL: [Self; 5] =
        [Self::GetItem, Self::BatchGetItem, Self::Query, Self::PutItem, Self::TransactWriteItems];

    fn of(name: &str) -> Self {
        let known = Self::ALL.into_iter().find(|operation| operation.name() == name);
        known.unwrap_or_else(|| panic!("{name} is not simulated"))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::GetItem => "GetItem",
            Self::BatchGetItem => "BatchGetItem",
            Self::Query => "Query",
            Self::PutItem => "PutItem",
            Self::TransactWriteItems => "TransactWriteItems",
        }
    }

    pub fn writes(self) -> bool {
        match self {
            Self::GetItem | Self::BatchGetItem | Self::Query => false,
            Self::PutItem | Self::TransactWriteItems => true,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.name())
    }
}

impl Fate {
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::LostRequest,
        Self::LostAnswer,
        Self::Late,
        Self::Hang,
        Self::Twice,
        Self::Conflict,
        Self::InProgress,
        Self::Throttled,
        Self::Failed,
        Self::Torn,
        Self::Unprocessed,
        Self::Stale,
        Self::Death,
    ];

    /// Why this cannot become of such a call, if it cannot.
    pub fn is_impossible_for(self, operation: Operation) -> Option<&'static str> {
        use Operation::{BatchGetItem, GetItem, PutItem, Query, TransactWriteItems};
        match (self, operation) {
            (
                Self::Success
                | Self::LostRequest
                | Self::LostAnswer
                | Self::Hang
                | Self::Throttled
                | Self::Failed
                | Self::Death,
                GetItem | BatchGetItem | Query | PutItem | TransactWriteItems,
            )
            | (Self::Late | Self::Twice | Self::Conflict, PutItem | TransactWriteItems)
            | (Self::InProgress, TransactWriteItems)
            | (Self::Torn | Self::Unprocessed, BatchGetItem)
            | (Self::Stale, Query) => None,
            (Self::Late | Self::Twice, GetItem | BatchGetItem | Query) => {
                Some("a read that comes late or twice leaves nothing behind")
            }
            (Self::Conflict, GetItem | BatchGetItem | Query) => {
                Some("a read outside a transaction does not meet one")
            }
            (Self::InProgress, GetItem | BatchGetItem | Query | PutItem) => {
                Some("only a transaction has a token by which it is known again")
            }
            (Self::Torn, GetItem | PutItem | TransactWriteItems) => Some("it is of one moment"),
            (Self::Torn, Query) => {
                Some("it reads items of one partition, of which nothing is decided together")
            }
            (Self::Unprocessed, GetItem | Query | PutItem | TransactWriteItems) => {
                Some("nothing of it is handed back")
            }
            (Self::Stale, GetItem | BatchGetItem | PutItem | TransactWriteItems) => Some("it reads no index"),
        }
    }
}

impl Call {
    /// What was sent, and which sending of the SDK's it belongs to: its tries of one request have one name.
    fn read(request: &HttpRequest) -> (Self, String) {
        let header = |name| request.headers().get(name).unwrap();
        let operation = Operation::of(header("x-amz-target").rsplit('.').next().unwrap());
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        (Self { operation, body }, header("amz-sdk-invocation-id").to_owned())
    }

    /// The keys that a batch names.
    pub fn keys(&self) -> Option<&Vec<Value>> {
        self.body["RequestItems"][TABLE]["Keys"].as_array()
    }

    /// Whether it reads an index that follows the table by moments.
    pub fn reads_behind(&self) -> bool {
        self.operation == Operation::Query
            && self.body["ConsistentRead"] != true
            && !self.body["IndexName"].is_null()
    }

    /// What it is about, the same in every run of a seed: the keys that it names.
    pub fn subject(&self) -> String {
        let body = &self.body;
        let one = |attributes: &Value| {
            let (pk, sk) = key(attributes);
            format!("{pk}/{sk}")
        };
        if let Some(puts) = body["TransactItems"].as_array() {
            return puts.iter().map(|put| one(&put["Put"]["Item"])).collect::<Vec<_>>().join(" ");
        }
        if let Some(keys) = self.keys() {
            let mut keys: Vec<String> = keys.iter().map(one).collect();
            keys.sort_unstable();
            return keys.join(" ");
        }
        if let Some(values) = body["ExpressionAttributeValues"].as_object().filter(|_| body["Item"].is_null())
        {
            let mut values: Vec<String> =
                values.iter().map(|(name, value)| format!("{name}={value}")).collect();
            values.sort_unstable();
            return format!("{} {}", body["IndexName"], values.join(" "));
        }
        one(if body["Item"].is_null() { &body["Key"] } else { &body["Item"] })
    }

    /// What the caller is told if this becomes of it, with the choices that are left. `apply` lets a call take effect.
    pub fn befall(
        &self,
        fate: Fate,
        choices: &impl Choices,
        apply: impl Fn(&Self) -> Result<Value, Refused>,
    ) -> Told {
        let maybe = || {
            if choices.arrives(self) {
                drop(apply(self));
            }
        };
        let told = |kind: &str| Err(refused(kind, json!({"message": "on purpose"})));
        let is_transaction = self.operation == Operation::TransactWriteItems;
        Some(match fate {
            Fate::Success | Fate::Stale | Fate::Torn => apply(self),
            // When it arrives is for whoever keeps it until then.
            Fate::LostRequest | Fate::Late => return None,
            Fate::LostAnswer => {
                drop(apply(self));
                return None;
            }
            Fate::Hang | Fate::Death => {
                maybe();
                return None;
            }
            Fate::Twice => {
                drop(apply(self));
                apply(self)
            }
            Fate::Conflict if is_transaction => Err(self.cancelled(choices, "TransactionConflict")),
            Fate::Conflict => told("TransactionConflictException"),
            Fate::InProgress => told("TransactionInProgressException"),
            Fate::Throttled if is_transaction && choices.yes() => {
                let code = ["ThrottlingError", "ProvisionedThroughputExceeded"];
                let code = code[choices.one_of(2)];
                Err(self.cancelled(choices, code))
            }
            Fate::Throttled => {
                let one = choices.yes();
                told(if one { "ThrottlingException" } else { "ProvisionedThroughputExceededException" })
            }
            Fate::Failed => {
                maybe();
                let failed =
                    if choices.yes() { (500, "InternalServerError") } else { (503, "ServiceUnavailable") };
                let Refused(_, body) = refused(failed.1, json!({"message": "on purpose"}));
                Err(Refused(failed.0, body))
            }
            Fate::Unprocessed => {
                let mut rest = self.clone();
                let mut back = Vec::new();
                let keys = rest.body["RequestItems"][TABLE]["Keys"].as_array_mut().unwrap();
                keys.sort_by_cached_key(key);
                while back.is_empty() || (!keys.is_empty() && choices.another()) {
                    let at = choices.item(keys.len());
                    back.push(keys.swap_remove(at));
                }
                let mut answer =
                    if keys.is_empty() { json!({"Responses": {}}) } else { apply(&rest).unwrap() };
                answer["UnprocessedKeys"] = json!({TABLE: {"Keys": back, "ConsistentRead": true}});
                Ok(answer)
            }
        })
    }

    /// The transaction is cancelled on account of one of its items.
    fn cancelled(&self, choices: &impl Choices, code: &str) -> Refused {
        let mut reasons = vec!["None"; self.body["TransactItems"].as_array().unwrap().len()];
        let at = choices.item(reasons.len());
        reasons[at] = code;
        cancelled(&reasons)
    }
}

/// Adds what was read before of the same batch to an answer.
pub fn add_read(answer: &mut Value, before: &mut Vec<Value>) {
    let responses = answer["Responses"].as_object_mut().unwrap();
    let items = responses.entry(TABLE).or_insert_with(|| json!([])).as_array_mut().unwrap();
    items.append(before);
}

/// Sends what a caller is told.
pub fn answer(to: Answered, told: Told) {
    drop(to.send(told.map(|told| match told {
        Ok(answer) => (200, answer.to_string()),
        Err(Refused(status, body)) => (status, body.to_string()),
    })));
}

/// Brings the SDK's requests before whoever takes them.
struct Carrier<T>(T);

/// Takes calls, each with the name of the sending that it belongs to, and with who waits for it.
pub trait Takes: Send + Sync + 'static {
    fn take(&self, call: Call, sending: String, answer: Answered);
}

impl<T> fmt::Debug for Carrier<T> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("Carrier")
    }
}

impl<T: Takes> HttpConnector for Carrier<T> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (call, sending) = Call::read(&request);
        let (answer, answered) = oneshot::channel();
        self.0.take(call, sending, answer);
        HttpConnectorFuture::new(async move {
            match answered.await {
                Ok(Some((status, text))) => Ok(HttpResponse::new(status.try_into().unwrap(), text.into())),
                Ok(None) | Err(_) => Err(ConnectorError::io("the connection broke".into())),
            }
        })
    }
}

/// A store whose calls are taken by this: as a new process has one, which knows nothing of those before it.
pub fn store_through(takes: impl Takes) -> Store {
    // The client keeps what it counts of its own retries by region, for all of a process.
    static REGION: AtomicU64 = AtomicU64::new(0);
    let carrier = SharedHttpConnector::new(Carrier(takes));
    let mut connection = Connection::local(TABLE, "http://simulated");
    connection.region = format!("simulated-{}", REGION.fetch_add(1, Ordering::Relaxed));
    Store::connect(connection.through(http_client_fn(move |_, _| carrier.clone())))
}
