//! Holds some accounts a day against their entries, and logs what does not follow: the stack has an alarm on that line.
//!
//! Where it stopped is noted after each customer, so that over the days it comes to all, and begins anew.

use edge::Event;
use serde::Serialize;
use store::{AuditRound, Due, Error, Store};

/// Accounts that one read of the index answers.
const BATCH: usize = 50;
/// Entries that one run reads, at a read unit for each 4 KiB.
const MAX_ENTRIES: u64 = 200_000;
/// Entries of a customer that are too many to be read within one run: `scrip audit` reads them.
const TOO_MANY: u64 = 50_000;

/// What one run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audited {
    /// Customers whose accounts were held against their entries.
    pub customers: u64,
    /// Entries that were read.
    pub entries: u64,
    /// What was found.
    pub findings: u64,
    /// Customers who were passed over: with too many entries, or whose accounts others kept writing.
    pub passed_over: u64,
    /// Whether all accounts have been looked at, in this run or since an earlier one.
    pub finished_round: bool,
    /// Whether the time ran out first; the next run goes on.
    pub interrupted: bool,
}

/// A customer's accounts could not be read. The others were, and the next run goes on after them.
#[derive(Debug, thiserror::Error)]
#[error("{failed} customers could not be audited; the first failure: {first}")]
pub struct Unfinished {
    failed: u64,
    first: Error,
}

/// Holds the next accounts against their entries, for as long as there are time and entries to read; at most all of them.
///
/// # Errors
/// [`Unfinished`] when something could not be read.
pub async fn audit(store: Store, event: Event) -> Result<Audited, Unfinished> {
    let mut audited = Audited::default();
    let mut failures = Vec::new();
    let walk = walk(&store, event, &mut audited, &mut failures);
    let done = tokio::time::timeout(event.time_left, walk).await;
    match done {
        Ok(Ok(())) => {}
        Ok(Err(error)) => failures.push(error),
        Err(_) => audited.interrupted = true,
    }
    tracing::info!(
        customers = audited.customers,
        entries = audited.entries,
        findings = audited.findings,
        passed_over = audited.passed_over,
        finished_round = audited.finished_round,
        interrupted = audited.interrupted,
        "audited"
    );
    match failures.len() {
        0 => Ok(audited),
        failed => Err(Unfinished {
            failed: u64::try_from(failed).unwrap_or(u64::MAX),
            first: failures.swap_remove(0),
        }),
    }
}

async fn walk(
    store: &Store,
    event: Event,
    audited: &mut Audited,
    failures: &mut Vec<Error>,
) -> Result<(), Error> {
    let mut round = store.audit_round().await?;
    let rounds = round.rounds;
    while round.rounds == rounds && audited.entries < MAX_ENTRIES {
        let page = store.audit_next(&round, BATCH).await?;
        if page.is_empty() {
            let Some(next) = store.audit_done(&round, None).await? else { return Ok(()) };
            round = next;
        }
        // Two accounts of one customer stand side by side.
        for same in page.chunk_by(|one, other| one.customer == other.customer) {
            let Some(last) = same.last() else { continue };
            if audited.entries >= MAX_ENTRIES {
                return Ok(());
            }
            let Some(next) = look_at(store, event, &round, last, audited, failures).await? else {
                return Ok(());
            };
            round = next;
        }
    }
    audited.finished_round = round.rounds > rounds;
    Ok(())
}

/// Looks at a customer, and notes that it did; `None` when somebody else carries on.
async fn look_at(
    store: &Store,
    event: Event,
    round: &AuditRound,
    due: &Due,
    audited: &mut Audited,
    failures: &mut Vec<Error>,
) -> Result<Option<AuditRound>, Error> {
    let customer = &due.customer;
    match verify(store, event, due, audited).await {
        Ok(()) => audited.customers = audited.customers.saturating_add(1),
        Err(error @ (Error::Throttled(_) | Error::Unavailable(_))) => return Err(error),
        Err(Error::Conflict) => {
            audited.passed_over = audited.passed_over.saturating_add(1);
            tracing::warn!(%customer, "others kept writing, and the customer is passed over");
        }
        Err(Error::TooLarge(reason)) => {
            audited.passed_over = audited.passed_over.saturating_add(1);
            tracing::warn!(%customer, reason, "the customer is passed over");
        }
        // It never will be readable as it is, and must not keep the others from it.
        Err(error) => {
            tracing::error!(%customer, %error, "a customer could not be audited, and is passed over");
            failures.push(error);
        }
    }
    store.audit_done(round, Some(due)).await
}

async fn verify(store: &Store, event: Event, due: &Due, audited: &mut Audited) -> Result<(), Error> {
    let customer = &due.customer;
    let entries = store.entry_count(customer).await?;
    if entries > TOO_MANY {
        return Err(Error::TooLarge(format!("{entries} entries are for `scrip audit`")));
    }
    let Some(verified) = store.verify(customer, event.at).await? else { return Ok(()) };
    audited.entries = audited.entries.saturating_add(verified.entries());
    for finding in verified.findings() {
        audited.findings = audited.findings.saturating_add(1);
        let entry = finding.entry.map(|entry| entry.to_string());
        let currency = finding.currency.map(|currency| currency.to_string());
        tracing::error!(%customer, currency, entry, code = %finding.code, detail = finding.detail, "an account is not what its entries say");
    }
    Ok(())
}
