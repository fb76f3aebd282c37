//! `POST /v1/settings/quote`: what an order would use under settings that are not written yet.

use edge::{Call, OrderBody, Problem, Reply, TermsView};
use ledger::{Account, Amount, Object, Policy};
use serde::Deserialize;
use store::Store;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The whole document; those that are in force without it.
    settings: Option<Object<Policy>>,
    order: Object<OrderBody>,
    /// What somebody would have, of money that came in.
    credit: Amount,
    amount: Option<Amount>,
}

pub(crate) async fn quote(store: Store, call: Call) -> Result<Reply, Problem> {
    let Body { settings, order: Object(order), credit, amount } = call.body()?;
    let (currency, order) = order.read()?;

    let policy = match settings {
        Some(Object(policy)) => policy,
        None => store.settings().await?.policy,
    };
    let credit = credit.of(currency.unwrap_or(policy.currency));
    let credit = credit.map_err(|error| Problem::invalid("credit", error.to_string()))?;
    let terms = ledger::quote(&Account::of_credit(credit, call.at), &policy, &order, amount, call.at)?;

    Reply::ok(&TermsView::from(terms))
}
