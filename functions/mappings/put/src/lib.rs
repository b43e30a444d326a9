//! `PUT /integrations/{name}/mappings/{organization_id}`: writes a mapping: 201 if it is new.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, mappings::Put},
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, _) = request.permitted(Operation::MappingsPut)?;
    let (name, organization) = (request.name("integration")?, request.organization()?);
    match bifrost.put_mapping(caller, &name, organization, request.json()?, request.if_match()?).await? {
        Put::Created(mapping) => answer::with_etag(answer::created(&mapping), mapping.revision),
        Put::Replaced(mapping) => answer::with_etag(answer::ok(&mapping), mapping.revision),
    }
}
