//! What another system kept, brought over by `scrip import`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use indicatif::ProgressBar;
use ledger::{CustomerId, Money, Movement};
use scrip::{Format, Importing, Options, Preset, Report, Source};
use serde_json::{Value, json};
use store::{Connection, Rows, Store, Unimported};

use crate::support::{
    process::Folder,
    wire::Fault,
    world::{World, check_ledger, fresh_key, order},
};

/// Files of rows, and how they are imported.
struct Dump<'a> {
    world: &'a World,
    folder: Folder,
    files: Vec<(PathBuf, Format)>,
    options: Importing,
}

impl<'a> Dump<'a> {
    fn of(world: &'a World, preset: Preset) -> Self {
        let folder = Folder::new();
        let options = Importing {
            system: preset.system().parse().unwrap(),
            preset,
            currency: Some("USD".parse().unwrap()),
            zone: "UTC".parse().unwrap(),
            customer_prefix: String::new(),
            round: false,
            known_customers: false,
            dry_run: false,
            skip_malformed: false,
            concurrency: 4,
            // A clock is finer than the ledger.
            at: world.now().checked_add(jiff::SignedDuration::from_nanos(123_456)).unwrap(),
            scratch: folder.path().to_owned(),
        };
        Self { world, folder, files: Vec::new(), options }
    }

    /// These rows, and only these.
    fn file(&mut self, name: &str, text: &str) -> &mut Self {
        self.files.clear();
        self.and(name, text)
    }

    fn and(&mut self, name: &str, text: &str) -> &mut Self {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        let format = match path.extension().and_then(|end| end.to_str()) {
            Some("csv") => Format::Csv,
            Some("tsv") => Format::Tsv,
            _ => Format::Jsonl,
        };
        self.files.push((path, format));
        self
    }

    /// The report, and what was told before it.
    async fn import(&self) -> (Report, Vec<Value>) {
        let store = Store::connect(Connection::local(self.world.table(), self.world.database()));
        self.by(&store).await.unwrap()
    }

    async fn by(&self, store: &Store) -> Result<(Report, Vec<Value>), scrip::Failure> {
        let (mut out, mut progress) = (Vec::new(), Vec::new());
        let bar = ProgressBar::hidden();
        let report = scrip::import(store, &self.options, &self.files, &mut out, &mut progress, &bar).await?;
        let mut told: Vec<Value> =
            out.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let last = told.pop().unwrap();
        assert_eq!(last["report"], json!(report));
        // Nothing of it stays behind.
        assert_eq!(
            fs::read_dir(self.folder.path())
                .unwrap()
                .filter(|found| found.as_ref().unwrap().path().is_dir())
                .count(),
            0
        );
        Ok((report, told))
    }
}

fn counts(report: &Report) -> [u64; 5] {
    [report.rows, report.imported, report.repeated, report.malformed, report.refused]
}

async fn lots(world: &World, customer: &str) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("never").to_owned();
    let lots = world.account(customer).await["lots"].clone();
    let lots = lots.as_array().unwrap().iter();
    lots.map(|lot| (text(&lot["remaining"]), text(&lot["granted_at"]), text(&lot["expires_at"]))).collect()
}

fn lot(remaining: &str, granted: &str, expires: &str) -> (String, String, String) {
    (remaining.to_owned(), granted.to_owned(), expires.to_owned())
}

/// By the API, and by the auditor over the whole table.
async fn is_sound(world: &World, customers: &[&str]) {
    world.catch_up().await;
    for customer in customers {
        let proof =
            world.admin().get(&format!("/v1/customers/{customer}/verification")).await.expect(200, "");
        assert_eq!(proof.json["sound"], true, "{}", proof.text);
        check_ledger(&world.entries(customer).await);
    }
    let folder = Folder::new();
    let options = Options { at: world.now(), scratch: folder.path().to_owned(), max_bucket: None };
    let connection = Connection::local(world.table(), world.database());
    let source = Source::Table { connection: Box::new(connection), segments: 2 };
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let summary = scrip::audit(&source, &options, &mut out, &mut progress).await.unwrap();
    assert_eq!(summary.findings, 0, "{}", String::from_utf8(out).unwrap());
}

