//! `/console/organizations`: the tenants, for those who look after them all.

use std::time::Duration;

use bifrost::{
    app::{mappings::MappedTo, page::PageRequest},
    model::{OrganizationId, Problem, Scope, access::Operation, organization::Organization},
};
use maud::{Markup, html};

use crate::{
    form::Form,
    no_page,
    reply::{Page, Reply},
    ui,
    visit::{MOST_TO_CHOOSE_FROM, Visit},
    words,
};

const SECTION: &str = "organizations";
const TITLE: &str = "Organizations";
const BASE: &str = "/console/organizations";
/// How many are listed at a time. With a filter, as many are looked through as a form lets choose from.
const PAGE: usize = 50;
/// How much of what an organization has is named on its own page.
const MOST_NAMED: usize = 200;
/// A page of a deletion comes before the gateway gives up on it; the rest goes on without.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => list(visit).await,
        ["~new"] if visit.is_post() => create(visit).await,
        ["~new"] => {
            visit.permitted(Operation::OrganizationsCreate, visit.caller().home)?;
            Ok(new(&Form::empty(visit)).into())
        }
        [id] => show(visit, parsed(id)?).await,
        [id, "delete"] if visit.is_post() => delete(visit, parsed(id)?).await,
        [id, "delete"] => ask(visit, parsed(id)?).await,
        [id, "deleted"] => deleted(visit, parsed(id)?).await,
        _ => Err(no_page()),
    }
}

fn parsed(id: &str) -> Result<OrganizationId, Problem> {
    id.parse().map_err(|_| no_page())
}

fn address(id: OrganizationId) -> String {
    format!("{BASE}/{id}")
}

fn kind(organization: &Organization) -> Markup {
    words::badge("idle", if organization.is_provider { "Provider" } else { "Managed" })
}

async fn list(visit: &Visit<'_>) -> Result<Reply, Problem> {
    visit.permitted(Operation::OrganizationsList, visit.caller().home)?;
    let filter = visit.request.query("q").map(str::trim).unwrap_or_default();
    let cursor = visit.request.query("cursor");
    let limit = if filter.is_empty() { PAGE } else { MOST_TO_CHOOSE_FROM };
    let page = visit.bifrost.organizations(PageRequest { limit, cursor }).await?;
    let next = match &page.next {
        Some(position) => Some(visit.bifrost.cursor(&page.listing, position).await?),
        None => None,
    };
    let wanted = filter.to_lowercase();
    let page = page.filter_map(|found| found.name.to_lowercase().contains(&wanted).then_some(found));
    let (begun_anew, more) = (cursor.is_none(), next.is_some());
    let next = next.map(|cursor| match filter {
        "" => ui::address(BASE, &[("cursor", &cursor)]),
        filter => ui::address(BASE, &[("q", filter), ("cursor", &cursor)]),
    });
    let rows = html! {
        @for organization in page.items() {
            tr {
                th scope="row" { a href=(address(organization.id)) { (organization.name) } }
                td { (kind(organization)) }
                td { (ui::copyable(&format!("id-{}", organization.id), &organization.id.to_string())) }
                td { (words::time(organization.created_at, visit.now)) }
            }
        }
    };
    let body = html! {
        div.bar {
            form.bar method="get" action=(BASE) role="search" {
                div.field { label for="q" { "Filter by name" } input type="search" id="q" name="q" value=(filter); }
                button.quiet type="submit" { "Filter" }
                @if !filter.is_empty() { a.button.quiet href=(BASE) { "Show all" } }
            }
            @if visit.may_at_home(Operation::OrganizationsCreate) {
                a.button href={ (BASE) "/~new" } { "Create Organization" }
            }
        }
        @if !page.rows.is_empty() {
            (ui::table(TITLE, &["Name", "Kind", "ID", "Created"], &rows))
        } @else if filter.is_empty() && begun_anew && !more {
            (ui::empty_state("There are no organizations yet.", &html! {
                p { "Create one for each customer whose systems workflows are to reach, and map it in an integration." }
            }))
        } @else {
            (ui::empty_state("No organization has that in its name.", &html! {
                @if more {
                    p { "So far " (MOST_TO_CHOOSE_FROM) " were looked through; there are more on the next page." }
                } @else {
                    p { a href=(BASE) { "Show all organizations" } }
                }
            }))
        }
        (ui::next_page(next))
    };
    Ok(Page::new(TITLE, SECTION, body).into())
}

