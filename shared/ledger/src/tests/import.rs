//! What another system kept, replayed into lots.
#![expect(clippy::arithmetic_side_effects, reason = "cents of a short history of small amounts")]

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{account, actor, cases, day, left, owned, policy, seal_by, spend, swept, time, usd};
use crate::{
    Account, Actor, Audit, Beside, Booking, Category, Currency, Day, Entry, EntryType, Import, Label,
    LotExpiry, Lots, MAX_IMPORTED_LOTS, MAX_OPEN_LOTS, Money, Movement, NEVER, OutOfRange, Policy, Refusal,
    Replay, Role, reach_back, replay_import,
};

fn row(id: u32, at: Timestamp, amount: &str) -> Movement {
    Movement { id: id.to_string(), at, amount: usd(amount), expiry: None }
}

fn old() -> Label {
    "opencart".parse().unwrap()
}

fn nobody() -> Account {
    Account::new("alice".parse().unwrap(), Currency::USD)
}

/// The account after these rows, what they came to, and their entries.
#[track_caller]
fn imported(
    account: &Account,
    policy: &Policy,
    rows: &[Movement],
    at: Timestamp,
) -> (Account, Import, Vec<Entry>) {
    let import = replay_import(account, policy, rows, at).unwrap();
    let mut account = account.clone();
    let mut entries = Vec::new();
    if let Some(change) = import.take(&account, &old(), at).unwrap() {
        let (next, entry) = seal_by(policy, change, at);
        account = next;
        entries.push(entry);
    }
    if let Some(change) = import.bring(&account, &old(), at).unwrap() {
        let (next, entry) = seal_by(policy, change, at);
        account = next;
        entries.push(entry);
    }
    (account, import, entries)
}

#[test]
fn the_oldest_is_taken_first_and_the_rest_keeps_its_day() {
    let rows =
        [row(4, day(9), "3.00"), row(2, day(2), "-12.00"), row(1, day(1), "10.00"), row(3, day(2), "5.00")];
    // Rows 2 and 3 are of one moment, and go by their ids.
    let (account, import, entries) = imported(&nobody(), &Policy::default(), &rows, day(20));
    assert_eq!(left(&account), owned(&[("1", "3.00"), ("1.1", "3.00")]));
    assert_eq!((import.lots(), import.merged, import.below_zero, import.forgiven), (2, 0, true, usd("0")));
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((entry.kind, entry.amount, entry.number), (EntryType::Import, usd("6.00"), 1));
    assert_eq!((entry.category, entry.source), (Some(Category::Import), Some(Role::System)));
    assert_eq!(entry.reference, Some(old()));
    let days: Vec<_> = account.lots.iter().map(|lot| lot.origin.granted_at).collect();
    assert_eq!(days, [day(2), day(9)]);
    assert_eq!(account.lifetime.granted, usd("6.00"));
    assert_eq!(account.lifetime.by_admin, usd("0.00"));
    assert_eq!(entry.lot("1.1".parse().unwrap()), Ok("1.1".parse().unwrap()));
    assert_eq!(entry.lot("1.2".parse().unwrap()), Err(Refusal::LotNotFound));
}

#[test]
fn ids_that_are_numbers_are_in_the_order_of_numbers() {
    // 9 before 10: so 9 is what is taken.
    let rows = [row(10, day(1), "1.00"), row(9, day(1), "2.00"), row(11, day(2), "-2.00")];
    let (account, ..) = imported(&nobody(), &Policy::default(), &rows, day(3));
    assert_eq!(left(&account), owned(&[("1", "1.00")]));
    let named = |id: &str, amount: &str| Movement { id: id.to_owned(), ..row(0, day(1), amount) };
    let rows = [named("b", "1.00"), named("a", "2.00"), row(1, day(2), "-2.00")];
    let (account, ..) = imported(&nobody(), &Policy::default(), &rows, day(3));
    assert_eq!(left(&account), owned(&[("1", "1.00")]));
}

