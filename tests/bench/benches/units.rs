//! units
fn main() {}
