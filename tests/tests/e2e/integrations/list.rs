use bifrost_tests::{Role, TestApp};
use serde_json::{Value, json};

#[tokio::test]
async fn a_list_comes_in_pages_that_hold_everything_once_for_any_caller() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(app.integration(&format!("Number {number}"), json!({})).await);
    }
    let workflow = app.key(Role::Workflow, &acme).await;
    let mut seen = Vec::new();
    let mut path = "/integrations?limit=2".to_owned();
    loop {
        let page = workflow.get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        match &page["next_cursor"] {
            Value::Null => break,
            cursor => path = format!("/integrations?limit=2&cursor={}", cursor.as_str().unwrap()),
        }
    }
    seen.sort_unstable();
    made.sort_unstable();
    assert_eq!(seen, made);
    app.root().delete(&format!("/integrations/{}", made[0])).await.expect(204);
    let left = workflow.get("/integrations").await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn secrets_are_marked_as_set_in_lists_too() {
    let app = TestApp::alone().await;
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    app.integration("Halo", json!({"config_schema": schema, "defaults": {"api_key": "sk-default"}})).await;
    let list = app.root().get("/integrations").await;
    assert!(!list.text.contains("sk-default"), "{}", list.text);
    assert_eq!(list.expect(200)["items"][0]["defaults"], json!({"api_key": {"secret": true, "set": true}}));
}

#[tokio::test]
async fn a_limit_or_cursor_that_is_none_or_of_another_list_is_refused() {
    let app = TestApp::alone().await;
    for limit in ["0", "201", "-1", "all"] {
        app.root().get(&format!("/integrations?limit={limit}")).await.invalid(&["limit"]);
    }
    for name in ["One", "Two"] {
        app.organization(name).await;
    }
    let organizations = app.root().get("/organizations?limit=1").await.expect(200);
    let foreign = organizations["next_cursor"].as_str().unwrap();
    for cursor in ["rubbish", foreign] {
        app.root().get(&format!("/integrations?cursor={cursor}")).await.invalid(&["cursor"]);
    }
}
