//! `POST /v1/customers/{customer}/topups`: ask for credit against payment; `…/{topup}/cancel`: take the request back.

use edge::{Access, Call, Problem, Reply, Routes, TopupView};
use http::Method;
use ledger::{Amount, Label, Object, Payment, TopupId, TopupRequest};
use serde::{Deserialize, Serialize};
use store::{Requested, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new().on(Method::POST, "/v1/customers/{customer}/topups", Access::All, request_topup).on(
        Method::POST,
        "/v1/customers/{customer}/topups/{topup}/cancel",
        Access::All,
        cancel,
    )
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount: Amount,
    currency: Option<String>,
    payment: Object<Payment>,
    reference: Option<Label>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct Answer<'a> {
    topup: TopupView<'a>,
}

async fn request_topup(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let key = call.key()?;
    let Body { amount, currency, payment: Object(payment), reference } = call.body()?;
    let currency = Call::currency("currency", currency.as_deref())?;
    let request = TopupRequest { amount, payment, reference };

    let command = call.command(&customer, currency, &key)?;
    let Requested { topup, replayed } = store
        .request_topup::<Problem>(&command, |account, policy, id, at| {
            ledger::request_topup(account, policy, &request, id, call.actor().clone(), at)
        })
        .await?;

    Ok(Reply::created(&Answer { topup: TopupView::new(&topup) })?.replayed(replayed))
}

async fn cancel(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let id: TopupId = call.path("topup")?;
    let Nothing {} = call.body()?;

    let topup = store
        .resolve_topup::<Problem>(&customer, &id, |account, topup| {
            ledger::cancel(account, topup, call.actor().clone(), call.at)
        })
        .await?;

    Reply::ok(&Answer { topup: TopupView::new(&topup) })
}
