//! `/console/keys`: who may call the API.
//!
//! A new key is shown in the answer to the form that made it, and nowhere else: an address that showed it would stay in
//! the browser's history. So that a page that is loaded again, and with it its form sent again, makes no second key,
//! each form has a number of its own that serves once.

use bifrost::{
    app::{api_keys::ApiKeyView, page::PageRequest},
    model::{
        ApiKeyId, Problem, Scope, Secret,
        access::{Operation, Role},
        organization::Organization,
    },
    oauth,
};
use http::StatusCode;
use maud::{Markup, html};
use serde_json::{Map, Value};

use crate::{
    form::Form,
    no_page,
    reply::{Page, Reply},
    ui,
    visit::Visit,
    words,
};

const SECTION: &str = "keys";
const TITLE: &str = "API Keys";
const BASE: &str = "/console/keys";
const PAGE: usize = 50;
/// Among how many those are looked for that another made.
const MOST_LOOKED_THROUGH: usize = 1000;

/// The choice that leaves a field out. An empty one that is required would be none to browsers.
const NONE: &str = "none";

/// What "Expires" offers: seconds and words.
const LIFETIMES: [(&str, &str); 8] = [
    (NONE, "Never, or as given below"),
    ("3600", "In 1 hour"),
    ("28800", "In 8 hours"),
    ("86400", "In 1 day"),
    ("604800", "In 7 days"),
    ("2592000", "In 30 days"),
    ("7776000", "In 90 days"),
    ("31536000", "In 1 year"),
];

pub(crate) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => list(visit).await,
        ["~new"] if visit.is_post() => create(visit).await,
        ["~new"] => {
            let scope = visit.scope()?;
            visit.permitted(Operation::KeysCreate, scope)?;
            let values = visit.request.query("scope").map(|scope| ("organization_id", scope));
            new(visit, &Form::new(visit, values)).await
        }
        [id, "revoke"] if visit.is_post() => revoke(visit, parsed(id)?).await,
        [id, "revoke"] => ask(visit, parsed(id)?).await,
        _ => Err(no_page()),
    }
}

fn parsed(id: &str) -> Result<ApiKeyId, Problem> {
    id.parse().map_err(|_| no_page())
}

/// The list of a scope.
fn address(scope: Scope) -> String {
    ui::address(BASE, &[("scope", &scope.to_string())])
}

/// Whose keys they are, as people say it. Asked after the caller was found to be permitted there.
async fn owner(visit: &Visit<'_>, scope: Scope) -> Result<String, Problem> {
    match scope {
        Scope::Global => Ok("The platform".to_owned()),
        Scope::Organization(id) => Ok(visit.bifrost.organization(id).await?.name),
    }
}

/// The scopes whose keys the caller may look after, if these are more than its own.
fn may_choose(visit: &Visit<'_>, operation: Operation) -> bool {
    visit.may_at_home(Operation::OrganizationsList) && visit.may_at_home(operation)
}

