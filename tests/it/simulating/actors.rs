//! Who acts: clients with what they ask for, the schedule, and those who follow the table's stream. Each is a process that may
//! die at any store call; whoever wants something asks again with the same key.

use std::{
    any::Any,
    cell::{Cell, OnceCell, RefCell},
    collections::BTreeSet,
    panic::{AssertUnwindSafe, resume_unwind},
    rc::Rc,
    time::Duration,
};

use edge::{Event, StreamRecord};
use expire_on_schedule::expire_on_schedule;
use fastrand::Rng;
use futures::FutureExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use store::Store;

use super::{
    process::{Answer, Process, Request, batch, keys, records},
    turnstile::Turnstile,
};

/// Clients of one run.
pub const CLIENTS: usize = 3;
/// The other actors, behind the clients; the last is the one who prepares, and who looks at the end.
const SCHEDULE: usize = CLIENTS;
const GROUPS: usize = CLIENTS + 1;
const LISTS: usize = CLIENTS + 2;
const NEWS: usize = CLIENTS + 3;
const JUDGE: usize = CLIENTS + 4;
pub const ACTORS: usize = CLIENTS + 5;

pub const CUSTOMERS: [&str; 3] = ["alice", "bob", "carol"];
pub const CURRENCIES: [&str; 2] = ["USD", "EUR"];
/// Tries of one command, from the client's side.
const TRIES: u32 = 5;
/// Records of one batch: no more than are worked on at a time, so that their order does not matter.
const BATCH: usize = 12;

/// Something that somebody wants, under a key.
#[derive(Clone, Debug)]
pub struct Command {
    pub kind: &'static str,
    function: &'static str,
    method: &'static str,
    path: String,
    pub key: Option<String>,
    pub body: Value,
    pub customer: String,
    /// What its entry can be known by; absent where no entry tells what was asked for.
    pub tag: Option<String>,
    admin: bool,
}

/// One try of a command, and what came of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub command: usize,
    pub invoked: u64,
    pub returned: u64,
    /// Nothing where the process died.
    pub answer: Option<Answer>,
}

impl Command {
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// What clients have heard of, to ask for more about.
#[derive(Default)]
struct Known {
    holds: Vec<(String, String)>,
    spendings: Vec<(String, String)>,
    lots: Vec<(String, String)>,
    topups: Vec<(String, String)>,
}

/// One run.
pub struct Run {
    pub turnstile: Turnstile,
    known: RefCell<Known>,
    pub commands: RefCell<Vec<Command>>,
    pub attempts: RefCell<Vec<Attempt>>,
    /// Ids of the grants to groups that were answered.
    pub jobs: RefCell<BTreeSet<String>>,
    /// What the bus took, in order.
    pub told: RefCell<Vec<Value>>,
    /// What becomes of what the bus is told, as long as it may refuse it.
    bus: RefCell<Option<Rng>>,
    /// How far the bus was told of the stream.
    news: Cell<usize>,
    acting: Cell<usize>,
    /// As which the judge asks.
    judge: OnceCell<Process>,
    /// What an actor panicked with.
    broken: RefCell<Option<Box<dyn Any + Send>>>,
}

impl Run {
    pub fn new(turnstile: Turnstile) -> Rc<Self> {
        Rc::new(Self {
            turnstile,
            known: RefCell::default(),
            commands: RefCell::default(),
            attempts: RefCell::default(),
            jobs: RefCell::default(),
            told: RefCell::default(),
            bus: RefCell::default(),
            news: Cell::new(0),
            acting: Cell::new(0),
            judge: OnceCell::new(),
            broken: RefCell::default(),
        })
    }

    fn at(&self, actor: usize) -> Timestamp {
        Timestamp::from_millisecond(self.turnstile.now(actor)).unwrap()
    }

    /// What comes of it, unless the actor dies before.
    async fn live<T>(&self, actor: usize, work: impl Future<Output = T>) -> Option<T> {
        let death = self.turnstile.death(actor);
        tokio::select! {
            biased;
            () = death.notified() => None,
            done = work => Some(done),
        }
    }

