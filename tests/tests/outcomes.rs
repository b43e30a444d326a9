//! The table of routes × outcomes: what `infra/openapi.json` says that each operation can answer, beside what the other
//! tests have seen it answer. Run it after them:
//! `rm -rf target/outcomes && cargo test --workspace && cargo test -p bifrost-tests --test outcomes -- --ignored --nocapture`.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]
#![allow(clippy::print_stdout, reason = "the table is the point")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bifrost_tests::outcomes_folder;
use serde_json::Value;

/// Status, media type, and the problem's code; `-` where an answer has none.
type Outcome = (u16, String, String);

struct Operation {
    id: String,
    method: String,
    /// `/integrations/{name}`
    path: String,
    documented: BTreeSet<Outcome>,
}

/// What tests of this stack can't bring about or don't wait for: it throttles nobody; most functions' own timeouts are
/// shorter than the gateway's patience; and the description is part of its function, which calls nothing that could fail.
fn is_awss_alone(operation: &str, (status, media_type, _): &Outcome) -> bool {
    *status == 429
        || (*status == 503 && media_type == "application/json")
        || (operation == "openapi" && *status == 500)
}

#[test]
#[ignore = "reads what all other tests have left behind"]
fn every_outcome_is_documented_and_every_documented_outcome_was_seen() {
    let operations = operations();
    let seen = seen(&operations);
    let mut wrong = Vec::new();
    println!("{:<24} {:<6} {:<26} {:<24} seen", "operation", "status", "media type", "code");
    for operation in &operations {
        let seen = seen.get(operation.id.as_str()).cloned().unwrap_or_default();
        let all: BTreeSet<_> = operation.documented.iter().chain(seen.keys()).collect();
        for outcome in all {
            let times = seen.get(outcome).copied().unwrap_or_default();
            let remark = match (operation.documented.contains(outcome), times) {
                (false, _) => " NOT DOCUMENTED",
                (true, 0) if is_awss_alone(&operation.id, outcome) => " (on AWS alone)",
                (true, 0) => " NEVER SEEN",
                (true, _) => "",
            };
            let (status, media_type, code) = outcome;
            if remark.starts_with(" N") {
                wrong.push(format!("{} {status} {media_type} {code}{remark}", operation.id));
            }
            println!("{:<24} {status:<6} {media_type:<26} {code:<24} {times}{remark}", operation.id);
        }
    }
    let outcomes: usize = operations.iter().map(|operation| operation.documented.len()).sum();
    println!("{} operations, {outcomes} outcomes, {} of them wrong", operations.len(), wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn operations() -> Vec<Operation> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/openapi.json");
    let document: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let Some(id) = operation["operationId"].as_str() else { continue };
            let responses = operation["responses"].as_object().unwrap();
            let documented =
                responses.iter().flat_map(|(status, response)| outcomes(status, response)).collect();
            let (id, method, path) = (id.to_owned(), method.to_uppercase(), path.clone());
            operations.push(Operation { id, method, path, documented });
        }
    }
    // A literal segment is meant before a parameter: `_` and letters sort before `{`.
    operations.sort_by(|one, other| one.path.cmp(&other.path));
    operations
}

fn outcomes(status: &str, response: &Value) -> Vec<Outcome> {
    let status: u16 = status.parse().unwrap();
    let Some(content) = response["content"].as_object() else {
        return vec![(status, "-".to_owned(), "-".to_owned())];
    };
    let of = |(media_type, content): (&String, &Value)| {
        let codes = codes(&content["schema"]);
        let codes = if codes.is_empty() { vec!["-".to_owned()] } else { codes };
        codes.into_iter().map(move |code| (status, media_type.clone(), code)).collect::<Vec<_>>()
    };
    content.iter().flat_map(of).collect()
}

/// The codes that a problem's schema allows, however deep in it they stand.
fn codes(schema: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(codes) = schema["properties"]["code"]["enum"].as_array() {
        return codes.iter().filter_map(text).collect();
    }
    schema["allOf"].as_array().into_iter().flatten().flat_map(codes).collect()
}

/// How often each operation answered what. Requests that no route takes are nobody's.
fn seen(operations: &[Operation]) -> BTreeMap<&str, BTreeMap<Outcome, usize>> {
    let mut seen: BTreeMap<&str, BTreeMap<Outcome, usize>> = BTreeMap::new();
    for file in std::fs::read_dir(outcomes_folder()).expect("run the other tests first") {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let [method, path, status, media_type, code] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line} is no outcome");
            };
            let takes = |operation: &&Operation| operation.method == method && fits(&operation.path, path);
            if let Some(operation) = operations.iter().find(takes) {
                let outcome = (status.parse().unwrap(), media_type.to_owned(), code.to_owned());
                *seen.entry(&operation.id).or_default().entry(outcome).or_default() += 1;
            }
        }
    }
    seen
}

/// Whether a request's path is one of a route's.
fn fits(route: &str, path: &str) -> bool {
    let (route, path): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    let same = |(wanted, given): (&&str, &&str)| wanted == given || wanted.starts_with('{');
    route.len() == path.len() && route.iter().zip(&path).all(same)
}
