//! `GET /integrations`: lists integrations. Any caller.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.caller()?;
    let page = bifrost.integrations(request.page()?).await?;
    answer::page(&bifrost, page).await
}
