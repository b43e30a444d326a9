//! What the sweep costs, measured on the real refresher: `cargo bench -p bifrost-tests --bench refresh`.
//!
//! Prints a table to paste, and asserts nothing: times belong to the machine that took them. Every organization has a
//! data key and a grant of its own, all on one connection. With `--profile dev` the functions are debug binaries, and
//! the run shows only that this program works.

#[path = "../build.rs"]
mod build;
#[allow(dead_code, reason = "shared with the other benchmark")]
#[path = "../load.rs"]
mod load;
#[path = "../machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with the other benchmark")]
#[path = "../process.rs"]
mod process;
mod provider;
mod report;
mod seed;
mod table;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bifrost_local::{Build, Options, Stack};
use bifrost_tests::Api;
use serde_json::{Value, json};
use tokio::process::Command;

use build::{RELEASE, cargo, link, target};
use load::Target;
use machine::Machine;
use process::{Cpu, Memory};
use provider::Provider;
use table::Table;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const REFRESHER: &str = "refresher";
const TOKEN: &str = "connections-token";
/// As they are deployed; the rest of the stack sets things up.
const MEASURED: [&str; 3] = [REFRESHER, TOKEN, "authorizer"];

/// Grants stored, of which [`FEW`] are due.
const STORED: [usize; 3] = if RELEASE { [1_000, 10_000, 100_000] } else { [100, 200, 400] };
const FEW: usize = if RELEASE { 500 } else { 50 };
/// How often those are swept at each size; the middle one counts.
const ROUNDS: usize = 3;
/// Due at once, at a provider that takes [`SLOW`].
const MANY: usize = if RELEASE { 10_000 } else { 200 };
const SLOW: Duration = Duration::from_millis(200);
/// Callers who ask for a token, one request at a time, while a sweep runs and while none does.
const CALLERS: usize = 4;
const REQUESTS: usize = if RELEASE { 2_000 } else { 200 };

/// One sweep of all shards.
pub(crate) struct Swept {
    report: Value,
    took: Duration,
    cpu: Cpu,
    memory: Memory,
    /// By `DynamoDB.UpdateItem` and the like.
    calls: BTreeMap<String, u64>,
    /// Requests that the provider had at once.
    at_once: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, seed, url, count] = arguments.as_slice()
        && seed == "seed"
    {
        return seed::run(url, count.parse()?).await;
    }
    let folder = build_all()?;
    let before = Machine::look().await?;
    let provider = Provider::start().await?;
    let bench = Bench { stack: start(folder).await?, provider };
    bench.sweep().await?;
    let environment = process::environment(bench.pid()?)?;
    let table = Table::of(&bench.stack).await?;

    let seed = async |count: usize| -> Result<()> {
        let mut seed = Command::new(std::env::current_exe()?);
        seed.env_clear().envs(environment.iter().cloned()).arg("seed").arg(&bench.provider.url);
        match seed.arg(count.to_string()).status().await?.success() {
            true => Ok(()),
            false => Err("seeding failed".into()),
        }
    };
    say("few grants due among many");
    seed(FEW).await?;
    let mut stored = FEW;
    let mut few = Vec::new();
    for size in STORED {
        table.fill(size - stored).await?;
        stored = size;
        let mut rounds = Vec::new();
        for _ in 0..=ROUNDS {
            tokio::time::sleep(Duration::from_secs(2)).await;
            rounds.push(bench.sweep().await?);
        }
        // The first one fetches data keys.
        rounds.remove(0);
        rounds.sort_by_key(|swept| swept.cpu.total());
        few.push((size, rounds.swap_remove(ROUNDS / 2)));
    }
    let item = table.grant_size().await?;

    say("all due");
    seed(MANY - FEW).await?;
    bench.provider.take(SLOW);
    bench.provider.counted();
    let many = bench.sweep().await?;

    say("requests while a sweep runs");
    let target = bench.target().await?;
    let alone = load::send(&target, CALLERS, REQUESTS).await?;
    let during = bench.during_sweep(&target).await?;
    let after = Machine::look().await?;
    bifrost_local::console::print(&report::table(&few, &many, item, &alone, &during));
    bifrost_local::console::print(&report::conditions(&before, &after));
    bench.stack.stop().await;
    Ok(())
}

