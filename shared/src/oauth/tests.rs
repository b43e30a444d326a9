//! The exchanges against a provider on a real socket, which answers, breaks off and dawdles as it is told.

mod hostile;

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use url::{Url, form_urlencoded};

use super::{
    outbound::{Outbound, Patience, Relaxed, SystemResolver},
    *,
};
use crate::{
    model::{
        Secret, Timestamp,
        connection::ClientAuth,
        dialect::{Dialect, TokenBody},
        failure::{Failure, FailureClass},
    },
    tls,
};

const REFRESH_TOKEN: &str = "r3fresh+/%:~& tökén";
const CLIENT_SECRET: &str = "cl1ent+/%:~& sécret";
const CLIENT_ID: &str = "cli:ent~ö";

/// A provider that answers each request as it is told, and hangs up.
struct Provider {
    url: Url,
    received: mpsc::Receiver<String>,
}

impl Provider {
    fn answering(answer: impl Into<Vec<u8>>) -> Self {
        Self::answering_after(Duration::ZERO, answer)
    }

    fn answering_after(delay: Duration, answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::serving(move |stream| {
            thread::sleep(delay);
            stream.write_all(&answer).ok();
        })
    }

    /// Whatever `serve` does once a request has been read.
    fn serving(serve: impl Fn(&mut TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap()).parse().unwrap();
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            // One request after the other: a client that tried again would be seen.
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                sender.send(read_request(&mut stream)).ok();
                serve(&mut stream);
            }
        });
        Self { url, received }
    }

    /// The body is JSON with this status line, such as `400 Bad Request`.
    fn saying(status: &str, body: &str) -> Self {
        Self::answering(http(status, "application/json", "", body))
    }

    fn only_request(&self) -> Request {
        let text = self.received.try_recv().unwrap();
        assert!(self.received.try_recv().is_err(), "a request was sent twice");
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Request {
            head: head.to_owned(),
            form: form_urlencoded::parse(body.as_bytes()).into_owned().collect(),
        }
    }
}

struct Request {
    head: String,
    form: BTreeMap<String, String>,
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

fn read_request(stream: &mut impl Read) -> String {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&received).to_lowercase();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return String::from_utf8_lossy(&received).into_owned();
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&received).into_owned(),
            Ok(count) => received.extend_from_slice(&buffer[..count]),
        }
    }
}

