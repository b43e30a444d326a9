//! How clients prove themselves to a provider that verifies it to the letter: by a key, by a key in KMS, by one of two
//! secrets; and how it is said that this ends soon.

mod expiry;
mod kms;
mod private_key;
mod two_secrets;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bifrost_local::provider::{Client, ClientKey, Options};
use bifrost_tests::{Answer, Connection, TestApp, TestProvider, with};
use serde_json::{Value, json};

const RSA: &str = include_str!("../../../../fixtures/rsa.key.pem");
const RSA_PUBLIC: &str = include_str!("../../../../fixtures/rsa.pub.pem");
const RSA_CERTIFICATE: &str = include_str!("../../../../fixtures/rsa.crt.pem");
const P256: &str = include_str!("../../../../fixtures/p256.key.pem");
const P256_PUBLIC: &str = include_str!("../../../../fixtures/p256.pub.pem");
const P256_CERTIFICATE: &str = include_str!("../../../../fixtures/p256.crt.pem");

/// A provider whose client has this key and no secret.
async fn provider_with(key: ClientKey) -> TestProvider {
    provider_and(key, |_| {}).await
}

async fn provider_and(key: ClientKey, adjust: impl FnOnce(&mut Options)) -> TestProvider {
    TestProvider::with(|options| {
        let id = options.clients[0].id.clone();
        options.clients = vec![Client::with_key(id, key)];
        adjust(options);
    })
    .await
}

/// In place of a secret: this key.
fn by_key(pem: &str) -> Value {
    json!({"client_secret": null, "client_auth": "private_key_jwt", "client_private_key": pem})
}

/// A connection of the platform that nobody has to sign in to.
async fn for_itself(app: &TestApp, provider: &TestProvider, changes: Value) -> Connection {
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    let body = with(with(provider.client_credentials(), body), changes);
    app.create_connection("global", body).await
}

/// A connection of the platform that someone has signed in to.
async fn signed_in(app: &TestApp, provider: &TestProvider, changes: Value) -> Connection {
    let connection = app.connection(&app.unique("Halo"), "global", provider, changes).await;
    app.connect_in_browser(&connection).await;
    connection
}

async fn refresh(app: &TestApp, connection: &Connection) -> Answer {
    app.root().post(&connection.path("/refresh"), json!({})).await
}

async fn patch(app: &TestApp, connection: &Connection, change: Value) -> Value {
    app.root().patch(&connection.path(""), change).await.expect(200)
}

/// The header and the claims of each assertion that came to the token endpoint.
fn assertions(provider: &TestProvider) -> Vec<(Value, Value)> {
    let requests = provider.control().token_requests();
    let jwts = requests.iter().filter_map(|request| request.param("client_assertion"));
    jwts.map(|jwt| {
        let part = |number: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(number).unwrap()).unwrap();
            serde_json::from_slice(&bytes).unwrap()
        };
        (part(0), part(1))
    })
    .collect()
}
