//! Signing in at the issuer of `cargo local`, as its pages do: by a code with PKCE, over HTTP.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use form_urlencoded::Serializer;
use ledger::Hash;
use serde_json::{Value, json};
use ureq::{Agent, Body, http::Response};

use crate::support::process::Local;

/// A code verifier, and what is sent of it first.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A browser at a running `cargo local`.
struct Browser {
    local: Local,
    agent: Agent,
}

/// What was answered: status, a header of each name that is asked for, and the text.
struct Answer {
    response: Response<Body>,
    text: String,
}

impl Answer {
    fn status(&self) -> u16 {
        self.response.status().as_u16()
    }

    fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    /// The parameters of the address that it sends to.
    fn sent_to(&self, client: &str) -> Vec<(String, String)> {
        assert_eq!(self.status(), 303, "{}", self.text);
        let query = self.header("location").strip_prefix(client).and_then(|rest| rest.strip_prefix('?'));
        let query = query.unwrap_or_else(|| panic!("sent to {}", self.header("location")));
        form_urlencoded::parse(query.as_bytes()).into_owned().collect()
    }
}

impl Browser {
    fn start() -> Self {
        let local = Local::start(&["--memory"]);
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        let agent = agent.timeout_global(Some(Duration::from_secs(20))).build().new_agent();
        Self { local, agent }
    }

    fn console(&self) -> String {
        format!("{}/console", self.local.url)
    }

    fn issuer(&self, path: &str) -> String {
        format!("{}/_local/issuer{path}", self.local.url)
    }

    fn get(&self, address: &str) -> Answer {
        answer(self.agent.get(address).header("origin", "http://shop.example").call())
    }

    fn post(&self, address: &str, form: &[(&str, &str)]) -> Answer {
        let form = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.agent.post(address).header("content-type", "application/x-www-form-urlencoded");
        answer(request.send(form))
    }

    /// The address that a page of this client sends to, with these instead; an empty one is left out.
    fn authorize(&self, others: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Hash::of(VERIFIER.as_bytes()).0);
        let redirect = self.console();
        let usual = [
            ("response_type", "code"),
            ("client_id", "console"),
            ("redirect_uri", &redirect),
            ("scope", "openid scrip:admin email"),
            ("state", "s t&te"),
            ("nonce", "n-1"),
            ("audience", "scrip"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let other = |name: &str| others.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
        let all = usual.iter().map(|(name, value)| (*name, other(name).unwrap_or(value)));
        let query =
            Serializer::new(String::new()).extend_pairs(all.filter(|(_, value)| !value.is_empty())).finish();
        self.issuer(&format!("/authorize?{query}"))
    }

    /// The code for somebody.
    fn code(&self, others: &[(&str, &str)], subject: &str) -> String {
        let picked = self.post(&self.authorize(others), &[("subject", subject)]);
        let (name, code) = picked.sent_to(&self.console())[0].clone();
        assert_eq!(name, "code");
        code
    }

    /// Exchanges a code with these instead of what is right.
    fn exchange(&self, code: &str, others: &[(&str, &str)]) -> Answer {
        let redirect = self.console();
        let usual = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("client_id", "console"),
            ("redirect_uri", &redirect),
            ("code_verifier", VERIFIER),
        ];
        let other = |name: &str| others.iter().find(|(of, _)| *of == name).map(|(_, value)| *value);
        let form: Vec<_> = usual.iter().map(|(name, value)| (*name, other(name).unwrap_or(value))).collect();
        self.post(&self.issuer("/token"), &form)
    }

    /// What the API answers to this token.
    fn status(&self, token: &str, path: &str) -> u16 {
        let request = self.agent.get(format!("{}{path}", self.local.url));
        answer(request.header("authorization", format!("Bearer {token}")).call()).status()
    }
}

fn answer(answered: Result<Response<Body>, ureq::Error>) -> Answer {
    let mut response = answered.unwrap();
    let text = response.body_mut().read_to_string().unwrap();
    Answer { response, text }
}

