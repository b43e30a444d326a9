//! The scheduled sweep: refreshes the grants that are due in a range of shards, and reports what it did.

use std::sync::Arc;

use bifrost::{
    app::{
        Bifrost, Deadline,
        sweep::{SweepOrder, SweepReport},
    },
    edge::metrics,
    model::Problem,
};

pub async fn handle(
    bifrost: Arc<Bifrost>,
    order: SweepOrder,
    deadline: Deadline,
) -> Result<SweepReport, Problem> {
    let sweep = bifrost.sweep(order, deadline).await?;
    metrics::emit(&sweep);
    sweep.into_report()
}
