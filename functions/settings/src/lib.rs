//! `GET` and `PUT /v1/settings`, `PUT /v1/customers/{customer}`, `POST /v1/api-keys`, `DELETE /v1/api-keys/{id}`.

use edge::{Access, Call, Problem, Reply, Routes};
use http::Method;
use ledger::{Label, Policy, Role};
use serde::{Deserialize, Serialize};
use store::{ApiKey, Profile, Settings, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::GET, "/v1/settings", Access::Admin, read)
        .on(Method::PUT, "/v1/settings", Access::Admin, write)
        .on(Method::PUT, "/v1/customers/{customer}", Access::Admin, profile)
        .on(Method::POST, "/v1/api-keys", Access::Admin, create_key)
        .on(Method::DELETE, "/v1/api-keys/{id}", Access::Admin, revoke_key)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct SettingsAnswer {
    settings: Policy,
    version: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileBody {
    name: Option<Label>,
    email: Option<Label>,
}

#[derive(Serialize)]
struct ProfileAnswer<'a> {
    customer: &'a str,
    name: Option<Label>,
    email: Option<Label>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyBody {
    role: Role,
    name: Option<Label>,
}

#[derive(Serialize)]
struct KeyAnswer {
    id: String,
    key: String,
    role: Role,
    name: Option<String>,
}

async fn read(store: Store, call: Call) -> Result<Reply, Problem> {
    let Nothing {} = call.query()?;

    let Settings { policy, version } = store.settings().await?;

    Reply::ok(&SettingsAnswer { settings: policy, version })
}

async fn write(store: Store, call: Call) -> Result<Reply, Problem> {
    let expected = call.if_match()?;
    let policy: Policy = call.body()?;

    let Settings { policy, version } = store.put_settings(policy, expected).await?;

    Reply::ok(&SettingsAnswer { settings: policy, version })
}

async fn profile(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let ProfileBody { name, email } = call.body()?;
    let text = |label: &Option<Label>| label.as_ref().map(ToString::to_string);

    store.put_profile(&customer, &Profile { name: text(&name), email: text(&email) }).await?;

    Reply::ok(&ProfileAnswer { customer: customer.as_str(), name, email })
}

async fn create_key(store: Store, call: Call) -> Result<Reply, Problem> {
    let KeyBody { role, name } = call.body()?;
    if !matches!(role, Role::Admin | Role::Store) {
        return Err(Problem::invalid("role", "must be \"admin\" or \"store\""));
    }
    let (key, stored) = edge::new_api_key(role, name.map(|name| name.to_string()), call.at)?;

    store.put_api_key(&stored).await?;

    Reply::created(&KeyAnswer { id: stored.id, key, role, name: stored.name })
}

async fn revoke_key(store: Store, call: Call) -> Result<Reply, Problem> {
    let id: String = call.path("id")?;
    let stored = store.api_key(&id).await?.ok_or_else(Problem::api_key_not_found)?;

    // Revoking twice keeps the first moment.
    let revoked_at = stored.revoked_at.or(Some(call.at));
    store.put_api_key(&ApiKey { revoked_at, ..stored }).await?;

    Ok(Reply::done())
}
