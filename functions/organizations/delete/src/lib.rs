//! `DELETE /organizations/{id}`: deletes an organization and all that is its own.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::OrganizationsDelete)?;
    bifrost.delete_organization(request.organization_itself()?, request.deadline()).await?;
    Ok(answer::no_content())
}
