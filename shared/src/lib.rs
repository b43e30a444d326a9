//! The domain crate of Bifrost Integrations.
//!
//! Imports run one way: [`model`] (rules without I/O) ← [`oauth`] (the wire to a provider), [`vault`] (sealing),
//! [`store`] (the DynamoDB tables) ← [`app`] (use cases) ← [`edge`] (Lambda in and out) ← the function crates.
//! [`aws`] and [`environment`] are the wiring that all of them share, and `emf` the way to metrics.

#[macro_use]
pub mod model;

pub mod app;
#[cfg(test)]
mod arbitrary;
pub mod aws;
pub mod edge;
mod emf;
pub mod environment;
pub mod oauth;
pub mod store;
pub mod tls;
pub mod vault;
