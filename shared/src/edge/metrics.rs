//! The metrics of what scheduled functions did and found.
//!
//! A name costs 0.30 USD a month. So a provider has its own only when something of it was refreshed or failed, under a
//! name that only the platform's administrators can add to (see `app::sweep`).

use serde_json::{Value, json};

use crate::{
    app::{
        census::Counts,
        reseal::ResealReport,
        sweep::{Expiring, Sweep, SweepReport},
    },
    emf::{self, FUNCTION, line},
    model::{Timestamp, grant::GrantStatus},
};

/// Writes what a sweep did to the log, where CloudWatch takes it from.
pub fn emit(sweep: &Sweep) {
    emf::write(lines(sweep, &emf::function(), Timestamp::now()));
}

/// Writes how many grants there are of each status. The other counts change seldom: the console shows them.
pub fn emit_census(counts: &Counts) {
    emf::write(census_lines(counts, &emf::function(), Timestamp::now()));
}

/// Writes how many values no data key opened, in the scopes that a run of the resealer looked through.
pub fn emit_reseal(report: &ResealReport) {
    let unreadable = [("Unreadable", report.unreadable as u64)];
    emf::write([line(&[(FUNCTION, &emf::function())], &unreadable, Timestamp::now())]);
}

fn census_lines(counts: &Counts, function: &str, now: Timestamp) -> Vec<Value> {
    let of = |status: GrantStatus| counts.grants.get(&status).copied().unwrap_or_default();
    let line = |status: GrantStatus| {
        line(&[(FUNCTION, function), ("status", status.as_str())], &[("Grants", of(status))], now)
    };
    GrantStatus::ALL.into_iter().map(line).collect()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::app::sweep::Tally;

    /// What CloudWatch takes no notice of otherwise.
    fn assert_declared(line: &Value) {
        let definition = &line["_aws"]["CloudWatchMetrics"][0];
        for name in
            definition["Dimensions"].as_array().unwrap().iter().flat_map(|set| set.as_array().unwrap())
        {
            assert!(line[name.as_str().unwrap()].is_string(), "{line}");
        }
        for metric in definition["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_u64(), "{line}");
        }
    }

    #[test]
    fn a_census_has_a_line_for_each_status_and_zero_where_there_is_none() {
        let grants = BTreeMap::from([(GrantStatus::Active, 7)]);
        let counts = Counts { organizations: 3, connections: BTreeMap::new(), grants };
        let lines = census_lines(&counts, "census", Timestamp::now());
        lines.iter().for_each(assert_declared);
        let told: Vec<_> =
            lines.iter().map(|line| (line["status"].clone(), line["Grants"].clone())).collect();
        let expected = [("new", 0), ("active", 7), ("failing", 0), ("reauthorize", 0), ("disconnected", 0)];
        assert_eq!(told, expected.map(|(status, count)| (json!(status), json!(count))));
        for status in GrantStatus::ALL {
            assert_eq!(json!(status), status.as_str());
        }
    }

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
        lines.iter().for_each(assert_declared);
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
