//! `GET /integrations/{name}/mappings/{organization_id}`: shows an organization's mapping, within the scope rules.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    let (name, organization) = (request.name("integration")?, request.organization()?);
    let mapping = bifrost.show_mapping(caller, &name, organization).await?;
    answer::with_etag(answer::ok(&mapping), mapping.revision)
}
