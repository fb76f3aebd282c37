//! Giving credit.

use LotExpiry::{At, EndOf, Never};

use super::{account, account_in, day, goodwill, policy, seal, spend, texts, time, usd};
use crate::{
    Account, Category, EntryType, Grant, LotExpiry, MAX_OPEN_LOTS, Origin, PaymentMode, Policy, Refusal, Role,
};

/// Noon of 1 January: in Kiritimati it is 2 January by then.
const NOW: &str = "2026-01-01T12:00:00Z";

fn refuse(account: &Account, settings: &str, grant: &Grant) -> Option<Refusal> {
    crate::grant(account, &policy(settings), grant, Role::Store, time(NOW)).err()
}

#[track_caller]
fn check(account: &Account, settings: &str, amount: &str, expected: Option<Refusal>) {
    assert_eq!(refuse(account, settings, &goodwill(amount)), expected, "{amount} under {settings}");
}

#[track_caller]
fn check_expiry(settings: &str, expiry: Option<LotExpiry>, expected: Result<Option<&str>, Refusal>) {
    let grant = Grant { expiry, category: Category::Promotional, ..goodwill("10") };
    let change = crate::grant(&account(&[]), &policy(settings), &grant, Role::Store, time(NOW));
    let expires_at = change.map(|change| {
        assert_eq!(change.line.expires_at, change.account.lots[0].origin.expires_at);
        let expiry = change.account.lots[0].origin.expiry();
        assert_eq!(change.account.expiry_bound, expiry);
        expiry
    });
    assert_eq!(expires_at, expected.map(|at| at.map(time)), "{expiry:?} under {settings}");
}

fn invalid(field: &str, message: &str) -> Refusal {
    Refusal::Invalid { field: field.to_owned(), message: message.to_owned() }
}

#[test]
fn a_grant_makes_a_lot_that_keeps_where_it_came_from() {
    let grant = Grant {
        category: Category::Refund,
        expiry: Some(EndOf("2026-12-31".parse().unwrap())),
        payment: Some(crate::Payment {
            mode: PaymentMode::Offline,
            method: "cash".parse().unwrap(),
            reference: Some("R-17".parse().unwrap()),
        }),
        reference: Some("order-1001".parse().unwrap()),
        note: Some("for the broken cup".parse().unwrap()),
        internal_note: Some("third time".parse().unwrap()),
        ..goodwill("25.00")
    };
    let before = account(&[(1, "5.00", None)]);

    let change = crate::grant(&before, &Policy::default(), &grant, Role::Store, day(2)).unwrap();

    let lot = &change.account.lots[1];
    let expires_at = Some(time("2027-01-01T00:00:00Z"));
    let origin = Origin { category: Category::Refund, source: Role::Store, granted_at: day(2), expires_at };
    assert_eq!((lot.number, &lot.origin, lot.remaining), (2.into(), &origin, usd("25.00")));
    assert_eq!(change.account.lifetime.granted, usd("30.00"));
    assert_eq!(super::allocated(&change), texts(&[(2, "25.00")]));
    let line = &change.line;
    assert_eq!(
        (line.kind, line.amount, line.category),
        (EntryType::Grant, usd("25.00"), Some(Category::Refund))
    );
    assert_eq!((&line.payment, &line.reference), (&grant.payment, &grant.reference));
    assert_eq!((&line.note, &line.internal_note), (&grant.note, &grant.internal_note));
    let (after, entry) = seal(change, day(2));
    assert_eq!(after.balance(), Ok(usd("30.00")));
    assert_eq!(entry.balance_after, usd("30.00"));
}

