//! The doctor, against providers that are broken in one way each.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bifrost_local::provider::{Fault, RefreshTokens};
use bifrost_tests::{
    Answer, Browser, Connection, Role, SLIPPED_TOKEN, TestApp, TestProvider, allow, confirm, pause, with,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What the doctor found, by check.
#[derive(Debug)]
struct Diagnosis {
    status: String,
    checks: BTreeMap<String, Value>,
    text: String,
}

impl Diagnosis {
    fn of(answer: Answer) -> Self {
        let text = answer.text.clone();
        let diagnosis = answer.expect(200);
        let mut checks = BTreeMap::new();
        for check in diagnosis["checks"].as_array().unwrap() {
            let has_fix = check["fix"].as_str().is_some_and(|fix| fix.ends_with('.'));
            let needs_fix = check["status"] == "warn" || check["status"] == "fail";
            assert_eq!(has_fix, needs_fix, "{check}");
            assert!(check["detail"].as_str().unwrap().len() > 5 && check["title"].is_string(), "{check}");
            checks.insert(check["id"].as_str().unwrap().to_owned(), check.clone());
        }
        let order = ["skip", "pass", "warn", "fail"];
        let rank = |check: &Value| order.iter().position(|status| check["status"] == *status).unwrap();
        let worst = order[checks.values().map(rank).max().unwrap()];
        assert_eq!(diagnosis["status"], worst, "{text}");
        Self { status: worst.to_owned(), checks, text }
    }

    fn part(&self, id: &str, name: &str) -> &str {
        self.checks[id][name].as_str().unwrap_or_default()
    }

    /// Asserts what became of a check, and that its detail and fix speak of these.
    #[track_caller]
    fn says(&self, id: &str, status: &str, detail: &str, fix: &str) {
        assert_eq!(self.part(id, "status"), status, "{id}: {}", self.text);
        assert!(self.part(id, "detail").contains(detail), "{id}: {detail}? {}", self.checks[id]);
        assert!(self.part(id, "fix").contains(fix), "{id}: {fix}? {}", self.checks[id]);
    }

    /// The checks that found something, in the order of their ids.
    fn found(&self) -> Vec<&str> {
        let bad = |check: &Value| check["status"] == "warn" || check["status"] == "fail";
        self.checks.iter().filter(|(_, check)| bad(check)).map(|(id, _)| id.as_str()).collect()
    }
}

async fn diagnose(app: &TestApp, connection: &Connection) -> Diagnosis {
    Diagnosis::of(app.root().post(&connection.path("/diagnose"), json!({})).await)
}

/// One whose redirect URI is registered, but nobody signed in yet.
async fn new(app: &TestApp, provider: &TestProvider, changes: Value) -> Connection {
    app.connection(&app.unique("Halo"), "global", provider, changes).await
}

/// One whose redirect URI is nowhere registered.
async fn unregistered(app: &TestApp, provider: &TestProvider, changes: Value) -> Connection {
    let body = with(provider.authorization_code(), json!({"name": app.unique("Halo")}));
    app.create_connection("global", with(body, changes)).await
}

/// A client that speaks for itself, at one address for all.
async fn minting(app: &TestApp, provider: &TestProvider, changes: Value) -> Connection {
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    app.create_connection("global", with(with(provider.client_credentials(), body), changes)).await
}

/// A server that says this to every request, whatever it is, and hangs up. Its address, without a path.
async fn saying(answer: impl Into<String>) -> String {
    let (listener, answer) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), answer.into());
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut request = [0; 8192];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            });
        }
    });
    address.to_string()
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}", body.len())
}

/// A server that takes connections and never says a word.
async fn silent() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut streams = Vec::new();
        loop {
            streams.push(listener.accept().await.unwrap());
        }
    });
    address.to_string()
}