async fn list(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let scope = visit.scope()?;
    visit.permitted(Operation::KeysList, scope)?;
    let request = PageRequest { limit: PAGE, cursor: visit.request.query("cursor") };
    let page = visit.bifrost.api_keys(visit.caller(), scope, request).await?;
    let next = match &page.next {
        Some(position) => {
            let cursor = visit.bifrost.cursor(&page.listing, position).await?;
            Some(ui::address(BASE, &[("scope", &scope.to_string()), ("cursor", &cursor)]))
        }
        None => None,
    };
    let owner = owner(visit, scope).await?;
    let organizations = visit.organizations().await?;
    let rows = html! { @for key in page.items() { (row(visit, key, scope, &owner)) } };
    let body = html! {
        div.bar {
            @if may_choose(visit, Operation::KeysList) {
                form.bar method="get" action=(BASE) {
                    (scope_field(visit, scope, organizations.as_deref()))
                    button.quiet type="submit" { "Show" }
                }
            }
            @if visit.may(Operation::KeysCreate, scope) {
                a.button href=(ui::address(&format!("{BASE}/~new"), &[("scope", &scope.to_string())])) { "Create API Key" }
            }
        }
        @if page.rows.is_empty() {
            (ui::empty_state("There are no keys here yet.", &html! {
                p { "Create one for each person and each automation, so that each can be revoked by itself." }
            }))
        } @else {
            (ui::table(
                &format!("API keys: {owner}"),
                &["Name", "Role", "Belongs to", "Expires", "Networks", "Reads secrets", "Created", "Revoke"],
                &rows,
            ))
        }
        (ui::next_page(next))
    };
    let done = visit.done().filter(|done| *done == "revoked");
    let notice = done
        .map(|_| "The key has been revoked, and with it those that it made. They are refused from now on.");
    Ok(Page::new(TITLE, SECTION, body).notice(notice).into())
}

fn row(visit: &Visit<'_>, key: &ApiKeyView, scope: Scope, owner: &str) -> Markup {
    html! {
        tr {
            th scope="row" {
                (name(key))
                span.small { code { (key.id) } }
                @if visit.caller().key_id == key.id.to_string() { span.small { "You are signed in with it." } }
            }
            td { (role_word(key.role)) }
            td { (owner) }
            td { (expiry(visit, key)) }
            td { (networks(&key.allowed_cidrs)) }
            td { @if key.read_secrets { "Yes" } @else { "No" } }
            td { (words::time(key.created_at, visit.now)) }
            td {
                @if visit.may(Operation::KeysRevoke, scope) {
                    a href={ (BASE) "/" (key.id) "/revoke" } aria-label={ "Revoke " (name(key)) } { "Revoke…" }
                }
            }
        }
    }
}

/// A name is not required of a key.
fn name(key: &ApiKeyView) -> &str {
    if key.name.is_empty() { "(without a name)" } else { &key.name }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Admin => "Admin",
        Role::User => "User",
        Role::Workflow => "Workflow",
    }
}

fn expiry(visit: &Visit<'_>, key: &ApiKeyView) -> Markup {
    match key.expires_at {
        None => html! { "Never" },
        Some(at) if at <= visit.now => {
            html! { (words::badge("bad", "Expired")) " " (words::time(at, visit.now)) }
        }
        Some(at) => words::time(at, visit.now),
    }
}

fn networks(cidrs: &[String]) -> Markup {
    html! {
        @if cidrs.is_empty() { "Any" } @else { @for cidr in cidrs { span.line { code { (cidr) } } } }
    }
}

/// Whose keys to show: the platform's, where the caller may see them, or an organization's.
fn scope_field(visit: &Visit<'_>, scope: Scope, organizations: Option<&[Organization]>) -> Markup {
    let chosen = scope.to_string();
    html! {
        div.field {
            label for="scope" { "Keys of" }
            @if let Some(organizations) = organizations {
                select id="scope" name="scope" {
                    @for (value, label) in owners(visit, Operation::KeysList, organizations) {
                        option value=(value) selected[value == chosen] { (label) }
                    }
                }
            } @else {
                input type="text" id="scope" name="scope" value=(chosen) spellcheck="false" autocomplete="off"
                    aria-describedby="scope-hint";
                p.hint id="scope-hint" { "An organization's id, or global for the platform" }
            }
        }
    }
}

/// To choose from: id and name.
fn owners(visit: &Visit<'_>, operation: Operation, organizations: &[Organization]) -> Vec<(String, String)> {
    let named = |organization: &Organization| (organization.id.to_string(), organization.name.clone());
    let mut owners: Vec<_> = organizations.iter().map(named).collect();
    owners.sort_by_key(|(_, name)| name.to_lowercase());
    if visit.may(operation, Scope::Global) {
        owners.insert(0, (Scope::Global.to_string(), "The platform".to_owned()));
    }
    owners
}

