//! The only door through which requests leave for a provider.
//!
//! People describe connections, so people choose where these requests go. The door opens only to https on the public
//! Internet. The address is checked in the resolver, on the very addresses that are then dialled, so that a name can't
//! answer one address to the check and another to the call. Redirects are not followed and no proxy is taken from the
//! environment, for both would carry secrets past the check.
//!
//! The other half of its work is to know what became of a request that failed: certainly never sent, or perhaps
//! received. On that depends whether a refresh token can be called unspent.

use std::{
    error::Error as StdError,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header};
use oauth2::{HttpRequest, HttpResponse};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::RootCertStore;
use tokio::time::{Instant, timeout_at};
use url::{Host, Url};

use super::address::is_public;
use crate::{model::failure::Failure, tls};

/// The largest body that is read. Token answers have a few KiB, the largest (with group claims) tens of them.
const LARGEST_BODY: usize = 1024 * 1024;

/// What the local stack may do and a deployed one may not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Relaxed {
    /// Call loopback addresses too, and those without TLS: the demo provider runs there.
    pub loopback_http: bool,
}

/// What a request is for, and so how long its answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// May spend a code or a refresh token.
    TokenExchange,
    /// Everything that can be done again.
    Other,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// From the name's resolution to the end of the TLS handshake. Shorter than the others, so that when those run out
    /// the request is out.
    pub(super) connect: Duration,
    /// An answer that is abandoned is a grant lost, so a slow provider gets its time.
    pub(super) token_exchange: Duration,
    pub(super) other: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(3),
            token_exchange: Duration::from_secs(45),
            other: Duration::from_secs(10),
        }
    }
}

/// Sends requests to providers. Built once per process; cloning shares it.
#[derive(Clone, Debug)]
pub struct Outbound {
    client: reqwest::Client,
    relaxed: Relaxed,
    patience: Patience,
}

impl Outbound {
    /// `roots` are those whose word is taken for who a provider is.
    pub fn new(relaxed: Relaxed, roots: Arc<RootCertStore>) -> Self {
        Self::with(relaxed, roots, Patience::default(), SystemResolver)
    }

    pub(super) fn with(
        relaxed: Relaxed,
        roots: Arc<RootCertStore>,
        patience: Patience,
        resolver: impl Resolve + 'static,
    ) -> Self {
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(tls::client_config(roots))
            .user_agent(concat!("bifrost-integrations/", env!("CARGO_PKG_VERSION")))
            // A request that says nothing of it leaves the choice to the server (RFC 9110 12.5.3).
            .default_headers(HeaderMap::from_iter([(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            )]))
            // A little that unfolds into a lot is left folded, whichever features reqwest is built with.
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .dns_resolver(PublicOnly { resolver, relaxed })
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(patience.connect)
            // Each request has a connection of its own. On one that was kept, the provider may have hung up while the
            // function was frozen, and then nobody knows whether the request was read.
            .pool_max_idle_per_host(0)
            // Over HTTP/2, requests would share one after all.
            .http1_only()
            // reqwest would send once more what it takes for unsent. Whether to spend a token again is not its call.
            .retry(reqwest::retry::never())
            .build()
            .expect(
                "only an unknown TLS backend or a malformed header could fail here, and both are fixed above",
            );
        Self { client, relaxed, patience }
    }

