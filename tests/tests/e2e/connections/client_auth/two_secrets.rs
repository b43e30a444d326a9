use bifrost_tests::{Connection, TestApp, TestProvider, allow, confirm, with};
use serde_json::json;

use super::{for_itself, patch, refresh, signed_in};

/// How many requests the provider turned away.
fn refused(provider: &TestProvider) -> usize {
    provider.control().refusals().len()
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_moment_in_which_nothing_works() {
    // One instance of each function, so that what one remembers is what is asked.
    let app = TestApp::with_instances(1).await;
    let provider = TestProvider::start().await;
    let connection = signed_in(&app, &provider, json!({})).await;
    assert_eq!(connection.created["has_client_secret_next"], false);
    let mut generation = 1;
    let mut refreshes = async |connection: &Connection| {
        let answer = refresh(&app, connection).await.expect(200);
        generation += 1;
        assert_eq!(
            (&answer["generation"], &answer["warning"]),
            (&json!(generation), &json!(null)),
            "{answer}"
        );
    };

    // At the provider there are two for a while; then the old one ends.
    provider.control().add_client_secret(&provider.client_id, "bfp_cs_next");
    let added = app.root().patch(&connection.path(""), json!({"client_secret_next": "bfp_cs_next"})).await;
    assert!(!added.text.contains("bfp_cs_next"), "{}", added.text);
    assert_eq!(added.expect(200)["has_client_secret_next"], true);
    refreshes(&connection).await;
    assert_eq!(refused(&provider), 0, "the first is used while it is good");
    provider.control().set_client_secret(&provider.client_id, "bfp_cs_next");
    refreshes(&connection).await;
    assert_eq!(refused(&provider), 1, "the next was tried at once");
    refreshes(&connection).await;
    refreshes(&connection).await;
    assert_eq!(refused(&provider), 1, "and is remembered");

    let promoted = json!({"client_secret": "bfp_cs_next", "client_secret_next": null});
    assert_eq!(patch(&app, &connection, promoted).await["has_client_secret_next"], false);
    refreshes(&connection).await;
    assert_eq!(refused(&provider), 1);
    let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    assert_eq!(gone["revoked"], true);
    assert!(app.show(&connection).await["last_error"].is_null());
    let logs = app.stack().logs();
    assert!(
        logs.contains("another one of its own accepted"),
        "whoever runs it learns that the old one is over"
    );
    assert!(!logs.contains("bfp_cs_next") && !logs.contains(&provider.client_secret));
}

#[tokio::test]
async fn a_code_and_a_revocation_survive_the_end_of_the_old_secret_too() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let both = json!({"client_secret_next": "bfp_cs_next"});
    let connection = app.connection(&app.unique("Halo"), "global", &provider, both).await;
    let link = app.connect_url(&connection).await;
    let mut browser = bifrost_tests::Browser::new();
    let address = confirm(&mut browser, &link).await;
    let callback = allow(&mut browser, &address).await;
    provider.control().set_client_secret(&provider.client_id, "bfp_cs_next");
    let page = browser.open(callback.as_str()).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!((refused(&provider), provider.control().token_request_count("authorization_code")), (1, 2));
    let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    assert_eq!((&gone["revoked"], provider.control().revocation_count()), (&json!(true), 1));
}

#[tokio::test]
async fn two_secrets_that_are_both_refused_are_one_refusal_of_the_client() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = for_itself(&app, &provider, json!({"client_secret_next": "bfp_cs_next"})).await;
    provider.control().set_client_secret(&provider.client_id, "bfp_cs_third");
    app.token(&connection).await.problem(409, "client-rejected");
    assert_eq!(refused(&provider), 2, "both were tried");
    app.token(&connection).await.problem(409, "client-rejected");
    assert_eq!(refused(&provider), 2, "and then neither, until it is time");
    patch(&app, &connection, json!({"client_secret_next": "bfp_cs_third"})).await;
    app.token(&connection).await.expect(200);
}

#[tokio::test]
async fn a_referred_secret_may_hold_both_as_json() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let reference = format!("bifrost/connections/{}", app.unique("halo").replace(' ', "-"));
    let both = json!({"client_secret": "bfp_cs_old", "client_secret_next": provider.client_secret});
    app.stack().put_secret(&reference, &both.to_string()).await;
    let referring = json!({"client_secret": null, "client_secret_ref": reference});
    let connection = for_itself(&app, &provider, referring).await;
    app.token(&connection).await.expect(200);
    assert_eq!(refused(&provider), 1);
    // Replaced there once more, at the same moment as at the provider.
    provider.control().set_client_secret(&provider.client_id, "bfp_cs_third");
    let both = json!({"client_secret": "bfp_cs_third", "client_secret_next": "bfp_cs_fourth"});
    app.stack().put_secret(&reference, &both.to_string()).await;
    let answer = refresh(&app, &connection).await.expect(200);
    assert_eq!((&answer["generation"], &answer["warning"]), (&json!(2), &json!(null)), "{answer}");
    let path = connection.path("");
    let refusal = app.root().patch(&path, json!({"client_secret_next": "n"})).await;
    refusal.invalid(&["client_secret_next"]);
}

#[tokio::test]
async fn a_referred_secret_that_is_other_json_is_not_sent_and_said_to_be_that() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let reference = format!("bifrost/connections/{}", app.unique("halo").replace(' ', "-"));
    app.stack().put_secret(&reference, r#"{"password": "bfp_cs_fifth"}"#).await;
    let referring = json!({"client_secret": null, "client_secret_ref": reference});
    let connection = for_itself(&app, &provider, referring).await;
    let problem = app.token(&connection).await.problem(409, "secret-unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("client_secret"), "{problem}");
    assert_eq!(provider.control().token_requests().len(), 0);
}

#[tokio::test]
async fn a_second_secret_needs_a_first_one() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let body =
        with(provider.authorization_code(), json!({"name": app.unique("Halo"), "client_secret": null}));
    let alone = with(body, json!({"client_secret_next": "n"}));
    app.root().post("/connections?scope=global", alone).await.invalid(&["client_secret_next"]);
    let connection = for_itself(&app, &provider, json!({"client_secret_next": "n"})).await;
    for value in [json!(""), json!(7)] {
        let patched = app.root().patch(&connection.path(""), json!({"client_secret_next": value})).await;
        patched.invalid(&["client_secret_next"]);
    }
}
