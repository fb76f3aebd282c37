//! Who may call what: every route of the template by every kind of caller.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use local::{AUDIENCE, Issuer, Template};
use serde_json::{Value, json};

use crate::support::world::{Answer, Client, World, fresh, fresh_key, order};

/// A route, a body that it takes, and what it answers to alice for herself, to bob for alice, to the store's key, the
/// admin's key, and to staff. For a customer who may not know of alice a refusal is 404, unless no customer may call.
struct Row {
    method: &'static str,
    path: &'static str,
    body: Value,
    alice: u16,
    bob: u16,
    store: u16,
    admin: u16,
}

fn row(method: &'static str, path: &'static str, body: Value, statuses: [u16; 4]) -> Row {
    let [alice, bob, store, admin] = statuses;
    Row { method, path, body, alice, bob, store, admin }
}

fn rows() -> Vec<Row> {
    let grant = json!({"amount": "5", "category": "paid"});
    let redemption = json!({"order": order("1", "1"), "amount": "1"});
    let withdrawal = json!({"amount": "1", "journal": "cash"});
    let topup = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
    vec![
        row("POST", "/v1/customers/{customer}/grants", grant, [403, 403, 201, 201]),
        row(
            "POST",
            "/v1/customers/{customer}/debits",
            json!({"amount": "1", "reason": "r"}),
            [403, 403, 403, 201],
        ),
        row("POST", "/v1/customers/{customer}/lots/{lot}/void", json!({"reason": "r"}), [403, 403, 403, 201]),
        row(
            "PATCH",
            "/v1/customers/{customer}/lots/{lot}",
            json!({"expires": "never"}),
            [403, 403, 403, 201],
        ),
        row("POST", "/v1/customers/{customer}/redemptions", redemption.clone(), [403, 403, 201, 201]),
        row("POST", "/v1/customers/{customer}/redemptions/{entry}/capture", json!({}), [403, 403, 201, 201]),
        row("POST", "/v1/customers/{customer}/redemptions/{entry}/void", json!({}), [403, 403, 201, 201]),
        row("POST", "/v1/customers/{customer}/redemptions/{entry}/refund", json!({}), [403, 403, 201, 201]),
        // The policy lets no customer withdraw, unless it says so.
        row("POST", "/v1/customers/{customer}/withdrawals", withdrawal, [403, 404, 201, 201]),
        row("POST", "/v1/customers/{customer}/redemptions/quote", redemption, [200, 404, 200, 200]),
        row("POST", "/v1/customers/{customer}/topups", topup, [201, 404, 201, 201]),
        row("POST", "/v1/customers/{customer}/topups/{topup}/cancel", json!({}), [200, 404, 200, 200]),
        row("POST", "/v1/customers/{customer}/topups/{topup}/approve", json!({}), [403, 403, 403, 200]),
        row(
            "POST",
            "/v1/customers/{customer}/topups/{topup}/reject",
            json!({"reason": "no"}),
            [403, 403, 403, 200],
        ),
        row("GET", "/v1/topups", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/customers", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/journal", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/reports/ageing", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/reports/expiring", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/reports/liability", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/reports/movements", json!(null), [403, 403, 403, 200]),
        row("DELETE", "/v1/customers/{customer}/personal-data", json!(null), [403, 403, 403, 204]),
        row("GET", "/v1/customers/{customer}", json!(null), [200, 404, 200, 200]),
        row("GET", "/v1/customers/{customer}/entries", json!(null), [200, 404, 200, 200]),
        row("GET", "/v1/customers/{customer}/topups", json!(null), [200, 404, 200, 200]),
        row("GET", "/v1/customers/{customer}/statement", json!(null), [200, 404, 200, 200]),
        row("GET", "/v1/customers/{customer}/verification", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/settings", json!(null), [403, 403, 403, 200]),
        row("PUT", "/v1/settings", json!({}), [403, 403, 403, 200]),
        row(
            "POST",
            "/v1/settings/quote",
            json!({"order": order("1", "1"), "credit": "1"}),
            [403, 403, 403, 200],
        ),
        row("GET", "/v1/settings/changes", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/groups", json!(null), [403, 403, 403, 200]),
        row("PUT", "/v1/groups/{group}", json!({}), [403, 403, 403, 200]),
        row("GET", "/v1/groups/{group}", json!(null), [403, 403, 403, 200]),
        row(
            "POST",
            "/v1/groups/{group}/grants",
            json!({"amount": "5", "category": "paid"}),
            [403, 403, 403, 202],
        ),
        row("GET", "/v1/group-grants/{job}", json!(null), [403, 403, 403, 200]),
        row("GET", "/v1/customers/{customer}/changes", json!(null), [403, 403, 403, 200]),
        row("PUT", "/v1/customers/{customer}", json!({"name": "Alice"}), [403, 403, 403, 200]),
        row("GET", "/v1/api-keys", json!(null), [403, 403, 403, 200]),
        row("POST", "/v1/api-keys", json!({"role": "store"}), [403, 403, 403, 201]),
        row("DELETE", "/v1/api-keys/{id}", json!(null), [403, 403, 403, 204]),
        row("GET", "/v1/settings/mail", json!(null), [403, 403, 403, 200]),
        row("PUT", "/v1/settings/mail", json!({}), [403, 403, 403, 200]),
        row("GET", "/v1/settings/webhooks", json!(null), [403, 403, 403, 200]),
        row(
            "PUT",
            "/v1/settings/webhooks/{id}",
            json!({"url": "https://example.com/"}),
            [403, 403, 403, 200],
        ),
        row("POST", "/v1/settings/webhooks/{id}/secret", json!({}), [403, 403, 403, 200]),
        row("DELETE", "/v1/settings/webhooks/{id}", json!(null), [403, 403, 403, 204]),
        row("GET", "/openapi.json", json!(null), [200, 200, 200, 200]),
        row("GET", "/docs", json!(null), [200, 200, 200, 200]),
        row("GET", "/console", json!(null), [200, 200, 200, 200]),
        row("GET", "/wallet", json!(null), [200, 200, 200, 200]),
        row("GET", "/wallet/embed.js", json!(null), [200, 200, 200, 200]),
        row("GET", "/assets/{version}/{file}", json!(null), [200, 200, 200, 200]),
        // Whatever the template has no route for.
        row("$default", "", json!(null), [404, 404, 404, 404]),
    ]
}

impl Row {
    /// The path for alice, with a request and an API key that nobody has touched yet.
    async fn ready_path(&self, world: &World) -> (&'static str, String) {
        let mut path = self.path.replace("{customer}", "alice");
        if path.contains("{topup}") {
            let body = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
            let asked = world.shop().request_topup("alice", &fresh_key(), body).await.expect(201, "");
            path = path.replace("{topup}", asked.json["topup"]["id"].as_str().unwrap());
        }
        if path.contains("{lot}") {
            let granted = world.granted("alice", "1", json!({})).await;
            path = path.replace("{lot}", granted.json["entry"]["id"].as_str().unwrap());
        }
        if path.contains("{entry}") {
            let hold = !path.ends_with("refund");
            let body = json!({"order": order("1", "1"), "amount": "0.01", "hold": hold});
            let spent = world.shop().redeem("alice", &fresh_key(), body).await.expect(201, "");
            path = path.replace("{entry}", spent.json["entry"]["id"].as_str().unwrap());
        }
        if path.contains("{group}") {
            world.admin().put("/v1/groups/vip", json!({})).await.expect(200, "");
            path = path.replace("{group}", "vip");
        }
        if path.contains("{job}") {
            world.admin().put("/v1/groups/vip", json!({})).await.expect(200, "");
            let body = json!({"amount": "5", "category": "paid"});
            let asked = world.admin().post("/v1/groups/vip/grants", &fresh_key(), body).await.expect(202, "");
            path = path.replace("{job}", asked.json["job"]["id"].as_str().unwrap());
        }
        if path.contains("/webhooks/{id}") {
            path = path.replace("{id}", "erp");
            let body = json!({"url": "https://example.com/"});
            world.admin().put("/v1/settings/webhooks/erp", body).await.expect(200, "");
        }
        if path.contains("{id}") {
            let made =
                world.admin().post("/v1/api-keys", "-", json!({"role": "store"})).await.expect(201, "");
            path = path.replace("{id}", made.json["id"].as_str().unwrap());
        }
        if path.contains("{version}") {
            let page = world.nobody().get("/console").await.expect(200, "").text;
            path = format!("/{}", page.split('"').find(|text| text.starts_with("assets/")).unwrap());
        }
        if path == "/v1/journal" || path.ends_with("/statement") {
            path.push_str("?from=2026-11-01&to=2026-11-30");
        }
        if path == "/v1/reports/movements" {
            path.push_str("?from=2026-10&to=2026-11");
        }
        if self.method == "$default" {
            ("POST", "/v1/customers/alice/gifts".to_owned())
        } else {
            (self.method, path)
        }
    }

    async fn call(&self, who: &Client<'_>, method: &str, path: &str) -> Answer {
        let body = if self.body.is_null() { Bytes::new() } else { Bytes::from(self.body.to_string()) };
        who.send(method, path, &[("idempotency-key", &fresh_key())], body).await
    }

    fn code(&self, status: u16) -> &'static str {
        match status {
            403 => "forbidden",
            404 if self.method == "$default" => "route_not_found",
            404 => "customer_not_found",
            _ => "",
        }
    }
}

#[test]
fn every_route_of_the_template_has_its_row() {
    let routes = Template::read().unwrap().routes().unwrap();
    let routes: BTreeSet<(String, String)> =
        routes.into_iter().map(|route| (route.method, route.path)).collect();
    let rows: BTreeSet<(String, String)> =
        rows().iter().map(|row| (row.method.to_owned(), row.path.to_owned())).collect();
    assert_eq!(rows, routes);
}

#[tokio::test]
async fn every_route_admits_whom_the_contract_names() {
    let world = World::start().await;
    world.granted("alice", "1000", json!({})).await;
    for row in rows() {
        for (name, who, status) in [
            ("alice", world.customer("alice"), row.alice),
            ("bob", world.customer("bob"), row.bob),
            ("store", world.shop(), row.store),
            ("admin", world.admin(), row.admin),
            ("staff", world.staff("jane"), row.admin),
        ] {
            let (method, path) = row.ready_path(&world).await;
            let before = world.all_of("alice").await;
            let answer = row.call(&who, method, &path).await;
            let told = (answer.status, answer.json["code"].as_str().unwrap_or(""));
            assert_eq!(
                told,
                (status, row.code(status)),
                "{} {} as {name}: {}",
                row.method,
                row.path,
                answer.text
            );
            if status >= 400 {
                assert_eq!(world.all_of("alice").await, before, "{} {} as {name}", row.method, row.path);
            }
        }
    }
    eprintln!("{} routes, each by five kinds of caller", rows().len());
}

#[tokio::test]
async fn anothers_data_answers_as_if_it_did_not_exist() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    for (there, not_there) in [
        ("/v1/customers/alice", "/v1/customers/nobody"),
        ("/v1/customers/alice/entries", "/v1/customers/nobody/entries"),
        ("/v1/customers/alice/topups", "/v1/customers/nobody/topups"),
        (
            "/v1/customers/alice/statement?from=2026-11-01&to=2026-11-30",
            "/v1/customers/nobody/statement?from=2026-11-01&to=2026-11-30",
        ),
    ] {
        let bob = world.customer("bob");
        let (there, not_there) = (bob.get(there).await, bob.get(not_there).await);
        assert_eq!((there.status, &there.text, &there.headers), (404, &not_there.text, &not_there.headers));
    }
}

