//! The refresher: what it finds due, what it leaves alone, and what it reports.

use std::time::{Duration, Instant};

use bifrost_local::{Fault as AwsFault, provider::Fault};
use bifrost_tests::{Browser, RunningStack, TestApp, TestProvider, pause, with};
use serde_json::{Value, json};

/// A provider whose tokens live for so many seconds; they are due after half of them.
async fn brief(seconds: u64) -> TestProvider {
    TestProvider::with(|options| options.access_token_lifetime = Duration::from_secs(seconds)).await
}

fn counts(report: &Value) -> [u64; 5] {
    ["due", "refreshed", "failed", "skipped", "remaining"].map(|count| report[count].as_u64().unwrap())
}

#[tokio::test]
async fn a_due_grant_is_refreshed_once_and_reported() {
    let app = TestApp::alone().await;
    let provider = brief(12).await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    app.connect_for(&connection, &acme).await;
    let lasting = app.connected(&TestProvider::start().await).await;
    assert_eq!(counts(&app.sweep().await), [0, 0, 0, 0, 0], "nothing is due before half the lifetime");
    pause(6_500).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    assert_eq!(counts(&app.sweep().await), [2, 2, 0, 0, 0]);
    assert_eq!(counts(&app.sweep().await), [0, 0, 0, 0, 0]);
    assert_eq!(provider.control().token_request_count("refresh_token"), 2);
    assert_eq!(app.token(&connection).await.expect(200)["generation"], 2);
    assert_eq!(app.token(&lasting).await.expect(200)["generation"], 1);
    assert!(app.show(&connection).await["last_refresh_at"].is_string());
}

#[tokio::test]
async fn one_provider_in_trouble_does_not_stop_the_others() {
    let app = TestApp::alone().await;
    let (good, down, revoked) = (brief(4).await, brief(4).await, brief(4).await);
    let healthy = app.connected(&good).await;
    let failing = app.connected(&down).await;
    let dead = app.connected(&revoked).await;
    let token = app.token(&dead).await.expect(200);
    revoked.control().revoke_family(token["access_token"].as_str().unwrap());
    down.control().fail_next_token(Fault::answer(503, "{}"));
    good.control().set_access_token_lifetime(Duration::from_secs(3600));
    pause(2_500).await;
    assert_eq!(counts(&app.sweep().await), [3, 1, 2, 0, 0]);
    let status = async |connection| app.show(connection).await["status"].clone();
    assert_eq!(status(&healthy).await, "active");
    assert_eq!(status(&failing).await, "failing");
    assert_eq!(status(&dead).await, "reauthorize");
    let (tried, buried) = (down.control().token_requests().len(), revoked.control().token_requests().len());
    app.sweep().await;
    assert_eq!(down.control().token_requests().len(), tried, "a failed grant waits for its next attempt");
    assert_eq!(revoked.control().token_requests().len(), buried, "a dead grant is not tried again");
}

#[tokio::test]
async fn a_sweep_and_requests_at_once_spend_the_token_once() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let connection = app.connected(&provider).await;
    pause(4_100).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_millis(500));
    let (_, first, second) = tokio::join!(app.sweep(), app.token(&connection), app.token(&connection));
    assert_eq!(first.expect(200)["generation"], 2);
    assert_eq!(second.expect(200)["generation"], 2);
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn what_is_minted_on_demand_is_not_swept() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let body = json!({"name": app.unique("Graph"), "token_url": provider.url("/token")});
    let connection = app.create_connection("global", with(provider.client_credentials(), body)).await;
    app.token(&connection).await.expect(200);
    pause(2_500).await;
    assert_eq!(counts(&app.sweep().await), [0, 0, 0, 0, 0]);
}

#[tokio::test]
async fn sweeps_that_overlap_spend_every_token_once() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let mut connections = Vec::new();
    for _ in 0..3 {
        connections.push(app.connected(&provider).await);
    }
    pause(2_500).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_millis(500));
    let reports = tokio::join!(app.sweep(), app.sweep(), app.sweep());
    for report in [&reports.0, &reports.1, &reports.2] {
        let [due, refreshed, failed, skipped, remaining] = counts(report);
        assert_eq!((due, failed, remaining), (refreshed + skipped, 0, 0), "{report}");
    }
    assert_eq!(provider.control().token_request_count("refresh_token"), 3);
    for connection in &connections {
        assert_eq!(app.token(connection).await.expect(200)["generation"], 2);
    }
}

#[tokio::test]
async fn one_slow_provider_does_not_hold_up_the_others() {
    let app = TestApp::alone().await;
    let (slow, quick) = (brief(8).await, brief(8).await);
    app.connected_for_many(&slow, 30).await;
    app.connected_for_many(&quick, 10).await;
    pause(8_100).await;
    for provider in [&slow, &quick] {
        provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    }
    slow.control().hold_token(Duration::from_secs(12));
    let quick_is_done = async {
        while quick.control().token_request_count("refresh_token") < 10 {
            pause(20).await;
        }
        assert_eq!(slow.control().token_request_count("refresh_token"), 0, "the slow one came first");
    };
    let (report, ()) = tokio::join!(app.sweep(), quick_is_done);
    assert_eq!(counts(&report), [40, 40, 0, 0, 0]);
}

