//! SIGKILL at every step of a refresh.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bifrost_local::Moment;
use bifrost_tests::{all_at_once, pause};
use serde_json::Value;

use super::{Case, Expected, told};
use crate::scene::{End, Kind, Scene, Stage};
use crate::steps::{PROVIDER, Step, Track};

/// How long a lease holds when its holder is dead.
const LEASE: Duration = Duration::from_secs(30);
/// Long enough for the holder of a lease to renew it once.
const SLOW: Duration = Duration::from_secs(6);

/// No kill costs a grant, unless the provider had acted and nobody was left to write down what it gave.
pub(super) async fn cases(stage: &'static Stage) -> Vec<Case> {
    let mut kills = Vec::new();
    for kind in Kind::ALL {
        kills.extend(Kill::at_each_step(stage, kind, Duration::ZERO).await);
    }
    let renewals = Kill::at_each_step(stage, Kind::Rotating, SLOW).await;
    kills.extend(renewals.into_iter().filter(|kill| kill.step().request.contains("renew")));
    assert!(kills.iter().any(|kill| kill.slow == SLOW), "the lease is renewed");
    all_at_once(kills.into_iter().map(|kill| kill.carry_out(stage))).await
}

/// The same for the refresher.
pub(super) async fn cases_of_a_sweep(stage: Stage) -> Vec<Case> {
    let (stage, shards) = (Arc::new(stage), Arc::new(Mutex::default()));
    let (scene, shard) = due(&stage, &shards).await;
    let track = scene.track_refresh_by(&["refresher"]);
    stage.app.stack().try_sweep(shard, shard).await.unwrap();
    let kills = Kill::at_each_of(track.steps(), Kind::Rotating, Duration::ZERO);
    let cases =
        kills.into_iter().map(|kill| kill.carry_out_on_a_sweep(Arc::clone(&stage), Arc::clone(&shards)));
    let cases = all_at_once(cases).await;
    stage.assert_no_secret_was_logged();
    cases
}

/// A process to be killed at one step of a refresh.
#[derive(Clone)]
struct Kill {
    kind: Kind,
    /// How long the provider keeps its answer.
    slow: Duration,
    /// All steps of the refresh, as they come without a fault.
    steps: Arc<Vec<Step>>,
    at: usize,
}

impl Kill {
    async fn at_each_step(stage: &Stage, kind: Kind, slow: Duration) -> Vec<Self> {
        let scene = Scene::expired(stage, kind).await;
        let track = scene.track();
        scene.provider.control().delay_token(slow);
        scene.ask().await.expect(200);
        Self::at_each_of(track.steps(), kind, slow)
    }

    fn at_each_of(steps: Vec<Step>, kind: Kind, slow: Duration) -> Vec<Self> {
        let steps = Arc::new(steps);
        (0..steps.len()).map(|at| Self { kind, slow, steps: Arc::clone(&steps), at }).collect()
    }

    async fn carry_out(self, stage: &Stage) -> Case {
        let scene = Scene::expired(stage, self.kind).await;
        let track = scene.track();
        track.stop_at(self.at);
        scene.provider.control().delay_token(self.slow);
        let asking = scene.asking();
        let killed = self.kill(stage, &scene, &track).await;
        let told = told(&asking.await.unwrap());
        self.case(&scene, killed, told).await
    }

    async fn carry_out_on_a_sweep(self, stage: Arc<Stage>, shards: Arc<Mutex<HashSet<u8>>>) -> Case {
        let (scene, shard) = due(&stage, &shards).await;
        let track = scene.track_refresh_by(&["refresher"]);
        track.stop_at(self.at);
        let sweep = stage.app.stack().try_sweep(shard, shard);
        let (sweep, killed) = tokio::join!(sweep, self.kill(&stage, &scene, &track));
        let told = sweep.map_or_else(|_| "crashed".to_owned(), |report| report.to_string());
        self.case(&scene, killed, told).await
    }

    /// Kills the process that has come to the step; returns what went wrong with that.
    async fn kill(&self, stage: &Stage, scene: &Scene, track: &Track) -> Result<(), String> {
        let stopped = track.stopped().await;
        scene.provider.control().delay_token(Duration::ZERO);
        if stopped.as_ref() != Some(self.step()) {
            return Err(format!("it came to {stopped:?}"));
        }
        let instance = track.instance().ok_or("nobody called")?;
        let killed = stage.app.stack().kill_instance(instance).await;
        // What waits at the step is never let go on: the connection that it came by is closed, and that ends it.
        if killed { Ok(()) } else { Err("there is no such process".to_owned()) }
    }

    async fn case(&self, scene: &Scene, killed: Result<(), String>, told: String) -> Case {
        if self.leaves_a_lease() {
            tokio::time::sleep(LEASE).await;
        }
        let (end, exchanges) = match self.loses_the_answer() {
            true => (self.kind.after_a_lost_answer(), 2),
            false => (End::Alive, 1),
        };
        let expected = Expected { exchanges: Some(exchanges), ..Expected::end(end) };
        Case::of(self.step().to_string(), scene, told, expected).await.wrong_if(killed)
    }

    fn step(&self) -> &Step {
        &self.steps[self.at]
    }

    /// The provider has acted, and what it gave is not written.
    fn loses_the_answer(&self) -> bool {
        (self.position(PROVIDER, Moment::Done)..self.written()).contains(&self.at)
    }

    /// The last thing before the exchange is to take the lease, and to write the tokens gives it back.
    fn leaves_a_lease(&self) -> bool {
        (self.position(PROVIDER, Moment::Arrived) - 1..self.written()).contains(&self.at)
    }

    fn written(&self) -> usize {
        self.position("write the tokens", Moment::Done)
    }

    fn position(&self, request: &str, moment: Moment) -> usize {
        self.steps.iter().position(|step| step.request.contains(request) && step.moment == moment).unwrap()
    }
}

/// A grant that is due, and the shard in which it is alone.
async fn due(stage: &Stage, taken: &Mutex<HashSet<u8>>) -> (Arc<Scene>, u8) {
    let lifetime = Duration::from_secs(4);
    loop {
        let scene = Scene::with_lifetime(stage, Kind::Rotating, lifetime).await;
        let token = scene.ask().await.expect(200);
        let shard = shard_of(&token["grant_id"]);
        if taken.lock().unwrap().insert(shard) {
            pause(4_100).await;
            return (Arc::new(scene), shard);
        }
    }
}

/// The last byte of a grant's id says in which shard of the index it is due.
fn shard_of(grant: &Value) -> u8 {
    let id = grant.as_str().unwrap();
    u8::from_str_radix(&id[id.len() - 2..], 16).unwrap()
}
