//! Requests that no client library sends: bytes on a socket. Whatever arrives, the answer is never a failure of ours.

use bifrost_tests::TestApp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The status of the answer to these very bytes.
async fn status(app: &TestApp, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(app.url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status =
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer to {}", request.escape_ascii()));
    status.parse().unwrap()
}

/// A request by the platform's administrator, in parts that need not be text.
fn request(app: &TestApp, line: &[u8], header: &[u8], body: &[u8]) -> Vec<u8> {
    let host = b"host: localhost\r\n".as_slice();
    let host = if header.to_ascii_lowercase().starts_with(b"host:") { b"".as_slice() } else { host };
    let key = format!("authorization: Bearer {}\r\nconnection: close\r\n", app.root().key());
    let key = if header.to_ascii_lowercase().starts_with(b"authorization:") {
        "connection: close\r\n"
    } else {
        &key
    };
    let length = format!("\r\ncontent-length: {}\r\n\r\n", body.len());
    [line, b" HTTP/1.1\r\n", host, key.as_bytes(), header, length.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_header_of_any_bytes_is_no_failure() {
    let app = TestApp::shared().await;
    let values: &[&[u8]] = &[
        b"",
        b" ",
        b"a b",
        b"[",
        b"[::",
        b"x:99999999",
        b"::",
        b"%",
        b"\xff\xfe",
        "é".as_bytes(),
        b"<x>",
        b"/",
        b"a@b",
        b"\"",
        b"*, \"1\"",
    ];
    let names: &[&[u8]] = &[
        b"host",
        b"x-forwarded-proto",
        b"x-forwarded-for",
        b"x-forwarded-port",
        b"if-match",
        b"cookie",
        b"origin",
        b"content-type",
        b"authorization",
        b"x-amzn-trace-id",
        b"user-agent",
        b"accept",
        b"x",
    ];
    for (name, value) in names.iter().flat_map(|name| values.iter().map(move |value| (name, value))) {
        let header = [*name, b": ", *value].concat();
        for line in [b"GET /integrations/none".as_slice(), b"PATCH /integrations/none", b"GET /connect/none"]
        {
            let status = status(&app, &request(&app, line, &header, b"")).await;
            assert!(status < 500, "{status} for {} with {}", line.escape_ascii(), header.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_path_and_a_query_of_any_characters_are_no_failure() {
    let app = TestApp::shared().await;
    let texts: &[&[u8]] = &[
        b"%00",
        b"%ff",
        b"%fe%ff",
        b"%2f",
        b"%2e%2e",
        b"%3Fa",
        b"%23",
        b"%0a%0d",
        b"%",
        b"%zz",
        b"%25",
        b"..",
        b".",
        b"@",
        b":",
        b"%22",
        b"%c3%a9",
        b"a+b",
        b";a=b",
        b"\"",
        b"{a}",
        b"[a]",
        b"a|b",
        b"^",
        b"`",
        b"<a>",
        "é".as_bytes(),
        b"%F0%9F%92%A9",
        b"//",
    ];
    for text in texts {
        for line in [
            [b"GET /integrations/".as_slice(), text].concat(),
            [b"GET /integrations/x".as_slice(), text, b"x/resolve"].concat(),
            [b"GET /integrations/x/mappings/".as_slice(), text].concat(),
            [b"GET /connect/".as_slice(), text].concat(),
            [b"GET /oauth/callback/".as_slice(), text].concat(),
            [b"GET /oauth/callback/x?code=".as_slice(), text, b"&state=", text].concat(),
            [b"GET /connections?cursor=".as_slice(), text, b"&limit=", text].concat(),
            [b"GET /connections?scope=".as_slice(), text].concat(),
            [b"GET /connections/x/token?min_ttl=".as_slice(), text, b"&integration=", text].concat(),
            [b"GET /connections?".as_slice(), text].concat(),
            [b"DELETE /keys/".as_slice(), text].concat(),
        ] {
            let status = status(&app, &request(&app, &line, b"x: y", b"")).await;
            assert!(status < 500, "{status} for {}", line.escape_ascii());
        }
    }
}

#[tokio::test]
async fn a_body_of_any_bytes_is_no_failure() {
    let app = TestApp::shared().await;
    let deep = "[".repeat(100_000);
    let bodies: &[&[u8]] = &[
        b"\xff\xfe{}",
        b"\0",
        b"{",
        b"null",
        b"[]",
        b"0",
        b"\"a\"",
        b"{\"name\":1e999}",
        b"{\"a\":\"\\ud800\"}",
        deep.as_bytes(),
        b"\xef\xbb\xbf{}",
        b"a=b&c=%ff",
    ];
    for (body, kind) in bodies.iter().flat_map(|body| {
        [
            "application/json",
            "text/plain",
            "application/octet-stream",
            "application/x-www-form-urlencoded",
            "x",
        ]
        .map(|kind| (body, kind))
    }) {
        let header = format!("content-type: {kind}");
        for line in [b"POST /integrations".as_slice(), b"POST /keys", b"POST /connect/none"] {
            let status = status(&app, &request(&app, line, header.as_bytes(), body)).await;
            let body = &body[..body.len().min(40)];
            assert!((400..500).contains(&status), "{status} for {kind} {}", body.escape_ascii());
        }
    }
}
