//! Giving back what was spent, in reverse.

use jiff::Timestamp;

use super::{
    account, actor, balances, day, goodwill, granted, held, invalid_amount, large_order, left, order_id,
    owned, policy, redeemed, refunded, reserve, seal_by, swept, time, told, usd,
};
use crate::{
    Account, Category, Change, Entry, EntryType, Grant, LotExpiry, MAX_OPEN_LOTS, Origin, Payment,
    PaymentMode, Policy, Refusal, Role, TopupRequest, approve, capture, release, request_topup,
};

const FIFTY: &str = r#"{"overdraft_limit": {"USD": "50"}}"#;

/// Of a redemption of 25 out of lots of 10, 10 and 10, the third of which is still open.
struct Spent {
    account: Account,
    entry: Entry,
    policy: Policy,
}

fn spent() -> Spent {
    let policy = policy("{}");
    let account = account(&[(1, "10", Some(20)), (1, "10", None), (2, "10", Some(25))]);
    let (account, entry) = redeemed(&account, &policy, "25", day(3));
    Spent { account, entry, policy }
}

fn give_back(spent: &Spent, before: &str, amount: Option<&str>, at: Timestamp) -> Result<Change, Refusal> {
    let amount = amount.map(|amount| amount.parse().unwrap());
    crate::refund(&spent.account, &spent.policy, &spent.entry, usd(before), amount, at)
}

/// What a refund on day 4 puts into which lots, after this was given back before.
#[track_caller]
fn check(before: &str, amount: Option<&str>, expected: Result<&[(&str, &str)], Refusal>) {
    let refund = give_back(&spent(), before, amount, day(4));
    let parts = refund.map(|change| told(&change.line.allocations));
    assert_eq!(parts, expected.map(owned), "{amount:?} after {before}");
}

fn dated(amount: &str, category: Category, expires: i8) -> Grant {
    Grant { category, expiry: Some(LotExpiry::At(day(expires))), ..goodwill(amount) }
}

#[test]
fn a_refund_goes_back_in_reverse_where_it_came_from() {
    check("0", Some("5"), Ok(&[("3", "5.00")]));
    check("0", Some("0.01"), Ok(&[("3", "0.01")]));
    check("0", Some("15"), Ok(&[("3", "5.00"), ("2", "10.00")]));
    check("0", Some("25"), Ok(&[("3", "5.00"), ("2", "10.00"), ("1", "10.00")]));
    check("0", None, Ok(&[("3", "5.00"), ("2", "10.00"), ("1", "10.00")]));
}

#[test]
fn a_further_refund_goes_on_where_the_last_one_ended() {
    check("4", Some("5"), Ok(&[("3", "1.00"), ("2", "4.00")]));
    check("5", Some("5"), Ok(&[("2", "5.00")]));
    check("14.99", Some("5"), Ok(&[("2", "0.01"), ("1", "4.99")]));
    check("15", None, Ok(&[("1", "10.00")]));
    check("24.99", None, Ok(&[("1", "0.01")]));
}

#[test]
fn never_more_is_given_back_than_was_spent() {
    let exceeds = |refundable| Err(Refusal::RefundExceedsRedemption { refundable: usd(refundable) });
    check("0", Some("25.01"), exceeds("25"));
    check("20", Some("5.01"), exceeds("5"));
    check("20", Some("5"), Ok(&[("1", "5.00")]));
    check("25", Some("0.01"), exceeds("0"));
    check("25", None, exceeds("0"));
    check("0", Some("0"), Err(invalid_amount("must be more than zero")));
    check("25", Some("0"), Err(invalid_amount("must be more than zero")));
    check("0", Some("0.001"), Err(invalid_amount("must have at most 2 decimals, as USD has")));
}

