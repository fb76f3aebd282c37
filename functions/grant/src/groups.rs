//! Credit for every member of a group: asked for here, given by the function `grant-group`.

use edge::{Call, GrantBody, PageQuery, Problem, Reply};
use jiff::Timestamp;
use ledger::{Actor, GroupId};
use serde::Serialize;
use store::{FailuresCursor, GrantFailure, GrantTerms, GroupCommand, GroupGrant, GroupGrantId, Store};

#[derive(Serialize)]
struct Answer {
    job: JobView,
}

/// The job and the members that it could not credit, page by page.
#[derive(Serialize)]
struct Progress {
    job: JobView,
    failures: Vec<GrantFailure>,
    next_cursor: Option<String>,
}

#[derive(Serialize)]
struct JobView {
    id: GroupGrantId,
    group: GroupId,
    status: &'static str,
    credited: u64,
    failed: u64,
    grant: GrantTerms,
    requested_by: Actor,
    requested_at: Timestamp,
    finished_at: Option<Timestamp>,
}

impl From<GroupGrant> for JobView {
    fn from(job: GroupGrant) -> Self {
        let GroupGrant {
            id, group, terms, requested_by, requested_at, finished_at, credited, failed, ..
        } = job;
        let status = if finished_at.is_some() { "done" } else { "running" };
        Self { id, group, status, credited, failed, grant: terms, requested_by, requested_at, finished_at }
    }
}

pub(crate) async fn grant(store: Store, call: Call) -> Result<Reply, Problem> {
    let group: GroupId = call.path("group")?;
    let key = call.key()?;
    let (currency, grant) = call.body::<GrantBody>()?.read()?;

    let (actor, at) = (call.actor(), call.at);
    let command = GroupCommand { group: &group, key: &key, fingerprint: call.fingerprint()?, actor, at };
    let (job, replayed) = store
        .grant_to_group::<Problem>(&command, currency, &grant, |policy, currency| {
            ledger::check_grant(&grant, policy, currency, at).map(drop)
        })
        .await?;

    Ok(Reply::accepted(&Answer { job: JobView::from(job.as_requested()) })?.replayed(replayed))
}

pub(crate) async fn read(store: Store, call: Call) -> Result<Reply, Problem> {
    let id: String = call.path("job")?;
    let PageQuery { limit, cursor } = call.query()?;
    let cursor: Option<FailuresCursor> = Call::cursor(cursor.as_deref())?;
    let id: GroupGrantId = id.parse().map_err(|_| Problem::group_grant_not_found())?;

    let job = store.group_grant(&id).await?.ok_or_else(Problem::group_grant_not_found)?;
    let page = store.grant_failures(&id, cursor, limit.get()).await?;

    let next_cursor = page.next.as_ref().map(Reply::cursor).transpose()?;
    Reply::ok(&Progress { job: JobView::from(job), failures: page.data, next_cursor })
}
