//! `DELETE /connections/{name}`: deletes one of a scope's connections and its grants.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (_, scope) = request.permitted(Operation::ConnectionsDelete)?;
    let (name, if_match) = (request.name("connection")?, request.if_match()?);
    let force = request.flag("force")?;
    bifrost.delete_connection(scope, &name, if_match, force, request.deadline()).await?;
    Ok(answer::no_content())
}
