//! The EventBridge bus: where each event is put.

use std::time::Duration;

use aws_sdk_eventbridge::{Client, config::retry::RetryConfig, types::PutEventsRequestEntry};

use edge::variable;

use crate::Event;

/// Events of one request, and their bytes together: what EventBridge takes is 10, and 256 KiB.
const BATCH: usize = 10;
const BATCH_BYTES: usize = 200 * 1024;
/// One try of one request, and all of them.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(3);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(15);
/// Who the events come from.
const SOURCE: &str = "scrip";

/// An EventBridge bus.
#[derive(Clone, Debug)]
pub struct Bus {
    client: Client,
    name: String,
}

impl Bus {
    /// As Lambda's environment says: `SCRIP_EVENT_BUS` and AWS's own variables.
    ///
    /// # Errors
    /// The name of the variable that is missing.
    pub fn from_environment() -> Result<Self, String> {
        let config = edge::aws("EVENTBRIDGE", ATTEMPT_TIMEOUT, OPERATION_TIMEOUT, RetryConfig::standard())?;
        Ok(Self { client: Client::new(&config), name: variable("SCRIP_EVENT_BUS")? })
    }

    /// Puts these events, and tells of each whether it was taken.
    pub(crate) async fn put(&self, events: Vec<Event>) -> Vec<bool> {
        let mut taken = Vec::with_capacity(events.len());
        let mut batch = Vec::new();
        let mut size = 0_usize;
        for event in &events {
            let detail = serde_json::to_string(event).unwrap_or_default();
            let length = detail.len();
            if batch.len() >= BATCH || size.saturating_add(length) > BATCH_BYTES {
                taken.extend(self.send(std::mem::take(&mut batch)).await);
                size = 0;
            }
            size = size.saturating_add(length);
            batch.push(
                PutEventsRequestEntry::builder()
                    .event_bus_name(&self.name)
                    .source(SOURCE)
                    .detail_type(event.kind)
                    .detail(detail)
                    .build(),
            );
        }
        taken.extend(self.send(batch).await);
        taken
    }

    async fn send(&self, batch: Vec<PutEventsRequestEntry>) -> Vec<bool> {
        let count = batch.len();
        match self.client.put_events().set_entries(Some(batch)).send().await {
            Ok(answer) => {
                let entries = answer.entries.unwrap_or_default();
                for refused in entries.iter().filter(|entry| entry.error_code.is_some()) {
                    tracing::error!(
                        code = refused.error_code(),
                        message = refused.error_message(),
                        "refused by the bus"
                    );
                }
                entries.iter().map(|entry| entry.error_code.is_none()).collect()
            }
            Err(error) => {
                let error = aws_sdk_eventbridge::error::DisplayErrorContext(&error);
                tracing::error!(%error, "the bus did not take the events");
                vec![false; count]
            }
        }
    }
}
