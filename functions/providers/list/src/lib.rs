//! `GET /providers`: the catalogue of provider presets.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer, answer::List},
    model::{Problem, access::Operation, preset},
};

pub async fn handle(_bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    request.permitted(Operation::ProvidersList)?;
    let page = request.page()?;
    let (items, next_cursor) = preset::page(page.cursor, page.limit)?;
    answer::ok(&List { items, next_cursor })
}
