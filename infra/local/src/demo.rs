//! A shop with a year behind it, for whoever wants to see Scrip alive: filled through the functions themselves, call by call, each at
//! its own moment, as if the year had been.
//!
//! It is filled in memory, and comes into its folder as one file once it is whole: there is no half shop.

mod lives;
mod people;

use std::{
    collections::{BTreeSet, VecDeque},
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use close_books::close_books;
use dynoxide::actions::update_table::UpdateTableRequest;
use edge::{Batch, Event, Gate, Oidc, StreamRecord};
use expire_on_schedule::expire_on_schedule;
use futures::{StreamExt, TryStreamExt, stream};
use grant_group::grant_group;
use http::{Request, StatusCode, header};
use index_customers::index_customers;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use ledger::{CustomerId, Zone};
use serde_json::{Value, json};
use store::{ChangedItem, Due, EntriesFilter, MAX_PAGE, SHARDS, Store};
use tokio::task::JoinHandle;

use crate::{
    AUDIENCE, Bundle, Database, Failure, Issuer, TABLE, Template, database,
    serve::{Credentials, SENDER, keep_store_key, listen, site},
    sign_in,
};
use lives::{By, Life, Step, Year};

/// Customers of the demo's shop.
pub const DEMO_CUSTOMERS: usize = 300;

/// Days that the shop has been open.
const DAYS: i64 = 365;
/// Days until now of which the table's stream tells: mails are about these, and no mail is about a year ago.
const TOLD: i64 = 2;
/// Where the shop is.
const ZONE: &str = "America/New_York";
/// Customers who are served at the same time.
const CONCURRENCY: usize = 16;
/// How long the schedule waits at most where nothing expires.
const FORTNIGHT: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long a token is valid here, and how long after an expiry the schedule comes.
const MOMENTS: SignedDuration = SignedDuration::from_mins(5);
/// How long one run of a function may take.
const PATIENCE: Duration = Duration::from_secs(50);
/// How often a call is tried on a machine that is too busy to answer it.
const TRIES: u32 = 3;
/// What stands for what a story's last call made.
const MADE: &str = "{made}";

/// How to fill a demo.
#[derive(Clone, Debug)]
pub struct Demo {
    /// Customers; the first twenty are those whom a newcomer should meet.
    pub customers: usize,
    /// What shows how far it is.
    pub bar: ProgressBar,
}

/// The database in this file, or one in memory, with a demo in it if nothing had happened in it: the year until `now`.
///
/// # Errors
/// When the file cannot be had, or the shop cannot be filled; then there is no more in the file than before.
pub(crate) async fn database(
    file: Option<&Path>,
    demo: &Demo,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Database, Failure> {
    let known = file.filter(|file| file.exists());
    let embedded = database::open(None)?;
    if let Some(file) = known {
        embedded.restore_from(database::path(file)?)?;
    }
    let served = Database::of(embedded.clone(), 0).await?;
    if has_accounts(&Store::connect(served.connection())).await? {
        return Database::start(file, 0).await;
    }
    Filling::of(&served, &embedded, demo, credentials, now).await?.fill(&served).await?;
    let Some(file) = file else { return Ok(served) };

    let whole = file.with_extension("filled");
    if whole.exists() {
        // One that was filled, and stopped before it came to its place.
        fs::remove_file(&whole)?;
    }
    embedded.vacuum_into(database::path(&whole)?)?;
    // What reading the one of before left beside it: nothing is in them that is not in the file.
    for beside in ["db-wal", "db-shm"] {
        let beside = file.with_extension(beside);
        if beside.exists() {
            fs::remove_file(beside)?;
        }
    }
    fs::rename(&whole, file)?;
    Database::start(Some(file), 0).await
}

/// Whether anything ever happened in this ledger.
async fn has_accounts(store: &Store) -> Result<bool, Failure> {
    for shard in 0..SHARDS {
        if !store.accounts(shard, None, 1).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A shop that is being filled.
struct Filling {
    store: Store,
    bundle: Bundle,
    issuer: Issuer,
    store_key: String,
    embedded: dynoxide::Database,
    year: Year,
    customers: usize,
    bar: ProgressBar,
    /// When something expires that the schedule has not booked.
    expiring: Mutex<BTreeSet<Timestamp>>,
    server: JoinHandle<()>,
}

/// What the merchant does for everybody.
enum Deed {
    Settings(Value),
    GroupGrant(&'static str, Value),
    /// Lets the table's stream tell of what comes.
    Tell,
}

/// What was called, and when.
struct Call<'a> {
    at: Timestamp,
    by: By,
    /// Whose token it is, if it is a customer's.
    customer: &'a str,
    method: &'a str,
    path: &'a str,
    key: String,
    body: &'a Value,
}

impl Filling {
    async fn of(
        database: &Database,
        embedded: &dynoxide::Database,
        demo: &Demo,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Self, Failure> {
        let zone: Zone = ZONE.parse()?;
        let year = Year { today: zone.day_of(now), zone, now };
        let store = Store::connect(database.connection());
        keep_store_key(&store, credentials, year.ago(DAYS, 0)).await?;

        let listener = listen(0).await?;
        let issuer = credentials.issuer(format!("http://{}/_local/issuer", listener.local_addr()?))?;
        let router = sign_in::routes(&issuer, &store);
        // It ends with the filling.
        let server = tokio::spawn(async move { drop(axum::serve(listener, router).await) });
        let gate = Gate::new(store.clone(), None, Some(Oidc::new(issuer.url(), AUDIENCE)?));
        Ok(Self {
            bundle: Bundle::new(&store, gate, &site(&issuer)?)?,
            store,
            issuer,
            store_key: credentials.store_key.clone(),
            embedded: embedded.clone(),
            year,
            customers: demo.customers,
            bar: demo.bar.clone(),
            expiring: Mutex::default(),
            server,
        })
    }

    async fn fill(&self, database: &Database) -> Result<(), Failure> {
        // For each record that the embedded database in memory puts into its stream it goes through all that are in it, and whoever follows
        // the stream begins with its first: a year of them would slow each call, and everybody would be written to about the whole year, while
        // lists and journal are made a second time. So until the last days there is none, and what follows is done without it.
        self.stream(false)?;
        self.open().await?;
        let mut lives = lives::lives(self.customers, &self.year);
        let customers =
            lives.iter().map(|life| life.customer.parse()).collect::<Result<Vec<CustomerId>, _>>()?;
        let steps: usize = lives.iter().map(|life| life.steps.len()).sum();
        // Booking a customer takes about as long as a step.
        self.bar.set_length(u64::try_from(steps.saturating_add(customers.len()))?);
        self.bar
            .set_style(ProgressStyle::with_template("filling the demo's shop {wide_bar} {percent}% {eta}")?);

        let mut deeds = self.deeds();
        let mut now = self.year.ago(DAYS, 0);
        while now < self.year.now {
            let deed = deeds.front().map_or(self.year.now, |(at, _)| *at);
            let due = self.expiring.lock().unwrap_or_else(PoisonError::into_inner).first().copied();
            let due = due.map_or(Timestamp::MAX, |due| lives::later(due, MOMENTS));
            now = deed.min(due).min(lives::later(now, FORTNIGHT)).min(self.year.now);
            let serving = stream::iter(lives.iter_mut()).map(|life| self.serve(life, now));
            serving.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
            self.schedule(now).await?;
            while let Some((_, deed)) = deeds.pop_front_if(|(at, _)| *at <= now) {
                self.perform(deed, &customers, now).await?;
            }
        }
        let mut stream = database.stream(None).await?;
        while stream.deliver(&self.store, now, index_customers).await? {}
        self.close_books(now).await?;
        self.bar.finish_and_clear();
        Ok(())
    }

    /// What the shop is before its first customer comes.
    async fn open(&self) -> Result<(), Failure> {
        let at = self.year.ago(DAYS, 0);
        let settings = json!({"usage_limit": {"type": "percent", "maximum": "25"}});
        self.perform(Deed::Settings(settings), &[], at).await?;
        let mails = json!({"sender": SENDER, "shop": "The Corner Shop", "admins": ["desk@example.com"]});
        self.put("/v1/settings/mail", &mails, at).await?;
        let welcome = json!({"amount": "25.00", "category": "promotional", "expires_on": self.year.day(-40), "note": "Welcome among our best customers!"});
        let vip = json!({"policy": {"usage_limit": {"type": "percent", "maximum": "75"}, "expiry_days": {"promotional": 120, "goodwill": 365}}, "joining_grant": welcome});
        self.put("/v1/groups/vip", &vip, at).await?;
        let staff = json!({"policy": {"usage_limit": {"type": "percent", "maximum": "100"}, "transaction_limit": {"USD": "150.00", "EUR": "150.00"}, "withdrawal": false}});
        self.put("/v1/groups/staff", &staff, at).await?;
        let wholesale = json!({"policy": {"usage_limit": {"type": "fixed", "maximum": {"USD": "1500.00", "EUR": "1500.00"}}, "activation_total": {"USD": "100.00", "EUR": "100.00"}, "overdraft_limit": {"USD": "500.00", "EUR": "500.00"}}});
        self.put("/v1/groups/wholesale", &wholesale, at).await
    }

    /// What the merchant does in the year, in time order.
    fn deeds(&self) -> VecDeque<(Timestamp, Deed)> {
        let year = &self.year;
        let bonus = json!({"amount": "50.00", "category": "promotional", "expires_on": year.day(200), "note": "Thank you for a good season."});
        let thanks = json!({"amount": "15.00", "category": "promotional", "expires_on": year.day(-9), "note": "For our best customers, until the end of next week."});
        let sorry = json!({"amount": "40.00", "category": "goodwill", "note": "Sorry for the days without deliveries."});
        [
            (year.ago(300, 600), Deed::GroupGrant("staff", bonus)),
            (year.ago(250, 610), Deed::Settings(json!({"remind_days": []}))),
            (year.ago(52, 620), Deed::GroupGrant("vip", thanks)),
            (year.ago(21, 630), Deed::Settings(json!({"remind_days": [14, 3]}))),
            (year.ago(8, 640), Deed::GroupGrant("wholesale", sorry)),
            (year.ago(TOLD, 0), Deed::Tell),
        ]
        .into()
    }

    async fn perform(&self, deed: Deed, customers: &[CustomerId], at: Timestamp) -> Result<(), Failure> {
        match deed {
            Deed::Settings(changes) => {
                let mut settings = json!({
                    "currency": "USD", "time_zone": ZONE, "usage_limit": {"type": "percent", "maximum": "50"},
                    "expiry_days": {"promotional": 60, "goodwill": 180}, "withdrawal": true,
                    "topup_min": {"USD": "10.00", "EUR": "10.00"}, "topup_max": {"USD": "500.00", "EUR": "500.00"},
                    "topup_methods": ["stripe", "paypal", "bank transfer", "cash"],
                });
                if let (Some(settings), Value::Object(changes)) = (settings.as_object_mut(), changes) {
                    settings.extend(changes);
                }
                self.put("/v1/settings", &settings, at).await
            }
            Deed::GroupGrant(group, grant) => {
                let path = format!("/v1/groups/{group}/grants");
                let call = Call {
                    at,
                    by: By::Staff("merchant"),
                    customer: "",
                    method: "POST",
                    path: &path,
                    key: path.clone(),
                    body: &grant,
                };
                let answer = self.done(call).await?;
                let job = answer
                    .pointer("/job/id")
                    .and_then(Value::as_str)
                    .ok_or("a grant to a group has no id")?;
                self.expires(&grant);
                self.told(grant_group, vec![ChangedItem::GroupGrant(job.parse()?)], at).await
            }
            Deed::Tell => {
                self.catch_up(customers, at).await?;
                self.close_books(at).await?;
                self.stream(true)
            }
        }
    }

    async fn put(&self, path: &str, document: &Value, at: Timestamp) -> Result<(), Failure> {
        let by = By::Staff("merchant");
        let call = Call { at, by, customer: "", method: "PUT", path, key: String::new(), body: document };
        self.done(call).await.map(drop)
    }

    /// Serves a customer until this moment.
    async fn serve(&self, life: &mut Life, until: Timestamp) -> Result<(), Failure> {
        while let Some(step) = life.steps.pop_front_if(|step| step.at < until) {
            self.bar.inc(1);
            let made = life.made.get(&step.story);
            if made.is_none() && step.path.contains(MADE) {
                // What it would be about was refused.
                continue;
            }
            let rest = step.path.replace(MADE, made.map_or("", String::as_str));
            let path = format!("/v1/customers/{}{rest}", life.customer);
            let Step { at, by, story, method, body, .. } = &step;
            let key = format!("demo-{story}{}", step.path);
            let call = Call { at: *at, by: *by, customer: &life.customer, method, path: &path, key, body };
            let Some(answer) = self.call(call).await? else { continue };

            let made = answer.pointer("/entry/id").or(answer.pointer("/topup/id")).and_then(Value::as_str);
            if let Some(made) = made {
                life.made.insert(*story, made.to_owned());
            }
            if let Some(entry) = answer.get("entry") {
                self.expires(entry);
            }
            if let Some(group) = body.get("group").and_then(Value::as_str) {
                let customer = life.customer.parse()?;
                let joined = ChangedItem::Profile { customer, joined: Some(group.parse()?) };
                self.told(grant_group, vec![joined], lives::later(*at, SignedDuration::from_secs(1))).await?;
            }
        }
        Ok(())
    }

    /// Notes when what was granted expires, for the schedule to come then.
    fn expires(&self, granted: &Value) {
        let allocations = granted.get("allocations").and_then(Value::as_array).into_iter().flatten();
        let moments = std::iter::once(granted)
            .chain(allocations)
            .filter_map(|lot| lot.get("expires_at")?.as_str()?.parse().ok());
        let day = granted.get("expires_on").and_then(Value::as_str).and_then(|day| day.parse().ok());
        let day = day.and_then(|day| self.year.zone.end_of(day));
        self.expiring.lock().unwrap_or_else(PoisonError::into_inner).extend(moments.chain(day));
    }

    /// Calls what has to be done.
    async fn done(&self, call: Call<'_>) -> Result<Value, Failure> {
        let what = call.path.to_owned();
        self.call(call).await?.ok_or_else(|| format!("the demo's shop was refused {what}").into())
    }

    /// Calls, and tells what was answered; `None` where it was refused, as happens in a shop.
    async fn call(&self, call: Call<'_>) -> Result<Option<Value>, Failure> {
        let Call { at, by, customer, method, path, key, body } = call;
        let credential = match by {
            By::Shop => self.store_key.clone(),
            By::Customer => self.issuer.token(customer, None, at, MOMENTS)?,
            By::Staff(name) => self.issuer.token(name, Some("scrip:admin"), at, MOMENTS)?,
        };
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {credential}"));
        if method != "PUT" {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Bytes::from(body.to_string()))?;
        let mut answer = self.bundle.respond(request.clone(), at, "demo").await;
        for _ in 1..TRIES {
            if !answer.status().is_server_error() {
                break;
            }
            answer = self.bundle.respond(request.clone(), at, "demo").await;
        }
        let status = answer.status();
        if status.is_success() {
            return Ok(Some(serde_json::from_slice(answer.body())?));
        }
        let said = String::from_utf8_lossy(answer.body());
        match status {
            StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
                tracing::debug!(%at, path, %said, "refused");
                Ok(None)
            }
            _ => Err(format!("the demo's shop called {method} {path} with {body}: {said}").into()),
        }
    }

    /// Lets the schedule book what has expired.
    async fn schedule(&self, at: Timestamp) -> Result<(), Failure> {
        self.expiring.lock().unwrap_or_else(PoisonError::into_inner).retain(|due| *due > at);
        expire_on_schedule(self.store.clone(), Event { at, time_left: PATIENCE }).await?;
        Ok(())
    }

    async fn close_books(&self, at: Timestamp) -> Result<(), Failure> {
        close_books(self.store.clone(), Event { at, time_left: PATIENCE }).await?;
        Ok(())
    }

    /// Brings lists and journal up with the ledger, of whose changes no stream told.
    async fn catch_up(&self, customers: &[CustomerId], at: Timestamp) -> Result<(), Failure> {
        let mut accounts: Vec<Due> = Vec::new();
        for shard in 0..SHARDS {
            let mut after: Option<Due> = None;
            loop {
                let page = self.store.accounts(shard, after.as_ref(), MAX_PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.clone());
                accounts.extend(page);
            }
        }
        let account =
            |Due { customer, currency }: &Due| ChangedItem::Account(customer.clone(), *currency, true);
        let mut changed: Vec<ChangedItem> = accounts.iter().map(account).collect();
        for customer in customers {
            changed.push(ChangedItem::Profile { customer: customer.clone(), joined: None });
        }
        self.told(index_customers, changed, at).await?;
        let booking = stream::iter(customers).map(|customer| self.book(customer));
        booking.buffer_unordered(CONCURRENCY).try_collect().await
    }

    /// Books all of a customer's entries.
    async fn book(&self, customer: &CustomerId) -> Result<(), Failure> {
        self.bar.inc(1);
        let all = EntriesFilter::default();
        let mut cursor = None;
        while let Some(page) = self.store.entries(customer, &all, cursor, MAX_PAGE).await? {
            for entry in &page.data {
                self.store.book(entry).await?;
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Tells a function that follows the table's stream of these changes, as that would.
    async fn told<F, A>(&self, function: F, changed: Vec<ChangedItem>, at: Timestamp) -> Result<(), Failure>
    where
        F: Fn(Store, Batch) -> A,
        A: Future<Output = Vec<StreamRecord>>,
    {
        let records = changed.into_iter().map(|changed| StreamRecord::about(changed, "0")).collect();
        let batch = Batch { records, at, time_left: PATIENCE };
        match function(self.store.clone(), batch).await.first() {
            None => Ok(()),
            Some(failed) => Err(format!("the demo's shop could not follow {:?}", failed.changed).into()),
        }
    }

    /// Switches the table's stream.
    fn stream(&self, on: bool) -> Result<(), Failure> {
        let mut stream = json!({"StreamEnabled": false});
        if on {
            stream = Template::read()?
                .table(TABLE)?
                .get("StreamSpecification")
                .cloned()
                .ok_or("the table has no stream")?;
        }
        let request = json!({"TableName": TABLE, "StreamSpecification": stream});
        self.embedded.update_table(serde_json::from_value::<UpdateTableRequest>(request)?)?;
        Ok(())
    }
}

impl Drop for Filling {
    fn drop(&mut self) {
        self.server.abort();
    }
}
