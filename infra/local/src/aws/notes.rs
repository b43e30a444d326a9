//! What functions ask of AWS, noted in files: what `tests/tests/policies.rs` holds the template's policies to.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Mutex;

use super::access::{Access, Observer};

/// What was noted so far, and where the next goes.
struct Notes {
    known: HashSet<String>,
    file: File,
}

impl Observer {
    /// Notes each access once, in a file of this process: function, action, resource, condition key, value, and whether the
    /// function's policy allowed it, separated by tabs. A line for each value, `-` where there is none.
    pub fn noting(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(std::process::id().to_string());
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let notes = Mutex::new(Notes { known: HashSet::new(), file });
        Ok(Self::new(move |function, access, allowed| {
            let mut notes = notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            lines(function, access, allowed).into_iter().for_each(|line| notes.add(line));
        }))
    }
}

impl Notes {
    fn add(&mut self, line: String) {
        // What is not noted counts as never asked for, which the test of the policies then says.
        if !self.known.contains(&line) && self.file.write_all(line.as_bytes()).is_ok() {
            self.known.insert(line);
        }
    }
}

fn lines(function: &str, access: &Access, allowed: bool) -> Vec<String> {
    let Access { action, resource, context } = access;
    let verdict = if allowed { "allowed" } else { "denied" };
    let line =
        |key: &str, value: &str| format!("{function}\t{action}\t{resource}\t{key}\t{value}\t{verdict}\n");
    if context.is_empty() {
        return vec![line("-", "-")];
    }
    let values = context.iter().flat_map(|(key, values)| values.iter().map(move |value| (key, value)));
    values.map(|(key, value)| line(key, kind(value))).collect()
}

/// What a key says before the id that makes it one of many.
fn kind(value: &str) -> &str {
    value.split_inclusive('#').next().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_has_a_line_for_each_kind_of_value_that_a_condition_can_ask_about() {
        let access = Access::new("dynamodb:GetItem".to_owned(), "table".to_owned());
        assert_eq!(lines("f", &access, true), ["f\tdynamodb:GetItem\ttable\t-\t-\tallowed\n"]);
        let access = access.with("k", vec!["GLOBAL".to_owned(), "ORG#1".to_owned()]);
        let expected =
            ["GLOBAL", "ORG#"].map(|value| format!("f\tdynamodb:GetItem\ttable\tk\t{value}\tdenied\n"));
        assert_eq!(lines("f", &access, false), expected);
    }
}
