//! Where every store call waits until the seed says that it goes on, and what becomes of it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use fastrand::Rng;
use local::TABLE;
use serde_json::{Value, json};
use store::Store;
use tokio::sync::Notify;

use super::{
    fates::{Answered, Call, Fate, Operation, Takes, Told, add_read, answer, store_through},
    shadow::Shadow,
    table::{Refused, Table, key, refused},
};

/// One call takes so long at least; while the clock stands still for whoever computes, this is also how it is known that
/// everybody waits.
const TICK: Duration = Duration::from_millis(1);
/// Nobody waits longer than this for anything: far above all that the house allows itself.
const MAX_TICKS: u64 = 20_000_000;

/// How often each fate befell each operation.
pub type Fates = BTreeMap<(Operation, Fate), u64>;

/// One call that waits.
struct Waiting {
    actor: usize,
    call: Call,
    /// What was read of a batch already.
    read: Vec<Value>,
    answer: Answered,
}

type Queue = Arc<Mutex<Vec<Waiting>>>;

/// The database, what waits before it, the clock, and what has happened.
pub struct Turnstile {
    rng: RefCell<Rng>,
    queue: Queue,
    table: RefCell<Table>,
    shadow: Option<RefCell<Shadow>>,
    /// What was sent, is not heard of, and has not arrived.
    late: RefCell<Vec<Call>>,
    /// What nobody will ever answer: it is for the caller to give up.
    unheard: RefCell<Vec<Answered>>,
    /// One for each actor: told when it dies.
    deaths: Vec<Rc<Notify>>,
    /// How often each fate is to befall a call now, and once it is no longer calm.
    weights: RefCell<Vec<(Fate, u32)>>,
    troubles: RefCell<Vec<(Fate, u32)>>,
    /// Milliseconds since 1970, as a clock that is right shows them.
    clock: Cell<i64>,
    /// Of ten thousand calls so many take minutes, or days.
    jumps: u32,
    /// One of so many calls begins an outage; none, if it is zero.
    outages: u32,
    /// So many calls of an outage are left, in which hardly any succeeds.
    outage: Cell<u32>,
    /// Whether time stands, so that what is read at the end is all of one moment.
    stands: Cell<bool>,
    /// By how much each actor's own clock is ahead.
    skews: Vec<Cell<i64>>,
    /// Counts what happens, so that it can be told what was before what.
    ticks: Cell<u64>,
    pub fates: RefCell<Fates>,
    pub trace: RefCell<Vec<String>>,
}

/// Lets an actor's calls wait before the turnstile.
struct Entrance {
    actor: usize,
    queue: Queue,
}

impl Takes for Entrance {
    fn take(&self, call: Call, _: String, answer: Answered) {
        self.queue.lock().unwrap().push(Waiting { actor: self.actor, call, read: Vec::new(), answer });
    }
}

impl Turnstile {
    pub fn new(seed: u64, actors: usize, start: i64, shadow: Option<Shadow>) -> Self {
        let mut rng = Rng::with_seed(seed);
        // Each seed has troubles of its own: some are calm, some have one kind alone, some have all.
        let rate = [0, 4, 12, 30][rng.usize(..4)];
        let mut weights = Vec::new();
        for fate in [
            Fate::LostRequest,
            Fate::LostAnswer,
            Fate::Late,
            Fate::Hang,
            Fate::Twice,
            Fate::Conflict,
            Fate::InProgress,
            Fate::Throttled,
            Fate::Failed,
            Fate::Torn,
            Fate::Unprocessed,
            Fate::Death,
        ] {
            if rng.u32(..3) > 0 {
                let weight = match fate {
                    Fate::Death | Fate::Hang => 1,
                    // It harms nothing by itself, and what it hides is rare.
                    Fate::Torn => 12,
                    _ => 3,
                };
                weights.push((fate, weight));
            }
        }
        let all: u32 = weights.iter().map(|(_, weight)| weight).sum();
        match (all * 100).checked_div(rate) {
            Some(calm) => weights.push((Fate::Success, calm)),
            None => weights = vec![(Fate::Success, 1)],
        }
        let troubles = RefCell::new(weights);
        let skews = (0..actors).map(|_| Cell::new(if rng.bool() { 0 } else { rng.i64(-90_000..90_000) }));
        let skews = skews.collect();
        let outages = [0, 0, 150, 500][rng.usize(..4)];
        let jumps = [0, 50, 200][rng.usize(..3)];
        Self {
            rng: RefCell::new(rng),
            queue: Queue::default(),
            table: RefCell::default(),
            shadow: shadow.map(RefCell::new),
            late: RefCell::default(),
            unheard: RefCell::default(),
            deaths: (0..actors).map(|_| Rc::default()).collect(),
            weights: RefCell::new(vec![(Fate::Success, 1)]),
            troubles,
            clock: Cell::new(start),
            jumps,
            outages,
            outage: Cell::new(0),
            stands: Cell::new(false),
            skews,
            ticks: Cell::new(0),
            fates: RefCell::default(),
            trace: RefCell::default(),
        }
    }

