//! An issuer of customers' tokens for this machine alone.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, EncodingKey, Header, jwk::Jwk};
use serde_json::{Value, json};

use crate::Failure;

/// Whom its tokens are for.
pub const AUDIENCE: &str = "scrip";
/// The one key's name.
const KEY_ID: &str = "local";

/// An issuer with one ES256 key.
#[derive(Clone)]
pub struct Issuer {
    url: String,
    key: EncodingKey,
}

impl Issuer {
    /// A new private key, PKCS #8.
    ///
    /// # Errors
    /// When the system has no random bits to give.
    pub fn new_key() -> Result<Vec<u8>, Failure> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())?;
        Ok(key.as_ref().to_vec())
    }

    /// The issuer at this address with this private key.
    pub fn new(url: String, key: &[u8]) -> Self {
        Self { url, key: EncodingKey::from_ec_der(key) }
    }

    /// Its address, which is its name.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A token for this subject, staff or customer by its scope.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn token(
        &self,
        subject: &str,
        scope: Option<&str>,
        at: Timestamp,
        lifetime: SignedDuration,
    ) -> Result<String, Failure> {
        let mut claims = json!({
            "iss": self.url, "aud": AUDIENCE, "sub": subject, "iat": at.as_second(),
            "exp": at.checked_add(lifetime)?.as_second(),
        });
        if let (Some(scope), Some(claims)) = (scope, claims.as_object_mut()) {
            claims.insert("scope".to_owned(), json!(scope));
        }
        self.sign(&claims)
    }

    /// A token that says exactly this.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub fn sign(&self, claims: &Value) -> Result<String, Failure> {
        let header = Header { kid: Some(KEY_ID.to_owned()), ..Header::new(Algorithm::ES256) };
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }

    /// What it publishes about itself, for the path that OpenID Connect Discovery names.
    pub fn discovery(&self) -> Value {
        let url = &self.url;
        json!({
            "issuer": url, "jwks_uri": format!("{url}/jwks"), "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "scopes_supported": ["openid", "scrip:admin"],
            "response_types_supported": ["code"], "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token"], "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"], "authorization_response_iss_parameter_supported": true,
        })
    }

    /// Its public key.
    ///
    /// # Errors
    /// When the private key cannot be read.
    pub fn keys(&self) -> Result<Value, Failure> {
        let mut key = Jwk::from_encoding_key(&self.key, Algorithm::ES256)?;
        key.common.key_id = Some(KEY_ID.to_owned());
        Ok(json!({"keys": [key]}))
    }
}
