//! `GET /v1/customers`: every customer, by name or by balance.

use edge::{Call, Limit, ListedView, Problem, Reply};
use ledger::{Currency, GroupId, Label, Money, SignedAmount};
use serde::Deserialize;
use store::{CustomersFilter, Order, Range, Store};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    sort: Option<Sort>,
    currency: Option<String>,
    name: Option<Label>,
    group: Option<GroupId>,
    min_balance: Option<SignedAmount>,
    max_balance: Option<SignedAmount>,
    min_granted: Option<SignedAmount>,
    max_granted: Option<SignedAmount>,
    min_by_admin: Option<SignedAmount>,
    max_by_admin: Option<SignedAmount>,
    min_by_customer: Option<SignedAmount>,
    max_by_customer: Option<SignedAmount>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

/// In which order; with a minus, the last first.
#[derive(Clone, Copy, Deserialize)]
enum Sort {
    #[serde(rename = "name")]
    Name,
    #[serde(rename = "-name")]
    NameDescending,
    #[serde(rename = "balance")]
    Balance,
    #[serde(rename = "-balance")]
    BalanceDescending,
}

impl Query {
    fn filter(&self, currency: Currency) -> Result<CustomersFilter, Problem> {
        let (order, descending) = match self.sort.unwrap_or(Sort::Name) {
            Sort::Name => (Order::Name, false),
            Sort::NameDescending => (Order::Name, true),
            Sort::Balance => (Order::Balance, false),
            Sort::BalanceDescending => (Order::Balance, true),
        };
        let amount = |field: &str, amount: Option<SignedAmount>| -> Result<Option<Money>, Problem> {
            let amount = amount.map(|amount| amount.of(currency)).transpose();
            amount.map_err(|error| Problem::invalid(field, error.to_string()))
        };
        let range = |what: &str, min: Option<SignedAmount>, max: Option<SignedAmount>| {
            let (min_field, max_field) = (format!("min_{what}"), format!("max_{what}"));
            let range = Range { min: amount(&min_field, min)?, max: amount(&max_field, max)? };
            match range {
                Range { min: Some(min), max: Some(max) } if min > max => {
                    Err(Problem::invalid(min_field, format!("must be at most {max_field}")))
                }
                range => Ok(range),
            }
        };
        Ok(CustomersFilter {
            order,
            descending,
            currency,
            name: self.name.clone(),
            group: self.group.clone(),
            balance: range("balance", self.min_balance, self.max_balance)?,
            granted: range("granted", self.min_granted, self.max_granted)?,
            by_admin: range("by_admin", self.min_by_admin, self.max_by_admin)?,
            by_customer: range("by_customer", self.min_by_customer, self.max_by_customer)?,
        })
    }
}

pub(crate) async fn list(store: Store, call: Call) -> Result<Reply, Problem> {
    let query: Query = call.query()?;
    let currency = Call::currency("currency", query.currency.as_deref())?;

    let settings = store.settings().await?;
    let filter = query.filter(currency.unwrap_or(settings.policy.currency))?;
    let page = store.customers(&filter, Call::cursor(query.cursor.as_deref())?, query.limit.get()).await?;

    let data = page.data.into_iter().map(|listed| ListedView::new(listed, &settings, call.at));
    Reply::page(&data.collect::<Result<Vec<_>, _>>()?, page.next.as_ref())
}
