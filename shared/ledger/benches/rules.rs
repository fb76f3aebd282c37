//! What a rule costs over accounts of so many open lots, in time and in memory that it asks for: `cargo bench -p ledger` prints a
//! table.
//!
//! The goal is 5 µs over 100 lots. No test holds it: another machine, or a busy one, is no defect.
#![expect(clippy::unwrap_used, reason = "there is nobody to answer to: what is not set up right shall stop")]

use divan::{AllocProfiler, Bencher};
use jiff::{SignedDuration, Timestamp};
use ledger::{
    Account, Actor, Amount, Category, Change, Currency, Entry, Grant, Label, LotExpiry, Money, Order,
    OrderLine, Policy, Role, SALT, Seal,
};

/// Counts what is allocated, which costs what is timed a little.
#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Open lots of the account, each of 10.00: the last are as many as it may have.
const LOTS: [u32; 4] = [1, 10, 100, 500];
/// Live holds beside which one more is made: nearly as many as there can be.
const HOLDS: u32 = 49;

fn main() {
    divan::main();
}

#[divan::bench_group]
mod one_lot {
    use super::*;

    #[divan::bench(args = LOTS)]
    fn redeem(bencher: Bencher<'_, '_>, lots: u32) {
        let account = account(lots, None);
        spend(bencher, &account, "5");
    }

    #[divan::bench(args = LOTS)]
    fn hold(bencher: Bencher<'_, '_>, lots: u32) {
        let account = account(lots, None);
        reserve(bencher, &account, "5");
    }

    #[divan::bench(args = LOTS)]
    fn capture(bencher: Bencher<'_, '_>, lots: u32) {
        super::capture(bencher, lots, "5");
    }

    #[divan::bench(args = LOTS)]
    fn refund(bencher: Bencher<'_, '_>, lots: u32) {
        super::refund(bencher, lots, "5");
    }

    #[divan::bench(args = LOTS)]
    fn grant(bencher: Bencher<'_, '_>, lots: u32) {
        // With the one that it makes there are so many.
        let (account, policy, grant) = (account(lots.saturating_sub(1), None), policy(), gift(None));
        bencher.bench(|| ledger::grant(&account, &policy, &grant, Role::Store, now()).unwrap());
    }

    #[divan::bench(args = LOTS)]
    fn expire(bencher: Bencher<'_, '_>, lots: u32) {
        let soon = account(0, None);
        let (soon, _) = granted(&soon, Some(expiry()));
        let account = (1..lots).fold(soon, |account, _| granted(&account, None).0);
        super::expire(bencher, &account);
    }
}

#[divan::bench_group]
mod all_lots {
    use super::*;

    #[divan::bench(args = LOTS)]
    fn redeem(bencher: Bencher<'_, '_>, lots: u32) {
        let account = account(lots, None);
        spend(bencher, &account, &all(lots));
    }

    #[divan::bench(args = LOTS)]
    fn hold(bencher: Bencher<'_, '_>, lots: u32) {
        let account = account(lots, None);
        reserve(bencher, &account, &all(lots));
    }

    #[divan::bench(args = LOTS)]
    fn capture(bencher: Bencher<'_, '_>, lots: u32) {
        super::capture(bencher, lots, &all(lots));
    }

    #[divan::bench(args = LOTS)]
    fn refund(bencher: Bencher<'_, '_>, lots: u32) {
        super::refund(bencher, lots, &all(lots));
    }

    #[divan::bench(args = LOTS)]
    fn expire(bencher: Bencher<'_, '_>, lots: u32) {
        super::expire(bencher, &account(lots, Some(expiry())));
    }
}

/// As above, beside as many other holds as there can be, each of a cent.
#[divan::bench_group]
mod beside_holds {
    use super::*;

    #[divan::bench(args = LOTS)]
    fn redeem_one_lot(bencher: Bencher<'_, '_>, lots: u32) {
        let account = holding(lots);
        spend(bencher, &account, "5");
    }

    #[divan::bench(args = LOTS)]
    fn redeem_all_lots(bencher: Bencher<'_, '_>, lots: u32) {
        let account = holding(lots);
        let all = account.own(&policy(), now()).unwrap().to_string();
        spend(bencher, &account, &all);
    }

    #[divan::bench(args = LOTS)]
    fn hold_one_lot(bencher: Bencher<'_, '_>, lots: u32) {
        let account = holding(lots);
        reserve(bencher, &account, "5");
    }

    #[divan::bench(args = LOTS)]
    fn expire_all_lots(bencher: Bencher<'_, '_>, lots: u32) {
        let account = (0..HOLDS).fold(account(lots, Some(expiry())), |account, _| held(&account, "0.01").0);
        super::expire(bencher, &account);
    }
}

/// What comes after a rule: sums, the content's text and its hash.
#[divan::bench_group]
mod sealing {
    use super::*;

