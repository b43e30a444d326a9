//! What a visit did, for the audit trail.
//!
//! A page asks whether the caller is permitted to do what the API calls so and so; that is remembered here, and the
//! lines are written in one place when the answer is there: one for each operation that changes something or shows a
//! secret. So no section can do without: of a form that asked for no permission there is a line as well, which does not
//! know what it was. Looking is no act, nor is a form that only leads on to the one that does something.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bifrost::{
    edge::{ConsoleAct, Request, is_act},
    model::{
        Code, Problem, Scope,
        access::{Caller, Operation},
    },
};
use http::StatusCode;

use crate::{reply::Reply, visit::Visit};

/// What a visit has asked for so far.
#[derive(Debug, Default)]
pub(crate) struct Acts(Mutex<Asked>);

#[derive(Debug, Default)]
struct Asked {
    for_what: Vec<Act>,
    only_prepares: bool,
}

#[derive(Debug)]
struct Act {
    operation: Operation,
    /// None: it is not known yet.
    scope: Option<Scope>,
    /// If that is known before the visit ends, which may go on to something else.
    ended: Option<Result<(), Code>>,
}

impl Acts {
    fn asked(&self) -> MutexGuard<'_, Asked> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what is asked for. Said again of another scope, that one is meant.
    pub(crate) fn ask(&self, operation: Operation, scope: Option<Scope>) {
        let acts = &mut self.asked().for_what;
        acts.retain(|act| act.operation != operation);
        acts.push(Act { operation, scope, ended: None });
    }

    /// Says that this form does nothing yet: it leads on to the one that does.
    pub(crate) fn only_prepare(&self) {
        self.asked().only_prepares = true;
    }

    /// Says that what was asked for comes to something else.
    pub(crate) fn come_to(&self, operation: Operation) {
        self.asked().for_what.last_mut().into_iter().for_each(|act| act.operation = operation);
    }

    /// Says how something ended, whatever comes after it.
    pub(crate) fn ended(&self, operation: Operation, ended: Result<(), &Problem>) {
        let acts = &mut self.asked().for_what;
        let meant = acts.iter_mut().filter(|act| act.operation == operation);
        meant.for_each(|act| act.ended = Some(ended.map_err(|problem| problem.code)));
    }
}

/// Writes the lines of a visit.
pub(crate) fn write(visit: &Visit<'_>, path: &[&str], reply: &Result<Reply, Problem>) {
    if !visit.is_post() {
        return;
    }
    if let Ok(Reply::SignedOut) = reply {
        return visit.request.record_sign_out(visit.caller());
    }
    let ended = ended(reply);
    let asked = visit.acts.asked();
    // To be refused is no preparation.
    if asked.only_prepares && !ended.is_err_and(is_refusal) {
        return;
    }
    // Whatever is in the address and none of our own words, or is to be made.
    let in_address = path.get(1).filter(|part| !part.starts_with('~')).copied();
    let subject = in_address.or_else(|| visit.text("name")).or_else(|| visit.request.query("name"));
    let organization = visit.text("organization_id");
    let line =
        ConsoleAct { operation: None, caller: visit.caller(), scope: None, subject, organization, ended };
    let mut known = asked.for_what.iter().filter(|act| is_act(act.operation)).peekable();
    if known.peek().is_none() {
        visit.request.record(line);
    }
    for act in known {
        let (operation, ended) = (Some(act.operation), act.ended.unwrap_or(ended));
        visit.request.record(ConsoleAct { operation, scope: act.scope, ended, ..line });
    }
}

/// Writes the line for a form that can't be read.
pub(crate) fn unread(request: &Request, caller: &Caller, problem: &Problem) {
    let ended = Err(problem.code);
    let nothing = None;
    request.record(ConsoleAct {
        operation: None,
        caller,
        scope: None,
        subject: nothing,
        organization: nothing,
        ended,
    });
}

/// What a reply says of what it replies to.
fn ended(reply: &Result<Reply, Problem>) -> Result<(), Code> {
    match reply {
        Err(problem) => Err(problem.code),
        Ok(Reply::Page(page)) if page.status >= StatusCode::BAD_REQUEST => {
            Err(page.code.unwrap_or(Code::Conflict))
        }
        Ok(_) => Ok(()),
    }
}

fn is_refusal(code: Code) -> bool {
    bifrost::edge::answer::status(code) == StatusCode::FORBIDDEN
}
