//! Putting right what is stored beside a customer's entries, for an operator who restored a table: no function does so, and
//! none has the right to.
//!
//! What has to be otherwise is the ledger's to say ([`ledger::Audit::mend`]). Each write is on condition that the item is as it
//! was read, attribute by attribute, so that it never undoes what somebody else did; and follows from what is stored alone,
//! so that it may be stopped anywhere and done again. No entry's content is changed, and nothing is deleted.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use jiff::Timestamp;
use ledger::{
    Beside, Currency, CustomerId, EntryId, Finding, Flaw, Hash, Label, Left, Mended, Topup, Versions,
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    CustomerAudit, DocumentChange, Error, Misplaced, Profile, Store,
    audit::{INDEXED, place_of},
    documents::{decode_profile, decode_settings, encode_document, encode_profile, encode_settings},
    items::{
        ACCOUNTS, ENTRIES, Fields, Filed, Fingerprint, GROUP, Item, Key, KeyDigest, LISTED, NAMES,
        PROFILE_CHANGES, Stored, decode_account, decode_entry, decode_refunds, decode_topup, encode_account,
        encode_entry_place, encode_listed_balance, encode_listed_group, encode_listed_name, encode_refunds,
        encode_topup, encode_unlisted_balance,
    },
    records::json_of,
    rules::{Mending, PROFILE, SETTINGS},
    transaction::{pause, transact},
};

/// Rounds of reading a customer whom others keep writing.
const MAX_ROUNDS: u32 = 16;
/// Items that one transaction writes, of the 100 that it may.
const MAX_WRITES: usize = 90;

/// How to repair.
#[derive(Clone, Debug)]
pub struct Repairing<'a> {
    /// The moment by which expiries are due.
    pub at: Timestamp,
    /// Whether anything is written, or told alone.
    pub write: bool,
    /// The customer's accounts in which somebody decided to give up what no entry says.
    pub roll_back: &'a BTreeSet<Currency>,
}

/// One item that has to be otherwise.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Repair {
    /// In which currency, if it is of one account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Currency>,
    /// Its key.
    pub item: String,
    /// What is wrong.
    pub wrong: Vec<Finding>,
    /// From what it follows that it has to be as it is written.
    pub why: String,
    /// The item as it has to be, as an export holds it.
    pub write: Value,
    /// Whether it was.
    pub written: bool,
}

/// What came of a customer, or of the store's rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Repaired {
    /// What has to be otherwise, or was and is now.
    pub repairs: Vec<Repair>,
    /// What stays wrong, and why.
    pub left: BTreeSet<Left>,
    /// The accounts of which something was given up.
    pub rolled_back: BTreeSet<Currency>,
}

/// An item on its way to be written over what was read under its key.
struct Write {
    currency: Option<Currency>,
    before: Option<Item>,
    after: Item,
    wrong: Vec<Finding>,
    why: String,
}

/// What has to be written, account by account, and what stays wrong.
#[derive(Default)]
struct Plan {
    writes: Vec<Vec<Write>>,
    left: BTreeSet<Left>,
    rolled_back: BTreeSet<Currency>,
}

impl CustomerAudit {
    /// Whether the lists are as what they list is now. The auditor lets them be older, but nobody brings those of a restored
    /// table up: its stream begins empty.
    pub fn lists_are_current(&self) -> bool {
        self.listings(self.beside.profile.as_ref(), &self.beside.accounts)
            .is_ok_and(|rows| rows.iter().all(|row| self.listed(row).is_some_and(|before| before == row)))
    }

    /// The rows that this customer has to have in the lists, of this document and these accounts.
    fn listings(
        &self,
        profile: Option<&Profile>,
        accounts: &BTreeMap<Currency, Stored>,
    ) -> Result<Vec<Item>, Error> {
        let customer = &self.customer;
        let mut rows = Vec::new();
        match profile {
            Some(profile) => {
                let (name, group) = (profile.name.as_ref().map(Label::as_str), profile.group.as_ref());
                rows.push(encode_listed_name(customer, name, profile.version));
                rows.push(encode_listed_group(customer, name, group, profile.version));
            }
            None => {
                let is_listed = |sk: &str| self.beside.listed.iter().any(|row| is_of(row, sk));
                if !accounts.is_empty() || is_listed(NAMES) {
                    rows.push(encode_listed_name(customer, None, 0));
                }
                if is_listed(GROUP) {
                    rows.push(encode_listed_group(customer, None, None, 0));
                }
            }
        }
        for stored in accounts.values() {
            rows.push(encode_listed_balance(stored)?);
        }
        let listed = self.beside.listed.iter().filter_map(|row| Fields(row).parse::<Currency>("sk").ok());
        let known = self.currencies();
        for currency in
            listed.filter(|currency| !accounts.contains_key(currency) && !known.contains(currency))
        {
            rows.push(encode_unlisted_balance(customer, currency));
        }
        Ok(rows)
    }

