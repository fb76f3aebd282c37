//! Whether an account is what its entries say: one checker for the API, the function that samples and the auditor.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Account, Actor, Currency, CustomerId, Drift, Entry, EntryId, EntryType, Hash, Hold, Money, OutOfRange,
    Replay, Topup, TopupId, TopupStatus, text::words,
};

/// Findings that one account is told of; a ledger that is broken throughout says no more by more of them.
const MAX_FINDINGS: usize = 100;

words! {
    /// What is wrong.
    pub enum Flaw {
        /// A stored item that cannot be read.
        Unreadable = "unreadable",
        /// An entry of another account.
        EntryAccount = "entry_account",
        /// Numbers that no entry has.
        EntryMissing = "entry_missing",
        /// A number that an entry before has, or a later one.
        EntryRepeated = "entry_repeated",
        /// An entry that does not hold the hash of the one before it.
        ChainBroken = "chain_broken",
        /// An entry whose hash is not that of its content.
        HashMismatch = "hash_mismatch",
        /// A free text that is not the one that was hashed.
        TextAltered = "text_altered",
        /// An entry that is earlier than the one before it.
        EntryTime = "entry_time",
        /// An entry that is not as entries of its type are.
        EntryForm = "entry_form",
        /// An entry that takes from lots, or makes them, as no rule does.
        EntryLots = "entry_lots",
        /// An entry of a hold that is not there, or is another.
        EntryHold = "entry_hold",
        /// A refund of what was not spent.
        EntryRefund = "entry_refund",
        /// An entry whose parts do not come to its amount.
        EntryAmount = "entry_amount",
        /// An entry with another balance than follows.
        EntryBalance = "entry_balance",
        /// An entry with other holds than follow.
        EntryHeld = "entry_held",
        /// Amounts that no rule lets in.
        OutOfRange = "out_of_range",
        /// Entries without an account.
        AccountMissing = "account_missing",
        /// An account that is not at its last entry.
        AccountNumber = "account_number",
        /// An account whose hash or time is not that of its last entry.
        AccountHash = "account_hash",
        /// An account whose balance is not that of its last entry.
        AccountBalance = "account_balance",
        /// An account whose lots do not follow from its entries.
        AccountLots = "account_lots",
        /// An account whose holds do not follow from its entries.
        AccountHolds = "account_holds",
        /// An account that owes something else than follows from its entries.
        AccountDebt = "account_debt",
        /// An account whose totals do not follow from its entries.
        AccountTotals = "account_totals",
        /// An account that does not count the top-ups that wait.
        AccountPending = "account_pending",
        /// An account that the schedule would look at after its next expiry.
        AccountExpiry = "account_expiry",
        /// An entry of a top-up that is not there, or not approved.
        TopupMissing = "topup_missing",
        /// An approved top-up that no entry credits.
        TopupUncredited = "topup_uncredited",
        /// A top-up that says something else than its entry.
        TopupDiffers = "topup_differs",
        /// A top-up that was credited twice.
        TopupRepeated = "topup_repeated",
        /// What was given back of a redemption is not the sum of its refunds.
        RefundsDiffer = "refunds_differ",
        /// What is noted of the rows that were imported is not of as many entries as were.
        ImportsDiffer = "imports_differ",
        /// Rules by which entries were decided, or what was changed in them, that are not there.
        RulesMissing = "rules_missing",
        /// An item under another key than its own.
        KeyDrift = "key_drift",
        /// An item that stands elsewhere in an index than it should.
        IndexDrift = "index_drift",
        /// A list that says something else than what it lists.
        ListDrift = "list_drift",
        /// An item of no known kind.
        UnknownItem = "unknown_item",
        /// Two items under one key.
        ItemRepeated = "item_repeated",
        /// Sums over all accounts that do not come to each other.
        TotalsDiffer = "totals_differ",
    }
}

impl Flaw {
    /// Whether one stored item alone shows it, whatever stands beside.
    pub fn is_of_one_item(self) -> bool {
        use Flaw::{HashMismatch, IndexDrift, ItemRepeated, KeyDrift, TextAltered, UnknownItem, Unreadable};
        matches!(
            self,
            Unreadable | HashMismatch | TextAltered | KeyDrift | IndexDrift | UnknownItem | ItemRepeated
        )
    }