    /// Sends a command once.
    async fn send(&self, actor: usize, process: &Process, command: usize) -> Option<Answer> {
        let Command { function, method, path, key, body, admin, kind, .. } =
            self.commands.borrow()[command].clone();
        let request = Request { function, method, path: &path, key: key.as_deref(), body: &body, admin };
        let invoked = self.turnstile.tick();
        let at = self.at(actor);
        let answer = self.live(actor, process.answer(request, at)).await;
        let returned = self.turnstile.tick();
        let told = match &answer {
            None => "died".to_owned(),
            Some(Answer { status, replayed, json, .. }) => {
                let what = ["/code", "/entry/id", "/topup/id", "/job/id"];
                let what = what.iter().find_map(|at| json.pointer(at)).unwrap_or(&Value::Null);
                format!("{status} {what}{}", if *replayed { " again" } else { "" })
            }
        };
        self.turnstile.note(format!(
            "{invoked}..{returned} actor {actor} at {at}: {kind} {path} {} {}: {told}",
            key.as_deref().unwrap_or("-"),
            self.commands.borrow()[command].body
        ));
        let attempt = Attempt { command, invoked, returned, answer: answer.clone() };
        self.attempts.borrow_mut().push(attempt);
        answer
    }

    /// Acts until it is done, and is counted meanwhile.
    fn spawn(self: &Rc<Self>, act: impl Future<Output = ()> + 'static) {
        self.acting.set(self.acting.get() + 1);
        let run = Rc::clone(self);
        tokio::task::spawn_local(async move {
            if let Err(panic) = AssertUnwindSafe(act).catch_unwind().await {
                *run.broken.borrow_mut() = Some(panic);
            }
            run.acting.set(run.acting.get() - 1);
        });
    }

    /// Lets all calls pass until what was begun is done.
    async fn until_done(&self) {
        self.turnstile.turn(|| self.acting.get() == 0 || self.broken.borrow().is_some()).await;
        if let Some(panic) = self.broken.take() {
            resume_unwind(panic);
        }
    }

    /// Everything from the first call to the last, but for what the judge asks.
    pub async fn play(self: &Rc<Self>, seed: u64, operations: usize) {
        let run = Rc::clone(self);
        self.spawn(async move {
            let store = run.turnstile.store(JUDGE);
            let [_, (_, shop)] = keys();
            store.put_api_key(shop).await.unwrap();
            for (group, joining) in [
                ("all", Value::Null),
                ("vip", json!({"amount": "3.00", "category": "promotional", "reference": "welcome"})),
            ] {
                let path = format!("/v1/groups/{group}");
                run.ask("PUT", "settings", &path, json!({"policy": {}, "joining_grant": joining})).await;
            }
            for customer in ["alice", "bob", "dave"] {
                run.ask("PUT", "settings", &format!("/v1/customers/{customer}"), json!({"group": "all"}))
                    .await;
            }
        });
        self.until_done().await;

        self.turnstile.stir_up();
        self.bus.replace(Some(Rng::with_seed(!seed)));
        let clients = Rc::new(Cell::new(CLIENTS));
        for actor in 0..CLIENTS {
            let (run, clients) = (Rc::clone(self), Rc::clone(&clients));
            let rng = Rng::with_seed(seed.wrapping_mul(1_000).wrapping_add(u64::try_from(actor).unwrap()));
            self.spawn(async move {
                Client { run, actor, rng }.act(operations).await;
                clients.set(clients.get() - 1);
            });
        }
        let (run, busy) = (Rc::clone(self), Rc::clone(&clients));
        let mut rng = Rng::with_seed(seed ^ 0x5eed);
        self.spawn(async move {
            while busy.get() > 0 {
                tokio::time::sleep(Duration::from_millis(rng.u64(50..1_500))).await;
                let time_left = Duration::from_secs(if rng.bool() { 1 } else { 60 });
                let event = Event { at: run.at(SCHEDULE), time_left };
                let store = run.turnstile.store(SCHEDULE);
                drop(run.live(SCHEDULE, expire_on_schedule(store, event)).await);
            }
        });
        for actor in [GROUPS, LISTS, NEWS] {
            let (run, busy) = (Rc::clone(self), Rc::clone(&clients));
            let mut rng = Rng::with_seed(seed ^ u64::try_from(actor).unwrap());
            self.spawn(async move {
                let (mut place, mut store) = (0, run.turnstile.store(actor));
                while busy.get() > 0 {
                    tokio::time::sleep(Duration::from_millis(rng.u64(5..300))).await;
                    let before = place;
                    let patience = Duration::from_secs(if rng.bool() { 1 } else { 50 });
                    if !run.deliver(actor, &store, &mut place, patience).await {
                        store = run.turnstile.store(actor);
                    }
                    if rng.u32(..10) == 0 {
                        place = before;
                    }
                }
                if actor == NEWS {
                    run.news.set(place);
                }
            });
        }
        self.until_done().await;

        // What was begun is finished, as it would be within the next hour.
        self.turnstile.calm_down();
        self.bus.take();
        let run = Rc::clone(self);
        self.spawn(async move {
            let (mut groups, mut lists) = (0, 0);
            let store = run.turnstile.store(JUDGE);
            for pass in 0..2 {
                while groups < run.turnstile.with_table(|table| table.changes().len()) {
                    run.deliver(GROUPS, &store, &mut groups, Duration::from_secs(50)).await;
                }
                if pass == 0 {
                    let event = Event { at: run.at(SCHEDULE), time_left: Duration::from_secs(60) };
                    expire_on_schedule(store.clone(), event).await.unwrap();
                }
            }
            while lists < run.turnstile.with_table(|table| table.changes().len()) {
                run.deliver(LISTS, &store, &mut lists, Duration::from_secs(50)).await;
            }
            // What was told once is not told again: what was lost would stay so.
            let mut news = run.news.get();
            while news < run.turnstile.with_table(|table| table.changes().len()) {
                run.deliver(NEWS, &store, &mut news, Duration::from_secs(50)).await;
            }
        });
        self.until_done().await;
    }

