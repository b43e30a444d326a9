//! Grants that another system holds move in, and nobody has to sign in again.

use std::time::Duration;

use bifrost_local::Fault;
use bifrost_tests::{Answer, Connection, Role, TestApp, TestProvider, pause, seconds_until, with};
use serde_json::{Value, json};

/// What the other system has: a grant that someone signed in for over there.
struct Elsewhere {
    access_token: String,
    refresh_token: String,
}

/// The provider knows but one client, so that another connection stands for the other system.
async fn elsewhere(app: &TestApp, provider: &TestProvider) -> Elsewhere {
    let scopes = json!({"scopes": ["openid", "offline_access"]});
    let other_system = app.connection(&app.unique("Other system"), "global", provider, scopes).await;
    app.connect_in_browser(&other_system).await;
    let handed_out = provider.control().secrets_handed_out();
    let last = |prefix: &str| handed_out.iter().rfind(|secret| secret.starts_with(prefix)).unwrap().clone();
    Elsewhere { access_token: last("bfp_at_"), refresh_token: last("bfp_rt_") }
}

async fn new_connection(app: &TestApp, provider: &TestProvider) -> Connection {
    app.connection(&app.unique("Halo"), "global", provider, json!({})).await
}

async fn import(app: &TestApp, connection: &Connection, body: Value) -> Answer {
    app.root().post(&connection.path("/import"), body).await
}

fn exchanges(provider: &TestProvider) -> usize {
    provider.control().token_requests().len()
}

#[tokio::test]
async fn a_refresh_token_moves_in_unspent_and_is_used_at_the_first_request() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (brought, connection) = (elsewhere(&app, &provider).await, new_connection(&app, &provider).await);
    let before = exchanges(&provider);
    let answer = import(&app, &connection, json!({"refresh_token": brought.refresh_token})).await;
    assert!(!answer.text.contains(&brought.refresh_token), "{}", answer.text);
    let shown = answer.expect(200);
    assert_eq!((&shown["name"], &shown["status"]), (&json!(connection.name), &json!("active")));
    assert_eq!((&shown["has_refresh_token"], &shown["expires_at"]), (&json!(true), &Value::Null));
    assert!(shown["status_message"].as_str().unwrap().contains("not been tried"), "{shown}");
    assert!(seconds_until(&shown["next_refresh_at"]) <= 0, "it is due at once");
    assert_eq!(exchanges(&provider), before, "the other system may still be using it");

    let token = app.token(&connection).await.expect(200);
    assert_eq!(provider.me(&token["access_token"]).await["user"], "ada@example.com");
    assert_eq!((exchanges(&provider), &token["generation"]), (before + 1, &json!(2)));
    let shown = app.show(&connection).await;
    assert_eq!((&shown["status"], &shown["status_message"]), (&json!("active"), &Value::Null));
    assert_eq!(shown["identity"]["email"], "ada@example.com", "which its ID token tells");
    app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
}

#[tokio::test]
async fn an_imported_grant_is_refreshed_by_the_next_sweep_and_a_wrong_one_shows_itself() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let brought = elsewhere(&app, &provider).await;
    let (right, wrong) = (new_connection(&app, &provider).await, new_connection(&app, &provider).await);
    import(&app, &right, json!({"refresh_token": brought.refresh_token})).await.expect(200);
    import(&app, &wrong, json!({"refresh_token": "bfp_rt_mistyped"})).await.expect(200);
    let report = app.sweep().await;
    assert_eq!((&report["refreshed"], &report["failed"]), (&json!(1), &json!(1)), "{report}");
    assert_eq!(app.show(&right).await["status"], "active");
    let shown = app.show(&wrong).await;
    assert_eq!(
        (&shown["status"], &shown["last_error"]["code"]),
        (&json!("reauthorize"), &json!("invalid_grant"))
    );
    app.token(&wrong).await.problem(409, "reauthorize");
}

#[tokio::test]
async fn an_access_token_is_used_until_it_expires_where_that_is_known() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let brought = elsewhere(&app, &provider).await;
    let before = exchanges(&provider);
    let both = json!({"refresh_token": brought.refresh_token, "access_token": brought.access_token});

    let known = new_connection(&app, &provider).await;
    let shown = import(&app, &known, with(both.clone(), json!({"expires_in": 1800}))).await.expect(200);
    assert!((1790..=1800).contains(&seconds_until(&shown["expires_at"])), "{shown}");
    let token = app.token(&known).await.expect(200);
    assert_eq!((&token["access_token"], exchanges(&provider)), (&json!(brought.access_token), before));

    let unknown = new_connection(&app, &provider).await;
    import(&app, &unknown, both).await.expect(200);
    let token = app.token(&unknown).await.expect(200);
    assert_ne!(token["access_token"], brought.access_token, "it may be of any age");
    assert_eq!(exchanges(&provider), before + 1);
}

