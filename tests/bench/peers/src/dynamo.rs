//! An aggregate for each customer's account, its events kept in DynamoDB by `dynamo-es`.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
        Select,
    },
};
use clap::ValueEnum;
use cqrs_es::{
    Aggregate, AggregateError, CqrsFramework, DomainEvent, event_sink::EventSink,
    persist::PersistedEventStore,
};
use dynamo_es::DynamoEventRepository;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::task::JoinSet;

use crate::{
    Failure,
    work::{Answer, OPENING, Operation, Peer, Standing, Task},
};

/// The tables, as the library's own script makes them, and their names by default.
const EVENTS: &str = "Events";
const SNAPSHOTS: &str = "Snapshots";
/// After how many events of an account a snapshot is kept.
const SNAPSHOT_EVERY: usize = 100;
/// How many accounts are opened at once.
const OPENERS: u32 = 16;
/// An account beside those that are measured, to see what the library does.
const TRIAL: u32 = u32::MAX;

/// What the library reads before a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum Kind {
    /// All events of the account: what the library does by default.
    #[default]
    Events,
    /// The latest snapshot and the events since.
    Snapshots,
    /// The account's state, kept with each event: the fastest.
    Aggregate,
}

/// The event store.
pub struct Dynamo {
    client: Client,
    ledger: CqrsFramework<Account, PersistedEventStore<DynamoEventRepository, Account>>,
    kind: Kind,
}

impl Dynamo {
    /// Makes the tables anew, and gives each account its opening grant.
    pub async fn prepare(endpoint: &str, kind: Kind, accounts: u32) -> Result<Self, Failure> {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("local", "local", None, None, "local"))
            .endpoint_url(endpoint);
        let client = Client::from_conf(config.build());
        for (table, sort) in [(EVENTS, Some("AggregateIdSequence")), (SNAPSHOTS, None)] {
            make_table(&client, table, sort).await?;
        }
        let events = DynamoEventRepository::new(client.clone());
        let store = match kind {
            Kind::Events => PersistedEventStore::new_event_store(events),
            Kind::Snapshots => PersistedEventStore::new_snapshot_store(events, SNAPSHOT_EVERY),
            Kind::Aggregate => PersistedEventStore::new_aggregate_store(events),
        };
        let peer = Arc::new(Self { client, ledger: CqrsFramework::new(store, vec![], Services), kind });

        let mut openers = JoinSet::new();
        for first in 0..OPENERS {
            let peer = Arc::clone(&peer);
            openers.spawn(async move {
                for account in (first..accounts).step_by(OPENERS as usize) {
                    peer.expect(Answer::Done, &opening(account)).await?;
                }
                Ok::<_, Failure>(())
            });
        }
        for opened in openers.join_all().await {
            opened?;
        }
        peer.try_out().await?;
        Arc::into_inner(peer).ok_or_else(|| "accounts are still being opened".into())
    }

    /// Holds the library to what the notes say of it.
    async fn try_out(&self) -> Result<(), Failure> {
        let spend = |amount| Task { operation: Operation::Redeem, amount, ..opening(TRIAL) };
        self.expect(Answer::Done, &opening(TRIAL)).await?;
        self.expect(Answer::Refused, &spend(OPENING + 1)).await?;
        // The same once more, which moves once more.
        self.expect(Answer::Done, &opening(TRIAL)).await?;
        self.expect(Answer::Done, &spend(2 * OPENING)).await
    }

    async fn expect(&self, answer: Answer, task: &Task) -> Result<(), Failure> {
        let found = self.perform(task).await?;
        if found == answer { Ok(()) } else { Err(format!("{task:?} is {found:?}, not {answer:?}").into()) }
    }
}

impl Peer for Dynamo {
    async fn perform(&self, task: &Task) -> Result<Answer, Failure> {
        let (amount, order) = (task.amount, task.order.clone());
        let command = match task.operation {
            Operation::Grant => Command::Grant { amount },
            Operation::Redeem => Command::Redeem { amount, order },
            Operation::Refund => Command::Refund { amount, order },
        };
        let metadata = HashMap::from([("key".to_owned(), task.key.clone())]);
        match self.ledger.execute_with_metadata(&task.account.to_string(), command, metadata).await {
            Ok(()) => Ok(Answer::Done),
            Err(AggregateError::AggregateConflict) => Ok(Answer::Conflict),
            Err(AggregateError::UserError(Overdrawn)) => Ok(Answer::Refused),
            Err(error) => Err(format!("{error:?}").into()),
        }
    }

    async fn stuck(&self, account: u32) -> Result<Option<String>, Failure> {
        let page = self
            .client
            .query()
            .table_name(EVENTS)
            .select(Select::Count)
            .key_condition_expression("AggregateTypeAndId = :account")
            .expression_attribute_values(
                ":account",
                AttributeValue::S(format!("{}:{account}", Account::TYPE)),
            )
            .send()
            .await?;
        let outgrown = self.kind == Kind::Events && page.last_evaluated_key().is_some();
        let why = format!(
            "an account of more than {} events is more than the one page of 1 MB that dynamo-es reads: \
             it can never be changed again",
            page.count()
        );
        Ok(outgrown.then_some(why))
    }

