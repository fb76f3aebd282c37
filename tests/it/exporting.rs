//! A whole store as lines, and these lines in another table: nothing is lost, nothing is mixed, nobody is told again.

use std::{collections::BTreeSet, path::Path};

use local::Template;
use scrip::{Load, Loaded, Options, Source};
use serde_json::{Value, json};
use store::{Connection, Store};

use crate::{
    auditing::{Raw, audited_export, audited_table, rich},
    support::{
        process::{Folder, scrip},
        wire::Fault,
        world::{World, order},
    },
};

const CUSTOMERS: [&str; 5] = ["alice", "bob", "carol", "dora", "erin"];

/// A world with a table that nobody listens to, at the same moment as another.
async fn empty(at: &World) -> World {
    let world = World::start().await;
    world.set_now(&at.now().to_string());
    let stream = json!({"TableName": world.table(), "StreamSpecification": {"StreamEnabled": false}});
    world.ask("UpdateTable", stream).await;
    world
}

/// A world's items as `scrip export` writes them, in the order of their bytes.
async fn exported(world: &World) -> Vec<String> {
    let connection = Box::new(Connection::local(world.table(), world.database()));
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let items = scrip::export(&Source::Table { connection, segments: 3 }, &mut out, &mut progress).await;
    let lines: Vec<String> = String::from_utf8(out).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(items.unwrap(), u64::try_from(lines.len()).unwrap());
    sorted(lines)
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

fn items(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["Item"].clone()).collect()
}

