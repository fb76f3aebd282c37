//! Where events land on this machine: the latest in memory, all of them in a file of the data's folder.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use notify::Event;
use serde_json::Value;

use crate::Failure;

/// The file of events, one a line.
const FILE: &str = "events.jsonl";
/// Events that are kept in memory.
const LATEST: usize = 1_000;

/// A log of events.
#[derive(Clone)]
pub struct EventLog(Arc<Mutex<Log>>);

struct Log {
    latest: VecDeque<Value>,
    file: Option<File>,
}

impl EventLog {
    /// An empty log, with its file in this folder if there is one.
    ///
    /// # Errors
    /// When the file cannot be had.
    pub fn new(folder: Option<&Path>) -> Result<Self, Failure> {
        let open = |folder: &Path| OpenOptions::new().create(true).append(true).open(folder.join(FILE));
        let file = folder.map(open).transpose()?;
        Ok(Self(Arc::new(Mutex::new(Log { latest: VecDeque::new(), file }))))
    }

    /// Takes these events, and tells of each whether it did.
    pub async fn take(self, events: Vec<Event>) -> Vec<bool> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().map(|event| log.write(event).is_ok()).collect()
    }

    /// The latest events, the last one last.
    pub fn latest(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).latest.iter().cloned().collect()
    }
}

impl Log {
    fn write(&mut self, event: &Event) -> Result<(), Failure> {
        let event = serde_json::to_value(event)?;
        if let Some(file) = &mut self.file {
            writeln!(file, "{event}")?;
        }
        if self.latest.len() >= LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(event);
        Ok(())
    }
}
