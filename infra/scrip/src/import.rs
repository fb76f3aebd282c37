//! The credit that another system kept, brought over by its rows, customer by customer.
//!
//! The rows of one customer may stand anywhere. They are sorted into files first, so that memory does not grow with them, and
//! then each customer's are imported in a transaction of their own, which notes them: a run that was stopped anywhere is done
//! again, and a row counts once.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::Timestamp;
use ledger::{Currency, CustomerId, Label, Money, Movement, Zone};
use serde::Serialize;
use store::{Error, Imported, Rows, Store, Unimported};

use crate::{
    Failure, Format, Preset,
    audit::patiently,
    rows::{self, Line, Reading, Row},
    spool::{self, Spool},
};

/// Bytes of rows that are looked at together, unless they are one customer's.
const MAX_BUCKET: u64 = 16 * 1024 * 1024;
/// Rows between two lines that tell how far it is.
const STEP: u64 = 50_000;

/// How to import.
#[derive(Clone, Debug)]
pub struct Importing {
    /// The other system's name.
    pub system: Label,
    /// Whose columns the files have.
    pub preset: Preset,
    /// The currency of rows that name none.
    pub currency: Option<Currency>,
    /// The zone of moments that name none.
    pub zone: Zone,
    /// What customers' ids begin with here, before what they are there.
    pub customer_prefix: String,
    /// Whether amounts with more decimals than their currency has are rounded.
    pub round: bool,
    /// Whether customers have to be known already.
    pub known_customers: bool,
    /// Whether to tell alone.
    pub dry_run: bool,
    /// Whether to leave out what cannot be imported, and to import the rest.
    pub skip_malformed: bool,
    /// Customers who are imported at the same time.
    pub concurrency: usize,
    /// The moment of the import.
    pub at: Timestamp,
    /// The folder to sort in.
    pub scratch: PathBuf,
}

/// What it all came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether anything was written: not in a dry run, nor where something could not be imported and was not to be left out.
    pub written: bool,
    /// Rows that the files have, deleted and malformed ones among them.
    pub rows: u64,
    /// Of these, those that were imported, or would be.
    pub imported: u64,
    /// Those that had been imported before, or are there twice.
    pub repeated: u64,
    /// Those that the other system has deleted.
    pub deleted: u64,
    /// Those that are none.
    pub malformed: u64,
    /// Those of customers who could not be imported.
    pub refused: u64,
    /// Amounts that were rounded.
    pub rounded: u64,
    /// Customers.
    pub customers: u64,
    /// Lots that were made.
    pub lots: u64,
    /// Lots that became one with another, since a customer has no room for so many.
    pub merged: u64,
    /// Histories that went below zero at some moment.
    pub below_zero: u64,
    /// Sums.
    pub currencies: BTreeMap<Currency, Sums>,
}

/// Sums of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// What came into new lots.
    pub brought: Money,
    /// What went out of lots that were imported before.
    pub taken: Money,
    /// What was taken that was never there.
    pub forgiven: Money,
}

impl Report {
    /// Whether every row was imported, now or before, or was deleted.
    pub fn is_whole(&self) -> bool {
        self.malformed == 0 && self.refused == 0
    }
}

