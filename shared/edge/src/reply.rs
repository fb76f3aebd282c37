//! What a function answers when it succeeds.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use ledger::{Hash, Role};
use serde::Serialize;
use store::Committed;

use crate::{AccountView, EntryView, Problem};

/// Says that an earlier call with the same key did it.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// What is about somebody's credit is kept nowhere.
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What a function answers when it succeeds.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    replayed: bool,
}

/// What is the same for whoever asks.
#[derive(Clone, Debug)]
pub struct Published {
    /// What it is, as `Content-Type` says it.
    pub media_type: &'static str,
    /// What a browser may do with it, as `Content-Security-Policy` says it.
    pub policy: HeaderValue,
    /// How long whoever has it may go without asking again.
    pub kept: Kept,
    /// The thing itself.
    pub bytes: Bytes,
    /// The same in gzip, for whoever takes that.
    pub gzipped: Option<Bytes>,
}

/// How long what is published may be kept by whoever has it, caches on the way among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is asked each time whether it is still so.
    Never,
    /// For five minutes.
    Minutes,
    /// For ever: what is at this address never changes.
    Always,
}

impl Kept {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Never => "no-cache",
            Self::Minutes => "public, max-age=300",
            Self::Always => "public, max-age=31536000, immutable",
        })
    }
}

#[derive(Serialize)]
struct Entered<'a> {
    entry: EntryView<'a>,
    account: AccountView,
}

#[derive(Serialize)]
struct Page<'a, T> {
    data: &'a [T],
    next_cursor: Option<String>,
}

impl Reply {
    /// 201: the call made an entry or a thing of its own.
    ///
    /// # Errors
    /// When the answer is not JSON, which no answer of ours is.
    pub fn created(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::CREATED, body)
    }

    /// 201 with an entry and the balances that it left behind: `{entry, account}`.
    ///
    /// # Errors
    /// As [`Reply::created`].
    pub fn entered(Committed { entry, replayed }: &Committed, reader: Role) -> Result<Self, Problem> {
        let answer = Entered { entry: EntryView::new(entry, reader), account: AccountView::from(entry) };
        Ok(Self::created(&answer)?.replayed(*replayed))
    }

    /// 200.
    ///
    /// # Errors
    /// As [`Reply::created`].
    pub fn ok(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::OK, body)
    }

    /// 202: it is going to be done.
    ///
    /// # Errors
    /// As [`Reply::created`].
    pub fn accepted(body: &impl Serialize) -> Result<Self, Problem> {
        Self::json(StatusCode::ACCEPTED, body)
    }

    /// 200 with a page of a list: `{"data": […], "next_cursor": "…" | null}`.
    ///
    /// # Errors
    /// As [`Reply::created`].
    pub fn page(data: &[impl Serialize], next: Option<&impl Serialize>) -> Result<Self, Problem> {
        Self::ok(&Page { data, next_cursor: next.map(Self::cursor).transpose()? })
    }

    /// The place where a list's next page begins, encoded, so that clients do not come to depend on what is in it.
    ///
    /// # Errors
    /// As [`Reply::created`].
    pub fn cursor(place: &impl Serialize) -> Result<String, Problem> {
        let place = serde_json::to_vec(place).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(URL_SAFE_NO_PAD.encode(place))
    }

    /// 200 with a text, and the address of what follows it as `Link: <…>; rel="next"`.
    ///
    /// # Errors
    /// When the address is none, which no address of ours is.
    pub fn text(media_type: &'static str, body: String, next: Option<&str>) -> Result<Self, Problem> {
        let media_type = HeaderValue::from_static(media_type);
        let mut headers =
            HeaderMap::from_iter([(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, NO_STORE)]);
        if let Some(next) = next {
            let next = HeaderValue::try_from(format!("<{next}>; rel=\"next\""));
            headers.insert(header::LINK, next.map_err(|error| Problem::internal(error.to_string()))?);
        }
        Ok(Self { status: StatusCode::OK, headers, body: Bytes::from(body), replayed: false })
    }

    /// 200 with a page for people, and what a browser may do with it, as `Content-Security-Policy` says it.
    pub fn html(policy: &'static str, body: String) -> Self {
        let headers = HeaderMap::from_iter([
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
            (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (header::CACHE_CONTROL, NO_STORE),
        ]);
        Self { status: StatusCode::OK, headers, body: Bytes::from(body), replayed: false }
    }

    /// 204: done, and nothing to say.
    pub fn done() -> Self {
        let headers = HeaderMap::from_iter([(header::CACHE_CONTROL, NO_STORE)]);
        Self { status: StatusCode::NO_CONTENT, headers, body: Bytes::new(), replayed: false }
    }

    /// 200 with what is the same for everybody, in gzip where that is there and taken; 304 without it for whoever has these bytes
    /// already.
    pub(crate) fn published(published: &Published, asked: &HeaderMap) -> Self {
        let gzipped = published.gzipped.as_ref().filter(|_| takes_gzip(asked));
        let body = gzipped.unwrap_or(&published.bytes);
        // Of these bytes, so that the two forms have two tags (RFC 9110, section 8.8.3.3).
        let tag = format!("\"{}\"", Hash::of(body));
        let known = asked.get_all(header::IF_NONE_MATCH).iter().any(|known| {
            let mut tags = known.to_str().unwrap_or_default().split(',').map(str::trim);
            tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
        });
        let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static(""));
        let kept = published.kept.header();
        let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, kept), (header::ETAG, tag)]);
        if published.gzipped.is_some() {
            headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        if known {
            return Self { status: StatusCode::NOT_MODIFIED, headers, body: Bytes::new(), replayed: false };
        }
        if gzipped.is_some() {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(published.media_type));
        headers.insert(header::CONTENT_SECURITY_POLICY, published.policy.clone());
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        Self { status: StatusCode::OK, headers, body: body.clone(), replayed: false }
    }

    /// Marks an answer that an earlier call earned.
    #[must_use]
    pub fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::internal(error.to_string()))?;
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, NO_STORE)]);
        Ok(Self { status, headers, body: Bytes::from(body), replayed: false })
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn is_replayed(&self) -> bool {
        self.replayed
    }

    pub(crate) fn into_response(self) -> Response<Bytes> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        if self.replayed {
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}

