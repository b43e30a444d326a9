//! Who decides which tenant's token comes out: the provider, never the tenant.

use bifrost_tests::{
    Api, Browser, Connection, Organization, Role, TestApp, TestProvider, confirm, deny, with,
};
use serde_json::{Value, json};

/// An integration with a key `tenant`, which is "ours" by default.
async fn integration(app: &TestApp) -> String {
    let schema = json!([{"key": "tenant", "type": "string"}, {"key": "timeout", "type": "int"}]);
    app.integration("Graph", json!({"config_schema": schema, "defaults": {"tenant": "ours"}})).await
}

/// A global connection of this name that mints at the URL of `tenant`.
async fn by_tenant(app: &TestApp, provider: &TestProvider, name: &str) -> Connection {
    let body = json!({"name": name, "token_url": provider.url("/{tenant}/token")});
    app.create_connection("global", with(provider.client_credentials(), body)).await
}

/// The tenant whose token comes out for an organization.
async fn tenant(app: &TestApp, provider: &TestProvider, name: &str, organization: &Organization) -> Value {
    let path = format!("/connections/{name}/token?integration={name}&scope={}", organization.id);
    let token = app.root().get(&path).await.expect(200);
    provider.me(&token["access_token"]).await["tenant"].clone()
}

#[tokio::test]
async fn an_integration_that_does_not_use_a_connection_fills_none_of_its_urls() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = integration(&app).await;
    by_tenant(&app, &provider, &name).await;
    let signed_in = app.connection(&app.unique("Signed in"), "global", &provider, json!({})).await;
    let other = integration(&app).await;
    app.map(&other, &acme, json!({"entity_id": "1", "config": {"tenant": "theirs"}})).await;
    let (root, user) = (app.root(), app.key(Role::User, &acme).await);
    let query = format!("integration={other}&scope={}", acme.id);
    for caller in [&root, &user] {
        caller.get(&format!("/connections/{name}/token?{query}")).await.invalid(&["integration"]);
        let path = format!("/connections/{name}/refresh?{query}");
        caller.post(&path, json!({"generation": 1})).await.invalid(&["integration"]);
    }
    let path = format!("/connections/{}/authorize?{query}", signed_in.name);
    let for_acme = with(json!({}), json!({"organization_id": acme.id}));
    user.post(&path, for_acme.clone()).await.invalid(&["integration"]);
    root.post(&path, for_acme).await.invalid(&["integration"]);
    assert_eq!(provider.control().token_requests().len(), 0);
}

#[tokio::test]
async fn a_connection_of_ones_own_in_front_of_a_global_one_opens_no_way_to_its_urls() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = integration(&app).await;
    by_tenant(&app, &provider, &name).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let user = app.key(Role::User, &acme).await;
    let moving = json!({"entity_id": "1", "config": {"tenant": "theirs"}});
    user.put(&acme.mapping(&name), moving.clone()).await.problem(403, "forbidden");
    let own = with(provider.authorization_code(), json!({"name": name}));
    user.post("/connections", own).await.expect(201);
    user.put(&acme.mapping(&name), moving).await.problem(403, "forbidden");
    user.delete(&format!("/connections/{name}?force=true")).await.expect(204);
    assert_eq!(tenant(&app, &provider, &name, &acme).await, "ours");
}

#[tokio::test]
async fn what_a_tenant_wrote_fills_no_global_url_and_what_the_provider_wrote_does() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = integration(&app).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let mapping = json!({"entity_id": "1", "config": {"tenant": "theirs"}});
    let user = app.key(Role::User, &acme).await;
    // There is no global connection yet whose URL it could fill.
    user.put(&acme.mapping(&name), mapping.clone()).await.expect(200);
    by_tenant(&app, &provider, &name).await;
    assert_ne!(tenant(&app, &provider, &name, &acme).await, "theirs");
    app.map(&name, &acme, mapping).await;
    assert_eq!(tenant(&app, &provider, &name, &acme).await, "theirs");
    let more = json!({"config": {"tenant": "theirs", "timeout": 5}});
    user.put(&acme.mapping(&name), more).await.expect(200);
    assert_eq!(tenant(&app, &provider, &name, &acme).await, "theirs");
}

#[tokio::test]
async fn a_tenant_does_not_take_back_what_the_provider_wrote_into_a_global_url() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = integration(&app).await;
    by_tenant(&app, &provider, &name).await;
    app.map(&name, &acme, json!({"entity_id": "1", "config": {"tenant": "acme"}})).await;
    let user = app.key(Role::User, &acme).await;
    for config in [json!({}), json!({"tenant": null}), json!({"tenant": "ours"}), json!({"timeout": 1})] {
        user.put(&acme.mapping(&name), json!({"config": config})).await.problem(403, "forbidden");
    }
    assert_eq!(tenant(&app, &provider, &name, &acme).await, "acme");
}

