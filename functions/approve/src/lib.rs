//! `POST /v1/customers/{customer}/topups/{topup}/approve` and `…/reject`; `GET /v1/topups`: what waits for approval.

use edge::{Access, AccountView, Call, EntryView, Limit, Problem, Reply, Routes, TopupView};
use http::Method;
use ledger::{Amount, Note, TopupId, TopupStatus};
use serde::{Deserialize, Serialize};
use store::{Approved, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::POST, "/v1/customers/{customer}/topups/{topup}/approve", Access::Admin, approve)
        .on(Method::POST, "/v1/customers/{customer}/topups/{topup}/reject", Access::Admin, reject)
        .on(Method::GET, "/v1/topups", Access::Admin, pending)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApproveBody {
    amount: Option<Amount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RejectBody {
    reason: Note,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    status: Option<TopupStatus>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct ApprovedAnswer<'a> {
    topup: TopupView<'a>,
    entry: EntryView<'a>,
    account: AccountView,
}

#[derive(Serialize)]
struct RejectedAnswer<'a> {
    topup: TopupView<'a>,
}

async fn approve(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let id: TopupId = call.path("topup")?;
    let key = call.key()?;
    let ApproveBody { amount } = call.body()?;

    let command = call.command(&customer, Some(id.currency), &key)?;
    let Approved { topup, committed } = store
        .approve::<Problem>(&command, &id, |account, policy, topup, at| {
            ledger::approve(account, policy, topup, amount, call.actor().clone(), at)
        })
        .await?;

    let entry = &committed.entry;
    let answer = ApprovedAnswer {
        topup: TopupView::new(&topup),
        entry: EntryView::new(entry, call.who.role()),
        account: AccountView::from(entry),
    };
    Ok(Reply::ok(&answer)?.replayed(committed.replayed))
}

async fn reject(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let id: TopupId = call.path("topup")?;
    let RejectBody { reason } = call.body()?;

    let topup = store
        .resolve_topup::<Problem>(&customer, &id, |account, topup| {
            ledger::reject(account, topup, reason.clone(), call.actor().clone(), call.at)
        })
        .await?;

    Reply::ok(&RejectedAnswer { topup: TopupView::new(&topup) })
}

async fn pending(store: Store, call: Call) -> Result<Reply, Problem> {
    let Query { status, limit, cursor } = call.query()?;
    if status.is_some_and(|status| status != TopupStatus::Pending) {
        return Err(Problem::invalid(
            "status",
            "must be \"pending\": only what waits is listed over all customers",
        ));
    }

    let page = store.pending_topups(call.at, Call::cursor(cursor.as_deref())?, limit.get()).await?;

    let data: Vec<_> =
        page.data.iter().map(|waiting| TopupView::new(&waiting.topup).of(&waiting.customer)).collect();
    Reply::page(&data, page.next.as_ref())
}
