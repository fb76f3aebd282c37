//! What is stored beside the ledger: the store's settings with the groups', customers' own documents, what was changed
//! in them and by whom.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use jiff::Timestamp;
use ledger::{
    Actor, Currency, CustomerId, Grant, GroupId, Label, Language, Levels, Overrides, Policy, Refusal,
    RemindDays,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Error, Page, Store,
    items::{Fields, Item, Key, group_partition, number, text},
    transaction::transact,
};

/// Tries of a document's write that names no version, against others who write at once.
pub(crate) const MAX_TRIES: u32 = 8;

/// Groups that a store may have: their policies are read with the settings at every call.
const MAX_GROUPS: usize = 200;

/// Largest settings, all groups' together, in bytes: each 4,096 of them cost every call a read unit.
pub(crate) const MAX_SETTINGS: usize = 64 * 1024;

/// The store's settings and their version; version 0 are the defaults, before anybody wrote any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The store's own.
    pub policy: Policy,
    /// How often they or a group's were written.
    pub version: u64,
    /// Each group's document as it is stored; most calls need none of them.
    groups: BTreeMap<String, String>,
}

/// What a group of customers has of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The settings that it has instead of the store's.
    #[serde(default)]
    pub policy: Overrides,
    /// Credit for each customer who joins, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joining_grant: Option<GrantTerms>,
}

/// A grant that is to be made later, and in which currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantTerms {
    /// In which currency.
    pub currency: Currency,
    /// What is granted.
    #[serde(flatten)]
    pub grant: Grant,
}

/// What the shop says of a customer, and the rules for this one alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// What to call them.
    pub name: Option<Label>,
    /// Where to write to them.
    pub email: Option<Label>,
    /// In which language.
    pub language: Option<Language>,
    /// The group that they belong to.
    pub group: Option<GroupId>,
    /// The settings that they have instead of the group's and the store's.
    pub policy: Overrides,
    /// Whether their credit can neither be spent nor withdrawn.
    pub frozen: bool,
    /// How often it was written.
    pub version: u64,
}

/// One change of a document: who, when, and what was what before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentChange {
    /// The version that it made.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// Whose settings; `None` for the store's, and for a customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// What changed, by its name.
    pub changes: BTreeMap<String, Changed>,
}

/// A value before and after a change; absent where none was given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changed {
    /// Before.
    #[serde(default, with = "given", skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// After.
    #[serde(default, with = "given", skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

impl DocumentChange {
    /// The line that a customer's personal data was erased; what it was is gone with it.
    pub(crate) fn erasure(version: u64, edit: Edit<'_>) -> Self {
        Self::word(version, (edit.actor.clone(), edit.at), "personal_data", "erased")
    }

    /// The line in the place of one that a restore lost, as nothing tells what it said.
    pub(crate) fn lost(version: u64, at: Timestamp) -> Self {
        Self::word(version, (Actor::repairing(), at), "document", "lost")
    }

    /// The line that a document of an older version is in force, since a restore lost the one that entries name.
    pub(crate) fn restored(version: u64, at: Timestamp) -> Self {
        Self::word(version, (Actor::repairing(), at), "document", "restored")
    }

    fn word(version: u64, (actor, at): (Actor, Timestamp), name: &str, word: &str) -> Self {
        let word = Changed { old: None, new: Some(Value::String(word.to_owned())) };
        Self { version, at, actor, group: None, changes: BTreeMap::from([(name.to_owned(), word)]) }
    }
}

/// The version of the last change on the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangesCursor {
    version: u64,
}

/// Who writes a document, when, and over which version: whichever stands, unless it says.
#[derive(Clone, Copy, Debug)]
pub struct Edit<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// When.
    pub at: Timestamp,
    /// The version that was read.
    pub expected: Option<u64>,
}

impl Store {
    /// The store's settings, the defaults if there are none.
    ///
    /// # Errors
    /// When the database does not answer or the settings cannot be read.
    pub async fn settings(&self) -> Result<Settings, Error> {
        decode_settings(self.get(Key::settings()).await?.as_ref())
    }

