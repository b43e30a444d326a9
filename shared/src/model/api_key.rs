//! API keys: `bfk_<id>_<secret>`, of which only the secret's hash is stored.

use std::{fmt, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    ApiKeyId, Problem, Scope, Secret, Timestamp,
    access::{Caller, Operation, Role, SecretReach, matrix::Kind},
    input::{Field, Input, text},
    secret::sha256_hex,
};

const PREFIX: &str = "bfk_";
/// Where a key's id stands, the root key has this word.
const ROOT: &str = "root";
/// How long a key for automations is good at most that someone made who had signed in. It may outlast the sign-in, which is
/// an hour or so, but not for ever: no key above it can be revoked.
const LONGEST_FROM_A_PERSON: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The most networks that a key can be tied to.
const MAX_CIDRS: usize = 50;

/// What a caller sent as its key, taken apart. Not yet compared with anything.
#[derive(Debug, PartialEq, Eq)]
pub enum PresentedKey {
    /// The key generated when the stack was deployed.
    Root(Secret),
    Issued {
        id: ApiKeyId,
        secret: Secret,
    },
}

/// The SHA-256 of a key's secret, in hexadecimal. The secret has 256 random bits, so a fast hash does, and comparing
/// hashes tells an attacker nothing by its duration: he can't choose them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyHash(String);

/// A key as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub hash: KeyHash,
    pub name: String,
    pub role: Role,
    /// The platform, said explicitly, or an organization.
    pub home: Scope,
    pub secret_reach: SecretReach,
    pub expires_at: Option<Timestamp>,
    pub allowed_cidrs: Vec<IpNet>,
    /// The keys that made this one, from its parent up; it dies with any of them. The root key isn't listed: it can't
    /// be revoked.
    pub ancestors: Vec<ApiKeyId>,
    /// Who made it, as callers are called: the only trace of a person who signed in, for whom there is nothing to die with.
    /// Keys from before this was kept have none.
    #[serde(default)]
    pub created_by: Option<String>,
    pub created_at: Timestamp,
}

/// A key that is asked for.
#[derive(Debug)]
pub struct NewApiKey {
    pub name: String,
    pub role: Role,
    pub home: Scope,
    pub read_secrets: Option<bool>,
    pub expires_at: Option<Timestamp>,
    pub allowed_cidrs: Vec<IpNet>,
}

impl PresentedKey {
    /// Whether the text is meant to be one of our keys, and not something else that callers can present.
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// `None` for whatever can't be one of our keys.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let secret = Secret::from(secret.to_owned());
        match id {
            ROOT => Some(Self::Root(secret)),
            id => Some(Self::Issued { id: id.parse().ok()?, secret }),
        }
    }
}

/// The key in full, shown once to whoever made it.
pub fn key_text(id: ApiKeyId, secret: &Secret) -> Secret {
    format!("{PREFIX}{}_{}", id.uuid().simple(), secret.expose()).into()
}

impl KeyHash {
    pub fn of(secret: &Secret) -> Self {
        Self(sha256_hex(&[secret.expose()]))
    }
}

impl NewApiKey {
    /// From the body of a request by `maker`, who must be permitted to make keys there. A key must say where it belongs:
    /// a missing organization is never taken for the platform.
    pub fn from_input(body: Map<String, Value>, maker: &Caller, now: Timestamp) -> Result<Self, Problem> {
        let mut input = Input::new(body);
        let name = text(&mut input, "name").unwrap_or_default();
        let role = input.required("role").unwrap_or(Role::Workflow);
        let home: Option<Scope> = input.decisive("organization_id")?;
        let platform = input.optional("platform").unwrap_or(false);
        if platform && home.is_some_and(|home| home != Scope::Global) {
            input.wrong("platform", "can't be true for a key of an organization");
        }
        let own_organization = Some(maker.home).filter(|home| *home != Scope::Global);
        let home = home.or(platform.then_some(Scope::Global)).or(own_organization).unwrap_or_else(|| {
            input.wrong(
                "organization_id",
                "is required: an organization's UUID, or \"global\" for a key of the platform",
            );
            maker.home
        });
        maker.permitted(Operation::KeysCreate, home)?;
        let read_secrets = input.optional("read_secrets");
        let expires_at: Option<Timestamp> = input.optional("expires_at");
        let expires_in: Option<u64> = input.optional("expires_in");
        let expires_at = match (expires_at, expires_in) {
            (Some(_), Some(_)) => {
                input.wrong("expires_in", "can't be given together with expires_at");
                None
            }
            (at, None) => at,
            (None, Some(seconds)) => Some(now + Duration::from_secs(seconds)),
        };
        if expires_at.is_some_and(|at| at <= now) {
            input.wrong(
                if expires_in.is_some() { "expires_in" } else { "expires_at" },
                "must lie in the future",
            );
        }
        let Networks(allowed_cidrs) = input.optional("allowed_cidrs").unwrap_or_default();
        input.finish()?;
        Ok(Self { name, role, home, read_secrets, expires_at, allowed_cidrs })
    }