/// A folder with a binary for each function.
fn build_all() -> Result<PathBuf> {
    say("building the functions that set things up");
    cargo(&["build", "--workspace", "--exclude", "bifrost-tests", "--bins"])?;
    let target = target()?;
    let debug = target.join("debug");
    if !RELEASE {
        return Ok(debug);
    }
    say("building the functions to be measured; minutes, the first time");
    let packages = MEASURED.iter().flat_map(|package| ["-p", package]);
    cargo(&["build", "--release", "--bins"].into_iter().chain(packages).collect::<Vec<_>>())?;
    let folder = target.join("bench/refresh");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(&debug)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(OsStr::to_str) else { continue };
        // Binaries have no extension; what cargo keeps beside them has, or is a folder.
        if path.is_file() && !name.contains('.') {
            let released = target.join("release").join(name);
            link(if MEASURED.contains(&name) { &released } else { &path }, &folder.join(name))?;
        }
    }
    Ok(folder)
}

async fn start(functions: PathBuf) -> Result<Stack> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let options = Options { build: Build::Folder(functions), ..Options::for_test(workspace.to_owned()) };
    Ok(Stack::start(options).await?)
}

struct Bench {
    stack: Stack,
    provider: Provider,
}

impl Bench {
    /// The refresher's process: sweeps follow one another, so there is one.
    fn pid(&self) -> Result<u32> {
        match self.stack.instances(REFRESHER).as_slice() {
            [pid] => Ok(*pid),
            others => Err(format!("{} refreshers where one was expected", others.len()).into()),
        }
    }

    async fn sweep(&self) -> Result<Swept> {
        let cpu = || self.pid().and_then(process::cpu);
        let none = Cpu { user: Duration::ZERO, system: Duration::ZERO };
        let (calls, cpu_before) = (self.stack.calls_by(REFRESHER), cpu().unwrap_or(none));
        let began = Instant::now();
        let report = self.stack.invoke(REFRESHER, json!({"shards": {"first": 0, "last": 255}})).await?;
        let took = began.elapsed();
        let mut made = self.stack.calls_by(REFRESHER);
        made.iter_mut().for_each(|(call, count)| *count -= calls.get(call).copied().unwrap_or(0));
        Ok(Swept {
            report,
            took,
            cpu: cpu()?.since(cpu_before),
            memory: process::memory(self.pid()?)?,
            calls: made,
            at_once: self.provider.counted().1,
        })
    }

    /// A token that is good for an hour, as the platform asks for it.
    async fn target(&self) -> Result<Target> {
        let root = Api::new(self.stack.url(), Some(self.stack.root_key()));
        let connection = json!({
            "name": "Graph", "flow": "client_credentials", "client_id": "bench", "client_secret": "secret",
            "token_url": self.provider.url,
        });
        root.post("/connections?scope=global", connection).await.expect(201);
        let url = format!("{}/connections/Graph/token", self.stack.url());
        let target = Target::new(url, self.stack.root_key().to_owned());
        load::send(&target, CALLERS, REQUESTS / 10).await?;
        Ok(target)
    }

    async fn during_sweep(&self, target: &Target) -> Result<During> {
        let began = Instant::now();
        let asking = async {
            let (mut count, mut worst) = (0, Duration::ZERO);
            loop {
                let load = load::send(target, CALLERS, 100).await?;
                count += 100;
                worst = worst.max(load.percentile(99));
                if began.elapsed() > Duration::from_secs(20) {
                    return Ok::<_, Box<dyn Error + Send + Sync>>(During {
                        per_second: f64::from(count) / began.elapsed().as_secs_f64(),
                        worst,
                    });
                }
            }
        };
        let (during, swept) = tokio::join!(asking, self.sweep());
        say(&format!(
            "the sweep beside them: {} in {:.1?}",
            swept.as_ref().map_or(&Value::Null, |s| &s.report),
            swept.as_ref().map_or(Duration::ZERO, |s| s.took)
        ));
        during
    }
}

/// How requests fared in the first 20 s of a sweep.
pub(crate) struct During {
    per_second: f64,
    /// The worst 99th percentile of a hundred.
    worst: Duration,
}

/// Progress, apart from the table on standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
