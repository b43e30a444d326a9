//! Functions that a schedule invokes: an order in, a report out.

use std::{fmt::Debug, sync::Arc, time::Duration};

use lambda_runtime::{Context, Error, LambdaEvent, service_fn};
use serde::{Serialize, de::DeserializeOwned};

use super::log;
use crate::{
    app::{Bifrost, Deadline},
    model::{Problem, Timestamp},
};

/// Serves the schedule's orders until Lambda ends the process.
pub async fn serve_schedule<Order, Report, H, F>(handle: H) -> Result<(), Error>
where
    Order: DeserializeOwned,
    Report: Serialize + Debug,
    H: Fn(Arc<Bifrost>, Order, Deadline) -> F,
    F: Future<Output = Result<Report, Problem>>,
{
    log::start();
    let bifrost = Arc::new(Bifrost::from_environment()?);
    let handle = &handle;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Order>| {
        // Boxed: below the runtime's layers, a whole use case unboxed is too deep for the compiler.
        let done = Box::pin(handle(Arc::clone(&bifrost), event.payload, deadline(&event.context)));
        async move {
            let report = done.await.inspect_err(|problem| {
                tracing::error!(code = %problem.code, cause = problem.cause_chain(), "a scheduled run failed");
            })?;
            tracing::info!(?report, "a scheduled run ended");
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
