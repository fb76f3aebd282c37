//! The page for people: the document as HTML that loads nothing and runs nothing.

use base64::{Engine, engine::general_purpose::STANDARD};
use ledger::Hash;

use super::tree::Tree;

const STYLE: &str = include_str!("page.css");

/// What the page's policy has to name its style by.
pub fn style_digest() -> String {
    STANDARD.encode(Hash::of(STYLE.as_bytes()).0)
}

/// The page of this document.
pub fn page(document: &Tree) -> String {
    let info = document.at("info");
    let title = escaped(info.at("title").text());
    let page = Page { document };
    let tags = document.at("tags").items();
    let contents: String = tags.iter().map(|tag| page.contents(tag.at("name").text())).collect();
    let operations: String = tags.iter().map(|tag| page.tag(tag)).collect();
    let credentials: String =
        document.at("components").at("securitySchemes").members().iter().map(row_of_credential).collect();
    let schemas: String = page.schemas().iter().map(|(name, schema)| page.schema(name, schema)).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}: API</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title} <small>{version}</small></h1>\n<p class=\"lead\">{summary}</p>\n{description}\
         <p>This page says what <a href=\"/openapi.json\">openapi.json</a> does.</p>\n</header>\n\
         <nav aria-label=\"Operations\">\n<h2>Operations</h2>\n{contents}<p><a href=\"#credentials\">Credentials</a>, <a href=\"#schemas\">schemas</a></p>\n</nav>\n\
         <main>\n{operations}<section>\n<h2 id=\"credentials\">Credentials</h2>\n<dl>\n{credentials}</dl>\n</section>\n\
         <section>\n<h2 id=\"schemas\">Schemas</h2>\n{schemas}</section>\n</main>\n</body>\n</html>\n",
        version = escaped(info.at("version").text()),
        summary = prose(info.at("summary").text()),
        description = paragraphs(info.at("description").text()),
    )
}

struct Page<'a> {
    document: &'a Tree,
}

