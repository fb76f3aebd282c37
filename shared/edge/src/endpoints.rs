//! Where events are sent to as webhooks: a document of the store's.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Problem, WebhookSecret, WebhookUrl};

/// Endpoints that a store can have.
const MAX_ENDPOINTS: usize = 20;
/// Longest id of an endpoint.
const MAX_ID: usize = 64;
/// Secrets of before that may sign at a time.
const MAX_PREVIOUS: usize = 5;
/// How long webhooks are signed by the secret of before as well, once there is a new one.
const OVERLAP: SignedDuration = SignedDuration::from_hours(24);

/// Every type of an event, as its `type` names it.
pub const EVENT_TYPES: [&str; 19] = [
    "credit.granted",
    "credit.topped_up",
    "credit.redeemed",
    "credit.refunded",
    "credit.withdrawn",
    "credit.debited",
    "credit.voided",
    "credit.expired",
    "credit.expiry_changed",
    "credit.imported",
    "credit.expiring_soon",
    "hold.placed",
    "hold.captured",
    "hold.released",
    "topup.requested",
    "topup.approved",
    "topup.rejected",
    "topup.cancelled",
    "topup.lapsed",
];

/// What the merchant calls an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointId(String);

impl FromStr for EndpointId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let holds = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=MAX_ID).contains(&text.len()) && text.bytes().all(holds) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 1 to 64 of A-Z a-z 0-9 . _ -")
        }
    }
}

impl TryFrom<String> for EndpointId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<EndpointId> for String {
    fn from(EndpointId(id): EndpointId) -> Self {
        id
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which events an endpoint wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct EventTypes(BTreeSet<String>);

impl TryFrom<Vec<String>> for EventTypes {
    type Error = String;

    fn try_from(types: Vec<String>) -> Result<Self, Self::Error> {
        match types.iter().find(|kind| !EVENT_TYPES.contains(&kind.as_str())) {
            Some(unknown) => {
                Err(format!("`{unknown}` is no type of an event, which are {}", EVENT_TYPES.join(", ")))
            }
            None if types.is_empty() => Err("must name some types of events, or be null for all".to_owned()),
            None => Ok(Self(types.into_iter().collect())),
        }
    }
}

/// Where events are sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// Its address.
    pub url: WebhookUrl,
    /// Which events it wants; `None` is all.
    pub events: Option<EventTypes>,
    /// Whether anything is sent.
    pub enabled: bool,
    secret: WebhookSecret,
    /// The secrets of before, the latest first, each with the moment until which it signs too.
    previous: Vec<(WebhookSecret, Timestamp)>,
}

impl Endpoint {
    /// A new one, with a secret of its own.
    ///
    /// # Errors
    /// When the system has no random bits to give.
    pub fn new(url: WebhookUrl, events: Option<EventTypes>, enabled: bool) -> Result<Self, Problem> {
        Ok(Self { url, events, enabled, secret: WebhookSecret::new()?, previous: Vec::new() })
    }

    /// This one as another says, but for the secrets, which stay.
    #[must_use]
    pub fn rewritten(self, Self { url, events, enabled, .. }: &Self) -> Self {
        Self { url: url.clone(), events: events.clone(), enabled: *enabled, ..self }
    }

    /// This one with another secret; for a day those of before sign too, so that whoever checks can change theirs meanwhile.
    ///
    /// # Errors
    /// When as many sign as may.
    pub fn with_secret(self, secret: WebhookSecret, at: Timestamp) -> Result<Self, Problem> {
        let until = at.checked_add(OVERLAP).unwrap_or(Timestamp::MAX);
        let mut previous = vec![(self.secret, until)];
        previous.extend(self.previous.into_iter().filter(|(_, until)| at < *until));
        if previous.len() > MAX_PREVIOUS {
            return Err(Problem::too_many_secrets(MAX_PREVIOUS));
        }
        Ok(Self { secret, previous, ..self })
    }

    /// What it is signed by from now on.
    pub fn secret(&self) -> &WebhookSecret {
        &self.secret
    }

    /// What signs at this moment, the newest first.
    pub fn secrets(&self, at: Timestamp) -> Vec<WebhookSecret> {
        let previous = self.previous.iter().filter(|(_, until)| at < *until).map(|(secret, _)| secret);
        [&self.secret].into_iter().chain(previous).cloned().collect()
    }

    /// Until when the secret of before signs too.
    pub fn previous_until(&self) -> Option<Timestamp> {
        self.previous.first().map(|(_, until)| *until)
    }
}

/// All endpoints of a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Endpoints(pub BTreeMap<EndpointId, Endpoint>);

impl Endpoints {
    /// Those that want events of this type.
    pub fn of_event<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a EndpointId, &'a Endpoint)> {
        self.0.iter().filter(move |(_, endpoint)| {
            let wants = endpoint.events.as_ref().is_none_or(|EventTypes(types)| types.contains(kind));
            endpoint.enabled && wants
        })
    }

    /// These, and this one among them, or in the place of the one of that name.
    ///
    /// # Errors
    /// When there are too many.
    pub fn with(mut self, id: EndpointId, endpoint: Endpoint) -> Result<Self, Problem> {
        self.0.insert(id, endpoint);
        if self.0.len() > MAX_ENDPOINTS {
            return Err(Problem::too_many_webhooks(MAX_ENDPOINTS));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
