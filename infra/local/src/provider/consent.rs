//! Admin consent, as Microsoft has it: an administrator lets a client into a tenant. The way back brings `tenant` and no
//! code (<https://learn.microsoft.com/en-us/entra/identity-platform/v2-admin-consent>).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};

use super::authorize::{denial, error_page, identify, redirect, redirect_error};
use super::client::Refusal;
use super::pages;
use super::server::Shared;

pub(super) async fn show(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let inner = shared.lock();
    match identify(&inner, query.unwrap_or_default().as_bytes()) {
        // A request for a code is another thing.
        Ok((params, _)) if params.optional("response_type").is_some() => {
            error_page(&Refusal::invalid_request("response_type has no place here"))
        }
        Ok((params, request)) => {
            pages::sign_in(&request.client_id, &params.scopes(), &params.into_pairs()).into_response()
        }
        Err(refusal) => error_page(&refusal),
    }
}

pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    Path(tenant): Path<String>,
    body: Bytes,
) -> Response {
    let mut inner = shared.lock();
    let (params, request) = match identify(&inner, &body) {
        Ok(identified) => identified,
        Err(refusal) => return error_page(&refusal),
    };
    if params.optional("decision") != Some("allow") {
        let denied = denial("access_denied", "the administrator said no");
        return redirect_error(&shared.issuer, &inner, &request, &denied);
    }
    let tenant = inner.stage.administrator_of.clone().unwrap_or(tenant);
    inner.stage.consents.insert(tenant.clone());
    redirect(&shared.issuer, &inner, &request, &[("admin_consent", "True"), ("tenant", &tenant)])
}
