//! The journal as text: for spreadsheets, hledger and beancount.
//!
//! Pages follow each other: the head once, then each page's text, make one file.

use std::{collections::BTreeSet, fmt::Write};

use crate::{Booking, Chart, Label, Money, OutOfRange, policy::Zone, text::words};

words! {
    /// How the books are written.
    pub enum BooksFormat {
        /// RFC 4180, a row for each line.
        Csv = "csv",
        /// A journal of hledger.
        Hledger = "hledger",
        /// A ledger of beancount.
        Beancount = "beancount",
    }
}

impl BooksFormat {
    /// What the first page begins with.
    pub fn head(self) -> &'static str {
        match self {
            Self::Csv => "date,at,customer,entry,type,order,reference,account,amount,currency\r\n",
            Self::Hledger => {
                "; The journal of the store's credit: a debit is more than zero.\ndecimal-mark .\n"
            }
            Self::Beancount => {
                "; The journal of the store's credit: a debit is more than zero.\n\
                 option \"title\" \"Store credit\"\n\
                 plugin \"beancount.plugins.auto_accounts\"\n"
            }
        }
    }

    /// These bookings under the names of this chart, each on the day that it was in this zone.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn text(self, bookings: &[Booking], chart: &Chart, zone: &Zone) -> Result<String, OutOfRange> {
        let mut text = String::new();
        if self == Self::Hledger {
            for currency in bookings.iter().map(|booking| booking.currency).collect::<BTreeSet<_>>() {
                // Its decimal mark has to be there, also where no decimals are.
                let zero = Money::zero(currency).to_string();
                let zero = if currency.decimals() == 0 { format!("{zero}.") } else { zero };
                line(&mut text, format_args!("\ncommodity {zero} {currency}"));
            }
        }
        for booking in bookings {
            match self {
                Self::Csv => csv(&mut text, booking, chart, zone)?,
                Self::Hledger => hledger(&mut text, booking, chart, zone)?,
                Self::Beancount => beancount(&mut text, booking, chart, zone)?,
            }
        }
        Ok(text)
    }
}

/// Writes a line. Into a text that never fails.
fn line(text: &mut String, of: std::fmt::Arguments<'_>) {
    let _ = writeln!(text, "{of}");
}

fn csv(text: &mut String, booking: &Booking, chart: &Chart, zone: &Zone) -> Result<(), OutOfRange> {
    let (day, entry) = (zone.day_of(booking.at), booking.id());
    let Booking { customer, kind, at, currency, .. } = booking;
    let customer = cell(customer.as_str());
    let [order, reference] =
        [&booking.order, &booking.reference].map(|label| cell(label.as_ref().map_or("", Label::as_str)));
    for posting in booking.postings(chart)? {
        let (account, amount) = (posting.account, posting.amount);
        let _ = write!(
            text,
            "{day},{at},{customer},{entry},{kind},{order},{reference},{account},{amount},{currency}\r\n"
        );
    }
    Ok(())
}

/// Somebody's text as a cell. A spreadsheet would take what begins so for a formula, and shows it behind an apostrophe.
pub(crate) fn cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if text.contains(['"', ',', '\r', '\n']) || text.trim() != text {
        format!("\"{guard}{}\"", text.replace('"', "\"\""))
    } else {
        format!("{guard}{text}")
    }
}

fn hledger(text: &mut String, booking: &Booking, chart: &Chart, zone: &Zone) -> Result<(), OutOfRange> {
    let (day, entry) = (zone.day_of(booking.at), booking.id());
    let Booking { customer, kind, at, .. } = booking;
    line(text, format_args!("\n{day} ({customer}/{entry}) {kind}"));
    line(text, format_args!("    ; customer:{customer}, entry:{entry}, type:{kind}, at:{at}"));
    for (name, label) in [("order", &booking.order), ("reference", &booking.reference)] {
        if let Some(label) = label {
            line(text, format_args!("    ; {name}:{}", tag(label.as_str())));
        }
    }
    for posting in booking.postings(chart)? {
        line(text, format_args!("    {}  {} {}", posting.account, posting.amount, booking.currency));
    }
    Ok(())
}

/// Somebody's text as the value of a tag: it would end at a comma, and what stands in square brackets could be a date.
fn tag(text: &str) -> String {
    let harmless = |c: char| match c {
        '[' => '(',
        ']' => ')',
        c if c == ',' || ends_line(c) => ' ',
        c => c,
    };
    text.chars().map(harmless).collect::<String>().trim().to_owned()
}

/// Whether somebody may take this for the end of a line.
fn ends_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn beancount(text: &mut String, booking: &Booking, chart: &Chart, zone: &Zone) -> Result<(), OutOfRange> {
    let (day, entry) = (zone.day_of(booking.at), booking.id());
    let Booking { customer, kind, at, .. } = booking;
    line(text, format_args!("\n{day} * \"{customer}\" \"{kind} {entry}\""));
    line(
        text,
        format_args!("  customer: \"{customer}\"\n  entry: \"{entry}\"\n  type: \"{kind}\"\n  at: \"{at}\""),
    );
    for (name, label) in [("order", &booking.order), ("reference", &booking.reference)] {
        if let Some(label) = label {
            line(text, format_args!("  {name}: \"{}\"", quoted(label.as_str())));
        }
    }
    for posting in booking.postings(chart)? {
        line(text, format_args!("  {}  {} {}", posting.account, posting.amount, booking.currency));
    }
    Ok(())
}

/// Somebody's text between quotes.
fn quoted(text: &str) -> String {
    let harmless = |c: char| if ends_line(c) { ' ' } else { c };
    text.chars().map(harmless).collect::<String>().replace('\\', "\\\\").replace('"', "\\\"")
}
