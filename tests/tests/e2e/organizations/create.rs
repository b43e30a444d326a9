use bifrost_tests::{Role, TestApp, seconds_until};
use serde_json::json;
use uuid::Uuid;

#[tokio::test]
async fn a_new_organization_is_managed_unless_it_says_otherwise() {
    let app = TestApp::shared().await;
    let created = app.root().post("/organizations", json!({"name": "Acme"})).await.expect(201);
    assert_eq!((&created["name"], &created["is_provider"]), (&json!("Acme"), &json!(false)));
    let id: Uuid = created["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(id.get_version_num(), 7);
    assert!((-5..=0).contains(&seconds_until(&created["created_at"])));
}

#[tokio::test]
async fn an_id_that_is_given_carries_over_once() {
    let app = TestApp::shared().await;
    let body = json!({"name": "Acme", "id": Uuid::new_v4()});
    let created = app.root().post("/organizations", body.clone()).await.expect(201);
    assert_eq!(created["id"], body["id"]);
    let again = app.root().post("/organizations", body).await;
    assert_eq!(again.status, 409, "{}", again.text);
}

#[tokio::test]
async fn invalid_input_names_every_field_that_is_wrong() {
    let app = TestApp::shared().await;
    let body = json!({"id": "acme", "is_provider": "yes", "colour": "red"});
    app.root().post("/organizations", body).await.invalid(&["colour", "id", "is_provider", "name"]);
}

#[tokio::test]
async fn only_administrators_make_organizations() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let msp = app.provider_organization("MSP").await;
    for caller in [
        app.key(Role::User, &acme).await,
        app.key(Role::User, &msp).await,
        app.key(Role::Workflow, &msp).await,
    ] {
        caller.post("/organizations", json!({"name": "Mine"})).await.problem(403, "forbidden");
    }
    app.key(Role::Admin, &msp).await.post("/organizations", json!({"name": "Theirs"})).await.expect(201);
}
