//! Amounts, dates, ids, names: every text that a newtype is read from.
#![no_main]

use std::{fmt, str::FromStr};

use ledger::{
    Amount, Currency, CustomerId, EntryId, GroupId, Hash, IdempotencyKey, Label, Language, LotId, LotNumber,
    Note, Percent, SignedAmount, TopupId, Zone,
};
use libfuzzer_sys::fuzz_target;
use store::GroupGrantId;

/// What a text is read as, is written as a text that is read as the same.
fn check<T: FromStr<Err: fmt::Debug> + fmt::Display + fmt::Debug + PartialEq>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value);
    }
}

fuzz_target!(|text: &str| {
    if let Ok(amount) = text.parse::<Amount>() {
        for currency in ["JPY", "USD", "BHD", "CLF"] {
            drop(amount.positive(currency.parse().unwrap()));
        }
    }
    check::<Amount>(text);
    check::<Currency>(text);
    check::<CustomerId>(text);
    check::<EntryId>(text);
    check::<GroupGrantId>(text);
    check::<GroupId>(text);
    check::<Hash>(text);
    check::<IdempotencyKey>(text);
    check::<Label>(text);
    check::<Language>(text);
    check::<LotId>(text);
    check::<LotNumber>(text);
    check::<Note>(text);
    check::<Percent>(text);
    check::<SignedAmount>(text);
    check::<TopupId>(text);
    check::<Zone>(text);
});
