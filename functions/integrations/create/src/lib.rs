//! `POST /integrations`: makes an integration.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::IntegrationsCreate)?;
    let integration = bifrost.create_integration(request.json()?).await?;
    answer::with_etag(answer::created(&integration), integration.revision)
}
