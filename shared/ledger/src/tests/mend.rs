//! What follows from entries where something else is stored, and what does not.

use std::collections::BTreeMap;

use super::{actor, day, goodwill, policy, redeemed, refunded, seal_by, usd};
use crate::{
    Account, Audit, Beside, Currency, Entry, Flaw, Hash, Mended, Money, Resolution, Role, SALT, Seal, Topup,
    TopupStatus,
};

/// The account after each of its entries, before the first too; a grant, a redemption, a refund of it.
fn story() -> (Vec<Account>, Vec<Entry>) {
    let policy = policy("{}");
    let empty = Account::new("alice".parse().unwrap(), Currency::USD);
    let granted = crate::grant(&empty, &policy, &goodwill("30"), Role::Admin, day(1)).unwrap();
    let (one, first) = seal_by(&policy, granted, day(1));
    let (two, spent) = redeemed(&one, &policy, "12", day(2));
    let (three, back) = refunded(&two, &policy, &spent, "4", day(3));
    (vec![empty, one, two, three], vec![first, spent, back])
}

fn mended(
    entries: &[Entry],
    account: Option<&Account>,
    topups: &[Topup],
    refunds: &BTreeMap<u64, Money>,
    roll_back: bool,
) -> Mended {
    let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
    audit.mark(account.map_or(0, |account| account.number));
    entries.iter().for_each(|entry| audit.take(entry));
    audit.mend(Beside { account, topups, refunds, at: day(3) }, roll_back)
}

fn codes(mended: &Mended) -> Vec<Flaw> {
    mended.left.iter().map(|left| left.finding.code).collect()
}

#[test]
fn an_account_that_is_behind_its_entries_is_brought_to_the_last() {
    let (accounts, entries) = story();
    let refunds = BTreeMap::from([(2, usd("4"))]);
    let last = accounts.last().unwrap();
    for account in [None].into_iter().chain(accounts.iter().map(Some)) {
        let mended = mended(&entries, account, &[], &refunds, false);
        assert_eq!(codes(&mended), []);
        match mended.account {
            Some(mend) => assert_eq!(mend.to, *last),
            None => assert_eq!(account, Some(last)),
        }
    }
    // What drifted at its last entry follows as well, its number too: the hash tells which entry it is at.
    for spoil in [
        |account: &mut Account| account.lots.clear(),
        |account: &mut Account| account.lifetime.redeemed = usd("1"),
        |account: &mut Account| account.number = 2,
        |account: &mut Account| account.number = 9,
    ] {
        let mut account = last.clone();
        spoil(&mut account);
        let mended = mended(&entries, Some(&account), &[], &refunds, false);
        assert_eq!((mended.account.map(|mend| mend.to), mended.left), (Some(last.clone()), vec![]));
    }
}

#[test]
fn an_account_that_is_ahead_is_left_until_somebody_decides() {
    let (accounts, entries) = story();
    let (before, ahead) = (accounts.get(2).unwrap(), accounts.get(3));
    let refunds = BTreeMap::from([(2, usd("4"))]);
    let some = entries.get(..2).unwrap();
    let left = mended(some, ahead, &[], &refunds, false);
    assert_eq!((&left.account, left.refunds.len(), left.given_up), (&None, 0, false));
    assert_eq!(codes(&left), [Flaw::RefundsDiffer, Flaw::AccountNumber]);
    let why = &left.left.last().unwrap().why;
    assert!(why.contains("entry 3 is missing") && why.contains("balance is 22.00, without 18.00"), "{why}");
    assert!(why.contains("refunded 4.00, not 0.00"), "{why}");

    let back = mended(some, ahead, &[], &refunds, true);
    assert_eq!((codes(&back), back.given_up), (vec![], true));
    assert_eq!(back.refunds.iter().map(|mend| mend.to).collect::<Vec<_>>(), [(2, usd("0"))]);
    let mend = back.account.unwrap();
    assert!(mend.to == *before && mend.why.contains("Given up"), "{}", mend.why);
    // To roll back what is not ahead does nothing.
    assert_eq!(mended(some, Some(before), &[], &BTreeMap::new(), true), Mended::default());
}

#[test]
fn nothing_follows_from_entries_that_do_not_follow() {
    let (accounts, entries) = story();
    let last = accounts.last();
    let refunds = BTreeMap::from([(2, usd("4"))]);
    let mut gap = entries.clone();
    gap.remove(1);
    let mut forged = last.unwrap().clone();
    forged.hash = Hash::ZERO;
    for (entries, account) in [(&gap, accounts.get(1)), (&gap, None), (&entries, Some(&forged))] {
        for roll_back in [false, true] {
            let mended = mended(entries, account, &[], &refunds, roll_back);
            assert_eq!((&mended.account, mended.refunds.len(), mended.given_up), (&None, 0, false));
            assert!(!mended.left.is_empty());
        }
    }
}

