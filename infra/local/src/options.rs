//! What a stack can be told.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use crate::aws::Observer;
use crate::console::LogSink;
use crate::data::Data;

#[derive(Clone, Debug)]
pub struct Options {
    /// Root of the repository.
    pub workspace: PathBuf,
    /// Relative to the workspace, or absolute.
    pub template: PathBuf,
    /// Address of the gateway, on this machine; port 0 picks a free one.
    pub listen: SocketAddr,
    pub data: Data,
    /// How many instances of one function may run at a time.
    pub max_instances: usize,
    pub build: Build,
    /// Address of the demo provider; port 0 picks a free one.
    pub demo_provider: Option<SocketAddr>,
    /// Whether the template's schedules fire.
    pub schedules: bool,
    pub log: LogSink,
    /// Values for the template's parameters, over its defaults. The runner itself sets `PublicUrl`.
    pub parameters: BTreeMap<String, String>,
    /// More environment for all functions. For tests; it wins over everything else.
    pub environment: BTreeMap<String, String>,
    /// Told what each call of a function to AWS needs. For tests.
    pub observer: Option<Observer>,
}

/// Where the function binaries come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Build {
    /// `cargo build`, then the workspace's target folder.
    Debug,
    /// The same with `--release`.
    Release,
    /// The debug binaries of the target folder, as they are.
    None,
    /// The binaries in this folder, as they are.
    Folder(PathBuf),
}

impl Options {
    /// What `cargo run` does without flags.
    pub fn new(workspace: PathBuf) -> Self {
        Self {
            template: PathBuf::from("infra/template.yaml"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 7071)),
            data: Data::Dir(workspace.join(".bifrost")),
            max_instances: 16,
            build: Build::Debug,
            demo_provider: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 7072))),
            schedules: true,
            log: LogSink::Stderr,
            parameters: BTreeMap::new(),
            environment: BTreeMap::new(),
            observer: None,
            workspace,
        }
    }

    /// What a test wants: a free port, nothing on disk, no schedule, the log in memory.
    pub fn for_test(workspace: PathBuf) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data: Data::Ephemeral,
            demo_provider: None,
            schedules: false,
            log: LogSink::Memory,
            ..Self::new(workspace)
        }
    }
}
