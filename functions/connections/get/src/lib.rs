//! `GET /connections/{name}`: shows one of a scope's connections.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (_, scope) = request.permitted(Operation::ConnectionsGet)?;
    let name = request.name("connection")?;
    let connection = bifrost.show_connection(scope, &name, request.public_url()).await?;
    answer::with_etag(answer::ok(&connection), connection.revision)
}
