//! The instances of one function and the requests that wait for them.
//!
//! An instance serves one request at a time. A request that finds none idle starts one, up to the limit; beyond it
//! requests queue. The instance that worked last works next, so the others can stay cold.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;
use uuid::Uuid;

use super::instance::Blueprint;
use super::state::{BACK_SOON, Doing, Instance, State, Work};
use super::{Failure, Outcome};
use crate::console::Console;
use crate::template::Function;

pub(crate) struct Pool {
    pub(crate) function: Function,
    pub(super) blueprint: Blueprint,
    /// Where the Runtime API is, up to the instance's part of the path.
    pub(super) runtime_api: String,
    limit: usize,
    pub(super) console: Console,
    state: Mutex<State>,
    /// Told whenever an instance finishes its work or ends.
    pub(super) changed: Notify,
    pub(super) myself: Weak<Pool>,
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
        let limit = function.reserved_concurrency.map_or(limit, |reserved| reserved.min(limit)).max(1);
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
        let Doing::Working { answer, clock, .. } =
            std::mem::replace(&mut found.doing, Doing::Finishing(Instant::now()))
        else {
            return false;
        };
        clock.abort();
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
        self.lock().instances.values().filter_map(|instance| instance.pid).collect()
    }

    /// Kills an instance, whatever it is doing, and waits until it is gone. `false` when it is not one of ours.
    pub(crate) async fn kill(&self, instance: Uuid) -> bool {
        let known = self.lock().instances.get_mut(&instance).map(|instance| instance.kill.take()).is_some();
        self.until(|state| !state.instances.contains_key(&instance)).await;
        known
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
        let _ = tokio::time::timeout(Duration::from_secs(2), self.until(|state| state.instances.is_empty()))
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
    pub(super) fn dispatch(&self, state: &mut State) {
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
        let coming = state.instances.values().filter(|instance| instance.is_coming()).count();
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
        let assignment =
            Assignment { request: Uuid::new_v4(), event: work.event, timeout: self.function.timeout };
        let request = assignment.request;
        match hand_over.send(assignment) {
            Ok(()) => {
                if let Some(instance) = state.instances.get_mut(&id) {
                    instance.doing = Doing::Working {
                        request,
                        answer: work.answer,
                        clock: self.start_the_clock(id, request),
                    };
                }
            }
            // The process has gone away, and its burial is on its way.
            Err(assignment) => {
                state.waiting.push_front(Work { event: assignment.event, answer: work.answer })
            }
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
    fn start_the_clock(&self, id: Uuid, request: Uuid) -> AbortHandle {
        let myself = self.myself.clone();
        let timeout = self.function.timeout;
        let clock = tokio::spawn(async move {
            tokio::time::sleep(timeout).await;
            let Some(pool) = myself.upgrade() else { return };
            let late = {
                let mut state = pool.lock();
                let Some(instance) = state.instances.get_mut(&id) else {
                    return;
                };
                match &instance.doing {
                    Doing::Working { request: working_on, .. } if *working_on == request => {}
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
        clock.abort_handle()
    }

    pub(super) fn report(&self, failure: &Failure) {
        self.console.say(format_args!("{}: {failure}", self.function.package));
    }

    /// Nothing that can panic runs under the lock, so what it guards is whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
