use std::time::Duration;

use bifrost_tests::{Answer, Connection, Role, TestApp, TestProvider, pause, with};
use serde_json::{Value, json};

async fn disconnect(app: &TestApp, connection: &Connection) -> Answer {
    app.root().post(&connection.path("/disconnect"), json!({})).await
}

/// A connection whose provider revokes at this address, connected.
async fn revoked_at(app: &TestApp, provider: &TestProvider, url: Value) -> Connection {
    let connection =
        app.connection(&app.unique("Halo"), "global", provider, json!({"revocation_url": url})).await;
    app.connect_in_browser(&connection).await;
    connection
}

#[tokio::test]
async fn the_grant_is_forgotten_here_and_revoked_there() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let token = app.token(&connection).await.expect(200);
    let answer = disconnect(&app, &connection).await.expect(200);
    assert_eq!(
        answer,
        json!({"connection_name": connection.name, "grant_id": token["grant_id"],
               "status": "not_connected", "revoked": true})
    );
    assert!(provider.me(&token["access_token"]).await.is_null());
    app.token(&connection).await.problem(409, "not-connected");
    let shown = app.show(&connection).await;
    assert_eq!(
        (&shown["status"], &shown["has_refresh_token"], &shown["expires_at"]),
        (&json!("not_connected"), &json!(false), &Value::Null)
    );
}

#[tokio::test]
async fn connecting_again_counts_on_in_a_grant_that_works() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    disconnect(&app, &connection).await.expect(200);
    app.connect_in_browser(&connection).await;
    let token = app.token(&connection).await.expect(200);
    assert!(token["generation"].as_u64().unwrap() > 1, "{token}");
    assert_eq!(provider.me(&token["access_token"]).await["user"], "ada@example.com");
}

#[tokio::test]
async fn there_is_nothing_to_disconnect_before_a_sign_in_nor_twice() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    disconnect(&app, &connection).await.problem(404, "not-found");
    app.connect_in_browser(&connection).await;
    disconnect(&app, &connection).await.expect(200);
    disconnect(&app, &connection).await.problem(404, "not-found");
    assert_eq!(provider.control().revocation_count(), 1);
    app.root()
        .post("/connections/Nothing/disconnect?scope=global", json!({}))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_provider_that_refuses_or_can_not_revoke_does_not_keep_the_grant_here() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let refusing = revoked_at(&app, &provider, json!(provider.url("/nowhere"))).await;
    let unable = revoked_at(&app, &provider, Value::Null).await;
    for (connection, revoked) in [(refusing, json!(false)), (unable, Value::Null)] {
        let answer = disconnect(&app, &connection).await.expect(200);
        assert_eq!((&answer["status"], &answer["revoked"]), (&json!("not_connected"), &revoked));
        app.token(&connection).await.problem(409, "not-connected");
    }
}

#[tokio::test]
async fn a_provider_that_is_gone_does_not_keep_the_grant_here() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    provider.stop().await;
    assert_eq!(disconnect(&app, &connection).await.expect(200)["revoked"], false);
    app.token(&connection).await.problem(409, "not-connected");
}

#[tokio::test]
async fn tokens_that_arrive_after_the_disconnect_are_revoked_and_not_kept() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    provider.control().delay_token(Duration::from_secs(2));
    let refresh = {
        let (root, path) = (app.root(), connection.path("/refresh"));
        tokio::spawn(async move { root.post(&path, json!({})).await })
    };
    while provider.control().token_request_count("refresh_token") == 0 {
        pause(20).await;
    }
    disconnect(&app, &connection).await.expect(200);
    let late = refresh.await.unwrap();
    assert_ne!(late.status, 200, "{}", late.text);
    assert_eq!(app.show(&connection).await["status"], "not_connected");
    app.token(&connection).await.problem(409, "not-connected");
    assert_eq!(provider.control().revocation_count(), 2, "the old refresh token, and the late one");
}

#[tokio::test]
async fn a_client_that_speaks_for_itself_stays_silent_until_it_is_edited() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/common/token")});
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    app.token(&connection).await.expect(200);
    disconnect(&app, &connection).await.expect(200);
    for _ in 0..2 {
        app.token(&connection).await.problem(409, "not-connected");
    }
    assert_eq!(provider.control().token_request_count("client_credentials"), 1);
    app.root().patch(&connection.path(""), json!({"description": "on again"})).await.expect(200);
    app.token(&connection).await.expect(200);
    assert_eq!(provider.control().token_request_count("client_credentials"), 2);
}

#[tokio::test]
async fn an_organizations_own_grant_on_a_global_connection_goes_alone() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    let of_acme = format!("/connections/{}/token?scope={}", connection.name, acme.id);
    let own = app.root().get(&of_acme).await.expect(200);
    let shared = app.token(&connection).await.expect(200);
    let path = format!("{}&organization_id={}", connection.path("/disconnect"), acme.id);
    let answer = app.root().post(&path, json!({})).await.expect(200);
    assert_eq!(answer["grant_id"], own["grant_id"]);
    assert!(provider.me(&own["access_token"]).await.is_null());
    assert!(provider.me(&shared["access_token"]).await.is_object());
    let now = app.root().get(&of_acme).await.expect(200);
    assert_eq!(now["grant_id"], shared["grant_id"]);
    app.root().post(&path, json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn disconnecting_is_for_those_who_may_connect_there() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let global = app.connected(&provider).await;
    app.connect_for(&global, &acme).await;
    let own = app.connection(&app.unique("Own"), &acme.id, &provider, json!({})).await;
    app.connect_in_browser(&own).await;
    let (user, workflow, stranger) = (
        app.key(Role::User, &acme).await,
        app.key(Role::Workflow, &acme).await,
        app.key(Role::User, &globex).await,
    );
    let of_acme = format!("/connections/{}/disconnect?organization_id={}", global.name, acme.id);
    user.post(&global.path("/disconnect"), json!({})).await.problem(403, "scope-forbidden");
    for path in [&own.path("/disconnect"), &of_acme] {
        workflow.post(path, json!({})).await.problem(403, "forbidden");
        stranger.post(path, json!({})).await.problem(403, "scope-forbidden");
        user.post(path, json!({})).await.expect(200);
    }
    app.token(&global).await.expect(200);
}
