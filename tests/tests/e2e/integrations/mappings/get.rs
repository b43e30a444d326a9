use bifrost_tests::{Role, TestApp, TestProvider};
use serde_json::json;

#[tokio::test]
async fn a_mapping_names_what_is_still_missing() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let schema = json!([
        {"key": "base_url", "type": "string", "required": true},
        {"key": "api_key", "type": "secret", "required": true},
        {"key": "region", "type": "string"},
    ]);
    let name = app
        .integration("Halo", json!({"config_schema": schema, "defaults": {"base_url": "https://x"}}))
        .await;
    app.map(&name, &acme, json!({"entity_id": "42"})).await;
    let user = app.key(Role::User, &acme).await;
    let mapping = user.get(&acme.mapping(&name)).await.expect(200);
    assert_eq!((&mapping["entity_id"], &mapping["missing_config"]), (&json!("42"), &json!(["api_key"])));
    app.map(&name, &acme, json!({"config": {"api_key": "sk-1"}})).await;
    assert_eq!(user.get(&acme.mapping(&name)).await.expect(200)["missing_config"], json!([]));
}

#[tokio::test]
async fn only_the_own_mapping_can_be_asked_for() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let name = app.integration("Halo", json!({})).await;
    app.map(&name, &globex, json!({"entity_id": "42"})).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    workflow.get(&globex.mapping(&name)).await.problem(403, "scope-forbidden");
    workflow.get(&acme.mapping(&name)).await.problem(404, "not-found");
    let msp = app.provider_organization("MSP").await;
    app.key(Role::Workflow, &msp).await.get(&globex.mapping(&name)).await.expect(200);
}

#[tokio::test]
async fn the_organizations_own_grant_is_named_and_the_connections_is_not() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let connection = app.connected(&provider).await;
    let name = app.integration("Halo", json!({"connection": connection.name})).await;
    app.map(&name, &acme, json!({})).await;
    app.map(&name, &globex, json!({})).await;
    app.connect_for(&connection, &acme).await;
    let own = app.root().get(&acme.mapping(&name)).await.expect(200);
    let token = app
        .root()
        .get(&format!("/connections/{}/token?scope={}", connection.name, acme.id))
        .await
        .expect(200);
    assert!(own["oauth_token_id"].is_string());
    assert_eq!(own["oauth_token_id"], token["grant_id"]);
    assert!(app.root().get(&globex.mapping(&name)).await.expect(200)["oauth_token_id"].is_null());
}
