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
/// How long what is the same for everybody may be kept.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What a function answers when it succeeds.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    replayed: bool,
}

/// What is the same for whoever asks: a text that is compiled in.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// What it is, as `Content-Type` says it.
    pub media_type: &'static str,
    /// What a browser may do with it, as `Content-Security-Policy` says it.
    pub policy: &'static str,
    /// The text itself.
    pub text: &'static str,
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

    /// 200 with what is the same for everybody; 304 without it for whoever has these bytes already.
    pub(crate) fn published(published: &Published, asked: &HeaderMap) -> Self {
        let tag = format!("\"{}\"", Hash::of(published.text.as_bytes()));
        let known = asked.get_all(header::IF_NONE_MATCH).iter().any(|known| {
            let mut tags = known.to_str().unwrap_or_default().split(',').map(str::trim);
            tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
        });
        let tag = HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static(""));
        let mut headers = HeaderMap::from_iter([(header::CACHE_CONTROL, KEPT), (header::ETAG, tag)]);
        if known {
            return Self { status: StatusCode::NOT_MODIFIED, headers, body: Bytes::new(), replayed: false };
        }
        let policy = HeaderValue::from_static(published.policy);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(published.media_type));
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let body = Bytes::from_static(published.text.as_bytes());
        Self { status: StatusCode::OK, headers, body, replayed: false }
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
