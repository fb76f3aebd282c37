//! The table as a whole, item by item, for the auditor and the export: as a scan gives it, or as an export holds it.
//!
//! No function reads so, and none has the right to.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::{CustomerId, Finding, Flaw};
use serde_json::{Map, Value, json};

use crate::{
    Error, Page, Store,
    api_keys::{decode_api_key, encode_api_key},
    audit::INDEXED,
    documents::decode_settings,
    items::{
        API_KEY, BOOKS, ENTRIES, Fields, GRANTS, Item, JOURNAL, Key, LISTED, decode_booking, decode_standing,
    },
};

/// Deepest nesting of an attribute that is read; ours are two deep.
const MAX_DEPTH: u8 = 32;

/// One stored item.
#[derive(Clone, Debug, PartialEq)]
pub struct Record(pub(crate) Item);

/// Where an item stands, and where among its customer's items it is to be looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Whose it is, or in the lists.
    pub customer: CustomerId,
    /// Its key.
    pub key: (String, String),
    /// Entries after all others, by number.
    pub order: String,
}

/// Where a part of a scan goes on.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanPlace(Item);

/// A line is no item.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no item of an export: {0}")]
pub struct InvalidRecord(String);

impl Record {
    /// As a line of an export says: `{"Item": {"pk": {"S": "…"}, …}}`.
    ///
    /// # Errors
    /// When it is not JSON, or no item.
    pub fn read(line: &str) -> Result<Self, InvalidRecord> {
        let invalid = |reason: &str| InvalidRecord(reason.to_owned());
        let line: Value = serde_json::from_str(line).map_err(|error| InvalidRecord(error.to_string()))?;
        let item = line.get("Item").and_then(Value::as_object).ok_or_else(|| invalid("it has no Item"))?;
        let attribute = |(name, value): (&String, &Value)| {
            let value =
                attribute(value, 0).ok_or_else(|| InvalidRecord(format!("{name} has no known type")))?;
            Ok((name.clone(), value))
        };
        Ok(Self(item.iter().map(attribute).collect::<Result<_, _>>()?))
    }

    /// As a line of an export.
    pub fn line(&self) -> String {
        json!({"Item": json_of(&self.0)}).to_string()
    }

    /// Its key, if it has one.
    pub fn key(&self) -> Option<(String, String)> {
        Key::of(&self.0).ok().map(|Key { pk, sk }| (pk, sk))
    }

    /// Whether it is an API key, and so no part of what is kept for customers.
    pub fn is_api_key(&self) -> bool {
        self.key().is_some_and(|(pk, _)| pk.starts_with(API_KEY))
    }

    /// Where it stands; `None` if it is no customer's.
    pub fn place(&self) -> Option<Place> {
        let fields = Fields(&self.0);
        let (pk, sk) = (fields.text("pk").ok()?, fields.text("sk").ok()?);
        let customer = pk.strip_prefix("C#").or_else(|| pk.strip_prefix(LISTED))?.parse().ok()?;
        let number = fields.text("n").ok();
        let order = match number.filter(|number| number.starts_with(ENTRIES)) {
            Some(number) => number.to_owned(),
            None if sk.starts_with("K#") && !self.0.contains_key("t") => "Z".to_owned(),
            None => String::new(),
        };
        Some(Place { customer, key: (pk.to_owned(), sk.to_owned()), order })
    }

    /// What is wrong with an item that is no customer's.
    pub fn finding(&self) -> Option<Finding> {
        let found = |code, detail| Some(Finding { currency: None, entry: None, code, detail });
        let fields = Fields(&self.0);
        let Ok(Key { pk, sk }) = Key::of(&self.0) else {
            return found(Flaw::Unreadable, "an item has no key".to_owned());
        };
        let known = match pk.as_str() {
            "STORE" => true,
            pk => {
                [API_KEY, "TOLD#", "JOB#", GRANTS, JOURNAL, BOOKS].iter().any(|prefix| pk.starts_with(prefix))
            }
        };
        // Where an index is to have it: of what no customer owns, API keys alone, and not those of before they were listed.
        let mut ours = Item::new();
        let read = match (pk.as_str(), sk.as_str()) {
            ("STORE", "SETTINGS") => decode_settings(Some(&self.0)).map(drop),
            (pk, _) if pk.starts_with(JOURNAL) => decode_booking(&self.0).map(drop),
            (pk, _) if pk.starts_with(BOOKS) => {
                let currency = pk.rsplit_once('#').and_then(|(_, currency)| currency.parse().ok());
                let currency = currency.ok_or_else(|| fields.corrupt("its place does not parse"));
                currency.and_then(|currency| decode_standing(currency, &self.0)).map(drop)
            }
            (pk, _) => match pk.strip_prefix(API_KEY) {
                Some(id) => decode_api_key(id, &self.0).map(|key| ours = encode_api_key(&key)),
                None => fields.expect_format(),
            },
        };
        let is_indexed = INDEXED.iter().any(|name| self.0.contains_key(*name));
        match read {
            _ if !known => found(Flaw::UnknownItem, format!("{pk} {sk} is of no kind")),
            Ok(()) if is_indexed && INDEXED.iter().any(|name| self.0.get(*name) != ours.get(*name)) => {
                found(Flaw::IndexDrift, format!("{pk} {sk} stands in an index where it should not"))
            }
            Ok(()) => None,
            Err(error) => found(Flaw::Unreadable, error.to_string()),
        }
    }
}

