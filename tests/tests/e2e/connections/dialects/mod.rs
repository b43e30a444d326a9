//! Every way in which a provider may leave RFC 6749, as a connection's `dialect` says it: spoken by a provider of its
//! own, from the sign-in or the mint to the refresh, with what that provider was sent and what the API answers.
//!
//! `cargo test -p bifrost-tests --test e2e dialects::table -- --nocapture` prints the table. `rows` says what each dialect
//! is, `lost` what its rules for used refresh tokens change when an answer is lost.

mod lost;
mod origin;
mod provider;
mod rows;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bifrost_tests::{Browser, Connection, TestApp, confirm, with};
use serde_json::{Value, json};

use provider::{Provider, Received, Reply};
use rows::rows;

/// A dialect, and what must come of it.
struct Row {
    name: &'static str,
    flow: &'static str,
    /// What the connection says besides the provider's addresses.
    connection: Value,
    /// What the provider adds to its redirect back.
    callback: &'static str,
    sign_in: fn(&Received),
    /// The sign-in or the first mint, and what follows it.
    exchanges: [Exchange; 2],
}

/// One answer of the provider, what it was asked before, and what the API says after.
struct Exchange {
    reply: Reply,
    sent: fn(&Received),
    answers: fn(&Seen),
}

/// What the API answers after an exchange.
struct Seen {
    token: Value,
    connection: Value,
    /// What resolve says under `oauth`.
    resolved: Value,
}

const COLUMNS: [&str; 6] = ["connect, mint", "was sent", "answers", "refresh", "was sent", "answers"];

#[tokio::test]
async fn table_of_dialects_and_what_becomes_of_them() {
    let app = TestApp::shared().await;
    let mut table = format!("{:<48} | {:<18}", "dialect", "flow");
    table.extend(COLUMNS.map(|column| format!(" | {column:<13}")));
    let mut failed = 0;
    for row in rows() {
        let cells = try_out(&app, &row).await;
        table.push_str(&format!("\n{:<48} | {:<18}", row.name, row.flow));
        for cell in &cells {
            let word = if cell.is_ok() { "yes" } else { "NO" };
            table.push_str(&format!(" | {word:<13}"));
        }
        for (column, cell) in COLUMNS.iter().zip(&cells) {
            if let Err(why) = cell {
                failed += 1;
                table.push_str(&format!("\n    {column}: {why}"));
            }
        }
    }
    println!("{table}");
    assert_eq!(failed, 0, "{table}");
}

#[tokio::test]
async fn a_value_that_is_not_listed_fills_no_url() {
    let app = TestApp::shared().await;
    let provider = Provider::start("", []).await;
    let body = json!({
        "token_url": "/{region}/token", "token_url_defaults": {"region": "moon"},
        "dialect": {"url_values": {"region": ["eu", "us"]}},
    });
    let connection = connection(&app, &provider, "client_credentials", body).await;
    let refused = app.token(&connection).await.problem(422, "placeholder-unresolved");
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("{region}") && detail.contains("eu, us"), "{detail}");
    assert!(provider.token_requests().is_empty());
}

/// One cell for each column, as far as it gets.
async fn try_out(app: &TestApp, row: &Row) -> Vec<Result<(), String>> {
    let provider =
        Provider::start(row.callback, row.exchanges.iter().map(|exchange| exchange.reply.clone())).await;
    let connection = connection(app, &provider, row.flow, row.connection.clone()).await;
    let integration = app.integration("Dialect", json!({"connection": connection.name})).await;
    let mut cells = Vec::new();
    for (index, exchange) in row.exchanges.iter().enumerate() {
        let begun = match (index, row.flow) {
            (0, "authorization_code") => connect(app, &connection).await,
            (0, _) => ok(app.token(&connection).await.status),
            _ => ok(app.root().post(&connection.path("/refresh"), json!({})).await.status),
        };
        let requests = provider.token_requests();
        let Some(request) = requests.get(index).filter(|_| begun.is_ok()) else {
            cells.push(begun.and(Err("no request reached the provider".to_owned())));
            return cells;
        };
        cells.push(begun);
        cells.push(holds(|| {
            assert_eq!(requests.len(), index + 1, "it was asked more often than that");
            (exchange.sent)(request);
            provider.sign_ins().iter().for_each(row.sign_in);
        }));
        let seen = Seen {
            token: app.token(&connection).await.body,
            connection: app.show(&connection).await,
            resolved: app.resolve(&app.root(), &integration, "global").await["oauth"].clone(),
        };
        cells.push(holds(|| {
            assert_eq!(seen.token["generation"], index + 1, "{}", seen.token);
            assert_eq!(seen.connection["status"], "active", "{}", seen.connection);
            (exchange.answers)(&seen);
        }));
    }
    cells
}

fn ok(status: u16) -> Result<(), String> {
    if status == 200 { Ok(()) } else { Err(format!("answered {status}")) }
}

/// Whether the assertions hold, or what the one that does not says.
fn holds(assertions: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(assertions)).map_err(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(_) => "an assertion without words".to_owned(),
    })
}

/// A connection of the platform to this provider.
async fn connection(app: &TestApp, provider: &Provider, flow: &str, changes: Value) -> Connection {
    let token_url = changes["token_url"].as_str().unwrap_or("/token");
    let addresses = json!({
        "name": app.unique("Dialect"),
        "authorization_url": (flow == "authorization_code").then(|| provider.url("/authorize")),
        "token_url": provider.url(token_url),
    });
    let body = json!({
        "flow": flow, "client_id": "a-client", "client_secret": "a-secret", "client_auth": "post",
        "scopes": ["read", "write"],
    });
    app.create_connection("global", with(with(body, changes), addresses)).await
}

/// Signs in, which the provider allows without a question.
async fn connect(app: &TestApp, connection: &Connection) -> Result<(), String> {
    let mut browser = Browser::new();
    let provider = confirm(&mut browser, &app.connect_url(connection).await).await;
    let callback = browser.open(provider.as_str()).await.location();
    ok(browser.open(callback.as_str()).await.status)
}
