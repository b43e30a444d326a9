//! What is done in the console: the same lines as of the API, one for each act, and none for what is none.

use std::collections::{BTreeSet, HashSet, VecDeque};

use bifrost_tests::{Browser, Form, Organization, Page, Role, TestApp, TestProvider, allow};
use serde_json::{Value, json};

use super::lines;

/// Somebody at a browser, signed in with a key.
struct Visitor {
    app: TestApp,
    browser: Browser,
    /// The kinds of forms that have been sent: where to, without the names of things.
    sent: BTreeSet<String>,
}

/// What a line is to say: act, outcome, subject, and scope. Nothing of those it does not name.
type Said<'a> = (&'a str, &'a str, Value, Value);

impl Visitor {
    async fn signed_in(app: &TestApp, key: &str) -> Self {
        let mut visitor = Self { app: app.clone(), browser: Browser::new(), sent: BTreeSet::new() };
        let page = visitor.sign_in(key).await;
        assert_eq!(page.status, 303, "{}", page.text);
        visitor
    }

    async fn sign_in(&mut self, key: &str) -> Page {
        let page = self.open("sign-in").await;
        let form = page.form().set("key", key);
        self.browser.submit(&page, &form).await
    }

    async fn open(&mut self, path: &str) -> Page {
        let url = format!("{}/console/{path}", self.app.url());
        self.browser.open(&url).await
    }

    /// Sends the form of a page that goes there, filled in.
    async fn send(&mut self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let goes_there =
            |form: &Form| form.method == "post" && path_of(page, form) == format!("/console/{action}");
        let form = page.forms().into_iter().find(goes_there);
        let form = form.unwrap_or_else(|| panic!("no form to {action} on {}: {}", page.url, page.text));
        self.sent.insert(kind(&path_of(page, &form)));
        let form = fields.iter().fold(form, |form, (name, value)| form.set(name, value));
        self.browser.submit(page, &form).await
    }

