//! Providers that keep their people in several places, and say where in the redirect back: `token_origin`.

use bifrost_tests::{Connection, TestApp};
use serde_json::{Value, json};

use super::provider::{Provider, Reply};
use super::{connect, connection};

/// Everyone signs in at `home`, which adds this to the redirect back.
async fn home(callback: String) -> Provider {
    Provider::start(callback.leak(), []).await
}

async fn connection_between(app: &TestApp, home: &Provider, allowed: &[String]) -> Connection {
    let dialect = json!({
        "callback_facts": ["accounts-server"],
        "token_origin": {"fact": "accounts-server", "allowed": allowed},
    });
    let body = json!({"dialect": dialect, "revocation_url": home.url("/revoke")});
    connection(app, home, "authorization_code", body).await
}

fn tokens(number: u32) -> Reply {
    let (access, refresh) = (format!("access-{number}"), format!("refresh-{number}"));
    Reply::Json(json!({"access_token": access, "refresh_token": refresh, "expires_in": 3600}))
}

#[tokio::test]
async fn a_grant_is_got_refreshed_and_revoked_where_it_is_kept_and_nowhere_else() {
    let app = TestApp::shared().await;
    let europe = Provider::start("", [tokens(1), tokens(2), Reply::Other(200, &[], "")]).await;
    let home = home(format!("&accounts-server={}", europe.url(""))).await;
    let connection = connection_between(&app, &home, &[home.url(""), europe.url("")]).await;
    connect(&app, &connection).await.unwrap();
    let token = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    assert_eq!((&token["access_token"], &token["warning"]), (&json!("access-2"), &Value::Null));
    assert_eq!(token["facts"], json!({"accounts-server": europe.url("")}));
    let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    assert_eq!(gone["revoked"], true);
    let paths: Vec<_> = europe.token_requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/token", "/token", "/revoke"]);
    assert!(home.token_requests().is_empty());
}

#[tokio::test]
async fn a_place_that_is_not_among_the_providers_own_gets_neither_code_nor_secret() {
    let app = TestApp::shared().await;
    let thief = Provider::start("", []).await;
    let home = home(format!("&accounts-server={}", thief.url(""))).await;
    let connection = connection_between(&app, &home, &[home.url("")]).await;
    assert_eq!(connect(&app, &connection).await, Err("answered 409".to_owned()));
    assert!(thief.token_requests().is_empty() && home.token_requests().is_empty());
    let shown = app.show(&connection).await;
    assert_eq!(shown["last_error"]["code"], "url-not-allowed");
    assert!(shown["last_error"]["detail"].as_str().unwrap().contains("token_origin"), "{shown}");
}
