//! An account rebuilt from its entries, and entries that do not follow from those before.
#![expect(clippy::arithmetic_side_effects, reason = "places and moments of a short history")]

use jiff::Timestamp;
use proptest::prelude::*;

use super::{
    actor, day, goodwill, large_order, laws, left, order_id, owned, policy, sealing, swept, time, usd,
};
use crate::{
    Account, Change, Currency, Drift, Entry, EntryType, FreeText, Grant, Hash, Hold, LotExpiry, LotNumber,
    Money, Note, Payment, PaymentMode, Policy, Replay, Role, TopupRequest, Withdrawal, approve, capture,
    change_expiry, debit, hold, reach_back, redeem, refund, release, request_topup, void_lot, withdraw,
};

/// An account as the rules leave it, beside all of its entries.
struct Story {
    policy: Policy,
    account: Account,
    entries: Vec<Entry>,
}

impl Story {
    fn new(settings: &str) -> Self {
        let account = Account::new("alice".parse().unwrap(), Currency::USD);
        Self { policy: policy(settings), account, entries: Vec::new() }
    }

    /// Books what a rule decides, on this day; and the account is what the entries so far come to.
    #[track_caller]
    fn then(&mut self, number: i8, rule: impl FnOnce(&Account, &Policy, Timestamp) -> Change) -> Entry {
        let change = rule(&self.account, &self.policy, day(number));
        let (account, entry, _) = change.seal(&self.policy, sealing(day(number))).unwrap();
        self.account = account;
        self.entries.push(entry.clone());
        self.check();
        entry
    }

    #[track_caller]
    fn check(&self) {
        let replay = replay(&self.entries).unwrap();
        let live = |holds: &[Hold]| -> Vec<Hold> {
            holds.iter().filter(|hold| hold.is_live(self.account.at)).cloned().collect()
        };
        let told = Account {
            holds: live(&self.account.holds),
            pending: usd("0"),
            expiry_bound: None,
            ..self.account.clone()
        };
        assert_eq!(*replay.account(), told);
        assert_eq!(replay.into_account(), told);
    }

    fn grant(&mut self, number: i8, amount: &str, expires: Option<i8>) -> Entry {
        self.then(number, |account, policy, at| {
            let expiry = expires.map(|number| LotExpiry::At(day(number)));
            crate::grant(account, policy, &Grant { expiry, ..goodwill(amount) }, Role::Store, at).unwrap()
        })
    }

    fn redeem(&mut self, number: i8, amount: &str) -> Entry {
        self.then(number, |account, policy, at| {
            redeem(account, policy, &order_id(), &large_order(), Some(amount.parse().unwrap()), at).unwrap()
        })
    }

    fn hold(&mut self, number: i8, amount: &str) -> Entry {
        self.then(number, |account, policy, at| {
            hold(account, policy, &order_id(), &large_order(), Some(amount.parse().unwrap()), None, at)
                .unwrap()
        })
    }

    fn capture(&mut self, number: i8, of: &Entry, amount: Option<&str>) -> Entry {
        let amount = amount.map(|amount| amount.parse().unwrap());
        self.then(number, |account, policy, at| capture(account, policy, of, amount, at).unwrap())
    }

    fn release(&mut self, number: i8, of: &Entry) -> Entry {
        self.then(number, |account, policy, at| release(account, policy, of, at).unwrap())
    }

    fn refund(&mut self, number: i8, of: &Entry, before: &str, amount: &str) -> Entry {
        let amount = Some(amount.parse().unwrap());
        self.then(number, |account, policy, at| refund(account, policy, of, usd(before), amount, at).unwrap())
    }

    fn void(&mut self, number: i8, lot: u64) -> Entry {
        self.then(number, |account, policy, at| {
            void_lot(account, policy, lot.into(), &mistake(), at).unwrap()
        })
    }

    fn debit(&mut self, number: i8, amount: &str) -> Entry {
        self.then(number, |account, policy, at| {
            debit(account, policy, amount.parse().unwrap(), &mistake(), None, at).unwrap()
        })
    }

