use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::{ClientAuth, Fault, Options, serve};
use super::{Subject, Tokens, json as body, post_form};
use crate::checkpoint::{Checkpoint, Moment};

#[tokio::test]
async fn it_counts_what_reached_the_token_endpoint_and_why_it_was_refused() {
    let subject = Subject::start().await;
    let tokens = subject.tokens().await;
    subject.refresh(&tokens.refresh).await;
    subject.refresh(&tokens.refresh).await;
    let control = subject.provider.control();
    assert_eq!(control.token_request_count("authorization_code"), 1);
    assert_eq!(control.token_request_count("refresh_token"), 2);
    assert!(control.refusals()[0].starts_with("invalid_grant"));
    let last = control.token_requests().pop().unwrap();
    assert_eq!(
        (last.auth, last.param("refresh_token")),
        (Some(ClientAuth::Post), Some(tokens.refresh.as_str()))
    );
    assert!(!format!("{last:?}").contains(&tokens.refresh));
}

#[tokio::test]
async fn it_knows_every_secret_it_handed_out() {
    let subject = Subject::start().await;
    let code = subject.code().await;
    let tokens = Tokens::from(subject.redeem(&code).await).await;
    assert_eq!(subject.provider.control().secrets_handed_out(), [code, tokens.access, tokens.refresh]);
}

#[tokio::test]
async fn a_fault_replaces_one_answer_and_spends_nothing() {
    let subject = Subject::start().await;
    let tokens = subject.tokens().await;
    subject.provider.control().fail_next_token(Fault::answer(502, "<html>bad gateway"));
    let failed = subject.refresh(&tokens.refresh).await;
    assert_eq!((failed.status().as_u16(), failed.text().await.unwrap().as_str()), (502, "<html>bad gateway"));
    assert_eq!(subject.refresh(&tokens.refresh).await.status(), 200);
}

#[tokio::test]
async fn a_dropped_connection_gives_no_answer_and_only_a_dropped_answer_spends_the_token() {
    let subject = Subject::start().await;
    let tokens = subject.tokens().await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &tokens.refresh),
        ("client_id", super::CLIENT),
        ("client_secret", super::SECRET),
    ];
    let attempt = || post_form(&subject.http, &subject.url("/token"), &form).send();
    let control = subject.provider.control();
    control.fail_next_token(Fault::Drop);
    attempt().await.unwrap_err();
    control.fail_next_token(Fault::DropAnswer);
    attempt().await.unwrap_err();
    assert_eq!(attempt().await.unwrap().status(), 400);
}

#[tokio::test]
async fn an_answer_can_be_cut_replaced_or_the_last_on_its_connection_and_the_token_is_spent_each_time() {
    let subject = Subject::start().await;
    let control = subject.provider.control();
    let tokens = subject.tokens().await;
    control.fail_next_token(Fault::CutAnswer);
    let cut = subject.refresh(&tokens.refresh).await;
    assert_eq!(cut.status(), 200);
    cut.text().await.unwrap_err();
    assert_eq!(subject.refresh(&tokens.refresh).await.status(), 400);

    let tokens = subject.tokens().await;
    control.fail_next_token(Fault::Replace { status: 302, headers: Vec::new(), body: "moved".into() });
    let replaced = subject.refresh(&tokens.refresh).await;
    assert_eq!((replaced.status().as_u16(), replaced.text().await.unwrap().as_str()), (302, "moved"));
    assert_eq!(subject.refresh(&tokens.refresh).await.status(), 400);

    let tokens = subject.tokens().await;
    control.fail_next_token(Fault::CloseAfterAnswer);
    let closed = subject.refresh(&tokens.refresh).await;
    assert_eq!(closed.headers()["connection"], "close");
    assert!(body(closed).await["refresh_token"].is_string());
}

#[tokio::test]
async fn a_checkpoint_sees_each_token_request_of_its_kind_before_and_after_it_is_acted_on() {
    let subject = Subject::start().await;
    let tokens = subject.tokens().await;
    let control = subject.provider.control();
    let (seen, requests) = (Arc::new(Mutex::new(Vec::new())), control.clone());
    let record = Arc::clone(&seen);
    let checkpoint = Checkpoint::new(move |moment| {
        record.lock().unwrap().push((moment, requests.token_request_count("refresh_token")));
        async {}
    });
    control.stop_tokens("refresh_token", checkpoint);
    subject.tokens().await;
    assert_eq!(subject.refresh(&tokens.refresh).await.status(), 200);
    assert_eq!(*seen.lock().unwrap(), [(Moment::Arrived, 0), (Moment::Done, 1)]);
}

#[tokio::test]
async fn a_delayed_answer_has_already_been_acted_on() {
    let subject = Subject::start().await;
    let tokens = subject.tokens().await;
    let control = subject.provider.control();
    control.delay_token(Duration::from_millis(300));
    let begun = Instant::now();
    let slow = subject.refresh(&tokens.refresh);
    let watch = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        control.token_request_count("refresh_token")
    };
    let (answer, seen_meanwhile) = tokio::join!(slow, watch);
    assert_eq!((answer.status().as_u16(), seen_meanwhile), (200, 1));
    assert!(begun.elapsed() >= Duration::from_millis(300));
}

#[tokio::test]
async fn answers_and_grants_can_be_edited() {
    let subject = Subject::start().await;
    let control = subject.provider.control();
    control.grant_scopes(&["read"]);
    control.edit_answers(|answer| {
        answer.insert("expires_in".to_owned(), json!("3600"));
    });
    let answer = body(subject.redeem(&subject.code().await).await).await;
    assert_eq!((&answer["expires_in"], &answer["scope"]), (&json!("3600"), &json!("read")));
}

#[tokio::test]
async fn a_stopped_provider_answers_nobody() {
    let Subject { provider, http } = Subject::start().await;
    let url = provider.url().to_owned();
    assert_eq!(http.get(&url).send().await.unwrap().status(), 200);
    provider.stop().await;
    http.get(&url).send().await.unwrap_err();
}

#[tokio::test]
async fn a_demo_remembers_sign_ins_across_a_restart_and_writes_no_token() {
    let folder = std::env::temp_dir().join(format!("provider-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("provider.json");
    let remembering = |options: &mut Options| options.state_file = Some(file.clone());
    let before = Subject::with(remembering).await;
    let tokens = before.tokens().await;
    let secrets = before.provider.control().secrets_handed_out();
    before.provider.stop().await;

    let written = std::fs::read_to_string(&file).unwrap();
    assert!(secrets.iter().all(|secret| !written.contains(secret)));
    let after = Subject::with(remembering).await;
    assert_eq!(after.me(&tokens.access).await.status(), 200);
    assert_eq!(after.refresh(&tokens.refresh).await.status(), 200);
    std::fs::write(&file, "not json").unwrap();
    let unreadable = Options { state_file: Some(file), ..Options::strict(Vec::new()) };
    serve(unreadable).await.unwrap_err();
    std::fs::remove_dir_all(folder).unwrap();
}
