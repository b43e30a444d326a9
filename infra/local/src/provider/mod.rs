//! An OAuth 2.0 authorization server that forgives nothing, used twice: as the newcomer's demo provider beside the
//! local stack, and as the strict provider of the end-to-end tests.
//!
//! It follows RFC 6749 with the advice of RFC 9700: exact redirect URIs, PKCE with S256, codes that work once, and
//! refresh tokens that work once, where using one again ends everything that came from the same sign-in. Whoever asks for
//! the scope `openid` gets an ID token too. What makes
//! it a test tool is [`Control`]: it counts what was asked, answers late or not at all on demand, and knows every
//! secret it ever gave away.
//!
//! It keeps users in no list: whoever types a name is that user. Nothing here is meant for more than one machine.

mod assertion;
mod authorize;
mod client;
mod consent;
mod control;
mod device;
mod identity;
mod ledger;
mod options;
mod pages;
mod params;
mod persist;
mod resource;
mod server;
mod token;

#[cfg(test)]
mod tests;

pub use assertion::Audience;
pub use control::{Control, Fault, TokenRequest};
pub use options::{
    Client, ClientAuth, ClientKey, DEMO_CLIENT_ID, DEMO_CLIENT_SECRET, Options, RedirectUris, RefreshTokens,
};
pub use server::{Running, serve};
