use bifrost_tests::{Api, Role, TestApp};
use serde_json::{Value, json};

async fn names(caller: &Api, path: &str) -> Vec<String> {
    let list = caller.get(path).await.expect(200);
    let items = list["items"].as_array().unwrap().clone();
    let mut names: Vec<_> = items.iter().map(|key| key["name"].as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

#[tokio::test]
async fn administrators_see_all_keys_of_a_scope_and_users_its_workflows_only() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let user = app.key(Role::User, &acme).await;
    app.key(Role::Workflow, &acme).await;
    app.key(Role::Workflow, &globex).await;
    let of_acme = format!("/keys?scope={}", acme.id);
    assert_eq!(names(&app.root(), &of_acme).await, ["user of a test", "workflow of a test"]);
    assert_eq!(names(&user, "/keys").await, ["workflow of a test"]);
    assert_eq!(names(&user, &of_acme).await, ["workflow of a test"]);
}

#[tokio::test]
async fn a_list_tells_everything_about_a_key_but_the_key() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    let key = app
        .key_with(Role::Workflow, &acme, json!({"expires_in": 3600, "allowed_cidrs": ["127.0.0.0/8"]}))
        .await;
    let list = app.root().get(&format!("/keys?scope={}", acme.id)).await;
    let (_, secret) = key.key().rsplit_once('_').unwrap();
    assert!(!list.text.contains(secret), "{}", list.text);
    let shown = list.expect(200)["items"][0].clone();
    assert_eq!(
        (&shown["role"], &shown["organization_id"], &shown["read_secrets"]),
        (&json!("workflow"), &json!(acme.id), &json!(false))
    );
    assert_eq!(shown["allowed_cidrs"], json!(["127.0.0.0/8"]));
    assert!(shown["expires_at"].is_string() && shown["created_at"].is_string());
    let members: Vec<_> = shown.as_object().unwrap().keys().collect();
    assert!(!members.iter().any(|member| ["key", "hash"].contains(&member.as_str())), "{members:?}");
}

#[tokio::test]
async fn keys_come_in_pages_that_hold_everything_once() {
    let app = TestApp::shared().await;
    let acme = app.organization("Acme").await;
    for _ in 0..3 {
        app.key(Role::Workflow, &acme).await;
        app.key(Role::User, &acme).await;
    }
    let mut seen = Vec::new();
    let mut path = format!("/keys?scope={}&limit=2", acme.id);
    loop {
        let page = app.root().get(&path).await.expect(200);
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|key| key["id"].as_str().unwrap().to_owned()));
        match &page["next_cursor"] {
            Value::Null => break,
            cursor => {
                let cursor = cursor.as_str().unwrap();
                path = format!("/keys?scope={}&limit=2&cursor={cursor}", acme.id);
            }
        }
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 6);
}

#[tokio::test]
async fn workflows_see_no_keys_and_nobody_sees_those_of_others() {
    let app = TestApp::shared().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    app.key(Role::Workflow, &acme).await.get("/keys").await.problem(403, "forbidden");
    let user = app.key(Role::User, &acme).await;
    for scope in [globex.id.as_str(), "global"] {
        user.get(&format!("/keys?scope={scope}")).await.problem(403, "scope-forbidden");
    }
    let msp = app.provider_organization("MSP").await;
    let provider_user = app.key(Role::User, &msp).await;
    for scope in [acme.id.as_str(), "global"] {
        provider_user.get(&format!("/keys?scope={scope}")).await.problem(403, "forbidden");
    }
}
