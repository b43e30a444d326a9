//! `POST /organizations`: makes an organization.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::OrganizationsCreate)?;
    answer::created(&bifrost.create_organization(request.json()?).await?)
}
