//! Delivers what the event bus tells: mails to customers and admins, webhooks to other systems.
//!
//! It is two more subscribers of the bus, each behind a queue of its own: what cannot be delivered comes again, later each time, and
//! holds up neither the ledger nor anybody else, and an endpoint that hangs holds up no mail. Whom an event is told to is claimed
//! before and noted after, so that a message that comes again, or twice at once, reaches only those whom it did not reach.

mod event;
mod letters;
mod post;
mod queue;

use std::{pin::Pin, sync::Arc, time::Duration};

use edge::{Endpoints, Message, Messages, Reach, Webhooks};
use futures::{StreamExt, future::join_all, stream};
use jiff::{SignedDuration, Timestamp};
use mail::MailSettings;
use serde_json::Value;
use store::{Notices, Store, Telling};

use event::{Envelope, Event};
use letters::letter_about;
use post::Post;
use queue::Queue;

pub use letters::Mail;

/// Messages that are handled at the same time: all of a batch.
const CONCURRENCY: usize = 10;
/// How long a claim holds: longer than a function works on one batch.
const CLAIM: SignedDuration = SignedDuration::from_secs(90);
/// How long a message that could not be delivered waits, by how often it was tried; as Standard Webhooks suggests, as far as a
/// queue can keep a message away: 12 hours from its delivery, of which some have passed.
const PAUSES: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_secs(5 * 60),
    Duration::from_secs(30 * 60),
    Duration::from_secs(2 * 60 * 60),
    Duration::from_secs(5 * 60 * 60),
    Duration::from_secs(8 * 60 * 60),
    Duration::from_secs(11 * 60 * 60),
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

/// Mails to those who are to be written to about these messages' events, by `send`; answers the messages that have to come again.
pub async fn deliver_mails<F, A>(store: &Store, batch: Messages, send: F) -> Vec<Undelivered>
where
    F: Fn(Mail) -> A,
    A: Future<Output = Result<(), String>>,
{
    let (at, send) = (batch.at, &send);
    let read = tokio::try_join!(store.settings(), store.notices::<MailSettings>(Notices::Mail));
    let (settings, mail) = match read {
        Ok((settings, mail)) => (settings, mail.document),
        Err(error) => return all_again(batch, &error),
    };
    let (settings, mail) = (&settings, &mail);
    each(batch, |event, _| async move {
        match letter_about(store, settings, mail, &event, at).await? {
            Some((who, mail)) => tell(store, &event.id, who, at, send(mail)).await,
            None => Ok(true),
        }
    })
    .await
}

/// Sends these messages' events to the endpoints that want them; answers the messages that have to come again.
pub async fn deliver_webhooks(store: &Store, batch: Messages, webhooks: &Webhooks) -> Vec<Undelivered> {
    let at = batch.at;
    let endpoints = match store.notices::<Endpoints>(Notices::Webhooks).await {
        Ok(endpoints) => endpoints.document,
        Err(error) => return all_again(batch, &error),
    };
    let endpoints = &endpoints;
    each(batch, |event, detail| async move {
        let body = detail.to_string();
        let (event, body) = (&event, &body);
        let tellings = endpoints.of_event(&event.kind).map(|(id, endpoint)| async move {
            let secrets = endpoint.secrets(at);
            let sent = async {
                let sent = webhooks.send(&endpoint.url, &secrets, &event.id, at, body).await;
                sent.map_err(|error| error.to_string())
            };
            tell(store, &event.id, &format!("webhook {id}"), at, sent).await
        });
        let told = join_all(tellings).await.into_iter().collect::<Result<Vec<bool>, String>>()?;
        Ok(told.iter().all(|told| *told))
    })
    .await
}

