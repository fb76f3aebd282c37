//! No text and no amount makes the rules panic: they answer, or they refuse.

use std::{fmt, str::FromStr};

use proptest::prelude::*;

use super::{account_in, currency, day, goodwill, order, policy, sealing};
use crate::{
    Account, Amount, Currency, CustomerId, Entry, EntryId, Hash, IdempotencyKey, Label, MAX_OPEN_LOTS, Money, Note, OutOfRange,
    Percent, Policy, Refusal, Role, SignedAmount, Sweep, TopupId, Zone,
};

/// Any text at all, and texts of those characters that the forms are made of.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["(?s).{0,60}", "[-+0-9.,eE]{0,60}", "[A-Z]{3}-[0-9A-Za-z_-]{0,30}", "[A-Za-z_]{2,12}/[A-Za-z_+-]{2,12}"]
}

/// One of these texts with a part of it replaced.
fn damaged(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let part = prop_oneof!["(?s).{0,4}", r#"[-0-9."{}\[\],:ntu]{0,4}"#];
    (prop::sample::select(texts), any::<prop::sample::Index>(), 0..6_usize, part).prop_map(|(text, at, length, part)| {
        let text: Vec<char> = text.chars().collect();
        let at = at.index(text.len());
        let rest = text.iter().skip(at.saturating_add(length));
        text.iter().take(at).copied().chain(part.chars()).chain(rest.copied()).collect()
    })
}

/// What is read from a text is written as a text that reads as the same.
fn check<T: FromStr<Err: fmt::Debug> + fmt::Display + fmt::Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value, "{text:?}");
    }
}
