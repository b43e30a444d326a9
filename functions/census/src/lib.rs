//! The scheduled census: counts organizations, connections and grants, for the dashboard and the console.

use std::sync::Arc;

use bifrost::{
    app::{Bifrost, Deadline, census::Counts},
    edge::metrics,
    model::Problem,
};

pub async fn handle(
    bifrost: Arc<Bifrost>,
    _order: serde_json::Value,
    deadline: Deadline,
) -> Result<Counts, Problem> {
    let census = bifrost.take_census(deadline).await?;
    metrics::emit_census(&census.counts);
    Ok(census.counts)
}
