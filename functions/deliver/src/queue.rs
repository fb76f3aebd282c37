//! The queue that the messages come from: how long each stays away is told to it one by one.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_sqs::{
    Client, Config,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
    error::DisplayErrorContext,
};
use edge::variable;
use futures::future::join_all;

use crate::Undelivered;

/// One try of one request, and all of them.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(8);

/// An SQS queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    client: Client,
    url: String,
}

impl Queue {
    /// As Lambda's environment says: `SCRIP_DELIVERIES` and AWS's own variables.
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
            .retry_config(RetryConfig::standard());
        config.set_endpoint_url(
            variable("AWS_ENDPOINT_URL_SQS").or_else(|_| variable("AWS_ENDPOINT_URL")).ok(),
        );
        Ok(Self { client: Client::from_conf(config.build()), url: variable("SCRIP_DELIVERIES")? })
    }

    /// Keeps these messages away for their pauses. One that this fails for comes after the queue's own pause.
    pub(crate) async fn pause(&self, messages: &[Undelivered]) {
        join_all(messages.iter().map(|message| async move {
            let seconds = i32::try_from(message.pause.as_secs()).unwrap_or(i32::MAX);
            let sent = self
                .client
                .change_message_visibility()
                .queue_url(&self.url)
                .receipt_handle(&message.receipt)
                .visibility_timeout(seconds)
                .send()
                .await;
            if let Err(error) = sent {
                let error = DisplayErrorContext(&error);
                tracing::warn!(%error, message = message.id, "comes after the queue's own pause");
            }
        }))
        .await;
    }
}
