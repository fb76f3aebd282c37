//! The real function binaries, as Lambda starts them: each answers an event of its own, or says why it cannot start.

use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::Hash;
use local::{Database, Template};
use serde_json::{Value, json};

use crate::support::{
    lambda::{Function, Told, start_in_vain},
    wire::Fault,
    world::World,
};

/// The key that the events carry.
const KEY: &str = "sk_5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c";

/// The function that has no table and opens no door: pages, for whoever asks.
const CONSOLE: &str = "console";

/// The event of each function, in an order in which each finds what it needs.
const EVENTS: [(&str, &str); 16] = [
    ("settings", include_str!("events/settings.json")),
    ("grant", include_str!("events/grant.json")),
    ("redeem", include_str!("events/redeem.json")),
    ("request-topup", include_str!("events/request-topup.json")),
    ("approve", include_str!("events/approve.json")),
    ("history", include_str!("events/history.json")),
    ("reports", include_str!("events/reports.json")),
    ("withdraw", include_str!("events/withdraw.json")),
    ("expire-on-schedule", include_str!("events/expire-on-schedule.json")),
    ("index-customers", include_str!("events/index-customers.json")),
    ("grant-group", include_str!("events/grant-group.json")),
    ("notify", include_str!("events/notify.json")),
    ("deliver", include_str!("events/deliver.json")),
    ("audit", include_str!("events/audit.json")),
    ("close-books", include_str!("events/close-books.json")),
    (CONSOLE, include_str!("events/console.json")),
];

/// What the functions answer that no caller reaches.
fn told(function: &str) -> Option<Value> {
    match function {
        "expire-on-schedule" => Some(
            json!({"booked": 1, "refiled": 0, "dated": 0, "topups": 1, "reminded": 0, "interrupted": false}),
        ),
        "audit" => Some(
            json!({"customers": 1, "entries": 4, "findings": 0, "passed_over": 0, "finished_round": true, "interrupted": false}),
        ),
        "close-books" => {
            Some(json!({"days": 0, "bookings": 0, "through": "2026-11-22", "interrupted": false}))
        }
        "index-customers" | "grant-group" => Some(json!({"batchItemFailures": []})),
        // There is no bus here: the record comes again.
        "notify" => Some(json!({"batchItemFailures": [{"itemIdentifier": "111000000000000000000002"}]})),
        // Nobody is to be told.
        "deliver" => Some(json!({"batchItemFailures": []})),
        _ => None,
    }
}

fn event(function: &str) -> &'static str {
    EVENTS.iter().find(|(of, _)| *of == function).unwrap().1
}

