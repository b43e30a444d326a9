//! Everything that a provider can do to a refresh.

use std::time::{Duration, SystemTime};

use bifrost_local::provider::Fault;
use bifrost_tests::{SLIPPED_TOKEN, all_at_once};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;

use super::{Case, Expected, told};
use crate::scene::{End, Kind, Scene, Stage};

/// Longer than any exchange is given.
const NEVER: Duration = Duration::from_secs(600);

/// What a provider does with one token request.
#[derive(Clone, Copy)]
struct Row {
    fault: &'static str,
    misbehave: fn(&Scene),
    /// Whether the caller is to be told 200 all the same.
    unnoticed: bool,
    /// The provider has acted, and what it gave does not arrive.
    lost: bool,
}

const fn row(fault: &'static str, misbehave: fn(&Scene)) -> Row {
    Row { fault, misbehave, unnoticed: false, lost: false }
}

impl Row {
    const fn unnoticed(self) -> Self {
        Self { unnoticed: true, ..self }
    }

    const fn lost(self) -> Self {
        Self { lost: true, ..self }
    }
}

const ROWS: &[Row] = &[
    row("answers after 9 s", |scene| slow(scene, 9)).unnoticed(),
    row("answers after 12 s", |scene| slow(scene, 12)).unnoticed(),
    row("answers after 40 s", |scene| slow(scene, 40)),
    row("never answers", |scene| scene.provider.control().delay_token(NEVER)).lost(),
    row("hangs up at once", |scene| next(scene, Fault::Drop)),
    row("hangs up instead of answering", |scene| next(scene, Fault::DropAnswer)).lost(),
    row("hangs up in the middle of the answer", |scene| next(scene, Fault::CutAnswer)).lost(),
    row("hangs up after the answer", |scene| next(scene, Fault::CloseAfterAnswer)).unnoticed(),
    row("a page, 200", |scene| refuse(scene, 200, "text/html", page())),
    row("a page, 200, in place of the tokens", |scene| replace(scene, 200, "text/html", page())).lost(),
    row("a page, 502", |scene| refuse(scene, 502, "text/html", page())),
    row("a page, 502, in place of the tokens", |scene| replace(scene, 502, "text/html", page())).lost(),
    row("a page, 403", |scene| refuse(scene, 403, "text/html", page())),
    row("nothing, 200", |scene| refuse(scene, 200, JSON, String::new())),
    row("nothing, 200, in place of the tokens", |scene| replace(scene, 200, JSON, String::new())).lost(),
    row("2 MiB", |scene| refuse(scene, 200, JSON, two_mebibytes())),
    row("2 MiB in place of the tokens", |scene| replace(scene, 200, JSON, two_mebibytes())).lost(),
    row("a number for a token", |scene| refuse(scene, 200, JSON, json!({"access_token": 7}).to_string())),
    row("a list in place of the tokens", |scene| {
        replace(scene, 200, JSON, json!([SLIPPED_TOKEN]).to_string())
    })
    .lost(),
    row("odd types beside a good token", odd_types).unnoticed(),
    row("a redirect", |scene| next(scene, Fault::Answer { status: 302, headers: location(), body: page() })),
    row("a redirect in place of the tokens", |scene| {
        next(scene, Fault::Replace { status: 307, headers: location(), body: page() });
    })
    .lost(),
    row("429, Retry-After in seconds", |scene| throttle(scene, 429, Some("4".to_owned()))),
    row("429, Retry-After as a date", |scene| throttle(scene, 429, Some(in_four_seconds()))),
    row("429 without Retry-After", |scene| throttle(scene, 429, None)),
    row("503, Retry-After in seconds", |scene| throttle(scene, 503, Some("4".to_owned()))),
    row("server_error, 500", |scene| refuse(scene, 500, JSON, error("server_error"))),
    row("server_error, 500, in place of the tokens", |scene| {
        replace(scene, 500, JSON, error("server_error"))
    })
    .lost(),
    row("temporarily_unavailable, 400", |scene| refuse(scene, 400, JSON, error("temporarily_unavailable"))),
    row("an error of its own, 400", |scene| refuse(scene, 400, JSON, error("tenant_asleep"))),
];

const JSON: &str = "application/json";

pub(super) async fn cases(stage: &'static Stage) -> Vec<Case> {
    let cases = ROWS.iter().flat_map(|row| Kind::ALL.map(|kind| misbehaves(stage, *row, kind)));
    let mut cases = all_at_once(cases).await;
    let with_refresh_tokens = [Kind::Rotating, Kind::Grace, Kind::Kept];
    cases.extend(all_at_once(with_refresh_tokens.map(|kind| ends_the_grant(stage, kind))).await);
    cases.extend(all_at_once(Kind::ALL.map(|kind| wants_another_secret(stage, kind))).await);
    cases
}

