//! A server that speaks TLS and HTTP/1.1, keeps connections open, and remembers who came.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, SupportedProtocolVersion, crypto::ring};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use url::Url;

use crate::authority::Identity;

pub(crate) struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Connection>>>,
    hang_up: watch::Sender<()>,
}

/// A connection, once its handshake was complete.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) version: ProtocolVersion,
    pub(crate) handshake: HandshakeKind,
    pub(crate) server_name: Option<String>,
    pub(crate) requests: Vec<Request>,
    pub(crate) closed: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) line: String,
    /// Names in lower case, as they came otherwise.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) after: Duration,
}

impl Answer {
    pub(crate) fn new(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), after: Duration::ZERO }
    }
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find_map(|(found, value)| (found == name).then_some(value.as_str()))
    }
}

impl Server {
    /// TLS 1.2 and 1.3, as most servers.
    pub(crate) async fn start(
        identity: Identity,
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(identity, rustls::ALL_VERSIONS, answer).await
    }

    pub(crate) async fn start_with(
        identity: Identity,
        versions: &[&'static SupportedProtocolVersion],
        answer: impl Fn(&Request) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(identity.chain, identity.key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<Connection>>> = Arc::default();
        let (hang_up, hung_up) = watch::channel(());
        let (answer, seen_too) = (Arc::new(answer), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
                let (seen, hung_up) = (Arc::clone(&seen_too), hung_up.clone());
                tokio::spawn(async move { serve(stream, acceptor, &*answer, &seen, hung_up).await });
            }
        });
        Self { port, seen, hang_up }
    }

    /// By the name that the certificate is for.
    pub(crate) fn url(&self) -> Url {
        format!("https://localhost:{}/token", self.port).parse().unwrap()
    }

    /// Those whose handshake was complete, in their order.
    pub(crate) fn connections(&self) -> Vec<Connection> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.connections().into_iter().flat_map(|connection| connection.requests).collect()
    }

    /// Closes the connections on which nothing is asked, as servers do after a while, and waits until they are closed.
    pub(crate) async fn hang_up(&self) {
        self.hang_up.send_replace(());
        while self.connections().iter().any(|connection| !connection.closed) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    answer: &(dyn Fn(&Request) -> Answer + Send + Sync),
    seen: &Mutex<Vec<Connection>>,
    mut hung_up: watch::Receiver<()>,
) -> io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let (_, tls) = stream.get_ref();
    let connection = Connection {
        version: tls.protocol_version().unwrap(),
        handshake: tls.handshake_kind().unwrap(),
        server_name: tls.server_name().map(str::to_owned),
        requests: Vec::new(),
        closed: false,
    };
    let index = {
        let mut seen = seen.lock().unwrap();
        seen.push(connection);
        seen.len() - 1
    };
    hung_up.mark_unchanged();
    loop {
        let request = tokio::select! {
            request = read_request(&mut stream) => request,
            _ = hung_up.changed() => Ok(None),
        };
        let Ok(Some(request)) = request else { break };
        let answer = answer(&request);
        seen.lock().unwrap()[index].requests.push(request);
        tokio::time::sleep(answer.after).await;
        let Answer { status, body, .. } = answer;
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} Answer\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() || stream.flush().await.is_err() {
            break;
        }
    }
    let closed = stream.shutdown().await;
    drop(stream);
    seen.lock().unwrap()[index].closed = true;
    closed
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Request>> {
    let mut received = Vec::new();
    let head = loop {
        if let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut received).await? == 0 {
            return Ok(None);
        }
    };
    let mut body = received.split_off(head + 4);
    let head = String::from_utf8(received).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let line = lines.next().unwrap().to_owned();
    let headers = lines.map(|line| line.split_once(": ").unwrap());
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut request = Request { line, headers, body: Vec::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await? == 0 {
            return Ok(None);
        }
    }
    request.body = body;
    Ok(Some(request))
}
