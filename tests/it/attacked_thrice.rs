//! What a third attempt at breaking it found, on mails, webhooks and reminders. Each name says what has to hold.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use deliver::{Mail, Undelivered, deliver_mails, deliver_webhooks};
use edge::{Message, Messages, Reach, Webhooks};
use jiff::{SignedDuration, civil::date};
use serde_json::{Value, json};
use store::Store;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::support::world::World;

// What several tests need.

/// A store that writes, and a customer who can be written to.
async fn writing() -> World {
    let world = World::start().await;
    world.admin().put("/v1/settings/mail", json!({"sender": "shop@example.com"})).await.expect(200, "");
    world.admin().put("/v1/customers/alice", json!({"email": "alice@example.com"})).await.expect(200, "");
    world
}

/// The event of a grant to Alice, which nobody was told of yet.
async fn event_of_a_grant(world: &World) -> Value {
    world.granted("alice", "5.00", json!({})).await;
    world.catch_up().await;
    let mut event = world.outside.events.latest().pop().unwrap();
    event["id"] = json!("another");
    event
}

/// A message of this name about this event.
fn message(name: &str, event: &Value) -> Message {
    let body = json!({"detail": event}).to_string();
    Message { id: name.to_owned(), receipt: name.to_owned(), deliveries: 1, body }
}

#[derive(Clone, Default)]
struct Post(Arc<Mutex<Vec<Mail>>>);

impl Post {
    fn sent(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// Takes a mail after a while.
    async fn take(self, mail: Mail) -> Result<(), String> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.0.lock().unwrap().push(mail);
        Ok(())
    }

    async fn deliver(&self, store: &Store, at: jiff::Timestamp, messages: Vec<Message>) -> Vec<Undelivered> {
        self.deliver_within(store, at, messages, Duration::from_secs(20)).await
    }

    async fn deliver_within(
        &self,
        store: &Store,
        at: jiff::Timestamp,
        messages: Vec<Message>,
        time_left: Duration,
    ) -> Vec<Undelivered> {
        let batch = Messages { messages, at, time_left };
        deliver_mails(store, batch, |mail| self.clone().take(mail)).await
    }
}

/// An endpoint that answers each request with this status after so long; what came.
async fn endpoint(status: u16, after: Duration) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let came = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let came = Arc::clone(&came);
            tokio::spawn(async move {
                let mut bytes = vec![0; 1 << 16];
                let mut read = 0;
                while !String::from_utf8_lossy(&bytes[..read]).contains("\r\n\r\n{") {
                    match stream.read(&mut bytes[read..]).await {
                        Ok(more) if more > 0 => read += more,
                        _ => break,
                    }
                }
                came.lock().unwrap().push(String::from_utf8_lossy(&bytes[..read]).into_owned());
                tokio::time::sleep(after).await;
                let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.ok();
            });
        }
    });
    (url, heard)
}

/// The reminders so far: each amount with its last day and its days, one text for each event.
async fn reminders(world: &World) -> Vec<String> {
    world.catch_up().await;
    let events = world.outside.events.latest();
    let of = events.iter().filter(|event| event["type"] == "credit.expiring_soon");
    of.map(|event| {
        let soon = event["expiring"].as_array().unwrap().iter();
        let said = soon.map(|soon| {
            format!(
                "{} {} {}",
                soon["amount"].as_str().unwrap(),
                soon["last_day"].as_str().unwrap(),
                soon["days"]
            )
        });
        format!("{}: {}", event["customer"].as_str().unwrap(), said.collect::<Vec<_>>().join(", "))
    })
    .collect()
}

// A. Rights: a reminder reads all accounts of a customer, by a query of the table.

