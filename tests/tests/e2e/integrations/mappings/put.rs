use bifrost_tests::{Api, Organization, Role, TestApp, TestProvider, all_at_once, with};
use serde_json::{Value, json};
use uuid::Uuid;

/// What stands where a secret is.
fn shown_secret() -> Value {
    json!({"secret": true, "set": true})
}

/// An integration with a plain and a secret key, both with defaults.
async fn integration(app: &TestApp) -> String {
    let body = json!({
        "config_schema": [
            {"key": "region", "type": "string"}, {"key": "timeout", "type": "int"},
            {"key": "api_key", "type": "secret"},
        ],
        "defaults": {"region": "eu", "api_key": "sk-default"},
    });
    app.integration("Halo", body).await
}

async fn put(caller: &Api, integration: &str, organization: &Organization, body: Value) -> Value {
    let answer = caller.put(&organization.mapping(integration), body).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text);
    answer.body
}

#[tokio::test]
async fn a_mapping_is_answered_with_its_own_values_and_secrets_hidden() {
    let app = TestApp::shared().await;
    let (name, acme) = (integration(&app).await, app.organization("Acme").await);
    let body =
        json!({"entity_id": "42", "entity_name": "Acme Ltd", "config": {"timeout": 5, "api_key": "sk-acme"}});
    let mapping = put(&app.root(), &name, &acme, body).await;
    assert_eq!((&mapping["entity_id"], &mapping["entity_name"]), (&json!("42"), &json!("Acme Ltd")));
    assert_eq!(mapping["organization_id"], acme.id.as_str());
    assert_eq!(mapping["config"], json!({"timeout": 5, "api_key": shown_secret()}));
    assert!(mapping["id"].is_string() && mapping["integration_id"].is_string());
    assert!(mapping["oauth_token_id"].is_null());
}

#[tokio::test]
async fn put_replaces_everything_but_secrets_left_out_or_sent_as_shown() {
    let app = TestApp::shared().await;
    let (name, acme, root) = (integration(&app).await, app.organization("Acme").await, app.root());
    let config = json!({"timeout": 5, "api_key": "sk-acme"});
    let first =
        put(&root, &name, &acme, json!({"entity_id": "1", "entity_name": "A", "config": config})).await;
    let left_out = put(&root, &name, &acme, json!({"entity_id": "2"})).await;
    assert_eq!((&left_out["id"], &left_out["created_at"]), (&first["id"], &first["created_at"]));
    assert!(left_out["entity_name"].is_null());
    assert_eq!(left_out["config"], json!({"api_key": shown_secret()}));
    put(&root, &name, &acme, json!({"entity_id": "2", "config": {"api_key": shown_secret()}})).await;
    assert_eq!(app.resolve(&root, &name, &acme.id).await["config"]["api_key"], "sk-acme");
}

#[tokio::test]
async fn null_removes_an_override_and_the_default_shows_again() {
    let app = TestApp::shared().await;
    let (name, acme, root) = (integration(&app).await, app.organization("Acme").await, app.root());
    put(&root, &name, &acme, json!({"config": {"region": "us", "api_key": "sk-acme"}})).await;
    let mapping = put(&root, &name, &acme, json!({"config": {"region": null, "api_key": null}})).await;
    assert_eq!(mapping["config"], json!({}));
    let config = app.resolve(&root, &name, &acme.id).await["config"].clone();
    assert_eq!(config, json!({"region": "eu", "api_key": "sk-default"}));
}

#[tokio::test]
async fn overrides_must_fit_the_schema_and_unknown_fields_are_named() {
    let app = TestApp::shared().await;
    let (name, acme) = (integration(&app).await, app.organization("Acme").await);
    let body = json!({"entity": "1", "config": {"timeout": "5", "unheard_of": 1}});
    let fields = ["config.timeout", "config.unheard_of", "entity"];
    app.root().put(&acme.mapping(&name), body).await.invalid(&fields);
    let shown = json!({"config": {"api_key": shown_secret()}});
    app.root().put(&acme.mapping(&name), shown).await.invalid(&["config.api_key"]);
}