    /// What the judge is told, by an admin's call that has to succeed.
    pub async fn ask(&self, method: &'static str, function: &'static str, path: &str, body: Value) -> Value {
        let process = self.judge.get_or_init(|| Process::start(&self.turnstile.store(JUDGE)));
        let command = Command {
            kind: "judge",
            function,
            method,
            path: path.to_owned(),
            key: None,
            body,
            customer: String::new(),
            tag: None,
            admin: true,
        };
        self.commands.borrow_mut().push(command);
        let command = self.commands.borrow().len() - 1;
        let answer = self.send(JUDGE, process, command).await.unwrap();
        assert!(answer.is_success(), "{path}: {}", answer.text);
        answer.json
    }

    /// Answers what the judge wants to know, while all calls pass.
    pub async fn judged<T: 'static>(self: &Rc<Self>, judge: impl Future<Output = T> + 'static) -> T {
        let told = Rc::new(RefCell::new(None));
        let tell = Rc::clone(&told);
        self.spawn(async move {
            let verdict = judge.await;
            *tell.borrow_mut() = Some(verdict);
        });
        self.until_done().await;
        told.take().unwrap()
    }

    /// Delivers the next records to one of those who follow the stream; what fails comes again, and what follows it. Tells
    /// whether it lived.
    async fn deliver(&self, actor: usize, store: &Store, place: &mut usize, patience: Duration) -> bool {
        let records = self.turnstile.with_table(|table| records(table, *place, BATCH));
        if records.is_empty() {
            return true;
        }
        let delivered = *place + records.len();
        let batch = batch(records, self.at(actor), patience);
        let store = store.clone();
        let failed: Option<Vec<StreamRecord>> = match actor {
            GROUPS => self.live(actor, grant_group::grant_group(store, batch)).await,
            LISTS => self.live(actor, index_customers::index_customers(store, batch)).await,
            _ => Some(notify::notify(batch, |events| async { self.tell(events) }).await),
        };
        let Some(failed) = failed else {
            return false;
        };
        let first = failed.iter().map(|record| record.sequence_number.parse().unwrap()).min();
        *place = first.unwrap_or(delivered);
        true
    }

    /// Tells the bus, and answers which of these events it says that it took.
    fn tell(&self, events: Vec<notify::Event>) -> Vec<bool> {
        let mut bus = self.bus.borrow_mut();
        let mut told = self.told.borrow_mut();
        events
            .into_iter()
            .map(|event| {
                // It refuses some, and of some its answer is lost.
                let fate = bus.as_mut().map_or(u32::MAX, |bus| bus.u32(..100));
                if fate >= 5 {
                    told.push(serde_json::to_value(event).unwrap());
                }
                fate >= 10
            })
            .collect()
    }
}

/// Somebody who calls the API, at random.
struct Client {
    run: Rc<Run>,
    actor: usize,
    rng: Rng,
}

