//! Rows of another system, as it exported them: CSV, tab-separated as `mysql --batch` writes, or JSON Lines.
//!
//! What a preset knows of a system is which columns it has, and what they mean. Each row is read by itself: what is wrong with it
//! is told with its line, and the next one is read.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use clap::ValueEnum;
use csv::{ByteRecord, ReaderBuilder, Terminator};
use jiff::{Timestamp, civil::DateTime};
use ledger::{Currency, CustomerId, Day, LotExpiry, Moment, Money, SignedAmount, Zone};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::Failure;

/// Longest id of a row, in bytes.
const MAX_ID: usize = 128;
/// Bytes that are read of a file at once.
const BUFFER: usize = 64 * 1024;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Comma-separated, RFC 4180, with a header.
    Csv,
    /// Tab-separated with a header and without quotes, as `mysql --batch` writes.
    Tsv,
    /// An object of JSON in each line.
    Jsonl,
}

/// Whose columns they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// `id`, `customer`, `at`, `amount`; perhaps `currency`, `expires`, `order`, `description`; and no other.
    Generic,
    /// OpenCart's table `customer_transaction`.
    Opencart,
    /// WooCommerce TeraWallet's table `woo_wallet_transactions`.
    Terawallet,
}

/// How the rows of a file are to be understood.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub(crate) format: Format,
    pub(crate) preset: Preset,
    /// The currency of rows that name none.
    pub(crate) currency: Option<Currency>,
    /// The zone of moments that name none.
    pub(crate) zone: Zone,
    /// What customers' ids begin with here, before what they are there.
    pub(crate) customer_prefix: String,
    /// Whether amounts with more decimals than their currency has are rounded, half to even.
    pub(crate) round: bool,
    /// Rows of moments after this are none of the past.
    pub(crate) now: Timestamp,
}

/// One row that was understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) customer: CustomerId,
    pub(crate) currency: Currency,
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    /// In smallest units.
    pub(crate) minor: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expiry: Option<LotExpiry>,
    /// Which of the files it is in, and in which line.
    pub(crate) file: usize,
    pub(crate) line: u64,
}

/// What a line came to.
pub(crate) enum Line {
    Row(Row, Rounded),
    /// A row that the other system has deleted.
    Deleted,
    /// Why it is none.
    Malformed(String),
}

/// Whether its amount was rounded.
pub(crate) type Rounded = bool;

/// The columns of a preset: the name, and whether it has to be there.
type Columns = &'static [(&'static str, bool)];

impl Preset {
    /// What the rows' ids are known by, if nothing else is said: no two systems share them.
    pub fn system(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Opencart => "opencart",
            Self::Terawallet => "terawallet",
        }
    }

    fn columns(self) -> Columns {
        match self {
            Self::Generic => &[
                ("id", true),
                ("customer", true),
                ("at", true),
                ("amount", true),
                ("currency", false),
                ("expires", false),
                ("order", false),
                ("description", false),
            ],
            Self::Opencart => &[
                ("customer_transaction_id", true),
                ("customer_id", true),
                ("date_added", true),
                ("amount", true),
            ],
            Self::Terawallet => &[
                ("transaction_id", true),
                ("user_id", true),
                ("date", true),
                ("amount", true),
                ("type", true),
                ("currency", false),
                ("deleted", false),
            ],
        }
    }

    /// Whether columns that it does not know are none of ours to ask about: real tables have more.
    fn ignores_others(self) -> bool {
        self != Self::Generic
    }
}

/// The values of a line, in the order of the preset's columns.
type Values = Vec<Option<String>>;

/// Hands on every line of a file that has anything in it, and the bytes read so far.
pub(crate) fn each(
    path: &Path,
    reading: &Reading,
    mut take: impl FnMut(u64, u64, Line) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let name = path.display();
    let file: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(path).map_err(|error| format!("{name}: {error}"))?)
    };
    let mut understood = |line, bytes, values: Result<Values, String>| {
        let read = values.and_then(|values| reading.line(&values));
        take(line, bytes, read.unwrap_or_else(Line::Malformed))
    };
    match reading.format {
        Format::Jsonl => objects(BufReader::with_capacity(BUFFER, file), reading.preset, &mut understood),
        Format::Csv | Format::Tsv => cells(file, reading, &mut understood),
    }
    .map_err(|error| format!("{name}: {error}").into())
}

/// Takes a line's number, the bytes up to its end, and its values or why it has none.
type Take<'a> = &'a mut dyn FnMut(u64, u64, Result<Values, String>) -> Result<(), Failure>;

