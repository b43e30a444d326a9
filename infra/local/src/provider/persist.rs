//! The demo's memory across restarts: the ledger, which knows only hashes, as one JSON file.

use std::fs;
use std::io;
use std::path::Path;

use super::ledger::Ledger;

/// Reads a ledger; there is an empty one where there is no file yet.
pub(super) fn load(path: &Path) -> io::Result<Ledger> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Ledger::default()),
        Err(error) => Err(error),
    }
}

/// Replaces the file in one step, so that a killed process leaves the old one or the new one.
pub(super) fn save(path: &Path, ledger: &Ledger) -> io::Result<()> {
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::to_vec(ledger)?)?;
    fs::rename(beside, path)
}
