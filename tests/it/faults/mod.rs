//! Every call that the service makes to its database, and every fault that can befall such a call: each pair by itself.
//!
//! Each operation of `operations` runs once undisturbed, and what it asks of the database is noted. Then, for each of these calls
//! and each fate of the simulator's (`simulating::fates`), with each choice that the fate leaves open, it runs anew from the same
//! table with exactly that fault at that call: once, for all of the SDK's tries of the call, and for the whole try of whoever
//! called. Whoever called asks again, with the same key, until there is an answer that is final; the schedule, the stream and the
//! queue come again, as they do. Then there has to be exactly one effect: the table is what the undisturbed run left, byte for byte
//! but for what `Differs` names with its reason; the answer is the undisturbed one; and whatever else was answered says that the
//! same is to be tried again, within the time that a function has, and is never 500.
//!
//! How many calls and cases there are, by operation and by fate, stands in `docs/faults.md`, to which the test holds itself:
//! `SCRIP_WRITE=1` writes it. `SCRIP_OPERATION=refund` runs those operations alone whose name holds the word.

mod bench;
mod end_to_end;
mod operations;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    env,
    fmt::Write as _,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use deliver::{Mail, deliver_mails};
use edge::{Event, Message, Messages, StreamRecord};
use jiff::{SignedDuration, Timestamp};
use ledger::{Currency, Money, Movement};
use notify::notify;
use serde_json::{Value, json};
use store::{Rows, Store, Unimported};
use tokio::runtime;

use bench::{Bench, Fault, Lasts};
use operations::{By, Deed, Differs, Follower, Operation};

use crate::{
    simulating::{
        fates::{Call, Fate, Operation as Asks},
        process::{Answer, Process, Request, batch, keys, records},
        table::{Item, Table},
    },
    support::world::{START, ZERO_HASH},
};

/// As CI has cores.
const THREADS: usize = 2;
/// Tries until there is an answer that is final, or a run that succeeds.
const TRIES: usize = 8;
/// How long a function that answers HTTP has, as the template says: after that Lambda ends it, and the client is told 500.
const HTTP_TIME: Duration = Duration::from_secs(10);
/// Between tries, on a clock that stands but where nobody has anything to do.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a queue keeps a message away at most before it comes again: longer than a claim to tell somebody holds.
const REDELIVERY: SignedDuration = SignedDuration::from_mins(5);
/// Characters of a salt before a stored text.
const SALT: usize = 22;
/// Failed cases that are shown of each operation.
const SHOWN: usize = 5;
/// Where the count stands.
const LIST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/faults.md");

/// What there is before an operation.
struct Stage {
    table: Table,
    /// Changes before the last deed.
    place: usize,
    /// What answers of before told, by the name that a path has for it.
    known: BTreeMap<&'static str, String>,
}

/// What came of a deed.
#[derive(Debug)]
struct Outcome {
    /// What each try told, the last one last.
    told: Vec<Told>,
    items: BTreeMap<String, Item>,
    /// The names of the mails that were sent.
    mails: Vec<String>,
}

/// What one try told.
#[derive(Clone, Debug, PartialEq)]
enum Told {
    Answer(Answer),
    /// What a run that succeeded did.
    Did(Value),
    /// What came has to come again, or a run failed: its event source sends it again.
    Again,
    /// The process died.
    Nothing,
}

/// Somebody who does a deed, and the processes that are needed for it.
struct Play<'a> {
    bench: &'a Bench,
    stage: &'a Stage,
    at: Timestamp,
    mails: RefCell<Vec<String>>,
}