/// One line of what is to be told.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Told<'a> {
    /// A row that is none.
    Malformed { file: &'a Path, line: u64, reason: &'a str },
    /// A customer whose rows could not be imported, and where they are.
    Refused {
        customer: &'a CustomerId,
        currency: Currency,
        file: &'a Path,
        line: u64,
        rows: usize,
        reason: &'a str,
    },
    /// A customer's history that went below zero.
    BelowZero { customer: &'a CustomerId, currency: Currency, forgiven: Money },
    /// Lots that became one with others.
    Merged { customer: &'a CustomerId, currency: Currency, lots: usize },
    /// The last line.
    Report(&'a Report),
}

/// Brings the rows of these files over. Writes a line for each thing that is to be told to `out`, the report last, and how far
/// it is to `progress` and `bar`.
///
/// # Errors
/// When something cannot be read or written, or a file has other columns than it should. What was written until then is noted,
/// and is not written again.
pub async fn import(
    store: &Store,
    options: &Importing,
    files: &[(PathBuf, Format)],
    out: &mut dyn Write,
    progress: &mut dyn Write,
    bar: &ProgressBar,
) -> Result<Report, Failure> {
    let mut importer = Importer { store, options, files, out, progress, bar, report: Report::default() };
    let mut spool = importer.sort()?;
    if options.dry_run {
        importer.walk(&mut spool, Pass::Tell, None).await?;
        return importer.done(false);
    }
    if !options.skip_malformed {
        let mut again = Spool::new(&options.scratch, owner)?;
        let before = importer.report.clone();
        importer.walk(&mut spool, Pass::Check, Some(&mut again)).await?;
        if !importer.report.is_whole() {
            return importer.done(false);
        }
        importer.report = before;
        spool = again;
    }
    importer.walk(&mut spool, Pass::Write, None).await?;
    importer.done(true)
}

/// What a walk through the customers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pass {
    /// To see whether all of them can be imported.
    Check,
    /// To tell what would be.
    Tell,
    /// To import them.
    Write,
}

/// Where the import is.
struct Importer<'a> {
    store: &'a Store,
    options: &'a Importing,
    files: &'a [(PathBuf, Format)],
    out: &'a mut dyn Write,
    progress: &'a mut dyn Write,
    bar: &'a ProgressBar,
    report: Report,
}

/// A customer's rows in one currency.
struct Group {
    customer: CustomerId,
    currency: Currency,
    movements: Vec<Movement>,
    /// Where the first of them is.
    place: (usize, u64),
    /// Why they cannot be imported, whatever was before.
    refused: Option<String>,
    /// Whether the customer has others, in another currency, before these.
    continued: bool,
}

