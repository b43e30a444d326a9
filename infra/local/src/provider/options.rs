//! How a provider behaves: who its clients are, how long tokens live, what it insists on.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::assertion::Audience;

/// The one client of the demo, as its start page and the documentation print it.
pub const DEMO_CLIENT_ID: &str = "bifrost-demo";
/// Public by design: it opens nothing but the demo.
pub const DEMO_CLIENT_SECRET: &str = "demo-client-secret";

/// Short enough that a newcomer sees a refresh within the first coffee.
const DEMO_ACCESS_TOKEN_LIFETIME: Duration = Duration::from_secs(120);

#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    pub clients: Vec<Client>,
    pub access_token_lifetime: Duration,
    pub refresh_tokens: RefreshTokens,
    /// Refuses authorization requests without an S256 challenge.
    pub pkce_required: bool,
    /// A refresh token is good at every tenant's endpoint, and what it brings there belongs to that tenant: as Microsoft
    /// has it for its partners.
    pub redeems_at_any_tenant: bool,
    /// A client gets tokens in its own name only at tenants whose administrator has let it in.
    pub admin_consent_required: bool,
    /// Whom client assertions must be for.
    pub assertion_audience: Audience,
    /// Adds `iss` to what goes back to the client, so that it can tell providers apart (RFC 9207).
    pub announces_issuer: bool,
    /// The scopes that there are; any if `None`.
    pub scopes: Option<Vec<String>>,
    /// Remembers sign-ins across restarts. Only hashes of tokens are written, as a real provider would.
    pub state_file: Option<PathBuf>,
}

/// What becomes of refresh tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokens {
    /// There are none: when the access token ends, a person signs in again.
    Never,
    /// One per sign-in, good for ever, and not repeated in the answers to a refresh.
    Kept,
    /// Each works once and brings the next; a second use revokes the whole family (RFC 9700, section 4.14.2).
    Rotated,
    /// The same, but for this long a token that was used works again: for clients that lost the answer, as Okta's
    /// "grace period" and Auth0's "reuse interval" have it.
    RotatedWithGrace(Duration),
}

#[derive(Clone)]
pub struct Client {
    pub id: String,
    pub secret: String,
    /// As good as the first, while one is replaced by the other.
    pub second_secret: Option<String>,
    /// Those that its assertions may be signed with.
    pub keys: Vec<ClientKey>,
    pub redirect_uris: RedirectUris,
    /// The ways in which this client may say who it is.
    pub auth: Vec<ClientAuth>,
}

/// A public key that a client has registered.
#[derive(Clone, Debug)]
pub struct ClientKey {
    pub(super) spki: Vec<u8>,
    pub(super) id: Option<String>,
    pub(super) thumbprint: Option<String>,
}

#[derive(Clone, Debug)]
pub enum RedirectUris {
    /// Compared character by character (RFC 9700, section 2.1).
    Exactly(Vec<String>),
    /// Any `http://localhost` or `http://127.0.0.1` address: for a demo that knows nothing about its client's port.
    AnyOnThisMachine,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    Basic,
    Post,
    PrivateKeyJwt,
}

impl Options {
    /// The newcomer's demo: one well-known client that may come from any port of this machine.
    pub fn demo(listen: SocketAddr) -> Self {
        Self {
            listen,
            clients: vec![Client {
                redirect_uris: RedirectUris::AnyOnThisMachine,
                ..Client::new(DEMO_CLIENT_ID, DEMO_CLIENT_SECRET)
            }],
            access_token_lifetime: DEMO_ACCESS_TOKEN_LIFETIME,
            refresh_tokens: RefreshTokens::Rotated,
            pkce_required: true,
            redeems_at_any_tenant: false,
            admin_consent_required: false,
            assertion_audience: Audience::TokenEndpoint,
            announces_issuer: false,
            scopes: None,
            state_file: None,
        }
    }

    /// The tests' provider: everything that can be refused is, on a port of its own.
    pub fn strict(clients: Vec<Client>) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            clients,
            access_token_lifetime: Duration::from_secs(3600),
            ..Self::demo(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        }
    }
}

impl Client {
    /// A client without redirect URIs yet, that may authenticate either way.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            second_secret: None,
            keys: Vec::new(),
            redirect_uris: RedirectUris::Exactly(Vec::new()),
            auth: vec![ClientAuth::Basic, ClientAuth::Post],
        }
    }

    /// A client that has this key and no secret.
    pub fn with_key(id: impl Into<String>, key: ClientKey) -> Self {
        Self { keys: vec![key], auth: vec![ClientAuth::PrivateKeyJwt], ..Self::new(id, "") }
    }

    pub(super) fn has_secret(&self, secret: &str) -> bool {
        self.secret == secret || self.second_secret.as_deref() == Some(secret)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("id", &self.id)
            .field("secret", &"[redacted]")
            .field("second_secret", &self.second_secret.as_ref().map(|_| "[redacted]"))
            .field("keys", &self.keys)
            .field("redirect_uris", &self.redirect_uris)
            .field("auth", &self.auth)
            .finish()
    }
}

impl RedirectUris {
    pub(super) fn allow(&self, uri: &str) -> bool {
        match self {
            Self::Exactly(registered) => registered.iter().any(|known| known == uri),
            Self::AnyOnThisMachine => url::Url::parse(uri).is_ok_and(|uri| {
                uri.scheme() == "http"
                    && matches!(uri.host_str(), Some("localhost" | "127.0.0.1"))
                    && uri.fragment().is_none()
            }),
        }
    }
}
