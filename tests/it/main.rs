//! Scrip as a client sees it: statuses and JSON, and what it costs the database.
#![expect(unreachable_pub, reason = "nothing is reached from outside a test binary")]
#![expect(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and says where"
)]

mod support {
    pub mod bill;
    pub mod curve;
    pub mod dice;
    pub mod lambda;
    pub mod openapi;
    pub mod process;
    pub mod wire;
    pub mod world;
}

mod attacked;
mod attacked_again;
mod attacked_thrice;
mod auditing;
mod bad_input;
mod booking;
mod boot;
mod calling;
mod configuring;
mod cost;
mod defects;
mod describing;
mod erasing;
mod expiring;
mod exporting;
mod faults;
mod granting;
mod granting_groups;
mod holding;
mod importing;
mod listing;
mod mailing;
mod notifying;
mod policies;
mod problems;
mod processes;
mod racing;
mod reaching_back;
mod reading;
mod readme;
mod redeeming;
mod refunding;
mod reminding;
mod reporting;
mod restoring;
mod showing;
mod signing_in;
mod simulating;
mod stating;
mod tidy;
mod topping_up;
mod traps;
mod webhooking;
