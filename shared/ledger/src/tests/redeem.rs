//! Spending credit on orders, and quoting what could be spent.

use BoundBy::{ActivationTotal, Available, CreditProduct, OrderTotal, TransactionLimit, UsageLimit};
use jiff::Timestamp;

use super::{
    account, account_in, allocated, day, large_order, order, order_id, policy, seal, texts, time, usd,
};
use crate::{Account, BoundBy, Change, Levels, MAX_OPEN_LOTS, Order, Refusal, quote, redeem};

const NO_LIMIT: &str = "{}";
const QUARTER: &str = r#"{"usage_limit": {"type": "percent", "maximum": "25"}}"#;
const QUARTER_OF_SUB_TOTAL: &str =
    r#"{"usage_limit": {"type": "percent", "maximum": "25"}, "usage_base": "subtotal_only"}"#;
const FIFTY: &str = r#"{"usage_limit": {"type": "fixed", "maximum": {"USD": "50.00"}}}"#;

/// What credit of 1000.00 pays of an order of these lines, what is left to pay, and the rule that allowed no more.
#[track_caller]
fn check(settings: &str, lines: &[(&str, &str, i64)], expected: (&str, &str, BoundBy)) {
    let (account, order) = (account(&[(1, "1000.00", None)]), order(lines));
    check_of(&account, settings, &order, expected);
    // Somebody who would have as much is told the same.
    let anybody = Account::of_credit(usd("1000.00"), day(2));
    let told = |of: &Account| quote(of, &policy(settings), &order, None, day(2));
    assert_eq!(told(&anybody), told(&account), "{order:?} under {settings}");
}

/// Quote and redemption say the same; where a quote allows nothing, the redemption is refused by the rule it names.
#[track_caller]
fn check_of(account: &Account, settings: &str, order: &Order, expected: (&str, &str, BoundBy)) {
    let terms = quote(account, &policy(settings), order, None, day(2)).unwrap();
    let (applied, remaining_due) = (terms.applied.to_string(), terms.remaining_due.to_string());
    assert_eq!(
        (applied.as_str(), remaining_due.as_str(), terms.bound_by),
        expected,
        "{order:?} under {settings}"
    );

    match pay(account, settings, order, None, day(2)) {
        Ok(change) => {
            let (used, balance) = (change.line.order.unwrap(), account.balance().unwrap());
            assert!(terms.applied.is_positive());
            assert_eq!(change.line.amount, terms.applied.negated());
            assert_eq!(change.account.balance(), balance.minus(terms.applied));
            assert_eq!((used.base, used.total), (terms.base, terms.order_total));
            assert_eq!(used.bound_by, terms.bound_by);
        }
        Err(refusal) => {
            assert!(terms.applied.is_zero());
            assert_eq!(rule(&refusal), Some(terms.bound_by), "{refusal}");
        }
    }
}

fn pay(
    account: &Account,
    settings: &str,
    order: &Order,
    amount: Option<&str>,
    at: Timestamp,
) -> Result<Change, Refusal> {
    let (id, amount) = ("1002".parse().unwrap(), amount.map(|amount| amount.parse().unwrap()));
    redeem(account, &policy(settings), &id, order, amount, at)
}

fn rule(refusal: &Refusal) -> Option<BoundBy> {
    match refusal {
        Refusal::CreditProductNotPayable => Some(CreditProduct),
        Refusal::ActivationTotalNotReached { .. } => Some(ActivationTotal),
        Refusal::ExceedsOrderTotal { .. } => Some(OrderTotal),
        Refusal::UsageLimitExceeded { .. } => Some(UsageLimit),
        Refusal::TransactionLimitExceeded { .. } => Some(TransactionLimit),
        Refusal::InsufficientCredit { .. } => Some(Available),
        _ => None,
    }
}

/// Asks for exactly `amount` of an order of 60.00 out of credit of 40.00, and then for a quote of it.
#[track_caller]
fn check_exact(settings: &str, amount: &str, expected: Result<(), Refusal>) {
    let (account, order) = (account(&[(1, "40.00", None)]), order(&[("sub_total", "60.00", 1)]));
    check_exact_of(&account, settings, &order, amount, expected);
}

