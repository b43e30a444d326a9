//! Taking a mapping away.

use bifrost::{
    app::{integrations::IntegrationView, mapping_table::Released},
    model::{OrganizationId, Problem, Scope, access::Operation},
};
use maud::{Markup, html};

use super::{address, entity_label, filtered, organization_label, page_below};
use crate::{form::Form, reply::Reply, visit::Visit};

pub(super) async fn page(
    visit: &Visit<'_>,
    integration: &IntegrationView,
    organization: OrganizationId,
) -> Result<Reply, Problem> {
    visit.permitted(Operation::MappingsDelete, Scope::Organization(organization))?;
    let mut problem = None;
    if visit.is_post() {
        let revision = visit.text("revision").and_then(|text| text.parse().ok()).unwrap_or_default();
        match visit.bifrost.delete_mapping(&integration.name, organization, Some(revision)).await {
            Ok(()) => {
                return Ok(Reply::see_other(filtered(integration, &[("done", Some("unlinked"))])));
            }
            Err(refused) => problem = Some(refused),
        }
    }
    let row = visit.bifrost.mapping_row(visit.caller(), &integration.name, organization).await?;
    let released = visit.bifrost.unlinking(&integration.name, organization).await?;
    let about = organization_label(row.organization.as_deref(), organization);
    // Refused because it has changed: what is shown now is what it has become.
    let form = Form::typed(visit, problem);
    let back = address(integration, &organization.to_string());
    let fields = html! {
        input type="hidden" name="revision" value=(row.mapping.revision);
        button.danger type="submit" { "Unlink " (about) }
        a.button.quiet href=(back) { "Keep it" }
    };
    let body = html! {
        ul {
            li {
                "Workflows of " (about) " no longer get "
                @match &row.mapping.entity_id {
                    Some(id) => { (entity_label(integration)) " " code { (id) } }
                    None => { "a " (entity_label(integration)) " of its own" }
                }
                ": they get the integration's defaults."
            }
            @if !row.mapping.config.is_empty() {
                li { "Its configuration overrides are deleted: " (row.mapping.config.keys().cloned().collect::<Vec<_>>().join(", ")) "." }
            }
            li { (grant(&released)) }
        }
        (form.around(&address(integration, &format!("{organization}/delete")), &fields))
    };
    let page = page_below(integration, &format!("Unlink {about}?"), &body);
    Ok(page.refused(form.problem()).into())
}

fn grant(released: &Released) -> Markup {
    match released {
        Released::Nothing => html! { "It has no OAuth token of its own that would be affected." },
        Released::Grant => html! {
            "Its own OAuth token is forgotten here and revoked at the provider. To come back, somebody has to sign in again."
        },
        Released::UsedBy(others) => {
            let names: Vec<_> = others.iter().map(ToString::to_string).collect();
            html! { "Its own OAuth token stays: " (names.join(", ")) " uses the same connection and is mapped to it, too." }
        }
    }
}
