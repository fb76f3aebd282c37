//! `POST /v1/customers/{customer}/grants`: give credit; `…/debits`: take it back; `…/lots/{lot}`: move a lot's expiry, or
//! void what is left of it; `POST /v1/groups/{group}/grants`, `GET /v1/group-grants/{job}`: give credit to a whole group.

mod groups;

use edge::{Access, Call, GrantBody, Problem, Reply, Routes, lot_expiry};
use http::Method;
use ledger::{Amount, Day, EntryId, Label, LotId, Moment, Note, Refusal};
use serde::Deserialize;
use store::Store;

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::POST, "/v1/customers/{customer}/grants", Access::Staff, grant)
        .on(Method::POST, "/v1/customers/{customer}/debits", Access::Admin, debit)
        .on(Method::POST, "/v1/customers/{customer}/lots/{lot}/void", Access::Admin, void)
        .on(Method::PATCH, "/v1/customers/{customer}/lots/{lot}", Access::Admin, change_expiry)
        .on(Method::POST, "/v1/groups/{group}/grants", Access::Admin, groups::grant)
        .on(Method::GET, "/v1/group-grants/{job}", Access::Admin, groups::read)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DebitBody {
    amount: Amount,
    currency: Option<String>,
    reason: Note,
    reference: Option<Label>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VoidBody {
    reason: Note,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpiryBody {
    expires_on: Option<Day>,
    expires_at: Option<Moment>,
    expires: Option<String>,
    reason: Option<Note>,
}

async fn grant(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let key = call.key()?;
    let (currency, grant) = call.body::<GrantBody>()?.read()?;
    let by = call.who.role();

    let command = call.command(&customer, currency, &key)?;
    let committed = store
        .commit::<Problem>(&command, |account, policy, at| ledger::grant(account, policy, &grant, by, at))
        .await?;

    Reply::entered(&committed, by)
}

async fn debit(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let key = call.key()?;
    let DebitBody { amount, currency, reason, reference } = call.body()?;
    let currency = Call::currency("currency", currency.as_deref())?;

    let command = call.command(&customer, currency, &key)?;
    let committed = store
        .commit::<Problem>(&command, |account, policy, at| {
            ledger::debit(account, policy, amount, &reason, reference.as_ref(), at)
        })
        .await?;

    Reply::entered(&committed, call.who.role())
}

async fn void(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let LotId { currency, lot } = call.path("lot")?;
    let key = call.key()?;
    let VoidBody { reason } = call.body()?;

    let command = call.command(&customer, Some(currency), &key)?;
    let made_by = EntryId { currency, number: lot.entry };
    let committed = store
        .commit_on::<Problem>(&command, made_by, Refusal::LotNotFound, |account, policy, made_by, _, at| {
            ledger::void_lot(account, policy, made_by.lot(lot)?, &reason, at)
        })
        .await?;

    Reply::entered(&committed, call.who.role())
}

async fn change_expiry(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let LotId { currency, lot } = call.path("lot")?;
    let key = call.key()?;
    let ExpiryBody { expires_on, expires_at, expires, reason } = call.body()?;
    let expiry = lot_expiry(expires_on, expires_at, expires)?.ok_or_else(|| {
        Problem::invalid("expires_on", "is required, or expires_at, or \"expires\": \"never\"")
    })?;

    let command = call.command(&customer, Some(currency), &key)?;
    let made_by = EntryId { currency, number: lot.entry };
    let committed = store
        .commit_on::<Problem>(&command, made_by, Refusal::LotNotFound, |account, policy, made_by, _, at| {
            ledger::change_expiry(account, policy, made_by.lot(lot)?, expiry, reason.as_ref(), at)
        })
        .await?;

    Reply::entered(&committed, call.who.role())
}
