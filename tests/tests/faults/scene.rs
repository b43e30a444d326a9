//! A grant that needs refreshing, with an organization and a provider of its own, and what became of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bifrost_local::provider::RefreshTokens;
use bifrost_tests::{Answer, Connection, Organization, TestApp, TestProvider, pause, with};
use serde_json::{Value, json};
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::JoinHandle;

use crate::steps::{Track, Tracks};

/// The functions that a token request may involve.
const TOKEN: &[&str] = &["connections-token"];

/// How many scenes are set up at a time.
static SETTING_UP: Semaphore = Semaphore::const_new(6);

/// How long a case is followed until its grant is either alive or lost.
const PATIENCE: Duration = Duration::from_secs(150);

/// How the provider deals with refresh tokens, or that the client speaks for itself and has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Rotating,
    Grace,
    Kept,
    Client,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Rotating, Self::Grace, Self::Kept, Self::Client];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Rotating => "rotating",
            Self::Grace => "rotating with grace",
            Self::Kept => "not rotating",
            Self::Client => "client_credentials",
        }
    }

    pub(crate) fn grant_type(self) -> &'static str {
        if self == Self::Client { "client_credentials" } else { "refresh_token" }
    }

    /// What becomes of a grant whose answer was lost after the provider had acted.
    pub(crate) fn after_a_lost_answer(self) -> End {
        if self == Self::Rotating { End::Reconnect { spent: true } } else { End::Alive }
    }
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Organization,
    Platform,
}

/// What became of a grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A token request yields a token that the provider's API accepts, and the connection is active.
    Alive,
    /// The state says that a person must connect again, why, and, if so, that the token may have been spent unseen; and
    /// connecting again helps.
    Reconnect { spent: bool },
    /// Anything else, in words.
    Otherwise(String),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive => f.write_str("alive"),
            Self::Reconnect { spent: true } => f.write_str("reconnect: may be spent"),
            Self::Reconnect { spent: false } => f.write_str("reconnect"),
            Self::Otherwise(what) => write!(f, "**{what}**"),
        }
    }
}

/// The stack of this process, and the eyes on it.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) tracks: Tracks,
}

impl Stage {
    pub(crate) async fn shared() -> &'static Self {
        static SHARED: OnceCell<Stage> = OnceCell::const_new();
        // A slow provider keeps an instance busy, and there are many slow providers at a time.
        SHARED.get_or_init(async || Self::with_instances(64).await).await
    }

    pub(crate) async fn with_instances(count: usize) -> Self {
        let (app, tracks) = (TestApp::with_instances(count).await, Tracks::default());
        app.stack().set_fault_hook(tracks.hook());
        Self { app, tracks }
    }

    /// Nothing in the log looks like anything that was secret: all that providers hand out, and all client secrets,
    /// begin alike.
    pub(crate) fn assert_no_secret_was_logged(&self) {
        let (logs, root) = (self.app.stack().logs(), self.app.root());
        assert!(logs.contains("a refresh failed"), "the logs were captured");
        for secret in ["bfp_", "Basic ", root.key().rsplit('_').next().unwrap()] {
            let line = logs.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{line:?}");
        }
    }
}

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) app: TestApp,
    pub(crate) kind: Kind,
    pub(crate) provider: TestProvider,
    pub(crate) organization: Organization,
    pub(crate) connection: Connection,
    /// What the organization is mapped on, where the connection is global.
    pub(crate) integration: Option<String>,
    tracks: Tracks,
}

impl Scene {
    /// A grant whose token has expired; or none yet, for a client that speaks for itself.
    pub(crate) async fn expired(stage: &Stage, kind: Kind) -> Arc<Self> {
        Self::with_lifetime(stage, kind, Duration::from_secs(1)).await.when_expired().await
    }

