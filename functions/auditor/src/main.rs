use std::io::Write;

use lambda_runtime::{Error, LambdaEvent, service_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |event: LambdaEvent<auditor::Event>| {
        let lines = auditor::lines(&event.payload).inspect_err(|error| eprintln!("{error}"))?;
        // All at once, and each with its end: what is not written whole fails, and is delivered again.
        std::io::stdout().write_all(lines.as_bytes())?;
        std::io::stdout().flush()?;
        Ok::<_, Error>(())
    }))
    .await
}
