//! What every function asked of AWS in the tests, kept under `target/accesses` for the table of `tests/policies.rs`.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex};

use bifrost_local::{Access, Observer};

/// Where each test process leaves a file, one access a line: function, action, resource, condition key, value, and whether
/// the function's policy allowed it. A line for each value, `-` where there is none.
pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/accesses")
}

/// Notes each access once.
pub(crate) fn observer() -> Observer {
    Observer::new(|function, access, allowed| {
        let Access { action, resource, context } = access;
        let verdict = if allowed { "allowed" } else { "denied" };
        let values = context.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
        let line = |(key, value): (&str, &str)| {
            format!("{function}\t{action}\t{resource}\t{key}\t{value}\t{verdict}\n")
        };
        if context.is_empty() {
            note(line(("-", "-")));
        }
        values.for_each(|(key, value)| note(line((key, kind(value)))));
    })
}

/// What a key says before the id that makes it one of many.
fn kind(value: &str) -> &str {
    value.split_inclusive('#').next().unwrap_or(value)
}

fn note(line: String) {
    static NOTED: LazyLock<Mutex<(HashSet<String>, File)>> = LazyLock::new(|| {
        fs::create_dir_all(folder()).unwrap();
        let path = folder().join(std::process::id().to_string());
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Mutex::new((HashSet::new(), file))
    });
    let mut noted = NOTED.lock().unwrap();
    let (known, file) = &mut *noted;
    if !known.contains(&line) {
        file.write_all(line.as_bytes()).unwrap();
        known.insert(line);
    }
}
