//! Why a rule lets nothing happen.

use crate::{AmountError, MAX_WAITING_TOPUPS, Money, OutOfRange, TopupStatus};

/// Why a rule lets nothing happen, with the numbers that tell the caller what would be possible.
///
/// The rules are asked in the order of these variants, so that a request with two faults always gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The request was resolved before.
    #[error("the top-up is {status}, and only a pending one can be resolved")]
    TopupNotPending {
        /// What became of it.
        status: TopupStatus,
    },
    /// Whoever asked for a top-up would approve it.
    #[error("whoever requested a top-up cannot approve it: let another admin do it")]
    SelfApproval,
    /// There is no such redemption, hold or capture of this account.
    #[error(
        "there is no such redemption: a hold is captured or voided, a redemption or a capture is refunded"
    )]
    RedemptionNotFound,
    /// The hold is past its time.
    #[error("the hold has lapsed")]
    HoldExpired,
    /// The hold was captured or voided before.
    #[error("the hold was resolved before")]
    HoldResolved,
    /// There is no such lot.
    #[error("there is no such lot")]
    LotNotFound,
    /// The lot is used up, expired or held.
    #[error("the lot {why}")]
    LotNotVoidable {
        /// What stands in the way.
        why: &'static str,
    },
    /// The policy lets customers not withdraw by themselves.
    #[error("customers cannot withdraw by themselves here")]
    WithdrawalNotAllowed,
    /// A value that only shows to be wrong beside others, such as one with more decimals than its currency has.
    #[error("{field} {message}")]
    Invalid {
        /// Where it stands in the request's body.
        field: String,
        /// What would be right.
        message: String,
    },
    /// The store's credit is switched off.
    #[error("store credit is switched off for this customer or store")]
    CreditDisabled,
    /// The order holds a credit product.
    #[error("an order that holds a credit product cannot be paid with credit")]
    CreditProductNotPayable,
    /// The order is too small to use credit.
    #[error("the order's base of {base} is below {activation_total}, from which credit can be used")]
    ActivationTotalNotReached {
        /// The base from which it could.
        activation_total: Money,
        /// The order's base.
        base: Money,
    },
    /// More than the order comes to.
    #[error("the order comes to {order_total}")]
    ExceedsOrderTotal {
        /// What it comes to.
        order_total: Money,
    },
    /// More than the usage limit allows of this order.
    #[error("at most {maximum} of this order can be paid with credit")]
    UsageLimitExceeded {
        /// What it allows.
        maximum: Money,
    },
    /// More than one redemption may take.
    #[error("one redemption can take at most {limit}")]
    TransactionLimitExceeded {
        /// What it may take.
        limit: Money,
    },
    /// More than the hold reserves.
    #[error("the hold is of {held}")]
    ExceedsHold {
        /// What it reserves.
        held: Money,
    },
    /// More than is left to give back of the redemption.
    #[error("{refundable} of the redemption is left to refund")]
    RefundExceedsRedemption {
        /// What is left.
        refundable: Money,
    },
    /// More than the account can spend now.
    #[error("{available} is available")]
    InsufficientCredit {
        /// What it can spend.
        available: Money,
    },
    /// There is credit enough, but of categories that cannot be withdrawn.
    #[error("{withdrawable} can be withdrawn")]
    NotWithdrawable {
        /// What can be.
        withdrawable: Money,
    },
    /// The account has as many live holds as it can.
    #[error("the account has as many live holds as it can; capture or void some first")]
    TooManyHolds,
    /// The expiry is not after now.
    #[error("the expiry must be in the future")]
    ExpiryInPast,
    /// Top-ups by this method are not taken.
    #[error("top-ups are taken by {}", if allowed.is_empty() { "no method" } else { allowed })]
    PaymentMethodNotAllowed {
        /// By which they are, comma-separated.
        allowed: String,
    },
    /// Less than one top-up may ask for.
    #[error("one top-up must be at least {minimum}")]
    TopupBelowMinimum {
        /// The least.
        minimum: Money,
    },
    /// More than one top-up may ask for.
    #[error("one top-up can be at most {maximum}")]
    TopupAboveMaximum {
        /// The most.
        maximum: Money,
    },
    /// As many requests wait as may.
    #[error("{MAX_WAITING_TOPUPS} top-ups wait already; cancel some, or have some decided on")]
    TooManyTopups,
    /// Balance, pending requests and this one would come to more than allowed.
    #[error("balance, pending top-ups and this one can come to at most {limit}")]
    TopupLimitExceeded {
        /// What they may come to.
        limit: Money,
    },
    /// The balance would rise above its limit.
    #[error("the balance can be at most {limit}")]
    BalanceLimitExceeded {
        /// How high it may rise.
        limit: Money,
    },
    /// The account's stored item would grow without bound.
    #[error("the account holds as many open lots as it can; spend or void some first")]
    TooManyLots,
    /// An exact result does not fit: only sums of amounts beyond all trade get here.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Refusal {
    /// The refusal of an amount that stands in `field`.
    pub(crate) fn amount(field: impl Into<String>) -> impl FnOnce(AmountError) -> Self {
        let field = field.into();
        move |error| Self::Invalid { field, message: error.to_string() }
    }
}
