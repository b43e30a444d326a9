use bifrost_tests::{Role, TestApp};
use serde_json::json;

#[tokio::test]
async fn every_caller_finds_an_integration_by_its_folded_name() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo PSA", json!({"description": "The PSA"})).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    for spelling in [name.clone(), name.to_uppercase(), name.replace(' ', "_"), name.replace(' ', "-")] {
        let found = workflow.get(&format!("/integrations/{spelling}")).await.expect(200);
        assert_eq!((&found["name"], &found["description"]), (&json!(name), &json!("The PSA")), "{spelling}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let app = TestApp::shared().await;
    app.root().get("/integrations/Nothing").await.problem(404, "not-found");
    let odd = app.root().get("/integrations/%2e%2e%2fkeys").await;
    assert!([404, 422].contains(&odd.status), "{}", odd.text);
}

#[tokio::test]
async fn secrets_are_never_shown_not_even_to_administrators() {
    let app = TestApp::shared().await;
    let body = json!({"config_schema": [{"key": "k", "type": "secret"}], "defaults": {"k": "sk-hidden"}});
    let name = app.integration("Secretive", body).await;
    let answer = app.root().get(&format!("/integrations/{name}")).await;
    assert!(!answer.text.contains("sk-hidden"));
    assert_eq!(answer.expect(200)["defaults"]["k"], json!({"secret": true, "set": true}));
}
