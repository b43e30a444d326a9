//! `GET /connections/{name}/token`: a connection's access token, fresh.

use std::{sync::Arc, time::Duration};

use bifrost::{
    app::{Bifrost, token::TokenQuery},
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (_, scope) = request.permitted(Operation::ConnectionsToken)?;
    let (connection, integration) = (request.name("connection")?, request.integration()?);
    let min_ttl = request.query_number("min_ttl")?.map(Duration::from_secs);
    let query = TokenQuery { connection: &connection, scope, integration: integration.as_ref() };
    answer::ok(&bifrost.token(&query, min_ttl, request.deadline()).await?)
}
