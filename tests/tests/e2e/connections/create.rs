use bifrost_tests::{Role, TestApp, TestProvider, with};
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_connection_shows_what_was_set_what_follows_from_it_and_no_secret() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let name = app.unique("Halo PSA");
    let body = with(
        provider.authorization_code(),
        json!({"name": name, "description": "Tickets", "audience": "https://api.example.com",
               "authorize_params": {"prompt": "consent"}, "token_params": {"resource": "x"}, "client_auth": "post"}),
    );
    let answer = app.root().post("/connections?scope=global", body.clone()).await;
    assert!(!answer.text.contains(&provider.client_secret), "{}", answer.text);
    let created = answer.expect(201);
    let shown = with(body, json!({"client_secret": null}));
    for (field, value) in shown.as_object().unwrap() {
        assert_eq!(&created[field], value, "{field}");
    }
    assert_eq!((&created["scope"], &created["status"]), (&json!("global"), &json!("not_connected")));
    assert_eq!((&created["pkce"], &created["callback"]), (&json!(true), &json!("named")));
    assert_eq!((&created["available_to"], &created["has_refresh_token"]), (&json!("all"), &json!(false)));
    for empty in ["expires_at", "last_refresh_at", "next_refresh_at", "last_error", "client_secret_ref"] {
        assert!(created[empty].is_null(), "{empty}: {}", created[empty]);
    }
}

#[tokio::test]
async fn every_connection_has_a_redirect_uri_that_no_other_has() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.unique("Halo");
    let global = app.connection(&name, "global", &provider, json!({})).await.created;
    let own = app.connection(&name, &acme.id, &provider, json!({})).await.created;
    let encoded = name.replace(' ', "%20");
    assert_eq!(global["redirect_uri"], format!("{}/oauth/callback/{encoded}", app.url()));
    let id = own["id"].as_str().unwrap();
    assert_eq!(own["redirect_uri"], format!("{}/oauth/callback/{encoded}~{id}", app.url()));
    let body = with(provider.authorization_code(), json!({"name": app.unique("Old"), "callback": "shared"}));
    let shared = app.create_connection("global", body).await.created;
    assert_eq!(shared["redirect_uri"], format!("{}/api/oauth/callback", app.url()));
}

#[tokio::test]
async fn scopes_in_one_string_are_split_at_white_space() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let changes = json!({"scopes": "offline_access  Directory.Read.All\nread"});
    let connection = app.connection(&app.unique("Graph"), "global", &provider, changes).await;
    assert_eq!(connection.created["scopes"], json!(["offline_access", "Directory.Read.All", "read"]));
}

#[tokio::test]
async fn a_name_is_taken_within_its_scope_only() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.unique("Microsoft Graph");
    app.connection(&name, "global", &provider, json!({})).await;
    let same = with(provider.authorization_code(), json!({"name": name.to_lowercase().replace(' ', "-")}));
    app.root().post("/connections?scope=global", same.clone()).await.problem(409, "name-taken");
    app.root().post(&format!("/connections?scope={}", acme.id), same).await.expect(201);
}

#[tokio::test]
async fn every_field_that_is_wrong_or_unknown_is_named() {
    let app = TestApp::shared().await;
    let body = json!({
        "name": "a/b", "flow": "password", "client_id": "", "client_secret": 7, "authorization_url": "ftp://x",
        "token_url": "https://user:pass@x.example/token", "client_auth": "none", "pkce": "yes", "scopes": 5,
        "authorize_params": {"state": "mine"}, "callback": "any", "available_to": "some", "tenant": "x",
    });
    let answer = app.root().post("/connections?scope=global", body).await;
    assert!(!answer.text.contains("user:pass"), "{}", answer.text);
    answer.invalid(&[
        "authorization_url",
        "authorize_params",
        "available_to",
        "callback",
        "client_auth",
        "client_id",
        "client_secret",
        "flow",
        "name",
        "pkce",
        "scopes",
        "tenant",
        "token_url",
    ]);
    app.root().post("/connections?scope=rubbish", json!({})).await.invalid(&["scope"]);
}

#[tokio::test]
async fn a_flow_needs_the_urls_and_the_secret_that_it_uses() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let create = async |body: Value| app.root().post("/connections?scope=global", body).await;
    let named = json!({"name": app.unique("X")});
    let by_hand = with(provider.authorization_code(), named.clone());
    create(with(by_hand.clone(), json!({"authorization_url": null}))).await.invalid(&["authorization_url"]);
    create(with(by_hand, json!({"token_url": null}))).await.invalid(&["token_url"]);
    let by_itself = with(provider.client_credentials(), named);
    create(with(by_itself, json!({"client_secret": null}))).await.invalid(&["client_secret"]);
}

#[tokio::test]
async fn only_this_machine_may_be_reached_without_https() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    for url in [
        "http://example.com/token",
        "http://127.0.0.1.example.com/token",
        "http://10.0.0.1/token",
        "//x/token",
    ] {
        let body = with(provider.authorization_code(), json!({"name": app.unique("X"), "token_url": url}));
        app.root().post("/connections?scope=global", body).await.invalid(&["token_url"]);
    }
}

#[tokio::test]
async fn a_secret_reference_leads_to_connection_secrets_only() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let by_reference = |reference: &str| {
        let body = with(
            provider.authorization_code(),
            json!({"client_secret": null, "client_secret_ref": reference}),
        );
        with(body, json!({"name": app.unique("X")}))
    };
    for bad in ["bifrost/root-key", "bifrost/connections/", "arn:aws:x"] {
        app.root().post("/connections?scope=global", by_reference(bad)).await.invalid(&["client_secret_ref"]);
    }
    let good = by_reference("bifrost/connections/halo");
    let created = app.root().post("/connections?scope=global", good).await.expect(201);
    assert_eq!(created["client_secret_ref"], "bifrost/connections/halo");
}

#[tokio::test]
async fn users_make_connections_for_their_own_organization_and_workflows_make_none() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let (user, workflow) = (app.key(Role::User, &acme).await, app.key(Role::Workflow, &acme).await);
    let body = || with(provider.authorization_code(), json!({"name": app.unique("Halo")}));
    let own = user.post("/connections", body()).await.expect(201);
    assert_eq!(own["scope"], acme.id.as_str());
    for scope in ["global", globex.id.as_str()] {
        user.post(&format!("/connections?scope={scope}"), body()).await.problem(403, "scope-forbidden");
    }
    workflow.post("/connections", body()).await.problem(403, "forbidden");
    let msp = app.provider_organization("MSP").await;
    let provider_user = app.key(Role::User, &msp).await;
    provider_user.post("/connections?scope=global", body()).await.problem(403, "forbidden");
    for admins_own in [
        json!({"callback": "shared"}),
        json!({"client_secret": null, "client_secret_ref": "bifrost/connections/x"}),
    ] {
        user.post("/connections", with(body(), admins_own)).await.problem(403, "forbidden");
    }
}

#[tokio::test]
async fn an_organization_must_stand_to_own_a_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let body = with(provider.authorization_code(), json!({"name": app.unique("Halo")}));
    let nobody = uuid::Uuid::new_v4();
    app.root().post(&format!("/connections?scope={nobody}"), body).await.problem(404, "not-found");
}
