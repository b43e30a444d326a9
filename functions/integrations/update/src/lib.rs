//! `PATCH /integrations/{name}`: changes an integration by merge patch.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::IntegrationsUpdate)?;
    let (name, if_match, force) = (request.name("integration")?, request.if_match()?, request.flag("force")?);
    let integration = bifrost.update_integration(&name, &request.json()?, if_match, force).await?;
    answer::with_etag(answer::ok(&integration), integration.revision)
}
