use bifrost_tests::{Role, TestApp};
use serde_json::{Value, json};

fn entities(list: &Value) -> Vec<&str> {
    let mut ids: Vec<_> =
        list["items"].as_array().unwrap().iter().map(|m| m["entity_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn providers_see_all_mappings_and_others_their_own() {
    let app = TestApp::shared().await;
    let name = app.integration("Halo", json!({})).await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let msp = app.provider_organization("MSP").await;
    app.map(&name, &acme, json!({"entity_id": "a"})).await;
    app.map(&name, &globex, json!({"entity_id": "g"})).await;
    let path = format!("/integrations/{name}/mappings");
    assert_eq!(entities(&app.root().get(&path).await.expect(200)), ["a", "g"]);
    assert_eq!(entities(&app.key(Role::Workflow, &msp).await.get(&path).await.expect(200)), ["a", "g"]);
    assert_eq!(entities(&app.key(Role::User, &acme).await.get(&path).await.expect(200)), ["a"]);
}

#[tokio::test]
async fn a_mapping_is_found_by_its_entity_id_but_never_someone_elses() {
    let app = TestApp::shared().await;
    let name = app.integration("Halo", json!({})).await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let awkward = "tenant/1 & co";
    app.map(&name, &acme, json!({"entity_id": awkward})).await;
    app.map(&name, &globex, json!({"entity_id": "g"})).await;
    let by_entity = |id: &str| {
        let encoded: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        format!("/integrations/{name}/mappings?entity_id={encoded}")
    };
    assert_eq!(entities(&app.root().get(&by_entity(awkward)).await.expect(200)), [awkward]);
    let user = app.key(Role::User, &acme).await;
    assert_eq!(entities(&user.get(&by_entity(awkward)).await.expect(200)), [awkward]);
    assert_eq!(entities(&user.get(&by_entity("g")).await.expect(200)), [""; 0]);
    assert_eq!(entities(&app.root().get(&by_entity("unknown")).await.expect(200)), [""; 0]);
}

#[tokio::test]
async fn the_list_comes_in_pages_and_only_for_an_integration_that_is_there() {
    let app = TestApp::shared().await;
    let name = app.integration("Halo", json!({})).await;
    for number in 0..3 {
        let organization = app.organization(&format!("Customer {number}")).await;
        app.map(&name, &organization, json!({"entity_id": number.to_string()})).await;
    }
    let path = format!("/integrations/{name}/mappings?limit=2");
    let first = app.root().get(&path).await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = app.root().get(&format!("{path}&cursor={cursor}")).await.expect(200);
    let mut all = entities(&first);
    all.extend(entities(&second));
    all.sort_unstable();
    assert_eq!((all, &second["next_cursor"]), (vec!["0", "1", "2"], &Value::Null));
    app.root().get("/integrations/Nothing/mappings").await.problem(404, "not-found");
}

#[tokio::test]
async fn an_entity_id_that_nothing_could_be_mapped_to_is_refused() {
    let app = TestApp::shared().await;
    let name = app.integration("Halo", json!({})).await;
    for entity_id in ["", "a%00", &"x".repeat(513)] {
        let path = format!("/integrations/{name}/mappings?entity_id={entity_id}");
        app.root().get(&path).await.invalid(&["entity_id"]);
    }
}
