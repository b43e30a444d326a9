//! `GET /connections`: lists a scope's connections. Who may edit there.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Verb},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, scope) = (request.caller()?, request.scope()?);
    caller.require(Verb::Edit, scope)?;
    let (limit, cursor) = request.page()?;
    answer::page(bifrost.connections(scope, limit, cursor, request.public_url()).await?)
}
