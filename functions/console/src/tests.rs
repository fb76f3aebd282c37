//! What lies in `web/` is what the pages' policy lets run, is small, and comes in one go.

use std::collections::BTreeSet;

use super::*;

/// Bytes of everything in gzip.
const MOST: usize = 100_000;

fn text(name: &str) -> &'static str {
    str::from_utf8(find(name).unwrap().bytes).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn names(ending: &str) -> Vec<&'static str> {
    FILES.iter().map(|file| file.name).filter(|name| name.ends_with(ending)).collect()
}

fn site() -> Site {
    Site {
        issuer: "https://id.shop.example/realms/shop".to_owned(),
        audience: "scrip".to_owned(),
        console_client: "\"><script>alert(1)</script>".to_owned(),
        wallet_client: "wallet".to_owned(),
        sign_in: vec!["https://login.example:8443".parse().unwrap()],
        shops: vec!["https://shop.example".parse().unwrap(), "https://other.example".parse().unwrap()],
    }
}

/// What a module imports: `static` ones, which come before it runs, and those that it asks for when it needs them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Imports {
    first: BTreeSet<String>,
    later: BTreeSet<String>,
}

/// A module without its comments, as far as imports need it. A comment begins a line of ours, or follows its code.
fn without_comments(code: &str) -> String {
    let mut rest = code;
    let mut plain = String::new();
    while let Some((before, comment)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let line = |line: &str| match line.trim_start() {
        line if line.starts_with("//") => String::new(),
        _ => line.to_owned(),
    };
    plain.lines().map(line).collect::<Vec<_>>().join("\n")
}

/// Finds `from '…'`, `import '…'` and `import('…')`.
fn imports(code: &str) -> Imports {
    let code = without_comments(code);
    let mut found = Imports::default();
    for (word, calls) in [("from", false), ("import", false), ("import", true)] {
        for (at, _) in code.match_indices(word) {
            let before = &code[..at];
            let statement = before.rsplit(['\n', ';']).next().unwrap().trim_start();
            // What is imported at first is a statement: its beginning, or the end of its list on a line of its own.
            let is_statement = ["import", "export", "}"].iter().any(|begin| statement.starts_with(begin));
            let is_word = !before.ends_with(|c: char| c.is_alphanumeric() || "_$.'\"`".contains(c));
            if !is_word || !(calls || is_statement || statement.is_empty()) {
                continue;
            }
            let rest = code[at.strict_add(word.len())..].trim_start();
            let rest = if calls { rest.strip_prefix('(').map(str::trim_start) } else { Some(rest) };
            let Some(rest) = rest else { continue };
            let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`')) else { continue };
            let name = rest[1..].split(quote).next().unwrap().to_owned();
            if calls {
                found.later.insert(name)
            } else {
                found.first.insert(name)
            };
        }
    }
    found
}

/// Tags of a page: name and attributes as they are written.
fn tags(html: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let inside = html.split('<').skip(1).filter_map(|tag| tag.split('>').next());
    inside.map(|tag| tag.split_once(|c: char| c.is_whitespace()).unwrap_or((tag, "")))
}

fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let begin = format!("{name}=\"");
    let at = format!(" {attributes}").find(&format!(" {begin}"))?;
    attributes[at.strict_add(begin.len())..].split('"').next()
}

#[test]
fn imports_are_found_as_they_are_written() {
    let code = "// import './no.js'\n/* from './no.js' */ import { a } from './a.js';\nimport'./b.js';export*from\"./c.js\";\n\
        const d = await import('./d.js'); Array.from('./no.js'); const important = fromage('./no.js');\n\
        const words = ['import', 'from'], said = `${t('from')}` + ' it is from ', more = 'x';\nimport {\n  e,\n} from './e.js';";
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(
        imports(code),
        Imports { first: of(&["./a.js", "./b.js", "./c.js", "./e.js"]), later: of(&["./d.js"]) }
    );
}

#[test]
fn everything_together_is_small_and_of_a_known_kind() {
    let sizes = FILES.iter().map(|file| (file.gzipped.len(), file.name));
    let sum: usize = sizes.clone().map(|(size, _)| size).sum();
    assert!(sum < MOST, "{sum} bytes: {:?}", sizes.collect::<BTreeSet<_>>());
    for File { name, .. } in &FILES {
        assert_ne!(media_type(name), "application/octet-stream", "{name}");
        assert!(
            name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)),
            "{name} would need escaping"
        );
    }
}

#[test]
fn pages_have_nothing_inline_and_nothing_of_another_host() {
    let pages = names(".html");
    assert_eq!(pages, ["console.html", "wallet.html"]);
    for page in pages {
        let html = text(page);
        assert!(!html.contains("//"), "{page} names a host");
        for (tag, attributes) in tags(html) {
            let what = format!("{page}: <{tag} {attributes}>");
            let lower = attributes.to_lowercase();
            assert!(tag != "style" && !format!(" {lower}").contains(" style"), "{what}");
            assert!(
                !lower.split_whitespace().any(|word| word.starts_with("on") && word.contains('=')),
                "{what}"
            );
            if tag == "script" {
                assert!(attribute(attributes, "src").is_some(), "{what}");
                assert!(
                    html.contains(&format!("<{tag} {attributes}></script>")),
                    "{what} has something inline"
                );
            }
            for address in ["src", "href"].iter().filter_map(|name| attribute(attributes, name)) {
                let ours = address.strip_prefix("{{assets}}/");
                assert!(address == "data:," || ours.is_some_and(|name| find(name).is_ok()), "{what}");
            }
        }
    }
    for name in names(".css") {
        let css = text(name);
        assert!(!css.contains("//") && !css.contains("@import"), "{name} names a host");
    }
    // What is an attribute of what a module makes is as inline as if it stood in the page.
    for name in names(".js") {
        for inline in [" style=\"", " style='", " style=$", " onclick=", " onload=", " onerror="] {
            assert!(!text(name).contains(inline), "{name} has{inline}");
        }
    }
}

#[test]
fn every_module_that_is_imported_is_there() {
    for name in names(".js") {
        let Imports { first, later } = imports(text(name));
        for import in first.iter().chain(&later) {
            let module = import.strip_prefix("./").unwrap_or_else(|| panic!("{name} imports {import}"));
            // Where a part of the name is a value, one file at least is what comes of it.
            let there = match module.split_once("${") {
                Some((head, rest)) => {
                    let tail = rest.split_once('}').map_or("", |(_, tail)| tail);
                    FILES.iter().any(|file| file.name.starts_with(head) && file.name.ends_with(tail))
                }
                None => find(module).is_ok(),
            };
            assert!(there, "{name} imports {import}, which is not there");
        }
    }
}

#[test]
fn a_page_names_all_that_its_module_needs_so_that_it_comes_at_once() {
    for page in names(".html") {
        let module = |tag: &str, name: &str, value: &str| {
            let found = tags(text(page))
                .filter(|(of, attributes)| *of == tag && attribute(attributes, name) == Some(value));
            let address = if tag == "script" { "src" } else { "href" };
            let named = found.map(|(_, attributes)| {
                attribute(attributes, address).unwrap().strip_prefix("{{assets}}/").unwrap()
            });
            named.map(str::to_owned).collect::<Vec<_>>()
        };
        let entries = module("script", "type", "module");
        let [entry] = &entries[..] else { panic!("{page} has the modules {entries:?}") };
        let (mut needed, mut due) = (BTreeSet::new(), vec![entry.clone()]);
        while let Some(name) = due.pop() {
            let first = imports(text(&name)).first;
            due.extend(
                first.iter().map(|name| name["./".len()..].to_owned()).filter(|name| !needed.contains(name)),
            );
            needed.insert(name);
        }
        needed.remove(entry);
        let named = module("link", "rel", "modulepreload");
        let needed: Vec<String> = needed.into_iter().collect();
        let mut sorted = named.clone();
        sorted.sort();
        let link = |name: &String| format!("<link rel=\"modulepreload\" href=\"{{{{assets}}}}/{name}\">\n");
        let links: String = needed.iter().map(link).collect();
        assert_eq!(sorted, needed, "{page} has to have these:\n{links}");
    }
}

#[test]
fn a_page_is_filled_and_says_what_it_may_do() {
    let site = site();
    let console = page("console.html", &site, &site.console_client, "frame-ancestors 'none'").unwrap();
    let html = String::from_utf8(console.bytes.to_vec()).unwrap();
    assert!(!html.contains("{{") && !html.contains("<script>"), "{html}");
    for filled in [
        "content=\"https://id.shop.example/realms/shop\"",
        "content=\"scrip\"",
        "content=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\"",
        &format!("src=\"assets/{VERSION}/console.js\""),
    ] {
        assert!(html.contains(filled), "{filled} is not in {html}");
    }
    assert_eq!(
        console.policy,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' https://id.shop.example https://login.example:8443; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'; trusted-types lit-html; require-trusted-types-for 'script'"
    );
    assert_eq!(console.kept, Kept::Never);

    let routes: Vec<_> = routes(&site).unwrap().iter().map(|route| route.path).collect();
    assert_eq!(routes, ["/console", "/wallet", "/wallet/embed.js", "/assets/{version}/{file}"]);
    assert!(VERSION.len() == 16 && VERSION.bytes().all(|digit| digit.is_ascii_hexdigit()), "{VERSION}");
}

#[test]
fn an_origin_is_one_and_nothing_more() {
    for origin in [
        "https://shop.example",
        "https://shop.example:8443",
        "https://192.0.2.7",
        "https://[2001:db8::1]:444",
        "http://localhost",
        "http://127.0.0.1:9000",
        "http://[::1]:9000",
        "http://localhost:*",
    ] {
        assert_eq!(origin.parse::<Origin>().map(|origin| origin.to_string()), Ok(origin.to_owned()));
        assert_eq!(
            Origin::of(&format!("{origin}/realms/shop?x#y")).map(|origin| origin.to_string()),
            Ok(origin.to_owned())
        );
    }
    for none in [
        "",
        "shop.example",
        "//shop.example",
        "https://",
        "https://:443",
        "http://shop.example",
        "ftp://localhost",
        "https://shop.example/",
        "https://shop.example/page",
        "https://shop.example:",
        "https://shop.example:0x1",
        "https://shop.example:+1",
        "https://shop.example:65536",
        "https://shop.example:*",
        "https://*.example",
        "https://me@shop.example",
        "https://shop.example;script-src",
        "https://shop.example,https://other.example",
        "https://shop.example 'unsafe-inline'",
        "https://[::1",
        "https://[evil]",
        "https://b\u{fc}cher.example",
        "'self'",
    ] {
        let told = none.parse::<Origin>();
        assert!(told.as_ref().is_err_and(|error| error.contains("is no origin")), "{none}: {told:?}");
    }
}
