//! Sending a signed webhook, by the scheme of <https://www.standardwebhooks.com>: one POST, and what became of it.
//!
//! It decides neither when a webhook is sent again nor what stands in it. It follows no redirect, keeps no connection,
//! reads nothing of an answer but its status, and, deployed, connects to no address that is not public.

mod address;
mod secret;

use std::{
    collections::BTreeMap,
    error::Error,
    io, iter,
    net::ToSocketAddrs,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use aws_smithy_http_client::{
    Connector,
    tls::{Provider, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    dns::{DnsFuture, ResolveDns, ResolveDnsError, SharedDnsResolver},
    http::{HttpConnector, HttpConnectorSettings},
    orchestrator::HttpRequest,
    result::ConnectorError,
};
use http::{Method, header};
use jiff::{SignedDuration, Timestamp};
use standardwebhooks::{HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP};

pub use self::{
    address::{Reach, WebhookUrl},
    secret::WebhookSecret,
};

/// How long an endpoint's name, connection and TLS together may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a delivery may take from its beginning to the answer's status.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an endpoint that did not answer in time is left alone, since whoever waits for one holds up the others: less than
/// the first pause before a webhook is sent again, and twice as long each time …
const FIRST_REST: SignedDuration = SignedDuration::from_secs(4);
/// … up to this.
const MAX_REST: SignedDuration = SignedDuration::from_secs(64);
/// The status by which an endpoint says that it wants no more, as the scheme has it.
const GONE: u16 = 410;
/// What a delivery calls itself.
const USER_AGENT: &str = concat!("Scrip/", env!("CARGO_PKG_VERSION"));

/// Sends webhooks.
#[derive(Debug)]
pub struct Webhooks {
    reach: Reach,
    /// Made with the first delivery: it reads the system's authorities, and most events are for no webhook.
    http: LazyLock<Connector, Box<dyn FnOnce() -> Connector + Send>>,
    timeout: Duration,
    /// Endpoints that did not answer in time: until when each is left alone, and for how long that is.
    resting: Mutex<BTreeMap<String, (Timestamp, SignedDuration)>>,
}

/// Why a webhook is not known to have arrived. The sentences are fit for the merchant: nothing of our network is in
/// them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undelivered {
    /// It may not go there, and was not sent.
    #[error("the endpoint's address {0}")]
    Refused(String),
    /// The endpoint answered 410: it wants no more webhooks, ever.
    #[error("the endpoint answered 410: it is gone")]
    Gone,
    /// The endpoint answered this status, which is not of 2xx. A redirect is such a one.
    #[error("the endpoint answered {0}")]
    Answered(u16),
    /// There was no answer in time. The webhook may have arrived.
    #[error("the endpoint did not answer in time")]
    TimedOut,
    /// There was none moments ago, and so it was not asked.
    #[error("the endpoint did not answer in time moments ago, and is left alone for a while")]
    Resting,
    /// It could not be sent, or what came was no answer.
    #[error("the webhook could not be delivered: {0}")]
    Failed(&'static str),
}

impl Webhooks {
    /// Sends webhooks this far.
    pub fn new(reach: Reach) -> Self {
        Self::with(reach, SystemNames, CONNECT_TIMEOUT, SEND_TIMEOUT)
    }

    fn with(reach: Reach, names: impl ResolveDns + 'static, connect: Duration, timeout: Duration) -> Self {
        let made: Box<dyn FnOnce() -> Connector + Send> = Box::new(move || {
            Connector::builder()
                .connector_settings(HttpConnectorSettings::builder().connect_timeout(connect).build())
                // A connection of its own for every delivery: each is to an address that was just checked, none was
                // asleep with a frozen function, and what an endpoint goes on answering ends with its connection.
                .pool_max_idle_per_host(0)
                .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
                .build_with_resolver(Guarded { names: SharedDnsResolver::new(names), reach })
        });
        Self { reach, http: LazyLock::new(made), timeout, resting: Mutex::default() }
    }

    /// Posts this JSON once, signed with every secret in their order: when they rotate, the new one comes first. The
    /// id, of visible ASCII without a full stop, is the same whenever the same event is sent again; `at` is the moment
    /// of this attempt.
    ///
    /// # Errors
    /// Whatever is not an answer of 2xx.
    pub async fn send(
        &self,
        url: &WebhookUrl,
        secrets: &[WebhookSecret],
        id: &str,
        at: Timestamp,
        body: &str,
    ) -> Result<(), Undelivered> {
        // Once more: it may have been saved when more was allowed. And no resolver sees a literal address.
        url.check(self.reach).map_err(Undelivered::Refused)?;
        let request = request(url, secrets, id, at, body)?;
        if self.is_resting(url, at) {
            return Err(Undelivered::Resting);
        }
        let answer = tokio::time::timeout(self.timeout, self.http.call(request)).await;
        let answer = answer.map_err(|_| Undelivered::TimedOut).and_then(|answer| {
            answer.map_err(|error| {
                tracing::info!(webhook = id, cause = ?error, "a webhook was not delivered");
                undelivered(&error)
            })
        });
        self.rest(url, matches!(answer, Err(Undelivered::TimedOut)), at);
        let answer = answer?;
        // The body is not read: nobody needs it, and it may be endless.
        match answer.status() {
            status if status.is_success() => Ok(()),
            status if status.as_u16() == GONE => Err(Undelivered::Gone),
            status => Err(Undelivered::Answered(status.as_u16())),
        }
    }
}

impl Webhooks {
    fn is_resting(&self, url: &WebhookUrl, at: Timestamp) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(url.as_str()).is_some_and(|(until, _)| at < *until)
    }

    fn rest(&self, url: &WebhookUrl, timed_out: bool, at: Timestamp) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        match resting.get(url.as_str()).copied() {
            _ if !timed_out => drop(resting.remove(url.as_str())),
            // Of several who waited at the same time, one has said so already.
            Some((until, _)) if at < until => {}
            before => {
                let rest = before.map_or(FIRST_REST, |(_, rest)| rest.saturating_mul(2).min(MAX_REST));
                resting.insert(url.to_string(), (at.checked_add(rest).unwrap_or(Timestamp::MAX), rest));
            }
        }
    }
}

