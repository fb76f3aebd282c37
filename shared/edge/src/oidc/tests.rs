//! An issuer on this machine, and whom its tokens let in.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    sync::{Arc, Mutex},
    thread,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use jsonwebtoken::{EncodingKey, Header};
use proptest::{prelude::*, sample::Index};
use serde_json::{Value, json};

use super::*;

const AUDIENCE: &str = "shop";

/// What the issuer answers: its status and its documents, and how often it was asked for its keys.
#[derive(Debug)]
struct Published {
    status: u16,
    discovery: Value,
    keys: Value,
    asked: u32,
}

/// An issuer on this machine.
struct Issuer {
    url: String,
    published: Arc<Mutex<Published>>,
}

impl Issuer {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        let published = Published { status: 200, discovery, keys: json!({"keys": []}), asked: 0 };
        let published = Arc::new(Mutex::new(published));
        let ours = Arc::clone(&published);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let asked = lines.next().unwrap().unwrap();
                lines.find(|line| line.as_ref().unwrap().is_empty());
                let mut published = ours.lock().unwrap();
                let body = if asked.starts_with("GET /.well-known/openid-configuration ") {
                    published.discovery.to_string()
                } else {
                    published.asked = published.asked.strict_add(1);
                    published.keys.to_string()
                };
                let head = format!("HTTP/1.1 {} -\r\nconnection: close", published.status);
                write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).unwrap();
            }
        });
        Self { url, published }
    }

    /// One that publishes this key.
    fn with(key: &Key) -> Self {
        let issuer = Self::start();
        issuer.publish(&[&key.published]);
        issuer
    }

    fn publish(&self, keys: &[&Value]) {
        self.published.lock().unwrap().keys = json!({"keys": keys});
    }

    fn fail(&self, status: u16) {
        self.published.lock().unwrap().status = status;
    }

    fn asked(&self) -> u32 {
        self.published.lock().unwrap().asked
    }

    /// Whoever believes it.
    fn believer(&self) -> Oidc {
        Oidc::new(&self.url, AUDIENCE).unwrap()
    }

    fn claims(&self) -> Value {
        json!({"iss": self.url, "aud": AUDIENCE, "sub": "alice", "exp": now().as_second().strict_add(3_600)})
    }

    /// Claims that are good, but for these; null takes one away.
    fn claims_but(&self, others: Value) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        claims.as_object_mut().unwrap().retain(|_, claim| !claim.is_null());
        claims
    }
}

/// A key of an issuer's: how it signs, and how it is published.
struct Key {
    signing: EncodingKey,
    published: Value,
}

impl Key {
    fn new(id: &str) -> Self {
        let pair =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let signing = EncodingKey::from_ec_der(pair.as_ref());
        let mut published = Jwk::from_encoding_key(&signing, Algorithm::ES256).unwrap();
        published.common.key_id = Some(id.to_owned());
        Self { signing, published: serde_json::to_value(published).unwrap() }
    }

    fn id(&self) -> String {
        self.published["kid"].as_str().unwrap().to_owned()
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id()), ..Header::new(Algorithm::ES256) };
        jsonwebtoken::encode(&header, claims, &self.signing).unwrap()
    }
}

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn later(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// Who holds the token, by role and customer; or the code of the refusal.
async fn holder(oidc: &Oidc, token: &str, at: Timestamp) -> Result<(Role, Option<String>), &'static str> {
    let who = oidc.holder_of_token(token, at).await.map_err(|problem| problem.code())?;
    assert!(who.customer.as_ref().is_none_or(|customer| customer.as_str() == who.actor.id));
    Ok((who.role(), who.customer.map(|customer| customer.to_string())))
}

fn alice() -> Result<(Role, Option<String>), &'static str> {
    Ok((Role::Customer, Some("alice".to_owned())))
}

const REFUSED: Result<(Role, Option<String>), &str> = Err("unauthenticated");

