//! Bringing over what another system kept: a customer's movements there, replayed into lots of their own days.
//!
//! What was taken there went out of what was oldest. Where more was taken than there was, what comes later makes up for it
//! first, so that the balance is the sum of all movements, as the other system had it; what nothing made up for is forgiven,
//! and told. So nobody comes with a debt.

use std::{cmp::Ordering, mem};

use jiff::Timestamp;

use crate::{
    Account, Allocation, Category, Change, Currency, EntryType, Label, Line, Lot, LotExpiry, LotNumber,
    MAX_OPEN_LOTS, Money, NEVER, Origin, OutOfRange, Policy, Refusal, Role, account::Found, policy::Zone,
};

/// Most lots that one entry makes: a lot's number has no room for more parts of it.
pub const MAX_IMPORTED_LOTS: usize = 256;

/// One movement of credit in another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Its id there, by which movements of the same moment are in order.
    pub id: String,
    /// When it was.
    pub at: Timestamp,
    /// How much it brought, or took where it is below zero.
    pub amount: Money,
    /// When what it brought expires; `None` leaves it to the policy, which counts from its own day.
    pub expiry: Option<LotExpiry>,
}

/// What a customer's movements come to in one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// What they take out of lots that were imported before.
    taken: Found,
    /// What is left of what they brought, oldest first.
    lots: Vec<(Origin, Money)>,
    /// How many lots became one with the next, since there is no room for all.
    pub merged: usize,
    /// Whether more was taken at some moment than there was.
    pub below_zero: bool,
    /// What was taken that was never there, and is forgiven.
    pub forgiven: Money,
}

/// Replays movements that were not imported before, in the order of their time. They take out of what they bring, and out of
/// what is left of lots that were imported before, each at its own day; nothing that came to this ledger otherwise.
///
/// No limit of the policy holds for them. Where they leave more lots than there is room for, the oldest become one, with
/// the day and the expiry of the youngest of them: nobody loses credit by it sooner.
///
/// # Errors
/// [`Refusal::Invalid`] for a movement of nothing, one to come, or an expiry beyond the calendar; [`Refusal::TooManyLots`]
/// where there is room for none.
pub fn replay_import(
    account: &Account,
    policy: &Policy,
    movements: &[Movement],
    at: Timestamp,
) -> Result<Import, Refusal> {
    let currency = account.currency;
    let zero = Money::zero(currency);
    let mut movements: Vec<&Movement> = movements.iter().collect();
    movements.sort_by(|one, other| one.at.cmp(&other.at).then_with(|| by_number(&one.id, &other.id)));
    let mut past = imported_before(account, policy, at)?.into_iter().peekable();
    let mut queue = Queue { credits: Vec::new(), next: 0, short: zero, below_zero: false };
    for movement in movements {
        if movement.amount.is_zero() {
            return Err(invalid("amount", "must be more or less than zero"));
        }
        if movement.at > at {
            return Err(invalid("at", "must be a moment of the past"));
        }
        while let Some(lot) = past.next_if(|lot| lot.origin.granted_at <= movement.at) {
            queue.bring(lot)?;
        }
        if movement.amount.is_positive() {
            let expires_at = match movement.expiry {
                None => policy.expiry(Category::Import, movement.at),
                Some(expiry) => expiry.named(policy)?,
            };
            let (category, source) = (Category::Import, Role::System);
            let origin = Origin { category, source, granted_at: whole(movement.at)?, expires_at };
            queue.bring(Credit { lot: None, origin, left: movement.amount, taken: zero })?;
        } else {
            queue.take(movement.amount.negated())?;
        }
    }
    for lot in past {
        queue.bring(lot)?;
    }

    let mut taken = Found { parts: Vec::new(), overdraft: zero };
    let mut lots = Vec::new();
    for credit in queue.credits {
        match credit.lot {
            Some(lot) if credit.taken.is_positive() => taken.parts.push((lot, credit.taken)),
            None if credit.left.is_positive() => lots.push((credit.origin, credit.left)),
            _ => {}
        }
    }
    let room = MAX_OPEN_LOTS.saturating_sub(account.lots.len()).min(MAX_IMPORTED_LOTS);
    if room == 0 && !lots.is_empty() {
        return Err(Refusal::TooManyLots);
    }
    let count = lots.len();
    let lots = fitted(lots, room, &policy.time_zone)?;
    let merged = count.saturating_sub(lots.len());
    Ok(Import { taken, lots, merged, below_zero: queue.below_zero, forgiven: queue.short })
}

