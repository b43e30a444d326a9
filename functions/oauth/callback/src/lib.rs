//! `GET /oauth/callback/{connection}, GET /api/oauth/callback`: the provider sends the browser back here.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, connect::Arrival},
    edge::{Request, Response, cookies, pages},
    model::{Problem, Secret},
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let state = Secret::from(request.query("state").unwrap_or_default().to_owned());
    let arrival = Arrival {
        segment: request.path("connection"),
        state: state.clone(),
        code: request.query("code").map(|code| Secret::from(code.to_owned())),
        error: request.query("error"),
        error_description: request.query("error_description"),
        issuer: request.query("iss"),
        query: request.queries(),
        about: request.about(),
    };
    let cookie = |name: &str| cookies::cookie(&request, name);
    match bifrost.finish(arrival, cookie, request.deadline()).await {
        Ok(finished) => Ok(pages::finished(&request, &state, &finished)),
        Err(outcome) => Ok(pages::not_connected(&request, &outcome)),
    }
}
