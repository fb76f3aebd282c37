//! How allocations are packed into a text: the same bytes for ever, and one text for one list.
#![expect(clippy::arithmetic_side_effects, reason = "numbers of a few lots, far from their bounds")]

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use proptest::{collection::vec, prelude::*};

use super::cases;
use crate::{
    Allocation, Category, Currency, LotNumber, Money, NEVER, Origin, OutOfRange, Role, Unreadable,
    entry::packing::{pack, unpack},
};

/// Nanoseconds.
const MILLISECOND: i128 = 1_000_000;
/// A quarter of an hour, in nanoseconds.
const QUARTER: i128 = 900_000 * MILLISECOND;

fn allocation(lot: &str, minor: i64, origin: Option<Origin>) -> Allocation {
    Allocation { lot: lot.parse().unwrap(), amount: Money::from_minor(minor, Currency::USD), origin }
}

fn origin(category: Category, source: Role, granted_at: &str, expires_at: Option<&str>) -> Option<Origin> {
    let expires_at = expires_at.map(|at| at.parse().unwrap());
    Some(Origin { category, source, granted_at: granted_at.parse().unwrap(), expires_at })
}

/// What these bytes say.
fn read(bytes: &[u8]) -> Result<Vec<Allocation>, Unreadable> {
    unpack(&URL_SAFE_NO_PAD.encode(bytes), Currency::USD)
}

#[track_caller]
fn check(allocations: &[Allocation], bytes: &[u8]) {
    let text = pack(allocations).unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(&text).unwrap(), bytes);
    assert_eq!(unpack(&text, Currency::USD).as_deref(), Ok(allocations));
    for end in 0..bytes.len() {
        assert_ne!(read(&bytes[..end]).as_deref(), Ok(allocations), "cut off at {end}");
    }
}

#[test]
fn rows_are_as_they_always_were() {
    use Category::{Goodwill, Import, Paid, Promotional, Refund};
    use Role::{Admin, Customer, Store, System};
    // Head, 2 · 1, 2 · 25.00.
    check(&[allocation("1", 2_500, None)], &[0, 2, 0x88, 0x27]);
    check(
        &[allocation("1.1", -1, None), allocation("3.255", 0, None)],
        &[0x80, 1, 2, 2, 1, 0x80, 1, 4, 0xfe, 3, 0],
    );
    // Going back is an odd number. A millisecond of 1970 is told by itself, and by what was before it.
    let granted = |category, source, at| origin(category, source, at, None);
    check(
        &[
            allocation("9", 1, granted(Paid, Admin, "1970-01-01T00:00:00.001Z")),
            allocation("8", 1, granted(Promotional, Store, "1970-01-01T00:00:00.003Z")),
            allocation("7", 1, granted(Refund, Customer, "1970-01-01T00:00:00.003Z")),
            allocation("6", 1, granted(Goodwill, System, "1970-01-01T00:00:00.002Z")),
            allocation("5", 1, granted(Import, Admin, "1970-01-01T00:00:00.002Z")),
        ],
        &[4, 18, 2, 2, 9, 1, 2, 4, 14, 1, 2, 0, 19, 1, 2, 1, 20, 1, 2, 0],
    );
    // Never, three quarters of an hour, one less, a millisecond more, and the same: beside the last one that expires.
    let expiring = |at| origin(Paid, Admin, "1970-01-01T00:00:00Z", Some(at));
    check(
        &[
            allocation("1", 1, expiring("1970-01-01T00:45:00Z")),
            allocation("2", 1, expiring("9999-12-30T00:00:00Z")),
            allocation("3", 1, expiring("1970-01-01T00:30:00Z")),
            allocation("4", 1, expiring("1970-01-01T00:30:00.001Z")),
            allocation("5", 1, expiring("1970-01-01T00:30:00.001Z")),
        ],
        &[0x44, 2, 2, 0, 6, 0x24, 2, 2, 0, 0x44, 2, 2, 0, 1, 0x64, 2, 2, 0, 2, 0x44, 2, 2, 0, 0],
    );
    // Where one of the two moments is finer than a millisecond, both count in nanoseconds.
    check(
        &[
            allocation("1", 1, granted(Paid, Admin, "1970-01-01T00:00:00.000000001Z")),
            allocation(
                "2",
                1,
                origin(Paid, Admin, "1970-01-01T00:00:00.000000002Z", Some("1970-01-01T00:00:00.000000003Z")),
            ),
        ],
        &[0x84, 2, 2, 2, 2, 0xe4, 2, 2, 2, 2, 6],
    );
}

