//! What all lists have in common: pages, and cursors.

use std::collections::BTreeSet;

use bifrost_tests::{Api, Organization, Role, TestApp, TestProvider};
use serde_json::{Value, json};
use uuid::Uuid;

fn with_query(path: &str, query: &str) -> String {
    let separator = if path.contains('?') { '&' } else { '?' };
    format!("{path}{separator}{query}")
}

fn ids(page: &Value, field: &str) -> Vec<String> {
    let items = page["items"].as_array().unwrap();
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// The whole list, page by page; between pages, `meanwhile` happens.
async fn walk(caller: &Api, path: &str, field: &str, mut meanwhile: impl AsyncFnMut(usize)) -> Vec<String> {
    let mut all = Vec::new();
    let mut cursor = String::new();
    for round in 0.. {
        let page = caller.get(&with_query(path, &format!("limit=2{cursor}"))).await.expect(200);
        all.extend(ids(&page, field));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
        meanwhile(round).await;
    }
    all
}

/// Five things in each list, and the lists by path and identifying field.
async fn lists(app: &TestApp, provider: &TestProvider) -> Vec<(String, &'static str)> {
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({})).await;
    for number in 0..5 {
        let other = app.organization("Other").await;
        app.integration("Api", json!({})).await;
        app.map(&name, &other, json!({"entity_id": number.to_string()})).await;
        app.connection(&format!("c{number}"), &acme.id, provider, json!({})).await;
        app.key(Role::Workflow, &acme).await;
    }
    vec![
        ("/integrations".to_owned(), "id"),
        ("/organizations".to_owned(), "id"),
        (format!("/integrations/{name}/mappings"), "organization_id"),
        (format!("/connections?scope={}", acme.id), "id"),
        (format!("/keys?scope={}", acme.id), "id"),
    ]
}

#[tokio::test]
async fn a_cursor_is_refused_by_every_list_but_its_own_and_when_a_character_of_it_is_changed() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let lists = lists(&app, &provider).await;
    let mut cursors = Vec::new();
    for (path, _) in &lists {
        let page = app.root().get(&with_query(path, "limit=2")).await.expect(200);
        cursors.push(page["next_cursor"].as_str().unwrap().to_owned());
    }
    for (from, cursor) in cursors.iter().enumerate() {
        for (to, (path, _)) in lists.iter().enumerate() {
            let answer = app.root().get(&with_query(path, &format!("cursor={cursor}"))).await;
            match from == to {
                true => drop(answer.expect(200)),
                false => drop(answer.invalid(&["cursor"])),
            }
        }
        let tampered = (0..cursor.len()).step_by(7).map(|at| {
            let other = if cursor.as_bytes()[at] == b'A' { "B" } else { "A" };
            format!("{}{other}{}", &cursor[..at], &cursor[at + 1..])
        });
        let cut = cursor[..cursor.len() - 4].to_owned();
        for wrong in tampered.chain([cut, format!("{cursor}AAAA"), "AAAA".to_owned(), String::new()]) {
            let path = with_query(&lists[from].0, &format!("cursor={wrong}"));
            app.root().get(&path).await.invalid(&["cursor"]);
        }
    }
}

#[tokio::test]
async fn a_cursor_shows_nothing_of_what_it_stands_for() {
    let app = TestApp::shared().await;
    let name = app.integration("Halo", json!({})).await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    app.map(&name, &acme, json!({})).await;
    app.map(&name, &globex, json!({})).await;
    let page = app.root().get(&format!("/integrations/{name}/mappings?limit=1")).await.expect(200);
    let cursor = page["next_cursor"].as_str().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, cursor).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    assert!(!text.contains(&acme.id) && !text.contains(&globex.id) && !text.contains("organization"));
}

#[tokio::test]
async fn what_is_there_throughout_is_listed_once_while_others_come_and_go() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    for (path, field) in lists(&app, &provider).await {
        let before: BTreeSet<_> = walk(&app.root(), &path, field, async |_| {}).await.into_iter().collect();
        let mut made: Vec<Organization> = Vec::new();
        let name = path.strip_prefix("/integrations/").map(|rest| rest.split('/').next().unwrap().to_owned());
        let scope = path.split("scope=").nth(1).map(str::to_owned);
        let listed = walk(&app.root(), &path, field, async |round| {
            // One comes, and the one that came the round before goes.
            match (&name, &scope) {
                (Some(name), _) => {
                    let other = app.organization("New").await;
                    app.map(name, &other, json!({})).await;
                    if let Some(gone) = made.pop() {
                        app.root().delete(&gone.mapping(name)).await.expect(204);
                    }
                    made.push(other);
                }
                (None, Some(scope)) if path.starts_with("/connections") => {
                    app.connection(&format!("a{round}"), scope, &provider, json!({})).await;
                    app.connection(&format!("z{round}"), scope, &provider, json!({})).await;
                }
                (None, Some(scope)) => {
                    let body = json!({"name": "new", "role": "workflow", "organization_id": scope});
                    app.root().post("/keys", body).await.expect(201);
                }
                (None, None) if round < 3 => {
                    app.integration("Zzz", json!({})).await;
                    app.organization("New").await;
                }
                (None, None) => {}
            }
        })
        .await;
        let once: BTreeSet<_> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "{path}: something is listed twice");
        assert!(once.is_superset(&before), "{path}: something is missing");
    }
}

