//! How people sign in at the local issuer: the authorization code flow with PKCE (RFC 6749, RFC 7636, OpenID Connect Core), with a
//! page to pick who one is in place of a password. It takes whoever comes, so it sends them to this machine alone.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use console::Origin;
use edge::escaped;
use jiff::{SignedDuration, Timestamp};
use ledger::{CustomerId, Hash, Label};
use serde_json::{Value, json};
use store::{CustomersFilter, Order, Range, Store};

use crate::{Failure, Issuer};

/// The client of the page for staff.
pub(crate) const CONSOLE: &str = "console";
/// The client of the page for customers.
pub(crate) const WALLET: &str = "wallet";
/// Who signs in for staff: the subject of their tokens, and what they are called here.
const STAFF: [(&str, &str); 2] = [("merchant", "Merchant"), ("colleague", "A colleague")];
/// The scope that makes staff of them.
const ADMIN_SCOPE: &str = "scrip:admin";
/// How many customers the page has a button for, beside alice.
const CUSTOMERS: usize = 12;
/// How long a code can be exchanged.
const CODE_LIFETIME: SignedDuration = SignedDuration::from_mins(1);
/// How long a token is valid.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(1);
/// How long another token can be had without signing in again.
const REFRESH_LIFETIME: SignedDuration = SignedDuration::from_hours(12);
/// Codes and refresh tokens, each, that are known at once; the oldest go first.
const MOST: usize = 1_000;
/// Characters of a code verifier, at least and at most (RFC 7636, section 4.1).
const VERIFIER: std::ops::RangeInclusive<usize> = 43..=128;

/// Whoever asks may read it: it is this machine's own.
const ANY_ORIGIN: (HeaderName, &str) = (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:26rem;margin:12vh auto;padding:0 1rem}\
button,input{font:inherit;padding:.6rem .8rem;box-sizing:border-box;width:100%;margin:.25rem 0}button{text-align:left;cursor:pointer}\
small{opacity:.7}:root{color-scheme:light dark}";

/// What is known of those who are just signing in, and of those who have.
#[derive(Clone)]
struct SignIn {
    issuer: Issuer,
    store: Store,
    codes: Arc<Mutex<Tickets>>,
    refreshing: Arc<Mutex<Tickets>>,
}

/// What was handed out, by its secret, each with its last moment.
#[derive(Default)]
struct Tickets(BTreeMap<String, (Timestamp, Grant)>);

/// What somebody was granted.
#[derive(Clone, Debug)]
struct Grant {
    client: String,
    subject: String,
    /// Words with spaces between; may be empty.
    scope: String,
    nonce: Option<String>,
    redirect_uri: String,
    challenge: String,
}

impl Tickets {
    /// Hands one out.
    fn give(&mut self, until: Timestamp, at: Timestamp, grant: Grant) -> Result<String, Failure> {
        self.0.retain(|_, (until, _)| *until > at);
        if self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, (until, _))| *until).map(|(secret, _)| secret.clone());
            oldest.map(|oldest| self.0.remove(&oldest));
        }
        let mut secret = [0; 32];
        aws_lc_rs::rand::fill(&mut secret)?;
        let secret = URL_SAFE_NO_PAD.encode(secret);
        self.0.insert(secret.clone(), (until, grant));
        Ok(secret)
    }

    /// Takes one back, once: whatever is wrong with whoever brought it, nobody brings it again.
    fn take(&mut self, secret: &str, at: Timestamp) -> Option<Grant> {
        self.0.remove(secret).filter(|(until, _)| *until > at).map(|(_, grant)| grant)
    }
}

/// What the issuer publishes, its page, and where codes become tokens.
pub(crate) fn routes(issuer: &Issuer, store: &Store) -> Router {
    let discovery = issuer.discovery();
    let keys = issuer.keys().unwrap_or(Value::Null);
    let sign_in = SignIn {
        issuer: issuer.clone(),
        store: store.clone(),
        codes: Arc::default(),
        refreshing: Arc::default(),
    };
    Router::new()
        .route(
            "/_local/issuer/.well-known/openid-configuration",
            get(|| async { ([ANY_ORIGIN], Json(discovery)) }),
        )
        .route("/_local/issuer/jwks", get(|| async { ([ANY_ORIGIN], Json(keys)) }))
        .route("/_local/issuer/authorize", get(show).post(pick))
        .route("/_local/issuer/token", post(token).options(preflight))
        .with_state(sign_in)
}

