//! Booking what has expired.

use jiff::Timestamp;

use super::{account, allocated, day, goodwill, policy, seal, spend, texts, time, usd};
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
            let is_open = |lot: &&Lot| expired.iter().all(|(number, _)| lot.number != LotNumber::from(*number));
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
