//! How things look in JSON to those who may see them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ledger::{
    Account, Actor, Category, Currency, CustomerId, Entry, EntryId, EntryType, Finding, Flaw, GroupId, Hash,
    Hold, Label, Language, Level, Levels, Lifetime, Limits, Lot, LotId, Money, NEVER, Origin, Overrides,
    Payment, Policy, Refusal, Role, Topup, TopupId, TopupStatus, Zone,
};
use serde::Serialize;
use serde_json::Value;
use store::{CustomerRecord, Listed, Profile, Settings, Verified};

use crate::Problem;

/// One entry, as a reader of this role may see it.
#[derive(Debug, Serialize)]
pub struct EntryView<'a> {
    id: EntryId,
    #[serde(rename = "type")]
    kind: EntryType,
    amount: Money,
    currency: Currency,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Category>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Role>,
    balance_after: Money,
    allocations: Vec<AllocationView>,
    /// Of the lot that it made or moved: a moment, or null for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Option<Timestamp>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    order: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<&'a Payment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    topup: Option<&'a TopupId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overdraft: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold_expires_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    redemption: Option<EntryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lot: Option<LotId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    internal_note: Option<&'a str>,
    actor: &'a Actor,
    at: Timestamp,
    policy_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_version: Option<u64>,
    hash: Hash,
    prev_hash: Hash,
}

impl<'a> EntryView<'a> {
    /// What a reader of this role sees: internal notes are for staff alone.
    pub fn new(entry: &'a Entry, reader: Role) -> Self {
        let lot_id = |lot| LotId { currency: entry.currency(), lot };
        let staff = matches!(reader, Role::Admin | Role::Store);
        let internal_note = entry.internal_note.as_ref().filter(|_| staff);
        Self {
            id: entry.id(),
            kind: entry.kind,
            amount: entry.amount,
            currency: entry.currency(),
            category: entry.category,
            source: entry.source,
            balance_after: entry.balance_after,
            allocations: entry
                .allocations
                .iter()
                .map(|part| {
                    let told = part.origin.as_ref();
                    let imported = entry.kind == EntryType::Import && entry.category.is_some();
                    let made = told.filter(|_| imported || entry.kind == EntryType::Refund);
                    let dated = if entry.kind == EntryType::ExpiryChange { told } else { made };
                    AllocationView {
                        lot: lot_id(part.lot),
                        amount: part.amount,
                        category: made.map(|origin| origin.category),
                        granted_at: made.filter(|_| imported).map(|origin| origin.granted_at),
                        expires_at: dated.map(Origin::expiry),
                    }
                })
                .collect(),
            expires_at: ((entry.category.is_some() && entry.kind != EntryType::Import)
                || entry.lot.is_some())
            .then_some(entry.expires_at.filter(|moment| *moment != NEVER)),
            order: entry.order.as_ref().map(|order| order.id.as_str()),
            payment: entry.payment.as_ref(),
            reference: entry.reference.as_ref().map(|reference| reference.as_str()),
            topup: entry.topup.as_ref(),
            overdraft: entry.overdraft,
            held: entry.held,
            hold_expires_at: entry.deadline,
            redemption: entry.redemption.map(|number| EntryId { currency: entry.currency(), number }),
            lot: entry.lot.map(lot_id),
            journal: entry.journal.as_ref().map(|journal| journal.as_str()),
            reason: entry.reason.as_ref().and_then(|reason| reason.text()),
            note: entry.note.as_ref().and_then(|note| note.text()),
            internal_note: internal_note.and_then(|note| note.text()),
            actor: &entry.actor,
            at: entry.at,
            policy_version: entry.policy_version,
            customer_version: entry.customer_version,
            hash: entry.hash,
            prev_hash: entry.prev_hash,
        }
    }
}

