use std::time::Duration;

use bifrost_local::provider::Fault;
use bifrost_tests::{Role, SLIPPED_TOKEN, TestApp, TestProvider, pause, with};
use serde_json::{Value, json};
use uuid::Uuid;

fn schema() -> Value {
    json!([
        {"key": "base_url", "type": "string", "required": true},
        {"key": "timeout", "type": "int"},
        {"key": "beta", "type": "bool"},
        {"key": "settings", "type": "json"},
        {"key": "api_key", "type": "secret", "required": true},
    ])
}

#[tokio::test]
async fn overrides_lie_over_defaults_in_their_declared_types_with_secrets_readable() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let defaults =
        json!({"base_url": "https://halo.example", "timeout": 30, "settings": {"a": 1.0}, "api_key": "sk-d"});
    let name = app.integration("Halo", json!({"config_schema": schema(), "defaults": defaults})).await;
    let overrides = json!({"timeout": 9007199254740993_u64, "beta": false, "api_key": "sk-acme"});
    app.map(&name, &acme, json!({"entity_id": "42", "entity_name": "Acme Ltd", "config": overrides})).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let resolved = workflow.get(&format!("/integrations/{name}/resolve")).await.expect(200);
    assert_eq!((&resolved["entity_id"], &resolved["entity_name"]), (&json!("42"), &json!("Acme Ltd")));
    assert_eq!(resolved["config"], with(defaults, overrides));
    assert_eq!((&resolved["missing_config"], &resolved["oauth"]), (&json!([]), &Value::Null));
    assert!(resolved["integration_id"].is_string());
}

#[tokio::test]
async fn without_a_mapping_the_defaults_apply_and_what_is_missing_is_named() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let body = json!({"config_schema": schema(), "defaults": {"timeout": 30}, "default_entity_id": "common"});
    let name = app.integration("Halo", body).await;
    let resolved = app.resolve(&app.root(), &name, &acme.id).await;
    assert_eq!((&resolved["entity_id"], &resolved["entity_name"]), (&json!("common"), &Value::Null));
    assert_eq!(resolved["config"], json!({"timeout": 30}));
    assert_eq!(resolved["missing_config"], json!(["base_url", "api_key"]));
    assert_eq!(app.resolve(&app.root(), &name, "global").await["entity_id"], "common");
}

#[tokio::test]
async fn scope_is_decided_before_anything_is_looked_up() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let name = app.integration("Halo", json!({})).await;
    for caller in [app.key(Role::User, &acme).await, app.key(Role::Workflow, &acme).await] {
        for scope in [globex.id.as_str(), "global", &Uuid::new_v4().to_string()] {
            for integration in [name.as_str(), "Nothing"] {
                let path = format!("/integrations/{integration}/resolve?scope={scope}");
                caller.get(&path).await.problem(403, "scope-forbidden");
            }
        }
        caller.get(&format!("/integrations/{name}/resolve?scope=rubbish")).await.invalid(&["scope"]);
        caller.get(&format!("/integrations/{name}/resolve?scope={}", acme.id)).await.expect(200);
        caller.get("/integrations/Nothing/resolve").await.problem(404, "not-found");
    }
    let msp = app.provider_organization("MSP").await;
    app.resolve(&app.key(Role::Workflow, &msp).await, &name, &acme.id).await;
}

#[tokio::test]
async fn a_connected_integration_comes_with_a_token_that_its_provider_accepts() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    let name = app.integration("Halo", json!({"connection": connection.name.to_uppercase()})).await;
    let oauth = app.resolve(&app.root(), &name, &acme.id).await["oauth"].clone();
    assert_eq!(provider.me(&oauth["access_token"]).await["user"], "ada@example.com");
    assert_eq!(oauth["connection_name"], connection.name.as_str());
    assert_eq!(oauth["client_id"], provider.client_id.as_str());
    assert_eq!(oauth["client_secret"], provider.client_secret.as_str());
    assert_eq!(oauth["authorization_url"], provider.url("/authorize"));
    assert_eq!(oauth["token_url"], provider.url("/token"));
    assert_eq!(oauth["scopes"], json!(["read", "offline_access"]));
    assert_eq!((&oauth["token_type"], &oauth["status"]), (&json!("Bearer"), &json!("active")));
    assert_eq!((&oauth["generation"], &oauth["problem"]), (&json!(1), &Value::Null));
    assert!(oauth["refresh_token"].is_string() && oauth["grant_id"].is_string());
    assert!((3500..=3600).contains(&bifrost_tests::seconds_until(&oauth["expires_at"])));
}

