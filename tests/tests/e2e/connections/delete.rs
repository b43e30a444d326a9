use std::time::Duration;

use bifrost_tests::{Browser, Role, TestApp, TestProvider, pause};
use serde_json::json;

#[tokio::test]
async fn what_integrations_use_stays_unless_forced_and_they_are_named() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let by_name = app.integration("Halo", json!({})).await;
    let connection = app.connection(&by_name, "global", &provider, json!({})).await;
    let by_link = app.integration("Linked", json!({"connection": by_name.replace(' ', "_")})).await;
    let refused = app.root().delete(&connection.path("")).await.problem(409, "in-use");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains(&by_name) && detail.contains(&by_link), "{detail}");
    app.show(&connection).await;
    let path = format!("{}&force=true", connection.path(""));
    let deleted = app.root().delete(&path).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    assert!(app.resolve(&app.root(), &by_link, "global").await["oauth"].is_null());
}

#[tokio::test]
async fn it_is_gone_at_once_and_there_is_nothing_to_delete_twice() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    app.root().delete(&connection.path("")).await.expect(204);
    for answer in [
        app.root().get(&connection.path("")).await,
        app.token(&connection).await,
        app.root().post(&connection.path("/authorize"), json!({})).await,
        app.root().post(&connection.path("/disconnect"), json!({})).await,
        app.root().patch(&connection.path(""), json!({})).await,
        app.root().delete(&connection.path("")).await,
    ] {
        answer.problem(404, "not-found");
    }
}

#[tokio::test]
async fn all_its_grants_are_revoked_and_the_same_name_again_adopts_none() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    let own = format!("/connections/{}/token?scope={}", connection.name, acme.id);
    let tokens = [app.token(&connection).await.expect(200), app.root().get(&own).await.expect(200)];
    app.root().delete(&connection.path("")).await.expect(204);
    for token in tokens {
        let token = token["access_token"].as_str().unwrap();
        assert_eq!(provider.control().family_revoked(token), Some(true));
    }
    let again = app.connection(&connection.name, "global", &provider, json!({})).await;
    assert_ne!(again.created["id"], connection.created["id"]);
    assert_eq!(app.show(&again).await["status"], "not_connected");
    app.token(&again).await.problem(409, "not-connected");
    app.root().get(&own).await.problem(409, "not-connected");
}

#[tokio::test]
async fn a_client_that_speaks_for_itself_mints_anew_under_a_name_used_again() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let name = app.unique("Graph");
    let body = bifrost_tests::with(
        provider.client_credentials(),
        json!({"name": name, "token_url": provider.url("/common/token")}),
    );
    let connection = app.create_connection("global", body.clone()).await;
    let old = app.token(&connection).await.expect(200);
    app.root().delete(&connection.path("")).await.expect(204);
    let again = app.create_connection("global", body).await;
    assert_eq!(app.show(&again).await["status"], "not_connected");
    let new = app.token(&again).await.expect(200);
    assert_ne!(new["access_token"], old["access_token"]);
    assert_ne!(new["grant_id"], old["grant_id"]);
}

#[tokio::test]
async fn a_provider_that_refuses_or_is_gone_keeps_nothing_from_being_deleted() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    provider.stop().await;
    app.root().delete(&connection.path("")).await.expect(204);
    app.token(&connection).await.problem(404, "not-found");
}

#[tokio::test]
async fn tokens_that_arrive_after_the_deletion_are_revoked_and_serve_nobody() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    provider.control().delay_token(Duration::from_secs(2));
    let refresh = {
        let (root, path) = (app.root(), connection.path("/refresh"));
        tokio::spawn(async move { root.post(&path, json!({})).await })
    };
    while provider.control().token_request_count("refresh_token") == 0 {
        pause(20).await;
    }
    app.root().delete(&connection.path("")).await.expect(204);
    let late = refresh.await.unwrap();
    let again = app.connection(&connection.name, "global", &provider, json!({})).await;
    app.token(&again).await.problem(409, "not-connected");
    assert_ne!(late.status, 200, "{}", late.text);
    for secret in provider.control().secrets_handed_out() {
        let revoked = provider.control().family_revoked(&secret);
        assert_ne!(revoked, Some(false), "a grant lives on at the provider");
    }
}

#[tokio::test]
async fn a_link_to_sign_in_dies_with_its_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let link = app.connect_url(&connection).await;
    app.root().delete(&connection.path("")).await.expect(204);
    app.connection(&connection.name, "global", &provider, json!({})).await;
    let page = Browser::new().open(&link).await;
    assert!((400..500).contains(&page.status), "{}", page.text);
}

#[tokio::test]
async fn what_has_changed_since_is_not_deleted() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let path = connection.path("");
    let seen = app.root().get(&path).await;
    app.root().patch(&path, json!({"description": "changed"})).await.expect(200);
    app.root().if_as_in(&seen).delete(&path).await.problem(412, "stale-revision");
    app.token(&connection).await.expect(200);
}

#[tokio::test]
async fn deleting_is_for_those_who_may_edit() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let global = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    let own = app.connection(&global.name, &acme.id, &provider, json!({})).await;
    let user = app.key(Role::User, &acme).await;
    user.delete(&global.path("")).await.problem(403, "scope-forbidden");
    app.key(Role::Workflow, &acme).await.delete(&own.path("")).await.problem(403, "forbidden");
    app.key(Role::User, &globex).await.delete(&own.path("")).await.problem(403, "scope-forbidden");
    user.delete(&format!("/connections/{}", own.name)).await.expect(204);
    user.delete(&format!("/connections/{}", own.name)).await.problem(404, "not-found");
    app.show(&global).await;
}
