//! `GET /console` for staff, `GET /wallet` for customers, `GET /wallet/embed.js` for a shop's own page: the pages, and the files
//! that they are made of.
//!
//! It reads nothing and knows nobody: whoever opens a page gets the same one, and the page calls the API as any client does.

mod files;
mod site;

use std::collections::BTreeMap;

use bytes::Bytes;
use edge::{Kept, Published, Routes, escaped};
use http::HeaderValue;

use files::{FILES, File, VERSION};
pub use site::{Origin, Site};

/// What is served at its own address and not among the files: a shop's page names it for years.
const EMBED: &str = "embed.js";
/// What a browser may do with a file that is opened by itself.
const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// What this function answers.
///
/// # Errors
/// When there is no such page in `web/`, or what the site names can stand in no header.
pub fn routes(site: &Site) -> Result<Routes, String> {
    let console = page("console.html", site, &site.console_client, "frame-ancestors 'none'")?;
    let mut frames = "frame-src 'none'; frame-ancestors 'self'".to_owned();
    for shop in &site.shops {
        frames = format!("{frames} {shop}");
    }
    let wallet = page("wallet.html", site, &site.wallet_client, &frames)?;
    let embed = file(find(EMBED)?, Kept::Minutes);
    let assets = FILES.iter().filter(|file| file.name != EMBED && !file.name.ends_with(".html"));
    let assets: BTreeMap<String, Published> = assets
        .map(|asset| (format!("/assets/{VERSION}/{}", asset.name), file(asset, Kept::Always)))
        .collect();
    Ok(Routes::new()
        .publishing("/console", console)
        .publishing("/wallet", wallet)
        .publishing("/wallet/embed.js", embed)
        .publishing_files("/assets/{version}/{file}", assets))
}

/// A page: its file, filled, with what a browser may do with it.
fn page(name: &str, site: &Site, client: &str, frames: &str) -> Result<Published, String> {
    let text = str::from_utf8(find(name)?.bytes).map_err(|error| format!("{name}: {error}"))?;
    let mut filled = text.replace("{{assets}}", &format!("assets/{VERSION}"));
    for (place, value) in
        [("{{issuer}}", site.issuer.as_str()), ("{{audience}}", &site.audience), ("{{client}}", client)]
    {
        filled = filled.replace(place, &escaped(value));
    }
    let mut called = "'self'".to_owned();
    for origin in site.sign_in()? {
        called = format!("{called} {origin}");
    }
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src {called}; base-uri 'none'; \
         form-action 'none'; {frames}; trusted-types lit-html; require-trusted-types-for 'script'"
    );
    Ok(Published {
        media_type: "text/html; charset=utf-8",
        policy: HeaderValue::try_from(policy).map_err(|error| format!("the policy of {name}: {error}"))?,
        kept: Kept::Never,
        bytes: Bytes::from(filled),
        gzipped: None,
    })
}

fn file(file: &'static File, kept: Kept) -> Published {
    Published {
        media_type: media_type(file.name),
        policy: NOTHING,
        kept,
        bytes: Bytes::from_static(file.bytes),
        gzipped: Some(Bytes::from_static(file.gzipped)),
    }
}

fn find(name: &str) -> Result<&'static File, String> {
    FILES.iter().find(|file| file.name == name).ok_or_else(|| format!("there is no {name}"))
}

/// What a file is, by the ending of its name.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
