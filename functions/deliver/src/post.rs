//! The post: mails are handed to SES.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sesv2::{
    Client, Config,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::DisplayErrorContext,
    primitives::Blob,
    types::{Destination, EmailContent, RawMessage},
};
use edge::variable;

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
        let (access, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
        let token = variable("AWS_SESSION_TOKEN").ok();
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .operation_timeout(OPERATION_TIMEOUT)
            .build();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(variable("AWS_REGION")?))
            .credentials_provider(Credentials::new(access, secret, token, None, "environment"))
            .timeout_config(timeouts)
            // It slows down by itself where SES asks for that.
            .retry_config(RetryConfig::adaptive().with_max_attempts(MAX_TRIES));
        config.set_endpoint_url(
            variable("AWS_ENDPOINT_URL_SESV2").or_else(|_| variable("AWS_ENDPOINT_URL")).ok(),
        );
        Ok(Self { client: Client::from_conf(config.build()) })
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
