//! `POST /integrations/{name}/mappings/import`: writes 1 to 500 mappings, each on its own.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (caller, _) = request.permitted(Operation::MappingsImport)?;
    let name = request.name("integration")?;
    let imported = bifrost.import_mappings(caller, &name, request.json()?, request.deadline()).await?;
    answer::ok(&imported)
}
