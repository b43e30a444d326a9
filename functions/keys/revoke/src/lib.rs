//! `DELETE /keys/{id}`: revokes a key and those it made.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, _) = request.permitted(Operation::KeysRevoke)?;
    bifrost.revoke_api_key(caller, request.api_key()?).await?;
    Ok(answer::no_content())
}
