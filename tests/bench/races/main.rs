//! How long a crowd waits for one token: `cargo bench -p bifrost-tests --bench races`.
//!
//! Prints a table to paste, row by row, and asserts nothing but that every caller is served by one exchange: times belong to the
//! machine that took them. With `--profile dev` the functions are debug binaries, and the run shows only that this
//! program works.

#[path = "../build.rs"]
mod build;
#[path = "../machine.rs"]
mod machine;

use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bifrost_local::{Build, Options, Stack};
use bifrost_tests::{Api, Browser, TestProvider, all_at_once, sign_in, with};
use serde_json::json;

use build::{RELEASE, cargo, link, target};
use machine::Machine;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const TOKEN: &str = "connections-token";
/// As they are deployed; the rest of the stack sets things up.
const MEASURED: [&str; 2] = [TOKEN, "authorizer"];

/// Callers of one grant, and processes for them.
const CROWDS: [(usize, usize); 5] = [(8, 8), (64, 64), (500, 8), (500, 16), (500, 64)];
/// How often each; the middle one by its p99 counts.
const ROUNDS: usize = 5;
/// Grants, callers of each, and processes.
const MANY: (usize, usize, usize) = (200, 20, 64);
/// What the provider takes for an exchange.
const PROVIDER: Duration = Duration::from_secs(1);
const GOAL: Duration = Duration::from_millis(300);
/// Long enough to sign in, short enough to wait for its end.
const BRIEF: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<()> {
    rlimit::increase_nofile_limit(32_000)?;
    let folder = build_all()?;
    let before = Machine::look().await?;
    let print = bifrost_local::console::print;
    print("\n| callers | processes | exchanges | p50 | p99 | most | goal: p99 within 300 ms |\n");
    print("| --- | --- | --- | --- | --- | --- | --- |\n");
    for (callers, processes) in CROWDS {
        say(&format!("{callers} callers, {processes} processes"));
        let bench = Bench::start(&folder, processes).await?;
        // Not to measure how the processes start.
        bench.crowd(1, callers).await?;
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(bench.crowd(1, callers).await?);
        }
        bench.stack.stop().await;
        rounds.sort_by_key(|crowd| crowd.percentile(99));
        print(&rounds.swap_remove(ROUNDS / 2).row(&callers.to_string()));
    }
    let (grants, callers, processes) = MANY;
    say(&format!("{grants} grants, {callers} callers of each"));
    let bench = Bench::start(&folder, processes).await?;
    bench.crowd(1, processes * 4).await?;
    let many = bench.crowd(grants, callers).await?;
    bench.stack.stop().await;
    print(&many.row(&format!("{grants} grants × {callers}")));
    let after = Machine::look().await?;
    print(&conditions(&before, &after));
    Ok(())
}

struct Bench {
    stack: Stack,
    root: Api,
}

/// What callers waited who came at the same moment for tokens that had expired.
struct Crowd {
    /// Beyond the time that the provider took; the shortest first.
    waits: Vec<Duration>,
    exchanges: usize,
    processes: usize,
}

