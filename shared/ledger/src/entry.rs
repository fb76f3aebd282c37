//! One immutable numbered line of an account's ledger, and the chain of hashes that holds the lines together.
//!
//! Every entry is made in one place, [`Change::seal`], so that number, running balance and hash are computed once.
//! What is hashed is what is stored: the entry's content as JSON text with its keys in alphabetical order.

pub(crate) mod packing;

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    Account, Category, Currency, CustomerId, EntryId, Label, LotNumber, Money, Note, OutOfRange, Policy,
    Refusal, Role, TopupId,
    redeem::{BoundBy, OrderUse},
    text::words,
};

/// Bytes of the salt that keeps a free text from being guessed from its digest once it has been erased.
pub const SALT: usize = 16;

words! {
    /// What an entry books.
    pub enum EntryType {
        /// Credit given by admin or store.
        Grant = "grant",
        /// A top-up request approved.
        Topup = "topup",
        /// Credit spent on an order.
        Redeem = "redeem",
        /// Credit reserved for an order.
        Hold = "hold",
        /// Reserved credit spent; the rest of it is free again.
        Capture = "capture",
        /// Reserved credit set free.
        Release = "release",
        /// Credit given back from a redemption or a capture.
        Refund = "refund",
        /// Credit paid out as money.
        Withdraw = "withdraw",
        /// Credit taken back by the merchant.
        Debit = "debit",
        /// What was left of a lot, taken back by the merchant.
        Void = "void",
        /// What expired.
        Expire = "expire",
        /// A lot's expiry moved.
        ExpiryChange = "expiry_change",
        /// What another system kept: credit brought over, or taken there since.
        Import = "import",
    }
}

words! {
    /// How money came in.
    pub enum PaymentMode {
        /// Through a payment provider.
        Online = "online",
        /// At a counter or by transfer.
        Offline = "offline",
    }
}

/// A SHA-256, printed as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

/// A text is no [`Hash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 64 lower-case hexadecimal digits")]
pub struct InvalidHash;

impl Hash {
    /// What precedes the first entry.
    pub const ZERO: Self = Self([0; 32]);

    /// The SHA-256 of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(InvalidHash);
        }
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).map_err(|_| InvalidHash)?;
        Ok(Self(hash))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// In which capacity.
    pub role: Role,
    /// The API key's id or the token's subject.
    pub id: String,
}

impl Actor {
    /// The schedule, which books what time alone decides.
    pub fn schedule() -> Self {
        Self { role: Role::System, id: "expire-on-schedule".to_owned() }
    }

    /// The settings themselves, where their expiry reaches back.
    pub fn reaching_back() -> Self {
        Self { role: Role::System, id: "apply_to_existing".to_owned() }
    }

    /// The operator's command that brings over what another system kept.
    pub fn importing() -> Self {
        Self { role: Role::System, id: "import".to_owned() }
    }

    /// The operator's command that puts right what follows from the entries.
    pub fn repairing() -> Self {
        Self { role: Role::System, id: "repair".to_owned() }
    }

    /// A group's joining grant.
    pub fn joining() -> Self {
        Self { role: Role::System, id: "joining_grant".to_owned() }
    }

    /// The settings themselves, where they approve a top-up.
    pub fn policy() -> Self {
        Self { role: Role::System, id: "topup_approval".to_owned() }
    }
}

/// How money came in, as whoever brought it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Payment {
    /// The shop's own name of the method, such as `cash` or `stripe`.
    pub method: Label,
    /// Online or offline.
    pub mode: PaymentMode,
    /// The payment's own reference, such as a receipt number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<Label>,
}

/// Where a lot comes from and until when it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// What kind of credit.
    pub category: Category,
    /// Who brought it.
    pub source: Role,
    /// The day it came.
    pub granted_at: Timestamp,
    /// The moment it expires; [`NEVER`] where whoever brought it said so, `None` where the policy had no date for it.
    pub expires_at: Option<Timestamp>,
}

/// The expiry of credit that is said never to expire, so that no later policy gives it a date: 9999-12-30, the last
/// midnight that every calendar reads. Readers see it as no expiry.
pub const NEVER: Timestamp = Timestamp::constant(253_402_128_000, 0);

impl Origin {
    /// The moment it expires, if it does.
    pub fn expiry(&self) -> Option<Timestamp> {
        self.expires_at.filter(|moment| *moment != NEVER)
    }
}