/// What went into or came out of one lot.
#[derive(Debug, Serialize)]
struct AllocationView {
    lot: LotId,
    amount: Money,
    /// Of the lot that a refund or an import made.
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<Category>,
    /// Of the lot that an import made: the day on which it came in the other system.
    #[serde(skip_serializing_if = "Option::is_none")]
    granted_at: Option<Timestamp>,
    /// Of the lot that a refund or an import made, and the date that reaching back gave: a moment, or null for never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Option<Timestamp>>,
}

/// The balances that an entry left behind.
#[derive(Debug, Serialize)]
pub struct AccountView {
    currency: Currency,
    balance: Money,
    held: Money,
    available: Money,
}

impl AccountView {
    /// The balances of this moment.
    ///
    /// # Errors
    /// When a sum does not fit.
    pub fn now(account: &Account, policy: &Policy, now: Timestamp) -> Result<Self, Refusal> {
        Ok(Self {
            currency: account.currency,
            balance: account.balance()?,
            held: account.held(now)?,
            available: account.available(policy, now)?,
        })
    }
}

impl From<&Entry> for AccountView {
    fn from(entry: &Entry) -> Self {
        Self {
            currency: entry.currency(),
            balance: entry.balance_after,
            held: entry.held_after,
            available: entry.available_after,
        }
    }
}

/// One top-up request and what became of it.
#[derive(Debug, Serialize)]
pub struct TopupView<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<&'a str>,
    status: TopupStatus,
    amount: Money,
    currency: Currency,
    payment: &'a Payment,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<&'a str>,
    requested_by: &'a Actor,
    requested_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    lapses_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credited: Option<Money>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_by: Option<&'a Actor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<Timestamp>,
}

impl<'a> TopupView<'a> {
    /// As its customer's path shows it.
    pub fn new(topup: &'a Topup) -> Self {
        let resolution = topup.resolution.as_ref();
        let credited = resolution.and_then(|resolution| resolution.credited);
        Self {
            id: topup.id.to_string(),
            customer: None,
            status: topup.status,
            amount: topup.amount,
            currency: topup.amount.currency(),
            payment: &topup.payment,
            reference: topup.reference.as_ref().map(|reference| reference.as_str()),
            requested_by: &topup.requested_by,
            requested_at: topup.requested_at,
            lapses_at: topup.lapses_at,
            credited: credited.map(|(amount, _)| amount),
            entry: credited.map(|(_, entry)| entry),
            reason: resolution
                .and_then(|resolution| resolution.reason.as_ref())
                .map(|reason| reason.as_str()),
            resolved_by: resolution.map(|resolution| &resolution.by),
            resolved_at: resolution.map(|resolution| resolution.at),
        }
    }

    /// As a list over all customers shows it.
    #[must_use]
    pub fn of(self, customer: &'a CustomerId) -> Self {
        Self { customer: Some(customer.as_str()), ..self }
    }
}

/// The rules in force, each with the level that says so.
#[derive(Debug, Serialize)]
pub struct PolicyView(BTreeMap<String, SettingView>);

#[derive(Debug, Serialize)]
struct SettingView {
    value: Value,
    from: Level,
}

impl PolicyView {
    /// Of these levels together.
    ///
    /// # Errors
    /// When a setting is not JSON, which none is.
    pub fn new(levels: &Levels) -> Result<Self, Problem> {
        let policy =
            serde_json::to_value(levels.policy()).map_err(|error| Problem::internal(error.to_string()))?;
        let Value::Object(settings) = policy else {
            return Err(Problem::internal("a policy is no object"));
        };
        let setting = |(name, value): (String, Value)| {
            let from = levels.level(&name);
            (name, SettingView { value, from })
        };
        Ok(Self(settings.into_iter().map(setting).collect()))
    }
}

/// What a customer has to know of the rules in force, to ask for a top-up or a withdrawal.
#[derive(Debug, Serialize)]
struct TermsView {
    currency: Currency,
    time_zone: Zone,
    topup_methods: Option<Vec<Label>>,
    topup_min: Limits,
    topup_max: Limits,
    withdrawal: bool,
    withdrawable: Vec<Category>,
}

