//! Lines of the log that CloudWatch makes metrics of, in its embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//!
//! A line costs next to nothing, a name 0.30 USD a month: each combination of a metric and its dimensions is one. Which
//! there are is the business of `edge::metrics`, and of [`crate::aws`] for what only it sees.

use std::{env, io::Write};

use serde_json::{Map, Value, json};

use crate::model::Timestamp;

const NAMESPACE: &str = "Bifrost";

/// The stack's alarms tell functions of several stacks apart by this.
pub(crate) const FUNCTION: &str = "function";

/// What a metric is about, by name.
pub(crate) type Dimensions<'a> = [(&'a str, &'a str)];

/// What this function is called.
pub(crate) fn function() -> String {
    env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default()
}

/// Writes lines to the log, where CloudWatch takes them from.
pub(crate) fn write(lines: impl IntoIterator<Item = Value>) {
    let mut out = std::io::stdout().lock();
    for line in lines {
        // Nobody can be told that nobody listens.
        let _ = writeln!(out, "{line}");
    }
}

pub(crate) fn line(dimensions: &Dimensions<'_>, metrics: &[(&str, u64)], now: Timestamp) -> Value {
    line_by(&[dimensions], metrics, now)
}

/// The same numbers under several sets of dimensions.
pub(crate) fn line_by(sets: &[&Dimensions<'_>], metrics: &[(&str, u64)], now: Timestamp) -> Value {
    let names: Vec<Vec<&str>> =
        sets.iter().map(|dimensions| dimensions.iter().map(|(name, _)| *name).collect()).collect();
    let definitions: Vec<Value> =
        metrics.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.unix_millis(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": names, "Metrics": definitions}],
        }),
    );
    // Lambda drops lines below the level that is set, and takes one without a level for INFO.
    line.insert("level".to_owned(), json!("FATAL"));
    let dimensions = sets.iter().flat_map(|dimensions| dimensions.iter());
    line.extend(dimensions.map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(metrics.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    Value::Object(line)
}
