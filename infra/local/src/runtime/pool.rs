//! The instances of one function and the requests that wait for them.
//!
//! An instance serves one request at a time. A request that finds none idle starts one, up to the limit; beyond it
//! requests queue. The instance that worked last works next, so the others can stay cold.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use super::instance::{Blueprint, in_words, relay};
use super::{Failure, Outcome};
use crate::console::Console;
use crate::template::Function;

/// How long Lambda lets a function prepare itself before its first request.
const LONGEST_START: Duration = Duration::from_secs(10);

/// An instance that has answered is about to ask for more, and one that is worth this wait saves a start.
const BACK_SOON: Duration = Duration::from_millis(50);

pub(crate) struct Pool {
    pub(crate) function: Function,
    blueprint: Blueprint,
    /// Where the Runtime API is, up to the instance's part of the path.
    runtime_api: String,
    limit: usize,
    console: Console,
    state: Mutex<State>,
    /// Told whenever an instance finishes its work or ends.
    changed: Notify,
    myself: Weak<Pool>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Work>,
    instances: HashMap<Uuid, Instance>,
    /// Idle instances, the one that worked last at the end.
    idle: Vec<(Uuid, oneshot::Sender<Assignment>)>,
    stopping: bool,
}

struct Instance {
    pid: Option<u32>,
    doing: Doing,
    /// Dropped or told: the process is killed.
    kill: Option<oneshot::Sender<()>>,
    started: Instant,
    /// What the function said about its own failed start.
    init_error: Option<String>,
}

enum Doing {
    Starting,
    Idle,
    Working {
        request: Uuid,
        answer: oneshot::Sender<Outcome>,
    },
    /// Has answered and not yet asked for more.
    Finishing(Instant),
}

struct Work {
    event: Bytes,
    answer: oneshot::Sender<Outcome>,
}

/// An event on its way to an instance.
pub(crate) struct Assignment {
    pub(crate) request: Uuid,
    pub(crate) event: Bytes,
    pub(crate) timeout: Duration,
}

impl Pool {
    pub(crate) fn new(
        function: Function,
        blueprint: Blueprint,
        runtime_api: String,
        limit: usize,
        console: Console,
    ) -> Arc<Self> {
        let limit = function
            .reserved_concurrency
            .map_or(limit, |reserved| reserved.min(limit))
            .max(1);
        Arc::new_cyclic(|myself| Self {
            function,
            blueprint,
            runtime_api,
            limit,
            console,
            state: Mutex::default(),
            changed: Notify::new(),
            myself: myself.clone(),
        })
    }