impl TermsView {
    fn new(policy: &Policy) -> Self {
        Self {
            currency: policy.currency,
            time_zone: policy.time_zone.clone(),
            topup_methods: policy.topup_methods.clone(),
            topup_min: policy.topup_min.clone(),
            topup_max: policy.topup_max.clone(),
            withdrawal: policy.withdrawal,
            withdrawable: policy.withdrawable.clone(),
        }
    }
}

/// One customer with balances, lots and what expires when.
#[derive(Debug, Serialize)]
pub struct CustomerView {
    customer: CustomerId,
    name: Option<Label>,
    email: Option<Label>,
    language: Option<Language>,
    group: Option<GroupId>,
    frozen: bool,
    accounts: Vec<CustomerAccountView>,
    /// The moment that the accounts are of, if it is past.
    #[serde(skip_serializing_if = "Option::is_none")]
    as_of: Option<Timestamp>,
    /// For staff alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    terms: Option<TermsView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<PolicyView>,
    /// What of it is the customer's own, as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    own_policy: Option<Overrides>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

#[derive(Debug, Serialize)]
struct CustomerAccountView {
    #[serde(flatten)]
    balances: AccountView,
    /// Absent of a past moment: entries do not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending_topups: Option<Money>,
    lots: Vec<LotView>,
    holds: Vec<HoldView>,
    expiring: Vec<ExpiringView>,
    lifetime: LifetimeView,
}

#[derive(Debug, Serialize)]
struct LotView {
    id: LotId,
    category: Category,
    source: Role,
    remaining: Money,
    granted_at: Timestamp,
    expires_at: Option<Timestamp>,
}

/// What is reserved for an order until then, by the id that captures or voids it.
#[derive(Debug, Serialize)]
struct HoldView {
    id: EntryId,
    /// All that can be captured.
    amount: Money,
    /// What of it comes out of the overdraft, and so is no part of what is held of the lots.
    #[serde(skip_serializing_if = "Option::is_none")]
    overdraft: Option<Money>,
    expires_at: Timestamp,
    order: Label,
}

#[derive(Debug, Serialize)]
struct ExpiringView {
    at: Timestamp,
    amount: Money,
}

#[derive(Debug, Serialize)]
struct LifetimeView {
    granted: Money,
    topped_up: Money,
    redeemed: Money,
    refunded: Money,
    withdrawn: Money,
    expired: Money,
    debited: Money,
    by_admin: Money,
    by_customer: Money,
}

impl CustomerView {
    /// As of this moment, as a reader of this role may see it.
    ///
    /// # Errors
    /// When a sum does not fit.
    pub fn new(
        customer: CustomerId,
        record: CustomerRecord,
        settings: Settings,
        reader: Role,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let levels = settings.levels(record.profile.as_ref())?;
        let policy = levels.policy();
        let profile = record.profile.unwrap_or_default();
        let accounts = record.accounts.iter().map(|account| CustomerAccountView::new(account, &policy, now));
        let accounts = accounts.collect::<Result<_, _>>()?;
        let staff = matches!(reader, Role::Admin | Role::Store);
        let Profile { name, email, language, group, frozen, version, policy: own_policy } = profile;
        Ok(Self {
            customer,
            name,
            email,
            language,
            group,
            frozen,
            accounts,
            as_of: None,
            terms: (!staff).then(|| TermsView::new(&policy)),
            policy: staff.then(|| PolicyView::new(&levels)).transpose()?,
            own_policy: staff.then_some(own_policy),
            version: staff.then_some(version),
        })
    }