/// What a client asks for when it sends somebody here.
struct Asked {
    client: String,
    redirect_uri: String,
    origin: Origin,
    state: Option<String>,
    nonce: Option<String>,
    scope: String,
    challenge: String,
}

/// Why a request is not taken.
enum Refused {
    /// Nobody knows where to send the answer: a person is told.
    Here(String),
    /// The client is told, at its address (RFC 6749, section 4.1.2.1).
    There { redirect_uri: String, state: Option<String>, error: &'static str, detail: &'static str },
}

impl Asked {
    fn read(query: &str) -> Result<Self, Refused> {
        let mut given = parameters(query).map_err(|name| Refused::Here(format!("{name} is given twice")))?;
        let client = given.remove("client_id").unwrap_or_default();
        if ![CONSOLE, WALLET].contains(&client.as_str()) {
            return Err(Refused::Here(format!(
                "there is no client {client:?}; there are {CONSOLE} and {WALLET}"
            )));
        }
        let redirect_uri = given.remove("redirect_uri").unwrap_or_default();
        let origin = here(&redirect_uri).ok_or_else(|| {
            Refused::Here(format!("redirect_uri must be an address of this machine, and is {redirect_uri:?}"))
        })?;
        let state = given.remove("state");
        let fault = |error, detail| Refused::There {
            redirect_uri: redirect_uri.clone(),
            state: state.clone(),
            error,
            detail,
        };
        if given.get("response_type").map(String::as_str) != Some("code") {
            return Err(fault("unsupported_response_type", "response_type must be code"));
        }
        // A SHA-256 in base64 for URLs.
        let challenge = given.remove("code_challenge").unwrap_or_default();
        if URL_SAFE_NO_PAD.decode(&challenge).map_or(0, |digest| digest.len()) != 32 {
            return Err(fault("invalid_request", "code_challenge must be a SHA-256 in base64url"));
        }
        if given.get("code_challenge_method").map(String::as_str) != Some("S256") {
            return Err(fault("invalid_request", "code_challenge_method must be S256"));
        }
        // Scopes that it does not know are left out, and the answer says which were granted.
        let scope = given.remove("scope").unwrap_or_default();
        let known = |scope: &&str| *scope == "openid" || (*scope == ADMIN_SCOPE && client == CONSOLE);
        let scope = scope.split(' ').filter(known).collect::<Vec<_>>().join(" ");
        let nonce = given.remove("nonce");
        Ok(Self { client, redirect_uri, origin, state, nonce, scope, challenge })
    }
}

/// The origin of an address of this machine, that a browser may be sent to.
fn here(address: &str) -> Option<Origin> {
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic()) && !address.contains(['#', '\\', '*']);
    Origin::of(address).ok().filter(|origin| plain && origin.is_here())
}

/// Parameters of a query or a form; none may be given twice (RFC 6749, section 3.1).
fn parameters(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
        if found.insert(name.clone(), value).is_some() {
            return Err(name);
        }
    }
    Ok(found)
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::Here(why) => {
                page(StatusCode::BAD_REQUEST, None, &format!("<p>This is no way in: {}.</p>", escaped(&why)))
            }
            Self::There { redirect_uri, state, error, detail } => {
                let answer = [("error", error), ("error_description", detail)];
                back(&redirect_uri, answer.into_iter(), state.as_deref())
            }
        }
    }
}

/// Sends the browser back to the client.
fn back<'a>(
    redirect_uri: &str,
    answer: impl Iterator<Item = (&'a str, &'a str)>,
    state: Option<&str>,
) -> Response {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(answer).extend_pairs(state.map(|state| ("state", state)));
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    let address = format!("{redirect_uri}{joint}{}", query.finish());
    (StatusCode::SEE_OTHER, [(header::LOCATION, address), (header::CACHE_CONTROL, "no-store".to_owned())])
        .into_response()
}

/// A page without a script; its form is sent here, and from here on to the client.
fn page(status: StatusCode, client: Option<&Origin>, content: &str) -> Response {
    let style = STANDARD.encode(Hash::of(STYLE.as_bytes()).0);
    let target = client.map_or("'none'".to_owned(), |client| format!("'self' {client}"));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; img-src data:; base-uri 'none'; form-action {target}; frame-ancestors 'none'"
    );
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Sign in</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{content}\n</main>\n</body>\n</html>\n"
    );
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (status, headers, html).into_response()
}

