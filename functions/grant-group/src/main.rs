//! The function `grant-group`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::stream(grant_group::grant_group).await
}
