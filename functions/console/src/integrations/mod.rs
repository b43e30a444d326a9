//! `/console/integrations`: integrations, and in the tabs of each one its configuration, its mappings and its OAuth.

mod mappings;

use bifrost::{
    app::integrations::IntegrationView,
    model::{Problem, access::Operation},
};
use maud::{Markup, html};

use crate::{
    no_page,
    reply::{Page, Reply},
    ui,
    visit::Visit,
};

const SECTION: &str = "integrations";

/// `~` stands in no name, so that no integration is in the way of what is not one.
pub(crate) async fn route(visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => Ok(Page::new("Integrations", SECTION, html! {}).into()),
        [name, "mappings", rest @ ..] => {
            visit.permitted(Operation::IntegrationsGet, visit.caller().home)?;
            let integration = visit.bifrost.show_integration(&visit.name("integration", name)?).await?;
            mappings::route(visit, &integration, rest).await
        }
        _ => Err(no_page()),
    }
}

/// The tabs of an integration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tab {
    Configuration,
    Mappings,
    OAuth,
}

/// The address of an integration, which is that of its first tab.
fn address(integration: &IntegrationView) -> String {
    format!("/console/integrations/{}", ui::encoded(integration.name.as_str()))
}

/// A page in one of an integration's tabs.
fn page(integration: &IntegrationView, tab: Tab, body: &Markup) -> Page {
    let base = address(integration);
    let tabs = [
        ("Configuration", base.clone(), tab == Tab::Configuration),
        ("Mappings", format!("{base}/mappings"), tab == Tab::Mappings),
        ("OAuth", format!("{base}/oauth"), tab == Tab::OAuth),
    ];
    let body = html! { (ui::tabs("Parts of the integration", &tabs)) (body) };
    Page::new(integration.name.as_str(), SECTION, body).under("Integrations", "/console/integrations")
}
