//! Events in payload format 2.0, as an HTTP API makes them.
//! See <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use super::route::{Match, decoded};
use crate::template::{ACCOUNT, REGION};

/// A request on its way to a function.
pub(crate) struct Incoming<'a> {
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a [u8],
    pub(crate) peer: SocketAddr,
    pub(crate) id: &'a str,
    pub(crate) api_id: &'a str,
    pub(crate) found: &'a Match<'a>,
}

/// The event for the function of the route. `caller` is what the authorizer said.
pub(crate) fn request(incoming: &Incoming<'_>, caller: Option<&Value>) -> Value {
    let mut event = common(incoming);
    if let Some(caller) = caller {
        event["requestContext"]["authorizer"] = json!({"lambda": caller});
    }
    let (body, encoded) = body(incoming);
    if !incoming.body.is_empty() {
        event["body"] = body.into();
    }
    event["isBase64Encoded"] = encoded.into();
    event
}

/// The event for the authorizer of the route. It never sees the body.
pub(crate) fn authorization(incoming: &Incoming<'_>, identity: &[String]) -> Value {
    let mut event = common(incoming);
    let (method, path) = (&incoming.parts.method, decoded(incoming.parts.uri.path()));
    event["type"] = "REQUEST".into();
    event["routeArn"] =
        format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{}/$default/{method}{path}", incoming.api_id).into();
    event["identitySource"] = identity.into();
    event
}

/// An id in the shape of API Gateway's own.
pub(crate) fn request_id() -> String {
    let id = Uuid::new_v4();
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&id.as_bytes()[..11]) + "="
}

fn common(incoming: &Incoming<'_>) -> Value {
    let Incoming { parts, found, peer, .. } = incoming;
    // An HTTP API decodes the path that it calls raw; captures of live ones show it.
    let path = decoded(parts.uri.path());
    let query = parts.uri.query().unwrap_or_default();
    let host =
        parts.headers.get(header::HOST).map(|host| String::from_utf8_lossy(host.as_bytes()).into_owned());
    let host = host.unwrap_or_else(|| "localhost".to_owned());
    let agent = parts.headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let now = OffsetDateTime::now_utc();
    let mut event = json!({
        "version": "2.0",
        "routeKey": found.key(),
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers(&parts.headers, *peer),
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": incoming.api_id,
            "domainName": host,
            "domainPrefix": host.split(['.', ':']).next(),
            "http": {
                "method": parts.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", parts.version),
                "sourceIp": peer.ip().to_string(),
                "userAgent": agent.unwrap_or_default(),
            },
            "requestId": incoming.id,
            "routeKey": found.key(),
            "stage": "$default",
            "time": common_log_time(now),
            "timeEpoch": u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
        },
    });
    let cookies = cookies(&parts.headers);
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query_parameters(query));
    }
    if !found.parameters.is_empty() {
        event["pathParameters"] = json!(found.parameters);
    }
    event
}

/// Names in lower case, the values of a repeated one joined by commas; cookies have a place of their own.
fn headers(given: &HeaderMap, peer: SocketAddr) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for name in given.keys().filter(|name| !is_left_out(name)) {
        headers.insert(name.to_string(), joined(given, name));
    }
    let before = headers.get("x-forwarded-for").map(|before| format!("{before}, ")).unwrap_or_default();
    headers.insert("x-forwarded-for".to_owned(), format!("{before}{}", peer.ip()));
    headers.insert("x-forwarded-proto".to_owned(), "http".to_owned());
    if let Some((_, port)) = headers.get("host").and_then(|host| host.rsplit_once(':')) {
        headers.insert("x-forwarded-port".to_owned(), port.to_owned());
    }
    headers.entry("x-amzn-trace-id".to_owned()).or_insert_with(crate::trace_id);
    headers
}

/// What belongs to the connection and not to the request.
fn is_left_out(name: &HeaderName) -> bool {
    [header::CONNECTION, header::COOKIE, header::TRANSFER_ENCODING, header::UPGRADE, header::EXPECT]
        .contains(name)
        || name == "keep-alive"
}

fn joined(headers: &HeaderMap, name: &HeaderName) -> String {
    let values =
        headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    values.collect::<Vec<_>>().join(",")
}

