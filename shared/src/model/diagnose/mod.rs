//! The doctor's judgement: what is wrong with a connection, from facts that others have gathered.
//!
//! Each check is a function of [`Facts`] and knows nothing of the others, so that one broken thing shows in every place
//! where it matters. A check says what it saw; only where something is to be done has it a fix.

mod client;
mod endpoints;
mod grant;
mod scopes;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::{
    Name, Problem, Secret, Timestamp,
    connection::{Connection, Flow, LastError},
    failure::Failure,
    grant::Grant,
    preset::Preset,
    provider_errors::{self, NamedError},
};

/// How a connection is, check by check.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Diagnosis {
    pub connection_name: Name,
    /// That of the worst check.
    pub status: CheckStatus,
    pub checks: Vec<Check>,
}

/// From good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema), schemars(inline))]
#[serde(rename_all = "snake_case")]
pub enum CheckStatus {
    /// There was nothing to look at.
    Skip,
    Pass,
    /// It works, but not well, or not for long; or it may be wrong.
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Check {
    /// `redirect_uri`, `client_id`, `client_secret`, `urls`, `scopes`, `granted_scopes`, `authorization_url`, `token_url`,
    /// `clock`, `client`, `grant`, `refresh_token`, `organizations` or `last_error`.
    pub id: &'static str,
    pub title: &'static str,
    pub status: CheckStatus,
    /// What was seen.
    pub detail: String,
    /// What to do; null where nothing is.
    pub fix: Option<String>,
}

/// All that the checks judge by.
#[derive(Debug)]
pub struct Facts<'a> {
    pub connection: &'a Connection,
    pub preset: Option<&'a Preset>,
    /// None for a flow without one.
    pub redirect_uri: Option<&'a str>,
    /// The secret, or why it can't be read.
    pub client_secret: Result<Option<&'a Secret>, &'a Problem>,
    pub urls: &'a [FilledUrl],
    /// The connection's own grant, if there is one.
    pub grant: Option<&'a Grant>,
    /// Why nothing of the connection is refreshed, if so.
    pub held_back: Option<&'a LastError>,
    pub organizations: Organizations,
    pub authorization: Probe,
    pub token: Probe,
    /// A token that the client asked for in its own name.
    pub proof: Proof,
    pub now: Timestamp,
}

/// One of the connection's URLs, with what there is to fill its placeholders.
#[derive(Debug)]
pub struct FilledUrl {
    /// The field that has it.
    pub field: &'static str,
    pub placeholders: Vec<Filling>,
    /// Why it can't be filled.
    pub problem: Option<Problem>,
}

#[derive(Debug)]
pub struct Filling {
    pub name: String,
    /// Where the value comes from; None: there is none.
    pub by: Option<&'static str>,
}

/// The grants that organizations have of their own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Organizations {
    pub active: u32,
    pub failing: u32,
    pub reauthorize: u32,
}

/// A request to an endpoint that could do nothing.
#[derive(Clone, Debug)]
pub enum Probe {
    /// It was not sent, for this reason.
    Unsent(&'static str),
    Unanswered(Failure),
    Answered(Answered),
}

#[derive(Clone, Debug)]
pub struct Answered {
    pub status: u16,
    /// By how many seconds the provider's clock is ahead of ours, if it told the time.
    pub clock_ahead: Option<i64>,
    pub says: Says,
}

/// What an answer says, as far as that can be told.
#[derive(Clone, Debug)]
pub enum Says {
    Error(Failure),
    /// JSON, but no error that OAuth knows.
    Json,
    Page {
        about_redirect_uri: bool,
    },
    /// Ask another host, or another path of this one.
    GoElsewhere {
        host: String,
    },
    Nothing,
}

/// What came of asking for a token in the client's own name.
#[derive(Clone, Debug)]
pub enum Proof {
    /// It was not asked for: the flow is another, or something is missing.
    Unasked,
    Given,
    Refused(Failure),
}

type Judge = fn(&Facts<'_>) -> Judgement;

/// Id, title and judge of each check, in the order in which things are set up.
const CHECKS: [(&str, &str, Judge); 14] = [
    ("redirect_uri", "Redirect URI", client::redirect_uri),
    ("client_id", "Client id", client::client_id),
    ("client_secret", "Client secret", client::client_secret),
    ("urls", "URLs", endpoints::urls),
    ("scopes", "Scopes asked for", scopes::asked),
    ("granted_scopes", "Scopes granted", scopes::granted),
    ("authorization_url", "Sign-in page", endpoints::authorization),
    ("token_url", "Token endpoint", endpoints::token),
    ("clock", "Clocks", endpoints::clock),
    ("client", "The provider accepts the client", client::accepted),
    ("grant", "Grant", grant::own),
    ("refresh_token", "Refresh token", grant::refresh_token),
    ("organizations", "Grants of organizations", grant::organizations),
    ("last_error", "Last error", grant::last_error),
];

/// What a check came to.
struct Judgement {
    status: CheckStatus,
    detail: String,
    fix: Option<String>,
}

impl Diagnosis {
    pub fn of(facts: &Facts<'_>) -> Self {
        let judged = CHECKS.iter().map(|(id, title, judge)| {
            let Judgement { status, detail, fix } = judge(facts);
            Check { id, title, status, detail, fix }
        });
        let checks: Vec<_> = judged.collect();
        let status = checks.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Pass);
        Self { connection_name: facts.connection.name.clone(), status, checks }
    }
}

impl Judgement {
    fn pass(detail: impl Into<String>) -> Self {
        Self { status: CheckStatus::Pass, detail: detail.into(), fix: None }
    }

