//! Settings, documents and cursors: JSON that is read as what it was written from.
#![no_main]

use std::fmt;

use ledger::{Overrides, Policy};
use libfuzzer_sys::fuzz_target;
use mail::MailSettings;
use store::{
    ApiKeysCursor, AuditRound, ChangesCursor, CustomersCursor, DocumentChange, EntriesCursor, FailuresCursor,
    GrantFailure, Group, GroupGrant, ReachBack, Reminders, TopupsCursor,
};

/// What a document is read as, is written as one that is read as the same.
fn check<T: serde::Serialize + serde::de::DeserializeOwned + fmt::Debug + PartialEq>(text: &str) {
    if let Ok(document) = serde_json::from_str::<T>(text) {
        let written = serde_json::to_string(&document).unwrap();
        assert_eq!(serde_json::from_str::<T>(&written).unwrap(), document);
    }
}

fuzz_target!(|text: &str| {
    check::<ApiKeysCursor>(text);
    check::<AuditRound>(text);
    check::<ChangesCursor>(text);
    check::<CustomersCursor>(text);
    check::<DocumentChange>(text);
    check::<EntriesCursor>(text);
    check::<FailuresCursor>(text);
    check::<GrantFailure>(text);
    check::<Group>(text);
    check::<GroupGrant>(text);
    check::<MailSettings>(text);
    check::<Overrides>(text);
    check::<Policy>(text);
    check::<ReachBack>(text);
    check::<Reminders>(text);
    check::<TopupsCursor>(text);
});
