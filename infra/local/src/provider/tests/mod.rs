//! The provider's own strictness, seen from outside: every test speaks HTTP to a provider on a port of its own.

mod assertion;
mod authorize;
mod control;
mod token;

use std::collections::HashMap;

use reqwest::{Client as Http, RequestBuilder, Response, redirect};
use serde_json::Value;
use url::Url;

use super::ledger::s256;
use super::{Client, Options, RedirectUris, Running, serve};

const CLIENT: &str = "client-1";
const SECRET: &str = "s3cret";
const REDIRECT: &str = "http://localhost:7071/oauth/callback/Demo";
const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-s256";

/// A provider with one client, and a client that follows nothing by itself.
struct Subject {
    provider: Running,
    http: Http,
}

impl Subject {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(adjust: impl FnOnce(&mut Options)) -> Self {
        let client = Client {
            redirect_uris: RedirectUris::Exactly(vec![REDIRECT.to_owned()]),
            ..Client::new(CLIENT, SECRET)
        };
        let mut options = Options::strict(vec![client, Client::new("client-2", "other")]);
        adjust(&mut options);
        // The second test of a process finds it installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Http::builder().redirect(redirect::Policy::none()).no_proxy().build().unwrap();
        Self { provider: serve(options).await.unwrap(), http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.provider.url())
    }

    async fn get(&self, path: &str) -> Response {
        self.http.get(self.url(path)).send().await.unwrap()
    }

    async fn authorize(&self, change: &[(&str, &str)]) -> Response {
        let url = Url::parse_with_params(&self.url("/authorize"), authorization_request(change)).unwrap();
        self.http.get(url).send().await.unwrap()
    }

    /// Sends the sign-in form as a browser would.
    async fn decide(&self, path: &str, change: &[(&str, &str)]) -> Response {
        let mut form = authorization_request(&[("user", "ada"), ("decision", "allow")]);
        set(&mut form, change);
        post_form(&self.http, &self.url(path), &form).send().await.unwrap()
    }

    /// Signs in and returns the code.
    async fn code(&self) -> String {
        self.code_at("/authorize").await
    }

    async fn code_at(&self, path: &str) -> String {
        query(&self.decide(path, &[]).await).remove("code").unwrap()
    }

    async fn token(&self, change: &[(&str, &str)]) -> Response {
        self.token_at("/token", change).await
    }

    async fn token_at(&self, path: &str, change: &[(&str, &str)]) -> Response {
        let mut form = vec![("client_id".to_owned(), CLIENT.to_owned())];
        set(&mut form, &[("client_secret", SECRET)]);
        set(&mut form, change);
        post_form(&self.http, &self.url(path), &form).send().await.unwrap()
    }

    async fn redeem(&self, code: &str) -> Response {
        self.redeem_with(code, &[]).await
    }

    async fn redeem_with(&self, code: &str, change: &[(&str, &str)]) -> Response {
        let mut form = vec![("grant_type", "authorization_code"), ("code", code)];
        form.extend([("redirect_uri", REDIRECT), ("code_verifier", VERIFIER)]);
        form.extend(change);
        self.token(&form).await
    }

    async fn refresh(&self, refresh_token: &str) -> Response {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
    }

    async fn me(&self, access_token: &str) -> Response {
        self.http.get(self.url("/me")).bearer_auth(access_token).send().await.unwrap()
    }

    /// Signs in and exchanges the code.
    async fn tokens(&self) -> Tokens {
        Tokens::from(self.redeem(&self.code().await).await).await
    }
}

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    async fn from(response: Response) -> Self {
        let answer = json(response).await;
        let text = |member: &str| answer[member].as_str().unwrap_or_default().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

fn authorization_request(change: &[(&str, &str)]) -> Vec<(String, String)> {
    let challenge = s256(VERIFIER);
    let mut params = Vec::new();
    set(&mut params, &[("response_type", "code"), ("client_id", CLIENT), ("redirect_uri", REDIRECT)]);
    set(&mut params, &[("scope", "read write"), ("state", "xyz")]);
    set(&mut params, &[("code_challenge", &challenge), ("code_challenge_method", "S256")]);
    set(&mut params, change);
    params
}

/// Replaces parameters; an empty one counts as absent.
fn set(params: &mut Vec<(String, String)>, change: &[(&str, &str)]) {
    for (name, value) in change {
        params.retain(|(known, _)| known != name);
        params.push(((*name).to_owned(), (*value).to_owned()));
    }
}

fn post_form(http: &Http, url: &str, form: &[(impl AsRef<str>, impl AsRef<str>)]) -> RequestBuilder {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
}

/// The query of the address that a redirect leads to.
fn query(response: &Response) -> HashMap<String, String> {
    assert_eq!(response.status(), 303);
    let location = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    location.query_pairs().into_owned().collect()
}

async fn json(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

async fn assert_refused(response: Response, status: u16, error: &str) {
    assert_eq!(response.status(), status);
    assert_eq!(json(response).await["error"], error);
}
