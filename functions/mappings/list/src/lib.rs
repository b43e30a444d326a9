//! `GET /integrations/{name}/mappings`: lists mappings.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation, input::EntityId},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, _) = request.permitted(Operation::MappingsList)?;
    let name = request.name("integration")?;
    let entity_id = request.query("entity_id").map(EntityId::parse).transpose()?;
    let page = bifrost.mappings(caller, &name, entity_id.as_ref(), request.page()?).await?;
    answer::page(&bifrost, page).await
}
