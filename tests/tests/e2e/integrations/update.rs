use bifrost_tests::{Role, TestApp, all_at_once};
use serde_json::{Value, json};

/// An integration with keys of three types, and defaults for two of them.
async fn integration(app: &TestApp) -> String {
    let body = json!({
        "description": "The PSA", "entity_id_name": "Client ID", "default_entity_id": "1",
        "config_schema": schema(),
        "defaults": {"region": "eu", "api_key": "sk-default"},
    });
    app.integration("Halo", body).await
}

fn schema() -> Value {
    json!([
        {"key": "region", "type": "string"}, {"key": "timeout", "type": "int"},
        {"key": "api_key", "type": "secret"},
    ])
}

fn path(name: &str) -> String {
    format!("/integrations/{name}")
}

#[tokio::test]
async fn a_patch_changes_what_it_names_removes_what_it_nulls_and_keeps_the_rest() {
    let app = TestApp::shared().await;
    let name = integration(&app).await;
    let before = app.root().get(&path(&name)).await.expect(200);
    let patch = json!({"description": null, "entity_id_name": "Tenant", "connection": "Other",
                       "defaults": {"region": null, "timeout": 30}});
    let after = app.root().patch(&path(&name), patch).await.expect(200);
    assert_eq!(
        (&after["description"], &after["entity_id_name"], &after["connection"]),
        (&Value::Null, &json!("Tenant"), &json!("Other"))
    );
    assert_eq!(after["defaults"], json!({"timeout": 30, "api_key": {"secret": true, "set": true}}));
    for kept in ["id", "name", "default_entity_id", "config_schema", "created_at"] {
        assert_eq!(after[kept], before[kept], "{kept}");
    }
    assert_eq!(app.root().get(&path(&name)).await.expect(200), after);
}

#[tokio::test]
async fn a_secret_default_is_kept_replaced_or_removed_and_never_shown() {
    let app = TestApp::shared().await;
    let (name, root) = (integration(&app).await, app.root());
    let secret = async || app.resolve(&root, &name, "global").await["config"]["api_key"].clone();
    for kept in [
        json!({"description": "x"}),
        json!({"defaults": {"region": "us"}}),
        json!({"defaults": {"api_key": {"secret": true, "set": true}}}),
    ] {
        root.patch(&path(&name), kept).await.expect(200);
        assert_eq!(secret().await, "sk-default");
    }
    let replaced = root.patch(&path(&name), json!({"defaults": {"api_key": "sk-new"}})).await;
    assert!(!replaced.text.contains("sk-new"), "{}", replaced.text);
    assert_eq!(secret().await, "sk-new");
    let removed = json!({"defaults": {"api_key": null}});
    let shown = root.patch(&path(&name), removed).await.expect(200);
    assert_eq!(shown["defaults"], json!({"region": "us"}));
    assert!(secret().await.is_null());
}

#[tokio::test]
async fn null_for_all_defaults_removes_the_secret_ones_too() {
    let app = TestApp::shared().await;
    let (name, root) = (integration(&app).await, app.root());
    let shown = root.patch(&path(&name), json!({"defaults": null})).await.expect(200);
    assert_eq!(shown["defaults"], json!({}));
    assert_eq!(app.resolve(&root, &name, "global").await["config"], json!({}));
}

#[tokio::test]
async fn a_patch_of_what_has_changed_since_is_refused_and_changes_nothing() {
    let app = TestApp::shared().await;
    let (name, root) = (integration(&app).await, app.root());
    let seen = root.get(&path(&name)).await;
    root.if_as_in(&seen).patch(&path(&name), json!({"description": "first"})).await.expect(200);
    root.if_as_in(&seen)
        .patch(&path(&name), json!({"description": "second"}))
        .await
        .problem(412, "stale-revision");
    assert_eq!(root.get(&path(&name)).await.expect(200)["description"], "first");
}

#[tokio::test]
async fn of_writers_at_once_none_loses_the_field_of_another() {
    let app = TestApp::shared().await;
    let name = integration(&app).await;
    let patches = [
        json!({"description": "written"}),
        json!({"entity_id_name": "written"}),
        json!({"default_entity_id": "written"}),
        json!({"defaults": {"region": "written"}}),
        json!({"connection": "written"}),
    ];
    let writes = patches.map(|patch| {
        let (root, path) = (app.root(), path(&name));
        async move { root.patch(&path, patch).await.status }
    });
    assert_eq!(all_at_once(writes).await, [200; 5]);
    let shown = app.root().get(&path(&name)).await.expect(200);
    for field in ["description", "entity_id_name", "default_entity_id", "connection"] {
        assert_eq!(shown[field], "written", "{field}");
    }
    assert_eq!(shown["defaults"]["region"], "written");
}

