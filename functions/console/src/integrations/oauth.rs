//! The tab OAuth: the connection that an integration's tokens come from, another one, or a new one made here.

use bifrost::{
    app::{
        connections::{ConnectionView, GrantCounts},
        health,
        integrations::IntegrationView,
        page::PageRequest,
    },
    model::{
        Code, FieldError, Name, Problem, Scope,
        access::Operation,
        connection::{ConnectionStatus, Flow, NewConnection},
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{Tab, address, for_people, form, page, shown_revision};
use crate::{form::Form, reply::Reply, ui, visit::Visit, words};

/// What the choice of a provider says when the connection is to be made here. `~` stands in no name.
pub(super) const CUSTOM: &str = "~custom";
/// How many connections can be chosen from.
const MOST_CHOICES: usize = 200;

/// The fields of a connection that is made here: name in the form, in the API, and label.
const INLINE: [(&str, &str, &str); 6] = [
    ("oauth.flow", "flow", "OAuth Flow Type"),
    ("oauth.authorization_url", "authorization_url", "Authorization URL"),
    ("oauth.token_url", "token_url", "Token URL"),
    ("oauth.client_id", "client_id", "Client ID"),
    ("oauth.client_secret", "client_secret", "Client Secret"),
    ("oauth.scopes", "scopes", "Scopes"),
];

pub(super) async fn tab(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    if !visit.is_post() {
        return shown(visit, integration, None).await;
    }
    visit.permitted(Operation::IntegrationsUpdate, visit.caller().home)?;
    let done = match visit.field("action") {
        Some("configure") => configure(visit, integration).await.map(|()| "configured"),
        _ => link(visit, integration).await.map(|()| "linked"),
    };
    match done {
        Ok(done) => Ok(Reply::see_other(format!("{}/oauth?done={done}", address(integration)))),
        Err(problem) => {
            // The next try is made on what is in force now.
            let integration = visit.bifrost.show_integration(&integration.name).await?;
            shown(visit, &integration, Some(for_people(problem))).await
        }
    }
}

async fn link(visit: &Visit<'_>, integration: &IntegrationView) -> Result<(), Problem> {
    let connection = visit.text("oauth_provider").map_or(Value::Null, Value::from);
    let patch = Map::from_iter([("connection".to_owned(), connection)]);
    let linked =
        visit.bifrost.update_integration(&integration.name, &patch, Some(shown_revision(visit)?), false);
    linked.await.map(drop).map_err(|problem| renamed(problem, &[("connection", "oauth_provider")]))
}

/// Makes the connection first: what is wrong with it leaves the integration as it is.
async fn configure(visit: &Visit<'_>, integration: &IntegrationView) -> Result<(), Problem> {
    visit.permitted(Operation::ConnectionsCreate, Scope::Global)?;
    let revision = shown_revision(visit)?;
    if revision != integration.revision {
        return Err(Problem::new(Code::StaleRevision, "The integration has changed since."));
    }
    create_inline(visit, &integration.name).await?;
    visit.acts.ended(Operation::ConnectionsCreate, Ok(()));
    let patch = Map::from_iter([("connection".to_owned(), Value::from(integration.name.as_str()))]);
    visit.bifrost.update_integration(&integration.name, &patch, Some(revision), false).await.map(drop)
}

/// What is wrong with a connection that is to be made under an integration's name.
pub(super) async fn wrong_inline(visit: &Visit<'_>, name: Option<&str>) -> Result<Vec<FieldError>, Problem> {
    let mut body = inline_body(visit);
    // What is wrong with the name is said beside that.
    body.insert("name".to_owned(), "x".into());
    let judged =
        NewConnection::from_input(body, visit.bifrost.url_rules(), visit.caller().sets_platform_fields());
    let mut errors = judged.err().map(|problem| inline_errors(problem).errors).unwrap_or_default();
    if let Some(name) = name.and_then(|name| Name::parse(name).ok())
        && let Some(connection) = global(visit, &name).await?
    {
        let message =
            format!("has a connection {} already: select that one, or another name", connection.name);
        errors.push(FieldError::new("oauth_provider", message));
    }
    Ok(errors)
}

pub(super) async fn create_inline(visit: &Visit<'_>, name: &Name) -> Result<(), Problem> {
    let mut body = inline_body(visit);
    body.insert("name".to_owned(), name.as_str().into());
    let made =
        visit.bifrost.create_connection(visit.caller(), Scope::Global, body, visit.request.public_url());
    made.await.map(drop).map_err(inline_errors)
}

fn inline_body(visit: &Visit<'_>) -> Map<String, Value> {
    let member =
        |(typed, member, _): (&str, &str, _)| Some((member.to_owned(), Value::from(visit.text(typed)?)));
    INLINE.into_iter().filter_map(member).collect()
}

fn inline_errors(problem: Problem) -> Problem {
    renamed(problem, &INLINE.map(|(typed, member, _)| (member, typed)))
}

fn renamed(mut problem: Problem, names: &[(&str, &str)]) -> Problem {
    for error in &mut problem.errors {
        if let Some((_, typed)) = names.iter().find(|(member, _)| *member == error.field) {
            error.field = (*typed).to_owned();
        }
    }
    problem
}

/// What people call the fields here.
pub(super) fn label(field: &str) -> String {
    let inline = INLINE.iter().find(|(typed, ..)| *typed == field).map(|(.., label)| *label);
    let label = if field == "oauth_provider" { Some("OAuth Provider") } else { inline };
    label.unwrap_or(field).to_owned()
}

/// The connections that can be linked: those that all organizations may use.
pub(super) async fn choices(
    visit: &Visit<'_>,
    linked: Option<&Name>,
) -> Result<Vec<(String, String)>, Problem> {
    if !visit.may(Operation::ConnectionsList, Scope::Global) {
        return Ok(Vec::new());
    }
    let request = PageRequest { limit: MOST_CHOICES, cursor: None };
    let page = visit.bifrost.connections(Scope::Global, request, visit.request.public_url()).await?;
    let names = page.items().map(|connection| connection.name.to_string());
    let mut choices: Vec<_> = names.map(|name| (name.clone(), name)).collect();
    // One that does not exist, or that is beyond what the list holds.
    let linked = linked.map(Name::to_string).filter(|linked| choices.iter().all(|(name, _)| name != linked));
    choices.extend(linked.map(|linked| (linked.clone(), linked)));
    Ok(choices)
}

/// The part of the form for a new integration that is about OAuth.
pub(super) fn choice(visit: &Visit<'_>, fields: &Form, choices: Vec<(String, String)>) -> Markup {
    let ends = [("", "None"), (CUSTOM, "Configure custom OAuth settings")];
    let [none, custom] = ends.map(|(value, label)| (value.to_owned(), label.to_owned()));
    let options = [vec![none], choices, vec![custom]].concat();
    let name = fields.value("name").trim();
    html! {
        fieldset.oauth-choice {
            legend { "Link an OAuth Provider" span.optional { " (optional)" } }
            (fields.select("oauth_provider", "OAuth Provider", options).bare()
                .hint("Where the tokens come from: an existing OAuth connection, or one that is made with the integration"))
            div.custom {
                (inline(visit, fields, if name.is_empty() { "<Name>" } else { name }))
            }
        }
    }
}

fn inline(visit: &Visit<'_>, fields: &Form, name: &str) -> Markup {
    let flows = [
        ("authorization_code", "Authorization Code (Interactive)"),
        ("client_credentials", "Client Credentials"),
    ];
    let flows = flows.map(|(value, label)| (value.to_owned(), label.to_owned())).to_vec();
    let redirect_uri = format!("{}/oauth/callback/{}", visit.request.public_url(), name.replace(' ', "%20"));
    // A secret that was typed into a form that came back for another reason is gone.
    let again = visit.text("oauth.client_secret").is_some();
    html! {
        div.field {
            span.label { "Redirect URI" }
            (ui::copyable("redirect-uri", &redirect_uri))
            p.hint { "Register it with your application at the provider, to the letter." }
        }
        (fields.select("oauth.flow", "OAuth Flow Type", flows).required())
        (fields.text("oauth.authorization_url", "Authorization URL").bare()
            .hint("Where people sign in; not for Client Credentials"))
        (fields.text("oauth.token_url", "Token URL").bare())
        (fields.text("oauth.client_id", "Client ID").bare())
        (fields.secret("oauth.client_secret", "Client Secret").bare().hint(if again {
            "Type it again: it is never sent back to a browser"
        } else {
            "Stored encrypted, and never shown again"
        }))
        (fields.text("oauth.scopes", "Scopes").hint("With spaces between them, such as offline_access Directory.Read.All"))
    }
}

async fn shown(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    problem: Option<Problem>,
) -> Result<Reply, Problem> {
    let status = problem.as_ref().map(|problem| Problem::new(problem.code, ""));
    let body = if visit.may(Operation::ConnectionsGet, Scope::Global) {
        for_those_who_link(visit, integration, problem).await?
    } else {
        for_an_organization(visit, integration).await?
    };
    let done = match visit.done() {
        Some("created") => Some("The integration and its connection were created. Connect it next."),
        Some("configured") => Some("The connection was created and linked. Connect it next."),
        Some("unconnected") => {
            Some("The integration was created, its connection was not: configure it here.")
        }
        Some("linked") => Some("Saved."),
        Some("signed-in") => Some("Connected."),
        Some("refreshed") => Some("The token was refreshed."),
        _ => None,
    };
    Ok(page(integration, Tab::OAuth, &body).notice(done).refused(status.as_ref()).into())
}

async fn for_those_who_link(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    problem: Option<Problem>,
) -> Result<Markup, Problem> {
    let name = integration.connection.as_ref().unwrap_or(&integration.name);
    let connection = global(visit, name).await?;
    let configures = visit.may(Operation::ConnectionsCreate, Scope::Global)
        && match integration.connection.is_none() || name.folded() == integration.name.folded() {
            true => connection.is_none(),
            false => global(visit, &integration.name).await?.is_none(),
        };
    let refused = problem.is_some();
    let links = visit.may(Operation::IntegrationsUpdate, visit.caller().home);
    let sent = visit.field("action");
    let (of_link, of_inline) = if sent == Some("configure") { (None, problem) } else { (problem, None) };
    let selection = || {
        [(
            "oauth_provider",
            connection.as_ref().map_or(name_if_linked(integration), |found| found.name.as_str()),
        )]
    };
    let choosing =
        if of_link.is_some() { Form::typed(visit, of_link) } else { Form::new(visit, selection()) };
    let inline_form =
        if sent == Some("configure") { Form::typed(visit, of_inline) } else { Form::empty(visit) };
    let choices = if links { choices(visit, integration.connection.as_ref()).await? } else { Vec::new() };
    // A connection of the integration's name is used without being named.
    let implied = connection.as_ref().is_some_and(|found| found.name.folded() == integration.name.folded());
    let none = (!implied).then(|| (String::new(), "None".to_owned()));
    let options: Vec<_> = none.into_iter().chain(choices).collect();
    let revision = html! { input type="hidden" name="revision" value=(integration.revision); };
    let labels = |error: &FieldError| label(&error.field);
    Ok(html! {
        @match &connection {
            Some(connection) => (card(visit, integration, connection)),
            None if integration.connection.is_some() => div.notice.bad {
                p { strong { "The connection " (name) " does not exist" } }
                p { "Organizations that have a connection of that name of their own are served; all others get no token. \
                     Select another OAuth Provider, or configure one here." }
            },
            None => div.notice {
                p { strong { "No OAuth connection" } }
                p { "Workflows get the configuration alone. If the API wants OAuth tokens, select an OAuth Provider or \
                     configure one here." }
            },
        }
        @if links && !options.is_empty() {
            h2 { "Link an existing OAuth Provider" }
            (form(visit, &choosing, labels, &html! {
                (revision)
                (choosing.select("oauth_provider", "OAuth Provider", options).bare()
                    .hint("One of the OAuth Connections that all organizations share"))
                button type="submit" name="action" value="link" { "Save" }
                a.button.quiet href="/console/connections" { "OAuth Connections" }
            }))
        }
        @if links && configures {
            h2 { "Configure OAuth inline" }
            details open[connection.is_none() || (refused && sent == Some("configure"))] {
                summary { "A new connection with the name of the integration" }
                (form(visit, &inline_form, labels, &html! {
                    (revision)
                    input type="hidden" name="action" value="configure";
                    (inline(visit, &inline_form, integration.name.as_str()))
                    button type="submit" { "Save" }
                }))
            }
            @if visit.may(Operation::ProvidersList, visit.caller().home) {
                p.hint { "For well-known providers, " a href="/console/connections/~new?scope=global" { "add a connection" }
                    " under OAuth Connections, which fills in their URLs, and link it here." }
            }
        }
    })
}

fn name_if_linked(integration: &IntegrationView) -> &str {
    integration.connection.as_ref().map(Name::as_str).unwrap_or_default()
}

/// The connection that all organizations share under a name.
async fn global(visit: &Visit<'_>, name: &Name) -> Result<Option<ConnectionView>, Problem> {
    match visit.bifrost.show_connection(Scope::Global, name, visit.request.public_url()).await {
        Ok(found) => Ok(Some(found)),
        Err(problem) if problem.code == Code::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// The connection in use, for those who may see all of it.
fn card(visit: &Visit<'_>, integration: &IntegrationView, connection: &ConnectionView) -> Markup {
    let name = connection.name.as_str();
    let details = ui::address(&format!("/console/connections/{}", ui::encoded(name)), &[("scope", "global")]);
    let connects = visit.may(Operation::ConnectionsAuthorize, Scope::Global);
    html! {
        section.card aria-labelledby="connection-in-use" {
            h2 id="connection-in-use" { a href=(details) { (name) } " " (words::status(connection.status)) }
            (state(visit, connection))
            dl {
                @if let Some(redirect_uri) = &connection.redirect_uri {
                    dt { "Redirect URI" } dd { (ui::copyable("redirect-uri-in-use", redirect_uri)) }
                }
                @if let Some(grants) = &connection.grants {
                    dt { "Sign-ins" } dd { (sign_ins(grants)) }
                }
            }
            @if connects { div.actions { (connect(visit, integration, connection, None)) } }
        }
    }
}

/// How many there are on a connection, its own and the organizations'.
fn sign_ins(grants: &GrantCounts) -> String {
    let states =
        [(grants.active, "active"), (grants.failing, "failing"), (grants.reauthorize, "to be reconnected")];
    let counted =
        states.iter().filter(|(count, _)| *count > 0).map(|(count, state)| format!("{count} {state}"));
    let counted: Vec<_> = counted.collect();
    if counted.is_empty() { "None yet".to_owned() } else { counted.join(", ") }
}

/// How the grant that serves is doing.
fn state(visit: &Visit<'_>, connection: &ConnectionView) -> Markup {
    // What it says of an error stands beside that.
    let repeats = |message: &&String| {
        connection.last_error.as_ref().is_some_and(|error| message.starts_with(&error.title))
    };
    html! {
        @if let Some(message) = connection.status_message.as_ref().filter(|message| !repeats(message)) { p { (message) } }
        dl {
            dt { "Expires" } dd { (words::time_if_any(connection.expires_at, visit.now)) }
            dt { "Next refresh" } dd { (words::time_if_any(connection.next_refresh_at, visit.now)) }
            dt { "Last refresh" } dd { (words::time_if_any(connection.last_refresh_at, visit.now)) }
            @if let Some(error) = &connection.last_error {
                dt { "Last error" }
                dd {
                    strong { (error.title) } " " (words::time(error.at, visit.now))
                    span.small { (error.detail) }
                    p { (error.fix) }
                }
            }
        }
    }
}

/// The button that leads to the provider, or for a client that speaks for itself, asks it for a token.
fn connect(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    connection: &ConnectionView,
    organization: Option<&str>,
) -> Markup {
    let back = format!("integrations/{}/oauth", integration.name);
    let scope = connection.scope.to_string();
    let asks = connection.flow == Flow::ClientCredentials;
    let (step, label) = match connection.status {
        _ if asks => ("refresh", "Get a token"),
        ConnectionStatus::NotConnected | ConnectionStatus::Pending => ("connect", "Connect"),
        _ => ("connect", "Reconnect"),
    };
    // Whoever names an organization names no other scope.
    let whose = organization.map_or(("scope", scope.as_str()), |id| ("organization_id", id));
    let query = [whose, ("integration", integration.name.as_str()), ("back", back.as_str())];
    let path = format!("/console/connections/{}/{step}", ui::encoded(connection.name.as_str()));
    let class = if connection.status == ConnectionStatus::Active { "quiet" } else { "" };
    Form::empty(visit).button(&ui::address(&path, &query), label, class)
}

/// What a caller's own organization, or the platform, gets its tokens from.
async fn for_an_organization(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Markup, Problem> {
    let home = visit.caller().home;
    let public_url = visit.request.public_url();
    let Some(reach) = visit.bifrost.reached_connection(home, &integration.name, public_url).await? else {
        return Ok(ui::empty_state(
            "No OAuth connection",
            &html! {
                p { "Workflows get the configuration alone. An administrator can link an OAuth connection here." }
            },
        ));
    };
    let health::Reach { connection, grant_scope } = reach;
    let own = connection.scope == home && connection.scope != Scope::Global;
    let name = connection.name.as_str();
    let scope = connection.scope.to_string();
    let sees = visit.may(Operation::ConnectionsGet, connection.scope);
    let details = ui::address(&format!("/console/connections/{}", ui::encoded(name)), &[("scope", &scope)]);
    let organization = home.organization().map(|id| id.to_string());
    let connects = visit.may(Operation::ConnectionsAuthorize, home);
    // Nobody signs in for a client that speaks for itself, on behalf of all.
    let on_shared = connection.scope == Scope::Global && connection.flow == Flow::AuthorizationCode;
    Ok(html! {
        section.card aria-labelledby="connection-in-use" {
            h2 id="connection-in-use" {
                @if sees { a href=(details) { (name) } } @else { (name) }
                " " (words::status(connection.status))
            }
            p {
                @if own { "Your organization's own connection." }
                @else if grant_scope == home && home != Scope::Global { "Shared by all organizations; your organization has signed in itself." }
                @else { "Shared by all organizations." }
            }
            (state(visit, &connection))
            @if connects && own {
                div.actions { (connect(visit, integration, &connection, None)) }
            } @else if connects && on_shared && organization.is_some() {
                p.hint { "You can sign in for your organization alone. Its workflows then get that sign-in's tokens." }
                div.actions { (connect(visit, integration, &connection, organization.as_deref())) }
            }
        }
    })
}
