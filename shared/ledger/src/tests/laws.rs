//! Laws that hold over any history: asked after every step, beside a model that takes no shortcut.
#![expect(clippy::arithmetic_side_effects, reason = "moments and cents of a short history of small amounts")]

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{
    actor, day, goodwill,
    model::{self, Answer, Attempt, Life, Model, Purchase, Rules},
    order, order_id, policy, sealing,
};
use crate::{
    Account, Amount, Audit, Beside, Category, Change, Currency, Entry, EntryType, Finding, Flaw, Grant, Hash,
    Hold, LotExpiry, LotNumber, Money, NEVER, Order, Origin, Payment, PaymentMode, Policy, Refusal, Replay,
    Role, Sweep, Texts, Topup, TopupRequest, Withdrawal, approve, cancel, capture, change_expiry, debit,
    expire, hold, quote, redeem, refund, reject, release, request_topup, void_lot, withdraw,
};

const MAX_STEPS: usize = 60;
/// Hours that a hold lasts at most here; longer than the day that the schedule waits for the exempt.
const MAX_HOLD_HOURS: i64 = 30;

/// An account under its rules, with all that is stored of it.
pub(super) struct Book {
    policy: Policy,
    account: Account,
    pub(super) entries: Vec<(Entry, String)>,
    holds: Vec<Entry>,
    /// Redemptions and captures, each with what was given back of it.
    spendings: Vec<(Entry, Money)>,
    topups: Vec<Topup>,
}

impl Book {
    pub(super) fn new(rules: &Rules) -> Self {
        let account = Account::new("alice".parse().unwrap(), Currency::USD);
        Self {
            policy: policy(&settings(rules)),
            account,
            entries: Vec::new(),
            holds: Vec::new(),
            spendings: Vec::new(),
            topups: Vec::new(),
        }
    }

    pub(super) fn attempt(&mut self, attempt: &Attempt, at: Timestamp) -> Answer {
        let (account, policy) = (&self.account, &self.policy);
        let change = match attempt {
            Attempt::Grant { cents, category, life } => {
                let expiry = match life {
                    Life::Unsaid => None,
                    Life::Forever => Some(LotExpiry::Never),
                    Life::Hours(hours) => Some(LotExpiry::At(at + SignedDuration::from_hours(*hours))),
                };
                let category = Category::ALL.iter().copied().find(|known| known.word() == *category).unwrap();
                let grant = Grant { expiry, category, ..goodwill(&decimal(*cents)) };
                crate::grant(account, policy, &grant, Role::Store, at)
            }
            Attempt::Redeem(purchase) => {
                let (order, exact) = bought(purchase);
                let change = redeem(account, policy, &order_id(), &order, exact, at);
                let applied = change.as_ref().map(|change| change.line.amount.negated());
                check_quote(account, policy, purchase, applied, at);
                change
            }
            Attempt::Hold { purchase, hours } => {
                let (order, exact) = bought(purchase);
                let ttl = hours.map(|hours| seconds(hours).try_into().unwrap());
                let change = hold(account, policy, &order_id(), &order, exact, ttl, at);
                let applied = change.as_ref().map(|change| change.line.held.unwrap());
                check_quote(account, policy, purchase, applied, at);
                change
            }
            Attempt::Capture { hold, cents } => {
                let hold = model::back(&mut self.holds, *hold)?;
                capture(account, policy, hold, cents.map(amount), at)
            }
            Attempt::Release { hold } => {
                let hold = model::back(&mut self.holds, *hold)?;
                release(account, policy, hold, at)
            }
            Attempt::Refund { spending, cents } => {
                let (spent, refunded) = model::back(&mut self.spendings, *spending)?;
                let change = refund(account, policy, spent, *refunded, cents.map(amount), at);
                if let Ok(change) = &change {
                    *refunded = refunded.plus(change.line.amount).unwrap();
                }
                change
            }
            Attempt::Withdraw { cents, by_customer } => {
                let (amount, journal) = (amount(*cents), "cash".parse().unwrap());
                let by = if *by_customer { Role::Customer } else { Role::Store };
                withdraw(
                    account,
                    policy,
                    &Withdrawal { amount, journal, reference: None, note: None },
                    by,
                    at,
                )
            }
            Attempt::Debit { cents } => {
                debit(account, policy, amount(*cents), &"a mistake".parse().unwrap(), None, at)
            }
            Attempt::Void { lot } => {
                let lot = account.lots[model::round(&account.lots, *lot)?].number;
                void_lot(account, policy, lot, &"a mistake".parse().unwrap(), at)
            }
            Attempt::ChangeExpiry { lot, hours } => {
                let lot = account.lots[model::round(&account.lots, *lot)?].number;
                let expiry = hours
                    .map_or(LotExpiry::Never, |hours| LotExpiry::At(at + SignedDuration::from_hours(hours)));
                change_expiry(account, policy, lot, expiry, None, at)
            }
            Attempt::Request { cents } => {
                let payment =
                    Payment { mode: PaymentMode::Online, method: "stripe".parse().unwrap(), reference: None };
                let request = TopupRequest { amount: amount(*cents), payment, reference: None };
                let id = "USD-3q2-7wAAAAAAAAAAAAAAAA".parse().unwrap();
                let by = actor(Role::Customer, "alice");
                let (account, topup) = super::waiting(
                    request_topup(account, policy, &request, id, by, at).map_err(|refusal| word(&refusal))?,
                );
                self.account = account;
                self.topups.push(topup);
                return Ok(0);
            }
            Attempt::Approve { request, paid } => {
                let topup = model::back(&mut self.topups, *request)?;
                approve(account, policy, topup, paid.map(amount), staff(), at).map(|(change, approved)| {
                    *topup = approved;
                    change
                })
            }
            Attempt::Reject { request } | Attempt::Cancel { request } => {
                let topup = model::back(&mut self.topups, *request)?;
                let resolved = match attempt {
                    Attempt::Reject { .. } => {
                        reject(account, topup, "not paid".parse().unwrap(), staff(), at)
                    }
                    _ => cancel(account, topup, staff(), at),
                };
                (self.account, *topup) = resolved.map_err(|refusal| word(&refusal))?;
                return Ok(0);
            }
            Attempt::Expire => match expire(account, policy, at).unwrap() {
                Sweep::Due(change) => Ok(*change),
                Sweep::NotDue(account) => {
                    self.account = *account;
                    return Ok(0);
                }
            },
            Attempt::Exempt(exempt) => {
                self.policy.expiry_exempt = *exempt;
                return Ok(0);
            }
        };
        change.map(|change| self.commit(change, at)).map_err(|refusal| word(&refusal))
    }