    /// A process of this actor's: it knows nothing of those before it.
    pub fn store(&self, actor: usize) -> Store {
        let queue = Arc::clone(&self.queue);
        store_through(Entrance { actor, queue })
    }

    /// Told when this actor dies.
    pub fn death(&self, actor: usize) -> Rc<Notify> {
        Rc::clone(&self.deaths[actor])
    }

    /// What this actor's clock shows, in milliseconds since 1970.
    pub fn now(&self, actor: usize) -> i64 {
        self.clock.get() + self.skews[actor].get()
    }

    /// Counts on, and tells where it is.
    pub fn tick(&self) -> u64 {
        self.ticks.set(self.ticks.get() + 1);
        self.ticks.get()
    }

    pub fn note(&self, line: String) {
        self.trace.borrow_mut().push(line);
    }

    pub fn with_table<T>(&self, look: impl FnOnce(&Table) -> T) -> T {
        look(&self.table.borrow())
    }

    /// From now on calls meet what the seed has for them.
    pub fn stir_up(&self) {
        self.table.borrow_mut().follow(usize::MAX);
        self.weights.swap(&self.troubles);
    }

    /// From now on everything succeeds, once what was sent has arrived.
    pub fn calm_down(&self) {
        *self.weights.borrow_mut() = vec![(Fate::Success, 1)];
        self.stands.set(true);
        while self.arrive_late() {}
    }

    /// Lets one call after another go on until `done`; never before all wait.
    pub async fn turn(&self, done: impl Fn() -> bool) {
        loop {
            // A clock that stands goes on when nobody has anything to do until it does.
            tokio::time::sleep(TICK).await;
            if done() {
                return;
            }
            assert!(self.tick() < MAX_TICKS, "nobody comes to an end");
            self.let_one_pass();
        }
    }

    fn let_one_pass(&self) {
        self.bury();
        let mut waiting = {
            let mut queue = self.queue.lock().unwrap();
            if queue.is_empty() {
                return;
            }
            // Where one actor asks for several things at once, the order in which it does must not matter.
            queue.sort_by_cached_key(|waiting| {
                (waiting.actor, waiting.call.operation.name(), waiting.call.subject())
            });
            let at = self.rng.borrow_mut().usize(..queue.len());
            if !queue[at].read.is_empty() && queue.len() > 1 && self.rng.borrow_mut().u32(..4) > 0 {
                // Others get something done between the two halves of a batch.
                return;
            }
            queue.swap_remove(at)
        };
        self.pass_time();
        if self.rng.borrow_mut().u32(..8) == 0 {
            self.arrive_late();
        }
        let fate = self.fate_of(&waiting.call);
        let subject = waiting.call.subject();
        *self.fates.borrow_mut().entry((waiting.call.operation, fate)).or_default() += 1;
        if fate == Fate::Torn {
            self.note(format!("{} actor {} reads a part of {subject}", self.ticks.get(), waiting.actor));
            let mut part = waiting.call.clone();
            let keys = waiting.call.body["RequestItems"][TABLE]["Keys"].as_array_mut().unwrap();
            keys.sort_by_cached_key(key);
            self.rng.borrow_mut().shuffle(keys);
            // What is read last is most often the account, which is what all write.
            let account = keys.iter().position(|of| key(of).1.starts_with("A#"));
            if let Some(account) = account.filter(|_| self.rng.borrow_mut().bool()) {
                keys.swap(0, account);
            }
            let rest = keys.split_off(self.rng.borrow_mut().usize(1..keys.len()));
            part.body["RequestItems"][TABLE]["Keys"] = json!(rest);
            let mut answer = self.apply(&part).unwrap();
            waiting.read.append(answer["Responses"][TABLE].as_array_mut().unwrap());
            self.queue.lock().unwrap().push(waiting);
            return;
        }
        let mut told = self.befall(fate, &waiting.call);
        if let Some(Ok(answer)) = told.as_mut().filter(|_| !waiting.read.is_empty()) {
            add_read(answer, &mut waiting.read);
        }
        let status = match &told {
            Some(Ok(_)) => "200".to_owned(),
            Some(Err(Refused(status, body))) => {
                format!("{status} {}", body["__type"].as_str().unwrap_or("").rsplit('#').next().unwrap())
            }
            None => "nothing".to_owned(),
        };
        let Waiting { actor, call: Call { operation, .. }, answer: to, .. } = waiting;
        self.note(format!("{} actor {actor} {operation} {subject}: {fate:?}, {status}", self.ticks.get()));
        match fate {
            // Nobody ever says so: whoever waits is told when the actor gives up by itself.
            Fate::Hang => self.unheard.borrow_mut().push(to),
            Fate::Death => {
                self.deaths[actor].notify_one();
                self.unheard.borrow_mut().push(to);
            }
            _ => answer(to, told),
        }
    }

