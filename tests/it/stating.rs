//! Statements of a period: that they are what the entries say, whoever asks and in every form.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use ledger::Hash;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use crate::{
    booking::business,
    support::world::{Answer, World, each, fresh_key, order},
};

fn decimal(text: &Value) -> Decimal {
    text.as_str().unwrap().parse().unwrap()
}

async fn stated(world: &World, customer: &str, query: &str) -> Answer {
    world.admin().get(&format!("/v1/customers/{customer}/statement?{query}")).await
}

#[tokio::test]
async fn whatever_the_period_a_statement_is_what_its_entries_say() {
    let world = World::start().await;
    let zone = TimeZone::get("America/New_York").unwrap();
    let day = |entry: &Value| -> Date {
        let at: Timestamp = entry["at"].as_str().unwrap().parse().unwrap();
        at.to_zoned(zone.clone()).date()
    };
    let (mut statements, mut lines_seen) = (0, 0);
    for customer in business(&world, 3, 200).await {
        let all = world.entries(&customer).await;
        let first = all.first().map_or("2026-11-22".parse().unwrap(), day);
        for currency in ["USD", "JPY", "BHD"] {
            let entries: Vec<&Value> = all.iter().filter(|entry| entry["currency"] == currency).collect();
            for (from, length) in [(-9, 3), (-1, 0), (0, 0), (0, 4), (3, 9), (11, 1), (20, 90), (-30, 400)] {
                let from = first.checked_add(from.days()).unwrap();
                let to = from.checked_add(length.days()).unwrap();
                let before = entries.iter().rfind(|entry| day(entry) < from);
                let inside = entries.iter().filter(|entry| (from..=to).contains(&day(entry)));
                let lines: Vec<&&Value> =
                    inside.filter(|entry| !decimal(&entry["amount"]).is_zero()).collect();
                let last = entries.iter().rfind(|entry| day(entry) <= to);

                let path = format!("currency={currency}&from={from}&to={to}");
                let told = stated(&world, &customer, &path).await.expect(200, "").json;
                let balance =
                    |entry: Option<&&Value>| entry.map_or(Decimal::ZERO, |of| decimal(&of["balance_after"]));
                let (opening, closing) =
                    (decimal(&told["opening_balance"]), decimal(&told["closing_balance"]));
                assert_eq!((opening, closing), (balance(before), balance(last)), "{path}");
                let told_lines = told["lines"].as_array().unwrap();
                for (told, entry) in told_lines.iter().zip(&lines) {
                    assert_eq!(told["entry"], entry["id"], "{path}");
                    assert_eq!(told["date"], day(entry).to_string());
                    let reference = entry.get("reference").or_else(|| entry["payment"].get("reference"));
                    let note = entry.get("note").or_else(|| entry.get("reason"));
                    assert_eq!((told.get("reference"), told.get("note")), (reference, note), "{entry}");
                    for member in ["at", "type", "order", "amount", "balance_after"] {
                        assert_eq!(told.get(member), entry.get(member), "{entry}");
                    }
                }
                assert_eq!(told_lines.len(), lines.len(), "{path}");
                let totals = ["in", "out", "expired"].map(|sum| decimal(&told["totals"][sum]));
                assert!(totals.iter().all(|sum| *sum >= Decimal::ZERO), "{totals:?}");
                let expired: Decimal =
                    lines.iter().filter(|of| of["type"] == "expire").map(|of| -decimal(&of["amount"])).sum();
                let [came_in, out, told_expired] = totals;
                assert_eq!((closing - opening, told_expired), (came_in - out - expired, expired), "{path}");
                let csv = stated(&world, &customer, &format!("{path}&format=csv")).await;
                assert_eq!(csv.text.matches("\r\n").count(), lines.len() + 3, "{path}");
                let page = stated(&world, &customer, &format!("{path}&format=html")).await;
                assert_eq!(page.text.matches("<tr").count(), lines.len() + 3, "{path}");
                statements += 1;
                lines_seen += lines.len();
            }
        }
    }
    assert!(lines_seen > 200, "{lines_seen} lines of {statements} statements");
}

