//! One connection to one table, made once per process.

use std::{
    env,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::{
    Client, Config,
    config::{BehaviorVersion, Region, retry::RetryConfig, timeout::TimeoutConfig},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use ledger::Currency;

use crate::carrier;

/// One try of one request, and all tries of it, below the functions' own limit; the SDK has no such limits by itself.
const TIMEOUTS: (Duration, Duration) = (Duration::from_millis(1_500), Duration::from_secs(7));
/// The same where nobody waits for an answer.
const PATIENT_TIMEOUTS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));
/// Opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Before the second try; the SDK's own first pause is a second.
const FIRST_BACKOFF: Duration = Duration::from_millis(25);
/// Before any later try.
const MAX_BACKOFF: Duration = Duration::from_millis(400);
/// Tries of one request.
const MAX_ATTEMPTS: u32 = 4;

/// Where the table is and who asks.
#[derive(Clone, Debug)]
pub struct Connection {
    /// The table's name.
    pub table: String,
    /// AWS region.
    pub region: String,
    /// Another address than the region's own, such as an embedded database's.
    pub endpoint: Option<String>,
    /// Access key, secret key and session token.
    pub credentials: (String, String, Option<String>),
    /// What carries requests, if not connections of its own.
    carrier: Option<SharedHttpClient>,
    /// How long one try of a request may take, and all of them.
    timeouts: (Duration, Duration),
}

impl Connection {
    /// As Lambda's environment says: `SCRIP_TABLE` and AWS's own variables.
    ///
    /// # Errors
    /// The name of the variable that is missing.
    pub fn from_environment() -> Result<Self, String> {
        let table = env::var("SCRIP_TABLE").map_err(|_| "SCRIP_TABLE is not set".to_owned())?;
        Self::to_table(table)
    }

    /// To this table, with whatever else AWS's own variables say.
    ///
    /// # Errors
    /// The name of the variable that is missing.
    pub fn to_table(table: String) -> Result<Self, String> {
        let variable = |name: &str| env::var(name).map_err(|_| format!("{name} is not set"));
        Ok(Self {
            table,
            region: variable("AWS_REGION")?,
            endpoint: env::var("AWS_ENDPOINT_URL_DYNAMODB").or_else(|_| env::var("AWS_ENDPOINT_URL")).ok(),
            credentials: (
                variable("AWS_ACCESS_KEY_ID")?,
                variable("AWS_SECRET_ACCESS_KEY")?,
                env::var("AWS_SESSION_TOKEN").ok(),
            ),
            carrier: None,
            timeouts: TIMEOUTS,
        })
    }

    /// A database on this machine, which asks for no real credentials.
    pub fn local(table: &str, endpoint: &str) -> Self {
        Self {
            table: table.to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some(endpoint.to_owned()),
            credentials: ("local".to_owned(), "local".to_owned(), None),
            carrier: None,
            timeouts: TIMEOUTS,
        }
    }

    /// The same, with its requests carried by this: what becomes of each is then for the carrier to say.
    #[must_use]
    pub fn through(self, carrier: SharedHttpClient) -> Self {
        Self { carrier: Some(carrier), ..self }
    }

    /// The same for work that no caller waits for, such as an operator's command: a database that is slow is waited for, and not
    /// asked the same again while it still works on it.
    #[must_use]
    pub fn patient(self) -> Self {
        Self { timeouts: PATIENT_TIMEOUTS, ..self }
    }
}

/// The ledger's table. Cloning it shares the connection.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) table: String,
    /// The store's currency as last read: which account to read for a call that names none.
    currency: Arc<RwLock<Currency>>,
}

impl Store {
    /// Connects; nothing is sent before the first request.
    pub fn connect(connection: Connection) -> Self {
        let (access, secret, token) = connection.credentials;
        let (attempt, operation) = connection.timeouts;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(attempt)
            .operation_timeout(operation)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(MAX_ATTEMPTS)
            .with_initial_backoff(FIRST_BACKOFF)
            .with_max_backoff(MAX_BACKOFF);
        let carrier = connection.carrier.unwrap_or_else(|| carrier(&connection.region));
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(carrier)
            .region(Region::new(connection.region))
            .credentials_provider(Credentials::new(access, secret, token, None, "environment"))
            .timeout_config(timeouts)
            .retry_config(retries);
        config.set_endpoint_url(connection.endpoint);
        Self {
            client: Client::from_conf(config.build()),
            table: connection.table,
            currency: Arc::new(RwLock::new(Currency::USD)),
        }
    }

    /// The store's currency as last read.
    pub(crate) fn expected_currency(&self) -> Currency {
        *self.currency.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the store's currency as just read.
    pub(crate) fn learn_currency(&self, currency: Currency) {
        *self.currency.write().unwrap_or_else(PoisonError::into_inner) = currency;
    }
}