    /// Sends one request, once. Whatever the status, an answer is `Ok`; the failure says whether the request may have
    /// arrived.
    pub(super) async fn send(&self, request: HttpRequest, purpose: Purpose) -> Result<HttpResponse, Failure> {
        let request = reqwest::Request::try_from(request)
            .map_err(|_| Failure::new("url-not-allowed", "The URL can't be used in a request."))?;
        self.check(request.url())?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let patience = match purpose {
            Purpose::TokenExchange => self.patience.token_exchange,
            Purpose::Other => self.patience.other,
        };
        let deadline = Instant::now() + patience;

        let mut response = match timeout_at(deadline, self.client.execute(request)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unanswered(&error, &host)),
            Err(_) => return Err(timed_out(&host, patience)),
        };
        let body = match timeout_at(deadline, read_body(&mut response)).await {
            Ok(Ok(body)) => body,
            // An error status speaks for itself, with or without its page.
            _ if !response.status().is_success() => Vec::new(),
            Ok(Err(BodyError::TooLarge)) => {
                let detail = format!("{host} sent more than 1 MiB. The rest was not read.");
                return Err(Failure::new("answer-too-large", detail));
            }
            Ok(Err(BodyError::Cut)) => {
                let detail = format!("The answer of {host} broke off in the middle.");
                return Err(Failure::new("answer-lost", detail));
            }
            Err(_) => return Err(timed_out(&host, patience)),
        };

        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }

    /// What can be said of a URL before its name is resolved. Numeric hosts are checked here, because they never reach
    /// the resolver.
    fn check(&self, url: &Url) -> Result<(), Failure> {
        let host = url.host().ok_or_else(|| Failure::new("url-not-allowed", "The URL has no host."))?;
        let local = match host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(address) => address == Ipv4Addr::LOCALHOST,
            Host::Ipv6(address) => address == Ipv6Addr::LOCALHOST,
        };
        let encrypted = url.scheme() == "https";
        let plain_but_local = url.scheme() == "http" && local && self.relaxed.loopback_http;
        if !encrypted && !plain_but_local {
            return Err(Failure::new(
                "url-not-allowed",
                format!("The URL for {host} does not begin with https://."),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let detail = format!("The URL for {host} holds a user name or a password.");
            return Err(Failure::new("url-not-allowed", detail));
        }
        let literal = match host {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if may_be_called(literal, self.relaxed) {
            Ok(())
        } else {
            Err(address_not_allowed(&host.to_string()))
        }
    }

    /// Turns reqwest's error into what it means. Its own text is not kept: it may hold the whole URL.
    fn unanswered(&self, error: &reqwest::Error, host: &str) -> Failure {
        if cause::<NotPublic>(error).is_some() {
            return address_not_allowed(host);
        }
        // Until there is a connection, TLS included, not a byte of the request has left.
        if error.is_connect() {
            let (code, what) = if let Some(error) = cause::<rustls::Error>(error) {
                ("tls-failed", format!("The TLS handshake with {host} failed{}.", flaw(error)))
            } else if error.is_dns() {
                ("provider-unreachable", format!("The name {host} was not found."))
            } else if error.is_timeout() {
                (
                    "provider-unreachable",
                    format!("No connection to {host} within {:?}.", self.patience.connect),
                )
            } else {
                ("provider-unreachable", format!("No connection to {host}."))
            };
            return Failure::new(code, format!("{what} Nothing was sent."));
        }
        Failure::new("answer-lost", format!("{host} sent no complete HTTP answer."))
    }
}

fn timed_out(host: &str, patience: Duration) -> Failure {
    Failure::new(
        "provider-timeout",
        format!("{host} took longer than {patience:?}. It may have acted on the request."),
    )
}

fn address_not_allowed(host: &str) -> Failure {
    Failure::new("address-not-allowed", format!("{host} is not on the public Internet. Nothing was sent."))
}

enum BodyError {
    TooLarge,
    Cut,
}

/// Reads the body while it is small enough; what its sender says of its length is not believed.
async fn read_body(response: &mut reqwest::Response) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| BodyError::Cut)? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn may_be_called(address: IpAddr, relaxed: Relaxed) -> bool {
    is_public(address) || (relaxed.loopback_http && address.is_loopback())
}

/// The operating system's resolver.
pub(super) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            // Port 0 stands for the URL's own.
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// A resolver that leaves out every address that [`may_be_called`] refuses. What it leaves is what is dialled, and no
/// name is looked up but through it: there is no second answer to fall for. Of a name with addresses of both kinds, the
/// public ones are called.
struct PublicOnly<R> {
    resolver: R,
    relaxed: Relaxed,
}

#[derive(Debug, thiserror::Error)]
#[error("none of the host's addresses may be called")]
struct NotPublic;

impl<R: Resolve> Resolve for PublicOnly<R> {
    fn resolve(&self, name: Name) -> Resolving {
        let relaxed = self.relaxed;
        let found = self.resolver.resolve(name);
        Box::pin(async move {
            let allowed: Vec<SocketAddr> =
                found.await?.filter(|address| may_be_called(address.ip(), relaxed)).collect();
            if allowed.is_empty() {
                return Err(NotPublic.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The error of type `E` that is somewhere behind this one. `io::Error` hides what it wraps from `source`.
fn cause<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let found = error.downcast_ref().or_else(|| cause(wrapped?));
        if found.is_some() {
            return found;
        }
        next = error.source();
    }
    None
}

/// What went wrong in a handshake, if it can be told; reads on from "failed".
fn flaw(error: &rustls::Error) -> &'static str {
    use rustls::{AlertDescription as Alert, CertificateError as Flaw, Error};
    match error {
        Error::InvalidCertificate(flaw) => match flaw {
            Flaw::Expired | Flaw::ExpiredContext { .. } => ": its certificate has expired",
            Flaw::NotValidYet | Flaw::NotValidYetContext { .. } => ": its certificate is not valid yet",
            Flaw::NotValidForName | Flaw::NotValidForNameContext { .. } => {
                ": its certificate is for another name"
            }
            Flaw::UnknownIssuer => ": its certificate is from no authority that is trusted everywhere",
            Flaw::Revoked => ": its certificate was revoked",
            _ => ": its certificate is not valid",
        },
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            Alert::ProtocolVersion | Alert::HandshakeFailure | Alert::InsufficientSecurity,
        ) => ": it offers neither TLS 1.3 nor a safe TLS 1.2",
        Error::AlertReceived(Alert::UnrecognisedName) => ": it does not know that name",
        Error::AlertReceived(Alert::CertificateRequired) => ": it asks for a client certificate",
        Error::InvalidMessage(_) => ": what answers there does not speak TLS",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flaw_of_the_certificate_is_found_however_deep_it_lies() {
        let tls = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        let found: &rustls::Error = cause(&wrapped).unwrap();
        assert_eq!(flaw(found), ": its certificate has expired");
        assert!(cause::<NotPublic>(&wrapped).is_none());
        assert_eq!(flaw(&rustls::Error::HandshakeNotComplete), "");
    }
}