/// A text in which nothing is markup, for HTML and its attributes.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            character => escaped.push(character),
        }
    }
    escaped
}

/// Whether the answer may be in gzip (RFC 9110, section 12.5.3): it is named, or else anything is, and not with a weight of nothing.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let lines = asked.get_all(header::ACCEPT_ENCODING).iter();
    let listed = lines.flat_map(|line| line.to_str().unwrap_or_default().split(','));
    let (mut gzip, mut any) = (None, false);
    for coding in listed {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix(['q', 'Q']).and_then(|rest| rest.trim().strip_prefix('='));
        let wanted = weight.is_some_and(|weight| weight.contains(|c: char| ('1'..='9').contains(&c)));
        match name.trim().to_ascii_lowercase().as_str() {
            "gzip" | "x-gzip" => gzip = Some(wanted),
            "*" => any = wanted,
            _ => {}
        }
    }
    gzip.unwrap_or(any)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published() -> Published {
        Published {
            media_type: "text/css; charset=utf-8",
            policy: HeaderValue::from_static("default-src 'none'"),
            kept: Kept::Always,
            bytes: Bytes::from_static(b"plain"),
            gzipped: Some(Bytes::from_static(b"\x1f\x8b")),
        }
    }

    fn asked(headers: &[(HeaderName, &'static str)]) -> HeaderMap {
        let header =
            |(name, value): &(HeaderName, &'static str)| (name.clone(), HeaderValue::from_static(value));
        headers.iter().map(header).collect()
    }

    #[test]
    fn gzip_is_for_whoever_takes_it() {
        for (taken, header) in [
            (true, "gzip"),
            (true, "gzip, deflate, br, zstd"),
            (true, "br;q=1.0, GZIP;q=0.8, *;q=0.1"),
            (true, "x-gzip"),
            (true, "gzip; q = 0.001"),
            (true, "*"),
            (true, "identity, *;q=0.5"),
            (false, ""),
            (false, "br"),
            (false, "gzip;q=0"),
            (false, "gzip;q=0.000"),
            (false, "gzip ; Q=0, *"),
            (false, "*;q=0"),
            (false, "gzip;level=9"),
            (false, "not-gzip"),
        ] {
            assert_eq!(takes_gzip(&asked(&[(header::ACCEPT_ENCODING, header)])), taken, "{header}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
        let mut twice = asked(&[(header::ACCEPT_ENCODING, "br")]);
        twice.append(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        assert!(takes_gzip(&twice), "on a line of its own");
    }

    #[test]
    fn each_form_has_its_own_tag_and_each_answer_says_what_it_depends_on() {
        let published = published();
        let gzip = asked(&[(header::ACCEPT_ENCODING, "gzip")]);
        let (plain, packed) =
            (Reply::published(&published, &asked(&[])), Reply::published(&published, &gzip));
        assert_eq!((plain.body.as_ref(), packed.body.as_ref()), (&b"plain"[..], &b"\x1f\x8b"[..]));
        assert_eq!(plain.headers.get(header::CONTENT_ENCODING), None);
        assert_eq!(packed.headers[header::CONTENT_ENCODING], "gzip");
        assert_ne!(plain.headers[header::ETAG], packed.headers[header::ETAG]);
        for reply in [&plain, &packed] {
            assert_eq!(reply.headers[header::VARY], "Accept-Encoding");
            assert_eq!(reply.headers[header::CACHE_CONTROL], "public, max-age=31536000, immutable");
            assert_eq!(reply.headers[header::CONTENT_SECURITY_POLICY], "default-src 'none'");
        }

        // Whoever has one of the two is told so of that one alone.
        let tag = packed.headers[header::ETAG].clone();
        let mut known = gzip.clone();
        known.insert(header::IF_NONE_MATCH, tag.clone());
        let same = Reply::published(&published, &known);
        assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(
            (&same.headers[header::ETAG], &same.headers[header::VARY]),
            (&tag, &packed.headers[header::VARY])
        );
        assert_eq!(same.headers.get(header::CONTENT_ENCODING), None);
        known.remove(header::ACCEPT_ENCODING);
        assert_eq!(Reply::published(&published, &known).status, StatusCode::OK);

        let alone = Published { gzipped: None, kept: Kept::Never, ..published };
        let alone = Reply::published(&alone, &gzip);
        assert_eq!((alone.headers.get(header::VARY), alone.body.as_ref()), (None, &b"plain"[..]));
        assert_eq!(alone.headers[header::CACHE_CONTROL], "no-cache");
    }
}
