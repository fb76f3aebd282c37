//! API keys: each is shown once, and stored by its hash alone. Which there are is listed by their ids.

use edge::{Call, PageQuery, Problem, Reply};
use jiff::Timestamp;
use ledger::{Label, Role};
use serde::{Deserialize, Serialize};
use store::{ApiKey, Store};

use crate::Nothing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    role: Role,
    name: Option<Label>,
}

#[derive(Serialize)]
struct Answer {
    id: String,
    key: String,
    role: Role,
    name: Option<String>,
}

/// A key as far as it is told once it was made.
#[derive(Serialize)]
struct Listed {
    id: String,
    role: Role,
    name: Option<String>,
    created_at: Timestamp,
    revoked_at: Option<Timestamp>,
}

impl From<ApiKey> for Listed {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, hash: _, role, name, created_at, revoked_at } = key;
        Self { id, role, name, created_at, revoked_at }
    }
}

pub(crate) async fn list(store: Store, call: Call) -> Result<Reply, Problem> {
    let PageQuery { limit, cursor } = call.query()?;

    let page = store.api_keys(Call::cursor(cursor.as_deref())?, limit.get()).await?;

    let data: Vec<_> = page.data.into_iter().map(Listed::from).collect();
    Reply::page(&data, page.next.as_ref())
}

pub(crate) async fn create(store: Store, call: Call) -> Result<Reply, Problem> {
    let Body { role, name } = call.body()?;
    if !matches!(role, Role::Admin | Role::Store) {
        return Err(Problem::invalid("role", "must be \"admin\" or \"store\""));
    }
    let (key, stored) = edge::new_api_key(role, name.map(|name| name.to_string()), call.at)?;

    store.put_api_key(&stored).await?;

    Reply::created(&Answer { id: stored.id, key, role, name: stored.name })
}

pub(crate) async fn revoke(store: Store, call: Call) -> Result<Reply, Problem> {
    let id: String = call.path("id")?;
    let Nothing {} = call.query()?;

    let stored = store.api_key(&id).await?.ok_or_else(Problem::api_key_not_found)?;

    // Revoking twice keeps the first moment.
    let revoked_at = stored.revoked_at.or(Some(call.at));
    store.put_api_key(&ApiKey { revoked_at, ..stored }).await?;

    Ok(Reply::done())
}