    /// Writes the store's settings whole, and the line that tells what changed; with an expected version, only over that.
    ///
    /// # Errors
    /// [`Error::VersionMismatch`]; [`Error::Conflict`] when others kept writing; [`Error::TooLarge`].
    pub async fn put_settings(&self, policy: &Policy, edit: Edit<'_>) -> Result<Settings, Error> {
        let settings = self
            .edit_settings(edit, |settings| {
                let changes = differences(&json(&settings.policy)?, &json(policy)?);
                settings.policy.clone_from(policy);
                Ok((None, changes))
            })
            .await?;
        self.learn_currency(settings.policy.currency);
        Ok(settings)
    }

    /// Writes a group's document whole, made for these settings of the store; as [`Store::put_settings`] does the store's:
    /// they have one version.
    ///
    /// # Errors
    /// As [`Store::put_settings`], and what refuses the document.
    pub async fn put_group<E: From<Error> + From<Refusal>>(
        &self,
        id: &GroupId,
        edit: Edit<'_>,
        document: impl Fn(&Policy) -> Result<Group, Refusal>,
    ) -> Result<(Settings, Group), E> {
        let group = document(&self.settings().await?.policy)?;
        let encoded = encode(&group)?;
        let settings = self
            .edit_settings(edit, |settings| {
                let before = settings.group(id)?.unwrap_or_default();
                settings.groups.insert(id.to_string(), encoded.clone());
                if settings.groups.len() > MAX_GROUPS {
                    return Err(Error::TooLarge(format!("a store can have at most {MAX_GROUPS} groups")));
                }
                Ok((Some(id.clone()), differences(&before.rules()?, &group.rules()?)))
            })
            .await?;
        Ok((settings, group))
    }

    async fn edit_settings(
        &self,
        edit: Edit<'_>,
        change: impl Fn(&mut Settings) -> Result<(Option<GroupId>, BTreeMap<String, Changed>), Error>,
    ) -> Result<Settings, Error> {
        for _ in 0..MAX_TRIES {
            let mut settings = self.settings().await?;
            let current = settings.version;
            edit.check(current)?;
            let (group, changes) = change(&mut settings)?;
            settings.version = current.saturating_add(1);
            let change = DocumentChange {
                version: settings.version,
                at: edit.at,
                actor: edit.actor.clone(),
                group,
                changes,
            };
            let key = Key::settings_change(settings.version);
            let reaches_back = settings.reaches_back_by(&change.changes)?;
            let beside = self.reach_back_from(&key, edit.at, reaches_back)?;
            if self.write_edit(encode_settings(&settings)?, current, key, &change, beside).await? {
                return Ok(settings);
            }
        }
        Err(Error::Conflict)
    }

    /// Writes a customer's document whole, and the line that tells what changed in its rules. Where these say so, credit that
    /// has no date gets the one that it would have had.
    ///
    /// # Errors
    /// As [`Store::put_settings`]; [`Error::GroupNotFound`].
    pub async fn put_profile(
        &self,
        customer: &CustomerId,
        profile: &Profile,
        edit: Edit<'_>,
    ) -> Result<Profile, Error> {
        let own_days = profile.policy.remind_days.as_ref().and_then(RemindDays::longest);
        for _ in 0..MAX_TRIES {
            let (before, settings) = tokio::try_join!(self.profile(customer), self.settings())?;
            let before = before.unwrap_or_default();
            edit.check(before.version)?;
            if let Some(group) = &profile.group
                && settings.group(group)?.is_none()
            {
                return Err(Error::GroupNotFound);
            }
            let profile = Profile { version: before.version.saturating_add(1), ..profile.clone() };
            let changes = differences(&before.rules()?, &profile.rules()?);
            let change = DocumentChange {
                version: profile.version,
                at: edit.at,
                actor: edit.actor.clone(),
                group: None,
                changes,
            };
            let key = Key::profile_change(customer, profile.version);
            let item = encode_profile(customer, &profile)?;
            let beside = self.own_reminders(own_days).await?;
            if self.write_edit(item, before.version, key, &change, beside).await? {
                let reaches_back = settings.levels(Some(&profile))?.policy().apply_to_existing;
                let record = if reaches_back { self.customer(customer).await? } else { None };
                // Some accounts are done at once; whatever fails here is done by writing the same again.
                for account in record.into_iter().flat_map(|record| record.accounts) {
                    self.reach_back(customer, account.currency, edit.at).await?;
                }
                return Ok(profile);
            }
        }
        Err(Error::Conflict)
    }

