//! A simulated table before which one fault befalls one call: once, for all of the SDK's tries of it, or for a whole try of
//! the caller's.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};
use store::Store;
use tokio::sync::Notify;

use crate::simulating::{
    fates::{Answered, Call, Choices, Fate, Takes, add_read, answer, store_through},
    table::{Refused, Table, key},
};

/// For how long a fault befalls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lasts {
    /// One sending: the SDK's next try of it meets none.
    Once,
    /// All of the SDK's tries of this call.
    TheCall,
    /// This call and all of its kind that follow, until whoever called has an answer.
    TheTry,
}

/// What is to befall.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Which call, counted from zero as they are made.
    pub at: usize,
    pub fate: Fate,
    pub lasts: Lasts,
    /// What was chosen of what the fate leaves open, as far as it is not the first each time.
    pub choices: Vec<usize>,
}

/// When something arrives that was thought lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    /// After the next other call was answered: between a read and the write that follows from it.
    AfterTheNextCall,
    BetweenTries,
    AtTheEnd,
}

const ARRIVALS: [Arrival; 3] = [Arrival::AfterTheNextCall, Arrival::BetweenTries, Arrival::AtTheEnd];

struct Late {
    call: Call,
    at: usize,
    arrival: Arrival,
}

/// A batch of which a part is read.
struct Torn {
    rest: Call,
    read: Vec<Value>,
    answer: Answered,
}

/// Answers the same choices each time that the fault strikes, and tells which come next.
#[derive(Default)]
struct Script {
    choices: Vec<usize>,
    /// Whether the fault lasts.
    lasts: bool,
    /// What was chosen, of how many.
    taken: RefCell<Vec<(usize, usize)>>,
    place: Cell<usize>,
}

#[derive(Default)]
struct State {
    table: RefCell<Table>,
    fault: Option<Fault>,
    script: Script,
    /// The calls so far, without the SDK's further tries.
    calls: Vec<Call>,
    /// Which of them each sending is.
    sendings: HashMap<String, usize>,
    strikes: usize,
    /// Whether the try in which it struck has ended.
    is_over: bool,
    late: Vec<Late>,
    torn: Option<Torn>,
    /// What nobody will ever answer.
    unheard: Vec<Answered>,
}

/// The table, the fault, and what has happened.
#[derive(Clone, Default)]
pub struct Bench {
    state: Arc<Mutex<State>>,
    /// Told when whoever called dies.
    pub death: Arc<Notify>,
    /// Told when a batch is half read.
    pub tear: Arc<Notify>,
}

/// Lets calls through that nothing befalls.
struct Calm(Bench);

/// Lets calls through that the fault may befall.
struct Watched(Bench);

impl Choices for Script {
    fn yes(&self) -> bool {
        self.one_of(2) == 1
    }

    fn one_of(&self, count: usize) -> usize {
        let place = self.place.replace(self.place.get() + 1);
        // Another call that it strikes may leave less open.
        let chosen = self.choices.get(place).copied().unwrap_or(0) % count;
        let mut taken = self.taken.borrow_mut();
        if place == taken.len() {
            taken.push((chosen, count));
        }
        chosen
    }

    /// A read that is lost leaves nothing behind, whether it arrived or not.
    fn arrives(&self, call: &Call) -> bool {
        call.operation.writes() && self.yes()
    }

    /// Each of them, where it befalls once: the caller does not look which it was.
    fn item(&self, count: usize) -> usize {
        if self.lasts { 0 } else { self.one_of(count) }
    }

    /// Each item by itself: whoever asks for what is handed back asks for all of it.
    fn another(&self) -> bool {
        false
    }
}

impl Script {
    /// The choices that come after these, if any are left.
    fn next(&self) -> Option<Vec<usize>> {
        let taken = self.taken.borrow();
        let last = taken.iter().rposition(|(chosen, count)| chosen + 1 < *count)?;
        let mut next: Vec<usize> = taken[..=last].iter().map(|(chosen, _)| *chosen).collect();
        next[last] += 1;
        Some(next)
    }
}

impl State {
    fn apply(&self, call: &Call, is_stale: bool) -> Result<Value, Refused> {
        let mut table = self.table.borrow_mut();
        if call.reads_behind() && !is_stale {
            table.follow(usize::MAX);
        }
        table.answer(call.operation, &call.body)
    }

