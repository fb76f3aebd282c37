//! `GET /v1/customers/{customer}`, `…/entries`, `…/topups`, `…/statement`: what a customer has, and why; `…/verification`: whether
//! all of it follows; `GET /v1/customers`: all of them; `GET /openapi.json`, `GET /docs`: what the API is.

mod customers;
mod description;
mod statement;

use edge::{
    Access, Call, CustomerView, EntryView, Limit, PageQuery, Problem, Reply, Routes, TopupView,
    VerificationView,
};
use http::Method;
use ledger::{EntryType, Label, LotId, Moment, Role};
use serde::Deserialize;
use store::{CustomerRecord, EntriesFilter, Page, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::GET, "/v1/customers", Access::Admin, customers::list)
        .on(Method::GET, "/v1/customers/{customer}", Access::All, customer)
        .on(Method::GET, "/v1/customers/{customer}/entries", Access::All, entries)
        .on(Method::GET, "/v1/customers/{customer}/topups", Access::All, topups)
        .on(Method::GET, "/v1/customers/{customer}/statement", Access::All, statement::read)
        .on(Method::GET, "/v1/customers/{customer}/verification", Access::Admin, verification)
        .publishing("/openapi.json", description::document())
        .publishing("/docs", description::page())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomerQuery {
    as_of: Option<Moment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntriesQuery {
    currency: Option<String>,
    #[serde(rename = "type")]
    kind: Option<EntryType>,
    from: Option<Moment>,
    to: Option<Moment>,
    order: Option<Label>,
    lot: Option<LotId>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

async fn customer(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let CustomerQuery { as_of } = call.query()?;
    let as_of = as_of.map(|Moment(as_of)| as_of);
    if as_of.is_some_and(|as_of| as_of > call.at) {
        return Err(Problem::invalid("as_of", "must not be in the future"));
    }

    let (record, settings) = tokio::try_join!(store.customer(&customer), store.settings())?;

    let record =
        record.or_else(|| nobody(&call, CustomerRecord::default)).ok_or_else(Problem::customer_not_found)?;
    let Some(as_of) = as_of else {
        return Reply::ok(&CustomerView::new(customer, record, settings, call.who.role(), call.at)?);
    };
    let accounts = store.accounts_as_of(&record.accounts, as_of).await?;
    let record = CustomerRecord { accounts, ..record };
    Reply::ok(&CustomerView::new(customer, record, settings, call.who.role(), as_of)?.as_of(as_of))
}

async fn entries(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let EntriesQuery { currency, kind, from, to, order, lot, limit, cursor } = call.query()?;
    let currency = Call::currency("currency", currency.as_deref())?;
    if lot.is_some_and(|lot| currency.is_some_and(|currency| currency != lot.currency)) {
        return Err(Problem::invalid("lot", "must be of the currency that is asked for"));
    }
    let currency = currency.or(lot.map(|lot| lot.currency));
    let (from, to) = (from.map(|from| from.0), to.map(|to| to.0));
    let filter = EntriesFilter { currency, kind, from, to, order, lot: lot.map(|lot| lot.lot) };

    let page = store.entries(&customer, &filter, Call::cursor(cursor.as_deref())?, limit.get()).await?;

    let page = page.or_else(|| nobody(&call, Page::default)).ok_or_else(Problem::customer_not_found)?;
    let data: Vec<_> = page.data.iter().map(|entry| EntryView::new(entry, call.who.role())).collect();
    Reply::page(&data, page.next.as_ref())
}

async fn topups(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let PageQuery { limit, cursor } = call.query()?;

    let page = store.topups(&customer, Call::cursor(cursor.as_deref())?, limit.get()).await?;

    let page = page.or_else(|| nobody(&call, Page::default)).ok_or_else(Problem::customer_not_found)?;
    let topups: Vec<_> = page.data.iter().map(|topup| topup.at(call.at)).collect();
    let data: Vec<_> = topups.iter().map(TopupView::new).collect();
    Reply::page(&data, page.next.as_ref())
}

async fn verification(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let Nothing {} = call.query()?;

    let verified = store.verify(&customer, call.at).await?.ok_or_else(Problem::customer_not_found)?;

    Reply::ok(&VerificationView::new(customer, verified))
}

/// What a customer sees of itself before its first credit: nothing yet, and not that it does not exist.
fn nobody<T>(call: &Call, empty: impl FnOnce() -> T) -> Option<T> {
    (call.who.role() == Role::Customer).then(empty)
}
