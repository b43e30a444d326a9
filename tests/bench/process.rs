//! A function's process as the kernel sees it, from `/proc` (proc(5)).

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use crate::Result;

/// One of the kernel's clock ticks: `USER_HZ` is 100 on x86_64 and arm64.
const TICK: Duration = Duration::from_millis(10);

/// Processor time, of all threads together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

/// Resident memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) now: u64,
    pub(crate) peak: u64,
}

impl Cpu {
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }

    pub(crate) fn per(self, requests: usize) -> Self {
        let each = |time: Duration| time.div_f64(requests as f64);
        Self { user: each(self.user), system: each(self.system) }
    }

    pub(crate) fn total(self) -> Duration {
        self.user + self.system
    }
}

pub(crate) fn cpu(pid: u32) -> Result<Cpu> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/pid/stat without a name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let time = |field: usize| -> Result<Duration> { Ok(TICK * fields[field - 3].parse()?) };
    Ok(Cpu { user: time(14)?, system: time(15)? })
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let bytes = |name: &str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB")).ok_or("no such memory")?;
        Ok(kib.parse::<u64>()? * 1024)
    };
    Ok(Memory { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")? })
}

/// The variables that a process was started with.
pub(crate) fn environment(pid: u32) -> Result<Vec<(OsString, OsString)>> {
    let text = fs::read(format!("/proc/{pid}/environ"))?;
    let variables = text.split(|byte| *byte == 0).filter_map(|variable| {
        let equals = variable.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (&variable[..equals], &variable[equals + 1..]);
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value.to_vec())))
    });
    Ok(variables.collect())
}