/// The claims of a token that would let alice in.
fn claims(world: &World) -> Value {
    let now = world.now().as_second();
    json!({"iss": world.issuer.url(), "aud": AUDIENCE, "sub": "alice", "iat": now, "exp": now.strict_add(3_600)})
}

/// The claims of a token that would let alice in, with these instead; null takes one away.
fn claims_but(world: &World, others: Value) -> Value {
    let mut claims = claims(world);
    claims.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    claims.as_object_mut().unwrap().retain(|_, claim| !claim.is_null());
    claims
}

/// The issuer's own signature under claims with these instead.
fn signed(world: &World, others: Value) -> String {
    world.issuer.sign(&claims_but(world, others)).unwrap()
}

/// A token with this header and these claims, signed by nobody: `signature` stands in its place.
fn forged(header: &Value, claims: &Value, signature: &str) -> String {
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

/// What a stranger could try, by what it is. Every one of them has to stay outside.
async fn strangers(world: &World) -> Vec<(String, String)> {
    let mut strangers = Vec::new();
    let mut add = |name: &str, credential: String| strangers.push((name.to_owned(), credential));

    add("garbage", "garbage".to_owned());
    add("dots", "..".to_owned());
    add("an endless credential", "x".repeat(10_000));
    add("an unknown key", format!("sk_{}", "0".repeat(64)));
    add("an empty key", "sk_".to_owned());
    add("a public name instead of a key", "key_000000000000000000000000".to_owned());
    let made = world.admin().post("/v1/api-keys", "-", json!({"role": "admin"})).await.expect(201, "").json;
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    world.with_credential(key).get("/v1/settings").await.expect(200, "");
    world.admin().delete(&format!("/v1/api-keys/{id}")).await.expect(204, "");
    world.pass(SignedDuration::from_secs(30));
    add("a revoked key", key.to_owned());
    let mut almost = key.to_owned();
    almost.pop();
    add("a revoked key cut short", almost);

    // Tokens that the issuer did sign, for another time, place or holder.
    let now = world.now().as_second();
    for (name, others) in [
        ("another issuer", json!({"iss": "https://elsewhere.example"})),
        ("an issuer with a slash", json!({"iss": format!("{}/", world.issuer.url())})),
        ("no issuer", json!({"iss": null})),
        ("another audience", json!({"aud": "elsewhere"})),
        ("other audiences", json!({"aud": ["elsewhere", "scrip2"]})),
        ("no audience", json!({"aud": null})),
        ("expired", json!({"exp": now.strict_sub(30)})),
        ("expired long ago", json!({"exp": 0})),
        ("no expiry", json!({"exp": null})),
        ("an expiry in words", json!({"exp": "tomorrow"})),
        ("an expiry out of this world", json!({"exp": 1e300})),
        ("not yet valid", json!({"nbf": now.strict_add(31)})),
        ("no subject", json!({"sub": null})),
        ("an empty subject", json!({"sub": ""})),
        ("a subject that is no customer", json!({"sub": "alice#1"})),
        ("a subject that is no text", json!({"sub": 7})),
    ] {
        add(name, signed(world, others));
    }

    // Tokens that somebody else signed, or nobody.
    let (mine, own) = (claims(world), world.issuer.sign(&claims(world)).unwrap());
    let signature = own.rsplit('.').next().unwrap();
    for alg in ["none", "None", "NONE", ""] {
        for signature in ["", signature] {
            let header = json!({"alg": alg, "typ": "JWT", "kid": "local"});
            add(&format!("alg {alg}"), forged(&header, &mine, signature));
        }
    }
    add(
        "another's claims under a good signature",
        forged(
            &json!({"alg": "ES256", "typ": "JWT", "kid": "local"}),
            &claims_but(world, json!({"sub": "alice", "scope": "scrip:admin"})),
            signature,
        ),
    );
    add("no signature", own.strip_suffix(signature).unwrap().to_owned());
    // The public key as the secret of a symmetric signature: what it is published as, and what it is made of.
    let keys = world.issuer.keys().unwrap();
    let (key, part) = (&keys["keys"][0], |name: &str| {
        URL_SAFE_NO_PAD.decode(keys["keys"][0][name].as_str().unwrap()).unwrap()
    });
    let point = [&[4_u8][..], &part("x"), &part("y")].concat();
    for secret in [key.to_string().into_bytes(), keys.to_string().into_bytes(), part("x"), point] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let header = Header { kid: Some("local".to_owned()), ..Header::new(algorithm) };
            let token = jsonwebtoken::encode(&header, &mine, &EncodingKey::from_secret(&secret)).unwrap();
            add(&format!("{algorithm:?} by the public key"), token);
        }
    }
    // A key of the stranger's own, by another name, by the issuer's, by none, or brought along.
    let pair = Issuer::new_key().unwrap();
    let stranger = EncodingKey::from_ec_der(&pair);
    let brought = Issuer::new(world.issuer.url().to_owned(), &pair).keys().unwrap()["keys"][0].clone();
    for kid in [Some("stranger"), Some("local"), Some(""), None] {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::ES256) };
        add(
            &format!("a stranger's key by the name {kid:?}"),
            jsonwebtoken::encode(&header, &mine, &stranger).unwrap(),
        );
        let header = Header { jwk: Some(serde_json::from_value(brought.clone()).unwrap()), ..header };
        add("a key brought along", jsonwebtoken::encode(&header, &mine, &stranger).unwrap());
    }
    strangers
}

