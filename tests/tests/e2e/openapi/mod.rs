//! `GET /openapi.json`, and that what it says is what the code does.

mod placeholders;
mod walk;

use std::path::{Path, PathBuf};

use bifrost_tests::{TestApp, http};
use serde_json::Value;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("infra/openapi.json")
}

#[tokio::test]
async fn the_file_is_what_the_types_say_with_the_examples_of_real_requests() {
    let examples = walk::through_the_api().await;
    let document = bifrost_openapi::document(&examples);
    let text = serde_json::to_string_pretty(&document).unwrap() + "\n";
    if std::env::var_os("BIFROST_WRITE_OPENAPI").is_some() {
        std::fs::write(file(), &text).unwrap();
    }
    let kept = std::fs::read_to_string(file()).unwrap();
    let differs = kept.lines().zip(text.lines()).position(|(kept, made)| kept != made);
    assert!(
        kept == text,
        "infra/openapi.json is stale from line {} on; BIFROST_WRITE_OPENAPI=1 writes it anew",
        differs.map_or(0, |line| line + 1)
    );
}

#[tokio::test]
async fn anyone_may_read_it_and_nobody_reads_the_same_twice() {
    let app = TestApp::shared().await;
    let answer = app.anonymous().get("/openapi.json").await;
    let etag = answer.headers["etag"].clone();
    assert!(answer.headers["cache-control"].to_str().unwrap().starts_with("public"));
    let file: Value = serde_json::from_str(&std::fs::read_to_string(file()).unwrap()).unwrap();
    assert_eq!(answer.expect(200), file);
    let url = format!("{}/openapi.json", app.url());
    let again = http().get(&url).header("if-none-match", &etag).send().await.unwrap();
    assert_eq!((again.status().as_u16(), again.headers()["etag"].clone()), (304, etag));
    assert_eq!(again.text().await.unwrap(), "");
    let other = http().get(&url).header("if-none-match", "\"another\"").send().await.unwrap();
    assert_eq!(other.status(), 200);
}
