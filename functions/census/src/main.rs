use lambda_runtime::Error;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    bifrost::edge::serve_schedule(census::handle).await
}
