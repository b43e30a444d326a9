//! The strict provider with one registered client, and the connections that describe it.

use bifrost_local::provider::{self, Client, Control, Options, Running};
use serde_json::{Value, json};
use uuid::Uuid;

/// A provider of one test's own: its counts and faults are nobody else's.
#[derive(Debug)]
pub struct TestProvider {
    running: Running,
    pub client_id: String,
    pub client_secret: String,
}

impl TestProvider {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts one whose options are changed first.
    ///
    /// # Panics
    /// When no port is left.
    pub async fn with(adjust: impl FnOnce(&mut Options)) -> Self {
        let client_id = format!("client-{}", Uuid::new_v4().simple());
        let client_secret = format!("bfp_cs_{}", Uuid::new_v4().simple());
        let mut options = Options::strict(vec![Client::new(&client_id, &client_secret)]);
        adjust(&mut options);
        // What was changed is what is known from here on.
        let client_secret = options.clients[0].secret.clone();
        let running = provider::serve(options).await.unwrap();
        Self { running, client_id, client_secret }
    }

    pub fn control(&self) -> Control {
        self.running.control()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.running.url())
    }

    /// The body of `POST /connections` for a person's sign-in, without a name.
    pub fn authorization_code(&self) -> Value {
        json!({
            "flow": "authorization_code",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "authorization_url": self.url("/authorize"),
            "token_url": self.url("/token"),
            "revocation_url": self.url("/revoke"),
            "scopes": ["read", "offline_access"],
        })
    }

    /// The body of `POST /connections` for the client itself, at one tenant's token URL per organization.
    pub fn client_credentials(&self) -> Value {
        json!({
            "flow": "client_credentials",
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "token_url": self.url("/{entity_id}/token"),
            "scopes": ["api"],
        })
    }

    /// What the provider's API says about an access token; `null` when it refuses it.
    ///
    /// # Panics
    /// When the provider is stopped.
    pub async fn me(&self, access_token: &Value) -> Value {
        let request = crate::api::http().get(self.url("/me")).bearer_auth(access_token.as_str().unwrap());
        let response = request.send().await.unwrap();
        if !response.status().is_success() {
            return Value::Null;
        }
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    }

    /// From now on nobody answers at its address.
    pub async fn stop(self) {
        self.running.stop().await;
    }
}
