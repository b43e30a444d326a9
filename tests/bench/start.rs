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

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The middle of `count` starts for each binary, in turns: what disturbs the machine disturbs all alike.
pub(crate) async fn medians<const N: usize>(
    binaries: [&Path; N],
    environment: &[(OsString, OsString)],
    count: usize,
) -> Result<[Duration; N]> {
    let mut starts = [const { Vec::new() }; N];
    for turn in 0..=count {
        for (binary, starts) in binaries.into_iter().zip(&mut starts) {
            let took = tokio::time::timeout(PATIENCE, to_first_poll(binary, environment)).await??;
            // The first start reads the file from the disk.
            if turn > 0 {
                starts.push(took);
            }
        }
    }
    Ok(starts.map(|mut starts| {
        starts.sort_unstable();
        starts[count / 2]
    }))
}

async fn to_first_poll(binary: &Path, environment: &[(OsString, OsString)]) -> Result<Duration> {
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
    function.kill().await?;
    if request[..length].starts_with(b"GET /2018-06-01/runtime/invocation/next ") {
        Ok(took)
    } else {
        let request = String::from_utf8_lossy(&request[..length]);
        Err(format!("{} asked for something else first: {request}", binary.display()).into())
    }
}
