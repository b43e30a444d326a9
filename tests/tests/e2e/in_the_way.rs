//! What gets in the way of a route: others who write at the same moment, a data key that KMS won't unwrap, and for a
//! refresh whatever is in the way of a token.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bifrost_local::Fault;
use bifrost_local::provider::Fault as ProviderFault;
use bifrost_tests::{
    Answer, Browser, Connection, RETURN_TO_ORIGIN, TestApp, TestProvider, confirm, deny, pause, sign_in, with,
};
use serde_json::{Value, json};

/// Long enough for someone else's whole request.
const MEANWHILE: Duration = Duration::from_secs(4);

/// The answer to a request whose write waits for what happens meanwhile.
async fn overtaken(
    app: &TestApp,
    function: &'static str,
    request: impl Future<Output = Answer>,
    meanwhile: impl Future<Output = Answer>,
) {
    app.stack().set_fault_hook(move |call| {
        let writes = call.function == function && call.operation == "TransactWriteItems";
        writes.then_some(Fault::Delay(MEANWHILE))
    });
    let meanwhile = async {
        pause(1_500).await;
        let answer = meanwhile.await;
        assert!(answer.status < 300, "{}", answer.text);
    };
    let (answer, ()) = tokio::join!(request, meanwhile);
    app.stack().end_faults();
    answer.problem(409, "conflict");
}

#[tokio::test]
async fn what_someone_else_changes_meanwhile_is_neither_deleted_nor_overwritten() {
    let app = TestApp::alone().await;
    let (root, provider) = (app.root(), TestProvider::start().await);
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({})).await;
    let (integration, mapping) = (format!("/integrations/{name}"), acme.mapping(&name));
    let changed = json!({"description": "meanwhile"});
    app.map(&name, &acme, json!({"entity_id": "1"})).await;

    let put = root.put(&mapping, json!({"entity_id": "2"}));
    overtaken(&app, "mappings-put", put, root.patch(&integration, changed.clone())).await;

    let delete = root.delete(&mapping);
    let put = root.put(&mapping, json!({"entity_id": "3"}));
    overtaken(&app, "mappings-delete", delete, put).await;
    assert_eq!(root.get(&mapping).await.expect(200)["entity_id"], "3");

    let delete = root.delete(&integration);
    overtaken(&app, "integrations-delete", delete, root.patch(&integration, changed.clone())).await;
    root.get(&integration).await.expect(200);

    let connection = app.connection(&app.unique("Own"), "global", &provider, json!({})).await;
    let path = connection.path("");
    overtaken(&app, "connections-delete", root.delete(&path), root.patch(&path, changed)).await;
    app.show(&connection).await;

    let made =
        root.post("/keys", json!({"name": "parent", "role": "admin", "platform": true})).await.expect(201);
    let parent = app.with_key(made["key"].as_str().unwrap());
    let child =
        parent.post("/keys", json!({"name": "child", "role": "workflow", "organization_id": acme.id}));
    let revoke = format!("/keys/{}", made["id"].as_str().unwrap());
    overtaken(&app, "keys-create", child, root.delete(&revoke)).await;
}

#[tokio::test]
async fn an_edit_that_others_forestall_again_and_again_says_so() {
    let app = TestApp::alone().await;
    let name = app.integration("Halo", json!({})).await;
    app.stack().set_fault_hook(|call| {
        let writes = call.function == "integrations-update" && call.operation == "PutItem";
        let kind = "ConditionalCheckFailedException".to_owned();
        writes.then(|| Fault::Refuse { status: reqwest::StatusCode::BAD_REQUEST, kind })
    });
    let path = format!("/integrations/{name}");
    app.root().patch(&path, json!({"description": "new"})).await.problem(409, "conflict");
}

