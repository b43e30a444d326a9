//! Answers: JSON, and problems as RFC 9457 has them. The one place where codes meet HTTP statuses.

use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::Value;

use super::Request;
use crate::{
    app::Bifrost,
    model::{Code, FieldError, Problem, secret::sha256_hex},
    store::{Page, page::Row},
};

/// The largest page, in bytes.
const MAX_PAGE: usize = 4 * 1024 * 1024;

/// Every body is text.
pub type Response = http::Response<String>;

/// 200 with a JSON body.
pub fn ok(body: &impl Serialize) -> Result<Response, Problem> {
    json_response(StatusCode::OK, body)
}

/// 201 with a JSON body.
pub fn created(body: &impl Serialize) -> Result<Response, Problem> {
    json_response(StatusCode::CREATED, body)
}

/// 204.
pub fn no_content() -> Response {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// A list, a page at a time.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "{T}List"))]
pub struct List<T> {
    pub items: Vec<T>,
    /// For `?cursor=`, to get the next page; null on the last one.
    pub next_cursor: Option<String>,
}

/// A problem as RFC 9457 has them.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(rename = "Problem"))]
pub struct ProblemBody<'a> {
    /// `urn:bifrost:problem:` and the code.
    pub r#type: String,
    pub title: &'static str,
    pub status: u16,
    /// What happened, in this very case.
    pub detail: &'a str,
    pub code: Code,
    /// What the reader can do about it.
    pub fix: &'a str,
    pub request_id: &'a str,
    /// The fields that are wrong.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: &'a [FieldError],
}

/// 200 with `{"items": [...], "next_cursor": ...}`. A page that would grow too large ends early, but not before its
/// first item.
pub async fn page<T: Serialize>(bifrost: &Bifrost, page: Page<T>) -> Result<Response, Problem> {
    let mut items = String::new();
    let mut size = 0;
    let (mut last, mut next) = (None, page.next);
    for Row { item, position } in page.rows {
        let item = serde_json::to_string(&item).map_err(Problem::internal)?;
        size += escaped_len(&item) + 1;
        if size > MAX_PAGE && last.is_some() {
            next = last;
            break;
        }
        if last.is_some() {
            items.push(',');
        }
        items.push_str(&item);
        last = Some(position);
    }
    let next_cursor = match next {
        Some(position) => Value::String(bifrost.cursor(&page.listing, &position).await?),
        None => Value::Null,
    };
    let body = format!(r#"{{"items":[{items}],"next_cursor":{next_cursor}}}"#);
    Ok(text_response(StatusCode::OK, "application/json", body))
}

/// How long a text is as a JSON string, which is how Lambda hands a body to the gateway: 6 MB are all that it takes.
fn escaped_len(json: &str) -> usize {
    json.len() + json.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count()
}

/// 200 with a public JSON text, or 304 to someone who has it (RFC 9110 section 13.1.2).
pub fn document(request: &Request, text: &str) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", &sha256_hex(&[text])[..32]);
    let known = request.header("if-none-match").is_some_and(|known| known == "*" || known.contains(&etag));
    let mut response = text_response(StatusCode::OK, "application/json", text.to_owned());
    if known {
        response = Response::new(String::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    headers.insert(header::ETAG, HeaderValue::from_str(&etag).map_err(Problem::internal)?);
    Ok(response)
}

/// The same answer with the revision as its ETag (RFC 9110 section 8.8.3).
pub fn with_etag(answer: Result<Response, Problem>, revision: u64) -> Result<Response, Problem> {
    let mut response = answer?;
    let etag = HeaderValue::from_str(&format!("\"{revision}\"")).map_err(Problem::internal)?;
    response.headers_mut().insert(header::ETAG, etag);
    Ok(response)
}

/// A problem with everything that its reader can use, and nothing of its cause.
pub(super) fn problem(problem: &Problem, request_id: &str) -> Response {
    let (code, status) = (problem.code, status(problem.code));
    let body = ProblemBody {
        r#type: format!("urn:bifrost:problem:{code}"),
        title: code.title(),
        status: status.as_u16(),
        detail: &problem.detail,
        code,
        fix: &problem.fix,
        request_id,
        errors: &problem.errors,
    };
    // Texts and a number always have a JSON form.
    let body = serde_json::to_string(&body).unwrap_or_default();
    let mut response = text_response(status, "application/problem+json", body);
    if let Some(pause) = problem.retry_after {
        // Whole seconds (RFC 9110 section 10.2.3), and never 0: that would invite to come back at once.
        let seconds = pause.as_millis().div_ceil(1000).max(1);
        if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
    }
    response
}

fn json_response(status: StatusCode, body: &impl Serialize) -> Result<Response, Problem> {
    let body = serde_json::to_string(body).map_err(Problem::internal)?;
    Ok(text_response(status, "application/json", body))
}

fn text_response(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Answers carry tokens; no cache on the way may keep one (RFC 6749 section 5.1).
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The status that a code is answered with.
pub fn status(code: Code) -> StatusCode {
    match code {
        Code::MalformedBody => StatusCode::BAD_REQUEST,
        Code::Forbidden | Code::ScopeForbidden | Code::KeyExpired | Code::NetworkForbidden => {
            StatusCode::FORBIDDEN
        }
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::NameTaken
        | Code::EntityTaken
        | Code::InUse
        | Code::ValuesStranded
        | Code::AlreadyConnected
        | Code::Conflict => StatusCode::CONFLICT,
        // No usable token: the connection's state is in the way, not the request.
        Code::NotConnected
        | Code::Reauthorize
        | Code::ClientRejected
        | Code::ProviderUnavailable
        | Code::ProviderRefused
        | Code::SecretUnavailable => StatusCode::CONFLICT,
        Code::LinkInvalid => StatusCode::GONE,
        Code::StaleRevision => StatusCode::PRECONDITION_FAILED,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::InvalidInput | Code::WrongFlow | Code::IntegrationRequired | Code::PlaceholderUnresolved => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Code::RefreshInProgress | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_code_fix_and_request_and_never_its_cause() {
        let problem_ = Problem::internal("password=hunter2");
        let response = problem(&problem_, "req-1");
        let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(body["type"], "urn:bifrost:problem:internal");
        assert_eq!(body["request_id"], "req-1");
        assert!(body["fix"].as_str().is_some_and(|fix| !fix.is_empty()));
        assert!(!body.to_string().contains("hunter2"));
    }

    #[test]
    fn retry_after_is_never_zero() {
        let soon = Problem::unavailable("x").retry_after(std::time::Duration::from_millis(1));
        assert_eq!(problem(&soon, "r").headers()["retry-after"], "1");
    }
}
