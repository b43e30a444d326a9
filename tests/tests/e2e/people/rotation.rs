//! The issuer's keys: how often it is asked for them, and what becomes of people while it changes them or is gone.

use std::time::Instant;

use bifrost_tests::{TestApp, pause};
use serde_json::json;
use uuid::Uuid;

use super::{
    issuer::{By, Issuer, Mood},
    kept_out, let_in,
};

/// The pause between two questions to the issuer, and a little.
const PAUSE: u64 = 30_200;

fn signed(app: &TestApp, issuer: &Issuer, by: By) -> bifrost_tests::Api {
    app.with_key(&by.sign(&by.header(), &issuer.claims("admin", "platform")))
}

#[tokio::test]
async fn the_issuer_is_asked_once_however_many_tokens_are_made_up() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    assert_eq!(issuer.times_asked(), 0, "nobody has signed in");
    for _ in 0..20 {
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": Uuid::new_v4()});
        kept_out(&app.with_key(&By::Rsa.sign(&header, &issuer.claims("admin", "platform")))).await;
        let_in(&signed(&app, &issuer, By::Rsa)).await;
    }
    // What names no such algorithm or kind is not looked up at all.
    kept_out(&app.with_key("a.b.c")).await;
    assert_eq!(issuer.asked(), ["/.well-known/openid-configuration", "/jwks"]);
}

#[tokio::test]
async fn keys_are_changed_without_anyone_noticing_and_the_old_one_ends() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let_in(&signed(&app, &issuer, By::Rsa)).await;
    issuer.publish(&[By::Rsa, By::P256]);
    pause(PAUSE).await;
    let_in(&signed(&app, &issuer, By::P256)).await;
    let_in(&signed(&app, &issuer, By::Rsa)).await;
    assert_eq!(issuer.times_asked(), 2);
    issuer.publish(&[By::P256]);
    pause(PAUSE).await;
    // Someone presents what nobody knows: that is when the keys are seen to have changed.
    let unknown = json!({"alg": "RS256", "typ": "at+jwt", "kid": "unknown"});
    kept_out(&app.with_key(&By::Rsa.sign(&unknown, &issuer.claims("admin", "platform")))).await;
    kept_out(&signed(&app, &issuer, By::Rsa)).await;
    let_in(&signed(&app, &issuer, By::P256)).await;
}

#[tokio::test]
async fn while_the_issuer_is_gone_the_keys_that_are_known_serve() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    let_in(&signed(&app, &issuer, By::Rsa)).await;
    issuer.is(Mood::Status(503));
    pause(PAUSE).await;
    kept_out(&signed(&app, &issuer, By::P256)).await;
    assert_eq!(issuer.times_asked(), 2);
    let_in(&signed(&app, &issuer, By::Rsa)).await;
    assert!(app.stack().logs().contains("the issuer's keys could not be fetched anew"));
}

#[tokio::test]
async fn an_issuer_that_was_never_there_is_an_error_that_passes() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    issuer.is(Mood::Status(500));
    // The gateway remembers no error, so it may be the same token.
    let person = signed(&app, &issuer, By::Rsa);
    for _ in 0..3 {
        assert_eq!(person.get("/integrations").await.status, 500);
    }
    assert_eq!(issuer.times_asked(), 1);
    issuer.is(Mood::Fine);
    pause(5_200).await;
    let_in(&person).await;
}

#[tokio::test]
async fn an_issuer_that_never_answers_keeps_nobody_waiting_for_longer_than_the_gateway_does() {
    let issuer = Issuer::start().await;
    let app = issuer.stack().await;
    issuer.is(Mood::Silent);
    let began = Instant::now();
    assert_eq!(signed(&app, &issuer, By::Rsa).get("/integrations").await.status, 500);
    assert!(app.stack().logs().contains("the issuer took longer than 6 s"), "after {:?}", began.elapsed());
    let_in(&app.root()).await;
}

#[tokio::test]
async fn keys_are_taken_from_nobody_but_the_issuer() {
    let evil = Issuer::start().await;
    evil.publish(&[By::P256]);
    let its_own = json!({"issuer": evil.url, "jwks_uri": format!("{}/jwks", evil.url)});
    let private = |issuer: &Issuer| json!({"issuer": issuer.url, "jwks_uri": "http://169.254.169.254/latest/meta-data"});
    let moods = |issuer: &Issuer| {
        [
            Mood::Elsewhere(evil.url.clone()),
            Mood::Saying(its_own.clone()),
            Mood::Saying(private(issuer)),
            Mood::Saying(json!([])),
        ]
    };
    for number in 0..4 {
        let issuer = Issuer::start().await;
        let app = issuer.stack().await;
        let mood = moods(&issuer)[number].clone();
        issuer.is(mood.clone());
        assert_eq!(signed(&app, &issuer, By::P256).get("/integrations").await.status, 500, "{mood:?}");
    }
    assert_eq!(evil.asked(), Vec::<String>::new());
}
