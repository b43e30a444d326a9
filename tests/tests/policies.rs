//! What the template's policies grant, beside what the functions asked of AWS in the other tests: they grant that, and
//! nothing else. Run it after them:
//! `rm -rf target/accesses && cargo test --workspace && tests/browser/run &&
//! cargo test -p bifrost-tests --test policies -- --ignored --nocapture`.
//!
//! That they grant no less shows in the other tests too, for the local stack denies what no policy allows.

#![allow(clippy::unwrap_used, reason = "what goes wrong in a test ends it")]
#![allow(clippy::print_stdout, reason = "the table is the point")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bifrost_local::fits;
use bifrost_local::template::{self, Function, Operator, Statement};
use bifrost_tests::accesses_folder;

/// What a test saw a function ask for: one value of one condition key, or none.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seen {
    action: String,
    resource: String,
    key: String,
    value: String,
    allowed: bool,
}

/// One of the many things that a statement grants: an action, on a resource, with one of the values that a condition
/// lets pass.
#[derive(Debug)]
struct Grant<'a> {
    action: &'a str,
    resource: &'a str,
    key: &'a str,
    value: &'a str,
}

/// Where a policy can't name what it is about: connections' secrets and clients' keys are made by people, later.
const MADE_LATER: [&str; 2] = [":secret:bifrost/connections/*", ":key/*"];

#[test]
#[ignore = "reads what all other tests have left behind"]
fn every_function_may_do_what_it_was_seen_to_do_and_nothing_else() {
    let seen = seen();
    let none = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut count = 0;
    for Function { package, policy, .. } in functions() {
        let seen = seen.get(&package).unwrap_or(&none);
        for denied in seen.iter().filter(|seen| !seen.allowed && !is_refused_on_purpose(seen)) {
            let Seen { action, resource, key, value, .. } = denied;
            wrong.push(format!("{package} {action} {resource} {key} {value} DENIED"));
        }
        for statement in &policy {
            for grant in grants(statement) {
                let used = seen.iter().any(|seen| grant.covers(seen));
                let Grant { action, resource, key, value } = grant;
                let remark = if used { "" } else { " NEVER USED" };
                let line = format!("{package:<24} {action:<32} {} {key} {value}{remark}", short(resource));
                println!("{line}");
                count += 1;
                if !used {
                    wrong.push(format!("{} in {line}", statement.sid));
                }
            }
        }
    }
    println!("{count} grants, {} things wrong", wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_policy_has_a_star_but_where_nobody_knows_beforehand_what_there_will_be() {
    for Function { package, policy, .. } in functions() {
        for Statement { sid, actions, resources, conditions } in policy {
            assert!(actions.iter().all(|action| !action.contains('*')), "{package}: {sid}");
            for resource in &resources {
                let known = MADE_LATER.iter().any(|end| resource.ends_with(end));
                assert!(known || !resource.contains('*'), "{package}: {sid}: {resource}");
            }
            // A statement on all keys is narrowed by their tag.
            if resources.iter().any(|resource| resource.ends_with(":key/*")) {
                let tagged = |key: &str| key.starts_with("aws:ResourceTag/");
                assert!(conditions.iter().any(|condition| tagged(&condition.key)), "{package}: {sid}");
            }
        }
    }
}

#[test]
fn every_statement_on_a_table_names_its_partitions_and_one_on_a_key_its_encryption_context() {
    for Function { package, policy, .. } in functions() {
        for Statement { sid, actions, resources, conditions } in policy {
            let keys: Vec<_> = conditions.iter().map(|condition| condition.key.as_str()).collect();
            let is_table = |resource: &String| resource.contains(":table/") && !resource.contains("/index/");
            if resources.iter().any(is_table) {
                assert!(keys.contains(&"dynamodb:LeadingKeys"), "{package}: {sid}");
            }
            let seals = |action: &String| ["kms:Decrypt", "kms:GenerateDataKey"].contains(&action.as_str());
            if actions.iter().any(seals) {
                assert!(keys.contains(&"kms:EncryptionContextKeys"), "{package}: {sid}");
            }
            // `ForAllValues` holds for a request that has nothing under the key, too.
            for condition in &conditions {
                let all = [Operator::AllStringEquals, Operator::AllStringLike].contains(&condition.operator);
                let prefix = condition.key.trim_end_matches("Keys");
                let guards = conditions
                    .iter()
                    .filter(|guard| guard.operator == Operator::Null && guard.values == ["false"]);
                assert!(
                    !all || guards.into_iter().any(|guard| guard.key.starts_with(prefix)),
                    "{package}: {sid}"
                );
            }
        }
    }
}

fn functions() -> Vec<Function> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/template.yaml");
    template::read(&std::fs::read_to_string(file).unwrap(), &BTreeMap::new()).unwrap().functions
}

fn grants(statement: &Statement) -> Vec<Grant<'_>> {
    let Statement { actions, resources, conditions, .. } = statement;
    let values: Vec<(&str, &str)> = conditions
        .iter()
        .flat_map(|condition| {
            // Something under the key is what a guard asks for, and no more.
            let any = condition.operator == Operator::Null;
            condition.values.iter().map(move |value| (condition.key.as_str(), if any { "*" } else { value }))
        })
        .collect();
    let values = if values.is_empty() { vec![("*", "*")] } else { values };
    let mut grants = Vec::new();
    for action in actions {
        for resource in resources {
            grants.extend(values.iter().map(|(key, value)| Grant { action, resource, key, value }));
        }
    }
    grants
}

impl Grant<'_> {
    fn covers(&self, seen: &Seen) -> bool {
        seen.allowed
            && self.action == seen.action
            && fits(self.resource, &seen.resource)
            && fits(self.key, &seen.key)
            && fits(self.value, &seen.value)
    }
}

/// What tests ask for to see it denied: a key without the tag.
fn is_refused_on_purpose(seen: &Seen) -> bool {
    ["kms:GetPublicKey", "kms:Sign"].contains(&seen.action.as_str())
        && !seen.key.starts_with("aws:ResourceTag/")
}

fn seen() -> BTreeMap<String, BTreeSet<Seen>> {
    let mut seen: BTreeMap<String, BTreeSet<Seen>> = BTreeMap::new();
    for file in std::fs::read_dir(accesses_folder()).expect("run the other tests first") {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let [function, action, resource, key, value, verdict] = line.split('\t').collect::<Vec<_>>()[..]
            else {
                panic!("{line} is no access");
            };
            let [action, resource, key, value] = [action, resource, key, value].map(str::to_owned);
            let access = Seen { action, resource, key, value, allowed: verdict == "allowed" };
            seen.entry(function.to_owned()).or_default().insert(access);
        }
    }
    seen
}

/// The part of an ARN that tells one resource from another.
fn short(arn: &str) -> &str {
    arn.splitn(6, ':').last().unwrap_or(arn)
}