#[tokio::test]
async fn a_connection_in_good_health_passes_and_nothing_was_spent_or_sent() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let before = app.token(&connection).await.expect(200);
    let asked = provider.control().token_requests().len();
    let diagnosis = diagnose(&app, &connection).await;
    assert_eq!(diagnosis.status, "pass", "{}", diagnosis.text);
    let ids: Vec<_> = diagnosis.checks.keys().map(String::as_str).collect();
    let all = [
        "authorization_url",
        "client",
        "client_id",
        "client_secret",
        "clock",
        "granted_scopes",
        "grant",
        "last_error",
        "organizations",
        "redirect_uri",
        "refresh_token",
        "scopes",
        "token_url",
        "urls",
    ];
    assert_eq!(ids.len(), all.len());
    assert!(all.iter().all(|id| ids.contains(id)), "{ids:?}");
    diagnosis.says("redirect_uri", "pass", connection.created["redirect_uri"].as_str().unwrap(), "");
    diagnosis.says("clock", "pass", "agree", "");

    let probes = provider.control().token_requests().split_off(asked);
    assert_eq!(probes.len(), 1);
    for secret in ["client_secret", "refresh_token", "code"] {
        assert_eq!(probes[0].param(secret), None);
    }
    assert!(probes[0].auth.is_none() && probes[0].refused.is_some());
    let after = app.token(&connection).await.expect(200);
    assert_eq!(
        (&after["access_token"], &after["generation"]),
        (&before["access_token"], &before["generation"])
    );
    let secrets = [provider.control().secrets_handed_out(), vec![provider.client_secret.clone()]].concat();
    assert!(secrets.iter().all(|secret| !diagnosis.text.contains(secret)), "{}", diagnosis.text);
}

#[tokio::test]
async fn a_client_that_speaks_for_itself_proves_it_by_a_token_that_nobody_keeps() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = minting(&app, &provider, json!({})).await;
    let diagnosis = diagnose(&app, &connection).await;
    assert_eq!(diagnosis.status, "pass", "{}", diagnosis.text);
    diagnosis.says("client", "pass", "thrown away", "");
    diagnosis.says("redirect_uri", "skip", "nobody is sent back", "");
    diagnosis.says("authorization_url", "skip", "", "");
    assert_eq!(provider.control().token_request_count("client_credentials"), 1);
    assert!(app.show(&connection).await["expires_at"].is_null(), "no grant was made of it");
    assert!(provider.control().secrets_handed_out().iter().all(|token| !diagnosis.text.contains(token)));
}

// The product documentation's quick reference, row by row.

#[tokio::test]
async fn authorization_fails() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    // Config wrong: the provider knows no such client.
    let stranger = new(&app, &provider, json!({"client_id": "somebody-else"})).await;
    let diagnosis = diagnose(&app, &stranger).await;
    diagnosis.says("authorization_url", "warn", "answers 400", "client_id");
    diagnosis.says("client", "skip", "Only a sign-in", "");
    // The person says no.
    let connection = new(&app, &provider, json!({})).await;
    let mut browser = Browser::new();
    let address = confirm(&mut browser, &app.connect_url(&connection).await).await;
    let page = bifrost_tests::deny(&mut browser, &address).await;
    let page = browser.open(page.as_str()).await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("last_error", "fail", "access_denied", "agree to them");
    diagnosis.says("grant", "warn", "Nobody is signed in", "authorize");
    // The page said the same.
    let fix = app.show(&connection).await["last_error"]["fix"].as_str().unwrap().to_owned();
    assert!(page.text.contains(&fix) && diagnosis.part("last_error", "fix").contains(&fix), "{}", page.text);
    // Provider unreachable.
    provider.stop().await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("authorization_url", "fail", "can't be reached", "Check the host");
}

