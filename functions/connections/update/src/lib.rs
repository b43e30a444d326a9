//! `PATCH /connections/{name}`: changes one of a scope's connections by merge patch.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, scope) = request.permitted(Operation::ConnectionsUpdate)?;
    let (name, if_match) = (request.name("connection")?, request.if_match()?);
    let public_url = request.public_url();
    let patch = request.json()?;
    let connection = bifrost.update_connection(caller, scope, &name, &patch, if_match, public_url).await?;
    answer::with_etag(answer::ok(&connection), connection.revision)
}
