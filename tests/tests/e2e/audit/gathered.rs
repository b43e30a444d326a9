//! What is delivered to the auditor of the functions' logs: in its own log, once each, to the letter.

use base64::{Engine, engine::general_purpose::STANDARD};
use bifrost_local::template::Function;
use bifrost_tests::{TestApp, pause};
use miniz_oxide::deflate::compress_to_vec;
use serde_json::{Value, json};

use crate::access::routes::{the_template, workspace};

/// Functions that write no act: the API's description has no caller, and the others do what nobody asked for.
const WITHOUT_ACTS: [&str; 6] = ["auditor", "census", "cleaner", "openapi", "refresher", "resealer"];

/// The lines in a function's log.
fn log_of(app: &TestApp, function: &str) -> Vec<String> {
    let logs = app.stack().logs();
    let lines = logs.lines().filter_map(|line| line.split_once(" | "));
    lines.filter(|(source, _)| *source == function).map(|(_, line)| line.to_owned()).collect()
}

/// Those that are meant, as soon as there are so many.
async fn lines_of(
    app: &TestApp,
    function: &str,
    count: usize,
    meant: impl Fn(&String) -> bool,
) -> Vec<String> {
    for _ in 0..200 {
        let mut lines = log_of(app, function);
        lines.retain(&meant);
        if lines.len() >= count {
            return lines;
        }
        pause(20).await;
    }
    panic!("{function} wrote {:?}", log_of(app, function));
}

/// A delivery as CloudWatch Logs makes it of lines that its filter let through.
fn delivery(lines: &[String]) -> Value {
    let events: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(place, line)| json!({"id": format!("{place:056}"), "timestamp": 1_790_000_000_000_u64, "message": line}))
        .collect();
    let json = json!({
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": "/aws/lambda/bifrost/organizations-create",
        "logStream": "2026/11/26/[1]0123456789abcdef",
        "subscriptionFilters": ["OrganizationsCreateAudit"],
        "logEvents": events,
    });
    let json = json.to_string().into_bytes();
    // The header of a member without a name (RFC 1952), as Java writes it.
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
    packed.extend(compress_to_vec(&json, 6));
    packed.extend(crc32(&json).to_le_bytes());
    packed.extend((json.len() as u32).to_le_bytes());
    json!({"awslogs": {"data": STANDARD.encode(packed)}})
}

/// Other than the function's own, by a table.
fn crc32(bytes: &[u8]) -> u32 {
    let entry = |place: u32| (0..8).fold(place, |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)));
    let table: Vec<u32> = (0..256).map(entry).collect();
    !bytes.iter().fold(!0_u32, |sum, byte| table[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ (sum >> 8))
}

#[test]
fn the_log_of_every_function_that_callers_reach_is_delivered_and_no_other() {
    let text = std::fs::read_to_string(workspace().join("infra/template.yaml")).unwrap();
    let template = the_template();
    let callers_reach = |function: &&Function| !WITHOUT_ACTS.contains(&function.package.as_str());
    let reached: Vec<_> = template.functions.iter().filter(callers_reach).collect();
    for function in &reached {
        let name = function.logical_id.strip_suffix("Function").unwrap();
        let log = format!("      LoggingConfig:\n        LogGroup: !Ref {name}Logs\n");
        let filter = format!(
            "\n  {name}Audit:\n    Type: AWS::Logs::SubscriptionFilter\n    DependsOn: AuditorPermission\n    \
             Properties:\n      LogGroupName: !Ref {name}Logs\n      \
             FilterPattern: '{{ $.target = \"bifrost::audit\" }}'\n      \
             DestinationArn: !GetAtt AuditorFunction.Arn\n"
        );
        assert!(text.contains(&log) && text.contains(&filter), "{name}");
    }
    assert_eq!(text.matches("AWS::Logs::SubscriptionFilter").count(), reached.len());
}

#[tokio::test]
async fn lines_that_are_delivered_are_in_the_auditors_log_once_each_and_unchanged() {
    let app = TestApp::alone().await;
    for name in ["Acme", "Ünïted \"Störs\"", "Globex"] {
        app.organization(name).await;
    }
    // What the pattern in the template lets through.
    let is_audit = |line: &String| {
        serde_json::from_str::<Value>(line).is_ok_and(|line| line["target"] == "bifrost::audit")
    };
    let lines = lines_of(&app, "organizations-create", 3, is_audit).await;
    app.stack().try_audit(delivery(&lines)).await.unwrap();
    assert_eq!(lines_of(&app, "auditor", 3, |_| true).await, lines);
}

#[tokio::test]
async fn a_delivery_that_can_not_be_read_fails_and_says_why() {
    let app = TestApp::alone().await;
    let mut damaged = delivery(&["{}".to_owned()]);
    let data = damaged["awslogs"]["data"].as_str().unwrap().to_owned();
    damaged["awslogs"]["data"] = json!(data[..data.len() - 8]);
    for (garbage, reason) in [
        (damaged, "not gzip"),
        (json!({"awslogs": {"data": "?"}}), "not base64"),
        (json!({"shards": {"first": 0, "last": 1}}), "awslogs"),
    ] {
        let failed = app.stack().try_audit(garbage).await.unwrap_err();
        assert!(format!("{failed:?}").contains(reason), "{failed:?}");
    }
    let printed = log_of(&app, "auditor");
    assert!(printed.iter().all(|line| !line.starts_with('{')), "{printed:?}");
    // Whoever delivers asks beforehand whether there is somebody to deliver to, and goes on after a failure.
    app.stack().try_audit(delivery(&[])).await.unwrap();
}
