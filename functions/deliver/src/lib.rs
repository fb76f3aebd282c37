//! Delivers what the event bus tells: mails to customers and admins, webhooks to other systems.
//!
//! It is one more subscriber of the bus, behind a queue: what cannot be delivered comes again, later each time, and holds up
//! neither the ledger nor anybody else. Who was told of an event is noted, so that a message that comes again reaches only those
//! whom it did not reach.

mod event;
mod letters;
mod post;
mod queue;

use std::{pin::Pin, sync::Arc, time::Duration};

use edge::{Endpoint, Endpoints, Message, Messages, Reach, Webhooks};
use futures::{StreamExt, future::join_all, stream};
use jiff::Timestamp;
use mail::MailSettings;
use store::{Notices, Settings, Store};

use event::{Envelope, Event};
use letters::letter_about;
use post::Post;
use queue::Queue;

pub use letters::Mail;

/// Messages that are handled at the same time: all of a batch.
const CONCURRENCY: usize = 10;

/// How long a message that could not be delivered waits, by how often it was tried; as Standard Webhooks suggests, as far as a
/// queue can wait: 12 hours at most.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(10 * 60 * 60),
    Duration::from_secs(12 * 60 * 60),
];

/// A message that could not be delivered to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// What it is called.
    pub id: String,
    /// What this delivery of it was called.
    pub receipt: String,
    /// When it has to come again.
    pub pause: Duration,
}

/// What is read once for all messages of a batch.
struct Notified {
    settings: Settings,
    mail: MailSettings,
    endpoints: Endpoints,
}

/// Somebody who has to be told of an event.
enum Addressee<'a> {
    Mail(Mail),
    Webhook(&'a Endpoint),
}

/// Delivers these messages, mails by `send`, and answers those that have to come again.
pub async fn deliver<F, A>(store: &Store, batch: Messages, send: F, webhooks: &Webhooks) -> Vec<Undelivered>
where
    F: Fn(Mail) -> A,
    A: Future<Output = Result<(), String>>,
{
    let Messages { messages, at, time_left } = batch;
    let notified = match notified(store).await {
        Ok(notified) => notified,
        Err(error) => {
            tracing::error!(%error, "who is told of what could not be read");
            return messages.into_iter().map(again).collect();
        }
    };
    let (notified, send) = (&notified, &send);
    stream::iter(messages)
        .map(|message| async move {
            let told = Box::pin(tell(store, notified, &message, send, webhooks, at));
            let done = match tokio::time::timeout(time_left, told).await {
                Ok(Ok(done)) => done,
                Ok(Err(cause)) => {
                    tracing::error!(cause, message = message.id, "could not be delivered");
                    false
                }
                Err(_) => false,
            };
            (!done).then(|| again(message))
        })
        .buffer_unordered(CONCURRENCY)
        .filter_map(|undelivered| async { undelivered })
        .collect()
        .await
}

fn again(message: Message) -> Undelivered {
    let Message { id, receipt, deliveries, .. } = message;
    let tried = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(tried).or(PAUSES.last()).copied().unwrap_or_default();
    Undelivered { id, receipt, pause }
}

async fn notified(store: &Store) -> Result<Notified, store::Error> {
    let (settings, mail, endpoints) = tokio::try_join!(
        store.settings(),
        store.notices::<MailSettings>(Notices::Mail),
        store.notices::<Endpoints>(Notices::Webhooks),
    )?;
    Ok(Notified { settings, mail: mail.document, endpoints: endpoints.document })
}

/// Tells everybody who was not told of this message's event yet; whether all were reached.
async fn tell<F, A>(
    store: &Store,
    notified: &Notified,
    message: &Message,
    send: &F,
    webhooks: &Webhooks,
    at: Timestamp,
) -> Result<bool, String>
where
    F: Fn(Mail) -> A,
    A: Future<Output = Result<(), String>>,
{
    let Envelope { detail } = serde_json::from_str(&message.body).map_err(|error| error.to_string())?;
    let event = Event::read(&detail)?;
    let mut addressees = Vec::new();
    if let Some((name, mail)) = letter_about(store, &notified.settings, &notified.mail, &event, at).await? {
        addressees.push((name.to_owned(), Addressee::Mail(mail)));
    }
    let endpoints = notified.endpoints.of_event(&event.kind);
    addressees
        .extend(endpoints.map(|(id, endpoint)| (format!("webhook {id}"), Addressee::Webhook(endpoint))));
    if addressees.is_empty() {
        return Ok(true);
    }

    let mut told = store.told(&event.id).await.map_err(|error| error.to_string())?;
    addressees.retain(|(name, _)| !told.done.contains_key(name));
    let body = detail.to_string();
    let (event, body) = (&event, &body);
    let attempts = addressees.into_iter().map(|(name, addressee)| async move {
        let sent = match addressee {
            Addressee::Mail(mail) => send(mail).await,
            Addressee::Webhook(endpoint) => {
                let sent = webhooks.send(&endpoint.url, &endpoint.secrets(at), &event.id, at, body).await;
                sent.map_err(|error| error.to_string())
            }
        };
        (name, sent)
    });
    let (reached, missed): (Vec<_>, Vec<_>) =
        join_all(attempts).await.into_iter().partition(|(_, sent)| sent.is_ok());
    for (name, sent) in &missed {
        let cause = sent.as_ref().err();
        tracing::warn!(cause, to = name, event = event.id, tries = message.deliveries, "could not be told");
    }
    if !reached.is_empty() {
        told.done.extend(reached.into_iter().map(|(name, _)| (name, at)));
        store.put_told(&event.id, &told).await.map_err(|error| error.to_string())?;
    }
    Ok(missed.is_empty())
}

/// The ids of what could not be delivered, once all was tried.
type Delivering = Pin<Box<dyn Future<Output = Vec<String>>>>;

/// [`deliver`] as Lambda calls it, by SES and to public addresses: what could not be delivered is left in the queue for its
/// pause, and answered by its id.
///
/// # Errors
/// The name of the variable that is missing.
pub fn from_environment() -> Result<impl Fn(Store, Messages) -> Delivering, String> {
    let couriers =
        Arc::new((Post::from_environment()?, Queue::from_environment()?, Webhooks::new(Reach::Public)));
    Ok(move |store, messages| -> Delivering {
        let couriers = Arc::clone(&couriers);
        Box::pin(async move {
            let (post, queue, webhooks) = &*couriers;
            let undelivered = deliver(&store, messages, |mail| post.send(mail), webhooks).await;
            queue.pause(&undelivered).await;
            undelivered.into_iter().map(|message| message.id).collect()
        })
    })
}
