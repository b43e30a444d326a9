//! What must go well with every authorization server.

use bifrost_tests::{Browser, Role, TestApp, all_at_once, pause};
use serde_json::{Value, json};

use crate::server::{ADA, AWKWARD_SECRET, Kind, LIFETIME, Person};

/// Keys that a client may prove itself with: the private one, its id, and the algorithm.
const KEYS: [(&str, &str, &str); 3] = [
    (include_str!("../../fixtures/rsa.key.pem"), "rsa", "RS256"),
    (include_str!("../../fixtures/rsa.key.pem"), "rsa", "PS256"),
    (include_str!("../../fixtures/p256.key.pem"), "p256", "ES256"),
];

/// Until a token that was just got is of no use any more.
async fn expiry() {
    pause(LIFETIME * 1000 + 200).await;
}

pub(crate) async fn a_grant_is_connected_used_and_rotated_for_generations_with_either_authentication(
    kind: &'static Kind,
) {
    all_at_once(["basic", "post"].map(|client_auth| async move {
        let app = TestApp::shared().await;
        let (server, connection) = kind.with_connection(&app, client_auth, kind.secret(client_auth)).await;
        server.connect(&app, &connection).await;
        let shown = app.show(&connection).await;
        assert_eq!((&shown["status"], &shown["has_refresh_token"]), (&json!("active"), &json!(true)));
        let integration = app.integration("Interop", json!({"connection": connection.name})).await;
        let (mut access_tokens, mut refresh_tokens, mut people, mut last) = (vec![], vec![], vec![], 0);
        for _ in 0..3 {
            let token = app.token(&connection).await.expect(200);
            let generation = token["generation"].as_u64().unwrap();
            assert!(
                generation > last && !access_tokens.contains(&token["access_token"]),
                "{client_auth}: {generation}"
            );
            last = generation;
            people.push(server.bearer(&token["access_token"]).await);
            access_tokens.push(token["access_token"].clone());
            let resolved = app.resolve(&app.root(), &integration, "global").await;
            let refresh_token = resolved["oauth"]["refresh_token"].clone();
            assert!(!refresh_tokens.contains(&refresh_token), "it does not rotate");
            refresh_tokens.push(refresh_token);
            expiry().await;
        }
        if kind.scopes.contains("openid") {
            let identity = app.show(&connection).await["identity"].clone();
            assert_eq!(
                (&identity["subject"], &identity["issuer"]),
                (&json!(people[0]), &json!(server.issuer)),
                "{client_auth}: {identity}"
            );
        }
        people.dedup();
        assert_eq!(people.len(), 1, "tokens of different people: {people:?}");
    }))
    .await;
}

pub(crate) async fn a_crowd_of_callers_and_sweeps_never_looks_like_reuse(kind: &'static Kind) {
    let app = TestApp::alone().await;
    let (server, connection) = kind.with_connection(&app, "basic", kind.basic_secret).await;
    server.connect(&app, &connection).await;
    let mut last = 1;
    for _ in 0..3 {
        expiry().await;
        let calls = (0..50).map(|_| {
            let (root, path) = (app.root(), connection.path("/token"));
            async move { root.get(&path).await.expect(200) }
        });
        let (tokens, _) = tokio::join!(all_at_once(calls), app.sweep());
        let newest = tokens.iter().max_by_key(|token| token["generation"].as_u64()).unwrap();
        let generation = newest["generation"].as_u64().unwrap();
        // One, and perhaps another when a slow machine takes half a lifetime to answer fifty callers.
        assert!((last + 1..=last + 2).contains(&generation), "{last} to {generation}");
        server.bearer(&newest["access_token"]).await;
        last = generation;
    }
    assert_eq!(app.show(&connection).await["status"], "active");
}

pub(crate) async fn reuse_by_someone_else_ends_the_grant_and_is_reported_as_such(kind: &'static Kind) {
    let app = TestApp::shared().await;
    let (server, connection) = kind.with_connection(&app, "post", AWKWARD_SECRET).await;
    server.connect(&app, &connection).await;
    let integration = app.integration("Interop", json!({"connection": connection.name})).await;
    let first = app.resolve(&app.root(), &integration, "global").await["oauth"]["refresh_token"].clone();
    app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    assert_eq!(server.refresh_as_client(&first, AWKWARD_SECRET).await, 400);
    expiry().await;
    let refused = app.token(&connection).await.problem(409, kind.dead_grant);
    assert!(refused["fix"].as_str().unwrap().to_lowercase().contains("connect again"), "{refused}");
    server.connect(&app, &connection).await;
    app.token(&connection).await.expect(200);
}

pub(crate) async fn the_issuer_it_announces_is_checked(kind: &'static Kind) {
    let app = TestApp::shared().await;
    let (server, connection) = kind.with_connection(&app, "basic", kind.basic_secret).await;
    let mut browser = Browser::new();
    let callback = server.callback(&mut browser, &app, &connection, ADA).await;
    let issuer = callback.query_pairs().find(|(name, _)| name == "iss").unwrap().1.into_owned();
    assert_eq!(issuer, server.issuer);
    let encoded: String = url::form_urlencoded::byte_serialize(issuer.as_bytes()).collect();
    let forged = callback.as_str().replace(&encoded, "https%3A%2F%2Fevil.example");
    assert_ne!(forged, callback.as_str());
    browser.open(&forged).await.refuses();
    assert_eq!(browser.open(callback.as_str()).await.status, 200);
}

