use bifrost_local::provider::{Fault, RefreshTokens};
use bifrost_tests::{
    Browser, Connection, RETURN_TO_ORIGIN, SLIPPED_TOKEN, TestApp, TestProvider, allow, confirm, deny,
    sign_in,
};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

/// A browser that has signed in and stands before the callback, with the address that it was sent to.
async fn before_callback(app: &TestApp, connection: &Connection) -> (Browser, Url) {
    let link = app.connect_url(connection).await;
    let mut browser = Browser::new();
    let address = confirm(&mut browser, &link).await;
    let callback = allow(&mut browser, &address).await;
    (browser, callback)
}

async fn new_connection(app: &TestApp, provider: &TestProvider) -> Connection {
    app.connection(&app.unique("Halo"), "global", provider, json!({})).await
}

fn exchanges(provider: &TestProvider) -> usize {
    provider.control().token_requests().len()
}

fn with_query(url: &Url, change: impl Fn(&str, &str) -> Option<String>) -> String {
    let mut changed = url.clone();
    changed.set_query(None);
    for (name, value) in url.query_pairs() {
        if let Some(value) = change(&name, &value) {
            changed.query_pairs_mut().append_pair(&name, &value);
        }
    }
    changed.into()
}

#[tokio::test]
async fn a_good_callback_ends_on_a_page_without_secrets() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    let page = browser.open(callback.as_str()).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains(&connection.name), "{}", page.text);
    assert!(provider.control().secrets_handed_out().iter().all(|secret| !page.text.contains(secret)));
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!((page.header("cache-control"), page.header("referrer-policy")), ("no-store", "no-referrer"));
    assert_eq!((exchanges(&provider), &app.show(&connection).await["status"]), (1, &json!("active")));
}

#[tokio::test]
async fn a_callback_in_another_browser_is_refused_and_does_not_use_up_the_state() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    Browser::new().open(callback.as_str()).await.refuses();
    let (mut other, _) = before_callback(&app, &connection).await;
    other.open(callback.as_str()).await.refuses();
    assert_eq!(exchanges(&provider), 0);
    assert_eq!(browser.open(callback.as_str()).await.status, 200, "its own browser still can");
}

#[tokio::test]
async fn a_state_that_was_used_is_gone_and_exchanges_nothing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    let mut bare = Browser::new();
    assert_eq!(browser.open(callback.as_str()).await.status, 200);
    let reload = browser.open(callback.as_str()).await;
    assert_eq!(reload.status, 410, "{}", reload.text);
    assert!(reload.text.to_lowercase().contains("connected"), "a reload shows how it ended: {}", reload.text);
    bare.open(callback.as_str()).await.refuses();
    assert_eq!(exchanges(&provider), 1);
    let token = app.token(&connection).await.expect(200);
    assert_eq!(provider.me(&token["access_token"]).await["user"], "ada@example.com", "the grant is unharmed");
}

#[tokio::test]
async fn of_two_callbacks_at_once_one_exchanges() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    let mut copy = browser.clone();
    let (first, second) = tokio::join!(browser.open(callback.as_str()), copy.open(callback.as_str()));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!((statuses, exchanges(&provider)), ([200, 410], 1));
    assert_eq!(app.show(&connection).await["status"], "active");
}

#[tokio::test]
async fn a_code_is_taken_only_at_its_own_connections_address() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (meant, other) = (new_connection(&app, &provider).await, new_connection(&app, &provider).await);
    let (mut browser, callback) = before_callback(&app, &meant).await;
    let elsewhere = [
        other.created["redirect_uri"].as_str().unwrap().to_owned(),
        format!("{}/api/oauth/callback", app.url()),
    ];
    for address in elsewhere {
        let mut moved = Url::parse(&address).unwrap();
        moved.set_query(callback.query());
        browser.open(moved.as_str()).await.refuses();
    }
    assert_eq!(exchanges(&provider), 0);
    assert_eq!(browser.open(callback.as_str()).await.status, 200);
}

