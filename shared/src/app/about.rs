//! What a request is about, told as it becomes known, for the line that the audit trail has of it.

use std::sync::{Arc, OnceLock};

use crate::{model::Scope, store::tickets::Ticket};

/// Shared with whatever answers the request. What is said first stays, for a request is about one thing; only the link
/// of a sign-in knows better than its address.
#[derive(Clone, Debug, Default)]
pub struct About(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    scope: OnceLock<Scope>,
    subject: OnceLock<String>,
    sign_in: OnceLock<SignInFacts>,
}

/// Of a sign-in, whose browser brings no key.
#[derive(Debug)]
struct SignInFacts {
    scope: Scope,
    connection: String,
    asked_by: String,
}

/// The longest subject that a line names, in characters: that of a name.
const MAX_SUBJECT: usize = 128;

impl About {
    /// Says whose scope it is.
    pub fn of_scope(&self, scope: Scope) {
        let _ = self.0.scope.set(scope);
    }

    /// Says which of its things: a name or an id.
    pub fn of_subject(&self, subject: &str) {
        let _ = self.0.subject.set(subject.chars().take(MAX_SUBJECT).collect());
    }

    /// Says that it is a step of a sign-in with this link.
    pub(super) fn of_link(&self, ticket: &Ticket) {
        let Ticket { grant_scope: scope, connection_name, asked_by, .. } = ticket;
        let (connection, asked_by) = (connection_name.to_string(), asked_by.clone());
        let _ = self.0.sign_in.set(SignInFacts { scope: *scope, connection, asked_by });
    }

    pub fn scope(&self) -> Option<Scope> {
        self.0.sign_in.get().map(|sign_in| sign_in.scope).or(self.0.scope.get().copied())
    }

    pub fn subject(&self) -> Option<&str> {
        let connection = self.0.sign_in.get().map(|sign_in| &sign_in.connection);
        connection.or(self.0.subject.get()).map(String::as_str)
    }

    /// The id of the key that asked for the sign-in.
    pub fn asked_by(&self) -> Option<&str> {
        self.0.sign_in.get().map(|sign_in| sign_in.asked_by.as_str())
    }
}
