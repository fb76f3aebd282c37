//! Lists over all customers: by name or by balance, read page by page from an index, and how they come to follow what
//! changes.

use aws_sdk_dynamodb::types::AttributeValue;
use futures::future::try_join_all;
use ledger::{Account, Currency, CustomerId, GroupId, Label, Money};
use serde::{Deserialize, Serialize};

use crate::{
    Error, GroupGrantId, Page, Profile, Store,
    documents::decode_profile,
    items::{
        ACCOUNTS, BALANCE_SHARDS, Fields, GRANTS, Item, JOB, Key, LISTS, NAMES, Stored, account_of,
        balance_partition, balance_place, decode_account, encode_listed_balance, encode_listed_group,
        encode_listed_name, folded, group_partition,
    },
};

/// Customers that one page looks at to find those that a filter admits; the next page goes on from there.
const MAX_LOOKED_AT: usize = 2_000;
/// Customers that are looked up at once: each is two items of the 100 that one batch read may name.
const BATCH: usize = 50;
/// Longest place in a list, in bytes: that of an index key.
const MAX_PLACE: usize = 1_024;

/// In which order customers are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// By name, in lower case; who has none by id.
    Name,
    /// By balance.
    Balance,
}

/// Which customers a list shall hold, and in which order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CustomersFilter {
    /// In which order.
    pub order: Order,
    /// Whether the last come first.
    pub descending: bool,
    /// Whose accounts it is about; a customer without one has nothing in it.
    pub currency: Currency,
    /// Whose name, or id if there is none, begins so, whatever its case.
    pub name: Option<Label>,
    /// Of this group.
    pub group: Option<GroupId>,
    /// The balance.
    pub balance: Range,
    /// What was granted since the beginning.
    pub granted: Range,
    /// What the merchant brought.
    pub by_admin: Range,
    /// What the customer brought.
    pub by_customer: Range,
}

/// Amounts from one to another, both included; absent is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The least.
    pub min: Option<Money>,
    /// The most.
    pub max: Option<Money>,
}

impl Range {
    fn admits(self, amount: Money) -> bool {
        self.min.is_none_or(|min| amount >= min) && self.max.is_none_or(|max| amount <= max)
    }
}

/// One customer of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Who.
    pub customer: CustomerId,
    /// What the shop told, if it told anything.
    pub profile: Option<Profile>,
    /// The account, empty if there is none.
    pub account: Account,
}

/// The place of the last customer that the page before looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomersCursor {
    by: Order,
    place: String,
}

/// What a record of the table's stream is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangedItem {
    /// A customer's document.
    Profile {
        /// Whose.
        customer: CustomerId,
        /// The group that the customer joined by it.
        joined: Option<GroupId>,
    },
    /// An account; whether it is new.
    Account(CustomerId, Currency, bool),
    /// A grant to a group: asked for, or carried on.
    GroupGrant(GroupGrantId),
    /// Nothing that anything follows from.
    Other,
}

impl ChangedItem {
    /// Of the item under this key, whose `group` was this before and is this after.
    pub fn of(pk: &str, sk: &str, is_new: bool, group: (Option<&str>, Option<&str>)) -> Self {
        let key = Key { pk: pk.to_owned(), sk: sk.to_owned() };
        if let Ok((customer, currency)) = account_of(&key) {
            return Self::Account(customer, currency, is_new);
        }
        let customer = key.customer().filter(|_| sk == ACCOUNTS);
        if let Some(customer) = customer {
            let (before, after) = group;
            let joined = after.filter(|_| before != after).and_then(|group| group.parse().ok());
            return Self::Profile { customer, joined };
        }
        match pk.strip_prefix(GRANTS).filter(|_| sk == JOB).and_then(|id| id.parse().ok()) {
            Some(id) => Self::GroupGrant(id),
            None => Self::Other,
        }
    }
}

/// A range of an index, all its parts together in one order.
struct Span {
    partitions: Vec<String>,
    from: String,
    to: String,
}

/// Above every place that begins with `prefix`.
fn end_of(prefix: &str) -> String {
    format!("{prefix}\u{10ffff}")
}

