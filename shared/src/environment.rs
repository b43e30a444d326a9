//! What the template tells a function through its environment.

use std::env;

use crate::model::oidc;

/// The settings of a function. Which of them a function has, the template decides; one that is missing is an error
/// when it is first needed, not when the process starts.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `BIFROST_DATA_TABLE`
    pub data_table: String,
    /// `BIFROST_DATA_KEYS_TABLE`
    pub data_keys_table: String,
    /// `BIFROST_KMS_KEY`: the ARN of the key that wraps data keys.
    pub kms_key: String,
    /// `BIFROST_ROOT_KEY_SECRET`: where the root key's secret is; the authorizer's alone.
    pub root_key_secret: String,
    /// `BIFROST_OIDC_ISSUER` and what goes with it: who says who people are; the authorizer's alone.
    pub oidc: oidc::Settings,
    /// `BIFROST_PUBLIC_URL`: the origin that people and providers reach us at, without a slash at the end. None means
    /// the one that a request came to.
    pub public_url: Option<String>,
    /// `BIFROST_RETURN_TO_ORIGINS`: where `return_to` may lead.
    pub return_to_origins: Vec<String>,
    /// `BIFROST_LOCAL`, set by the local stack alone: providers may be on loopback and without https.
    pub local: bool,
}

impl Environment {
    pub fn read() -> Self {
        let text = |name: &str| env::var(name).unwrap_or_default();
        let origins = text("BIFROST_RETURN_TO_ORIGINS");
        Self {
            data_table: text("BIFROST_DATA_TABLE"),
            data_keys_table: text("BIFROST_DATA_KEYS_TABLE"),
            kms_key: text("BIFROST_KMS_KEY"),
            root_key_secret: text("BIFROST_ROOT_KEY_SECRET"),
            oidc: oidc::Settings {
                issuer: text("BIFROST_OIDC_ISSUER"),
                audience: text("BIFROST_OIDC_AUDIENCE"),
                token_type: text("BIFROST_OIDC_TOKEN_TYPE"),
                role_claim: text("BIFROST_OIDC_ROLE_CLAIM"),
                organization_claim: text("BIFROST_OIDC_ORGANIZATION_CLAIM"),
            },
            public_url: origin(&text("BIFROST_PUBLIC_URL")),
            return_to_origins: origins.split(',').filter_map(origin).collect(),
            local: text("BIFROST_LOCAL") == "1",
        }
    }
}

/// An origin as browsers write it: lower case, without the scheme's own port, without a slash at the end.
fn origin(text: &str) -> Option<String> {
    let url = url::Url::parse(text.trim()).ok()?;
    Some(url.origin().ascii_serialization())
}