fn cells(file: Box<dyn Read>, reading: &Reading, take: Take<'_>) -> Result<(), Failure> {
    let tabs = reading.format == Format::Tsv;
    let mut reader = ReaderBuilder::new()
        .delimiter(if tabs { b'\t' } else { b',' })
        .quoting(!tabs)
        // A return before it is space at the end of the last cell; in a text it may end no line.
        .terminator(Terminator::Any(b'\n'))
        // What is short or long is told with its line.
        .flexible(true)
        .buffer_capacity(BUFFER)
        .from_reader(file);
    let header: Vec<String> = reader
        .byte_headers()?
        .iter()
        .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    let places = places(&header, reading.preset)?;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        if record.len() == 1 && record.as_slice().trim_ascii().is_empty() {
            continue;
        }
        // Where it begins is told with the empty lines before it; where it ends without the lines in its own texts, and not
        // for the last one, if no line end follows it.
        let begins = record.position().map_or(0, csv::Position::line);
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count();
        let (bytes, ends) = (reader.position().byte(), reader.position().line());
        let line = begins.max(ends.saturating_sub(u64::try_from(within)?).saturating_sub(1));
        let values = if record.len() == header.len() {
            let cell = |place: &Option<usize>| match place.and_then(|place| record.get(place)) {
                None => Ok(None),
                Some(bytes) => {
                    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
                    // How tables say that there is nothing.
                    Ok((text.trim() != "NULL").then(|| text.to_owned()))
                }
            };
            places.iter().map(cell).collect()
        } else {
            Err(format!("it has {} fields, and the header {}", record.len(), header.len()))
        };
        take(line, bytes, values)?;
    }
    Ok(())
}

/// Where in a line each of the preset's columns is.
fn places(header: &[String], preset: Preset) -> Result<Vec<Option<usize>>, Failure> {
    let columns = preset.columns();
    for (place, name) in header.iter().enumerate() {
        if !preset.ignores_others() && !columns.iter().any(|(known, _)| known == name) {
            let known: Vec<&str> = columns.iter().map(|(known, _)| *known).collect();
            return Err(format!("the column {name:?} is not known; known are {}", known.join(", ")).into());
        }
        if header.iter().take(place).any(|before| before == name) {
            return Err(format!("the column {name:?} is there twice").into());
        }
    }
    let place = |(name, required): &(&str, bool)| {
        let place = header.iter().position(|column| column == name);
        if *required && place.is_none() {
            return Err(format!("the column {name:?} is missing in the header").into());
        }
        Ok(place)
    };
    columns.iter().map(place).collect()
}

fn objects(mut reader: impl BufRead, preset: Preset, take: Take<'_>) -> Result<(), Failure> {
    let (mut line, mut number, mut bytes) = (Vec::new(), 0_u64, 0_u64);
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        number = number.saturating_add(1);
        bytes = bytes.saturating_add(u64::try_from(length)?);
        if !line.trim_ascii().is_empty() {
            take(number, bytes, object(&line, preset))?;
        }
    }
}

fn object(line: &[u8], preset: Preset) -> Result<Values, String> {
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    // As they stand: a number is not read as one that has fewer digits.
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(line).map_err(|error| format!("it is no object of JSON: {error}"))?;
    let columns = preset.columns();
    if !preset.ignores_others()
        && let Some(name) = members.keys().find(|name| !columns.iter().any(|(known, _)| known == name))
    {
        return Err(format!("{name:?} is not known"));
    }
    let value = |(name, _): &(&str, bool)| {
        let Some(raw) = members.get(*name).map(|raw| raw.get()) else { return Ok(None) };
        let is_number = raw.starts_with(|first: char| first == '-' || first.is_ascii_digit());
        if raw == "null" {
            Ok(None)
        } else if is_number {
            Ok(Some(raw.to_owned()))
        } else {
            serde_json::from_str(raw).map(Some).map_err(|_| format!("{name} must be a text or a number"))
        }
    };
    columns.iter().map(value).collect()
}

