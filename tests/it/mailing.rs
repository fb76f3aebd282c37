//! Mails: who is written to, about what, in which words; and that it happens once, and holds up nobody.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use deliver::{Mail, Undelivered, deliver_mails};
use edge::{Message, Messages};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::world::{World, each, order};

/// A store that writes to its customers.
async fn writing(more: Value) -> World {
    let world = World::start().await;
    let mut mail = json!({"sender": "shop@example.com", "shop": "The Corner Shop"});
    mail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.admin().put("/v1/settings/mail", mail).await.expect(200, "");
    world
}

async fn customer(world: &World, id: &str, document: Value) {
    world.admin().put(&format!("/v1/customers/{id}"), document).await.expect(200, "");
}

/// Subjects of all mails to this address.
fn subjects<'a>(mails: &'a [Value], to: &str) -> Vec<&'a str> {
    let of = mails.iter().filter(|mail| mail["to"].as_array().unwrap().contains(&json!(to)));
    of.map(|mail| mail["subject"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_deposit_is_a_readable_mail_in_the_customers_own_language() {
    let world = writing(json!({})).await;
    customer(&world, "alice", json!({"name": "Alice", "email": "alice@example.com"})).await;
    customer(&world, "bruno", json!({"name": "Bruno", "email": "bruno@example.com", "language": "de-AT"}))
        .await;
    customer(&world, "carol", json!({"name": "Carol"})).await;
    for id in ["alice", "bruno", "carol", "nobody"] {
        world.granted(id, "1234.50", json!({"expires_on": "2026-12-31", "note": "secret"})).await;
    }
    let mails = world.mails().await;
    assert_eq!(mails.len(), 2, "whoever has no address gets none: {mails:#?}");
    let alice = mails.iter().find(|mail| mail["to"] == json!(["alice@example.com"])).unwrap();
    assert_eq!(alice["from"], "shop@example.com");
    for part in ["text", "html"] {
        let said = alice[part].as_str().unwrap();
        for fact in ["Alice", "$1,234.50", "December 31, 2026", "The Corner Shop"] {
            assert!(said.contains(fact), "{part} lacks {fact}: {said}");
        }
        assert!(!said.contains("secret"), "{said}");
    }
    assert!(alice["html"].as_str().unwrap().contains("<html lang=\"en\""));
    let bruno = mails.iter().find(|mail| mail["to"] == json!(["bruno@example.com"])).unwrap();
    let said = bruno["text"].as_str().unwrap();
    assert!(said.contains("31. Dezember 2026") && said.contains("Bruno"), "{said}");
    assert!(bruno["html"].as_str().unwrap().contains("<html lang=\"de"), "{bruno:#}");
}

#[tokio::test]
async fn customers_hear_of_all_that_moves_their_credit_and_admins_of_what_waits_for_them() {
    let world = writing(json!({"admins": ["boss@example.com", "desk@example.com"]})).await;
    customer(&world, "alice", json!({"email": "alice@example.com"})).await;
    let (admin, shop) = (world.admin(), world.shop());
    let alice = "/v1/customers/alice";
    world.granted("alice", "30.00", json!({"expires_on": "2026-11-23", "category": "paid"})).await;
    shop.redeem("alice", "r-1", json!({"order": order("A-17", "5.00")})).await.expect(201, "");
    shop.post(&format!("{alice}/redemptions/USD-2/refund"), "f-1", json!({"amount": "2.00"}))
        .await
        .expect(201, "");
    let hold = json!({"order": order("A-18", "3.00"), "hold": true});
    shop.redeem("alice", "h-1", hold).await.expect(201, "");
    shop.post(&format!("{alice}/redemptions/USD-4/capture"), "c-1", json!({})).await.expect(201, "");
    shop.post(&format!("{alice}/withdrawals"), "w-1", json!({"amount": "1.00", "journal": "bank"}))
        .await
        .expect(201, "");
    admin
        .post(&format!("{alice}/debits"), "d-1", json!({"amount": "1.00", "reason": "secret"}))
        .await
        .expect(201, "");
    let topup = json!({"amount": "10.00", "payment": {"mode": "online", "method": "stripe"}});
    let mut asked = Vec::new();
    for key in ["t-1", "t-2"] {
        let topup = world.customer("alice").request_topup("alice", key, topup.clone()).await.expect(201, "");
        asked.push(topup.json["topup"]["id"].as_str().unwrap().to_owned());
    }
    admin.approve("alice", &asked[0], "a-1", json!({})).await.expect(200, "");
    admin.reject("alice", &asked[1], "secret").await.expect(200, "");
    world.pass(SignedDuration::from_hours(48));
    world.expire().await;

    let mails = world.mails().await;
    let told = subjects(&mails, "alice@example.com");
    // Granted, spent, refunded, captured, withdrawn, debited, topped up, declined, expired; a hold says nothing.
    assert_eq!(told.len(), 9, "{told:#?}");
    assert!(mails.iter().any(|mail| mail["text"].as_str().unwrap().contains("A-17")), "{mails:#?}");
    assert!(!json!(mails).to_string().contains("secret"), "free texts are for those who may read them");
    for boss in ["boss@example.com", "desk@example.com"] {
        let told = subjects(&mails, boss);
        assert_eq!(told.len(), 2, "{told:#?}");
    }
    let to_boss = mails.iter().find(|mail| mail["to"][0] == "boss@example.com").unwrap();
    let said = to_boss["text"].as_str().unwrap();
    assert!(said.contains("alice") && said.contains("$10.00") && said.contains("stripe"), "{said}");
}

#[tokio::test]
async fn the_settings_say_whether_of_what_and_in_which_words() {
    let world = World::start().await;
    let admin = world.admin();
    customer(&world, "alice", json!({"name": "Alice & Co", "email": "alice@example.com"})).await;
    let defaults = admin.get("/v1/settings/mail").await.expect(200, "").json;
    assert_eq!(defaults["version"], 0);
    assert_eq!(
        (&defaults["mail"]["enabled"], &defaults["mail"]["sender"], &defaults["mail"]["templates"]),
        (&json!(true), &Value::Null, &json!({}))
    );
    assert_eq!(defaults["mail"]["customer_events"].as_array().unwrap().len(), 12);
    // Without a sender there is nobody who could write.
    world.granted("alice", "1.00", json!({})).await;
    assert_eq!(world.mails().await.len(), 0);

    let own = json!({"credit.granted": {"en": {
        "subject": "{{ amount }} for you", "text": "Hi {{ name }},\n\nyou have {{ balance }} now.",
        "html": "<p>Hi {{ name }}, {{ balance }}</p>"}}});
    let put = json!({"sender": "shop@example.com", "reply_to": "help@example.com", "templates": own,
        "customer_events": ["credit.granted"]});
    let written = admin.put("/v1/settings/mail", put.clone()).await.expect(200, "").json;
    assert_eq!((&written["version"], &written["mail"]["templates"]), (&json!(1), &put["templates"]));
    assert_eq!(admin.get("/v1/settings/mail").await.expect(200, "").json, written);
    world.granted("alice", "2.00", json!({})).await;
    world.shop().redeem("alice", "r-1", json!({"order": order("1", "1.00")})).await.expect(201, "");
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    assert_eq!(
        (&mails[0]["subject"], &mails[0]["text"], &mails[0]["html"], &mails[0]["reply_to"]),
        (
            &json!("$2.00 for you"),
            &json!("Hi Alice & Co,\n\nyou have $3.00 now.\n"),
            &json!("<p>Hi Alice &amp; Co, $3.00</p>"),
            &json!("help@example.com")
        )
    );

    admin
        .put("/v1/settings/mail", json!({"sender": "shop@example.com", "enabled": false}))
        .await
        .expect(200, "");
    world.granted("alice", "2.00", json!({})).await;
    assert_eq!(world.mails().await.len(), 1);
    let changes = admin.get("/v1/settings/changes?of=mail").await.expect(200, "").json;
    assert_eq!(changes["data"][0]["changes"]["enabled"], json!({"old": true, "new": false}));
    assert_eq!(changes["data"][1]["changes"]["sender"], json!({"old": null, "new": "shop@example.com"}));
    assert_eq!(
        admin.get("/v1/settings/changes").await.json["data"],
        json!([]),
        "the rules are another document"
    );
    let stale = [("if-match", "1")];
    let body = bytes::Bytes::from(json!({}).to_string());
    admin.send("PUT", "/v1/settings/mail", &stale, body).await.expect(409, "conflict");
}

#[tokio::test]
async fn what_could_not_be_sent_is_refused_when_it_is_saved() {
    let world = World::start().await;
    let admin = world.admin();
    let template = |part: &str, text: &str| {
        let mut own = json!({"subject": "s", "text": "t", "html": "h"});
        own[part] = json!(text);
        json!({"templates": {"credit.granted": {"en": own}}})
    };
    for (body, field) in [
        (json!({"sender": "nobody"}), "sender"),
        (json!({"sender": "Shop <shop@example.com>"}), "sender"),
        (json!({"sender": "shop@localhost"}), "sender"),
        (json!({"reply_to": "a@example.com\r\nBcc: b@example.com"}), "reply_to"),
        (json!({"admins": ["boss@example.com", "@"]}), "admins[1]"),
        (json!({"admins": vec!["boss@example.com"; 21]}), "admins"),
        (json!({"customer_events": ["topup.requested"]}), "customer_events"),
        (json!({"customer_events": ["credit.stolen"]}), "customer_events[0]"),
        (json!({"language": "english please"}), "language"),
        (json!({"templates": {"credit.stolen": {}}}), "templates"),
        (json!({"colour": "red"}), "colour"),
        (template("text", "{{ amout }}"), "templates.credit.granted.en.text"),
        (template("subject", "{% if %}"), "templates.credit.granted.en.subject"),
        (
            template("html", "{% for a in range(1000000000) %}x{% endfor %}"),
            "templates.credit.granted.en.html",
        ),
        (template("subject", ""), "templates.credit.granted.en.subject"),
    ] {
        let refused = admin.put("/v1/settings/mail", body.clone()).await.expect(400, "invalid_request");
        let named = refused.json["errors"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{body}: {named}, {}", refused.text);
    }
    assert_eq!(admin.get("/v1/settings/mail").await.json["version"], 0);
    for email in ["alice", "alice@", "a b@example.com", "alice@example.com, bob@example.com"] {
        let refused = admin.put("/v1/customers/alice", json!({"email": email})).await;
        assert_eq!(refused.expect(400, "invalid_request").json["errors"][0]["field"], "email", "{email}");
    }
    world.shop().get("/v1/settings/mail").await.expect(403, "forbidden");
}

/// A message of the queue about this event.
fn message(event: &Value, deliveries: u32) -> Message {
    let (id, body) = (event["id"].as_str().unwrap().to_owned(), json!({"detail": event}).to_string());
    Message { receipt: format!("{id}-{deliveries}"), id, deliveries, body }
}

/// Delivers these messages by a post that fails as often as it says; answers what has to come again, and the mails.
async fn delivered(world: &World, messages: Vec<Message>, fails: usize) -> (Vec<Undelivered>, Vec<Mail>) {
    let (failures, sent) = (Arc::new(Mutex::new(fails)), Arc::new(Mutex::new(Vec::new())));
    let send = |mail: Mail| {
        let (failures, sent) = (Arc::clone(&failures), Arc::clone(&sent));
        async move {
            let mut failures = failures.lock().unwrap();
            if *failures > 0 {
                *failures -= 1;
                return Err("the post is closed".to_owned());
            }
            sent.lock().unwrap().push(mail);
            Ok(())
        }
    };
    let batch = Messages { messages, at: world.now(), time_left: Duration::from_secs(20) };
    let undelivered = deliver_mails(&world.store, batch, send).await;
    let sent = sent.lock().unwrap().clone();
    (undelivered, sent)
}

#[tokio::test]
async fn a_message_that_comes_again_mails_nobody_twice() {
    let world = World::start().await;
    world.granted("alice", "5.00", json!({})).await;
    world.granted("alice", "6.00", json!({})).await;
    world.catch_up().await;
    world.admin().put("/v1/settings/mail", json!({"sender": "shop@example.com"})).await.expect(200, "");
    customer(&world, "alice", json!({"email": "alice@example.com"})).await;
    let events = world.outside.events.latest();
    let (first, second) = (message(&events[0], 1), message(&events[1], 1));
    // The post fails for one of them: that one alone comes again.
    let (undelivered, sent) = delivered(&world, vec![first.clone(), second.clone()], 1).await;
    assert_eq!((undelivered.len(), sent.len()), (1, 1));
    let (again, again_sent) = delivered(&world, vec![first.clone(), second.clone()], 0).await;
    assert_eq!((again.len(), again_sent.len()), (0, 1));
    assert_ne!(sent[0].id, again_sent[0].id, "each once");
    assert_eq!(delivered(&world, vec![first, second], 0).await, (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn a_post_that_is_closed_is_tried_later_and_later_and_moves_no_money() {
    let world = writing(json!({})).await;
    customer(&world, "alice", json!({"email": "alice@example.com"})).await;
    world.granted("alice", "5.00", json!({})).await;
    world.catch_up().await;
    let event = world.outside.events.latest().pop().unwrap();
    let other = json!({"detail": {"id": "1", "type": "credit.granted"}}).to_string();
    let pauses: Vec<u64> = {
        let mut pauses = Vec::new();
        for tries in 1..=10 {
            let mut event = event.clone();
            event["id"] = json!("another");
            let (undelivered, sent) = delivered(&world, vec![message(&event, tries)], usize::MAX).await;
            assert_eq!(sent, []);
            assert_eq!(undelivered[0].receipt, format!("another-{tries}"));
            pauses.push(undelivered[0].pause.as_secs());
        }
        pauses
    };
    assert_eq!(pauses, [5, 300, 1_800, 7_200, 18_000, 28_800, 39_600, 39_600, 39_600, 39_600]);
    // What is no event is given up in the same way, and does not hold up its neighbours.
    let poison = Message { id: "p".into(), receipt: "p".into(), deliveries: 1, body: other };
    let garbage = Message { id: "g".into(), receipt: "g".into(), deliveries: 1, body: "{".into() };
    let mut event = event;
    event["id"] = json!("good");
    let (undelivered, sent) = delivered(&world, vec![poison, message(&event, 1), garbage], 0).await;
    let mut ids: Vec<&str> = undelivered.iter().map(|message| message.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!((ids, sent.len()), (vec!["g", "p"], 1));
    assert_eq!(world.account("alice").await["balance"], "5.00");
}

#[tokio::test]
async fn whoever_was_erased_is_written_to_no_more() {
    let world = writing(json!({})).await;
    customer(&world, "alice", json!({"email": "alice@example.com"})).await;
    world.granted("alice", "5.00", json!({})).await;
    assert_eq!(world.mails().await.len(), 1);
    world.admin().delete("/v1/customers/alice/personal-data").await.expect(204, "");
    world.granted("alice", "5.00", json!({})).await;
    assert_eq!(world.mails().await.len(), 1);
}

#[tokio::test]
async fn a_mail_is_written_as_mail_programs_read_it() {
    let world = writing(json!({"shop": "Café \"Süß\" & Söhne", "reply_to": "help@example.com"})).await;
    customer(&world, "alice", json!({"name": "Zoë", "email": "alice@example.com"})).await;
    world.granted("alice", "5.00", json!({})).await;
    world.catch_up().await;
    let event = world.outside.events.latest().pop().unwrap();
    let mut event = event.clone();
    event["id"] = json!("another");
    let (_, sent) = delivered(&world, vec![message(&event, 1)], 0).await;
    let mime = String::from_utf8(sent[0].mime().unwrap()).unwrap();
    let (head, body) = mime.split_once("\r\n\r\n").unwrap();
    for line in [
        "Message-ID: <another.customer@example.com>",
        "Date: Sun, 22 Nov 2026 10:00:00",
        "To: <alice@example.com>",
        "Reply-To: <help@example.com>",
    ] {
        assert!(head.contains(line), "{line}\n{head}");
    }
    assert!(head.is_ascii() && !head.contains("Café"), "{head}");
    assert!(body.contains("text/plain") && body.contains("text/html"), "{body}");
    assert_eq!(each(&world.outside.mailbox.latest(), "from"), ["shop@example.com"]);
}
