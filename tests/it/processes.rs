//! `cargo local` as a process: what it prints, what it keeps, and how it ends.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{
    process::{Answered, Caller, Folder, Local, local, run},
    world::order,
};

#[test]
fn json_is_one_line_with_all_that_a_script_needs() {
    let service = Local::start(&["--memory"]);

    let granted = service.shop().post("/v1/customers/alice/grants", "g", &credit("25.00"));
    assert_eq!(granted.status, 201, "{granted:?}");
    let own = service.caller(&service.customer_token).get("/v1/customers/alice");
    assert_eq!((own.status, &own.json["accounts"][0]["balance"]), (200, &json!("25.00")), "{own:?}");
    assert_eq!(service.caller(&service.customer_token).get("/v1/customers/bob").status, 404);
    assert_eq!(service.shop().get("/v1/settings").status, 403);
    assert_eq!(service.admin().get("/v1/settings").status, 200);
    assert_eq!(service.caller("sk_wrong").get("/v1/settings").status, 401);

    let (status, printed) = service.process.interrupt();
    assert!(status.success(), "{status}");
    assert_eq!(printed, Vec::<String>::new());
}

#[test]
fn ctrl_c_stops_it_while_connections_are_open() {
    let service = Local::start(&["--memory"]);
    let idle = service.shop();
    idle.get("/v1/customers/alice");
    let address = service.url.strip_prefix("http://").unwrap();
    let _silent = std::net::TcpStream::connect(address).unwrap();

    let (status, _) = service.process.interrupt();
    assert_eq!(status.code(), Some(0), "{status}");
}

#[test]
fn data_and_keys_survive_a_restart() {
    let folder = Folder::new();
    let first = Local::on(&folder);
    let granted = first.shop().post("/v1/customers/alice/grants", "g", &credit("25.00"));
    assert_eq!(granted.status, 201, "{granted:?}");
    let (admin_key, store_key) = (first.admin_key.clone(), first.store_key.clone());
    assert!(first.process.interrupt().0.success());

    let second = Local::on(&folder);
    assert_eq!((&second.admin_key, &second.store_key), (&admin_key, &store_key));
    assert_eq!(second.caller(&admin_key).get("/v1/settings").status, 200);
    let replayed = second.caller(&store_key).post("/v1/customers/alice/grants", "g", &credit("25.00"));
    assert!(replayed.replayed);
    assert_eq!(replayed.json, granted.json);
    let own = second.caller(&second.customer_token).get("/v1/customers/alice");
    assert_eq!((own.status, &own.json["accounts"][0]["balance"]), (200, &json!("25.00")), "{own:?}");
}

#[test]
fn whoever_follows_the_stream_goes_on_where_it_was_after_a_restart() {
    let folder = Folder::new();
    let told = |service: &Local, count: usize| {
        let begun = Instant::now();
        loop {
            let told = service.admin().get("/_local/events").json;
            let found = told.as_array().unwrap().len();
            if found >= count {
                return found;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "{told}");
            thread::sleep(Duration::from_millis(50));
        }
    };
    let place = || std::fs::read_to_string(folder.path().join("notify.place")).unwrap();
    let first = Local::on(&folder);
    first.shop().post("/v1/customers/alice/grants", "one", &credit("25.00"));
    assert_eq!(told(&first, 1), 1);
    assert!(first.process.interrupt().0.success());
    let before = place();

    // What was told is not looked at again, and what comes is told.
    let second = Local::on(&folder);
    second.shop().post("/v1/customers/alice/grants", "two", &credit("5.00"));
    assert_eq!(told(&second, 1), 1);
    assert!(second.process.interrupt().0.success());
    assert!(place().parse::<u128>().unwrap() > before.parse::<u128>().unwrap());

    // A place that is none is no reason to stand still.
    std::fs::write(folder.path().join("notify.place"), "none").unwrap();
    let third = Local::on(&folder);
    assert_eq!(told(&third, 2), 2);
}

#[test]
fn one_process_at_a_time_serves_the_same_data() {
    let folder = Folder::new();
    let mut first = Local::on(&folder);
    let data = folder.path().to_str().unwrap();
    for more in [&["--data", data, "--port", "0"][..], &["--data", data, "--port", "0", "--database-only"]] {
        let refused = run(&mut local(more));
        let complaint = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && refused.stdout.is_empty());
        let told = format!("error: {} serves this data already; stop it, or give another --data", first.url);
        assert!(complaint.starts_with(&told), "{complaint}");
    }
    // However it ends, its data is free.
    first.process.kill();
    Local::on(&folder);
}