    async fn end(self) -> Result<BTreeMap<u32, Standing>, Failure> {
        let mut events = vec![];
        for item in scan(&self.client, EVENTS).await? {
            let event: Event = payload(&item)?;
            events.push((number(&item, "AggregateId")?, number(&item, "AggregateIdSequence")?, event));
        }
        events.sort_unstable_by_key(|(id, sequence, _)| (*id, *sequence));
        let mut accounts: BTreeMap<u32, Account> = BTreeMap::new();
        let mut found: BTreeMap<u32, Standing> = BTreeMap::new();
        for (id, sequence, event) in events {
            let account = accounts.entry(id).or_default();
            account.apply(event);
            let standing = found.entry(id).or_default();
            standing.balance = account.balance;
            standing.operations += 1;
            if u64::from(sequence) != standing.operations {
                return Err(format!("account {id} has a gap before event {sequence}").into());
            }
        }
        if self.kind == Kind::Aggregate {
            for item in scan(&self.client, SNAPSHOTS).await? {
                let id = number(&item, "AggregateId")?;
                let kept: Account = payload(&item)?;
                if accounts.get(&id) != Some(&kept) {
                    return Err(
                        format!("account {id} is kept as {kept:?}, which its events do not tell").into()
                    );
                }
            }
        }
        for table in [EVENTS, SNAPSHOTS] {
            self.client.delete_table().table_name(table).send().await?;
        }
        found.remove(&TRIAL);
        Ok(found)
    }

    fn notes(&self) -> Vec<String> {
        let reads = match self.kind {
            Kind::Events => {
                "events only, no snapshots: each command reads the account's whole history".to_owned()
            }
            Kind::Snapshots => format!("a snapshot after each {SNAPSHOT_EVERY} events of an account"),
            Kind::Aggregate => "the account's state is kept with each event, and alone is read".to_owned(),
        };
        vec![
            reads,
            "no idempotency: the same command again, with the same key, moved again".to_owned(),
            "an overdraft is refused; a refund is held against all that was spent, not against its redemption".to_owned(),
            "no lots, expiry, policies, hashes or lists by moment".to_owned(),
        ]
    }
}

/// A customer's store credit, in cents.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Account {
    balance: i64,
    /// What was redeemed and not refunded.
    spent: i64,
}

enum Command {
    Grant { amount: i64 },
    Redeem { amount: i64, order: String },
    Refund { amount: i64, order: String },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Event {
    Granted { amount: i64 },
    Redeemed { amount: i64, order: String },
    Refunded { amount: i64, order: String },
}

/// More than there is to spend, or to give back.
#[derive(Debug, thiserror::Error)]
#[error("more than there is")]
struct Overdrawn;

/// Nothing from outside is needed to decide.
struct Services;

impl Aggregate for Account {
    const TYPE: &'static str = "account";
    type Command = Command;
    type Event = Event;
    type Error = Overdrawn;
    type Services = Services;

    async fn handle(
        &mut self,
        command: Command,
        _: &Services,
        sink: &EventSink<Self>,
    ) -> Result<(), Overdrawn> {
        let event = match command {
            Command::Grant { amount } => Event::Granted { amount },
            Command::Redeem { amount, .. } if amount > self.balance => return Err(Overdrawn),
            Command::Redeem { amount, order } => Event::Redeemed { amount, order },
            Command::Refund { amount, .. } if amount > self.spent => return Err(Overdrawn),
            Command::Refund { amount, order } => Event::Refunded { amount, order },
        };
        sink.write(event, self).await;
        Ok(())
    }

    fn apply(&mut self, event: Event) {
        match event {
            Event::Granted { amount } => self.balance += amount,
            Event::Redeemed { amount, .. } => {
                self.balance -= amount;
                self.spent += amount;
            }
            Event::Refunded { amount, .. } => {
                self.balance += amount;
                self.spent -= amount;
            }
        }
    }
}

impl DomainEvent for Event {
    fn event_type(&self) -> String {
        let name = match self {
            Self::Granted { .. } => "Granted",
            Self::Redeemed { .. } => "Redeemed",
            Self::Refunded { .. } => "Refunded",
        };
        name.to_owned()
    }

    fn event_version(&self) -> String {
        "1.0".to_owned()
    }
}

fn opening(account: u32) -> Task {
    let (operation, amount) = (Operation::Grant, OPENING);
    Task { account, operation, amount, key: format!("opening-{account}"), order: String::new() }
}

/// Makes a table, in place of one that an earlier run left.
async fn make_table(client: &Client, table: &str, sort: Option<&str>) -> Result<(), Failure> {
    let tables = client.list_tables().send().await?;
    if tables.table_names().iter().any(|name| name == table) {
        client.delete_table().table_name(table).send().await?;
    }
    let mut request = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    let partition = ("AggregateTypeAndId", KeyType::Hash, ScalarAttributeType::S);
    let sort = sort.map(|name| (name, KeyType::Range, ScalarAttributeType::N));
    for (name, key, kind) in [partition].into_iter().chain(sort) {
        request = request
            .key_schema(KeySchemaElement::builder().attribute_name(name).key_type(key).build()?)
            .attribute_definitions(
                AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()?,
            );
    }
    request.send().await?;
    Ok(())
}

type Item = HashMap<String, AttributeValue>;

/// All items of a table.
async fn scan(client: &Client, table: &str) -> Result<Vec<Item>, Failure> {
    let pages = client.scan().table_name(table).consistent_read(true).into_paginator();
    Ok(pages.items().send().collect::<Result<_, _>>().await?)
}

fn number(item: &Item, name: &str) -> Result<u32, Failure> {
    match item.get(name) {
        Some(AttributeValue::N(value) | AttributeValue::S(value)) => Ok(value.parse()?),
        other => Err(format!("{name} is {other:?}").into()),
    }
}

fn payload<T: DeserializeOwned>(item: &Item) -> Result<T, Failure> {
    match item.get("Payload") {
        Some(AttributeValue::B(bytes)) => Ok(serde_json::from_slice(bytes.as_ref())?),
        other => Err(format!("Payload is {other:?}").into()),
    }
}
