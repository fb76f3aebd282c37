//! What carries requests to services of AWS: TLS that believes Amazon's own authorities.

use std::env;

use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::{
    connector_metadata::ConnectorMetadata,
    http::{HttpClient, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    runtime_components::RuntimeComponents,
};

/// The authorities of Amazon Trust Services (amazontrust.com/repository), all five as it asks of whoever has a list of its own. They
/// end in 2037 and later.
const AMAZON: &str = include_str!("amazon-roots.pem");

/// What carries requests to services of AWS in this region.
///
/// Reading the system's authorities, more than a hundred, would be nine tenths of what a start computes, and of no use: AWS
/// certifies its services itself. In China others do, and whoever names authorities of their own (`SSL_CERT_FILE`,
/// `SSL_CERT_DIR`) is believed: there it is the system's list.
pub fn carrier(region: &str) -> SharedHttpClient {
    let own = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| env::var_os(name).is_some());
    let context = context(own || region.starts_with("cn-"));
    let carrier = Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context);
    SharedHttpClient::new(Untried(carrier.build_https()))
}

/// A carrier that is not tried out beforehand. Each client that is made has its carrier make ready for TLS, so that the system's
/// authorities are read before the first call; it throws that away, and the first call makes ready again. Here it is not asked.
#[derive(Debug)]
struct Untried(SharedHttpClient);

impl HttpClient for Untried {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

/// What is believed: the system's list, or Amazon alone.
fn context(system: bool) -> TlsContext {
    let trust = if system { TrustStore::default() } else { TrustStore::empty().with_pem_certificate(AMAZON) };
    // A list of certificates is all that it is given, of which nothing can be wrong.
    TlsContext::builder().with_trust_store(trust).build().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use aws_smithy_http_client::Connector;
    use base64::{Engine, engine::general_purpose::STANDARD};
    use ledger::Hash;

    use super::*;

    /// SHA-256 of the five, as Amazon Trust Services publishes them.
    const FINGERPRINTS: [&str; 5] = [
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ];

    #[test]
    fn amazons_authorities_are_those_that_it_publishes() {
        let parts = AMAZON.split("-----BEGIN CERTIFICATE-----").skip(1);
        let found: Vec<String> = parts
            .map(|part| {
                let text: String = part.split("-----").next().unwrap().split_whitespace().collect();
                Hash::of(&STANDARD.decode(text).unwrap()).to_string()
            })
            .collect();
        assert_eq!(found, FINGERPRINTS);
        // It panics where one cannot be read.
        Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context(false))
            .build();
    }
}
