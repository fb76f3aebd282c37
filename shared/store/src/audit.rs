//! Holding what is stored against itself: a customer's items one by one and together, from the table or from an export.
//!
//! The function that answers for one customer, the one that samples and the auditor read differently, and all check by
//! [`CustomerAudit`]; what an account's entries come to is the ledger's to say.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::{operation::query::builders::QueryFluentBuilder, types::AttributeValue};
use jiff::Timestamp;
use ledger::{
    Account, Actor, Audit, Beside, Booked, Currency, CustomerId, Entry, EntryId, EntryType, Finding, Flaw,
    Hash, Label, Money, Topup, TopupStatus, Versions,
};

use crate::{
    Error, Profile, Record, Store,
    documents::{decode_profile, encode_profile},
    items::{
        ACCOUNTS, BY_NUMBER, ENTRIES, Fields, Filed, GROUP, IMPORTS, Item, Key, KeyDigest, LISTED, NAMES,
        PROFILE_CHANGES, REMINDERS, Stored, TOPUPS, account_of, decode_account, decode_entry, decode_imports,
        decode_refunds, decode_topup, encode_account, encode_listed_balance, encode_listed_group,
        encode_listed_name, encode_topup, entry_number, partition,
    },
    rules::{History, PROFILE, version_of},
    transaction::pause,
};

/// Rounds of reading an account that others keep writing, until one shows no difference or nobody wrote.
const MAX_ROUNDS: u32 = 16;
/// The attributes that say where in an index an item stands.
pub(crate) const INDEXED: [&str; 5] = ["n", "wq", "wk", "lq", "lk"];
/// Largest number of an entry that its place in the index can tell.
const MAX_NUMBER: u64 = 999_999_999_999;

/// A customer's items, taken in one after the other: entries by number, the others in any order.
///
/// Memory grows with the customer's accounts, top-ups and redemptions, not with the entries.
#[derive(Clone, Debug)]
pub struct CustomerAudit {
    pub(crate) customer: CustomerId,
    pub(crate) entries: BTreeMap<Currency, Audit>,
    /// What is wrong with entries that are of no account.
    pub(crate) strays: Vec<Finding>,
    pub(crate) beside: Standing,
    /// What stands elsewhere in an index than it should.
    misplaced: Misplaced,
}

/// Items that stand elsewhere in an index than they should.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Misplaced(pub(crate) Vec<Key>);

/// How often each account was written, and its last entry.
pub(crate) type Revisions = BTreeMap<Currency, (u64, u64)>;

/// What stands beside the entries, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) profile: Option<Profile>,
    /// The versions of it: that which it was at once the accounts were read, so that no entry of theirs was decided by a later
    /// one, and the lines, where these were read.
    pub(crate) history: History,
    pub(crate) accounts: BTreeMap<Currency, Stored>,
    pub(crate) topups: Vec<Topup>,
    pub(crate) refunds: BTreeMap<Currency, BTreeMap<u64, Money>>,
    /// How many entries the rows came to that were imported.
    pub(crate) imports: BTreeMap<Currency, u64>,
    pub(crate) listed: Vec<Item>,
    pub(crate) findings: Vec<Finding>,
    misplaced: Vec<Key>,
}

/// What came of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Each account, by currency.
    pub accounts: Vec<VerifiedAccount>,
    /// What is wrong that is of no one account.
    pub findings: Vec<Finding>,
}

/// What came of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedAccount {
    /// In which currency.
    pub currency: Currency,
    /// How many entries there are.
    pub entries: u64,
    /// The last one's hash.
    pub hash: Hash,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// What its entries come to.
    pub booked: Booked,
    /// The balance that is stored, in smallest units.
    pub balance: i128,
}

impl Verified {
    /// Everything that is wrong.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.accounts.iter().flat_map(|account| &account.findings).chain(&self.findings)
    }

    /// Whether nothing is.
    pub fn is_sound(&self) -> bool {
        self.findings().next().is_none()
    }

    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.accounts.iter().fold(0, |sum, account| sum.saturating_add(account.entries))
    }
}

impl CustomerAudit {
    /// Before the first item.
    pub fn new(customer: CustomerId) -> Self {
        Self {
            customer,
            entries: BTreeMap::new(),
            strays: Vec::new(),
            beside: Standing::default(),
            misplaced: Misplaced::default(),
        }
    }

