//! Where every store call waits until the seed says that it goes on, and what becomes of it.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    fmt,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_smithy_runtime_api::client::{
    http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
};
use fastrand::Rng;
use local::TABLE;
use serde_json::{Value, json};
use store::{Connection, Store};
use tokio::sync::{Notify, oneshot};

use super::{
    shadow::Shadow,
    table::{Refused, Table, cancelled, key, refused},
};

/// One call takes so long at least; while the clock stands still for whoever computes, this is also how it is known that
/// everybody waits.
const TICK: Duration = Duration::from_millis(1);
/// Nobody waits longer than this for anything: far above all that the house allows itself.
const MAX_TICKS: u64 = 20_000_000;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    Success,
    /// It never arrives, and the connection ends.
    LostRequest,
    /// It takes effect, and the connection ends before the answer.
    LostAnswer,
    /// The connection ends, and it takes effect some time later.
    Late,
    /// It arrives, or not, and nobody ever says so.
    Hang,
    /// It arrives twice; the second answer is the one that is heard.
    Twice,
    /// Somebody else holds the item at that moment.
    Conflict,
    /// An earlier sending of the same transaction is not done yet.
    InProgress,
    Throttled,
    /// The database fails, before or after it took effect.
    Failed,
    /// The items of a batch are read at moments of their own: each is as it is then, together they never were.
    Torn,
    /// A part of a batch is handed back.
    Unprocessed,
    /// An index that follows by moments is read before it followed.
    Stale,
    /// Whoever called dies, before or after it took effect.
    Death,
}

/// Who waits for an answer: its status and body, or nothing where the connection breaks.
type Answered = oneshot::Sender<Option<(u16, String)>>;

/// How often each fate befell each operation.
pub type Fates = BTreeMap<(String, Fate), u64>;

/// One call that waits.
struct Waiting {
    actor: usize,
    operation: String,
    body: Value,
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
    late: RefCell<Vec<(String, Value)>>,
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

/// Brings an actor's calls before the turnstile.
struct Carrier {
    actor: usize,
    queue: Queue,
}

impl fmt::Debug for Carrier {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "Carrier({})", self.actor)
    }
}

