//! `/console/connections/{name}/diagnose`: what the doctor says.

use bifrost::model::{
    Problem,
    access::Operation,
    diagnose::{Check, CheckStatus, Diagnosis},
};
use maud::{Markup, html};

use super::{connection, page_below};
use crate::{form::Form, reply::Reply, visit::Visit, words};

pub(super) async fn page(visit: &Visit<'_>, name: &str) -> Result<Reply, Problem> {
    let connection = connection(visit, Operation::ConnectionsDiagnose, name).await?;
    let run = super::address(connection.scope, &connection.name, "/diagnose", &[]);
    let form = Form::empty(visit);
    let title = format!("Diagnosis of {}", connection.name);
    if !visit.is_post() {
        let body = html! {
            p { "Looks at the connection, and asks its provider whether it knows the client and its redirect URI. Nothing is changed, and nobody has to sign in." }
            (form.button(&run, "Diagnose", ""))
        };
        return Ok(page_below(&connection, title, body).into());
    }
    let public_url = visit.request.public_url();
    let diagnosis = visit.bifrost.diagnose(connection.scope, &connection.name, public_url).await?;
    let back = format!("connections/{}?scope={}", connection.name, connection.scope);
    let body = html! {
        (findings(&diagnosis))
        div.bar {
            (form.button(&run, "Diagnose again", "quiet"))
            @if visit.may(Operation::ConnectionsUpdate, connection.scope) {
                a.button.quiet href=(super::address(connection.scope, &connection.name, "/edit", &[])) { "Edit" }
            }
            (super::connect_button(visit, &connection, &back))
        }
    };
    Ok(page_below(&connection, title, body).into())
}

/// The whole list: what is to be done first.
fn findings(diagnosis: &Diagnosis) -> Markup {
    let mut checks: Vec<_> = diagnosis.checks.iter().collect();
    checks.sort_by_key(|check| std::cmp::Reverse(check.status));
    html! {
        p { (summary(diagnosis)) }
        ul.checks {
            @for check in checks {
                li class=(class(check.status)) {
                    h2 { (check.title) " " (badge(check.status)) }
                    p { (check.detail) }
                    (fix(check))
                }
            }
        }
    }
}

fn fix(check: &Check) -> Markup {
    let fix = check.fix.as_deref().map(|fix| super::click_instead(fix).unwrap_or(fix));
    html! { @if let Some(fix) = fix { p { strong { "What to do: " } (fix) } } }
}

fn summary(diagnosis: &Diagnosis) -> String {
    let count = |status| diagnosis.checks.iter().filter(|check| check.status == status).count();
    let (fail, warn) = (count(CheckStatus::Fail), count(CheckStatus::Warn));
    let problems = words::counted(fail, "problem", "problems");
    let warnings = words::counted(warn, "warning", "warnings");
    match (fail, warn) {
        (0, 0) => "Everything that could be looked at is as it should be.".to_owned(),
        (0, _) => format!("No problem was found, but {warnings}."),
        (_, 0) => format!("{problems} to mend."),
        _ => format!("{problems} to mend, and {warnings}."),
    }
}

fn class(status: CheckStatus) -> &'static str {
    match status {
        CheckStatus::Skip => "idle",
        CheckStatus::Pass => "good",
        CheckStatus::Warn => "warn",
        CheckStatus::Fail => "bad",
    }
}

fn badge(status: CheckStatus) -> Markup {
    let word = match status {
        CheckStatus::Skip => "Not looked at",
        CheckStatus::Pass => "Good",
        CheckStatus::Warn => "Warning",
        CheckStatus::Fail => "Problem",
    };
    words::badge(class(status), word)
}
