//! `/console/connections/~new`: adding a connection.
//!
//! First its name, because that is in the redirect URI, which has to be registered at the provider before anything else;
//! then the provider, one of the presets or any other; then what the provider gave for it. Nothing is stored before the
//! end: name and description travel in the address, so that each page can be opened again, and gone back to.

use bifrost::model::{
    Code, FieldError, Name, Problem, Scope,
    access::Operation,
    connection,
    preset::{self, ApiKeyPreset, Preset},
};
use maud::{Markup, html};
use serde_json::Value;

use super::{LIST, SECTION, list::scope_field, settings, settings::Subject};
use crate::{
    form::Form,
    no_page,
    reply::{Page, Reply},
    ui,
    visit::Visit,
};

/// The address of the first page.
pub(super) fn address(scope: Scope, more: &[(&str, &str)]) -> String {
    let scope = scope.to_string();
    let query: Vec<_> = [("scope", scope.as_str())].into_iter().chain(more.iter().copied()).collect();
    ui::address(&format!("{LIST}/~new"), &query)
}

pub(super) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => begin(visit).await,
        ["~provider"] => choose(visit).await,
        ["~custom"] => fill_in(visit, None).await,
        [preset] => {
            let found = preset::find(preset).ok_or_else(|| Problem::not_found("preset", "of that name"))?;
            fill_in(visit, Some(&found)).await
        }
        _ => Err(no_page()),
    }
}

/// What was said on the first page.
struct Begun {
    scope: Scope,
    name: Name,
    description: Option<String>,
}

impl Begun {
    /// As the address has it.
    fn read(visit: &Visit<'_>) -> Result<Self, Problem> {
        let scope = visit.scope()?;
        visit.permitted(Operation::ConnectionsCreate, scope)?;
        let name = visit.request.query("name").unwrap_or_default();
        let name = Name::parse(name).map_err(|message| Problem::invalid("name", message))?;
        let description = visit.request.query("description").filter(|text| !text.is_empty());
        Ok(Self { scope, name, description: description.map(str::to_owned) })
    }

    /// The address of a later page, `/~custom` for one.
    fn address(&self, rest: &str, more: &[(&str, &str)]) -> String {
        let scope = self.scope.to_string();
        let mut query = vec![("scope", scope.as_str()), ("name", self.name.as_str())];
        query.extend(self.description.as_deref().map(|description| ("description", description)));
        query.extend(more);
        ui::address(&format!("{LIST}/~new{rest}"), &query)
    }

    fn page(&self, title: String, body: Markup) -> Page {
        Page::new(title, SECTION, body)
            .under("OAuth Connections", super::list_address(self.scope, &[]))
            .under("Add Connection", self.address("", &[]))
    }

    /// The first thing to do at the provider: to register where it sends people back to.
    fn redirect_uri(&self, visit: &Visit<'_>) -> Markup {
        html! {
            section.card aria-labelledby="redirect" {
                h2 id="redirect" { "Redirect URI" }
                @match self.scope {
                    Scope::Global => {
                        p { "Register this at the provider first, exactly as it is here:" }
                        (ui::copyable("redirect-uri", &connection::redirect_uri(Some(self.name.as_str()), visit.request.public_url())))
                    }
                    Scope::Organization(_) => {
                        p {
                            "An organization's connection has a redirect URI of its own, with an id in it that is made when you save. "
                            "It is shown then: register it at the provider before you click Connect."
                        }
                    }
                }
                p.hint { "The provider sends people back there after they sign in. It has the connection's name in it, which can't be changed later." }
            }
        }
    }
}

async fn begin(visit: &Visit<'_>) -> Result<Reply, Problem> {
    visit.acts.only_prepare();
    let provider = visit.request.query("provider").and_then(preset::find);
    let named = match visit.text("scope") {
        Some(typed) => visit.caller().scope(Some(typed)),
        None => visit.scope(),
    };
    let scope = match named {
        Ok(scope) => scope,
        // Where there are too many organizations to choose from, their ids are typed in.
        Err(problem) if visit.is_post() => {
            let home = visit.caller().home;
            visit.permitted(Operation::ConnectionsCreate, home)?;
            return beginning(visit, Form::typed(visit, Some(problem)), home, provider.as_ref()).await;
        }
        Err(problem) => return Err(problem),
    };
    visit.permitted(Operation::ConnectionsCreate, scope)?;
    if visit.is_post() {
        return match begun(visit, scope).await {
            Ok(begun) => {
                let rest =
                    provider.map_or_else(|| "/~provider".to_owned(), |preset| format!("/{}", preset.name));
                Ok(Reply::see_other(begun.address(&rest, &[])))
            }
            Err(problem) => {
                beginning(visit, Form::typed(visit, Some(problem)), scope, provider.as_ref()).await
            }
        };
    }
    let query = |name| visit.request.query(name).unwrap_or_default().to_owned();
    let values =
        [("name", query("name")), ("description", query("description")), ("scope", scope.to_string())];
    beginning(visit, Form::new(visit, values), scope, provider.as_ref()).await
}

