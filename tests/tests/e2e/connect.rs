//! The page behind a connect link, and everything that must not get past it.

use std::collections::HashMap;

use bifrost_tests::{Browser, Page, RETURN_TO_ORIGIN, TestApp, TestProvider, confirm, pause, sign_in};
use serde_json::json;
use url::Url;

/// A page that shows nothing to frames, caches or the next site.
#[track_caller]
fn is_guarded(page: &Page) {
    let policy = page.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert_eq!(page.header("cache-control"), "no-store");
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    assert!(page.header("content-type").starts_with("text/html"), "{}", page.header("content-type"));
}

#[tokio::test]
async fn the_page_tells_what_is_connected_and_for_whom_and_hides_nothing_behind_markup() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("<b>Acme</b> & Söhne").await;
    let connection = app.connection(&app.unique("Halo PSA"), "global", &provider, json!({})).await;
    let link = app.connect_url_with(&connection, json!({"organization_id": acme.id})).await;
    let page = Browser::new().open(&link).await;
    is_guarded(&page);
    assert!(page.text.contains(&connection.name), "{}", page.text);
    assert!(page.text.contains("&lt;b&gt;Acme&lt;/b&gt; &amp; Söhne"), "{}", page.text);
    assert!(page.text.contains("Continue"), "{}", page.text);
}

#[tokio::test]
async fn opening_the_link_does_nothing_however_often() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let link = app.connect_url(&connection).await;
    for _ in 0..3 {
        let scanned = Browser::new().open(&link).await;
        assert_eq!((scanned.status, scanned.header("location")), (200, ""));
    }
    let page = sign_in(&mut Browser::new(), &link).await;
    assert_eq!(page.status, 200, "{}", page.text);
}

#[tokio::test]
async fn the_cookie_is_for_this_host_and_no_script() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let page = Browser::new().open(&app.connect_url(&connection).await).await;
    let cookie = page.header("set-cookie").to_lowercase();
    assert!(
        cookie.contains("httponly") && cookie.contains("samesite=lax") && cookie.contains("path=/"),
        "{cookie}"
    );
    assert!(!cookie.contains("domain="), "{cookie}");
}

#[tokio::test]
async fn continuing_needs_the_cookie_and_the_token_of_the_same_page() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let page = browser.open(&link).await;
    let form = page.form();

    Browser::new().submit(&page, &form).await.refuses();
    let (hidden, _) = form.fields.iter().find(|(_, value)| !value.is_empty()).unwrap().clone();
    browser.submit(&page, &form.clone().set(&hidden, "wrong")).await.refuses();
    browser.submit(&page, &form.clone().set(&hidden, "")).await.refuses();
    let mut attacker = Browser::new();
    let attackers = attacker.open(&link).await;
    browser.submit(&page, &attackers.form()).await.refuses();
    for foreign in ["https://evil.example", "null", "http://localhost:1"] {
        let mut crossed = browser.clone();
        crossed.origin = Some(foreign.to_owned());
        crossed.submit(&page, &form).await.refuses();
    }
    assert_eq!(browser.submit(&page, &form).await.status, 303, "the page itself still works");
}

#[tokio::test]
async fn the_provider_is_asked_for_exactly_what_the_connection_says() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let changes = json!({
        "authorization_url": provider.url("/authorize?tenant=a%20b&prompt=login"), "audience": "https://api.example.com",
        "authorize_params": {"access_type": "offline"}, "scopes": ["read", "https://x.example/.default"],
    });
    let connection = app.connection(&app.unique("Halo"), "global", &provider, changes).await;
    let link = app.connect_url(&connection).await;
    let address = confirm(&mut Browser::new(), &link).await;
    assert!(address.as_str().starts_with(&provider.url("/authorize?")), "{address}");
    let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
    let query: HashMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(query.len(), pairs.len(), "a parameter comes twice: {address}");
    let expected = [
        ("tenant", "a b"),
        ("prompt", "login"),
        ("audience", "https://api.example.com"),
        ("access_type", "offline"),
        ("response_type", "code"),
        ("client_id", &provider.client_id),
        ("code_challenge_method", "S256"),
        ("redirect_uri", connection.created["redirect_uri"].as_str().unwrap()),
        ("scope", "read https://x.example/.default"),
    ];
    for (name, value) in expected {
        assert_eq!(query[name], value, "{name}");
    }
    assert_eq!(query["code_challenge"].len(), 43);
    assert!(query["state"].len() >= 43, "256 bits take 43 characters: {}", query["state"]);
    assert!(!address.as_str().contains(&provider.client_secret));
}

#[tokio::test]
async fn every_continue_has_its_own_state_verifier_and_cookie() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let (first, second) = (confirm(&mut browser, &link).await, confirm(&mut browser, &link).await);
    let value =
        |address: &Url, name: &str| address.query_pairs().find(|(n, _)| n == name).unwrap().1.into_owned();
    for name in ["state", "code_challenge"] {
        assert_ne!(value(&first, name), value(&second, name), "{name}");
    }
    let callback = Url::parse(connection.created["redirect_uri"].as_str().unwrap()).unwrap();
    let names = browser.cookie_names(&callback);
    assert!(names.len() >= 2, "{names:?}");
}

#[tokio::test]
async fn a_link_that_expired_was_used_or_was_never_given_leads_nowhere() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let brief = app.connect_url_with(&connection, json!({"valid_for": 5})).await;
    let mut browser = Browser::new();
    let open_in_time = browser.open(&brief).await;
    assert_eq!(open_in_time.status, 200);
    pause(5_100).await;
    Browser::new().open(&brief).await.refuses();
    browser.submit(&open_in_time, &open_in_time.form()).await.refuses();
    let used = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let page = browser.open(&used).await;
    assert_eq!(sign_in(&mut browser, &used).await.status, 200);
    browser.submit(&page, &page.form()).await.refuses();
    let after = Browser::new().open(&used).await;
    after.refuses();
    is_guarded(&after);
    Browser::new().open(&format!("{}/connect/never-given", app.url())).await.refuses();
}

#[tokio::test]
async fn a_person_is_sent_back_to_where_the_link_said() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let return_to = format!("{RETURN_TO_ORIGIN}/done?tab=oauth");
    let link = app.connect_url_with(&connection, json!({"return_to": return_to})).await;
    let page = sign_in(&mut Browser::new(), &link).await;
    assert!(page.location().as_str().starts_with(&return_to), "{}", page.location());
    assert_eq!(app.show(&connection).await["status"], "active");
}

#[tokio::test]
async fn a_provider_that_can_not_do_pkce_is_not_asked_to() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.pkce_required = false).await;
    let connection = app.connection(&app.unique("Old"), "global", &provider, json!({"pkce": false})).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let address = confirm(&mut browser, &link).await;
    assert!(address.query_pairs().all(|(name, _)| !name.starts_with("code_challenge")), "{address}");
    app.connect_in_browser(&connection).await;
}