    /// What becomes of this sending of the call of this number.
    fn fate_of(&self, at: usize, is_first: bool, call: &Call) -> Fate {
        let Some(fault) = &self.fault else { return Fate::Success };
        let strikes = match fault.lasts {
            Lasts::Once => at == fault.at && is_first,
            Lasts::TheCall => at == fault.at,
            Lasts::TheTry => {
                let like = || call.operation == self.calls[fault.at].operation;
                at == fault.at || (at > fault.at && !self.is_over && like())
            }
        };
        if strikes { fault.fate } else { Fate::Success }
    }

    fn arrive(&mut self, due: impl Fn(&Late) -> bool) {
        let arrived: Vec<Late> = self.late.extract_if(.., |late| due(late)).collect();
        for late in arrived {
            drop(self.apply(&late.call, false));
        }
    }
}

impl Bench {
    /// Over a table as it is now.
    pub fn new(table: Table, fault: Option<Fault>) -> Self {
        let mut script = Script::default();
        if let Some(Fault { lasts, choices, .. }) = &fault {
            script = Script { choices: choices.clone(), lasts: *lasts != Lasts::Once, ..script };
        }
        let state = State { table: RefCell::new(table), fault, script, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), ..Self::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A process whose calls meet the fault.
    pub fn watched(&self) -> Store {
        store_through(Watched(self.clone()))
    }

    /// A process whose calls do not.
    pub fn calm(&self) -> Store {
        store_through(Calm(self.clone()))
    }

    pub fn with_table<T>(&self, look: impl FnOnce(&mut Table) -> T) -> T {
        look(&mut self.state().table.borrow_mut())
    }

    /// Reads the other half of the batch that was torn.
    pub fn mend(&self) {
        let mut state = self.state();
        let Torn { rest, mut read, answer: to } = state.torn.take().unwrap();
        let mut told = state.apply(&rest, false);
        add_read(told.as_mut().unwrap(), &mut read);
        answer(to, Some(told));
    }

    /// Whoever called has an answer, or is dead.
    pub fn end_try(&self) {
        let mut state = self.state();
        state.is_over = state.strikes > 0;
        state.unheard.clear();
        state.arrive(|late| late.arrival != Arrival::AtTheEnd);
    }

    /// Lets everything arrive that has not yet.
    pub fn end(&self) {
        self.state().arrive(|_| true);
    }

    /// The calls that were watched.
    pub fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How often it struck.
    pub fn strikes(&self) -> usize {
        self.state().strikes
    }

    /// The choices of the next case of this fault, if there is one.
    pub fn next_choices(&self) -> Option<Vec<usize>> {
        self.state().script.next()
    }
}

impl Takes for Calm {
    fn take(&self, call: Call, _: String, to: Answered) {
        let told = self.0.state().apply(&call, false);
        answer(to, Some(told));
    }
}

impl Takes for Watched {
    fn take(&self, call: Call, sending: String, to: Answered) {
        let bench = &self.0;
        let mut state = bench.state();
        let next = state.calls.len();
        let at = *state.sendings.entry(sending).or_insert(next);
        let is_first = at == next;
        if is_first {
            state.calls.push(call.clone());
        }
        let fate = state.fate_of(at, is_first, &call);
        if fate != Fate::Success {
            state.strikes += 1;
            state.script.place.set(0);
        }
        match fate {
            Fate::Torn => {
                let (first, rest) = split(&call, &state.script);
                let mut told = state.apply(&first, false).unwrap();
                let read = std::mem::take(told["Responses"][local::TABLE].as_array_mut().unwrap());
                state.torn = Some(Torn { rest, read, answer: to });
                bench.tear.notify_one();
                return;
            }
            Fate::Late => {
                let arrival = ARRIVALS[state.script.one_of(ARRIVALS.len())];
                state.late.push(Late { call: call.clone(), at, arrival });
            }
            _ => {}
        }
        let told = call.befall(fate, &state.script, |call| state.apply(call, fate == Fate::Stale));
        state.arrive(|late| is_first && at > late.at && late.arrival == Arrival::AfterTheNextCall);
        match fate {
            Fate::Hang => state.unheard.push(to),
            Fate::Death => {
                state.unheard.push(to);
                bench.death.notify_one();
            }
            _ => answer(to, told),
        }
    }
}

/// A batch in two: each of its items by itself, before all others or after them.
fn split(call: &Call, script: &Script) -> (Call, Call) {
    let mut keys = call.keys().unwrap().clone();
    keys.sort_by_cached_key(key);
    let is_first = script.yes();
    let one = keys.remove(script.one_of(keys.len()));
    let of = |keys: Vec<Value>| {
        let mut part = call.clone();
        part.body["RequestItems"][local::TABLE]["Keys"] = json!(keys);
        part
    };
    let (one, others) = (of(vec![one]), of(keys));
    if is_first { (one, others) } else { (others, one) }
}
