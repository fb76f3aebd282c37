//! What the rules do, case by case, and the laws that hold over any history.

mod adjusting;
mod audit;
mod entry;
mod expire;
mod grant;
mod holds;
mod import;
mod journal;
mod laws;
mod mend;
mod model;
mod overdraft;
mod packing;
mod redeem;
mod refunds;
mod remind;
mod replay;
mod standing;
mod statement;
mod topup;
mod totality;

use jiff::Timestamp;
use proptest::test_runner::Config;

use crate::{
    Account, Actor, Allocation, Asked, Category, Change, Currency, Entry, Grant, LotExpiry, LotNumber, Money,
    Order, OrderLine, Policy, Refusal, Role, SALT, Seal, SignedAmount, Sweep, Topup,
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

/// Grants this by these rules, in the category and until the moment that it says.
fn granted(account: &Account, policy: &Policy, grant: &Grant, at: Timestamp) -> Account {
    seal_by(policy, crate::grant(account, policy, grant, Role::Store, at).unwrap(), at).0
}

/// Spends exactly this by these rules, on an order that comes to far more.
fn redeemed(account: &Account, policy: &Policy, amount: &str, at: Timestamp) -> (Account, Entry) {
    let amount = Some(amount.parse().unwrap());
    seal_by(policy, crate::redeem(account, policy, &order_id(), &large_order(), amount, at).unwrap(), at)
}

/// Reserves exactly this by these rules and for as long as they say, for an order that comes to far more.
fn reserve(account: &Account, policy: &Policy, amount: &str, at: Timestamp) -> Result<Change, Refusal> {
    let amount = Some(amount.parse().unwrap());
    crate::hold(account, policy, &order_id(), &large_order(), amount, None, at)
}

fn held(account: &Account, policy: &Policy, amount: &str, at: Timestamp) -> (Account, Entry) {
    seal_by(policy, reserve(account, policy, amount, at).unwrap(), at)
}

/// Gives exactly this back of a redemption of which nothing was given back before.
fn refunded(
    account: &Account,
    policy: &Policy,
    spent: &Entry,
    amount: &str,
    at: Timestamp,
) -> (Account, Entry) {
    let amount = Some(amount.parse().unwrap());
    let nothing = Money::zero(account.currency);
    seal_by(policy, crate::refund(account, policy, spent, nothing, amount, at).unwrap(), at)
}

fn order_id() -> crate::Label {
    "1002".parse().unwrap()
}

fn large_order() -> Order {
    order(&[("sub_total", "99999.00", 1)])
}

/// What a sweep leaves, with the entry that it books.
fn swept(account: &Account, policy: &Policy, at: Timestamp) -> (Account, Option<Entry>) {
    match crate::expire(account, policy, at).unwrap() {
        Sweep::Due(change) => {
            let (account, entry) = seal_by(policy, *change, at);
            (account, Some(entry))
        }
        Sweep::NotDue(account) => (*account, None),
    }
}

/// Spends exactly this on an order that comes to it.
fn spend(account: &Account, amount: &str, at: Timestamp) -> Account {
    let (id, order) = ("1002".parse().unwrap(), order(&[("sub_total", amount, 1)]));
    let change =
        crate::redeem(account, &Policy::default(), &id, &order, Some(amount.parse().unwrap()), at).unwrap();
    seal(change, at).0
}

fn seal(change: Change, at: Timestamp) -> (Account, Entry) {
    seal_by(&Policy::default(), change, at)
}

fn seal_by(policy: &Policy, change: Change, at: Timestamp) -> (Account, Entry) {
    let (account, entry, _) = change.seal(policy, sealing(at)).unwrap();
    (account, entry)
}

/// A request that waits, and the account for which it does.
#[track_caller]
fn waiting(asked: Asked) -> (Account, Topup) {
    match asked {
        Asked::Waits(account, topup) => (*account, topup),
        Asked::Credited(..) => panic!("it was credited at once"),
    }
}

fn sealing(at: Timestamp) -> Seal {
    Seal {
        actor: actor(Role::Admin, "key-1"),
        at,
        policy_version: 3,
        customer_version: None,
        salt: [7; SALT],
    }
}

/// What the change took out of which lots or put into them.
fn allocated(change: &Change) -> Vec<(LotNumber, String)> {
    change.line.allocations.iter().map(|part| (part.lot, part.amount.to_string())).collect()
}

fn texts(allocations: &[(u64, &str)]) -> Vec<(LotNumber, String)> {
    allocations.iter().map(|(lot, amount)| (LotNumber::from(*lot), (*amount).to_owned())).collect()
}

/// Lots as `[(lot, amount)]`, each of which may be the second that an entry made.
fn told(allocations: &[Allocation]) -> Vec<(String, String)> {
    allocations.iter().map(|part| (part.lot.to_string(), part.amount.to_string())).collect()
}

/// What is left of which lots, in the order in which they are spent.
fn left(account: &Account) -> Vec<(String, String)> {
    account.lots.iter().map(|lot| (lot.number.to_string(), lot.remaining.to_string())).collect()
}

fn owned(parts: &[(&str, &str)]) -> Vec<(String, String)> {
    parts.iter().map(|(lot, amount)| ((*lot).to_owned(), (*amount).to_owned())).collect()
}

/// Balance, what is held of it, and what can be spent.
fn balances(account: &Account, policy: &Policy, at: Timestamp) -> [String; 3] {
    [account.balance(), account.held(at), account.available(policy, at)]
        .map(|money| money.unwrap().to_string())
}

/// The refusal of a value that stands in the field `amount`.
fn invalid_amount(message: &str) -> Refusal {
    Refusal::Invalid { field: "amount".to_owned(), message: message.to_owned() }
}

/// So many random cases. A case that fails is printed and belongs into a test of its own, not into a file beside them.
fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}
