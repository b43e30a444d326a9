//! `POST /organizations`: makes an organization. Admins only.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.caller()?.require_admin()?;
    answer::created(&bifrost.create_organization(request.json()?).await?)
}