    fn commit(&mut self, change: Change, at: Timestamp) -> i64 {
        let (account, entry, content) = change.seal(&self.policy, sealing(at)).unwrap();
        let amount = cents(entry.amount);
        match entry.kind {
            EntryType::Hold => self.holds.push(entry.clone()),
            EntryType::Redeem | EntryType::Capture => {
                self.spendings.push((entry.clone(), Money::zero(Currency::USD)));
            }
            _ => {}
        }
        self.account = account;
        self.entries.push((entry, content));
        amount
    }
}

fn bought(purchase: &Purchase) -> (Order, Option<Amount>) {
    let lines = [("sub_total", &*decimal(purchase.before), 1), ("shipping", &*decimal(purchase.after), 10)];
    (order(&lines), purchase.exact.map(amount))
}

/// A quote says what the redemption or the hold does.
fn check_quote(
    account: &Account,
    policy: &Policy,
    purchase: &Purchase,
    applied: Result<Money, &Refusal>,
    at: Timestamp,
) {
    let (order, exact) = bought(purchase);
    let quoted = quote(account, policy, &order, exact, at).map(|terms| terms.applied);
    match applied {
        Ok(applied) => assert_eq!(quoted, Ok(applied)),
        Err(_) => assert!(quoted.is_err() || quoted.is_ok_and(|applied| applied.is_zero())),
    }
}