    /// The items so far that stand elsewhere in an index than they should.
    pub fn misplaced(&self) -> Misplaced {
        let Misplaced(entries) = &self.misplaced;
        Misplaced(entries.iter().chain(&self.beside.misplaced).cloned().collect())
    }

    /// As what stands in an export or in the table, one of the customer's items.
    pub fn take_record(&mut self, record: &Record) {
        self.take(&record.0);
    }

    /// Notes something that whoever reads the items found.
    pub fn find(&mut self, code: Flaw, detail: String) {
        self.strays.push(Finding { currency: None, entry: None, code, detail });
    }

    /// Takes one of the customer's items in, or of the customer's in the lists.
    pub(crate) fn take(&mut self, item: &Item) {
        let Ok(key) = Key::of(item) else {
            return self.beside.find(None, None, Flaw::Unreadable, "an item has no key".to_owned());
        };
        if key.pk.starts_with(LISTED) {
            return self.beside.listed.push(item.clone());
        }
        let kind = key.sk.split_once('#').map_or(key.sk.as_str(), |(kind, _)| kind);
        match kind {
            "K" if !item.contains_key("t") => self.take_entry(&key, item),
            _ => {
                if let Err(error) = self.beside.take(&self.customer, &key, kind, item) {
                    let currency = key.sk.split_once('#').and_then(|(_, rest)| rest.get(..3)?.parse().ok());
                    let currency = currency.filter(|_| kind != "K");
                    self.beside.find(currency, None, Flaw::Unreadable, error.to_string());
                }
            }
        }
    }

    fn take_entry(&mut self, key: &Key, item: &Item) {
        let place = Fields(item).text("n").ok().and_then(place_of);
        let entry = match decode_entry(item) {
            Ok(entry) => entry,
            Err(error) => {
                let id = place.map(|(currency, number)| EntryId { currency, number });
                return match place {
                    Some((currency, _)) => self.audit(currency).find(id, Flaw::Unreadable, error.to_string()),
                    None => {
                        let detail = error.to_string();
                        self.strays.push(Finding {
                            currency: None,
                            entry: None,
                            code: Flaw::Unreadable,
                            detail,
                        });
                    }
                };
            }
        };
        let (id, currency) = (entry.id(), entry.currency());
        let is_listed = ["wq", "wk", "lq", "lk"].iter().any(|name| item.contains_key(*name));
        if is_listed || place != Some((currency, entry.number)) {
            self.misplaced.0.push(key.clone());
        }
        let audit = self.audit(currency);
        audit.take(&entry);
        if Fields(item).text("c").is_ok_and(|content| Hash::of(content.as_bytes()) != entry.hash) {
            audit.find(
                Some(id),
                Flaw::HashMismatch,
                "the entry's hash is not that of its content".to_owned(),
            );
        }
        if place != Some((currency, entry.number)) {
            audit.find(Some(id), Flaw::IndexDrift, format!("it stands at {place:?} among the numbers"));
        }
        if is_listed {
            audit.find(
                Some(id),
                Flaw::IndexDrift,
                "it stands in an index that entries are not in".to_owned(),
            );
        }
        if known_digest(&entry).is_some_and(|digest| key.sk != Key::recorded(&entry.customer, &digest).sk) {
            audit.find(Some(id), Flaw::KeyDrift, format!("it stands under {}, which is not its key", key.sk));
        }
    }

    /// Where another number of imports is noted, with the rows that they were of, than there are entries of.
    pub(crate) fn unlike_imports(&self) -> Vec<Finding> {
        let differs = |currency: Currency| {
            let noted = self.beside.imports.get(&currency).copied().unwrap_or(0);
            let made = self.entries.get(&currency).map_or(0, Audit::imports);
            let detail = format!("rows of {noted} imports are noted, and {made} entries import");
            let code = Flaw::ImportsDiffer;
            (noted != made).then_some(Finding { currency: Some(currency), entry: None, code, detail })
        };
        self.currencies().into_iter().filter_map(differs).collect()
    }

    /// The versions of the customer's document of which nothing tells what they changed. For whoever took in all of the items.
    pub fn untold_rules(&self) -> Vec<Finding> {
        self.beside.history.untold(PROFILE, self.decided_by().customer)
    }

