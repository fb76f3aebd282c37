//! A DynamoDB with the template's table in it: an embedded one that answers over HTTP, or any other.

use std::{net::Ipv4Addr, path::Path, time::Duration};

use dynoxide::actions::{create_table::CreateTableRequest, list_tables::ListTablesRequest};
use serde_json::{Value, json};
use store::Connection;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{Failure, Stream, Template};

/// The table's name in the embedded database.
pub const TABLE: &str = "ledger";
/// How often another database is asked whether it has made the table.
const PAUSE: Duration = Duration::from_millis(100);
/// How long another database may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A database. One that is embedded stops when this is dropped.
pub struct Database {
    endpoint: String,
    table: String,
    server: Option<JoinHandle<()>>,
}

impl Database {
    /// Serves the database in this file, or one in memory, on this port of this machine; 0 is any.
    ///
    /// # Errors
    /// When the file or the port cannot be had.
    pub async fn start(file: Option<&Path>, port: u16) -> Result<Self, Failure> {
        Self::of(open(file)?, port).await
    }

    /// Serves this one.
    ///
    /// # Errors
    /// When the port cannot be had.
    pub(crate) async fn of(database: dynoxide::Database, port: u16) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(dynoxide::server::serve_on(listener, database));
        Ok(Self { endpoint, table: TABLE.to_owned(), server: Some(server) })
    }

    /// The database at this address, with a new table of this name.
    ///
    /// # Errors
    /// When it does not answer, or will not make the table.
    pub async fn elsewhere(endpoint: &str, table: &str) -> Result<Self, Failure> {
        let database = Self { endpoint: endpoint.to_owned(), table: table.to_owned(), server: None };
        database.call("DynamoDB_20120810.CreateTable", Template::read()?.table(table)?).await?;
        let wanted = json!({"TableName": table});
        while database
            .call("DynamoDB_20120810.DescribeTable", wanted.clone())
            .await?
            .pointer("/Table/TableStatus")
            .is_none_or(|status| status != "ACTIVE")
        {
            tokio::time::sleep(PAUSE).await;
        }
        Ok(database)
    }

    /// What changes in the table: from where a follower came to, as this file keeps it, else from the beginning.
    ///
    /// # Errors
    /// When the table has no stream.
    pub async fn stream(&self, kept: Option<&Path>) -> Result<Stream, Failure> {
        Stream::of(&self.endpoint, &self.table, kept).await
    }

    /// Where it answers.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The table's name.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// How the store reaches the table.
    pub fn connection(&self) -> Connection {
        Connection::local(&self.table, &self.endpoint)
    }

    /// Asks it one thing, beside the store.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn call(&self, target: &str, body: Value) -> Result<Value, Failure> {
        call(&self.endpoint, target, body).await
    }
}

/// The embedded database in this file, or a new one in memory, with the table in it.
///
/// # Errors
/// When the file cannot be had.
pub(crate) fn open(file: Option<&Path>) -> Result<dynoxide::Database, Failure> {
    let database = match file {
        None => dynoxide::Database::memory()?,
        Some(file) => dynoxide::Database::new(path(file)?)?,
    };
    let tables = database.list_tables(serde_json::from_str::<ListTablesRequest>("{}")?)?;
    if !tables.table_names.iter().any(|name| name == TABLE) {
        let table = Template::read()?.table(TABLE)?;
        database.create_table(serde_json::from_value::<CreateTableRequest>(table)?)?;
    }
    if let Some(file) = file {
        index(file)?;
    }
    Ok(database)
}

/// Gives this file the indexes that the embedded database lacks. It looked through all records of the stream at each write and at each
/// read of the stream, and sorted the whole table for each page of a parallel scan: a ledger of 50,000 entries took twenty a second, and
/// one of 200,000 lots was too large to be audited.
fn index(file: &Path) -> Result<(), Failure> {
    let indexes = format!(
        "CREATE INDEX IF NOT EXISTS scrip_stream_written ON _stream_records (table_name, CAST(sequence_number AS INTEGER));
         CREATE INDEX IF NOT EXISTS scrip_stream_read ON _stream_records (table_name, shard_id, CAST(sequence_number AS INTEGER));
         CREATE INDEX IF NOT EXISTS scrip_scan ON \"{TABLE}\" (hash_prefix, pk, sk);"
    );
    Ok(rusqlite::Connection::open(file)?.execute_batch(&indexes)?)
}

/// A file as the database takes it.
///
/// # Errors
/// When its name is not text.
pub(crate) fn path(file: &Path) -> Result<&str, Failure> {
    Ok(file.to_str().ok_or("the database's path must be text in UTF-8")?)
}

/// Asks a database for one thing: an operation, such as `DynamoDB_20120810.GetItem`, and what it takes.
///
/// # Errors
/// When it does not answer, or refuses.
pub(crate) async fn call(endpoint: &str, target: &str, body: Value) -> Result<Value, Failure> {
    let (endpoint, target) = (endpoint.to_owned(), target.to_owned());
    let asked = move || -> Result<Value, Failure> {
        let request = ureq::post(&endpoint).config().http_status_as_error(false);
        let request = request.timeout_global(Some(PATIENCE)).build();
        let mut response = request
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", &target)
            .header("x-amz-date", "20260101T000000Z")
            // Nobody checks it on this machine, but it has to be there.
            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
            .send(body.to_string())?;
        let answer = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        if response.status().is_success() {
            Ok(serde_json::from_str(&answer)?)
        } else {
            Err(format!("{target} answered {}: {answer}", response.status()).into())
        }
    };
    tokio::task::spawn_blocking(asked).await?
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}