    fn skip(detail: impl Into<String>) -> Self {
        Self { status: CheckStatus::Skip, ..Self::pass(detail) }
    }

    fn warn(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: CheckStatus::Warn, fix: Some(fix.into()), ..Self::pass(detail) }
    }

    fn fail(detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: CheckStatus::Fail, ..Self::warn(detail, fix) }
    }
}

impl Facts<'_> {
    fn signs_in(&self) -> bool {
        self.connection.settings.flow == Flow::AuthorizationCode
    }

    /// The grant, if it is more than a memory of one.
    fn connected(&self) -> Option<&Grant> {
        self.grant.filter(|grant| grant.status.is_connected())
    }

    /// What went wrong and has not been mended since, the newest first.
    fn errors(&self) -> Vec<&LastError> {
        let refresh = self.connected().and_then(|grant| grant.last_error.as_ref());
        let errors = [refresh, self.connection.connect_error.as_ref(), self.held_back];
        let mut errors: Vec<_> = errors.into_iter().flatten().collect();
        errors.sort_by_key(|error| std::cmp::Reverse(error.at));
        errors
    }

    /// Those whose meaning speaks of this.
    fn error_about(&self, what: &[&str]) -> Option<Translated> {
        let translated = self.errors().into_iter().map(|error| self.translated(error));
        translated.into_iter().find(|error| speaks_of(&error.title, what))
    }

    /// An error as the table has it today, which may know more than when the error was noted.
    fn translated(&self, error: &LastError) -> Translated {
        let settings = &self.connection.settings;
        let urls = settings.authorization_url.iter().chain([&settings.token_url]);
        for url in urls {
            let host = url.as_str().split('/').nth(2).unwrap_or_default();
            let host = host.split(':').next().unwrap_or_default();
            let named =
                NamedError { host, code: &error.code, description: Some(&error.detail), subcode: None };
            if let Some((code, title, fix)) = provider_errors::own_meaning(&named) {
                let (title, fix) = (title.to_owned(), fix.to_owned());
                return Translated { code: code.to_owned(), title, detail: error.detail.clone(), fix };
            }
        }
        let LastError { code, title, detail, fix, .. } = error.clone();
        Translated { code, title, detail, fix }
    }

    /// How a person takes the provider's access away, so that connecting begins from nothing.
    fn revoke_access(&self) -> Option<&str> {
        self.preset?.revoke_access.as_ref().map(|revoke| revoke.text.as_str())
    }

    /// `fix`, with what helps where connecting again does not.
    fn reconnecting(&self, fix: &str) -> String {
        match self.revoke_access() {
            Some(text) => format!("{fix} If that does not help, take the old access away first: {text}"),
            None => fix.to_owned(),
        }
    }
}

/// A [`LastError`] in the words of today.
#[derive(Debug)]
struct Translated {
    code: String,
    title: String,
    detail: String,
    fix: String,
}

fn speaks_of(text: &str, what: &[&str]) -> bool {
    let text = text.to_lowercase();
    what.iter().any(|word| text.contains(word))
}

const REDIRECT_URI: &[&str] = &["redirect uri"];
const SCOPE: &[&str] = &["scope"];
