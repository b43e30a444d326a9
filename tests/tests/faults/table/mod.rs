//! The fault table: fault × kind of provider → what becomes of the grant.

mod aws;
mod kills;
mod provider;

use std::fmt::Write as _;

use bifrost_tests::Answer;

use crate::scene::{End, Kind, Scene, Stage, code_of};

/// One test, because what takes the time is waiting: for leases to lapse, for providers that never answer.
#[tokio::test]
async fn after_every_fault_the_grant_is_alive_or_its_state_says_what_a_person_must_do() {
    let stage = Stage::shared().await;
    let sweeps = Stage::with_instances(16).await;
    let (provider, killed, swept, aws, gone) = tokio::join!(
        provider::cases(stage),
        kills::cases(stage),
        kills::cases_of_a_sweep(sweeps),
        aws::cases(stage),
        aws::case_of_a_long_outage(stage),
    );
    let tables = [
        ("The provider", provider),
        ("SIGKILL during a token request", killed),
        ("SIGKILL during a sweep", swept),
        ("AWS during a token request", [aws, gone].concat()),
    ];
    tables.iter().for_each(|(title, cases)| println!("{}", table(title, cases)));
    println!("(what the caller was told; what became of the grant; requests that the provider saw)\n");
    let wrong: Vec<String> = tables.iter().flat_map(|(_, cases)| cases).filter_map(Case::flaw).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    stage.assert_no_secret_was_logged();
}

/// One fault that one grant went through.
#[derive(Clone, Debug)]
struct Case {
    fault: String,
    kind: Kind,
    /// What the caller who met the fault was told.
    at_once: String,
    end: End,
    /// Requests that the provider has seen until the end.
    exchanges: usize,
    expected: Expected,
    /// What else is wrong.
    wrong: Option<String>,
}

#[derive(Clone, Debug)]
struct Expected {
    end: End,
    /// The caller does not notice.
    unnoticed: bool,
    exchanges: Option<usize>,
}

impl Expected {
    fn end(end: End) -> Self {
        Self { end, unnoticed: false, exchanges: None }
    }
}

impl Case {
    /// Follows the grant to its end.
    async fn of(fault: impl Into<String>, scene: &Scene, at_once: String, expected: Expected) -> Self {
        let end = scene.end().await;
        let (kind, exchanges) = (scene.kind, scene.exchanges());
        Self { fault: fault.into(), kind, at_once, end, exchanges, expected, wrong: None }
    }

    fn wrong_if(mut self, wrong: Result<(), String>) -> Self {
        self.wrong = wrong.err();
        self
    }

    /// In what it is not as expected.
    fn flaw(&self) -> Option<String> {
        let Expected { end, unnoticed, exchanges } = &self.expected;
        let what = if let Some(wrong) = &self.wrong {
            wrong.clone()
        } else if self.end != *end {
            format!("{}, not {end}", self.end)
        } else if *unnoticed && self.at_once != "200" {
            format!("the caller was told {}", self.at_once)
        } else if exchanges.is_some_and(|exchanges| exchanges != self.exchanges) {
            format!("the provider saw {} requests", self.exchanges)
        } else {
            return None;
        };
        Some(format!("{}, {}: {what}", self.fault, self.kind.title()))
    }
}

/// What a caller was told, in a few words.
fn told(answer: &Answer) -> String {
    match code_of(answer) {
        "" => answer.status.to_string(),
        code => format!("{} {code}", answer.status),
    }
}

fn table(title: &str, cases: &[Case]) -> String {
    let kinds: Vec<Kind> =
        Kind::ALL.into_iter().filter(|kind| cases.iter().any(|case| case.kind == *kind)).collect();
    let mut table = format!("\n| {title}: {} cases |", cases.len());
    kinds.iter().for_each(|kind| write!(table, " {} |", kind.title()).unwrap());
    table.push_str("\n| --- |");
    kinds.iter().for_each(|_| table.push_str(" --- |"));
    let mut faults: Vec<&str> = Vec::new();
    for case in cases {
        if !faults.contains(&case.fault.as_str()) {
            faults.push(&case.fault);
        }
    }
    for fault in faults {
        write!(table, "\n| {fault} |").unwrap();
        for kind in &kinds {
            let case = cases.iter().find(|case| case.fault == fault && case.kind == *kind);
            let cell = case.map(|case| format!(" {}; {}; {} |", case.at_once, case.end, case.exchanges));
            table.push_str(&cell.unwrap_or_else(|| " |".to_owned()));
        }
    }
    table
}
