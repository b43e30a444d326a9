//! What the console asks of AWS for connections such as few people have: an organization's own, whose client has its secret
//! in Secrets Manager or its key in KMS.

use bifrost_local::provider::Client;
use bifrost_tests::{Browser, Connection, TestApp, TestProvider};
use serde_json::json;

use super::clients::key_in_kms;
use super::{by_reference, calls, for_itself};

#[tokio::test]
async fn the_console_gets_tokens_for_clients_whose_secret_or_key_is_elsewhere() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    let (arn, key) = key_in_kms(&app).await;
    let signed = TestProvider::with(|options| {
        let id = options.clients[0].id.clone();
        options.clients = vec![Client::with_key(id, key)];
    })
    .await;
    let client = json!({"client_secret": null, "client_auth": "private_key_jwt", "client_key_arn": arn});
    let by_key = for_itself(&app, &signed, &acme.id, client).await;
    let referred = TestProvider::start().await;
    let client = by_reference(&app, &referred).await;
    let by_secret = for_itself(&app, &referred, &acme.id, client).await;

    let mut browser = Browser::new();
    let page = browser.open(&format!("{}/console/sign-in", app.url())).await;
    let signed_in = browser.submit(&page, &page.form().set("key", app.stack().root_key())).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.text);
    for connection in [&by_key, &by_secret] {
        press(&app, &mut browser, connection, "", "connect", &[]).await;
        press(&app, &mut browser, connection, "", "refresh", &[]).await;
    }
    let (next_key, _) = key_in_kms(&app).await;
    press(&app, &mut browser, &by_key, "/edit", "edit", &[("client_key_arn", &next_key)]).await;
    for call in ["KMS.Sign", "KMS.GetPublicKey", "SecretsManager.GetSecretValue"] {
        assert!(calls(&app, "console", call) > 0, "{call}");
    }
}

/// Sends the form of a connection's page that goes there, with these fields set.
async fn press(
    app: &TestApp,
    browser: &mut Browser,
    connection: &Connection,
    page: &str,
    action: &str,
    fields: &[(&str, &str)],
) {
    let address = connection.path(page).replace("/connections/", "/console/connections/");
    let page = browser.open(&format!("{}{address}", app.url())).await;
    let goes_there = |action_of_form: &str| {
        let path = action_of_form.split('?').next().unwrap();
        path.ends_with(&format!("/{action}"))
    };
    let form = page.forms().into_iter().find(|form| form.method == "post" && goes_there(&form.action));
    let form = form.unwrap_or_else(|| panic!("no form to {action}: {} {}", page.status, page.text));
    let form = fields.iter().fold(form, |form, (name, value)| form.set(name, value));
    let answer = browser.submit(&page, &form).await;
    assert_eq!(answer.status, 303, "{action}: {}", answer.text);
}
