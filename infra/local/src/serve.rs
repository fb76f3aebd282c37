//! `cargo local`: database, API, issuer, schedule and stream in one process.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use audit::audit;
use aws_lambda_events::eventbridge::EventBridgeEvent;
use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use close_books::close_books;
use console::Site;
use edge::{Event, Gate, Oidc};
use expire_on_schedule::expire_on_schedule;
use grant_group::grant_group;
use index_customers::index_customers;
use jiff::{SignedDuration, Timestamp};
use ledger::{Actor, Hash, Role};
use mail::MailSettings;
use notify::notify;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{ApiKey, Edit, Notices, Store};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{AUDIENCE, Bundle, Database, Demo, Failure, Issuer, Outside, demo, sign_in};

/// The database's file in the data's folder.
const LEDGER: &str = "ledger.db";
/// The file that says where the service of this folder answers.
const URL: &str = "url";
/// How often the schedule ticks here.
const TICK: Duration = Duration::from_secs(60);
/// How often accounts are audited here.
const AUDIT: Duration = Duration::from_hours(24);
/// How long one tick may take.
const TICK_TIME: Duration = Duration::from_secs(50);
/// Largest body that API Gateway lets through, in bytes.
const MAX_BODY: usize = 10 * 1024 * 1024;
/// How long the printed customer token is valid.
const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Whose pages may show the wallet here: any of this machine.
const SHOPS: &str = "http://127.0.0.1:* http://localhost:*";
/// Who sends mails here, until the settings say otherwise.
pub(crate) const SENDER: &str = "shop@example.com";

/// How to serve.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where data and keys are kept; `None` is in memory alone.
    pub data: Option<PathBuf>,
    /// The port; 0 is any.
    pub port: u16,
    /// The shop that is filled in if there are no entries yet.
    pub demo: Option<Demo>,
}

/// Keys of a local stack. They open nothing else.
#[derive(Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// An API key of role admin.
    pub admin_key: String,
    /// An API key of role store.
    pub store_key: String,
    /// The issuer's private key, PKCS #8 in base64.
    issuer_key: String,
}

/// A service that is ready to answer.
#[derive(Serialize)]
pub struct Running {
    /// Where it answers.
    pub url: String,
    /// An API key of role admin.
    pub admin_key: String,
    /// An API key of role store.
    pub store_key: String,
    /// A token of the customer `alice`.
    pub customer_token: String,
    #[serde(skip)]
    server: JoinSet<Result<(), Failure>>,
    #[serde(skip)]
    _database: Database,
    #[serde(skip)]
    _claim: Option<Claim>,
}

impl Running {
    /// Waits for ctrl-c, then stops.
    ///
    /// # Errors
    /// When the service stops by itself.
    pub async fn until_ctrl_c(mut self) -> Result<(), Failure> {
        tokio::select! {
            stopped = self.server.join_next() => stopped.ok_or("nothing was started")??,
            asked = tokio::signal::ctrl_c() => Ok(asked?),
        }
    }
}

impl Credentials {
    fn new(at: Timestamp) -> Result<Self, Failure> {
        let key = |role| {
            edge::new_api_key(role, None, at).map(|(key, _)| key).map_err(|_| "no random bits were to be had")
        };
        let issuer_key = STANDARD.encode(Issuer::new_key()?);
        Ok(Self { admin_key: key(Role::Admin)?, store_key: key(Role::Store)?, issuer_key })
    }

    /// The keys that this folder keeps, new ones if it keeps none.
    fn of(folder: Option<&Path>, at: Timestamp) -> Result<Self, Failure> {
        let Some(folder) = folder else {
            return Self::new(at);
        };
        let file = folder.join("credentials.json");
        if let Ok(kept) = fs::read(&file) {
            return Ok(serde_json::from_slice(&kept)?);
        }
        let new = Self::new(at)?;
        fs::write(&file, serde_json::to_vec_pretty(&new)?)?;
        Ok(new)
    }

    pub(crate) fn issuer(&self, url: String) -> Result<Issuer, Failure> {
        Ok(Issuer::new(url, &STANDARD.decode(&self.issuer_key)?))
    }
}

/// The one right to serve a folder's data. It ends with the process, however that ends.
struct Claim {
    _lock: File,
}

