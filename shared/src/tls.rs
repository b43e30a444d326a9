//! The one TLS configuration of the house: AWS and the providers are reached with the same one.
//!
//! Whom to trust is for the caller to say, and that alone: every function says [`public_roots`], and no setting makes it
//! say anything else; tests have servers with roots of their own. That certificates are checked is not for anybody to
//! say. The cryptography is *ring*'s, which needs no C compiler beyond what it brings.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// Mozilla's, compiled in by `webpki-roots`: reading the machine's own costs tens of milliseconds at every start of a
/// function.
pub fn public_roots() -> Arc<RootCertStore> {
    Arc::new(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() })
}

/// TLS 1.2 and 1.3 and no client certificate. ALPN is left to whoever uses it. Sessions are resumed where a server offers
/// it, within the process; nothing is ever sent before the handshake is complete (no 0-RTT), for that could be replayed.
pub(crate) fn client_config(roots: Arc<RootCertStore>) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
