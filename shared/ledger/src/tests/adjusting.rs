//! Withdrawals, debits, voided lots, and lots whose expiry moves.

use LotExpiry::{At, EndOf, Never};
use jiff::Timestamp;

use super::{
    account, balances, day, goodwill, granted, held, invalid_amount, left, owned, policy, redeemed, seal_by,
    swept, time, told, usd,
};
use crate::{
    Account, Category, Change, EntryType, Grant, LotExpiry, LotNumber, NEVER, Note, Policy, Refusal, Role,
    Withdrawal, change_expiry, debit, reach_back, release, void_lot,
};

fn reason() -> Note {
    "a mistake".parse().unwrap()
}

fn withdrawal(amount: &str) -> Withdrawal {
    Withdrawal {
        amount: amount.parse().unwrap(),
        journal: "bank".parse().unwrap(),
        reference: Some("transfer-7".parse().unwrap()),
        note: Some("as you wished".parse().unwrap()),
    }
}

fn withdraw(account: &Account, settings: &str, amount: &str, by: Role) -> Result<Change, Refusal> {
    crate::withdraw(account, &policy(settings), &withdrawal(amount), by, day(3))
}

/// Promotional 10, paid 20, refund 30 and goodwill 40.
fn of_all_kinds() -> Account {
    let mut account = account(&[]);
    let kinds = [
        (Category::Promotional, "10"),
        (Category::Paid, "20"),
        (Category::Refund, "30"),
        (Category::Goodwill, "40"),
    ];
    for (category, amount) in kinds {
        account = granted(&account, &policy("{}"), &Grant { category, ..goodwill(amount) }, day(1));
    }
    account
}

/// What a withdrawal takes of which lots, out of one lot of each kind.
#[track_caller]
fn check_withdrawal(settings: &str, amount: &str, expected: Result<&[(&str, &str)], Refusal>) {
    let before = of_all_kinds();
    let change = withdraw(&before, settings, amount, Role::Store);
    let taken = change.clone().map(|change| told(&change.line.allocations));
    assert_eq!(taken, expected.map(owned), "{amount} under {settings}");
    if let Ok(change) = change {
        let (after, entry) = seal_by(&policy(settings), change, day(3));
        assert_eq!((entry.kind, entry.amount), (EntryType::Withdraw, usd(amount).negated()));
        assert_eq!(before.balance().unwrap().plus(entry.amount), after.balance());
        assert_eq!(after.lifetime.withdrawn, usd(amount));
        assert_eq!(
            (entry.journal, entry.reference),
            (Some("bank".parse().unwrap()), withdrawal("1").reference)
        );
        assert_eq!(entry.note.as_ref().and_then(crate::FreeText::text), Some("as you wished"));
    }
}