#[tokio::test]
async fn an_integration_that_names_no_connection_uses_the_one_of_its_own_name() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let name = app.integration("Halo PSA", json!({})).await;
    assert!(app.resolve(&app.root(), &name, "global").await["oauth"].is_null());
    app.connection(&name.replace(' ', "_").to_lowercase(), "global", &provider, json!({})).await;
    let oauth = app.resolve(&app.root(), &name, "global").await["oauth"].clone();
    assert_eq!((&oauth["status"], &oauth["access_token"]), (&json!("not_connected"), &Value::Null));
    assert_eq!(oauth["problem"]["code"], "not-connected");
    assert!(oauth["problem"]["fix"].as_str().is_some_and(|fix| !fix.is_empty()));
}

#[tokio::test]
async fn the_organizations_own_connection_comes_first_even_when_it_does_not_work() {
    let app = TestApp::shared().await;
    let (theirs, ours) = (TestProvider::start().await, TestProvider::start().await);
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let name = app.integration("Halo", json!({})).await;
    let global = app.connection(&name, "global", &ours, json!({})).await;
    app.connect_in_browser(&global).await;
    let own = app.connection(&name, &acme.id, &theirs, json!({})).await;
    let unconnected = app.resolve(&app.root(), &name, &acme.id).await["oauth"].clone();
    assert_eq!(
        (&unconnected["access_token"], &unconnected["client_id"]),
        (&Value::Null, &json!(theirs.client_id))
    );
    assert_eq!(unconnected["problem"]["code"], "not-connected");
    app.connect_in_browser(&own).await;
    let connected = app.resolve(&app.root(), &name, &acme.id).await["oauth"].clone();
    assert_eq!(theirs.me(&connected["access_token"]).await["user"], "ada@example.com");
    let fallen_back = app.resolve(&app.root(), &name, &globex.id).await["oauth"].clone();
    assert_eq!(ours.me(&fallen_back["access_token"]).await["user"], "ada@example.com");
}

#[tokio::test]
async fn a_grant_is_the_organizations_own_or_the_connections_never_another_organizations() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let name = app.integration("Halo", json!({"connection": connection.name})).await;
    app.connect_for(&connection, &acme).await;
    let token_of =
        async |scope: &str| app.resolve(&app.root(), &name, scope).await["oauth"]["access_token"].clone();
    let acmes = token_of(&acme.id).await;
    assert!(acmes.is_string());
    assert_eq!((token_of(&globex.id).await, token_of("global").await), (Value::Null, Value::Null));
    app.connect_in_browser(&connection).await;
    let shared = token_of("global").await;
    assert!(shared.is_string() && shared != acmes);
    assert_eq!((token_of(&globex.id).await, token_of(&acme.id).await), (shared, acmes));
}

#[tokio::test]
async fn another_organizations_connection_is_never_used() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let name = app.integration("Halo", json!({})).await;
    let theirs = app.connection(&name, &acme.id, &provider, json!({})).await;
    app.connect_in_browser(&theirs).await;
    assert!(app.resolve(&app.root(), &name, &globex.id).await["oauth"].is_null());
    assert!(app.resolve(&app.root(), &name, "global").await["oauth"].is_null());
}

#[tokio::test]
async fn client_secret_and_refresh_token_are_for_those_who_may_read_secrets() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({})).await;
    let global = app.connection(&name, "global", &provider, json!({})).await;
    app.connect_in_browser(&global).await;
    let seeing = json!({"read_secrets": true});
    let reads = async |caller| {
        let oauth = app.resolve(&caller, &name, &acme.id).await["oauth"].clone();
        assert!(oauth["access_token"].is_string());
        (oauth["client_secret"].is_string(), oauth["refresh_token"].is_string())
    };
    assert_eq!(reads(app.root()).await, (true, true));
    assert_eq!(
        reads(app.key(Role::User, &acme).await).await,
        (false, false),
        "a global connection's secrets"
    );
    assert_eq!(reads(app.key(Role::Workflow, &acme).await).await, (false, false));
    assert_eq!(reads(app.key_with(Role::Workflow, &acme, seeing).await).await, (true, true));
    let own = app.connection(&name, &acme.id, &provider, json!({})).await;
    app.connect_in_browser(&own).await;
    assert_eq!(reads(app.key(Role::User, &acme).await).await, (true, true), "its own connection's secrets");
    assert_eq!(reads(app.key(Role::Workflow, &acme).await).await, (false, false));
}

