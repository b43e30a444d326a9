use bifrost_tests::{TestApp, TestProvider, pause};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{RSA, RSA_CERTIFICATE, by_key, for_itself, patch, signed_in};

/// So many days and one hour from now.
fn in_days(days: i64) -> String {
    let at = OffsetDateTime::now_utc() + time::Duration::days(days) + time::Duration::hours(1);
    at.format(&Rfc3339).unwrap()
}

/// A sweep's line of metrics about secrets that expire, of which there were so many before.
async fn counted(app: &TestApp, before: usize) -> Value {
    app.sweep().await;
    let lines = app.stack().metrics("SecretsExpiringIn7Days", before + 1).await;
    assert_eq!(lines.len(), before + 1);
    lines.last().unwrap().clone()
}

fn counts(line: &Value) -> [u64; 4] {
    ["SecretsExpiringIn30Days", "SecretsExpiringIn7Days", "SecretsExpiringIn1Day", "SecretsExpired"]
        .map(|metric| line[metric].as_u64().unwrap())
}

#[tokio::test]
async fn a_secret_that_expires_is_said_to_in_the_status_whatever_the_grant() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let fresh = for_itself(&app, &provider, json!({"client_secret_expires_at": in_days(40)})).await;
    assert!(fresh.created["status_message"].is_null(), "{}", fresh.created);
    let connection = signed_in(&app, &provider, json!({})).await;
    for (days, said) in [
        (29, "expires within 30 days"),
        (6, "expires within 7 days"),
        (0, "expires within 1 day"),
        (-1, "The client secret expired on"),
    ] {
        for connection in [&fresh, &connection] {
            let shown = patch(&app, connection, json!({"client_secret_expires_at": in_days(days)})).await;
            let message = shown["status_message"].as_str().unwrap();
            assert!(message.contains(said) && message.contains("client_secret_next"), "{message}");
            assert_eq!(app.show(connection).await["status_message"], message);
        }
    }
    let shown = patch(&app, &connection, json!({"client_secret_expires_at": null})).await;
    assert!(shown["status_message"].is_null(), "{shown}");
    // Beside what else there is to say.
    let change =
        json!({"client_secret_expires_at": in_days(6), "scopes": ["read", "write", "offline_access"]});
    let message = patch(&app, &connection, change).await["status_message"].as_str().unwrap().to_owned();
    assert!(message.contains("reconnect") && message.contains("within 7 days"), "{message}");
}

#[tokio::test]
async fn a_certificate_that_has_a_long_life_is_not_spoken_of() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let mut changes = by_key(RSA);
    changes["client_certificate"] = json!(RSA_CERTIFICATE);
    assert!(for_itself(&app, &provider, changes).await.created["status_message"].is_null());
}

#[tokio::test]
async fn a_sweep_counts_what_expires_with_one_query_and_names_the_soonest() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    assert_eq!(counts(&counted(&app, 0).await), [0, 0, 0, 0]);
    let expiring = |days| json!({"client_secret_expires_at": in_days(days)});
    let mut made = Vec::new();
    for days in [-90, -1, 0, 6, 29, 40] {
        made.push(for_itself(&app, &provider, expiring(days)).await);
    }
    let acme = app.organization("Acme").await;
    app.connection("Halo", &acme.id, &provider, expiring(3)).await;
    let before = app.stack().calls_by("refresher");
    let line = counted(&app, 1).await;
    assert_eq!(counts(&line), [4, 3, 1, 1], "{line}");
    let soonest: Vec<_> =
        line["soonest"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(soonest.len(), 5, "{line}");
    assert!(soonest.contains(&format!("ORG#{}/CONNECTION#halo", acme.id).as_str()), "{line}");
    let after = app.stack().calls_by("refresher");
    assert_eq!(
        after["DynamoDB.Query"] - before["DynamoDB.Query"],
        257,
        "256 shards, and one for all that expire"
    );
    assert_eq!(after.get("DynamoDB.Scan"), None);

    // A new secret, a removed date, and a connection that is gone are no more of it.
    patch(&app, &made[1], expiring(300)).await;
    patch(&app, &made[2], json!({"client_secret_expires_at": null})).await;
    app.root().delete(&made[3].path("")).await.expect(204);
    assert_eq!(counts(&counted(&app, 2).await), [2, 1, 0, 0]);
    // Using a connection leaves it where it is.
    app.token(&made[4]).await.expect(200);
    assert_eq!(counts(&counted(&app, 3).await), [2, 1, 0, 0]);
    let elsewhere = app.sweep_shards(1, 255).await;
    assert_eq!(elsewhere["due"], 0);
    pause(100).await;
    let told = app.stack().metrics("SecretsExpiringIn7Days", 4).await;
    assert_eq!(told.len(), 4, "only the sweep with the first shard tells");
}
