//! An OpenID Connect issuer: a real server with a configuration and keys that change when the test says so, and which
//! signs whatever the test wants.

use std::sync::{Arc, Mutex, MutexGuard};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bifrost::model::{
    Secret,
    client_key::{PrivateKey, SigningAlgorithm},
};
use bifrost_tests::{Api, TestApp, with};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(super) const AUDIENCE: &str = "https://bifrost.example";
const JWKS: &str = include_str!("../../../fixtures/jwks.json");
const CONFIGURATION: &str = "/.well-known/openid-configuration";

/// Whose key signs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum By {
    Rsa,
    P256,
}

/// What the issuer answers, whatever it is asked for.
#[derive(Clone, Debug)]
pub(super) enum Mood {
    Fine,
    Status(u16),
    /// Sends the asker on.
    Elsewhere(String),
    /// The connection stays open, and nothing comes.
    Silent,
    /// This configuration instead of its own.
    Saying(Value),
}

#[derive(Debug)]
pub(crate) struct Issuer {
    pub(super) url: String,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    keys: Value,
    mood: Mood,
    asked: Vec<String>,
}

impl By {
    pub(super) fn jwk(self) -> Value {
        let keys: Value = serde_json::from_str(JWKS).unwrap();
        keys["keys"][self as usize].clone()
    }

    /// These very bytes, signed.
    pub(crate) fn sign(self, header: &Value, claims: &Value) -> String {
        let (pem, algorithm) = match self {
            Self::Rsa => (include_str!("../../../fixtures/rsa.key.pem"), SigningAlgorithm::RS256),
            Self::P256 => (include_str!("../../../fixtures/p256.key.pem"), SigningAlgorithm::ES256),
        };
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let key = PrivateKey::parse(&Secret::from(pem.to_owned())).unwrap();
        let signature = key.sign(algorithm, message.as_bytes()).unwrap();
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    pub(crate) fn header(self) -> Value {
        match self {
            Self::Rsa => json!({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}),
            Self::P256 => json!({"alg": "ES256", "typ": "at+jwt", "kid": "p256"}),
        }
    }
}

pub(super) fn now() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp()
}

impl Issuer {
    /// One that signs with its RSA key and publishes that alone.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let keys = json!({"keys": [By::Rsa.jwk()]});
        let state = Arc::new(Mutex::new(State { keys, mood: Mood::Fine, asked: Vec::new() }));
        let (shared, own) = (Arc::clone(&state), url.clone());
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, own.clone(), Arc::clone(&shared)));
            }
        });
        Self { url, state, server }
    }

    /// A stack at which this issuer's people sign in.
    pub(crate) async fn stack(&self) -> TestApp {
        self.stack_with(&[]).await
    }

    pub(super) async fn stack_with(&self, parameters: &[(&str, &str)]) -> TestApp {
        let own = [("OidcIssuer", self.url.as_str()), ("OidcAudience", AUDIENCE)];
        TestApp::with_parameters(own.iter().chain(parameters).copied()).await
    }

    /// What a token says of someone with this role in an organization, or on the `platform`; a token of its own each time.
    pub(crate) fn claims(&self, role: &str, organization: &str) -> Value {
        json!({
            "iss": self.url, "aud": AUDIENCE, "sub": "auth0|ada", "iat": now(), "exp": now() + 600,
            "jti": Uuid::new_v4(), "bifrost_role": role, "bifrost_organization_id": organization,
        })
    }

    /// Signs someone in, with changes to what the token says.
    pub(crate) fn person(&self, app: &TestApp, role: &str, organization: &str, changes: Value) -> Api {
        let claims = with(self.claims(role, organization), changes);
        app.with_key(&By::Rsa.sign(&By::Rsa.header(), &claims))
    }

    pub(super) fn publish(&self, keys: &[By]) {
        let keys: Vec<Value> = keys.iter().map(|by| by.jwk()).collect();
        self.state().keys = json!({"keys": keys});
    }

    pub(super) fn is(&self, mood: Mood) {
        self.state().mood = mood;
    }

    /// How often it was asked for its configuration.
    pub(super) fn times_asked(&self) -> usize {
        self.state().asked.iter().filter(|path| *path == CONFIGURATION).count()
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(mut stream: TcpStream, issuer: String, state: Arc<Mutex<State>>) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mood, keys) = {
        let mut state = state.lock().unwrap();
        state.asked.push(path.clone());
        (state.mood.clone(), state.keys.clone())
    };
    let configuration = json!({"issuer": issuer, "jwks_uri": format!("{issuer}/jwks")});
    let (status, headers, body) = match (mood, path.as_str()) {
        (Mood::Silent, _) => return std::future::pending().await,
        (Mood::Status(status), _) => (status, String::new(), Value::Null),
        (Mood::Elsewhere(to), _) => (302, format!("location: {to}{path}\r\n"), Value::Null),
        (Mood::Saying(configuration), CONFIGURATION) => (200, String::new(), configuration),
        (_, CONFIGURATION) => (200, String::new(), configuration),
        (_, "/jwks") => (200, String::new(), keys),
        _ => (404, String::new(), Value::Null),
    };
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {status} -\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    // Whoever went away does not want it.
    let _ = stream.write_all((head + &body).as_bytes()).await;
}
