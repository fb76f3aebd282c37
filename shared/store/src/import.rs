//! Bringing over what another system kept: the rows of one customer in one currency in one transaction, which notes their ids
//! beside the entries, so that a row counts once whatever becomes of the import.

use jiff::Timestamp;
use ledger::{
    Account, Actor, Change, Currency, CustomerId, Hash, Label, LotExpiry, Money, Movement, OutOfRange,
    Refusal, replay_import,
};

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem};

use crate::{
    Error, Fingerprint, Store,
    commit::{Read, Step, Wanted, salt},
    items::{Imports, KeyDigest, RowContent, RowId, encode_entry, encode_imports},
    transaction::{Write, token},
};

/// Rows that can be imported for one customer, over all currencies and files: 12 bytes of each are kept in one item, which
/// can have 400 KB.
pub const MAX_IMPORTED_ROWS: usize = 30_000;

/// A customer's rows of another system.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Whose.
    pub customer: &'a CustomerId,
    /// In which currency all of them are.
    pub currency: Currency,
    /// The other system's name: ids are its own.
    pub system: &'a Label,
    /// What moved. No two have the same id.
    pub movements: &'a [Movement],
    /// When they are imported.
    pub at: Timestamp,
    /// Whether a customer has to be known already, by an account or a document.
    pub known: bool,
    /// Whether anything is written, or told alone.
    pub write: bool,
}

/// What came of a customer's rows, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Rows that were new.
    pub rows: usize,
    /// Rows that had been imported before.
    pub repeated: usize,
    /// What they brought into new lots.
    pub brought: Money,
    /// What they took out of lots that were imported before.
    pub taken: Money,
    /// Lots that were made.
    pub lots: usize,
    /// Lots that became one with another for want of room.
    pub merged: usize,
    /// Whether more was taken at some moment than there was.
    pub below_zero: bool,
    /// What was taken that was never there.
    pub forgiven: Money,
    /// The account's balance after it.
    pub balance: Money,
}

/// Why a customer's rows were not imported. Nothing of them was written.
#[derive(Debug, thiserror::Error)]
pub enum Unimported {
    /// What the rules refuse.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What the database does.
    #[error(transparent)]
    Store(#[from] Error),
    /// Rows that were imported before said something else then: another amount, moment, currency or expiry.
    #[error("{} rows were imported before and said something else then, the first of them {}", .0.len(), .0.first().map_or("", String::as_str))]
    Altered(Vec<String>),
    /// Too many for one customer.
    #[error("{0} rows would be imported for one customer, of {MAX_IMPORTED_ROWS} that can be")]
    TooManyRows(usize),
    /// Nobody knows the customer.
    #[error("there is no such customer")]
    UnknownCustomer,
}

impl From<OutOfRange> for Unimported {
    fn from(error: OutOfRange) -> Self {
        Self::Refused(error.into())
    }
}

impl Store {
    /// Imports a customer's rows, but those that were imported before: at most two entries, of what they take out of lots that
    /// were imported before and of what they bring, in one transaction with the ids of the rows.
    ///
    /// It may be stopped anywhere and done again, in part or with more rows.
    ///
    /// # Errors
    /// [`Unimported`].
    pub async fn import(&self, rows: &Rows<'_>) -> Result<Imported, Unimported> {
        let mut attempted: Option<(Imports, Imported)> = None;
        self.until_settled(Wanted::imports(rows.customer, rows.currency), |read| {
            if let Some((imports, imported)) = &attempted
                && read.imports == *imports
            {
                // An earlier try of ours was stored, and only its answer was lost.
                return Ok(Step::Done(imported.clone()));
            }
            // The ledger counts in milliseconds.
            let now = Timestamp::from_millisecond(rows.at.as_millisecond()).map_err(|_| OutOfRange)?;
            let at = now.max(read.stored.account.at);
            let (mut imports, new) = rows.without(&read.imports)?;
            if rows.known && read.stored.revision == 0 && read.customer_version.is_none() {
                return Err(Unimported::UnknownCustomer);
            }
            if rows.write && !new.is_empty() {
                let replayed = |account: &Account| replay_import(account, &read.policy, &new, at).map(drop);
                if let Some(write) = self.due_first::<Unimported>(&read, at, replayed)? {
                    return Ok(Step::Before(write));
                }
            }
            let import = replay_import(&read.stored.account, &read.policy, &new, at)?;
            let mut entering = Entering { store: self, read: &read, at, entries: Vec::new(), account: None };
            entering.enter(|account| Ok(import.take(account, rows.system, at)?))?;
            entering.enter(|account| import.bring(account, rows.system, at))?;
            let imported = Imported {
                rows: new.len(),
                repeated: rows.movements.len().saturating_sub(new.len()),
                brought: import.brought(rows.currency)?,
                taken: import.taken(rows.currency)?,
                lots: import.lots(),
                merged: import.merged,
                below_zero: import.below_zero,
                forgiven: import.forgiven,
                balance: entering.account.as_ref().unwrap_or(&read.stored.account).balance()?,
            };
            if new.is_empty() || !rows.write {
                return Ok(Step::Done(imported));
            }
            let made = u64::try_from(entering.entries.len()).map_err(|_| OutOfRange)?;
            if made > 0 {
                let entries = imports.entries.entry(rows.currency).or_default();
                *entries = entries.saturating_add(made);
            }
            let write = entering.write(&imports)?;
            attempted = Some((imports, imported.clone()));
            Ok(Step::Write(write, imported))
        })
        .await
    }
}

impl Rows<'_> {
    /// Those that are not among what was imported, and what is once they are.
    fn without(&self, before: &Imports) -> Result<(Imports, Vec<Movement>), Unimported> {
        let mut imports = Imports { revision: before.revision.saturating_add(1), ..before.clone() };
        let (mut new, mut altered) = (Vec::new(), Vec::new());
        for movement in self.movements {
            let (id, content) = self.digests(movement);
            match imports.rows.insert(id, content) {
                None => new.push(movement.clone()),
                Some(before) if before != content => altered.push(movement.id.clone()),
                Some(_) => {}
            }
        }
        if !altered.is_empty() {
            return Err(Unimported::Altered(altered));
        }
        if imports.rows.len() > MAX_IMPORTED_ROWS {
            return Err(Unimported::TooManyRows(imports.rows.len()));
        }
        Ok((imports, new))
    }

