//! `POST /v1/customers/{customer}/withdrawals`: pay credit out as money.

use edge::{Access, Call, Problem, Reply, Routes};
use http::Method;
use ledger::{Amount, Label, Note, Withdrawal};
use serde::Deserialize;
use store::Store;

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new().on(Method::POST, "/v1/customers/{customer}/withdrawals", Access::All, withdraw)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount: Amount,
    currency: Option<String>,
    journal: Label,
    reference: Option<Label>,
    note: Option<Note>,
}

async fn withdraw(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let key = call.key()?;
    let Body { amount, currency, journal, reference, note } = call.body()?;
    let currency = Call::currency("currency", currency.as_deref())?;
    let withdrawal = Withdrawal { amount, journal, reference, note };
    let by = call.who.role();

    let command = call.command(&customer, currency, &key)?;
    let committed = store
        .commit::<Problem>(&command, |account, policy, at| {
            ledger::withdraw(account, policy, &withdrawal, by, at)
        })
        .await?;

    Reply::entered(&committed, by)
}
