use bifrost_tests::{Role, TestApp, TestProvider, with};
use serde_json::json;

#[tokio::test]
async fn a_mapping_is_gone_at_once_and_its_entity_is_free() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let (name, root) = (app.integration("Halo", json!({})).await, app.root());
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let deleted = root.delete(&acme.mapping(&name)).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    root.get(&acme.mapping(&name)).await.problem(404, "not-found");
    root.delete(&acme.mapping(&name)).await.problem(404, "not-found");
    assert!(app.resolve(&root, &name, &acme.id).await["entity_id"].is_null());
    app.map(&name, &globex, json!({"entity_id": "1"})).await;
}

#[tokio::test]
async fn a_mapping_made_again_has_none_of_its_predecessors_values() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let name = app.integration("Halo", json!({"config_schema": schema})).await;
    let old = app.map(&name, &acme, json!({"entity_id": "1", "config": {"api_key": "sk-old"}})).await;
    app.root().delete(&acme.mapping(&name)).await.expect(204);
    let new = app.map(&name, &acme, json!({"entity_id": "1"})).await;
    assert_ne!(new["id"], old["id"]);
    assert_eq!(new["config"], json!({}));
}

#[tokio::test]
async fn the_organizations_grant_goes_with_the_last_mapping_that_uses_it() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    let mut names = Vec::new();
    for name in ["First", "Second"] {
        let name = app.integration(name, json!({"connection": connection.name})).await;
        app.map(&name, &acme, json!({"entity_id": "1"})).await;
        names.push(name);
    }
    let path = format!("/connections/{}/token?scope={}", connection.name, acme.id);
    let own = app.root().get(&path).await.expect(200);
    app.root().delete(&acme.mapping(&names[0])).await.expect(204);
    let still = app.root().get(&path).await.expect(200);
    assert_eq!(still["grant_id"], own["grant_id"], "the second mapping uses it");
    assert_eq!(provider.control().revocation_count(), 0);
    app.root().delete(&acme.mapping(&names[1])).await.expect(204);
    let shared = app.root().get(&path).await.expect(200);
    assert_ne!(shared["grant_id"], own["grant_id"]);
    assert!(provider.me(&own["access_token"]).await.is_null());
    assert!(provider.me(&shared["access_token"]).await.is_object());
}

#[tokio::test]
async fn a_client_that_speaks_for_itself_serves_an_organization_that_is_mapped_again() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Graph", json!({})).await;
    let connection =
        app.create_connection("global", with(provider.client_credentials(), json!({"name": name}))).await;
    let path = format!("/connections/{0}/token?integration={0}&scope={1}", connection.name, acme.id);
    for tenant in ["old-tenant", "new-tenant"] {
        app.map(&name, &acme, json!({"entity_id": tenant})).await;
        let token = app.root().get(&path).await.expect(200);
        assert_eq!(provider.me(&token["access_token"]).await["tenant"], tenant);
        app.root().delete(&acme.mapping(&name)).await.expect(204);
        app.root().get(&path).await.problem(422, "placeholder-unresolved");
    }
}

#[tokio::test]
async fn what_has_changed_since_is_not_deleted() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let (name, root) = (app.integration("Halo", json!({})).await, app.root());
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let seen = root.get(&acme.mapping(&name)).await;
    app.map(&name, &acme, json!({"entity_id": "2"})).await;
    root.if_as_in(&seen).delete(&acme.mapping(&name)).await.problem(412, "stale-revision");
    root.if_as_in(&seen)
        .put(&acme.mapping(&name), json!({"entity_id": "3"}))
        .await
        .problem(412, "stale-revision");
    assert_eq!(root.get(&acme.mapping(&name)).await.expect(200)["entity_id"], "2");
}

#[tokio::test]
async fn only_the_provider_removes_mappings() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let name = app.integration("Halo", json!({})).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    for role in [Role::User, Role::Workflow] {
        let own = app.key(role, &acme).await;
        own.delete(&acme.mapping(&name)).await.problem(403, "forbidden");
        let stranger = app.key(role, &globex).await;
        stranger.delete(&acme.mapping(&name)).await.problem(403, "scope-forbidden");
    }
    let msp = app.provider_organization("MSP").await;
    app.key(Role::User, &msp).await.delete(&acme.mapping(&name)).await.expect(204);
}