impl Play<'_> {
    /// Does it, again and again until it is settled.
    async fn settle(&self, deed: &Deed) -> Vec<Told> {
        let mut store = self.bench.watched();
        let mut process = Process::start(&store);
        let (mut told, mut place) = (Vec::new(), self.stage.place);
        for tries in 0..TRIES {
            if tries > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let begun = tokio::time::Instant::now();
            let came = self.live(deed, &store, &process, &mut place, tries).await;
            self.bench.end_try();
            if let Told::Answer(answer) = &came {
                let took = begun.elapsed();
                assert!(
                    took < HTTP_TIME,
                    "{} came after {took:?}, when Lambda had ended the function",
                    answer.text
                );
            }
            if came == Told::Nothing {
                store = self.bench.watched();
                process = Process::start(&store);
            }
            let is_settled = match &came {
                Told::Answer(answer) => is_final(answer),
                Told::Did(_) => true,
                Told::Again | Told::Nothing => false,
            };
            let waits = matches!(deed, Deed::Follow(_)) && self.has_records(place);
            told.push(came);
            if is_settled && !waits {
                return told;
            }
        }
        panic!("it is not settled after {TRIES} tries: {told:?}");
    }

    /// One try; the same is done by somebody else where a batch is read in two halves.
    async fn live(
        &self,
        deed: &Deed,
        store: &Store,
        process: &Process,
        place: &mut usize,
        tries: usize,
    ) -> Told {
        let mut work = Box::pin(self.once(deed, store, process, place, tries));
        loop {
            tokio::select! {
                biased;
                () = self.bench.death.notified() => return Told::Nothing,
                () = self.bench.tear.notified() => {
                    let rival = self.bench.calm();
                    let mut place = self.stage.place;
                    Box::pin(self.once(deed, &rival, &Process::start(&rival), &mut place, 0)).await;
                    self.bench.mend();
                }
                told = &mut work => return told,
            }
        }
    }

    async fn once(
        &self,
        deed: &Deed,
        store: &Store,
        process: &Process,
        place: &mut usize,
        tries: usize,
    ) -> Told {
        match deed {
            Deed::Ask { function, method, path, key, body, by } => {
                let mut path = path.clone();
                for (name, id) in &self.stage.known {
                    path = path.replace(&format!("{{{name}}}"), id);
                }
                let admin = *by == By::Admin;
                let request = Request { function, method, path: &path, key: *key, body, admin };
                Told::Answer(process.answer(request, self.at).await)
            }
            Deed::Follow(follower) => {
                let records = self.bench.with_table(|table| records(table, *place, usize::MAX));
                let delivered = *place + records.len();
                let batch = batch(records, self.at, Duration::from_secs(50));
                let failed: Vec<StreamRecord> = match follower {
                    Follower::Groups => grant_group::grant_group(store.clone(), batch).await,
                    Follower::Lists => index_customers::index_customers(store.clone(), batch).await,
                };
                let first = failed.iter().map(|record| record.sequence_number.parse().unwrap()).min();
                *place = first.unwrap_or(delivered);
                if first.is_some() { Told::Again } else { Told::Did(Value::Null) }
            }
            Deed::Expire(at) => {
                let event = Event { at: at.parse().unwrap(), time_left: Duration::from_secs(250) };
                match expire_on_schedule::expire_on_schedule(store.clone(), event).await {
                    Ok(swept) => Told::Did(json!(swept)),
                    Err(_) => Told::Again,
                }
            }
            Deed::Audit => {
                let event = Event { at: self.at, time_left: Duration::from_secs(250) };
                match audit::audit(store.clone(), event).await {
                    Ok(audited) => Told::Did(json!(audited)),
                    Err(_) => Told::Again,
                }
            }
            Deed::Close(at) => {
                let event = Event { at: at.parse().unwrap(), time_left: Duration::from_secs(250) };
                match close_books::close_books(store.clone(), event).await {
                    Ok(run) => Told::Did(json!(run)),
                    Err(_) => Told::Again,
                }
            }
            Deed::Import(rows) => {
                let movement = |(day, cents): &(u8, i64)| Movement {
                    id: day.to_string(),
                    at: format!("2026-01-{day:02}T00:00:00Z").parse().unwrap(),
                    amount: Money::from_minor(*cents, Currency::USD),
                    expiry: None,
                };
                let movements: Vec<Movement> = rows.iter().map(movement).collect();
                let rows = Rows {
                    customer: &"alice".parse().unwrap(),
                    currency: Currency::USD,
                    system: &"opencart".parse().unwrap(),
                    movements: &movements,
                    at: self.at,
                    known: false,
                    write: true,
                };
                match store.import(&rows).await {
                    Ok(imported) => Told::Did(json!({"rows": imported.rows, "balance": imported.balance})),
                    Err(Unimported::Store(_)) => Told::Again,
                    Err(refused) => panic!("{refused}"),
                }
            }
            Deed::Mail => {
                let tries = u32::try_from(tries).unwrap();
                let at = self
                    .at
                    .checked_add(REDELIVERY.checked_mul(i32::try_from(tries).unwrap()).unwrap())
                    .unwrap();
                let messages = self.messages(tries + 1).await;
                let batch = Messages { messages, at, time_left: Duration::from_secs(50) };
                let send = |mail: Mail| async move {
                    self.mails.borrow_mut().push(mail.id);
                    Ok(())
                };
                let undelivered = deliver_mails(store, batch, send).await;
                if undelivered.is_empty() { Told::Did(Value::Null) } else { Told::Again }
            }
        }
    }

    fn has_records(&self, place: usize) -> bool {
        self.bench.with_table(|table| place < table.changes().len())
    }

    /// What the bus and its queue make of the last deed.
    async fn messages(&self, deliveries: u32) -> Vec<Message> {
        let records = records(&self.stage.table, self.stage.place, usize::MAX);
        let told = RefCell::new(Vec::new());
        let failed = notify(batch(records, self.at, Duration::from_secs(50)), |events| {
            let taken = vec![true; events.len()];
            told.borrow_mut().extend(events.iter().map(|event| {
                let body = json!({"detail": event}).to_string();
                Message { id: event.id.clone(), receipt: event.id.clone(), deliveries, body }
            }));
            async move { taken }
        });
        assert_eq!(failed.await, Vec::new());
        told.into_inner()
    }
}

