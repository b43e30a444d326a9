//! The first step of the authorization code flow (RFC 6749 4.1.1): where the browser is sent, and what makes its
//! return trustworthy, a random state and a PKCE verifier.

use std::{borrow::Cow, collections::BTreeMap};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use oauth2::{
    AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope, basic::BasicClient,
};
use ring::rand::{SecureRandom, SystemRandom};
use url::Url;

use crate::model::{Secret, dialect::Dialect, failure::Failure};

/// The S256 challenge of a PKCE verifier (RFC 7636 4.2). Not a secret.
pub type PkceChallenge = PkceCodeChallenge;

/// Everything that goes into an authorize URL.
#[derive(Clone, Debug)]
pub struct AuthorizeRequest<'a> {
    /// May have a query of its own, as Google's `?access_type=offline` or a tenant.
    pub authorization_url: &'a Url,
    /// Whether a code is asked for; else an administrator's consent alone, which has no `response_type`.
    pub for_code: bool,
    pub client_id: &'a str,
    pub redirect_uri: &'a str,
    pub scopes: &'a [String],
    pub state: &'a Secret,
    /// None only for a provider that can't.
    pub pkce: Option<&'a PkceChallenge>,
    pub audience: Option<&'a str>,
    pub authorize_params: &'a BTreeMap<String, String>,
    pub dialect: &'a Dialect,
}

/// Where to send the browser. Fails only on a redirect URI that is no URL.
pub fn authorize_url(request: &AuthorizeRequest<'_>) -> Result<Url, Failure> {
    let redirect_uri = RedirectUrl::new(request.redirect_uri.to_owned()).map_err(|_| {
        Failure::new("redirect-uri-invalid", "The redirect URI of the connection is not a URL.")
    })?;
    let scopes = request.dialect.joined(request.scopes);
    let client = BasicClient::new(ClientId::new(request.client_id.to_owned()))
        .set_auth_uri(AuthUrl::from_url(without_our_parameters(request)));
    let mut authorization = client
        .authorize_url(|| CsrfToken::new(request.state.expose().to_owned()))
        .set_redirect_uri(Cow::Owned(redirect_uri))
        // As one, for `oauth2` would put spaces between them.
        .add_scopes((!scopes.is_empty()).then(|| Scope::new(scopes)));
    if let Some(challenge) = request.pkce {
        authorization = authorization.set_pkce_challenge(challenge.clone());
    }
    if let Some(audience) = request.audience {
        authorization = authorization.add_extra_param("audience", audience);
    }
    for (name, value) in request.authorize_params {
        authorization = authorization.add_extra_param(name, value);
    }
    let (mut url, _) = authorization.url();
    if !request.for_code {
        let kept: Vec<_> =
            url.query_pairs().into_owned().filter(|(name, _)| name != "response_type").collect();
        url.query_pairs_mut().clear().extend_pairs(kept);
    }
    Ok(url)
}

/// The authorization URL without what is about to be added: no parameter may come twice (RFC 6749 3.1), and documented
/// URLs often have `?response_type=code` in them already.
fn without_our_parameters(request: &AuthorizeRequest<'_>) -> Url {
    const OURS: [&str; 6] =
        ["client_id", "code_challenge", "code_challenge_method", "redirect_uri", "response_type", "state"];

    let is_ours = |name: &str| {
        OURS.contains(&name)
            || (name == "scope" && !request.scopes.is_empty())
            || (name == "audience" && request.audience.is_some())
            || request.authorize_params.contains_key(name)
    };
    let mut url = request.authorization_url.clone();
    if url.query_pairs().any(|(name, _)| is_ours(&name)) {
        let kept: Vec<_> =
            request.authorization_url.query_pairs().filter(|(name, _)| !is_ours(name)).collect();
        url.query_pairs_mut().clear().extend_pairs(kept);
    }
    url
}

