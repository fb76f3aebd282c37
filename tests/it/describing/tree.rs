//! JSON in the order in which it is written, which `serde_json` forgets, and laid out for people.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// Columns of a line of JSON.
const WIDTH: usize = 140;

/// A JSON value whose members have an order.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Leaf(Value),
    List(Vec<Tree>),
    Map(Vec<(String, Tree)>),
}

impl Tree {
    pub fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    pub fn get(&self, name: &str) -> Option<&Self> {
        self.members().iter().find(|(of, _)| of == name).map(|(_, value)| value)
    }

    pub fn at(&self, name: &str) -> &Self {
        self.get(name).unwrap_or_else(|| panic!("there is no {name}"))
    }

    pub fn members(&self) -> &[(String, Self)] {
        if let Self::Map(members) = self { members } else { &[] }
    }

    pub fn items(&self) -> &[Self] {
        if let Self::List(items) = self { items } else { &[] }
    }

    pub fn text(&self) -> &str {
        if let Self::Leaf(Value::String(text)) = self { text } else { "" }
    }

    /// What this, or the reference that it is, leads to in the document.
    pub fn resolved<'a>(&'a self, document: &'a Self) -> &'a Self {
        let Some(to) = self.get("$ref") else { return self };
        to.text().split('/').skip(1).fold(document, |tree, name| tree.at(name))
    }

    /// The JSON, what fits on one line; a space for each level that it stands at.
    pub fn laid_out(&self, depth: usize, before: usize) -> String {
        let flat = self.to_string();
        if depth + before + flat.chars().count() <= WIDTH {
            return flat;
        }
        let (pad, end) = (" ".repeat(depth + 1), " ".repeat(depth));
        match self {
            Self::Leaf(_) => flat,
            Self::List(items) => {
                let items: Vec<_> =
                    items.iter().map(|item| pad.clone() + &item.laid_out(depth + 1, 1)).collect();
                format!("[\n{}\n{end}]", items.join(",\n"))
            }
            Self::Map(members) => {
                let member = |(name, value): &(String, Self)| {
                    let name = Value::from(name.as_str()).to_string();
                    format!("{pad}{name}: {}", value.laid_out(depth + 1, name.chars().count() + 3))
                };
                let members: Vec<_> = members.iter().map(member).collect();
                format!("{{\n{}\n{end}}}", members.join(",\n"))
            }
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Leaf(value) => write!(f, "{value}"),
            Self::List(items) => write!(f, "[{}]", joined(items.iter().map(Self::to_string).collect())),
            Self::Map(members) => {
                let member =
                    |(name, value): &(String, Self)| format!("{}: {value}", Value::from(name.as_str()));
                write!(f, "{{{}}}", joined(members.iter().map(member).collect()))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Tree;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Leaf(Value::Null))
            }

            fn visit_bool<E>(self, truth: bool) -> Result<Tree, E> {
                Ok(Tree::Leaf(truth.into()))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
                Ok(Tree::Leaf(number.into()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
                Ok(Tree::Leaf(number.into()))
            }

            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Leaf(text.into()))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Tree, S::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Tree::List(list))
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Tree, M::Error> {
                let mut map = Vec::new();
                while let Some(member) = members.next_entry()? {
                    map.push(member);
                }
                Ok(Tree::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}