/// The account and the model hold the same, and the account agrees with itself.
fn check_account(book: &Book, model: &Model, now: i64) {
    let Book { account, policy, .. } = book;
    assert_eq!(lots(account), model.lots);
    assert!(account.lots.iter().all(|lot| lot.remaining.is_positive()));
    assert!(account.lots.is_sorted_by_key(|lot| (lot.origin.granted_at, lot.number)));
    assert_eq!(cents(account.balance().unwrap()), model.balance());
    assert_eq!(model.lots.iter().map(|lot| lot.remaining).sum::<i64>() - model.debt, model.balance());
    assert_eq!(cents(account.debt), model.debt);
    assert_eq!(cents(account.held(moment(now)).unwrap()), model.held(now));
    assert_eq!(cents(account.own(policy, moment(now)).unwrap()), model.own(now));
    assert_eq!(cents(account.available(policy, moment(now)).unwrap()), model.available(now));
    assert_eq!(cents(account.pending), model.pending());

    for lot in &account.lots {
        assert!(account.reserved(lot.number, moment(now)).unwrap() <= lot.remaining);
    }
    let live = account.holds.iter().filter(|hold| hold.is_live(moment(now)));
    let promised: i64 = live.map(|hold| cents(hold.overdraft)).sum();
    assert!(model.debt >= 0 && model.debt + promised <= model.rules.overdraft_limit.unwrap_or(0));

    let lifetime = account.lifetime;
    let coming_in = [lifetime.granted, lifetime.topped_up, lifetime.refunded].map(cents);
    let going_out = [lifetime.redeemed, lifetime.withdrawn, lifetime.expired, lifetime.debited].map(cents);
    assert_eq!(coming_in, [model.granted, model.topped_up, model.refunded]);
    assert_eq!(going_out, [model.redeemed, model.withdrawn, model.expired, model.debited]);
    assert_eq!(coming_in.iter().sum::<i64>(), going_out.iter().sum::<i64>() + model.balance());
    assert!(coming_in.into_iter().chain(going_out).chain([model.pending()]).all(|cents| cents >= 0));
}

/// Whoever has a live hold gets all of it.
fn check_holds(book: &Book, at: Timestamp) {
    let Book { account, policy, .. } = book;
    for hold in account.holds.iter().filter(|hold| hold.is_live(at)) {
        let entry = book.holds.iter().find(|entry| entry.number == hold.number).unwrap();
        let captured = capture(account, policy, entry, None, at).unwrap();
        assert_eq!(Some(captured.line.amount.negated()), entry.held);
        let released = release(account, policy, entry, at).unwrap();
        assert_eq!(released.account.balance(), account.balance());
    }
}

/// What an entry says of the account before it and after it is so.
fn check_entry(before: &Account, policy: &Policy, entry: &Entry, content: &str, after: &Account) {
    assert_eq!((entry.number, entry.prev_hash), (before.number + 1, before.hash));
    assert_eq!(entry.hash, Hash::of(content.as_bytes()));
    assert_eq!((after.number, after.hash, after.at), (entry.number, entry.hash, entry.at));
    let texts = Texts { reason: entry.reason.clone().and_then(|reason| reason.written), ..Texts::default() };
    assert_eq!(Entry::read(content, entry.hash, texts).as_ref(), Ok(entry));
    assert_eq!(Ok(entry.balance_after), after.balance());
    assert_eq!(Ok(entry.held_after), after.held(entry.at));
    assert_eq!(Ok(entry.available_after), after.available(policy, entry.at));

    if !matches!(entry.kind, EntryType::Grant | EntryType::Topup | EntryType::ExpiryChange) {
        assert!(after.holds.iter().all(|hold| hold.is_live(entry.at)));
    }

    let allocated: i64 = entry.allocations.iter().map(|part| cents(part.amount)).sum();
    let overdraft = entry.overdraft.map_or(0, cents);
    assert!(entry.overdraft.is_none_or(Money::is_positive));
    let moved = match entry.kind {
        EntryType::Hold => cents(entry.held.unwrap()),
        // What left the lots settled the debt first, and the rest left the balance.
        EntryType::Expire | EntryType::Void => 2 * overdraft - cents(entry.amount),
        _ => cents(entry.amount).abs(),
    };
    assert_eq!(allocated + overdraft, moved);
    if matches!(entry.kind, EntryType::Expire | EntryType::Void | EntryType::Debit | EntryType::Withdraw) {
        let lowest = cents(before.balance().unwrap()).min(0);
        assert!(entry.amount.negated().or_zero() == entry.amount.negated());
        assert!(cents(entry.balance_after) >= lowest, "{} goes below zero by {entry:?}", entry.kind);
    }
    for part in &entry.allocations {
        assert!(part.amount.is_positive());
        let lot = before.lots.iter().find(|lot| lot.number == part.lot);
        match entry.kind {
            EntryType::Grant | EntryType::Topup => {
                assert_eq!((part.lot, lot), (LotNumber::from(entry.number), None));
            }
            EntryType::Refund => assert_eq!(part.origin.is_some(), part.lot.entry == entry.number),
            EntryType::Hold => {
                let lot = lot.unwrap();
                let free = lot.remaining.minus(before.reserved(lot.number, entry.at).unwrap()).unwrap();
                assert!(lot.is_usable(policy, entry.at) && part.amount <= free);
                assert!(after.reserved(lot.number, entry.at).unwrap() >= part.amount);
            }
            EntryType::Redeem | EntryType::Withdraw | EntryType::Debit => {
                let lot = lot.unwrap();
                let free = lot.remaining.minus(before.reserved(lot.number, entry.at).unwrap()).unwrap();
                assert!(lot.is_usable(policy, entry.at) && part.amount <= free);
                assert_eq!(part.origin.as_ref(), Some(&lot.origin));
            }
            EntryType::Capture => {
                let lot = lot.unwrap();
                assert!(part.amount <= before.reserved(lot.number, entry.at).unwrap());
                assert_eq!(part.origin.as_ref(), Some(&lot.origin));
            }
            EntryType::Void => {
                let lot = lot.unwrap();
                assert!(lot.is_usable(policy, entry.at));
                assert_eq!(part.amount, lot.remaining);
            }
            EntryType::Expire => {
                let lot = lot.unwrap();
                assert!(!lot.is_usable(policy, entry.at));
                let kept = before.reserved(lot.number, entry.at).unwrap();
                assert_eq!(Ok(part.amount), lot.remaining.minus(kept));
            }
            EntryType::Release | EntryType::ExpiryChange => panic!("{} allocates nothing", entry.kind),
            EntryType::Import => panic!("no history has one"),
        }
    }
}

