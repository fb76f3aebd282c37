//! Who is calling: an API key of ours, or a token of the configured issuer. Nothing configured lets nobody in.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use http::{HeaderMap, header};
use jiff::{SignedDuration, Timestamp};
use ledger::{Actor, CustomerId, Hash, Role};
use store::{ApiKey, Store};

use crate::{Oidc, Problem};

/// What an API key begins with.
const PREFIX: &str = "sk_";
/// Random bytes of an API key: 256 bits.
const KEY_BYTES: usize = 32;
/// Characters of an API key's public id after its prefix: 96 bits of its hash.
const ID_DIGITS: usize = 24;
/// How long a key that was found valid is believed: a revoked one lets nobody in after that.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_secs(30);
/// Keys that are remembered at once.
const MAX_REMEMBERED: usize = 1_000;
/// Longest credential that is looked at, in bytes.
const MAX_CREDENTIAL: usize = 8_192;

/// Whoever is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// In which capacity, and by which key or token.
    pub actor: Actor,
    /// The customer that a customer's token is for.
    pub customer: Option<CustomerId>,
}

impl Who {
    /// In which capacity.
    pub fn role(&self) -> Role {
        self.actor.role
    }
}

/// Lets callers in, or not.
#[derive(Debug)]
pub struct Gate {
    store: Store,
    /// The hash of the first admin key, from the stack's parameters.
    first_admin: Option<Hash>,
    oidc: Option<Oidc>,
    remembered: Mutex<HashMap<String, (ApiKey, Timestamp)>>,
}

impl Gate {
    /// Lets in whoever has a key in the store, the first admin's key, or a token of the issuer.
    pub fn new(store: Store, first_admin: Option<Hash>, oidc: Option<Oidc>) -> Self {
        Self { store, first_admin, oidc, remembered: Mutex::new(HashMap::new()) }
    }

    /// Who is calling.
    ///
    /// # Errors
    /// `unauthenticated` when nobody knows; `unavailable` when it cannot be found out now.
    pub async fn who(&self, headers: &HeaderMap, at: Timestamp) -> Result<Who, Problem> {
        let value =
            headers.get(header::AUTHORIZATION).ok_or_else(|| Problem::unauthenticated("no credential"))?;
        let value = value.to_str().map_err(|_| Problem::unauthenticated("the credential is not ASCII"))?;
        let (scheme, credential) = value.split_once(' ').unwrap_or((value, ""));
        let credential = credential.trim();
        if !scheme.eq_ignore_ascii_case("bearer")
            || credential.is_empty()
            || credential.len() > MAX_CREDENTIAL
        {
            return Err(Problem::unauthenticated("no bearer credential"));
        }
        if credential.starts_with(PREFIX) {
            self.holder_of_key(credential, at).await
        } else {
            match &self.oidc {
                Some(oidc) => oidc.holder_of_token(credential, at).await,
                None => Err(Problem::unauthenticated("a token, but no issuer is configured")),
            }
        }
    }

    async fn holder_of_key(&self, key: &str, at: Timestamp) -> Result<Who, Problem> {
        let hash = Hash::of(key.as_bytes());
        let id = key_id(hash);
        if self.first_admin == Some(hash) {
            return Ok(Who { actor: Actor { role: Role::Admin, id }, customer: None });
        }
        let api_key = match self.remembered(&id, at) {
            Some(api_key) => api_key,
            None => {
                let api_key = self.store.api_key(&id).await?;
                let api_key = api_key.ok_or_else(|| Problem::unauthenticated("the API key is not known"))?;
                self.remember(&api_key, at);
                api_key
            }
        };
        if api_key.hash != hash {
            return Err(Problem::unauthenticated("the API key is not known"));
        }
        if api_key.revoked_at.is_some() {
            return Err(Problem::unauthenticated("the API key is revoked"));
        }
        Ok(Who { actor: Actor { role: api_key.role, id }, customer: None })
    }

    fn remembered(&self, id: &str, at: Timestamp) -> Option<ApiKey> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (api_key, since) = remembered.get(id)?;
        (at.duration_since(*since).abs() < KEY_LIFETIME).then(|| api_key.clone())
    }

    fn remember(&self, api_key: &ApiKey, at: Timestamp) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= MAX_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(api_key.id.clone(), (api_key.clone(), at));
    }
}

/// A new API key of 256 random bits, and what of it may be stored.
///
/// # Errors
/// When the system has no random bits to give.
pub fn new_api_key(role: Role, name: Option<String>, at: Timestamp) -> Result<(String, ApiKey), Problem> {
    let mut secret = [0; KEY_BYTES];
    getrandom::fill(&mut secret).map_err(|error| Problem::unavailable(error.to_string()))?;
    let key = format!("{PREFIX}{}", hex::encode(secret));
    let hash = Hash::of(key.as_bytes());
    Ok((key, ApiKey { id: key_id(hash), hash, role, name, created_at: at, revoked_at: None }))
}

/// An API key's public id.
pub fn key_id(hash: Hash) -> String {
    let digits = hash.to_string();
    format!("key_{}", digits.get(..ID_DIGITS).unwrap_or_default())
}

#[cfg(test)]
mod tests;
