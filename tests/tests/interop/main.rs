//! The product against oidc-provider, an OpenID-certified server that is not ours: its sign-in pages are walked, its
//! refresh tokens rotate, and its detection of reuse is on.
//!
//! `tests/interop/run` installs that server and runs these tests; plain `cargo test` leaves them out.

// In a test, unwrapping is the assertion.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bifrost_tests::{
    Answer, Api, Browser, Connection, Page, Role, TestApp, all_at_once, confirm, http, pause, with,
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

/// Characters that arrive garbled unless credentials are form-encoded before they go into a Basic header.
const AWKWARD_SECRET: &str = "p+ss w%rd&=:/~!*'()\"%2B";

/// How long access tokens live, in seconds.
const LIFETIME: u64 = 3;

struct OidcProvider {
    issuer: String,
    _process: Child,
}

impl OidcProvider {
    async fn start(clients: Value) -> Self {
        let folder = std::env::var_os("BIFROST_INTEROP").expect("run these tests with tests/interop/run");
        let mut process = Command::new("node")
            .arg("oidc-provider.mjs")
            .arg(json!({"clients": clients, "access_token_ttl": LIFETIME}).to_string())
            .current_dir(PathBuf::from(folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap().unwrap();
        let said: Value = serde_json::from_str(&line.expect("oidc-provider did not start")).unwrap();
        Self { issuer: said["issuer"].as_str().unwrap().to_owned(), _process: process }
    }

    /// A provider with one client for people, and the connection to it.
    async fn with_connection(app: &TestApp, client_auth: &str, secret: &str) -> (Self, Connection) {
        let name = app.unique("OIDC");
        let redirect_uri = format!("{}/oauth/callback/{}", app.url(), name.replace(' ', "%20"));
        let provider = Self::start(json!([{
            "client_id": "bifrost interop", "client_secret": secret, "redirect_uris": [redirect_uri],
            "token_endpoint_auth_method": format!("client_secret_{client_auth}"),
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        }]))
        .await;
        let body = json!({
            "name": name, "client_id": "bifrost interop", "client_secret": secret, "client_auth": client_auth,
            "authorization_url": provider.url("/auth"), "token_url": provider.url("/token"),
            "revocation_url": provider.url("/token/revocation"),
            "scopes": "openid offline_access api:read",
            // Without it OpenID Connect Core, section 11, gives no offline access.
            "authorize_params": {"prompt": "consent"},
        });
        let connection = app.create_connection("global", body).await;
        assert_eq!(connection.created["redirect_uri"], redirect_uri);
        (provider, connection)
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    /// Goes through the provider's own pages until it sends the browser away; returns where to.
    async fn sign_in(&self, browser: &mut Browser, address: &Url) -> Url {
        let mut page =
            self.follow(browser, address.clone()).await.unwrap_or_else(|away| panic!("sent to {away}"));
        for _ in 0..5 {
            let form = page.form();
            let fill = ["login", "password"].into_iter().filter(|name| form.field(name).is_some());
            let form = fill.fold(form.clone(), |form, name| form.set(name, "ada"));
            let next = browser.submit(&page, &form).await;
            let next = next.url.join(next.header("location")).unwrap();
            match self.follow(browser, next).await {
                Ok(another) => page = another,
                Err(away) => return away,
            }
        }
        panic!("the provider asks and asks: {}", page.text);
    }

    /// Follows redirects within the provider: to a page, or to an address elsewhere.
    async fn follow(&self, browser: &mut Browser, mut address: Url) -> Result<Page, Url> {
        while address.as_str().starts_with(&self.issuer) {
            let page = browser.open(address.as_str()).await;
            match page.header("location") {
                "" => return Ok(page),
                location => address = page.url.join(location).unwrap(),
            }
        }
        Err(address)
    }

    async fn connect(&self, app: &TestApp, connection: &Connection) -> Page {
        let mut browser = Browser::new();
        let address = confirm(&mut browser, &app.connect_url(connection).await).await;
        let callback = self.sign_in(&mut browser, &address).await;
        let page = browser.open(callback.as_str()).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page
    }

    /// Who the provider says the bearer is.
    async fn userinfo(&self, access_token: &Value) -> Answer {
        Api::new(&self.issuer, access_token.as_str()).get("/me").await
    }
}

#[tokio::test]
#[ignore = "needs node: run tests/interop/run"]
async fn a_grant_is_connected_used_and_rotated_for_generations_with_either_authentication() {
    let app = TestApp::shared().await;
    for client_auth in ["basic", "post"] {
        let (provider, connection) = OidcProvider::with_connection(&app, client_auth, AWKWARD_SECRET).await;
        provider.connect(&app, &connection).await;
        let shown = app.show(&connection).await;
        assert_eq!((&shown["status"], &shown["has_refresh_token"]), (&json!("active"), &json!(true)));
        let (mut seen, mut last) = (Vec::new(), 0);
        for _ in 0..4 {
            let token = app.token(&connection).await.expect(200);
            let generation = token["generation"].as_u64().unwrap();
            assert!(
                generation > last && !seen.contains(&token["access_token"]),
                "{client_auth}: {generation}"
            );
            assert_eq!(provider.userinfo(&token["access_token"]).await.expect(200)["sub"], "ada");
            last = generation;
            seen.push(token["access_token"].clone());
            pause(LIFETIME * 1000 + 200).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs node: run tests/interop/run"]
async fn a_crowd_of_callers_and_sweeps_never_looks_like_reuse() {
    let app = TestApp::alone().await;
    let (provider, connection) = OidcProvider::with_connection(&app, "basic", "secret").await;
    provider.connect(&app, &connection).await;
    let mut last = 1;
    for _ in 0..4 {
        pause(LIFETIME * 1000 + 200).await;
        let calls = (0..50).map(|_| {
            let (root, path) = (app.root(), connection.path("/token"));
            async move { root.get(&path).await.expect(200) }
        });
        let (tokens, _) = tokio::join!(all_at_once(calls), app.sweep());
        let newest = tokens.iter().max_by_key(|token| token["generation"].as_u64()).unwrap();
        let generation = newest["generation"].as_u64().unwrap();
        // One, and perhaps another when a slow machine takes half a lifetime to answer fifty callers.
        assert!((last + 1..=last + 2).contains(&generation), "{last} to {generation}");
        assert_eq!(provider.userinfo(&newest["access_token"]).await.expect(200)["sub"], "ada");
        last = generation;
    }
    assert_eq!(app.show(&connection).await["status"], "active");
}

#[tokio::test]
#[ignore = "needs node: run tests/interop/run"]
async fn reuse_by_someone_else_ends_the_grant_and_is_reported_as_such() {
    let app = TestApp::shared().await;
    let (provider, connection) = OidcProvider::with_connection(&app, "post", "secret").await;
    provider.connect(&app, &connection).await;
    let integration = app.integration("OIDC", json!({"connection": connection.name})).await;
    let first = app.resolve(&app.root(), &integration, "global").await["oauth"]["refresh_token"].clone();
    app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", first.as_str().unwrap()),
        ("client_id", "bifrost interop"),
        ("client_secret", "secret"),
    ];
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let request =
        http().post(provider.url("/token")).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.body(body).send().await.unwrap().status(), 400);
    pause(LIFETIME * 1000 + 200).await;
    app.token(&connection).await.problem(409, "reauthorize");
    provider.connect(&app, &connection).await;
    app.token(&connection).await.expect(200);
}

#[tokio::test]
#[ignore = "needs node: run tests/interop/run"]
async fn the_issuer_it_announces_is_checked() {
    let app = TestApp::shared().await;
    let (provider, connection) = OidcProvider::with_connection(&app, "basic", "secret").await;
    let mut browser = Browser::new();
    let address = confirm(&mut browser, &app.connect_url(&connection).await).await;
    let callback = provider.sign_in(&mut browser, &address).await;
    let issuer = callback.query_pairs().find(|(name, _)| name == "iss").unwrap().1.into_owned();
    assert_eq!(issuer, provider.issuer);
    let encoded: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
    let forged = callback.as_str().replace(&encoded, "https%3A%2F%2Fevil.example");
    assert_ne!(forged, callback.as_str());
    browser.open(&forged).await.refuses();
    assert_eq!(browser.open(callback.as_str()).await.status, 200);
}

#[tokio::test]
#[ignore = "needs node: run tests/interop/run"]
async fn a_client_speaks_for_itself_with_either_authentication() {
    let app = TestApp::shared().await;
    for client_auth in ["basic", "post"] {
        let provider = OidcProvider::start(json!([{
            "client_id": "machine", "client_secret": AWKWARD_SECRET, "redirect_uris": [], "response_types": [],
            "token_endpoint_auth_method": format!("client_secret_{client_auth}"),
            "grant_types": ["client_credentials"],
        }]))
        .await;
        let body = json!({
            "flow": "client_credentials", "client_id": "machine", "client_secret": AWKWARD_SECRET,
            "client_auth": client_auth, "token_url": provider.url("/token"), "scopes": ["api:read"],
        });
        let name = app.unique("Machine");
        let connection = app.create_connection("global", with(body, json!({"name": name}))).await;
        let acme = app.organization("Acme").await;
        let workflow = app.key(Role::Workflow, &acme).await;
        let path = format!("/connections/{name}/token");
        let first = workflow.get(&path).await.expect(200);
        assert_eq!((&first["generation"], &first["scopes"]), (&json!(1), &json!(["api:read"])));
        pause(LIFETIME * 1000 + 200).await;
        let second = app.token(&connection).await.expect(200);
        assert_ne!(first["access_token"], second["access_token"]);
    }
}
