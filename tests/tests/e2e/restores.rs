//! The data table as it was some time ago, as after a restore to a point in time: the grants in it may have been spent
//! since, and what was taken away is back.

use std::time::Duration;

use bifrost_local::provider::RefreshTokens;
use bifrost_tests::{Connection, DATA, Role, TestApp, TestProvider, pause, with};
use serde_json::json;
use uuid::Uuid;

async fn provider(refresh_tokens: RefreshTokens) -> TestProvider {
    TestProvider::with(|options| {
        options.access_token_lifetime = Duration::from_secs(3);
        options.refresh_tokens = refresh_tokens;
    })
    .await
}

async fn minted(app: &TestApp, provider: &TestProvider) -> Connection {
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    app.token(&connection).await.expect(200);
    connection
}

#[tokio::test]
async fn restored_grants_heal_or_say_that_they_need_a_person_and_serve_nothing_expired() {
    let app = TestApp::alone().await;
    let rotating = provider(RefreshTokens::Rotated).await;
    let forgiving = provider(RefreshTokens::RotatedWithGrace(Duration::from_secs(600))).await;
    let keeping = provider(RefreshTokens::Kept).await;
    let spent = app.connected(&rotating).await;
    let heals =
        [app.connected(&forgiving).await, app.connected(&keeping).await, minted(&app, &keeping).await];
    let mut restored = Vec::new();
    for connection in heals.iter().chain([&spent]) {
        restored.push(app.token(connection).await.expect(200)["access_token"].clone());
    }
    let copy = app.stack().items(DATA).await;
    for connection in heals.iter().chain([&spent]) {
        app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    }
    app.stack().restore(DATA, &copy).await;
    pause(3_100).await;

    for (connection, provider, restored) in [(0, &forgiving), (1, &keeping), (2, &keeping)]
        .map(|(n, provider)| (&heals[n], provider, &restored[n]))
    {
        let token = app.token(connection).await.expect(200);
        assert_ne!(token["access_token"], *restored, "{token}");
        assert!(!provider.me(&token["access_token"]).await.is_null(), "{token}");
        assert_eq!(app.show(connection).await["status"], "active");
    }

    // The provider takes the second use of a refresh token for a thief's, and says so.
    let problem = app.token(&spent).await.problem(409, "reauthorize");
    assert!(problem["detail"].as_str().unwrap().contains("invalid_grant"), "{problem}");
    let shown = app.show(&spent).await;
    assert_eq!(
        (&shown["status"], &shown["last_error"]["code"]),
        (&json!("reauthorize"), &json!("invalid_grant"))
    );
    let tried = rotating.control().token_request_count("refresh_token");
    app.sweep().await;
    app.token(&spent).await.problem(409, "reauthorize");
    assert_eq!(rotating.control().token_request_count("refresh_token"), tried, "it is tried no more");
    app.connect_in_browser(&spent).await;
    let token = app.token(&spent).await.expect(200);
    assert!(!rotating.me(&token["access_token"]).await.is_null(), "{token}");
}

#[tokio::test]
async fn the_sweep_after_a_restore_finds_out_which_grants_need_a_person() {
    let app = TestApp::alone().await;
    let (rotating, keeping) = (
        TestProvider::start().await,
        TestProvider::with(|options| options.refresh_tokens = RefreshTokens::Kept).await,
    );
    let (spent, kept, left) =
        (app.connected(&rotating).await, app.connected(&keeping).await, app.connected(&keeping).await);
    let copy = app.stack().items(DATA).await;
    for connection in [&spent, &kept] {
        app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    }
    app.root().post(&left.path("/disconnect"), json!({})).await.expect(200);
    app.stack().restore(DATA, &copy).await;
    app.stack().change_items(DATA, "refresh_at", json!({"N": "1"})).await;
    let report = app.sweep().await;
    assert_eq!((&report["refreshed"], &report["failed"]), (&json!(1), &json!(2)), "{report}");
    let status = async |connection| app.show(connection).await["status"].clone();
    assert_eq!(status(&spent).await, "reauthorize");
    assert_eq!(status(&kept).await, "active");
    assert_eq!(status(&left).await, "reauthorize", "it was revoked at the provider when it was disconnected");
}

#[tokio::test]
async fn a_revoked_key_that_a_restore_brings_back_is_listed_and_can_be_revoked_again() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    let (kept, revoked) = (app.key(Role::Workflow, &acme).await, app.key(Role::User, &acme).await);
    let id: Uuid = revoked.key().split('_').nth(1).unwrap().parse().unwrap();
    let copy = app.stack().items(DATA).await;
    app.root().delete(&format!("/keys/{id}")).await.expect(204);
    let late = app.key(Role::Workflow, &acme).await;
    app.stack().restore(DATA, &copy).await;

    late.get("/integrations").await.gateway(403, "Forbidden");
    // This is why the steps after a restore name the keys that had been revoked.
    revoked.get("/integrations").await.expect(200);
    let listed = app.root().get(&format!("/keys?scope={}", acme.id)).await.expect(200);
    let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(|key| key["id"].clone()).collect();
    assert_eq!(ids.len(), 2, "{listed}");
    assert!(ids.contains(&json!(id)), "{listed}");
    app.root().delete(&format!("/keys/{id}")).await.expect(204);
    // Under a spelling that the gateway has not seen.
    app.with_key(&format!(" {}", revoked.key())).get("/integrations").await.gateway(403, "Forbidden");
    kept.get("/integrations").await.expect(200);
}
