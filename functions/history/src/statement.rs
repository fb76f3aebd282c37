//! `GET /v1/customers/{customer}/statement`: what moved one account in a period, from the balance before to the one after.

mod page;

use edge::{Call, Problem, Reply};
use jiff::{Timestamp, civil::Date};
use ledger::{
    Account, Currency, CustomerId, Day, Entry, EntryId, EntryType, Label, Money, Statement, Zone, words,
};
use serde::{Deserialize, Serialize};
use store::{Notices, Store};

/// Entries that a period may have: with the longest texts in each, the answer is still one that Lambda carries (6 MB).
const MAX_ENTRIES: usize = 1_000;

words! {
    /// How a statement is asked for.
    pub enum Format {
        /// For programs.
        Json = "json",
        /// A table.
        Csv = "csv",
        /// A page to print.
        Html = "html",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    currency: Option<String>,
    from: Day,
    to: Day,
    format: Option<Format>,
}

/// What a statement says beside its lines.
struct Head<'a> {
    customer: &'a CustomerId,
    name: Option<&'a Label>,
    days: (Date, Date),
    zone: &'a Zone,
    made_at: Timestamp,
}

#[derive(Serialize)]
struct StatementView<'a> {
    customer: &'a CustomerId,
    name: Option<&'a Label>,
    currency: Currency,
    from: Date,
    to: Date,
    opening_balance: Money,
    closing_balance: Money,
    totals: TotalsView,
    lines: Vec<LineView<'a>>,
}

#[derive(Serialize)]
struct TotalsView {
    #[serde(rename = "in")]
    came_in: Money,
    out: Money,
    expired: Money,
}

#[derive(Serialize)]
struct LineView<'a> {
    date: Date,
    at: Timestamp,
    entry: EntryId,
    #[serde(rename = "type")]
    kind: EntryType,
    description: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    amount: Money,
    balance_after: Money,
}

/// What the shop is called, of its document on mails.
#[derive(Default, Deserialize)]
struct Shop {
    shop: Option<Label>,
}

pub(crate) async fn read(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let Query { currency, from: Day(from), to: Day(to), format } = call.query()?;
    let currency = Call::currency("currency", currency.as_deref())?;

    let (record, settings) = tokio::try_join!(store.customer(&customer), store.settings())?;
    let record =
        record.or_else(|| crate::nobody(&call, Default::default)).ok_or_else(Problem::customer_not_found)?;
    let (currency, zone) = (currency.unwrap_or(settings.policy.currency), &settings.policy.time_zone);
    let account = record.accounts.into_iter().find(|account| account.currency == currency);
    let account = account.unwrap_or_else(|| Account::new(customer.clone(), currency));
    let statement = state(&store, &account, Call::period(from, to, zone)?).await?;

    let name = record.profile.as_ref().and_then(|profile| profile.name.as_ref());
    let head = Head { customer: &customer, name, days: (from, to), zone, made_at: call.at };
    match format.unwrap_or(Format::Json) {
        Format::Json => Reply::ok(&StatementView::new(&head, &statement)),
        Format::Csv => Reply::text("text/csv; charset=utf-8", statement.csv(head.days, zone), None),
        Format::Html => {
            let Shop { shop } = store.notices(Notices::Mail).await?.document;
            Ok(Reply::html(page::POLICY, page::page(&head, shop.as_ref(), &statement)))
        }
    }
}

/// What the account's entries of this period come to.
async fn state(
    store: &Store,
    account: &Account,
    (begins, ends): (Timestamp, Timestamp),
) -> Result<Statement, Problem> {
    let (before, last) =
        tokio::try_join!(store.last_before(account, begins), store.last_before(account, ends))?;
    let number = |entry: &Option<Entry>| entry.as_ref().map_or(0, |entry| entry.number);
    let count = number(&last).saturating_sub(number(&before));
    let count = usize::try_from(count).ok().filter(|count| *count <= MAX_ENTRIES).ok_or_else(|| {
        Problem::invalid("to", format!("must end a period of at most {MAX_ENTRIES} entries, and there are {count}: ask for a shorter one"))
    })?;

    let entries = store.entries_from(account, number(&before).saturating_add(1), count).await?;

    let opening = before.map_or(Money::zero(account.currency), |entry| entry.balance_after);
    Statement::new(opening, entries).map_err(|error| Problem::internal(error.to_string()))
}

impl<'a> StatementView<'a> {
    fn new(head: &Head<'a>, statement: &'a Statement) -> Self {
        let &Head { customer, name, days: (from, to), zone, .. } = head;
        let Statement { opening, closing, came_in, went_out, expired, lines } = statement;
        let line = |entry: &'a Entry| LineView {
            date: zone.day_of(entry.at),
            at: entry.at,
            entry: entry.id(),
            kind: entry.kind,
            description: entry.description(),
            order: entry.order_id(),
            reference: entry.any_reference(),
            note: entry.shown_note(),
            amount: entry.amount,
            balance_after: entry.balance_after,
        };
        Self {
            customer,
            name,
            currency: opening.currency(),
            from,
            to,
            opening_balance: *opening,
            closing_balance: *closing,
            totals: TotalsView { came_in: *came_in, out: *went_out, expired: *expired },
            lines: lines.iter().map(line).collect(),
        }
    }
}
