//! What a customer or an admin is told of one event, in words: a subject, a text and HTML.
//!
//! It sends nothing, reads no clock and no file, and knows neither addresses nor events: who calls has the facts, and
//! does the sending. A merchant's own templates are checked when they are saved, after which they cannot fail.

mod builtin;
mod figures;
mod settings;
mod template;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, str::FromStr};

use jiff::civil::Date;
use ledger::{Currency, Language, Money, Object};
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};

use crate::{
    builtin::Words,
    figures::Figures,
    template::{MAX_FIGURE, MAX_WORD},
};

pub use crate::settings::{Address, Admins, CustomerEvents, MailSettings};
pub use crate::template::{MAX_EXPIRING, Part};

/// Longest subject of a template, in characters; also of a letter, where what is longer is cut.
pub const MAX_SUBJECT: usize = 200;
/// Largest text and largest HTML of a template, in bytes.
pub const MAX_BODY: usize = 16 << 10;
/// The day of the facts that templates are checked with.
const DAY: Date = Date::constant(2030, 12, 31);

ledger::words! {
    /// What is mailed about.
    pub enum Kind {
        /// Credit was given.
        Granted = "credit.granted",
        /// A top-up was credited.
        ToppedUp = "credit.topped_up",
        /// Credit was spent.
        Redeemed = "credit.redeemed",
        /// Credit that was held for an order was spent.
        Captured = "hold.captured",
        /// Spent credit came back.
        Refunded = "credit.refunded",
        /// Credit was paid out.
        Withdrawn = "credit.withdrawn",
        /// Staff took credit away.
        Debited = "credit.debited",
        /// Staff took back what was given.
        Voided = "credit.voided",
        /// Credit's last day is over.
        Expired = "credit.expired",
        /// Credit's last day is near.
        ExpiringSoon = "credit.expiring_soon",
        /// Staff declined a top-up.
        TopupRejected = "topup.rejected",
        /// Nobody decided on a top-up in time.
        TopupLapsed = "topup.lapsed",
        /// A customer asks for a top-up. The only one that is told to admins.
        TopupRequested = "topup.requested",
    }
}

impl Kind {
    /// Whether admins are told, and not the customer.
    pub fn is_for_admins(self) -> bool {
        self == Self::TopupRequested
    }
}

/// A text is no [`Kind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be what is mailed about, such as \"credit.granted\"")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.iter().copied().find(|kind| kind.word() == word).ok_or(UnknownKind)
    }
}

/// The merchant's own words for one kind in one language, as Jinja templates.
///
/// They may name `shop`, `customer` (the id), `name`, `amount`, `balance`, `date`, `last_day`, `order`, `method`, `kind`
/// and `language`, and loop over `expiring`, each with `amount`, `last_day` and `days`. What is absent is none: it is
/// written as nothing, and `{% if order %}` asks for it. Amounts and days are written as the language does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Object<GivenTemplate>")]
pub struct Template {
    /// One line, up to [`MAX_SUBJECT`].
    pub subject: String,
    /// Up to [`MAX_BODY`].
    pub text: String,
    /// Up to [`MAX_BODY`]; without it, the text's paragraphs are laid out as the built-in words are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
}

/// A [`Template`] as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenTemplate {
    subject: String,
    text: String,
    #[serde(default)]
    html: Option<String>,
}

impl From<Object<GivenTemplate>> for Template {
    fn from(Object(GivenTemplate { subject, text, html }): Object<GivenTemplate>) -> Self {
        Self { subject, text, html }
    }
}

/// The merchant's own templates.
pub type Templates = BTreeMap<Kind, BTreeMap<Language, Template>>;

/// What there is to tell. Of each text, the first 128 characters are told, on one line.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The shop's name.
    pub shop: &'a str,
    /// The customer's id.
    pub customer: &'a str,
    /// The customer's name.
    pub name: Option<&'a str>,
    /// What moved, is about to expire or was asked for. Positive: the kind says which way it went.
    pub amount: Option<Money>,
    /// What the customer has after it. Negative when it is owed.
    pub balance: Option<Money>,
    /// The day of the event where the store is.
    pub date: Date,
    /// The last day on which the credit can be used.
    pub last_day: Option<Date>,
    /// The order's id.
    pub order: Option<&'a str>,
    /// How it is paid or paid out.
    pub method: Option<&'a str>,
    /// What is about to expire, the soonest first. The first [`MAX_EXPIRING`] are told.
    pub expiring: &'a [Expiring],
}

