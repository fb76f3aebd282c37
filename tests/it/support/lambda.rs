//! A stand-in for Lambda: its runtime API on this machine, with one of the real function binaries at work on it.

use std::{
    net::Ipv4Addr,
    process::{Command, ExitStatus},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use local::TABLE;
use serde_json::Value;
use tokio::{
    net::TcpListener,
    sync::{
        Mutex,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    task::JoinHandle,
    time::timeout,
};

use crate::support::process::{Process, binary};

/// How long a function may take to answer here.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it is told that it may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// What a function told Lambda.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// The answer to an event.
    Response(Value),
    /// That it failed on an event.
    Error(Value),
    /// That it could not start.
    InitError(Value),
}

/// One running function.
pub struct Function {
    process: Process,
    events: UnboundedSender<Bytes>,
    told: UnboundedReceiver<Told>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Runtime {
    events: Arc<Mutex<UnboundedReceiver<Bytes>>>,
    told: UnboundedSender<Told>,
}

impl Function {
    /// Starts this function with Lambda's own environment, the table at `database`, and `more` variables.
    pub async fn start(name: &str, database: &str, more: &[(&str, &str)]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (events, queue) = unbounded_channel();
        let (teller, told) = unbounded_channel();
        let runtime = Runtime { events: Arc::new(Mutex::new(queue)), told: teller };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/{what}", post(tell))
            .route("/2018-06-01/runtime/init/error", post(tell_of_start))
            .with_state(runtime);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let process = Process::spawn(command(name, &address, database).envs(more.iter().copied()));
        Self { process, events, told, server }
    }

    /// Hands it an event, and goes on.
    pub fn hand(&self, event: impl Into<Bytes>) {
        self.events.send(event.into()).unwrap();
    }

    /// The most memory that it has had so far, in KiB.
    pub fn peak_memory(&self) -> u64 {
        self.process.peak_memory()
    }

    /// Hands it an event, and waits for what it tells.
    pub async fn invoke(&mut self, event: impl Into<Bytes>) -> Told {
        self.hand(event);
        match timeout(PATIENCE, self.told.recv()).await {
            Ok(told) => told.unwrap(),
            Err(_) => panic!("it told nothing for {PATIENCE:?}"),
        }
    }

    /// Hands it an event of API Gateway's, and expects an HTTP answer: its status, and its body.
    pub async fn answer(&mut self, event: &str) -> (u64, Value) {
        let told = self.invoke(event.to_owned()).await;
        let Told::Response(response) = &told else { panic!("{told:?}") };
        assert_eq!(response["isBase64Encoded"], false, "{response}");
        let body = response["body"].as_str().unwrap_or_else(|| panic!("{response}"));
        let status = response["statusCode"].as_u64().unwrap();
        (status, serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
    }

    /// Ends it, and tells all that it had printed.
    pub fn end(mut self) -> String {
        self.process.kill();
        let (_, errors) = self.process.ended();
        format!("{}\n{errors}", self.process.printed().join("\n"))
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Starts a function that is expected to end by itself, and tells how it did and all that it printed.
pub fn start_in_vain(name: &str, without: &[&str], more: &[(&str, &str)]) -> (ExitStatus, String) {
    // Nothing listens there: it must not come so far as to ask.
    let mut command = command(name, "127.0.0.1:9", "http://127.0.0.1:9");
    command.envs(more.iter().copied());
    for variable in without {
        command.env_remove(variable);
    }
    let mut process = Process::spawn(&mut command);
    let (status, errors) = process.ended();
    (status, format!("{}\n{errors}", process.printed().join("\n")))
}

fn command(name: &str, runtime: &str, database: &str) -> Command {
    let mut command = Command::new(binary(name));
    command.env_clear().envs([
        ("AWS_LAMBDA_RUNTIME_API", runtime),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
        ("AWS_SESSION_TOKEN", "local"),
        ("AWS_ENDPOINT_URL_DYNAMODB", database),
        ("SCRIP_TABLE", TABLE),
        // Nobody listens there.
        ("AWS_ENDPOINT_URL_EVENTBRIDGE", "http://127.0.0.1:9"),
        ("SCRIP_EVENT_BUS", "scrip"),
        ("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:9"),
        ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9"),
        ("SCRIP_DELIVERIES", "http://127.0.0.1:9/deliveries"),
        ("SCRIP_DELIVERS", "mails"),
    ]);
    command
}

async fn next(State(runtime): State<Runtime>) -> Response<axum::body::Body> {
    // Nobody hands out any more: it waits for its end.
    let Some(event) = runtime.events.lock().await.recv().await else { return std::future::pending().await };
    let deadline = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + TIMEOUT;
    Response::builder()
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
        .header("lambda-runtime-deadline-ms", deadline.as_millis().to_string())
        .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:scrip")
        .header("lambda-runtime-trace-id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1")
        .body(event.into())
        .unwrap()
}

async fn tell(
    State(runtime): State<Runtime>,
    Path((_, what)): Path<(String, String)>,
    body: Bytes,
) -> StatusCode {
    let body = serde_json::from_slice(&body).unwrap();
    let told = match what.as_str() {
        "response" => Told::Response(body),
        "error" => Told::Error(body),
        _ => return StatusCode::NOT_FOUND,
    };
    runtime.told.send(told).unwrap();
    StatusCode::ACCEPTED
}

async fn tell_of_start(State(runtime): State<Runtime>, body: Bytes) -> StatusCode {
    runtime.told.send(Told::InitError(serde_json::from_slice(&body).unwrap())).unwrap();
    StatusCode::ACCEPTED
}
