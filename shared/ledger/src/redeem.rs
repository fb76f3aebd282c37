//! Spending credit on an order, and the same computation without spending.

use jiff::Timestamp;

use crate::{
    Account, Allocation, Amount, Change, Currency, EntryType, Hold, HoldSeconds, Label, Line, LotNumber,
    MAX_HOLDS, Money, OutOfRange, Policy, Refusal, SignedAmount, UsageBase, UsageLimit, account::Found,
    text::words,
};

/// Lines that an order may have.
pub const MAX_ORDER_LINES: usize = 500;

/// The line that `usage_base: subtotal_only` looks at.
const SUB_TOTAL: &str = "sub_total";

words! {
    /// Which rule decided how much was applied.
    pub enum BoundBy {
        /// What the account can spend.
        Available = "available",
        /// The cap on the order's base.
        UsageLimit = "usage_limit",
        /// What the order comes to.
        OrderTotal = "order_total",
        /// The cap on one redemption.
        TransactionLimit = "transaction_limit",
        /// The caller, who asked for exactly that.
        Requested = "requested",
        /// The order is too small to use credit.
        ActivationTotal = "activation_total",
        /// The order holds a credit product.
        CreditProduct = "credit_product",
    }
}

/// An order as the shop totals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its lines; coupons are negative.
    pub lines: Vec<OrderLine>,
    /// Whether credit itself is among what is bought.
    pub contains_credit_product: bool,
}

/// One line of an order's totals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderLine {
    /// The shop's name of it, such as `sub_total` or `shipping`.
    pub code: Label,
    /// Its amount.
    pub amount: SignedAmount,
    /// Its place among the lines.
    pub sort_order: i64,
}

/// What an entry keeps of the order that it was spent on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderUse {
    /// The shop's id of the order.
    pub id: Label,
    /// The base that the limit was a part of.
    pub base: Money,
    /// What the order comes to.
    pub total: Money,
    /// Which rule decided how much was applied.
    pub bound_by: BoundBy,
}

/// How much credit an order can use, and why no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What is paid with credit.
    pub applied: Money,
    /// What is left to pay otherwise.
    pub remaining_due: Money,
    /// What the order comes to.
    pub order_total: Money,
    /// The base that the limits look at.
    pub base: Money,
    /// Which rule decided.
    pub bound_by: BoundBy,
}

impl Terms {
    fn of(&self, order: &Label) -> OrderUse {
        OrderUse { id: order.clone(), base: self.base, total: self.order_total, bound_by: self.bound_by }
    }
}

/// A rule that bounds what can be applied, and what it says to whoever wants more.
struct Bound {
    by: BoundBy,
    at_most: Money,
    refusal: Refusal,
}

/// Tells how much credit the order can use: exactly `requested`, or the most that the rules allow, which may be zero.
///
/// # Errors
/// [`Refusal::Invalid`] for amounts with too many decimals, [`Refusal::CreditDisabled`]; with `requested` also the
/// rule that does not let it through.
pub fn quote(
    account: &Account,
    policy: &Policy,
    order: &Order,
    requested: Option<Amount>,
    at: Timestamp,
) -> Result<Terms, Refusal> {
    decide(account, policy, order, requested, at).map(|(terms, _)| terms)
}

/// Spends credit on the order: exactly `requested`, or the most that the rules allow.
///
/// # Errors
/// As [`quote`]; and when the rules allow nothing, the one that bound it.
pub fn redeem(
    account: &Account,
    policy: &Policy,
    order_id: &Label,
    order: &Order,
    requested: Option<Amount>,
    at: Timestamp,
) -> Result<Change, Refusal> {
    let (terms, found, mut account) = secure(account, policy, order, requested, at)?;
    let allocations = account.take(&found)?;
    account.lifetime.redeemed = account.lifetime.redeemed.plus(terms.applied)?;
    let line = Line {
        allocations,
        order: Some(terms.of(order_id)),
        overdraft: Some(found.overdraft).filter(|overdraft| overdraft.is_positive()),
        ..Line::new(EntryType::Redeem, terms.applied.negated())
    };
    Ok(Change { account, line })
}

/// Reserves credit for the order as [`redeem`] would spend it, to be captured or voided within `ttl`, or the policy's time.
///
/// # Errors
/// As [`redeem`]; [`Refusal::TooManyHolds`].
pub fn hold(
    account: &Account,
    policy: &Policy,
    order_id: &Label,
    order: &Order,
    requested: Option<Amount>,
    ttl: Option<HoldSeconds>,
    at: Timestamp,
) -> Result<Change, Refusal> {
    let (terms, found, mut account) = secure(account, policy, order, requested, at)?;
    if account.holds.len() >= MAX_HOLDS {
        return Err(Refusal::TooManyHolds);
    }
    let deadline =
        at.checked_add(ttl.unwrap_or(policy.hold_ttl_seconds).duration()).map_err(|_| OutOfRange)?;
    let reserved =
        |(lot, amount): &(LotNumber, Money)| Allocation { lot: *lot, amount: *amount, origin: None };
    let line = Line {
        allocations: found.parts.iter().map(reserved).collect(),
        order: Some(terms.of(order_id)),
        overdraft: Some(found.overdraft).filter(|overdraft| overdraft.is_positive()),
        held: Some(terms.applied),
        deadline: Some(deadline),
        ..Line::new(EntryType::Hold, Money::zero(account.currency))
    };
    let Found { parts, overdraft } = found;
    let number = account.next_number()?;
    account.holds.push(Hold { number, deadline, parts, overdraft, order: terms.of(order_id) });
    Ok(Change { account, line })
}