fn request(
    url: &WebhookUrl,
    secrets: &[WebhookSecret],
    id: &str,
    at: Timestamp,
    body: &str,
) -> Result<HttpRequest, Undelivered> {
    // What is signed is put together by full stops: one more would let another id and moment be read from it.
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.') {
        return Err(Undelivered::Failed("its id is not fit to be signed"));
    }
    let seconds = at.as_second();
    let signatures: Result<Vec<_>, _> = secrets.iter().map(|secret| secret.sign(id, seconds, body)).collect();
    let signatures = signatures.map_err(|_| Undelivered::Failed("it cannot be signed"))?.join(" ");
    if signatures.is_empty() {
        return Err(Undelivered::Failed("there is no secret to sign it with"));
    }
    let headers = [
        (header::CONTENT_TYPE.as_str(), "application/json".to_owned()),
        (header::USER_AGENT.as_str(), USER_AGENT.to_owned()),
        (HEADER_WEBHOOK_ID, id.to_owned()),
        (HEADER_WEBHOOK_TIMESTAMP, seconds.to_string()),
        (HEADER_WEBHOOK_SIGNATURE, signatures),
    ];

    let mut request = HttpRequest::new(body.to_owned().into());
    let unfit = |_| Undelivered::Failed("it does not fit into a request");
    request.set_method(Method::POST.as_str()).map_err(unfit)?;
    request.set_uri(url.as_str()).map_err(unfit)?;
    for (name, value) in headers {
        request.headers_mut().try_insert(name, value).map_err(unfit)?;
    }
    Ok(request)
}

/// What the merchant may know of this.
fn undelivered(error: &ConnectorError) -> Undelivered {
    if error.is_timeout() {
        return Undelivered::TimedOut;
    }
    if causes(error).any(|cause| cause.is::<NotPublic>()) {
        return Undelivered::Refused(address::NOT_PUBLIC.to_owned());
    }
    let because_of = |kind| {
        let io = |cause: &(dyn Error + 'static)| cause.downcast_ref().map(io::Error::kind);
        causes(error).any(|cause| io(cause) == Some(kind))
    };
    Undelivered::Failed(if causes(error).any(|cause| cause.is::<ResolveDnsError>()) {
        "the endpoint's name cannot be found"
    } else if because_of(io::ErrorKind::ConnectionRefused) {
        "the endpoint refused the connection"
    } else if because_of(io::ErrorKind::InvalidData) {
        // What the TLS library calls everything that it does not accept.
        "no TLS connection could be made; is the endpoint's certificate valid?"
    } else {
        "the connection failed, or what came was not HTTP"
    })
}

/// The error and what caused it, one after the other.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| match error.downcast_ref::<io::Error>() {
        // Whose source is not what it wraps, but that one's source.
        Some(io) => io.get_ref().map(|wrapped| -> &'a (dyn Error + 'static) { wrapped }),
        None => error.source(),
    })
}