#[tokio::test]
async fn what_a_token_says_is_who_is_let_in() {
    let key = Key::new("k");
    let issuer = Issuer::with(&key);
    let oidc = issuer.believer();
    let seconds = now().as_second();
    for (others, expected) in [
        (json!({}), alice()),
        (json!({"iss": "https://elsewhere.example"}), REFUSED),
        (json!({"aud": "elsewhere"}), REFUSED),
        (json!({"sub": null}), REFUSED),
        (json!({"sub": "a b"}), REFUSED),
        (json!({"exp": null}), REFUSED),
        (json!({"exp": seconds - 29}), alice()),
        (json!({"exp": seconds - 30}), REFUSED),
        (serde_json::from_str(r#"{"exp": 1795341571.5}"#).unwrap(), alice()),
        (json!({"exp": "1795341600"}), REFUSED),
        (json!({"exp": 1e300}), REFUSED),
        (json!({"nbf": seconds + 29}), alice()),
        (json!({"nbf": seconds + 30}), alice()),
        (json!({"nbf": seconds + 31}), REFUSED),
        (json!({"scope": "openid profile"}), alice()),
        (json!({"scope": ["openid"]}), alice()),
        (json!({"scope": "openid scrip:admin"}), Ok((Role::Admin, None))),
        (json!({"scope": ["openid", "scrip:admin"]}), Ok((Role::Admin, None))),
    ] {
        let token = key.sign(&issuer.claims_but(others.clone()));
        assert_eq!(holder(&oidc, &token, now()).await, expected, "{others}");
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_key_and_not_its_token_says_how_it_is_checked() {
    let key = Key::new("k");
    let token = |issuer: &Issuer| key.sign(&issuer.claims());
    for (others, expected) in [
        (json!({}), alice()),
        (json!({"alg": null, "use": null}), alice()),
        (json!({"use": "sig"}), alice()),
        (json!({"use": "enc"}), REFUSED),
        (json!({"alg": "ES384"}), REFUSED),
        (json!({"alg": "RS256"}), REFUSED),
    ] {
        let mut published = key.published.clone();
        published.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        published.as_object_mut().unwrap().retain(|_, member| !member.is_null());
        let issuer = Issuer::start();
        issuer.publish(&[&published]);
        assert_eq!(holder(&issuer.believer(), &token(&issuer), now()).await, expected, "{others}");
    }

    let issuer = Issuer::with(&key);
    let oidc = issuer.believer();
    let sign = |header: Header| jsonwebtoken::encode(&header, &issuer.claims(), &key.signing).unwrap();
    let good = Header { kid: Some(key.id()), ..Header::new(Algorithm::ES256) };
    assert_eq!(holder(&oidc, &sign(good.clone()), now()).await, alice());
    let unnamed = Header { kid: None, ..good.clone() };
    assert_eq!(holder(&oidc, &sign(unnamed), now()).await, REFUSED);
    let critical = Header { crit: Some(vec!["exp".to_owned()]), ..good };
    assert_eq!(holder(&oidc, &sign(critical), now()).await, REFUSED);
    let other = Key::new("k");
    assert_eq!(holder(&oidc, &other.sign(&issuer.claims()), now()).await, REFUSED);
    let claims = issuer.claims();
    let symmetric = Header { kid: Some(key.id()), ..Header::new(Algorithm::HS256) };
    let symmetric = jsonwebtoken::encode(&symmetric, &claims, &EncodingKey::from_secret(b"k")).unwrap();
    assert_eq!(holder(&oidc, &symmetric, now()).await, REFUSED);
}

#[test]
fn two_algorithms_are_believed_each_for_its_own_keys() {
    let of = |key: Value| algorithm_of(&serde_json::from_value::<Jwk>(key).unwrap());
    let rsa = |others: Value| {
        let mut key = json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"});
        key.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
        of(key)
    };
    assert_eq!(rsa(json!({})), Some(Algorithm::RS256));
    assert_eq!(rsa(json!({"alg": "RS256", "use": "sig"})), Some(Algorithm::RS256));
    assert_eq!(rsa(json!({"alg": "RS512"})), None);
    assert_eq!(rsa(json!({"alg": "ES256"})), None);
    assert_eq!(rsa(json!({"use": "enc"})), None);
    let curve = |curve: &str| of(json!({"kty": "EC", "crv": curve, "x": "AQAB", "y": "AQAB"}));
    assert_eq!((curve("P-256"), curve("P-384")), (Some(Algorithm::ES256), None));
    assert_eq!(of(json!({"kty": "OKP", "crv": "Ed25519", "x": "AQAB"})), None);
    assert_eq!(of(json!({"kty": "oct", "k": "AQAB"})), None);
}

#[tokio::test]
async fn keys_are_believed_for_ten_minutes_and_strangers_ask_no_sooner_than_after_half_a_minute() {
    let (known, unknown) = (Key::new("known"), Key::new("unknown"));
    let issuer = Issuer::with(&known);
    let oidc = issuer.believer();
    let claims = issuer.claims_but(json!({"exp": now().as_second() + 36_000}));
    let (good, strange) = (known.sign(&claims), unknown.sign(&claims));
    for (token, seconds, expected, asked) in [
        (&good, 0, alice(), 1),
        (&good, 599, alice(), 1),
        (&good, 600, alice(), 2),
        (&good, 1, alice(), 2),
        (&good, 0, alice(), 3),
        (&strange, 29, REFUSED, 3),
        (&strange, 30, REFUSED, 4),
        (&strange, 31, REFUSED, 4),
        (&strange, 1, REFUSED, 4),
        (&strange, 0, REFUSED, 5),
        (&good, 29, alice(), 5),
    ] {
        assert_eq!(holder(&oidc, token, later(seconds)).await, expected, "after {seconds} s");
        assert_eq!(issuer.asked(), asked, "after {seconds} s");
    }

    // A key that comes anew is known once it is asked for; one that is gone, once those of before are old.
    issuer.publish(&[&unknown.published]);
    assert_eq!(holder(&oidc, &strange, later(30)).await, alice());
    assert_eq!(holder(&oidc, &good, later(60)).await, REFUSED);
}

#[tokio::test]
async fn an_issuer_that_fails_locks_out_nobody_whom_it_let_in() {
    let (known, unknown) = (Key::new("known"), Key::new("unknown"));
    let issuer = Issuer::with(&known);
    let oidc = issuer.believer();
    let claims = issuer.claims_but(json!({"exp": now().as_second() + 36_000}));
    let (good, strange) = (known.sign(&claims), unknown.sign(&claims));
    issuer.fail(503);
    assert_eq!(holder(&oidc, &good, now()).await, Err("unavailable"));
    issuer.fail(200);
    assert_eq!(holder(&oidc, &good, now()).await, alice());
    issuer.fail(503);
    assert_eq!(holder(&oidc, &good, later(3_600)).await, alice());
    assert_eq!(holder(&oidc, &strange, later(3_600)).await, Err("unavailable"));
}

#[tokio::test]
async fn an_issuer_says_who_it_is_and_publishes_where_nobody_listens() {
    let key = Key::new("k");
    for (discovery, expected) in [
        (json!({}), alice()),
        (json!({"issuer": "https://elsewhere.example"}), Err("unavailable")),
        (json!({"jwks_uri": "http://elsewhere.example/jwks"}), Err("unavailable")),
        (json!({"jwks_uri": "ftp://127.0.0.1/jwks"}), Err("unavailable")),
        (json!({"jwks_uri": 1}), Err("unavailable")),
    ] {
        let issuer = Issuer::with(&key);
        let others = discovery.as_object().unwrap().clone();
        issuer.published.lock().unwrap().discovery.as_object_mut().unwrap().extend(others);
        assert_eq!(
            holder(&issuer.believer(), &key.sign(&issuer.claims()), now()).await,
            expected,
            "{discovery}"
        );
    }
}

#[tokio::test]
async fn a_document_that_is_too_long_is_not_read() {
    let key = Key::new("k");
    let issuer = Issuer::with(&key);
    let token = key.sign(&issuer.claims());
    let fill = |length: usize| {
        let mut published = issuer.published.lock().unwrap();
        published.keys["filler"] = json!("");
        let rest = length.checked_sub(published.keys.to_string().len()).unwrap();
        published.keys["filler"] = json!("x".repeat(rest));
    };
    fill(256 * 1024);
    assert_eq!(holder(&issuer.believer(), &token, now()).await, alice());
    fill(256 * 1024 + 1);
    assert_eq!(holder(&issuer.believer(), &token, now()).await, Err("unavailable"));
}

#[test]
fn keys_come_over_no_open_line() {
    for good in
        ["https://issuer.example", "https://issuer.example/a", "http://127.0.0.1:9", "http://localhost/a"]
    {
        assert!(Oidc::new(good, AUDIENCE).is_ok(), "{good}");
    }
    for bad in [
        "",
        "issuer.example",
        "http://issuer.example",
        "http://127.0.0.1.issuer.example",
        "ftp://localhost",
        "https:/",
    ] {
        assert!(Oidc::new(bad, AUDIENCE).is_err(), "{bad}");
    }
    assert!(Oidc::new("https://issuer.example", "").is_err());
}

/// What the parts of a token are made of.
fn part() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<Vec<u8>>().prop_map(|bytes| base64::Engine::encode(
            &base64::engine::general_purpose::URL_SAFE_NO_PAD,
            bytes
        )),
        "[A-Za-z0-9_=-]{0,40}",
        any::<String>(),
    ]
}

#[test]
fn a_token_of_anything_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let key = Key::new("k");
    let issuer = Issuer::with(&key);
    let oidc = issuer.believer();
    let good = key.sign(&issuer.claims());
    runtime.block_on(async { assert_eq!(holder(&oidc, &good, now()).await, alice()) });
    let ask = |token: &str| runtime.block_on(holder(&oidc, token, now()));
    let config = ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(parts in prop::collection::vec(part(), 0..5), at: Index, byte in 0x20_u8..0x7f)| {
        prop_assert_eq!(ask(&parts.join(".")), REFUSED);
        let mut damaged = good.clone().into_bytes();
        let at = at.index(damaged.len());
        damaged[at] = byte;
        let damaged = String::from_utf8(damaged).unwrap();
        // The last letter of a part has bits that mean nothing: another may be the same bytes, but no other token.
        prop_assert!(ask(&damaged) == REFUSED || damaged == good);
        prop_assert_eq!(ask(&good[..at]), REFUSED);
    });
}