#[test]
fn the_schedule_may_query_the_table_as_its_reminders_do() {
    let template = local::Template::read().unwrap();
    let (_, function) = template
        .resources("AWS::Serverless::Function")
        .find(|(name, _)| *name == "ExpireOnSchedule")
        .unwrap();
    let statements = function.pointer("/Properties/Policies/0/Statement").unwrap().as_array().unwrap();
    let many = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let may = statements.iter().any(|statement| {
        many(&statement["Action"]).contains(&json!("dynamodb:Query"))
            && many(&statement["Resource"]).contains(&json!("Ledger.Arn"))
    });
    assert!(may, "shared/store/src/reminders.rs: remind calls Store::customer: {statements:#?}");
}

// B. SQS refuses a pause after which the message would have been away for more than 12 hours since it was received.

#[tokio::test]
async fn no_pause_is_longer_than_a_queue_still_grants() {
    let world = World::start().await;
    let poison =
        |deliveries| Message { id: "p".into(), receipt: "p".into(), deliveries, body: String::new() };
    let most = Duration::from_secs(12 * 60 * 60 - 60);
    for deliveries in 1..=10 {
        let undelivered = Post::default().deliver(&world.store, world.now(), vec![poison(deliveries)]).await;
        let pause = undelivered[0].pause;
        assert!(
            pause <= most,
            "after {deliveries} deliveries: {pause:?}, of which the function has used some"
        );
    }
}

// C. An event that comes twice, as each redelivered record of the stream makes it.

#[tokio::test]
async fn an_event_that_comes_twice_in_one_batch_is_mailed_once() {
    let world = writing().await;
    let (event, post) = (event_of_a_grant(&world).await, Post::default());
    post.deliver(&world.store, world.now(), vec![message("first", &event), message("second", &event)]).await;
    post.deliver(&world.store, world.now(), vec![message("first", &event), message("second", &event)]).await;
    assert_eq!(post.sent(), 1);
}

#[tokio::test]
async fn an_event_that_comes_to_two_functions_at_once_is_mailed_once() {
    let world = writing().await;
    let (event, post) = (event_of_a_grant(&world).await, Post::default());
    tokio::join!(
        post.deliver(&world.store, world.now(), vec![message("first", &event)]),
        post.deliver(&world.store, world.now(), vec![message("second", &event)]),
    );
    assert_eq!(post.sent(), 1);
}

