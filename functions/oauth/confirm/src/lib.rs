//! `POST /oauth/confirm`: whoever signed in as someone else says whether they mean it.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, cookies, pages},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let Some(decision) = pages::decision(&request) else {
        let detail = "This form was not sent from the page that this browser was shown, or the browser keeps no cookies.";
        let problem =
            Problem::forbidden(detail).fix("Go back to that page, in one browser with cookies allowed.");
        return Ok(pages::problem_page(&request, &problem));
    };
    let state = decision.state.clone();
    let cookie = |name: &str| cookies::cookie(&request, name);
    Ok(match bifrost.decide(decision, cookie, request.about(), request.deadline()).await {
        Ok(finished) => pages::finished(&request, &state, &finished),
        Err(outcome) => pages::not_connected(&request, &outcome),
    })
}
