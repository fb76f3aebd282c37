//! What the merchant sets: `/v1/settings`, `/v1/groups`, `PUT /v1/customers/{customer}`, what was changed in them;
//! `DELETE /v1/customers/{customer}/personal-data`; `/v1/api-keys`.

mod api_keys;
mod customers;
mod groups;

use edge::{Access, Call, PageQuery, Problem, Reply, Routes};
use http::Method;
use jiff::Timestamp;
use ledger::Policy;
use serde::{Deserialize, Serialize};
use store::{ReachBack, Settings, Store};

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
        .on(Method::DELETE, "/v1/customers/{customer}/personal-data", Access::Admin, customers::erase)
        .on(Method::POST, "/v1/api-keys", Access::Admin, api_keys::create)
        .on(Method::DELETE, "/v1/api-keys/{id}", Access::Admin, api_keys::revoke)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct Answer {
    settings: Policy,
    version: u64,
    /// How far `apply_to_existing` is, if it was ever asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    reach_back: Option<ReachBackView>,
}

#[derive(Serialize)]
struct ReachBackView {
    status: &'static str,
    requested_at: Timestamp,
    finished_at: Option<Timestamp>,
    accounts: u64,
    dated: u64,
}

impl From<ReachBack> for ReachBackView {
    fn from(job: ReachBack) -> Self {
        let ReachBack { requested_at, finished_at, accounts, dated, .. } = job;
        let status = if finished_at.is_some() { "done" } else { "running" };
        Self { status, requested_at, finished_at, accounts, dated }
    }
}

async fn read(store: Store, call: Call) -> Result<Reply, Problem> {
    let Nothing {} = call.query()?;

    let settings = store.settings().await?;

    answer(&store, settings).await
}

async fn write(store: Store, call: Call) -> Result<Reply, Problem> {
    let policy: Policy = call.document()?;

    let settings = store.put_settings(&policy, call.edit()?).await?;

    answer(&store, settings).await
}

async fn answer(store: &Store, settings: Settings) -> Result<Reply, Problem> {
    let reach_back = store.reach_back_job().await?.map(ReachBackView::from);

    let Settings { policy, version, .. } = settings;
    Reply::ok(&Answer { settings: policy, version, reach_back })
}

async fn changes(store: Store, call: Call) -> Result<Reply, Problem> {
    let PageQuery { limit, cursor } = call.query()?;

    let page = store.settings_changes(Call::cursor(cursor.as_deref())?, limit.get()).await?;

    Reply::page(&page.data, page.next.as_ref())
}
