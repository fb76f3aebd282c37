//! Entries: their numbers, their chain of hashes, and what is stored of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{account, actor, day, goodwill, order, policy, seal, sealing, usd};
use crate::{
    Account, Category, Change, ContentForm, Entry, EntryType, Grant, Hash, LotExpiry, Payment, PaymentMode,
    Policy, Replay, Role, Seal, Sweep, Texts, TopupRequest, Withdrawal, Written,
};

/// The contents of [`history`] as version 1 stores them, each with its SHA-256. What was stored once is never written
/// anew: where a test says that these are no longer read, it is the code that is wrong.
pub(super) const STORED: [(&str, &str); 15] = [
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["1","25.00",null]],"amount":"25.00","#,
            r#""at":"2026-01-01T00:00:00Z","available":"45.00","balance":"25.00","category":"refund","#,
            r#""currency":"USD","customer":"alice@example.com","expires_at":"2027-01-01T00:00:00Z","#,
            r#""held":"0.00","#,
            r#""internal_note":"eb9b60cfc0b84af67d1b2dd7b3d0db89e4e632e39f425d8b66d5e56dca739c5e","#,
            r#""note":"8a4cf872c32a556193d226c4ad00f167cb77098ce891f2cb06d633dbbf54176c","number":1,"#,
            r#""payment":{"method":"cash","mode":"offline","reference":"R-17"},"policy":3,"#,
            r#""prev":"0000000000000000000000000000000000000000000000000000000000000000","#,
            r#""reference":"order-1001","source":"store","type":"grant","v":1}"#,
        ),
        "33587b3edf2ac5414da4e66e1b1daf30fa1354df482cd7718de3c347717a366e",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","50.00",null]],"amount":"50.00","#,
            r#""at":"2026-01-03T00:00:00Z","available":"95.00","balance":"75.00","category":"paid","#,
            r#""currency":"USD","customer":"alice@example.com","expires_at":"2026-01-19T00:00:00Z","#,
            r#""held":"0.00","number":2,"payment":{"method":"stripe","mode":"online","#,
            r#""reference":"pi_123"},"policy":3,"#,
            r#""prev":"33587b3edf2ac5414da4e66e1b1daf30fa1354df482cd7718de3c347717a366e","#,
            r#""reference":"cart-9","source":"customer","topup":"USD-3q2-7wAAAAAAAAAAAAAAAA","#,
            r#""type":"topup","v":1}"#,
        ),
        "a5e76ab53018da1860c71b37fdaa9f57fbba766956cf51f8979c54ca88bb32d3",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["1","25.00",["refund","store","#,
            r#""2026-01-01T00:00:00Z","2027-01-01T00:00:00Z"]],["2","35.00",["paid","customer","#,
            r#""2026-01-03T00:00:00Z","2026-01-19T00:00:00Z"]]],"amount":"-60.00","#,
            r#""at":"2026-01-04T00:00:00Z","available":"35.00","balance":"15.00","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","number":3,"order":{"base":"60.00","#,
            r#""bound_by":"requested","id":"1002","total":"65.00"},"policy":3,"#,
            r#""prev":"a5e76ab53018da1860c71b37fdaa9f57fbba766956cf51f8979c54ca88bb32d3","type":"redeem","#,
            r#""v":1}"#,
        ),
        "c29c25f7faf08668bd40a27661142a0df7d0ddd65912967342de539853630866",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","15.00",null]],"amount":"0.00","#,
            r#""at":"2026-01-04T00:00:00Z","available":"0.00","balance":"15.00","currency":"USD","#,
            r#""customer":"alice@example.com","deadline":"2026-01-11T00:00:00Z","held":"15.00","#,
            r#""hold":"35.00","number":4,"order":{"base":"60.00","bound_by":"requested","id":"1002","#,
            r#""total":"65.00"},"overdraft":"20.00","policy":3,"#,
            r#""prev":"c29c25f7faf08668bd40a27661142a0df7d0ddd65912967342de539853630866","type":"hold","#,
            r#""v":1}"#,
        ),
        "112bf4d4e57a4a33855b213e5baee07c3b9fe9779a58f14370faf95c0d38fce7",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","15.00",["paid","customer","#,
            r#""2026-01-03T00:00:00Z","2026-01-19T00:00:00Z"]]],"amount":"-34.99","#,
            r#""at":"2026-01-05T00:00:00Z","available":"0.01","balance":"-19.99","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","hold":"35.00","number":5,"#,
            r#""order":{"base":"60.00","bound_by":"requested","id":"1002","total":"65.00"},"#,
            r#""overdraft":"19.99","policy":3,"#,
            r#""prev":"112bf4d4e57a4a33855b213e5baee07c3b9fe9779a58f14370faf95c0d38fce7","redemption":4,"#,
            r#""type":"capture","v":1}"#,
        ),
        "14e20301906a04dddcd456926d895e73000fae52d330daccc99e41d51cf8ddf5",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","10.01",null]],"amount":"30.00","#,
            r#""at":"2026-01-05T00:00:00Z","available":"30.01","balance":"10.01","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","number":6,"order":{"base":"60.00","#,
            r#""bound_by":"requested","id":"1002","total":"65.00"},"overdraft":"19.99","policy":3,"#,
            r#""prev":"14e20301906a04dddcd456926d895e73000fae52d330daccc99e41d51cf8ddf5","redemption":3,"#,
            r#""type":"refund","v":1}"#,
        ),
        "16e91caa8f6b3491bd2bf4c8b5bc3c2c8803970256cb6f9a05bc747212d86234",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","1.00",null]],"amount":"0.00","#,
            r#""at":"2026-01-06T00:00:00Z","available":"29.01","balance":"10.01","currency":"USD","#,
            r#""customer":"alice@example.com","deadline":"2026-01-06T00:15:00Z","held":"1.00","#,
            r#""hold":"1.00","number":7,"order":{"base":"60.00","bound_by":"requested","id":"1002","#,
            r#""total":"65.00"},"policy":3,"#,
            r#""prev":"16e91caa8f6b3491bd2bf4c8b5bc3c2c8803970256cb6f9a05bc747212d86234","type":"hold","#,
            r#""v":1}"#,
        ),
        "68d627e59abbb1970fc24abacb33cd07c152df2ba2d547f47486405bfde27f6b",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[],"amount":"0.00","at":"2026-01-06T00:00:00Z","#,
            r#""available":"30.01","balance":"10.01","currency":"USD","customer":"alice@example.com","#,
            r#""held":"0.00","hold":"1.00","number":8,"order":{"base":"60.00","bound_by":"requested","#,
            r#""id":"1002","total":"65.00"},"policy":3,"#,
            r#""prev":"68d627e59abbb1970fc24abacb33cd07c152df2ba2d547f47486405bfde27f6b","redemption":7,"#,
            r#""type":"release","v":1}"#,
        ),
        "aff6268add0919d74ad2be394cd362d6337f6b9a23e500b50c1400a52190a838",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","2.00",["paid","customer","#,
            r#""2026-01-03T00:00:00Z","2026-01-19T00:00:00Z"]]],"amount":"-2.00","#,
            r#""at":"2026-01-07T00:00:00Z","available":"28.01","balance":"8.01","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","journal":"bank","#,
            r#""note":"19db1e9764111b565aa69a36ff2670804d7ab2e457e9b77c3a0db325ff8962d6","number":9,"#,
            r#""policy":3,"prev":"aff6268add0919d74ad2be394cd362d6337f6b9a23e500b50c1400a52190a838","#,
            r#""reference":"transfer-7","type":"withdraw","v":1}"#,
        ),
        "0271f10c4f651511b397a83c0adfbd5ea4ad8c00498aa77070a213493781fdcb",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","1.00",["paid","customer","#,
            r#""2026-01-03T00:00:00Z","2026-01-19T00:00:00Z"]]],"amount":"-1.00","#,
            r#""at":"2026-01-08T00:00:00Z","available":"27.01","balance":"7.01","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","number":10,"policy":3,"#,
            r#""prev":"0271f10c4f651511b397a83c0adfbd5ea4ad8c00498aa77070a213493781fdcb","#,
            r#""reason":"614e76f62b9dfa2bc9580cc2ab5d67caf1d667349a1f894f2f40007c35893b9e","#,
            r#""reference":"ticket-4","type":"debit","v":1}"#,
        ),
        "b914ff2ed85f3aeafdd45f373e2c03ec45e005869e43f13180394774f7193d82",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[],"amount":"0.00","at":"2026-01-09T00:00:00Z","#,
            r#""available":"27.01","balance":"7.01","currency":"USD","customer":"alice@example.com","#,
            r#""expires_at":"2026-01-30T00:00:00Z","held":"0.00","lot":"2","number":11,"policy":3,"#,
            r#""prev":"b914ff2ed85f3aeafdd45f373e2c03ec45e005869e43f13180394774f7193d82","#,
            r#""reason":"614e76f62b9dfa2bc9580cc2ab5d67caf1d667349a1f894f2f40007c35893b9e","#,
            r#""type":"expiry_change","v":1}"#,
        ),
        "0c70556172b5789057f8649812e294471cc2f1516fff77f46b76802a5fc2c94a",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["12","3.00",null]],"amount":"3.00","#,
            r#""at":"2026-01-10T00:00:00Z","available":"30.01","balance":"10.01","category":"goodwill","#,
            r#""currency":"USD","customer":"alice@example.com","expires_at":"2026-01-26T00:00:00Z","#,
            r#""held":"0.00","number":12,"policy":3,"#,
            r#""prev":"0c70556172b5789057f8649812e294471cc2f1516fff77f46b76802a5fc2c94a","#,
            r#""source":"store","type":"grant","v":1}"#,
        ),
        "210124d6629cb0b775d40ed3023942ba9f765220fe0f0f95f379b400fcdd4816",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["12","3.00",null]],"amount":"-3.00","#,
            r#""at":"2026-01-11T00:00:00Z","available":"27.01","balance":"7.01","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","number":13,"policy":3,"#,
            r#""prev":"210124d6629cb0b775d40ed3023942ba9f765220fe0f0f95f379b400fcdd4816","#,
            r#""reason":"614e76f62b9dfa2bc9580cc2ab5d67caf1d667349a1f894f2f40007c35893b9e","type":"void","#,
            r#""v":1}"#,
        ),
        "d56e043e77dedafa21383bd5237c83f2cdea9e7beb164a552d9c51f13ca81a8d",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["2","7.01",null]],"amount":"-7.01","#,
            r#""at":"2026-01-31T00:00:00Z","available":"20.00","balance":"0.00","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","number":14,"policy":3,"#,
            r#""prev":"d56e043e77dedafa21383bd5237c83f2cdea9e7beb164a552d9c51f13ca81a8d","type":"expire","#,
            r#""v":1}"#,
        ),
        "293d6a65dd8c8e1decbfac7b1e457e7d0de95086c7eeab456a52c99a3db5d287",
    ),
    (
        concat!(
            r#"{"actor":["admin","key-1"],"allocations":[["15","5.00",["paid","customer","#,
            r#""2026-01-31T00:00:00Z","2026-03-02T00:00:00Z"]],["1","25.00",null]],"amount":"30.00","#,
            r#""at":"2026-01-31T00:00:00Z","available":"50.00","balance":"30.00","currency":"USD","#,
            r#""customer":"alice@example.com","held":"0.00","number":15,"order":{"base":"60.00","#,
            r#""bound_by":"requested","id":"1002","total":"65.00"},"policy":3,"#,
            r#""prev":"293d6a65dd8c8e1decbfac7b1e457e7d0de95086c7eeab456a52c99a3db5d287","redemption":3,"#,
            r#""type":"refund","v":1}"#,
        ),
        "18e35e63194665e80c7d22f9375f79794fda1489927fb53d88f272ffdaf7789b",
    ),
];

