//! What the service does, one thing after the other: what there has to be before, what is done, and what may differ where a
//! fault befell it.

use serde_json::{Value, json};

use crate::support::world::{START, order};

/// Something that somebody does.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A client asks, until it has an answer that is final.
    Ask {
        function: &'static str,
        method: &'static str,
        path: String,
        key: Option<&'static str>,
        body: Value,
        by: By,
    },
    /// The table's stream brings what has changed since the deed before, until nothing comes any more.
    Follow(Follower),
    /// The schedule runs for this moment, until a run succeeds.
    Expire(&'static str),
    /// The daily audit runs, until a run succeeds.
    Audit,
    /// The books are closed of the days that are over at this moment, until a run succeeds.
    Close(&'static str),
    /// An operator imports rows of another system for alice, until a run succeeds: day of January, and cents.
    Import(&'static [(u8, i64)]),
    /// The queue of mails delivers what the change before tells of, until it is delivered.
    Mail,
}

/// By whose key a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The first admin's, which is not looked up.
    Admin,
    /// A shop's, which is.
    Shop,
}

/// Who follows the table's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follower {
    Groups,
    Lists,
}

/// What may differ from an undisturbed run, and why it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Differs {
    /// A free text is salted anew by each try, and so is the entry's hash another.
    Salts,
    /// A document is written again by whoever was not answered: its version counts that, and a line says that nothing changed.
    Versions,
    /// What is random is another in each run.
    Random,
    /// Whoever was not answered makes another one: keys and secrets are shown once, and no two calls have one name.
    Another,
    /// Whoever was not answered is told by the next call that it is done already.
    DoneAlready,
    /// How often a job was carried on, or a document of it written, counts the tries.
    Steps,
    /// What a run counts is what that run did, of which another may have done some before.
    Counts,
    /// When somebody was told is when they were told in the end.
    Moments,
    /// What an index answers may be of moments ago.
    Behind,
}

/// One operation.
pub struct Operation {
    pub name: &'static str,
    pub before: Vec<Deed>,
    pub deed: Deed,
    /// When it is done, all tries of it: so no moment may differ.
    pub at: &'static str,
    pub differs: &'static [Differs],
}

fn ask(method: &'static str, function: &'static str, path: &str, body: Value) -> Deed {
    Deed::Ask { function, method, path: path.to_owned(), key: None, body, by: By::Admin }
}

fn get(function: &'static str, path: &str) -> Deed {
    ask("GET", function, path, Value::Null)
}

impl Deed {
    fn under(self, key: &'static str) -> Self {
        match self {
            Self::Ask { function, method, path, body, by, .. } => {
                Self::Ask { function, method, path, key: Some(key), body, by }
            }
            other => other,
        }
    }

    fn by_shop(self) -> Self {
        match self {
            Self::Ask { function, method, path, key, body, .. } => {
                Self::Ask { function, method, path, key, body, by: By::Shop }
            }
            other => other,
        }
    }
}