#[tokio::test]
async fn without_a_refresh_token_an_access_token_lasts_as_long_as_is_known_of_it() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let brought = elsewhere(&app, &provider).await;
    let told = new_connection(&app, &provider).await;
    let soon = json!({"access_token": brought.access_token, "expires_in": 2});
    let shown = import(&app, &told, soon).await.expect(200);
    assert_eq!((&shown["has_refresh_token"], &shown["next_refresh_at"]), (&json!(false), &Value::Null));
    app.token(&told).await.expect(200);
    pause(2_100).await;
    app.token(&told).await.problem(409, "reauthorize");

    let untold = new_connection(&app, &provider).await;
    let shown = import(&app, &untold, json!({"access_token": brought.access_token})).await.expect(200);
    assert!((3590..=3600).contains(&seconds_until(&shown["expires_at"])), "a cautious hour: {shown}");

    // {"exp": 1700000000}
    let expired = json!({"access_token": "e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"});
    import(&app, &untold, with(expired, json!({"replace": true}))).await.invalid(&["access_token"]);
}

#[tokio::test]
async fn a_grant_that_is_connected_stays_unless_it_may_be_replaced() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let brought = elsewhere(&app, &provider).await;
    let connection = app.connected(&provider).await;
    let old = app.token(&connection).await.expect(200);
    let body = json!({"access_token": brought.access_token, "expires_in": 1800});
    for replace in [Value::Null, json!(false)] {
        let refused = import(&app, &connection, with(body.clone(), json!({"replace": replace}))).await;
        refused.problem(409, "already-connected");
    }
    assert_eq!(app.token(&connection).await.expect(200)["access_token"], old["access_token"]);
    import(&app, &connection, with(body, json!({"replace": true}))).await.expect(200);
    let new = app.token(&connection).await.expect(200);
    assert_eq!(
        (&new["access_token"], &new["generation"], &new["grant_id"]),
        (&json!(brought.access_token), &json!(2), &old["grant_id"])
    );
    assert!(provider.me(&old["access_token"]).await.is_object(), "what was replaced is not revoked");
    assert!(app.show(&connection).await["identity"].is_null(), "whose it is now nobody has said");
}

#[tokio::test]
async fn what_was_disconnected_is_connected_again_by_an_import() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (brought, connection) = (elsewhere(&app, &provider).await, app.connected(&provider).await);
    app.root().post(&connection.path("/disconnect"), json!({})).await.expect(200);
    import(&app, &connection, json!({"refresh_token": brought.refresh_token})).await.expect(200);
    let token = app.token(&connection).await.expect(200);
    assert!(token["generation"].as_u64().unwrap() > 2, "{token}");
}

#[tokio::test]
async fn what_is_known_besides_moves_in_too() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let body = json!({
        "access_token": "at", "expires_at": "2100-01-01T00:00:00Z", "scopes": "read write", "facts": {"realmId": "9341"},
    });
    let shown = import(&app, &connection, body).await.expect(200);
    assert_eq!(shown["granted_scopes"], json!(["read", "write"]));
    assert_eq!(shown["facts"], json!({"realmId": "9341"}));
    assert!(seconds_until(&shown["expires_at"]) < 11 * 365 * 24 * 3600, "nothing lasts for ever: {shown}");
    let asked_for =
        import(&app, &connection, json!({"access_token": "at", "replace": true})).await.expect(200);
    assert_eq!(
        (&asked_for["granted_scopes"], &asked_for["facts"]),
        (&connection.created["scopes"], &json!({}))
    );
}

