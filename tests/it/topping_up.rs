//! Asking for credit against payment: requested, approved once and only once, rejected, taken back.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::world::{START, World, check_ledger, each, fresh_key, order};

/// When a request of [`START`] lapses that nobody decides on, as the settings have it unless they say otherwise.
const LAPSES: &str = "2026-12-22T10:00:00Z";

/// A request of 50.00 with these fields besides, or instead.
fn request_of(fields: Value) -> Value {
    let mut body =
        json!({"amount": "50", "payment": {"mode": "online", "method": "stripe", "reference": "pi_123"}});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

/// The shop asks for this customer; answers the request's id.
async fn requested(world: &World, customer: &str, fields: Value) -> String {
    let answer = world.shop().request_topup(customer, &fresh_key(), request_of(fields)).await.expect(201, "");
    answer.json["topup"]["id"].as_str().unwrap().to_owned()
}

/// The customer's one request, as the list shows it.
async fn topup(world: &World, customer: &str) -> Value {
    let answer = world.admin().get(&format!("/v1/customers/{customer}/topups")).await.expect(200, "");
    let topups = answer.json["data"].as_array().unwrap();
    assert_eq!(topups.len(), 1);
    topups[0].clone()
}

/// The amounts of the requests that wait, by customer.
async fn waiting(world: &World) -> Vec<(String, String)> {
    let answer = world.admin().get("/v1/topups?status=pending").await.expect(200, "");
    let text = |topup: &Value, field: &str| topup[field].as_str().unwrap().to_owned();
    let topups = answer.json["data"].as_array().unwrap();
    topups.iter().map(|topup| (text(topup, "customer"), text(topup, "amount"))).collect()
}

#[tokio::test]
async fn a_request_waits_and_an_approval_credits_it() {
    let world = World::start().await;
    let body = request_of(json!({"reference": "cart-9"}));
    let asked = world.customer("alice").request_topup("alice", "t", body).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    let payment = json!({"mode": "online", "method": "stripe", "reference": "pi_123"});
    let pending = json!({
        "id": id, "status": "pending", "amount": "50.00", "currency": "USD", "payment": payment, "reference": "cart-9",
        "requested_by": {"role": "customer", "id": "alice"}, "requested_at": START, "lapses_at": LAPSES,
    });
    assert_eq!(asked.json, json!({"topup": pending}));
    assert_eq!(topup(&world, "alice").await, pending);
    let account = world.account("alice").await;
    assert_eq!(
        [&account["balance"], &account["available"], &account["pending_topups"]],
        ["0.00", "0.00", "50.00"]
    );
    assert!(world.entries("alice").await.is_empty());
    // Nothing of it can be spent.
    let body = json!({"order": order("1", "1")});
    world.shop().redeem("alice", "r", body).await.expect(422, "insufficient_credit");

    world.pass(SignedDuration::from_hours(1));
    let approved = world.staff("jane").approve("alice", id, "a", json!({})).await.expect(200, "");
    let entry = &approved.json["entry"];
    let resolved = json!({
        "id": id, "status": "approved", "amount": "50.00", "currency": "USD", "payment": payment, "reference": "cart-9",
        "requested_by": {"role": "customer", "id": "alice"}, "requested_at": START, "lapses_at": LAPSES,
        "credited": "50.00", "entry": "USD-1",
        "resolved_by": {"role": "admin", "id": "jane"}, "resolved_at": "2026-11-22T11:00:00Z",
    });
    let expected = json!({
        "topup": resolved,
        "entry": {
            "id": "USD-1", "type": "topup", "amount": "50.00", "currency": "USD", "category": "paid", "source": "customer",
            "balance_after": "50.00", "allocations": [{"lot": "USD-1", "amount": "50.00"}], "expires_at": null,
            "payment": payment, "reference": "cart-9", "topup": id, "actor": {"role": "admin", "id": "jane"},
            "at": "2026-11-22T11:00:00Z", "policy_version": 0, "hash": entry["hash"], "prev_hash": entry["prev_hash"],
        },
        "account": {"currency": "USD", "balance": "50.00", "held": "0.00", "available": "50.00"},
    });
    assert_eq!(approved.json, expected);
    assert_eq!(topup(&world, "alice").await, resolved);
    let account = world.account("alice").await;
    assert_eq!([&account["balance"], &account["pending_topups"]], ["50.00", "0.00"]);
    assert_eq!([&account["lifetime"]["topped_up"], &account["lifetime"]["granted"]], ["50.00", "0.00"]);
    check_ledger(&world.entries("alice").await);
}

#[tokio::test]
async fn what_was_really_paid_is_credited_and_never_more_than_was_asked_for() {
    let world = World::start().await;
    for (paid, credited) in [("0.01", "0.01"), ("30", "30.00"), ("50.00", "50.00")] {
        let customer = fresh_key();
        let id = requested(&world, &customer, json!({})).await;
        for too_much in ["50.01", "999999999999"] {
            let body = json!({"amount": too_much});
            let refused =
                world.admin().approve(&customer, &id, "a", body).await.expect(400, "invalid_request");
            assert_eq!(refused.json["errors"][0]["field"], "amount");
        }
        let approved =
            world.admin().approve(&customer, &id, "a", json!({"amount": paid})).await.expect(200, "").json;
        assert_eq!([&approved["topup"]["amount"], &approved["topup"]["credited"]], ["50.00", credited]);
        assert_eq!(approved["entry"]["amount"], credited);
        // What was not paid does not wait any longer.
        let account = world.account(&customer).await;
        assert_eq!([&account["balance"], &account["pending_topups"]], [credited, "0.00"]);
    }
}

#[tokio::test]
async fn a_request_and_an_approval_replay_byte_for_byte_whatever_came_after() {
    let world = World::start().await;
    let alice = world.customer("alice");
    let asked = alice.request_topup("alice", "t", request_of(json!({}))).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    let approved =
        world.staff("jane").approve("alice", id, "a", json!({"amount": "40"})).await.expect(200, "");
    assert!(!approved.is_replayed());
    world.granted("alice", "5", json!({})).await;
    world.settings(json!({"currency": "EUR", "topup_max": {"USD": "1"}, "topup_methods": ["cash"]})).await;
    world.set_now("2028-01-01T00:00:00Z");
    for who in [world.customer("alice"), world.shop()] {
        let again = who.request_topup("alice", "t", request_of(json!({}))).await.expect(201, "");
        assert_eq!((again.is_replayed(), &again.text), (true, &asked.text));
    }
    for who in [world.staff("jane"), world.admin()] {
        let again = who.approve("alice", id, "a", json!({"amount": "40"})).await.expect(200, "");
        assert_eq!((again.is_replayed(), &again.text), (true, &approved.text));
    }
    for body in [request_of(json!({"amount": "51"})), request_of(json!({"reference": "r"}))] {
        world.shop().request_topup("alice", "t", body).await.expect(422, "idempotency_mismatch");
    }
    for body in [json!({"amount": "41"}), json!({})] {
        world.admin().approve("alice", id, "a", body).await.expect(422, "idempotency_mismatch");
    }
    assert_eq!(world.entries("alice").await.len(), 2);
}

#[tokio::test]
async fn one_key_cannot_both_ask_and_approve() {
    let world = World::start().await;
    let asked = world.shop().request_topup("alice", "k", request_of(json!({}))).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    world.admin().approve("alice", id, "k", json!({})).await.expect(422, "idempotency_mismatch");
    assert_eq!(topup(&world, "alice").await["status"], "pending");
    world.admin().approve("alice", id, "k2", json!({})).await.expect(200, "");
    // Nor can one approve and then ask for more.
    world
        .shop()
        .request_topup("alice", "k2", request_of(json!({})))
        .await
        .expect(422, "idempotency_mismatch");
}

#[tokio::test]
async fn two_approvals_at_once_credit_once() {
    let world = World::start().await;
    // Under one key, both tell of the same entry; under two, one comes too late.
    for (keys, late) in [(["a", "a"], None), (["a", "b"], Some("topup_not_pending"))] {
        let customer = fresh_key();
        let id = requested(&world, &customer, json!({})).await;
        let approve = async |key| {
            // Each in a millisecond of its own, as two calls are.
            world.pass(SignedDuration::from_millis(1));
            world.admin().approve(&customer, &id, key, json!({})).await
        };
        let (one, two) = tokio::join!(approve(keys[0]), approve(keys[1]));
        let (first, second) = if one.status == 200 && !one.is_replayed() { (one, two) } else { (two, one) };
        let first = first.expect(200, "");
        match late {
            None => {
                let second = second.expect(200, "");
                assert_eq!((second.is_replayed(), second.text), (true, first.text));
            }
            Some(code) => assert_eq!(second.expect(409, code).json["status_now"], "approved"),
        }
        assert_eq!(world.account(&customer).await["balance"], "50.00");
        assert_eq!(world.entries(&customer).await.len(), 1);
    }
}

#[tokio::test]
async fn an_approval_and_a_cancellation_at_once_end_it_one_way() {
    let world = World::start().await;
    for _ in 0..5_u8 {
        let customer = fresh_key();
        let id = requested(&world, &customer, json!({})).await;
        let (admin, owner) = (world.admin(), world.customer(&customer));
        let (approved, cancelled) =
            tokio::join!(admin.approve(&customer, &id, "a", json!({})), owner.cancel(&customer, &id));
        let account = world.account(&customer).await;
        assert_eq!(account["pending_topups"], "0.00");
        if approved.status == 200 {
            cancelled.expect(409, "topup_not_pending");
            assert_eq!(account["balance"], "50.00");
        } else {
            cancelled.expect(200, "");
            approved.expect(409, "topup_not_pending");
            assert_eq!(account["balance"], "0.00");
        }
    }
}

#[tokio::test]
async fn a_request_is_rejected_with_a_reason_that_the_customer_reads() {
    let world = World::start().await;
    let id = requested(&world, "alice", json!({})).await;
    let rejected =
        world.staff("jane").reject("alice", &id, "the payment\nnever came").await.expect(200, "").json;
    let expected = json!({
        "id": id, "status": "rejected", "amount": "50.00", "currency": "USD",
        "payment": {"mode": "online", "method": "stripe", "reference": "pi_123"},
        "requested_by": rejected["topup"]["requested_by"], "requested_at": START, "lapses_at": LAPSES,
        "reason": "the payment\nnever came", "resolved_by": {"role": "admin", "id": "jane"}, "resolved_at": START,
    });
    assert_eq!(rejected, json!({"topup": expected}));
    let seen = world.customer("alice").get("/v1/customers/alice/topups").await.expect(200, "").json;
    assert_eq!(seen["data"], json!([expected]));
    let account = world.account("alice").await;
    assert_eq!([&account["balance"], &account["pending_topups"]], ["0.00", "0.00"]);
    assert!(world.entries("alice").await.is_empty());
}

#[tokio::test]
async fn the_customer_the_shop_and_the_merchant_can_take_a_request_back() {
    let world = World::start().await;
    for who in [world.customer("alice"), world.shop(), world.admin()] {
        let asked = world.customer("alice").request_topup("alice", &fresh_key(), request_of(json!({}))).await;
        let id = asked.json["topup"]["id"].as_str().unwrap();
        assert_eq!(world.account("alice").await["pending_topups"], "50.00");
        let cancelled = who.cancel("alice", id).await.expect(200, "").json;
        assert_eq!([&cancelled["topup"]["id"], &cancelled["topup"]["status"]], [id, "cancelled"]);
        assert_eq!(world.account("alice").await["pending_topups"], "0.00");
    }
    assert!(waiting(&world).await.is_empty());
    assert!(world.entries("alice").await.is_empty());
}

#[tokio::test]
async fn what_has_ended_stays_ended() {
    let world = World::start().await;
    for end in ["approved", "rejected", "cancelled"] {
        let customer = fresh_key();
        let id = requested(&world, &customer, json!({})).await;
        let admin = world.admin();
        match end {
            "approved" => admin.approve(&customer, &id, "a", json!({})).await.expect(200, ""),
            "rejected" => admin.reject(&customer, &id, "no").await.expect(200, ""),
            _ => admin.cancel(&customer, &id).await.expect(200, ""),
        };
        let before = world.all_of(&customer).await;
        for refused in [
            admin.approve(&customer, &id, "late", json!({})).await,
            admin.approve(&customer, &id, "late", json!({"amount": "1"})).await,
            admin.reject(&customer, &id, "too late").await,
            admin.cancel(&customer, &id).await,
            world.customer(&customer).cancel(&customer, &id).await,
        ] {
            assert_eq!(refused.expect(409, "topup_not_pending").json["status_now"], end);
        }
        assert_eq!(world.all_of(&customer).await, before);
    }
}

#[tokio::test]
async fn anothers_request_is_not_there() {
    let world = World::start().await;
    let id = requested(&world, "bob", json!({})).await;
    requested(&world, "alice", json!({})).await;
    let (currency, digest) = id.split_once('-').unwrap();
    let in_euros = format!("EUR-{digest}");
    let unknown = format!("{currency}-{}", "A".repeat(digest.len()));
    for (customer, id) in [("alice", &id), ("nobody", &id), ("bob", &in_euros), ("bob", &unknown)] {
        world.admin().approve(customer, id, &fresh_key(), json!({})).await.expect(404, "topup_not_found");
        world.admin().reject(customer, id, "no").await.expect(404, "topup_not_found");
        world.shop().cancel(customer, id).await.expect(404, "topup_not_found");
    }
    world.customer("alice").cancel("alice", &id).await.expect(404, "topup_not_found");
    world.customer("alice").cancel("bob", &id).await.expect(404, "customer_not_found");
    // What stands under the digest of a grant's key is no request either.
    world.granted("bob", "5", json!({})).await;
    assert_eq!(topup(&world, "bob").await["status"], "pending");
}

#[tokio::test]
async fn who_asked_cannot_approve() {
    let world = World::start().await;
    // The merchant's own key, and a member of staff: each asks, each is refused, and the other may.
    for (asks, other) in [(world.admin(), world.staff("jane")), (world.staff("jane"), world.admin())] {
        let asked = asks.request_topup("alice", &fresh_key(), request_of(json!({}))).await.expect(201, "");
        let id = asked.json["topup"]["id"].as_str().unwrap();
        asks.approve("alice", id, "a", json!({})).await.expect(403, "self_approval");
        assert_eq!(waiting(&world).await.len(), 1);
        other.approve("alice", id, &fresh_key(), json!({})).await.expect(200, "");
    }
    // Jane is a customer too: what she asks for herself she does not approve in her office.
    let asked =
        world.customer("jane").request_topup("jane", "t", request_of(json!({}))).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    world.staff("jane").approve("jane", id, "a", json!({})).await.expect(403, "self_approval");
    assert_eq!(world.account("jane").await["balance"], "0.00");
    // Who asked may say no.
    world.staff("jane").reject("jane", id, "a mistake").await.expect(200, "");
}

#[tokio::test]
async fn a_request_is_refused_where_the_shops_limits_say_so() {
    let offline = |method: &str| json!({"payment": {"mode": "offline", "method": method}});
    let world = World::start().await;
    for (settings, fields, code, numbers) in [
        (json!({"topup_min": {"USD": "50"}}), json!({}), "", json!({})),
        (
            json!({"topup_min": {"USD": "50.01"}}),
            json!({}),
            "topup_limit_exceeded",
            json!({"minimum": "50.01"}),
        ),
        (json!({"topup_max": {"USD": "50"}}), json!({}), "", json!({})),
        (
            json!({"topup_max": {"USD": "49.99"}}),
            json!({}),
            "topup_limit_exceeded",
            json!({"maximum": "49.99"}),
        ),
        (json!({"topup_max": {"EUR": "1"}}), json!({}), "", json!({})),
        (
            json!({"topup_max": {"EUR": "1"}}),
            json!({"currency": "EUR"}),
            "topup_limit_exceeded",
            json!({"maximum": "1.00"}),
        ),
        // The balance is 20.00, and 30.00 wait already.
        (json!({"topup_limit": {"USD": "100"}}), json!({}), "", json!({})),
        (
            json!({"topup_limit": {"USD": "99.99"}}),
            json!({}),
            "topup_limit_exceeded",
            json!({"maximum": "99.99"}),
        ),
        (json!({"balance_limit": {"USD": "70"}}), json!({}), "", json!({})),
        (
            json!({"balance_limit": {"USD": "69.99"}}),
            json!({}),
            "balance_limit_exceeded",
            json!({"maximum": "69.99"}),
        ),
        (json!({"topup_methods": ["stripe", "cash"]}), json!({}), "", json!({})),
        (json!({"topup_methods": ["stripe", "cash"]}), offline("cash"), "", json!({})),
        (
            json!({"topup_methods": ["stripe", "cash"]}),
            offline("Cash"),
            "payment_method_not_allowed",
            json!({}),
        ),
        (json!({"topup_methods": ["cash"]}), json!({}), "payment_method_not_allowed", json!({})),
        (json!({"topup_methods": []}), json!({}), "payment_method_not_allowed", json!({})),
        (json!({"topup_methods": null}), offline("beads"), "", json!({})),
    ] {
        let customer = fresh_key();
        world.settings(json!({})).await;
        world.granted(&customer, "20", json!({})).await;
        requested(&world, &customer, json!({"amount": "30"})).await;
        world.settings(settings.clone()).await;
        let before = world.all_of(&customer).await;
        let answer =
            world.customer(&customer).request_topup(&customer, "t", request_of(fields.clone())).await;
        let answer = answer.expect(if code.is_empty() { 201 } else { 422 }, code);
        for (name, number) in numbers.as_object().unwrap() {
            assert_eq!(answer.json[name], *number, "{settings} {fields}");
        }
        if !code.is_empty() {
            assert_eq!(world.all_of(&customer).await, before, "{settings} {fields}");
        }
    }
}

#[tokio::test]
async fn limits_are_checked_again_at_approval() {
    let world = World::start().await;
    for (settings, code) in [
        (json!({"topup_min": {"USD": "51"}}), "topup_limit_exceeded"),
        (json!({"topup_max": {"USD": "49"}}), "topup_limit_exceeded"),
        (json!({"topup_limit": {"USD": "69.99"}}), "topup_limit_exceeded"),
        (json!({"balance_limit": {"USD": "69.99"}}), "balance_limit_exceeded"),
        (json!({"topup_methods": ["cash"]}), "payment_method_not_allowed"),
    ] {
        let customer = fresh_key();
        world.settings(json!({})).await;
        let id = requested(&world, &customer, json!({})).await;
        world.granted(&customer, "20", json!({})).await;
        world.settings(settings).await;
        world.admin().approve(&customer, &id, "a", json!({})).await.expect(422, code);
        assert_eq!(topup(&world, &customer).await["status"], "pending");
        assert_eq!(world.account(&customer).await["balance"], "20.00");
        // It waits, and can be approved once the shop changes its mind, under the same key.
        world.settings(json!({"topup_limit": {"USD": "70"}, "balance_limit": {"USD": "70"}})).await;
        world.admin().approve(&customer, &id, "a", json!({})).await.expect(200, "");
    }
}

#[tokio::test]
async fn requests_that_wait_count_against_the_limit_until_they_end() {
    let world = World::start().await;
    world.settings(json!({"topup_limit": {"USD": "100"}})).await;
    let (first, second) =
        (requested(&world, "alice", json!({})).await, requested(&world, "alice", json!({})).await);
    let third = async |code: &str, status: u16| {
        let body = request_of(json!({"amount": "0.01"}));
        world.shop().request_topup("alice", &fresh_key(), body).await.expect(status, code)
    };
    third("topup_limit_exceeded", 422).await;
    world.admin().approve("alice", &first, "a", json!({"amount": "49.99"})).await.expect(200, "");
    third("", 201).await;
    third("topup_limit_exceeded", 422).await;
    world.shop().cancel("alice", &second).await.expect(200, "");
    third("", 201).await;
    let account = world.account("alice").await;
    assert_eq!([&account["balance"], &account["pending_topups"]], ["49.99", "0.02"]);
}

#[tokio::test]
async fn topped_up_credit_expires_as_the_policy_says_from_the_day_of_its_approval() {
    let world = World::start().await;
    world.settings(json!({"expiry_days": {"paid": 10}})).await;
    let id = requested(&world, "alice", json!({})).await;
    world.set_now("2026-12-01T00:00:00Z");
    let approved = world.admin().approve("alice", &id, "a", json!({})).await.expect(200, "").json;
    assert_eq!(approved["entry"]["expires_at"], "2026-12-12T00:00:00Z");
    assert_eq!(world.account("alice").await["lots"][0]["expires_at"], "2026-12-12T00:00:00Z");
}

#[tokio::test]
async fn a_request_is_for_the_stores_currency_unless_it_names_one() {
    let world = World::start().await;
    world.settings(json!({"currency": "EUR"})).await;
    for (fields, currency, amount) in [
        (json!({}), "EUR", "50.00"),
        (json!({"currency": "JPY"}), "JPY", "50"),
        (json!({"currency": "BHD", "amount": "0.125"}), "BHD", "0.125"),
    ] {
        let id = requested(&world, "alice", fields).await;
        assert!(id.starts_with(&format!("{currency}-")), "{id}");
        // The request keeps its currency, whatever the store's is by then.
        world.settings(json!({"currency": "USD"})).await;
        let approved =
            world.admin().approve("alice", &id, &fresh_key(), json!({})).await.expect(200, "").json;
        assert_eq!([&approved["entry"]["currency"], &approved["entry"]["amount"]], [currency, amount]);
    }
}

#[tokio::test]
async fn what_waits_is_listed_oldest_first_over_all_customers_page_by_page() {
    let world = World::start().await;
    assert!(waiting(&world).await.is_empty());
    let mut expected = Vec::new();
    let mut ids = Vec::new();
    for (customer, amount) in
        [("bob", "1.00"), ("alice", "2.00"), ("zoe", "3.00"), ("alice", "4.00"), ("bob", "5.00")]
    {
        ids.push(requested(&world, customer, json!({"amount": amount})).await);
        expected.push((customer.to_owned(), amount.to_owned()));
        world.pass(SignedDuration::from_millis(1));
    }
    assert_eq!(waiting(&world).await, expected);

    for limit in 1..=6_u8 {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!("/v1/topups?limit={limit}{cursor}");
            let page = world.admin().get(&path).await.expect(200, "").json;
            let topups = page["data"].as_array().unwrap().clone();
            assert!(topups.len() <= usize::from(limit));
            seen.extend(topups);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(each(&seen, "id"), ids, "limit {limit}");
    }

    // What ends leaves the list.
    world.admin().approve("alice", &ids[1], "a", json!({})).await.expect(200, "");
    world.admin().reject("zoe", &ids[2], "no").await.expect(200, "");
    world.shop().cancel("bob", &ids[4]).await.expect(200, "");
    assert_eq!(waiting(&world).await, [expected[0].clone(), expected[3].clone()]);
    let listed = world.admin().get("/v1/topups").await.expect(200, "").json;
    let expected = json!({
        "id": ids[0], "customer": "bob", "status": "pending", "amount": "1.00", "currency": "USD",
        "payment": {"mode": "online", "method": "stripe", "reference": "pi_123"},
        "requested_by": listed["data"][0]["requested_by"], "requested_at": START, "lapses_at": LAPSES,
    });
    assert_eq!(listed["data"][0], expected);
}

/// Settings under which top-ups are approved by themselves.
fn automatic() -> Value {
    json!({"topup_approval": "automatic"})
}

/// Nothing more becomes of this request, which has ended like this.
async fn has_ended(world: &World, customer: &str, id: &str, status: &str) {
    let before = world.all_of(customer).await;
    for refused in [
        world.admin().approve(customer, id, &fresh_key(), json!({})).await,
        world.admin().approve(customer, id, &fresh_key(), json!({"amount": "1"})).await,
        world.admin().reject(customer, id, "too late").await,
        world.admin().cancel(customer, id).await,
        world.customer(customer).cancel(customer, id).await,
    ] {
        assert_eq!(refused.expect(409, "topup_not_pending").json["status_now"], status);
    }
    assert_eq!(world.all_of(customer).await, before);
}

#[tokio::test]
async fn where_the_policy_approves_a_request_is_credited_at_once_and_once() {
    let world = World::start().await;
    world.settings(automatic()).await;
    let body = request_of(json!({"reference": "cart-9"}));
    let asked = world.customer("alice").request_topup("alice", "t", body.clone()).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    let payment = json!({"mode": "online", "method": "stripe", "reference": "pi_123"});
    let approved = json!({
        "id": id, "status": "approved", "amount": "50.00", "currency": "USD", "payment": payment, "reference": "cart-9",
        "requested_by": {"role": "customer", "id": "alice"}, "requested_at": START, "lapses_at": LAPSES,
        "credited": "50.00", "entry": "USD-1", "resolved_by": {"role": "system", "id": "topup_approval"}, "resolved_at": START,
    });
    assert_eq!(asked.json, json!({"topup": approved}));
    assert_eq!(topup(&world, "alice").await, approved);
    assert!(waiting(&world).await.is_empty());
    let entry = world.entries("alice").await[0].clone();
    let expected = json!({
        "id": "USD-1", "type": "topup", "amount": "50.00", "currency": "USD", "category": "paid", "source": "customer",
        "balance_after": "50.00", "allocations": [{"lot": "USD-1", "amount": "50.00"}], "expires_at": null,
        "payment": payment, "reference": "cart-9", "topup": id, "actor": {"role": "customer", "id": "alice"},
        "at": START, "policy_version": 1, "hash": entry["hash"], "prev_hash": entry["prev_hash"],
    });
    assert_eq!(entry, expected);
    let account = world.account("alice").await;
    assert_eq!([&account["balance"], &account["pending_topups"]], ["50.00", "0.00"]);
    assert_eq!(account["lifetime"]["by_customer"], "50.00");

    // Nobody approves it a second time, and it never lapses; the same again answers the same.
    has_ended(&world, "alice", id, "approved").await;
    world.settings(json!({"topup_max": {"USD": "1"}})).await;
    world.set_now("2028-01-01T00:00:00Z");
    world.expire().await;
    has_ended(&world, "alice", id, "approved").await;
    let again = world.shop().request_topup("alice", "t", body).await.expect(201, "");
    assert_eq!((again.is_replayed(), &again.text), (true, &asked.text));
    let more = request_of(json!({"amount": "51"}));
    world.shop().request_topup("alice", "t", more).await.expect(422, "idempotency_mismatch");
    let entries = world.entries("alice").await;
    check_ledger(&entries);
    assert_eq!(entries.len(), 1);
}

#[tokio::test]
async fn a_request_that_waited_is_replayed_as_such_after_the_policy_approves() {
    let world = World::start().await;
    let asked = world.shop().request_topup("alice", "t", request_of(json!({}))).await.expect(201, "");
    world.settings(automatic()).await;
    let again = world.shop().request_topup("alice", "t", request_of(json!({}))).await.expect(201, "");
    assert_eq!((again.is_replayed(), &again.text), (true, &asked.text));
    assert_eq!(world.account("alice").await["balance"], "0.00");
    // It waits still, for somebody.
    let id = asked.json["topup"]["id"].as_str().unwrap();
    world.admin().approve("alice", id, "a", json!({})).await.expect(200, "");
}

#[tokio::test]
async fn above_an_amount_somebody_has_to_approve_currency_by_currency() {
    let world = World::start().await;
    world.settings(json!({"topup_approval": {"manual_above": {"USD": "100", "JPY": "0"}}})).await;
    let mut credited = Vec::new();
    for (amount, currency, status) in [
        ("0.01", "USD", "approved"),
        ("100.00", "USD", "approved"),
        ("100.01", "USD", "pending"),
        ("1", "JPY", "pending"),
        ("0.01", "EUR", "pending"),
    ] {
        let body = request_of(json!({"amount": amount, "currency": currency}));
        let asked = world.customer("alice").request_topup("alice", &fresh_key(), body).await.expect(201, "");
        assert_eq!(asked.json["topup"]["status"], status, "{amount} {currency}");
        if status == "approved" {
            credited.push(amount);
        }
    }
    assert_eq!(each(&world.entries("alice").await, "amount"), credited);
    let mut amounts: Vec<_> = waiting(&world).await.into_iter().map(|(_, amount)| amount).collect();
    amounts.sort();
    assert_eq!(amounts, ["0.01", "1", "100.01"]);
}

#[tokio::test]
async fn many_at_once_under_one_key_are_approved_once_by_the_policy() {
    let world = World::start().await;
    world.settings(automatic()).await;
    let shop = world.shop();
    let ask = |key: &str| {
        let (shop, key) = (shop.clone(), key.to_owned());
        async move { shop.request_topup("alice", &key, request_of(json!({}))).await.expect(201, "") }
    };
    let same = futures::future::join_all((0..10_u8).map(|_| ask("one"))).await;
    assert!(same.iter().all(|answer| answer.text == same[0].text));
    assert_eq!(world.account("alice").await["balance"], "50.00");
    let others = ["two", "three", "four", "five"];
    futures::future::join_all(others.map(ask)).await;
    assert_eq!(world.account("alice").await["balance"], "250.00");
    check_ledger(&world.entries("alice").await);
}

#[tokio::test]
async fn what_the_policy_approves_is_refused_by_the_same_limits() {
    let world = World::start().await;
    for (limit, code) in [
        (json!({"topup_min": {"USD": "50.01"}}), "topup_limit_exceeded"),
        (json!({"topup_max": {"USD": "49.99"}}), "topup_limit_exceeded"),
        (json!({"topup_limit": {"USD": "69.99"}}), "topup_limit_exceeded"),
        (json!({"balance_limit": {"USD": "69.99"}}), "balance_limit_exceeded"),
        (json!({"topup_methods": ["cash"]}), "payment_method_not_allowed"),
    ] {
        let customer = fresh_key();
        world.settings(json!({})).await;
        world.granted(&customer, "20", json!({})).await;
        let mut settings = automatic();
        settings.as_object_mut().unwrap().extend(limit.as_object().unwrap().clone());
        world.settings(settings).await;
        let before = world.all_of(&customer).await;
        world.shop().request_topup(&customer, "t", request_of(json!({}))).await.expect(422, code);
        assert_eq!(world.all_of(&customer).await, before);
        // A refusal stores nothing: the same key succeeds later.
        world.settings(automatic()).await;
        world.shop().request_topup(&customer, "t", request_of(json!({}))).await.expect(201, "");
        assert_eq!(world.account(&customer).await["balance"], "70.00");
    }
}

#[tokio::test]
async fn what_nobody_decides_on_lapses_at_its_time_whether_or_not_the_schedule_ran() {
    for booked in [false, true] {
        let world = World::start().await;
        world.settings(json!({"topup_pending_days": 7, "topup_limit": {"USD": "50"}})).await;
        let id = requested(&world, "alice", json!({})).await;
        // The days are those of the request, not of the settings since.
        world.settings(json!({"topup_pending_days": 1, "topup_limit": {"USD": "50"}})).await;
        world.set_now("2026-11-29T09:59:59.999Z");
        assert_eq!(world.expire().await.topups, 0);
        assert_eq!(topup(&world, "alice").await["status"], "pending");
        assert_eq!(waiting(&world).await.len(), 1);
        let more = request_of(json!({"amount": "0.01"}));
        let refused = world.shop().request_topup("alice", "u", more).await;
        refused.expect(422, "topup_limit_exceeded");

        world.set_now("2026-11-29T10:00:00Z");
        if booked {
            assert_eq!(world.expire().await.topups, 1);
            assert_eq!(world.expire().await.topups, 0, "a second run finds nothing");
        }
        let lapsed = topup(&world, "alice").await;
        let ended = json!(["lapsed", {"role": "system", "id": "expire-on-schedule"}, "2026-11-29T10:00:00Z"]);
        assert_eq!(
            json!([lapsed["status"], lapsed["resolved_by"], lapsed["resolved_at"]]),
            ended,
            "{booked}"
        );
        assert!(waiting(&world).await.is_empty(), "{booked}");
        has_ended(&world, "alice", &id, "lapsed").await;
        // It counts no more, for whoever looks and for whoever asks.
        assert_eq!(world.account("alice").await["pending_topups"], "0.00", "{booked}");
        let next = requested(&world, "alice", json!({})).await;
        world.admin().approve("alice", &next, "a", json!({})).await.expect(200, "");
        let account = world.account("alice").await;
        assert_eq!([&account["balance"], &account["pending_topups"]], ["50.00", "0.00"], "{booked}");
        world.expire().await;
        let account = world.account("alice").await;
        assert_eq!([&account["balance"], &account["pending_topups"]], ["50.00", "0.00"], "{booked}");
        check_ledger(&world.entries("alice").await);
    }
}

#[tokio::test]
async fn an_approval_and_the_schedule_at_once_end_a_request_one_way() {
    for at in ["2026-12-22T09:59:59.999Z", LAPSES] {
        let world = World::start().await;
        let id = requested(&world, "alice", json!({})).await;
        world.set_now(at);
        let admin = world.admin();
        // The schedule comes for the moment at which the request lapses, whatever the other's clock says.
        let schedule = world.expire_at(LAPSES.parse().unwrap());
        let (approved, _) = tokio::join!(admin.approve("alice", &id, "a", json!({})), schedule);
        let status = if approved.status == 200 { "approved" } else { "lapsed" };
        assert_eq!(topup(&world, "alice").await["status"], status, "{at}");
        let account = world.account("alice").await;
        let balance = if approved.status == 200 { "50.00" } else { "0.00" };
        assert_eq!([&account["balance"], &account["pending_topups"]], [balance, "0.00"], "{at}");
        has_ended(&world, "alice", &id, status).await;
        assert!(at != LAPSES || status == "lapsed");
    }
}

#[tokio::test]
async fn a_lapsed_request_replays_as_it_was_made() {
    let world = World::start().await;
    let asked = world.shop().request_topup("alice", "t", request_of(json!({}))).await.expect(201, "");
    world.set_now("2027-01-01T00:00:00Z");
    for _ in 0..2_u8 {
        let again = world.shop().request_topup("alice", "t", request_of(json!({}))).await.expect(201, "");
        assert_eq!((again.is_replayed(), &again.text), (true, &asked.text));
        world.expire().await;
    }
}

#[tokio::test]
async fn an_approved_request_leaves_the_list_at_once_and_the_index_with_the_schedule() {
    let world = World::start().await;
    let id = requested(&world, "alice", json!({})).await;
    requested(&world, "bob", json!({})).await;
    world.admin().approve("alice", &id, "a", json!({})).await.expect(200, "");
    let bobs = [("bob".to_owned(), "50.00".to_owned())];
    assert_eq!(waiting(&world).await, bobs);
    let before = world.all_of("alice").await;
    assert_eq!(world.expire().await.topups, 1);
    assert_eq!(world.expire().await.topups, 0);
    assert_eq!((waiting(&world).await, world.all_of("alice").await), (bobs.to_vec(), before));
}

#[tokio::test]
async fn requests_that_wait_count_by_currency() {
    let world = World::start().await;
    world.settings(json!({"topup_limit": {"USD": "100", "EUR": "60"}})).await;
    for (amount, currency, code) in [
        ("50", "USD", ""),
        ("50", "EUR", ""),
        ("50.01", "USD", "topup_limit_exceeded"),
        ("10.01", "EUR", "topup_limit_exceeded"),
        ("9999", "JPY", ""),
        ("50", "USD", ""),
        ("10", "EUR", ""),
        ("0.01", "USD", "topup_limit_exceeded"),
        ("0.01", "EUR", "topup_limit_exceeded"),
    ] {
        let body = request_of(json!({"amount": amount, "currency": currency}));
        let answer = world.shop().request_topup("alice", &fresh_key(), body).await;
        let answer = answer.expect(if code.is_empty() { 201 } else { 422 }, code);
        if !code.is_empty() {
            let limit = if currency == "USD" { "100.00" } else { "60.00" };
            assert_eq!(answer.json["maximum"], limit);
        }
    }
}

#[tokio::test]
async fn a_members_limits_are_its_groups_when_it_asks_and_when_it_is_approved() {
    let world = World::start().await;
    let put = async |path: &str, body: Value| world.admin().put(path, body).await.expect(200, "");
    put("/v1/groups/vip", json!({"policy": {"topup_max": {"USD": "50"}}})).await;
    put("/v1/customers/alice", json!({"group": "vip"})).await;
    let id = requested(&world, "alice", json!({})).await;
    requested(&world, "bob", json!({"amount": "500"})).await;
    put("/v1/groups/vip", json!({"policy": {"topup_max": {"USD": "49"}}})).await;
    world.admin().approve("alice", &id, "a", json!({})).await.expect(422, "topup_limit_exceeded");
    put("/v1/customers/alice", json!({"group": "vip", "policy": {"topup_max": null}})).await;
    let approved = world.admin().approve("alice", &id, "a", json!({})).await.expect(200, "").json;
    assert_eq!(approved["entry"]["customer_version"], 2);
}

#[tokio::test]
async fn fifty_requests_may_wait_at_once_and_lapsed_ones_make_room() {
    let world = World::start().await;
    for _ in 0..50_u8 {
        requested(&world, "alice", json!({"amount": "1"})).await;
    }
    let pending = async || world.account("alice").await["pending_topups"].as_str().unwrap().to_owned();
    assert_eq!(pending().await, "50.00");
    let body = json!({"amount": "1", "payment": {"mode": "online", "method": "card"}});
    world.shop().request_topup("alice", "one-too-many", body.clone()).await.expect(422, "too_many_topups");
    let ids: Vec<String> = {
        let listed = world.admin().get("/v1/topups?limit=200").await.expect(200, "").json;
        each(listed["data"].as_array().unwrap(), "id").into_iter().map(str::to_owned).collect()
    };
    world.admin().approve("alice", &ids[0], "a", json!({"amount": "0.50"})).await.expect(200, "");
    world.admin().reject("alice", &ids[49], "no").await.expect(200, "");
    assert_eq!(pending().await, "48.00");
    world.shop().request_topup("alice", "one-too-many", body.clone()).await.expect(201, "");
    world.set_now(LAPSES);
    assert_eq!(pending().await, "0.00");
    // Booked or not, what has lapsed is in nobody's way.
    for key in ["later-1", "later-2"] {
        world.shop().request_topup("alice", key, body.clone()).await.expect(201, "");
    }
    world.expire().await;
    assert_eq!(pending().await, "2.00");
    assert_eq!(world.account("alice").await["balance"], "0.50");
}
