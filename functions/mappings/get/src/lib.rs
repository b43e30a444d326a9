//! `GET /integrations/{name}/mappings/{organization_id}`: shows an organization's mapping.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::MappingsGet)?;
    let (name, organization) = (request.name("integration")?, request.organization()?);
    let mapping = bifrost.show_mapping(&name, organization).await?;
    answer::with_etag(answer::ok(&mapping), mapping.revision)
}
