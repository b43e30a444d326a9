//! Gathers the lines of the audit trail, which the functions write among others into their own logs, in a log group that
//! keeps them longer.
//!
//! CloudWatch Logs delivers them, by a subscription to each function's log group; this function prints them as they are,
//! and its own log group is the one that they are gathered in. A delivery that can't be read is an error: Lambda tries it
//! again, and the lines are still in the logs that they come from. One that came twice is printed twice; its lines are the
//! same to the letter.

mod gzip;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// The largest delivery that is read, in bytes.
const MOST: usize = 32 * 1024 * 1024;

/// A delivery
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html#LambdaFunctionExample>).
#[derive(Debug, Deserialize)]
pub struct Event {
    awslogs: Packed,
}

#[derive(Debug, Deserialize)]
struct Packed {
    /// JSON, in gzip, in base64.
    data: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delivery {
    message_type: String,
    #[serde(default)]
    log_events: Vec<LogEvent>,
}

#[derive(Debug, Deserialize)]
struct LogEvent {
    message: String,
}

/// Why a delivery can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("awslogs.data is not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    #[error("awslogs.data is not gzip: {0}")]
    Gzip(&'static str),
    #[error("awslogs.data holds no delivery of log lines: {0}")]
    Json(#[from] serde_json::Error),
    #[error("awslogs.data is a {0:?}, and not a DATA_MESSAGE")]
    Kind(String),
}

/// The lines of a delivery as they are, each with its end.
pub fn lines(event: &Event) -> Result<String, Unreadable> {
    let packed = STANDARD.decode(&event.awslogs.data)?;
    let json = gzip::unpacked(&packed, MOST).map_err(Unreadable::Gzip)?;
    let Delivery { message_type, log_events } = serde_json::from_slice(&json)?;
    match message_type.as_str() {
        "DATA_MESSAGE" => {
            Ok(log_events.iter().map(|event| format!("{}\n", event.message.trim_end())).collect())
        }
        // CloudWatch Logs asks whether there is somebody to deliver to.
        "CONTROL_MESSAGE" => Ok(String::new()),
        _ => Err(Unreadable::Kind(message_type)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(delivery: &Value) -> Event {
        packed(STANDARD.encode(gzip::packed(delivery.to_string().as_bytes())))
    }

    fn packed(data: String) -> Event {
        serde_json::from_value(json!({"awslogs": {"data": data}})).unwrap()
    }

    fn wrong(event: &Event) -> String {
        lines(event).unwrap_err().to_string()
    }

    #[test]
    fn lines_are_printed_as_they_are_each_as_one() {
        let first = r#"{"target":"bifrost::audit","subject":"Ünï \"x\"\\n"}"#;
        let events = json!([{"id": "1", "timestamp": 1, "message": first}, {"id": "2", "message": "{}\n"}]);
        let delivery = json!({"messageType": "DATA_MESSAGE", "owner": "1", "logEvents": events});
        assert_eq!(lines(&event(&delivery)).unwrap(), format!("{first}\n{{}}\n"));
    }

    #[test]
    fn a_question_whether_we_are_there_is_no_line() {
        let asked =
            json!({"messageType": "CONTROL_MESSAGE", "logEvents": [{"message": "CWL CONTROL MESSAGE"}]});
        assert_eq!(lines(&event(&asked)).unwrap(), "");
    }

    #[test]
    fn what_is_no_delivery_is_an_error_that_says_why() {
        assert!(wrong(&packed("%".to_owned())).contains("not base64"));
        assert!(wrong(&packed(STANDARD.encode("[]"))).contains("not gzip"));
        assert!(wrong(&event(&json!([]))).contains("no delivery of log lines"));
        assert!(wrong(&event(&json!({"messageType": "X"}))).contains("\"X\""));
        assert!(serde_json::from_value::<Event>(json!({"shards": 1})).is_err());
    }
}
