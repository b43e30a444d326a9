//! What a provider's answer means: yes, or which failure.
//!
//! The status says how bad it is, the body what it is called, and neither is to be trusted to be there. Only what
//! [`Failure`] sanitises is kept of an answer that says no.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};
use oauth2::HttpResponse;
use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc2822};
use url::{Url, form_urlencoded};

use super::dialect::token_object;
use crate::model::{
    Timestamp,
    dialect::Dialect,
    failure::{Failure, FailureClass},
    provider_errors::NamedError,
};

/// The longest that a provider is obeyed. A person who mended something should not find it waiting for next month.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// The body of an answer that says yes, if it is an object; otherwise what went wrong. `host` is whose answer it is; `sent`
/// are the secrets of the request, so that they can be removed from what the provider says about it.
pub(super) fn accepted(
    answer: &HttpResponse,
    host: &str,
    sent: &[&str],
    now: Timestamp,
    dialect: &Dialect,
) -> Result<Option<Map<String, Value>>, Failure> {
    let status = answer.status();
    if status.is_redirection() {
        return Err(redirected(answer));
    }
    let body = object(answer);
    let named = body.as_ref().and_then(|body| named_error(body, host));
    let named = named.map(|named| Failure::named_by_provider(&named, sent));
    if status.is_success() {
        // GitHub and Slack report errors with status 200. Where there is a token too, the token counts: to drop one
        // that may have replaced the last would lose the grant.
        let has_token =
            body.as_ref().is_some_and(|body| token_object(body, dialect).contains_key("access_token"));
        return named.filter(|_| !has_token).map_or(Ok(body), Err);
    }

    let unusual = || Failure::known_to_provider(&unusual_error(body.as_ref()?, host)?, sent);
    let failure = named.or_else(unusual).unwrap_or_else(|| nameless(answer));
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
        _ if is_encoded(answer.headers()) => "a compressed body, which was not asked for",
        _ if is_page(answer.headers()) => "a web page",
        _ => "something that is no JSON object",
    };
    Failure::new(
        "malformed-answer",
        format!("The provider answered {} with {what}.", answer.status().as_u16()),
    )
}

/// RFC 6749 5.2's error, or what some providers send in its stead.
pub(super) fn named_error<'a>(body: &'a Map<String, Value>, host: &'a str) -> Option<NamedError<'a>> {
    match body.get("error")? {
        Value::String(code) if !code.is_empty() => {
            // Zoom gives its reason so.
            let description = first_text(body, &["error_description", "message", "reason"]);
            let subcode = first_text(body, &["suberror", "error_subtype"]);
            Some(NamedError { host, code, description, subcode })
        }
        // Google's and Facebook's APIs wrap it.
        Value::Object(error) => {
            let code = first_text(error, &["code", "type", "status"]).unwrap_or("provider-error");
            Some(NamedError { host, code, description: first_text(error, &["message"]), subcode: None })
        }
        _ => None,
    }
}

