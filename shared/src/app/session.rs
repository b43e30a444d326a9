//! Sessions of people who use the console: a key that was typed in once, sealed into a cookie.
//!
//! Nothing is stored. A session holds its key, and every request asks anew whose key that is: a key that is revoked, and
//! an organization that is deleted, end their sessions at once.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::{Bifrost, authenticate::Stranger};
use crate::{
    model::{
        Code, Exposed, Problem, Scope, Sealed, Secret, Timestamp,
        access::{Caller, Role},
        secret::sha256_hex,
    },
    oauth,
    store::ItemKey,
};

/// How long a person stays signed in: a working day.
pub const SESSION_TIME: Duration = Duration::from_secs(8 * 3600);
/// The attribute under which sessions are sealed, as if they were stored.
const SESSION: &str = "session";

/// Who is signed in.
#[derive(Debug)]
pub struct Session {
    pub caller: Caller,
    pub expires_at: Timestamp,
    form_secret: Secret,
}

/// What goes into the cookie.
#[derive(Serialize)]
struct Kept {
    key: Exposed,
    form_secret: Exposed,
    expires_at: Timestamp,
}

/// What comes out of it.
#[derive(Deserialize)]
struct Opened {
    key: Secret,
    form_secret: Secret,
    expires_at: Timestamp,
}

impl Session {
    /// What every form of this session brings along, which only its own pages can know.
    pub fn form_token(&self) -> String {
        sha256_hex(&["console", self.form_secret.expose()])
    }
}

/// Nobody was signed in.
#[derive(Debug)]
pub struct NotAdmitted {
    pub problem: Problem,
    /// Whose key it is that may not be used here; or what there is to say of one that is nobody's.
    pub who: Option<Result<Caller, Stranger>>,
}

impl From<Problem> for NotAdmitted {
    fn from(problem: Problem) -> Self {
        Self { problem, who: None }
    }
}

impl Bifrost {
    /// Signs a person in with a key: the session, and the cookie that stands for it.
    pub async fn sign_in(&self, key: &Secret) -> Result<(Session, Secret), NotAdmitted> {
        let wrong = |message: &str| Problem::invalid("key", message);
        let caller = self.authenticate(key.expose()).await?.map_err(|stranger| NotAdmitted {
            problem: wrong("is not a key of this stack, or has been revoked"),
            who: Some(Err(stranger)),
        })?;
        if caller.role == Role::Workflow {
            let problem = wrong("is a workflow's; people sign in with a key of the role user or admin");
            return Err(NotAdmitted { problem, who: Some(Ok(caller)) });
        }
        let now = Timestamp::now();
        let lifetime_of_key = caller.expires_at.unwrap_or(now + SESSION_TIME);
        let expires_at = lifetime_of_key.min(now + SESSION_TIME);
        let form_secret = oauth::random_secret();
        let kept = Kept { key: Exposed(key.clone()), form_secret: Exposed(form_secret.clone()), expires_at };
        let kept = Secret::from(serde_json::to_string(&kept).map_err(Problem::internal)?);
        let data_key = self.vault.recent(Scope::Global).await?;
        let sealed = data_key.seal(&ItemKey::session(), SESSION, &kept)?;
        let cookie = URL_SAFE_NO_PAD.encode(sealed.as_bytes()).into();
        Ok((Session { caller, expires_at, form_secret }, cookie))
    }

    /// The session that a cookie stands for; `None` if it is none of ours, or over.
    pub async fn session(&self, cookie: &Secret) -> Result<Option<Session>, Problem> {
        let Ok(sealed) = URL_SAFE_NO_PAD.decode(cookie.expose()).map(Sealed::from_bytes) else {
            return Ok(None);
        };
        let opened = match self.vault.open(Scope::Global, &ItemKey::session(), SESSION, &sealed).await {
            Err(problem) if problem.code == Code::SecretUnavailable => return Ok(None),
            opened => opened?,
        };
        let Opened { key, form_secret, expires_at } =
            serde_json::from_str(opened.expose()).map_err(Problem::internal)?;
        if expires_at <= Timestamp::now() {
            return Ok(None);
        }
        let caller = self.authenticate(key.expose()).await?;
        Ok(caller.ok().map(|caller| Session { caller, expires_at, form_secret }))
    }
}
