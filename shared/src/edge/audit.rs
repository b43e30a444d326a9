//! The audit trail: one line for each act that matters to security, done or refused, secrets read included.
//!
//! It is written in one place for all routes, after the answer is made, so that no handler can forget it or write it
//! twice; for the console, all of whose pages are one route, in one place of its own, which says of each act what
//! operation of the API it comes to. What a line says is documented in `infra/AUDIT.md`; it holds names and ids, never a
//! value. The lines go to the function's log like all others, with a target of their own, by which the stack gathers
//! them elsewhere.

use std::net::IpAddr;

use http::StatusCode;

use super::{Request, Response, answer};
use crate::{
    app::{about::About, authenticate::Stranger, session::NotAdmitted},
    model::{
        Code, Problem, Scope,
        access::{
            Caller, Operation,
            matrix::{Row, ScopeFrom},
        },
    },
};

/// The target of the lines: what a filter of the log looks for.
const TARGET: &str = "bifrost::audit";
/// What a key or token is said to have tried that was refused before it came to anything.
const AUTHENTICATE: &str = "authenticate";
/// Signing in to the console, and out.
const SIGN_IN: &str = "sign-in";
const SIGN_OUT: &str = "sign-out";
/// A form of the console that came to no operation: sent from elsewhere, too large, or to a page that is not there.
const CONSOLE: &str = "console";

/// What is known of an act before it is done.
#[derive(Debug)]
pub(super) struct Act {
    name: &'static str,
    /// `console`, if it was done there.
    via: Option<&'static str>,
    key_id: Option<String>,
    role: Option<&'static str>,
    home: Option<Scope>,
    source: Option<IpAddr>,
    reason: Option<String>,
    about: About,
    /// A page that only looks, unless it finds that a sign-in on another device is done.
    only_looks: bool,
}

/// What an answer carries whose request only seemed to look.
#[derive(Clone, Copy, Debug)]
pub(super) struct AfterAllAnAct;

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    outcome: Outcome,
    code: Option<&'static str>,
}

/// What was done in the console, whose pages know more of it than their route.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleAct<'a> {
    /// The operation of the API that it comes to; None for a form that came to none.
    pub operation: Option<Operation>,
    pub caller: &'a Caller,
    pub scope: Option<Scope>,
    /// The name or id of what it is about.
    pub subject: Option<&'a str>,
    /// What a form for a new key says of where it is to belong.
    pub organization: Option<&'a str>,
    pub ended: Result<(), Code>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    Refused,
    Failed,
}

impl Act {
    /// For a key or token that gets its bearer nowhere, whatever was asked for.
    pub(super) fn authenticate(caller: Option<&Caller>, source: Option<IpAddr>) -> Self {
        Self::named(AUTHENTICATE, caller, source, &About::default())
    }

    /// Of a request to the API.
    pub(super) fn of(operation: Operation, request: &Request, caller: Option<&Caller>) -> Self {
        let in_path = ["name", "id", "connection"].into_iter().find_map(|name| request.path(name));
        let in_body = |field: &str| request.json().ok()?.get(field)?.as_str().map(str::to_owned);
        // The rest is told as it is read.
        let organization = if operation == Operation::KeysCreate { in_body("organization_id") } else { None };
        let scope = scope_of(operation, None, in_path, organization.as_deref());
        scope.into_iter().for_each(|scope| request.about().of_scope(scope));
        // What is to be made has its name in the body. A form has none.
        let made = || caller.and_then(|_| in_body("name"));
        let subject = in_path.map(str::to_owned).or_else(made);
        subject.iter().for_each(|subject| request.about().of_subject(subject));
        let act = Self::named(operation.function(), caller, request.source(), request.about());
        Self { only_looks: !is_act(operation), ..act }
    }

    /// Whether a request for it is an act, or may turn out to be one.
    pub(super) fn may_be(operation: Operation) -> bool {
        is_act(operation) || operation == Operation::ConnectOffer
    }

    fn named(name: &'static str, caller: Option<&Caller>, source: Option<IpAddr>, about: &About) -> Self {
        Self {
            name,
            via: None,
            key_id: caller.map(|caller| caller.key_id.clone()),
            role: caller.map(|caller| caller.role.as_str()),
            home: caller.map(|caller| caller.home),
            source,
            reason: None,
            about: about.clone(),
            only_looks: false,
        }
    }

    /// By somebody whom nobody knows.
    pub(super) fn by_stranger(self, stranger: &Stranger) -> Self {
        if let Some(named) = &stranger.named {
            self.about.of_subject(named);
        }
        Self { key_id: stranger.key_id.clone(), reason: Some(stranger.reason.clone()), ..self }
    }

    /// Writes the line, if that is an answer to an act.
    pub(super) fn answered(self, response: &Response, code: Option<Code>, request_id: &str) {
        if !self.only_looks || response.extensions().get::<AfterAllAnAct>().is_some() {
            // A page shows a problem in its own way.
            let code = code.or(response.extensions().get().copied());
            self.ended(Ending::answered(response.status(), code), request_id);
        }
    }

