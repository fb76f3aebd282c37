//! A merchant's templates: what passes when it is saved can be filled with anything.
#![no_main]

use std::collections::BTreeMap;

use jiff::civil::Date;
use libfuzzer_sys::fuzz_target;
use mail::{Facts, Kind, Template, Templates};

fuzz_target!(|text: (&str, &str)| {
    let (source, name) = text;
    let language: ledger::Language = "en".parse().unwrap();
    let template = Template {
        subject: "{{ name or shop }}.".to_owned(),
        text: source.to_owned(),
        html: Some(source.to_owned()),
    };
    let templates = Templates::from([(Kind::Granted, BTreeMap::from([(language.clone(), template)]))]);
    let passed = mail::check(&templates).is_ok();
    let facts = Facts {
        shop: name,
        customer: "alice",
        name: Some(name),
        amount: None,
        balance: None,
        date: Date::constant(2026, 11, 22),
        last_day: None,
        expiring: &[],
        order: Some(name),
        method: None,
    };
    let letter = mail::letter(Kind::Granted, Some(&language), &language, &templates, &facts);
    assert!(letter.is_ok() || !passed);
});
