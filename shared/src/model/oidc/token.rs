//! A token taken apart: JWS in its compact form (RFC 7515 section 7.1), and no other.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Refusal,
    json::object,
    jwk::{Algorithm, KeySet},
};

/// The longest token that is read. API Gateway takes 10 KB of headers in all.
const MAX_TOKEN: usize = 8 * 1024;

/// Members of a header that say how the rest is to be read in ways that are not known here, or that bring a key along:
/// with that, everyone could sign (RFC 8725 section 3.10). None of them is needed, so none is tolerated.
const NOT_TOLERATED: [&str; 9] = ["b64", "crit", "cty", "enc", "jku", "jwk", "x5c", "x5u", "zip"];

/// A token of whom nobody knows yet who made it. Nothing of its claims has been looked at.
#[derive(Debug)]
pub struct UnverifiedToken<'a> {
    pub(super) kind: Option<String>,
    algorithm: Algorithm,
    key_id: Option<String>,
    /// What was signed, as it came (RFC 7515 section 5.2).
    message: &'a str,
    claims: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> UnverifiedToken<'a> {
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > MAX_TOKEN {
            return Err(Refusal::TooLarge);
        }
        let (message, signature) = text.rsplit_once('.').ok_or(Refusal::NoJws)?;
        let (header, claims) = message.split_once('.').ok_or(Refusal::NoJws)?;
        // Without padding, and with no bit left over: else there would be several spellings of one token. A dot is no
        // letter of it either, so that a JWE, of five parts, ends here.
        let part = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::NoJws);
        let (header, claims, signature) = (part(header)?, part(claims)?, part(signature)?);
        let header = object(&header).ok_or(Refusal::NoJws)?;
        if NOT_TOLERATED.iter().any(|name| header.contains_key(*name)) {
            return Err(Refusal::Header);
        }
        let text = |name: &str| match header.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(Refusal::Header),
        };
        let algorithm = text("alg")?.as_deref().and_then(Algorithm::parse).ok_or(Refusal::Algorithm)?;
        Ok(Self { kind: text("typ")?, algorithm, key_id: text("kid")?, message, claims, signature })
    }

    /// Whether there is the one key that it must have been signed with. Its name is compared, and used for nothing else.
    pub fn has_key_in(&self, keys: &KeySet) -> bool {
        keys.find(self.key_id.as_deref(), self.algorithm).is_some()
    }

    /// What it says, if one of these keys has signed that.
    pub(super) fn verified_claims(&self, keys: &KeySet) -> Result<Map<String, Value>, Refusal> {
        let key = keys.find(self.key_id.as_deref(), self.algorithm).ok_or(Refusal::UnknownKey)?;
        if !key.verifies(self.algorithm, self.message.as_bytes(), &self.signature) {
            return Err(Refusal::Signature);
        }
        object(&self.claims).ok_or(Refusal::NoClaims)
    }
}