fn admin_hash() -> String {
    Hash::of(KEY.as_bytes()).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_function_of_the_template_starts_and_answers_its_event() {
    let mut functions = Template::read().unwrap().functions().unwrap();
    functions.sort();
    functions.dedup();
    let mut events = EVENTS.map(|(function, _)| function);
    events.sort();
    assert_eq!(functions, events);

    let database = Database::start(None, 0).await.unwrap();
    let hash = admin_hash();
    let mut answers = Vec::new();
    for (name, event) in EVENTS {
        let mut function =
            Function::start(name, database.endpoint(), &[("SCRIP_ADMIN_KEY_SHA256", &hash)]).await;
        if name == CONSOLE {
            let (response, html) = page(&mut function, event).await;
            assert!(html.starts_with(b"<!doctype html>"), "{response}");
        } else if let Some(told) = told(name) {
            assert_eq!(function.invoke(event).await, Told::Response(told), "{name}");
        } else {
            answers.push((name, function.answer(event).await));
        }
        let printed = function.end();
        assert!(!printed.contains("panicked") && !printed.contains(KEY), "{name} printed {printed}");
    }

    let seen: Vec<(&str, u64, Vec<&str>)> = answers
        .iter()
        .map(|(name, (status, body))| {
            let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
            let pointers: &[&str] = match *name {
                "settings" => &["/settings/currency", "/settings/time_zone"],
                "grant" => &["/entry/id", "/entry/amount", "/entry/expires_at", "/account/balance"],
                "redeem" => &["/applied", "/remaining_due", "/entry/id", "/account/balance"],
                "request-topup" => &["/topup/status", "/topup/amount"],
                "withdraw" => &["/entry/id", "/entry/amount", "/account/balance"],
                "reports" => &["/data/0/customer", "/next_cursor"],
                "approve" => &["/data/0/customer", "/data/0/amount", "/data/0/status"],
                _ => &["/customer", "/accounts/0/balance", "/accounts/0/lots/0/remaining"],
            };
            (*name, *status, pointers.iter().map(|pointer| text(pointer)).collect())
        })
        .collect();
    let expected = [
        ("settings", 200, vec!["USD", "UTC"]),
        ("grant", 201, vec!["USD-1", "25.00", "2100-01-01T00:00:00Z", "25.00"]),
        ("redeem", 201, vec!["8.00", "0.00", "USD-2", "17.00"]),
        ("request-topup", 201, vec!["pending", "50.00"]),
        ("approve", 200, vec!["alice", "50.00", "pending"]),
        ("history", 200, vec!["alice", "17.00", "17.00"]),
        // Nobody has booked anything yet.
        ("reports", 200, vec!["-", "-"]),
        ("withdraw", 201, vec!["USD-3", "-1.00", "16.00"]),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn no_function_starts_without_what_it_needs() {
    let hash = admin_hash();
    for (name, _) in EVENTS.into_iter().filter(|(name, _)| *name != CONSOLE) {
        for missing in ["SCRIP_TABLE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            let (status, printed) = start_in_vain(name, &[missing], &[("SCRIP_ADMIN_KEY_SHA256", &hash)]);
            assert!(!status.success(), "{name} without {missing}: {status}");
            assert!(
                printed.contains(&format!("{missing} is not set")),
                "{name} without {missing} printed {printed}"
            );
            assert!(!printed.contains("panicked"), "{name} without {missing} printed {printed}");
        }
    }
}

/// What `console` answers with 200: all of it, and the bytes of its body.
async fn page(function: &mut Function, event: &str) -> (Value, Vec<u8>) {
    let told = function.invoke(event.to_owned()).await;
    let Told::Response(response) = told else { panic!("{told:?}") };
    assert_eq!(response["statusCode"], 200, "{response}");
    let body = response["body"].as_str().unwrap();
    let bytes = match &response["isBase64Encoded"] {
        Value::Bool(true) => STANDARD.decode(body).unwrap(),
        _ => body.as_bytes().to_vec(),
    };
    (response, bytes)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_answers_its_pages_and_files_in_gzip_where_that_is_taken() {
    let variables = [
        ("SCRIP_OIDC_ISSUER", "https://id.shop.example/realms/shop"),
        ("SCRIP_CONSOLE_CLIENT_ID", "staff"),
        ("SCRIP_SIGN_IN_ORIGINS", "https://login.shop.example https://other.example:8443"),
    ];
    let mut function = Function::start(CONSOLE, "http://127.0.0.1:9", &variables).await;
    let (response, html) = page(&mut function, event(CONSOLE)).await;
    let html = String::from_utf8(html).unwrap();
    assert!(
        html.contains("content=\"https://id.shop.example/realms/shop\"")
            && html.contains("content=\"staff\""),
        "{html}"
    );
    let policy = response["headers"]["content-security-policy"].as_str().unwrap();
    let called =
        "connect-src 'self' https://id.shop.example https://login.shop.example https://other.example:8443;";
    assert!(policy.contains(called), "{policy}");

    let file = format!("/{}", html.split('"').find(|text| text.starts_with("assets/")).unwrap());
    let asked =
        |path: &str| event(CONSOLE).replace("\"rawPath\": \"/console\"", &format!("\"rawPath\": \"{path}\""));
    let (packed, bytes) = page(&mut function, &asked(&file)).await;
    assert_eq!(
        (&packed["isBase64Encoded"], &packed["headers"]["content-encoding"]),
        (&json!(true), &json!("gzip"))
    );
    assert_eq!(bytes[..2], [0x1f, 0x8b], "{packed}");
    let (plain, bytes) = page(&mut function, &asked(&file).replace("gzip, ", "gzip;q=0, ")).await;
    assert_eq!(
        (&plain["isBase64Encoded"], &plain["headers"]["content-encoding"]),
        (&json!(false), &json!(null))
    );
    assert!(str::from_utf8(&bytes).is_ok() && !bytes.is_empty(), "{plain}");
    for nothing in
        ["/assets/0000000000000000/console.js", "/assets/x/..%2f..%2fconsole.html", "/v1/settings", "/"]
    {
        let (status, body) = function.answer(&asked(nothing)).await;
        assert_eq!((status, &body["code"]), (404, &json!("route_not_found")), "{nothing}");
    }
    assert!(!function.end().contains("panicked"));
}

#[test]
fn the_console_does_not_start_with_what_is_no_origin() {
    for (name, value) in [
        ("SCRIP_OIDC_ISSUER", "issuer.example"),
        ("SCRIP_SIGN_IN_ORIGINS", "https://login.example/path"),
        ("SCRIP_SHOP_ORIGINS", "https://shop.example http://other.example"),
        ("SCRIP_SHOP_ORIGINS", "https://shop.example;script-src"),
    ] {
        let (status, printed) = start_in_vain(CONSOLE, &[], &[(name, value)]);
        assert!(!status.success(), "{name}={value}: {status}");
        assert!(
            printed.contains(name) && printed.contains("is no origin"),
            "{name}={value} printed {printed}"
        );
        assert!(!printed.contains("panicked"), "{name}={value} printed {printed}");
    }
}

#[test]
fn no_function_starts_with_half_a_door() {
    let short = admin_hash().split_off(1);
    let cases: [&[(&str, &str)]; 4] = [
        &[("SCRIP_ADMIN_KEY_SHA256", &short)],
        &[("SCRIP_ADMIN_KEY_SHA256", KEY)],
        &[("SCRIP_OIDC_ISSUER", "https://issuer.example")],
        &[("SCRIP_OIDC_ISSUER", "http://issuer.example"), ("SCRIP_OIDC_AUDIENCE", "scrip")],
    ];
    for variables in cases {
        let (status, printed) = start_in_vain("history", &[], variables);
        assert!(!status.success(), "{variables:?}: {status}");
        assert!(!printed.contains("panicked") && !printed.contains(KEY), "{variables:?} printed {printed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_configured_lets_nobody_in() {
    let database = Database::start(None, 0).await.unwrap();
    let empty = [("SCRIP_ADMIN_KEY_SHA256", ""), ("SCRIP_OIDC_ISSUER", ""), ("SCRIP_OIDC_AUDIENCE", "")];
    // As the template says "none", and as no template would.
    for variables in [&empty[..], &[]] {
        let called = EVENTS.into_iter().filter(|(name, _)| told(name).is_none() && *name != CONSOLE);
        for (name, event) in called {
            let mut function = Function::start(name, database.endpoint(), variables).await;
            let token = "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSIsInNjb3BlIjoic2NyaXA6YWRtaW4ifQ.";
            for credential in
                [Some(format!("Bearer {KEY}")), Some(token.to_owned()), Some("Bearer ".to_owned()), None]
            {
                let mut event: Value = serde_json::from_str(event).unwrap();
                let headers = event["headers"].as_object_mut().unwrap();
                headers.remove("authorization");
                if let Some(credential) = &credential {
                    headers.insert("authorization".to_owned(), json!(credential));
                }
                let (status, body) = function.answer(&event.to_string()).await;
                assert_eq!(
                    (status, &body["code"]),
                    (401, &json!("unauthenticated")),
                    "{name}, {credential:?}"
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_refused_and_the_next_event_answered() {
    let database = Database::start(None, 0).await.unwrap();
    let hash = admin_hash();
    let good = event("history");
    let with = |pointer: &str, value: Value| {
        let mut event: Value = serde_json::from_str(good).unwrap();
        *event.pointer_mut(pointer).unwrap() = value;
        event.to_string()
    };
    let mut function =
        Function::start("history", database.endpoint(), &[("SCRIP_ADMIN_KEY_SHA256", &hash)]).await;
    // No event of API Gateway's: Lambda is told that it failed.
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for garbage in ["", "{", "null", "7", "\"text\"", "[]", "{}", "{\"version\":\"2.0\"}", "\u{0}", &deep] {
        let told = function.invoke(garbage.to_owned()).await;
        let shown: String = garbage.chars().take(20).collect();
        assert!(matches!(told, Told::Error(_)), "{shown}: {told:?}");
    }
    // A caller's garbage in an event of API Gateway's: the caller is told.
    for (pointer, value, status) in [
        ("/rawPath", json!("/v1/customers/%ff%fe"), 400),
        ("/rawPath", json!("/v1/customers/%"), 400),
        ("/rawPath", json!("/v1/customers/a b"), 400),
        ("/rawPath", json!("/v1/customers/\u{e9}"), 400),
        ("/rawPath", json!("/v1/customers/a\u{0}"), 400),
        ("/rawPath", json!("/v1/customers/a\tb"), 400),
        ("/rawPath", json!("/v1/customers/a#b"), 400),
        ("/rawPath", json!("/v1/customers/a?b"), 400),
        ("/rawPath", json!("/v1/customers/<a>"), 400),
        ("/rawPath", json!("/v1/customers/"), 400),
        ("/rawPath", json!(""), 404),
        ("/rawPath", json!(format!("/v1/{}", "a/".repeat(4_000))), 404),
        ("/rawQueryString", json!("%00=%00"), 400),
        ("/headers/authorization", json!("\u{e9}\u{2603}"), 401),
        ("/requestContext/http/method", json!("BREW"), 404),
    ] {
        let (answered, body) = function.answer(&with(pointer, value.clone())).await;
        assert_eq!(answered, status, "{pointer} {value}: {body}");
    }
    let (status, body) = function.answer(good).await;
    assert_eq!((status, &body["code"]), (404, &json!("customer_not_found")), "{body}");
    let printed = function.end();
    assert!(!printed.contains("panicked"), "{printed}");

    let mut function = Function::start("expire-on-schedule", database.endpoint(), &[]).await;
    for garbage in ["{", "[]", "{}", "{\"time\":7}", "{\"time\":\"tomorrow\"}", event("history")] {
        let told = function.invoke(garbage).await;
        assert!(matches!(told, Told::Error(_)), "{garbage}: {told:?}");
    }
    let timeless = function.invoke(event("expire-on-schedule").replace("\"time\"", "\"moment\"")).await;
    let told = json!({"errorType": "InvalidEvent", "errorMessage": "the event has no time"});
    assert_eq!(timeless, Told::Error(told));
    let told = function.invoke(event("expire-on-schedule")).await;
    assert_eq!(
        told,
        Told::Response(
            json!({"booked": 0, "refiled": 0, "dated": 0, "topups": 0, "reminded": 0, "interrupted": false})
        )
    );
    assert!(!function.end().contains("panicked"));

    for name in ["index-customers", "grant-group"] {
        let mut function = Function::start(name, database.endpoint(), &[]).await;
        let keyless = event(name).replace("\"pk\"", "\"id\"");
        for garbage in ["{", "[]", "{}", "{\"Records\":[{}]}", &keyless, event("history")] {
            let told = function.invoke(garbage.to_owned()).await;
            assert!(matches!(told, Told::Error(_)), "{name}, {garbage}: {told:?}");
        }
        let Told::Error(told) = function.invoke(keyless.clone()).await else { panic!("{name}") };
        assert_eq!(told["errorType"], "InvalidEvent", "{name}");
        // What is gone, or was never there, is nothing to follow.
        let told = function.invoke(event(name)).await;
        assert_eq!(told, Told::Response(json!({"batchItemFailures": []})), "{name}");
        assert!(!function.end().contains("panicked"), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_finished_fails_by_a_name_that_stays() {
    let world = World::start().await;
    let mut function =
        Function::start("expire-on-schedule", &world.wire.endpoint, &[("SCRIP_TABLE", world.table())]).await;
    world.wire.fault("Query", Fault::error("AccessDeniedException", 400));
    let Told::Error(told) = function.invoke(event("expire-on-schedule")).await else {
        panic!("it did not fail")
    };
    assert_eq!(told["errorType"], "Unfinished");
    let message = told["errorMessage"].as_str().unwrap();
    assert!(message.contains("the first failure: the database refused"), "{message}");
    function.end();
}