#[test]
fn a_withdrawal_takes_only_what_can_be_withdrawn() {
    check_withdrawal("{}", "15", Ok(&[("2", "15.00")]));
    check_withdrawal("{}", "50", Ok(&[("2", "20.00"), ("3", "30.00")]));
    check_withdrawal("{}", "50.01", Err(Refusal::NotWithdrawable { withdrawable: usd("50") }));
    check_withdrawal("{}", "100", Err(Refusal::NotWithdrawable { withdrawable: usd("50") }));
    check_withdrawal("{}", "100.01", Err(Refusal::InsufficientCredit { available: usd("100") }));
    check_withdrawal(r#"{"withdrawable": ["goodwill"]}"#, "25", Ok(&[("4", "25.00")]));
    let nothing = Refusal::NotWithdrawable { withdrawable: usd("0") };
    check_withdrawal(r#"{"withdrawable": []}"#, "0.01", Err(nothing));
    check_withdrawal("{}", "0", Err(invalid_amount("must be more than zero")));
    check_withdrawal("{}", "0.001", Err(invalid_amount("must have at most 2 decimals, as USD has")));
    check_withdrawal(r#"{"enabled": false}"#, "1", Err(Refusal::CreditDisabled));
}

#[test]
fn customers_withdraw_where_the_policy_lets_them_and_the_others_always() {
    let by = |settings: &str, by| withdraw(&of_all_kinds(), settings, "1", by).map(|_| ());
    assert_eq!(by("{}", Role::Customer), Err(Refusal::WithdrawalNotAllowed));
    assert_eq!(by(r#"{"withdrawal": true}"#, Role::Customer), Ok(()));
    assert_eq!((by("{}", Role::Store), by("{}", Role::Admin)), (Ok(()), Ok(())));
}

#[test]
fn a_withdrawal_takes_lots_in_the_policys_order() {
    let mut account = account(&[]);
    for expires in [None, Some(9), Some(8)] {
        let expiry = expires.map(|number| At(day(number)));
        account = granted(
            &account,
            &policy("{}"),
            &Grant { category: Category::Paid, expiry, ..goodwill("10") },
            day(1),
        );
    }
    let first = r#"{"consumption_order": "expiring_first"}"#;
    let change = withdraw(&account, first, "15", Role::Admin).unwrap();
    assert_eq!(told(&change.line.allocations), owned(&[("3", "10.00"), ("2", "5.00")]));
}

#[test]
fn a_withdrawal_takes_nothing_that_is_held_or_has_expired_or_is_owed() {
    let rules = policy(r#"{"withdrawable": ["goodwill"], "overdraft_limit": {"USD": "50"}}"#);
    let refused = |account: &Account, amount: &str, available: &str| {
        let refusal = crate::withdraw(account, &rules, &withdrawal(amount), Role::Admin, day(3));
        assert_eq!(refusal, Err(Refusal::InsufficientCredit { available: usd(available) }));
    };
    refused(&account(&[(1, "10", Some(3)), (1, "20", None)]), "20.01", "20");
    refused(&account(&[]), "0.01", "0");
    let (held, hold) = held(&account(&[(1, "30", None)]), &rules, "12", day(3));
    refused(&held, "18.01", "18");
    let (owing, _) = redeemed(&held, &rules, "23", day(3));
    refused(&owing, "0.01", "0");
    // 12 are set free, and 5 are owed.
    let (owing, _) = seal_by(&rules, release(&owing, &rules, &hold, day(3)).unwrap(), day(3));
    refused(&owing, "7.01", "7");
    let change = crate::withdraw(&owing, &rules, &withdrawal("7"), Role::Admin, day(3)).unwrap();
    assert_eq!((change.account.balance(), change.account.debt), (Ok(usd("0")), usd("5")));
}

#[test]
fn two_faults_of_a_withdrawal_always_give_the_same_answer() {
    let off = r#"{"enabled": false}"#;
    let refused = |settings: &str, amount, by| withdraw(&of_all_kinds(), settings, amount, by).unwrap_err();
    assert_eq!(refused(off, "0", Role::Customer), Refusal::WithdrawalNotAllowed);
    assert_eq!(refused(off, "0", Role::Store), invalid_amount("must be more than zero"));
    assert_eq!(refused(off, "999", Role::Store), Refusal::CreditDisabled);
    assert_eq!(refused("{}", "999", Role::Store), Refusal::InsufficientCredit { available: usd("100") });
}

#[test]
fn a_debit_takes_credit_back_and_says_why() {
    let rules = policy("{}");
    let before = account(&[(1, "10", Some(5)), (1, "20", None)]);
    let reference = "ticket-4".parse().unwrap();
    let change = debit(&before, &rules, "12".parse().unwrap(), &reason(), Some(&reference), day(2)).unwrap();
    let (after, entry) = seal_by(&rules, change, day(2));
    assert_eq!((entry.kind, entry.amount, entry.reference), (EntryType::Debit, usd("-12"), Some(reference)));
    assert_eq!(entry.reason.as_ref().and_then(crate::FreeText::text), Some("a mistake"));
    assert_eq!(told(&entry.allocations), owned(&[("1", "10.00"), ("2", "2.00")]));
    assert_eq!((left(&after), after.lifetime.debited), (owned(&[("2", "18.00")]), usd("12")));
}

#[test]
fn a_debit_takes_no_more_than_the_customers_own() {
    let rules = policy(r#"{"overdraft_limit": {"USD": "50"}, "enabled": false}"#);
    let refused = |account: &Account, amount: &str| {
        debit(account, &rules, amount.parse().unwrap(), &reason(), None, day(3)).err()
    };
    let insufficient = |available| Some(Refusal::InsufficientCredit { available: usd(available) });
    let lots = account(&[(1, "10", Some(3)), (1, "20", None)]);
    assert_eq!(refused(&lots, "20"), None);
    assert_eq!(refused(&lots, "20.01"), insufficient("20"));
    let (held, _) = held(&lots, &policy("{}"), "15", day(3));
    assert_eq!(refused(&held, "5"), None);
    assert_eq!(refused(&held, "5.01"), insufficient("5"));
    assert_eq!(refused(&account(&[]), "0.01"), insufficient("0"));
    assert_eq!(refused(&account(&[]), "0"), Some(invalid_amount("must be more than zero")));
    assert_eq!(refused(&lots, "0.001"), Some(invalid_amount("must have at most 2 decimals, as USD has")));
}

/// A lot of 10 that is partly spent, and one that expires on day 5.
fn two_lots() -> Account {
    redeemed(&account(&[(1, "10", None), (1, "20", Some(5))]), &policy("{}"), "4", day(2)).0
}

#[track_caller]
fn check_void(account: &Account, lot: &str, at: Timestamp, expected: Result<&str, Refusal>) {
    let change = void_lot(account, &policy("{}"), lot.parse().unwrap(), &reason(), at);
    assert_eq!(change.clone().map(|change| change.line.amount), expected.map(usd), "{lot}");
    if let Ok(change) = change {
        let (after, entry) = seal_by(&policy("{}"), change, at);
        assert_eq!(entry.kind, EntryType::Void);
        assert_eq!(told(&entry.allocations), owned(&[(lot, &entry.amount.negated().to_string())]));
        assert_eq!(entry.reason.as_ref().and_then(crate::FreeText::text), Some("a mistake"));
        assert!(left(&after).iter().all(|(number, _)| number != lot));
        assert_eq!(account.balance().unwrap().plus(entry.amount), after.balance());
        assert_eq!(after.lifetime.debited, entry.amount.negated());
    }
}

fn stands_in_the_way(why: &'static str) -> Refusal {
    Refusal::LotNotVoidable { why }
}

#[test]
fn a_lot_is_voided_as_far_as_it_is_left_and_once() {
    let lots = two_lots();
    check_void(&lots, "1", day(2), Ok("-6"));
    check_void(&lots, "2", day(4), Ok("-20"));
    check_void(&lots, "2", day(5), Err(stands_in_the_way("has expired")));
    check_void(&lots, "4", day(2), Err(Refusal::LotNotFound));
    check_void(&lots, "18446744073709551615", day(2), Err(Refusal::LotNotFound));
    check_void(&lots, "2.1", day(2), Err(stands_in_the_way("has nothing left")));
    let (after, _) =
        seal_by(&policy("{}"), void_lot(&lots, &policy("{}"), 1.into(), &reason(), day(2)).unwrap(), day(2));
    check_void(&after, "1", day(2), Err(stands_in_the_way("has nothing left")));
    let (swept, _) = swept(&lots, &policy("{}"), day(5));
    check_void(&swept, "2", day(5), Err(stands_in_the_way("has nothing left")));
    let (used, _) = redeemed(&lots, &policy("{}"), "6", day(2));
    check_void(&used, "1", day(2), Err(stands_in_the_way("has nothing left")));
}

#[test]
fn a_lot_that_is_held_is_voided_only_after_its_hold() {
    let rules = policy("{}");
    let (account, hold) = held(&two_lots(), &rules, "1", day(2));
    let held = stands_in_the_way("is held for an order; capture or void the hold first");
    check_void(&account, "1", day(2), Err(held));
    check_void(&account, "2", day(2), Ok("-20"));
    // The hold has lapsed by then.
    check_void(&account, "1", day(3), Ok("-6"));
    let (account, _) = seal_by(&rules, release(&account, &rules, &hold, day(2)).unwrap(), day(2));
    check_void(&account, "1", day(2), Ok("-6"));
}

#[track_caller]
fn check_change(settings: &str, expiry: LotExpiry, expected: Result<Option<&str>, Refusal>) {
    let (before, rules) = (two_lots(), policy(settings));
    let change = change_expiry(&before, &rules, 2.into(), expiry, Some(&reason()), day(3));
    let moment = change.clone().map(|change| change.line.expires_at.filter(|moment| *moment != NEVER));
    assert_eq!(moment, expected.map(|moment| moment.map(time)), "{expiry:?}");
    if let Ok(change) = change {
        let (after, entry) = seal_by(&rules, change, day(3));
        assert_eq!(
            (entry.kind, entry.amount, entry.lot),
            (EntryType::ExpiryChange, usd("0"), Some(2.into()))
        );
        assert_eq!(entry.reason.as_ref().and_then(crate::FreeText::text), Some("a mistake"));
        assert_eq!((entry.expires_at, left(&after)), (after.lots[1].origin.expires_at, left(&before)));
        assert_eq!((&after.lots[0], after.lots[1].remaining), (&before.lots[0], before.lots[1].remaining));
        assert_eq!(after.lots[1].origin.granted_at, before.lots[1].origin.granted_at);
        let bound = after.expiry_bound.unwrap_or(Timestamp::MAX);
        assert!(entry.expires_at.is_none_or(|expires_at| bound <= expires_at));
    }
}

#[test]
fn a_lots_expiry_moves_forth_and_back_and_away_but_not_into_the_past() {
    check_change("{}", At(day(4)), Ok(Some("2026-01-04T00:00:00Z")));
    check_change("{}", At(day(20)), Ok(Some("2026-01-20T00:00:00Z")));
    check_change("{}", Never, Ok(None));
    check_change("{}", At(time("2026-01-03T00:00:00.001Z")), Ok(Some("2026-01-03T00:00:00.001Z")));
    check_change("{}", At(day(3)), Err(Refusal::ExpiryInPast));
    check_change("{}", At(day(1)), Err(Refusal::ExpiryInPast));
    let today = EndOf("2026-01-03".parse().unwrap());
    check_change("{}", today, Ok(Some("2026-01-04T00:00:00Z")));
    check_change(r#"{"time_zone": "America/New_York"}"#, today, Ok(Some("2026-01-04T05:00:00Z")));
    check_change("{}", EndOf("2026-01-02".parse().unwrap()), Err(Refusal::ExpiryInPast));
    // 3 January has ended in Kiritimati by ten in the morning of that day in UTC, and not by midnight.
    check_change(r#"{"time_zone": "Pacific/Kiritimati"}"#, today, Ok(Some("2026-01-03T10:00:00Z")));
}

#[test]
fn the_schedule_keeps_to_an_expiry_that_moved() {
    let rules = policy("{}");
    let moved = |expiry| {
        let change = change_expiry(&two_lots(), &rules, 2.into(), expiry, None, day(3)).unwrap();
        seal_by(&rules, change, day(3)).0
    };
    let sooner = moved(At(day(4)));
    assert_eq!(sooner.expiry_bound, Some(day(4)));
    assert_eq!(swept(&sooner, &rules, day(4)).1.map(|entry| entry.amount), Some(usd("-20")));
    let later = moved(At(day(9)));
    let (later, booked) = swept(&later, &rules, day(5));
    assert_eq!((booked, later.expiry_bound), (None, Some(day(9))));
    assert_eq!(balances(&later, &rules, day(8)), ["26.00", "0.00", "26.00"]);
    let (never, booked) = swept(&moved(Never), &rules, day(5));
    assert_eq!((booked, never.expiry_bound), (None, None));
}

#[test]
fn only_a_lot_of_which_something_usable_is_left_is_moved() {
    let (lots, rules) = (two_lots(), policy("{}"));
    let refused = |account: &Account, lot: u64, expiry, at| {
        change_expiry(account, &rules, LotNumber::from(lot), expiry, None, at).err()
    };
    assert_eq!(refused(&lots, 2, Never, day(5)), Some(stands_in_the_way("has expired")));
    assert_eq!(refused(&lots, 4, Never, day(3)), Some(Refusal::LotNotFound));
    let (used, _) = redeemed(&lots, &rules, "6", day(3));
    assert_eq!(refused(&used, 1, Never, day(3)), Some(stands_in_the_way("has nothing left")));
    // Of two faults the lot is named first.
    assert_eq!(refused(&lots, 4, At(day(1)), day(3)), Some(Refusal::LotNotFound));
    assert_eq!(refused(&used, 1, At(day(1)), day(3)), Some(stands_in_the_way("has nothing left")));
    assert_eq!(refused(&lots, 2, At(day(1)), day(3)), Some(Refusal::ExpiryInPast));
}

#[test]
fn a_held_lot_may_expire_sooner_and_stays_held() {
    let rules: Policy = policy(r#"{"hold_ttl_seconds": 604800}"#);
    let (account, hold) = held(&account(&[(1, "10", None)]), &rules, "6", day(2));
    let change = change_expiry(&account, &rules, 1.into(), At(day(4)), None, day(3)).unwrap();
    let (account, _) = seal_by(&rules, change, day(3));
    assert_eq!(balances(&account, &rules, day(5)), ["10.00", "6.00", "0.00"]);
    let (account, booked) = swept(&account, &rules, day(5));
    assert_eq!(booked.map(|entry| entry.amount), Some(usd("-4")));
    let (_, captured) =
        seal_by(&rules, crate::capture(&account, &rules, &hold, None, day(6)).unwrap(), day(6));
    assert_eq!(captured.amount, usd("-6"));
}

/// The dates of all lots after reaching back on 25 January, in their order.
#[track_caller]
fn check_reach_back(lots: &[(&str, Option<LotExpiry>)], settings: &str, expected: &[Option<&str>]) {
    let mut before = account(&[]);
    for (day_of, (amount, expiry)) in (1..).zip(lots) {
        before = granted(&before, &policy("{}"), &Grant { expiry: *expiry, ..goodwill(amount) }, day(day_of));
    }
    let rules = policy(settings);
    let change = reach_back(&before, &rules, day(25)).unwrap();
    let after = change.as_ref().map_or(&before, |change| &change.account);
    let dates: Vec<_> = after.lots.iter().map(|lot| lot.origin.expiry()).collect();
    let expected: Vec<_> = expected.iter().map(|moment| moment.map(time)).collect();
    assert_eq!(dates, expected, "{lots:?} under {settings}");
    assert_eq!(after.balance(), before.balance());

    if let Some(change) = change {
        let dated = change.line.allocations.len();
        let (after, entry) = seal_by(&rules, change, day(25));
        assert_eq!((entry.kind, entry.amount, entry.lot), (EntryType::ExpiryChange, usd("0"), None));
        for part in &entry.allocations {
            let lot = after.lots.iter().find(|lot| lot.number == part.lot).unwrap();
            assert_eq!((part.amount, part.origin.as_ref()), (usd("0"), Some(&lot.origin)));
        }
        assert_eq!(dated, entry.allocations.len());
        // Once is enough.
        assert_eq!(reach_back(&after, &rules, day(25)), Ok(None));
    }
}

#[test]
fn reaching_back_gives_open_lots_the_date_that_they_would_have_had() {
    let fifteen = r#"{"expiry_days": 15, "apply_to_existing": true}"#;
    let ours = Some(EndOf("2026-02-20".parse().unwrap()));
    let seventeenth = Some("2026-01-17T00:00:00Z");
    check_reach_back(&[], fifteen, &[]);
    check_reach_back(&[("25", None)], r#"{"apply_to_existing": true}"#, &[None]);
    check_reach_back(&[("25", None)], r#"{"expiry_days": 15}"#, &[None]);
    check_reach_back(&[("25", None)], fifteen, &[seventeenth]);
    check_reach_back(&[("25", None), ("5", None)], fifteen, &[seventeenth, Some("2026-01-18T00:00:00Z")]);
    // A date of its own stays, and so does the word that there is none.
    check_reach_back(
        &[("25", ours), ("5", None)],
        fifteen,
        &[Some("2026-02-21T00:00:00Z"), Some("2026-01-18T00:00:00Z")],
    );
    check_reach_back(&[("25", Some(Never))], fifteen, &[None]);
    check_reach_back(&[("25", None)], r#"{"expiry_days": {"paid": 15}, "apply_to_existing": true}"#, &[None]);
    check_reach_back(
        &[("25", None)],
        r#"{"expiry_days": {"goodwill": 15}, "apply_to_existing": true}"#,
        &[seventeenth],
    );
}

#[test]
fn reaching_back_expires_what_is_over_and_never_more_than_is_left() {
    // Contract, worked example 6.
    let mut account = account(&[]);
    account = granted(&account, &policy("{}"), &goodwill("25"), day(1));
    (account, _) = redeemed(&account, &policy("{}"), "20", time("2026-02-01T00:00:00Z"));
    let rules = policy(r#"{"expiry_days": 15, "apply_to_existing": true}"#);
    let at = time("2026-02-25T00:00:00Z");
    let (account, _) = seal_by(&rules, reach_back(&account, &rules, at).unwrap().unwrap(), at);
    assert_eq!(account.available(&rules, at), Ok(usd("0")));
    let (account, entry) = swept(&account, &rules, at);
    let entry = entry.unwrap();
    assert_eq!((entry.amount, account.balance()), (usd("-5"), Ok(usd("0"))));
}
