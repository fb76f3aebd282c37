//! What other systems get wrong: one scenario for each defect, which fails on a build that has it.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::world::{Answer, Client, World, check_ledger, each, fresh_key, order};

const ALICE: &str = "/v1/customers/alice";

/// Alice spends this much on an order of 500.00, or holds it; answers the entry's id.
async fn spent(world: &World, amount: &str, more: Value) -> String {
    let mut body = json!({"order": order("1002", "500"), "amount": amount});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let spent = world.shop().redeem("alice", &fresh_key(), body).await.expect(201, "");
    spent.json["entry"]["id"].as_str().unwrap().to_owned()
}

/// The shop does this to alice's redemption or hold.
async fn resolve(world: &World, entry: &str, how: &str, key: &str, body: Value) -> Answer {
    world.shop().post(&format!("{ALICE}/redemptions/{entry}/{how}"), key, body).await
}

/// Balance, held and available of alice's account.
async fn balances(world: &World) -> [String; 3] {
    let account = world.account("alice").await;
    ["balance", "held", "available"].map(|name| account[name].as_str().unwrap().to_owned())
}

/// What is left of alice's lots, as `USD-1 10.00`.
async fn lots(world: &World) -> Vec<String> {
    let account = world.account("alice").await;
    let lots = account["lots"].as_array().unwrap();
    each(lots, "id").iter().zip(each(lots, "remaining")).map(|(id, left)| format!("{id} {left}")).collect()
}

/// Alice's ledger is whole, and has so many entries.
async fn ledger_has(world: &World, entries: usize) {
    let found = world.entries("alice").await;
    check_ledger(&found);
    assert_eq!(found.len(), entries, "{found:#?}");
}

#[tokio::test]
async fn a_repeated_refund_neither_fails_nor_undoes_the_first() {
    let world = World::start().await;
    world.granted("alice", "50", json!({})).await;
    let redemption = spent(&world, "50", json!({})).await;
    let first = resolve(&world, &redemption, "refund", "f", json!({"amount": "30"})).await.expect(201, "");
    for _ in 0..3_u8 {
        let again =
            resolve(&world, &redemption, "refund", "f", json!({"amount": "30"})).await.expect(201, "");
        assert_eq!((again.is_replayed(), &again.text), (true, &first.text));
        assert_eq!(balances(&world).await, ["30.00", "0.00", "30.00"]);
    }
    // One that is refused takes nothing back either, and the rest can still be refunded.
    let refused = resolve(&world, &redemption, "refund", "g", json!({"amount": "30"})).await;
    assert_eq!(refused.expect(422, "refund_exceeds_redemption").json["refundable"], "20.00");
    assert_eq!(balances(&world).await, ["30.00", "0.00", "30.00"]);
    resolve(&world, &redemption, "refund", "g", json!({})).await.expect(201, "");
    assert_eq!(lots(&world).await, ["USD-1 50.00"]);
    ledger_has(&world, 4).await;
}

#[tokio::test]
async fn a_void_works_once() {
    let world = World::start().await;
    world.granted("alice", "50", json!({})).await;
    world.granted("alice", "20", json!({})).await;
    let hold = spent(&world, "40", json!({"hold": true})).await;
    let other = spent(&world, "10", json!({"hold": true})).await;
    let voided = resolve(&world, &hold, "void", "v", json!({})).await.expect(201, "");
    resolve(&world, &hold, "void", "w", json!({})).await.expect(409, "hold_resolved");
    resolve(&world, &hold, "capture", "c", json!({})).await.expect(409, "hold_resolved");
    let again = resolve(&world, &hold, "void", "v", json!({})).await.expect(201, "");
    assert_eq!((again.is_replayed(), again.text), (true, voided.text));
    // The other hold stands.
    assert_eq!(balances(&world).await, ["70.00", "10.00", "60.00"]);
    resolve(&world, &other, "capture", "d", json!({})).await.expect(201, "");

    let (lot, reason) = (format!("{ALICE}/lots/USD-1/void"), json!({"reason": "a mistake"}));
    world.admin().post(&lot, "x", reason.clone()).await.expect(201, "");
    world.admin().post(&lot, "y", reason.clone()).await.expect(409, "lot_not_voidable");
    assert!(world.admin().post(&lot, "x", reason).await.expect(201, "").is_replayed());
    assert_eq!(balances(&world).await, ["20.00", "0.00", "20.00"]);
    ledger_has(&world, 7).await;
}