fn cookies(headers: &HeaderMap) -> Vec<String> {
    let all = headers
        .get_all(header::COOKIE)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    all.collect::<Vec<_>>()
        .join(";")
        .split(';')
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Decoded; the values of a repeated one joined by commas.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match parameters.get_mut(name.as_ref()) {
            Some(earlier) => *earlier = format!("{earlier},{value}"),
            None => {
                parameters.insert(name.into_owned(), value.into_owned());
            }
        }
    }
    parameters
}

/// The body, and whether it had to be encoded: whatever API Gateway does not take for text travels as base64, a
/// form's fields included.
fn body(incoming: &Incoming<'_>) -> (String, bool) {
    let kind = incoming.parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    match std::str::from_utf8(incoming.body) {
        Ok(text) if kind.is_none_or(is_text) => (text.to_owned(), false),
        _ => (STANDARD.encode(incoming.body), true),
    }
}

fn is_text(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/xml", "application/javascript"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// `12/Mar/2020:19:03:58 +0000`.
fn common_log_time(time: OffsetDateTime) -> String {
    let month = &time.month().to_string()[..3];
    let (day, year) = (time.day(), time.year());
    format!("{day:02}/{month}/{year}:{:02}:{:02}:{:02} +0000", time.hour(), time.minute(), time.second())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::Request;

    use super::*;
    use crate::template::{Method, Route};

    fn event(request: axum::http::request::Builder, body: &[u8]) -> Value {
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let route = Route {
            method: Method::Only("GET".to_owned()),
            path: "/things/{name}".to_owned(),
            function: "Things".to_owned(),
            authorizer: None,
            patience: Duration::ZERO,
        };
        let parameters = BTreeMap::from([("name".to_owned(), "a b".to_owned())]);
        let found = Match { route: &route, parameters };
        let peer = "127.0.0.1:50000".parse().unwrap();
        let incoming = Incoming { parts: &parts, body, peer, id: "id=", api_id: "api", found: &found };
        super::request(&incoming, Some(&json!({"role": "admin"})))
    }

    fn get() -> axum::http::request::Builder {
        Request::builder().uri("/things/a%20b?x=1&y=a%2Cb&x=2").header("Host", "localhost:7071")
    }

    #[test]
    fn parameters_cookies_and_repeated_headers_have_their_places() {
        let event =
            event(get().header("Cookie", "a=1; b=2").header("X-Thing", "1").header("X-Thing", "2"), b"");
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["pathParameters"], json!({"name": "a b"}));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"]["cookie"], Value::Null);
        assert_eq!(event["headers"]["x-thing"], "1,2");
        assert_eq!(event["requestContext"]["requestId"], "id=");
    }

    #[test]
    fn the_path_is_decoded_and_the_query_is_not() {
        let event = event(get(), b"");
        assert_eq!(event["rawPath"], "/things/a b");
        assert_eq!(event["rawQueryString"], "x=1&y=a%2Cb&x=2");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "a,b"}));
    }

    #[test]
    fn the_caller_is_where_functions_look_for_it() {
        let event = event(get(), b"");
        assert_eq!(event["requestContext"]["authorizer"]["lambda"]["role"], "admin");
        assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
        assert_eq!(event["requestContext"]["http"]["protocol"], "HTTP/1.1");
    }

    #[test]
    fn json_travels_as_text_and_a_form_as_base64() {
        let json = event(get().header("Content-Type", "application/problem+json; charset=utf-8"), b"{}");
        assert_eq!((&json["body"], &json["isBase64Encoded"]), (&"{}".into(), &false.into()));
        let form = event(get().header("Content-Type", "application/x-www-form-urlencoded"), b"a=b");
        assert_eq!((&form["body"], &form["isBase64Encoded"]), (&"YT1i".into(), &true.into()));
    }

    #[test]
    fn a_request_without_body_cookies_or_query_has_no_such_fields() {
        let event = event(Request::builder().uri("/things/a"), b"");
        for field in ["body", "cookies", "queryStringParameters"] {
            assert!(event.get(field).is_none(), "{field}");
        }
    }

    #[test]
    fn time_is_written_as_in_access_logs() {
        let time = OffsetDateTime::from_unix_timestamp(1_583_348_638).unwrap();
        assert_eq!(common_log_time(time), "04/Mar/2020:19:03:58 +0000");
    }
}