impl Client {
    async fn act(mut self, operations: usize) {
        let mut process = Process::start(&self.run.turnstile.store(self.actor));
        for operation in 0..operations {
            let command = self.choose(operation);
            for tries in 0..TRIES {
                if tries > 0 {
                    tokio::time::sleep(Duration::from_millis(self.rng.u64(1..400))).await;
                }
                let answer = self.run.send(self.actor, &process, command).await;
                match answer {
                    None => process = Process::start(&self.run.turnstile.store(self.actor)),
                    Some(answer) if answer.is_final() && answer.json["code"] != "conflict" => {
                        self.learn(command, &answer);
                        break;
                    }
                    Some(_) => {}
                }
                if self.rng.u32(..5) == 0 {
                    // Nobody asks again; only what is read at the end tells.
                    break;
                }
            }
        }
    }

    /// What is asked for next: something new, something again, or something else under a key of before.
    fn choose(&mut self, operation: usize) -> usize {
        let run = Rc::clone(&self.run);
        let mut commands = run.commands.borrow_mut();
        let roll = self.rng.u32(..100);
        if roll < 9 {
            // What others are asking for right now, or some time ago.
            let first = commands.len().saturating_sub(if self.rng.bool() { 4 } else { 40 });
            let keyed: Vec<usize> =
                (first..commands.len()).filter(|at| commands[*at].key.is_some()).collect();
            if let Some(at) = self.one_of(&keyed) {
                if roll < 6 {
                    return at;
                }
                let id = format!("{}.{operation}.other", self.actor);
                let mut other = self.command(&id);
                if other.key.is_some() && other.kind != "group" && commands[at].kind != "group" {
                    // Keys are scoped to the customer.
                    other.key.clone_from(&commands[at].key);
                }
                let same =
                    |of: &Command| of.key == other.key && of.path == other.path && of.body == other.body;
                if let Some(same) = commands.iter().position(same) {
                    return same;
                }
                commands.push(other);
                return commands.len() - 1;
            }
        }
        let id = format!("{}.{operation}", self.actor);
        let follows_up = |of: &&Command| of.tag.is_none() && of.method == "POST" && of.kind != "quote";
        let last = &commands[commands.len().saturating_sub(5)..];
        let command = match last.iter().rev().find(follows_up) {
            // What somebody else does right now, wanted once more.
            Some(same) if roll < 30 => {
                Command { key: same.key.as_ref().map(|_| format!("key-{id}")), ..same.clone() }
            }
            _ => self.command(&id),
        };
        commands.push(command);
        commands.len() - 1
    }

