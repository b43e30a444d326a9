//! The one TLS configuration of the house: AWS and the providers are reached with the same one.
//!
//! The roots are compiled in (Mozilla's, by `webpki-roots`), for reading the machine's own costs tens of milliseconds
//! at every start of a function; the cryptography is *ring*'s, which needs no C compiler beyond what it brings.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore, crypto::ring};

/// TLS 1.2 and 1.3 with Mozilla's roots and no client certificate. ALPN is left to whoever uses it.
pub fn client_config() -> ClientConfig {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