#[tokio::test]
async fn a_token_near_its_end_is_refreshed_by_the_resolve_that_needs_it() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(3)).await;
    let connection = app.connected(&provider).await;
    let name = app.integration("Halo", json!({"connection": connection.name})).await;
    let first = app.resolve(&app.root(), &name, "global").await["oauth"].clone();
    pause(3_100).await;
    let second = app.resolve(&app.root(), &name, "global").await["oauth"].clone();
    assert_ne!(first["access_token"], second["access_token"]);
    assert!(first["generation"].as_u64() < second["generation"].as_u64(), "{first} {second}");
    assert_eq!(provider.me(&second["access_token"]).await["user"], "ada@example.com");
}

#[tokio::test]
async fn trouble_with_oauth_never_fails_a_resolve() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let connection = app.connected(&provider).await;
    let body = json!({"connection": connection.name, "default_entity_id": "7"});
    let name = app.integration("Halo", body).await;
    pause(2_100).await;
    provider
        .control()
        .fail_next_token(Fault::answer(503, format!(r#"{{"access_token": "{SLIPPED_TOKEN}"}}"#)));
    let answer = app.root().get(&format!("/integrations/{name}/resolve")).await;
    assert!(!answer.text.contains(SLIPPED_TOKEN), "{}", answer.text);
    let resolved = answer.expect(200);
    assert_eq!((&resolved["entity_id"], &resolved["oauth"]["access_token"]), (&json!("7"), &Value::Null));
    assert_eq!(resolved["oauth"]["problem"]["code"], "provider-unavailable");
    assert_eq!(resolved["oauth"]["status"], "failing");
}

#[tokio::test]
async fn placeholders_arrive_filled_in_and_an_unresolved_one_is_named() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let name = app.integration("Graph", json!({})).await;
    app.create_connection("global", with(provider.client_credentials(), json!({"name": name}))).await;
    app.map(&name, &acme, json!({"entity_id": "acme-tenant"})).await;
    let oauth = app.resolve(&app.root(), &name, &acme.id).await["oauth"].clone();
    assert_eq!(oauth["token_url"], provider.url("/acme-tenant/token"));
    assert_eq!(provider.me(&oauth["access_token"]).await["tenant"], "acme-tenant");
    let unmapped = app.resolve(&app.root(), &name, &globex.id).await["oauth"].clone();
    assert!(unmapped["access_token"].is_null());
    assert_eq!(unmapped["problem"]["code"], "placeholder-unresolved");
    assert!(unmapped["problem"]["detail"].as_str().unwrap().contains("entity_id"), "{unmapped}");
}

#[tokio::test]
async fn a_warm_resolve_costs_one_read() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let name = app
        .integration("Halo", json!({"config_schema": schema, "defaults": {"api_key": "sk-default"}}))
        .await;
    app.map(&name, &acme, json!({"entity_id": "42", "config": {"api_key": "sk-acme"}})).await;
    let connection = app.connection(&name, "global", &provider, json!({})).await;
    app.connect_in_browser(&connection).await;
    app.connect_for(&connection, &acme).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let calls = async || {
        app.resolve(&workflow, &name, &acme.id).await;
        app.stack().calls_by("integrations-resolve")
    };
    let cold = calls().await;
    let warm = calls().await;
    let cost = |call: &str| warm.get(call).unwrap_or(&0) - cold.get(call).unwrap_or(&0);
    let costs: Vec<(&str, u64)> =
        warm.keys().map(|call| (call.as_str(), cost(call))).filter(|(_, n)| *n > 0).collect();
    assert_eq!(costs, [("DynamoDB.BatchGetItem", 1)]);
}
