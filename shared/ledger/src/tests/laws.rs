//! Laws that hold over any history: asked after every step, beside a model that takes no shortcut.
#![expect(clippy::arithmetic_side_effects, reason = "moments and cents of a short history of small amounts")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    actor, day, goodwill,
    model::{self, Attempt, Life, Model, Rules},
    order, policy, sealing,
};
use crate::{
    Account, Amount, Change, Currency, Entry, EntryType, Grant, Hash, LotExpiry, Money, Payment, PaymentMode,
    Policy, Role, Sweep, Topup, TopupRequest, approve, cancel, expire, quote, redeem, reject, request_topup,
};

const MAX_STEPS: usize = 60;

/// An account under its rules, with all that is stored of it.
struct Book {
    policy: Policy,
    account: Account,
    entries: Vec<(Entry, String)>,
    topups: Vec<Topup>,
}

impl Book {
    fn new(rules: &Rules) -> Self {
        let account = Account::new("alice".parse().unwrap(), Currency::USD);
        Self { policy: policy(&settings(rules)), account, entries: Vec::new(), topups: Vec::new() }
    }

    /// By how much the balance changed; `None` where the rules refused.
    fn attempt(&mut self, attempt: &Attempt, at: Timestamp) -> Option<i64> {
        let (account, policy) = (&self.account, &self.policy);
        match attempt {
            Attempt::Grant { cents, life } => {
                let expiry = match life {
                    Life::Unsaid => None,
                    Life::Forever => Some(LotExpiry::Never),
                    Life::Hours(hours) => Some(LotExpiry::At(at + SignedDuration::from_hours(*hours))),
                };
                let grant = Grant { expiry, ..goodwill(&decimal(*cents)) };
                let change = crate::grant(account, policy, &grant, Role::Store, at).ok()?;
                Some(self.commit(change, at))
            }
            Attempt::Redeem { before, after, exact } => {
                let order = order(&[("sub_total", &decimal(*before), 1), ("shipping", &decimal(*after), 10)]);
                let exact = exact.map(amount);
                let quoted = quote(account, policy, &order, exact, at);
                let Ok(change) = redeem(account, policy, &"1002".parse().unwrap(), &order, exact, at) else {
                    assert!(quoted.is_err() || quoted.is_ok_and(|terms| terms.applied.is_zero()));
                    return None;
                };
                assert_eq!(quoted.unwrap().applied, change.line.amount.negated());
                Some(self.commit(change, at))
            }
            Attempt::Request { cents } => {
                let payment =
                    Payment { mode: PaymentMode::Online, method: "stripe".parse().unwrap(), reference: None };
                let request = TopupRequest { amount: amount(*cents), payment, reference: None };
                let id = "USD-3q2-7wAAAAAAAAAAAAAAAA".parse().unwrap();
                let by = actor(Role::Customer, "alice");
                let (account, topup) = request_topup(account, policy, &request, id, by, at).ok()?;
                self.account = account;
                self.topups.push(topup);
                Some(0)
            }
            Attempt::Approve { request, paid } => {
                let topup = self.topups.iter_mut().rev().nth(*request)?;
                let (change, approved) =
                    approve(account, policy, topup, paid.map(amount), staff(), at).ok()?;
                *topup = approved;
                Some(self.commit(change, at))
            }
            Attempt::Reject { request } | Attempt::Cancel { request } => {
                let topup = self.topups.iter_mut().rev().nth(*request)?;
                let resolved = match attempt {
                    Attempt::Reject { .. } => {
                        reject(account, topup, "not paid".parse().unwrap(), staff(), at)
                    }
                    _ => cancel(account, topup, staff(), at),
                };
                (self.account, *topup) = resolved.ok()?;
                Some(0)
            }
            Attempt::Expire => match expire(account, policy, at).unwrap() {
                Sweep::Due(change) => Some(self.commit(*change, at)),
                Sweep::NotDue(account) => {
                    self.account = *account;
                    Some(0)
                }
            },
        }
    }

    fn commit(&mut self, change: Change, at: Timestamp) -> i64 {
        let (account, entry, content) = change.seal(&self.policy, sealing(at)).unwrap();
        let amount = cents(entry.amount);
        self.account = account;
        self.entries.push((entry, content));
        amount
    }
}