impl CustomersFilter {
    /// The narrowest range of an index that holds all that this admits.
    fn span(&self) -> Result<Span, Error> {
        let prefix = folded(self.name.as_ref().map_or("", Label::as_str));
        let names = |partition| Span {
            partitions: vec![partition],
            // Below every place, and not empty, which DynamoDB would refuse.
            from: if prefix.is_empty() { "\t".to_owned() } else { prefix.clone() },
            to: end_of(&prefix),
        };
        let place = |bound: Option<Money>, open: i64| {
            let minor = bound.map_or(Ok(open), Money::minor);
            minor.map(balance_place).map_err(|error| Error::Refused(error.to_string()))
        };
        Ok(match (self.order, &self.group) {
            (Order::Name, Some(group)) => names(group_partition(group)),
            (Order::Name, None) => names(NAMES.to_owned()),
            (Order::Balance, _) => Span {
                partitions: (0..BALANCE_SHARDS)
                    .map(|shard| balance_partition(self.currency, shard))
                    .collect(),
                from: place(self.balance.min, i64::MIN)?,
                to: end_of(&place(self.balance.max, i64::MAX)?),
            },
        })
    }

    pub(crate) fn admits(&self, listed: &Listed) -> Result<bool, Error> {
        let Listed { customer, profile, account } = listed;
        let balance = account.balance().map_err(|error| Error::Refused(error.to_string()))?;
        let name = profile
            .as_ref()
            .and_then(|profile| profile.name.as_ref())
            .map_or(customer.as_str(), Label::as_str);
        let group = profile.as_ref().and_then(|profile| profile.group.as_ref());
        Ok(self.name.as_ref().is_none_or(|prefix| folded(name).starts_with(&folded(prefix.as_str())))
            && self.group.as_ref().is_none_or(|of| group == Some(of))
            && self.balance.admits(balance)
            && self.granted.admits(account.lifetime.granted)
            && self.by_admin.admits(account.lifetime.by_admin)
            && self.by_customer.admits(account.lifetime.by_customer))
    }
}

impl Store {
    /// Customers in the order of a list. It follows the ledger by moments, and each customer is shown as it is now.
    ///
    /// # Errors
    /// [`Error::InvalidCursor`]; when the database does not answer or an item cannot be read.
    pub async fn customers(
        &self,
        filter: &CustomersFilter,
        cursor: Option<CustomersCursor>,
        limit: usize,
    ) -> Result<Page<Listed, CustomersCursor>, Error> {
        let mut span = filter.span()?;
        if cursor.as_ref().is_some_and(|cursor| cursor.by != filter.order) {
            return Err(Error::InvalidCursor);
        }
        let mut last: Option<String> = cursor.map(|cursor| cursor.place);
        if last
            .as_ref()
            .is_some_and(|place| place.len() > MAX_PLACE || *place < span.from || *place > span.to)
        {
            return Err(Error::InvalidCursor);
        }
        let mut data = Vec::new();
        let mut looked_at = 0_usize;
        // One more than the page holds tells whether there is a next; a filter that admits few asks for more at once.
        let mut batch = limit.saturating_add(1).min(BATCH);
        loop {
            if let Some(last) = &last {
                let end = if filter.descending { &mut span.to } else { &mut span.from };
                end.clone_from(last);
            }
            let (places, drained) = self.places(&span, last.as_deref(), filter.descending, batch).await?;
            batch = BATCH;
            let customers = places.iter().map(|(_, customer)| customer.clone()).collect();
            let found = self.listed(customers, filter.currency).await?;
            for ((place, _), listed) in places.into_iter().zip(found) {
                if data.len() >= limit || looked_at >= MAX_LOOKED_AT {
                    let next = last.map(|place| CustomersCursor { by: filter.order, place });
                    return Ok(Page { data, next });
                }
                looked_at = looked_at.saturating_add(1);
                last = Some(place);
                if filter.admits(&listed)? {
                    data.push(listed);
                }
            }
            if drained {
                return Ok(Page { data, next: None });
            }
        }
    }

