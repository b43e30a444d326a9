//! A running authorization server with one client, the connection to it, and the walk through its pages.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bifrost_tests::{Answer, Api, Browser, Connection, Page, TestApp, confirm, http, with};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use url::Url;

use crate::glewlwyd;

/// Characters that arrive garbled unless credentials are form-encoded before they go into a Basic header.
pub(crate) const AWKWARD_SECRET: &str = "p+ss w%rd&=:/~!*'()\"%2B";

/// How long access tokens live, in seconds: a slow machine must find time to use them, a quick one not wait for long.
pub(crate) const LIFETIME: u64 = 5;

/// Whom every server knows, with this password.
pub(crate) const ADA: Person = Person { user: "ada", declines: false };
pub(crate) const PASSWORD: &str = "ada lovelace";

/// In what one server differs from another.
#[derive(Debug)]
pub(crate) struct Kind {
    /// Where `tests/interop/run` puts it.
    pub(crate) folder: &'static str,
    pub(crate) command: &'static [&'static str],
    pub(crate) client_id: &'static str,
    /// What it takes in a Basic header. In a body every server takes the awkward one.
    pub(crate) basic_secret: &'static str,
    /// Paths behind what it says is its issuer.
    pub(crate) authorization: &'static str,
    pub(crate) token: &'static str,
    pub(crate) revocation: &'static str,
    pub(crate) who_am_i: &'static str,
    pub(crate) scopes: &'static str,
    pub(crate) authorize_params: fn() -> Value,
    pub(crate) pages: Pages,
    /// Whether its access tokens end together with the refresh token.
    pub(crate) revokes_access_tokens: bool,
    /// What it says to a client that has the wrong secret.
    pub(crate) wrong_secret: &'static str,
    /// What the product makes of what it says to a refresh token that it no longer takes.
    pub(crate) dead_grant: &'static str,
}

/// What people see of it.
#[derive(Debug)]
pub(crate) enum Pages {
    /// Forms that a browser without scripts can send.
    Forms,
    Glewlwyd,
}

/// Whoever signs in, and what they make of being asked for permission.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) user: &'static str,
    pub(crate) declines: bool,
}

#[derive(Debug)]
pub(crate) struct Server {
    kind: &'static Kind,
    pub(crate) issuer: String,
    _process: Child,
}

