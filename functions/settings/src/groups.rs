//! Groups of customers: the settings that they have instead of the store's, and what is granted to whoever joins.

use edge::{Call, GrantBody, PageQuery, PolicyView, Problem, Reply};
use ledger::{Currency, Grant, GroupId, Levels, Object, Overrides, Refusal};
use serde::{Deserialize, Serialize};
use store::{GrantTerms, Group, Settings, Store};

use crate::Nothing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    policy: Option<Object<Overrides>>,
    joining_grant: Option<Object<GrantBody>>,
}

#[derive(Serialize)]
struct Answer<'a> {
    group: &'a str,
    policy: Overrides,
    joining_grant: Option<GrantTerms>,
    /// The rules for its members, each with the level that says so.
    effective: PolicyView,
    version: u64,
}

#[derive(Serialize)]
struct Listed {
    group: String,
    policy: Overrides,
    joining_grant: Option<GrantTerms>,
}

/// The last group of the page before.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsCursor {
    group: String,
}

pub(crate) async fn list(store: Store, call: Call) -> Result<Reply, Problem> {
    let PageQuery { limit, cursor } = call.query()?;
    let cursor: Option<GroupsCursor> = Call::cursor(cursor.as_deref())?;
    let after = cursor.map(|cursor| cursor.group);

    let settings = store.settings().await?;

    let mut groups = settings.groups()?;
    groups.retain(|(id, _)| after.as_deref().is_none_or(|after| *id > after));
    let more = groups.len() > limit.get();
    groups.truncate(limit.get());
    let listed = |(id, group): (&str, Group)| {
        let Group { policy, joining_grant } = group;
        Listed { group: id.to_owned(), policy, joining_grant }
    };
    let data: Vec<_> = groups.into_iter().map(listed).collect();
    let next = data.last().filter(|_| more).map(|last| GroupsCursor { group: last.group.clone() });
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
    let Body { policy, joining_grant } = call.document()?;
    let policy = policy.map(|Object(policy)| policy).unwrap_or_default();
    let joining_grant = joining_grant.map(|Object(grant)| grant.read()).transpose()?;

    let (settings, group) = store
        .put_group::<Problem>(&id, call.edit()?, |store| {
            let terms = |(currency, grant): &(Option<Currency>, Grant)| -> Result<_, Refusal> {
                let currency = currency.unwrap_or(store.currency);
                ledger::check_grant(grant, &policy.over(store.clone()), currency, call.at)?;
                Ok(GrantTerms { currency, grant: grant.clone() })
            };
            let joining_grant = joining_grant.as_ref().map(terms).transpose()?;
            Ok(Group { policy: policy.clone(), joining_grant })
        })
        .await?;

    answer(&id, group, settings)
}

fn answer(id: &GroupId, group: Group, settings: Settings) -> Result<Reply, Problem> {
    let Group { policy, joining_grant } = group;
    let version = settings.version;
    let levels = Levels { store: settings.policy, group: policy.clone(), ..Levels::default() };
    let effective = PolicyView::new(&levels)?;
    Reply::ok(&Answer { group: id.as_str(), policy, joining_grant, effective, version })
}
