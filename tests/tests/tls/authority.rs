//! An authority that signs whatever certificate a test needs.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows, and proves to be its own.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        // Of two authorities with one name, a certificate's issuer would seem known, and its signature wrong.
        let params = ca_params(&format!("Test Root {}", Uuid::new_v4()));
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn roots(&self) -> Arc<RootCertStore> {
        roots(self.root())
    }

    pub(crate) fn root(&self) -> &[u8] {
        self.0.der()
    }

    /// RFC 7468, but for the length of its lines.
    pub(crate) fn pem(&self) -> String {
        let root = STANDARD.encode(self.root());
        format!("-----BEGIN CERTIFICATE-----\n{root}\n-----END CERTIFICATE-----\n")
    }

    /// For localhost, good for a month since yesterday.
    pub(crate) fn identity(&self) -> Identity {
        self.identity_for("localhost", -1, 30)
    }

    /// For a name, from one day to another, counted from today.
    pub(crate) fn identity_for(&self, name: &str, from: i64, until: i64) -> Identity {
        let params = server_params(name, from, until);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity { chain: vec![certificate.der().clone()], key: key.into() }
    }

    /// Signed by an authority in between, whose own certificate the server keeps to itself.
    pub(crate) fn identity_with_a_gap(&self) -> Identity {
        let between =
            CertifiedIssuer::signed_by(ca_params("Test Intermediate"), KeyPair::generate().unwrap(), &self.0);
        Self(between.unwrap()).identity()
    }

    /// Signed by a server's certificate, which is no authority's.
    pub(crate) fn identity_from_a_server(&self) -> Identity {
        let server = CertifiedIssuer::signed_by(
            server_params("localhost", -1, 30),
            KeyPair::generate().unwrap(),
            &self.0,
        );
        let server = Self(server.unwrap());
        let mut identity = server.identity();
        identity.chain.push(CertificateDer::from(server.root().to_vec()));
        identity
    }
}

pub(crate) fn roots(root: &[u8]) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(root.to_vec())).unwrap();
    Arc::new(roots)
}

fn ca_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

fn server_params(name: &str, from: i64, until: i64) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = OffsetDateTime::now_utc() + Duration::days(from);
    params.not_after = OffsetDateTime::now_utc() + Duration::days(until);
    params
}
