//! Tokens of the configured OpenID Connect issuer, checked against its published keys.

use std::{sync::LazyLock, time::Duration};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{http::HttpConnector, orchestrator::HttpRequest};
use http_body_util::{BodyExt, Limited};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse},
};
use ledger::{Actor, Role};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::sync::Mutex;

use crate::{Problem, Who};

/// The scope that makes staff of a token's holder.
const ADMIN_SCOPE: &str = "scrip:admin";
/// How far the clocks of issuer and service may differ.
const LEEWAY: SignedDuration = SignedDuration::from_secs(30);
/// How long the issuer's keys are believed without asking again.
const KEYS_LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// How long an unknown key waits before the issuer is asked again: strangers must not make us ask at will.
const MIN_REFRESH: SignedDuration = SignedDuration::from_secs(30);
/// How long the issuer may take to answer one question.
const ISSUER_TIMEOUT: Duration = Duration::from_secs(2);
/// Largest document that the issuer may answer, in bytes.
const MAX_DOCUMENT: usize = 256 * 1024;

/// The configured issuer, and its keys as last read.
#[derive(Debug)]
pub struct Oidc {
    issuer: String,
    audience: String,
    /// Made with the first token: it reads the system's authorities, which takes longer than all else that a start does.
    http: LazyLock<Connector>,
    keys: Mutex<Option<Keys>>,
}

#[derive(Debug)]
struct Keys {
    set: JwkSet,
    read_at: Timestamp,
}

/// What the issuer publishes about itself.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// What a token has to say; `iss` and `aud` are checked before.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: NumericDate,
    #[serde(default)]
    nbf: Option<NumericDate>,
    #[serde(default)]
    scope: Option<Scope>,
}

/// Seconds since 1970 (RFC 7519's NumericDate); a fraction may follow, and only the whole seconds count.
#[derive(Clone, Copy, Deserialize)]
#[serde(try_from = "serde_json::Number")]
struct NumericDate(Timestamp);

impl TryFrom<serde_json::Number> for NumericDate {
    type Error = &'static str;

    fn try_from(number: serde_json::Number) -> Result<Self, Self::Error> {
        let text = number.to_string();
        let whole = text.split('.').next().unwrap_or_default();
        let seconds = whole.parse().map_err(|_| "must be seconds since 1970")?;
        Timestamp::from_second(seconds).map(Self).map_err(|_| "must be a moment of our calendar")
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scope {
    /// Separated by spaces, as RFC 8693 says.
    Text(String),
    /// A list, as some issuers do.
    List(Vec<String>),
}

impl Scope {
    fn has(&self, scope: &str) -> bool {
        match self {
            Self::Text(text) => text.split(' ').any(|word| word == scope),
            Self::List(list) => list.iter().any(|word| word == scope),
        }
    }
}

fn connector() -> Connector {
    Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).build()
}

impl Oidc {
    /// Believes tokens of this issuer for this audience. Nothing is asked of the issuer before the first token.
    ///
    /// # Errors
    /// What is wrong with the issuer's address: it must be `https`, but on this machine itself.
    pub fn new(issuer: &str, audience: &str) -> Result<Self, String> {
        check_address(issuer)?;
        if audience.is_empty() {
            return Err(
                "the issuer needs an audience: a token for somebody else must not open this door".to_owned()
            );
        }
        Ok(Self {
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            http: LazyLock::new(connector),
            keys: Mutex::new(None),
        })
    }

