//! Adding a mapping, and changing one.

use bifrost::{
    app::{
        integrations::IntegrationView,
        mapping_table::MappingRow,
        mappings::{MappingView, Put},
    },
    model::{
        Code, OrganizationId, Problem, Scope,
        access::{Operation, Role},
        organization::Organization,
    },
};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{address, asked, entity_label, organization_label, page_below, table_address, tokens};
use crate::{config_fields::ConfigFields, form::Form, reply::Reply, ui, visit::Visit};

/// The member of a mapping that its values are in.
const CONFIG: &str = "config";
/// How many organizations a search offers.
const MOST_FOUND: usize = 100;

pub(super) async fn add(visit: &Visit<'_>, integration: &IntegrationView) -> Result<Reply, Problem> {
    visit.acts.ask(Operation::MappingsPut, None);
    if !visit.caller().chooses_tenants() {
        return Err(Problem::forbidden("Only the provider maps organizations."));
    }
    let nothing = Map::new();
    let fields = config_fields(integration, &nothing);
    let form = if visit.is_post() {
        match added(visit, integration, &fields).await {
            Ok(mapping) => return after(visit, integration, &mapping, "added").await,
            Err(problem) => Form::typed(visit, Some(problem)),
        }
    } else {
        Form::new(visit, visit.request.query("organization_id").map(|id| ("organization_id", id)))
    };
    let choice = Choice::of(visit).await?;
    let signs_in =
        visit.caller().role == Role::Admin && visit.bifrost.uses_sign_in(&integration.name).await?;
    let inputs = html! {
        (form.organization("organization_id", "Organization", choice.organizations.as_deref()).required())
        (entity_inputs(&form, integration))
        (config_inputs(&form, integration, &fields))
        @if signs_in {
            fieldset {
                legend { "OAuth token" }
                (form.check("link", "Link an OAuth token of the organization's own")
                    .hint("Saving then leads on to the provider, where you sign in as somebody of that organization. \
                           Otherwise its workflows use the connection's own sign-in. You can link one later, too."))
            }
        }
        button type="submit" { "Save" }
        a.button.quiet href=(table_address(integration)) { "Cancel" }
    };
    let body = html! {
        (choice.search(visit, integration))
        (form.around(&address(integration, "~new"), &inputs))
    };
    Ok(page_below(integration, "Add Mapping", &body).refused(form.problem()).into())
}

async fn added(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    fields: &ConfigFields<'_>,
) -> Result<MappingView, Problem> {
    let organization = visit.organization("organization_id")?;
    visit.permitted(Operation::MappingsPut, Scope::Organization(organization))?;
    let body = body(visit, fields, true)?;
    let none_yet = Some(None);
    let written = visit.bifrost.put_mapping_in_place_of(
        visit.caller(),
        &integration.name,
        organization,
        body,
        none_yet,
    );
    match written.await {
        Ok(Put::Created(mapping) | Put::Replaced(mapping)) => Ok(mapping),
        Err(problem) if problem.code == Code::StaleRevision => {
            Err(Problem::invalid("organization_id", "is mapped already: change its mapping instead"))
        }
        Err(problem) => Err(beside_its_field(problem)),
    }
}