impl<'a> Page<'a> {
    fn schemas(&self) -> &'a [(String, Tree)] {
        self.document.at("components").at("schemas").members()
    }

    /// Every method and path of this tag.
    fn operations(&self, tag: &str) -> Vec<(&'a str, &'a str, &'a Tree)> {
        let paths = self.document.at("paths").members().iter();
        let all = paths.flat_map(|(path, methods)| {
            methods.members().iter().map(move |(method, of)| (method.as_str(), path.as_str(), of))
        });
        all.filter(|(_, _, of)| of.at("tags").items()[0].text() == tag).collect()
    }

    fn contents(&self, tag: &str) -> String {
        let links: String = self
            .operations(tag)
            .iter()
            .map(|(_, _, of)| {
                let id = of.at("operationId").text();
                format!("<li><a href=\"#{id}\">{}</a></li>\n", prose(of.at("summary").text()))
            })
            .collect();
        format!("<p>{}</p>\n<ul>\n{links}</ul>\n", escaped(tag))
    }

    fn tag(&self, tag: &Tree) -> String {
        let name = tag.at("name").text();
        let operations: String = self
            .operations(name)
            .into_iter()
            .map(|(method, path, of)| self.operation(method, path, of))
            .collect();
        let about = prose(tag.at("description").text());
        format!("<section>\n<h2>{}</h2>\n<p>{about}</p>\n{operations}</section>\n", escaped(name))
    }

    fn operation(&self, method: &str, path: &str, of: &Tree) -> String {
        let id = of.at("operationId").text();
        let mut html = format!(
            "<article>\n<h3 id=\"{id}\"><a href=\"#{id}\">{}</a></h3>\n<p class=\"call\"><b>{}</b> <code>{}</code></p>\n<p>{}</p>\n",
            prose(of.at("summary").text()),
            method.to_uppercase(),
            // So that a narrow page may break it.
            escaped(path).replace('/', "/<wbr>"),
            prose(of.at("description").text()),
        );
        let parameters = of.get("parameters").map_or(&[][..], Tree::items);
        if !parameters.is_empty() {
            let rows: String = parameters
                .iter()
                .map(|parameter| {
                    let parameter = parameter.resolved(self.document);
                    let required = parameter.get("required").is_some();
                    self.row(
                        parameter.at("name").text(),
                        required,
                        &format!("{}, {}", parameter.at("in").text(), self.kind(parameter.at("schema"))),
                        parameter,
                    )
                })
                .collect();
            html += &format!("<h4>Parameters</h4>\n<dl>\n{rows}</dl>\n");
        }
        if let Some(body) = of.get("requestBody") {
            let media = body.at("content").at("application/json");
            let optional = if body.get("required").is_some() { "" } else { ", which may be left out" };
            html += &format!(
                "<h4>Body</h4>\n<p>{}{optional}</p>\n{}",
                self.kind(media.at("schema")),
                self.example(media)
            );
        }
        html += "<h4>Answers</h4>\n<dl>\n";
        for (status, answer) in of.at("responses").members() {
            html += &self.answer(status, answer.resolved(self.document));
        }
        html + "</dl>\n</article>\n"
    }

    fn answer(&self, status: &str, answer: &Tree) -> String {
        let mut html = format!("<dt><b>{status}</b>");
        let media = answer.get("content").map_or(&[][..], Tree::members);
        let mut example = String::new();
        for (_, media) in media {
            let schema = media.at("schema");
            match schema.get("properties").and_then(|members| members.get("code")) {
                Some(code) => html += &format!(" {}", words(code.at("enum").items())),
                None => html += &format!(" {}", self.kind(schema)),
            }
            example += &self.example(media);
        }
        html += &format!("</dt>\n<dd>{}", prose(answer.at("description").text()));
        let headers = answer.get("headers").map_or(&[][..], Tree::members);
        let headers: Vec<_> = headers
            .iter()
            .filter(|(name, _)| name != "Cache-Control")
            .map(|(name, _)| format!("<code>{name}</code>"))
            .collect();
        if !headers.is_empty() {
            html += &format!(" Headers: {}.", headers.join(", "));
        }
        let links = answer.get("links").map_or(&[][..], Tree::members);
        if !links.is_empty() {
            let links: Vec<_> = links
                .iter()
                .map(|(_, link)| {
                    let to = link.at("operationId").text();
                    format!("<a href=\"#{to}\">{to}</a>")
                })
                .collect();
            html += &format!(" Then: {}.", links.join(", "));
        }
        format!("{html}\n{example}</dd>\n")
    }

    fn example(&self, media: &Tree) -> String {
        let examples = media.get("examples").map_or(&[][..], Tree::members);
        let shown = examples.iter().map(|(_, example)| {
            let value = example.resolved(self.document).at("value");
            format!(
                "<details><summary>Example</summary><pre>{}</pre></details>\n",
                escaped(&broken(value, 0))
            )
        });
        shown.collect()
    }

    fn schema(&self, name: &str, schema: &Tree) -> String {
        let members = schema.get("properties").map_or(&[][..], Tree::members);
        let required = schema.get("required").map_or(&[][..], Tree::items);
        let rows: String = members
            .iter()
            .map(|(name, member)| {
                let required = required.iter().any(|required| required.text() == name);
                self.row(name, required, &self.kind(member), member)
            })
            .collect();
        let about = schema
            .get("description")
            .map_or(String::new(), |about| format!("<p>{}</p>\n", prose(about.text())));
        let body = if rows.is_empty() {
            format!("<p>{}</p>\n", self.kind(schema))
        } else {
            format!("<dl>\n{rows}</dl>\n")
        };
        format!("<article>\n<h3 id=\"schema-{name}\">{name}</h3>\n{about}{body}</article>\n")
    }

    fn row(&self, name: &str, required: bool, kind: &str, of: &Tree) -> String {
        let optional = if required { "" } else { " <i>optional</i>" };
        let told = of.get("description").or_else(|| of.resolved(self.document).get("description"));
        let about = told.map_or("", Tree::text);
        let default =
            match of.get("default").or_else(|| of.get("schema").and_then(|schema| schema.get("default"))) {
                Some(value) => format!(" Without it: <code>{}</code>.", escaped(&value.to_string())),
                None => String::new(),
            };
        format!(
            "<dt><code>{}</code>{optional} <span>{kind}</span></dt>\n<dd>{}{default}</dd>\n",
            escaped(name),
            prose(about)
        )
    }

    /// What a schema admits, in a line.
    fn kind(&self, schema: &Tree) -> String {
        if let Some(to) = schema.get("$ref") {
            let name = to.text().rsplit('/').next().unwrap();
            return format!("<a href=\"#schema-{name}\">{name}</a>");
        }
        for of in ["anyOf", "oneOf"] {
            if schema.get("properties").is_none()
                && let Some(ways) = schema.get(of)
            {
                return ways.items().iter().map(|way| self.kind(way)).collect::<Vec<_>>().join(" or ");
            }
        }
        if let Some(value) = schema.get("const") {
            return format!("<code>{}</code>", escaped(&value.to_string()));
        }
        if let Some(values) = schema.get("enum") {
            return words(values.items());
        }
        let types = match schema.get("type") {
            Some(Tree::List(types)) => types.iter().map(Tree::text).collect(),
            Some(one) => vec![one.text()],
            None => vec!["anything"],
        };
        let types: Vec<_> = types.into_iter().map(|kind| self.kind_of(kind, schema)).collect();
        types.join(" or ")
    }

    fn kind_of(&self, kind: &str, schema: &Tree) -> String {
        let bound = |name: &str| schema.get(name).map(Tree::to_string);
        let mut html = match kind {
            "array" => format!("list of {}", self.kind(schema.at("items"))),
            "object" => match (
                schema.get("additionalProperties"),
                schema.get("propertyNames"),
                schema.get("properties"),
            ) {
                (_, _, Some(members)) => {
                    let members = members
                        .members()
                        .iter()
                        .map(|(name, member)| format!("<code>{name}</code>: {}", self.kind(member)));
                    format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
                }
                (Some(values @ Tree::Map(_)), names, None) => {
                    let names = names.map_or_else(|| "name".to_owned(), |names| self.kind(names));
                    format!("{} by {names}", self.kind(values))
                }
                _ => "empty object".to_owned(),
            },
            kind => kind.to_owned(),
        };
        for (low, high, what) in [
            ("minimum", "maximum", ""),
            ("minLength", "maxLength", " characters"),
            ("minItems", "maxItems", " items"),
        ] {
            let of_kind =
                matches!((kind, what), ("integer", "") | ("string", " characters") | ("array", " items"));
            match (bound(low), bound(high)) {
                (Some(low), Some(high)) if of_kind => html += &format!(", {low} to {high}{what}"),
                (Some(low), None) if of_kind => html += &format!(", at least {low}{what}"),
                (None, Some(high)) if of_kind => html += &format!(", at most {high}{what}"),
                _ => {}
            }
        }
        if kind == "string"
            && let Some(pattern) = schema.get("pattern")
        {
            html += &format!(" <code class=\"pattern\">{}</code>", escaped(pattern.text()));
        }
        html
    }
}

