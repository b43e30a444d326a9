//! `GET, POST /connect/{ticket}`: the confirm page of a connect link, and the way on to the provider; for a sign-in on
//! another device, the page that waits for it.

use std::sync::Arc;

use bifrost::{
    app::{
        Bifrost,
        connect::{NotConnected, Progress, device_cookie},
    },
    edge::{Request, Response, cookies, pages},
    model::{Problem, Secret},
    oauth,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let ticket = Secret::from(request.path("ticket").unwrap_or_default().to_owned());
    let page = if request.is_post() {
        depart(&bifrost, &request, &ticket).await
    } else if let Some(page) = progress(&bifrost, &request, &ticket).await {
        Ok(page)
    } else {
        show(&bifrost, &request, &ticket).await
    };
    // People look at this, not programs.
    Ok(page.unwrap_or_else(|problem| pages::problem_page(&request, &problem)))
}

/// Of the sign-in on another device that this browser began, if it is still good.
async fn progress(bifrost: &Bifrost, request: &Request, ticket: &Secret) -> Option<Response> {
    let state = cookies::cookie(request, &device_cookie(ticket))?;
    let cookie = |name: &str| cookies::cookie(request, name);
    match bifrost.device_progress(&state, cookie, request.about(), request.deadline()).await {
        Ok(Progress::Waiting(waiting)) => Some(pages::waiting(&waiting)),
        Ok(Progress::Finished(finished)) => {
            Some(pages::after_all_an_act(pages::finished(request, &state, &finished)))
        }
        // It may be begun anew.
        Err(NotConnected::Rejected(_)) => None,
        Err(outcome @ NotConnected::Failed { .. }) => {
            Some(pages::after_all_an_act(pages::not_connected(request, &outcome)))
        }
        Err(outcome) => Some(pages::not_connected(request, &outcome)),
    }
}

async fn show(bifrost: &Bifrost, request: &Request, ticket: &Secret) -> Result<Response, Problem> {
    let offer = bifrost.offer(ticket).await?;
    // A page that is opened a second time in the same browser must not spoil the first.
    let cookie = cookies::cookie(request, &pages::offer_cookie(ticket)).unwrap_or_else(oauth::random_secret);
    Ok(pages::offer(request, ticket, &offer, &cookie))
}

async fn depart(bifrost: &Bifrost, request: &Request, ticket: &Secret) -> Result<Response, Problem> {
    if !pages::form_is_ours(request, ticket) {
        let detail = "This form was not sent from the page that this browser was shown, or the browser keeps no cookies.";
        return Err(
            Problem::forbidden(detail).fix("Open the link again, in one browser with cookies allowed.")
        );
    }
    Ok(pages::departure(request, &bifrost.begin(ticket, request.about()).await?))
}
