//! One request as a function sees it: who, when, and what it says, each part parsed or refused by name.

use std::{fmt::Display, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::HeaderMap;
use jiff::{Timestamp, ToSpan, civil::Date};
use ledger::{Actor, Currency, CurrencyError, CustomerId, Hash, IdempotencyKey, Object, Zone};
use serde::{
    Deserialize,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};
use store::{CommandKey, Fingerprint};

use crate::{Problem, Who};

/// Largest body, in bytes: an order of 500 lines fits.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// Things on a page of a list, unless the caller says how many.
const DEFAULT_LIMIT: usize = 50;

/// Longest cursor that is looked at, in characters: a place in an account of every currency fits.
const MAX_CURSOR: usize = 8_192;

/// Years that one period is shorter than.
const MAX_YEARS: i16 = 10;

/// The header that names what a call does, so that a retry does it once.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// One request as a function sees it.
#[derive(Debug)]
pub struct Call {
    /// When it came in: the only clock that anything behind it has.
    pub at: Timestamp,
    /// Who is calling.
    pub who: Who,
    pub(crate) route: &'static str,
    pub(crate) params: Vec<(&'static str, String)>,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Call {
    /// A part of the path, by its name in the route.
    ///
    /// # Errors
    /// A problem that names it when it does not parse.
    pub fn path<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, Problem> {
        let text = self.params.iter().find(|(param, _)| *param == name).map_or("", |(_, text)| text.as_str());
        text.parse().map_err(|error| Problem::invalid(name, format!("{error}")))
    }

    /// The customer that the path names.
    ///
    /// # Errors
    /// As [`Call::path`].
    pub fn customer(&self) -> Result<CustomerId, Problem> {
        self.path("customer")
    }

    /// The header `Idempotency-Key`.
    ///
    /// # Errors
    /// A problem when it is missing or not 1 to 255 printable characters.
    pub fn key(&self) -> Result<IdempotencyKey, Problem> {
        let mut values = self.headers.get_all(IDEMPOTENCY_KEY).iter();
        let value = values.next().ok_or_else(Problem::idempotency_key_required)?;
        if values.next().is_some() {
            return Err(Problem::invalid("Idempotency-Key", "must be given once"));
        }
        if value.is_empty() {
            return Err(Problem::idempotency_key_required());
        }
        let text = value.to_str().unwrap_or_default();
        text.parse().map_err(|error| Problem::invalid("Idempotency-Key", format!("{error}")))
    }

    /// The body, as JSON; an empty one is `{}`. Who sends a body says all in it: parameters beside it are refused.
    ///
    /// # Errors
    /// A problem that names the field and says what would be right.
    pub fn body<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if let Some((name, _)) = form_urlencoded::parse(self.query.as_bytes()).next() {
            return Err(Problem::invalid(name, "is no parameter of this call"));
        }
        let text = self.text()?;
        let mut json = serde_json::Deserializer::from_str(text);
        let Object(body) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            describe(&path, error.into_inner())
        })?;
        json.end().map_err(|error| describe(".", error))?;
        Ok(body)
    }

    /// The body as a whole document. It has to be there: what it leaves out is the default, and an empty one would reset all.
    ///
    /// # Errors
    /// As [`Call::body`]; also when there is none.
    pub fn document<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.body.is_empty() {
            return Err(Problem::invalid("body", "is required: the whole document, or {} for all defaults"));
        }
        self.body()
    }

    /// The query, each parameter at most once.
    ///
    /// # Errors
    /// A problem that names the parameter and says what would be right.
    pub fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let mut parameters = Map::new();
        for (name, value) in form_urlencoded::parse(self.query.as_bytes()) {
            if parameters.insert(name.to_string(), Value::String(value.into_owned())).is_some() {
                return Err(Problem::invalid(name, "must be given once"));
            }
        }
        serde_path_to_error::deserialize(Value::Object(parameters)).map_err(|error| {
            let path = error.path().to_string();
            describe(&path, error.into_inner())
        })
    }

    /// The header `If-Match` as the version of a document, quoted or not.
    ///
    /// # Errors
    /// A problem when it is no number.
    fn if_match(&self) -> Result<Option<u64>, Problem> {
        let Some(value) = self.headers.get(http::header::IF_MATCH) else {
            return Ok(None);
        };
        let digits = value.to_str().unwrap_or_default().trim_matches('"');
        let version =
            digits.parse().map_err(|_| Problem::invalid("If-Match", "must be the version that was read"))?;
        Ok(Some(version))
    }

    /// What the store needs to know of this call besides what it does.
    pub fn command<'a>(
        &'a self,
        customer: &'a CustomerId,
        currency: Option<Currency>,
        key: &'a IdempotencyKey,
    ) -> Result<store::Command<'a>, Problem> {
        let (actor, at) = (self.actor(), self.at);
        let (key, fingerprint) = (CommandKey::Client(key), self.fingerprint()?);
        Ok(store::Command { customer, currency, key, fingerprint, actor, at })
    }

    /// Who writes a document, and over which version.
    ///
    /// # Errors
    /// A problem when the header `If-Match` is there and is no version.
    pub fn edit(&self) -> Result<store::Edit<'_>, Problem> {
        Ok(store::Edit { actor: self.actor(), at: self.at, expected: self.if_match()? })
    }

    /// A currency as the request names it; `None` is the store's.
    ///
    /// # Errors
    /// `unsupported_currency` for three letters that are no currency, `invalid_request` for anything else.
    pub fn currency(field: &str, code: Option<&str>) -> Result<Option<Currency>, Problem> {
        code.map(str::parse).transpose().map_err(|error| match error {
            CurrencyError::Malformed => Problem::invalid(field, error.to_string()),
            CurrencyError::Unknown(_) => Problem::unsupported_currency(error.to_string()),
        })
    }

    /// The moments from which and before which these days are, both of them included.
    ///
    /// # Errors
    /// A problem that names the day for a period that is none, or is of ten years and more.
    pub fn period(from: Date, to: Date, zone: &Zone) -> Result<(Timestamp, Timestamp), Problem> {
        if to < from {
            return Err(Problem::invalid("to", "must not be before \"from\""));
        }
        // A year that the calendar does not have is no bound.
        if from.checked_add(MAX_YEARS.years()).is_ok_and(|end| to >= end) {
            return Err(Problem::invalid("to", "must be less than ten years after \"from\""));
        }
        let begins = zone
            .start_of(from)
            .ok_or_else(|| Problem::invalid("from", "must be a day from which the calendar goes on"))?;
        let ends = zone
            .end_of(to)
            .ok_or_else(|| Problem::invalid("to", "must be a day whose end the calendar has"))?;
        Ok((begins, ends))
    }

    /// Where the page begins that `cursor` stands for; `None` at the list's beginning.
    ///
    /// # Errors
    /// `invalid_cursor` for one that is none of ours.
    pub fn cursor<T: DeserializeOwned>(cursor: Option<&str>) -> Result<Option<T>, Problem> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let place = Some(cursor).filter(|cursor| cursor.len() <= MAX_CURSOR);
        let place = place.and_then(|cursor| URL_SAFE_NO_PAD.decode(cursor).ok());
        place
            .and_then(|place| serde_json::from_slice(&place).ok())
            .ok_or_else(Problem::invalid_cursor)
            .map(|Object(place)| Some(place))
    }

    /// Who is calling, as an entry records it.
    pub fn actor(&self) -> &Actor {
        &self.who.actor
    }

    /// A digest of what is asked for: of route and path in its first half, of the body in its second, however the body's
    /// JSON is spaced or ordered.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn fingerprint(&self) -> Result<Fingerprint, Problem> {
        let mut body: Value = serde_json::from_str(self.text()?).map_err(|error| describe(".", error))?;
        body.sort_all_objects();
        let digest = |said: serde_json::Result<Vec<u8>>| said.map(|said| Hash::of(&said));
        let deed = digest(serde_json::to_vec(&(self.route, &self.params)));
        let words = digest(serde_json::to_vec(&body));
        let (deed, words) = deed.and_then(|deed| Ok((deed, words?))).map_err(|error| describe(".", error))?;
        Ok(Fingerprint::of(deed, words))
    }

    fn text(&self) -> Result<&str, Problem> {
        if self.body.is_empty() {
            return Ok("{}");
        }
        str::from_utf8(&self.body).map_err(|_| Problem::invalid("body", "must be JSON in UTF-8"))
    }
}

