//! Instructions that a function executes, as callgrind counts them (<https://valgrind.org>): the same on a machine that
//! is busy, which times are not. Without valgrind they are left out.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::Result;
use crate::start::{POLL, Startable};

/// Valgrind runs a program some fifty times slower.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many may be left of a run: one before the requests that count, and one after them.
const DUMPS: usize = 2;

/// Whether they can be counted here.
pub(crate) fn can_be_counted() -> bool {
    let valgrind = std::process::Command::new("valgrind").arg("--version").stdout(Stdio::null()).status();
    valgrind.is_ok_and(|status| status.success())
}

/// From the start of the process to its first question for work, the dynamic linker's included.
pub(crate) async fn to_first_poll((binary, environment): Startable<'_>, folder: &Path) -> Result<u64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let counts = folder.join("callgrind.start");
    let mut function = Command::new("valgrind");
    function
        .args(["--quiet", "--tool=callgrind"])
        .arg(out_file(&counts))
        .arg(binary)
        .env_clear()
        .envs(environment.iter().cloned())
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr()?.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut function = function.spawn()?;
    let (mut stream, _) = tokio::time::timeout(PATIENCE, listener.accept()).await??;
    let mut request = [0; 1024];
    let length = stream.read(&mut request).await?;
    if !request[..length].starts_with(POLL) {
        return Err(format!("{} asked for something else first", binary.display()).into());
    }
    // Callgrind writes down what it has when the program ends, of which killing it would take the chance.
    let pid = function.id().ok_or("it ended by itself")?;
    let terminated = Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().await?;
    if !terminated.success() {
        return Err("it can't be ended".into());
    }
    tokio::time::timeout(PATIENCE, function.wait()).await??;
    let total = total(&counts)?;
    fs::remove_file(&counts)?;
    Ok(total)
}

/// A program that runs this one under callgrind, for where a stack starts it. It tells on [`dump`].
pub(crate) fn counting(binary: &Path, folder: &Path) -> Result<Counting> {
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let (script, counts) = (folder.join(format!("counting-{name}")), folder.join(format!("{name}.counts")));
    for dump in 1..=DUMPS {
        // Of a run before this one.
        let _ = fs::remove_file(dump_of(&counts, dump));
    }
    let valgrind = which("valgrind")?;
    let text = format!(
        "#!/bin/sh\nexec {} --quiet --tool=callgrind {} {}\n",
        valgrind.display(),
        out_file(&counts).display(),
        binary.display()
    );
    fs::write(&script, text)?;
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    Ok(Counting { script, counts, dumps: 0 })
}

pub(crate) struct Counting {
    pub(crate) script: PathBuf,
    counts: PathBuf,
    dumps: usize,
}

impl Counting {
    /// What was executed since the last time.
    pub(crate) async fn since_last(&mut self, pid: u32) -> Result<u64> {
        let mut tell = Command::new("callgrind_control");
        let told = tell.arg("--dump").arg(pid.to_string()).stdout(Stdio::null()).status().await?;
        if !told.success() {
            return Err("callgrind_control failed".into());
        }
        self.dumps += 1;
        let file = dump_of(&self.counts, self.dumps);
        for _ in 0..600 {
            if let Ok(total) = total(&file) {
                return Ok(total);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Err(format!("callgrind wrote no {}", file.display()).into())
    }
}

/// Callgrind numbers them from 1.
fn dump_of(counts: &Path, number: usize) -> PathBuf {
    counts.with_extension(format!("counts.{number}"))
}

fn out_file(path: &Path) -> PathBuf {
    let mut option = OsString::from("--callgrind-out-file=");
    option.push(path);
    option.into()
}

fn which(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    Ok(found.ok_or_else(|| format!("{program} is not installed"))?)
}

/// The last line but for what is empty says it.
fn total(counts: &Path) -> Result<u64> {
    let counts = fs::read_to_string(counts)?;
    let total = counts.lines().rev().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.ok_or("callgrind has no total")?.trim().parse()?)
}
