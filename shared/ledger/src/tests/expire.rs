//! Booking what has expired.

use jiff::Timestamp;

use super::{
    account, allocated, balances, day, goodwill, held, left, owned, policy, redeemed, refunded, seal, spend,
    swept, texts, time, told, usd,
};
use crate::{Account, Change, EntryType, Grant, Lot, LotExpiry, LotNumber, Role, Sweep, expire};

/// What is due of these lots, and where the bound stands after; what is not due stays, and a second sweep finds nothing.
#[track_caller]
fn check(before: &Account, at: Timestamp, expired: &[(u64, &str)], bound: Option<Timestamp>) {
    let after = match expire(before, &policy("{}"), at).unwrap() {
        Sweep::NotDue(after) => {
            assert_eq!(expired, []);
            assert_eq!(*after, Account { expiry_bound: bound, ..before.clone() });
            *after
        }
        Sweep::Due(change) => {
            assert_eq!(allocated(&change), texts(expired));
            assert_eq!((change.line.kind, change.account.expiry_bound), (EntryType::Expire, bound));
            let is_open =
                |lot: &&Lot| expired.iter().all(|(number, _)| lot.number != LotNumber::from(*number));
            assert_eq!(change.account.lots, before.lots.iter().filter(is_open).cloned().collect::<Vec<_>>());
            let (after, entry) = seal(*change, at);
            assert_eq!(before.balance().unwrap().plus(entry.amount), after.balance());
            assert_eq!(after.lifetime.expired, entry.amount.negated());
            after
        }
    };
    assert_eq!(expire(&after, &policy("{}"), at), Ok(Sweep::NotDue(Box::new(after))));
}

#[track_caller]
fn due(account: &Account, at: Timestamp) -> Change {
    match expire(account, &policy("{}"), at).unwrap() {
        Sweep::Due(change) => *change,
        Sweep::NotDue(account) => panic!("nothing is due in {account:?}"),
    }
}

#[test]
fn what_is_due_expires_and_nothing_else() {
    check(&account(&[]), day(5), &[], None);
    check(&account(&[(1, "10", None)]), day(5), &[], None);
    check(&account(&[(1, "10", Some(6))]), day(5), &[], Some(day(6)));
    let lots = account(&[
        (1, "10", Some(5)),
        (1, "20", None),
        (2, "30", Some(9)),
        (2, "40", Some(4)),
        (3, "50", Some(5)),
    ]);
    check(&lots, day(3), &[], Some(day(4)));
    check(&lots, day(4), &[(4, "40.00")], Some(day(5)));
    check(&lots, day(5), &[(1, "10.00"), (4, "40.00"), (5, "50.00")], Some(day(9)));
    check(&lots, day(9), &[(1, "10.00"), (3, "30.00"), (4, "40.00"), (5, "50.00")], None);
    check(&account(&[(1, "10", Some(5)), (2, "20", Some(6))]), day(31), &[(1, "10.00"), (2, "20.00")], None);
}

#[test]
fn a_lot_expires_at_its_moment_and_not_before() {
    let lots = account(&[(1, "10", Some(5))]);
    check(&lots, time("2026-01-04T23:59:59.999Z"), &[], Some(day(5)));
    check(&lots, day(5), &[(1, "10.00")], None);
    check(&lots, time("2026-01-05T00:00:00.001Z"), &[(1, "10.00")], None);
}

#[test]
fn only_what_was_not_spent_expires() {
    let lots = spend(&account(&[(1, "10", Some(5)), (2, "20", Some(5))]), "18", day(3));
    check(&lots, day(5), &[(2, "12.00")], None);
}

#[test]
fn the_bound_is_raised_or_taken_away_where_the_soonest_lot_was_spent() {
    let lots = spend(&account(&[(1, "10", Some(5)), (2, "20", Some(9))]), "10", day(3));
    assert_eq!(lots.expiry_bound, Some(day(5)));
    check(&lots, day(5), &[], Some(day(9)));
    let lots = spend(&account(&[(1, "10", Some(5)), (2, "20", None)]), "10", day(3));
    check(&lots, day(5), &[], None);
}

#[test]
fn a_grant_only_ever_brings_the_bound_forward() {
    let bound = |expires: Option<i8>| {
        let grant = Grant { expiry: expires.map(|number| LotExpiry::At(day(number))), ..goodwill("1") };
        let before = account(&[(1, "10", Some(5))]);
        crate::grant(&before, &policy("{}"), &grant, Role::Store, day(2)).unwrap().account.expiry_bound
    };
    assert_eq!(bound(Some(4)), Some(day(4)));
    assert_eq!(bound(Some(6)), Some(day(5)));
    assert_eq!(bound(None), Some(day(5)));
}

#[test]
fn what_will_expire_is_told_by_moment() {
    let lots = account(&[(1, "10", Some(9)), (1, "20", None), (2, "30", Some(5)), (2, "40", Some(9))]);
    assert_eq!(lots.expiring(&policy("{}"), day(4)), Ok(vec![(day(5), usd("30")), (day(9), usd("50"))]));
    assert_eq!(lots.expiring(&policy("{}"), day(5)), Ok(vec![(day(9), usd("50"))]));
    assert_eq!(lots.expiring(&policy("{}"), day(9)), Ok(vec![]));
}

#[test]
fn worked_example_5_two_lots_lapse_after_a_redemption() {
    let granted = account(&[(1, "10", Some(10)), (2, "20", Some(12))]);
    let redeemed = spend(&granted, "18", day(3));
    let (after, entry) = seal(due(&redeemed, day(12)), day(12));
    assert_eq!((entry.amount, entry.balance_after), (usd("-12.00"), usd("0")));
    assert_eq!(after.lots, []);
}

