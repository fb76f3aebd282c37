//! How customers and admins are written to: `/v1/settings/mail`.

use edge::{Call, Problem, Reply};
use mail::{MailSettings, Unrenderable};
use serde::Serialize;
use serde_json::Value;
use store::{Notices, Store, Versioned};

use crate::Nothing;

#[derive(Serialize)]
struct Answer {
    mail: MailSettings,
    version: u64,
}

pub(crate) async fn read(store: Store, call: Call) -> Result<Reply, Problem> {
    let Nothing {} = call.query()?;

    let Versioned { document, version } = store.notices(Notices::Mail).await?;

    Reply::ok(&Answer { mail: document, version })
}

pub(crate) async fn write(store: Store, call: Call) -> Result<Reply, Problem> {
    let settings: MailSettings = call.document()?;
    mail::check(&settings.templates)
        .map_err(|fault| Problem::invalid(field_of(&fault), fault.message.clone()))?;

    let written = store
        .put_notices::<MailSettings, Problem>(Notices::Mail, call.edit()?, |_| Ok(settings.clone()), shown)
        .await?;

    let Versioned { document, version } = written;
    Reply::ok(&Answer { mail: document, version })
}

/// Where in the body the fault is.
fn field_of(fault: &Unrenderable) -> String {
    format!("templates.{}.{}.{}", fault.kind, fault.language, fault.part.name())
}

fn shown(settings: &MailSettings) -> Value {
    serde_json::to_value(settings).unwrap_or_default()
}