/// Whether it is settled by this: who is told to try again has an answer that is none.
fn is_final(answer: &Answer) -> bool {
    answer.is_final() && !(answer.status == 409 && answer.retry_after)
}

/// All that is done before, one after the other.
async fn prepare(operation: &Operation) -> Stage {
    fastrand::seed(0);
    let bench = Bench::default();
    let [_, (_, shop)] = keys();
    bench.calm().put_api_key(shop).await.unwrap();
    let mut stage = Stage { table: Table::default(), place: 0, known: BTreeMap::new() };
    for deed in &operation.before {
        stage.place = bench.with_table(|table| {
            // What the indexes show is what there was before the last deed.
            table.follow(usize::MAX);
            if matches!(deed, Deed::Follow(_)) { 0 } else { table.changes().len() }
        });
        let play =
            Play { bench: &bench, stage: &stage, at: START.parse().unwrap(), mails: RefCell::default() };
        let told = play.settle(deed).await;
        if let [Told::Answer(answer)] = &told[..] {
            assert!(answer.is_success(), "{}: {deed:?}: {}", operation.name, answer.text);
            for (name, at) in [("topup", "/topup/id"), ("job", "/job/id"), ("key", "/id")] {
                if let Some(id) = answer.json.pointer(at).and_then(Value::as_str) {
                    stage.known.insert(name, id.to_owned());
                }
            }
        }
    }
    stage.table = bench.with_table(|table| table.clone());
    stage
}

