//! Lambda in and out: events into requests, callers out of the authorizer's context, problems into answers, pages.
//!
//! This is the only place that knows HTTP statuses and API Gateway's events. A handler parses with [`Request`], asks
//! `model::access`, calls one use case of `app`, and answers with [`answer`].

pub mod answer;
mod audit;
mod authorizer;
mod caller;
#[cfg(test)]
mod catalogue;
pub mod cookies;
mod event;
pub mod html;
mod log;
pub mod metrics;
pub mod pages;
mod request;
mod schedule;

use std::{pin::Pin, sync::Arc};

use lambda_runtime::{Error, LambdaEvent, service_fn};

use crate::{app::Bifrost, model::Problem};
pub use answer::Response;
pub use audit::{ConsoleAct, is_act};
pub use authorizer::serve_authorizer;
pub use request::{DEFAULT_LIMIT, MAX_LIMIT, Request};
pub use schedule::serve_schedule;

/// Serves one route's requests until Lambda ends the process.
pub async fn serve<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Arc<Bifrost>, Request) -> F,
    F: Future<Output = Result<Response, Problem>> + Send,
{
    log::start();
    let bifrost = Arc::new(Bifrost::from_environment()?);
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<event::Event>| {
        let bifrost = Arc::clone(&bifrost);
        let request = Request::from_event(event, &bifrost.environment);
        let route = request.route().to_owned();
        let request_id = request.request_id().to_owned();
        // Here, so that no handler can forget it: whoever is asked, the key must be good now and there.
        let admitted = request.check_key();
        let turned_away = || admitted.is_err().then(|| request.turned_away());
        let act = request.act().or_else(turned_away);
        let answer = admitted.map(|()| handle(bifrost, request));
        let answered = async move {
            let answer = match answer {
                Ok(answer) => answer.await,
                Err(problem) => Err(problem),
            };
            let code = answer.as_ref().err().map(|problem| problem.code);
            let response = match answer {
                Ok(response) => response,
                Err(problem) => {
                    log::problem(&problem, &route, &request_id);
                    answer::problem(&problem, &request_id)
                }
            };
            let status = response.status();
            if let Some(act) = act {
                act.answered(&response, code, &request_id);
            }
            tracing::info!(route, request_id, status = status.as_u16(), "answered");
            Ok(event::Answer::from(response))
        };
        // Boxed without its type, which holds the types of everything it awaits and is too deep for the compiler.
        Box::pin(answered) as Pin<Box<dyn Future<Output = Result<event::Answer, Error>> + Send>>
    }))
    .await
}