#[track_caller]
fn check_exact_of(
    account: &Account,
    settings: &str,
    order: &Order,
    amount: &str,
    expected: Result<(), Refusal>,
) {
    let change = pay(account, settings, order, Some(amount), day(2));
    let terms = quote(account, &policy(settings), order, Some(amount.parse().unwrap()), day(2));
    assert_eq!(change.clone().map(|_| ()), expected, "{amount} under {settings}");
    assert_eq!(terms.clone().map(|_| ()), expected, "the quote of {amount} under {settings}");
    if let (Ok(change), Ok(terms)) = (change, terms) {
        assert_eq!((terms.applied, terms.bound_by), (usd(amount), BoundBy::Requested));
        assert_eq!(change.line.amount, usd(amount).negated());
    }
}

/// What both a redemption of all that is allowed and its quote are refused with.
#[track_caller]
fn check_refused(code: &str, settings: &str, lines: &[(&str, &str, i64)], expected: Refusal) {
    let (account, order) = (account_in(code, &[(1, "40", None)]), order(lines));
    assert_eq!(quote(&account, &policy(settings), &order, None, day(2)), Err(expected.clone()));
    assert_eq!(pay(&account, settings, &order, None, day(2)), Err(expected));
}

/// Which lots a redemption of exactly `amount` takes from.
#[track_caller]
fn check_taken(
    settings: &str,
    lots: &[(i8, &str, Option<i8>)],
    amount: &str,
    at: Timestamp,
    expected: Result<&[(u64, &str)], Refusal>,
) {
    let change = pay(&account(lots), settings, &order(&[("sub_total", amount, 1)]), Some(amount), at);
    assert_eq!(change.map(|change| allocated(&change)), expected.map(texts), "{amount} out of {lots:?}");
}

#[test]
fn the_worked_examples_of_the_usage_limit_stand() {
    check(QUARTER, &[("sub_total", "140.00", 1)], ("35.00", "105.00", UsageLimit));
    let credit_last = [("sub_total", "134", 1), ("handling", "2", 2), ("tax", "5", 3), ("shipping", "7", 4)];
    check(QUARTER, &credit_last, ("37.00", "111.00", UsageLimit));

    let credit_third = [("sub_total", "134", 1), ("tax", "5", 2), ("handling", "2", 4), ("shipping", "7", 5)];
    let settings = r#"{"usage_limit": {"type": "percent", "maximum": "25"}, "sort_order": 3}"#;
    check(settings, &credit_third, ("34.75", "113.25", UsageLimit));
    check(QUARTER_OF_SUB_TOTAL, &credit_third, ("33.50", "114.50", UsageLimit));
}

#[test]
fn somebody_without_credit_has_no_lot() {
    let nobody = Account::of_credit(usd("0"), day(2));
    assert_eq!((nobody.lots.len(), nobody.balance()), (0, Ok(usd("0"))));
    check_of(&nobody, NO_LIMIT, &large_order(), ("0.00", "99999.00", Available));
}

#[test]
fn an_order_can_use_credit_from_its_activation_total_on() {
    let settings =
        r#"{"usage_limit": {"type": "percent", "maximum": "50"}, "activation_total": {"USD": "130"}}"#;
    check(settings, &[("sub_total", "129.99", 1)], ("0.00", "129.99", ActivationTotal));
    check(settings, &[("sub_total", "130.00", 1)], ("65.00", "65.00", UsageLimit));
    // It looks at the base, not at what the order comes to.
    check(settings, &[("sub_total", "120", 1), ("shipping", "20", 10)], ("0.00", "140.00", ActivationTotal));
    check(settings, &[("sub_total", "140", 1), ("coupon", "-20", 2)], ("0.00", "120.00", ActivationTotal));
    check(settings, &[("sub_total", "140", 1), ("coupon", "-20", 10)], ("70.00", "50.00", UsageLimit));
    let in_euro = r#"{"activation_total": {"EUR": "130"}}"#;
    check(in_euro, &[("sub_total", "5.00", 1)], ("5.00", "0.00", OrderTotal));
}

