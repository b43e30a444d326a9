//! The wire to a provider: authorize URL, exchanges, revocation.
//!
//! Built on the `oauth2` crate, which knows how requests are written. What it leaves open is settled here: where
//! requests may go and what became of them (`outbound`, `address`), what an answer means for the grant (`answer`), and
//! how to read token answers as providers really write them (`token_answer`). No token, code or secret is in any error
//! or `Debug` text that leaves this module.

mod address;
mod answer;
mod assertion;
mod authorize;
mod bridge;
mod credentials;
mod device;
mod dialect;
mod exchange;
mod identity;
mod issuer;
mod outbound;
mod probe;
mod revoke;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod tests;
mod token_answer;

pub use assertion::{Assertion, UnsignedAssertion};
pub use authorize::{AuthorizeRequest, PkceChallenge, authorize_url, new_pkce, random_secret};
pub use credentials::Credentials;
pub use device::{DeviceAnswer, DeviceAuthorization, SLOWER, authorize_device, redeem_device_code};
pub use dialect::callback_facts;
pub use exchange::{Registration, client_credentials, exchange_code, refresh};
pub use identity::verify;
pub use issuer::issuer_keys;
pub use outbound::{Outbound, Relaxed};
pub use probe::{authorization_endpoint, token_endpoint};
pub use revoke::{Revocation, revoke};
pub use token_answer::{ASSUMED_LIFETIME, ExpirySource, TokenSet, unverified_jwt_expiry};
