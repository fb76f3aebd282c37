//! A statement as a page to print: it loads nothing, runs nothing, and has the one style that its policy names.

use std::fmt::Write;

use edge::escaped;
use ledger::{Entry, Label, Statement};

use super::Head;

/// What a browser may do with it.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'sha256-uBBt9tjeMcv43/P/KYVyORSzXkbt8vq4ZShkShKaHO4='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = include_str!("page.css");

/// The page, whole.
pub(super) fn page(head: &Head<'_>, shop: Option<&Label>, statement: &Statement) -> String {
    let &Head { customer, name, days: (from, to), zone, made_at } = head;
    let Statement { opening, closing, came_in, went_out, expired, lines } = statement;
    let currency = opening.currency();
    let title = format!("Store credit statement, {from} to {to}");
    let shop = shop.map(|shop| format!("<p class=\"shop\">{}</p>\n", escaped(shop.as_str())));
    let name = name.map(|name| format!("<dt>Name</dt><dd>{}</dd>\n", escaped(name.as_str())));
    let rows: String = lines.iter().map(|entry| row(entry, head)).collect();
    format!(
        "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Store credit statement</h1>
{shop}<dl>
<dt>Customer</dt><dd>{customer}</dd>
{name}<dt>Period</dt><dd>{from} to {to}, both included</dd>
<dt>Currency</dt><dd>{currency}</dd>
</dl>
<table>
<thead><tr><th>Date</th><th>Description</th><th class=\"amount\">Amount</th><th class=\"amount\">Balance</th></tr></thead>
<tbody>
<tr class=\"balance\"><td class=\"date\">{from}</td><th>Balance before</th><td></td><td class=\"amount\">{opening} {currency}</td></tr>
{rows}<tr class=\"balance\"><td class=\"date\">{to}</td><th>Balance after</th><td></td><td class=\"amount\">{closing} {currency}</td></tr>
</tbody>
</table>
<dl>
<dt>Came in</dt><dd>{came_in} {currency}</dd>
<dt>Went out</dt><dd>{went_out} {currency}</dd>
<dt>Expired</dt><dd>{expired} {currency}</dd>
</dl>
<footer>Made on {made_on}. Days are those of {zone}.</footer>
</body>
</html>
",
        shop = shop.unwrap_or_default(),
        name = name.unwrap_or_default(),
        customer = escaped(customer.as_str()),
        zone = escaped(&zone.to_string()),
        made_on = zone.day_of(made_at),
    )
}

/// The row of a line, with what else was told of it below.
fn row(entry: &Entry, head: &Head<'_>) -> String {
    let mut more = String::new();
    for (name, text) in
        [("Order ", entry.order_id()), ("Reference ", entry.any_reference()), ("", entry.shown_note())]
    {
        if let Some(text) = text {
            // Into a text that never fails.
            let _ = write!(more, "<span class=\"more\">{name}{}</span>", escaped(text));
        }
    }
    let (day, what, amount, balance) =
        (head.zone.day_of(entry.at), entry.description(), entry.amount, entry.balance_after);
    let currency = entry.currency();
    format!(
        "<tr><td class=\"date\">{day}</td><td>{what}{more}</td><td class=\"amount\">{amount} {currency}</td><td class=\"amount\">{balance} {currency}</td></tr>\n"
    )
}
