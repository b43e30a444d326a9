mod answers;
mod client;
mod trouble;

use std::time::Duration;

use bifrost_tests::TestProvider;

/// A provider whose tokens live for so many seconds.
async fn brief(seconds: u64) -> TestProvider {
    TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(seconds)).await
}
