use bifrost_tests::{RETURN_TO_ORIGIN, Role, TestApp, TestProvider, seconds_until, with};
use serde_json::json;

#[tokio::test]
async fn the_answer_is_a_link_that_lives_fifteen_minutes_unless_told_otherwise() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let path = connection.path("/authorize");
    let answer = app.root().post(&path, json!({})).await.expect(201);
    assert!(answer["connect_url"].as_str().unwrap().starts_with(&format!("{}/connect/", app.url())));
    assert!((890..=900).contains(&seconds_until(&answer["expires_at"])));
    let longer = app.root().post(&path, json!({"valid_for": 604_800})).await.expect(201);
    assert!((604_790..=604_800).contains(&seconds_until(&longer["expires_at"])));
    assert_ne!(answer["connect_url"], longer["connect_url"]);
}

#[tokio::test]
async fn a_link_can_not_live_longer_than_a_week_or_lead_elsewhere() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let path = connection.path("/authorize");
    for valid_for in [json!(604_801), json!(0), json!("900"), json!(-1)] {
        app.root().post(&path, json!({"valid_for": valid_for})).await.invalid(&["valid_for"]);
    }
    let elsewhere = [
        "https://evil.example/".to_owned(),
        format!("{RETURN_TO_ORIGIN}.evil.example/"),
        format!("{RETURN_TO_ORIGIN}@evil.example/"),
        "http://app.example.com/".to_owned(),
        "javascript:alert(1)".to_owned(),
        "/done".to_owned(),
    ];
    for return_to in elsewhere {
        app.root().post(&path, json!({"return_to": return_to})).await.invalid(&["return_to"]);
    }
    app.root().post(&path, json!({"return_to": format!("{RETURN_TO_ORIGIN}/done?x=1")})).await.expect(201);
    app.root().post(&path, json!({"redirect": "x"})).await.invalid(&["redirect"]);
}

#[tokio::test]
async fn there_is_nobody_to_sign_in_for_client_credentials() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let body = with(provider.client_credentials(), json!({"name": app.unique("Graph")}));
    let connection = app.create_connection("global", body).await;
    let answer = app.root().post(&connection.path("/authorize"), json!({})).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    assert!(answer.text.contains("client_credentials"), "{}", answer.text);
}

#[tokio::test]
async fn connecting_is_for_administrators_and_for_users_in_their_own_organization() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let own = app.connection(&app.unique("Halo"), &acme.id, &provider, json!({})).await;
    let global = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let user = app.key(Role::User, &acme).await;
    user.post(&own.path("/authorize"), json!({})).await.expect(201);
    user.post(&global.path("/authorize"), json!({})).await.problem(403, "scope-forbidden");
    app.key(Role::Workflow, &acme)
        .await
        .post(&own.path("/authorize"), json!({}))
        .await
        .problem(403, "forbidden");
    let stranger = app.key(Role::User, &globex).await;
    stranger.post(&own.path("/authorize"), json!({})).await.problem(403, "scope-forbidden");
    let msp = app.provider_organization("MSP").await;
    let provider_user = app.key(Role::User, &msp).await;
    provider_user.post(&global.path("/authorize"), json!({})).await.problem(403, "forbidden");
    app.key(Role::Admin, &msp).await.post(&global.path("/authorize"), json!({})).await.expect(201);
}

#[tokio::test]
async fn a_link_is_made_only_for_what_is_there() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let global = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    app.root().post("/connections/Nothing/authorize?scope=global", json!({})).await.problem(404, "not-found");
    let nobody = json!({"organization_id": uuid::Uuid::new_v4()});
    app.root().post(&global.path("/authorize"), nobody).await.problem(404, "not-found");
    let unreadable = json!({"organization_id": "acme"});
    app.root().post(&global.path("/authorize"), unreadable).await.invalid(&["organization_id"]);
}
