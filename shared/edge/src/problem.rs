//! Every error that a client can see: RFC 9457 problem documents with a stable code. Nothing else picks a status.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use ledger::{Money, Refusal};
use serde_json::{Map, Value, json};

/// Seconds after which a client may try again what failed for a passing reason.
const RETRY_AFTER: u32 = 1;

/// Seconds after which the books may have been closed.
const CLOSED_AFTER: u32 = 300;

/// Why a call failed, as the client is told; and what only the log is told.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    members: Map<String, Value>,
    retry_after: Option<u32>,
    cause: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), members: Map::new(), retry_after: None, cause: None }
    }

    /// The request itself is wrong, in this field.
    pub fn invalid(field: impl Into<String>, message: impl Into<String>) -> Self {
        let (field, message) = (field.into(), message.into());
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", format!("{field} {message}"))
            .with("errors", json!([{"field": field, "message": message}]))
    }

    /// A call that moves credit came without its key.
    pub(crate) fn idempotency_key_required() -> Self {
        let detail =
            "the header Idempotency-Key is required, with a value of your own for each thing that you do";
        Self::new(StatusCode::BAD_REQUEST, "idempotency_key_required", detail)
    }

    /// A list's cursor is none that we gave.
    pub fn invalid_cursor() -> Self {
        let detail = "the cursor is none that this list answered; begin again without one";
        Self::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail)
    }

    /// Nobody knows who is calling. The reason is logged and not told, but for what helps an honest client.
    pub(crate) fn unauthenticated(cause: impl Into<String>) -> Self {
        let detail = "the header Authorization: Bearer … must carry a valid API key or token";
        let problem = Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", detail);
        Self { cause: Some(cause.into()), ..problem }
    }

    /// Whoever is calling may not do this.
    pub(crate) fn forbidden(role: ledger::Role) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", format!("the role {role} may not do this"))
    }

    /// There is no such customer, or none that the caller may know of.
    pub fn customer_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "customer_not_found", "there is no such customer")
    }

    /// There is no such group.
    pub fn group_not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "group_not_found",
            "there is no such group: it has to be written before",
        )
    }

    /// There is no such grant to a group.
    pub fn group_grant_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "group_grant_not_found", "there is no such grant to a group")
    }

    /// There is no such API key.
    pub fn api_key_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "api_key_not_found", "there is no such API key")
    }

    /// There is no such webhook.
    pub fn webhook_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "webhook_not_found", "there is no such webhook")
    }

    /// A secret was renewed as often as it can be in a day.
    pub(crate) fn too_many_secrets(most: usize) -> Self {
        let detail = format!("{most} secrets of before still sign: renew it again when one has ended");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "settings_too_large", detail)
    }

    /// There are as many webhooks as there can be.
    pub(crate) fn too_many_webhooks(most: usize) -> Self {
        let detail = format!("a store can have at most {most} webhooks");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "settings_too_large", detail)
    }

    /// There is no such method and path.
    pub(crate) fn route_not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "route_not_found", "there is no such method and path")
    }

    /// Something that we need does not answer; nothing moved, or the same key tells.
    pub(crate) fn unavailable(cause: impl Into<String>) -> Self {
        let detail = "a part of the service does not answer; try the same call, with the same key, again";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Self { retry_after: Some(RETRY_AFTER), cause: Some(cause.into()), ..problem }
    }

    /// A code that is no currency, or none with a smallest unit.
    pub(crate) fn unsupported_currency(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "unsupported_currency", detail)
    }

    /// What stands under the key is no entry that this call could have made, though its fingerprint says so.
    pub fn not_of_this_kind(entry: &ledger::Entry) -> Self {
        Self::internal(format!("{} of {} is a {}", entry.id(), entry.customer, entry.kind))
    }

    /// Our own fault.
    pub fn internal(cause: impl Into<String>) -> Self {
        let detail = "the service failed; the log says why. Whether anything moved, the same call with the same key tells";
        let problem = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail);
        Self { cause: Some(cause.into()), ..problem }
    }

    fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.members.insert(member.to_owned(), value.into());
        self
    }

    fn with_money(self, member: &str, money: Money) -> Self {
        self.with(member, money.to_string())
    }

    /// What it says to a person.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Its stable code.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// Its HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What only the log is told.
    pub fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// The document that the client gets.
    pub(crate) fn into_response(self) -> Response<Bytes> {
        let mut document = Map::from_iter([
            ("type".to_owned(), json!(format!("urn:scrip:problem:{}", self.code))),
            ("title".to_owned(), json!(self.code.replace('_', " "))),
            ("status".to_owned(), json!(self.status.as_u16())),
            ("code".to_owned(), json!(self.code)),
            ("detail".to_owned(), json!(self.detail)),
        ]);
        document.extend(self.members);
        let mut response = Response::new(Bytes::from(Value::Object(document).to_string()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        let unprocessable = |code| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail.clone());
        match refusal {
            Refusal::Invalid { field, message } => Self::invalid(field, message),
            Refusal::TopupNotPending { status } => {
                Self::new(StatusCode::CONFLICT, "topup_not_pending", detail).with("status_now", status.word())
            }
            Refusal::SelfApproval => Self::new(StatusCode::FORBIDDEN, "self_approval", detail),
            Refusal::RedemptionNotFound => Self::new(StatusCode::NOT_FOUND, "redemption_not_found", detail),
            Refusal::HoldResolved => Self::new(StatusCode::CONFLICT, "hold_resolved", detail),
            Refusal::HoldExpired => Self::new(StatusCode::CONFLICT, "hold_expired", detail),
            Refusal::LotNotFound => Self::new(StatusCode::NOT_FOUND, "lot_not_found", detail),
            Refusal::LotNotVoidable { .. } => Self::new(StatusCode::CONFLICT, "lot_not_voidable", detail),
            Refusal::WithdrawalNotAllowed => Self::new(StatusCode::FORBIDDEN, "forbidden", detail),
            Refusal::CreditDisabled => unprocessable("credit_disabled"),
            Refusal::CreditProductNotPayable => unprocessable("credit_product_not_payable"),
            Refusal::ActivationTotalNotReached { activation_total, base } => {
                unprocessable("activation_total_not_reached")
                    .with_money("activation_total", activation_total)
                    .with_money("base", base)
            }
            Refusal::ExceedsOrderTotal { order_total } => {
                unprocessable("exceeds_order_total").with_money("order_total", order_total)
            }
            Refusal::UsageLimitExceeded { maximum } => {
                unprocessable("usage_limit_exceeded").with_money("maximum", maximum)
            }
            Refusal::TransactionLimitExceeded { limit } => {
                unprocessable("transaction_limit_exceeded").with_money("maximum", limit)
            }
            Refusal::ExceedsHold { held } => unprocessable("exceeds_hold").with_money("held", held),
            Refusal::RefundExceedsRedemption { refundable } => {
                unprocessable("refund_exceeds_redemption").with_money("refundable", refundable)
            }
            Refusal::NotWithdrawable { withdrawable } => {
                unprocessable("not_withdrawable").with_money("withdrawable", withdrawable)
            }
            Refusal::TooManyHolds => unprocessable("too_many_holds"),
            Refusal::InsufficientCredit { available } => {
                unprocessable("insufficient_credit").with_money("available", available)
            }
            Refusal::ExpiryInPast => unprocessable("expiry_in_past"),
            Refusal::PaymentMethodNotAllowed { .. } => unprocessable("payment_method_not_allowed"),
            Refusal::TopupBelowMinimum { minimum } => {
                unprocessable("topup_limit_exceeded").with_money("minimum", minimum)
            }
            Refusal::TopupAboveMaximum { maximum } | Refusal::TopupLimitExceeded { limit: maximum } => {
                unprocessable("topup_limit_exceeded").with_money("maximum", maximum)
            }
            Refusal::BalanceLimitExceeded { limit } => {
                unprocessable("balance_limit_exceeded").with_money("maximum", limit)
            }
            Refusal::TooManyTopups => unprocessable("too_many_topups"),
            Refusal::TooManyLots => unprocessable("too_many_lots"),
            Refusal::OutOfRange(_) => unprocessable("amount_out_of_range"),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        let detail = error.to_string();
        match error {
            store::Error::IdempotencyMismatch => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_mismatch", detail)
            }
            store::Error::InvalidCursor => Self::invalid_cursor(),
            store::Error::TopupNotFound => Self::new(StatusCode::NOT_FOUND, "topup_not_found", detail),
            store::Error::GroupNotFound => Self::group_not_found(),
            store::Error::TooLarge(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "settings_too_large", detail)
            }
            store::Error::Conflict => {
                let problem = Self::new(StatusCode::CONFLICT, "conflict", detail);
                Self { retry_after: Some(RETRY_AFTER), ..problem }
            }
            store::Error::VersionMismatch { current } => {
                Self::new(StatusCode::CONFLICT, "conflict", detail).with("version", current)
            }
            store::Error::NotClosed => {
                let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
                Self { retry_after: Some(CLOSED_AFTER), ..problem }
            }
            store::Error::Throttled(cause) => {
                let told = "the database asks to slow down; try the same call, with the same key, again";
                let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "throttled", told);
                Self { retry_after: Some(RETRY_AFTER), cause: Some(cause), ..problem }
            }
            store::Error::Unavailable(cause) => Self::unavailable(cause),
            store::Error::Corrupt { .. } | store::Error::Refused(_) => Self::internal(detail),
        }
    }
}