impl Import {
    /// How many lots it makes.
    pub fn lots(&self) -> usize {
        self.lots.len()
    }

    /// What it brings: the sum of the lots that it makes.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn brought(&self, currency: Currency) -> Result<Money, OutOfRange> {
        Money::sum(currency, self.lots.iter().map(|(_, amount)| *amount))
    }

    /// What it takes out of lots that were imported before.
    ///
    /// # Errors
    /// [`OutOfRange`] when the sum does not fit.
    pub fn taken(&self, currency: Currency) -> Result<Money, OutOfRange> {
        Money::sum(currency, self.taken.parts.iter().map(|(_, amount)| *amount))
    }

    /// The entry of what it takes, if it takes anything; its reference names the other system.
    ///
    /// # Errors
    /// [`OutOfRange`] when a sum does not fit.
    pub fn take(
        &self,
        account: &Account,
        system: &Label,
        at: Timestamp,
    ) -> Result<Option<Change>, OutOfRange> {
        let taken = self.taken(account.currency)?;
        if taken.is_zero() {
            return Ok(None);
        }
        let mut account = account.clone();
        account.drop_lapsed_holds(at);
        let allocations = account.take(&self.taken)?;
        account.lifetime.debited = account.lifetime.debited.plus(taken)?;
        let line = Line {
            allocations,
            reference: Some(system.clone()),
            ..Line::new(EntryType::Import, taken.negated())
        };
        Ok(Some(Change { account, line }))
    }

    /// The entry of what it brings, if it brings anything, in the account after [`Import::take`]. It settles the debt first,
    /// with what is oldest, and the rest becomes lots.
    ///
    /// # Errors
    /// [`Refusal::TooManyLots`], [`Refusal::OutOfRange`].
    pub fn bring(&self, account: &Account, system: &Label, at: Timestamp) -> Result<Option<Change>, Refusal> {
        let brought = self.brought(account.currency)?;
        if brought.is_zero() {
            return Ok(None);
        }
        let mut account = account.clone();
        account.drop_lapsed_holds(at);
        let settled = account.settle(brought)?;
        let entry = account.next_number()?;
        let mut owed = settled;
        let mut allocations = Vec::with_capacity(self.lots.len());
        for (origin, amount) in &self.lots {
            let settles = if owed < *amount { owed } else { *amount };
            owed = owed.minus(settles)?;
            let amount = amount.minus(settles)?;
            if amount.is_positive() {
                let part = u8::try_from(allocations.len()).map_err(|_| OutOfRange)?;
                let lot =
                    Lot { number: LotNumber { entry, part }, origin: origin.clone(), remaining: amount };
                account.admit(&lot)?;
                allocations.push(Allocation { lot: lot.number, amount, origin: Some(origin.clone()) });
                account.put(lot);
            }
        }
        account.lifetime.granted = account.lifetime.granted.plus(brought)?;
        let line = Line {
            allocations,
            category: Some(Category::Import),
            source: Some(Role::System),
            overdraft: Some(settled).filter(|settled| settled.is_positive()),
            reference: Some(system.clone()),
            ..Line::new(EntryType::Import, brought)
        };
        Ok(Some(Change { account, line }))
    }
}

/// Credit that came at some moment, and what became of it.
struct Credit {
    /// The lot that it is already, if it was imported before.
    lot: Option<LotNumber>,
    origin: Origin,
    left: Money,
    taken: Money,
}

/// Credit in the order in which it came and is taken.
struct Queue {
    credits: Vec<Credit>,
    /// Nothing is left of those before this one.
    next: usize,
    /// What was taken that is not made up for yet.
    short: Money,
    below_zero: bool,
}

impl Queue {
    fn bring(&mut self, mut credit: Credit) -> Result<(), OutOfRange> {
        let short = mem::replace(&mut self.short, Money::zero(credit.left.currency()));
        self.short = credit.take(short)?;
        self.credits.push(credit);
        Ok(())
    }