    /// Whether a change between the reads of account, top-ups and refunds could look like it.
    pub fn may_be_haste(self) -> bool {
        use Flaw::{
            AccountMissing, AccountPending, ImportsDiffer, RefundsDiffer, RulesMissing, TopupDiffers,
            TopupMissing, TopupUncredited,
        };
        matches!(
            self,
            AccountMissing
                | AccountPending
                | ImportsDiffer
                | RefundsDiffer
                | RulesMissing
                | TopupDiffers
                | TopupMissing
                | TopupUncredited
        )
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// In the account of this currency, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// The entry, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<EntryId>,
    /// What is wrong.
    pub code: Flaw,
    /// The same in words, with what was found.
    pub detail: String,
}

/// One account's entries, taken in one after the other, to hold what is stored beside them against.
///
/// It goes on after an entry that does not follow, by numbers and hashes alone. Memory grows with the redemptions and
/// top-ups of the account, by some bytes each, and not with its entries.
#[derive(Clone, Debug)]
pub struct Audit {
    /// The account as far as every entry followed.
    pub(crate) replay: Replay,
    /// Whether it still does.
    pub(crate) follows: bool,
    entries: u64,
    pub(crate) number: u64,
    hash: Hash,
    balance: Option<Money>,
    pub(crate) found: Found,
    /// What credited each top-up that was credited.
    pub(crate) credited: BTreeMap<TopupId, Credited>,
    /// What was given back of which redemption.
    pub(crate) refunded: BTreeMap<u64, Money>,
    imports: u64,
    decided_by: Versions,
    booked: Booked,
    /// The entry whose hash is kept, and its hash.
    pub(crate) marked: Option<(u64, Option<Hash>)>,
}

/// What an entry says of the top-up that it credited.
#[derive(Clone, Debug)]
pub(crate) struct Credited {
    pub(crate) entry: EntryId,
    pub(crate) amount: Money,
    pub(crate) by: Actor,
    pub(crate) at: Timestamp,
}

/// What is wrong with one account, bounded.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    currency: Currency,
    pub(crate) findings: Vec<Finding>,
}

impl Found {
    fn find(&mut self, entry: Option<EntryId>, code: Flaw, detail: String) {
        let known = |found: &Finding| entry.is_some() && (found.entry, found.code) == (entry, code);
        if self.findings.len() < MAX_FINDINGS && !self.findings.iter().any(known) {
            self.findings.push(Finding { currency: Some(self.currency), entry, code, detail });
        }
    }
}

/// The last versions of the rules that entries were decided by; 0 of those that nobody had written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Of the settings, the groups' among them.
    pub settings: u64,
    /// Of the customer's own document.
    pub customer: u64,
}

impl Versions {
    /// The later ones of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { settings: self.settings.max(other.settings), customer: self.customer.max(other.customer) }
    }
}

/// What all entries of one currency come to, in smallest units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Booked {
    /// Granted, topped up and given back.
    pub brought: i128,
    /// Spent, withdrawn, expired, debited and voided.
    pub taken: i128,
}

impl Booked {
    /// Both together with another's.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            brought: self.brought.saturating_add(other.brought),
            taken: self.taken.saturating_add(other.taken),
        }
    }
}

/// What is stored beside an account's entries.
#[derive(Clone, Copy, Debug)]
pub struct Beside<'a> {
    /// The account, if there is one.
    pub account: Option<&'a Account>,
    /// The customer's top-up requests, of whichever currency.
    pub topups: &'a [Topup],
    /// What is noted as given back, by redemption.
    pub refunds: &'a BTreeMap<u64, Money>,
    /// When it was read.
    pub at: Timestamp,
}

impl Audit {
    /// Before the first entry.
    pub fn new(customer: CustomerId, currency: Currency) -> Self {
        Self {
            replay: Replay::new(customer, currency),
            follows: true,
            entries: 0,
            number: 0,
            hash: Hash::ZERO,
            balance: None,
            found: Found { currency, findings: Vec::new() },
            credited: BTreeMap::new(),
            refunded: BTreeMap::new(),
            imports: 0,
            decided_by: Versions::default(),
            booked: Booked::default(),
            marked: None,
        }
    }

    /// Keeps the hash of the entry of this number, which is that of a stored account.
    pub fn mark(&mut self, number: u64) {
        self.marked = Some((number, None));
    }

    /// The last entry's number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The last entry's hash.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// How many entries were taken in.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many of them are imports.
    pub fn imports(&self) -> u64 {
        self.imports
    }

    /// The rules by which they were decided.
    pub fn decided_by(&self) -> Versions {
        self.decided_by
    }

