//! `docs/openapi.json` says what the code does: the template's routes, the roles of each, the code's words and limits; its examples are
//! answers that were given, and the page for people is made of it. That every exchange of every test is as it says is held where tests
//! call: `support/openapi.rs`.
//!
//! `SCRIP_WRITE=1 cargo test -p tests --test it describing` writes the examples and the page.

mod examples;
mod page;
mod tree;

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
};

use bytes::Bytes;
use console::Site;
use edge::{Access, EVENT_TYPES};
use http::HeaderMap;
use local::Template;
use serde_json::{Value, json};

use self::tree::Tree;
use crate::support::{
    openapi::{self, Operation, check_named, document, is_page, operations, resolved},
    world::World,
};

fn names<T: ToString>(all: impl IntoIterator<Item = T>) -> BTreeSet<String> {
    all.into_iter().map(|one| one.to_string()).collect()
}

fn texts(list: &Value) -> BTreeSet<String> {
    names(list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()))
}

/// Holds a file below `docs/` to what it has to be, or writes it.
#[track_caller]
fn hold(file: &str, text: &str) {
    let path = format!("{}/../docs/{file}", env!("CARGO_MANIFEST_DIR"));
    if env::var_os("SCRIP_WRITE").is_some() {
        fs::write(&path, text).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap();
    let differs = there.lines().zip(text.lines()).find(|(there, due)| there != due);
    assert_eq!(differs, None, "docs/{file} is not up to date; SCRIP_WRITE=1 writes it");
    assert_eq!(there.len(), text.len(), "docs/{file} is not up to date; SCRIP_WRITE=1 writes it");
}

#[test]
fn the_document_has_the_templates_routes_and_the_codes_roles() {
    let described = names(operations().map(|of| format!("{} {}", of.method.to_uppercase(), of.path)));
    let routes = Template::read().unwrap().routes().unwrap().into_iter();
    let routes = routes.filter(|route| route.method != "$default" && !is_page(&route.path));
    assert_eq!(described, names(routes.map(|route| format!("{} {}", route.method, route.path))));

    for (_, routes) in local::functions(&Site::default()).unwrap() {
        for route in routes.iter().filter(|route| !is_page(route.path)) {
            let found = operations()
                .find(|of| of.method.to_uppercase() == route.method.as_str() && of.path == route.path);
            let security = &found.unwrap().described["security"];
            let expected = match route.access {
                Access::Admin => json!([{"key": ["admin"]}, {"token": ["admin"]}]),
                Access::Staff => json!([{"key": ["admin", "store"]}, {"token": ["admin"]}]),
                Access::All => json!([{"key": ["admin", "store"]}, {"token": ["admin", "customer"]}]),
                Access::Anybody => json!([]),
            };
            assert_eq!(*security, expected, "{} {}", route.method, route.path);
        }
    }
}

#[test]
fn operations_have_names_of_their_own_and_the_parameters_of_their_paths() {
    let ids = names(operations().map(Operation::id));
    assert_eq!(ids.len(), operations().count());
    for operation in operations() {
        let id = operation.id();
        let in_path = operation.parameters().filter(|parameter| parameter["in"] == "path");
        let in_path = names(in_path.map(|parameter| parameter["name"].as_str().unwrap()));
        let parts = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        assert_eq!(in_path, names(parts), "{id}");
        let tags = document()["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]);
        assert_eq!(tags.filter(|tag| **tag == operation.described["tags"][0]).count(), 1, "{id}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_nothing_is_described_in_vain() {
    fn walk(value: &'static Value, used: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(to) = members.get("$ref") {
                    resolved(value);
                    used.insert(to.as_str().unwrap().to_owned());
                }
                members.values().for_each(|member| walk(member, used));
            }
            Value::Array(items) => items.iter().for_each(|item| walk(item, used)),
            _ => {}
        }
    }
    let mut used = BTreeSet::new();
    walk(document(), &mut used);
    for (kind, things) in document()["components"].as_object().unwrap() {
        for name in things.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "nothing refers to {kind}/{name}");
        }
    }
}

