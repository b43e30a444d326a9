//! `GET /keys`: lists a scope's keys.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, scope) = request.permitted(Operation::KeysList)?;
    let page = bifrost.api_keys(caller, scope, request.page()?).await?;
    answer::page(&bifrost, page).await
}