#[test]
fn refunds_one_after_another_restore_every_lot_as_it_was() {
    let (before, Spent { mut account, entry, policy }) =
        (account(&[(1, "10", Some(20)), (1, "10", None), (2, "10", Some(25))]), spent());
    let mut given_back = usd("0");
    for amount in ["4", "7", "3", "11"] {
        let part = Some(amount.parse().unwrap());
        let change = crate::refund(&account, &policy, &entry, given_back, part, day(4)).unwrap();
        let refund;
        (account, refund) = seal_by(&policy, change, day(4));
        assert_eq!((refund.kind, refund.amount), (EntryType::Refund, usd(amount)));
        assert_eq!((refund.redemption, &refund.order), (Some(entry.number), &entry.order));
        given_back = given_back.plus(refund.amount).unwrap();
    }
    assert_eq!(account.lots, before.lots);
    assert_eq!(account.expiry_bound, Some(day(20)));
    assert_eq!((account.lifetime.redeemed, account.lifetime.refunded), (usd("25"), usd("25")));
    let nothing_left = crate::refund(&account, &policy, &entry, given_back, None, day(4));
    assert_eq!(nothing_left, Err(Refusal::RefundExceedsRedemption { refundable: usd("0") }));
}

#[test]
fn what_comes_back_is_spent_in_its_old_place() {
    let rules = policy("{}");
    let (account, spent) = redeemed(&account(&[(1, "10", None)]), &rules, "10", day(2));
    let account = granted(&account, &rules, &goodwill("10"), day(3));
    let (account, _) = refunded(&account, &rules, &spent, "10", day(4));
    assert_eq!(left(&account), owned(&[("1", "10.00"), ("3", "10.00")]));
    let (_, spent) = redeemed(&account, &rules, "12", day(5));
    assert_eq!(told(&spent.allocations), owned(&[("1", "10.00"), ("3", "2.00")]));
}

#[test]
fn worked_example_7_what_was_refunded_expires_with_its_lot() {
    let rules = policy("{}");
    let (account, spent) = redeemed(&account(&[(1, "200", Some(10))]), &rules, "120", day(3));
    let (without, booked) = swept(&account, &rules, day(10));
    assert_eq!((booked.map(|entry| entry.amount), without.balance()), (Some(usd("-80")), Ok(usd("0"))));

    let (account, _) = refunded(&account, &rules, &spent, "20", day(9));
    let (account, booked) = swept(&account, &rules, day(10));
    assert_eq!((booked.map(|entry| entry.amount), account.balance()), (Some(usd("-100")), Ok(usd("0"))));
}

#[test]
fn worked_example_8_a_refund_fills_the_last_lot_first() {
    let rules = policy("{}");
    let account = account(&[(1, "4", Some(10)), (1, "6", Some(15))]);
    let (account, spent) = redeemed(&account, &rules, "10", day(3));
    let (account, refund) = refunded(&account, &rules, &spent, "8", day(4));
    assert_eq!(told(&refund.allocations), owned(&[("2", "6.00"), ("1", "2.00")]));
    assert_eq!(left(&account), owned(&[("1", "2.00"), ("2", "6.00")]));
    let (account, booked) = swept(&account, &rules, day(15));
    assert_eq!((booked.map(|entry| entry.amount), account.balance()), (Some(usd("-8")), Ok(usd("0"))));
}