/// A name led to an address that is not public.
#[derive(Debug, thiserror::Error)]
#[error("a name leads to an address that is not public")]
struct NotPublic;

/// Looks names up, and answers none that leads astray. The connection is made to what it answered and to nothing else,
/// so that a name cannot lead elsewhere a moment later.
#[derive(Clone, Debug)]
struct Guarded {
    names: SharedDnsResolver,
    reach: Reach,
}

impl ResolveDns for Guarded {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = self.names.resolve_dns(name).await?;
            // One bad address spoils the rest: no honest name is both, and taking what is left would make of a name
            // that was caught one that works now and then.
            if self.reach == Reach::Public && !found.iter().copied().all(address::is_public) {
                return Err(ResolveDnsError::new(NotPublic));
            }
            Ok(found)
        })
    }
}

/// Names as the system knows them.
#[derive(Debug)]
struct SystemNames;

impl ResolveDns for SystemNames {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        let name = name.to_owned();
        DnsFuture::new(async move {
            let found = tokio::task::spawn_blocking(move || (name, 0).to_socket_addrs()).await;
            let found = found.map_err(ResolveDnsError::new)?.map_err(ResolveDnsError::new)?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashMap,
        io::{BufRead, BufReader, Read, Write},
        net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream},
        sync::{
            Mutex,
            mpsc::{self, Receiver},
        },
        thread,
        time::{Instant, UNIX_EPOCH},
    };

    use http::HeaderMap;
    use standardwebhooks::Webhook;

    use super::*;

