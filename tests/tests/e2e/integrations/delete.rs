use bifrost_tests::{Role, TestApp, TestProvider};
use serde_json::json;

#[tokio::test]
async fn it_is_gone_at_once_whoever_asks_for_what() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let (name, root) = (app.integration("Halo", json!({})).await, app.root());
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let path = format!("/integrations/{name}");
    let deleted = root.delete(&path).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    for answer in [
        root.get(&path).await,
        root.get(&format!("{path}/resolve")).await,
        root.get(&format!("{path}/resolve?scope={}", acme.id)).await,
        root.get(&format!("{path}/mappings")).await,
        root.get(&acme.mapping(&name)).await,
        root.put(&acme.mapping(&name), json!({"entity_id": "1"})).await,
        root.patch(&path, json!({})).await,
        root.delete(&path).await,
    ] {
        answer.problem(404, "not-found");
    }
}

#[tokio::test]
async fn a_new_one_of_the_same_name_sees_nothing_of_the_old() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let body = json!({"config_schema": schema, "default_entity_id": "default"});
    let (name, root) = (app.integration("Halo", body.clone()).await, app.root());
    let mapped = json!({"entity_id": "1", "config": {"api_key": "sk-acme"}});
    let old = app.map(&name, &acme, mapped).await;
    root.delete(&format!("/integrations/{name}")).await.expect(204);
    let again = bifrost_tests::with(body, json!({"name": name}));
    root.post("/integrations", again).await.expect(201);
    root.get(&acme.mapping(&name)).await.problem(404, "not-found");
    let resolved = app.resolve(&root, &name, &acme.id).await;
    assert_eq!((&resolved["entity_id"], &resolved["config"]), (&json!("default"), &json!({})));
    let list = root.get(&format!("/integrations/{name}/mappings")).await.expect(200);
    assert_eq!(list["items"], json!([]));
    app.map(&name, &globex, json!({"entity_id": "1"})).await;
    let new = app.map(&name, &acme, json!({"entity_id": "2"})).await;
    assert_ne!(new["id"], old["id"]);
    assert_eq!(new["config"], json!({}));
}

#[tokio::test]
async fn the_connection_and_its_own_grant_stay() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    let name = app.integration("Halo", json!({"connection": connection.name})).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let shared = app.token(&connection).await.expect(200);
    app.root().delete(&format!("/integrations/{name}")).await.expect(204);
    assert_eq!(app.token(&connection).await.expect(200)["access_token"], shared["access_token"]);
    // Acme's own grant has lost the last mapping that needed it.
    let of_acme = format!("/connections/{}/token?scope={}", connection.name, acme.id);
    let token = app.root().get(&of_acme).await.expect(200);
    assert_eq!(token["grant_id"], shared["grant_id"]);
    assert_eq!(provider.control().revocation_count(), 1);
}

#[tokio::test]
async fn what_has_changed_since_is_not_deleted() {
    let app = TestApp::shared().await;
    let (name, root) = (app.integration("Halo", json!({})).await, app.root());
    let path = format!("/integrations/{name}");
    let seen = root.get(&path).await;
    root.patch(&path, json!({"description": "changed"})).await.expect(200);
    root.if_as_in(&seen).delete(&path).await.problem(412, "stale-revision");
    let seen = root.get(&path).await;
    root.if_as_in(&seen).delete(&path).await.expect(204);
}

#[tokio::test]
async fn deleting_integrations_is_for_administrators() {
    let app = TestApp::shared().await;
    let (acme, msp) = (app.organization("Acme").await, app.provider_organization("MSP").await);
    let path = format!("/integrations/{}", app.integration("Halo", json!({})).await);
    for caller in [
        app.key(Role::User, &acme).await,
        app.key(Role::Workflow, &acme).await,
        app.key(Role::User, &msp).await,
    ] {
        caller.delete(&path).await.problem(403, "forbidden");
    }
    app.key(Role::Admin, &msp).await.delete(&path).await.expect(204);
}
