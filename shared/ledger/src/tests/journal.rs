//! What each entry moves in the books, and that over any history the books come to what the ledger says.
#![expect(clippy::arithmetic_side_effects, reason = "cents of a short history of small amounts")]

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    account, account_in, day, goodwill,
    laws::{Book, moment, rules, steps},
    order, order_id, policy, redeemed, refunded, seal, seal_by, swept,
};
use crate::{
    Account, AccountRole, Booking, BooksFormat, Category, Chart, Currency, Entry, Grant, LotNumber, Lots,
    Money, Payment, PaymentMode, Policy, Replay, Role, Unbooked, Withdrawal, debit, void_lot, withdraw,
};

/// What lots were after these entries.
fn lots(entries: &[Entry]) -> Lots {
    let mut lots = Lots::default();
    entries.iter().for_each(|entry| lots.follow(entry).unwrap());
    lots
}

fn booked(entries: &[Entry], entry: &Entry) -> Option<Booking> {
    let before: Vec<Entry> = entries.iter().filter(|other| other.number < entry.number).cloned().collect();
    Booking::of(entry, &lots(&before)).unwrap()
}

/// The lines of the last of these entries, by the default chart.
fn lines(entries: &[Entry]) -> Vec<(String, String)> {
    let Some(booking) = booked(entries, entries.last().unwrap()) else { return Vec::new() };
    let postings = booking.postings(&Chart::default()).unwrap();
    postings.into_iter().map(|line| (line.account, line.amount.to_string())).collect()
}

#[track_caller]
fn check(entries: &[Entry], expected: &[(&str, &str)]) {
    let expected: Vec<_> =
        expected.iter().map(|(account, amount)| ((*account).to_owned(), (*amount).to_owned())).collect();
    assert_eq!(lines(entries), expected);
}

fn given(account: &Account, policy: &Policy, grant: &Grant, at: i8) -> (Account, Entry) {
    seal_by(policy, crate::grant(account, policy, grant, Role::Store, day(at)).unwrap(), day(at))
}

fn of(category: Category, amount: &str) -> Grant {
    Grant { category, ..goodwill(amount) }
}

fn paid_by(method: &str, grant: Grant) -> Grant {
    let payment = Payment {
        method: method.parse().unwrap(),
        mode: PaymentMode::Offline,
        reference: Some("R-17".parse().unwrap()),
    };
    Grant { payment: Some(payment), ..grant }
}

