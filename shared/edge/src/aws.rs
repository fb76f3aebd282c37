//! How other services of AWS are reached: as Lambda's environment says, and never for longer than a call may take.

use std::time::Duration;

use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::{
    SdkConfig,
    region::Region,
    sdk_config::{RetryConfig, TimeoutConfig},
};

use crate::variable;

/// What a client of this service needs; one try of a request takes at most `attempt`, all of them `operation`.
///
/// # Errors
/// The name of the variable that is missing.
pub fn aws(
    service: &str,
    attempt: Duration,
    operation: Duration,
    retries: RetryConfig,
) -> Result<SdkConfig, String> {
    let (access, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
    let token = variable("AWS_SESSION_TOKEN").ok();
    let credentials = Credentials::new(access, secret, token, None, "environment");
    let timeouts =
        TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(operation).build();
    let region = variable("AWS_REGION")?;
    let mut config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(store::carrier(&region))
        .region(Region::new(region))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .timeout_config(timeouts)
        .retry_config(retries);
    let endpoint =
        variable(&format!("AWS_ENDPOINT_URL_{service}")).or_else(|_| variable("AWS_ENDPOINT_URL")).ok();
    config.set_endpoint_url(endpoint);
    Ok(config.build())
}