    /// The last version of the customer's document that there was.
    pub fn last_rules(&self) -> u64 {
        self.beside.history.version.max(self.decided_by().customer)
    }

    /// The last rules that any entry was decided by.
    pub fn decided_by(&self) -> Versions {
        self.entries.values().map(Audit::decided_by).fold(Versions::default(), Versions::and)
    }

    fn is_empty(&self) -> bool {
        let Standing { accounts, profile, topups, findings, .. } = &self.beside;
        let nothing_beside =
            accounts.is_empty() && profile.is_none() && topups.is_empty() && findings.is_empty();
        nothing_beside && self.entries.is_empty() && self.strays.is_empty()
    }

    pub(crate) fn audit(&mut self, currency: Currency) -> &mut Audit {
        self.entries.entry(currency).or_insert_with(|| Audit::new(self.customer.clone(), currency))
    }

    /// Every currency in which there is anything.
    pub(crate) fn currencies(&self) -> BTreeSet<Currency> {
        let Standing { accounts, topups, refunds, .. } = &self.beside;
        let known = accounts.keys().chain(self.entries.keys()).chain(refunds.keys());
        let known = known.chain(self.beside.imports.keys()).copied();
        known.chain(topups.iter().map(|topup| topup.id.currency)).collect()
    }

    /// What came of the items.
    pub fn verified(&self, at: Timestamp) -> Verified {
        let Standing { accounts, topups, refunds, .. } = &self.beside;
        let currencies = self.currencies();
        let mut all = self.beside.findings.clone();
        all.extend(self.strays.iter().cloned());
        all.extend(self.beside.unlike_lists());
        all.extend(self.unlike_imports());
        all.extend(self.beside.history.behind(PROFILE, self.decided_by().customer));
        let nothing = BTreeMap::new();
        let verified = |currency: Currency| {
            let none = Audit::new(self.customer.clone(), currency);
            let audit = self.entries.get(&currency).unwrap_or(&none);
            let account = accounts.get(&currency).map(|stored| &stored.account);
            let refunds = refunds.get(&currency).unwrap_or(&nothing);
            let mut findings = audit.findings(Beside { account, topups, refunds, at });
            findings.extend(all.iter().filter(|found| found.currency == Some(currency)).cloned());
            findings.sort();
            findings.dedup();
            let balance = account.and_then(|account| account.balance().and_then(Money::minor).ok());
            VerifiedAccount {
                currency,
                entries: audit.entries(),
                hash: audit.hash(),
                findings,
                booked: audit.booked(),
                balance: balance.map_or(0, i128::from),
            }
        };
        let known = currencies.iter().copied().map(verified).collect();
        all.retain(|found| found.currency.is_none_or(|currency| !currencies.contains(&currency)));
        Verified { accounts: known, findings: all }
    }
}

impl Standing {
    fn find(&mut self, currency: Option<Currency>, entry: Option<EntryId>, code: Flaw, detail: String) {
        self.findings.push(Finding { currency, entry, code, detail });
    }

