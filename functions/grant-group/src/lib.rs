//! Credits every member of a group, page by page, and whoever joins a group that has a joining grant. It follows the table's
//! stream: asking for a grant is a record, and so is each step of it.

use std::{collections::BTreeMap, time::Duration};

use edge::{Batch, Problem, StreamRecord};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use ledger::{Actor, CustomerId, GroupId, Refusal, Role};
use store::{
    ChangedItem, Command, CommandKey, Fingerprint, GrantFailure, GrantTerms, GroupGrant, GroupGrantId, Store,
};

/// Members that are credited at the same time.
const CONCURRENCY: usize = 32;
/// Members of one step: as many as one transaction can note as refused, beside the job itself.
const PAGE: usize = 99;

/// Why a member was not credited.
enum Failure {
    /// It may work when it is tried again.
    Passing(store::Error),
    /// It never will.
    Final(Problem),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Final(Problem::from(refusal))
    }
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        use store::Error::{Conflict, Throttled, Unavailable};
        match error {
            Conflict | Throttled(_) | Unavailable(_) => Self::Passing(error),
            error => Self::Final(Problem::from(error)),
        }
    }
}

/// Carries on the grants that these records are about, credits who joined, and answers the records that failed.
pub async fn grant_group(store: Store, batch: Batch) -> Vec<StreamRecord> {
    let Batch { records, at, time_left } = batch;
    let mut failed = Vec::new();
    let mut grants: BTreeMap<String, (GroupGrantId, StreamRecord)> = BTreeMap::new();
    for record in records {
        match &record.changed {
            // Many steps of one grant come together, and are one errand; if it fails, the last of them comes again.
            ChangedItem::GroupGrant(id) => drop(grants.insert(id.to_string(), (id.clone(), record))),
            ChangedItem::Profile { customer, joined: Some(group) } => {
                if let Err(problem) = welcome(&store, customer, group, at).await {
                    tracing::error!(code = problem.code(), detail = problem.detail(), %customer, %group, "the joining grant failed");
                    failed.push(record);
                }
            }
            _ => {}
        }
    }
    for (id, record) in grants.into_values() {
        let mut steps = 0_u64;
        match within(time_left, carry_on(&store, &id, at, &mut steps)).await {
            Some(Ok(())) => {}
            Some(Err(error)) => {
                tracing::error!(%error, %id, "a grant to a group failed; it goes on from its last step");
                failed.push(record);
            }
            // The time ran out. Each step that was noted is a record of its own, with which it goes on.
            None if steps > 0 => {}
            None => failed.push(record),
        }
    }
    failed
}

async fn within<T>(time: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(time, work).await.ok()
}

/// Credits members, page by page, until all are done or somebody else carries it on.
async fn carry_on(
    store: &Store,
    id: &GroupGrantId,
    at: Timestamp,
    steps: &mut u64,
) -> Result<(), store::Error> {
    let mut job = store.group_grant(id).await?;
    while let Some(now) = job.take().filter(|job| job.finished_at.is_none()) {
        let members = store.group_grant_next(&now, PAGE).await?;
        let refused: Vec<Option<GrantFailure>> = stream::iter(members.clone())
            .map(|customer| credit(store.clone(), now.clone(), customer, at))
            .buffer_unordered(CONCURRENCY)
            .try_collect()
            .await?;
        let failures: Vec<GrantFailure> = refused.into_iter().flatten().collect();
        job = store.group_grant_done(&now, &members, &failures, at).await?;
        *steps = steps.saturating_add(1);
    }
    Ok(())
}

/// Credits one member, and tells why it cannot be.
async fn credit(
    store: Store,
    job: GroupGrant,
    customer: CustomerId,
    at: Timestamp,
) -> Result<Option<GrantFailure>, store::Error> {
    let key = CommandKey::GroupGrant(&job.id);
    match grant(&store, &customer, &job.terms, key, job.fingerprint, &job.requested_by, at).await {
        Ok(()) => Ok(None),
        Err(Failure::Passing(error)) => Err(error),
        Err(Failure::Final(problem)) => {
            let (code, detail) = (problem.code().to_owned(), problem.detail().to_owned());
            Ok(Some(GrantFailure { customer, code, detail }))
        }
    }
}

/// Credits who joined a group with what it has for them, once for each customer and group.
async fn welcome(
    store: &Store,
    customer: &CustomerId,
    group: &GroupId,
    at: Timestamp,
) -> Result<(), Problem> {
    let group_of = store.settings().await?.group(group)?;
    let Some(terms) = group_of.and_then(|group| group.joining_grant) else {
        return Ok(());
    };
    let key = CommandKey::Joining(group);
    match grant(store, customer, &terms, key, Fingerprint::NONE, &Actor::joining(), at).await {
        Ok(()) => Ok(()),
        Err(Failure::Passing(error)) => Err(error.into()),
        Err(Failure::Final(problem)) => Err(problem),
    }
}

async fn grant(
    store: &Store,
    customer: &CustomerId,
    terms: &GrantTerms,
    key: CommandKey<'_>,
    fingerprint: Fingerprint,
    actor: &Actor,
    at: Timestamp,
) -> Result<(), Failure> {
    let command = Command { customer, currency: Some(terms.currency), key, fingerprint, actor, at };
    let rule = |account: &_, policy: &_, at| ledger::grant(account, policy, &terms.grant, Role::Admin, at);
    store.commit::<Failure>(&command, rule).await.map(drop)
}