#[tokio::test]
async fn token_expired() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let connection = app.connected(&provider).await;
    let token = app.token(&connection).await.expect(200);
    pause(2_100).await;
    // Renewed by itself.
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("grant", "pass", "the next request for one renews it", "");
    // Unless it can't be.
    provider.control().revoke_family(token["access_token"].as_str().unwrap());
    app.token(&connection).await.problem(409, "reauthorize");
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("grant", "fail", "sign in again", "Connect again");
    diagnosis.says("last_error", "fail", "invalid_grant", "Connect again");
    diagnosis.says("client", "pass", "accepted the client", "");
    app.connect_in_browser(&connection).await;
    assert_eq!(diagnose(&app, &connection).await.found(), Vec::<&str>::new());
}

#[tokio::test]
async fn invalid_scope() {
    let app = TestApp::shared().await;
    let scopes = ["read", "write", "offline_access"].map(str::to_owned).to_vec();
    let provider = TestProvider::with(|options| options.scopes = Some(scopes)).await;
    let connection = new(&app, &provider, json!({"scopes": ["read", "ofline_access"]})).await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("scopes", "fail", "there is no scope ofline_access", "Correct the connection's scopes");
    diagnosis.says("authorization_url", "fail", "invalid_scope", "scopes");
    app.root().patch(&connection.path(""), json!({"scopes": ["read", "offline_access"]})).await.expect(200);
    assert_eq!(diagnose(&app, &connection).await.found(), ["grant"], "nobody is signed in");
    app.connect_in_browser(&connection).await;
    assert_eq!(diagnose(&app, &connection).await.status, "pass");
}

#[tokio::test]
async fn redirect_uri_mismatch() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = unregistered(&app, &provider, json!({})).await;
    let uri = connection.created["redirect_uri"].as_str().unwrap();
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("redirect_uri", "fail", "speaks of the redirect URI", uri);
    provider.control().register_redirect_uri(&provider.client_id, uri);
    diagnose(&app, &connection).await.says("redirect_uri", "pass", uri, "");
}

#[tokio::test]
async fn connection_lost() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    provider.stop().await;
    let diagnosis = diagnose(&app, &connection).await;
    for endpoint in ["authorization_url", "token_url"] {
        diagnosis.says(endpoint, "fail", "No connection to 127.0.0.1", "Check the host");
    }
    diagnosis.says("clock", "skip", "did not tell the time", "");
    assert_eq!(diagnosis.found(), ["authorization_url", "token_url"], "and nothing else is blamed");
}

#[tokio::test]
async fn invalid_client() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let minted = minting(&app, &provider, json!({})).await;
    let connection = app.connected(&provider).await;
    provider.control().set_client_secret(&provider.client_id, "another");
    let diagnosis = diagnose(&app, &minted).await;
    diagnosis.says("client", "fail", "invalid_client", "client_secret");
    pause(2_100).await;
    app.token(&connection).await.problem(409, "client-rejected");
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("client", "fail", "invalid_client", "client_secret");
    diagnosis.says("last_error", "fail", "invalid_client", "the secret may have expired");
    diagnosis.says("grant", "fail", "", "client_secret");
}

#[tokio::test]
async fn rate_limited() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    let headers = vec![("retry-after".to_owned(), "600".to_owned())];
    let limited = || Fault::Answer { status: 429, headers: headers.clone(), body: String::new() };
    provider.control().fail_next_token(limited());
    app.token(&connection).await.problem(409, "provider-unavailable");
    provider.control().fail_next_token(limited());
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("last_error", "warn", "provider-throttled", "tried again when the provider allows");
    diagnosis.says("token_url", "warn", "fewer requests", "Wait");
}

#[tokio::test]
async fn permission_denied() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    provider.control().grant_scopes(&["read"]);
    let scopes = json!({"scopes": ["read", "write", "offline_access"]});
    let connection = new(&app, &provider, scopes).await;
    app.connect_in_browser(&connection).await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("granted_scopes", "warn", "write is missing", "connect again");
    assert!(diagnosis.part("granted_scopes", "detail").contains("403"));
}

// What else can be wrong.