#[tokio::test]
async fn a_page_that_would_be_too_large_for_the_gateway_ends_early_and_nothing_is_left_out() {
    let app = TestApp::shared().await;
    let schema = json!([{"key": "text", "type": "string"}]);
    let name = app.integration("Halo", json!({"config_schema": schema})).await;
    // As JSON in JSON, each of these characters takes four bytes.
    let large = "\"".repeat(30_000);
    let mut mapped = BTreeSet::new();
    for _ in 0..70 {
        let organization = app.organization("Large").await;
        app.map(&name, &organization, json!({"config": {"text": large}})).await;
        mapped.insert(organization.id);
    }
    let mut listed = Vec::new();
    let mut cursor = String::new();
    let mut pages = 0;
    loop {
        let answer = app.root().get(&format!("/integrations/{name}/mappings?limit=200{cursor}")).await;
        assert!(serde_json::to_string(&answer.text).unwrap().len() < 5_000_000);
        let page = answer.expect(200);
        pages += 1;
        listed.extend(ids(&page, "organization_id"));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert!(pages > 1);
    assert_eq!(listed.len(), mapped.len());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), mapped);
}

async fn list_five_hundred(app: &TestApp, name: &str) -> (Vec<Value>, u64) {
    let calls = || app.stack().calls_by("mappings-list");
    let count = |calls: std::collections::BTreeMap<String, u64>| -> u64 {
        calls.iter().filter(|(call, _)| call.contains("DynamoDB")).map(|(_, count)| count).sum()
    };
    let before = count(calls());
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("/integrations/{name}/mappings?limit=200{cursor}");
        let page = app.root().get(&path).await.expect(200);
        items.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return (items, count(calls()) - before),
        }
    }
}

#[tokio::test]
async fn five_hundred_mappings_are_listed_with_their_own_grants_in_ten_calls_to_dynamodb() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let name = app.integration("Halo", json!({})).await;
    let mut rows = Vec::new();
    let mut organizations = Vec::new();
    for number in 0..500 {
        let organization =
            Organization { id: Uuid::now_v7().to_string(), name: format!("Customer {number}") };
        let body = json!({"id": organization.id, "name": organization.name});
        app.root().post("/organizations", body).await.expect(201);
        rows.push(json!({"organization_id": organization.id, "entity_id": number.to_string()}));
        organizations.push(organization);
    }
    let path = format!("/integrations/{name}/mappings/import");
    let imported = app.root().post(&path, json!({"mappings": rows})).await.expect(200);
    assert_eq!(imported["created"], 500, "{imported}");
    let global = app.connection(&name, "global", &provider, json!({})).await;
    // Some have a grant of their own on the global connection, one has a connection of its own before it, and one has
    // both, of which the grant on its own connection counts.
    for organization in [&organizations[0], &organizations[250], &organizations[499]] {
        app.connect_for(&global, organization).await;
    }
    for organization in [&organizations[300], &organizations[499]] {
        let own = app.connection(&name, &organization.id, &provider, json!({})).await;
        app.connect_in_browser(&own).await;
    }
    app.connection(&name, &organizations[250].id, &provider, json!({})).await;
    let (items, calls) = list_five_hundred(&app, &name).await;
    assert_eq!(items.len(), 500);
    println!("{calls} calls");
    assert!(calls <= 10, "{calls} calls");
    let by_id = |organization: &Organization| {
        items.iter().find(|item| item["organization_id"] == *organization.id).unwrap()
    };
    for (number, organization) in organizations.iter().enumerate() {
        let listed = by_id(organization);
        let has_own = [0, 300, 499].contains(&number);
        assert_eq!(listed["oauth_token_id"].is_string(), has_own, "{number}: {listed}");
        if has_own || number == 250 {
            assert_eq!(*listed, app.root().get(&organization.mapping(&name)).await.expect(200));
        }
    }

    // The same through a connection of another name.
    let other = app.connection(&app.unique("Other"), "global", &provider, json!({})).await;
    app.root().patch(&format!("/integrations/{name}"), json!({"connection": other.name})).await.expect(200);
    app.connect_for(&other, &organizations[7]).await;
    app.connect_for(&other, &organizations[407]).await;
    for _ in 0..2 {
        let (items, calls) = list_five_hundred(&app, &name).await;
        println!("{calls} calls");
        assert!(calls <= 10, "{calls} calls");
        let own = items.iter().filter(|item| item["oauth_token_id"].is_string());
        let own: Vec<_> = own.map(|item| item["organization_id"].as_str().unwrap()).collect();
        assert_eq!(own, [&organizations[7].id, &organizations[407].id]);
    }
}