    /// A customer's document, if there is one.
    ///
    /// # Errors
    /// When the database does not answer or the document cannot be read.
    pub async fn profile(&self, customer: &CustomerId) -> Result<Option<Profile>, Error> {
        self.get(Key::profile(customer)).await?.map(|item| decode_profile(&item)).transpose()
    }

    /// Writes a document over this version of it, its change, and what goes beside, in one transaction; false when it is
    /// not that version.
    pub(crate) async fn write_edit(
        &self,
        item: Item,
        current: u64,
        key: Key,
        change: &DocumentChange,
        beside: Vec<TransactWriteItem>,
    ) -> Result<bool, Error> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item));
        let put = if current == 0 {
            // Documents of before there were versions have none.
            put.condition_expression("attribute_not_exists(version)")
        } else {
            put.condition_expression("version = :version")
                .expression_attribute_values(":version", AttributeValue::N(current.to_string()))
        };
        let line = Put::builder().table_name(&self.table).set_item(Some(encode_document(&key, change)?));
        let mut items = vec![transact(put)?, transact(line)?];
        items.extend(beside);
        self.write_documents(items).await
    }

    /// What was changed in the settings, the groups' among them; the last change first.
    ///
    /// # Errors
    /// When the database does not answer or a change cannot be read.
    pub async fn settings_changes(
        &self,
        cursor: Option<ChangesCursor>,
        limit: usize,
    ) -> Result<Page<DocumentChange, ChangesCursor>, Error> {
        self.changes(Key::settings_change, cursor, limit).await
    }

    /// What was changed in a customer's rules; the last change first.
    ///
    /// # Errors
    /// As [`Store::settings_changes`].
    pub async fn profile_changes(
        &self,
        customer: &CustomerId,
        cursor: Option<ChangesCursor>,
        limit: usize,
    ) -> Result<Page<DocumentChange, ChangesCursor>, Error> {
        self.changes(|version| Key::profile_change(customer, version), cursor, limit).await
    }

    pub(crate) async fn changes(
        &self,
        key: impl Fn(u64) -> Key,
        cursor: Option<ChangesCursor>,
        limit: usize,
    ) -> Result<Page<DocumentChange, ChangesCursor>, Error> {
        let below = cursor.map_or(u64::MAX, |cursor| cursor.version);
        if below <= 1 {
            return Ok(Page::default());
        }
        let (first, last) = (key(1), key(below.saturating_sub(1)));
        let query = self
            .query("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(first.pk))
            .expression_attribute_values(":first", AttributeValue::S(first.sk))
            .expression_attribute_values(":last", AttributeValue::S(last.sk))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        // One answer of the database, which ends at a megabyte: a change of all settings can be large.
        let answer = query.send().await.map_err(Error::from_sdk)?;
        let drained = answer.last_evaluated_key.is_none();
        let data = answer
            .items
            .unwrap_or_default()
            .iter()
            .map(decode_document)
            .collect::<Result<Vec<DocumentChange>, _>>()?;
        let next = data.last().filter(|last| !drained && last.version > 1);
        let next = next.map(|last| ChangesCursor { version: last.version });
        Ok(Page { data, next })
    }

    /// Puts a document in the place of what it was before, if there was any, on condition that it still is.
    pub(crate) fn replace_document<T: Serialize>(
        &self,
        key: &Key,
        next: &T,
        before: Option<&T>,
    ) -> Result<TransactWriteItem, Error> {
        let before = before.map(encode).transpose()?.map(AttributeValue::S);
        self.put_over(encode_document(key, next)?, "doc", before.as_ref())
    }

    pub(crate) async fn get(&self, key: Key) -> Result<Option<Item>, Error> {
        let get =
            self.client.get_item().table_name(&self.table).set_key(Some(key.to_item())).consistent_read(true);
        Ok(get.send().await.map_err(Error::from_sdk)?.item)
    }
}

