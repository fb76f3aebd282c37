//! Reserving credit for an order, and what becomes of what is reserved.

use jiff::{SignedDuration, Timestamp};

use super::{
    account, balances, day, goodwill, granted, held, invalid_amount, large_order, left, order, order_id,
    owned, policy, redeemed, reserve, seal, seal_by, swept, time, told, usd,
};
use crate::{
    Account, Category, Change, Entry, EntryType, Grant, HoldSeconds, LotExpiry, MAX_HOLDS, Order, Policy,
    Refusal, Role, Withdrawal, capture, hold, quote, release,
};

/// Holds count for a week here, so that lots can expire meanwhile.
const WEEK: &str = r#"{"hold_ttl_seconds": 604800}"#;
const OVERDRAFT: &str = r#"{"overdraft_limit": {"USD": "50"}}"#;

/// Captures this of a hold: what it takes of which lots, what of the overdraft, and the balances after.
#[track_caller]
fn check_capture(
    account: &Account,
    policy: &Policy,
    hold: &Entry,
    amount: Option<&str>,
    taken: (&[(&str, &str)], Option<&str>),
    after: [&str; 3],
) {
    let change =
        capture(account, policy, hold, amount.map(|amount| amount.parse().unwrap()), day(2)).unwrap();
    let before = account.balance().unwrap();
    let (account, entry) = seal_by(policy, change, day(2));
    assert_eq!((told(&entry.allocations), entry.overdraft), (owned(taken.0), taken.1.map(usd)), "{amount:?}");
    assert_eq!(balances(&account, policy, day(2)), after, "{amount:?}");
    assert_eq!(
        (entry.kind, entry.redemption, entry.held),
        (EntryType::Capture, Some(hold.number), hold.held)
    );
    assert_eq!((entry.order.as_ref(), before.plus(entry.amount)), (hold.order.as_ref(), account.balance()));
    assert_eq!(account.lifetime.redeemed, entry.amount.negated());
    assert_eq!(account.holds, []);
    assert!(entry.allocations.iter().all(|part| part.origin.is_some()));
}

/// What resolving this hold is refused with, whichever way it is tried.
#[track_caller]
fn check_unresolvable(account: &Account, hold: &Entry, at: Timestamp, refusal: &Refusal) {
    assert_eq!(capture(account, &policy("{}"), hold, None, at).as_ref(), Err(refusal));
    assert_eq!(
        capture(account, &policy("{}"), hold, Some("0.01".parse().unwrap()), at).as_ref(),
        Err(refusal)
    );
    assert_eq!(release(account, &policy("{}"), hold, at).as_ref(), Err(refusal));
}

#[test]
fn a_hold_reserves_and_moves_nothing() {
    let before = account(&[(1, "10", None), (1, "20", None)]);
    let (after, entry) = held(&before, &policy("{}"), "15", day(2));
    assert_eq!((entry.kind, entry.amount, entry.held), (EntryType::Hold, usd("0"), Some(usd("15"))));
    assert_eq!(told(&entry.allocations), owned(&[("1", "10.00"), ("2", "5.00")]));
    assert_eq!((entry.deadline, entry.overdraft), (Some(time("2026-01-02T00:15:00Z")), None));
    assert_eq!(entry.order.map(|order| order.id), Some(order_id()));
    assert_eq!([entry.balance_after, entry.held_after, entry.available_after], ["30", "15", "15"].map(usd));
    assert_eq!((&after.lots, &after.lifetime), (&before.lots, &before.lifetime));
    assert_eq!(balances(&after, &policy("{}"), day(2)), ["30.00", "15.00", "15.00"]);
}

#[test]
fn what_is_held_is_listed_by_its_end_while_it_counts() {
    let rules = policy(WEEK);
    let reserved = |account: &Account, ttl: Option<u32>| {
        let ttl = ttl.map(|seconds| HoldSeconds::try_from(seconds).unwrap());
        let large = large_order();
        let change = hold(account, &rules, &order_id(), &large, Some("1".parse().unwrap()), ttl, day(2));
        seal(change.unwrap(), day(2)).0
    };
    let mut held = account(&[(1, "10", None)]);
    for ttl in [None, Some(60), Some(120), Some(60)] {
        held = reserved(&held, ttl);
    }
    let numbers = |seconds: i64| {
        let now = day(2).checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let live = held.live_holds(now);
        let sum = live.iter().try_fold(usd("0"), |sum, hold| sum.plus(hold.amount()?));
        assert_eq!(sum, held.held(now));
        live.iter().map(|hold| hold.number).collect::<Vec<_>>()
    };
    assert_eq!(numbers(59), [3, 5, 4, 2]);
    assert_eq!(numbers(60), [4, 2]);
    assert_eq!(numbers(120), [2]);
    assert_eq!(numbers(604_800), [0; 0]);
}

