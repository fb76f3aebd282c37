//! What the merchant sets: `/v1/settings`, with its mails and webhooks, `/v1/groups`, `PUT /v1/customers/{customer}`, what was changed in them;
//! what an order would use; `DELETE /v1/customers/{customer}/personal-data`; `/v1/api-keys`.

mod api_keys;
mod customers;
mod groups;
mod mails;
mod quote;
mod webhooks;

use edge::{Access, Call, Limit, Problem, Reach, Reply, Routes};
use http::Method;
use jiff::Timestamp;
use ledger::Policy;
use serde::{Deserialize, Serialize};
use store::{Notices, ReachBack, Settings, Store};

/// What this function answers. Webhooks can be set to go as far as this.
pub fn routes(reach: Reach) -> Routes {
    Routes::new()
        .on(Method::GET, "/v1/settings", Access::Admin, read)
        .on(Method::PUT, "/v1/settings", Access::Admin, write)
        .on(Method::POST, "/v1/settings/quote", Access::Admin, quote::quote)
        .on(Method::GET, "/v1/settings/changes", Access::Admin, changes)
        .on(Method::GET, "/v1/settings/mail", Access::Admin, mails::read)
        .on(Method::PUT, "/v1/settings/mail", Access::Admin, mails::write)
        .on(Method::GET, "/v1/settings/webhooks", Access::Admin, webhooks::list)
        .on(Method::PUT, "/v1/settings/webhooks/{id}", Access::Admin, move |store, call| {
            webhooks::write(store, call, reach)
        })
        .on(Method::DELETE, "/v1/settings/webhooks/{id}", Access::Admin, webhooks::delete)
        .on(Method::POST, "/v1/settings/webhooks/{id}/secret", Access::Admin, webhooks::renew_secret)
        .on(Method::GET, "/v1/groups", Access::Admin, groups::list)
        .on(Method::GET, "/v1/groups/{group}", Access::Admin, groups::read)
        .on(Method::PUT, "/v1/groups/{group}", Access::Admin, groups::write)
        .on(Method::PUT, "/v1/customers/{customer}", Access::Admin, customers::write)
        .on(Method::GET, "/v1/customers/{customer}/changes", Access::Admin, customers::changes)
        .on(Method::DELETE, "/v1/customers/{customer}/personal-data", Access::Admin, customers::erase)
        .on(Method::GET, "/v1/api-keys", Access::Admin, api_keys::list)
        .on(Method::POST, "/v1/api-keys", Access::Admin, api_keys::create)
        .on(Method::DELETE, "/v1/api-keys/{id}", Access::Admin, api_keys::revoke)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// Whose changes are asked for.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChangesOf {
    #[default]
    Settings,
    Mail,
    Webhooks,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangesQuery {
    #[serde(default)]
    of: ChangesOf,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

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
    let ChangesQuery { of, limit, cursor } = call.query()?;
    let (cursor, limit) = (Call::cursor(cursor.as_deref())?, limit.get());

    let page = match of {
        ChangesOf::Settings => store.settings_changes(cursor, limit).await?,
        ChangesOf::Mail => store.notices_changes(Notices::Mail, cursor, limit).await?,
        ChangesOf::Webhooks => store.notices_changes(Notices::Webhooks, cursor, limit).await?,
    };

    Reply::page(&page.data, page.next.as_ref())
}