    fn withdraw(&mut self, number: i8, amount: &str) -> Entry {
        self.then(number, |account, policy, at| {
            let (amount, journal) = (amount.parse().unwrap(), "cash".parse().unwrap());
            let withdrawal = Withdrawal { amount, journal, reference: None, note: Some(mistake()) };
            withdraw(account, policy, &withdrawal, Role::Store, at).unwrap()
        })
    }

    fn topup(&mut self, number: i8, amount: &str) -> Entry {
        self.then(number, |account, policy, at| {
            let payment =
                Payment { mode: PaymentMode::Online, method: "stripe".parse().unwrap(), reference: None };
            let request = TopupRequest { amount: amount.parse().unwrap(), payment, reference: None };
            let id = "USD-3q2-7wAAAAAAAAAAAAAAAA".parse().unwrap();
            let asked =
                request_topup(account, policy, &request, id, actor(Role::Customer, "alice"), at).unwrap();
            let (account, topup) = super::waiting(asked);
            approve(&account, policy, &topup, None, actor(Role::Admin, "key-1"), at).unwrap().0
        })
    }

    fn change_expiry(&mut self, number: i8, lot: u64, expiry: LotExpiry) -> Entry {
        self.then(number, |account, policy, at| {
            change_expiry(account, policy, lot.into(), expiry, None, at).unwrap()
        })
    }

    fn expire(&mut self, number: i8) -> Entry {
        let (account, entry) = swept(&self.account, &self.policy, day(number));
        let entry = entry.unwrap();
        self.account = account;
        self.entries.push(entry.clone());
        self.check();
        entry
    }

    /// What becomes of the last entry, and only of that, once it says this instead and is hashed and chained anew.
    #[track_caller]
    fn check_forged(&self, forge: impl FnOnce(&mut Entry), drift: &Drift) {
        let mut entries = self.entries.clone();
        forge(entries.last_mut().unwrap());
        chain(&mut entries);
        assert_eq!(replay(&entries).err(), Some((self.entries.len() - 1, drift.clone())));
    }
}

fn mistake() -> Note {
    "a mistake".parse().unwrap()
}

/// The account after all of these; or which of them drifts, and how.
fn replay(entries: &[Entry]) -> Result<Replay, (usize, Drift)> {
    let mut replay = Replay::new("alice".parse().unwrap(), Currency::USD);
    for (place, entry) in entries.iter().enumerate() {
        let before = replay.account().clone();
        if let Err(drift) = replay.apply(entry) {
            assert_eq!(*replay.account(), before);
            return Err((place, drift));
        }
    }
    Ok(replay)
}

/// Hashes and chains them anew, as whoever forges one would.
fn chain(entries: &mut [Entry]) {
    let mut last = Hash::ZERO;
    for entry in entries {
        entry.prev_hash = last;
        entry.hash = Hash::of(entry.content().unwrap().as_bytes());
        last = entry.hash;
    }
}

const WEEK: &str =
    r#"{"hold_ttl_seconds": 604800, "overdraft_limit": {"USD": "50"}, "withdrawable": ["goodwill"]}"#;

#[test]
fn an_account_without_entries_is_a_new_one() {
    Story::new("{}").check();
}

#[test]
fn a_grant_and_a_topup_make_lots_and_settle_the_debt_first() {
    let mut story = Story::new(WEEK);
    story.redeem(1, "40");
    story.grant(2, "15", None);
    story.topup(3, "30");
    assert_eq!(left(&story.account), owned(&[("3", "5.00")]));
    story.grant(3, "10", Some(9));
    assert_eq!(story.account.lifetime.by_customer, usd("30"));
}

#[test]
fn a_redemption_a_withdrawal_and_a_debit_take_from_lots() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", Some(9));
    story.grant(1, "20", None);
    story.redeem(2, "12");
    story.withdraw(3, "5");
    story.debit(4, "6");
    assert_eq!(left(&story.account), owned(&[("2", "7.00")]));
}

#[test]
fn a_void_takes_what_is_left_of_a_lot() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", None);
    story.grant(1, "20", None);
    story.redeem(2, "4");
    story.void(3, 1);
    assert_eq!(left(&story.account), owned(&[("2", "20.00")]));
}