#[tokio::test]
async fn an_issuer_that_is_another_provider_is_refused() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.announces_issuer = true).await;
    let connection = new_connection(&app, &provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    let forged = with_query(&callback, |name, value| {
        Some(if name == "iss" { "https://evil.example".to_owned() } else { value.to_owned() })
    });
    browser.open(&forged).await.refuses();
    assert_eq!(exchanges(&provider), 0);
    assert_eq!(browser.open(callback.as_str()).await.status, 200);
}

#[tokio::test]
async fn a_callback_that_is_incomplete_or_made_up_is_refused() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    let without_state = with_query(&callback, |name, value| (name != "state").then(|| value.to_owned()));
    let other_state = with_query(&callback, |name, value| {
        Some(if name == "state" { "x".repeat(43) } else { value.to_owned() })
    });
    let bare = connection.created["redirect_uri"].as_str().unwrap().to_owned();
    for address in [without_state, other_state, bare] {
        browser.open(&address).await.refuses();
    }
    assert_eq!(exchanges(&provider), 0);
    let without_code = with_query(&callback, |name, value| (name != "code").then(|| value.to_owned()));
    browser.open(&without_code).await.refuses();
    assert_eq!(exchanges(&provider), 0);
}

#[tokio::test]
async fn a_providers_no_is_recorded_and_shown_with_its_fix_and_without_its_markup() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let address = confirm(&mut browser, &link).await;
    let callback = deny(&mut browser, &address).await;
    let marked_up = with_query(&callback, |name, value| match name {
        "error_description" => Some("<script>alert(1)</script>".to_owned()),
        _ => Some(value.to_owned()),
    });
    let page = browser.open(&marked_up).await;
    assert!(page.status >= 400 && !page.text.contains("<script>"), "{} {}", page.status, page.text);
    assert_eq!(exchanges(&provider), 0);
    let shown = app.show(&connection).await;
    assert_eq!(shown["last_error"]["code"], "access_denied", "{shown}");
    let fix = shown["last_error"]["fix"].as_str().unwrap();
    assert!(page.text.contains(&fix[..20]), "{fix} is not on {}", page.text);
    assert_ne!(shown["status"], "active");
    app.connect_in_browser(&connection).await;
    assert!(app.show(&connection).await["last_error"].is_null());
}

#[tokio::test]
async fn whoever_was_not_connected_finds_the_way_back_that_the_link_said() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let return_to = json!({"return_to": format!("{RETURN_TO_ORIGIN}/done?a=b&c=d")});
    let way_back = format!("href=\"{RETURN_TO_ORIGIN}/done?a=b&amp;c=d\"");
    for (asked, expected) in [(return_to, true), (json!({}), false)] {
        let link = app.connect_url_with(&connection, asked).await;
        let mut browser = Browser::new();
        let address = confirm(&mut browser, &link).await;
        let callback = deny(&mut browser, &address).await;
        let (refused, reload) =
            (browser.open(callback.as_str()).await, browser.open(callback.as_str()).await);
        assert_eq!(reload.status, 410, "{}", reload.text);
        for page in [refused, reload] {
            assert!(page.status >= 400 && page.text.contains(&way_back) == expected, "{}", page.text);
            assert_eq!(page.text.contains("Back</a>"), expected, "{}", page.text);
        }
    }
}

