//! Signing in on another device (RFC 8628): a code to type in, the page where it is typed in, and the waiting meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use uuid::Uuid;

use super::assertion::Place;
use super::authorize::error_page;
use super::client::{Refusal, authenticate};
use super::ledger::{Family, s256};
use super::pages;
use super::params::Params;
use super::server::Shared;
use super::token::form;

pub(super) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// How long a code is good.
const LIFETIME: Duration = Duration::from_secs(600);
/// How long to wait between two questions, in seconds. A test does not wait longer.
const INTERVAL: u64 = 1;

/// The sign-ins that were begun on other devices.
#[derive(Default)]
pub(super) struct Devices(Vec<Device>);

struct Device {
    /// Of the device code.
    fingerprint: String,
    user_code: String,
    family: Family,
    begun: Instant,
    asked: Option<Instant>,
    decision: Option<bool>,
}

impl Devices {
    /// What the person decided, once; else why not yet (RFC 8628 section 3.5).
    pub(super) fn redeem(&mut self, device_code: &str, client_id: &str) -> Result<Family, Refusal> {
        let fingerprint = s256(device_code);
        let known =
            |device: &Device| device.fingerprint == fingerprint && device.family.client_id == client_id;
        let at = self.0.iter().position(known);
        let at =
            at.ok_or_else(|| Refusal::invalid_grant("no such device code was issued, or it was used"))?;
        let device = &mut self.0[at];
        if device.begun.elapsed() > LIFETIME {
            return Err(refusal("expired_token", "the device code has expired"));
        }
        let too_soon = device.asked.is_some_and(|asked| asked.elapsed() < Duration::from_secs(INTERVAL));
        device.asked = Some(Instant::now());
        match device.decision {
            Some(true) => Ok(self.0.swap_remove(at).family),
            Some(false) => Err(refusal("access_denied", "the person who was asked said no")),
            None if too_soon => Err(refusal("slow_down", "ask less often")),
            None => Err(refusal("authorization_pending", "nobody has signed in yet")),
        }
    }

    fn begin(&mut self, client_id: &str, scopes: Vec<String>) -> (String, String) {
        let device_code = format!("bfp_dc_{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
        let user_code = Uuid::new_v4().simple().to_string()[..8].to_uppercase();
        self.0.push(Device {
            fingerprint: s256(&device_code),
            user_code: user_code.clone(),
            family: Family {
                client_id: client_id.to_owned(),
                user: None,
                tenant: None,
                scopes,
                revoked: false,
            },
            begun: Instant::now(),
            asked: None,
            decision: None,
        });
        (device_code, user_code)
    }

    fn named(&mut self, user_code: &str) -> Option<&mut Device> {
        self.0.iter_mut().find(|device| device.user_code == user_code && device.decision.is_none())
    }
}

fn refusal(error: &'static str, description: &str) -> Refusal {
    Refusal { error, ..Refusal::invalid_grant(description) }
}

/// RFC 8628 section 3.1.
pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let mut guard = shared.lock();
    let inner = &mut *guard;
    let params = form(&headers, &body)?;
    let place = Place { issuer: &shared.issuer, path: "/device_authorization" };
    let (client, _) = authenticate(&inner.options, &mut inner.accepted, place, &headers, &params)?;
    let client_id = client.id.clone();
    let (device_code, user_code) = inner.devices.begin(&client_id, params.scopes());
    let address = format!("{}/device", shared.issuer);
    let answer = json!({
        "device_code": device_code, "user_code": user_code, "verification_uri": address,
        "verification_uri_complete": format!("{address}?user_code={user_code}"),
        "expires_in": LIFETIME.as_secs(), "interval": INTERVAL,
    });
    Ok(Json(answer).into_response())
}

/// Where the code is typed in.
pub(super) async fn show(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let params = Params::parse(query.unwrap_or_default().as_bytes());
    let user_code = params.ok().and_then(|params| params.optional("user_code").map(str::to_owned));
    let mut inner = shared.lock();
    match user_code.as_deref().and_then(|code| inner.devices.named(code)) {
        Some(device) => {
            let request = [("user_code".to_owned(), device.user_code.clone())];
            pages::sign_in(&device.family.client_id, &device.family.scopes, &request).into_response()
        }
        None => error_page(&Refusal::invalid_request("no device waits under this code")),
    }
}

pub(super) async fn decide(State(shared): State<Arc<Shared>>, body: Bytes) -> Response {
    let Ok(params) = Params::parse(&body) else {
        return error_page(&Refusal::invalid_request("the form can't be read"));
    };
    let mut inner = shared.lock();
    let (Some(user_code), Some(user)) = (params.optional("user_code"), params.optional("user")) else {
        return error_page(&Refusal::invalid_request("user_code and user are needed"));
    };
    let Some(device) = inner.devices.named(user_code) else {
        return error_page(&Refusal::invalid_request("no device waits under this code"));
    };
    device.decision = Some(params.optional("decision") == Some("allow"));
    device.family.user = Some(user.to_owned());
    (StatusCode::OK, pages::done()).into_response()
}