#[test]
fn a_hold_is_captured_in_part_released_or_lapses() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", None);
    story.grant(1, "20", None);
    let (one, two) = (story.hold(2, "15"), story.hold(2, "25"));
    story.capture(3, &one, Some("12"));
    story.release(4, &two);
    story.hold(4, "5");
    // A grant leaves a hold that has lapsed for the next rule to drop.
    story.grant(12, "1", None);
    assert_eq!(story.account.holds.len(), 1);
    story.redeem(13, "19");
}

#[test]
fn a_hold_that_uses_the_overdraft_is_captured_into_debt() {
    let mut story = Story::new(WEEK);
    story.grant(1, "20", None);
    let hold = story.hold(2, "60");
    story.capture(3, &hold, None);
    assert_eq!((story.account.debt, left(&story.account)), (usd("40"), owned(&[])));
}

#[test]
fn a_refund_goes_back_to_lots_that_are_open_used_up_or_over() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", Some(20));
    story.grant(2, "10", Some(5));
    story.grant(3, "10", None);
    let spent = story.redeem(3, "25");
    // The third is open, the second has expired meanwhile, and the first is used up.
    story.refund(6, &spent, "0", "20");
    assert_eq!(left(&story.account), owned(&[("1", "5.00"), ("3", "10.00"), ("5", "10.00")]));
    story.refund(7, &spent, "20", "5");
    story.change_expiry(8, 1, LotExpiry::Never);
    story.redeem(9, "25");
}

#[test]
fn a_refund_of_an_overdraft_settles_or_makes_a_lot() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", Some(5));
    let hold = story.hold(1, "40");
    let spent = story.capture(2, &hold, Some("40"));
    story.refund(3, &spent, "0", "12");
    story.grant(4, "100", None);
    story.refund(6, &spent, "12", "28");
    assert_eq!(story.account.lots.len(), 3);
}

#[test]
fn what_is_held_is_left_by_an_expiry() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", Some(5));
    story.grant(1, "20", Some(6));
    let hold = story.hold(2, "14");
    let expired = story.expire(6);
    assert_eq!(expired.amount, usd("-16"));
    story.release(7, &hold);
    assert_eq!(story.expire(7).amount, usd("-14"));
}

#[test]
fn an_expiry_or_a_void_beside_a_debt_settles_it_first() {
    let mut story = Story::new(WEEK);
    story.grant(1, "20", Some(5));
    story.grant(1, "4", None);
    let hold = story.hold(2, "60");
    story.redeem(2, "14");
    story.release(3, &hold);
    assert_eq!(story.account.debt, usd("14"));
    story.void(4, 2);
    story.check_forged(|entry| entry.overdraft = None, &overdraft("0", "4", Currency::USD));
    assert_eq!(story.expire(5).amount, usd("-10"));
    story.check_forged(|entry| entry.amount = usd("-20"), &amount("-20", "-10"));
    story.check_forged(|entry| entry.overdraft = Some(usd("9")), &overdraft("9", "10", Currency::USD));
    assert_eq!((story.account.balance(), story.account.debt), (Ok(usd("0")), usd("0")));
}

#[test]
fn a_lots_expiry_moves_alone_or_with_all_that_have_none() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", None);
    story.grant(2, "20", None);
    story.grant(3, "30", Some(20));
    story.change_expiry(4, 1, LotExpiry::At(day(9)));
    story.policy = policy(r#"{"expiry_days": 15, "apply_to_existing": true}"#);
    story.then(5, |account, policy, at| reach_back(account, policy, at).unwrap().unwrap());
    assert_eq!(story.account.lots[1].origin.expires_at, Some(day(18)));
    story.change_expiry(6, 2, LotExpiry::Never);
    assert_eq!(story.expire(20).amount, usd("-40"));
}

