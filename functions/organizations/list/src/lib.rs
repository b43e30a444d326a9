//! `GET /organizations`: lists organizations.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::OrganizationsList)?;
    let page = bifrost.organizations(request.page()?).await?;
    answer::page(&bifrost, page).await
}
