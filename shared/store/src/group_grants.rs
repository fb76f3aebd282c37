//! Grants to whole groups: one job for each, which is carried on page by page until every member was credited or refused.
//!
//! Where the job stands is written after every page, together with the members that could not be credited, on condition
//! that nobody else carried it on. Each member is credited under a key of the job's own, so that a page that is repeated
//! credits nobody twice. Its item is its own queue: every step of it is a record of the table's stream.

use std::{fmt, str::FromStr};

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use futures::{Stream, TryStreamExt, stream};
use jiff::Timestamp;
use ledger::{Actor, Currency, CustomerId, Grant, GroupId, IdempotencyKey, Policy, Refusal};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    Error, GrantTerms, Page, Store,
    documents::{decode_document, encode_document},
    items::{FAILURES, Fields, Fingerprint, Key, KeyDigest, WORK, group_partition},
    transaction::transact,
};

/// Characters of a [`GroupGrantId`]: 128 bits in base64url.
const ID: usize = 22;
/// Tries to ask for a grant against somebody who asks under the same key at the same moment.
const MAX_TRIES: u32 = 3;
/// Members that one read of the index answers.
const READ: usize = 500;

/// One grant to a group, as clients name it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupGrantId(String);

/// A text is no [`GroupGrantId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be the id that the grant to the group was answered with")]
pub struct InvalidGroupGrantId;

impl GroupGrantId {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for GroupGrantId {
    type Err = InvalidGroupGrantId;

    fn from_str(text: &str) -> Result<Self, InvalidGroupGrantId> {
        let admitted = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        if text.len() == ID && text.bytes().all(admitted) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidGroupGrantId)
        }
    }
}

impl fmt::Display for GroupGrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for GroupGrantId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for GroupGrantId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Who wants what granted to whom, under which key.
#[derive(Clone, Copy, Debug)]
pub struct GroupCommand<'a> {
    /// Whose members.
    pub group: &'a GroupId,
    /// The key that makes a retry safe; it counts within the group.
    pub key: &'a IdempotencyKey,
    /// What the key stands for: a digest of the request.
    pub fingerprint: Fingerprint,
    /// Who.
    pub actor: &'a Actor,
    /// When.
    pub at: Timestamp,
}

/// A grant to a group, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupGrant {
    /// Its id.
    pub id: GroupGrantId,
    /// Whose members.
    pub group: GroupId,
    /// What each of them is granted.
    pub terms: GrantTerms,
    /// Who asked.
    pub requested_by: Actor,
    /// When.
    pub requested_at: Timestamp,
    /// When the last member was done.
    pub finished_at: Option<Timestamp>,
    /// Members that were credited.
    pub credited: u64,
    /// Members that could not be.
    pub failed: u64,
    /// What it was asked for with.
    pub fingerprint: Fingerprint,
    /// How often it was carried on.
    step: u64,
    /// The last member that is done.
    after: Option<CustomerId>,
}

/// A member that a grant to its group could not credit, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantFailure {
    /// Who.
    pub customer: CustomerId,
    /// The problem's code.
    pub code: String,
    /// What it says.
    pub detail: String,
}

/// The last failure on the page before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailuresCursor {
    failed: CustomerId,
}

impl GroupGrant {
    /// The grant as it was answered to whoever asked, however far it is since.
    #[must_use]
    pub fn as_requested(self) -> Self {
        Self { finished_at: None, credited: 0, failed: 0, ..self }
    }
}

impl Store {
    /// Takes a grant to a group, in the store's currency unless it names one; or finds what was asked for under the key, and
    /// tells so.
    ///
    /// # Errors
    /// [`Error::GroupNotFound`], [`Error::IdempotencyMismatch`], what the check refuses; when the database does not answer.
    pub async fn grant_to_group<E: From<Error> + From<Refusal>>(
        &self,
        command: &GroupCommand<'_>,
        currency: Option<Currency>,
        grant: &Grant,
        check: impl Fn(&Policy, Currency) -> Result<(), Refusal>,
    ) -> Result<(GroupGrant, bool), E> {
        let GroupCommand { group, key, fingerprint, actor, at } = *command;
        let id = GroupGrantId(KeyDigest::of_group_grant(group, key).as_str().to_owned());
        for _ in 0..MAX_TRIES {
            match self.group_grant(&id).await? {
                Some(job) if job.fingerprint == fingerprint => {
                    self.wake(&job).await?;
                    return Ok((job, true));
                }
                Some(_) => return Err(Error::IdempotencyMismatch.into()),
                None => {}
            }
            let policy = self.settings().await?.group_policy(group)?.ok_or(Error::GroupNotFound)?;
            let currency = currency.unwrap_or(policy.currency);
            check(&policy, currency)?;
            let job = GroupGrant {
                id: id.clone(),
                group: group.clone(),
                terms: GrantTerms { currency, grant: grant.clone() },
                requested_by: actor.clone(),
                requested_at: at,
                finished_at: None,
                credited: 0,
                failed: 0,
                fingerprint,
                step: 0,
                after: None,
            };
            let put = self.replace_document(&Key::group_grant(&id), &job, None)?;
            if self.write_documents(vec![put]).await? {
                return Ok((job, false));
            }
        }
        Err(Error::Conflict.into())
    }