#[test]
fn an_entry_out_of_its_place_drifts() {
    let mut story = Story::new("{}");
    for number in 1..=3 {
        story.grant(number, "10", None);
    }
    let entries = &story.entries;
    let drifts =
        |entries: &[&Entry]| replay(&entries.iter().map(|entry| (*entry).clone()).collect::<Vec<_>>()).err();
    let [one, two, three] = [&entries[0], &entries[1], &entries[2]];
    assert_eq!(drifts(&[one, two, three]), None);
    assert_eq!(drifts(&[two]), Some((0, Drift::Number { expected: 1, found: 2 })));
    assert_eq!(drifts(&[one, three]), Some((1, Drift::Number { expected: 2, found: 3 })));
    assert_eq!(drifts(&[one, two, two]), Some((2, Drift::Number { expected: 3, found: 2 })));
    assert_eq!(drifts(&[one, three, two]), Some((1, Drift::Number { expected: 2, found: 3 })));
    let forged = |forge: fn(&mut Entry)| {
        let mut forged = two.clone();
        forge(&mut forged);
        drifts(&[one, &forged])
    };
    assert_eq!(forged(|entry| entry.prev_hash = Hash::ZERO), Some((1, Drift::Previous)));
    assert_eq!(forged(|entry| entry.hash = Hash::ZERO), Some((1, Drift::Hash)));
    assert_eq!(forged(|entry| entry.policy_version = 4), Some((1, Drift::Hash)));
    assert_eq!(forged(|entry| entry.available_after = usd("21")), Some((1, Drift::Hash)));
    let account = Drift::Account { customer: "bob".parse().unwrap(), currency: Currency::USD };
    assert_eq!(forged(|entry| entry.customer = "bob".parse().unwrap()), Some((1, account)));
    let euro = || "EUR".parse::<Currency>().unwrap();
    let account = Drift::Account { customer: "alice".parse().unwrap(), currency: euro() };
    assert_eq!(forged(|entry| entry.amount = Money::zero("EUR".parse().unwrap())), Some((1, account)));
    story.check_forged(|entry| entry.at = time("2026-01-01T23:59:59Z"), &Drift::Time);
    story.check_forged(|entry| entry.overdraft = Some(Money::zero(euro())), &overdraft("0", "0", euro()));
}

fn overdraft(said: &str, found: &str, currency: Currency) -> Drift {
    let said = said.parse::<crate::SignedAmount>().unwrap().of(currency).unwrap();
    Drift::Overdraft { said, found: usd(found) }
}

/// One of an entry's texts.
type TextOf = fn(&mut Entry) -> &mut Option<FreeText>;

#[test]
fn a_text_that_was_not_hashed_drifts_and_an_erased_one_does_not() {
    let mut story = Story::new(WEEK);
    story.then(1, |account, policy, at| {
        let text = |text: &str| Some(text.parse().unwrap());
        let grant = Grant { note: text("late parcel"), internal_note: text("twice"), ..goodwill("10") };
        crate::grant(account, policy, &grant, Role::Store, at).unwrap()
    });
    story.debit(2, "1");
    let texts: [(usize, &str, TextOf); 3] = [
        (0, "note", |entry| &mut entry.note),
        (0, "internal_note", |entry| &mut entry.internal_note),
        (1, "reason", |entry| &mut entry.reason),
    ];
    for (place, field, text) in texts {
        let forged = |forge: &dyn Fn(&mut FreeText)| {
            let mut entries = story.entries.clone();
            forge(text(&mut entries[place]).as_mut().unwrap());
            replay(&entries).err()
        };
        let other = forged(&|text| text.written.as_mut().unwrap().text = "another".parse().unwrap());
        assert_eq!(other, Some((place, Drift::Text { field })));
        let salt = forged(&|text| text.written.as_mut().unwrap().salt[0] ^= 1);
        assert_eq!(salt, Some((place, Drift::Text { field })));
        assert_eq!(forged(&|text| text.digest = Hash::ZERO), Some((place, Drift::Hash)));
        assert_eq!(forged(&|text| text.written = None), None);
    }
}