    /// The row that stands where this one has to.
    fn listed(&self, row: &Item) -> Option<&Item> {
        self.beside.listed.iter().find(|listed| listed.get("sk") == row.get("sk"))
    }
}

fn is_of(row: &Item, sk: &str) -> bool {
    Fields(row).text("sk").is_ok_and(|found| found == sk)
}

impl Store {
    /// Puts right what follows from a customer's entries, or tells what it would.
    ///
    /// # Errors
    /// [`Error::Conflict`] when others kept writing; when the database does not answer. What was written is right then, and
    /// the rest is found again.
    pub async fn repair(
        &self,
        customer: &CustomerId,
        misplaced: &Misplaced,
        how: &Repairing<'_>,
    ) -> Result<Repaired, Error> {
        let mut done = Repaired::default();
        let placed = self.repair_places(misplaced, how, &mut done).await?;
        if !done.left.is_empty() {
            return Ok(done);
        }
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let Some(audit) = self.read_whole(customer).await? else { continue };
            let Some(plan) = self.plan(&audit, &placed, how).await? else { continue };
            if self.carry_out(plan.writes, how, &mut done).await? {
                done.left = plan.left;
                done.rolled_back.extend(plan.rolled_back);
                return Ok(done);
            }
        }
        Err(Error::Conflict)
    }

    /// Tells in the place of each line that is lost that it is; and where the settings are of an earlier version than entries
    /// were decided by, puts them above every version that there was, as they are.
    ///
    /// # Errors
    /// As [`Store::repair`].
    pub async fn repair_rules(&self, decided_by: Versions, how: &Repairing<'_>) -> Result<Repaired, Error> {
        let (audit, before) = (self.rules_audit().await?, self.get(Key::settings()).await?);
        let mut done = Repaired::default();
        let settings = decode_settings(before.as_ref()).ok();
        let settings = settings.filter(|settings| settings.version == audit.0.version);
        let mending = audit.0.mending(SETTINGS, decided_by.settings);
        let (Some(mut settings), Some(mending)) = (settings, mending) else {
            done.left = audit.findings(decided_by).into_iter().map(Left::from).collect();
            return Ok(done);
        };
        let mut writes = lost_lines(&mending, how.at, Key::settings_change)?;
        if let Some((version, behind)) = mending.restored {
            settings.version = version;
            writes.push(restored_document(before, encode_settings(&settings)?, behind));
        }
        if self.carry_out(vec![writes], how, &mut done).await? { Ok(done) } else { Err(Error::Conflict) }
    }

    /// Puts items back where their content puts them in the indexes. Answers the entries among them.
    async fn repair_places(
        &self,
        Misplaced(keys): &Misplaced,
        how: &Repairing<'_>,
        done: &mut Repaired,
    ) -> Result<BTreeSet<EntryId>, Error> {
        let mut placed = BTreeSet::new();
        for key in keys {
            let Some(before) = self.get(key.clone()).await? else { continue };
            let Some((after, entry)) = in_place(key, &before)? else { continue };
            let wrong = Finding {
                currency: entry.map(|entry| entry.currency),
                entry,
                code: Flaw::IndexDrift,
                detail: format!("{} does not stand in the indexes where it should", key.sk),
            };
            // Read by its number no entry is found that has none there.
            if !how.write && entry.is_some() && !before.contains_key("n") {
                let why = "it follows where it stands, but what else is wrong is told once it does: repair, and ask again";
                done.left.insert(Left { finding: wrong.clone(), why: why.to_owned() });
            }
            placed.extend(entry);
            let why = "what it says tells where it stands".to_owned();
            let currency = wrong.currency;
            let write = Write { currency, before: Some(before), after, wrong: vec![wrong], why };
            // One that somebody just wrote is read anew with all the rest.
            self.carry_out(vec![vec![write]], how, done).await?;
        }
        Ok(placed)
    }

    /// Reads all of a customer that can be read by keys and numbers; `None` when somebody wrote meanwhile.
    async fn read_whole(&self, customer: &CustomerId) -> Result<Option<CustomerAudit>, Error> {
        let mut audit = CustomerAudit::new(customer.clone());
        let (before, _) = self.take_beside(&mut audit).await?;
        let accounts: Vec<(Currency, u64)> = audit
            .beside
            .accounts
            .iter()
            .map(|(currency, stored)| (*currency, stored.account.number))
            .collect();
        for (currency, number) in accounts {
            audit.audit(currency).mark(number);
        }
        self.each(self.below_number(customer, ENTRIES), |item| audit.take(item)).await?;
        self.each(self.below(customer, PROFILE_CHANGES), |item| audit.take(item)).await?;
        Ok((before == self.revisions(customer).await?).then_some(audit))
    }

    /// What has to be written of a customer; `None` when somebody wrote since it was read.
    async fn plan(
        &self,
        audit: &CustomerAudit,
        placed: &BTreeSet<EntryId>,
        how: &Repairing<'_>,
    ) -> Result<Option<Plan>, Error> {
        let mut plan = Plan::default();
        let mut accounts = audit.beside.accounts.clone();
        for currency in audit.currencies() {
            let Some((writes, mended)) = self.plan_account(audit, currency, how, &mut accounts).await? else {
                return Ok(None);
            };
            if mended.given_up {
                plan.rolled_back.insert(currency);
            }
            plan.writes.push(writes);
            plan.left.extend(mended.left);
        }
        // What cannot be read may be the document, which the lists follow from.
        let unread = |found: &Finding| found.code == Flaw::Unreadable && found.currency.is_none();
        let unread = audit.beside.findings.iter().any(unread);
        let mut profile = audit.beside.profile.clone();
        let named = audit.decided_by().customer;
        match audit.beside.history.mending(PROFILE, named).filter(|_| !unread) {
            None => {
                let left =
                    audit.beside.history.behind(PROFILE, named).into_iter().chain(audit.untold_rules());
                plan.left.extend(left.map(Left::from));
            }
            Some(mending) => {
                let mut writes =
                    lost_lines(&mending, how.at, |version| Key::profile_change(&audit.customer, version))?;
                if let Some((version, behind)) = mending.restored {
                    let before = self.get(Key::profile(&audit.customer)).await?;
                    if before.as_ref().map(decode_profile).transpose()? != profile {
                        return Ok(None);
                    }
                    let restored = Profile { version, ..profile.unwrap_or_default() };
                    let after = encode_profile(&audit.customer, &restored)?;
                    writes.push(restored_document(before, after, behind));
                    profile = Some(restored);
                }
                plan.writes.push(writes);
            }
        }
        let mut lists = Vec::new();
        let rows = if unread { Vec::new() } else { audit.listings(profile.as_ref(), &accounts)? };
        for row in rows {
            let before = audit.listed(&row);
            let is_read =
                |row: &Item| Fields(row).expect_format().is_ok() && Fields(row).number::<u64>("rev").is_ok();
            // Documents of before there were versions do not tell which of two is newer.
            let unversioned = profile.as_ref().is_some_and(|profile| profile.version == 0);
            let stays = before.is_some_and(|before| {
                *before == row || !is_read(before) || (unversioned && !is_balance(before))
            });
            if !stays {
                lists.push(list_write(before, row)?);
            }
        }
        plan.writes.push(lists);

        plan.left.extend(audit.unlike_imports().into_iter().map(Left::from));
        let found = audit.beside.findings.iter().chain(&audit.strays).cloned();
        plan.left.extend(found.filter(|found| found.code != Flaw::IndexDrift).map(Left::from));
        let known = audit.currencies();
        let of_nothing = |currency: &Currency| known.contains(currency) && !accounts.contains_key(currency);
        let lists = audit.beside.unlike_lists().into_iter().filter(|found| {
            unread || found.code == Flaw::Unreadable || found.currency.as_ref().is_some_and(of_nothing)
        });
        plan.left.extend(lists.map(Left::from));
        plan.left.retain(|left| {
            let entry = left.finding.entry.filter(|_| left.finding.code == Flaw::IndexDrift);
            entry.is_none_or(|entry| !placed.contains(&entry))
        });
        Ok(Some(plan))
    }

    /// What has to be written of one account, and what stays wrong with it. The account as it is then is put to `accounts`.
    async fn plan_account(
        &self,
        audit: &CustomerAudit,
        currency: Currency,
        how: &Repairing<'_>,
        accounts: &mut BTreeMap<Currency, Stored>,
    ) -> Result<Option<(Vec<Write>, Mended)>, Error> {
        let customer = &audit.customer;
        let none = ledger::Audit::new(customer.clone(), currency);
        let entries = audit.entries.get(&currency).unwrap_or(&none);
        let beside = &audit.beside;
        let stored = beside.accounts.get(&currency);
        let no_refunds = BTreeMap::new();
        let refunds = beside.refunds.get(&currency).unwrap_or(&no_refunds);
        let mut topups = beside.topups.clone();

        let mut writes = Vec::new();
        if entries.follows() {
            for id in entries.topups_missing(&beside.topups) {
                let Some((topup, entry, fingerprint)) = self.automatic(customer, &id).await? else {
                    continue;
                };
                writes.push(Write {
                    currency: Some(currency),
                    before: None,
                    after: encode_topup(customer, &topup, fingerprint, Filed::WhilePending)?,
                    wrong: vec![Finding {
                        currency: Some(currency),
                        entry: Some(entry),
                        code: Flaw::TopupMissing,
                        detail: format!("there is no top-up {id}"),
                    }],
                    why: format!("the settings approved it at once, and {entry} says all of it but when it would have lapsed"),
                });
                topups.push(topup);
            }
        }
        let of_account =
            Beside { account: stored.map(|stored| &stored.account), topups: &topups, refunds, at: how.at };
        let unread = |found: &&Finding| {
            found.code == Flaw::Unreadable && found.currency.is_none_or(|of| of == currency)
        };
        let mut mended = if beside.findings.iter().chain(&audit.strays).any(|found| unread(&found)) {
            // What cannot be read may say anything.
            writes.clear();
            let found = entries.findings(of_account).into_iter().map(Left::from);
            Mended { left: found.collect(), ..Mended::default() }
        } else {
            entries.mend(of_account, how.roll_back.contains(&currency))
        };

        for mend in std::mem::take(&mut mended.topups) {
            let before = self.get(Key::topup(customer, &mend.to.id)).await?;
            let Some(before) = before.filter(|item| {
                decode_topup(item).is_ok_and(|read| beside.topups.contains(&read) && read.id == mend.to.id)
            }) else {
                return Ok(None);
            };
            let after =
                encode_topup(customer, &mend.to, Fields(&before).fingerprint()?, Filed::WhilePending)?;
            let (wrong, why) = (mend.wrong, mend.why);
            writes.push(Write { currency: Some(currency), before: Some(before), after, wrong, why });
        }
        for mend in std::mem::take(&mut mended.refunds) {
            let (number, to) = mend.to;
            let redemption = EntryId { currency, number };
            let before = self.get(Key::refunds(customer, redemption)).await?;
            let read = before.as_ref().map(|item| decode_refunds(item, currency)).transpose()?;
            if read.as_ref() != refunds.get(&number) {
                return Ok(None);
            }
            let after = encode_refunds(customer, redemption, to)?;
            let (wrong, why) = (mend.wrong, mend.why);
            writes.push(Write { currency: Some(currency), before, after, wrong, why });
        }

        let key = Key::account(customer, currency);
        let misplaced = audit.misplaced().0.contains(&key);
        let of_index = || {
            let of_index =
                |found: &&Finding| found.code == Flaw::IndexDrift && found.currency == Some(currency);
            beside.findings.iter().filter(of_index).cloned().collect::<Vec<_>>()
        };
        let account = match (mended.account.take(), stored) {
            (Some(mend), _) => Some((mend.to, mend.wrong, mend.why)),
            (None, Some(stored)) if misplaced => {
                let why = "what it says tells where it stands".to_owned();
                Some((stored.account.clone(), of_index(), why))
            }
            (None, Some(stored)) if !writes.is_empty() => {
                let why = "nothing of it but its revision: whoever read it before decides anew".to_owned();
                Some((stored.account.clone(), Vec::new(), why))
            }
            (None, _) => None,
        };
        if let Some((account, wrong, why)) = account {
            let before = self.get(key).await?;
            let read = before.as_ref().map(decode_account).transpose()?;
            if read.as_ref() != stored {
                return Ok(None);
            }
            // Above whatever a call that is under way may have read, and above what the lists have seen.
            let listed = beside.listed.iter().filter(|row| is_of(row, currency.code()));
            let listed = listed.filter_map(|row| Fields(row).number::<u64>("rev").ok()).max();
            let seen =
                stored.map_or(0, |stored| stored.revision).max(listed.unwrap_or(0)).max(account.number);
            let revision = seen
                .checked_add(1)
                .ok_or_else(|| Error::Refused("the revision is out of range".to_owned()))?;
            let after = encode_account(&account, revision)?;
            accounts.insert(currency, Stored { account, revision });
            writes.push(Write { currency: Some(currency), before, after, wrong, why });
        }
        Ok(Some((writes, mended)))
    }

    /// The request that the settings approved at once, from the entry that credits it; with what it was asked for with.
    async fn automatic(
        &self,
        customer: &CustomerId,
        id: &ledger::TopupId,
    ) -> Result<Option<(Topup, EntryId, Fingerprint)>, Error> {
        let key = Key::recorded(customer, &KeyDigest::of_automatic(id));
        let Some(item) = self.get(key).await? else { return Ok(None) };
        let Ok(entry) = decode_entry(&item) else { return Ok(None) };
        let topup = ledger::automatic_topup(&entry).filter(|topup| topup.id == *id);
        topup.map(|topup| Ok((topup, entry.id(), Fields(&item).fingerprint()?))).transpose()
    }

    /// Writes, each account by itself, unless it is only told; false when an item is not as it was read.
    async fn carry_out(
        &self,
        accounts: Vec<Vec<Write>>,
        how: &Repairing<'_>,
        done: &mut Repaired,
    ) -> Result<bool, Error> {
        for mut writes in accounts {
            while !writes.is_empty() {
                let rest = writes.split_off(writes.len().min(MAX_WRITES));
                if how.write {
                    let puts =
                        writes.iter().map(|write| self.put_as_read(write)).collect::<Result<_, _>>()?;
                    if !self.write_documents(puts).await? {
                        return Ok(false);
                    }
                }
                done.repairs.extend(writes.into_iter().map(|write| write.told(how.write)));
                writes = rest;
            }
        }
        Ok(true)
    }

    /// Puts an item on condition that what stands there is what was read, in each attribute.
    fn put_as_read(&self, write: &Write) -> Result<TransactWriteItem, Error> {
        let put = Put::builder().table_name(&self.table).set_item(Some(write.after.clone()));
        let Some(before) = &write.before else {
            return transact(put.condition_expression("attribute_not_exists(pk)"));
        };
        let names: BTreeSet<&String> = before.keys().chain(write.after.keys()).collect();
        let (mut conditions, mut places, mut values) = (Vec::new(), HashMap::new(), HashMap::new());
        for (at, name) in names.into_iter().enumerate() {
            places.insert(format!("#{at}"), name.clone());
            match before.get(name) {
                Some(value) => {
                    conditions.push(format!("#{at} = :{at}"));
                    values.insert(format!(":{at}"), value.clone());
                }
                None => conditions.push(format!("attribute_not_exists(#{at})")),
            }
        }
        transact(
            put.condition_expression(conditions.join(" AND "))
                .set_expression_attribute_names(Some(places))
                .set_expression_attribute_values(Some(values)),
        )
    }
}