async fn begun(visit: &Visit<'_>, scope: Scope) -> Result<Begun, Problem> {
    let name = visit.text("name").unwrap_or_default();
    let name = Name::parse(name).map_err(|message| Problem::invalid("name", message))?;
    match visit.bifrost.show_connection(scope, &name, visit.request.public_url()).await {
        Ok(other) => {
            let taken = FieldError::new("name", format!("is taken by {}", other.name));
            return Err(Problem::new(
                Code::NameTaken,
                format!("There is a connection {} already.", other.name),
            )
            .about(vec![taken]));
        }
        Err(problem) if problem.code == Code::NotFound => {}
        Err(problem) => return Err(problem),
    }
    Ok(Begun { scope, name, description: visit.text("description").map(str::to_owned) })
}

async fn beginning(
    visit: &Visit<'_>,
    form: Form,
    scope: Scope,
    provider: Option<&Preset>,
) -> Result<Reply, Problem> {
    let organizations = visit.organizations().await?;
    let more: Vec<_> = provider.map(|preset| ("provider", preset.name)).into_iter().collect();
    let body = html! {
        @if let Some(preset) = provider { p { "To " strong { (preset.title) } "." } }
        (form.around(&address(scope, &more), &html! {
            (form.text("name", "Connection Name").required()
                .hint("Letters, digits, spaces and - _ . only, such as Microsoft_Graph. Workflows ask for it by this name, and it can't be changed later."))
            (form.text("description", "Description"))
            (scope_field(visit, &form, "Belongs to", Operation::ConnectionsCreate, organizations.as_deref()))
            button type="submit" { "Create" }
            " "
            a href=(super::list_address(scope, &[])) { "Cancel" }
        }))
    };
    Ok(Page::new("Add Connection", SECTION, body)
        .under("OAuth Connections", super::list_address(scope, &[]))
        .refused(form.problem())
        .into())
}

/// The presets, or any other provider.
async fn choose(visit: &Visit<'_>) -> Result<Reply, Problem> {
    let begun = Begun::read(visit)?;
    let wanted = visit.request.query("q").unwrap_or_default();
    let presets: Vec<_> = preset::all().into_iter().filter(|preset| matches(preset, wanted)).collect();
    let suggestion = preset::find(begun.name.as_str()).filter(|preset| preset.default_flow().is_some());
    let search = Form::new(visit, [("q", wanted)]);
    let scope = begun.scope.to_string();
    let body = html! {
        (begun.redirect_uri(visit))
        (tabs(&begun, false))
        p { "A preset knows a provider's URLs, scopes and peculiarities, so that a client ID and a secret are all that is left to fill in." }
        @if let Some(preset) = suggestion.filter(|_| wanted.is_empty()) {
            p.notice { "By its name, this is " strong { (preset.title) } ". " a href=(begun.address(&format!("/{}", preset.name), &[])) { "Use the preset" } }
        }
        form.bar method="get" action={ (LIST) "/~new/~provider" } role="search" aria-label="Presets" {
            input type="hidden" name="scope" value=(scope);
            input type="hidden" name="name" value=(begun.name);
            @if let Some(description) = &begun.description { input type="hidden" name="description" value=(description); }
            (search.text("q", "Find a provider").bare())
            button.quiet type="submit" { "Find" }
        }
        @if presets.is_empty() {
            (ui::empty_state("No preset is called that", &html! {
                p { a href=(begun.address("/~custom", &[])) { "Use Custom Provider" } ": any provider that speaks OAuth 2.0 can be connected to." }
            }))
        } @else {
            ul.presets {
                @for preset in &presets {
                    li {
                        a href=(begun.address(&format!("/{}", preset.name), &[])) { (preset.title) }
                        span.small { (category(preset)) " · " (offers(preset)) }
                    }
                }
            }
        }
    };
    Ok(begun.page(begun.name.to_string(), body).into())
}

fn tabs(begun: &Begun, custom: bool) -> Markup {
    ui::tabs(
        "Provider",
        &[
            ("Presets", begun.address("/~provider", &[]), !custom),
            ("Custom Provider", begun.address("/~custom", &[]), custom),
        ],
    )
}

/// Whether a preset is what was looked for.
fn matches(preset: &Preset, wanted: &str) -> bool {
    let text = format!("{} {} {}", preset.title, preset.name, preset.category).to_lowercase();
    wanted.to_lowercase().split_whitespace().all(|word| text.contains(word))
}

/// In the letters that people write it with.
fn category(preset: &Preset) -> String {
    match preset.category.as_str() {
        abbreviation @ ("psa" | "rmm") => abbreviation.to_uppercase(),
        word => word.replacen(|_: char| true, &word[..1].to_uppercase(), 1),
    }
}

/// What a provider has to offer.
fn offers(preset: &Preset) -> &'static str {
    match (&preset.authorization_code, &preset.client_credentials) {
        (Some(_), Some(_)) => "interactive, client credentials",
        (Some(_), None) => "interactive",
        (None, Some(_)) => "client credentials",
        (None, None) => "API key, no OAuth",
    }
}

