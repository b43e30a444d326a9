//! What can go wrong, in words for the reader: a code that programs can rely on, what happened, and what to do.
//!
//! Every failure that leaves a use case is a [`Problem`]. It knows no HTTP: `edge::answer` alone gives codes their
//! status. The cause, for the log only, travels beside the text for the caller and never in it.

use std::{error::Error, fmt, time::Duration};

use serde::{Serialize, Serializer};

/// A failure on its way to the caller.
pub struct Problem {
    pub code: Code,
    /// What happened, in this very case.
    pub detail: String,
    /// What the reader can do about it; the code's own advice unless this case has better.
    pub fix: String,
    /// The fields that are wrong, for invalid input.
    pub errors: Vec<FieldError>,
    /// When trying again can help.
    pub retry_after: Option<Duration>,
    cause: Option<Box<dyn Error + Send + Sync>>,
}

/// What is wrong with one field of the input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

macro_rules! codes {
    ($($variant:ident $text:literal $title:literal $fix:literal;)*) => {
        /// The stable name of a kind of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code { $(#[doc = $title] $variant,)* }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The code as answers carry it.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }

            /// What helps in general.
            pub fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)* }
            }
        }
    };
}

codes! {
    MalformedBody "malformed-body" "The body is not a JSON object"
        "Send one JSON object as the body, in UTF-8.";
    InvalidInput "invalid-input" "The request has invalid values"
        "Correct the fields listed under errors and send the request again.";
    BodyTooLarge "body-too-large" "The body is too large"
        "Send at most 256 KiB; an import can be sent in parts.";
    ScopeForbidden "scope-forbidden" "That scope is not yours"
        "Leave scope out to work in your own organization; other scopes need a key of a provider organization.";
    Forbidden "forbidden" "Your key's role does not allow this"
        "Use a key whose role allows it, or ask an administrator.";
    KeyExpired "key-expired" "The key or the sign-in has expired"
        "Ask whoever manages your keys for a new one; another key makes it with POST /keys. Whoever signed in signs in again.";
    NetworkForbidden "network-forbidden" "The key may not be used from this network"
        "Call from an address in the key's allowed_cidrs, or use a key made for this network.";
    NotFound "not-found" "There is no such thing"
        "Check the name or id, and the scope it is looked for in; case and separators in a name do not matter.";
    NameTaken "name-taken" "The name is taken"
        "Choose another name; case and the separators - _ . and space do not tell names apart.";
    EntityTaken "entity-taken" "The entity id belongs to another organization"
        "Remove the other organization's mapping first, or check the entity id.";
    ValuesStranded "values-stranded" "Stored values have no place in the new schema"
        "Keep the keys listed under errors as they are, or repeat with ?force=true to delete the values.";
    InUse "in-use" "It is still in use"
        "Remove what depends on it first.";
    AlreadyConnected "already-connected" "The grant is connected already"
        "Send replace: true if the imported tokens are to take its place; its own are not revoked at the provider.";
    Conflict "conflict" "Someone else changed it at the same time"
        "Read it again and repeat the change.";
    StaleRevision "stale-revision" "It has changed since it was read"
        "Read it again and repeat the change with the new ETag.";
    WrongFlow "wrong-flow" "The connection's flow has no such step"
        "Ask for a token at once: a connection of the flow client_credentials needs no sign-in.";
    IntegrationRequired "integration-required" "An integration is needed to fill in the URL"
        "Name the integration with ?integration=, so that its mapping can fill the placeholders.";
    PlaceholderUnresolved "placeholder-unresolved" "A placeholder in a URL has no value"
        "Map the organization to its entity, set the integration's default_entity_id, or give the connection token_url_defaults.";
    NotConnected "not-connected" "Nobody has signed in to the connection yet"
        "Ask an administrator to connect it: POST /connections/{name}/authorize gives the link.";
    Reauthorize "reauthorize" "The grant no longer works; a person must sign in again"
        "Reconnect: POST /connections/{name}/authorize gives the link.";
    ClientRejected "client-rejected" "The provider refuses the connection's client id, secret or key"
        "Check client_id and client_secret, or the client's key, at the provider and update the connection.";
    ProviderUnavailable "provider-unavailable" "The provider gave no usable answer"
        "Repeat the request after the time in Retry-After; if it lasts, see the connection's last_error.";
    ProviderRefused "provider-refused" "The provider refused the request"
        "Correct what detail names, at the provider or in the connection, and try again.";
    RefreshInProgress "refresh-in-progress" "Another request is refreshing this token"
        "Repeat the request after the time in Retry-After.";
    SecretUnavailable "secret-unavailable" "A secret this needs cannot be read now"
        "Set the client_secret, the client_private_key or the secret value anew, or connect again where it was a token; for a client_secret_ref, check that its secret exists.";
    LinkInvalid "link-invalid" "This link does not work any more"
        "Ask whoever sent it for a new one.";
    Unavailable "unavailable" "Something we depend on does not answer"
        "Repeat the request after the time in Retry-After.";
    Internal "internal" "Something is wrong on our side"
        "Report the request_id to whoever runs this service.";
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let fix = code.fix().to_owned();
        Self { code, detail: detail.into(), fix, errors: Vec::new(), retry_after: None, cause: None }
    }

    pub fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::invalid_fields(vec![FieldError::new(field, message)])
    }

    pub fn invalid_fields(errors: Vec<FieldError>) -> Self {
        let named: Vec<_> = errors.iter().map(|error| format!("{} {}", error.field, error.message)).collect();
        Self { errors, ..Self::new(Code::InvalidInput, named.join("; ")) }
    }

    /// `what` is a noun such as "integration"; the name is the caller's own text.
    pub fn not_found(what: &str, name: impl fmt::Display) -> Self {
        Self::new(Code::NotFound, format!("There is no {what} {name}."))
    }

    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }

    /// Something of ours is broken; the cause goes to the log, the caller learns that much.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::Internal, "The request could not be completed.").caused_by(cause)
    }

    /// Something we call is down or overloaded; trying again helps.
    pub fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(Code::Unavailable, "The request could not be completed now.")
            .retry_after(Duration::from_secs(2))
            .caused_by(cause)
    }

    #[must_use]
    pub fn fix(self, fix: impl Into<String>) -> Self {
        Self { fix: fix.into(), ..self }
    }

    /// With `If-Match`, a change in between means that the caller's revision is stale.
    #[must_use]
    pub fn stale_if(self, if_match: bool) -> Self {
        if if_match && self.code == Code::Conflict {
            Self::new(Code::StaleRevision, self.detail)
        } else {
            self
        }
    }

    /// Names the fields it is about.
    #[must_use]
    pub fn about(self, errors: Vec<FieldError>) -> Self {
        Self { errors, ..self }
    }

    #[must_use]
    pub fn retry_after(self, pause: Duration) -> Self {
        Self { retry_after: Some(pause), ..self }
    }

    #[must_use]
    pub fn caused_by(self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// The cause and its causes in one line, for the log.
    pub fn cause_chain(&self) -> Option<String> {
        let mut error: &dyn Error = self.cause.as_deref()?;
        let mut chain = error.to_string();
        while let Some(source) = error.source() {
            chain = format!("{chain}: {source}");
            error = source;
        }
        Some(chain)
    }
}

impl FieldError {
    pub fn new(field: &str, message: impl Into<String>) -> Self {
        Self { field: field.to_owned(), message: message.into() }
    }
}

// Not derived: a cause's own `Debug` may show whole answers.
impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Problem")
            .field("code", &self.code)
            .field("detail", &self.detail)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.detail)
    }
}

impl Error for Problem {}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

described!(Code: {"type": "string", "enum": Code::ALL.iter().map(|code| code.as_str()).collect::<Vec<_>>()});

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
