//! An entry's allocations as one text: in base64url a row for each of them, told beside the one before it.
//!
//! A row is a head of bits, and then those numbers which the head does not say already, each as `postcard` writes one: small
//! numbers take few bytes. In this order: how much higher the entry of the lot's number is, its part, the amount in smallest
//! units, how much later the lot was granted, how much later it expires. No length is written: the rows go on to the end.
//!
//! One list has one text: what unpacks and would be packed otherwise is refused.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;

use super::{Allocation, NEVER, Origin, Unreadable};
use crate::{Category, Currency, LotNumber, Money, OutOfRange, Role};

/// Of the head: who brought the lot.
const SOURCE: u16 = 0b11;
/// Of the head: what kind of credit it is; zero where nothing is said of where the lot comes from.
const CATEGORY: u16 = 0b111 << 2;
/// Of the head: when it expires. Zero where no date was given.
const EXPIRY: u16 = 0b11 << 5;
/// It was said never to expire.
const SAID_NEVER: u16 = 1 << 5;
/// So many quarters of an hour later than the last one that expires: every time zone's midnight is one.
const IN_QUARTERS: u16 = 2 << 5;
/// So many milliseconds later.
const IN_UNITS: u16 = 3 << 5;
/// Of the head: the lot's number has a part. Heads without this bit and the next take one byte.
const PART: u16 = 1 << 7;
/// Of the head: moments count in nanoseconds instead of milliseconds, which is what calls are told in.
const FINE: u16 = 1 << 8;

/// Nanoseconds.
const MILLISECOND: i128 = 1_000_000;
/// A quarter of an hour, in nanoseconds.
const QUARTER: i128 = 900 * 1_000 * MILLISECOND;

