//! What takes credit out by other ways than an order: withdrawals, debits, voided lots; and moving a lot's expiry.

use jiff::Timestamp;

use crate::{
    Account, Allocation, Amount, Change, EntryType, Label, Line, Lot, LotExpiry, LotNumber, Money, NEVER,
    Note, OutOfRange, Policy, Refusal, Role,
};

/// What a withdrawal asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withdrawal {
    /// How much, in the account's currency.
    pub amount: Amount,
    /// Where the money is booked, such as `cash` or `bank`.
    pub journal: Label,
    /// The caller's own reference.
    pub reference: Option<Label>,
    /// For the customer to read.
    pub note: Option<Note>,
}

/// Pays credit out as money: of the categories that can be withdrawn, never out of the overdraft.
///
/// # Errors
/// [`Refusal::WithdrawalNotAllowed`] for a customer where the policy says so; [`Refusal::Invalid`] for an amount that is
/// zero or too precise; [`Refusal::CreditDisabled`]; [`Refusal::InsufficientCredit`], [`Refusal::NotWithdrawable`].
pub fn withdraw(
    account: &Account,
    policy: &Policy,
    withdrawal: &Withdrawal,
    by: Role,
    at: Timestamp,
) -> Result<Change, Refusal> {
    if by == Role::Customer && !policy.withdrawal {
        return Err(Refusal::WithdrawalNotAllowed);
    }
    let amount = withdrawal.amount.positive(account.currency).map_err(Refusal::amount("amount"))?;
    if !policy.enabled {
        return Err(Refusal::CreditDisabled);
    }
    let can_be = |lot: &Lot| policy.withdrawable.contains(&lot.origin.category);
    let available = account.own(policy, at)?;
    if amount > available {
        return Err(Refusal::InsufficientCredit { available });
    }
    // What is owed is owed first.
    let withdrawable = account.own_of(policy, at, can_be)?;
    if amount > withdrawable {
        return Err(Refusal::NotWithdrawable { withdrawable });
    }

    let (mut account, allocations) = take_own(account, policy, amount, at, can_be)?;
    account.lifetime.withdrawn = account.lifetime.withdrawn.plus(amount)?;
    let line = Line {
        allocations,
        journal: Some(withdrawal.journal.clone()),
        reference: withdrawal.reference.clone(),
        note: withdrawal.note.clone(),
        ..Line::new(EntryType::Withdraw, amount.negated())
    };
    Ok(Change { account, line })
}

/// Takes credit back, with a reason; never out of the overdraft.
///
/// # Errors
/// [`Refusal::Invalid`] for an amount that is zero or too precise; [`Refusal::InsufficientCredit`].
pub fn debit(
    account: &Account,
    policy: &Policy,
    amount: Amount,
    reason: &Note,
    reference: Option<&Label>,
    at: Timestamp,
) -> Result<Change, Refusal> {
    let amount = amount.positive(account.currency).map_err(Refusal::amount("amount"))?;
    let available = account.own(policy, at)?;
    if amount > available {
        return Err(Refusal::InsufficientCredit { available });
    }
    let (mut account, allocations) = take_own(account, policy, amount, at, |_| true)?;
    account.lifetime.debited = account.lifetime.debited.plus(amount)?;
    let line = Line {
        allocations,
        reason: Some(reason.clone()),
        reference: reference.cloned(),
        ..Line::new(EntryType::Debit, amount.negated())
    };
    Ok(Change { account, line })
}

/// Takes back what is left of one lot. What is owed is settled first, out of it, and only the rest leaves the balance,
/// which never goes below zero by it, nor deeper below zero.
///
/// # Errors
/// [`Refusal::LotNotFound`]; [`Refusal::LotNotVoidable`] when it is used up, has expired, or is held.
pub fn void_lot(
    account: &Account,
    policy: &Policy,
    lot: LotNumber,
    reason: &Note,
    at: Timestamp,
) -> Result<Change, Refusal> {
    let left = open_lot(account, policy, lot, at)?.remaining;
    if account.reserved(lot, at)?.is_positive() {
        return Err(Refusal::LotNotVoidable { why: "is held for an order; capture or void the hold first" });
    }
    let mut account = account.clone();
    account.lots.retain(|open| open.number != lot);
    account.drop_lapsed_holds(at);
    let settled = account.settle(left)?;
    let voided = left.minus(settled)?;
    account.lifetime.debited = account.lifetime.debited.plus(voided)?;
    let line = Line {
        allocations: vec![Allocation { lot, amount: left, origin: None }],
        overdraft: Some(settled).filter(|settled| settled.is_positive()),
        reason: Some(reason.clone()),
        ..Line::new(EntryType::Void, voided.negated())
    };
    Ok(Change { account, line })
}

