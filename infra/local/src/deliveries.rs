//! What the deployed stack has queues for: messages of the event bus, each delivered until it is, later each time.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use deliver::{Mail, Undelivered, deliver_mails, deliver_webhooks};
use edge::{Message, Messages, Webhooks};
use futures::future::join_all;
use jiff::Timestamp;
use notify::Event;
use serde_json::json;
use store::Store;

use crate::Mailbox;

/// How often the queue is looked at here.
const PAUSE: Duration = Duration::from_millis(100);
/// How long one batch may take here.
const PATIENCE: Duration = Duration::from_secs(50);
/// Batches that are delivered at the same time, as the template says.
const CONCURRENCY: usize = 5;
/// Messages of one batch, as the template says.
const BATCH: usize = 10;
/// How often a message is delivered before it is given up, as the template says.
const MAX_DELIVERIES: u32 = 10;

/// Whom a queue's messages are for.
#[derive(Clone)]
pub enum Addressees {
    /// People, by mail.
    People(Mailbox),
    /// Other systems, by webhook.
    Systems(Arc<Webhooks>),
}

/// A queue in memory. What is in it when the process ends comes again with the table's stream, from its beginning.
#[derive(Clone)]
pub struct Deliveries {
    queue: Arc<Mutex<Vec<Waiting>>>,
    addressees: Addressees,
}

struct Waiting {
    due: Timestamp,
    message: Message,
}

impl Deliveries {
    /// An empty queue.
    pub fn new(addressees: Addressees) -> Self {
        Self { queue: Arc::default(), addressees }
    }

    /// Takes in what the bus tells.
    pub fn put(&self, events: &[Event], at: Timestamp) {
        let waiting = events.iter().map(|event| {
            let body = json!({"source": "scrip", "detail-type": event.kind, "detail": event}).to_string();
            let message = Message { id: event.id.clone(), receipt: event.id.clone(), deliveries: 0, body };
            Waiting { due: at, message }
        });
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).extend(waiting);
    }

    /// Delivers one batch of what is due, and tells whether there was one.
    pub async fn deliver(&self, store: &Store, at: Timestamp) -> bool {
        let messages = self.take(at);
        if messages.is_empty() {
            return false;
        }
        let batch = Messages { messages: messages.clone(), at, time_left: PATIENCE };
        let undelivered = match &self.addressees {
            Addressees::People(mailbox) => {
                let send = |mail: Mail| async move { mailbox.take(&mail).map_err(|error| error.to_string()) };
                deliver_mails(store, batch, send).await
            }
            Addressees::Systems(webhooks) => deliver_webhooks(store, batch, webhooks).await,
        };
        self.put_back(messages, &undelivered, at);
        true
    }

    /// Delivers what comes, until it is dropped: so many batches at a time as the template lets.
    pub async fn follow(self, store: Store) {
        let (deliveries, store) = (&self, &store);
        let follow = || async move {
            loop {
                if !deliveries.deliver(store, Timestamp::now()).await {
                    tokio::time::sleep(PAUSE).await;
                }
            }
        };
        join_all([(); CONCURRENCY].map(|()| follow())).await;
    }

    fn take(&self, at: Timestamp) -> Vec<Message> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = Vec::new();
        queue.retain_mut(|waiting| {
            let due = waiting.due <= at && taken.len() < BATCH;
            if due {
                waiting.message.deliveries = waiting.message.deliveries.saturating_add(1);
                taken.push(waiting.message.clone());
            }
            !due
        });
        taken
    }

    fn put_back(&self, messages: Vec<Message>, undelivered: &[Undelivered], at: Timestamp) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        for message in messages {
            let Some(failed) = undelivered.iter().find(|failed| failed.id == message.id) else { continue };
            if message.deliveries >= MAX_DELIVERIES {
                tracing::error!(
                    message = message.id,
                    "was given up: deployed, it waits in the queue of failures"
                );
                continue;
            }
            let due = at.checked_add(failed.pause).unwrap_or(Timestamp::MAX);
            queue.push(Waiting { due, message });
        }
    }
}