/// The same as version 2 stores them, a line each: the SHA-256 and the content.
const STORED_2: &str = include_str!("version-2.txt");

/// The contents of version 2, each with its hash.
pub(super) fn stored_2() -> impl Iterator<Item = (&'static str, &'static str)> {
    STORED_2.lines().map(|line| line.split_once(' ').unwrap()).map(|(hash, content)| (content, hash))
}

/// One entry of each type at the least, with all that such an entry can say, and the account after them.
fn history() -> (Account, Vec<(Entry, String)>) {
    let rules = policy(
        r#"{"expiry_days": 15, "overdraft_limit": {"USD": "20"}, "withdrawable": ["paid", "refund"]}"#,
    );
    let mut entries = Vec::new();
    let mut commit = |change: Change, number: i8| {
        let (account, entry, content) = change.seal(&rules, sealing(day(number))).unwrap();
        entries.push((entry.clone(), content));
        (account, entry)
    };
    let payment = |mode, method: &str, reference: &str| Payment {
        mode,
        method: method.parse().unwrap(),
        reference: Some(reference.parse().unwrap()),
    };

    let grant = Grant {
        category: Category::Refund,
        expiry: Some(LotExpiry::EndOf("2026-12-31".parse().unwrap())),
        payment: Some(payment(PaymentMode::Offline, "cash", "R-17")),
        reference: Some("order-1001".parse().unwrap()),
        note: Some("for the broken cup".parse().unwrap()),
        internal_note: Some("third time, \"really\"\n\u{e9}".parse().unwrap()),
        ..goodwill("25.00")
    };
    let account = Account::new("alice@example.com".parse().unwrap(), crate::Currency::USD);
    let (account, _) = commit(crate::grant(&account, &rules, &grant, Role::Store, day(1)).unwrap(), 1);

    let request = TopupRequest {
        amount: "50".parse().unwrap(),
        payment: payment(PaymentMode::Online, "stripe", "pi_123"),
        reference: Some("cart-9".parse().unwrap()),
    };
    let id = "USD-3q2-7wAAAAAAAAAAAAAAAA".parse().unwrap();
    let (account, topup) = super::waiting(
        crate::request_topup(&account, &rules, &request, id, actor(Role::Customer, "alice"), day(2)).unwrap(),
    );
    let (change, _) =
        crate::approve(&account, &rules, &topup, None, actor(Role::Admin, "key-1"), day(3)).unwrap();
    let (account, _) = commit(change, 3);

    let id: crate::Label = "1002".parse().unwrap();
    let order = order(&[("sub_total", "70.00", 1), ("coupon", "-10.00", 2), ("shipping", "5.00", 10)]);
    let amount = |amount: &str| Some(amount.parse().unwrap());
    // 15.00 are left of the second lot.
    let change = crate::redeem(&account, &rules, &id, &order, amount("60.00"), day(4)).unwrap();
    let (account, redeemed) = commit(change, 4);

    // All of that and the whole overdraft are reserved, and captured but for a cent.
    let week = Some(604_800.try_into().unwrap());
    let change = crate::hold(&account, &rules, &id, &order, amount("35.00"), week, day(4)).unwrap();
    let (account, held) = commit(change, 4);
    let change = crate::capture(&account, &rules, &held, amount("34.99"), day(5)).unwrap();
    let (account, _) = commit(change, 5);

    // The debt of 19.99 is settled first, and 10.01 come back to the second lot.
    let change = crate::refund(&account, &rules, &redeemed, usd("0.00"), amount("30.00"), day(5)).unwrap();
    let (account, _) = commit(change, 5);

    let change = crate::hold(&account, &rules, &id, &order, amount("1.00"), None, day(6)).unwrap();
    let (account, held) = commit(change, 6);
    let (account, _) = commit(crate::release(&account, &rules, &held, day(6)).unwrap(), 6);

    let reason = "bought by mistake".parse().unwrap();
    let withdrawal = Withdrawal {
        amount: "2.00".parse().unwrap(),
        journal: "bank".parse().unwrap(),
        reference: Some("transfer-7".parse().unwrap()),
        note: Some("as you wished".parse().unwrap()),
    };
    let change = crate::withdraw(&account, &rules, &withdrawal, Role::Store, day(7)).unwrap();
    let (account, _) = commit(change, 7);
    let reference = "ticket-4".parse().unwrap();
    let change =
        crate::debit(&account, &rules, "1.00".parse().unwrap(), &reason, Some(&reference), day(8)).unwrap();
    let (account, _) = commit(change, 8);
    let expiry = LotExpiry::At(day(30));
    let change = crate::change_expiry(&account, &rules, 2.into(), expiry, Some(&reason), day(9)).unwrap();
    let (account, _) = commit(change, 9);
    let mistake = crate::grant(&account, &rules, &goodwill("3.00"), Role::Store, day(10)).unwrap();
    let (account, granted) = commit(mistake, 10);
    let lot = granted.allocations[0].lot;
    let (account, _) = commit(crate::void_lot(&account, &rules, lot, &reason, day(11)).unwrap(), 11);

    let Sweep::Due(change) = crate::expire(&account, &rules, day(31)).unwrap() else {
        panic!("nothing is due")
    };
    let (account, _) = commit(*change, 31);

    // The second lot has expired meanwhile, and what is left of it comes back as a new one; the first has not.
    let change = crate::refund(&account, &rules, &redeemed, usd("30.00"), None, day(31)).unwrap();
    let (account, _) = commit(change, 31);
    (account, entries)
}