    /// What they come to.
    pub fn booked(&self) -> Booked {
        self.booked
    }

    /// Takes the next entry in, by number.
    pub fn take(&mut self, entry: &Entry) {
        self.entries = self.entries.saturating_add(1);
        let drift = if self.follows { self.replay.apply(entry).err() } else { self.next_drift(entry) };
        if let Some(drift) = &drift {
            self.find(Some(entry.id()), flaw_of(drift), drift.to_string());
            // One that comes again is passed over; after any other, lots and balances tell nothing more.
            self.follows =
                self.follows && matches!(drift, Drift::Number { .. }) && entry.number <= self.number;
        }
        if entry.number > self.number {
            self.number = entry.number;
            self.hash = entry.hash;
            self.balance = Some(entry.balance_after);
            if let Some((number, hash)) = &mut self.marked
                && *number == entry.number
            {
                *hash = Some(entry.hash);
            }
            self.note(entry);
        }
    }

    /// What of number and hashes does not follow, where nothing else is asked any more.
    fn next_drift(&self, entry: &Entry) -> Option<Drift> {
        let expected = self.number.saturating_add(1);
        if entry.number != expected {
            return Some(Drift::Number { expected, found: entry.number });
        }
        if entry.prev_hash != self.hash {
            return Some(Drift::Previous);
        }
        let content = entry.content().ok();
        content.is_none_or(|content| Hash::of(content.as_bytes()) != entry.hash).then_some(Drift::Hash)
    }

    /// What rules, top-ups, refunds and totals are held against.
    fn note(&mut self, entry: &Entry) {
        let customer = entry.customer_version.unwrap_or_default();
        self.decided_by = self.decided_by.and(Versions { settings: entry.policy_version, customer });
        let minor = entry.amount.minor().map_or(0, i128::from);
        if minor > 0 {
            self.booked.brought = self.booked.brought.saturating_add(minor);
        } else {
            self.booked.taken = self.booked.taken.saturating_sub(minor);
        }
        if let Some(topup) = &entry.topup {
            let credited =
                Credited { entry: entry.id(), amount: entry.amount, by: entry.actor.clone(), at: entry.at };
            if let Some(Credited { entry: first, .. }) = self.credited.insert(topup.clone(), credited) {
                self.find(Some(entry.id()), Flaw::TopupRepeated, format!("{topup} was credited by {first}"));
            }
        }
        if entry.kind == EntryType::Import {
            self.imports = self.imports.saturating_add(1);
        }
        if let (EntryType::Refund, Some(redemption)) = (entry.kind, entry.redemption) {
            let before = self.refunded.get(&redemption).copied();
            let sum = before.map_or(Ok(entry.amount), |before| before.plus(entry.amount));
            self.refunded.insert(redemption, sum.unwrap_or(entry.amount));
        }
    }

    /// Notes something that whoever reads the items found.
    pub fn find(&mut self, entry: Option<EntryId>, code: Flaw, detail: String) {
        self.found.find(entry, code, detail);
    }

    /// All that is wrong, with the entries and with what is stored beside them.
    pub fn findings(&self, beside: Beside<'_>) -> Vec<Finding> {
        let mut found = self.found.clone();
        if let Err(OutOfRange) = self.compare(beside, &mut found) {
            found.find(None, Flaw::OutOfRange, OutOfRange.to_string());
        }
        found.findings
    }

    fn compare(&self, beside: Beside<'_>, found: &mut Found) -> Result<(), OutOfRange> {
        self.compare_topups(beside.topups, found);
        self.compare_refunds(beside.refunds, found);
        let Some(account) = beside.account else {
            if self.entries > 0 {
                let detail = format!("there are {} entries, and no account", self.entries);
                found.find(None, Flaw::AccountMissing, detail);
            } else if beside.topups.iter().any(|topup| self.waits(topup)) {
                found.find(None, Flaw::AccountMissing, "top-ups wait, and there is no account".to_owned());
            }
            return Ok(());
        };
        compare_pending(account, beside.topups, found)?;
        if account.number != self.number {
            let detail = format!("the account is at entry {}, the last is {}", account.number, self.number);
            found.find(None, Flaw::AccountNumber, detail);
            return Ok(());
        }
        if account.hash != self.hash {
            let detail = format!("the account's hash is {}, the last entry's {}", account.hash, self.hash);
            found.find(None, Flaw::AccountHash, detail);
        }
        let (said, follows) = (account.balance()?, self.balance.unwrap_or(Money::zero(account.currency)));
        if said != follows {
            let detail = format!("the account's balance is {said}, after the last entry {follows}");
            found.find(None, Flaw::AccountBalance, detail);
        }
        compare_expiry(account, beside.at, found);
        if !self.follows {
            return Ok(());
        }
        let at = self.replay.account().at;
        if account.number > 0 && account.at != at {
            let detail = format!("the account is of {}, the last entry of {at}", account.at);
            found.find(None, Flaw::AccountHash, detail);
        }
        compare_parts(account, self.replay.account(), beside.at, found);
        Ok(())
    }

