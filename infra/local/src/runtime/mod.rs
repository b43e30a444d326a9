//! Lambda without Lambda: instances of function binaries, started on demand and fed through the Runtime API.
//!
//! [`pool`] decides who serves what, [`life`] starts and buries instances, [`instance`] is one child process, and
//! [`api`] is the HTTP that those processes poll. What the events mean is left to the gateway and the schedule.

pub(crate) mod api;
pub(crate) mod instance;
mod life;
pub(crate) mod pool;
mod state;

use std::time::Duration;

use bytes::Bytes;

/// What became of one invocation.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// The function's answer, as it wrote it.
    Answer(Bytes),
    Failed(Failure),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The function reported an error of its own; this is its JSON.
    #[error("it failed: {0}")]
    Function(String),
    #[error("it was still at work after {} s and was stopped", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The process ended in the middle of an invocation.
    #[error("it crashed ({0})")]
    Crashed(String),
    /// The process ended, or reported an error, before it asked for its first event.
    #[error("it did not start ({0})")]
    DidNotStart(String),
    #[error("the stack is stopping")]
    Stopping,
}