fn new(form: &Form) -> Page {
    let fields = html! {
        (form.text("name", "Name").required().hint("As people know it. Several may have the same."))
        (form.text("id", "ID").hint("A UUID, to keep the one that the organization has elsewhere. Without it, a new one is made."))
        (form.check("is_provider", "It is a provider").hint(
            "A provider looks after the others: its keys may name any organization's scope, and it may have admins. Leave this \
             open for a customer, whose keys reach its own data alone. It can't be changed later.",
        ))
        button type="submit" { "Create Organization" }
    };
    Page::new("Create Organization", SECTION, form.around(&format!("{BASE}/~new"), &fields))
        .under(TITLE, BASE)
        .refused(form.problem())
}

async fn create(visit: &Visit<'_>) -> Result<Reply, Problem> {
    visit.permitted(Operation::OrganizationsCreate, visit.caller().home)?;
    let mut body = visit.body(&["name", "id"]);
    body.insert("is_provider".to_owned(), visit.ticked("is_provider").into());
    match visit.bifrost.create_organization(body).await {
        Ok(made) => Ok(Reply::see_other(format!("{}?done=created", address(made.id)))),
        Err(problem) => Ok(new(&Form::typed(visit, Some(problem))).into()),
    }
}

async fn show(visit: &Visit<'_>, id: OrganizationId) -> Result<Reply, Problem> {
    visit.permitted(Operation::OrganizationsList, visit.caller().home)?;
    let organization = visit.bifrost.organization(id).await?;
    let (mapped, complete) = visit.bifrost.mapped_to(id, MOST_NAMED).await?;
    let scope = Scope::Organization(id);
    let id_text = id.to_string();
    let body = html! {
        dl {
            dt { "ID" } dd { (ui::copyable("id", &id_text)) }
            dt { "Kind" } dd { (kind(&organization)) }
            dt { "Created" } dd { (words::time(organization.created_at, visit.now)) }
        }
        @if visit.may(Operation::ConnectionsList, scope) {
            p {
                a href=(ui::address("/console/connections", &[("scope", &id_text)])) { "OAuth Connections of " (organization.name) }
            }
        }
        @if visit.may(Operation::KeysList, scope) {
            p { a href=(ui::address("/console/keys", &[("scope", &id_text)])) { "API Keys of " (organization.name) } }
        }
        h2 { "Mappings" }
        @if mapped.is_empty() {
            (ui::empty_state("It is not mapped in any integration yet.", &html! {
                p { "Open an " a href="/console/integrations" { "integration" } ", go to its tab Mappings, and add one for it." }
            }))
        } @else {
            (mappings(id, &mapped))
            @if !complete { p.hint { "There are more: see the integrations themselves." } }
        }
        @if visit.may_at_home(Operation::OrganizationsDelete) {
            h2 { "Delete" }
            p { a.button.danger href={ (address(id)) "/delete" } { "Delete organization…" } }
        }
    };
    let done = visit.done().filter(|done| *done == "created");
    let notice =
        done.map(|_| "The organization has been created. Map it in an integration, or make it a key.");
    Ok(Page::new(organization.name, SECTION, body).under(TITLE, BASE).notice(notice).into())
}

/// What an organization is mapped to, with a link to each mapping.
pub(crate) fn mappings(id: OrganizationId, mapped: &[MappedTo]) -> Markup {
    let rows = html! {
        @for to in mapped {
            tr {
                th scope="row" {
                    a href={ "/console/integrations/" (ui::encoded(to.integration.as_str())) "/mappings/" (id) } { (to.integration) }
                }
                td {
                    @if let Some(entity) = &to.entity_id {
                        code { (entity) }
                        @if let Some(name) = &to.entity_name { span.small { (name) } }
                    } @else { (words::nothing()) }
                }
                td {
                    @if to.missing_config.is_empty() { (words::badge("good", "Complete")) } @else {
                        (words::badge("warn", "Incomplete"))
                        span.small { "Missing: " (to.missing_config.join(", ")) }
                    }
                }
                td { @if let Some(status) = to.own_grant { (words::grant_status(status)) } @else { (words::nothing()) } }
            }
        }
    };
    ui::table("Mappings", &["Integration", "Entity ID", "Configuration", "Own sign-in"], &rows)
}

/// What goes with an organization.
struct Belongings {
    connections: Vec<String>,
    mappings: Vec<String>,
    keys: usize,
    /// False: there is more.
    complete: bool,
}