    /// Writes the line.
    pub(super) fn ended(self, ending: Ending, request_id: &str) {
        let Self { name, via, key_id, role, home, source, reason, about, only_looks: _ } = self;
        let text = |scope: Scope| scope.to_string();
        tracing::info!(
            target: TARGET,
            act = name,
            outcome = ending.outcome(),
            code = ending.code,
            reason,
            via,
            key_id,
            role,
            home = home.map(text),
            asked_by = about.asked_by(),
            scope = about.scope().map(text),
            subject = about.subject(),
            source = source.map(|address| address.to_string()),
            request_id,
            "audit"
        );
    }
}

impl From<Result<(), Code>> for Ending {
    fn from(ended: Result<(), Code>) -> Self {
        match ended {
            Ok(()) => Self { outcome: Outcome::Done, code: None },
            Err(code) => Self::answered(answer::status(code), Some(code)),
        }
    }
}

impl Ending {
    pub(super) fn answered(status: StatusCode, code: Option<Code>) -> Self {
        let outcome = match status.as_u16() {
            ..=399 => Outcome::Done,
            401 | 403 => Outcome::Refused,
            _ => Outcome::Failed,
        };
        Self { outcome, code: code.map(Code::as_str) }
    }

    /// Of somebody who came with a key that is not good there.
    pub(super) fn refused(code: &'static str) -> Self {
        Self { outcome: Outcome::Refused, code: Some(code) }
    }

    fn outcome(self) -> &'static str {
        match self.outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Failed => "failed",
        }
    }
}

/// For the console, which is one route.
impl Request {
    /// Writes the line for an act in the console.
    pub fn record(&self, act: ConsoleAct<'_>) {
        let ConsoleAct { operation, caller, scope, subject, organization, ended } = act;
        let about = About::default();
        let scope = operation.and_then(|operation| scope_of(operation, scope, subject, organization));
        scope.into_iter().for_each(|scope| about.of_scope(scope));
        subject.into_iter().for_each(|subject| about.of_subject(subject));
        let name = operation.map_or(CONSOLE, Operation::function);
        self.write(Act::named(name, Some(caller), self.source(), &about), ended.into());
    }

    /// Writes the line for signing in to the console, or for trying to.
    pub fn record_sign_in(&self, signed_in: Result<&Caller, &NotAdmitted>) {
        let act = |caller| Act::named(SIGN_IN, caller, self.source(), &About::default());
        match signed_in {
            Ok(caller) => self.write(act(Some(caller)), Ok(()).into()),
            Err(NotAdmitted { problem, who: None }) => self.write(act(None), Err(problem.code).into()),
            Err(NotAdmitted { problem, who: Some(Ok(caller)) }) => {
                self.write(act(Some(caller)), Ending::refused(problem.code.as_str()));
            }
            Err(NotAdmitted { who: Some(Err(stranger)), .. }) => {
                self.write(act(None).by_stranger(stranger), Ending::refused(stranger.code));
            }
        }
    }

    pub fn record_sign_out(&self, caller: &Caller) {
        let act = Act::named(SIGN_OUT, Some(caller), self.source(), &About::default());
        self.write(act, Ok(()).into());
    }

    /// Writes the line for a session whose key may not be used now, or from there.
    pub fn record_turned_away(&self, caller: &Caller, problem: &Problem) {
        self.write(Act::authenticate(Some(caller), self.source()), Err(problem.code).into());
    }

    fn write(&self, act: Act, ending: Ending) {
        Act { via: Some("console"), ..act }.ended(ending, self.request_id());
    }
}

/// Whatever changes something, and whatever answers with a secret.
pub fn is_act(operation: Operation) -> bool {
    use Operation as O;
    !matches!(
        operation,
        O::IntegrationsList
            | O::IntegrationsGet
            | O::MappingsList
            | O::MappingsGet
            | O::ConnectionsList
            | O::ConnectionsGet
            | O::ConnectOffer
            | O::OrganizationsList
            | O::KeysList
            | O::ProvidersList
            | O::Openapi
    )
}

/// Whose data it is about, if the line is to say so: of what is about no scope in particular it would name the caller's
/// own, which it does anyway. `asked` is the scope that was found to be asked for, `thing` the name or id of what it is
/// about, and `organization` what a request for a new key says of where that is to belong.
fn scope_of(
    operation: Operation,
    asked: Option<Scope>,
    thing: Option<&str>,
    organization: Option<&str>,
) -> Option<Scope> {
    match Row::of(operation).scope_from {
        ScopeFrom::Query | ScopeFrom::Path | ScopeFrom::Grant => asked,
        ScopeFrom::NewKey => organization?.parse().ok(),
        _ if operation == Operation::OrganizationsDelete => thing?.parse().ok(),
        ScopeFrom::NoCaller | ScopeFrom::Nothing | ScopeFrom::Key => None,
    }
}
