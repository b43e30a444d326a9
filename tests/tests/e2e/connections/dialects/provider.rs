//! A provider that speaks one dialect exactly: what it answers is the test's to say, and what it was sent is kept.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::form_urlencoded;

/// One answer of the token endpoint.
#[derive(Clone, Debug)]
pub(super) enum Reply {
    Json(Value),
    /// As GitHub answers who does not ask for JSON.
    Form(&'static str),
    /// Something other than tokens, with this status and these headers.
    Other(u16, &'static [(&'static str, &'static str)], &'static str),
    /// The request is taken, and the connection closed.
    Lost,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) content_type: String,
    pub(super) authorization: String,
    /// The query of a GET, the body of a POST.
    pub(super) text: String,
}

#[derive(Debug)]
pub(super) struct Provider {
    url: String,
    state: Arc<Mutex<State>>,
    server: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    /// What is added to the redirect back, encoded.
    callback: &'static str,
    replies: VecDeque<Reply>,
    received: Vec<Received>,
}

impl Received {
    /// What was sent as a form, or in a query.
    pub(super) fn form(&self) -> BTreeMap<String, String> {
        assert_ne!(self.content_type, "application/json");
        form_urlencoded::parse(self.text.as_bytes()).into_owned().collect()
    }

    /// What was sent as JSON; every value is a text.
    pub(super) fn json(&self) -> BTreeMap<String, String> {
        assert_eq!(self.content_type, "application/json");
        serde_json::from_str(&self.text).unwrap()
    }
}

impl Provider {
    /// One that gives these answers, one for each token request. A person's sign-in ends at once, with `callback` added
    /// to the redirect back.
    pub(super) async fn start(callback: &'static str, replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let replies = replies.into_iter().collect();
        let state = Arc::new(Mutex::new(State { callback, replies, received: Vec::new() }));
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &shared).await;
            }
        });
        Self { url, state, server }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// What the authorization endpoint was asked, each time.
    pub(super) fn sign_ins(&self) -> Vec<Received> {
        self.received(|path| path == "/authorize")
    }

    /// What the token endpoint was asked, each time.
    pub(super) fn token_requests(&self) -> Vec<Received> {
        self.received(|path| path != "/authorize")
    }

    fn received(&self, wanted: impl Fn(&str) -> bool) -> Vec<Received> {
        let state = self.state.lock().unwrap();
        state.received.iter().filter(|received| wanted(&received.path)).cloned().collect()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// One request and its answer, if it gets one.
async fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let Some(received) = read(&mut stream).await else {
        return;
    };
    let answer = answer(&mut state.lock().unwrap(), received);
    if let Some(answer) = answer {
        // Whoever went away does not want it.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

fn answer(state: &mut State, received: Received) -> Option<String> {
    state.received.push(received.clone());
    if received.path == "/authorize" {
        let asked = received.form();
        let state_back: String = form_urlencoded::byte_serialize(asked["state"].as_bytes()).collect();
        let back = format!("{}?code=a-code&state={state_back}{}", asked["redirect_uri"], state.callback);
        return Some(http(303, &[("location", &back)], ""));
    }
    let reply = state.replies.pop_front().expect("a token request more than the test has answers for");
    let json = [("content-type", "application/json")];
    match reply {
        Reply::Json(body) => Some(http(200, &json, &body.to_string())),
        Reply::Form(body) => Some(http(200, &[("content-type", "application/x-www-form-urlencoded")], body)),
        Reply::Other(status, headers, body) => Some(http(status, headers, body)),
        Reply::Lost => None,
    }
}

fn http(status: u16, headers: &[(&str, &str)], body: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "HTTP/1.1 {status} -\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn read(stream: &mut TcpStream) -> Option<Received> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let header = |name: &str| {
                let lines = head.lines().filter_map(|line| line.split_once(": "));
                lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            };
            let length = header("content-length").map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                let target = head.split(' ').nth(1)?;
                let (path, query) = target.split_once('?').unwrap_or((target, ""));
                return Some(Received {
                    path: path.to_owned(),
                    content_type: header("content-type").unwrap_or_default().to_owned(),
                    authorization: header("authorization").unwrap_or_default().to_owned(),
                    text: if length == 0 { query } else { body }.to_owned(),
                });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