    /// Who holds this token: a customer by its subject, or staff by its scope.
    ///
    /// # Errors
    /// `unauthenticated` when it is not valid now; `unavailable` when the issuer's keys cannot be read.
    pub(crate) async fn holder_of_token(&self, token: &str, at: Timestamp) -> Result<Who, Problem> {
        let refuse = |cause: String| Problem::unauthenticated(format!("the token is not valid: {cause}"));
        let header = jsonwebtoken::decode_header(token).map_err(|error| refuse(error.to_string()))?;
        if header.crit.is_some() {
            // Whoever does not know what is critical has to refuse (RFC 7515, section 4.1.11).
            return Err(refuse("it has critical headers".to_owned()));
        }
        let key_id = header.kid.ok_or_else(|| refuse("it names no key".to_owned()))?;
        let key =
            self.key(&key_id, at).await?.ok_or_else(|| refuse("its key is not the issuer's".to_owned()))?;
        // The key, and not the token, says by which algorithm it is checked.
        let algorithm =
            algorithm_of(&key).ok_or_else(|| refuse("its key is for nothing we use".to_owned()))?;
        if header.alg != algorithm {
            return Err(refuse(format!("it is signed by {:?}, its key is for {algorithm:?}", header.alg)));
        }

        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        // Time is passed in, and checked below.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let decoding = DecodingKey::from_jwk(&key).map_err(|error| refuse(error.to_string()))?;
        let token = jsonwebtoken::decode::<Claims>(token, &decoding, &validation);
        let claims = token.map_err(|error| refuse(error.to_string()))?.claims;
        if at.duration_since(claims.exp.0) >= LEEWAY {
            return Err(refuse("it has expired".to_owned()));
        }
        if claims.nbf.is_some_and(|from| from.0.duration_since(at) > LEEWAY) {
            return Err(refuse("it is not valid yet".to_owned()));
        }

        // Staff and customers alike: a subject goes into entries, keys and logs.
        let subject = claims.sub.parse().map_err(|error| refuse(format!("its subject {error}")))?;
        let staff = claims.scope.is_some_and(|scope| scope.has(ADMIN_SCOPE));
        let role = if staff { Role::Admin } else { Role::Customer };
        Ok(Who { actor: Actor { role, id: claims.sub }, customer: (!staff).then_some(subject) })
    }

    /// The issuer's key of this id. Keys are read again when they are old, or, not too often, when one is missing.
    async fn key(&self, id: &str, at: Timestamp) -> Result<Option<Jwk>, Problem> {
        let mut keys = self.keys.lock().await;
        if let Some(known) = keys.as_ref() {
            let age = at.duration_since(known.read_at).abs();
            let found = known.set.find(id).cloned();
            if (found.is_some() && age < KEYS_LIFETIME) || (found.is_none() && age < MIN_REFRESH) {
                return Ok(found);
            }
        }
        match self.read_keys().await {
            Ok(set) => {
                let found = set.find(id).cloned();
                *keys = Some(Keys { set, read_at: at });
                Ok(found)
            }
            Err(cause) => match keys.as_ref().and_then(|known| known.set.find(id).cloned()) {
                // An issuer that is down for a while must not lock everybody out.
                Some(found) => {
                    tracing::warn!(cause, "the issuer's keys could not be read again");
                    Ok(Some(found))
                }
                None => Err(Problem::unavailable(format!("the issuer's keys cannot be read: {cause}"))),
            },
        }
    }

    async fn read_keys(&self) -> Result<JwkSet, String> {
        let issuer = self.issuer.trim_end_matches('/');
        let discovery: Discovery = self.get(&format!("{issuer}/.well-known/openid-configuration")).await?;
        if discovery.issuer != self.issuer {
            return Err(format!("{issuer} calls itself {}", discovery.issuer));
        }
        check_address(&discovery.jwks_uri)?;
        self.get(&discovery.jwks_uri).await
    }

    async fn get<T: DeserializeOwned>(&self, address: &str) -> Result<T, String> {
        let request = HttpRequest::get(address).map_err(|error| error.to_string())?;
        let read = async {
            let response = self.http.call(request).await.map_err(|error| format!("{error:?}"))?;
            if !response.status().is_success() {
                return Err(format!("{address} answered {}", response.status()));
            }
            let body = Limited::new(response.into_body(), MAX_DOCUMENT).collect().await;
            let body = body.map_err(|error| format!("{address}: {error}"))?.to_bytes();
            serde_json::from_slice(&body).map_err(|error| format!("{address}: {error}"))
        };
        tokio::time::timeout(ISSUER_TIMEOUT, read).await.map_err(|_| format!("{address} does not answer"))?
    }
}

/// The one algorithm that this key is for, of the two that are believed.
fn algorithm_of(key: &Jwk) -> Option<Algorithm> {
    if key.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, name) = match &key.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    key.common.key_algorithm.is_none_or(|named| named == name).then_some(algorithm)
}

/// Keys that come over an open line would let anybody in.
fn check_address(address: &str) -> Result<(), String> {
    let uri: http::Uri = address.parse().map_err(|error| format!("{address} is no address: {error}"))?;
    let here = matches!(uri.host(), Some("127.0.0.1" | "localhost"));
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if here => Ok(()),
        _ => Err(format!("{address} must begin with https://")),
    }
}

#[cfg(test)]
mod tests;