    fn take(&mut self, customer: &CustomerId, key: &Key, kind: &str, item: &Item) -> Result<(), Error> {
        match kind {
            "K" => {
                let topup = decode_topup(item)?;
                let currency = Some(topup.id.currency);
                let approved = topup.status == TopupStatus::Approved && item.contains_key("wq");
                let filed = if approved { Filed::Still } else { Filed::WhilePending };
                let ours = encode_topup(customer, &topup, Fields(item).fingerprint()?, filed)?;
                if key.sk != Key::topup(customer, &topup.id).sk {
                    self.find(
                        currency,
                        None,
                        Flaw::KeyDrift,
                        format!("{} stands under {}", topup.id, key.sk),
                    );
                }
                self.compare_index(currency, key, item, &ours);
                self.topups.push(topup);
            }
            ACCOUNTS if key.sk == ACCOUNTS => {
                let profile = decode_profile(item)?;
                self.compare_index(None, key, item, &encode_profile(customer, &profile)?);
                self.profile = Some(profile);
                self.note_version(item);
            }
            ACCOUNTS => {
                let stored = decode_account(item)?;
                let currency = stored.account.currency;
                let ours = encode_account(&stored.account, stored.revision)?;
                self.compare_index(Some(currency), key, item, &ours);
                self.accounts.insert(currency, stored);
            }
            "R" => {
                let id = key.sk.split_once('#').and_then(|(_, id)| id.parse::<EntryId>().ok());
                let EntryId { currency, number } =
                    id.ok_or_else(|| Fields(item).corrupt("its key names no redemption"))?;
                let refunded = decode_refunds(item, currency)?;
                self.compare_index(Some(currency), key, item, &Item::new());
                self.refunds.entry(currency).or_default().insert(number, refunded);
            }
            IMPORTS if key.sk == IMPORTS => {
                self.compare_index(None, key, item, &Item::new());
                self.imports = decode_imports(item)?.entries;
            }
            _ if key.sk.starts_with(PROFILE_CHANGES) || key.sk.starts_with(REMINDERS) => {
                self.history.lines.extend(version_of(key, PROFILE_CHANGES));
                Fields(item).expect_format()?;
                self.compare_index(None, key, item, &Item::new());
            }
            _ => self.find(None, None, Flaw::UnknownItem, format!("{} {} is of no kind", key.pk, key.sk)),
        }
        Ok(())
    }

    /// Notes at which version the customer's document is, if this is it.
    fn note_version(&mut self, item: &Item) {
        let fields = Fields(item);
        if fields.text("sk").is_ok_and(|sk| sk == ACCOUNTS) {
            self.history.version = self.history.version.max(fields.number("version").unwrap_or_default());
        }
    }

    fn compare_index(&mut self, currency: Option<Currency>, key: &Key, item: &Item, ours: &Item) {
        if INDEXED.iter().any(|name| item.get(*name) != ours.get(*name)) {
            self.misplaced.push(key.clone());
        }
        for name in INDEXED.into_iter().filter(|name| item.get(*name) != ours.get(*name)) {
            let detail = format!("{} is not where its {name} should put it", key.sk);
            self.find(currency, None, Flaw::IndexDrift, detail);
        }
    }

    /// What the lists say, where they are as new as what they list. They may be older.
    pub(crate) fn unlike_lists(&self) -> Vec<Finding> {
        let differs = |item: &Item| -> Result<Option<Currency>, Error> {
            let key = Key::of(item)?;
            let fields = Fields(item);
            fields.expect_format()?;
            let revision: u64 = fields.number("rev")?;
            let customer = key.pk.strip_prefix(LISTED).and_then(|id| id.parse::<CustomerId>().ok());
            let customer = customer.ok_or_else(|| fields.corrupt("this is no customer's key"))?;
            let name = self.profile.as_ref().and_then(|profile| profile.name.as_ref()).map(Label::as_str);
            let group = self.profile.as_ref().and_then(|profile| profile.group.as_ref());
            let version = self.profile.as_ref().map_or(0, |profile| profile.version);
            let (current, ours) = match key.sk.as_str() {
                NAMES => (version, encode_listed_name(&customer, name, version)),
                GROUP => (version, encode_listed_group(&customer, name, group, version)),
                code => {
                    let currency: Currency =
                        code.parse().map_err(|_| fields.corrupt("this is no list's key"))?;
                    // One of an account that is not there says nothing as long as it stands in no list.
                    let Some(stored) = self.accounts.get(&currency) else {
                        return Ok(item.contains_key("lq").then_some(currency));
                    };
                    let agrees = revision < stored.revision
                        || (revision == stored.revision && *item == encode_listed_balance(stored)?);
                    return Ok((!agrees).then_some(currency));
                }
            };
            // Documents of before there were versions say nothing of it.
            let unversioned = version == 0 && self.profile.is_some();
            let agrees = unversioned || revision < current || (revision == current && *item == ours);
            if agrees { Ok(None) } else { Err(fields.corrupt("it differs")) }
        };
        let finding = |item: &Item| {
            let sk = Fields(item).text("sk").unwrap_or("?").to_owned();
            let found = |currency, code, detail| Some(Finding { currency, entry: None, code, detail });
            match differs(item) {
                Ok(None) => None,
                Ok(currency) => found(currency, Flaw::ListDrift, format!("the list {sk} differs")),
                Err(Error::Corrupt { reason, .. }) if reason == "it differs" => {
                    found(None, Flaw::ListDrift, format!("the list {sk} differs"))
                }
                Err(error) => found(None, Flaw::Unreadable, error.to_string()),
            }
        };
        self.listed.iter().filter_map(finding).collect()
    }
}