impl Claim {
    /// Claims this folder; `None` if another process has.
    fn on(folder: &Path) -> Result<Option<Self>, Failure> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // The last one's address; ours follows once we answer.
        match fs::remove_file(folder.join(URL)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(Some(Self { _lock: lock })),
        }
    }

    /// Claims this folder, or tells who has.
    fn alone_on(folder: &Path) -> Result<Self, Failure> {
        let server = || fs::read_to_string(folder.join(URL)).unwrap_or_else(|_| "another process".to_owned());
        let claim = Self::on(folder)?;
        claim.ok_or_else(|| {
            format!("{} serves this data already; stop it, or give another --data or --memory", server())
                .into()
        })
    }
}

/// What the API's door needs.
#[derive(Clone)]
struct Door {
    bundle: Bundle,
    store: Store,
    outside: Outside,
}

/// Starts the whole service.
///
/// # Errors
/// When another one serves the same data, or a file or port cannot be had.
pub async fn serve(options: &Options) -> Result<Running, Failure> {
    let folder = options.data.as_deref();
    let claim = folder.map(Claim::alone_on).transpose()?;
    let now = now();
    let credentials = Credentials::of(folder, now)?;
    // Before a demo is filled, so that nobody waits for it in vain.
    let listener = listen(options.port).await?;
    let file = folder.map(|folder| folder.join(LEDGER));
    let database = match &options.demo {
        None => Database::start(file.as_deref(), 0).await?,
        Some(demo) => Box::pin(demo::database(file.as_deref(), demo, &credentials, now)).await?,
    };
    let store = Store::connect(database.connection());
    keep_store_key(&store, &credentials, now).await?;
    keep_mail_settings(&store, now).await?;

    let url = format!("http://{}", listener.local_addr()?);
    let issuer = credentials.issuer(format!("{url}/_local/issuer"))?;
    let oidc = Oidc::new(issuer.url(), AUDIENCE)?;
    let gate = Gate::new(store.clone(), Some(Hash::of(credentials.admin_key.as_bytes())), Some(oidc));
    let outside = Outside::new(folder)?;
    let bundle = Bundle::new(&store, gate, &site(&issuer)?)?;
    let door = Door { bundle, store: store.clone(), outside: outside.clone() };
    let router = Router::new()
        .route("/_local/events/expire-on-schedule", post(scheduled))
        .route("/_local/events", get(async |State(door): State<Door>| Json(door.outside.events.latest())))
        .route("/_local/mail", get(async |State(door): State<Door>| Json(door.outside.mailbox.latest())))
        .fallback(answer)
        .with_state(door)
        .merge(sign_in::routes(&issuer, &store));

    let mut server = JoinSet::new();
    server.spawn(async move { Ok(axum::serve(listener, router).await?) });
    let behind = Store::connect(database.connection().patient());
    server.spawn(tick(behind.clone()));
    server.spawn(audit_daily(behind.clone()));
    follow(&mut server, &database, &behind, &outside, folder).await?;
    if let Some(folder) = folder {
        fs::write(folder.join(URL), &url)?;
    }
    Ok(Running {
        customer_token: issuer.token("alice", None, now, TOKEN_LIFETIME)?,
        admin_key: credentials.admin_key,
        store_key: credentials.store_key,
        url,
        server,
        _database: database,
        _claim: claim,
    })
}

