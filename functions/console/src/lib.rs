//! `GET, POST /console`: the pages for administrators.
//!
//! They are made here, whole, from the answers of the same use cases that the API calls; the one script copies text and
//! reads a chosen file. [`visit`] is one request of somebody signed in, [`reply`] what becomes of it; [`layout`],
//! [`form`] and [`words`] are what pages are made of; each other module is a section of the console, with its own routes.
//!
//! Every form carries the session's token, which is checked in one place, here, before any section sees a POST; and what
//! the forms do is written to the audit trail in one place, [`acts`].

mod acts;
mod assets;
mod config_fields;
mod form;
mod layout;
mod reply;
mod session;
mod ui;
mod visit;
mod words;

mod connections;
mod integrations;
mod keys;
mod organizations;
mod overview;
mod plot;
mod providers;

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response},
    model::{Code, Problem},
};

use reply::Reply;
use visit::Visit;

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let path = request.path("path").unwrap_or_default().to_owned();
    let path: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if let ["assets", file] = path.as_slice() {
        return assets::serve(file);
    }
    if let ["sign-in"] = path.as_slice() {
        return Ok(session::sign_in(&bifrost, &request).await);
    }
    let visit = match session::resume(&bifrost, &request).await {
        Ok(Some(session)) => match visit::form_of(&request) {
            Ok(form) => Visit::new(&bifrost, &request, session, form),
            Err(problem) => {
                acts::unread(&request, &session.caller, &problem);
                return Ok(reply::unread(&request, &problem));
            }
        },
        Ok(None) => return Ok(session::ask_to_sign_in(&request)),
        Err(problem) => return Ok(session::not_admitted(&request, &problem)),
    };
    let reply = match visit.form_is_ours() {
        true => route(&visit, &path).await,
        false => Err(strange_form()),
    };
    acts::write(&visit, &path, &reply);
    Ok(reply::answer(&visit, reply))
}

/// Boxed section by section: a future that held them all would be as large as the largest, and too deep for the compiler.
async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => Ok(Reply::see_other("/console/overview")),
        ["sign-out"] if visit.is_post() => Ok(Reply::SignedOut),
        ["overview", rest @ ..] => Box::pin(overview::route(visit, rest)).await,
        ["integrations", rest @ ..] => Box::pin(integrations::route(visit, rest)).await,
        ["connections", rest @ ..] => Box::pin(connections::route(visit, rest)).await,
        ["providers", rest @ ..] => Box::pin(providers::route(visit, rest)).await,
        ["organizations", rest @ ..] => Box::pin(organizations::route(visit, rest)).await,
        ["keys", rest @ ..] => Box::pin(keys::route(visit, rest)).await,
        _ => Err(no_page()),
    }
}

/// For an address that leads nowhere.
fn no_page() -> Problem {
    Problem::new(Code::NotFound, "There is no page at this address.").fix("Go on from the menu.")
}

fn strange_form() -> Problem {
    Problem::forbidden("This form was not sent from a page of your present session.")
        .fix("Open the page again, and fill it in anew.")
}