    fn one_of<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        if list.is_empty() { None } else { Some(list[self.rng.usize(..list.len())].clone()) }
    }

    /// One of the last few.
    fn recent<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        let last = &list[list.len().saturating_sub(4)..];
        self.one_of(last)
    }

    fn amount(&mut self, most: u32) -> String {
        let cents = self.rng.u32(1..=most);
        format!("{}.{:02}", cents / 100, cents % 100)
    }

    fn command(&mut self, id: &str) -> Command {
        let run = Rc::clone(&self.run);
        let known = run.known.borrow();
        let customer = CUSTOMERS[if self.rng.u32(..3) > 0 { 0 } else { self.rng.usize(..3) }];
        let currency = CURRENCIES[usize::from(self.rng.u32(..5) == 0)];
        let base = format!("/v1/customers/{customer}");
        let lines = json!([
            {"code": "sub_total", "amount": self.amount(6_000), "sort_order": 1},
            {"code": "shipping", "amount": self.amount(900), "sort_order": 20},
        ]);
        let order = json!({"id": id, "currency": currency, "lines": lines});
        let exact = self.rng.bool();
        let key = Some(format!("key-{id}"));
        let tag = Some(id.to_owned());
        let new = |kind, function, path: String, body: Value| Command {
            kind,
            function,
            method: "POST",
            path,
            key: key.clone(),
            body,
            customer: customer.to_owned(),
            tag: None,
            admin: false,
        };
        let spend = |client: &mut Self, hold: bool| {
            let mut body = json!({"order": order});
            if exact {
                body["amount"] = json!(client.amount(3_000));
            }
            if hold {
                body["hold"] = json!(true);
                body["ttl_seconds"] = json!([60, 900, 86_400][client.rng.usize(..3)]);
            }
            let kind = if hold { "hold" } else { "redeem" };
            Command { tag: tag.clone(), ..new(kind, "redeem", format!("{base}/redemptions"), body) }
        };
        let on = |(of, entry): &(String, String), action: &str| {
            format!("/v1/customers/{of}/redemptions/{entry}/{action}")
        };
        let roll = self.rng.u32(..100);
        match roll {
            0..18 => {
                let category = ["goodwill", "promotional", "paid", "refund"][self.rng.usize(..4)];
                let amount = self.amount(4_000);
                let mut body =
                    json!({"amount": amount, "currency": currency, "category": category, "reference": id});
                match self.rng.u32(..4) {
                    0 => {
                        let millis = run.turnstile.now(self.actor) + self.rng.i64(60_000..5 * 86_400_000);
                        body["expires_at"] = json!(Timestamp::from_millisecond(millis).unwrap());
                    }
                    1 => body["expires"] = json!("never"),
                    _ => {}
                }
                Command { tag, ..new("grant", "grant", format!("{base}/grants"), body) }
            }
            18..40 => spend(self, false),
            40..47 => spend(self, true),
            47..54 => {
                let Some(hold) = self.recent(&known.holds) else { return spend(self, true) };
                let body = if exact { json!({"amount": self.amount(2_000)}) } else { json!({}) };
                Command { customer: hold.0.clone(), ..new("capture", "redeem", on(&hold, "capture"), body) }
            }
            54..57 => {
                let Some(hold) = self.recent(&known.holds) else { return spend(self, true) };
                Command { customer: hold.0.clone(), ..new("release", "redeem", on(&hold, "void"), json!({})) }
            }
            57..66 => {
                let Some(spent) = self.recent(&known.spendings) else { return spend(self, false) };
                let body = if exact { json!({"amount": self.amount(1_500)}) } else { json!({}) };
                Command { customer: spent.0.clone(), ..new("refund", "redeem", on(&spent, "refund"), body) }
            }
            66..69 => {
                let body = json!({"amount": self.amount(1_500), "currency": currency, "journal": "cash", "reference": id});
                Command { tag, ..new("withdraw", "withdraw", format!("{base}/withdrawals"), body) }
            }
            69..71 => {
                let body = json!({"amount": self.amount(1_000), "currency": currency, "reason": "wrong", "reference": id});
                Command { tag, admin: true, ..new("debit", "grant", format!("{base}/debits"), body) }
            }
            71..75 => {
                let Some((of, lot)) = self.recent(&known.lots) else { return spend(self, false) };
                let path = format!("/v1/customers/{of}/lots/{lot}");
                if exact {
                    let command = new("void", "grant", format!("{path}/void"), json!({"reason": id}));
                    return Command { tag, customer: of, admin: true, ..command };
                }
                let millis = run.turnstile.now(self.actor) + self.rng.i64(60_000..3 * 86_400_000);
                let body = json!({"expires_at": Timestamp::from_millisecond(millis).unwrap(), "reason": id});
                let command = new("expiry", "grant", path, body);
                Command { method: "PATCH", tag, customer: of, admin: true, ..command }
            }
            75..80 => {
                let payment = json!({"mode": "online", "method": "card"});
                let body = json!({"amount": self.amount(3_000), "currency": currency, "payment": payment, "reference": id});
                Command { tag, ..new("topup", "request-topup", format!("{base}/topups"), body) }
            }
            80..86 => {
                let Some((of, topup)) = self.recent(&known.topups) else { return spend(self, false) };
                let path = format!("/v1/customers/{of}/topups/{topup}");
                match self.rng.u32(..6) {
                    0 => Command {
                        key: None,
                        customer: of,
                        ..new("cancel", "request-topup", format!("{path}/cancel"), json!({}))
                    },
                    1 => Command {
                        key: None,
                        customer: of,
                        admin: true,
                        ..new("reject", "approve", format!("{path}/reject"), json!({"reason": "no"}))
                    },
                    _ => {
                        let body = if exact { json!({"amount": self.amount(1_500)}) } else { json!({}) };
                        let command = new("approve", "approve", format!("{path}/approve"), body);
                        Command { customer: of, admin: true, ..command }
                    }
                }
            }
            86 => {
                let amount = self.amount(500);
                let body = json!({"amount": amount, "currency": currency, "category": "promotional", "reference": id});
                let command = new("group", "grant", "/v1/groups/all/grants".to_owned(), body);
                Command { tag, customer: "all".to_owned(), admin: true, ..command }
            }
            87..89 => Command {
                method: "PUT",
                key: None,
                admin: true,
                ..new("settings", "settings", "/v1/settings".to_owned(), self.settings())
            },
            89 => {
                let body = if exact { json!({"group": "vip"}) } else { json!({}) };
                let path = "/v1/customers/carol".to_owned();
                Command { method: "PUT", key: None, admin: true, ..new("join", "settings", path, body) }
            }
            90 => {
                let mut policy = self.settings();
                policy.as_object_mut().unwrap().remove("apply_to_existing");
                let (path, body) = if exact {
                    ("/v1/groups/all", json!({"policy": policy}))
                } else {
                    let frozen = self.rng.u32(..4) == 0;
                    let of = ["/v1/customers/alice", "/v1/customers/bob"][self.rng.usize(..2)];
                    (of, json!({"group": "all", "policy": policy, "frozen": frozen}))
                };
                let command = new("settings", "settings", path.to_owned(), body);
                Command { method: "PUT", key: None, admin: true, ..command }
            }
            91 => {
                let path = format!("{base}/redemptions/quote");
                Command { key: None, ..new("quote", "redeem", path, json!({"order": order})) }
            }
            92..94 => {
                let path = format!("{base}/entries?limit=20&currency={currency}");
                Command { method: "GET", key: None, ..new("entries", "history", path, Value::Null) }
            }
            94 => {
                let millis = run.turnstile.now(self.actor) - self.rng.i64(0..3_600_000);
                let moment = Timestamp::from_millisecond(millis).unwrap();
                Command {
                    method: "GET",
                    key: None,
                    ..new("as_of", "history", format!("{base}?as_of={moment}"), Value::Null)
                }
            }
            _ => Command { method: "GET", key: None, ..new("read", "history", base, Value::Null) },
        }
    }

    /// Rules that differ from the defaults in one or two things.
    fn settings(&mut self) -> Value {
        let both = |amount: &str| json!({"USD": amount, "EUR": amount});
        let choices = [
            ("usage_limit", json!({"type": "percent", "maximum": "50"})),
            ("usage_limit", json!({"type": "fixed", "maximum": both("25.00")})),
            ("activation_total", both("20.00")),
            ("overdraft_limit", both("20.00")),
            ("overdraft_limit", both("100.00")),
            ("balance_limit", both("150.00")),
            ("transaction_limit", both("20.00")),
            ("topup_limit", both("120.00")),
            ("topup_approval", json!("automatic")),
            ("topup_pending_days", json!(1)),
            ("consumption_order", json!("expiring_first")),
            ("expiry_days", json!(1)),
            ("expiry_days", json!({"promotional": 0, "goodwill": 2})),
            ("refund_grace_days", json!(0)),
            ("withdrawable", json!(["goodwill", "paid"])),
            ("remind_days", json!([1])),
            ("expiry_exempt", json!(true)),
            ("hold_ttl_seconds", json!(60)),
            ("enabled", json!(false)),
        ];
        let mut settings = json!({});
        for _ in 0..self.rng.u32(..4) {
            let (name, value) = self.one_of(&choices).unwrap();
            settings[name] = value;
        }
        if settings["expiry_days"].is_number() && self.rng.bool() {
            settings["apply_to_existing"] = json!(true);
        }
        settings
    }

    fn learn(&self, command: usize, answer: &Answer) {
        let customer = self.run.commands.borrow()[command].customer.clone();
        let mut known = self.run.known.borrow_mut();
        let of = |id: &Value| (customer.clone(), id.as_str().unwrap().to_owned());
        let entry = &answer.json["entry"];
        match entry["type"].as_str() {
            Some("hold") => known.holds.push(of(&entry["id"])),
            Some("redeem" | "capture") => known.spendings.push(of(&entry["id"])),
            Some("grant" | "topup") => known.lots.push(of(&entry["id"])),
            _ => {}
        }
        if answer.json["topup"]["status"] == "pending" {
            known.topups.push(of(&answer.json["topup"]["id"]));
        }
        if let Some(id) = answer.json["job"]["id"].as_str() {
            self.run.jobs.borrow_mut().insert(id.to_owned());
        }
    }
}
