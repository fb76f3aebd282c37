//! The ledger's storage: the only code that knows DynamoDB.
//!
//! One customer's credit in one currency is one item that holds its open lots; a change is one transaction that puts
//! that item, on condition that nobody else has since, and a new entry, on condition that nothing stands under its
//! idempotency key. It decides nothing: what changes comes from a rule of `ledger`. No entry is ever changed or
//! deleted, but for free texts that are erased, and for where it stands in an index, which an operator's repair puts right;
//! nothing but lists and the journal is written outside a transaction, and what an operator loads into an empty table; no table is
//! scanned but by the auditor and the export, which are no functions.

mod api_keys;
mod audit;
mod carrier;
mod client;
mod commit;
mod documents;
mod erase;
mod error;
mod group_grants;
mod import;
mod items;
mod journal;
mod lists;
mod load;
mod news;
mod notices;
mod queries;
mod reach_back;
mod records;
mod reminders;
mod repair;
mod rounds;
mod rules;
mod standings;
#[cfg(test)]
mod tests;
mod transaction;

pub use api_keys::{ApiKey, ApiKeysCursor};
pub use audit::{CustomerAudit, Misplaced, Verified, VerifiedAccount};
pub use carrier::carrier;
pub use client::{Connection, Store};
pub use commit::{Approved, Command, CommandKey, Committed, Requested};
pub use documents::{Changed, ChangesCursor, DocumentChange, Edit, GrantTerms, Group, Profile, Settings};
pub use error::Error;
pub use group_grants::{FailuresCursor, GrantFailure, GroupCommand, GroupGrant, GroupGrantId};
pub use import::{Imported, MAX_IMPORTED_ROWS, Rows, Unimported};
pub use items::Fingerprint;
pub use journal::{JournalCursor, Rebooked};
pub use lists::{ChangedItem, CustomersCursor, CustomersFilter, Listed, Order, Range};
pub use load::Placed;
pub use news::News;
pub use notices::{Notices, Telling, Versioned};
pub use queries::{
    CustomerRecord, Due, DuePlace, EntriesCursor, EntriesFilter, MAX_PAGE, Page, PendingTopup, SHARDS,
    TopupsCursor,
};
pub use reach_back::ReachBack;
pub use records::{InvalidRecord, Place, Record, ScanPlace};
pub use reminders::{ExpiringSoon, Reminder, Reminders};
pub use repair::{Repair, Repaired, Repairing};
pub use rounds::AuditRound;
pub use rules::RulesAudit;
pub use standings::{CLOSED_AFTER, Closed, LATE, Standings};
