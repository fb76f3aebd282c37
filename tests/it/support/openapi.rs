//! `docs/openapi.json`, to which every exchange of every test is held: what is answered is described there, and so is what was asked
//! where it was taken.

use std::{
    collections::BTreeMap,
    fs,
    sync::{LazyLock, Mutex},
};

use http::HeaderMap;
use jsonschema::{Registry, Validator};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
/// What the document's own references are resolved against.
const HERE: &str = "urn:scrip:openapi";
/// Headers that say nothing of an answer.
const BESIDE: [&str; 3] = ["content-type", "content-security-policy", "x-content-type-options"];

/// Read when a test begins, and not compiled in: what changes in it is no other program.
static TEXT: LazyLock<String> = LazyLock::new(|| fs::read_to_string(FILE).unwrap());
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(&TEXT).unwrap());
static REGISTRY: LazyLock<Registry<'static>> = LazyLock::new(|| {
    let mut document = DOCUMENT.clone();
    // The functions of a test are those of `cargo local`, from which webhooks go anywhere.
    for name in ["GivenWebhookUrl", "WebhookUrl"] {
        document["components"]["schemas"][name]["pattern"] = json!("^[Hh][Tt][Tt][Pp][Ss]?://");
    }
    Registry::new().add(HERE, document).unwrap().prepare().unwrap()
});
static VALIDATORS: Mutex<BTreeMap<String, &'static Validator>> = Mutex::new(BTreeMap::new());

/// The document as it is written.
pub fn text() -> &'static str {
    &TEXT
}

/// The document as a tree.
pub fn document() -> &'static Value {
    &DOCUMENT
}

/// One method and path of the document.
#[derive(Clone, Copy)]
pub struct Operation {
    pub method: &'static str,
    pub path: &'static str,
    pub described: &'static Value,
}

/// Whether this path is of the function `console`: pages and their files are no part of the API, and the document says nothing of them.
pub fn is_page(path: &str) -> bool {
    path == "/console" || path == "/wallet" || path.starts_with("/wallet/") || path.starts_with("/assets/")
}

/// What was asked and answered.
pub struct Exchange<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
    pub status: u16,
    pub answered: &'a HeaderMap,
    pub text: &'a str,
}

/// Every method and path of the document.
pub fn operations() -> impl Iterator<Item = Operation> {
    let paths = DOCUMENT["paths"].as_object().unwrap().iter();
    paths.flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().iter();
        methods.map(move |(method, described)| Operation { method, path, described })
    })
}

/// Whether this is described by the schema, which is one of the document's; otherwise what is not.
pub fn check(schema: &Value, told: &Value) -> Result<(), String> {
    let name = schema.to_string();
    let known = VALIDATORS.lock().unwrap().get(&name).copied();
    let validator = known.unwrap_or_else(|| {
        let options = jsonschema::options().with_registry(&REGISTRY).should_validate_formats(true);
        let made: &Validator = Box::leak(Box::new(options.build(&absolute(schema)).unwrap()));
        VALIDATORS.lock().unwrap().insert(name, made);
        made
    });
    let faults: Vec<String> =
        validator.iter_errors(told).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
}

/// As [`check`], of one of the document's named schemas.
pub fn check_named(name: &str, told: &Value) -> Result<(), String> {
    check(&json!({"$ref": format!("#/components/schemas/{name}")}), told)
}

/// The schema as it reads from outside of the document.
fn absolute(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| match value.as_str() {
                Some(to) if name == "$ref" => (name.clone(), json!(format!("{HERE}{to}"))),
                _ => (name.clone(), absolute(value)),
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(values) => values.iter().map(absolute).collect(),
        value => value.clone(),
    }
}

