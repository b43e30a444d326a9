//! Builds the functions with one `cargo build`, and knows where their binaries are.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use crate::options::Build;
use crate::template::Template;

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("the functions don't build; see above")]
    Failed,
    #[error("cargo can't be run: {0}")]
    Cargo(#[source] io::Error),
    #[error("cargo metadata says nothing that can be understood")]
    Metadata,
    #[error("function {function}: there is no {}; {hint}", .binary.display())]
    NoBinary { function: String, binary: PathBuf, hint: &'static str },
    #[error("function {function}: CodeUri says {}, and no such folder is there", .code.display())]
    NoCode { function: String, code: PathBuf },
}

/// The folder with a binary for each function of the template.
pub(crate) async fn binaries(
    build: &Build,
    workspace: &Path,
    template: &Template,
) -> Result<PathBuf, BuildError> {
    let folder = match build {
        Build::Debug => {
            run(workspace, &[]).await?;
            target(workspace).await?.join("debug")
        }
        Build::Release => {
            run(workspace, &["--release"]).await?;
            target(workspace).await?.join("release")
        }
        Build::None => target(workspace).await?.join("debug"),
        Build::Folder(folder) => folder.clone(),
    };
    let hint = match build {
        Build::Debug | Build::Release => "no package of the workspace has a binary of that name",
        Build::None | Build::Folder(_) => "it was not built yet",
    };
    for function in &template.functions {
        let binary = folder.join(&function.package);
        if !binary.is_file() {
            return Err(BuildError::NoBinary { function: function.logical_id.clone(), binary, hint });
        }
    }
    Ok(folder)
}

/// Each function's folder is where the template says, which only a deployment would find out otherwise.
pub(crate) fn check_code(template: &Template, template_folder: &Path) -> Result<(), BuildError> {
    for function in &template.functions {
        let code = template_folder.join(&function.code);
        if !code.is_dir() {
            return Err(BuildError::NoCode { function: function.logical_id.clone(), code });
        }
    }
    Ok(())
}

/// The whole workspace but its tests, so that features come out as in the build that made this program, and no
/// dependency is compiled twice.
async fn run(workspace: &Path, profile: &[&str]) -> Result<(), BuildError> {
    let built = cargo(workspace)
        .args(["build", "--workspace", "--exclude", "bifrost-tests", "--bins"])
        .args(profile)
        .stdout(Stdio::null())
        .status()
        .await
        .map_err(BuildError::Cargo)?;
    if built.success() { Ok(()) } else { Err(BuildError::Failed) }
}

async fn target(workspace: &Path) -> Result<PathBuf, BuildError> {
    let output = cargo(workspace)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::null())
        .output()
        .await
        .map_err(BuildError::Cargo)?;
    let metadata: serde_json::Value =
        serde_json::from_slice(&output.stdout).map_err(|_| BuildError::Metadata)?;
    metadata["target_directory"].as_str().map(PathBuf::from).ok_or(BuildError::Metadata)
}

/// Cargo as a person at a terminal would run it. What an outer `cargo run` or `cargo test` says about its own package
/// would make build scripts that look at it run again.
fn cargo(workspace: &Path) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace).stdin(Stdio::null()).kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        let of_outer_package = name.to_str().is_some_and(|name| {
            let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
            prefixes.iter().any(|prefix| name.starts_with(prefix))
                || name == "CARGO_TARGET_TMPDIR"
                || name == "OUT_DIR"
        });
        if of_outer_package {
            cargo.env_remove(name);
        }
    }
    cargo
}
