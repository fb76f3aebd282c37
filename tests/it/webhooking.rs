//! Webhooks: signed, to those endpoints that want them, again when they were not taken; and never into a private network.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes as Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use edge::{Gate, Reach, Service};
use http::Request;
use jiff::SignedDuration;
use ledger::Hash;
use serde_json::{Value, json};
use standardwebhooks::Webhook;

use crate::support::world::{World, each};

/// Somebody's server: what it was sent, and how it answers.
struct Receiver {
    url: String,
    received: Received,
    answer: Arc<Mutex<Answer>>,
}

type Received = Arc<Mutex<Vec<(HeaderMap, String)>>>;

#[derive(Clone, Copy)]
enum Answer {
    Status(u16),
    /// To where nobody should go.
    Redirect,
    Hang,
}

impl Receiver {
    async fn start() -> Self {
        let received: Received = Arc::default();
        let answer = Arc::new(Mutex::new(Answer::Status(204)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state((Arc::clone(&received), Arc::clone(&answer)));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, received, answer }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// What came since this was asked last.
    fn taken(&self) -> Vec<(HeaderMap, String)> {
        std::mem::take(&mut *self.received.lock().unwrap())
    }
}

async fn receive(
    State((received, answer)): State<(Received, Arc<Mutex<Answer>>)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    received.lock().unwrap().push((headers, String::from_utf8(body.to_vec()).unwrap()));
    let answer = *answer.lock().unwrap();
    match answer {
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Redirect => (StatusCode::TEMPORARY_REDIRECT, [("location", "/elsewhere")]).into_response(),
        Answer::Hang => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
    }
}

/// Sets an endpoint; answers its secret.
async fn webhook(world: &World, id: &str, body: Value) -> String {
    let set = world.admin().put(&format!("/v1/settings/webhooks/{id}"), body).await.expect(200, "");
    set.json["secret"].as_str().unwrap_or_default().to_owned()
}

/// The type of what was sent, if this secret signed it; the crate's own check also wants a recent time.
fn signed_by(secret: &str, (headers, body): &(HeaderMap, String)) -> Option<String> {
    let text = |name: &str| headers[name].to_str().unwrap();
    let event: Value = serde_json::from_str(body).unwrap();
    assert_eq!(text("webhook-id"), event["id"].as_str().unwrap());
    assert_eq!(text("content-type"), "application/json");
    let seconds = text("webhook-timestamp").parse().unwrap();
    let signature = Webhook::new(secret).unwrap().sign(text("webhook-id"), seconds, body.as_bytes()).unwrap();
    let signed = text("webhook-signature").split(' ').any(|given| given == signature);
    signed.then(|| event["type"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_endpoint_is_sent_the_events_that_it_wants_signed() {
    let (world, all, some) = (World::start().await, Receiver::start().await, Receiver::start().await);
    let secret = webhook(&world, "erp", json!({"url": all.url})).await;
    let other = webhook(&world, "desk", json!({"url": some.url, "events": ["topup.requested"]})).await;
    world.granted("alice", "5.00", json!({"note": "secret"})).await;
    let topup = json!({"amount": "10.00", "payment": {"mode": "online", "method": "stripe"}});
    world.customer("alice").request_topup("alice", "t-1", topup).await.expect(201, "");
    world.catch_up().await;
    let taken = all.taken();
    let mut kinds: Vec<String> = taken.iter().map(|sent| signed_by(&secret, sent).unwrap()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["credit.granted", "topup.requested"]);
    let events = world.outside.events.latest();
    for (_, body) in &taken {
        let sent: Value = serde_json::from_str(body).unwrap();
        assert!(events.contains(&sent), "the same as on the bus: {sent:#}");
    }
    let taken = some.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(signed_by(&other, &taken[0]).as_deref(), Some("topup.requested"));
    assert_eq!(signed_by(&secret, &taken[0]), None, "each has a secret of its own");

    // Switched off, or gone, it is sent nothing.
    webhook(&world, "erp", json!({"url": all.url, "enabled": false})).await;
    world.admin().delete("/v1/settings/webhooks/desk").await.expect(204, "");
    world.granted("alice", "5.00", json!({})).await;
    world.catch_up().await;
    assert_eq!((all.taken().len(), some.taken().len()), (0, 0));
}

#[tokio::test]
async fn a_secret_is_told_once_and_its_successor_signs_beside_it_for_a_day() {
    let (world, receiver) = (World::start().await, Receiver::start().await);
    let admin = world.admin();
    let first = webhook(&world, "erp", json!({"url": receiver.url})).await;
    assert!(first.starts_with("whsec_"), "{first}");
    assert_eq!(webhook(&world, "erp", json!({"url": receiver.url, "events": null})).await, "", "not again");
    let renewed =
        admin.send("POST", "/v1/settings/webhooks/erp/secret", &[], Bytes::new()).await.expect(200, "");
    let second = renewed.json["secret"].as_str().unwrap().to_owned();
    assert_eq!(renewed.json["webhook"]["previous_secret_until"], "2026-11-23T10:00:00Z");
    let send = async || {
        world.granted("alice", "1.00", json!({})).await;
        world.catch_up().await;
        let sent = receiver.taken().pop().unwrap();
        (signed_by(&first, &sent).is_some(), signed_by(&second, &sent).is_some())
    };
    assert_eq!(send().await, (true, true));
    world.pass(SignedDuration::from_hours(24));
    assert_eq!(send().await, (false, true));
    for path in ["/v1/settings/webhooks", "/v1/settings/changes?of=webhooks"] {
        let shown = admin.get(path).await.expect(200, "").text;
        assert!(shown.contains("erp") && !shown.contains("whsec_"), "{shown}");
        assert!(!shown.contains(&first[6..]) && !shown.contains(&second[6..]), "{shown}");
    }
    let changes = admin.get("/v1/settings/changes?of=webhooks&limit=1").await.json;
    assert_eq!(changes["data"][0]["version"], 3);
}

#[tokio::test]
async fn what_an_endpoint_does_not_take_is_sent_again_to_it_alone_later_each_time() {
    let (world, good, bad) = (World::start().await, Receiver::start().await, Receiver::start().await);
    webhook(&world, "good", json!({"url": good.url})).await;
    let secret = webhook(&world, "bad", json!({"url": bad.url})).await;
    world.admin().put("/v1/settings/mail", json!({"sender": "shop@example.com"})).await.expect(200, "");
    world.admin().put("/v1/customers/alice", json!({"email": "alice@example.com"})).await.expect(200, "");
    bad.answers(Answer::Status(500));
    world.granted("alice", "5.00", json!({})).await;
    world.catch_up().await;
    assert_eq!((good.taken().len(), bad.taken().len(), world.mails().await.len()), (1, 1, 1));
    // Nothing comes before its time.
    world.pass(SignedDuration::from_secs(4));
    world.catch_up().await;
    assert_eq!(bad.taken().len(), 0);
    bad.answers(Answer::Redirect);
    world.pass(SignedDuration::from_secs(1));
    world.catch_up().await;
    assert_eq!(bad.taken().len(), 1, "and not where it was sent on to");
    for (pause, answer) in
        [(300, Answer::Status(404)), (1_800, Answer::Status(410)), (7_200, Answer::Status(200))]
    {
        bad.answers(answer);
        world.pass(SignedDuration::from_secs(pause - 1));
        world.catch_up().await;
        assert_eq!(bad.taken().len(), 0);
        world.pass(SignedDuration::from_secs(1));
        world.catch_up().await;
        let taken = bad.taken();
        assert_eq!(taken.len(), 1, "{pause}");
        let late = taken[0].0["webhook-timestamp"].to_str().unwrap().parse::<i64>().unwrap();
        assert_eq!(late, world.now().as_second(), "signed anew");
        assert!(signed_by(&secret, &taken[0]).is_some());
    }
    world.pass(SignedDuration::from_hours(100));
    world.catch_up().await;
    assert_eq!((good.taken().len(), bad.taken().len(), world.mails().await.len()), (0, 0, 1));
}

#[tokio::test]
async fn an_endpoint_that_hangs_or_is_down_holds_up_neither_money_nor_mails() {
    let (world, hanging, down) = (World::start().await, Receiver::start().await, "http://127.0.0.1:9/");
    hanging.answers(Answer::Hang);
    webhook(&world, "hanging", json!({"url": hanging.url})).await;
    webhook(&world, "down", json!({"url": down})).await;
    world.admin().put("/v1/settings/mail", json!({"sender": "shop@example.com"})).await.expect(200, "");
    world.admin().put("/v1/customers/alice", json!({"email": "alice@example.com"})).await.expect(200, "");
    world.granted("alice", "5.00", json!({})).await;
    world.granted("alice", "6.00", json!({})).await;
    assert_eq!(world.account("alice").await["balance"], "11.00");
    assert_eq!(world.mails().await.len(), 2);
    hanging.answers(Answer::Status(200));
    hanging.taken();
    // Who hung is left alone for moments, so that nobody else waits for it.
    world.granted("alice", "7.00", json!({})).await;
    world.catch_up().await;
    assert_eq!((hanging.taken().len(), world.mails().await.len()), (0, 3));
    world.pass(SignedDuration::from_secs(5));
    world.catch_up().await;
    assert_eq!(hanging.taken().len(), 3);
}

#[tokio::test]
async fn deployed_no_webhook_can_be_set_to_a_private_address() {
    let world = World::start().await;
    let (key, admin) = edge::new_api_key(ledger::Role::Admin, None, world.now()).unwrap();
    let gate = Arc::new(Gate::new(world.store.clone(), Some(Hash(admin.hash.0)), None));
    // As Lambda's own `main` starts it.
    let service = Service::new(settings::routes(Reach::Public), world.store.clone(), gate);
    let set = async |url: &str| {
        let request =
            Request::put("/v1/settings/webhooks/erp").header("authorization", format!("Bearer {key}"));
        let request = request.body(Bytes::from(json!({"url": url}).to_string())).unwrap();
        let response = service.respond(request, world.now(), "test").await;
        (response.status().as_u16(), String::from_utf8(response.into_body().to_vec()).unwrap())
    };
    for private in [
        "http://example.com/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://[fd00:ec2::254]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://db.internal/",
        "https://user:secret@example.com/",
        "ftp://example.com/",
        "example.com",
        "",
    ] {
        let (status, body) = set(private).await;
        assert_eq!(status, 400, "{private}: {body}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["errors"][0]["field"], "url", "{private}: {body}");
    }
    assert_eq!(world.admin().get("/v1/settings/webhooks").await.json, json!({"webhooks": [], "version": 0}));
    let (status, body) = set("https://hooks.example.com/scrip?shop=1").await;
    assert_eq!(status, 200, "{body}");
}

#[tokio::test]
async fn what_is_no_webhook_is_refused_by_name() {
    let world = World::start().await;
    let admin = world.admin();
    let good = json!({"url": "https://example.com/"});
    for (id, body, field) in [
        ("a b", good.clone(), "id"),
        (&"x".repeat(65), good.clone(), "id"),
        ("erp", json!({}), "url"),
        ("erp", json!({"url": 7}), "url"),
        ("erp", json!({"url": "https://example.com/", "events": []}), "events"),
        ("erp", json!({"url": "https://example.com/", "events": ["credit.stolen"]}), "events"),
        ("erp", json!({"url": "https://example.com/", "enabled": "yes"}), "enabled"),
        ("erp", json!({"url": "https://example.com/", "secret": "whsec_"}), "secret"),
    ] {
        let path = format!("/v1/settings/webhooks/{}", id.replace(' ', "%20"));
        let refused = admin.put(&path, body.clone()).await.expect(400, "invalid_request");
        assert_eq!(refused.json["errors"][0]["field"], field, "{body}: {}", refused.text);
    }
    admin.delete("/v1/settings/webhooks/erp").await.expect(404, "webhook_not_found");
    admin
        .send("POST", "/v1/settings/webhooks/erp/secret", &[], Bytes::new())
        .await
        .expect(404, "webhook_not_found");
    world.shop().put("/v1/settings/webhooks/erp", good.clone()).await.expect(403, "forbidden");
    for number in 0..20 {
        webhook(&world, &format!("w{number}"), good.clone()).await;
    }
    admin.put("/v1/settings/webhooks/w20", good.clone()).await.expect(422, "settings_too_large");
    admin.put("/v1/settings/webhooks/w19", good).await.expect(200, "");
    let listed = admin.get("/v1/settings/webhooks").await.expect(200, "").json;
    assert_eq!(each(listed["webhooks"].as_array().unwrap(), "id").len(), 20);
}

#[tokio::test]
async fn every_type_of_the_schema_can_be_asked_for_and_no_other() {
    let schema: Value = serde_json::from_str(include_str!("../../docs/events.schema.json")).unwrap();
    let known = schema["oneOf"].as_array().unwrap().iter();
    let mut known: Vec<&str> =
        known.map(|of| of["$ref"].as_str().unwrap().strip_prefix("#/$defs/").unwrap()).collect();
    known.sort_unstable();
    let mut types = edge::EVENT_TYPES;
    types.sort_unstable();
    assert_eq!(known, types);
    // What is mailed about is among them.
    assert!(mail::Kind::ALL.iter().all(|kind| edge::EVENT_TYPES.contains(&kind.word())));
}