#[tokio::test]
async fn what_was_copied_along_with_id_or_secret_is_seen_and_never_repeated() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let secret = "s3cr3t-8Q~kVnfQxTz";
    for (changes, check, detail) in [
        (json!({"client_id": "Client ID: abc"}), "client_id", "label"),
        (json!({"client_id": " abc"}), "client_id", "white space"),
        (json!({"client_id": "\"abc\""}), "client_id", "quotation marks"),
        (json!({"client_secret": format!("{secret} ")}), "client_secret", "white space"),
        (json!({"client_secret": format!("{secret}\n{secret}")}), "client_secret", "line break"),
        (json!({"client_secret": format!("Client Secret: {secret}")}), "client_secret", "label"),
        (json!({"client_secret": format!("{secret}...")}), "client_secret", "cut off"),
        (json!({"client_secret": "abc••••••••"}), "client_secret", "masked"),
        (json!({"client_id": secret, "client_secret": secret}), "client_secret", "client id once more"),
    ] {
        let connection = new(&app, &provider, json!({})).await;
        app.root().patch(&connection.path(""), changes).await.expect(200);
        let diagnosis = diagnose(&app, &connection).await;
        diagnosis.says(check, "fail", detail, "");
        assert!(!diagnosis.text.contains(secret), "{}", diagnosis.text);
    }
    let public = new(&app, &provider, json!({"client_secret": null})).await;
    diagnose(&app, &public).await.says("client_secret", "warn", "There is none", "public client");
}

#[tokio::test]
async fn a_preset_knows_what_id_secret_and_scopes_look_like() {
    let app = TestApp::shared().await;
    let guid = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";
    let provider = TestProvider::with(|options| guid.clone_into(&mut options.clients[0].id)).await;
    let graph = json!({"provider": "microsoft_graph", "scopes": null});
    let connection = unregistered(&app, &provider, graph.clone()).await;
    diagnose(&app, &connection).await.says("client_id", "fail", "no GUID", "client id");
    let swapped = with(graph.clone(), json!({"client_id": guid, "client_secret": guid.replace('3', "4")}));
    let diagnosis = diagnose(&app, &unregistered(&app, &provider, swapped).await).await;
    diagnosis.says("client_id", "pass", "", "");
    diagnosis.says("client_secret", "fail", "the secret's id", "secret's value");
    diagnosis.says("redirect_uri", "fail", "", "https://entra.microsoft.com/");
    diagnosis.says("redirect_uri", "fail", "", "platform Web");
    let misspelt = with(graph.clone(), json!({"scopes": ["offline_acess", "Mail.Raed", "Sites.Selected"]}));
    let diagnosis = diagnose(&app, &unregistered(&app, &provider, misspelt).await).await;
    diagnosis.says(
        "scopes",
        "warn",
        "offline_acess (did you mean offline_access?), Mail.Raed (did you mean Mail.Read?)",
        "",
    );
    assert!(!diagnosis.part("scopes", "detail").contains("Sites"), "{}", diagnosis.text);
    let fleeting = with(graph, json!({"scopes": ["User.Read"]}));
    let diagnosis = diagnose(&app, &unregistered(&app, &provider, fleeting).await).await;
    diagnosis.says("scopes", "warn", "no refresh token", "offline_access");
    let google = json!({"provider": "google", "authorize_params": {"access_type": null}});
    let diagnosis = diagnose(&app, &unregistered(&app, &provider, google).await).await;
    diagnosis.says("scopes", "warn", "access_type=offline", "access_type=offline");
}