/// Does what the operation does, from where it begins, with this fault; tells what came of it and what the bench has seen.
fn play(operation: &Operation, stage: &Stage, fault: Option<Fault>) -> (Outcome, Bench) {
    // The store's own pauses and random tokens, and the SDK's; none of them as before.
    fastrand::seed(1);
    // It finds what a run did not see, and nothing else.
    let comes_again = fault.as_ref().is_none_or(|fault| fault.fate == Fate::Stale);
    let bench = Bench::new(stage.table.clone(), fault);
    let outcome = on_a_clock_that_stands(async {
        let play =
            Play { bench: &bench, stage, at: operation.at.parse().unwrap(), mails: RefCell::default() };
        let told = play.settle(&operation.deed).await;
        bench.end();
        if matches!(operation.deed, Deed::Expire(_)) && comes_again {
            // Within the hour, whatever it told.
            let (calm, mut place) = (bench.calm(), 0);
            let process = Process::start(&calm);
            let again = play.once(&operation.deed, &calm, &process, &mut place, 0).await;
            assert!(matches!(again, Told::Did(_)), "the next run failed");
        }
        let items = bench.with_table(|table| {
            table.items().iter().map(|((pk, sk), item)| (format!("{pk} {sk}"), (**item).clone())).collect()
        });
        Outcome { told, items, mails: play.mails.take() }
    });
    (outcome, bench)
}

fn on_a_clock_that_stands<T>(work: impl Future<Output = T>) -> T {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

/// Why no case is made of such a fate for such a call, if none is.
fn is_none_of(fate: Fate, asks: Asks) -> Option<&'static str> {
    match fate {
        Fate::LostAnswer if !asks.writes() => Some("a read leaves nothing behind: as LostRequest"),
        _ => fate.is_impossible_for(asks),
    }
}

/// Whether this very call cannot meet such a fate, although its kind can.
fn is_spared(fate: Fate, call: &Call, lag: usize) -> bool {
    match fate {
        // It names one item.
        Fate::Torn => call.keys().is_none_or(|keys| keys.len() < 2),
        // It reads no index that follows, or all is there that was before.
        Fate::Stale => !call.reads_behind() || lag == 0,
        Fate::Success => true,
        Fate::LostRequest
        | Fate::LostAnswer
        | Fate::Late
        | Fate::Hang
        | Fate::Twice
        | Fate::Conflict
        | Fate::InProgress
        | Fate::Throttled
        | Fate::Failed
        | Fate::Unprocessed
        | Fate::Death => false,
    }
}

/// For how long this can befall.
fn lasting(fate: Fate) -> &'static [Lasts] {
    match fate {
        Fate::Success => &[],
        // Nobody asks again for what was answered, nor does the dead.
        Fate::Twice | Fate::Torn | Fate::Death => &[Lasts::Once],
        Fate::Stale => &[Lasts::Once, Lasts::TheTry],
        Fate::LostRequest
        | Fate::LostAnswer
        | Fate::Late
        | Fate::Hang
        | Fate::Conflict
        | Fate::InProgress
        | Fate::Throttled
        | Fate::Failed
        | Fate::Unprocessed => &[Lasts::Once, Lasts::TheCall, Lasts::TheTry],
    }
}

/// Calls of one operation that are alike.
struct Row {
    asks: Asks,
    about: String,
    calls: usize,
    cases: usize,
}

/// What was counted of one operation.
#[derive(Default)]
struct Counted {
    /// In the order in which they are first made.
    rows: Vec<Row>,
    fates: BTreeMap<(Fate, Asks), usize>,
    failures: Vec<String>,
}

/// All cases of one operation.
fn exhaust(operation: &Operation) -> Counted {
    let stage = on_a_clock_that_stands(prepare(operation));
    let (undisturbed, bench) = play(operation, &stage, None);
    let (calls, lag) = (bench.calls(), stage.table.lag());
    let alike: Vec<(Asks, String)> = calls.iter().map(|call| (call.operation, about(call))).collect();
    let mut counted = Counted::default();
    for (at, call) in calls.iter().enumerate() {
        let first = alike.iter().position(|of| *of == alike[at]) == Some(at);
        let last = alike.iter().rposition(|of| *of == alike[at]) == Some(at);
        if first {
            let (asks, about) = alike[at].clone();
            counted.rows.push(Row { asks, about, calls: 0, cases: 0 });
        }
        let cases = if first || last {
            befall_all(operation, &stage, &undisturbed, (at, call, lag), &mut counted)
        } else {
            0
        };
        let row = counted
            .rows
            .iter_mut()
            .find(|row| (row.asks, &row.about) == (alike[at].0, &alike[at].1))
            .unwrap();
        row.calls += 1;
        row.cases += cases;
    }
    counted
}

