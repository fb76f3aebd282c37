//! What the tests use as well, as they have it.
#![expect(missing_docs, reason = "they say in their own place what it is")]

#[path = "../../it/support/curve.rs"]
pub mod curve;
#[path = "../../it/support/wire.rs"]
pub mod wire;
#[path = "../../it/support/world.rs"]
pub mod world;