/// What a token says, whoever signed it.
fn claims(token: &Value) -> Value {
    let part = token.as_str().unwrap().split('.').nth(1).unwrap().to_owned();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn whoever_is_picked_gets_a_token_that_the_api_takes_and_another_when_it_is_over() {
    let browser = Browser::start();
    let discovery = browser.get(&browser.issuer("/.well-known/openid-configuration"));
    assert_eq!(discovery.header("access-control-allow-origin"), "*");
    let discovery = discovery.json();
    assert_eq!(discovery["issuer"], browser.issuer(""));
    assert_eq!(discovery["authorization_endpoint"], browser.issuer("/authorize"));
    assert_eq!(discovery["token_endpoint"], browser.issuer("/token"));
    assert_eq!(discovery["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(browser.get(&browser.issuer("/jwks")).header("access-control-allow-origin"), "*");

    // A page without a script, whose form may send on to the client.
    let page = browser.get(&browser.authorize(&[]));
    assert_eq!(page.status(), 200, "{}", page.text);
    for told in ["value=\"merchant\"", "value=\"colleague\"", "<form method=\"post\">"] {
        assert!(page.text.contains(told), "{told} is not in {}", page.text);
    }
    assert!(!page.text.contains("alice") && !page.text.contains("<script"), "{}", page.text);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(policy.contains(&format!("form-action 'self' {};", browser.local.url)), "{policy}");

    let picked = browser.post(&browser.authorize(&[]), &[("subject", "merchant")]);
    let sent = picked.sent_to(&browser.console());
    let names: Vec<_> = sent.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["code", "iss", "state"]);
    assert_eq!((&sent[1].1, sent[2].1.as_str()), (&browser.issuer(""), "s t&te"));

    let answer = browser.exchange(&sent[0].1, &[]);
    let told =
        (answer.status(), answer.header("cache-control"), answer.header("access-control-allow-origin"));
    assert_eq!(told, (200, "no-store", "*"), "{}", answer.text);
    let tokens = answer.json();
    let told = (&tokens["token_type"], &tokens["expires_in"], &tokens["scope"]);
    assert_eq!(told, (&json!("Bearer"), &json!(3_600), &json!("openid scrip:admin")));
    assert_eq!(browser.status(tokens["access_token"].as_str().unwrap(), "/v1/settings"), 200);
    let identity = claims(&tokens["id_token"]);
    let told = (&identity["iss"], &identity["aud"], &identity["sub"], &identity["nonce"]);
    assert_eq!(told, (&json!(browser.issuer("")), &json!("console"), &json!("merchant"), &json!("n-1")));
    // It says who somebody is, and opens nothing.
    assert_eq!(browser.status(tokens["id_token"].as_str().unwrap(), "/v1/settings"), 401);

    let refresh = tokens["refresh_token"].as_str().unwrap();
    let renew = |token: &str, client: &str| {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", client)];
        browser.post(&browser.issuer("/token"), &form)
    };
    let renewed = renew(refresh, "console");
    assert_eq!(renewed.status(), 200, "{}", renewed.text);
    let renewed = renewed.json();
    assert_eq!(claims(&renewed["access_token"])["sub"], "merchant");
    assert_eq!(browser.status(renewed["access_token"].as_str().unwrap(), "/v1/settings"), 200);
    let other = renewed["refresh_token"].as_str().unwrap();
    for (token, client) in [(refresh, "console"), (other, "wallet"), (other, "console"), ("", "console")] {
        let refused = renew(token, client);
        assert_eq!(refused.status(), 400, "{token} {client}: {}", refused.text);
    }
}

#[test]
fn a_customer_is_one_and_no_staff() {
    let browser = Browser::start();
    let wallet = [("client_id", "wallet")];
    let page = browser.get(&browser.authorize(&wallet));
    assert!(
        page.text.contains("value=\"alice\"") && page.text.contains("<input name=\"subject\""),
        "{}",
        page.text
    );
    let code = browser.code(&wallet, " bob@example.com");
    let tokens = browser.exchange(&code, &wallet);
    assert_eq!(tokens.status(), 200, "{}", tokens.text);
    let tokens = tokens.json();
    assert_eq!(tokens["scope"], "openid", "it asked to be staff");
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(claims(&tokens["access_token"])["sub"], "bob@example.com");
    assert_eq!(browser.status(token, "/v1/customers/bob@example.com"), 200);
    assert_eq!(browser.status(token, "/v1/customers/alice"), 404);
    assert_eq!(browser.status(token, "/v1/settings"), 403);

    for (client, subject) in [("console", "alice"), ("console", ""), ("wallet", ""), ("wallet", "a#b")] {
        let refused = browser.post(&browser.authorize(&[("client_id", client)]), &[("subject", subject)]);
        assert_eq!(
            (refused.status(), refused.header("location")),
            (400, ""),
            "{client} {subject}: {}",
            refused.text
        );
    }
}

#[test]
fn a_code_is_for_one_exchange_by_whoever_asked_for_it() {
    let browser = Browser::start();
    let code = browser.code(&[], "merchant");
    assert_eq!(browser.exchange(&code, &[]).status(), 200);
    let error = |answer: Answer| (answer.status(), answer.json()["error"].as_str().unwrap().to_owned());
    let grant = (400, "invalid_grant".to_owned());
    assert_eq!(error(browser.exchange(&code, &[])), grant, "the same code again");
    let foreign = format!("{}/wallet", browser.local.url);
    for other in [
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXj"),
        ("code_verifier", "short"),
        ("client_id", "wallet"),
        ("redirect_uri", foreign.as_str()),
        ("code", "dBjftJeZ4CVP"),
    ] {
        let code = browser.code(&[], "merchant");
        assert_eq!(error(browser.exchange(&code, &[other])), grant, "{other:?}");
        if other.0 != "code" {
            assert_eq!(error(browser.exchange(&code, &[])), grant, "the code after {other:?}");
        }
    }
    let code = browser.code(&[], "merchant");
    assert_eq!(error(browser.exchange(&code, &[("code_verifier", "")])), (400, "invalid_request".to_owned()));
    let kind = error(browser.exchange(&code, &[("grant_type", "password")]));
    assert_eq!(kind, (400, "unsupported_grant_type".to_owned()));
    let twice = browser
        .post(&browser.issuer("/token"), &[("grant_type", "refresh_token"), ("grant_type", "refresh_token")]);
    assert_eq!(error(twice), (400, "invalid_request".to_owned()));
}

#[test]
fn nobody_is_sent_to_another_machine_nor_without_pkce() {
    let browser = Browser::start();
    for (name, value) in [
        ("client_id", "elsewhere"),
        ("client_id", ""),
        ("redirect_uri", ""),
        ("redirect_uri", "https://shop.example/console"),
        ("redirect_uri", "http://127.0.0.1.shop.example/console"),
        ("redirect_uri", "http://127.0.0.1:9000@shop.example/console"),
        ("redirect_uri", "http://shop.example#http://127.0.0.1/"),
        ("redirect_uri", "http://127.0.0.1/console#fragment"),
        ("redirect_uri", "http://127.0.0.1\\@shop.example/"),
        ("redirect_uri", "//127.0.0.1/console"),
        ("redirect_uri", "javascript://127.0.0.1/%0aalert(1)"),
        ("redirect_uri", "http://127.0.0.1/\r\nset-cookie: a"),
    ] {
        let address = browser.authorize(&[(name, value)]);
        for refused in [browser.get(&address), browser.post(&address, &[("subject", "merchant")])] {
            assert_eq!((refused.status(), refused.header("location")), (400, ""), "{name} {value}");
            assert!(
                refused.header("content-security-policy").contains("form-action 'none'"),
                "{name} {value}"
            );
        }
    }
    let markup = browser.get(&browser.authorize(&[("client_id", "<script>alert(1)</script>")]));
    assert!(!markup.text.contains("<script>"), "{}", markup.text);

    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", VERIFIER, ""),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
    ] {
        let answered = browser.get(&browser.authorize(&[(name, value)]));
        if error.is_empty() {
            assert_eq!(answered.status(), 200, "{name} {value}: 32 bytes are a SHA-256");
            continue;
        }
        let sent = answered.sent_to(&browser.console());
        assert_eq!(sent[0], ("error".to_owned(), error.to_owned()), "{name} {value}");
        assert_eq!(sent[2], ("state".to_owned(), "s t&te".to_owned()), "{name} {value}");
    }
    // On any port of this machine, by any of its names.
    for redirect in
        ["http://localhost:4000/console", "http://127.0.0.1:4000/console", "http://[::1]:4000/console?x=1"]
    {
        let picked =
            browser.post(&browser.authorize(&[("redirect_uri", redirect)]), &[("subject", "merchant")]);
        let joint = if redirect.contains('?') { '&' } else { '?' };
        assert!(picked.header("location").starts_with(&format!("{redirect}{joint}code=")), "{redirect}");
    }
}
