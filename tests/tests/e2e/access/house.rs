//! A house with everything in it that a request can be about, and for each operation a request that succeeds unless
//! its caller may not make it.

use bifrost::model::access::Operation;
use bifrost_tests::{Answer, Api, Connection, Organization, Role, TestApp, TestProvider, with};
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) const GLOBAL: &str = "global";

/// Two provider organizations and two managed ones, an integration that all are mapped to, and in every scope a
/// connection of its name.
pub(crate) struct House {
    pub(crate) app: TestApp,
    provider: TestProvider,
    pub(super) providers: [Organization; 2],
    pub(crate) managed: [Organization; 2],
    name: String,
}

/// How a request says which scope it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Not at all: the caller's own.
    Nothing,
    /// By its name, where the operation takes it.
    Named,
    /// As the organization whose own grant on a global connection is meant.
    Grant,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: Method,
    path: String,
    /// The name or id in the path, if it has one.
    thing: Option<String>,
    scope: String,
    body: Option<Value>,
    /// The status of success.
    pub(crate) success: u16,
}

impl Request {
    pub(crate) async fn by(&self, caller: &Api) -> Answer {
        let body = self.body.as_ref().map(Value::to_string);
        caller.send(self.method.clone(), &self.path, body).await
    }

    /// The same with this body, if it has one at all.
    pub(crate) async fn with_body_by(&self, body: &str, caller: &Api) -> Option<Answer> {
        self.body.as_ref()?;
        Some(caller.send(self.method.clone(), &self.path, Some(body.to_owned())).await)
    }

    /// The same about something that there is not; of another organization, about one that there is not.
    pub(super) fn about_nothing(&self, other: bool) -> Self {
        let nothing = Uuid::new_v4().to_string();
        let mut request = self.clone();
        if let Some(thing) = request.thing.replace(nothing.clone()) {
            request.path = request.path.replace(&thing, &nothing);
        }
        if other {
            let scope = std::mem::replace(&mut request.scope, Uuid::new_v4().to_string());
            request.path = request.path.replace(&scope, &request.scope);
            let body = request.body.map(|body| body.to_string().replace(&scope, &request.scope));
            request.body = body.map(|body| body.parse().unwrap());
        }
        request
    }

    /// What an answer says, but for what is different in every request.
    pub(super) fn gist(&self, answer: &Answer) -> String {
        let text = answer.text.replace(answer.body["request_id"].as_str().unwrap_or("\n"), "");
        let text = text.replace(self.thing.as_deref().unwrap_or("\n"), "<thing>");
        format!("{} {}", answer.status, text.replace(&self.scope, "<scope>"))
    }
}

impl std::fmt::Display for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body = self.body.clone().unwrap_or_default();
        write!(f, "{} {} {body}", self.method, self.path)
    }
}

impl House {
    pub(super) async fn new() -> Self {
        Self::in_stack(TestApp::shared().await).await
    }

    pub(crate) async fn in_stack(app: TestApp) -> Self {
        let providers =
            [app.provider_organization("MSP").await, app.provider_organization("Other MSP").await];
        let managed = [app.organization("Acme").await, app.organization("Globex").await];
        let schema = json!([{"key": "note", "type": "string"}]);
        let name = app.integration("Halo", json!({"config_schema": schema})).await;
        let house = Self { app, provider: TestProvider::start().await, providers, managed, name };
        house.app.create_connection(GLOBAL, house.client_credentials(&house.name)).await;
        for organization in house.providers.iter().chain(&house.managed) {
            house.app.map(&house.name, organization, json!({})).await;
            house.app.create_connection(&organization.id, house.client_credentials(&house.name)).await;
        }
        house
    }

    pub(super) fn scopes(&self) -> Vec<String> {
        let organizations =
            self.providers.iter().chain(&self.managed).map(|organization| organization.id.clone());
        [GLOBAL.to_owned()].into_iter().chain(organizations).collect()
    }

    /// A key of the platform.
    pub(crate) async fn platform_key(&self, role: Role, changes: Value) -> Api {
        let role = format!("{role:?}").to_lowercase();
        let body = json!({"role": role, "organization_id": GLOBAL});
        let made = self.app.root().post("/keys", with(body, changes)).await.expect(201);
        self.app.with_key(made["key"].as_str().unwrap())
    }

