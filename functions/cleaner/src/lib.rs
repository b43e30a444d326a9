//! The scheduled continuation of deletions that a request could not finish, and the end of sign-ins that nobody answered
//! for.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, Deadline, clean_up::CleanupReport},
    model::Problem,
};

pub async fn handle(
    bifrost: Arc<Bifrost>,
    _order: serde_json::Value,
    deadline: Deadline,
) -> Result<CleanupReport, Problem> {
    bifrost.clean_up_all(deadline).await
}
