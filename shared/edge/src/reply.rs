//! What a function answers when it succeeds.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use ledger::Role;
use serde::Serialize;
use store::Committed;

use crate::{AccountView, EntryView, Problem};

/// Says that an earlier call with the same key did it.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What a function answers when it succeeds.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    body: Bytes,
    replayed: bool,
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

    /// 204: done, and nothing to say.
    pub fn done() -> Self {
        Self { status: StatusCode::NO_CONTENT, body: Bytes::new(), replayed: false }
    }

    /// Marks an answer that an earlier call earned.
    #[must_use]
    pub fn replayed(self, replayed: bool) -> Self {
        Self { replayed, ..self }
    }

    fn json(status: StatusCode, body: &impl Serialize) -> Result<Self, Problem> {
        let body = serde_json::to_vec(body).map_err(|error| Problem::internal(error.to_string()))?;
        Ok(Self { status, body: Bytes::from(body), replayed: false })
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
        let headers = response.headers_mut();
        if self.status != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self.replayed {
            headers.insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
        }
        response
    }
}