    /// What it takes away or changes is made for it alone.
    pub(crate) async fn request(&self, operation: Operation, scope: &str, said: Said) -> Request {
        use Operation as O;
        let app = &self.app;
        let shared = || self.name.clone();
        let by_grant = said == Said::Grant;
        let mut query = if said == Said::Named { format!("?scope={scope}") } else { String::new() };
        // What stands for {name} or {id} in the path, the body, and the status of success.
        let (thing, body, success) = match operation {
            O::IntegrationsCreate => (String::new(), Some(json!({"name": app.unique("New")})), 201),
            O::IntegrationsList
            | O::ConnectionsList
            | O::OrganizationsList
            | O::KeysList
            | O::ProvidersList => (String::new(), None, 200),
            O::IntegrationsGet
            | O::IntegrationsResolve
            | O::MappingsList
            | O::MappingsGet
            | O::ConnectionsGet
            | O::ConnectionsToken => (shared(), None, 200),
            O::IntegrationsUpdate => (self.integration().await, Some(json!({"description": "new"})), 200),
            O::IntegrationsDelete => (self.integration().await, None, 204),
            O::MappingsPut => (shared(), Some(json!({"config": {"note": "new"}})), 200),
            O::MappingsDelete => {
                let integration = self.integration().await;
                self.map(&integration, scope).await;
                (integration, None, 204)
            }
            O::MappingsImport => {
                let rows = json!({"mappings": [{"organization_id": self.managed[0].id}]});
                (self.integration().await, Some(rows), 200)
            }
            O::ConnectionsCreate => (String::new(), Some(self.client_credentials(&app.unique("New"))), 201),
            O::ConnectionsUpdate => (self.connection(scope).await, Some(json!({"description": "new"})), 200),
            O::ConnectionsDelete => (self.connection(scope).await, None, 204),
            O::ConnectionsAuthorize => {
                let (owner, body) = match by_grant {
                    true => (GLOBAL, json!({"organization_id": scope})),
                    false => (scope, json!({})),
                };
                let new = with(self.provider.authorization_code(), json!({"name": app.unique("Victim")}));
                (app.create_connection(owner, new).await.name, Some(body), 201)
            }
            O::ConnectionsDiagnose => (shared(), None, 200),
            O::ConnectionsRefresh => (shared(), Some(json!({"generation": 1})), 200),
            O::ConnectionsDisconnect => {
                let connection = match by_grant {
                    true => self.with_own_grant(scope).await,
                    false => self.connected(scope).await,
                };
                if by_grant {
                    query = format!("?organization_id={scope}");
                }
                (connection, None, 200)
            }
            O::ConnectionsImport => {
                let owner = if by_grant { GLOBAL } else { scope };
                if by_grant {
                    query = format!("?organization_id={scope}");
                }
                let new = with(self.provider.authorization_code(), json!({"name": app.unique("Victim")}));
                let brought = json!({"refresh_token": "from-elsewhere"});
                (app.create_connection(owner, new).await.name, Some(brought), 200)
            }
            O::OrganizationsCreate => (String::new(), Some(json!({"name": "New"})), 201),
            O::OrganizationsDelete => (app.organization("Victim").await.id, None, 204),
            O::KeysCreate => {
                let body = json!({"role": "workflow", "organization_id": scope});
                let unsaid = if said == Said::Nothing { json!({"organization_id": null}) } else { json!({}) };
                (String::new(), Some(with(body, unsaid)), 201)
            }
            O::KeysRevoke => {
                let body = json!({"role": "workflow", "organization_id": scope});
                let key = app.root().post("/keys", body).await.expect(201);
                (key["id"].as_str().unwrap().to_owned(), None, 204)
            }
            O::ConnectOffer
            | O::ConnectContinue
            | O::CallbackNamed
            | O::CallbackShared
            | O::ConfirmSwitch
            | O::Openapi => {
                panic!("{operation:?} has no caller")
            }
        };
        let takes_scope = operation.path().starts_with("/connections")
            || matches!(operation, O::IntegrationsResolve | O::KeysList);
        let query = if takes_scope { query } else { String::new() };
        let path = operation.path().replace("{organization_id}", scope);
        let path = path.replace("{name}", &thing).replace("{id}", &thing);
        let thing = Some(thing).filter(|thing| !thing.is_empty());
        let (method, scope) = (operation.method().parse().unwrap(), scope.to_owned());
        Request { method, path: path + &query, thing, scope, body, success }
    }

    /// A request whose scope is none.
    pub(super) async fn about_no_scope(&self, operation: Operation) -> Request {
        let scope = &self.managed[0].id;
        let mut request = self.request(operation, scope, Said::Named).await;
        request.path = request.path.replace(scope, "acme");
        if operation == Operation::KeysCreate {
            request.body = Some(json!({"role": "workflow", "organization_id": "acme"}));
        }
        request
    }

    fn client_credentials(&self, name: &str) -> Value {
        let changes = json!({"name": name, "token_url": self.provider.url("/token")});
        with(self.provider.client_credentials(), changes)
    }

    async fn integration(&self) -> String {
        self.app.integration("Victim", json!({})).await
    }

    async fn map(&self, integration: &str, organization: &str) {
        let path = format!("/integrations/{integration}/mappings/{organization}");
        self.app.root().put(&path, json!({"entity_id": organization})).await.expect(201);
    }

    async fn connection(&self, scope: &str) -> String {
        let name = self.app.unique("Victim");
        self.app.create_connection(scope, self.client_credentials(&name)).await.name
    }

    /// One with a grant for its own scope.
    async fn connected(&self, scope: &str) -> String {
        let name = self.connection(scope).await;
        let connection = Connection { name, scope: scope.to_owned(), created: Value::Null };
        self.app.token(&connection).await.expect(200);
        connection.name
    }

    /// A global one, on which an organization has a grant of its own.
    async fn with_own_grant(&self, organization: &str) -> String {
        let name = self.integration().await;
        self.map(&name, organization).await;
        let by_entity = with(self.provider.client_credentials(), json!({"name": name}));
        self.app.create_connection(GLOBAL, by_entity).await;
        let path = format!("/connections/{name}/token?integration={name}&scope={organization}");
        self.app.root().get(&path).await.expect(200);
        name
    }
}
