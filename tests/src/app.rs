//! The product in use: organizations, keys, connections, and what people and workflows do with them.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::stack::{RunningStack, shared};
use crate::{Answer, Api, Browser, Folder, Page, TestProvider, sign_in, with};

/// A running stack and its root key.
#[derive(Clone, Debug)]
pub struct TestApp {
    stack: Arc<RunningStack>,
}

#[derive(Clone, Debug)]
pub struct Organization {
    pub id: String,
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Admin,
    User,
    Workflow,
}

/// A connection that was created, and how to speak of it.
#[derive(Clone, Debug)]
pub struct Connection {
    pub name: String,
    /// Its owner: `global` or an organization's id.
    pub scope: String,
    /// The answer to its creation.
    pub created: Value,
}

impl TestApp {
    /// The stack that the tests of this process share. Organizations and unique names keep them apart.
    pub async fn shared() -> Self {
        Self { stack: shared().await }
    }

    /// A stack of one's own, for tests that count everything or end it.
    pub async fn alone() -> Self {
        Self { stack: Arc::new(RunningStack::ephemeral().await) }
    }

    /// A stack of one's own that runs up to so many instances of each function.
    pub async fn with_instances(count: usize) -> Self {
        Self { stack: Arc::new(RunningStack::with_instances(count).await) }
    }

