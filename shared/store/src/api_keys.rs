//! API keys: each stands under its id, by its hash alone, and in a list of all of them, newest first.

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use jiff::Timestamp;
use ledger::{Hash, Role};
use serde::{Deserialize, Serialize};

use crate::{
    Error, Page, Store,
    items::{API_KEY, Fields, Item, KEYS, Key, LISTS, bytes, moment, number, text},
    transaction::transact,
};

/// Longest id that is looked up, in bytes; those of ours are shorter.
const MAX_KEY_ID: usize = 64;
/// Longest place in the list, in bytes: a time and an id.
const MAX_PLACE: usize = 100;

/// An API key, as far as it is stored: never the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name.
    pub id: String,
    /// SHA-256 of the key.
    pub hash: Hash,
    /// What it lets in as.
    pub role: Role,
    /// What the merchant calls it.
    pub name: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Since when it lets nobody in.
    pub revoked_at: Option<Timestamp>,
}

/// The place of the last key of the page before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiKeysCursor {
    key: String,
}

impl Store {
    /// The API key of this id, revoked or not.
    ///
    /// # Errors
    /// When the database does not answer or the key cannot be read.
    pub async fn api_key(&self, id: &str) -> Result<Option<ApiKey>, Error> {
        if id.len() > MAX_KEY_ID {
            return Ok(None);
        }
        let item = self.get(Key::api_key(id)).await?;
        item.map(|item| decode_api_key(id, &item)).transpose()
    }

    /// Stores a new API key, or one that was revoked.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_api_key(&self, key: &ApiKey) -> Result<(), Error> {
        let put = Put::builder().table_name(&self.table).set_item(Some(encode_api_key(key)));
        match self.write_documents(vec![transact(put)?]).await? {
            true => Ok(()),
            false => Err(Error::Conflict),
        }
    }

    /// The API keys, revoked or not, the newest first. The list follows by moments; each key is shown as it is now.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`]; when the database does not answer or a key cannot be read.
    pub async fn api_keys(
        &self,
        cursor: Option<ApiKeysCursor>,
        limit: usize,
    ) -> Result<Page<ApiKey, ApiKeysCursor>, Error> {
        let below = match cursor {
            // Above every place.
            None => ":".to_owned(),
            Some(ApiKeysCursor { key: place }) if (1..=MAX_PLACE).contains(&place.len()) => place,
            Some(_) => return Err(Error::InvalidCursor),
        };
        let query = self
            .query("lq = :keys AND lk < :below")
            .index_name(LISTS)
            .expression_attribute_values(":keys", AttributeValue::S(KEYS.to_owned()))
            .expression_attribute_values(":below", AttributeValue::S(below))
            .scan_index_forward(false);
        // One more than the page holds tells whether there is a next.
        let (mut found, _) = self.read_page(query, limit.saturating_add(1)).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().filter(|_| more);
        let next = last.map(|item| Ok(ApiKeysCursor { key: Fields(item).text("lk")?.to_owned() }));
        let keys = found.iter().map(Key::of).collect::<Result<_, _>>()?;
        let read = |item: &Item| {
            let Key { pk, .. } = Key::of(item)?;
            let id =
                pk.strip_prefix(API_KEY).ok_or_else(|| Fields(item).corrupt("this is no API key's key"))?;
            decode_api_key(id, item)
        };
        let data = self.get_all(keys).await?.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Page { data, next: next.transpose()? })
    }
}

pub(crate) fn encode_api_key(key: &ApiKey) -> Item {
    let mut item = Key::api_key(&key.id).to_item();
    item.extend([
        number("v", 1_u8),
        bytes("h", key.hash.0.to_vec()),
        text("role", key.role.word()),
        number("at", key.created_at.as_millisecond()),
        // Both stay as they are for ever; keys of before there was a list have none until they are written again.
        text("lq", KEYS),
        text("lk", &format!("{}#{}", moment(key.created_at), key.id)),
    ]);
    item.extend(key.name.as_deref().map(|name| text("name", name)));
    item.extend(key.revoked_at.map(|at| number("revoked", at.as_millisecond())));
    item
}

pub(crate) fn decode_api_key(id: &str, item: &Item) -> Result<ApiKey, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let role = fields.text("role")?;
    let moment = |name: &str| {
        Timestamp::from_millisecond(fields.number(name)?)
            .map_err(|_| fields.corrupt("a moment is out of range"))
    };
    Ok(ApiKey {
        id: id.to_owned(),
        hash: fields.hash("h")?,
        role: Role::ALL
            .iter()
            .copied()
            .find(|known| known.word() == role)
            .ok_or_else(|| fields.corrupt("role is not known"))?,
        name: item.contains_key("name").then(|| fields.text("name").map(str::to_owned)).transpose()?,
        created_at: moment("at")?,
        revoked_at: item.contains_key("revoked").then(|| moment("revoked")).transpose()?,
    })
}