impl Store {
    /// The next items of one of so many parts of the table. Others may write meanwhile, so that what is read is of no one
    /// moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn scan_part(
        &self,
        (part, parts): (u16, u16),
        after: Option<ScanPlace>,
    ) -> Result<Page<Record, ScanPlace>, Error> {
        let scan = self
            .client
            .scan()
            .table_name(&self.table)
            .segment(part.into())
            .total_segments(parts.into())
            .consistent_read(true)
            .set_exclusive_start_key(after.map(|ScanPlace(key)| key));
        let answer = scan.send().await.map_err(Error::from_sdk)?;
        let data = answer.items.unwrap_or_default().into_iter().map(Record).collect();
        Ok(Page { data, next: answer.last_evaluated_key.map(ScanPlace) })
    }
}

fn attribute(value: &Value, depth: u8) -> Option<AttributeValue> {
    let (kind, value) = value.as_object().filter(|_| depth < MAX_DEPTH)?.iter().next()?;
    let blob = |value: &Value| Some(Blob::new(STANDARD.decode(value.as_str()?).ok()?));
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let deeper = depth.saturating_add(1);
    Some(match kind.as_str() {
        "S" => AttributeValue::S(text(value)?),
        "N" => AttributeValue::N(text(value)?),
        "B" => AttributeValue::B(blob(value)?),
        "BOOL" => AttributeValue::Bool(value.as_bool()?),
        "NULL" => AttributeValue::Null(value.as_bool()?),
        "L" => AttributeValue::L(
            value.as_array()?.iter().map(|value| attribute(value, deeper)).collect::<Option<_>>()?,
        ),
        "M" => {
            let member = |(name, value): (&String, &Value)| Some((name.clone(), attribute(value, deeper)?));
            AttributeValue::M(value.as_object()?.iter().map(member).collect::<Option<HashMap<_, _>>>()?)
        }
        "SS" => AttributeValue::Ss(value.as_array()?.iter().map(text).collect::<Option<_>>()?),
        "NS" => AttributeValue::Ns(value.as_array()?.iter().map(text).collect::<Option<_>>()?),
        "BS" => AttributeValue::Bs(value.as_array()?.iter().map(blob).collect::<Option<_>>()?),
        _ => return None,
    })
}

pub(crate) fn json_of(item: &Item) -> Value {
    fn value(attribute: &AttributeValue) -> Value {
        match attribute {
            AttributeValue::S(text) => json!({"S": text}),
            AttributeValue::N(number) => json!({"N": number}),
            AttributeValue::B(blob) => json!({"B": STANDARD.encode(blob)}),
            AttributeValue::Bool(truth) => json!({"BOOL": truth}),
            AttributeValue::L(list) => json!({"L": list.iter().map(value).collect::<Vec<_>>()}),
            AttributeValue::M(members) => json!({"M": json_of(members)}),
            AttributeValue::Ss(texts) => json!({"SS": texts}),
            AttributeValue::Ns(numbers) => json!({"NS": numbers}),
            AttributeValue::Bs(blobs) => {
                json!({"BS": blobs.iter().map(|blob| STANDARD.encode(blob)).collect::<Vec<_>>()})
            }
            _ => json!({"NULL": true}),
        }
    }
    let member = |(name, attribute): (&String, &AttributeValue)| (name.clone(), value(attribute));
    // By name, so that equal items are equal lines.
    let members: BTreeMap<String, Value> = item.iter().map(member).collect();
    Value::Object(members.into_iter().collect::<Map<_, _>>())
}
