//! The function `withdraw`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::http(withdraw::routes()).await
}
