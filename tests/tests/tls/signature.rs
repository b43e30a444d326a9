//! AWS's signature, version 4, as the other side checks it: from the request alone and the secret that both know
//! (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>).
//!
//! Written from that page, and with nothing of the SDK that signed.

use std::fmt::Write as _;

use ring::{digest, hmac};

use crate::server::Request;

/// What a signature says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) key_id: String,
    pub(crate) region: String,
    pub(crate) service: String,
    /// Names of the headers that it covers.
    pub(crate) headers: Vec<String>,
}

/// Who signed the request, or why it is not to be believed.
pub(crate) fn verify(request: &Request, secret: &str) -> Result<Signed, &'static str> {
    let authorization = request.header("authorization").ok_or("no signature")?;
    let parts = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("another algorithm")?;
    let part = |name: &str| {
        let mut parts = parts.split(',').map(str::trim);
        parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('=')).ok_or("a part is missing")
    };
    let [key_id, date, region, service, "aws4_request"] =
        part("Credential")?.split('/').collect::<Vec<_>>()[..]
    else {
        return Err("malformed credential");
    };
    let time = request.header("x-amz-date").ok_or("no date")?;
    if !time.starts_with(date) {
        return Err("two dates");
    }
    let signed_headers = part("SignedHeaders")?;
    let headers: Vec<&str> = signed_headers.split(';').collect();
    // What was not signed could be another's.
    let covered = |name: &str| headers.contains(&name) || request.header(name).is_none();
    if !["host", "x-amz-date", "x-amz-security-token", "x-amz-target"].into_iter().all(covered) {
        return Err("a header that is not signed");
    }

    let canonical = canonical_request(request, &headers, signed_headers)?;
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let mut key = format!("AWS4{secret}").into_bytes();
    for text in [date, region, service, "aws4_request"] {
        key = hmac(&key, text);
    }
    if hex(&hmac(&key, &to_sign)) != part("Signature")? {
        return Err("the signature does not match");
    }
    Ok(Signed {
        key_id: key_id.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        headers: headers.into_iter().map(str::to_owned).collect(),
    })
}

/// Of a request without a query, as all of ours are.
fn canonical_request(request: &Request, headers: &[&str], names: &str) -> Result<String, &'static str> {
    let [method, path, _] = request.line.split(' ').collect::<Vec<_>>()[..] else {
        return Err("malformed request");
    };
    if path.contains('?') {
        return Err("a query");
    }
    let mut canonical = format!("{method}\n{path}\n\n");
    for name in headers {
        let value = request.header(name).ok_or("a signed header is missing")?;
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(canonical, "{name}:{value}");
    }
    Ok(format!("{canonical}\n{names}\n{}", sha256(&request.body)))
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `get-vanilla` of AWS's own test suite for signatures.
fn vanilla() -> Request {
    let headers = [
        ("host", "example.amazonaws.com"),
        ("x-amz-date", "20150830T123600Z"),
        (
            "authorization",
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Request { line: "GET / HTTP/1.1".to_owned(), headers, body: Vec::new() }
}

#[test]
fn the_signature_of_the_documentation_is_believed_and_no_other() {
    let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    let signed = verify(&vanilla(), secret).unwrap();
    assert_eq!((signed.region.as_str(), signed.service.as_str()), ("us-east-1", "service"));

    assert!(verify(&vanilla(), "another secret").is_err());
    let other_body = Request { body: b"{}".to_vec(), ..vanilla() };
    assert!(verify(&other_body, secret).is_err());
    let other_path = Request { line: "GET /x HTTP/1.1".to_owned(), ..vanilla() };
    assert!(verify(&other_path, secret).is_err());
    let mut other_host = vanilla();
    other_host.headers[0].1 = "evil.example".to_owned();
    assert!(verify(&other_host, secret).is_err());
    let mut unsigned_token = vanilla();
    unsigned_token.headers.push(("x-amz-security-token".to_owned(), "t".to_owned()));
    assert_eq!(verify(&unsigned_token, secret).unwrap_err(), "a header that is not signed");
}