/// A part of an entry that went into or came out of one lot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The lot.
    pub lot: LotNumber,
    /// How much: more than zero, but where nothing of the lot moved except its expiry.
    pub amount: Money,
    /// Where the lot came from, where credit was spent: what a refund needs to restore it as it was. And where a refund
    /// made a new lot, an import made lots of their own days, or many lots were dated at once: what the line of a grant tells
    /// of its own.
    pub origin: Option<Origin>,
}

/// Free text of an entry. It enters the hash by its digest alone, so that the text can be erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FreeText {
    /// SHA-256 of salt and text.
    pub digest: Hash,
    /// The text with its salt, until it is erased.
    pub written: Option<Written>,
}

/// A free text and the salt of its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Erased with the text, so that the digest alone tells nothing.
    pub salt: [u8; SALT],
    /// What was written.
    pub text: Note,
}

impl FreeText {
    fn new(salt: [u8; SALT], text: Note) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(salt);
        hasher.update(text.as_str());
        Self { digest: Hash(hasher.finalize().into()), written: Some(Written { salt, text }) }
    }

    /// The text, unless it was erased.
    pub fn text(&self) -> Option<&str> {
        self.written.as_ref().map(|written| written.text.as_str())
    }

    /// Whether the text that stands here is the one that was hashed; an erased one is.
    pub fn is_intact(&self) -> bool {
        self.written
            .as_ref()
            .is_none_or(|written| Self::new(written.salt, written.text.clone()).digest == self.digest)
    }
}

/// What a rule says an entry shall say; the rest follows from account, actor and time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it books.
    pub kind: EntryType,
    /// By how much the balance changes: negative for debits.
    pub amount: Money,
    /// The lots that it went into or came out of.
    pub allocations: Vec<Allocation>,
    /// The new lot's category.
    pub category: Option<Category>,
    /// Who brought the new lot.
    pub source: Option<Role>,
    /// When the new lot expires; `None` is never where a lot was made, unless it was imported.
    pub expires_at: Option<Timestamp>,
    /// The order that credit was spent on.
    pub order: Option<OrderUse>,
    /// How money came in.
    pub payment: Option<Payment>,
    /// The caller's own reference, such as the order's number.
    pub reference: Option<Label>,
    /// The request that this approves.
    pub topup: Option<TopupId>,
    /// Of `amount`, what came out of the overdraft, or settled the debt; and beside it, of what left lots by expiry or
    /// voiding, what settled the debt.
    pub overdraft: Option<Money>,
    /// What a hold reserves, or what of it is set free.
    pub held: Option<Money>,
    /// Until when a hold counts.
    pub deadline: Option<Timestamp>,
    /// The hold that this resolves, or the redemption that it gives back.
    pub redemption: Option<u64>,
    /// The lot whose expiry moved.
    pub lot: Option<LotNumber>,
    /// Where withdrawn money was booked, such as `cash` or `bank`.
    pub journal: Option<Label>,
    /// For the customer to read.
    pub note: Option<Note>,
    /// For the merchant alone.
    pub internal_note: Option<Note>,
    /// Why the merchant did it.
    pub reason: Option<Note>,
}

impl Line {
    /// A line that says nothing but type and amount.
    pub fn new(kind: EntryType, amount: Money) -> Self {
        Self {
            kind,
            amount,
            allocations: Vec::new(),
            category: None,
            source: None,
            expires_at: None,
            order: None,
            payment: None,
            reference: None,
            topup: None,
            overdraft: None,
            held: None,
            deadline: None,
            redemption: None,
            lot: None,
            journal: None,
            note: None,
            internal_note: None,
            reason: None,
        }
    }
}

/// The form of an entry's content. An entry is hashed in the one that it was sealed in, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentForm {
    /// Version 1: each allocation is a list, of some 80 bytes where credit was spent.
    Listed,
    /// Version 2, which [`Change::seal`] writes: all of them are packed into one text, in some 12 bytes each.
    Packed,
}

/// What a rule decided: the account as it will be, and the line that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The account after the change, but for what [`Change::seal`] fills in.
    pub account: Account,
    /// The entry's line.
    pub line: Line,
}

/// What every entry is sealed with besides its line.
#[derive(Clone, Debug)]
pub struct Seal {
    /// Who did it.
    pub actor: Actor,
    /// When it was decided.
    pub at: Timestamp,
    /// The version of the settings that it was decided under, the groups' among them.
    pub policy_version: u64,
    /// The version of the customer's own document that it was decided under, if there was one.
    pub customer_version: Option<u64>,
    /// From which the salts of its free texts follow; nothing that stays stored may tell it.
    pub salt: [u8; SALT],
}