/// The digest under which an entry stands that no client's key names.
fn known_digest(entry: &Entry) -> Option<KeyDigest> {
    let by = |actor: Actor| entry.actor == actor;
    match entry.kind {
        EntryType::Expire if by(Actor::schedule()) => Some(KeyDigest::of_expiry(entry.id())),
        EntryType::Import => Some(KeyDigest::of_import(entry.id())),
        EntryType::ExpiryChange if by(Actor::reaching_back()) => {
            Some(KeyDigest::of_reaching_back(entry.id()))
        }
        _ => None,
    }
}

/// The currency and the number that a place among an account's entries names.
pub(crate) fn place_of(place: &str) -> Option<(Currency, u64)> {
    let (currency, number) = place.strip_prefix(ENTRIES)?.split_once('#')?;
    let place_of = (currency.parse().ok()?, number.parse().ok()?);
    (entry_number(place_of.0, place_of.1) == place).then_some(place_of)
}

impl Store {
    /// Holds a customer's accounts against their entries, and against top-ups, refunds and lists; `None` if there is no such
    /// customer.
    ///
    /// Others may write meanwhile: each account is held against its entries up to the one that it names, and where a change
    /// in between could explain a difference, it is read again.
    ///
    /// # Errors
    /// [`Error::Conflict`] when others kept writing; when the database does not answer.
    pub async fn verify(&self, customer: &CustomerId, at: Timestamp) -> Result<Option<Verified>, Error> {
        let mut audit = CustomerAudit::new(customer.clone());
        for round in 0..MAX_ROUNDS {
            if round > 0 {
                pause(round).await;
            }
            let (before, quiet) = self.take_beside(&mut audit).await?;
            let beyond = match round {
                0 => self.take_entries(&mut audit).await?,
                _ => self.take_more_entries(&mut audit).await?,
            };
            if audit.is_empty() {
                return Ok(None);
            }
            let is_new = |currency: &&Currency| !before.contains_key(*currency);
            let strange: Vec<Currency> = audit.entries.keys().filter(is_new).copied().collect();
            if !(strange.is_empty() && beyond.is_empty()) {
                let now = self.revisions(customer).await?;
                if strange.iter().any(|currency| now.contains_key(currency)) {
                    // An account that was made since.
                    continue;
                }
                for (currency, number) in beyond {
                    let at = now.get(&currency).map_or(0, |(_, number)| *number);
                    if at < number {
                        let detail = format!("the account is at entry {at}, and there is entry {number}");
                        audit.audit(currency).find(None, Flaw::AccountNumber, detail);
                    }
                }
            }
            let verified = audit.verified(at);
            if quiet || !verified.findings().any(|found| found.code.may_be_haste()) {
                return Ok(Some(verified));
            }
        }
        Err(Error::Conflict)
    }