#[tokio::test]
async fn the_name_stays_and_what_is_wrong_or_unknown_is_named() {
    let app = TestApp::shared().await;
    let (name, root) = (integration(&app).await, app.root());
    root.patch(&path(&name), json!({"name": "Another"})).await.invalid(&["name"]);
    let wrong = json!({"colour": "red", "description": 7, "connection": "a/b",
                       "defaults": {"timeout": "30", "unknown": 1, "region": true}});
    root.patch(&path(&name), wrong).await.invalid(&[
        "colour",
        "connection",
        "defaults.region",
        "defaults.timeout",
        "defaults.unknown",
        "description",
    ]);
    root.patch(&path("Nothing"), json!({})).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_schema_that_strands_organizations_values_is_refused_with_the_list_unless_forced() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let (name, root) = (integration(&app).await, app.root());
    let config = json!({"timeout": 5, "api_key": "sk-acme"});
    app.map(&name, &acme, json!({"entity_id": "1", "config": config})).await;
    app.map(&name, &globex, json!({"entity_id": "2", "config": {"timeout": 9}})).await;
    let region_only = json!({"config_schema": [{"key": "region", "type": "string"}],
                             "defaults": {"api_key": null}});
    let refused = root.patch(&path(&name), region_only.clone()).await.problem(409, "values-stranded");
    let listed = refused["errors"].to_string();
    for named in [acme.id.as_str(), &globex.id, "config.timeout", "config.api_key"] {
        assert!(listed.contains(named), "{named} is not in {listed}");
    }
    assert_eq!(refused["errors"].as_array().unwrap().len(), 3, "{listed}");
    assert_eq!(app.resolve(&root, &name, &acme.id).await["config"]["api_key"], "sk-acme");
    let forced = format!("{}?force=true", path(&name));
    root.patch(&forced, region_only).await.expect(200);
    assert_eq!(app.resolve(&root, &name, &acme.id).await["config"], json!({"region": "eu"}));
    // What was let go does not come back with the schema.
    root.patch(&path(&name), json!({"config_schema": schema()})).await.expect(200);
    let mapping = root.get(&acme.mapping(&name)).await.expect(200);
    assert_eq!(mapping["config"], json!({}));
    assert_eq!(mapping["entity_id"], "1");
}

#[tokio::test]
async fn another_type_strands_values_as_no_key_does() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let (name, root) = (integration(&app).await, app.root());
    app.map(&name, &acme, json!({"entity_id": "1", "config": {"timeout": 5, "api_key": "sk-acme"}})).await;
    for retyped in [
        json!([{"key": "region", "type": "string"}, {"key": "timeout", "type": "string"},
               {"key": "api_key", "type": "secret"}]),
        json!([{"key": "region", "type": "string"}, {"key": "timeout", "type": "secret"},
               {"key": "api_key", "type": "secret"}]),
    ] {
        let refused =
            root.patch(&path(&name), json!({"config_schema": retyped})).await.problem(409, "values-stranded");
        assert!(refused["errors"].to_string().contains("config.timeout"), "{refused}");
    }
    // Making a secret readable would show it.
    let plain = json!([{"key": "region", "type": "string"}, {"key": "timeout", "type": "int"},
                       {"key": "api_key", "type": "string"}]);
    let answer = root.patch(&path(&name), json!({"config_schema": plain})).await;
    assert!([409, 422].contains(&answer.status), "{}", answer.text);
    assert!(!answer.text.contains("sk-"), "{}", answer.text);
}

#[tokio::test]
async fn a_schema_that_strands_defaults_is_refused_unless_forced() {
    let app = TestApp::shared().await;
    let (name, root) = (integration(&app).await, app.root());
    let timeout_only = json!({"config_schema": [{"key": "timeout", "type": "int"}]});
    let refused = root.patch(&path(&name), timeout_only.clone()).await;
    assert!([409, 422].contains(&refused.status), "{}", refused.text);
    for named in ["defaults.region", "defaults.api_key"] {
        assert!(refused.text.contains(named), "{}", refused.text);
    }
    let forced = format!("{}?force=true", path(&name));
    let shown = root.patch(&forced, timeout_only).await.expect(200);
    assert_eq!(shown["defaults"], json!({}));
    assert_eq!(app.resolve(&root, &name, "global").await["config"], json!({}));
}

#[tokio::test]
async fn changing_integrations_is_for_administrators() {
    let app = TestApp::shared().await;
    let (acme, msp) = (app.organization("Acme").await, app.provider_organization("MSP").await);
    let name = integration(&app).await;
    for caller in [
        app.key(Role::User, &acme).await,
        app.key(Role::Workflow, &acme).await,
        app.key(Role::User, &msp).await,
    ] {
        caller.patch(&path(&name), json!({"connection": "mine"})).await.problem(403, "forbidden");
    }
    app.key(Role::Admin, &msp).await.patch(&path(&name), json!({"connection": "ours"})).await.expect(200);
}
