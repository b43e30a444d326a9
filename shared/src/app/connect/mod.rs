//! Connecting: from the link that an administrator asks for to the grant that the provider's answer becomes.
//!
//! The browser passes through four steps: it opens the link and sees what is about to be connected ([`Bifrost::offer`]),
//! says yes ([`Bifrost::begin`]), signs in at the provider, and comes back ([`Bifrost::finish`]). Where that makes someone
//! else of the one who was connected, there is a fifth: they say whether they mean it ([`Bifrost::decide`]). Every step
//! proves that it is the same browser as the one before: a mail scanner that opens links, a forwarded link or a stolen
//! redirect does nothing by itself.

mod confirm;
mod consent;
mod device;
mod finish;
mod import;
mod place;

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use serde_json::Value;

use super::{
    Bifrost,
    about::About,
    lookup::{Along, fill, needed_values, url_values},
};
#[cfg(feature = "openapi")]
use crate::model::input::MAX_TEXT;
use crate::{
    model::{
        Code, Exposed, Name, OrganizationId, Problem, Scope, Secret, Timestamp,
        access::{Caller, GrantPlace},
        connection::{Connection, Flow},
        failure::Failure,
        input::{Field, Input, Text},
        secret::sha256_hex,
    },
    oauth::{self, AuthorizeRequest},
    store::{
        ItemKey,
        tickets::{CallbackState, Ticket},
    },
};
pub use confirm::{Decision, Finished, Question};
pub use device::{Progress, Waiting, device_cookie};
pub(super) use finish::SignIn;
pub use finish::{Arrival, Connected, NotConnected};
pub use import::{ImportedGrant, OrganizationGrant};

/// How long a link is good if nothing else is asked for, and at most.
const DEFAULT_VALIDITY: u64 = 900;
const LONGEST_VALIDITY: u64 = 7 * 24 * 3600;
/// How long a person may take at the provider's sign-in, and a used state keeps its outcome.
pub const SIGN_IN_TIME: Duration = Duration::from_secs(10 * 60);
/// How long the cleaner has for what was held back for a question that nobody answered.
const UNANSWERED_TIME: Duration = Duration::from_secs(3600);
/// The attribute that the PKCE verifier is sealed under.
const VERIFIER: &str = "verifier";

/// A link to hand to whoever signs in.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ConnectLink {
    pub connect_url: Exposed,
    pub expires_at: Timestamp,
}

impl ConnectLink {
    /// What the link holds, for [`Bifrost::begin`].
    pub fn ticket(&self) -> Secret {
        let url = self.connect_url.0.expose();
        url.rsplit('/').next().unwrap_or_default().to_owned().into()
    }
}

/// A link that is asked for.
#[derive(Debug)]
pub struct LinkRequest {
    pub return_to: Option<String>,
    pub valid_for: Duration,
    /// On another device (RFC 8628). None: if there is no other way.
    pub device: Option<bool>,
}

impl LinkRequest {
    /// For whose own grant on a global connection it is. Whether that may be asked is decided before all else is read.
    pub fn organization(input: &mut Input) -> Result<Option<OrganizationId>, Problem> {
        input.decisive("organization_id")
    }

    /// `origins`: where `return_to` may lead.
    pub fn from_input(mut input: Input, origins: &[String]) -> Result<Self, Problem> {
        let return_to: Option<ReturnTo> = input.optional("return_to");
        let Validity(valid_for) = input.optional("valid_for").unwrap_or(Validity(DEFAULT_VALIDITY));
        let return_to = return_to.and_then(|ReturnTo(url)| {
            let url = allowed_return(&url, origins);
            if url.is_none() {
                input.wrong(
                    "return_to",
                    "must be a URL of the console, or on one of the origins that the stack's ReturnToOrigins allows",
                );
            }
            url
        });
        let device = input.optional("device");
        input.finish()?;
        Ok(Self { device, return_to, valid_for: Duration::from_secs(valid_for) })
    }
}

struct ReturnTo(String);

