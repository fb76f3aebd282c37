//! `POST /v1/customers/{customer}/redemptions`: spend or hold credit for an order; `…/quote`: tell what would be spent;
//! `…/{entry}/capture`, `…/{entry}/void`: resolve a hold; `…/{entry}/refund`: give back.

use edge::{Access, AccountView, Call, EntryView, OrderBody, Problem, Reply, Routes, TermsView};
use http::Method;
use ledger::{Amount, Entry, EntryId, HoldSeconds, Object, Refusal, Role, Terms};
use serde::{Deserialize, Serialize};
use store::{Committed, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::POST, "/v1/customers/{customer}/redemptions", Access::Staff, redeem)
        .on(Method::POST, "/v1/customers/{customer}/redemptions/quote", Access::All, quote)
        .on(Method::POST, "/v1/customers/{customer}/redemptions/{entry}/capture", Access::Staff, capture)
        .on(Method::POST, "/v1/customers/{customer}/redemptions/{entry}/void", Access::Staff, void)
        .on(Method::POST, "/v1/customers/{customer}/redemptions/{entry}/refund", Access::Staff, refund)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    order: Object<OrderBody>,
    amount: Option<Amount>,
    #[serde(default)]
    hold: bool,
    ttl_seconds: Option<HoldSeconds>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteBody {
    order: Object<OrderBody>,
    amount: Option<Amount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AmountBody {
    amount: Option<Amount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize)]
struct Quoted {
    #[serde(flatten)]
    terms: TermsView,
    account: AccountView,
}

#[derive(Serialize)]
struct Redeemed<'a> {
    #[serde(flatten)]
    terms: TermsView,
    entry: EntryView<'a>,
    account: AccountView,
}

async fn redeem(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let key = call.key()?;
    let Body { order: Object(order), amount, hold, ttl_seconds } = call.body()?;
    if ttl_seconds.is_some() && !hold {
        return Err(Problem::invalid("ttl_seconds", "is for holds: give \"hold\": true with it"));
    }
    let id = order.id()?;
    let (currency, order) = order.read()?;

    let command = call.command(&customer, currency, &key)?;
    let Committed { entry, replayed } = store
        .commit::<Problem>(&command, |account, policy, at| match hold {
            false => ledger::redeem(account, policy, &id, &order, amount, at),
            true => ledger::hold(account, policy, &id, &order, amount, ttl_seconds, at),
        })
        .await?;

    Ok(Reply::created(&redeemed(&entry, call.who.role())?)?.replayed(replayed))
}

async fn quote(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let QuoteBody { order: Object(order), amount } = call.body()?;
    let (currency, order) = order.read()?;

    let (account, policy) = store.account(&customer, currency).await?;
    let terms = ledger::quote(&account, &policy, &order, amount, call.at)?;
    let account = AccountView::now(&account, &policy, call.at)?;

    Reply::ok(&Quoted { terms: TermsView::from(terms), account })
}

async fn capture(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let hold: EntryId = call.path("entry")?;
    let key = call.key()?;
    let AmountBody { amount } = call.body()?;

    let command = call.command(&customer, Some(hold.currency), &key)?;
    let committed = store
        .commit_on::<Problem>(&command, hold, Refusal::RedemptionNotFound, |account, policy, hold, _, at| {
            ledger::capture(account, policy, hold, amount, at)
        })
        .await?;

    Reply::entered(&committed, call.who.role())
}

async fn void(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let hold: EntryId = call.path("entry")?;
    let key = call.key()?;
    let Nothing {} = call.body()?;

    let command = call.command(&customer, Some(hold.currency), &key)?;
    let committed = store
        .commit_on::<Problem>(&command, hold, Refusal::RedemptionNotFound, |account, policy, hold, _, at| {
            ledger::release(account, policy, hold, at)
        })
        .await?;

    Reply::entered(&committed, call.who.role())
}

async fn refund(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let redemption: EntryId = call.path("entry")?;
    let key = call.key()?;
    let AmountBody { amount } = call.body()?;

    let command = call.command(&customer, Some(redemption.currency), &key)?;
    let committed = store
        .commit_on::<Problem>(
            &command,
            redemption,
            Refusal::RedemptionNotFound,
            |account, policy, redemption, refunded, at| {
                ledger::refund(account, policy, redemption, refunded, amount, at)
            },
        )
        .await?;

    Reply::entered(&committed, call.who.role())
}

/// What the entry of a redemption answers, the first time and every time again.
fn redeemed(entry: &Entry, reader: Role) -> Result<Redeemed<'_>, Problem> {
    let order = entry.order.as_ref().ok_or_else(|| Problem::not_of_this_kind(entry))?;
    let applied = entry.held.unwrap_or(entry.amount.negated());
    let remaining_due = order.total.minus(applied).map_err(Refusal::from)?;
    let terms = Terms {
        applied,
        remaining_due,
        order_total: order.total,
        base: order.base,
        bound_by: order.bound_by,
    };
    Ok(Redeemed {
        terms: TermsView::from(terms),
        entry: EntryView::new(entry, reader),
        account: AccountView::from(entry),
    })
}
