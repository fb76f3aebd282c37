//! Groups of customers: the settings that they have instead of the store's.

use edge::{Call, PolicyView, Problem, Reply};
use ledger::{GroupId, Levels, Object, Overrides};
use serde::{Deserialize, Serialize};
use store::{Group, Settings, Store};

use crate::{Nothing, PageQuery};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    policy: Option<Object<Overrides>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    group: &'a str,
    policy: Overrides,
    /// The rules for its members, each with the level that says so.
    effective: PolicyView,
    version: u64,
}

#[derive(Serialize)]
struct Listed {
    group: String,
    policy: Overrides,
}

pub(crate) async fn list(store: Store, call: Call) -> Result<Reply, Problem> {
    let PageQuery { limit, cursor } = call.query()?;
    let after: Option<String> = Call::cursor(cursor.as_deref())?;

    let settings = store.settings().await?;

    let mut groups = settings.groups()?;
    groups.retain(|(id, _)| after.as_deref().is_none_or(|after| *id > after));
    let more = groups.len() > limit.get();
    groups.truncate(limit.get());
    let listed = |(id, Group { policy }): (&str, Group)| Listed { group: id.to_owned(), policy };
    let data: Vec<_> = groups.into_iter().map(listed).collect();
    let next = data.last().filter(|_| more).map(|last| last.group.clone());
    Reply::page(&data, next.as_ref())
}

pub(crate) async fn read(store: Store, call: Call) -> Result<Reply, Problem> {
    let id: GroupId = call.path("group")?;
    let Nothing {} = call.query()?;

    let settings = store.settings().await?;

    let group = settings.group(&id)?.ok_or_else(Problem::group_not_found)?;
    answer(&id, group, settings)
}

pub(crate) async fn write(store: Store, call: Call) -> Result<Reply, Problem> {
    let id: GroupId = call.path("group")?;
    let Body { policy } = call.body()?;
    let group = Group { policy: policy.map(|Object(policy)| policy).unwrap_or_default() };

    let settings = store.put_group(&id, &group, call.edit()?).await?;

    answer(&id, group, settings)
}

fn answer(id: &GroupId, Group { policy }: Group, settings: Settings) -> Result<Reply, Problem> {
    let version = settings.version;
    let levels = Levels { store: settings.policy, group: policy.clone(), ..Levels::default() };
    let effective = PolicyView::new(&levels)?;
    Reply::ok(&Answer { group: id.as_str(), policy, effective, version })
}