impl Write {
    fn told(self, written: bool) -> Repair {
        let Self { currency, after, wrong, why, .. } = self;
        let part = |name| Fields(&after).text(name).unwrap_or("?");
        let item = format!("{} {}", part("pk"), part("sk"));
        Repair { currency, item, wrong, why, write: json_of(&after), written }
    }
}

/// A line in the place of each that is lost, and one for the version that the document gets, if it gets another.
fn lost_lines(mending: &Mending, at: Timestamp, key: impl Fn(u64) -> Key) -> Result<Vec<Write>, Error> {
    let write = |version: u64, change: DocumentChange, wrong: Vec<Finding>, why: &str| {
        let after = encode_document(&key(version), &change)?;
        Ok(Write { currency: None, before: None, after, wrong, why: why.to_owned() })
    };
    let mut writes = Vec::new();
    for (version, finding) in &mending.lost {
        let why = "what it changed stands in no other item: it is told that it is lost";
        writes.push(write(*version, DocumentChange::lost(*version, at), vec![finding.clone()], why)?);
    }
    if let Some((version, _)) = mending.restored {
        let why = "it is told that a document of before is in force";
        writes.push(write(version, DocumentChange::restored(version, at), Vec::new(), why)?);
    }
    Ok(writes)
}

/// The document, above every version that there was.
fn restored_document(before: Option<Item>, after: Item, behind: Finding) -> Write {
    let why = "what it said then stands in no other item: it stays as it is, and its next version is none that entries name. Hold it against \
               what the shop wants, and write it anew";
    Write { currency: None, before, after, wrong: vec![behind], why: why.to_owned() }
}