    /// The key that `maker` gets for this: refused where it asks for more than the maker's own rights; expiry and
    /// networks that it leaves out are the maker's.
    pub fn limited_by(
        self,
        maker: &Caller,
        ancestors: Vec<ApiKeyId>,
        hash: KeyHash,
        id: ApiKeyId,
        now: Timestamp,
    ) -> Result<ApiKey, Problem> {
        if !maker.manages_keys_with(self.role) {
            let detail = format!("A key with the role {} makes keys for the role workflow only.", maker.role);
            return Err(Problem::forbidden(detail));
        }
        let secret_reach = match self.read_secrets {
            None => self.role.secret_reach(),
            Some(false) => SecretReach::None,
            // A user reads what its own scope owns and no more, whoever makes its key.
            Some(true) if self.role == Role::User => SecretReach::Own.min(maker.secret_reach),
            Some(true) => self.role.secret_reach().max(maker.secret_reach),
        };
        let asks_in_vain = self.read_secrets == Some(true) && secret_reach == SecretReach::None;
        if asks_in_vain || secret_reach > maker.secret_reach {
            return Err(Problem::forbidden("The new key would read secrets that yours does not."));
        }
        let (limit, what) = match maker.person() {
            None => (maker.expires_at, "your own key's"),
            // What people could do by signing in again needs no key that outlasts their sign-in.
            Some(_) if self.role != Role::Workflow => (maker.expires_at, "your sign-in's"),
            Some(_) => (Some(now + LONGEST_FROM_A_PERSON), "a year from now"),
        };
        let expires_at = match (self.expires_at, limit) {
            (Some(asked), Some(limit)) if asked > limit => {
                return Err(Problem::invalid("expires_at", format!("can't be later than {what}, {limit}")));
            }
            (asked, limit) => asked.or(limit),
        };
        let outside = |net: &IpNet| !maker.allowed_cidrs.iter().any(|allowed| allowed.contains(net));
        if !maker.allowed_cidrs.is_empty() && self.allowed_cidrs.iter().any(outside) {
            return Err(Problem::invalid("allowed_cidrs", "must lie within your own key's networks"));
        }
        let allowed_cidrs =
            if self.allowed_cidrs.is_empty() { maker.allowed_cidrs.clone() } else { self.allowed_cidrs };
        let (name, role, home) = (self.name, self.role, self.home);
        Ok(ApiKey {
            id,
            hash,
            name,
            role,
            home,
            secret_reach,
            expires_at,
            allowed_cidrs,
            ancestors,
            created_by: Some(maker.key_id.clone()),
            created_at: now,
        })
    }
}

impl ApiKey {
    /// Whether its holder belongs to the platform or a provider decides the organization, not the key.
    pub fn caller(&self, is_provider: bool) -> Caller {
        Caller {
            key_id: self.id.to_string(),
            role: self.role,
            home: self.home,
            is_provider,
            secret_reach: self.secret_reach,
            expires_at: self.expires_at,
            allowed_cidrs: self.allowed_cidrs.clone(),
        }
    }
}

/// The root key's caller: platform and admin.
pub fn root_caller() -> Caller {
    Caller {
        key_id: ROOT.to_owned(),
        role: Role::Admin,
        home: Scope::Global,
        is_provider: true,
        secret_reach: SecretReach::Reached,
        expires_at: None,
        allowed_cidrs: Vec::new(),
    }
}

/// Whether there can be a key of this role there.
pub fn check_role(role: Role, kind: Kind) -> Result<(), Problem> {
    if kind.has(role) {
        return Ok(());
    }
    Err(Problem::invalid("role", format!("can't be {role} for a key of a managed organization")))
}

impl Field for Role {
    const EXPECTED: &'static str = "admin, user or workflow";

    fn from_json(value: Value) -> Result<Self, String> {
        serde_json::from_value(value).map_err(|_| format!("must be {}", Self::EXPECTED))
    }
}

/// Where a key may be used from.
#[derive(Debug, Default)]
struct Networks(Vec<IpNet>);

described!(Networks: {
    "description": "IPv4 and IPv6 networks, or addresses; anywhere if empty.",
    "type": "array", "items": {"type": "string"}, "maxItems": MAX_CIDRS, "examples": [["203.0.113.0/24"]],
});

impl Field for Networks {
    const EXPECTED: &'static str = "a list of networks such as 203.0.113.0/24";

    fn from_json(value: Value) -> Result<Self, String> {
        let must = || format!("must be {}", Self::EXPECTED);
        let networks: Vec<IpNet> = Vec::<String>::from_json(value)
            .map_err(|_| must())?
            .iter()
            .map(|text| text.parse().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)))
            .collect::<Result<_, _>>()
            .map_err(|_| must())?;
        if networks.len() > MAX_CIDRS {
            return Err(format!("may hold {MAX_CIDRS} networks at most"));
        }
        Ok(Self(networks))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
