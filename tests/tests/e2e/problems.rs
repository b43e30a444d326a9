//! Every code of `infra/PROBLEMS.md`, provoked.

use std::time::Duration;

use bifrost::model::Code;
use bifrost_local::provider::Fault as ProviderFault;
use bifrost_local::{Call, Fault};
use bifrost_tests::{Answer, Connection, Role, TestApp, TestProvider, all_at_once, pause, with};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn every_code_is_produced_by_a_real_request() {
    let catalogue = include_str!("../../../infra/PROBLEMS.md");
    let provoked = Code::ALL.iter().map(|&code| async move { (code, provoke(code).await) });
    for (code, answer) in all_at_once(provoked).await {
        // The status is the catalogue's, so that what people read is what they get.
        let row = catalogue.lines().find(|line| line.starts_with(&format!("| `{code}` | "))).unwrap();
        let status: u16 = row.split(" | ").nth(1).unwrap().parse().unwrap();
        match code {
            Code::LinkInvalid => check_page(&answer, status, code),
            _ => check_problem(answer, status, code),
        }
    }
}

fn check_problem(answer: Answer, status: u16, code: Code) {
    let retry_after = answer.headers.get("retry-after").map(|seconds| seconds.to_str().unwrap().to_owned());
    let request_id = answer.headers["apigw-requestid"].to_str().unwrap().to_owned();
    let cacheable = answer.headers["cache-control"] != "no-store";
    let problem = answer.problem(status, code.as_str());
    assert_eq!(problem["title"], code.title());
    assert_eq!(problem["request_id"], request_id, "{code}: support finds it by either");
    assert!(!cacheable, "{code} may be cached");
    let members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
    let lists_fields = members.contains(&"errors");
    let known = ["code", "detail", "errors", "fix", "request_id", "status", "title", "type"];
    assert!(members.iter().all(|member| known.contains(member)), "{problem}");
    match code {
        Code::InvalidInput | Code::ValuesStranded => assert!(lists_fields, "{problem}"),
        _ => assert!(!lists_fields, "{problem}"),
    }
    match code {
        Code::Unavailable
        | Code::RefreshInProgress
        | Code::ProviderUnavailable
        | Code::ProviderRefused
        | Code::ClientRejected => {
            let seconds: u64 =
                retry_after.unwrap_or_else(|| panic!("{code}: come back when?")).parse().unwrap();
            assert!(seconds >= 1, "{code}");
        }
        _ => assert_eq!(retry_after, None, "{code} does not pass by itself"),
    }
}

