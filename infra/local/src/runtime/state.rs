//! What a pool knows: the requests that wait, and what each instance is doing.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::Outcome;
use super::pool::Assignment;

/// An instance that has answered is about to ask for more, and one that is worth this wait saves a start.
pub(super) const BACK_SOON: Duration = Duration::from_millis(50);

#[derive(Default)]
pub(super) struct State {
    pub(super) waiting: VecDeque<Work>,
    pub(super) instances: HashMap<Uuid, Instance>,
    /// Idle instances, the one that worked last at the end.
    pub(super) idle: Vec<(Uuid, oneshot::Sender<Assignment>)>,
    pub(super) stopping: bool,
}

pub(super) struct Instance {
    pub(super) pid: Option<u32>,
    pub(super) doing: Doing,
    /// Dropped or told: the process is killed.
    pub(super) kill: Option<oneshot::Sender<()>>,
    pub(super) started: Instant,
    /// What the function said about its own failed start.
    pub(super) init_error: Option<String>,
}

pub(super) enum Doing {
    Starting,
    Idle,
    Working {
        request: Uuid,
        answer: oneshot::Sender<Outcome>,
        /// Ends the instance at the function's timeout, unless it is aborted.
        clock: AbortHandle,
    },
    /// Has answered and not yet asked for more.
    Finishing(Instant),
}

pub(super) struct Work {
    pub(super) event: Bytes,
    pub(super) answer: oneshot::Sender<Outcome>,
}

impl State {
    pub(super) fn is_working(&self) -> bool {
        self.instances.values().any(|instance| matches!(instance.doing, Doing::Working { .. }))
    }
}

impl Instance {
    /// Will take a waiting request without having been given one.
    pub(super) fn is_coming(&self) -> bool {
        match self.doing {
            Doing::Starting => true,
            Doing::Finishing(since) => self.kill.is_some() && since.elapsed() < BACK_SOON,
            Doing::Idle | Doing::Working { .. } => false,
        }
    }

    pub(super) fn is_finishing(&self) -> bool {
        matches!(self.doing, Doing::Finishing(_)) && self.kill.is_some()
    }
}
