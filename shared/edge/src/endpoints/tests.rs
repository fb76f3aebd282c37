//! Which endpoints hear of what, and which secrets sign for them.

use std::slice;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Reach;

fn endpoint(events: Option<&[&str]>) -> Endpoint {
    let url = WebhookUrl::new("https://example.com/", Reach::Public).unwrap();
    let events = events.map(|events| events.iter().map(|&kind| kind.to_owned()).collect::<Vec<_>>());
    Endpoint::new(url, events.map(|events| events.try_into().unwrap()), true).unwrap()
}

fn at(hour: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_hours(hour)).unwrap()
}

#[test]
fn an_id_is_1_to_64_letters_of_an_address() {
    let longest = "a".repeat(64);
    for good in ["a", "erp", "A-1_b.c", &longest] {
        let id: EndpointId = good.parse().unwrap();
        assert_eq!(id.to_string(), good);
        assert_eq!(serde_json::to_value(&id).unwrap(), json!(good));
        assert_eq!(serde_json::from_value::<EndpointId>(json!(good)).unwrap(), id);
    }
    let long = "a".repeat(65);
    for bad in ["", "a b", "a/b", "ä", "a\n", &long] {
        assert!(
            bad.parse::<EndpointId>().is_err() && serde_json::from_value::<EndpointId>(json!(bad)).is_err(),
            "{bad:?}"
        );
    }
}

#[test]
fn types_of_events_are_known_ones_and_not_none() {
    let read = |types: serde_json::Value| serde_json::from_value::<EventTypes>(types).ok();
    let EventTypes(types) = read(json!(["hold.placed", "credit.granted", "hold.placed"])).unwrap();
    assert_eq!(types.into_iter().collect::<Vec<_>>(), ["credit.granted", "hold.placed"]);
    assert!(read(json!(EVENT_TYPES)).is_some());
    for bad in [
        json!([]),
        json!(["credit.stolen"]),
        json!(["credit.granted", "Credit.granted"]),
        json!([""]),
        json!("credit.granted"),
    ] {
        assert_eq!(read(bad.clone()), None, "{bad}");
    }
}

#[test]
fn an_endpoint_that_is_written_again_keeps_its_secrets() {
    let before = endpoint(None).with_secret(WebhookSecret::new().unwrap(), at(0)).unwrap();
    let mut other = endpoint(Some(&["hold.placed"]));
    other.url = WebhookUrl::new("https://example.org/", Reach::Public).unwrap();
    other.enabled = false;
    let after = before.clone().rewritten(&other);
    assert_eq!((&after.url, &after.events, after.enabled), (&other.url, &other.events, false));
    assert_eq!((after.secret(), after.secrets(at(1))), (before.secret(), before.secrets(at(1))));
}

#[test]
fn the_secrets_of_before_sign_for_a_day() {
    let [first, second, third] = [(); 3].map(|()| WebhookSecret::new().unwrap());
    let one = Endpoint { secret: first.clone(), ..endpoint(None) };
    assert_eq!((one.secret(), one.previous_until()), (&first, None));
    let two = one.with_secret(second.clone(), at(0)).unwrap();
    assert_eq!((two.secret(), two.previous_until()), (&second, Some(at(24))));
    assert_eq!(two.secrets(at(23)), [second.clone(), first.clone()]);
    for hour in [24, 25] {
        assert_eq!(two.secrets(at(hour)), slice::from_ref(&second));
    }
    let three = two.clone().with_secret(third.clone(), at(23)).unwrap();
    assert_eq!(three.secrets(at(23)), [third.clone(), second.clone(), first.clone()]);
    assert_eq!(three.previous_until(), Some(at(47)));
    // What does not sign any more is not kept.
    let three = two.with_secret(third.clone(), at(24)).unwrap();
    assert_eq!(three.previous, [(second, at(48))]);
}

#[test]
fn five_secrets_of_before_sign_at_a_time() {
    let renewed = |endpoint: Endpoint, at| endpoint.with_secret(WebhookSecret::new().unwrap(), at);
    let full = (0..5).fold(endpoint(None), |endpoint, hour| renewed(endpoint, at(hour)).unwrap());
    assert_eq!(full.secrets(at(5)).len(), 6);
    assert!(renewed(full.clone(), at(23)).is_err());
    assert!(renewed(full, at(24)).is_ok());
}

#[test]
fn an_event_goes_to_those_that_want_its_type_and_are_enabled() {
    let id = |name: &str| name.parse::<EndpointId>().unwrap();
    let off = Endpoint { enabled: false, ..endpoint(None) };
    let off_too = Endpoint { enabled: false, ..endpoint(Some(&["hold.placed"])) };
    let all = [
        ("all", endpoint(None)),
        ("holds", endpoint(Some(&["hold.placed"]))),
        ("off", off),
        ("off-too", off_too),
    ];
    let all = Endpoints(all.map(|(name, endpoint)| (id(name), endpoint)).into());
    let of = |kind| all.of_event(kind).map(|(id, _)| id.to_string()).collect::<Vec<_>>();
    assert_eq!(of("hold.placed"), ["all", "holds"]);
    assert_eq!(of("credit.granted"), ["all"]);
}

#[test]
fn a_store_has_twenty_endpoints_at_most() {
    let id = |number: u8| number.to_string().parse::<EndpointId>().unwrap();
    let full = (0..20).try_fold(Endpoints::default(), |all, number| all.with(id(number), endpoint(None)));
    let full = full.unwrap();
    assert_eq!(full.0.len(), 20);
    assert!(full.clone().with(id(20), endpoint(None)).is_err());
    // One that is there already is replaced.
    let replaced = full.with(id(3), Endpoint { enabled: false, ..endpoint(None) }).unwrap();
    assert!(!replaced.0[&id(3)].enabled && replaced.0.len() == 20);
}

proptest! {
    #[test]
    fn endpoints_of_anything_are_read_or_refused(
        name in "\\PC{0,8}",
        url in "(https?://)?\\PC{0,12}",
        secret in "(whsec_)?[A-Za-z0-9+/=]{0,50}",
        until in "\\PC{0,24}",
        at in any::<prop::sample::Index>(),
    ) {
        let all = Endpoints([("erp".parse().unwrap(), endpoint(Some(&["hold.placed"])))].into());
        let whole = serde_json::to_string(&all).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Endpoints>(&whole).unwrap(), &all);
        let document = json!({name.clone(): {"url": url, "events": [name], "enabled": true, "secret": secret, "previous": [[secret, until]]}});
        let _ = serde_json::from_value::<Endpoints>(document);
        let cut: String = whole.chars().take(at.index(whole.len())).collect();
        prop_assert!(serde_json::from_str::<Endpoints>(&cut).is_err());
    }
}