#[test]
fn worked_example_6_expiry_that_reaches_back_never_goes_below_zero() {
    let fifteen = policy(r#"{"expiry_days": 15}"#);
    let mut account = spend(&account(&[(1, "25", None)]), "20", time("2026-02-01T12:00:00Z"));
    let origin = &mut account.lots[0].origin;
    origin.expires_at = fifteen.expiry(origin.category, origin.granted_at);
    let now = time("2026-02-25T12:00:00Z");

    let (after, entry) = seal(due(&account, now), now);

    assert_eq!((entry.amount, entry.balance_after), (usd("-5.00"), usd("0")));
    check(&after, now, &[], None);
}

#[test]
fn worked_example_7_what_a_redemption_left_expires() {
    let redeemed = spend(&account(&[(1, "200", Some(10))]), "120", day(3));
    check(&redeemed, day(10), &[(1, "80.00")], None);
}

const EXEMPT: &str = r#"{"expiry_exempt": true}"#;

#[test]
fn nothing_expires_for_whoever_is_exempt() {
    let (exempt, rules) = (policy(EXEMPT), policy("{}"));
    let lots = account(&[(1, "10", Some(5)), (1, "20", Some(9)), (1, "40", None)]);
    assert_eq!(balances(&lots, &rules, day(6)), ["70.00", "0.00", "60.00"]);
    assert_eq!(balances(&lots, &exempt, day(6)), ["70.00", "0.00", "70.00"]);
    assert_eq!(balances(&lots, &exempt, day(31)), ["70.00", "0.00", "70.00"]);
    assert_eq!(swept(&lots, &exempt, day(31)).1, None);
    assert_eq!(lots.expiring(&exempt, day(4)), Ok(vec![]));
    assert_eq!(lots.expiring(&rules, day(4)), Ok(vec![(day(5), usd("10")), (day(9), usd("20"))]));

    let (after, spent) = redeemed(&lots, &exempt, "25", day(10));
    assert_eq!(told(&spent.allocations), owned(&[("1", "10.00"), ("2", "15.00")]));
    let change = crate::void_lot(&after, &exempt, 2.into(), &"a mistake".parse().unwrap(), day(10));
    assert_eq!(change.map(|change| change.line.amount), Ok(usd("-5")));
}

#[test]
fn an_exempt_account_is_looked_at_again_a_day_later() {
    let exempt = policy(EXEMPT);
    let lots = account(&[(1, "10", Some(5)), (1, "20", Some(9))]);
    for (at, bound) in [(4, 5), (5, 6), (6, 7), (8, 9), (9, 10), (20, 21)] {
        let (after, booked) = swept(&lots, &exempt, day(at));
        assert_eq!((booked, after.expiry_bound), (None, Some(day(bound))), "on day {at}");
        assert_eq!(swept(&after, &exempt, day(at)), (after.clone(), None));
    }
    let (after, _) = swept(&account(&[(1, "10", None)]), &exempt, day(5));
    assert_eq!(after.expiry_bound, None);
}

#[test]
fn an_exemption_that_is_lifted_brings_the_dates_back() {
    let (exempt, rules) = (policy(EXEMPT), policy("{}"));
    let lots = account(&[(1, "10", Some(5)), (1, "20", Some(9)), (1, "40", Some(20))]);
    let (kept, _) = swept(&lots, &exempt, day(10));
    assert_eq!(balances(&kept, &rules, day(10)), ["70.00", "0.00", "40.00"]);
    // By then the schedule looks again.
    let (after, booked) = swept(&kept, &rules, day(11));
    assert_eq!(told(&booked.unwrap().allocations), owned(&[("1", "10.00"), ("2", "20.00")]));
    assert_eq!((left(&after), after.expiry_bound), (owned(&[("3", "40.00")]), Some(day(20))));
}

#[test]
fn what_is_free_beside_a_hold_is_looked_at_a_day_later_too() {
    let exempt = policy(r#"{"expiry_exempt": true, "hold_ttl_seconds": 604800}"#);
    let (account, _) = held(&account(&[(1, "10", Some(5))]), &exempt, "6", day(6));
    let (after, booked) = swept(&account, &exempt, day(6));
    assert_eq!((booked, after.expiry_bound), (None, Some(day(7))));
    let (after, booked) = swept(&after, &policy("{}"), day(7));
    assert_eq!((booked.map(|entry| entry.amount), after.expiry_bound), (Some(usd("-4")), Some(day(13))));
}

#[test]
fn a_look_that_books_nothing_leaves_lapsed_holds_to_whoevers_clock_is_behind() {
    let lots = spend(&account(&[(1, "10", Some(5)), (2, "20", Some(9))]), "10", day(3));
    let (before, _) = held(&lots, &policy("{}"), "6", day(4));
    check(&before, day(5), &[], Some(day(9)));
    let (after, booked) = swept(&before, &policy("{}"), day(5));
    assert_eq!(booked, None);
    assert_eq!(balances(&after, &policy("{}"), day(4)), ["20.00", "6.00", "14.00"]);
}

#[test]
fn what_comes_back_to_the_exempt_keeps_its_old_date() {
    let (exempt, rules) = (policy(EXEMPT), policy("{}"));
    let (account, spent) = redeemed(&account(&[(1, "10", Some(5))]), &rules, "10", day(2));
    let (account, refund) = refunded(&account, &exempt, &spent, "10", day(6));
    assert_eq!(told(&refund.allocations), owned(&[("1", "10.00")]));
    assert_eq!(balances(&account, &exempt, day(6)), ["10.00", "0.00", "10.00"]);
    assert_eq!(balances(&account, &rules, day(6)), ["10.00", "0.00", "0.00"]);
}
