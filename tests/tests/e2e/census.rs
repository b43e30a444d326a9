//! The census: what is counted, where the numbers go, and that half a count is none.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bifrost_local::Fault;
use bifrost_local::provider::Fault as ProviderFault;
use bifrost_tests::{
    Browser, Connection, Organization, RunningStack, TestApp, TestProvider, all_at_once, pause,
};
use serde_json::{Value, json};

const GRANTS: [&str; 5] = ["active", "disconnected", "failing", "new", "reauthorize"];
const CONNECTIONS: [&str; 5] = ["active", "failing", "not_connected", "pending", "reauthorize"];

/// Each of `names` with its number, in their order.
fn numbers(names: [&str; 5], counts: [u64; 5]) -> Value {
    json!(names.into_iter().zip(counts).collect::<BTreeMap<_, _>>())
}

fn counts(organizations: u64, connections: [u64; 5], grants: [u64; 5]) -> Value {
    json!({
        "organizations": organizations,
        "connections": numbers(CONNECTIONS, connections),
        "grants": numbers(GRANTS, grants),
    })
}

async fn take(app: &TestApp) -> Value {
    app.stack().try_census().await.unwrap_or_else(|error| panic!("{error}\n{}", app.stack().logs()))
}

async fn data_table(stack: &RunningStack) -> Value {
    let tables = stack.aws("DynamoDB_20120810.ListTables", json!({})).await.unwrap();
    let names = tables["TableNames"].as_array().unwrap();
    names.iter().find(|name| name.as_str().unwrap().contains("DataTable")).unwrap().clone()
}

/// The census as it stands in the table.
async fn kept(stack: &RunningStack) -> Option<Value> {
    let key = json!({"pk": {"S": "GLOBAL"}, "sk": {"S": "CENSUS"}});
    let get = json!({"TableName": data_table(stack).await, "Key": key, "ConsistentRead": true});
    stack.aws("DynamoDB_20120810.GetItem", get).await.unwrap().get("Item").cloned()
}

/// How many grants there are of each status, as the census has told it, once it has told so many numbers.
async fn told(stack: &RunningStack, numbers: usize) -> Vec<(String, u64)> {
    stack.metrics("Grants", numbers).await.iter().map(number).collect()
}

fn number(line: &Value) -> (String, u64) {
    let definition = &line["_aws"]["CloudWatchMetrics"][0];
    let about = (&definition["Namespace"], &definition["Dimensions"]);
    assert_eq!(about, (&json!("Bifrost"), &json!([["function", "status"]])));
    assert!(line["function"].as_str().is_some_and(|name| name.contains("Census")), "{line}");
    (line["status"].as_str().unwrap().to_owned(), line["Grants"].as_u64().unwrap())
}

/// In the order in which they are told.
fn by_status(counts: [u64; 5]) -> Vec<(String, u64)> {
    let statuses = ["new", "active", "failing", "reauthorize", "disconnected"].map(str::to_owned);
    statuses.into_iter().zip(counts).collect()
}

async fn assert_said(stack: &RunningStack, words: &str) {
    for _ in 0..200 {
        if stack.logs().contains(words) {
            return;
        }
        pause(20).await;
    }
    panic!("{words} is missing in {}", stack.logs());
}

/// A refresh whose exchange goes wrong in this way.
async fn refresh_badly(
    app: &TestApp,
    connection: &Connection,
    provider: &TestProvider,
    answer: ProviderFault,
) {
    provider.control().fail_next_token(answer);
    let answer = app.root().post(&connection.path("/refresh"), json!({})).await;
    // With a token that is still good, a refresh that fails is a warning.
    assert!([200, 409].contains(&answer.status), "{}", answer.text);
}

/// Organizations with grants of their own on a connection of the platform.
async fn with_grants(app: &TestApp, connection: &Connection, names: &[&str]) -> Vec<Organization> {
    let mut organizations = Vec::new();
    for name in names {
        let organization = app.organization(name).await;
        app.connect_for(connection, &organization).await;
        organizations.push(organization);
    }
    organizations
}

