//! DynamoDB and KMS in trouble, at each call of a refresh.

use std::time::Duration;

use bifrost_local::{Fault, Moment};
use bifrost_tests::all_at_once;

use super::{Case, Expected, told};
use crate::scene::{End, Kind, Scene, Stage};
use crate::steps::{Lasts, PROVIDER, Trouble};

/// More than the SDK's own retries get over.
const WHILE: Duration = Duration::from_secs(8);

/// What can happen to a call.
struct Fate {
    name: &'static str,
    fault: fn() -> Fault,
    lasts: Lasts,
    /// The caller must not notice.
    unnoticed: bool,
}

const fn once(name: &'static str, fault: fn() -> Fault) -> Fate {
    Fate { name, fault, lasts: Lasts::Calls(1), unnoticed: true }
}

const fn a_while(name: &'static str, fault: fn() -> Fault) -> Fate {
    Fate { name, fault, lasts: Lasts::Time(WHILE), unnoticed: false }
}

const FATES: [Fate; 7] = [
    once("throttled once", Fault::throughput_exceeded),
    a_while("throttled for 8 s", Fault::throughput_exceeded),
    once("500 once", Fault::internal),
    a_while("500 for 8 s", Fault::internal),
    // The SDK does not repeat this one by itself.
    Fate { unnoticed: false, ..once("conflict", || Fault::Conflict) },
    once("answer lost once", || Fault::LoseAnswer),
    a_while("answer lost for 8 s", || Fault::LoseAnswer),
];

/// No trouble at any call costs a grant or spends a token twice.
pub(super) async fn cases(stage: &'static Stage) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in [Kind::Rotating, Kind::Client] {
        let scene = Scene::expired(stage, kind).await;
        let track = scene.track();
        scene.ask().await.expect(200);
        for request in track.calls() {
            for Fate { name, fault, lasts, unnoticed } in FATES {
                let fault = fault();
                let conflicts = request.contains("Write") || request.contains("Update");
                if conflicts || !matches!(fault, Fault::Conflict) {
                    let trouble = Trouble { request: request.clone(), fault, lasts };
                    cases.push(met(stage, kind, format!("{request}: {name}"), trouble, unnoticed));
                }
            }
        }
    }
    let mut cases = all_at_once(cases).await;
    cases.extend(all_at_once(Kind::ALL.map(|kind| without_kms_after_the_request(stage, kind))).await);
    cases
}

async fn met(stage: &Stage, kind: Kind, fault: String, trouble: Trouble, unnoticed: bool) -> Case {
    let scene = Scene::expired(stage, kind).await;
    let track = scene.track();
    // Tokens that came are written, however long it takes.
    let unnoticed = unnoticed || trouble.request.contains("write the tokens");
    track.trouble(trouble);
    let told = told(&scene.ask().await);
    let expected = Expected { end: End::Alive, unnoticed, exchanges: Some(1) };
    let case = Case::of(fault, &scene, told, expected).await;
    case.wrong_if(if track.met() > 0 { Ok(()) } else { Err("there was no such call".to_owned()) })
}

/// KMS is gone from the moment the request reaches the provider.
async fn without_kms_after_the_request(stage: &'static Stage, kind: Kind) -> Case {
    let dry = Scene::expired(stage, kind).await;
    let track = dry.track();
    dry.ask().await.expect(200);
    let at_provider = |step: &crate::steps::Step| step.request == PROVIDER && step.moment == Moment::Arrived;
    let arrival = track.steps().iter().position(at_provider).unwrap();

    let scene = Scene::expired(stage, kind).await;
    let track = scene.track();
    track.stop_at(arrival);
    let asking = scene.asking();
    track.stopped().await.unwrap();
    track.trouble(Trouble {
        request: "Decrypt".to_owned(),
        fault: Fault::internal(),
        lasts: Lasts::Time(WHILE),
    });
    track.go_on();
    let told = told(&asking.await.unwrap());
    let expected = Expected { end: End::Alive, unnoticed: true, exchanges: Some(1) };
    Case::of("KMS: gone once the request went out", &scene, told, expected).await
}

/// Tokens that DynamoDB refuses for most of an invocation are written before its end.
pub(super) async fn case_of_a_long_outage(stage: &'static Stage) -> Vec<Case> {
    let refused = Duration::from_secs(45);
    let scene = Scene::expired(stage, Kind::Rotating).await;
    let track = scene.track();
    scene.ask().await.expect(200);
    let write = track.calls().into_iter().find(|call| call.contains("write the tokens")).unwrap();

    let scene = Scene::expired(stage, Kind::Rotating).await;
    let track = scene.track();
    track.trouble(Trouble { request: write.clone(), fault: Fault::internal(), lasts: Lasts::Time(refused) });
    let told = told(&scene.ask().await);
    // The gateway has given up; the function has not.
    tokio::time::sleep(refused - Duration::from_secs(25)).await;
    let expected = Expected { exchanges: Some(1), ..Expected::end(End::Alive) };
    vec![Case::of(format!("{write}: 500 for 45 s"), &scene, told, expected).await]
}
