//! Who signed in, as an ID token (OpenID Connect Core 1.0, section 2). It is signed with the client's secret (HS256), so
//! that nothing needs a key of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::ledger::Family;

const LIFETIME: Duration = Duration::from_secs(3600);

/// The ID token for whoever signed in. Every user name is a subject; those that look like an address are one.
pub(super) fn id_token(issuer: &str, client_secret: &str, family: &Family) -> String {
    let user = family.user.as_deref().unwrap_or_default();
    let now = SystemTime::now();
    let mut claims = json!({
        "iss": issuer,
        "sub": format!("user-{user}"),
        "aud": family.client_id,
        "iat": seconds(now),
        "exp": seconds(now + LIFETIME),
        "name": user.split('@').next(),
    });
    if user.contains('@') {
        claims["email"] = json!(user);
    }
    if let Some(tenant) = &family.tenant {
        claims["tid"] = json!(tenant);
    }
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(&claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, client_secret.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
