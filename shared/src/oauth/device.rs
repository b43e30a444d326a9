//! Signing in on another device (RFC 8628), at a provider that has no way back to us: it hands out a short code that a
//! person types in at an address of its own, and is asked meanwhile whether that has happened.

use std::time::Duration;

use http::{Method, header};
use oauth2::{AsyncHttpClient, HttpRequest};
use serde_json::{Map, Value};
use url::{Url, form_urlencoded};

use super::{
    answer::{accepted, unreadable},
    exchange::{Registration, bridge, token_set},
    outbound::{Outbound, Purpose},
    token_answer::{TokenSet, number},
};
use crate::model::{Secret, Timestamp, failure::Failure};

/// RFC 8628 section 3.4.
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long to wait between two questions where the provider does not say (RFC 8628 section 3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// How much longer after `slow_down` (RFC 8628 section 3.5).
pub const SLOWER: Duration = Duration::from_secs(5);
/// The longest that is waited between two questions, and that a code is believed to live.
const LONGEST_INTERVAL: Duration = Duration::from_secs(60);
const LONGEST_LIFETIME: Duration = Duration::from_secs(30 * 60);
/// The longest user code and address that are shown.
const LONGEST_TEXT: usize = 500;

/// What the provider hands out (RFC 8628 section 3.2).
#[derive(Clone, Debug)]
pub struct DeviceAuthorization {
    pub device_code: Secret,
    /// What the person types in.
    pub user_code: String,
    /// Where.
    pub verification_uri: Url,
    /// The same with the code in it.
    pub verification_uri_complete: Option<Url>,
    pub expires_in: Duration,
    pub interval: Duration,
}

/// What came of a question.
#[derive(Debug)]
pub enum DeviceAnswer {
    /// The person is not done.
    Pending,
    /// Neither, and the questions come too quickly.
    SlowDown,
    Tokens(Box<TokenSet>),
}

/// Asks for a code (RFC 8628 section 3.1).
pub async fn authorize_device(
    outbound: &Outbound,
    device_authorization_url: &Url,
    registration: &Registration<'_>,
    now: Timestamp,
) -> Result<DeviceAuthorization, Failure> {
    let scopes = registration.dialect.joined(registration.scopes);
    let fields = if scopes.is_empty() { Vec::new() } else { vec![("scope", scopes.as_str())] };
    let request = request(device_authorization_url, registration, &fields, true)?;
    let answer = outbound.send(request, Purpose::Other).await?;
    // In a header the secret has yet another spelling.
    let basic = registration.credentials.basic(registration.client_id);
    let secret = registration.credentials.secret().map(Secret::expose);
    let sent: Vec<&str> = secret.into_iter().chain(basic.as_deref()).collect();
    let host = device_authorization_url.host_str().unwrap_or_default();
    let body = accepted(&answer, host, &sent, now, registration.dialect)?;
    let body = body.ok_or_else(|| unreadable(&answer))?;
    authorization(&body).ok_or_else(|| {
        Failure::new(
            "malformed-answer",
            "The provider's answer has no device_code, user_code and verification_uri.",
        )
    })
}

/// Asks whether the person is done (RFC 8628 section 3.4). Tokens come once.
pub async fn redeem_device_code(
    outbound: &Outbound,
    registration: &Registration<'_>,
    device_code: &Secret,
    now: Timestamp,
) -> Result<DeviceAnswer, Failure> {
    let mut fields = vec![("grant_type", GRANT_TYPE), ("device_code", device_code.expose())];
    fields.extend(registration.token_params.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let request = request(&registration.token_url, registration, &fields, false)?;
    let bridge = bridge(outbound, registration, [Some(device_code), None], now);
    match bridge.call(request).await {
        Ok(answer) => {
            let tokens = serde_json::from_slice(answer.body())
                .map_err(|_| Failure::new("malformed-answer", "The provider's answer is no token answer."))?;
            token_set(Ok(tokens), registration, bridge, now)
                .map(|tokens| DeviceAnswer::Tokens(Box::new(tokens)))
        }
        Err(failure) => match failure.code.as_str() {
            "authorization_pending" => Ok(DeviceAnswer::Pending),
            "slow_down" => Ok(DeviceAnswer::SlowDown),
            _ => Err(failure),
        },
    }
}

/// A form from the client. An assertion, the bridge adds to token requests; a device authorization request has none of it
/// yet.
fn request(
    url: &Url,
    registration: &Registration<'_>,
    fields: &[(&str, &str)],
    asserted: bool,
) -> Result<HttpRequest, Failure> {
    let Registration { client_id, credentials, .. } = *registration;
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields);
    let mut request = http::Request::builder()
        .method(Method::POST)
        .uri(url.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(basic) = credentials.basic(client_id) {
        request = request.header(header::AUTHORIZATION, format!("Basic {basic}"));
    } else {
        form.append_pair("client_id", client_id);
        form.extend_pairs(credentials.client_secret().map(|secret| ("client_secret", secret.expose())));
        form.extend_pairs(credentials.assertion().into_iter().filter(|_| asserted));
    }
    let request = request.body(form.finish().into_bytes());
    request.map_err(|_| Failure::new("url-not-allowed", "The URL can't be used in a request."))
}

fn authorization(body: &Map<String, Value>) -> Option<DeviceAuthorization> {
    let text = |name: &str| {
        let text = body.get(name)?.as_str()?.trim();
        let plain = !text.is_empty() && text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control);
        plain.then_some(text)
    };
    // A person is sent there, so it is an address of the web. Google's older answers say `verification_url`.
    let address =
        |name: &str| Url::parse(text(name)?).ok().filter(|url| ["https", "http"].contains(&url.scheme()));
    let seconds = |name: &str| {
        body.get(name).and_then(number).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    };
    Some(DeviceAuthorization {
        device_code: Secret::from(text("device_code")?.to_owned()),
        user_code: text("user_code")?.to_owned(),
        verification_uri: address("verification_uri").or_else(|| address("verification_url"))?,
        verification_uri_complete: address("verification_uri_complete"),
        expires_in: seconds("expires_in")?.min(LONGEST_LIFETIME),
        interval: seconds("interval").unwrap_or(INTERVAL).clamp(Duration::from_secs(1), LONGEST_INTERVAL),
    })
}
