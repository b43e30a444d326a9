//! A provider is who its certificate says, by the word of an authority that is trusted, or nothing is sent to it.

use std::time::Duration;

use bifrost::model::failure::FailureClass;
use bifrost::tls::public_roots;
use rustls::{HandshakeKind, ProtocolVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;

use crate::authority::{Authority, Identity};
use crate::exchange::{outbound, refresh, token};
use crate::server::Server;

#[tokio::test]
async fn a_provider_whose_authority_is_trusted_is_spoken_to_with_tls_1_3_and_1_2() {
    let authority = Authority::new();
    for (versions, spoken) in [
        (rustls::ALL_VERSIONS, ProtocolVersion::TLSv1_3),
        (&[&rustls::version::TLS13], ProtocolVersion::TLSv1_3),
        (&[&rustls::version::TLS12], ProtocolVersion::TLSv1_2),
    ] {
        let server = Server::start_with(authority.identity(), versions, |_| token()).await;
        let set = refresh(&outbound(authority.roots()), &server.url()).await.unwrap();
        assert_eq!(set.access_token.expose(), "r3ceived");
        let connections = server.connections();
        assert_eq!(connections.len(), 1);
        assert_eq!(connections[0].version, spoken);
        assert_eq!(connections[0].server_name.as_deref(), Some("localhost"));
        assert_eq!(connections[0].requests[0].line, "POST /token HTTP/1.1");
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_in_order_is_refused_before_anything_is_sent() {
    let authority = Authority::new();
    let refused = async |identity: Identity, roots, says: &str| {
        let server = Server::start(identity, |_| token()).await;
        let failure = refresh(&outbound(roots), &server.url()).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Transient, "tls-failed"));
        let detail = format!("The TLS handshake with localhost failed: {says}. Nothing was sent.");
        assert_eq!(failure.detail, detail);
        assert_eq!(failure.title, "No trusted encrypted connection to the provider");
        assert!(failure.fix.starts_with("The provider needs a valid certificate from a public authority"));
        assert!(server.requests().is_empty());
    };
    let unknown = "its certificate is from no authority that is trusted everywhere";
    // What every function trusts, and whoever runs it can't change.
    refused(authority.identity(), public_roots(), unknown).await;
    refused(authority.identity(), Authority::new().roots(), unknown).await;
    refused(authority.identity_with_a_gap(), authority.roots(), unknown).await;
    refused(authority.identity_from_a_server(), authority.roots(), "its certificate is not valid").await;
    let expired = authority.identity_for("localhost", -30, -1);
    refused(expired, authority.roots(), "its certificate has expired").await;
    let early = authority.identity_for("localhost", 1, 30);
    refused(early, authority.roots(), "its certificate is not valid yet").await;
    for name in ["idp.example", "localhost.idp.example", "*.localhost", "127.0.0.1"] {
        let other = authority.identity_for(name, -1, 30);
        refused(other, authority.roots(), "its certificate is for another name").await;
    }
}

/// A TLS record.
fn record(kind: u8, version: [u8; 2], content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[kind], &version[..], &length, content].concat()
}

/// The `ServerHello` of a server that knows nothing newer than TLS 1.1 (RFC 4346 7.4.1.3).
fn tls_1_1() -> Vec<u8> {
    const VERSION: [u8; 2] = [3, 2];
    let hello = [&VERSION[..], &[7; 32], &[0], &[0xc0, 0x13], &[0]].concat();
    let length = u8::try_from(hello.len()).unwrap();
    record(22, VERSION, &[&[2, 0, 0, length], &hello[..]].concat())
}

fn fatal_alert(description: u8) -> Vec<u8> {
    record(21, [3, 3], &[2, description])
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_or_one_that_is_too_old_is_told_apart() {
    let old = ": it offers neither TLS 1.3 nor a safe TLS 1.2";
    for (greeting, says) in [
        (tls_1_1(), old),
        (fatal_alert(70), old), // protocol_version
        (fatal_alert(40), old), // handshake_failure
        (fatal_alert(112), ": it does not know that name"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), ": what answers there does not speak TLS"),
        (b"220 mail.example ESMTP\r\n".to_vec(), ": what answers there does not speak TLS"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url: Url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let received = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(&greeting).await.unwrap();
            let mut received = Vec::new();
            stream.read_to_end(&mut received).await.ok();
            received
        });
        let failure = refresh(&outbound(public_roots()), &url).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Transient, "tls-failed"));
        let detail = format!("The TLS handshake with 127.0.0.1 failed{says}. Nothing was sent.");
        assert_eq!(failure.detail, detail);
        // A hello, and what may have been said about the answer to it.
        let received = String::from_utf8_lossy(&received.await.unwrap()).into_owned();
        assert!(!received.contains("r3fresh") && !received.contains("POST"), "{received}");
    }
}

#[tokio::test]
async fn each_exchange_has_a_connection_of_its_own_which_takes_up_the_session_of_the_last() {
    let authority = Authority::new();
    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        let server = Server::start_with(authority.identity(), versions, |_| token()).await;
        let (outbound, url) = (outbound(authority.roots()), server.url());
        for _ in 0..3 {
            refresh(&outbound, &url).await.unwrap();
        }
        let both = tokio::join!(refresh(&outbound, &url), refresh(&outbound, &url));
        both.0.unwrap();
        both.1.unwrap();
        let connections = server.connections();
        assert_eq!(connections.len(), 5);
        assert!(connections.iter().all(|connection| connection.requests.len() == 1));
        let handshakes: Vec<_> = connections[..3].iter().map(|connection| connection.handshake).collect();
        assert_eq!(handshakes, [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Resumed]);
    }
}

/// A process that starts again, as functions do, has no session to take up; another one's is not offered either.
#[tokio::test]
async fn a_session_is_not_taken_up_by_a_client_that_trusts_others() {
    let authority = Authority::new();
    let server = Server::start(authority.identity(), |_| token()).await;
    refresh(&outbound(authority.roots()), &server.url()).await.unwrap();
    let failure = refresh(&outbound(public_roots()), &server.url()).await.unwrap_err();
    assert_eq!(failure.code, "tls-failed");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_provider_that_takes_twelve_seconds_is_waited_for() {
    let authority = Authority::new();
    let slow = |_: &_| crate::server::Answer { after: Duration::from_secs(12), ..token() };
    let server = Server::start(authority.identity(), slow).await;
    refresh(&outbound(authority.roots()), &server.url()).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}
