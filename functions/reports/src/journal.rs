//! `GET /v1/journal`: what happened in the store's credit, as the books of the shop have it.

use edge::{Call, Limit, Problem, Reply};
use jiff::{Timestamp, civil::Date};
use ledger::{
    Booking, BooksFormat, Chart, Currency, CustomerId, Day, EntryId, EntryType, Money, Zone, words,
};
use serde::{Deserialize, Serialize};
use store::{JournalCursor, Page, Store};

words! {
    /// How the journal is asked for.
    pub enum Format {
        /// As every other list.
        Json = "json",
        /// A table.
        Csv = "csv",
        /// For hledger.
        Hledger = "hledger",
        /// For beancount.
        Beancount = "beancount",
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JournalQuery {
    from: Day,
    to: Day,
    format: Option<Format>,
    #[serde(default)]
    limit: Limit,
    cursor: Option<String>,
}

/// A booking under the names of the store's chart.
#[derive(Serialize)]
struct BookingView<'a> {
    date: Date,
    at: Timestamp,
    customer: &'a CustomerId,
    entry: EntryId,
    #[serde(rename = "type")]
    kind: EntryType,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    currency: Currency,
    lines: Vec<LineView>,
}

#[derive(Serialize)]
struct LineView {
    account: String,
    amount: Money,
}

impl<'a> BookingView<'a> {
    fn new(booking: &'a Booking, chart: &Chart, zone: &Zone) -> Result<Self, Problem> {
        let lines = booking.postings(chart).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Self {
            date: zone.day_of(booking.at),
            at: booking.at,
            customer: &booking.customer,
            entry: booking.id(),
            kind: booking.kind,
            order: booking.order.as_ref().map(ledger::Label::as_str),
            reference: booking.reference.as_ref().map(ledger::Label::as_str),
            currency: booking.currency,
            lines: lines
                .into_iter()
                .map(|line| LineView { account: line.account, amount: line.amount })
                .collect(),
        })
    }
}

/// The bookings of a period, page by page.
pub(crate) async fn journal(store: Store, call: Call) -> Result<Reply, Problem> {
    let JournalQuery { from: Day(from), to: Day(to), format, limit, cursor } = call.query()?;
    let after = Call::cursor(cursor.as_deref())?;

    let settings = store.settings().await?;
    let (chart, zone) = (settings.policy.chart_of_accounts.unwrap_or_default(), settings.policy.time_zone);
    let page = store.journal(Call::period(from, to, &zone)?, after, limit.get()).await?;

    let books = match format.unwrap_or(Format::Json) {
        Format::Json => {
            let data = page.data.iter().map(|booking| BookingView::new(booking, &chart, &zone));
            return Reply::page(&data.collect::<Result<Vec<_>, _>>()?, page.next.as_ref());
        }
        Format::Csv => BooksFormat::Csv,
        Format::Hledger => BooksFormat::Hledger,
        Format::Beancount => BooksFormat::Beancount,
    };
    let next = next(&page, |cursor| {
        format!("/v1/journal?from={from}&to={to}&format={books}&limit={}&cursor={cursor}", limit.get())
    })?;
    let text = books.text(&page.data, &chart, &zone).map_err(|error| Problem::internal(error.to_string()))?;
    // The head stands before the first page, and what follows is added to it.
    let text = if cursor.is_none() { format!("{}{text}", books.head()) } else { text };
    Reply::text(content_type(books), text, next.as_deref())
}

/// The address of the page after this one.
fn next(
    page: &Page<Booking, JournalCursor>,
    address: impl Fn(String) -> String,
) -> Result<Option<String>, Problem> {
    page.next.as_ref().map(|place| Reply::cursor(place).map(&address)).transpose()
}

fn content_type(books: BooksFormat) -> &'static str {
    match books {
        BooksFormat::Csv => "text/csv; charset=utf-8",
        BooksFormat::Hledger | BooksFormat::Beancount => "text/plain; charset=utf-8",
    }
}
