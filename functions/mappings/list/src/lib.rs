//! `GET /integrations/{name}/mappings`: lists mappings.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, _) = request.permitted(Operation::MappingsList)?;
    let name = request.name("integration")?;
    let page = bifrost.mappings(caller, &name, request.query("entity_id"), request.page()?).await?;
    answer::page(&bifrost, page).await
}
