//! Where the items come from.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    time::Duration,
};

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
            (Self::Export(files), _) => files.iter().try_for_each(|file| read(file, &mut take)),
            (Self::Table { segments, .. }, Some(store)) => scan(store, *segments, take).await,
            (Self::Table { .. }, None) => Ok(()),
        }
    }
}

fn read(file: &PathBuf, take: &mut impl FnMut(Record) -> Result<(), Failure>) -> Result<(), Failure> {
    let name = file.display();
    let mut reader: Box<dyn BufRead> = if file.as_os_str() == "-" {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(file).map_err(|error| format!("{name}: {error}"))?))
    };
    let mut line = String::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        number = number.saturating_add(1);
        let at = |error: &dyn std::fmt::Display| format!("{name}, line {number}: {error}");
        if reader.read_line(&mut line).map_err(|error| at(&error))? == 0 {
            return Ok(());
        }
        if !line.trim().is_empty() {
            take(Record::read(&line).map_err(|error| at(&error))?)?;
        }
    }
}

async fn scan(
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