fn row_of_credential((name, scheme): &(String, Tree)) -> String {
    format!("<dt><code>{name}</code></dt>\n<dd>{}</dd>\n", prose(scheme.at("description").text()))
}

fn words(values: &[Tree]) -> String {
    let words: Vec<_> = values
        .iter()
        .map(|value| {
            let word = if value.text().is_empty() { value.to_string() } else { value.text().to_owned() };
            format!("<code>{}</code>", escaped(&word))
        })
        .collect();
    words.join(" ")
}

/// JSON with each member on a line of its own, but for lists and objects that are short.
fn broken(value: &Tree, depth: usize) -> String {
    let flat = value.to_string();
    let (pad, end) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    match value {
        Tree::Map(members) if flat.len() > 60 => {
            let member =
                |(name, value): &(String, Tree)| format!("{pad}\"{name}\": {}", broken(value, depth + 1));
            format!("{{\n{}\n{end}}}", members.iter().map(member).collect::<Vec<_>>().join(",\n"))
        }
        Tree::List(items) if flat.len() > 60 => {
            let item = |item: &Tree| format!("{pad}{}", broken(item, depth + 1));
            format!("[\n{}\n{end}]", items.iter().map(item).collect::<Vec<_>>().join(",\n"))
        }
        _ => flat,
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A text with its `code` and **weight**.
fn prose(text: &str) -> String {
    let code = |(at, part): (usize, &str)| {
        if at % 2 == 1 {
            return format!("<code>{}</code>", escaped(part));
        }
        let weight = |(at, part): (usize, &str)| {
            if at % 2 == 1 { format!("<b>{}</b>", escaped(part)) } else { escaped(part) }
        };
        part.split("**").enumerate().map(weight).collect()
    };
    text.split('`').enumerate().map(code).collect()
}

fn paragraphs(text: &str) -> String {
    text.split("\n\n").map(|part| format!("<p>{}</p>\n", prose(part))).collect()
}