#[test]
fn an_activation_total_of_zero_is_none() {
    let lines = [("sub_total", "5.00", 1), ("coupon", "-10.00", 2), ("shipping", "20.00", 10)];
    check(NO_LIMIT, &lines, ("15.00", "0.00", OrderTotal));
    check(r#"{"activation_total": {"USD": "0"}}"#, &lines, ("15.00", "0.00", OrderTotal));
}

#[test]
fn the_usage_limit_is_an_amount_or_a_share_of_the_base_or_none() {
    check(NO_LIMIT, &[("sub_total", "140.00", 1)], ("140.00", "0.00", OrderTotal));
    check(FIFTY, &[("sub_total", "140.00", 1)], ("50.00", "90.00", UsageLimit));
    check(FIFTY, &[("sub_total", "30.00", 1)], ("30.00", "0.00", OrderTotal));
    let in_yen = r#"{"usage_limit": {"type": "fixed", "maximum": {"JPY": "50"}}}"#;
    check(in_yen, &[("sub_total", "140.00", 1)], ("140.00", "0.00", OrderTotal));
    let all = r#"{"usage_limit": {"type": "percent", "maximum": "100"}}"#;
    check(all, &[("sub_total", "140.00", 1), ("shipping", "7.00", 10)], ("140.00", "7.00", UsageLimit));
    let none = r#"{"usage_limit": {"type": "fixed", "maximum": {"USD": "0"}}}"#;
    check(none, &[("sub_total", "140.00", 1)], ("0.00", "140.00", UsageLimit));
}

#[test]
fn a_share_rounds_toward_zero() {
    check(QUARTER, &[("sub_total", "0.07", 1)], ("0.01", "0.06", UsageLimit));
    check(QUARTER, &[("sub_total", "0.03", 1)], ("0.00", "0.03", UsageLimit));
    let third = r#"{"usage_limit": {"type": "percent", "maximum": "33.3333"}}"#;
    check(third, &[("sub_total", "99.99", 1)], ("33.32", "66.67", UsageLimit));

    let yen = account_in("JPY", &[(1, "1000", None)]);
    check_of(&yen, QUARTER, &order(&[("sub_total", "999", 1)]), ("249", "750", UsageLimit));
    let dinar = account_in("BHD", &[(1, "1000", None)]);
    check_of(&dinar, QUARTER, &order(&[("sub_total", "1.001", 1)]), ("0.250", "0.751", UsageLimit));
}

#[test]
fn the_base_is_the_lines_before_the_credits_own_or_the_sub_total() {
    let late_last = [("sub_total", "100", -5), ("tax", "20", 8), ("late", "40", 9)];
    check(QUARTER, &late_last, ("30.00", "130.00", UsageLimit));
    // The order in which the lines are sent says nothing.
    let late_first = [("late", "40", 10), ("tax", "20", 2), ("sub_total", "100", 1)];
    check(QUARTER, &late_first, ("30.00", "130.00", UsageLimit));

    let settings = QUARTER_OF_SUB_TOTAL;
    check(settings, &[("sub_total", "100", 20), ("tax", "20", 1)], ("25.00", "95.00", UsageLimit));
    check(settings, &[("sub_total", "60", 1), ("sub_total", "40", 2)], ("25.00", "75.00", UsageLimit));
    check(settings, &[("subtotal", "100", 1), ("Sub_Total", "10", 1)], ("0.00", "110.00", UsageLimit));
}

#[test]
fn coupons_count() {
    let (sub_total, coupon, late_coupon) =
        (("sub_total", "100", 1), ("coupon", "-40", 2), ("coupon", "-40", 10));
    check(QUARTER, &[sub_total, coupon, ("tax", "6", 3)], ("16.50", "49.50", UsageLimit));
    check(QUARTER, &[sub_total, late_coupon], ("25.00", "35.00", UsageLimit));
    let half = r#"{"usage_limit": {"type": "percent", "maximum": "50"}}"#;
    check(half, &[sub_total, ("coupon", "-90", 10)], ("10.00", "0.00", OrderTotal));
    check(QUARTER_OF_SUB_TOTAL, &[sub_total, coupon], ("25.00", "35.00", UsageLimit));
}

#[test]
fn an_order_that_comes_to_nothing_uses_nothing() {
    check(NO_LIMIT, &[], ("0.00", "0.00", OrderTotal));
    check(NO_LIMIT, &[("sub_total", "5", 1), ("coupon", "-5", 2)], ("0.00", "0.00", OrderTotal));
    check(NO_LIMIT, &[("sub_total", "5", 1), ("coupon", "-8", 2)], ("0.00", "-3.00", OrderTotal));
    check(QUARTER, &[("sub_total", "5", 1), ("coupon", "-8", 2)], ("0.00", "-3.00", OrderTotal));
    // Coupons outweigh what precedes the credit, and shipping outweighs both.
    let negative_base = [("sub_total", "5", 1), ("coupon", "-8", 2), ("shipping", "10", 10)];
    check(QUARTER, &negative_base, ("0.00", "7.00", UsageLimit));
    check(FIFTY, &negative_base, ("7.00", "0.00", OrderTotal));
}

#[test]
fn one_redemption_takes_no_more_than_its_limit() {
    let settings = r#"{"transaction_limit": {"USD": "20.00", "EUR": "1.00"}}"#;
    check(settings, &[("sub_total", "140.00", 1)], ("20.00", "120.00", TransactionLimit));
    check(settings, &[("sub_total", "19.99", 1)], ("19.99", "0.00", OrderTotal));
    let in_euro = r#"{"transaction_limit": {"EUR": "1.00"}}"#;
    check(in_euro, &[("sub_total", "140.00", 1)], ("140.00", "0.00", OrderTotal));
    let nothing = r#"{"transaction_limit": {"USD": "0.00"}}"#;
    check(nothing, &[("sub_total", "140.00", 1)], ("0.00", "140.00", TransactionLimit));
}

#[test]
fn no_more_is_used_than_is_there() {
    let order = order(&[("sub_total", "140.00", 1)]);
    let (ten, expired) = ((1, "10.00", None), (1, "15.00", Some(2)));
    check_of(&account(&[ten]), NO_LIMIT, &order, ("10.00", "130.00", Available));
    check_of(&account(&[ten, expired]), NO_LIMIT, &order, ("10.00", "130.00", Available));
    check_of(&account(&[expired]), NO_LIMIT, &order, ("0.00", "140.00", Available));
    check_of(&account(&[]), QUARTER, &order, ("0.00", "140.00", Available));
}

#[test]
fn an_order_with_a_credit_product_uses_nothing() {
    let order = Order { contains_credit_product: true, ..order(&[("sub_total", "140.00", 1)]) };
    let account = account(&[(1, "1000.00", None)]);
    check_of(&account, NO_LIMIT, &order, ("0.00", "140.00", CreditProduct));
    check_exact_of(&account, NO_LIMIT, &order, "1.00", Err(Refusal::CreditProductNotPayable));
}

#[test]
fn credit_that_is_switched_off_cannot_even_be_quoted() {
    let settings = r#"{"enabled": false}"#;
    check_refused("USD", settings, &[("sub_total", "140.00", 1)], Refusal::CreditDisabled);
    check_exact(settings, "1.00", Err(Refusal::CreditDisabled));
}

#[test]
fn an_exact_amount_is_taken_exactly_or_not_at_all() {
    check_exact(NO_LIMIT, "0.01", Ok(()));
    check_exact(NO_LIMIT, "40.00", Ok(()));
    check_exact(NO_LIMIT, "40.01", Err(Refusal::InsufficientCredit { available: usd("40.00") }));
    check_exact(NO_LIMIT, "60.01", Err(Refusal::ExceedsOrderTotal { order_total: usd("60.00") }));
    check_exact(QUARTER, "15.00", Ok(()));
    check_exact(QUARTER, "15.01", Err(Refusal::UsageLimitExceeded { maximum: usd("15.00") }));
    let limit = r#"{"transaction_limit": {"USD": "20.00"}}"#;
    check_exact(limit, "20.00", Ok(()));
    check_exact(limit, "20.01", Err(Refusal::TransactionLimitExceeded { limit: usd("20.00") }));
    let activation = r#"{"activation_total": {"USD": "60.01"}}"#;
    let below = Refusal::ActivationTotalNotReached { activation_total: usd("60.01"), base: usd("60.00") };
    check_exact(activation, "0.01", Err(below));
    let (negative, order_total) = (order(&[("coupon", "-3.00", 1)]), usd("-3.00"));
    let account = account(&[(1, "40.00", None)]);
    check_exact_of(&account, NO_LIMIT, &negative, "0.01", Err(Refusal::ExceedsOrderTotal { order_total }));
}

#[test]
fn amounts_more_precise_than_their_currency_name_their_field() {
    let third_line = |amount| [("sub_total", "1", 1), ("tax", "1", 2), ("coupon", amount, 3)];
    let check = |code, amount, message: &str| {
        let refusal = Refusal::Invalid { field: "order.lines[2].amount".into(), message: message.into() };
        check_refused(code, NO_LIMIT, &third_line(amount), refusal);
    };
    check("USD", "-0.001", "must have at most 2 decimals, as USD has");
    check("JPY", "0.5", "must have at most 0 decimals, as JPY has");
    check("BHD", "0.0005", "must have at most 3 decimals, as BHD has");

    let invalid = |message: &str| Refusal::Invalid { field: "amount".into(), message: message.into() };
    check_exact(NO_LIMIT, "0.001", Err(invalid("must have at most 2 decimals, as USD has")));
    check_exact(NO_LIMIT, "0.00", Err(invalid("must be more than zero")));
}

#[test]
fn of_two_rules_that_are_equally_tight_the_first_is_named() {
    let limits =
        r#"{"usage_limit": {"type": "fixed", "maximum": {"USD": "10"}}, "transaction_limit": {"USD": "10"}}"#;
    let limit = r#"{"transaction_limit": {"USD": "10"}}"#;
    let (ten, eleven) = (order(&[("sub_total", "10.00", 1)]), order(&[("sub_total", "11.00", 1)]));
    let account = account(&[(1, "10.00", None)]);
    check_of(&account, limits, &ten, ("10.00", "0.00", OrderTotal));
    check_of(&account, limits, &eleven, ("10.00", "1.00", UsageLimit));
    check_of(&account, limit, &eleven, ("10.00", "1.00", TransactionLimit));
    check_of(&account, NO_LIMIT, &eleven, ("10.00", "1.00", Available));
}

#[test]
fn two_faults_always_give_the_same_answer() {
    let limits = r#""usage_limit": {"type": "percent", "maximum": "25"}, "transaction_limit": {"USD": "14"}"#;
    let activation = r#""activation_total": {"USD": "61"}"#;
    let off = format!(r#"{{"enabled": false, {activation}, {limits}}}"#);
    let (inactive, active) = (format!("{{{activation}, {limits}}}"), format!("{{{limits}}}"));
    let account = account(&[(1, "13.00", None)]);
    let order = order(&[("sub_total", "60.00", 1)]);
    let product = Order { contains_credit_product: true, ..order.clone() };
    let mut precise = product.clone();
    precise.lines[0].amount = "60.001".parse().unwrap();
    let invalid = |field: &str, decimals| Refusal::Invalid { field: field.into(), message: decimals };
    let two_decimals = || "must have at most 2 decimals, as USD has".to_owned();
    let below = Refusal::ActivationTotalNotReached { activation_total: usd("61"), base: usd("60") };

    let check = |settings: &str, order, amount, expected| {
        check_exact_of(&account, settings, order, amount, Err(expected))
    };
    check(&off, &precise, "99.001", invalid("amount", two_decimals()));
    check(&off, &precise, "99", invalid("order.lines[0].amount", two_decimals()));
    check(&off, &product, "99", Refusal::CreditDisabled);
    check(&inactive, &product, "99", Refusal::CreditProductNotPayable);
    check(&inactive, &order, "99", below);
    check(&active, &order, "99", Refusal::ExceedsOrderTotal { order_total: usd("60") });
    check(&active, &order, "60", Refusal::UsageLimitExceeded { maximum: usd("15") });
    check(&active, &order, "15", Refusal::TransactionLimitExceeded { limit: usd("14") });
    check(&active, &order, "14", Refusal::InsufficientCredit { available: usd("13") });
}

#[test]
fn a_quote_of_two_faults_names_the_first() {
    let order = order(&[("sub_total", "10.00", 1)]);
    let product = Order { contains_credit_product: true, ..order.clone() };
    let inactive = r#"{"activation_total": {"USD": "11"}}"#;
    check_of(&account(&[]), inactive, &product, ("0.00", "10.00", CreditProduct));
    check_of(&account(&[]), inactive, &order, ("0.00", "10.00", ActivationTotal));
    let none = r#"{"transaction_limit": {"USD": "0"}}"#;
    check_of(&account(&[]), none, &order, ("0.00", "10.00", TransactionLimit));
}

#[test]
fn fifo_takes_the_oldest_lots_first() {
    let lots = [(1, "10", Some(20)), (2, "20", None), (2, "5", Some(9)), (3, "7", Some(8))];
    check_taken(NO_LIMIT, &lots, "0.01", day(4), Ok(&[(1, "0.01")]));
    check_taken(NO_LIMIT, &lots, "10", day(4), Ok(&[(1, "10.00")]));
    check_taken(NO_LIMIT, &lots, "18", day(4), Ok(&[(1, "10.00"), (2, "8.00")]));
    check_taken(NO_LIMIT, &lots, "36", day(4), Ok(&[(1, "10.00"), (2, "20.00"), (3, "5.00"), (4, "1.00")]));
}

#[test]
fn expiring_first_takes_the_soonest_expiry_first_and_what_never_expires_last() {
    let first = r#"{"consumption_order": "expiring_first"}"#;
    let lots =
        [(1, "10", None), (1, "10", None), (2, "10", Some(20)), (3, "10", Some(15)), (3, "10", Some(15))];
    check_taken(first, &lots, "10", day(4), Ok(&[(4, "10.00")]));
    check_taken(first, &lots, "25", day(4), Ok(&[(4, "10.00"), (5, "10.00"), (3, "5.00")]));
    let all = [(4, "10.00"), (5, "10.00"), (3, "10.00"), (1, "10.00"), (2, "1.00")];
    check_taken(first, &lots, "41", day(4), Ok(&all));
}

#[test]
fn a_lot_is_usable_until_the_millisecond_before_it_expires() {
    let lots = [(1, "10", Some(5)), (2, "20", Some(6))];
    check_taken(NO_LIMIT, &lots, "30", time("2026-01-04T23:59:59.999Z"), Ok(&[(1, "10.00"), (2, "20.00")]));
    check_taken(NO_LIMIT, &lots, "20", day(5), Ok(&[(2, "20.00")]));
    let expired = Refusal::InsufficientCredit { available: usd("20.00") };
    check_taken(NO_LIMIT, &lots, "20.01", day(5), Err(expired));
    let expired = Refusal::InsufficientCredit { available: usd("0.00") };
    check_taken(NO_LIMIT, &lots, "0.01", time("2026-01-06T00:00:00.001Z"), Err(expired));
}

#[test]
fn what_is_spent_leaves_behind_what_a_refund_needs() {
    let before = account(&[(1, "10", Some(20)), (2, "20", None)]);
    let order = order(&[("sub_total", "18", 1)]);
    let change = pay(&before, NO_LIMIT, &order, None, day(3)).unwrap();
    let origins: Vec<_> = change.line.allocations.iter().map(|part| part.origin.as_ref()).collect();
    assert_eq!(origins, [Some(&before.lots[0].origin), Some(&before.lots[1].origin)]);
    assert_eq!(
        change.account.lots.iter().map(|lot| (lot.number, lot.remaining)).collect::<Vec<_>>(),
        [(2.into(), usd("12"))]
    );
    assert_eq!(change.account.lifetime.redeemed, usd("18"));
    assert_eq!(change.line.order.as_ref().map(|used| used.id.as_str()), Some("1002"));
}

#[test]
fn an_account_of_as_many_lots_as_it_can_hold_is_spent_at_once() {
    let full = account(&[(1, "0.01", Some(31)); MAX_OPEN_LOTS]);
    let order = order(&[("sub_total", "5.00", 1)]);
    let change = pay(&full, NO_LIMIT, &order, None, day(2)).unwrap();
    assert_eq!(change.line.allocations.len(), MAX_OPEN_LOTS);
    let (after, entry) = seal(change, day(2));
    assert_eq!((entry.amount, entry.balance_after, after.lots.len()), (usd("-5.00"), usd("0"), 0));
}

#[test]
fn who_is_frozen_spends_nothing_under_rules_that_let_everybody() {
    let levels = |frozen| Levels { frozen, ..Levels::default() };
    assert!(levels(false).policy().enabled && !levels(true).policy().enabled);
    let spend = |frozen| {
        let account = account(&[(1, "20", None)]);
        let amount = Some("5".parse().unwrap());
        redeem(&account, &levels(frozen).policy(), &order_id(), &large_order(), amount, day(2)).map(|_| ())
    };
    assert_eq!((spend(false), spend(true)), (Ok(()), Err(Refusal::CreditDisabled)));
}
