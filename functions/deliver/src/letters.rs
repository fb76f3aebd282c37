//! Who is written to about an event, and what.

use jiff::Timestamp;
use ledger::{Label, Language, Money};
use mail::{Address, Facts, Kind, Letter, MailSettings, letter};
use mail_builder::{MessageBuilder, headers::address::Address as Header};
use store::{Profile, Settings, Store};

use crate::event::Event;

/// A mail that is ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its name, the same each time that it is sent: mail programs show one of that name once.
    pub id: String,
    /// The shop's name, by which it is sent.
    pub shop: String,
    /// The address that it is sent from.
    pub from: Address,
    /// Where answers go, if not there.
    pub reply_to: Option<Address>,
    /// Whom it is for.
    pub to: Vec<String>,
    /// When it is sent.
    pub at: Timestamp,
    /// What it says.
    pub letter: Letter,
}

impl Mail {
    /// As it is sent: text and HTML, one of which is shown.
    ///
    /// # Errors
    /// When it cannot be written, which a mail of ours can.
    pub fn mime(&self) -> Result<Vec<u8>, String> {
        let list = self.to.iter().map(|to| Header::new_address(None::<&str>, to.as_str())).collect();
        let mut message = MessageBuilder::new()
            .message_id(self.id.as_str())
            .date(self.at.as_second())
            .from((self.shop.as_str(), self.from.as_str()))
            .to(Header::new_list(list))
            .subject(self.letter.subject.as_str())
            .text_body(self.letter.text.as_str())
            .html_body(self.letter.html.as_str());
        if let Some(reply_to) = &self.reply_to {
            message = message.reply_to(reply_to.as_str());
        }
        message.write_to_vec().map_err(|error| error.to_string())
    }
}

/// What is written about this event, and the name under which it is noted that it was sent; `None` where nobody wants to know,
/// or can be written to.
///
/// # Errors
/// When the database does not answer, or a template cannot be filled.
pub(crate) async fn letter_about(
    store: &Store,
    settings: &Settings,
    mail: &MailSettings,
    event: &Event,
    at: Timestamp,
) -> Result<Option<(&'static str, Mail)>, String> {
    let kind = Kind::ALL.iter().copied().find(|kind| kind.word() == event.kind);
    let (Some(kind), Some(from)) = (kind, mail.sender.clone().filter(|_| mail.enabled)) else {
        return Ok(None);
    };
    let moves_nothing = event.amount().is_some_and(Money::is_zero);
    if moves_nothing || !(kind.is_for_admins() || mail.customer_events.contains(kind)) {
        return Ok(None);
    }
    let profile = store.profile(&event.customer).await.map_err(|error| error.to_string())?;
    let profile = profile.unwrap_or_default();
    let (name, to, language) = if kind.is_for_admins() {
        ("admins", mail.admins.iter().map(ToString::to_string).collect(), None)
    } else {
        let to: Vec<String> = profile.email.iter().map(ToString::to_string).collect();
        ("customer", to, profile.language.as_ref())
    };
    if to.is_empty() {
        return Ok(None);
    }
    let today = settings.policy.time_zone.day_of(at);
    let expiring: Vec<mail::Expiring> = event.expiring.iter().filter_map(|soon| soon.on(today)).collect();
    if expiring.is_empty() && !event.expiring.is_empty() {
        // It was held up until it is over.
        return Ok(None);
    }
    let letter = written(settings, mail, event, &profile, kind, language, &expiring)?;
    let id = format!("{}.{name}@{}", event.id, from.domain());
    let reply_to = mail.reply_to.clone();
    Ok(Some((name, Mail { id, shop: mail.shop_name().to_owned(), from, reply_to, to, at, letter })))
}

fn positive(amount: Money) -> Money {
    if amount.is_positive() { amount } else { amount.negated() }
}

/// All that expires, if it is in one currency.
fn all_of(expiring: &[mail::Expiring]) -> Option<Money> {
    let currency = expiring.first()?.amount.currency();
    let in_one = expiring.iter().all(|soon| soon.amount.currency() == currency);
    let sum = in_one.then(|| Money::sum(currency, expiring.iter().map(|soon| soon.amount)))?;
    sum.ok()
}

fn written(
    settings: &Settings,
    mail: &MailSettings,
    event: &Event,
    profile: &Profile,
    kind: Kind,
    language: Option<&Language>,
    expiring: &[mail::Expiring],
) -> Result<Letter, String> {
    let zone = &settings.policy.time_zone;
    let entry = event.entry.as_ref();
    let expires_at = entry.and_then(|entry| entry.expires_at);
    let paid_by = event.topup.as_ref().map(|topup| &topup.payment.method);
    let method = paid_by.or(entry.and_then(|entry| entry.journal.as_ref()));
    let facts = Facts {
        shop: mail.shop_name(),
        customer: event.customer.as_str(),
        name: profile.name.as_ref().map(Label::as_str),
        amount: event.amount().map(positive).or_else(|| all_of(expiring)),
        balance: event.balance(),
        date: zone.day_of(event.at),
        last_day: expires_at.map(|at| zone.last_day_before(at)),
        order: entry.and_then(|entry| entry.order.as_ref()).map(Label::as_str),
        method: method.map(Label::as_str),
        expiring,
    };
    letter(kind, language, &mail.language, &mail.templates, &facts).map_err(|error| error.to_string())
}
