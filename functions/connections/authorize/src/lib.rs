//! `POST /connections/{name}/authorize`: a link for signing in. Who may connect for that scope.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let (name, integration) = (request.name("connection")?, request.integration()?);
    let (scope, body) = (request.query("scope"), request.json()?);
    let link =
        bifrost.authorize(caller, scope, &name, integration.as_ref(), body, request.public_url()).await?;
    answer::created(&link)
}
