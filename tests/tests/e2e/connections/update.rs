use bifrost_tests::{Connection, Role, TestApp, TestProvider, all_at_once, with};
use serde_json::{Value, json};

/// A connection of the platform that nobody has signed in to.
async fn connection(app: &TestApp, provider: &TestProvider, changes: Value) -> Connection {
    app.connection(&app.unique("Halo"), "global", provider, changes).await
}

#[tokio::test]
async fn a_patch_changes_what_it_names_removes_what_it_nulls_and_keeps_the_rest() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let set = json!({"description": "Tickets", "audience": "https://api.example.com", "client_auth": "post",
                     "authorize_params": {"prompt": "consent", "kept": "1"}});
    let connection = connection(&app, &provider, set).await;
    let patch = json!({"description": "Invoices", "audience": null, "scopes": "read write",
                       "authorize_params": {"prompt": null, "new": "2"}});
    let patched = app.root().patch(&connection.path(""), patch).await.expect(200);
    let expected = with(
        connection.created.clone(),
        json!({"description": "Invoices", "scopes": ["read", "write"],
               "authorize_params": {"kept": "1", "new": "2"}, "updated_at": patched["updated_at"]}),
    );
    for (field, value) in with(expected, json!({"audience": null})).as_object().unwrap() {
        assert_eq!(&patched[field], value, "{field}");
    }
    assert!(patched["audience"].is_null(), "{patched}");
    assert_eq!(app.show(&connection).await["description"], "Invoices");
}

#[tokio::test]
async fn a_patch_of_what_has_changed_since_is_refused_and_changes_nothing() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = connection(&app, &provider, json!({})).await;
    let path = connection.path("");
    let seen = app.root().get(&path).await;
    let first = app.root().if_as_in(&seen).patch(&path, json!({"description": "first"})).await;
    assert_eq!(first.status, 200, "{}", first.text);
    app.root()
        .if_as_in(&seen)
        .patch(&path, json!({"description": "second"}))
        .await
        .problem(412, "stale-revision");
    assert_eq!(app.show(&connection).await["description"], "first");
    app.root().if_as_in(&first).patch(&path, json!({"description": "third"})).await.expect(200);
}

#[tokio::test]
async fn of_writers_at_once_none_loses_the_field_of_another() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = connection(&app, &provider, json!({})).await;
    let writes = (0..5).map(|number| {
        let (root, path) = (app.root(), connection.path(""));
        let patch = json!({"token_params": {format!("field_{number}"): "set"}});
        async move { root.patch(&path, patch).await.status }
    });
    assert_eq!(all_at_once(writes).await, [200; 5]);
    let params = app.show(&connection).await["token_params"].clone();
    assert_eq!(params.as_object().unwrap().len(), 5, "{params}");
}

#[tokio::test]
async fn using_a_connection_does_not_make_its_etag_stale() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = connection(&app, &provider, json!({})).await;
    let seen = app.root().get(&connection.path("")).await;
    app.connect_in_browser(&connection).await;
    app.root().post(&connection.path("/refresh"), json!({})).await.expect(200);
    app.root().if_as_in(&seen).patch(&connection.path(""), json!({"description": "x"})).await.expect(200);
}

#[tokio::test]
async fn the_name_stays_and_what_is_wrong_or_unknown_is_named() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = connection(&app, &provider, json!({})).await;
    let path = connection.path("");
    app.root().patch(&path, json!({"name": "Another"})).await.invalid(&["name"]);
    app.root().patch(&path, json!({"name": connection.name, "description": "same name"})).await.expect(200);
    let wrong = json!({"status": "active", "colour": "red", "flow": "password", "pkce": "yes", "client_id": null,
                       "token_url": "ftp://x", "authorize_params": {"state": "mine"}});
    app.root().patch(&path, wrong).await.invalid(&[
        "authorize_params",
        "client_id",
        "colour",
        "flow",
        "pkce",
        "status",
        "token_url",
    ]);
}

#[tokio::test]
async fn a_patch_that_is_no_object_is_refused() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = connection(&app, &provider, json!({})).await;
    for body in [json!([]), json!(null), json!("x")] {
        let refused = app.root().patch(&connection.path(""), body).await;
        assert!([400, 422].contains(&refused.status), "{}", refused.text);
    }
}

#[tokio::test]
async fn the_client_secret_is_kept_when_left_out_replaced_when_given_and_never_shown() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let refresh = async || app.root().post(&connection.path("/refresh"), json!({})).await;
    let path = connection.path("");
    let kept = app.root().patch(&path, json!({"description": "x"})).await;
    assert!(!kept.text.contains(&provider.client_secret), "{}", kept.text);
    assert_eq!(refresh().await.expect(200)["generation"], 2);
    provider.control().set_client_secret(&provider.client_id, "bfp_cs_new-one");
    let replaced = app.root().patch(&path, json!({"client_secret": "bfp_cs_new-one"})).await;
    assert!(!replaced.text.contains("bfp_cs_new-one"), "{}", replaced.text);
    replaced.expect(200);
    assert_eq!(refresh().await.expect(200)["generation"], 3);
}

