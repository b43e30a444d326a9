use bifrost_tests::{Role, TestApp, TestProvider, seconds_until};
use serde_json::json;

#[tokio::test]
async fn a_connection_tells_how_it_is_doing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    assert_eq!(app.show(&connection).await["status"], "not_connected");
    app.connect_url(&connection).await;
    assert_eq!(app.show(&connection).await["status"], "pending");
    app.connect_in_browser(&connection).await;
    let shown = app.show(&connection).await;
    assert_eq!((&shown["status"], &shown["has_refresh_token"]), (&json!("active"), &json!(true)));
    assert_eq!(shown["granted_scopes"], json!(["read", "offline_access"]));
    assert_eq!(shown["grants"], json!({"active": 1, "failing": 0, "reauthorize": 0}));
    let (expires, next) = (seconds_until(&shown["expires_at"]), seconds_until(&shown["next_refresh_at"]));
    assert!((3500..=3600).contains(&expires) && (1700..=2900).contains(&next), "{expires} {next}");
}

#[tokio::test]
async fn what_was_granted_is_told_apart_from_what_was_asked() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    provider.control().grant_scopes(&["read"]);
    let connection = app.connected(&provider).await;
    let shown = app.show(&connection).await;
    assert_eq!(shown["scopes"], json!(["read", "offline_access"]));
    assert_eq!(shown["granted_scopes"], json!(["read"]));
}

#[tokio::test]
async fn no_secret_is_shown_not_even_to_administrators() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let answer = app.root().get(&connection.path("")).await;
    assert!(!answer.text.contains(&provider.client_secret));
    assert!(provider.control().secrets_handed_out().iter().all(|secret| !answer.text.contains(secret)));
}

#[tokio::test]
async fn only_those_who_may_edit_see_a_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let own = app.connection(&app.unique("Halo"), &acme.id, &provider, json!({})).await;
    let user = app.key(Role::User, &acme).await;
    assert_eq!(user.get(&format!("/connections/{}", own.name)).await.expect(200)["name"], own.name.as_str());
    app.key(Role::Workflow, &acme).await.get(&own.path("")).await.problem(403, "forbidden");
    let stranger = app.key(Role::User, &globex).await;
    stranger.get(&own.path("")).await.problem(403, "scope-forbidden");
    stranger.get(&format!("/connections/{}", own.name)).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_lookup_for_editing_stays_in_its_scope() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let global = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let path = format!("/connections/{}?scope={}", global.name, acme.id);
    app.root().get(&path).await.problem(404, "not-found");
}