/// A second sweep finds nothing, and none changes what can be spent.
fn check_expiring_twice_is_once(book: &Book, at: Timestamp) {
    let Book { account, policy, .. } = book;
    let once = match expire(account, policy, at).unwrap() {
        Sweep::Due(change) => change.account,
        Sweep::NotDue(account) => *account,
    };
    assert_eq!(once.available(policy, at), account.available(policy, at));
    assert_eq!(once.own(policy, at), account.own(policy, at));
    assert_eq!(once.held(at), account.held(at));
    assert_eq!(expire(&once, policy, at), Ok(Sweep::NotDue(Box::new(once))));
}

/// The schedule looks no later than at the first moment at which it would find something.
fn check_bound(account: &Account, model: &Model, last_exempt: Option<i64>, now: i64) {
    let first = std::iter::once(now).chain(model.moments(now)).find(|moment| model.due(*moment) > 0);
    if let Some(first) = first {
        let latest = first.max(last_exempt.map_or(i64::MIN, |exempt| exempt + MAX_HOLD_HOURS));
        assert!(account.expiry_bound.is_some_and(|bound| bound <= moment(latest)));
    }
}

/// The lots and the debt as the entries alone tell them.
fn retold(entries: &[(Entry, String)]) -> (Vec<model::Lot>, i64) {
    let (mut lots, mut debt): (Vec<model::Lot>, i64) = (Vec::new(), 0);
    for (entry, _) in entries {
        let overdraft = entry.overdraft.map_or(0, cents);
        let spent = entries.iter().find(|(spent, _)| Some(spent.number) == entry.redemption);
        for part in &entry.allocations {
            let open = lots.iter_mut().find(|lot| lot.number == pair(part.lot));
            let amount = cents(part.amount);
            match (entry.kind, open) {
                (EntryType::Hold, _) => {}
                (EntryType::Grant | EntryType::Topup, _) => {
                    let (category, source) = (entry.category.unwrap(), entry.source.unwrap());
                    let expires_at = entry.expires_at;
                    let origin = Origin { category, source, granted_at: entry.at, expires_at };
                    lots.push(retold_lot(part.lot, &origin, amount));
                }
                (EntryType::Refund, Some(open)) => open.remaining += amount,
                (EntryType::Refund, None) => {
                    let spent =
                        spent.and_then(|(spent, _)| spent.allocations.iter().find(|of| of.lot == part.lot));
                    let origin = part.origin.as_ref().or(spent.and_then(|spent| spent.origin.as_ref()));
                    lots.push(retold_lot(part.lot, origin.unwrap(), amount));
                }
                (_, open) => open.unwrap().remaining -= amount,
            }
        }
        match entry.kind {
            EntryType::Grant | EntryType::Topup | EntryType::Refund | EntryType::Expire | EntryType::Void => {
                debt -= overdraft
            }
            EntryType::Redeem | EntryType::Capture => debt += overdraft,
            EntryType::ExpiryChange => {
                let moved = entry.lot.map(pair);
                let lot = lots.iter_mut().find(|lot| Some(lot.number) == moved).unwrap();
                lot.expires = entry.expires_at.filter(|moment| *moment != NEVER).map(hour);
            }
            _ => {}
        }
        lots.retain(|lot| lot.remaining > 0);
    }
    lots.sort_by_key(|lot| (lot.granted, lot.number));
    (lots, debt)
}

