//! Going below zero, and coming back.

use super::{
    account, balances, day, goodwill, granted, held, large_order, left, order_id, owned, policy, redeemed,
    reserve, seal_by, told, usd,
};
use crate::{
    Account, BoundBy, Category, Grant, LotExpiry, Money, Payment, PaymentMode, Policy, Refusal, Role,
    TopupRequest, Withdrawal, approve, capture, quote, release, request_topup,
};

const FIFTY: &str = r#"{"overdraft_limit": {"USD": "50"}, "withdrawable": ["goodwill"]}"#;

/// What a redemption of exactly `amount` out of one lot of 20 takes of it and of the overdraft, and the balances after; or
/// what is available where that is less.
#[track_caller]
fn check(settings: &str, amount: &str, expected: Result<(&str, &str, [&str; 3]), &str>) {
    let (account, policy, amount) = (account(&[(1, "20", None)]), policy(settings), amount.parse().unwrap());
    let change = crate::redeem(&account, &policy, &order_id(), &large_order(), Some(amount), day(2));
    match (change, expected) {
        (Ok(change), Ok((taken, overdraft, after))) => {
            let (account, entry) = seal_by(&policy, change, day(2));
            assert_eq!(told(&entry.allocations), owned(&[("1", taken)]));
            assert_eq!(entry.overdraft, Some(usd(overdraft)).filter(|overdraft| overdraft.is_positive()));
            assert_eq!(balances(&account, &policy, day(2)), after);
            assert_eq!(
                (account.debt, Ok(entry.amount.negated())),
                (usd(overdraft), amount.of(account.currency))
            );
        }
        (change, expected) => {
            let refusal = expected
                .map(|_| ())
                .map_err(|available| Refusal::InsufficientCredit { available: usd(available) });
            assert_eq!(change.map(|_| ()), refusal, "{amount} under {settings}");
        }
    }
}

/// An account that owes this.
fn owing(policy: &Policy, debt: &str) -> Account {
    redeemed(&account(&[]), policy, debt, day(2)).0
}

