//! What the table's stream tells of, for those who tell others of it.

use ledger::{CustomerId, Entry, Topup, TopupStatus};

use crate::{
    Error,
    items::{Fields, Item, Key, decode_entry, decode_topup},
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
            return Ok(None);
        }
        let before: Option<TopupStatus> =
            if old.is_empty() { None } else { Some(decode_topup(&old)?.status) };
        let topup = decode_topup(&new)?;
        if before == Some(topup.status) {
            return Ok(None);
        }
        let key = Key::of(&new)?;
        let customer = key.pk.strip_prefix("C#").and_then(|id| id.parse().ok());
        let customer = customer.ok_or_else(|| Fields(&new).corrupt("this is no top-up's key"))?;
        Ok(Some(Self::Topup { customer, topup: Box::new(topup) }))
    }
}
