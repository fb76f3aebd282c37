//! Lists over all customers: by name and by balance, with filters, page by page.

use serde_json::{Value, json};

use crate::support::world::{World, fresh_key, order};

/// The customers of a list, in its order, over pages of this size.
async fn listed(world: &World, query: &str, limit: usize) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/customers?limit={limit}{query}{cursor}");
        let answer = world.admin().get(&path).await.expect(200, "");
        let data = answer.json["data"].as_array().unwrap();
        assert!(data.len() <= limit, "{path}");
        all.extend(data.iter().map(|row| row["customer"].as_str().unwrap().to_owned()));
        match answer.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[track_caller]
fn same(found: &[String], expected: &[&str]) {
    assert_eq!(found, expected);
}

/// Four customers: two with names, one without, one with nothing but a name.
async fn shop() -> World {
    let world = World::start().await;
    for (id, body) in [
        ("c-1", json!({"name": "Bob Baker", "email": "bob@example.com", "group": "vip"})),
        ("c-2", json!({"name": "alice adams", "group": "vip"})),
        ("c-4", json!({"name": "Álvaro"})),
    ] {
        world.admin().put("/v1/groups/vip", json!({})).await.expect(200, "");
        world.admin().put(&format!("/v1/customers/{id}"), body).await.expect(200, "");
    }
    world.granted("c-1", "10.00", json!({})).await;
    world.granted("c-2", "200.00", json!({})).await;
    world.granted("c-3", "30.00", json!({})).await;
    world.catch_up().await;
    world
}

#[tokio::test]
async fn customers_are_listed_by_name_whatever_its_case_and_by_id_without_one() {
    let world = shop().await;
    for limit in [1, 2, 3, 200] {
        same(&listed(&world, "", limit).await, &["c-2", "c-1", "c-3", "c-4"]);
        same(&listed(&world, "&sort=-name", limit).await, &["c-4", "c-3", "c-1", "c-2"]);
    }
    same(&listed(&world, "&name=AL", 50).await, &["c-2"]);
    same(&listed(&world, "&name=%C3%A1l", 50).await, &["c-4"]);
    same(&listed(&world, "&name=c-", 50).await, &["c-3"]);
    same(&listed(&world, "&name=nobody", 50).await, &[]);
}

#[tokio::test]
async fn customers_are_listed_by_balance() {
    let world = shop().await;
    for limit in [1, 2, 200] {
        same(&listed(&world, "&sort=balance", limit).await, &["c-1", "c-3", "c-2"]);
        same(&listed(&world, "&sort=-balance", limit).await, &["c-2", "c-3", "c-1"]);
    }
    same(&listed(&world, "&sort=balance&min_balance=30.00", 50).await, &["c-3", "c-2"]);
    same(&listed(&world, "&sort=balance&min_balance=30.01", 50).await, &["c-2"]);
    same(&listed(&world, "&sort=-balance&max_balance=30", 50).await, &["c-3", "c-1"]);
    same(&listed(&world, "&sort=balance&group=vip", 50).await, &["c-1", "c-2"]);
    same(&listed(&world, "&sort=balance&currency=EUR", 50).await, &[]);

    // A balance moves in the list as it moves in the ledger, below zero too.
    world.settings(json!({"overdraft_limit": {"USD": "50.00"}})).await;
    let spent = json!({"order": order("1", "500"), "amount": "40.00"});
    world.shop().redeem("c-3", &fresh_key(), spent).await.expect(201, "");
    world.catch_up().await;
    same(&listed(&world, "&sort=balance", 50).await, &["c-3", "c-1", "c-2"]);
    same(&listed(&world, "&sort=balance&max_balance=-10.00", 50).await, &["c-3"]);
}

#[tokio::test]
async fn filters_narrow_a_list_in_any_order() {
    let world = shop().await;
    let topup = json!({"amount": "7.00", "payment": {"mode": "online", "method": "stripe"}});
    world.settings(json!({"topup_approval": "automatic"})).await;
    world.customer("c-1").request_topup("c-1", "t-1", topup).await.expect(201, "");
    let sold = json!({"amount": "5.00", "category": "refund"});
    world.shop().grant("c-3", "g-1", sold).await.expect(201, "");
    world.catch_up().await;
    for sort in ["name", "balance"] {
        let list = async |query: &str| {
            let mut found = listed(&world, &format!("&sort={sort}{query}"), 50).await;
            found.sort();
            found
        };
        same(&list("&group=vip").await, &["c-1", "c-2"]);
        same(&list("&group=vip&name=bob").await, &["c-1"]);
        same(&list("&min_balance=17&max_balance=35").await, &["c-1", "c-3"]);
        same(&list("&min_granted=35&max_granted=35.00").await, &["c-3"]);
        same(&list("&min_by_admin=30").await, &["c-2", "c-3"]);
        same(&list("&max_by_admin=30&min_by_admin=0.01").await, &["c-1", "c-3"]);
        same(&list("&min_by_customer=0.01").await, &["c-1"]);
    }
    let row = &world.admin().get("/v1/customers?name=bob").await.expect(200, "").json["data"][0];
    assert_eq!(
        (&row["customer"], &row["name"], &row["email"], &row["group"], &row["frozen"]),
        (&json!("c-1"), &json!("Bob Baker"), &json!("bob@example.com"), &json!("vip"), &json!(false))
    );
    assert_eq!(
        row["account"],
        json!({"currency": "USD", "balance": "17.00", "held": "0.00", "available": "17.00"})
    );
    assert_eq!(
        (&row["lifetime"]["granted"], &row["lifetime"]["by_customer"]),
        (&json!("10.00"), &json!("7.00"))
    );
}

