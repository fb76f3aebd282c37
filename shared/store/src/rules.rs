//! Whether the rules are there that entries were decided by: the store's settings and a customer's own document, and for each
//! version of these the line that tells what it changed.
//!
//! An entry names the versions. Whoever restores a table without its settings has the defaults in force, and no account shows it.

use std::{collections::BTreeSet, ops::RangeInclusive};

use aws_sdk_dynamodb::types::AttributeValue;
use ledger::{CustomerId, Finding, Flaw, Versions};

use crate::{
    Error, Record, Store,
    items::{Fields, Item, Key, PROFILE_CHANGES, SETTINGS_CHANGES},
};

/// Most lines that are written in the place of lost ones: a version that was forged may be any number.
const MAX_LOST: usize = 1_000;
/// What findings call the store's document.
pub(crate) const SETTINGS: &str = "the settings";
/// What findings call a customer's document.
pub(crate) const PROFILE: &str = "the customer's document";

/// The store's rules as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RulesAudit(pub(crate) History);

/// What there is of one document of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    /// The version that it is at; 0 if there is none.
    pub(crate) version: u64,
    /// The versions of which a line tells what they changed.
    pub(crate) lines: BTreeSet<u64>,
}

/// What has to be written for a document's history to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mending {
    /// The version that the document has to get, where it is behind, with the finding that says so.
    pub(crate) restored: Option<(u64, Finding)>,
    /// The versions whose lines are lost, each with the finding that says so.
    pub(crate) lost: Vec<(u64, Finding)>,
}

impl RulesAudit {
    /// Takes an item in, if it is of these.
    pub fn take(&mut self, record: &Record) {
        self.take_item(&record.0);
    }

    fn take_item(&mut self, item: &Item) {
        let Ok(key) = Key::of(item) else { return };
        if key == Key::settings() {
            self.0.version = Fields(item).number("version").unwrap_or_default();
        } else if key.pk == Key::settings().pk {
            self.0.lines.extend(version_of(&key, SETTINGS_CHANGES));
        }
    }

    /// What is not there of the rules that entries up to these were decided by.
    pub fn findings(&self, decided_by: Versions) -> Vec<Finding> {
        let Self(history) = self;
        let mut findings: Vec<Finding> = history.behind(SETTINGS, decided_by.settings).into_iter().collect();
        findings.extend(history.untold(SETTINGS, decided_by.settings));
        findings
    }
}

impl History {
    /// Whether entries were decided by a later version than it is at.
    pub(crate) fn behind(&self, of: &str, named: u64) -> Option<Finding> {
        let Self { version, .. } = self;
        let detail =
            format!("version {version} of {of} is there, and entries were decided by version {named}");
        (*version < named).then(|| finding(detail))
    }

    /// The versions up to its own and up to this one of which no line tells what they changed, run by run.
    pub(crate) fn untold(&self, of: &str, named: u64) -> Vec<Finding> {
        self.gaps(self.version.max(named)).iter().map(|gap| untold(of, gap)).collect()
    }

    /// What is to be written; `None` where that is more than anybody wrote.
    ///
    /// One that is behind gets a version that there never was, so that the next is none of those that entries name.
    pub(crate) fn mending(&self, of: &str, named: u64) -> Option<Mending> {
        let last = self.lines.last().copied().unwrap_or_default().max(named);
        let restored = match self.behind(of, named) {
            Some(behind) => Some((last.checked_add(1)?, behind)),
            None => None,
        };
        let mut lost = Vec::new();
        for gap in self.gaps(if restored.is_some() { last } else { self.version }) {
            let finding = untold(of, &gap);
            lost.extend(gap.take(MAX_LOST.saturating_add(1)).map(|version| (version, finding.clone())));
            if lost.len() > MAX_LOST {
                return None;
            }
        }
        Some(Mending { restored, lost })
    }

    /// The versions up to the last one that have no line.
    fn gaps(&self, last: u64) -> Vec<RangeInclusive<u64>> {
        let mut next = 1_u64;
        let mut gaps = Vec::new();
        for line in self.lines.range(1..=last.max(1)) {
            if next < *line {
                gaps.push(next..=line.saturating_sub(1));
            }
            next = line.saturating_add(1);
        }
        if next <= last {
            gaps.push(next..=last);
        }
        gaps
    }
}

fn untold(of: &str, gap: &RangeInclusive<u64>) -> Finding {
    finding(format!("nothing tells what versions {} to {} of {of} changed", gap.start(), gap.end()))
}

fn finding(detail: String) -> Finding {
    Finding { currency: None, entry: None, code: Flaw::RulesMissing, detail }
}

/// The version whose line stands under this key.
pub(crate) fn version_of(key: &Key, prefix: &str) -> Option<u64> {
    key.sk.strip_prefix(prefix)?.parse().ok()
}

impl Store {
    /// The store's rules as they stand now.
    ///
    /// # Errors
    /// [`Error::Conflict`] when somebody wrote them meanwhile; when the database does not answer.
    pub async fn rules_audit(&self) -> Result<RulesAudit, Error> {
        let mut audit = RulesAudit::default();
        let before = self.get(Key::settings()).await?;
        before.iter().for_each(|item| audit.take_item(item));
        let lines = self
            .query("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(Key::settings().pk))
            .expression_attribute_values(":prefix", AttributeValue::S(SETTINGS_CHANGES.to_owned()))
            .consistent_read(true);
        self.each(lines, |item| audit.take_item(item)).await?;
        if self.get(Key::settings()).await? == before { Ok(audit) } else { Err(Error::Conflict) }
    }

    /// The versions of a customer's document up to this one of which nothing tells what they changed, of what is there now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn untold_rules(&self, customer: &CustomerId, last: u64) -> Result<Vec<Finding>, Error> {
        let mut history = History::default();
        self.each(self.below(customer, PROFILE_CHANGES), |item| {
            history.lines.extend(Key::of(item).ok().and_then(|key| version_of(&key, PROFILE_CHANGES)));
        })
        .await?;
        Ok(history.untold(PROFILE, last))
    }
}