#[tokio::test]
async fn a_connection_for_mapped_organizations_is_not_there_for_others() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let (acme, globex) = (app.organization("Acme").await, app.organization("Globex").await);
    let name = app.integration("Halo", json!({})).await;
    let connection = app.connection(&name, "global", &provider, json!({"available_to": "mapped"})).await;
    app.connect_in_browser(&connection).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let asked =
        async |caller: &Api, query: &str| caller.get(&format!("/connections/{name}/token?{query}")).await;
    let (mapped, unmapped) = (app.key(Role::User, &acme).await, app.key(Role::User, &globex).await);
    let with_integration = format!("integration={name}");
    for query in ["", with_integration.as_str()] {
        asked(&unmapped, query).await.problem(404, "not-found");
        asked(&mapped, query).await.expect(200);
        let refresh = format!("/connections/{name}/refresh?{query}");
        unmapped.post(&refresh, json!({"generation": 1})).await.problem(404, "not-found");
        mapped.post(&refresh, json!({"generation": 1})).await.expect(200);
    }
    let authorize = async |caller: &Api, organization: &Organization| {
        let path = format!("/connections/{name}/authorize");
        let body = json!({"organization_id": organization.id});
        caller.post(&path, body).await
    };
    authorize(&unmapped, &globex).await.problem(404, "not-found");
    authorize(&mapped, &acme).await.expect(201);
    let resolve = format!("/integrations/{name}/resolve");
    assert!(unmapped.get(&resolve).await.expect(200)["oauth"].is_null());
    assert!(mapped.get(&resolve).await.expect(200)["oauth"]["access_token"].is_string());
    // What it is kept from is no matter of its own scope.
    app.token(&connection).await.expect(200);
    app.root().delete(&acme.mapping(&name)).await.expect(204);
    asked(&mapped, "").await.problem(404, "not-found");
}

#[tokio::test]
async fn a_connection_that_is_from_now_on_for_mapped_organizations_is_gone_for_others() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let token = format!("/connections/{}/token", connection.name);
    workflow.get(&token).await.expect(200);
    let change = async |available_to: &str| {
        let patch = json!({"available_to": available_to});
        app.root().patch(&connection.path(""), patch).await.expect(200);
    };
    change("mapped").await;
    workflow.get(&token).await.problem(404, "not-found");
    // For a provider's caller too, who asks on the organization's behalf.
    let on_its_behalf = format!("{token}?scope={}", acme.id);
    app.root().get(&on_its_behalf).await.problem(404, "not-found");
    change("all").await;
    workflow.get(&token).await.expect(200);
}

#[tokio::test]
async fn a_mapping_counts_on_the_integration_that_uses_the_connection_only() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({"connection": "Something Else"})).await;
    let connection = app.connection(&name, "global", &provider, json!({"available_to": "mapped"})).await;
    app.connect_in_browser(&connection).await;
    app.map(&name, &acme, json!({"entity_id": "1"})).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    workflow.get(&format!("/connections/{name}/token")).await.problem(404, "not-found");
    let user = app.integration("User", json!({"connection": name})).await;
    app.map(&user, &acme, json!({"entity_id": "1"})).await;
    let path = format!("/connections/{name}/token?integration={user}");
    workflow.get(&path).await.expect(200);
}

#[tokio::test]
async fn a_mapped_organization_need_not_name_the_integration_that_uses_the_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let mapped_only = json!({"available_to": "mapped"});
    let connection = app.connection(&app.unique("Halo"), "global", &provider, mapped_only).await;
    app.connect_in_browser(&connection).await;
    let user = app.integration("User", json!({"connection": connection.name})).await;
    app.map(&user, &acme, json!({"entity_id": "1"})).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let path = format!("/connections/{}/token", connection.name);
    workflow.get(&path).await.expect(200);
}

#[tokio::test]
async fn a_tenants_failed_sign_in_leaves_no_word_on_the_global_connection() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let connection = app.connected(&provider).await;
    let user = app.key(Role::User, &acme).await;
    let path = format!("/connections/{}/authorize", connection.name);
    let asked = user.post(&path, json!({"organization_id": acme.id})).await.expect(201);
    let mut browser = Browser::new();
    let address = confirm(&mut browser, asked["connect_url"].as_str().unwrap()).await;
    let callback = deny(&mut browser, &address).await;
    let page = browser.open(callback.as_str()).await;
    assert!(page.status >= 400, "{}", page.text);
    let shown = app.show(&connection).await;
    assert_eq!(
        (&shown["status"], &shown["last_error"], &shown["status_message"]),
        (&json!("active"), &Value::Null, &Value::Null)
    );
}

#[tokio::test]
async fn a_users_key_reads_no_global_client_secret_whatever_it_was_made_with() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let acme = app.organization("Acme").await;
    let name = app.integration("Halo", json!({})).await;
    let connection = app.connection(&name, "global", &provider, json!({})).await;
    app.connect_in_browser(&connection).await;
    let seeing = json!({"read_secrets": true, "role": "user", "organization_id": acme.id});
    let made = app.root().post("/keys", seeing).await.expect(201);
    let user = app.with_key(made["key"].as_str().unwrap());
    // Nor do the keys that it makes.
    let child = json!({"read_secrets": true, "role": "workflow"});
    let child = user.post("/keys", child).await.expect(201);
    let workflow = app.with_key(child["key"].as_str().unwrap());
    for caller in [user, workflow] {
        let oauth = app.resolve(&caller, &name, &acme.id).await["oauth"].clone();
        assert!(oauth["access_token"].is_string(), "{oauth}");
        assert!(oauth["client_secret"].is_null() && oauth["refresh_token"].is_null(), "{oauth}");
    }
}

#[tokio::test]
async fn the_platforms_connections_are_edited_by_its_administrators_and_not_by_its_users() {
    let app = TestApp::shared().await;
    let provider = TestProvider::start().await;
    let connection = app.connected(&provider).await;
    let body = json!({"name": "platform user", "role": "user", "platform": true});
    let made = app.root().post("/keys", body).await.expect(201);
    let user = app.with_key(made["key"].as_str().unwrap());
    user.get(&connection.path("/token")).await.expect(200);
    for answer in [
        user.patch(&connection.path(""), json!({"description": "x"})).await,
        user.delete(&connection.path("")).await,
        user.get(&connection.path("")).await,
        user.post(&connection.path("/authorize"), json!({})).await,
        user.post(&connection.path("/disconnect"), json!({})).await,
        user.post("/connections", provider.authorization_code()).await,
    ] {
        answer.problem(403, "forbidden");
    }
}