#[tokio::test]
async fn no_route_lets_in_whom_nobody_knows() {
    let world = World::start().await;
    world.granted("alice", "1000", json!({})).await;
    let strangers = strangers(&world).await;
    let before = world.all_of("alice").await;
    let shut = rows().into_iter().filter(|row| row.method != "$default" && row.path.starts_with("/v1/"));
    let shut: Vec<Row> = shut.collect();
    for row in &shut {
        let path = row.path.replace("{customer}", "alice").replace("{topup}", "USD-AAAAAAAAAAAAAAAAAAAAAA");
        let nobody = [("no credential".to_owned(), world.nobody())];
        let strangers =
            strangers.iter().map(|(name, credential)| (name.clone(), world.with_credential(credential)));
        for (name, who) in nobody.into_iter().chain(strangers) {
            let answer = row.call(&who, row.method, &path).await;
            assert_eq!(answer.status, 401, "{} {} with {name}: {}", row.method, row.path, answer.text);
            let answer = answer.expect(401, "unauthenticated");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            // The reason is for the log alone.
            assert_eq!(answer.text, world.nobody().get("/v1/settings").await.text, "{name}");
        }
    }
    assert_eq!(world.all_of("alice").await, before);
    assert_eq!(world.admin().get("/v1/settings").await.json["version"], 0);
    eprintln!("{} routes, each shut to {} strangers", shut.len(), strangers.len() + 1);
}