    /// What was asked by somebody who waits no more has arrived, or not.
    fn bury(&self) {
        self.unheard.borrow_mut().retain(|answer| !answer.is_closed());
        let mut queue = self.queue.lock().unwrap();
        let mut gone: Vec<Waiting> = queue.extract_if(.., |waiting| waiting.answer.is_closed()).collect();
        drop(queue);
        gone.sort_by_cached_key(|waiting| {
            (waiting.actor, waiting.call.operation.name(), waiting.call.subject())
        });
        for Waiting { actor, call, .. } in gone {
            if self.rng.borrow_mut().u32(..3) == 0 {
                self.note(format!("actor {actor} waits no more: {} {}", call.operation, call.subject()));
                drop(self.apply(&call));
            }
        }
    }

    fn pass_time(&self) {
        if self.stands.get() {
            return;
        }
        let mut rng = self.rng.borrow_mut();
        let step = match rng.u32(..10_000) {
            // An hour to three days, as nobody waits for in a test.
            roll if roll < self.jumps / 5 => rng.i64(3_600_000..3 * 86_400_000),
            roll if roll < self.jumps => rng.i64(60_000..3_600_000),
            _ => rng.i64(0..40),
        };
        self.clock.set(self.clock.get() + step);
        if rng.u32(..20) == 0 {
            // An index is behind by moments, not for ever.
            let mut table = self.table.borrow_mut();
            let lag = table.lag();
            table.follow(lag.div_ceil(2));
        }
        if rng.u32(..500) == 0 {
            // A clock is set right, or wrong; also back.
            let actor = rng.usize(..self.skews.len());
            self.skews[actor].set(rng.i64(-90_000..90_000));
        }
    }

    /// Lets something arrive that was thought lost, if anything was.
    fn arrive_late(&self) -> bool {
        let call = {
            let mut late = self.late.borrow_mut();
            if late.is_empty() {
                return false;
            }
            let at = self.rng.borrow_mut().usize(..late.len());
            late.swap_remove(at)
        };
        let outcome = if self.apply(&call).is_ok() { "it takes effect" } else { "it is refused" };
        self.note(format!("late arrives {} {}: {outcome}", call.operation, call.subject()));
        true
    }

    /// Whether the database is out for this call: troubles come together.
    fn is_out(&self) -> bool {
        let mut rng = self.rng.borrow_mut();
        if let Some(left) = self.outage.get().checked_sub(1) {
            self.outage.set(left);
            return rng.u32(..10) > 0;
        }
        if self.outages > 0 && rng.u32(..self.outages) == 0 {
            self.outage.set(rng.u32(10..80));
        }
        false
    }

    fn fate_of(&self, call: &Call) -> Fate {
        let weights = self.weights.borrow();
        let fate = if weights.len() > 1 && self.is_out() {
            let broken = [Fate::LostRequest, Fate::LostAnswer, Fate::Late, Fate::Throttled, Fate::Failed];
            broken[self.rng.borrow_mut().usize(..broken.len())]
        } else {
            let all: u32 = weights.iter().map(|(_, weight)| weight).sum();
            let mut roll = self.rng.borrow_mut().u32(..all);
            let mut fate = Fate::Success;
            for (of, weight) in &*weights {
                if roll < *weight {
                    fate = *of;
                    break;
                }
                roll -= weight;
            }
            fate
        };
        match fate {
            Fate::Late if !call.operation.writes() => Fate::LostRequest,
            fate if fate.is_impossible_for(call.operation).is_some() => Fate::Success,
            Fate::Torn if call.keys().is_none_or(|keys| keys.len() < 2) => Fate::Success,
            fate => fate,
        }
    }

    /// What the caller is told; nothing where the connection breaks.
    fn befall(&self, fate: Fate, call: &Call) -> Told {
        if fate == Fate::Late {
            self.late.borrow_mut().push(call.clone());
        }
        let waits = |late: &Call| late.body["ClientRequestToken"] == call.body["ClientRequestToken"];
        if matches!(fate, Fate::Success | Fate::Stale | Fate::Torn)
            && call.operation == Operation::TransactWriteItems
            && self.late.borrow().iter().any(waits)
            && self.rng.borrow_mut().bool()
        {
            return Some(Err(refused("TransactionInProgressException", json!({"message": "on purpose"}))));
        }
        call.befall(fate, &self.rng, |call| self.apply(call))
    }

    fn apply(&self, call: &Call) -> Result<Value, Refused> {
        let Call { operation, body } = call;
        let mut table = self.table.borrow_mut();
        if call.reads_behind() {
            let lag = table.lag();
            let calm = self.weights.borrow().len() == 1;
            table.follow(if calm { lag } else { self.rng.borrow_mut().usize(..=lag) });
            if table.lag() > 0 {
                *self.fates.borrow_mut().entry((*operation, Fate::Stale)).or_default() += 1;
            }
        }
        let answer = table.answer(*operation, body);
        if let Some(shadow) = &self.shadow {
            shadow.borrow_mut().compare(operation.name(), body, &answer, table.lag() > 0);
        }
        answer
    }
}
