//! The README's first session, run as it is written and held to the answers that it shows.

use bytes::Bytes;
use serde_json::Value;

use crate::support::world::{Client, World};

const README: &str = include_str!("../../README.md");

/// A command as the README shows it, and what it answers.
struct Shown {
    command: String,
    answer: String,
}

#[tokio::test]
async fn the_readmes_session_gives_the_answers_that_it_shows() {
    let world = World::start().await;
    local::keep_mail_settings(&world.store, world.now()).await.unwrap();
    let session = session();
    assert!(session.len() >= 8, "the README shows {} commands", session.len());
    for Shown { command, answer } in session {
        let told = run(&world, &command).await;
        assert!(fits(&shown(&answer), &told), "{command}\nshows {answer}\nbut answers {told}");
    }
}

/// The commands of all console blocks, in their order.
fn session() -> Vec<Shown> {
    let mut session: Vec<Shown> = Vec::new();
    let (mut inside, mut in_command) = (false, false);
    for line in README.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            if let Some(command) = line.strip_prefix("$ ") {
                session.push(Shown { command: format!("{command}\n"), answer: String::new() });
            } else if let Some(shown) = session.last_mut() {
                let text = if in_command { &mut shown.command } else { &mut shown.answer };
                text.push_str(line);
                text.push('\n');
            }
            let open = |command: &str| command.ends_with("\\\n") || command.matches('\'').count() % 2 == 1;
            in_command = session.last().is_some_and(|shown| shown.answer.is_empty() && open(&shown.command));
        }
    }
    session
}

/// Sends what `curl` would.
async fn run(world: &World, command: &str) -> Value {
    let mut words = words(command).into_iter();
    assert_eq!(words.next().as_deref(), Some("curl"));
    let (mut path, mut method, mut body) = (String::new(), None, None);
    let (mut client, mut headers): (Option<Client<'_>>, Vec<(String, String)>) = (None, Vec::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-s" => {}
            "-X" => method = words.next(),
            "-d" => body = words.next(),
            "-H" => {
                let header = words.next().unwrap();
                match header.split_once(": ").unwrap() {
                    ("Authorization", "Bearer $admin_key") => client = Some(world.admin()),
                    ("Authorization", "Bearer $store_key") => client = Some(world.shop()),
                    ("Authorization", "Bearer $customer_token") => client = Some(world.customer("alice")),
                    (name, value) => headers.push((name.to_lowercase(), value.to_owned())),
                }
            }
            address => path = address.strip_prefix("$url").expect("the address begins with $url").to_owned(),
        }
    }
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let body = Bytes::from(body.unwrap_or_default());
    if path == "/_local/events" {
        world.catch_up().await;
        return Value::Array(world.outside.events.latest());
    }
    if path == "/_local/mail" {
        return Value::Array(world.mails().await);
    }
    client.expect("somebody calls").send(&method, &path, &headers, body).await.json
}

/// A command's words as a shell splits them.
fn words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for character in command.replace("\\\n", " ").chars() {
        match (quote, character) {
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ' | '\n') => words.push(String::new()),
            _ => words.last_mut().unwrap().push(character),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What the README shows, with "…" as a value for anything, and as a name or at a list's end for more.
fn shown(answer: &str) -> Value {
    let json = answer.replace(": …", r#": "…""#).replace(", …]", r#", "…"]"#);
    let json = json.replace(", …", r#", "…": 0"#);
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{answer}: {error}"))
}

/// Whether what was told is what is shown.
fn fits(shown: &Value, told: &Value) -> bool {
    match (shown, told) {
        (Value::String(any), _) if any == "…" => true,
        (Value::Object(shown), Value::Object(told)) => {
            let whole = shown.contains_key("…") || shown.len() == told.len();
            let fields = shown.iter().filter(|(name, _)| *name != "…");
            whole
                && fields
                    .into_iter()
                    .all(|(name, value)| told.get(name).is_some_and(|told| fits(value, told)))
        }
        (Value::Array(shown), Value::Array(told)) => {
            let (first, whole) = match shown.split_last() {
                Some((Value::String(more), first)) if more == "…" => (first, first.len() <= told.len()),
                _ => (shown.as_slice(), shown.len() == told.len()),
            };
            whole && first.iter().zip(told).all(|(shown, told)| fits(shown, told))
        }
        _ => shown == told,
    }
}
