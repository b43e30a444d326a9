//! Deletions that are cut off right after their first write, and what goes on with them.

use std::sync::atomic::{AtomicBool, Ordering};

use bifrost_local::Fault;
use bifrost_tests::{Organization, TestApp, TestProvider, pause};
use serde_json::{Value, json};

/// Lets a function do nothing more once it has made a transaction, as if it had crashed there.
pub(crate) fn crash_after_transaction(app: &TestApp, function: &'static str) {
    let crashed = AtomicBool::new(false);
    app.stack().set_fault_hook(move |call| {
        if call.function != function {
            return None;
        }
        let is_crashed = crashed.load(Ordering::SeqCst);
        if call.operation == "TransactWriteItems" {
            crashed.store(true, Ordering::SeqCst);
        }
        is_crashed.then(Fault::invalid)
    });
}

fn revoked(provider: &TestProvider, token: &Value) -> bool {
    let token = token["access_token"].as_str().unwrap();
    provider.control().family_revoked(token) == Some(true)
}

fn token_path(connection: &str, organization: &Organization) -> String {
    format!("/connections/{connection}/token?scope={}", organization.id)
}

#[tokio::test]
async fn what_a_crash_leaves_of_a_deletion_serves_nobody_and_the_cleaner_removes_it() {
    let app = TestApp::alone().await;
    let (root, provider) = (app.root(), TestProvider::start().await);
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);

    // A connection with two grants.
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    let of_connection = [
        app.token(&connection).await.expect(200),
        root.get(&token_path(&connection.name, &acme)).await.expect(200),
    ];
    crash_after_transaction(&app, "connections-delete");
    root.delete(&connection.path("")).await.expect(204);
    app.token(&connection).await.problem(404, "not-found");
    assert!(!of_connection.iter().any(|token| revoked(&provider, token)));
    let again = app.connection(&connection.name, "global", &provider, json!({})).await;
    app.token(&again).await.problem(409, "not-connected");
    assert_eq!(app.show(&again).await["grants"], json!({"active": 0, "failing": 0, "reauthorize": 0}));

    // An integration with mappings, and a grant that nothing else needs.
    let name = app.integration("Halo", json!({})).await;
    let shared = app.connection(&name, "global", &provider, json!({})).await;
    app.connect_for(&shared, &acme).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    app.map(&name, &globex, json!({"entity_id": "2"})).await;
    let of_integration = root.get(&token_path(&name, &acme)).await.expect(200);
    crash_after_transaction(&app, "integrations-delete");
    root.delete(&format!("/integrations/{name}")).await.expect(204);
    root.get(&format!("/integrations/{name}")).await.problem(404, "not-found");
    let successor = root.post("/integrations", json!({"name": name})).await.expect(201);
    root.get(&acme.mapping(&name)).await.problem(404, "not-found");
    let adopted = app.map(&name, &globex, json!({"entity_id": "1"})).await;
    assert_eq!(adopted["integration_id"], successor["id"]);
    assert!(!revoked(&provider, &of_integration));

    // An organization with a grant of its own.
    let initech = app.organization("Initech").await;
    let own = app.connection("own", &initech.id, &provider, json!({})).await;
    app.connect_in_browser(&own).await;
    app.map(&name, &initech, json!({"entity_id": "3"})).await;
    crash_after_transaction(&app, "organizations-delete");
    let path = format!("/organizations/{}", initech.id);
    let crashed = root.delete(&path).await;
    assert!(crashed.status >= 500, "{}", crashed.text);
    root.put(&initech.mapping(&name), json!({})).await.problem(404, "not-found");
    let taken = root.post("/organizations", json!({"id": initech.id, "name": "Initech"})).await;
    taken.problem(409, "name-taken");

    app.stack().end_faults();
    app.clean().await;
    assert!(of_connection.iter().all(|token| revoked(&provider, token)));
    assert!(revoked(&provider, &of_integration));
    root.post("/organizations", json!({"id": initech.id, "name": "Initech"})).await.expect(201);
    root.get(&own.path("")).await.problem(404, "not-found");
    app.map(&name, &acme, json!({"entity_id": "3"})).await;
    root.get(&globex.mapping(&name)).await.expect(200);

    // The indexes have had their time by then.
    pause(61_000).await;
    app.clean().await;
    assert_eq!(app.clean().await, json!({"finished": 0, "remaining": 0}));
}

#[tokio::test]
async fn an_organizations_tokens_are_revoked_at_its_deletion() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let own = app.connection("own", &acme.id, &provider, json!({})).await;
    app.connect_in_browser(&own).await;
    let global = app.connected(&provider).await;
    app.connect_for(&global, &acme).await;
    let tokens = [
        app.token(&own).await.expect(200),
        app.root().get(&token_path(&global.name, &acme)).await.expect(200),
    ];
    let others = app.token(&global).await.expect(200);
    app.root().delete(&format!("/organizations/{}", acme.id)).await.expect(204);
    assert!(tokens.iter().all(|token| revoked(&provider, token)));
    assert!(!revoked(&provider, &others));
}