    /// The next customers of a range, each with its place, and whether there are no more.
    async fn places(
        &self,
        span: &Span,
        last: Option<&str>,
        descending: bool,
        limit: usize,
    ) -> Result<(Vec<(String, CustomerId)>, bool), Error> {
        if span.from > span.to {
            return Ok((Vec::new(), true));
        }
        let parts = span.partitions.iter().map(|of| {
            let query = self
                .query("lq = :partition AND lk BETWEEN :from AND :to")
                .index_name(LISTS)
                .expression_attribute_values(":partition", AttributeValue::S(of.clone()))
                .expression_attribute_values(":from", AttributeValue::S(span.from.clone()))
                .expression_attribute_values(":to", AttributeValue::S(span.to.clone()))
                .scan_index_forward(!descending);
            // One for the last place itself, which BETWEEN includes.
            self.read_page(query, limit.saturating_add(1))
        });
        let mut places = Vec::new();
        let mut drained = true;
        for (items, is_drained) in try_join_all(parts).await? {
            drained = drained && is_drained;
            for item in &items {
                let at = Fields(item).text("lk")?;
                if Some(at) != last {
                    places.push((at.to_owned(), customer_of(item)?));
                }
            }
        }
        places.sort();
        if descending {
            places.reverse();
        }
        // Beyond the first `limit` of all parts together, a part that was not read to its end may have more between.
        drained = drained && places.len() <= limit;
        places.truncate(limit);
        Ok((places, drained))
    }

    /// These customers with their accounts of this currency, in this order.
    async fn listed(&self, customers: Vec<CustomerId>, currency: Currency) -> Result<Vec<Listed>, Error> {
        if customers.is_empty() {
            return Ok(Vec::new());
        }
        let keys =
            customers.iter().flat_map(|customer| [Key::profile(customer), Key::account(customer, currency)]);
        let found = self.batch_get(keys.collect()).await?;
        let find = |key: &Key| found.iter().find(|(of, _)| of == key).map(|(_, item)| item);
        let listed = |customer: CustomerId| {
            let account = match find(&Key::account(&customer, currency)) {
                Some(item) => decode_account(item)?.account,
                None => Account::new(customer.clone(), currency),
            };
            let profile = find(&Key::profile(&customer)).map(decode_profile).transpose()?;
            Ok(Listed { customer, profile, account })
        };
        customers.into_iter().map(listed).collect()
    }

    /// Brings the lists to what has become of an item.
    ///
    /// It reads the item as it is now, so that records may come late, twice and in any order.
    ///
    /// # Errors
    /// When the database does not answer or an item cannot be read.
    pub async fn relist(&self, changed: &ChangedItem) -> Result<(), Error> {
        match changed {
            ChangedItem::GroupGrant(_) | ChangedItem::Other => Ok(()),
            ChangedItem::Profile { customer, .. } => match self.profile(customer).await? {
                Some(Profile { name, group, version, .. }) => {
                    let name = name.as_ref().map(Label::as_str);
                    self.put_listed(encode_listed_name(customer, name, version)).await?;
                    self.put_listed(encode_listed_group(customer, name, group.as_ref(), version)).await
                }
                None => Ok(()),
            },
            ChangedItem::Account(customer, currency, is_new) => {
                if let Some(stored) = self.stored_account(customer, *currency).await? {
                    self.put_listed(encode_listed_balance(&stored)?).await?;
                }
                // Whoever has a document is listed by that. Looked at each time, so that a record that was lost is made up for.
                if *is_new || self.get(Key::listed_name(customer)).await?.is_none() {
                    self.put_listed(encode_listed_name(customer, None, 0)).await?;
                }
                Ok(())
            }
        }
    }

    async fn stored_account(
        &self,
        customer: &CustomerId,
        currency: Currency,
    ) -> Result<Option<Stored>, Error> {
        self.get(Key::account(customer, currency)).await?.map(|item| decode_account(&item)).transpose()
    }

    /// Puts an item of a list, unless it stands there from a later revision.
    ///
    /// The one write outside a transaction: half its price, and if its answer is lost it is only written again.
    async fn put_listed(&self, item: Item) -> Result<(), Error> {
        let revision = item.get("rev").cloned().unwrap_or(AttributeValue::Null(true));
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk) OR rev < :rev")
            .expression_attribute_values(":rev", revision)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            Err(error) => Err(Error::from_sdk(error)),
        }
    }
}

/// Whose an item of an index is.
fn customer_of(item: &Item) -> Result<CustomerId, Error> {
    let key = Key::of(item)?;
    let customer = key.pk.split_once('#').and_then(|(_, id)| id.parse().ok());
    customer.ok_or_else(|| Fields(item).corrupt("this is no customer's key"))
}
