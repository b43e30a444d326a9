//! `POST /connections/{name}/disconnect`: forgets a grant, and revokes it at the provider.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::{Problem, access::Operation},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let organization = request.query_organization()?;
    let (_, place) = request.permitted_grant(Operation::ConnectionsDisconnect, organization)?;
    answer::ok(&bifrost.disconnect(place, &request.name("connection")?).await?)
}
