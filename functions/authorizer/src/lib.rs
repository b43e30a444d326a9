//! The HTTP API's Lambda authorizer: turns a key, or the token of someone who signed in, into its caller.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, authenticate::Stranger},
    model::{Problem, access::Caller},
};

pub async fn handle(bifrost: Arc<Bifrost>, shown: String) -> Result<Result<Caller, Stranger>, Problem> {
    bifrost.authenticate(&shown).await
}
