//! A customer's document: who it is, which group it belongs to, and the rules for it alone.

use edge::{Call, PageQuery, Problem, Reply};
use ledger::{CustomerId, GroupId, Label, Language, Object, Overrides};
use mail::Address;
use serde::{Deserialize, Serialize};
use store::{Profile, Store};

use crate::Nothing;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: Option<Label>,
    email: Option<Address>,
    language: Option<Language>,
    group: Option<GroupId>,
    policy: Option<Object<Overrides>>,
    #[serde(default)]
    frozen: bool,
}

#[derive(Serialize)]
struct Answer {
    customer: CustomerId,
    name: Option<Label>,
    email: Option<Label>,
    language: Option<Language>,
    group: Option<GroupId>,
    policy: Overrides,
    frozen: bool,
    version: u64,
}

pub(crate) async fn write(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let Body { name, email, language, group, policy, frozen } = call.document()?;
    let policy = policy.map(|Object(policy)| policy).unwrap_or_default();
    let email = email
        .map(|email| email.as_str().parse().map_err(|error| Problem::invalid("email", format!("{error}"))));
    let email: Option<Label> = email.transpose()?;
    let profile = Profile { name, email, language, group, policy, frozen, version: 0 };

    let profile = store.put_profile(&customer, &profile, call.edit()?).await?;

    let Profile { name, email, language, group, policy, frozen, version } = profile;
    Reply::ok(&Answer { customer, name, email, language, group, policy, frozen, version })
}

pub(crate) async fn changes(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let PageQuery { limit, cursor } = call.query()?;

    let page = store.profile_changes(&customer, Call::cursor(cursor.as_deref())?, limit.get()).await?;

    Reply::page(&page.data, page.next.as_ref())
}

pub(crate) async fn erase(store: Store, call: Call) -> Result<Reply, Problem> {
    let customer = call.customer()?;
    let Nothing {} = call.query()?;

    let found = store.erase(&customer, call.edit()?).await?;

    if found { Ok(Reply::done()) } else { Err(Problem::customer_not_found()) }
}
