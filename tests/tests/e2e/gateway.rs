//! What the gateway answers by itself, in AWS's own shape.

use bifrost_tests::{Role, TestApp, http};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn without_a_key_nothing_is_answered() {
    let app = TestApp::shared().await;
    for path in ["/integrations/x", "/connections", "/organizations", "/connections/x/token"] {
        app.anonymous().get(path).await.gateway(401, "Unauthorized");
    }
    app.anonymous().post("/keys", json!({})).await.gateway(401, "Unauthorized");
}

#[tokio::test]
async fn a_key_that_is_not_known_is_forbidden_whatever_it_looks_like() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let real = app.key(Role::Workflow, &acme).await.key().to_owned();
    let last = if real.ends_with('0') { "1" } else { "0" };
    let almost = format!("{}{last}", &real[..real.len() - 1]);
    let shorter = &real[..real.len() - 1];
    let root = app.root().key().to_owned();
    let almost_root = format!("{}!", &root[..root.len() - 1]);
    let no_id = "bfk__secret";
    for key in [almost.as_str(), shorter, &almost_root, "bfk_root_", no_id, "bfk_root", "rubbish", "bfk_x_y"]
    {
        app.with_key(key).get("/integrations/x").await.gateway(403, "Forbidden");
    }
}

#[tokio::test]
async fn a_route_that_is_not_there_is_not_found_for_anyone() {
    let app = TestApp::shared().await;
    app.root().get("/").await.gateway(404, "Not Found");
    app.anonymous().get("/nothing").await.gateway(404, "Not Found");
    app.root().get("/integrations/").await.gateway(404, "Not Found");
    app.root().send(Method::PUT, "/integrations", None).await.gateway(404, "Not Found");
}

#[tokio::test]
async fn a_request_without_one_good_host_or_with_too_large_a_head_gets_no_further() {
    let app = TestApp::shared().await;
    let ask = |name: &'static str, value: String| {
        let url = format!("{}/integrations", app.url());
        let request = http().get(url).header("authorization", format!("Bearer {}", app.root().key()));
        async move { request.header(name, value).send().await.unwrap().status().as_u16() }
    };
    assert_eq!(ask("host", "two:hosts:1".to_owned()).await, 400);
    assert_eq!(ask("x-large", "a".repeat(9_000)).await, 200);
    assert_eq!(ask("x-large", "a".repeat(10_241)).await, 431);
}

#[tokio::test]
async fn every_problem_names_its_request() {
    let app = TestApp::shared().await;
    let first = app.root().get("/integrations/Nothing").await.problem(404, "not-found");
    let second = app.root().get("/integrations/Nothing").await.problem(404, "not-found");
    assert_ne!(first["request_id"], second["request_id"]);
}
