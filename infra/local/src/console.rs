//! Where lines go: the runner's own, and whatever the functions write to their standard streams.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the lines of a stack are kept.
#[derive(Clone, Debug, Default)]
pub enum LogSink {
    #[default]
    Stderr,
    File(PathBuf),
    /// In memory, for tests that search every line: see [`crate::Stack::logs`].
    Memory,
}

/// A handle to the sink; cheap to clone.
#[derive(Clone)]
pub struct Console(Arc<Sink>);

enum Sink {
    Stderr,
    File(Mutex<File>),
    Memory(Mutex<VecDeque<String>>),
}

/// What every line in CloudWatch's embedded metric format has, and no other.
const METRICS: &str = "\"_aws\":{";

/// The name in front of the runner's own lines.
const OWN: &str = "bifrost";

impl Console {
    pub fn open(sink: &LogSink) -> io::Result<Self> {
        let sink = match sink {
            LogSink::Stderr => Sink::Stderr,
            LogSink::File(path) => {
                Sink::File(Mutex::new(OpenOptions::new().create(true).append(true).open(path)?))
            }
            LogSink::Memory => Sink::Memory(Mutex::default()),
        };
        Ok(Self(Arc::new(sink)))
    }

    /// One line of the runner.
    pub fn say(&self, line: impl fmt::Display) {
        self.line(OWN, &line.to_string());
    }

    /// One line of a function.
    pub fn line(&self, source: &str, line: &str) {
        // Metrics in CloudWatch's embedded format: in AWS nobody reads these lines either.
        if matches!(&*self.0, Sink::Stderr) && line.contains(METRICS) {
            return;
        }
        // A full disk or a closed terminal is no reason to stop serving.
        let _ = match &*self.0 {
            Sink::Stderr => writeln!(io::stderr().lock(), "{source} | {line}"),
            Sink::File(file) => writeln!(unpoisoned(file), "{source} | {line}"),
            Sink::Memory(lines) => {
                unpoisoned(lines).push_back(format!("{source} | {line}"));
                Ok(())
            }
        };
    }

    /// Every line so far of a [`LogSink::Memory`]; empty for the others.
    pub fn lines(&self) -> Vec<String> {
        match &*self.0 {
            Sink::Memory(lines) => unpoisoned(lines).iter().cloned().collect(),
            Sink::Stderr | Sink::File(_) => Vec::new(),
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Console")
    }
}

/// Text for the person at the terminal, on standard output.
pub fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}

/// The reason why nothing was started, on standard error.
pub fn complain(error: &dyn std::error::Error) {
    let _ = writeln!(io::stderr().lock(), "{OWN}: {error}");
}

/// A line is whole or not there, so a panic elsewhere leaves nothing half done.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
