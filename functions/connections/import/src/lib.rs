//! `POST /connections/{name}/import`: a grant from another system moves in.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, Timestamp, access::Operation, brought::BroughtGrant},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let organization = request.query_organization()?;
    let (_, place) = request.permitted_grant(Operation::ConnectionsImport, organization)?;
    let (name, integration) = (request.name("connection")?, request.integration()?);
    let brought = BroughtGrant::from_input(request.json()?, Timestamp::now())?;
    let (public_url, deadline) = (request.public_url(), request.deadline());
    let imported =
        bifrost.import_grant(place, &name, integration.as_ref(), brought, public_url, deadline).await?;
    answer::ok(&imported)
}
