//! Customer by customer, and at the end all together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use ledger::{Booked, Currency, CustomerId, Finding, Flaw};
use serde::Serialize;
use store::{CustomerAudit, Error, Store, Verified};

use crate::{
    Failure, Source,
    source::{MAX_TRIES, PAUSE},
    spool::{self, Row, Spool},
};

/// Bytes of items that are looked at together, unless they are one customer's.
const MAX_BUCKET: u64 = 32 * 1024 * 1024;
/// Items between two lines that tell how far it is.
const STEP: u64 = 50_000;

/// How to audit.
pub struct Options {
    /// The moment by which expiries are due.
    pub at: Timestamp,
    /// The folder to sort in.
    pub scratch: PathBuf,
    /// Other than by default, bytes of items that are looked at together.
    pub max_bucket: Option<u64>,
}

/// What was looked at, and how much of it is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Items of all kinds.
    pub items: u64,
    /// Customers.
    pub customers: u64,
    /// Accounts.
    pub accounts: u64,
    /// Entries.
    pub entries: u64,
    /// What is wrong.
    pub findings: u64,
}

/// One line of what is wrong.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a CustomerId>,
    #[serde(flatten)]
    finding: &'a Finding,
}

/// Where the audit is.
struct Auditor<'a> {
    store: Option<Store>,
    at: Timestamp,
    out: &'a mut dyn Write,
    summary: Summary,
    /// What all entries of a currency come to, and all balances.
    totals: BTreeMap<Currency, (Booked, i128)>,
}

