//! The table of mappings.

use bifrost::{
    app::{
        integrations::IntegrationView,
        mapping_table::{MappingRow, MappingSearch, MappingState},
        page::PageRequest,
    },
    edge::DEFAULT_LIMIT,
    model::{Problem, Scope, access::Operation},
};
use maud::{Markup, html};

use super::{
    Tab, address, asked, entity_label, filtered, organization_label, place, table_address,
    tokens::{self, Actions},
};
use crate::{
    reply::Reply,
    ui,
    visit::Visit,
    words::{self, badge, counted},
};

/// What the table can be filtered by beside a text.
const STATES: [(&str, &str, MappingState); 3] = [
    ("broken", "Needs attention", MappingState::Broken),
    ("incomplete", "Configuration missing", MappingState::Incomplete),
    ("own", "Own OAuth token", MappingState::Own),
];

pub(super) async fn page(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    visit.permitted(Operation::MappingsList, visit.caller().home)?;
    let text = asked(visit, "q");
    let show = asked(visit, "show").and_then(|show| STATES.iter().find(|(word, ..)| *word == show));
    let search = MappingSearch { text, state: show.map(|(.., state)| *state) };
    let request = PageRequest { limit: DEFAULT_LIMIT, cursor: asked(visit, "cursor") };
    let found = visit.bifrost.mapping_rows(visit.caller(), &integration.name, search, request).await?;
    let next = match &found.next {
        Some(position) => Some(visit.bifrost.cursor(&found.listing, position).await?),
        None => None,
    };
    let show = show.map(|(word, ..)| *word);
    let here = |cursor| filtered(integration, &[("q", text), ("show", show), ("cursor", cursor)]);
    let back = place(integration, "", &[("q", text), ("show", show), ("cursor", request.cursor)]);
    let rows: Vec<&MappingRow> = found.items().collect();
    let all = visit.caller().lists_all_mappings();
    let is_filtered = text.is_some() || show.is_some();
    let body = html! {
        @if all { (bar(visit, integration, text, show)) }
        @if !rows.is_empty() {
            (table(visit, integration, &rows, &back))
        } @else if next.is_some() {
            (ui::empty_state("None here", &html! { p { "None of those looked through so far is like that: go on to the next page." } }))
        } @else if is_filtered || request.cursor.is_some() {
            (ui::empty_state("No mapping is like that", &html! { p { a href=(table_address(integration)) { "Show all mappings" } } }))
        } @else {
            (nothing_yet(visit, integration, all))
        }
        (ui::next_page(next.as_deref().map(|cursor| here(Some(cursor)))))
    };
    Ok(super::page(integration, Tab::Mappings, &body).notice(visit.done().and_then(done)).into())
}

/// What has just been done.
pub(super) fn done(word: &str) -> Option<&'static str> {
    Some(match word {
        "added" => "The mapping was added.",
        "saved" => "The mapping was saved.",
        "unlinked" => "The organization was unlinked.",
        "signed-in" => "The OAuth token was linked.",
        "refreshed" => "The token was refreshed.",
        "disconnected" => "The OAuth token was disconnected.",
        "disconnected-revoked" => "The OAuth token was disconnected, and revoked at the provider.",
        "disconnected-refused" => {
            "The OAuth token was disconnected here, but the provider did not revoke it."
        }
        _ => return None,
    })
}

fn bar(visit: &Visit<'_>, integration: &IntegrationView, text: Option<&str>, show: Option<&str>) -> Markup {
    html! {
        div.bar.between {
            form.bar role="search" action=(table_address(integration)) {
                div.field {
                    label for="q" { "Search" }
                    input type="search" id="q" name="q" value=[text] placeholder="Organization or entity";
                }
                div.field {
                    label for="show" { "Show" }
                    select id="show" name="show" {
                        option value="" { "All mappings" }
                        @for (word, label, _) in STATES { option value=(word) selected[show == Some(word)] { (label) } }
                    }
                }
                button.quiet type="submit" { "Filter" }
                @if text.is_some() || show.is_some() { a href=(table_address(integration)) { "Show all" } }
            }
            (buttons(visit, integration))
        }
    }
}