#[tokio::test]
async fn a_secret_that_has_expired_or_can_not_be_read_is_named() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    for (expires_at, status) in [("2020-01-31T12:00:00Z", "fail"), ("2100-01-31T12:00:00Z", "pass")] {
        let connection = new(&app, &provider, json!({"client_secret_expires_at": expires_at})).await;
        diagnose(&app, &connection).await.says("client_secret", status, "", "");
    }
    let soon = time::OffsetDateTime::now_utc() + time::Duration::days(3);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let connection = new(&app, &provider, json!({"client_secret_expires_at": soon})).await;
    diagnose(&app, &connection).await.says("client_secret", "warn", "expires at", "new secret");
    let name = format!("bifrost/connections/{}", app.unique("doctor").replace(' ', "-"));
    let referred = json!({"client_secret": null, "client_secret_ref": name});
    let connection = minting(&app, &provider, referred).await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("client_secret", "fail", "can't be read", "client_secret");
    diagnosis.says("client", "skip", "", "");
    // A wrong one that was put right is seen at once.
    app.stack().put_secret(&name, "wrong").await;
    diagnose(&app, &connection).await.says("client", "fail", "invalid_client", "");
    app.stack().put_secret(&name, &provider.client_secret).await;
    assert_eq!(diagnose(&app, &connection).await.status, "pass");
}

#[tokio::test]
async fn placeholders_are_filled_as_they_would_be_or_named() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let per_tenant =
        |name: &str, more: Value| with(with(provider.client_credentials(), json!({"name": name})), more);
    // Global: each mapping fills it.
    let global = app.create_connection("global", per_tenant(&app.unique("Graph"), json!({}))).await;
    let diagnosis = diagnose(&app, &global).await;
    diagnosis.says("urls", "skip", "{entity_id}", "");
    diagnosis.says("token_url", "skip", "not asked", "");
    diagnosis.says("client", "skip", "No token could be asked for", "");
    assert_eq!(provider.control().token_requests().len(), 0);
    // By the connection itself.
    let defaults = json!({"token_url_defaults": {"entity_id": "main"}});
    let filled = app.create_connection("global", per_tenant(&app.unique("Graph"), defaults)).await;
    let diagnosis = diagnose(&app, &filled).await;
    diagnosis.says("urls", "pass", "{entity_id} by token_url_defaults", "");
    assert_eq!(diagnosis.status, "pass");
    // By the mapping of the integration of its name.
    let acme = app.organization("Acme").await;
    let name = app.integration("Graph", json!({})).await;
    let own = app.create_connection(&acme.id, per_tenant(&name, json!({}))).await;
    diagnose(&app, &own).await.says(
        "urls",
        "fail",
        "no value for the placeholder {entity_id}",
        "default_entity_id",
    );
    app.map(&name, &acme, json!({"entity_id": "acme-tenant"})).await;
    let diagnosis = diagnose(&app, &own).await;
    diagnosis.says("urls", "pass", "{entity_id} by the mapping's entity_id", "");
    assert_eq!(diagnosis.status, "pass", "{}", diagnosis.text);
    assert_eq!(provider.control().token_requests().last().unwrap().tenant.as_deref(), Some("acme-tenant"));
    // The next token comes from where the mapping points now, wherever the last came from.
    app.root().get(&format!("{}&integration={name}", own.path("/token"))).await.expect(200);
    app.map(&name, &acme, json!({"entity_id": "acme-moved"})).await;
    assert_eq!(diagnose(&app, &own).await.status, "pass");
    assert_eq!(provider.control().token_requests().last().unwrap().tenant.as_deref(), Some("acme-moved"));
    // What a closed list does not have.
    let regions = json!({"dialect": {"url_values": {"entity_id": ["eu", "us"]}}, "token_url_defaults": {"entity_id": "uk"}});
    let wrong = app.create_connection("global", per_tenant(&app.unique("Graph"), regions)).await;
    diagnose(&app, &wrong).await.says("urls", "fail", "must be one of eu, us", "");
}