    #[divan::bench(args = LOTS)]
    fn redeem_one_lot(bencher: Bencher<'_, '_>, lots: u32) {
        seal_redemption(bencher, lots, "5");
    }

    #[divan::bench(args = LOTS)]
    fn redeem_all_lots(bencher: Bencher<'_, '_>, lots: u32) {
        seal_redemption(bencher, lots, &all(lots));
    }
}

fn seal_redemption(bencher: Bencher<'_, '_>, lots: u32, taken: &str) {
    let change =
        ledger::redeem(&account(lots, None), &policy(), &order_id(), &order(), Some(amount(taken)), now());
    let (change, policy) = (change.unwrap(), policy());
    bencher.with_inputs(|| change.clone()).bench_values(|change| change.seal(&policy, seal()).unwrap());
}

fn spend(bencher: Bencher<'_, '_>, account: &Account, taken: &str) {
    let (policy, id, order, taken) = (policy(), order_id(), order(), amount(taken));
    bencher.bench(|| ledger::redeem(account, &policy, &id, &order, Some(taken), now()).unwrap());
}

fn reserve(bencher: Bencher<'_, '_>, account: &Account, held: &str) {
    let (policy, id, order, held) = (policy(), order_id(), order(), amount(held));
    bencher.bench(|| ledger::hold(account, &policy, &id, &order, Some(held), None, now()).unwrap());
}

fn capture(bencher: Bencher<'_, '_>, lots: u32, amount: &str) {
    let (policy, (account, hold)) = (policy(), held(&account(lots, None), amount));
    bencher.bench(|| ledger::capture(&account, &policy, &hold, None, now()).unwrap());
}

fn refund(bencher: Bencher<'_, '_>, lots: u32, taken: &str) {
    let (account, policy, nothing) = (account(lots, None), policy(), Money::zero(Currency::USD));
    let change =
        ledger::redeem(&account, &policy, &order_id(), &order(), Some(amount(taken)), now()).unwrap();
    let (account, spent) = sealed(change);
    bencher.bench(|| ledger::refund(&account, &policy, &spent, nothing, None, now()).unwrap());
}

fn expire(bencher: Bencher<'_, '_>, account: &Account) {
    let policy = policy();
    bencher.bench(|| ledger::expire(account, &policy, expiry()).unwrap());
}

/// An account of so many lots, which expire then.
fn account(lots: u32, expires: Option<Timestamp>) -> Account {
    let new = Account::new("alice".parse().unwrap(), Currency::USD);
    (0..lots).fold(new, |account, _| granted(&account, expires).0)
}

/// The same, with holds of a cent.
fn holding(lots: u32) -> Account {
    (0..HOLDS).fold(account(lots, None), |account, _| held(&account, "0.01").0)
}

fn granted(account: &Account, expires: Option<Timestamp>) -> (Account, Entry) {
    sealed(ledger::grant(account, &policy(), &gift(expires), Role::Store, now()).unwrap())
}

fn held(account: &Account, held: &str) -> (Account, Entry) {
    let change = ledger::hold(account, &policy(), &order_id(), &order(), Some(amount(held)), None, now());
    sealed(change.unwrap())
}

fn gift(expires: Option<Timestamp>) -> Grant {
    Grant {
        amount: amount("10"),
        category: Category::Goodwill,
        expiry: expires.map(LotExpiry::At),
        payment: None,
        reference: None,
        note: None,
        internal_note: None,
    }
}

fn sealed(change: Change) -> (Account, Entry) {
    let (account, entry, _) = change.seal(&policy(), seal()).unwrap();
    (account, entry)
}

fn seal() -> Seal {
    Seal { actor: Actor::schedule(), at: now(), policy_version: 1, customer_version: None, salt: [7; SALT] }
}

/// An order as a shop totals it, that comes to more than any of these accounts has.
fn order() -> Order {
    let line = |code: &str, amount: &str, sort_order| OrderLine {
        code: code.parse().unwrap(),
        amount: amount.parse().unwrap(),
        sort_order,
    };
    let lines = [
        ("sub_total", "9999", 1),
        ("handling", "2", 2),
        ("tax", "5", 3),
        ("shipping", "7", 4),
        ("coupon", "-10", 5),
    ];
    Order {
        lines: lines.map(|(code, amount, place)| line(code, amount, place)).into(),
        contains_credit_product: false,
    }
}

fn order_id() -> Label {
    "1002".parse().unwrap()
}

/// The default one, but that holds outlive the expiry.
fn policy() -> Policy {
    Policy { hold_ttl_seconds: 604_800.try_into().unwrap(), ..Policy::default() }
}

/// All that so many lots come to.
fn all(lots: u32) -> String {
    format!("{lots}0")
}

fn amount(text: &str) -> Amount {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// When those lots expire that do.
fn expiry() -> Timestamp {
    now().saturating_add(SignedDuration::from_hours(24)).unwrap()
}
