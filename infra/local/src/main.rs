//! `cargo run`: flags in, a stack until Ctrl-C.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bifrost_local::console::{complain, print};
use bifrost_local::welcome::Welcome;
use bifrost_local::{Build, Data, Observer, Options, ROOT_KEY_FILE, Stack};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};

/// Bifrost Integrations on this machine: builds the functions and serves the whole stack, without Docker or AWS.
#[derive(Parser)]
#[command(name = "bifrost-local", version)]
struct Flags {
    /// Address to serve on; of this machine alone.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7071")]
    listen: SocketAddr,

    /// Folder that keeps tables, keys and secrets [default: .bifrost in the repository].
    #[arg(long, value_name = "DIR", conflicts_with = "ephemeral")]
    data: Option<PathBuf>,

    /// Keep everything in memory and forget it at the end.
    #[arg(long)]
    ephemeral: bool,

    /// How many instances of one function may run at a time; further requests queue.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..))]
    max_instances: u16,

    /// Build the functions with optimizations, as they are deployed.
    #[arg(long, conflicts_with = "no_build")]
    release: bool,

    /// Take the function binaries as they were built last.
    #[arg(long)]
    no_build: bool,

    /// Address of the demo OAuth provider; of this machine alone.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7072")]
    provider_listen: SocketAddr,

    /// A value for a parameter of the template, such as OidcIssuer=https://login.example.com; can be repeated.
    #[arg(long = "parameter", value_name = "NAME=VALUE", value_parser = parameter)]
    parameters: Vec<(String, String)>,

    /// Folder in which to note what each function asks of AWS, for the test of the template's policies.
    #[arg(long, value_name = "DIR")]
    accesses: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Flags::parse().into_options() {
        Ok(options) => options,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let root_key_file = match &options.data {
        Data::Dir(folder) => Some(shortest(&folder.join(ROOT_KEY_FILE))),
        Data::Ephemeral => None,
    };
    // Asked for before anything starts, so that an early Ctrl-C is not lost.
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return ExitCode::FAILURE;
    };
    let started = tokio::select! {
        started = Stack::start(options) => started,
        _ = tokio::signal::ctrl_c() => return ExitCode::FAILURE,
        _ = terminate.recv() => return ExitCode::FAILURE,
    };
    let stack = match started {
        Ok(stack) => stack,
        Err(error) => {
            complain(&error);
            return ExitCode::FAILURE;
        }
    };
    let welcome = Welcome {
        url: stack.url(),
        root_key: stack.root_key(),
        root_key_file: root_key_file.as_deref(),
        provider: stack.provider().map(|provider| provider.url()),
    };
    print(&welcome.text());
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
    // Whoever presses Ctrl-C again does not want to wait for requests that are under way.
    tokio::select! {
        () = stack.stop() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    ExitCode::SUCCESS
}

impl Flags {
    fn into_options(self) -> io::Result<Options> {
        let defaults = Options::new(repository());
        let kept = self.data.map_or(defaults.data, Data::Dir);
        Ok(Options {
            listen: self.listen,
            data: if self.ephemeral { Data::Ephemeral } else { kept },
            max_instances: usize::from(self.max_instances),
            build: match (self.release, self.no_build) {
                (true, _) => Build::Release,
                (_, true) => Build::None,
                _ => Build::Debug,
            },
            demo_provider: Some(self.provider_listen),
            parameters: self.parameters.into_iter().collect(),
            observer: self.accesses.as_deref().map(Observer::noting).transpose()?,
            ..defaults
        })
    }
}

fn parameter(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("must be NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The program is run from the repository that it was built from.
fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// As a person would type it.
fn shortest(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&current).unwrap_or(path).display().to_string()
}