#[test]
fn what_has_expired_meanwhile_comes_back_as_a_new_lot_that_lasts_the_days_of_grace() {
    let check = |settings: &str, at: Timestamp, expires: Timestamp| {
        let rules = policy(settings);
        let account = granted(&account(&[]), &rules, &dated("10", Category::Promotional, 5), day(1));
        let (account, spent) = redeemed(&account, &rules, "10", day(2));
        let (account, refund) = refunded(&account, &rules, &spent, "6", at);
        let origin = Origin {
            category: Category::Promotional,
            source: Role::Store,
            granted_at: at,
            expires_at: Some(expires),
        };
        assert_eq!(account.lots.iter().map(|lot| &lot.origin).collect::<Vec<_>>(), [&origin]);
        assert_eq!(told(&refund.allocations), owned(&[("3", "6.00")]));
        assert_eq!(refund.allocations[0].origin, Some(origin));
        assert!(account.expiry_bound.is_some_and(|bound| bound <= expires));
        (account, rules)
    };
    let (account, rules) = check("{}", day(5), time("2026-02-04T00:00:00Z"));
    assert_eq!(account.available(&rules, day(31)), Ok(usd("6")));
    let (account, booked) = swept(&account, &rules, time("2026-02-04T00:00:00Z"));
    assert_eq!((booked.map(|entry| entry.amount), account.balance()), (Some(usd("-6")), Ok(usd("0"))));
    check(r#"{"refund_grace_days": 1}"#, day(6), day(7));
    // What expired at midnight yesterday comes back until the end of the calendar's days.
    check(r#"{"refund_grace_days": 36500}"#, day(6), time("2125-12-13T00:00:00Z"));
}

#[test]
fn what_came_back_can_be_spent_expire_and_come_back_again() {
    let rules = policy(r#"{"refund_grace_days": 2}"#);
    let (account, first) = redeemed(&account(&[(1, "10", Some(5))]), &rules, "10", day(2));
    let (account, _) = refunded(&account, &rules, &first, "10", day(6));
    let (account, second) = redeemed(&account, &rules, "10", day(7));
    assert_eq!(told(&second.allocations), owned(&[("3", "10.00")]));
    let (account, refund) = refunded(&account, &rules, &second, "10", day(9));
    assert_eq!(told(&refund.allocations), owned(&[("5", "10.00")]));
    assert_eq!(account.lots[0].origin.expires_at, Some(day(11)));
    let (account, booked) = swept(&account, &rules, day(11));
    assert_eq!((booked.map(|entry| entry.amount), left(&account)), (Some(usd("-10")), owned(&[])));
}

#[test]
fn without_grace_the_return_is_booked_and_then_the_expiry() {
    let rules = policy(r#"{"refund_grace_days": 0}"#);
    let (account, spent) = redeemed(&account(&[(1, "10", Some(5))]), &rules, "10", day(2));
    let (account, refund) = refunded(&account, &rules, &spent, "10", day(6));
    assert_eq!(
        (refund.amount, refund.balance_after, refund.available_after),
        (usd("10"), usd("10"), usd("0"))
    );
    assert!(account.expiry_bound.is_some_and(|bound| bound <= day(6)));
    let (account, booked) = swept(&account, &rules, day(6));
    assert_eq!((booked.map(|entry| entry.amount), account.balance()), (Some(usd("-10")), Ok(usd("0"))));
    assert_eq!((account.lifetime.refunded, account.lifetime.expired), (usd("10"), usd("10")));
}

#[test]
fn credit_of_two_categories_comes_back_as_two_lots_of_one_entry() {
    let rules = policy("{}");
    let mut account = account(&[]);
    for (category, amount) in
        [(Category::Paid, "1"), (Category::Goodwill, "2"), (Category::Paid, "4"), (Category::Goodwill, "8")]
    {
        account = granted(&account, &rules, &dated(amount, category, 5), day(1));
    }
    let account = granted(&account, &rules, &dated("16", Category::Paid, 9), day(1));
    let (account, spent) = redeemed(&account, &rules, "31", day(2));
    let (account, refund) = refunded(&account, &rules, &spent, "31", day(6));
    // The last has not expired; of the others each category comes back as one lot, the last that was spent first.
    assert_eq!(told(&refund.allocations), owned(&[("5", "16.00"), ("7", "10.00"), ("7.1", "5.00")]));
    assert_eq!(left(&account), owned(&[("5", "16.00"), ("7", "10.00"), ("7.1", "5.00")]));
    let categories: Vec<_> = account.lots.iter().map(|lot| lot.origin.category).collect();
    assert_eq!(categories, [Category::Paid, Category::Goodwill, Category::Paid]);

    let (account, again) = redeemed(&account, &rules, "28", day(7));
    assert_eq!(told(&again.allocations), owned(&[("5", "16.00"), ("7", "10.00"), ("7.1", "2.00")]));
    let (account, _) = refunded(&account, &rules, &again, "3", day(8));
    assert_eq!(left(&account), owned(&[("7", "1.00"), ("7.1", "5.00")]));
    let (account, _) = seal_by(
        &rules,
        crate::void_lot(&account, &rules, "7.1".parse().unwrap(), &"a mistake".parse().unwrap(), day(8))
            .unwrap(),
        day(8),
    );
    assert_eq!(left(&account), owned(&[("7", "1.00")]));
}

#[test]
fn a_lot_that_is_open_but_has_expired_is_not_filled_up() {
    let rules = policy("{}");
    let (account, spent) = redeemed(&account(&[(1, "10", Some(5))]), &rules, "4", day(2));
    // Booked or not, what is left of the lot stays expired.
    let (account, _) = refunded(&account, &rules, &spent, "4", day(6));
    assert_eq!(left(&account), owned(&[("1", "6.00"), ("3", "4.00")]));
    assert_eq!(account.available(&rules, day(6)), Ok(usd("4")));
    let (account, booked) = swept(&account, &rules, day(6));
    assert_eq!(
        (booked.map(|entry| entry.amount), left(&account)),
        (Some(usd("-6")), owned(&[("3", "4.00")]))
    );
}

#[test]
fn a_lot_that_is_open_takes_its_part_back_with_the_expiry_that_it_has_now() {
    let rules = policy("{}");
    let check = |expiry: LotExpiry, at: Timestamp, expected: &[(&str, &str)]| {
        let (account, spent) = redeemed(&account(&[(1, "10", Some(8))]), &rules, "4", day(2));
        let change = crate::change_expiry(&account, &rules, 1.into(), expiry, None, day(3)).unwrap();
        let (account, _) = seal_by(&rules, change, day(3));
        let (account, refund) = refunded(&account, &rules, &spent, "4", at);
        assert_eq!(told(&refund.allocations), owned(expected));
        account.available(&rules, at).unwrap()
    };
    // Made longer: the lot is still usable after its old moment.
    assert_eq!(check(LotExpiry::At(day(20)), day(9), &[("1", "4.00")]), usd("10"));
    assert_eq!(check(LotExpiry::Never, day(9), &[("1", "4.00")]), usd("10"));
    // Made shorter: what was left of it has expired by then.
    assert_eq!(check(LotExpiry::At(day(4)), day(6), &[("4", "4.00")]), usd("4"));
    assert_eq!(check(LotExpiry::At(day(4)), day(3), &[("1", "4.00")]), usd("10"));
}

#[test]
fn a_refund_lowers_the_debt_first() {
    let rules = policy(FIFTY);
    let (owing, first) = redeemed(&account(&[(1, "20", None), (1, "10", None)]), &rules, "30", day(2));
    let (owing, second) = redeemed(&owing, &rules, "12", day(2));
    assert_eq!((owing.debt, second.overdraft), (usd("12"), Some(usd("12"))));
    let check = |spent: &Entry, amount: &str, settled: Option<&str>, lots: &[(&str, &str)], debt: &str| {
        let (after, refund) = refunded(&owing, &rules, spent, amount, day(3));
        assert_eq!(
            (refund.overdraft, told(&refund.allocations)),
            (settled.map(usd), owned(lots)),
            "{amount}"
        );
        assert_eq!((after.debt, left(&after).len()), (usd(debt), lots.len()), "{amount}");
        assert_eq!(owing.balance().unwrap().plus(usd(amount)), after.balance());
        assert_eq!(after.lifetime.refunded, usd(amount));
    };
    check(&second, "5", Some("5"), &[], "7");
    check(&second, "12", Some("12"), &[], "0");
    check(&first, "11", Some("11"), &[], "1");
    check(&first, "12", Some("12"), &[], "0");
    // 10 of the second lot and 2 of the first settle the debt; 6 more of the first come back.
    check(&first, "18", Some("12"), &[("1", "6.00")], "0");
    check(&first, "30", Some("12"), &[("1", "18.00")], "0");
}

#[test]
fn an_overdraft_that_other_credit_settled_meanwhile_comes_back_as_a_refund() {
    let rules = policy(r#"{"overdraft_limit": {"USD": "50"}, "expiry_days": {"refund": 2}}"#);
    let (account, spent) = redeemed(&account(&[(1, "20", None)]), &rules, "60", day(2));
    let account = granted(&account, &rules, &goodwill("30"), day(3));
    assert_eq!((account.debt, account.lots.len()), (usd("10"), 0));

    // Of the overdraft of 40, 10 are still owed; 30 were settled by the grant.
    let (account, refund) = refunded(&account, &rules, &spent, "45", day(4));
    assert_eq!(refund.overdraft, Some(usd("10")));
    assert_eq!(told(&refund.allocations), owned(&[("4", "30.00"), ("1", "5.00")]));
    let expires_at = Some(day(7));
    let origin = Origin { category: Category::Refund, source: Role::System, granted_at: day(4), expires_at };
    assert_eq!((&account.lots[1].origin, account.lots[1].remaining), (&origin, usd("30")));
    assert_eq!((left(&account), account.debt), (owned(&[("1", "5.00"), ("4", "30.00")]), usd("0")));
}

#[test]
fn a_paid_lot_stays_paid_and_keeps_who_brought_it() {
    let rules = policy("{}");
    let request = TopupRequest {
        amount: "50".parse().unwrap(),
        payment: Payment { mode: PaymentMode::Online, method: "stripe".parse().unwrap(), reference: None },
        reference: None,
    };
    let id = "USD-3q2-7wAAAAAAAAAAAAAAAA".parse().unwrap();
    let (account, topup) = super::waiting(
        request_topup(&account(&[]), &rules, &request, id, actor(Role::Customer, "alice"), day(1)).unwrap(),
    );
    let (change, _) = approve(&account, &rules, &topup, None, actor(Role::Admin, "key-1"), day(1)).unwrap();
    let (before, _) = seal_by(&rules, change, day(1));
    let (account, spent) = redeemed(&before, &rules, "50", day(2));
    assert_eq!(account.lots, []);
    let (after, _) = refunded(&account, &rules, &spent, "50", day(3));
    assert_eq!(after.lots, before.lots);
    let origin = &after.lots[0].origin;
    assert_eq!((origin.category, origin.source), (Category::Paid, Role::Customer));
}

#[test]
fn a_capture_is_refunded_as_a_redemption_is() {
    let rules = policy(FIFTY);
    let (account, hold) = held(&account(&[(1, "10", None), (1, "10", Some(9))]), &rules, "30", day(2));
    let change = capture(&account, &rules, &hold, Some("25".parse().unwrap()), day(2)).unwrap();
    let (account, captured) = seal_by(&rules, change, day(2));
    assert_eq!(captured.overdraft, Some(usd("5")));
    let (account, refund) = refunded(&account, &rules, &captured, "17", day(3));
    assert_eq!((refund.overdraft, refund.redemption), (Some(usd("5")), Some(captured.number)));
    assert_eq!(told(&refund.allocations), owned(&[("2", "10.00"), ("1", "2.00")]));
    assert_eq!(balances(&account, &rules, day(3)), ["12.00", "0.00", "62.00"]);
    let too_much =
        crate::refund(&account, &rules, &captured, usd("17"), Some("8.01".parse().unwrap()), day(3));
    assert_eq!(too_much, Err(Refusal::RefundExceedsRedemption { refundable: usd("8") }));
}

#[test]
fn only_what_was_spent_is_refunded() {
    let rules = policy("{}");
    let grant = crate::grant(&account(&[]), &rules, &goodwill("10"), Role::Store, day(1)).unwrap();
    let (account, grant) = seal_by(&rules, grant, day(1));
    let (account, spent) = redeemed(&account, &rules, "4", day(2));
    let (account, refund) = refunded(&account, &rules, &spent, "1", day(2));
    let (account, hold) = held(&account, &rules, "1", day(2));
    let (account, released) = seal_by(&rules, release(&account, &rules, &hold, day(2)).unwrap(), day(2));
    let reason = "a mistake".parse().unwrap();
    let debit = crate::debit(&account, &rules, "1".parse().unwrap(), &reason, None, day(2)).unwrap();
    let (account, debit) = seal_by(&rules, debit, day(2));
    for entry in [grant, refund, hold, released, debit] {
        for amount in ["1", "0"] {
            let refused =
                crate::refund(&account, &rules, &entry, usd("0"), Some(amount.parse().unwrap()), day(3));
            assert_eq!(refused, Err(Refusal::RedemptionNotFound), "{}", entry.kind);
        }
    }
}

#[test]
fn a_refund_asks_neither_the_balances_limit_nor_whether_credit_is_switched_on() {
    let rules = policy(r#"{"balance_limit": {"USD": "20"}, "enabled": false}"#);
    let (account, spent) = redeemed(&account(&[(1, "20", None)]), &policy("{}"), "15", day(2));
    let account = granted(&account, &rules, &goodwill("15"), day(3));
    let (account, _) = refunded(&account, &rules, &spent, "15", day(3));
    assert_eq!(account.balance(), Ok(usd("35")));
}

#[test]
fn a_refund_into_an_open_lot_needs_no_room_and_a_new_lot_does() {
    let rules = policy("{}");
    let full = account(&[(1, "1.00", None); MAX_OPEN_LOTS]);
    let (account, part) = redeemed(&full, &rules, "0.50", day(2));
    assert!(crate::refund(&account, &rules, &part, usd("0"), None, day(2)).is_ok());
    let (account, all) = redeemed(&account, &rules, "0.50", day(2));
    let (account, _) = refunded(&account, &rules, &part, "0.50", day(2));
    assert_eq!(account.lots.len(), MAX_OPEN_LOTS);
    let (account, whole) = redeemed(&account, &rules, "0.50", day(2));
    let account = granted(&account, &rules, &goodwill("1"), day(3));
    for spent in [&all, &whole] {
        let refused = crate::refund(&account, &rules, spent, usd("0"), None, day(3));
        assert_eq!(refused, Err(Refusal::TooManyLots));
    }
}

#[test]
fn a_refund_beside_a_hold_leaves_what_is_held() {
    let rules = policy(r#"{"hold_ttl_seconds": 604800}"#);
    let (account, spent) = redeemed(&account(&[(1, "10", Some(5))]), &rules, "4", day(2));
    let (account, hold) = held(&account, &rules, "6", day(3));
    let (account, _) = swept(&account, &rules, day(5));
    let (account, refund) = refunded(&account, &rules, &spent, "4", day(6));
    // The lot is open for its hold alone.
    assert_eq!(told(&refund.allocations), owned(&[("4", "4.00")]));
    assert_eq!(balances(&account, &rules, day(6)), ["10.00", "6.00", "4.00"]);
    let (account, _) = seal_by(&rules, capture(&account, &rules, &hold, None, day(6)).unwrap(), day(6));
    assert_eq!(left(&account), owned(&[("4", "4.00")]));
}

#[test]
fn a_refund_never_frees_a_hold_whose_credit_it_did_not_bring() {
    let rules = policy("{}");
    let (account, spent) = redeemed(&account(&[(1, "10", None)]), &rules, "4", day(2));
    let (account, _) = held(&account, &rules, "6", day(2));
    let (account, _) = refunded(&account, &rules, &spent, "4", day(2));
    assert_eq!(balances(&account, &rules, day(2)), ["10.00", "6.00", "4.00"]);
    assert_eq!(
        reserve(&account, &rules, "4.01", day(2)),
        Err(Refusal::InsufficientCredit { available: usd("4") })
    );
}

#[test]
fn two_faults_of_a_refund_always_give_the_same_answer() {
    let rules = policy("{}");
    let Spent { account, entry, .. } = spent();
    let (account, hold) = held(&account, &rules, "1", day(3));
    let refused = |entry: &Entry, amount: &str| {
        crate::refund(&account, &rules, entry, usd("25"), Some(amount.parse().unwrap()), day(3)).unwrap_err()
    };
    assert_eq!(refused(&hold, "0.001"), Refusal::RedemptionNotFound);
    assert_eq!(refused(&entry, "0.001"), invalid_amount("must have at most 2 decimals, as USD has"));
    let order = large_order();
    assert!(crate::redeem(&account, &rules, &order_id(), &order, None, day(3)).is_ok());
    assert_eq!(refused(&entry, "1"), Refusal::RefundExceedsRedemption { refundable: usd("0") });
}

#[test]
fn a_refund_made_the_lots_that_it_reopened_and_no_others() {
    // Lot 1 is spent up, and comes back as a new lot; of lot 2 something is left, and it takes back what was its own.
    let account = account(&[(1, "10", None), (1, "10", None)]);
    let (account, spent) = redeemed(&account, &Policy::default(), "15", day(2));
    let (_, back) = refunded(&account, &Policy::default(), &spent, "15", day(3));
    let made: Vec<_> =
        back.allocations.iter().filter(|part| part.origin.is_some()).map(|part| part.lot).collect();
    let old: Vec<_> =
        back.allocations.iter().filter(|part| part.origin.is_none()).map(|part| part.lot).collect();
    assert!(!old.is_empty(), "{:?}", back.allocations);
    for lot in made {
        assert_eq!(back.lot(lot), Ok(lot));
    }
    for lot in old {
        assert_eq!(back.lot(lot), Err(Refusal::LotNotFound));
    }
    for part in &spent.allocations {
        assert_eq!(spent.lot(part.lot), Err(Refusal::LotNotFound));
    }
    let grant = crate::grant(&account, &Policy::default(), &goodwill("1"), Role::Store, day(4)).unwrap();
    let (_, brought) = seal_by(&Policy::default(), grant, day(4));
    let lot = brought.allocations.first().unwrap().lot;
    assert_eq!(brought.lot(lot), Ok(lot));
    assert_eq!(brought.lot(1.into()), Err(Refusal::LotNotFound));
}

#[test]
fn what_was_spent_before_an_expiry_reached_back_comes_back_with_the_date_that_it_would_have() {
    let reaching = policy(r#"{"expiry_days": 20, "apply_to_existing": true}"#);
    let before = account(&[(1, "10", None)]);
    let origin = before.lots[0].origin.clone();
    let (spent_up, spent) = redeemed(&before, &Policy::default(), "10", day(2));
    let (back, _) = refunded(&spent_up, &reaching, &spent, "10", day(3));
    let date = reaching.expiry(origin.category, origin.granted_at);
    assert!(date.is_some());
    assert_eq!(back.lots.iter().map(|lot| lot.origin.expires_at).collect::<Vec<_>>(), [date]);
}

#[test]
fn what_was_spent_before_an_expiry_was_set_comes_back_without_a_date() {
    let before = account(&[(1, "10", None)]);
    let (spent_up, spent) = redeemed(&before, &Policy::default(), "10", day(2));
    let (back, _) = refunded(&spent_up, &policy(r#"{"expiry_days": 20}"#), &spent, "10", day(3));
    assert_eq!(back.lots, before.lots);
}
