//! No text and no amount makes the ledger panic: it answers exactly, or it refuses.
#![expect(
    clippy::arithmetic_side_effects,
    reason = "what is expected is counted in 128 bits, far from their bounds"
)]

use std::{fmt, str::FromStr};

use proptest::prelude::*;

use super::{account_in, actor, currency, day, goodwill, order, policy, sealing};
use crate::{
    Account, Amount, Category, Currency, CustomerId, Entry, EntryId, Grant, Hash, IdempotencyKey, Label,
    LotExpiry, LotId, LotNumber, MAX_OPEN_LOTS, Money, Note, OutOfRange, Payment, PaymentMode, Percent,
    Policy, Refusal, Role, SignedAmount, Sweep, Texts, TopupId, TopupRequest, Withdrawal, Zone, approve,
    capture, debit, expire, quote, redeem, refund, request_topup, void_lot, withdraw,
};

/// The largest amount of a currency with four decimals, than which none counts higher.
const LARGEST: &str = "999999999999.9999";
const FOUR_DECIMALS: &str = "CLF";

const POLICIES: &[&str] = &[
    r#"{"currency":"EUR","time_zone":"Europe/Paris","enabled":true,"consumption_order":"expiring_first"}"#,
    r#"{"usage_limit":{"type":"percent","maximum":"25"},"usage_base":"subtotal_only","sort_order":9}"#,
    r#"{"usage_limit":{"type":"fixed","maximum":{"USD":"50.00"}},"balance_limit":{"USD":"1","JPY":"1"}}"#,
    r#"{"topup_min":null,"topup_methods":["cash"],"expiry_days":{"promotional":90,"goodwill":90}}"#,
];

/// Texts of any characters, and of those that the ledger's own forms are made of.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(?s).{0,60}",
        "[-+0-9.,eE]{0,60}",
        "[A-Z]{3}-[0-9A-Za-z_-]{0,30}",
        "[A-Za-z_]{2,12}/[A-Za-z_+-]{2,12}"
    ]
}

/// One of these texts with a few of its characters replaced.
fn damaged(texts: Vec<String>) -> impl Strategy<Value = String> {
    let other = prop_oneof!["(?s).{0,4}", r#"[-0-9."{}\[\],:nul]{0,4}"#];
    (prop::sample::select(texts), any::<prop::sample::Index>(), 0..6_usize, other).prop_map(
        |(text, at, length, other)| {
            let text: Vec<char> = text.chars().collect();
            let (before, after) = text.split_at(at.index(text.len()));
            before.iter().copied().chain(other.chars()).chain(after.iter().skip(length).copied()).collect()
        },
    )
}

fn policies() -> Vec<String> {
    POLICIES.iter().map(|&policy| policy.to_owned()).collect()
}

fn contents() -> Vec<String> {
    let stored = super::entry::STORED.into_iter().chain(super::entry::stored_2());
    stored.map(|(content, _)| content.to_owned()).collect()
}

/// What a text is read as, is written as a text that is read as the same.
#[track_caller]
fn check<T: FromStr<Err: fmt::Debug> + fmt::Display + fmt::Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value, "{text:?}");
    }
}

#[track_caller]
fn check_policy(text: &str) {
    if let Ok(policy) = serde_json::from_str::<Policy>(text) {
        let written = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&written).unwrap(), policy, "{text}");
    }
}

#[track_caller]
fn check_content(text: &str) {
    if let Ok(entry) = Entry::read(text, Hash::ZERO, Texts::default()) {
        let written = entry.content().unwrap();
        assert_eq!(Entry::read(&written, Hash::ZERO, Texts::default()).unwrap(), entry, "{text}");
    }
}

/// That this overflows the account's totals or numbers, which is what is left of an account that works.
#[track_caller]
fn check_full(change: impl FnOnce(&mut Account), rule: impl Fn(&Account) -> Result<(), Refusal>) {
    let mut account = account_in("USD", &[(1, "10", Some(9))]);
    assert_eq!(rule(&account), Ok(()));
    change(&mut account);
    assert_eq!(rule(&account), Err(Refusal::OutOfRange(OutOfRange)));
}

