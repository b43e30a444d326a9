use std::time::Duration;

use bifrost_tests::{Organization, Role, TestApp, TestProvider, pause};
use serde_json::json;
use uuid::Uuid;

fn path(organization: &Organization) -> String {
    format!("/organizations/{}", organization.id)
}

#[tokio::test]
async fn all_that_was_its_own_is_gone_and_its_keys_are_refused() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let root = app.root();
    let name = app.integration("Halo", json!({})).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let own = app.connection(&name, &acme.id, &provider, json!({})).await;
    app.connect_in_browser(&own).await;
    let link = app.connect_url(&own).await;
    let key = app.key(Role::User, &acme).await;
    let deleted = root.delete(&path(&acme)).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    key.get("/integrations").await.gateway(403, "Forbidden");
    for answer in [
        root.get(&acme.mapping(&name)).await,
        root.get(&own.path("")).await,
        root.get(&own.path("/token")).await,
        root.put(&acme.mapping(&name), json!({"entity_id": "1"})).await,
        root.delete(&path(&acme)).await,
    ] {
        answer.problem(404, "not-found");
    }
    let page = bifrost_tests::Browser::new().open(&link).await;
    assert!((400..500).contains(&page.status), "{}", page.text);
    let keys = root.get(&format!("/keys?scope={}", acme.id)).await;
    assert!(keys.status == 404 || keys.body["items"] == json!([]), "{}", keys.text);
    let listed = root.get(&format!("/integrations/{name}/mappings")).await.expect(200);
    assert_eq!(listed["items"], json!([]));
    app.map(&name, &globex, json!({"entity_id": "1"})).await;
}

#[tokio::test]
async fn nothing_is_made_in_an_organization_that_is_gone() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({})).await;
    let global = app.connected(&provider).await;
    let key = app.key(Role::User, &acme).await;
    // The gateway remembers the key.
    key.get("/integrations").await.expect(200);
    app.root().delete(&path(&acme)).await.expect(204);
    let connection = bifrost_tests::with(provider.authorization_code(), json!({"name": name}));
    for answer in [
        key.post("/connections", connection.clone()).await,
        key.post("/keys", json!({"role": "workflow"})).await,
        app.root().post(&format!("/connections?scope={}", acme.id), connection).await,
        app.root().put(&acme.mapping(&name), json!({"entity_id": "1"})).await,
        app.root().post("/keys", json!({"role": "workflow", "organization_id": acme.id})).await,
        app.root().post(&global.path("/authorize"), json!({"organization_id": acme.id})).await,
    ] {
        assert!([403, 404, 409].contains(&answer.status), "{}", answer.text);
    }
}

#[tokio::test]
async fn the_same_id_again_adopts_nothing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let id = Uuid::new_v4().to_string();
    let create = async || {
        let body = json!({"id": id, "name": "Acme"});
        app.root().post("/organizations", body).await.expect(201);
    };
    create().await;
    let acme = Organization { id: id.clone(), name: "Acme".to_owned() };
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let name = app.integration("Halo", json!({"config_schema": schema})).await;
    let mapping = json!({"entity_id": "1", "config": {"api_key": "sk-acme"}});
    app.map(&name, &acme, mapping).await;
    let global = app.connected(&provider).await;
    app.connect_for(&global, &acme).await;
    let key = app.key(Role::User, &acme).await;
    app.root().delete(&path(&acme)).await.expect(204);
    create().await;
    key.get("/integrations").await.gateway(403, "Forbidden");
    let resolved = app.resolve(&app.root(), &name, &id).await;
    assert!(resolved["entity_id"].is_null(), "{resolved}");
    assert_eq!(resolved["config"], json!({}));
    let of_acme = format!("/connections/{}/token?scope={id}", global.name);
    let shared = app.token(&global).await.expect(200);
    let token = app.root().get(&of_acme).await.expect(200);
    assert_eq!(token["grant_id"], shared["grant_id"]);
}

#[tokio::test]
async fn an_organization_of_the_same_id_can_read_what_it_seals() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let name = app.integration("Halo", json!({"config_schema": schema})).await;
    let mapping = |secret: &str| json!({"entity_id": "1", "config": {"api_key": secret}});
    app.map(&name, &acme, mapping("sk-old")).await;
    app.root().delete(&path(&acme)).await.expect(204);
    let again = json!({"id": acme.id, "name": "Acme"});
    app.root().post("/organizations", again).await.expect(201);
    app.map(&name, &acme, mapping("sk-new")).await;
    let resolved = app.resolve(&app.root(), &name, &acme.id).await;
    assert_eq!(resolved["config"]["api_key"], "sk-new");
}

#[tokio::test]
async fn the_refresher_leaves_its_grants_alone() {
    let app = TestApp::alone().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(4)).await;
    let acme = app.organization("Acme").await;
    let own = app.connection(&app.unique("Halo"), &acme.id, &provider, json!({})).await;
    app.connect_in_browser(&own).await;
    let global = app.connected(&TestProvider::start().await).await;
    app.root().delete(&path(&acme)).await.expect(204);
    pause(2_500).await;
    let report = app.sweep().await;
    assert_eq!((&report["due"], &report["failed"]), (&json!(0), &json!(0)), "{report}");
    assert_eq!(provider.control().token_request_count("refresh_token"), 0);
    app.token(&global).await.expect(200);
}

#[tokio::test]
async fn deleting_organizations_is_for_administrators() {
    let app = TestApp::shared().await;
    let (acme, msp) = (app.organization("Acme").await, app.provider_organization("MSP").await);
    for caller in [
        app.key(Role::User, &acme).await,
        app.key(Role::Workflow, &acme).await,
        app.key(Role::User, &msp).await,
    ] {
        caller.delete(&path(&acme)).await.problem(403, "forbidden");
    }
    app.root().delete(&format!("/organizations/{}", Uuid::new_v4())).await.problem(404, "not-found");
    app.root().delete("/organizations/acme").await.invalid(&["id"]);
    app.key(Role::Admin, &msp).await.delete(&path(&acme)).await.expect(204);
}