/// A problem that names the field that serde stumbled over.
fn describe(path: &str, error: serde_json::Error) -> Problem {
    let text = error.to_string();
    // serde_json adds where in the text it was, which says nothing once the field is named.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    let within = if path == "." { "" } else { path };
    if error.is_syntax() || error.is_eof() {
        return Problem::invalid("body", format!("must be JSON: {text}"));
    }
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let field = if within.is_empty() { field.to_owned() } else { format!("{within}.{field}") };
        return Problem::invalid(field, "is required");
    }
    if let Some(name) = message.strip_prefix("duplicate field `").and_then(|rest| rest.strip_suffix('`')) {
        let field =
            if within.is_empty() || within == name { name.to_owned() } else { format!("{within}.{name}") };
        return Problem::invalid(field, "must be given once");
    }
    let field = if within.is_empty() { "body" } else { within };
    Problem::invalid(field, message.replace('`', "\""))
}

/// Which page of a list: the parameters of a list that has no others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// How much of it.
    #[serde(default)]
    pub limit: Limit,
    /// Where it begins; at the list's beginning without one.
    pub cursor: Option<String>,
}

/// How many things a page shall hold: 1 to 200, 50 unless the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

impl Limit {
    /// As a number.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.parse() {
            Ok(limit) if digits && (1..=store::MAX_PAGE).contains(&limit) => Ok(Self(limit)),
            _ => Err(D::Error::custom("must be a number from 1 to 200")),
        }
    }
}