const SEED: &str =
    "id,customer,at,amount\n1,alice,2026-01-01T12:00:00Z,25.00\n2,alice,2026-02-01T12:00:00Z,-20.00\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_an_import_expires_when_expiry_is_turned_on() {
    let world = World::start().await;
    world.set_now("2026-02-20T12:00:00Z");
    let mut dump = Dump::of(&world, Preset::Generic);
    let (report, told) = dump.file("seed.csv", SEED).import().await;
    assert_eq!((counts(&report), report.written, told), ([2, 2, 0, 0, 0], true, vec![]));
    assert_eq!(lots(&world, "alice").await, [lot("5.00", "2026-01-01T12:00:00Z", "never")]);

    world.set_now("2026-02-25T12:00:00Z");
    world.settings(json!({"expiry_days": 15, "apply_to_existing": true})).await;
    let swept = world.expire().await;
    assert_eq!((swept.dated, swept.booked), (1, 1));
    let account = world.account("alice").await;
    assert_eq!((&account["balance"], &account["lifetime"]["expired"]), (&json!("0.00"), &json!("5.00")));
    let entries = world.entries("alice").await;
    let told: Vec<_> = entries.iter().map(|entry| (&entry["type"], &entry["amount"])).collect();
    let expected = [("import", "5.00"), ("expiry_change", "0.00"), ("expire", "-5.00")];
    assert_eq!(json!(told), json!(expected));
    let made = json!([{"lot": "USD-1", "amount": "5.00", "category": "import", "granted_at": "2026-01-01T12:00:00Z",
        "expires_at": null}]);
    assert_eq!(entries[0]["allocations"], made);
    assert_eq!(entries[0]["reference"], "generic");
    assert_eq!(entries[0]["actor"], json!({"role": "system", "id": "import"}));
    assert_eq!(entries[0].get("expires_at"), None);
    is_sound(&world, &["alice"]).await;

    // With the expiry on already, what is over comes as it is, and the schedule books it.
    let later = "id,customer,at,amount\n1,bob,2026-01-01T12:00:00Z,7.00\n2,bob,2026-02-20,3.00\n";
    dump.options.at = world.now();
    dump.file("later.csv", later).import().await;
    let account = world.account("bob").await;
    assert_eq!((&account["balance"], &account["available"]), (&json!("10.00"), &json!("3.00")));
    assert_eq!(world.expire().await.booked, 1);
    assert_eq!(lots(&world, "bob").await, [lot("3.00", "2026-02-20T00:00:00Z", "2026-03-08T00:00:00Z")]);
    is_sound(&world, &["bob"]).await;

    // Each moved in the books what it should.
    let journal = world.admin().get("/v1/journal?from=2026-01-01&to=2026-12-31").await.expect(200, "").json;
    let mut sums = std::collections::BTreeMap::<String, rust_decimal::Decimal>::new();
    for line in
        journal["data"].as_array().unwrap().iter().flat_map(|entry| entry["lines"].as_array().unwrap())
    {
        let amount: rust_decimal::Decimal = line["amount"].as_str().unwrap().parse().unwrap();
        *sums.entry(line["account"].as_str().unwrap().to_owned()).or_default() += amount;
    }
    let sums: Vec<_> = sums.into_iter().map(|(account, sum)| (account, sum.to_string())).collect();
    let expected = [
        ("Equity:OpeningBalances", "15.00"),
        ("Income:Breakage", "-12.00"),
        ("Liabilities:StoreCredit:Import", "-3.00"),
    ];
    assert_eq!(sums, expected.map(|(account, sum)| (account.to_owned(), sum.to_owned())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_counts_once_in_whichever_file_it_comes_again() {
    let world = World::start().await;
    let mut dump = Dump::of(&world, Preset::Generic);
    dump.file("first.csv", SEED).import().await;
    let before = world.all_of("alice").await;
    let (report, _) = dump.import().await;
    assert_eq!((counts(&report), report.lots), ([2, 0, 2, 0, 0], 0));
    // Twice in one file, in two files, and in another form.
    let doubled = format!("{SEED}1,alice,2026-01-01T12:00:00Z,25.00\n");
    let again = r#"{"id": 1, "customer": "alice", "at": "2026-01-01T13:00:00+01:00", "amount": "25.00"}"#;
    let (report, told) = dump.file("first.csv", &doubled).and("again.jsonl", again).import().await;
    assert_eq!((counts(&report), told), ([4, 0, 4, 0, 0], vec![]));
    assert_eq!(world.all_of("alice").await, before);

    // An overlapping period with something new: it takes the rest of the old lot, and brings its own.
    let overlapping = "id,customer,at,amount\n2,alice,2026-02-01T12:00:00Z,-20.00\n3,alice,2026-03-01,-4.00\n\
                       4,alice,2026-03-02,10.00\n5,alice,2026-03-03,-3.00\n";
    let (report, _) = dump.file("overlapping.csv", overlapping).import().await;
    assert_eq!((counts(&report), report.lots), ([4, 3, 1, 0, 0], 1));
    let usd = &report.currencies[&"USD".parse().unwrap()];
    assert_eq!((usd.brought.to_string(), usd.taken.to_string()), ("8.00".to_owned(), "5.00".to_owned()));
    assert_eq!(lots(&world, "alice").await, [lot("8.00", "2026-03-02T00:00:00Z", "never")]);
    let entries = world.entries("alice").await;
    let told: Vec<_> = entries.iter().map(|entry| (&entry["type"], &entry["amount"])).collect();
    assert_eq!(json!(told), json!([("import", "5.00"), ("import", "-5.00"), ("import", "8.00")]));
    assert_eq!(entries[1]["allocations"], json!([{"lot": "USD-1", "amount": "5.00"}]));

    // The same ids of another system are others.
    dump.options.system = "till".parse().unwrap();
    let (report, _) = dump.file("till.csv", SEED).import().await;
    assert_eq!(counts(&report), [2, 2, 0, 0, 0]);
    assert_eq!(world.account("alice").await["balance"], "13.00");
    is_sound(&world, &["alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_something_else_than_before_is_told_and_writes_nothing() {
    let world = World::start().await;
    let mut dump = Dump::of(&world, Preset::Generic);
    dump.file("first.csv", SEED).import().await;
    let before = world.all_of("alice").await;
    let head = "id,customer,at,amount,currency\n";
    for row in [
        "1,alice,2026-01-01T12:00:00Z,26.00,USD",
        "1,alice,2026-01-01T12:00:01Z,25.00,USD",
        "1,alice,2026-01-01T12:00:00Z,25.00,EUR",
    ] {
        let altered = format!("{head}9,bob,2026-01-01,1.00,USD\n{row}\n3,alice,2026-03-01,7.00,USD\n");
        let (report, told) = dump.file("altered.csv", &altered).import().await;
        assert!(!report.written && report.refused > 0, "{report:?}");
        let reason = told[0]["refused"]["reason"].as_str().unwrap();
        assert!(reason.ends_with("and said something else then, the first of them 1"), "{reason}");
        assert_eq!(
            (&told[0]["refused"]["customer"], &told[0]["refused"]["line"]),
            (&json!("alice"), &json!(3))
        );
    }
    let contradicting =
        format!("{head}5,bob,2026-01-01,1.00,USD\n6,carol,2026-01-01,1.00,USD\n5,bob,2026-01-01,2.00,USD\n");
    let (report, told) = dump.file("contradicting.csv", &contradicting).import().await;
    assert_eq!((counts(&report), report.written), ([3, 1, 0, 0, 2], false));
    let reason = told[0]["refused"]["reason"].as_str().unwrap();
    assert!(
        reason.contains("line 2") && reason.contains("line 4 have the id 5 and say different things"),
        "{reason}"
    );
    for nobody in ["bob", "carol"] {
        world.admin().get(&format!("/v1/customers/{nobody}")).await.expect(404, "customer_not_found");
    }
    assert_eq!(world.all_of("alice").await, before);
    // The rest, if it is asked for.
    dump.options.skip_malformed = true;
    let (report, _) = dump.import().await;
    assert_eq!((counts(&report), report.written, report.is_whole()), ([3, 1, 0, 0, 2], true, false));
    assert_eq!(world.account("carol").await["balance"], "1.00");
    world.admin().get("/v1/customers/bob").await.expect(404, "customer_not_found");

    // Nobody is made up, if that is asked for: a customer has an account or a document.
    dump.options.known_customers = true;
    world.admin().put("/v1/customers/dora", json!({"name": "Dora"})).await.expect(200, "");
    let some = format!(
        "{head}1,nobody,2026-01-01,1.00,USD\n2,dora,2026-01-01,1.00,USD\n3,carol,2026-01-01,1.00,USD\n"
    );
    let (report, told) = dump.file("known.csv", &some).import().await;
    assert_eq!(counts(&report), [3, 2, 0, 0, 1]);
    assert_eq!(told[0]["refused"]["reason"], "there is no such customer");
    is_sound(&world, &["alice", "carol", "dora"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_rows_are_listed_and_the_rest_goes_on_only_if_asked() {
    let world = World::start().await;
    let mut dump = Dump::of(&world, Preset::Generic);
    let rows = "id,customer,at,amount\n1,alice,2026-01-01,1.00\n2,alice,yesterday,1.00\n3,bob,2026-01-01,1.001\n4,bob,2026-01-01,2.00\n";
    let (report, told) = dump.file("rows.csv", rows).import().await;
    assert_eq!((counts(&report), report.written), ([4, 2, 0, 2, 0], false));
    let lines: Vec<_> = told.iter().map(|told| &told["malformed"]["line"]).collect();
    assert_eq!(json!(lines), json!([3, 4]));
    assert!(told[0]["malformed"]["file"].as_str().unwrap().ends_with("rows.csv"));
    assert_eq!(told[1]["malformed"]["reason"], "amount must have at most 2 decimals, as USD has");
    world.admin().get("/v1/customers/alice").await.expect(404, "customer_not_found");

    dump.options.dry_run = true;
    dump.options.skip_malformed = true;
    let (report, _) = dump.import().await;
    assert_eq!((counts(&report), report.written), ([4, 2, 0, 2, 0], false));
    world.admin().get("/v1/customers/alice").await.expect(404, "customer_not_found");

    dump.options.dry_run = false;
    let (report, _) = dump.import().await;
    assert_eq!((counts(&report), report.written, report.is_whole()), ([4, 2, 0, 2, 0], true, false));
    assert_eq!(world.account("bob").await["balance"], "2.00");
    // Put right, they come in: the others are known.
    let right = rows.replace("yesterday", "2025-12-31").replace("1.001", "1.01");
    let (report, _) = dump.file("rows.csv", &right).import().await;
    assert_eq!(counts(&report), [4, 2, 2, 0, 0]);
    assert_eq!(
        lots(&world, "alice").await,
        [lot("1.00", "2025-12-31T00:00:00Z", "never"), lot("1.00", "2026-01-01T00:00:00Z", "never")]
    );
    // Files that are not understood, or empty.
    let failure = |error: scrip::Failure| error.to_string();
    let store = Store::connect(Connection::local(world.table(), world.database()));
    let error = dump.file("none.csv", "id,customer,at,amount\n").by(&store).await.map_err(failure);
    assert_eq!(error.unwrap_err(), "there is not one row");
    let error = dump.file("other.csv", "id,who\n1,2\n").by(&store).await.map_err(failure).unwrap_err();
    assert!(error.contains("the column \"who\" is not known"), "{error}");
    dump.files = vec![(Path::new("/nowhere/at.csv").to_owned(), Format::Csv)];
    assert!(dump.by(&store).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn negative_histories_are_told_and_nobody_comes_with_a_debt() {
    let world = World::start().await;
    let mut dump = Dump::of(&world, Preset::Generic);
    let rows = "id,customer,at,amount\n1,alice,2026-01-01,-5.00\n2,alice,2026-01-02,8.00\n\
                3,bob,2026-01-01,5.00\n4,bob,2026-01-02,-8.50\n5,carol,2026-01-02,-1.00\n";
    let (report, told) = dump.file("rows.csv", rows).import().await;
    assert_eq!((counts(&report), report.below_zero), ([5, 5, 0, 0, 0], 3));
    assert_eq!(report.currencies[&"USD".parse().unwrap()].forgiven.to_string(), "4.50");
    let mut below: Vec<_> = told.iter().map(|told| told["below_zero"].clone()).collect();
    below.sort_by_key(|told| told["customer"].to_string());
    assert_eq!(
        json!(below),
        json!([
            {"customer": "alice", "currency": "USD", "forgiven": "0.00"},
            {"customer": "bob", "currency": "USD", "forgiven": "3.50"},
            {"customer": "carol", "currency": "USD", "forgiven": "1.00"},
        ])
    );
    assert_eq!(lots(&world, "alice").await, [lot("3.00", "2026-01-02T00:00:00Z", "never")]);
    world.admin().get("/v1/customers/bob").await.expect(404, "customer_not_found");
    // What was forgiven stays so: the rows are known.
    let (report, _) = dump.import().await;
    assert_eq!((counts(&report), report.below_zero), ([5, 0, 5, 0, 0], 0));
    is_sound(&world, &["alice"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_presets_read_what_their_systems_export() {
    let world = World::start().await;
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/imports");
    let mut dump = Dump::of(&world, Preset::Opencart);
    dump.options.zone = "Europe/Berlin".parse().unwrap();
    dump.files = vec![(fixtures.join("opencart.tsv"), Format::Tsv)];
    let (report, told) = dump.import().await;
    assert_eq!((counts(&report), told), ([6, 6, 0, 0, 0], vec![]));
    assert_eq!(
        lots(&world, "7").await,
        [lot("30.00", "2025-07-14T08:02:11Z", "never"), lot("10.50", "2025-12-01T17:30:00Z", "never")]
    );
    let mut dump = Dump::of(&world, Preset::Terawallet);
    dump.options.currency = None;
    dump.options.customer_prefix = "wp-".to_owned();
    dump.files = vec![(fixtures.join("terawallet.csv"), Format::Csv)];
    let (report, _) = dump.import().await;
    assert_eq!((counts(&report), report.deleted), ([6, 5, 0, 0, 0], 1));
    assert_eq!(lots(&world, "wp-12").await, [lot("4.75", "2025-03-02T09:15:00Z", "never")]);
    assert_eq!(world.account("wp-13").await["currency"], "EUR");
    is_sound(&world, &["7", "8", "wp-12", "wp-13"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_killed_anywhere_is_finished_by_the_next() {
    let world = World::start().await;
    let mut dump = Dump::of(&world, Preset::Generic);
    let mut rows = "id,customer,at,amount\n".to_owned();
    for number in 0..60 {
        let (customer, amount) = (number % 20, if number < 40 { "10.00" } else { "-13.00" });
        rows.push_str(&format!("{number},c{customer},2026-01-{:02},{amount}\n", number / 20 + 1));
    }
    dump.file("rows.csv", &rows);
    dump.options.concurrency = 1;
    dump.options.skip_malformed = true;
    let store = Store::connect(Connection::local(world.table(), &world.wire.endpoint));
    // A run that ends anywhere: its process is gone, and what it had sent is done or not.
    let mut killed = 0;
    for milliseconds in [2, 5, 15, 30, 60] {
        let time = std::time::Duration::from_millis(milliseconds);
        killed += u32::from(tokio::time::timeout(time, dump.by(&store)).await.is_err());
    }
    assert!(killed > 0);
    // Answers that are lost, and a database that refuses for a while.
    for fault in [
        Fault::LoseAnswer,
        Fault::LoseRequest,
        Fault::ResetAnswer,
        Fault::cancelled(&["TransactionConflict"]),
    ] {
        world.wire.fault("TransactWriteItems", fault);
        dump.by(&store).await.unwrap();
        world.wire.heal();
    }
    let (report, _) = dump.import().await;
    assert_eq!(counts(&report), [60, 0, 60, 0, 0]);
    for customer in 0..20 {
        let customer = format!("c{customer}");
        assert_eq!(lots(&world, &customer).await, [lot("7.00", "2026-01-02T00:00:00Z", "never")]);
        assert_eq!(world.entries(&customer).await.len(), 1);
    }
    is_sound(&world, &["c0", "c19"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imported_credit_is_spent_held_and_given_back_like_any_other() {
    let world = World::start().await;
    world.granted("alice", "1.00", json!({"expires_on": "2026-12-31"})).await;
    let mut dump = Dump::of(&world, Preset::Generic);
    let rows = "id,customer,at,amount,expires\n1,alice,2026-01-01,5.00,2027-03-31\n2,alice,2026-01-02,7.00,never\n3,alice,2026-01-03,2.00,\n";
    dump.file("rows.csv", rows).import().await;
    let imported = world.account("alice").await["lots"].clone();
    let shop = world.shop();
    let spent = json!({"order": order("1", "500"), "amount": "13.00"});
    let spent = shop.redeem("alice", &fresh_key(), spent).await.expect(201, "").json;
    let taken = &spent["entry"]["allocations"];
    // The oldest first, by the days of the other system.
    let oldest = json!([{"lot": "USD-2", "amount": "5.00"}, {"lot": "USD-2.1", "amount": "7.00"}, {"lot": "USD-2.2", "amount": "1.00"}]);
    assert_eq!(*taken, oldest);
    let refund = format!("/v1/customers/alice/redemptions/{}/refund", spent["entry"]["id"].as_str().unwrap());
    shop.post(&refund, &fresh_key(), json!({})).await.expect(201, "");
    assert_eq!(world.account("alice").await["lots"], imported);
    let moved = json!({"expires_on": "2028-01-31"}).to_string();
    let headers = [("idempotency-key", "m-1")];
    let admin = world.admin();
    admin.send("PATCH", "/v1/customers/alice/lots/USD-2.1", &headers, moved.into()).await.expect(201, "");
    let void = "/v1/customers/alice/lots/USD-2.2/void";
    admin.post(void, "v-1", json!({"reason": "no more"})).await.expect(201, "");
    is_sound(&world, &["alice"]).await;
    // Everybody may hear of it by events; nobody is mailed.
    admin.put("/v1/customers/alice", json!({"email": "alice@example.com"})).await.expect(200, "");
    admin.put("/v1/settings/mail", json!({"sender": "shop@example.com"})).await.expect(200, "");
    world.catch_up().await;
    let mails = world.mails().await.len();
    dump.file("more.csv", "id,customer,at,amount\n9,alice,2026-02-01,1.00\n10,alice,2026-02-02,-3.00\n")
        .import()
        .await;
    assert_eq!(world.mails().await.len(), mails);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_rows_than_can_be_kept_of_one_customer_are_refused_whole() {
    let world = World::start().await;
    let customer: CustomerId = "alice".parse().unwrap();
    let movement = |number: usize| Movement {
        id: number.to_string(),
        at: "2026-01-01T00:00:00Z".parse().unwrap(),
        amount: Money::from_minor(1, "USD".parse().unwrap()),
        expiry: None,
    };
    let system = "generic".parse().unwrap();
    let most = store::MAX_IMPORTED_ROWS;
    let movements: Vec<Movement> = (0..=most).map(movement).collect();
    let rows = Rows {
        customer: &customer,
        currency: "USD".parse().unwrap(),
        system: &system,
        movements: &movements,
        at: world.now(),
        known: false,
        write: true,
    };
    let refused = world.store.import(&rows).await;
    assert!(matches!(refused, Err(Unimported::TooManyRows(count)) if count == most + 1), "{refused:?}");
    let imported = world.store.import(&Rows { movements: &movements[1..], ..rows }).await.unwrap();
    assert_eq!((imported.rows, imported.lots, imported.merged), (most, 1, most - 1));
    let again = world.store.import(&Rows { movements: &movements[1..], ..rows }).await.unwrap();
    assert_eq!((again.rows, again.repeated), (0, most));
    assert!(world.store.import(&Rows { movements: &movements[..1], ..rows }).await.is_err());
    is_sound(&world, &["alice"]).await;
}