#[tokio::test]
async fn an_exchange_that_fails_is_recorded_and_shown_without_what_the_provider_said() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let bodies = [
        (
            401,
            format!(r#"{{"error": "invalid_client", "error_description": "got {SLIPPED_TOKEN}"}}"#),
            Some("invalid_client"),
        ),
        (500, SLIPPED_TOKEN.to_owned(), None),
        (200, format!(r#"{{"access_token": ["{SLIPPED_TOKEN}"]}}"#), None),
    ];
    for (status, body, code) in bodies {
        let (mut browser, callback) = before_callback(&app, &connection).await;
        provider.control().fail_next_token(Fault::answer(status, body));
        let page = browser.open(callback.as_str()).await;
        assert!(page.status >= 400 && !page.text.contains(SLIPPED_TOKEN), "{} {}", page.status, page.text);
        let shown = app.show(&connection).await;
        assert!(!shown.to_string().contains(SLIPPED_TOKEN), "{shown}");
        assert!(shown["last_error"]["fix"].is_string(), "{shown}");
        assert_ne!(shown["status"], "active");
        if let Some(code) = code {
            assert_eq!(shown["last_error"]["code"], code);
        }
    }
}

#[tokio::test]
async fn a_failed_reconnect_leaves_the_grant_that_works() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    provider.control().fail_next_token(Fault::answer(500, ""));
    assert!(browser.open(callback.as_str()).await.status >= 400);
    app.token(&connection).await.expect(200);
    assert_eq!(app.show(&connection).await["status"], "active");
}

#[tokio::test]
async fn without_a_refresh_token_the_page_warns() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let good = app.connect_in_browser(&connection).await;
    provider.control().set_refresh_tokens(RefreshTokens::Never);
    let warned = app.connect_in_browser(&connection).await;
    assert!(warned.text.contains("refresh token") && !good.text.contains("refresh token"), "{}", warned.text);
    assert_eq!(app.show(&connection).await["has_refresh_token"], false);
}

#[tokio::test]
async fn two_tabs_of_one_browser_do_not_disturb_each_other() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (first, second) = (new_connection(&app, &provider).await, new_connection(&app, &provider).await);
    let mut browser = Browser::new();
    let mut callbacks = Vec::new();
    for connection in [&first, &second] {
        let address = confirm(&mut browser, &app.connect_url(connection).await).await;
        callbacks.push(allow(&mut browser, &address).await);
    }
    for callback in &callbacks {
        assert_eq!(browser.open(callback.as_str()).await.status, 200);
    }
    let statuses = [app.show(&first).await["status"].clone(), app.show(&second).await["status"].clone()];
    assert_eq!(statuses, ["active", "active"]);
}

#[tokio::test]
async fn connecting_again_replaces_the_tokens_and_counts_on() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let old = app.token(&connection).await.expect(200);
    app.connect_in_browser(&connection).await;
    let new = app.token(&connection).await.expect(200);
    assert_eq!((&new["generation"], &new["grant_id"]), (&json!(2), &old["grant_id"]));
    assert_ne!(new["access_token"], old["access_token"]);
}

#[tokio::test]
async fn a_connection_of_an_old_registration_comes_back_to_the_shared_address() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection =
        app.connection(&app.unique("Old"), "global", &provider, json!({"callback": "shared"})).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    assert_eq!(callback.path(), "/api/oauth/callback");
    assert_eq!(browser.open(callback.as_str()).await.status, 200);
}

#[tokio::test]
async fn an_organizations_connection_comes_back_to_its_own_address() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connection(&app.unique("Halo PSA"), &acme.id, &provider, json!({})).await;
    let page = sign_in(&mut Browser::new(), &app.connect_url(&connection).await).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(app.show(&connection).await["expires_at"] != Value::Null);
}

#[tokio::test]
async fn a_sign_in_to_a_connection_that_changed_meanwhile_exchanges_nothing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    let elsewhere = json!({"token_url": provider.url("/elsewhere/token")}).to_string();
    app.root().send(Method::PATCH, &connection.path(""), Some(elsewhere)).await.expect(200);
    browser.open(callback.as_str()).await.refuses();
    assert_eq!(exchanges(&provider), 0);
}

#[tokio::test]
async fn a_name_used_again_adopts_neither_the_grant_nor_the_sign_in_of_its_predecessor() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let (mut browser, callback) = before_callback(&app, &connection).await;
    let exchanged = exchanges(&provider);
    app.root().delete(&format!("{}&force=true", connection.path(""))).await.expect(204);
    app.token(&connection).await.problem(404, "not-found");
    let successor = app.connection(&connection.name, "global", &provider, json!({})).await;
    assert_eq!(app.show(&successor).await["status"], "not_connected");
    app.token(&successor).await.problem(409, "not-connected");
    browser.open(callback.as_str()).await.refuses();
    assert_eq!(exchanges(&provider), exchanged);
    app.token(&successor).await.problem(409, "not-connected");
}
