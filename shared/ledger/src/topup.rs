//! Asking for credit against payment, and what becomes of the request.

use jiff::Timestamp;

use crate::{
    Account, Actor, Amount, Category, Change, EntryId, EntryType, Label, Line, Money, Note, Origin,
    OutOfRange, Payment, Policy, Refusal, TopupId, account::Incoming, text::words,
};

words! {
    /// What became of a top-up request.
    pub enum TopupStatus {
        /// It waits.
        Pending = "pending",
        /// It was credited.
        Approved = "approved",
        /// The merchant said no.
        Rejected = "rejected",
        /// Whoever asked took it back.
        Cancelled = "cancelled",
        /// Nobody decided on it in time.
        Lapsed = "lapsed",
    }
}

/// What a top-up asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopupRequest {
    /// How much, in the account's currency.
    pub amount: Amount,
    /// How the money comes in.
    pub payment: Payment,
    /// The caller's own reference.
    pub reference: Option<Label>,
}

/// One request, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topup {
    /// Its id.
    pub id: TopupId,
    /// How much was asked for.
    pub amount: Money,
    /// How the money comes in.
    pub payment: Payment,
    /// The caller's own reference.
    pub reference: Option<Label>,
    /// What became of it.
    pub status: TopupStatus,
    /// Who asked.
    pub requested_by: Actor,
    /// When.
    pub requested_at: Timestamp,
    /// From when on it waits no more, booked or not.
    pub lapses_at: Option<Timestamp>,
    /// Set once it is no longer pending.
    pub resolution: Option<Resolution>,
}

/// How a top-up request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// Who ended it.
    pub by: Actor,
    /// When.
    pub at: Timestamp,
    /// What was credited, if it was approved.
    pub credited: Option<(Money, EntryId)>,
    /// Why it was rejected.
    pub reason: Option<Note>,
}

impl Topup {
    /// The request as it was answered to whoever asked, whatever became of it since.
    pub fn as_requested(&self) -> Self {
        let approved = self.status == TopupStatus::Approved;
        if approved && self.resolution.as_ref().is_some_and(|resolution| resolution.by == Actor::policy()) {
            return self.clone();
        }
        Self { status: TopupStatus::Pending, resolution: None, ..self.clone() }
    }

    /// The request as it is at this moment: lapsed, once it has waited for too long.
    pub fn at(&self, now: Timestamp) -> Self {
        match self.lapses_at {
            Some(lapses_at) if self.status == TopupStatus::Pending && now >= lapses_at => {
                let resolution =
                    Resolution { by: Actor::schedule(), at: lapses_at, credited: None, reason: None };
                Self { status: TopupStatus::Lapsed, resolution: Some(resolution), ..self.clone() }
            }
            _ => self.clone(),
        }
    }
}

/// What becomes of a request at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It waits for somebody's approval.
    Waits(Box<Account>, Topup),
    /// The policy approves it: it is credited.
    Credited(Box<Change>, Topup),
}

/// Takes a request for credit; it waits for approval, or is credited at once where the policy says so.
///
/// # Errors
/// [`Refusal::Invalid`] for an amount that is zero or too precise; then
/// [`Refusal::PaymentMethodNotAllowed`], and the top-up's and the balance's limits in the order of the variants.
pub fn request_topup(
    account: &Account,
    policy: &Policy,
    request: &TopupRequest,
    id: TopupId,
    by: Actor,
    at: Timestamp,
) -> Result<Asked, Refusal> {
    let amount = request.amount.positive(account.currency).map_err(Refusal::amount("amount"))?;
    check_request(account, policy, &request.payment, amount)?;
    check_balance(account, policy, amount, at)?;

    let topup = Topup {
        id,
        amount,
        payment: request.payment.clone(),
        reference: request.reference.clone(),
        status: TopupStatus::Pending,
        requested_by: by,
        requested_at: at,
        lapses_at: Some(at.checked_add(policy.topup_pending_days.duration()).unwrap_or(Timestamp::MAX)),
        resolution: None,
    };
    let mut account = account.clone();
    if !policy.topup_approval.waits(amount) {
        let (change, topup) = credit(account, policy, &topup, amount, Actor::policy(), at)?;
        return Ok(Asked::Credited(Box::new(change), topup));
    }
    account.await_topup(&topup)?;
    Ok(Asked::Waits(Box::new(account), topup))
}

/// Credits a pending request with what was really paid: `amount`, or all that was asked for.
///
/// # Errors
/// [`Refusal::TopupNotPending`], [`Refusal::SelfApproval`], [`Refusal::Invalid`] for an amount above the request; then
/// the limits, as they stand now.
pub fn approve(
    account: &Account,
    policy: &Policy,
    topup: &Topup,
    amount: Option<Amount>,
    by: Actor,
    at: Timestamp,
) -> Result<(Change, Topup), Refusal> {
    let account = settle(account, topup, at)?;
    // One subject may come in two roles: as a customer, and as staff.
    if by.id == topup.requested_by.id {
        return Err(Refusal::SelfApproval);
    }
    let amount = match amount {
        None => topup.amount,
        Some(amount) => amount.positive(account.currency).map_err(Refusal::amount("amount"))?,
    };
    if amount > topup.amount {
        let message = format!("must be at most {}, as was requested", topup.amount);
        return Err(Refusal::Invalid { field: "amount".to_owned(), message });
    }
    check_request(&account, policy, &topup.payment, topup.amount)?;
    check_balance(&account, policy, amount, at)?;

    credit(account, policy, topup, amount, by, at)
}

