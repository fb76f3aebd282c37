//! What is stored, form by form: keys, digests, places in the indexes, documents. They are in tables for ever, and so stand here
//! as they are written.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use ledger::{
    Account, AccountRole, Booking, BoundBy, Currency, EntryType, Flow, GroupId, Hold, LastDay, Leg, Lot,
    LotNumber, LotPart, Money, OrderUse, Origin, Position, Standing,
};
use proptest::prelude::*;

use super::*;
use crate::{
    ApiKey, ChangedItem, CommandKey, CustomersFilter, DocumentChange, Edit, Fingerprint, GroupGrant,
    GroupGrantId, News, Notices, Order, Profile, Range, Settings,
    api_keys::{decode_api_key, encode_api_key},
    documents::{Changed, decode_document, differences, encode_document, encode_profile, encode_settings},
    items::{
        BALANCE_SHARDS, Fields, Imports, Key, Packing, Recorded, SHARDS, Stored, WholeLot, account_of,
        account_partition, balance_partition, balance_place, decode_booking, decode_imports, decode_standing,
        encode_booking, encode_imports, encode_listed_balance, encode_listed_group, encode_listed_name,
        encode_standing, encode_unlisted_balance, entry_number, expiry_partition, moment, partition,
    },
    transaction::token,
};

