//! Real functions as Lambda starts them, before a database whose answers are throttles, errors, resets and silence: whatever befalls
//! a call of theirs, what was asked for is done once, and the same answer is had under the same key.

use ledger::Hash;
use serde_json::{Value, json};

use crate::support::{
    lambda::Function,
    wire::Fault,
    world::{World, check_ledger, order},
};

/// The key of the first admin.
const KEY: &str = "sk_5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c";
/// The SDK's tries of one call.
const SDK_TRIES: usize = 4;
/// Those of all that a commit sends of one write.
const ALL_TRIES: usize = 12;
/// What a throttle is called that lasts.
const THROTTLED: &str = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
/// Tries until there is an answer that is final.
const TRIES: usize = 3;

/// What is asked for, once there is what it needs.
struct Deed {
    function: &'static str,
    path: fn(&str) -> String,
    body: Value,
    /// Entries before it.
    before: usize,
    /// The calls that it makes, and how many items its transaction has.
    calls: &'static [&'static str],
    items: usize,
    /// The balance after it.
    balance: &'static str,
}

/// What can befall a call once.
fn faults(call: &str, items: usize) -> Vec<Fault> {
    let mut faults = vec![
        Fault::error("ProvisionedThroughputExceededException", 400),
        Fault::error("ThrottlingException", 400),
        Fault::error("RequestLimitExceeded", 400),
        Fault::error("InternalServerError", 500),
        Fault::error("ServiceUnavailable", 503),
        Fault::error("InternalFailure", 500),
        // As whatever stands before the database answers.
        Fault::Refuse(502, json!("bad gateway")),
        Fault::LoseRequest,
        Fault::LoseAnswer,
        Fault::ResetRequest,
        Fault::ResetAnswer,
        Fault::Hang,
    ];
    if call == "TransactWriteItems" {
        faults.extend([Fault::error("TransactionInProgressException", 400), Fault::HangAnswer]);
        for code in ["ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"] {
            for at in 0..items {
                let mut reasons = vec!["None"; items];
                reasons[at] = code;
                faults.push(Fault::cancelled(&reasons));
            }
        }
    }
    faults
}

/// How often this befalls: once; and some, each of its kind, for all of the SDK's tries, or for all of a commit's.
fn times(fault: &Fault) -> &'static [usize] {
    match fault {
        Fault::Refuse(_, error) if error["__type"] == THROTTLED => &[1, ALL_TRIES],
        Fault::Refuse(500.., _) | Fault::ResetRequest => &[1, SDK_TRIES],
        Fault::ResetAnswer => &[1, SDK_TRIES, ALL_TRIES],
        Fault::LoseRequest
        | Fault::LoseAnswer
        | Fault::Hang
        | Fault::HangAnswer
        | Fault::HandBack(_)
        | Fault::Wait(_)
        | Fault::Refuse(..) => &[1],
    }
}

/// An event as API Gateway sends it.
fn event(path: &str, key: &str, body: &Value) -> String {
    let mut event: Value = serde_json::from_str(include_str!("../events/grant.json")).unwrap();
    event["rawPath"] = json!(path);
    event["headers"]["idempotency-key"] = json!(key);
    event["headers"]["authorization"] = json!(format!("Bearer {KEY}"));
    event["body"] = json!(body.to_string());
    event.to_string()
}

/// Lets everything befall each call of the deed, each time for another customer.
async fn befall(deed: Deed) {
    let world = World::start().await;
    let hash = Hash::of(KEY.as_bytes()).to_string();
    let variables = [("SCRIP_ADMIN_KEY_SHA256", &*hash), ("SCRIP_TABLE", world.table())];
    let mut function = Function::start(deed.function, &world.wire.endpoint, &variables).await;
    let mut cases = 0;
    for call in deed.calls {
        for fault in faults(call, deed.items) {
            for times in times(&fault).iter().copied() {
                cases += 1;
                let case = format!("{} {call} {fault:?} {times} times", deed.function);
                let customer = format!("c{cases}");
                if deed.before > 0 {
                    world.granted(&customer, "25.00", json!({})).await;
                }
                if deed.before > 1 {
                    let body = json!({"order": order("1", "10.00")});
                    world.shop().redeem(&customer, "redeemed", body).await.expect(201, "");
                }
                let event = event(&(deed.path)(&customer), "once", &deed.body);
                for _ in 0..times {
                    world.wire.fault(call, fault.clone());
                }
                let mut tries = 0;
                let answer = loop {
                    let (status, answer) = function.answer(&event).await;
                    assert!(
                        tries > 0 || times == ALL_TRIES || world.wire.is_spent(),
                        "{case} did not befall"
                    );
                    // An outage ends with what was asked during it.
                    world.wire.heal();
                    if status == 201 {
                        break answer;
                    }
                    assert!(matches!(status, 409 | 429 | 503), "{case}: {status} {answer}");
                    tries += 1;
                    assert!(tries < TRIES, "{case}: {answer}");
                };
                let (status, again) = function.answer(&event).await;
                assert_eq!((status, &again), (201, &answer), "{case}");
                assert_eq!(answer["account"]["balance"], deed.balance, "{case}: {answer}");
                let entries = world.entries(&customer).await;
                assert_eq!(entries.len(), deed.before + 1, "{case}: {entries:?}");
                assert_eq!(entries.last(), Some(&answer["entry"]), "{case}");
                check_ledger(&entries);
            }
        }
    }
    let printed = function.end();
    assert!(!printed.contains("panicked"), "{printed}");
    eprintln!("{}: {cases} cases", deed.function);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_grant_is_made_once_whatever_befalls_its_calls() {
    befall(Deed {
        function: "grant",
        path: |customer| format!("/v1/customers/{customer}/grants"),
        body: json!({"amount": "25.00", "category": "paid", "note": "for the late parcel"}),
        before: 0,
        calls: &["BatchGetItem", "TransactWriteItems"],
        items: 2,
        balance: "25.00",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_redemption_is_made_once_whatever_befalls_its_calls() {
    befall(Deed {
        function: "redeem",
        path: |customer| format!("/v1/customers/{customer}/redemptions"),
        body: json!({"order": order("1", "10.00")}),
        before: 1,
        calls: &["BatchGetItem", "TransactWriteItems"],
        items: 2,
        balance: "15.00",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_refund_is_made_once_whatever_befalls_its_calls() {
    befall(Deed {
        function: "redeem",
        path: |customer| format!("/v1/customers/{customer}/redemptions/USD-2/refund"),
        body: json!({"amount": "4.00"}),
        before: 2,
        calls: &["BatchGetItem", "Query", "TransactWriteItems"],
        items: 3,
        balance: "19.00",
    })
    .await;
}
