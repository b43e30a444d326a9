//! What every route answers when something fails beneath it, and to bodies that are none.

use bifrost::model::access::Operation;
use bifrost::model::access::matrix::{Row, ScopeFrom};
use bifrost_local::{Call, Fault};
use bifrost_tests::{Answer, Role, TestApp, all_at_once};
use serde_json::json;

use crate::access::house::{House, Request, Said};

fn has_caller(operation: Operation) -> bool {
    Row::of(operation).scope_from != ScopeFrom::NoCaller
}

/// For each route that wants a key, a request that would succeed.
async fn requests(house: &House) -> Vec<(Operation, Request)> {
    let mut requests = Vec::new();
    for operation in Operation::ALL.iter().copied().filter(|operation| has_caller(*operation)) {
        requests.push((operation, house.request(operation, &house.managed[0].id, Said::Named).await));
    }
    requests
}

/// The answers of all routes that call AWS while the functions' calls to AWS meet this fault: those with a key, and the pages.
async fn during(
    fault: impl Fn(&Call<'_>) -> Option<Fault> + Send + Sync + 'static,
) -> (Vec<(Operation, Answer)>, Vec<(Operation, Answer)>) {
    let house = House::in_stack(TestApp::alone().await).await;
    let root = house.app.root();
    let mut requests = requests(&house).await;
    // A list that is part of the function.
    requests.retain(|(operation, _)| *operation != Operation::ProvidersList);
    house.app.stack().set_fault_hook(fault);
    let asked = requests.into_iter().map(|(operation, request)| {
        let root = root.clone();
        async move { (operation, request.by(&root).await) }
    });
    let answers = all_at_once(asked).await;
    let pages = Operation::ALL
        .iter()
        .copied()
        .filter(|operation| !has_caller(*operation) && *operation != Operation::Openapi);
    let anonymous = house.app.anonymous();
    let asked = pages.map(|operation| {
        let (anonymous, path) = (anonymous.clone(), operation.path().replace(['{', '}'], ""));
        async move { (operation, anonymous.send(operation.method().parse().unwrap(), &path, None).await) }
    });
    (answers, all_at_once(asked).await)
}

fn is_form(operation: Operation) -> bool {
    matches!(operation, Operation::ConnectContinue | Operation::ConfirmSwitch)
}

fn is_page(answer: &Answer, status: u16) -> bool {
    answer.status == status && answer.headers["content-type"] == "text/html; charset=utf-8"
}

#[tokio::test]
async fn while_dynamodb_is_overloaded_every_route_says_so_and_when_to_come_back() {
    let (answers, pages) = during(|call| (call.function != "authorizer").then(Fault::throttled)).await;
    for (operation, answer) in answers {
        println!("{operation:?}");
        assert!(answer.headers.contains_key("retry-after"), "{operation:?}: {}", answer.text);
        answer.problem(503, "unavailable");
    }
    // A form that was not sent from our page is refused before anything is asked.
    for (operation, answer) in pages.into_iter().filter(|(operation, _)| !is_form(*operation)) {
        assert!(is_page(&answer, 503), "{operation:?}: {} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn a_mistake_of_ours_is_an_internal_problem_on_every_route() {
    let (answers, pages) = during(|call| (call.function != "authorizer").then(Fault::invalid)).await;
    for (operation, answer) in answers {
        println!("{operation:?}");
        answer.problem(500, "internal");
    }
    for (operation, answer) in pages.into_iter().filter(|(operation, _)| !is_form(*operation)) {
        assert!(is_page(&answer, 500), "{operation:?}: {} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn while_keys_cannot_be_checked_the_gateway_says_500_on_every_route_that_wants_one() {
    let house = House::in_stack(TestApp::alone().await).await;
    // The gateway remembers the root key, and has never seen this one.
    let fresh = house.platform_key(Role::Admin, json!({})).await;
    let requests = requests(&house).await;
    house.app.stack().set_fault_hook(|call| (call.function == "authorizer").then(Fault::throttled));
    let asked = requests.into_iter().map(|(_, request)| {
        let fresh = fresh.clone();
        async move { request.by(&fresh).await }
    });
    for answer in all_at_once(asked).await {
        answer.gateway(500, "Internal Server Error");
    }
}

#[tokio::test]
async fn every_route_that_takes_a_body_refuses_what_is_none_too_large_or_has_unknown_fields() {
    let house = House::in_stack(TestApp::shared().await).await;
    let root = house.app.root();
    let large = format!("{{\"x\": \"{}\"}}", "x".repeat(256 * 1024));
    let mut with_body = 0;
    for (operation, request) in requests(&house).await {
        let Some(malformed) = request.with_body_by("{", &root).await else { continue };
        println!("{operation:?}");
        with_body += 1;
        malformed.problem(400, "malformed-body");
        request.with_body_by("[]", &root).await.unwrap().problem(400, "malformed-body");
        request.with_body_by(&large, &root).await.unwrap().problem(413, "body-too-large");
        let unknown = request.with_body_by(r#"{"no_such_field": 1}"#, &root).await.unwrap();
        let unknown = unknown.problem(422, "invalid-input");
        assert!(unknown["errors"].to_string().contains("no_such_field"), "{operation:?}: {unknown}");
    }
    assert!(with_body >= 10, "{with_body}");
}

#[tokio::test]
async fn a_path_with_an_empty_part_is_no_route() {
    let root = TestApp::shared().await.root();
    for operation in Operation::ALL.iter().copied().filter(|operation| operation.path().contains('{')) {
        let (before, last) = operation.path().rsplit_once('{').unwrap();
        let after = last.split_once('}').unwrap().1;
        let path = format!("{}{after}", before.replace(['{', '}'], ""));
        let answer = root.send(operation.method().parse().unwrap(), &path, None).await;
        println!("{operation:?}");
        answer.gateway(404, "Not Found");
    }
}

#[tokio::test]
async fn a_body_beyond_what_the_gateway_takes_is_refused_on_every_route_that_takes_one() {
    let house = House::in_stack(TestApp::shared().await).await;
    let root = house.app.root();
    let huge = "x".repeat(10 * 1024 * 1024 + 1);
    for (operation, request) in requests(&house).await {
        let Some(answer) = request.with_body_by(&huge, &root).await else { continue };
        println!("{operation:?}");
        answer.gateway(413, "Request Entity Too Large");
    }
    for path in ["/connect/some-ticket", "/oauth/confirm"] {
        let form = house.app.anonymous().send(reqwest::Method::POST, path, Some(huge.clone())).await;
        form.gateway(413, "Request Entity Too Large");
    }
}
