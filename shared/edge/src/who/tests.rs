//! Keys in a table that is played, and whom they let in.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::{Value, json};
use store::Connection;

use super::*;

/// A table that answers every question with this item, or with none, and counts them.
#[derive(Clone, Debug)]
struct Table {
    answer: String,
    asked: Arc<AtomicU32>,
}

impl Table {
    fn new(answer: &Value) -> Self {
        Self { answer: answer.to_string(), asked: Arc::default() }
    }

    /// One that holds this key, stored under any id.
    fn with(key: &ApiKey) -> Self {
        let mut item = json!({
            "pk": {"S": "KEY#"}, "sk": {"S": "KEY"}, "v": {"N": "1"}, "h": {"B": STANDARD.encode(key.hash.0)},
            "role": {"S": key.role.word()}, "at": {"N": key.created_at.as_millisecond().to_string()},
        });
        if let Some(revoked_at) = key.revoked_at {
            item["revoked"] = json!({"N": revoked_at.as_millisecond().to_string()});
        }
        Self::new(&json!({"Item": item}))
    }

    fn gate(&self, first_admin: Option<Hash>) -> Gate {
        let table = SharedHttpConnector::new(self.clone());
        let carrier = SharedHttpClient::new(http_client_fn(move |_, _| table.clone()));
        let connection = Connection::local("scrip", "http://127.0.0.1:1").through(carrier);
        Gate::new(Store::connect(connection), first_admin, None)
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::Relaxed)
    }
}

impl HttpConnector for Table {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        self.asked.fetch_add(1, Ordering::Relaxed);
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), self.answer.clone().into())))
    }
}

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// Whom this header lets in; or the code of the refusal.
async fn ask(gate: &Gate, header: &str, at: Timestamp) -> Result<Who, &'static str> {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, http::HeaderValue::from_bytes(header.as_bytes()).unwrap());
    gate.who(&headers, at).await.map_err(|problem| problem.code())
}

const REFUSED: Result<Who, &str> = Err("unauthenticated");

fn let_in(role: Role, id: &str) -> Result<Who, &'static str> {
    Ok(Who { actor: Actor { role, id: id.to_owned() }, customer: None })
}

