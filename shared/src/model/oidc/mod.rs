//! People who sign in: who they are by a token of the one OpenID Connect issuer that the stack is told to trust.
//!
//! The rules are those of RFC 8725 (JSON Web Token Best Current Practices), of RFC 9068 for access tokens, and of OpenID
//! Connect Core 1.0 for ID tokens; where they leave a choice, the narrow one is taken. `rfc8725` holds the forgeries, one
//! by one. Fetching the issuer's keys is for `oauth::issuer`, remembering them for `app::people`.

mod json;
mod jwk;
#[cfg(test)]
mod rfc8725;
#[cfg(test)]
pub(crate) mod tests;
mod token;

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::{
    Scope, Timestamp,
    access::{Caller, Role, matrix::Kind},
};
pub use jwk::KeySet;
pub use token::UnverifiedToken;

/// What the template's parameters say about signing in, as they say it.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `BIFROST_OIDC_ISSUER`; nobody signs in where it is empty.
    pub issuer: String,
    /// `BIFROST_OIDC_AUDIENCE`
    pub audience: String,
    /// `BIFROST_OIDC_TOKEN_TYPE`
    pub token_type: String,
    /// `BIFROST_OIDC_ROLE_CLAIM`
    pub role_claim: String,
    /// `BIFROST_OIDC_ORGANIZATION_CLAIM`
    pub organization_claim: String,
}

/// Whose tokens are taken, and what they must say.
#[derive(Clone, Debug)]
pub struct Policy {
    issuer: String,
    audience: String,
    token_type: TokenType,
    role_claim: String,
    organization_claim: String,
    configuration_url: Url,
}

/// What tokens say that they are. A stack takes one kind alone, so that what an issuer signs for another purpose is not
/// taken for a sign-in (RFC 8725 sections 3.11 and 3.12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TokenType {
    /// RFC 9068 section 2.1.
    AccessToken,
    /// ID tokens, and the access tokens of issuers that do not tell them apart. Who they are for tells it then: an ID token
    /// is for a client, an access token for an API.
    Jwt,
}

/// Someone who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    subject: String,
    pub role: Role,
    /// The platform, said explicitly, or an organization.
    pub home: Scope,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

/// Why a token is not taken. For the log: whoever presents a token is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the token has more than 8 KiB")]
    TooLarge,
    #[error("this is no JWS in compact form")]
    NoJws,
    #[error("the header has a member that is not tolerated, or one of the wrong type")]
    Header,
    #[error("alg is none of RS256, PS256, ES256, ES384, EdDSA")]
    Algorithm,
    #[error("typ is another than OidcTokenType asks for")]
    Type,
    #[error("the issuer has no such key, or several, for this algorithm")]
    UnknownKey,
    #[error("the signature is not good")]
    Signature,
    #[error("the claims are no JSON object, or have a member twice")]
    NoClaims,
    #[error("iss is not OidcIssuer")]
    Issuer,
    #[error("aud does not name OidcAudience")]
    Audience,
    #[error("exp, iat or nbf is no time, or exp or iat is missing")]
    Times,
    #[error("the token has expired")]
    Expired,
    #[error("the token is not good yet")]
    NotYet,
    #[error("the token is good for more than 24 hours, or for no time at all")]
    Lifetime,
    #[error("the token is something else than a sign-in, or bound to a key that the bearer has to prove")]
    OtherUse,
    #[error("sub is missing, or is no text of 1 to 255 printable ASCII characters")]
    Subject,
    #[error("the claim of OidcRoleClaim is neither admin, user nor workflow, nor a list of one of them")]
    Role,
    #[error("the claim of OidcOrganizationClaim is neither an organization's UUID nor platform")]
    Organization,
    #[error("there is no such organization, or it was made after the token")]
    NoOrganization,
    #[error("no such role there: admin is for the platform and provider organizations")]
    RoleThere,
}

impl Refusal {
    /// Whether it is for what the token says, and not for what it is: the issuer's key has signed it.
    pub fn is_of_claims(self) -> bool {
        match self {
            Self::TooLarge
            | Self::NoJws
            | Self::Header
            | Self::Algorithm
            | Self::Type
            | Self::UnknownKey
            | Self::Signature
            | Self::NoClaims => false,
            Self::Issuer
            | Self::Audience
            | Self::Times
            | Self::Expired
            | Self::NotYet
            | Self::Lifetime
            | Self::OtherUse
            | Self::Subject
            | Self::Role
            | Self::Organization
            | Self::NoOrganization
            | Self::RoleThere => true,
        }
    }
}

