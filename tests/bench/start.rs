//! How long a function takes from its start as a process to its first question for work.
//!
//! The same listener stands in for the Runtime API of every start. Lambda's own share of a cold start is not in it.

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::Result;
use crate::process::{self, Memory};

/// How a question for work begins.
pub(crate) const POLL: &[u8] = b"GET /2018-06-01/runtime/invocation/next ";
/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A start, until the first question for work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub(crate) took: Duration,
    /// Resident when it asked.
    pub(crate) memory: Memory,
}

/// A binary, and the variables that it starts with.
pub(crate) type Startable<'a> = (&'a Path, &'a [(OsString, OsString)]);

/// The middle of `count` starts for each binary, in turns: what disturbs the machine disturbs all alike.
pub(crate) async fn medians(binaries: &[Startable<'_>], count: usize) -> Result<Vec<Start>> {
    let mut starts = vec![Vec::new(); binaries.len()];
    for turn in 0..=count {
        for ((binary, environment), starts) in binaries.iter().zip(&mut starts) {
            let start = tokio::time::timeout(PATIENCE, to_first_poll(binary, environment)).await??;
            // The first start reads the file from the disk.
            if turn > 0 {
                starts.push(start);
            }
        }
    }
    let middle = |mut starts: Vec<Start>| {
        starts.sort_unstable_by_key(|start| start.took);
        starts[count / 2]
    };
    Ok(starts.into_iter().map(middle).collect())
}

async fn to_first_poll(binary: &Path, environment: &[(OsString, OsString)]) -> Result<Start> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let mut function = Command::new(binary);
    function
        .env_clear()
        .envs(environment.iter().cloned())
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let start = Instant::now();
    let mut function = function.spawn()?;
    let (mut stream, _) = listener.accept().await?;
    let mut request = [0; 1024];
    let length = stream.read(&mut request).await?;
    let took = start.elapsed();
    let memory = process::memory(function.id().ok_or("it ended by itself")?)?;
    function.kill().await?;
    if request[..length].starts_with(POLL) {
        Ok(Start { took, memory })
    } else {
        let request = String::from_utf8_lossy(&request[..length]);
        Err(format!("{} asked for something else first: {request}", binary.display()).into())
    }
}
