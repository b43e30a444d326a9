//! A stack with secrets of every kind, and what operators see of its tables.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bifrost_tests::{Connection, DATA, DATA_KEYS, Folder, Organization, TestApp, TestProvider};
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

/// A stack with a secret of every kind in the global scope and in an organization's.
pub(super) struct House {
    pub(super) app: TestApp,
    pub(super) provider: TestProvider,
    pub(super) connection: Connection,
    pub(super) acme: Organization,
    pub(super) integration: String,
}

impl House {
    pub(super) async fn in_stack(app: TestApp) -> Self {
        let provider = TestProvider::start().await;
        let acme = app.organization("Acme").await;
        let schema = json!([{"key": "shared", "type": "secret"}, {"key": "own", "type": "secret"}]);
        let body = json!({"config_schema": schema, "defaults": {"shared": "shared-value"}});
        let integration = app.integration("Halo", body).await;
        let next = json!({"client_secret_next": "next-value"});
        let connection = app.connection(&integration, "global", &provider, next).await;
        app.connect_in_browser(&connection).await;
        app.map(&integration, &acme, json!({"config": {"own": "own-value"}})).await;
        app.connect_for(&connection, &acme).await;
        let own = app.connection("own", &acme.id, &provider, json!({})).await;
        app.connect_in_browser(&own).await;
        Self { app, provider, connection, acme, integration }
    }

    /// Everything that was sealed comes out again, and serves.
    pub(super) async fn assert_readable(&self) {
        let resolved = self.app.resolve(&self.app.root(), &self.integration, &self.acme.id).await;
        assert_eq!(resolved["config"], json!({"shared": "shared-value", "own": "own-value"}), "{resolved}");
        assert_eq!(resolved["oauth"]["client_secret"], json!(self.provider.client_secret), "{resolved}");
        for path in
            [self.connection.path("/refresh"), format!("/connections/own/refresh?scope={}", self.acme.id)]
        {
            self.app.root().post(&path, json!({})).await.expect(200);
        }
    }

    /// The same data under a new deployment, with nothing in any memory.
    pub(super) async fn redeployed(self, folder: &Folder, parameters: &[(&str, &str)]) -> Self {
        let Self { app, provider, connection, acme, integration } = self;
        app.kill().await;
        let app = TestApp::with_data_and_parameters(folder.path(), parameters.iter().copied()).await;
        Self { app, provider, connection, acme, integration }
    }

    pub(super) async fn reseal(&self, order: Value) -> Value {
        self.app.stack().try_reseal(order).await.unwrap()
    }

    pub(super) async fn items(&self, table: &str) -> Vec<Value> {
        self.app.stack().items(table).await
    }

    /// The grants that hold tokens.
    pub(super) async fn grants(&self) -> Vec<Value> {
        let has_token = |item: &Value| !item["access_token"].is_null();
        self.items(DATA).await.into_iter().filter(has_token).collect()
    }

    /// The KMS keys that wrap the data keys.
    pub(super) async fn wrapped_by(&self) -> BTreeSet<String> {
        let keys = self.items(DATA_KEYS).await;
        keys.iter().map(|item| item["kms_key"]["S"].as_str().unwrap().to_owned()).collect()
    }

    /// As if every pause after a failure were over.
    pub(super) async fn end_pauses(&self) {
        self.app.stack().change_items(DATA, "retry_at", json!({"S": LONG_AGO})).await;
    }

    /// The data keys that there are, by partition.
    pub(super) async fn data_keys(&self) -> BTreeSet<(String, Uuid)> {
        let keys = self.items(DATA_KEYS).await;
        let key = |item: &Value| {
            let version = item["version"]["S"].as_str().unwrap().parse().unwrap();
            (item["pk"]["S"].as_str().unwrap().to_owned(), version)
        };
        keys.iter().map(key).collect()
    }

    /// The data keys that values in the tables are sealed under.
    pub(super) async fn needed(&self) -> BTreeSet<(String, Uuid)> {
        let mut needed = BTreeSet::new();
        for item in self.items(DATA).await {
            let partition = item["pk"]["S"].as_str().unwrap().to_owned();
            // A state's values live for minutes, under whatever its scope had then.
            if partition == "GLOBAL" || partition.starts_with("ORG#") {
                versions(&item, &mut |version| _ = needed.insert((partition.clone(), version)));
            }
        }
        assert!(!needed.is_empty());
        needed
    }

    /// As if the data keys that are no longer current had been so for longer, and nothing had been sealed anew lately.
    pub(super) async fn age(&self, superseded_at: Option<&str>, kept_until: Option<&str>) {
        for (attribute, at) in [("superseded_at", superseded_at), ("kept_until", kept_until)] {
            let Some(at) = at else { continue };
            self.app.stack().change_items(DATA_KEYS, attribute, json!({"S": at})).await;
        }
    }
}

/// The data key versions of all sealed values in an item: their bytes 1 to 16.
fn versions(value: &Value, found: &mut dyn FnMut(Uuid)) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(bytes)) = members.get("B") {
                let bytes = STANDARD.decode(bytes).unwrap();
                found(Uuid::from_slice(&bytes[1..17]).unwrap());
            }
            members.values().for_each(|member| versions(member, found));
        }
        Value::Array(members) => members.iter().for_each(|member| versions(member, found)),
        _ => {}
    }
}