pub(super) async fn change(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    organization: OrganizationId,
) -> Result<Reply, Problem> {
    let scope = Scope::Organization(organization);
    visit.permitted(if visit.is_post() { Operation::MappingsPut } else { Operation::MappingsGet }, scope)?;
    let row = visit.bifrost.mapping_row(visit.caller(), &integration.name, organization).await?;
    let mapping = &row.mapping;
    let fields = config_fields(integration, &mapping.config);
    let whole = visit.caller().chooses_tenants();
    let form = if visit.is_post() {
        match changed(visit, integration, organization, &fields, whole).await {
            Ok(mapping) => return after(visit, integration, &mapping, "saved").await,
            Err(problem) => Form::typed(visit, Some(problem)),
        }
    } else {
        let mut values = vec![
            ("entity_id".to_owned(), mapping.entity_id.clone().unwrap_or_default()),
            ("entity_name".to_owned(), mapping.entity_name.clone().unwrap_or_default()),
            ("revision".to_owned(), mapping.revision.to_string()),
        ];
        values.extend(fields.values());
        Form::new(visit, values)
    };
    let about = organization_label(row.organization.as_deref(), organization);
    let here = address(integration, &organization.to_string());
    let body = html! {
        @if form.problem().is_some_and(|problem| problem.code == Code::StaleRevision) {
            p.notice.warn { "What you typed is kept below. " a href=(here) { "Open the mapping as it is now" } " to change that instead." }
        }
        (tokens::card(visit, integration, &row))
        @if visit.may(Operation::MappingsPut, scope) {
            (form.around(&here, &inputs(visit, integration, &form, &fields, &row, whole)))
        } @else {
            (facts(integration, mapping))
            (fields.read_only())
        }
    };
    let page = page_below(integration, &about, &body).notice(visit.done().and_then(done));
    Ok(page.refused(form.problem()).into())
}

async fn changed(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    organization: OrganizationId,
    fields: &ConfigFields<'_>,
    whole: bool,
) -> Result<MappingView, Problem> {
    let body = body(visit, fields, whole)?;
    let revision = visit.text("revision").and_then(|text| text.parse().ok()).unwrap_or_default();
    let written =
        visit.bifrost.put_mapping(visit.caller(), &integration.name, organization, body, Some(revision));
    match written.await {
        Ok(Put::Created(mapping) | Put::Replaced(mapping)) => Ok(mapping),
        Err(problem) => Err(beside_its_field(problem)),
    }
}

/// On to the page of the mapping; or to the provider, if an OAuth token is to be linked.
async fn after(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    mapping: &MappingView,
    done: &str,
) -> Result<Reply, Problem> {
    visit.acts.ended(Operation::MappingsPut, Ok(()));
    let organization = mapping.organization_id;
    let here = address(integration, &organization.to_string());
    if visit.ticked("link") {
        let row = visit.bifrost.mapping_row(visit.caller(), &integration.name, organization).await?;
        let actions = tokens::Actions::on_its_page(visit, integration, &row);
        if let Some(address) = actions.connect_address() {
            return Ok(Reply::PostAgain(address.to_owned()));
        }
    }
    Ok(Reply::see_other(ui::address(&here, &[("done", done)])))
}

fn done(word: &str) -> Option<&'static str> {
    super::list::done(word)
}

/// The mapping as the API takes it.
fn body(visit: &Visit<'_>, fields: &ConfigFields<'_>, whole: bool) -> Result<Map<String, Value>, Problem> {
    let mut body = if whole { visit.body(&["entity_id", "entity_name"]) } else { Map::new() };
    let config = fields.read(visit).map_err(Problem::invalid_fields)?;
    body.insert(CONFIG.to_owned(), Value::Object(config));
    Ok(body)
}

/// What the use case says without naming a field.
fn beside_its_field(problem: Problem) -> Problem {
    match problem.code {
        Code::EntityTaken => {
            Problem::invalid("entity_id", "belongs to another organization of this integration")
        }
        Code::NotFound if problem.detail.contains("organization") => {
            Problem::invalid("organization_id", "is no organization that there is")
        }
        _ => problem,
    }
}

fn config_fields<'a>(integration: &'a IntegrationView, stored: &'a Map<String, Value>) -> ConfigFields<'a> {
    let (schema, inherited) = (&integration.config_schema, Some(&integration.defaults));
    ConfigFields { at: CONFIG, schema, stored, inherited }
}