#[test]
fn what_would_be_packed_otherwise_is_refused() {
    assert!(read(&[0, 2, 2]).is_ok());
    let beyond = |number: i128| postcard::to_allocvec(&number).unwrap();
    let refused: [&[u8]; 22] = [
        // None, which is told by leaving the text out.
        &[],
        // Cut off; a head, or a whole row, too much.
        &[0],
        &[0, 2],
        &[0, 2, 0x80],
        &[0, 2, 2, 0],
        &[0, 2, 2, 0, 2],
        // Numbers in more bytes than they need, or in more than 128 bits.
        &[0x80, 0, 2, 2],
        &[0, 0x82, 0, 2],
        &[0, 2, 0x82, 0],
        &[&[0; 1][..], &[0xff; 18], &[0x7f, 2]].concat(),
        // No lot, one below it, one beyond 64 bits.
        &[0, 0, 2],
        &[0, 1, 2],
        &[&[0][..], &beyond(1 << 64), &[2]].concat(),
        // A part that is none, and one that is beyond a byte.
        &[0x80, 1, 2, 0, 2],
        &[0x80, 1, 2, 0x80, 4, 2],
        // What is no amount, and what is beyond one.
        &[&[0, 2][..], &beyond(i64::MIN.into())].concat(),
        &[&[0, 2][..], &beyond(1 << 63)].concat(),
        // A source or an expiry of no origin; a bit that means nothing.
        &[1, 2, 2],
        &[0x20, 2, 2],
        &[0x80, 4, 2, 2],
        // Categories that are none.
        &[6 << 2, 2, 2, 0],
        &[7 << 2, 2, 2, 0],
    ];
    for bytes in refused {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
    let granted = [4, 2, 2, 2];
    assert!(read(&granted).is_ok());
    let never = NEVER.as_nanosecond();
    for bytes in [
        // Moments that no calendar has.
        [&[4, 2, 2][..], &beyond(i128::MAX)].concat(),
        [&[4, 2, 2][..], &beyond(1 << 60)].concat(),
        [&[0x84, 2, 2, 2][..], &beyond(i128::MAX)].concat(),
        [&granted[..], &[4, 2, 2], &beyond(i128::MAX)].concat(),
        // Quarters of an hour in milliseconds, milliseconds in nanoseconds, and never by its date.
        [&[0x64, 2, 2, 2][..], &beyond(QUARTER / MILLISECOND)].concat(),
        [&[0x84, 2, 2, 2][..], &beyond(MILLISECOND)].concat(),
        [&[0x44, 2, 2, 2][..], &beyond(never / QUARTER)].concat(),
        [&[0x64, 2, 2, 2][..], &beyond(never / MILLISECOND)].concat(),
    ] {
        assert!(read(&bytes).is_err(), "{bytes:?}");
    }
    let text = pack(&[allocation("1", 2_500, None)]).unwrap();
    assert_eq!(text, "AAKIJw");
    for text in ["AAKIJw==", "AAKIJx", "AAKIJw ", " AAKIJw", "AAKIJ", "AAKI+w", "AAKI/w", "ä", "\0"] {
        assert!(unpack(text, Currency::USD).is_err(), "{text:?}");
    }
}

#[test]
fn what_is_no_amount_is_not_packed() {
    assert_eq!(pack(&[allocation("1", i64::MIN, None)]), Err(OutOfRange));
}

/// Lots as a shop has them: given at uneven moments some hours or days apart, over at the end of a day a year later.
#[test]
fn a_lot_takes_no_more_than_twelve_bytes() {
    for hours in [1, 30, 24 * 30] {
        let allocations: Vec<_> = (1..=500_i64)
            .map(|at| {
                let milliseconds = at * (hours * 3_600_000 + 123_457);
                let granted_at = Timestamp::from_millisecond(1_795_341_600_000 + milliseconds).unwrap();
                let expires_at = 1_826_841_600_000 + milliseconds / 86_400_000 * 86_400_000;
                let category = Category::ALL[usize::try_from(at).unwrap() % Category::ALL.len()];
                let origin = Origin {
                    category,
                    source: Role::Store,
                    granted_at,
                    expires_at: Some(Timestamp::from_millisecond(expires_at).unwrap()),
                };
                allocation(&(2 * at).to_string(), 500 + at * 731 % 9_000, Some(origin))
            })
            .collect();
        let text = pack(&allocations).unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(&text).unwrap().len();
        assert!(bytes <= 12 * 500, "{bytes} bytes at {hours} hours");
    }
}

fn moments() -> impl Strategy<Value = Timestamp> {
    let quarters = -4_000_000..4_000_000_i64;
    prop_oneof![
        (Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond())
            .prop_map(|at| Timestamp::from_nanosecond(at).unwrap()),
        (0..4_000_000_000_000_i64).prop_map(|at| Timestamp::from_millisecond(at).unwrap()),
        quarters.prop_map(|at| Timestamp::from_second(at * 900).unwrap()),
        prop::sample::select(vec![NEVER, Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH]),
    ]
}

fn lots() -> impl Strategy<Value = LotNumber> {
    let entry = prop_oneof![1..50_u64, 1..=u64::MAX, Just(u64::MAX)];
    (entry, prop_oneof![Just(0), any::<u8>()]).prop_map(|(entry, part)| LotNumber { entry, part })
}

fn allocations() -> impl Strategy<Value = Vec<Allocation>> {
    let origin = (
        prop::sample::select(Category::ALL),
        prop::sample::select(Role::ALL),
        moments(),
        prop::option::of(moments()),
    )
        .prop_map(|(category, source, granted_at, expires_at)| Origin {
            category,
            source,
            granted_at,
            expires_at,
        });
    let minor = prop_oneof![0..100_000_i64, -i64::MAX..=i64::MAX];
    let allocation = (lots(), minor, prop::option::weighted(0.8, origin)).prop_map(|(lot, minor, origin)| {
        Allocation { lot, amount: Money::from_minor(minor, Currency::USD), origin }
    });
    vec(allocation, 1..6)
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn any_allocations_unpack_as_they_were_packed(allocations in allocations()) {
        let text = pack(&allocations).unwrap();
        prop_assert_eq!(unpack(&text, Currency::USD), Ok(allocations));
    }

    #[test]
    fn bytes_unpack_to_what_is_packed_as_they_are(bytes in vec(prop_oneof![0..9_u8, any::<u8>()], 0..24)) {
        if let Ok(allocations) = read(&bytes) {
            prop_assert_eq!(pack(&allocations).unwrap(), URL_SAFE_NO_PAD.encode(&bytes));
        }
    }

    #[test]
    fn a_damaged_text_unpacks_to_something_else_or_not_at_all(
        allocations in allocations(),
        at: prop::sample::Index,
        byte: u8,
    ) {
        let mut bytes = URL_SAFE_NO_PAD.decode(pack(&allocations).unwrap()).unwrap();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        prop_assert_ne!(read(&bytes), Ok(allocations));
    }
}
