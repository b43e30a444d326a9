//! What is tried after an answer was lost, by what the provider does with a refresh token that comes a second time.

use bifrost_tests::{Connection, TestApp, pause, seconds_until, with};
use serde_json::{Value, json};

use super::provider::{Provider, Reply};
use super::{connect, connection};

/// A used token ends the whole grant, the access token that is still good included.
fn revokes() -> Value {
    json!({"rotates": true, "single_use": true, "reuse_revokes": true})
}

/// Connects with an access token that lives so long, and gets these answers to its first refreshes; tokens come after.
async fn refused(
    app: &TestApp,
    rules: Value,
    lifetime: u64,
    answers: impl IntoIterator<Item = Reply>,
) -> (Provider, Connection) {
    let tokens = |number: u64, lifetime: u64| {
        let (access, refresh) = (format!("access-{number}"), format!("refresh-{number}"));
        Reply::Json(json!({"access_token": access, "refresh_token": refresh, "expires_in": lifetime}))
    };
    let replies = [tokens(1, lifetime)].into_iter().chain(answers).chain([tokens(2, 7200)]);
    let provider = Provider::start("", replies).await;
    let dialect = json!({"dialect": {"refresh_token": rules}});
    let connection = connection(app, &provider, "authorization_code", dialect).await;
    connect(app, &connection).await.unwrap();
    let kept = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    assert_eq!(kept["access_token"], "access-1", "{kept}");
    assert!(kept["warning"].is_string(), "{kept}");
    assert_eq!(refreshes(&provider), ["refresh-1"]);
    (provider, connection)
}

/// The refresh tokens that the provider was sent.
fn refreshes(provider: &Provider) -> Vec<String> {
    let requests = provider.token_requests();
    requests[1..].iter().map(|sent| sent.form()["refresh_token"].clone()).collect()
}

/// In how many seconds the sweep tries again.
async fn next_try(app: &TestApp, connection: &Connection) -> i64 {
    seconds_until(&app.show(connection).await["next_refresh_at"])
}

#[tokio::test]
async fn where_nothing_is_known_the_same_token_is_tried_again_soon() {
    let app = TestApp::shared().await;
    let (_provider, connection) = refused(&app, json!({"rotates": true}), 7200, [Reply::Lost]).await;
    let next = next_try(&app, &connection).await;
    assert!((0..=31).contains(&next), "{next}");
}

#[tokio::test]
async fn where_a_used_token_works_for_a_while_it_is_tried_within_that() {
    let app = TestApp::shared().await;
    let grace = with(revokes(), json!({"reuse_grace": 8}));
    let (provider, connection) = refused(&app, grace, 7200, [Reply::Lost]).await;
    let next = next_try(&app, &connection).await;
    assert!((-1..=5).contains(&next), "{next}");
    pause(5_100).await;
    app.sweep().await;
    let token = app.token(&connection).await.expect(200);
    assert_eq!((&token["access_token"], &token["warning"]), (&json!("access-2"), &Value::Null));
    assert_eq!(refreshes(&provider), ["refresh-1", "refresh-1"]);
}

#[tokio::test]
async fn when_that_while_may_be_over_nothing_is_hurried() {
    let app = TestApp::shared().await;
    let still_good = async |rules: Value| {
        let (provider, connection) = refused(&app, rules, 7200, [Reply::Lost, Reply::Lost]).await;
        pause(3_100).await;
        app.sweep().await;
        assert_eq!(refreshes(&provider).len(), 2);
        let next = next_try(&app, &connection).await;
        assert_eq!(app.token(&connection).await.expect(200)["access_token"], "access-1");
        next
    };
    let grace = json!({"reuse_grace": 4});
    let (patient, careful) = tokio::join!(still_good(grace.clone()), still_good(with(revokes(), grace)));
    // The usual pause after a second failure.
    assert!((5..=61).contains(&patient), "{patient}");
    // A third use might end the access token.
    assert!((7100..=7200).contains(&careful), "{careful}");
}

#[tokio::test]
async fn where_a_used_token_ends_all_nothing_is_tried_while_the_access_token_is_good() {
    const PAGE: &[(&str, &str)] = &[("content-type", "text/html")];
    let app = TestApp::shared().await;
    for answer in [Reply::Lost, Reply::Other(502, PAGE, "<html>"), Reply::Other(200, PAGE, "<html>")] {
        let (provider, connection) = refused(&app, revokes(), 7200, [answer]).await;
        let next = next_try(&app, &connection).await;
        assert!((7100..=7201).contains(&next), "{next}");
        app.sweep().await;
        for _ in 0..2 {
            let kept = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
            assert_eq!(kept["access_token"], "access-1");
        }
        assert_eq!(refreshes(&provider).len(), 1);
    }
}

#[tokio::test]
async fn a_refusal_that_spends_nothing_is_followed_by_the_next_try_as_anywhere() {
    let app = TestApp::shared().await;
    let throttled = Reply::Other(429, &[("retry-after", "20")], "");
    let (_provider, connection) = refused(&app, revokes(), 7200, [throttled]).await;
    let next = next_try(&app, &connection).await;
    assert!((10..=21).contains(&next), "{next}");
}

#[tokio::test]
async fn when_the_access_token_has_expired_there_is_nothing_left_to_lose_and_the_used_one_is_tried() {
    let app = TestApp::shared().await;
    let (provider, connection) = refused(&app, revokes(), 20, [Reply::Lost]).await;
    pause(20_100).await;
    // The usual pause, 15 s and a jitter, may take longer still.
    let mut token = app.token(&connection).await;
    for _ in 0..15 {
        if token.status == 200 {
            break;
        }
        pause(1_000).await;
        token = app.token(&connection).await;
    }
    assert_eq!(token.expect(200)["access_token"], "access-2");
    assert_eq!(refreshes(&provider), ["refresh-1", "refresh-1"]);
}