/// Starts the database and the issuer alone, for functions that `cargo lambda watch` runs, and writes the environment
/// that those need to `lambda.env` in the data's folder.
///
/// # Errors
/// As [`serve`].
pub async fn serve_database(options: &Options) -> Result<(Running, PathBuf), Failure> {
    let folder = options
        .data
        .clone()
        .ok_or("--database-only keeps its environment file with its data: no --memory")?;
    let claim = Claim::alone_on(&folder)?;
    let now = now();
    let credentials = Credentials::of(Some(&folder), now)?;
    let database = Database::start(Some(&folder.join(LEDGER)), options.port).await?;
    let store = Store::connect(database.connection());
    keep_store_key(&store, &credentials, now).await?;
    keep_mail_settings(&store, now).await?;

    let listener = listen(0).await?;
    let issuer = credentials.issuer(format!("http://{}/_local/issuer", listener.local_addr()?))?;
    let router = sign_in::routes(&issuer, &store);
    let mut server = JoinSet::new();
    server.spawn(async move { Ok(axum::serve(listener, router).await?) });
    // `cargo lambda watch` knows no streams.
    let outside = Outside::new(Some(folder.as_path()))?;
    let behind = Store::connect(database.connection().patient());
    follow(&mut server, &database, &behind, &outside, Some(folder.as_path())).await?;

    let environment = folder.join("lambda.env");
    let lines = [
        ("SCRIP_TABLE", database.table()),
        ("SCRIP_ADMIN_KEY_SHA256", &Hash::of(credentials.admin_key.as_bytes()).to_string()),
        ("SCRIP_OIDC_ISSUER", issuer.url()),
        ("SCRIP_OIDC_AUDIENCE", AUDIENCE),
        ("SCRIP_CONSOLE_CLIENT_ID", sign_in::CONSOLE),
        ("SCRIP_WALLET_CLIENT_ID", sign_in::WALLET),
        // Quoted, since there are spaces in it.
        ("SCRIP_SHOP_ORIGINS", &format!("\"{SHOPS}\"")),
        ("AWS_ENDPOINT_URL_DYNAMODB", database.endpoint()),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", "local"),
    ];
    let lines: String = lines.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    fs::write(&environment, lines)?;
    let running = Running {
        url: database.endpoint().to_owned(),
        customer_token: issuer.token("alice", None, now, TOKEN_LIFETIME)?,
        admin_key: credentials.admin_key,
        store_key: credentials.store_key,
        server,
        _database: database,
        _claim: Some(claim),
    };
    Ok((running, environment))
}

/// Runs the schedule's event for this moment: in the service that serves this data, or here if none does.
///
/// # Errors
/// When the run fails.
pub async fn run_schedule(data: &Path, url: Option<String>, at: Timestamp) -> Result<Value, Failure> {
    let event = scheduled_event(at);
    if let Some(url) = url {
        return send(url, event).await;
    }
    if !data.join(LEDGER).exists() {
        return Err(format!(
            "there is no ledger in {}; give --data where it is, or --url of a service that runs in memory",
            data.display()
        )
        .into());
    }
    let Some(_claim) = Claim::on(data)? else {
        let url = fs::read_to_string(data.join(URL)).map_err(|_| {
            "the database alone is served from this data: send the event by `cargo lambda invoke expire-on-schedule`"
        })?;
        return send(url, event).await;
    };
    let database = Database::start(Some(&data.join(LEDGER)), 0).await?;
    let store = Store::connect(database.connection().patient());
    let event = Event::read(&serde_json::from_value::<EventBridgeEvent<Value>>(event)?, TICK_TIME)?;
    Ok(serde_json::to_value(expire_on_schedule(store, event).await?)?)
}

/// Sends an event to the service at this address.
async fn send(url: String, event: Value) -> Result<Value, Failure> {
    let sent = move || -> Result<Value, Failure> {
        let request = ureq::post(format!("{url}/_local/events/expire-on-schedule"));
        let mut response = request.config().http_status_as_error(false).build().send(event.to_string())?;
        let answer = response.body_mut().read_to_string()?;
        match response.status() {
            StatusCode::OK => Ok(serde_json::from_str(&answer)?),
            status => Err(format!("{url} answered {status}: {answer}").into()),
        }
    };
    tokio::task::spawn_blocking(sent).await?
}

/// The event as EventBridge sends it.
fn scheduled_event(at: Timestamp) -> Value {
    json!({
        "version": "0", "id": "local", "detail-type": "Scheduled Event", "source": "aws.events", "account": "local",
        "time": at, "region": "local", "resources": ["local"], "detail": {},
    })
}

/// This moment, in the milliseconds that the ledger counts in.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
}

pub(crate) async fn listen(port: u16) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.map_err(|error| {
        format!("port {port} cannot be had: {error}; give another --port, or 0 for any").into()
    })
}

pub(crate) async fn keep_store_key(
    store: &Store,
    credentials: &Credentials,
    at: Timestamp,
) -> Result<(), Failure> {
    let hash = Hash::of(credentials.store_key.as_bytes());
    let id = edge::key_id(hash);
    let name = Some("local store".to_owned());
    Ok(store
        .put_api_key(&ApiKey { id, hash, role: Role::Store, name, created_at: at, revoked_at: None })
        .await?)
}