/// The entries alone tell all but what waits and when to look again.
fn check_replay(replayed: &Account, account: &Account, now: Timestamp) {
    let live = |account: &Account| -> Vec<Hold> {
        account.holds.iter().filter(|hold| hold.is_live(now)).cloned().collect()
    };
    let (pending, expiry_bound) = (Money::zero(Currency::USD), None);
    let lapses = Vec::new();
    let told = Account { holds: live(account), pending, lapses, expiry_bound, ..account.clone() };
    assert_eq!(Account { holds: live(replayed), ..replayed.clone() }, told);
}

fn retold_lot(number: LotNumber, origin: &Origin, remaining: i64) -> model::Lot {
    model::Lot {
        granted: hour(origin.granted_at),
        number: pair(number),
        category: origin.category.word(),
        source: origin.source.word(),
        expires: origin.expiry().map(hour),
        remaining,
    }
}

/// Each hold was resolved once at the most, by no more than it reserved, and never more was given back than was spent.
fn check_resolutions(entries: &[(Entry, String)]) {
    for (entry, _) in entries {
        let later =
            || entries.iter().map(|(later, _)| later).filter(|later| later.redemption == Some(entry.number));
        match entry.kind {
            EntryType::Hold => {
                assert!(later().count() <= 1);
                assert!(later().all(|end| end.at < entry.deadline.unwrap()));
                assert!(later().all(|end| matches!(end.kind, EntryType::Capture | EntryType::Release)));
                assert!(later().all(|end| end.amount.negated() <= entry.held.unwrap()));
            }
            EntryType::Redeem | EntryType::Capture => {
                assert!(later().all(|refund| refund.kind == EntryType::Refund));
                assert!(later().map(|refund| cents(refund.amount)).sum::<i64>() <= -cents(entry.amount));
            }
            _ => assert_eq!(later().count(), 0),
        }
    }
}

/// What is wrong with an account, leaving aside what stands beside it.
fn unsound(audit: &Audit, account: &Account, at: Timestamp) -> Vec<Finding> {
    let beside = Beside { account: Some(account), topups: &[], refunds: &BTreeMap::new(), at };
    let mut findings = audit.findings(beside);
    // Every top-up has one id here.
    findings.retain(|finding| !finding.code.may_be_haste() && finding.code != Flaw::TopupRepeated);
    findings
}

proptest! {
    #![proptest_config(super::cases(256))]

    #[test]
    fn any_history_keeps_the_laws(rules in rules(), steps in steps()) {
        let (mut book, mut model, mut now) = (Book::new(&rules), Model::new(rules), 0);
        let mut replay = Replay::new("alice".parse().unwrap(), Currency::USD);
        let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
        let mut last_exempt = None;
        let due_first = |(hours, attempt): (i64, Attempt)| [(hours, None), (0, Some(attempt))];
        for (hours, attempt) in steps.into_iter().flat_map(due_first) {
            now += hours;
            // As the store does: where something is owed beside what is due, that is booked before anything else.
            let due = model.debt > 0 && model.due(now) > 0;
            let Some(attempt) = attempt.or_else(|| due.then_some(Attempt::Expire)) else {
                continue;
            };
            if model.rules.exempt {
                last_exempt = Some(now);
            }
            let (before, entries) = (book.account.clone(), book.entries.len());

            let moved = book.attempt(&attempt, moment(now));

            prop_assert_eq!(moved, model.attempt(&attempt, now), "{:?} at {}", attempt, now);
            if moved.is_err() {
                prop_assert_eq!(&book.account, &before);
            }
            let written: Vec<i64> = book.entries.iter().map(|(entry, _)| cents(entry.amount)).collect();
            prop_assert_eq!(&written, &model.entries);
            if let [(entry, content)] = &book.entries[entries..] {
                check_entry(&before, &book.policy, entry, content, &book.account);
                prop_assert_eq!(replay.apply(entry), Ok(()), "{:?}", entry);
                audit.take(entry);
            }
            prop_assert_eq!(unsound(&audit, &book.account, moment(now)), vec![]);
            check_replay(replay.account(), &book.account, moment(now));
            check_account(&book, &model, now);
            check_holds(&book, moment(now));
            check_bound(&book.account, &model, last_exempt, now);
            check_expiring_twice_is_once(&book, moment(now));
        }
        prop_assert_eq!(retold(&book.entries), (lots(&book.account), cents(book.account.debt)));
        check_resolutions(&book.entries);
    }
}

