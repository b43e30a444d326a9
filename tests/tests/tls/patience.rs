//! How long the clients wait, in full: the limits as they are deployed, against servers that never come to an end.

use std::time::{Duration, Instant};

use bifrost::model::failure::FailureClass;
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::authority::Authority;
use crate::exchange::{outbound, refresh, revoke, token};
use crate::process::{Aws, Process};
use crate::server::{Answer, Server};

/// Longer than anybody waits.
const NEVER: Duration = Duration::from_secs(600);

/// A server that takes connections, and leaves it at that.
async fn silent() -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port()).parse().unwrap();
    tokio::spawn(async move {
        let mut streams: Vec<TcpStream> = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            streams.push(stream);
        }
    });
    url
}

/// What it came to, and how long that took, which may be longer on a machine that is busy, but never shorter.
async fn timed<T>(limit: u64, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let result = work.await;
    let (took, limit) = (began.elapsed(), Duration::from_secs(limit));
    // The clocks of the runtime and of this test may differ in the last digits.
    assert!(took > limit - Duration::from_millis(50), "{took:?}, not {limit:?}");
    assert!(took < limit + Duration::from_secs(15), "{took:?}, not {limit:?}");
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_waited_for_3_seconds_a_token_45_and_everything_else_10() {
    let authority = Authority::new();
    let never = |_: &_| Answer { after: NEVER, ..token() };
    let server = Server::start(authority.identity(), never).await;
    let (url, outbound) = (server.url(), outbound(authority.roots()));
    let silent = silent().await;
    let (connection, token, other) = tokio::join!(
        timed(3, refresh(&outbound, &silent)),
        timed(45, refresh(&outbound, &url)),
        timed(10, revoke(&outbound, &url)),
    );
    let connection = connection.unwrap_err();
    assert_eq!(
        (connection.class, connection.code.as_str()),
        (FailureClass::Transient, "provider-unreachable")
    );
    assert_eq!(connection.detail, "No connection to localhost within 3s. Nothing was sent.");
    let token = token.unwrap_err();
    assert_eq!((token.class, token.code.as_str()), (FailureClass::Ambiguous, "provider-timeout"));
    assert_eq!(token.detail, "localhost took longer than 45s. It may have acted on the request.");
    assert_eq!(
        other.unwrap_err().detail,
        "localhost took longer than 10s. It may have acted on the request."
    );
    // Nothing was sent twice.
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_has_2_seconds_for_a_connection_and_5_for_an_answer_and_is_asked_three_times() {
    let authority = Authority::new();
    let never = |_: &_| Answer { after: NEVER, ..Answer::new(200, "{}") };
    let server = Server::start(authority.identity(), never).await;
    let endpoint = format!("https://localhost:{}", server.url().port().unwrap());
    let silent = silent().await;
    let silent_endpoint = format!("https://localhost:{}", silent.port().unwrap());
    let mut hanging = Process::start(&Aws::at(&endpoint, &authority).variables()).await;
    let mut unconnected = Process::start(&Aws::at(&silent_endpoint, &authority).variables()).await;
    let (hanging, unconnected) =
        tokio::join!(timed(15, hanging.ask("dynamodb")), timed(6, unconnected.ask("dynamodb")));
    assert!(hanging.contains("timeout"), "{hanging}");
    assert!(unconnected.contains("timeout") || unconnected.contains("timed out"), "{unconnected}");
    assert_eq!(server.requests().len(), 3);
}
