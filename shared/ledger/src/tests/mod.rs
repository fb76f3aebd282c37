//! What the rules do, case by case, and the laws that hold over any history.

mod adjusting;
mod entry;
mod expire;
mod grant;
mod holds;
//mod laws;
//mod model;
mod overdraft;
mod redeem;
mod refunds;
mod topup;
mod totality;

use jiff::Timestamp;
use proptest::test_runner::Config;

use crate::{
    Account, Actor, Category, Change, Currency, Entry, Grant, HoldSeconds, LotExpiry, LotNumber, Money, Order, OrderLine,
    Policy, Refusal, Role, SALT, Seal, SignedAmount, Sweep,
};

/// The moment at which this day of January 2026 begins in UTC.
fn day(number: i8) -> Timestamp {
    time(&format!("2026-01-{number:02}T00:00:00Z"))
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

fn usd(amount: &str) -> Money {
    amount.parse::<SignedAmount>().unwrap().of(Currency::USD).unwrap()
}

/// The default policy but for these settings, written as the merchant writes them.
fn policy(settings: &str) -> Policy {
    serde_json::from_str(settings).unwrap()
}

fn actor(role: Role, id: &str) -> Actor {
    Actor { role, id: id.to_owned() }
}

/// A grant that says no more than it must.
fn goodwill(amount: &str) -> Grant {
    Grant {
        amount: amount.parse().unwrap(),
        category: Category::Goodwill,
        expiry: None,
        payment: None,
        reference: None,
        note: None,
        internal_note: None,
    }
}

/// An account that was granted these amounts: the day that each came, how much, and the day on which it expires.
fn account(lots: &[(i8, &str, Option<i8>)]) -> Account {
    account_in("USD", lots)
}

fn account_in(code: &str, lots: &[(i8, &str, Option<i8>)]) -> Account {
    let mut account = Account::new("alice".parse().unwrap(), currency(code));
    for (came, amount, expires) in lots {
        let expiry = expires.map(|number| LotExpiry::At(day(number)));
        let grant = Grant { expiry, ..goodwill(amount) };
        let change = crate::grant(&account, &Policy::default(), &grant, Role::Store, day(*came)).unwrap();
        account = seal(change, day(*came)).0;
    }
    account
}

/// An order of these lines: code, amount, place. The store credit's own place is 9 by default.
fn order(lines: &[(&str, &str, i64)]) -> Order {
    let line = |(code, amount, sort_order): &(&str, &str, i64)| OrderLine {
        code: code.parse().unwrap(),
        amount: amount.parse().unwrap(),
        sort_order: *sort_order,
    };
    Order { lines: lines.iter().map(line).collect(), contains_credit_product: false }
}

/// Spends exactly this on an order that comes to it.
fn spend(account: &Account, amount: &str, at: Timestamp) -> Account {
    let (id, order) = ("1002".parse().unwrap(), order(&[("sub_total", amount, 1)]));
    let change =
        crate::redeem(account, &Policy::default(), &id, &order, Some(amount.parse().unwrap()), at).unwrap();
    seal(change, at).0
}

fn seal(change: Change, at: Timestamp) -> (Account, Entry) {
    let (account, entry, _) = change.seal(&Policy::default(), sealing(at)).unwrap();
    (account, entry)
}

fn sealing(at: Timestamp) -> Seal {
    Seal { actor: actor(Role::Admin, "key-1"), at, policy_version: 3, salt: [7; SALT] }
}

/// What the change took out of which lots or put into them.
fn allocated(change: &Change) -> Vec<(LotNumber, String)> {
    change.line.allocations.iter().map(|part| (part.lot, part.amount.to_string())).collect()
}

fn texts(allocations: &[(u64, &str)]) -> Vec<(LotNumber, String)> {
    allocations.iter().map(|(lot, amount)| (LotNumber::from(*lot), (*amount).to_owned())).collect()
}

/// So many random cases. A case that fails is printed and belongs into a test of its own, not into a file beside them.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
