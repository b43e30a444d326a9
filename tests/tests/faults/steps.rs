//! What happens on the way of a request, step by step: each call to AWS and each request to the provider's token
//! endpoint, once before anything of it is done and once before it is answered.
//!
//! Nothing here knows how many steps there are: they are counted in a run without a fault, so that a step that is added
//! to a refresh is one more step to be killed at.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use bifrost_local::{Call, Checkpoint, Fault, Moment};
use serde_json::Value;
use tokio::sync::watch;
use uuid::Uuid;

/// Longer than anything that a test waits for.
const IN_VAIN: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) request: String,
    pub(crate) moment: Moment,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.moment {
            Moment::Arrived => write!(f, "before {}", self.request),
            Moment::Done => write!(f, "after {}", self.request),
        }
    }
}

/// Trouble with one kind of call to AWS.
#[derive(Clone, Debug)]
pub(crate) struct Trouble {
    /// As [`request_of`] names it.
    pub(crate) request: String,
    pub(crate) fault: Fault,
    pub(crate) lasts: Lasts,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Lasts {
    Calls(usize),
    /// From the first such call.
    Time(Duration),
}

/// All tracks of a stack; its fault hook asks them in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracks(Arc<Mutex<Vec<Weak<Track>>>>);

impl Tracks {
    pub(crate) fn hook(&self) -> impl Fn(&Call<'_>) -> Option<Fault> + use<> {
        let tracks = self.clone();
        move |call| {
            let track = tracks.locked().iter().filter_map(Weak::upgrade).find(|track| track.concerns(call));
            track.and_then(|track| track.on_call(call))
        }
    }

    /// Follows what these functions do for this organization, which every call of theirs names.
    pub(crate) fn follow(&self, organization: &str, functions: &'static [&'static str]) -> Arc<Track> {
        let track = Arc::new(Track {
            organization: organization.to_owned(),
            functions,
            state: Mutex::default(),
            stopped: watch::Sender::new(false),
            going: watch::Sender::new(false),
        });
        let mut tracks = self.locked();
        tracks.retain(|track| track.strong_count() > 0);
        tracks.push(Arc::downgrade(&track));
        track
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Weak<Track>>> {
        self.0.lock().unwrap()
    }
}

/// What some functions do for one organization.
#[derive(Debug)]
pub(crate) struct Track {
    organization: String,
    functions: &'static [&'static str],
    state: Mutex<State>,
    stopped: watch::Sender<bool>,
    going: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    steps: Vec<Step>,
    stop_at: Option<usize>,
    stop_before: Option<Step>,
    trouble: Option<Trouble>,
    began: Option<Instant>,
    met: usize,
    /// How many calls of which process.
    instances: HashMap<Uuid, usize>,
    last_instance: Option<Uuid>,
}

impl Track {
    /// Whatever comes to this step, counted from 0, waits there until [`Track::go_on`].
    pub(crate) fn stop_at(&self, step: usize) {
        self.locked().stop_at = Some(step);
    }

    /// The same for the first that is like this one, wherever it comes.
    pub(crate) fn stop_before(&self, step: &Step) {
        self.locked().stop_before = Some(step.clone());
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.locked().trouble = Some(trouble);
    }

    /// Waits until the step to stop at is reached, and returns it.
    pub(crate) async fn stopped(&self) -> Option<Step> {
        let mut stopped = self.stopped.subscribe();
        let reached = tokio::time::timeout(IN_VAIN, stopped.wait_for(|stopped| *stopped)).await;
        reached.ok()?.ok()?;
        let state = self.locked();
        state.steps.get(state.stop_at?).cloned()
    }

    pub(crate) fn go_on(&self) {
        self.going.send_replace(true);
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.locked().steps.clone()
    }

    /// The calls to AWS, by name, in order, without repetition.
    pub(crate) fn calls(&self) -> Vec<String> {
        let mut calls = Vec::new();
        for step in self.steps() {
            if step.request != PROVIDER && !calls.contains(&step.request) {
                calls.push(step.request);
            }
        }
        calls
    }

    /// The process that called last.
    pub(crate) fn instance(&self) -> Option<Uuid> {
        self.locked().last_instance
    }

    /// How many processes called.
    pub(crate) fn instances(&self) -> usize {
        self.locked().instances.len()
    }

    /// How often the trouble was met.
    pub(crate) fn met(&self) -> usize {
        self.locked().met
    }

    /// For [`bifrost_local::provider::Control::stop_tokens`]: its requests are steps too.
    pub(crate) fn at_provider(self: &Arc<Self>) -> Checkpoint {
        self.checkpoint(PROVIDER.to_owned())
    }

    fn concerns(&self, call: &Call<'_>) -> bool {
        let id = self.organization.as_bytes();
        self.functions.contains(&call.function) && call.body.windows(id.len()).any(|part| part == id)
    }

    fn on_call(self: Arc<Self>, call: &Call<'_>) -> Option<Fault> {
        let request = request_of(call);
        let mut state = self.locked();
        state.last_instance = Some(call.instance);
        *state.instances.entry(call.instance).or_default() += 1;
        if let Some(trouble) = state.trouble.clone().filter(|trouble| trouble.request == request) {
            let began = *state.began.get_or_insert_with(Instant::now);
            let goes_on = match trouble.lasts {
                Lasts::Calls(count) => state.met < count,
                Lasts::Time(time) => began.elapsed() < time,
            };
            if goes_on {
                state.met += 1;
                return Some(trouble.fault);
            }
        }
        drop(state);
        Some(Fault::Checkpoint(self.checkpoint(request)))
    }

    fn checkpoint(self: &Arc<Self>, request: String) -> Checkpoint {
        let track = Arc::downgrade(self);
        Checkpoint::new(move |moment| {
            let (track, request) = (track.upgrade(), request.clone());
            async move {
                if let Some(track) = track {
                    track.step(Step { request, moment }).await;
                }
            }
        })
    }

    async fn step(&self, step: Step) {
        let stops = {
            let mut state = self.locked();
            if state.stop_before.as_ref() == Some(&step) {
                state.stop_before = None;
                state.stop_at = Some(state.steps.len());
            }
            state.steps.push(step);
            state.stop_at == Some(state.steps.len() - 1)
        };
        if stops {
            self.stopped.send_replace(true);
            // Nobody who could let it go on is there any more when this fails.
            let _ = self.going.subscribe().wait_for(|going| *going).await;
        }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

/// A request to the token endpoint.
pub(crate) const PROVIDER: &str = "the provider acts";

/// What a call to AWS is for, as far as its text tells; else what it is.
fn request_of(call: &Call<'_>) -> String {
    let body: Value = serde_json::from_slice(call.body).unwrap_or_default();
    let update = body["UpdateExpression"].as_str().unwrap_or_default();
    let key = body["Key"]["sk"]["S"].as_str().unwrap_or_default();
    let purposes = [
        (update.contains(":access_token"), " (write the tokens)"),
        (update.contains(":error"), " (note the failure)"),
        (update.contains(":new_incarnation"), " (disconnect)"),
        (update.contains("SET lease_owner"), " (take the lease)"),
        (update.contains("SET lease_until"), " (renew the lease)"),
        (update.contains("REMOVE lease_owner"), " (give the lease back)"),
        (key.starts_with("GRANT"), " (the grant)"),
        (key.starts_with("CONNECTION"), " (the connection)"),
        (key == "CURRENT", " (the data key)"),
    ];
    let purpose = purposes.into_iter().find(|(is, _)| *is).map_or("", |(_, purpose)| purpose);
    format!("{}{purpose}", call.operation)
}