/// The account and the model hold the same, and the account agrees with itself.
fn check_account(account: &Account, model: &Model, now: i64) {
    assert_eq!(lots(account), model.lots);
    assert!(account.lots.iter().all(|lot| lot.remaining.is_positive()));
    assert!(account.lots.is_sorted_by_key(|lot| (lot.origin.granted_at, lot.number)));
    assert_eq!(cents(account.balance().unwrap()), model.balance());
    assert_eq!(cents(account.available(moment(now)).unwrap()), model.available(now));
    assert_eq!(cents(account.pending), model.pending());

    let lifetime = account.lifetime;
    let totals = [lifetime.granted, lifetime.topped_up, lifetime.redeemed, lifetime.expired].map(cents);
    assert_eq!(totals, [model.granted, model.topped_up, model.redeemed, model.expired]);
    let [granted, topped_up, redeemed, expired] = totals;
    assert_eq!(granted + topped_up, redeemed + expired + model.balance());
    assert!(totals.into_iter().chain([model.balance(), cents(account.pending)]).all(|cents| cents >= 0));

    let soonest = account.lots.iter().filter_map(|lot| lot.origin.expires_at).min();
    assert!(soonest.is_none_or(|soonest| account.expiry_bound.is_some_and(|bound| bound <= soonest)));
}

/// What an entry says of the account before it and after it is so.
fn check_entry(before: &Account, entry: &Entry, content: &str, after: &Account) {
    assert_eq!((entry.number, entry.prev_hash), (before.number + 1, before.hash));
    assert_eq!(entry.hash, Hash::of(content.as_bytes()));
    assert_eq!((after.number, after.hash, after.at), (entry.number, entry.hash, entry.at));
    assert_eq!(Entry::read(content, entry.hash, None, None).as_ref(), Ok(entry));
    assert_eq!(Ok(entry.balance_after), after.balance());
    assert_eq!(Ok(entry.available_after), after.available(entry.at));

    let allocated: i64 = entry.allocations.iter().map(|part| cents(part.amount)).sum();
    assert_eq!(allocated, cents(entry.amount).abs());
    for part in &entry.allocations {
        assert!(part.amount.is_positive());
        let lot = before.lots.iter().find(|lot| lot.number == part.lot);
        match entry.kind {
            EntryType::Grant | EntryType::Topup => assert_eq!((part.lot, lot), (entry.number, None)),
            EntryType::Redeem => {
                let lot = lot.unwrap();
                assert!(lot.is_usable(entry.at) && part.amount <= lot.remaining);
                assert_eq!(part.emptied.as_ref(), (part.amount == lot.remaining).then_some(&lot.origin));
            }
            EntryType::Expire => {
                let lot = lot.unwrap();
                assert!(!lot.is_usable(entry.at));
                assert_eq!(part.amount, lot.remaining);
            }
        }
    }
}

fn check_expiring_twice_is_once(account: &Account, at: Timestamp) {
    let once = match expire(account, at).unwrap() {
        Sweep::Due(change) => change.account,
        Sweep::NotDue(account) => *account,
    };
    assert_eq!(expire(&once, at), Ok(Sweep::NotDue(Box::new(once))));
}

/// The lots as the entries alone tell them.
fn retold(entries: &[(Entry, String)]) -> Vec<model::Lot> {
    let mut lots: Vec<model::Lot> = Vec::new();
    for (entry, _) in entries {
        if cents(entry.amount) > 0 {
            let (granted, expires) = (hour(entry.at), entry.expires_at.map(hour));
            lots.push(model::Lot { granted, number: entry.number, expires, remaining: cents(entry.amount) });
        } else {
            for part in &entry.allocations {
                lots.iter_mut().find(|lot| lot.number == part.lot).unwrap().remaining -= cents(part.amount);
            }
        }
    }
    lots.retain(|lot| lot.remaining > 0);
    lots
}

proptest! {
    #![proptest_config(super::cases(256))]

    #[test]
    fn any_history_keeps_the_laws(rules in rules(), steps in steps()) {
        let (mut book, mut model, mut now) = (Book::new(&rules), Model::default(), 0);
        for (hours, attempt) in steps {
            now += hours;
            let (before, entries) = (book.account.clone(), book.entries.len());

            let moved = book.attempt(&attempt, moment(now));

            prop_assert_eq!(moved, model.attempt(&rules, &attempt, now), "{:?} at {}", attempt, now);
            if moved.is_none() {
                prop_assert_eq!(&book.account, &before);
            }
            let written: Vec<i64> = book.entries.iter().map(|(entry, _)| cents(entry.amount)).collect();
            prop_assert_eq!(&written, &model.entries);
            if let [(entry, content)] = &book.entries[entries..] {
                check_entry(&before, entry, content, &book.account);
            }
            check_account(&book.account, &model, now);
            check_expiring_twice_is_once(&book.account, moment(now));
        }
        prop_assert_eq!(retold(&book.entries), lots(&book.account));
    }
}

