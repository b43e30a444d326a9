//! Many callers and few tokens.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bifrost_local::provider::RefreshTokens;
use bifrost_tests::{Answer, TestProvider, all_at_once, pause};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::scene::{Kind, Scene, Stage};

/// How many callers want one token.
const CROWD: usize = 500;

/// Callers that wait hold a socket at both ends, and both ends are in this process.
fn make_room_for_the_crowd() {
    let limit = rlimit::increase_nofile_limit(8 * CROWD as u64).unwrap();
    assert!(limit >= 3 * CROWD as u64, "a process may open {limit} files here; see `ulimit -n`");
}

/// Asks until there is a token. Only the gateway may say that it takes too long, on a machine with too much to do.
async fn served<A: Future<Output = Answer>>(ask: impl Fn() -> A) -> Value {
    loop {
        let answer = ask().await;
        if answer.status != 503 || answer.body["code"].is_string() {
            return answer.expect(200);
        }
    }
}

#[tokio::test]
async fn five_hundred_callers_over_many_processes_cause_one_exchange_and_all_get_its_token() {
    let stage = Stage::with_instances(16).await;
    make_room_for_the_crowd();
    let scene = Scene::expired(&stage, Kind::Rotating).await;
    let track = scene.track();
    scene.provider.control().delay_token(Duration::from_secs(1));
    let calls = (0..CROWD).map(|_| {
        let scene = Arc::clone(&scene);
        async move { served(|| scene.ask()).await }
    });
    let tokens: Vec<Value> = all_at_once(calls).await;
    println!("{CROWD} callers, {} processes, {} exchange", track.instances(), scene.exchanges());
    assert!(track.instances() >= 8, "{} processes", track.instances());
    assert_eq!(scene.exchanges(), 1);
    assert!(tokens.iter().all(|token| token["access_token"] == tokens[0]["access_token"]));
    assert_eq!(tokens[0]["generation"], 2);
    assert_eq!(scene.provider.me(&tokens[0]["access_token"]).await["user"], "ada@example.com");
    scene.app.root().post(&scene.connection.path("/refresh"), json!({})).await.expect(200);
}

#[tokio::test]
async fn two_hundred_grants_with_twenty_callers_each_are_exchanged_once_each() {
    const GRANTS: usize = 200;
    const CALLERS: usize = 20;
    let stage = Stage::with_instances(16).await;
    let app = &stage.app;
    let provider = TestProvider::with(|options| {
        options.access_token_lifetime = Duration::from_secs(1);
        options.refresh_tokens = RefreshTokens::Rotated;
    });
    let provider = Arc::new(provider.await);
    let setting_up = Arc::new(Semaphore::new(6));
    let connections = (0..GRANTS).map(|_| {
        let (app, provider, setting_up) = (app.clone(), Arc::clone(&provider), Arc::clone(&setting_up));
        async move {
            let _turn = setting_up.acquire().await.unwrap();
            app.connected(&provider).await
        }
    });
    let connections = all_at_once(connections).await;
    pause(1_050).await;
    provider.control().set_access_token_lifetime(Duration::from_secs(3600));
    provider.control().delay_token(Duration::from_millis(300));

    make_room_for_the_crowd();
    // All callers of a grant come together, and those of ten grants at a time.
    let crowd = Arc::new(Semaphore::new(10 * CALLERS));
    let calls = (0..GRANTS * CALLERS).map(|caller| {
        let grant = caller / CALLERS;
        let (app, connection, crowd) = (app.clone(), connections[grant].clone(), Arc::clone(&crowd));
        async move {
            let _place = crowd.acquire().await.unwrap();
            (grant, served(|| app.token(&connection)).await)
        }
    });
    let mut tokens = vec![HashSet::new(); GRANTS];
    for (grant, token) in all_at_once(calls).await {
        assert_eq!(token["generation"], 2);
        tokens[grant].insert(token["access_token"].to_string());
    }
    assert_eq!(provider.control().token_request_count("refresh_token"), GRANTS);
    assert_eq!(provider.control().refusals(), [""; 0]);
    assert!(tokens.iter().all(|tokens| tokens.len() == 1), "each grant has one token");
    let different: HashSet<_> = tokens.iter().flatten().collect();
    assert_eq!(different.len(), GRANTS, "and no two the same");
}
