//! `DELETE /integrations/{name}/mappings/{organization_id}`: deletes a mapping.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::MappingsDelete)?;
    let (name, organization) = (request.name("integration")?, request.organization()?);
    bifrost.delete_mapping(&name, organization, request.if_match()?).await?;
    Ok(answer::no_content())
}
