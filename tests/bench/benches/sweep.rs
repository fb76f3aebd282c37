//! What the schedule and a grant to a group cost at scale, on the embedded database in a file; and that both go on where
//! they were killed: `cargo bench -p bench --bench sweep`. For a look, `-- --accounts 10000 --due 500 --members 1000`.
//!
//! What works is a process of its own, which calls what the function calls, run after run, as long as a run says that it
//! ran out of time. Between it and the database is a wire that counts.
#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "there is nobody to answer to: what is not set up right shall stop; and nothing here is money"
)]

use std::{
    collections::BTreeMap,
    env, fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use bench::{
    Table,
    counting::{Counts, Wire},
    report,
};
use clap::{Parser, ValueEnum};
use dynoxide::{
    ImportOptions, Item,
    actions::{create_table::CreateTableRequest, get_item::GetItemRequest},
};
use edge::{Batch, Event, Problem, StreamRecord};
use expire_on_schedule::expire_on_schedule;
use futures::{StreamExt, stream};
use grant_group::grant_group;
use jiff::Timestamp;
use ledger::{Actor, Category, Currency, CustomerId, Grant, IdempotencyKey, LotExpiry, Role};
use local::{Database, TABLE, Template};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{
    ChangedItem, Command, CommandKey, Connection, Edit, Fingerprint, Group, GroupCommand, GroupGrantId,
    Profile, SHARDS, Store,
};
use tokio::net::TcpListener;

/// How long a run may take: the template's `Timeout` less what `edge` keeps of it.
const RUN: u64 = 295;
/// How long one may take where many are to follow each other.
const SHORT_RUN: u64 = 5;
/// When all was granted.
const GRANTED: &str = "2026-01-01T00:00:00Z";
/// When what is not due expires.
const NOT_DUE: &str = "2031-01-01T00:00:00Z";
/// Items that go into the database in one transaction of its own.
const CHUNK: usize = 20_000;

#[derive(Parser)]
struct Arguments {
    /// Accounts in the index.
    #[arg(long, default_value_t = 1_000_000)]
    accounts: usize,
    /// Of these, the due ones.
    #[arg(long, default_value_t = 10_000)]
    due: usize,
    /// Members of the group.
    #[arg(long, default_value_t = 100_000)]
    members: usize,
    /// Only this one.
    #[arg(long)]
    only: Option<Work>,
    /// Be the process that does the work, at this database.
    #[arg(long, hide = true)]
    work_at: Option<String>,
    /// The moment of the schedule's event, or the group's grant.
    #[arg(long, hide = true, default_value = "")]
    about: String,
    /// Seconds that a run may take.
    #[arg(long, hide = true, default_value_t = RUN)]
    run: u64,
    /// What cargo says to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Work {
    Sweep,
    GroupGrant,
}

impl Work {
    fn word(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::GroupGrant => "group-grant",
        }
    }
}

fn main() {
    let arguments = Arguments::parse();
    if let Some(endpoint) = &arguments.work_at {
        // As the functions' own `main`.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(work(&arguments, endpoint));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if arguments.only != Some(Work::GroupGrant) {
            sweeps(&arguments).await;
        }
        if arguments.only != Some(Work::Sweep) {
            grants(&arguments).await;
        }
    });
}

// The process that works.

/// Does what the function does until all is done, and tells of each run, and of its memory.
async fn work(arguments: &Arguments, endpoint: &str) {
    let store = Store::connect(Connection::local(TABLE, endpoint));
    let time_left = Duration::from_secs(arguments.run);
    loop {
        println!("run");
        let is_done = match arguments.only.unwrap() {
            Work::Sweep => {
                let event = Event { at: moment(&arguments.about), time_left };
                let swept = expire_on_schedule(store.clone(), event).await;
                // Lambda would try a run again that failed, as on a machine that is too busy to answer.
                swept.inspect_err(|error| eprintln!("{error}")).is_ok_and(|swept| !swept.interrupted)
            }
            Work::GroupGrant => {
                let id: GroupGrantId = arguments.about.parse().unwrap();
                let record = StreamRecord::about(ChangedItem::GroupGrant(id.clone()), "1");
                let batch = Batch { records: vec![record], at: moment(GRANTED), time_left };
                grant_group(store.clone(), batch).await;
                let job = store.group_grant(&id).await.inspect_err(|error| eprintln!("{error}"));
                job.is_ok_and(|job| job.unwrap().finished_at.is_some())
            }
        };
        if is_done {
            break;
        }
    }
    println!("memory {}", peak_memory("self"));
}

