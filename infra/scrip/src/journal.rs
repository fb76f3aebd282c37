//! The journal made anew from the entries: for a store that had some before it had a journal, and for what the stream lost.
//!
//! It walks all accounts by their index and scans nothing.

use std::io::Write;

use ledger::{CustomerId, EntryId};
use serde::Serialize;
use store::{Due, SHARDS, Store};

use crate::{Failure, audit::patiently};

/// Accounts that one read of their index answers.
const BATCH: usize = 100;
/// Accounts between two lines that tell how far it is.
const STEP: u64 = 1_000;

/// What was held against the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Journaled {
    /// Accounts.
    pub accounts: u64,
    /// Their entries.
    pub entries: u64,
    /// Those that were missing in the journal, or otherwise than they should be.
    pub amiss: u64,
}

/// One line of what was missing.
#[derive(Serialize)]
struct Line<'a> {
    customer: &'a CustomerId,
    entry: &'a EntryId,
    written: bool,
}

/// Holds all entries against the journal, and writes what is missing there if told to: a line for each to `out`, and how far it
/// is to `progress`.
///
/// # Errors
/// When something cannot be read or written.
pub async fn journal(
    store: &Store,
    write: bool,
    out: &mut dyn Write,
    progress: &mut dyn Write,
) -> Result<Journaled, Failure> {
    let mut journaled = Journaled::default();
    for shard in 0..SHARDS {
        let mut after: Option<Due> = None;
        loop {
            let accounts = patiently(|| store.accounts(shard, after.as_ref(), BATCH)).await?;
            for account in &accounts {
                let rebooked = patiently(|| store.rebook(account, write)).await?;
                for entry in &rebooked.amiss {
                    let line = Line { customer: &account.customer, entry, written: write };
                    writeln!(out, "{}", serde_json::to_string(&line)?)?;
                    journaled.amiss = journaled.amiss.saturating_add(1);
                }
                journaled.accounts = journaled.accounts.saturating_add(1);
                journaled.entries = journaled.entries.saturating_add(rebooked.entries);
                if journaled.accounts.is_multiple_of(STEP) {
                    writeln!(
                        progress,
                        "looked at {} accounts, {} entries",
                        journaled.accounts, journaled.entries
                    )?;
                }
            }
            match accounts.last() {
                Some(last) => after = Some(last.clone()),
                None => break,
            }
        }
    }
    let Journaled { accounts, entries, amiss } = journaled;
    writeln!(progress, "{accounts} accounts, {entries} entries; {amiss} were missing in the journal")?;
    Ok(journaled)
}
