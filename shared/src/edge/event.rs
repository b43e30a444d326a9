//! API Gateway's events and answers, payload format 2.0
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>).
//!
//! Read as plain text and nothing more: no URL and no header is built from what a stranger sent, for what can't be
//! built must not end the function.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Response;

/// One request through the gateway: the parts of the event that are read here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Event {
    /// Undecoded.
    pub(super) raw_query_string: String,
    /// Names in lower case; the values of a repeated header are joined by commas.
    pub(super) headers: HashMap<String, String>,
    pub(super) cookies: Option<Vec<String>>,
    /// Decoded.
    pub(super) path_parameters: Option<HashMap<String, String>>,
    pub(super) request_context: Context,
    pub(super) body: Option<String>,
    pub(super) is_base64_encoded: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Context {
    pub(super) authorizer: Option<Authorizer>,
    pub(super) domain_name: String,
    pub(super) http: Http,
    pub(super) request_id: String,
    pub(super) route_key: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Http {
    pub(super) method: String,
    pub(super) source_ip: String,
}

/// What the Lambda authorizer said of the caller.
#[derive(Deserialize)]
pub(super) struct Authorizer {
    #[serde(default)]
    pub(super) lambda: Option<HashMap<String, Value>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    status_code: u16,
    headers: HashMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cookies: Vec<String>,
    body: String,
    is_base64_encoded: bool,
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let (mut headers, mut cookies) = (HashMap::new(), Vec::new());
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            // Cookies alone are ever repeated.
            if name == http::header::SET_COOKIE {
                cookies.push(value);
            } else {
                headers.insert(name.as_str().to_owned(), value);
            }
        }
        Self { status_code: parts.status.as_u16(), headers, cookies, body, is_base64_encoded: false }
    }
}
