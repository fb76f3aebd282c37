//! Stored items, as lines of an export: what the auditor says of each, and of all of a customer's together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::{CustomerAudit, Record};

fuzz_target!(|text: &str| {
    let mut audit = CustomerAudit::new("alice".parse().unwrap());
    for record in text.lines().filter_map(|line| Record::read(line).ok()) {
        assert_eq!(Record::read(&record.line()).unwrap(), record);
        drop(record.place());
        drop(record.finding());
        audit.take_record(&record);
    }
    drop(audit.verified("2026-11-22T10:00:00Z".parse().unwrap()));
});