#[test]
fn a_hold_takes_lots_in_the_policys_order_and_skips_what_is_held() {
    let first = policy(r#"{"consumption_order": "expiring_first"}"#);
    let lots = account(&[(1, "10", None), (1, "10", Some(9)), (1, "10", Some(8))]);
    let (lots, one) = held(&lots, &first, "12", day(2));
    let (lots, two) = held(&lots, &first, "12", day(2));
    assert_eq!(told(&one.allocations), owned(&[("3", "10.00"), ("2", "2.00")]));
    assert_eq!(told(&two.allocations), owned(&[("2", "8.00"), ("1", "4.00")]));
    let (_, spent) = redeemed(&lots, &first, "6", day(2));
    assert_eq!(told(&spent.allocations), owned(&[("1", "6.00")]));
}

#[test]
fn what_is_held_is_kept_from_everybody_else() {
    let (held, _) = held(&account(&[(1, "10", None)]), &policy("{}"), "7", day(2));
    let (rules, insufficient) = (policy("{}"), Refusal::InsufficientCredit { available: usd("3.00") });
    let (amount, reason) = ("3.01".parse().unwrap(), "a mistake".parse().unwrap());
    let withdrawal = Withdrawal { amount, journal: "cash".parse().unwrap(), reference: None, note: None };
    let refused = [
        crate::redeem(&held, &rules, &order_id(), &large_order(), Some(amount), day(2)),
        reserve(&held, &rules, "3.01", day(2)),
        crate::debit(&held, &rules, amount, &reason, None, day(2)),
        crate::withdraw(&held, &rules, &withdrawal, Role::Store, day(2)),
    ];
    for refused in refused {
        assert_eq!(refused, Err(insufficient.clone()));
    }
    assert!(matches!(
        crate::void_lot(&held, &rules, 1.into(), &reason, day(2)),
        Err(Refusal::LotNotVoidable { .. })
    ));
    let (after, _) = redeemed(&held, &rules, "3.00", day(2));
    assert_eq!(balances(&after, &rules, day(2)), ["7.00", "7.00", "0.00"]);
}

#[test]
fn a_capture_spends_all_of_a_hold_or_a_part_and_sets_the_rest_free_at_once() {
    let rules = policy("{}");
    let (account, hold) = held(&account(&[(1, "10", None), (1, "20", None)]), &rules, "15", day(2));
    let all: &[(&str, &str)] = &[("1", "10.00"), ("2", "5.00")];
    check_capture(&account, &rules, &hold, None, (all, None), ["15.00", "0.00", "15.00"]);
    check_capture(&account, &rules, &hold, Some("15"), (all, None), ["15.00", "0.00", "15.00"]);
    let twelve: &[(&str, &str)] = &[("1", "10.00"), ("2", "2.00")];
    check_capture(&account, &rules, &hold, Some("12"), (twelve, None), ["18.00", "0.00", "18.00"]);
    let cent: &[(&str, &str)] = &[("1", "0.01")];
    check_capture(&account, &rules, &hold, Some("0.01"), (cent, None), ["29.99", "0.00", "29.99"]);

    let refused = |amount: &str| capture(&account, &rules, &hold, Some(amount.parse().unwrap()), day(2));
    assert_eq!(refused("15.01"), Err(Refusal::ExceedsHold { held: usd("15") }));
    assert_eq!(refused("0.00"), Err(invalid_amount("must be more than zero")));
    assert_eq!(refused("0.001"), Err(invalid_amount("must have at most 2 decimals, as USD has")));
}

#[test]
fn worked_example_9_a_hold_is_captured_once() {
    let rules = policy("{}");
    let (account, hold) = held(&account(&[(1, "100", None)]), &rules, "100", day(2));
    assert_eq!(balances(&account, &rules, day(2)), ["100.00", "100.00", "0.00"]);

    let change = capture(&account, &rules, &hold, Some("60".parse().unwrap()), day(2)).unwrap();
    let (account, captured) = seal(change, day(2));

    assert_eq!(captured.amount, usd("-60"));
    assert_eq!(balances(&account, &rules, day(2)), ["40.00", "0.00", "40.00"]);
    check_unresolvable(&account, &hold, day(2), &Refusal::HoldResolved);
}

#[test]
fn a_release_sets_all_of_a_hold_free_and_moves_nothing() {
    let rules = policy("{}");
    let before = account(&[(1, "10", None), (1, "20", None)]);
    let (account, hold) = held(&before, &rules, "15", day(2));
    let (after, entry) = seal(release(&account, &rules, &hold, day(2)).unwrap(), day(2));
    assert_eq!((entry.kind, entry.amount, entry.held), (EntryType::Release, usd("0"), Some(usd("15"))));
    assert_eq!((entry.redemption, &entry.order), (Some(hold.number), &hold.order));
    assert_eq!((&after.lots, &after.lifetime, after.holds.len()), (&before.lots, &before.lifetime, 0));
    assert_eq!(balances(&after, &rules, day(2)), ["30.00", "0.00", "30.00"]);
    check_unresolvable(&after, &hold, day(2), &Refusal::HoldResolved);
}

#[test]
fn a_hold_counts_until_the_millisecond_before_its_deadline() {
    let rules = policy("{}");
    let (account, hold) = held(&account(&[(1, "10", None)]), &rules, "10", day(2));
    let (last, deadline) = (time("2026-01-02T00:14:59.999Z"), time("2026-01-02T00:15:00Z"));
    assert_eq!(balances(&account, &rules, last), ["10.00", "10.00", "0.00"]);
    assert!(capture(&account, &rules, &hold, None, last).is_ok());
    assert!(release(&account, &rules, &hold, last).is_ok());
    // Nothing has been booked since, and yet it counts for nothing.
    assert_eq!(balances(&account, &rules, deadline), ["10.00", "0.00", "10.00"]);
    check_unresolvable(&account, &hold, deadline, &Refusal::HoldExpired);

    let (account, _) = redeemed(&account, &rules, "10", deadline);
    assert_eq!((left(&account), account.holds.len()), (owned(&[]), 0));
    check_unresolvable(&account, &hold, deadline, &Refusal::HoldExpired);
}

#[test]
fn a_hold_counts_as_long_as_it_says_or_as_the_policy_says() {
    let deadline = |settings: &str, ttl: Option<u32>| {
        let ttl = ttl.map(|seconds| HoldSeconds::try_from(seconds).unwrap());
        let account = account(&[(1, "10", None)]);
        let change =
            hold(&account, &policy(settings), &order_id(), &large_order(), None, ttl, day(2)).unwrap();
        change.line.deadline.unwrap().duration_since(day(2)).as_secs()
    };
    assert_eq!(deadline("{}", None), 900);
    assert_eq!(deadline(r#"{"hold_ttl_seconds": 60}"#, None), 60);
    assert_eq!(deadline(r#"{"hold_ttl_seconds": 60}"#, Some(1)), 1);
    assert_eq!(deadline("{}", Some(604_800)), 604_800);
    assert!(HoldSeconds::try_from(0).is_err() && HoldSeconds::try_from(604_801).is_err());
}

#[test]
fn a_hold_asks_the_rules_that_a_redemption_asks() {
    let limits =
        r#"{"usage_limit": {"type": "percent", "maximum": "50"}, "transaction_limit": {"USD": "25"}}"#;
    let off = r#"{"enabled": false}"#;
    let inactive = r#"{"activation_total": {"USD": "61"}}"#;
    let sixty = order(&[("sub_total", "60.00", 1)]);
    let product = Order { contains_credit_product: true, ..sixty.clone() };
    for settings in ["{}", limits, off, inactive, OVERDRAFT] {
        for order in [&sixty, &product, &order(&[])] {
            for amount in [None, Some("10"), Some("20.01"), Some("25.01"), Some("70"), Some("99"), Some("0")]
            {
                let (account, policy) = (account(&[(1, "20", None), (1, "5", Some(2))]), policy(settings));
                let amount = amount.map(|amount| amount.parse().unwrap());
                let taken = crate::redeem(&account, &policy, &order_id(), order, amount, day(2));
                let reserved = hold(&account, &policy, &order_id(), order, amount, None, day(2));
                let quoted = quote(&account, &policy, order, amount, day(2));

                let said = |change: Change| {
                    (change.line.order, change.line.overdraft, told(&change.line.allocations))
                };
                assert_eq!(
                    taken.clone().map(said),
                    reserved.clone().map(said),
                    "{amount:?} under {settings}"
                );
                let applied = quoted.map(|terms| terms.applied).ok().filter(|applied| applied.is_positive());
                assert_eq!(reserved.ok().and_then(|change| change.line.held), applied);
                assert_eq!(taken.ok().map(|change| change.line.amount.negated()), applied);
            }
        }
    }
}

#[test]
fn several_holds_over_the_same_lots_resolve_in_any_order() {
    let rules = policy("{}");
    let account = account(&[(1, "10", None), (1, "10", None), (1, "10", None)]);
    let (account, one) = held(&account, &rules, "8", day(2));
    let (account, two) = held(&account, &rules, "8", day(2));
    let (account, three) = held(&account, &rules, "8", day(2));
    assert_eq!(balances(&account, &rules, day(2)), ["30.00", "24.00", "6.00"]);
    assert_eq!(told(&three.allocations), owned(&[("2", "4.00"), ("3", "4.00")]));

    let (account, captured) = seal(capture(&account, &rules, &two, None, day(2)).unwrap(), day(2));
    assert_eq!(told(&captured.allocations), owned(&[("1", "2.00"), ("2", "6.00")]));
    assert_eq!(balances(&account, &rules, day(2)), ["22.00", "16.00", "6.00"]);
    let (account, _) = seal(release(&account, &rules, &one, day(2)).unwrap(), day(2));
    assert_eq!(balances(&account, &rules, day(2)), ["22.00", "8.00", "14.00"]);
    let (account, captured) = seal(capture(&account, &rules, &three, None, day(2)).unwrap(), day(2));
    assert_eq!(told(&captured.allocations), owned(&[("2", "4.00"), ("3", "4.00")]));
    assert_eq!(left(&account), owned(&[("1", "8.00"), ("3", "6.00")]));
    for hold in [&one, &two, &three] {
        check_unresolvable(&account, hold, day(2), &Refusal::HoldResolved);
    }
}

#[test]
fn a_hold_over_lots_and_overdraft_takes_the_lots_first() {
    let rules = policy(OVERDRAFT);
    let (account, hold) = held(&account(&[(1, "20", None)]), &rules, "60", day(2));
    assert_eq!((told(&hold.allocations), hold.overdraft), (owned(&[("1", "20.00")]), Some(usd("40"))));
    // Of the lots 20 are held, and of the overdraft 40 are promised.
    assert_eq!(balances(&account, &rules, day(2)), ["20.00", "20.00", "10.00"]);
    let lot: &[(&str, &str)] = &[("1", "20.00")];
    check_capture(&account, &rules, &hold, None, (lot, Some("40")), ["-40.00", "0.00", "10.00"]);
    check_capture(&account, &rules, &hold, Some("30"), (lot, Some("10")), ["-10.00", "0.00", "40.00"]);
    check_capture(&account, &rules, &hold, Some("20"), (lot, None), ["0.00", "0.00", "50.00"]);
    let refused = capture(&account, &rules, &hold, Some("60.01".parse().unwrap()), day(2));
    assert_eq!(refused, Err(Refusal::ExceedsHold { held: usd("60") }));

    let refused = reserve(&account, &rules, "10.01", day(2));
    assert_eq!(refused, Err(Refusal::InsufficientCredit { available: usd("10") }));
    let (account, other) = held(&account, &rules, "10", day(2));
    assert_eq!((told(&other.allocations), other.overdraft), (owned(&[]), Some(usd("10"))));
    let (account, _) = seal_by(&rules, release(&account, &rules, &hold, day(2)).unwrap(), day(2));
    assert_eq!(balances(&account, &rules, day(2)), ["20.00", "0.00", "60.00"]);
}

#[test]
fn a_live_hold_can_be_captured_whatever_the_policy_has_become() {
    let (account, hold) = held(&account(&[(1, "20", None)]), &policy(OVERDRAFT), "60", day(2));
    let tighter = policy(
        r#"{"enabled": false, "transaction_limit": {"USD": "1"}, "usage_limit": {"type": "percent", "maximum": "1"}}"#,
    );
    let lot: &[(&str, &str)] = &[("1", "20.00")];
    check_capture(&account, &tighter, &hold, None, (lot, Some("40")), ["-40.00", "0.00", "0.00"]);
}

#[test]
fn an_account_has_no_more_live_holds_than_it_can() {
    let rules = policy("{}");
    let mut full = account(&[(1, "60", None)]);
    for _ in 0..MAX_HOLDS {
        (full, _) = held(&full, &rules, "1", day(2));
    }
    assert_eq!(full.holds.len(), MAX_HOLDS);
    assert_eq!(reserve(&full, &rules, "1", day(2)), Err(Refusal::TooManyHolds));
    assert_eq!(
        reserve(&full, &rules, "10.01", day(2)),
        Err(Refusal::InsufficientCredit { available: usd("10") })
    );
    assert!(crate::redeem(&full, &rules, &order_id(), &large_order(), None, day(2)).is_ok());
    // All of them have lapsed.
    let (after, _) = held(&full, &rules, "60", day(3));
    assert_eq!(after.holds.len(), 1);
}

#[test]
fn only_holds_are_captured_or_released() {
    let rules = policy("{}");
    let first = crate::grant(&account(&[]), &rules, &goodwill("10"), Role::Store, day(1)).unwrap();
    let (account, grant) = seal(first, day(1));
    let (account, redemption) = redeemed(&account, &rules, "1", day(2));
    let (account, hold) = held(&account, &rules, "1", day(2));
    let (account, captured) = seal(capture(&account, &rules, &hold, None, day(2)).unwrap(), day(2));
    for entry in [grant, redemption, captured] {
        check_unresolvable(&account, &entry, day(2), &Refusal::RedemptionNotFound);
    }
}

#[test]
fn two_faults_of_a_capture_always_give_the_same_answer() {
    let rules = policy("{}");
    let (live, hold) = held(&account(&[(1, "10", None)]), &rules, "10", day(2));
    let (resolved, _) = seal(release(&live, &rules, &hold, day(2)).unwrap(), day(2));
    let (nothing, too_much) = ("0".parse().unwrap(), "11".parse().unwrap());
    let refused = |account, amount, at| capture(account, &rules, &hold, Some(amount), at).unwrap_err();
    assert_eq!(refused(&resolved, nothing, day(3)), Refusal::HoldExpired);
    assert_eq!(refused(&resolved, nothing, day(2)), Refusal::HoldResolved);
    assert_eq!(refused(&live, nothing, day(2)), invalid_amount("must be more than zero"));
    assert_eq!(refused(&live, too_much, day(2)), Refusal::ExceedsHold { held: usd("10") });
}

/// 10 that expire on day 5, of which 7 are held from day 3 to day 10, and 20 that do not expire.
fn expiring_while_held() -> (Account, Entry, Policy) {
    let rules = policy(WEEK);
    let (account, hold) = held(&account(&[(1, "10", Some(5)), (1, "20", None)]), &rules, "7", day(3));
    (account, hold, rules)
}

#[test]
fn what_expires_while_held_stays_usable_for_that_holds_capture_alone() {
    let (account, hold, rules) = expiring_while_held();
    assert_eq!(balances(&account, &rules, day(4)), ["30.00", "7.00", "23.00"]);
    assert_eq!(balances(&account, &rules, day(6)), ["30.00", "7.00", "20.00"]);
    let refused =
        crate::redeem(&account, &rules, &order_id(), &large_order(), Some("20.01".parse().unwrap()), day(6));
    assert_eq!(refused, Err(Refusal::InsufficientCredit { available: usd("20") }));

    let (after, entry) = seal(capture(&account, &rules, &hold, None, day(6)).unwrap(), day(6));
    assert_eq!(told(&entry.allocations), owned(&[("1", "7.00")]));
    assert_eq!(balances(&after, &rules, day(6)), ["23.00", "0.00", "20.00"]);
    let (after, booked) = swept(&after, &rules, day(6));
    assert_eq!((booked.map(|entry| entry.amount), left(&after)), (Some(usd("-3")), owned(&[("2", "20.00")])));
}

#[test]
fn a_sweep_keeps_what_is_held_and_looks_again_when_the_hold_lapses() {
    let (account, hold, rules) = expiring_while_held();
    let (account, booked) = swept(&account, &rules, day(5));
    assert_eq!(told(&booked.unwrap().allocations), owned(&[("1", "3.00")]));
    assert_eq!(left(&account), owned(&[("1", "7.00"), ("2", "20.00")]));
    assert_eq!(account.expiry_bound, Some(day(10)));
    assert_eq!(swept(&account, &rules, day(6)), (account.clone(), None));
    assert_eq!(balances(&account, &rules, day(6)), ["27.00", "7.00", "20.00"]);

    let (captured, _) = seal(capture(&account, &rules, &hold, None, day(6)).unwrap(), day(6));
    assert_eq!(left(&captured), owned(&[("2", "20.00")]));

    // Nobody resolved it: what it kept expires with it.
    let (lapsed, booked) = swept(&account, &rules, day(10));
    assert_eq!(told(&booked.unwrap().allocations), owned(&[("1", "7.00")]));
    assert_eq!((left(&lapsed), lapsed.expiry_bound), (owned(&[("2", "20.00")]), None));
    assert_eq!(lapsed.holds, []);
}

#[test]
fn what_expired_while_held_expires_at_once_when_it_is_released() {
    let (account, hold, rules) = expiring_while_held();
    for (account, due) in [(account.clone(), "-10"), (swept(&account, &rules, day(5)).0, "-7")] {
        let (after, _) = seal(release(&account, &rules, &hold, day(6)).unwrap(), day(6));
        assert_eq!(after.available(&rules, day(6)), Ok(usd("20")));
        assert!(after.expiry_bound.is_some_and(|bound| bound <= day(6)));
        let (after, booked) = swept(&after, &rules, day(6));
        assert_eq!((booked.map(|entry| entry.amount), after.expiry_bound), (Some(usd(due)), None));

        let (after, _) =
            seal(capture(&account, &rules, &hold, Some("5".parse().unwrap()), day(6)).unwrap(), day(6));
        assert_eq!(after.available(&rules, day(6)), Ok(usd("20")));
        assert!(after.expiry_bound.is_some_and(|bound| bound <= day(6)));
        let (after, _) = swept(&after, &rules, day(6));
        assert_eq!(left(&after), owned(&[("2", "20.00")]));
    }
}

#[test]
fn of_two_holds_over_an_expired_lot_each_keeps_its_own_part() {
    let rules = policy(WEEK);
    let (account, one) = held(&account(&[(1, "10", Some(5))]), &rules, "4", day(3));
    let (account, two) = held(&account, &rules, "4", day(4));
    let (account, _) = swept(&account, &rules, day(5));
    assert_eq!((left(&account), account.expiry_bound), (owned(&[("1", "8.00")]), Some(day(10))));

    let (account, _) = seal(release(&account, &rules, &one, day(6)).unwrap(), day(6));
    let (account, booked) = swept(&account, &rules, day(6));
    assert_eq!((booked.map(|entry| entry.amount), account.expiry_bound), (Some(usd("-4")), Some(day(11))));
    let (account, captured) = seal(capture(&account, &rules, &two, None, day(7)).unwrap(), day(7));
    assert_eq!((captured.amount, left(&account)), (usd("-4"), owned(&[])));
}

#[test]
fn what_lapsed_beside_an_expired_lot_is_found_by_the_next_sweep() {
    let (account, _, rules) = expiring_while_held();
    let (account, _) = swept(&account, &rules, day(5));
    // A change in between forgets the hold; the bound still tells when to look.
    let grant = Grant { expiry: Some(LotExpiry::At(day(20))), category: Category::Paid, ..goodwill("1") };
    let account = granted(&account, &rules, &grant, day(10));
    let (account, _) = redeemed(&account, &rules, "1", day(10) + SignedDuration::from_hours(1));
    assert_eq!((account.holds.len(), account.expiry_bound), (0, Some(day(10))));
    let (account, booked) = swept(&account, &rules, day(11));
    assert_eq!((booked.map(|entry| entry.amount), account.expiry_bound), (Some(usd("-7")), Some(day(20))));
}