fn grant(customer: &str, key: &'static str, more: Value) -> Deed {
    let mut body = json!({"amount": "25.00", "category": "paid"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask("POST", "grant", &format!("/v1/customers/{customer}/grants"), body).under(key)
}

fn redeem(key: &'static str, more: Value) -> Deed {
    let mut body = json!({"order": order(key, "10.00")});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ask("POST", "redeem", "/v1/customers/alice/redemptions", body).under(key)
}

fn on(action: &str, key: &'static str, body: Value) -> Deed {
    ask("POST", "redeem", &format!("/v1/customers/alice/redemptions/{action}"), body).under(key)
}

fn request_topup(key: &'static str) -> Deed {
    let body = json!({"amount": "50.00", "payment": {"mode": "online", "method": "stripe"}});
    ask("POST", "request-topup", "/v1/customers/alice/topups", body).under(key).by_shop()
}

fn settings(body: Value) -> Deed {
    ask("PUT", "settings", "/v1/settings", body)
}

fn customer(customer: &str, body: Value) -> Deed {
    ask("PUT", "settings", &format!("/v1/customers/{customer}"), body)
}

fn group(body: Value) -> Deed {
    ask("PUT", "settings", "/v1/groups/vip", body)
}

fn group_grant() -> Deed {
    let body = json!({"amount": "5.00", "category": "promotional"});
    ask("POST", "grant", "/v1/groups/vip/grants", body).under("k")
}

fn webhook(body: Value) -> Deed {
    ask("PUT", "settings", "/v1/settings/webhooks/erp", body)
}

fn operation(name: &'static str, before: Vec<Deed>, deed: Deed) -> Operation {
    Operation { name, before, deed, at: START, differs: &[] }
}

impl Operation {
    fn at(self, at: &'static str) -> Self {
        Self { at, ..self }
    }

    fn differing(self, differs: &'static [Differs]) -> Self {
        Self { differs, ..self }
    }
}

/// All that moves credit, or decides how it moves; then what keeps up with it; then what is read.
pub fn all() -> Vec<Operation> {
    let mut all = moving();
    all.extend(deciding());
    all.extend(following());
    all.extend(reading());
    all
}

fn moving() -> Vec<Operation> {
    let two_grants =
        || vec![grant("alice", "g1", json!({})), grant("alice", "g2", json!({"category": "goodwill"}))];
    let then = |mut before: Vec<Deed>, next: Deed| {
        before.push(next);
        before
    };
    let held = || then(two_grants(), redeem("h1", json!({"hold": true})));
    let asked = || then(two_grants(), request_topup("t1"));
    let topup = |action: &str, function, body| {
        ask("POST", function, &format!("/v1/customers/alice/topups/{{topup}}/{action}"), body)
    };
    let reason = json!({"reason": "by mistake"});
    let soon = json!({"expires_at": "2026-11-22T10:00:30Z"});
    let may_owe =
        || vec![settings(json!({"overdraft_limit": {"USD": "100.00"}})), grant("alice", "g1", soon.clone())];
    vec![
        operation(
            "grant, an account's first, by a shop",
            vec![],
            grant("alice", "k", json!({"expires_on": "2026-12-31"})).by_shop(),
        ),
        operation("grant", two_grants(), grant("alice", "k", json!({"reference": "order-1"}))),
        operation(
            "grant with a note",
            two_grants(),
            grant("alice", "k", json!({"note": "for the late parcel"})),
        )
        .differing(&[Differs::Salts]),
        operation(
            "redeem, by a shop",
            two_grants(),
            redeem("k", json!({"amount": "30.00", "order": order("1", "40.00")})).by_shop(),
        ),
        operation("redeem beside credit that is over", may_owe(), redeem("k", json!({"amount": "10.00"})))
            .at("2026-11-22T10:05:00Z"),
        operation("hold", two_grants(), redeem("k", json!({"hold": true}))),
        operation("capture", held(), on("USD-3/capture", "k", json!({"amount": "6.00"}))),
        operation("void of a hold", held(), on("USD-3/void", "k", json!({}))),
        operation(
            "refund",
            then(two_grants(), redeem("r1", json!({}))),
            on("USD-3/refund", "k", json!({"amount": "4.00"})),
        ),
        operation(
            "refund, the second",
            then(
                then(two_grants(), redeem("r1", json!({}))),
                on("USD-3/refund", "f1", json!({"amount": "4.00"})),
            ),
            on("USD-3/refund", "k", json!({"amount": "4.00"})),
        ),
        operation(
            "withdraw",
            two_grants(),
            ask(
                "POST",
                "withdraw",
                "/v1/customers/alice/withdrawals",
                json!({"amount": "5.00", "journal": "cash"}),
            )
            .under("k"),
        ),
        operation(
            "debit",
            two_grants(),
            ask(
                "POST",
                "grant",
                "/v1/customers/alice/debits",
                json!({"amount": "5.00", "reason": "counted twice"}),
            )
            .under("k"),
        )
        .differing(&[Differs::Salts]),
        operation(
            "void of a lot",
            two_grants(),
            ask("POST", "grant", "/v1/customers/alice/lots/USD-1/void", reason.clone()).under("k"),
        )
        .differing(&[Differs::Salts]),
        operation(
            "move of an expiry",
            two_grants(),
            ask(
                "PATCH",
                "grant",
                "/v1/customers/alice/lots/USD-1",
                json!({"expires_on": "2027-12-31", "reason": "as agreed"}),
            )
            .under("k"),
        )
        .differing(&[Differs::Salts]),
        operation("request of a top-up", two_grants(), request_topup("k")),
        operation(
            "request of a top-up that the settings approve",
            then(two_grants(), settings(json!({"topup_approval": "automatic"}))),
            request_topup("k"),
        ),
        operation("approve", asked(), topup("approve", "approve", json!({})).under("k")),
        operation(
            "approve less",
            asked(),
            topup("approve", "approve", json!({"amount": "20.00"})).under("k"),
        ),
        operation("reject", asked(), topup("reject", "approve", json!({"reason": "not paid"})))
            .differing(&[Differs::DoneAlready]),
        operation("cancel", asked(), topup("cancel", "request-topup", Value::Null).by_shop())
            .differing(&[Differs::DoneAlready]),
        operation("grant to a group", vec![group(json!({}))], group_grant()).differing(&[Differs::Steps]),
        operation("grant to a group, asked for again", vec![group(json!({})), group_grant()], group_grant())
            .differing(&[Differs::Steps]),
        operation(
            "grant to a group, carried out",
            vec![
                group(json!({})),
                customer("alice", json!({"group": "vip"})),
                customer("bob", json!({"group": "vip"})),
                customer("carol", json!({"group": "vip", "policy": {"balance_limit": {"USD": "1.00"}}})),
                group_grant(),
            ],
            Deed::Follow(Follower::Groups),
        ),
        operation(
            "joining grant",
            vec![
                group(
                    json!({"joining_grant": {"amount": "3.00", "category": "promotional", "reference": "welcome"}}),
                ),
                customer("alice", json!({"group": "vip"})),
            ],
            Deed::Follow(Follower::Groups),
        ),
        operation(
            "schedule: what has expired",
            vec![
                grant("bob", "g1", json!({"expires_on": "2026-12-31"})),
                grant("alice", "g1", json!({"expires_on": "2026-11-30"})),
            ],
            Deed::Expire("2026-12-02T10:00:00Z"),
        )
        .differing(&[Differs::Counts]),
        operation(
            "schedule: top-ups that lapse, or were approved",
            vec![
                settings(json!({"topup_pending_days": 3})),
                request_topup("t1"),
                topup("approve", "approve", json!({})).under("a1"),
                request_topup("t2"),
            ],
            Deed::Expire("2026-11-27T10:00:00Z"),
        )
        .differing(&[Differs::Counts]),
        operation(
            "schedule: an expiry that reaches back",
            vec![
                grant("alice", "g1", json!({})),
                grant("bob", "g1", json!({})),
                settings(json!({"expiry_days": 30, "apply_to_existing": true})),
            ],
            Deed::Expire(START),
        )
        .differing(&[Differs::Counts]),
        operation(
            "schedule: reminders",
            vec![
                grant("alice", "g1", json!({"expires_on": "2026-11-29"})),
                grant("alice", "g2", json!({"expires_on": "2026-11-29", "currency": "EUR"})),
                settings(json!({"remind_days": [7]})),
            ],
            Deed::Expire(START),
        )
        .differing(&[Differs::Counts]),
    ]
}

fn deciding() -> Vec<Operation> {
    let webhooks = || webhook(json!({"url": "https://erp.example.com/scrip"}));
    vec![
        operation(
            "write the settings",
            vec![settings(json!({"remind_days": [7]}))],
            settings(json!({"expiry_days": 365})),
        )
        .differing(&[Differs::Versions]),
        operation(
            "write the settings, reaching back",
            vec![grant("alice", "g1", json!({}))],
            settings(json!({"expiry_days": 30, "apply_to_existing": true})),
        )
        .differing(&[Differs::Versions]),
        operation("write a group", vec![group(json!({}))], group(json!({"policy": {"expiry_days": 30}})))
            .differing(&[Differs::Versions]),
        operation(
            "write a customer",
            vec![group(json!({}))],
            customer("alice", json!({"name": "Alice", "email": "alice@example.com", "group": "vip"})),
        )
        .differing(&[Differs::Versions]),
        operation(
            "write a customer's own rules, reaching back",
            vec![grant("alice", "g1", json!({})), grant("alice", "g2", json!({"currency": "EUR"}))],
            customer(
                "alice",
                json!({"policy": {"remind_days": [30], "expiry_days": 60, "apply_to_existing": true}}),
            ),
        )
        .differing(&[Differs::Versions]),
        operation(
            "write how mails are sent",
            vec![],
            ask("PUT", "settings", "/v1/settings/mail", json!({"sender": "shop@example.com"})),
        )
        .differing(&[Differs::Versions]),
        operation("set a webhook", vec![], webhooks()).differing(&[
            Differs::Versions,
            Differs::Random,
            Differs::Another,
        ]),
        operation(
            "rewrite a webhook",
            vec![webhooks()],
            webhook(json!({"url": "https://other.example.com/"})),
        )
        .differing(&[Differs::Versions]),
        operation(
            "renew a webhook's secret",
            vec![webhooks()],
            ask("POST", "settings", "/v1/settings/webhooks/erp/secret", json!({})),
        )
        .differing(&[Differs::Versions, Differs::Random, Differs::Another]),
        operation(
            "delete a webhook",
            vec![webhooks()],
            ask("DELETE", "settings", "/v1/settings/webhooks/erp", Value::Null),
        )
        .differing(&[Differs::DoneAlready]),
        operation(
            "make an API key",
            vec![],
            ask("POST", "settings", "/v1/api-keys", json!({"role": "store", "name": "till"})),
        )
        .differing(&[Differs::Random, Differs::Another]),
        operation(
            "revoke an API key",
            vec![ask("POST", "settings", "/v1/api-keys", json!({"role": "store"}))],
            ask("DELETE", "settings", "/v1/api-keys/{key}", Value::Null),
        ),
        operation(
            "erase personal data",
            vec![
                grant("alice", "g1", json!({"note": "for the late parcel"})),
                grant("alice", "g2", json!({"internal_note": "she called"})),
                request_topup("t1"),
                ask(
                    "POST",
                    "approve",
                    "/v1/customers/alice/topups/{topup}/reject",
                    json!({"reason": "not paid"}),
                ),
                customer("alice", json!({"name": "Alice", "email": "alice@example.com"})),
            ],
            ask("DELETE", "settings", "/v1/customers/alice/personal-data", Value::Null),
        ),
    ]
}

fn following() -> Vec<Operation> {
    vec![
        operation("list a new account", vec![grant("alice", "g1", json!({}))], Deed::Follow(Follower::Lists)),
        operation(
            "list a changed balance",
            vec![
                grant("alice", "g1", json!({})),
                Deed::Follow(Follower::Lists),
                grant("alice", "g2", json!({})),
            ],
            Deed::Follow(Follower::Lists),
        ),
        operation(
            "list a customer's name and group",
            vec![group(json!({})), customer("alice", json!({"name": "Alice", "group": "vip"}))],
            Deed::Follow(Follower::Lists),
        ),
        operation(
            "book an expiry and a refund",
            vec![
                grant("alice", "g1", json!({"expires_on": "2026-12-31"})),
                redeem("r1", json!({})),
                Deed::Follow(Follower::Lists),
                on("USD-2/refund", "f1", json!({"amount": "4.00"})),
                Deed::Expire("2027-01-01T00:00:00Z"),
            ],
            Deed::Follow(Follower::Lists),
        ),
        operation(
            "book an entry that comes late",
            vec![
                grant("alice", "g1", json!({})),
                Deed::Follow(Follower::Lists),
                Deed::Close("2026-11-24T10:00:00Z"),
                redeem("r1", json!({})),
            ],
            Deed::Follow(Follower::Lists),
        )
        .at("2026-11-24T12:00:00Z")
        .differing(&[Differs::Steps]),
        operation(
            "close the books, the first time",
            vec![
                grant("alice", "g1", json!({})),
                grant("bob", "g1", json!({"currency": "EUR"})),
                Deed::Follow(Follower::Lists),
            ],
            Deed::Close("2026-11-23T10:00:00Z"),
        )
        .differing(&[Differs::Counts]),
        operation(
            "close the books of the days since",
            vec![
                grant("alice", "g1", json!({"expires_on": "2026-11-30"})),
                grant("bob", "g1", json!({"expires_on": "2026-12-01"})),
                Deed::Follow(Follower::Lists),
                Deed::Close("2026-11-23T10:00:00Z"),
                Deed::Expire("2026-12-01T10:00:00Z"),
                Deed::Expire("2026-12-02T10:00:00Z"),
                Deed::Follow(Follower::Lists),
            ],
            Deed::Close("2026-12-05T10:00:00Z"),
        )
        .differing(&[Differs::Counts]),
        operation(
            "deliver a mail",
            vec![
                ask("PUT", "settings", "/v1/settings/mail", json!({"sender": "shop@example.com"})),
                customer("alice", json!({"email": "alice@example.com"})),
                grant("alice", "g1", json!({})),
            ],
            Deed::Mail,
        )
        .differing(&[Differs::Moments]),
        operation(
            "import: rows of a customer whom nobody knows",
            vec![],
            Deed::Import(&[(1, 2_500), (2, -2_000), (3, 700)]),
        )
        .differing(&[Differs::Counts]),
        operation(
            "import: a later file, which takes and brings",
            vec![Deed::Import(&[(1, 2_500), (2, -2_000)])],
            Deed::Import(&[(1, 2_500), (2, -2_000), (3, -700), (4, 900)]),
        )
        .differing(&[Differs::Counts]),
        operation(
            "audit, a round",
            vec![grant("alice", "g1", json!({})), grant("bob", "g1", json!({}))],
            Deed::Audit,
        )
        .differing(&[Differs::Counts, Differs::Steps]),
    ]
}

fn reading() -> Vec<Operation> {
    let some = || {
        vec![
            group(json!({})),
            customer("alice", json!({"name": "Alice", "group": "vip"})),
            grant("alice", "g1", json!({"expires_on": "2026-12-31"})),
            grant("alice", "g2", json!({"currency": "EUR"})),
            redeem("r1", json!({})),
            on("USD-2/refund", "f1", json!({"amount": "4.00"})),
            request_topup("t1"),
            Deed::Follow(Follower::Lists),
        ]
    };
    let read = |name, function, path: &str| operation(name, some(), get(function, path));
    // One day is closed, and of the next one something is booked.
    let report = |name, path: &str| {
        let mut before = some();
        before.extend([
            Deed::Close("2026-11-23T10:00:00Z"),
            Deed::Expire("2027-01-01T00:00:00Z"),
            Deed::Follow(Follower::Lists),
        ]);
        operation(name, before, get("reports", path)).at("2027-01-01T12:00:00Z")
    };
    vec![
        operation(
            "quote",
            some(),
            ask(
                "POST",
                "redeem",
                "/v1/customers/alice/redemptions/quote",
                json!({"order": order("2", "10.00")}),
            ),
        ),
        operation(
            "quote by settings",
            some(),
            ask(
                "POST",
                "settings",
                "/v1/settings/quote",
                json!({"order": order("2", "10.00"), "credit": "5.00"}),
            ),
        ),
        read("read a customer", "history", "/v1/customers/alice"),
        read("read the journal", "reports", "/v1/journal?from=2026-11-01&to=2026-11-30"),
        report("report the liability", "/v1/reports/liability"),
        report("report the ages", "/v1/reports/ageing?as_of=2026-11-22"),
        report("report what expires", "/v1/reports/expiring"),
        report("report the movements", "/v1/reports/movements?from=2026-11&to=2027-01"),
        read(
            "read a statement",
            "history",
            "/v1/customers/alice/statement?currency=USD&from=2026-11-01&to=2026-11-30",
        ),
        read(
            "read a customer as of a past moment",
            "history",
            "/v1/customers/alice?as_of=2026-11-22T10:00:00Z",
        ),
        read("read entries of all currencies", "history", "/v1/customers/alice/entries"),
        read(
            "read entries of one currency",
            "history",
            "/v1/customers/alice/entries?currency=USD&type=grant",
        ),
        read("read a customer's top-ups", "history", "/v1/customers/alice/topups"),
        read("verify a customer", "history", "/v1/customers/alice/verification"),
        read("list customers by name", "history", "/v1/customers").differing(&[Differs::Behind]),
        read("list customers by balance", "history", "/v1/customers?sort=-balance")
            .differing(&[Differs::Behind]),
        read("list top-ups that wait", "approve", "/v1/topups").differing(&[Differs::Behind]),
        read("read the settings", "settings", "/v1/settings"),
        read("read the settings' changes", "settings", "/v1/settings/changes"),
        read("read a customer's changes", "settings", "/v1/customers/alice/changes"),
        read("list groups", "settings", "/v1/groups"),
        read("list API keys", "settings", "/v1/api-keys").differing(&[Differs::Random, Differs::Behind]),
        read("read a group", "settings", "/v1/groups/vip"),
        read("read how mails are sent", "settings", "/v1/settings/mail"),
        read("list webhooks", "settings", "/v1/settings/webhooks"),
        operation(
            "read a grant to a group",
            vec![
                group(json!({})),
                customer("carol", json!({"group": "vip", "policy": {"balance_limit": {"USD": "1.00"}}})),
                group_grant(),
                Deed::Follow(Follower::Groups),
            ],
            get("grant", "/v1/group-grants/{job}"),
        ),
    ]
}