fn check_page(answer: &Answer, status: u16, code: Code) {
    assert_eq!(
        (answer.status, &answer.headers["content-type"]),
        (status, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(answer.text.contains(code.title()) && answer.text.contains(code.fix()), "{}", answer.text);
}

/// A request of each code's own. A new code has none, and this does not compile until it has.
async fn provoke(code: Code) -> Answer {
    let app = TestApp::shared().await;
    let root = app.root();
    match code {
        Code::MalformedBody => root.send(Method::POST, "/integrations", Some("{".to_owned())).await,
        Code::InvalidInput => root.post("/integrations", json!({"name": "-", "colour": "red"})).await,
        Code::BodyTooLarge => root.post("/integrations", json!({"name": "x".repeat(256 * 1024)})).await,
        Code::ScopeForbidden => {
            let user = app.key(Role::User, &app.organization("Acme").await).await;
            user.get("/connections?scope=global").await
        }
        Code::Forbidden => {
            let user = app.key(Role::User, &app.organization("Acme").await).await;
            user.post("/organizations", json!({"name": "Mine"})).await
        }
        Code::KeyExpired => {
            let acme = app.organization("Acme").await;
            let brief = app.key_with(Role::User, &acme, json!({"expires_in": 1})).await;
            pause(1_100).await;
            brief.get("/integrations").await
        }
        Code::NetworkForbidden => {
            let acme = app.organization("Acme").await;
            let elsewhere =
                app.key_with(Role::User, &acme, json!({"allowed_cidrs": ["203.0.113.0/24"]})).await;
            elsewhere.get("/integrations").await
        }
        Code::NotFound => root.get(&format!("/integrations/{}", app.unique("Nothing"))).await,
        Code::NameTaken => {
            let name = app.integration("Halo", json!({})).await;
            root.post("/integrations", json!({"name": name.replace(' ', "_").to_uppercase()})).await
        }
        Code::EntityTaken => {
            let name = app.integration("Halo", json!({})).await;
            let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
            app.map(&name, &acme, json!({"entity_id": "7"})).await;
            root.put(&globex.mapping(&name), json!({"entity_id": "7"})).await
        }
        Code::ValuesStranded => {
            let schema = json!([{"key": "url", "type": "string"}]);
            let name = app.integration("Halo", json!({"config_schema": schema})).await;
            app.map(&name, &app.organization("Acme").await, json!({"config": {"url": "a"}})).await;
            root.patch(&format!("/integrations/{name}"), json!({"config_schema": []})).await
        }
        Code::InUse => {
            let connection = client_credentials(&app, json!({})).await;
            app.integration("Halo", json!({"connection": connection.name})).await;
            root.delete(&connection.path("")).await
        }
        Code::AlreadyConnected => {
            let provider = TestProvider::start().await;
            let connection = app.connected(&provider).await;
            root.post(&connection.path("/import"), json!({"refresh_token": "from-elsewhere"})).await
        }
        Code::Conflict => {
            // As if someone else had always just written: no condition of an update ever holds.
            let app = TestApp::alone().await;
            let connection = client_credentials(&app, json!({})).await;
            app.stack().set_fault_hook(|call| {
                writes(call, "connections-update").then(|| refused("ConditionalCheckFailedException"))
            });
            app.root().patch(&connection.path(""), json!({"description": "new"})).await
        }
        Code::StaleRevision => {
            let name = app.integration("Halo", json!({})).await;
            let path = format!("/integrations/{name}");
            let as_read = root.if_as_in(&root.get(&path).await);
            root.patch(&path, json!({"description": "meanwhile"})).await.expect(200);
            as_read.patch(&path, json!({"description": "mine"})).await
        }
        Code::WrongFlow => {
            let connection = client_credentials(&app, json!({})).await;
            root.post(&connection.path("/authorize"), json!({})).await
        }
        Code::IntegrationRequired => {
            let provider = TestProvider::start().await;
            let body = with(provider.client_credentials(), json!({"name": app.unique("Graph")}));
            app.token(&app.create_connection("global", body).await).await
        }
        Code::PlaceholderUnresolved => {
            let provider = TestProvider::start().await;
            let name = app.integration("Graph", json!({})).await;
            let body = with(provider.client_credentials(), json!({"name": name}));
            let connection = app.create_connection("global", body).await;
            root.get(&format!("{}&integration={name}", connection.path("/token"))).await
        }
        Code::NotConnected => {
            let provider = TestProvider::start().await;
            app.token(&app.connection(&app.unique("Halo"), "global", &provider, json!({})).await).await
        }
        Code::Reauthorize => {
            expired(&app, |provider| {
                provider.fail_next_token(ProviderFault::answer(400, r#"{"error": "invalid_grant"}"#));
            })
            .await
        }
        Code::ClientRejected => {
            expired(&app, |provider| {
                provider.fail_next_token(ProviderFault::answer(401, r#"{"error": "invalid_client"}"#));
            })
            .await
        }
        Code::ProviderUnavailable => {
            expired(&app, |provider| provider.fail_next_token(ProviderFault::answer(500, ""))).await
        }
        Code::ProviderRefused => {
            let provider = TestProvider::start().await;
            let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/common/token")});
            let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
            provider.control().fail_next_token(ProviderFault::answer(400, r#"{"error": "invalid_scope"}"#));
            app.token(&connection).await
        }
        Code::RefreshInProgress => {
            let provider =
                TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(1)).await;
            let connection = app.connected(&provider).await;
            pause(1_100).await;
            provider.control().delay_token(Duration::from_secs(40));
            let second = async {
                pause(1_000).await;
                app.token(&connection).await
            };
            tokio::join!(app.token(&connection), second).1
        }
        Code::SecretUnavailable => {
            let referred = json!({"client_secret": null, "client_secret_ref": "bifrost/connections/none"});
            app.token(&client_credentials(&app, referred).await).await
        }
        Code::LinkInvalid => app.anonymous().get("/connect/nothing").await,
        Code::Unavailable => {
            let app = TestApp::alone().await;
            app.stack().set_fault_hook(|call| (call.function == "integrations-get").then(Fault::throttled));
            app.root().get("/integrations/Halo").await
        }
        Code::Internal => {
            // What DynamoDB can't make sense of is a mistake of ours.
            let app = TestApp::alone().await;
            app.stack().set_fault_hook(|call| (call.function == "integrations-get").then(Fault::invalid));
            app.root().get("/integrations/Halo").await
        }
    }
}

fn writes(call: &Call<'_>, function: &str) -> bool {
    call.function == function && ["PutItem", "UpdateItem", "TransactWriteItems"].contains(&call.operation)
}

fn refused(kind: &str) -> Fault {
    Fault::Refuse { status: reqwest::StatusCode::BAD_REQUEST, kind: kind.to_owned() }
}

/// A connection whose provider nobody asks.
async fn client_credentials(app: &TestApp, changes: Value) -> Connection {
    let body = json!({
        "name": app.unique("Graph"), "flow": "client_credentials", "client_id": "c", "client_secret": "s",
        "token_url": "https://provider.example/token",
    });
    app.create_connection("global", with(body, changes)).await
}

/// The answer to a request for a token that has expired, at a provider that `spoil` has spoilt.
async fn expired(app: &TestApp, spoil: impl Fn(bifrost_local::provider::Control)) -> Answer {
    let provider = TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(1)).await;
    let connection = app.connected(&provider).await;
    pause(1_100).await;
    spoil(provider.control());
    app.token(&connection).await
}
