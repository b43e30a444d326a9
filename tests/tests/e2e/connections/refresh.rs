use std::time::Duration;

use bifrost_local::provider::Fault;
use bifrost_tests::{Role, TestApp, TestProvider, all_at_once, pause};
use serde_json::json;

#[tokio::test]
async fn an_administrator_forces_a_new_token() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let old = app.token(&connection).await.expect(200);
    let new = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    assert_eq!((&new["generation"], &new["grant_id"]), (&json!(2), &old["grant_id"]));
    assert_ne!(new["access_token"], old["access_token"]);
    assert_eq!(app.token(&connection).await.expect(200)["access_token"], new["access_token"]);
    assert!(new.get("refresh_token").is_none(), "{new}");
}

#[tokio::test]
async fn a_hundred_workflows_that_saw_the_same_token_refused_cause_one_exchange() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let path = format!("/connections/{}/refresh", connection.name);
    provider.control().delay_token(Duration::from_millis(300));
    let calls = (0..100).map(|_| {
        let (workflow, path) = (workflow.clone(), path.clone());
        async move { workflow.post(&path, json!({"generation": 1})).await.expect(200)["generation"].clone() }
    });
    assert!(all_at_once(calls).await.iter().all(|generation| *generation == 2));
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn a_generation_that_is_past_gets_the_current_token() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let path = connection.path("/refresh");
    let second = app.root().post(&path, json!({"generation": 1})).await.expect(200);
    let late = app.root().post(&path, json!({"generation": 1})).await.expect(200);
    assert_eq!((&late["generation"], &late["access_token"]), (&json!(2), &second["access_token"]));
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn who_may_not_edit_must_say_what_was_refused_and_forces_one_exchange_in_half_a_minute() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    let path = format!("/connections/{}/refresh", connection.name);
    for caller in [app.key(Role::Workflow, &acme).await, app.key(Role::User, &acme).await] {
        caller.post(&path, json!({})).await.invalid(&["generation"]);
    }
    let workflow = app.key(Role::Workflow, &acme).await;
    workflow.post(&path, json!({"generation": 1})).await.expect(200);
    let again = workflow.post(&path, json!({"generation": 2})).await.expect(200);
    assert_eq!(again["generation"], 2);
    assert!(again["warning"].as_str().is_some_and(|warning| !warning.is_empty()), "{again}");
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn a_refresh_that_fails_is_no_success() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    provider.control().fail_next_token(Fault::answer(500, "{}"));
    app.root().post(&connection.path("/refresh"), json!({})).await.problem(409, "provider-unavailable");
}

#[tokio::test]
async fn a_failed_refresh_of_a_good_token_returns_it_with_a_warning() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    provider.control().fail_next_token(Fault::answer(500, "{}"));
    let kept = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    assert_eq!(kept["generation"], 1);
    assert!(kept["warning"].is_string(), "{kept}");
    assert_eq!(provider.me(&kept["access_token"]).await["user"], "ada@example.com");
}

#[tokio::test]
async fn only_the_fields_of_a_refresh_are_taken() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let body = json!({"generation": "1", "force": true, "grant_id": "x"});
    app.root().post(&connection.path("/refresh"), body).await.invalid(&["force", "generation", "grant_id"]);
    let foreign = json!({"grant_id": uuid::Uuid::new_v4(), "generation": 1});
    let answer = app.root().post(&connection.path("/refresh"), foreign).await;
    assert!(answer.status == 200 || (400..500).contains(&answer.status), "{}", answer.text);
    assert_eq!(
        provider.control().token_request_count("refresh_token"),
        0,
        "another grant's generation was refused"
    );
}

#[tokio::test]
async fn a_refresh_that_ends_after_a_reconnect_changes_nothing_and_is_revoked() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_secs(4));
    let reconnect = async {
        while provider.control().token_request_count("refresh_token") == 0 {
            pause(50).await;
        }
        provider.control().delay_token(Duration::ZERO);
        app.connect_in_browser(&connection).await;
        app.token(&connection).await.expect(200)
    };
    let (late, new) = tokio::join!(app.token(&connection), reconnect);
    assert_eq!(new["generation"], 2);
    assert_eq!(late.expect(200)["access_token"], new["access_token"]);
    let after = app.token(&connection).await.expect(200);
    assert_eq!((&after["access_token"], &after["generation"]), (&new["access_token"], &new["generation"]));
    assert_eq!(provider.control().revocation_count(), 1, "what the late answer brought");
    assert_eq!(provider.me(&after["access_token"]).await["user"], "ada@example.com");
}
