//! The audit trail: one line for each act, done, refused or failed, and none for what is no act.

mod console;
mod gathered;
mod strangers;

use bifrost::model::access::Operation;
use bifrost::model::access::matrix::{Row, ScopeFrom};
use bifrost_tests::{Answer, Role, TestApp, TestProvider, pause, sign_in};
use serde_json::{Value, json};

use crate::access::house::{House, Said};

/// What changes nothing and shows no secret.
const NO_ACTS: [Operation; 11] = [
    Operation::IntegrationsList,
    Operation::IntegrationsGet,
    Operation::MappingsList,
    Operation::MappingsGet,
    Operation::ConnectionsList,
    Operation::ConnectionsGet,
    Operation::ConnectOffer,
    Operation::OrganizationsList,
    Operation::KeysList,
    Operation::ProvidersList,
    Operation::Openapi,
];

/// The lines that a request left behind, all of which are there once it is said to be answered.
pub(crate) async fn lines(app: &TestApp, request_id: &str) -> Vec<Value> {
    for _ in 0..200 {
        let logs = app.stack().logs();
        let of_request = logs.lines().filter(|line| line.contains(request_id));
        // Before the line is the name of the function that wrote it.
        let lines = of_request.filter_map(|line| serde_json::from_str(&line[line.find('{')?..]).ok());
        let lines: Vec<Value> = lines.collect();
        if lines.iter().any(|line| line["message"] == "answered") {
            return lines.into_iter().filter(|line| line["target"] == "bifrost::audit").collect();
        }
        pause(20).await;
    }
    panic!("{request_id} was never answered");
}

async fn trail(app: &TestApp, answer: &Answer) -> Vec<Value> {
    lines(app, answer.headers["apigw-requestid"].to_str().unwrap()).await
}

fn with_caller() -> impl Iterator<Item = Operation> {
    let has_caller = |operation: &Operation| Row::of(*operation).scope_from != ScopeFrom::NoCaller;
    Operation::ALL.iter().copied().filter(has_caller)
}

#[tokio::test]
async fn each_act_writes_exactly_one_line_and_whatever_is_no_act_writes_none() {
    let house = House::in_stack(TestApp::alone().await).await;
    let (app, scope) = (&house.app, &house.managed[0].id);
    for operation in with_caller() {
        let request = house.request(operation, scope, Said::Named).await;
        let answer = request.by(&app.root()).await;
        assert_eq!(answer.status, request.success, "{operation:?}: {}", answer.text);
        let lines = trail(app, &answer).await;
        if NO_ACTS.contains(&operation) {
            assert_eq!(lines, [] as [Value; 0], "{operation:?}");
            continue;
        }
        let [line] = lines.as_slice() else { panic!("{operation:?}: {lines:?}") };
        assert_eq!(line["act"], operation.function(), "{line}");
        assert_eq!(line["outcome"], "done", "{line}");
        assert_eq!(
            (&line["key_id"], &line["role"], &line["home"]),
            (&json!("root"), &json!("admin"), &json!("global"))
        );
        assert_eq!(line["source"], "127.0.0.1", "{line}");
        assert!(line["timestamp"].is_string() && line["code"].is_null(), "{line}");
        match Row::of(operation).scope_from {
            ScopeFrom::Query | ScopeFrom::Path | ScopeFrom::Grant | ScopeFrom::NewKey => {
                assert_eq!(line["scope"], json!(scope), "{operation:?}: {line}");
            }
            _ if operation == Operation::OrganizationsDelete => assert_eq!(line["scope"], line["subject"]),
            _ => assert!(line["scope"].is_null(), "{operation:?}: {line}"),
        }
        // A key may go without a name.
        if operation != Operation::KeysCreate {
            assert!(line["subject"].is_string(), "{operation:?}: {line}");
        }
    }
}

#[tokio::test]
async fn what_is_refused_and_what_fails_is_in_the_trail_with_its_code() {
    let house = House::in_stack(TestApp::alone().await).await;
    let (app, scope) = (&house.app, &house.managed[0].id);
    let workflow = app.key(Role::Workflow, &house.managed[1]).await;
    for operation in with_caller().filter(|operation| !NO_ACTS.contains(operation)) {
        let answer = house.request(operation, scope, Said::Named).await.by(&workflow).await;
        // A managed workflow may do nothing of this for another organization.
        assert!(matches!(answer.status, 403 | 404), "{operation:?}: {}", answer.text);
        let lines = trail(app, &answer).await;
        let [line] = lines.as_slice() else { panic!("{operation:?}: {lines:?}") };
        let outcome = if answer.status == 403 { "refused" } else { "failed" };
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["code"], answer.body["code"], "{line}");
        assert_eq!(line["home"], json!(house.managed[1].id), "{line}");
    }
}

#[tokio::test]
async fn a_sign_in_is_in_the_trail_step_by_step_without_its_secrets() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = app.connection("Halo", "global", &provider, json!({})).await;
    let mut browser = bifrost_tests::Browser::new();
    let link = app.connect_url(&connection).await;
    let page = sign_in(&mut browser, &link).await;
    assert_eq!(page.status, 200, "{}", page.text);
    let answer = app.root().get("/connections/Halo/token").await;
    assert_eq!(trail(&app, &answer).await.len(), 1, "{}", answer.text);

    let logs = app.stack().logs();
    let audit = logs.lines().filter(|line| line.contains("bifrost::audit"));
    let lines: Vec<Value> =
        audit.map(|line| serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap()).collect();
    let acts: Vec<_> = lines.iter().map(|line| line["act"].as_str().unwrap()).collect();
    for line in &lines[2..4] {
        assert_eq!((&line["asked_by"], &line["key_id"]), (&json!("root"), &Value::Null), "{line}");
        assert_eq!((&line["subject"], &line["scope"]), (&json!("Halo"), &json!("global")), "{line}");
    }
    let expected = [
        "connections-create",
        "connections-authorize",
        "oauth-connect",
        "oauth-callback",
        "connections-token",
    ];
    assert_eq!(acts, expected);
    let ticket = link.rsplit('/').next().unwrap();
    assert!(!logs.contains(ticket));
}