/// The text of these allocations, empty for none.
pub(crate) fn pack(allocations: &[Allocation]) -> Result<String, OutOfRange> {
    let mut before = Before::default();
    let mut bytes = Vec::new();
    for allocation in allocations {
        let (head, numbers) = before.pack(allocation)?;
        // Numbers in memory are all that it writes: it cannot fail.
        bytes = postcard::to_extend(&head, bytes).map_err(|_| OutOfRange)?;
        for number in numbers {
            bytes = postcard::to_extend(&number, bytes).map_err(|_| OutOfRange)?;
        }
    }
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The allocations of this text, one at the least.
pub(crate) fn unpack(text: &str, currency: Currency) -> Result<Vec<Allocation>, Unreadable> {
    let unreadable = |reason: String| Unreadable(format!("its allocations {reason}"));
    let bytes =
        URL_SAFE_NO_PAD.decode(text).map_err(|error| unreadable(format!("are no base64: {error}")))?;
    let mut rest = bytes.as_slice();
    let mut before = Before::default();
    let mut allocations = Vec::new();
    while !rest.is_empty() {
        let allocation = before.unpack(&mut rest, currency);
        let place = allocations.len();
        let damaged = || unreadable(format!("are cut off or out of range at [{place}]"));
        allocations.push(allocation.ok_or_else(damaged)?);
    }
    if allocations.is_empty() || pack(&allocations).as_deref() != Ok(text) {
        return Err(unreadable("are not packed as they would be".to_owned()));
    }
    Ok(allocations)
}

/// What the rows so far came to, beside which the next one is told. Moments are nanoseconds since 1970.
#[derive(Default)]
struct Before {
    entry: i128,
    granted_at: i128,
    /// Of the last one that expires at all.
    expires_at: i128,
}

impl Before {
    /// The next row: its head, and its numbers.
    fn pack(&mut self, allocation: &Allocation) -> Result<(u16, Vec<i128>), OutOfRange> {
        let LotNumber { entry, part } = allocation.lot;
        let mut head = 0;
        let mut numbers = vec![later(&mut self.entry, entry.into())];
        if part != 0 {
            head |= PART;
            numbers.push(part.into());
        }
        numbers.push(allocation.amount.minor()?.into());
        let Some(origin) = &allocation.origin else { return Ok((head, numbers)) };

        head |= category_code(origin.category) | source_code(origin.source);
        let granted = later(&mut self.granted_at, origin.granted_at.as_nanosecond());
        let expires = origin.expiry().map(|at| later(&mut self.expires_at, at.as_nanosecond()));
        let is_fine = [Some(granted), expires].into_iter().flatten().any(|later| later % MILLISECOND != 0);
        let units = |later: i128| if is_fine { later } else { later / MILLISECOND };
        if is_fine {
            head |= FINE;
        }
        numbers.push(units(granted));
        match expires {
            None if origin.expires_at.is_none() => {}
            None => head |= SAID_NEVER,
            Some(later) if later % QUARTER == 0 => {
                head |= IN_QUARTERS;
                numbers.push(later / QUARTER);
            }
            Some(later) => {
                head |= IN_UNITS;
                numbers.push(units(later));
            }
        }
        Ok((head, numbers))
    }

    /// What the next row says, if it is one.
    fn unpack(&mut self, rest: &mut &[u8], currency: Currency) -> Option<Allocation> {
        let head: u16 = next(rest)?;
        let entry =
            u64::try_from(reached(&mut self.entry, next(rest)?, 1)?).ok().filter(|entry| *entry != 0)?;
        let part = if head & PART == 0 { 0 } else { u8::try_from(next::<i128>(rest)?).ok()? };
        let amount = Money::from_minor(next::<i128>(rest)?.try_into().ok()?, currency);
        let origin = if head & CATEGORY == 0 { None } else { Some(self.unpack_origin(head, rest)?) };
        Some(Allocation { lot: LotNumber { entry, part }, amount, origin })
    }

    fn unpack_origin(&mut self, head: u16, rest: &mut &[u8]) -> Option<Origin> {
        let unit = if head & FINE == 0 { MILLISECOND } else { 1 };
        let granted_at = moment(reached(&mut self.granted_at, next(rest)?, unit)?)?;
        let mut expiry = |unit| moment(reached(&mut self.expires_at, next(rest)?, unit)?);
        let expires_at = match head & EXPIRY {
            0 => None,
            SAID_NEVER => Some(NEVER),
            IN_QUARTERS => Some(expiry(QUARTER)?),
            _ => Some(expiry(unit)?),
        };
        Some(Origin { category: category_of(head)?, source: source_of(head)?, granted_at, expires_at })
    }
}

/// How much later this is than what was before, in whose place it comes.
fn later(before: &mut i128, now: i128) -> i128 {
    // Neither numbers of entries nor moments come near to the bounds of 128 bits.
    now.wrapping_sub(std::mem::replace(before, now))
}

/// What is so many units later than what was before, in whose place it comes.
fn reached(before: &mut i128, later: i128, unit: i128) -> Option<i128> {
    *before = later.checked_mul(unit)?.checked_add(*before)?;
    Some(*before)
}

fn moment(nanoseconds: i128) -> Option<Timestamp> {
    Timestamp::from_nanosecond(nanoseconds).ok()
}

fn next<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Option<T> {
    let (number, after) = postcard::take_from_bytes(rest).ok()?;
    *rest = after;
    Some(number)
}

fn category_code(category: Category) -> u16 {
    match category {
        Category::Paid => 1 << 2,
        Category::Promotional => 2 << 2,
        Category::Refund => 3 << 2,
        Category::Goodwill => 4 << 2,
        Category::Import => 5 << 2,
    }
}

fn category_of(head: u16) -> Option<Category> {
    Category::ALL.iter().copied().find(|category| category_code(*category) == head & CATEGORY)
}

fn source_code(source: Role) -> u16 {
    match source {
        Role::Admin => 0,
        Role::Store => 1,
        Role::Customer => 2,
        Role::System => 3,
    }
}

fn source_of(head: u16) -> Option<Role> {
    Role::ALL.iter().copied().find(|source| source_code(*source) == head & SOURCE)
}