#[tokio::test]
async fn whatever_an_endpoint_answers_is_told_apart() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let at = |address: &str, endpoint: &str| json!({(endpoint): format!("http://{address}/x")});
    let json_error = r#"{"error": "invalid_request"}"#;
    for (raw, token, authorization) in [
        (answer("404 Not Found", "", ""), ("fail", "404"), ("warn", "404")),
        (answer("405 Method Not Allowed", "", ""), ("fail", "405"), ("warn", "405")),
        (answer("500 Internal Server Error", "", ""), ("warn", "having trouble"), ("warn", "having trouble")),
        (answer("503 Service Unavailable", "", ""), ("warn", "503"), ("warn", "503")),
        (answer("429 Too Many Requests", "", ""), ("warn", "fewer requests"), ("warn", "fewer requests")),
        (answer("403 Forbidden", "Content-Type: text/html\r\n", "no"), ("warn", "403"), ("warn", "403")),
        (
            answer("200 OK", "Content-Type: text/html\r\n", "<p>Sign in</p>"),
            ("fail", "a web page"),
            ("pass", ""),
        ),
        (
            answer("302 Found", "Location: https://login.example/\r\n", ""),
            ("fail", "points to login.example"),
            ("pass", ""),
        ),
        (answer("400 Bad Request", "", json_error), ("pass", "refuses"), ("fail", "invalid_request")),
        (
            answer("400 Bad Request", "", r#"{"error": "slow_down"}"#),
            ("warn", "fewer requests"),
            ("fail", "slow_down"),
        ),
        (
            answer("302 Found", "Location: /error?error=invalid_client\r\n", ""),
            ("fail", "points to"),
            ("fail", "invalid_client"),
        ),
        (answer("302 Found", "Location: /login?error=x1\r\n", ""), ("fail", "points to"), ("pass", "")),
        (String::new(), ("fail", "no complete HTTP answer"), ("fail", "no complete HTTP answer")),
    ] {
        let address = saying(raw.clone()).await;
        for (endpoint, (status, detail)) in [("token_url", token), ("authorization_url", authorization)] {
            let connection = new(&app, &provider, at(&address, endpoint)).await;
            println!("{endpoint} {raw}");
            diagnose(&app, &connection).await.says(endpoint, status, detail, "");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_none_tls_that_fails_and_an_address_that_may_not_be_called_are_told_apart() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let plain = saying("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    for (host, detail) in [
        ("does-not-exist.invalid".to_owned(), "was not found"),
        (plain, "TLS handshake"),
        ("10.0.0.1".to_owned(), "not on the public Internet"),
    ] {
        let urls = json!({"token_url": format!("https://{host}/token"), "authorization_url": format!("https://{host}/")});
        let connection = new(&app, &provider, urls).await;
        let diagnosis = diagnose(&app, &connection).await;
        diagnosis.says("token_url", "fail", detail, "");
        diagnosis.says("authorization_url", "fail", detail, "");
    }
}

#[tokio::test]
async fn a_provider_that_says_nothing_is_waited_for_ten_seconds_in_all() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let address = silent().await;
    let urls =
        json!({"token_url": format!("http://{address}/"), "authorization_url": format!("http://{address}/")});
    let (person, client) = tokio::join!(
        new(&app, &provider, urls),
        minting(&app, &provider, json!({"token_url": format!("http://{address}/")})),
    );
    let began = Instant::now();
    let (person, client) = tokio::join!(diagnose(&app, &person), diagnose(&app, &client));
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    person.says("authorization_url", "fail", "took longer than 10s", "");
    person.says("token_url", "fail", "took longer than 10s", "");
    client.says("client", "warn", "longer than 10s", "");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_measured() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let rfc2822 = |offset: i64| {
        let then = time::OffsetDateTime::now_utc() + time::Duration::seconds(offset);
        then.format(&time::format_description::well_known::Rfc2822).unwrap().replace("+0000", "GMT")
    };
    for (offset, more, status, detail) in [
        (5, "", "pass", "agree"),
        (120, "", "warn", "ahead"),
        (-120, "", "warn", "behind"),
        (-3600, "", "fail", "behind"),
        // What a cache has kept tells no time; the sign-in page does then.
        (-3600, "Age: 3600\r\n", "pass", "agree"),
    ] {
        let headers = format!("Date: {}\r\n{more}", rfc2822(offset));
        let address = saying(answer("400 Bad Request", &headers, "{}")).await;
        let connection = new(&app, &provider, json!({"token_url": format!("http://{address}/")})).await;
        diagnose(&app, &connection).await.says("clock", status, detail, "");
    }
}

#[tokio::test]
async fn scopes_changed_after_connecting_and_a_missing_refresh_token_are_told() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    app.root().patch(&connection.path(""), json!({"scopes": ["read", "write"]})).await.expect(200);
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("granted_scopes", "warn", "changed after it was connected", "Connect again");
    diagnosis.says("refresh_token", "pass", "", "");
    provider.control().set_refresh_tokens(RefreshTokens::Never);
    let google = json!({"provider": "google"});
    let connection = new(&app, &provider, google).await;
    app.connect_in_browser(&connection).await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("refresh_token", "warn", "gave none", "access_type=offline");
    // Where the old consent is taken back, without which Google gives no new refresh token.
    diagnosis.says("refresh_token", "warn", "", "third-party apps");
}

