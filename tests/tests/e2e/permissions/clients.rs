//! Every function that proves a client to a provider does so for one whose secret is in Secrets Manager, and for one whose
//! key is in KMS.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bifrost_local::provider::{Client, ClientKey};
use bifrost_tests::{Browser, Connection, Page, TestApp, TestProvider, pause, sign_in_as, with};
use serde_json::{Value, json};

use super::{by_reference, calls};
use crate::cleaner::crash_after_transaction;

const LIFETIME: Duration = Duration::from_secs(2);

/// All that send a client's secret or assertion somewhere.
const PROVING: [&str; 14] = [
    "cleaner",
    "connections-delete",
    "connections-diagnose",
    "connections-disconnect",
    "connections-refresh",
    "connections-token",
    "integrations-delete",
    "integrations-resolve",
    "mappings-delete",
    "oauth-callback",
    "oauth-confirm",
    "oauth-connect",
    "organizations-delete",
    "refresher",
];

#[tokio::test]
async fn a_secret_in_secrets_manager_is_read_by_every_function_that_proves_a_client() {
    let app = TestApp::alone().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = LIFETIME).await;
    let client = by_reference(&app, &provider).await;
    live(&app, &provider, client).await;
    for function in PROVING {
        assert!(calls(&app, function, "SecretsManager.GetSecretValue") > 0, "{function}");
    }
}

#[tokio::test]
async fn a_key_in_kms_signs_for_every_function_that_proves_a_client() {
    let app = TestApp::alone().await;
    let (arn, key) = key_in_kms(&app).await;
    let provider = TestProvider::with(|options| {
        options.access_token_lifetime = LIFETIME;
        let id = options.clients[0].id.clone();
        options.clients = vec![Client::with_key(id, key)];
    })
    .await;
    let client = json!({"client_secret": null, "client_auth": "private_key_jwt", "client_key_arn": arn});
    live(&app, &provider, client).await;
    for function in PROVING {
        assert!(calls(&app, function, "KMS.Sign") > 0, "{function}");
    }
}

/// A key that may sign for clients: its ARN, and the half of it that a provider knows.
pub(super) async fn key_in_kms(app: &TestApp) -> (String, ClientKey) {
    let tags = json!([{"TagKey": "bifrost:client-key", "TagValue": "true"}]);
    let request = json!({"KeyUsage": "SIGN_VERIFY", "KeySpec": "ECC_NIST_P256", "Tags": tags});
    let made = app.stack().aws("TrentService.CreateKey", request).await.unwrap();
    let arn = &made["KeyMetadata"]["Arn"];
    let public = app.stack().aws("TrentService.GetPublicKey", json!({"KeyId": arn})).await.unwrap();
    let spki = STANDARD.decode(public["PublicKey"].as_str().unwrap()).unwrap();
    (arn.as_str().unwrap().to_owned(), ClientKey::from_spki(spki))
}

/// All that can happen to connections of a client.
async fn live(app: &TestApp, provider: &TestProvider, client: Value) {
    let root = app.root();
    let name = app.integration("Halo", json!({})).await;
    let connection = app.connection(&name, "global", provider, client.clone()).await;
    app.connect_in_browser(&connection).await;
    let for_itself = super::for_itself(app, provider, "global", client.clone()).await;
    root.post(&for_itself.path("/diagnose"), json!({})).await.expect(200);
    pause(2_100).await;
    app.token(&connection).await.expect(200);
    pause(2_100).await;
    let resolved = app.resolve(&root, &name, "global").await;
    assert!(resolved["oauth"]["access_token"].is_string(), "{resolved}");
    root.post(&connection.path("/refresh"), json!({})).await.expect(200);
    pause(2_100).await;
    assert_eq!(app.sweep().await["refreshed"], 1);
    let gone = root.post(&connection.path("/disconnect"), json!({})).await.expect(200);
    assert_eq!(gone["revoked"], true);

    // What an organization has on a global connection ends with its mapping, the integration, and itself.
    let acme = app.organization("Acme").await;
    app.connect_for(&connection, &acme).await;
    app.map(&name, &acme, json!({})).await;
    root.delete(&acme.mapping(&name)).await.expect(204);
    app.connect_for(&connection, &acme).await;
    app.map(&name, &acme, json!({})).await;
    root.delete(&format!("/integrations/{name}")).await.expect(204);
    app.connect_for(&connection, &acme).await;
    root.delete(&format!("/organizations/{}", acme.id)).await.expect(204);

    // Deleted, and cut off so that the cleaner has to do it.
    app.connect_in_browser(&connection).await;
    root.delete(&connection.path("")).await.expect(204);
    let connection = app.connection(&app.unique("Halo"), "global", provider, client.clone()).await;
    app.connect_in_browser(&connection).await;
    crash_after_transaction(app, "connections-delete");
    root.delete(&connection.path("")).await.expect(204);
    app.stack().end_faults();
    app.clean().await;

    // As someone else, who is let go.
    let scopes = json!({"scopes": ["openid", "offline_access"]});
    let connection =
        app.connection(&app.unique("Halo"), "global", provider, with(client.clone(), scopes)).await;
    sign_in(app, &connection, "ada@example.com").await;
    let (mut browser, page) = sign_in(app, &connection, "bob@example.com").await;
    let kept = browser.submit(&page, &page.form().set("decision", "keep")).await;
    assert_eq!(kept.status, 200, "{}", kept.text);

    let device = json!({
        "name": app.unique("Telly"), "authorization_url": null,
        "device_authorization_url": provider.url("/device_authorization"),
    });
    let device = with(with(provider.authorization_code(), client), device);
    let device = app.create_connection("global", device).await;
    let page = sign_in_on_device(app, &device, json!({}), "ada@example.com").await;
    assert!(page.text.contains("is connected"), "{}", page.text);
}

async fn sign_in(app: &TestApp, connection: &Connection, user: &str) -> (Browser, Page) {
    let mut browser = Browser::new();
    let page = sign_in_as(&mut browser, &app.connect_url(connection).await, user).await;
    assert_eq!(page.status, 200, "{}", page.text);
    (browser, page)
}

/// The page in front of which the person waits, when they have signed in with a telephone.
pub(super) async fn sign_in_on_device(
    app: &TestApp,
    connection: &Connection,
    asked: Value,
    user: &str,
) -> Page {
    let link = app.connect_url_with(connection, asked).await;
    let mut browser = Browser::new();
    let offer = browser.open(&link).await;
    let departed = browser.submit(&offer, &offer.form()).await;
    let waiting = browser.open(departed.location().as_str()).await;
    let address = waiting.text.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let mut telephone = Browser::new();
    let page = telephone.open(&address.replace("&amp;", "&")).await;
    let form = page.form().set("user", user).set("decision", "allow");
    assert_eq!(telephone.submit(&page, &form).await.status, 200);
    pause(1_200).await;
    browser.open(&link).await
}
