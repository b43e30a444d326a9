//! From a function's answer in payload format 2.0 to HTTP, and the gateway's own few words.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    status_code: u16,
    #[serde(default)]
    headers: BTreeMap<String, Value>,
    #[serde(default)]
    cookies: Vec<String>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// A word of the gateway itself, in AWS's shape.
pub(crate) fn plain(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(json!({"message": message}).to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The HTTP answer that a function's JSON stands for. The error says what makes it none.
pub(crate) fn translate(answer: &[u8]) -> Result<Response<Body>, String> {
    let answer: Value = serde_json::from_slice(answer).map_err(|error| error.to_string())?;
    if answer.get("statusCode").is_none() {
        return Ok(inferred(&answer));
    }
    let answer: Answer = serde_json::from_value(answer).map_err(|error| error.to_string())?;
    let body = match (answer.body, answer.is_base64_encoded) {
        (None, _) => Vec::new(),
        (Some(text), false) => text.into_bytes(),
        (Some(text), true) => {
            STANDARD.decode(text).map_err(|error| format!("its body is not base64: {error}"))?
        }
    };
    let status = StatusCode::from_u16(answer.status_code).map_err(|error| error.to_string())?;
    let has_body = !body.is_empty();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in answer.headers {
        let name = HeaderName::try_from(name).map_err(|error| error.to_string())?;
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        if !is_of_the_connection(&name) {
            headers.append(name, HeaderValue::try_from(value).map_err(|error| error.to_string())?);
        }
    }
    for cookie in answer.cookies {
        headers.append(header::SET_COOKIE, HeaderValue::try_from(cookie).map_err(|error| error.to_string())?);
    }
    if has_body && !headers.contains_key(header::CONTENT_TYPE) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain;charset=UTF-8"));
    }
    Ok(response)
}

/// JSON without a status code is taken for the body of a success.
fn inferred(answer: &Value) -> Response<Body> {
    let text = answer.as_str().map_or_else(|| answer.to_string(), str::to_owned);
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn is_of_the_connection(name: &HeaderName) -> bool {
    [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::UPGRADE].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn body(response: Response<Body>) -> Vec<u8> {
        axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()
    }

    #[tokio::test]
    async fn an_answer_in_format_2_becomes_http() {
        let answer = json!({
            "statusCode": 303, "headers": {"location": "/there"}, "multiValueHeaders": {},
            "cookies": ["a=1; HttpOnly", "b=2"], "body": "see there", "isBase64Encoded": false,
        });
        let response = translate(answer.to_string().as_bytes()).unwrap();
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        assert_eq!(response.headers()["location"], "/there");
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1; HttpOnly", "b=2"]);
        assert_eq!(response.headers()["content-type"], "text/plain;charset=UTF-8");
        assert_eq!(body(response).await, b"see there");
    }

    #[tokio::test]
    async fn bytes_are_decoded() {
        let response = translate(br#"{"statusCode":200,"body":"/wD+","isBase64Encoded":true}"#).unwrap();
        assert_eq!(body(response).await, [0xff, 0x00, 0xfe]);
    }

    #[tokio::test]
    async fn json_without_a_status_is_the_body_of_a_success() {
        let response = translate(br#"{"a":1}"#).unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(body(response).await, br#"{"a":1}"#);
    }

    #[test]
    fn what_is_not_an_answer_is_an_error() {
        for answer in
            ["", r#"{"statusCode":"ok"}"#, r#"{"statusCode":42}"#, r#"{"statusCode":200,"headers":[]}"#]
        {
            assert!(translate(answer.as_bytes()).is_err(), "{answer}");
        }
    }
}