/// An id as grants to groups have them.
const GRANT: &str = "AAAAAAAAAAAAAAAAAAAA_-";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn usd(minor: i64) -> Money {
    Money::from_minor(minor, Currency::USD)
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// An account that has everything which an account may have.
fn full() -> Account {
    let lot = |entry, category, source, expires_at| Lot {
        number: LotNumber { entry, part: 1 },
        origin: Origin { category, source, granted_at: at("2026-11-22T10:00:00Z"), expires_at },
        remaining: usd(500),
    };
    let of = |minor| ledger::Lifetime {
        granted: usd(minor),
        topped_up: usd(2),
        redeemed: usd(3),
        refunded: usd(4),
        withdrawn: usd(5),
        expired: usd(6),
        debited: usd(7),
        by_admin: usd(8),
        by_customer: usd(9),
    };
    let hold = Hold {
        number: 7,
        deadline: at("2026-11-22T10:15:00Z"),
        parts: vec![(LotNumber { entry: 1, part: 1 }, usd(40))],
        overdraft: usd(2),
        order: OrderUse {
            id: parsed("1003"),
            base: usd(100),
            total: usd(120),
            bound_by: BoundBy::UsageLimit,
        },
    };
    Account {
        number: 9,
        hash: Hash::of(b"the last entry"),
        at: at("2026-11-22T10:01:00Z"),
        lots: vec![
            lot(1, Category::Paid, Role::Admin, None),
            lot(2, Category::Promotional, Role::Store, Some(at("2027-01-01T00:00:00Z"))),
            lot(3, Category::Refund, Role::Customer, None),
            lot(4, Category::Goodwill, Role::System, None),
            lot(5, Category::Import, Role::Admin, None),
        ],
        holds: vec![hold],
        debt: usd(11),
        pending: usd(70),
        lapses: vec![(at("2026-11-29T10:00:00Z"), usd(70))],
        lifetime: of(1),
        expiry_bound: Some(at("2027-01-01T00:00:00Z")),
        ..Account::new(parsed("alice"), Currency::USD)
    }
}

#[test]
fn every_key_is_as_it_always_was() {
    let (customer, grant) = (&parsed("alice"), &parsed::<GroupGrantId>(GRANT));
    let digest = KeyDigest::of(&parsed("g1"));
    let day = "2026-12-01".parse().unwrap();
    let topup = parsed("USD-pSn4mnpxC-trlMwoy4oJtA");
    for (key, pk, sk) in [
        (Key::account(customer, Currency::USD), "C#alice", "A#USD"),
        (Key::profile(customer), "C#alice", "A"),
        (Key::recorded(customer, &digest), "C#alice", "K#t35_4xBZQcnNYIo0zNrr8w"),
        (Key::topup(customer, &topup), "C#alice", "K#pSn4mnpxC-trlMwoy4oJtA"),
        (Key::refunds(customer, parsed("USD-12")), "C#alice", "R#USD-12"),
        (Key::imports(customer), "C#alice", "I"),
        (Key::reminder(customer, day, 0), "C#alice", "M#2026-12-01#000"),
        (Key::profile_change(customer, 7), "C#alice", "P#00000000000000000007"),
        (Key::settings(), "STORE", "SETTINGS"),
        (Key::settings_change(7), "STORE", "CHANGE#00000000000000000007"),
        (Key::notices(Notices::Mail), "STORE", "MAIL"),
        (Key::notices(Notices::Webhooks), "STORE", "WEBHOOKS"),
        (Key::notices_change(Notices::Mail, 7), "STORE", "CHANGE-MAIL#00000000000000000007"),
        (Key::notices_change(Notices::Webhooks, 7), "STORE", "CHANGE-WEBHOOKS#00000000000000000007"),
        (Key::told("alice-USD-1", "mail"), "TOLD#alice-USD-1", "mail"),
        (Key::listed_name(customer), "LIST#alice", "NAME"),
        (Key::listed_group(customer), "LIST#alice", "GROUP"),
        (Key::listed_balance(customer, Currency::USD), "LIST#alice", "USD"),
        (Key::reach_back(), "JOB#REACH_BACK", "JOB"),
        (Key::audit(), "JOB#AUDIT", "JOB"),
        (Key::reminders(), "JOB#REMINDERS", "JOB"),
        (Key::own_reminders(), "JOB#REMINDERS", "OWN"),
        (Key::group_grant(grant), "GRANT#AAAAAAAAAAAAAAAAAAAA_-", "JOB"),
        (Key::grant_failure(grant, customer), "GRANT#AAAAAAAAAAAAAAAAAAAA_-", "F#alice"),
        (Key::api_key("key_1"), "KEY#key_1", "KEY"),
    ] {
        assert_eq!((key.pk.as_str(), key.sk.as_str()), (pk, sk));
        assert_eq!(key.to_item(), item(&json!({"pk": {"S": pk}, "sk": {"S": sk}})));
        assert_eq!(Key::of(&key.to_item()).unwrap(), key);
        assert_eq!(key.customer(), pk.starts_with("C#").then(|| customer.clone()));
        let account = (sk == "A#USD").then(|| (customer.clone(), Currency::USD));
        assert_eq!(account_of(&key).ok(), account);
    }
    assert_eq!(partition(customer), "C#alice");
}

#[test]
fn what_names_a_command_is_digested_as_it_always_was() {
    let (key, group, grant) = (parsed("g1"), parsed::<GroupId>("vip"), parsed::<GroupGrantId>(GRANT));
    for (digest, text) in [
        (KeyDigest::of(&key), "t35_4xBZQcnNYIo0zNrr8w"),
        (KeyDigest::of_command(&CommandKey::Client(&key)), "t35_4xBZQcnNYIo0zNrr8w"),
        (KeyDigest::of_command(&CommandKey::GroupGrant(&grant)), "zSys1oIg5KTlqb-oC78vrQ"),
        (KeyDigest::of_command(&CommandKey::Joining(&group)), "sHT9Vt0Kq78CHyft5DCMiw"),
        (KeyDigest::of_group_grant(&group, &key), "AHAyGQC5sdwhF-eozD6TOw"),
        (KeyDigest::of_expiry(parsed("USD-12")), "JPjwgAVE21UWihTAFD-nmw"),
        (KeyDigest::of_reaching_back(parsed("USD-12")), "d224oS5G77QMVj3U-Uezhg"),
        (KeyDigest::of_import(parsed("USD-12")), "MQs08b6dqGbNLIbmyx99QA"),
        (KeyDigest::of_automatic(&parsed("USD-AAAAAAAAAAAAAAAAAAAAAA")), "TH5sQXayISZUjNdPCCNvig"),
    ] {
        assert_eq!(digest.as_str(), text);
    }
}

#[test]
fn a_token_is_of_its_parts_and_where_they_end() {
    assert_eq!(token(&[b"ab", b"c"]), "YB1UduLM_iyHorunoyJllzSgV0nVtap4H1E-");
    assert_eq!(token(&[b"a", b"bc"]), "P6-hzy8Zp8ESm-sgzwmD9zpImiIfwN0vFtG-");
}

#[test]
fn a_request_repeats_what_is_recorded_of_it() {
    let (deed, words, others) = (Hash::of(b"deed"), Hash::of(b"words"), Hash::of(b"others"));
    let asked = Fingerprint::of(deed, words);
    assert!(asked.repeats(asked));
    assert!(!asked.repeats(Fingerprint::of(deed, others)) && !asked.repeats(Fingerprint::of(others, words)));
    let erased = asked.erased();
    assert_ne!(erased, asked);
    assert!(asked.repeats(erased) && Fingerprint::of(deed, others).repeats(erased));
    assert!(!Fingerprint::of(others, words).repeats(erased));
    assert!(!erased.repeats(asked));
    assert!(Fingerprint::NONE.repeats(Fingerprint::NONE) && !asked.repeats(Fingerprint::NONE));
    let half = |hash: Hash| hash.0.split_at(16).0.to_vec();
    assert_eq!(asked.to_bytes(), [half(deed), half(words)].concat());
    assert_eq!(asked.as_bytes(), asked.to_bytes());
}

#[test]
fn an_account_is_read_as_it_was_written() {
    let account = full();
    let item = encode_account(&account, 12).unwrap();
    assert_eq!(decode_account(&item).unwrap(), Stored { account, revision: 12 });

    let plain = Account::new(parsed("bob"), Currency::USD);
    let plain = Account { at: at("2026-11-22T10:00:00Z"), ..plain };
    let item = encode_account(&plain, 1).unwrap();
    for absent in ["holds", "lapses", "debt", "wq", "wk"] {
        assert!(!item.contains_key(absent), "{absent}");
    }
    assert_eq!(decode_account(&item).unwrap().account, plain);
}

#[test]
fn the_rows_of_an_import_are_read_as_they_were_written() {
    let customer = parsed("alice");
    let imports = Imports {
        revision: 3,
        rows: [([1; 8], [2; 4]), ([0, 0, 0, 0, 0, 0, 0, 9], [7; 4])].into(),
        entries: [(Currency::USD, 2), (parsed("EUR"), 1)].into(),
    };
    let item = encode_imports(&customer, &imports);
    let rows = "AAAAAAAAAAkHBwcHAQEBAQEBAQECAgIC";
    let stored = json!({"pk": {"S": "C#alice"}, "sk": {"S": "I"}, "v": {"N": "1"}, "rev": {"N": "3"}, "rows": {"B": rows},
        "entries": {"M": {"USD": {"N": "2"}, "EUR": {"N": "1"}}}});
    assert_eq!(crate::records::json_of(&item), stored);
    assert_eq!(decode_imports(&item).unwrap(), imports);
    let spoiled = |name: &str, value: AttributeValue| {
        let mut item = item.clone();
        item.insert(name.to_owned(), value);
        decode_imports(&item).unwrap_err().to_string()
    };
    let bytes = |rows: &[u8]| AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new(rows));
    assert!(spoiled("rows", bytes(&[1; 13])).ends_with("rows are cut off"));
    assert!(spoiled("rows", bytes(&[1; 11])).ends_with("rows are cut off"));
    assert!(spoiled("rows", bytes(&[1; 7])).ends_with("rows are cut off"));
    assert!(spoiled("rows", bytes(&[1; 24])).ends_with("rows are not in order"));
    assert!(spoiled("v", AttributeValue::N("2".to_owned())).contains("format 2 is not known"));
    let entries = AttributeValue::M([("ZZZ".to_owned(), AttributeValue::N("1".to_owned()))].into());
    assert!(spoiled("entries", entries).ends_with("entries are of no currency"));
    assert!(spoiled("entries", AttributeValue::Null(true)).ends_with("entries are missing"));
}