impl Edit<'_> {
    pub(crate) fn check(&self, current: u64) -> Result<(), Error> {
        match self.expected {
            Some(expected) if expected != current => Err(Error::VersionMismatch { current }),
            _ => Ok(()),
        }
    }
}

impl Settings {
    /// A group's document; `None` if there is no such group.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn group(&self, id: &GroupId) -> Result<Option<Group>, Error> {
        self.groups.get(id.as_str()).map(|document| read_group(id.as_str(), document)).transpose()
    }

    /// The rules for a member of this group who has none of its own; `None` if there is no such group.
    ///
    /// # Errors
    /// When the group cannot be read.
    pub fn group_policy(&self, id: &GroupId) -> Result<Option<Policy>, Error> {
        Ok(self.group(id)?.map(|group| group.policy.over(self.policy.clone())))
    }

    /// Every group by its id.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn groups(&self) -> Result<Vec<(&str, Group)>, Error> {
        self.groups.iter().map(|(id, document)| Ok((id.as_str(), read_group(id, document)?))).collect()
    }

    /// Whether lots of before have to be looked at after these changes: some of them may get a date where an expiry reaches
    /// back, for everybody or for a group.
    pub(crate) fn reaches_back_by(&self, changes: &BTreeMap<String, Changed>) -> Result<bool, Error> {
        let of_expiry = ["expiry_days", "apply_to_existing"].iter().any(|name| changes.contains_key(*name));
        let flagged = self.groups()?.iter().any(|(_, group)| group.policy.apply_to_existing == Some(true));
        Ok(of_expiry && (flagged || self.policy.apply_to_existing))
    }

    /// The rules for a customer of this document, level by level.
    ///
    /// # Errors
    /// When the group's document cannot be read.
    pub fn levels(&self, profile: Option<&Profile>) -> Result<Levels, Error> {
        let group = profile.and_then(|profile| profile.group.as_ref());
        let group = group.map(|group| self.group(group)).transpose()?.flatten().unwrap_or_default();
        Ok(Levels {
            store: self.policy.clone(),
            group: group.policy,
            customer: profile.map(|profile| profile.policy.clone()).unwrap_or_default(),
            frozen: profile.is_some_and(|profile| profile.frozen),
        })
    }
}

impl Group {
    /// What of it decides on money, by name.
    pub(crate) fn rules(&self) -> Result<Value, Error> {
        let mut rules = json(&self.policy)?;
        if let (Some(rules), Some(terms)) = (rules.as_object_mut(), &self.joining_grant) {
            rules.insert("joining_grant".to_owned(), json(terms)?);
        }
        Ok(rules)
    }
}

impl Profile {
    /// What of it decides on money, by name: what its changes tell. Who somebody is stays out of them, so that there is
    /// nothing in them to erase.
    pub(crate) fn rules(&self) -> Result<Value, Error> {
        let mut rules = json(&self.policy)?;
        if let Some(rules) = rules.as_object_mut() {
            rules.insert("frozen".to_owned(), Value::Bool(self.frozen));
            if let Some(group) = &self.group {
                rules.insert("group".to_owned(), Value::String(group.to_string()));
            }
        }
        Ok(rules)
    }
}

/// What differs between two documents, member by member.
pub(crate) fn differences(old: &Value, new: &Value) -> BTreeMap<String, Changed> {
    let names = [old, new].into_iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    names
        .filter(|name| old.get(name) != new.get(name))
        .map(|name| (name.clone(), Changed { old: old.get(name).cloned(), new: new.get(name).cloned() }))
        .collect()
}

fn json(document: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(document).map_err(|error| Error::Refused(error.to_string()))
}

fn encode(document: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(document).map_err(|error| Error::Refused(error.to_string()))
}

fn read_group(id: &str, document: &str) -> Result<Group, Error> {
    serde_json::from_str(document)
        .map_err(|error| Error::Corrupt { item: format!("group {id}"), reason: error.to_string() })
}