#[test]
fn a_new_key_is_long_its_own_and_stored_as_a_hash() {
    let (key, stored) = new_api_key(Role::Store, Some("till".to_owned()), now()).unwrap();
    let digits = key.strip_prefix("sk_").unwrap();
    assert!(digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()), "{key}");
    assert_ne!(new_api_key(Role::Store, None, now()).unwrap().0, key);
    let hash = Hash::of(key.as_bytes());
    assert_eq!(stored.id, format!("key_{}", &hash.to_string()[..24]));
    let expected = ApiKey {
        id: key_id(hash),
        hash,
        role: Role::Store,
        name: Some("till".to_owned()),
        created_at: now(),
        revoked_at: None,
    };
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn a_key_lets_in_as_what_it_was_made_for() {
    let (key, stored) = new_api_key(Role::Store, None, now()).unwrap();
    let gate = Table::with(&stored).gate(None);
    for header in [format!("Bearer {key}"), format!("bearer {key}"), format!("BEARER   {key} ")] {
        let who = ask(&gate, &header, now()).await;
        assert_eq!(who, let_in(Role::Store, &stored.id), "{header}");
        assert_eq!(who.unwrap().role(), Role::Store);
    }
    for header in [
        format!("Basic {key}"),
        key.clone(),
        format!("Bearer{key}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
    ] {
        assert_eq!(ask(&gate, &header, now()).await, REFUSED, "{header}");
    }
    assert_eq!(gate.who(&HeaderMap::new(), now()).await.map_err(|problem| problem.code()), REFUSED);
}

#[tokio::test]
async fn a_key_that_is_another_or_revoked_or_not_known_lets_nobody_in() {
    let (key, stored) = new_api_key(Role::Admin, None, now()).unwrap();
    let header = format!("Bearer {key}");
    let other = ApiKey { hash: Hash::of(b"another"), ..stored.clone() };
    let revoked = ApiKey { revoked_at: Some(now()), ..stored };
    for table in [Table::with(&other), Table::with(&revoked), Table::new(&json!({}))] {
        assert_eq!(ask(&table.gate(None), &header, now()).await, REFUSED);
        assert_eq!(table.asked(), 1);
    }
}

#[tokio::test]
async fn the_first_admins_key_is_asked_of_nobody() {
    let (key, stored) = new_api_key(Role::Admin, None, now()).unwrap();
    let table = Table::new(&json!({}));
    let gate = table.gate(Some(stored.hash));
    assert_eq!(ask(&gate, &format!("Bearer {key}"), now()).await, let_in(Role::Admin, &stored.id));
    assert_eq!(table.asked(), 0);
    assert_eq!(ask(&gate, "Bearer sk_1", now()).await, REFUSED);
    assert_eq!(table.asked(), 1);
}

#[tokio::test]
async fn a_token_lets_nobody_in_where_no_issuer_is_believed() {
    let table = Table::new(&json!({}));
    assert_eq!(ask(&table.gate(None), "Bearer a.b.c", now()).await, REFUSED);
    assert_eq!(table.asked(), 0);
}

#[tokio::test]
async fn a_credential_beyond_8_kib_is_not_looked_at() {
    for (length, asked) in [(8_191, 1), (8_192, 1), (8_193, 0), (20_000, 0)] {
        let table = Table::new(&json!({}));
        let header = format!("Bearer sk_{}", "x".repeat(length - 3));
        assert_eq!(ask(&table.gate(None), &header, now()).await, REFUSED);
        assert_eq!(table.asked(), asked, "{length}");
    }
}

#[tokio::test]
async fn a_key_is_believed_for_half_a_minute_and_looked_up_again() {
    let (key, stored) = new_api_key(Role::Store, None, now()).unwrap();
    let table = Table::with(&stored);
    let gate = table.gate(None);
    let header = format!("Bearer {key}");
    for (seconds, asked) in [(0, 1), (29, 1), (-29, 1), (30, 2), (31, 2), (1, 2), (0, 3)] {
        assert_eq!(ask(&gate, &header, later(seconds)).await, let_in(Role::Store, &stored.id));
        assert_eq!(table.asked(), asked, "after {seconds} s");
    }
}

#[test]
fn a_thousand_keys_are_remembered_and_no_more() {
    let gate = Table::new(&json!({})).gate(None);
    let key = |number: u32| {
        let hash = Hash::of(&number.to_be_bytes());
        ApiKey { id: key_id(hash), hash, role: Role::Store, name: None, created_at: now(), revoked_at: None }
    };
    for number in 0..1_000 {
        gate.remember(&key(number), now());
    }
    assert_eq!(gate.remembered(&key(0).id, now()), Some(key(0)));
    assert_eq!(gate.remembered(&key(999).id, now()), Some(key(999)));
    assert_eq!(gate.remembered(&key(1_000).id, now()), None);
    gate.remember(&key(1_000), now());
    assert_eq!(gate.remembered(&key(1_000).id, now()), Some(key(1_000)));
    assert_eq!(gate.remembered(&key(0).id, now()), None);
}

#[test]
fn a_credential_of_anything_lets_nobody_in() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let gate = Table::new(&json!({})).gate(None);
    let config = ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(
        scheme in prop_oneof![Just("Bearer "), Just("bearer  sk_"), Just("Bearer sk_"), Just("")],
        bytes in prop::collection::vec(any::<u8>(), 0..80),
    )| {
        let header = [scheme.as_bytes(), &bytes].concat();
        if let Ok(value) = http::HeaderValue::from_bytes(&header) {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value);
            let refused = runtime.block_on(gate.who(&headers, now()));
            prop_assert_eq!(refused.map_err(|problem| problem.code()), REFUSED);
        }
    });
}