#[tokio::test]
async fn a_capture_leaves_no_residue() {
    for (captured, left, lots_left) in [
        ("100", "0.00", &[][..]),
        ("60", "40.00", &["USD-2 10.00", "USD-3 30.00"]),
        ("0.01", "99.99", &["USD-1 29.99", "USD-2 40.00", "USD-3 30.00"]),
    ] {
        let world = World::start().await;
        for amount in ["30", "40", "30"] {
            world.granted("alice", amount, json!({})).await;
        }
        let hold = spent(&world, "100", json!({"hold": true, "ttl_seconds": 60})).await;
        resolve(&world, &hold, "capture", "c", json!({"amount": captured})).await.expect(201, "");
        // Nothing stays reserved, now or when the hold's time is over, and nothing comes back then.
        for at in [world.now(), "2026-11-22T11:00:00Z".parse().unwrap()] {
            world.set_now(&at.to_string());
            assert_eq!(balances(&world).await, [left, "0.00", left], "{captured}");
            assert_eq!(lots(&world).await, lots_left, "{captured}");
            world.expire().await;
        }
        if left != "0.00" {
            spent(&world, left, json!({})).await;
        }
        assert_eq!(balances(&world).await, ["0.00"; 3], "{captured}");
        check_ledger(&world.entries("alice").await);
    }
}

#[tokio::test]
async fn what_a_hold_releases_keeps_its_lots_expiry() {
    for (how, body, left) in
        [("void", json!({}), ["10.00", "20.00"]), ("capture", json!({"amount": "4"}), ["6.00", "20.00"])]
    {
        let world = World::start().await;
        world.granted("alice", "10", json!({"expires_at": "2026-12-01T00:00:00Z"})).await;
        world.granted("alice", "20", json!({"expires_at": "2026-12-05T00:00:00Z"})).await;
        let hold = spent(&world, "25", json!({"hold": true})).await;
        resolve(&world, &hold, how, "h", body).await.expect(201, "");
        let account = world.account("alice").await;
        assert_eq!(each(account["lots"].as_array().unwrap(), "remaining"), left, "{how}");
        let moments = ["2026-12-01T00:00:00Z", "2026-12-05T00:00:00Z"];
        assert_eq!(each(account["lots"].as_array().unwrap(), "expires_at"), moments, "{how}");
        for (at, amount) in moments.iter().zip(left) {
            world.set_now(at);
            assert_eq!(world.expire().await.booked, 1, "{how}");
            let entries = world.entries("alice").await;
            check_ledger(&entries);
            assert_eq!(entries.last().unwrap()["amount"], format!("-{amount}"), "{how}");
        }
        assert_eq!(balances(&world).await, ["0.00"; 3], "{how}");
    }
}

#[tokio::test]
async fn a_refund_of_one_order_eats_nothing_of_anothers() {
    let world = World::start().await;
    world.granted("alice", "40", json!({})).await;
    world.granted("alice", "60", json!({"expires_on": "2030-12-31"})).await;
    let first = spent(&world, "50", json!({})).await;
    let second = spent(&world, "50", json!({})).await;
    resolve(&world, &second, "refund", "a", json!({"amount": "30"})).await.expect(201, "");
    resolve(&world, &first, "refund", "b", json!({})).await.expect(201, "");
    assert_eq!(lots(&world).await, ["USD-1 40.00", "USD-2 40.00"]);
    // Of each is left what is its own.
    for (order, refundable) in [(&first, "0.00"), (&second, "20.00")] {
        let more = resolve(&world, order, "refund", &fresh_key(), json!({"amount": "20.01"})).await;
        assert_eq!(more.expect(422, "refund_exceeds_redemption").json["refundable"], refundable);
    }
    resolve(&world, &second, "refund", "c", json!({})).await.expect(201, "");
    assert_eq!(lots(&world).await, ["USD-1 40.00", "USD-2 60.00"]);
    ledger_has(&world, 7).await;
}

#[tokio::test]
async fn what_has_expired_cannot_be_spent_though_no_job_has_run() {
    let world = World::start().await;
    world.settings(json!({"withdrawal": true})).await;
    let body = json!({"category": "paid", "expires_at": "2026-12-01T00:00:00Z"});
    world.granted("alice", "30", body).await;
    world.granted("alice", "5", json!({"category": "paid"})).await;
    let redeem = json!({"order": order("1", "500"), "amount": "5.01"});
    let mut hold = redeem.clone();
    hold["hold"] = json!(true);
    let withdraw = json!({"amount": "5.01", "journal": "cash"});
    let debit = json!({"amount": "5.01", "reason": "counted twice"});
    let [redemptions, withdrawals, debits] =
        ["redemptions", "withdrawals", "debits"].map(|name| format!("{ALICE}/{name}"));

    world.set_now("2026-12-01T00:00:00Z");
    let (shop, admin) = (world.shop(), world.admin());
    for (who, path, body) in [
        (&shop, &redemptions, redeem),
        (&shop, &redemptions, hold),
        (&world.customer("alice"), &withdrawals, withdraw.clone()),
        (&shop, &withdrawals, withdraw),
        (&admin, &debits, debit),
    ] {
        let refused = who.post(path, &fresh_key(), body).await.expect(422, "insufficient_credit");
        assert_eq!(refused.json["available"], "5.00", "{path}");
    }
    let quoted = shop.quote("alice", json!({"order": order("1", "500")})).await.expect(200, "").json;
    assert_eq!([&quoted["applied"], &quoted["bound_by"]], ["5.00", "available"]);
    admin
        .post(&format!("{ALICE}/lots/USD-1/void"), "v", json!({"reason": "r"}))
        .await
        .expect(409, "lot_not_voidable");
    ledger_has(&world, 2).await;
}

