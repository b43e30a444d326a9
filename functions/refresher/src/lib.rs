//! The scheduled sweep: refreshes the grants that are due in a range of shards, and reports what it did.

use std::sync::Arc;

use bifrost::{
    app::{
        Bifrost, Deadline,
        sweep::{SweepOrder, SweepReport},
    },
    model::Problem,
};

pub async fn handle(
    bifrost: Arc<Bifrost>,
    order: SweepOrder,
    deadline: Deadline,
) -> Result<SweepReport, Problem> {
    bifrost.sweep(order, deadline).await
}