#[tokio::test]
async fn pages_are_not_shifted_by_who_comes_between() {
    let world = World::start().await;
    for id in ["b", "d", "f", "h"] {
        world.granted(id, "10.00", json!({})).await;
    }
    world.catch_up().await;
    let first = world.admin().get("/v1/customers?limit=2").await.expect(200, "");
    let ids = |answer: &Value| -> Vec<String> {
        answer["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["customer"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&first.json), ["b", "d"]);
    for id in ["a", "c", "e", "g"] {
        world.granted(id, "10.00", json!({})).await;
    }
    world.catch_up().await;
    let cursor = first.json["next_cursor"].as_str().unwrap();
    let second = world.admin().get(&format!("/v1/customers?limit=50&cursor={cursor}")).await.expect(200, "");
    assert_eq!(ids(&second.json), ["e", "f", "g", "h"]);
}

#[tokio::test]
async fn a_long_list_is_read_to_its_end_by_each_order() {
    let world = World::start().await;
    let ids: Vec<String> = (0..120).map(|at| format!("c{at:03}")).collect();
    for (at, id) in ids.iter().enumerate() {
        // Many have the same balance.
        world.granted(id, &format!("{}.00", 1 + at % 7), json!({})).await;
    }
    world.catch_up().await;
    for query in ["", "&sort=balance", "&sort=-balance", "&sort=-name"] {
        for limit in [7, 50, 200] {
            let mut found = listed(&world, query, limit).await;
            found.sort();
            assert_eq!(found, ids, "{query} {limit}");
        }
    }
}

#[tokio::test]
async fn a_change_that_comes_late_or_twice_lists_what_is_true_now() {
    let world = shop().await;
    let changed = |id: &str, new| store::ChangedItem::of(&format!("C#{id}"), "A#USD", new, (None, None));
    world.granted("c-1", "500.00", json!({})).await;
    world.catch_up().await;
    for _ in 0..2 {
        world.store.relist(&changed("c-1", true)).await.unwrap();
        world.store.relist(&changed("c-2", false)).await.unwrap();
    }
    same(&listed(&world, "&sort=balance", 50).await, &["c-3", "c-2", "c-1"]);
    same(&listed(&world, "", 50).await, &["c-2", "c-1", "c-3", "c-4"]);
    // A new name moves a customer, and an old record of the account does not move it back.
    world.admin().put("/v1/customers/c-1", json!({"name": "Zoe"})).await.expect(200, "");
    world.catch_up().await;
    world.store.relist(&changed("c-1", true)).await.unwrap();
    same(&listed(&world, "", 50).await, &["c-2", "c-3", "c-1", "c-4"]);
}

#[tokio::test]
async fn what_a_list_cannot_do_is_refused_by_name() {
    let world = shop().await;
    let admin = world.admin();
    for (query, field) in [
        ("sort=email", "sort"),
        ("min_balance=x", "min_balance"),
        ("min_balance=0.001", "min_balance"),
        ("min_balance=2&max_balance=1", "min_balance"),
        ("currency=usd", "currency"),
        ("name=", "name"),
        ("group=a%20b", "group"),
        ("limit=201", "limit"),
        ("page=2", "page"),
    ] {
        let answer = admin.get(&format!("/v1/customers?{query}")).await.expect(400, "invalid_request");
        assert_eq!(answer.json["errors"][0]["field"], field, "{query}");
    }
    admin.get("/v1/customers?currency=XXY").await.expect(422, "unsupported_currency");
    for cursor in ["x", "e30", "IlwwIg", "Inh4eCI"] {
        let path = format!("/v1/customers?sort=balance&cursor={cursor}");
        admin.get(&path).await.expect(400, "invalid_cursor");
    }
    // A cursor of one order leads into no other.
    let by_name = admin.get("/v1/customers?limit=1").await.expect(200, "");
    let cursor = by_name.json["next_cursor"].as_str().unwrap();
    admin.get(&format!("/v1/customers?name=bob&cursor={cursor}")).await.expect(400, "invalid_cursor");
    world.shop().get("/v1/customers").await.expect(403, "forbidden");
    world.customer("c-1").get("/v1/customers").await.expect(403, "forbidden");
}
