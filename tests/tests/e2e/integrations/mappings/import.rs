use bifrost_tests::{Answer, Organization, Role, TestApp};
use serde_json::{Value, json};
use uuid::Uuid;

async fn import(app: &TestApp, integration: &str, rows: Value) -> Answer {
    let path = format!("/integrations/{integration}/mappings/import");
    app.root().post(&path, json!({"mappings": rows})).await
}

fn row(organization: &Organization, entity: &str) -> Value {
    json!({"organization_id": organization.id, "entity_id": entity})
}

fn results(answer: &Value) -> Vec<&str> {
    let rows = answer["rows"].as_array().unwrap();
    rows.iter().map(|row| row["result"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_row_tells_what_became_of_it_and_repeating_them_changes_nothing() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let name = app.integration("Halo", json!({"config_schema": schema})).await;
    app.map(&name, &acme, json!({"entity_id": "old"})).await;
    let rows = json!([
        {"organization_id": acme.id, "entity_id": "1", "entity_name": "Acme Ltd"},
        {"organization_id": globex.id, "entity_id": "2", "config": {"api_key": "sk-globex"}},
    ]);
    let first = import(&app, &name, rows.clone()).await;
    assert!(!first.text.contains("sk-globex"), "{}", first.text);
    let first = first.expect(200);
    assert_eq!(results(&first), ["updated", "created"]);
    assert_eq!((&first["created"], &first["updated"], &first["failed"]), (&json!(1), &json!(1), &json!(0)));
    let mapping = app.root().get(&acme.mapping(&name)).await.expect(200);
    assert_eq!((&mapping["entity_id"], &mapping["entity_name"]), (&json!("1"), &json!("Acme Ltd")));
    let again = import(&app, &name, rows).await.expect(200);
    assert_eq!(results(&again), ["updated", "updated"]);
    let same = app.root().get(&acme.mapping(&name)).await.expect(200);
    assert_eq!((&same["id"], &same["entity_id"]), (&mapping["id"], &mapping["entity_id"]));
    let config = &app.resolve(&app.root(), &name, &globex.id).await["config"];
    assert_eq!(config["api_key"], "sk-globex");
}

#[tokio::test]
async fn wrong_rows_leave_the_others_alone() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let initech = app.organization("Initech").await;
    let schema = json!([{"key": "timeout", "type": "int"}]);
    let name = app.integration("Halo", json!({"config_schema": schema})).await;
    let rows = json!([
        row(&acme, "1"),
        {"organization_id": "acme", "entity_id": "2"},
        {"entity_id": "3"},
        {"organization_id": Uuid::new_v4(), "entity_id": "4"},
        {"organization_id": initech.id, "entity_id": "5", "colour": "red"},
        {"organization_id": initech.id, "entity_id": "6", "config": {"timeout": "60"}},
        row(&initech, "1"),
        row(&globex, "7"),
    ]);
    let answer = import(&app, &name, rows).await.expect(200);
    let codes: Vec<_> =
        answer["rows"].as_array().unwrap().iter().map(|row| row["code"].as_str().unwrap_or("-")).collect();
    assert_eq!(
        codes,
        [
            "-",
            "invalid-input",
            "invalid-input",
            "not-found",
            "invalid-input",
            "invalid-input",
            "entity-taken",
            "-"
        ],
        "{answer}"
    );
    assert_eq!((&answer["created"], &answer["failed"]), (&json!(2), &json!(6)));
    app.root().get(&initech.mapping(&name)).await.problem(404, "not-found");
    app.root().get(&globex.mapping(&name)).await.expect(200);
}

#[tokio::test]
async fn an_import_holds_one_to_five_hundred_rows() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({})).await;
    for wrong in [json!([]), json!(vec![row(&acme, "1"); 501]), json!("rows"), json!(["row"]), Value::Null] {
        import(&app, &name, wrong).await.invalid(&["mappings"]);
    }
    app.root().get(&acme.mapping(&name)).await.problem(404, "not-found");
    let most = import(&app, &name, json!(vec![row(&acme, "1"); 500])).await.expect(200);
    assert_eq!((&most["created"], &most["updated"], &most["failed"]), (&json!(1), &json!(499), &json!(0)));
}

#[tokio::test]
async fn importing_is_for_administrators_and_needs_an_integration() {
    let app = TestApp::shared().await;
    let (acme, msp) = (app.organization("Acme").await, app.provider_organization("MSP").await);
    let name = app.integration("Halo", json!({})).await;
    let path = format!("/integrations/{name}/mappings/import");
    for caller in [
        app.key(Role::User, &acme).await,
        app.key(Role::Workflow, &acme).await,
        app.key(Role::User, &msp).await,
    ] {
        caller.post(&path, json!({"mappings": [row(&acme, "1")]})).await.problem(403, "forbidden");
    }
    import(&app, "Nothing", json!([row(&acme, "1")])).await.problem(404, "not-found");
}