impl Reading {
    fn line(&self, values: &Values) -> Result<Line, String> {
        let columns = self.preset.columns();
        let value = |name: &str| {
            let place = columns.iter().position(|(known, _)| *known == name)?;
            values.get(place)?.as_deref().map(str::trim).filter(|text| !text.is_empty())
        };
        let required = |name: &str| value(name).ok_or_else(|| format!("{name} is missing"));
        // The first four are in the order of the generic ones, whatever their names.
        let [id, customer, at, amount] = [0, 1, 2, 3].map(|place| columns.get(place).map_or("", |at| at.0));
        if value("deleted").is_some_and(|deleted| deleted != "0") {
            return Ok(Line::Deleted);
        }
        let told = |name: &str, error: &dyn std::fmt::Display| format!("{name} {error}");

        let row_id = required(id)?;
        if row_id.len() > MAX_ID || row_id.chars().any(char::is_control) {
            return Err(format!("{id} must be at most {MAX_ID} bytes without control characters"));
        }
        let owner = required(customer)?;
        if self.preset != Preset::Generic && owner == "0" {
            return Err(format!("{customer} is 0: it is nobody's"));
        }
        let owner = format!("{}{owner}", self.customer_prefix);
        let owner: CustomerId = owner.parse().map_err(|error| told(customer, &error))?;
        let currency = match value("currency") {
            Some(code) => code.parse().map_err(|error| told("currency", &error))?,
            None => self.currency.ok_or("it names no currency: say which by --currency")?,
        };
        let moment = self.moment(required(at)?).ok_or_else(|| {
            format!("{at} must be a moment such as 2026-12-31T10:00:00Z, 2026-12-31 10:00:00 or 2026-12-31")
        })?;
        if moment > self.now {
            return Err(format!("{at} is to come"));
        }
        if moment < Timestamp::UNIX_EPOCH {
            return Err(format!("{at} is before 1970"));
        }
        let (money, rounded) = self.amount(required(amount)?, currency).map_err(|e| told(amount, &e))?;
        let money = match value("type") {
            _ if self.preset != Preset::Terawallet => money,
            Some("credit") if money.is_positive() => money,
            Some("debit") if money.is_positive() => money.negated(),
            Some("credit" | "debit") => return Err(format!("{amount} must be more than zero")),
            _ => return Err("type must be credit or debit".to_owned()),
        };
        if money.is_zero() {
            return Err(format!("{amount} is zero: it moves nothing"));
        }
        let expiry = value("expires").map(expiry).transpose()?;
        if expiry.is_some() && !money.is_positive() {
            return Err("expires is of no use: nothing comes".to_owned());
        }
        let row = Row {
            customer: owner,
            currency,
            id: row_id.to_owned(),
            at: moment,
            minor: money.minor().map_err(|error| told(amount, &error))?,
            expiry,
            file: 0,
            line: 0,
        };
        Ok(Line::Row(row, rounded))
    }

    /// The ledger counts in milliseconds.
    fn moment(&self, text: &str) -> Option<Timestamp> {
        let moment = match text.parse::<Moment>() {
            Ok(Moment(moment)) => moment,
            Err(_) => self.zone.moment_of(local(text)?)?,
        };
        Timestamp::from_millisecond(moment.as_millisecond()).ok()
    }

    fn amount(&self, text: &str, currency: Currency) -> Result<(Money, Rounded), String> {
        let text = text.strip_prefix('+').unwrap_or(text);
        if self.preset == Preset::Generic && !self.round {
            let amount: SignedAmount = text.parse().map_err(|error| format!("{error}"))?;
            return Ok((amount.of(currency).map_err(|error| error.to_string())?, false));
        }
        // Tables have a number of decimals of their own: zeros at the end say nothing.
        let (money, rounded) = Money::rounded(text, currency).map_err(|error| error.to_string())?;
        if rounded && !self.round {
            let decimals = currency.decimals();
            return Err(format!("has more than the {decimals} decimals of {currency}: round it by --round"));
        }
        Ok((money, rounded))
    }
}

/// A moment of the calendar without a zone: a day, or a day and a time behind a space or a T.
fn local(text: &str) -> Option<DateTime> {
    if let Ok(Day(day)) = text.parse() {
        return Some(day.to_datetime(jiff::civil::Time::midnight()));
    }
    // By the strict reader of moments, which the calendar's own is not.
    let is_spaced = text.as_bytes().get(10) == Some(&b' ');
    let text = if is_spaced { text.replacen(' ', "T", 1) } else { text.to_owned() };
    format!("{text}Z").parse::<Moment>().ok()?;
    text.parse().ok()
}

