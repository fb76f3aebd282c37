//! Credits every member of a group, noting page by page how far it is, and whoever joins a group that has a joining grant.
//! It follows the table's stream: asking for a grant is a record, and so is each step of it.

use std::{collections::BTreeMap, pin::pin};

use edge::{Batch, Problem, StreamRecord};
use futures::{TryStreamExt, stream::TryChunksError};
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
        if error.is_passing() { Self::Passing(error) } else { Self::Final(Problem::from(error)) }
    }
}

/// What a record asks for.
enum Errand {
    /// To carry on this grant.
    Grant(GroupGrantId),
    /// To welcome who joined this group.
    Welcome(CustomerId, GroupId),
}

/// Carries on the grants that these records are about, credits who joined, and answers the records that failed.
pub async fn grant_group(store: Store, batch: Batch) -> Vec<StreamRecord> {
    let Batch { records, at, time_left } = batch;
    let errands = errands(records);
    let (mut failed, mut begun, mut steps) = (Vec::new(), 0_usize, 0_u64);
    let work = async {
        for (errand, record) in &errands {
            begun = begun.saturating_add(1);
            steps = 0;
            let done = match errand {
                Errand::Grant(id) => Box::pin(carry_on(&store, id, at, &mut steps)).await,
                Errand::Welcome(customer, group) => Box::pin(welcome(&store, customer, group, at)).await,
            };
            if let Err(error) = done {
                tracing::error!(%error, place = record.sequence_number, "failed; the record comes again");
                failed.push(record.clone());
            }
        }
    };
    if tokio::time::timeout(time_left, work).await.is_err() {
        // Each step of a grant that was noted is a record of its own, with which it goes on.
        let goes_on = steps > 0;
        let left = errands.into_iter().skip(begun.saturating_sub(usize::from(!goes_on)));
        failed.extend(left.map(|(_, record)| record));
    }
    failed
}

/// What these records ask for. Many steps of one grant come together, and are one errand, of the last of them.
fn errands(records: Vec<StreamRecord>) -> Vec<(Errand, StreamRecord)> {
    let mut grants = BTreeMap::new();
    let mut errands = Vec::new();
    for record in records {
        match record.changed.clone() {
            ChangedItem::GroupGrant(id) => drop(grants.insert(id.to_string(), (Errand::Grant(id), record))),
            ChangedItem::Profile { customer, joined: Some(group) } => {
                errands.push((Errand::Welcome(customer, group), record));
            }
            _ => {}
        }
    }
    errands.extend(grants.into_values());
    errands
}

/// Credits members until all are done or somebody else carries it on. A page is noted while members of the next are
/// credited, so that nobody waits for the end of a page.
async fn carry_on(
    store: &Store,
    id: &GroupGrantId,
    at: Timestamp,
    steps: &mut u64,
) -> Result<(), store::Error> {
    let Some(asked) = store.group_grant(id).await?.filter(|job| job.finished_at.is_none()) else {
        return Ok(());
    };
    // In the members' order: whoever comes before the last of a page was handled.
    let handled = store
        .group_grant_members(&asked)
        .map_ok(|customer| credit(store, &asked, customer, at))
        .try_buffered(CONCURRENCY)
        .try_chunks(PAGE)
        .map_err(|TryChunksError(_, error)| error);
    let mut pages = pin!(handled);
    let mut job = asked.clone();
    let mut page = pages.try_next().await?;
    while job.finished_at.is_none() {
        let (members, refused): (Vec<_>, Vec<_>) = page.unwrap_or_default().into_iter().unzip();
        let failures: Vec<GrantFailure> = refused.into_iter().flatten().collect();
        // Only the last page is not full.
        let finished_at = (members.len() < PAGE).then_some(at);
        let noting = store.group_grant_done(&job, &members, &failures, finished_at);
        let (noted, next) = tokio::join!(noting, pages.try_next());
        let Some(noted) = noted? else { return Ok(()) };
        *steps = steps.saturating_add(1);
        (job, page) = (noted, next?);
    }
    Ok(())
}

/// Credits one member, and tells why it cannot be.
async fn credit(
    store: &Store,
    job: &GroupGrant,
    customer: CustomerId,
    at: Timestamp,
) -> Result<(CustomerId, Option<GrantFailure>), store::Error> {
    let key = CommandKey::GroupGrant(&job.id);
    let refused = match grant(store, &customer, &job.terms, key, job.fingerprint, &job.requested_by, at).await
    {
        Ok(()) => None,
        Err(Failure::Passing(error)) => return Err(error),
        Err(Failure::Final(problem)) => {
            let (code, detail) = (problem.code().to_owned(), problem.detail().to_owned());
            Some(GrantFailure { customer: customer.clone(), code, detail })
        }
    };
    Ok((customer, refused))
}

/// Credits who joined a group with what it has for them, once for each customer and group. A refusal is no failure: it would
/// be refused again, and hold up what comes after. The log tells of it, and an alarm of that line.
async fn welcome(
    store: &Store,
    customer: &CustomerId,
    group: &GroupId,
    at: Timestamp,
) -> Result<(), store::Error> {
    let group_of = store.settings().await?.group(group)?;
    let Some(terms) = group_of.and_then(|group| group.joining_grant) else {
        return Ok(());
    };
    let key = CommandKey::Joining(group);
    match grant(store, customer, &terms, key, Fingerprint::NONE, &Actor::joining(), at).await {
        Ok(()) => Ok(()),
        Err(Failure::Passing(error)) => Err(error),
        Err(Failure::Final(problem)) => {
            tracing::error!(code = problem.code(), detail = problem.detail(), %customer, %group, "the joining grant was refused");
            Ok(())
        }
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
