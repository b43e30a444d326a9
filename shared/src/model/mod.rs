//! The rules of the house, without I/O: what the words of the contract mean, which values are valid and who may do
//! what. Nothing here knows HTTP, DynamoDB or KMS.

#[macro_use]
pub mod description;

pub mod access;
pub mod api_key;
pub mod breaker;
pub mod brought;
pub mod client_key;
pub mod config;
pub mod connection;
pub mod diagnose;
pub mod dialect;
pub mod failure;
pub mod grant;
pub mod id;
pub mod identity;
pub mod input;
pub mod integration;
pub mod mapping;
mod merge_patch;
pub mod name;
pub mod oidc;
pub mod organization;
pub mod preset;
pub mod problem;
pub mod provider_errors;
pub mod scope;
pub mod secret;
#[cfg(test)]
mod strangers;
pub mod timestamp;
pub mod url_template;

pub use id::{
    ApiKeyId, ConnectionId, DataKeyVersion, GrantId, Id, Incarnation, IntegrationId, MappingId,
    OrganizationId,
};
pub use name::{FoldedName, Name};
pub use problem::{Code, FieldError, Problem};
pub use scope::Scope;
pub use secret::{Exposed, Sealed, Secret};
pub use timestamp::Timestamp;
