//! The post: mails are handed to SES.

use std::time::Duration;

use aws_sdk_sesv2::{
    Client,
    config::retry::RetryConfig,
    error::DisplayErrorContext,
    primitives::Blob,
    types::{Destination, EmailContent, RawMessage},
};

use crate::Mail;

/// One try of one request, and all of them.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(25);
/// Tries of one mail: SES takes so many a second, and says so when there are more.
const MAX_TRIES: u32 = 6;

/// Amazon SES.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    client: Client,
}

impl Post {
    /// As Lambda's environment says, by AWS's own variables.
    ///
    /// # Errors
    /// The name of the variable that is missing.
    pub(crate) fn from_environment() -> Result<Self, String> {
        // It slows down by itself where SES asks for that.
        let retries = RetryConfig::adaptive().with_max_attempts(MAX_TRIES);
        let config = edge::aws("SESV2", ATTEMPT_TIMEOUT, OPERATION_TIMEOUT, retries)?;
        Ok(Self { client: Client::new(&config) })
    }

    /// Hands over one mail.
    pub(crate) async fn send(&self, mail: Mail) -> Result<(), String> {
        let raw = RawMessage::builder().data(Blob::new(mail.mime()?)).build();
        let raw = raw.map_err(|error| error.to_string())?;
        let sent = self
            .client
            .send_email()
            .from_email_address(mail.from.to_string())
            .destination(Destination::builder().set_to_addresses(Some(mail.to.clone())).build())
            .content(EmailContent::builder().raw(raw).build())
            .send()
            .await;
        sent.map(drop).map_err(|error| DisplayErrorContext(&error).to_string())
    }
}
