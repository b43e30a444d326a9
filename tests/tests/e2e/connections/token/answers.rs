use std::time::Duration;

use bifrost_local::provider::RefreshTokens;
use bifrost_tests::{Role, TestApp, TestProvider, all_at_once, pause, seconds_until, with};
use serde_json::{Value, json};

use super::brief;

#[tokio::test]
async fn a_token_comes_with_all_that_a_caller_needs() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let token = app.token(&connection).await.expect(200);
    assert_eq!(token["connection_name"], connection.name.as_str());
    assert_eq!(token["token_type"], "Bearer");
    assert_eq!(token["authorization"], format!("Bearer {}", token["access_token"].as_str().unwrap()));
    assert_eq!(token["scopes"], json!(["read", "offline_access"]));
    assert_eq!((&token["generation"], &token["warning"]), (&json!(1), &Value::Null));
    assert!((3500..=3600).contains(&token["expires_in"].as_i64().unwrap()));
    assert!((3500..=3600).contains(&seconds_until(&token["expires_at"])));
    assert!(token["grant_id"].is_string() && token.get("refresh_token").is_none());
    assert_eq!(provider.me(&token["access_token"]).await["user"], "ada@example.com");
}

#[tokio::test]
async fn a_token_is_looked_up_like_a_resolve_does() {
    let app = TestApp::shared().await;
    let (ours, theirs) = (TestProvider::start().await, TestProvider::start().await);
    let acme = app.organization("Acme").await;
    let global = app.connected(&ours).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let path = format!("/connections/{}/token", global.name.to_uppercase().replace(' ', "-"));
    let fallen_back = workflow.get(&path).await.expect(200);
    assert_eq!(ours.me(&fallen_back["access_token"]).await["client_id"], ours.client_id.as_str());
    let own = app.connection(&global.name, &acme.id, &theirs, json!({})).await;
    workflow.get(&path).await.problem(409, "not-connected");
    app.connect_in_browser(&own).await;
    let found = workflow.get(&path).await.expect(200);
    assert_eq!(theirs.me(&found["access_token"]).await["client_id"], theirs.client_id.as_str());
    workflow.get("/connections/Nothing/token").await.problem(404, "not-found");
    workflow.get(&format!("{path}?scope=global")).await.problem(403, "scope-forbidden");
    workflow.get(&format!("{path}?scope=rubbish")).await.invalid(&["scope"]);
}

#[tokio::test]
async fn a_hundred_callers_of_an_expired_grant_cause_one_exchange_and_all_get_its_token() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_millis(500));
    let calls = (0..100).map(|_| {
        let (root, path) = (app.root(), connection.path("/token"));
        async move { root.get(&path).await }
    });
    let tokens: Vec<Value> = all_at_once(calls).await.into_iter().map(|answer| answer.expect(200)).collect();
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
    assert!(tokens.iter().all(|token| token["access_token"] == tokens[0]["access_token"]));
    assert_eq!(tokens[0]["generation"], 2);
    assert_eq!(provider.control().family_revoked(tokens[0]["access_token"].as_str().unwrap()), Some(false));
}

#[tokio::test]
async fn a_rotating_grant_lives_on_through_many_generations() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    for generation in 2..=4 {
        pause(2_100).await;
        assert_eq!(app.token(&connection).await.expect(200)["generation"], generation);
    }
    assert_eq!(provider.control().refusals(), [""; 0]);
}

#[tokio::test]
async fn a_token_that_lasts_is_served_without_asking_the_provider() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let first = app.token(&connection).await.expect(200);
    for min_ttl in ["0", "1700", "1000000"] {
        let token =
            app.root().get(&format!("{}&min_ttl={min_ttl}", connection.path("/token"))).await.expect(200);
        assert_eq!(token["access_token"], first["access_token"], "{min_ttl}");
    }
    assert_eq!(provider.control().token_request_count("refresh_token"), 0);
    for bad in ["-1", "soon"] {
        app.root().get(&format!("{}&min_ttl={bad}", connection.path("/token"))).await.invalid(&["min_ttl"]);
    }
}