#[test]
fn links_lead_to_operations_and_take_what_the_answer_has() {
    for operation in operations() {
        for (status, response) in operation.described["responses"].as_object().unwrap() {
            for (name, link) in response["links"].as_object().into_iter().flatten() {
                let what = format!("{} {status} {name}", operation.id());
                let to = operations().find(|to| link["operationId"] == to.id());
                let to = to.unwrap_or_else(|| panic!("{what} leads nowhere"));
                for (parameter, from) in link["parameters"].as_object().unwrap() {
                    let known = to.parameters().any(|known| known["name"] == *parameter);
                    assert!(known, "{what}: {} has no {parameter}", to.id());
                    let from = from.as_str().unwrap();
                    if let Some(part) = from.strip_prefix("$request.path.") {
                        assert!(operation.path.contains(&format!("{{{part}}}")), "{what}: {from}");
                    } else if let Some(part) = from.strip_prefix("$request.query.") {
                        assert!(operation.parameters().any(|own| own["name"] == part), "{what}: {from}");
                    } else {
                        let pointer = from.strip_prefix("$response.body#").unwrap();
                        let example = &response["content"]["application/json"]["examples"]["answer"];
                        let example = &resolved(example)["value"];
                        assert!(example.pointer(pointer).is_some(), "{what}: {from} is not in {example}");
                    }
                }
                let given = link["parameters"].as_object().unwrap();
                for part in to.parameters().filter(|part| part["in"] == "path") {
                    assert!(given.contains_key(part["name"].as_str().unwrap()), "{what} lacks {part}");
                }
            }
        }
    }
}

#[test]
fn words_are_the_codes() {
    let schemas = &document()["components"]["schemas"];
    let words = |name: &str| texts(&schemas[name]["enum"]);
    assert_eq!(words("Category"), names(ledger::Category::ALL));
    assert_eq!(words("Role"), names(ledger::Role::ALL));
    assert_eq!(words("EntryType"), names(ledger::EntryType::ALL));
    assert_eq!(words("PaymentMode"), names(ledger::PaymentMode::ALL));
    assert_eq!(words("TopupStatus"), names(ledger::TopupStatus::ALL));
    assert_eq!(words("BoundBy"), names(ledger::BoundBy::ALL));
    assert_eq!(words("Level"), names(ledger::Level::ALL));
    assert_eq!(words("ConsumptionOrder"), names(ledger::ConsumptionOrder::ALL));
    assert_eq!(words("UsageBase"), names(ledger::UsageBase::ALL));
    let rows = |name: &str, member: &str, inner: &str| {
        let row = &schemas[name]["properties"][member]["items"]["properties"];
        texts(&row[inner]["enum"])
    };
    assert_eq!(rows("Ageing", "ages", "days"), names(ledger::Age::ALL));
    assert_eq!(rows("ExpiringCredit", "expiring", "expires"), names(ledger::Within::ALL));
    let categories = schemas["ByCategory"]["properties"].as_object().unwrap();
    assert_eq!(names(categories.keys()), names(ledger::Category::ALL));
    assert_eq!(words("Flaw"), names(ledger::Flaw::ALL));
    assert_eq!(words("EventType"), names(EVENT_TYPES));
    assert_eq!(words("MailKind"), names(mail::Kind::ALL));
    let chart = schemas["ChartOfAccounts"]["properties"].as_object().unwrap();
    assert_eq!(names(chart.keys()), names(ledger::AccountRole::ALL));
    let defaults: Value = chart.iter().map(|(role, of)| (role.clone(), of["default"].clone())).collect();
    let roles = ledger::AccountRole::ALL.iter().map(|role| (role.to_string(), json!(role.default_name())));
    assert_eq!(defaults, roles.collect::<Value>());
    let letters = || b'A'..=b'Z';
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| [a, b, c])));
    let codes = codes.map(|code| String::from_utf8(code.to_vec()).unwrap());
    assert_eq!(words("Currency"), names(codes.filter(|code| code.parse::<ledger::Currency>().is_ok())));

    // Every setting, with its default, whether it is read, written, or told of by its name alone.
    let defaults = serde_json::to_value(ledger::Policy::default()).unwrap();
    let settings = names(defaults.as_object().unwrap().keys());
    for name in ["Settings", "GivenSettings"] {
        let told = schemas[name]["properties"].as_object().unwrap();
        let told: Value = told.iter().map(|(name, of)| (name.clone(), of["default"].clone())).collect();
        assert_eq!(told, defaults, "{name}");
    }
    assert_eq!(texts(&schemas["Settings"]["required"]), settings);
    assert_eq!(texts(&schemas["PolicyView"]["propertyNames"]["enum"]), settings);
    let alone = ["currency", "time_zone", "sort_order", "chart_of_accounts"].map(str::to_owned);
    let own = names(schemas["Overrides"]["properties"].as_object().unwrap().keys());
    assert_eq!(own, settings.into_iter().filter(|name| !alone.contains(name)).collect());
    assert_eq!(schemas["Order"]["properties"]["lines"]["maxItems"], ledger::MAX_ORDER_LINES);
    let parameters = &document()["components"]["parameters"];
    assert_eq!(parameters["limit"]["schema"]["maximum"], store::MAX_PAGE);
    assert_eq!(schemas["GivenTemplate"]["properties"]["subject"]["maxLength"], mail::MAX_SUBJECT);
    assert_eq!(schemas["GivenTemplate"]["properties"]["text"]["maxLength"], mail::MAX_BODY);
}

