//! The gateway's Lambda authorizer: payload 2.0, simple responses
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html>).

use std::sync::Arc;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    audit::{Act, Ending},
    caller,
    event::Context,
    log,
};
use crate::{
    app::{Bifrost, authenticate::Stranger},
    model::{Problem, access::Caller},
};

/// The part of the gateway's event that matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    /// The values of the headers that the template names as identity: Authorization alone.
    identity_source: Option<Vec<String>>,
    #[serde(default)]
    request_context: Context,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    is_authorized: bool,
    context: Map<String, Value>,
}

/// Serves the gateway's questions until Lambda ends the process. A failure of ours is an error, which the gateway
/// answers with 500 and does not cache. A refusal is a line of the audit trail, for nobody else hears of it; whom it lets
/// through, the route's function writes about.
pub async fn serve_authorizer<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Arc<Bifrost>, String) -> F,
    F: Future<Output = Result<Result<Caller, Stranger>, Problem>>,
{
    log::start();
    let bifrost = Arc::new(Bifrost::from_environment()?);
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Event>| {
        let Event { identity_source, request_context } = event.payload;
        let header = identity_source.and_then(|values| values.into_iter().next()).unwrap_or_default();
        // Boxed: below the runtime's layers, a whole use case unboxed is too deep for the compiler.
        let asked = bearer(&header).map(|shown| Box::pin(handle(Arc::clone(&bifrost), shown.to_owned())));
        async move {
            let known = match asked {
                None => Err(Stranger::without_key()),
                Some(asked) => asked.await.inspect_err(|problem| {
                    tracing::error!(code = %problem.code, cause = problem.cause_chain(), "a key or token could not be checked");
                })?,
            };
            if let Err(stranger) = &known {
                let act = Act::authenticate(None, request_context.http.source_ip.parse().ok());
                act.by_stranger(stranger).ended(Ending::refused(stranger.code), &request_context.request_id);
            }
            let context = known.as_ref().map(caller::to_context).unwrap_or_default();
            Ok::<_, Error>(Verdict { is_authorized: known.is_ok(), context })
        }
    }))
    .await
}

/// RFC 6750 section 2.1; the scheme in any case, as RFC 9110 section 11.1 has it.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, shown) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| shown.trim())
}