impl Kind {
    pub(crate) fn secret(&self, client_auth: &str) -> &'static str {
        if client_auth == "basic" { self.basic_secret } else { AWKWARD_SECRET }
    }

    /// Starts one that knows this client; its registration is as in RFC 7591.
    pub(crate) async fn start(&'static self, client: Value) -> Server {
        self.start_with(json!({"clients": [client]})).await
    }

    /// Starts one that is told more than that.
    pub(crate) async fn start_with(&'static self, options: Value) -> Server {
        let folder = std::env::var_os("BIFROST_INTEROP").expect("run these tests with tests/interop/run");
        let mut process = Command::new(self.command[0])
            .args(&self.command[1..])
            .arg(with(options, json!({"access_token_ttl": LIFETIME})).to_string())
            .current_dir(PathBuf::from(folder).join(self.folder))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.unwrap().unwrap();
        let line = line.unwrap_or_else(|| panic!("{} did not start", self.folder));
        let said: Value = serde_json::from_str(&line).unwrap();
        Server { kind: self, issuer: said["issuer"].as_str().unwrap().to_owned(), _process: process }
    }

    /// A server with a client for people, and the connection to it.
    pub(crate) async fn with_connection(
        &'static self,
        app: &TestApp,
        client_auth: &str,
        secret: &str,
    ) -> (Server, Connection) {
        let method = format!("client_secret_{client_auth}");
        let registration = json!({"client_secret": secret, "token_endpoint_auth_method": method});
        self.with_client(app, registration, json!({"client_secret": secret, "client_auth": client_auth}))
            .await
    }

    /// The same for a client that proves itself in any way, by its registration and on the connection.
    pub(crate) async fn with_client(
        &'static self,
        app: &TestApp,
        registration: Value,
        proof: Value,
    ) -> (Server, Connection) {
        let name = app.unique("Interop");
        let redirect_uri = format!("{}/oauth/callback/{}", app.url(), name.replace(' ', "%20"));
        let client = json!({
            "client_id": self.client_id, "redirect_uris": [redirect_uri],
            "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"],
        });
        let server = self.start(with(client, registration)).await;
        let body = json!({
            "name": name, "client_id": self.client_id,
            "authorization_url": server.url(self.authorization), "token_url": server.url(self.token),
            "revocation_url": server.url(self.revocation), "scopes": self.scopes,
            "authorize_params": (self.authorize_params)(),
        });
        let connection = app.create_connection("global", with(body, proof)).await;
        assert_eq!(connection.created["redirect_uri"], redirect_uri);
        (server, connection)
    }

    /// A server with a client that speaks for itself, and the connection to it.
    pub(crate) async fn with_machine(
        &'static self,
        app: &TestApp,
        client_auth: &str,
    ) -> (Server, Connection) {
        let secret = self.secret(client_auth);
        let server = self
            .start(json!({
                "client_id": "machine", "client_secret": secret, "redirect_uris": [], "response_types": [],
                "token_endpoint_auth_method": format!("client_secret_{client_auth}"),
                "grant_types": ["client_credentials"],
            }))
            .await;
        let body = json!({
            "name": app.unique("Machine"), "flow": "client_credentials", "client_id": "machine",
            "client_secret": secret, "client_auth": client_auth, "token_url": server.url(self.token),
            "scopes": ["api:read"],
        });
        let connection = app.create_connection("global", body).await;
        (server, connection)
    }
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }

    fn origin(&self) -> String {
        Url::parse(&self.issuer).unwrap().origin().ascii_serialization()
    }

    /// Signs a person in, and returns the page that says so.
    pub(crate) async fn connect(&self, app: &TestApp, connection: &Connection) -> Page {
        let page = self.try_connect(app, connection, ADA).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page
    }

    /// Signs a person in, and returns what the callback answers.
    pub(crate) async fn try_connect(&self, app: &TestApp, connection: &Connection, person: Person) -> Page {
        let mut browser = Browser::new();
        let callback = self.callback(&mut browser, app, connection, person).await;
        browser.open(callback.as_str()).await
    }

    /// Signs a person in, up to the redirect back; returns where to.
    pub(crate) async fn callback(
        &self,
        browser: &mut Browser,
        app: &TestApp,
        connection: &Connection,
        person: Person,
    ) -> Url {
        let address = confirm(browser, &app.connect_url(connection).await).await;
        self.sign_in(browser, address, person).await
    }

    /// Signs a person in who was sent to the server, up to the redirect back; returns where to.
    pub(crate) async fn sign_in(&self, browser: &mut Browser, address: Url, person: Person) -> Url {
        let mut page = self.follow(browser, address).await.unwrap_or_else(|away| panic!("sent to {away}"));
        for _ in 0..5 {
            let next = match self.kind.pages {
                Pages::Forms => submit(browser, &page, person).await,
                Pages::Glewlwyd => glewlwyd::sign_in(browser, &page, person).await,
            };
            match self.follow(browser, next).await {
                Ok(another) => page = another,
                Err(away) => return away,
            }
        }
        panic!("{} asks and asks: {}", self.kind.folder, page.text);
    }

    /// Follows redirects within the server: to a page, or to an address elsewhere.
    async fn follow(&self, browser: &mut Browser, mut address: Url) -> Result<Page, Url> {
        while address.origin().ascii_serialization() == self.origin() {
            let page = browser.open(address.as_str()).await;
            match page.header("location") {
                "" => return Ok(page),
                location => address = page.url.join(location).unwrap(),
            }
        }
        Err(address)
    }

    /// What the server's API says to the bearer of a token.
    pub(crate) async fn who_am_i(&self, access_token: &Value) -> Answer {
        Api::new(&self.issuer, access_token.as_str()).get(self.kind.who_am_i).await
    }

    /// Who the server says the bearer of a token is, by its own name for people.
    pub(crate) async fn bearer(&self, access_token: &Value) -> String {
        let bearer = self.who_am_i(access_token).await.expect(200);
        bearer["sub"].as_str().unwrap_or_else(|| panic!("nobody: {bearer}")).to_owned()
    }

    /// Refreshes as the client would, past the product; returns the status of the answer.
    pub(crate) async fn refresh_as_client(&self, refresh_token: &Value, secret: &str) -> u16 {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.as_str().unwrap()),
            ("client_id", self.kind.client_id),
            ("client_secret", secret),
        ];
        self.token_request(&form).await.status
    }

    /// Asks the token endpoint as a client would, past the product.
    pub(crate) async fn token_request(&self, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = http().post(self.url(self.kind.token));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status, headers, body, text }
    }
}

/// Fills in the page's form, whether it asks who is there or for permission; returns where that leads. Whoever declines
/// follows the link that aborts, or sends the form without the button that allows.
async fn submit(browser: &mut Browser, page: &Page, person: Person) -> Url {
    let mut form = page.form();
    if person.declines {
        let links = page.text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
        if let Some(abort) = links.into_iter().find(|link| link.ends_with("/abort")) {
            return page.url.join(abort).unwrap();
        }
        form.fields.retain(|(name, _)| name != "allow");
    }
    for (name, answer) in [("login", person.user), ("username", person.user), ("password", PASSWORD)] {
        if form.field(name).is_some() {
            form = form.set(name, answer);
        }
    }
    let next = browser.submit(page, &form).await;
    assert_ne!(next.header("location"), "", "{} {}", next.status, next.text);
    next.url.join(next.header("location")).unwrap()
}