#[tokio::test]
async fn without_its_data_key_nothing_is_sealed_or_opened_and_the_answer_says_so() {
    let (app, provider) = (TestApp::alone().await, TestProvider::start().await);
    let root = app.root();
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let secret = json!({"config_schema": schema, "defaults": {"api_key": "sk"}});
    let acme = app.organization("Acme").await;
    // Each scope has its data key, made by a function that has no part in what follows.
    let name = app.integration("Halo", secret.clone()).await;
    for scope in ["global", &acme.id] {
        let link = app.connection(&app.unique("Any"), scope, &provider, json!({})).await;
        app.connect_in_browser(&link).await;
    }
    app.stack().set_fault_hook(|call| {
        let made_keys = ["integrations-create", "connections-create"].contains(&call.function);
        let kind = "AccessDeniedException".to_owned();
        let refused = call.service == "KMS" && !made_keys;
        refused.then(|| Fault::Refuse { status: reqwest::StatusCode::BAD_REQUEST, kind })
    });
    let path = format!("/integrations/{name}");
    root.patch(&path, json!({"defaults": {"api_key": "new"}})).await.problem(409, "secret-unavailable");
    let mapped = root.put(&acme.mapping(&name), json!({"config": {"api_key": "new"}})).await;
    mapped.problem(409, "secret-unavailable");
    root.get(&format!("{path}/resolve")).await.problem(409, "secret-unavailable");
    let connection = app.connection(&app.unique("Own"), "global", &provider, json!({})).await;
    let patched = root.patch(&connection.path(""), json!({"client_secret": "new"})).await;
    patched.problem(409, "secret-unavailable");
}

async fn refresh(app: &TestApp, connection: &Connection) -> Answer {
    app.root().post(&connection.path("/refresh"), json!({})).await
}

async fn client_credentials(app: &TestApp, provider: &TestProvider, changes: Value) -> Connection {
    let body = with(provider.client_credentials(), json!({"name": app.unique("Graph")}));
    app.create_connection("global", with(body, changes)).await
}

/// The answer to a refresh of an expired token at a provider that says this.
async fn refused(app: &TestApp, status: u16, error: &str) -> Answer {
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(1)).await;
    let connection = app.connected(&provider).await;
    pause(1_100).await;
    let body = json!({"error": error}).to_string();
    provider.control().fail_next_token(ProviderFault::answer(status, body));
    refresh(app, &connection).await
}

#[tokio::test]
async fn what_is_in_the_way_of_a_token_is_in_the_way_of_a_refresh() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    refused(&app, 400, "invalid_grant").await.problem(409, "reauthorize");
    refused(&app, 401, "invalid_client").await.problem(409, "client-rejected");

    let fixed = json!({"token_url": provider.url("/common/token")});
    let connection = client_credentials(&app, &provider, fixed).await;
    let refusal = ProviderFault::answer(400, r#"{"error": "invalid_scope"}"#);
    provider.control().fail_next_token(refusal);
    refresh(&app, &connection).await.problem(409, "provider-refused");

    let referred = json!({"client_secret": null, "client_secret_ref": "bifrost/connections/none"});
    let connection = client_credentials(&app, &provider, referred).await;
    let name = app.integration("Graph", json!({"connection": connection.name})).await;
    refresh(&app, &connection).await.problem(422, "integration-required");
    let path = format!("{}&integration={name}", connection.path("/refresh"));
    app.root().post(&path, json!({})).await.problem(422, "placeholder-unresolved");

    let without_secret = json!({
        "client_secret": null, "client_secret_ref": "bifrost/connections/none", "token_url": provider.url("/token"),
    });
    let connection = client_credentials(&app, &provider, without_secret).await;
    refresh(&app, &connection).await.problem(409, "secret-unavailable");
}

#[tokio::test]
async fn a_refresh_that_waits_in_vain_for_another_says_when_to_come_back() {
    let app = TestApp::shared().await;
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(1)).await;
    let connection = app.connected(&provider).await;
    pause(1_100).await;
    provider.control().delay_token(Duration::from_secs(40));
    let second = async {
        pause(1_000).await;
        refresh(&app, &connection).await
    };
    let (_, second) = tokio::join!(refresh(&app, &connection), second);
    assert!(second.headers.contains_key("retry-after"));
    second.problem(503, "refresh-in-progress");
}

#[tokio::test]
async fn a_sign_in_page_whose_address_has_a_gap_is_offered_to_nobody() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let gap = json!({"authorization_url": "https://login.example/{tenant}/authorize"});
    let connection = app.connection(&app.unique("Gap"), "global", &provider, gap).await;
    let refused = app.root().post(&connection.path("/authorize"), json!({})).await;
    refused.problem(422, "placeholder-unresolved");
}

