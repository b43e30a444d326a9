//! What every request of the tests came to, kept under `target/outcomes` for the table of `tests/outcomes.rs`.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, Url};
use serde_json::Value;

/// Where each test process leaves a file, one outcome a line: method, path, status, media type, code.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/outcomes")
}

/// Notes an answer of the stack. What was sent and answered besides is not kept.
pub(crate) fn note(method: &Method, url: &Url, status: u16, headers: &HeaderMap, text: &str) {
    static FILE: LazyLock<Mutex<File>> = LazyLock::new(|| {
        fs::create_dir_all(folder()).unwrap();
        let path = folder().join(std::process::id().to_string());
        Mutex::new(OpenOptions::new().create(true).append(true).open(path).unwrap())
    });
    let media_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("-");
    let media_type = media_type.split(';').next().unwrap_or(media_type);
    let body: Value = match media_type {
        "application/problem+json" => serde_json::from_str(text).unwrap_or_default(),
        _ => Value::Null,
    };
    let code = body["code"].as_str().unwrap_or("-");
    let line = format!("{method} {} {status} {media_type} {code}\n", url.path());
    FILE.lock().unwrap().write_all(line.as_bytes()).unwrap();
}
