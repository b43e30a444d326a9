//! Tokens that nobody signs in for, minted on demand at the tenant of whoever asks.

use std::time::Duration;

use bifrost_tests::{
    Answer, Connection, Organization, Role, TestApp, TestProvider, all_at_once, pause, with,
};
use serde_json::json;

/// A global connection with a token URL per tenant, and an integration of the same name.
async fn per_tenant(app: &TestApp, provider: &TestProvider) -> Connection {
    let name = app.integration("Graph", json!({})).await;
    app.create_connection("global", with(provider.client_credentials(), json!({"name": name}))).await
}

async fn token(app: &TestApp, connection: &Connection, organization: &Organization) -> Answer {
    let workflow = app.key(Role::Workflow, organization).await;
    workflow.get(&format!("/connections/{0}/token?integration={0}", connection.name)).await
}

#[tokio::test]
async fn every_organization_gets_a_token_of_its_own_tenant_and_keeps_it() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = per_tenant(&app, &provider).await;
    let mut tokens = Vec::new();
    for tenant in ["acme-tenant", "globex-tenant"] {
        let organization = app.organization(tenant).await;
        app.map(&connection.name, &organization, json!({"entity_id": tenant})).await;
        let first = token(&app, &connection, &organization).await.expect(200);
        assert_eq!(provider.me(&first["access_token"]).await["tenant"], tenant);
        assert_eq!(first["generation"], 1);
        let again = token(&app, &connection, &organization).await.expect(200);
        assert_eq!(again["access_token"], first["access_token"]);
        tokens.push(first["access_token"].clone());
    }
    assert_ne!(tokens[0], tokens[1]);
    assert_eq!(provider.control().token_request_count("client_credentials"), 2);
}

#[tokio::test]
async fn a_hundred_first_callers_cause_one_mint() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    provider.control().delay_token(Duration::from_millis(300));
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/common/token")});
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    let calls = (0..100).map(|_| {
        let (root, path) = (app.root(), connection.path("/token"));
        async move { root.get(&path).await.expect(200)["access_token"].clone() }
    });
    let tokens = all_at_once(calls).await;
    assert!(tokens.iter().all(|token| *token == tokens[0]));
    assert_eq!(provider.control().token_request_count("client_credentials"), 1);
}

#[tokio::test]
async fn an_expired_token_is_minted_anew() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let connection = per_tenant(&app, &provider).await;
    let acme = app.organization("Acme").await;
    app.map(&connection.name, &acme, json!({"entity_id": "acme-tenant"})).await;
    token(&app, &connection, &acme).await.expect(200);
    pause(2_100).await;
    let second = token(&app, &connection, &acme).await.expect(200);
    assert_eq!(second["generation"], 2);
    assert_eq!(provider.me(&second["access_token"]).await["tenant"], "acme-tenant");
}

#[tokio::test]
async fn the_entity_comes_from_the_mapping_then_the_integration_then_the_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (mapped, unmapped) = (app.organization("Mapped").await, app.organization("Unmapped").await);
    let tenant_of = async |connection: &Connection, organization: &Organization| {
        let answer = token(&app, connection, organization).await.expect(200);
        provider.me(&answer["access_token"]).await["tenant"].clone()
    };
    let name = app.integration("Graph", json!({"default_entity_id": "of-integration"})).await;
    let fallback = json!({"name": name, "token_url_defaults": {"entity_id": "of-connection"}});
    let connection = app.create_connection("global", with(provider.client_credentials(), fallback)).await;
    app.map(&name, &mapped, json!({"entity_id": "of-mapping"})).await;
    assert_eq!(tenant_of(&connection, &mapped).await, "of-mapping");
    assert_eq!(tenant_of(&connection, &unmapped).await, "of-integration");
    let name = app.integration("Graph", json!({})).await;
    let fallback = json!({"name": name, "token_url_defaults": {"entity_id": "of-connection"}});
    let connection = app.create_connection("global", with(provider.client_credentials(), fallback)).await;
    assert_eq!(tenant_of(&connection, &unmapped).await, "of-connection");
}

#[tokio::test]
async fn a_new_tenant_means_a_new_token() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = per_tenant(&app, &provider).await;
    let acme = app.organization("Acme").await;
    for tenant in ["old-tenant", "new-tenant"] {
        app.map(&connection.name, &acme, json!({"entity_id": tenant})).await;
        let answer = token(&app, &connection, &acme).await.expect(200);
        assert_eq!(provider.me(&answer["access_token"]).await["tenant"], tenant);
    }
}

#[tokio::test]
async fn placeholders_need_an_integration_and_a_value() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = per_tenant(&app, &provider).await;
    let acme = app.organization("Acme").await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let path = format!("/connections/{}/token", connection.name);
    workflow.get(&path).await.problem(422, "integration-required");
    let unresolved = token(&app, &connection, &acme).await;
    assert!((400..500).contains(&unresolved.status), "{}", unresolved.text);
    assert_eq!(unresolved.body["code"], "placeholder-unresolved");
    assert!(unresolved.body["detail"].as_str().unwrap().contains("entity_id"), "{}", unresolved.text);
    assert_eq!(provider.control().token_requests().len(), 0);
}

#[tokio::test]
async fn an_entity_id_can_not_leave_its_place_in_the_url() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = per_tenant(&app, &provider).await;
    for entity in ["../token?x=", "a/b", "..", ".", "evil.example/token#", "a\\b", "%2e%2e%2f"] {
        let organization = app.organization("Curious").await;
        app.map(&connection.name, &organization, json!({"entity_id": entity})).await;
        let answer = token(&app, &connection, &organization).await;
        if answer.status == 200 {
            assert_eq!(provider.me(&answer.body["access_token"]).await["tenant"], entity);
        } else {
            assert!((400..500).contains(&answer.status), "{entity}: {}", answer.text);
        }
    }
    let tenants: Vec<_> =
        provider.control().token_requests().into_iter().map(|request| request.tenant).collect();
    assert!(tenants.iter().all(Option::is_some), "{tenants:?}");
}

#[tokio::test]
async fn an_organizations_own_connection_mints_for_itself() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let body = json!({"name": app.unique("Pax8"), "token_url": provider.url("/token")});
    let connection = app.create_connection(&acme.id, with(provider.client_credentials(), body)).await;
    let token = app.key(Role::Workflow, &acme).await.get(&connection.path("/token")).await.expect(200);
    assert_eq!(provider.me(&token["access_token"]).await["scopes"], json!(["api"]));
    assert_eq!(app.show(&connection).await["status"], "active");
}
