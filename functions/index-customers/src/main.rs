//! The function `index-customers`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::stream(index_customers::index_customers).await
}
