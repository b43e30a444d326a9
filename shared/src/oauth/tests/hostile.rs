//! Hosts and names that mean harm, or are as broken as if they did: what of it reaches us, and for how long.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Instant,
};

use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::*;

const LOCAL: Relaxed = Relaxed { loopback_http: true };

/// A resolver that says these addresses, one answer after the other, and the last one from then on.
#[derive(Clone)]
struct Fickle {
    answers: Arc<Mutex<VecDeque<Vec<IpAddr>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fickle {
    fn saying(answers: &[&[&str]]) -> Self {
        let parsed = |answer: &&[&str]| answer.iter().map(|address| address.parse().unwrap()).collect();
        let answers = answers.iter().map(parsed).collect();
        Self { answers: Arc::new(Mutex::new(answers)), asked: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Resolve for Fickle {
    fn resolve(&self, name: Name) -> Resolving {
        self.asked.lock().unwrap().push(name.as_str().to_owned());
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let addresses = answer.unwrap().into_iter().map(|address| SocketAddr::new(address, 0));
        let addresses: Vec<_> = addresses.collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}

fn resolving(relaxed: Relaxed, resolver: &Fickle) -> Outbound {
    Outbound::with(relaxed, tls::public_roots(), patience(), resolver.clone())
}

/// The URL with a name in the place of the address, so that the resolver is asked.
fn by_name(scheme: &str, provider: &Provider) -> Url {
    format!("{scheme}://localhost:{}/token", provider.url.port().unwrap()).parse().unwrap()
}

async fn code_through(outbound: &Outbound, url: &Url) -> String {
    refresh_through(outbound, url, ClientAuth::Basic).await.unwrap_err().code
}

#[tokio::test]
async fn the_address_that_was_checked_is_the_one_that_is_called() {
    let provider = Provider::saying("200 OK", r#"{"access_token": "r3ceived"}"#);
    let url = by_name("http", &provider);
    // Whoever looked a second time, between the check and the call, would go to the metadata service.
    let metadata: &[&str] = &["169.254.169.254"];
    let resolver = Fickle::saying(&[&["127.0.0.1"], metadata, &["127.0.0.1"], metadata]);
    let outbound = resolving(LOCAL, &resolver);

    refresh_through(&outbound, &url, ClientAuth::Basic).await.unwrap();
    assert_eq!(resolver.asked(), 1);
    provider.only_request();
    // The next request asks anew, and believes what was true before as little.
    assert_eq!(code_through(&outbound, &url).await, "address-not-allowed");
    assert_eq!(resolver.asked(), 2);
    refresh_through(&outbound, &url, ClientAuth::Basic).await.unwrap();
    assert_eq!(resolver.asked(), 3);
    provider.only_request();
}

#[tokio::test]
async fn of_a_name_with_addresses_of_both_kinds_the_public_ones_are_called() {
    let provider = Provider::saying("200 OK", r#"{"access_token": "r3ceived"}"#);
    let resolver = Fickle::saying(&[&["10.0.0.1", "::ffff:127.0.0.1", "127.0.0.1", "fd00:ec2::254"]]);
    refresh_through(&resolving(LOCAL, &resolver), &by_name("http", &provider), ClientAuth::Basic)
        .await
        .unwrap();
    provider.only_request();
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_connected_to() {
    // It would notice a connection, though it speaks no TLS.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for name in
        ["localhost", "localhost.", "metadata.google.internal", "idp.example", "xn--bcher-kva.example"]
    {
        let url = format!("https://{name}:{port}/").parse().unwrap();
        let resolver = Fickle::saying(&[&["127.0.0.1", "127.1.2.3", "10.0.0.1", "::1", "64:ff9b::7f00:1"]]);
        assert_eq!(
            code_through(&resolving(Relaxed::default(), &resolver), &url).await,
            "address-not-allowed"
        );
        assert_eq!(resolver.asked(), 1, "{name}");
    }
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

/// A resolver that has not made up its mind.
struct Undecided;

impl Resolve for Undecided {
    fn resolve(&self, _: Name) -> Resolving {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_name_that_is_looked_up_for_ever_has_no_more_time_than_a_connection() {
    let outbound = Outbound::with(Relaxed::default(), tls::public_roots(), patience(), Undecided);
    let url = "https://idp.example/token".parse().unwrap();
    let failure = refresh_through(&outbound, &url, ClientAuth::Basic).await.unwrap_err();
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Transient, "provider-unreachable"));
    assert_eq!(failure.detail, "No connection to idp.example within 300ms. Nothing was sent.");
}

/// None of these is asked of a resolver, which might read them in yet another way.
#[tokio::test]
async fn no_spelling_of_an_address_gets_past_the_check() {
    let resolver = Fickle::saying(&[&["127.0.0.1"]]);
    let strict = resolving(Relaxed::default(), &resolver);
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0x0.0x0.0x1",
        "0177.0.0.1",
        "017700000001",
        "0x7F.1",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
        "127。0。0。1",
        "①②⑦.0.0.1",
        "0",
        "0.0.0.0",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::1]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::169.254.169.254]",
        "[2002:a9fe:a9fe::]",
        "[fe80::1]",
        "[fd00:ec2::254]",
    ] {
        let url: Url = format!("https://{host}/").parse().unwrap();
        assert_eq!(code_through(&strict, &url).await, "address-not-allowed", "{host} {url}");
    }
    assert_eq!(resolver.asked(), 0);
}

#[test]
fn what_only_looks_like_an_address_is_no_url_at_all() {
    for host in [
        "127.0.0.256",
        "1.2.3.4.5",
        "4294967296",
        "0x100000000",
        "127.0.0.08",
        "foo.127.0.0.1",
        "foo.0x7f",
        "[::1%25lo]",
        "[fe80::1%eth0]",
        "[::1",
        "[v1.a]",
        "[127.0.0.1]",
        "127.0.0.1%00.example",
        "a b.example",
    ] {
        assert!(Url::parse(&format!("https://{host}/")).is_err(), "{host}");
    }
}

#[tokio::test]
async fn a_redirect_to_the_metadata_service_is_told_and_not_followed() {
    let location = "Location: http://169.254.169.254/latest/meta-data/iam/r3ceived?x=r3ceived\r\n";
    let provider = Provider::answering(http("302 Found", "text/html", location, ""));
    let failure = failure_at(&provider).await;
    assert_eq!(failure.code, "unexpected-redirect");
    assert_eq!(failure.detail, "The provider answered 302 and pointed to 169.254.169.254.");
    provider.only_request();
}

/// Sends `start`, and then `more` again and again until the other side hangs up, of which it tells.
fn dripping(start: &'static str, more: &'static str, pause: Duration) -> (Provider, HungUp) {
    let (hung_up, told) = mpsc::channel();
    let provider = Provider::serving(move |stream| {
        stream.write_all(start.as_bytes()).ok();
        let mut sent = start.len();
        while stream.write_all(more.as_bytes()).is_ok() {
            sent += more.len();
            thread::sleep(pause);
        }
        hung_up.send(sent).ok();
    });
    (provider, HungUp(told))
}

/// How many bytes the other side was sent before it hung up.
struct HungUp(mpsc::Receiver<usize>);

impl HungUp {
    async fn after(self) -> usize {
        // The runtime must run on for the connection to be closed.
        let told = tokio::task::spawn_blocking(move || self.0.recv_timeout(Duration::from_secs(20)));
        told.await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn whoever_answers_byte_by_byte_has_no_more_time_than_others() {
    const PAUSE: Duration = Duration::from_millis(50);
    for (start, more, code) in [
        ("", "x", "answer-lost"), // no HTTP, which shows at once
        ("", "H", "provider-timeout"),
        ("HTTP/1.1 200 OK\r\nX: ", "x", "provider-timeout"),
        ("HTTP/1.1 200 OK\r\n", "X: x\r\n", "provider-timeout"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", " ", "provider-timeout"),
        ("HTTP/1.1 200 OK\r\n\r\n", " ", "provider-timeout"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n \r\n", "provider-timeout"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", "provider-timeout"),
    ] {
        let (provider, hung_up) = dripping(start, more, PAUSE);
        let began = Instant::now();
        let failure = failure_at(&provider).await;
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Ambiguous, code), "{start}{more}");
        assert!(began.elapsed() < Duration::from_secs(10), "{start}{more}");
        // Nobody goes on listening in the background.
        hung_up.after().await;
        provider.only_request();
    }
}

#[tokio::test]
async fn an_error_whose_page_never_ends_is_understood_by_its_status() {
    let (provider, hung_up) = dripping("HTTP/1.1 503 Busy\r\n\r\n", " ", Duration::from_millis(50));
    assert_eq!(failure_at(&provider).await.class, FailureClass::Transient);
    hung_up.after().await;
}

/// What the kernel takes in advance, on both sides of a loopback connection, is not ours.
const BUFFERED: usize = 16 * 1024 * 1024;

#[tokio::test]
async fn an_answer_without_end_is_not_taken_in() {
    let kilobyte: &'static str = Box::leak("x".repeat(1024).into_boxed_str());
    let header: &'static str = Box::leak(format!("X: {kilobyte}\r\n").into_boxed_str());
    let chunk: &'static str = Box::leak(format!("400\r\n{kilobyte}\r\n").into_boxed_str());
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let trailers: &'static str = Box::leak(format!("{chunked}0\r\n").into_boxed_str());
    let extension: &'static str = Box::leak(format!("{chunked}1;").into_boxed_str());
    // Whoever may go on for long has to be stopped by the bytes; of the others, it depends on the machine whether these
    // run out first or the time.
    let (large, long) = (&["answer-too-large"][..], Duration::from_secs(30));
    let (lost, short) = (&["answer-lost", "provider-timeout"][..], patience().token_exchange);
    for (start, more, codes, token_exchange) in [
        ("HTTP/1.1 200 OK\r\nX: ", kilobyte, lost, short),
        ("HTTP/1.1 200 OK\r\n", header, lost, short),
        ("HTTP/1.1 200 OK\r\n", "X:x\r\n", lost, short),
        ("HTTP/1.1 200 OK\r\n\r\n", kilobyte, large, long),
        (chunked, chunk, large, long),
        (extension, kilobyte, lost, short),
        (trailers, header, lost, short),
        ("", "HTTP/1.1 100 Continue\r\n\r\n", lost, short),
    ] {
        let (provider, hung_up) = dripping(start, more, Duration::ZERO);
        let patience = Patience { token_exchange, ..patience() };
        let outbound = Outbound::with(LOCAL, tls::public_roots(), patience, SystemResolver);
        let failure = refresh_through(&outbound, &provider.url, ClientAuth::Basic).await.unwrap_err();
        assert!(codes.contains(&failure.code.as_str()), "{} for {start}", failure.code);
        let sent = hung_up.after().await;
        // Interim answers are read and forgotten, as many as come in the time.
        assert!(sent < BUFFERED || start.is_empty(), "{sent} bytes of {start}");
    }
}

#[tokio::test]
async fn an_answer_that_can_be_read_in_two_ways_is_not_read() {
    // With Transfer-Encoding, RFC 9112 6.3 settles it: the length does not count.
    for head in [
        "Content-Length: 5\r\nContent-Length: 26\r\n",
        "Content-Length: 5, 26\r\n",
        "Content-Length: +26\r\n",
        "Content-Length: 0x1a\r\n",
        "X: a\0b\r\n",
        "X y: z\r\n",
        "X\r\n : z\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\n{{\"access_token\": \"r3ceived\"}}");
        let provider = Provider::answering(answer);
        let failure = refresh_at(&provider.url, ClientAuth::Basic).await;
        let code = failure.as_ref().err().map(|failure| failure.code.as_str());
        assert_eq!(code, Some("answer-lost"), "{head}");
        provider.only_request();
    }
}

#[tokio::test]
async fn what_follows_an_answer_is_nobodys() {
    let first = http("200 OK", "application/json", "", r#"{"access_token": "first"}"#);
    let second = http("200 OK", "application/json", "", r#"{"access_token": "second"}"#);
    let provider = Provider::answering(first + &second);
    let outbound = outbound();
    for _ in 0..2 {
        let set = refresh_through(&outbound, &provider.url, ClientAuth::Basic).await.unwrap();
        assert_eq!(set.access_token.expose(), "first");
    }
}

/// RFC 1952, with no checksum: nothing may come so far as to miss it.
fn gzip(content: &[u8]) -> Vec<u8> {
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    gzip.extend(compress_to_vec(content, 6));
    gzip.extend([0; 8]);
    gzip
}

#[tokio::test]
async fn a_compressed_answer_is_left_as_it_is_and_said_to_be_one() {
    let token = br#"{"access_token": "r3ceived"}"#;
    let bomb = vec![b' '; 8 * 1024 * 1024];
    for (coding, body) in [
        ("gzip", gzip(token)),
        ("x-gzip", gzip(&bomb)),
        ("gzip, gzip", gzip(&gzip(&bomb))),
        ("deflate", compress_to_vec_zlib(&bomb, 6)),
        ("br", vec![0x8b, 0x0c, 0x80]),
        ("zstd", vec![0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        // A bomb only as long as it is folded.
        assert!(body.len() < 64 * 1024);
        let length = body.len();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {length}\r\n\r\n");
        let provider = Provider::answering([head.into_bytes(), body].concat());
        let failure = failure_at(&provider).await;
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Malformed, "malformed-answer"));
        assert_eq!(
            failure.detail,
            "The provider answered 200 with a compressed body, which was not asked for."
        );
        assert_eq!(provider.only_request().header("accept-encoding"), Some("identity"), "{coding}");
    }
    // A token is not lost to a header that is wrong.
    let mislabelled =
        http("200 OK", "application/json", "Content-Encoding: gzip\r\n", std::str::from_utf8(token).unwrap());
    refresh_at(&Provider::answering(mislabelled).url, ClientAuth::Basic).await.unwrap();
}

#[test]
fn a_token_exchange_has_45_seconds_everything_else_10_and_a_connection_3() {
    let Patience { connect, token_exchange, other } = Patience::default();
    assert_eq!((connect.as_secs(), token_exchange.as_secs(), other.as_secs()), (3, 45, 10));
}