    fn take(&mut self, amount: Money) -> Result<(), OutOfRange> {
        let mut due = amount;
        while let Some(credit) = self.credits.get_mut(self.next) {
            due = credit.take(due)?;
            if credit.left.is_positive() {
                break;
            }
            self.next = self.next.saturating_add(1);
        }
        self.below_zero |= due.is_positive();
        self.short = self.short.plus(due)?;
        Ok(())
    }
}

impl Credit {
    /// Takes as much of this as is left, and tells what is still due.
    fn take(&mut self, due: Money) -> Result<Money, OutOfRange> {
        let taken = if self.left < due { self.left } else { due };
        self.left = self.left.minus(taken)?;
        self.taken = self.taken.plus(taken)?;
        due.minus(taken)
    }
}

/// What can be taken of the lots that were imported before, oldest first: neither what is held nor what is owed.
fn imported_before(account: &Account, policy: &Policy, at: Timestamp) -> Result<Vec<Credit>, OutOfRange> {
    let zero = Money::zero(account.currency);
    let reserved = account.reservations(at)?;
    let mut spendable = account.own(policy, at)?;
    let mut credits = Vec::new();
    let imported = |lot: &&Lot| lot.origin.category == Category::Import && lot.origin.source == Role::System;
    for lot in account.lots.iter().filter(imported).filter(|lot| lot.is_usable(policy, at)) {
        let free = reserved.free(lot)?;
        let left = if free < spendable { free } else { spendable };
        spendable = spendable.minus(left)?;
        if left.is_positive() {
            credits.push(Credit { lot: Some(lot.number), origin: lot.origin.clone(), left, taken: zero });
        }
    }
    Ok(credits)
}

/// So many lots at most: where there are more, those of one day that expire together become one; if that is not enough, the
/// oldest do.
fn fitted(lots: Vec<(Origin, Money)>, room: usize, zone: &Zone) -> Result<Vec<(Origin, Money)>, OutOfRange> {
    if lots.len() <= room {
        return Ok(lots);
    }
    let alike = |one: &Origin, other: &Origin| {
        one.expires_at == other.expires_at && zone.day_of(one.granted_at) == zone.day_of(other.granted_at)
    };
    let mut days: Vec<(Origin, Money)> = Vec::with_capacity(lots.len());
    for (origin, amount) in lots {
        match days.last_mut() {
            Some((last, sum)) if alike(last, &origin) => {
                *last = origin;
                *sum = sum.plus(amount)?;
            }
            _ => days.push((origin, amount)),
        }
    }
    let oldest = days.len().saturating_sub(room);
    let mut rest = days.into_iter();
    let mut merged: Option<(Origin, Money)> = None;
    for (origin, amount) in rest.by_ref().take(if oldest == 0 { 0 } else { oldest.saturating_add(1) }) {
        merged = Some(match merged {
            None => (origin, amount),
            Some((before, sum)) => {
                let expires_at = later(before.expires_at, origin.expires_at);
                (Origin { expires_at, ..origin }, sum.plus(amount)?)
            }
        });
    }
    Ok(merged.into_iter().chain(rest).collect())
}

/// The later of two expiries. None may yet get a date, and is later than any; that of what never expires is later still.
fn later(one: Option<Timestamp>, other: Option<Timestamp>) -> Option<Timestamp> {
    let never = [one, other].contains(&Some(NEVER));
    let later = one.zip(other).map(|(one, other)| one.max(other));
    if never { Some(NEVER) } else { later }
}

/// Ids in the order of their numbers where they are numbers: 9 before 10.
fn by_number(one: &str, other: &str) -> Ordering {
    let is_number = |id: &str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
    if is_number(one) && is_number(other) {
        let [one, other] = [one, other].map(|id| id.trim_start_matches('0'));
        return one.len().cmp(&other.len()).then_with(|| one.cmp(other));
    }
    one.cmp(other)
}

/// The ledger counts in milliseconds.
fn whole(at: Timestamp) -> Result<Timestamp, OutOfRange> {
    Timestamp::from_millisecond(at.as_millisecond()).map_err(|_| OutOfRange)
}

fn invalid(field: &str, message: &str) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), message: message.to_owned() }
}
