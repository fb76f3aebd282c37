//! The rules of store credit, as pure functions of account, policy, command and time.
//!
//! It does no I/O, has no clock, makes no random number, knows neither HTTP nor DynamoDB, and uses no float. A rule
//! answers with what changes, or with the [`Refusal`] that says why nothing does; it never changes its arguments.

mod account;
mod adjust;
mod audit;
mod books;
mod chart;
mod entry;
mod expire;
mod grant;
mod ids;
mod import;
mod journal;
mod lots;
mod mend;
mod money;
mod policy;
mod redeem;
mod refund;
mod refusal;
mod remind;
mod replay;
mod resolve;
mod standing;
mod statement;
#[cfg(test)]
mod tests;
mod text;
mod topup;

pub use account::{
    Account, Category, Hold, Lifetime, Lot, MAX_HOLDS, MAX_OPEN_LOTS, MAX_WAITING_TOPUPS, Role,
};
pub use adjust::{Withdrawal, change_expiry, debit, reach_back, void_lot, withdraw};
pub use audit::{Audit, Beside, Booked, Finding, Flaw, Versions};
pub use books::BooksFormat;
pub use chart::{AccountName, AccountRole, Chart, InvalidAccountName};
pub use entry::{
    Actor, Allocation, Change, ContentForm, Entry, EntryType, FreeText, Hash, Line, NEVER, Origin, Payment,
    PaymentMode, SALT, Seal, Texts, Unreadable, Written,
};
pub use expire::{Sweep, expire};
pub use grant::{Grant, LotExpiry, check_grant, grant};
pub use ids::{
    CustomerId, Day, EntryId, GroupId, IdempotencyKey, InvalidEntryId, InvalidId, InvalidTopupId, Label,
    Language, LotId, LotNumber, Moment, Note, TopupId,
};
pub use import::{Import, MAX_IMPORTED_LOTS, Movement, replay_import};
pub use journal::{Booking, Leg, Posting, Unbooked};
pub use lots::{LotPart, Lots};
pub use mend::{Left, Mend, Mended, automatic_topup};
pub use money::{Amount, AmountError, Currency, CurrencyError, Money, OutOfRange, Percent, SignedAmount};
pub use policy::{
    ConsumptionOrder, Days, ExpiryDays, GraceDays, HoldSeconds, Level, Levels, Limits, Overrides, Policy,
    RemindDays, TopupApproval, UsageBase, UsageLimit, Zone,
};
pub use redeem::{BoundBy, MAX_ORDER_LINES, Order, OrderLine, OrderUse, Terms, hold, quote, redeem};
pub use refund::refund;
pub use refusal::Refusal;
pub use remind::{Due, Expiring, expiring_soon};
pub use replay::{Drift, Replay};
pub use resolve::{capture, release};
pub use standing::{Age, Flow, LastDay, Position, Standing, Within, breakage_rate};
pub use statement::{Statement, Unstated};
pub use text::Object;
pub use topup::{
    Asked, Resolution, Topup, TopupRequest, TopupStatus, approve, cancel, lapse, reject, request_topup,
};