    /// Whether it is a request of this account's that waits.
    pub(crate) fn waits(&self, topup: &Topup) -> bool {
        topup.id.currency == self.replay.account().currency && topup.status == TopupStatus::Pending
    }

    fn compare_topups(&self, topups: &[Topup], found: &mut Found) {
        let currency = self.replay.account().currency;
        let mut unmatched: BTreeMap<&TopupId, (EntryId, Money)> =
            self.credited.iter().map(|(id, credited)| (id, (credited.entry, credited.amount))).collect();
        for topup in topups.iter().filter(|topup| topup.id.currency == currency) {
            let id = &topup.id;
            let told = topup.resolution.as_ref().and_then(|resolution| resolution.credited);
            match (topup.status, told, unmatched.remove(id)) {
                (TopupStatus::Approved, Some(told), Some((entry, amount))) => {
                    if told != (amount, entry) || amount > topup.amount {
                        let (said, by) = told;
                        let detail =
                            format!("{id} was credited with {amount} by {entry}, and says {said} by {by}");
                        found.find(Some(entry), Flaw::TopupDiffers, detail);
                    }
                }
                (TopupStatus::Approved, ..) => {
                    found.find(
                        None,
                        Flaw::TopupUncredited,
                        format!("{id} is approved, and no entry credits it"),
                    );
                }
                (_, None, None) => {}
                (status, _, entry) => {
                    let entry = entry.map(|(entry, _)| entry);
                    found.find(
                        entry,
                        Flaw::TopupDiffers,
                        format!("{id} is {status}, and says that it was credited"),
                    );
                }
            }
        }
        for (id, (entry, _)) in unmatched {
            found.find(Some(entry), Flaw::TopupMissing, format!("there is no top-up {id}"));
        }
    }

    fn compare_refunds(&self, refunds: &BTreeMap<u64, Money>, found: &mut Found) {
        for (_, _, finding) in self.refunds_that_differ(refunds) {
            found.find(finding.entry, finding.code, finding.detail);
        }
    }

    /// The redemptions of which something else is noted as given back than was: what was, and what is wrong.
    pub(crate) fn refunds_that_differ(&self, refunds: &BTreeMap<u64, Money>) -> Vec<(u64, Money, Finding)> {
        let currency = self.replay.account().currency;
        let zero = Money::zero(currency);
        let numbers: BTreeSet<u64> = refunds.keys().chain(self.refunded.keys()).copied().collect();
        let differs = |number| {
            let said = refunds.get(&number).copied().unwrap_or(zero);
            let follows = self.refunded.get(&number).copied().unwrap_or(zero);
            let detail = format!("{said} is noted as given back, the refunds come to {follows}");
            let entry = Some(EntryId { currency, number });
            let finding = Finding { currency: Some(currency), entry, code: Flaw::RefundsDiffer, detail };
            (said != follows).then_some((number, follows, finding))
        };
        numbers.into_iter().filter_map(differs).collect()
    }
}