/// How far the issuer's clock may be ahead of ours. There is no grace for `exp`: what is over is over.
const CLOCK_SKEW: Duration = Duration::from_secs(30);
/// The longest that a token may be good for. A sign-in can't be revoked, it can only end.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// OpenID Connect Core 1.0 section 2.
const MAX_SUBJECT: usize = 255;
/// The latest time that RFC 3339 can write, in seconds.
const LATEST: f64 = 253_402_300_799.0;
/// What the organization claim says for a caller of the platform.
const PLATFORM: &str = "platform";
/// What the ids of callers who signed in begin with. No key's id does.
pub const CALLER_PREFIX: &str = "oidc:";

impl Policy {
    /// None where nobody is to sign in. An error names the parameter that is wrong.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>, String> {
        let Settings { issuer, audience, token_type, role_claim, organization_claim } = settings.clone();
        if issuer.is_empty() {
            return Ok(None);
        }
        let given = [
            ("OidcAudience", &audience),
            ("OidcRoleClaim", &role_claim),
            ("OidcOrganizationClaim", &organization_claim),
        ];
        if let Some((name, _)) = given.iter().find(|(_, value)| value.is_empty()) {
            return Err(format!("{name} is required with OidcIssuer"));
        }
        if role_claim == organization_claim {
            return Err("OidcRoleClaim and OidcOrganizationClaim must be two claims".to_owned());
        }
        let token_type = match token_type.as_str() {
            "at+jwt" => TokenType::AccessToken,
            "JWT" => TokenType::Jwt,
            _ => return Err("OidcTokenType must be at+jwt or JWT".to_owned()),
        };
        // OpenID Connect Discovery 1.0 section 4. That it is https is for the outbound guard to see to.
        let configuration = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let configuration_url = Url::parse(&configuration).ok().filter(|_| !issuer.contains(['?', '#', '@']));
        let configuration_url =
            configuration_url.ok_or("OidcIssuer must be an https URL without query and fragment")?;
        Ok(Some(Self { issuer, audience, token_type, role_claim, organization_claim, configuration_url }))
    }

    /// Where the issuer says what it is.
    pub fn configuration_url(&self) -> &Url {
        &self.configuration_url
    }

    /// Where the keys are, as the issuer's configuration says. None for that of another issuer (OpenID Connect Discovery
    /// 1.0 section 4.3).
    pub fn jwks_url(&self, configuration: &[u8]) -> Option<Url> {
        let configuration = json::object(configuration)?;
        let text = |name: &str| configuration.get(name)?.as_str();
        (text("issuer")? == self.issuer).then_some(())?;
        text("jwks_uri")?.parse().ok()
    }

    /// Whether it says that it is what is taken here. Asked before its key is looked for.
    pub fn takes(&self, token: &UnverifiedToken<'_>) -> Result<(), Refusal> {
        let kind = token.kind.as_deref().map(str::to_ascii_lowercase);
        // RFC 7515 section 4.1.9 lets `application/` be left out.
        let kind = kind.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
        let taken = match self.token_type {
            TokenType::AccessToken => kind == Some("at+jwt"),
            TokenType::Jwt => kind.is_none_or(|kind| kind == "jwt"),
        };
        taken.then_some(()).ok_or(Refusal::Type)
    }

    /// Who signed in, if this token shows it.
    pub fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Person, Refusal> {
        self.takes(token)?;
        self.person(&token.verified_claims(keys)?, now)
    }

    /// Whom a token is about that was refused for its claims, as callers are called; if the issuer says so at all.
    pub fn caller_id(&self, token: &UnverifiedToken<'_>, keys: &KeySet) -> Option<String> {
        let claims = token.verified_claims(keys).ok()?;
        let is_of_issuer = claims.get("iss").and_then(Value::as_str) == Some(&self.issuer);
        is_of_issuer.then(|| subject(&claims)).flatten().map(caller_id)
    }

    /// What the issuer has said, and so what remains is whether it said so for us, of now, and enough of it.
    fn person(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<Person, Refusal> {
        if claims.get("iss").and_then(Value::as_str) != Some(&self.issuer) {
            return Err(Refusal::Issuer);
        }
        if !claims.get("aud").is_some_and(|audience| self.is_among(audience)) {
            return Err(Refusal::Audience);
        }
        let (expires_at, issued_at) = (time(claims, "exp")?, time(claims, "iat")?);
        let (Some(expires_at), Some(issued_at)) = (expires_at, issued_at) else {
            return Err(Refusal::Times);
        };
        let not_before = time(claims, "nbf")?.unwrap_or(issued_at);
        if expires_at <= now {
            return Err(Refusal::Expired);
        }
        if not_before.max(issued_at) > now + CLOCK_SKEW {
            return Err(Refusal::NotYet);
        }
        let life = expires_at.since(issued_at);
        if life.is_zero() || life > LONGEST_LIFE {
            return Err(Refusal::Lifetime);
        }
        // RFC 8417 section 2.2 and OpenID Connect Back-Channel Logout 1.0 section 2.4: a report of something that happened.
        // RFC 7800: a token that is worth nothing without a proof, which a bearer does not bring.
        if claims.contains_key("events") || claims.contains_key("cnf") {
            return Err(Refusal::OtherUse);
        }
        let subject = subject(claims).ok_or(Refusal::Subject)?.to_owned();
        let role = claims.get(&self.role_claim).and_then(role).ok_or(Refusal::Role)?;
        let home = claims.get(&self.organization_claim).and_then(home).ok_or(Refusal::Organization)?;
        Ok(Person { subject, role, home, issued_at, expires_at })
    }

    /// Whether we are the audience, or one of several (RFC 7519 section 4.1.3).
    fn is_among(&self, audience: &Value) -> bool {
        match audience {
            Value::String(one) => *one == self.audience,
            Value::Array(several) => {
                several.iter().all(Value::is_string) && several.contains(&self.audience.as_str().into())
            }
            _ => false,
        }
    }
}

