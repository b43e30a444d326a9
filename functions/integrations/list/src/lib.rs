//! `GET /integrations`: lists integrations.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::IntegrationsList)?;
    let page = bifrost.integrations(request.page()?).await?;
    answer::page(&bifrost, page).await
}
