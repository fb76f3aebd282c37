//! `cargo local --demo`: a shop with a year behind it, whole or not at all, and filled once.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use local::{Database, Demo, Options};
use rust_decimal::Decimal;
use scrip::Source;
use serde_json::Value;

use crate::support::process::{Caller, Folder, Local};

/// Customers of the shop here: those whom a newcomer should meet, and some more.
const CUSTOMERS: usize = 30;
/// Calls after which the first filling is stopped.
const STOPPED_AFTER: u64 = 40;
/// How long mails may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Every type of entry but of those that are moved in from other systems.
const TYPES: [&str; 12] = [
    "capture",
    "debit",
    "expire",
    "expiry_change",
    "grant",
    "hold",
    "redeem",
    "refund",
    "release",
    "topup",
    "void",
    "withdraw",
];

/// The whole of a list.
fn all(caller: &Caller, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = tokio::task::block_in_place(|| caller.get(&format!("{path}limit=200{cursor}")));
        assert_eq!(answer.status, 200, "{answer:?}");
        all.extend(answer.json["data"].as_array().unwrap().clone());
        match answer.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

fn get(caller: &Caller, path: &str) -> Value {
    let answer = tokio::task::block_in_place(|| caller.get(path));
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json
}

fn decimal(text: &Value) -> Decimal {
    text.as_str().unwrap().parse().unwrap()
}

/// How many entries everybody has.
fn entries(caller: &Caller) -> BTreeMap<String, usize> {
    let customers = all(caller, "/v1/customers?");
    let of = |customer: &Value| {
        let id = customer["customer"].as_str().unwrap().to_owned();
        let entries = all(caller, &format!("/v1/customers/{id}/entries?")).len();
        (id, entries)
    };
    customers.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demos_shop_is_whole_or_not_there_and_filled_once() {
    let folder = Folder::new();
    let ledger = folder.path().join("ledger.db");
    let bar = ProgressBar::hidden();
    let demo = Some(Demo { customers: CUSTOMERS, bar: bar.clone() });
    let options = Options { data: Some(folder.path().to_owned()), port: 0, demo };

    // One that is stopped in the middle leaves nothing, neither to be served nor in the way of the next.
    tokio::select! {
        _ = local::serve(&options) => panic!("it was filled before it could be stopped"),
        () = async {
            while bar.position() < STOPPED_AFTER {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        } => {}
    }
    assert!(!ledger.exists());
    let empty = tokio::task::block_in_place(|| Local::on(&folder));
    assert_eq!(all(&empty.admin(), "/v1/customers?"), Vec::<Value>::new());
    let settings = get(&empty.admin(), "/v1/settings");
    assert_eq!(settings["version"], 0, "{settings}");
    tokio::task::block_in_place(|| assert!(empty.process.interrupt().0.success()));
    assert!(ledger.exists());

    // Into a ledger without entries it is filled, before anybody is told where it answers.
    let filled = local::serve(&options).await.unwrap();
    let admin = Caller::of(&filled.url, &filled.admin_key);
    shop_is_believable(&admin);
    let alice = Caller::of(&filled.url, &filled.customer_token);
    assert_eq!(get(&alice, "/v1/customers/alice")["name"], "Alice Martin");
    let begun = Instant::now();
    while get(&admin, "/_local/mail").as_array().unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "nobody is written to");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let mails = get(&admin, "/_local/mail").as_array().unwrap().len();
    assert!(mails < 100, "{mails} mails: of a year, and not of the last days");
    let before = entries(&admin);
    drop(filled);

    // As a ledger with entries it is served as it stands.
    let data = folder.path().to_str().unwrap();
    let again = tokio::task::block_in_place(|| Local::start(&["--demo", "--data", data]));
    assert_eq!(entries(&again.admin()), before);
    tokio::task::block_in_place(|| assert!(again.process.interrupt().0.success()));

    let left: BTreeSet<_> =
        fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert!(!left.contains(std::ffi::OsStr::new("ledger.filled")), "{left:?}");
    let database = Database::start(Some(&ledger), 0).await.unwrap();
    let scratch = Folder::new();
    let auditing =
        scrip::Options { at: Timestamp::now(), scratch: scratch.path().to_owned(), max_bucket: None };
    let source = Source::Table { connection: Box::new(database.connection()), segments: 2 };
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let summary = scrip::audit(&source, &auditing, &mut out, &mut progress).await.unwrap();
    assert_eq!(summary.findings, 0, "{}", String::from_utf8_lossy(&out));
    assert_eq!(usize::try_from(summary.entries).unwrap(), before.values().sum::<usize>());
}

/// Customers, requests and a year of history, which lists, journal and reports know of already.
fn shop_is_believable(admin: &Caller) {
    let customers = all(admin, "/v1/customers?");
    assert_eq!(customers.len(), CUSTOMERS);
    let named = |part: &str| {
        customers.iter().any(|customer| customer["name"].as_str().is_some_and(|name| name.contains(part)))
    };
    assert!(named("<b>") && named("ü") && customers.iter().any(|customer| customer["frozen"] == true));
    let groups: BTreeSet<_> = customers.iter().filter_map(|customer| customer["group"].as_str()).collect();
    let known = all(admin, "/v1/groups?");
    let known: BTreeSet<_> = known.iter().map(|group| group["group"].as_str().unwrap()).collect();
    assert!(groups.contains("vip") && known == BTreeSet::from(["staff", "vip", "wholesale"]), "{groups:?}");
    let waiting = all(admin, "/v1/topups?");
    assert!((7..15).contains(&waiting.len()), "{waiting:?}");

    let alice = all(admin, "/v1/customers/alice/entries?");
    let types: BTreeSet<_> = alice.iter().map(|entry| entry["type"].as_str().unwrap()).collect();
    assert_eq!(types, BTreeSet::from(TYPES));
    let account = get(admin, "/v1/customers/alice")["accounts"][0].clone();
    assert!(decimal(&account["held"]) > Decimal::ZERO, "{account}");
    assert!(account["expiring"].as_array().unwrap().len() >= 2, "{account}");
    let whole = decimal(&get(admin, "/v1/customers/hokuto")["accounts"][0]["balance"]);
    assert_eq!(whole.to_string().len(), 12);

    // The books come to the same as the accounts, in each currency.
    let liability = get(admin, "/v1/reports/liability");
    let currencies: BTreeSet<_> =
        liability["data"].as_array().unwrap().iter().map(|row| row["currency"].as_str().unwrap()).collect();
    assert_eq!(currencies, BTreeSet::from(["BHD", "EUR", "JPY", "USD"]));
    for row in liability["data"].as_array().unwrap() {
        let currency = row["currency"].as_str().unwrap();
        let listed = all(admin, &format!("/v1/customers?sort=balance&currency={currency}&"));
        let balances: Decimal = listed.iter().map(|customer| decimal(&customer["account"]["balance"])).sum();
        assert_eq!(balances, decimal(&row["net"]), "{currency}");
    }
    for report in ["ageing", "expiring"] {
        let rows = get(admin, &format!("/v1/reports/{report}"))["data"].as_array().unwrap().len();
        assert_eq!(rows, currencies.len(), "{report}");
    }
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let (first, last) = (today.checked_sub(12.months()).unwrap(), today.checked_sub(1.month()).unwrap());
    let path =
        format!("/v1/reports/movements?from={}&to={}", first.strftime("%Y-%m"), last.strftime("%Y-%m"));
    let months = get(admin, &format!("{path}&currency=USD"))["data"].as_array().unwrap().clone();
    let busy = months.iter().filter(|month| decimal(&month["used"]["net"]) < Decimal::ZERO).count();
    assert!(busy >= 8, "{months:?}");
    let expired = months.iter().filter(|month| decimal(&month["expired"]["net"]) < Decimal::ZERO).count();
    assert!(expired >= 4, "{months:?}");
    let booked = all(admin, &format!("/v1/journal?from={}&to={}&", first, today));
    assert!(booked.len() > 100, "{}", booked.len());
}