/// Whom the issuer tells from all others, if it is a text that we can call someone.
fn subject(claims: &Map<String, Value>) -> Option<&str> {
    let printable = |text: &&str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let subject = claims.get("sub").and_then(Value::as_str).filter(printable);
    subject.filter(|subject| (1..=MAX_SUBJECT).contains(&subject.len()))
}

fn caller_id(subject: &str) -> String {
    format!("{CALLER_PREFIX}{}", plain(subject))
}

/// A point in time (RFC 7519 section 2, "NumericDate"); one that is there and is none makes the token none.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let seconds = value.as_f64().filter(|seconds| (0.0..=LATEST).contains(seconds)).ok_or(Refusal::Times)?;
    Ok(Some(Timestamp::from_unix_millis((seconds * 1000.0) as i64)))
}

/// One role, alone or as the only one of a list. Which of several is meant would be a guess.
fn role(claim: &Value) -> Option<Role> {
    let name = match claim {
        Value::Array(roles) => match roles.as_slice() {
            [role] => role,
            _ => return None,
        },
        one => one,
    };
    match name.as_str()? {
        "admin" => Some(Role::Admin),
        "user" => Some(Role::User),
        "workflow" => Some(Role::Workflow),
        _ => None,
    }
}

/// The platform only where that is what is said, in this one way. An organization's id is written as we write it.
fn home(claim: &Value) -> Option<Scope> {
    match claim.as_str()? {
        PLATFORM => Some(Scope::Global),
        id if id.len() == uuid::fmt::Hyphenated::LENGTH => {
            Some(Scope::Organization(Uuid::try_parse(id).ok()?.into()))
        }
        _ => None,
    }
}

impl Person {
    /// Until when whatever stands there must have been made. `iat` counts whole seconds, so one that was made within
    /// the same second counts as earlier.
    pub fn made_before(&self) -> Timestamp {
        self.issued_at + Duration::from_millis(999)
    }

    /// What it is called as a caller.
    pub fn caller_id(&self) -> String {
        caller_id(&self.subject)
    }

    /// Whether its holder belongs to the platform or a provider decides the organization, not the token.
    pub fn caller(&self, is_provider: bool) -> Result<Caller, Refusal> {
        if !Kind::of(self.home, is_provider).has(self.role) {
            return Err(Refusal::RoleThere);
        }
        Ok(Caller {
            key_id: self.caller_id(),
            role: self.role,
            home: self.home,
            is_provider,
            secret_reach: self.role.secret_reach(),
            expires_at: Some(self.expires_at),
            allowed_cidrs: Vec::new(),
        })
    }
}

/// A subject for logs and pages: what could end a word or a text there is written in hexadecimal, as is the sign that says
/// so; two subjects stay two.
fn plain(subject: &str) -> String {
    let letter = |c: char| match c {
        ' ' | '"' | '%' | '&' | '\'' | '<' | '>' | '\\' | '`' => format!("%{:02X}", u32::from(c)),
        c => c.to_string(),
    };
    subject.chars().map(letter).collect()
}
