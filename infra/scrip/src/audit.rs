//! Customer by customer, and at the end all together.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use ledger::{Booked, Currency, CustomerId, Finding, Flaw, Left, Versions};
use serde::Serialize;
use store::{CustomerAudit, Error, Misplaced, Repair, Repaired, Repairing, RulesAudit, Store, Verified};

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

/// How to repair.
#[derive(Clone, Debug, Default)]
pub struct Repairs {
    /// Whether anything is written, or told alone.
    pub write: bool,
    /// The accounts in which somebody decided to give up what no entry says.
    pub roll_back: BTreeSet<(CustomerId, Currency)>,
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
    /// What is wrong, or stays so.
    pub findings: u64,
    /// What was repaired, or would be.
    pub repairs: u64,
}

/// One line of what is wrong, or stays so.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a CustomerId>,
    #[serde(flatten)]
    finding: &'a Finding,
    /// Why it is not repaired.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
}

/// One line of what was repaired, or would be.
#[derive(Serialize)]
struct RepairLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a CustomerId>,
    #[serde(flatten)]
    repair: &'a Repair,
}

/// Where the audit is.
struct Auditor<'a> {
    store: Option<Store>,
    at: Timestamp,
    out: &'a mut dyn Write,
    summary: Summary,
    /// What all entries of a currency come to, and all balances.
    totals: BTreeMap<Currency, (Booked, i128)>,
    /// The last rules that any entry was decided by.
    decided_by: Versions,
    /// What to do beside telling.
    repairs: Option<&'a Repairs>,
    /// Of the accounts that are to be rolled back, those that were.
    rolled_back: BTreeSet<(CustomerId, Currency)>,
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
    walk(source, options, None, out, progress).await
}