/// Handles each message by what `handle` makes of its event, at the same time, as long as there is time; answers those that have
/// to come again, which are those that `handle` did not call done.
async fn each<F, A>(batch: Messages, handle: F) -> Vec<Undelivered>
where
    F: Fn(Event, Value) -> A,
    A: Future<Output = Result<bool, String>>,
{
    let Messages { messages, time_left, .. } = batch;
    let handle = &handle;
    stream::iter(messages)
        .map(|message| async move {
            let handled = async {
                let read = serde_json::from_str(&message.body);
                let Envelope { detail } = read.map_err(|error| error.to_string())?;
                handle(Event::read(&detail)?, detail).await
            };
            let done = match tokio::time::timeout(time_left, Box::pin(handled)).await {
                Ok(Ok(done)) => done,
                Ok(Err(cause)) => {
                    let tries = message.deliveries;
                    tracing::error!(cause, message = message.id, tries, "could not be delivered");
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

/// Tells somebody of an event unless they were told; whether they are told now.
async fn tell(
    store: &Store,
    event: &str,
    who: &str,
    at: Timestamp,
    sent: impl Future<Output = Result<(), String>>,
) -> Result<bool, String> {
    let until = at.checked_add(CLAIM).unwrap_or(Timestamp::MAX);
    let claimed = store.claim_telling(event, who, (at, until)).await;
    match claimed.map_err(|error| error.to_string())? {
        Telling::Done => return Ok(true),
        Telling::Theirs => return Ok(false),
        Telling::Ours => {}
    }
    let sent = sent.await;
    if let Err(cause) = &sent {
        tracing::warn!(cause, who, event, "could not be told");
    }
    let told = sent.is_ok().then_some(at);
    store.end_telling(event, who, told).await.map_err(|error| error.to_string())?;
    Ok(told.is_some())
}

fn all_again(batch: Messages, error: &store::Error) -> Vec<Undelivered> {
    tracing::error!(%error, "who is told of what could not be read");
    batch.messages.into_iter().map(again).collect()
}

fn again(message: Message) -> Undelivered {
    let Message { id, receipt, deliveries, .. } = message;
    let tried = usize::try_from(deliveries.saturating_sub(1)).unwrap_or(usize::MAX);
    let pause = PAUSES.get(tried).or(PAUSES.last()).copied().unwrap_or_default();
    Undelivered { id, receipt, pause }
}

/// What one function delivers.
enum Courier {
    Post(Post),
    Webhooks(Webhooks),
}

impl Courier {
    fn from_environment() -> Result<Self, String> {
        match edge::variable("SCRIP_DELIVERS")?.as_str() {
            "mails" => Ok(Self::Post(Post::from_environment()?)),
            "webhooks" => Ok(Self::Webhooks(Webhooks::new(Reach::Public))),
            other => Err(format!("SCRIP_DELIVERS must be \"mails\" or \"webhooks\", and is {other:?}")),
        }
    }

    async fn deliver(&self, store: &Store, messages: Messages) -> Vec<Undelivered> {
        match self {
            Self::Post(post) => deliver_mails(store, messages, |mail| post.send(mail)).await,
            Self::Webhooks(webhooks) => deliver_webhooks(store, messages, webhooks).await,
        }
    }
}

/// The ids of what could not be delivered, once all was tried.
type Delivering = Pin<Box<dyn Future<Output = Vec<String>>>>;

/// [`deliver_mails`] by SES or [`deliver_webhooks`] to public addresses, as Lambda calls the function: what could not be delivered
/// is left in the queue for its pause, and answered by its id.
///
/// # Errors
/// The name of the variable that is missing.
pub fn from_environment() -> Result<impl Fn(Store, Messages) -> Delivering, String> {
    let parts = Arc::new((Courier::from_environment()?, Queue::from_environment()?));
    Ok(move |store, messages| -> Delivering {
        let parts = Arc::clone(&parts);
        Box::pin(async move {
            let (courier, queue) = &*parts;
            let undelivered = courier.deliver(&store, messages).await;
            queue.pause(&undelivered).await;
            undelivered.into_iter().map(|message| message.id).collect()
        })
    })
}