/// What the sweeps have done by the table's own account, hour by hour: how many were refreshed, and how many failed.
async fn swept_hours(stack: &RunningStack) -> Vec<[u64; 2]> {
    let scan = json!({
        "TableName": data_table(stack).await, "FilterExpression": "begins_with(sk, :swept)",
        "ExpressionAttributeValues": {":swept": {"S": "SWEPT#"}},
    });
    let found = stack.aws("DynamoDB_20120810.Scan", scan).await.unwrap();
    let number =
        |item: &Value, name: &str| -> u64 { item[name]["N"].as_str().unwrap().parse::<u64>().unwrap() };
    let now = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap();
    let hours = found["Items"].as_array().unwrap().iter().map(|item| {
        let kept = number(item, "expires_on") - now;
        assert!((6 * 86_400..=8 * 86_400).contains(&kept), "it goes by itself, but not too soon: {item}");
        ["refreshed", "failed"].map(|count| number(item, count))
    });
    hours.collect()
}

/// Those of all hours, for a test may run over the end of one.
fn all_hours(hours: &[[u64; 2]]) -> [u64; 2] {
    hours.iter().fold([0, 0], |sum, hour| [sum[0] + hour[0], sum[1] + hour[1]])
}

#[tokio::test]
async fn what_the_sweeps_of_an_hour_did_is_added_up_and_shown() {
    let app = TestApp::alone().await;
    let (good, bad) = (brief(4).await, brief(4).await);
    app.connected_for_many(&good, 2).await;
    let broken = app.connected(&bad).await;
    bad.control().set_client_secret(&bad.client_id, "another");
    good.control().set_access_token_lifetime(Duration::from_secs(6));
    assert_eq!(counts(&app.sweep().await), [0, 0, 0, 0, 0]);
    assert_eq!(
        swept_hours(app.stack()).await,
        Vec::<[u64; 2]>::new(),
        "a sweep that did nothing writes nothing"
    );
    pause(2_500).await;
    assert_eq!(counts(&app.sweep().await), [3, 2, 1, 0, 0]);
    assert_eq!(all_hours(&swept_hours(app.stack()).await), [2, 1]);
    pause(3_500).await;
    good.control().set_access_token_lifetime(Duration::from_secs(3600));
    let [_, refreshed, failed, ..] = counts(&app.sweep().await);
    assert_eq!((refreshed, failed), (2, 0));
    assert_eq!(all_hours(&swept_hours(app.stack()).await), [4, 1]);

    let mut browser = Browser::new();
    let page = browser.open(&format!("{}/console/sign-in", app.url())).await;
    browser.submit(&page, &page.form().set("key", app.root().key())).await;
    let page = browser.open(&format!("{}/console/overview", app.url())).await;
    assert_eq!(page.status, 200);
    // The one that failed is due as it was: its connection's breaker holds it back.
    let upcoming = "3 tokens that expire and are to be refreshed in the next 24 hours, by the hour in UTC. 1 of them is due";
    for words in ["4 refreshed and 1 failed in the last 24 hours", upcoming, &broken.name] {
        assert!(page.text.contains(words), "{words} is missing in {}", page.text);
    }
}

#[tokio::test]
async fn a_sweep_that_can_not_be_added_up_is_as_good_and_as_quick() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let connection = app.connected(&provider).await;
    pause(2_500).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    app.stack().set_fault_hook(|call| {
        let adding = call.body.windows(6).any(|part| part == b"SWEPT#");
        adding.then(AwsFault::throughput_exceeded)
    });
    let begun = Instant::now();
    assert_eq!(counts(&app.sweep().await), [1, 1, 0, 0, 0]);
    assert!(begun.elapsed() < Duration::from_secs(45), "{:?}", begun.elapsed());
    app.stack().end_faults();
    assert!(swept_hours(app.stack()).await.is_empty());
    assert!(app.stack().logs().contains("the sweep is missing in its hour's sum"));
    assert_eq!(app.token(&connection).await.expect(200)["generation"], 2);
}

/// The table of everything but the data keys.
async fn data_table(stack: &RunningStack) -> Value {
    let tables = stack.aws("DynamoDB_20120810.ListTables", json!({})).await.unwrap();
    let tables = tables["TableNames"].as_array().unwrap();
    tables.iter().find(|name| name.as_str().unwrap().contains("DataTable")).unwrap().clone()
}

