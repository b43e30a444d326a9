//! `GET /connections`: lists a scope's connections.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (_, scope) = request.permitted(Operation::ConnectionsList)?;
    let page = bifrost.connections(scope, request.page()?, request.public_url()).await?;
    answer::page(&bifrost, page).await
}
