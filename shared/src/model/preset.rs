//! The catalogue of provider presets: facts about one OAuth provider that fill in a connection.

use serde::Serialize;

/// What is known about a provider.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Preset {
    /// What a connection's `provider` names.
    pub name: &'static str,
}

/// None are shipped yet.
pub const ALL: &[Preset] = &[];
