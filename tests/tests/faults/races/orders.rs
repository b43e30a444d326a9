//! A refresh against what people do to its grant, in every order.
//!
//! One of the two is stopped before each of its steps in turn, the other runs from beginning to end, then the first goes
//! on. Nothing changes between a step that is done and the next one, so this is every order of one beside the other.

use std::fmt;
use std::sync::Arc;

use bifrost_local::Moment;
use bifrost_tests::{Answer, all_at_once};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use crate::scene::{End, Kind, Scene, Stage, code_of, flaw_of};
use crate::steps::{Step, Track};

/// How many races are run at a time: who is stopped must not be so for longer than the SDK waits for an answer.
static RUNNING: Semaphore = Semaphore::const_new(6);

/// What people do to a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Disconnect,
    Reconnect,
    ReplaceSecret,
    DeleteConnection,
    DeleteOrganization,
    /// Of an organization with a grant of its own on a global connection, which nothing else needs.
    DeleteMapping,
}

impl Action {
    const ALL: [Self; 6] = [
        Self::Disconnect,
        Self::Reconnect,
        Self::ReplaceSecret,
        Self::DeleteConnection,
        Self::DeleteOrganization,
        Self::DeleteMapping,
    ];

    /// Whose steps it is made of.
    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Disconnect => &["connections-disconnect"],
            Self::Reconnect => &["oauth-callback"],
            Self::ReplaceSecret => &["connections-update"],
            Self::DeleteConnection => &["connections-delete"],
            Self::DeleteOrganization => &["organizations-delete"],
            Self::DeleteMapping => &["mappings-delete"],
        }
    }

    async fn carry_out(self, scene: &Scene) -> Answer {
        let (root, connection) = (scene.app.root(), &scene.connection);
        match self {
            Self::Disconnect => root.post(&connection.path("/disconnect"), json!({})).await,
            Self::Reconnect => {
                scene.app.connect_in_browser(connection).await;
                root.get(&connection.path("")).await
            }
            Self::ReplaceSecret => {
                let secret = "bfp_cs_the-next-one";
                scene.provider.control().set_client_secret(&scene.provider.client_id, secret);
                root.patch(&connection.path(""), json!({"client_secret": secret})).await
            }
            Self::DeleteConnection => root.delete(&connection.path("")).await,
            Self::DeleteOrganization => {
                root.delete(&format!("/organizations/{}", scene.organization.id)).await
            }
            Self::DeleteMapping => {
                let integration = scene.integration.as_ref().unwrap();
                root.delete(&scene.organization.mapping(integration)).await
            }
        }
    }
}

/// A grant to be raced for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prize {
    /// Of an organization's own connection, somebody has signed in.
    Own,
    /// Of an organization, on a global connection.
    OnGlobal,
    /// Of a client that speaks for itself, expired.
    Minted,
    /// The same before its first token.
    Unminted,
}

impl Prize {
    async fn scene(self, stage: &Stage) -> Arc<Scene> {
        match self {
            Self::Own => Scene::expired(stage, Kind::Rotating).await,
            Self::OnGlobal => Scene::on_global(stage).await,
            Self::Minted => Scene::minted(stage).await,
            Self::Unminted => Scene::expired(stage, Kind::Client).await,
        }
    }

    fn of(action: Action) -> &'static [Self] {
        match action {
            Action::DeleteMapping => &[Self::OnGlobal],
            Action::Reconnect => &[Self::Own],
            _ => &[Self::Own, Self::Minted, Self::Unminted],
        }
    }
}

/// Which of the two is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopped {
    Refresh,
    Action,
}

#[derive(Clone, Debug)]
struct Race {
    action: Action,
    prize: Prize,
    stopped: Stopped,
    before: Step,
}

/// Why an order proves nothing good.
enum Flaw {
    Found(String),
    /// The step that was to be stopped at did not come: the run that counted the steps had one more, such as a read for
    /// a process that had only just started, or one that was tried again.
    Missed,
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { action, prize, before, .. } = self;
        match self.stopped {
            Stopped::Refresh => write!(f, "{action:?} of {prize:?} while a refresh stops {before}"),
            Stopped::Action => write!(f, "a refresh while {action:?} of {prize:?} stops {before}"),
        }
    }
}

