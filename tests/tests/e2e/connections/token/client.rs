//! A provider that does not accept the client: one grant finds out, the others wait, and the mended secret heals all.

use std::time::Duration;

use bifrost_local::provider::Fault;
use bifrost_tests::{Answer, Api, Connection, Role, TestApp, TestProvider, all_at_once, pause, with};
use serde_json::{Value, json};

use super::brief;

/// Longer than the breaker's first pause, and shorter than its second one at its shortest.
const FIRST_PAUSE: u64 = 30_500;

fn asked(provider: &TestProvider) -> usize {
    provider.control().token_request_count("refresh_token")
}

async fn patch(app: &TestApp, connection: &Connection, change: Value) {
    app.root().patch(&connection.path(""), change).await.expect(200);
}

/// Asks for a token of the organization's own grant.
async fn token(caller: &Api, connection: &Connection) -> Answer {
    caller.get(&format!("/connections/{}/token", connection.name)).await
}

#[tokio::test]
async fn one_dead_client_secret_costs_one_probe_at_a_time_and_heals_by_itself() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let (connection, organizations) = app.connected_for_many(&provider, 50).await;
    let caller = app.key(Role::Workflow, &organizations[7]).await;
    provider.control().set_client_secret(&provider.client_id, "the new secret");
    pause(4_100).await;

    let first = app.sweep().await;
    assert_eq!((&first["due"], &first["remaining"]), (&json!(50), &json!(0)), "{first}");
    assert_eq!(asked(&provider), 1, "one grant found out for all");
    let before = app.stack().calls_by("refresher");
    assert_eq!(app.sweep().await["skipped"], 50);
    let after = app.stack().calls_by("refresher");
    assert_eq!(after.get("DynamoDB.UpdateItem"), before.get("DynamoDB.UpdateItem"), "nothing is written");
    let reads = |calls: &std::collections::BTreeMap<String, u64>| calls["DynamoDB.BatchGetItem"];
    assert_eq!(reads(&after) - reads(&before), 1, "nor read for each grant");
    let refused = token(&caller, &connection).await;
    assert!(refused.headers.contains_key("retry-after"), "{}", refused.text);
    refused.problem(409, "client-rejected");
    assert_eq!(asked(&provider), 1);

    pause(FIRST_PAUSE).await;
    let sweeps = tokio::join!(app.sweep(), app.sweep(), app.sweep(), token(&caller, &connection));
    sweeps.3.problem(409, "client-rejected");
    assert_eq!(asked(&provider), 2, "one probe, whoever came first");
    let shown = app.show(&connection).await;
    assert_eq!(shown["last_error"]["code"], "invalid_client");
    assert_eq!(shown["grants"], json!({"active": 0, "failing": 50, "reauthorize": 0}));

    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    patch(&app, &connection, json!({"client_secret": "the new secret"})).await;
    let healed = app.sweep().await;
    assert_eq!((&healed["refreshed"], &healed["failed"]), (&json!(50), &json!(0)), "{healed}");
    assert_eq!(app.show(&connection).await["grants"]["active"], 50);
    assert!(app.show(&connection).await["last_error"].is_null());
    assert_eq!(token(&caller, &connection).await.expect(200)["generation"], 2);
}

#[tokio::test]
async fn the_moment_the_secret_is_right_every_caller_is_served() {
    let app = TestApp::shared().await;
    let provider = brief(3).await;
    let (connection, organizations) = app.connected_for_many(&provider, 8).await;
    provider.control().set_client_secret(&provider.client_id, "the new secret");
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    pause(3_100).await;
    let mut callers = Vec::new();
    for organization in &organizations {
        callers.push(app.key(Role::Workflow, organization).await);
    }
    let all = async || {
        let calls = callers.clone().into_iter().map(|caller| {
            let connection = connection.clone();
            async move { token(&caller, &connection).await }
        });
        all_at_once(calls).await
    };
    for wrong in ["wrong", "wrong again"] {
        patch(&app, &connection, json!({"client_secret": wrong})).await;
        for answer in all().await {
            answer.problem(409, "client-rejected");
        }
    }
    patch(&app, &connection, json!({"client_secret": "the new secret"})).await;
    for answer in all().await {
        assert_eq!(answer.expect(200)["generation"], 2);
    }
}

#[tokio::test]
async fn a_token_that_is_still_good_serves_while_its_client_is_refused() {
    let app = TestApp::shared().await;
    let provider = brief(40).await;
    let connection = app.connected(&provider).await;
    let first = app.token(&connection).await.expect(200);
    provider.control().set_client_secret(&provider.client_id, "another");
    let refresh = json!({"generation": first["generation"]});
    for _ in 0..2 {
        let answer = app.root().post(&connection.path("/refresh"), refresh.clone()).await.expect(200);
        assert_eq!(answer["access_token"], first["access_token"]);
        assert!(answer["warning"].as_str().unwrap().contains("invalid_client"), "{answer}");
    }
    assert_eq!(asked(&provider), 1);
    assert_eq!(app.show(&connection).await["status"], "failing");
}

#[tokio::test]
async fn a_secret_that_changes_in_secrets_manager_is_found_without_an_edit() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let reference = format!("bifrost/connections/{}", app.unique("halo").replace(' ', "-"));
    app.stack().put_secret(&reference, &provider.client_secret).await;
    let body = json!({
        "name": app.unique("Pax8"), "token_url": provider.url("/token"),
        "client_secret": null, "client_secret_ref": reference,
    });
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    app.token(&connection).await.expect(200);
    // Both at once: what is remembered is tried, refused, read anew, and tried again.
    provider.control().set_client_secret(&provider.client_id, "rotated");
    app.stack().put_secret(&reference, "rotated").await;
    let refresh = async || app.root().post(&connection.path("/refresh"), json!({"generation": 1})).await;
    let answer = refresh().await.expect(200);
    assert_eq!((&answer["generation"], &answer["warning"]), (&json!(2), &Value::Null), "{answer}");
    // The provider first: the breaker asks again by itself.
    provider.control().set_client_secret(&provider.client_id, "rotated again");
    let force = async || app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    assert!(force().await["warning"].is_string());
    app.stack().put_secret(&reference, "rotated again").await;
    assert!(force().await["warning"].is_string(), "not before its time");
    pause(FIRST_PAUSE).await;
    let healed = force().await;
    assert_eq!((&healed["generation"], &healed["warning"]), (&json!(3), &Value::Null), "{healed}");
}

#[tokio::test]
async fn one_tenant_without_the_app_holds_no_other_tenant_back() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let name = app.integration("Graph", json!({})).await;
    app.create_connection("global", with(provider.client_credentials(), json!({"name": name}))).await;
    let mut callers = Vec::new();
    for tenant in ["acme", "globex"] {
        let organization = app.organization(tenant).await;
        app.map(&name, &organization, json!({"entity_id": tenant})).await;
        callers.push(app.key(Role::Workflow, &organization).await);
    }
    let path = format!("/connections/{name}/token?integration={name}");
    provider.control().fail_next_token(Fault::answer(401, r#"{"error": "invalid_client"}"#));
    callers[0].get(&path).await.problem(409, "client-rejected");
    callers[1].get(&path).await.expect(200);
}