fn http(status: &str, content_type: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// Of the tests: long enough for a busy machine, short enough to be waited for.
fn patience() -> Patience {
    Patience {
        connect: Duration::from_millis(300),
        token_exchange: Duration::from_secs(1),
        other: Duration::from_secs(1),
    }
}

fn outbound() -> Outbound {
    Outbound::with(Relaxed { loopback_http: true }, tls::public_roots(), patience(), SystemResolver)
}

fn now() -> Timestamp {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

fn credentials(client_auth: ClientAuth, secret: &Secret) -> Credentials<'_> {
    match client_auth {
        ClientAuth::Basic => Credentials::Basic(secret),
        ClientAuth::Post => Credentials::Post(secret),
        ClientAuth::PrivateKeyJwt => Credentials::Assertion(secret),
    }
}

async fn refresh_at(token_url: &Url, client_auth: ClientAuth) -> Result<TokenSet, Failure> {
    refresh_through(&outbound(), token_url, client_auth).await
}

async fn refresh_through(
    outbound: &Outbound,
    token_url: &Url,
    client_auth: ClientAuth,
) -> Result<TokenSet, Failure> {
    let secret = Secret::from(CLIENT_SECRET.to_owned());
    let registration = Registration {
        client_id: CLIENT_ID,
        credentials: credentials(client_auth, &secret),
        token_url: token_url.clone(),
        token_params: &BTreeMap::from([("resource".to_owned(), "https://api.example/".to_owned())]),
        scopes: &["read".to_owned(), "write".to_owned()],
        audience: Some("the api"),
        dialect: &Dialect::default(),
    };
    refresh(outbound, &registration, &Secret::from(REFRESH_TOKEN.to_owned()), now()).await
}

/// What becomes of a refresh. No failure may hold what was sent, whatever the provider makes of it.
async fn failure_at(provider: &Provider) -> Failure {
    let failure = refresh_at(&provider.url, ClientAuth::Basic).await.unwrap_err();
    let texts = format!("{failure} {failure:?}");
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    for secret in [REFRESH_TOKEN, CLIENT_SECRET, "r3ceived"] {
        assert!(!texts.contains(secret) && !texts.contains(&encoded(secret)), "{texts}");
    }
    failure
}

async fn class_and_code(provider: Provider) -> (FailureClass, String) {
    let failure = failure_at(&provider).await;
    (failure.class, failure.code)
}

#[tokio::test]
async fn a_refresh_sends_what_the_rfc_says_and_reads_the_answer() {
    let body = r#"{"access_token": "r3ceived-a", "refresh_token": "r3ceived-r", "expires_in": "60"}"#;
    let provider = Provider::saying("200 OK", body);
    let set = refresh_at(&provider.url, ClientAuth::Post).await.unwrap();
    assert_eq!(set.access_token.expose(), "r3ceived-a");
    assert_eq!(set.refresh_token.unwrap().expose(), "r3ceived-r");
    assert_eq!(set.expires_at, now() + Duration::from_secs(60));

    let request = provider.only_request();
    assert!(request.head.starts_with("POST /token HTTP/1.1"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("accept-encoding"), Some("identity"));
    assert_eq!(request.header("authorization"), None);
    let expected = [
        ("client_id", CLIENT_ID),
        ("client_secret", CLIENT_SECRET),
        ("grant_type", "refresh_token"),
        ("refresh_token", REFRESH_TOKEN),
        ("resource", "https://api.example/"),
    ];
    assert_eq!(request.form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn basic_credentials_are_form_encoded_before_they_are_base64() {
    let provider = Provider::saying("200 OK", r#"{"access_token": "r3ceived"}"#);
    refresh_at(&provider.url, ClientAuth::Basic).await.unwrap();
    let request = provider.only_request();
    let credentials = request.header("authorization").unwrap().strip_prefix("Basic ").unwrap();
    let credentials = String::from_utf8(STANDARD.decode(credentials).unwrap()).unwrap();
    assert_eq!(credentials, "cli%3Aent%7E%C3%B6:cl1ent%2B%2F%25%3A%7E%26+s%C3%A9cret");
    assert!(!request.form.contains_key("client_secret") && !request.form.contains_key("client_id"));
}

#[tokio::test]
async fn a_code_goes_with_its_verifier_and_redirect_uri() {
    let provider = Provider::saying("201 Created", r#"{"access_token": "a"}"#);
    let registration = Registration {
        client_id: "public",
        credentials: Credentials::None,
        token_url: provider.url.clone(),
        token_params: &BTreeMap::new(),
        scopes: &[],
        audience: None,
        dialect: &Dialect { default_lifetime: Some(7200), ..Dialect::default() },
    };
    let (code, verifier) = (Secret::from("c/o+de".to_owned()), new_pkce().1);
    let redirect_uri = "https://bifrost.example/oauth/callback/My%20API";
    let set =
        exchange_code(&outbound(), &registration, &code, Some(&verifier), redirect_uri, now()).await.unwrap();
    assert_eq!((set.lifetime.as_secs(), set.expiry_source), (7200, ExpirySource::Default));

    let form = provider.only_request().form;
    let expected = [
        ("client_id", "public"),
        ("code", "c/o+de"),
        ("code_verifier", verifier.expose()),
        ("grant_type", "authorization_code"),
        ("redirect_uri", redirect_uri),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn client_credentials_ask_for_scopes_and_audience() {
    let provider = Provider::saying("200 OK", r#"{"access_token": "a"}"#);
    let registration = Registration {
        client_id: CLIENT_ID,
        credentials: Credentials::Basic(&Secret::from(CLIENT_SECRET.to_owned())),
        token_url: provider.url.clone(),
        token_params: &BTreeMap::new(),
        scopes: &["read".to_owned(), "write".to_owned()],
        audience: Some("the api"),
        dialect: &Dialect::default(),
    };
    client_credentials(&outbound(), &registration, now()).await.unwrap();
    let form = provider.only_request().form;
    let expected = [("audience", "the api"), ("grant_type", "client_credentials"), ("scope", "read write")];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn an_error_answer_has_the_class_of_its_code() {
    for (status, body, class, code) in [
        ("400 Bad Request", r#"{"error": "invalid_grant"}"#, FailureClass::Terminal, "invalid_grant"),
        ("401 Unauthorized", r#"{"error": "invalid_client"}"#, FailureClass::Client, "invalid_client"),
        (
            "400 Bad Request",
            r#"{"error": "unauthorized_client"}"#,
            FailureClass::Setup,
            "unauthorized_client",
        ),
        // Keycloak, for a wrong secret.
        (
            "401 Unauthorized",
            r#"{"error": "unauthorized_client"}"#,
            FailureClass::Client,
            "unauthorized_client",
        ),
        ("401 Unauthorized", r#"{"error": "Unauthorized"}"#, FailureClass::Client, "Unauthorized"),
        ("401 Unauthorized", r#"{"error": "invalid_grant"}"#, FailureClass::Terminal, "invalid_grant"),
        (
            "400 Bad Request",
            r#"{"error": "temporarily_unavailable"}"#,
            FailureClass::Transient,
            "temporarily_unavailable",
        ),
        (
            "400 Bad Request",
            r#"{"error": "slow_down"}"#,
            FailureClass::Throttled { retry_after: None },
            "slow_down",
        ),
        ("400 Bad Request", r#"{"error": "house_on_fire"}"#, FailureClass::Transient, "house_on_fire"),
        (
            "400 Bad Request",
            r#"{"error": {"code": 190, "type": "OAuthException"}}"#,
            FailureClass::Transient,
            "OAuthException",
        ),
        ("401 Unauthorized", "", FailureClass::Client, "invalid_client"),
        ("403 Forbidden", "no", FailureClass::Transient, "provider-refused"),
        ("404 Not Found", "{}", FailureClass::Setup, "wrong-endpoint"),
        ("500 Internal Server Error", "", FailureClass::Transient, "provider-unavailable"),
        ("502 Bad Gateway", "{", FailureClass::Transient, "provider-unavailable"),
        (
            "503 Service Unavailable",
            r#"{"error": "invalid_client"}"#,
            FailureClass::Transient,
            "invalid_client",
        ),
    ] {
        let provider = Provider::saying(status, body);
        assert_eq!(class_and_code(provider).await, (class, code.to_owned()), "{status} {body}");
    }
}

#[tokio::test]
async fn an_error_with_status_200_is_an_error_unless_a_token_came_with_it() {
    let github = r#"{"error": "bad_refresh_token", "error_description": "The refresh token is incorrect."}"#;
    let failure = failure_at(&Provider::saying("200 OK", github)).await;
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Terminal, "bad_refresh_token"));
    assert!(failure.detail.ends_with("The refresh token is incorrect."));

    let slack = Provider::saying("200 OK", r#"{"ok": false, "error": "ratelimited"}"#);
    assert_eq!(class_and_code(slack).await.0, FailureClass::Throttled { retry_after: None });

    let both = Provider::saying("200 OK", r#"{"access_token": "a", "error": "scope_reduced"}"#);
    refresh_at(&both.url, ClientAuth::Basic).await.unwrap();
    let neither = Provider::saying("200 OK", r#"{"access_token": "a", "error": null}"#);
    refresh_at(&neither.url, ClientAuth::Basic).await.unwrap();
}

#[tokio::test]
async fn a_form_encoded_answer_is_read_too() {
    let form = http(
        "200 OK",
        "application/x-www-form-urlencoded; charset=utf-8",
        "",
        "access_token=a%2Fb&scope=x%2Cy",
    );
    let provider = Provider::answering(form);
    let set = refresh_at(&provider.url, ClientAuth::Basic).await.unwrap();
    assert_eq!(set.access_token.expose(), "a/b");
    assert_eq!(set.scopes.unwrap(), ["x", "y"]);
}

#[tokio::test]
async fn retry_after_is_obeyed_as_seconds_and_as_a_date() {
    for (status, header, seconds) in [
        ("429 Too Many Requests", "Retry-After: 7\r\n", Some(7)),
        ("429 Too Many Requests", "Retry-After: Sat, 31 Jan 2026 12:00:30 GMT\r\n", Some(30)),
        ("429 Too Many Requests", "Retry-After: Sat, 31 Jan 2026 11:00:00 GMT\r\n", Some(0)),
        ("429 Too Many Requests", "Retry-After: 99999999\r\n", Some(24 * 60 * 60)),
        ("429 Too Many Requests", "Retry-After: soon\r\n", None),
        ("429 Too Many Requests", "", None),
        ("503 Service Unavailable", "Retry-After: 7\r\n", Some(7)),
    ] {
        let provider = Provider::answering(http(status, "text/plain", header, "slow down"));
        let retry_after = seconds.map(Duration::from_secs);
        assert_eq!(
            class_and_code(provider).await.0,
            FailureClass::Throttled { retry_after },
            "{status} {header}"
        );
    }
}

#[tokio::test]
async fn a_yes_that_cannot_be_read_is_malformed() {
    let page = http("200 OK", "text/html", "", "<html>r3ceived</html>");
    let failure = failure_at(&Provider::answering(page)).await;
    assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Malformed, "malformed-answer"));
    assert!(failure.detail.contains("a web page"));
    for body in [
        "",
        "[]",
        "\"r3ceived\"",
        "{\"access_token\": \"r3ceived",
        r#"{"token": "r3ceived"}"#,
        r#"{"access_token": ""}"#,
        r#"{"access_token": {"r3ceived": 1}}"#,
        "{\"access_token\": \"r3ceived\\n\"}",
    ] {
        let provider = Provider::saying("200 OK", body);
        assert_eq!(class_and_code(provider).await.0, FailureClass::Malformed, "{body}");
    }
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let target = Provider::saying("200 OK", r#"{"access_token": "r3ceived"}"#);
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let location = format!("Location: {}?r3ceived=1\r\n", target.url);
        let provider = Provider::answering(http(status, "text/html", &location, ""));
        let failure = failure_at(&provider).await;
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Malformed, "unexpected-redirect"));
    }
    assert!(target.received.try_recv().is_err());
}

#[tokio::test]
async fn a_body_beyond_one_mebibyte_is_not_read() {
    let body = format!("{{\"access_token\": \"r3ceived\", \"x\": \"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let too_large = (FailureClass::Malformed, "answer-too-large".to_owned());
    assert_eq!(class_and_code(Provider::saying("200 OK", &body)).await, too_large);
    // Without a length the end is where the connection ends; nothing warns of it.
    let unannounced = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
    assert_eq!(class_and_code(Provider::answering(unannounced)).await, too_large);
    // An error status needs no body to be understood.
    let failing = Provider::saying("500 Internal Server Error", &body);
    assert_eq!(class_and_code(failing).await.0, FailureClass::Transient);
}

#[tokio::test]
async fn an_answer_that_does_not_arrive_whole_is_ambiguous_and_not_asked_for_again() {
    for answer in [
        "",
        "HTTP/1.1 20",
        "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"access_token\": \"r3ceived\"",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"r3c\r\n",
        "\x16\x03\x01 no HTTP at all\r\n\r\n",
    ] {
        let provider = Provider::answering(answer);
        let failure = failure_at(&provider).await;
        assert_eq!(
            (failure.class, failure.code.as_str()),
            (FailureClass::Ambiguous, "answer-lost"),
            "{answer}"
        );
        provider.only_request();
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_ambiguous() {
    let answer = http("200 OK", "application/json", "", r#"{"access_token": "r3ceived"}"#);
    let provider = Provider::answering_after(Duration::from_secs(5), answer);
    assert_eq!(class_and_code(provider).await, (FailureClass::Ambiguous, "provider-timeout".to_owned()));
}

#[tokio::test]
async fn a_provider_that_was_not_reached_is_transient() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = |text: String| text.parse().unwrap();

    let refused = refresh_at(&url(format!("http://{unused}/")), ClientAuth::Basic).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_str()), (FailureClass::Transient, "provider-unreachable"));

    let unknown =
        refresh_at(&url("https://does-not-exist.invalid/".into()), ClientAuth::Basic).await.unwrap_err();
    assert_eq!((unknown.class, unknown.code.as_str()), (FailureClass::Transient, "provider-unreachable"));

    let (silent, deaf) = (tls_to(""), tls_to("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let silent = refresh_at(&silent, ClientAuth::Basic).await.unwrap_err();
    assert_eq!((silent.class, silent.code.as_str()), (FailureClass::Transient, "provider-unreachable"));
    let no_tls = refresh_at(&deaf, ClientAuth::Basic).await.unwrap_err();
    assert_eq!((no_tls.class, no_tls.code.as_str()), (FailureClass::Transient, "tls-failed"));
}

/// The https URL of a server that says this to whoever connects, and keeps the connection.
fn tls_to(greeting: &'static str) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    thread::spawn(move || {
        let mut streams = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            stream.write_all(greeting.as_bytes()).ok();
            streams.push(stream);
        }
    });
    url
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_by_number_and_by_name() {
    let strict = Outbound::new(Relaxed::default(), tls::public_roots());
    for (url, code) in [
        ("http://example.com/", "url-not-allowed"),
        ("http://127.0.0.1/", "url-not-allowed"),
        ("https://user:pass@example.com/", "url-not-allowed"),
        ("https://127.0.0.1/", "address-not-allowed"),
        ("https://0x7f.1/", "address-not-allowed"),
        ("https://169.254.169.254/latest/meta-data/", "address-not-allowed"),
        ("https://[::1]/", "address-not-allowed"),
        ("https://[::ffff:10.0.0.1]/", "address-not-allowed"),
        ("https://localhost/", "address-not-allowed"),
    ] {
        let registration = Registration {
            client_id: "c",
            credentials: Credentials::None,
            token_url: url.parse().unwrap(),
            token_params: &BTreeMap::new(),
            scopes: &[],
            audience: None,
            dialect: &Dialect::default(),
        };
        let failure = client_credentials(&strict, &registration, now()).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Setup, code), "{url}");
    }
}

#[tokio::test]
async fn relaxed_means_loopback_and_nothing_more() {
    for (url, code) in [
        ("http://example.com/", "url-not-allowed"),
        ("http://10.0.0.1/", "url-not-allowed"),
        ("http://127.0.0.2/", "url-not-allowed"),
        ("https://10.0.0.1/", "address-not-allowed"),
        ("https://169.254.169.254/", "address-not-allowed"),
    ] {
        let failure = refresh_at(&url.parse().unwrap(), ClientAuth::Basic).await.unwrap_err();
        assert_eq!((failure.class, failure.code.as_str()), (FailureClass::Setup, code), "{url}");
    }
}

#[tokio::test]
async fn what_a_provider_repeats_of_our_secrets_is_removed() {
    let basic = STANDARD.encode("cli%3Aent%7E%C3%B6:cl1ent%2B%2F%25%3A%7E%26+s%C3%A9cret");
    for echo in [REFRESH_TOKEN, CLIENT_SECRET, "cl1ent%2B%2F%25%3A%7E%26+s%C3%A9cret", &basic] {
        let body =
            serde_json::json!({"error": echo, "error_description": format!("bad: {echo}!")}).to_string();
        let failure = failure_at(&Provider::saying("400 Bad Request", &body)).await;
        assert_eq!(failure.code, "provider-error");
        assert_eq!(failure.detail, "The provider answered provider-error: bad: [removed]!");
    }
}

/// With [`CLIENT_SECRET`] as the assertion, which is no less in need of escaping.
#[tokio::test]
async fn an_assertion_goes_in_the_body_of_every_request_and_in_no_header() {
    let assertion = [
        ("client_assertion", CLIENT_SECRET),
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_id", CLIENT_ID),
    ];
    let expected = |others: &[(&'static str, &'static str)]| {
        let pairs = assertion.iter().chain(others);
        pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>()
    };
    let provider = Provider::saying("200 OK", r#"{"access_token": "r3ceived"}"#);
    refresh_at(&provider.url, ClientAuth::PrivateKeyJwt).await.unwrap();
    let request = provider.only_request();
    assert_eq!(request.header("authorization"), None);
    let others = [
        ("grant_type", "refresh_token"),
        ("refresh_token", REFRESH_TOKEN),
        ("resource", "https://api.example/"),
    ];
    assert_eq!(request.form, expected(&others));

    let provider = Provider::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    revoke_at(&provider, ClientAuth::PrivateKeyJwt).await.unwrap();
    let request = provider.only_request();
    assert_eq!(request.header("authorization"), None);
    assert_eq!(request.form, expected(&[("token", REFRESH_TOKEN)]));

    let provider = Provider::saying("200 OK", r#"{"access_token": "r3ceived"}"#);
    let registration = Registration {
        client_id: CLIENT_ID,
        credentials: Credentials::Assertion(&Secret::from(CLIENT_SECRET.to_owned())),
        token_url: provider.url.clone(),
        token_params: &BTreeMap::new(),
        scopes: &[],
        audience: None,
        dialect: &Dialect { token_body: Some(TokenBody::Json), ..Dialect::default() },
    };
    client_credentials(&outbound(), &registration, now()).await.unwrap();
    let body = provider.received.try_recv().unwrap();
    let body: BTreeMap<String, String> =
        serde_json::from_str(body.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(body, expected(&[("grant_type", "client_credentials")]));
}

async fn revoke_at(provider: &Provider, client_auth: ClientAuth) -> Result<(), Failure> {
    let secret = Secret::from(CLIENT_SECRET.to_owned());
    let revocation = Revocation {
        revocation_url: provider.url.clone(),
        client_id: CLIENT_ID,
        credentials: credentials(client_auth, &secret),
    };
    let token = Secret::from(REFRESH_TOKEN.to_owned());
    revoke(&outbound(), &revocation, &token).await
}

#[tokio::test]
async fn a_revocation_names_the_token_and_authenticates_the_client() {
    let provider = Provider::answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    revoke_at(&provider, ClientAuth::Post).await.unwrap();
    let form = provider.only_request().form;
    let expected = [("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET), ("token", REFRESH_TOKEN)];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());

    let provider = Provider::answering("HTTP/1.1 204 No Content\r\n\r\n");
    revoke_at(&provider, ClientAuth::Basic).await.unwrap();
    let request = provider.only_request();
    assert!(request.header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(request.form.keys().collect::<Vec<_>>(), ["token"]);
}

#[tokio::test]
async fn a_refused_revocation_is_a_failure() {
    let provider = Provider::saying("400 Bad Request", r#"{"error": "unsupported_token_type"}"#);
    assert_eq!(revoke_at(&provider, ClientAuth::Basic).await.unwrap_err().code, "unsupported_token_type");
    let provider = Provider::saying("503 Service Unavailable", "");
    assert_eq!(revoke_at(&provider, ClientAuth::Basic).await.unwrap_err().class, FailureClass::Transient);
}

#[tokio::test]
async fn what_a_provider_repeats_when_it_is_asked_for_a_device_code_is_removed_too() {
    let secret = Secret::from(CLIENT_SECRET.to_owned());
    let basic = STANDARD.encode("cli%3Aent%7E%C3%B6:cl1ent%2B%2F%25%3A%7E%26+s%C3%A9cret");
    for echo in [CLIENT_SECRET, &basic] {
        let body =
            serde_json::json!({"error": echo, "error_description": format!("bad: {echo}!")}).to_string();
        let provider = Provider::saying("400 Bad Request", &body);
        let registration = Registration {
            client_id: CLIENT_ID,
            credentials: Credentials::Basic(&secret),
            token_url: provider.url.clone(),
            token_params: &BTreeMap::new(),
            scopes: &[],
            audience: None,
            dialect: &Dialect::default(),
        };
        let failure = authorize_device(&outbound(), &provider.url, &registration, now()).await.unwrap_err();
        assert_eq!(provider.only_request().header("authorization"), Some(format!("Basic {basic}").as_str()));
        assert!(!format!("{failure:?}").contains(echo), "{failure:?}");
    }
}

#[test]
fn exchanges_can_be_spawned() {
    fn assert_send(_: impl Send) {}
    let outbound = outbound();
    let registration = Registration {
        client_id: "c",
        credentials: Credentials::None,
        token_url: "https://example.com".parse().unwrap(),
        token_params: &BTreeMap::new(),
        scopes: &[],
        audience: None,
        dialect: &Dialect::default(),
    };
    let token = Secret::from("t".to_owned());
    assert_send(refresh(&outbound, &registration, &token, now()));
    assert_send(client_credentials(&outbound, &registration, now()));
    assert_send(exchange_code(&outbound, &registration, &token, None, "https://example.com", now()));
}
