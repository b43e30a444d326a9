//! Log lines: JSON, ours alone, and without secrets.
//!
//! Only events of this crate are written, with the time that Lambda's own filter by level asks for. Libraries log requests and headers at their lower levels,
//! tokens included; no level that someone may set must bring those out.

use tracing::Level;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::model::{Code, Problem};

/// Lambda's own variable for the level that the template sets under `LoggingConfig`.
const LEVEL: &str = "AWS_LAMBDA_LOG_LEVEL";

pub(super) fn start() {
    let level = std::env::var(LEVEL).unwrap_or_default();
    // Lambda also knows FATAL, which is what we log as ERROR.
    let level = if level == "FATAL" { Level::ERROR } else { level.parse().unwrap_or(Level::INFO) };
    let layer = tracing_subscriber::fmt::layer().json().flatten_event(true).with_current_span(false);
    let layer = layer.with_span_list(false).with_writer(std::io::stderr);
    let ours = Targets::new().with_target("bifrost", level);
    // It fails when there is a subscriber already, and then there is nothing to do.
    let _ = tracing_subscriber::registry().with(layer).with(ours).try_init();
}

/// What the caller is not told. A caller's own mistake is no event for our log.
pub(super) fn problem(problem: &Problem, route: &str, request_id: &str) {
    let (code, cause) = (problem.code.as_str(), problem.cause_chain());
    match (problem.code, cause) {
        (Code::Internal | Code::Unavailable | Code::SecretUnavailable, cause) => {
            tracing::error!(code, route, request_id, cause, detail = problem.detail, "a request failed");
        }
        (_, Some(cause)) => tracing::warn!(code, route, request_id, cause, "a request failed"),
        (_, None) => {}
    }
}
