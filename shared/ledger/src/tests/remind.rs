//! Of what its owner is reminded, and when.

use std::collections::BTreeMap;

use jiff::civil::Date;
use proptest::prelude::*;

use super::{account, day, policy, time};
use crate::{Account, Policy, expiring_soon};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

/// January's day of this number.
fn january(number: i8) -> Date {
    Date::constant(2026, 1, number)
}

/// What is due on this day: amount, last day, days until then, and for which number of days.
#[track_caller]
fn check(account: &Account, policy: &Policy, today: i8, due: &[(&str, i8, u16, u16)]) {
    let found = expiring_soon(account, policy, january(today), day(today)).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|due| (due.soon.amount.to_string(), due.soon.last_day, due.soon.days, due.remind_days))
        .collect();
    let due: Vec<_> = due
        .iter()
        .map(|(amount, last, days, of)| ((*amount).to_owned(), january(*last), *days, *of))
        .collect();
    assert_eq!(found, due);
}

#[test]
fn a_reminder_comes_so_many_days_before_the_last_day() {
    // It expires as the 21st begins: the last day is the 20th.
    let account = account(&[(1, "10", Some(21)), (2, "5", Some(21)), (3, "7", None), (4, "1", Some(25))]);
    let policy = policy(r#"{"remind_days": [10, 1]}"#);
    check(&account, &policy, 9, &[]);
    check(&account, &policy, 10, &[("15.00", 20, 10, 10)]);
    // As long as a week after, unless it was said.
    check(&account, &policy, 14, &[("15.00", 20, 6, 10), ("1.00", 24, 10, 10)]);
    check(&account, &policy, 16, &[("15.00", 20, 4, 10), ("1.00", 24, 8, 10)]);
    check(&account, &policy, 17, &[("1.00", 24, 7, 10)]);
    check(&account, &policy, 19, &[("15.00", 20, 1, 1), ("1.00", 24, 5, 10)]);
    // Over is over.
    check(&account, &policy, 21, &[]);
    check(&account, &Policy::default(), 10, &[]);
}

#[test]
fn of_two_that_are_due_the_nearest_is_said() {
    let account = account(&[(1, "10", Some(21))]);
    let policy = policy(r#"{"remind_days": [1, 3, 7]}"#);
    check(&account, &policy, 13, &[("10.00", 20, 7, 7)]);
    check(&account, &policy, 18, &[("10.00", 20, 2, 3)]);
    check(&account, &policy, 20, &[("10.00", 20, 0, 1)]);
}

#[test]
fn credit_that_came_too_late_for_a_reminder_waits_for_the_next() {
    let policy = policy(r#"{"remind_days": [7, 1]}"#);
    check(&account(&[(13, "10", Some(21))]), &policy, 13, &[]);
    check(&account(&[(13, "10", Some(21))]), &policy, 15, &[]);
    check(&account(&[(12, "10", Some(21))]), &policy, 13, &[("10.00", 20, 7, 7)]);
    check(&account(&[(13, "10", Some(21))]), &policy, 19, &[("10.00", 20, 1, 1)]);
}

#[test]
fn nobody_is_reminded_of_what_does_not_expire() {
    let account = account(&[(1, "10", Some(21))]);
    check(&account, &policy(r#"{"remind_days": [7], "expiry_exempt": true}"#), 13, &[]);
}

#[test]
fn days_are_those_of_the_stores_zone() {
    let account = account(&[(1, "10", Some(21))]);
    let said = |zone: &str, today: &str| {
        let policy = policy(&format!(r#"{{"remind_days": [1], "time_zone": "{zone}"}}"#));
        let due = expiring_soon(&account, &policy, date(today), day(18)).unwrap();
        due.iter().map(|due| due.soon.last_day).collect::<Vec<_>>()
    };
    // The 21st begins in UTC while it is the 20th in New York, and nine in the morning of the 21st in Tokyo.
    assert_eq!(said("America/New_York", "2026-01-19"), [date("2026-01-20")]);
    assert_eq!(said("Asia/Tokyo", "2026-01-20"), [date("2026-01-21")]);
    assert_eq!(said("Asia/Tokyo", "2026-01-19"), []);
}

proptest! {
    #[test]
    fn on_whatever_days_it_is_asked_each_date_is_said_at_most_once_for_each_number_of_days(
        expiries in proptest::collection::vec(5_i8..31, 1..6),
        days in proptest::collection::btree_set(1_u16..20, 0..4),
        asked in proptest::collection::btree_set(2_i8..31, 1..12),
    ) {
        let lots: Vec<_> = expiries.iter().map(|expires| (1, "1", Some(*expires))).collect();
        let account = account(&lots);
        let days: Vec<u16> = days.into_iter().collect();
        let policy = policy(&format!(r#"{{"remind_days": {days:?}}}"#));
        // The smallest number of days that was said of each date.
        let mut said: BTreeMap<Date, u16> = BTreeMap::new();
        for today in asked {
            for due in expiring_soon(&account, &policy, january(today), day(today)).unwrap() {
                prop_assert!(due.soon.expires_at > day(today) && days.contains(&due.remind_days));
                prop_assert!(due.soon.days <= due.remind_days && due.remind_days.abs_diff(due.soon.days) < 7);
                let before = said.insert(due.soon.last_day, due.remind_days);
                // What was said for a smaller one does not come back for a larger one.
                prop_assert!(before.is_none_or(|before| due.remind_days <= before));
            }
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

#[test]
fn a_day_can_begin_late() {
    let of = |zone: &str, at: &str| zone.parse::<crate::Zone>().unwrap().day_from(8, time(at)).to_string();
    assert_eq!(of("UTC", "2026-01-02T07:59:59Z"), "2026-01-01");
    assert_eq!(of("UTC", "2026-01-02T08:00:00Z"), "2026-01-02");
    // The day on which the clocks go back has an hour more before eight.
    assert_eq!(of("Europe/Berlin", "2027-10-31T06:59:59Z"), "2027-10-30");
    assert_eq!(of("Europe/Berlin", "2027-10-31T07:00:00Z"), "2027-10-31");
}

#[test]
fn the_longest_of_the_days_is_how_early_anybody_is_reminded() {
    let longest = |settings: &str| policy(settings).remind_days.longest();
    assert_eq!(longest(r#"{"remind_days": [7, 30, 1]}"#), Some(30));
    assert_eq!(longest(r#"{"remind_days": [7]}"#), Some(7));
    assert_eq!(longest("{}"), None);
}
