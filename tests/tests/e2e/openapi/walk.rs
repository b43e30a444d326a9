//! One request for each operation, and a few that are refused, for the examples in the description.

use bifrost::model::access::Operation;
use bifrost_local::provider::Client;
use bifrost_openapi::Example;
use bifrost_tests::{Api, Browser, TestApp, TestProvider, sign_in};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::placeholders::Placeholders;

const ACME: &str = "5c1f0d5e-8f0a-4b7e-9d53-2f6d1a0b7c11";
const GLOBEX: &str = "a3b0c6de-2f54-4f0f-8a39-6d1f1f6b9e22";

/// Asks for every operation once, in a stack of its own so that every run sees the same.
pub(super) async fn through_the_api() -> Vec<Example> {
    let app = TestApp::alone().await;
    let secret = "provider-client-secret";
    let provider = TestProvider::with(|options| options.clients = vec![Client::new("7c2f91", secret)]).await;
    let mut walk = Walk { api: app.root(), examples: Vec::new() };
    walk.set_up(&provider, secret).await;
    walk.connect(&app, &provider).await;
    walk.use_it().await;
    walk.change(&app).await;
    walk.be_refused(&app).await;
    walk.take_down().await;
    let places = [(app.url(), "https://bifrost.example"), (&provider.url(""), "https://provider.example")];
    let mut placeholders = Placeholders::new(&places);
    walk.examples.into_iter().map(|example| placeholders.in_place_of_what_varies(example)).collect()
}

struct Walk {
    api: Api,
    examples: Vec<Example>,
}

impl Walk {
    async fn set_up(&mut self, provider: &TestProvider, secret: &str) {
        for (id, name) in [(ACME, "Acme"), (GLOBEX, "Globex")] {
            self.post(Operation::OrganizationsCreate, json!({}), json!({"id": id, "name": name})).await;
        }
        self.get(Operation::OrganizationsList, json!({"limit": 50})).await;
        let integration = json!({
            "name": "HaloPSA", "description": "Tickets and assets", "entity_id_name": "Tenant",
            "config_schema": [
                {"key": "base_url", "type": "string", "required": true, "description": "Where the API is"},
                {"key": "region", "type": "string", "options": ["eu", "us"]},
                {"key": "page_size", "type": "int"},
                {"key": "api_key", "type": "secret"},
            ],
            "defaults": {"base_url": "https://halo.example/api", "page_size": 100, "api_key": "default-api-key"},
        });
        self.post(Operation::IntegrationsCreate, json!({}), integration).await;
        self.get(Operation::IntegrationsList, json!({})).await;
        self.get(Operation::IntegrationsGet, json!({"name": "HaloPSA"})).await;
        let connection = json!({
            "name": "HaloPSA", "client_id": "7c2f91", "client_secret": secret,
            "authorization_url": provider.url("/authorize"), "token_url": provider.url("/token"),
            "revocation_url": provider.url("/revoke"), "scopes": "openid read offline_access",
        });
        let made = self.post(Operation::ConnectionsCreate, json!({"scope": "global"}), connection).await;
        provider.control().register_redirect_uri("7c2f91", made["redirect_uri"].as_str().unwrap());
        self.get(Operation::ConnectionsList, json!({"scope": "global"})).await;
        let mapping =
            json!({"entity_id": "tenant-456", "entity_name": "Acme Corp", "config": {"region": "eu"}});
        let place = json!({"name": "HaloPSA", "organization_id": ACME});
        self.send(Operation::MappingsPut, place.clone(), Some(mapping.clone()), 201).await;
        self.send(Operation::MappingsPut, place.clone(), Some(mapping), 200).await;
        self.get(Operation::MappingsGet, place).await;
        self.get(Operation::MappingsList, json!({"name": "HaloPSA", "entity_id": "tenant-456"})).await;
        let rows = json!({"mappings": [
            {"organization_id": GLOBEX, "entity_id": "tenant-789"},
            {"organization_id": "globex", "entity_id": "tenant-790"},
        ]});
        self.send(Operation::MappingsImport, json!({"name": "HaloPSA"}), Some(rows), 200).await;
        self.get(Operation::ProvidersList, json!({"limit": 1})).await;
    }

    async fn connect(&mut self, app: &TestApp, provider: &TestProvider) {
        let place = json!({"name": "HaloPSA", "scope": "global"});
        let link =
            self.post(Operation::ConnectionsAuthorize, place.clone(), json!({"valid_for": 3600})).await;
        let page = sign_in(&mut Browser::new(), link["connect_url"].as_str().unwrap()).await;
        assert_eq!(page.status, 200, "{} {}", page.text, provider.url(""));
        self.get(Operation::ConnectionsGet, place.clone()).await;
        let brought = json!({"refresh_token": "of-the-other-system"});
        self.send(Operation::ConnectionsImport, place.clone(), Some(brought.clone()), 409).await;
        let of_globex = json!({"name": "HaloPSA", "scope": "global", "organization_id": GLOBEX});
        self.send(Operation::ConnectionsImport, of_globex, Some(brought), 200).await;
        self.send(Operation::ConnectionsDiagnose, json!({"name": "HaloPSA", "scope": "global"}), None, 200)
            .await;
        let key = json!({"name": "nightly sync", "role": "workflow", "organization_id": ACME});
        let made = self.post(Operation::KeysCreate, json!({}), key).await;
        self.api = app.with_key(made["key"].as_str().unwrap());
    }

