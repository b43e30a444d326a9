//! The scheduled replacement of data keys, which can be ordered by hand as well.

use std::sync::Arc;

use bifrost::{
    app::{
        Bifrost, Deadline,
        reseal::{ResealOrder, ResealReport},
    },
    model::Problem,
};

pub async fn handle(
    bifrost: Arc<Bifrost>,
    order: ResealOrder,
    deadline: Deadline,
) -> Result<ResealReport, Problem> {
    bifrost.reseal(order, deadline).await
}