fn read(content: &str) -> Result<Entry, crate::Unreadable> {
    Entry::read(content, Hash::of(content.as_bytes()), Texts::default())
}

/// What was written in the entry's free texts.
fn written(entry: &Entry) -> Texts {
    let written = |text: &Option<crate::FreeText>| text.as_ref().and_then(|text| text.written.clone());
    Texts {
        note: written(&entry.note),
        internal_note: written(&entry.internal_note),
        reason: written(&entry.reason),
    }
}

#[test]
fn entries_count_from_one_and_each_holds_the_hash_of_the_one_before() {
    let (account, entries) = history();
    let mut before = Hash::ZERO;
    for (number, (entry, content)) in (1..).zip(&entries) {
        assert_eq!((entry.number, entry.prev_hash), (number, before));
        assert_eq!(entry.hash, Hash::of(content.as_bytes()));
        assert_eq!(entry.id().to_string(), format!("USD-{number}"));
        before = entry.hash;
    }
    assert_eq!((account.number, account.hash, account.at), (15, before, day(31)));
}

#[test]
fn an_entry_says_who_did_it_and_when_and_under_which_settings() {
    let change =
        crate::grant(&account(&[]), &Policy::default(), &goodwill("5"), Role::Store, day(1)).unwrap();
    let by = actor(Role::Store, "key-2");
    let (_, entry, _) = change
        .seal(&Policy::default(), Seal { actor: by.clone(), policy_version: 12, ..sealing(day(1)) })
        .unwrap();
    assert_eq!((entry.actor, entry.at, entry.policy_version), (by, day(1), 12));
}

