//! What `infra/template.yaml` says of the table and the routes.

use std::sync::OnceLock;

use saphyr::{LoadableYamlNode, ScalarOwned, YamlOwned};
use serde_json::{Map, Value, json};

use crate::Failure;

/// The SAM template, as it is deployed.
const TEMPLATE: &str = include_str!("../../template.yaml");

/// The template as a tree; CloudFormation's short tags are left out, their values kept.
#[derive(Clone, Debug)]
pub struct Template(Value);

/// One route of the template.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TemplateRoute {
    /// The function's binary.
    pub function: String,
    /// The method, or `$default` for everything that no other route takes.
    pub method: String,
    /// The path, empty for `$default`.
    pub path: String,
}

impl Template {
    /// The template that this was built with, read once.
    ///
    /// # Errors
    /// When it is not YAML.
    pub fn read() -> Result<&'static Self, Failure> {
        static READ: OnceLock<Template> = OnceLock::new();
        if let Some(known) = READ.get() {
            return Ok(known);
        }
        let documents = YamlOwned::load_from_str(TEMPLATE)?;
        let template = documents.first().map(json_of).map(Self).ok_or("the template is empty")?;
        Ok(READ.get_or_init(|| template))
    }

    /// All of it.
    pub fn tree(&self) -> &Value {
        &self.0
    }

    /// Resources of this type, by their logical names.
    pub fn resources<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let resources = self.0.get("Resources").and_then(Value::as_object).into_iter().flatten();
        resources
            .filter(move |(_, resource)| resource.get("Type").and_then(Value::as_str) == Some(kind))
            .map(|(name, resource)| (name.as_str(), resource))
    }

    /// The binaries of all functions.
    ///
    /// # Errors
    /// When a function names none.
    pub fn functions(&self) -> Result<Vec<String>, Failure> {
        self.resources("AWS::Serverless::Function")
            .map(|(name, resource)| binary_of(name, resource))
            .collect()
    }

    /// Every route of every function.
    ///
    /// # Errors
    /// When a function names no binary, or a route no method.
    pub fn routes(&self) -> Result<Vec<TemplateRoute>, Failure> {
        let mut routes = Vec::new();
        for (name, resource) in self.resources("AWS::Serverless::Function") {
            let function = binary_of(name, resource)?;
            let events =
                resource.pointer("/Properties/Events").and_then(Value::as_object).into_iter().flatten();
            for (_, event) in
                events.filter(|(_, event)| event.get("Type").and_then(Value::as_str) == Some("HttpApi"))
            {
                let text = |pointer| event.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
                // SAM takes an event without path and method as the API's default route.
                let method = text("/Properties/Method").unwrap_or_else(|| "$default".to_owned());
                let path = text("/Properties/Path").unwrap_or_default();
                routes.push(TemplateRoute { function: function.clone(), method, path });
            }
        }
        Ok(routes)
    }

    /// The table as DynamoDB's `CreateTable` wants it.
    ///
    /// # Errors
    /// When the template has no such table.
    pub fn table(&self, name: &str) -> Result<Value, Failure> {
        let (_, table) = self.resources("AWS::DynamoDB::Table").next().ok_or("the template has no table")?;
        let property = |property: &str| table.pointer(&format!("/Properties/{property}")).cloned();
        let mut request = Map::new();
        request.insert("TableName".to_owned(), json!(name));
        for same in [
            "AttributeDefinitions",
            "KeySchema",
            "LocalSecondaryIndexes",
            "GlobalSecondaryIndexes",
            "BillingMode",
        ] {
            request
                .insert(same.to_owned(), property(same).ok_or_else(|| format!("the table has no {same}"))?);
        }
        let stream = property("StreamSpecification").ok_or("the table has no stream")?;
        let view = stream.get("StreamViewType").ok_or("the stream has no view")?;
        request
            .insert("StreamSpecification".to_owned(), json!({"StreamEnabled": true, "StreamViewType": view}));
        Ok(Value::Object(request))
    }
}

fn binary_of(name: &str, function: &Value) -> Result<String, Failure> {
    let binary = function.pointer("/Metadata/BuildProperties/Binary").and_then(Value::as_str);
    Ok(binary.ok_or_else(|| format!("{name} names no binary"))?.to_owned())
}

fn json_of(yaml: &YamlOwned) -> Value {
    match yaml {
        YamlOwned::Value(ScalarOwned::Boolean(truth)) => json!(truth),
        YamlOwned::Value(ScalarOwned::Integer(number)) => json!(number),
        YamlOwned::Value(ScalarOwned::String(text)) => json!(text),
        YamlOwned::Value(_) | YamlOwned::Alias(_) | YamlOwned::BadValue => Value::Null,
        YamlOwned::Representation(text, ..) => json!(text),
        YamlOwned::Tagged(_, node) => json_of(node),
        YamlOwned::Sequence(items) => items.iter().map(json_of).collect(),
        YamlOwned::Mapping(entries) => {
            let entry = |(name, value): (&YamlOwned, &YamlOwned)| {
                Some((json_of(name).as_str()?.to_owned(), json_of(value)))
            };
            Value::Object(entries.iter().filter_map(entry).collect())
        }
    }
}
