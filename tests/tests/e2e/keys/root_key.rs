//! The root key, when it has to be replaced in a hurry.

use bifrost_tests::{Api, Browser, Page, TestApp, pause};
use serde_json::json;

/// Where the template keeps the secret part of the root key.
const SECRET: &str = "bifrost/root-key/bifrost-local";
/// What the authorizer and the console remember of it, and then what the gateway remembers of the authorizer's answers.
const REMEMBERED: u64 = 10_500;
const GATEWAY: u64 = 60_500;

async fn sign_in(app: &TestApp, browser: &mut Browser, key: &str) -> Page {
    let page = browser.open(&format!("{}/console/sign-in", app.url())).await;
    let form = page.form().set("key", key);
    browser.submit(&page, &form).await
}

/// The same key in a spelling that the gateway has not seen, and so asks about.
fn unseen(app: &TestApp, key: &str) -> Api {
    app.with_key(&format!(" {key}"))
}

#[tokio::test]
async fn a_replaced_root_key_is_dead_seventy_seconds_later_with_its_sessions_and_its_keys_are_found() {
    let app = TestApp::alone().await;
    let leaked = app.root();
    let made = leaked.post("/keys", json!({"role": "admin", "name": "backdoor", "platform": true})).await;
    let made = made.expect(201);
    let mut thief = Browser::new();
    assert_eq!(sign_in(&app, &mut thief, leaked.key()).await.status, 303);
    let overview = format!("{}/console/overview", app.url());
    assert_eq!(thief.open(&overview).await.status, 200);

    app.stack().put_secret(SECRET, "a-new-secret-part-of-43-characters-or-more-").await;
    let root = app.with_key("bfk_root_a-new-secret-part-of-43-characters-or-more-");
    pause(REMEMBERED).await;
    unseen(&app, leaked.key()).get("/organizations").await.gateway(403, "Forbidden");
    root.get("/organizations").await.expect(200);
    let page = thief.open(&overview).await;
    assert!(
        page.status == 303 && page.location().path() == "/console/sign-in",
        "{} {}",
        page.status,
        page.text
    );
    let again = sign_in(&app, &mut thief, leaked.key()).await;
    assert_ne!(again.status, 303, "{}", again.text);
    assert_eq!(sign_in(&app, &mut Browser::new(), root.key()).await.status, 303);
    pause(GATEWAY).await;
    leaked.get("/organizations").await.gateway(403, "Forbidden");

    // What it made lives on until it is revoked, and can be told from the rest.
    let backdoor = app.with_key(made["key"].as_str().unwrap());
    backdoor.get("/organizations").await.expect(200);
    let keys = root.get("/keys?scope=global").await.expect(200);
    let by_root = keys["items"].as_array().unwrap().iter().filter(|key| key["created_by"] == "root");
    let ids: Vec<_> = by_root.map(|key| key["id"].clone()).collect();
    assert_eq!(ids, [made["id"].clone()], "{keys}");
    root.delete(&format!("/keys/{}", made["id"].as_str().unwrap())).await.expect(204);
    unseen(&app, backdoor.key()).get("/organizations").await.gateway(403, "Forbidden");
}
