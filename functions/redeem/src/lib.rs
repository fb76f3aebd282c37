//! `POST /v1/customers/{customer}/redemptions`: spend credit on an order; `…/quote`: tell what would be spent.

use edge::{Access, AccountView, Call, EntryView, Problem, Reply, Routes};
use http::Method;
use ledger::{Amount, BoundBy, Entry, Label, Money, Object, Order, OrderLine, Role, SignedAmount};
use serde::{Deserialize, Serialize};
use store::{Committed, Store};

/// What this function answers.
pub fn routes() -> Routes {
    Routes::new()
        .on(Method::POST, "/v1/customers/{customer}/redemptions", Access::Staff, redeem)
        .on(Method::POST, "/v1/customers/{customer}/redemptions/quote", Access::All, quote)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    order: Object<OrderBody>,
    amount: Option<Amount>,
}

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
        let line = |Object(line): Object<LineBody>| OrderLine { code: line.code, amount: line.amount, sort_order: line.sort_order };
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
    let Body { order: Object(order), amount } = call.body()?;
    let currency = Call::currency("order.currency", order.currency.as_deref())?;
    let id = order.id.clone().ok_or_else(|| Problem::invalid("order.id", "is required"))?;
    let order = order.into_order()?;

    let command = call.command(&customer, currency, &key)?;
    let Committed { entry, replayed } = store
        .commit::<Problem>(&command, |account, policy, at| ledger::redeem(account, policy, &id, &order, amount, at))
        .await?;

    Ok(Reply::created(&redeemed(&entry, call.who.role())?)?.replayed(replayed))
}

async fn quote(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let Body { order: Object(order), amount } = call.body()?;
    let currency = Call::currency("order.currency", order.currency.as_deref())?;
    let order = order.into_order()?;

    let (account, policy) = store.account(&customer, currency).await?;
    let terms = ledger::quote(&account, &policy, &order, amount, call.at)?;
    let account = AccountView::now(&account, call.at)?;

    let ledger::Terms { applied, remaining_due, order_total, base, bound_by } = terms;
    Reply::ok(&Quoted { terms: Terms { applied, remaining_due, order_total, base, bound_by }, account })
}

/// What the entry of a redemption answers, the first time and every time again.
fn redeemed(entry: &Entry, reader: Role) -> Result<Redeemed<'_>, Problem> {
    let order = entry.order.as_ref().ok_or_else(|| Problem::not_of_this_kind(entry))?;
    let applied = entry.amount.negated();
    let remaining_due = order.total.minus(applied).map_err(ledger::Refusal::from)?;
    let terms =
        Terms { applied, remaining_due, order_total: order.total, base: order.base, bound_by: order.bound_by };
    Ok(Redeemed { terms, entry: EntryView::new(entry, reader), account: AccountView::from(entry) })
}
