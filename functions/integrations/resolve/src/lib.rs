//! `GET /integrations/{name}/resolve`: what a workflow needs to call the API for a scope.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let scope = request.scope()?;
    let name = request.name("integration")?;
    let resolved = bifrost.resolve(request.caller()?, scope, &name, request.deadline()).await?;
    answer::ok(&resolved)
}
