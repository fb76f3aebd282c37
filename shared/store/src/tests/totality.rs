//! No stored item, line of an export or cursor makes the store panic: it is read, or refused.

use std::collections::HashMap;

use proptest::{collection::vec, prelude::*, sample::Index, test_runner::Config};
use serde::de::DeserializeOwned;

use super::*;
use crate::{
    ApiKeysCursor, AuditRound, ChangedItem, ChangesCursor, CustomersCursor, DocumentChange, EntriesCursor,
    FailuresCursor, GrantFailure, Group, GroupGrant, News, ReachBack, Reminders, TopupsCursor,
    api_keys::{decode_api_key, encode_api_key},
    documents::decode_document,
    items::{Fields, Key, account_of, decode_imports, encode_imports, encode_listed_balance},
    reminders::decode_reminder,
};

/// Documents of the jobs, lists of changes and grants, as they are stored.
const DOCUMENTS: &[(&str, &str, &str)] = &[
    ("JOB#AUDIT", "JOB", r#"{"step":3,"rounds":1,"shard":4,"after":["alice","USD"]}"#),
    (
        "JOB#REACH_BACK",
        "JOB",
        r#"{"id":["STORE","CHANGE#00000000000000000001"],"step":3,"requested_at":"2026-11-22T10:00:00Z","finished_at":null,"accounts":7,"dated":2,"shard":3,"after":["alice","USD"]}"#,
    ),
    (
        "JOB#REMINDERS",
        "JOB",
        r#"{"today":"2026-11-22","done":false,"step":3,"shard":4,"place":["001798761600000","alice","USD"]}"#,
    ),
    (
        "C#alice",
        "M#2026-11-22#000",
        r#"{"at":"2026-11-22T08:00:00Z","day":"2026-11-22","expiring":[["USD",500,"2026-12-01T00:00:00Z","2026-11-30",8,8]]}"#,
    ),
    (
        "GRANT#AAAAAAAAAAAAAAAAAAAAAA",
        "JOB",
        r#"{"id":"AAAAAAAAAAAAAAAAAAAAAA","group":"vip","terms":{"currency":"USD","amount":"5.00","category":"promotional","expires_on":"2030-12-31"},"requested_by":{"role":"admin","id":"key_1"},"requested_at":"2026-11-22T10:00:00Z","finished_at":null,"credited":2,"failed":1,"fingerprint":"0000000000000000000000000000000000000000000000000000000000000000","step":1,"after":"bob"}"#,
    ),
    (
        "GRANT#AAAAAAAAAAAAAAAAAAAAAA",
        "F#alice",
        r#"{"customer":"alice","code":"credit_disabled","detail":"credit is disabled"}"#,
    ),
    (
        "STORE",
        "CHANGE#00000000000000000007",
        r#"{"version":7,"at":"2026-11-22T10:00:00Z","actor":{"role":"admin","id":"key_1"},"group":"vip","changes":{"sort_order":{"old":1,"new":null}}}"#,
    ),
];

/// One item of every kind.
fn items() -> Vec<Item> {
    let of = |version| serde_json::from_str::<HashMap<String, Value>>(version).unwrap();
    let mut items: Vec<Item> =
        [VERSION_1, VERSION_2, CONTENT_2].into_iter().flat_map(of).map(|(_, stored)| item(&stored)).collect();
    items.extend(DOCUMENTS.iter().map(|(pk, sk, document)| {
        item(&json!({"pk": {"S": pk}, "sk": {"S": sk}, "v": {"N": "1"}, "doc": {"S": document}}))
    }));
    items.push(item(&json!({
        "pk": {"S": "STORE"}, "sk": {"S": "SETTINGS"}, "v": {"N": "1"}, "version": {"N": "3"}, "doc": {"S": "{}"},
        "groups": {"M": {"vip": {"S": "{\"policy\":{\"enabled\":false},\"joining_grant\":{\"currency\":\"USD\",\"amount\":\"5\",\"category\":\"paid\"}}"}}},
    })));
    items.push(item(&json!({
        "pk": {"S": "KEY#key_1"}, "sk": {"S": "KEY"}, "v": {"N": "1"}, "role": {"S": "store"}, "name": {"S": "till"},
        "h": {"B": "jeAxEvx8c7MdzFvBbGeVt2JDdPYXArCBhoPc1IcoQkM="}, "at": {"N": "1795341600000"}, "revoked": {"N": "1795341600001"},
    })));
    items.push(item(&json!({
        "pk": {"S": "C#alice"}, "sk": {"S": "A"}, "v": {"N": "1"}, "version": {"N": "2"}, "name": {"S": "Alice"},
        "email": {"S": "alice@example.com"}, "language": {"S": "de"}, "group": {"S": "vip"}, "frozen": {"BOOL": true},
        "policy": {"S": "{\"enabled\":false}"}, "wq": {"S": "GROUP#vip"}, "wk": {"S": "alice"},
    })));
    items
}

/// Asks every decoder. What an account, an entry or a top-up was read as has to be read again from what it is written as.
fn read_as_everything(item: &Item) {
    fn document<T: DeserializeOwned>(item: &Item) {
        drop(decode_document::<T>(item));
    }
    if let Ok(stored) = decode_account(item) {
        // What is out of range is refused when it is written, as it is when it is computed with.
        if let Ok(written) = encode_account(&stored.account, stored.revision) {
            assert_eq!(decode_account(&written).unwrap(), stored);
        }
        assert!(stored.account.balance().is_ok() || encode_listed_balance(&stored).is_err());
    }
    drop(decode_entry(item));
    if let Ok(topup) = decode_topup(item) {
        let customer = "alice".parse().unwrap();
        let written = encode_topup(&customer, &topup, crate::Fingerprint::NONE, Filed::WhilePending).unwrap();
        assert_eq!(decode_topup(&written).unwrap(), topup);
    }
    if let Ok(settings) = decode_settings(Some(item)) {
        drop(settings.groups());
        drop(crate::documents::encode_settings(&settings));
    }
    if let Ok(profile) = decode_profile(item) {
        let customer = "alice".parse().unwrap();
        assert_eq!(
            decode_profile(&crate::documents::encode_profile(&customer, &profile).unwrap()).unwrap(),
            profile
        );
    }
    drop(decode_recorded(item));
    drop(decode_refunds(item, ledger::Currency::USD));
    if let Ok(imports) = decode_imports(item) {
        let again = encode_imports(&"alice".parse().unwrap(), &imports);
        assert_eq!(decode_imports(&again).unwrap(), imports);
    }
    if let Ok(key) = decode_api_key("key_1", item) {
        assert_eq!(decode_api_key("key_1", &encode_api_key(&key)).unwrap(), key);
    }
    drop(decode_reminder(item));
    document::<AuditRound>(item);
    document::<DocumentChange>(item);
    document::<GrantFailure>(item);
    document::<Group>(item);
    document::<GroupGrant>(item);
    document::<ReachBack>(item);
    document::<Reminders>(item);
    if let Ok(key) = Key::of(item) {
        drop(account_of(&key));
        drop(ChangedItem::of(&key.pk, &key.sk, true, (None, Some(&key.sk))));
    }
    let image = || serde_dynamo::Item::from(item.clone());
    drop(News::of(serde_dynamo::Item::default(), image()));
    drop(News::of(image(), image()));
    drop(Fields(item).fingerprint());
    let record = Record(item.clone());
    drop(record.place());
    drop(record.finding());
    assert_eq!(Record::read(&record.line()).unwrap(), record);
}

/// Numbers as DynamoDB has them, and what only looks like one.
fn digits() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u64>().prop_map(|number| number.to_string()),
        (-2..300_i16).prop_map(|number| number.to_string()),
        prop::sample::select(vec![
            "",
            "-",
            "1.5",
            "1e3",
            "-0",
            "99999999999999999999999999999999999999",
            "NaN"
        ])
        .prop_map(str::to_owned),
    ]
}

