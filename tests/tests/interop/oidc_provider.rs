//! [oidc-provider](https://github.com/panva/node-oidc-provider), from npm: an OpenID-certified server in JavaScript.

use bifrost_tests::{Browser, TestApp};
use serde_json::{Value, json};

use crate::server::{AWKWARD_SECRET, Kind, Pages, Person};

const OIDC_PROVIDER: Kind = Kind {
    folder: "oidc-provider",
    command: &["node", "server.mjs"],
    client_id: "bifrost interop",
    basic_secret: AWKWARD_SECRET,
    authorization: "/auth",
    token: "/token",
    revocation: "/token/revocation",
    who_am_i: "/me",
    scopes: "openid offline_access api:read",
    // Without it OpenID Connect Core, section 11, gives no offline access.
    authorize_params: || json!({"prompt": "consent"}),
    pages: Pages::Forms,
    revokes_access_tokens: true,
    wrong_secret: "invalid_client",
    dead_grant: "reauthorize",
};

against! { OIDC_PROVIDER =>
    a_grant_is_connected_used_and_rotated_for_generations_with_either_authentication
    a_crowd_of_callers_and_sweeps_never_looks_like_reuse
    reuse_by_someone_else_ends_the_grant_and_is_reported_as_such
    the_issuer_it_announces_is_checked
    whoever_declines_is_taken_at_their_word
    disconnecting_revokes_with_either_authentication
    a_wrong_secret_is_reported_as_such
    a_client_speaks_for_itself_with_either_authentication
}

const BOB: Person = Person { user: "bob", declines: false };

#[tokio::test]
#[ignore = "needs the servers: run tests/interop/run"]
async fn a_client_with_a_key_connects_refreshes_and_revokes_by_each_algorithm() {
    let app = TestApp::shared().await;
    let jwks: Value = serde_json::from_str(include_str!("../../fixtures/jwks.json")).unwrap();
    let (rsa, p256) =
        (include_str!("../../fixtures/rsa.key.pem"), include_str!("../../fixtures/p256.key.pem"));
    for (pem, kid, algorithm) in [(rsa, "rsa", "RS256"), (rsa, "rsa", "PS256"), (p256, "p256", "ES256")] {
        let registration = json!({
            "jwks": jwks, "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": algorithm,
        });
        let proof = json!({
            "client_auth": "private_key_jwt", "client_private_key": pem, "client_key_id": kid,
            "client_assertion_alg": algorithm,
        });
        let (server, connection) = OIDC_PROVIDER.with_client(&app, registration, proof).await;
        server.connect(&app, &connection).await;
        let token = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
        let renewed = (&token["generation"], &token["warning"]);
        assert_eq!(renewed, (&json!(2), &Value::Null), "{algorithm}: {token}");
        assert_eq!(server.bearer(&token["access_token"]).await, "ada");
        let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
        assert_eq!(gone["revoked"], true, "{algorithm}");
        assert_eq!(server.who_am_i(&token["access_token"]).await.status, 401);
    }
}

#[tokio::test]
#[ignore = "needs the servers: run tests/interop/run"]
async fn who_signed_in_is_shown_and_someone_else_is_asked_about() {
    let app = TestApp::shared().await;
    let (server, connection) = OIDC_PROVIDER.with_connection(&app, "basic", AWKWARD_SECRET).await;
    server.connect(&app, &connection).await;
    let identity = app.show(&connection).await["identity"].clone();
    assert_eq!((&identity["subject"], &identity["issuer"]), (&json!("ada"), &json!(server.issuer)));
    let page = server.connect(&app, &connection).await;
    assert!(!page.has_form(), "Ada again: {}", page.text);
    let mut browser = Browser::new();
    let callback = server.callback(&mut browser, &app, &connection, BOB).await;
    let page = browser.open(callback.as_str()).await;
    let user = async || server.bearer(&app.token(&connection).await.expect(200)["access_token"]).await;
    assert_eq!(user().await, "ada");
    let page = browser.submit(&page, &page.form().set("decision", "switch")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(user().await, "bob");
}