    /// Hands the event to an instance and waits for the outcome. A caller that goes away before an instance has
    /// taken the event takes it back; after that the function finishes, as in Lambda.
    pub(crate) async fn invoke(&self, event: Bytes) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        {
            let mut state = self.lock();
            if state.stopping {
                return Outcome::Failed(Failure::Stopping);
            }
            state.waiting.push_back(Work { event, answer });
            self.dispatch(&mut state);
        }
        outcome.await.unwrap_or(Outcome::Failed(Failure::Stopping))
    }

    /// An instance asks for its next event, and gets it through the receiver once there is one. `None` when it is
    /// not one of ours.
    pub(crate) fn next(&self, instance: Uuid) -> Option<oneshot::Receiver<Assignment>> {
        let (hand_over, handed_over) = oneshot::channel();
        let mut state = self.lock();
        state.instances.get_mut(&instance)?.doing = Doing::Idle;
        state.idle.retain(|(id, _)| *id != instance);
        state.idle.push((instance, hand_over));
        self.dispatch(&mut state);
        self.changed.notify_waiters();
        Some(handed_over)
    }

    /// An instance has finished a request. `false` when it was not at work on it.
    pub(crate) fn finish(&self, instance: Uuid, request: Uuid, outcome: Outcome) -> bool {
        let mut state = self.lock();
        let Some(found) = state.instances.get_mut(&instance) else {
            return false;
        };
        let known =
            matches!(&found.doing, Doing::Working { request: working_on, .. } if *working_on == request);
        if !known {
            return false;
        }
        let Doing::Working { answer, .. } =
            std::mem::replace(&mut found.doing, Doing::Finishing(Instant::now()))
        else {
            return false;
        };
        if let Outcome::Failed(failure) = &outcome {
            self.report(failure);
        }
        // Whoever asked may have gone; the work is done all the same.
        let _ = answer.send(outcome);
        self.changed.notify_waiters();
        true
    }

    /// An instance could not start, by its own account.
    pub(crate) fn failed_to_start(&self, instance: Uuid, error: String) {
        if let Some(instance) = self.lock().instances.get_mut(&instance) {
            instance.init_error = Some(error);
        }
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.lock()
            .instances
            .values()
            .filter_map(|instance| instance.pid)
            .collect()
    }

    /// Takes nothing new, waits until those at work have finished, or `patience` is over, and kills every instance.
    pub(crate) async fn stop(&self, patience: Duration) {
        {
            let mut state = self.lock();
            state.stopping = true;
            state.waiting.clear();
        }
        // An exchange with a provider that is cut off in the middle can cost a refresh token.
        let _ = tokio::time::timeout(patience, self.until(|state| !state.is_working())).await;
        self.kill_all();
        let _ = tokio::time::timeout(
            Duration::from_secs(2),
            self.until(|state| state.instances.is_empty()),
        )
        .await;
    }

    pub(crate) fn kill_all(&self) {
        let mut state = self.lock();
        state.stopping = true;
        state.idle.clear();
        for instance in state.instances.values_mut() {
            instance.kill.take();
        }
    }

    async fn until(&self, reached: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            if reached(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    /// Brings waiting requests and instances together.
    fn dispatch(&self, state: &mut State) {
        // A caller that has given up while it waited needs no answer any more.
        state.waiting.retain(|work| !work.answer.is_closed());
        while !state.waiting.is_empty() {
            let Some((id, hand_over)) = state.idle.pop() else {
                break;
            };
            let Some(work) = state.waiting.pop_front() else {
                break;
            };
            self.assign(state, id, hand_over, work);
        }
        let coming = state
            .instances
            .values()
            .filter(|instance| instance.is_coming())
            .count();
        let wanted = state.waiting.len().saturating_sub(coming);
        let room = self.limit.saturating_sub(state.instances.len());
        for _ in 0..wanted.min(room) {
            self.start(state);
        }
        if !state.waiting.is_empty() && state.instances.values().any(Instance::is_finishing) {
            self.look_again_soon();
        }
    }

    fn assign(&self, state: &mut State, id: Uuid, hand_over: oneshot::Sender<Assignment>, work: Work) {
        let assignment = Assignment {
            request: Uuid::new_v4(),
            event: work.event,
            timeout: self.function.timeout,
        };
        let request = assignment.request;
        match hand_over.send(assignment) {
            Ok(()) => {
                if let Some(instance) = state.instances.get_mut(&id) {
                    instance.doing = Doing::Working {
                        request,
                        answer: work.answer,
                    };
                    self.watch_the_clock(id, request);
                }
            }
            // The process has gone away, and its burial is on its way.
            Err(assignment) => state.waiting.push_front(Work {
                event: assignment.event,
                answer: work.answer,
            }),
        }
    }

    fn look_again_soon(&self) {
        let Some(pool) = self.myself.upgrade() else { return };
        tokio::spawn(async move {
            tokio::time::sleep(BACK_SOON).await;
            pool.dispatch(&mut pool.lock());
        });
    }

    /// Ends the instance when it is still at work on the request at the function's timeout.
    fn watch_the_clock(&self, id: Uuid, request: Uuid) {
        let myself = self.myself.clone();
        let timeout = self.function.timeout;
        tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            let Some(pool) = myself.upgrade() else { return };
            let late = {
                let mut state = pool.lock();
                let Some(instance) = state.instances.get_mut(&id) else {
                    return;
                };
                match &instance.doing {
                    Doing::Working {
                        request: working_on, ..
                    } if *working_on == request => {}
                    _ => return,
                }
                instance.kill.take();
                std::mem::replace(&mut instance.doing, Doing::Finishing(instance.started))
            };
            pool.report(&Failure::TimedOut(timeout));
            if let Doing::Working { answer, .. } = late {
                let _ = answer.send(Outcome::Failed(Failure::TimedOut(timeout)));
            }
        });
    }

    fn start(&self, state: &mut State) {
        let Some(pool) = self.myself.upgrade() else { return };
        let id = Uuid::new_v4();
        let (kill, killed) = oneshot::channel();
        let runtime_api = format!("{}/{}/{id}", self.runtime_api, self.function.logical_id);
        let mut child = match self.blueprint.start(&runtime_api) {
            Ok(child) => child,
            Err(error) => {
                let failure = Failure::DidNotStart(format!("{}: {error}", self.blueprint.binary.display()));
                self.report(&failure);
                if let Some(work) = state.waiting.pop_front() {
                    let _ = work.answer.send(Outcome::Failed(failure));
                }
                return;
            }
        };
        let streams = (child.stdout.take(), child.stderr.take());
        state.instances.insert(
            id,
            Instance {
                pid: child.id(),
                doing: Doing::Starting,
                kill: Some(kill),
                started: Instant::now(),
                init_error: None,
            },
        );
        tokio::spawn(async move {
            let name = pool.function.package.clone();
            let output = streams
                .0
                .map(|stream| tokio::spawn(relay(stream, name.clone(), pool.console.clone())));
            let errors = streams
                .1
                .map(|stream| tokio::spawn(relay(stream, name, pool.console.clone())));
            let ended = pool.live(id, &mut child, killed).await;
            // What a function said last is worth more than anything else when it dies.
            for stream in [output, errors].into_iter().flatten() {
                let _ = tokio::time::timeout(Duration::from_secs(1), stream).await;
            }
            pool.bury(id, ended);
        });
    }

    /// Waits for the process to end; kills it when told to, or when it takes too long to start.
    async fn live(
        &self,
        id: Uuid,
        child: &mut tokio::process::Child,
        killed: oneshot::Receiver<()>,
    ) -> String {
        let overdue = async {
            tokio::time::sleep(LONGEST_START + self.function.timeout).await;
            let starting = self
                .lock()
                .instances
                .get(&id)
                .is_some_and(|instance| matches!(instance.doing, Doing::Starting));
            if !starting {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            status = child.wait() => return in_words(&status),
            _ = killed => {}
            () = overdue => {
                let _ = child.kill().await;
                return "it never asked for an event".to_owned();
            }
        }
        let _ = child.kill().await;
        "stopped".to_owned()
    }

    fn bury(&self, id: Uuid, ended: String) {
        let mut state = self.lock();
        state.idle.retain(|(idle, _)| *idle != id);
        let Some(instance) = state.instances.remove(&id) else {
            return;
        };
        match instance.doing {
            Doing::Working { answer, .. } => {
                let failure = Failure::Crashed(ended);
                if !state.stopping {
                    self.report(&failure);
                }
                let _ = answer.send(Outcome::Failed(failure));
            }
            Doing::Starting if !state.stopping => {
                let failure = Failure::DidNotStart(instance.init_error.unwrap_or(ended));
                self.report(&failure);
                // One start that fails costs one request; otherwise a broken binary would be started for ever.
                if let Some(work) = state.waiting.pop_front() {
                    let _ = work.answer.send(Outcome::Failed(failure));
                }
            }
            Doing::Starting | Doing::Idle | Doing::Finishing(_) => {}
        }
        if !state.stopping {
            self.dispatch(&mut state);
        }
        self.changed.notify_waiters();
    }

    fn report(&self, failure: &Failure) {
        self.console
            .say(format_args!("{}: {failure}", self.function.package));
    }

    /// Nothing that can panic runs under the lock, so what it guards is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_working(&self) -> bool {
        self.instances
            .values()
            .any(|instance| matches!(instance.doing, Doing::Working { .. }))
    }
}

impl Instance {
    /// Will take a waiting request without having been given one.
    fn is_coming(&self) -> bool {
        match self.doing {
            Doing::Starting => true,
            Doing::Finishing(since) => self.kill.is_some() && since.elapsed() < BACK_SOON,
            Doing::Idle | Doing::Working { .. } => false,
        }
    }

    fn is_finishing(&self) -> bool {
        matches!(self.doing, Doing::Finishing(_)) && self.kill.is_some()
    }
}
