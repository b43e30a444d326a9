//! The gateway remembers for a minute what a key was; keys that it has never seen show what is true now.

use bifrost_tests::{Api, Role, TestApp};
use serde_json::json;
use uuid::Uuid;

/// The path of a key, whose id is in it.
fn path(key: &Api) -> String {
    let id = key.key().split('_').nth(1).unwrap();
    format!("/keys/{id}")
}

async fn is_refused(key: &Api) {
    key.get("/integrations").await.gateway(403, "Forbidden");
}

#[tokio::test]
async fn a_revoked_key_is_refused_and_revoked_once() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let key = app.key(Role::Workflow, &acme).await;
    let revoked = app.root().delete(&path(&key)).await;
    assert_eq!((revoked.status, revoked.text.as_str()), (204, ""));
    is_refused(&key).await;
    app.root().delete(&path(&key)).await.problem(404, "not-found");
    let list = app.root().get(&format!("/keys?scope={}", acme.id)).await.expect(200);
    assert_eq!(list["items"], json!([]));
}

#[tokio::test]
async fn a_child_dies_with_its_parent_and_with_its_parents_parent() {
    let app = TestApp::shared().await;
    let (acme, msp) = (app.organization("Acme").await, app.provider_organization("MSP").await);
    let make = async |maker: &Api, role: &str| {
        let body = json!({"role": role, "organization_id": acme.id});
        let made = maker.post("/keys", body).await.expect(201);
        app.with_key(made["key"].as_str().unwrap())
    };
    let admin = app.key(Role::Admin, &msp).await;
    let user = make(&admin, "user").await;
    let (orphan, grandchild) = (make(&user, "workflow").await, make(&user, "workflow").await);
    let sibling = make(&admin, "workflow").await;
    app.root().delete(&path(&user)).await.expect(204);
    is_refused(&orphan).await;
    app.root().delete(&path(&admin)).await.expect(204);
    is_refused(&grandchild).await;
    is_refused(&sibling).await;
}

#[tokio::test]
async fn a_revoked_key_that_the_gateway_remembers_makes_no_keys() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let user = app.key(Role::User, &acme).await;
    user.get("/keys").await.expect(200);
    app.root().delete(&path(&user)).await.expect(204);
    let made = user.post("/keys", json!({"role": "workflow"})).await;
    assert_eq!(made.status, 403, "{}", made.text);
}

#[tokio::test]
async fn users_revoke_the_workflows_of_their_organization_and_see_no_others() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let user = app.key(Role::User, &acme).await;
    for hidden in [app.key(Role::User, &acme).await, app.key(Role::Workflow, &globex).await] {
        user.delete(&path(&hidden)).await.problem(404, "not-found");
        hidden.get("/integrations").await.expect(200);
    }
    user.delete(&format!("/keys/{}", Uuid::new_v4())).await.problem(404, "not-found");
    user.delete("/keys/root").await.invalid(&["id"]);
    let workflow = app.key(Role::Workflow, &acme).await;
    workflow.delete(&path(&workflow)).await.problem(403, "forbidden");
    let unused = app.key(Role::Workflow, &acme).await;
    user.delete(&path(&unused)).await.expect(204);
    is_refused(&unused).await;
}
