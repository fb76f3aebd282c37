//! An embedded DynamoDB that answers over HTTP, with the template's table in it.

use std::{net::Ipv4Addr, path::Path};

use dynoxide::actions::{create_table::CreateTableRequest, list_tables::ListTablesRequest};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{Failure, Stream, Template};

/// The table's name.
pub const TABLE: &str = "ledger";

/// A running embedded database. It stops when this is dropped.
pub struct Database {
    inner: dynoxide::Database,
    endpoint: String,
    server: JoinHandle<()>,
}

impl Database {
    /// Serves the database in this file, or one in memory, on this port of this machine; 0 is any.
    ///
    /// # Errors
    /// When the file or the port cannot be had.
    pub async fn start(file: Option<&Path>, port: u16) -> Result<Self, Failure> {
        let database = match file {
            None => dynoxide::Database::memory()?,
            Some(file) => {
                dynoxide::Database::new(file.to_str().ok_or("the database's path must be text in UTF-8")?)?
            }
        };
        let tables = database.list_tables(serde_json::from_str::<ListTablesRequest>("{}")?)?;
        if !tables.table_names.iter().any(|name| name == TABLE) {
            let table = Template::read()?.table(TABLE)?;
            database.create_table(serde_json::from_value::<CreateTableRequest>(table)?)?;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let server = tokio::spawn(dynoxide::server::serve_on(listener, database.clone()));
        Ok(Self { inner: database, endpoint, server })
    }

    /// What changes in the table, from the beginning.
    ///
    /// # Errors
    /// When the table has no stream.
    pub fn stream(&self) -> Result<Stream, Failure> {
        Stream::of(self.inner.clone())
    }

    /// Where it answers.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.server.abort();
    }
}