/// Moves the moment at which a lot expires.
///
/// # Errors
/// [`Refusal::LotNotFound`]; [`Refusal::LotNotVoidable`] when it is used up or has expired; [`Refusal::ExpiryInPast`].
pub fn change_expiry(
    account: &Account,
    policy: &Policy,
    lot: LotNumber,
    expiry: LotExpiry,
    reason: Option<&Note>,
    at: Timestamp,
) -> Result<Change, Refusal> {
    open_lot(account, policy, lot, at)?;
    let expires_at = expiry.moment(policy, at)?;
    let mut account = account.clone();
    for open in account.lots.iter_mut().filter(|open| open.number == lot) {
        open.origin.expires_at = expires_at;
    }
    if let Some(expires_at) = expires_at.filter(|moment| *moment != NEVER) {
        account.look_at(expires_at);
    }
    let line = Line {
        lot: Some(lot),
        expires_at,
        reason: reason.cloned(),
        ..Line::new(EntryType::ExpiryChange, Money::zero(account.currency))
    };
    Ok(Change { account, line })
}

/// Gives every open lot that has no date the one that it would have had under this policy, and all of them one entry;
/// `None` where none lacks one, or [`Policy::apply_to_existing`] is off. A lot that is said never to expire keeps that.
///
/// # Errors
/// [`OutOfRange`] when a number does not fit.
pub fn reach_back(account: &Account, policy: &Policy, at: Timestamp) -> Result<Option<Change>, OutOfRange> {
    if !policy.apply_to_existing {
        return Ok(None);
    }
    let mut account = account.clone();
    account.drop_lapsed_holds(at);
    let mut dated = Vec::new();
    for lot in account.lots.iter_mut().filter(|lot| lot.origin.expires_at.is_none()) {
        if let Some(expires_at) = policy.expiry(lot.origin.category, lot.origin.granted_at) {
            lot.origin.expires_at = Some(expires_at);
            let amount = Money::zero(account.currency);
            dated.push(Allocation { lot: lot.number, amount, origin: Some(lot.origin.clone()) });
        }
    }
    let Some(first) = dated.iter().filter_map(|lot| lot.origin.as_ref()?.expiry()).min() else {
        return Ok(None);
    };
    account.look_at(first);
    let line =
        Line { allocations: dated, ..Line::new(EntryType::ExpiryChange, Money::zero(account.currency)) };
    Ok(Some(Change { account, line }))
}

/// The lot of this number, if something usable is left of it.
fn open_lot<'a>(
    account: &'a Account,
    policy: &Policy,
    lot: LotNumber,
    at: Timestamp,
) -> Result<&'a Lot, Refusal> {
    match account.lots.iter().find(|open| open.number == lot) {
        Some(open) if open.is_usable(policy, at) => Ok(open),
        Some(_) => Err(Refusal::LotNotVoidable { why: "has expired" }),
        None if lot.entry > account.number => Err(Refusal::LotNotFound),
        None => Err(Refusal::LotNotVoidable { why: "has nothing left" }),
    }
}

/// Takes an amount out of the lots that `from` admits, in the policy's order.
fn take_own(
    account: &Account,
    policy: &Policy,
    amount: Money,
    at: Timestamp,
    from: impl Fn(&Lot) -> bool,
) -> Result<(Account, Vec<Allocation>), Refusal> {
    let found = account.find(amount, policy, at, from)?;
    let mut account = account.clone();
    account.drop_lapsed_holds(at);
    let allocations = account.take(&found)?;
    Ok((account, allocations))
}