/// Those that are not the world's own key.
fn without_keys(lines: &[String]) -> Vec<String> {
    lines.iter().filter(|line| !line.contains(r#""pk":{"S":"KEY#"#)).cloned().collect()
}

/// Loads lines into the world's table, through these eyes of it, and answers what was told.
async fn load_through(
    store: &Store,
    world: &World,
    lines: &[impl AsRef<[u8]>],
    how: Load,
) -> (Result<Loaded, String>, Vec<Value>) {
    let folder = Folder::new();
    let half = lines.len() / 2;
    let files = [("one", &lines[..half]), ("other", &lines[half..])].map(|(name, lines)| {
        let file = folder.path().join(name);
        let lines: Vec<&[u8]> = lines.iter().map(AsRef::as_ref).collect();
        std::fs::write(&file, lines.join(&b'\n')).unwrap();
        file
    });
    let options = Options { at: world.now(), scratch: folder.path().to_owned(), max_bucket: None };
    let load = Load { files: files.to_vec(), ..how };
    let (mut out, mut progress) = (Vec::new(), Vec::new());
    let loaded = scrip::load(store, &load, &options, &mut out, &mut progress).await;
    let told = String::from_utf8(out).unwrap();
    let told = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (loaded.map_err(|error| error.to_string()), told)
}

async fn load(world: &World, lines: &[impl AsRef<[u8]>], how: Load) -> (Result<Loaded, String>, Vec<Value>) {
    let store = Store::connect(Connection::local(world.table(), world.database()));
    load_through(&store, world, lines, how).await
}

fn codes(told: &[Value]) -> BTreeSet<&str> {
    told.iter().map(|line| line["code"].as_str().unwrap()).collect()
}

fn count(lines: &[String]) -> u64 {
    u64::try_from(lines.len()).unwrap()
}

/// What clients read of all of it.
async fn read(world: &World) -> Vec<Value> {
    let admin = world.admin();
    let mut answers = Vec::new();
    for customer in CUSTOMERS {
        for what in ["", "/verification", "/entries?limit=200", "/topups", "/changes"] {
            answers.push(admin.get(&format!("/v1/customers/{customer}{what}")).await.expect(200, "").json);
        }
    }
    for path in [
        "/v1/settings",
        "/v1/settings/changes",
        "/v1/settings/mail",
        "/v1/settings/webhooks",
        "/v1/groups",
        "/v1/topups",
        "/v1/customers?sort=name",
        "/v1/customers?sort=-balance&currency=USD",
        "/v1/journal?from=2026-01-01&to=2027-12-31&limit=200",
    ] {
        answers.push(admin.get(path).await.expect(200, "").json);
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_loaded_and_goes_on() {
    let source = rich().await;
    let hook = json!({"url": "https://erp.example.com/scrip", "events": ["credit.granted"]});
    source.admin().put("/v1/settings/webhooks/erp", hook).await.expect(200, "");
    source.admin().put("/v1/settings/mail", json!({"sender": "a@example.com"})).await.expect(200, "");
    let lines = exported(&source).await;
    assert_eq!(sorted(Raw::of(&source).dump().iter().map(line).collect()), lines, "all that there is");
    let (summary, findings) = audited_export(&source, &items(&lines), None).await;
    assert_eq!((summary.items, findings), (count(&lines), Vec::new()));

    let target = empty(&source).await;
    let before = exported(&target).await;
    let dry = Load { dry_run: true, ..Load::default() };
    let all = Loaded { items: count(&lines), ..Loaded::default() };
    assert_eq!(load(&target, &lines, dry).await, (Ok(all), Vec::new()));
    assert_eq!(exported(&target).await, before, "nothing is written");
    let (loaded, told) = load(&target, &lines, Load::default()).await;
    assert_eq!((loaded, told), (Ok(Loaded { put: count(&lines), ..all }), Vec::new()));
    let after = exported(&target).await;
    assert_eq!(without_keys(&after), without_keys(&lines));
    assert_eq!(after.len(), lines.len() + before.len(), "each keeps its own keys");
    assert_eq!(read(&target).await, read(&source).await);
    let keys = async |world: &World| {
        world.admin().get("/v1/api-keys").await.expect(200, "").json["data"].as_array().unwrap().clone()
    };
    let (came, there) = (keys(&source).await, keys(&target).await);
    assert!(!came.is_empty() && came.iter().all(|key| there.contains(key)), "{came:?} {there:?}");
    let (_, findings) = audited_table(&target).await;
    assert_eq!(findings, Vec::<Value>::new());

    // Once more is nothing new.
    let again = load(&target, &lines, Load::default()).await;
    assert_eq!(again, (Ok(Loaded { there: count(&lines), ..all }), Vec::new()));
    assert_eq!(exported(&target).await, after);

    // The key that was used there is used here, and the chain goes on.
    let spend = json!({"amount": "60", "order": order("1", "60")});
    let replayed = target.shop().redeem("alice", "r-1", spend.clone()).await.expect(201, "");
    assert!(replayed.is_replayed());
    assert_eq!(replayed.json, source.shop().redeem("alice", "r-1", spend).await.json);
    let spend = json!({"amount": "1", "order": order("new", "60")});
    let (here, there) = (
        target.shop().redeem("alice", "new", spend.clone()).await.expect(201, ""),
        source.shop().redeem("alice", "new", spend).await.expect(201, ""),
    );
    assert_eq!(here.json["entry"]["id"], there.json["entry"]["id"]);
    assert_eq!(here.json["account"], there.json["account"]);
    let (_, findings) = audited_table(&target).await;
    assert_eq!(findings, Vec::<Value>::new());

    // A store that went on is not what the files hold any more, and is left alone.
    let moved = exported(&target).await;
    let (refused, told) = load(&target, &lines, Load::default()).await;
    assert_eq!(refused.unwrap().put, 0);
    assert_eq!(codes(&told), BTreeSet::from(["differs"]), "{told:#?}");
    assert_eq!(exported(&target).await, moved);
}

fn line(item: &Value) -> String {
    json!({"Item": item}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_with_a_stream_or_with_something_else_in_it_is_refused_untouched() {
    let source = rich().await;
    let lines = exported(&source).await;

    let heard = World::start().await;
    let before = exported(&heard).await;
    for dry_run in [true, false] {
        let (refused, _) = load(&heard, &lines, Load { dry_run, ..Load::default() }).await;
        assert!(refused.unwrap_err().contains("has a stream"));
    }
    assert_eq!(exported(&heard).await, before);

    // Nothing that the files hold, something besides what they hold, and something otherwise than they hold it.
    let other = empty(&source).await;
    other.granted("zoe", "5", json!({})).await;
    let besides = empty(&source).await;
    load(&besides, &lines, Load::default()).await.0.unwrap();
    besides.granted("zoe", "5", json!({})).await;
    let otherwise = empty(&source).await;
    otherwise.settings(json!({"currency": "EUR"})).await;
    for (world, code) in [(other, "not_empty"), (besides, "not_empty"), (otherwise, "differs")] {
        let before = exported(&world).await;
        for dry_run in [true, false] {
            let (refused, told) = load(&world, &lines, Load { dry_run, ..Load::default() }).await;
            let refused = refused.unwrap();
            assert_eq!((refused.put, refused.amiss), (0, u64::try_from(told.len()).unwrap()));
            assert_eq!(codes(&told), BTreeSet::from([code]), "{told:#?}");
            assert_eq!(exported(&world).await, before);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_was_stopped_goes_on() {
    let source = rich().await;
    let lines = exported(&source).await;
    let target = empty(&source).await;

    // Stopped by the database at its first items, then after answers that were lost.
    target.wire.fault("PutItem", Fault::error("AccessDeniedException", 400));
    let (stopped, _) = load_through(&target.store, &target, &lines, Load::default()).await;
    assert!(stopped.unwrap_err().contains("AccessDenied"));
    let begun = without_keys(&exported(&target).await);
    assert!(begun.len() < without_keys(&lines).len(), "{} items", begun.len());
    for _ in 0..3 {
        target.wire.fault("PutItem", Fault::LoseAnswer);
    }
    let (loaded, told) = load_through(&target.store, &target, &lines, Load::default()).await;
    assert!(target.wire.is_spent());
    let loaded = loaded.unwrap();
    assert_eq!((loaded.there + loaded.put, loaded.amiss), (count(&lines), 0), "{told:#?}");
    assert_eq!(without_keys(&exported(&target).await), without_keys(&lines));

    // Killed between any two items.
    for part in [1, lines.len() / 3, lines.len() - 1] {
        let target = empty(&source).await;
        let raw = Raw::of(&target);
        items(&lines[..part]).iter().for_each(|item| raw.put(item));
        let (loaded, told) = load(&target, &lines, Load::default()).await;
        let there = u64::try_from(part).unwrap();
        let rest = Loaded { items: count(&lines), there, put: count(&lines) - there, amiss: 0 };
        assert_eq!((loaded, told), (Ok(rest), Vec::new()));
        assert_eq!(without_keys(&exported(&target).await), without_keys(&lines));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_are_amiss_are_named_and_nothing_is_loaded() {
    let source = rich().await;
    let lines = exported(&source).await;
    let target = empty(&source).await;
    let before = exported(&target).await;

    let good = lines[0].clone().into_bytes();
    let wrong: [&[u8]; 6] = [b"nonsense", b"{}", br#"{"Item": {"pk": {"S": "a"}}}"#, b"", &good, b"\xff"];
    // Half of them are in each file, whose lines are counted anew.
    let (refused, told) = load(&target, &wrong, Load::default()).await;
    assert_eq!(refused, Ok(Loaded { amiss: 4, ..Loaded::default() }));
    let told: Vec<(u64, bool)> = told
        .iter()
        .map(|line| {
            assert_eq!(line["code"], "invalid_line");
            assert!(!line["detail"].as_str().unwrap().is_empty());
            (line["line"].as_u64().unwrap(), line["file"].as_str().unwrap().ends_with("other"))
        })
        .collect();
    assert_eq!(told, [(1, false), (2, false), (3, false), (3, true)]);

    // An export that lost an entry, and one with two of the same.
    let lost = lines.iter().position(|line| line.contains(r#""n":{"S":"E#USD#"#)).unwrap();
    let mut cut = lines.clone();
    cut.remove(lost);
    let mut doubled = lines.clone();
    doubled.push(lines[lost].clone());
    for amiss in [&cut, &doubled] {
        let (refused, told) = load(&target, amiss, Load::default()).await;
        let refused = refused.unwrap();
        assert_eq!((refused.items, refused.put), (0, 0));
        assert!(refused.amiss > 0 && refused.amiss == u64::try_from(told.len()).unwrap());
        assert_eq!(exported(&target).await, before);
    }
    // Whoever wants to repair it there says so.
    let how = Load { even_if_amiss: true, ..Load::default() };
    let (loaded, _) = load(&target, &cut, how).await;
    assert_eq!(loaded.unwrap().put, count(&cut));

    let (refused, _) = load(&target, &[""], Load::default()).await;
    assert!(refused.unwrap_err().contains("not one item"));
    let options = Options { at: target.now(), scratch: std::env::temp_dir(), max_bucket: None };
    let from_input = Load { files: vec!["-".into()], ..Load::default() };
    let refused = scrip::load(&target.store, &from_input, &options, &mut Vec::new(), &mut Vec::new()).await;
    assert!(refused.unwrap_err().to_string().contains("name a file"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_write_a_file_and_make_a_table_as_the_template_has_it() {
    let source = rich().await;
    let folder = Folder::new();
    let file = folder.path().join("all.jsonl");
    let run =
        |arguments: &[&str]| scrip(folder.path(), &[arguments, &["--endpoint", source.database()]].concat());
    let path = file.to_str().unwrap();
    let export = ["export", "--table", source.table(), "--output", path];
    let (code, out, errors) = run(&export);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{errors}");
    assert!(errors.contains("secrets"), "{errors}");
    let lines = read_lines(&file);
    assert_eq!(lines, exported(&source).await);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let (code, _, errors) = run(&export);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("is there already"), "{errors}");
    assert_eq!(read_lines(&file), lines, "it is not written over");
    let nowhere = folder.path().join("nowhere.jsonl");
    let (code, _, errors) = run(&["export", "--table", "nowhere", "--output", nowhere.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("there is no such table: is its name right"), "{errors}");
    let mut left: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    left.sort();
    let sum = folder.path().join(format!("{}.sha256", file.file_name().unwrap().to_str().unwrap()));
    assert_eq!(left, [file.clone(), sum.clone()], "what is not whole is gone");
    let whole = std::fs::read(&file).unwrap();
    let expected = format!("{}  {}\n", ledger::Hash::of(&whole), file.file_name().unwrap().to_str().unwrap());
    assert_eq!(std::fs::read_to_string(&sum).unwrap(), expected, "as sha256sum has it");
    let (code, out, _) = run(&["export", "--table", source.table()]);
    assert_eq!((code, sorted(out.lines().map(str::to_owned).collect())), (Some(0), lines.clone()));

    let (code, _, errors) = run(&["load", "--table", "copy", path]);
    assert_eq!(code, Some(2), "there is no such table: {errors}");
    let (code, out, errors) = run(&["load", "--table", "copy", "--create", "--dry-run", path]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{errors}");
    let (code, out, errors) = run(&["load", "--table", "copy", "--create", path]);
    assert_eq!((code, out.as_str()), (Some(0), ""), "{errors}");
    let done = format!("{0} items: 0 were there, {0} were put; 0 differ", lines.len());
    assert!(errors.contains(&done), "{errors}");
    // Half of it is sound as far as it goes, and refused; so is one of which nothing tells whether it is whole.
    let half = lines.get(..lines.len() / 2).unwrap().join("\n");
    std::fs::write(&file, format!("{half}\n")).unwrap();
    let (code, out, errors) = run(&["load", "--table", "half", "--create", path]);
    assert_eq!((code, out.as_str()), (Some(2), ""), "{errors}");
    assert!(errors.contains("is not as it was exported"), "{errors}");
    std::fs::rename(&sum, sum.with_extension("away")).unwrap();
    let (code, _, errors) = run(&["load", "--table", "half", "--create", path]);
    assert_eq!(code, Some(2));
    assert!(errors.contains("--without-sha256"), "{errors}");
    std::fs::rename(sum.with_extension("away"), &sum).unwrap();
    std::fs::write(&file, &whole).unwrap();
    let (code, out, _) = run(&["export", "--table", "copy"]);
    assert_eq!((code, sorted(out.lines().map(str::to_owned).collect())), (Some(0), lines.clone()));
    let (code, ..) = run(&["load", "--table", "copy", "--create", path]);
    assert_eq!(code, Some(0), "it is there, and the same");
    std::fs::write(&file, format!("{}\nnonsense\n", lines.join("\n"))).unwrap();
    let (code, out, _) = run(&["load", "--table", "copy", "--without-sha256", path]);
    assert_eq!((code, out.lines().count()), (Some(1), 1), "{out}");

    let described = source.ask("DescribeTable", json!({"TableName": "copy"})).await["Table"].clone();
    let template = Template::read().unwrap().table("copy").unwrap();
    assert_eq!(shape(&described), shape(&template));
    assert!(described["StreamSpecification"]["StreamEnabled"] != true, "{described:#}");
}

fn read_lines(file: &Path) -> Vec<String> {
    sorted(std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect())
}

/// Keys and indexes of a table, whoever tells of them.
fn shape(table: &Value) -> Value {
    let by = |list: &Value, name: &str| {
        let mut list = list.as_array().unwrap().clone();
        list.sort_by_key(|one| one[name].as_str().unwrap().to_owned());
        list
    };
    let indexes = |kind: &str| -> Vec<Value> {
        let of = |index: &Value| {
            let mut projection = index["Projection"].clone();
            if let Some(names) = projection["NonKeyAttributes"].as_array_mut() {
                names.sort_by_key(|name| name.as_str().unwrap().to_owned());
            }
            json!([
                index["IndexName"],
                index["KeySchema"],
                projection["ProjectionType"],
                projection["NonKeyAttributes"]
            ])
        };
        by(&table[kind], "IndexName").iter().map(of).collect()
    };
    json!([
        table["KeySchema"],
        by(&table["AttributeDefinitions"], "AttributeName"),
        indexes("LocalSecondaryIndexes"),
        indexes("GlobalSecondaryIndexes"),
    ])
}