/// What the order can use, which is something, where to take it from, and the account to take it from.
fn secure(
    account: &Account,
    policy: &Policy,
    order: &Order,
    requested: Option<Amount>,
    at: Timestamp,
) -> Result<(Terms, Found, Account), Refusal> {
    let (terms, refusal) = decide(account, policy, order, requested, at)?;
    if terms.applied.is_zero() {
        return Err(refusal);
    }
    let found = account.find(terms.applied, policy, at, |_| true)?;
    let mut account = account.clone();
    account.drop_lapsed_holds(at);
    Ok((terms, found, account))
}

/// The terms, and the refusal of whoever wants more than they allow.
fn decide(
    account: &Account,
    policy: &Policy,
    order: &Order,
    requested: Option<Amount>,
    at: Timestamp,
) -> Result<(Terms, Refusal), Refusal> {
    let currency = account.currency;
    let requested =
        requested.map(|amount| amount.positive(currency)).transpose().map_err(Refusal::amount("amount"))?;
    let (base, order_total) = total(order, policy, currency)?;
    let terms = |applied: Money, bound_by| -> Result<Terms, Refusal> {
        Ok(Terms { applied, remaining_due: order_total.minus(applied)?, order_total, base, bound_by })
    };

    if !policy.enabled {
        return Err(Refusal::CreditDisabled);
    }
    let activation_total = policy.activation_total.of(currency);
    let activation_total = activation_total.filter(|total| total.is_positive() && base < *total);
    let barred = if order.contains_credit_product {
        Some((BoundBy::CreditProduct, Refusal::CreditProductNotPayable))
    } else {
        activation_total.map(|activation_total| {
            (BoundBy::ActivationTotal, Refusal::ActivationTotalNotReached { activation_total, base })
        })
    };
    // The overdraft is for whoever asks for an exact amount; nobody goes into debt unasked.
    let available =
        if requested.is_some() { account.available(policy, at)? } else { account.own(policy, at)? };
    let bounds = bounds(policy, base, order_total, available)?;
    match (requested, barred) {
        (Some(_), Some((_, refusal))) => Err(refusal),
        (None, Some((bound_by, refusal))) => Ok((terms(Money::zero(currency), bound_by)?, refusal)),
        (Some(amount), None) => match bounds.into_iter().find(|bound| amount > bound.at_most) {
            Some(bound) => Err(bound.refusal),
            None => Ok((terms(amount, BoundBy::Requested)?, Refusal::CreditDisabled)),
        },
        (None, None) => {
            let tightest = bounds
                .into_iter()
                .reduce(|tightest, bound| if bound.at_most < tightest.at_most { bound } else { tightest });
            match tightest {
                Some(bound) => Ok((terms(bound.at_most, bound.by)?, bound.refusal)),
                None => Err(Refusal::CreditDisabled),
            }
        }
    }
}

/// Every rule that bounds what can be applied, in the order of [`Refusal`]'s variants: the first of two that are
/// equally tight is the one that is named.
fn bounds(policy: &Policy, base: Money, order_total: Money, available: Money) -> Result<Vec<Bound>, Refusal> {
    let currency = available.currency();
    let mut bounds = vec![Bound {
        by: BoundBy::OrderTotal,
        at_most: order_total.or_zero(),
        refusal: Refusal::ExceedsOrderTotal { order_total },
    }];
    let usage_limit = match &policy.usage_limit {
        None => None,
        Some(UsageLimit::Percent(percent)) => Some(percent.of(base.or_zero())?),
        Some(UsageLimit::Fixed(limits)) => limits.of(currency),
    };
    if let Some(maximum) = usage_limit {
        bounds.push(Bound {
            by: BoundBy::UsageLimit,
            at_most: maximum,
            refusal: Refusal::UsageLimitExceeded { maximum },
        });
    }
    if let Some(limit) = policy.transaction_limit.of(currency) {
        bounds.push(Bound {
            by: BoundBy::TransactionLimit,
            at_most: limit,
            refusal: Refusal::TransactionLimitExceeded { limit },
        });
    }
    bounds.push(Bound {
        by: BoundBy::Available,
        at_most: available,
        refusal: Refusal::InsufficientCredit { available },
    });
    Ok(bounds)
}

/// The order's base and what it comes to. Either may be negative where coupons outweigh the rest.
fn total(order: &Order, policy: &Policy, currency: Currency) -> Result<(Money, Money), Refusal> {
    let mut base = Money::zero(currency);
    let mut total = Money::zero(currency);
    for (at, line) in order.lines.iter().enumerate() {
        let amount =
            line.amount.of(currency).map_err(Refusal::amount(format!("order.lines[{at}].amount")))?;
        let counts = match policy.usage_base {
            UsageBase::PrecedingLines => line.sort_order < policy.sort_order,
            UsageBase::SubtotalOnly => line.code.as_str() == SUB_TOTAL,
        };
        if counts {
            base = base.plus(amount)?;
        }
        total = total.plus(amount)?;
    }
    Ok((base, total))
}
