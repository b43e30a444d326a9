//! `POST /integrations`: makes an integration. Admins only.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.caller()?.require_admin()?;
    let integration = bifrost.create_integration(request.json()?).await?;
    answer::with_etag(answer::created(&integration), integration.revision)
}