fn text() -> impl Strategy<Value = String> {
    let telling = [
        "",
        "alice",
        "C#alice",
        "A#USD",
        "A",
        "STORE",
        "SETTINGS",
        "K#1",
        "{}",
        "[]",
        "null",
        "store",
        "2026-11-22T10:00:00Z",
    ];
    prop_oneof![prop::sample::select(telling.to_vec()).prop_map(str::to_owned), any::<String>(), digits()]
}

/// Any attribute that an item may have.
fn attribute() -> impl Strategy<Value = AttributeValue> {
    let blob = || vec(any::<u8>(), 0..40).prop_map(Blob::new);
    let leaf = prop_oneof![
        text().prop_map(AttributeValue::S),
        digits().prop_map(AttributeValue::N),
        blob().prop_map(AttributeValue::B),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null(true)),
        vec(text(), 0..3).prop_map(AttributeValue::Ss),
        vec(digits(), 0..3).prop_map(AttributeValue::Ns),
        vec(blob(), 0..3).prop_map(AttributeValue::Bs),
    ];
    leaf.prop_recursive(2, 12, 9, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..9).prop_map(AttributeValue::L),
            prop::collection::hash_map(text(), inner, 0..3).prop_map(AttributeValue::M),
        ]
    })
}

/// A change of one attribute: what of it is damaged is told by two places in it.
#[derive(Clone, Debug)]
enum Damage {
    Removed,
    Replaced(AttributeValue),
    Cut(Index),
    Put(Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        Just(Damage::Removed),
        attribute().prop_map(Damage::Replaced),
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Put(at, byte)),
    ]
}

