//! The API as a caller with one key sees it, and answers that can be asserted on in one line.

use std::sync::OnceLock;

use reqwest::header::{AUTHORIZATION, ETAG, HeaderMap, IF_MATCH};
use reqwest::{Client, Method, redirect};
use serde_json::Value;

use crate::outcomes;

/// A caller: an address and a key. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    url: String,
    key: Option<String>,
    headers: Vec<(String, String)>,
}

impl Api {
    pub fn new(url: &str, key: Option<&str>) -> Self {
        Self { url: url.to_owned(), key: key.map(str::to_owned), headers: Vec::new() }
    }

    /// The same caller, who from now on changes only what still is as this answer showed it.
    ///
    /// # Panics
    /// When the answer has no `ETag`.
    #[must_use]
    pub fn if_as_in(&self, answer: &Answer) -> Self {
        self.with_header(IF_MATCH.as_str(), answer.headers[ETAG].to_str().unwrap())
    }

    /// The same caller, who from now on also sends this header.
    #[must_use]
    pub fn with_header(&self, name: &str, value: &str) -> Self {
        let mut caller = self.clone();
        caller.headers.push((name.to_owned(), value.to_owned()));
        caller
    }

    /// The key itself, to be searched for where it must not be.
    ///
    /// # Panics
    /// For a caller without one.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body.to_string())).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, Some(body.to_string())).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, Some(body.to_string())).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends a body as it is, labelled as JSON.
    ///
    /// # Panics
    /// When the stack can't be reached.
    pub async fn send(&self, method: Method, path: &str, body: Option<String>) -> Answer {
        self.try_send(method, path, body).await.unwrap()
    }

    /// Sends a GET to a stack that may be killed meanwhile: nothing, then.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        self.try_send(Method::GET, path, None).await.ok()
    }

    async fn try_send(&self, method: Method, path: &str, body: Option<String>) -> reqwest::Result<Answer> {
        let mut request = http().request(method.clone(), format!("{}{path}", self.url));
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await?;
        let (status, headers, url) =
            (response.status().as_u16(), response.headers().clone(), response.url().clone());
        let text = response.text().await?;
        outcomes::note(&method, &url, status, &headers, &text);
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Ok(Answer { status, headers, body, text })
    }
}

/// One client for all callers: it keeps no cookies and follows no redirect.
///
/// # Panics
/// Never, unless the operating system has no randomness.
pub fn http() -> &'static Client {
    static HTTP: OnceLock<Client> = OnceLock::new();
    HTTP.get_or_init(|| {
        // Someone else in the process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // Connections belong to the runtime of the test that opened them, and end with it: none is kept for another.
        let client =
            Client::builder().redirect(redirect::Policy::none()).no_proxy().pool_max_idle_per_host(0);
        client.build().unwrap()
    })
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    /// `null` where the body is not JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// The body of an answer with this status.
    ///
    /// # Panics
    /// When it has another one; so do all that follow.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// The body of a problem (RFC 9457) with this status and code, complete as the contract wants it.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!((self.status, self.body["code"].as_str()), (status, Some(code)), "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["type"], format!("urn:bifrost:problem:{code}"));
        assert_eq!(self.body["status"], status);
        for member in ["title", "detail", "fix", "request_id"] {
            assert!(
                self.body[member].as_str().is_some_and(|text| !text.is_empty()),
                "no {member} in {}",
                self.text
            );
        }
        self.body
    }

    /// Asserts that the input was refused because of exactly these fields. A field that has parts may be named by the
    /// part, as in `defaults.timeout`.
    #[track_caller]
    pub fn invalid(self, fields: &[&str]) -> Value {
        let body = self.problem(422, "invalid-input");
        let errors = body["errors"].as_array().unwrap();
        let mut named: Vec<&str> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        named.sort_unstable();
        named.dedup();
        let mut wanted = fields.to_vec();
        wanted.sort_unstable();
        assert_eq!(named, wanted, "{body}");
        assert!(
            errors.iter().all(|error| error["message"].as_str().is_some_and(|m| !m.is_empty())),
            "{body}"
        );
        body
    }

    /// Asserts an answer of the gateway itself, in AWS's shape.
    #[track_caller]
    pub fn gateway(self, status: u16, message: &str) {
        assert_eq!(
            (self.status, &self.body),
            (status, &serde_json::json!({"message": message})),
            "{}",
            self.text
        );
    }
}
