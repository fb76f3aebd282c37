//! `POST /v1/customers/{customer}/grants`: give credit.

use edge::{Access, AccountView, Call, EntryView, Problem, Reply, Routes};
use http::Method;
use jiff::{Timestamp, civil::Date};
use ledger::{Amount, Category, Label, LotExpiry, Note, Object, Payment};
use serde::{Deserialize, Serialize};
use store::{Committed, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new().on(Method::POST, "/v1/customers/{customer}/grants", Access::Staff, grant)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    amount: Amount,
    currency: Option<String>,
    category: Category,
    expires_on: Option<Date>,
    expires_at: Option<Timestamp>,
    expires: Option<Never>,
    payment: Option<Object<Payment>>,
    reference: Option<Label>,
    note: Option<Note>,
    internal_note: Option<Note>,
}

#[derive(Deserialize)]
enum Never {
    #[serde(rename = "never")]
    Never,
}

#[derive(Serialize)]
struct Granted<'a> {
    entry: EntryView<'a>,
    account: AccountView,
}

async fn grant(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let key = call.key()?;
    let body: Body = call.body()?;
    let currency = Call::currency("currency", body.currency.as_deref())?;
    let expiry = expiry(&body)?;
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
    let Committed { entry, replayed } =
        store.commit::<Problem>(&command, |account, policy, at| ledger::grant(account, policy, &grant, by, at)).await?;

    let granted = Granted { entry: EntryView::new(&entry, by), account: AccountView::from(&entry) };
    Ok(Reply::created(&granted)?.replayed(replayed))
}

/// The one way in which the body says when the credit expires, if it does.
fn expiry(body: &Body) -> Result<Option<LotExpiry>, Problem> {
    match (body.expires_on, body.expires_at, &body.expires) {
        (None, None, None) => Ok(None),
        (Some(day), None, None) => Ok(Some(LotExpiry::EndOf(day))),
        (None, Some(moment), None) => Ok(Some(LotExpiry::At(moment))),
        (None, None, Some(Never::Never)) => Ok(Some(LotExpiry::Never)),
        _ => Err(Problem::invalid("expires_on", "cannot go together with expires_at or expires: give one of them")),
    }
}
