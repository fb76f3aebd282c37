//! Of what its owner is reminded, and when.

use std::collections::BTreeMap;

use jiff::civil::Date;
use proptest::prelude::*;

use super::{account, day, policy};
use crate::{Account, Policy, expiring_soon};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// January's day of this number.
fn january(number: i8) -> Date {
    Date::constant(2026, 1, number)
}

/// What is said on this day to somebody who was last reminded on the day `after`: amount, last day, days.
#[track_caller]
fn check(account: &Account, policy: &Policy, after: i8, today: i8, said: &[(&str, i8, u16)]) {
    let at = day(today);
    let found = expiring_soon(account, policy, (january(after), january(today)), at).unwrap();
    let found: Vec<_> =
        found.iter().map(|soon| (soon.amount.to_string(), soon.last_day, soon.days)).collect();
    let said: Vec<_> =
        said.iter().map(|(amount, last, days)| ((*amount).to_owned(), january(*last), *days)).collect();
    assert_eq!(found, said);
}

#[test]
fn a_reminder_comes_so_many_days_before_the_last_day() {
    // It expires as the 21st begins: the last day is the 20th.
    let account = account(&[(1, "10", Some(21)), (2, "5", Some(21)), (3, "7", None), (4, "1", Some(25))]);
    let policy = policy(r#"{"remind_days": [7, 1]}"#);
    check(&account, &policy, 11, 12, &[]);
    check(&account, &policy, 12, 13, &[("15.00", 20, 7)]);
    check(&account, &policy, 13, 14, &[]);
    check(&account, &policy, 16, 17, &[("1.00", 24, 7)]);
    check(&account, &policy, 18, 19, &[("15.00", 20, 1)]);
    check(&account, &policy, 19, 20, &[]);
    check(&account, &Policy::default(), 12, 13, &[]);
}

#[test]
fn days_that_were_missed_are_made_up_once_and_by_the_nearest() {
    let account = account(&[(1, "10", Some(21)), (1, "5", Some(26))]);
    let policy = policy(r#"{"remind_days": [1, 3, 7]}"#);
    check(&account, &policy, 12, 19, &[("10.00", 20, 1), ("5.00", 25, 6)]);
    // Over is over.
    check(&account, &policy, 12, 22, &[("5.00", 25, 3)]);
}

#[test]
fn credit_that_came_too_late_for_a_reminder_waits_for_the_next() {
    let policy = policy(r#"{"remind_days": [7, 1]}"#);
    check(&account(&[(13, "10", Some(21))]), &policy, 12, 13, &[]);
    check(&account(&[(12, "10", Some(21))]), &policy, 12, 13, &[("10.00", 20, 7)]);
    check(&account(&[(13, "10", Some(21))]), &policy, 18, 19, &[("10.00", 20, 1)]);
}

#[test]
fn nobody_is_reminded_of_what_does_not_expire() {
    let account = account(&[(1, "10", Some(21))]);
    check(&account, &policy(r#"{"remind_days": [7], "expiry_exempt": true}"#), 12, 13, &[]);
}

#[test]
fn days_are_those_of_the_stores_zone() {
    let account = account(&[(1, "10", Some(21))]);
    let said = |zone: &str, today: &str| {
        let policy = policy(&format!(r#"{{"remind_days": [1], "time_zone": "{zone}"}}"#));
        let today = date(today);
        let soon = expiring_soon(&account, &policy, (today.yesterday().unwrap(), today), day(18)).unwrap();
        soon.iter().map(|soon| soon.last_day).collect::<Vec<_>>()
    };
    // The 21st begins in UTC while it is the 20th in New York, and nine in the morning of the 21st in Tokyo.
    assert_eq!(said("America/New_York", "2026-01-19"), [date("2026-01-20")]);
    assert_eq!(said("Asia/Tokyo", "2026-01-20"), [date("2026-01-21")]);
    assert_eq!(said("Asia/Tokyo", "2026-01-19"), []);
}

proptest! {
    #[test]
    fn however_the_days_are_cut_each_date_is_said_at_most_once_for_each_number_of_days(
        expiries in proptest::collection::vec(5_i8..31, 1..6),
        days in proptest::collection::btree_set(1_u16..20, 0..4),
        cuts in proptest::collection::btree_set(2_i8..31, 1..12),
    ) {
        let lots: Vec<_> = expiries.iter().map(|expires| (1, "1", Some(*expires))).collect();
        let account = account(&lots);
        let days: Vec<u16> = days.into_iter().collect();
        let policy = policy(&format!(r#"{{"remind_days": {days:?}}}"#));
        let mut said: BTreeMap<Date, Vec<u16>> = BTreeMap::new();
        let mut after = 1;
        for today in cuts {
            let span = (january(after), january(today));
            for soon in expiring_soon(&account, &policy, span, day(today)).unwrap() {
                prop_assert!(soon.expires_at > day(today));
                said.entry(soon.last_day).or_default().push(soon.days);
            }
            after = today;
        }
        for (last_day, said) in said {
            // Each time nearer, and no more often than there are numbers of days.
            prop_assert!(said.is_sorted_by(|before, after| before > after), "{last_day}: {said:?}");
            prop_assert!(said.len() <= days.len());
        }
    }
}

#[test]
fn the_settings_take_a_few_different_numbers_of_days() {
    for good in ["[]", "[1]", "[30, 7, 1]", "[365]", "[1,2,3,4,5,6,7,8,9,10]"] {
        let written = policy(&format!(r#"{{"remind_days": {good}}}"#));
        assert_eq!(
            serde_json::to_value(&written).unwrap()["remind_days"],
            serde_json::from_str::<serde_json::Value>(good).unwrap()
        );
    }
    for bad in ["[0]", "[366]", "[7, 7]", "[-1]", "[1.5]", "7", "[1,2,3,4,5,6,7,8,9,10,11]", "[\"7\"]"] {
        assert!(serde_json::from_str::<Policy>(&format!(r#"{{"remind_days": {bad}}}"#)).is_err(), "{bad}");
    }
}