#[tokio::test]
async fn what_is_broken_in_the_table_stops_nothing_else() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    let (_, organizations) = app.connected_for_many(&provider, 5).await;
    let stack = app.stack();
    let table = data_table(stack).await;
    let scan = json!({"TableName": table, "ProjectionExpression": "pk, sk"});
    let found = stack.aws("DynamoDB_20120810.Scan", scan).await.unwrap();
    let keys = found["Items"].as_array().unwrap();
    let grant = |organization: &str| {
        let pk = format!("ORG#{organization}");
        let of =
            |key: &&Value| key["pk"]["S"] == pk && key["sk"]["S"].as_str().unwrap().starts_with("GRANT#");
        keys.iter().find(of).unwrap().clone()
    };
    // A grant that can't be read, one whose token does not open, and something that is no grant at all.
    let damage = [("status", json!({"N": "7"})), ("refresh_token", json!({"B": "AQID"}))];
    for ((attribute, value), organization) in damage.into_iter().zip(&organizations) {
        let update = json!({
            "TableName": table, "Key": grant(&organization.id), "UpdateExpression": "SET #a = :v",
            "ExpressionAttributeNames": {"#a": attribute}, "ExpressionAttributeValues": {":v": value},
        });
        stack.aws("DynamoDB_20120810.UpdateItem", update).await.unwrap();
    }
    let stranger = json!({
        "pk": {"S": "X"}, "sk": {"S": "Y"}, "due_shard": {"S": "DUE#7"}, "refresh_at": {"N": "1"},
    });
    stack.aws("DynamoDB_20120810.PutItem", json!({"TableName": table, "Item": stranger})).await.unwrap();
    pause(2_500).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    assert_eq!(counts(&app.sweep().await), [6, 3, 3, 0, 0], "{}", stack.logs());
}

#[tokio::test]
async fn a_provider_that_asks_for_a_pause_is_left_alone_and_the_rest_remains() {
    let app = TestApp::alone().await;
    let provider = brief(4).await;
    app.connected_for_many(&provider, 5).await;
    let other = brief(4).await;
    app.connected(&other).await;
    pause(2_500).await;
    other.control().set_access_token_lifetime(Duration::from_secs(3600));
    let headers = vec![("retry-after".to_owned(), "600".to_owned())];
    provider.control().fail_next_token(Fault::Answer { status: 429, headers, body: String::new() });
    assert_eq!(counts(&app.sweep().await), [6, 1, 1, 0, 4]);
    assert_eq!(provider.control().token_request_count("refresh_token"), 1);
}

#[tokio::test]
async fn what_there_is_no_time_for_is_not_begun_and_counted_to_the_last() {
    // A template elsewhere needs the functions' folders by their whole paths.
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/");
    let template = include_str!("../../../infra/template.yaml").replace("../functions/", functions);
    let app = TestApp::with_template(&template.replace("Timeout: 120", "Timeout: 50")).await;
    let provider = brief(4).await;
    app.connected_for_many(&provider, 7).await;
    pause(2_500).await;
    let (first, second) = (app.sweep_shards(0, 127).await, app.sweep_shards(128, 255).await);
    let remaining = |report: &Value| report["remaining"].as_u64().unwrap();
    assert_eq!(remaining(&first) + remaining(&second), 7);
    assert_eq!((&first["due"], &second["due"]), (&first["remaining"], &second["remaining"]));
    assert_eq!(provider.control().token_request_count("refresh_token"), 0);
}

#[tokio::test]
async fn the_report_is_also_metrics_without_a_secret_in_them() {
    let app = TestApp::alone().await;
    let (good, bad) = (brief(4).await, brief(4).await);
    app.connected_for_many(&good, 2).await;
    app.connected(&bad).await;
    bad.control().set_client_secret(&bad.client_id, "another");
    good.control().set_access_token_lifetime(Duration::from_secs(3600));
    pause(2_500).await;
    assert_eq!(counts(&app.sweep().await), [3, 2, 1, 0, 0]);
    // Of all, of each provider, and of the error.
    let lines = app.stack().metrics("Failed", 4).await;
    let logs = app.stack().logs();
    let host = |provider: &TestProvider| provider.url("").replace("http://", "");
    let line = |dimensions: &[(&str, &str)]| {
        let names = dimensions.iter().map(|(name, _)| *name);
        let names: Vec<&str> = ["function"].into_iter().chain(names).collect();
        let names = json!([names]);
        let found = lines.iter().find(|line| {
            line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] == names
                && dimensions.iter().all(|(name, value)| line[*name] == *value)
        });
        found.unwrap_or_else(|| panic!("no line with {dimensions:?} in {lines:#?}")).clone()
    };
    let all = line(&[]);
    for (metric, count) in [("Due", 3), ("Refreshed", 2), ("Failed", 1), ("Skipped", 0), ("Remaining", 0)] {
        assert_eq!(all[metric], count, "{all}");
    }
    assert_eq!(line(&[("provider", &host(&good))])["Refreshed"], 2);
    assert_eq!(line(&[("provider", &host(&bad)), ("error_class", "client")])["Failed"], 1);
    let secrets = [good.control().secrets_handed_out(), bad.control().secrets_handed_out()].concat();
    for secret in secrets.iter().chain([&good.client_secret, &bad.client_secret]) {
        assert!(!logs.contains(secret.as_str()));
    }
}
