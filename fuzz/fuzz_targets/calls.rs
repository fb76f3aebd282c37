//! Calls of the API, through the real routes, on a table that has nothing: whatever is asked is answered, and never with 500.
//!
//! The first line is method and path with its query, the second the caller's credential or nothing for an admin's, the rest the body.
#![no_main]

use std::sync::{Arc, LazyLock};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use bytes::Bytes;
use edge::{Gate, Reach, Routes, Service};
use http::Request;
use jiff::Timestamp;
use ledger::Hash;
use libfuzzer_sys::fuzz_target;
use store::{Connection, Store};
use tokio::runtime::{Builder, Runtime};

const ADMIN: &str = "sk_admin";

/// A table that is empty, and takes whatever is written.
#[derive(Debug)]
struct Empty;

impl HttpConnector for Empty {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), "{}".to_owned().into())))
    }
}

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().unwrap());

static SERVICES: LazyLock<Vec<Service>> = LazyLock::new(|| {
    let carrier = SharedHttpClient::new(http_client_fn(|_, _| SharedHttpConnector::new(Empty)));
    let store = Store::connect(Connection::local("scrip", "http://127.0.0.1:1").through(carrier));
    let gate = Arc::new(Gate::new(store.clone(), Some(Hash::of(ADMIN.as_bytes())), None));
    let service = |routes: Routes| Service::new(routes, store.clone(), Arc::clone(&gate));
    [
        approve::routes(),
        grant::routes(),
        history::routes(),
        redeem::routes(),
        reports::routes(),
        request_topup::routes(),
        settings::routes(Reach::Public),
        withdraw::routes(),
    ]
    .into_iter()
    .map(service)
    .collect()
});

fuzz_target!(|text: &str| {
    let mut lines = text.splitn(3, '\n');
    let (method, path) = lines.next().and_then(|line| line.split_once(' ')).unwrap_or(("POST", text));
    let credential = lines.next().filter(|credential| !credential.is_empty()).unwrap_or(ADMIN);
    let body = lines.next().unwrap_or_default();
    for service in SERVICES.iter() {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {credential}"));
        let Ok(request) = request.header("idempotency-key", "k").body(Bytes::from(body.to_owned())) else {
            return;
        };
        let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let response = RUNTIME.block_on(service.respond(request, at, "1"));
        assert_ne!(response.status().as_u16(), 500, "{:?}", response.body());
    }
});
