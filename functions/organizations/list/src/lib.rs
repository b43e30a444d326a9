//! `GET /organizations`: lists organizations. Admins only.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.caller()?.require_admin()?;
    let (limit, cursor) = request.page()?;
    answer::page(bifrost.organizations(limit, cursor).await?)
}