#[tokio::test]
async fn grants_of_organizations_are_counted() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let (connection, organizations) = app.connected_for_many(&provider, 3).await;
    pause(2_000).await;
    diagnose(&app, &connection).await.says("organizations", "pass", "All 3 work", "");
    provider.control().fail_next_token(Fault::answer(400, r#"{"error": "invalid_grant"}"#));
    let workflow = app.key(Role::Workflow, &organizations[0]).await;
    workflow.get(&format!("/connections/{}/token", connection.name)).await.problem(409, "reauthorize");
    pause(500).await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("organizations", "warn", "Of 3, 1 wait for someone to sign in again", "organization_id");
}

#[tokio::test]
async fn what_a_provider_lets_slip_is_not_passed_on() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let body = format!(r#"{{"error": "invalid_request", "error_description": "not {SLIPPED_TOKEN}"}}"#);
    let address = saying(answer("400 Bad Request", "", &body)).await;
    let urls =
        json!({"token_url": format!("http://{address}/"), "authorization_url": format!("http://{address}/")});
    let diagnosis = diagnose(&app, &new(&app, &provider, urls.clone()).await).await;
    diagnosis.says("authorization_url", "fail", "[removed]", "");
    assert!(!diagnosis.text.contains(SLIPPED_TOKEN), "{}", diagnosis.text);
    let echo =
        format!(r#"{{"error": "invalid_client", "error_description": "not {}"}}"#, provider.client_secret);
    let address = saying(answer("401 Unauthorized", "", &echo)).await;
    let connection = minting(&app, &provider, json!({"token_url": format!("http://{address}/")})).await;
    let diagnosis = diagnose(&app, &connection).await;
    diagnosis.says("client", "fail", "[removed]", "");
    assert!(!diagnosis.text.contains(&provider.client_secret), "{}", diagnosis.text);
}

#[tokio::test]
async fn an_organizations_user_diagnoses_what_is_its_own_and_nothing_else() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connection(&app.unique("Halo"), &acme.id, &provider, json!({})).await;
    let mut browser = Browser::new();
    let address = confirm(&mut browser, &app.connect_url(&connection).await).await;
    let callback = allow(&mut browser, &address).await;
    browser.open(callback.as_str()).await;
    let user = app.key(Role::User, &acme).await;
    let path = format!("/connections/{}/diagnose", connection.name);
    assert_eq!(Diagnosis::of(user.post(&path, json!({})).await).status, "pass");
    let workflow = app.key(Role::Workflow, &acme).await;
    workflow.post(&path, json!({})).await.problem(403, "forbidden");
    app.root().post(&path, json!({})).await.problem(404, "not-found");
    user.post(&format!("/connections/{}/diagnose", app.unique("none")), json!({}))
        .await
        .problem(404, "not-found");
}