/// `GET …/authorize`: asks who it is.
async fn show(State(sign_in): State<SignIn>, RawQuery(query): RawQuery) -> Response {
    let asked = match Asked::read(&query.unwrap_or_default()) {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(),
    };
    let button = |(subject, name): &(String, String)| {
        let (subject, name) = (escaped(subject), escaped(name));
        format!("<button name=\"subject\" value=\"{subject}\">{name} <small>{subject}</small></button>\n")
    };
    let people = if asked.client == CONSOLE { staff() } else { sign_in.customers().await };
    let buttons: String = people.iter().map(button).collect();
    let other = if asked.client == CONSOLE {
        ""
    } else {
        "<form method=\"post\">\n<label>Another customer\n<input name=\"subject\" required maxlength=\"128\" autocomplete=\"off\" \
         placeholder=\"id\"></label>\n<button>Sign in</button>\n</form>\n"
    };
    let content = format!(
        "<h1>Who are you?</h1>\n<p>This is the sign-in of <code>cargo local</code>. It takes your word.</p>\n\
         <form method=\"post\">\n{buttons}</form>\n{other}"
    );
    page(StatusCode::OK, Some(&asked.origin), &content)
}

/// `POST …/authorize`: somebody was picked; the browser goes back with a code.
async fn pick(State(sign_in): State<SignIn>, RawQuery(query): RawQuery, body: String) -> Response {
    let asked = match Asked::read(&query.unwrap_or_default()) {
        Ok(asked) => asked,
        Err(refused) => return refused.into_response(),
    };
    let subject = parameters(&body).ok().and_then(|mut given| given.remove("subject")).unwrap_or_default();
    let subject = subject.trim();
    let fault = if asked.client == CONSOLE {
        (!STAFF.iter().any(|(known, _)| *known == subject)).then(|| "is none of staff".to_owned())
    } else {
        subject.parse::<CustomerId>().err().map(|error| error.to_string())
    };
    if let Some(fault) = fault {
        let why = format!("<p>{:?} {}. <a href=\"\">Again</a></p>", escaped(subject), escaped(&fault));
        return page(StatusCode::BAD_REQUEST, None, &why);
    }
    let now = Timestamp::now();
    let grant = Grant {
        client: asked.client,
        subject: subject.to_owned(),
        scope: asked.scope,
        nonce: asked.nonce,
        redirect_uri: asked.redirect_uri.clone(),
        challenge: asked.challenge,
    };
    let code = now.checked_add(CODE_LIFETIME).map_err(Failure::from);
    match code.and_then(|until| locked(&sign_in.codes).give(until, now, grant)) {
        Ok(code) => {
            let answer = [("code", code.as_str()), ("iss", sign_in.issuer.url())];
            back(&asked.redirect_uri, answer.into_iter(), asked.state.as_deref())
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn preflight() -> Response {
    let allowed = [
        ANY_ORIGIN,
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "accept, content-type"),
    ];
    (StatusCode::NO_CONTENT, allowed).into_response()
}

/// `POST …/token`: a code, or a refresh token, becomes a token.
async fn token(State(sign_in): State<SignIn>, body: String) -> Response {
    let (status, answer) = match sign_in.exchange(&body, Timestamp::now()) {
        Ok(answer) => (StatusCode::OK, answer),
        Err((error, detail)) => {
            (StatusCode::BAD_REQUEST, json!({"error": error, "error_description": detail}))
        }
    };
    (status, [ANY_ORIGIN, NO_STORE], Json(answer)).into_response()
}

/// An error as RFC 6749, section 5.2, names it, and what to know of it.
type TokenError = (&'static str, String);

impl SignIn {
    /// The answer of RFC 6749, section 5.1.
    fn exchange(&self, body: &str, at: Timestamp) -> Result<Value, TokenError> {
        let given = parameters(body).map_err(|name| ("invalid_request", format!("{name} is given twice")))?;
        let need = |name: &str| {
            let value = given.get(name).filter(|value| !value.is_empty());
            value.ok_or_else(|| ("invalid_request", format!("{name} is required")))
        };
        let kind = need("grant_type")?;
        let invalid = |detail: &str| ("invalid_grant", detail.to_owned());
        match kind.as_str() {
            "authorization_code" => {
                let (code, client) = (need("code")?, need("client_id")?);
                let (redirect_uri, verifier) = (need("redirect_uri")?, need("code_verifier")?);
                let grant = locked(&self.codes).take(code, at);
                let grant = grant.ok_or_else(|| {
                    invalid("there is no such code, or it was used, or a minute has passed")
                })?;
                if (&grant.client, &grant.redirect_uri) != (client, redirect_uri) {
                    return Err(invalid("the code is for another client, or another redirect_uri"));
                }
                let digest = URL_SAFE_NO_PAD.encode(Hash::of(verifier.as_bytes()).0);
                if !VERIFIER.contains(&verifier.len()) || digest != grant.challenge {
                    return Err(invalid("code_verifier is not what code_challenge was made of"));
                }
                self.tokens(grant, at)
            }
            "refresh_token" => {
                let (refresh, client) = (need("refresh_token")?, need("client_id")?);
                let grant = locked(&self.refreshing).take(refresh, at);
                let grant = grant.filter(|grant| grant.client == *client);
                let grant = grant.ok_or_else(|| {
                    invalid("there is no such refresh token, or it was used; sign in again")
                })?;
                // What a nonce is for is over with the first token.
                self.tokens(Grant { nonce: None, ..grant }, at)
            }
            _ => Err(("unsupported_grant_type", "there are authorization_code and refresh_token".to_owned())),
        }
    }

    fn tokens(&self, grant: Grant, at: Timestamp) -> Result<Value, TokenError> {
        let made = || -> Result<Value, Failure> {
            let scope = Some(grant.scope.as_str()).filter(|scope| !scope.is_empty());
            let mut answer = json!({
                "access_token": self.issuer.token(&grant.subject, scope, at, TOKEN_LIFETIME)?, "token_type": "Bearer",
                "expires_in": TOKEN_LIFETIME.as_secs(), "scope": grant.scope,
            });
            let mut add = |name: &str, value: String| {
                answer.as_object_mut().map(|answer| answer.insert(name.to_owned(), json!(value)));
            };
            if grant.scope.split(' ').any(|scope| scope == "openid") {
                let mut claims = json!({
                    "iss": self.issuer.url(), "sub": grant.subject, "aud": grant.client, "iat": at.as_second(),
                    "exp": at.checked_add(TOKEN_LIFETIME)?.as_second(),
                });
                if let (Some(nonce), Some(claims)) = (&grant.nonce, claims.as_object_mut()) {
                    claims.insert("nonce".to_owned(), json!(nonce));
                }
                add("id_token", self.issuer.sign(&claims)?);
            }
            let until = at.checked_add(REFRESH_LIFETIME)?;
            add("refresh_token", locked(&self.refreshing).give(until, at, grant.clone())?);
            Ok(answer)
        };
        made().map_err(|error| ("server_error", error.to_string()))
    }

    /// Alice, whom all examples are about, and some of those who are there, with their names.
    async fn customers(&self) -> Vec<(String, String)> {
        let mut people = vec![("alice".to_owned(), "Alice".to_owned())];
        match self.listed().await {
            Ok(listed) => people.extend(listed.into_iter().filter(|(id, _)| id != "alice").take(CUSTOMERS)),
            Err(error) => tracing::warn!(%error, "the customers could not be listed"),
        }
        people
    }

    async fn listed(&self) -> Result<Vec<(String, String)>, store::Error> {
        let filter = CustomersFilter {
            order: Order::Name,
            descending: false,
            currency: self.store.settings().await?.policy.currency,
            name: None,
            group: None,
            balance: Range::default(),
            granted: Range::default(),
            by_admin: Range::default(),
            by_customer: Range::default(),
        };
        let page = self.store.customers(&filter, None, CUSTOMERS.saturating_add(1)).await?;
        let named = page.data.into_iter().map(|listed| {
            let id = listed.customer.to_string();
            let name = listed.profile.and_then(|profile| profile.name);
            let name = name.as_ref().map_or(id.as_str(), Label::as_str).to_owned();
            (id, name)
        });
        Ok(named.collect())
    }
}

fn staff() -> Vec<(String, String)> {
    STAFF.iter().map(|(subject, name)| ((*subject).to_owned(), (*name).to_owned())).collect()
}

fn locked(tickets: &Mutex<Tickets>) -> MutexGuard<'_, Tickets> {
    tickets.lock().unwrap_or_else(PoisonError::into_inner)
}
