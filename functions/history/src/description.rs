//! What the API is, for programs and for people: `docs/openapi.json`, and the page that tests make of it.

use edge::Published;

/// For programs.
pub(crate) const DOCUMENT: Published = Published {
    media_type: "application/json",
    policy: "default-src 'none'; frame-ancestors 'none'",
    text: include_str!("../../../docs/openapi.json"),
};

/// For people: it loads nothing, runs nothing, and has the one style that this names.
pub(crate) const PAGE: Published = Published {
    media_type: "text/html; charset=utf-8",
    policy: "default-src 'none'; style-src 'sha256-9VkobwxmYp2ZQIYo/jjLbxR0ReUeHSxM7qchz6YdyEs='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    text: include_str!("../../../docs/openapi.html"),
};