/// Texts around the limits of everything that is read of a text.
fn probes() -> Vec<String> {
    let mut probes: Vec<String> = [
        "",
        " ",
        "a",
        "A",
        "0",
        "1",
        "-1",
        "+1",
        "00",
        "01",
        "1.",
        ".1",
        "1.0",
        "0.0",
        "0.00001",
        "0.0001",
        "-0.5",
        "1e3",
        "1,5",
        "٣",
        "999999999999",
        "9999999999999",
        "999999999999.9999",
        "-999999999999.9999",
        "1.99999",
        "100",
        "100.0000",
        "100.0001",
        "101",
        "99.9999",
        "0.1000",
        "alice@example.com",
        "a b",
        "a/b",
        "é",
        "a\u{0}b",
        "a\tb",
        "a\nb",
        "a\u{7f}",
        "a\u{85}",
        "a\u{9f}",
        "a\u{a0}",
        "en",
        "pt-BR",
        "e",
        "en-",
        "-en",
        "zh-Hant-TW",
        "en_US",
        "e1",
        "abcdefgh",
        "abcdefghi",
        "en-123456789",
        "USD",
        "USD-1",
        "USD-01",
        "USD-0",
        "USD-9.1",
        "USD-9.255",
        "USD-9.256",
        "USD-9.0",
        "USD-9.01",
        "usd-1",
        "USD-1-1",
        "USD-",
        "-1",
        "USD-1234567890123456789",
        "USD-AAAAAAAAAAAAAAAAAAAAAA",
        "USD-AAAAAAAAAAAAAAAAAAAAA",
        "USD-AAAAAAAAAAAAAAAAAAAAAAA",
        "USD-AAAAAAAAAAAAAAAAAAAA+A",
        "AAAAAAAAAAAAAAAAAAAAAA",
        "_-AAAAAAAAAAAAAAAAAAAA",
        "2026-12-31",
        "2026-02-29",
        "2024-02-29",
        "2026-13-01",
        "26-12-31",
        "2026-12-31T10:00:00Z",
        "2026-12-31t10:00:00z",
        "2026-12-31T10:00:00.123456789+23:59",
        "2026-12-31T10:00:00",
        "2026-12-31 10:00:00Z",
        "2026-12-31T10:00Z",
        "2026-02-30T10:00:00Z",
        "2026-12-31T10:00:00+01",
        "2026-12-31T10:00:00.Z",
        "Assets:A",
        "Assets:Clearing:4-8400",
        "Assets",
        "Assets:",
        "Assets::A",
        "Assets:a",
        "Asset:A",
        "Assets:A_b",
        "Assets:{method}",
    ]
    .map(str::to_owned)
    .to_vec();
    for length in [34, 35, 36, 63, 64, 65, 127, 128, 129, 254, 255, 256, 499, 500, 501] {
        probes.extend(["x".repeat(length), "é".repeat(length), format!("en{}", "-a".repeat(length / 2))]);
        probes.push(format!("Assets:{}", "A".repeat(length - 7)));
    }
    probes
}

