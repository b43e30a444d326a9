//! The figures as a table in Markdown, with the goals of the design above them.

use std::fmt::Write as _;

use crate::build::RELEASE;
use crate::machine::Machine;
use crate::{COUNTED, Measured, STARTS, Warm};

const ZIP_GOAL: usize = 2_500_000;
const MEMORY_GOAL: u64 = 16_000_000;
/// Of the function that does nothing.
const START_GOAL: f64 = 2.0;

/// The first one is the empty function.
pub(crate) fn table(measured: &[Measured]) -> String {
    let mut table = String::from(
        "\n| function | zip | start to first poll | times the empty | resident then | instructions until then |\n\
         | --- | --- | --- | --- | --- | --- |\n\
         | *goal* | *2.5 MB* | | *2* | *16 MB* | |\n",
    );
    for function in measured {
        let (ratio, memory) = (ratio(function, measured), function.start.memory.now);
        let instructions = function.instructions.map(millions).unwrap_or_default();
        let _ = writeln!(
            table,
            "| {} | {} | {:.2} ms | {} | {} | {instructions} |",
            function.name,
            judged(format!("{:.2} MB", function.zip as f64 / 1e6), function.zip <= ZIP_GOAL),
            function.start.took.as_secs_f64() * 1e3,
            judged(format!("{ratio:.2}"), ratio <= START_GOAL),
            judged(format!("{:.2} MB", memory as f64 / 1e6), memory <= MEMORY_GOAL),
        );
    }
    table
}

pub(crate) fn conditions(
    measured: &[Measured],
    warm: Option<&Warm>,
    before: &Machine,
    after: &Machine,
) -> String {
    let functions = if RELEASE { "as deployed" } else { "debug builds, worth nothing as figures" };
    let Machine { cores, processor, system, rustc, load } = before;
    let load_after = &after.load;
    let mut text = String::from("\n");
    if let Some(Warm { resolve, empty }) = warm {
        let _ = writeln!(
            text,
            "A warm resolve: {} instructions; the empty function: {} (over {COUNTED} requests).",
            millions(*resolve),
            millions(*empty)
        );
    }
    let missed: Vec<&str> = measured
        .iter()
        .filter(|function| {
            let start = ratio(function, measured) <= START_GOAL;
            !start || function.zip > ZIP_GOAL || function.start.memory.now > MEMORY_GOAL
        })
        .map(|function| function.name.as_str())
        .collect();
    let goals =
        if missed.is_empty() { "met by all".to_owned() } else { format!("missed by {}", missed.join(", ")) };
    let _ = writeln!(
        text,
        "Goals: {goals}. The middle of {STARTS} starts, in turns. Functions: {functions}. 1 MB is 10^6 bytes.
{cores} cores of {processor}, {system}, {rustc}; load average {load} before, {load_after} after."
    );
    text
}

fn ratio(function: &Measured, measured: &[Measured]) -> f64 {
    function.start.took.div_duration_f64(measured[0].start.took)
}

fn judged(figure: String, met: bool) -> String {
    if met { figure } else { format!("**{figure}**") }
}

fn millions(count: u64) -> String {
    format!("{:.2} million", count as f64 / 1e6)
}