impl HttpConnector for Carrier {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let (answer, answered) = oneshot::channel();
        self.queue.lock().unwrap().push(Waiting {
            actor: self.actor,
            operation,
            body,
            read: Vec::new(),
            answer,
        });
        HttpConnectorFuture::new(async move {
            match answered.await {
                Ok(Some((status, text))) => Ok(HttpResponse::new(status.try_into().unwrap(), text.into())),
                Ok(None) | Err(_) => Err(ConnectorError::io("the connection broke".into())),
            }
        })
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
        // The client keeps what it counts of its own retries by region, for all of a process.
        static REGION: AtomicU64 = AtomicU64::new(0);
        let queue = Arc::clone(&self.queue);
        let carrier = SharedHttpConnector::new(Carrier { actor, queue });
        let mut connection = Connection::local(TABLE, "http://simulated");
        connection.region = format!("simulated-{}", REGION.fetch_add(1, Ordering::Relaxed));
        Store::connect(connection.through(http_client_fn(move |_, _| carrier.clone())))
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
            queue.sort_by_cached_key(|call| (call.actor, call.operation.clone(), subject(call)));
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
        let fate = self.fate_of(&waiting);
        let subject = subject(&waiting);
        *self.fates.borrow_mut().entry((waiting.operation.clone(), fate)).or_default() += 1;
        if fate == Fate::Torn {
            self.note(format!("{} actor {} reads a part of {subject}", self.ticks.get(), waiting.actor));
            let mut part = waiting.body.clone();
            let keys = waiting.body["RequestItems"][TABLE]["Keys"].as_array_mut().unwrap();
            keys.sort_by_cached_key(key);
            self.rng.borrow_mut().shuffle(keys);
            // What is read last is most often the account, which is what all write.
            let account = keys.iter().position(|of| key(of).1.starts_with("A#"));
            if let Some(account) = account.filter(|_| self.rng.borrow_mut().bool()) {
                keys.swap(0, account);
            }
            let rest = keys.split_off(self.rng.borrow_mut().usize(1..keys.len()));
            part["RequestItems"][TABLE]["Keys"] = json!(rest);
            let mut answer = self.apply("BatchGetItem", &part).unwrap();
            waiting.read.append(answer["Responses"][TABLE].as_array_mut().unwrap());
            self.queue.lock().unwrap().push(waiting);
            return;
        }
        let mut answer = self.befall(fate, &waiting);
        if let Some(Ok(answer)) = answer.as_mut().filter(|_| !waiting.read.is_empty()) {
            let responses = answer["Responses"].as_object_mut().unwrap();
            let items = responses.entry(TABLE).or_insert_with(|| json!([])).as_array_mut().unwrap();
            items.append(&mut waiting.read);
        }
        let status = match &answer {
            Some(Ok(_)) => "200".to_owned(),
            Some(Err(Refused(status, body))) => {
                format!("{status} {}", body["__type"].as_str().unwrap_or("").rsplit('#').next().unwrap())
            }
            None => "nothing".to_owned(),
        };
        let Waiting { actor, operation, answer: to, .. } = waiting;
        self.note(format!("{} actor {actor} {operation} {subject}: {fate:?}, {status}", self.ticks.get()));
        match (fate, answer) {
            // Nobody ever says so: whoever waits is told when the actor gives up by itself.
            (Fate::Hang, _) => self.unheard.borrow_mut().push(to),
            (Fate::Death, _) => {
                self.deaths[actor].notify_one();
                self.unheard.borrow_mut().push(to);
            }
            (_, None) => drop(to.send(None)),
            (_, Some(Ok(answer))) => drop(to.send(Some((200, answer.to_string())))),
            (_, Some(Err(Refused(status, body)))) => drop(to.send(Some((status, body.to_string())))),
        }
    }

    /// What was asked by somebody who waits no more has arrived, or not.
    fn bury(&self) {
        self.unheard.borrow_mut().retain(|answer| !answer.is_closed());
        let mut queue = self.queue.lock().unwrap();
        let mut gone: Vec<Waiting> = queue.extract_if(.., |call| call.answer.is_closed()).collect();
        drop(queue);
        gone.sort_by_cached_key(|call| (call.actor, call.operation.clone(), subject(call)));
        for call in gone {
            if self.rng.borrow_mut().u32(..3) == 0 {
                self.note(format!(
                    "actor {} waits no more: {} {}",
                    call.actor,
                    call.operation,
                    subject(&call)
                ));
                drop(self.apply(&call.operation, &call.body));
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
        let (operation, body) = {
            let mut late = self.late.borrow_mut();
            if late.is_empty() {
                return false;
            }
            let at = self.rng.borrow_mut().usize(..late.len());
            late.swap_remove(at)
        };
        let outcome = if self.apply(&operation, &body).is_ok() { "it takes effect" } else { "it is refused" };
        self.note(format!("late arrives {operation} {}: {outcome}", subject_of(&body)));
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

    fn fate_of(&self, call: &Waiting) -> Fate {
        let writes = matches!(&*call.operation, "TransactWriteItems" | "PutItem");
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
            Fate::Late if !writes => Fate::LostRequest,
            Fate::Twice | Fate::Conflict if !writes => Fate::Success,
            Fate::InProgress if call.operation != "TransactWriteItems" => Fate::Success,
            Fate::Unprocessed if call.operation != "BatchGetItem" => Fate::Success,
            Fate::Torn => {
                let keys = call.body["RequestItems"][TABLE]["Keys"].as_array();
                if keys.is_some_and(|keys| keys.len() > 1) { Fate::Torn } else { Fate::Success }
            }
            fate => fate,
        }
    }

    /// What the caller is told; nothing where the connection breaks.
    fn befall(&self, fate: Fate, call: &Waiting) -> Option<Result<Value, Refused>> {
        let apply = || self.apply(&call.operation, &call.body);
        let maybe = || {
            if self.rng.borrow_mut().bool() {
                drop(apply());
            }
        };
        let told = |kind: &str| Err(refused(kind, json!({"message": "on purpose"})));
        let is_transaction = call.operation == "TransactWriteItems";
        Some(match fate {
            Fate::Success | Fate::Stale | Fate::Torn => {
                let token = &call.body["ClientRequestToken"];
                let late = self.late.borrow().iter().any(|(_, body)| body["ClientRequestToken"] == *token);
                if is_transaction && late && self.rng.borrow_mut().bool() {
                    return Some(told("TransactionInProgressException"));
                }
                apply()
            }
            Fate::LostRequest => return None,
            Fate::LostAnswer => {
                drop(apply());
                return None;
            }
            Fate::Late => {
                self.late.borrow_mut().push((call.operation.clone(), call.body.clone()));
                return None;
            }
            Fate::Hang | Fate::Death => {
                maybe();
                return None;
            }
            Fate::Twice => {
                drop(apply());
                apply()
            }
            Fate::Conflict if is_transaction => Err(self.cancelled(&call.body, "TransactionConflict")),
            Fate::Conflict => told("TransactionConflictException"),
            Fate::InProgress => told("TransactionInProgressException"),
            Fate::Throttled if is_transaction && self.rng.borrow_mut().bool() => {
                let code = ["ThrottlingError", "ProvisionedThroughputExceeded"];
                let code = code[self.rng.borrow_mut().usize(..2)];
                Err(self.cancelled(&call.body, code))
            }
            Fate::Throttled => told(if self.rng.borrow_mut().bool() {
                "ThrottlingException"
            } else {
                "ProvisionedThroughputExceededException"
            }),
            Fate::Failed => {
                maybe();
                let failed = if self.rng.borrow_mut().bool() {
                    (500, "InternalServerError")
                } else {
                    (503, "ServiceUnavailable")
                };
                let Refused(_, body) = refused(failed.1, json!({"message": "on purpose"}));
                Err(Refused(failed.0, body))
            }
            Fate::Unprocessed => {
                let mut body = call.body.clone();
                let mut back = Vec::new();
                let keys = body["RequestItems"][TABLE]["Keys"].as_array_mut().unwrap();
                keys.sort_by_cached_key(key);
                while back.is_empty() || (!keys.is_empty() && self.rng.borrow_mut().bool()) {
                    let at = self.rng.borrow_mut().usize(..keys.len());
                    back.push(keys.swap_remove(at));
                }
                let mut answer = if keys.is_empty() {
                    json!({"Responses": {}})
                } else {
                    self.apply(&call.operation, &body).unwrap()
                };
                answer["UnprocessedKeys"] = json!({TABLE: {"Keys": back, "ConsistentRead": true}});
                Ok(answer)
            }
        })
    }

    /// The transaction is cancelled on account of one of its items.
    fn cancelled(&self, body: &Value, code: &str) -> Refused {
        let mut reasons = vec!["None"; body["TransactItems"].as_array().unwrap().len()];
        let at = self.rng.borrow_mut().usize(..reasons.len());
        reasons[at] = code;
        cancelled(&reasons)
    }

    fn apply(&self, operation: &str, body: &Value) -> Result<Value, Refused> {
        let mut table = self.table.borrow_mut();
        if operation == "Query" && body["ConsistentRead"] != true && !body["IndexName"].is_null() {
            let lag = table.lag();
            let calm = self.weights.borrow().len() == 1;
            table.follow(if calm { lag } else { self.rng.borrow_mut().usize(..=lag) });
            if table.lag() > 0 {
                *self.fates.borrow_mut().entry((operation.to_owned(), Fate::Stale)).or_default() += 1;
            }
        }
        let answer = table.answer(operation, body);
        if let Some(shadow) = &self.shadow {
            shadow.borrow_mut().compare(operation, body, &answer, table.lag() > 0);
        }
        answer
    }
}

/// What a call is about, the same in every run of a seed: the keys that it names.
fn subject(call: &Waiting) -> String {
    subject_of(&call.body)
}

fn subject_of(body: &Value) -> String {
    let one = |attributes: &Value| {
        let (pk, sk) = key(attributes);
        format!("{pk}/{sk}")
    };
    if let Some(puts) = body["TransactItems"].as_array() {
        return puts.iter().map(|put| one(&put["Put"]["Item"])).collect::<Vec<_>>().join(" ");
    }
    if let Some(keys) = body["RequestItems"][TABLE]["Keys"].as_array() {
        let mut keys: Vec<String> = keys.iter().map(one).collect();
        keys.sort_unstable();
        return keys.join(" ");
    }
    if let Some(values) = body["ExpressionAttributeValues"].as_object().filter(|_| body["Item"].is_null()) {
        let mut values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        values.sort_unstable();
        return format!("{} {}", body["IndexName"], values.join(" "));
    }
    one(if body["Item"].is_null() { &body["Key"] } else { &body["Item"] })
}