/// These bytes, cut off or with one of them replaced; of a text's, what is no text any more is written as such.
fn damaged(mut bytes: Vec<u8>, damage: &Damage) -> Vec<u8> {
    match damage {
        Damage::Cut(at) if !bytes.is_empty() => bytes.truncate(at.index(bytes.len())),
        Damage::Put(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        _ => {}
    }
    bytes
}

fn apply(item: &mut Item, at: &Index, damage: Damage) {
    let mut names: Vec<String> = item.keys().cloned().collect();
    names.sort();
    let Some(name) = names.get(at.index(names.len().max(1))) else { return };
    let text = |text: &str| String::from_utf8_lossy(&damaged(text.as_bytes().to_vec(), &damage)).into_owned();
    let changed = match (&damage, &item[name]) {
        (Damage::Removed, _) => {
            item.remove(name);
            return;
        }
        (Damage::Replaced(value), _) => value.clone(),
        (_, AttributeValue::S(value)) => AttributeValue::S(text(value)),
        (_, AttributeValue::N(value)) => AttributeValue::N(text(value)),
        (_, AttributeValue::B(value)) => {
            AttributeValue::B(Blob::new(damaged(value.as_ref().to_vec(), &damage)))
        }
        (_, AttributeValue::L(values)) => AttributeValue::L(values.iter().skip(1).cloned().collect()),
        (_, value) => value.clone(),
    };
    item.insert(name.clone(), changed);
}

/// Names of attributes that some item has.
fn names() -> Vec<String> {
    let mut names: Vec<String> = items().iter().flat_map(HashMap::keys).cloned().collect();
    names.extend(
        ["lapses", "debt", "internal_note", "reason", "until", "told", "lq", "lk"].map(str::to_owned),
    );
    names.sort();
    names.dedup();
    names
}

fn cases(cases: u32) -> Config {
    Config { cases, failure_persistence: None, ..Config::default() }
}

#[test]
fn whole_items_are_read() {
    items().iter().for_each(read_as_everything);
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn a_damaged_item_is_read_or_refused(
        item in prop::sample::select(items()),
        damages in vec((any::<Index>(), damage()), 1..4),
    ) {
        let mut item = item;
        for (at, damage) in damages {
            apply(&mut item, &at, damage);
        }
        read_as_everything(&item);
    }

    #[test]
    fn an_item_of_anything_is_read_or_refused(
        mut item in prop::collection::hash_map(prop::sample::select(names()), attribute(), 0..12),
        versioned: bool,
    ) {
        if versioned {
            item.extend([crate::items::number("v", 1)]);
        }
        read_as_everything(&item);
    }

    #[test]
    fn a_line_of_anything_is_read_or_refused(
        item in prop::sample::select(items()),
        at: Index,
        damage in damage(),
        line in any::<String>(),
    ) {
        drop(Record::read(&line));
        let line = damaged(Record(item).line().into_bytes(), &match damage {
            Damage::Removed | Damage::Replaced(_) => Damage::Cut(at),
            other => other,
        });
        if let Ok(record) = Record::read(&String::from_utf8_lossy(&line)) {
            read_as_everything(&record.0);
        }
    }

    #[test]
    fn a_cursor_of_anything_is_read_or_refused(text in text(), number: u64) {
        let quoted = serde_json::to_string(&text).unwrap();
        for cursor in [
            text.clone(),
            quoted.clone(),
            format!("{{\"version\":{number}}}"),
            format!("{{\"USD\":{number},{quoted}:1}}"),
            format!("{{\"topup\":{quoted}}}"),
            format!("{{\"key\":{quoted}}}"),
            format!("{{\"failed\":{quoted}}}"),
            format!("{{\"by\":\"Name\",\"place\":{quoted}}}"),
        ] {
            check::<ApiKeysCursor>(&cursor);
            check::<ChangesCursor>(&cursor);
            check::<CustomersCursor>(&cursor);
            check::<EntriesCursor>(&cursor);
            check::<FailuresCursor>(&cursor);
            check::<TopupsCursor>(&cursor);
        }
    }
}

/// What a cursor is read as, is written as a cursor that is read as the same.
fn check<T: DeserializeOwned + serde::Serialize + std::fmt::Debug + PartialEq>(cursor: &str) {
    if let Ok(read) = serde_json::from_str::<T>(cursor) {
        let written = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<T>(&written).unwrap(), read, "{cursor}");
    }
}