/// An error under names that mean something else elsewhere, as HubSpot has it. It counts only if the provider is known
/// for it.
fn unusual_error<'a>(body: &'a Map<String, Value>, host: &'a str) -> Option<NamedError<'a>> {
    let code = first_text(body, &["status", "category"])?;
    Some(NamedError { host, code, description: first_text(body, &["message"]), subcode: None })
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
pub(super) fn object(answer: &HttpResponse) -> Option<Map<String, Value>> {
    if content_type(answer.headers()).starts_with("application/x-www-form-urlencoded") {
        let pairs = form_urlencoded::parse(answer.body());
        return Some(
            pairs.map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect(),
        );
    }
    // JSON is often called something else, so what it is called is not asked.
    serde_json::from_slice(answer.body()).ok()
}

pub(super) fn is_page(headers: &HeaderMap) -> bool {
    content_type(headers).starts_with("text/html")
}

/// Whether the body is in a coding, by what its sender says. Requests ask for none, and none is undone.
fn is_encoded(headers: &HeaderMap) -> bool {
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    coding.is_some_and(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(host: &str, status: u16, body: &str) -> Failure {
        let answer = http::Response::builder().status(status).body(body.as_bytes().to_vec()).unwrap();
        accepted(&answer, host, &[], Timestamp::now(), &Dialect::default()).unwrap_err()
    }

    /// As the providers' own pages and their users' reports have them.
    #[test]
    fn each_provider_is_understood_in_its_own_words() {
        use FailureClass::{Client, Setup, Terminal, Throttled};
        const PACED: FailureClass = Throttled { retry_after: None };
        for (host, status, body, class, code) in [
            (
                "login.microsoftonline.com",
                401,
                r#"{"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided.", "error_codes": [7000215]}"#,
                Client,
                "AADSTS7000215",
            ),
            (
                "login.microsoftonline.com",
                400,
                r#"{"error": "invalid_grant", "error_description": "AADSTS700082: The refresh token has expired due to inactivity.", "suberror": "bad_token"}"#,
                Terminal,
                "AADSTS700082",
            ),
            (
                "login.microsoftonline.com",
                400,
                r#"{"error": "invalid_grant", "suberror": "bad_token"}"#,
                Terminal,
                "bad_token",
            ),
            (
                "oauth2.googleapis.com",
                400,
                r#"{"error": "invalid_grant", "error_description": "reauth related error (invalid_rapt)", "error_subtype": "invalid_rapt"}"#,
                Terminal,
                "invalid_rapt",
            ),
            ("oauth2.googleapis.com", 401, r#"{"error": "deleted_client"}"#, Client, "deleted_client"),
            (
                "api.hubapi.com",
                400,
                r#"{"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token", "correlationId": "x"}"#,
                Terminal,
                "BAD_REFRESH_TOKEN",
            ),
            ("identity.xero.com", 400, r#"{"error": "invalid_grant"}"#, Terminal, "invalid_grant"),
            (
                "oauth.platform.intuit.com",
                400,
                r#"{"error": "invalid_grant", "error_description": "Incorrect or invalid refresh token"}"#,
                Terminal,
                "invalid_grant",
            ),
            (
                "login.salesforce.com",
                400,
                r#"{"error": "invalid_client", "error_description": "app must be installed into org"}"#,
                Terminal,
                "invalid_client",
            ),
            (
                "acme.my.salesforce.com",
                400,
                r#"{"error": "invalid_grant", "error_description": "ip restricted"}"#,
                Setup,
                "invalid_grant",
            ),
            (
                "acme.myshopify.com",
                401,
                r#"{"error": "invalid_request", "error_description": "This request requires an active refresh_token"}"#,
                Terminal,
                "invalid_request",
            ),
            (
                "auth.atlassian.com",
                403,
                r#"{"error": "unauthorized_client", "error_description": "refresh_token is invalid"}"#,
                Terminal,
                "unauthorized_client",
            ),
            (
                "zoom.us",
                400,
                r#"{"reason": "Invalid Token!", "error": "invalid_grant"}"#,
                Terminal,
                "invalid_grant",
            ),
            (
                "zoom.us",
                401,
                r#"{"reason": "The token has been revoked", "error": "invalid_request"}"#,
                Terminal,
                "4741",
            ),
            ("accounts.zoho.com", 200, r#"{"error": "invalid_code"}"#, Terminal, "invalid_code"),
            (
                "accounts.zoho.eu",
                400,
                r#"{"error": "Access Denied", "status": "failure"}"#,
                PACED,
                "Access Denied",
            ),
            ("github.com", 200, r#"{"error": "application_suspended"}"#, Client, "application_suspended"),
        ] {
            let failure = failure(host, status, body);
            assert_eq!((failure.class, failure.code.as_str()), (class, code), "{host} {body}");
        }
    }

    #[test]
    fn a_status_in_the_body_is_an_error_only_where_the_provider_is_known_for_it() {
        let body = r#"{"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}"#;
        assert_eq!(failure("idp.example", 400, body).code, "provider-refused");
        assert_eq!(failure("idp.example", 401, r#"{"status": "error"}"#).class, FailureClass::Client);
        assert_eq!(
            failure("api.hubapi.com", 404, r#"{"status": "error", "message": "resource not found"}"#).code,
            "wrong-endpoint"
        );
    }
}
