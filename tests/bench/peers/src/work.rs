//! The work: what clients ask for, how long it takes, and whether it is all there afterwards.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::{Failure, Size};

/// What each account begins with, in cents.
pub const OPENING: i64 = 10_000;
/// What a client does, over and over: whatever others do meanwhile, no account is ever overdrawn by it.
const CYCLE: [(Operation, i64); 4] = [
    (Operation::Grant, 1_000),
    (Operation::Redeem, 1_000),
    (Operation::Refund, 500),
    (Operation::Redeem, 500),
];
/// How often an operation meets a conflict before it is asked whether it ever can succeed.
const STUCK: u32 = 50;
/// The pause after the first conflict is at most so long, and doubles: as our ledger's.
const FIRST_PAUSE: Duration = Duration::from_millis(8);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What moves credit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Operation {
    Grant,
    Redeem,
    Refund,
}

/// One thing to do.
#[derive(Debug)]
pub struct Task {
    pub account: u32,
    pub operation: Operation,
    /// In cents.
    pub amount: i64,
    /// What is to happen once has this, however often it is tried.
    pub key: String,
    /// What was paid for, or is given back.
    pub order: String,
}

/// What became of a try.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// It is stored.
    Done,
    /// Somebody else was first: it has to be tried again.
    Conflict,
    /// The balance does not allow it.
    Refused,
}

/// How an account stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    /// In cents.
    pub balance: i64,
    /// How many operations led there.
    pub operations: u64,
}

/// A ledger of somebody else's, in which each account has its opening grant.
pub trait Peer: Send + Sync + 'static {
    /// Tries it once.
    fn perform(&self, task: &Task) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// Why an account that only ever meets conflicts cannot be changed any more, if that is so.
    fn stuck(&self, account: u32) -> impl Future<Output = Result<Option<String>, Failure>> + Send;

    /// How each account stands, as it is stored; takes away what it made.
    fn end(self) -> impl Future<Output = Result<BTreeMap<u32, Standing>, Failure>> + Send;

    /// What a reader of the figures should know.
    fn notes(&self) -> Vec<String>;
}

/// Whether the clients still work.
struct Shift {
    until: Instant,
    over: AtomicBool,
    why: OnceLock<String>,
}

/// What a client did.
#[derive(Default)]
struct Tally {
    times: Vec<Duration>,
    conflicts: u64,
    moved: BTreeMap<u32, Standing>,
    last: Option<Instant>,
}

/// Lets the clients work, holds the balances against what they did, and tells how fast they were.
pub async fn measure<P: Peer>(name: &str, peer: P, size: Size) -> Result<Value, Failure> {
    let peer = Arc::new(peer);
    let begin = Instant::now();
    let until = begin + Duration::from_secs(size.seconds);
    let shift = Arc::new(Shift { until, over: AtomicBool::new(false), why: OnceLock::new() });
    let mut clients = JoinSet::new();
    for number in 0..size.clients {
        clients.spawn(client(Arc::clone(&peer), Arc::clone(&shift), number, size.accounts));
    }

    let opened = Standing { balance: OPENING, operations: 1 };
    let mut expected: BTreeMap<_, _> = (0..size.accounts).map(|account| (account, opened)).collect();
    let (mut times, mut conflicts, mut last) = (Vec::new(), 0, begin);
    while let Some(tally) = clients.join_next().await {
        let tally = tally??;
        for (account, moved) in tally.moved {
            let standing = expected.entry(account).or_default();
            standing.balance += moved.balance;
            standing.operations += moved.operations;
        }
        times.extend(tally.times);
        conflicts += tally.conflicts;
        last = last.max(tally.last.unwrap_or(begin));
    }

    let notes = peer.notes();
    let found = Arc::into_inner(peer).ok_or("a client is still at work")?.end().await?;
    for (account, standing) in &expected {
        let found = found.get(account).copied().unwrap_or_default();
        if found != *standing {
            return Err(format!("account {account} stands at {found:?}, and should at {standing:?}").into());
        }
    }
    if found.len() != expected.len() {
        return Err(format!("{} accounts are there, of {}", found.len(), expected.len()).into());
    }

    times.sort_unstable();
    let seconds = (last - begin).as_secs_f64();
    Ok(json!({
        "peer": name,
        "clients": size.clients,
        "accounts": size.accounts,
        "operations": times.len(),
        "seconds": seconds,
        "per_second": times.len() as f64 / seconds,
        "p50_ms": quantile(&times, 0.5),
        "p95_ms": quantile(&times, 0.95),
        "p99_ms": quantile(&times, 0.99),
        "conflicts": conflicts,
        "stopped": shift.why.get(),
        "notes": notes,
    }))
}

/// Works until the shift is over, each cycle on an account chosen anew.
async fn client<P: Peer>(
    peer: Arc<P>,
    shift: Arc<Shift>,
    number: u32,
    accounts: u32,
) -> Result<Tally, Failure> {
    let mut random = fastrand::Rng::with_seed(number.into());
    let mut tally = Tally::default();
    for cycle in 0_u64.. {
        let account = random.u32(..accounts);
        for (step, (operation, amount)) in CYCLE.into_iter().enumerate() {
            if shift.over.load(Ordering::Relaxed) || Instant::now() >= shift.until {
                return Ok(tally);
            }
            let (key, order) = (format!("{number}-{cycle}-{step}"), format!("{number}-{cycle}"));
            let task = Task { account, operation, amount, key, order };
            let begin = Instant::now();
            if !arrive(&*peer, &shift, &task, &mut random, &mut tally.conflicts).await? {
                return Ok(tally);
            }
            tally.times.push(begin.elapsed());
            tally.last = Some(Instant::now());
            let moved = tally.moved.entry(account).or_default();
            moved.balance += if operation == Operation::Redeem { -amount } else { amount };
            moved.operations += 1;
        }
    }
    unreachable!("cycles do not end")
}

/// Tries it until it is stored; false if it cannot be any more.
async fn arrive<P: Peer>(
    peer: &P,
    shift: &Shift,
    task: &Task,
    random: &mut fastrand::Rng,
    conflicts: &mut u64,
) -> Result<bool, Failure> {
    for tries in 1_u32.. {
        match peer.perform(task).await? {
            Answer::Done => return Ok(true),
            Answer::Refused => return Err(format!("{task:?} was refused, and is covered").into()),
            Answer::Conflict => *conflicts += 1,
        }
        if tries.is_multiple_of(STUCK)
            && let Some(why) = peer.stuck(task.account).await?
        {
            shift.over.store(true, Ordering::Relaxed);
            shift.why.get_or_init(|| why);
        }
        if shift.over.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let longest = FIRST_PAUSE.saturating_mul(1 << (tries - 1).min(16)).min(LONGEST_PAUSE);
        tokio::time::sleep(longest.mul_f64(random.f64())).await;
    }
    unreachable!("tries do not end")
}

/// The time within which this part of them were answered, in milliseconds.
fn quantile(sorted: &[Duration], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let time = sorted.get((last as f64 * part).round() as usize)?;
    Some(time.as_secs_f64() * 1000.0)
}