    /// How many entries a customer's accounts have, as far as the last ones that they name are there.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn entry_count(&self, customer: &CustomerId) -> Result<u64, Error> {
        let mut count = 0_u64;
        for (currency, (_, number)) in self.revisions(customer).await? {
            match self.entry(customer, EntryId { currency, number }).await {
                Ok(Some(_)) => count = count.saturating_add(number),
                Ok(None) | Err(Error::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Reads all but the entries anew. Answers each account's revision, and whether none was written meanwhile.
    pub(crate) async fn take_beside(&self, audit: &mut CustomerAudit) -> Result<(Revisions, bool), Error> {
        let customer = audit.customer.clone();
        audit.beside = Standing::default();
        // Before what they list, so that they are not newer.
        let lists = self.query("pk = :pk").consistent_read(true);
        let lists =
            lists.expression_attribute_values(":pk", AttributeValue::S(format!("{LISTED}{customer}")));
        self.each(lists, |item| audit.take(item)).await?;
        let mut before = BTreeMap::new();
        self.each(self.below(&customer, ACCOUNTS), |item| {
            audit.take(item);
            note_revision(&mut before, item);
        })
        .await?;
        self.each(self.below(&customer, IMPORTS), |item| audit.take(item)).await?;
        let mut topups = Vec::new();
        let query = self.below_number(&customer, TOPUPS);
        self.each(query, |item| topups.extend(Key::of(item))).await?;
        for topup in self.get_all(topups).await? {
            audit.take(&topup);
        }
        self.each(self.below(&customer, "R#"), |item| audit.take(item)).await?;
        let mut after = BTreeMap::new();
        self.each(self.below(&customer, ACCOUNTS), |item| {
            note_revision(&mut after, item);
            audit.beside.note_version(item);
        })
        .await?;
        let quiet = before == after;
        Ok((before, quiet))
    }

    /// Takes in the entries of all accounts up to those that these name; answers the last of those beyond.
    async fn take_entries(&self, audit: &mut CustomerAudit) -> Result<BTreeMap<Currency, u64>, Error> {
        let mut beyond = BTreeMap::new();
        let query = self.below_number(&audit.customer, ENTRIES);
        self.each(query, |item| {
            let place = Fields(item).text("n").ok().and_then(place_of);
            let after = place.filter(|(currency, number)| {
                audit.beside.accounts.get(currency).is_some_and(|stored| *number > stored.account.number)
            });
            match after {
                Some((currency, number)) => drop(beyond.insert(currency, number)),
                None => audit.take(item),
            }
        })
        .await?;
        Ok(beyond)
    }

    /// Takes in the entries since, of the accounts that there are.
    async fn take_more_entries(&self, audit: &mut CustomerAudit) -> Result<BTreeMap<Currency, u64>, Error> {
        let accounts: Vec<Account> =
            audit.beside.accounts.values().map(|stored| stored.account.clone()).collect();
        for Account { customer, currency, number, .. } in accounts {
            let first = audit.audit(currency).number().saturating_add(1);
            if first > number {
                continue;
            }
            let query = self
                .query("pk = :pk AND n BETWEEN :first AND :last")
                .index_name(BY_NUMBER)
                .expression_attribute_values(":pk", AttributeValue::S(partition(&customer)))
                .expression_attribute_values(":first", AttributeValue::S(entry_number(currency, first)))
                .expression_attribute_values(
                    ":last",
                    AttributeValue::S(entry_number(currency, number.min(MAX_NUMBER))),
                )
                .consistent_read(true);
            self.each(query, |item| audit.take(item)).await?;
        }
        Ok(BTreeMap::new())
    }

    /// The revision and the last entry of each account.
    pub(crate) async fn revisions(&self, customer: &CustomerId) -> Result<Revisions, Error> {
        let mut revisions = BTreeMap::new();
        self.each(self.below(customer, ACCOUNTS), |item| note_revision(&mut revisions, item)).await?;
        Ok(revisions)
    }

    pub(crate) fn below(&self, customer: &CustomerId, prefix: &str) -> QueryFluentBuilder {
        self.query("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .consistent_read(true)
    }

    pub(crate) fn below_number(&self, customer: &CustomerId, prefix: &str) -> QueryFluentBuilder {
        self.query("pk = :pk AND begins_with(n, :prefix)")
            .index_name(BY_NUMBER)
            .expression_attribute_values(":pk", AttributeValue::S(partition(customer)))
            .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
            .consistent_read(true)
    }

    /// Hands on each item of a query, a page at a time.
    pub(crate) async fn each(
        &self,
        query: QueryFluentBuilder,
        mut take: impl FnMut(&Item),
    ) -> Result<(), Error> {
        let mut start = None;
        loop {
            let answer =
                query.clone().set_exclusive_start_key(start).send().await.map_err(Error::from_sdk)?;
            answer.items.unwrap_or_default().iter().for_each(&mut take);
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(());
            }
        }
    }
}

/// Notes how often an account was written, and its last entry.
fn note_revision(revisions: &mut Revisions, item: &Item) {
    let fields = Fields(item);
    let account = Key::of(item).and_then(|key| account_of(&key));
    if let (Ok((_, currency)), Ok(revision), Ok(number)) =
        (account, fields.number("rev"), fields.number("num"))
    {
        revisions.insert(currency, (revision, number));
    }
}
