//! How many tries a call takes beside others on one account, and what the tries that came to nothing cost:
//! `cargo bench -p bench --bench contention`.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::float_arithmetic,
    clippy::unwrap_used,
    reason = "there is nobody to answer to: what is not set up right shall stop; and counts are no money"
)]

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bench::{Line, Table, drop_stream, keep_chart, line_chart, quantile, report, support::wire::Wire};
use clap::Parser;
use jiff::Timestamp;
use ledger::{Actor, Currency, CustomerId, Hash, IdempotencyKey, Order, OrderLine, Refusal, Role};
use local::Database;
use rust_decimal::{Decimal, prelude::ToPrimitive};
use store::{Command, CommandKey, Connection, Fingerprint, Store};

/// Within so many tries 99.9 % are to get through beside seven others.
const WITHIN: usize = 5;

#[derive(Parser)]
struct Options {
    /// How many writers at once.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8,16")]
    writers: Vec<usize>,
    /// Calls of each.
    #[arg(long, default_value_t = 1000)]
    calls: usize,
    /// As `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What became of the calls of so many writers.
struct Raced {
    /// How many calls took so many tries.
    tries: BTreeMap<usize, usize>,
    times: Vec<Duration>,
    units: Decimal,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let head = [
        "writers",
        "1 try",
        "2",
        "3",
        "4",
        "5",
        "6 to 10",
        "more",
        "within 5",
        "units, of those useful",
        "p50",
        "p99",
    ];
    let mut table = Table::new(&head);
    let mut lines = Vec::new();
    for writers in &options.writers {
        let Raced { tries, mut times, units } = race(*writers, options.calls).await;
        let calls: usize = tries.values().sum();
        assert_eq!(calls, writers * options.calls, "somebody was sent away");
        let share = |tries_of: &dyn Fn(usize) -> bool| {
            let some: usize = tries.iter().filter(|(took, _)| tries_of(**took)).map(|(_, calls)| calls).sum();
            some as f64 / calls as f64
        };
        let mut cells = vec![writers.to_string()];
        cells.extend((1..=5).map(|exactly| format!("{:.1} %", 100.0 * share(&|took| took == exactly))));
        cells.push(format!("{:.1} %", 100.0 * share(&|took| (6..=10).contains(&took))));
        cells.push(format!("{:.1} %", 100.0 * share(&|took| took > 10)));
        let within = share(&|took| took <= WITHIN);
        cells.push(format!("{:.2} %", 100.0 * within));
        // A call that meets nobody: four units read, five written.
        let useful = Decimal::from(9 * calls);
        cells.push(format!("{:.2}", (units / useful).to_f64().unwrap()));
        cells.extend(
            [0.5, 0.99].map(|part| format!("{:.1} ms", quantile(&mut times, part).as_secs_f64() * 1e3)),
        );
        table.row(&cells);
        let mut so_far = 0.0;
        let points = (1..=12).map(|took| {
            so_far += share(&|tries| tries == took);
            (f64::from(took as u32), 100.0 * so_far)
        });
        lines.push((format!("{writers} writers"), points.collect::<Vec<_>>()));
    }
    let calls = options.calls;
    let note = format!(
        "Redemptions of one account, {calls} by each writer, one after the other without a pause between; units as the database \
         told them, and for each try that came to nothing those of its two items, which DynamoDB counts and does not tell."
    );
    report("contention", &format!("{note}\n\n{}", table.text()));
    let lines: Vec<Line<'_>> =
        lines.iter().map(|(name, points)| Line { name, points: points.clone() }).collect();
    keep_chart(
        "contention",
        &line_chart("Calls that are through after so many tries", "tries", "per cent", &lines),
    );
}

/// So many writers, each with so many calls, on one account of a database of their own.
async fn race(writers: usize, calls: usize) -> Raced {
    let database = Database::start(None, 0).await.unwrap();
    drop_stream(&database).await;
    let wire = Wire::to(database.endpoint()).await;
    let store = Store::connect(Connection::local(database.table(), &wire.endpoint));
    let customer: CustomerId = "alice".parse().unwrap();
    let actor = Actor { role: Role::Store, id: "till".to_owned() };
    let gift =
        serde_json::from_value(serde_json::json!({"amount": "100000.00", "category": "goodwill"})).unwrap();
    let key: IdempotencyKey = "gift".parse().unwrap();
    let command = asked_by(&customer, &key, &actor);
    store
        .commit::<Failed>(&command, |account, policy, at| {
            ledger::grant(account, policy, &gift, Role::Store, at)
        })
        .await
        .unwrap();
    wire.trips();

    let work = (0..writers).map(|writer| {
        let (store, customer, actor) = (store.clone(), customer.clone(), actor.clone());
        tokio::spawn(async move {
            let mut took = Vec::new();
            for call in 0..calls {
                let key: IdempotencyKey = format!("{writer}-{call}").parse().unwrap();
                let command = asked_by(&customer, &key, &actor);
                let tries = Arc::new(AtomicUsize::new(0));
                let begun = Instant::now();
                let order = order();
                let spent = store.commit::<Failed>(&command, |account, policy, at| {
                    tries.fetch_add(1, Ordering::Relaxed);
                    let wanted = Some("0.01".parse().unwrap());
                    ledger::redeem(account, policy, &"1".parse().unwrap(), &order, wanted, at)
                });
                spent.await.unwrap();
                took.push((tries.load(Ordering::Relaxed), begun.elapsed()));
            }
            took
        })
    });
    let mut raced = Raced { tries: BTreeMap::new(), times: Vec::new(), units: Decimal::ZERO };
    for writer in work.collect::<Vec<_>>() {
        for (tries, time) in writer.await.unwrap() {
            *raced.tries.entry(tries).or_default() += 1;
            raced.times.push(time);
        }
    }
    let trips = wire.trips();
    // A transaction that is cancelled is paid for: two units for each of its items.
    let cancelled =
        trips.iter().filter(|trip| trip.operation == "TransactWriteItems" && trip.units.is_zero()).count();
    raced.units = trips.iter().map(|trip| trip.units).sum::<Decimal>() + Decimal::from(4 * cancelled);
    raced
}

fn asked_by<'a>(customer: &'a CustomerId, key: &'a IdempotencyKey, actor: &'a Actor) -> Command<'a> {
    Command {
        customer,
        currency: Some(Currency::USD),
        key: CommandKey::Client(key),
        fingerprint: Fingerprint::of(Hash([1; 32]), Hash([2; 32])),
        actor,
        at: Timestamp::now(),
    }
}

fn order() -> Order {
    let line =
        OrderLine { code: "sub_total".parse().unwrap(), amount: "1.00".parse().unwrap(), sort_order: 1 };
    Order { lines: vec![line], contains_credit_product: false }
}

/// Why a call was not done.
#[derive(Debug)]
struct Failed(#[expect(dead_code, reason = "shown when it fails")] String);

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self(refusal.to_string())
    }
}

impl From<store::Error> for Failed {
    fn from(error: store::Error) -> Self {
        Self(error.to_string())
    }
}