/// Whether a row of the lists is one by balance.
fn is_balance(row: &Item) -> bool {
    Fields(row).parse::<Currency>("sk").is_ok()
}

/// A row of the lists that has to be otherwise.
fn list_write(before: Option<&Item>, row: Item) -> Result<Write, Error> {
    let sk = Fields(&row).text("sk")?;
    let currency = sk.parse().ok();
    let revision = |row: &Item| Fields(row).number::<u64>("rev");
    let how = match before {
        None => "is missing",
        Some(before) if revision(before)? < revision(&row)? => "is older than what it lists",
        Some(_) => "differs",
    };
    let wrong =
        Finding { currency, entry: None, code: Flaw::ListDrift, detail: format!("the list {sk} {how}") };
    let why = "what it lists; the stream that brings lists up tells nothing of before a restore".to_owned();
    Ok(Write { currency, before: before.cloned(), after: row, wrong: vec![wrong], why })
}

/// The item with its places in the indexes as its content has them, and the entry if it is one; `None` where they are so
/// already, where it does not tell, or where it is an account's, whose revision has to be raised with it.
fn in_place(key: &Key, before: &Item) -> Result<Option<(Item, Option<EntryId>)>, Error> {
    let Some(customer) = key.customer().filter(|_| !key.pk.starts_with(LISTED)) else { return Ok(None) };
    let kind = key.sk.split_once('#').map_or(key.sk.as_str(), |(kind, _)| kind);
    let mut after = before.clone();
    after.retain(|name, _| !INDEXED.contains(&name.as_str()));
    let mut id = None;
    match kind {
        ACCOUNTS if key.sk != ACCOUNTS => return Ok(None),
        ACCOUNTS => {
            let Ok(profile) = decode_profile(before) else { return Ok(None) };
            after.extend(places(encode_profile(&customer, &profile)?));
        }
        "K" if before.contains_key("t") => {
            let Ok(topup) = decode_topup(before) else { return Ok(None) };
            let approved = topup.status == ledger::TopupStatus::Approved && before.contains_key("wq");
            let filed = if approved { Filed::Still } else { Filed::WhilePending };
            after.extend(places(encode_topup(&customer, &topup, Fields(before).fingerprint()?, filed)?));
        }
        "K" => {
            let Ok(entry) = decode_entry(before) else { return Ok(None) };
            let is_whole = Fields(before).text("c").is_ok_and(|c| Hash::of(c.as_bytes()) == entry.hash);
            let place = Fields(before).text("n").ok();
            // One that stands at another's number was moved, it or what it says; nobody can tell which.
            let moved = place.is_some() && place.and_then(place_of) != Some((entry.currency(), entry.number));
            if !is_whole || moved || entry.customer != customer {
                return Ok(None);
            }
            id = Some(entry.id());
            after.extend(encode_entry_place(&entry));
        }
        _ => {}
    }
    Ok((after != *before).then_some((after, id)))
}

/// The attributes of an item that say where in an index it stands.
fn places(item: Item) -> Item {
    item.into_iter().filter(|(name, _)| INDEXED.contains(&name.as_str())).collect()
}
