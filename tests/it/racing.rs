//! Many writers at once on one account: no double spend, no lost update, no gap, and nobody is sent away.

use std::{collections::BTreeMap, sync::Arc};

use edge::Problem;
use futures::future::join_all;
use jiff::SignedDuration;
use ledger::{Actor, Currency, Hash, Role};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use store::{Command, CommandKey, Fingerprint};
use tokio::{runtime::Handle, sync::Notify, task::block_in_place};

use crate::support::wire::Fault;
use crate::support::world::{Answer, World, check_ledger, each, fresh_key, order};

/// As many calls as come at once.
const CROWD: usize = 50;

/// How often each status and code was answered.
fn told(answers: &[Answer]) -> BTreeMap<(u16, &str), usize> {
    let mut told = BTreeMap::new();
    for answer in answers {
        let times =
            told.entry((answer.status, answer.json["code"].as_str().unwrap_or(""))).or_insert(0_usize);
        *times = times.strict_add(1);
    }
    told
}

/// What `call` answers to each of a crowd at once, every one in a millisecond of its own.
async fn crowd(world: &World, call: impl AsyncFn(usize) -> Answer) -> Vec<Answer> {
    join_all((0..CROWD).map(async |at| {
        world.pass(SignedDuration::from_millis(1));
        call(at).await
    }))
    .await
}

fn sum<'a>(amounts: impl IntoIterator<Item = &'a str>) -> Decimal {
    amounts.into_iter().map(|amount| amount.parse::<Decimal>().unwrap()).sum()
}