async fn belongings(visit: &Visit<'_>, id: OrganizationId) -> Result<Belongings, Problem> {
    let scope = Scope::Organization(id);
    let request = PageRequest { limit: MOST_NAMED, cursor: None };
    let connections = visit.bifrost.connections(scope, request, visit.request.public_url()).await?;
    let keys = visit.bifrost.api_keys(visit.caller(), scope, request).await?;
    let (mapped, complete) = visit.bifrost.mapped_to(id, MOST_NAMED).await?;
    Ok(Belongings {
        complete: complete && connections.next.is_none() && keys.next.is_none(),
        connections: connections.items().map(|connection| connection.name.to_string()).collect(),
        mappings: mapped.into_iter().map(|to| to.integration.to_string()).collect(),
        keys: keys.rows.len(),
    })
}

async fn ask(visit: &Visit<'_>, id: OrganizationId) -> Result<Reply, Problem> {
    visit.permitted(Operation::OrganizationsDelete, visit.caller().home)?;
    let organization = visit.bifrost.organization(id).await?;
    let belongings = belongings(visit, id).await?;
    Ok(asking(visit, &Form::empty(visit), &organization, &belongings).into())
}

fn asking(visit: &Visit<'_>, form: &Form, organization: &Organization, belongings: &Belongings) -> Page {
    let Belongings { connections, mappings, keys, complete } = belongings;
    let at_least = if *complete { "" } else { "at least " };
    let named = |names: &[String], one, many| {
        let listed = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        format!("{at_least}{}{listed}", words::counted(names.len(), one, many))
    };
    let address = address(organization.id);
    let label = format!("Type the organization's name, {}, to go on", organization.name);
    let fields = html! {
        (form.text("confirm", &label).required())
        button.danger type="submit" { "Delete organization" }
        a.button.quiet href=(address) { "Cancel" }
    };
    let body = html! {
        div.notice.bad {
            p { strong { "Nothing brings it back." } " With " (organization.name) " go:" }
            ul {
                li { (named(connections, "connection", "connections")) "; what it was granted is revoked at the providers, its own sign-ins on global connections too" }
                li { (named(mappings, "mapping", "mappings")) "; their entity IDs are free for others" }
                li { (at_least) (words::counted(*keys, "API key", "API keys")) ", refused from now on" }
                li { "its data keys: every secret and token kept for it is unreadable at once, and in backups within 7 days" }
            }
        }
        @if visit.caller().home == Scope::Organization(organization.id) {
            p.warning { "It is the organization of the key that you are signed in with: you will be signed out." }
        }
        (form.around(&format!("{address}/delete"), &fields))
    };
    Page::new(format!("Delete {}?", organization.name), SECTION, body)
        .under(TITLE, BASE)
        .under(&organization.name, &address)
        .refused(form.problem())
}

async fn delete(visit: &Visit<'_>, id: OrganizationId) -> Result<Reply, Problem> {
    visit.permitted(Operation::OrganizationsDelete, visit.caller().home)?;
    let organization = visit.bifrost.organization(id).await?;
    if visit.text("confirm") != Some(organization.name.as_str()) {
        let problem =
            Problem::invalid("confirm", "is not the organization's name: type it as it is written here");
        let form = Form::typed(visit, Some(problem));
        return Ok(asking(visit, &form, &organization, &belongings(visit, id).await?).into());
    }
    let deadline = visit.request.deadline().at_most(PATIENCE);
    visit.bifrost.clone().delete_organization(id, deadline).await?;
    Ok(Reply::see_other(format!("{}/deleted", address(id))))
}

/// How far it is.
async fn deleted(visit: &Visit<'_>, id: OrganizationId) -> Result<Reply, Problem> {
    visit.permitted(Operation::OrganizationsDelete, visit.caller().home)?;
    let (title, body) = if visit.bifrost.is_organization_being_deleted(id).await? {
        let body = html! {
            div.notice role="status" {
                p { "Its keys are refused, its secrets can't be read any more, and nothing can be added to it." }
                p { "What is left of it is being removed, and is gone within minutes. You need not wait." }
            }
            p { a.button href={ (address(id)) "/deleted" } { "Look again" } }
        };
        ("The organization is being deleted", body)
    } else if visit.bifrost.organization(id).await.is_ok() {
        return Ok(Reply::see_other(address(id)));
    } else {
        let body =
            html! { p.notice.good role="status" { "Nothing is left of it. Its ID may be used again." } };
        ("The organization is deleted", body)
    };
    let body = html! {
        (body)
        p { "ID " code { (id) } }
        p { a href=(BASE) { "All organizations" } }
    };
    Ok(Page::new(title, SECTION, body).under(TITLE, BASE).into())
}
