//! Turns that requests take seldom, and that lead to items which they don't reach otherwise.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bifrost_local::{Checkpoint, Fault, Moment, provider};
use bifrost_tests::{Browser, Role, TestApp, TestProvider, pause, sign_in, sign_in_as, with};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::clients::sign_in_on_device;
use super::{calls, for_itself};
use crate::cleaner::crash_after_transaction;

const ACME: &str = "3f2504e0-4f89-11d3-9a0c-0305e82c3301";

fn identified() -> Value {
    json!({"scopes": ["openid", "offline_access"]})
}

#[tokio::test]
async fn an_administrators_consent_mints_the_first_token_of_an_organizations_own_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.admin_consent_required = true).await;
    let acme = app.organization("Acme").await;
    let own = json!({
        "token_url": provider.url("/{entity_id}/token"), "token_url_defaults": {"entity_id": ACME},
        "admin_consent_url": provider.url("/{entity_id}/adminconsent"),
    });
    let connection = for_itself(&app, &provider, &acme.id, own).await;
    let redirect_uri = connection.created["redirect_uri"].as_str().unwrap();
    provider.control().register_redirect_uri(&provider.client_id, redirect_uri);
    let page = sign_in(&mut Browser::new(), &app.connect_url(&connection).await).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert_eq!(app.show(&connection).await["status"], "active");
}

#[tokio::test]
async fn someone_else_takes_over_an_organizations_own_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connection(&app.unique("Halo"), &acme.id, &provider, identified()).await;
    sign_in(&mut Browser::new(), &app.connect_url(&connection).await).await;
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &app.connect_url(&connection).await, "bob@example.com").await;
    let switched = browser.submit(&page, &page.form().set("decision", "switch")).await;
    assert_eq!(switched.status, 200, "{}", switched.text);
    assert_eq!(app.show(&connection).await["identity"]["email"], "bob@example.com");
}

#[tokio::test]
async fn a_device_signs_in_for_organizations_too_and_asks_when_it_was_someone_else() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let device = json!({
        "authorization_url": null, "device_authorization_url": provider.url("/device_authorization"),
    });
    let device = with(with(provider.authorization_code(), device), identified());
    let named = |name: &str| with(device.clone(), json!({"name": app.unique(name)}));
    let own = app.create_connection(&acme.id, named("Own")).await;
    let global = app.create_connection("global", named("Telly")).await;
    let for_acme = json!({"organization_id": acme.id});
    for (connection, asked) in [(&own, json!({})), (&global, for_acme), (&global, json!({}))] {
        let page = sign_in_on_device(&app, connection, asked.clone(), "ada@example.com").await;
        assert!(page.text.contains("is connected"), "{}", page.text);
        let page = sign_in_on_device(&app, connection, asked, "bob@example.com").await;
        assert!(page.has_form(), "{}", page.text);
    }
}

#[tokio::test]
async fn a_sweep_that_comes_second_to_a_breaker_looks_at_it_again() {
    let app = TestApp::alone().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let acme = app.organization("Acme").await;
    for scope in ["global", &acme.id] {
        let connection = app.connection(&app.unique("Halo"), scope, &provider, json!({})).await;
        app.connect_in_browser(&connection).await;
    }
    for _ in 0..2 {
        let refusal = json!({"error": "invalid_client"}).to_string();
        provider.control().fail_next_token(provider::Fault::answer(401, refusal));
    }
    pause(2_100).await;
    let forestalled = Mutex::new(Vec::new());
    app.stack().set_fault_hook(move |call| {
        let body = String::from_utf8_lossy(call.body);
        if call.function != "refresher" || call.operation != "UpdateItem" || !body.contains("BREAKER#") {
            return None;
        }
        let (scope, mut forestalled) = (body.contains("\"GLOBAL\""), forestalled.lock().unwrap());
        if forestalled.contains(&scope) {
            return None;
        }
        forestalled.push(scope);
        let kind = "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException".to_owned();
        Some(Fault::Refuse { status: StatusCode::BAD_REQUEST, kind })
    });
    assert_eq!(app.sweep().await["failed"], 2);
    assert!(calls(&app, "refresher", "DynamoDB.GetItem") >= 2);
}

#[tokio::test]
async fn the_cleaner_removes_the_keys_of_an_organization_too() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    app.key(Role::User, &acme).await;
    crash_after_transaction(&app, "organizations-delete");
    let crashed = app.root().delete(&format!("/organizations/{}", acme.id)).await;
    assert!(crashed.status >= 500, "{}", crashed.text);
    app.stack().end_faults();
    app.clean().await;
    let again = json!({"id": acme.id, "name": "Acme"});
    app.root().post("/organizations", again).await.expect(201);
    let keys = app.root().get(&format!("/keys?scope={}", acme.id)).await.expect(200);
    assert_eq!(keys["items"], json!([]));
}

#[tokio::test]
async fn a_grant_moves_in_where_any_integration_makes_the_connection_available() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let kept = json!({"available_to": "mapped"});
    let connection = app.connection(&app.unique("Halo"), "global", &provider, kept).await;
    let path = format!("/connections/{}/import?organization_id={}", connection.name, acme.id);
    let brought = json!({"refresh_token": "bfp_rt_brought"});
    app.root().post(&path, brought.clone()).await.problem(404, "not-found");
    let integration = app.integration("Uses it", json!({"connection": connection.name})).await;
    app.map(&integration, &acme, json!({})).await;
    app.root().post(&path, brought).await.expect(200);
}

#[tokio::test]
async fn a_refresh_mints_the_first_token_of_an_organizations_tenant() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Graph", json!({})).await;
    let per_tenant = json!({"name": name, "token_url": provider.url("/{entity_id}/token")});
    let connection = for_itself(&app, &provider, "global", per_tenant).await;
    app.map(&name, &acme, json!({"entity_id": "acme-tenant"})).await;
    let path = format!("/connections/{}/refresh?scope={}&integration={name}", connection.name, acme.id);
    let token = app.root().post(&path, json!({})).await.expect(200);
    assert_eq!(provider.me(&token["access_token"]).await["tenant"], "acme-tenant");
}

#[tokio::test]
async fn a_mapping_that_changes_while_its_integrations_schema_does_is_read_again() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    let schema = |key: &str| json!({"config_schema": [{"key": key, "type": "string"}]});
    let name = app.integration("Halo", schema("old")).await;
    app.map(&name, &acme, json!({"config": {"old": "x"}})).await;
    let (arrived, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let checkpoint = {
        let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
        Checkpoint::new(move |moment| {
            let (arrived, go_on) = (Arc::clone(&arrived), Arc::clone(&go_on));
            async move {
                if moment == Moment::Arrived {
                    arrived.notify_one();
                    go_on.notified().await;
                }
            }
        })
    };
    app.stack().set_fault_hook(move |call| {
        let first = call.function == "integrations-update"
            && call.operation == "TransactWriteItems"
            && call.earlier == 0;
        first.then(|| Fault::Checkpoint(checkpoint.clone()))
    });
    let update = {
        let (root, path, change) = (app.root(), format!("/integrations/{name}?force=true"), schema("new"));
        tokio::spawn(async move { root.patch(&path, change).await })
    };
    arrived.notified().await;
    app.map(&name, &acme, json!({"entity_name": "Acme Ltd", "config": {"new": "y"}})).await;
    go_on.notify_one();
    update.await.unwrap().expect(200);
    let mapping = app.root().get(&acme.mapping(&name)).await.expect(200);
    assert_eq!((&mapping["entity_name"], &mapping["config"]), (&json!("Acme Ltd"), &json!({"new": "y"})));
}