fn expiry(text: &str) -> Result<LotExpiry, String> {
    if text == "never" {
        return Ok(LotExpiry::Never);
    }
    if let Ok(Day(day)) = text.parse() {
        return Ok(LotExpiry::EndOf(day));
    }
    let moment = text.parse::<Moment>().map(|Moment(moment)| LotExpiry::At(moment));
    moment.map_err(|_| "expires must be a day, a moment, or never".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(format: Format, preset: Preset) -> Reading {
        Reading {
            format,
            preset,
            currency: Some(Currency::USD),
            zone: "Europe/Berlin".parse().unwrap(),
            customer_prefix: String::new(),
            round: false,
            now: "2026-11-22T10:00:00Z".parse().unwrap(),
        }
    }

    /// Lines as `line: customer id at amount`, or `line: reason`.
    fn read(reading: &Reading, text: &str) -> Result<Vec<String>, String> {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("scrip-rows-{}-{number}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let mut told = Vec::new();
        let done = each(&path, reading, |line, _, of| {
            told.push(match of {
                Line::Row(row, rounded) => {
                    let amount = Money::from_minor(row.minor, row.currency);
                    let more = if rounded { " rounded" } else { "" };
                    let at = row.at;
                    format!("{line}: {} {} {at} {amount} {}{more}", row.customer, row.id, row.currency)
                }
                Line::Deleted => format!("{line}: deleted"),
                Line::Malformed(reason) => format!("{line}: {reason}"),
            });
            Ok(())
        });
        std::fs::remove_file(&path).unwrap();
        let place = format!("{}: ", path.display());
        done.map(|()| told).map_err(|error| error.to_string().replace(&place, ""))
    }

    #[track_caller]
    fn check(reading: &Reading, text: &str, expected: &[&str]) {
        assert_eq!(read(reading, text).unwrap(), expected);
    }

    #[test]
    fn generic_rows_are_csv_or_json() {
        let csv = "\u{feff}id,customer,at,amount,currency,expires,description\r\n\
                   a1,alice,2026-01-01T12:00:00Z,25.00,USD,,\"two\nlines, and a comma\"\r\n\
                   a2,alice,2026-02-01,-20.00,,,\r\n\
                   \r\n\r\n\
                   a3,bob,2026-02-01 10:00:00,500,JPY,2027-01-31,";
        let rows = [
            "2: alice a1 2026-01-01T12:00:00Z 25.00 USD",
            "4: alice a2 2026-01-31T23:00:00Z -20.00 USD",
            "7: bob a3 2026-02-01T09:00:00Z 500 JPY",
        ];
        check(&reading(Format::Csv, Preset::Generic), csv, &rows);
        let jsonl = r#"{"id": "a1", "customer": "alice", "at": "2026-01-01T12:00:00Z", "amount": 25.00}

{"id": 2, "customer": "alice", "at": "2026-02-01", "amount": "-20.00", "currency": "USD", "expires": null}
{"id": 3, "customer": "alice", "at": "2026-02-01", "amount": 123456789012.12}
"#;
        let rows = [
            "1: alice a1 2026-01-01T12:00:00Z 25.00 USD",
            "3: alice 2 2026-01-31T23:00:00Z -20.00 USD",
            "4: alice 3 2026-01-31T23:00:00Z 123456789012.12 USD",
        ];
        check(&reading(Format::Jsonl, Preset::Generic), jsonl, &rows);
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_with_its_line() {
        let rows = [
            ("a1,alice,2026-01-01,25.00,USD", "2: alice a1 2025-12-31T23:00:00Z 25.00 USD"),
            (",alice,2026-01-01,25.00,USD", "3: id is missing"),
            ("a3,,2026-01-01,25.00,USD", "4: customer is missing"),
            ("a4,a b,2026-01-01,25.00,USD", "5: customer must be 1 to 128 of A-Z a-z 0-9 . _ @ -"),
            (
                "a5,alice,01.02.2026,25.00,USD",
                "6: at must be a moment such as 2026-12-31T10:00:00Z, 2026-12-31 10:00:00 or 2026-12-31",
            ),
            ("a6,alice,2026-11-23,25.00,USD", "7: at is to come"),
            ("a7,alice,1969-12-31,25.00,USD", "8: at is before 1970"),
            (
                "a8,alice,2026-01-01,ten,USD",
                "9: amount must be a decimal in a string, such as \"12.50\" or \"-12.50\", without exponent or spaces",
            ),
            ("a9,alice,2026-01-01,0.00,USD", "10: amount is zero: it moves nothing"),
            ("b1,alice,2026-01-01,1.001,USD", "11: amount must have at most 2 decimals, as USD has"),
            (
                "b2,alice,2026-01-01,1,ZZZ",
                "12: currency ZZZ is not a currency of ISO 4217 with a smallest unit",
            ),
            ("b3,alice,2026-01-01,1", "13: it has 4 fields, and the header 5"),
            ("b4,alice,0000-00-00 00:00:00,1,USD", "14: at must be a moment such as"),
        ];
        let mut csv = "id,customer,at,amount,currency\n".to_owned();
        for (row, _) in rows {
            csv.push_str(row);
            csv.push('\n');
        }
        let told = read(&reading(Format::Csv, Preset::Generic), &csv).unwrap();
        assert_eq!(told.len(), rows.len());
        for (told, (_, expected)) in told.iter().zip(rows) {
            assert!(told.starts_with(expected), "{told}");
        }
        let none = Reading { currency: None, ..reading(Format::Csv, Preset::Generic) };
        check(
            &none,
            "id,customer,at,amount\n1,alice,2026-01-01,5\n",
            &["2: it names no currency: say which by --currency"],
        );
        let jsonl = reading(Format::Jsonl, Preset::Generic);
        check(
            &jsonl,
            "[1]\n{\"id\": {}}\n{\"no\": 1}\n",
            &[
                "1: it is no object of JSON: invalid type: sequence, expected a map at line 1 column 0",
                "2: id must be a text or a number",
                "3: \"no\" is not known",
            ],
        );
    }

    #[test]
    fn a_header_that_is_not_understood_ends_it() {
        let csv = reading(Format::Csv, Preset::Generic);
        for (header, error) in [
            ("id,customer,at", "the column \"amount\" is missing in the header"),
            ("id,customer,at,amount,id", "the column \"id\" is there twice"),
            (
                "id,customer,at,amount,note",
                "the column \"note\" is not known; known are id, customer, at, amount, currency, expires, order, description",
            ),
        ] {
            assert_eq!(read(&csv, &format!("{header}\n")), Err(error.to_owned()));
        }
        let opencart = reading(Format::Csv, Preset::Opencart);
        let missing = "the column \"customer_transaction_id\" is missing in the header".to_owned();
        assert_eq!(read(&opencart, "id,customer,at,amount\n"), Err(missing));
    }

    #[test]
    fn opencart_has_four_decimals_and_no_zone() {
        let tsv = "customer_transaction_id\tcustomer_id\torder_id\tdescription\tamount\tdate_added\n\
                   1\t42\t0\tWelcome\\tand \"hello\t25.0000\t2026-01-01 12:00:00\n\
                   2\t42\t17\tNULL\t-20.0000\t2026-07-01 12:00:00\n\
                   3\t0\t17\tNULL\t-20.0000\t2026-07-01 12:00:00\n\
                   4\t42\t17\tNULL\t0.1250\t2026-07-01 12:00:00\n\
                   5\t42\t17\tNULL\t0.1350\tNULL\n";
        let told = [
            "2: shop-42 1 2026-01-01T11:00:00Z 25.00 USD",
            "3: shop-42 2 2026-07-01T10:00:00Z -20.00 USD",
            "4: customer_id is 0: it is nobody's",
            "5: amount has more than the 2 decimals of USD: round it by --round",
            "6: date_added is missing",
        ];
        let prefixed =
            Reading { customer_prefix: "shop-".to_owned(), ..reading(Format::Tsv, Preset::Opencart) };
        check(&prefixed, tsv, &told);
        let rounding = Reading { round: true, ..prefixed };
        assert_eq!(
            read(&rounding, tsv).unwrap().get(3).unwrap(),
            "5: shop-42 4 2026-07-01T10:00:00Z 0.12 USD rounded"
        );
    }

    #[test]
    fn terawallet_says_by_a_word_whether_it_came_or_went() {
        let csv = "transaction_id,blog_id,user_id,type,amount,balance,currency,details,created_by,deleted,date\n\
                   1,1,7,credit,25.00000000,25.00000000,EUR,\"Wallet, credit\",1,0,2026-01-01 12:00:00\n\
                   2,1,7,debit,20.00000000,5.00000000,EUR,For order,1,0,2026-02-01 12:00:00\n\
                   3,1,7,credit,9.00000000,14.00000000,EUR,oops,1,1,2026-02-02 12:00:00\n\
                   4,1,7,refund,9.00000000,14.00000000,EUR,oops,1,0,2026-02-02 12:00:00\n\
                   5,1,7,debit,-9.00000000,14.00000000,EUR,oops,1,0,2026-02-02 12:00:00\n";
        let told = [
            "2: 7 1 2026-01-01T11:00:00Z 25.00 EUR",
            "3: 7 2 2026-02-01T11:00:00Z -20.00 EUR",
            "4: deleted",
            "5: type must be credit or debit",
            "6: amount must be more than zero",
        ];
        check(&reading(Format::Csv, Preset::Terawallet), csv, &told);
    }
}