/// What may be done with a key of a role, for those who make one.
const ROLES: [(Role, &str); 3] = [
    (
        Role::Workflow,
        "A running automation. It reads integrations and mappings, and gets and refreshes tokens; it changes nothing. \
         Secrets beyond access tokens only if you say so below.",
    ),
    (
        Role::User,
        "A person who looks after one organization: makes, connects and repairs its OAuth connections, and its workflow keys. \
         Signs in here.",
    ),
    (
        Role::Admin,
        "Everything, in every organization: integrations, organizations, connections, keys, and all secrets. Only for the \
         platform and for provider organizations. Signs in here.",
    ),
];

async fn new(visit: &Visit<'_>, form: &Form) -> Result<Reply, Problem> {
    let caller = visit.caller();
    let organizations = visit.organizations().await?;
    let chooses = may_choose(visit, Operation::KeysCreate);
    let once = oauth::random_secret();
    let own_end =
        caller.expires_at.map(|at| format!("At the latest when your own key does: {}.", at.to_the_minute()));
    let own_networks = (!caller.allowed_cidrs.is_empty()).then_some("Within the networks of your own key.");
    let networks_hint = own_networks
        .unwrap_or("One network or address per line, such as 203.0.113.0/24. Anywhere if there is none.");
    let may_be_read = vec![
        (NONE.to_owned(), "As the role has it: admin and user do, workflow does not".to_owned()),
        ("true".to_owned(), "Yes".to_owned()),
        ("false".to_owned(), "No".to_owned()),
    ];
    let lifetimes = LIFETIMES.map(|(seconds, words)| (seconds.to_owned(), words.to_owned())).to_vec();
    let lifetime = form.select("expires_in", "Expires", lifetimes).required();
    let lifetime = match &own_end {
        Some(hint) => lifetime.hint(hint),
        None => lifetime,
    };
    let fields = html! {
        input type="hidden" name="once" value=(once.expose());
        (form.text("name", "Name").hint("Who or what will use it, so that people know what they revoke."))
        (role_field(form, caller.manages_keys_with(Role::Admin)))
        @if chooses {
            @if let Some(organizations) = &organizations {
                (form.select("organization_id", "Belongs to", {
                    let mut owners = owners(visit, Operation::KeysCreate, organizations);
                    owners.insert(0, (String::new(), "Select the platform or an organization".to_owned()));
                    owners
                }).required().hint("A key of the platform reaches every organization; an organization's is for its own work."))
            } @else {
                (form.text("organization_id", "Belongs to").required().hint("An organization's id, or global for the platform"))
            }
        }
        (lifetime)
        (exact_end(form))
        (form.area("allowed_cidrs", "Allowed networks", 3).hint(networks_hint))
        (form.select("read_secrets", "Reads client secrets and refresh tokens", may_be_read).required())
        button type="submit" { "Create API Key" }
    };
    let page = Page::new("Create API Key", SECTION, form.around(&format!("{BASE}/~new"), &fields))
        .under(TITLE, BASE)
        .refused(form.problem());
    Ok(page.into())
}

fn role_field(form: &Form, all: bool) -> Markup {
    let error = form.error("role");
    let offered = ROLES.iter().filter(|(role, _)| all || *role == Role::Workflow);
    let chosen = |role: Role| form.value("role") == role.as_str() || (!all && role == Role::Workflow);
    html! {
        fieldset.roles aria-describedby=[error.as_ref().map(|_| "role-error")] {
            legend { "Role" }
            @if let Some(error) = &error { p.error id="role-error" { (error) } }
            @for (role, may) in offered {
                @let id = format!("role-{}", role.as_str());
                div.field.check {
                    input type="radio" id=(id) name="role" value=(role.as_str()) required checked[chosen(*role)]
                        aria-describedby={ (id) "-hint" };
                    label for=(id) { strong { (role_word(*role)) } }
                    p.hint id={ (id) "-hint" } { (may) }
                }
            }
        }
    }
}