/// Credits `amount` for this request, on whoever's approval.
fn credit(
    mut account: Account,
    policy: &Policy,
    topup: &Topup,
    amount: Money,
    by: Actor,
    at: Timestamp,
) -> Result<(Change, Topup), Refusal> {
    account.lifetime.topped_up = account.lifetime.topped_up.plus(amount)?;
    let origin = Origin {
        category: Category::Paid,
        source: topup.requested_by.role,
        granted_at: at,
        expires_at: policy.expiry(Category::Paid, at),
    };
    let line = Line {
        payment: Some(topup.payment.clone()),
        reference: topup.reference.clone(),
        topup: Some(topup.id.clone()),
        ..Line::new(EntryType::Topup, amount)
    };
    let entry = account.entry_id(account.next_number()?);
    let change = account.credit(policy, line, Incoming { origin, limited: true }, at)?;
    let resolution = Resolution { by, at, credited: Some((amount, entry)), reason: None };
    Ok((change, Topup { status: TopupStatus::Approved, resolution: Some(resolution), ..topup.clone() }))
}

/// Refuses a pending request, with a reason.
///
/// # Errors
/// [`Refusal::TopupNotPending`].
pub fn reject(
    account: &Account,
    topup: &Topup,
    reason: Note,
    by: Actor,
    at: Timestamp,
) -> Result<(Account, Topup), Refusal> {
    let resolution = Resolution { by, at, credited: None, reason: Some(reason) };
    let account = settle(account, topup, at)?;
    Ok((account, Topup { status: TopupStatus::Rejected, resolution: Some(resolution), ..topup.clone() }))
}

/// Takes a pending request back.
///
/// # Errors
/// [`Refusal::TopupNotPending`].
pub fn cancel(
    account: &Account,
    topup: &Topup,
    by: Actor,
    at: Timestamp,
) -> Result<(Account, Topup), Refusal> {
    let resolution = Resolution { by, at, credited: None, reason: None };
    let account = settle(account, topup, at)?;
    Ok((account, Topup { status: TopupStatus::Cancelled, resolution: Some(resolution), ..topup.clone() }))
}

/// Books that a request has waited for too long; `None` where it has not, or does not wait any more.
///
/// # Errors
/// [`OutOfRange`] when a sum does not fit.
pub fn lapse(
    account: &Account,
    topup: &Topup,
    at: Timestamp,
) -> Result<Option<(Account, Topup)>, OutOfRange> {
    let lapsed = topup.at(at);
    if lapsed == *topup {
        return Ok(None);
    }
    let mut account = account.clone();
    account.forget_topup(topup)?;
    Ok(Some((account, lapsed)))
}

/// The account for which this request no longer waits.
fn settle(account: &Account, topup: &Topup, at: Timestamp) -> Result<Account, Refusal> {
    let status = topup.at(at).status;
    if status != TopupStatus::Pending {
        return Err(Refusal::TopupNotPending { status });
    }
    let mut account = account.clone();
    account.forget_topup(topup)?;
    Ok(account)
}

/// What holds for one request, when it is asked for and again when it is approved, whatever part of it was paid.
fn check_request(
    account: &Account,
    policy: &Policy,
    payment: &Payment,
    amount: Money,
) -> Result<(), Refusal> {
    let currency = account.currency;
    if let Some(allowed) = &policy.topup_methods
        && !allowed.contains(&payment.method)
    {
        let allowed = allowed.iter().map(Label::as_str).collect::<Vec<_>>().join(", ");
        return Err(Refusal::PaymentMethodNotAllowed { allowed });
    }
    if let Some(minimum) = policy.topup_min.of(currency).filter(|minimum| amount < *minimum) {
        return Err(Refusal::TopupBelowMinimum { minimum });
    }
    if let Some(maximum) = policy.topup_max.of(currency).filter(|maximum| amount > *maximum) {
        return Err(Refusal::TopupAboveMaximum { maximum });
    }
    Ok(())
}

/// What holds for what a request credits, then and again when it is approved. The account does not count it among those that wait.
fn check_balance(account: &Account, policy: &Policy, amount: Money, at: Timestamp) -> Result<(), Refusal> {
    let currency = account.currency;
    let balance = account.counted(policy, at)?.plus(amount)?;
    let with_pending = balance.plus(account.waiting(at)?)?;
    if let Some(limit) = policy.topup_limit.of(currency).filter(|limit| with_pending > *limit) {
        return Err(Refusal::TopupLimitExceeded { limit });
    }
    if let Some(limit) = policy.balance_limit.of(currency).filter(|limit| balance > *limit) {
        return Err(Refusal::BalanceLimitExceeded { limit });
    }
    Ok(())
}