#[tokio::test]
async fn a_data_key_that_stays_wrapped_is_in_the_way_of_whatever_is_made_with_a_secret() {
    let provider = TestProvider::start().await;
    let schema = json!([{"key": "api_key", "type": "secret"}]);
    let integration = json!({"name": "Halo", "config_schema": schema, "defaults": {"api_key": "sk"}});
    let connection = with(provider.authorization_code(), json!({"name": "Halo"}));
    let (integration, connection) = (("/integrations", integration), ("/connections", connection));
    for (first, second, function) in [
        (&integration, &connection, "connections-create"),
        (&connection, &integration, "integrations-create"),
    ] {
        let app = TestApp::alone().await;
        app.root().post(first.0, first.1.clone()).await.expect(201);
        app.stack().set_fault_hook(move |call| {
            let kind = "AccessDeniedException".to_owned();
            let refused = call.service == "KMS" && call.function == function;
            refused.then(|| Fault::Refuse { status: reqwest::StatusCode::BAD_REQUEST, kind })
        });
        app.root().post(second.0, second.1.clone()).await.problem(409, "secret-unavailable");
    }
}

#[tokio::test]
async fn a_link_whose_connection_has_lost_its_address_meanwhile_leads_nowhere() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connection(&app.unique("Gap"), "global", &provider, json!({})).await;
    let link = app.connect_url(&connection).await;
    let mut browser = Browser::new();
    let page = browser.open(&link).await;
    let gap = json!({"authorization_url": "https://login.example/{tenant}/authorize"});
    app.root().patch(&connection.path(""), gap).await.expect(200);
    for refused in [browser.submit(&page, &page.form()).await, browser.open(&link).await] {
        assert_eq!(refused.status, 409, "{}", refused.text);
        refused.refuses();
    }
}

#[tokio::test]
async fn a_browser_on_its_way_to_the_provider_is_told_what_is_wrong_on_our_side() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = app.connection("Halo", "global", &provider, json!({})).await;
    let mut browser = Browser::new();
    let page = browser.open(&app.connect_url(&connection).await).await;
    app.stack().set_fault_hook(|call| (call.function == "oauth-connect").then(Fault::invalid));
    assert_eq!(browser.submit(&page, &page.form()).await.status, 500);
    app.stack().set_fault_hook(|call| (call.function == "oauth-connect").then(Fault::throttled));
    assert_eq!(browser.submit(&page, &page.form()).await.status, 503);
    app.stack().end_faults();
    browser.submit(&page, &page.form()).await.location();
}

#[tokio::test]
async fn what_a_person_decides_at_the_provider_comes_back_to_the_shared_address_too() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let shared = json!({"callback": "shared"});
    let connection = app.connection(&app.unique("Shared"), "global", &provider, shared).await;
    let mut browser = Browser::new();
    let at_provider = confirm(&mut browser, &app.connect_url(&connection).await).await;
    let denied = deny(&mut browser, &at_provider).await;
    assert_eq!(denied.path(), "/api/oauth/callback");
    assert_eq!(browser.open(denied.as_str()).await.status, 409);
    let back = json!({"return_to": format!("{RETURN_TO_ORIGIN}/done")});
    let signed_in = sign_in(&mut browser, &app.connect_url_with(&connection, back).await).await;
    assert_eq!(signed_in.location().origin().ascii_serialization(), RETURN_TO_ORIGIN);
}

#[tokio::test]
async fn a_page_whose_function_dies_is_the_gateways_own() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = app.connection("Halo", "global", &provider, json!({})).await;
    let mut browser = Browser::new();
    let page = browser.open(&app.connect_url(&connection).await).await;
    let submitted = {
        let (mut browser, page) = (browser.clone(), page.clone());
        async move { browser.submit(&page, &page.form()).await.status }
    };
    let opened = |path: &str| {
        let url = format!("{}{path}", app.url());
        async move { Browser::new().open(&url).await.status }
    };
    let doomed = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&doomed);
    app.stack().set_fault_hook(move |call| {
        *seen.lock().unwrap() = Some(call.instance);
        call.function.starts_with("oauth-").then_some(Fault::Delay(Duration::from_secs(5)))
    });
    let kill = async || loop {
        let instance = doomed.lock().unwrap().take();
        if let Some(instance) = instance {
            break assert!(app.stack().kill_instance(instance).await);
        }
        pause(20).await;
    };
    assert_eq!(tokio::join!(submitted, kill()).0, 500);
    for path in
        ["/connect/ticket", "/oauth/callback/Halo?code=c&state=s", "/api/oauth/callback?code=c&state=s"]
    {
        assert_eq!(tokio::join!(opened(path), kill()).0, 500, "{path}");
    }
}

#[tokio::test]
async fn who_has_the_description_already_is_not_sent_it_again() {
    let anyone = TestApp::shared().await.anonymous();
    let answer = anyone.get("/openapi.json").await;
    let again = anyone.with_header("if-none-match", answer.headers["etag"].to_str().unwrap());
    assert_eq!(again.get("/openapi.json").await.status, 304);
}
