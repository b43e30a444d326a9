//! The scheduled refresher's event and report.

use std::{sync::Arc, time::Duration};

use lambda_runtime::{Context, Error, LambdaEvent, service_fn};

use super::log;
use crate::{
    app::{
        Bifrost, Deadline,
        sweep::{SweepOrder, SweepReport},
    },
    model::Timestamp,
};

/// Serves the schedule's orders until Lambda ends the process.
pub async fn serve_schedule<H, F>(handle: H) -> Result<(), Error>
where
    H: Fn(Arc<Bifrost>, SweepOrder, Deadline) -> F,
    F: Future<Output = Result<SweepReport, crate::model::Problem>>,
{
    log::start();
    let bifrost = Arc::new(Bifrost::from_environment()?);
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<SweepOrder>| {
        let swept = handle(Arc::clone(&bifrost), event.payload, deadline(&event.context));
        async move {
            let report = swept.await.inspect_err(|problem| {
                tracing::error!(code = %problem.code, cause = problem.cause_chain(), "a sweep failed");
            })?;
            let SweepReport { due, refreshed, failed, skipped, remaining } = report;
            tracing::info!(due, refreshed, failed, skipped, remaining, "swept");
            Ok::<_, Error>(report)
        }
    }))
    .await
}

/// When Lambda will end the invocation.
pub(super) fn deadline(context: &Context) -> Deadline {
    let now = u64::try_from(Timestamp::now().unix_millis()).unwrap_or(0);
    Deadline::after(Duration::from_millis(context.deadline.saturating_sub(now)))
}