#[tokio::test]
async fn a_refresh_and_what_people_do_to_its_grant_leave_nothing_false_behind_in_any_order() {
    let stage = Stage::shared().await;
    let mut races = Vec::new();
    for action in Action::ALL {
        for prize in Prize::of(action) {
            let both = dry_run(stage, action, *prize).await;
            for (stopped, steps) in [(Stopped::Refresh, both.0), (Stopped::Action, both.1)] {
                let arrivals = steps.into_iter().filter(|step| step.moment == Moment::Arrived);
                races.extend(arrivals.map(|before| Race { action, prize: *prize, stopped, before }));
            }
        }
    }
    let count = races.len();
    let runs = races.into_iter().map(|race| async move {
        let flaw = race.run(stage).await.err();
        (race, flaw)
    });
    let runs = all_at_once(runs).await;
    let (missed, runs): (Vec<_>, Vec<_>) =
        runs.into_iter().partition(|(_, flaw)| matches!(flaw, Some(Flaw::Missed)));
    let missed: Vec<_> = missed.into_iter().map(|(race, _)| race.to_string()).collect();
    println!("\n| refresh against | stopped refresh | stopped action |\n| --- | --- | --- |");
    for action in Action::ALL {
        let orders = |stopped| {
            let of_those = runs.iter().filter(|(race, _)| race.action == action && race.stopped == stopped);
            let (all, flawed) = of_those
                .fold((0, 0), |(all, flawed), (_, flaw)| (all + 1, flawed + usize::from(flaw.is_some())));
            if flawed == 0 { format!("{all} orders hold") } else { format!("**{flawed} of {all} fail**") }
        };
        println!("| {action:?} | {} | {} |", orders(Stopped::Refresh), orders(Stopped::Action));
    }
    println!("\n{count} orders, of which {} did not come about: {}\n", missed.len(), missed.join("; "));
    let flaws: Vec<String> = runs
        .iter()
        .filter_map(|(race, flaw)| match flaw {
            Some(Flaw::Found(flaw)) => Some(format!("{race}: {flaw}")),
            Some(Flaw::Missed) | None => None,
        })
        .collect();
    assert!(flaws.is_empty(), "{}", flaws.join("\n"));
    assert!(missed.len() * 20 <= count, "too many orders did not come about");
    stage.assert_no_secret_was_logged();
}

/// The steps of both, each without the other.
async fn dry_run(stage: &Stage, action: Action, prize: Prize) -> (Vec<Step>, Vec<Step>) {
    let (refreshed, changed) = tokio::join!(prize.scene(stage), prize.scene(stage));
    let refresh = refreshed.track();
    refreshed.ask().await.expect(200);
    let act = watch(&changed, action);
    action.carry_out(&changed).await;
    (refresh.steps(), act.steps())
}

fn watch(scene: &Scene, action: Action) -> Arc<Track> {
    let track = scene.track_others(action.functions());
    // Connecting has an exchange of its own.
    scene.provider.control().stop_tokens("authorization_code", track.at_provider());
    track
}

impl Race {
    async fn run(&self, stage: &Stage) -> Result<(), Flaw> {
        let scene = self.prize.scene(stage).await;
        let _turn = RUNNING.acquire().await.unwrap();
        let (refresh, act) = (scene.track(), watch(&scene, self.action));
        let (late, done) = match self.stopped {
            Stopped::Refresh => {
                refresh.stop_before(&self.before);
                self.interleave(&refresh, scene.asking(), self.action.carry_out(&scene)).await?
            }
            Stopped::Action => {
                act.stop_before(&self.before);
                let (acting, action) = (Arc::clone(&scene), self.action);
                let acting = tokio::spawn(async move { action.carry_out(&acting).await });
                let (done, late) = self.interleave(&act, acting, scene.ask()).await?;
                (late, done)
            }
        };
        if let Some(flaw) = flaw_of(&late) {
            return Err(Flaw::Found(flaw));
        }
        drop((refresh, act));
        Aftermath { scene: &scene, done }.check(self.action).await.map_err(Flaw::Found)
    }

    /// Lets the other run while the first is stopped. A data key that a process has in memory it does not decrypt again:
    /// then there is no such step, and the first has run to its end.
    async fn interleave(
        &self,
        track: &Track,
        mut first: JoinHandle<Answer>,
        other: impl Future<Output = Answer>,
    ) -> Result<(Answer, Answer), Flaw> {
        let ended = tokio::select! {
            stopped = track.stopped() => {
                stopped.ok_or_else(|| Flaw::Found("nothing came there".to_owned()))?;
                None
            }
            answer = &mut first => Some(answer.unwrap()),
        };
        if ended.is_some() && self.before.request != "Decrypt" {
            return Err(Flaw::Missed);
        }
        let other = other.await;
        track.go_on();
        match ended {
            Some(answer) => Ok((answer, other)),
            None => Ok((first.await.unwrap(), other)),
        }
    }
}

/// What is there when both have ended.
struct Aftermath<'a> {
    scene: &'a Scene,
    /// What the action told its caller.
    done: Answer,
}

