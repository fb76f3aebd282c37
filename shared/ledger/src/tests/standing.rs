//! What reports add up is what the account's lots are, over any history.
#![expect(clippy::arithmetic_side_effects, reason = "days and cents of short histories")]

use std::collections::BTreeMap;

use jiff::{ToSpan, Unit, civil::Date};
use proptest::prelude::*;

use super::laws::{Book, moment, rules, steps};
use crate::{
    Account, Age, Booking, Category, Currency, LotPart, Lots, Money, Replay, Standing, Within, Zone,
    breakage_rate,
};

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::USD)
}

/// What the account's lots are at the end of this day: by age, and by when they expire.
fn ledger_says(account: &Account, zone: &Zone, day: Date) -> BTreeMap<(String, Category), i64> {
    let mut sums = BTreeMap::new();
    for lot in &account.lots {
        let mut add = |what: &str| {
            *sums.entry((what.to_owned(), lot.origin.category)).or_default() +=
                lot.remaining.minor().unwrap();
        };
        let days = |from: Date, to: Date| from.until((Unit::Day, to)).unwrap().get_days();
        add(match days(zone.day_of(lot.origin.granted_at), day) {
            ..31 => "0-30",
            31..61 => "31-60",
            61..91 => "61-90",
            91..181 => "91-180",
            181..366 => "181-365",
            _ => "over_365",
        });
        match lot.origin.expiry().map(|at| days(day, zone.last_day_before(at))) {
            None => add("never"),
            Some(..1) => add("over"),
            Some(left) => {
                for (most, window) in [(30, "within_30"), (60, "within_60"), (90, "within_90")] {
                    if left <= most {
                        add(window);
                    }
                }
                if left > 90 {
                    add("later");
                }
            }
        }
    }
    sums
}

/// The same as reports have it.
fn reports_say(standing: &Standing, day: Date) -> BTreeMap<(String, Category), i64> {
    let ages = standing.ageing(day).unwrap().into_iter().map(|(age, sums)| (age.to_string(), sums));
    let expiring =
        standing.expiring(day).unwrap().into_iter().map(|(within, sums)| (within.to_string(), sums));
    let rows = ages.chain(expiring).flat_map(|(what, sums)| {
        sums.into_iter().map(move |(category, amount)| ((what.clone(), category), amount.minor().unwrap()))
    });
    rows.filter(|(_, amount)| *amount != 0).collect()
}

proptest! {
    #![proptest_config(super::cases(256))]

    #[test]
    fn over_any_history_the_sums_are_what_the_lots_are(
        rules in rules(),
        steps in steps(),
        pace in prop::sample::select(vec![1_i64, 40, 400]),
        closes in any::<u64>(),
    ) {
        let zone: Zone = "Asia/Kathmandu".parse().unwrap();
        let (mut book, mut now) = (Book::new(&rules), 0);
        for (hours, attempt) in steps {
            now += hours * pace;
            let _ = book.attempt(&attempt, moment(now));
        }
        let mut replay = Replay::new("alice".parse().unwrap(), Currency::USD);
        let (mut lots, mut standing) = (Lots::default(), Standing::new(Currency::USD));
        for (number, (entry, _)) in book.entries.iter().enumerate() {
            let day = zone.day_of(entry.at);
            if closes.rotate_right(u32::try_from(number).unwrap()) & 1 == 1 {
                standing.close(day.yesterday().unwrap()).unwrap();
            }
            if let Some(booking) = Booking::of(entry, &lots).unwrap() {
                standing.book(&booking, &zone).unwrap();
                // As much of each category as the legs do.
                for category in Category::ALL {
                    let of_lots = booking.lots.iter().filter(|lot| lot.category == *category);
                    let of_legs = booking.legs.iter().filter(|leg| leg.role.held() == Some(*category));
                    let lots: i64 = of_lots.map(|lot| lot.amount.minor().unwrap()).sum();
                    let legs: i64 = of_legs.map(|leg| leg.amount.minor().unwrap()).sum();
                    prop_assert_eq!(lots, -legs, "{:?}", booking);
                }
            }
            lots.follow(entry).unwrap();
            replay.apply(entry).unwrap();
            let account = replay.account();
            let position = standing.position().unwrap();
            prop_assert_eq!(position.net().unwrap(), entry.balance_after);
            prop_assert_eq!(position.owed, account.debt);
            for later in [0, 29, 60, 200, 400] {
                let day = day + later.days();
                prop_assert_eq!(reports_say(&standing, day), ledger_says(account, &zone, day), "{:?}", entry);
            }
        }
    }
}

#[test]
fn a_day_is_in_the_window_that_its_name_says() {
    let zone = Zone::utc();
    let day: Date = "2026-11-30".parse().unwrap();
    let at = |days: i64| zone.end_of(day + days.days()).unwrap();
    let standing = |granted: i64, expires: i64| {
        let mut standing = Standing::new(Currency::USD);
        let granted_at = zone.start_of(day - granted.days()).unwrap();
        let expires_at = Some(at(expires));
        let lot = LotPart { category: Category::Paid, granted_at, expires_at, amount: usd(1) };
        let booking = Booking {
            customer: "alice".parse().unwrap(),
            number: 1,
            kind: crate::EntryType::Grant,
            at: granted_at,
            order: None,
            reference: None,
            legs: Vec::new(),
            lots: vec![lot],
            currency: Currency::USD,
        };
        standing.book(&booking, &zone).unwrap();
        standing
    };
    for (days, age) in [
        (0, Age::Days30),
        (30, Age::Days30),
        (31, Age::Days60),
        (60, Age::Days60),
        (61, Age::Days90),
        (90, Age::Days90),
        (91, Age::Days180),
        (180, Age::Days180),
        (181, Age::Days365),
        (365, Age::Days365),
        (366, Age::Older),
        (367, Age::Older),
    ] {
        let mut standing = standing(days, 1);
        for _ in 0..2 {
            let ages: Vec<Age> = standing.ageing(day).unwrap().into_keys().collect();
            assert_eq!(ages, [age], "{days}");
            standing.close(day).unwrap();
        }
    }
    let (three, two, one) = (
        vec![Within::Days30, Within::Days60, Within::Days90],
        vec![Within::Days60, Within::Days90],
        vec![Within::Days90],
    );
    for (days, windows) in [
        (-1, vec![Within::Over]),
        (0, vec![Within::Over]),
        (1, three.clone()),
        (30, three),
        (31, two.clone()),
        (60, two),
        (61, one.clone()),
        (90, one),
        (91, vec![Within::Later]),
    ] {
        let mut standing = standing(1, days);
        for _ in 0..2 {
            let found: Vec<Within> = standing.expiring(day).unwrap().into_keys().collect();
            assert_eq!(found, windows, "{days}");
            standing.close(day).unwrap();
        }
    }
}

#[test]
fn a_rate_has_four_decimals_and_is_none_where_nothing_was_issued() {
    for (expired, issued, rate) in [
        (1, 3, Some("0.3333")),
        (2, 3, Some("0.6667")),
        (0, 5, Some("0.0000")),
        (5, 2, Some("2.5000")),
        (1, 20_000, Some("0.0001")),
    ] {
        let found = breakage_rate(usd(expired), usd(issued)).unwrap().map(|rate| rate.to_string());
        assert_eq!(found.as_deref(), rate, "{expired} of {issued}");
    }
    assert_eq!(breakage_rate(usd(1), usd(0)), Ok(None));
    assert_eq!(breakage_rate(usd(1), usd(-1)), Ok(None));
    assert!(breakage_rate(usd(i64::MIN), usd(1)).is_err());
}
