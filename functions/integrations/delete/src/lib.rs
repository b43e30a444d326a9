//! `DELETE /integrations/{name}`: deletes an integration and its mappings.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::IntegrationsDelete)?;
    let (name, if_match) = (request.name("integration")?, request.if_match()?);
    bifrost.delete_integration(&name, if_match, request.deadline()).await?;
    Ok(answer::no_content())
}