described!(ReturnTo: {
    "description": "Where the browser goes in the end: a URL of the console, or on one of the origins that the stack's ReturnToOrigins allows.",
    "type": "string", "format": "uri", "maxLength": MAX_TEXT,
});

impl Field for ReturnTo {
    const EXPECTED: &'static str = "a URL";

    fn from_json(value: Value) -> Result<Self, String> {
        // Headers of answers are short.
        Text::from_json(value).map(|Text(url)| Self(url))
    }
}

/// Seconds.
struct Validity(u64);

described!(Validity: {
    "description": "Seconds.",
    "type": "integer", "minimum": 1, "maximum": LONGEST_VALIDITY, "default": DEFAULT_VALIDITY,
});

impl Field for Validity {
    const EXPECTED: &'static str = "1 to 604800 seconds (7 days)";

    fn from_json(value: Value) -> Result<Self, String> {
        let seconds = u64::from_json(value).ok().filter(|seconds| (1..=LONGEST_VALIDITY).contains(seconds));
        seconds.map(Self).ok_or_else(|| format!("must be {}", Self::EXPECTED))
    }
}

/// What a person who opens a link is shown.
#[derive(Debug)]
pub struct Offer {
    pub connection: Name,
    pub description: Option<String>,
    /// The host that the person will be sent to.
    pub provider_host: String,
    pub scopes: Vec<String>,
    /// The organization's name, or None for the platform.
    pub organization: Option<String>,
    /// The key that asked.
    pub asked_by: String,
    pub expires_at: Timestamp,
}

/// Where a person who said yes goes.
#[derive(Debug)]
pub struct Departure {
    /// The provider's sign-in, with the state in it; for a sign-in on another device the page of the link, which shows what
    /// to type in there.
    pub location: Secret,
    /// The cookies that this browser must bring back, by name.
    pub cookies: Vec<(String, Secret)>,
    /// How long they are good.
    pub lifetime: Duration,
}

impl Bifrost {
    /// A link for connecting the grant in that place. `input` is the body, whose `organization_id` has told the place.
    pub async fn authorize(
        &self,
        caller: &Caller,
        place: GrantPlace,
        name: &Name,
        integration: Option<&Name>,
        input: Input,
        public_url: &str,
    ) -> Result<ConnectLink, Problem> {
        // Our own pages are a place to come back to as well: the console's.
        let origins = [self.environment.return_to_origins.as_slice(), &[public_url.to_owned()]].concat();
        let LinkRequest { return_to, valid_for, device } = LinkRequest::from_input(input, &origins)?;
        let GrantPlace { owner, scope: grant_scope } = place;
        let connection = self.connection_in_place(place, name).await?;
        let settings = &connection.settings;
        let device = device.unwrap_or(settings.redirecting_url().is_none())
            && settings.flow == Flow::AuthorizationCode;
        if device && settings.device_authorization_url.is_none() {
            return Err(Problem::invalid("device", "needs a connection with a device_authorization_url"));
        }
        if !device && settings.redirecting_url().is_none() && settings.flow == Flow::AuthorizationCode {
            return Err(Problem::invalid(
                "device",
                "can't be false: the connection has no authorization_url",
            ));
        }
        if settings.redirecting_url().is_none() && !device {
            let detail = format!(
                "{} has the flow client_credentials: nobody signs in to it. Where an administrator of a tenant must let \
                 the client in, set admin_consent_url.",
                connection.name
            );
            return Err(Problem::new(Code::WrongFlow, detail));
        }
        let url_values = self.values_for(grant_scope, &connection, integration).await?;
        let now = Timestamp::now();
        let ticket = Ticket {
            connection_id: connection.id,
            connection_name: connection.name.clone(),
            owner,
            grant_scope,
            asked_by: caller.key_id.clone(),
            return_to,
            url_values,
            redirect_uri: connection.redirect_uri(public_url),
            device,
            created_at: now,
            expires_at: now + valid_for,
            used_at: None,
        };
        let token = oauth::random_secret();
        // For the sign-ins that it began, and the questions that they end with.
        let kept_until = ticket.expires_at + SIGN_IN_TIME + SIGN_IN_TIME + UNANSWERED_TIME;
        self.store.create_ticket(&hash(&token), &ticket, kept_until).await?;
        if grant_scope == owner {
            self.store.connection_pending(&connection, ticket.expires_at).await?;
        }
        let connect_url = Exposed(format!("{public_url}/connect/{}", token.expose()).into());
        Ok(ConnectLink { connect_url, expires_at: ticket.expires_at })
    }

