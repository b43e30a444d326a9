//! What was handed out and what it is still worth: codes, refresh tokens, access tokens, and the families they
//! belong to. Rules only, no HTTP. Everything is filed under its hash, so that the ledger can be written to disk.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::client::Refusal;
use super::options::RefreshTokens;

/// RFC 6749, section 4.1.2, allows ten minutes and recommends less; a browser needs seconds.
const CODE_LIFETIME: Duration = Duration::from_secs(60);

/// A spent refresh token that comes back later than this is merely unknown.
const REUSE_NOTICED_FOR: Duration = Duration::from_secs(24 * 3600);

#[derive(Default, Serialize, Deserialize)]
pub(super) struct Ledger {
    codes: HashMap<String, Code>,
    refresh_tokens: HashMap<String, RefreshToken>,
    access_tokens: HashMap<String, AccessToken>,
    families: HashMap<Uuid, Family>,
    /// In clear, for tests that grep; never written anywhere.
    #[serde(skip)]
    handed_out: Vec<String>,
}

/// Everything that descends from one sign-in, or from one client_credentials request.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Family {
    pub(super) client_id: String,
    /// Who signed in; nobody did for client_credentials.
    pub(super) user: Option<String>,
    /// The first path segment of the endpoints that were used, where there was one.
    pub(super) tenant: Option<String>,
    pub(super) scopes: Vec<String>,
    #[serde(default)]
    pub(super) revoked: bool,
}

#[derive(Serialize, Deserialize)]
struct Code {
    family: Uuid,
    redirect_uri: String,
    challenge: Option<String>,
    expires_at: u64,
    redeemed: bool,
}

#[derive(Serialize, Deserialize)]
struct RefreshToken {
    family: Uuid,
    /// Milliseconds since 1970.
    spent_at: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct AccessToken {
    family: Uuid,
    /// Milliseconds since 1970.
    expires_at: u64,
    revoked: bool,
}

/// A set of tokens as it goes to the client, in clear for the only time.
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) scopes: Vec<String>,
    /// Who signed in, where that was asked for with the scope `openid`.
    pub(super) identified: Option<Family>,
}

/// The terms under which the next tokens are issued.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    pub(super) access_token_lifetime: Duration,
    pub(super) refresh_tokens: RefreshTokens,
    /// Whether a refresh token may be redeemed at another tenant than the one that it was given by.
    pub(super) at_any_tenant: bool,
}

/// What an access token says about its bearer.
pub(super) struct Bearer {
    pub(super) family: Family,
    pub(super) expires_at: SystemTime,
}

