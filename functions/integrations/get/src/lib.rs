//! `GET /integrations/{name}`: shows an integration.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::IntegrationsGet)?;
    let integration = bifrost.show_integration(&request.name("integration")?).await?;
    answer::with_etag(answer::ok(&integration), integration.revision)
}
