//! `/console/connections`

use bifrost::model::Problem;
use maud::html;

use crate::{
    no_page,
    reply::{Page, Reply},
    visit::Visit,
};

pub(crate) async fn route(_visit: &Visit<'_>, path: &[&str]) -> Result<Reply, Problem> {
    match path {
        [] => Ok(Page::new("connections", "connections", html! {}).into()),
        _ => Err(no_page()),
    }
}