proptest! {
    #[test]
    fn lots_of_any_numbers_are_unpacked_as_they_were_packed(lots: Vec<WholeLot>) {
        let (mut packing, mut unpacking) = (Packing::default(), Packing::default());
        for lot in lots {
            prop_assert_eq!(unpacking.unpack(packing.pack(lot)), lot);
        }
    }
}

#[test]
fn a_lot_takes_few_bytes_beside_another() {
    let kind = (b'p', b's');
    let granted = 1_795_341_600_000;
    let midnight = 1_798_675_200_000;
    let packed = |lots: &[WholeLot]| {
        let mut packing = Packing::default();
        let packed: Vec<_> = lots.iter().map(|lot| packing.pack(*lot)).collect();
        postcard::to_allocvec(&packed).unwrap().len()
    };
    let first = (1, 0, kind, granted, Some(midnight), 2_500);
    let alone = packed(&[first]);
    // A day and some milliseconds later, over two days after the first, of up to 10,485.75; and one that is never over.
    let next = (2, 0, kind, granted + 86_400_123, Some(midnight + 2 * 86_400_000), 1_048_575);
    assert_eq!(packed(&[first, next]) - alone, 14);
    assert_eq!(packed(&[first, (2, 0, kind, granted + 86_400_123, None, 1_048_575)]) - alone, 12);
    // At a moment that is no quarter of an hour.
    assert_eq!(packed(&[first, (2, 0, kind, granted, Some(midnight + 1), 1)]) - alone, 8);
}

#[test]
fn an_account_that_counted_less_has_nothing_there() {
    for counted in 0..=9 {
        let mut item = encode_account(&full(), 1).unwrap();
        let Some(AttributeValue::L(totals)) = item.get_mut("life") else { panic!("it has totals") };
        totals.truncate(counted);
        let read = decode_account(&item).ok().map(|stored| stored.account.lifetime);
        let brought = read.map(|life| (life.by_admin, life.by_customer));
        let expected = match counted {
            9 => Some((usd(8), usd(9))),
            8 => Some((usd(8), usd(0))),
            7 => Some((usd(0), usd(0))),
            _ => None,
        };
        assert_eq!(brought, expected, "{counted}");
    }
}

#[test]
fn a_top_up_waits_in_the_list_as_long_as_it_is_filed() {
    let customer = parsed("alice");
    for (name, filed, listed) in [
        ("topup", Filed::WhilePending, true),
        ("topup", Filed::Still, true),
        ("approved", Filed::WhilePending, false),
        ("approved", Filed::Still, true),
    ] {
        let topup = decode_topup(&stored(name)).unwrap();
        let item = encode_topup(&customer, &topup, Fingerprint::NONE, filed).unwrap();
        assert_eq!((item.contains_key("wq"), item.contains_key("wk")), (listed, listed), "{name} {filed:?}");
        assert_eq!(decode_topup(&item).unwrap(), topup);
    }
}

#[test]
fn what_stands_under_a_key_is_an_entry_or_a_top_up() {
    assert!(matches!(decode_recorded(&stored("grant")), Ok(Recorded::Entry(..))));
    assert!(matches!(decode_recorded(&stored("topup")), Ok(Recorded::Topup(..))));
}

#[test]
fn an_account_that_is_not_there_is_in_no_list_and_older_than_any() {
    let item = encode_unlisted_balance(&parsed("alice"), Currency::USD);
    let key = Key { pk: "LIST#alice".to_owned(), sk: "USD".to_owned() };
    assert_eq!(Key::of(&item).unwrap(), key);
    assert_eq!(Fields(&item).number::<u64>("rev").unwrap(), 0);
    assert!(!item.contains_key("lq") && !item.contains_key("lk"));
}