impl Importer<'_> {
    /// Reads all rows, and sorts them by customer.
    fn sort(&mut self) -> Result<Spool, Failure> {
        let Importing { preset, currency, zone, customer_prefix, round, at, .. } = self.options;
        let mut spool = Spool::new(&self.options.scratch, owner)?;
        let size = |(path, _): &(PathBuf, Format)| path.metadata().map_or(0, |file| file.len());
        self.show("reading", "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {eta}");
        self.bar.set_length(self.files.iter().map(size).fold(0, u64::saturating_add));
        let mut read = 0;
        for (number, (path, format)) in self.files.iter().enumerate() {
            let reading = Reading {
                format: *format,
                preset: *preset,
                currency: *currency,
                zone: zone.clone(),
                customer_prefix: customer_prefix.clone(),
                round: *round,
                now: *at,
            };
            rows::each(path, &reading, |line, bytes, of| {
                self.report.rows = self.report.rows.saturating_add(1);
                if self.report.rows.is_multiple_of(STEP) {
                    writeln!(self.progress, "read {} rows", self.report.rows)?;
                }
                if self.report.rows.is_multiple_of(STEP / 50) {
                    self.bar.set_position(u64::saturating_add(read, bytes));
                }
                match of {
                    Line::Row(row, rounded) => {
                        self.report.rounded = self.report.rounded.saturating_add(rounded.into());
                        let row = Row { file: number, line, ..row };
                        spool.put(&row.customer, &serde_json::to_string(&row)?)
                    }
                    Line::Deleted => {
                        self.report.deleted = self.report.deleted.saturating_add(1);
                        Ok(())
                    }
                    Line::Malformed(reason) => {
                        self.report.malformed = self.report.malformed.saturating_add(1);
                        tell(self.out, &Told::Malformed { file: path, line, reason: &reason })
                    }
                }
            })?;
            read = read.saturating_add(size(&(path.clone(), *format)));
        }
        if self.report.rows == 0 {
            return Err("there is not one row".into());
        }
        Ok(spool)
    }

    /// Takes one customer after the other, and some at a time; puts the rows to `again`, if they are to be looked at once more.
    async fn walk(
        &mut self,
        spool: &mut Spool,
        pass: Pass,
        mut again: Option<&mut Spool>,
    ) -> Result<(), Failure> {
        let what = match pass {
            Pass::Check | Pass::Tell => "checking",
            Pass::Write => "importing",
        };
        self.show(what, "{msg} {wide_bar} {human_pos}/{human_len} rows {per_sec} {eta}");
        self.bar.set_length(self.report.rows);
        let mut done = 0_u64;
        while let Some(path) = spool.next(MAX_BUCKET)? {
            let mut rows = Vec::new();
            spool::lines(&path, |_, line| {
                if let Some(again) = again.as_deref_mut() {
                    again.put(&owner(line)?, line)?;
                }
                rows.push(serde_json::from_str::<Row>(line)?);
                Ok(())
            })?;
            let customers = self.customers(rows);
            let (store, options) = (self.store, self.options);
            let write = pass == Pass::Write;
            let mut imported = stream::iter(customers)
                .map(|groups| async move {
                    let mut done = Vec::with_capacity(groups.len());
                    for group in groups {
                        let imported = import_group(store, options, &group, write).await;
                        done.push((group, imported));
                    }
                    done
                })
                // In their order, so that the same is told each time.
                .buffered(options.concurrency);
            while let Some(groups) = imported.next().await {
                for (group, imported) in groups {
                    let rows = u64::try_from(group.movements.len())?;
                    self.note(&group, imported?, pass)?;
                    let before = done.checked_div(STEP);
                    done = done.saturating_add(rows);
                    self.bar.inc(rows);
                    if before != done.checked_div(STEP) {
                        writeln!(self.progress, "{what}: {done} rows")?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The rows of each customer, by currency.
    fn customers(&self, mut rows: Vec<Row>) -> Vec<Vec<Group>> {
        rows.sort_by(|one, other| {
            let key = |row: &Row| (row.currency, row.file, row.line);
            one.customer.cmp(&other.customer).then_with(|| key(one).cmp(&key(other)))
        });
        let of_customer = rows.chunk_by(|one, other| one.customer == other.customer);
        of_customer
            .map(|rows| {
                let refused = self.contradiction(rows);
                let of_currency = rows.chunk_by(|one, other| one.currency == other.currency).enumerate();
                let group = |(place, rows): (usize, &[Row])| {
                    let first = rows.first()?;
                    Some(Group {
                        customer: first.customer.clone(),
                        currency: first.currency,
                        movements: rows.iter().map(movement).collect(),
                        place: (first.file, first.line),
                        refused: refused.clone(),
                        continued: place > 0,
                    })
                };
                of_currency.filter_map(group).collect()
            })
            .collect()
    }

    /// Two rows of a customer that have one id and say different things.
    fn contradiction(&self, rows: &[Row]) -> Option<String> {
        let mut known: BTreeMap<&str, &Row> = BTreeMap::new();
        rows.iter().find_map(|row| {
            let before = known.insert(&row.id, row)?;
            let place = |row: &Row| {
                let file =
                    self.files.get(row.file).map_or_else(String::new, |(path, _)| path.display().to_string());
                format!("{file}, line {}", row.line)
            };
            let same = Row { file: before.file, line: before.line, ..row.clone() } == *before;
            (!same).then(|| {
                format!(
                    "{} and {} have the id {} and say different things",
                    place(before),
                    place(row),
                    row.id
                )
            })
        })
    }

    /// Adds what came of a customer's rows up, and tells what is to be told.
    fn note(&mut self, group: &Group, imported: Result<Imported, String>, pass: Pass) -> Result<(), Failure> {
        let Group { customer, currency, movements, place: (file, line), .. } = group;
        let currency = *currency;
        let report = &mut self.report;
        if !group.continued {
            report.customers = report.customers.saturating_add(1);
        }
        let imported = match imported {
            Ok(imported) => imported,
            Err(reason) => {
                report.refused = report.refused.saturating_add(u64::try_from(movements.len())?);
                let file = self.files.get(*file).map_or(Path::new(""), |(path, _)| path);
                let (line, rows, reason) = (*line, movements.len(), reason.as_str());
                return tell(self.out, &Told::Refused { customer, currency, file, line, rows, reason });
            }
        };
        let add = |to: &mut u64, count: usize| {
            *to = to.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        };
        add(&mut report.imported, imported.rows);
        add(&mut report.repeated, imported.repeated);
        add(&mut report.lots, imported.lots);
        add(&mut report.merged, imported.merged);
        add(&mut report.below_zero, imported.below_zero.into());
        let zero = Money::zero(currency);
        let sums = report.currencies.entry(currency);
        let sums = sums.or_insert(Sums { brought: zero, taken: zero, forgiven: zero });
        sums.brought = sums.brought.plus(imported.brought)?;
        sums.taken = sums.taken.plus(imported.taken)?;
        sums.forgiven = sums.forgiven.plus(imported.forgiven)?;
        if pass != Pass::Check && imported.below_zero {
            tell(self.out, &Told::BelowZero { customer, currency, forgiven: imported.forgiven })?;
        }
        if pass != Pass::Check && imported.merged > 0 {
            tell(self.out, &Told::Merged { customer, currency, lots: imported.merged })?;
        }
        Ok(())
    }

    fn show(&self, what: &'static str, template: &str) {
        // A template of ours, which parses.
        self.bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        self.bar.set_message(what);
        self.bar.set_position(0);
    }

    fn done(mut self, written: bool) -> Result<Report, Failure> {
        self.bar.finish_and_clear();
        self.report.written = written;
        tell(self.out, &Told::Report(&self.report))?;
        let Report { rows, imported, repeated, malformed, refused, customers, lots, .. } = &self.report;
        let done = if written { "imported" } else { "could be imported, and nothing was written" };
        writeln!(
            self.progress,
            "{rows} rows of {customers} customers: {imported} {done}, {lots} lots; {repeated} were known, {malformed} are \
             malformed, {refused} are of customers who could not be imported"
        )?;
        Ok(self.report)
    }
}

/// Imports a customer's rows, or tells what they would come to, or why they cannot be.
async fn import_group(
    store: &Store,
    options: &Importing,
    group: &Group,
    write: bool,
) -> Result<Result<Imported, String>, Failure> {
    if let Some(reason) = &group.refused {
        return Ok(Err(reason.clone()));
    }
    let rows = Rows {
        customer: &group.customer,
        currency: group.currency,
        system: &options.system,
        movements: &group.movements,
        at: options.at,
        known: options.known_customers,
        write,
    };
    // What the rules refuse is no failure: it is the same each time.
    let imported = patiently(|| async {
        match store.import(&rows).await {
            Err(Unimported::Store(error)) => Err(error),
            answer => Ok(answer.map_err(|refused| refused.to_string())),
        }
    });
    match imported.await {
        Err(error @ Error::Corrupt { .. }) => Ok(Err(error.to_string())),
        answer => Ok(answer?),
    }
}

fn movement(row: &Row) -> Movement {
    let amount = Money::from_minor(row.minor, row.currency);
    Movement { id: row.id.clone(), at: row.at, amount, expiry: row.expiry }
}

/// Whose a sorted row is.
fn owner(line: &str) -> Result<CustomerId, Failure> {
    Ok(serde_json::from_str::<Row>(line)?.customer)
}

fn tell(out: &mut dyn Write, told: &Told<'_>) -> Result<(), Failure> {
    Ok(writeln!(out, "{}", serde_json::to_string(told)?)?)
}
