//! What comes before the table: whether the key may be used at all, now and from there. On every route.

use std::collections::BTreeMap;

use bifrost::model::access::Operation;
use bifrost::model::access::matrix::{Row, ScopeFrom};
use bifrost_local::template;
use bifrost_tests::{Api, Role, TestApp, pause};
use serde_json::json;

use super::house::{House, Request, Said};
use super::routes::{the_template, workspace};

/// For each route that wants a key, a request that succeeds with an administrator's.
async fn requests(house: &House) -> Vec<Request> {
    let mut requests = Vec::new();
    for operation in with_caller() {
        requests.push(house.request(operation, &house.managed[0].id, Said::Named).await);
    }
    requests
}

fn with_caller() -> impl Iterator<Item = Operation> {
    let has_caller = |operation: &Operation| Row::of(*operation).scope_from != ScopeFrom::NoCaller;
    Operation::ALL.iter().copied().filter(has_caller)
}

/// Every request is refused to these callers with this code, and nothing is wrong with the requests themselves.
async fn refuses_all(house: &House, callers: &[&Api], code: &str) {
    for request in requests(house).await {
        for caller in callers {
            request.by(caller).await.problem(403, code);
        }
        request.by(&house.app.root()).await.expect(request.success);
    }
}

#[tokio::test]
async fn without_a_key_that_is_known_only_open_routes_are_answered() {
    let app = TestApp::shared().await;
    let unknown = app.with_key("bfk_root_guessed");
    for operation in Operation::ALL {
        let path = operation.path().replace(['{', '}'], "");
        let by = async |caller: &Api| caller.send(operation.method().parse().unwrap(), &path, None).await;
        if with_caller().any(|with_caller| with_caller == *operation) {
            by(&app.anonymous()).await.gateway(401, "Unauthorized");
            by(&unknown).await.gateway(403, "Forbidden");
        } else {
            let answer = by(&app.anonymous()).await;
            // The gateway's own word.
            assert!(answer.body["message"].is_null(), "{operation:?}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn an_expired_key_is_refused_on_every_route_whatever_the_gateway_remembers() {
    let house = House::new().await;
    let brief = house.platform_key(Role::Admin, json!({"expires_in": 2})).await;
    // So that the gateway remembers it from when it was good.
    brief.get("/integrations").await;
    pause(2_100).await;
    refuses_all(&house, &[&brief], "key-expired").await;
}

#[tokio::test]
async fn a_key_is_refused_from_other_networks_on_every_route_whatever_headers_claim() {
    let house = House::new().await;
    let elsewhere = house.platform_key(Role::Admin, json!({"allowed_cidrs": ["203.0.113.0/24"]})).await;
    let claims = elsewhere
        .with_header("x-forwarded-for", "203.0.113.9")
        .with_header("forwarded", "for=203.0.113.9")
        .with_header("x-real-ip", "203.0.113.9");
    refuses_all(&house, &[&elsewhere, &claims], "network-forbidden").await;
}

#[tokio::test]
async fn an_address_that_a_header_claims_locks_nobody_out() {
    let house = House::new().await;
    let here = house.platform_key(Role::Admin, json!({"allowed_cidrs": ["127.0.0.0/8", "::1"]})).await;
    let claims = here.with_header("x-forwarded-for", "198.51.100.1");
    for request in requests(&house).await {
        request.by(&claims).await.expect(request.success);
    }
}

#[tokio::test]
async fn a_revoked_key_and_its_children_work_no_longer_than_the_gateway_remembers_them() {
    let text = std::fs::read_to_string(workspace().join("infra/template.yaml")).unwrap();
    let functions = format!("CodeUri: {}/functions/", workspace().display());
    let text = text.replace("CodeUri: ../functions/", &functions);
    let forgetful = text.replace("ReauthorizeEvery: 60", "ReauthorizeEvery: 2");
    assert_ne!(forgetful, text);
    assert!(template::read(&forgetful, &BTreeMap::new()).is_ok());
    let app = TestApp::with_template(&forgetful).await;
    let acme = app.organization("Acme").await;
    let user = app.key(Role::User, &acme).await;
    let made = user.post("/keys", json!({"role": "workflow"})).await.expect(201);
    let child = app.with_key(made["key"].as_str().unwrap());
    for key in [&user, &child] {
        key.get("/integrations").await.expect(200);
    }
    let id = user.key().split('_').nth(1).unwrap();
    app.root().delete(&format!("/keys/{id}")).await.expect(204);
    pause(2_100).await;
    for key in [&user, &child] {
        key.get("/integrations").await.gateway(403, "Forbidden");
    }
}

#[test]
fn the_readme_says_how_long_the_gateway_remembers_a_key() {
    let template = the_template();
    let times: Vec<_> = template.routes.iter().filter_map(|route| route.authorizer.as_ref()).collect();
    let seconds = times[0].remembered.as_secs();
    assert!(times.iter().all(|authorizer| authorizer.remembered.as_secs() == seconds));
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let sentence = format!(
        "remembers an authorizer's answer for {seconds} seconds: a revoked key works no longer than that"
    );
    assert!(readme.contains(&sentence), "the README does not say: {sentence}");
}