/// All cases of one call; tells how many there are.
fn befall_all(
    operation: &Operation,
    stage: &Stage,
    undisturbed: &Outcome,
    (at, call, lag): (usize, &Call, usize),
    counted: &mut Counted,
) -> usize {
    let mut cases = 0;
    let fates = Fate::ALL
        .into_iter()
        .filter(|fate| is_none_of(*fate, call.operation).is_none() && !is_spared(*fate, call, lag));
    for (fate, lasts) in fates.flat_map(|fate| lasting(fate).iter().map(move |lasts| (fate, *lasts))) {
        let mut choices = Some(Vec::new());
        while let Some(chosen) = choices.take() {
            let fault = Fault { at, fate, lasts, choices: chosen };
            let case = format!("{}: {} {}: {fault:?}", operation.name, call.operation, call.subject());
            let tried = catch_unwind(AssertUnwindSafe(|| {
                let (outcome, bench) = play(operation, stage, Some(fault));
                assert!(bench.strikes() > 0, "it did not befall");
                (compare(operation, (fate, call), undisturbed, &outcome), bench.next_choices())
            }));
            match tried {
                Ok((verdict, next)) => {
                    choices = next;
                    counted.failures.extend(verdict.err().map(|why| format!("{case}\n    {why}")));
                }
                Err(panic) => {
                    let why = panic.downcast_ref::<String>().map(String::as_str);
                    let why = why.or(panic.downcast_ref::<&str>().copied()).unwrap_or_default();
                    counted.failures.push(format!("{case}\n    {why}"));
                }
            }
            cases += 1;
            *counted.fates.entry((fate, call.operation)).or_default() += 1;
        }
    }
    cases
}

/// Whether there was exactly one effect, and everybody was told the truth; else what is wrong.
fn compare(
    operation: &Operation,
    fault: (Fate, &Call),
    undisturbed: &Outcome,
    outcome: &Outcome,
) -> Result<(), String> {
    let (fate, call) = fault;
    let (last, before) = outcome.told.split_last().unwrap();
    for told in before {
        if let Told::Answer(Answer { status, retry_after, text, .. }) = told
            && !(matches!(status, 409 | 429 | 503) && *retry_after)
        {
            return Err(format!("answered {status} {text}"));
        }
    }
    // Whoever had to try again may have been done before, as may whoever was overtaken by the same call.
    let again = !before.is_empty() || fate == Fate::Torn;
    let may =
        Differing(operation.differs.iter().copied().filter(|differs| differs.may_be(fate, again)).collect());

    let ([theirs], [ours]) =
        ([last].map(|told| may.told(told)), [undisturbed.told.last().unwrap()].map(|told| may.told(told)));
    if theirs != ours && !(may.has(Differs::DoneAlready) && is_done_already(&theirs, &ours)) {
        return Err(format!("told {theirs}\n    and undisturbed {ours}"));
    }

    let (theirs, ours) = (may.items(outcome), may.items(undisturbed));
    if theirs != ours {
        let lines = |of: &[String], others: &[String]| -> String {
            of.iter().filter(|line| !others.contains(line)).map(|line| format!("\n      {line}")).collect()
        };
        let (more, less) = (lines(&theirs, &ours), lines(&ours, &theirs));
        return Err(format!("left{more}\n    and undisturbed{less}"));
    }
    is_chained(&outcome.items)?;

    let mut mails = outcome.mails.clone();
    mails.dedup();
    // It is told again only where it could not be noted that it was told.
    let is_note = call.operation == Asks::PutItem && call.body["ConditionExpression"].is_null();
    if mails != undisturbed.mails || (mails.len() != outcome.mails.len() && !is_note) {
        return Err(format!("mailed {:?}, and undisturbed {:?}", outcome.mails, undisturbed.mails));
    }
    Ok(())
}

