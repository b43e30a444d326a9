//! What can keep a stack from starting, and a function from answering. Each is one line.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::aws::dynamodb::TableError;
use crate::build::BuildError;
use crate::data::FolderError;
use crate::runtime::Failure;
use crate::template::TemplateError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{path}: {1}", path = .0.display())]
    NoTemplate(PathBuf, #[source] std::io::Error),
    #[error("{path}: {1}", path = .0.display())]
    Template(PathBuf, #[source] TemplateError),
    #[error("{0} is not an address of this machine alone (127.0.0.1 or [::1])")]
    NotLoopback(SocketAddr),
    #[error("{address} can't be used: {error}; choose another with {flag}")]
    Address { address: SocketAddr, error: std::io::Error, flag: &'static str },
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Table(#[from] TableError),
    #[error("the log: {0}")]
    Log(#[source] std::io::Error),
    #[error("the template generates {0} secrets, so it is not clear which one makes the root key")]
    RootKey(usize),
}

#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    #[error("the template has no function {0}")]
    NoFunction(String),
    #[error("{function}: {failure}")]
    Failed { function: String, failure: Failure },
    #[error("{0}: its answer is not JSON")]
    NotJson(String),
}
