//! What each function of the template weighs, beside one that does nothing: `cargo bench -p bifrost-tests --bench functions`.
//!
//! Names, or parts of them, choose some: `... --bench functions -- resolve keys-`. A release build of a function takes
//! about a minute, so that all of them take long the first time. Prints a table to paste, and asserts nothing: times
//! belong to the machine that took them. With `--profile dev` the functions are debug binaries, and the run shows only
//! that this program works.

#[path = "../binaries.rs"]
mod binaries;
#[path = "../build.rs"]
mod build;
#[allow(dead_code, reason = "shared with the other benchmarks")]
#[path = "../house.rs"]
mod house;
#[path = "../instructions.rs"]
mod instructions;
#[path = "../lambda.rs"]
mod lambda;
#[allow(dead_code, reason = "shared with the other benchmarks")]
#[path = "../load.rs"]
mod load;
#[path = "../machine.rs"]
mod machine;
#[allow(dead_code, reason = "shared with the other benchmarks")]
#[path = "../process.rs"]
mod process;
mod report;
#[path = "../start.rs"]
mod start;
#[path = "../zip.rs"]
mod zip;

use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use bifrost_local::template;

use binaries::{Binaries, RESOLVE};
use build::{RELEASE, cargo, target};
use house::House;
use machine::Machine;
use start::{Start, Startable};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Starts of each function.
const STARTS: usize = 40;
/// Requests before instructions are counted, and those over which they are.
const FIRST: usize = if RELEASE { 100 } else { 10 };
const COUNTED: usize = if RELEASE { 200 } else { 10 };

/// What is measured of a function.
pub(crate) struct Measured {
    name: String,
    /// Bytes.
    zip: usize,
    start: Start,
    /// Up to its first question for work, where they can be counted.
    instructions: Option<u64>,
}

/// Instructions per warm request.
pub(crate) struct Warm {
    resolve: u64,
    empty: u64,
}

/// Something to start: the empty function, or one of the template.
struct Function {
    name: String,
    binary: PathBuf,
    environment: Vec<(OsString, OsString)>,
}

#[tokio::main]
async fn main() -> Result<()> {
    // Cargo says `--bench` too.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let functions = build_all(&wanted)?;
    let before = Machine::look().await?;
    let folder = target()?.join("bench");
    fs::create_dir_all(&folder)?;

    say("starts");
    let startable = |function: &'_ Function| (function.binary.clone(), function.environment.clone());
    let startables: Vec<_> = functions.iter().map(startable).collect();
    let startables: Vec<Startable<'_>> =
        startables.iter().map(|(binary, environment)| (binary.as_path(), environment.as_slice())).collect();
    let starts = start::medians(&startables, STARTS).await?;
    let counted = instructions::can_be_counted();
    let mut measured = Vec::with_capacity(functions.len());
    for ((function, start), startable) in functions.iter().zip(starts).zip(startables) {
        let instructions = match counted {
            true => Some(instructions::to_first_poll(startable, &folder).await?),
            false => None,
        };
        let zip = zip::size("bootstrap", &fs::read(&function.binary)?);
        measured.push(Measured { name: function.name.clone(), zip, start, instructions });
    }
    let resolve_too = functions.iter().any(|function| function.name == RESOLVE);
    let warm = if counted && resolve_too { Some(warm(&folder).await?) } else { None };
    let after = Machine::look().await?;
    bifrost_local::console::print(&report::table(&measured));
    bifrost_local::console::print(&report::conditions(&measured, warm.as_ref(), &before, &after));
    Ok(())
}

/// Each on its own, as a deployment builds it: with no feature that only others ask for. The empty one comes first.
fn build_all(wanted: &[String]) -> Result<Vec<Function>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no workspace")?;
    let template =
        template::read(&fs::read_to_string(workspace.join("infra/template.yaml"))?, &BTreeMap::new())?;
    let mut of_template = template.functions;
    of_template.retain(|function| {
        wanted.is_empty() || wanted.iter().any(|wanted| function.package.contains(wanted.as_str()))
    });
    of_template.sort_by(|one, other| one.package.cmp(&other.package));
    if of_template.is_empty() {
        return Err("no function of the template has such a name".into());
    }
    let built = target()?.join(if RELEASE { "release" } else { "debug" });
    let profile: &[&str] = if RELEASE { &["--release"] } else { &[] };
    let build = |arguments: &[&str]| cargo(&[&["build"], profile, arguments].concat());
    build(&["-p", "bench-empty", "--example", "empty"])?;
    let mut functions = vec![Function {
        name: "empty function".to_owned(),
        binary: built.join("examples/empty"),
        environment: lambda::environment(&BTreeMap::new()),
    }];
    let count = of_template.len();
    for (index, function) in of_template.into_iter().enumerate() {
        say(&format!("building {} ({} of {count})", function.package, index + 1));
        build(&["-p", &function.package, "--bins"])?;
        functions.push(Function {
            binary: built.join(&function.package),
            environment: lambda::environment(&function.environment),
            name: function.package,
        });
    }
    Ok(functions)
}

/// What a warm request to the resolve function takes, and one to the empty function in its place.
async fn warm(folder: &Path) -> Result<Warm> {
    let mut binaries = Binaries::build()?;
    say("warm requests, instruction by instruction");
    let mut counting = instructions::counting(&binaries.resolve, folder)?;
    binaries.resolve.clone_from(&counting.script);
    let resolve = per_request(House::of_resolve(&binaries, 1).await?, &mut counting).await?;
    let mut counting = instructions::counting(&binaries.empty, folder)?;
    binaries.empty.clone_from(&counting.script);
    let empty = per_request(House::of_empty(&binaries, 1).await?, &mut counting).await?;
    Ok(Warm { resolve, empty })
}

async fn per_request(house: House, counting: &mut instructions::Counting) -> Result<u64> {
    load::send(&house.target, 1, FIRST).await?;
    let pid = house.pid()?;
    counting.since_last(pid).await?;
    load::send(&house.target, 1, COUNTED).await?;
    let counted = counting.since_last(pid).await?;
    house.stop().await;
    Ok(counted / COUNTED as u64)
}

/// Progress, apart from the table on standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
