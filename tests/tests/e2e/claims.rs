//! `SECURITY.md` names a test for what it claims, `infra/OPERATIONS.md` what to do about every alarm.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::access::workspace;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "rs" || kind == "py") {
            found.push(path);
        }
    }
}

#[test]
fn every_claim_in_security_md_names_a_test_that_there_is() {
    let mut files = Vec::new();
    for folder in ["shared", "infra", "tests"] {
        sources(&workspace().join(folder), &mut files);
    }
    let sources: Vec<_> = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let is_test = |name: &str| {
        let spellings = [format!("fn {name}("), format!("def {name}(")];
        sources.iter().any(|source| spellings.iter().any(|spelling| source.contains(spelling)))
    };
    let text = std::fs::read_to_string(workspace().join("SECURITY.md")).unwrap();
    // Names of fields and values are shorter.
    let named: BTreeSet<_> = text.split('`').skip(1).step_by(2).filter(|name| name.len() > 20).collect();
    assert!(named.len() > 30, "{named:?}");
    let missing: Vec<_> = named.into_iter().filter(|name| !is_test(name)).collect();
    assert_eq!(missing, [] as [&str; 0]);
}

#[test]
fn operations_md_says_what_to_do_about_each_alarm_of_the_template_and_no_other() {
    let read = |file: &str| std::fs::read_to_string(workspace().join(file)).unwrap();
    let (template, operations) = (read("infra/template.yaml"), read("infra/OPERATIONS.md"));
    let alarms = |text: &str, before: &str, after: &str| -> BTreeSet<String> {
        let names = text.lines().filter_map(|line| line.strip_prefix(before)?.strip_suffix(after));
        names.filter(|name| name.ends_with("Alarm")).map(str::to_owned).collect()
    };
    let made = alarms(&template, "  ", ":");
    assert!(made.len() > 10, "{made:?}");
    assert_eq!(alarms(&operations, "### ", ""), made);
}
