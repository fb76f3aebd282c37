//! The function `notify`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::stream(notify::through(notify::Bus::from_environment()?)).await
}