#[test]
fn parts_of_the_indexes_are_named_as_they_always_were() {
    assert_eq!((expiry_partition(3), account_partition(11)), ("EXPIRY#03".into(), "ACCOUNT#11".into()));
    assert_eq!(balance_partition(Currency::USD, 2), "BALANCE#USD#02");
    assert_eq!(entry_number(Currency::USD, 17), "E#USD#000000000017");
    assert_eq!(moment(at("2026-11-22T10:00:00Z")), "001795341600000");
    assert_eq!(moment(Timestamp::MIN), "000000000000000");
    for (customer, account, balance) in [("alice", 11, 3), ("bob", 1, 1), ("carol", 12, 0), ("dave", 1, 1)] {
        let account_item = encode_account(&Account::new(parsed(customer), Currency::USD), 1);
        // Before its first entry an account has no moment that could be stored, but a part it has.
        let lists = account_item.unwrap()["lq"].clone();
        assert_eq!(lists, AttributeValue::S(account_partition(account)));
        let stored = Stored { account: Account::new(parsed(customer), Currency::USD), revision: 1 };
        let listed = encode_listed_balance(&stored).unwrap();
        assert_eq!(listed["lq"], AttributeValue::S(balance_partition(Currency::USD, balance)));
        assert!(account < SHARDS && balance < BALANCE_SHARDS);
    }
}

#[test]
fn what_is_listed_is_written_as_it_always_was() {
    let customer = &parsed("Alice.1");
    let group = &parsed("vip");
    let head = |sk: &str, rev: &str| json!({"pk": {"S": "LIST#Alice.1"}, "sk": {"S": sk}, "v": {"N": "1"}, "rev": {"N": rev}});
    let listed = |sk: &str, rev: &str, lq: &str, lk: &str| {
        let mut item = item(&head(sk, rev));
        item.extend([crate::items::text("lq", lq), crate::items::text("lk", lk)]);
        item
    };
    same(
        &encode_listed_name(customer, Some("Ärger STRASSE"), 3),
        &listed("NAME", "3", "NAME", "ärger strasse\nAlice.1"),
    );
    same(&encode_listed_name(customer, None, 0), &listed("NAME", "0", "NAME", "alice.1\nAlice.1"));
    same(
        &encode_listed_group(customer, Some("Alice"), Some(group), 4),
        &listed("GROUP", "4", "GROUP#vip", "alice\nAlice.1"),
    );
    same(&encode_listed_group(customer, Some("Alice"), None, 5), &item(&head("GROUP", "5")));
    let account = Account { customer: customer.clone(), ..full() };
    let balance = account.balance().unwrap().minor().unwrap();
    let item = encode_listed_balance(&Stored { account, revision: 6 }).unwrap();
    assert_eq!(item["sk"], AttributeValue::S("USD".to_owned()));
    assert_eq!(item["rev"], AttributeValue::N("6".to_owned()));
    assert_eq!(item["lk"], AttributeValue::S(format!("{}\nAlice.1", balance_place(balance))));
    assert_eq!(balance_place(0), "09223372036854775808");
}

proptest! {
    #[test]
    fn places_are_ordered_as_what_they_stand_for(a: i64, b: i64) {
        prop_assert_eq!(balance_place(a).cmp(&balance_place(b)), a.cmp(&b));
        let positive = |number: i64| u64::try_from(number & 0xff_ffff_ffff).unwrap();
        let (first, second) = (positive(a), positive(b));
        let places = |number| entry_number(Currency::USD, number);
        // Twelve digits are what an account's numbers have.
        prop_assume!(first < 1_000_000_000_000 && second < 1_000_000_000_000);
        prop_assert_eq!(places(first).cmp(&places(second)), first.cmp(&second));
        let moments = |number: u64| Timestamp::from_millisecond(i64::try_from(number).unwrap()).unwrap();
        prop_assert_eq!(moment(moments(first)).cmp(&moment(moments(second))), first.cmp(&second));
    }
}