impl Aftermath<'_> {
    async fn check(&self, action: Action) -> Result<(), String> {
        match action {
            Action::Disconnect if self.done.status == 404 && self.scene.kind == Kind::Client => {
                // There was nothing yet to disconnect, and what came later is a grant like any other.
                self.is_alive().await
            }
            Action::Disconnect => {
                self.done_with(200)?;
                self.is("not_connected").await?;
                self.answers(&self.scene.ask().await, 409, "not-connected")?;
                self.no_token_works().await
            }
            Action::Reconnect => self.only_the_new_sign_in_counts().await,
            Action::ReplaceSecret => {
                self.done_with(200)?;
                self.is_alive().await?;
                self.refreshes().await
            }
            Action::DeleteConnection => {
                self.done_with(204)?;
                self.answers(&self.scene.ask().await, 404, "not-found")?;
                self.no_token_works().await?;
                self.created_again(&self.scene.organization.id).await
            }
            Action::DeleteOrganization => {
                self.done_with(204)?;
                self.answers(&self.scene.ask().await, 404, "not-found")?;
                self.no_token_works().await?;
                let again = json!({"id": self.scene.organization.id, "name": "Acme again"});
                self.scene.app.root().post("/organizations", again).await.expect(201);
                self.created_again(&self.scene.organization.id).await
            }
            Action::DeleteMapping => {
                self.done_with(204)?;
                self.answers(&self.scene.ask().await, 409, "not-connected")?;
                self.no_token_works().await
            }
        }
    }

    fn done_with(&self, status: u16) -> Result<(), String> {
        if self.done.status == status {
            Ok(())
        } else {
            Err(format!("the action failed: {}", self.done.text))
        }
    }

    fn answers(&self, answer: &Answer, status: u16, code: &str) -> Result<(), String> {
        match (answer.status, code_of(answer)) == (status, code) {
            true => Ok(()),
            false => Err(format!("a token request is answered {} {}", answer.status, answer.text)),
        }
    }

    async fn is(&self, status: &str) -> Result<(), String> {
        let shown = self.scene.shown().await;
        if shown["status"] == status { Ok(()) } else { Err(format!("the state is {shown}")) }
    }

    async fn is_alive(&self) -> Result<(), String> {
        match self.scene.end().await {
            End::Alive => Ok(()),
            end => Err(format!("in the end: {end}")),
        }
    }

    /// What is stored can be refreshed.
    async fn refreshes(&self) -> Result<(), String> {
        let path = self.scene.connection.path("/refresh");
        let answer = self.scene.app.root().post(&path, json!({})).await;
        let refreshed = answer.status == 200
            && answer.body["warning"].is_null()
            && self.scene.provider.me(&answer.body["access_token"]).await.is_object();
        if refreshed { Ok(()) } else { Err(format!("it can't be refreshed: {}", answer.text)) }
    }

    /// Whatever the provider handed out for the grant that is gone is revoked, also what arrived late.
    async fn no_token_works(&self) -> Result<(), String> {
        for secret in self.scene.provider.control().secrets_handed_out() {
            if secret.starts_with("bfp_at_") && self.scene.provider.me(&json!(secret)).await.is_object() {
                return Err("a token of the grant that is gone still works".to_owned());
            }
        }
        Ok(())
    }

    /// A connection of the same name adopts nothing.
    async fn created_again(&self, scope: &str) -> Result<(), String> {
        let scene = self.scene;
        let body = json!({"name": scene.connection.name, "client_secret": "bfp_cs_another"});
        let body = bifrost_tests::with(scene.provider.authorization_code(), body);
        scene.app.create_connection(scope, body).await;
        self.is("not_connected").await?;
        self.answers(&scene.ask().await, 409, "not-connected")
    }

    async fn only_the_new_sign_in_counts(&self) -> Result<(), String> {
        self.done_with(200)?;
        let control = self.scene.provider.control();
        let issued = control.secrets_handed_out();
        let old =
            issued.iter().find(|secret| secret.starts_with("bfp_at_")).ok_or("nobody ever signed in")?;
        let token = self.scene.ask().await;
        let generation = token.body["generation"].as_u64().unwrap_or_default();
        let refreshed_first = generation == 3;
        if token.status != 200 || !(refreshed_first || generation == 2) {
            return Err(format!("after connecting again: {}", token.text));
        }
        // What the refresh received went into the grant of the old sign-in, or came too late and was revoked.
        if self.scene.exchanges() > 0 && !refreshed_first && control.family_revoked(old) != Some(true) {
            return Err("what came too late was not revoked".to_owned());
        }
        control.revoke_family(old);
        if self.scene.provider.me(&token.body["access_token"]).await.is_null() {
            return Err("the token is of the old sign-in".to_owned());
        }
        self.is("active").await?;
        self.refreshes().await
    }
}