pub(crate) fn encode_settings(settings: &Settings) -> Result<Item, Error> {
    let document = encode(&settings.policy)?;
    let groups = &settings.groups;
    let size = groups
        .iter()
        .fold(document.len(), |size, (id, group)| size.saturating_add(id.len()).saturating_add(group.len()));
    if size > MAX_SETTINGS {
        return Err(Error::TooLarge(format!(
            "settings and groups can have at most {MAX_SETTINGS} bytes together"
        )));
    }
    let mut item = Key::settings().to_item();
    item.extend([number("v", 1_u8), number("version", settings.version), text("doc", &document)]);
    if !groups.is_empty() {
        let groups: HashMap<_, _> =
            groups.iter().map(|(id, group)| (id.clone(), AttributeValue::S(group.clone()))).collect();
        item.insert("groups".to_owned(), AttributeValue::M(groups));
    }
    Ok(item)
}

pub(crate) fn decode_settings(item: Option<&Item>) -> Result<Settings, Error> {
    let Some(item) = item else {
        return Ok(Settings::default());
    };
    let fields = Fields(item);
    fields.expect_format()?;
    let policy =
        serde_json::from_str(fields.text("doc")?).map_err(|error| fields.corrupt(&error.to_string()))?;
    let group = |(id, document): (&String, &AttributeValue)| match document {
        AttributeValue::S(document) => Ok((id.clone(), document.clone())),
        _ => Err(fields.corrupt("a group is no text")),
    };
    let groups = match item.get("groups") {
        None => BTreeMap::new(),
        Some(AttributeValue::M(groups)) => groups.iter().map(group).collect::<Result<_, _>>()?,
        Some(_) => return Err(fields.corrupt("groups is no map")),
    };
    Ok(Settings { policy, version: fields.number("version")?, groups })
}

pub(crate) fn encode_profile(customer: &CustomerId, profile: &Profile) -> Result<Item, Error> {
    let mut item = Key::profile(customer).to_item();
    item.extend([number("v", 1_u8), number("version", profile.version)]);
    item.extend(profile.email.as_ref().map(|email| text("email", email.as_str())));
    item.extend(profile.language.as_ref().map(|language| text("language", language.as_str())));
    if profile.policy != Overrides::default() {
        item.extend([text("policy", &encode(&profile.policy)?)]);
    }
    if profile.frozen {
        item.extend([("frozen".to_owned(), AttributeValue::Bool(true))]);
    }
    item.extend(profile.name.as_ref().map(|name| text("name", name.as_str())));
    if let Some(group) = &profile.group {
        item.extend([
            text("group", group.as_str()),
            text("wq", &group_partition(group)),
            text("wk", customer.as_str()),
        ]);
    }
    Ok(item)
}

pub(crate) fn decode_profile(item: &Item) -> Result<Profile, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    let policy = match item.contains_key("policy") {
        false => Overrides::default(),
        true => serde_json::from_str(fields.text("policy")?)
            .map_err(|error| fields.corrupt(&error.to_string()))?,
    };
    Ok(Profile {
        name: fields.optional("name")?,
        email: fields.optional("email")?,
        language: fields.optional("language")?,
        group: fields.optional("group")?,
        policy,
        frozen: item.get("frozen") == Some(&AttributeValue::Bool(true)),
        // Documents of before there were versions have none.
        version: if item.contains_key("version") { fields.number("version")? } else { 0 },
    })
}

/// An item that is one document, and nothing else.
pub(crate) fn encode_document(key: &Key, document: &impl Serialize) -> Result<Item, Error> {
    let mut item = key.to_item();
    item.extend([number("v", 1_u8), text("doc", &encode(document)?)]);
    Ok(item)
}

pub(crate) fn decode_document<T: DeserializeOwned>(item: &Item) -> Result<T, Error> {
    let fields = Fields(item);
    fields.expect_format()?;
    serde_json::from_str(fields.text("doc")?).map_err(|error| fields.corrupt(&error.to_string()))
}

/// A value that is there, null among them.
mod given {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;

    pub(super) fn serialize<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
        Value::deserialize(deserializer).map(Some)
    }
}
