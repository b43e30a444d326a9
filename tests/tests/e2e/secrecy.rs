//! Nothing that is secret comes to rest in clear: not in the data folder, not in what the functions and the runner
//! write.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bifrost_local::provider::{Client, ClientKey, Fault};
use bifrost_tests::{
    Api, Browser, Folder, Role, SLIPPED_TOKEN, TestApp, TestProvider, allow, confirm, pause, with,
};
use serde_json::json;

/// Each secret in the spellings in which one could lie about.
fn spellings(secret: &str) -> Vec<String> {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    // Base64 of a secret inside a longer text starts at any of three offsets; what surely follows is compared.
    let base64 = (0..3).flat_map(|offset| {
        let padded = [vec![0; offset], secret.as_bytes().to_vec()].concat();
        [STANDARD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)]
            .map(|text| text[4..text.len() - 5].to_owned())
    });
    base64.chain([secret.to_owned(), encoded, hex]).collect()
}

/// A file as text, one character for each byte, so that text can be searched for in whatever it holds.
fn read(path: &Path) -> String {
    std::fs::read(path).unwrap().into_iter().map(char::from).collect()
}

/// What a key has after `bfk_<id>_`.
fn secret_part(caller: &Api) -> String {
    caller.key().splitn(3, '_').nth(2).unwrap().to_owned()
}

fn files_under(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files
}

#[tokio::test]
async fn no_secret_lies_readable_in_data_or_logs() {
    let folder = Folder::new();
    let app = TestApp::with_data(folder.path()).await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(2)).await;
    let mut secrets = BTreeMap::from([("client secret".to_owned(), provider.client_secret.clone())]);

    let acme = app.organization("Acme").await;
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let defaults = json!({"api_key": "sk-default-4f1d7c90"});
    let body = json!({"config_schema": schema, "defaults": defaults});
    let integration = app.integration("Halo", body).await;
    app.map(
        &integration,
        &acme,
        json!({"entity_id": "findable-entity", "config": {"api_key": "sk-acme-88a3e2b1"}}),
    )
    .await;
    secrets.extend([("default".to_owned(), "sk-default-4f1d7c90".to_owned())]);
    secrets.extend([("override".to_owned(), "sk-acme-88a3e2b1".to_owned())]);

    let connection = app.connection(&integration, "global", &provider, json!({})).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let address = confirm(&mut browser, &link).await;
    let callback = allow(&mut browser, &address).await;
    browser.open(callback.as_str()).await;
    browser.open(callback.as_str()).await;
    let state = callback.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    secrets.extend([("state".to_owned(), state)]);
    secrets.extend([("ticket".to_owned(), link.rsplit('/').next().unwrap().to_owned())]);

    let workflow = app.key(Role::Workflow, &acme).await;
    secrets.extend([("key".to_owned(), secret_part(&workflow))]);
    let leak = json!({"error": "server_error", "error_description": SLIPPED_TOKEN}).to_string();
    secrets.extend([("error body".to_owned(), SLIPPED_TOKEN.to_owned())]);
    pause(2_100).await;
    app.resolve(&workflow, &integration, &acme.id).await;
    pause(2_100).await;
    provider.control().fail_next_token(Fault::answer(500, leak.clone()));
    app.token(&connection).await;
    app.sweep().await;
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    let minted = app.create_connection("global", with(provider.client_credentials(), body)).await;
    app.token(&minted).await.expect(200);
    provider.control().fail_next_token(Fault::answer(400, leak));
    app.root().post(&minted.path("/refresh"), json!({})).await;
    let keyed = TestProvider::with(|options| {
        let id = options.clients[0].id.clone();
        let key = ClientKey::from_pem(include_str!("../../fixtures/p256.pub.pem"));
        options.clients = vec![Client::with_key(id, key)];
    });
    let keyed = keyed.await;
    let (private_key, next) = (include_str!("../../fixtures/p256.key.pem"), "bfp_cs_next-81c2e6a0");
    let body = json!({
        "name": app.unique("Okta"), "token_url": keyed.url("/token"), "client_auth": "private_key_jwt",
        "client_private_key": private_key, "client_secret": "bfp_cs_unused-4b7f", "client_secret_next": next,
    });
    let signing = app.create_connection("global", with(keyed.client_credentials(), body)).await;
    app.token(&signing).await.expect(200);
    // As a provider that is no good would have it: all of the request in its error.
    let assertion = |number: usize| {
        keyed.control().token_requests()[number].param("client_assertion").unwrap().to_owned()
    };
    let echoed = json!({"error": assertion(0), "error_description": assertion(0)}).to_string();
    keyed.control().fail_next_token(Fault::answer(401, echoed));
    app.root().post(&signing.path("/refresh"), json!({})).await;
    secrets.extend([0, 1].map(|number| (format!("assertion {number}"), assertion(number))));
    let signature = assertion(1).rsplit('.').next().unwrap().to_owned();
    secrets.extend([("signature".to_owned(), signature), ("next secret".to_owned(), next.to_owned())]);
    secrets.extend([("private key".to_owned(), private_key.lines().nth(2).unwrap().to_owned())]);
    // The other one is still good, and its reason for being is to end.
    let rotating = json!({"client_secret_next": next, "client_secret_expires_at": "2030-01-01T00:00:00Z"});
    app.root().patch(&connection.path(""), rotating).await.expect(200);
    provider.control().set_client_secret(&provider.client_id, next);
    app.root().post(&connection.path("/refresh"), json!({})).await;
    app.sweep().await;
    let malformed = r#"{"client_secret": "sk-in-a-broken-body"#.to_owned();
    app.root().send(reqwest::Method::POST, "/connections", Some(malformed)).await;
    secrets.extend([("broken body".to_owned(), "sk-in-a-broken-body".to_owned())]);
    let handed_out = [provider.control().secrets_handed_out(), keyed.control().secrets_handed_out()].concat();
    for (number, handed_out) in handed_out.into_iter().enumerate() {
        secrets.insert(format!("handed out {number}"), handed_out);
    }
    let verifiers = provider
        .control()
        .token_requests()
        .into_iter()
        .filter_map(|r| r.param("code_verifier").map(str::to_owned));
    secrets.extend(verifiers.map(|verifier| ("verifier".to_owned(), verifier)));
    assert!(secrets.len() >= 21, "{:?}", secrets.keys());

    let logs = app.stack().logs();
    let root = secret_part(&app.root());
    assert!(!logs.contains(&root), "the root key is in the logs");
    assert!(logs.len() > 100, "the logs were captured: {logs}");
    app.kill().await;
    let mut places = vec![("the logs".to_owned(), logs)];
    places.extend(files_under(folder.path()).iter().map(|path| (path.display().to_string(), read(path))));
    assert!(places.iter().any(|(_, text)| text.contains("findable-entity")), "the data is where we look");
    for (name, secret) in &secrets {
        for spelling in spellings(secret) {
            for (place, text) in &places {
                assert!(!text.contains(&spelling), "{name} is in {place} as {spelling}");
            }
        }
    }
}

#[test]
fn a_secret_would_be_found_in_every_spelling() {
    let secret = "bfp_at_a+secret/with=specials";
    let as_json_in_base64 = STANDARD.encode(format!("{{\"token\":\"{secret}\"}}"));
    let haystacks = [
        format!("x{secret}y"),
        as_json_in_base64,
        "6266705f61745f612b7365637265742f776974683d7370656369616c73".to_owned(),
    ];
    for haystack in haystacks {
        assert!(spellings(secret).iter().any(|spelling| haystack.contains(spelling)), "{haystack}");
    }
}
