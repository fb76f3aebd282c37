//! The rules that an entry was made by, put together from what the API tells of their changes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// All rules that ever were.
pub struct Rulebook {
    /// By version, the store's settings under no name and each group's under its own.
    store: BTreeMap<u64, BTreeMap<String, Value>>,
    /// By customer and version: the customer's own, with `group` and `frozen`.
    customers: BTreeMap<String, BTreeMap<u64, Value>>,
}

impl Rulebook {
    /// Of the settings' changes, the oldest first.
    pub fn new(changes: &[Value]) -> Self {
        let mut now = BTreeMap::new();
        let mut store = BTreeMap::from([(0, now.clone())]);
        for change in changes {
            let group = change["group"].as_str().unwrap_or("").to_owned();
            amend(now.entry(group).or_default(), change);
            store.insert(version(change), now.clone());
        }
        Self { store, customers: BTreeMap::new() }
    }

    /// Adds a customer's changes, the oldest first.
    pub fn add(&mut self, customer: &str, changes: &[Value]) {
        let mut now = Value::Null;
        let versions = changes.iter().map(|change| {
            amend(&mut now, change);
            (version(change), now.clone())
        });
        self.customers.insert(customer.to_owned(), versions.collect());
    }

    /// What held for this customer when the entry was made: the customer's own before the group's before the store's.
    ///
    /// # Errors
    /// When it names rules that never were.
    pub fn of(&self, customer: &str, entry: &Value) -> Result<Value, String> {
        let version = entry["policy_version"].as_u64().unwrap();
        let store = self.store.get(&version).ok_or_else(|| format!("there is no version {version}"))?;
        let own = match entry["customer_version"].as_u64() {
            None => &Value::Null,
            Some(version) => self
                .customers
                .get(customer)
                .and_then(|versions| versions.get(&version))
                .ok_or_else(|| format!("{customer} has no version {version}"))?,
        };
        let mut rules = json!({});
        let group = own["group"].as_str().map(|group| store.get(group).ok_or("there is no such group"));
        for level in [store.get(""), group.transpose()?, Some(own)].into_iter().flatten() {
            for (name, value) in level.as_object().into_iter().flatten() {
                rules[name] = value.clone();
            }
        }
        if own["frozen"] == true {
            rules["enabled"] = json!(false);
        }
        Ok(rules)
    }

    /// Whether a setting of this name was ever given, at any level.
    pub fn ever_gave(&self, setting: &str) -> bool {
        let store = self.store.values().flat_map(BTreeMap::values);
        let own = self.customers.values().flat_map(BTreeMap::values);
        store.chain(own).any(|rules| !rules[setting].is_null())
    }
}

fn version(change: &Value) -> u64 {
    change["version"].as_u64().unwrap()
}

fn amend(rules: &mut Value, change: &Value) {
    for (name, values) in change["changes"].as_object().unwrap() {
        if values["new"].is_null() {
            rules.as_object_mut().map(|rules| rules.remove(name));
        } else {
            rules[name] = values["new"].clone();
        }
    }
}