/// Browsers have a field for a time; without a zone, so it is UTC.
fn exact_end(form: &Form) -> Markup {
    let error = form.error("expires_at");
    let described = if error.is_some() { "expires_at-error expires_at-hint" } else { "expires_at-hint" };
    html! {
        div.field {
            label for="expires_at" { "Expires exactly at" span.optional { " (optional)" } }
            @if let Some(error) = &error { p.error id="expires_at-error" { (error) } }
            input type="datetime-local" id="expires_at" name="expires_at" value=(form.value("expires_at"))
                aria-invalid=[error.as_ref().map(|_| "true")] aria-describedby=(described);
            p.hint id="expires_at-hint" { "UTC. Instead of a choice above." }
        }
    }
}

/// The form as the API takes it.
fn body(visit: &Visit<'_>) -> Map<String, Value> {
    let mut body = visit.body(&["name", "role", "organization_id"]);
    let chosen = |name: &str| visit.text(name).filter(|text| *text != NONE);
    let mut set = |name: &str, value: Option<Value>| value.map(|value| body.insert(name.to_owned(), value));
    set("expires_in", chosen("expires_in").map(|text| text.parse::<u64>().map_or(text.into(), Value::from)));
    set("expires_at", visit.text("expires_at").map(|text| in_utc(text).into()));
    set("read_secrets", chosen("read_secrets").map(|text| (text == "true").into()));
    let networks: Vec<&str> = visit.text("allowed_cidrs").unwrap_or_default().split_whitespace().collect();
    set("allowed_cidrs", (!networks.is_empty()).then(|| networks.into()));
    body
}

