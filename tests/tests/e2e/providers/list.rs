//! `GET /providers`

use bifrost_tests::{Role, TestApp};
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_catalogue_is_for_every_caller() {
    let app = TestApp::shared().await;
    let organization = app.organization("Acme").await;
    let caller = app.key(Role::Workflow, &organization).await;
    let list = caller.get("/providers?limit=200").await.expect(200);
    assert!(list["next_cursor"].is_null());
    let graph =
        list["items"].as_array().unwrap().iter().find(|item| item["name"] == "microsoft_graph").unwrap();
    assert_eq!(graph["authorization_code"]["client_auth"], "post");
    assert!(graph["sources"]["authorization_code"].as_str().unwrap().starts_with("https://"));
    assert!(!graph["registration"]["steps"].as_array().unwrap().is_empty());
    app.anonymous().get("/providers").await.gateway(401, "Unauthorized");
}

#[tokio::test]
async fn a_page_after_the_other_it_is_the_whole_catalogue_once() {
    let root = TestApp::shared().await.root();
    let whole = names(&root.get("/providers?limit=200").await.expect(200));
    let mut paged = Vec::new();
    let mut path = "/providers?limit=7".to_owned();
    loop {
        let page = root.get(&path).await.expect(200);
        paged.extend(names(&page));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/providers?limit=7&cursor={cursor}");
    }
    assert_eq!(paged, whole);
    let refused = root.get("/providers?cursor=nobody").await;
    assert_eq!(refused.problem(422, "invalid-input")["errors"][0]["field"], json!("cursor"));
}
