//! `POST /v1/customers/{customer}/grants`: give credit; `…/debits`: take it back; `…/lots/{lot}`: move a lot's expiry, or
//! void what is left of it.

use edge::{Access, Call, Problem, Reply, Routes};
use http::Method;
use jiff::Timestamp;
use ledger::{Amount, Category, Day, Label, LotExpiry, LotId, Note, Object, Payment};
use serde::Deserialize;
use store::Store;

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::POST, "/v1/customers/{customer}/grants", Access::Staff, grant)
        .on(Method::POST, "/v1/customers/{customer}/debits", Access::Admin, debit)
        .on(Method::POST, "/v1/customers/{customer}/lots/{lot}/void", Access::Admin, void)
        .on(Method::PATCH, "/v1/customers/{customer}/lots/{lot}", Access::Admin, change_expiry)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount: Amount,
    currency: Option<String>,
    category: Category,
    expires_on: Option<Day>,
    expires_at: Option<Timestamp>,
    expires: Option<String>,
    payment: Option<Object<Payment>>,
    reference: Option<Label>,
    note: Option<Note>,
    internal_note: Option<Note>,
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
    expires_at: Option<Timestamp>,
    expires: Option<String>,
    reason: Option<Note>,
}

async fn grant(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let key = call.key()?;
    let body: Body = call.body()?;
    let currency = Call::currency("currency", body.currency.as_deref())?;
    let expiry = expiry(body.expires_on, body.expires_at, body.expires)?;
    let grant = ledger::Grant {
        amount: body.amount,
        category: body.category,
        expiry,
        payment: body.payment.map(|Object(payment)| payment),
        reference: body.reference,
        note: body.note,
        internal_note: body.internal_note,
    };
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
    let committed = store
        .commit::<Problem>(&command, |account, policy, at| {
            ledger::void_lot(account, policy, lot, &reason, at)
        })
        .await?;

    Reply::entered(&committed, call.who.role())
}

async fn change_expiry(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let LotId { currency, lot } = call.path("lot")?;
    let key = call.key()?;
    let ExpiryBody { expires_on, expires_at, expires, reason } = call.body()?;
    let expiry = expiry(expires_on, expires_at, expires)?.ok_or_else(|| {
        Problem::invalid("expires_on", "is required, or expires_at, or \"expires\": \"never\"")
    })?;

    let command = call.command(&customer, Some(currency), &key)?;
    let committed = store
        .commit::<Problem>(&command, |account, policy, at| {
            ledger::change_expiry(account, policy, lot, expiry, reason.as_ref(), at)
        })
        .await?;

    Reply::entered(&committed, call.who.role())
}

/// The one way in which the body says when the credit expires, if it does.
fn expiry(
    expires_on: Option<Day>,
    expires_at: Option<Timestamp>,
    expires: Option<String>,
) -> Result<Option<LotExpiry>, Problem> {
    match (expires_on, expires_at, expires) {
        (None, None, None) => Ok(None),
        (Some(day), None, None) => Ok(Some(LotExpiry::EndOf(day.0))),
        (None, Some(moment), None) => Ok(Some(LotExpiry::At(moment))),
        (None, None, Some(word)) if word == "never" => Ok(Some(LotExpiry::Never)),
        (None, None, Some(_)) => Err(Problem::invalid("expires", "must be \"never\", or left out")),
        _ => Err(Problem::invalid(
            "expires_on",
            "cannot go together with expires_at or expires: give one of them",
        )),
    }
}