    /// An expired grant of an organization's own on a global connection, and the one integration that needs it.
    pub(crate) async fn on_global(stage: &Stage) -> Arc<Self> {
        let lifetime = Duration::from_secs(1);
        let mut scene = Self::set_up(stage, Kind::Rotating, Owner::Platform, lifetime).await;
        let app = &scene.app;
        let integration = app.integration("Halo", json!({"connection": scene.connection.name})).await;
        app.map(&integration, &scene.organization, json!({"entity_id": "1"})).await;
        scene.integration = Some(integration);
        scene.when_expired().await
    }

    /// A grant whose token lives this long, and the next one an hour.
    pub(crate) async fn with_lifetime(stage: &Stage, kind: Kind, lifetime: Duration) -> Self {
        Self::set_up(stage, kind, Owner::Organization, lifetime).await
    }

    async fn set_up(stage: &Stage, kind: Kind, owner: Owner, lifetime: Duration) -> Self {
        let _turn = SETTING_UP.acquire().await.unwrap();
        let app = stage.app.clone();
        let refresh_tokens = match kind {
            Kind::Rotating | Kind::Client => RefreshTokens::Rotated,
            Kind::Grace => RefreshTokens::RotatedWithGrace(Duration::from_secs(300)),
            Kind::Kept => RefreshTokens::Kept,
        };
        let provider = TestProvider::with(|options| {
            options.access_token_lifetime = lifetime;
            options.refresh_tokens = refresh_tokens;
        });
        let provider = provider.await;
        let organization = app.organization("Acme").await;
        let name = app.unique("Halo");
        let connection = match (kind, owner) {
            (Kind::Client, _) => {
                let urls = json!({
                    "name": name,
                    "token_url": provider.url("/token"),
                    "revocation_url": provider.url("/revoke"),
                });
                let body = with(provider.client_credentials(), urls);
                app.create_connection(&organization.id, body).await
            }
            (_, Owner::Organization) => {
                let connection = app.connection(&name, &organization.id, &provider, json!({})).await;
                app.connect_in_browser(&connection).await;
                connection
            }
            (_, Owner::Platform) => {
                let connection = app.connection(&name, "global", &provider, json!({})).await;
                app.connect_for(&connection, &organization).await;
                connection
            }
        };
        provider.control().set_access_token_lifetime(Duration::from_secs(3600));
        let tracks = stage.tracks.clone();
        Self { app, kind, provider, organization, connection, integration: None, tracks }
    }

    /// A grant of a client that speaks for itself whose first token has expired.
    pub(crate) async fn minted(stage: &Stage) -> Arc<Self> {
        let scene = Self::with_lifetime(stage, Kind::Client, Duration::from_secs(1)).await;
        let control = scene.provider.control();
        control.set_access_token_lifetime(Duration::from_secs(1));
        scene.ask().await.expect(200);
        control.set_access_token_lifetime(Duration::from_secs(3600));
        pause(1_050).await;
        Arc::new(scene)
    }

    async fn when_expired(self) -> Arc<Self> {
        if self.kind != Kind::Client {
            pause(1_050).await;
        }
        Arc::new(self)
    }

    /// Follows what a token request does from here on, the provider's part included.
    pub(crate) fn track(&self) -> Arc<Track> {
        self.track_refresh_by(TOKEN)
    }

