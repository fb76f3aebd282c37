//! A table as DynamoDB keeps one, in memory: what the store asks of it, with the errors that it would answer. It follows
//! the documentation, not the store; `mod.rs` holds it against the embedded database.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::{Arc, OnceLock},
};

use aws_lambda_events::dynamodb::EventRecord;
use serde_json::{Map, Value, json};

use super::fates::Operation;

/// Where an item stands: `pk` and `sk`.
pub type Key = (String, String);
/// An item in DynamoDB's JSON, its attributes each with its type.
pub type Item = Map<String, Value>;

/// An index: its name, the attributes that it is by, and what it holds besides keys.
const INDEXES: [(&str, &str, &str, &[&str]); 3] = [
    ("by_number", "pk", "n", &["v", "c", "h", "f", "note", "internal_note", "reason"]),
    ("work", "wq", "wk", &[]),
    ("lists", "lq", "lk", &[]),
];

/// What was asked could not be done: the HTTP status and the body.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused(pub u16, pub Value);

/// One change, as the table's stream tells it.
#[derive(Clone)]
pub struct Change {
    pub key: Key,
    pub old: Option<Arc<Item>>,
    pub new: Arc<Item>,
    /// As functions are handed it, made once: several follow the stream, and some of it comes again.
    pub record: Arc<OnceLock<EventRecord>>,
}

/// All items at one moment, and where each stands in the indexes.
#[derive(Clone, Default)]
struct View {
    items: BTreeMap<Key, Arc<Item>>,
    /// For each index: partition, place, and the item's own key.
    places: [BTreeSet<(String, String, Key)>; 3],
}

/// The table.
#[derive(Clone, Default)]
pub struct Table {
    now: View,
    /// As the indexes are read that follow the table by moments.
    late: View,
    /// So many changes are in `late`.
    followed: usize,
    changes: Vec<Change>,
    tokens: HashMap<String, Value>,
}

impl View {
    fn put(&mut self, change: &Change) {
        for ((_, hash, range, _), places) in INDEXES.iter().zip(&mut self.places) {
            let place = |item: &Item| Some((text(item, hash)?, text(item, range)?, change.key.clone()));
            if let Some(place) = change.old.as_deref().and_then(place) {
                places.remove(&place);
            }
            places.extend(place(&change.new));
        }
        self.items.insert(change.key.clone(), Arc::clone(&change.new));
    }
}

impl Table {
    /// What the database answers.
    ///
    /// # Errors
    /// What it refuses.
    pub fn answer(&mut self, operation: Operation, body: &Value) -> Result<Value, Refused> {
        match operation {
            Operation::GetItem => {
                let mut answer = json!({});
                if let Some(item) = self.now.items.get(&key(&body["Key"])) {
                    answer["Item"] = whole(item);
                }
                Ok(answer)
            }
            Operation::BatchGetItem => Ok(self.batch(body)),
            Operation::Query => Ok(self.query(body)),
            Operation::PutItem => self.put_item(body),
            Operation::TransactWriteItems => self.transact(body),
        }
    }

    /// All items, by their keys.
    pub fn items(&self) -> &BTreeMap<Key, Arc<Item>> {
        &self.now.items
    }

    /// All changes so far.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// How many changes the indexes do not show yet.
    pub fn lag(&self) -> usize {
        self.changes.len() - self.followed
    }

    /// Lets the indexes show so many changes more.
    pub fn follow(&mut self, changes: usize) {
        let until = self.changes.len().min(self.followed.saturating_add(changes));
        for change in &self.changes[self.followed..until] {
            self.late.put(change);
        }
        self.followed = until;
    }

    fn batch(&self, body: &Value) -> Value {
        let mut responses = Map::new();
        for (table, wanted) in body["RequestItems"].as_object().unwrap() {
            let mut seen = BTreeSet::new();
            let keys: Vec<Key> = wanted["Keys"].as_array().unwrap().iter().map(key).collect();
            assert!(keys.iter().all(|key| seen.insert(key)), "a batch names an item twice");
            assert!(keys.len() <= 100, "a batch names {} items", keys.len());
            let items = keys.iter().filter_map(|key| self.now.items.get(key));
            responses.insert(table.clone(), items.map(|item| whole(item)).collect());
        }
        let mut answer = json!({"UnprocessedKeys": {}});
        answer["Responses"] = Value::Object(responses);
        answer
    }