    /// Opens a page, sends its form, and finds these lines in the trail and no other.
    async fn acts(&mut self, path: &str, action: &str, fields: &[(&str, &str)], said: &[Said<'_>]) -> Page {
        let page = self.open(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        let answer = self.send(&page, action, fields).await;
        self.left(&answer, said).await;
        answer
    }

    async fn left(&self, answer: &Page, said: &[Said<'_>]) {
        let lines = lines(&self.app, answer.header("apigw-requestid")).await;
        let found: Vec<Said<'_>> = lines
            .iter()
            .map(|line| {
                let text = |name: &str| line[name].as_str().unwrap();
                (text("act"), text("outcome"), line["subject"].clone(), line["scope"].clone())
            })
            .collect();
        assert_eq!(found, said, "{}: {} {}", answer.url, answer.status, answer.text);
        for line in &lines {
            assert_eq!((&line["via"], &line["source"]), (&json!("console"), &json!("127.0.0.1")), "{line}");
            assert_eq!(line["code"].is_null(), line["outcome"] == "done", "{line}");
        }
    }

    /// The kinds of forms on all pages that one gets to by links.
    async fn forms(&mut self) -> BTreeSet<String> {
        let (mut seen, mut kinds) = (HashSet::new(), BTreeSet::new());
        let mut ahead = VecDeque::from(["/console/overview".to_owned()]);
        while let Some(address) = ahead.pop_front() {
            let page = self.browser.open(&format!("{}{address}", self.app.url())).await;
            let posts = page.forms().into_iter().filter(|form| form.method == "post");
            kinds.extend(posts.map(|form| kind(&path_of(&page, &form))));
            for link in page.links() {
                let Ok(url) = page.url.join(&link) else { continue };
                let ours = url.path().starts_with("/console/") && url.origin() == page.url.origin();
                // One preset is like the other.
                if ours && seen.insert(kind(url.path())) {
                    ahead.push_back(format!("{}?{}", url.path(), url.query().unwrap_or_default()));
                }
            }
        }
        kinds
    }
}

fn path_of(page: &Page, form: &Form) -> String {
    page.url.join(&form.action).unwrap().path().to_owned()
}

/// An address without the names and ids in it, and a preset's page as that of any other.
fn kind(path: &str) -> String {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let word = |(place, part): (usize, &&str)| match place {
        0 | 1 => (*part).to_owned(),
        _ if part.starts_with('~') && !(place == 3 && parts[1] == "connections") => (*part).to_owned(),
        3 | 5 if !part.starts_with(|first: char| first.is_ascii_digit()) && parts[2] != "~new" => {
            (*part).to_owned()
        }
        _ => "*".to_owned(),
    };
    parts.iter().enumerate().map(word).collect::<Vec<_>>().join("/")
}

fn id_in(page: &Page) -> String {
    page.location().path().rsplit('/').next().unwrap().to_owned()
}

#[tokio::test]
async fn each_form_that_does_something_leaves_one_line_and_no_form_is_left_out() {
    let app = TestApp::alone().await;
    let provider = TestProvider::start().await;
    let mut root = Visitor::signed_in(&app, app.stack().root_key()).await;
    let (none, global) = (Value::Null, json!("global"));

    // Organizations.
    let made = [("organizations-create", "done", json!("Acme"), none.clone())];
    let page = root.acts("organizations/~new", "organizations/~new", &[("name", "Acme")], &made).await;
    let acme = id_in(&page);
    let globex = app.organization("Globex").await.id;
    let failed = [("organizations-create", "failed", json!("Twice"), none.clone())];
    root.acts("organizations/~new", "organizations/~new", &[("name", "Twice"), ("id", &acme)], &failed).await;

    // Connections: what leads on to the form that makes one is no act.
    let begun =
        root.acts("connections/~new?scope=global", "connections/~new", &[("name", "Halo")], &[]).await;
    assert_eq!(begun.status, 303, "{}", begun.text);
    let body = provider.authorization_code();
    let text = |name: &str| body[name].as_str().unwrap();
    let fields = [
        ("flow", "authorization_code"),
        ("client_id", text("client_id")),
        ("client_secret", text("client_secret")),
        ("authorization_url", text("authorization_url")),
        ("token_url", text("token_url")),
        ("revocation_url", text("revocation_url")),
        ("scopes", "read offline_access"),
        ("client_auth", "basic"),
    ];
    let of_halo = |act, outcome| [(act, outcome, json!("Halo"), global.clone())];
    let (custom, at) = ("connections/~new/~custom?scope=global&name=Halo", "connections/~new/~custom");
    root.acts(custom, at, &fields[..1], &of_halo("connections-create", "failed")).await;
    root.acts(custom, at, &fields, &of_halo("connections-create", "done")).await;
    let redirect_uri =
        app.root().get("/connections/Halo?scope=global").await.expect(200)["redirect_uri"].clone();
    provider.control().register_redirect_uri(&provider.client_id, redirect_uri.as_str().unwrap());
    let (shown, to) = ("connections/Halo?scope=global", |what: &str| format!("connections/Halo/{what}"));
    let edit = [("description", "Ours")];
    root.acts(
        "connections/Halo/edit?scope=global",
        &to("edit"),
        &edit,
        &of_halo("connections-update", "done"),
    )
    .await;
    root.acts(shown, &to("diagnose"), &[], &of_halo("connections-diagnose", "done")).await;
    let at = "connections/Halo/link?scope=global";
    let linked =
        root.acts(at, &to("link"), &[("valid_for", "900")], &of_halo("connections-authorize", "done")).await;
    assert_eq!(linked.status, 200);
    let departed = root.acts(shown, &to("connect"), &[], &of_halo("connections-authorize", "done")).await;
    let callback = allow(&mut root.browser, &departed.location()).await;
    let back = root.browser.open(callback.as_str()).await;
    assert_eq!(back.status, 303, "{}", back.text);
    let trail = lines(&app, back.header("apigw-requestid")).await;
    let [line] = trail.as_slice() else { panic!("{trail:?}") };
    assert_eq!((&line["act"], &line["outcome"]), (&json!("oauth-callback"), &json!("done")), "{line}");
    assert_eq!((&line["asked_by"], &line["subject"], &line["via"]), (&json!("root"), &json!("Halo"), &none));
    let halo = |act, scope: &Value| [(act, "done", json!("Halo"), scope.clone())];
    root.acts(shown, &to("refresh"), &[], &halo("connections-refresh", &global)).await;

    // Integrations: a row more in the form changes nothing, and a connection that is made along is an act of its own.
    let (new, at) = ("integrations/~new", "integrations/~new");
    let row = [
        ("name", "Halo"),
        ("config_schema[0].key", "note"),
        ("config_schema[0].type", "string"),
        ("oauth_provider", "Halo"),
    ];
    root.acts(new, at, &[("name", "Halo"), ("change", "add")], &[]).await;
    root.acts(new, at, &row, &halo("integrations-create", &none)).await;
    let inline = [
        ("name", "Xero"),
        ("oauth_provider", "~custom"),
        ("oauth.flow", "authorization_code"),
        ("oauth.client_id", "me"),
        ("oauth.client_secret", "mine"),
        ("oauth.authorization_url", "https://login.example.com/authorize"),
        ("oauth.token_url", "https://login.example.com/token"),
    ];
    let both = [
        ("integrations-create", "done", json!("Xero"), none.clone()),
        ("connections-create", "done", json!("Xero"), global.clone()),
    ];
    root.acts(new, at, &inline, &both).await;
    app.root().post("/integrations", json!({"name": "Jira"})).await.expect(201);
    let configure = [&inline[2..], &[("action", "configure")]].concat();
    let both = [
        ("integrations-update", "done", json!("Jira"), none.clone()),
        ("connections-create", "done", json!("Jira"), global.clone()),
    ];
    let page = root.open("integrations/Jira/oauth").await;
    let is_inline = |form: &Form| form.field("oauth.client_id").is_some();
    let form = page.forms().into_iter().find(is_inline).unwrap();
    let form = configure.iter().fold(form, |form, (name, value)| form.set(name, value));
    let answer = root.browser.submit(&page, &form).await;
    root.left(&answer, &both).await;
    let updated = || halo("integrations-update", &none);
    let described = [("description", "New"), row[1], row[2]];
    let edit = "integrations/Halo/edit";
    root.acts(edit, edit, &[("change", "add"), row[1], row[2]], &[]).await;
    root.acts(edit, edit, &described, &updated()).await;
    root.acts("integrations/Halo", "integrations/Halo", &[], &updated()).await;
    let oauth = "integrations/Halo/oauth";
    root.acts(oauth, oauth, &[("oauth_provider", "Halo"), ("action", "link")], &updated()).await;

    // Mappings: a preview of an import is no act, nor is what corrects it.
    let to = |what: &str| format!("integrations/Halo/mappings/{what}");
    let of = |act, outcome, organization: &str| [(act, outcome, json!("Halo"), json!(organization))];
    let mapped = [("organization_id", acme.as_str()), ("entity_id", "1")];
    root.acts(&to("~new"), &to("~new"), &mapped, &of("mappings-put", "done", &acme)).await;
    root.acts(&to("~new"), &to("~new"), &mapped, &of("mappings-put", "failed", &acme)).await;
    root.acts(&to(&acme), &to(&acme), &[("entity_name", "A")], &of("mappings-put", "done", &acme)).await;
    let csv = format!("organization_id,entity_id\n{globex},2\n");
    let preview = root.acts(&to("~import"), &to("~import"), &[("csv", &csv)], &[]).await;
    let import = preview.forms().into_iter().find(|form| form.field("step") == Some("import")).unwrap();
    let correct = preview.forms().into_iter().find(|form| form.field("step") == Some("correct")).unwrap();
    let answer = root.browser.submit(&preview, &correct).await;
    root.left(&answer, &[]).await;
    let answer = root.browser.submit(&preview, &import).await;
    root.left(&answer, &halo("mappings-import", &none)).await;
    assert!(answer.text.contains("1 created"), "{}", answer.text);

    // An organization's own sign-in is its own.
    let departed = root
        .acts(&to(&acme), "connections/Halo/connect", &[], &halo("connections-authorize", &json!(acme)))
        .await;
    let callback = allow(&mut root.browser, &departed.location()).await;
    root.browser.open(callback.as_str()).await;

    // Keys. A form that is sent again does nothing, and says so.
    let fields = [
        ("name", "Nightly"),
        ("role", "workflow"),
        ("organization_id", &acme),
        ("expires_in", "none"),
        ("read_secrets", "none"),
    ];
    let nightly = |outcome| [("keys-create", outcome, json!("Nightly"), json!(acme))];
    let page = root.open("keys/~new").await;
    let made = root.send(&page, "keys/~new", &fields).await;
    root.left(&made, &nightly("done")).await;
    let form = page.forms().into_iter().find(|form| form.field("once").is_some()).unwrap();
    let form = fields.iter().fold(form, |form, (name, value)| form.set(name, value));
    let again = root.browser.submit(&page, &form).await;
    assert_eq!(again.status, 409);
    root.left(&again, &nightly("failed")).await;
    let keys = app.root().get(&format!("/keys?scope={acme}")).await.expect(200);
    let id = keys["items"][0]["id"].as_str().unwrap().to_owned();

    // All that there is by now has been sent, or is about to be.
    let forms = root.forms().await;
    let asks =
        [format!("keys/{id}/revoke"), to(&format!("{acme}/delete")), format!("organizations/{acme}/delete")];
    let revoked = [("keys-revoke", "done", json!(id), none.clone())];
    root.acts(&asks[0], &asks[0], &[], &revoked).await;
    root.acts(&asks[1], &asks[1], &[], &of("mappings-delete", "done", &acme)).await;
    let deleted = |outcome| [("organizations-delete", outcome, json!(acme), json!(acme))];
    root.acts(&asks[2], &asks[2], &[("confirm", "Acne")], &deleted("failed")).await;
    root.acts(&asks[2], &asks[2], &[("confirm", "Acme")], &deleted("done")).await;
    let delete = "integrations/Halo/delete";
    root.acts(delete, delete, &[], &halo("integrations-delete", &none)).await;
    let (disconnect, delete) = ("connections/Halo/disconnect", "connections/Halo/delete");
    let at = |path: &str| format!("{path}?scope=global");
    root.acts(&at(disconnect), disconnect, &[], &halo("connections-disconnect", &global)).await;
    root.acts(&at(delete), delete, &[("force", "true")], &halo("connections-delete", &global)).await;
    let gone = [("sign-out", "done", none.clone(), none.clone())];
    root.acts("overview", "sign-out", &[], &gone).await;
    let left_out: Vec<_> = forms.difference(&root.sent).collect();
    assert!(left_out.is_empty() && forms.len() > 12, "not sent: {left_out:?}; sent: {:?}", root.sent);

    // No value, no ticket, no key.
    let logs = app.stack().logs();
    let ticket = linked.text.split("/connect/").nth(1).unwrap().split('"').next().unwrap();
    for secret in [ticket, text("client_secret"), "bfk_", "mine"] {
        let told = logs.lines().find(|line| line.contains("bifrost::audit") && line.contains(secret));
        assert!(told.is_none(), "{secret}: {told:?}");
    }
}

#[tokio::test]
async fn what_is_refused_in_the_console_is_in_the_trail_with_its_code() {
    let app = TestApp::alone().await;
    let acme: Organization = app.organization("Acme").await;
    app.integration("Halo", json!({})).await;
    let user = app.key(Role::User, &acme).await;
    let mut visitor = Visitor::signed_in(&app, user.key()).await;
    let menu = visitor.open("integrations").await;
    // As who knows the addresses sends them.
    let form = menu.forms().into_iter().find(|form| form.action == "/console/sign-out").unwrap();
    let none = Value::Null;
    for (path, act, subject, scope) in [
        ("keys/~new", "keys-create", none.clone(), none.clone()),
        ("organizations/~new", "organizations-create", none.clone(), none.clone()),
        ("integrations/~new", "integrations-create", none.clone(), none.clone()),
        ("integrations/Halo/delete", "integrations-delete", json!("Halo"), none.clone()),
        ("connections/~new?scope=global", "connections-create", none.clone(), json!("global")),
        ("connections/Halo/refresh?scope=global", "connections-refresh", json!("Halo"), json!("global")),
    ] {
        let sent = form.clone().set("role", "admin");
        let answer =
            visitor.browser.submit(&menu, &Form { action: format!("/console/{path}"), ..sent }).await;
        let outcome = if answer.status == 403 { "refused" } else { "failed" };
        visitor.left(&answer, &[(act, outcome, subject, scope)]).await;
        assert!(matches!(answer.status, 403 | 422), "{path}: {}", answer.text);
    }
    // Nobody knows what these were to be.
    let forged = form.clone().set("form_token", "guessed");
    let answer = visitor.browser.submit(&menu, &forged).await;
    visitor.left(&answer, &[("console", "refused", none.clone(), none.clone())]).await;
    let nowhere = Form { action: "/console/nothing".to_owned(), ..form.clone() };
    let answer = visitor.browser.submit(&menu, &nowhere).await;
    visitor.left(&answer, &[("console", "failed", none.clone(), none.clone())]).await;
    // Nor does this page do anything with it.
    let idle = Form { action: "/console/overview".to_owned(), ..form.clone() };
    let answer = visitor.browser.submit(&menu, &idle).await;
    visitor.left(&answer, &[("console", "done", none.clone(), none.clone())]).await;
    let answer = visitor.browser.submit(&menu, &form.set("csv", &"a".repeat(300_000))).await;
    assert_eq!(answer.status, 413);
    visitor.left(&answer, &[("console", "failed", none.clone(), none)]).await;
}

#[tokio::test]
async fn signing_in_is_in_the_trail_with_the_key_and_so_is_who_was_not_let_in() {
    let app = TestApp::alone().await;
    let acme = app.organization("Acme").await;
    let user = app.key(Role::User, &acme).await;
    let workflow = app.key(Role::Workflow, &acme).await;
    let elsewhere = app.key_with(Role::User, &acme, json!({"allowed_cidrs": ["203.0.113.0/24"]})).await;
    let id = |key: &str| key.split('_').nth(1).unwrap().parse::<uuid::Uuid>().unwrap().to_string();
    let wrong = format!("{}0", user.key());
    let mut visitor = Visitor { app: app.clone(), browser: Browser::new(), sent: BTreeSet::new() };
    for (key, outcome, code, key_id) in [
        (user.key(), "done", None, Some(id(user.key()))),
        (workflow.key(), "refused", Some("invalid-input"), Some(id(workflow.key()))),
        (elsewhere.key(), "refused", Some("network-forbidden"), Some(id(elsewhere.key()))),
        (&wrong, "refused", Some("unknown-key"), None),
        ("rubbish", "refused", Some("token-refused"), None),
    ] {
        let answer = visitor.sign_in(key).await;
        let lines = lines(&app, answer.header("apigw-requestid")).await;
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((&line["act"], &line["outcome"]), (&json!("sign-in"), &json!(outcome)), "{line}");
        assert_eq!((&line["code"], &line["key_id"]), (&json!(code), &json!(key_id)), "{line}");
        let named = (key == wrong).then(|| id(user.key()));
        assert_eq!((&line["via"], &line["subject"]), (&json!("console"), &json!(named)), "{line}");
    }
}
