//! The functions under measurement as they are deployed, and the rest of the stack around them as it comes.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::build::{RELEASE, cargo, link, target};
use crate::{Result, say};

/// Package and binary of the function that all this is about.
pub(crate) const RESOLVE: &str = "integrations-resolve";
/// Every request passes it first, unless its answer is remembered.
const AUTHORIZER: &str = "authorizer";

pub(crate) struct Binaries {
    pub(crate) resolve: PathBuf,
    pub(crate) empty: PathBuf,
    authorizer: PathBuf,
    /// Debug binaries of all functions: they set things up and are not measured.
    debug: PathBuf,
    /// Where folders of binaries for stacks can be put together.
    folders: PathBuf,
}

impl Binaries {
    /// A release build of every function would take far longer than all measurements.
    pub(crate) fn build() -> Result<Self> {
        say("building the functions that set things up");
        cargo(&["build", "--workspace", "--exclude", "bifrost-tests", "--bins"])?;
        say("building the functions to be measured; minutes, the first time");
        // By package, as a deployment builds them: with no feature that only others ask for.
        let release = ["--release", "-p", RESOLVE, "-p", AUTHORIZER, "-p", "bench-empty"];
        let debug = ["--workspace", "--exclude", "bifrost-tests"];
        let of_those: &[&str] = if RELEASE { &release } else { &debug };
        cargo(&[&["build", "--bins", "--example", "empty"], of_those].concat())?;

        let target = target()?;
        let built = target.join(if RELEASE { "release" } else { "debug" });
        Ok(Self {
            resolve: built.join(RESOLVE),
            empty: built.join("examples/empty"),
            authorizer: built.join(AUTHORIZER),
            debug: target.join("debug"),
            folders: target.join("bench"),
        })
    }

    /// A folder with a binary for each function, and this one in the place of the resolve function.
    pub(crate) fn folder(&self, name: &str, resolve: &Path) -> io::Result<PathBuf> {
        let folder = self.folders.join(name);
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&self.debug)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(OsStr::to_str) else {
                continue;
            };
            match name {
                RESOLVE => link(resolve, &folder.join(name))?,
                AUTHORIZER => link(&self.authorizer, &folder.join(name))?,
                // Binaries have no extension; what cargo keeps beside them has, or is a folder.
                _ if path.is_file() && !name.contains('.') => link(&path, &folder.join(name))?,
                _ => {}
            }
        }
        Ok(folder)
    }
}