#[tokio::test]
async fn null_removes_the_client_secret_where_the_flow_can_do_without() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let name = app.integration("Halo", json!({"connection": connection.name})).await;
    let secret = async || app.resolve(&app.root(), &name, "global").await["oauth"]["client_secret"].clone();
    assert_eq!(secret().await, provider.client_secret.as_str());
    app.root().patch(&connection.path(""), json!({"client_secret": null})).await.expect(200);
    assert!(secret().await.is_null());
    let body = with(provider.client_credentials(), json!({"name": app.unique("Graph")}));
    let for_itself = app.create_connection("global", body).await;
    app.root().patch(&for_itself.path(""), json!({"client_secret": null})).await.invalid(&["client_secret"]);
}

#[tokio::test]
async fn a_secret_that_is_shown_as_set_or_empty_is_no_secret() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = connection(&app, &provider, json!({})).await;
    for value in [json!(""), json!({"secret": true, "set": true}), json!(7)] {
        app.root()
            .patch(&connection.path(""), json!({"client_secret": value}))
            .await
            .invalid(&["client_secret"]);
    }
}

#[tokio::test]
async fn scopes_changed_after_connecting_ask_for_a_reconnect_and_keep_the_token() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let patched = app
        .root()
        .patch(&connection.path(""), json!({"scopes": ["read", "write", "offline_access"]}))
        .await
        .expect(200);
    assert!(patched["status_message"].is_string(), "{patched}");
    assert_eq!(app.token(&connection).await.expect(200)["generation"], 1);
    app.connect_in_browser(&connection).await;
    assert!(app.show(&connection).await["status_message"].is_null());
}

#[tokio::test]
async fn a_user_refers_to_no_secret_moves_none_and_shares_no_callback() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let user = app.key(Role::User, &acme).await;
    let own = app.connection(&app.unique("Halo"), &acme.id, &provider, json!({})).await;
    let path = own.path("");
    let referring = json!({"client_secret": null, "client_secret_ref": "bifrost/connections/acme"});
    for admins in [referring.clone(), json!({"callback": "shared"})] {
        user.patch(&path, admins).await.problem(403, "forbidden");
    }
    app.root().patch(&path, referring).await.expect(200);
    for moved in [
        json!({"token_url": provider.url("/elsewhere")}),
        json!({"revocation_url": provider.url("/elsewhere")}),
        json!({"revocation_url": null}),
        json!({"token_url_defaults": {"entity_id": "x"}}),
        json!({"client_secret_ref": "bifrost/connections/other"}),
    ] {
        user.patch(&path, moved).await.problem(403, "forbidden");
    }
    user.patch(&path, json!({"description": "mine"})).await.expect(200);
    assert_eq!(app.show(&own).await["client_secret_ref"], "bifrost/connections/acme");
}

#[tokio::test]
async fn a_reference_leads_to_secrets_of_connections_only() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = connection(&app, &provider, json!({})).await;
    for name in ["bifrost/root-key", "bifrost/connections/", "bifrost/connections/a b", "arn:aws:x"] {
        let patch = json!({"client_secret": null, "client_secret_ref": name});
        app.root().patch(&connection.path(""), patch).await.invalid(&["client_secret_ref"]);
    }
}

#[tokio::test]
async fn editing_is_for_administrators_and_for_users_in_their_own_organization() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let global = connection(&app, &provider, json!({})).await;
    let own = app.connection(&global.name, &acme.id, &provider, json!({})).await;
    let patch = json!({"description": "edited"});
    let user = app.key(Role::User, &acme).await;
    user.patch(&global.path(""), patch.clone()).await.problem(403, "scope-forbidden");
    let edited = user.patch(&format!("/connections/{}", own.name), patch.clone()).await.expect(200);
    assert_eq!(edited["id"], own.created["id"]);
    assert!(app.show(&global).await["description"].is_null());
    let workflow = app.key(Role::Workflow, &acme).await;
    workflow.patch(&own.path(""), patch.clone()).await.problem(403, "forbidden");
    let stranger = app.key(Role::User, &globex).await;
    stranger.patch(&own.path(""), patch.clone()).await.problem(403, "scope-forbidden");
    stranger.patch(&format!("/connections/{}", own.name), patch.clone()).await.problem(404, "not-found");
    let msp = app.provider_organization("MSP").await;
    app.key(Role::Admin, &msp).await.patch(&own.path(""), patch).await.expect(200);
}