    fn query(&self, body: &Value) -> Value {
        let index = body["IndexName"].as_str();
        let consistent = body["ConsistentRead"] == true;
        assert!(!consistent || index.is_none_or(|index| index == "by_number"), "no such read");
        let view = if index.is_none() || consistent { &self.now } else { &self.late };
        let values = &body["ExpressionAttributeValues"];
        let condition = body["KeyConditionExpression"].as_str().unwrap();
        let value = |name: &str| values[name]["S"].as_str().unwrap().to_owned();
        let (hash, range) = condition.split_once(" AND ").unwrap_or((condition, ""));
        let partition = value(hash.split_once(" = ").unwrap().1);
        let admits: Box<dyn Fn(&str) -> bool> = if let Some((_, ends)) = range.split_once(" BETWEEN ") {
            let (from, to) = ends.split_once(" AND ").unwrap();
            let (from, to) = (value(from), value(to));
            Box::new(move |at| *from <= *at && *at <= *to)
        } else if let Some(begins) = range.strip_prefix("begins_with(") {
            let prefix = value(begins.trim_end_matches(')').split_once(", ").unwrap().1);
            Box::new(move |at| at.starts_with(&prefix))
        } else if let Some((_, below)) = range.split_once(" <= ") {
            let below = value(below);
            Box::new(move |at| *at <= *below)
        } else if let Some((_, below)) = range.split_once(" < ") {
            let below = value(below);
            Box::new(move |at| *at < *below)
        } else if let Some((_, above)) = range.split_once(" > ") {
            let above = value(above);
            Box::new(move |at| *at > *above)
        } else if let Some((_, equal)) = range.split_once(" = ") {
            let equal = value(equal);
            Box::new(move |at| *at == *equal)
        } else {
            assert!(range.is_empty(), "{range}");
            Box::new(|_| true)
        };

        // Place and item, in order.
        let mut found: Vec<(String, &Arc<Item>)> = match index {
            None => view
                .items
                .range((partition.clone(), String::new())..)
                .take_while(|((pk, _), _)| *pk == partition)
                .filter(|((_, sk), _)| admits(sk))
                .map(|((_, sk), item)| (sk.clone(), item))
                .collect(),
            Some(name) => {
                let at = INDEXES.iter().position(|(index, ..)| *index == name).unwrap();
                let first = (partition.clone(), String::new(), Key::default());
                view.places[at]
                    .range((Bound::Included(first), Bound::Unbounded))
                    .take_while(|(of, ..)| *of == partition)
                    .filter(|(_, place, _)| admits(place))
                    .map(|(_, place, key)| (place.clone(), &view.items[key]))
                    .collect()
            }
        };
        if body["ScanIndexForward"] == false {
            found.reverse();
        }
        if !body["ExclusiveStartKey"].is_null() {
            let start = key(&body["ExclusiveStartKey"]);
            let range = index.map_or("sk", |name| INDEXES.iter().find(|index| index.0 == name).unwrap().2);
            let place = (text(body["ExclusiveStartKey"].as_object().unwrap(), range).unwrap(), start);
            let forward = body["ScanIndexForward"] != false;
            found.retain(|(at, item)| {
                let here = (at.clone(), item_key(item));
                if forward { here > place } else { here < place }
            });
        }
        let limit = body["Limit"].as_u64().map_or(usize::MAX, |limit| usize::try_from(limit).unwrap());
        let more = found.len() >= limit;
        found.truncate(limit);
        let mut answer = json!({"Count": found.len(), "ScannedCount": found.len()});
        if let Some((_, last)) = found.last().filter(|_| more) {
            answer["LastEvaluatedKey"] = Value::Object(projected(last, index, false));
        }
        answer["Items"] = found.iter().map(|(_, item)| Value::Object(projected(item, index, true))).collect();
        answer
    }

    fn put_item(&mut self, body: &Value) -> Result<Value, Refused> {
        if !self.holds(body) {
            let mut why = json!({"message": "The conditional request failed"});
            if body["ReturnValuesOnConditionCheckFailure"] == "ALL_OLD" {
                why["Item"] = json!(self.now.items.get(&key(&body["Item"])).map(|item| (**item).clone()));
            }
            return Err(refused("ConditionalCheckFailedException", why));
        }
        self.put(body);
        Ok(json!({}))
    }