#[test]
fn what_a_grant_says_of_expiry_comes_before_the_policy() {
    let fifteen = r#"{"expiry_days": 15}"#;
    check_expiry("{}", None, Ok(None));
    check_expiry(fifteen, None, Ok(Some("2026-01-17T00:00:00Z")));
    check_expiry(fifteen, Some(Never), Ok(None));
    check_expiry(fifteen, Some(At(day(3))), Ok(Some("2026-01-03T00:00:00Z")));
    check_expiry(fifteen, Some(EndOf("2026-01-03".parse().unwrap())), Ok(Some("2026-01-04T00:00:00Z")));
    check_expiry(r#"{"expiry_days": {"promotional": 2}}"#, None, Ok(Some("2026-01-04T00:00:00Z")));
    check_expiry(r#"{"expiry_days": {"paid": 2}}"#, None, Ok(None));
}

#[test]
fn a_date_means_the_end_of_that_day_where_the_store_is() {
    let last_day = Some(EndOf("2026-12-31".parse().unwrap()));
    check_expiry("{}", last_day, Ok(Some("2027-01-01T00:00:00Z")));
    check_expiry(r#"{"time_zone": "Europe/Paris"}"#, last_day, Ok(Some("2026-12-31T23:00:00Z")));
    check_expiry(r#"{"time_zone": "America/New_York"}"#, last_day, Ok(Some("2027-01-01T05:00:00Z")));
}

#[test]
fn credit_cannot_be_given_that_has_expired() {
    check_expiry("{}", Some(At(time("2026-01-01T11:59:59.999Z"))), Err(Refusal::ExpiryInPast));
    check_expiry("{}", Some(At(time(NOW))), Err(Refusal::ExpiryInPast));
    check_expiry("{}", Some(At(time("2026-01-01T12:00:00.001Z"))), Ok(Some("2026-01-01T12:00:00.001Z")));
    let (yesterday, today) = ("2025-12-31".parse().unwrap(), "2026-01-01".parse().unwrap());
    check_expiry("{}", Some(EndOf(yesterday)), Err(Refusal::ExpiryInPast));
    check_expiry("{}", Some(EndOf(today)), Ok(Some("2026-01-02T00:00:00Z")));
    check_expiry(r#"{"time_zone": "Pacific/Kiritimati"}"#, Some(EndOf(today)), Err(Refusal::ExpiryInPast));
    let no_end = invalid("expires_on", "must be a day whose end the calendar has");
    check_expiry("{}", Some(EndOf("9999-12-31".parse().unwrap())), Err(no_end));
}

#[test]
fn an_amount_is_more_than_zero_and_as_exact_as_its_currency() {
    let check_in = |code: &str, amount: &str, message: Option<&str>| {
        check(&account_in(code, &[]), "{}", amount, message.map(|message| invalid("amount", message)));
    };
    check_in("USD", "0.01", None);
    check_in("USD", "0.00", Some("must be more than zero"));
    check_in("USD", "0.001", Some("must have at most 2 decimals, as USD has"));
    check_in("JPY", "1", None);
    check_in("JPY", "0.5", Some("must have at most 0 decimals, as JPY has"));
    check_in("BHD", "0.001", None);
    check_in("BHD", "0.0005", Some("must have at most 3 decimals, as BHD has"));
}

#[test]
fn the_balance_may_reach_its_limit_and_not_a_cent_more() {
    let limit = r#"{"balance_limit": {"USD": "100.00"}}"#;
    let exceeded = Some(Refusal::BalanceLimitExceeded { limit: usd("100.00") });
    check(&account(&[]), limit, "100.00", None);
    check(&account(&[]), limit, "100.01", exceeded.clone());
    let rich = account(&[(1, "60.00", None), (1, "39.99", None)]);
    check(&rich, limit, "0.01", None);
    check(&rich, limit, "0.02", exceeded.clone());
    check(&spend(&rich, "50.00", day(1)), limit, "50.01", None);
    let none = r#"{"balance_limit": {"USD": "0"}}"#;
    check(&account(&[]), none, "0.01", Some(Refusal::BalanceLimitExceeded { limit: usd("0") }));
    check(&account_in("EUR", &[]), limit, "100.01", None);
    check(&account(&[(1, "999.00", None)]), "{}", "999.00", None);
}

#[test]
fn an_account_holds_no_more_lots_than_it_can() {
    let full = account(&[(1, "1.00", None); MAX_OPEN_LOTS]);
    check(&full, "{}", "1.00", Some(Refusal::TooManyLots));
    check(&spend(&full, "0.99", day(1)), "{}", "1.00", Some(Refusal::TooManyLots));
    check(&spend(&full, "1.00", day(1)), "{}", "1.00", None);
}

#[test]
fn two_faults_always_give_the_same_answer() {
    let full = account(&[(1, "1.00", None); MAX_OPEN_LOTS]);
    let limit = r#"{"balance_limit": {"USD": "10.00"}}"#;
    let expired = Grant { expiry: Some(At(day(1))), ..goodwill("1.00") };
    let nothing = Grant { expiry: Some(At(day(1))), ..goodwill("0.00") };
    assert_eq!(refuse(&full, limit, &nothing), Some(invalid("amount", "must be more than zero")));
    assert_eq!(refuse(&full, limit, &expired), Some(Refusal::ExpiryInPast));
    check(&full, limit, "1.00", Some(Refusal::BalanceLimitExceeded { limit: usd("10.00") }));
    check(&full, "{}", "1.00", Some(Refusal::TooManyLots));
}

#[test]
fn what_never_expires_is_said_by_that_word_alone() {
    let read = |expires: &str| {
        let text = format!(r#"{{"amount": "1", "category": "paid", "expires": "{expires}"}}"#);
        serde_json::from_str::<Grant>(&text).ok().and_then(|grant| grant.expiry)
    };
    assert_eq!(read("never"), Some(Never));
    for other in ["", "Never", "soon", "2026-12-31"] {
        assert_eq!(read(other), None, "{other}");
    }
}
