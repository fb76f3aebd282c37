//! What the tests use as well, as they have it.
#![expect(missing_docs, reason = "they say in their own place what it is")]

#[path = "../../it/support/curve.rs"]
pub mod curve;
/// Answers are not held against the API's description here, which would be timed.
pub mod openapi {
    use http::HeaderMap;

    pub struct Exchange<'a> {
        pub method: &'a str,
        pub path: &'a str,
        pub headers: &'a [(&'a str, &'a str)],
        pub body: &'a [u8],
        pub status: u16,
        pub answered: &'a HeaderMap,
        pub text: &'a str,
    }

    pub fn hold(_: &Exchange<'_>) {}
}
#[path = "../../it/support/wire.rs"]
pub mod wire;
#[path = "../../it/support/world.rs"]
pub mod world;
