//! What is stored beside entries, and is not what they say.

use std::collections::BTreeMap;

use super::{day, goodwill, held, policy, redeemed, refunded, seal_by, usd};
use crate::{Account, Audit, Beside, Currency, Entry, Flaw, Grant, Hash, LotExpiry, Money, Role};

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