/// A customer with a line of most kinds, on two days.
async fn alice(world: &World) {
    world.settings(json!({"time_zone": "Europe/Paris"})).await;
    let profile = json!({"name": "Alice & <b>Co</b>"});
    world.admin().put("/v1/customers/alice", profile).await.expect(200, "");
    let bought = json!({"category": "paid", "payment": {"mode": "offline", "method": "cash", "reference": "R-17"},
        "note": "for \"you\",\nwith <i>thanks</i>", "internal_note": "watch her"});
    world.granted("alice", "50.00", bought).await;
    world.granted("alice", "10.00", json!({"expires_on": "2026-11-23", "reference": "=1+1"})).await;
    let path = "/v1/customers/alice";
    let spend = json!({"order": order("1002", "30"), "amount": "30.00"});
    world.shop().redeem("alice", "r1", spend).await.expect(201, "");
    world
        .shop()
        .post(&format!("{path}/redemptions/USD-3/refund"), "f1", json!({"amount": "5.00"}))
        .await
        .expect(201, "");
    let hold = json!({"order": order("1003", "8"), "amount": "8.00", "hold": true});
    world.shop().redeem("alice", "h1", hold).await.expect(201, "");
    world
        .shop()
        .post(&format!("{path}/redemptions/USD-5/capture"), "c1", json!({"amount": "6.00"}))
        .await
        .expect(201, "");
    world
        .admin()
        .post(&format!("{path}/debits"), "d1", json!({"amount": "1.00", "reason": "counted twice"}))
        .await
        .expect(201, "");
    // Midnight of the 23rd in Paris.
    world.set_now("2026-11-23T23:00:00Z");
    world.expire().await;
}

#[tokio::test]
async fn a_statement_as_a_table_has_a_row_for_each_line_between_the_balances() {
    let world = World::start().await;
    alice(&world).await;
    let told = stated(&world, "alice", "from=2026-11-22&to=2026-11-24&format=csv").await;
    assert_eq!(
        (told.status, &told.headers["content-type"]),
        (200, &"text/csv; charset=utf-8".parse().unwrap())
    );
    let expected = "date,at,entry,type,description,order,reference,note,amount,balance_after,currency
2026-11-22,,,opening_balance,Balance before,,,,,0.00,USD
2026-11-22,2026-11-22T10:00:00Z,USD-1,grant,Credit bought,,R-17,\"for \"\"you\"\",~with <i>thanks</i>\",50.00,50.00,USD
2026-11-22,2026-11-22T10:00:00Z,USD-2,grant,Credit,,'=1+1,,10.00,60.00,USD
2026-11-22,2026-11-22T10:00:00Z,USD-3,redeem,Used for an order,1002,,,-30.00,30.00,USD
2026-11-22,2026-11-22T10:00:00Z,USD-4,refund,Returned from an order,1002,,,5.00,35.00,USD
2026-11-22,2026-11-22T10:00:00Z,USD-6,capture,\"Used for an order, reserved before\",1003,,,-6.00,29.00,USD
2026-11-22,2026-11-22T10:00:00Z,USD-7,debit,Deducted,,,counted twice,-1.00,28.00,USD
2026-11-24,2026-11-23T23:00:00Z,USD-8,expire,Expired,,,,-10.00,18.00,USD
2026-11-24,,,closing_balance,Balance after,,,,,18.00,USD
";
    assert_eq!(told.text, expected.replace('\n', "\r\n").replace('~', "\n"));
    // The day that has the expiry, and the one before it that has nothing.
    let day = stated(&world, "alice", "from=2026-11-24&to=2026-11-24").await.expect(200, "").json;
    assert_eq!(day["totals"], json!({"in": "0.00", "out": "0.00", "expired": "10.00"}));
    let day = stated(&world, "alice", "from=2026-11-23&to=2026-11-23").await.expect(200, "").json;
    assert_eq!(
        (&day["opening_balance"], &day["lines"], &day["closing_balance"]),
        (&json!("28.00"), &json!([]), &json!("28.00"))
    );
}

