//! The audit trail: one line for each act that matters to security, done or refused, secrets read included.
//!
//! It is written in one place for all routes, after the answer is made, so that no handler can forget it or write it
//! twice. What a line says is documented in `infra/AUDIT.md`; it holds names and ids, never a value. The lines go to
//! the function's log like all others, with a target of their own, by which the stack gathers them elsewhere.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use http::StatusCode;

use super::answer;
use crate::model::{
    Code, Problem, Scope,
    access::{Caller, Operation},
};

/// The target of the lines: what a filter of the log looks for.
const TARGET: &str = "bifrost::audit";

/// What is known of an act before it is done.
#[derive(Debug)]
pub(super) struct Act {
    name: &'static str,
    key_id: Option<String>,
    role: Option<&'static str>,
    home: Option<Scope>,
    source: Option<IpAddr>,
    about: About,
}

/// What an act is about, which is known once the request has been read. Shared with the request; what is said first
/// stays, for a request is about one thing.
#[derive(Clone, Debug, Default)]
pub(super) struct About(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    scope: OnceLock<Scope>,
    subject: OnceLock<String>,
}

/// The longest subject that a line names, in characters: that of a name.
const MAX_SUBJECT: usize = 128;

impl About {
    /// Whose scope it is.
    pub(super) fn scope(&self, scope: Scope) {
        let _ = self.0.scope.set(scope);
    }

    /// Which of its things: a name or an id.
    pub(super) fn subject(&self, subject: &str) {
        let _ = self.0.subject.set(subject.chars().take(MAX_SUBJECT).collect());
    }
}

/// How an act ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub status: StatusCode,
    pub code: Option<Code>,
}

impl Act {
    /// `None` for an operation that changes nothing and shows no secret.
    pub(super) fn of(
        operation: Operation,
        caller: Option<&Caller>,
        source: Option<IpAddr>,
        about: &About,
    ) -> Option<Self> {
        is_audited(operation).then(|| Self::named(operation.function(), caller, source, about))
    }

    pub(super) fn named(
        name: &'static str,
        caller: Option<&Caller>,
        source: Option<IpAddr>,
        about: &About,
    ) -> Self {
        Self {
            name,
            key_id: caller.map(|caller| caller.key_id.clone()),
            role: caller.map(|caller| caller.role.as_str()),
            home: caller.map(|caller| caller.home),
            source,
            about: about.clone(),
        }
    }

    /// Writes the line.
    pub(super) fn ended(self, ending: Ending, request_id: &str) {
        let Self { name, key_id, role, home, source, about } = self;
        let Facts { scope, subject } = &*about.0;
        let text = |scope: Scope| scope.to_string();
        tracing::info!(
            target: TARGET,
            act = name,
            outcome = ending.outcome(),
            code = ending.code.map(Code::as_str),
            key_id,
            role,
            home = home.map(text),
            scope = scope.get().copied().map(text),
            subject = subject.get(),
            source = source.map(|address| address.to_string()),
            request_id,
            "audit"
        );
    }
}

impl From<Result<(), &Problem>> for Ending {
    fn from(ended: Result<(), &Problem>) -> Self {
        match ended {
            Ok(()) => Self { status: StatusCode::OK, code: None },
            Err(problem) => Self { status: answer::status(problem.code), code: Some(problem.code) },
        }
    }
}

impl Ending {
    fn outcome(self) -> &'static str {
        match self.status.as_u16() {
            ..=399 => "done",
            401 | 403 => "refused",
            _ => "failed",
        }
    }
}

/// Whatever changes something, and whatever answers with a secret.
fn is_audited(operation: Operation) -> bool {
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
