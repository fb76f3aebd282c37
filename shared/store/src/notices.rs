//! Who is told of what: the store's documents for it, and what was told already.
//!
//! What stands in a document is the affair of those who read it; here it has a version, and lines that tell who changed what.

use aws_sdk_dynamodb::{
    operation::put_item::PutItemError,
    types::{AttributeValue, ReturnValuesOnConditionCheckFailure},
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    ChangesCursor, DocumentChange, Edit, Error, Page, Store,
    documents::{MAX_SETTINGS, MAX_TRIES, decode_document, differences, encode_document},
    items::{Fields, Key, number},
};

/// A document of the store's beside its settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notices {
    /// How customers and admins are written to.
    Mail,
    /// Where events are sent to.
    Webhooks,
}

/// A document, and how often it was written; version 0 is the default, before anybody wrote any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versioned<T> {
    /// The document.
    pub document: T,
    /// How often it was written.
    pub version: u64,
}

/// Whether somebody may be told of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// By us, and until the claim ends by nobody else.
    Ours,
    /// By somebody else, just now.
    Theirs,
    /// No more: they were told.
    Done,
}

impl Store {
    /// One of the store's documents, the default if there is none.
    ///
    /// # Errors
    /// When the database does not answer or the document cannot be read.
    pub async fn notices<T: Default + DeserializeOwned>(
        &self,
        which: Notices,
    ) -> Result<Versioned<T>, Error> {
        let Some(item) = self.get(Key::notices(which)).await? else {
            return Ok(Versioned::default());
        };
        Ok(Versioned { document: decode_document(&item)?, version: Fields(&item).number("version")? })
    }

    /// Writes one of the store's documents, and the line that tells what changed of what may be shown of it; with an expected
    /// version, only over that.
    ///
    /// # Errors
    /// What refuses the change; [`Error::VersionMismatch`]; [`Error::Conflict`] when others kept writing; [`Error::TooLarge`].
    pub async fn put_notices<T, E>(
        &self,
        which: Notices,
        edit: Edit<'_>,
        change: impl Fn(T) -> Result<T, E>,
        shown: impl Fn(&T) -> Value,
    ) -> Result<Versioned<T>, E>
    where
        T: Clone + Default + Serialize + DeserializeOwned,
        E: From<Error>,
    {
        for _ in 0..MAX_TRIES {
            let before = self.notices::<T>(which).await?;
            edit.check(before.version)?;
            let document = change(before.document.clone())?;
            let version = before.version.saturating_add(1);
            let line = DocumentChange {
                version,
                at: edit.at,
                actor: edit.actor.clone(),
                group: None,
                changes: differences(&shown(&before.document), &shown(&document)),
            };
            let mut item = encode_document(&Key::notices(which), &document)?;
            item.extend([number("version", version)]);
            if item.get("doc").and_then(|doc| doc.as_s().ok()).is_some_and(|doc| doc.len() > MAX_SETTINGS) {
                return Err(
                    Error::TooLarge(format!("the document can have at most {MAX_SETTINGS} bytes")).into()
                );
            }
            let key = Key::notices_change(which, version);
            if self.write_edit(item, before.version, key, &line, Vec::new()).await? {
                return Ok(Versioned { document, version });
            }
        }
        Err(Error::Conflict.into())
    }

    /// What was changed in one of the store's documents; the last change first.
    ///
    /// # Errors
    /// As [`Store::settings_changes`].
    pub async fn notices_changes(
        &self,
        which: Notices,
        cursor: Option<ChangesCursor>,
        limit: usize,
    ) -> Result<Page<DocumentChange, ChangesCursor>, Error> {
        self.changes(|version| Key::notices_change(which, version), cursor, limit).await
    }

    /// Claims the telling of an event to somebody, until this moment; a claim that ended can be claimed again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_telling(
        &self,
        event: &str,
        who: &str,
        (at, until): (Timestamp, Timestamp),
    ) -> Result<Telling, Error> {
        let mut item = Key::told(event, who).to_item();
        item.extend([number("v", 1_u8), number("until", until.as_millisecond())]);
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(
                "attribute_not_exists(pk) OR (attribute_not_exists(told) AND #until <= :at)",
            )
            .expression_attribute_names("#until", "until")
            .expression_attribute_values(":at", AttributeValue::N(at.as_millisecond().to_string()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(Telling::Ours),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                let told = failed.item().is_some_and(|item| item.contains_key("told"));
                Ok(if told { Telling::Done } else { Telling::Theirs })
            }
            _ => Err(Error::from_sdk(error)),
        }
    }

    /// Notes that somebody was told of an event at this moment, or, without one, that they could not be: then the claim ends.
    ///
    /// A write outside a transaction, at half its price: if its answer is lost, it is only written again.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn end_telling(&self, event: &str, who: &str, told: Option<Timestamp>) -> Result<(), Error> {
        let mut item = Key::told(event, who).to_item();
        item.extend([number("v", 1_u8), number("until", 0_u8)]);
        item.extend(told.map(|at| number("told", at.as_millisecond())));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(Error::from_sdk)
    }
}