#[test]
fn what_is_missing_is_made_up_for_by_what_comes_later_or_forgiven() {
    let short = [row(1, day(1), "-20.00"), row(2, day(2), "25.00")];
    let (account, import, _) = imported(&nobody(), &Policy::default(), &short, day(20));
    assert_eq!(left(&account), owned(&[("1", "5.00")]));
    assert_eq!((import.below_zero, import.forgiven), (true, usd("0.00")));

    let never = [row(1, day(1), "5.00"), row(2, day(2), "-7.50")];
    let (account, import, entries) = imported(&nobody(), &Policy::default(), &never, day(20));
    assert_eq!((account, entries.len()), (nobody(), 0));
    assert_eq!((import.below_zero, import.forgiven), (true, usd("2.50")));

    let even = [row(1, day(1), "5.00"), row(2, day(2), "-5.00")];
    let (_, import, entries) = imported(&nobody(), &Policy::default(), &even, day(20));
    assert_eq!((entries.len(), import.below_zero, import.forgiven), (0, false, usd("0.00")));
}

#[test]
fn the_seeds_case_expires_what_is_left_once_expiry_is_turned_on() {
    let rows = [row(1, day(1), "25.00"), row(2, time("2026-02-01T00:00:00Z"), "-20.00")];
    let at = time("2026-02-20T00:00:00Z");
    let (account, ..) = imported(&nobody(), &Policy::default(), &rows, at);
    assert_eq!(account.lots[0].origin.expires_at, None);
    let on = policy(r#"{"expiry_days": 15, "apply_to_existing": true}"#);
    let at = time("2026-02-25T00:00:00Z");
    let change = reach_back(&account, &on, at).unwrap().unwrap();
    let (account, _) = seal_by(&on, change, at);
    let (account, entry) = swept(&account, &on, at);
    assert_eq!(entry.map(|entry| entry.amount), Some(usd("-5.00")));
    assert!(account.lots.is_empty());
}

#[test]
fn an_expiry_that_is_on_counts_from_the_day_that_it_came() {
    let on = policy(r#"{"expiry_days": 15}"#);
    let own = |expiry, id| Movement { expiry: Some(expiry), ..row(id, day(2), "1.00") };
    let rows = [
        row(1, day(1), "5.00"),
        own(LotExpiry::Never, 2),
        own(LotExpiry::EndOf("2026-01-10".parse::<Day>().unwrap().0), 3),
        own(LotExpiry::At(day(5)), 4),
        row(5, day(19), "7.00"),
    ];
    let (account, ..) = imported(&nobody(), &on, &rows, day(20));
    let expire: Vec<_> = account.lots.iter().map(|lot| lot.origin.expires_at.unwrap()).collect();
    assert_eq!(expire, [day(17), NEVER, day(11), day(5), time("2026-02-04T00:00:00Z")]);
    // What is over already cannot be spent, and is booked by the schedule.
    assert_eq!(account.own(&on, day(20)), Ok(usd("8.00")));
    assert_eq!(account.balance(), Ok(usd("15.00")));
    assert_eq!(account.expiry_bound, Some(day(5)));
    let (account, entry) = swept(&account, &on, day(20));
    assert_eq!(entry.unwrap().amount, usd("-7.00"));
    assert_eq!(account.balance(), Ok(usd("8.00")));
}

#[test]
fn a_later_file_takes_what_was_imported_before_and_nothing_else() {
    let plain = Policy::default();
    // Credit of this ledger's own, older than all of it.
    let own = account(&[(1, "100.00", None)]);
    let rows = [row(1, day(2), "25.00"), row(2, day(3), "5.00")];
    let (first, ..) = imported(&own, &plain, &rows, day(10));
    let rows = [row(3, day(11), "-27.00"), row(4, day(12), "4.00")];
    let (second, import, entries) = imported(&first, &plain, &rows, day(13));
    assert_eq!(left(&second), owned(&[("1", "100.00"), ("2.1", "3.00"), ("4", "4.00")]));
    let told: Vec<_> = entries.iter().map(|entry| (entry.number, entry.amount)).collect();
    assert_eq!(told, [(3, usd("-27.00")), (4, usd("4.00"))]);
    assert_eq!((import.taken(Currency::USD), import.forgiven), (Ok(usd("27.00")), usd("0.00")));
    assert_eq!(second.lifetime.debited, usd("27.00"));
    // A row that came late is of its own day all the same, and what is not there is forgiven.
    let rows = [row(5, day(1), "-20.00")];
    let (third, import, entries) = imported(&second, &plain, &rows, day(14));
    assert_eq!(left(&third), owned(&[("1", "100.00")]));
    assert_eq!((entries.len(), import.below_zero, import.forgiven), (1, true, usd("13.00")));
    // What is held or owed is left alone.
    let rows = [row(6, day(2), "10.00")];
    let (account, ..) = imported(&nobody(), &plain, &rows, day(3));
    let (held, _) = super::held(&account, &plain, "4.00", day(4));
    let (held, import, _) = imported(&held, &plain, &[row(7, day(4), "-10.00")], day(4));
    assert_eq!((held.balance(), import.forgiven), (Ok(usd("4.00")), usd("4.00")));
}

#[test]
fn what_is_brought_settles_the_debt_first() {
    let may_owe = policy(r#"{"overdraft_limit": {"USD": "20.00"}}"#);
    let (owing, _) = super::redeemed(&account(&[(1, "1.00", None)]), &may_owe, "8.00", day(2));
    assert_eq!(owing.debt, usd("7.00"));
    let rows = [row(1, day(1), "5.00"), row(2, day(2), "5.00")];
    let (account, _, entries) = imported(&owing, &may_owe, &rows, day(5));
    assert_eq!((account.debt, left(&account)), (usd("0.00"), owned(&[("3", "3.00")])));
    assert_eq!((entries[0].amount, entries[0].overdraft), (usd("10.00"), Some(usd("7.00"))));
    assert_eq!(account.lots[0].origin.granted_at, day(2));
    let (owing, _, entries) = imported(&owing, &may_owe, &rows[..1], day(5));
    assert_eq!((owing.debt, entries[0].allocations.len()), (usd("2.00"), 0));
}

#[test]
fn a_refund_restores_an_imported_lot() {
    let plain = Policy::default();
    let rows = [row(1, day(1), "5.00"), row(2, day(2), "7.00")];
    let (account, ..) = imported(&nobody(), &plain, &rows, day(10));
    let (spent, redemption) = super::redeemed(&account, &plain, "9.00", day(11));
    assert_eq!(left(&spent), owned(&[("1.1", "3.00")]));
    let (back, _) = super::refunded(&spent, &plain, &redemption, "9.00", day(12));
    assert_eq!(left(&back), owned(&[("1", "5.00"), ("1.1", "7.00")]));
    assert_eq!(back.lots, account.lots);
    assert_eq!(left(&spend(&back, "5.00", day(13))), owned(&[("1.1", "7.00")]));
}

#[test]
fn what_is_no_movement_is_refused() {
    let refused = |rows: &[Movement]| replay_import(&nobody(), &Policy::default(), rows, day(5)).unwrap_err();
    let invalid = |field: &str, message: &str| Refusal::Invalid {
        field: field.to_owned(),
        message: message.to_owned(),
    };
    assert_eq!(refused(&[row(1, day(1), "0")]), invalid("amount", "must be more or less than zero"));
    assert_eq!(refused(&[row(1, day(6), "1.00")]), invalid("at", "must be a moment of the past"));
    let yen = Money::from_minor(5, "JPY".parse().unwrap());
    assert_eq!(
        refused(&[Movement { amount: yen, ..row(1, day(1), "1.00") }]),
        Refusal::OutOfRange(OutOfRange)
    );
    let last = LotExpiry::EndOf("9999-12-31".parse::<Day>().unwrap().0);
    let beyond = Movement { expiry: Some(last), ..row(1, day(1), "1.00") };
    assert!(matches!(refused(&[beyond]), Refusal::Invalid { field, .. } if field == "expires_on"));
}

#[test]
fn where_there_is_no_room_for_all_lots_the_oldest_become_one() {
    let plain = Policy::default();
    let hour = |number: u32| day(1).checked_add(SignedDuration::from_hours(number.into())).unwrap();
    let at = time("2027-12-01T00:00:00Z");
    // Two a day: those of one day become one.
    let rows: Vec<_> = (0..400).map(|number| row(number, hour(12 * number), "1.00")).collect();
    let (account, import, entries) = imported(&nobody(), &plain, &rows, at);
    assert_eq!((account.lots.len(), import.merged, entries.len()), (200, 200, 1));
    assert!(account.lots.iter().all(|lot| lot.remaining == usd("2.00")));
    assert_eq!(account.lots[0].origin.granted_at, hour(12));
    // One a day: the oldest become one, as of the youngest of them.
    let on = policy(r#"{"expiry_days": 600}"#);
    let rows: Vec<_> = (0..300).map(|number| row(number, hour(24 * number), "1.00")).collect();
    let (account, import, _) = imported(&nobody(), &on, &rows, at);
    assert_eq!((account.lots.len(), import.merged), (MAX_IMPORTED_LOTS, 44));
    assert_eq!(account.balance(), Ok(usd("300.00")));
    let oldest = &account.lots[0];
    assert_eq!((oldest.remaining, oldest.origin.granted_at), (usd("45.00"), hour(24 * 44)));
    assert_eq!(oldest.origin.expires_at, on.expiry(Category::Import, hour(24 * 44)));
    assert_eq!(account.lots[255].number.to_string(), "1.255");
    // Never is later than any date, and no date may yet be one.
    let mut own = rows.clone();
    own[7].expiry = Some(LotExpiry::Never);
    let (account, ..) = imported(&nobody(), &on, &own, at);
    assert_eq!(account.lots[0].origin.expires_at, Some(NEVER));
    let mut own = rows;
    own[7].expiry = Some(LotExpiry::At(at));
    let (account, ..) = imported(&nobody(), &plain, &own, at);
    assert_eq!(account.lots[0].origin.expires_at, None);
    // An account that is full has room for none.
    let lots: Vec<_> = (0..MAX_OPEN_LOTS).map(|_| (1, "1.00", None)).collect();
    let full = super::account(&lots);
    let one = [row(1, day(1), "1.00")];
    assert_eq!(replay_import(&full, &plain, &one, day(9)), Err(Refusal::TooManyLots));
    let almost = super::account(&lots[2..]);
    let (almost, import, _) = imported(&almost, &plain, &own[..5], at);
    assert_eq!((almost.lots.len(), import.merged), (MAX_OPEN_LOTS, 3));
}

/// Lots as days and cents, by the plainest rule there is: a list of single cents.
fn naive(rows: &[(i8, i64)]) -> (Vec<(i8, i64)>, i64) {
    let (mut cents, mut short): (Vec<i8>, i64) = (Vec::new(), 0);
    for (day, amount) in rows {
        for _ in 0..amount.abs() {
            match (*amount > 0, short > 0) {
                (true, true) => short -= 1,
                (true, false) => cents.push(*day),
                (false, _) if cents.is_empty() => short += 1,
                (false, _) => drop(cents.remove(0)),
            }
        }
    }
    let mut lots: Vec<(i8, i64)> = Vec::new();
    for day in cents {
        match lots.last_mut() {
            Some(last) if last.0 == day => last.1 += 1,
            _ => lots.push((day, 1)),
        }
    }
    (lots, short)
}

fn by_day(account: &Account) -> Vec<(i8, i64)> {
    let mut lots: Vec<(i8, i64)> = Vec::new();
    for lot in &account.lots {
        let day = lot.origin.granted_at.to_zoned(jiff::tz::TimeZone::UTC).day();
        let cents = lot.remaining.minor().unwrap();
        match lots.last_mut() {
            Some(last) if last.0 == day => last.1 += cents,
            _ => lots.push((day, cents)),
        }
    }
    lots
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn lots_are_what_the_plainest_fifo_leaves(
        mut rows in proptest::collection::vec((1..28_i8, -60..60_i64), 0..40),
        shuffle in any::<u64>(),
    ) {
        rows.retain(|(_, cents)| *cents != 0);
        rows.sort_by_key(|(day, _)| *day);
        let money = |cents: i64| Money::from_minor(cents, Currency::USD);
        let movement = |(id, (at, cents)): (usize, &(i8, i64))| Movement {
            id: id.to_string(),
            at: day(*at),
            amount: money(*cents),
            expiry: None,
        };
        let mut movements: Vec<_> = rows.iter().enumerate().map(movement).collect();
        let (lots, short) = naive(&rows);
        // In whichever order they stand in the file.
        movements.sort_by_key(|row| crate::Hash::of(format!("{shuffle} {}", row.id).as_bytes()).0);
        let at = day(30);
        let (account, import, entries) = imported(&nobody(), &Policy::default(), &movements, at);
        prop_assert_eq!(by_day(&account), lots);
        prop_assert_eq!(import.forgiven, money(short));
        let sum: i64 = rows.iter().map(|(_, cents)| *cents).sum();
        prop_assert_eq!(account.balance(), Ok(money(sum.max(0))));
        prop_assert_eq!(import.brought(Currency::USD), account.balance());
        check(&account, &entries)?;
    }

    /// In two files, cut at some day, it is the same as in one: but for what was forgiven between them.
    #[test]
    fn two_files_leave_what_one_does(
        mut rows in proptest::collection::vec((1..28_i8, -60..60_i64), 0..40),
        cut in 1..28_i8,
    ) {
        rows.retain(|(_, cents)| *cents != 0);
        rows.sort_by_key(|(day, _)| *day);
        let movement = |(id, (at, cents)): (usize, &(i8, i64))| Movement {
            id: id.to_string(),
            at: day(*at),
            amount: Money::from_minor(*cents, Currency::USD),
            expiry: None,
        };
        let movements: Vec<_> = rows.iter().enumerate().map(movement).collect();
        let early: Vec<_> = movements.iter().filter(|row| row.at < day(cut)).cloned().collect();
        let late: Vec<_> = movements.iter().filter(|row| row.at >= day(cut)).cloned().collect();
        let plain = Policy::default();
        let (account, first, mut entries) = imported(&nobody(), &plain, &early, day(cut));
        let (account, second, more) = imported(&account, &plain, &late, day(30));
        entries.extend(more);
        check(&account, &entries)?;
        if first.forgiven.is_zero() {
            let (whole, import, _) = imported(&nobody(), &plain, &movements, day(30));
            prop_assert_eq!(by_day(&account), by_day(&whole));
            prop_assert_eq!(second.forgiven, import.forgiven);
        }
    }
}

/// The entries alone tell the account, nothing is wrong with them, and each is balanced in the books.
fn check(account: &Account, entries: &[Entry]) -> Result<(), TestCaseError> {
    let mut replay = Replay::new(account.customer.clone(), account.currency);
    let mut audit = Audit::new(account.customer.clone(), account.currency);
    let mut lots = Lots::default();
    for entry in entries {
        prop_assert_eq!(replay.apply(entry), Ok(()));
        audit.take(entry);
        let content = entry.content().unwrap();
        let read = Entry::read(&content, entry.hash, crate::Texts::default());
        prop_assert_eq!(read.as_ref(), Ok(entry));
        let booking = Booking::of(entry, &lots).unwrap().unwrap();
        lots.follow(entry).unwrap();
        let moved = Money::sum(account.currency, booking.lots.iter().map(|part| part.amount));
        prop_assert_eq!(moved, Ok(entry.amount));
        let sum = Money::sum(account.currency, booking.legs.iter().map(|leg| leg.amount));
        prop_assert_eq!(sum, Ok(Money::zero(account.currency)));
    }
    let none = std::collections::BTreeMap::new();
    let stored = (!entries.is_empty()).then_some(account);
    let beside = Beside { account: stored, topups: &[], refunds: &none, at: day(30) };
    prop_assert_eq!(audit.findings(beside), Vec::new());
    prop_assert_eq!(audit.imports(), u64::try_from(entries.len()).unwrap());
    let expected = Account { expiry_bound: None, ..account.clone() };
    prop_assert_eq!(replay.account(), &expected);
    Ok(())
}

#[test]
fn what_an_import_stored_is_still_read_and_still_written() {
    let rows = [row(1, day(1), "5.00"), row(2, day(2), "7.00")];
    let (account, _, entries) = imported(&nobody(), &Policy::default(), &rows, day(10));
    let (_, _, more) = imported(&account, &Policy::default(), &[row(3, day(11), "-6.00")], day(12));
    let stored: Vec<_> = entries.iter().chain(&more).map(|entry| entry.content().unwrap()).collect();
    let first = r#"{"actor":["admin","key-1"],"allocations":"FwLoB4Cg1e3uZpcBAAL4CoDwslI","amount":"12.00","at":"2026-01-10T00:00:00Z","available":"12.00","balance":"12.00","category":"import","currency":"USD","customer":"alice","held":"0.00","number":1,"policy":3,"prev":"0000000000000000000000000000000000000000000000000000000000000000","reference":"opencart","source":"system","type":"import","v":2}"#;
    let second = r#"{"actor":["admin","key-1"],"allocations":"FwLoB4Cg1e3uZpcBAALIAYDwslI","amount":"-6.00","at":"2026-01-12T00:00:00Z","available":"6.00","balance":"6.00","currency":"USD","customer":"alice","held":"0.00","number":2,"policy":3,"prev":"b62cab27b67f90f8dfcc9693a53f84ef77d66a26bdaee0f34e3affa7133a1fc1","reference":"opencart","type":"import","v":2}"#;
    assert_eq!(stored, [first, second]);
}

#[test]
fn an_entry_of_an_import_that_no_rule_makes_is_found() {
    let rows = [row(1, day(1), "5.00"), row(2, day(2), "7.00")];
    let (_, _, entries) = imported(&nobody(), &Policy::default(), &rows, day(10));
    let drift = |spoil: &dyn Fn(&mut Entry)| {
        let mut entry = entries[0].clone();
        spoil(&mut entry);
        entry.hash = crate::Hash::of(entry.content().unwrap().as_bytes());
        Replay::new("alice".parse().unwrap(), Currency::USD).apply(&entry).map_err(|drift| drift.to_string())
    };
    assert_eq!(drift(&|_| {}), Ok(()));
    let form = |field: &str| Err(format!("the entry's {field} is not as entries of its type have it"));
    assert_eq!(drift(&|entry| entry.category = None), form("category"));
    assert_eq!(drift(&|entry| entry.source = Some(Role::Admin)), form("category"));
    assert_eq!(drift(&|entry| entry.expires_at = Some(day(1))), form("expires_at"));
    assert_eq!(drift(&|entry| entry.allocations[0].origin = None), form("allocations"));
    let origin = |lot: &str| Err(format!("lot {lot} does not come from where the entry says"));
    let spoil = |place: usize, at: Timestamp| {
        move |entry: &mut Entry| entry.allocations[place].origin.as_mut().unwrap().granted_at = at
    };
    assert_eq!(drift(&spoil(1, day(11))), origin("1.1"));
    assert_eq!(drift(&spoil(0, day(3))), origin("1.1"));
    let category = |entry: &mut Entry| {
        entry.allocations[0].origin.as_mut().unwrap().category = Category::Paid;
    };
    assert_eq!(drift(&category), origin("1"));
    let number = |entry: &mut Entry| entry.allocations[1].lot.part = 2;
    assert_eq!(drift(&number), Err("lot 1.2 is not one that the entry can have made".to_owned()));
    assert_eq!(
        drift(&|entry| entry.amount = usd("13.00")),
        Err("the entry's parts come to 12.00, not to 13.00".to_owned())
    );
    assert_eq!(Actor::importing(), actor(Role::System, "import"));
}