    /// As a workflow, which may not do everything.
    async fn use_it(&mut self) {
        self.get(Operation::IntegrationsResolve, json!({"name": "HaloPSA", "scope": ACME})).await;
        let place = json!({"name": "HaloPSA", "scope": ACME, "integration": "HaloPSA"});
        let token = self.get(Operation::ConnectionsToken, place.clone()).await;
        let refused = json!({"grant_id": token["grant_id"], "generation": token["generation"]});
        self.send(Operation::ConnectionsRefresh, place, Some(refused), 200).await;
        let global = json!({"name": "HaloPSA", "scope": "global"});
        self.send(Operation::IntegrationsResolve, global, None, 403).await;
        self.send(Operation::ConnectionsDelete, json!({"name": "HaloPSA", "scope": ACME}), None, 403).await;
    }

    async fn change(&mut self, app: &TestApp) {
        self.api = app.root();
        let patch = json!({"description": "Tickets, assets and billing", "defaults": {"page_size": 200}});
        let place = json!({"name": "HaloPSA"});
        self.send(Operation::IntegrationsUpdate, place, Some(patch), 200).await;
        let patch = json!({
            "description": "Registered by the MSP", "token_params": {"tenant": "msp"},
            "client_secret_next": "the-secret-after-that-one", "client_secret_expires_at": "2049-01-31T12:00:00Z",
        });
        let place = json!({"name": "HaloPSA", "scope": "global"});
        self.send(Operation::ConnectionsUpdate, place, Some(patch), 200).await;
        self.get(Operation::KeysList, json!({"scope": ACME})).await;
    }

    async fn be_refused(&mut self, app: &TestApp) {
        let global = json!({"name": "HaloPSA", "scope": "global"});
        let again = json!({"name": "halopsa"});
        self.send(Operation::IntegrationsCreate, json!({}), Some(again), 409).await;
        let wrong = json!({"name": "HaloPSA", "colour": "red"});
        self.send(Operation::IntegrationsCreate, json!({}), Some(wrong), 422).await;
        self.send(Operation::IntegrationsGet, json!({"name": "Halo"}), None, 404).await;
        self.send(Operation::ConnectionsDelete, global, None, 409).await;
        let taken = json!({"entity_id": "tenant-789"});
        let place = json!({"name": "HaloPSA", "organization_id": ACME});
        self.send(Operation::MappingsPut, place, Some(taken), 409).await;
        self.api = app.anonymous();
        self.send(Operation::IntegrationsList, json!({}), None, 401).await;
        self.api = app.root();
    }

    async fn take_down(&mut self) {
        let place = json!({"name": "HaloPSA", "scope": "global"});
        self.send(Operation::ConnectionsDisconnect, place.clone(), None, 200).await;
        self.send(Operation::ConnectionsToken, place.clone(), None, 409).await;
        let mapping = json!({"name": "HaloPSA", "organization_id": ACME});
        self.send(Operation::MappingsDelete, mapping, None, 204).await;
        self.send(Operation::IntegrationsDelete, json!({"name": "HaloPSA"}), None, 204).await;
        self.send(Operation::ConnectionsDelete, place, None, 204).await;
        let keys = self.api.get(&format!("/keys?scope={ACME}")).await.expect(200);
        self.send(Operation::KeysRevoke, json!({"id": keys["items"][0]["id"]}), None, 204).await;
        self.send(Operation::OrganizationsDelete, json!({"id": GLOBEX}), None, 204).await;
    }

    async fn get(&mut self, operation: Operation, parameters: Value) -> Value {
        self.send(operation, parameters, None, 200).await
    }

    async fn post(&mut self, operation: Operation, parameters: Value, body: Value) -> Value {
        self.send(operation, parameters, Some(body), 201).await
    }

    async fn send(
        &mut self,
        operation: Operation,
        parameters: Value,
        body: Option<Value>,
        status: u16,
    ) -> Value {
        let Value::Object(parameters) = parameters else { panic!("{parameters} are no parameters") };
        let method: Method = operation.method().parse().unwrap();
        let path = target(operation.path(), &parameters);
        let answer = self.api.send(method, &path, body.as_ref().map(Value::to_string)).await;
        let answer = answer.expect(status);
        let shown = (!answer.is_null()).then(|| answer.clone());
        self.examples.push(Example { operation, parameters, body, status, answer: shown });
        answer
    }
}

/// A path with its parameters in place, and the others as its query.
fn target(path: &str, parameters: &Map<String, Value>) -> String {
    let mut path = path.to_owned();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let placeholder = format!("{{{name}}}");
        if path.contains(&placeholder) {
            path = path.replace(&placeholder, &text);
        } else {
            query.append_pair(name, &text);
        }
    }
    match query.finish() {
        query if query.is_empty() => path,
        query => format!("{path}?{query}"),
    }
}