#[tokio::test]
async fn a_statement_as_a_page_runs_nothing_loads_nothing_and_has_no_markup_of_others() {
    let world = World::start().await;
    alice(&world).await;
    let mail = json!({"sender": "credit@shop.example", "shop": "Fish & <script>alert(1)</script>"});
    world.admin().put("/v1/settings/mail", mail).await.expect(200, "");
    let told = stated(&world, "alice", "from=2026-11-22&to=2026-11-30&format=html").await;
    assert_eq!(
        (told.status, &told.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert_eq!(
        (&told.headers["x-content-type-options"], &told.headers["cache-control"]),
        (&"nosniff".parse().unwrap(), &"no-store".parse().unwrap())
    );

    let (_, rest) = told.text.split_once("<style>").unwrap();
    let (style, body) = rest.split_once("</style>").unwrap();
    let policy = told.headers["content-security-policy"].to_str().unwrap();
    let digest = STANDARD.encode(Hash::of(style.as_bytes()).0);
    assert!(
        policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{digest}';")),
        "{policy}, not {digest}"
    );
    // All the markup that there is, is the page's own.
    let known = [
        "body", "h1", "p", "dl", "dt", "dd", "table", "thead", "tbody", "tr", "th", "td", "span", "footer",
        "html", "head",
    ];
    for tag in
        body.split('<').skip(1).map(|rest| rest.split(['>', ' ']).next().unwrap().trim_start_matches('/'))
    {
        assert!(known.contains(&tag), "<{tag}>");
    }
    for part in body.split('<').skip(1).filter_map(|rest| rest.split('>').next()?.split_once(' ')) {
        assert!(part.1.starts_with("class=\""), "{part:?}");
    }
    for text in [
        "<p class=\"shop\">Fish &amp; &lt;script&gt;alert(1)&lt;/script&gt;</p>",
        "<dd>Alice &amp; &lt;b&gt;Co&lt;/b&gt;</dd>",
        "<span class=\"more\">for &quot;you&quot;,\nwith &lt;i&gt;thanks&lt;/i&gt;</span>",
        "<span class=\"more\">Order 1002</span>",
        "<td class=\"amount\">-30.00 USD</td>",
        "<dt>Expired</dt><dd>10.00 USD</dd>",
        "Days are those of Europe/Paris.",
    ] {
        assert!(body.contains(text), "{text} is not in {body}");
    }
    // Whoever asks: it is for the customer.
    assert!(!told.text.contains("watch her"));
    assert!(style.contains("@page") && style.contains("table-header-group") && !style.contains("url("));
}

#[tokio::test]
async fn who_has_nothing_yet_has_an_empty_statement_and_nobody_has_none() {
    let world = World::start().await;
    world.granted("alice", "5", json!({})).await;
    let query = "from=2026-11-01&to=2026-11-30";
    stated(&world, "bob", query).await.expect(404, "customer_not_found");
    let path = format!("/v1/customers/bob/statement?{query}");
    let own = world.customer("bob").get(&path).await.expect(200, "").json;
    let none = stated(&world, "alice", &format!("{query}&currency=JPY")).await.expect(200, "").json;
    for (told, zero) in [(own, "0.00"), (none, "0")] {
        assert_eq!((&told["opening_balance"], &told["closing_balance"]), (&json!(zero), &json!(zero)));
        assert_eq!(told["lines"], json!([]));
    }
    // What was erased is in no statement of before either.
    world.admin().put("/v1/customers/alice", json!({"name": "Alice"})).await.expect(200, "");
    world.granted("alice", "5", json!({"note": "dear Alice"})).await;
    assert!(stated(&world, "alice", query).await.text.contains("dear Alice"));
    world.admin().delete("/v1/customers/alice/personal-data").await.expect(204, "");
    let told = stated(&world, "alice", query).await.expect(200, "");
    assert!(!told.text.contains("Alice") && told.json["closing_balance"] == "10.00", "{}", told.text);
}

#[tokio::test]
async fn what_is_no_period_no_format_or_no_currency_is_refused_by_name() {
    let world = World::start().await;
    world.granted("alice", "1", json!({})).await;
    for (query, field) in [
        ("", "from"),
        ("from=2026-11-01", "to"),
        ("from=2026-11-02&to=2026-11-01", "to"),
        ("from=2016-11-02&to=2026-11-12", "to"),
        ("from=9999-01-01&to=9999-12-31", "to"),
        ("from=2026-11&to=2026-11-01", "from"),
        ("from=2026-11-01&to=2026-02-30", "to"),
        ("from=2026-11-01&to=2026-11-30&format=pdf", "format"),
        ("from=2026-11-01&to=2026-11-30&currency=dollars", "currency"),
        ("from=2026-11-01&to=2026-11-30&limit=10", "limit"),
    ] {
        let answer = stated(&world, "alice", query).await.expect(400, "invalid_request");
        assert_eq!(answer.json["errors"][0]["field"], field, "{query}: {}", answer.text);
    }
    stated(&world, "alice", "from=2026-11-01&to=2026-11-30&currency=XQX")
        .await
        .expect(422, "unsupported_currency");
}

#[tokio::test]
async fn of_a_longer_history_a_shorter_period_is_asked_for_and_found_by_few_reads() {
    let world = World::start().await;
    for (day, times) in
        [("2026-11-22T10:00:00Z", 3), ("2026-11-23T10:00:00Z", 500), ("2026-11-24T10:00:00Z", 2)]
    {
        world.set_now(day);
        for _ in 0..times {
            let grant = json!({"amount": "1.00", "category": "goodwill"});
            world.shop().grant("alice", &fresh_key(), grant).await.expect(201, "");
            let spend = json!({"order": order("1", "1.00"), "amount": "1.00"});
            world.shop().redeem("alice", &fresh_key(), spend).await.expect(201, "");
        }
    }
    for format in ["json", "csv", "html"] {
        let query = format!("from=2026-11-22&to=2026-11-24&format={format}");
        let refused = stated(&world, "alice", &query).await.expect(400, "invalid_request");
        let message = "must end a period of at most 1000 entries, and there are 1010: ask for a shorter one";
        assert_eq!(refused.json["errors"], json!([{"field": "to", "message": message}]));
    }
    let first = stated(&world, "alice", "from=2026-11-20&to=2026-11-22").await.expect(200, "");
    let second = stated(&world, "alice", "from=2026-11-23&to=2026-11-23").await.expect(200, "");
    assert_eq!(second.json["lines"].as_array().unwrap().len(), 1_000);
    assert_eq!(second.json["lines"][999]["entry"], "USD-1006");
    world.wire.trips();
    let third = stated(&world, "alice", "from=2026-11-24&to=2026-12-24").await.expect(200, "");
    let trips = world.wire.trips();
    assert!(trips.len() <= 16, "{} reads", trips.len());
    let balances = [first, second, third].map(|told| told.json).map(|told| {
        let lines = told["lines"].as_array().unwrap().clone();
        (told["opening_balance"].clone(), each(&lines, "entry").len(), told["closing_balance"].clone())
    });
    let expected = [("0.00", 6, "0.00"), ("0.00", 1_000, "0.00"), ("0.00", 4, "0.00")];
    assert_eq!(balances, expected.map(|(opening, lines, closing)| (json!(opening), lines, json!(closing))));
}
