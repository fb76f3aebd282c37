//! What the API is, for programs and for people: `docs/openapi.json`, and the page that tests make of it.

use bytes::Bytes;
use edge::{Kept, Published};
use http::HeaderValue;

/// For programs.
pub(crate) fn document() -> Published {
    Published {
        media_type: "application/json",
        policy: HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        kept: Kept::Minutes,
        bytes: Bytes::from_static(include_bytes!("../../../docs/openapi.json")),
        gzipped: None,
    }
}

/// For people: it loads nothing, runs nothing, and has the one style that this names.
pub(crate) fn page() -> Published {
    Published {
        media_type: "text/html; charset=utf-8",
        policy: HeaderValue::from_static(
            "default-src 'none'; style-src 'sha256-9VkobwxmYp2ZQIYo/jjLbxR0ReUeHSxM7qchz6YdyEs='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        kept: Kept::Minutes,
        bytes: Bytes::from_static(include_bytes!("../../../docs/openapi.html")),
        gzipped: None,
    }
}