    /// A stack of one's own whose template has these parameters. One process of each function serves it, so that what a
    /// function remembers is what all requests find.
    pub async fn with_parameters<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self { stack: Arc::new(RunningStack::with_parameters(owned(parameters)).await) }
    }

    /// A stack of one's own whose data stays in this folder.
    pub async fn with_data(folder: &std::path::Path) -> Self {
        Self::with_data_and_parameters(folder, []).await
    }

    /// The same, deployed with these parameters.
    pub async fn with_data_and_parameters<'a>(
        folder: &std::path::Path,
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        Self { stack: Arc::new(RunningStack::with_data(folder, owned(parameters)).await) }
    }

    /// A stack of one's own, from this template instead of the deployed one.
    ///
    /// # Panics
    /// When the template describes no stack.
    pub async fn with_template(text: &str) -> Self {
        let folder = Folder::new();
        std::fs::create_dir(folder.path()).unwrap();
        let template = folder.path().join("template.yaml");
        std::fs::write(&template, text).unwrap();
        Self { stack: Arc::new(RunningStack::with_template(template).await) }
    }

    pub fn url(&self) -> &str {
        self.stack.url()
    }

    pub fn stack(&self) -> &RunningStack {
        &self.stack
    }

    /// Ends the stack as a power cut would, when nobody else holds it.
    ///
    /// # Panics
    /// When it is shared.
    pub async fn kill(self) {
        Arc::into_inner(self.stack).expect("a shared stack can't be killed").kill().await;
    }

    /// The platform's own administrator.
    pub fn root(&self) -> Api {
        self.with_key(self.stack.root_key())
    }

    pub fn with_key(&self, key: &str) -> Api {
        Api::new(self.url(), Some(key))
    }

    pub fn anonymous(&self) -> Api {
        Api::new(self.url(), None)
    }

    /// A customer: a managed organization.
    pub async fn organization(&self, name: &str) -> Organization {
        self.create_organization(json!({"name": name})).await
    }

    pub async fn provider_organization(&self, name: &str) -> Organization {
        self.create_organization(json!({"name": name, "is_provider": true})).await
    }

    async fn create_organization(&self, body: Value) -> Organization {
        let created = self.root().post("/organizations", body).await.expect(201);
        Organization { id: text(&created["id"]), name: text(&created["name"]) }
    }

    /// A caller with a key of this role in this organization.
    pub async fn key(&self, role: Role, organization: &Organization) -> Api {
        self.key_with(role, organization, json!({})).await
    }

    pub async fn key_with(&self, role: Role, organization: &Organization, changes: Value) -> Api {
        let role = format!("{role:?}").to_lowercase();
        let body =
            json!({"name": format!("{role} of a test"), "role": role, "organization_id": organization.id});
        let created = self.root().post("/keys", with(body, changes)).await.expect(201);
        self.with_key(created["key"].as_str().unwrap())
    }

    /// A name that no other test uses.
    pub fn unique(&self, name: &str) -> String {
        format!("{name} {}", Uuid::new_v4().simple())
    }

    /// Creates an integration under a name that no other test uses.
    pub async fn integration(&self, name: &str, body: Value) -> String {
        let name = self.unique(name);
        self.root().post("/integrations", with(body, json!({"name": name}))).await.expect(201);
        name
    }

    /// Maps an organization to an entity of an integration.
    pub async fn map(&self, integration: &str, organization: &Organization, body: Value) -> Value {
        let path = format!("/integrations/{integration}/mappings/{}", organization.id);
        let answer = self.root().put(&path, body).await;
        assert!((200..300).contains(&answer.status), "{}", answer.text);
        answer.body
    }

    pub async fn resolve(&self, caller: &Api, integration: &str, scope: &str) -> Value {
        caller.get(&format!("/integrations/{integration}/resolve?scope={scope}")).await.expect(200)
    }

    /// Creates a connection to a provider and registers its redirect URI there.
    pub async fn connection(
        &self,
        name: &str,
        scope: &str,
        provider: &TestProvider,
        changes: Value,
    ) -> Connection {
        let body = with(provider.authorization_code(), json!({"name": name}));
        let connection = self.create_connection(scope, with(body, changes)).await;
        provider
            .control()
            .register_redirect_uri(&provider.client_id, &text(&connection.created["redirect_uri"]));
        connection
    }

    pub async fn create_connection(&self, scope: &str, body: Value) -> Connection {
        let created = self.root().post(&format!("/connections?scope={scope}"), body).await.expect(201);
        Connection { name: text(&created["name"]), scope: scope.to_owned(), created }
    }

    /// The connection as an administrator sees it now.
    pub async fn show(&self, connection: &Connection) -> Value {
        self.root().get(&connection.path("")).await.expect(200)
    }

    /// The link to send to whoever signs in.
    pub async fn connect_url(&self, connection: &Connection) -> String {
        self.connect_url_with(connection, json!({})).await
    }

    pub async fn connect_url_with(&self, connection: &Connection, body: Value) -> String {
        let answer = self.root().post(&connection.path("/authorize"), body).await.expect(201);
        text(&answer["connect_url"])
    }

    /// Asks for a link, and walks it in a new browser to the page that says it worked.
    pub async fn connect_in_browser(&self, connection: &Connection) -> Page {
        self.connect_with(connection, json!({})).await
    }

    /// Connects a global connection for one organization alone.
    pub async fn connect_for(&self, connection: &Connection, organization: &Organization) -> Page {
        self.connect_with(connection, json!({"organization_id": organization.id})).await
    }

    async fn connect_with(&self, connection: &Connection, body: Value) -> Page {
        let connect_url = self.connect_url_with(connection, body).await;
        let page = sign_in(&mut Browser::new(), &connect_url).await;
        assert_eq!(page.status, 200, "{}", page.text);
        page
    }

    /// A connection of the platform under a name of its own, connected.
    pub async fn connected(&self, provider: &TestProvider) -> Connection {
        let connection = self.connection(&self.unique("Halo"), "global", provider, json!({})).await;
        self.connect_in_browser(&connection).await;
        connection
    }

    /// A connection of the platform on which so many organizations have grants of their own.
    pub async fn connected_for_many(
        &self,
        provider: &TestProvider,
        count: usize,
    ) -> (Connection, Vec<Organization>) {
        let connection = self.connection(&self.unique("Halo"), "global", provider, json!({})).await;
        let sign_ins = (0..count).map(|number| {
            let (app, connection) = (self.clone(), connection.clone());
            async move {
                let organization = app.organization(&format!("Customer {number}")).await;
                app.connect_for(&connection, &organization).await;
                organization
            }
        });
        let organizations = crate::all_at_once(sign_ins).await;
        (connection, organizations)
    }

    /// Asks for a token as the platform.
    pub async fn token(&self, connection: &Connection) -> Answer {
        self.root().get(&connection.path("/token")).await
    }

    /// Runs the refresher over all shards, and returns its report.
    pub async fn sweep(&self) -> Value {
        self.sweep_shards(0, 255).await
    }

    /// Runs it over these shards, first and last included.
    pub async fn sweep_shards(&self, first: u16, last: u16) -> Value {
        self.stack.invoke("refresher", json!({"shards": {"first": first, "last": last}})).await
    }

    /// Runs the cleaner, and returns its report.
    pub async fn clean(&self) -> Value {
        self.stack.invoke("cleaner", json!({})).await
    }
}

impl Connection {
    /// The path of one of its routes, in its own scope.
    pub fn path(&self, below: &str) -> String {
        format!("/connections/{}{below}?scope={}", self.name, self.scope)
    }
}

impl Organization {
    /// The path of its mapping on an integration.
    pub fn mapping(&self, integration: &str) -> String {
        format!("/integrations/{integration}/mappings/{}", self.id)
    }
}

fn owned<'a>(
    parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> impl Iterator<Item = (String, String)> {
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
