//! `POST /v1/customers/{customer}/redemptions`: spend or hold credit for an order; `…/quote`: tell what would be spent;
//! `…/{entry}/capture`, `…/{entry}/void`: resolve a hold; `…/{entry}/refund`: give back.

use edge::{Access, AccountView, Call, EntryView, Problem, Reply, Routes};
use http::Method;
use ledger::{
    Amount, BoundBy, Entry, EntryId, HoldSeconds, Label, Money, Object, Order, OrderLine, Refusal, Role,
    SignedAmount,
};
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBody {
    id: Option<Label>,
    currency: Option<String>,
    lines: Vec<Object<LineBody>>,
    #[serde(default)]
    contains_credit_product: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    code: Label,
    amount: SignedAmount,
    sort_order: i64,
}

impl OrderBody {
    fn into_order(self) -> Result<Order, Problem> {
        if !(1..=ledger::MAX_ORDER_LINES).contains(&self.lines.len()) {
            let message = format!("must hold 1 to {} lines", ledger::MAX_ORDER_LINES);
            return Err(Problem::invalid("order.lines", message));
        }
        let line = |Object(line): Object<LineBody>| OrderLine {
            code: line.code,
            amount: line.amount,
            sort_order: line.sort_order,
        };
        let lines = self.lines.into_iter().map(line).collect();
        Ok(Order { lines, contains_credit_product: self.contains_credit_product })
    }
}

#[derive(Serialize)]
struct Terms {
    applied: Money,
    remaining_due: Money,
    order_total: Money,
    base: Money,
    bound_by: BoundBy,
}

#[derive(Serialize)]
struct Quoted {
    #[serde(flatten)]
    terms: Terms,
    account: AccountView,
}

#[derive(Serialize)]
struct Redeemed<'a> {
    #[serde(flatten)]
    terms: Terms,
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
    let currency = Call::currency("order.currency", order.currency.as_deref())?;
    let id = order.id.clone().ok_or_else(|| Problem::invalid("order.id", "is required"))?;
    let order = order.into_order()?;

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
    let currency = Call::currency("order.currency", order.currency.as_deref())?;
    let order = order.into_order()?;

    let (account, policy) = store.account(&customer, currency).await?;
    let terms = ledger::quote(&account, &policy, &order, amount, call.at)?;
    let account = AccountView::now(&account, &policy, call.at)?;

    let ledger::Terms { applied, remaining_due, order_total, base, bound_by } = terms;
    Reply::ok(&Quoted { terms: Terms { applied, remaining_due, order_total, base, bound_by }, account })
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
    Ok(Redeemed { terms, entry: EntryView::new(entry, reader), account: AccountView::from(entry) })
}
