//! KMS turns calls away when the account makes too many: what a caller is told, and what whoever looks after it.

use std::sync::atomic::{AtomicUsize, Ordering};

use bifrost_local::Fault;
use bifrost_tests::{RunningStack, TestApp, TestProvider};
use serde_json::{Value, json};

/// Lets the first so many calls of this operation be throttled.
fn throttle(app: &TestApp, operation: &'static str, calls: usize) {
    let left = AtomicUsize::new(calls);
    app.stack().set_fault_hook(move |call| {
        let take = |left: usize| left.checked_sub(1);
        let throttled = call.operation == operation
            && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok();
        throttled.then(Fault::throttled)
    });
}

/// The lines that count throttled calls, which are so many.
async fn counted(stack: &RunningStack, metric: &str, lines: usize) -> Vec<Value> {
    let found = stack.metrics(metric, lines).await;
    assert_eq!(found.len(), lines, "{found:?}");
    found
}

#[tokio::test]
async fn a_call_that_kms_throttles_is_tried_again_and_counted() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    throttle(&app, "Decrypt", 1);
    app.token(&connection).await.expect(200);
    let lines = counted(app.stack(), "KmsThrottles", 1).await;
    let definition = &lines[0]["_aws"]["CloudWatchMetrics"][0];
    assert_eq!(definition["Namespace"], "Bifrost");
    assert_eq!(definition["Dimensions"], json!([["stack"], ["stack", "function"]]));
    assert_eq!(definition["Metrics"], json!([{"Name": "KmsThrottles", "Unit": "Count"}]));
    assert_eq!((&lines[0]["KmsThrottles"], &lines[0]["stack"]), (&json!(1), &json!("bifrost-local")));
    assert!(lines[0]["function"].as_str().unwrap().contains("ConnectionsToken"), "{lines:?}");

    let acme = app.organization("Acme").await;
    throttle(&app, "GenerateDataKey", 1);
    app.connection("own", &acme.id, &provider, json!({})).await;
    let lines = counted(app.stack(), "KmsThrottles", 2).await;
    assert!(lines[1]["function"].as_str().unwrap().contains("ConnectionsCreate"), "{lines:?}");
}

#[tokio::test]
async fn while_kms_throttles_every_try_requests_are_asked_to_come_again_and_every_try_is_counted() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    throttle(&app, "Decrypt", usize::MAX);
    let told = app.token(&connection).await;
    assert!(told.headers.contains_key("retry-after"), "{told:?}");
    told.problem(503, "unavailable");
    counted(app.stack(), "KmsThrottles", 3).await;
    app.stack().end_faults();
    app.token(&connection).await.expect(200);
    counted(app.stack(), "KmsThrottles", 3).await;
}

#[tokio::test]
async fn other_trouble_of_kms_is_not_counted_as_throttling() {
    let app = TestApp::alone().await;
    let connection = app.connected(&TestProvider::start().await).await;
    app.stack().set_fault_hook(|call| (call.operation == "Decrypt").then(Fault::internal));
    app.token(&connection).await.problem(503, "unavailable");
    app.stack().end_faults();
    app.token(&connection).await.expect(200);
    counted(app.stack(), "KmsThrottles", 0).await;
}

#[tokio::test]
async fn a_client_secret_that_secrets_manager_throttles_is_read_again_and_counted() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let name = "bifrost/connections/halo";
    app.stack().put_secret(name, &provider.client_secret).await;
    throttle(&app, "GetSecretValue", 1);
    let by_reference = json!({"client_secret": null, "client_secret_ref": name});
    let connection = app.connection("Halo", "global", &provider, by_reference).await;
    app.connect_in_browser(&connection).await;
    let lines = counted(app.stack(), "SecretsManagerThrottles", 1).await;
    assert_eq!(lines[0]["stack"], "bifrost-local", "{lines:?}");
}
