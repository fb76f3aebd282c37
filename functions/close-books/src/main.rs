//! The function `close-books`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::event(close_books::close_books).await
}
