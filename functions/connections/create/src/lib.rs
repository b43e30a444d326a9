//! `POST /connections`: makes a connection in a scope.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, scope) = request.permitted(Operation::ConnectionsCreate)?;
    let connection = bifrost.create_connection(caller, scope, request.json()?, request.public_url()).await?;
    answer::with_etag(answer::created(&connection), connection.revision)
}
