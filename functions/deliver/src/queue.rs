//! The queue that the messages come from: how long each stays away is told to it one by one.

use std::time::Duration;

use aws_sdk_sqs::{Client, config::retry::RetryConfig, error::DisplayErrorContext};
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
        let config = edge::aws("SQS", ATTEMPT_TIMEOUT, OPERATION_TIMEOUT, RetryConfig::standard())?;
        Ok(Self { client: Client::new(&config), url: variable("SCRIP_DELIVERIES")? })
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
