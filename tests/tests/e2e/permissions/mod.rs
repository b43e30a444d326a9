//! What functions ask of AWS once in a long while: who seals first in a scope, whose client keeps its secret elsewhere,
//! who comes second to a write. The local stack denies what a policy does not allow, so these tests hold the policies to
//! what the code can come to need; `tests/policies.rs` then finds it used.

mod clients;
mod console;
mod first_seal;
mod rare;

use bifrost_tests::{Connection, TestApp, TestProvider, with};
use serde_json::{Value, json};

/// Keeps the client's secret in Secrets Manager; what a connection says in place of it.
async fn by_reference(app: &TestApp, provider: &TestProvider) -> Value {
    let name = format!("bifrost/connections/{}", uuid::Uuid::new_v4());
    app.stack().put_secret(&name, &provider.client_secret).await;
    json!({"client_secret": null, "client_secret_ref": name})
}

/// A connection that nobody has to sign in to.
async fn for_itself(app: &TestApp, provider: &TestProvider, scope: &str, changes: Value) -> Connection {
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/common/token")});
    app.create_connection(scope, with(with(provider.client_credentials(), body), changes)).await
}

/// How often a function has made this call.
fn calls(app: &TestApp, function: &str, call: &str) -> u64 {
    app.stack().calls_by(function).get(call).copied().unwrap_or_default()
}
