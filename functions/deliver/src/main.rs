//! The function `deliver`, as Lambda runs it.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), edge::StartError> {
    edge::queue(deliver::through(deliver::Post::from_environment()?, deliver::Queue::from_environment()?))
        .await
}
