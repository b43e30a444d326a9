use bifrost_tests::TestApp;
use serde_json::{Map, Value, json};

const KIB: usize = 1024;

fn strings(count: usize) -> Value {
    (0..count).map(|number| json!({"key": format!("key{number}"), "type": "string"})).collect()
}

fn secrets(count: usize) -> Value {
    (0..count).map(|number| json!({"key": format!("key{number}"), "type": "secret"})).collect()
}

fn text(kib: usize) -> String {
    "x".repeat(kib * KIB)
}

#[tokio::test]
async fn a_schema_declares_a_hundred_keys_at_most() {
    let app = TestApp::shared().await;
    let name = app.integration("Halo", json!({"config_schema": strings(100)})).await;
    let path = format!("/integrations/{name}");
    app.root().patch(&path, json!({"config_schema": strings(101)})).await.invalid(&["config_schema"]);
    let body = json!({"name": app.unique("More"), "config_schema": strings(101)});
    app.root().post("/integrations", body).await.invalid(&["config_schema"]);
    let shown = app.root().get(&path).await.expect(200);
    assert_eq!(shown["config_schema"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn values_take_sixty_four_kib_at_most_on_every_way_in() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({"config_schema": strings(2)})).await;
    let path = format!("/integrations/{name}");
    let (fits, too_much) = (json!({"key0": text(63)}), json!({"key0": text(40), "key1": text(40)}));
    let root = app.root();
    let body = json!({"name": app.unique("New"), "config_schema": strings(2), "defaults": too_much});
    root.post("/integrations", body).await.invalid(&["defaults"]);
    root.patch(&path, json!({"defaults": too_much})).await.invalid(&["defaults"]);
    root.put(&acme.mapping(&name), json!({"config": too_much})).await.invalid(&["config"]);
    let rows = json!({"mappings": [{"organization_id": acme.id, "config": too_much}]});
    let imported = root.post(&format!("{path}/mappings/import"), rows).await.expect(200);
    assert_eq!(imported["rows"][0]["code"], "invalid-input", "{imported}");
    root.get(&acme.mapping(&name)).await.problem(404, "not-found");
    root.patch(&path, json!({"defaults": fits})).await.expect(200);
    root.put(&acme.mapping(&name), json!({"config": fits})).await.expect(201);
    // What a patch leaves as it is counts too.
    root.patch(&path, json!({"defaults": {"key1": text(40)}})).await.invalid(&["defaults"]);
}

#[tokio::test]
async fn secrets_that_stay_count_towards_the_limit_so_that_no_item_grows_beyond_what_can_be_stored() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({"config_schema": secrets(10)})).await;
    let path = format!("/integrations/{name}");
    let secret =
        |number: usize, kib| Value::from(Map::from_iter([(format!("key{number}"), text(kib).into())]));
    let root = app.root();
    root.patch(&path, json!({"defaults": secret(0, 50)})).await.expect(200);
    root.put(&acme.mapping(&name), json!({"config": secret(0, 50)})).await.expect(201);
    for number in 1..10 {
        root.patch(&path, json!({"defaults": secret(number, 50)})).await.invalid(&["defaults"]);
        root.put(&acme.mapping(&name), json!({"config": secret(number, 50)})).await.invalid(&["config"]);
    }
    let replaced = json!({"defaults": {"key0": null, "key1": text(50)}});
    root.patch(&path, replaced).await.expect(200);
    root.put(&acme.mapping(&name), json!({"config": {"key0": null, "key1": text(50)}})).await.expect(200);
}

#[tokio::test]
async fn numbers_beyond_those_of_the_database_are_stored_as_they_were_sent() {
    let app = TestApp::shared().await;
    let options = json!([1e300, {"ratio": 1.0, "big": 12_345_678_901_234_567_890_u64}]);
    let schema = json!([{"key": "settings", "type": "json", "options": options}]);
    let name =
        app.integration("Halo", json!({"config_schema": schema, "defaults": {"settings": 1e300}})).await;
    let shown = app.root().get(&format!("/integrations/{name}")).await;
    assert!(shown.text.contains("\"ratio\":1.0"), "{}", shown.text);
    let shown = shown.expect(200);
    assert_eq!(shown["config_schema"][0]["options"], options);
    assert_eq!(shown["defaults"]["settings"], json!(1e300));
}