    /// The connection, for a scope that there is.
    async fn connection_in_place(&self, place: GrantPlace, name: &Name) -> Result<Connection, Problem> {
        if let Some(id) = place.scope.organization()
            && self.store.organization(id).await?.is_none()
        {
            return Err(Problem::not_found("organization", id));
        }
        let connection = self.store.connection(place.owner, &name.folded()).await?;
        connection.ok_or_else(|| Problem::not_found("connection", name))
    }

    /// What is about to be connected. Changes nothing.
    pub async fn offer(&self, token: &Secret) -> Result<Offer, Problem> {
        let (ticket, connection) = self.open_ticket(&hash(token), &About::default()).await?;
        let organization = match ticket.grant_scope {
            Scope::Global => None,
            Scope::Organization(id) => {
                let organization = self.store.organization(id).await?.ok_or_else(link_invalid)?;
                Some(organization.name)
            }
        };
        let host = authorization_url(&connection, &ticket)?.host_str().unwrap_or_default().to_owned();
        Ok(Offer {
            connection: connection.name,
            description: connection.settings.description,
            provider_host: host,
            scopes: connection.settings.scopes,
            organization,
            asked_by: ticket.asked_by,
            expires_at: ticket.expires_at,
        })
    }

    /// The person said yes: a state is made for this browser. `about` is told what the link is for.
    pub async fn begin(&self, token: &Secret, about: &About) -> Result<Departure, Problem> {
        let ticket_hash = hash(token);
        let (ticket, connection) = self.open_ticket(&ticket_hash, about).await?;
        if ticket.device {
            return self.begin_on_device(ticket_hash, &ticket, &connection, token).await;
        }
        let (state, cookie) = (oauth::random_secret(), oauth::random_secret());
        let state_hash = hash(&state);
        let for_code = connection.settings.flow == Flow::AuthorizationCode;
        let pkce = (for_code && connection.settings.pkce).then(oauth::new_pkce);
        let now = Timestamp::now();
        let verifier = match &pkce {
            Some((_, verifier)) => {
                let item = ItemKey::callback_state(&state_hash);
                Some(self.seal(ticket.grant_scope, &item, VERIFIER, verifier).await?)
            }
            None => None,
        };
        let callback_state = CallbackState {
            ticket: ticket_hash,
            cookie_hash: hash(&cookie),
            connection_revision: connection.revision,
            verifier,
            device: None,
            created_at: now,
            expires_at: now + SIGN_IN_TIME,
            used_at: None,
            used_by: None,
            held: None,
            outcome: None,
        };
        let authorize_url = oauth::authorize_url(&AuthorizeRequest {
            authorization_url: &authorization_url(&connection, &ticket)?,
            for_code,
            client_id: &connection.settings.client_id,
            redirect_uri: &ticket.redirect_uri,
            scopes: &connection.settings.scopes,
            state: &state,
            pkce: pkce.as_ref().map(|(challenge, _)| challenge),
            audience: connection.settings.audience.as_deref(),
            authorize_params: &connection.settings.authorize_params,
            dialect: &connection.settings.dialect,
        })
        .map_err(failure_problem)?;
        self.store.create_callback_state(&state_hash, &callback_state).await?;
        Ok(Departure {
            location: authorize_url.to_string().into(),
            cookies: vec![(cookie_name(&state_hash), cookie)],
            lifetime: SIGN_IN_TIME,
        })
    }

    /// A link that may still be followed, and the very connection it is for.
    async fn open_ticket(&self, ticket_hash: &str, about: &About) -> Result<(Ticket, Connection), Problem> {
        let (ticket, connection) = self.ticket_and_connection(ticket_hash, about).await?;
        check_unused(&ticket)?;
        if ticket.expires_at <= Timestamp::now() {
            return Err(Problem::new(Code::LinkInvalid, "This link has expired."));
        }
        Ok((ticket, connection))
    }