    /// Makes a record of a grant that is not done, so that it goes on if it was given up.
    async fn wake(&self, job: &GroupGrant) -> Result<(), Error> {
        if job.finished_at.is_some() {
            return Ok(());
        }
        let next = GroupGrant { step: job.step.saturating_add(1), ..job.clone() };
        // If it does not stand as it was read, it is being carried on.
        let put = self.replace_document(&Key::group_grant(&job.id), &next, Some(job))?;
        self.write_documents(vec![put]).await.map(drop)
    }

    /// The grant of this id, if there is one.
    ///
    /// # Errors
    /// When the database does not answer or the grant cannot be read.
    pub async fn group_grant(&self, id: &GroupGrantId) -> Result<Option<GroupGrant>, Error> {
        self.get(Key::group_grant(id)).await?.map(|item| decode_document(&item)).transpose()
    }

    /// The members that the grant has yet to credit, by id, read as they are asked for.
    ///
    /// Fails when the database does not answer.
    pub fn group_grant_members(&self, job: &GroupGrant) -> impl Stream<Item = Result<CustomerId, Error>> {
        let query = self
            .query("wq = :group AND wk > :after")
            .index_name(WORK)
            .expression_attribute_values(":group", AttributeValue::S(group_partition(&job.group)));
        let first = job.after.as_ref().map_or("\t", CustomerId::as_str).to_owned();
        stream::try_unfold(first, move |after| {
            let query = query.clone().expression_attribute_values(":after", AttributeValue::S(after));
            async move {
                let (items, _) = self.read_page(query, READ).await?;
                let ids = items.iter().map(|item| Fields(item).parse("wk"));
                let ids = ids.collect::<Result<Vec<CustomerId>, Error>>()?;
                let last = ids.last().map(|last| last.as_str().to_owned());
                Ok(last.map(|last| (stream::iter(ids.into_iter().map(Ok)), last)))
            }
        })
        .try_flatten()
    }

    /// Notes that these members, the next ones, are done, which of them could not be credited, and when all were if they
    /// are the last. Answers how far the grant is then; `None` when somebody else carries it on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn group_grant_done(
        &self,
        job: &GroupGrant,
        members: &[CustomerId],
        failures: &[GrantFailure],
        finished_at: Option<Timestamp>,
    ) -> Result<Option<GroupGrant>, Error> {
        let failed = u64::try_from(failures.len()).unwrap_or(u64::MAX);
        let done = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let mut next = job.clone();
        next.step = next.step.saturating_add(1);
        next.credited = next.credited.saturating_add(done.saturating_sub(failed));
        next.failed = next.failed.saturating_add(failed);
        next.after = members.last().cloned().or(next.after);
        next.finished_at = finished_at;
        let failure = |failure: &GrantFailure| -> Result<TransactWriteItem, Error> {
            let item = encode_document(&Key::grant_failure(&job.id, &failure.customer), failure)?;
            transact(Put::builder().table_name(&self.table).set_item(Some(item)))
        };
        let mut items = vec![self.replace_document(&Key::group_grant(&job.id), &next, Some(job))?];
        for failed in failures {
            items.push(failure(failed)?);
        }
        Ok(self.write_documents(items).await?.then_some(next))
    }

    /// The members that the grant could not credit, by id.
    ///
    /// # Errors
    /// When the database does not answer or a failure cannot be read.
    pub async fn grant_failures(
        &self,
        id: &GroupGrantId,
        cursor: Option<FailuresCursor>,
        limit: usize,
    ) -> Result<Page<GrantFailure, FailuresCursor>, Error> {
        let after =
            cursor.map_or_else(|| FAILURES.to_owned(), |cursor| format!("{FAILURES}{}", cursor.failed));
        let query = self
            .query("pk = :pk AND sk BETWEEN :after AND :end")
            .expression_attribute_values(":pk", AttributeValue::S(Key::group_grant(id).pk))
            .expression_attribute_values(":after", AttributeValue::S(after.clone()))
            .expression_attribute_values(":end", AttributeValue::S("F$".to_owned()))
            .consistent_read(true);
        // One for the last failure itself, which BETWEEN includes, and one to know whether there are more.
        let (items, _) = self.read_page(query, limit.saturating_add(2)).await?;
        let mut data = Vec::new();
        for item in items {
            if Fields(&item).text("sk")? != after {
                data.push(decode_document(&item)?);
            }
        }
        let more = data.len() > limit;
        data.truncate(limit);
        let next = data
            .last()
            .filter(|_| more)
            .map(|last: &GrantFailure| FailuresCursor { failed: last.customer.clone() });
        Ok(Page { data, next })
    }
}
