use bifrost_tests::{Api, Role, TestApp, pause, seconds_until};
use serde_json::json;
use uuid::Uuid;

/// A key that works gets as far as finding nothing.
async fn works(caller: &Api) {
    caller.get("/integrations/Nothing").await.problem(404, "not-found");
}

#[tokio::test]
async fn the_key_itself_is_in_the_answer_to_its_creation() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let body = json!({"name": "ci", "role": "workflow", "organization_id": acme.id, "expires_in": 3600});
    let created = app.root().post("/keys", body).await.expect(201);
    assert_eq!(created["name"], "ci");
    assert_eq!(created["role"], "workflow");
    assert_eq!(created["organization_id"], acme.id.as_str());
    assert_eq!(created["read_secrets"], false);
    assert!((3590..=3600).contains(&seconds_until(&created["expires_at"])));
    let id: Uuid = created["id"].as_str().unwrap().parse().unwrap();
    let key = created["key"].as_str().unwrap();
    let (prefix, rest) = key.split_at(4);
    let (key_id, secret) = rest.split_once('_').unwrap();
    assert_eq!((prefix, key_id.parse::<Uuid>().unwrap()), ("bfk_", id));
    assert!(secret.len() >= 32, "a secret of {} characters can be guessed", secret.len());
    works(&app.with_key(key)).await;
}

#[tokio::test]
async fn a_missing_organization_is_never_taken_for_the_platform() {
    let app = TestApp::shared().await;
    app.root().post("/keys", json!({"role": "user"})).await.invalid(&["organization_id"]);
    app.root()
        .post("/keys", json!({"role": "user", "organization_id": null}))
        .await
        .invalid(&["organization_id"]);
}

#[tokio::test]
async fn a_key_of_an_organization_that_does_not_stand_is_not_made() {
    let app = TestApp::shared().await;
    let body = json!({"role": "user", "organization_id": Uuid::new_v4()});
    let refused = app.root().post("/keys", body).await;
    assert!([404, 409, 422].contains(&refused.status), "{}", refused.text);
}

#[tokio::test]
async fn administrators_belong_to_providers_only() {
    let app = TestApp::shared().await;
    let (acme, msp) = (app.organization("Acme").await, app.provider_organization("MSP").await);
    let ask = |id: &str| json!({"role": "admin", "organization_id": id});
    let refused = app.root().post("/keys", ask(&acme.id)).await;
    assert!([403, 422].contains(&refused.status), "{}", refused.text);
    app.root().post("/keys", ask(&msp.id)).await.expect(201);
}

#[tokio::test]
async fn unknown_and_contradicting_fields_are_named() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let body = json!({"organization_id": acme.id, "role": "owner", "expires_in": 0, "colour": "red"});
    app.root().post("/keys", body).await.invalid(&["colour", "expires_in", "role"]);
    let cidr = json!({"organization_id": acme.id, "role": "user", "allowed_cidrs": ["10.0.0.0/33"]});
    app.root().post("/keys", cidr).await.invalid(&["allowed_cidrs"]);
}

#[tokio::test]
async fn a_user_makes_workflow_keys_for_its_own_organization_and_nothing_else() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let user = app.key(Role::User, &acme).await;
    let ask = |role: &str, id: &str| json!({"role": role, "organization_id": id});
    user.post("/keys", ask("workflow", &acme.id)).await.expect(201);
    for (role, id) in [("user", &acme.id), ("admin", &acme.id), ("workflow", &globex.id)] {
        let refused = user.post("/keys", ask(role, id)).await;
        // Nobody makes an admin for a managed organization: that is wrong before it is forbidden.
        let expected = if role == "admin" { 422 } else { 403 };
        assert_eq!(refused.status, expected, "{role}: {}", refused.text);
    }
    let platform = user.post("/keys", json!({"role": "workflow", "platform": true})).await;
    assert_eq!(platform.status, 403, "{}", platform.text);
    let workflow = app.key(Role::Workflow, &acme).await;
    workflow.post("/keys", ask("workflow", &acme.id)).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_key_never_outlives_or_outreaches_the_key_that_made_it() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let parent = json!({"expires_in": 600, "allowed_cidrs": ["127.0.0.0/8", "::1/128"]});
    let user = app.key_with(Role::User, &acme, parent).await;
    let workflow = json!({"role": "workflow"});
    let child = user.post("/keys", workflow).await.expect(201);
    assert!(seconds_until(&child["expires_at"]) <= 600);
    assert_eq!(child["allowed_cidrs"].as_array().unwrap().len(), 2);
    let longer = user.post("/keys", json!({"role": "workflow", "expires_in": 6000})).await;
    assert_eq!(longer.status, 422, "{}", longer.text);
    let wider = user.post("/keys", json!({"role": "workflow", "allowed_cidrs": ["0.0.0.0/0"]})).await;
    assert_eq!(wider.status, 422, "{}", wider.text);
    let blind = app.key_with(Role::User, &acme, json!({"read_secrets": false})).await;
    let seeing = blind.post("/keys", json!({"role": "workflow", "read_secrets": true})).await;
    assert_eq!(seeing.status, 403, "{}", seeing.text);
}

#[tokio::test]
async fn a_key_stops_working_when_it_expires_whatever_the_gateway_remembers() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let brief = app.key_with(Role::Workflow, &acme, json!({"expires_in": 5})).await;
    works(&brief).await;
    pause(5_100).await;
    let refused = brief.get("/integrations/Nothing").await;
    assert!([401, 403].contains(&refused.status), "{}", refused.text);
}

#[tokio::test]
async fn a_key_works_from_its_own_networks_only() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let elsewhere = app.key_with(Role::Workflow, &acme, json!({"allowed_cidrs": ["203.0.113.0/24"]})).await;
    elsewhere.get("/integrations/Nothing").await.problem(403, "network-forbidden");
    let here =
        app.key_with(Role::Workflow, &acme, json!({"allowed_cidrs": ["127.0.0.0/8", "::1/128"]})).await;
    works(&here).await;
}
