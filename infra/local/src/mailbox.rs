//! Where mails land on this machine: the latest in memory, all of them as files of the data's folder.

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use deliver::Mail;
use serde_json::{Value, json};

use crate::Failure;

/// The folder of mails, one a file that mail programs open.
const FOLDER: &str = "mail";
/// Mails that are kept in memory.
const LATEST: usize = 1_000;

/// A mailbox of everybody's.
#[derive(Clone, Default)]
pub struct Mailbox {
    latest: Arc<Mutex<VecDeque<Mail>>>,
    folder: Option<PathBuf>,
}

impl Mailbox {
    /// An empty one, with its files in this folder if there is one.
    ///
    /// # Errors
    /// When the folder cannot be had.
    pub fn new(folder: Option<&Path>) -> Result<Self, Failure> {
        let folder = folder.map(|folder| folder.join(FOLDER));
        if let Some(folder) = &folder {
            fs::create_dir_all(folder)?;
        }
        Ok(Self { latest: Arc::default(), folder })
    }

    /// Takes a mail.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub fn take(&self, mail: &Mail) -> Result<(), Failure> {
        if let Some(folder) = &self.folder {
            let name = format!("{}-{}.eml", mail.at.strftime("%Y%m%dT%H%M%S"), mail.id.replace('@', "."));
            fs::write(folder.join(name), mail.mime()?)?;
        }
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() >= LATEST {
            latest.pop_front();
        }
        latest.push_back(mail.clone());
        Ok(())
    }

    /// The latest mails, the last one last.
    pub fn latest(&self) -> Vec<Value> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |mail: &Mail| {
            let (from, reply_to) = (mail.from.as_str(), mail.reply_to.as_ref().map(mail::Address::as_str));
            let letter = &mail.letter;
            json!({"id": mail.id, "at": mail.at, "from": from, "reply_to": reply_to, "to": mail.to, "subject": letter.subject,
                "text": letter.text, "html": letter.html})
        };
        latest.iter().map(shown).collect()
    }
}
