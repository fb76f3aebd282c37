//! Lines of an export, and what the auditor says of items that are nobody's.

use super::*;
use crate::Place;

fn record(item: Value) -> Record {
    Record::read(&json!({"Item": item}).to_string()).unwrap()
}

#[test]
fn a_line_is_written_as_it_was_read() {
    let item = json!({
        "S": {"S": "text"}, "N": {"N": "1.5"}, "B": {"B": "/w=="}, "BOOL": {"BOOL": true}, "NULL": {"NULL": true},
        "L": {"L": [{"S": "a"}, {"L": []}]}, "M": {"M": {"x": {"N": "1"}, "y": {"M": {}}}},
        "SS": {"SS": ["a", "b"]}, "NS": {"NS": ["1", "2"]}, "BS": {"BS": ["/w==", ""]},
    });
    let line: Value = serde_json::from_str(&record(item.clone()).line()).unwrap();
    assert_eq!(line, json!({"Item": item}));
}

#[test]
fn what_is_no_item_is_refused() {
    for wrong in [
        json!(null),
        json!({}),
        json!({"Item": []}),
        json!({"Item": {"a": "b"}}),
        json!({"Item": {"a": {}}}),
        json!({"Item": {"a": {"S": 1}}}),
        json!({"Item": {"a": {"N": 1}}}),
        json!({"Item": {"a": {"B": "~"}}}),
        json!({"Item": {"a": {"BOOL": "true"}}}),
        json!({"Item": {"a": {"L": {}}}}),
        json!({"Item": {"a": {"M": []}}}),
        json!({"Item": {"a": {"SS": ["a", 1]}}}),
        json!({"Item": {"a": {"L": [{"X": 1}]}}}),
        json!({"Item": {"a": {"X": "a"}}}),
    ] {
        assert!(Record::read(&wrong.to_string()).is_err(), "{wrong}");
    }
    assert!(Record::read("").is_err() && Record::read("{").is_err());
}

#[test]
fn an_attribute_is_read_to_a_depth_and_no_deeper() {
    let nested = |depth: usize| {
        let item = format!(
            r#"{{"Item":{{"a":{}{}{}}}}}"#,
            r#"{"L":["#.repeat(depth),
            r#"{"S":""}"#,
            "]}".repeat(depth)
        );
        Record::read(&item).is_ok()
    };
    assert!(nested(0) && nested(31));
    assert!(!nested(32) && !nested(33));
}

#[test]
fn an_item_stands_with_its_customers_and_entries_by_number() {
    let place = |item: Value| record(item).place();
    let of = |pk: &str, sk: &str, order: &str| {
        Some(Place {
            customer: "alice".parse().unwrap(),
            key: (pk.to_owned(), sk.to_owned()),
            order: order.to_owned(),
        })
    };
    let key = |pk: &str, sk: &str| json!({"pk": {"S": pk}, "sk": {"S": sk}});
    let with = |mut item: Value, name: &str, value: &str| {
        item[name] = json!({"S": value});
        item
    };
    assert_eq!(place(key("C#alice", "A#USD")), of("C#alice", "A#USD", ""));
    assert_eq!(place(key("LIST#alice", "NAME")), of("LIST#alice", "NAME", ""));
    // An entry whose number is lost comes last, and is found there.
    assert_eq!(place(key("C#alice", "K#1")), of("C#alice", "K#1", "Z"));
    assert_eq!(
        place(with(key("C#alice", "K#1"), "n", "E#USD#000000000001")),
        of("C#alice", "K#1", "E#USD#000000000001")
    );
    assert_eq!(place(with(key("C#alice", "K#1"), "t", "{}")), of("C#alice", "K#1", ""));
    assert_eq!(place(with(with(key("C#alice", "K#1"), "t", "{}"), "n", "T#1#1")), of("C#alice", "K#1", ""));
    assert_eq!(place(with(key("C#alice", "R#1"), "n", "T#1#1")), of("C#alice", "R#1", ""));
    for nobodys in [
        key("STORE", "SETTINGS"),
        key("C#", "A"),
        key("C#a b", "A"),
        json!({"pk": {"S": "C#alice"}}),
        json!({}),
    ] {
        assert_eq!(place(nobodys.clone()), None, "{nobodys}");
    }
}

/// An API key, as it is stored since there is a list of them.
fn listed_key() -> Value {
    json!({
        "pk": {"S": "KEY#key_1"}, "sk": {"S": "KEY"}, "v": {"N": "1"}, "role": {"S": "store"}, "name": {"S": "till"},
        "h": {"B": "jeAxEvx8c7MdzFvBbGeVt2JDdPYXArCBhoPc1IcoQkM="}, "at": {"N": "1795341600000"},
        "lq": {"S": "KEY"}, "lk": {"S": "001795341600000#key_1"},
    })
}

#[test]
fn an_item_that_is_nobodys_is_of_a_known_kind_readable_and_in_no_index() {
    let code = |item: &Value| record(item.clone()).finding().map(|finding| finding.code.word());
    let key = |pk: &str, sk: &str| json!({"pk": {"S": pk}, "sk": {"S": sk}, "v": {"N": "1"}});
    for (pk, sk) in [("STORE", "MAIL"), ("TOLD#1", "mail"), ("JOB#AUDIT", "JOB"), ("GRANT#1", "JOB")] {
        let mut item = key(pk, sk);
        assert_eq!(code(&item), None, "{pk}");
        for index in ["n", "wq", "wk", "lq", "lk"] {
            item[index] = json!({"S": "x"});
            assert_eq!(code(&item), Some("index_drift"), "{pk} {index}");
            item.as_object_mut().unwrap().remove(index);
        }
        item["v"] = json!({"N": "2"});
        assert_eq!(code(&item), Some("unreadable"), "{pk}");
    }
    for pk in ["OTHER", "STORES", "xSTORE", "LISTS#1"] {
        assert_eq!(code(&key(pk, "x")), Some("unknown_item"), "{pk}");
    }
    assert_eq!(code(&json!({"pk": {"S": "STORE"}})), Some("unreadable"));
    // An API key is read whole, and stands in its list or, from before there was one, in none.
    let mut listed = listed_key();
    for index in ["n", "wq", "wk", "lq", "lk"] {
        let mut moved = listed.clone();
        moved[index] = json!({"S": "x"});
        assert_eq!(code(&moved), Some("index_drift"), "{index}");
    }
    assert_eq!(code(&listed), None);
    listed.as_object_mut().unwrap().retain(|name, _| !["lq", "lk"].contains(&name.as_str()));
    assert_eq!(code(&listed), None);
    listed["role"] = json!({"S": "king"});
    assert_eq!(code(&listed), Some("unreadable"));
    // Settings are read whole.
    assert_eq!(code(&key("STORE", "SETTINGS")), Some("unreadable"));
    let settings = Record(stored("settings"));
    assert_eq!(settings.finding(), None);
}
