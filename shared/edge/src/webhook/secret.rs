//! What a webhook is signed with, and its receiver checks it with.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use standardwebhooks::{Webhook, WebhookError};

use crate::Problem;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Random bytes of a secret of ours: 256 bits.
const NEW_BYTES: usize = 32;
/// Fewest bytes of a secret that the scheme allows.
const MIN_BYTES: usize = 24;
/// Most bytes of a secret that the scheme allows.
const MAX_BYTES: usize = 64;

/// An endpoint's secret, written as `whsec_` and the base64 of its 24 to 64 bytes. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebhookSecret(Vec<u8>);

impl WebhookSecret {
    /// A new secret of 256 random bits.
    ///
    /// # Errors
    /// When the system has no random bits to give.
    pub fn new() -> Result<Self, Problem> {
        let mut secret = vec![0; NEW_BYTES];
        getrandom::fill(&mut secret).map_err(|error| Problem::unavailable(error.to_string()))?;
        Ok(Self(secret))
    }

    /// The signature of a webhook that is sent at this second since 1970, as its header carries it.
    pub(super) fn sign(&self, id: &str, seconds: i64, body: &str) -> Result<String, WebhookError> {
        Webhook::from_bytes(self.0.clone())?.sign(id, seconds, body.as_bytes())
    }
}

impl FromStr for WebhookSecret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let encoded = text.strip_prefix(PREFIX).ok_or("must begin with whsec_")?;
        let secret = STANDARD.decode(encoded).map_err(|_| "must be base64 after whsec_")?;
        if !(MIN_BYTES..=MAX_BYTES).contains(&secret.len()) {
            return Err("must have 24 to 64 bytes");
        }
        Ok(Self(secret))
    }
}

impl TryFrom<String> for WebhookSecret {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<WebhookSecret> for String {
    fn from(secret: WebhookSecret) -> Self {
        secret.to_string()
    }
}

impl fmt::Display for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", STANDARD.encode(&self.0))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The secret of the scheme's published example.
    const PUBLISHED: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

    #[test]
    fn it_signs_as_the_published_example_does() {
        let secret: WebhookSecret = PUBLISHED.parse().unwrap();
        let body = r#"{"email":"test@example.com","username":"test_user"}"#;
        let signature = secret.sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body).unwrap();
        assert_eq!(signature, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let secret = WebhookSecret::new().unwrap();
        assert_eq!(secret.to_string().parse(), Ok(secret.clone()));
        let json = serde_json::to_string(&secret).unwrap();
        assert_eq!(json, format!("\"{secret}\""));
        assert_eq!(serde_json::from_str::<WebhookSecret>(&json).unwrap(), secret);
        assert_ne!(secret, WebhookSecret::new().unwrap());
    }

    #[test]
    fn debug_does_not_show_it() {
        let secret: WebhookSecret = PUBLISHED.parse().unwrap();
        assert_eq!(format!("{secret:?}"), "whsec_…");
    }

    #[test]
    fn other_texts_and_lengths_are_none() {
        let of = |bytes| format!("{PREFIX}{}", STANDARD.encode(vec![7; bytes]));
        for fit in [of(24), of(32), of(64)] {
            assert!(fit.parse::<WebhookSecret>().is_ok(), "{fit}");
        }
        let bare = PUBLISHED.trim_start_matches(PREFIX).to_owned();
        let padding = of(32).trim_end_matches('=').to_owned();
        assert!("".parse::<WebhookSecret>().is_err() && PREFIX.parse::<WebhookSecret>().is_err());
        for unfit in [of(1), of(23), of(65), bare, padding, format!("{PUBLISHED} "), format!("{PREFIX}!")] {
            let error = serde_json::from_value::<WebhookSecret>(unfit.clone().into()).unwrap_err();
            assert!(!error.to_string().contains(unfit.trim_start_matches(PREFIX)), "{error}");
        }
    }
}