impl Bench {
    async fn start(functions: &Path, processes: usize) -> Result<Self> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
        let options = Options {
            build: Build::Folder(functions.to_owned()),
            max_instances: processes,
            ..Options::for_test(workspace.to_owned())
        };
        let stack = Stack::start(options).await?;
        let root = Api::new(stack.url(), Some(stack.root_key()));
        Ok(Self { stack, root })
    }

    async fn crowd(&self, grants: usize, callers: usize) -> Result<Crowd> {
        let provider = TestProvider::with(|options| options.access_token_lifetime = BRIEF).await;
        let mut paths = Vec::new();
        for _ in 0..grants {
            paths.push(self.connect(&provider).await?);
        }
        tokio::time::sleep(BRIEF).await;
        provider.control().set_access_token_lifetime(Duration::from_secs(3600));
        provider.control().delay_token(PROVIDER);
        let seen = Arc::new(Mutex::new(HashSet::new()));
        let seen_by_hook = Arc::clone(&seen);
        self.stack.set_fault_hook(Some(Arc::new(move |call| {
            if call.function == TOKEN
                && let Ok(mut seen) = seen_by_hook.lock()
            {
                seen.insert(call.instance);
            }
            None
        })));
        let calls = (0..grants * callers).map(|caller| {
            let (root, path) = (self.root.clone(), paths[caller % grants].clone());
            async move {
                let start = Instant::now();
                let token = root.get(&path).await.expect(200);
                (start.elapsed(), token["generation"] == 2)
            }
        });
        let served = all_at_once(calls).await;
        let exchanges = provider.control().token_request_count("refresh_token");
        if exchanges != grants || served.iter().any(|(_, second)| !second) {
            return Err(format!("{exchanges} exchanges for {grants} grants").into());
        }
        let mut waits: Vec<Duration> =
            served.into_iter().map(|(wait, _)| wait.saturating_sub(PROVIDER)).collect();
        waits.sort_unstable();
        let processes = seen.lock().map_err(|_| "a caller panicked")?.len();
        Ok(Crowd { waits, exchanges, processes })
    }

    /// Signs in, and returns the path of the token.
    async fn connect(&self, provider: &TestProvider) -> Result<String> {
        let name = format!("Halo-{}", uuid::Uuid::new_v4().simple());
        let body = with(provider.authorization_code(), json!({"name": name}));
        let created = self.root.post("/connections?scope=global", body).await.expect(201);
        let redirect_uri = created["redirect_uri"].as_str().ok_or("no redirect URI")?;
        provider.control().register_redirect_uri(&provider.client_id, redirect_uri);
        let authorize = format!("/connections/{name}/authorize?scope=global");
        let link = self.root.post(&authorize, json!({})).await.expect(201);
        let link = link["connect_url"].as_str().ok_or("no link")?;
        let page = sign_in(&mut Browser::new(), link).await;
        if page.status == 200 {
            Ok(format!("/connections/{name}/token?scope=global"))
        } else {
            Err(page.text.into())
        }
    }
}

impl Crowd {
    fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.waits.len() * percent).div_ceil(100);
        self.waits[rank.saturating_sub(1)]
    }

    fn row(&self, who: &str) -> String {
        let milliseconds = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1e3);
        let met = if self.percentile(99) <= GOAL { "met" } else { "**missed**" };
        let mut row = String::new();
        let _ = writeln!(
            row,
            "| {who} | {} | {} | {} | {} | {} | {met} |",
            self.processes,
            self.exchanges,
            milliseconds(self.percentile(50)),
            milliseconds(self.percentile(99)),
            milliseconds(self.percentile(100)),
        );
        row
    }
}

/// A folder with the functions under measurement as they are deployed, and debug binaries of all others.
fn build_all() -> Result<PathBuf> {
    say("building the functions that set things up");
    cargo(&["build", "--workspace", "--exclude", "bifrost-tests", "--bins"])?;
    if RELEASE {
        say("building the functions to be measured; minutes, the first time");
        // By package, as a deployment builds them.
        let packages = MEASURED.iter().flat_map(|package| ["-p", package]);
        cargo(&["build", "--release", "--bins"].into_iter().chain(packages).collect::<Vec<_>>())?;
    }
    let target = target()?;
    let folder = target.join("bench/races");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(target.join("debug"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(OsStr::to_str) else { continue };
        // Binaries have no extension; what cargo keeps beside them has, or is a folder.
        if path.is_file() && !name.contains('.') {
            let measured = RELEASE && MEASURED.contains(&name);
            let binary = if measured { target.join("release").join(name) } else { path.clone() };
            link(&binary, &folder.join(name))?;
        }
    }
    Ok(folder)
}

fn conditions(before: &Machine, after: &Machine) -> String {
    let functions = if RELEASE { "as deployed" } else { "debug builds, worth nothing as figures" };
    let Machine { cores, processor, system, rustc, load } = before;
    let load_after = &after.load;
    format!(
        "
{cores} cores of {processor}, {system}, {rustc}; load average {load} before, {load_after} after.
Functions: {functions}. Waits are those beyond the {} ms that the provider takes; of {ROUNDS} rounds the middle one.

All callers come at the same moment over connections of their own, through the whole local stack, which runs in one
process with them and the provider, on the same cores. A process serves one request at a time: with more callers than
processes the others queue, which in Lambda they would not.
",
        PROVIDER.as_millis()
    )
}

/// Progress, apart from the table on standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
