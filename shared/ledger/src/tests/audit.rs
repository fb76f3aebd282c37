//! What is stored beside entries, and is not what they say.

use std::{collections::BTreeMap, slice};

use super::{actor, day, goodwill, held, policy, redeemed, refunded, seal_by, usd, waiting};
use crate::{
    Account, Audit, Beside, Booked, Currency, Entry, Finding, Flaw, Grant, Hash, LotExpiry, Money, Payment,
    PaymentMode, Policy, Role, Topup, TopupRequest, TopupStatus, Versions, approve, request_topup,
};

/// An account with all of its entries, and what is noted as given back.
fn story() -> (Account, Vec<Entry>, BTreeMap<u64, Money>) {
    let policy = policy(r#"{"overdraft_limit": {"USD": "100.00"}}"#);
    let account = Account::new("alice".parse().unwrap(), Currency::USD);
    let grant = Grant { expiry: Some(LotExpiry::At(day(20))), ..goodwill("30") };
    let granted = crate::grant(&account, &policy, &grant, Role::Admin, day(1)).unwrap();
    let (account, first) = seal_by(&policy, granted, day(1));
    let (account, spent) = redeemed(&account, &policy, "12", day(2));
    let (account, reserved) = held(&account, &policy, "5", day(3));
    let (account, back) = refunded(&account, &policy, &spent, "4", day(3));
    let refunds = BTreeMap::from([(spent.number, usd("4"))]);
    (account, vec![first, spent, reserved, back], refunds)
}

fn codes(entries: &[Entry], account: Option<&Account>, refunds: &BTreeMap<u64, Money>) -> Vec<Flaw> {
    let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
    entries.iter().for_each(|entry| audit.take(entry));
    let findings = audit.findings(Beside { account, topups: &[], refunds, at: day(3) });
    findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn what_follows_is_sound() {
    let (account, entries, refunds) = story();
    assert_eq!(codes(&entries, Some(&account), &refunds), []);
    assert_eq!(codes(&[], None, &BTreeMap::new()), []);
}

#[test]
fn each_part_of_an_account_is_told_by_its_own_name() {
    type Spoil = fn(&mut Account);
    let cases: [(Flaw, Spoil); 10] = [
        (Flaw::AccountNumber, |account| account.number = 3),
        (Flaw::AccountHash, |account| account.hash = Hash::ZERO),
        (Flaw::AccountHash, |account| account.at = day(4)),
        (Flaw::AccountBalance, |account| account.debt = usd("1")),
        (Flaw::AccountLots, |account| {
            account.lots.iter_mut().for_each(|lot| lot.origin.source = Role::Store)
        }),
        (Flaw::AccountHolds, |account| account.holds.clear()),
        (Flaw::AccountDebt, |account| account.debt = usd("1")),
        (Flaw::AccountTotals, |account| account.lifetime.by_admin = usd("1")),
        (Flaw::AccountPending, |account| account.pending = usd("1")),
        (Flaw::AccountExpiry, |account| account.expiry_bound = Some(day(21))),
    ];
    for (code, spoil) in cases {
        let (mut account, entries, refunds) = story();
        spoil(&mut account);
        let found = codes(&entries, Some(&account), &refunds);
        assert!(found.contains(&code), "{code}: {found:?}");
    }
    let (_, entries, refunds) = story();
    assert_eq!(codes(&entries, None, &refunds), [Flaw::AccountMissing]);
    let (account, entries, _) = story();
    assert_eq!(codes(&entries, Some(&account), &BTreeMap::new()), [Flaw::RefundsDiffer]);
}

#[test]
fn entries_are_told_of_one_by_one_after_the_first_that_does_not_follow() {
    let (account, entries, refunds) = story();
    let mut missing = entries.clone();
    missing.remove(1);
    let found = codes(&missing, Some(&account), &refunds);
    assert_eq!(found, [Flaw::EntryMissing]);

    let mut repeated = entries.clone();
    repeated.insert(2, entries.get(1).unwrap().clone());
    assert_eq!(codes(&repeated, Some(&account), &refunds), [Flaw::EntryRepeated]);

    let mut altered = entries.clone();
    altered.get_mut(1).unwrap().amount = usd("-1");
    altered.get_mut(3).unwrap().prev_hash = Hash::ZERO;
    assert_eq!(codes(&altered, Some(&account), &refunds), [Flaw::HashMismatch, Flaw::ChainBroken]);

    let mut cut = entries;
    cut.pop();
    assert_eq!(codes(&cut, Some(&account), &refunds), [Flaw::RefundsDiffer, Flaw::AccountNumber]);
}

#[test]
fn what_was_taken_in_is_counted_once() {
    let (account, entries, refunds) = story();
    let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
    assert_eq!((audit.number(), audit.entries(), audit.booked()), (0, 0, Booked::default()));
    // The last one twice: it is told of, and moves nothing.
    entries.iter().chain(entries.last()).for_each(|entry| audit.take(entry));
    assert_eq!((audit.number(), audit.hash(), audit.entries()), (4, account.hash, 5));
    // 30.00 granted and 4.00 given back; 12.00 spent. What is held is neither.
    let booked = Booked { brought: 3_400, taken: 1_200 };
    assert_eq!(audit.booked(), booked);
    assert_eq!(booked.and(Booked { brought: 1, taken: 2 }), Booked { brought: 3_401, taken: 1_202 });
    assert_eq!(audit.decided_by(), Versions { settings: 3, customer: 0 });
    let beside = Beside { account: Some(&account), topups: &[], refunds: &refunds, at: day(3) };
    let codes: Vec<_> = audit.findings(beside).into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [Flaw::EntryRepeated]);
}

#[test]
fn an_account_before_its_first_entry_is_of_no_time() {
    let account = Account { at: day(1), ..Account::new("alice".parse().unwrap(), Currency::USD) };
    assert_eq!(codes(&[], Some(&account), &BTreeMap::new()), []);
}

#[test]
fn some_flaws_are_of_one_item_and_some_may_be_haste() {
    let words = |is: fn(Flaw) -> bool| -> Vec<_> {
        Flaw::ALL.iter().copied().filter(|flaw| is(*flaw)).map(Flaw::word).collect()
    };
    let of_one = [
        "unreadable",
        "hash_mismatch",
        "text_altered",
        "key_drift",
        "index_drift",
        "unknown_item",
        "item_repeated",
    ];
    let mut told = words(Flaw::is_of_one_item);
    told.sort_unstable();
    let mut expected = of_one.to_vec();
    expected.sort_unstable();
    assert_eq!(told, expected);
    let mut told = words(Flaw::may_be_haste);
    told.sort_unstable();
    assert_eq!(
        told,
        [
            "account_missing",
            "account_pending",
            "imports_differ",
            "refunds_differ",
            "rules_missing",
            "topup_differs",
            "topup_missing",
            "topup_uncredited"
        ]
    );
}

#[test]
fn a_hundred_things_are_told_of_each_entry_s_once() {
    let (_, entries, _) = story();
    let none = BTreeMap::new();
    let beside = Beside { account: None, topups: &[], refunds: &none, at: day(3) };
    let id = entries.first().unwrap().id();
    let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
    audit.find(Some(id), Flaw::KeyDrift, "first".to_owned());
    audit.find(Some(id), Flaw::KeyDrift, "again".to_owned());
    audit.find(Some(id), Flaw::IndexDrift, "another".to_owned());
    let details = |found: Vec<Finding>| found.into_iter().map(|finding| finding.detail).collect::<Vec<_>>();
    assert_eq!(details(audit.findings(beside)), ["first", "another"]);
    // What is about no entry is told each time.
    for number in 0..200 {
        audit.find(None, Flaw::Unreadable, number.to_string());
    }
    let told = details(audit.findings(beside));
    assert_eq!((told.len(), told.last().map(String::as_str)), (100, Some("97")));
}

#[test]
fn the_first_lot_that_differs_is_told_of() {
    let (mut account, entries, refunds) = story();
    let mut second = account.lots.first().unwrap().clone();
    second.number.entry = 9;
    account.lots.push(second);
    let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
    entries.iter().for_each(|entry| audit.take(entry));
    let findings =
        audit.findings(Beside { account: Some(&account), topups: &[], refunds: &refunds, at: day(3) });
    let lots = findings.iter().find(|finding| finding.code == Flaw::AccountLots).unwrap();
    assert_eq!(lots.detail, "the account has lot 9 with 22.00 where none follows");
}

/// A top-up that was approved, with its entry and the account since.
fn credited() -> (Account, Entry, Topup) {
    let account = Account::new("alice".parse().unwrap(), Currency::USD);
    let payment = Payment { mode: PaymentMode::Online, method: "stripe".parse().unwrap(), reference: None };
    let request = TopupRequest { amount: "50".parse().unwrap(), payment, reference: None };
    let id = "USD-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let asked =
        request_topup(&account, &Policy::default(), &request, id, actor(Role::Store, "key-2"), day(1));
    let (account, topup) = waiting(asked.unwrap());
    let paid = Some("40".parse().unwrap());
    let approved = approve(&account, &Policy::default(), &topup, paid, actor(Role::Admin, "key-1"), day(2));
    let (change, topup) = approved.unwrap();
    let (account, entry) = seal_by(&Policy::default(), change, day(2));
    (account, entry, topup)
}

#[test]
fn each_top_up_says_what_its_entry_does() {
    let (account, entry, topup) = credited();
    let codes = |entries: &[&Entry], topups: &[Topup]| -> Vec<Flaw> {
        let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
        entries.iter().for_each(|entry| audit.take(entry));
        let account = (!entries.is_empty()).then_some(&account);
        let findings = audit.findings(Beside { account, topups, refunds: &BTreeMap::new(), at: day(3) });
        findings.into_iter().map(|finding| finding.code).collect()
    };
    let spoiled = |spoil: fn(&mut Topup)| {
        let mut topup = topup.clone();
        spoil(&mut topup);
        codes(&[&entry], &[topup])
    };
    assert_eq!(codes(&[&entry], slice::from_ref(&topup)), []);
    assert_eq!(spoiled(|topup| topup.amount = usd("40")), []);
    assert_eq!(spoiled(|topup| topup.amount = usd("39.99")), [Flaw::TopupDiffers]);
    assert_eq!(spoiled(|topup| topup.status = TopupStatus::Rejected), [Flaw::TopupDiffers]);
    assert_eq!(spoiled(|topup| topup.resolution = None), [Flaw::TopupUncredited]);
    let told = |topup: &mut Topup, amount, entry: &str| {
        topup.resolution.as_mut().unwrap().credited = Some((usd(amount), entry.parse().unwrap()));
    };
    let mut other = topup.clone();
    told(&mut other, "41", "USD-1");
    assert_eq!(codes(&[&entry], &[other.clone()]), [Flaw::TopupDiffers]);
    told(&mut other, "40", "USD-2");
    assert_eq!(codes(&[&entry], &[other]), [Flaw::TopupDiffers]);
    assert_eq!(codes(&[&entry], &[]), [Flaw::TopupMissing]);
    assert_eq!(codes(&[], slice::from_ref(&topup)), [Flaw::TopupUncredited]);
    // Another currency's is another account's.
    assert_eq!(
        spoiled(|topup| topup.id = "EUR-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap()),
        [Flaw::TopupMissing]
    );
    let mut elsewhere = topup;
    elsewhere.id = "EUR-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    assert_eq!(codes(&[], &[elsewhere]), []);
}

#[test]
fn an_account_counts_the_requests_that_wait_in_its_currency() {
    let (account, entry, topup) = credited();
    let request =
        |id: &str, status| Topup { id: id.parse().unwrap(), status, resolution: None, ..topup.clone() };
    let pending = |id: &str| request(id, TopupStatus::Pending);
    let codes = |account: &Account, others: &[Topup]| -> Vec<Flaw> {
        let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
        audit.take(&entry);
        let topups = [slice::from_ref(&topup), others].concat();
        let beside =
            Beside { account: Some(account), topups: &topups, refunds: &BTreeMap::new(), at: day(3) };
        audit.findings(beside).into_iter().map(|finding| finding.code).collect()
    };
    let lapses_at = topup.lapses_at.unwrap();
    let counts = Account { pending: usd("50"), lapses: vec![(lapses_at, usd("50"))], ..account.clone() };
    let waits = pending("USD-BBBBBBBBBBBBBBBBBBBBBB");
    assert_eq!(codes(&counts, slice::from_ref(&waits)), []);
    assert_eq!(codes(&account, slice::from_ref(&waits)), [Flaw::AccountPending]);
    assert_eq!(codes(&counts, &[]), [Flaw::AccountPending]);
    // What was rejected does not wait, and another currency's is another account's.
    let rejected = request("USD-CCCCCCCCCCCCCCCCCCCCCC", TopupStatus::Rejected);
    let elsewhere = pending("EUR-BBBBBBBBBBBBBBBBBBBBBB");
    assert_eq!(codes(&counts, &[waits.clone(), rejected, elsewhere]), []);
    // The same amount, and another moment.
    let later = Topup { lapses_at: Some(day(30)), ..waits };
    assert_eq!(codes(&counts, &[later]), [Flaw::AccountPending]);
}
