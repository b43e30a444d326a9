//! What becomes of a token when its provider is slow, gone, angry or careless.

use std::time::Duration;

use bifrost_local::provider::Fault;
use bifrost_tests::{SLIPPED_TOKEN, TestApp, pause};
use serde_json::json;

use super::brief;

#[tokio::test]
async fn an_answer_that_takes_twelve_seconds_is_waited_for() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_secs(12));
    let token = app.token(&connection).await.expect(200);
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
    assert_eq!(provider.me(&token["access_token"]).await["user"], "ada@example.com");
}

#[tokio::test]
async fn an_answer_that_comes_after_the_gateway_gave_up_is_kept() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_secs(35));
    let second = async {
        pause(2_000).await;
        app.token(&connection).await
    };
    let (first, second) = tokio::join!(app.token(&connection), second);
    first.gateway(503, "Service Unavailable");
    assert!(second.headers.contains_key("retry-after"), "{}", second.text);
    second.problem(503, "refresh-in-progress");
    pause(7_000).await;
    assert_eq!(app.token(&connection).await.expect(200)["generation"], 2);
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn a_lost_answer_is_followed_by_one_more_try_that_may_end_the_grant_in_plain_words() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    provider.control().fail_next_token(Fault::DropAnswer);
    app.token(&connection).await.problem(409, "provider-unavailable");
    app.token(&connection).await.problem(409, "provider-unavailable");
    assert_eq!(provider.control().token_request_count("refresh_token"), 1, "the next try waits its turn");
    pause(15_500).await;
    let ended = app.token(&connection).await.problem(409, "reauthorize");
    assert!(ended["detail"].as_str().unwrap().contains("spent"), "{ended}");
    app.token(&connection).await.problem(409, "reauthorize");
    assert_eq!(provider.control().token_request_count("refresh_token"), 2);
}

#[tokio::test]
async fn a_provider_that_asks_for_a_pause_gets_it() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    pause(2_100).await;
    let headers = vec![("retry-after".to_owned(), "600".to_owned())];
    provider.control().fail_next_token(Fault::Answer { status: 429, headers, body: String::new() });
    for _ in 0..2 {
        let answer = app.token(&connection).await;
        let pause: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((590..=600).contains(&pause), "{pause}");
        answer.problem(409, "provider-unavailable");
    }
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn a_client_that_is_no_longer_welcome_is_told_apart_from_a_dead_grant() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    provider.control().set_client_secret(&provider.client_id, "another");
    pause(2_100).await;
    app.token(&connection).await.problem(409, "client-rejected");
    let shown = app.show(&connection).await;
    assert_eq!(shown["last_error"]["code"], "invalid_client");
    assert_ne!(shown["status"], "reauthorize");
}

#[tokio::test]
async fn a_dead_grant_is_tried_once_and_then_waits_for_a_person() {
    let app = TestApp::shared().await;
    let provider = brief(8).await;
    let connection = app.connected(&provider).await;
    let token = app.token(&connection).await.expect(200);
    provider.control().revoke_family(token["access_token"].as_str().unwrap());
    pause(8_100).await;
    for _ in 0..3 {
        app.token(&connection).await.problem(409, "reauthorize");
    }
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
    let shown = app.show(&connection).await;
    assert_eq!(
        (&shown["status"], &shown["last_error"]["code"]),
        (&json!("reauthorize"), &json!("invalid_grant"))
    );
    for part in ["title", "detail", "fix", "at"] {
        assert!(shown["last_error"][part].is_string(), "{part}");
    }
    app.connect_in_browser(&connection).await;
    let revived = app.token(&connection).await.expect(200);
    assert_eq!((&revived["generation"], &revived["grant_id"]), (&json!(2), &token["grant_id"]));
    assert!(app.show(&connection).await["last_error"].is_null());
}

#[tokio::test]
async fn what_a_failing_provider_says_is_never_shown() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let bodies = [
        (500, format!(r#"{{"access_token": "{SLIPPED_TOKEN}", "refresh_token": "{SLIPPED_TOKEN}"}}"#)),
        (502, format!("<html>{SLIPPED_TOKEN}")),
        (200, format!(r#"{{"token": "{SLIPPED_TOKEN}"}}"#)),
        (200, SLIPPED_TOKEN.to_owned()),
        (400, format!(r#"{{"error": "server_error", "error_description": "{}"}}"#, provider.client_secret)),
    ];
    for (status, body) in bodies {
        let connection = app.connected(&provider).await;
        pause(2_100).await;
        provider.control().fail_next_token(Fault::answer(status, body));
        let answer = app.token(&connection).await;
        assert!(
            !answer.text.contains(SLIPPED_TOKEN) && !answer.text.contains(&provider.client_secret),
            "{}",
            answer.text
        );
        answer.problem(409, "provider-unavailable");
        let shown = app.show(&connection).await;
        let text = shown.to_string();
        assert!(!text.contains(SLIPPED_TOKEN) && !text.contains(&provider.client_secret), "{text}");
        assert!(shown["last_error"]["fix"].is_string(), "{text}");
    }
}

#[tokio::test]
async fn a_failed_refresh_returns_a_token_that_is_still_good_and_says_so() {
    let app = TestApp::shared().await;
    let provider = brief(20).await;
    let connection = app.connected(&provider).await;
    let first = app.token(&connection).await.expect(200);
    pause(10_500).await;
    provider.control().fail_next_token(Fault::answer(503, "{}"));
    let second = app.token(&connection).await.expect(200);
    assert_eq!(second["access_token"], first["access_token"]);
    assert!(second["warning"].as_str().is_some_and(|warning| !warning.is_empty()), "{second}");
    assert_eq!(app.show(&connection).await["status"], "failing");
}

#[tokio::test]
async fn a_provider_that_is_gone_is_a_matter_for_later() {
    let app = TestApp::shared().await;
    let provider = brief(2).await;
    let connection = app.connected(&provider).await;
    provider.stop().await;
    pause(2_100).await;
    app.token(&connection).await.problem(409, "provider-unavailable");
    assert_eq!(app.show(&connection).await["status"], "failing");
}