#[tokio::test]
async fn two_deliveries_at_once_reach_an_endpoint_once() {
    let world = writing().await;
    let event = event_of_a_grant(&world).await;
    let (slow, heard) = endpoint(200, Duration::from_millis(300)).await;
    world.admin().put("/v1/settings/webhooks/slow", json!({"url": slow})).await.expect(200, "");
    let (webhooks, at) = (Webhooks::new(Reach::Anywhere), world.now());
    let batch =
        |name| Messages { messages: vec![message(name, &event)], at, time_left: Duration::from_secs(20) };
    let (first, second) = tokio::join!(
        deliver_webhooks(&world.store, batch("first"), &webhooks),
        deliver_webhooks(&world.store, batch("second"), &webhooks),
    );
    // One of them sends it, and the other comes again, since it cannot know how that ends.
    assert_eq!((first.len() + second.len(), heard.lock().unwrap().len()), (1, 1));
    assert_eq!(deliver_webhooks(&world.store, batch("second"), &webhooks).await, []);
    assert_eq!(heard.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_process_died_over_is_told_once_its_claim_has_ended() {
    let world = writing().await;
    let (event, post) = (event_of_a_grant(&world).await, Post::default());
    let dying = |_: Mail| std::future::pending::<Result<(), String>>();
    let batch = Messages {
        messages: vec![message("first", &event)],
        at: world.now(),
        time_left: Duration::from_millis(300),
    };
    assert_eq!(deliver_mails(&world.store, batch, dying).await.len(), 1);
    assert_eq!(post.deliver(&world.store, world.now(), vec![message("first", &event)]).await.len(), 1);
    assert_eq!(post.sent(), 0, "whoever claimed it may still be at it");
    world.pass(SignedDuration::from_secs(300));
    assert_eq!(post.deliver(&world.store, world.now(), vec![message("first", &event)]).await, []);
    assert_eq!(post.sent(), 1);
}

#[tokio::test]
async fn a_mail_is_noted_when_it_is_sent_and_not_when_the_slowest_endpoint_is_done() {
    let world = writing().await;
    let (event, post) = (event_of_a_grant(&world).await, Post::default());
    let (hanging, _) = endpoint(200, Duration::from_secs(60)).await;
    world.admin().put("/v1/settings/webhooks/hanging", json!({"url": hanging})).await.expect(200, "");
    for _ in 0..2 {
        // The process dies, or runs out of time, while an endpoint hangs.
        let soon = Duration::from_millis(700);
        post.deliver_within(&world.store, world.now(), vec![message("first", &event)], soon).await;
    }
    assert_eq!(post.sent(), 1);
}

// D. What keeps a mail from being written keeps nobody else from hearing.

#[tokio::test]
async fn a_profile_that_cannot_be_read_holds_up_no_webhook() {
    let world = writing().await;
    let event = event_of_a_grant(&world).await;
    let (url, heard) = endpoint(200, Duration::ZERO).await;
    world.admin().put("/v1/settings/webhooks/erp", json!({"url": url})).await.expect(200, "");
    let update = json!({"TableName": world.table(), "Key": {"pk": {"S": "C#alice"}, "sk": {"S": "A"}},
        "UpdateExpression": "SET #name = :name", "ExpressionAttributeNames": {"#name": "name"},
        "ExpressionAttributeValues": {":name": {"S": "a\u{7}b"}}});
    world.ask("UpdateItem", update).await;
    world.catch_up().await;
    let batch = Messages {
        messages: vec![message("first", &event)],
        at: world.now(),
        time_left: Duration::from_secs(20),
    };
    assert_eq!(deliver_webhooks(&world.store, batch, &Webhooks::new(Reach::Anywhere)).await, []);
    assert_eq!(heard.lock().unwrap().len(), 1);
}

// E. Addresses.

#[tokio::test]
async fn an_address_that_ses_never_takes_is_refused_when_it_is_saved() {
    let world = World::start().await;
    let mut taken = Vec::new();
    for address in [
        "zo\u{eb}@example.com",
        "alice@b\u{fc}cher.example",
        "al\u{200b}ice@example.com",
        "al\u{202e}ice@example.com",
        "al\u{85}ice@example.com",
        "al\u{2028}ice@example.com",
        "\"a>,<evil\"@example.com",
        "\"a\tb\"@example.com",
        "\"a\r\nBcc: x\"@example.com",
    ] {
        for (path, body) in [
            ("/v1/customers/alice", json!({"email": address})),
            ("/v1/settings/mail", json!({"sender": address})),
            ("/v1/settings/mail", json!({"admins": [address]})),
        ] {
            if world.admin().put(path, body.clone()).await.status != 400 {
                taken.push(body.to_string());
            }
        }
    }
    assert!(taken.is_empty(), "{taken:#?}");
}

#[tokio::test]
async fn no_name_of_a_shop_makes_another_header_or_address() {
    let world = writing().await;
    for (number, shop) in [
        "A\" <evil@example.com>, \"B",
        "A\\",
        "\"",
        "a, b; c:",
        "=?utf-8?q?x=0D=0ABcc:_evil@example.com?=",
        "\u{202e}pohS",
        "x\u{2028}Bcc: evil@example.com",
    ]
    .iter()
    .enumerate()
    {
        let mail = json!({"sender": "shop@example.com", "shop": shop});
        world.admin().put("/v1/settings/mail", mail).await.expect(200, "");
        let mut event = event_of_a_grant(&world).await;
        event["id"] = json!(format!("another{number}"));
        let post = Post::default();
        post.deliver(&world.store, world.now(), vec![message("first", &event)]).await;
        let mime = String::from_utf8(post.0.lock().unwrap()[0].mime().unwrap()).unwrap();
        let (head, _) = mime.split_once("\r\n\r\n").unwrap();
        assert!(head.is_ascii(), "{head}");
        let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let mut names: Vec<&str> = head.lines().map(|line| line.split_once(':').unwrap().0).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["Content-Type", "Date", "From", "MIME-Version", "Message-ID", "Subject", "To"],
            "{head}"
        );
        let from = head.lines().find(|line| line.starts_with("From:")).unwrap();
        assert!(from.ends_with("<shop@example.com>"), "{from}");
        let bare = from.replace("\\\\", "").replace("\\\"", "");
        assert!(bare.matches('"').count() == 2 || bare.contains("=?"), "{from}");
    }
}

// F. Secrets.

#[tokio::test]
async fn a_secret_that_was_to_sign_for_a_day_does_so_though_it_is_renewed_again() {
    let world = World::start().await;
    let admin = world.admin();
    let (url, heard) = endpoint(200, Duration::ZERO).await;
    let first = admin.put("/v1/settings/webhooks/erp", json!({"url": url})).await.expect(200, "");
    let first = first.json["secret"].as_str().unwrap().to_owned();
    // The answer got lost on its way, and the call came again.
    for _ in 0..2 {
        admin.send("POST", "/v1/settings/webhooks/erp/secret", &[], Bytes::new()).await.expect(200, "");
    }
    world.pass(SignedDuration::from_secs(1));
    world.granted("alice", "5.00", json!({})).await;
    world.catch_up().await;
    let heard = heard.lock().unwrap().pop().unwrap();
    let header = |name: &str| {
        let line = heard.lines().find(|line| line.starts_with(&format!("{name}: "))).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    };
    let (id, seconds) = (header("webhook-id"), header("webhook-timestamp").parse().unwrap());
    let body = heard.split_once("\r\n\r\n").unwrap().1;
    let signature =
        standardwebhooks::Webhook::new(&first).unwrap().sign(&id, seconds, body.as_bytes()).unwrap();
    assert!(
        header("webhook-signature").contains(&signature),
        "a receiver that knows the first alone refuses it"
    );
}

// G. Reminders.

#[tokio::test]
async fn a_pass_that_is_carried_on_days_later_says_how_many_days_are_left_and_says_it_once() {
    let world = World::start().await;
    world.settings(json!({"remind_days": [7, 3]})).await;
    world.granted("alice", "10.00", json!({"expires_on": "2026-12-06"})).await;
    world.expire().await;
    // The pass of seven days before is begun and stopped, and the schedule stands still until two days before.
    let before = world.store.reminders().await.unwrap();
    world.store.begin_reminders(before.as_ref(), date(2026, 11, 29)).await.unwrap().unwrap();
    world.set_now("2026-12-04T09:00:00Z");
    world.expire().await;
    assert_eq!(reminders(&world).await, ["alice: 10.00 2026-12-06 2"]);
}

#[tokio::test]
async fn an_account_that_expires_sooner_than_the_pass_has_come_to_is_not_passed_over() {
    let world = World::start().await;
    world.settings(json!({"remind_days": [7]})).await;
    // Both in the same part of the index, one after the other.
    world.granted("c016", "1.00", json!({"expires_on": "2026-12-05"})).await;
    world.granted("c029", "2.00", json!({"expires_on": "2026-12-06"})).await;
    world.expire().await;
    world.set_now("2026-11-29T09:00:00Z");
    // A run that goes as far as the first of the two.
    let store = &world.store;
    let before = store.reminders().await.unwrap();
    let mut pass = store.begin_reminders(before.as_ref(), date(2026, 11, 29)).await.unwrap().unwrap();
    let until = "2026-12-07T00:00:00Z".parse().unwrap();
    loop {
        let page = store.expiring_soon(&pass, until, 1).await.unwrap();
        let first = page.customers.iter().any(|customer| customer.as_str() == "c016");
        pass = store.carry_on_reminders(&pass, &page).await.unwrap().unwrap();
        if first {
            break;
        }
    }
    // Meanwhile the second is given something that expires sooner, which puts it before the first.
    world.granted("c029", "3.00", json!({"expires_on": "2026-12-01"})).await;
    for hour in 0..72 {
        world
            .expire_at(
                "2026-11-29T09:05:00Z".parse::<jiff::Timestamp>().unwrap() + SignedDuration::from_hours(hour),
            )
            .await;
    }
    let told = reminders(&world).await;
    assert!(told.iter().any(|told| told.contains("2.00 2026-12-06")), "{told:?}");
}

#[tokio::test]
async fn nobody_is_woken_on_the_day_that_the_clocks_go_back() {
    let world = World::start().await;
    world.settings(json!({"remind_days": [1], "time_zone": "Europe/Berlin"})).await;
    world.granted("alice", "10.00", json!({"expires_on": "2027-11-01"})).await;
    world.set_now("2027-10-30T12:00:00Z");
    world.expire().await;
    // Seven in the morning of 31 October 2027, an hour longer than others.
    world.set_now("2027-10-31T06:00:00Z");
    assert_eq!(world.expire().await.reminded, 0);
    world.set_now("2027-10-31T07:00:00Z");
    assert_eq!(world.expire().await.reminded, 1);
}

/// What is told of one date when the store moves from one zone to another, at this moment.
async fn moved(from: &str, to: &str, when: &str) -> Vec<String> {
    let world = World::start().await;
    world.settings(json!({"remind_days": [7], "time_zone": from})).await;
    world.granted("alice", "10.00", json!({"expires_at": "2026-12-06T08:00:00Z"})).await;
    let when: jiff::Timestamp = when.parse().unwrap();
    world.set_now("2026-11-27T12:00:00Z");
    for _ in 0..4 * 24 {
        world.pass(SignedDuration::from_hours(1));
        if world.now() == when {
            world.settings(json!({"remind_days": [7], "time_zone": to})).await;
        }
        world.expire().await;
    }
    reminders(&world).await
}

#[tokio::test]
async fn a_store_that_moves_westward_still_reminds_of_each_date() {
    let told = moved("UTC", "Pacific/Honolulu", "2026-11-29T02:00:00Z").await;
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_store_that_moves_eastward_reminds_of_no_lot_again() {
    let told = moved("Pacific/Honolulu", "Pacific/Auckland", "2026-11-28T20:00:00Z").await;
    assert_eq!(told.len(), 1, "{told:?}");
}

// H. An endpoint that cannot be connected to is waited for as one that does not answer, and is to be left alone as one.

#[tokio::test]
async fn an_endpoint_that_lets_nobody_connect_is_left_alone_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // It takes connections, and never begins with TLS: to the sender, as a host that is not there.
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let url = edge::WebhookUrl::new(&url, Reach::Anywhere).unwrap();
    let (webhooks, secret) = (Webhooks::new(Reach::Anywhere), edge::WebhookSecret::new().unwrap());
    let at: jiff::Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let mut waited = Vec::new();
    for expected in [edge::Undelivered::TimedOut, edge::Undelivered::Resting] {
        let since = std::time::Instant::now();
        let sent = webhooks.send(&url, std::slice::from_ref(&secret), "evt_1", at, "{}").await;
        assert_eq!(sent, Err(expected));
        waited.push(since.elapsed());
    }
    assert!(waited[1] < Duration::from_secs(1), "{waited:?}");
}

// I. A reminder that could not be mailed for days.

#[tokio::test]
async fn a_reminder_that_was_held_up_until_its_date_is_over_is_not_mailed_as_if_it_were_to_come() {
    let world = writing().await;
    world.settings(json!({"remind_days": [1]})).await;
    world.granted("alice", "10.00", json!({"expires_on": "2026-12-06"})).await;
    world.set_now("2026-12-05T09:00:00Z");
    world.expire().await;
    world.catch_up().await;
    let mut event = world.outside.events.latest().pop().unwrap();
    assert_eq!(event["type"], "credit.expiring_soon");
    event["id"] = json!("another");
    // The post was closed for the two and a half days in which it is tried.
    world.set_now("2026-12-07T20:00:00Z");
    let post = Post::default();
    post.deliver(&world.store, world.now(), vec![message("first", &event)]).await;
    let said: Vec<String> = post.0.lock().unwrap().iter().map(|mail| mail.letter.text.clone()).collect();
    assert!(!said.iter().any(|said| said.contains("tomorrow")), "{said:?}");
}

// J. What held.

#[tokio::test]
async fn what_was_accepted_is_read_again() {
    let world = World::start().await;
    let admin = world.admin();
    let own = json!({"subject": "\u{202e}{{ amount }}", "text": "\u{0}\u{1b}\u{2028}\\ \" {{ shop }}", "html": "<b>{{ name }}</b>"});
    let words = json!({"en": own.clone(), "EN": own.clone(), "zh-Hant-TW": own.clone(), "de-1996": own});
    let mail = json!({"sender": "\"a\\\"b\\\\c d\"@example.com", "shop": "\u{202e}\u{feff}\u{1f4a9}",
        "customer_events": ["credit.granted", "credit.granted"], "admins": ["a@b.co", "a@b.co"],
        "templates": {"credit.granted": words, "topup.requested": {}}});
    let written = admin.put("/v1/settings/mail", mail).await;
    if written.status == 200 {
        assert_eq!(admin.get("/v1/settings/mail").await.expect(200, "").json, written.json);
    }
    for (number, url) in [
        "https://fa\u{df}.de/",
        "https://example.com/\u{202e}?\u{1f4a9}=%00",
        "https://example.com./..//%2e%2e/",
        "https://EXAMPLE.com:443?a#",
        "https://[2606:4700::1]:8443/",
        "https://example.com/%0d%0aHost:%20a",
        "https://example.com/{}|^`",
        "https://a_b.example.com/",
        "https://-a.example.com/",
    ]
    .iter()
    .enumerate()
    {
        admin.put(&format!("/v1/settings/webhooks/w{number}"), json!({"url": url})).await;
        let listed = admin.get("/v1/settings/webhooks").await.expect(200, "");
        assert!(!listed.text.contains("whsec_"));
        admin.get("/v1/settings/changes?of=webhooks").await.expect(200, "");
    }
    admin.get("/v1/settings/changes?of=mail").await.expect(200, "");
    world.granted("alice", "1.00", json!({})).await;
}

#[test]
fn what_a_template_is_accepted_with_it_is_filled_with() {
    let english: ledger::Language = "en".parse().unwrap();
    let money = |minor| Some(ledger::Money::from_minor(minor, ledger::Currency::USD));
    let soon = mail::Expiring { amount: money(-1).unwrap(), last_day: date(9999, 12, 31), days: 65_535 };
    let (few, many) = (vec![soon; 1], vec![soon; 500]);
    let huge = "\u{390}\"<&'\u{1f4a9}\u{202e}\r\n".repeat(4096);
    let mut accepted = 0;
    for text in [
        "{% for lot in expiring %}{{ lot.days is none }}{{ lot.days < lot.amount }}{{ lot.days in [1, \"a\", name] }}{% endfor %}x",
        "{{ (expiring or name) is none }}",
        "{% if (expiring and name) == 1 %}a{% endif %}x",
        "{{ 99999999999999999999999999999999999999999 }}",
        "{{ 1e400 }}{{ 0.1 }}{{ -1 }}{{ - name }}",
        "{{ name < 3 }}{{ none < true }}{{ amount > balance }}{{ 1 < 2 < name }}",
        "{{ not expiring }}{{ expiring|length > 3 }}",
        "{{ name|upper|lower|upper|default(\"a\")|upper }}",
        "{{ name|default(order)|default(method)|default(\"-\") }}",
        "{% for lot in expiring if lot.days > 3 %}{{ loop.index }}{% else %}none{% endfor %}x",
        "{% for a in expiring %}{% for b in expiring %}{{ a.days == b.days }}{% endfor %}{% endfor %}x",
        "{% for a in expiring %}{% for a in expiring %}{{ a.days }}{{ loop.last }}{% endfor %}{{ a.days }}{{ loop.first }}{% endfor %}x",
        "{{ shop if name is defined else loop }}",
        "{{ \"\\u0000\\ud800\" }}x",
        "{{ expiring|default(name) }}",
        "{{ expiring.x }}{{ name.upper() }}{{ name[0] }}{{ name ~ shop }}",
        "{% raw %}{{ x }}{% endraw %}{# {{ y }} #}",
        "{% set x = 1 %}x",
        "{% macro a() %}{% endmacro %}x",
        "{% include \"a\" %}x",
        "{% extends \"html\" %}x",
        "{% block a %}x{% endblock %}",
        "{{ self.a() }}{{ super() }}{{ caller() }}{{ debug() }}",
        "{{ name|safe }}",
        "{{ [1,2]|length }}",
        "{{ loop.length }}",
        "{%- if true -%} x {%- endif -%}",
    ] {
        let template =
            mail::Template { subject: "s".to_owned(), text: text.to_owned(), html: Some(text.to_owned()) };
        let own = std::collections::BTreeMap::from([(english.clone(), template)]);
        let templates = mail::Templates::from([(mail::Kind::ExpiringSoon, own)]);
        if mail::check(&templates).is_err() {
            continue;
        }
        accepted += 1;
        for word in ["", "a", &huge] {
            for known in [false, true] {
                for expiring in [&[][..], &few, &many] {
                    let some = known.then_some(word);
                    let facts = mail::Facts {
                        shop: word,
                        customer: word,
                        name: some,
                        amount: money(i64::MIN + 1).filter(|_| known),
                        balance: money(-5).filter(|_| known),
                        date: date(-9999, 1, 1),
                        last_day: known.then(|| date(9999, 12, 31)),
                        order: some,
                        method: some,
                        expiring,
                    };
                    let letter = mail::letter(mail::Kind::ExpiringSoon, None, &english, &templates, &facts);
                    let letter = letter.unwrap_or_else(|error| panic!("{text}: {error}"));
                    assert!(letter.html.len() <= 80 << 10 && !letter.subject.contains('\n'));
                    assert!(!letter.html.contains("\"<&'"), "{text}");
                }
            }
        }
    }
    assert!(accepted >= 8, "{accepted}");
}

#[tokio::test]
async fn whatever_gives_credit_its_date_it_is_reminded_of_once() {
    let world = World::start().await;
    world.settings(json!({"remind_days": [7, 1], "hold_ttl_seconds": 604_800})).await;
    let admin = world.admin();
    world.granted("moved", "10.00", json!({})).await;
    world.granted("dated", "10.00", json!({})).await;
    world.granted("back", "10.00", json!({"expires_on": "2026-12-06"})).await;
    let order = |id: &str| crate::support::world::order(id, "10.00");
    let spent = world.shop().redeem("back", "b-1", json!({"order": order("1")})).await.expect(201, "");
    let body = Bytes::from(json!({"expires_on": "2026-12-06"}).to_string());
    let key = [("idempotency-key", "m-1")];
    admin.send("PATCH", "/v1/customers/moved/lots/USD-1", &key, body).await.expect(201, "");
    world.pass(SignedDuration::from_hours(24));
    let id = spent.json["entry"]["id"].as_str().unwrap();
    world
        .shop()
        .post(&format!("/v1/customers/back/redemptions/{id}/refund"), "f-1", json!({}))
        .await
        .expect(201, "");
    admin
        .put("/v1/customers/dated", json!({"policy": {"expiry_days": 13, "apply_to_existing": true}}))
        .await
        .expect(200, "");
    for _ in 0..24 * 15 / 8 {
        world.pass(SignedDuration::from_hours(8));
        world.expire().await;
    }
    let mut told = reminders(&world).await;
    told.sort();
    assert_eq!(told.len(), 6, "{told:#?}");
}