    /// The same for a refresh that these functions do.
    pub(crate) fn track_refresh_by(&self, functions: &'static [&'static str]) -> Arc<Track> {
        let track = self.tracks.follow(&self.organization.id, functions);
        self.provider.control().stop_tokens(self.kind.grant_type(), track.at_provider());
        track
    }

    /// Follows what other functions do for the same organization.
    pub(crate) fn track_others(&self, functions: &'static [&'static str]) -> Arc<Track> {
        self.tracks.follow(&self.organization.id, functions)
    }

    pub(crate) async fn ask(&self) -> Answer {
        let path = format!("/connections/{}/token?scope={}", self.connection.name, self.organization.id);
        self.app.root().get(&path).await
    }

    /// Asks for a token at the side.
    pub(crate) fn asking(self: &Arc<Self>) -> JoinHandle<Answer> {
        let scene = Arc::clone(self);
        tokio::spawn(async move { scene.ask().await })
    }

    /// How many exchanges the provider has seen.
    pub(crate) fn exchanges(&self) -> usize {
        self.provider.control().token_request_count(self.kind.grant_type())
    }

    /// Asks as a workflow does, again whenever it is told to, until the grant is alive or lost.
    pub(crate) async fn end(&self) -> End {
        let begun = Instant::now();
        loop {
            let answer = self.ask().await;
            if let Some(flaw) = flaw_of(&answer) {
                return End::Otherwise(flaw);
            }
            let retry = answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            match (answer.status, code_of(&answer)) {
                (200, _) => return self.alive(&answer.body).await,
                (409, "reauthorize") => return self.reconnect(&answer.body).await,
                _ if begun.elapsed() > PATIENCE => {}
                (503, "") => continue,
                (409 | 503, _) if retry.is_some() => {
                    tokio::time::sleep(Duration::from_secs(retry.unwrap_or_default())).await;
                    continue;
                }
                _ => {}
            }
            return End::Otherwise(answer.text);
        }
    }

    async fn alive(&self, token: &Value) -> End {
        let (me, shown) = (self.provider.me(&token["access_token"]).await, self.shown().await);
        if me.is_null() {
            return End::Otherwise("the provider does not accept the token".to_owned());
        }
        match (shown["status"].as_str(), shown["last_error"].is_null()) {
            (Some("active"), true) => End::Alive,
            _ => End::Otherwise(format!("there is a token, and the state is {shown}")),
        }
    }

    async fn reconnect(&self, problem: &Value) -> End {
        let shown = self.shown().await;
        let error = &shown["last_error"];
        let says = |name: &str| error[name].as_str().unwrap_or_default();
        let complete = ["code", "title", "detail", "fix", "at"].iter().all(|name| !says(name).is_empty());
        let advises = |text: &Value| text.as_str().is_some_and(|text| text.contains("Connect again"));
        if shown["status"] != "reauthorize"
            || !complete
            || !advises(&error["fix"])
            || !advises(&problem["fix"])
        {
            return End::Otherwise(format!("the state is {shown}, the caller was told {problem}"));
        }
        let spent = says("detail").contains("spent");
        if problem["detail"].as_str().unwrap_or_default().contains("spent") != spent {
            return End::Otherwise(format!("the caller was told {problem}, the state is {shown}"));
        }
        self.app.connect_in_browser(&self.connection).await;
        match self.ask().await {
            Answer { status: 200, body, .. } if self.alive(&body).await == End::Alive => {
                End::Reconnect { spent }
            }
            answer => End::Otherwise(format!("connecting again does not help: {}", answer.text)),
        }
    }

    pub(crate) async fn shown(&self) -> Value {
        self.app.show(&self.connection).await
    }
}

/// What is wrong with an answer that is no token: a problem says what happened and what to do, and no secret.
pub(crate) fn flaw_of(answer: &Answer) -> Option<String> {
    if answer.status == 200 {
        return None;
    }
    if answer.text.contains("bfp_") {
        return Some(format!("a secret is told: {}", answer.text));
    }
    // The gateway speaks for itself.
    if answer.body["message"].is_string() {
        return None;
    }
    let complete = ["code", "title", "detail", "fix"]
        .iter()
        .all(|name| answer.body[*name].as_str().is_some_and(|text| !text.is_empty()));
    (!complete).then(|| format!("an answer without explanation: {} {}", answer.status, answer.text))
}

/// A problem's code; nothing for a token, and for what the gateway says itself.
pub(crate) fn code_of(answer: &Answer) -> &str {
    answer.body["code"].as_str().unwrap_or_default()
}
