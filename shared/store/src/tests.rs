//! Stored formats: one item of each kind and version, as the release that introduced it wrote it.
//!
//! What once was written has to be read for ever. A new version adds a file here and changes none.

mod forms;
mod records;
mod rules;
mod totality;

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use ledger::{Category, Hash, Label, Role, TopupStatus};
use serde_json::{Value, json};

use crate::{
    Error,
    documents::{decode_profile, decode_settings},
    items::{
        Filed, Item, KeyDigest, decode_account, decode_entry, decode_recorded, decode_refunds, decode_topup,
        encode_account, encode_entry, encode_refunds, encode_topup,
    },
    records::Record,
};

/// Every kind of item, as version 1 wrote it, in DynamoDB's own JSON.
const VERSION_1: &str = include_str!("tests/version-1.json");

/// Entries whose content is of version 2.
const CONTENT_2: &str = include_str!("tests/content-2.json");

/// What version 2 wrote otherwise.
const VERSION_2: &str = include_str!("tests/version-2.json");

fn stored(name: &str) -> Item {
    item_of(VERSION_1, name)
}

fn item_of(version: &str, name: &str) -> Item {
    let items: Value = serde_json::from_str(version).unwrap();
    item(items.get(name).unwrap_or_else(|| panic!("there is no item {name}")))
}

fn item(json: &Value) -> Item {
    let Record(item) = Record::read(&json!({"Item": json}).to_string()).unwrap();
    item
}

/// What is written now is what version 1 wrote, attribute by attribute.
#[track_caller]
fn same(written: &Item, stored: &Item) {
    assert_eq!(written, stored);
}

#[test]
fn an_account_of_version_1_reads_and_is_written_in_version_2() {
    let item = stored("account");
    let read = decode_account(&item).unwrap();
    assert_eq!(read.revision, 6);
    let account = &read.account;
    assert_eq!((account.customer.as_str(), account.currency.code(), account.number), ("alice", "USD", 5));
    let lots: Vec<_> = account
        .lots
        .iter()
        .map(|lot| {
            let expires_at = lot.origin.expires_at.map(|at| at.to_string());
            (
                lot.number.to_string(),
                lot.origin.category,
                lot.origin.source,
                lot.remaining.to_string(),
                expires_at,
            )
        })
        .collect();
    assert_eq!(
        lots,
        [
            (
                "1".to_owned(),
                Category::Refund,
                Role::Store,
                "14.00".to_owned(),
                Some("2027-01-01T00:00:00Z".to_owned())
            ),
            ("2".to_owned(), Category::Paid, Role::Admin, "999999999999.99".to_owned(), None),
        ]
    );
    let [hold] = account.holds.as_slice() else { panic!("one hold, not {:?}", account.holds) };
    assert_eq!(
        (hold.number, hold.order.id.as_str(), hold.amount().unwrap().to_string()),
        (4, "1003", "7.00".to_owned())
    );
    assert_eq!(hold.deadline.to_string(), "2026-11-22T10:15:00Z");
    assert_eq!(account.pending.to_string(), "50.00");
    assert_eq!(account.lifetime.redeemed.to_string(), "10.00");
    // Who brought the credit is counted since; the totals of before say that nobody did.
    let mut written = item.clone();
    let Some(AttributeValue::L(totals)) = written.get_mut("life") else { panic!("it has totals") };
    totals.extend([AttributeValue::N("0".to_owned()), AttributeValue::N("0".to_owned())]);
    // Accounts stand in an index of all of them since.
    written.insert("lq".to_owned(), AttributeValue::S("ACCOUNT#11".to_owned()));
    written.insert("lk".to_owned(), AttributeValue::S("alice".to_owned()));
    // Its lots are packed beside each other since.
    written.extend(item_of(VERSION_2, "account"));
    same(&encode_account(account, read.revision).unwrap(), &written);
}

