//! An account for each customer in the double-entry ledger of `cala-ledger`, on PostgreSQL.

use std::{collections::BTreeMap, time::Duration};

use cala_ledger::{
    AccountId, BalanceId, CalaLedger, CalaLedgerConfig, Currency, DebitOrCredit, JournalId, TransactionId,
    TxTemplateId, VelocityControlId, VelocityLimitId,
    account::NewAccount,
    errlanes::Fail,
    job::{JobSvcConfig, Jobs},
    journal::NewJournal,
    migrate::IncludeMigrations,
    posting::{ApplyPostingRejection, PostingInput, PostingRejection},
    primitives::BalanceRollup,
    tx_template::{
        NewParamDefinition, NewTxTemplate, NewTxTemplateEntry, NewTxTemplateTransaction, ParamDataType,
        Params,
    },
    velocity::{
        NewBalanceLimit, NewLimit, NewVelocityControl, NewVelocityLimit, error::EnforceVelocityRejection,
    },
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use sqlx::{Connection, Executor, PgConnection, migrate::Migrator, postgres::PgConnectOptions};
use uuid::Uuid;

use crate::{
    Failure,
    work::{Answer, OPENING, Operation, Peer, Standing, Task},
};

/// How many accounts are opened in one transaction of the database.
const OPENED_AT_ONCE: usize = 250;
/// Connections beside those of the clients: for what cala does behind the postings.
const CONNECTIONS_BEHIND: u32 = 8;
/// How long cala may take to bring the store's own accounts up with the postings.
const ROLLUP: Duration = Duration::from_secs(120);

/// The ledger.
pub struct Cala {
    ledger: CalaLedger,
    jobs: Jobs,
    journal: JournalId,
    /// Each customer's account, and beside them one to try things out on.
    customers: Vec<AccountId>,
    store: Store,
    server: PgConnectOptions,
    database: String,
    notes: Vec<String>,
}

/// The store's side of each movement. Cala keeps the balances of such accounts behind the postings, so that customers do not
/// wait for each other.
#[derive(Clone, Copy)]
struct Store {
    granted: AccountId,
    spent: AccountId,
}

impl Cala {
    /// Makes a database, a journal in it, and accounts with their opening grants.
    pub async fn prepare(postgres: &str, clients: u32, accounts: u32) -> Result<Self, Failure> {
        let server: PgConnectOptions = postgres.parse()?;
        let database = format!("peers_{}", Uuid::new_v4().simple());
        let mut admin = PgConnection::connect_with(&server).await?;
        admin.execute(format!("CREATE DATABASE {database}").as_str()).await?;
        let mut notes = vec![];
        for setting in ["server_version", "fsync", "synchronous_commit", "full_page_writes"] {
            let (value,): (String,) =
                sqlx::query_as(&format!("SHOW {setting}")).fetch_one(&mut admin).await?;
            notes.push(format!("{setting} = {value}"));
        }
        notes.extend(NOTES.map(str::to_owned));

        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(clients + CONNECTIONS_BEHIND)
            .connect_with(server.clone().database(&database))
            .await?;
        let mut migrations = Migrator::DEFAULT;
        migrations.include_cala_migrations();
        migrations.run(&pool).await?;
        let mut jobs = Jobs::init(JobSvcConfig::builder().pool(pool.clone()).build()?).await?;
        let ledger = CalaLedger::init(CalaLedgerConfig::builder().pool(pool).build()?, &mut jobs).await?;
        jobs.start_poll().await?;

        let journal =
            ledger.journals().create(NewJournal::builder().id(JournalId::new()).name("Store").build());
        let journal = journal.await?.id();
        let store = Store { granted: AccountId::new(), spent: AccountId::new() };
        for (id, code, normal) in
            [(store.granted, "granted", DebitOrCredit::Debit), (store.spent, "spent", DebitOrCredit::Credit)]
        {
            let account = NewAccount::builder()
                .id(id)
                .code(code)
                .name(code)
                .normal_balance_type(normal)
                .balance_rollup(BalanceRollup::EventuallyConsistent)
                .build();
            ledger.accounts().create(account).await?;
        }
        for operation in [Operation::Grant, Operation::Redeem, Operation::Refund] {
            ledger.tx_templates().create(template(operation, journal, store)?).await?;
        }
        let control = never_overdrawn(&ledger).await?;

        let customers = (0..=accounts).map(|_| AccountId::new()).collect();
        let peer = Self { ledger, jobs, journal, customers, store, server, database, notes };
        peer.open(control).await?;
        peer.try_out(accounts).await?;
        peer.settle().await?;
        Ok(peer)
    }

    async fn open(&self, control: VelocityControlId) -> Result<(), Failure> {
        let numbered: Vec<_> = (0..).zip(self.customers.iter().copied()).collect();
        for some in numbered.chunks(OPENED_AT_ONCE) {
            let ids: Vec<_> = some.iter().map(|(_, id)| *id).collect();
            let accounts = some.iter().map(|(number, id)| {
                let name = format!("customer {number}");
                NewAccount::builder().id(*id).code(format!("customer-{number}")).name(name).build()
            });
            let grants =
                some.iter().map(|(number, _)| self.posting(&opening(*number))).collect::<Result<_, _>>()?;
            let mut operation = self.ledger.begin_operation().await?;
            self.ledger.accounts().create_all_in_op(&mut operation, accounts.collect()).await?;
            self.ledger
                .velocities()
                .attach_control_to_accounts_in_op(&mut operation, control, &ids, Params::new())
                .await?;
            self.ledger.post_transactions_in_op(&mut operation, grants).await?;
            operation.commit().await?;
        }
        Ok(())
    }

    /// Holds the library to what the notes say of it.
    async fn try_out(&self, trial: u32) -> Result<(), Failure> {
        let half = OPENING / 2;
        let spend = |amount, key: &str| Task {
            operation: Operation::Redeem,
            amount,
            key: key.to_owned(),
            ..opening(trial)
        };
        for (task, expected) in [
            (spend(OPENING + 1, "too much"), Answer::Refused),
            (spend(half, "half"), Answer::Done),
            (spend(half, "half"), Answer::Refused),
            (spend(half + 1, "too much"), Answer::Refused),
        ] {
            let found = self.perform(&task).await?;
            if found != expected {
                return Err(format!("{task:?} is {found:?}, not {expected:?}").into());
            }
        }
        Ok(())
    }

    fn posting(&self, task: &Task) -> Result<PostingInput, Failure> {
        let customer =
            self.customers.get(usize::try_from(task.account)?).ok_or("there is no such account")?;
        let mut params = Params::new();
        params.insert("customer", *customer);
        params.insert("amount", Decimal::new(task.amount, 2));
        params.insert("key", task.key.clone());
        params.insert("order", task.order.clone());
        Ok(PostingInput::new(TransactionId::new(), code(task.operation), params))
    }

    /// Waits until the store's own accounts are up with the postings.
    async fn settle(&self) -> Result<(), Failure> {
        self.ledger.ec_rollup_status().await?.await_completion(ROLLUP).await?;
        Ok(())
    }

    async fn standings(&self, ids: &[AccountId]) -> Result<Vec<Standing>, Failure> {
        let ids: Vec<BalanceId> = ids.iter().map(|id| (self.journal, *id, Currency::USD)).collect();
        let found = self.ledger.balances().find_all(&ids).await?;
        let standing = |id: &BalanceId| -> Result<Standing, Failure> {
            let account = found.get(id).ok_or("an account has no balance")?;
            let cents = account.settled() * Decimal::ONE_HUNDRED;
            let balance = cents.is_integer().then_some(cents).and_then(|cents| cents.to_i64());
            let balance = balance.ok_or("a balance is not in cents")?;
            Ok(Standing { balance, operations: account.details.version.into() })
        };
        ids.iter().map(standing).collect()
    }
}

/// What a reader of the figures should know, beside the server's settings.
const NOTES: [&str; 5] = [
    "called in its process, over TCP to the server; the store's side of each movement is kept behind the postings",
    "a key that comes again is refused by the transaction's external id, and the first answer is not given again",
    "an overdraft is refused by a velocity limit; a refund is not held against its redemption",
    "both sides of each movement are kept, and the balance after each",
    "no lots, expiry, policies or hashes",
];

impl Peer for Cala {
    async fn perform(&self, task: &Task) -> Result<Answer, Failure> {
        let PostingInput { tx_id, tx_template_code, params } = self.posting(task)?;
        match self.ledger.post_transaction(tx_id, &tx_template_code, params).await {
            Ok(_) => Ok(Answer::Done),
            Err(Fail::Rejected(PostingRejection::Apply(
                ApplyPostingRejection::Velocity(EnforceVelocityRejection::LimitExceeded(_))
                | ApplyPostingRejection::DuplicateExternalId,
            ))) => Ok(Answer::Refused),
            Err(Fail::Transient(_)) => Ok(Answer::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    async fn stuck(&self, _: u32) -> Result<Option<String>, Failure> {
        Ok(None)
    }

    async fn end(self) -> Result<BTreeMap<u32, Standing>, Failure> {
        self.settle().await?;
        let mut found = vec![];
        for some in self.customers.chunks(OPENED_AT_ONCE) {
            found.extend(self.standings(some).await?);
        }
        // What customers have is what the store granted and nobody spent; and each entry came with one transaction.
        let [granted, spent] = self.standings(&[self.store.granted, self.store.spent]).await?[..] else {
            return Err("the store has two accounts".into());
        };
        let owed: i64 = found.iter().map(|standing| standing.balance).sum();
        if granted.balance - spent.balance != owed {
            return Err(
                format!("granted {granted:?} less spent {spent:?} is not the customers' {owed}").into()
            );
        }
        let operations: u64 = found.iter().map(|standing| standing.operations).sum();
        let (stored,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM cala_transactions").fetch_one(self.ledger.pool()).await?;
        if u64::try_from(stored)? != operations {
            return Err(format!("{stored} transactions are stored, for {operations} operations").into());
        }
        // The last is the one to try things out on.
        found.pop();

        self.jobs.shutdown().await?;
        let mut admin = PgConnection::connect_with(&self.server).await?;
        admin.execute(format!("DROP DATABASE {} WITH (FORCE)", self.database).as_str()).await?;
        Ok((0..).zip(found).collect())
    }

    fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }
}

fn opening(account: u32) -> Task {
    let key = format!("opening-{account}");
    Task { account, operation: Operation::Grant, amount: OPENING, key, order: "opening".to_owned() }
}

const fn code(operation: Operation) -> &'static str {
    match operation {
        Operation::Grant => "GRANT",
        Operation::Redeem => "REDEEM",
        Operation::Refund => "REFUND",
    }
}

/// What an operation posts: one entry on each side.
fn template(operation: Operation, journal: JournalId, store: Store) -> Result<NewTxTemplate, Failure> {
    let param = |name: &str, kind| NewParamDefinition::builder().name(name).r#type(kind).build();
    let customer = "params.customer".to_owned();
    let (debit, credit) = match operation {
        Operation::Grant => (format!("uuid('{}')", store.granted), customer),
        Operation::Redeem => (customer, format!("uuid('{}')", store.spent)),
        Operation::Refund => (format!("uuid('{}')", store.spent), customer),
    };
    let entry = |account: String, direction: &str| {
        NewTxTemplateEntry::builder()
            .entry_type(format!("'{}_{direction}'", code(operation)))
            .account_id(account)
            .layer("SETTLED")
            .direction(direction)
            .units("params.amount")
            .currency("'USD'")
            .build()
    };
    let transaction = NewTxTemplateTransaction::builder()
        .effective("date()")
        .journal_id(format!("uuid('{journal}')"))
        .external_id("params.key")
        .correlation_id("params.order")
        .build()?;
    Ok(NewTxTemplate::builder()
        .id(TxTemplateId::new())
        .code(code(operation))
        .params(vec![
            param("customer", ParamDataType::Uuid)?,
            param("amount", ParamDataType::Decimal)?,
            param("key", ParamDataType::String)?,
            param("order", ParamDataType::String)?,
        ])
        .transaction(transaction)
        .entries(vec![entry(debit, "DEBIT")?, entry(credit, "CREDIT")?])
        .build())
}

/// A control that refuses whatever would take an account's balance below zero.
async fn never_overdrawn(ledger: &CalaLedger) -> Result<VelocityControlId, Failure> {
    let nothing = NewBalanceLimit::builder()
        .layer("SETTLED")
        .amount("decimal('0')")
        .enforcement_direction("DEBIT")
        .always_active()
        .build()?;
    let limit = NewVelocityLimit::builder()
        .id(VelocityLimitId::new())
        .name("never overdrawn")
        .description("no more is debited than was credited")
        .window(vec![])
        .limit(NewLimit::builder().balance(vec![nothing]).build()?)
        .params(vec![])
        .build()?;
    let limit = ledger.velocities().create_limit(limit).await?;
    let control = NewVelocityControl::builder()
        .id(VelocityControlId::new())
        .name("never overdrawn")
        .description("of each customer's account")
        .build()?;
    let control = ledger.velocities().create_control(control).await?.id();
    ledger.velocities().add_limit_to_control(control, limit.id()).await?;
    Ok(control)
}