#[tokio::test]
async fn a_credential_comes_as_a_bearer() {
    let world = World::start().await;
    world.granted("alice", "5", json!({})).await;
    let token = signed(&world, json!({}));
    let call = async |authorization: &str| {
        let headers = [("authorization", authorization)];
        world.nobody().send("GET", "/v1/customers/alice", &headers, Bytes::new()).await.status
    };
    for good in ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {} "] {
        assert_eq!(call(&good.replace("{}", &token)).await, 200, "{good}");
    }
    for bad in
        ["{}", "Basic {}", "Token {}", "Bearer", "Bearer ", "Bearer{}", "Bearer {},{}", "Bearer {} {}", ""]
    {
        assert_eq!(call(&bad.replace("{}", &token)).await, 401, "{bad}");
    }
}

#[tokio::test]
async fn a_token_is_good_for_half_a_minute_around_its_time() {
    let world = World::start().await;
    let now = world.now().as_second();
    world.granted("alice", "5", json!({})).await;
    for (others, status) in [
        (json!({}), 200),
        (json!({"exp": now.strict_add(1)}), 200),
        (json!({"exp": now.strict_sub(29)}), 200),
        (json!({"exp": now.strict_sub(30)}), 401),
        (json!({"exp": 4_102_444_800.5_f32}), 200),
        (json!({"nbf": now}), 200),
        (json!({"nbf": now.strict_add(30)}), 200),
        (json!({"nbf": now.strict_add(31)}), 401),
        (json!({"iat": null}), 200),
        (json!({"aud": [AUDIENCE]}), 200),
        (json!({"aud": ["elsewhere", AUDIENCE]}), 200),
    ] {
        let token = signed(&world, others.clone());
        let answer = world.with_credential(&token).get("/v1/customers/alice").await;
        assert_eq!(answer.status, status, "{others}: {}", answer.text);
    }
}