#[test]
fn the_balance_counts_what_has_expired_until_that_is_booked() {
    let lots = account(&[(1, "10", Some(5)), (1, "20", None)]);
    let after = |at| {
        let change = crate::grant(&lots, &Policy::default(), &goodwill("1"), Role::Store, at).unwrap();
        let (_, entry) = seal(change, at);
        (entry.balance_after, entry.available_after, entry.held_after)
    };
    assert_eq!(after(day(4)), (usd("31"), usd("31"), usd("0")));
    assert_eq!(after(day(5)), (usd("31"), usd("21"), usd("0")));
}

#[test]
fn a_content_is_json_without_spaces_whose_keys_stand_in_alphabetical_order() {
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<_, _> =
                    fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
                fields.into_iter().collect()
            }
            Value::Array(parts) => parts.into_iter().map(sorted).collect(),
            value => value,
        }
    }
    for (_, content) in history().1 {
        assert_eq!(sorted(serde_json::from_str(&content).unwrap()).to_string(), content);
    }
}

#[test]
fn entries_of_every_type_read_back_as_they_were_sealed() {
    for (entry, content) in history().1 {
        assert_eq!(Entry::read(&content, entry.hash, written(&entry)), Ok(entry));
    }
}

#[test]
fn entries_read_back_in_any_currency_and_of_any_size() {
    for (code, amount) in [("JPY", "999999999999"), ("BHD", "999999999999.999"), ("USD", "0.01")] {
        let mut account = super::account_in(code, &[]);
        for number in 1..=3 {
            let change =
                crate::grant(&account, &Policy::default(), &goodwill(amount), Role::Store, day(1)).unwrap();
            let (after, entry) = seal(change, day(1));
            let content = entry.content().unwrap();
            assert_eq!(
                Entry::read(&content, entry.hash, Texts::default()),
                Ok(entry),
                "grant {number} of {amount} {code}"
            );
            account = after;
        }
    }
}