/// Credit that is about to expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiring {
    /// How much.
    pub amount: Money,
    /// The last day on which it can be used.
    pub last_day: Date,
    /// Days from today to that day: 0 on the day itself.
    pub days: u16,
}

/// What is mailed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// One line, never empty.
    pub subject: String,
    /// Lines that end with `\n` and in no other space.
    pub text: String,
    /// A whole document.
    pub html: String,
}

/// A template says nothing, or not what it may; the message says what and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the {part} of {kind} in \"{language}\": {message}", part = part.name())]
pub struct Unrenderable {
    /// The kind that it is for.
    pub kind: Kind,
    /// The language that it is in.
    pub language: String,
    /// The part that is at fault.
    pub part: Part,
    /// What is wrong, and in which line.
    pub message: String,
}

/// The letter about one event, in the customer's language where there are words for it.
///
/// The words are the first of: the merchant's own in the customer's language (`fr-CH`, then `fr`), the built-in ones in that
/// language, both again in the shop's, and the built-in ones in English.
///
/// # Errors
/// [`Unrenderable`] for templates of the merchant's that [`check`] refuses, and for no others.
pub fn letter(
    kind: Kind,
    language: Option<&Language>,
    fallback: &Language,
    templates: &Templates,
    facts: &Facts<'_>,
) -> Result<Letter, Unrenderable> {
    let asked: Vec<&str> = [language, Some(fallback)].into_iter().flatten().map(Language::as_str).collect();
    for tag in &asked {
        if let Some((language, template)) = own(templates, kind, tag) {
            return own_letter(kind, language.as_str(), template, &asked, facts);
        }
        if Words::are_in(primary(tag)) {
            break;
        }
    }
    built_in(kind, &asked, facts)
}

/// Whether each of the templates renders, whatever the facts of an event are.
///
/// # Errors
/// [`Unrenderable`] for the first that does not: it is too long, is no template, names what there is not, could run or
/// grow without end, or says nothing at all.
pub fn check(templates: &Templates) -> Result<(), Unrenderable> {
    for (kind, languages) in templates {
        for (language, template) in languages {
            check_one(*kind, language.as_str(), template)
                .map_err(|fault| unrenderable(*kind, language.as_str(), fault))?;
        }
    }
    Ok(())
}

/// What is wrong, and with which part.
type Fault = (Part, String);

fn check_one(kind: Kind, language: &str, template: &Template) -> Result<(), Fault> {
    let Template { subject, text, html } = template;
    if subject.chars().count() > MAX_SUBJECT {
        return Err((Part::Subject, format!("has more than {MAX_SUBJECT} characters")));
    }
    if subject.chars().any(char::is_control) {
        return Err((Part::Subject, "must be one line, without line breaks or tabs".to_owned()));
    }
    check_part(kind, language, Part::Subject, subject)?;
    check_part(kind, language, Part::Text, text)?;
    html.as_ref().map_or(Ok(()), |html| check_part(kind, language, Part::Html, html))
}

fn check_part(kind: Kind, language: &str, part: Part, source: &str) -> Result<(), Fault> {
    if source.len() > MAX_BODY {
        return Err((part, format!("is larger than {} KiB", MAX_BODY >> 10)));
    }
    let figures = Figures::of([language]);
    let lot = Expiring { amount: Money::from_minor(2500, Currency::USD), last_day: DAY, days: 7 };
    for facts in [sample(&[lot, lot]), sparse(kind, &[lot])] {
        let values = values(kind, language, &figures, &facts);
        if said(source, part, &values)?.trim().is_empty() {
            return Err((
                part,
                "says nothing where `name`, `order`, `last_day` and `method` are none: let it say something in any case"
                    .to_owned(),
            ));
        }
    }
    Ok(())
}

/// Everything that can be known.
fn sample(expiring: &[Expiring]) -> Facts<'_> {
    let amount = Some(Money::from_minor(2500, Currency::USD));
    Facts {
        name: Some("Alice"),
        amount,
        balance: amount,
        last_day: Some(DAY),
        order: Some("1001"),
        method: Some("card"),
        expiring,
        ..sparse(Kind::Granted, &[])
    }
}

/// What is always known about an event of this kind, and nothing else: an amount, but of what expires soon, which has lots.
fn sparse(kind: Kind, lots: &[Expiring]) -> Facts<'_> {
    let soon = kind == Kind::ExpiringSoon;
    Facts {
        shop: "Shop",
        customer: "alice",
        name: None,
        amount: (!soon).then(|| Money::from_minor(2500, Currency::USD)),
        balance: None,
        date: DAY,
        last_day: None,
        order: None,
        method: None,
        expiring: if soon { lots } else { &[] },
    }
}