    fn transact(&mut self, body: &Value) -> Result<Value, Refused> {
        let token = body["ClientRequestToken"].as_str().unwrap().to_owned();
        assert!((1..=36).contains(&token.len()), "{token}");
        let puts: Vec<&Value> =
            body["TransactItems"].as_array().unwrap().iter().map(|item| &item["Put"]).collect();
        let keys: BTreeSet<Key> = puts.iter().map(|put| key(&put["Item"])).collect();
        assert_eq!(keys.len(), puts.len(), "a transaction names an item twice");
        assert!(puts.len() <= 100, "a transaction has {} items", puts.len());
        match self.tokens.get(&token) {
            None => {}
            Some(before) if *before == body["TransactItems"] => return Ok(json!({})),
            Some(_) => {
                return Err(refused(
                    "IdempotentParameterMismatchException",
                    json!({"Message": "another request had this token"}),
                ));
            }
        }
        let held: Vec<bool> = puts.iter().map(|put| self.holds(put)).collect();
        if held.contains(&false) {
            let reasons: Vec<&str> =
                held.iter().map(|held| if *held { "None" } else { "ConditionalCheckFailed" }).collect();
            return Err(cancelled(&reasons));
        }
        for put in puts {
            self.put(put);
        }
        self.tokens.insert(token, body["TransactItems"].clone());
        Ok(json!({}))
    }

    fn put(&mut self, put: &Value) {
        let new = put["Item"].as_object().unwrap().clone();
        let key = item_key(&new);
        let old = self.now.items.get(&key).cloned();
        let change = Change { key, old, new: Arc::new(new), record: Arc::default() };
        self.now.put(&change);
        // As the stream: what changes nothing is no change.
        if change.old.as_deref() != Some(&*change.new) {
            self.changes.push(change);
        }
    }

    /// Whether the put's condition holds.
    fn holds(&self, put: &Value) -> bool {
        let Some(condition) = put["ConditionExpression"].as_str() else {
            return true;
        };
        let item = self.now.items.get(&key(&put["Item"]));
        let attribute = |name: &str| {
            let name = put["ExpressionAttributeNames"][name].as_str().unwrap_or(name);
            item.and_then(|item| item.get(name))
        };
        let within = |term: &str, function: &str| {
            term.strip_prefix(function).map(|name| attribute(name.trim_matches(['(', ')'])).is_some())
        };
        let value = |name: &str| &put["ExpressionAttributeValues"][name];
        let term_holds = |term: &str| {
            if let Some(there) = within(term, "attribute_not_exists") {
                !there
            } else if let Some(there) = within(term, "attribute_exists") {
                there
            } else if let Some((name, than)) = term.split_once(" < ") {
                attribute(name).is_some_and(|is| integer(is) < integer(value(than)))
            } else if let Some((name, than)) = term.split_once(" <= ") {
                attribute(name).is_some_and(|is| integer(is) <= integer(value(than)))
            } else {
                let (name, equal) = term.split_once(" = ").unwrap();
                attribute(name) == Some(value(equal))
            }
        };
        condition.split(" OR ").any(|terms| {
            let together = terms.strip_prefix('(').and_then(|terms| terms.strip_suffix(')')).unwrap_or(terms);
            together.split(" AND ").all(term_holds)
        })
    }
}

/// The item as a part of an answer. `json!` would go through all of it once more.
pub fn whole(item: &Item) -> Value {
    Value::Object(item.clone())
}

/// What the index has of an item, or its keys alone.
fn projected(item: &Item, index: Option<&str>, whole: bool) -> Item {
    let Some((_, hash, range, more)) = index.and_then(|name| INDEXES.iter().find(|index| index.0 == name))
    else {
        let keys = ["pk", "sk"];
        return item.clone().into_iter().filter(|(name, _)| whole || keys.contains(&&**name)).collect();
    };
    let kept = |name: &str| ["pk", "sk", hash, range].contains(&name) || (whole && more.contains(&name));
    item.clone().into_iter().filter(|(name, _)| kept(name)).collect()
}

/// An error of the database's.
pub fn refused(kind: &str, mut more: Value) -> Refused {
    more["__type"] = json!(format!("com.amazonaws.dynamodb.v20120810#{kind}"));
    Refused(400, more)
}

/// A transaction cancelled for these reasons, one an item.
pub fn cancelled(reasons: &[&str]) -> Refused {
    let told = reasons.join(", ");
    let reasons: Vec<Value> = reasons
        .iter()
        .map(
            |code| {
                if *code == "None" { json!({"Code": code}) } else { json!({"Code": code, "Message": code}) }
            },
        )
        .collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{told}]");
    refused("TransactionCanceledException", json!({"Message": message, "CancellationReasons": reasons}))
}

fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name)?["S"].as_str().map(str::to_owned)
}

fn item_key(item: &Item) -> Key {
    (text(item, "pk").unwrap(), text(item, "sk").unwrap())
}

/// The key among these attributes.
pub fn key(attributes: &Value) -> Key {
    item_key(attributes.as_object().unwrap())
}

fn integer(value: &Value) -> i128 {
    value["N"].as_str().unwrap().parse().unwrap()
}