#[test]
fn entries_of_both_versions_of_the_content_read_and_are_written_the_same() {
    let names = [("grant", "g1"), ("redemption", "r1"), ("debit", "d1"), ("credited", "a1")];
    for (version, (name, key)) in
        [VERSION_1, CONTENT_2].into_iter().flat_map(|of| names.map(|name| (of, name)))
    {
        let item = item_of(version, name);
        let entry = decode_entry(&item).unwrap();
        let AttributeValue::S(content) = &item["c"] else { panic!("{name} has no content") };
        assert_eq!(Hash::of(content.as_bytes()), entry.hash, "{name}");
        assert!(entry.reason.as_ref().is_none_or(ledger::FreeText::is_intact), "{name}");
        assert!(entry.note.as_ref().is_none_or(ledger::FreeText::is_intact), "{name}");
        let AttributeValue::B(fingerprint) = &item["f"] else { panic!("{name} has no fingerprint") };
        let fingerprint: [u8; 32] = fingerprint.as_ref().try_into().unwrap();
        let fingerprint = serde_json::from_value(json!(Hash(fingerprint))).unwrap();
        let digest = KeyDigest::of(&key.parse().unwrap());
        same(&encode_entry(&entry, content.clone(), &digest, fingerprint), &item);
    }
}

#[test]
fn top_ups_of_version_1_read_and_are_written_the_same() {
    for (name, status) in [("topup", TopupStatus::Pending), ("approved", TopupStatus::Approved)] {
        let item = stored(name);
        let topup = decode_topup(&item).unwrap();
        assert_eq!((topup.status, topup.amount.to_string()), (status, "50.00".to_owned()));
        let AttributeValue::B(fingerprint) = &item["f"] else { panic!("{name} has no fingerprint") };
        let fingerprint: [u8; 32] = fingerprint.as_ref().try_into().unwrap();
        let fingerprint = serde_json::from_value(json!(Hash(fingerprint))).unwrap();
        let customer = "alice".parse().unwrap();
        same(&encode_topup(&customer, &topup, fingerprint, Filed::WhilePending).unwrap(), &item);
    }
}

#[test]
fn what_was_given_back_as_version_1_counted_it_reads_and_is_written_the_same() {
    let item = stored("refunds");
    let refunded = decode_refunds(&item, ledger::Currency::USD).unwrap();
    assert_eq!(refunded.to_string(), "4.00");
    same(&encode_refunds(&"alice".parse().unwrap(), "USD-3".parse().unwrap(), refunded).unwrap(), &item);
}

#[test]
fn documents_of_version_1_read() {
    let settings = decode_settings(Some(&stored("settings"))).unwrap();
    assert_eq!((settings.version, settings.policy.time_zone.to_string()), (2, "Europe/Paris".to_owned()));
    let profile = decode_profile(&stored("profile")).unwrap();
    assert_eq!(
        (profile.name.as_ref().map(Label::as_str), profile.email.as_ref().map(Label::as_str)),
        (Some("Alice"), Some("alice@example.com"))
    );
    assert_eq!((profile.version, profile.frozen, profile.group), (0, false, None));
}

#[test]
fn an_item_of_a_version_to_come_is_refused_and_not_guessed_at() {
    for name in ["account", "grant", "topup", "settings", "profile"] {
        let mut item = stored(name);
        item.insert("v".to_owned(), AttributeValue::N("2".to_owned()));
        let refused = match name {
            "account" => decode_account(&item).err(),
            "settings" => decode_settings(Some(&item)).err(),
            "profile" => decode_profile(&item).err(),
            _ => decode_recorded(&item).err(),
        };
        assert!(matches!(refused, Some(Error::Corrupt { .. })), "{name}: {refused:?}");
    }
}

#[test]
fn a_damaged_item_is_corrupt_and_never_a_panic() {
    for name in ["account", "grant", "redemption", "topup", "settings"] {
        let whole = stored(name);
        let decode = |item: &Item| match name {
            "account" => decode_account(item).map(drop),
            "settings" => decode_settings(Some(item)).map(drop),
            _ => decode_recorded(item).map(drop),
        };
        for attribute in whole.keys() {
            // Without these an item is simply not indexed, or has no text; an account may be of any name.
            if ["wq", "wk", "n", "note", "internal_note", "reason", "rev", "f", "holds", "debt"]
                .contains(&attribute.as_str())
            {
                continue;
            }
            let is_key = attribute == "pk" || attribute == "sk";
            if is_key && name != "account" {
                continue;
            }
            let mut missing = whole.clone();
            missing.remove(attribute);
            assert!(decode(&missing).is_err(), "{name} without {attribute}");
            let mut garbled = whole.clone();
            garbled.insert(attribute.clone(), AttributeValue::B(Blob::new(vec![0xff; 9])));
            assert!(decode(&garbled).is_err(), "{name} with a garbled {attribute}");
        }
    }
}