#[test]
fn a_forged_credit_drifts() {
    let mut story = Story::new(WEEK);
    story.redeem(1, "4");
    story.grant(2, "10", None);
    let form = |field| Drift::Form { field };
    story.check_forged(|entry| entry.amount = usd("0"), &form("amount"));
    story.check_forged(|entry| entry.category = None, &form("category"));
    story.check_forged(|entry| entry.source = None, &form("category"));
    story.check_forged(|entry| entry.overdraft = None, &overdraft("0", "4", Currency::USD));
    story.check_forged(|entry| entry.overdraft = Some(usd("5")), &overdraft("5", "4", Currency::USD));
    story.check_forged(|entry| entry.amount = usd("11"), &amount("11", "10"));
    story.check_forged(|entry| entry.allocations.clear(), &amount("10", "4"));
    story.check_forged(|entry| entry.allocations[0].lot = 1.into(), &Drift::LotNotNew { lot: 1.into() });
    let second = LotNumber { entry: 2, part: 1 };
    story.check_forged(|entry| entry.allocations[0].lot = second, &Drift::LotNotNew { lot: second });
    let balance = Drift::Balance { said: usd("7"), found: usd("6") };
    story.check_forged(|entry| entry.balance_after = usd("7"), &balance);
    let held = Drift::Held { said: usd("1"), found: usd("0") };
    story.check_forged(|entry| entry.held_after = usd("1"), &held);
    story.check_forged(|entry| entry.kind = EntryType::Refund, &form("redemption"));
    story.check_forged(|entry| entry.kind = EntryType::Redeem, &form("amount"));
    story.check_forged(|entry| entry.kind = EntryType::Hold, &form("amount"));
}

fn amount(said: &str, found: &str) -> Drift {
    Drift::Amount { said: usd(said), found: usd(found) }
}

#[test]
fn a_forged_debit_drifts() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", Some(9));
    story.grant(1, "20", None);
    story.hold(1, "8");
    story.redeem(2, "12");
    let part = |entry: &mut Entry, amount: &str| entry.allocations[0].amount = usd(amount);
    story.check_forged(|entry| part(entry, "2.01"), &Drift::LotOverdrawn { lot: 1.into() });
    story.check_forged(|entry| part(entry, "0"), &Drift::Form { field: "allocations" });
    story.check_forged(|entry| part(entry, "1"), &overdraft("0", "1", Currency::USD));
    story.check_forged(|entry| entry.amount = usd("-11"), &overdraft("0", "-1", Currency::USD));
    story.check_forged(|entry| entry.order = None, &Drift::Form { field: "order" });
    story.check_forged(|entry| entry.allocations[0].origin = None, &Drift::LotOrigin { lot: 1.into() });
    story.check_forged(|entry| entry.allocations[1].lot = 1.into(), &Drift::LotOverdrawn { lot: 1.into() });
    story.check_forged(|entry| entry.allocations[1].lot = 7.into(), &Drift::LotNotOpen { lot: 7.into() });

    story.void(3, 2);
    let left = Drift::LotLeft { lot: 2.into() };
    story.check_forged(
        |entry| {
            part(entry, "9");
            entry.amount = usd("-9");
        },
        &left,
    );
    story.check_forged(|entry| entry.amount = usd("-9"), &amount("-9", "-10"));
    story.check_forged(|entry| entry.allocations.clear(), &Drift::Form { field: "allocations" });
    assert_eq!(story.account.balance(), Ok(usd("8")));
}