pub(super) fn rules() -> impl Strategy<Value = Rules> {
    let sometimes = |values: std::ops::RangeInclusive<i64>| prop::option::weighted(0.3, values);
    let lasting = (sometimes(1..=3), 0..=2_i64, 12..=MAX_HOLD_HOURS, prop::bool::weighted(0.1));
    let spending = (any::<bool>(), sometimes(1..=100), sometimes(500..=3000), prop::option::of(0..=3000_i64));
    let words: Vec<_> = Category::ALL.iter().map(|category| category.word()).collect();
    let going_out = (any::<bool>(), prop::sample::subsequence(words, 0..=5));
    let coming_in =
        (sometimes(3000..=9000), sometimes(100..=1000), sometimes(500..=2000), sometimes(3000..=9000));
    (lasting, spending, going_out, coming_in).prop_map(
        |(
            (expiry_days, grace_days, hold_hours, exempt),
            (expiring_first, usage_percent, transaction_limit, overdraft_limit),
            (withdrawal, withdrawable),
            (balance_limit, topup_min, topup_max, topup_limit),
        )| Rules {
            expiring_first,
            exempt,
            expiry_days,
            grace_days,
            hold_hours,
            usage_percent,
            transaction_limit,
            overdraft_limit,
            withdrawal,
            withdrawable,
            balance_limit,
            topup_min,
            topup_max,
            topup_limit,
        },
    )
}

/// What is tried, each so many hours after the one before.
pub(super) fn steps() -> impl Strategy<Value = Vec<(i64, Attempt)>> {
    let life = prop_oneof![Just(Life::Unsaid), Just(Life::Forever), (-1..=48_i64).prop_map(Life::Hours)];
    let category = prop::sample::select(Category::ALL).prop_map(Category::word);
    let back = || prop_oneof![4 => 0..2_usize, 1 => 0..6_usize];
    let part = || prop::option::weighted(0.6, prop_oneof![1 => Just(0), 9 => 1..=900_i64]);
    let paid = prop::option::weighted(0.3, 0..=2000_i64);
    let purchase = || {
        (-500..=4000_i64, -500..=500_i64, prop::option::of(0..=2000_i64))
            .prop_map(|(before, after, exact)| Purchase { before, after, exact })
    };
    let attempt = prop_oneof![
        6 => (0..=2000_i64, category, life)
            .prop_map(|(cents, category, life)| Attempt::Grant { cents, category, life }),
        5 => purchase().prop_map(Attempt::Redeem),
        4 => (purchase(), prop::option::of(1..=MAX_HOLD_HOURS))
            .prop_map(|(purchase, hours)| Attempt::Hold { purchase, hours }),
        5 => (back(), part()).prop_map(|(hold, cents)| Attempt::Capture { hold, cents }),
        2 => back().prop_map(|hold| Attempt::Release { hold }),
        5 => (back(), part()).prop_map(|(spending, cents)| Attempt::Refund { spending, cents }),
        2 => (0..=1500_i64, any::<bool>())
            .prop_map(|(cents, by_customer)| Attempt::Withdraw { cents, by_customer }),
        1 => (0..=1500_i64).prop_map(|cents| Attempt::Debit { cents }),
        1 => (0..5_usize).prop_map(|lot| Attempt::Void { lot }),
        2 => (0..5_usize, prop::option::weighted(0.8, -2..=48_i64))
            .prop_map(|(lot, hours)| Attempt::ChangeExpiry { lot, hours }),
        2 => (0..=2000_i64).prop_map(|cents| Attempt::Request { cents }),
        2 => (back(), paid).prop_map(|(request, paid)| Attempt::Approve { request, paid }),
        1 => back().prop_map(|request| Attempt::Reject { request }),
        1 => back().prop_map(|request| Attempt::Cancel { request }),
        3 => Just(Attempt::Expire),
        1 => prop::bool::weighted(0.3).prop_map(Attempt::Exempt),
    ];
    let hours = prop_oneof![3 => 0..=1_i64, 1 => 0..=12_i64];
    prop::collection::vec((hours, attempt), 0..=MAX_STEPS)
}

