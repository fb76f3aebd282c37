//! What the bus has to have been told by the end: of every entry and of every end of a top-up, as often as it takes, each time
//! the same; of nothing that did not happen; and of each date on which something expires once, since there is one number of days
//! to remind before.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// What happened: the entries by customer and number's name, and the top-ups by customer and id.
pub struct Happened<'a> {
    pub entries: BTreeMap<(&'a str, &'a str), &'a Value>,
    pub topups: BTreeMap<(&'a str, &'a str), &'a Value>,
}

/// Holds what the bus took against it.
///
/// # Errors
/// What does not hold.
pub fn hold(told: &[Value], happened: &Happened<'_>) -> Result<(), String> {
    let mut events: BTreeMap<&str, &Value> = BTreeMap::new();
    for event in told {
        let before = events.entry(word(event, "id")).or_insert(event);
        if *before != event {
            return Err(format!("one id for two events: {before} and {event}"));
        }
    }
    let mut entries = BTreeSet::new();
    let mut topups: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    let mut reminded = BTreeSet::new();
    for event in events.values() {
        let customer = word(event, "customer");
        if let Some(entry) = event["entry"].as_object() {
            let of = (customer, entry["id"].as_str().unwrap());
            let is = happened.entries.get(&of).ok_or_else(|| format!("told, and never happened: {event}"))?;
            if without_texts(is) != event["entry"] {
                return Err(format!("told was {event}, and it is {is}"));
            }
            if !entries.insert(of) {
                return Err(format!("two events of one entry: {event}"));
            }
        } else if let Some(topup) = event["topup"].as_object() {
            let of = (customer, topup["id"].as_str().unwrap());
            if !happened.topups.contains_key(&of) {
                return Err(format!("told, and never asked for: {event}"));
            }
            if !topups.entry(of).or_default().insert(topup["status"].as_str().unwrap()) {
                return Err(format!("two events of one end of a top-up: {event}"));
            }
        } else {
            for due in event["expiring"].as_array().unwrap() {
                let of = [customer, word(due, "currency"), word(due, "expires_at")];
                if !reminded.insert(of) {
                    return Err(format!("reminded twice: {event}"));
                }
            }
        }
    }
    if let Some(of) = happened.entries.keys().find(|of| !entries.contains(*of)) {
        return Err(format!("nobody was told of {of:?}"));
    }
    for (of, topup) in &happened.topups {
        let told = topups.get(of).cloned().unwrap_or_default();
        // It is asked for, and ends once.
        let known: BTreeSet<&str> = ["pending", word(topup, "status")].into_iter().collect();
        if !told.contains(word(topup, "status")) || !told.is_subset(&known) {
            return Err(format!("of the top-up {topup} was told {told:?}"));
        }
    }
    Ok(())
}

/// An entry without what events leave out: free texts.
fn without_texts(entry: &Value) -> Value {
    let mut entry = entry.clone();
    for text in ["note", "internal_note", "reason"] {
        entry.as_object_mut().unwrap().remove(text);
    }
    entry
}

fn word<'a>(of: &'a Value, member: &str) -> &'a str {
    of[member].as_str().unwrap()
}
