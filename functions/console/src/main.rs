//! The function `console`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::site(console::routes(&console::Site::from_environment()?)?).await
}