/// Reads everything of a table, writes what follows from the entries where something else is stored, unless it is to be told
/// alone, and a line for each item that it writes and for each thing that stays wrong to `out`.
///
/// # Errors
/// As [`audit()`]; when the source is no table. What was written until then is right, and the rest is found again.
pub async fn repair(
    source: &Source,
    options: &Options,
    repairs: &Repairs,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<Summary, Failure> {
    walk(source, options, Some(repairs), out, progress).await
}

async fn walk(
    source: &Source,
    options: &Options,
    repairs: Option<&Repairs>,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<Summary, Failure> {
    let mut auditor = Auditor {
        store: source.store(),
        at: options.at,
        out,
        summary: Summary::default(),
        totals: BTreeMap::new(),
        decided_by: Versions::default(),
        repairs,
        rolled_back: BTreeSet::new(),
    };
    if repairs.is_some() && auditor.store.is_none() {
        return Err("only a table can be repaired".into());
    }
    let mut spool = Spool::new(&options.scratch, spool::owner)?;
    let mut rules = RulesAudit::default();
    source
        .each(|record| {
            auditor.summary.items = auditor.summary.items.saturating_add(1);
            if auditor.summary.items.checked_rem(STEP) == Some(0) {
                writeln!(progress, "read {} items", auditor.summary.items)?;
            }
            rules.take(&record);
            match record.place() {
                Some(place) => spool.put(&place.customer, &record.line()),
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
        for doubt in auditor.take_bucket(&path)? {
            match auditor.repairs {
                None => auditor.read_again(&doubt).await?,
                Some(repairs) => auditor.repair(&doubt, repairs).await?,
            }
        }
        if before != auditor.summary.entries.checked_div(STEP) {
            writeln!(progress, "checked {} entries", auditor.summary.entries)?;
        }
    }
    auditor.compare_rules(rules).await?;
    let Some(repairs) = repairs else {
        auditor.compare_totals(progress)?;
        let Summary { items, customers, accounts, entries, findings, .. } = auditor.summary;
        writeln!(
            progress,
            "{items} items: {customers} customers, {accounts} accounts, {entries} entries; {findings} findings"
        )?;
        return Ok(auditor.summary);
    };
    for (customer, currency) in repairs.roll_back.difference(&auditor.rolled_back) {
        writeln!(progress, "{customer}:{currency} has nothing that could be given up, and stays as it is")?;
    }
    let Summary { items, customers, repairs: repaired, findings, .. } = auditor.summary;
    let done = if repairs.write { "repaired" } else { "to be repaired, by --write" };
    writeln!(
        progress,
        "{items} items: {customers} customers; {repaired} items {done}; {findings} things left"
    )?;
    Ok(auditor.summary)
}

/// A customer of whom something is to be read again: for others may have been writing, or to be repaired.
struct Doubt {
    customer: CustomerId,
    /// What one item alone showed.
    shown: Vec<Finding>,
    misplaced: Misplaced,
    /// Up to which version it has to be told what was changed in the customer's document, where it is not.
    untold: Option<u64>,
}

impl Doubt {
    async fn untold_rules(&self, store: &Store) -> Result<Vec<Finding>, Error> {
        match self.untold {
            Some(last) => patiently(|| store.untold_rules(&self.customer, last)).await,
            None => Ok(Vec::new()),
        }
    }
}

impl Auditor<'_> {
    fn tell(&mut self, customer: Option<&CustomerId>, finding: &Finding) -> Result<(), Failure> {
        let why = self.repairs.map(|_| finding.code.why_left());
        self.write_line(&Line { customer, finding, why })
    }

    fn write_line(&mut self, line: &Line<'_>) -> Result<(), Failure> {
        self.summary.findings = self.summary.findings.saturating_add(1);
        Ok(writeln!(self.out, "{}", serde_json::to_string(line)?)?)
    }

    /// Checks a file's customers; answers those of whom something has to be read again.
    fn take_bucket(&mut self, path: &Path) -> Result<Vec<Doubt>, Failure> {
        let mut doubts = Vec::new();
        let rows = spool::rows(path)?;
        let mut file = File::open(path)?;
        for rows in rows.chunk_by(|one, other| one.place.customer == other.place.customer) {
            let Some(customer) = rows.first().map(|row| row.place.customer.clone()) else { continue };
            let audit = Self::read(&mut file, &customer, rows)?;
            let verified = audit.verified(self.at);
            self.summary.customers = self.summary.customers.saturating_add(1);
            let stands = |finding: &Finding| finding.code.is_of_one_item();
            self.decided_by = self.decided_by.and(audit.decided_by());
            let untold = audit.untold_rules();
            let is_doubtful = match self.repairs {
                None => self.store.is_some() && !(untold.is_empty() && verified.findings().all(stands)),
                Some(_) => !(untold.is_empty() && verified.is_sound() && audit.lists_are_current()),
            };
            if is_doubtful {
                let shown = verified.findings().filter(|finding| stands(finding)).cloned().collect();
                let untold = (!untold.is_empty()).then(|| audit.last_rules());
                doubts.push(Doubt { customer, shown, misplaced: audit.misplaced(), untold });
            } else {
                self.note(&customer, &verified, &untold)?;
            }
        }
        Ok(doubts)
    }

    /// Takes a customer's items in.
    fn read(file: &mut File, customer: &CustomerId, rows: &[Row]) -> Result<CustomerAudit, Failure> {
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
        Ok(audit)
    }

    /// Tells of a customer as it is now, and of what one item alone showed.
    async fn read_again(&mut self, doubt: &Doubt) -> Result<(), Failure> {
        let Some(store) = self.store.clone() else { return Ok(()) };
        let nothing = Verified { accounts: Vec::new(), findings: Vec::new() };
        let verified = patiently(|| store.verify(&doubt.customer, self.at)).await?.unwrap_or(nothing);
        let mut shown = doubt.shown.clone();
        shown.extend(doubt.untold_rules(&store).await?);
        self.note(&doubt.customer, &verified, &shown)
    }

    /// Repairs a customer, and tells of what was repaired and of what is left.
    async fn repair(&mut self, doubt: &Doubt, repairs: &Repairs) -> Result<(), Failure> {
        let Some(store) = self.store.clone() else { return Ok(()) };
        let customer = &doubt.customer;
        let of_customer = repairs.roll_back.iter().filter(|(of, _)| of == customer);
        let roll_back: BTreeSet<Currency> = of_customer.map(|(_, currency)| *currency).collect();
        let how = Repairing { at: self.at, write: repairs.write, roll_back: &roll_back };
        let done = patiently(|| store.repair(customer, &doubt.misplaced, &how)).await?;
        self.tell_repaired(Some(customer), &done)?;
        // What keys and numbers do not lead to; where something stands in the indexes was told, or is right now.
        let told = |finding: &&Finding| {
            finding.code == Flaw::IndexDrift || done.left.iter().any(|left| left.finding == **finding)
        };
        let unseen: Vec<&Finding> = doubt.shown.iter().filter(|finding| !told(finding)).collect();
        unseen.into_iter().try_for_each(|finding| self.tell(Some(customer), finding))?;
        self.rolled_back.extend(done.rolled_back.iter().map(|currency| (customer.clone(), *currency)));
        Ok(())
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

    /// Tells of what was repaired, and of what is left.
    fn tell_repaired(&mut self, customer: Option<&CustomerId>, done: &Repaired) -> Result<(), Failure> {
        for repair in &done.repairs {
            self.summary.repairs = self.summary.repairs.saturating_add(1);
            let line = RepairLine { customer, repair };
            writeln!(self.out, "{}", serde_json::to_string(&line)?)?;
        }
        for Left { finding, why } in &done.left {
            self.write_line(&Line { customer, finding, why: Some(why) })?;
        }
        Ok(())
    }

    /// The store's rules that entries were decided by are there, and what was changed in them; or are repaired.
    async fn compare_rules(&mut self, rules: RulesAudit) -> Result<(), Failure> {
        let decided_by = self.decided_by;
        let mut findings = rules.findings(decided_by);
        if !findings.is_empty()
            && let Some(store) = self.store.clone()
        {
            if let Some(repairs) = self.repairs {
                let how = Repairing { at: self.at, write: repairs.write, roll_back: &BTreeSet::new() };
                let done = patiently(|| store.repair_rules(decided_by, &how)).await?;
                return self.tell_repaired(None, &done);
            }
            findings = patiently(|| store.rules_audit()).await?.findings(decided_by);
        }
        findings.iter().try_for_each(|finding| self.tell(None, finding))
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

/// Asks for this until the database answers, and others let it; up to a bound.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Error>>>(
    ask: impl Fn() -> F,
) -> Result<T, Error> {
    let mut tries = 0_u32;
    loop {
        match ask().await {
            Err(Error::Conflict | Error::Throttled(_) | Error::Unavailable(_)) if tries < MAX_TRIES => {
                tries = tries.saturating_add(1);
                tokio::time::sleep(PAUSE.saturating_mul(tries)).await;
            }
            answer => return answer,
        }
    }
}
