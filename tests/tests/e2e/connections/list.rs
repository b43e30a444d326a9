use bifrost_tests::{Role, TestApp, TestProvider};
use serde_json::{Value, json};

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_holds_one_scopes_connections_without_their_secrets() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    for name in ["Alpha", "Beta", "Gamma"] {
        app.connection(name, &acme.id, &provider, json!({})).await;
    }
    app.connection("Delta", &globex.id, &provider, json!({})).await;
    let user = app.key(Role::User, &acme).await;
    let answer = user.get("/connections").await;
    assert!(!answer.text.contains(&provider.client_secret));
    let list = answer.expect(200);
    assert_eq!((names(&list), &list["next_cursor"]), (vec!["Alpha", "Beta", "Gamma"], &Value::Null));
    assert_eq!(list["items"][0]["status"], "not_connected");
    let first = user.get("/connections?limit=2").await.expect(200);
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = user.get(&format!("/connections?limit=2&cursor={cursor}")).await.expect(200);
    assert_eq!((names(&first), names(&second)), (vec!["Alpha", "Beta"], vec!["Gamma"]));
    let others = app.root().get(&format!("/connections?scope={}", globex.id)).await.expect(200);
    assert_eq!(names(&others), ["Delta"]);
}

#[tokio::test]
async fn a_cursor_leads_nowhere_outside_its_scope() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    for organization in [&acme, &globex] {
        app.connection("Alpha", &organization.id, &provider, json!({})).await;
        app.connection("Beta", &organization.id, &provider, json!({})).await;
    }
    let page = app.root().get(&format!("/connections?scope={}&limit=1", globex.id)).await.expect(200);
    let path = format!("/connections?cursor={}", page["next_cursor"].as_str().unwrap());
    let answer = app.key(Role::User, &acme).await.get(&path).await;
    match answer.status {
        200 => {
            let owners =
                answer.body["items"].as_array().unwrap().iter().map(|item| item["scope"].as_str().unwrap());
            assert!(owners.into_iter().all(|owner| owner == acme.id), "{}", answer.text);
        }
        _ => drop(answer.invalid(&["cursor"])),
    }
}

#[tokio::test]
async fn a_list_is_for_those_who_may_edit() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    app.key(Role::Workflow, &acme).await.get("/connections").await.problem(403, "forbidden");
    let user = app.key(Role::User, &acme).await;
    user.get(&format!("/connections?scope={}", globex.id)).await.problem(403, "scope-forbidden");
    user.get("/connections?scope=global").await.problem(403, "scope-forbidden");
    user.get("/connections?scope=rubbish").await.invalid(&["scope"]);
}