#[test]
fn expire_books_in_the_running_service_and_without_one() {
    let folder = Folder::new();
    let expire = |at: &str| {
        let done = run(&mut local(&["expire", "--at", at, "--data", folder.path().to_str().unwrap()]));
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice::<Value>(&done.stdout).unwrap()
    };
    let expiring = |amount: &str, date: &str| json!({"amount": amount, "category": "goodwill", "expires_at": format!("{date}T00:00:00Z")});

    let running = Local::on(&folder);
    for (key, amount, date) in
        [("a", "10.00", "2100-01-01"), ("b", "20.00", "2100-02-01"), ("c", "40.00", "2100-03-01")]
    {
        let granted = running.shop().post("/v1/customers/alice/grants", key, &expiring(amount, date));
        assert_eq!(granted.status, 201, "{granted:?}");
    }
    assert_eq!(
        expire("2099-12-31T23:59:59Z"),
        json!({"booked": 0, "refiled": 0, "dated": 0, "topups": 0, "reminded": 0, "interrupted": false})
    );
    assert_eq!(
        expire("2100-01-01T00:00:00Z"),
        json!({"booked": 1, "refiled": 0, "dated": 0, "topups": 0, "reminded": 0, "interrupted": false})
    );
    assert_eq!(
        expire("2100-01-01T00:00:00Z"),
        json!({"booked": 0, "refiled": 0, "dated": 0, "topups": 0, "reminded": 0, "interrupted": false})
    );
    assert_eq!(expired(&running.admin(), "alice"), ["-10.00"]);
    assert!(running.process.interrupt().0.success());

    assert_eq!(
        expire("2100-02-01T00:00:00Z"),
        json!({"booked": 1, "refiled": 0, "dated": 0, "topups": 0, "reminded": 0, "interrupted": false})
    );
    assert_eq!(
        expire("2100-02-01T00:00:00Z"),
        json!({"booked": 0, "refiled": 0, "dated": 0, "topups": 0, "reminded": 0, "interrupted": false})
    );
    let again = Local::on(&folder);
    assert_eq!(expired(&again.admin(), "alice"), ["-10.00", "-20.00"]);
    assert_eq!(again.admin().get("/v1/customers/alice").json["accounts"][0]["balance"], "40.00");
}

#[test]
fn expire_says_so_when_it_cannot() {
    let folder = Folder::new();
    let refused = run(&mut local(&["expire", "--data", folder.path().to_str().unwrap()]));
    assert!(!refused.status.success());
    assert!(String::from_utf8(refused.stderr).unwrap().starts_with("error: there is no ledger in "));
    // Nobody listens on the port that a socket of ours has.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", taken.local_addr().unwrap());
    drop(taken);
    let refused = run(&mut local(&["expire", "--url", &url]));
    assert!(!refused.status.success() && refused.stdout.is_empty());
}