/// Lets mails be sent, where nobody has said anything of mails yet.
///
/// # Errors
/// When the database does not answer.
pub async fn keep_mail_settings(store: &Store, at: Timestamp) -> Result<(), Failure> {
    let known = store.notices::<MailSettings>(Notices::Mail).await?;
    if known.version == 0 {
        let actor = Actor { role: Role::System, id: "cargo local".to_owned() };
        let edit = Edit { actor: &actor, at, expected: Some(0) };
        let sender = Some(SENDER.to_owned().try_into()?);
        let settings = MailSettings { sender, ..MailSettings::default() };
        let shown = |settings: &MailSettings| serde_json::to_value(settings).unwrap_or_default();
        store.put_notices::<_, store::Error>(Notices::Mail, edit, |_| Ok(settings.clone()), shown).await?;
    }
    Ok(())
}

/// What the pages have to know of this stack.
pub(crate) fn site(issuer: &Issuer) -> Result<Site, Failure> {
    Ok(Site {
        issuer: issuer.url().to_owned(),
        audience: AUDIENCE.to_owned(),
        console_client: sign_in::CONSOLE.to_owned(),
        wallet_client: sign_in::WALLET.to_owned(),
        sign_in: Vec::new(),
        shops: SHOPS.split(' ').map(str::parse).collect::<Result<_, _>>()?,
    })
}

async fn answer(State(door): State<Door>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_BODY).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "API Gateway lets no body through that is larger than 10 MB")
            .into_response();
    };
    let request_id =
        parts.headers.get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("local").to_owned();
    let request = Request::from_parts(parts, body);
    door.bundle.respond(request, Timestamp::now(), &request_id).await.map(Body::from)
}

/// Takes the schedule's event as Lambda would.
async fn scheduled(State(door): State<Door>, body: String) -> Response {
    let run = async {
        let event: EventBridgeEvent<Value> = serde_json::from_str(&body)?;
        let swept = expire_on_schedule(door.store, Event::read(&event, TICK_TIME)?).await?;
        Ok::<_, Failure>(serde_json::to_value(swept)?)
    };
    match run.await {
        Ok(swept) => Json(swept).into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({"error": error.to_string()}))).into_response()
        }
    }
}

/// Lets every function follow the table's stream, or its queue, that the template lets. How far each came is kept in the data's folder, if
/// there is one.
async fn follow(
    server: &mut JoinSet<Result<(), Failure>>,
    database: &Database,
    store: &Store,
    outside: &Outside,
    folder: Option<&Path>,
) -> Result<(), Failure> {
    let stream = async |name: &str| {
        let kept = folder.map(|folder| folder.join(format!("{name}.place")));
        database.stream(kept.as_deref()).await
    };
    server.spawn(stream("index-customers").await?.follow(store.clone(), index_customers));
    server.spawn(stream("grant-group").await?.follow(store.clone(), grant_group));
    let told = outside.clone();
    server.spawn(stream("notify").await?.follow(store.clone(), move |_, batch| {
        let told = told.clone();
        notify(batch, move |events| told.clone().take(events, Timestamp::now()))
    }));
    for deliveries in outside.deliveries.clone() {
        let store = store.clone();
        server.spawn(async move {
            deliveries.follow(store).await;
            Ok(())
        });
    }
    Ok(())
}

async fn tick(store: Store) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let event = Event { at: now(), time_left: TICK_TIME };
        if let Err(error) = expire_on_schedule(store.clone(), event).await {
            tracing::error!(%error, "the schedule's run failed; the next one goes on");
        }
        if let Err(error) = close_books(store.clone(), event).await {
            tracing::error!(%error, "the books could not be closed; the next run goes on");
        }
    }
}

async fn audit_daily(store: Store) -> Result<(), Failure> {
    let mut days = tokio::time::interval(AUDIT);
    loop {
        days.tick().await;
        let event = Event { at: now(), time_left: TICK_TIME };
        if let Err(error) = audit(store.clone(), event).await {
            tracing::error!(%error, "the audit failed; the next one goes on");
        }
    }
}
