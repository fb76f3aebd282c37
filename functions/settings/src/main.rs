//! The function `settings`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::http(settings::routes(edge::Reach::Public)).await
}