#[tokio::test]
async fn an_import_that_says_too_little_or_too_much_names_the_field() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = new_connection(&app, &provider).await;
    let cases = [
        (json!({}), "refresh_token"),
        (json!({"refresh_token": null, "access_token": null}), "refresh_token"),
        (json!({"refresh_token": 7, "access_token": "at"}), "refresh_token"),
        (json!({"refresh_token": "with\nnewline", "access_token": "at"}), "refresh_token"),
        (json!({"refresh_token": "rt", "expires_in": 60}), "expires_in"),
        (json!({"access_token": "at", "expires_in": 60, "expires_at": "2100-01-01T00:00:00Z"}), "expires_in"),
        (json!({"access_token": "at", "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"refresh_token": "rt", "facts": {"access_token": "at"}}), "facts"),
        (json!({"refresh_token": "rt", "scopes": 7}), "scopes"),
        (json!({"refresh_token": "rt", "replace": "yes"}), "replace"),
        (json!({"refresh_token": "rt", "id_token": "x"}), "id_token"),
    ];
    for (body, field) in cases {
        import(&app, &connection, body).await.invalid(&[field]);
    }
    assert_eq!(app.show(&connection).await["status"], "not_connected");
    app.root()
        .post("/connections/Nothing/import?scope=global", json!({"refresh_token": "rt"}))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_client_that_speaks_for_itself_has_nothing_to_bring_along() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    let refused = import(&app, &connection, json!({"access_token": "at"})).await.problem(422, "wrong-flow");
    assert!(refused["detail"].as_str().unwrap().contains("client_credentials"), "{refused}");
}

#[tokio::test]
async fn an_organizations_own_grant_moves_in_beside_the_shared_one() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let (brought, connection) = (elsewhere(&app, &provider).await, app.connected(&provider).await);
    let shared = app.token(&connection).await.expect(200);
    let path = format!("/connections/{}/import?organization_id={}", connection.name, acme.id);
    let body = json!({"refresh_token": brought.refresh_token, "facts": {"realmId": "9341"}});
    let (user, stranger) = (app.key(Role::User, &acme).await, app.key(Role::User, &globex).await);
    stranger.post(&path, body.clone()).await.problem(403, "scope-forbidden");
    app.key(Role::Workflow, &acme).await.post(&path, body.clone()).await.problem(403, "forbidden");
    let answer = user.post(&path, body.clone()).await;
    assert!(
        !answer.text.contains(&brought.refresh_token) && !answer.text.contains("client_id"),
        "{}",
        answer.text
    );
    let grant = answer.expect(200);
    assert_eq!(
        (&grant["connection_name"], &grant["organization_id"], &grant["status"], &grant["facts"]["realmId"]),
        (&json!(connection.name), &json!(acme.id), &json!("active"), &json!("9341"))
    );
    let of = async |organization: &str| {
        app.root()
            .get(&format!("/connections/{}/token?scope={organization}", connection.name))
            .await
            .expect(200)
    };
    let own = of(&acme.id).await;
    assert_eq!((&own["grant_id"], &own["generation"]), (&grant["grant_id"], &json!(2)));
    assert_eq!(of(&globex.id).await["grant_id"], shared["grant_id"]);
    user.post(&path, body).await.problem(409, "already-connected");
    let nobody = format!("/connections/{}/import?organization_id={}", connection.name, uuid::Uuid::new_v4());
    app.root().post(&nobody, json!({"refresh_token": "rt"})).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_grant_moves_in_where_the_organization_is_and_is_refreshed_there() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let integration = app.integration("Halo", json!({})).await;
    let urls = json!({"token_url": provider.url("/{entity_id}/token"), "authorization_url": provider.url("/{entity_id}/authorize")});
    let connection = app.connection(&integration, "global", &provider, urls).await;
    let path = format!("/connections/{}/import?organization_id={}", connection.name, acme.id);
    let body = json!({"refresh_token": "rt"});
    app.root().post(&path, body.clone()).await.problem(422, "placeholder-unresolved");
    app.map(&integration, &acme, json!({"entity_id": "tenant-7"})).await;
    app.root().post(&path, body).await.expect(200);
    let of_acme = format!("/connections/{}/token?scope={}", connection.name, acme.id);
    app.root().get(&of_acme).await.problem(409, "reauthorize");
    let tenants: Vec<_> =
        provider.control().token_requests().into_iter().map(|request| request.tenant).collect();
    assert_eq!(tenants, [Some("tenant-7".to_owned())]);
}

#[tokio::test]
async fn an_import_whose_write_was_lost_or_that_can_not_be_sealed_says_so() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    app.connected(&provider).await;
    let connection = new_connection(&app, &provider).await;
    let body = json!({"refresh_token": "rt"});
    app.stack().set_fault_hook(|call| {
        let kind = "AccessDeniedException".to_owned();
        (call.service == "KMS").then(|| Fault::Refuse { status: reqwest::StatusCode::BAD_REQUEST, kind })
    });
    import(&app, &connection, body.clone()).await.problem(409, "secret-unavailable");
    let lost = std::sync::atomic::AtomicUsize::new(0);
    app.stack().set_fault_hook(move |call| {
        let writes = call.function == "connections-import" && call.operation == "TransactWriteItems";
        let first = || lost.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 4;
        (writes && first()).then_some(Fault::LoseAnswer)
    });
    import(&app, &connection, body).await.expect(200);
    app.stack().end_faults();
    assert_eq!(app.show(&connection).await["status"], "active");
}

#[tokio::test]
async fn what_is_brought_along_is_in_no_log() {
    let app = TestApp::alone().await;
    let provider =
        TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(60)).await;
    let brought = elsewhere(&app, &provider).await;
    let connection = new_connection(&app, &provider).await;
    let body = json!({"refresh_token": brought.refresh_token, "access_token": brought.access_token});
    import(&app, &connection, body.clone()).await.expect(200);
    import(&app, &connection, body).await.problem(409, "already-connected");
    import(&app, &connection, json!({"refresh_token": format!("{}\n", brought.refresh_token)})).await;
    app.token(&connection).await.expect(200);
    let logs = app.stack().logs();
    assert!(logs.contains("a grant was imported"), "the logs were captured");
    for secret in provider.control().secrets_handed_out() {
        assert!(!logs.contains(&secret), "{secret} is in the logs");
    }
}
