//! The HTTP API's Lambda authorizer: turns a key into its caller.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    model::{Problem, access::Caller},
};

/// Whose key this is; `None` for a key that is unknown.
pub async fn handle(bifrost: Arc<Bifrost>, key: String) -> Result<Option<Caller>, Problem> {
    bifrost.authenticate(&key).await
}
