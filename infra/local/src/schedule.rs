//! EventBridge Scheduler: fires rates. A run that takes longer than its rate is joined by the next one, as in AWS.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::console::Console;
use crate::runtime::Outcome;
use crate::runtime::pool::Pool;
use crate::template::{ACCOUNT, REGION, Schedule};

/// Fires at once, then at the schedule's rate, until the task is aborted.
pub(crate) fn run(schedule: Schedule, pool: Arc<Pool>, console: Console) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut clock = tokio::time::interval(schedule.every);
        // A laptop that slept owes one run, not one for every minute.
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            clock.tick().await;
            let (pool, console, schedule) = (Arc::clone(&pool), console.clone(), schedule.clone());
            tokio::spawn(async move {
                let outcome = pool.invoke(Bytes::from(event(&schedule).to_string())).await;
                if let Some(result) = worth_a_line(&outcome) {
                    console.say(format_args!("{}: {result}", schedule.name));
                }
            });
        }
    })
}

fn event(schedule: &Schedule) -> Value {
    schedule.input.clone().unwrap_or_else(|| {
        json!({
            "version": "0",
            "id": uuid::Uuid::new_v4(),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": ACCOUNT,
            "region": REGION,
            "resources": [format!("arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/{}", schedule.name)],
            "detail": "{}",
        })
    })
}

/// A result in which something other than nothing is counted. Failures have their line from the pool.
fn worth_a_line(outcome: &Outcome) -> Option<String> {
    let Outcome::Answer(answer) = outcome else {
        return None;
    };
    let result: Value = serde_json::from_slice(answer).ok()?;
    (!is_nothing(&result)).then(|| result.to_string())
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_nothing),
        Value::Object(entries) => entries.values().all(is_nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(answer: &'static str) -> Option<String> {
        worth_a_line(&Outcome::Answer(Bytes::from_static(answer.as_bytes())))
    }

    #[test]
    fn a_run_that_found_nothing_to_do_is_not_worth_a_line() {
        assert_eq!(line(r#"{"due":0,"refreshed":0,"failures":[]}"#), None);
        assert_eq!(line("null"), None);
        assert_eq!(line(r#"{"due":1,"refreshed":1}"#).as_deref(), Some(r#"{"due":1,"refreshed":1}"#));
    }
}