/// The most memory that a process has had, in KiB.
fn peak_memory(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

// The process that looks on.

/// What came of some work.
struct Done {
    time: Duration,
    runs: usize,
    memory: u64,
    counts: Counts,
}

impl Done {
    fn rate(&self, count: usize) -> u128 {
        count as u128 * 1_000 / self.time.as_millis().max(1)
    }
}

/// Has it done, killed once so many transactions were done, and started again.
async fn have_done(work: Work, about: &str, run: u64, wire: &Wire, kill: Option<usize>) -> Done {
    wire.take();
    let begun = Instant::now();
    let start = || {
        let mut worker = std::process::Command::new(env::current_exe().unwrap());
        worker.args(["--only", work.word(), "--work-at", wire.endpoint(), "--about", about]);
        worker.args(["--run", &run.to_string()]).stdout(Stdio::piped()).spawn().unwrap()
    };
    let (mut runs, mut memory) = (0, 0);
    let mut note = async |worker: Child| {
        let told = tokio::task::spawn_blocking(|| worker.wait_with_output().unwrap()).await.unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        runs += text.lines().filter(|line| *line == "run").count();
        let told_memory = text.lines().find_map(|line| line.strip_prefix("memory "));
        memory = memory.max(told_memory.map_or(0, |memory| memory.parse().unwrap()));
        told.status.success()
    };
    let mut killed_with = 0;
    if let Some(kill) = kill {
        let mut worker = start();
        while wire.transactions() < kill {
            assert!(worker.try_wait().unwrap().is_none(), "it ended before it was killed");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        killed_with = peak_memory(&worker.id().to_string());
        worker.kill().unwrap();
        assert!(!note(worker).await);
    }
    assert!(note(start()).await, "the work failed");
    Done { time: begun.elapsed(), runs, memory: memory.max(killed_with), counts: wire.take() }
}

// The schedule.

async fn sweeps(arguments: &Arguments) {
    let Arguments { accounts, due, .. } = *arguments;
    assert!(due >= 20 && accounts > due * 10, "too few accounts for so many due ones");
    let mut table = Table::new(&[
        "accounts in the index",
        "due",
        "killed",
        "s",
        "accounts a second",
        "runs",
        "read units an account",
        "write units an account",
        "peak memory, MiB",
        "requests",
    ]);
    let (few, small) = (due / 10, accounts / 10);
    let [day, next_day, last_day] = ["2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z"];

    let begun = Instant::now();
    let file = folder().join("small.db");
    fill(&file, small, &[(day, due)]).await;
    let fewer = Swept::of(&file, day, RUN, None).await;
    let file = folder().join("large.db");
    fill(&file, accounts, &[(day, few), (next_day, due), (last_day, due)]).await;
    eprintln!("{} accounts are there after {} s", small + accounts, begun.elapsed().as_secs());
    let one_in_ten = Swept::of(&file, day, RUN, None).await;
    let plain = Swept::of(&file, next_day, RUN, None).await;
    let killed = Swept::of(&file, last_day, SHORT_RUN, Some(due / 2)).await;
    let twice = killed.check(&file, last_day).await;
    fs::remove_dir_all(folder()).unwrap();

    for (accounts, swept, kill) in [
        (small, &fewer, "–"),
        (accounts, &one_in_ten, "–"),
        (accounts, &plain, "–"),
        (accounts, &killed, "halfway"),
    ] {
        let (count, done) = (swept.shards.len(), &swept.done);
        let (read, written) = done.counts.units();
        table.row(&[
            thousands(accounts),
            thousands(count),
            kill.to_owned(),
            seconds(done.time),
            done.rate(count).to_string(),
            done.runs.to_string(),
            each(read, count),
            each(written, count),
            (done.memory / 1024).to_string(),
            done.counts.trips(),
        ]);
    }
    let text = format!(
        "Accounts with one lot each in the index of what expires. The due ones were granted through the store, one by one; the \
         others are the item of one that was, as many times with another name. The sweep is a process of its own, and may take \
         {RUN} s a run; the last, {SHORT_RUN} s, and it gets a `kill -9` when half is booked. Then each of its accounts has two \
         entries that follow from each other and a balance of zero; {twice} transactions were sent beyond one an account. No \
         request is a Scan.\n\n{}\n\
         By shard, of {} due accounts among {}:\n\n{}\n\
         A DynamoDB partition takes 1,000 write units a second, an index's too, and one that is hot throttles the table. What moves an \
         account in this index costs it two units, so {SHARDS} shards let in {} grants a second that each expire before all else that \
         their account has. The schedule books 16 accounts at a time (`CONCURRENCY`), each with a read and a write after it: at 5 ms \
         for each, faster than DynamoDB, that would be 1,600 accounts a second and at most 3,200 units, {} in each shard, since it \
         goes through all of them by turns; one after the other, all of them in one.",
        table.text(),
        thousands(plain.shards.len()),
        thousands(accounts),
        plain.by_shard().text(),
        thousands(usize::from(SHARDS) * 500),
        3_200 / u32::from(SHARDS),
    );
    report("sweep", &text);
}

/// A sweep of everything that was due, and where that stood in the index.
struct Swept {
    shards: BTreeMap<String, u8>,
    done: Done,
}

impl Swept {
    async fn of(file: &Path, at: &str, run: u64, kill: Option<usize>) -> Self {
        let database = Database::start(Some(file), 0).await.unwrap();
        let store = Store::connect(database.connection());
        let shards = due(&store, at).await;
        let wire = Wire::to(database.endpoint()).await;
        let done = have_done(Work::Sweep, at, run, &wire, kill).await;
        assert!(due(&store, at).await.is_empty(), "something is still due");
        assert!(done.counts.writes.len() >= shards.len(), "something was not booked");
        assert_eq!(done.counts.requests("Scan"), 0);
        eprintln!("{} of {}: {} s", shards.len(), file.display(), done.time.as_secs());
        Self { shards, done }
    }

    /// Every account that was due is booked once and sound. Answers how many transactions were sent beyond one for each.
    async fn check(&self, file: &Path, at: &str) -> u64 {
        let database = Database::start(Some(file), 0).await.unwrap();
        let store = &Store::connect(database.connection());
        stream::iter(self.shards.keys())
            .for_each_concurrent(16, async |customer| {
                let verified = store.verify(&customer.parse().unwrap(), moment(at)).await.unwrap().unwrap();
                assert!(verified.is_sound(), "{customer}: {verified:?}");
                let account = &verified.accounts[0];
                assert_eq!((account.entries, account.balance), (2, 0), "{customer}");
            })
            .await;
        self.done.counts.requests("TransactWriteItems") - self.shards.len() as u64
    }

    /// How many were booked in each shard, and how many at most in one second.
    fn by_shard(&self) -> Table {
        let begun = self.done.counts.writes.iter().map(|(at, _)| *at).min().unwrap();
        let mut due = vec![0_usize; usize::from(SHARDS)];
        let mut by_second = BTreeMap::new();
        for shard in self.shards.values() {
            due[usize::from(*shard)] += 1;
        }
        for (at, partition) in &self.done.counts.writes {
            let shard = self.shards[partition.strip_prefix("C#").unwrap()];
            *by_second.entry((shard, (*at - begun).as_secs())).or_insert(0_usize) += 1;
        }
        let most = |shard: u8| {
            let seconds = by_second.iter().filter(|((of, _), _)| *of == shard);
            seconds.map(|(_, count)| *count).max().unwrap_or(0)
        };
        let names: Vec<String> = (0..SHARDS).map(|shard| shard.to_string()).collect();
        let columns = ["shard"].into_iter().chain(names.iter().map(String::as_str));
        let mut table = Table::new(&columns.collect::<Vec<_>>());
        let row = |name: &str, numbers: Vec<usize>| {
            let numbers = numbers.into_iter().map(|number| number.to_string());
            [name.to_owned()].into_iter().chain(numbers).collect::<Vec<_>>()
        };
        table.row(&row("booked", due));
        table.row(&row("at most in one second", (0..SHARDS).map(most).collect()));
        table
    }
}

/// Who is due, and in which part of the index.
async fn due(store: &Store, at: &str) -> BTreeMap<String, u8> {
    let mut found = BTreeMap::new();
    for shard in 0..SHARDS {
        let mut after = None;
        loop {
            let page = store.due(shard, moment(at), after, 1_000).await.unwrap();
            found.extend(page.data.into_iter().map(|due| (due.customer.to_string(), shard)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    found
}

/// Makes a database of so many accounts, of which so many are due at each of these moments.
async fn fill(file: &Path, accounts: usize, due: &[(&str, usize)]) {
    let loading = Loading::start(file).await;
    let store = &loading.store;
    let due = due.iter().flat_map(|(at, count)| (0..*count).map(move |_| moment(at)));
    let granted: Vec<Timestamp> = due.chain([moment(NOT_DUE)]).collect();
    stream::iter(granted.iter().enumerate())
        .for_each_concurrent(16, async |(place, expires)| grant(store, &customer(place), *expires).await)
        .await;

    let last = granted.len() - 1;
    let model = loading.item(&customer(last), "A#USD");
    loading.import(granted.len()..accounts, |place| {
        let customer = customer(place);
        let mut item = like(&model, &self::customer(last), &customer);
        let shard = shard(&customer);
        for (name, partition) in [("wq", "EXPIRY"), ("lq", "ACCOUNT")] {
            let text = format!("{partition}#{shard:02}");
            item.insert(name.to_owned(), dynoxide::AttributeValue::S(text)).expect("an account has it");
        }
        item
    });
    for place in 0..granted.len().min(100) {
        let customer = customer(place);
        let partition = serde_json::to_value(&loading.item(&customer, "A#USD")["wq"]).unwrap();
        assert_eq!(partition["S"], format!("EXPIRY#{:02}", shard(&customer)), "the store files it elsewhere");
    }
}

/// The part of the index that the store files a customer's account in.
fn shard(customer: &CustomerId) -> u8 {
    Sha256::digest(customer.as_str())[0] % SHARDS
}

async fn grant(store: &Store, customer: &CustomerId, expires: Timestamp) {
    let (actor, key) = (admin(), key());
    let command = Command {
        customer,
        currency: Some(Currency::USD),
        key: CommandKey::Client(&key),
        fingerprint: Fingerprint::NONE,
        actor: &actor,
        at: moment(GRANTED),
    };
    let gift = gift(Some(expires));
    let rule = |account: &_, policy: &_, at| ledger::grant(account, policy, &gift, Role::Admin, at);
    store.commit::<Problem>(&command, rule).await.unwrap();
}

// Grants to groups.

async fn grants(arguments: &Arguments) {
    let Arguments { members, .. } = *arguments;
    assert!(members >= 1_000, "too few members");
    let mut table = Table::new(&[
        "members",
        "killed",
        "s",
        "members a second",
        "runs",
        "read units a member",
        "write units a member",
        "peak memory, MiB",
        "requests",
    ]);
    let mut twice = 0;
    for (members, kill) in [(members / 10, None), (members, Some(members / 2))] {
        let file = folder().join(format!("members-{members}.db"));
        let id = group(&file, members).await;
        let database = Database::start(Some(&file), 0).await.unwrap();
        let wire = Wire::to(database.endpoint()).await;
        let run = if kill.is_some() { SHORT_RUN } else { RUN };
        let done = have_done(Work::GroupGrant, &id, run, &wire, kill).await;
        check(&database, &id, members).await;
        eprintln!("{members} members: {} s", done.time.as_secs());

        let pages = members.div_ceil(99) + usize::from(members.is_multiple_of(99));
        twice = done.counts.requests("TransactWriteItems") - (members + pages) as u64;
        let (read, written) = done.counts.units();
        table.row(&[
            thousands(members),
            kill.map_or("–", |_| "halfway").to_owned(),
            seconds(done.time),
            done.rate(members).to_string(),
            done.runs.to_string(),
            each(read, members),
            each(written, members),
            (done.memory / 1024).to_string(),
            done.counts.trips(),
        ]);
    }
    fs::remove_dir_all(folder()).unwrap();
    let text = format!(
        "A grant to all members of a group, by a process of its own; the larger one's runs take {SHORT_RUN} s at most, and it gets \
         a `kill -9` when half is credited. Then every member has one entry and 10.00; {twice} transactions were sent beyond one \
         a member and one a page of 99.\n\n{}",
        table.text()
    );
    report("group-grant", &text);
}

/// Makes a database with a group of so many members, and asks for a grant to it.
async fn group(file: &Path, members: usize) -> String {
    let loading = Loading::start(file).await;
    let (store, actor, group) = (&loading.store, admin(), "vip".parse().unwrap());
    let edit = Edit { actor: &actor, at: moment(GRANTED), expected: None };
    store.put_group::<Problem>(&group, edit, |_| Ok(Group::default())).await.unwrap();
    let profile = Profile { group: Some(group.clone()), ..Profile::default() };
    store.put_profile(&customer(0), &profile, edit).await.unwrap();
    let model = loading.item(&customer(0), "A");
    loading.import(1..members, |place| like(&model, &self::customer(0), &customer(place)));

    let (key, gift) = (key(), gift(None));
    let command = GroupCommand {
        group: &group,
        key: &key,
        fingerprint: Fingerprint::NONE,
        actor: &actor,
        at: moment(GRANTED),
    };
    let asked = store.grant_to_group::<Problem>(&command, None, &gift, |_, _| Ok(())).await.unwrap();
    asked.0.id.to_string()
}

/// Every member has one entry and what was granted, and the job says so.
async fn check(database: &Database, id: &str, members: usize) {
    let store = Store::connect(database.connection());
    let job = store.group_grant(&id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((job.credited, job.failed), (members as u64, 0));
    let (mut accounts, mut entries, mut request) = (0, 0, json!({"TableName": TABLE}));
    loop {
        let mut answer = database.call("DynamoDB_20120810.Scan", request.clone()).await.unwrap();
        for item in answer["Items"].as_array().unwrap() {
            let sk = item["sk"]["S"].as_str().unwrap();
            entries += usize::from(sk.starts_with("K#"));
            if sk == "A#USD" {
                accounts += 1;
                let found = (&item["num"]["N"], &item["life"]["L"][0]["N"]);
                assert_eq!(found, (&json!("1"), &json!("1000")), "{item}");
            }
        }
        match answer["LastEvaluatedKey"].take() {
            Value::Null => break,
            after => request["ExclusiveStartKey"] = after,
        }
    }
    assert_eq!((accounts, entries), (members, members));
}

// Filling.

/// A new database in a file that is being filled. Nothing of it has to outlast a crash, so that nothing waits for the disk.
struct Loading {
    database: dynoxide::Database,
    store: Store,
}

impl Loading {
    async fn start(file: &Path) -> Self {
        fs::create_dir_all(folder()).unwrap();
        for name in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{name}", file.display()));
        }
        let database = dynoxide::Database::new(file.to_str().unwrap()).unwrap();
        let mut table = Template::read().unwrap().table(TABLE).unwrap();
        // The embedded database looks through all records of a stream at each write; nobody follows this one.
        table.as_object_mut().unwrap().remove("StreamSpecification");
        database.create_table(serde_json::from_value::<CreateTableRequest>(table).unwrap()).unwrap();
        database.enable_bulk_loading().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        Self { database, store: Store::connect(Connection::local(TABLE, &endpoint)) }
    }

    /// A customer's item.
    fn item(&self, customer: &CustomerId, sk: &str) -> Item {
        let request = json!({
            "TableName": TABLE, "ConsistentRead": true,
            "Key": {"pk": {"S": format!("C#{customer}")}, "sk": {"S": sk}},
        });
        let request: GetItemRequest = serde_json::from_value(request).unwrap();
        self.database.get_item(request).unwrap().item.unwrap()
    }

    /// Puts one item for each of these places.
    fn import(&self, places: std::ops::Range<usize>, item: impl Fn(usize) -> Item) {
        let places: Vec<usize> = places.collect();
        for places in places.chunks(CHUNK) {
            let items = places.iter().map(|place| item(*place)).collect();
            let options = ImportOptions { record_streams: false, set_cached_at: false };
            self.database.import_items(TABLE, items, options).unwrap();
        }
    }
}

/// The same item of another customer.
fn like(item: &Item, of: &CustomerId, customer: &CustomerId) -> Item {
    let text = serde_json::to_string(item).unwrap();
    serde_json::from_str(&text.replace(of.as_str(), customer.as_str())).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/bench-sweep")
}

fn customer(place: usize) -> CustomerId {
    format!("c{place:07}").parse().unwrap()
}

fn admin() -> Actor {
    Actor { role: Role::Admin, id: "admin".to_owned() }
}

fn key() -> IdempotencyKey {
    "spring".parse().unwrap()
}

fn gift(expires: Option<Timestamp>) -> Grant {
    Grant {
        amount: "10".parse().unwrap(),
        category: Category::Goodwill,
        expiry: expires.map(LotExpiry::At),
        payment: None,
        reference: None,
        note: None,
        internal_note: None,
    }
}

// Figures.

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn seconds(time: Duration) -> String {
    Decimal::new(i64::try_from(time.as_millis()).unwrap(), 3).round_dp(1).to_string()
}

fn each(units: Decimal, count: usize) -> String {
    (units / Decimal::from(count)).round_dp(2).to_string()
}

fn thousands(number: usize) -> String {
    let text = number.to_string();
    let groups = text.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap());
    groups.collect::<Vec<_>>().join(",")
}