/// What a field for a time sends, `2026-01-31T17:00` or with seconds, as RFC 3339 has it. Anything else is left for the
/// API's rules to refuse.
fn in_utc(text: &str) -> String {
    match text.len() {
        16 => format!("{text}:00Z"),
        19.. if text.ends_with(|last: char| last.is_ascii_digit()) => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

async fn create(visit: &Visit<'_>) -> Result<Reply, Problem> {
    // Whether the caller may make a key there is asked where the body is read; whether it makes any at all, here.
    visit.permitted(Operation::KeysCreate, visit.caller().home)?;
    let (asker, once) = (visit.form_token(), visit.field("once").unwrap_or_default());
    if !visit.bifrost.is_first(&asker, once).await? {
        return Ok(sent_again().into());
    }
    match visit.bifrost.create_api_key(visit.caller(), body(visit)).await {
        Ok(made) => Ok(made_page(visit, made).into()),
        Err(problem) => {
            visit.bifrost.was_not_done(&asker, once).await?;
            new(visit, &Form::typed(visit, Some(problem))).await
        }
    }
}

fn made_page(visit: &Visit<'_>, made: ApiKeyView) -> Page {
    let scope = made.organization_id.map_or(Scope::Global, Scope::Organization);
    let key = made.key.as_ref().map(|key| Secret::expose(&key.0)).unwrap_or_default();
    let body = html! {
        div.notice.warn { p { strong { "Copy the key now, and keep it where secrets are kept." } " It won't be shown again: only its hash is stored." } }
        p { (ui::copyable("new-key", key)) }
        dl {
            dt { "Name" } dd { (name(&made)) }
            dt { "Role" } dd { (role_word(made.role)) }
            dt { "Expires" } dd { (expiry(visit, &made)) }
            dt { "Networks" } dd { (networks(&made.allowed_cidrs)) }
            dt { "Reads secrets" } dd { @if made.read_secrets { "Yes" } @else { "No" } }
            dt { "Sent as" } dd { code { "Authorization: Bearer <key>" } }
        }
        p { a.button href=(address(scope)) { "I have copied it" } }
    };
    Page::new("The API key has been created", SECTION, body).under(TITLE, address(scope))
}

/// To whoever loads the page of a new key again.
fn sent_again() -> Page {
    let body = html! {
        div.notice.warn role="alert" {
            p { strong { "This form was sent before, and did what it was to do then." } }
            p { "The key that it made was shown once, and is not shown again; no second one was made." }
        }
        p { "If it was not copied, revoke it in the list and make another." }
        p { a.button href=(BASE) { "To the list" } a.button.quiet href={ (BASE) "/~new" } { "Create API Key" } }
    };
    Page { status: StatusCode::CONFLICT, ..Page::new("Not shown again", SECTION, body).under(TITLE, BASE) }
}

async fn ask(visit: &Visit<'_>, id: ApiKeyId) -> Result<Reply, Problem> {
    visit.permitted(Operation::KeysRevoke, visit.caller().home)?;
    let key = visit.bifrost.api_key(visit.caller(), id).await?;
    let (made, complete) = visit.bifrost.api_keys_made_by(&key, MOST_LOOKED_THROUGH).await?;
    let scope = key.organization_id.map_or(Scope::Global, Scope::Organization);
    let owner = owner(visit, scope).await?;
    let makes_keys = key.role != Role::Workflow;
    let body = html! {
        p { "Whoever uses the key is refused from then on, and nothing brings it back." }
        dl {
            dt { "Role" } dd { (role_word(key.role)) }
            dt { "Belongs to" } dd { (owner) }
            dt { "ID" } dd { code { (key.id) } }
            dt { "Expires" } dd { (expiry(visit, &key)) }
            dt { "Created" } dd { (words::time(key.created_at, visit.now)) }
        }
        @if visit.caller().key_id == key.id.to_string() {
            p.warning { "It is the key that you are signed in with: you will be signed out." }
        }
        @if makes_keys {
            div.notice.warn {
                @if made.is_empty() {
                    p { "With it goes every key that it made." @if complete { " There is none here." } }
                } @else {
                    p { strong { "With it go the keys that it made, itself or through others:" } }
                    ul { @for key in &made { li { (name(key)) ", " (role_word(key.role)) span.small { code { (key.id) } } } } }
                }
                @if !complete {
                    p { "Only the first " (MOST_LOOKED_THROUGH) " keys were looked through; there may be more." }
                }
                @if key.role == Role::Admin {
                    p { "Keys that it made for other organizations go too. They are not listed here." }
                }
            }
        }
        div.actions {
            (Form::empty(visit).button(&format!("{BASE}/{id}/revoke"), "Revoke key", "danger"))
            a.button.quiet href=(address(scope)) { "Cancel" }
        }
    };
    Ok(Page::new(format!("Revoke {}?", name(&key)), SECTION, body).under(TITLE, address(scope)).into())
}

async fn revoke(visit: &Visit<'_>, id: ApiKeyId) -> Result<Reply, Problem> {
    visit.permitted(Operation::KeysRevoke, visit.caller().home)?;
    let key = visit.bifrost.api_key(visit.caller(), id).await?;
    visit.bifrost.revoke_api_key(visit.caller(), id).await?;
    let scope = key.organization_id.map_or(Scope::Global, Scope::Organization);
    Ok(Reply::see_other(format!("{}&done=revoked", address(scope))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_field_for_a_time_sends_is_taken_as_utc() {
        let cases = [
            ("2026-01-31T17:00", "2026-01-31T17:00:00Z"),
            ("2026-01-31T17:00:05", "2026-01-31T17:00:05Z"),
            ("2026-01-31T17:00:05.250", "2026-01-31T17:00:05.250Z"),
            ("2026-01-31T17:00:00Z", "2026-01-31T17:00:00Z"),
            ("tomorrow", "tomorrow"),
        ];
        for (typed, read) in cases {
            assert_eq!(in_utc(typed), read);
        }
    }
}