proptest! {
    #![proptest_config(super::cases(1024))]

    #[test]
    fn any_text_is_read_or_refused(text in text()) {
        check::<Amount>(&text);
        check::<SignedAmount>(&text);
        check::<Percent>(&text);
        check::<Currency>(&text);
        check::<CustomerId>(&text);
        check::<EntryId>(&text);
        check::<LotId>(&text);
        check::<LotNumber>(&text);
        check::<IdempotencyKey>(&text);
        check::<TopupId>(&text);
        check::<Label>(&text);
        check::<Note>(&text);
        check::<Zone>(&text);
        check::<Hash>(&text);
        check_policy(&text);
        check_content(&text);
    }

    #[test]
    fn a_damaged_policy_is_read_or_refused(text in damaged(policies())) {
        check_policy(&text);
    }

    #[test]
    fn a_damaged_content_is_read_or_refused(text in damaged(contents())) {
        check_content(&text);
    }

    #[test]
    fn sums_are_exact_or_out_of_range(a: i64, b: i64, code in prop::sample::select(vec!["JPY", "USD", "BHD", "CLF"])) {
        let (left, right) = (Money::from_minor(a, currency(code)), Money::from_minor(b, currency(code)));
        prop_assert_eq!(left.plus(right).and_then(Money::minor), a.checked_add(b).ok_or(OutOfRange));
        prop_assert_eq!(left.minus(right).and_then(Money::minor), a.checked_sub(b).ok_or(OutOfRange));
        prop_assert_eq!(left.minus(left).unwrap().to_string(), Money::zero(currency(code)).to_string());
    }

    #[test]
    fn shares_are_exact(
        minor: i64,
        ten_thousandths in 1..=1_000_000_i64,
        code in prop::sample::select(vec!["JPY", "USD", "BHD", "CLF"]),
    ) {
        let percent: Percent = format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000).parse().unwrap();
        let share = percent.of(Money::from_minor(minor, currency(code))).and_then(Money::minor).unwrap();
        prop_assert_eq!(i128::from(share), i128::from(minor) * i128::from(ten_thousandths) / 1_000_000);
    }
}

