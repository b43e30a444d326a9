//! The figures as a table in Markdown, with the goals of the design beside them.

use std::fmt::Write as _;
use std::time::Duration;

use crate::build::RELEASE;
use crate::house::Calls;
use crate::load::Load;
use crate::machine::Machine;
use crate::process::{Cpu, Memory};
use crate::{Asked, COUNTED, FIRST, LOADED, Measured, ROUNDS, STARTS, TIMED};

const CPU_GOAL: Duration = Duration::from_micros(300);
const ZIP_GOAL: usize = 2_500_000;
const MEMORY_GOAL: u64 = 16_000_000;
/// Of the function that does nothing.
const START_GOAL: f64 = 2.0;

pub(crate) fn table(resolve: &Measured, empty: &Measured, asked: &Asked) -> String {
    let mut table =
        String::from("\n| | integrations-resolve | empty function | goal |\n| --- | --- | --- | --- |\n");
    let mut row = |what: &str, resolve: String, empty: String, goal: String| {
        let _ = writeln!(table, "| {what} | {resolve} | {empty} | {goal} |");
    };
    row(
        "calls per warm resolve: DynamoDB / KMS / Secrets Manager",
        calls(&asked.own_connection),
        String::new(),
        goal("1 / 0 / 0", asked.own_connection.are(1.0)),
    );
    row(
        "the same, integration names another connection",
        calls(&asked.other_connection),
        String::new(),
        goal("2 / 0 / 0", asked.other_connection.are(2.0)),
    );
    row(
        "processor time per warm request: median (user + system), range",
        processor_time(&resolve.cpu),
        processor_time(&empty.cpu),
        goal("0.3 ms", median(&resolve.cpu).total() <= CPU_GOAL),
    );
    let ratio = resolve.start.div_duration_f64(empty.start);
    row(
        "process start to first poll, median",
        format!("{} ({ratio:.2} times)", milliseconds(resolve.start)),
        milliseconds(empty.start),
        goal("twice the empty", ratio <= START_GOAL),
    );
    row(
        "zip, deflate level 9",
        megabytes(resolve.zip as u64),
        megabytes(empty.zip as u64),
        goal("2.5 MB", resolve.zip <= ZIP_GOAL),
    );
    row(
        &format!("resident after {FIRST} requests: now (peak)"),
        memory(&resolve.memory),
        memory(&empty.memory),
        goal("16 MB", resolve.memory.now <= MEMORY_GOAL),
    );
    for (resolve, empty) in resolve.loads.iter().zip(&empty.loads) {
        row(
            &format!("requests per second, p50, p99; connections: {}", resolve.connections),
            load(resolve),
            load(empty),
            String::new(),
        );
    }
    table
}

pub(crate) fn conditions(before: &Machine, after: &Machine) -> String {
    let functions = if RELEASE { "as deployed" } else { "debug builds, worth nothing as figures" };
    let Machine { cores, processor, system, rustc, load } = before;
    let load_after = &after.load;
    format!(
        "
{cores} cores of {processor}, {system}, {rustc}; load average {load} before, {load_after} after.
Functions: {functions}. Over {COUNTED} requests (calls), {ROUNDS} times {TIMED} (processor time), {STARTS} starts,
{LOADED} requests (per second). 1 MB is 10^6 bytes.

Warm: an integration of five keys, a secret among them, mapped, with a valid token on a connected global connection,
asked by a workflow's key. Requests pass the whole local stack (gateway, remembered authorizer, one Runtime API for
all), which runs in one process with the client, on the same cores. Connections stay open. DynamoDB is reached without
TLS, unlike in AWS.
"
    )
}

impl Calls {
    fn are(&self, dynamodb: f64) -> bool {
        (self.dynamodb, self.kms, self.secrets_manager) == (dynamodb, 0.0, 0.0)
    }
}

fn goal(goal: &str, met: bool) -> String {
    format!("{goal}: {}", if met { "met" } else { "**missed**" })
}

/// Whole numbers as such: anything else deserves to be seen.
fn calls(calls: &Calls) -> String {
    format!("{} / {} / {}", calls.dynamodb, calls.kms, calls.secrets_manager)
}

fn processor_time(rounds: &[Cpu]) -> String {
    let total = |cpu: Option<&Cpu>| cpu.map_or(0.0, |cpu| in_milliseconds(cpu.total()));
    let Cpu { user, system } = median(rounds);
    format!(
        "{} ({:.2} + {:.2}), {:.2} to {:.2}",
        milliseconds(user + system),
        in_milliseconds(user),
        in_milliseconds(system),
        total(rounds.first()),
        total(rounds.last())
    )
}

fn median(rounds: &[Cpu]) -> Cpu {
    rounds[rounds.len() / 2]
}

fn memory(memory: &Memory) -> String {
    format!("{} ({})", megabytes(memory.now), megabytes(memory.peak))
}

fn load(load: &Load) -> String {
    format!(
        "{:.0}, {}, {}",
        load.per_second(),
        milliseconds(load.percentile(50)),
        milliseconds(load.percentile(99))
    )
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", in_milliseconds(time))
}

fn in_milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}