#[tokio::test]
async fn an_entity_belongs_to_one_organization_of_an_integration() {
    let app = TestApp::shared().await;
    let (halo, other) = (integration(&app).await, integration(&app).await);
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let (root, entity) = (app.root(), |id: &str| json!({"entity_id": id}));
    put(&root, &halo, &acme, entity("tenant-1")).await;
    root.put(&globex.mapping(&halo), entity("tenant-1")).await.problem(409, "entity-taken");
    put(&root, &other, &globex, entity("tenant-1")).await;
    put(&root, &halo, &acme, entity("tenant-1")).await;
    put(&root, &halo, &acme, entity("tenant-2")).await;
    put(&root, &halo, &globex, entity("tenant-1")).await;
}

#[tokio::test]
async fn of_organizations_that_claim_an_entity_at_once_one_gets_it() {
    let app = TestApp::shared().await;
    let name = integration(&app).await;
    let mut claims = Vec::new();
    for number in 0..4 {
        let (root, organization) = (app.root(), app.organization(&format!("Claimant {number}")).await);
        let path = organization.mapping(&name);
        claims.push(async move { root.put(&path, json!({"entity_id": "contested"})).await.status });
    }
    let mut statuses = all_at_once(claims).await;
    statuses.sort_unstable();
    assert!(statuses[0] < 300 && statuses[1..] == [409, 409, 409], "{statuses:?}");
}

#[tokio::test]
async fn a_managed_user_changes_config_only_and_a_workflow_nothing() {
    let app = TestApp::shared().await;
    let (name, acme) = (integration(&app).await, app.organization("Acme").await);
    let (user, workflow) = (app.key(Role::User, &acme).await, app.key(Role::Workflow, &acme).await);
    put(&app.root(), &name, &acme, json!({"entity_id": "42", "entity_name": "Acme Ltd"})).await;
    let path = acme.mapping(&name);
    for body in [json!({"entity_id": "43"}), json!({"entity_id": "42", "entity_name": "Other"})] {
        user.put(&path, body).await.problem(403, "forbidden");
    }
    let same = json!({"entity_id": "42", "entity_name": "Acme Ltd", "config": {"timeout": 9}});
    assert_eq!(put(&user, &name, &acme, same.clone()).await["config"]["timeout"], 9);
    workflow.put(&path, same).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_managed_user_can_not_move_itself_to_another_tenant_of_a_global_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let schema = json!([{"key": "tenant", "type": "string"}, {"key": "timeout", "type": "int"}]);
    let name =
        app.integration("Graph", json!({"config_schema": schema, "defaults": {"tenant": "ours"}})).await;
    let url = json!({"name": name, "token_url": provider.url("/{tenant}/token")});
    app.create_connection("global", with(provider.client_credentials(), url)).await;
    app.map(&name, &acme, json!({"entity_id": "42"})).await;
    let user = app.key(Role::User, &acme).await;
    let body = |config: Value| json!({"entity_id": "42", "config": config});
    user.put(&acme.mapping(&name), body(json!({"tenant": "theirs"}))).await.problem(403, "forbidden");
    put(&user, &name, &acme, body(json!({"timeout": 5}))).await;
    let oauth = app.resolve(&app.root(), &name, &acme.id).await["oauth"].clone();
    assert_eq!(provider.me(&oauth["access_token"]).await["tenant"], "ours");
}

#[tokio::test]
async fn another_organizations_mapping_is_out_of_scope_whether_it_is_there_or_not() {
    let app = TestApp::shared().await;
    let (name, acme, globex) =
        (integration(&app).await, app.organization("Acme").await, app.organization("G").await);
    let user = app.key(Role::User, &acme).await;
    user.put(&globex.mapping(&name), json!({})).await.problem(403, "scope-forbidden");
    user.put(&globex.mapping("Nothing"), json!({})).await.problem(403, "scope-forbidden");
    let nowhere = Organization { id: Uuid::new_v4().to_string(), name: String::new() };
    user.put(&nowhere.mapping(&name), json!({})).await.problem(403, "scope-forbidden");
}

#[tokio::test]
async fn a_mapping_needs_its_integration_and_its_organization() {
    let app = TestApp::shared().await;
    let (name, acme) = (integration(&app).await, app.organization("Acme").await);
    app.root().put(&acme.mapping("Nothing"), json!({})).await.problem(404, "not-found");
    let nowhere = Organization { id: Uuid::new_v4().to_string(), name: String::new() };
    app.root().put(&nowhere.mapping(&name), json!({})).await.problem(404, "not-found");
}
