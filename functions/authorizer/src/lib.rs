//! The HTTP API's Lambda authorizer: turns a key, or the token of someone who signed in, into its caller.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    model::{Problem, access::Caller},
};

/// Whose key or token this is; `None` for one that is nobody's.
pub async fn handle(bifrost: Arc<Bifrost>, shown: String) -> Result<Option<Caller>, Problem> {
    bifrost.authenticate(&shown).await
}
