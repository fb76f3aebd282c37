//! What the table's stream tells of, for those who tell others of it.

use ledger::{CustomerId, Entry, Topup, TopupStatus};

use crate::{
    Error, Reminder,
    items::{Fields, Item, Key, REMINDERS, decode_entry, decode_topup},
    reminders::decode_reminder,
};

/// Something that happened, and that others may want to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// An entry was made.
    Entry(Box<Entry>),
    /// A top-up was asked for, or came to its end.
    Topup {
        /// Whose.
        customer: CustomerId,
        /// As it is since.
        topup: Box<Topup>,
    },
    /// Somebody is reminded of credit that expires soon.
    Reminder {
        /// Who.
        customer: CustomerId,
        /// Of what.
        reminder: Reminder,
    },
}

impl News {
    /// What a record of the stream tells by an item's image before and after; `None` where that is nothing to tell, as when
    /// texts are erased or an index follows.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when an image cannot be read.
    pub fn of(old: serde_dynamo::Item, new: serde_dynamo::Item) -> Result<Option<Self>, Error> {
        let (old, new) = (Item::from(old), Item::from(new));
        if new.contains_key("c") {
            // Entries are only ever made; what comes later takes texts away.
            return if old.is_empty() {
                Ok(Some(Self::Entry(Box::new(decode_entry(&new)?))))
            } else {
                Ok(None)
            };
        }
        if !new.contains_key("t") {
            return if old.is_empty() && !new.is_empty() { Self::of_reminder(&new) } else { Ok(None) };
        }
        let before: Option<TopupStatus> =
            if old.is_empty() { None } else { Some(decode_topup(&old)?.status) };
        let topup = decode_topup(&new)?;
        if before == Some(topup.status) {
            return Ok(None);
        }
        let customer =
            Key::of(&new)?.customer().ok_or_else(|| Fields(&new).corrupt("this is no top-up's key"))?;
        Ok(Some(Self::Topup { customer, topup: Box::new(topup) }))
    }

    fn of_reminder(new: &Item) -> Result<Option<Self>, Error> {
        let key = Key::of(new)?;
        let Some(customer) = key.customer().filter(|_| key.sk.starts_with(REMINDERS)) else {
            return Ok(None);
        };
        Ok(Some(Self::Reminder { customer, reminder: decode_reminder(new)? }))
    }
}
