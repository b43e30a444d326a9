//! The grants, and what was last said about them.

use super::{Facts, Judgement};
use crate::model::{Code, failure::FailureClass, grant::GrantStatus};

pub(super) fn own(facts: &Facts<'_>) -> Judgement {
    let Some(grant) = facts.connected() else {
        return match facts.signs_in() {
            true => Judgement::warn("Nobody is signed in.", Code::NotConnected.fix()),
            false if facts.grant.is_some() => {
                let fix = "Edit the connection: its next token is then asked for again.";
                Judgement::warn("It was disconnected.", fix)
            }
            false => Judgement::pass("There is none yet: the first request for a token makes it."),
        };
    };
    let usable = !grant.remaining(facts.now).is_zero();
    let renewable = grant.refresh_token.is_some() || !facts.signs_in();
    let error = grant.last_error.as_ref().or(facts.held_back);
    let (why, fix) = match error.map(|error| facts.translated(error)) {
        Some(error) => (format!(" {}: {}", error.title, error.detail), error.fix),
        None => (String::new(), Code::Reauthorize.fix().to_owned()),
    };
    match grant.status {
        GrantStatus::Reauthorize => {
            let detail = format!("It works no longer, and a person must sign in again.{why}");
            Judgement::fail(detail, facts.reconnecting(&fix))
        }
        GrantStatus::Failing if usable => {
            Judgement::warn(format!("Its token is still good, but refreshing it fails.{why}"), fix)
        }
        GrantStatus::Failing => {
            Judgement::fail(format!("Its token has expired, and refreshing it fails.{why}"), fix)
        }
        _ if facts.held_back.is_some() => {
            let detail = format!("It is not refreshed while the provider refuses the client.{why}");
            Judgement::fail(detail, fix)
        }
        _ if !usable && !renewable => {
            let detail = "Its token has expired, and there is no refresh token to renew it with.";
            Judgement::fail(detail, facts.reconnecting(Code::Reauthorize.fix()))
        }
        _ if !usable => Judgement::pass("Its token has expired; the next request for one renews it."),
        _ => Judgement::pass("Its token is good."),
    }
}

pub(super) fn refresh_token(facts: &Facts<'_>) -> Judgement {
    if !facts.signs_in() {
        return Judgement::skip("The flow client_credentials needs none.");
    }
    let Some(grant) = facts.connected() else {
        return Judgement::skip("There is no grant yet.");
    };
    if grant.refresh_token.is_some() {
        return Judgement::pass("There is one: the access token is renewed without anyone signing in.");
    }
    let until = grant.expires_at.map(|at| format!(" at {}", at.to_the_minute())).unwrap_or_default();
    let detail = format!("The provider gave none: the grant ends with its token{until}.");
    let needs = facts.preset.map(|preset| &preset.refresh);
    let scope = needs.and_then(|needs| needs.needs_scope.as_ref());
    let param = needs.and_then(|needs| needs.needs_param.as_ref());
    let fix = match (scope, param) {
        (Some(scope), _) => format!("Ask for the scope {scope}, and connect again."),
        (None, Some(param)) => {
            format!("Give the connection {param} among its authorize_params, and connect again.")
        }
        (None, None) => {
            "Many providers give one only for a scope such as offline_access, or if the app registration \
                         allows it; then connect again."
                .to_owned()
        }
    };
    Judgement::warn(detail, facts.reconnecting(&fix))
}

pub(super) fn organizations(facts: &Facts<'_>) -> Judgement {
    let counts = facts.organizations;
    let all = counts.active + counts.failing + counts.reauthorize;
    match (all, counts.failing, counts.reauthorize) {
        (0, ..) => Judgement::skip("No organization has a grant of its own here."),
        (_, 0, 0) => Judgement::pass(format!("All {all} work.")),
        (_, failing, 0) => Judgement::warn(
            format!("Of {all}, {failing} can't be refreshed now."),
            "If it is all of them, see the other checks for what is wrong with the connection; retries go on.",
        ),
        (_, failing, reauthorize) => Judgement::warn(
            format!(
                "Of {all}, {reauthorize} wait for someone to sign in again, and {failing} can't be refreshed now."
            ),
            "Connect them again: POST /connections/{name}/authorize with an organization_id gives each its link.",
        ),
    }
}

pub(super) fn last_error(facts: &Facts<'_>) -> Judgement {
    let errors = facts.errors();
    let Some(error) = errors.first() else {
        return Judgement::pass("Nothing has gone wrong that was not mended since.");
    };
    let translated = facts.translated(error);
    let mut detail = format!(
        "At {}, {}: {}. {}",
        error.at.to_the_minute(),
        translated.code,
        translated.title,
        translated.detail
    );
    let mut fix = translated.fix;
    let troubles = || facts.preset.into_iter().flat_map(|preset| &preset.troubles);
    let exactly = troubles().find(|trouble| trouble.symptom == translated.code);
    let begins = |symptom: &str| symptom.split(' ').next() == Some(translated.code.as_str());
    let known = exactly.or_else(|| troubles().find(|trouble| begins(&trouble.symptom)));
    if let Some(trouble) = known {
        detail = format!("{detail} {}", trouble.meaning);
        fix = format!("{fix} {}", trouble.fix);
    }
    let needs_someone = match FailureClass::of_code(&translated.code) {
        Some(class) => matches!(class, FailureClass::Terminal | FailureClass::Client | FailureClass::Setup),
        // A problem of ours, such as a secret that can't be read; providers' own words may pass.
        None => translated.code.contains('-'),
    };
    match needs_someone {
        true => Judgement::fail(detail, fix),
        false => Judgement::warn(detail, fix),
    }
}
