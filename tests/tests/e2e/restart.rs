//! A stack that dies without warning and comes back finds everything as it was.

use std::time::Duration;

use bifrost_tests::{Folder, Role, TestApp, TestProvider, pause};
use serde_json::json;

#[tokio::test]
async fn a_killed_stack_comes_back_with_its_data_its_keys_and_tokens_that_open() {
    let folder = Folder::new();
    let provider = TestProvider::start().await;
    let app = TestApp::with_data(folder.path()).await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let body = json!({"connection": connection.name, "config_schema": schema, "defaults": {"api_key": "sk-default"}});
    let integration = app.integration("Halo", body).await;
    app.map(&integration, &acme, json!({"entity_id": "42"})).await;
    let workflow = app.key(Role::Workflow, &acme).await.key().to_owned();
    let root = app.root().key().to_owned();
    let before = app.token(&connection).await.expect(200);
    app.kill().await;

    let app = TestApp::with_data(folder.path()).await;
    assert_eq!(app.root().key(), root);
    let after = app.token(&connection).await.expect(200);
    assert_eq!(
        (&after["access_token"], &after["generation"]),
        (&before["access_token"], &before["generation"])
    );
    let resolved = app.resolve(&app.with_key(&workflow), &integration, &acme.id).await;
    assert_eq!(
        (&resolved["entity_id"], &resolved["config"]["api_key"]),
        (&json!("42"), &json!("sk-default"))
    );
    assert_eq!(resolved["oauth"]["access_token"], before["access_token"]);
    let refreshed = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    assert_eq!(refreshed["generation"], 2);
}

#[tokio::test]
async fn a_stack_killed_during_an_exchange_is_usable_again_when_the_lease_has_lapsed() {
    let folder = Folder::new();
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let app = TestApp::with_data(folder.path()).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    // The provider never hears of it: the request is held back before anything is done.
    let hold = Duration::from_secs(5);
    provider.control().hold_token(hold);
    let (root, path) = (app.root(), connection.path("/token"));
    let waiting = tokio::spawn(async move { root.try_get(&path).await });
    pause(1_500).await;
    app.kill().await;
    let cut_off = waiting.await.unwrap().is_none_or(|answer| answer.status >= 500);
    assert!(cut_off, "a caller of a dead stack got an answer");
    provider.control().hold_token(Duration::ZERO);

    let app = TestApp::with_data(folder.path()).await;
    let mut answer = app.token(&connection).await;
    for _ in 0..20 {
        if answer.status == 200 {
            break;
        }
        pause(2_000).await;
        answer = app.token(&connection).await;
    }
    assert_eq!(answer.expect(200)["generation"], 2);
}
