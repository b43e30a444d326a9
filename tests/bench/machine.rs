//! The conditions of the measurements.

use std::fs;

use tokio::process::Command;

use crate::Result;

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) cores: usize,
    pub(crate) processor: String,
    pub(crate) system: String,
    pub(crate) rustc: String,
    /// Processes that ran or wanted to, on average over the last minute.
    pub(crate) load: String,
}

impl Machine {
    pub(crate) async fn look() -> Result<Self> {
        let processors = fs::read_to_string("/proc/cpuinfo")?;
        let name = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
        let rustc = Command::new("rustc").arg("--version").output().await?;
        let load = fs::read_to_string("/proc/loadavg")?;
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            // arm64 has no names there.
            processor: name.map_or(std::env::consts::ARCH, |(_, name)| name).to_owned(),
            system: format!("Linux {}", kernel.trim()),
            rustc: String::from_utf8_lossy(&rustc.stdout).trim().to_owned(),
            load: load.split(' ').next().unwrap_or_default().to_owned(),
        })
    }
}
