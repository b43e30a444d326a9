//! `/console/providers`: the catalogue of OAuth providers, and what each one needs.

use bifrost::model::{
    Problem,
    access::Operation,
    connection::{ClientAuth, Flow},
    dialect::RefreshTokenRules,
    preset::{self, FlowPreset, Preset},
};
use maud::{Markup, html};

use crate::{
    no_page,
    reply::{Page, Reply},
    ui,
    visit::Visit,
    words,
};

const SECTION: &str = "providers";
const TITLE: &str = "OAuth Providers";
const BASE: &str = "/console/providers";

pub(crate) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    visit.permitted(Operation::ProvidersList, visit.caller().home)?;
    match path {
        [] => Ok(list(visit).into()),
        [name] => {
            let preset = preset::find(name).ok_or_else(|| Problem::not_found("provider", "of that name"))?;
            Ok(show(visit, &preset).into())
        }
        _ => Err(no_page()),
    }
}

fn address(preset: &Preset) -> String {
    format!("{BASE}/{}", preset.name)
}

/// The catalogue's word for a kind of system, as people write it.
fn category(word: &str) -> String {
    match word {
        "psa" | "rmm" => word.to_uppercase(),
        "crm" => "CRM".to_owned(),
        other => {
            let mut letters = other.chars();
            letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
        }
    }
}

fn flow_words(flow: Flow) -> &'static str {
    match flow {
        Flow::AuthorizationCode => "Authorization Code (Interactive)",
        Flow::ClientCredentials => "Client Credentials",
    }
}

/// How one connects to a provider.
fn ways(preset: &Preset) -> Vec<&'static str> {
    let flows = [Flow::AuthorizationCode, Flow::ClientCredentials];
    let flows = flows.into_iter().filter(|flow| preset.flow(*flow).is_some()).map(flow_words);
    flows.chain(preset.api_key.as_ref().map(|_| "API key")).collect()
}

fn list(visit: &Visit<'_>) -> Page {
    let text = visit.request.query("q").map(str::trim).unwrap_or_default();
    let chosen = visit.request.query("category").unwrap_or_default();
    let wanted = text.to_lowercase();
    let all = preset::all();
    let mut categories: Vec<_> = all.iter().map(|preset| preset.category.as_str()).collect();
    categories.sort_unstable();
    categories.dedup();
    let found: Vec<_> = all
        .iter()
        .filter(|preset| chosen.is_empty() || preset.category == chosen)
        .filter(|preset| preset.title.to_lowercase().contains(&wanted) || preset.name.contains(&wanted))
        .collect();
    let rows = html! {
        @for preset in &found {
            tr {
                th scope="row" { a href=(address(preset)) { (preset.title) } }
                td { (category(&preset.category)) }
                td { @for way in ways(preset) { span.line { (way) } } }
            }
        }
    };
    let body = html! {
        p { "What is known about each: its addresses, what to register there, and what goes wrong. One that is not here is connected to as a Custom Provider." }
        form.bar method="get" action=(BASE) role="search" {
            div.field { label for="q" { "Filter by name" } input type="search" id="q" name="q" value=(text); }
            div.field {
                label for="category" { "Category" }
                select id="category" name="category" {
                    option value="" { "All" }
                    @for word in &categories { option value=(word) selected[*word == chosen] { (category(word)) } }
                }
            }
            button.quiet type="submit" { "Filter" }
            @if !text.is_empty() || !chosen.is_empty() { a.button.quiet href=(BASE) { "Show all" } }
        }
        @if found.is_empty() {
            (ui::empty_state("No provider of that name is in the catalogue.", &html! {
                p {
                    "Any provider that speaks OAuth 2.0 can be connected to"
                    @if visit.may_at_home(Operation::ConnectionsCreate) {
                        ": " a href="/console/connections/~new" { "add a connection to a Custom Provider" }
                    }
                    "."
                }
            }))
        } @else {
            p.hint role="status" { (words::counted(found.len(), "provider", "providers")) }
            (ui::table(TITLE, &["Provider", "Category", "Connects by"], &rows))
        }
    };
    Page::new(TITLE, SECTION, body)
}