#[test]
fn a_forged_hold_or_resolution_drifts() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", None);
    story.grant(1, "20", None);
    let hold = story.hold(2, "15");
    story.check_forged(|entry| entry.held = Some(usd("14")), &amount("14", "15"));
    story.check_forged(|entry| entry.held = None, &Drift::Form { field: "hold" });
    let allocations = Drift::Form { field: "allocations" };
    let origin = story.account.lots[0].origin.clone();
    story.check_forged(|entry| entry.allocations[0].origin = Some(origin.clone()), &allocations);
    story.check_forged(|entry| entry.allocations[0].amount = usd("0"), &allocations);
    story.check_forged(|entry| entry.deadline = None, &Drift::Form { field: "hold" });
    story.check_forged(|entry| entry.amount = usd("-15"), &Drift::Form { field: "amount" });
    story.check_forged(
        |entry| entry.allocations[0].amount = usd("10.01"),
        &Drift::LotOverdrawn { lot: 1.into() },
    );
    story.capture(3, &hold, Some("12"));
    let differs = Drift::HoldDiffers { hold: 3 };
    story.check_forged(|entry| entry.redemption = None, &Drift::Form { field: "redemption" });
    story.check_forged(|entry| entry.redemption = Some(2), &Drift::HoldNotLive { hold: 2 });
    story.check_forged(|entry| entry.held = Some(usd("12")), &differs);
    story.check_forged(|entry| entry.order = None, &differs);
    story.check_forged(|entry| entry.amount = usd("-11"), &differs);
    story.check_forged(|entry| entry.amount = usd("-16"), &differs);
    story.check_forged(|entry| entry.allocations.reverse(), &differs);
    let again = story.hold(4, "5");
    story.release(5, &again);
    story.check_forged(|entry| entry.redemption = Some(3), &Drift::HoldNotLive { hold: 3 });
    story.check_forged(|entry| entry.at = day(20), &Drift::HoldNotLive { hold: 5 });
    story.check_forged(|entry| entry.amount = usd("1"), &Drift::Form { field: "amount" });
}

#[test]
fn a_forged_refund_drifts() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", Some(5));
    story.grant(1, "10", None);
    let spent = story.redeem(2, "15");
    story.refund(3, &spent, "0", "4");
    story.refund(6, &spent, "4", "11");
    let exceeds = Drift::RefundExceeds { redemption: 3 };
    story.check_forged(|entry| entry.amount = usd("12"), &exceeds);
    story.check_forged(|entry| entry.amount = usd("10"), &amount("10", "11"));
    story.check_forged(|entry| entry.redemption = Some(1), &Drift::RedemptionUnknown { redemption: 1 });
    story.check_forged(|entry| entry.allocations[0].lot = 9.into(), &exceeds);
    story.check_forged(|entry| entry.allocations[0].amount = usd("5.01"), &amount("11", "15.01"));
    // More than was taken of that lot, though not of all.
    story.check_forged(
        |entry| {
            entry.allocations[0].amount = usd("6");
            entry.allocations[1].amount = usd("5");
        },
        &exceeds,
    );
    story.check_forged(|entry| entry.allocations[1].lot = 2.into(), &Drift::LotNotNew { lot: 2.into() });
    story.check_forged(
        |entry| entry.allocations[1].origin.as_mut().unwrap().granted_at = day(1),
        &Drift::LotOrigin { lot: 5.into() },
    );
}