fn rules() -> impl Strategy<Value = Rules> {
    let sometimes = |values: std::ops::RangeInclusive<i64>| prop::option::weighted(0.3, values);
    let spending = (any::<bool>(), sometimes(1..=3), sometimes(1..=100), sometimes(500..=3000));
    let coming_in =
        (sometimes(3000..=9000), sometimes(100..=1000), sometimes(500..=2000), sometimes(3000..=9000));
    (spending, coming_in).prop_map(
        |(
            (expiring_first, expiry_days, usage_percent, transaction_limit),
            (balance_limit, topup_min, topup_max, topup_limit),
        )| Rules {
            expiring_first,
            expiry_days,
            usage_percent,
            transaction_limit,
            balance_limit,
            topup_min,
            topup_max,
            topup_limit,
        },
    )
}

/// What is tried, each so many hours after the one before.
fn steps() -> impl Strategy<Value = Vec<(i64, Attempt)>> {
    let life = prop_oneof![Just(Life::Unsaid), Just(Life::Forever), (-1..=48_i64).prop_map(Life::Hours)];
    let request = || 0..5_usize;
    let paid = prop::option::weighted(0.3, 0..=2000_i64);
    let attempt = prop_oneof![
        6 => (0..=2000_i64, life).prop_map(|(cents, life)| Attempt::Grant { cents, life }),
        6 => (-500..=4000_i64, -500..=500_i64, prop::option::of(0..=2000_i64))
            .prop_map(|(before, after, exact)| Attempt::Redeem { before, after, exact }),
        3 => (0..=2000_i64).prop_map(|cents| Attempt::Request { cents }),
        3 => (request(), paid).prop_map(|(request, paid)| Attempt::Approve { request, paid }),
        1 => request().prop_map(|request| Attempt::Reject { request }),
        1 => request().prop_map(|request| Attempt::Cancel { request }),
        2 => Just(Attempt::Expire),
    ];
    prop::collection::vec((0..=6_i64, attempt), 0..=MAX_STEPS)
}

/// The rules as the merchant writes them.
fn settings(rules: &Rules) -> String {
    let or_null = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
    let limit =
        |cents: Option<i64>| or_null(cents.map(|cents| format!(r#"{{"USD": "{}"}}"#, decimal(cents))));
    let percent = |percent: i64| format!(r#"{{"type": "percent", "maximum": "{percent}"}}"#);
    format!(
        r#"{{"consumption_order": "{}", "expiry_days": {}, "usage_limit": {}, "transaction_limit": {},
            "balance_limit": {}, "topup_min": {}, "topup_max": {}, "topup_limit": {}}}"#,
        if rules.expiring_first { "expiring_first" } else { "fifo" },
        or_null(rules.expiry_days.map(|days| days.to_string())),
        or_null(rules.usage_percent.map(percent)),
        limit(rules.transaction_limit),
        limit(rules.balance_limit),
        limit(rules.topup_min),
        limit(rules.topup_max),
        limit(rules.topup_limit),
    )
}

fn lots(account: &Account) -> Vec<model::Lot> {
    let lot = |lot: &crate::Lot| model::Lot {
        granted: hour(lot.origin.granted_at),
        number: lot.number,
        expires: lot.origin.expires_at.map(hour),
        remaining: cents(lot.remaining),
    };
    account.lots.iter().map(lot).collect()
}

fn staff() -> crate::Actor {
    actor(Role::Admin, "key-1")
}

fn moment(hour: i64) -> Timestamp {
    day(1) + SignedDuration::from_hours(hour)
}

fn hour(moment: Timestamp) -> i64 {
    moment.duration_since(day(1)).as_hours()
}

fn cents(money: Money) -> i64 {
    money.minor().unwrap()
}

fn amount(cents: i64) -> Amount {
    decimal(cents).parse().unwrap()
}

fn decimal(cents: i64) -> String {
    format!("{}{}.{:02}", if cents < 0 { "-" } else { "" }, cents.abs() / 100, cents.abs() % 100)
}