fn buttons(visit: &Visit<'_>, integration: &IntegrationView) -> Markup {
    html! {
        div.buttons {
            a.button.quiet href=(address(integration, "~export")) { "Export CSV" }
            @if visit.may_at_home(Operation::MappingsImport) {
                a.button.quiet href=(address(integration, "~import")) { "Import CSV" }
            }
            a.button href=(address(integration, "~new")) { "Add Mapping" }
        }
    }
}

fn nothing_yet(visit: &Visit<'_>, integration: &IntegrationView, all: bool) -> Markup {
    let label = entity_label(integration);
    match (all, integration.default_entity_id.is_some()) {
        (false, _) => ui::empty_state(
            "Your organization is not mapped yet",
            &html! { p { "Your provider says which " (label) " it is. Until then workflows get the integration's defaults." } },
        ),
        (true, default) => ui::empty_state(
            "No organization is mapped yet",
            &html! {
                p {
                    "A mapping says which " (label) " an organization is, and what of the configuration is different for it. "
                    @if default { "Organizations without one get the default." }
                }
                p {
                    a.button href=(address(integration, "~new")) { "Add the first mapping" }
                    @if visit.may_at_home(Operation::MappingsImport) {
                        "or " a href=(address(integration, "~import")) { "import a list of them" }
                    }
                }
            },
        ),
    }
}

fn table(visit: &Visit<'_>, integration: &IntegrationView, rows: &[&MappingRow], back: &str) -> Markup {
    let label = entity_label(integration);
    let head = ["Organization", label.as_str(), "Entity name", "Status", "Configuration", "Actions"];
    let rows = html! { @for row in rows { (table_row(visit, integration, row, back)) } };
    ui::table("Mappings", &head, &rows)
}

fn table_row(visit: &Visit<'_>, integration: &IntegrationView, row: &MappingRow, back: &str) -> Markup {
    let mapping = &row.mapping;
    let organization = mapping.organization_id;
    let about = organization_label(row.organization.as_deref(), organization);
    let edit = address(integration, &organization.to_string());
    let actions = Actions::of(visit, integration, organization, row.tokens.as_ref(), back);
    let more = actions.rest(visit, &about);
    let may_change = visit.may(Operation::MappingsPut, Scope::Organization(organization));
    let may_unlink = visit.may(Operation::MappingsDelete, Scope::Organization(organization));
    html! {
        tr {
            th scope="row" { a href=(edit) { (about) } }
            td { (text_or_none(mapping.entity_id.as_deref(), true)) }
            td { (text_or_none(mapping.entity_name.as_deref(), false)) }
            td.wide { (tokens::status(visit, row, false)) }
            td {
                @match mapping.config.len() {
                    0 => span.none { "Defaults" },
                    count => (counted(count, "override", "overrides")),
                }
                @if !mapping.missing_config.is_empty() {
                    div { (badge("warn", "Missing")) span.small { (mapping.missing_config.join(", ")) } }
                }
            }
            td.actions {
                @if may_change { a.button.quiet href=(edit) aria-label={ "Edit " (about) } { "Edit" } }
                (actions.connect(visit, &about))
                @if may_unlink || !more.0.is_empty() {
                    details.more {
                        summary aria-label={ "More for " (about) } { "More" }
                        (more)
                        @if may_unlink {
                            a.button.quiet href=(address(integration, &format!("{organization}/delete"))) aria-label={ "Unlink " (about) } { "Unlink" }
                        }
                    }
                }
            }
        }
    }
}

fn text_or_none(text: Option<&str>, is_code: bool) -> Markup {
    match text {
        Some(text) if is_code => html! { code { (text) } },
        Some(text) => html! { (text) },
        None => words::nothing(),
    }
}
