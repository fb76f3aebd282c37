//! What carries requests to services of AWS: TLS that believes Amazon's own authorities.

use std::env;

use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

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
    Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).tls_context(context).build_https()
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

    use super::*;

    #[test]
    fn amazons_authorities_are_five_that_can_be_read() {
        assert_eq!(AMAZON.matches("-----BEGIN CERTIFICATE-----").count(), 5);
        // It panics where one cannot be.
        Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc))
            .tls_context(context(false))
            .build();
    }
}
