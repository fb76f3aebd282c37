//! How many calls a second, beside a store with an item for each lot, the bare two calls, and what others would use: all on
//! one embedded database, in turns of a second. `tests/bench/throughput` runs it with the peers; `cargo bench -p bench
//! --bench throughput` without.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "there is nobody to answer to: what is not set up right shall stop; and times are no money"
)]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bench::{
    Line, Table,
    control::Control,
    drop_stream, keep_chart, line_chart, median, quantile, report,
    subjects::{Bare, Service, Step, Subject},
};
use clap::Parser;
use local::Database;
use serde_json::Value;

/// As many lots of 10.00 as an account has to begin with.
const LOTS: usize = 3;

#[derive(Parser)]
struct Options {
    /// How many clients at once.
    #[arg(long, value_delimiter = ',', default_value = "1,4,16")]
    clients: Vec<usize>,
    /// Over how many accounts.
    #[arg(long, value_delimiter = ',', default_value = "1,10000")]
    accounts: Vec<usize>,
    /// Turns of each, of a second.
    #[arg(long, default_value_t = 15)]
    turns: usize,
    /// The program of the peers, if they are to run as well; PostgreSQL is at `SCRIP_POSTGRES`.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// As `cargo bench` says it.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one did.
#[derive(Default)]
struct Done {
    /// Calls a second, by turn.
    rates: Vec<f64>,
    /// How long each call took.
    times: Vec<Duration>,
}

#[tokio::main]
async fn main() {
    let options = Options::parse();
    let database = Database::start(None, 0).await.unwrap();
    drop_stream(&database).await;
    let service = Arc::new(Service::new(&database).await);
    let scrip = Subject::Scrip(service);
    // One like those whose items the bare calls write.
    scrip.prepare("model", LOTS).await;
    round(&scrip, "model", &mut Vec::new()).await;
    let subjects = [
        scrip,
        Subject::Control(Control::new(database.endpoint(), database.table())),
        Subject::Bare(Arc::new(Bare::like(&database, "model").await)),
    ];

    let head = ["accounts", "clients", "who", "calls a second", "beside Scrip", "p50", "p95", "p99"];
    let mut table = Table::new(&head);
    let mut rates: BTreeMap<(String, usize), Vec<(f64, f64)>> = BTreeMap::new();
    for accounts in &options.accounts {
        for subject in &subjects {
            prepare(subject, *accounts).await;
        }
        for clients in &options.clients {
            let mut done: Vec<Done> = subjects.iter().map(|_| Done::default()).collect();
            for turn in 0..=options.turns {
                for (subject, done) in subjects.iter().zip(&mut done) {
                    let (rate, times) = one_turn(subject, *clients, *accounts).await;
                    // The first one warms up.
                    if turn > 0 {
                        done.rates.push(rate);
                        done.times.extend(times);
                    }
                }
            }
            let ours = median(&mut done[0].rates.clone());
            let mut row = |name: &str, rate: f64, times: [Duration; 3]| {
                let milliseconds = times.map(|time| format!("{:.2} ms", time.as_secs_f64() * 1e3));
                let (accounts, clients) = (accounts.to_string(), clients.to_string());
                let (rate, beside) = (format!("{rate:.0}"), format!("{:.2}", rate / ours));
                let [p50, p95, p99] = &milliseconds;
                table.row(&[&accounts, &clients, name, &rate, &beside, p50, p95, p99]);
            };
            for (subject, done) in subjects.iter().zip(&mut done) {
                let rate = median(&mut done.rates);
                row(subject.name(), rate, [0.5, 0.95, 0.99].map(|part| quantile(&mut done.times, part)));
                let line = rates.entry((subject.name().to_owned(), *accounts)).or_default();
                line.push((*clients as f64, rate));
            }
            for peer in options.peers.iter().flat_map(|peers| peer_arguments(peers, &database)) {
                let told = ask_peer(peer, *clients, *accounts, options.turns);
                let number = |name: &str| told[name].as_f64().unwrap();
                let times =
                    ["p50_ms", "p95_ms", "p99_ms"].map(|name| Duration::from_secs_f64(number(name) / 1e3));
                let name = told["peer"].as_str().unwrap();
                row(name, number("per_second"), times);
                let line = rates.entry((name.to_owned(), *accounts)).or_default();
                line.push((*clients as f64, number("per_second")));
            }
        }
        // Each round leaves a customer what it had.
        for subject in &subjects {
            for at in 0..(*accounts).min(100) {
                subject.check(&customer(*accounts, at), 1_000 * i64::try_from(LOTS).unwrap()).await;
            }
        }
    }
    let turns = options.turns;
    report(
        "throughput",
        &format!(
            "Grant, redeem, refund, redeem in turn; medians of {turns} turns of a second.\n\n{}",
            table.text()
        ),
    );
    for accounts in &options.accounts {
        let lines: Vec<Line<'_>> = rates
            .iter()
            .filter(|((_, over), _)| over == accounts)
            .map(|((name, _), points)| Line { name, points: points.clone() })
            .collect();
        let title = format!("Calls a second over {accounts} accounts");
        keep_chart(
            &format!("throughput-{accounts}"),
            &line_chart(&title, "clients", "calls a second", &lines),
        );
    }
}

fn customer(accounts: usize, at: usize) -> String {
    format!("of{accounts}-{at}")
}

/// Gives each account what it has to begin with, some at a time.
async fn prepare(subject: &Subject, accounts: usize) {
    let all: Vec<usize> = (0..accounts).collect();
    let parts = all.chunks(accounts.div_ceil(8)).map(|part| {
        let (subject, part) = (subject.clone(), part.to_vec());
        tokio::spawn(async move {
            for at in part {
                subject.prepare(&customer(accounts, at), LOTS).await;
            }
        })
    });
    for part in parts.collect::<Vec<_>>() {
        part.await.unwrap();
    }
}

/// One round with one customer.
async fn round(subject: &Subject, customer: &str, times: &mut Vec<Duration>) {
    let mut told = String::new();
    for step in Step::ROUND {
        let begun = Instant::now();
        told = subject.step(customer, step, &told).await;
        times.push(begun.elapsed());
    }
}

/// A second of all clients, and how long each call took. Whoever has begun a round ends it.
async fn one_turn(subject: &Subject, clients: usize, accounts: usize) -> (f64, Vec<Duration>) {
    let begun = Instant::now();
    let work = (0..clients).map(|_| {
        let subject = subject.clone();
        tokio::spawn(async move {
            let mut times = Vec::new();
            while begun.elapsed() < Duration::from_secs(1) {
                let customer = customer(accounts, fastrand::usize(0..accounts));
                round(&subject, &customer, &mut times).await;
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in work.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    (times.len() as f64 / begun.elapsed().as_secs_f64(), times)
}

/// How each peer is asked.
fn peer_arguments(program: &PathBuf, database: &Database) -> Vec<Command> {
    let mut on_dynamodb = Command::new(program);
    on_dynamodb.args(["dynamo-es", "--endpoint", database.endpoint()]);
    let mut on_postgres = Command::new(program);
    let postgres = std::env::var("SCRIP_POSTGRES").expect("SCRIP_POSTGRES names a PostgreSQL");
    on_postgres.args(["cala", "--postgres", &postgres]);
    vec![on_dynamodb, on_postgres]
}

/// Lets a peer do the same, and takes what it tells.
fn ask_peer(mut peer: Command, clients: usize, accounts: usize, seconds: usize) -> Value {
    let numbers = [("--clients", clients), ("--accounts", accounts), ("--seconds", seconds)];
    for (name, number) in numbers {
        peer.args([name, &number.to_string()]);
    }
    let ended = peer.stderr(Stdio::inherit()).output().unwrap();
    assert!(ended.status.success(), "{peer:?} failed");
    serde_json::from_slice(&ended.stdout).expect("a peer tells in JSON")
}
