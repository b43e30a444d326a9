//! `POST /keys`: makes an API key, shown this once.

use std::sync::Arc;

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

pub async fn handle(bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    let caller = request.caller()?;
    answer::created(&bifrost.create_api_key(caller, request.json()?).await?)
}