/// Reads everything, and writes a line for each thing that is wrong to `out`, and how far it is to `progress`.
///
/// Of a table that others write to, what could be their doing is read again before it is told.
///
/// # Errors
/// When something cannot be read, or nothing is there.
pub async fn audit(
    source: &Source,
    options: &Options,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<Summary, Failure> {
    let mut auditor = Auditor {
        store: source.store(),
        at: options.at,
        out,
        summary: Summary::default(),
        totals: BTreeMap::new(),
    };
    let mut spool = Spool::new(&options.scratch)?;
    source
        .each(|record| {
            auditor.summary.items = auditor.summary.items.saturating_add(1);
            if auditor.summary.items.checked_rem(STEP) == Some(0) {
                writeln!(progress, "read {} items", auditor.summary.items)?;
            }
            match record.place() {
                Some(place) => spool.put(&place.customer, &record),
                None => record.finding().map_or(Ok(()), |finding| auditor.tell(None, &finding)),
            }
        })
        .await?;
    if auditor.summary.items == 0 {
        return Err("there is not one item".into());
    }
    writeln!(progress, "read {} items; now holding them against each other", auditor.summary.items)?;

    while let Some(path) = spool.next(options.max_bucket.unwrap_or(MAX_BUCKET))? {
        let before = auditor.summary.entries.checked_div(STEP);
        for (customer, findings) in auditor.take_bucket(&path)? {
            auditor.read_again(&customer, findings).await?;
        }
        if before != auditor.summary.entries.checked_div(STEP) {
            writeln!(progress, "checked {} entries", auditor.summary.entries)?;
        }
    }
    auditor.compare_totals(progress)?;

    let Summary { items, customers, accounts, entries, findings } = auditor.summary;
    writeln!(
        progress,
        "{items} items: {customers} customers, {accounts} accounts, {entries} entries; {findings} findings"
    )?;
    Ok(auditor.summary)
}

/// What was found of a customer whom others may have been writing.
type Doubtful = Vec<(CustomerId, Vec<Finding>)>;

impl Auditor<'_> {
    fn tell(&mut self, customer: Option<&CustomerId>, finding: &Finding) -> Result<(), Failure> {
        self.summary.findings = self.summary.findings.saturating_add(1);
        let line = serde_json::to_string(&Line { customer, finding })?;
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Checks a file's customers; answers those of whom something may be told that somebody was just changing.
    fn take_bucket(&mut self, path: &Path) -> Result<Doubtful, Failure> {
        let mut doubtful = Vec::new();
        let rows = spool::rows(path)?;
        let mut file = File::open(path)?;
        for rows in rows.chunk_by(|one, other| one.place.customer == other.place.customer) {
            let Some(customer) = rows.first().map(|row| row.place.customer.clone()) else { continue };
            let verified = self.check(&mut file, &customer, rows)?;
            self.summary.customers = self.summary.customers.saturating_add(1);
            let stands = |finding: &Finding| finding.code.is_of_one_item();
            if self.store.is_some() && !verified.findings().all(stands) {
                let findings = verified.findings().filter(|finding| stands(finding)).cloned();
                doubtful.push((customer, findings.collect()));
            } else {
                self.note(&customer, &verified, &[])?;
            }
        }
        Ok(doubtful)
    }

    /// Holds a customer's items against each other.
    fn check(&self, file: &mut File, customer: &CustomerId, rows: &[Row]) -> Result<Verified, Failure> {
        let mut audit = CustomerAudit::new(customer.clone());
        let mut repeated = BTreeSet::new();
        for pair in rows.windows(2) {
            if let [one, other] = pair
                && one.place.key == other.place.key
            {
                repeated.insert(&one.place.key);
            }
        }
        for (pk, sk) in repeated {
            audit.find(Flaw::ItemRepeated, format!("there are two of {pk} {sk}"));
        }
        let mut rows: Vec<&Row> = rows.iter().collect();
        rows.sort_by(|one, other| (&one.place.order, &one.place).cmp(&(&other.place.order, &other.place)));
        for row in rows {
            audit.take_record(&spool::record(file, row)?);
        }
        Ok(audit.verified(self.at))
    }

    /// Tells of a customer as it is now, and of what one item alone showed.
    async fn read_again(&mut self, customer: &CustomerId, shown: Vec<Finding>) -> Result<(), Failure> {
        let Some(store) = &self.store else { return Ok(()) };
        let nothing = Verified { accounts: Vec::new(), findings: Vec::new() };
        let mut tries = 0_u32;
        let verified = loop {
            match store.verify(customer, self.at).await {
                Err(Error::Conflict | Error::Throttled(_) | Error::Unavailable(_)) if tries < MAX_TRIES => {
                    tries = tries.saturating_add(1);
                    tokio::time::sleep(PAUSE.saturating_mul(tries)).await;
                }
                verified => break verified?.unwrap_or(nothing),
            }
        };
        self.note(customer, &verified, &shown)
    }

    fn note(&mut self, customer: &CustomerId, verified: &Verified, more: &[Finding]) -> Result<(), Failure> {
        let findings: BTreeSet<&Finding> = verified.findings().chain(more).collect();
        for finding in findings {
            self.tell(Some(customer), finding)?;
        }
        for account in &verified.accounts {
            self.summary.accounts = self.summary.accounts.saturating_add(1);
            self.summary.entries = self.summary.entries.saturating_add(account.entries);
            let (booked, balance) = self.totals.entry(account.currency).or_default();
            *booked = booked.and(account.booked);
            *balance = balance.saturating_add(account.balance);
        }
        Ok(())
    }

    /// What came in, less what went out, is what is there.
    fn compare_totals(&mut self, progress: &mut dyn Write) -> Result<(), Failure> {
        for (currency, (booked, balance)) in std::mem::take(&mut self.totals) {
            let Booked { brought, taken } = booked;
            writeln!(
                progress,
                "{currency}: {brought} came in, {taken} went out, {balance} is there, in smallest units"
            )?;
            if brought.saturating_sub(taken) != balance {
                let detail = format!("{brought} came in and {taken} went out, and {balance} is there");
                let code = Flaw::TotalsDiffer;
                self.tell(None, &Finding { currency: Some(currency), entry: None, code, detail })?;
            }
        }
        Ok(())
    }
}