/// What the provider gave for the client.
async fn fill_in(visit: &Visit<'_>, preset: Option<&Preset>) -> Result<Reply, Problem> {
    let begun = match Begun::read(visit) {
        Ok(begun) => begun,
        // From the catalogue, or with an address that was typed in: it begins with the name.
        Err(problem) if problem.code == Code::InvalidInput && !visit.is_post() => {
            let more: Vec<_> = preset.map(|preset| ("provider", preset.name)).into_iter().collect();
            return Ok(Reply::see_other(address(visit.scope()?, &more)));
        }
        Err(problem) => return Err(problem),
    };
    if let Some((preset, api_key)) = preset.and_then(|preset| Some((preset, preset.api_key.as_ref()?)))
        && preset.default_flow().is_none()
    {
        return Ok(begun.page(preset.title.clone(), keep_a_key(preset, api_key)).into());
    }
    let form = if visit.is_post() {
        match create(visit, &begun, preset).await {
            Ok(created) => return Ok(created),
            Err(problem) => Form::typed(visit, Some(super::for_people(problem))),
        }
    } else {
        Form::new(visit, [("client_auth", if preset.is_some() { "" } else { "basic" })])
    };
    let subject = preset.map_or(Subject::Custom, Subject::Preset);
    let rest = preset.map_or_else(|| "/~custom".to_owned(), |preset| format!("/{}", preset.name));
    let redirects = preset.is_none_or(|preset| {
        preset.authorization_code.as_ref().is_some_and(|flow| flow.authorization_url.is_some())
            || preset.client_credentials.as_ref().is_some_and(|flow| flow.admin_consent_url.is_some())
    });
    let body = html! {
        @if redirects { (begun.redirect_uri(visit)) }
        @match preset {
            None => (tabs(&begun, true)),
            Some(preset) => (registration(preset)),
        }
        (form.around(&begun.address(&rest, &[]), &html! {
            (settings::fields(visit, &form, &subject, begun.scope))
            button type="submit" { "Save" }
            " "
            a href=(begun.address("/~provider", &[])) { "Choose another provider" }
        }))
    };
    let title =
        preset.map_or_else(|| begun.name.to_string(), |preset| format!("{}: {}", begun.name, preset.title));
    Ok(begun.page(title, body).refused(form.problem()).into())
}

async fn create(visit: &Visit<'_>, begun: &Begun, preset: Option<&Preset>) -> Result<Reply, Problem> {
    let mut body = settings::body(visit)?;
    body.insert("name".to_owned(), begun.name.as_str().into());
    if let Some(description) = &begun.description {
        body.insert("description".to_owned(), Value::from(description.as_str()));
    }
    if let Some(preset) = preset {
        body.insert("provider".to_owned(), preset.name.into());
    }
    let public_url = visit.request.public_url();
    let made = visit.bifrost.create_connection(visit.caller(), begun.scope, body, public_url).await?;
    Ok(Reply::see_other(super::address(made.scope, &made.name, "", &[("done", "created")])))
}

/// How a client is registered there, and what goes wrong.
pub(super) fn registration(preset: &Preset) -> Markup {
    let registration = preset.registration.as_ref();
    html! {
        @if let Some(registration) = registration {
            section.card aria-labelledby="registration" {
                h2 id="registration" { "At " (preset.title) }
                @if let Some(url) = &registration.url {
                    p { "Register the client at " a href=(url) target="_blank" rel="noopener noreferrer" { (url) } "." }
                }
                @if !registration.steps.is_empty() { ol { @for step in &registration.steps { li { (step) } } } }
                @if let Some(docs) = &preset.docs {
                    p { a href=(docs) target="_blank" rel="noopener noreferrer" { "The provider's own documentation" } }
                }
                (troubles(preset))
            }
        }
    }
}

fn troubles(preset: &Preset) -> Markup {
    html! {
        @if !preset.troubles.is_empty() {
            details {
                summary { "What goes wrong there" }
                dl.troubles {
                    @for trouble in &preset.troubles {
                        dt { (trouble.symptom) }
                        dd { (trouble.meaning) " " (trouble.fix) }
                    }
                }
            }
        }
    }
}

/// For a provider without OAuth.
fn keep_a_key(preset: &Preset, api_key: &ApiKeyPreset) -> Markup {
    html! {
        p { (preset.title) " has API keys and no OAuth, so there is nothing to connect. Keep its key in an integration's configuration:" }
        ul {
            @for key in &api_key.keys {
                li {
                    code { (key.key) } " (" (key.kind) ")"
                    @if let Some(description) = &key.description { ": " (description) }
                }
            }
        }
        @if let Some(header) = &api_key.header { p { "A workflow sends it as " code { (header) } "." } }
        p { a.button href="/console/integrations/~new" { "Create Integration" } }
        (registration(preset))
    }
}