#[test]
fn texts_are_taken_as_the_code_takes_them() {
    let is = |name: &str, text: &str| match name {
        "Amount" => text.parse::<ledger::Amount>().is_ok_and(|amount| {
            let currency = "CLF".parse().unwrap();
            amount.positive(currency).is_ok()
        }),
        "LimitAmount" => text.parse::<ledger::Amount>().is_ok(),
        "SignedAmount" => text.parse::<ledger::SignedAmount>().is_ok(),
        "Percent" => text.parse::<ledger::Percent>().is_ok(),
        "Currency" => text.parse::<ledger::Currency>().is_ok(),
        "CustomerId" => text.parse::<ledger::CustomerId>().is_ok(),
        "GroupId" => text.parse::<ledger::GroupId>().is_ok(),
        "WebhookId" => text.parse::<edge::EndpointId>().is_ok(),
        "EntryId" => text.parse::<ledger::EntryId>().is_ok(),
        "LotId" => text.parse::<ledger::LotId>().is_ok(),
        "TopupId" => text.parse::<ledger::TopupId>().is_ok(),
        "JobId" => text.parse::<store::GroupGrantId>().is_ok(),
        "Label" => text.parse::<ledger::Label>().is_ok(),
        "Note" => text.parse::<ledger::Note>().is_ok(),
        "Language" => text.parse::<ledger::Language>().is_ok(),
        "Day" => text.parse::<ledger::Day>().is_ok(),
        "Moment" => text.parse::<ledger::Moment>().is_ok(),
        "AccountName" => {
            text.parse::<ledger::AccountName>().is_ok_and(|name| !name.to_string().contains('{'))
        }
        "Email" => mail::Address::try_from(text.to_owned()).is_ok(),
        _ => panic!("{name}"),
    };
    for name in [
        "Amount",
        "LimitAmount",
        "SignedAmount",
        "Percent",
        "Currency",
        "CustomerId",
        "GroupId",
        "WebhookId",
        "EntryId",
        "LotId",
        "TopupId",
        "JobId",
        "Label",
        "Note",
        "Language",
        "Day",
        "Moment",
        "AccountName",
        "Email",
    ] {
        let (mut taken, mut refused) = (0, 0);
        for text in probes() {
            let described = check_named(name, &json!(text)).is_ok();
            assert_eq!(described, is(name, &text), "{name} {text:?}");
            *if described { &mut taken } else { &mut refused } += 1;
        }
        assert!(taken > 0 && refused > 0, "{name}: {taken} taken, {refused} refused");
    }
}

#[tokio::test]
async fn what_is_not_described_is_refused_by_name() {
    let world = World::start().await;
    for operation in operations().filter(|operation| operation.path.starts_with("/v1/")) {
        let id = operation.id();
        let path = operation.parameters().filter(|parameter| parameter["in"] == "path");
        let path = path.fold(operation.path.to_owned(), |path, part| {
            let (name, example) = (part["name"].as_str().unwrap(), part["example"].as_str().unwrap());
            path.replace(&format!("{{{name}}}"), example)
        });
        let body = &operation.described["requestBody"]["content"]["application/json"]["examples"]["request"];
        let mut body = if body.is_null() { json!({}) } else { resolved(body)["value"].clone() };
        let method = operation.method.to_uppercase();
        let refused = async |path: &str, body: &Value| {
            let body = Bytes::from(body.to_string());
            let headers = [("idempotency-key", "-")];
            let refused =
                world.admin().send(&method, path, &headers, body).await.expect(400, "invalid_request");
            assert_eq!(refused.json["errors"][0]["field"], "x", "{id}");
        };
        refused(&format!("{path}?x=1"), &body).await;
        if operation.described.get("requestBody").is_some() {
            body["x"] = json!(1);
            refused(&path, &body).await;
        }
    }
}