#[test]
fn a_topup_ends_as_its_entry_says_and_an_approval_without_one_is_left() {
    let policy = policy("{}");
    let empty = Account::new("alice".parse().unwrap(), Currency::USD);
    let request = super::topup::request("20");
    let id = "USD-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let by = actor(Role::Customer, "alice");
    let crate::Asked::Waits(waiting, pending) =
        crate::request_topup(&empty, &policy, &request, id, by, day(1)).unwrap()
    else {
        panic!("it does not wait")
    };
    let admin = actor(Role::Admin, "desk");
    let (change, approved) =
        crate::approve(&waiting, &policy, &pending, None, admin.clone(), day(2)).unwrap();
    let seal = Seal { actor: admin, at: day(2), policy_version: 0, customer_version: None, salt: [0; SALT] };
    let (account, entry, _) = change.seal(&policy, seal).unwrap();
    let none = BTreeMap::new();
    let entries = [entry];

    let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
    entries.iter().for_each(|entry| audit.take(entry));
    assert_eq!(audit.topups_missing(&[]), std::slice::from_ref(&approved.id));
    assert_eq!(audit.topups_missing(std::slice::from_ref(&approved)), []);
    // Neither the account nor the request arrived.
    let both = mended(&entries, Some(&waiting), std::slice::from_ref(&pending), &none, false);
    assert_eq!(codes(&both), []);
    assert_eq!(both.topups.first().unwrap().to, approved);
    assert_eq!(both.account.unwrap().to, account);
    // One that says another amount is told by its entry.
    let mut less = approved.clone();
    less.resolution = less.resolution.map(|end| Resolution { credited: None, ..end });
    let told = mended(&entries, Some(&account), &[less], &none, false);
    assert_eq!(told.topups.first().unwrap().to, approved);
    // One that is right already is not written, whatever else is.
    let behind = mended(&entries, Some(&waiting), std::slice::from_ref(&approved), &none, false);
    assert_eq!(
        (codes(&behind), behind.topups, behind.account.unwrap().to),
        (vec![], vec![], account.clone())
    );
    // One of less than its entry credits is not the one that was asked for.
    let small = Topup { amount: usd("19.99"), ..pending.clone() };
    let small = mended(&entries, Some(&account), &[small], &none, false);
    assert!(small.topups.is_empty() && codes(&small).contains(&Flaw::TopupDiffers), "{small:?}");
    // Another end than the entry's is nobody's to choose.
    let rejected = Topup { status: TopupStatus::Rejected, ..approved.clone() };
    let told = mended(&entries, Some(&account), &[rejected], &none, true);
    // The account is right, and not written for what is wrong beside it.
    assert_eq!((codes(&told), told.account), (vec![Flaw::TopupDiffers], None));
    // Without its entry it stays, and its account counts it no more; given up, it waits again.
    let left = mended(&[], Some(&waiting), std::slice::from_ref(&approved), &none, false);
    assert_eq!((codes(&left), left.given_up), (vec![Flaw::TopupUncredited], false));
    let back = mended(&[], Some(&waiting), std::slice::from_ref(&approved), &none, true);
    assert_eq!((codes(&back), back.given_up), (vec![], true));
    assert_eq!(back.topups.first().unwrap().to, pending);
    assert_eq!(back.account, None);
    // A request whose account did not arrive makes one that counts it.
    let first = mended(&[], None, std::slice::from_ref(&pending), &none, false);
    assert_eq!(first.account.unwrap().to.pending, usd("20"));
}

#[test]
fn whatever_is_left_has_a_reason_in_words() {
    for flaw in Flaw::ALL {
        assert!(flaw.why_left().len() > 20, "{flaw:?}");
    }
}

#[test]
fn entries_follow_unless_what_one_says_is_in_doubt() {
    let (_, entries) = story();
    for (flaw, follows) in [(Flaw::KeyDrift, true), (Flaw::IndexDrift, true), (Flaw::TextAltered, false)] {
        let mut audit = Audit::new("alice".parse().unwrap(), Currency::USD);
        entries.iter().for_each(|entry| audit.take(entry));
        audit.find(Some(entries[1].id()), flaw, "so it is".to_owned());
        assert_eq!(audit.follows(), follows, "{flaw:?}");
    }
}

#[test]
fn a_topup_that_the_settings_approved_is_told_by_its_entry() {
    let policy = policy(r#"{"topup_approval": "automatic"}"#);
    let empty = Account::new("alice".parse().unwrap(), Currency::USD);
    let id = "USD-AAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
    let by = actor(Role::Customer, "alice");
    let request = super::topup::request("20");
    let crate::Asked::Credited(change, topup) =
        crate::request_topup(&empty, &policy, &request, id, by.clone(), day(1)).unwrap()
    else {
        panic!("it waits")
    };
    let seal = Seal { actor: by, at: day(1), policy_version: 0, customer_version: None, salt: [0; SALT] };
    let (_, entry, _) = change.seal(&policy, seal).unwrap();
    // When it would have lapsed no entry says.
    assert_eq!(crate::automatic_topup(&entry), Some(Topup { lapses_at: None, ..topup }));
    assert_eq!(crate::automatic_topup(&story().1[0]), None);
}
