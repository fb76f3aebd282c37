//! The traps of a ledger on DynamoDB, each sprung on purpose.