/// Whether this tells that what was asked for is how it is already.
fn is_done_already(theirs: &Value, ours: &Value) -> bool {
    match theirs["body"]["code"].as_str() {
        Some("topup_not_pending") => theirs["body"]["status_now"] == ours["body"]["topup"]["status"],
        Some("webhook_not_found") => ours["status"] == 204,
        _ => false,
    }
}

/// Whether each account has the hash of its last entry, and each entry that of the one before.
fn is_chained(items: &BTreeMap<String, Item>) -> Result<(), String> {
    let mut hashes = BTreeMap::new();
    for item in items.values().filter(|item| item.contains_key("c")) {
        hashes.insert((item["pk"].clone().to_string(), item["n"]["S"].as_str().unwrap().to_owned()), item);
    }
    let hex = |hash: &Value| {
        let bytes = STANDARD.decode(hash["B"].as_str().unwrap()).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let mut last: BTreeMap<String, String> = BTreeMap::new();
    for ((customer, n), item) in &hashes {
        let account = format!("{customer} {}", n.split('#').nth(1).unwrap());
        let content: Value = serde_json::from_str(item["c"]["S"].as_str().unwrap()).unwrap();
        let before = last.insert(account, hex(&item["h"])).unwrap_or_else(|| ZERO_HASH.to_owned());
        if content["prev"] != before {
            return Err(format!("{customer} {n} is not chained to the entry before"));
        }
    }
    for item in items.values().filter(|item| item.contains_key("lots")) {
        let currency = item["sk"]["S"].as_str().unwrap().split('#').nth(1).unwrap();
        let account = format!("{} {currency}", item["pk"]);
        if last.get(&account).is_some_and(|hash| *hash != hex(&item["h"])) {
            return Err(format!("{account} has not the hash of its last entry"));
        }
    }
    Ok(())
}

impl Differs {
    /// Whether this may differ after such a fate; most only where somebody had to do it again.
    fn may_be(self, fate: Fate, again: bool) -> bool {
        match self {
            Self::Salts | Self::Random => true,
            Self::Behind => fate == Fate::Stale,
            // A run that did not see what there was to do did less.
            Self::Counts | Self::Steps => again || fate == Fate::Stale,
            Self::Versions | Self::Another | Self::DoneAlready | Self::Moments => again,
        }
    }
}

/// What may differ, and how things look without it.
struct Differing(BTreeSet<Differs>);

impl Differing {
    fn has(&self, differs: Differs) -> bool {
        self.0.contains(&differs)
    }

    fn told(&self, told: &Told) -> Value {
        let mut seen = match told {
            Told::Answer(answer) if self.has(Differs::Behind) => json!({"status": answer.status}),
            // Byte for byte, where nothing may differ.
            Told::Answer(answer) if self.0.is_empty() => {
                json!({"status": answer.status, "body": answer.text})
            }
            Told::Answer(answer) => json!({"status": answer.status, "body": answer.json}),
            Told::Did(_) if self.has(Differs::Counts) => Value::Null,
            Told::Did(did) => did.clone(),
            Told::Again | Told::Nothing => Value::Null,
        };
        if let Some(body) =
            seen.get_mut("body").and_then(Value::as_object_mut).filter(|_| self.has(Differs::Another))
        {
            // A webhook's secret is told where it is made, and to nobody else.
            body.remove("secret");
        }
        self.blank(&mut seen);
        seen
    }

    /// The items, each as a line of text, in order.
    fn items(&self, outcome: &Outcome) -> Vec<String> {
        let mut lines: Vec<String> = outcome
            .items
            .values()
            .filter_map(|item| self.item(item.clone()))
            .map(|item| item.to_string())
            .collect();
        lines.sort();
        if self.has(Differs::Another) {
            lines.dedup();
        }
        lines
    }

    fn item(&self, mut item: Item) -> Option<Value> {
        for name in ["c", "t", "doc"] {
            if let Some(document) = item.get(name).and_then(|document| document["S"].as_str()) {
                let document = serde_json::from_str(document).unwrap();
                item.insert(name.to_owned(), document);
            }
        }
        let (pk, sk) =
            (item["pk"]["S"].as_str().unwrap().to_owned(), item["sk"]["S"].as_str().unwrap().to_owned());
        if self.has(Differs::Versions)
            && let Some((kind @ ("CHANGE" | "CHANGE-MAIL" | "CHANGE-WEBHOOKS" | "P"), _)) = sk.split_once('#')
        {
            if item["doc"]["changes"] == json!({}) {
                return None;
            }
            item["sk"] = json!(kind);
        }
        if self.has(Differs::Versions) && pk == "JOB#REACH_BACK" {
            // Which change asked for it, as that is named.
            item["doc"]["id"] = json!("…");
        }
        if self.has(Differs::Salts) {
            for name in ["note", "internal_note", "reason"] {
                if let Some(text) = item.get_mut(name) {
                    *text = json!(&text["S"].as_str().unwrap()[SALT..]);
                }
            }
        }
        if (self.has(Differs::Salts) || self.has(Differs::Versions))
            && (item.contains_key("c") || item.contains_key("lots"))
        {
            item["h"] = json!("…");
        }
        if self.has(Differs::Random) && pk.starts_with("KEY#") {
            for name in ["h", "lk"] {
                item[name] = json!("…");
            }
        }
        let mut item = Value::Object(item);
        self.blank(&mut item);
        Some(item)
    }

    /// Takes what may differ out of a document.
    fn blank(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let differs = match &**name {
                        "version" | "policy_version" | "customer_version" => self.has(Differs::Versions),
                        "policy" => self.has(Differs::Versions) && member.is_number(),
                        "step" | "rounds" => self.has(Differs::Steps),
                        "dated" => self.has(Differs::Counts),
                        "told" => self.has(Differs::Moments),
                        _ => false,
                    };
                    if differs { *member = json!("…") } else { self.blank(member) }
                }
            }
            Value::Array(members) => {
                for member in &mut *members {
                    self.blank(member);
                }
                if self.has(Differs::Another) {
                    members.dedup();
                }
            }
            Value::String(text) => {
                let is_hash =
                    text.len() == ZERO_HASH.len() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
                let made =
                    ["whsec_", "sk_", "key_", "KEY#key_"].into_iter().find(|kind| text.starts_with(kind));
                if is_hash && (self.has(Differs::Salts) || self.has(Differs::Versions)) {
                    *text = "…".to_owned();
                } else if let Some(kind) = made.filter(|_| self.has(Differs::Random)) {
                    *text = format!("{kind}…");
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

/// What a call is about, without what tells apart calls that are alike: a shard, a version, a digest.
fn about(call: &Call) -> String {
    let body = &call.body;
    let alike = |part: &str| {
        let Some((kind, _)) = part.split_once('#') else { return part.to_owned() };
        match kind {
            "K" | "KEY" | "GRANT" | "TOLD" | "P" | "CHANGE" | "CHANGE-MAIL" | "CHANGE-WEBHOOKS"
            | "EXPIRY" | "ACCOUNT" | "JOURNAL" | "BOOKS" => format!("{kind}#…"),
            "BALANCE" => format!("{}…", part.trim_end_matches(|c: char| c.is_ascii_digit())),
            _ => part.to_owned(),
        }
    };
    if call.operation == Asks::Query {
        let (partition, place) = body["KeyConditionExpression"].as_str().unwrap().split_once(" = ").unwrap();
        let name = place.split(' ').next().unwrap();
        let value = body["ExpressionAttributeValues"][name]["S"].as_str().unwrap();
        let index = body["IndexName"].as_str().map_or_else(|| partition.to_owned(), str::to_owned);
        return format!("{index} {}", alike(value));
    }
    let keys = call.subject();
    let keys = keys.split(' ').map(|key| key.split('/').map(alike).collect::<Vec<_>>().join("/"));
    keys.collect::<Vec<_>>().join(", ")
}

/// The list as it has to stand in the folder of documents.
fn list(counted: &[(&Operation, Counted)]) -> String {
    let mut text = HEAD.to_owned();
    let sum = |of: fn(&Row) -> usize| -> usize {
        counted.iter().flat_map(|(_, counted)| &counted.rows).map(of).sum()
    };
    let (calls, cases) = (sum(|row| row.calls), sum(|row| row.cases));
    writeln!(text, "{} operations make {calls} calls: {cases} cases.\n\n## By fate\n", counted.len())
        .unwrap();
    writeln!(text, "| fate | {} |", Asks::ALL.map(Asks::name).join(" | ")).unwrap();
    writeln!(text, "| --- |{}", " --- |".repeat(Asks::ALL.len())).unwrap();
    for fate in Fate::ALL.into_iter().filter(|fate| *fate != Fate::Success) {
        let cells = Asks::ALL.map(|asks| match is_none_of(fate, asks) {
            Some(why) => why.to_owned(),
            None => {
                let of = |(_, counted): &(&Operation, Counted)| counted.fates.get(&(fate, asks)).copied();
                counted.iter().filter_map(of).sum::<usize>().to_string()
            }
        });
        writeln!(text, "| {fate:?} | {} |", cells.join(" | ")).unwrap();
    }
    writeln!(
        text,
        "\n## By operation\n\n| operation | asks | of what | calls | cases |\n| --- | --- | --- | --- | --- |"
    )
    .unwrap();
    for (operation, counted) in counted {
        for Row { asks, about, calls, cases } in &counted.rows {
            writeln!(text, "| {} | {asks} | `{about}` | {calls} | {cases} |", operation.name).unwrap();
        }
    }
    text
}

/// Before the list.
const HEAD: &str = "\
# Every call, every fault

Each call that an operation makes to the database, and how many cases of faults it goes through in
`cargo test -p tests --test it faults`: a fate, with each choice that it leaves open, once, for all of the SDK's tries of the call,
and for the whole try of whoever called. Of calls that are alike but for a shard or a version, the first and the last go through
them. `SCRIP_WRITE=1` writes this list; the test holds it to what it counts.

";

#[test]
fn whatever_befalls_whichever_call_there_is_exactly_one_effect() {
    let begun = Instant::now();
    let wanted = env::var("SCRIP_OPERATION").ok();
    let all = operations::all();
    let is_wanted =
        |operation: &&Operation| wanted.as_ref().is_none_or(|word| operation.name.contains(&**word));
    let all: Vec<&Operation> = all.iter().filter(is_wanted).collect();
    let next = Mutex::new(all.iter().enumerate());
    let take = || next.lock().unwrap().next();
    let done = Mutex::new(BTreeMap::new());
    thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                while let Some((at, operation)) = take() {
                    let begun = Instant::now();
                    let counted = exhaust(operation);
                    eprintln!("{}: {:?}", operation.name, begun.elapsed());
                    done.lock().unwrap().insert(at, (*operation, counted));
                }
            });
        }
    });
    let counted: Vec<(&Operation, Counted)> = done.into_inner().unwrap().into_values().collect();
    eprintln!("{:?}", begun.elapsed());
    let failures: Vec<&String> = counted.iter().flat_map(|(_, counted)| &counted.failures).collect();
    for (_, counted) in &counted {
        for failure in counted.failures.iter().take(SHOWN) {
            eprintln!("{failure}");
        }
    }
    assert!(failures.is_empty(), "{} cases failed; some are shown above", failures.len());

    if wanted.is_some() {
        return;
    }
    let list = list(&counted);
    if env::var_os("SCRIP_WRITE").is_some() {
        fs::write(LIST, &list).unwrap();
    }
    let stands = fs::read_to_string(LIST).unwrap_or_default();
    let differs =
        list.lines().zip(stands.lines().chain(std::iter::repeat(""))).find(|(is, stands)| is != stands);
    assert_eq!(differs, None, "docs/faults.md is not what was counted; SCRIP_WRITE=1 writes it");
    assert_eq!(
        list.len(),
        stands.len(),
        "docs/faults.md has more than what was counted; SCRIP_WRITE=1 writes it"
    );
}
