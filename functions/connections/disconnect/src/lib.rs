//! `POST /connections/{name}/disconnect`: forgets a grant, and revokes it at the provider. Who may connect for that scope.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let name = request.name("connection")?;
    let (scope, organization) = (request.query("scope"), request.query_organization()?);
    let disconnected = bifrost.disconnect(request.caller()?, scope, &name, organization).await?;
    answer::ok(&disconnected)
}