pub(crate) async fn whoever_declines_is_taken_at_their_word(kind: &'static Kind) {
    let app = TestApp::shared().await;
    let (server, connection) = kind.with_connection(&app, "basic", kind.basic_secret).await;
    server.try_connect(&app, &connection, Person { declines: true, ..ADA }).await.refuses();
    let shown = app.show(&connection).await;
    assert_eq!(shown["last_error"]["code"], "access_denied", "{shown}");
    app.token(&connection).await.problem(409, "not-connected");
    server.connect(&app, &connection).await;
    app.token(&connection).await.expect(200);
}

pub(crate) async fn someone_else_than_before_is_asked_about(kind: &'static Kind) {
    let app = TestApp::shared().await;
    let (server, connection) = kind.with_connection(&app, "basic", kind.basic_secret).await;
    server.connect(&app, &connection).await;
    let page = server.connect(&app, &connection).await;
    assert!(!page.has_form(), "Ada again: {}", page.text);
    let mut browser = Browser::new();
    let bob = Person { user: "bob", ..ADA };
    let callback = server.callback(&mut browser, &app, &connection, bob).await;
    let page = browser.open(callback.as_str()).await;
    let bearer = async || server.bearer(&app.token(&connection).await.expect(200)["access_token"]).await;
    assert_eq!(bearer().await, "ada");
    let page = browser.submit(&page, &page.form().set("decision", "switch")).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(bearer().await, "bob");
}

pub(crate) async fn disconnecting_revokes_with_either_authentication(kind: &'static Kind) {
    let app = TestApp::shared().await;
    for client_auth in ["basic", "post"] {
        let secret = kind.secret(client_auth);
        let (server, connection) = kind.with_connection(&app, client_auth, secret).await;
        server.connect(&app, &connection).await;
        let integration = app.integration("Interop", json!({"connection": connection.name})).await;
        let oauth = app.resolve(&app.root(), &integration, "global").await["oauth"].clone();
        let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
        assert_eq!((&gone["status"], &gone["revoked"]), (&json!("not_connected"), &json!(true)));
        if kind.revokes_access_tokens {
            let refused = server.who_am_i(&oauth["access_token"]).await;
            assert!([401, 403].contains(&refused.status), "{} {}", refused.status, refused.text);
        }
        app.token(&connection).await.problem(409, "not-connected");
        // Last, for it may look like reuse.
        assert_eq!(server.refresh_as_client(&oauth["refresh_token"], secret).await, 400);
    }
}

pub(crate) async fn a_wrong_secret_is_reported_as_such(kind: &'static Kind) {
    let app = TestApp::shared().await;
    for client_auth in ["basic", "post"] {
        let (server, connection) = kind.with_connection(&app, client_auth, kind.secret(client_auth)).await;
        let wrong = json!({"client_secret": "not-the-secret"});
        app.root().patch(&connection.path(""), wrong).await.expect(200);
        server.try_connect(&app, &connection, ADA).await.refuses();
        let error = app.show(&connection).await["last_error"].clone();
        assert_eq!(error["code"], kind.wrong_secret, "{client_auth}: {error}");
        assert!(error["fix"].as_str().unwrap().contains("client_secret"), "{client_auth}: {error}");
        // Mended, it goes on as if nothing had been.
        let right = json!({"client_secret": kind.secret(client_auth)});
        app.root().patch(&connection.path(""), right).await.expect(200);
        server.connect(&app, &connection).await;
        app.token(&connection).await.expect(200);
    }
}

pub(crate) async fn a_client_speaks_for_itself_with_either_authentication(kind: &'static Kind) {
    all_at_once(["basic", "post"].map(|client_auth| async move {
        let app = TestApp::shared().await;
        let (_server, connection) = kind.with_machine(&app, client_auth).await;
        let acme = app.organization("Acme").await;
        let workflow = app.key(Role::Workflow, &acme).await;
        let path = format!("/connections/{}/token", connection.name);
        let first = workflow.get(&path).await.expect(200);
        assert_eq!((&first["generation"], &first["scopes"]), (&json!(1), &json!(["api:read"])));
        expiry().await;
        let second = app.token(&connection).await.expect(200);
        assert_ne!(first["access_token"], second["access_token"]);
    }))
    .await;
}

pub(crate) async fn a_client_with_a_key_connects_refreshes_and_revokes_by_each_algorithm(
    kind: &'static Kind,
) {
    let app = TestApp::shared().await;
    let jwks: Value = serde_json::from_str(include_str!("../../fixtures/jwks.json")).unwrap();
    for (pem, kid, algorithm) in KEYS {
        let registration = json!({
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": algorithm, "jwks": jwks,
        });
        let proof = json!({
            "client_auth": "private_key_jwt", "client_private_key": pem, "client_key_id": kid,
            "client_assertion_alg": algorithm,
        });
        let (server, connection) = kind.with_client(&app, registration, proof).await;
        server.connect(&app, &connection).await;
        let token = app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
        let refreshed = (&token["generation"], &token["warning"]);
        assert_eq!(refreshed, (&json!(2), &Value::Null), "{algorithm}: {token}");
        server.bearer(&token["access_token"]).await;
        let gone = app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
        assert_eq!(gone["revoked"], true, "{algorithm}");
    }
}