#[test]
fn what_is_not_described_does_not_pass() {
    let answer = |text: &'static str| openapi::Exchange {
        method: "DELETE",
        path: "/v1/api-keys/key_000000000000000000000000",
        headers: &[],
        body: &[],
        status: 404,
        answered: &HEADERS,
        text,
    };
    static HEADERS: std::sync::LazyLock<HeaderMap> = std::sync::LazyLock::new(|| {
        let headers = [("content-type", "application/problem+json"), ("cache-control", "no-store")];
        headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).into_iter().collect()
    });
    let passes = |exchange: openapi::Exchange<'_>| {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| openapi::hold(&exchange))).is_ok()
    };
    const GOOD: &str = r#"{"type":"urn:scrip:problem:api_key_not_found","title":"t","status":404,"code":"api_key_not_found","detail":"d"}"#;
    assert!(passes(answer(GOOD)));
    assert!(!passes(openapi::Exchange { status: 418, ..answer(GOOD) }));
    assert!(!passes(openapi::Exchange { answered: &HeaderMap::new(), ..answer(GOOD) }));
    assert!(!passes(openapi::Exchange { text: "", ..answer(GOOD) }));
    for (from, to) in [
        (r#""detail":"d""#, r#""detail":"d","more":1"#),
        (r#","detail":"d""#, ""),
        (r#""code":"api_key_not_found""#, r#""code":"group_not_found""#),
        (r#""status":404"#, r#""status":"404""#),
    ] {
        let altered: &'static str = Box::leak(GOOD.replace(from, to).into_boxed_str());
        assert!(!passes(answer(altered)), "{altered}");
    }
}

#[tokio::test]
async fn examples_are_answers_that_were_given() {
    let told = examples::told().await;
    // In the order of the document, where the block is the last thing of its components.
    let order: BTreeMap<String, usize> =
        operations_in_order().into_iter().enumerate().map(|(at, id)| (id, at)).collect();
    let mut told: Vec<_> = told.into_iter().collect();
    told.sort_by_key(|(name, _)| {
        let (id, what) = name.split_once('.').unwrap();
        (order[id], what == "answer")
    });
    let known = document()["components"]["examples"].as_object().unwrap();
    assert_eq!(names(known.keys()), names(told.iter().map(|(name, _)| name)));
    let lines: Vec<String> = told
        .iter()
        .map(|(name, value)| {
            let known = &known[name]["value"];
            // What is another each time is kept as it was.
            let same = examples::masked(known) == examples::masked(&serde_json::from_str(value).unwrap());
            let kept = Tree::read(openapi::text());
            let kept = kept.at("components").at("examples").at(name).at("value").clone();
            let value = if same { kept } else { Tree::read(value) };
            let example = Tree::Map(vec![("value".to_owned(), value)]);
            let name = Value::from(name.as_str()).to_string();
            format!("   {name}: {}", example.laid_out(3, name.len() + 3))
        })
        .collect();
    let (before, rest) = openapi::text().split_once("\n  \"examples\": {\n").unwrap();
    let (_, after) = rest.split_once("\n  }").unwrap();
    hold("openapi.json", &format!("{before}\n  \"examples\": {{\n{}\n  }}{after}", lines.join(",\n")));
}

/// Every operation's name, in the order of the document.
fn operations_in_order() -> Vec<String> {
    let document = Tree::read(openapi::text());
    let paths = document.at("paths").members().iter();
    let operations = paths.flat_map(|(_, methods)| methods.members());
    operations.map(|(_, of)| of.at("operationId").text().to_owned()).collect()
}

#[tokio::test]
async fn everybody_can_read_the_document_and_the_page() {
    let world = World::start().await;
    let nobody = world.nobody();
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.html")).unwrap();
    for (path, media, text) in [
        ("/openapi.json", "application/json", openapi::text()),
        ("/docs", "text/html; charset=utf-8", page.as_str()),
    ] {
        let answer = nobody.get(path).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, text));
        assert_eq!(answer.headers["content-type"], media);
        assert_eq!(answer.headers["cache-control"], "public, max-age=300");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        let tag = answer.headers["etag"].to_str().unwrap();
        for (known, status) in [
            (tag.to_owned(), 304),
            (format!("W/{tag}"), 304),
            (format!("\"other\", {tag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
            (tag.replace('"', ""), 200),
        ] {
            let again = nobody.send("GET", path, &[("if-none-match", &known)], Bytes::new()).await;
            assert_eq!((again.status, again.text.is_empty()), (status, status == 304), "{known}");
            assert_eq!(again.headers["etag"], tag);
        }
        // Nor does a credential that is none keep anybody from it.
        world.with_credential("sk_wrong").get(path).await.expect(200, "");
        world.admin().put(path, json!({})).await.expect(404, "route_not_found");
    }
    assert_eq!(world.wire.trips().len(), 0);
}

#[tokio::test]
async fn the_page_is_made_of_the_document_and_runs_nothing() {
    let page = page::page(&Tree::read(openapi::text()));
    hold("openapi.html", &page);
    for word in ["<script", "http-equiv", "style=", "src=", "onclick", "@import", "url("] {
        assert!(!page.contains(word), "the page has {word}");
    }
    for id in operations().map(Operation::id) {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    let links: BTreeSet<&str> =
        page.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    for link in links {
        assert!(page.contains(&format!("id=\"{link}\"")), "nothing is at #{link}");
    }
    let world = World::start().await;
    let policy =
        world.nobody().get("/docs").await.headers["content-security-policy"].to_str().unwrap().to_owned();
    assert!(
        policy.contains(&format!("'sha256-{}'", page::style_digest())),
        "{policy}, not {}",
        page::style_digest()
    );
}