/// The rules as the merchant writes them.
fn settings(rules: &Rules) -> String {
    let or_null = |value: Option<String>| value.unwrap_or_else(|| "null".to_owned());
    let limit =
        |cents: Option<i64>| or_null(cents.map(|cents| format!(r#"{{"USD": "{}"}}"#, decimal(cents))));
    let percent = |percent: i64| format!(r#"{{"type": "percent", "maximum": "{percent}"}}"#);
    format!(
        r#"{{"consumption_order": "{}", "expiry_days": {}, "usage_limit": {}, "transaction_limit": {},
            "balance_limit": {}, "topup_min": {}, "topup_max": {}, "topup_limit": {}, "overdraft_limit": {},
            "withdrawal": {}, "withdrawable": {}, "refund_grace_days": {}, "hold_ttl_seconds": {},
            "expiry_exempt": {}}}"#,
        if rules.expiring_first { "expiring_first" } else { "fifo" },
        or_null(rules.expiry_days.map(|days| days.to_string())),
        or_null(rules.usage_percent.map(percent)),
        limit(rules.transaction_limit),
        limit(rules.balance_limit),
        limit(rules.topup_min),
        limit(rules.topup_max),
        limit(rules.topup_limit),
        limit(rules.overdraft_limit),
        rules.withdrawal,
        serde_json::to_string(&rules.withdrawable).unwrap(),
        rules.grace_days,
        seconds(rules.hold_hours),
        rules.exempt,
    )
}

/// The contract's word for a refusal.
fn word(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::TopupNotPending { .. } => "topup_not_pending",
        Refusal::Invalid { .. } => "invalid_request",
        Refusal::HoldExpired => "hold_expired",
        Refusal::HoldResolved => "hold_resolved",
        Refusal::LotNotVoidable { .. } => "lot_not_voidable",
        Refusal::WithdrawalNotAllowed => "forbidden",
        Refusal::ExceedsOrderTotal { .. } => "exceeds_order_total",
        Refusal::UsageLimitExceeded { .. } => "usage_limit_exceeded",
        Refusal::TransactionLimitExceeded { .. } => "transaction_limit_exceeded",
        Refusal::ExceedsHold { .. } => "exceeds_hold",
        Refusal::RefundExceedsRedemption { .. } => "refund_exceeds_redemption",
        Refusal::InsufficientCredit { .. } => "insufficient_credit",
        Refusal::NotWithdrawable { .. } => "not_withdrawable",
        Refusal::ExpiryInPast => "expiry_in_past",
        Refusal::TopupBelowMinimum { .. } => "topup_below_minimum",
        Refusal::TopupAboveMaximum { .. } => "topup_above_maximum",
        Refusal::TopupLimitExceeded { .. } => "topup_limit_exceeded",
        Refusal::BalanceLimitExceeded { .. } => "balance_limit_exceeded",
        refusal => panic!("no step should be refused because {refusal}"),
    }
}

fn lots(account: &Account) -> Vec<model::Lot> {
    account.lots.iter().map(|lot| retold_lot(lot.number, &lot.origin, cents(lot.remaining))).collect()
}

fn pair(lot: LotNumber) -> (u64, u8) {
    (lot.entry, lot.part)
}

fn staff() -> crate::Actor {
    actor(Role::Admin, "key-1")
}

fn seconds(hours: i64) -> u32 {
    u32::try_from(hours * 3600).unwrap()
}

pub(super) fn moment(hour: i64) -> Timestamp {
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