impl Seal {
    /// A salt of its own for each text, so that erasing one tells nothing of the other.
    fn salt_of(&self, name: &str) -> [u8; SALT] {
        let mut hasher = Sha256::new();
        hasher.update(self.salt);
        hasher.update(name);
        let digest: [u8; 32] = hasher.finalize().into();
        let mut salt = [0; SALT];
        salt.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        salt
    }
}

/// One immutable numbered line of an account's ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The form of its content.
    pub form: ContentForm,
    /// Whose credit.
    pub customer: CustomerId,
    /// Its number, from 1 without gaps.
    pub number: u64,
    /// What it books.
    pub kind: EntryType,
    /// By how much the balance changed.
    pub amount: Money,
    /// The balance after it.
    pub balance_after: Money,
    /// What live holds reserved after it.
    pub held_after: Money,
    /// What could be spent after it.
    pub available_after: Money,
    /// The lots that it went into or came out of.
    pub allocations: Vec<Allocation>,
    /// The new lot's category.
    pub category: Option<Category>,
    /// Who brought the new lot.
    pub source: Option<Role>,
    /// When the new lot expires; `None` is never where a lot was made.
    pub expires_at: Option<Timestamp>,
    /// The order that credit was spent on.
    pub order: Option<OrderUse>,
    /// How money came in.
    pub payment: Option<Payment>,
    /// The caller's own reference.
    pub reference: Option<Label>,
    /// The request that this approved.
    pub topup: Option<TopupId>,
    /// Of `amount`, what came out of the overdraft, or settled the debt; and beside it, of what left lots by expiry or
    /// voiding, what settled the debt.
    pub overdraft: Option<Money>,
    /// What a hold reserves, or what of it is set free.
    pub held: Option<Money>,
    /// Until when a hold counts.
    pub deadline: Option<Timestamp>,
    /// The hold that this resolved, or the redemption that it gave back.
    pub redemption: Option<u64>,
    /// The lot whose expiry moved.
    pub lot: Option<LotNumber>,
    /// Where withdrawn money was booked.
    pub journal: Option<Label>,
    /// For the customer to read.
    pub note: Option<FreeText>,
    /// For the merchant alone.
    pub internal_note: Option<FreeText>,
    /// Why the merchant did it.
    pub reason: Option<FreeText>,
    /// Who did it.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// The version of the settings that it was decided under, the groups' among them.
    pub policy_version: u64,
    /// The version of the customer's own document that it was decided under, if there was one.
    pub customer_version: Option<u64>,
    /// The hash of the entry before it; all zeros for the first.
    pub prev_hash: Hash,
    /// SHA-256 of the content.
    pub hash: Hash,
}

impl Change {
    /// Makes the entry and brings the account to it.
    ///
    /// # Errors
    /// [`OutOfRange`] when a number does not fit; nothing is changed then.
    pub fn seal(self, policy: &Policy, seal: Seal) -> Result<(Account, Entry, String), OutOfRange> {
        let Self { mut account, line } = self;
        let text = |name: &str, text: Option<Note>| text.map(|text| FreeText::new(seal.salt_of(name), text));
        let mut entry = Entry {
            form: ContentForm::Packed,
            customer: account.customer.clone(),
            number: account.next_number()?,
            kind: line.kind,
            amount: line.amount,
            balance_after: account.balance()?,
            held_after: account.held(seal.at)?,
            available_after: account.available(policy, seal.at)?,
            allocations: line.allocations,
            category: line.category,
            source: line.source,
            expires_at: line.expires_at,
            order: line.order,
            payment: line.payment,
            reference: line.reference,
            topup: line.topup,
            overdraft: line.overdraft,
            held: line.held,
            deadline: line.deadline,
            redemption: line.redemption,
            lot: line.lot,
            journal: line.journal,
            note: text("note", line.note),
            internal_note: text("internal_note", line.internal_note),
            reason: text("reason", line.reason),
            actor: seal.actor,
            at: seal.at,
            policy_version: seal.policy_version,
            customer_version: seal.customer_version,
            prev_hash: account.hash,
            hash: Hash::ZERO,
        };
        let content = entry.content()?;
        entry.hash = Hash::of(content.as_bytes());
        account.number = entry.number;
        account.hash = entry.hash;
        account.at = entry.at;
        Ok((account, entry, content))
    }
}