impl Ledger {
    pub(super) fn issue_code(
        &mut self,
        family: Family,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> String {
        let id = Uuid::now_v7();
        let code = self.fresh_secret("bfp_code_");
        self.families.insert(id, family);
        self.codes.insert(
            fingerprint(&code),
            Code {
                family: id,
                redirect_uri: redirect_uri.to_owned(),
                challenge: challenge.map(str::to_owned),
                expires_at: millis(SystemTime::now() + CODE_LIFETIME),
                redeemed: false,
            },
        );
        code
    }

    /// Exchanges a code. A code that comes back ends what it once started (RFC 6749, section 4.1.2).
    pub(super) fn redeem_code(
        &mut self,
        code: &str,
        asker: &Asker<'_>,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        terms: Terms,
    ) -> Result<Issued, Refusal> {
        let code = self
            .codes
            .get_mut(&fingerprint(code))
            .ok_or_else(|| Refusal::invalid_grant("no such code was issued"))?;
        let family_id = code.family;
        let family = self
            .families
            .get_mut(&family_id)
            .ok_or_else(|| Refusal::invalid_grant("the sign-in is forgotten"))?;
        asker.check(family)?;
        if code.redeemed {
            family.revoked = true;
            return Err(Refusal::invalid_grant("the code was used before; all that came from it is revoked"));
        }
        // A wrong verifier or URI spends the code too: whoever guesses gets one guess.
        code.redeemed = true;
        if code.expires_at <= millis(SystemTime::now()) {
            return Err(Refusal::invalid_grant("the code has expired"));
        }
        if redirect_uri != Some(code.redirect_uri.as_str()) {
            return Err(Refusal::invalid_grant("redirect_uri differs from the authorization request"));
        }
        match (&code.challenge, verifier) {
            (None, None) => {}
            (None, Some(_)) => {
                return Err(Refusal::invalid_grant("a verifier for a request without a challenge"));
            }
            (Some(_), None) => return Err(Refusal::invalid_grant("code_verifier is missing")),
            (Some(challenge), Some(verifier)) => {
                if !(43..=128).contains(&verifier.len()) || s256(verifier) != *challenge {
                    return Err(Refusal::invalid_grant("code_verifier does not match the challenge"));
                }
            }
        }
        let with_refresh_token = terms.refresh_tokens != RefreshTokens::Never;
        Ok(self.issue(family_id, None, with_refresh_token, terms))
    }

    /// Exchanges a refresh token; `scopes` may narrow what the new access token is good for.
    pub(super) fn redeem_refresh_token(
        &mut self,
        refresh_token: &str,
        asker: &Asker<'_>,
        scopes: Vec<String>,
        terms: Terms,
    ) -> Result<Issued, Refusal> {
        let token = self
            .refresh_tokens
            .get_mut(&fingerprint(refresh_token))
            .ok_or_else(|| Refusal::invalid_grant("no such refresh token was issued"))?;
        let family_id = token.family;
        let family = self
            .families
            .get_mut(&family_id)
            .ok_or_else(|| Refusal::invalid_grant("the sign-in is forgotten"))?;
        let elsewhere = terms.at_any_tenant && family.tenant.as_deref() != asker.tenant;
        match elsewhere {
            true => Asker { tenant: family.tenant.as_deref(), ..*asker }.check(family)?,
            false => asker.check(family)?,
        }
        let grace = match terms.refresh_tokens {
            RefreshTokens::RotatedWithGrace(grace) => grace,
            _ => Duration::ZERO,
        };
        let now = SystemTime::now();
        if token.spent_at.is_some_and(|spent_at| spent_at <= millis(now - grace)) {
            family.revoked = true;
            return Err(Refusal::invalid_grant(
                "the refresh token was used before; its whole family is revoked",
            ));
        }
        if family.revoked {
            return Err(Refusal::invalid_grant("the grant was revoked"));
        }
        if let Some(more) = scopes.iter().find(|scope| !family.scopes.contains(scope)) {
            return Err(Refusal::invalid_scope(format!("{more} was not granted")));
        }
        if elsewhere {
            let there = Family { tenant: asker.tenant.map(str::to_owned), ..family.clone() };
            let id = Uuid::now_v7();
            self.families.insert(id, there);
            return Ok(self.issue(id, (!scopes.is_empty()).then_some(scopes), false, terms));
        }
        let rotates =
            matches!(terms.refresh_tokens, RefreshTokens::Rotated | RefreshTokens::RotatedWithGrace(_));
        token.spent_at = token.spent_at.or(rotates.then(|| millis(now)));
        Ok(self.issue(family_id, (!scopes.is_empty()).then_some(scopes), rotates, terms))
    }

    /// What follows when someone has signed in on another device.
    pub(super) fn sign_in(&mut self, family: Family, terms: Terms) -> Issued {
        let id = Uuid::now_v7();
        self.families.insert(id, family);
        self.issue(id, None, terms.refresh_tokens != RefreshTokens::Never, terms)
    }

    pub(super) fn mint_for_client(&mut self, family: Family, terms: Terms) -> Issued {
        let id = Uuid::now_v7();
        self.families.insert(id, family);
        self.issue(id, None, false, terms)
    }

    fn issue(
        &mut self,
        family: Uuid,
        narrowed: Option<Vec<String>>,
        with_refresh: bool,
        terms: Terms,
    ) -> Issued {
        let access_token = self.fresh_secret("bfp_at_");
        let expires_at = millis(SystemTime::now() + terms.access_token_lifetime);
        self.access_tokens
            .insert(fingerprint(&access_token), AccessToken { family, expires_at, revoked: false });
        let refresh_token = with_refresh.then(|| {
            let token = self.fresh_secret("bfp_rt_");
            self.refresh_tokens.insert(fingerprint(&token), RefreshToken { family, spent_at: None });
            token
        });
        let family = self.families.get(&family);
        let granted = || family.map(|family| family.scopes.clone()).unwrap_or_default();
        let asks = |family: &&Family| family.scopes.iter().any(|scope| scope == "openid");
        let identified = family.filter(|family| family.user.is_some()).filter(asks).cloned();
        Issued { access_token, refresh_token, scopes: narrowed.unwrap_or_else(granted), identified }
    }

    /// Keeps in mind what was made elsewhere of someone's secrets.
    pub(super) fn note_handed_out(&mut self, secret: &str) {
        self.handed_out.push(secret.to_owned());
    }

    /// Who bears this access token, unless it is unknown, expired or revoked.
    pub(super) fn bearer(&self, access_token: &str) -> Option<Bearer> {
        let token = self.access_tokens.get(&fingerprint(access_token))?;
        let family = self.families.get(&token.family)?;
        let alive = !token.revoked && !family.revoked && millis(SystemTime::now()) < token.expires_at;
        alive.then(|| Bearer {
            family: family.clone(),
            expires_at: UNIX_EPOCH + Duration::from_millis(token.expires_at),
        })
    }

    /// Ends a token of this client: a refresh token takes its family along (RFC 7009, section 2.1). Unknown tokens,
    /// those of other clients, and refresh tokens that were used are left as they are: they are no tokens any more.
    pub(super) fn revoke(&mut self, token: &str, client_id: &str) {
        let fingerprint = fingerprint(token);
        if let Some(refresh) = self.refresh_tokens.get(&fingerprint) {
            if refresh.spent_at.is_some() {
                return;
            }
            if let Some(family) = self.families.get_mut(&refresh.family).filter(|f| f.client_id == client_id)
            {
                family.revoked = true;
            }
        } else if let Some(access) = self.access_tokens.get_mut(&fingerprint) {
            let own = self.families.get(&access.family).is_some_and(|f| f.client_id == client_id);
            access.revoked |= own;
        }
    }

    /// The family that a token, of either kind, belongs to.
    pub(super) fn family_of(&mut self, token: &str) -> Option<&mut Family> {
        let fingerprint = fingerprint(token);
        let id = match (self.refresh_tokens.get(&fingerprint), self.access_tokens.get(&fingerprint)) {
            (Some(refresh), _) => refresh.family,
            (None, Some(access)) => access.family,
            (None, None) => return None,
        };
        self.families.get_mut(&id)
    }

    pub(super) fn handed_out(&self) -> &[String] {
        &self.handed_out
    }

    /// Drops what can never matter again, so that a demo left running stays small.
    pub(super) fn forget_the_expired(&mut self) {
        let now = millis(SystemTime::now());
        self.access_tokens.retain(|_, token| token.expires_at > now);
        self.codes.retain(|_, code| code.expires_at > now);
        let day_ago = now.saturating_sub(millis(UNIX_EPOCH + REUSE_NOTICED_FOR));
        self.refresh_tokens.retain(|_, token| token.spent_at.is_none_or(|spent_at| spent_at > day_ago));
        let mut referred: HashSet<Uuid> = self.codes.values().map(|code| code.family).collect();
        referred.extend(self.access_tokens.values().map(|token| token.family));
        referred.extend(self.refresh_tokens.values().map(|token| token.family));
        self.families.retain(|id, _| referred.contains(id));
    }

    fn fresh_secret(&mut self, prefix: &str) -> String {
        // Two random UUIDs carry 244 random bits.
        let random: Vec<u8> = [Uuid::new_v4(), Uuid::new_v4()].iter().flat_map(|id| *id.as_bytes()).collect();
        let secret = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random));
        self.handed_out.push(secret.clone());
        secret
    }
}

/// Which client asks, through which tenant's endpoint. Both are fixed at sign-in.
pub(super) struct Asker<'a> {
    pub(super) client_id: &'a str,
    pub(super) tenant: Option<&'a str>,
}

impl Asker<'_> {
    fn check(&self, family: &Family) -> Result<(), Refusal> {
        if family.client_id != self.client_id {
            return Err(Refusal::invalid_grant("issued to another client"));
        }
        if family.tenant.as_deref() != self.tenant {
            return Err(Refusal::invalid_grant("issued by another tenant's endpoint"));
        }
        Ok(())
    }
}

/// The S256 challenge of a verifier (RFC 7636, section 4.2).
pub(super) fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}

fn fingerprint(secret: &str) -> String {
    s256(secret)
}

fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
