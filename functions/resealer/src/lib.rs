//! The scheduled replacement of data keys, which can be ordered by hand as well.

use std::sync::Arc;

use bifrost::{
    app::{
        Bifrost, Deadline,
        reseal::{ResealOrder, ResealReport},
    },
    edge::metrics,
    model::Problem,
};

pub async fn handle(
    bifrost: Arc<Bifrost>,
    order: ResealOrder,
    deadline: Deadline,
) -> Result<ResealReport, Problem> {
    let report = bifrost.reseal(order, deadline).await?;
    metrics::emit_reseal(&report);
    Ok(report)
}
