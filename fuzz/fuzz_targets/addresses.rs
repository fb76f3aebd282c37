//! Addresses of webhooks, their ids and secrets, and documents of them.
#![no_main]

use edge::{EndpointId, Endpoints, Reach, WebhookSecret, WebhookUrl};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    for reach in [Reach::Public, Reach::Anywhere] {
        if let Ok(url) = WebhookUrl::new(text, reach) {
            assert_eq!(WebhookUrl::new(url.as_str(), reach).as_ref(), Ok(&url));
        }
    }
    if let Ok(secret) = text.parse::<WebhookSecret>() {
        assert_eq!(secret.to_string(), text);
    }
    if let Ok(id) = text.parse::<EndpointId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(endpoints) = serde_json::from_str::<Endpoints>(text) {
        let written = serde_json::to_string(&endpoints).unwrap();
        assert_eq!(serde_json::from_str::<Endpoints>(&written).unwrap(), endpoints);
    }
});