impl Entry {
    /// Its id, such as `USD-12`.
    pub fn id(&self) -> EntryId {
        EntryId { currency: self.currency(), number: self.number }
    }

    /// The account's currency.
    pub fn currency(&self) -> Currency {
        self.amount.currency()
    }

    /// This lot, which has to be one that it made, whatever became of it since.
    ///
    /// # Errors
    /// [`Refusal::LotNotFound`] for a lot that never was.
    pub fn lot(&self, lot: LotNumber) -> Result<LotNumber, Refusal> {
        let brings = self.category.is_some();
        let is_new = |part: &Allocation| brings || (self.kind == EntryType::Refund && part.origin.is_some());
        let made = self.allocations.iter().any(|part| part.lot == lot && is_new(part));
        if made { Ok(lot) } else { Err(Refusal::LotNotFound) }
    }

    /// The text that is hashed and stored.
    pub(crate) fn content(&self) -> Result<String, OutOfRange> {
        let text = |money: Money| money.to_string();
        let (v, allocations) = match self.form {
            ContentForm::Listed => (1, Allocations::listed(&self.allocations)),
            ContentForm::Packed => (2, Allocations::packed(&self.allocations)?),
        };
        let content = Content {
            actor: (self.actor.role, self.actor.id.clone()),
            allocations,
            amount: text(self.amount),
            at: self.at,
            available: text(self.available_after),
            balance: text(self.balance_after),
            category: self.category,
            currency: self.currency(),
            customer: self.customer.clone(),
            customer_version: self.customer_version,
            deadline: self.deadline,
            expires_at: self.expires_at,
            held: text(self.held_after),
            hold: self.held.map(text),
            internal_note: self.internal_note.as_ref().map(|note| note.digest),
            journal: self.journal.clone(),
            lot: self.lot,
            note: self.note.as_ref().map(|note| note.digest),
            number: self.number,
            order: self.order.as_ref().map(|order| OrderContent {
                base: text(order.base),
                bound_by: order.bound_by,
                id: order.id.clone(),
                total: text(order.total),
            }),
            overdraft: self.overdraft.map(text),
            payment: self.payment.clone(),
            policy: self.policy_version,
            prev: self.prev_hash,
            reason: self.reason.as_ref().map(|reason| reason.digest),
            redemption: self.redemption,
            reference: self.reference.clone(),
            source: self.source,
            topup: self.topup.clone(),
            kind: self.kind,
            v,
        };
        // Strings, numbers and lists of them: there is nothing in it that JSON cannot say.
        serde_json::to_string(&content).map_err(|_| OutOfRange)
    }

    /// Reads an entry back from its content, its hash as stored beside it, and its free texts, unless erased.
    ///
    /// # Errors
    /// [`Unreadable`] when the content is of no known version or does not say what an entry says. Whether the hash
    /// fits is not asked here.
    pub fn read(content: &str, hash: Hash, texts: Texts) -> Result<Self, Unreadable> {
        let read: Content = serde_json::from_str(content).map_err(|error| Unreadable(error.to_string()))?;
        let (form, allocations) = match (read.v, &read.allocations) {
            (1, Allocations::Listed(parts)) => {
                let parts = parts.iter().map(|part| part.read(read.currency));
                (ContentForm::Listed, parts.collect::<Result<_, _>>()?)
            }
            (2, Allocations::None) => (ContentForm::Packed, Vec::new()),
            (2, Allocations::Packed(text)) => (ContentForm::Packed, packing::unpack(text, read.currency)?),
            (1 | 2, _) => return Err(Unreadable("its allocations are not in its version's form".to_owned())),
            (unknown, _) => return Err(Unreadable(format!("version {unknown} is not known"))),
        };
        let money = |text: &str| money_of(text, read.currency);
        let optional = |text: &Option<String>| text.as_deref().map(money).transpose();
        let order = |order: &OrderContent| {
            Ok(OrderUse {
                id: order.id.clone(),
                base: money(&order.base)?,
                total: money(&order.total)?,
                bound_by: order.bound_by,
            })
        };
        Ok(Self {
            form,
            number: read.number,
            kind: read.kind,
            amount: money(&read.amount)?,
            balance_after: money(&read.balance)?,
            held_after: money(&read.held)?,
            available_after: money(&read.available)?,
            allocations,
            category: read.category,
            source: read.source,
            expires_at: read.expires_at,
            order: read.order.as_ref().map(order).transpose()?,
            overdraft: optional(&read.overdraft)?,
            held: optional(&read.hold)?,
            deadline: read.deadline,
            redemption: read.redemption,
            lot: read.lot,
            journal: read.journal,
            note: free_text(read.note, texts.note)?,
            internal_note: free_text(read.internal_note, texts.internal_note)?,
            reason: free_text(read.reason, texts.reason)?,
            actor: Actor { role: read.actor.0, id: read.actor.1 },
            at: read.at,
            policy_version: read.policy,
            customer_version: read.customer_version,
            prev_hash: read.prev,
            hash,
            customer: read.customer,
            payment: read.payment,
            reference: read.reference,
            topup: read.topup,
        })
    }
}

