//! What lies outside of the service: the event bus with its queue, a mailbox.

use std::path::Path;

use jiff::Timestamp;
use notify::Event;

use crate::{Deliveries, EventLog, Failure, Mailbox};

/// What lies outside of the service, as far as it is here.
#[derive(Clone)]
pub struct Outside {
    /// What other systems were told.
    pub events: EventLog,
    /// What was written to people.
    pub mailbox: Mailbox,
    /// What is still to be delivered.
    pub deliveries: Deliveries,
}

impl Outside {
    /// Nothing yet, with its files in this folder if there is one.
    ///
    /// # Errors
    /// When a file cannot be had.
    pub fn new(folder: Option<&Path>) -> Result<Self, Failure> {
        Ok(Self {
            events: EventLog::new(folder)?,
            mailbox: Mailbox::new(folder)?,
            deliveries: Deliveries::default(),
        })
    }

    /// Takes what `notify` tells, as the bus and its queue do; tells of each event whether it did.
    pub async fn take(self, events: Vec<Event>, at: Timestamp) -> Vec<bool> {
        self.deliveries.put(&events, at);
        self.events.take(events).await
    }
}
