//! What a warm resolve costs, measured on the real binaries: `cargo bench -p bifrost-tests --bench resolve`.
//!
//! Prints a table to paste, and asserts nothing: times belong to the machine that took them. The resolve function and
//! one that does nothing run in the same place of the same stack, so that each figure stands beside its floor. With
//! `--profile dev` the functions are debug binaries, and the run shows only that this program works.

mod binaries;
mod build;
mod house;
mod load;
mod machine;
mod process;
mod report;
#[allow(dead_code, reason = "shared with the other benchmarks")]
mod start;
mod zip;

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use binaries::Binaries;
use house::{Calls, House};
use load::Load;
use machine::Machine;
use process::{Cpu, Memory};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Requests before the memory is read.
const FIRST: usize = 100;
/// Requests over which calls to AWS are counted.
const COUNTED: usize = 500;
/// Requests over which processor time is taken: its clock ticks every 10 ms, and these take half a second at least.
const TIMED: usize = 2_000;
/// How often that is done, because processors that are shared give it unevenly.
const ROUNDS: usize = 7;
/// Starts of each function.
const STARTS: usize = 40;
/// Requests for each number of connections.
const LOADED: usize = 10_000;
/// At most as many as instances, so that no request waits for another's.
const CONNECTIONS: [usize; 2] = [1, 16];

/// What is measured of both functions.
struct Measured {
    memory: Memory,
    /// Per request; one for each of [`ROUNDS`], from the least to the most.
    cpu: Vec<Cpu>,
    start: Duration,
    /// Bytes.
    zip: usize,
    /// One for each of [`CONNECTIONS`].
    loads: Vec<Load>,
}

/// What the resolve function asks of AWS.
struct Asked {
    own_connection: Calls,
    other_connection: Calls,
}

#[tokio::main]
async fn main() -> Result<()> {
    let binaries = Binaries::build()?;
    let before = Machine::look().await?;

    say("one instance: memory, processor time, calls");
    let house = House::of_resolve(&binaries, 1).await?;
    let (resolve_memory, resolve_cpu) = one_instance(&house).await?;
    let asked = Asked {
        own_connection: house.calls(&house.target, COUNTED).await?,
        other_connection: house.calls(&house.other_target(), COUNTED).await?,
    };
    // What the stack gives its functions is what they start with below.
    let environment = process::environment(house.pid()?)?;
    house.stop().await;
    let house = House::of_empty(&binaries, 1).await?;
    let (empty_memory, empty_cpu) = one_instance(&house).await?;
    house.stop().await;

    say("starts");
    let both: [start::Startable<'_>; 2] =
        [(&binaries.resolve, &environment), (&binaries.empty, &environment)];
    let starts = start::medians(&both, STARTS).await?;

    say("many instances: requests per second");
    let resolve = Measured {
        memory: resolve_memory,
        cpu: resolve_cpu,
        start: starts[0].took,
        zip: zip_size(&binaries.resolve)?,
        loads: loads(House::of_resolve(&binaries, most_connections()).await?).await?,
    };
    let empty = Measured {
        memory: empty_memory,
        cpu: empty_cpu,
        start: starts[1].took,
        zip: zip_size(&binaries.empty)?,
        loads: loads(House::of_empty(&binaries, most_connections()).await?).await?,
    };
    let after = Machine::look().await?;
    bifrost_local::console::print(&report::table(&resolve, &empty, &asked));
    bifrost_local::console::print(&report::conditions(&before, &after));
    Ok(())
}

async fn one_instance(house: &House) -> Result<(Memory, Vec<Cpu>)> {
    load::send(&house.target, 1, FIRST).await?;
    let pid = house.pid()?;
    let memory = process::memory(pid)?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let before = process::cpu(pid)?;
        load::send(&house.target, 1, TIMED).await?;
        rounds.push(process::cpu(pid)?.since(before).per(TIMED));
    }
    rounds.sort_unstable_by_key(|cpu| cpu.total());
    Ok((memory, rounds))
}

async fn loads(house: House) -> Result<Vec<Load>> {
    let mut loads = Vec::new();
    for connections in CONNECTIONS {
        // Not to measure how the instances start.
        load::send(&house.target, connections, LOADED / 10).await?;
        loads.push(load::send(&house.target, connections, LOADED).await?);
    }
    house.stop().await;
    Ok(loads)
}

fn most_connections() -> usize {
    CONNECTIONS.into_iter().max().unwrap_or(1)
}

fn zip_size(binary: &Path) -> Result<usize> {
    Ok(zip::size("bootstrap", &std::fs::read(binary)?))
}

/// Progress, apart from the table on standard output.
fn say(what: &str) {
    eprintln!("bench: {what}");
}
