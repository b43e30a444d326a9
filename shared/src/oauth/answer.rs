//! What a provider's answer means: yes, or which failure.
//!
//! The status says how bad it is, the body what it is called, and neither is to be trusted to be there. Only what
//! [`Failure`] sanitises is kept of an answer that says no.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use oauth2::HttpResponse;
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::{Url, form_urlencoded};

use super::dialect::token_object;
use crate::model::{
    Timestamp,
    dialect::Dialect,
    failure::{Failure, FailureClass},
};

/// The longest that a provider is obeyed. A person who mended something should not find it waiting for next month.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of an answer that says yes, if it is an object; otherwise what went wrong. `sent` are the secrets of the
/// request, so that they can be removed from what the provider says about it.
pub(super) fn accepted(
    answer: &HttpResponse,
    sent: &[&str],
    now: Timestamp,
    dialect: &Dialect,
) -> Result<Option<Map<String, Value>>, Failure> {
    let status = answer.status();
    if status.is_redirection() {
        return Err(redirected(answer));
    }
    let body = object(answer);
    let named = body.as_ref().and_then(|body| Some(named_error(body)?.failure(sent)));
    if status.is_success() {
        // GitHub and Slack report errors with status 200. Where there is a token too, the token counts: to drop one
        // that may have replaced the last would lose the grant.
        let has_token =
            body.as_ref().is_some_and(|body| token_object(body, dialect).contains_key("access_token"));
        return named.filter(|_| !has_token).map_or(Ok(body), Err);
    }

    let failure = named.unwrap_or_else(|| nameless(answer));
    let retry_after = retry_after(answer.headers(), now);
    let throttled = status == StatusCode::TOO_MANY_REQUESTS
        // RFC 9110 10.2.3: with 503 the header says how long the service will be gone.
        || (status == StatusCode::SERVICE_UNAVAILABLE && retry_after.is_some())
        || matches!(failure.class, FailureClass::Throttled { .. });
    Err(if throttled {
        failure.with_class(FailureClass::Throttled { retry_after })
    } else if status.is_server_error() {
        failure.of_failing_server()
    } else if status == StatusCode::UNAUTHORIZED {
        failure.of_unauthenticated_client()
    } else {
        failure
    })
}

/// An answer that says yes, but not what was asked for.
pub(super) fn unreadable(answer: &HttpResponse) -> Failure {
    let what = match answer.body().as_slice() {
        [] => "nothing",
        _ if is_page(answer.headers()) => "a web page",
        _ => "something that is no JSON object",
    };
    Failure::new(
        "malformed-answer",
        format!("The provider answered {} with {what}.", answer.status().as_u16()),
    )
}

/// RFC 6749 5.2's error, or what some providers send in its stead.
struct NamedError<'a> {
    code: &'a str,
    description: Option<&'a str>,
}

impl NamedError<'_> {
    fn failure(&self, sent: &[&str]) -> Failure {
        Failure::named_by_provider(self.code, self.description, sent)
    }
}

fn named_error(body: &Map<String, Value>) -> Option<NamedError<'_>> {
    match body.get("error")? {
        Value::String(code) if !code.is_empty() => {
            Some(NamedError { code, description: first_text(body, &["error_description", "message"]) })
        }
        // Google's and Facebook's APIs wrap it.
        Value::Object(error) => {
            let code = first_text(error, &["code", "type", "status"]).unwrap_or("provider-error");
            Some(NamedError { code, description: first_text(error, &["message"]) })
        }
        _ => None,
    }
}

fn first_text<'a>(object: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| object.get(*name)?.as_str())
}

/// A refusal without a code: the status is all that there is.
fn nameless(answer: &HttpResponse) -> Failure {
    let status = answer.status();
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => "provider-throttled",
        StatusCode::UNAUTHORIZED => "invalid_client",
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED | StatusCode::GONE => "wrong-endpoint",
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => "provider-unavailable",
        status if status.is_server_error() => "provider-unavailable",
        _ => "provider-refused",
    };
    let with = if is_page(answer.headers()) { " with a web page" } else { "" };
    Failure::new(code, format!("The provider answered {status}{with} and gave no reason."))
}

fn redirected(answer: &HttpResponse) -> Failure {
    let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    // The host is enough to recognise what was meant; a path or query may carry anything.
    let host = location.and_then(|location| Url::parse(location).ok()?.host_str().map(str::to_owned));
    let to = host.map_or_else(|| "elsewhere on the same host".to_owned(), |host| format!("to {host}"));
    Failure::new(
        "unexpected-redirect",
        format!("The provider answered {} and pointed {to}.", answer.status().as_u16()),
    )
}

/// The body as an object. Form encoding is what GitHub, and others of its age, answer by default.
fn object(answer: &HttpResponse) -> Option<Map<String, Value>> {
    if content_type(answer.headers()).starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(answer.body());
        return Some(
            pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect(),
        );
    }
    // JSON is often called something else, so what it is called is not asked.
    serde_json::from_slice(answer.body()).ok()
}

fn is_page(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("text/html")
}

fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().trim().to_ascii_lowercase()
}

/// RFC 9110 10.2.3: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match value.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = OffsetDateTime::parse(value, &Rfc2822).ok()?;
            Timestamp::from_unix_seconds(date.unix_timestamp()).since(now)
        }
    };
    Some(wait.min(LONGEST_WAIT))
}
