//! What each dependency costs: `cargo bench -p bifrost-tests --bench dependencies`.
//!
//! One function is built again and again, each time with one dependency more (`tests/bench/weight`), and measured as a
//! deployment would have it. Numbers of steps choose some: `... --bench dependencies -- 0 1 2`. Prints a table to paste,
//! and asserts nothing. With `--profile dev` the builds are debug builds, and the run shows only that this program works.

#[allow(dead_code, reason = "shared with the other benchmarks")]
#[path = "../build.rs"]
mod build;
#[allow(dead_code, reason = "shared with the other benchmarks")]
#[path = "../instructions.rs"]
mod instructions;
#[path = "../lambda.rs"]
mod lambda;
#[path = "../machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with the other benchmarks")]
#[path = "../process.rs"]
mod process;
#[path = "../start.rs"]
mod start;
#[path = "../zip.rs"]
mod zip;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use build::{RELEASE, cargo_with, target};
use machine::Machine;
use start::{Start, Startable};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// As the function counts them.
const STEPS: [&str; 13] = [
    "nothing but the standard library",
    "tokio, lambda_runtime",
    "serde_json (values)",
    "tracing, tracing-subscriber",
    "ring (AES-GCM)",
    "rustls, webpki-roots",
    "reqwest",
    "aws-sdk-dynamodb",
    "aws-sdk-kms",
    "aws-sdk-secretsmanager",
    "oauth2",
    "maud",
    "bifrost: a whole integrations-resolve, without what of the above it does not call",
];
/// Starts of each.
const STARTS: usize = 40;

/// What is measured of a step.
struct Measured {
    zip: usize,
    start: Start,
    instructions: Option<u64>,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Cargo says `--bench` too.
    let words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let mut steps = words.map(|word| Ok(word.parse::<usize>()?)).collect::<Result<Vec<_>>>()?;
    if steps.is_empty() {
        steps.extend(0..STEPS.len());
    }
    let folder = target()?.join("bench/weight");
    fs::create_dir_all(&folder)?;
    let binaries = steps.iter().map(|step| built(*step)).collect::<Result<Vec<_>>>()?;
    let before = Machine::look().await?;

    say("starts");
    let environment: Vec<(OsString, OsString)> = lambda::environment(&BTreeMap::new());
    let startables: Vec<Startable<'_>> =
        binaries.iter().map(|binary| (binary.as_path(), environment.as_slice())).collect();
    let starts = start::medians(&startables, STARTS).await?;
    let counted = instructions::can_be_counted();
    let mut measured = Vec::with_capacity(steps.len());
    for (startable, start) in startables.into_iter().zip(starts) {
        let instructions = match counted {
            true => Some(instructions::to_first_poll(startable, &folder).await?),
            false => None,
        };
        measured.push(Measured { zip: zip::size("bootstrap", &fs::read(startable.0)?), start, instructions });
    }
    let after = Machine::look().await?;
    bifrost_local::console::print(&table(&steps, &measured));
    bifrost_local::console::print(&conditions(&before, &after));
    Ok(())
}

/// The function with everything up to this step, in a place where the next one does not overwrite it.
fn built(step: usize) -> Result<PathBuf> {
    let name = STEPS.get(step).ok_or_else(|| format!("there is no step {step}"))?;
    say(&format!("building step {step}: {name}"));
    let profile: &[&str] = if RELEASE { &["--release"] } else { &[] };
    let arguments = [&["build", "-p", "bench-weight", "--example", "weight"], profile].concat();
    cargo_with(&[("BIFROST_WEIGHT", &step.to_string())], &arguments)?;
    let profile = if RELEASE { "release" } else { "debug" };
    let kept = target()?.join("bench/weight").join(format!("{step:02}"));
    fs::copy(target()?.join(profile).join("examples/weight"), &kept)?;
    Ok(kept)
}

fn table(steps: &[usize], measured: &[Measured]) -> String {
    let mut table = String::from(
        "\n| with | zip | more | start to first poll | more | resident then | more | instructions until then |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut last: Option<&Measured> = None;
    for (step, figures) in steps.iter().zip(measured) {
        let of = |figures: &Measured| {
            let zip = figures.zip as f64 / 1e3;
            (zip, figures.start.took.as_secs_f64() * 1e3, figures.start.memory.now as f64 / 1e6)
        };
        let (zip, start, memory) = of(figures);
        let (zip_before, start_before, memory_before) = last.map_or((zip, start, memory), of);
        let instructions = figures.instructions.map(|count| format!("{:.2} million", count as f64 / 1e6));
        let _ = writeln!(
            table,
            "| {}{} | {zip:.0} kB | {:+.0} kB | {start:.2} ms | {:+.2} ms | {memory:.2} MB | {:+.2} MB | {} |",
            if *step > 0 { "+ " } else { "" },
            STEPS[*step],
            zip - zip_before,
            start - start_before,
            memory - memory_before,
            instructions.unwrap_or_default(),
        );
        last = Some(figures);
    }
    table
}

fn conditions(before: &Machine, after: &Machine) -> String {
    let builds = if RELEASE { "as deployed" } else { "debug builds, worth nothing as figures" };
    let Machine { cores, processor, system, rustc, load } = before;
    let load_after = &after.load;
    format!(
        "
The middle of {STARTS} starts, in turns. Builds: {builds}. 1 kB is 10^3 bytes. What is weighed of a dependency is what the
house calls of it.
{cores} cores of {processor}, {system}, {rustc}; load average {load} before, {load_after} after.
"
    )
}

/// Progress, apart from the table on standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