fn overdrawn() -> Policy {
    policy(r#"{"overdraft_limit": {"USD": "50.00"}}"#)
}

#[test]
fn credit_comes_from_its_payment_or_from_where_its_category_does() {
    let policy = Policy::default();
    for (grant, from) in [
        (of(Category::Paid, "5.00"), "Assets:Clearing:Unspecified"),
        (of(Category::Promotional, "5.00"), "Expenses:Promotion"),
        (of(Category::Refund, "5.00"), "Income:Refunds"),
        (of(Category::Goodwill, "5.00"), "Expenses:Goodwill"),
        (of(Category::Import, "5.00"), "Equity:OpeningBalances"),
        (paid_by("cash", of(Category::Paid, "5.00")), "Assets:Clearing:Cash"),
        (paid_by("bank transfer", of(Category::Refund, "5.00")), "Assets:Clearing:Bank-transfer"),
        // What another system was paid is in the books already.
        (paid_by("cash", of(Category::Import, "5.00")), "Equity:OpeningBalances"),
    ] {
        let (_, entry) = given(&account(&[]), &policy, &grant, 1);
        let liability = Chart::default().name(AccountRole::liability(grant.category), None).into_owned();
        check(&[entry], &[(&liability, "-5.00"), (from, "5.00")]);
    }
}

#[test]
fn a_refund_turns_back_what_was_spent_and_expiry_takes_what_it_should() {
    let policy = Policy::default();
    let mut entries = Vec::new();
    let mut keep = |(account, entry): (Account, Entry)| {
        entries.push(entry);
        (account, entries.clone())
    };
    let (account, _) = keep(given(&account(&[]), &policy, &of(Category::Promotional, "10.00"), 1));
    let expiring = Grant { expiry: Some(crate::LotExpiry::At(day(10))), ..of(Category::Paid, "20.00") };
    let (account, _) = keep(given(&account, &policy, &expiring, 2));
    let (account, spent) = keep(redeemed(&account, &policy, "18.00", day(3)));
    check(
        &spent,
        &[
            ("Liabilities:StoreCredit:Promotional", "10.00"),
            ("Liabilities:StoreCredit:Paid", "8.00"),
            ("Assets:SalesClearing", "-18.00"),
        ],
    );
    // A part into a lot that is open, then into one that was used up.
    let (account, given_back) = keep(refunded(&account, &policy, &spent[2], "9.00", day(4)));
    check(
        &given_back,
        &[
            ("Liabilities:StoreCredit:Paid", "-8.00"),
            ("Liabilities:StoreCredit:Promotional", "-1.00"),
            ("Assets:SalesClearing", "9.00"),
        ],
    );
    let (account, expired) = keep({
        let (account, entry) = swept(&account, &policy, day(10));
        (account, entry.unwrap())
    });
    check(&expired, &[("Liabilities:StoreCredit:Paid", "20.00"), ("Income:Breakage", "-20.00")]);
    let reason = "by mistake".parse().unwrap();
    let change = void_lot(&account, &policy, LotNumber::from(1), &reason, day(11)).unwrap();
    let (_, voided) = keep(seal(change, day(11)));
    check(&voided, &[("Liabilities:StoreCredit:Promotional", "1.00"), ("Income:Adjustments", "-1.00")]);
}

#[test]
fn money_that_goes_out_goes_by_its_journal_and_what_is_taken_back_is_an_adjustment() {
    let policy = Policy::default();
    let (before, granted) = given(&account(&[]), &policy, &of(Category::Paid, "10.00"), 1);
    let withdrawal = Withdrawal {
        amount: "4.00".parse().unwrap(),
        journal: "bank".parse().unwrap(),
        reference: None,
        note: None,
    };
    let change = withdraw(&before, &policy, &withdrawal, Role::Store, day(2)).unwrap();
    let (before, withdrawn) = seal(change, day(2));
    check(
        &[granted.clone(), withdrawn],
        &[("Liabilities:StoreCredit:Paid", "4.00"), ("Assets:Clearing:Bank", "-4.00")],
    );
    let reason = "counted twice".parse().unwrap();
    let change = debit(&before, &policy, "1.00".parse().unwrap(), &reason, None, day(3)).unwrap();
    check(
        &[granted, seal(change, day(3)).1],
        &[("Liabilities:StoreCredit:Paid", "1.00"), ("Income:Adjustments", "-1.00")],
    );
}

#[test]
fn what_is_owed_is_receivable_until_some_credit_settles_it() {
    let policy = overdrawn();
    let (before, granted) = given(&account(&[]), &policy, &of(Category::Paid, "20.00"), 1);
    let (before, spent) = redeemed(&before, &policy, "60.00", day(2));
    check(
        &[granted.clone(), spent.clone()],
        &[
            ("Liabilities:StoreCredit:Paid", "20.00"),
            ("Assets:Receivable:StoreCredit", "40.00"),
            ("Assets:SalesClearing", "-60.00"),
        ],
    );
    let (after, goodwill) = given(&before, &policy, &of(Category::Goodwill, "100.00"), 3);
    check(
        std::slice::from_ref(&goodwill),
        &[
            ("Liabilities:StoreCredit:Goodwill", "-60.00"),
            ("Assets:Receivable:StoreCredit", "-40.00"),
            ("Expenses:Goodwill", "100.00"),
        ],
    );
    // What came out of the overdraft and was settled meanwhile comes back as a lot of its own.
    let (_, given_back) = refunded(&after, &policy, &spent, "50.00", day(4));
    check(
        &[granted.clone(), spent.clone(), goodwill, given_back],
        &[
            ("Liabilities:StoreCredit:Refund", "-40.00"),
            ("Liabilities:StoreCredit:Paid", "-10.00"),
            ("Assets:SalesClearing", "50.00"),
        ],
    );
    // And where it is still owed, all of it settles that.
    let (_, given_back) = refunded(&before, &policy, &spent, "30.00", day(4));
    check(
        &[granted, spent, given_back],
        &[("Assets:Receivable:StoreCredit", "-30.00"), ("Assets:SalesClearing", "30.00")],
    );
}

#[test]
fn what_expires_or_is_voided_beside_a_debt_settles_that_first() {
    let policy = overdrawn();
    let expiring = |category, amount: &str| Grant {
        expiry: Some(crate::LotExpiry::At(day(10))),
        ..of(category, amount)
    };
    // Whoever owes holds nothing, but for what a hold reserves.
    let (before, promoted) = given(&account(&[]), &policy, &expiring(Category::Promotional, "8.00"), 1);
    let (before, paid) = given(&before, &policy, &expiring(Category::Paid, "6.00"), 2);
    let (before, held) = super::held(&before, &policy, "14.00", day(3));
    let (before, spent) = redeemed(&before, &policy, "10.00", day(3));
    let hold_over = held.deadline.unwrap();
    let mut entries = vec![promoted, paid, held, spent];
    check(&entries, &[("Assets:Receivable:StoreCredit", "10.00"), ("Assets:SalesClearing", "-10.00")]);

    let reason = "by mistake".parse().unwrap();
    let change = void_lot(&before, &policy, LotNumber::from(1), &reason, hold_over).unwrap();
    entries.push(seal_by(&policy, change, hold_over).1);
    check(
        &entries,
        &[("Liabilities:StoreCredit:Promotional", "8.00"), ("Assets:Receivable:StoreCredit", "-8.00")],
    );
    entries.pop();

    entries.push(swept(&before, &policy, day(11)).1.unwrap());
    assert_eq!(entries.last().unwrap().amount.to_string(), "-4.00");
    // The oldest lot settles; the rest of the next one expires.
    check(
        &entries,
        &[
            ("Liabilities:StoreCredit:Promotional", "8.00"),
            ("Liabilities:StoreCredit:Paid", "6.00"),
            ("Assets:Receivable:StoreCredit", "-10.00"),
            ("Income:Breakage", "-4.00"),
        ],
    );
}

#[test]
fn what_moves_nothing_has_no_lines() {
    let policy = Policy::default();
    let (before, granted) = given(&account(&[]), &policy, &of(Category::Paid, "10.00"), 1);
    let (before, held) = super::held(&before, &policy, "4.00", day(2));
    assert_eq!(held.untold_lots(), vec![]);
    check(&[granted.clone(), held.clone()], &[]);
    let released = crate::release(&before, &policy, &held, day(2)).unwrap();
    check(&[seal(released, day(2)).1], &[]);
    let captured = crate::capture(&before, &policy, &held, None, day(2)).unwrap();
    check(
        &[granted, seal(captured, day(2)).1],
        &[("Liabilities:StoreCredit:Paid", "4.00"), ("Assets:SalesClearing", "-4.00")],
    );
}

#[test]
fn what_does_not_add_up_is_not_booked() {
    let (_, granted) = given(&account(&[]), &Policy::default(), &of(Category::Paid, "10.00"), 1);
    let book = |entry: &Entry| Booking::of(entry, &Lots::default());
    let wrong = Entry { amount: super::usd("9.99"), ..granted.clone() };
    assert_eq!(book(&wrong), Err(Unbooked::Unbalanced));
    let wrong = Entry { overdraft: Some(super::usd("0.01")), ..granted.clone() };
    assert_eq!(book(&wrong), Err(Unbooked::Unbalanced));
    let wrong = Entry { category: None, ..granted.clone() };
    assert_eq!(book(&wrong), Err(Unbooked::Lot(LotNumber::from(1))));
    let (_, expired) = swept(&account(&[(1, "5.00", Some(2))]), &Policy::default(), day(3));
    let expired = expired.unwrap();
    assert_eq!(expired.untold_lots(), vec![LotNumber::from(1)]);
    assert_eq!(book(&expired), Err(Unbooked::Lot(LotNumber::from(1))));
}

#[test]
fn lines_of_one_account_and_side_are_one() {
    let chart: Chart = serde_json::from_str(
        r#"{"liability_paid": "Liabilities:Credit", "liability_goodwill": "Liabilities:Credit", "sales": "Liabilities:Credit"}"#,
    )
    .unwrap();
    let (before, first) = given(&account(&[]), &Policy::default(), &of(Category::Paid, "10.00"), 1);
    let (before, second) = given(&before, &Policy::default(), &of(Category::Goodwill, "10.00"), 1);
    let (_, spent) = redeemed(&before, &Policy::default(), "15.00", day(2));
    let entries = [first, second, spent];
    let postings = booked(&entries, &entries[2]).unwrap().postings(&chart).unwrap();
    let lines: Vec<_> = postings.iter().map(|line| (&*line.account, line.amount.to_string())).collect();
    // Also where both sides have one name, both are told.
    assert_eq!(
        lines,
        [("Liabilities:Credit", "15.00".to_owned()), ("Liabilities:Credit", "-15.00".to_owned())]
    );
}

/// A grant, and a redemption with texts that every format could stumble over.
fn written(format: BooksFormat, code: &str, reference: &str) -> String {
    let grant = Grant { reference: Some(reference.parse().unwrap()), ..of(Category::Paid, "1000") };
    let (before, granted) = given(&account_in(code, &[]), &Policy::default(), &grant, 1);
    let (id, bought) = (order_id(), order(&[("sub_total", "250", 1)]));
    let change = crate::redeem(&before, &Policy::default(), &id, &bought, None, day(2)).unwrap();
    let entries = [granted, seal(change, day(2)).1];
    let bookings: Vec<_> = entries.iter().map(|entry| booked(&entries, entry).unwrap()).collect();
    format.text(&bookings, &Chart::default(), &"America/New_York".parse().unwrap()).unwrap()
}

#[test]
fn spreadsheets_get_a_row_for_each_line() {
    assert_eq!(
        written(BooksFormat::Csv, "USD", r#"=1+1, "x""#),
        "2025-12-31,2026-01-01T00:00:00Z,alice,USD-1,grant,,\"'=1+1, \"\"x\"\"\",Liabilities:StoreCredit:Paid,-1000.00,USD\r\n\
         2025-12-31,2026-01-01T00:00:00Z,alice,USD-1,grant,,\"'=1+1, \"\"x\"\"\",Assets:Clearing:Unspecified,1000.00,USD\r\n\
         2026-01-01,2026-01-02T00:00:00Z,alice,USD-2,redeem,1002,,Liabilities:StoreCredit:Paid,250.00,USD\r\n\
         2026-01-01,2026-01-02T00:00:00Z,alice,USD-2,redeem,1002,,Assets:SalesClearing,-250.00,USD\r\n"
    );
    for (text, expected) in [
        ("R-17", ",R-17,"),
        ("-R", ",'-R,"),
        ("+1", ",'+1,"),
        ("@x", ",'@x,"),
        (" x", ",\" x\","),
        ("a;b", ",a;b,"),
        ("é 現", ",é 現,"),
    ] {
        assert!(written(BooksFormat::Csv, "USD", text).contains(expected), "{text}");
    }
}

#[test]
fn hledger_gets_a_transaction_for_each_entry() {
    assert_eq!(
        written(BooksFormat::Hledger, "JPY", "a, date:1 ; [2026-99-99]"),
        "
commodity 0. JPY

2025-12-31 (alice/JPY-1) grant
    ; customer:alice, entry:JPY-1, type:grant, at:2026-01-01T00:00:00Z
    ; reference:a  date:1 ; (2026-99-99)
    Liabilities:StoreCredit:Paid  -1000 JPY
    Assets:Clearing:Unspecified  1000 JPY

2026-01-01 (alice/JPY-2) redeem
    ; customer:alice, entry:JPY-2, type:redeem, at:2026-01-02T00:00:00Z
    ; order:1002
    Liabilities:StoreCredit:Paid  250 JPY
    Assets:SalesClearing  -250 JPY
"
    );
    assert!(written(BooksFormat::Hledger, "BHD", "x").contains("\ncommodity 0.000 BHD\n"));
}

#[test]
fn beancount_gets_a_transaction_for_each_entry() {
    assert_eq!(
        written(BooksFormat::Beancount, "BHD", "a \"b\" \\ \u{2028}c"),
        r#"
2025-12-31 * "alice" "grant BHD-1"
  customer: "alice"
  entry: "BHD-1"
  type: "grant"
  at: "2026-01-01T00:00:00Z"
  reference: "a \"b\" \\  c"
  Liabilities:StoreCredit:Paid  -1000.000 BHD
  Assets:Clearing:Unspecified  1000.000 BHD

2026-01-01 * "alice" "redeem BHD-2"
  customer: "alice"
  entry: "BHD-2"
  type: "redeem"
  at: "2026-01-02T00:00:00Z"
  order: "1002"
  Liabilities:StoreCredit:Paid  250.000 BHD
  Assets:SalesClearing  -250.000 BHD
"#
    );
}

/// What the books say after these bookings, by role.
fn balances(bookings: &[Booking]) -> BTreeMap<AccountRole, i64> {
    let mut balances = BTreeMap::new();
    for leg in bookings.iter().flat_map(|booking| &booking.legs) {
        *balances.entry(leg.role).or_default() += leg.amount.minor().unwrap();
    }
    balances.retain(|_, balance| *balance != 0);
    balances
}

/// What the ledger says: what is held by category, booked as expired or not, and what is owed.
fn ledger_says(account: &Account) -> BTreeMap<AccountRole, i64> {
    let mut balances = BTreeMap::new();
    for lot in &account.lots {
        *balances.entry(AccountRole::liability(lot.origin.category)).or_default() -=
            lot.remaining.minor().unwrap();
    }
    if !account.debt.is_zero() {
        balances.insert(AccountRole::Receivable, account.debt.minor().unwrap());
    }
    balances
}

proptest! {
    #![proptest_config(super::cases(256))]

    #[test]
    fn over_any_history_the_books_come_to_what_the_ledger_says(rules in rules(), steps in steps()) {
        let (mut book, mut now) = (Book::new(&rules), 0);
        for (hours, attempt) in steps {
            now += hours;
            let _ = book.attempt(&attempt, moment(now));
        }
        let entries: Vec<Entry> = book.entries.into_iter().map(|(entry, _)| entry).collect();
        let mut replay = Replay::new("alice".parse().unwrap(), Currency::USD);
        let mut bookings = Vec::new();
        for entry in &entries {
            replay.apply(entry).unwrap();
            // One that moves an expiry alone has none.
            if let Some(booking) = booked(&entries, entry).filter(|booking| !booking.legs.is_empty()) {
                prop_assert!(booking.legs.len() >= 2, "{:?}", booking);
                prop_assert!(booking.legs.iter().all(|leg| !leg.amount.is_zero()), "{:?}", booking);
                let zero = Money::zero(Currency::USD);
                let sum = |amounts: Vec<Money>| Money::sum(Currency::USD, amounts).unwrap();
                prop_assert_eq!(sum(booking.legs.iter().map(|leg| leg.amount).collect()), zero);
                let postings = booking.postings(&Chart::default()).unwrap();
                prop_assert_eq!(sum(postings.iter().map(|line| line.amount).collect()), zero);
                bookings.push(booking);
            }
            let mut books = balances(&bookings);
            books.retain(|role, _| role.held().is_some() || *role == AccountRole::Receivable);
            prop_assert_eq!(&books, &ledger_says(replay.account()), "after {:?}", entry);
            let balance: i64 = books.values().map(|debit| -debit).sum();
            prop_assert_eq!(balance, entry.balance_after.minor().unwrap());
        }
    }
}