/// A new PKCE verifier and its challenge: the first is kept sealed until the code comes, the second goes into the URL.
pub fn new_pkce() -> (PkceChallenge, Secret) {
    // RFC 7636 4.1 recommends exactly these 32 random bytes in base64url.
    let verifier = random_secret();
    let challenge =
        PkceChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier.expose().to_owned()));
    (challenge, verifier)
}

/// 256 random bits, base64url: 43 characters that need no encoding anywhere.
pub fn random_secret() -> Secret {
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system gives random bytes, or nothing here is safe");
    Secret::from(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(authorization_url: &str, audience: Option<&str>, params: &[(&str, &str)]) -> Url {
        authorize_url(&AuthorizeRequest {
            authorization_url: &authorization_url.parse().unwrap(),
            for_code: true,
            client_id: "client/1",
            redirect_uri: "https://bifrost.example/oauth/callback/My%20API~1",
            scopes: &["read:all".to_owned(), "offline_access".to_owned()],
            state: &Secret::from("st&te".to_owned()),
            pkce: None,
            audience,
            authorize_params: &params
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
            dialect: &Dialect::default(),
        })
        .unwrap()
    }

    fn query(url: &Url) -> BTreeMap<String, String> {
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let unique: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(pairs.len(), unique.len(), "no parameter comes twice: {url}");
        unique
    }

    #[test]
    fn all_parameters_arrive_as_they_were() {
        let url = url("https://example.com/authorize", Some("https://api"), &[("prompt", "select account")]);
        let query = query(&url);
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], "client/1");
        assert_eq!(query["redirect_uri"], "https://bifrost.example/oauth/callback/My%20API~1");
        assert_eq!(query["scope"], "read:all offline_access");
        assert_eq!(query["state"], "st&te");
        assert_eq!(query["audience"], "https://api");
        assert_eq!(query["prompt"], "select account");
    }

    #[test]
    fn a_query_that_the_url_already_has_is_kept() {
        let url = url("https://example.com/authorize?tenant=a%2Fb&flag", None, &[]);
        assert!(
            url.as_str().starts_with("https://example.com/authorize?tenant=a%2Fb&flag&response_type=code")
        );
    }

    #[test]
    fn a_parameter_that_is_ours_to_set_does_not_come_twice() {
        let url = url(
            "https://example.com/authorize?response_type=token&tenant=1&prompt=none&state=x&scope=all",
            None,
            &[("prompt", "consent")],
        );
        let query = query(&url);
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["prompt"], "consent");
        assert_eq!(query["state"], "st&te");
        assert_eq!(query["tenant"], "1");
    }

    #[test]
    fn who_asks_for_consent_alone_asks_for_no_code() {
        let request = AuthorizeRequest {
            authorization_url: &"https://login.example/acme/adminconsent".parse().unwrap(),
            for_code: false,
            client_id: "client",
            redirect_uri: "https://bifrost.example/oauth/callback/Graph",
            scopes: &["https://api/.default".to_owned()],
            state: &Secret::from("state".to_owned()),
            pkce: None,
            audience: None,
            authorize_params: &BTreeMap::new(),
            dialect: &Dialect::default(),
        };
        let query = query(&authorize_url(&request).unwrap());
        let names: Vec<_> = query.keys().map(String::as_str).collect();
        assert_eq!(names, ["client_id", "redirect_uri", "scope", "state"]);
    }

    #[test]
    fn pkce_is_s256_of_a_verifier_with_256_bits() {
        let (challenge, verifier) = new_pkce();
        assert_eq!(verifier.expose().len(), 43);
        assert_eq!(challenge.method().as_str(), "S256");
        let digest = ring::digest::digest(&ring::digest::SHA256, verifier.expose().as_bytes());
        assert_eq!(challenge.as_str(), URL_SAFE_NO_PAD.encode(digest));
    }

    #[test]
    fn random_secrets_differ() {
        assert_ne!(random_secret().expose(), random_secret().expose());
    }
}