    const BODY: &str = r#"{"type":"credit.granted","data":{"customer":"Zoë"}}"#;
    const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
    const PUBLIC: IpAddr = IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8));
    /// Longer than an answer takes, however busy the machine.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// How long what hangs is waited for.
    const HASTE: Duration = Duration::from_millis(100);

    /// What an endpoint was sent.
    struct Heard {
        line: String,
        headers: HeaderMap,
        body: String,
    }

    /// Reads one request; nothing when the connection carries none.
    fn hear(stream: &TcpStream) -> Option<Heard> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let mut headers = HeaderMap::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let Some((name, value)) = header.trim_end().split_once(": ") else { break };
            headers.append(name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap());
        }
        let mut body = vec![0; headers.get("content-length")?.to_str().unwrap().parse().unwrap()];
        reader.read_exact(&mut body).ok()?;
        Some(Heard { line: line.trim_end().to_owned(), headers, body: String::from_utf8(body).unwrap() })
    }

    /// An endpoint on this machine, its port, and what it hears. It answers as often as a connection asks, once at
    /// least.
    fn endpoint(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (u16, Receiver<Heard>) {
        let listener = TcpListener::bind((LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (tell, heard) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                while let Some(request) = hear(&stream) {
                    tell.send(request).ok();
                    answer(&mut stream);
                }
                answer(&mut stream);
            }
        });
        (port, heard)
    }

    fn answering(answer: impl Into<String>) -> (u16, Receiver<Heard>) {
        let answer = answer.into();
        endpoint(move |stream| drop(stream.write_all(answer.as_bytes())))
    }

    fn status(line: &str) -> String {
        format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n")
    }

    /// Names that lead where a test wants them to: each question takes the next answer.
    #[derive(Debug)]
    struct Names(Mutex<Vec<Vec<IpAddr>>>);

    impl Names {
        fn new(answers: impl IntoIterator<Item = Vec<IpAddr>>) -> Self {
            let mut answers: Vec<_> = answers.into_iter().collect();
            answers.reverse();
            Self(Mutex::new(answers))
        }
    }

    impl ResolveDns for Names {
        fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
            let answer = self.0.lock().unwrap().pop();
            DnsFuture::ready(answer.ok_or_else(|| ResolveDnsError::new("no such name")))
        }
    }

    /// Names that nobody answers for.
    #[derive(Debug)]
    struct Silence;

    impl ResolveDns for Silence {
        fn resolve_dns<'a>(&'a self, _: &'a str) -> DnsFuture<'a> {
            DnsFuture::new(std::future::pending())
        }
    }

    fn anywhere() -> Webhooks {
        Webhooks::with(Reach::Anywhere, SystemNames, PATIENCE, PATIENCE)
    }

    #[test]
    fn an_endpoint_that_hangs_is_left_alone_for_longer_each_time_until_it_answers() {
        let webhooks = anywhere();
        let url = WebhookUrl::new("http://127.0.0.1:1/", Reach::Anywhere).unwrap();
        let at = |millis: i64| Timestamp::from_millisecond(millis).unwrap();
        let until = |end: i64| {
            assert!(webhooks.is_resting(&url, at(end - 1)) && !webhooks.is_resting(&url, at(end)), "{end}");
        };
        assert!(!webhooks.is_resting(&url, at(0)));
        webhooks.rest(&url, true, at(0));
        until(4_000);
        // Who waited at the same time says so as well.
        webhooks.rest(&url, true, at(3_999));
        until(4_000);
        webhooks.rest(&url, true, at(4_000));
        until(12_000);
        webhooks.rest(&url, false, at(12_000));
        assert!(!webhooks.is_resting(&url, at(12_000)));
        webhooks.rest(&url, true, at(12_000));
        until(16_000);
    }

    /// Receivers go by the clock, and refuse what is old.
    fn now() -> Timestamp {
        let seconds = UNIX_EPOCH.elapsed().unwrap().as_secs();
        Timestamp::from_second(seconds.try_into().unwrap()).unwrap()
    }

    fn secret() -> WebhookSecret {
        WebhookSecret::new().unwrap()
    }

    async fn send(webhooks: &Webhooks, url: &str) -> Result<(), Undelivered> {
        let url: WebhookUrl = serde_json::from_value(url.into()).unwrap();
        webhooks.send(&url, &[secret()], "evt_1", now(), BODY).await
    }

    async fn send_to(port: u16) -> Result<(), Undelivered> {
        send(&anywhere(), &format!("http://127.0.0.1:{port}/hooks")).await
    }

    #[tokio::test]
    async fn what_arrives_is_signed_by_every_secret() {
        let (port, heard) = answering(status("204 No Content"));
        let url = WebhookUrl::new(&format!("http://127.0.0.1:{port}/hooks?shop=1"), Reach::Anywhere).unwrap();
        let (new, old) = (secret(), secret());
        let at = now();
        let sent = anywhere().send(&url, &[new.clone(), old.clone()], "evt_1", at, BODY).await;
        assert_eq!(sent, Ok(()));

        let Heard { line, headers, body } = heard.recv().unwrap();
        assert_eq!((line.as_str(), body.as_str()), ("POST /hooks?shop=1 HTTP/1.1", BODY));
        let told: HashMap<_, _> =
            headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(told["content-type"], "application/json");
        assert_eq!(told["content-length"], BODY.len().to_string());
        assert_eq!(told["user-agent"], format!("Scrip/{}", env!("CARGO_PKG_VERSION")));
        assert_eq!(told["webhook-id"], "evt_1");
        assert_eq!(told["webhook-timestamp"], at.as_second().to_string());
        assert_eq!(told["host"], format!("127.0.0.1:{port}"));
        let signatures: Vec<_> = told["webhook-signature"].split(' ').collect();
        assert_eq!(signatures.len(), 2);
        for (secret, signature) in [(new, signatures[0]), (old, signatures[1])] {
            let receiver = Webhook::new(&secret.to_string()).unwrap();
            receiver.verify(body.as_bytes(), &headers).unwrap();
            assert_eq!(receiver.sign("evt_1", at.as_second(), body.as_bytes()).unwrap(), signature);
        }
        let stranger = Webhook::new(&secret().to_string()).unwrap();
        assert!(stranger.verify(body.as_bytes(), &headers).is_err());
        assert!(heard.try_recv().is_err(), "it is posted once");
    }

    #[tokio::test]
    async fn nothing_is_sent_unsigned_or_with_an_unfit_id() {
        let (port, heard) = answering(status("200 OK"));
        let url = WebhookUrl::new(&format!("http://127.0.0.1:{port}"), Reach::Anywhere).unwrap();
        let signed = |id| (vec![secret()], id);
        let unfit = ["", "evt.1", "evt 1", "evt\r\nhost: a", "evt_ä"].map(signed);
        for (secrets, id) in unfit.into_iter().chain([(vec![], "evt_1")]) {
            let sent = anywhere().send(&url, &secrets, id, now(), BODY).await;
            assert!(matches!(sent, Err(Undelivered::Failed(_))), "{sent:?}");
        }
        assert!(heard.try_recv().is_err());
    }

    #[tokio::test]
    async fn only_2xx_is_delivered() {
        for line in ["200 OK", "201 Created", "202 Accepted", "204 No Content", "299 Whatever"] {
            assert_eq!(send_to(answering(status(line)).0).await, Ok(()), "{line}");
        }
        for (line, code) in [
            ("304 Not Modified", 304),
            ("400 Bad Request", 400),
            ("404 Not Found", 404),
            ("500 Oh", 500),
            ("503 No", 503),
        ] {
            assert_eq!(send_to(answering(status(line)).0).await, Err(Undelivered::Answered(code)));
        }
        assert_eq!(send_to(answering(status("410 Gone")).0).await, Err(Undelivered::Gone));
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        for line in [
            "301 Moved Permanently",
            "302 Found",
            "303 See Other",
            "307 Temporary Redirect",
            "308 Permanent Redirect",
        ] {
            let (target, reached) = answering(status("200 OK"));
            let location = format!("http://127.0.0.1:{target}/");
            let (port, heard) =
                answering(format!("HTTP/1.1 {line}\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n"));
            let sent = send_to(port).await;
            assert!(matches!(sent, Err(Undelivered::Answered(300..=308))), "{sent:?}");
            assert!(heard.recv().is_ok());
            assert!(reached.recv_timeout(Duration::from_millis(20)).is_err(), "{line}");
        }
    }

    #[tokio::test]
    async fn an_endpoint_that_hangs_is_left() {
        let (silent, _heard) = endpoint(|_| thread::park());
        let (half, _heard) = endpoint(|stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\nx-a: ").ok();
            thread::park();
        });
        let (dripping, _heard) = endpoint(|stream| {
            while stream.write_all(b"HTTP/1.1 102 Processing\r\n\r\n").is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        let webhooks = Webhooks::with(Reach::Anywhere, SystemNames, PATIENCE, HASTE);
        for port in [silent, half, dripping] {
            let since = Instant::now();
            assert_eq!(
                send(&webhooks, &format!("http://127.0.0.1:{port}/")).await,
                Err(Undelivered::TimedOut)
            );
            assert!(since.elapsed() < PATIENCE);
        }
    }

    #[tokio::test]
    async fn a_connection_that_does_not_come_about_is_left_sooner() {
        let (silent, _heard) = endpoint(|_| thread::park());
        let tls = Webhooks::with(Reach::Anywhere, SystemNames, HASTE, PATIENCE);
        let names = Webhooks::with(Reach::Anywhere, Silence, HASTE, PATIENCE);
        for (webhooks, host) in [(tls, "127.0.0.1"), (names, "hooks.example.com")] {
            let since = Instant::now();
            let sent = send(&webhooks, &format!("https://{host}:{silent}/")).await;
            assert_eq!(sent, Err(Undelivered::TimedOut));
            assert!(since.elapsed() < PATIENCE);
        }
    }

    #[tokio::test]
    async fn what_else_goes_wrong_is_told_plainly() {
        let unused = TcpListener::bind((LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let (garbage, _heard) = answering("SSH-2.0-OpenSSH_9.6\r\n\r\n");
        let (closing, _heard) = endpoint(|stream| drop(stream.shutdown(Shutdown::Both)));
        let (endless_head, _heard) = endpoint(|stream| {
            stream.write_all(b"HTTP/1.1 200 OK\r\n").ok();
            while stream.write_all(&[b'a'; 4096]).is_ok() {}
        });
        let nameless = Webhooks::with(Reach::Anywhere, Names::new([]), PATIENCE, PATIENCE);
        for (sent, told) in [
            (send_to(unused).await, "refused the connection"),
            (send_to(garbage).await, "not HTTP"),
            (send_to(closing).await, "the connection failed"),
            (send_to(endless_head).await, "not HTTP"),
            (send(&anywhere(), &format!("https://127.0.0.1:{garbage}/")).await, "certificate"),
            (send(&nameless, "http://hooks.example/").await, "name cannot be found"),
        ] {
            let Err(Undelivered::Failed(cause)) = sent else { panic!("{sent:?} for {told}") };
            assert!(cause.contains(told), "{cause} for {told}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_read() {
        for head in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n"] {
            let (ended, end) = mpsc::channel();
            let (port, _heard) = endpoint(move |stream| {
                stream.write_all(head.as_bytes()).ok();
                let mut written = 0_usize;
                while let Ok(more) = stream.write(&[b'a'; 4096]) {
                    written = written.saturating_add(more);
                }
                ended.send(written).ok();
            });
            let since = Instant::now();
            assert_eq!(send_to(port).await, Ok(()));
            assert!(since.elapsed() < PATIENCE);
            // The connection goes as soon as the runtime turns to it.
            let written = tokio::task::spawn_blocking(move || end.recv_timeout(PATIENCE));
            assert!(written.await.unwrap().is_ok(), "the endpoint is cut off");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_and_not_called() {
        let (port, _heard) = answering(status("200 OK"));
        let (called, calls) = mpsc::channel();
        let listener = TcpListener::bind((LOCALHOST, 0)).unwrap();
        let inside = listener.local_addr().unwrap().port();
        thread::spawn(move || listener.incoming().for_each(|_| called.send(()).unwrap_or_default()));

        let metadata = IpAddr::from([169, 254, 169, 254]);
        for answer in
            [vec![LOCALHOST], vec![PUBLIC, LOCALHOST], vec![LOCALHOST, PUBLIC], vec![PUBLIC, metadata]]
        {
            let webhooks = Webhooks::with(Reach::Public, Names::new([answer.clone()]), PATIENCE, PATIENCE);
            let sent = send(&webhooks, &format!("https://hooks.example.com:{inside}/")).await;
            assert_eq!(sent, Err(Undelivered::Refused(address::NOT_PUBLIC.to_owned())), "{answer:?}");
            let told = sent.unwrap_err().to_string();
            assert!(!told.contains("127.") && !told.contains("169."), "{told}");
        }
        // What was stored when more was allowed.
        let webhooks = Webhooks::new(Reach::Public);
        for url in [
            format!("http://127.0.0.1:{port}/"),
            format!("https://127.0.0.1:{inside}/"),
            format!("https://[::ffff:127.0.0.1]:{inside}/"),
            format!("https://localhost:{inside}/"),
            format!("http://hooks.example.com:{inside}/"),
        ] {
            let sent = send(&webhooks, &url).await;
            assert!(matches!(sent, Err(Undelivered::Refused(_))), "{url}: {sent:?}");
        }
        assert!(calls.recv_timeout(Duration::from_millis(20)).is_err(), "nobody was called");
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_for_each_delivery() {
        let (port, heard) = answering(status("200 OK"));
        let names = Names::new([vec![LOCALHOST], vec![LOCALHOST]]);
        let webhooks = Webhooks::with(Reach::Anywhere, names, PATIENCE, PATIENCE);
        let url = format!("http://hooks.example.com:{port}/");
        assert_eq!(send(&webhooks, &url).await, Ok(()));
        assert_eq!(send(&webhooks, &url).await, Ok(()));
        let third = send(&webhooks, &url).await;
        assert!(matches!(third, Err(Undelivered::Failed(_))), "no connection and no name is kept: {third:?}");
        assert_eq!(heard.try_iter().count(), 2);
    }

    #[tokio::test]
    async fn public_names_are_let_through() {
        let six = "2606:4700:4700::1111".parse().unwrap();
        let guarded = |names| Guarded { names: SharedDnsResolver::new(names), reach: Reach::Public };
        let found = guarded(Names::new([vec![PUBLIC, six]])).resolve_dns("hooks.example.com").await;
        assert_eq!(found.unwrap(), [PUBLIC, six]);
        // As this machine knows it.
        let found = guarded(Names::new([])).names.resolve_dns("localhost").await;
        assert!(found.is_err());
        let found = SystemNames.resolve_dns("localhost").await.unwrap();
        assert!(!found.is_empty() && !found.iter().copied().any(address::is_public));
    }
}
