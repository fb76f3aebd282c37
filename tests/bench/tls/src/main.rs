//! `tls aws-lc|ring CA`: a fresh process's first call to the database, with the connector that the functions have and one set of
//! cryptography or the other; CA is a file with the certificates that are believed. It prints the microseconds until the answer.

use std::{env, error::Error, fs, time::Instant};

use aws_smithy_http_client::{
    Builder,
    tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode},
};
use store::{Connection, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    let [_, cryptography, authority] = arguments.as_slice() else { return Err("tls aws-lc|ring CA".into()) };
    let mode = match cryptography.as_str() {
        "aws-lc" => CryptoMode::AwsLc,
        "ring" => CryptoMode::Ring,
        other => return Err(format!("there is no {other}").into()),
    };
    let trust = TrustStore::empty().with_pem_certificate(fs::read(authority)?);
    let context = TlsContext::builder().with_trust_store(trust).build()?;
    let carrier = Builder::new().tls_provider(Provider::Rustls(mode)).tls_context(context).build_https();
    let store = Store::connect(Connection::from_environment()?.through(carrier));
    let customer = "alice".parse()?;

    let begun = Instant::now();
    store.account(&customer, None).await?;
    println!("{}", begun.elapsed().as_micros());
    Ok(())
}