#[test]
fn what_version_1_stored_is_still_read_and_hashed() {
    let (_, entries) = history();
    let mut prev_hash = Hash::ZERO;
    for ((entry, _), (stored, hash)) in entries.iter().zip(STORED) {
        let read = Entry::read(stored, hash.parse().unwrap(), written(entry)).unwrap();
        let hash = Hash::of(read.content().unwrap().as_bytes());
        assert_eq!((hash, read.content().as_deref()), (read.hash, Ok(stored)));
        assert_eq!(read, Entry { form: ContentForm::Listed, prev_hash, hash, ..entry.clone() });
        prev_hash = hash;
    }
}

#[test]
fn what_version_2_stored_is_still_read_and_still_written() {
    let (_, entries) = history();
    let kinds: BTreeSet<_> = entries.iter().map(|(entry, _)| entry.kind).collect();
    // What an import stores, which version 1 never did, stands beside its rules.
    let others: Vec<_> = EntryType::ALL.iter().copied().filter(|kind| *kind != EntryType::Import).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), others);
    assert_eq!((entries.len(), stored_2().count()), (STORED.len(), STORED.len()));
    for ((entry, content), (stored, hash)) in entries.iter().zip(stored_2()) {
        assert_eq!((content.as_str(), entry.hash.to_string().as_str()), (stored, hash));
        assert_eq!(Entry::read(stored, entry.hash, written(entry)).as_ref(), Ok(entry));
        assert_eq!(entry.content().as_deref(), Ok(stored));
    }
}