fn inputs(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    form: &Form,
    fields: &ConfigFields<'_>,
    row: &MappingRow,
    whole: bool,
) -> Markup {
    let mapping = &row.mapping;
    let scope = Scope::Organization(mapping.organization_id);
    let nothing_to_change = !whole && integration.config_schema.fields().is_empty();
    let unlink = address(integration, &format!("{}/delete", mapping.organization_id));
    html! {
        input type="hidden" name="revision" value=(form.value("revision"));
        @if whole { (entity_inputs(form, integration)) } @else { (facts(integration, mapping)) }
        (config_inputs(form, integration, fields))
        @if !nothing_to_change { button type="submit" { "Save" } }
        a.button.quiet href=(table_address(integration)) { "Cancel" }
        @if visit.may(Operation::MappingsDelete, scope) { a.button.quiet.apart href=(unlink) { "Unlink" } }
    }
}

fn entity_inputs(form: &Form, integration: &IntegrationView) -> Markup {
    let label = entity_label(integration);
    let hint = match &integration.default_entity_id {
        Some(default) => format!(
            "What the organization is called over there: its tenant or company id. Left empty, the default applies: {default}"
        ),
        None => "What the organization is called over there: its tenant or company id.".to_owned(),
    };
    html! {
        (form.text("entity_id", &label).hint(&hint))
        (form.text("entity_name", "Entity name").hint("For people: what it is called over there."))
    }
}

fn config_inputs(form: &Form, integration: &IntegrationView, fields: &ConfigFields<'_>) -> Markup {
    html! {
        fieldset {
            legend { "Configuration overrides" }
            @if integration.config_schema.fields().is_empty() {
                p.hint { "The integration's configuration has no fields." }
            } @else {
                p { "What is left empty is inherited from the integration's defaults." }
                (fields.render(form))
            }
        }
    }
}

/// What only the provider changes.
fn facts(integration: &IntegrationView, mapping: &MappingView) -> Markup {
    html! {
        dl {
            dt { (entity_label(integration)) } dd { (mapping.entity_id.as_deref().unwrap_or("Not set")) }
            dt { "Entity name" } dd { (mapping.entity_name.as_deref().unwrap_or("Not set")) }
        }
    }
}

/// The organizations to choose from. Where there are too many, those that a search finds.
struct Choice {
    organizations: Option<Vec<Organization>>,
    /// What was searched for, where one has to search; and whether there are more than are offered.
    search: Option<(String, bool)>,
}

impl Choice {
    async fn of(visit: &Visit<'_>) -> Result<Self, Problem> {
        let all = visit.organizations().await?;
        if all.is_some() || !visit.may_at_home(Operation::OrganizationsList) {
            return Ok(Self { organizations: all, search: None });
        }
        let wanted = asked(visit, "find").unwrap_or_default().to_lowercase();
        let mut found = visit.bifrost.organizations_by_name().await?;
        let chosen = visit.text("organization_id").or(asked(visit, "organization_id")).unwrap_or_default();
        found.retain(|organization| {
            organization.id.to_string() == chosen
                || (!wanted.is_empty() && organization.name.to_lowercase().contains(&wanted))
        });
        found.sort_by_key(|organization| organization.name.to_lowercase());
        let more = found.len() > MOST_FOUND;
        found.truncate(MOST_FOUND);
        Ok(Self { organizations: Some(found), search: Some((wanted, more)) })
    }

    fn search(&self, visit: &Visit<'_>, integration: &IntegrationView) -> Markup {
        let Some((wanted, more)) = &self.search else { return html! {} };
        let found = self.organizations.as_ref().map_or(0, Vec::len);
        html! {
            form.bar role="search" action=(address(integration, "~new")) {
                div.field {
                    label for="find" { "Find the organization" }
                    input type="search" id="find" name="find" value=(asked(visit, "find").unwrap_or_default()) placeholder="Part of its name";
                }
                button.quiet type="submit" { "Find" }
            }
            @if !wanted.is_empty() {
                p.hint role="status" {
                    @if *more { "The first " (MOST_FOUND) " that match can be selected below: type more of the name to see others." }
                    @else { (found) " found; select below." }
                }
            }
        }
    }
}