/// What a reference leads to, and the thing itself where it is none.
pub fn resolved(thing: &'static Value) -> &'static Value {
    match thing["$ref"].as_str() {
        Some(to) => {
            DOCUMENT.pointer(to.strip_prefix('#').unwrap()).unwrap_or_else(|| panic!("{to} leads nowhere"))
        }
        None => thing,
    }
}

impl Operation {
    pub fn id(self) -> &'static str {
        self.described["operationId"].as_str().unwrap()
    }

    pub fn parameters(self) -> impl Iterator<Item = &'static Value> {
        self.described["parameters"].as_array().into_iter().flatten().map(resolved)
    }

    /// The path's variable parts, decoded, if it is one of this operation's.
    fn matches(self, path: &str) -> Option<BTreeMap<&'static str, String>> {
        let (own, given): (Vec<_>, Vec<_>) = (self.path.split('/').collect(), path.split('/').collect());
        let mut parts = BTreeMap::new();
        for (own, given) in own.iter().zip(&given) {
            match own.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) => {
                    parts.insert(name, percent_decode_str(given).decode_utf8_lossy().into_owned());
                }
                None if own == given => {}
                None => return None,
            }
        }
        (own.len() == given.len()).then_some(parts)
    }

    fn check_answer(self, exchange: &Exchange<'_>) -> Result<(), String> {
        let status = exchange.status.to_string();
        let listed = self.described["responses"].get(&status);
        let response = resolved(listed.ok_or_else(|| format!("the status {status} is not listed"))?);
        let header = |name: &str| exchange.answered.get(name).map(|value| value.to_str().unwrap());
        let media = header("content-type").map(|media| media.split(';').next().unwrap());
        match (response.get("content"), media) {
            (None, None) if exchange.text.is_empty() => {}
            (Some(content), Some(media)) => {
                let listed = content.get(media).ok_or_else(|| format!("{media} is not listed"))?;
                let told = if media.ends_with("json") {
                    serde_json::from_str(exchange.text).map_err(|error| error.to_string())?
                } else {
                    json!(exchange.text)
                };
                check(&listed["schema"], &told)?;
            }
            (_, media) => return Err(format!("{media:?} is not what is listed")),
        }
        let listed = response["headers"].as_object();
        for (name, described) in listed.into_iter().flatten() {
            let described = resolved(described);
            match header(name) {
                Some(told) => check(&described["schema"], &typed(&described["schema"], told))
                    .map_err(|fault| format!("{name}: {fault}"))?,
                None if described["required"] == true => return Err(format!("{name} is missing")),
                None => {}
            }
        }
        let known = |name: &str| {
            BESIDE.contains(&name)
                || listed.is_some_and(|listed| listed.keys().any(|known| known.eq_ignore_ascii_case(name)))
        };
        let unknown = exchange.answered.keys().find(|name| !known(name.as_str()));
        unknown.map_or(Ok(()), |name| Err(format!("the header {name} is not listed")))
    }

    fn check_request(
        self,
        exchange: &Exchange<'_>,
        parts: &BTreeMap<&str, String>,
        query: &str,
    ) -> Result<(), String> {
        let mut query: BTreeMap<String, String> =
            form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().unwrap();
            let given = match parameter["in"].as_str().unwrap() {
                "path" => parts.get(name).cloned(),
                "query" => query.remove(name),
                _ => exchange
                    .headers
                    .iter()
                    .find(|(given, _)| given.eq_ignore_ascii_case(name))
                    .map(|(_, value)| (*value).to_owned()),
            };
            match given {
                Some(given) => {
                    let given = typed(&parameter["schema"], &given);
                    check(&parameter["schema"], &given).map_err(|fault| format!("{name}: {fault}"))?;
                }
                None if parameter["required"] == true => return Err(format!("{name} is missing")),
                None => {}
            }
        }
        if let Some(name) = query.keys().next() {
            return Err(format!("the parameter {name} is not listed"));
        }
        match self.described.get("requestBody") {
            None => Ok(()),
            Some(body) if exchange.body.is_empty() => {
                if body["required"] == true {
                    Err("the body is missing".to_owned())
                } else {
                    Ok(())
                }
            }
            Some(body) => {
                let given = serde_json::from_slice(exchange.body).map_err(|error| error.to_string())?;
                check(&body["content"]["application/json"]["schema"], &given)
            }
        }
    }
}

/// A parameter's or header's text as what its schema speaks of.
fn typed(schema: &Value, text: &str) -> Value {
    match text.parse::<u64>() {
        Ok(number) if schema["type"] == "integer" => json!(number),
        _ => json!(text),
    }
}

/// Holds an exchange to the document.
pub fn hold(exchange: &Exchange<'_>) {
    let Exchange { method, path, status, text, .. } = exchange;
    let (plain, query) = path.split_once('?').unwrap_or((path, ""));
    let found = operations()
        .filter(|operation| operation.method.to_uppercase() == *method)
        .find_map(|operation| operation.matches(plain).map(|parts| (operation, parts)));
    if is_page(plain) && *status < 400 {
        return;
    }
    let Some((operation, parts)) = found else {
        let told = serde_json::from_str(text).unwrap();
        let fault = check_named("Problem", &told).err();
        assert_eq!(fault, None, "{method} {path} answered {status} {text}");
        return;
    };
    if let Err(fault) = operation.check_answer(exchange) {
        panic!(
            "{method} {path} answered {status} {text}, which {} does not describe: {fault}",
            operation.id()
        );
    }
    if (200..300).contains(status)
        && let Err(fault) = operation.check_request(exchange, &parts, query)
    {
        let body = String::from_utf8_lossy(exchange.body);
        panic!("{method} {path} {body} was taken, which {} does not describe: {fault}", operation.id());
    }
}
