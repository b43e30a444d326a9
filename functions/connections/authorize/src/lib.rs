//! `POST /connections/{name}/authorize`: a link for signing in.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, connect::LinkRequest},
    edge::{Request, Response, answer},
    model::{Problem, access::Operation, input::Input},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let mut input = Input::new(request.json()?);
    let organization = LinkRequest::organization(&mut input)?;
    let (caller, place) = request.permitted_grant(Operation::ConnectionsAuthorize, organization)?;
    let (name, integration) = (request.name("connection")?, request.integration()?);
    let link =
        bifrost.authorize(caller, place, &name, integration.as_ref(), input, request.public_url()).await?;
    answer::created(&link)
}
