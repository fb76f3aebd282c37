//! The function `expire-on-schedule`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::event(expire_on_schedule::expire_on_schedule).await
}