    fn digests(&self, movement: &Movement) -> (RowId, RowContent) {
        let expiry = match movement.expiry {
            None => String::new(),
            Some(LotExpiry::Never) => "never".to_owned(),
            Some(LotExpiry::At(moment)) => moment.to_string(),
            Some(LotExpiry::EndOf(day)) => day.to_string(),
        };
        // Neither has a line end, but for the id, which comes last.
        let id = format!("{}\n{}", self.system, movement.id);
        let content = format!("{} {} {} {expiry}", self.currency, movement.amount, movement.at);
        (first(Hash::of(id.as_bytes())), first(Hash::of(content.as_bytes())))
    }
}

/// The first bytes of a hash.
fn first<const N: usize>(Hash(hash): Hash) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    bytes
}

/// Entries on their way into one account, in one transaction.
struct Entering<'a> {
    store: &'a Store,
    read: &'a Read,
    at: Timestamp,
    /// Their hashes, and their items.
    entries: Vec<(Hash, TransactWriteItem)>,
    /// The account after the last of them.
    account: Option<Account>,
}

impl Entering<'_> {
    /// Makes the entry that a rule decides on, if it does.
    fn enter(
        &mut self,
        rule: impl Fn(&Account) -> Result<Option<Change>, Refusal>,
    ) -> Result<(), Unimported> {
        let Some(change) = rule(self.account.as_ref().unwrap_or(&self.read.stored.account))? else {
            return Ok(());
        };
        let seal = self.read.seal(Actor::importing(), self.at, salt()?);
        let (account, entry, content) = change.seal(&self.read.policy, seal)?;
        let digest = KeyDigest::of_import(entry.id());
        let item = self.store.put_new(encode_entry(&entry, content, &digest, Fingerprint::NONE))?;
        self.entries.push((entry.hash, item));
        self.account = Some(account);
        Ok(())
    }

    /// The transaction that makes them, and notes what was imported.
    fn write(self, imports: &Imports) -> Result<Write, Error> {
        let Read { stored, imports: before, .. } = self.read;
        let revision = stored.revision.to_be_bytes();
        let customer = &stored.account.customer;
        let noted = encode_imports(customer, imports);
        let rows = format!("{:?}", noted.get("rows"));
        let hashes: Vec<u8> = self.entries.iter().flat_map(|(Hash(hash), _)| *hash).collect();
        let token = token(&[b"import", customer.as_str().as_bytes(), &hashes, &revision, rows.as_bytes()]);
        let read = Some(before.revision).filter(|read| *read > 0);
        let read = read.map(|read| AttributeValue::N(read.to_string()));
        let mut items = vec![self.store.put_over(noted, "rev", read.as_ref())?];
        if let Some(account) = &self.account {
            items.push(self.store.put_account(account, stored.revision)?);
        }
        items.extend(self.entries.into_iter().map(|(_, item)| item));
        Ok(Write { items, token })
    }
}
