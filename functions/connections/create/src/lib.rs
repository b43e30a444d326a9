//! `POST /connections`: makes a connection in a scope. Who may edit there.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Verb},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, scope) = (request.caller()?, request.scope()?);
    caller.require(Verb::Edit, scope)?;
    let connection = bifrost.create_connection(caller, scope, request.json()?, request.public_url()).await?;
    answer::with_etag(answer::created(&connection), connection.revision)
}
