//! Scrip as a client sees it: statuses and JSON, and what it costs the database.
#![expect(unreachable_pub, reason = "nothing is reached from outside a test binary")]

mod support {
    pub mod wire;
    pub mod world;
}

mod cost;
mod holding;
mod refunding;
mod traps;
