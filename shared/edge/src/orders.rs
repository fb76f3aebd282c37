//! How an order looks in JSON, and what it can use of credit.

use ledger::{BoundBy, Currency, Label, Money, Object, Order, OrderLine, SignedAmount, Terms};
use serde::{Deserialize, Serialize};

use crate::{Call, Problem};

/// An order as a body says it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderBody {
    id: Option<Label>,
    currency: Option<String>,
    lines: Vec<Object<LineBody>>,
    #[serde(default)]
    contains_credit_product: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineBody {
    code: Label,
    amount: SignedAmount,
    sort_order: i64,
}

impl OrderBody {
    /// The shop's id of it.
    ///
    /// # Errors
    /// A problem when it has none.
    pub fn id(&self) -> Result<Label, Problem> {
        self.id.clone().ok_or_else(|| Problem::invalid("order.id", "is required"))
    }

    /// The order, and in which currency; `None` is the store's.
    ///
    /// # Errors
    /// `unsupported_currency`; a problem when it has no lines, or too many.
    pub fn read(self) -> Result<(Option<Currency>, Order), Problem> {
        let currency = Call::currency("order.currency", self.currency.as_deref())?;
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
        Ok((currency, Order { lines, contains_credit_product: self.contains_credit_product }))
    }
}

/// How much credit an order uses, and why no more.
#[derive(Debug, Serialize)]
pub struct TermsView {
    applied: Money,
    remaining_due: Money,
    order_total: Money,
    base: Money,
    bound_by: BoundBy,
}

impl From<Terms> for TermsView {
    fn from(Terms { applied, remaining_due, order_total, base, bound_by }: Terms) -> Self {
        Self { applied, remaining_due, order_total, base, bound_by }
    }
}
