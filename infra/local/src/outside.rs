//! What lies outside of the service: the event bus with its queues, a mailbox.

use std::{path::Path, sync::Arc};

use edge::{Reach, Webhooks};
use jiff::Timestamp;
use notify::Event;

use crate::{Addressees, Deliveries, EventLog, Failure, Mailbox};

/// What lies outside of the service, as far as it is here.
#[derive(Clone)]
pub struct Outside {
    /// What other systems were told.
    pub events: EventLog,
    /// What was written to people.
    pub mailbox: Mailbox,
    /// What is still to be delivered: mails, and webhooks.
    pub deliveries: [Deliveries; 2],
}

impl Outside {
    /// Nothing yet, with its files in this folder if there is one.
    ///
    /// # Errors
    /// When a file cannot be had.
    pub fn new(folder: Option<&Path>) -> Result<Self, Failure> {
        let mailbox = Mailbox::new(folder)?;
        let systems = Addressees::Systems(Arc::new(Webhooks::new(Reach::Anywhere)));
        let deliveries = [Addressees::People(mailbox.clone()), systems].map(Deliveries::new);
        Ok(Self { events: EventLog::new(folder)?, mailbox, deliveries })
    }

    /// Takes what `notify` tells, as the bus and its queues do; tells of each event whether it did.
    pub async fn take(self, events: Vec<Event>, at: Timestamp) -> Vec<bool> {
        for deliveries in &self.deliveries {
            deliveries.put(&events, at);
        }
        self.events.take(events).await
    }
}