async fn misbehaves(stage: &Stage, row: Row, kind: Kind) -> Case {
    let scene = Scene::expired(stage, kind).await;
    (row.misbehave)(&scene);
    let answer = scene.ask().await;
    let told = told(&answer);
    scene.provider.control().delay_token(Duration::ZERO);
    let again = asks_in_vain(&scene, &told).await;
    let end = if row.lost { kind.after_a_lost_answer() } else { End::Alive };
    // An answer that is only late is waited for, by whoever asked and by everyone after.
    let exchanges = if row.lost || told.starts_with("409") { 2 } else { 1 };
    let expected = Expected { end, unnoticed: row.unnoticed, exchanges: Some(exchanges) };
    Case::of(row.fault, &scene, told, expected).await.wrong_if(again)
}

/// Whoever asks right after a failure is told the same, and the provider is left alone.
async fn asks_in_vain(scene: &Scene, before: &str) -> Result<(), String> {
    if !before.starts_with("409") {
        return Ok(());
    }
    let asked = scene.exchanges();
    let again = told(&scene.ask().await);
    let shown = scene.shown().await;
    let explained = shown["status"] == "failing" && shown["last_error"]["fix"].is_string();
    match (again == before, scene.exchanges() == asked, explained) {
        (true, true, true) => Ok(()),
        (false, ..) => Err(format!("the next caller was told {again}")),
        (_, false, _) => Err("the provider was not left alone".to_owned()),
        _ => Err(format!("the state is {shown}")),
    }
}

/// The user has withdrawn the consent.
async fn ends_the_grant(stage: &Stage, kind: Kind) -> Case {
    let scene = Scene::expired(stage, kind).await;
    let control = scene.provider.control();
    let any = control.secrets_handed_out().pop().unwrap();
    control.revoke_family(&any);
    let told = told(&scene.ask().await);
    let expected = Expected { exchanges: Some(1), ..Expected::end(End::Reconnect { spent: false }) };
    Case::of("invalid_grant", &scene, told, expected).await
}

/// The client secret has been replaced at the provider, and then here.
async fn wants_another_secret(stage: &Stage, kind: Kind) -> Case {
    let scene = Scene::expired(stage, kind).await;
    let secret = "bfp_cs_the-next-one";
    scene.provider.control().set_client_secret(&scene.provider.client_id, secret);
    let told = told(&scene.ask().await);
    let shown = scene.shown().await;
    let fix = shown["last_error"]["fix"].as_str().unwrap_or_default();
    let explained = shown["status"] == "failing" && fix.contains("client_secret");
    let explained = if explained { Ok(()) } else { Err(format!("the state is {shown}")) };
    let edited = scene.app.root().patch(&scene.connection.path(""), json!({"client_secret": secret})).await;
    let fault = "invalid_client until the secret is replaced here";
    let case = Case::of(fault, &scene, told, Expected::end(End::Alive)).await;
    case.wrong_if(if edited.status == 200 { explained } else { Err(edited.text) })
}

fn slow(scene: &Scene, seconds: u64) {
    scene.provider.control().delay_token(Duration::from_secs(seconds));
}

fn next(scene: &Scene, fault: Fault) {
    scene.provider.control().fail_next_token(fault);
}

/// Nothing is done.
fn refuse(scene: &Scene, status: u16, kind: &str, body: String) {
    next(scene, Fault::Answer { status, headers: content_type(kind), body });
}

/// Everything is done.
fn replace(scene: &Scene, status: u16, kind: &str, body: String) {
    next(scene, Fault::Replace { status, headers: content_type(kind), body });
}

fn throttle(scene: &Scene, status: u16, retry_after: Option<String>) {
    let headers = retry_after.into_iter().map(|wait| ("retry-after".to_owned(), wait)).collect();
    next(scene, Fault::Answer { status, headers, body: error("temporarily_unavailable") });
}

fn odd_types(scene: &Scene) {
    scene.provider.control().edit_answers(|answer| {
        let odd = json!({"expires_in": {"seconds": 60}, "scope": 7, "token_type": ["Bearer"], "expires_at": "soon"});
        let Value::Object(odd) = odd else { unreachable!("it is one") };
        answer.extend(odd);
    });
}

fn content_type(kind: &str) -> Vec<(String, String)> {
    vec![("content-type".to_owned(), kind.to_owned())]
}

fn location() -> Vec<(String, String)> {
    vec![("location".to_owned(), format!("https://elsewhere.example/token?code={SLIPPED_TOKEN}"))]
}

/// Careless, as error pages are.
fn page() -> String {
    format!("<html><body>Sorry! <!-- {SLIPPED_TOKEN} --></body></html>")
}

fn two_mebibytes() -> String {
    json!({"access_token": "a".repeat(2 * 1024 * 1024)}).to_string()
}

fn error(code: &str) -> String {
    json!({"error": code, "error_description": format!("While looking at {SLIPPED_TOKEN}")}).to_string()
}

fn in_four_seconds() -> String {
    // RFC 9110, section 5.6.7, has a name where RFC 2822 has an offset.
    let date = OffsetDateTime::from(SystemTime::now() + Duration::from_secs(4));
    date.format(&Rfc2822).unwrap().replace("+0000", "GMT")
}
