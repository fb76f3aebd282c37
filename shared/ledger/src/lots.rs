//! What lots were when an entry moved them, by the entries before it: what the books have to know and an entry may not tell.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{Allocation, Category, Entry, EntryType, LotNumber, Money, NEVER, OutOfRange};

/// Some credit of one kind, and when it came and ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LotPart {
    /// What kind of credit.
    pub category: Category,
    /// When it came.
    pub granted_at: Timestamp,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
    /// How much: more than zero where it came, less where it went.
    pub amount: Money,
}

/// Lots of an account after some of its entries: those that are open, and what spent ones were.
///
/// It believes the entries, which `Replay` proves; and where not all of an account's are followed, it knows less.
#[derive(Clone, Debug, Default)]
pub struct Lots {
    open: BTreeMap<LotNumber, LotPart>,
    spent: BTreeMap<u64, Vec<Allocation>>,
}

impl Entry {
    /// The lots that it moved of which it does not tell all: what made them does, and what moved them since.
    pub fn untold_lots(&self) -> Vec<LotNumber> {
        match self.kind {
            EntryType::Hold | EntryType::Release => Vec::new(),
            EntryType::ExpiryChange => self.lots().collect(),
            _ => self
                .allocations
                .iter()
                .filter(|part| self.told(part).is_none())
                .map(|part| part.lot)
                .collect(),
        }
    }

    /// Whether it may leave this lot otherwise than it was when this redemption took of it: it gave the lot another expiry, or
    /// brought it back as another redemption had it.
    pub fn alters(&self, lot: LotNumber, redemption: u64) -> bool {
        let may = match self.kind {
            EntryType::ExpiryChange => true,
            EntryType::Refund => self.redemption != Some(redemption),
            _ => false,
        };
        may && self.lots().any(|moved| moved == lot)
    }

    /// Whether its allocations are of credit that came, and not of what went.
    fn comes_in(&self) -> bool {
        match self.kind {
            EntryType::Grant | EntryType::Topup | EntryType::Refund => true,
            EntryType::Import => self.amount.is_positive(),
            _ => false,
        }
    }

    fn lots(&self) -> impl Iterator<Item = LotNumber> {
        self.lot.into_iter().chain(self.allocations.iter().map(|part| part.lot))
    }

    /// What it tells of a lot itself: as what made the lot, or spent of it.
    fn told(&self, part: &Allocation) -> Option<LotPart> {
        let expiry = |expires_at: Option<Timestamp>| expires_at.filter(|moment| *moment != NEVER);
        if let Some(origin) = &part.origin {
            let (category, granted_at) = (origin.category, origin.granted_at);
            return Some(LotPart {
                category,
                granted_at,
                expires_at: expiry(origin.expires_at),
                amount: part.amount,
            });
        }
        let makes = matches!(self.kind, EntryType::Grant | EntryType::Topup) && part.lot.entry == self.number;
        let category = self.category.filter(|_| makes)?;
        let expires_at = expiry(self.expires_at);
        Some(LotPart { category, granted_at: self.at, expires_at, amount: part.amount })
    }
}

impl Lots {
    /// Goes on to the next entry.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn follow(&mut self, entry: &Entry) -> Result<(), OutOfRange> {
        for part in &entry.allocations {
            let lot = part.lot;
            match entry.kind {
                EntryType::Hold | EntryType::Release => {}
                _ if entry.comes_in() => {
                    let Some(came) = self.before(entry, part) else { continue };
                    match self.open.get_mut(&lot) {
                        Some(open) => open.amount = open.amount.plus(part.amount)?,
                        None => drop(self.open.insert(lot, came)),
                    }
                }
                EntryType::ExpiryChange => {
                    let Some(dated) = entry.told(part) else { continue };
                    if let Some(open) = self.open.get_mut(&lot) {
                        open.expires_at = dated.expires_at;
                    }
                }
                _ => {
                    let Some(open) = self.open.get_mut(&lot) else { continue };
                    open.amount = open.amount.minus(part.amount)?;
                    if !open.amount.is_positive() {
                        self.open.remove(&lot);
                    }
                }
            }
        }
        match entry.kind {
            EntryType::Redeem | EntryType::Capture => {
                self.spent.insert(entry.number, entry.allocations.clone());
            }
            EntryType::ExpiryChange => {
                if let Some(open) = entry.lot.and_then(|lot| self.open.get_mut(&lot)) {
                    open.expires_at = entry.expires_at.filter(|moment| *moment != NEVER);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// What the entry after these moves of lots; of each that it takes from or adds to, in the order of its allocations.
    ///
    /// What expires is told as expiring at the entry's own moment: it is over by then, whenever it was due.
    ///
    /// # Errors
    /// The lot of which nothing tells.
    pub(crate) fn moved(&self, entry: &Entry) -> Result<Vec<LotPart>, LotNumber> {
        if matches!(entry.kind, EntryType::Hold | EntryType::Release) {
            return Ok(Vec::new());
        }
        if entry.kind == EntryType::ExpiryChange {
            return self.dated(entry);
        }
        let mut moved = Vec::with_capacity(entry.allocations.len());
        for part in &entry.allocations {
            let mut lot = self.before(entry, part).ok_or(part.lot)?;
            lot.amount = if entry.comes_in() { part.amount } else { part.amount.negated() };
            if entry.kind == EntryType::Expire {
                lot.expires_at = Some(entry.at);
            }
            moved.push(lot);
        }
        Ok(moved)
    }

    /// What goes from one expiry to another.
    fn dated(&self, entry: &Entry) -> Result<Vec<LotPart>, LotNumber> {
        let one = entry.lot.into_iter().map(|lot| (lot, entry.expires_at.filter(|moment| *moment != NEVER)));
        let many = entry.allocations.iter().map(|part| {
            let told = entry.told(part);
            (part.lot, told.and_then(|told| told.expires_at))
        });
        let mut moved = Vec::new();
        for (lot, expires_at) in one.chain(many) {
            let before = self.open.get(&lot).ok_or(lot)?;
            if before.expires_at != expires_at {
                moved.push(LotPart { amount: before.amount.negated(), ..before.clone() });
                moved.push(LotPart { expires_at, ..before.clone() });
            }
        }
        Ok(moved)
    }

    /// The lot as the entry itself tells it, as it is open, or as it was when the spending took of it that is given back.
    fn before(&self, entry: &Entry, part: &Allocation) -> Option<LotPart> {
        if let Some(told) = entry.told(part) {
            return Some(told);
        }
        if let Some(open) = self.open.get(&part.lot) {
            return Some(LotPart { amount: part.amount, ..open.clone() });
        }
        let spent = entry.redemption.and_then(|number| self.spent.get(&number))?;
        let origin = spent.iter().find(|taken| taken.lot == part.lot)?.origin.as_ref()?;
        Some(LotPart {
            category: origin.category,
            granted_at: origin.granted_at,
            expires_at: origin.expiry(),
            amount: part.amount,
        })
    }
}