#[tokio::test]
async fn grants_connections_and_organizations_are_counted_by_status_in_all_scopes() {
    let app = TestApp::alone().await;
    let (root, provider) = (app.root(), TestProvider::start().await);
    assert_eq!(take(&app).await, counts(0, [0; 5], [0; 5]));
    assert_eq!(told(app.stack(), 5).await, by_status([0; 5]));

    // The platform: one that serves, one whose client is refused, one that waits for a sign-in, one that nobody connected.
    let global = app.connected(&provider).await;
    let refused = TestProvider::start().await;
    let held_back = app.connected(&refused).await;
    let waiting = app.connection("waiting", "global", &provider, json!({})).await;
    app.connect_url(&waiting).await;
    app.connection("nobody", "global", &provider, json!({})).await;

    // Organizations: grants on the platform's connection, and connections of their own.
    let organizations = with_grants(&app, &global, &["Acme", "Globex", "Initech", "Umbrella"]).await;
    let [acme, globex, initech, umbrella] = &organizations[..] else { unreachable!() };
    root.post(&format!("{}&organization_id={}", global.path("/disconnect"), globex.id), json!({}))
        .await
        .expect(200);
    let failing = app.connection("failing", &acme.id, &provider, json!({})).await;
    let dead = app.connection("dead", &initech.id, &provider, json!({})).await;
    app.connect_for(&held_back, umbrella).await;
    refused.control().set_client_secret(&refused.client_id, "another");
    root.post(&format!("/connections/{}/refresh?scope={}", held_back.name, umbrella.id), json!({})).await;
    for connection in [&failing, &dead] {
        app.connect_in_browser(connection).await;
    }
    refresh_badly(&app, &failing, &provider, ProviderFault::answer(503, "")).await;
    refresh_badly(&app, &dead, &provider, ProviderFault::answer(400, r#"{"error": "invalid_grant"}"#)).await;

    // Active are the two of the platform and those of Acme, Initech and Umbrella on one of them.
    let all = counts(4, [1, 2, 1, 1, 1], [5, 1, 2, 0, 1]);
    assert_eq!(take(&app).await, all, "{}", app.stack().logs());
    let listed = root.get("/connections?scope=global").await.expect(200);
    let shown = |name: &str| {
        let rows = listed["items"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap()["status"].clone()
    };
    assert_eq!(
        (shown(&held_back.name), shown("waiting")),
        (json!("failing"), json!("pending")),
        "as the API has it"
    );

    let item = kept(app.stack()).await.unwrap();
    assert_eq!(item["counts"]["M"]["grants"]["M"]["active"]["N"], "5", "{item}");
    assert_eq!(told(app.stack(), 10).await[5..], by_status([0, 5, 2, 1, 1]));

    // What a deletion has not removed yet counts no more than what it has.
    super::cleaner::crash_after_transaction(&app, "organizations-delete");
    root.delete(&format!("/organizations/{}", umbrella.id)).await;
    app.stack().end_faults();
    root.delete(&format!("/organizations/{}", initech.id)).await.expect(204);
    super::cleaner::crash_after_transaction(&app, "connections-delete");
    root.delete(&global.path("")).await.expect(204);
    app.stack().end_faults();
    app.connection(&global.name, "global", &provider, json!({})).await;
    assert_eq!(take(&app).await, counts(2, [0, 2, 2, 1, 0], [1, 0, 1, 0, 0]));
}

/// Two organizations with a grant each, and a census of them.
async fn counted() -> (TestApp, TestProvider, Vec<Organization>) {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let organizations = with_grants(&app, &connection, &["Acme", "Globex"]).await;
    assert_eq!(take(&app).await, counts(2, [1, 0, 0, 0, 0], [3, 0, 0, 0, 0]));
    (app, provider, organizations)
}

/// Whether a call of the census is about an organization's own partition.
fn is_about(call: &bifrost_local::Call<'_>, organization: &str) -> bool {
    call.function == "census" && String::from_utf8_lossy(call.body).contains(&format!("ORG#{organization}"))
}

#[tokio::test]
async fn a_census_that_can_not_read_all_scopes_leaves_the_last_one_in_place_and_says_so() {
    let (app, _provider, organizations) = counted().await;
    let (item, lines) = (kept(app.stack()).await, told(app.stack(), 5).await);
    app.organization("Initech").await;
    let broken = organizations[1].id.clone();
    app.stack().set_fault_hook(move |call| is_about(call, &broken).then(Fault::throughput_exceeded));
    app.stack().try_census().await.unwrap_err();
    let said = "3 of 4 scopes were counted, so nothing is published and the last census stays: 1 could not be read, \
                the first of them";
    assert_said(app.stack(), &format!("{said} {}", organizations[1].id)).await;
    assert_eq!((kept(app.stack()).await, told(app.stack(), 5).await), (item, lines));
    app.stack().end_faults();
    assert_eq!(take(&app).await["organizations"], 3);
}

#[tokio::test]
async fn a_scope_that_could_not_be_read_is_read_again_after_the_others() {
    let (app, _provider, organizations) = counted().await;
    let (broken, left) = (organizations[0].id.clone(), AtomicUsize::new(1));
    app.stack().set_fault_hook(move |call| {
        let once = |left: usize| left.checked_sub(1);
        let now =
            is_about(call, &broken) && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, once).is_ok();
        // The SDK does not try this again.
        now.then(Fault::invalid)
    });
    assert_eq!(take(&app).await, counts(2, [1, 0, 0, 0, 0], [3, 0, 0, 0, 0]));
    told(app.stack(), 10).await;
}

#[tokio::test]
async fn a_census_that_runs_out_of_time_publishes_nothing() {
    // A template elsewhere needs the functions' folders by their whole paths.
    let functions = concat!(env!("CARGO_MANIFEST_DIR"), "/../functions/");
    let template = include_str!("../../../infra/template.yaml").replace("../functions/", functions);
    let app = TestApp::with_template(&template.replace("Timeout: 300", "Timeout: 22")).await;
    let organization = app.organization("Acme").await.id;
    app.stack().set_fault_hook(move |call| {
        is_about(call, &organization).then(|| Fault::Delay(Duration::from_secs(4)))
    });
    app.stack().try_census().await.unwrap_err();
    let said = "1 of 2 scopes were counted, so nothing is published and the last census stays: there was no more time";
    assert_said(app.stack(), said).await;
    assert_eq!((kept(app.stack()).await, told(app.stack(), 0).await), (None, vec![]));
}

#[tokio::test]
async fn a_census_that_another_has_overtaken_does_not_bring_the_past_back() {
    let (app, _provider, organizations) = counted().await;
    let (slow, first) = (organizations[0].id.clone(), AtomicBool::new(true));
    app.stack().set_fault_hook(move |call| {
        let slow = is_about(call, &slow) && first.swap(false, Ordering::SeqCst);
        slow.then(|| Fault::Delay(Duration::from_secs(3)))
    });
    let early = app.stack().try_census();
    let late = async {
        pause(1_000).await;
        app.organization("Initech").await;
        take(&app).await
    };
    let (early, late) = tokio::join!(early, late);
    assert_eq!((&early.unwrap()["organizations"], &late["organizations"]), (&json!(2), &json!(3)));
    let item = kept(app.stack()).await.unwrap();
    assert_eq!(item["counts"]["M"]["organizations"]["N"], "3", "{item}");
    assert_said(app.stack(), "a later census is there already").await;
}

/// The words of the overview that an administrator sees.
async fn overview(app: &TestApp) -> String {
    let mut browser = Browser::new();
    let page = browser.open(&format!("{}/console/sign-in", app.url())).await;
    browser.submit(&page, &page.form().set("key", app.root().key())).await;
    let page = browser.open(&format!("{}/console/overview", app.url())).await;
    assert_eq!(page.status, 200);
    page.text
}

/// As if the census had been taken at that time.
async fn date_back(stack: &RunningStack, hours: i64) {
    let mut item = kept(stack).await.unwrap();
    let then = time::OffsetDateTime::now_utc() - time::Duration::hours(hours);
    let then = then.format(&time::format_description::well_known::Rfc3339).unwrap();
    item["as_of"] = json!({"S": format!("{}.000Z", &then[..19])});
    let put = json!({"TableName": data_table(stack).await, "Item": item});
    stack.aws("DynamoDB_20120810.PutItem", put).await.unwrap();
}

#[tokio::test]
async fn the_overview_tells_exact_numbers_where_it_can_not_look_through_all() {
    let (app, _provider, _) = counted().await;
    let text = overview(&app).await;
    assert!(text.contains("Sign-ins by status"), "{text}");
    assert!(!text.contains("at least"), "all of two organizations are looked through: {text}");
    let more = (0..205).map(|number| {
        let app = app.clone();
        async move { app.organization(&format!("Customer {number}")).await }
    });
    all_at_once(more).await;
    let queries = || app.stack().calls_by("census")["DynamoDB.Query"];
    let before = queries();
    take(&app).await;
    assert_eq!(queries() - before, 1 + 208, "one lists the organizations, and each scope takes one");
    date_back(app.stack(), 2).await;
    let text = overview(&app).await;
    for words in ["Only the first 200 organizations", "counted", "2 hours ago"] {
        assert!(text.contains(words), "{words} is missing in {text}");
    }
    assert!(!text.contains("at least"), "{text}");
    date_back(app.stack(), 4).await;
    let text = overview(&app).await;
    assert!(text.contains("at least") && !text.contains("hours ago"), "{text}");
}