#[tokio::test]
async fn a_date_lasts_to_the_end_of_that_day_where_the_store_is() {
    for (zone, last, over) in [
        ("Pacific/Kiritimati", "2026-12-31T09:59:59.999Z", "2026-12-31T10:00:00Z"),
        ("Pacific/Auckland", "2026-12-31T10:59:59.999Z", "2026-12-31T11:00:00Z"),
        ("Asia/Tokyo", "2026-12-31T14:59:59.999Z", "2026-12-31T15:00:00Z"),
        ("Asia/Kolkata", "2026-12-31T18:29:59.999Z", "2026-12-31T18:30:00Z"),
        ("UTC", "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00Z"),
        ("America/Los_Angeles", "2027-01-01T07:59:59.999Z", "2027-01-01T08:00:00Z"),
    ] {
        let world = World::start().await;
        world.settings(json!({"time_zone": zone})).await;
        let granted = world.granted("alice", "10", json!({"expires_on": "2026-12-31"})).await;
        assert_eq!(granted.json["entry"]["expires_at"], over, "{zone}");
        world.set_now(last);
        assert_eq!(world.expire().await.booked, 0, "{zone}");
        spent(&world, "4", json!({})).await;
        world.set_now(over);
        let body = json!({"order": order("1", "1")});
        world.shop().redeem("alice", "late", body).await.expect(422, "insufficient_credit");
        assert_eq!(world.expire().await.booked, 1, "{zone}");
        assert_eq!(balances(&world).await, ["0.00"; 3], "{zone}");
        ledger_has(&world, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topup_that_many_approve_at_once_is_credited_once() {
    let world = World::start().await;
    let body = json!({"amount": "50", "payment": {"mode": "online", "method": "card"}});
    let asked = world.customer("alice").request_topup("alice", "t", body).await.expect(201, "");
    let id = asked.json["topup"]["id"].as_str().unwrap();
    let staff: Vec<Client<'_>> = ["jane", "joe", "ann", "bob"].map(|name| world.staff(name)).to_vec();
    // Each with a key of their own, and twice, as a double click sends it.
    let clicks = staff.iter().zip(["a", "b", "c", "d"]).flat_map(|click| [click, click]);
    let answers = join_all(clicks.map(|(who, key)| who.approve("alice", id, key, json!({})))).await;
    let (approved, refused): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!(approved.len(), 2, "who won was answered twice");
    assert_eq!(approved[0].text, approved[1].text);
    for refused in refused {
        assert_eq!(refused.expect(409, "topup_not_pending").json["status_now"], "approved");
    }
    assert_eq!(balances(&world).await, ["50.00", "0.00", "50.00"]);
    assert_eq!(world.account("alice").await["pending_topups"], "0.00");
    ledger_has(&world, 1).await;
}

#[tokio::test]
async fn what_was_paid_stays_paid_when_it_is_refunded() {
    for refunded_at in ["2026-11-22T10:00:00Z", "2026-12-24T00:00:00Z"] {
        let world = World::start().await;
        let paid = json!({"category": "paid", "expires_on": "2026-12-10"});
        let given = json!({"category": "promotional", "expires_on": "2026-12-11"});
        world.granted("alice", "30", paid).await;
        world.granted("alice", "20", given).await;
        let redemption = spent(&world, "50", json!({})).await;
        world.set_now(refunded_at);
        resolve(&world, &redemption, "refund", "f", json!({})).await.expect(201, "");
        let account = world.account("alice").await;
        let lots = account["lots"].as_array().unwrap();
        let mut seen: Vec<_> = each(lots, "category").into_iter().zip(each(lots, "remaining")).collect();
        seen.sort_unstable();
        assert_eq!(seen, [("paid", "30.00"), ("promotional", "20.00")], "{refunded_at}");
        // The customer gets the paid part out as money, and no more.
        let withdraw = async |amount: &str| {
            let body = json!({"amount": amount, "journal": "bank"});
            world.shop().post(&format!("{ALICE}/withdrawals"), &fresh_key(), body).await
        };
        let more = withdraw("30.01").await.expect(422, "not_withdrawable");
        assert_eq!(more.json["withdrawable"], "30.00", "{refunded_at}");
        withdraw("30").await.expect(201, "");
        ledger_has(&world, 5).await;
    }
}
