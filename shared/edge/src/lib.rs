//! The service's edge: the only code that knows HTTP and Lambda.
//!
//! It turns a request into a [`Call`], asks who is calling, and turns what a function answers into a response. It holds
//! no rule of money and no word of DynamoDB. HTTP statuses are chosen in `problem.rs` alone.

mod aws;
mod call;
mod endpoints;
mod grants;
mod oidc;
mod orders;
mod problem;
mod reply;
mod routes;
mod start;
mod views;
mod webhook;
mod who;

pub use aws::aws;
pub use call::{Call, Limit, PageQuery};
pub use endpoints::{EVENT_TYPES, Endpoint, EndpointId, Endpoints, EventTypes};
pub use grants::{GrantBody, lot_expiry};
pub use oidc::Oidc;
pub use orders::{OrderBody, TermsView};
pub use problem::Problem;
pub use reply::{Kept, Published, Reply, escaped};
pub use routes::{Access, Route, Routes, Service};
pub use start::{
    Batch, Event, Message, Messages, StartError, StreamRecord, event, http, queue, site, stream, variable,
};
pub use views::{AccountView, CustomerView, EntryView, ListedView, PolicyView, TopupView, VerificationView};
pub use webhook::{Reach, Undelivered, WebhookSecret, WebhookUrl, Webhooks};
pub use who::{Gate, Who, key_id, new_api_key};
