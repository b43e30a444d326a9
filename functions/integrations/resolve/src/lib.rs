//! `GET /integrations/{name}/resolve`: what a workflow needs to call the API for a scope.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, scope) = request.permitted(Operation::IntegrationsResolve)?;
    let name = request.name("integration")?;
    let resolved = bifrost.resolve(caller, scope, &name, request.deadline()).await?;
    answer::ok(&resolved)
}
