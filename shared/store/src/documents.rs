//! What is stored beside the ledger: the store's settings, customers' profiles, API keys.

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use jiff::Timestamp;
use ledger::{CustomerId, Hash, Policy, Role};

use crate::{
    Error, Store,
    items::{Fields, Item, Key, bytes, number, text},
};

/// Tries of a settings write that names no version, against others who write at once.
const MAX_TRIES: u32 = 8;

/// Longest id that is looked up, in bytes; those of ours are shorter.
const MAX_KEY_ID: usize = 64;

/// The store's settings and their version; version 0 are the defaults, before anybody wrote any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The rules.
    pub policy: Policy,
    /// How often they were written.
    pub version: u64,
}

/// What the shop tells about a customer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What to call them.
    pub name: Option<String>,
    /// Where to write to them.
    pub email: Option<String>,
}

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

impl Store {
    /// The store's settings, the defaults if there are none.
    ///
    /// # Errors
    /// When the database does not answer or the settings cannot be read.
    pub async fn settings(&self) -> Result<Settings, Error> {
        decode_settings(self.get(Key::settings()).await?.as_ref())
    }

    /// Writes the settings whole; with `expected`, only if that is still their version.
    ///
    /// # Errors
    /// [`Error::VersionMismatch`] when it is not; [`Error::Conflict`] when others kept writing.
    pub async fn put_settings(&self, policy: Policy, expected: Option<u64>) -> Result<Settings, Error> {
        let document = serde_json::to_string(&policy).map_err(|error| Error::Refused(error.to_string()))?;
        for _ in 0..MAX_TRIES {
            let current = self.settings().await?.version;
            if expected.is_some_and(|expected| expected != current) {
                return Err(Error::VersionMismatch { current });
            }
            let version = current.saturating_add(1);
            let mut item = Key::settings().to_item();
            item.extend([number("v", 1_u8), number("version", version), text("doc", &document)]);
            let condition = if current == 0 { "attribute_not_exists(pk)" } else { "version = :version" };
            let put =
                Put::builder().table_name(&self.table).set_item(Some(item)).condition_expression(condition);
            let put = if current == 0 {
                put
            } else {
                put.expression_attribute_values(":version", AttributeValue::N(current.to_string()))
            };
            let put = put.build().map_err(|error| Error::Refused(error.to_string()))?;
            if self.write_document(put).await? {
                self.learn_currency(policy.currency);
                return Ok(Settings { policy, version });
            }
        }
        Err(Error::Conflict)
    }

    /// Writes a customer's profile whole.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn put_profile(&self, customer: &CustomerId, profile: &Profile) -> Result<(), Error> {
        let mut item = Key::profile(customer).to_item();
        item.extend([number("v", 1_u8)]);
        item.extend(profile.name.as_deref().map(|name| text("name", name)));
        item.extend(profile.email.as_deref().map(|email| text("email", email)));
        self.put_document(item).await
    }

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
        let mut item = Key::api_key(&key.id).to_item();
        item.extend([
            number("v", 1_u8),
            bytes("h", key.hash.0.to_vec()),
            text("role", key.role.word()),
            number("at", key.created_at.as_millisecond()),
        ]);
        item.extend(key.name.as_deref().map(|name| text("name", name)));
        item.extend(key.revoked_at.map(|at| number("revoked", at.as_millisecond())));
        self.put_document(item).await
    }

    async fn get(&self, key: Key) -> Result<Option<Item>, Error> {
        let get =
            self.client.get_item().table_name(&self.table).set_key(Some(key.to_item())).consistent_read(true);
        Ok(get.send().await.map_err(Error::from_sdk)?.item)
    }

    /// Writes one document, without condition.
    async fn put_document(&self, item: Item) -> Result<(), Error> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
        let put = put.map_err(|error| Error::Refused(error.to_string()))?;
        match self.write_document(put).await? {
            true => Ok(()),
            false => Err(Error::Conflict),
        }
    }
}

pub(crate) fn decode_settings(item: Option<&Item>) -> Result<Settings, Error> {
    let Some(item) = item else {
        return Ok(Settings { policy: Policy::default(), version: 0 });
    };
    let fields = Fields(item);
    fields.expect_format()?;
    let policy =
        serde_json::from_str(fields.text("doc")?).map_err(|error| fields.corrupt(&error.to_string()))?;
    Ok(Settings { policy, version: fields.number("version")? })
}

pub(crate) fn decode_profile(item: &Item) -> Result<Profile, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let optional =
        |name: &str| item.contains_key(name).then(|| fields.text(name).map(str::to_owned)).transpose();
    Ok(Profile { name: optional("name")?, email: optional("email")? })
}

fn decode_api_key(id: &str, item: &Item) -> Result<ApiKey, Error> {
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