    /// A ticket, and the very connection that it is for. One that expires while its bearer is signing in serves to the end.
    pub(in crate::app) async fn ticket_and_connection(
        &self,
        ticket_hash: &str,
        about: &About,
    ) -> Result<(Ticket, Connection), Problem> {
        let ticket = self.store.ticket(ticket_hash).await?.ok_or_else(link_invalid)?;
        about.of_link(&ticket);
        let connection = self.store.connection(ticket.owner, &ticket.connection_name.folded()).await?;
        let connection = connection.filter(|connection| connection.id == ticket.connection_id);
        Ok((ticket, connection.ok_or_else(link_invalid)?))
    }

    /// What fills the placeholders of a connection's URLs for one scope; a missing one is the caller's to mend. Without
    /// an integration, that of the connection's own name fills them.
    pub(super) async fn values_for(
        &self,
        scope: Scope,
        connection: &Connection,
        integration: Option<&Name>,
    ) -> Result<BTreeMap<String, String>, Problem> {
        let folded = connection.name.folded();
        let name = integration.map_or_else(|| folded.clone(), Name::folded);
        let found = self.look_up_integration(scope, &name, Along::Nothing).await?;
        let seen = match (found, integration) {
            (Some((seen, _)), Some(_)) => {
                seen.require_use_of(&folded)?;
                Some(seen)
            }
            (None, Some(integration)) => return Err(Problem::not_found("integration", integration)),
            (found, None) => found.map(|(seen, _)| seen).filter(|seen| seen.uses(&folded)),
        };
        let mapped = seen.as_ref().is_some_and(|seen| seen.mapping.is_some());
        if !mapped && !self.is_available(scope, connection, integration.is_none()).await? {
            return Err(Problem::not_found("connection", &connection.name));
        }
        let values = url_values(connection, seen.as_ref());
        let mut needed = BTreeMap::new();
        for url in connection.settings.urls() {
            fill(&connection.settings, url, &values)?;
            needed.extend(needed_values(url, &values));
        }
        Ok(needed)
    }
}

/// `return_to`, in the form that headers take, if it leads to an origin that the stack allows.
fn allowed_return(text: &str, origins: &[String]) -> Option<String> {
    let url = url::Url::parse(text).ok()?;
    let origin = url.origin().ascii_serialization();
    let plain = url.username().is_empty() && url.password().is_none();
    (plain && origins.contains(&origin)).then(|| url.to_string())
}

fn authorization_url(connection: &Connection, ticket: &Ticket) -> Result<url::Url, Problem> {
    let template = match ticket.device {
        true => connection.settings.device_authorization_url.as_ref(),
        false => connection.settings.redirecting_url(),
    };
    let template = template.ok_or_else(link_invalid)?;
    fill(&connection.settings, template, &ticket.url_values)
}

/// A ticket serves one sign-in that succeeds.
fn check_unused(ticket: &Ticket) -> Result<(), Problem> {
    match ticket.used_at {
        Some(_) => Err(Problem::new(Code::LinkInvalid, "This link has been used.")),
        None => Ok(()),
    }
}

fn link_invalid() -> Problem {
    Problem::new(Code::LinkInvalid, "There is no such link, or it is for a connection that is gone.")
}

fn failure_problem(failure: Failure) -> Problem {
    let detail = format!("{}: {}", failure.title, failure.detail);
    Problem::new(Code::ProviderRefused, detail).fix(failure.fix)
}

/// Tickets, states and cookies are 256 random bits, stored as their SHA-256.
fn hash(secret: &Secret) -> String {
    sha256_hex(&[secret.expose()])
}

/// The name of the cookie that comes back with a state.
pub fn state_cookie(state: &Secret) -> String {
    cookie_name(&hash(state))
}

/// Named after the state, so that two tabs don't disturb each other.
fn cookie_name(state_hash: &str) -> String {
    format!("bifrost-state-{}", &state_hash[..16])
}