#[test]
fn what_is_booked_is_written_as_it_always_was() {
    let leg = |role, of: Option<&str>, minor| Leg { role, of: of.map(parsed), amount: usd(minor) };
    let lot = |granted_at, expires_at: Option<&str>, minor| LotPart {
        category: Category::Paid,
        granted_at: at(granted_at),
        expires_at: expires_at.map(at),
        amount: usd(minor),
    };
    let booking = Booking {
        customer: parsed("alice"),
        number: 12,
        kind: EntryType::Redeem,
        at: at("2026-11-30T23:59:59.999Z"),
        order: Some(parsed("1002")),
        reference: None,
        legs: vec![leg(AccountRole::LiabilityPaid, None, 500), leg(AccountRole::Payments, Some("é"), -500)],
        lots: vec![
            lot("2026-11-30T23:59:59Z", Some("2026-12-31T00:00:00Z"), -1),
            lot("2026-11-29T23:59:59.999Z", Some("2026-12-31T00:00:00.001Z"), 300),
            lot("2026-11-30T23:59:59.999Z", None, -500),
        ],
        currency: Currency::USD,
    };
    let packed = [
        &b"\x06redeem\x01\x041002\x00\x02\x0eliability_paid\x00\xe8\x07\x08payments\x01\x02\xc3\xa9\xe7\x07"[..],
        b"\x03p\xce\x0f\x01\x80\xfb\xf3\x01\x01p\x80\xf0\xb2R\x02\x82\xe0\xab\x96\xd9h\xd8\x04p\x00\x00\xe7\x07",
    ]
    .concat();
    let written = encode_booking(&booking).unwrap();
    let expected = json!({"pk": {"S": "JOURNAL#2026-11#3"}, "sk": {"S": "001796083199999#alice#USD#000000000012"},
        "v": {"N": "1"}, "b": {"B": STANDARD.encode(packed)}});
    assert_eq!(written, item(&expected));
    assert_eq!(decode_booking(&written).unwrap(), booking);
    for (name, damaged) in [
        ("sk", json!({"S": "001796083199999#alice#USD"})),
        ("sk", json!({"S": "now#alice#USD#000000000012"})),
        ("sk", json!({"S": "001796083199999#a b#USD#000000000012"})),
        ("sk", json!({"S": "001796083199999#alice#USX#000000000012"})),
        ("b", json!({"B": STANDARD.encode(b"\x06redeex\x00\x00\x00\x00")})),
        ("b", json!({"B": STANDARD.encode(b"\x06redeem\x00\x00\x01\x05sails\x00\x00\x00")})),
        ("b", json!({"B": STANDARD.encode(b"\x06redeem\x01\x01\n\x00\x00\x00")})),
        ("b", json!({"B": STANDARD.encode(b"\x06redeem\x00\x00\x00\x01x\x00\x00\x00")})),
        ("v", json!({"N": "2"})),
    ] {
        let mut other = expected.clone();
        other[name] = damaged;
        assert!(matches!(decode_booking(&item(&other)), Err(Error::Corrupt { .. })), "{other}");
    }
    // An auditor reads it, and nothing that is not.
    assert_eq!(Record(written.clone()).finding(), None);
    let mut indexed = written;
    indexed.extend([("lq".to_owned(), AttributeValue::S("NAME".to_owned()))]);
    assert!(Record(indexed).finding().is_some());
}

#[test]
fn what_credit_came_to_is_read_as_it_was_written() {
    let day = |text: &str| text.parse().unwrap();
    let (paid, gift) = (Category::Paid, Category::Goodwill);
    let position = Position { categories: [(paid, usd(700)), (gift, usd(-1))].into(), owed: usd(-300) };
    let standing = Standing {
        currency: Currency::USD,
        flows: [(Flow::Issued, position), (Flow::Used, Position::zero(Currency::USD))].into(),
        came: [((paid, None), usd(1)), ((paid, Some(day("2026-11-30"))), usd(698)), ((gift, None), usd(5))]
            .into(),
        lasts: [
            ((paid, LastDay::Over), usd(1)),
            ((paid, LastDay::On(day("2026-12-31"))), usd(i64::MAX)),
            ((paid, LastDay::Never), usd(-2)),
            ((gift, LastDay::On(day("1969-12-31"))), usd(5)),
        ]
        .into(),
    };
    let written = encode_standing(3, day("2026-11-30"), &standing).unwrap();
    assert_eq!(written["pk"], AttributeValue::S("BOOKS#3#USD".to_owned()));
    assert_eq!(written["sk"], AttributeValue::S("2026-11-30".to_owned()));
    assert_eq!(decode_standing(Currency::USD, &written).unwrap(), standing);
    assert_eq!(Record(written.clone()).finding(), None);
    for (name, damaged) in [
        ("b", AttributeValue::B(Blob::new(vec![1, b'x', 0, 0, 0, 0]))),
        ("b", AttributeValue::B(Blob::new(vec![0, 1, b'x', 0, 0, 0]))),
        ("b", AttributeValue::B(Blob::new(vec![0, 1, b'p', 0, 1, 255, 255, 255, 255, 15, 2, 0]))),
        ("v", AttributeValue::N("2".to_owned())),
    ] {
        let mut other = written.clone();
        other.insert(name.to_owned(), damaged);
        let read = decode_standing(Currency::USD, &other);
        assert!(matches!(read, Err(Error::Corrupt { .. })), "{other:?}");
    }
}

#[test]
fn a_customers_document_is_read_as_it_was_written() {
    let customer = parsed("alice");
    let whole = Profile {
        name: Some(parsed("Alice")),
        email: Some(parsed("alice@example.com")),
        language: Some(parsed("de")),
        group: Some(parsed("vip")),
        policy: serde_json::from_value(json!({"enabled": false})).unwrap(),
        frozen: true,
        version: 4,
    };
    let item = encode_profile(&customer, &whole).unwrap();
    assert_eq!(decode_profile(&item).unwrap(), whole);
    assert_eq!(item["wq"], AttributeValue::S("GROUP#vip".to_owned()));
    assert_eq!(item["wk"], AttributeValue::S("alice".to_owned()));

    let bare = encode_profile(&customer, &Profile::default()).unwrap();
    let written = json!({"pk": {"S": "C#alice"}, "sk": {"S": "A"}, "v": {"N": "1"}, "version": {"N": "0"}});
    same(&bare, &self::item(&written));
    assert_eq!(decode_profile(&bare).unwrap(), Profile::default());
}

