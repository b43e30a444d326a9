//! `POST /connections/{name}/refresh`: a token other than the one that was refused.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, token::TokenQuery},
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, scope) = request.permitted(Operation::ConnectionsRefresh)?;
    let (connection, integration) = (request.name("connection")?, request.integration()?);
    let query = TokenQuery { connection: &connection, scope, integration: integration.as_ref() };
    let token = bifrost.refresh(caller, &query, request.json()?, request.deadline()).await?;
    answer::ok(&token)
}
