//! Requests to a provider, through the domain crate as a function makes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bifrost::model::dialect::Dialect;
use bifrost::model::failure::Failure;
use bifrost::model::{Secret, Timestamp};
use bifrost::oauth::{self, Credentials, Outbound, Registration, Relaxed, Revocation, TokenSet};
use rustls::RootCertStore;
use url::Url;

use crate::server::Answer;

/// Loopback is all that is relaxed: certificates are looked at as anywhere.
pub(crate) fn outbound(roots: Arc<RootCertStore>) -> Outbound {
    Outbound::new(Relaxed { loopback_http: true }, roots)
}

pub(crate) async fn refresh(outbound: &Outbound, token_url: &Url) -> Result<TokenSet, Failure> {
    let registration = Registration {
        client_id: "client",
        credentials: Credentials::None,
        token_url: token_url.clone(),
        token_params: &BTreeMap::new(),
        scopes: &[],
        audience: None,
        dialect: &Dialect::default(),
    };
    let refresh_token = Secret::from("r3fresh-token".to_owned());
    oauth::refresh(outbound, &registration, &refresh_token, Timestamp::now()).await
}

pub(crate) async fn revoke(outbound: &Outbound, revocation_url: &Url) -> Result<(), Failure> {
    let revocation = Revocation {
        revocation_url: revocation_url.clone(),
        client_id: "client",
        credentials: Credentials::None,
    };
    oauth::revoke(outbound, &revocation, &Secret::from("r3fresh-token".to_owned())).await
}

/// What a provider answers.
pub(crate) fn token() -> Answer {
    Answer::new(200, r#"{"access_token": "r3ceived", "token_type": "Bearer", "expires_in": 3600}"#)
}