#[test]
fn an_exact_amount_may_go_below_zero_down_to_the_limit() {
    check(FIFTY, "19", Ok(("19.00", "0", ["1.00", "0.00", "51.00"])));
    check(FIFTY, "20", Ok(("20.00", "0", ["0.00", "0.00", "50.00"])));
    check(FIFTY, "20.01", Ok(("20.00", "0.01", ["-0.01", "0.00", "49.99"])));
    check(FIFTY, "70", Ok(("20.00", "50", ["-50.00", "0.00", "0.00"])));
    check(FIFTY, "70.01", Err("70.00"));
    check("{}", "20.01", Err("20.00"));
    check(r#"{"overdraft_limit": {"USD": "0"}}"#, "20.01", Err("20.00"));
    check(r#"{"overdraft_limit": {"EUR": "50"}}"#, "20.01", Err("20.00"));
}

#[test]
fn worked_example_10_the_next_credit_settles_the_debt_first() {
    let rules = policy(FIFTY);
    let (account, entry) = redeemed(&account(&[(1, "20", None)]), &rules, "60", day(2));
    assert_eq!(
        (entry.balance_after, entry.overdraft, &*account.lots),
        (usd("-40"), Some(usd("40")), &[][..])
    );

    let change = crate::grant(&account, &rules, &goodwill("100"), Role::Store, day(3)).unwrap();
    let (account, entry) = seal_by(&rules, change, day(3));

    assert_eq!(
        (entry.amount, entry.balance_after, entry.overdraft),
        (usd("100"), usd("60"), Some(usd("40")))
    );
    assert_eq!(told(&entry.allocations), owned(&[("3", "60.00")]));
    assert_eq!((left(&account), account.debt), (owned(&[("3", "60.00")]), usd("0")));
    assert_eq!(account.lifetime.granted, usd("120"));
}

#[test]
fn credit_that_is_less_than_the_debt_makes_no_lot() {
    let rules = policy(FIFTY);
    let owing = owing(&rules, "40");
    for (amount, lots, balance) in [("39.99", 0, "-0.01"), ("40", 0, "0"), ("40.01", 1, "0.01")] {
        let grant = Grant { expiry: Some(LotExpiry::At(day(9))), ..goodwill(amount) };
        let after = granted(&owing, &rules, &grant, day(3));
        assert_eq!((after.lots.len(), after.balance()), (lots, Ok(usd(balance))));
        assert_eq!(after.expiry_bound, (lots > 0).then_some(day(9)));
    }
}

#[test]
fn a_topup_settles_the_debt_and_limits_look_at_what_is_owed() {
    let rules = policy(
        r#"{"overdraft_limit": {"USD": "50"}, "balance_limit": {"USD": "10"}, "topup_limit": {"USD": "10"}}"#,
    );
    let owing = owing(&rules, "40");
    let ask = |amount: &str| {
        let payment =
            Payment { mode: PaymentMode::Online, method: "stripe".parse().unwrap(), reference: None };
        let request = TopupRequest { amount: amount.parse().unwrap(), payment, reference: None };
        let id = "USD-3q2-7wAAAAAAAAAAAAAAAA".parse().unwrap();
        request_topup(&owing, &rules, &request, id, super::actor(Role::Customer, "alice"), day(3))
            .map(super::waiting)
    };
    assert_eq!(ask("50.01").unwrap_err(), Refusal::TopupLimitExceeded { limit: usd("10") });
    let (waiting, topup) = ask("50").unwrap();
    let (change, _) =
        approve(&waiting, &rules, &topup, None, super::actor(Role::Admin, "key-1"), day(3)).unwrap();
    let (after, entry) = seal_by(&rules, change, day(3));
    assert_eq!((entry.overdraft, entry.balance_after), (Some(usd("40")), usd("10")));
    assert_eq!((after.debt, after.lifetime.topped_up), (usd("0"), usd("50")));

    let grant = |amount: &str| crate::grant(&owing, &rules, &goodwill(amount), Role::Store, day(3));
    assert!(grant("50").is_ok());
    assert_eq!(grant("50.01"), Err(Refusal::BalanceLimitExceeded { limit: usd("10") }));
}

#[test]
fn nobody_goes_into_debt_unasked() {
    let rules = policy(FIFTY);
    let terms = quote(&account(&[(1, "20", None)]), &rules, &large_order(), None, day(2)).unwrap();
    assert_eq!((terms.applied, terms.bound_by), (usd("20"), BoundBy::Available));
    for account in [account(&[]), owing(&rules, "10")] {
        let terms = quote(&account, &rules, &large_order(), None, day(2)).unwrap();
        assert_eq!((terms.applied, terms.bound_by), (usd("0"), BoundBy::Available));
        let refused = crate::redeem(&account, &rules, &order_id(), &large_order(), None, day(2));
        assert_eq!(refused, Err(Refusal::InsufficientCredit { available: usd("0") }));
    }
}

/// Lots of 30 and a debt of 40 at once: the lots were held while the overdraft was used, and were set free since.
fn lots_beside_a_debt(policy: &Policy) -> Account {
    let (account, hold) = held(&account(&[(1, "30", None)]), policy, "30", day(2));
    let (account, _) = redeemed(&account, policy, "40", day(2));
    assert_eq!((account.debt, account.balance()), (usd("40"), Ok(usd("-10"))));
    seal_by(policy, release(&account, policy, &hold, day(2)).unwrap(), day(2)).0
}

#[test]
fn lots_beside_a_debt_are_nobodys_own_until_it_is_settled() {
    let rules = policy(FIFTY);
    let account = lots_beside_a_debt(&rules);
    // Down to -50 there are 40 to go.
    assert_eq!(balances(&account, &rules, day(2)), ["-10.00", "0.00", "40.00"]);
    assert_eq!(account.own(&rules, day(2)), Ok(usd("0")));
    let unasked = crate::redeem(&account, &rules, &order_id(), &large_order(), None, day(2));
    assert_eq!(unasked, Err(Refusal::InsufficientCredit { available: usd("0") }));
    let cent = "0.01".parse().unwrap();
    let withdrawal =
        Withdrawal { amount: cent, journal: "cash".parse().unwrap(), reference: None, note: None };
    let withdrawn = crate::withdraw(&account, &rules, &withdrawal, Role::Store, day(2));
    assert_eq!(withdrawn, Err(Refusal::InsufficientCredit { available: usd("0") }));
    let debited = crate::debit(&account, &rules, cent, &"a mistake".parse().unwrap(), None, day(2));
    assert_eq!(debited, Err(Refusal::InsufficientCredit { available: usd("0") }));

    let (deeper, entry) = redeemed(&account, &rules, "40", day(2));
    assert_eq!((told(&entry.allocations), entry.overdraft), (owned(&[("1", "30.00")]), Some(usd("10"))));
    assert_eq!(balances(&deeper, &rules, day(2)), ["-50.00", "0.00", "0.00"]);
    let settled = granted(&account, &rules, &goodwill("45"), day(3));
    assert_eq!((left(&settled), settled.debt), (owned(&[("1", "30.00"), ("5", "5.00")]), usd("0")));
    assert_eq!(settled.own(&rules, day(3)), Ok(usd("35")));
}

#[test]
fn nothing_goes_below_zero_once_the_limit_is_gone() {
    let account = lots_beside_a_debt(&policy(FIFTY));
    let without = policy("{}");
    assert_eq!(balances(&account, &without, day(2)), ["-10.00", "0.00", "0.00"]);
    assert_eq!(
        reserve(&account, &without, "0.01", day(2)),
        Err(Refusal::InsufficientCredit { available: usd("0") })
    );
    let lower = policy(r#"{"overdraft_limit": {"USD": "15"}}"#);
    assert_eq!(balances(&account, &lower, day(2)), ["-10.00", "0.00", "5.00"]);
    let (after, _) = redeemed(&account, &lower, "5", day(2));
    assert_eq!(after.balance(), Ok(usd("-15")));
}

#[test]
fn a_promised_overdraft_stays_promised_when_credit_comes() {
    let rules = policy(FIFTY);
    let (account, hold) = held(&account(&[(1, "20", None)]), &rules, "60", day(2));
    let account = granted(&account, &rules, &goodwill("100"), day(2));
    // 20 of the lots are held and 40 of the overdraft are promised: 100 of lots and 10 of the overdraft are left.
    assert_eq!(balances(&account, &rules, day(2)), ["120.00", "20.00", "110.00"]);
    let (account, entry) = seal_by(&rules, capture(&account, &rules, &hold, None, day(2)).unwrap(), day(2));
    assert_eq!((entry.overdraft, entry.balance_after, account.debt), (Some(usd("40")), usd("60"), usd("40")));
    assert_eq!(account.own(&rules, day(2)), Ok(usd("60")));
}

/// One lot that expires on day 5 and a debt at once, the lot having been held while the overdraft was used.
fn lot_beside_a_debt(policy: &Policy, lot: &str, hold: &str, debt: &str) -> Account {
    let (account, hold) = held(&account(&[(1, lot, Some(5))]), policy, hold, day(2));
    let (account, _) = redeemed(&account, policy, debt, day(2));
    assert_eq!(account.debt, usd(debt));
    seal_by(policy, release(&account, policy, &hold, day(2)).unwrap(), day(2)).0
}

/// What an expiry of the lot books, and likewise its voiding: all of it left, so much settled, so much left the balance.
#[track_caller]
fn check_lost(before: &Account, lot: &str, settled: &str, lost: &str, balance: &str) {
    let rules = policy(FIFTY);
    let (swept, booked) = super::swept(before, &rules, day(5));
    let void = crate::void_lot(before, &rules, 1.into(), &"a mistake".parse().unwrap(), day(4)).unwrap();
    let (voided, void) = seal_by(&rules, void, day(4));
    let [expired, debited] = [swept.lifetime.expired, voided.lifetime.debited];
    for (after, entry, total) in [(swept, booked.unwrap(), expired), (voided, void, debited)] {
        assert_eq!(told(&entry.allocations), owned(&[("1", lot)]), "{}", entry.kind);
        assert_eq!(entry.overdraft, Some(usd(settled)).filter(|settled| settled.is_positive()));
        assert_eq!((entry.amount.negated(), total), (usd(lost), usd(lost)));
        assert_eq!((entry.balance_after, after.balance()), (usd(balance), Ok(usd(balance))));
        assert_eq!((after.lots.len(), before.debt.minus(after.debt)), (0, Ok(usd(settled))));
    }
}

#[test]
fn what_expires_or_is_voided_beside_a_debt_settles_it_first_and_never_goes_below_zero() {
    let rules = policy(FIFTY);
    let account = lot_beside_a_debt(&rules, "20", "60", "10");
    assert_eq!((left(&account), account.balance()), (owned(&[("1", "20.00")]), Ok(usd("10"))));
    check_lost(&account, "20.00", "10", "10", "0");
    check_lost(&lot_beside_a_debt(&rules, "20", "20", "20"), "20.00", "20", "0", "0");
    check_lost(&lot_beside_a_debt(&rules, "30", "30", "40"), "30.00", "30", "0", "-10");
    let none = super::account(&[(1, "20", Some(5))]);
    check_lost(&none, "20.00", "0", "20", "0");
}

#[test]
fn a_debt_is_settled_by_what_expires_once() {
    let rules = policy(FIFTY);
    let account = lot_beside_a_debt(&rules, "20", "60", "10");
    let (account, _) = super::swept(&account, &rules, day(5));
    assert_eq!(super::swept(&account, &rules, day(6)), (account.clone(), None));
    assert_eq!(balances(&account, &rules, day(6)), ["0.00", "0.00", "50.00"]);
}

#[test]
fn a_debt_is_no_lot_and_keeps_none() {
    let rules = policy(FIFTY);
    let grant = Grant { category: Category::Paid, ..goodwill("40") };
    let after = granted(&owing(&rules, "40"), &rules, &grant, day(3));
    assert_eq!(
        (after.lots.len(), after.debt, after.balance()),
        (0, Money::zero(after.currency), Ok(usd("0")))
    );
}

#[test]
fn a_lot_that_a_debt_ate_whole_was_there_once() {
    let account = granted(&owing(&policy(FIFTY), "30"), &policy(FIFTY), &goodwill("10"), day(3));
    assert!(account.lots.is_empty() && account.number == 2);
    let void = |lot: u64| {
        crate::void_lot(&account, &policy(FIFTY), lot.into(), &"a mistake".parse().unwrap(), day(3))
            .map(|_| ())
    };
    assert_eq!(void(2), Err(Refusal::LotNotVoidable { why: "has nothing left" }));
    assert_eq!(void(3), Err(Refusal::LotNotFound));
}
