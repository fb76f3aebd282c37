//! What it costs to write an account as its item, and to read it, in time and in memory that it asks for: `cargo bench -p store`
//! prints a table.
//!
//! How items are stored is nobody's business outside `store`, so that its source is taken in here as it is.
#![expect(clippy::unwrap_used, reason = "there is nobody to answer to: what is not set up right shall stop")]

use divan::{AllocProfiler, Bencher};
use jiff::{SignedDuration, Timestamp};
use ledger::{Account, Actor, Category, Currency, Grant, LotExpiry, MAX_OPEN_LOTS, Policy, Role, SALT, Seal};
// What that source looks for beside itself.
use store::{CommandKey, Error, GroupGrantId, Notices};

#[expect(dead_code, unreachable_pub, reason = "the account's item is all that is looked at")]
#[path = "../src/items.rs"]
mod items;

/// Counts what is allocated, which costs what is timed a little.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Open lots of the account: the last are as many as it may have.
const LOTS: [usize; 4] = [1, 10, 100, MAX_OPEN_LOTS];

fn main() {
    divan::main();
}

#[divan::bench(args = LOTS)]
fn encode(bencher: Bencher<'_, '_>, lots: usize) {
    let account = account(lots);
    bencher.bench(|| items::encode_account(&account, 1).unwrap());
}

#[divan::bench(args = LOTS)]
fn decode(bencher: Bencher<'_, '_>, lots: usize) {
    let account = account(lots);
    let item = items::encode_account(&account, 1).unwrap();
    assert_eq!(items::decode_account(&item).unwrap().account, account);
    bencher.bench(|| items::decode_account(&item).unwrap());
}

/// An account that was granted something every day, each for a year.
fn account(lots: usize) -> Account {
    let new = Account::new("alice".parse().unwrap(), Currency::USD);
    let day = SignedDuration::from_hours(24);
    let begun: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let policy = Policy::default();
    (0..lots)
        .fold((new, begun), |(account, at), _| {
            let expires = at.checked_add(SignedDuration::from_hours(24 * 365)).unwrap();
            let grant = Grant {
                amount: "12.34".parse().unwrap(),
                category: Category::Goodwill,
                expiry: Some(LotExpiry::At(expires)),
                payment: None,
                reference: None,
                note: None,
                internal_note: None,
            };
            let seal = Seal {
                actor: Actor::schedule(),
                at,
                policy_version: 1,
                customer_version: None,
                salt: [7; SALT],
            };
            let change = ledger::grant(&account, &policy, &grant, Role::Store, at).unwrap();
            let (account, ..) = change.seal(&policy, seal).unwrap();
            (account, at.checked_add(day).unwrap())
        })
        .0
}
