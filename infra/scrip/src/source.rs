//! Where the items come from.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    time::Duration,
};

use serde::Serialize;
use store::{Connection, Error, Record, Store};
use tokio::{sync::mpsc, task::JoinSet};

use crate::Failure;

/// Tries of one page of the table, or of one customer, while the database asks to slow down.
pub(crate) const MAX_TRIES: u32 = 10;
/// Before each of them, as often as it was tried.
pub(crate) const PAUSE: Duration = Duration::from_millis(500);
/// Pages of a scan that may wait to be written.
const WAITING: usize = 8;

/// Where the items come from.
pub enum Source {
    /// Files of an export.
    Export(Vec<PathBuf>),
    /// A table.
    Table {
        /// Where it is, and who asks.
        connection: Box<Connection>,
        /// Parts that are read at the same time.
        segments: u16,
    },
}

impl Source {
    /// The table, if it is one.
    pub(crate) fn store(&self) -> Option<Store> {
        match self {
            Self::Export(_) => None,
            Self::Table { connection, .. } => Some(Store::connect((**connection).clone())),
        }
    }

    /// Hands on every item.
    pub(crate) async fn each(
        &self,
        mut take: impl FnMut(Record) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match (self, self.store()) {
            (Self::Export(files), _) => {
                let mut lines = Lines::of(files);
                while let Some(record) = lines.next()? {
                    take(record?)?;
                }
                Ok(())
            }
            (Self::Table { segments, .. }, Some(store)) => scan(store, *segments, take).await,
            (Self::Table { .. }, None) => Ok(()),
        }
    }
}

/// The lines of some files, one after another.
pub(crate) struct Lines<'a> {
    files: std::slice::Iter<'a, PathBuf>,
    reader: Option<Box<dyn BufRead>>,
    name: String,
    number: u64,
    line: Vec<u8>,
}

/// A line that is no item.
#[derive(Debug, Serialize, thiserror::Error)]
#[error("{file}, line {line}: {detail}")]
pub(crate) struct BadLine {
    file: String,
    line: u64,
    code: &'static str,
    detail: String,
}

impl<'a> Lines<'a> {
    pub(crate) fn of(files: &'a [PathBuf]) -> Self {
        Self { files: files.iter(), reader: None, name: String::new(), number: 0, line: Vec::new() }
    }

    /// The next line that is not empty, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Result<Record, BadLine>>, Failure> {
        loop {
            if self.reader.is_none() {
                let Some(file) = self.files.next() else { return Ok(None) };
                self.name = file.display().to_string();
                self.number = 0;
                self.reader = Some(if file.as_os_str() == "-" {
                    Box::new(io::stdin().lock())
                } else {
                    let opened = File::open(file).map_err(|error| format!("{}: {error}", self.name))?;
                    Box::new(BufReader::new(opened))
                });
            }
            let Some(reader) = &mut self.reader else { return Ok(None) };
            self.line.clear();
            self.number = self.number.saturating_add(1);
            let read = reader.read_until(b'\n', &mut self.line);
            if read.map_err(|error| format!("{}, line {}: {error}", self.name, self.number))? == 0 {
                self.reader = None;
                continue;
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            let record = match std::str::from_utf8(&self.line) {
                Ok(line) => Record::read(line).map_err(|error| self.bad(&error.to_string())),
                Err(error) => Err(self.bad(&error.to_string())),
            };
            return Ok(Some(record));
        }
    }

    /// Says of the line that was read last what is wrong with it.
    pub(crate) fn bad(&self, detail: &str) -> BadLine {
        let (file, code) = (self.name.clone(), "invalid_line");
        BadLine { file, line: self.number, code, detail: detail.to_owned() }
    }
}

/// Hands on every item of a table.
pub(crate) async fn scan(
    store: Store,
    segments: u16,
    mut take: impl FnMut(Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (sender, mut pages) = mpsc::channel(WAITING);
    let mut parts = JoinSet::new();
    for part in 0..segments {
        let (store, sender) = (store.clone(), sender.clone());
        parts.spawn(async move {
            let mut after = None;
            loop {
                let mut tries = 0_u32;
                let page = loop {
                    match store.scan_part((part, segments), after.clone()).await {
                        Err(Error::Throttled(_) | Error::Unavailable(_)) if tries < MAX_TRIES => {
                            tries = tries.saturating_add(1);
                            tokio::time::sleep(PAUSE.saturating_mul(tries)).await;
                        }
                        page => break page?,
                    }
                };
                // Nobody listens any more: somebody else failed, and says so.
                if sender.send(page.data).await.is_err() || page.next.is_none() {
                    return Ok::<_, Error>(());
                }
                after = page.next;
            }
        });
    }
    drop(sender);
    while let Some(page) = pages.recv().await {
        page.into_iter().try_for_each(&mut take)?;
    }
    while let Some(part) = parts.join_next().await {
        part??;
    }
    Ok(())
}
