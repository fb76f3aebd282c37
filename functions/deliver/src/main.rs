//! The function `deliver`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::queue(deliver::from_environment()?).await
}