#[test]
fn a_forged_expiry_drifts() {
    let mut story = Story::new(WEEK);
    story.grant(1, "10", Some(5));
    story.grant(1, "20", Some(6));
    story.grant(1, "40", None);
    story.expire(6);
    story.check_forged(|entry| entry.at = time("2026-01-05T23:00:00Z"), &Drift::LotNotDue { lot: 2.into() });
    story.check_forged(|entry| entry.allocations[1].lot = 3.into(), &Drift::LotNotDue { lot: 3.into() });
    story.check_forged(
        |entry| {
            entry.allocations.pop();
            entry.amount = usd("-10");
        },
        &Drift::LotLeft { lot: 2.into() },
    );
    story.check_forged(|entry| entry.amount = usd("-29"), &amount("-29", "-30"));
    story.change_expiry(7, 3, LotExpiry::At(day(9)));
    story.check_forged(|entry| entry.lot = Some(1.into()), &Drift::LotNotOpen { lot: 1.into() });
    story.check_forged(|entry| entry.lot = None, &Drift::Form { field: "allocations" });
    story.check_forged(|entry| entry.amount = usd("1"), &Drift::Form { field: "amount" });
    story.change_expiry(7, 3, LotExpiry::Never);
    story.grant(8, "1", None);
    story.policy = policy(r#"{"expiry_days": 15, "apply_to_existing": true}"#);
    story.then(9, |account, policy, at| reach_back(account, policy, at).unwrap().unwrap());
    story.check_forged(|entry| entry.allocations[0].origin = None, &Drift::LotOrigin { lot: 7.into() });
    story.check_forged(|entry| entry.allocations[0].lot = 3.into(), &Drift::LotOrigin { lot: 3.into() });
    story.check_forged(|entry| entry.allocations[0].amount = usd("1"), &Drift::Form { field: "allocations" });
}

#[test]
fn what_no_rule_lets_in_is_out_of_range() {
    let mut story = Story::new("{}");
    story.grant(1, "10", None);
    story.grant(1, "10", None);
    let most = Money::from_minor(i64::MAX, Currency::USD);
    story.check_forged(
        |entry| {
            entry.amount = most;
            entry.allocations[0].amount = most;
        },
        &Drift::OutOfRange(crate::OutOfRange),
    );
}

/// How one entry of a history is forged.
#[derive(Clone, Debug)]
enum Forgery {
    Amount(i64),
    Part(i64),
    Lot,
    Number,
    Balance(i64),
    Held(i64),
    Overdraft,
    LeftOut,
    Swapped,
}

fn forgeries() -> impl Strategy<Value = Forgery> {
    let cents = || prop_oneof![Just(1), Just(-1), -100_000..0_i64, 1..100_000_i64];
    prop_oneof![
        cents().prop_map(Forgery::Amount),
        cents().prop_map(Forgery::Part),
        Just(Forgery::Lot),
        Just(Forgery::Number),
        cents().prop_map(Forgery::Balance),
        cents().prop_map(Forgery::Held),
        Just(Forgery::Overdraft),
        Just(Forgery::LeftOut),
        Just(Forgery::Swapped),
    ]
}

/// Forges this entry; `false` where it has nothing that could be forged so.
fn forge(entries: &mut Vec<Entry>, place: usize, forgery: &Forgery) -> bool {
    let more = |money: &mut Money, cents: i64| {
        *money = money.plus(Money::from_minor(cents, Currency::USD)).unwrap();
    };
    let last = entries.len() - 1;
    let entry = &mut entries[place];
    match forgery {
        Forgery::Amount(cents) => more(&mut entry.amount, *cents),
        Forgery::Balance(cents) => more(&mut entry.balance_after, *cents),
        Forgery::Held(cents) => more(&mut entry.held_after, *cents),
        Forgery::Number => entry.number += 1,
        Forgery::Part(cents) => match entry.allocations.last_mut() {
            Some(part) => more(&mut part.amount, *cents),
            None => return false,
        },
        Forgery::Lot => match entry.allocations.last_mut() {
            Some(part) => part.lot.entry += 1000,
            None => return false,
        },
        Forgery::Overdraft => match &mut entry.overdraft {
            Some(overdraft) => more(overdraft, 1),
            None => return false,
        },
        // The chain alone does not tell that its end is missing.
        Forgery::LeftOut | Forgery::Swapped if place == last => return false,
        Forgery::LeftOut => drop(entries.remove(place)),
        Forgery::Swapped => entries.swap(place, place + 1),
    }
    true
}

proptest! {
    #![proptest_config(super::cases(256))]

    #[test]
    fn no_entry_of_any_history_can_be_forged_unseen(
        rules in laws::rules(),
        steps in laws::steps(),
        place in any::<prop::sample::Index>(),
        forgery in forgeries(),
    ) {
        let (mut book, mut now) = (laws::Book::new(&rules), 0);
        for (hours, attempt) in steps {
            now += hours;
            let _ = book.attempt(&attempt, laws::moment(now));
        }
        let mut entries: Vec<Entry> = book.entries.into_iter().map(|(entry, _)| entry).collect();
        prop_assert!(replay(&entries).is_ok());
        if entries.is_empty() {
            return Ok(());
        }
        let place = place.index(entries.len());
        if forge(&mut entries, place, &forgery) {
            prop_assert_eq!(replay(&entries).err().map(|(place, _)| place), Some(place));
            // Nor by whoever hashes and chains all that follows anew.
            chain(&mut entries);
            prop_assert_eq!(replay(&entries).err().map(|(place, _)| place), Some(place));
        }
    }
}
