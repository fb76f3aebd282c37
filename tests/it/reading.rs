//! Reading what a customer has, and why: balances, entries, top-ups, page by page.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::world::{Client, START, World, each, fresh_key, order};

/// Every page of a list, one after the other.
async fn pages(who: &Client<'_>, path: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut cursor = String::new();
    loop {
        let answer = who.get(&format!("{path}{cursor}")).await.expect(200, "").json;
        pages.push(answer["data"].as_array().unwrap().clone());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
        assert!(pages.len() < 100, "{path} never ends");
    }
    pages
}

/// The ids of alice's entries that this query admits, in one page.
async fn ids(world: &World, query: &str) -> Vec<String> {
    let answer = world.shop().get(&format!("/v1/customers/alice/entries?{query}")).await.expect(200, "").json;
    assert_eq!(answer["next_cursor"], json!(null), "{query}");
    each(answer["data"].as_array().unwrap(), "id").into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn who_is_not_there_is_not_found_and_finds_itself() {
    let world = World::start().await;
    world.granted("alice", "10", json!({})).await;
    let empty = json!({"data": [], "next_cursor": null});
    let nobody = json!({
        "customer": "bob", "name": null, "email": null, "language": null, "group": null, "frozen": false, "accounts": [],
        "terms": {
            "currency": "USD", "time_zone": "UTC", "topup_methods": null, "topup_min": null, "topup_max": null, "withdrawal": false,
            "withdrawable": ["paid", "refund"],
        },
    });
    for (path, expected) in [
        ("/v1/customers/bob", &nobody),
        ("/v1/customers/bob/entries", &empty),
        ("/v1/customers/bob/entries?currency=USD", &empty),
        ("/v1/customers/bob/entries?currency=EUR&type=grant&limit=1", &empty),
        ("/v1/customers/bob/topups", &empty),
        ("/v1/customers/bob/topups?limit=1", &empty),
    ] {
        for who in [world.admin(), world.shop(), world.staff("jane"), world.customer("alice")] {
            who.get(path).await.expect(404, "customer_not_found");
        }
        // Before its first credit a customer sees that it has none, and not that it does not exist.
        assert_eq!(world.customer("bob").get(path).await.expect(200, "").json, *expected, "{path}");
    }
}

#[tokio::test]
async fn a_customer_is_shown_with_balances_lots_and_what_expires() {
    let world = World::start().await;
    world.admin().put("/v1/customers/alice", json!({"name": "Alice A.", "email": "alice@example.com"})).await;
    world.granted("alice", "10", json!({"expires_on": "2026-12-31", "category": "promotional"})).await;
    world.granted("alice", "20", json!({"expires_on": "2026-12-11", "category": "paid"})).await;
    world.pass(SignedDuration::from_hours(1));
    world.granted("alice", "40", json!({"expires_on": "2026-12-31", "category": "refund"})).await;
    world.granted("alice", "500", json!({"currency": "JPY"})).await;
    let payment = json!({"mode": "online", "method": "card"});
    let body = json!({"amount": "7", "payment": payment});
    world.shop().request_topup("alice", "t", body).await.expect(201, "");
    world.shop().redeem("alice", "r", json!({"order": order("1", "4")})).await.expect(201, "");

    let lifetime = |granted: &str, redeemed: &str, zero: &str| json!({"granted": granted, "topped_up": zero, "redeemed": redeemed, "refunded": zero, "withdrawn": zero, "expired": zero, "debited": zero, "by_admin": granted, "by_customer": zero});
    let lot = |id: &str, category: &str, remaining: &str, granted_at: &str, expires_at: Value| json!({"id": id, "category": category, "source": "admin", "remaining": remaining, "granted_at": granted_at, "expires_at": expires_at});
    let (later, december, january) = ("2026-11-22T11:00:00Z", "2026-12-12T00:00:00Z", "2027-01-01T00:00:00Z");
    let expected = json!({
        "customer": "alice", "name": "Alice A.", "email": "alice@example.com", "language": null, "group": null,
        "frozen": false,
        "accounts": [
            {
                "currency": "JPY", "balance": "500", "held": "0", "available": "500", "pending_topups": "0",
                "lots": [lot("JPY-1", "goodwill", "500", later, json!(null))],
                "holds": [], "expiring": [], "lifetime": lifetime("500", "0", "0"),
            },
            {
                "currency": "USD", "balance": "66.00", "held": "0.00", "available": "66.00", "pending_topups": "7.00",
                "lots": [
                    lot("USD-1", "promotional", "6.00", START, json!(january)),
                    lot("USD-2", "paid", "20.00", START, json!(december)),
                    lot("USD-3", "refund", "40.00", later, json!(january)),
                ],
                "holds": [],
                "expiring": [{"at": december, "amount": "20.00"}, {"at": january, "amount": "46.00"}],
                "lifetime": lifetime("70.00", "4.00", "0.00"),
            },
        ],
    });
    // The customer is told what it may ask for.
    let mut seen = world.customer("alice").get("/v1/customers/alice").await.expect(200, "").json;
    let terms = json!({
        "currency": "USD", "time_zone": "UTC", "topup_methods": null, "topup_min": null, "topup_max": null, "withdrawal": false,
        "withdrawable": ["paid", "refund"],
    });
    assert_eq!(seen.as_object_mut().unwrap().remove("terms"), Some(terms));
    assert_eq!(seen, expected);
    // Staff sees besides which rules are in force, and the version to write over.
    for who in [world.admin(), world.shop()] {
        let mut seen = who.get("/v1/customers/alice").await.expect(200, "").json;
        let seen = seen.as_object_mut().unwrap();
        assert_eq!(seen.remove("version"), Some(json!(1)));
        assert_eq!(seen.remove("policy").unwrap()["enabled"], json!({"value": true, "from": "store"}));
        assert_eq!(seen.remove("own_policy"), Some(json!({})));
        assert_eq!(json!(seen), expected);
    }

    // Once its time has come a lot is neither available nor expiring, though the schedule has not booked it.
    world.set_now(december);
    let account = world.admin().get("/v1/customers/alice").await.json["accounts"][1].clone();
    assert_eq!([&account["balance"], &account["available"]], ["66.00", "46.00"]);
    assert_eq!(account["expiring"], json!([{"at": january, "amount": "46.00"}]));
    world.expire().await;
    let account = world.admin().get("/v1/customers/alice").await.json["accounts"][1].clone();
    assert_eq!(
        [&account["balance"], &account["available"], &account["lifetime"]["expired"]],
        ["46.00", "46.00", "20.00"]
    );
}

#[tokio::test]
async fn what_came_in_and_went_out_is_totalled_since_the_beginning() {
    let world = World::start().await;
    let payment = json!({"mode": "online", "method": "card"});
    for _ in 0..2_u8 {
        world.granted("alice", "10", json!({"expires_on": "2026-12-01"})).await;
        let body = json!({"amount": "7.50", "payment": payment});
        let asked = world.shop().request_topup("alice", &fresh_key(), body).await.expect(201, "");
        let id = asked.json["topup"]["id"].as_str().unwrap();
        world.admin().approve("alice", id, &fresh_key(), json!({"amount": "7"})).await.expect(200, "");
        let body = json!({"order": order("1", "3")});
        world.shop().redeem("alice", &fresh_key(), body).await.expect(201, "");
    }
    world.set_now("2026-12-05T00:00:00Z");
    world.expire().await;
    let account = world.account("alice").await;
    let expected = json!({
        "granted": "20.00", "topped_up": "14.00", "redeemed": "6.00", "refunded": "0.00", "withdrawn": "0.00",
        "expired": "14.00", "debited": "0.00", "by_admin": "20.00", "by_customer": "0.00",
    });
    assert_eq!(account["lifetime"], expected);
    assert_eq!(account["balance"], "14.00");
}

#[tokio::test]
async fn entries_are_filtered_by_currency_type_time_and_order() {
    let world = World::start().await;
    // One entry an hour: USD-1 at ten, USD-2 at eleven, and so on; EUR-1 with USD-4.
    world.granted("alice", "10", json!({"expires_at": "2026-11-22T13:30:00Z"})).await;
    world.pass(SignedDuration::from_hours(1));
    world.granted("alice", "20", json!({})).await;
    world.pass(SignedDuration::from_hours(1));
    world.shop().redeem("alice", "r1", json!({"order": order("A 1/2", "4")})).await.expect(201, "");
    world.pass(SignedDuration::from_hours(1));
    world.shop().redeem("alice", "r2", json!({"order": order("B", "4")})).await.expect(201, "");
    world.granted("alice", "5", json!({"currency": "EUR"})).await;
    world.pass(SignedDuration::from_hours(1));
    world.expire().await;
    for (query, expected) in [
        ("", "USD-5 USD-4 EUR-1 USD-3 USD-2 USD-1"),
        ("currency=USD", "USD-5 USD-4 USD-3 USD-2 USD-1"),
        ("currency=EUR", "EUR-1"),
        ("currency=JPY", ""),
        ("type=grant", "EUR-1 USD-2 USD-1"),
        ("type=redeem", "USD-4 USD-3"),
        ("type=expire", "USD-5"),
        ("type=topup", ""),
        // `from` is in, `to` is out.
        ("from=2026-11-22T11:00:00Z", "USD-5 USD-4 EUR-1 USD-3 USD-2"),
        ("from=2026-11-22T11:00:00.001Z", "USD-5 USD-4 EUR-1 USD-3"),
        ("to=2026-11-22T11:00:00Z", "USD-1"),
        ("to=2026-11-22T11:00:00.001Z", "USD-2 USD-1"),
        ("from=2026-11-22T11:00:00Z&to=2026-11-22T13:00:00Z", "USD-3 USD-2"),
        ("from=2026-11-22T13:00:00%2B02:00&to=2026-11-22T13:00:00Z", "USD-3 USD-2"),
        ("from=2026-11-22T13:00:00Z&to=2026-11-22T11:00:00Z", ""),
        ("from=2030-01-01T00:00:00Z", ""),
        ("to=2020-01-01T00:00:00Z", ""),
        ("order=B", "USD-4"),
        ("order=A%201%2F2", "USD-3"),
        ("order=A+1/2", "USD-3"),
        ("order=b", ""),
        ("type=grant&order=B", ""),
        ("type=redeem&currency=USD&from=2026-11-22T13:00:00Z", "USD-4"),
        ("type=redeem&currency=EUR", ""),
    ] {
        assert_eq!(ids(&world, query).await.join(" "), expected, "{query}");
    }
}

#[tokio::test]
async fn pages_of_any_size_hold_the_same_entries_newest_first() {
    let world = World::start().await;
    // Three currencies, several entries in the same millisecond.
    for (at, currency) in ["USD", "EUR", "JPY", "USD"].into_iter().cycle().take(14).enumerate() {
        world.granted("alice", "10", json!({"currency": currency})).await;
        if at % 3 == 0 {
            world.pass(SignedDuration::from_millis(1));
        }
    }
    for filter in
        ["", "currency=USD&", "type=grant&", "from=2026-11-22T10:00:00.002Z&", "to=2026-11-22T10:00:00.004Z&"]
    {
        let path = format!("/v1/customers/alice/entries?{filter}limit");
        let all = pages(&world.shop(), &format!("{path}=200")).await.concat();
        let times: Vec<Timestamp> = each(&all, "at").iter().map(|at| at.parse().unwrap()).collect();
        assert!(times.iter().zip(&times[1..]).all(|(newer, older)| newer >= older), "{times:?}");
        assert!(!all.is_empty() && all.len() <= 14);
        for limit in [1, 2, 3, 4, 7, 13, 14, 15] {
            let pages = pages(&world.shop(), &format!("{path}={limit}")).await;
            assert!(pages.iter().all(|page| page.len() <= limit), "{filter} {limit}");
            assert_eq!(pages.concat(), all, "{filter} {limit}");
        }
    }
}

#[tokio::test]
async fn a_filter_goes_on_from_page_to_page() {
    let world = World::start().await;
    for (currency, id) in [("USD", "0"), ("EUR", "0"), ("USD", "0"), ("EUR", "1"), ("USD", "1"), ("EUR", "1")]
    {
        world.granted("alice", "10", json!({"currency": currency})).await;
        let body = json!({"order": order(id, "1")});
        world.shop().redeem("alice", &fresh_key(), body).await.expect(201, "");
    }
    for (filter, expected) in [
        ("type=redeem", vec!["USD-9", "USD-8", "USD-6", "USD-5", "USD-3", "USD-2"]),
        ("type=redeem&order=0", vec!["USD-5", "USD-3", "USD-2"]),
        ("type=grant&currency=USD", vec!["USD-7", "USD-4", "USD-1"]),
        ("currency=EUR", vec!["EUR-3", "EUR-2", "EUR-1"]),
    ] {
        for limit in 1..=4_u8 {
            let path = format!("/v1/customers/alice/entries?{filter}&limit={limit}");
            assert_eq!(each(&pages(&world.shop(), &path).await.concat(), "id"), expected, "{filter} {limit}");
        }
    }
}

#[tokio::test]
async fn a_cursor_is_not_moved_by_what_comes_after() {
    let world = World::start().await;
    for currency in ["USD", "EUR", "USD", "USD", "EUR"] {
        world.granted("alice", "10", json!({"currency": currency})).await;
        world.pass(SignedDuration::from_secs(1));
    }
    let path = "/v1/customers/alice/entries?limit=2";
    let first = world.shop().get(path).await.expect(200, "").json;
    assert_eq!(each(first["data"].as_array().unwrap(), "id"), ["EUR-2", "USD-3"]);
    // New entries in both currencies, and in one that was not there.
    for currency in ["USD", "EUR", "JPY", "USD"] {
        world.granted("alice", "10", json!({"currency": currency})).await;
    }
    let next = |answer: &Value| format!("{path}&cursor={}", answer["next_cursor"].as_str().unwrap());
    let second = world.shop().get(&next(&first)).await.expect(200, "").json;
    assert_eq!(each(second["data"].as_array().unwrap(), "id"), ["USD-2", "EUR-1"]);
    let third = world.shop().get(&next(&second)).await.expect(200, "").json;
    assert_eq!(each(third["data"].as_array().unwrap(), "id"), ["USD-1"]);
    assert_eq!(third["next_cursor"], json!(null));
    // The same cursor answers the same again.
    assert_eq!(world.shop().get(&next(&first)).await.json, second);
}

#[tokio::test]
async fn a_page_holds_50_unless_the_caller_says_and_200_at_most() {
    let world = World::start().await;
    let path = "/v1/customers/alice/entries";
    for _ in 0..51_u8 {
        world.granted("alice", "1", json!({})).await;
    }
    for (query, expected, more) in
        [("", 50, true), ("?limit=50", 50, true), ("?limit=51", 51, false), ("?limit=200", 51, false)]
    {
        let answer = world.shop().get(&format!("{path}{query}")).await.expect(200, "").json;
        assert_eq!(answer["data"].as_array().unwrap().len(), expected, "{query}");
        assert_eq!(answer["next_cursor"].is_string(), more, "{query}");
    }
}

#[tokio::test]
async fn a_customers_topups_are_listed_newest_first_page_by_page() {
    let world = World::start().await;
    let payment = json!({"mode": "online", "method": "card"});
    let mut expected = Vec::new();
    for currency in ["USD", "EUR"].into_iter().cycle().take(7) {
        let body = json!({"amount": "5", "currency": currency, "payment": payment});
        let asked = world.shop().request_topup("alice", &fresh_key(), body).await.expect(201, "");
        expected.insert(0, asked.json["topup"]["id"].as_str().unwrap().to_owned());
        world.pass(SignedDuration::from_millis(1));
    }
    // Whatever becomes of it, a request keeps its place.
    world.admin().approve("alice", &expected[3], "a", json!({})).await.expect(200, "");
    world.admin().reject("alice", &expected[1], "no").await.expect(200, "");
    world.granted("alice", "5", json!({})).await;
    for who in [world.shop(), world.customer("alice")] {
        for limit in [1, 2, 3, 6, 7, 8] {
            let pages = pages(&who, &format!("/v1/customers/alice/topups?limit={limit}")).await;
            assert!(pages.iter().all(|page| page.len() <= limit), "{limit}");
            assert_eq!(each(&pages.concat(), "id"), expected, "{limit}");
        }
    }
    let all = pages(&world.shop(), "/v1/customers/alice/topups?limit=200").await.concat();
    let status = ["pending", "rejected", "pending", "approved", "pending", "pending", "pending"];
    assert_eq!(each(&all, "status"), status);
}

#[tokio::test]
async fn a_list_says_that_it_must_not_be_kept_by_others() {
    let world = World::start().await;
    world.granted("alice", "5", json!({})).await;
    for path in ["/v1/customers/alice", "/v1/customers/alice/entries", "/v1/customers/bob"] {
        let answer = world.shop().get(path).await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
    }
}

#[tokio::test]
async fn a_cursor_does_not_lead_out_of_its_currency() {
    let world = World::start().await;
    for currency in ["USD", "EUR", "USD", "EUR"] {
        world.granted("alice", "10", json!({"currency": currency})).await;
    }
    let first =
        world.shop().get("/v1/customers/alice/entries?currency=USD&limit=1").await.expect(200, "").json;
    let path = format!(
        "/v1/customers/alice/entries?currency=EUR&limit=1&cursor={}",
        first["next_cursor"].as_str().unwrap()
    );
    let answer = world.shop().get(&path).await;
    let entries = answer.json["data"].as_array().cloned().unwrap_or_default();
    assert!(
        answer.status == 400 || entries.iter().all(|entry| entry["currency"] == "EUR"),
        "{}",
        answer.text
    );
}

#[tokio::test]
async fn entries_of_every_currency_are_read_page_by_page() {
    let world = World::start().await;
    let letters = || 'A'..='Z';
    let codes =
        letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    let currencies: Vec<String> = codes.filter(|code| code.parse::<ledger::Currency>().is_ok()).collect();
    for currency in &currencies {
        world.granted("alice", "1", json!({"currency": currency})).await;
    }
    let first = world.shop().get("/v1/customers/alice/entries?limit=1").await.expect(200, "").json;
    let path =
        format!("/v1/customers/alice/entries?limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    world.shop().get(&path).await.expect(200, "");
}

#[tokio::test]
async fn an_account_is_read_as_of_a_past_moment() {
    let world = World::start().await;
    let (admin, shop) = (world.admin(), world.shop());
    let mut told = Vec::new();
    let mut note = async |world: &World| {
        let mut now = world.admin().get("/v1/customers/alice").await.expect(200, "").json["accounts"].clone();
        for account in now.as_array_mut().unwrap() {
            account.as_object_mut().unwrap().remove("pending_topups");
        }
        told.push((world.now(), now));
        world.pass(SignedDuration::from_mins(7));
    };
    world.granted("alice", "25.00", json!({"expires_on": "2026-11-22"})).await;
    note(&world).await;
    world.granted("alice", "4.00", json!({"currency": "EUR"})).await;
    world.granted("alice", "10.00", json!({})).await;
    note(&world).await;
    let spent = shop.redeem("alice", "r-1", json!({"order": order("1", "12.00")})).await.expect(201, "");
    note(&world).await;
    let hold = json!({"order": order("2", "9.00"), "hold": true, "ttl_seconds": 600});
    shop.redeem("alice", "h-1", hold).await.expect(201, "");
    note(&world).await;
    // The hold lapses, and nobody books anything.
    note(&world).await;
    let redemption = spent.json["entry"]["id"].as_str().unwrap();
    let path = format!("/v1/customers/alice/redemptions/{redemption}/refund");
    shop.post(&path, "f-1", json!({"amount": "5.00"})).await.expect(201, "");
    note(&world).await;
    // What expires is not usable from then on, booked or not.
    world.set_now("2026-11-23T00:00:00Z");
    note(&world).await;
    world.expire().await;
    note(&world).await;

    for (moment, expected) in told {
        let then = admin.get(&format!("/v1/customers/alice?as_of={moment}")).await.expect(200, "");
        assert_eq!(then.json["accounts"], expected, "{moment}");
        assert_eq!(then.json["as_of"], moment.to_string());
    }
    let before = admin.get("/v1/customers/alice?as_of=2026-01-01T00:00:00Z").await.expect(200, "");
    assert_eq!(before.json["accounts"], json!([]));
    let own =
        world.customer("alice").get("/v1/customers/alice?as_of=2026-11-22T10:00:00Z").await.expect(200, "");
    assert_eq!(own.json["accounts"][0]["balance"], "25.00");
    let future =
        admin.get("/v1/customers/alice?as_of=2030-01-01T00:00:00Z").await.expect(400, "invalid_request");
    assert_eq!(future.json["errors"][0]["field"], "as_of");
    admin.get("/v1/customers/alice?as_of=yesterday").await.expect(400, "invalid_request");
    admin.get("/v1/customers/nobody?as_of=2026-11-22T10:00:00Z").await.expect(404, "customer_not_found");
}

#[tokio::test]
async fn what_used_a_lot_and_which_lots_paid_a_redemption_is_told() {
    let world = World::start().await;
    let (admin, shop) = (world.admin(), world.shop());
    world.granted("alice", "10.00", json!({})).await;
    world.granted("alice", "20.00", json!({})).await;
    let spent = shop.redeem("alice", "r-1", json!({"order": order("1", "18.00")})).await.expect(201, "");
    assert_eq!(
        spent.json["entry"]["allocations"],
        json!([{"lot": "USD-1", "amount": "10.00"}, {"lot": "USD-2", "amount": "8.00"}])
    );
    shop.post("/v1/customers/alice/redemptions/USD-3/refund", "f-1", json!({"amount": "3.00"}))
        .await
        .expect(201, "");
    admin
        .post("/v1/customers/alice/debits", "d-1", json!({"amount": "1.00", "reason": "why"}))
        .await
        .expect(201, "");
    let moved = serde_json::to_vec(&json!({"expires_on": "2030-12-31"})).unwrap();
    admin
        .send("PATCH", "/v1/customers/alice/lots/USD-2", &[("idempotency-key", "p-1")], moved.into())
        .await
        .expect(201, "");

    let of = async |query: &str| {
        let answer = admin.get(&format!("/v1/customers/alice/entries?{query}")).await.expect(200, "");
        each(answer.json["data"].as_array().unwrap(), "id").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(of("lot=USD-1").await, ["USD-3", "USD-1"]);
    assert_eq!(of("lot=USD-2").await, ["USD-6", "USD-5", "USD-4", "USD-3", "USD-2"]);
    assert_eq!(of("lot=USD-2&type=redeem").await, ["USD-3"]);
    assert_eq!(of("lot=USD-2&limit=2").await, ["USD-6", "USD-5"]);
    assert_eq!(of("lot=USD-9").await, [""; 0]);
    let wrong =
        admin.get("/v1/customers/alice/entries?lot=USD-2&currency=EUR").await.expect(400, "invalid_request");
    assert_eq!(wrong.json["errors"][0]["field"], "lot");
    admin.get("/v1/customers/alice/entries?lot=2").await.expect(400, "invalid_request");
}