    /// The same, of accounts as they were at this moment.
    #[must_use]
    pub fn as_of(self, moment: Timestamp) -> Self {
        let past = |account| CustomerAccountView { pending_topups: None, ..account };
        let accounts = self.accounts.into_iter().map(past).collect();
        Self { accounts, as_of: Some(moment), ..self }
    }
}

/// One customer in a list over all of them.
#[derive(Debug, Serialize)]
pub struct ListedView {
    customer: CustomerId,
    name: Option<Label>,
    email: Option<Label>,
    group: Option<GroupId>,
    frozen: bool,
    account: AccountView,
    lifetime: LifetimeView,
}

impl ListedView {
    /// As of this moment.
    ///
    /// # Errors
    /// When a sum does not fit.
    pub fn new(listed: Listed, settings: &Settings, now: Timestamp) -> Result<Self, Problem> {
        let Listed { customer, profile, account } = listed;
        let policy = settings.levels(profile.as_ref())?.policy();
        let Profile { name, email, group, frozen, .. } = profile.unwrap_or_default();
        let lifetime = LifetimeView::from(account.lifetime);
        let account = AccountView::now(&account, &policy, now)?;
        Ok(Self { customer, name, email, group, frozen, account, lifetime })
    }
}

impl CustomerAccountView {
    fn new(account: &Account, policy: &Policy, now: Timestamp) -> Result<Self, Refusal> {
        let lot = |lot: &Lot| LotView {
            id: account.lot_id(lot.number),
            category: lot.origin.category,
            source: lot.origin.source,
            remaining: lot.remaining,
            granted_at: lot.origin.granted_at,
            expires_at: lot.origin.expiry(),
        };
        let hold = |hold: &Hold| -> Result<_, Refusal> {
            Ok(HoldView {
                id: account.entry_id(hold.number),
                amount: hold.amount()?,
                overdraft: Some(hold.overdraft).filter(|overdraft| overdraft.is_positive()),
                expires_at: hold.deadline,
                order: hold.order.id.clone(),
            })
        };
        let expiring =
            account.expiring(policy, now)?.into_iter().map(|(at, amount)| ExpiringView { at, amount });
        Ok(Self {
            balances: AccountView::now(account, policy, now)?,
            pending_topups: Some(account.waiting(now)?),
            lots: account.lots.iter().map(lot).collect(),
            holds: account.live_holds(now).into_iter().map(hold).collect::<Result<_, _>>()?,
            expiring: expiring.collect(),
            lifetime: LifetimeView::from(account.lifetime),
        })
    }
}

impl From<Lifetime> for LifetimeView {
    fn from(lifetime: Lifetime) -> Self {
        let Lifetime {
            granted,
            topped_up,
            redeemed,
            refunded,
            withdrawn,
            expired,
            debited,
            by_admin,
            by_customer,
        } = lifetime;
        Self { granted, topped_up, redeemed, refunded, withdrawn, expired, debited, by_admin, by_customer }
    }
}

/// What came of holding a customer's accounts against their entries.
#[derive(Debug, Serialize)]
pub struct VerificationView {
    customer: CustomerId,
    sound: bool,
    accounts: Vec<VerifiedAccountView>,
    findings: Vec<FindingView>,
}

#[derive(Debug, Serialize)]
struct VerifiedAccountView {
    currency: Currency,
    entries: u64,
    hash: Hash,
    sound: bool,
    findings: Vec<FindingView>,
}

#[derive(Debug, Serialize)]
struct FindingView {
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<EntryId>,
    code: Flaw,
    detail: String,
}

impl VerificationView {
    /// Of this customer.
    pub fn new(customer: CustomerId, verified: Verified) -> Self {
        let view = |Finding { entry, code, detail, .. }: Finding| FindingView { entry, code, detail };
        let views = |findings: Vec<Finding>| findings.into_iter().map(view).collect();
        Self {
            customer,
            sound: verified.is_sound(),
            accounts: verified
                .accounts
                .into_iter()
                .map(|account| VerifiedAccountView {
                    currency: account.currency,
                    entries: account.entries,
                    hash: account.hash,
                    sound: account.findings.is_empty(),
                    findings: views(account.findings),
                })
                .collect(),
            findings: views(verified.findings),
        }
    }
}
