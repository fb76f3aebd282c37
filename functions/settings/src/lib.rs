//! What the merchant sets: `/v1/settings`, `/v1/groups`, `PUT /v1/customers/{customer}`, what was changed in them, and
//! `/v1/api-keys`.

mod api_keys;
mod customers;
mod groups;

use edge::{Access, Call, Limit, Problem, Reply, Routes};
use http::Method;
use ledger::Policy;
use serde::{Deserialize, Serialize};
use store::{Settings, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::GET, "/v1/settings", Access::Admin, read)
        .on(Method::PUT, "/v1/settings", Access::Admin, write)
        .on(Method::GET, "/v1/settings/changes", Access::Admin, changes)
        .on(Method::GET, "/v1/groups", Access::Admin, groups::list)
        .on(Method::GET, "/v1/groups/{group}", Access::Admin, groups::read)
        .on(Method::PUT, "/v1/groups/{group}", Access::Admin, groups::write)
        .on(Method::PUT, "/v1/customers/{customer}", Access::Admin, customers::write)
        .on(Method::GET, "/v1/customers/{customer}/changes", Access::Admin, customers::changes)
        .on(Method::POST, "/v1/api-keys", Access::Admin, api_keys::create)
        .on(Method::DELETE, "/v1/api-keys/{id}", Access::Admin, api_keys::revoke)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Answer {
    settings: Policy,
    version: u64,
}

async fn read(store: Store, call: Call) -> Result<Reply, Problem> {
    let Nothing {} = call.query()?;

    let Settings { policy, version, .. } = store.settings().await?;

    Reply::ok(&Answer { settings: policy, version })
}

async fn write(store: Store, call: Call) -> Result<Reply, Problem> {
    let policy: Policy = call.body()?;

    let Settings { policy, version, .. } = store.put_settings(&policy, call.edit()?).await?;

    Reply::ok(&Answer { settings: policy, version })
}

async fn changes(store: Store, call: Call) -> Result<Reply, Problem> {
    let PageQuery { limit, cursor } = call.query()?;

    let page = store.settings_changes(Call::cursor(cursor.as_deref())?, limit.get()).await?;

    Reply::page(&page.data, page.next.as_ref())
}
