//! The first to seal anything in a scope makes its data key, whichever function that is.

use bifrost_tests::{Browser, TestApp, TestProvider, confirm, with};
use serde_json::{Value, json};

use super::{by_reference, calls, for_itself};

const SECRET_SCHEMA: &str = r#"[{"key": "api_key", "type": "secret"}]"#;

fn schema() -> Value {
    serde_json::from_str(SECRET_SCHEMA).unwrap()
}

/// Has a function seal something in a scope in which nothing is sealed.
async fn seal(app: &TestApp, provider: &TestProvider, function: &str, scope: &str) {
    let root = app.root();
    let referred = by_reference(app, provider).await;
    let name = app.unique("Halo");
    match function {
        "integrations-create" => {
            let body = json!({"config_schema": schema(), "defaults": {"api_key": "sk"}});
            app.integration("Halo", body).await;
        }
        "integrations-update" => {
            let name = app.integration("Halo", json!({"config_schema": schema()})).await;
            let path = format!("/integrations/{name}");
            root.patch(&path, json!({"defaults": {"api_key": "sk"}})).await.expect(200);
        }
        "mappings-put" => {
            let name = app.integration("Halo", json!({"config_schema": schema()})).await;
            let path = format!("/integrations/{name}/mappings/{scope}");
            root.put(&path, json!({"config": {"api_key": "sk"}})).await.expect(201);
        }
        "mappings-import" => {
            let name = app.integration("Halo", json!({"config_schema": schema()})).await;
            let row = json!({"organization_id": scope, "config": {"api_key": "sk"}});
            let path = format!("/integrations/{name}/mappings/import");
            let answer = root.post(&path, json!({"mappings": [row]})).await.expect(200);
            assert_eq!(answer["created"], 1, "{answer}");
        }
        "connections-create" => {
            app.connection(&name, scope, provider, json!({})).await;
        }
        "connections-update" => {
            let connection = app.connection(&name, scope, provider, referred).await;
            let own = json!({"client_secret_ref": null, "client_secret": "cs"});
            root.patch(&connection.path(""), own).await.expect(200);
        }
        "connections-import" => {
            let connection = app.connection(&name, scope, provider, referred).await;
            let brought = json!({"refresh_token": "bfp_rt_brought"});
            root.post(&connection.path("/import"), brought).await.expect(200);
        }
        "connections-token" => {
            let connection = for_itself(app, provider, scope, referred).await;
            app.token(&connection).await.expect(200);
        }
        "connections-refresh" => {
            let connection = for_itself(app, provider, scope, referred).await;
            root.post(&connection.path("/refresh"), json!({})).await.expect(200);
        }
        "integrations-resolve" => {
            let name = app.integration("Graph", json!({})).await;
            for_itself(app, provider, scope, with(referred, json!({"name": name}))).await;
            let resolved = app.resolve(&root, &name, scope).await;
            assert!(resolved["oauth"]["access_token"].is_string(), "{resolved}");
        }
        "oauth-connect" => {
            let connection = app.connection(&name, scope, provider, referred).await;
            confirm(&mut Browser::new(), &app.connect_url(&connection).await).await;
        }
        "oauth-callback" => {
            let without = with(referred, json!({"pkce": false}));
            let connection = app.connection(&name, scope, provider, without).await;
            app.connect_in_browser(&connection).await;
        }
        other => panic!("{other} seals nothing"),
    }
}

#[tokio::test]
async fn whoever_seals_first_for_the_platform_or_an_organization_makes_the_data_key() {
    let provider = TestProvider::with(|options| options.pkce_required = false).await;
    let both = [true, true];
    for (function, [platform, organization]) in [
        ("integrations-create", [true, false]),
        ("integrations-update", [true, false]),
        ("mappings-put", [false, true]),
        ("mappings-import", [false, true]),
        ("connections-create", both),
        ("connections-update", both),
        ("connections-import", both),
        ("connections-token", both),
        ("connections-refresh", both),
        ("integrations-resolve", both),
        ("oauth-connect", both),
        ("oauth-callback", both),
    ] {
        let app = TestApp::alone().await;
        let acme = app.organization("Acme").await;
        let scopes = [(platform, "global"), (organization, acme.id.as_str())];
        for (_, scope) in scopes.into_iter().filter(|(seals, _)| *seals) {
            let before = calls(&app, function, "KMS.GenerateDataKey");
            seal(&app, &provider, function, scope).await;
            let made = calls(&app, function, "KMS.GenerateDataKey") - before;
            assert_eq!(made, 1, "{function} in {scope}");
        }
    }
}

#[tokio::test]
async fn whoever_seals_the_first_cursor_makes_the_platforms_data_key() {
    let provider = TestProvider::start().await;
    for function in
        ["integrations-list", "organizations-list", "keys-list", "connections-list", "mappings-list"]
    {
        let app = TestApp::alone().await;
        let root = app.root();
        let acme = app.organization("Acme").await;
        app.organization("Globex").await;
        let path = match function {
            "integrations-list" => {
                app.integration("Halo", json!({})).await;
                app.integration("Halo", json!({})).await;
                "/integrations".to_owned()
            }
            "organizations-list" => "/organizations".to_owned(),
            "keys-list" => {
                for name in ["one", "two"] {
                    let body = json!({"name": name, "role": "user", "organization_id": acme.id});
                    root.post("/keys", body).await.expect(201);
                }
                format!("/keys?scope={}", acme.id)
            }
            "connections-list" => {
                for _ in 0..2 {
                    let referred = by_reference(&app, &provider).await;
                    for_itself(&app, &provider, "global", referred).await;
                }
                "/connections".to_owned()
            }
            _ => {
                let name = app.integration("Halo", json!({})).await;
                let globex = app.organization("Globex").await;
                app.map(&name, &acme, json!({})).await;
                app.map(&name, &globex, json!({})).await;
                format!("/integrations/{name}/mappings")
            }
        };
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = root.get(&format!("{path}{separator}limit=1")).await.expect(200);
        assert!(page["next_cursor"].is_string(), "{function}: {page}");
        assert_eq!(calls(&app, function, "KMS.GenerateDataKey"), 1, "{function}");
    }
}

#[tokio::test]
async fn a_data_key_that_another_function_made_is_unwrapped_by_whoever_seals_next() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    seal(&app, &provider, "mappings-put", &acme.id).await;
    for function in ["mappings-import", "connections-create", "connections-update", "connections-import"] {
        seal(&app, &provider, function, &acme.id).await;
        assert_eq!(calls(&app, function, "KMS.Decrypt"), 1, "{function}");
        assert_eq!(calls(&app, function, "KMS.GenerateDataKey"), 0, "{function}");
    }
    seal(&app, &provider, "integrations-create", "global").await;
    for function in [
        "integrations-update",
        "connections-create",
        "connections-update",
        "connections-import",
        "connections-token",
        "connections-refresh",
        "integrations-resolve",
        "oauth-connect",
        "oauth-callback",
    ] {
        let before = calls(&app, function, "KMS.Decrypt");
        match function {
            // It takes a provider that lets it be without a verifier, and the one at hand does not.
            "oauth-callback" => drop(app.connected(&provider).await),
            function => seal(&app, &provider, function, "global").await,
        }
        assert!(calls(&app, function, "KMS.Decrypt") > before, "{function}");
    }
}
