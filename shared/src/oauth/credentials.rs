//! How a client says in a request who it is (RFC 6749 section 2.3, RFC 7523 section 2.2).

use base64::{Engine, engine::general_purpose::STANDARD};
use url::form_urlencoded;

use super::assertion::ASSERTION_TYPE;
use crate::model::Secret;

/// What one request proves its client with.
#[derive(Clone, Copy, Debug)]
pub enum Credentials<'a> {
    /// Nothing: a public client (RFC 6749 section 2.1).
    None,
    /// The secret, in the Authorization header.
    Basic(&'a Secret),
    /// The secret, in the body.
    Post(&'a Secret),
    /// An assertion, in the body. Good for this one request.
    Assertion(&'a Secret),
}

impl<'a> Credentials<'a> {
    /// What is secret in them.
    pub(super) fn secret(self) -> Option<&'a Secret> {
        match self {
            Self::None => None,
            Self::Basic(secret) | Self::Post(secret) | Self::Assertion(secret) => Some(secret),
        }
    }

    /// The client's secret, where it has one to send.
    pub(super) fn client_secret(self) -> Option<&'a Secret> {
        self.secret().filter(|_| !matches!(self, Self::Assertion(_)))
    }

    /// What follows `Basic ` in the header, for a client that proves itself there.
    pub(super) fn basic(self, client_id: &str) -> Option<String> {
        match self {
            Self::Basic(secret) => Some(basic_credentials(client_id, secret)),
            Self::None | Self::Post(_) | Self::Assertion(_) => None,
        }
    }

    /// The parameters that an assertion is sent as (RFC 7521 section 4.2).
    pub(super) fn assertion(self) -> Vec<(&'static str, &'a str)> {
        match self {
            Self::Assertion(jwt) => {
                vec![("client_assertion_type", ASSERTION_TYPE), ("client_assertion", jwt.expose())]
            }
            Self::None | Self::Basic(_) | Self::Post(_) => Vec::new(),
        }
    }
}

/// RFC 6749 2.3.1: both halves are form-encoded before they become a user name and a password.
fn basic_credentials(client_id: &str, secret: &Secret) -> String {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret.expose())))
}
