//! The tab Mappings: which organization is which entity over there.

use bifrost::{app::integrations::IntegrationView, model::Problem};
use maud::html;

use super::{Tab, page};
use crate::{no_page, reply::Reply, visit::Visit};

pub(super) async fn route(
    _visit: &Visit<'_>,
    integration: &IntegrationView,
    path: &[&str],
) -> Result<Reply, Problem> {
    match path {
        [] => Ok(page(integration, Tab::Mappings, &html! {}).into()),
        _ => Err(no_page()),
    }
}
