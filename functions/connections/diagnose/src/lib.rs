//! `POST /connections/{name}/diagnose`: what is wrong with a connection, and what to do about it.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let (_, scope) = request.permitted(Operation::ConnectionsDiagnose)?;
    let name = request.name("connection")?;
    answer::ok(&bifrost.diagnose(scope, &name, request.public_url()).await?)
}