#[test]
fn a_ledger_that_was_begun_in_version_1_goes_on_in_version_2_and_follows() {
    let (last, entries) = history();
    let mut replay = Replay::new(last.customer.clone(), last.currency);
    for ((entry, _), (stored, hash)) in entries.iter().zip(STORED) {
        replay.apply(&Entry::read(stored, hash.parse().unwrap(), written(entry)).unwrap()).unwrap();
    }
    let account = replay.account().clone();
    assert_eq!(account.lots, last.lots);
    let change = crate::debit(
        &account,
        &Policy::default(),
        "20".parse().unwrap(),
        &"twice".parse().unwrap(),
        None,
        day(31),
    );
    let (after, entry) = seal(change.unwrap(), day(31));
    assert_eq!((entry.form, entry.prev_hash), (ContentForm::Packed, STORED[14].1.parse().unwrap()));
    replay.apply(&entry).unwrap();
    assert_eq!(*replay.account(), after);
}

#[test]
fn no_content_is_larger_than_version_1_had_it() {
    for ((stored, _), (first, _)) in stored_2().zip(STORED) {
        assert!(stored.len() < first.len(), "{stored}");
    }
}

/// Of each version the allocations in its own form, and in no other.
#[test]
fn allocations_are_in_the_form_of_their_version() {
    let (listed, _) = STORED[0];
    let (packed, _) = stored_2().next().unwrap();
    let list = r#""allocations":[["1","25.00",null]],"#;
    let text = r#""allocations":"AAKIJw","#;
    for stored in [listed, packed] {
        let bare = stored.replace(list, "").replace(text, "");
        let with = |allocations: &str| {
            read(&bare.replace(r#""amount":"25.00","#, &format!(r#"{allocations}"amount":"25.00","#)))
        };
        let is_listed = stored == listed;
        assert_eq!((with(list).is_ok(), with(text).is_ok()), (is_listed, !is_listed));
        assert_eq!((with(r#""allocations":[],"#).is_ok(), read(&bare).is_ok()), (is_listed, !is_listed));
        for neither in [
            "null",
            "{}",
            "1",
            r#""""#,
            r#""AAKIJw=""#,
            r#""AAKI Jw""#,
            r#""AAKIJx""#,
            r#""AAKIJwA""#,
            r#"["AAKIJw"]"#,
            r#"[["1"]]"#,
        ] {
            assert!(with(&format!(r#""allocations":{neither},"#)).is_err(), "{neither} in {stored}");
        }
        assert!(with(&format!("{list}{list}")).is_err() && with(&format!("{text}{text}")).is_err());
    }
    let reason = |content: &str| read(content).unwrap_err().to_string();
    let said = "the entry's content cannot be read: its allocations are not in its version's form";
    assert_eq!(reason(&listed.replace(r#""v":1"#, r#""v":2"#)), said);
    assert_eq!(reason(&packed.replace(r#""v":2"#, r#""v":1"#)), said);
    for (allocations, said) in [
        ("AAKIJx", "are no base64: "),
        ("AAKI", "are cut off or out of range at [0]"),
        ("AAKIJwA", "are cut off or out of range at [1]"),
        ("AAKCAA", "are not packed as they would be"),
        ("", "are not packed as they would be"),
    ] {
        let reason = reason(&packed.replace("AAKIJw", allocations));
        let known = format!("the entry's content cannot be read: its allocations {said}");
        assert!(reason.starts_with(&known), "{reason}");
    }
}

#[test]
fn a_content_that_says_anything_else_is_unreadable() {
    let (stored, _) = STORED[0];
    assert!(read(stored).is_ok());
    let changes = [
        (r#""v":1"#, r#""v":0"#),
        (r#""v":1"#, r#""v":2"#),
        (r#""v":1"#, r#""v":3"#),
        (r#""v":1"#, r#""v":1000"#),
        (r#""v":1"#, r#""v":"1""#),
        (r#","v":1"#, ""),
        (r#","v":1"#, r#","v":1,"w":1"#),
        (r#","v":1"#, r#","v":1,"v":1"#),
        (r#"{"actor""#, r#"{"Actor""#),
        (r#""mode":"offline""#, r#""mode":"offline","by":"hand""#),
        (r#""mode":"offline""#, r#""mode":"by hand""#),
        (r#"["admin","key-1"]"#, r#"["root","key-1"]"#),
        (r#"["admin","key-1"]"#, r#"["admin"]"#),
        (r#"["admin","key-1"]"#, r#"["admin","key-1","key-2"]"#),
        (r#"["1","25.00",null]"#, r#"["-1","25.00",null]"#),
        (r#"["1","25.00",null]"#, r#"["1.0","25.00",null]"#),
        (r#"["1","25.00",null]"#, r#"[1,"25.00",null]"#),
        (r#"["1","25.00",null]"#, r#"["1",25.00,null]"#),
        (r#"["1","25.00",null]"#, r#"["1","25.00",null,null]"#),
        (r#"["1","25.00",null]"#, r#"["1","25.00",["refund"]]"#),
        (r#""amount":"25.00""#, r#""amount":25.00"#),
        (r#""amount":"25.00""#, r#""amount":"25.001""#),
        (r#""amount":"25.00""#, r#""amount":"1e3""#),
        (r#""balance":"25.00""#, r#""balance":null"#),
        (r#""currency":"USD""#, r#""currency":"XAU""#),
        (r#""customer":"alice@example.com""#, r#""customer":"alice/bob""#),
        (r#""category":"refund""#, r#""category":"gift""#),
        (r#""type":"grant""#, r#""type":"gift""#),
        (r#""number":1"#, r#""number":1.5"#),
        (r#""number":1"#, r#""number":18446744073709551616"#),
        ("2027-01-01T00:00:00Z", "2027-02-30T00:00:00Z"),
        ("2027-01-01T00:00:00Z", "soon"),
        (r#""prev":"0000"#, r#""prev":"000g"#),
        (r#""prev":"0000"#, r#""prev":"00"#),
    ];
    for (part, other) in changes {
        let changed = stored.replace(part, other);
        assert_ne!(changed, stored, "{part} is not in it");
        assert!(read(&changed).is_err(), "{part} changed to {other}");
    }
    for garbage in ["", "null", "[]", "{}", "1", "\"v\"", "{\"v\":1}", "\0", &"[".repeat(10_000)] {
        assert!(read(garbage).is_err(), "{garbage}");
    }
    for (stored, _) in STORED.into_iter().chain(stored_2()) {
        for (end, _) in stored.char_indices() {
            assert!(read(&stored[..end]).is_err(), "cut off at {end}: {stored}");
        }
    }
}

#[test]
fn erasing_free_text_leaves_the_chain_whole() {
    let (entry, content) = history().1.remove(0);
    assert_eq!(entry.note.as_ref().and_then(crate::FreeText::text), Some("for the broken cup"));
    let erased = Entry::read(&content, entry.hash, Texts::default()).unwrap();
    let note = erased.note.as_ref().unwrap();
    assert_eq!((note.text(), note.is_intact()), (None, true));
    assert_eq!(note.digest, entry.note.as_ref().unwrap().digest);
    assert_eq!(erased.content().unwrap(), content);
    assert!(!content.contains("cup") && !content.contains("third time"), "{content}");
}

#[test]
fn a_changed_text_is_seen() {
    let (entry, content) = history().1.remove(0);
    let Texts { note: Some(note), internal_note: Some(internal_note), .. } = written(&entry) else {
        panic!("it has both notes")
    };
    let check = |note: Written, internal_note: Written, expected: (bool, bool)| {
        let texts = Texts { note: Some(note), internal_note: Some(internal_note), reason: None };
        let entry = Entry::read(&content, entry.hash, texts).unwrap();
        let intact = (entry.note.unwrap().is_intact(), entry.internal_note.unwrap().is_intact());
        assert_eq!(intact, expected);
    };
    check(note.clone(), internal_note.clone(), (true, true));
    let other = Written { text: "for the broken cups".parse().unwrap(), ..note.clone() };
    check(other, internal_note.clone(), (false, true));
    check(Written { salt: [8; crate::SALT], ..note.clone() }, internal_note.clone(), (false, true));
    check(internal_note, note, (false, false));
}

#[test]
fn a_salt_keeps_equal_texts_from_being_told_by_their_digests() {
    let noted = |salt| {
        let grant = Grant { note: Some("sorry".parse().unwrap()), ..goodwill("5") };
        let change = crate::grant(&account(&[]), &Policy::default(), &grant, Role::Store, day(1)).unwrap();
        let (_, entry, _) = change.seal(&Policy::default(), Seal { salt, ..sealing(day(1)) }).unwrap();
        entry.note.unwrap().digest
    };
    assert_eq!(noted([1; crate::SALT]), noted([1; crate::SALT]));
    assert_ne!(noted([1; crate::SALT]), noted([2; crate::SALT]));
}

#[test]
fn a_hash_is_64_lower_case_digits() {
    let digits = "0123456789abcdef".repeat(4);
    assert_eq!(digits.parse::<Hash>().map(|hash| hash.to_string()), Ok(digits.clone()));
    for bad in
        ["", "0", &digits[1..], &format!("{digits}00"), &digits.replace('f', "g"), &digits.to_uppercase()]
    {
        assert!(bad.parse::<Hash>().is_err(), "{bad}");
    }
}