fn compare_parts(account: &Account, replayed: &Account, at: Timestamp, found: &mut Found) {
    let mut differs = Vec::new();
    if account.lots != replayed.lots {
        let lot = |of: &Account, at: usize| {
            of.lots
                .get(at)
                .map_or("none".to_owned(), |lot| format!("lot {} with {}", lot.number, lot.remaining))
        };
        let longest = account.lots.len().max(replayed.lots.len());
        let at = (0..longest).find(|at| account.lots.get(*at) != replayed.lots.get(*at)).unwrap_or(0);
        let (said, follows) = (lot(account, at), lot(replayed, at));
        differs.push((Flaw::AccountLots, format!("the account has {said} where {follows} follows")));
    }
    // Those that have lapsed may be there, or be dropped: by a rule, or by the schedule without an entry.
    let live = |of: &Account, at: Timestamp| -> Vec<Hold> {
        of.holds.iter().filter(|hold| hold.is_live(at)).cloned().collect()
    };
    let unknown = live(account, account.at).iter().any(|hold| !replayed.holds.contains(hold));
    let gone = live(replayed, at.max(account.at)).iter().any(|hold| !account.holds.contains(hold));
    if unknown || gone {
        let (said, follow) = (account.holds.len(), replayed.holds.len());
        let detail = format!("the account's {said} holds are not the {follow} that follow");
        differs.push((Flaw::AccountHolds, detail));
    }
    if account.debt != replayed.debt {
        let detail = format!("the account owes {}, not {}", account.debt, replayed.debt);
        differs.push((Flaw::AccountDebt, detail));
    }
    let (said, follow) = (account.lifetime.totals(), replayed.lifetime.totals());
    for ((name, said), (_, follows)) in said.into_iter().zip(follow) {
        if said != follows {
            differs.push((Flaw::AccountTotals, format!("{name} is {said}, not {follows}")));
        }
    }
    for (code, detail) in differs {
        found.find(None, code, detail);
    }
}

/// The schedule has to look no later than at the next expiry. What is over already waits for a hold or an exemption.
fn compare_expiry(account: &Account, at: Timestamp, found: &mut Found) {
    let expiries = account.lots.iter().filter_map(|lot| lot.origin.expiry());
    let at = at.max(account.at);
    for expiry in expiries {
        let looks = account.expiry_bound.is_some_and(|bound| expiry <= at || bound <= expiry);
        if !looks {
            let bound = account.expiry_bound.map_or("never".to_owned(), |bound| bound.to_string());
            let detail = format!("a lot expires at {expiry}, and the schedule looks at {bound}");
            return found.find(None, Flaw::AccountExpiry, detail);
        }
    }
}

fn compare_pending(account: &Account, topups: &[Topup], found: &mut Found) -> Result<(), OutOfRange> {
    let waits =
        |topup: &&Topup| topup.id.currency == account.currency && topup.status == TopupStatus::Pending;
    let waiting: Vec<&Topup> = topups.iter().filter(waits).collect();
    let sum = Money::sum(account.currency, waiting.iter().map(|topup| topup.amount))?;
    if account.pending != sum {
        let detail = format!("the account counts {} as waiting, the top-ups come to {sum}", account.pending);
        found.find(None, Flaw::AccountPending, detail);
        return Ok(());
    }
    let key = |(at, amount): (Timestamp, Money)| (at, amount.minor().unwrap_or(i64::MAX));
    let mut said: Vec<_> = account.lapses.iter().copied().map(key).collect();
    let lapses = waiting.iter().filter_map(|topup| Some(key((topup.lapses_at?, topup.amount))));
    let mut follow: Vec<_> = lapses.collect();
    said.sort_unstable();
    follow.sort_unstable();
    if said != follow {
        let detail = "the account has other moments at which top-ups lapse than these".to_owned();
        found.find(None, Flaw::AccountPending, detail);
    }
    Ok(())
}

fn flaw_of(drift: &Drift) -> Flaw {
    match drift {
        Drift::Account { .. } => Flaw::EntryAccount,
        Drift::Number { expected, found } if found > expected => Flaw::EntryMissing,
        Drift::Number { .. } => Flaw::EntryRepeated,
        Drift::Previous => Flaw::ChainBroken,
        Drift::Hash => Flaw::HashMismatch,
        Drift::Text { .. } => Flaw::TextAltered,
        Drift::Time => Flaw::EntryTime,
        Drift::Form { .. } => Flaw::EntryForm,
        Drift::LotNotOpen { .. }
        | Drift::LotNotNew { .. }
        | Drift::LotOverdrawn { .. }
        | Drift::LotOrigin { .. }
        | Drift::LotNotDue { .. }
        | Drift::LotLeft { .. } => Flaw::EntryLots,
        Drift::HoldNotLive { .. } | Drift::HoldDiffers { .. } => Flaw::EntryHold,
        Drift::RedemptionUnknown { .. } | Drift::RefundExceeds { .. } => Flaw::EntryRefund,
        Drift::Overdraft { .. } | Drift::Amount { .. } => Flaw::EntryAmount,
        Drift::Balance { .. } => Flaw::EntryBalance,
        Drift::Held { .. } => Flaw::EntryHeld,
        Drift::OutOfRange(_) => Flaw::OutOfRange,
    }
}