/// An entry's free texts as stored beside its content, unless erased.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// For the customer to read.
    pub note: Option<Written>,
    /// For the merchant alone.
    pub internal_note: Option<Written>,
    /// Why the merchant did it.
    pub reason: Option<Written>,
}

/// A free text as far as it still stands.
fn free_text(digest: Option<Hash>, written: Option<Written>) -> Result<Option<FreeText>, Unreadable> {
    match (digest, written) {
        (None, Some(_)) => Err(Unreadable("it has a text that it says nothing of".to_owned())),
        (digest, written) => Ok(digest.map(|digest| FreeText { digest, written })),
    }
}

/// An amount as it stands in a content.
fn money_of(text: &str, currency: Currency) -> Result<Money, Unreadable> {
    Money::from_text(text, currency).map_err(|error| Unreadable(format!("{text:?} {error}")))
}

/// A stored content cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry's content cannot be read: {0}")]
pub struct Unreadable(String);

/// What is written of an entry. Its keys stand in alphabetical order; what is absent is left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    actor: (Role, String),
    #[serde(default, skip_serializing_if = "Allocations::is_left_out")]
    allocations: Allocations,
    amount: String,
    at: Timestamp,
    available: String,
    balance: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<Category>,
    currency: Currency,
    customer: CustomerId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    customer_version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
    held: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    internal_note: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    journal: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lot: Option<LotNumber>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<Hash>,
    number: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<OrderContent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    overdraft: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payment: Option<Payment>,
    policy: u64,
    prev: Hash,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<Hash>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redemption: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reference: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<Role>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topup: Option<TopupId>,
    #[serde(rename = "type")]
    kind: EntryType,
    v: u8,
}

/// Allocations in any version's form.
#[derive(Default, Serialize, Deserialize)]
#[serde(untagged, expecting = "allocations are a list of lists in version 1, a text in version 2")]
enum Allocations {
    /// How version 2 says that there are none.
    #[default]
    #[serde(skip)]
    None,
    Listed(Vec<AllocationContent>),
    Packed(String),
}

impl Allocations {
    fn listed(allocations: &[Allocation]) -> Self {
        let listed = |part: &Allocation| {
            let origin = part.origin.as_ref();
            let origin = origin.map(|from| (from.category, from.source, from.granted_at, from.expires_at));
            AllocationContent(part.lot, part.amount.to_string(), origin)
        };
        Self::Listed(allocations.iter().map(listed).collect())
    }

    fn packed(allocations: &[Allocation]) -> Result<Self, OutOfRange> {
        Ok(if allocations.is_empty() { Self::None } else { Self::Packed(packing::pack(allocations)?) })
    }

    fn is_left_out(&self) -> bool {
        matches!(self, Self::None)
    }
}

/// `[lot, amount, null]`, or `[lot, amount, [category, source, granted_at, expires_at]]` where credit was spent,
/// or came back as a new lot.
#[derive(Serialize, Deserialize)]
struct AllocationContent(LotNumber, String, Option<(Category, Role, Timestamp, Option<Timestamp>)>);

impl AllocationContent {
    fn read(&self, currency: Currency) -> Result<Allocation, Unreadable> {
        let Self(lot, amount, origin) = self;
        let origin = origin.map(|(category, source, granted_at, expires_at)| Origin {
            category,
            source,
            granted_at,
            expires_at,
        });
        Ok(Allocation { lot: *lot, amount: money_of(amount, currency)?, origin })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderContent {
    base: String,
    bound_by: BoundBy,
    id: Label,
    total: String,
}
