//! The refresher: what it finds due, what it leaves alone, and what it reports.

use std::time::Duration;

use bifrost_local::provider::Fault;
use bifrost_tests::{TestApp, TestProvider, pause, with};
use serde_json::{Value, json};

/// A provider whose tokens live for so many seconds; they are due after half of them.
async fn brief(seconds: u64) -> TestProvider {
    TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(seconds)).await
}

fn counts(report: &Value) -> [u64; 5] {
    ["due", "refreshed", "failed", "skipped", "remaining"].map(|count| report[count].as_u64().unwrap())
}

#[tokio::test]
async fn a_due_grant_is_refreshed_once_and_reported() {
    let app = TestApp::alone().await;
    let provider = brief(12).await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    let lasting = app.connected(&TestProvider::start().await).await;
    assert_eq!(counts(&app.sweep().await), [0, 0, 0, 0, 0], "nothing is due before half the lifetime");
    pause(6_500).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    assert_eq!(counts(&app.sweep().await), [2, 2, 0, 0, 0]);
    assert_eq!(counts(&app.sweep().await), [0, 0, 0, 0, 0]);
    assert_eq!(provider.control().token_request_count("refresh_token"), 2);
    assert_eq!(app.token(&connection).await.expect(200)["generation"], 2);
    assert_eq!(app.token(&lasting).await.expect(200)["generation"], 1);
    assert!(app.show(&connection).await["last_refresh_at"].is_string());
}

#[tokio::test]
async fn one_provider_in_trouble_does_not_stop_the_others() {
    let app = TestApp::alone().await;
    let (good, down, revoked) = (brief(4).await, brief(4).await, brief(4).await);
    let healthy = app.connected(&good).await;
    let failing = app.connected(&down).await;
    let dead = app.connected(&revoked).await;
    let token = app.token(&dead).await.expect(200);
    revoked.control().revoke_family(token["access_token"].as_str().unwrap());
    down.control().fail_next_token(Fault::answer(503, "{}"));
    good.control().set_access_token_lifetime(Duration::from_secs(3600));
    pause(2_500).await;
    assert_eq!(counts(&app.sweep().await), [3, 1, 2, 0, 0]);
    let status = async |connection| app.show(connection).await["status"].clone();
    assert_eq!(status(&healthy).await, "active");
    assert_eq!(status(&failing).await, "failing");
    assert_eq!(status(&dead).await, "reauthorize");
    let (tried, buried) = (down.control().token_requests().len(), revoked.control().token_requests().len());
    app.sweep().await;
    assert_eq!(down.control().token_requests().len(), tried, "a failed grant waits for its next attempt");
    assert_eq!(revoked.control().token_requests().len(), buried, "a dead grant is not tried again");
}

#[tokio::test]
async fn a_sweep_and_requests_at_once_spend_the_token_once() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let connection = app.connected(&provider).await;
    pause(4_100).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_millis(500));
    let (_, first, second) = tokio::join!(app.sweep(), app.token(&connection), app.token(&connection));
    assert_eq!(first.expect(200)["generation"], 2);
    assert_eq!(second.expect(200)["generation"], 2);
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn what_is_minted_on_demand_is_not_swept() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    app.token(&connection).await.expect(200);
    pause(2_500).await;
    assert_eq!(counts(&app.sweep().await), [0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn sweeps_that_overlap_spend_every_token_once() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(app.connected(&provider).await);
    }
    pause(2_500).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_millis(500));
    let reports = tokio::join!(app.sweep(), app.sweep(), app.sweep());
    for report in [&reports.0, &reports.1, &reports.2] {
        let [due, refreshed, failed, skipped, remaining] = counts(report);
        assert_eq!((due, failed, remaining), (refreshed + skipped, 0, 0), "{report}");
    }
    assert_eq!(provider.control().token_request_count("refresh_token"), 3);
    for connection in &connections {
        assert_eq!(app.token(connection).await.expect(200)["generation"], 2);
    }
}
