//! Where events are sent to: `/v1/settings/webhooks`. A secret is shown once, when it is made.

use std::collections::BTreeMap;

use edge::{
    Call, Endpoint, EndpointId, Endpoints, EventTypes, Problem, Reach, Reply, WebhookSecret, WebhookUrl,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Notices, Store, Versioned};

use crate::Nothing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    url: String,
    events: Option<EventTypes>,
    #[serde(default = "on")]
    enabled: bool,
}

fn on() -> bool {
    true
}

#[derive(Serialize)]
struct Listed<'a> {
    webhooks: Vec<Shown<'a>>,
    version: u64,
}

#[derive(Serialize)]
struct Answer<'a> {
    webhook: Shown<'a>,
    /// What its webhooks are signed by; told once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a WebhookSecret>,
    version: u64,
}

/// An endpoint without its secrets.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a EndpointId,
    url: &'a WebhookUrl,
    events: &'a Option<EventTypes>,
    enabled: bool,
    /// Until when the secret of before signs too.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_secret_until: Option<Timestamp>,
}

impl<'a> Shown<'a> {
    fn new(id: &'a EndpointId, endpoint: &'a Endpoint) -> Self {
        let Endpoint { url, events, enabled, .. } = endpoint;
        Self { id, url, events, enabled: *enabled, previous_secret_until: endpoint.previous_until() }
    }
}

pub(crate) async fn list(store: Store, call: Call) -> Result<Reply, Problem> {
    let Nothing {} = call.query()?;

    let Versioned { document: Endpoints(endpoints), version } = store.notices(Notices::Webhooks).await?;

    let webhooks = endpoints.iter().map(|(id, endpoint)| Shown::new(id, endpoint)).collect();
    Reply::ok(&Listed { webhooks, version })
}

/// Writes an endpoint whole, but for its secret: a new one gets one, which is told.
pub(crate) async fn write(store: Store, call: Call, reach: Reach) -> Result<Reply, Problem> {
    let id: EndpointId = call.path("id")?;
    let Body { url, events, enabled } = call.document()?;
    let url = WebhookUrl::new(&url, reach).map_err(|message| Problem::invalid("url", message))?;
    let new = Endpoint::new(url, events, enabled)?;

    let written = edit(&store, &call, |endpoints| {
        let known = endpoints.0.get(&id).cloned();
        let endpoint = known.map_or_else(|| new.clone(), |known| known.rewritten(&new));
        endpoints.with(id.clone(), endpoint)
    })
    .await?;

    answer(&written, &id, |secret| secret == new.secret())
}

/// Gives an endpoint another secret, which is told; that of before signs too for a day.
pub(crate) async fn renew_secret(store: Store, call: Call) -> Result<Reply, Problem> {
    let id: EndpointId = call.path("id")?;
    let Nothing {} = call.body()?;
    let secret = WebhookSecret::new()?;

    let written = edit(&store, &call, |endpoints| {
        let known = endpoints.0.get(&id).cloned().ok_or_else(Problem::webhook_not_found)?;
        endpoints.with(id.clone(), known.with_secret(secret.clone(), call.at)?)
    })
    .await?;

    answer(&written, &id, |_| true)
}

pub(crate) async fn delete(store: Store, call: Call) -> Result<Reply, Problem> {
    let id: EndpointId = call.path("id")?;
    let Nothing {} = call.query()?;

    edit(&store, &call, |mut endpoints| match endpoints.0.remove(&id) {
        Some(_) => Ok(endpoints),
        None => Err(Problem::webhook_not_found()),
    })
    .await?;

    Ok(Reply::done())
}

async fn edit(
    store: &Store,
    call: &Call,
    change: impl Fn(Endpoints) -> Result<Endpoints, Problem>,
) -> Result<Versioned<Endpoints>, Problem> {
    store.put_notices(Notices::Webhooks, call.edit()?, change, shown).await
}

fn answer(
    written: &Versioned<Endpoints>,
    id: &EndpointId,
    told: impl Fn(&WebhookSecret) -> bool,
) -> Result<Reply, Problem> {
    let Versioned { document: Endpoints(endpoints), version } = written;
    let endpoint = endpoints.get(id).ok_or_else(Problem::webhook_not_found)?;
    let secret = Some(endpoint.secret()).filter(|secret| told(secret));
    Reply::ok(&Answer { webhook: Shown::new(id, endpoint), secret, version: *version })
}

/// What the line of a change may hold.
fn shown(Endpoints(endpoints): &Endpoints) -> Value {
    let shown: BTreeMap<String, Shown<'_>> =
        endpoints.iter().map(|(id, endpoint)| (id.to_string(), Shown::new(id, endpoint))).collect();
    serde_json::to_value(shown).unwrap_or_default()
}