#[tokio::test]
async fn an_answer_without_a_refresh_token_keeps_the_one_there_is() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    provider.control().set_refresh_tokens(RefreshTokens::Kept);
    let connection = app.connected(&provider).await;
    for generation in 2..=3 {
        pause(2_100).await;
        assert_eq!(app.token(&connection).await.expect(200)["generation"], generation);
    }
    assert_eq!(app.show(&connection).await["has_refresh_token"], true);
}

#[tokio::test]
async fn a_lifetime_may_come_as_text_or_not_at_all() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    for (expires_in, lifetime) in
        [(json!("7200"), 7200), (Value::Null, 3600), (json!(""), 3600), (json!("soon"), 3600)]
    {
        let answered = expires_in.clone();
        provider.control().edit_answers(move |answer| match &answered {
            Value::Null => drop(answer.remove("expires_in")),
            value => drop(answer.insert("expires_in".to_owned(), value.clone())),
        });
        let connection = app.connected(&provider).await;
        let left = app.token(&connection).await.expect(200)["expires_in"].as_i64().unwrap();
        assert!((lifetime - 60..=lifetime).contains(&left), "{expires_in}: {left}");
    }
}

#[tokio::test]
async fn without_a_sign_in_there_is_no_token_but_advice() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Halo"), "global", &provider, json!({})).await;
    app.token(&connection).await.problem(409, "not-connected");
}

#[tokio::test]
async fn an_access_token_without_a_refresh_token_serves_until_it_ends() {
    let app = TestApp::shared().await;
    let provider = brief(4).await;
    provider.control().set_refresh_tokens(RefreshTokens::Never);
    let connection = app.connected(&provider).await;
    assert_eq!(app.show(&connection).await["has_refresh_token"], false);
    app.token(&connection).await.expect(200);
    pause(4_100).await;
    app.token(&connection).await.problem(409, "reauthorize");
}

#[tokio::test]
async fn the_client_authenticates_as_it_is_told_whatever_its_secret_looks_like() {
    let app = TestApp::shared().await;
    let awkward = "p+ss w%rd&=:/~äß";
    let provider = TestProvider::with(|options| {
        awkward.clone_into(&mut options.clients[0].secret);
        options.access_token_lifetime = Duration::from_secs(2);
    });
    let provider = provider.await;
    for method in ["basic", "post"] {
        let changes = json!({"client_auth": method, "token_params": {"resource": "https://api.example/"}});
        let connection = app.connection(&app.unique("Halo"), "global", &provider, changes).await;
        app.connect_in_browser(&connection).await;
        pause(2_100).await;
        app.token(&connection).await.expect(200);
        let last = provider.control().token_requests().pop().unwrap();
        assert_eq!(format!("{:?}", last.auth.unwrap()).to_lowercase(), method);
        assert_eq!(last.param("resource"), Some("https://api.example/"));
    }
}

#[tokio::test]
async fn a_grant_of_an_organization_on_a_global_connection_is_refreshed_by_itself() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    pause(2_100).await;
    let path = format!("/connections/{}/token?scope={}", connection.name, acme.id);
    let own = app.root().get(&path).await.expect(200);
    let shared = app.token(&connection).await.expect(200);
    assert_ne!(own["grant_id"], shared["grant_id"]);
    assert_eq!((&own["generation"], &shared["generation"]), (&json!(2), &json!(2)));
    assert_eq!(provider.control().refusals(), [""; 0]);
}

#[tokio::test]
async fn a_connection_for_mapped_organizations_serves_no_others() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let mapped = with(json!({}), json!({"available_to": "mapped"}));
    let connection = app.connection(&app.unique("Halo"), "global", &provider, mapped).await;
    app.connect_in_browser(&connection).await;
    let name = app.integration("Halo", json!({"connection": connection.name})).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    assert!(app.resolve(&app.root(), &name, &acme.id).await["oauth"]["access_token"].is_string());
    let refused = app.resolve(&app.root(), &name, &globex.id).await["oauth"].clone();
    assert!(refused["access_token"].is_null(), "{refused}");
}