fn show(visit: &Visit<'_>, preset: &Preset) -> Page {
    let connectable = preset.default_flow().is_some();
    let body = html! {
        p.small { (category(&preset.category)) " · " code { (preset.name) } }
        p.actions {
            @if connectable && visit.may_at_home(Operation::ConnectionsCreate) {
                a.button href=(ui::address("/console/connections/~new", &[("provider", preset.name)])) { "Add connection" }
            }
            @if let Some(docs) = &preset.docs { (outside(docs, "The provider's documentation")) }
        }
        @if let Some(api_key) = &preset.api_key {
            section.card {
                h2 { "API key" }
                p {
                    "There is nothing to connect: calls carry a key. Give an integration these fields in its Config Schema, and the values to its defaults or, where each organization has its own, to its mappings."
                }
                @if let Some(header) = &api_key.header { p { "Sent as " code { (header) } } }
                (ui::table("Fields of the Config Schema", &["Key", "Type", "Required", "What it is"], &html! {
                    @for key in &api_key.keys {
                        tr {
                            th scope="row" { code { (key.key) } }
                            td { (key.kind) }
                            td { @if key.required { "Yes" } @else { "No" } }
                            td { (key.description.as_deref().unwrap_or_default()) }
                        }
                    }
                }))
                @if visit.may_at_home(Operation::IntegrationsCreate) {
                    p { a.button.quiet href="/console/integrations/~new" { "Create Integration" } }
                }
            }
        }
        (registration(visit, preset))
        @for flow in [Flow::AuthorizationCode, Flow::ClientCredentials] {
            @if let Some(filled) = preset.flow(flow) { (flow_card(flow, filled)) }
        }
        (placeholders(preset))
        (refreshing(preset))
        @if !preset.known_scopes.is_empty() {
            details.card { summary { "Common scopes" } p.codes { @for scope in &preset.known_scopes { code { (scope) } " " } } }
        }
        @if !preset.troubles.is_empty() {
            h2 { "What goes wrong there" }
            (ui::table("Troubles and what to do", &["What one sees", "What it means", "What to do"], &html! {
                @for trouble in &preset.troubles {
                    tr { th scope="row" { (trouble.symptom) } td { (trouble.meaning) } td { (trouble.fix) } }
                }
            }))
        }
        @if let Some(revoke) = &preset.revoke_access { h2 { "Taking the access away there" } p { (revoke.text) } }
        (sources(preset))
    };
    Page::new(&preset.title, SECTION, body).under(TITLE, BASE)
}

/// What the person does who registers the application at the provider.
fn registration(visit: &Visit<'_>, preset: &Preset) -> Markup {
    let redirects = preset.authorization_code.is_some()
        || preset.client_credentials.as_ref().is_some_and(|flow| flow.admin_consent_url.is_some());
    let url = visit.request.public_url();
    html! {
        @if preset.registration.is_some() || redirects {
            section.card {
                h2 { "Register at the provider" }
                @if let Some(registration) = &preset.registration {
                    @if let Some(url) = &registration.url { p { (outside(url, url)) } }
                    @if !registration.steps.is_empty() { ol { @for step in &registration.steps { li { (step) } } } }
                }
                @if redirects {
                    p { "As redirect URI (also called reply or callback URL), exactly this, with the connection's name at its end:" }
                    p { (ui::copyable("redirect-uri", &format!("{url}/oauth/callback/"))) " and the name" }
                    p.hint {
                        "For a global connection, such as " code { (url) "/oauth/callback/" (ui::encoded(&example(preset))) }
                        ". An organization's own has an id behind its name. Once a connection is made, its page shows the whole text, ready to be copied."
                    }
                }
            }
        }
    }
}

/// A name that a connection to it could have.
fn example(preset: &Preset) -> String {
    preset.name.split('_').map(category).collect::<Vec<_>>().join("_")
}