#[test]
fn as_many_of_the_largest_amounts_as_an_account_holds_add_up() {
    let full = account_in(FOUR_DECIMALS, &[(1, LARGEST, Some(9)); MAX_OPEN_LOTS]);
    assert_eq!(full.balance().unwrap().to_string(), "499999999999999.9500");

    let order = order(&[("sub_total", LARGEST, 1); MAX_OPEN_LOTS]);
    let nearly_all = policy(r#"{"usage_limit": {"type": "percent", "maximum": "99.9999"}}"#);
    let change = redeem(&full, &nearly_all, &"1002".parse().unwrap(), &order, None, day(2)).unwrap();
    let (after, entry, _) = change.seal(&nearly_all, sealing(day(2))).unwrap();
    assert_eq!(entry.amount.to_string(), "-499999499999999.9500");

    let Sweep::Due(change) = expire(&after, &nearly_all, day(9)).unwrap() else { panic!("nothing is due") };
    assert_eq!(change.line.amount.to_string(), "-500000000.0000");
}

#[test]
fn an_order_beyond_all_trade_is_out_of_range() {
    let account = account_in(FOUR_DECIMALS, &[(1, LARGEST, None)]);
    let order = order(&vec![("sub_total", LARGEST, 1); 1000]);
    assert_eq!(quote(&account, &policy("{}"), &order, None, day(2)), Err(Refusal::OutOfRange(OutOfRange)));
}

#[test]
fn totals_and_numbers_that_are_full_refuse_what_would_not_fit() {
    let most = Money::from_minor(i64::MAX, Currency::USD);
    let rules = policy("{}");
    let granted = |account: &Account| {
        crate::grant(account, &rules, &goodwill("1"), Role::Store, day(2))?.seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let redeemed = |account: &Account| {
        let order = order(&[("sub_total", "1", 1)]);
        redeem(account, &rules, &"1002".parse().unwrap(), &order, None, day(2))?
            .seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let topped_up = |account: &Account| {
        let payment =
            Payment { mode: PaymentMode::Online, method: "stripe".parse().unwrap(), reference: None };
        let request = TopupRequest { amount: "1".parse().unwrap(), payment, reference: None };
        let id = "USD-3q2-7wAAAAAAAAAAAAAAAA".parse().unwrap();
        let (account, topup) = super::waiting(request_topup(
            account,
            &rules,
            &request,
            id,
            actor(Role::Customer, "alice"),
            day(2),
        )?);
        let (change, _) = approve(&account, &rules, &topup, None, actor(Role::Admin, "key-1"), day(2))?;
        change.seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let refunded = |account: &Account| {
        let (account, spent) = super::redeemed(account, &rules, "1", day(2));
        refund(&account, &rules, &spent, Money::zero(Currency::USD), None, day(2))?
            .seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let withdrawn = |account: &Account| {
        let (amount, journal) = ("1".parse().unwrap(), "cash".parse().unwrap());
        let withdrawal = Withdrawal { amount, journal, reference: None, note: None };
        let any = policy(r#"{"withdrawable": ["goodwill"]}"#);
        withdraw(account, &any, &withdrawal, Role::Store, day(2))?.seal(&any, sealing(day(2)))?;
        Ok(())
    };
    let debited = |account: &Account| {
        let (amount, reason) = ("1".parse().unwrap(), "a mistake".parse().unwrap());
        debit(account, &rules, amount, &reason, None, day(2))?.seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let voided = |account: &Account| {
        void_lot(account, &rules, 1.into(), &"a mistake".parse().unwrap(), day(2))?
            .seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let held = |account: &Account| {
        super::reserve(account, &rules, "1", day(2))?.seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let captured = |account: &Account| {
        let (account, hold) = super::held(account, &rules, "1", day(2));
        capture(&account, &rules, &hold, None, day(2))?.seal(&rules, sealing(day(2)))?;
        Ok(())
    };
    let owed = |account: &Account| {
        let overdraft = policy(r#"{"overdraft_limit": {"USD": "999999999999"}}"#);
        let large = order(&[("sub_total", "999999999999", 1)]);
        let amount = Some("11".parse().unwrap());
        redeem(account, &overdraft, &"1002".parse().unwrap(), &large, amount, day(2))?
            .seal(&overdraft, sealing(day(2)))?;
        Ok(())
    };
    let expired = |account: &Account| {
        let Sweep::Due(change) = expire(account, &rules, day(9))? else { panic!("nothing is due") };
        change.seal(&rules, sealing(day(9)))?;
        Ok(())
    };

    check_full(|account| account.lifetime.granted = most, granted);
    check_full(|account| account.lifetime.redeemed = most, redeemed);
    check_full(|account| account.lifetime.topped_up = most, topped_up);
    check_full(|account| account.lifetime.expired = most, expired);
    check_full(|account| account.lifetime.refunded = most, refunded);
    check_full(|account| account.lifetime.withdrawn = most, withdrawn);
    check_full(|account| account.lifetime.debited = most, debited);
    check_full(|account| account.lifetime.debited = most, voided);
    check_full(|account| account.lifetime.redeemed = most, captured);
    check_full(|account| account.lots[0].remaining = most, owed);
    check_full(|account| account.pending = most, topped_up);
    check_full(|account| account.lots[0].remaining = most, granted);
    check_full(|account| account.lots[0].remaining = most, topped_up);
    check_full(|account| account.number = u64::MAX, granted);
    check_full(|account| account.number = u64::MAX, redeemed);
    check_full(|account| account.number = u64::MAX, topped_up);
    check_full(|account| account.number = u64::MAX, expired);
    check_full(|account| account.number = u64::MAX, withdrawn);
    check_full(|account| account.number = u64::MAX, debited);
    check_full(|account| account.number = u64::MAX, voided);
    check_full(|account| account.number = u64::MAX, held);
}

#[test]
fn the_last_of_all_moments_is_no_trouble() {
    let last = jiff::Timestamp::MAX;
    let hundred_years = policy(r#"{"expiry_days": 36500}"#);
    let account = account_in("USD", &[]);
    let change = crate::grant(&account, &hundred_years, &goodwill("1"), Role::Store, last).unwrap();
    assert_eq!(change.line.expires_at, None);
    // The ledger counts in milliseconds, and the calendar ends within one.
    let message = "must be a moment before the calendar ends, in the year 9999".to_owned();
    let beyond = Refusal::Invalid { field: "expires_at".to_owned(), message };
    let grant = Grant { category: Category::Paid, expiry: Some(LotExpiry::At(last)), ..goodwill("1") };
    assert_eq!(crate::grant(&account, &hundred_years, &grant, Role::Store, day(1)), Err(beyond));
    let grant = Grant { expiry: Some(LotExpiry::At(super::time("9999-12-30T22:00:00Z"))), ..grant };
    assert_eq!(crate::grant(&account, &hundred_years, &grant, Role::Store, last), Err(Refusal::ExpiryInPast));
    let full = account_in("USD", &[(1, "10", None), (1, "10", Some(5))]);
    assert_eq!(super::reserve(&full, &policy("{}"), "1", last), Err(Refusal::OutOfRange(OutOfRange)));
    let (spent, redemption) = super::redeemed(&full, &policy("{}"), "20", day(2));
    let refunded = refund(&spent, &policy("{}"), &redemption, Money::zero(Currency::USD), None, last);
    assert_eq!(refunded, Err(Refusal::OutOfRange(OutOfRange)));
    assert!(crate::grant(&account, &hundred_years, &grant, Role::Store, day(1)).is_ok());
}
