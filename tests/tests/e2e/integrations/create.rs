use bifrost_tests::{Role, TestApp, with};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_integration_is_answered_with_all_its_fields_and_no_secret() {
    let app = TestApp::shared().await;
    let name = app.unique("HaloPSA");
    let schema = json!([
        {"key": "base_url", "type": "string", "required": true, "description": "Where the API is"},
        {"key": "timeout", "type": "int"},
        {"key": "beta", "type": "bool"},
        {"key": "settings", "type": "json"},
        {"key": "api_key", "type": "secret"},
        {"key": "other_key", "type": "secret"},
    ]);
    let body = json!({
        "name": name, "description": "The PSA", "entity_id_name": "Client ID", "default_entity_id": "1",
        "connection": "Some Connection", "config_schema": schema,
        "defaults": {"base_url": "https://halo.example", "timeout": 30, "beta": true,
                     "settings": {"a": [1, 2.0]}, "api_key": "sk-default"},
    });
    let answer = app.root().post("/integrations", body.clone()).await;
    assert!(!answer.text.contains("sk-default"), "{}", answer.text);
    let created = answer.expect(201);
    for field in ["name", "description", "entity_id_name", "default_entity_id", "connection"] {
        assert_eq!(created[field], body[field], "{field}");
    }
    assert_eq!(created["config_schema"][0]["required"], true);
    let shown = with(body["defaults"].clone(), json!({"api_key": {"secret": true, "set": true}}));
    for (key, value) in shown.as_object().unwrap() {
        assert_eq!(&created["defaults"][key], value, "{key}");
    }
    assert!(
        created["id"].is_string() && created["created_at"].is_string() && created["updated_at"].is_string()
    );
}

#[tokio::test]
async fn a_name_is_taken_when_it_is_the_same_but_for_case_and_separators() {
    let app = TestApp::shared().await;
    let tail = app.unique("");
    let tail = tail.trim();
    app.root().post("/integrations", json!({"name": format!("Microsoft_Graph.{tail}")})).await.expect(201);
    for same in [
        format!("microsoft-graph {tail}"),
        format!("MICROSOFT GRAPH_{tail}"),
        format!("microsoft.graph-{tail}"),
    ] {
        app.root().post("/integrations", json!({"name": same})).await.problem(409, "name-taken");
    }
    app.root().post("/integrations", json!({"name": format!("MicrosoftGraph{tail}")})).await.expect(201);
}

#[tokio::test]
async fn a_name_that_breaks_the_rules_is_refused() {
    let app = TestApp::shared().await;
    let long = "a".repeat(129);
    for name in
        ["", " ", " a", "a ", "-a", "a_", ".a", "a/b", "a~b", "Überwachung", "a\nb", "a%20b", long.as_str()]
    {
        app.root().post("/integrations", json!({"name": name})).await.invalid(&["name"]);
    }
    app.root().post("/integrations", json!({})).await.invalid(&["name"]);
}

#[tokio::test]
async fn defaults_must_fit_the_schema_and_every_one_that_does_not_is_named() {
    let app = TestApp::shared().await;
    let body = json!({
        "name": app.unique("Typed"),
        "config_schema": [
            {"key": "timeout", "type": "int"}, {"key": "beta", "type": "bool"},
            {"key": "region", "type": "string", "options": ["eu", "us"]}, {"key": "token", "type": "secret"},
        ],
        "defaults": {"timeout": "30", "beta": 1, "region": "mars", "token": 5, "unheard_of": 1},
    });
    let fields =
        ["defaults.beta", "defaults.region", "defaults.timeout", "defaults.token", "defaults.unheard_of"];
    app.root().post("/integrations", body).await.invalid(&fields);
}

#[tokio::test]
async fn a_schema_declares_known_types_and_each_key_once() {
    let app = TestApp::shared().await;
    for schema in [
        json!([{"key": "a", "type": "float"}]),
        json!([{"key": "a", "type": "int"}, {"key": "a", "type": "int"}]),
        json!([{"key": "", "type": "int"}]),
        json!([{"type": "int"}]),
        json!([{"key": "a", "type": "int", "colour": "red"}]),
    ] {
        let body = json!({"name": app.unique("X"), "config_schema": schema});
        let body = app.root().post("/integrations", body).await.problem(422, "invalid-input");
        assert!(body["errors"][0]["field"].as_str().unwrap().starts_with("config_schema"), "{body}");
    }
}

#[tokio::test]
async fn unknown_fields_are_named_not_ignored() {
    let app = TestApp::shared().await;
    let body = json!({"name": app.unique("X"), "entity_name": "x", "default": {}});
    app.root().post("/integrations", body).await.invalid(&["default", "entity_name"]);
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused_without_being_quoted() {
    let app = TestApp::shared().await;
    for body in ["", "{", "[]", "\"sk-secret\"", "null", "{\"name\": \"x\"} trailing"] {
        let answer = app.root().send(Method::POST, "/integrations", Some(body.to_owned())).await;
        assert!([400, 422].contains(&answer.status), "{body}: {} {}", answer.status, answer.text);
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert!(!answer.text.contains("sk-secret"));
    }
}

#[tokio::test]
async fn a_body_over_256_kib_is_too_large() {
    let app = TestApp::shared().await;
    let body = json!({"name": "x", "description": "d".repeat(257 * 1024)});
    app.root().post("/integrations", body).await.problem(413, "body-too-large");
}

#[tokio::test]
async fn only_administrators_describe_integrations() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    for role in [Role::User, Role::Workflow] {
        let caller = app.key(role, &acme).await;
        caller.post("/integrations", json!({"name": "Mine"})).await.problem(403, "forbidden");
    }
}
