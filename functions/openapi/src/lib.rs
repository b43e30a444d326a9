//! `GET /openapi.json`: the description of this API. Anyone.

use std::sync::{Arc, LazyLock};

use bifrost::{
    app::Bifrost,
    edge::{Request, Response, answer},
    model::Problem,
};

/// As people review it; what is sent has no white space.
const DOCUMENT: &str = include_str!("../../../infra/openapi.json");

pub async fn handle(_bifrost: Arc<Bifrost>, request: Request) -> Result<Response, Problem> {
    static SENT: LazyLock<String> =
        LazyLock::new(|| serde_json::from_str::<serde_json::Value>(DOCUMENT).unwrap_or_default().to_string());
    answer::document(&request, &SENT)
}
