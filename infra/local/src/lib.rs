//! The whole service in one process, on an embedded database: for a laptop, and for the tests.
//!
//! Table and routes come from `infra/template.yaml` itself and the handlers are those that Lambda runs, so that what
//! works here is what is deployed. It is no server for production: it has no limits, and prints its keys.

mod bundle;
mod database;
mod deliveries;
mod demo;
mod events;
mod issuer;
mod mailbox;
mod outside;
mod serve;
mod sign_in;
mod stream;
mod template;

/// Why something here failed, for a person to read.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

pub use bundle::{Bundle, functions};
pub use database::{Database, TABLE};
pub use deliveries::{Addressees, Deliveries};
pub use demo::{DEMO_CUSTOMERS, Demo};
pub use events::EventLog;
pub use issuer::{AUDIENCE, Issuer};
pub use mailbox::Mailbox;
pub use outside::Outside;
pub use serve::{Credentials, Options, Running, keep_mail_settings, run_schedule, serve, serve_database};
pub use stream::Stream;
pub use template::{Template, TemplateRoute};