/// The ledger is whole, and says the same as the account.
async fn check_account(world: &World, customer: &str) -> Vec<Value> {
    let entries = world.entries(customer).await;
    check_ledger(&entries);
    let account = world.account(customer).await;
    let lots = sum(each(account["lots"].as_array().unwrap(), "remaining"));
    let balance: Decimal = account["balance"].as_str().unwrap().parse().unwrap();
    assert_eq!([sum(each(&entries, "amount")), lots], [balance; 2]);
    assert!(!balance.is_sign_negative());
    entries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_redemptions_of_the_last_credit_are_won_by_exactly_one() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    let body = json!({"order": order("1", "10"), "amount": "10"});
    let answers =
        crowd(&world, async |at| world.shop().redeem("alice", &format!("r{at}"), body.clone()).await).await;
    assert_eq!(told(&answers), BTreeMap::from([((201, ""), 1), ((422, "insufficient_credit"), CROWD - 1)]));
    assert!(answers.iter().all(|answer| answer.status == 201 || answer.json["available"] == "0.00"));
    assert_eq!(check_account(&world, "alice").await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_redemptions_under_one_key_have_one_effect_and_one_answer() {
    let world = World::start().await;
    world.granted("alice", "25", json!({})).await;
    let body = json!({"order": order("1", "10")});
    let answers = crowd(&world, async |_| world.shop().redeem("alice", "r", body.clone()).await).await;
    assert_eq!(told(&answers), BTreeMap::from([((201, ""), CROWD)]));
    assert_eq!(answers.iter().filter(|answer| answer.is_replayed()).count(), CROWD - 1);
    assert!(answers.iter().all(|answer| answer.text == answers[0].text));
    assert_eq!(check_account(&world, "alice").await.len(), 2);
    assert_eq!(world.account("alice").await["balance"], "15.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_fifty_requests_under_one_key_one_stands_and_the_others_are_told() {
    let world = World::start().await;
    let answers = crowd(&world, async |at| {
        let body = json!({"amount": format!("{}", at.strict_add(1)), "category": "goodwill"});
        world.shop().grant("alice", "k", body).await
    })
    .await;
    assert_eq!(told(&answers), BTreeMap::from([((201, ""), 1), ((422, "idempotency_mismatch"), CROWD - 1)]));
    assert_eq!(check_account(&world, "alice").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_another_account_takes_between_reading_and_writing_is_told() {
    let world = World::start().await;
    let (customer, key) = ("alice".parse().unwrap(), "k".parse().unwrap());
    let actor = Actor { role: Role::Store, id: "till".to_owned() };
    let command = Command {
        customer: &customer,
        currency: Some(Currency::USD),
        key: CommandKey::Client(&key),
        fingerprint: Fingerprint::of(Hash([1; 32]), Hash([2; 32])),
        actor: &actor,
        at: world.now(),
    };
    let dollars = serde_json::from_value(json!({"amount": "2.00", "category": "goodwill"})).unwrap();
    let euros = json!({"amount": "2.00", "category": "goodwill", "currency": "EUR"});
    // No account's revision keeps the two apart, for each is of its own: what stands under the key alone does.
    let told = world.store.commit::<Problem>(&command, |account, policy, at| {
        let other = world.shop();
        let other = other.grant("alice", "k", euros.clone());
        let answer = block_in_place(|| Handle::current().block_on(other));
        assert_eq!(answer.status, 201, "{}", answer.text);
        ledger::grant(account, policy, &dollars, Role::Store, at)
    });
    assert_eq!(told.await.unwrap_err().code(), "idempotency_mismatch");
    let entries = world.entries("alice").await;
    check_ledger(&entries);
    assert_eq!(each(&entries, "id"), ["EUR-1"]);
    assert_eq!(world.account("alice").await["currency"], "EUR");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_grants_at_once_all_count_and_number_without_gaps() {
    let world = World::start().await;
    // On an account that does not exist yet, so that its making is part of the race.
    let body = json!({"amount": "0.01", "category": "goodwill"});
    let answers =
        crowd(&world, async |at| world.shop().grant("alice", &format!("k{at}"), body.clone()).await).await;
    assert_eq!(told(&answers), BTreeMap::from([((201, ""), CROWD)]));
    let mut ids: Vec<_> = answers.iter().map(|answer| answer.json["entry"]["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CROWD);
    assert_eq!(check_account(&world, "alice").await.len(), CROWD);
    assert_eq!(world.account("alice").await["balance"], "0.50");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_approvals_of_one_request_credit_it_once() {
    let world = World::start().await;
    let body = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
    let asked = world.shop().request_topup("alice", "t", body).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    let answers =
        crowd(&world, async |at| world.admin().approve("alice", id, &format!("a{at}"), json!({})).await)
            .await;
    assert_eq!(told(&answers), BTreeMap::from([((200, ""), 1), ((409, "topup_not_pending"), CROWD - 1)]));
    assert_eq!(check_account(&world, "alice").await.len(), 1);
    assert_eq!(world.account("alice").await["balance"], "5.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grants_redemptions_requests_and_approvals_at_once_keep_the_sum() {
    let world = World::start().await;
    world.granted("alice", "20", json!({})).await;
    let mut requests = Vec::new();
    let payment = json!({"mode": "online", "method": "card"});
    for _ in 0..10_u8 {
        let body = json!({"amount": "3", "payment": payment});
        let asked = world.shop().request_topup("alice", &fresh_key(), body).await.expect(201, "");
        requests.push(asked.json["topup"]["id"].as_str().unwrap().to_owned());
    }
    let answers = crowd(&world, async |at| {
        let (shop, key) = (world.shop(), fresh_key());
        match at % 5 {
            0 => shop.grant("alice", &key, json!({"amount": "1.10", "category": "goodwill"})).await,
            1 | 2 => shop.redeem("alice", &key, json!({"order": order("1", "4"), "amount": "4"})).await,
            3 => world.admin().approve("alice", &requests[at / 5], &key, json!({})).await,
            _ => shop.request_topup("alice", &key, json!({"amount": "1", "payment": payment})).await,
        }
    })
    .await;
    // Twenty ask for 4.00 of what comes to 61.00 at most: some have to be refused, and none for another reason.
    let mut told = told(&answers);
    let refused = told.remove(&(422, "insufficient_credit")).unwrap_or(0);
    assert_eq!(told, BTreeMap::from([((200, ""), 10), ((201, ""), 40_usize.strict_sub(refused))]));
    let spent = 20_usize.strict_sub(refused);
    let entries = check_account(&world, "alice").await;
    assert_eq!(entries.len(), 1 + 10 + 10 + spent);
    let account = world.account("alice").await;
    let expected = Decimal::from(20 + 11 + 30) - Decimal::from(spent) * Decimal::from(4);
    assert_eq!(account["balance"], format!("{expected:.2}"));
    assert_eq!(account["pending_topups"], "10.00");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_customers_at_once_do_not_meet() {
    let world = World::start().await;
    let body = json!({"amount": "5", "category": "goodwill"});
    let answers =
        crowd(&world, async |at| world.shop().grant(&format!("customer-{at}"), "k", body.clone()).await)
            .await;
    assert_eq!(told(&answers), BTreeMap::from([((201, ""), CROWD)]));
    assert!(answers.iter().all(|answer| answer.json["entry"]["id"] == "USD-1" && !answer.is_replayed()));
}

#[tokio::test]
async fn two_alike_at_the_same_moment_under_two_keys_both_count() {
    let world = World::start().await;
    world.granted("alice", "100", json!({})).await;
    let (shop, body) = (world.shop(), json!({"amount": "5", "category": "goodwill"}));
    let (one, two) = tokio::join!(shop.grant("alice", "g1", body.clone()), shop.grant("alice", "g2", body));
    one.expect(201, "");
    two.expect(201, "");
    let body = json!({"order": order("1", "4"), "amount": "4"});
    let (one, two) = tokio::join!(shop.redeem("alice", "r1", body.clone()), shop.redeem("alice", "r2", body));
    one.expect(201, "");
    two.expect(201, "");
    let body = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
    let asked = world.shop().request_topup("alice", "t", body).await.expect(201, "");
    let (admin, id) = (world.admin(), asked.json["topup"]["id"].as_str().unwrap());
    let (one, two) = tokio::join!(
        admin.approve("alice", id, "a1", json!({})),
        admin.approve("alice", id, "a2", json!({}))
    );
    let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
    won.expect(200, "");
    lost.expect(409, "topup_not_pending");
    assert_eq!(check_account(&world, "alice").await.len(), 6);
}

#[tokio::test]
async fn two_alike_at_the_same_moment_under_one_key_count_once() {
    let world = World::start().await;
    let (shop, body) = (world.shop(), json!({"amount": "5", "category": "goodwill"}));
    let (one, two) = tokio::join!(shop.grant("alice", "g", body.clone()), shop.grant("alice", "g", body));
    assert_eq!(one.text, two.text);
    assert_eq!(check_account(&world, "alice").await.len(), 1);
}

/// Somebody reads all but the account, somebody else does `other`, and only then the account is read: a batch is no
/// transaction, and the account's revision tells nothing of what was read before it.
async fn read_in_two(
    world: &World,
    call: impl Future<Output = Answer>,
    other: impl Future<Output = Answer>,
) -> Answer {
    let go_on = Arc::new(Notify::new());
    world.wire.fault("BatchGetItem", Fault::HandBack("A#USD".to_owned()));
    world.wire.fault("BatchGetItem", Fault::Wait(Arc::clone(&go_on)));
    let between = async {
        while !world.wire.is_spent() {
            tokio::task::yield_now().await;
        }
        let answer = other.await;
        assert!(answer.status < 300, "{}", answer.text);
        go_on.notify_one();
    };
    tokio::join!(call, between).0
}

#[tokio::test]
async fn what_was_read_before_another_refund_gives_nothing_back_twice() {
    let world = World::start().await;
    world.granted("alice", "20", json!({})).await;
    let body = json!({"order": order("1", "10"), "amount": "10"});
    world.shop().redeem("alice", "r", body).await.expect(201, "");
    let path = "/v1/customers/alice/redemptions/USD-2/refund";
    let shop = world.shop();
    let half = shop.post(path, "one", json!({"amount": "6"}));
    let other = shop.post(path, "two", json!({"amount": "7"}));
    let answer = read_in_two(&world, half, other).await.expect(422, "refund_exceeds_redemption");
    assert_eq!(answer.json["refundable"], "3.00");
    // Likewise where something had come back before.
    let (rest, other) =
        (shop.post(path, "three", json!({})), shop.post(path, "four", json!({"amount": "1"})));
    assert_eq!(read_in_two(&world, rest, other).await.expect(201, "").json["entry"]["amount"], "2.00");
    assert_eq!(world.account("alice").await["balance"], "20.00");
}

#[tokio::test]
async fn a_call_that_overtakes_itself_is_told_what_it_did_and_not_refused_for_it() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    let shop = world.shop();
    let body = json!({"order": order("1", "10"), "amount": "10"});
    let (late, first) = (shop.redeem("alice", "r", body.clone()), shop.redeem("alice", "r", body));
    // What it reads last is the account without the credit that it has taken itself.
    let told = read_in_two(&world, late, first).await.expect(201, "");
    assert_eq!((&told.json["entry"]["id"], told.is_replayed()), (&json!("USD-2"), true));
    let admin = world.admin();
    let asked = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
    let asked = shop.request_topup("alice", "t", asked).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    let (late, first) =
        (admin.approve("alice", id, "a", json!({})), admin.approve("alice", id, "a", json!({})));
    assert!(read_in_two(&world, late, first).await.expect(200, "").is_replayed());
    assert_eq!(world.account("alice").await["balance"], "5.00");
    check_ledger(&world.entries("alice").await);
}

#[tokio::test]
async fn what_was_read_before_another_approval_credits_nothing_twice() {
    let world = World::start().await;
    let body = json!({"amount": "5", "payment": {"mode": "online", "method": "card"}});
    let asked = world.shop().request_topup("alice", "t", body).await.expect(201, "");
    let (admin, id) = (world.admin(), asked.json["topup"]["id"].as_str().unwrap());
    let one = admin.approve("alice", id, "one", json!({}));
    let other = admin.approve("alice", id, "two", json!({}));
    read_in_two(&world, one, other).await.expect(409, "topup_not_pending");
    assert_eq!(world.account("alice").await["balance"], "5.00");
}