#[tokio::test]
async fn the_scope_makes_staff_and_nothing_else_does() {
    let world = World::start().await;
    for (others, status) in [
        (json!({"scope": "scrip:admin"}), 200),
        (json!({"scope": "openid scrip:admin profile"}), 200),
        (json!({"scope": ["openid", "scrip:admin"]}), 200),
        (json!({"scope": ""}), 403),
        (json!({"scope": "scrip:administrator"}), 403),
        (json!({"scope": "xscrip:admin"}), 403),
        (json!({"scope": "SCRIP:ADMIN"}), 403),
        (json!({"scope": ["openid scrip:admin"]}), 403),
        (json!({"scp": "scrip:admin", "role": "admin", "roles": ["admin"], "admin": true}), 403),
        (json!({"scope": {"scrip:admin": true}}), 401),
    ] {
        let token = signed(&world, others.clone());
        let answer = world.with_credential(&token).get("/v1/settings").await;
        assert_eq!(answer.status, status, "{others}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_customer_is_exactly_its_tokens_subject() {
    let world = World::start().await;
    for customer in ["alice", "Alice", "alice@example.com", "0", "a.b_c-d"] {
        world.granted(customer, "5", json!({})).await;
    }
    for (subject, path, status) in [
        ("alice", "alice", 200),
        ("alice", "%61lice", 200),
        ("alice@example.com", "alice%40example.com", 200),
        ("alice@example.com", "alice@example.com", 200),
        ("a.b_c-d", "a.b_c-d", 200),
        ("alice", "Alice", 404),
        ("Alice", "alice", 404),
        ("alice", "alice@example.com", 404),
        ("0", "alice", 404),
    ] {
        let answer = world.customer(subject).get(&format!("/v1/customers/{path}")).await;
        assert_eq!(answer.status, status, "{subject} {path}: {}", answer.text);
    }
}

#[tokio::test]
async fn what_is_no_route_is_not_found_whoever_asks() {
    let world = World::start().await;
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/docs/"),
        ("HEAD", "/openapi.json"),
        ("GET", "/v1"),
        ("POST", "/v1/customers"),
        ("GET", "/v2/customers/alice"),
        ("GET", "/V1/customers/alice"),
        ("GET", "/v1/customers/alice/"),
        ("GET", "/v1/customers/alice/entries/1"),
        ("GET", "/v1/customers/alice/grants"),
        ("PUT", "/v1/customers/alice/grants"),
        ("DELETE", "/v1/customers/alice"),
        ("PATCH", "/v1/settings"),
        ("POST", "/v1/settings"),
        ("OPTIONS", "/v1/settings"),
        ("HEAD", "/v1/settings"),
        ("TRACE", "/v1/settings"),
        ("GET", "/v1/api-keys/key_1"),
        ("GET", "/v1/topups/"),
        ("GET", "/%00"),
        ("GET", "/v1/../v1/settings"),
    ] {
        for who in [world.nobody(), world.admin(), world.customer("alice")] {
            who.send(method, path, &[], Bytes::new()).await.expect(404, "route_not_found");
        }
    }
}

/// A key of this name, as the issuer would publish it, and a token for alice that it signed.
fn another_key(world: &World, name: &str) -> (Value, String) {
    let pair = Issuer::new_key().unwrap();
    let mut published = Issuer::new(world.issuer.url().to_owned(), &pair).keys().unwrap()["keys"][0].clone();
    published["kid"] = json!(name);
    let header = Header { kid: Some(name.to_owned()), ..Header::new(Algorithm::ES256) };
    (published, jsonwebtoken::encode(&header, &claims(world), &EncodingKey::from_ec_der(&pair)).unwrap())
}

#[tokio::test]
async fn a_stranger_cannot_make_us_ask_the_issuer_at_will() {
    let world = World::start().await;
    for (seconds, asked) in [(0, 1), (29, 1), (1, 2), (29, 2)] {
        world.pass(SignedDuration::from_secs(seconds));
        for _ in 0..20_u8 {
            let (_, token) = another_key(&world, &format!("unknown-{}", fresh()));
            world.with_credential(&token).get("/v1/customers/alice").await.expect(401, "unauthenticated");
        }
        assert_eq!(world.issuer_was_asked(), asked);
        world.customer("alice").get("/v1/customers/alice").await.expect(200, "");
    }
}

#[tokio::test]
async fn the_issuer_may_change_its_keys() {
    let world = World::start().await;
    let old = world.issuer.keys().unwrap()["keys"][0].clone();
    let alice = world.customer("alice");
    alice.get("/v1/customers/alice").await.expect(200, "");
    let (new, token) = another_key(&world, "next");
    let renewed = world.with_credential(&token);
    world.publish(Some(json!({"keys": [old, new]})));
    world.pass(SignedDuration::from_secs(30));
    for who in [&renewed, &alice] {
        who.get("/v1/customers/alice").await.expect(200, "");
    }
    // What it takes back is believed for ten minutes at most.
    world.publish(Some(json!({"keys": [new]})));
    world.pass(SignedDuration::from_mins(10));
    renewed.get("/v1/customers/alice").await.expect(200, "");
    alice.get("/v1/customers/alice").await.expect(401, "unauthenticated");
}

#[tokio::test]
async fn an_issuer_that_is_down_locks_out_nobody_that_was_known() {
    let world = World::start().await;
    let keys = world.issuer.keys().unwrap();
    world.publish(None);
    let answer = world.customer("alice").get("/v1/customers/alice").await.expect(503, "unavailable");
    assert_eq!(answer.headers["retry-after"], "1");
    world.admin().get("/v1/settings").await.expect(200, "");
    world.publish(Some(keys));
    world.customer("alice").get("/v1/customers/alice").await.expect(200, "");
    world.publish(None);
    for _ in 0..3_u8 {
        world.pass(SignedDuration::from_mins(11));
        world.customer("alice").get("/v1/customers/alice").await.expect(200, "");
    }
}

#[tokio::test]
async fn only_keys_for_signatures_by_the_two_algorithms_are_believed() {
    let world = World::start().await;
    for (name, others, status) in [
        ("as it is", json!({}), 200),
        ("without its algorithm", json!({"alg": null}), 200),
        ("for signatures", json!({"use": "sig"}), 200),
        ("for encryption", json!({"use": "enc"}), 401),
        ("for another algorithm", json!({"alg": "ES384"}), 401),
        ("for a symmetric algorithm", json!({"alg": "HS256"}), 401),
        ("of another curve", json!({"crv": "P-384"}), 401),
    ] {
        let (mut key, token) = another_key(&world, name);
        key.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        key.as_object_mut().unwrap().retain(|_, member| !member.is_null());
        world.publish(Some(json!({"keys": [key]})));
        world.pass(SignedDuration::from_mins(1));
        let answer = world.with_credential(&token).get("/v1/customers/alice").await;
        assert_eq!(answer.status, status, "{name}: {}", answer.text);
    }
}

#[tokio::test]
async fn keys_that_we_do_not_understand_keep_no_other_from_being_used() {
    let world = World::start().await;
    let odd = json!([
        {"kty": "RSA", "kid": "odd", "use": "enc", "alg": "RSA-OAEP", "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "odd", "alg": "RSA1_9", "n": "AQAB", "e": "AQAB", "x5c": ["MII"], "x5t": "x"},
        {"kty": "RSA", "kid": "odd", "use": "tls", "n": "AQAB", "e": "AQAB"},
        {"kty": "OKP", "kid": "odd", "crv": "X448", "x": "AQAB"},
        {"kty": "EC", "kid": "odd", "crv": "secp256k1", "x": "AQAB", "y": "AQAB"},
        {"kty": "AKP", "kid": "odd", "alg": "ML-DSA-44", "pub": "AQAB"},
        {"kty": "EC"},
        {},
    ]);
    let known = world.issuer.keys().unwrap()["keys"].as_array().unwrap().clone();
    let keys = [odd.as_array().unwrap().clone(), known].concat();
    world.publish(Some(json!({"keys": keys})));
    world.customer("alice").get("/v1/customers/alice").await.expect(200, "");
}