/// Settings with this group.
fn with_group(document: &str) -> Settings {
    let mut item = encode_settings(&Settings::default()).unwrap();
    let groups = [("vip".to_owned(), AttributeValue::S(document.to_owned()))].into();
    item.insert("groups".to_owned(), AttributeValue::M(groups));
    decode_settings(Some(&item)).unwrap()
}

#[test]
fn settings_are_read_as_they_were_written_with_the_groups() {
    assert_eq!(decode_settings(None).unwrap(), Settings::default());
    let plain = encode_settings(&Settings::default()).unwrap();
    assert!(!plain.contains_key("groups"));
    assert_eq!(decode_settings(Some(&plain)).unwrap(), Settings::default());

    let settings = with_group(r#"{"policy":{"enabled":false}}"#);
    assert_eq!(decode_settings(Some(&encode_settings(&settings).unwrap())).unwrap(), settings);
    let group = settings.group(&parsed("vip")).unwrap().unwrap();
    assert_eq!(group.policy.enabled, Some(false));
    assert_eq!(settings.group(&parsed("other")).unwrap(), None);
    assert_eq!(settings.groups().unwrap(), [("vip", group)]);
    assert_eq!(settings.group_policy(&parsed("other")).unwrap(), None);
    assert!(!settings.group_policy(&parsed("vip")).unwrap().unwrap().enabled);

    let damaged = with_group("{");
    assert!(damaged.group(&parsed("vip")).is_err() && damaged.groups().is_err());
    assert!(damaged.levels(None).is_ok());
    let mut item = encode_settings(&settings).unwrap();
    for wrong in [
        AttributeValue::S("{}".to_owned()),
        AttributeValue::M([("vip".to_owned(), AttributeValue::Bool(true))].into()),
    ] {
        item.insert("groups".to_owned(), wrong);
        assert!(decode_settings(Some(&item)).is_err());
    }
}

#[test]
fn a_members_rules_are_the_stores_the_groups_and_its_own() {
    let settings = with_group(r#"{"policy":{"enabled":false}}"#);
    let own = Profile { group: Some(parsed("vip")), frozen: true, ..Profile::default() };
    let levels = settings.levels(Some(&own)).unwrap();
    assert_eq!((levels.group.enabled, levels.frozen), (Some(false), true));
    assert_eq!(levels.store, settings.policy);
    assert_eq!(levels.customer, own.policy);
    let levels = settings.levels(None).unwrap();
    assert_eq!((levels.group.enabled, levels.frozen), (None, false));
}

#[test]
fn settings_are_as_long_as_every_call_can_afford() {
    let empty = encode_settings(&Settings::default()).unwrap();
    let AttributeValue::S(policy) = &empty["doc"] else { panic!("it has a document") };
    let room = 65_536 - policy.len() - "vip".len();
    let of_length = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
    assert!(encode_settings(&with_group(&of_length(room))).is_ok());
    for longer in [room + 1, room + 9_000] {
        assert!(matches!(encode_settings(&with_group(&of_length(longer))), Err(Error::TooLarge(_))));
    }
}

#[test]
fn lots_are_looked_at_again_where_an_expiry_that_reaches_back_changed() {
    let changed = |name: &str| [(name.to_owned(), Changed { old: None, new: Some(json!(1)) })].into();
    let mut reaching = Settings::default();
    reaching.policy.apply_to_existing = true;
    let by_group = with_group(r#"{"policy":{"apply_to_existing":true}}"#);
    let not_by_group = with_group(r#"{"policy":{"apply_to_existing":false}}"#);
    for (settings, reaches) in
        [(&reaching, true), (&by_group, true), (&not_by_group, false), (&Settings::default(), false)]
    {
        for name in ["expiry_days", "apply_to_existing"] {
            assert_eq!(settings.reaches_back_by(&changed(name)).unwrap(), reaches, "{name}");
        }
        assert!(!settings.reaches_back_by(&changed("sort_order")).unwrap());
    }
}

#[test]
fn what_differs_between_documents_is_told_member_by_member() {
    let (old, new) =
        (json!({"a": 1, "b": null, "c": 3, "same": 4}), json!({"a": 2, "c": null, "d": 5, "same": 4}));
    let told = serde_json::to_value(differences(&old, &new)).unwrap();
    assert_eq!(
        told,
        json!({"a": {"old": 1, "new": 2}, "b": {"old": null}, "c": {"old": 3, "new": null}, "d": {"new": 5}})
    );
    let read: std::collections::BTreeMap<String, Changed> = serde_json::from_value(told).unwrap();
    assert_eq!(read, differences(&old, &new));
    assert!(differences(&old, &old).is_empty());
}

#[test]
fn changes_tell_what_decides_on_money_and_nothing_of_who_somebody_is() {
    let group: crate::Group = serde_json::from_value(json!({
        "policy": {"enabled": false},
        "joining_grant": {"currency": "USD", "amount": "5.00", "category": "promotional"},
    }))
    .unwrap();
    let rules = group.rules().unwrap();
    assert_eq!((&rules["enabled"], &rules["joining_grant"]["amount"]), (&json!(false), &json!("5.00")));
    let profile = Profile {
        name: Some(parsed("Alice")),
        group: Some(parsed("vip")),
        policy: serde_json::from_value(json!({"enabled": false})).unwrap(),
        ..Profile::default()
    };
    assert_eq!(profile.rules().unwrap(), json!({"enabled": false, "frozen": false, "group": "vip"}));

    let actor = ledger::Actor { role: Role::Admin, id: "key_1".to_owned() };
    let edit = Edit { actor: &actor, at: at("2026-11-22T10:00:00Z"), expected: Some(3) };
    let erasure = DocumentChange::erasure(4, edit);
    let key = Key::profile_change(&parsed("alice"), 4);
    let item = encode_document(&key, &erasure).unwrap();
    let AttributeValue::S(document) = &item["doc"] else { panic!("it has a document") };
    assert_eq!(
        serde_json::from_str::<Value>(document).unwrap(),
        json!({"version": 4, "at": "2026-11-22T10:00:00Z", "actor": {"role": "admin", "id": "key_1"},
               "changes": {"personal_data": {"new": "erased"}}})
    );
    assert_eq!(decode_document::<DocumentChange>(&item).unwrap(), erasure);
    assert!(edit.check(3).is_ok() && Edit { expected: None, ..edit }.check(7).is_ok());
    assert!(matches!(edit.check(4), Err(Error::VersionMismatch { current: 4 })));
}

#[test]
fn an_api_key_is_read_as_it_was_written() {
    let hash = Hash::of(b"sk_1");
    let mut stored = Key::api_key("key_1").to_item();
    stored.extend([
        crate::items::number("v", 1),
        crate::items::bytes("h", hash.0.to_vec()),
        crate::items::text("role", "store"),
        crate::items::number("at", 1_795_341_600_000_i64),
    ]);
    let created_at = at("2026-11-22T10:00:00Z");
    let key =
        ApiKey { id: "key_1".to_owned(), hash, role: Role::Store, name: None, created_at, revoked_at: None };
    assert_eq!(decode_api_key("key_1", &stored).unwrap(), key);
    stored
        .extend([crate::items::text("name", "till"), crate::items::number("revoked", 1_795_341_660_000_i64)]);
    let revoked =
        ApiKey { name: Some("till".to_owned()), revoked_at: Some(at("2026-11-22T10:01:00Z")), ..key };
    assert_eq!(decode_api_key("key_1", &stored).unwrap(), revoked);
    // Keys of before they were listed are as they were, and are listed once they are written again.
    stored.extend([crate::items::text("lq", "KEY"), crate::items::text("lk", "001795341600000#key_1")]);
    same(&encode_api_key(&revoked), &stored);
    assert_eq!(decode_api_key("key_1", &stored).unwrap(), revoked);
    stored.extend([crate::items::text("role", "king")]);
    assert!(decode_api_key("key_1", &stored).is_err());
}

#[test]
fn a_grant_to_a_group_is_named_by_22_letters() {
    let id: GroupGrantId = parsed(GRANT);
    assert_eq!((id.as_str(), id.to_string()), (GRANT, GRANT.to_owned()));
    assert_eq!(serde_json::to_value(&id).unwrap(), json!(GRANT));
    assert_eq!(serde_json::from_value::<GroupGrantId>(json!(GRANT)).unwrap(), id);
    for wrong in [
        "",
        "A",
        "AAAAAAAAAAAAAAAAAAAA_-A",
        "AAAAAAAAAAAAAAAAAAAA_",
        "AAAAAAAAAAAAAAAAAAAA_+",
        "AAAAAAAAAAAAAAAAAAAA_ ",
    ] {
        assert!(wrong.parse::<GroupGrantId>().is_err(), "{wrong}");
        assert!(serde_json::from_value::<GroupGrantId>(json!(wrong)).is_err(), "{wrong}");
    }
}

#[test]
fn a_grant_to_a_group_is_answered_as_it_was_asked_for() {
    let asked = json!({
        "id": GRANT, "group": "vip", "terms": {"currency": "USD", "amount": "5.00", "category": "promotional"},
        "requested_by": {"role": "admin", "id": "key_1"}, "requested_at": "2026-11-22T10:00:00Z",
        "finished_at": null, "credited": 0, "failed": 0, "fingerprint": Hash::ZERO, "step": 2, "after": "bob",
    });
    let mut since = asked.clone();
    (since["finished_at"], since["credited"], since["failed"]) =
        (json!("2026-11-22T11:00:00Z"), json!(3), json!(1));
    let [asked, since] = [asked, since].map(|json| serde_json::from_value::<GroupGrant>(json).unwrap());
    assert_ne!(since, asked);
    assert_eq!(since.as_requested(), asked);
}

#[test]
fn the_stream_tells_whose_item_changed() {
    let of = |pk: &str, sk: &str| ChangedItem::of(pk, sk, true, (None, None));
    assert_eq!(of("C#alice", "A#USD"), ChangedItem::Account(parsed("alice"), Currency::USD, true));
    let profile = |before, after| ChangedItem::of("C#alice", "A", false, (before, after));
    let joined =
        |group: Option<&str>| ChangedItem::Profile { customer: parsed("alice"), joined: group.map(parsed) };
    assert_eq!(profile(None, Some("vip")), joined(Some("vip")));
    assert_eq!(profile(Some("new"), Some("vip")), joined(Some("vip")));
    assert_eq!(profile(Some("vip"), Some("vip")), joined(None));
    assert_eq!(profile(Some("vip"), None), joined(None));
    assert_eq!(of(&format!("GRANT#{GRANT}"), "JOB"), ChangedItem::GroupGrant(parsed(GRANT)));
    for (pk, sk) in [
        ("C#alice", "K#x"),
        ("GRANT#x", "JOB"),
        (&format!("GRANT#{GRANT}"), "F#alice"),
        ("STORE", "A"),
        ("C#", "A"),
        ("C#alice", "A#usd"),
        ("LIST#alice", "USD"),
    ] {
        assert_eq!(of(pk, sk), ChangedItem::Other, "{pk} {sk}");
    }
}

#[test]
fn news_are_what_was_made_or_came_to_its_end() {
    let images = |name: &str| serde_dynamo::Item::from(stored(name));
    let none = serde_dynamo::Item::default;
    let told = |old, new| News::of(old, new).unwrap();
    assert!(matches!(told(none(), images("grant")), Some(News::Entry(entry)) if entry.number == 1));
    assert_eq!(told(images("grant"), images("grant")), None);
    assert!(
        matches!(told(none(), images("topup")), Some(News::Topup { topup, .. }) if topup.status == TopupStatus::Pending)
    );
    assert!(
        matches!(told(images("topup"), images("approved")), Some(News::Topup { topup, .. }) if topup.status == TopupStatus::Approved)
    );
    assert_eq!(told(images("topup"), images("topup")), None);
    assert_eq!(told(none(), images("account")), None);
    assert_eq!(told(images("account"), images("account")), None);
    assert_eq!(told(images("topup"), none()), None);
    assert_eq!(told(none(), none()), None);

    let document = r#"{"at":"2026-11-22T08:00:00Z","day":"2026-11-22","expiring":[["USD",500,"2026-12-01T00:00:00Z","2026-11-30",8,8]]}"#;
    let reminder = json!({"pk": {"S": "C#alice"}, "sk": {"S": "M#2026-11-22#000"}, "v": {"N": "1"}, "doc": {"S": document}});
    let reminder = serde_dynamo::Item::from(item(&reminder));
    let Some(News::Reminder { customer, reminder: read }) = told(none(), reminder.clone()) else {
        panic!("somebody is reminded")
    };
    assert_eq!((customer.as_str(), read.day.to_string()), ("alice", "2026-11-22".to_owned()));
    let [due] = read.expiring.as_slice() else { panic!("of one amount") };
    assert_eq!((due.soon.amount, due.soon.days, due.remind_days), (usd(500), 8, 8));
    assert_eq!(told(reminder.clone(), reminder), None);
}

/// Those of these accounts which a list of so much admits.
fn admitted(filter: &CustomersFilter) -> bool {
    let account = full();
    let profile =
        Some(Profile { name: Some(parsed("Alice")), group: Some(parsed("vip")), ..Profile::default() });
    filter.admits(&crate::Listed { customer: parsed("c-1"), profile, account }).unwrap()
}

#[test]
fn a_list_admits_what_is_within_all_of_its_bounds() {
    let all = CustomersFilter {
        order: Order::Name,
        descending: false,
        currency: Currency::USD,
        name: None,
        group: None,
        balance: Range::default(),
        granted: Range::default(),
        by_admin: Range::default(),
        by_customer: Range::default(),
    };
    let balance = full().balance().unwrap().minor().unwrap();
    assert!(admitted(&all));
    let within = |middle: i64| {
        let of = |min: Option<i64>, max: Option<i64>| Range { min: min.map(usd), max: max.map(usd) };
        [
            (of(Some(middle), Some(middle)), true),
            (of(Some(middle + 1), None), false),
            (of(None, Some(middle - 1)), false),
            (of(Some(middle - 1), Some(middle + 1)), true),
            (of(Some(middle + 1), Some(middle - 1)), false),
        ]
    };
    for (range, is_in) in within(balance) {
        assert_eq!(admitted(&CustomersFilter { balance: range, ..all.clone() }), is_in, "{range:?}");
    }
    for (range, is_in) in within(1) {
        assert_eq!(admitted(&CustomersFilter { granted: range, ..all.clone() }), is_in, "{range:?}");
    }
    for (range, is_in) in within(8) {
        assert_eq!(admitted(&CustomersFilter { by_admin: range, ..all.clone() }), is_in, "{range:?}");
    }
    for (range, is_in) in within(9) {
        assert_eq!(admitted(&CustomersFilter { by_customer: range, ..all.clone() }), is_in, "{range:?}");
    }
    for (name, is_in) in [("al", true), ("ALICE", true), ("alices", false), ("lice", false), ("c-1", false)] {
        assert_eq!(admitted(&CustomersFilter { name: Some(parsed(name)), ..all.clone() }), is_in, "{name}");
    }
    for (group, is_in) in [("vip", true), ("vi", false)] {
        assert_eq!(
            admitted(&CustomersFilter { group: Some(parsed(group)), ..all.clone() }),
            is_in,
            "{group}"
        );
    }
}

#[test]
fn what_cannot_be_read_is_named_by_its_key() {
    let item = Key::settings().to_item();
    let Error::Corrupt { item, reason } = Fields(&item).corrupt("it is damaged") else {
        panic!("it is corrupt")
    };
    assert_eq!((item.as_str(), reason.as_str()), ("STORE SETTINGS", "it is damaged"));
}
