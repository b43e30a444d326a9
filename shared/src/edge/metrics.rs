//! CloudWatch metrics, as lines of the log in the embedded metric format
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).
//!
//! A line costs next to nothing, a name 0.30 USD a month: each combination of a metric and its dimensions is one. So a
//! provider has its own only when something of it was refreshed or failed, under a name that only the platform's
//! administrators can add to (see `app::sweep`).

use std::{env, io::Write};

use serde_json::{Map, Value, json};

use crate::{
    app::sweep::{Expiring, Sweep, SweepReport},
    model::Timestamp,
};

const NAMESPACE: &str = "Bifrost";

/// The stack's alarms tell functions of several stacks apart by this.
const FUNCTION: &str = "function";

/// Writes what a sweep did to the log, where CloudWatch takes it from.
pub fn emit(sweep: &Sweep) {
    let function = env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_default();
    let mut out = std::io::stdout().lock();
    for line in lines(sweep, &function, Timestamp::now()) {
        // Nobody can be told that nobody listens.
        let _ = writeln!(out, "{line}");
    }
}

fn lines(sweep: &Sweep, function: &str, now: Timestamp) -> Vec<Value> {
    let SweepReport { due, refreshed, failed, skipped, remaining } = sweep.report;
    let of_all = [
        ("Due", due),
        ("Refreshed", refreshed),
        ("Failed", failed),
        ("Skipped", skipped),
        ("Remaining", remaining),
    ];
    let mut lines = vec![line(&[(FUNCTION, function)], &of_all, now)];
    for (provider, tally) in &sweep.providers {
        let dimensions = [(FUNCTION, function), ("provider", provider)];
        let failed = tally.failed.values().sum();
        lines.push(line(&dimensions, &[("Refreshed", tally.refreshed), ("Failed", failed)], now));
        for (class, count) in &tally.failed {
            let dimensions = [dimensions[0], dimensions[1], ("error_class", class)];
            lines.push(line(&dimensions, &[("Failed", *count)], now));
        }
    }
    if let Some(Expiring { within: [day, week, month], expired, soonest }) = &sweep.expiring {
        let counts = [
            ("SecretsExpiringIn1Day", *day),
            ("SecretsExpiringIn7Days", *week),
            ("SecretsExpiringIn30Days", *month),
            ("SecretsExpired", *expired),
        ];
        let mut line = line(&[(FUNCTION, function)], &counts, now);
        // No metric: what is in the line besides costs nothing, and says where to look.
        line["soonest"] = json!(soonest);
        lines.push(line);
    }
    lines
}

fn line(dimensions: &[(&str, &str)], metrics: &[(&str, u64)], now: Timestamp) -> Value {
    let names: Vec<&str> = dimensions.iter().map(|(name, _)| *name).collect();
    let definitions: Vec<Value> =
        metrics.iter().map(|(name, _)| json!({"Name": name, "Unit": "Count"})).collect();
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": now.unix_millis(),
            "CloudWatchMetrics": [{"Namespace": NAMESPACE, "Dimensions": [names], "Metrics": definitions}],
        }),
    );
    // Lambda drops lines below the level that is set, and takes one without a level for INFO.
    line.insert("level".to_owned(), json!("FATAL"));
    line.extend(dimensions.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    line.extend(metrics.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    Value::Object(line)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::sweep::Tally;

    #[test]
    fn a_line_declares_every_metric_and_dimension_that_it_has() {
        let tally = Tally { refreshed: 5, failed: BTreeMap::from([("client", 1), ("transient", 2)]) };
        let report = SweepReport { due: 9, refreshed: 5, failed: 3, skipped: 1, remaining: 0 };
        let providers = BTreeMap::from([("halo.example".to_owned(), tally)]);
        let expiring = Some(Expiring {
            within: [1, 2, 3],
            expired: 4,
            soonest: vec!["GLOBAL/CONNECTION#halo".to_owned()],
        });
        let sweep = Sweep { report, providers, trouble: None, expiring };
        let lines = lines(&sweep, "refresher", Timestamp::now());
        assert_eq!(lines.len(), 5);
        for line in &lines {
            let definition = &line["_aws"]["CloudWatchMetrics"][0];
            for name in definition["Dimensions"][0].as_array().unwrap() {
                assert!(line[name.as_str().unwrap()].is_string(), "{line}");
            }
            for metric in definition["Metrics"].as_array().unwrap() {
                assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{line}");
            }
        }
        assert_eq!(
            (&lines[0]["Remaining"], &lines[1]["Failed"], &lines[2]["Failed"]),
            (&json!(0), &json!(3), &json!(1))
        );
        assert_eq!(
            (&lines[4]["SecretsExpiringIn7Days"], &lines[4]["SecretsExpired"]),
            (&json!(2), &json!(4))
        );
        assert_eq!(lines[4]["soonest"], json!(["GLOBAL/CONNECTION#halo"]));
        assert_eq!(
            (&lines[2]["provider"], &lines[2]["error_class"]),
            (&json!("halo.example"), &json!("client"))
        );
    }
}