/// The merchant's own template in this language, or in the one that it is a form of.
fn own<'t>(templates: &'t Templates, kind: Kind, tag: &str) -> Option<(&'t Language, &'t Template)> {
    let languages = templates.get(&kind)?;
    let of = |tag: &str| languages.iter().find(|(language, _)| language.as_str().eq_ignore_ascii_case(tag));
    of(tag).or_else(|| of(primary(tag)))
}

fn own_letter(
    kind: Kind,
    language: &str,
    template: &Template,
    asked: &[&str],
    facts: &Facts<'_>,
) -> Result<Letter, Unrenderable> {
    let values = values(kind, language, &figures(language, asked), facts);
    match own_words(language, template, &values).map_err(|fault| unrenderable(kind, language, fault))? {
        // It may say nothing of just these facts, which is no letter.
        Letter { subject, text, .. } if subject.is_empty() || text.is_empty() => built_in(kind, asked, facts),
        letter => Ok(letter),
    }
}

fn own_words(language: &str, template: &Template, values: &Value) -> Result<Letter, Fault> {
    let subject = one_line(&said(&template.subject, Part::Subject, values)?, MAX_SUBJECT);
    let text = tidy(&said(&template.text, Part::Text, values)?);
    let html = template.html.as_ref().map(|html| said(html, Part::Html, values)).transpose()?;
    let html = match html.filter(|html| !html.trim().is_empty()) {
        Some(html) => html,
        None => builtin::page(language, &subject, values, [&text, "", ""])?,
    };
    Ok(Letter { subject, text, html })
}

/// What a part's template says, without the control characters that it may have written.
fn said(source: &str, part: Part, values: &Value) -> Result<String, Fault> {
    let said = template::render(source, part, values).map_err(|message| (part, message))?;
    Ok(said.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect())
}

fn built_in(kind: Kind, asked: &[&str], facts: &Facts<'_>) -> Result<Letter, Unrenderable> {
    let words = Words::of(asked.iter().map(|tag| primary(tag)));
    let values = values(kind, words.language, &figures(words.language, asked), facts);
    words.letter(kind, &values).map_err(|fault| unrenderable(kind, words.language, fault))
}

fn unrenderable(kind: Kind, language: &str, (part, message): Fault) -> Unrenderable {
    Unrenderable { kind, language: language.to_owned(), part, message }
}

/// How amounts and days are written among words of this language: as where the customer is, else as where the shop is,
/// if that is a form of the same language.
fn figures(words: &str, asked: &[&str]) -> Figures {
    let same = asked.iter().copied().filter(|tag| primary(tag).eq_ignore_ascii_case(primary(words)));
    Figures::of(same.chain([words, primary(words)]))
}

/// The language without country or script: `fr` of `fr-CH`.
fn primary(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(primary, _)| primary)
}

/// The facts under the names that templates have for them.
fn values(kind: Kind, language: &str, figures: &Figures, facts: &Facts<'_>) -> Value {
    let word = |text: &str| one_line(text, MAX_WORD);
    let money = |money| cut(&figures.money(money), MAX_FIGURE);
    let day = |day| cut(&figures.day(day), MAX_FIGURE);
    let lot = |lot: &Expiring| {
        context! { amount => money(lot.amount), last_day => day(lot.last_day), days => lot.days }
    };
    context! {
        shop => word(facts.shop),
        customer => word(facts.customer),
        name => facts.name.map(word),
        amount => facts.amount.map(money),
        balance => facts.balance.map(money),
        date => day(facts.date),
        last_day => facts.last_day.map(day),
        order => facts.order.map(word),
        method => facts.method.map(word),
        expiring => facts.expiring.iter().take(MAX_EXPIRING).map(lot).collect::<Vec<_>>(),
        kind => kind.word(),
        language => language,
    }
}

/// On one line and without control characters: what follows a line break would be read as another header.
fn one_line(text: &str, most: usize) -> String {
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let broken = |c: char| c == ' ' || c == '\u{2028}' || c == '\u{2029}';
    cut(&spaced.split(broken).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "), most)
}

/// The first characters, and whether there were more.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// Without spaces at the ends of lines, or more than one empty line together; empty, or with `\n` at the end.
fn tidy(text: &str) -> String {
    let mut tidied = String::new();
    for line in text.lines().map(str::trim_end) {
        if !line.is_empty() || !(tidied.is_empty() || tidied.ends_with("\n\n")) {
            tidied.push_str(line);
            tidied.push('\n');
        }
    }
    match tidied.trim_end() {
        "" => String::new(),
        text => format!("{text}\n"),
    }
}
