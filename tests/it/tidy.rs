//! The repository as a text: what must stand in several places stands in all, and what must be absent is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use console::Site;
use local::{Template, TemplateRoute};
use serde_json::{Value, json};

/// Names of the house, each with those that it may depend on.
const LAYERS: [(&str, &[&str]); 5] = [
    ("shared/ledger", &[]),
    ("shared/store", &["ledger"]),
    ("shared/edge", &["ledger", "store"]),
    ("shared/mail", &["ledger"]),
    ("functions/", &["ledger", "store", "edge", "mail"]),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn manifest(path: &str) -> toml::Table {
    read(path).parse().unwrap()
}

/// The names in a folder.
fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All text files below these folders whose names end so, with their paths.
fn files(folders: &[&str], ending: &str) -> Vec<(String, String)> {
    let mut files = Vec::new();
    let mut due: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    while let Some(folder) = due.pop() {
        for path in names(&folder).iter().map(|name| format!("{folder}/{name}")) {
            if root().join(&path).is_dir() {
                due.push(path);
            } else if path.ends_with(ending) {
                let text = read(&path);
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{folders:?} hold no {ending}");
    files
}

/// Where one of these words stands, as `path:line: text`.
fn places(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let mut places = Vec::new();
    for (path, text) in files {
        for (number, line) in text.lines().enumerate() {
            if words.iter().any(|word| has_word(line, word)) {
                places.push(format!("{path}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    places
}

/// Whether the line has this as a whole word, or, if it does not begin and end like one, at all.
fn has_word(line: &str, word: &str) -> bool {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + word.len()..]);
        !(word.starts_with(of_word) && before.ends_with(of_word)
            || word.ends_with(of_word) && after.starts_with(of_word))
    })
}

#[track_caller]
fn nowhere(files: &[(String, String)], words: &[&str]) {
    let places = places(files, words);
    assert!(places.is_empty(), "{words:?} stand at\n{}", places.join("\n"));
}

/// Every manifest of the workspace's members, by its folder.
fn members() -> Vec<(String, toml::Table)> {
    let mut folders = ["infra/local", "infra/scrip", "tests", "tests/bench", "tests/bench/hello"]
        .map(str::to_owned)
        .to_vec();
    for parent in ["functions", "shared"] {
        folders.extend(names(parent).iter().map(|name| format!("{parent}/{name}")));
    }
    folders.into_iter().map(|folder| (folder.clone(), manifest(&format!("{folder}/Cargo.toml")))).collect()
}

/// What a manifest's tables of dependencies name.
fn dependencies(manifest: &toml::Table) -> BTreeMap<String, toml::Value> {
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let tables = tables.iter().filter_map(|table| manifest.get(*table)?.as_table());
    tables.flat_map(|table| table.iter().map(|(name, value)| (name.clone(), value.clone()))).collect()
}

#[test]
fn words_are_told_from_parts_of_words() {
    assert!(has_word("let x: f64 = 1;", "f64") && !has_word("let f640 = leaf64;", "f64"));
    assert!(has_word("at = Timestamp::now();", "::now(") && !has_word("AccountView::now(", "Timestamp::now"));
}

#[test]
fn every_function_has_its_folder_its_resource_its_code_and_its_row() {
    let folders = names("functions");
    let template = Template::read().unwrap();
    let mut resources = template.functions().unwrap();
    resources.sort();
    resources.dedup();
    assert_eq!(folders, resources, "functions/ and infra/template.yaml");

    let behind = template.resources("AWS::Serverless::Function").filter(|(_, function)| {
        let events = function.pointer("/Properties/Events").and_then(Value::as_object).unwrap();
        events.values().all(|event| event["Type"] != "HttpApi")
    });
    let behind =
        behind.map(|(_, function)| function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap());
    let mut code: Vec<&str> =
        local::functions(&Site::default()).unwrap().into_iter().map(|(name, _)| name).chain(behind).collect();
    code.sort_unstable();
    code.dedup();
    assert_eq!(folders, code, "functions/ and local::functions() with those that no caller reaches");

    let readme = read("README.md");
    for name in &folders {
        let row = format!("| `{name}` |");
        assert!(readme.lines().any(|line| line.starts_with(&row)), "README.md has no row {row}");
        let package = manifest(&format!("functions/{name}/Cargo.toml"));
        assert_eq!(package["package"]["name"].as_str(), Some(name.as_str()));
        let main = read(&format!("functions/{name}/src/main.rs"));
        assert_eq!(main.lines().count(), 6, "functions/{name}/src/main.rs starts it and does nothing else");
    }
}

#[test]
fn code_template_and_manifest_have_the_same_routes() {
    let route = |function: &str, method: &str, path: &str| TemplateRoute {
        function: function.to_owned(),
        method: method.to_owned(),
        path: path.to_owned(),
    };
    let mut template: Vec<_> = Template::read().unwrap().routes().unwrap();
    template.sort();
    let (default, template): (Vec<_>, Vec<_>) =
        template.into_iter().partition(|route| route.method == "$default");

    let mut code = Vec::new();
    for (function, routes) in local::functions(&Site::default()).unwrap() {
        code.extend(routes.iter().map(|of| route(function, of.method.as_str(), of.path)));
    }
    code.sort();
    assert_eq!(template, code, "the template's routes and the functions' own");

    let manifest = manifest("Cargo.toml");
    let router = manifest["workspace"]["metadata"]["lambda"]["watch"]["router"].as_table().unwrap();
    let mut watched = Vec::new();
    let mut caught = Vec::new();
    for (path, to) in router {
        match to.as_str() {
            Some(function) => caught.push((function, path.as_str())),
            None => watched.extend(to.as_array().unwrap().iter().map(|to| {
                assert_eq!(to.as_table().unwrap().len(), 2, "{path}: {to:?}");
                route(to["function"].as_str().unwrap(), to["method"].as_str().unwrap(), path)
            })),
        }
    }
    watched.sort();
    caught.sort_unstable();
    assert_eq!(template, watched, "the template's routes and Cargo.toml's");
    let [default] = &default[..] else { panic!("the template has {} default routes", default.len()) };
    assert_eq!(caught, [(default.function.as_str(), "/"), (default.function.as_str(), "/{*path}")]);
}

#[test]
fn every_problem_is_documented_and_every_documented_one_exists() {
    let source = read("shared/edge/src/problem.rs");
    let literal = |text: &str| text.split_once('"').map(|(literal, _)| literal.to_owned());
    let mut codes = BTreeSet::new();
    for (start, begin) in source.match_indices("StatusCode::").chain(source.match_indices("unprocessable(")) {
        let rest = &source[start + begin.len()..];
        let rest = rest.trim_start_matches(|c: char| {
            c.is_ascii_uppercase() || c == '_' || c == ',' || c.is_whitespace()
        });
        if let Some(rest) = rest.strip_prefix('"') {
            codes.insert(literal(rest).unwrap());
        }
    }
    // Each is made by one of these two; a third way would go unseen.
    let made = source.matches("Self::new(").count() + source.matches("unprocessable(").count();
    assert!(codes.len() > 25 && codes.len() <= made, "{} codes, {made} makers", codes.len());

    let readme = read("README.md");
    let (_, table) = readme.split_once("\n## Problems\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| 4") || line.starts_with("| 5"));
    let documented: BTreeSet<String> = rows
        .filter_map(|row| row.split('|').nth(2))
        .flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(codes, documented, "problem.rs and README.md's problems");
}

#[test]
fn dependencies_point_one_way() {
    let house: BTreeSet<String> = members().iter().map(|(_, manifest)| named(manifest)).collect();
    for (folder, manifest) in members() {
        let Some((_, allowed)) = LAYERS.iter().find(|(of, _)| folder.starts_with(of)) else { continue };
        for name in dependencies(&manifest).keys().filter(|name| house.contains(*name)) {
            assert!(allowed.contains(&name.as_str()), "{folder} depends on {name}");
        }
    }

    // Whatever the ledger needs, directly or not, and for its tests as well.
    let lock = manifest("Cargo.lock");
    let packages: Vec<&toml::Table> =
        lock["package"].as_array().unwrap().iter().map(|p| p.as_table().unwrap()).collect();
    let mut reached = BTreeSet::new();
    let mut due = vec!["ledger".to_owned()];
    while let Some(name) = due.pop() {
        if reached.insert(name.clone()) {
            let of_name = packages.iter().filter(|package| package["name"].as_str() == Some(&name));
            let needed = of_name.filter_map(|package| package.get("dependencies")?.as_array()).flatten();
            due.extend(needed.map(|needed| needed.as_str().unwrap().split(' ').next().unwrap().to_owned()));
        }
    }
    assert!(reached.contains("jiff"), "{reached:?}");
    for outer in ["aws", "tokio", "lambda", "http", "hyper", "axum", "rusqlite"] {
        let found: Vec<_> = reached.iter().filter(|name| name.starts_with(outer)).collect();
        assert!(found.is_empty(), "the ledger depends on {found:?}");
    }
}

fn named(manifest: &toml::Table) -> String {
    manifest["package"]["name"].as_str().unwrap().to_owned()
}

#[test]
fn nothing_outside_the_store_names_dynamodb() {
    for (folder, manifest) in members() {
        let names = dependencies(&manifest).contains_key("aws-sdk-dynamodb");
        // What is measured beside the store has a client of its own.
        assert_eq!(names, ["shared/store", "tests/bench"].contains(&folder.as_str()), "{folder}/Cargo.toml");
    }
    let mut others = files(&["functions", "infra", "shared", "tests"], ".rs");
    let may = ["shared/store/", "tests/bench/", "tests/it/tidy.rs"];
    others.retain(|(path, _)| !may.iter().any(|may| path.starts_with(may)));
    nowhere(&others, &["aws_sdk_dynamodb"]);
    nowhere(&files(&["functions"], ".rs"), &["aws_", "DynamoDB"]);
}

#[test]
fn only_the_auditor_reads_the_table_as_a_whole() {
    let mut others = files(&["functions", "infra", "shared"], ".rs");
    others.retain(|(path, _)| path != "shared/store/src/records.rs" && !path.starts_with("infra/scrip/"));
    nowhere(&others, &["scan_part(", ".scan("]);
}

#[test]
fn statuses_are_chosen_in_two_places() {
    let mut others = files(&["shared", "functions"], ".rs");
    others.retain(|(path, _)| path != "shared/edge/src/problem.rs" && path != "shared/edge/src/reply.rs");
    nowhere(&others, &["StatusCode"]);
}

#[test]
fn functions_hold_nothing_that_belongs_to_a_layer_below() {
    let mut functions = files(&["functions"], ".rs");
    // What is packed before anything runs has the environment of the build.
    let packed = ["functions/console/build.rs", "functions/console/src/files.rs"];
    functions.retain(|(path, _)| !packed.contains(&path.as_str()));
    nowhere(&functions, &["json!", "env", "lambda_http", "lambda_runtime", "Timestamp::now"]);
}

#[test]
fn there_is_no_float() {
    nowhere(&files(&["shared", "functions", "infra"], ".rs"), &["f32", "f64"]);
}

#[test]
fn rules_and_store_have_no_clock() {
    let clocks = ["Timestamp::now", "Zoned::now", "SystemTime::now", "Instant::now"];
    nowhere(&files(&["shared/ledger", "shared/mail", "shared/store", "functions"], ".rs"), &clocks);
    // The time of a call enters once.
    let mut edge = files(&["shared/edge"], ".rs");
    edge.retain(|(path, _)| path != "shared/edge/src/start.rs");
    nowhere(&edge, &["Timestamp::now", "Zoned::now", "SystemTime::now"]);
}

#[test]
fn nothing_is_left_for_later_or_let_pass() {
    let folders = ["functions", "infra", "shared", "tests"];
    let rust = files(&folders, ".rs");
    let mut all = files(&folders, ".toml");
    all.extend(rust.clone());
    all.extend(files(&["infra"], ".yaml"));
    all.extend(files(&["docs"], ".md"));
    all.extend(files(&[".ci"], ""));
    let alone = ["Cargo.toml", "README.md", "samconfig.toml", "deny.toml"];
    all.extend(alone.map(|path| (path.to_owned(), read(path))));
    // In two parts each, so that they do not stand here.
    nowhere(&all, &[&["TO", "DO"].concat(), &["FIX", "ME"].concat()]);
    nowhere(&rust, &[&["#[", "allow("].concat(), &["#![", "allow("].concat()]);
    // As a word this is also a currency, that of tests.
    let marks = places(&all, &[&["X", "XX"].concat()]);
    let marks: Vec<_> = marks.iter().filter(|place| place.contains("// ") || place.contains("# ")).collect();
    assert!(marks.is_empty(), "{marks:?}");
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in files(&["functions", "infra", "shared", "tests"], ".rs") {
        assert!(text.starts_with("//! "), "{path} does not begin with //!");
    }
}

#[test]
fn every_version_stands_once() {
    let workspace = manifest("Cargo.toml");
    let house = workspace["workspace"]["dependencies"].as_table().unwrap();
    let mut used = BTreeSet::new();
    for (folder, manifest) in members() {
        for (name, value) in dependencies(&manifest) {
            let inherited = value.get("workspace").and_then(toml::Value::as_bool);
            assert_eq!(inherited, Some(true), "{folder}/Cargo.toml: {name}");
            used.insert(name);
        }
        for field in ["version", "edition", "rust-version", "license", "publish"] {
            let inherited = manifest["package"][field].get("workspace").and_then(toml::Value::as_bool);
            assert_eq!(inherited, Some(true), "{folder}/Cargo.toml: {field}");
        }
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{folder}/Cargo.toml: lints");
        let last = folder.rsplit('/').next().unwrap();
        assert_eq!(named(&manifest), last, "a package is named like its folder");
    }
    let unused: Vec<_> = house.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "Cargo.toml names {unused:?}, which nobody uses");
}

#[test]
fn what_ships_is_built_as_the_manifest_says() {
    let release = manifest("Cargo.toml")["profile"]["release"].clone();
    // Of these, cargo-lambda chooses whatever the manifest does not: `abort`, so that no panic would ever be reported.
    for chosen in ["codegen-units", "lto", "panic", "strip"] {
        assert!(release.get(chosen).is_some(), "profile.release leaves {chosen} to cargo-lambda");
    }
    assert_eq!(release["panic"].as_str(), Some("unwind"));
}

/// A function of the template: its logical name, its properties, and the statements of its rights.
fn functions() -> Vec<(String, Value, Vec<Value>)> {
    let template = Template::read().unwrap();
    let functions = template.resources("AWS::Serverless::Function").map(|(name, function)| {
        let properties = function["Properties"].clone();
        let policies = properties.get("Policies").map(|policies| policies.as_array().unwrap());
        let policies = policies.into_iter().flatten();
        let statements = policies.flat_map(|policy| match policy["Statement"].as_array() {
            Some(statements) => statements.clone(),
            None => panic!("{name} has a policy that is no list of statements: {policy}"),
        });
        (name.to_owned(), properties.clone(), statements.collect())
    });
    functions.collect()
}

/// One text or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(values) => values.iter().map(|value| value.as_str().unwrap()).collect(),
        value => vec![value.as_str().unwrap_or_else(|| panic!("{value} is no text"))],
    }
}

#[test]
fn functions_may_do_what_they_need_and_write_in_transactions_alone() {
    const MAY: [&str; 4] =
        ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"];
    let template = Template::read().unwrap();
    let (table, ledger) = template.resources("AWS::DynamoDB::Table").next().unwrap();
    let indexes = ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"];
    let indexes = indexes.iter().flat_map(|kind| ledger["Properties"][*kind].as_array().unwrap());
    let indexes =
        indexes.map(|index| format!("${{{table}.Arn}}/index/{}", index["IndexName"].as_str().unwrap()));
    let resources: Vec<String> = indexes.chain([format!("{table}.Arn")]).collect();
    // The one that tells others may do that, and nothing else.
    let tells =
        json!([{"Sid": "Tell", "Effect": "Allow", "Action": "events:PutEvents", "Resource": "EventBus.Arn"}]);

    // Nor do those that deliver reach anything but their queue, the notes of who was told, and the post.
    let delivers = |queue: &str, mails: bool| {
        let read =
            json!({"Sid": "Read", "Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": "Ledger.Arn"});
        let note = json!({"Sid": "NoteWhoWasTold", "Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": "Ledger.Arn",
            "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["TOLD#*"]}, "Null": {"dynamodb:LeadingKeys": "false"}}});
        let mail = json!({"Sid": "Mail", "Effect": "Allow", "Action": ["ses:SendEmail", "ses:SendRawEmail"],
            "Resource": "arn:${AWS::Partition}:ses:${AWS::Region}:${AWS::AccountId}:identity/*"});
        let pause = json!({"Sid": "Pause", "Effect": "Allow", "Action": "sqs:ChangeMessageVisibility", "Resource": queue});
        Value::Array(
            [Some(read), Some(note), mails.then_some(mail), Some(pause)].into_iter().flatten().collect(),
        )
    };

    let mut writers = Vec::new();
    for (name, properties, statements) in functions() {
        assert!(properties.get("Role").is_none(), "{name} has a role of its own");
        // Files need no rights, and the stack's variables no place beside them.
        if name == "Console" {
            assert!(statements.is_empty(), "{name} may {statements:?}");
            let template = template.tree()["Resources"][&name].clone();
            assert_eq!(template["IgnoreGlobals"], json!(["Environment"]));
            let variables = properties["Environment"]["Variables"].as_object().unwrap();
            let secret = ["SCRIP_TABLE", "SCRIP_ADMIN_KEY_SHA256"];
            assert!(!secret.iter().any(|name| variables.contains_key(*name)), "{variables:?}");
            continue;
        }
        assert!(!statements.is_empty(), "{name} may do nothing");
        if name == "Notify" {
            assert_eq!(json!(statements), tells);
            continue;
        }
        if let Some(what) = name.strip_prefix("Deliver") {
            assert_eq!(json!(statements), delivers(&format!("{what}.Arn"), what == "Mails"));
            continue;
        }
        for statement in &statements {
            let keys: Vec<&str> = statement.as_object().unwrap().keys().map(String::as_str).collect();
            assert!(
                keys.iter().all(|key| ["Sid", "Effect", "Action", "Resource", "Condition"].contains(key)),
                "{name}: {keys:?}"
            );
            assert_eq!(statement["Effect"], "Allow", "{name}");
            let actions = texts(&statement["Action"]);
            assert!(actions.iter().all(|action| MAY.contains(action)), "{name} may do {actions:?}");
            for resource in texts(&statement["Resource"]) {
                assert!(resources.iter().any(|known| known == resource), "{name} may reach {resource}");
            }
            if actions.contains(&"dynamodb:PutItem") {
                writers.push(name.clone());
                assert_eq!(actions, ["dynamodb:PutItem"], "{name} writes by a statement of its own");
                let keys = match name.as_str() {
                    "Settings" => json!(["STORE", "KEY#*", "C#*", "LIST#*", "JOB#*"]),
                    "ExpireOnSchedule" => json!(["C#*", "JOB#*"]),
                    "Audit" => json!(["JOB#*"]),
                    "Grant" | "GrantGroup" => json!(["C#*", "GRANT#*"]),
                    "IndexCustomers" => json!(["LIST#*", "JOURNAL#*", "JOB#BOOKS"]),
                    "CloseBooks" => json!(["BOOKS#*", "JOB#BOOKS"]),
                    _ => json!(["C#*"]),
                };
                let mut condition = json!({
                    "ForAnyValue:StringEquals": {"dynamodb:EnclosingOperation": ["TransactWriteItems"]},
                    "ForAllValues:StringLike": {"dynamodb:LeadingKeys": keys},
                    "Null": {"dynamodb:LeadingKeys": "false"},
                });
                if name == "IndexCustomers" {
                    // Lists and the journal are no part of the ledger: they follow from it.
                    condition.as_object_mut().unwrap().remove("ForAnyValue:StringEquals");
                }
                assert_eq!(statement["Condition"], condition, "{name}");
            }
        }
    }
    writers.sort();
    assert_eq!(
        writers,
        [
            "Approve",
            "Audit",
            "CloseBooks",
            "ExpireOnSchedule",
            "Grant",
            "GrantGroup",
            "IndexCustomers",
            "Redeem",
            "RequestTopup",
            "Settings",
            "Withdraw"
        ]
    );

    // Nor does any other policy of the template.
    for policy in
        places(&[("infra/template.yaml".to_owned(), read("infra/template.yaml"))], &["Action:", "Resource:"])
    {
        let of_mail = policy.ends_with("${AWS::AccountId}:identity/*");
        assert!(!policy.contains('*') || of_mail, "{policy}");
    }
    let yaml = [("infra/template.yaml".to_owned(), read("infra/template.yaml"))];
    nowhere(
        &yaml,
        &[
            "dynamodb:Delete",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:PartiQL",
        ],
    );
    nowhere(&yaml, &["dynamodb:DeleteItem", "dynamodb:*", "ManagedPolicyArns", "AWS::IAM::ManagedPolicy"]);
}

#[test]
fn the_ledger_is_kept() {
    let template = Template::read().unwrap();
    let tables: Vec<_> = template.resources("AWS::DynamoDB::Table").collect();
    assert_eq!(tables.len(), 1);
    for (name, table) in tables {
        let is =
            |pointer: &str, value: Value| assert_eq!(table.pointer(pointer), Some(&value), "{name}{pointer}");
        is("/DeletionPolicy", json!("Retain"));
        is("/UpdateReplacePolicy", json!("Retain"));
        is("/Properties/PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", json!(true));
        is("/Properties/DeletionProtectionEnabled", json!(true));
        is("/Properties/SSESpecification/SSEEnabled", json!(true));
        is("/Properties/StreamSpecification/StreamViewType", json!("NEW_AND_OLD_IMAGES"));
        assert_eq!(table.pointer("/Properties/TimeToLiveSpecification"), None, "money has no time to live");
    }
}

#[test]
fn logs_end_and_the_api_is_throttled() {
    let template = Template::read().unwrap();
    let mut logs = BTreeSet::new();
    for (name, group) in template.resources("AWS::Logs::LogGroup") {
        assert_eq!(group["Properties"]["RetentionInDays"], "LogRetentionDays", "{name}");
        logs.insert(group["Properties"]["LogGroupName"].as_str().unwrap());
    }
    for (name, ..) in functions() {
        let group = format!("/aws/lambda/${{{name}}}");
        assert!(logs.contains(group.as_str()), "no log group {group}");
    }
    let apis: Vec<_> = template.resources("AWS::Serverless::HttpApi").collect();
    assert_eq!(apis.len(), 1);
    for (name, api) in apis {
        let text = |pointer: &str| api.pointer(pointer).and_then(Value::as_str);
        assert_eq!(
            text("/Properties/DefaultRouteSettings/ThrottlingRateLimit"),
            Some("ThrottleRate"),
            "{name}"
        );
        assert_eq!(
            text("/Properties/DefaultRouteSettings/ThrottlingBurstLimit"),
            Some("ThrottleBurst"),
            "{name}"
        );
        assert_eq!(text("/Properties/AccessLogSettings/DestinationArn"), Some("ApiLogs.Arn"), "{name}");
    }
    assert!(template.resources("AWS::Logs::LogGroup").any(|(name, _)| name == "ApiLogs"));
}

#[test]
fn what_no_caller_waits_for_fails_into_a_queue_with_an_alarm() {
    let template = Template::read().unwrap();
    let queues: Vec<_> = template.resources("AWS::SQS::Queue").collect();
    let queue_of = |arn: Option<&Value>, what: &str| {
        let arn =
            arn.and_then(Value::as_str).unwrap_or_else(|| panic!("{what} has no queue for what failed"));
        let found = queues.iter().find(|(name, _)| arn == format!("{name}.Arn"));
        found.unwrap_or_else(|| panic!("{what} fails into {arn}, which is no queue here")).0.to_owned()
    };
    let mut dead_letters = BTreeSet::new();
    for (name, function, _) in functions() {
        for (event_name, event) in function["Events"].as_object().unwrap() {
            match event["Type"].as_str().unwrap() {
                "HttpApi" => {}
                "Schedule" => {
                    let what = format!("{name}'s event {event_name}");
                    dead_letters.insert(queue_of(event.pointer("/Properties/DeadLetterConfig/Arn"), &what));
                    assert!(
                        event.pointer("/Properties/RetryPolicy/MaximumRetryAttempts").is_some(),
                        "{what}"
                    );
                    let destination =
                        function.pointer("/EventInvokeConfig/DestinationConfig/OnFailure/Destination");
                    dead_letters.insert(queue_of(destination, &name));
                    assert!(function.pointer("/EventInvokeConfig/MaximumRetryAttempts").is_some(), "{name}");
                }
                "DynamoDB" => {
                    let what = format!("{name}'s event {event_name}");
                    let stream = &event["Properties"];
                    let destination = stream.pointer("/DestinationConfig/OnFailure/Destination");
                    dead_letters.insert(queue_of(destination, &what));
                    assert_eq!(stream["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{what}");
                    assert_eq!(stream["BisectBatchOnFunctionError"], true, "{what}");
                    assert!(stream["MaximumRetryAttempts"].as_u64().is_some_and(|most| most > 0), "{what}");
                }
                "SQS" => {
                    let what = format!("{name}'s event {event_name}");
                    let queue = queue_of(event.pointer("/Properties/Queue"), &what);
                    let (_, properties) = queues.iter().find(|(name, _)| *name == queue).unwrap();
                    let redrive = &properties["Properties"]["RedrivePolicy"];
                    dead_letters.insert(queue_of(redrive.get("deadLetterTargetArn"), &what));
                    assert!(redrive["maxReceiveCount"].as_u64().is_some_and(|most| most > 1), "{what}");
                    let wait = properties["Properties"]["VisibilityTimeout"].as_u64().unwrap();
                    assert!(wait >= 6 * function["Timeout"].as_u64().unwrap(), "{what}");
                    let event = &event["Properties"];
                    assert_eq!(event["FunctionResponseTypes"], json!(["ReportBatchItemFailures"]), "{what}");
                    assert!(event["ScalingConfig"]["MaximumConcurrency"].is_u64(), "{what}");
                }
                other => panic!("{name} has an event of type {other}, for which there is no check yet"),
            }
        }
    }
    for (name, queue) in &queues {
        assert_eq!(queue["Properties"]["SqsManagedSseEnabled"], true, "{name}");
    }
    assert!(!dead_letters.is_empty());
    for queue in dead_letters {
        let (_, properties) = queues.iter().find(|(name, _)| *name == queue).unwrap();
        assert_eq!(properties["Properties"]["MessageRetentionPeriod"], 1_209_600, "{queue}");
        let alarmed = template.resources("AWS::CloudWatch::Alarm").any(|(_, alarm)| {
            let alarm = &alarm["Properties"];
            let dimension = json!([{"Name": "QueueName", "Value": format!("{queue}.QueueName")}]);
            alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
                && alarm["Dimensions"] == dimension
                && alarm["Threshold"] == 1
                && alarm["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
                && alarm["AlarmActions"].is_array()
        });
        assert!(alarmed, "{queue} fills without an alarm");
    }
}
