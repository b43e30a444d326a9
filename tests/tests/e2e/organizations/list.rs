use bifrost_tests::{Role, TestApp};
use serde_json::Value;

#[tokio::test]
async fn a_list_comes_in_pages_that_hold_everything_once() {
    let app = TestApp::alone().await;
    let mut made = Vec::new();
    for number in 0..5 {
        made.push(app.organization(&format!("Customer {number}")).await.id);
    }
    let mut seen = Vec::new();
    let mut path = "/organizations?limit=2".to_owned();
    loop {
        let page = app.root().get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        match &page["next_cursor"] {
            Value::Null => break,
            cursor => path = format!("/organizations?limit=2&cursor={}", cursor.as_str().unwrap()),
        }
    }
    made.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_limit_or_cursor_that_is_none_is_refused() {
    let app = TestApp::shared().await;
    for limit in ["0", "201", "-1", "all"] {
        app.root().get(&format!("/organizations?limit={limit}")).await.invalid(&["limit"]);
    }
    app.root().get("/organizations?cursor=rubbish").await.invalid(&["cursor"]);
}

#[tokio::test]
async fn only_administrators_see_who_the_customers_are() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    app.key(Role::User, &acme).await.get("/organizations").await.problem(403, "forbidden");
}
