//! An instance from its start to its burial.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::instance::{in_words, relay};
use super::pool::Pool;
use super::state::{Doing, Instance, State};
use super::{Failure, Outcome};

/// How long Lambda lets a function prepare itself before its first request.
const LONGEST_START: Duration = Duration::from_secs(10);

impl Pool {
    pub(super) fn start(&self, state: &mut State) {
        let Some(pool) = self.myself.upgrade() else { return };
        let id = Uuid::new_v4();
        let (kill, killed) = oneshot::channel();
        let runtime_api = format!("{}/{}/{id}", self.runtime_api, self.function.logical_id);
        let mut child = match self.blueprint.start(&runtime_api, id) {
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
            let output =
                streams.0.map(|stream| tokio::spawn(relay(stream, name.clone(), pool.console.clone())));
            let errors = streams.1.map(|stream| tokio::spawn(relay(stream, name, pool.console.clone())));
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
        in_words(&child.wait().await)
    }

    fn bury(&self, id: Uuid, ended: String) {
        let mut state = self.lock();
        state.idle.retain(|(idle, _)| *idle != id);
        let Some(instance) = state.instances.remove(&id) else {
            return;
        };
        match instance.doing {
            Doing::Working { answer, clock, .. } => {
                clock.abort();
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
}