#[test]
fn credit_stops_being_spendable_at_its_very_moment_and_is_booked_once() {
    let folder = Folder::new();
    let service = Local::on(&folder);
    let (shop, admin) = (service.shop(), service.admin());
    let path = |customer: &str| format!("/v1/customers/{customer}");
    // On a machine that is busy with other tests the moment may pass too early; then with another customer.
    let spent_in_time = |customer: &String| {
        let expires_at = Timestamp::now().checked_add(SignedDuration::from_millis(1_500)).unwrap();
        let body = json!({"amount": "25.00", "category": "goodwill", "expires_at": expires_at});
        let granted = shop.post(&format!("{}/grants", path(customer)), &format!("g-{customer}"), &body);
        let body = json!({"order": order("1", "8.00")});
        let redeemed = shop.post(&format!("{}/redemptions", path(customer)), &format!("r-{customer}"), &body);
        let in_time = Timestamp::now() < expires_at;
        assert!(!in_time || (granted.status, redeemed.status) == (201, 201), "{granted:?} {redeemed:?}");
        in_time.then_some(expires_at)
    };
    let mut customers = (1..10).map(|number| format!("customer-{number}"));
    let (customer, expires_at) = customers
        .find_map(|customer| spent_in_time(&customer).map(|expires_at| (customer, expires_at)))
        .unwrap();

    // What is asked and answered before the moment can be spent; what is asked at the moment or later cannot.
    loop {
        let asked = Timestamp::now();
        let body = json!({"order": order("2", "8.00")});
        let quoted = shop.post(&format!("{}/redemptions/quote", path(&customer)), "-", &body);
        assert_eq!(quoted.status, 200, "{quoted:?}");
        if Timestamp::now() < expires_at {
            assert_eq!(quoted.json["applied"], "8.00", "asked at {asked}, expires at {expires_at}");
        } else if asked >= expires_at {
            assert_eq!(quoted.json["applied"], "0.00", "asked at {asked}, expires at {expires_at}");
            break;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let body = json!({"order": order("2", "8.00")});
    let refused = shop.post(&format!("{}/redemptions", path(&customer)), "late", &body);
    assert_eq!((refused.status, &refused.json["code"]), (422, &json!("insufficient_credit")), "{refused:?}");

    for booked in [true, false] {
        let done = run(&mut local(&["expire", "--data", folder.path().to_str().unwrap()]));
        let swept: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(swept["booked"].as_u64().unwrap() > 0, booked, "{swept}");
    }
    assert_eq!(expired(&admin, &customer), ["-17.00"]);
    assert_eq!(admin.get(&path(&customer)).json["accounts"][0]["balance"], "0.00");
}

#[test]
fn kill_9_in_the_middle_of_a_thousand_grants_loses_none_that_was_answered_and_doubles_none() {
    const GRANTS: usize = 1_000;
    const CUSTOMERS: usize = 10;
    /// How many are answered before the process is killed.
    const ANSWERED: usize = 400;
    let folder = Folder::new();
    let customer = |grant: usize| format!("c{}", grant % CUSTOMERS);

    let mut first = Local::on(&folder);
    let answers = Mutex::new(BTreeMap::<usize, Answered>::new());
    let shop = first.shop();
    thread::scope(|scope| {
        scope.spawn(|| {
            each_of(GRANTS, |grant| {
                let path = format!("/v1/customers/{}/grants", customer(grant));
                if let Ok(answer) = shop.try_post(&path, &format!("grant-{grant}"), &credit("1.25")) {
                    answers.lock().unwrap().insert(grant, answer);
                }
            });
        });
        let begun = Instant::now();
        while answers.lock().unwrap().len() < ANSWERED {
            assert!(begun.elapsed() < Duration::from_secs(120), "the grants take too long");
            thread::sleep(Duration::from_millis(1));
        }
        first.process.kill();
    });
    let answers = answers.into_inner().unwrap();
    assert!((ANSWERED..GRANTS).contains(&answers.len()), "{} were answered", answers.len());
    let odd: Vec<_> = answers.iter().filter(|(_, answer)| answer.status != 201 || answer.replayed).collect();
    assert!(odd.is_empty(), "{} of {}: {:?}", odd.len(), answers.len(), odd[0]);

    let second = Local::on(&folder);
    let shop = second.shop();
    let replayed = AtomicUsize::new(0);
    each_of(GRANTS, |grant| {
        let path = format!("/v1/customers/{}/grants", customer(grant));
        let again = shop.post(&path, &format!("grant-{grant}"), &credit("1.25"));
        assert_eq!(again.status, 201, "{again:?}");
        replayed.fetch_add(usize::from(again.replayed), Ordering::Relaxed);
        if let Some(answer) = answers.get(&grant) {
            assert!(again.replayed, "grant {grant} was answered and then lost");
            assert_eq!(again.json, answer.json);
        }
    });
    // Those that were booked and whose answer was lost are replayed as well: at most one for each client.
    let unanswered = replayed.into_inner() - answers.len();
    assert!(unanswered <= CLIENTS, "{unanswered} were booked without an answer");

    let admin = second.admin();
    for number in 0..CUSTOMERS {
        let path = format!("/v1/customers/{}", customer(number));
        let account = &admin.get(&path).json["accounts"][0];
        assert_eq!(account["balance"], "125.00");
        assert_eq!(account["lots"].as_array().unwrap().len(), GRANTS / CUSTOMERS);
        let mut entries = entries(&admin, &customer(number));
        entries.reverse();
        let ids: Vec<&str> = entries.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
        let gapless: Vec<String> = (1..=GRANTS / CUSTOMERS).map(|number| format!("USD-{number}")).collect();
        assert_eq!(ids, gapless);
        for (earlier, later) in entries.iter().zip(entries.iter().skip(1)) {
            assert_eq!(later["prev_hash"], earlier["hash"]);
        }
    }
}

/// How many threads call at once.
const CLIENTS: usize = 8;

/// Calls `act` with every number below `count`, in several threads at once.
fn each_of(count: usize, act: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && number < count
                {
                    act(number);
                }
            });
        }
    });
}

fn credit(amount: &str) -> Value {
    json!({"amount": amount, "category": "goodwill"})
}

/// All entries of a customer, newest first.
fn entries(admin: &Caller, customer: &str) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = admin.get(&format!("/v1/customers/{customer}/entries?limit=150{cursor}"));
        assert_eq!(page.status, 200, "{page:?}");
        entries.extend(page.json["data"].as_array().unwrap().clone());
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break entries,
        }
    }
}

/// The amounts that were booked as expired, oldest first.
fn expired(admin: &Caller, customer: &str) -> Vec<String> {
    let entries = entries(admin, customer).into_iter().filter(|entry| entry["type"] == "expire");
    let mut amounts: Vec<_> = entries.map(|entry| entry["amount"].as_str().unwrap().to_owned()).collect();
    amounts.reverse();
    amounts
}
