//! Cargo, called by a program that cargo called.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;

/// The folder that cargo builds into, of which this program is `<profile>/deps/<name>`.
pub(crate) fn target() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.ancestors().nth(3).ok_or("not run by cargo")?.to_owned())
}

/// Whether the functions under measurement are release builds, as this program is.
pub(crate) const RELEASE: bool = !cfg!(debug_assertions);

pub(crate) fn link(binary: &Path, place: &Path) -> io::Result<()> {
    match fs::remove_file(place) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => symlink(binary, place),
    }
}

/// Cargo without what the outer one says about this package: build scripts that look at it would run again.
pub(crate) fn cargo(arguments: &[&str]) -> Result<()> {
    cargo_with(&[], arguments)
}

/// The same with variables set.
pub(crate) fn cargo_with(variables: &[(&str, &str)], arguments: &[&str]) -> Result<()> {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let about_us = |prefix| name.to_str().is_some_and(|name| name.starts_with(prefix));
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].into_iter().any(about_us) {
            cargo.env_remove(name);
        }
    }
    // Standard output is the table's.
    cargo.envs(variables.iter().copied());
    cargo.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).stdout(Stdio::null());
    if cargo.status()?.success() {
        Ok(())
    } else {
        Err(format!("cargo {} failed", arguments.join(" ")).into())
    }
}