fn flow_card(flow: Flow, filled: &FlowPreset) -> Markup {
    let urls = [
        ("Authorization URL", filled.authorization_url.as_ref()),
        ("Token URL", Some(&filled.token_url)),
        ("Revocation URL", filled.revocation_url.as_ref()),
        ("Device authorization URL", filled.device_authorization_url.as_ref()),
        ("Admin consent URL", filled.admin_consent_url.as_ref()),
    ];
    let auth = filled.client_auth.map(|auth| match auth {
        ClientAuth::Basic => "In the Authorization header (Basic)",
        ClientAuth::Post => "In the body of the request",
        ClientAuth::PrivateKeyJwt => "By an assertion signed with the client's private key (private_key_jwt)",
    });
    let params = [
        ("Parameters at sign-in", &filled.authorize_params),
        ("Parameters for tokens", &filled.token_params),
    ];
    html! {
        section.card {
            h2 { "OAuth Flow Type: " (flow_words(flow)) }
            dl {
                @for (label, url) in urls {
                    @if let Some(url) = url { dt { (label) } dd { code { (url) } } }
                }
                @if !filled.scopes.is_empty() {
                    dt { "Scopes" } dd.codes { @for scope in &filled.scopes { code { (scope) } " " } }
                }
                @if let Some(audience) = &filled.audience { dt { "Audience" } dd { code { (audience) } } }
                @if let Some(auth) = auth { dt { "Client secret is sent" } dd { (auth) } }
                @if flow == Flow::AuthorizationCode {
                    dt { "PKCE" } dd { @if filled.pkce.unwrap_or(true) { "Yes" } @else { "No, the provider does not take it" } }
                }
                @for (label, params) in params {
                    @if !params.is_empty() {
                        dt { (label) }
                        dd { @for (name, value) in params { span.line { code { (name) "=" (value) } } } }
                    }
                }
                @for rule in token_rules(&filled.dialect.refresh_token) { dt { "Refresh token" } dd { (rule) } }
            }
        }
    }
}

/// What becomes of refresh tokens there, in sentences.
fn token_rules(rules: &RefreshTokenRules) -> Vec<String> {
    let days = |seconds: u64| match seconds {
        0..172_800 => words::counted((seconds / 3600) as usize, "hour", "hours"),
        _ => words::counted((seconds / 86_400) as usize, "day", "days"),
    };
    let sentences = [
        rules.rotates.then(|| "Each refresh brings a new one.".to_owned()),
        rules
            .idle_lifetime
            .map(|time| format!("Dies when it is not used for {}; it is kept alive.", days(time))),
        rules
            .lifetime
            .map(|time| format!("Dies after {}, however often it is used: then reconnect.", days(time))),
    ];
    sentences.into_iter().flatten().collect()
}

fn placeholders(preset: &Preset) -> Markup {
    let flows = [&preset.authorization_code, &preset.client_credentials].into_iter().flatten();
    let mapped = flows.flat_map(|flow| [Some(&flow.token_url), flow.authorization_url.as_ref()]);
    let entity = mapped.flatten().any(|url| url.placeholders().any(|name| name == "entity_id"));
    html! {
        @if entity || !preset.placeholders.is_empty() {
            section.card {
                h2 { "Placeholders in its URLs" }
                dl {
                    @if entity {
                        dt { code { "{entity_id}" } }
                        dd { "Each organization's Entity ID, from its mapping; else the integration's default." }
                    }
                    @for (name, placeholder) in &preset.placeholders {
                        dt { code { "{" (name) "}" } }
                        dd {
                            (placeholder.title)
                            @if let Some(description) = &placeholder.description { span.small { (description) } }
                            @if !placeholder.values.is_empty() {
                                span.small { "One of: " @for value in &placeholder.values { code { (value) } " " } }
                            }
                            @if let Some(example) = &placeholder.example { span.small { "Such as " code { (example) } } }
                        }
                    }
                }
                p.hint { "They are filled in per organization: from the mapping's configuration, the integration's defaults, or the connection's own defaults for its URLs." }
            }
        }
    }
}

/// Without what no refresh token comes.
fn refreshing(preset: &Preset) -> Markup {
    let needs = &preset.refresh;
    html! {
        @if let Some(scope) = &needs.needs_scope {
            p.notice { "Without the scope " code { (scope) } " no refresh token comes, and one would have to reconnect each time." }
        }
        @if let Some(param) = &needs.needs_param {
            p.notice { "Without the parameter " code { (param) } " at sign-in no refresh token comes, and one would have to reconnect each time." }
        }
    }
}

/// Where each fact comes from. Some places name several, or a file of a public repository.
fn sources(preset: &Preset) -> Markup {
    html! {
        details.card {
            summary { "Sources of these facts" }
            dl.sources {
                @for (fact, places) in &preset.sources {
                    dt { (fact) }
                    dd { @for place in places.split("; ") { span.line { (outside(place, place)) } } }
                }
            }
        }
    }
}

/// A link that leaves the console, to what we have not written; and a text where it is none.
fn outside(address: &str, label: &str) -> Markup {
    html! {
        @if address.starts_with("https://") {
            a href=(address) rel="noopener noreferrer" { (label) }
        } @else { code { (address) } }
    }
}
